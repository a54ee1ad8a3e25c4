/* _curses_panel.c - stacks of overlapping curses windows, for curses.panel.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#define NCURSES_WIDECHAR 1
#include <panel.h>
#include <py_curses.h>

#define SIG(s) s "\n--\n\n"

typedef struct Panel Panel;

typedef struct {
    PyTypeObject *type;
    PyTypeObject *window; /* of _curses */
    PyObject *error;
    Panel *all; /* the living panels: the library knows its own structures only */
} State;

struct Panel {
    PyObject_HEAD
    PANEL *panel;
    PyObject *window;
    Panel *next, **link; /* in State.all */
};

#define PANEL_OF(o) (((Panel *)(o))->panel)

static State *
state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

static PyObject *
check(State *st, int code, const char *fname)
{
    if (code != ERR) {
        Py_RETURN_NONE;
    }
    PyErr_Format(st->error, "%s() returned ERR", fname);
    return NULL;
}

/* The object of a panel, None for NULL. */
static PyObject *
object_of(State *st, PANEL *panel, const char *fname)
{
    if (!panel) {
        Py_RETURN_NONE;
    }
    for (Panel *p = st->all; p; p = p->next) {
        if (p->panel == panel) {
            return Py_NewRef((PyObject *)p);
        }
    }
    PyErr_Format(PyExc_RuntimeError, "%s: can't find Panel Object", fname);
    return NULL;
}

static int
check_window(State *st, PyObject *o, const char *where)
{
    if (!PyObject_TypeCheck(o, st->window)) {
        PyErr_Format(PyExc_TypeError, "%s must be _curses.window, not %.50s", where,
                     Py_IsNone(o) ? "None" : Py_TYPE(o)->tp_name);
        return -1;
    }
    return 0;
}

static int
panel_traverse(PyObject *self, visitproc visit, void *arg)
{
    Panel *p = (Panel *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(p->window);
    if (p->panel) {
        Py_VISIT((PyObject *)panel_userptr(p->panel));
    }
    return 0;
}

static int
panel_clear(PyObject *self)
{
    Panel *p = (Panel *)self;
    if (p->panel) {
        PyObject *user = (PyObject *)panel_userptr(p->panel);
        set_panel_userptr(p->panel, NULL);
        Py_XDECREF(user);
    }
    return 0;
}

static void
panel_dealloc(PyObject *self)
{
    Panel *p = (Panel *)self;
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (p->link) {
        *p->link = p->next;
        if (p->next) {
            p->next->link = p->link;
        }
    }
    if (p->panel) {
        PyObject *user = (PyObject *)panel_userptr(p->panel);
        set_panel_userptr(p->panel, NULL);
        del_panel(p->panel);
        p->panel = NULL;
        Py_XDECREF(user);
    }
    Py_XDECREF(p->window);
    tp->tp_free(self);
    Py_DECREF(tp);
}

#define SIMPLE(name, call)                                                             \
    static PyObject *panel_do_##name(PyObject *self, PyObject *ignored)                \
    {                                                                                  \
        return check(state_of(self), call(PANEL_OF(self)), #call);                     \
    }
SIMPLE(bottom, bottom_panel)
SIMPLE(hide, hide_panel)
SIMPLE(show, show_panel)
SIMPLE(top, top_panel)

static PyObject *
panel_do_above(PyObject *self, PyObject *ignored)
{
    return object_of(state_of(self), panel_above(PANEL_OF(self)), "panel_above");
}

static PyObject *
panel_do_below(PyObject *self, PyObject *ignored)
{
    return object_of(state_of(self), panel_below(PANEL_OF(self)), "panel_below");
}

static PyObject *
panel_do_hidden(PyObject *self, PyObject *ignored)
{
    return PyBool_FromLong(panel_hidden(PANEL_OF(self)));
}

static PyObject *
panel_do_move(PyObject *self, PyObject *args)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n != 2) {
        PyErr_Format(PyExc_TypeError,
                     n < 2 ? "move() takes exactly 2 positional arguments (%zd given)"
                           : "move() takes at most 2 arguments (%zd given)",
                     n);
        return NULL;
    }
    int y = PyLong_AsInt(PyTuple_GET_ITEM(args, 0));
    if (y == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int x = PyLong_AsInt(PyTuple_GET_ITEM(args, 1));
    if (x == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return check(state_of(self), move_panel(PANEL_OF(self), y, x), "move_panel");
}

static PyObject *
panel_do_window(PyObject *self, PyObject *ignored)
{
    return Py_NewRef(((Panel *)self)->window);
}

static PyObject *
panel_do_replace(PyObject *self, PyObject *win)
{
    State *st = state_of(self);
    if (check_window(st, win, "replace() argument 1") < 0) {
        return NULL;
    }
    if (replace_panel(PANEL_OF(self), ((PyCursesWindowObject *)win)->win) == ERR) {
        return check(st, ERR, "replace_panel");
    }
    NJ_SET(((Panel *)self)->window, Py_NewRef(win));
    Py_RETURN_NONE;
}

static PyObject *
panel_do_set_userptr(PyObject *self, PyObject *o)
{
    PyObject *old = (PyObject *)panel_userptr(PANEL_OF(self));
    int rc = set_panel_userptr(PANEL_OF(self), Py_NewRef(o));
    if (rc == ERR) {
        Py_DECREF(o);
    }
    else {
        Py_XDECREF(old);
    }
    return check(state_of(self), rc, "set_panel_userptr");
}

static PyObject *
panel_do_userptr(PyObject *self, PyObject *ignored)
{
    PyObject *o = (PyObject *)panel_userptr(PANEL_OF(self));
    if (!o) {
        PyErr_SetString(state_of(self)->error, "no userptr set");
        return NULL;
    }
    return Py_NewRef(o);
}

#define M_NO(name, doc)                                                                \
    {#name, panel_do_##name, METH_NOARGS, PyDoc_STR(SIG(#name "($self, /)") doc)}
static PyMethodDef panel_methods[] = {
    M_NO(above, "The panel above this one, or None."),
    M_NO(below, "The panel below this one, or None."),
    M_NO(bottom, "Push the panel to the bottom."),
    M_NO(hidden, "Is the panel hidden?"),
    M_NO(hide, "Take the panel out of sight."),
    {"move", panel_do_move, METH_VARARGS,
     PyDoc_STR(SIG("move($self, y, x, /)") "Move the panel on the screen.")},
    {"replace", panel_do_replace, METH_O,
     PyDoc_STR(SIG("replace($self, win, /)") "Give the panel another window.")},
    {"set_userptr", panel_do_set_userptr, METH_O,
     PyDoc_STR(SIG("set_userptr($self, obj, /)") "Attach an object to the panel.")},
    M_NO(show, "Put the panel on top, in sight."),
    M_NO(top, "Push the panel to the top."),
    M_NO(userptr, "The object attached to the panel."),
    M_NO(window, "The panel's window."),
    {NULL, NULL, 0, NULL},
};

static PyType_Slot panel_slots[] = {
    {Py_tp_dealloc, panel_dealloc},
    {Py_tp_traverse, panel_traverse},
    {Py_tp_clear, panel_clear},
    {Py_tp_methods, panel_methods},
    {0, NULL},
};

static PyType_Spec panel_spec = {
    .name = "_curses_panel.panel",
    .basicsize = sizeof(Panel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = panel_slots,
};

/* ======================================================================================
 * The module
 * ====================================================================================== */

static PyObject *
module_bottom(PyObject *m, PyObject *ignored)
{
    PyCursesInitialised;
    return object_of(PyModule_GetState(m), panel_above(NULL), "panel_above");
}

static PyObject *
module_top(PyObject *m, PyObject *ignored)
{
    PyCursesInitialised;
    return object_of(PyModule_GetState(m), panel_below(NULL), "panel_below");
}

static PyObject *
module_new(PyObject *m, PyObject *win)
{
    State *st = PyModule_GetState(m);
    if (check_window(st, win, "new_panel() argument") < 0) {
        return NULL;
    }
    PANEL *panel = new_panel(((PyCursesWindowObject *)win)->win);
    if (!panel) {
        PyErr_SetString(st->error, catchall_NULL);
        return NULL;
    }
    Panel *self = (Panel *)st->type->tp_alloc(st->type, 0);
    if (!self) {
        del_panel(panel);
        return NULL;
    }
    self->panel = panel;
    self->window = Py_NewRef(win);
    self->next = st->all;
    self->link = &st->all;
    if (self->next) {
        self->next->link = &self->next;
    }
    st->all = self;
    return (PyObject *)self;
}

static PyObject *
module_update(PyObject *m, PyObject *ignored)
{
    PyCursesInitialised;
    update_panels();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"bottom_panel", module_bottom, METH_NOARGS,
     PyDoc_STR(SIG("bottom_panel($module, /)") "The panel at the bottom, or None.")},
    {"new_panel", module_new, METH_O,
     PyDoc_STR(SIG("new_panel($module, win, /)") "A panel for a window, on top.")},
    {"top_panel", module_top, METH_NOARGS,
     PyDoc_STR(SIG("top_panel($module, /)") "The panel on top, or None.")},
    {"update_panels", module_update, METH_NOARGS,
     PyDoc_STR(SIG("update_panels($module, /)") "Bring the virtual screen up to date; "
                                                "doupdate() shows it.")},
    {NULL, NULL, 0, NULL},
};

static int
panel_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    import_curses();
    if (!PyCurses_API) {
        return -1;
    }
    st->window = (PyTypeObject *)Py_NewRef(PyCurses_API[0]);
    st->type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &panel_spec, NULL);
    st->error = PyErr_NewException("_curses_panel.error", NULL, NULL);
    if (!st->type || PyModule_AddType(m, st->type) < 0 ||
        PyModule_AddObjectRef(m, "error", st->error) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(m, "version", "2.1") < 0
               ? -1
               : PyModule_AddStringConstant(m, "__version__", "2.1");
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    Py_VISIT(st->type);
    Py_VISIT(st->window);
    Py_VISIT(st->error);
    return 0;
}

static int
module_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    /* panels that outlive the module must not look for its list */
    while (st->all) {
        Panel *p = st->all;
        st->all = p->next;
        p->link = NULL;
        p->next = NULL;
    }
    Py_CLEAR(st->type);
    Py_CLEAR(st->window);
    Py_CLEAR(st->error);
    return 0;
}

static void
module_free(void *m)
{
    module_clear(m);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, panel_exec},
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_curses_panel",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__curses_panel(void)
{
    return PyModuleDef_Init(&module);
}

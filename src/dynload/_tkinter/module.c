/* module.c - the module _tkinter.
 * SPDX-License-Identifier: MIT
 */
#include "tkinter_int.h"

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

/* ======================================================================================
 * Functions
 * ====================================================================================== */

/* Appends the items of a sequence and of those in it, without None. */
static int
flatten_into(PyObject *list, PyObject *seq, int depth)
{
    if (depth > 1000) {
        PyErr_SetString(PyExc_ValueError, "nesting too deep in _flatten");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++) {
        NJ_OWN o = Py_NewRef(PySequence_Fast_GET_ITEM(seq, i));
        if (PyTuple_Check(o) || PyList_Check(o)) {
            if (flatten_into(list, o, depth + 1) < 0) {
                return -1;
            }
        }
        else if (o != Py_None && PyList_Append(list, o) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
flatten(PyObject *m, PyObject *o)
{
    if (PySequence_Size(o) < 0) {
        return NULL;
    }
    if (!PyTuple_Check(o) && !PyList_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "argument must be sequence");
        return NULL;
    }
    NJ_OWN list = PyList_New(0);
    return list && flatten_into(list, o, 0) == 0 ? PyList_AsTuple(list) : NULL;
}

static PyObject *
setbusywait(PyObject *m, PyObject *o)
{
    int v = PyLong_AsInt(o);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (v < 0) {
        PyErr_SetString(PyExc_ValueError, "busywaitinterval must be >= 0");
        return NULL;
    }
    state_of(m)->busywait = v;
    Py_RETURN_NONE;
}

static PyObject *
getbusywait(PyObject *m, PyObject *ignored)
{
    return PyLong_FromLong(state_of(m)->busywait);
}

static PyMethodDef methods[] = {
    {"_flatten", flatten, METH_O, PyDoc_STR(SIG("_flatten($module, item, /)"))},
    {"create", tk_create, METH_VARARGS,
     PyDoc_STR(SIG("create($module, screenName=None, baseName=\'\', className=\'Tk\',\n"
                   "       interactive=False, wantobjects=0, wantTk=True, sync=False,\n"
                   "       use=None, /)") "A new Tcl interpreter.\n\n"
                   "wantTk: with Tk; sync: pass -sync to it; use: pass -use.")},
    {"setbusywaitinterval", setbusywait, METH_O,
     PyDoc_STR(SIG("setbusywaitinterval($module, new_val, /)")
               "How many milliseconds the loop sleeps between events, where Tcl has no\n"
               "threads.")},
    {"getbusywaitinterval", getbusywait, METH_NOARGS,
     PyDoc_STR(SIG("getbusywaitinterval($module, /)")
               "How many milliseconds the loop sleeps between events.")},
    {NULL, NULL, 0, NULL},
};

/* ======================================================================================
 * The module
 * ====================================================================================== */

static const struct {
    const char *name;
    int value;
} constants[] = {
    {"READABLE", TCL_READABLE},           {"WRITABLE", TCL_WRITABLE},
    {"EXCEPTION", TCL_EXCEPTION},         {"WINDOW_EVENTS", TCL_WINDOW_EVENTS},
    {"FILE_EVENTS", TCL_FILE_EVENTS},     {"TIMER_EVENTS", TCL_TIMER_EVENTS},
    {"IDLE_EVENTS", TCL_IDLE_EVENTS},     {"ALL_EVENTS", TCL_ALL_EVENTS},
    {"DONT_WAIT", TCL_DONT_WAIT},
};

/* Tcl finds its library by where the program is. */
static int
tell_executable(void)
{
    PyObject *executable = PySys_GetObject("executable");
    if (!executable || !PyUnicode_Check(executable)) {
        return 0;
    }
    NJ_OWN path = PyUnicode_EncodeFSDefault(executable);
    if (!path) {
        return -1;
    }
    Tcl_FindExecutable(PyBytes_AS_STRING(path));
    return 0;
}

static PyTypeObject *
make_type(PyObject *m, PyType_Spec *spec, const char *name)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
    if (type && PyModule_AddObjectRef(m, name, (PyObject *)type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int
tkinter_exec(PyObject *m)
{
    State *st = state_of(m);
    st->busywait = 20;
    st->error = PyErr_NewException("_tkinter.TclError", NULL, NULL);
    if (PyModule_AddObjectRef(m, "TclError", st->error) < 0 ||
        !(st->app = make_type(m, &tk_app_spec, "TkappType")) ||
        !(st->timer = make_type(m, &tk_timer_spec, "TkttType")) ||
        !(st->object = make_type(m, &tk_object_spec, "Tcl_Obj")) ||
        PyModule_AddStringConstant(m, "TK_VERSION", TK_VERSION) < 0 ||
        PyModule_AddStringConstant(m, "TCL_VERSION", TCL_VERSION) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(m, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    return tell_executable();
}

static int
tkinter_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = state_of(m);
    Py_VISIT(st->app);
    Py_VISIT(st->object);
    Py_VISIT(st->timer);
    Py_VISIT(st->error);
    Py_VISIT(st->exception);
    return 0;
}

static int
tkinter_clear(PyObject *m)
{
    State *st = state_of(m);
    Py_CLEAR(st->app);
    Py_CLEAR(st->object);
    Py_CLEAR(st->timer);
    Py_CLEAR(st->error);
    Py_CLEAR(st->exception);
    return 0;
}

static void
tkinter_free(void *m)
{
    tkinter_clear(m);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, tkinter_exec},
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

PyModuleDef tkinter_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_tkinter",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = tkinter_traverse,
    .m_clear = tkinter_clear,
    .m_free = tkinter_free,
};

PyMODINIT_FUNC
PyInit__tkinter(void)
{
    return PyModuleDef_Init(&tkinter_module);
}

/* app.c - a Tcl interpreter and what can be asked of it.
 * SPDX-License-Identifier: MIT
 */
#include "tkinter_int.h"

#include <ctype.h>
#include <limits.h>

/* ======================================================================================
 * Scripts and calls
 * ====================================================================================== */

typedef struct Words {
    int n;
    Tcl_Obj **v;
    Tcl_Obj *small[16];
} Words;

static void
drop_words(Words *w)
{
    for (int i = 0; i < w->n; i++) {
        Tcl_DecrRefCount(w->v[i]);
    }
    if (w->v != w->small) {
        PyMem_Free(w->v);
    }
}

/* The words of a command; None ends it. */
static int
make_words(App *app, PyObject *args, Words *w)
{
    w->n = 0;
    w->v = w->small;
    if (!PyTuple_Check(args) && !PyList_Check(args)) {
        Tcl_Obj *o = tk_as_obj(app->st, args);
        if (!o) {
            return -1;
        }
        Tcl_IncrRefCount(o);
        w->v[w->n++] = o;
        return 0;
    }
    Py_ssize_t n = PySequence_Fast_GET_SIZE(args);
    if (n > 16) {
        if (n >= INT_MAX / (Py_ssize_t)sizeof(Tcl_Obj *)) {
            PyErr_SetString(PyExc_OverflowError,
                            PyTuple_Check(args) ? "tuple is too long" : "list is too long");
            return -1;
        }
        w->v = PyMem_New(Tcl_Obj *, n);
        if (!w->v) {
            w->v = w->small;
            PyErr_NoMemory();
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < n && i < PySequence_Fast_GET_SIZE(args); i++) {
        NJ_OWN item = Py_NewRef(PySequence_Fast_GET_ITEM(args, i));
        if (item == Py_None) {
            break;
        }
        Tcl_Obj *o = tk_as_obj(app->st, item);
        if (!o) {
            return -1;
        }
        Tcl_IncrRefCount(o);
        w->v[w->n++] = o;
    }
    return 0;
}

static PyObject *
do_call(App *app, PyObject *args, int flags)
{
    Words w;
    PyObject *r = NULL;
    if (make_words(app, args, &w) == 0) {
        int rc;
        tk_enter_tcl();
        rc = Tcl_EvalObjv(app->interp, w.n, w.v, flags);
        tk_leave_tcl();
        r = rc == TCL_ERROR ? tk_raise(app) : tk_result(app, false);
    }
    drop_words(&w);
    return r;
}

static PyObject *
app_call(PyObject *self, PyObject *args)
{
    App *app = APP(self);
    /* a single tuple is the command itself */
    if (PyTuple_GET_SIZE(args) == 1 && PyTuple_Check(PyTuple_GET_ITEM(args, 0))) {
        args = PyTuple_GET_ITEM(args, 0);
    }
    if (app->trace && tk_trace(app, Py_NewRef(args)) < 0) {
        return NULL;
    }
    return tk_in_thread(app, do_call, args, TCL_EVAL_DIRECT | TCL_EVAL_GLOBAL);
}

static PyObject *
app_eval(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    const char *script = tk_text(o, "eval() argument");
    if (!script || tk_check_thread(app) < 0 ||
        (app->trace && tk_trace(app, Py_BuildValue("(sO)", "eval", o)) < 0)) {
        return NULL;
    }
    int rc;
    tk_enter_tcl();
    rc = Tcl_Eval(app->interp, script);
    tk_leave_tcl();
    return rc == TCL_ERROR ? tk_raise(app) : tk_result(app, true);
}

static PyObject *
app_evalfile(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    const char *name = tk_text(o, "evalfile() argument");
    if (!name || tk_check_thread(app) < 0 ||
        (app->trace && tk_trace(app, Py_BuildValue("(sO)", "source", o)) < 0)) {
        return NULL;
    }
    int rc;
    tk_enter_tcl();
    rc = Tcl_EvalFile(app->interp, name);
    tk_leave_tcl();
    return rc == TCL_ERROR ? tk_raise(app) : tk_result(app, true);
}

static PyObject *
app_record(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    const char *script = tk_text(o, "record() argument");
    if (!script || tk_check_thread(app) < 0 ||
        (app->trace &&
         tk_trace(app, Py_BuildValue("(ssOs)", "history", "add", o, "exec")) < 0)) {
        return NULL;
    }
    int rc;
    tk_enter_tcl();
    rc = Tcl_RecordAndEval(app->interp, script, TCL_NO_EVAL);
    tk_leave_tcl();
    return rc == TCL_ERROR ? tk_raise(app) : tk_result(app, true);
}

static PyObject *
app_adderrorinfo(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    const char *text = tk_text(o, "adderrorinfo() argument");
    if (!text || tk_check_thread(app) < 0) {
        return NULL;
    }
    Tcl_AddErrorInfo(app->interp, text);
    Py_RETURN_NONE;
}

/* ======================================================================================
 * Variables
 * ====================================================================================== */

/* The name of a variable, from str, bytes or Tcl_Obj; borrowed. */
static const char *
variable_name(App *app, PyObject *o)
{
    if (PyBytes_Check(o)) {
        if (PyBytes_GET_SIZE(o) >= INT_MAX) {
            PyErr_SetString(PyExc_OverflowError, "bytes object is too long");
            return NULL;
        }
        if (strlen(PyBytes_AS_STRING(o)) != (size_t)PyBytes_GET_SIZE(o)) {
            PyErr_SetString(PyExc_ValueError, "embedded null byte");
            return NULL;
        }
        return PyBytes_AS_STRING(o);
    }
    if (PyUnicode_Check(o)) {
        return tk_text(o, "name");
    }
    if (Py_IS_TYPE(o, app->st->object)) {
        return Tcl_GetString(((TclObj *)o)->value);
    }
    PyErr_Format(PyExc_TypeError, "must be str, bytes or Tcl_Obj, not %.50s",
                 Py_TYPE(o)->tp_name);
    return NULL;
}

static PyObject *
do_setvar(App *app, PyObject *args, int flags)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    const char *name1, *name2 = NULL;
    bool global = flags & TCL_GLOBAL_ONLY;
    PyObject *first = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    if (n == 2) {
        name1 = variable_name(app, first);
    }
    else if (n == 3) {
        name1 = tk_text(first, "setvar() argument 1");
        name2 = name1 ? tk_text(PyTuple_GET_ITEM(args, 1), "setvar() argument 2") : NULL;
        if (!name2) {
            return NULL;
        }
    }
    else {
        PyErr_SetString(PyExc_TypeError, "setvar requires 2 to 3 arguments");
        return NULL;
    }
    if (!name1) {
        return NULL;
    }
    PyObject *value = PyTuple_GET_ITEM(args, n - 1);
    if (app->trace) {
        NJ_OWN full = name2 ? PyUnicode_FromFormat("%s(%s)", name1, name2)
                            : PyUnicode_FromString(name1);
        if (!full || tk_trace(app, global ? Py_BuildValue("(sssOO)", "uplevel", "#0", "set",
                                                          full, value)
                                          : Py_BuildValue("(sOO)", "set", full, value)) < 0) {
            return NULL;
        }
    }
    Tcl_Obj *o = tk_as_obj(app->st, value);
    if (!o) {
        return NULL;
    }
    Tcl_IncrRefCount(o);
    Tcl_Obj *ok;
    tk_enter_tcl();
    ok = Tcl_SetVar2Ex(app->interp, name1, name2, o, flags);
    tk_leave_tcl();
    Tcl_DecrRefCount(o);
    if (!ok) {
        return tk_raise(app);
    }
    Py_RETURN_NONE;
}

static PyObject *
do_getvar(App *app, PyObject *args, int flags)
{
    PyObject *first;
    const char *name2 = NULL;
    if (!PyArg_ParseTuple(args, "O|s:getvar", &first, &name2)) {
        return NULL;
    }
    const char *name1 = variable_name(app, first);
    if (!name1) {
        return NULL;
    }
    Tcl_Obj *value;
    tk_enter_tcl();
    value = Tcl_GetVar2Ex(app->interp, name1, name2, flags);
    tk_leave_tcl();
    if (!value) {
        return tk_raise(app);
    }
    Tcl_IncrRefCount(value);
    PyObject *r = app->wantobjects ? tk_from_obj(app, value) : tk_str_of(value);
    Tcl_DecrRefCount(value);
    return r;
}

static PyObject *
do_unsetvar(App *app, PyObject *args, int flags)
{
    const char *name1, *name2 = NULL;
    if (!PyArg_ParseTuple(args, "s|s:unsetvar", &name1, &name2)) {
        return NULL;
    }
    if (strlen(name1) >= INT_MAX || (name2 && strlen(name2) >= INT_MAX)) {
        PyErr_SetString(PyExc_OverflowError, "string is too long");
        return NULL;
    }
    if (app->trace) {
        NJ_OWN full = name2 ? PyUnicode_FromFormat("%s(%s)", name1, name2)
                            : PyUnicode_FromString(name1);
        if (!full ||
            tk_trace(app, flags & TCL_GLOBAL_ONLY
                              ? Py_BuildValue("(sssO)", "uplevel", "#0", "unset", full)
                              : Py_BuildValue("(sO)", "unset", full)) < 0) {
            return NULL;
        }
    }
    int rc;
    tk_enter_tcl();
    rc = Tcl_UnsetVar2(app->interp, name1, name2, flags);
    tk_leave_tcl();
    if (rc == TCL_ERROR) {
        return tk_raise(app);
    }
    Py_RETURN_NONE;
}

#define VAR_METHOD(name, work, flags)                                                  \
    static PyObject *app_##name(PyObject *self, PyObject *args)                        \
    {                                                                                  \
        return tk_in_thread(APP(self), work, args, flags);                             \
    }
VAR_METHOD(setvar, do_setvar, TCL_LEAVE_ERR_MSG)
VAR_METHOD(globalsetvar, do_setvar, TCL_LEAVE_ERR_MSG | TCL_GLOBAL_ONLY)
VAR_METHOD(getvar, do_getvar, TCL_LEAVE_ERR_MSG)
VAR_METHOD(globalgetvar, do_getvar, TCL_LEAVE_ERR_MSG | TCL_GLOBAL_ONLY)
VAR_METHOD(unsetvar, do_unsetvar, TCL_LEAVE_ERR_MSG)
VAR_METHOD(globalunsetvar, do_unsetvar, TCL_LEAVE_ERR_MSG | TCL_GLOBAL_ONLY)

/* ======================================================================================
 * Values of strings
 * ====================================================================================== */

static PyObject *
app_getint(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    if (PyLong_Check(o)) {
        return Py_NewRef(o);
    }
    if (Py_IS_TYPE(o, app->st->object)) {
        return tk_int_of(app, ((TclObj *)o)->value, NULL);
    }
    const char *s = tk_text(o, "getint() argument");
    if (!s) {
        return NULL;
    }
    Tcl_Obj *value = Tcl_NewStringObj(s, -1);
    Tcl_IncrRefCount(value);
    PyObject *r = tk_int_of(app, value, s);
    Tcl_DecrRefCount(value);
    return r;
}

static PyObject *
app_getdouble(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    double v;
    if (PyFloat_Check(o)) {
        return Py_NewRef(o);
    }
    if (PyNumber_Check(o)) {
        return PyNumber_Float(o);
    }
    if (Py_IS_TYPE(o, app->st->object)) {
        if (Tcl_GetDoubleFromObj(app->interp, ((TclObj *)o)->value, &v) == TCL_ERROR) {
            return tk_raise(app);
        }
        return PyFloat_FromDouble(v);
    }
    const char *s = tk_text(o, "getdouble() argument");
    if (!s) {
        return NULL;
    }
    return Tcl_GetDouble(app->interp, s, &v) == TCL_ERROR ? tk_raise(app)
                                                          : PyFloat_FromDouble(v);
}

static PyObject *
app_getboolean(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    int v;
    if (PyLong_Check(o)) {
        int truth = PyObject_IsTrue(o);
        return truth < 0 ? NULL : PyBool_FromLong(truth);
    }
    if (Py_IS_TYPE(o, app->st->object)) {
        if (Tcl_GetBooleanFromObj(app->interp, ((TclObj *)o)->value, &v) == TCL_ERROR) {
            return tk_raise(app);
        }
        return PyBool_FromLong(v);
    }
    const char *s = tk_text(o, "getboolean() argument");
    if (!s) {
        return NULL;
    }
    return Tcl_GetBoolean(app->interp, s, &v) == TCL_ERROR ? tk_raise(app)
                                                           : PyBool_FromLong(v);
}

static const char *
expression(App *app, PyObject *o, const char *where)
{
    const char *s = tk_text(o, where);
    if (!s || tk_check_thread(app) < 0 ||
        (app->trace && tk_trace(app, Py_BuildValue("(sO)", "expr", o)) < 0)) {
        return NULL;
    }
    return s;
}

static PyObject *
app_exprstring(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    const char *s = expression(app, o, "exprstring() argument");
    if (!s) {
        return NULL;
    }
    int rc;
    tk_enter_tcl();
    rc = Tcl_ExprString(app->interp, s);
    tk_leave_tcl();
    return rc == TCL_ERROR ? tk_raise(app) : tk_result(app, true);
}

#define EXPR_METHOD(name, type, call, make)                                            \
    static PyObject *app_##name(PyObject *self, PyObject *o)                           \
    {                                                                                  \
        App *app = APP(self);                                                          \
        const char *s = expression(app, o, #name "() argument");                       \
        if (!s) {                                                                      \
            return NULL;                                                               \
        }                                                                              \
        type v;                                                                        \
        int rc;                                                                        \
        tk_enter_tcl();                                                                \
        rc = call(app->interp, s, &v);                                                 \
        tk_leave_tcl();                                                                \
        return rc == TCL_ERROR ? tk_raise(app) : make(v);                              \
    }
EXPR_METHOD(exprlong, long, Tcl_ExprLong, PyLong_FromLong)
EXPR_METHOD(exprdouble, double, Tcl_ExprDouble, PyFloat_FromDouble)
EXPR_METHOD(exprboolean, int, Tcl_ExprBoolean, PyLong_FromLong)

static PyObject *
app_splitlist(PyObject *self, PyObject *o)
{
    App *app = APP(self);
    if (Py_IS_TYPE(o, app->st->object)) {
        int n;
        Tcl_Obj **items;
        if (Tcl_ListObjGetElements(app->interp, ((TclObj *)o)->value, &n, &items) ==
            TCL_ERROR) {
            return tk_raise(app);
        }
        NJ_OWN tuple = PyTuple_New(n);
        for (int i = 0; tuple && i < n; i++) {
            PyObject *item = tk_from_obj(app, items[i]);
            if (!item) {
                return NULL;
            }
            PyTuple_SET_ITEM(tuple, i, item);
        }
        return NJ_TAKE(tuple);
    }
    if (PyTuple_Check(o)) {
        return Py_NewRef(o);
    }
    if (PyList_Check(o)) {
        return PySequence_Tuple(o);
    }
    char *text;
    if (!PyArg_Parse(o, "et:splitlist", "utf-8", &text)) {
        return NULL;
    }
    NJ_OWN_MEM(char) owned = text;
    if (strlen(text) >= INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "string is too long");
        return NULL;
    }
    int n;
    const char **items;
    if (Tcl_SplitList(app->interp, text, &n, &items) == TCL_ERROR) {
        return tk_raise(app);
    }
    NJ_OWN tuple = PyTuple_New(n);
    for (int i = 0; tuple && i < n; i++) {
        PyObject *item = tk_str(items[i], (Py_ssize_t)strlen(items[i]));
        if (!item) {
            NJ_SET(tuple, NULL);
            break;
        }
        PyTuple_SET_ITEM(tuple, i, item);
    }
    Tcl_Free((char *)items);
    return NJ_TAKE(tuple);
}

/* ======================================================================================
 * Commands in Python
 * ====================================================================================== */

typedef struct Command {
    App *app; /* not owned: its interpreter owns the command */
    PyObject *func;
} Command;

static int
command_failed(Command *c)
{
    tk_callback_failed(c->app->st);
    return TCL_ERROR;
}

static int
run_command(Command *c, Tcl_Interp *interp, int n, Tcl_Obj *const *words)
{
    NJ_OWN args = PyTuple_New(n - 1);
    if (!args) {
        return command_failed(c);
    }
    for (int i = 1; i < n; i++) {
        PyObject *o = c->app->wantobjects >= 2 ? tk_from_obj(c->app, words[i])
                                               : tk_str_of(words[i]);
        if (!o) {
            return command_failed(c);
        }
        PyTuple_SET_ITEM(args, i - 1, o);
    }
    NJ_OWN func = Py_NewRef(c->func);
    NJ_OWN app = Py_NewRef((PyObject *)c->app); /* the command may delete itself */
    State *st = c->app->st;
    NJ_OWN r = PyObject_Call(func, args, NULL);
    Tcl_Obj *o = r ? tk_as_obj(st, r) : NULL;
    if (!o) {
        tk_callback_failed(st);
        return TCL_ERROR;
    }
    Tcl_SetObjResult(interp, o);
    return TCL_OK;
}

static int
command_proc(ClientData data, Tcl_Interp *interp, int n, Tcl_Obj *const *words)
{
    bool entered = tk_enter_python();
    int rc = run_command(data, interp, n, words);
    tk_leave_python(entered);
    return rc;
}

static void
command_deleted(ClientData data)
{
    Command *c = data;
    bool entered = tk_enter_python();
    Py_DECREF(c->func);
    PyMem_Free(c);
    tk_leave_python(entered);
}

static PyObject *
do_createcommand(App *app, PyObject *args, int flags)
{
    const char *name = tk_text(PyTuple_GET_ITEM(args, 0), "createcommand() argument 1");
    Command *c = name ? PyMem_Malloc(sizeof *c) : NULL;
    if (!c) {
        return name ? PyErr_NoMemory() : NULL;
    }
    c->app = app;
    c->func = Py_NewRef(PyTuple_GET_ITEM(args, 1));
    Tcl_Command made;
    tk_enter_tcl();
    made = Tcl_CreateObjCommand(app->interp, name, command_proc, c, command_deleted);
    tk_leave_tcl();
    if (!made) {
        Py_DECREF(c->func);
        PyMem_Free(c);
        PyErr_SetString(app->st->error, "can't create Tcl command");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
app_createcommand(PyObject *self, PyObject *args)
{
    App *app = APP(self);
    PyObject *name, *func;
    if (!PyArg_UnpackTuple(args, "createcommand", 2, 2, &name, &func) ||
        !tk_text(name, "createcommand() argument 1")) {
        return NULL;
    }
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "command not callable");
        return NULL;
    }
    if (app->trace && tk_trace(app, Py_BuildValue("(sO()O)", "proc", name, func)) < 0) {
        return NULL;
    }
    return tk_in_thread(app, do_createcommand, args, 0);
}

static PyObject *
do_deletecommand(App *app, PyObject *name, int flags)
{
    const char *s = tk_text(name, "deletecommand() argument");
    if (!s) {
        return NULL;
    }
    int rc;
    tk_enter_tcl();
    rc = Tcl_DeleteCommand(app->interp, s);
    tk_leave_tcl();
    if (rc == -1) {
        PyErr_SetString(app->st->error, "can't delete Tcl command");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
app_deletecommand(PyObject *self, PyObject *name)
{
    App *app = APP(self);
    if (!tk_text(name, "deletecommand() argument") ||
        (app->trace && tk_trace(app, Py_BuildValue("(sOs)", "rename", name, "")) < 0)) {
        return NULL;
    }
    return tk_in_thread(app, do_deletecommand, name, 0);
}

/* ======================================================================================
 * The app itself
 * ====================================================================================== */

static PyObject *
app_wantobjects(PyObject *self, PyObject *args)
{
    int v = -1;
    if (!PyArg_ParseTuple(args, "|i:wantobjects", &v)) {
        return NULL;
    }
    if (v == -1) {
        return PyLong_FromLong(APP(self)->wantobjects);
    }
    APP(self)->wantobjects = v;
    Py_RETURN_NONE;
}

static PyObject *
app_gettrace(PyObject *self, PyObject *ignored)
{
    PyObject *trace = APP(self)->trace;
    return Py_NewRef(trace ? trace : Py_None);
}

static PyObject *
app_settrace(PyObject *self, PyObject *func)
{
    NJ_SET(APP(self)->trace, func == Py_None ? NULL : Py_NewRef(func));
    Py_RETURN_NONE;
}

static PyObject *
app_interpaddr(PyObject *self, PyObject *ignored)
{
    return PyLong_FromVoidPtr(APP(self)->interp);
}

static PyObject *
app_loadtk(PyObject *self, PyObject *ignored)
{
    App *app = APP(self);
    if (Tcl_GetVar(app->interp, "tk_version", TCL_GLOBAL_ONLY)) {
        Py_RETURN_NONE; /* it is there already */
    }
    if (Tk_Init(app->interp) == TCL_ERROR) {
        return tk_raise(app);
    }
    Py_RETURN_NONE;
}

#define WRONG_THREAD                                                                   \
    "the Tcl interpreter is leaked because it was deallocated in a thread other than "     \
    "the one it was created in (see gh-83274)"

static void
app_dealloc(PyObject *self)
{
    App *app = APP(self);
    PyTypeObject *tp = Py_TYPE(self);
    if (app->interp && app->threaded && app->thread != Tcl_GetCurrentThread()) {
        /* Tcl would abort the process: the interpreter, and this object that its commands
         * know, stay for good. */
        Py_SET_REFCNT(self, 1);
        PyObject *exc = PyErr_GetRaisedException();
        if (PyErr_WarnEx(PyExc_RuntimeWarning, WRONG_THREAD, 1) < 0) {
            PyErr_FormatUnraisable("Exception ignored while deallocating a Tcl interpreter");
        }
        PyErr_SetRaisedException(exc);
        return;
    }
    Py_XDECREF(app->trace);
    if (app->interp) {
        tk_drop_handlers(app);
        tk_enter_tcl();
        Tcl_DeleteInterp(app->interp);
        tk_leave_tcl();
    }
    tp->tp_free(self);
    Py_DECREF(tp);
}

#define M_NO(name) {#name, app_##name, METH_NOARGS, PyDoc_STR(SIG(#name "($self, /)"))}
#define M_O(name, arg) {#name, app_##name, METH_O, PyDoc_STR(SIG(#name "($self, " arg ", /)"))}
#define M_VAR(name) {#name, app_##name, METH_VARARGS, NULL}
#define M_SIG(name, sig)                                                               \
    {#name, app_##name, METH_VARARGS, PyDoc_STR(SIG(#name "($self, " sig ", /)"))}
static PyMethodDef app_methods[] = {
    M_NO(willdispatch),
    M_VAR(wantobjects),
    M_VAR(call),
    M_O(eval, "script"),
    M_O(evalfile, "fileName"),
    M_O(record, "script"),
    M_O(adderrorinfo, "msg"),
    M_VAR(setvar),
    M_VAR(globalsetvar),
    M_VAR(getvar),
    M_VAR(globalgetvar),
    M_VAR(unsetvar),
    M_VAR(globalunsetvar),
    M_O(getint, "arg"),
    M_O(getdouble, "arg"),
    M_O(getboolean, "arg"),
    M_O(exprstring, "s"),
    M_O(exprlong, "s"),
    M_O(exprdouble, "s"),
    M_O(exprboolean, "s"),
    M_O(splitlist, "arg"),
    M_SIG(createcommand, "name, func"),
    M_O(deletecommand, "name"),
    M_SIG(createfilehandler, "file, mask, func"),
    M_O(deletefilehandler, "file"),
    M_SIG(createtimerhandler, "milliseconds, func"),
    M_SIG(mainloop, "threshold=0"),
    M_SIG(dooneevent, "flags=0"),
    M_NO(quit),
    M_NO(interpaddr),
    M_NO(loadtk),
    {"settrace", app_settrace, METH_O,
     PyDoc_STR(SIG("settrace($self, func, /)") "Set the tracing function.")},
    {"gettrace", app_gettrace, METH_NOARGS,
     PyDoc_STR(SIG("gettrace($self, /)") "Get the tracing function.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot app_slots[] = {
    {Py_tp_dealloc, app_dealloc},
    {Py_tp_methods, app_methods},
    {0, NULL},
};

PyType_Spec tk_app_spec = {
    .name = "_tkinter.tkapp",
    .basicsize = sizeof(App),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = app_slots,
};

/* Tcl's own start, and Tk's. */
static int
start(Tcl_Interp *interp, bool want_tk)
{
    if (Tcl_Init(interp) == TCL_ERROR) {
        return TCL_ERROR;
    }
    return want_tk ? Tk_Init(interp) : TCL_OK;
}

typedef struct Options {
    const char *screen, *class_name, *use;
    int interactive, wantobjects, want_tk, sync;
} Options;

static PyObject *
make_app(State *st, const Options *o)
{
    App *app = (App *)st->app->tp_alloc(st->app, 0);
    if (!app) {
        return NULL;
    }
    NJ_OWN self = (PyObject *)app;
    app->st = st;
    app->wantobjects = o->wantobjects;
    app->interp = Tcl_CreateInterp();
    app->threaded = Tcl_GetVar2Ex(app->interp, "tcl_platform", "threaded", TCL_GLOBAL_ONLY);
    app->thread = Tcl_GetCurrentThread();
    Tcl_Interp *interp = app->interp;
    /* Python decides when the process ends. */
    Tcl_DeleteCommand(interp, "exit");
    if (o->screen) {
        Tcl_SetVar2(interp, "env", "DISPLAY", o->screen, TCL_GLOBAL_ONLY);
    }
    Tcl_SetVar(interp, "tcl_interactive", o->interactive ? "1" : "0", TCL_GLOBAL_ONLY);
    size_t n = strlen(o->class_name);
    NJ_OWN_MEM(char) argv0 = PyMem_Malloc(n + 1);
    if (!argv0) {
        return PyErr_NoMemory();
    }
    memcpy(argv0, o->class_name, n + 1);
    if (isupper((unsigned char)argv0[0])) {
        argv0[0] = (char)tolower((unsigned char)argv0[0]);
    }
    Tcl_SetVar(interp, "argv0", argv0, TCL_GLOBAL_ONLY);
    if (o->sync || o->use) {
        NJ_OWN argv = PyUnicode_FromFormat("%s%s%s%s", o->sync ? "-sync" : "",
                                           o->sync && o->use ? " " : "",
                                           o->use ? "-use " : "", o->use ? o->use : "");
        const char *text = argv ? PyUnicode_AsUTF8(argv) : NULL;
        if (!text) {
            return NULL;
        }
        Tcl_SetVar(interp, "argv", text, TCL_GLOBAL_ONLY);
    }
    if (start(interp, o->want_tk) != TCL_OK) {
        return tk_raise(app);
    }
    tk_enable_input_hook(st);
    return NJ_TAKE(self);
}

static int
text_at(PyObject *args, Py_ssize_t i, bool none_ok, const char **out)
{
    if (i >= PyTuple_GET_SIZE(args)) {
        return 0;
    }
    PyObject *o = PyTuple_GET_ITEM(args, i);
    if (none_ok && o == Py_None) {
        *out = NULL;
        return 0;
    }
    char where[40];
    snprintf(where, sizeof where, "create() argument %d", (int)i + 1);
    if (none_ok && !PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s must be str or None, not %.50s", where,
                     Py_TYPE(o)->tp_name);
        return -1;
    }
    *out = tk_text(o, where);
    return *out ? 0 : -1;
}

static int
flag_at(PyObject *args, Py_ssize_t i, bool truth, int *out)
{
    if (i >= PyTuple_GET_SIZE(args)) {
        return 0;
    }
    PyObject *o = PyTuple_GET_ITEM(args, i);
    *out = truth ? PyObject_IsTrue(o) : PyLong_AsInt(o);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

PyObject *
tk_create(PyObject *m, PyObject *args)
{
    PyObject *v[8];
    const char *base = "";
    Options o = {.class_name = "Tk", .want_tk = 1};
    if (!PyArg_UnpackTuple(args, "create", 0, 8, &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
                           &v[6], &v[7]) ||
        text_at(args, 0, true, &o.screen) < 0 || text_at(args, 1, false, &base) < 0 ||
        text_at(args, 2, false, &o.class_name) < 0 ||
        flag_at(args, 3, true, &o.interactive) < 0 ||
        flag_at(args, 4, false, &o.wantobjects) < 0 ||
        flag_at(args, 5, true, &o.want_tk) < 0 || flag_at(args, 6, true, &o.sync) < 0 ||
        text_at(args, 7, true, &o.use) < 0) {
        return NULL;
    }
    for (const char *p = o.class_name; *p; p++) {
        if ((unsigned char)*p >= 0xf0) { /* Tcl 8.6 crashes when it capitalises these */
            PyErr_SetString(PyExc_ValueError, "className must not contain non-BMP characters "
                                              "with this version of Tcl/Tk");
            return NULL;
        }
    }
    return make_app(PyModule_GetState(m), &o);
}

/* interpreters.c - the module _interpreters: making, running and ending interpreters.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/exc_int.h"
#include "runtime/crossinterp.h"
#include "runtime/runtime.h"

#include <stdarg.h>

/* --- arguments ---------------------------------------------------------------------------- */

/* The interpreter of that id; restricted to those that create() made. action: for the
 * error, what cannot be done. */
static NjInterp *
find(PyObject *id, bool restricted, bool initialized, const char *action)
{
    NjInterp *interp = id ? nj_interp_lookup(id) : nj_interp();
    if (!interp) {
        return NULL;
    }
    if (initialized && interp->rt.whence == NJ_WHENCE_UNKNOWN) {
        PyErr_Format(PyExc_InterpreterError, "cannot %s uninitialized interpreter %lld",
                     action, (long long)interp->id);
        return NULL;
    }
    if (restricted && interp->rt.whence != NJ_WHENCE_STDLIB) {
        PyErr_Format(PyExc_InterpreterError, "cannot %s unrecognized interpreter %lld",
                     action, (long long)interp->id);
        return NULL;
    }
    return interp;
}

/* --- configurations ------------------------------------------------------------------------- */

static PyObject *
interpreters_new_config(PyObject *m, PyObject *args, PyObject *kwds)
{
    const char *name = "isolated";
    PyInterpreterConfig c;
    if (!PyArg_ParseTuple(args, "|s:_interpreters.new_config", &name) ||
        nj_interp_config_named(name, &c) < 0 ||
        (kwds && nj_interp_config_update(kwds, &c) < 0)) {
        return NULL;
    }
    return nj_interp_config_as_object(&c);
}

static int
config_from_arg(PyObject *o, PyInterpreterConfig *c)
{
    if (!o || o == Py_None) {
        return nj_interp_config_named("isolated", c);
    }
    if (PyUnicode_Check(o)) {
        const char *name = PyUnicode_AsUTF8(o);
        return name ? nj_interp_config_named(name, c) : -1;
    }
    return nj_interp_config_from(o, c);
}

static PyObject *
interpreters_get_config(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "restrict", NULL};
    PyObject *id;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|$p:get_config", names, &id,
                                     &restricted)) {
        return NULL;
    }
    NjInterp *interp = find(id == Py_None ? NULL : id, restricted, false,
                            "get the config of");
    if (!interp) {
        return NULL;
    }
    PyInterpreterConfig c;
    nj_interp_config_of(interp, &c);
    return nj_interp_config_as_object(&c);
}

/* --- life --------------------------------------------------------------------------------------- */

static PyObject *
interpreters_create(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"config", "reqrefs", NULL};
    PyObject *config = NULL;
    int reqrefs = 0;
    PyInterpreterConfig c;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|O$p:create", names, &config, &reqrefs) ||
        config_from_arg(config, &c) < 0) {
        return NULL;
    }
    NjInterp *interp = nj_interp_create(&c, NJ_WHENCE_STDLIB);
    if (!interp) {
        NJ_OWN context = PyErr_GetRaisedException();
        PyErr_SetString(PyExc_InterpreterError, "interpreter creation failed");
        NJ_OWN exc = PyErr_GetRaisedException();
        PyException_SetContext(exc, NJ_TAKE(context));
        PyErr_SetRaisedException(NJ_TAKE(exc));
        return NULL;
    }
    PyObject *id = PyLong_FromLongLong(interp->id);
    if (!id) {
        nj_interp_end(interp);
    }
    else if (reqrefs) {
        _PyInterpreterState_RequireIDRef(interp, 1);
    }
    return id;
}

static PyObject *
interpreters_destroy(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "restrict", NULL};
    PyObject *id;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|$p:destroy", names, &id, &restricted)) {
        return NULL;
    }
    NjInterp *interp = find(id, restricted, false, "destroy");
    if (!interp) {
        return NULL;
    }
    if (interp == nj_interp()) {
        PyErr_SetString(PyExc_InterpreterError, "cannot destroy the current interpreter");
        return NULL;
    }
    if (nj_interp_running_main(interp)) {
        PyErr_SetString(PyExc_InterpreterError, "interpreter running");
        return NULL;
    }
    nj_interp_end(interp);
    Py_RETURN_NONE;
}

static PyObject *
interpreters_incref(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "implieslink", "restrict", NULL};
    PyObject *id;
    int implies = 0, restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|$pp:incref", names, &id, &implies,
                                     &restricted)) {
        return NULL;
    }
    NjInterp *interp = find(id, restricted, true, "incref");
    if (!interp) {
        return NULL;
    }
    if (implies) {
        _PyInterpreterState_RequireIDRef(interp, 1);
    }
    nj_interp_incref(interp);
    Py_RETURN_NONE;
}

static PyObject *
interpreters_decref(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "restrict", NULL};
    PyObject *id;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|$p:decref", names, &id, &restricted)) {
        return NULL;
    }
    NjInterp *interp = find(id, restricted, true, "decref");
    if (!interp) {
        return NULL;
    }
    nj_interp_decref(interp);
    Py_RETURN_NONE;
}

/* --- which there are ------------------------------------------------------------------------------ */

static PyObject *
summary(int64_t id, int whence)
{
    return Py_BuildValue("(Li)", (long long)id, whence);
}

static PyObject *
interpreters_list_all(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"require_ready", NULL};
    int ready = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|$p:_interpreters.list_all", names,
                                     &ready)) {
        return NULL;
    }
    /* copied under the lock: making objects may run code that ends interpreters */
    struct {
        int64_t id;
        int whence;
    } *all = NULL;
    Py_ssize_t n = 0;
    pthread_mutex_lock(&nj_runtime.lock);
    for (NjInterp *i = _PyRuntime.interps; i; i = i->next) {
        n++;
    }
    all = PyMem_RawMalloc((size_t)n * sizeof *all);
    n = 0;
    for (NjInterp *i = _PyRuntime.interps; all && i; i = i->next) {
        if (!ready || i->rt.initialized) {
            all[n].id = i->id;
            all[n++].whence = i->rt.whence;
        }
    }
    pthread_mutex_unlock(&nj_runtime.lock);
    if (!all) {
        return PyErr_NoMemory();
    }
    NJ_OWN list = PyList_New(n);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *item = summary(all[n - 1 - i].id, all[n - 1 - i].whence);
        if (!item) {
            NJ_SET(list, NULL);
            break;
        }
        PyList_SET_ITEM(list, i, item);
    }
    PyMem_RawFree(all);
    return NJ_TAKE(list);
}

static PyObject *
interpreters_get_current(PyObject *m, PyObject *unused)
{
    return summary(nj_interp()->id, nj_interp()->rt.whence);
}

static PyObject *
interpreters_get_main(PyObject *m, PyObject *unused)
{
    return summary(nj_runtime.main->id, nj_runtime.main->rt.whence);
}

static PyObject *
interpreters_is_running(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "restrict", NULL};
    PyObject *id;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|$p:is_running", names, &id,
                                     &restricted)) {
        return NULL;
    }
    NjInterp *interp = find(id, restricted, true, "check if running for");
    return interp ? PyBool_FromLong(nj_interp_running_main(interp)) : NULL;
}

static PyObject *
interpreters_whence(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", NULL};
    PyObject *id;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O:whence", names, &id)) {
        return NULL;
    }
    NjInterp *interp = nj_interp_lookup(id);
    return interp ? PyLong_FromLong(interp->rt.whence) : NULL;
}

/* --- running code ------------------------------------------------------------------------------------ */

/* Binds ns (NULL: nothing) in __main__ and runs the code. None, or what was uncaught. */
static PyObject *
visit(NjInterp *interp, NjXData *code, NjXNamespace *ns)
{
    NjXSession s;
    if (nj_xsession_enter(&s, interp, ns) == 0 && !s.failed && code) {
        NJ_OWN co = nj_xdata_make(code);
        if (!co) {
            nj_xsession_fail(&s, "code not shareable");
        }
        else {
            NJ_OWN r = PyEval_EvalCode(co, s.main, s.main);
            if (!r) {
                nj_xsession_fail(&s, NULL);
            }
        }
    }
    PyObject *excinfo;
    int rc = nj_xsession_leave(&s, &excinfo);
    return rc < 0 ? NULL : rc > 0 ? excinfo : Py_NewRef(Py_None);
}

static PyObject *
run_script(PyObject *id, PyObject *script, PyObject *shared, bool restricted,
           const char *action)
{
    NjInterp *interp = find(id, restricted, true, action);
    NjXData code;
    if (!interp || nj_xdata_script(script, false, &code) < 0) {
        return NULL;
    }
    NjXNamespace *ns = shared ? nj_xns_new(shared) : NULL;
    PyObject *r = shared && !ns ? NULL : visit(interp, &code, ns);
    nj_xns_free(ns);
    nj_xdata_clear(&code);
    return r;
}

static PyObject *
interpreters_exec(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "code", "shared", "restrict", NULL};
    PyObject *id, *code, *shared = NULL;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OO|O!$p:_interpreters.exec", names, &id,
                                     &code, &PyDict_Type, &shared, &restricted)) {
        return NULL;
    }
    return run_script(id, code, shared, restricted, "exec code for");
}

static PyObject *
interpreters_run_string(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "script", "shared", "restrict", NULL};
    PyObject *id, *script, *shared = NULL;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OU|O!$p:_interpreters.run_string", names,
                                     &id, &script, &PyDict_Type, &shared, &restricted)) {
        return NULL;
    }
    return run_script(id, script, shared, restricted, "run a string in");
}

static PyObject *
interpreters_run_func(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "func", "shared", "restrict", NULL};
    PyObject *id, *func, *shared = NULL;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OO|O!$p:_interpreters.run_func", names,
                                     &id, &func, &PyDict_Type, &shared, &restricted)) {
        return NULL;
    }
    if (!PyFunction_Check(func) && !PyCode_Check(func)) {
        PyErr_Format(PyExc_TypeError,
                     "_interpreters.run_func() argument 2 must be a function, not %.100s",
                     Py_TYPE(func)->tp_name);
        return NULL;
    }
    return run_script(id, func, shared, restricted, "run a function in");
}

static PyObject *
interpreters_set_main_attrs(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "updates", "restrict", NULL};
    PyObject *id, *updates;
    int restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OO!|$p:_interpreters.set___main___attrs",
                                     names, &id, &PyDict_Type, &updates, &restricted)) {
        return NULL;
    }
    NjInterp *interp = find(id, restricted, true, "update __main__ for");
    if (!interp) {
        return NULL;
    }
    if (PyDict_GET_SIZE(updates) == 0) {
        PyErr_SetString(PyExc_ValueError, "arg 2 must be a non-empty dict");
        return NULL;
    }
    NjXNamespace *ns = nj_xns_new(updates);
    if (!ns) {
        return NULL;
    }
    PyObject *r = visit(interp, NULL, ns);
    nj_xns_free(ns);
    return r;
}

/* --- calls ---------------------------------------------------------------------------------------------- */

typedef struct Call {
    NjXData func, args, kwargs, result;
} Call;

static void
call_clear(Call *c)
{
    nj_xdata_clear(&c->func);
    nj_xdata_clear(&c->args);
    nj_xdata_clear(&c->kwargs);
    nj_xdata_clear(&c->result);
}

/* A stateless function as such, everything else as a pickle. */
static int
share_callable(PyObject *f, NjXData *x)
{
    if (nj_xdata_func(f, x) == 0) {
        return 0;
    }
    NJ_OWN why = PyErr_GetRaisedException();
    if (nj_xdata_pickle(f, x) == 0) {
        return 0;
    }
    PyErr_SetRaisedException(NJ_TAKE(why));
    return -1;
}

static int
call_pack(Call *c, PyObject *callable, PyObject *args, PyObject *kwargs)
{
    if (share_callable(callable, &c->func) < 0 ||
        (args && PyTuple_GET_SIZE(args) && nj_xdata_get(args, &c->args, true) < 0) ||
        (kwargs && PyDict_GET_SIZE(kwargs) && nj_xdata_get(kwargs, &c->kwargs, true) < 0)) {
        return -1;
    }
    return 0;
}

/* There. */
static void
call_run(Call *c, NjXSession *s)
{
    const char *what = "func not shareable";
    NJ_OWN args = NULL;
    NJ_OWN kwargs = NULL;
    NJ_OWN func = nj_xdata_make(&c->func);
    if (func) {
        what = "args not shareable";
        NJ_SET(args, c->args.make ? nj_xdata_make(&c->args) : PyTuple_New(0));
    }
    if (args && c->kwargs.make) {
        what = "kwargs not shareable";
        NJ_SET(kwargs, nj_xdata_make(&c->kwargs));
    }
    if (!args || (c->kwargs.make && !kwargs)) {
        nj_xsession_fail(s, what);
        return;
    }
    NJ_OWN r = PyObject_Call(func, args, kwargs);
    if (!r) {
        nj_xsession_fail(s, NULL);
    }
    else if (nj_xdata_get(r, &c->result, true) < 0) {
        nj_xsession_fail(s, "object does not support cross-interpreter data");
    }
}

static PyObject *
interpreters_call(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "callable", "args", "kwargs", "preserve_exc", "restrict",
                            NULL};
    PyObject *id, *callable, *fargs = NULL, *fkwargs = NULL;
    int preserve = 0, restricted = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OO|O!O!$pp:_interpreters.call", names, &id,
                                     &callable, &PyTuple_Type, &fargs, &PyDict_Type,
                                     &fkwargs, &preserve, &restricted)) {
        return NULL;
    }
    NjInterp *interp = find(id, restricted, true, "make a call in");
    if (!interp) {
        return NULL;
    }
    if (!PyCallable_Check(callable)) {
        PyErr_Format(PyExc_TypeError, "expected a callable, got %R", callable);
        return NULL;
    }
    Call c = {0};
    PyObject *r = NULL;
    if (call_pack(&c, callable, fargs, fkwargs) == 0) {
        NjXSession s;
        if (nj_xsession_enter(&s, interp, NULL) == 0 && !s.failed) {
            call_run(&c, &s);
        }
        PyObject *excinfo_;
        int rc = nj_xsession_leave(&s, &excinfo_);
        NJ_OWN excinfo = excinfo_;
        if (rc > 0) {
            r = PyTuple_Pack(2, Py_None, excinfo);
        }
        else if (rc == 0) {
            NJ_OWN result = nj_xdata_make(&c.result);
            r = result ? PyTuple_Pack(2, result, Py_None) : NULL;
        }
    }
    call_clear(&c);
    return r;
}

/* --- other ------------------------------------------------------------------------------------------------ */

static PyObject *
interpreters_is_shareable(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"obj", NULL};
    PyObject *o;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O:is_shareable", names, &o)) {
        return NULL;
    }
    return PyBool_FromLong(nj_xdata_shareable(o));
}

static PyObject *
interpreters_capture_exception(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"exc", NULL};
    PyObject *given = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|O:capture_exception", names, &given)) {
        return NULL;
    }
    NJ_OWN exc = given && given != Py_None ? Py_NewRef(given) : PyErr_GetRaisedException();
    if (!exc) {
        Py_RETURN_NONE;
    }
    if (!PyExceptionInstance_Check(exc)) {
        PyErr_Format(PyExc_TypeError, "expected exception, got %R", exc);
        return NULL;
    }
    NjXExc e;
    PyObject *r = NULL;
    if (nj_xexc_init(&e, exc) < 0) {
        NJ_OWN cause = PyErr_GetRaisedException();
        PyErr_SetString(PyExc_Exception, "error while formatting exception");
        NJ_OWN raised = PyErr_GetRaisedException();
        PyException_SetCause(raised, NJ_TAKE(cause));
        PyErr_SetRaisedException(NJ_TAKE(raised));
    }
    else {
        r = nj_xexc_as_object(&e);
    }
    nj_xexc_clear(&e);
    return r;
}

/* --- the module ----------------------------------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS
#define CODE_DOC                                                                        \
    "\n\n(See _interpreters.exec().)"

static PyMethodDef module_methods[] = {
    {"new_config", KW(interpreters_new_config),
     "new_config(name='isolated', /, **overrides) -> type.SimpleNamespace\n\n"
     "A new interpreter configuration, described by a namespace. The name gives the initial\n"
     "values: default, isolated, legacy or empty; keyword arguments replace single ones."},
    {"create", KW(interpreters_create),
     "create([config], *, reqrefs=False) -> ID\n\n"
     "Make a new interpreter and return its ID, which is never used again.\n\n"
     "It lives until destroy() is called; with reqrefs=True until decref() drops the last\n"
     "reference that incref() took. config: as new_config() makes them, or the name of a\n"
     "predefined one (\"isolated\", which is the default, or \"legacy\")."},
    {"destroy", KW(interpreters_destroy),
     "destroy(id, *, restrict=False)\n\n"
     "End the interpreter. It must be known, not the current one, and not running."},
    {"list_all", KW(interpreters_list_all),
     "list_all() -> [(ID, whence)]\n\nAll interpreters that exist."},
    {"get_current", interpreters_get_current, METH_NOARGS,
     "get_current($self, /)\n--\n\nget_current() -> (ID, whence)\n\nThe interpreter that is running this."},
    {"get_main", interpreters_get_main, METH_NOARGS,
     "get_main($self, /)\n--\n\nget_main() -> (ID, whence)\n\nThe interpreter that came first."},
    {"is_running", KW(interpreters_is_running),
     "is_running(id, *, restrict=False) -> bool\n\n"
     "Whether a thread runs the interpreter's __main__."},
    {"get_config", KW(interpreters_get_config),
     "get_config(id, *, restrict=False) -> types.SimpleNamespace\n\n"
     "The configuration that the interpreter was made with."},
    {"whence", KW(interpreters_whence),
     "whence(id) -> int\n\nA number for where the interpreter was made."},
    {"exec", KW(interpreters_exec),
     "exec(id, code, shared=None, *, restrict=False)\n\n"
     "Run code in the interpreter, with the namespace of its __main__ as globals and locals.\n\n"
     "code: the text of a script, a code object or a function without arguments and closure\n"
     "(of which only the code is used)."},
    {"call", KW(interpreters_call),
     "call(id, callable, args=None, kwargs=None, *, restrict=False)\n\n"
     "Call the object in the interpreter. It, the arguments and the result are copied."},
    {"run_string", KW(interpreters_run_string),
     "run_string(id, script, shared=None, *, restrict=False)\n\n"
     "Run the text of a script in the interpreter." CODE_DOC},
    {"run_func", KW(interpreters_run_func),
     "run_func(id, func, shared=None, *, restrict=False)\n\n"
     "Run the body of a function, or a code object, in the interpreter." CODE_DOC},
    {"set___main___attrs", KW(interpreters_set_main_attrs),
     "set___main___attrs(id, ns, *, restrict=False)\n\n"
     "Bind names in the interpreter's __main__."},
    {"incref", KW(interpreters_incref), NULL},
    {"decref", KW(interpreters_decref), NULL},
    {"is_shareable", KW(interpreters_is_shareable),
     "is_shareable(obj) -> bool\n\nWhether the object's value can be given to other "
     "interpreters as it is."},
    {"capture_exception", KW(interpreters_capture_exception),
     "capture_exception(exc=None) -> types.SimpleNamespace\n\n"
     "A description of the exception (default: the one that is set), like exec() returns."},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *m)
{
    static const struct {
        const char *name;
        int value;
    } whences[] = {
        {"WHENCE_UNKNOWN", NJ_WHENCE_UNKNOWN}, {"WHENCE_RUNTIME", NJ_WHENCE_RUNTIME},
        {"WHENCE_LEGACY_CAPI", NJ_WHENCE_LEGACY_CAPI}, {"WHENCE_CAPI", NJ_WHENCE_CAPI},
        {"WHENCE_XI", NJ_WHENCE_XI}, {"WHENCE_STDLIB", NJ_WHENCE_STDLIB},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(whences); i++) {
        if (PyModule_AddIntConstant(m, whences[i].name, whences[i].value) < 0) {
            return -1;
        }
    }
    PyObject *not_shareable = nj_not_shareable_type();
    NJ_OWN view = nj_xbuffer_type();
    if (!not_shareable || !view ||
        PyModule_AddObjectRef(m, "InterpreterError", PyExc_InterpreterError) < 0 ||
        PyModule_AddObjectRef(m, "InterpreterNotFoundError",
                              PyExc_InterpreterNotFoundError) < 0 ||
        PyModule_AddObjectRef(m, "NotShareableError", not_shareable) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(m, "CrossInterpreterBufferView", view);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_interpreters",
    .m_doc = "Interpreters of this process: the primitives below concurrent.interpreters.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__interpreters(void);
PyMODINIT_FUNC
PyInit__interpreters(void)
{
    return PyModuleDef_Init(&module_def);
}

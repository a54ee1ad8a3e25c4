/* func.c - functions written in Python.
 *
 * A function is code plus what it closes over: globals, builtins, defaults, cells. A call
 * goes through vectorcall (vm/bind.c), or, from Python code, without it.
 *
 * func_version names the parts of a function that decide how a call of it runs (code,
 * defaults, vectorcall). It is assigned on demand. All functions made from one code object
 * by MAKE_FUNCTION share the code's number, so that a closure made anew in every iteration
 * keeps its call sites specialized; a function whose parts are changed afterwards gets a
 * number of its own.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "vm/vm_int.h"

static PyFunctionObject *
as_func(PyObject *o)
{
    return (PyFunctionObject *)o;
}

/* ---- versions and watchers ---- */

static uint32_t
next_version(NjInterp *interp)
{
    uint32_t v = interp->vm.next_func_version;
    if (v == 0) {
        return 0;
    }
    interp->vm.next_func_version = v + 1;
    return v;
}

uint32_t
nj_func_version(PyFunctionObject *func)
{
    if (func->func_version == 0 && func->vectorcall == nj_func_vectorcall) {
        PyCodeObject *co = (PyCodeObject *)func->func_code;
        if (co->co_version == 0) {
            co->co_version = next_version(nj_interp());
        }
        func->func_version = co->co_version;
    }
    return func->func_version;
}

static void
tell_watchers(PyFunction_WatchEvent event, PyFunctionObject *func, PyObject *value)
{
    NjVmState *vm = &nj_interp()->vm;
    if (NJ_LIKELY(vm->active_func_watchers == 0)) {
        return;
    }
    for (int i = 0; i < NJ_FUNC_WATCHERS; i++) {
        if ((vm->active_func_watchers & (1 << i)) &&
            vm->func_watchers[i](event, func, value) < 0) {
            static const char *const names[] = {"CREATE", "DESTROY", "MODIFY_CODE",
                                                "MODIFY_DEFAULTS", "MODIFY_KWDEFAULTS"};
            PyErr_FormatUnraisable("Exception ignored in PyFunction_EVENT_%s watcher callback "
                                   "for function %U at %p",
                                   names[event], func->func_qualname, func);
        }
    }
}

static void
modified(PyFunctionObject *func, PyFunction_WatchEvent event, PyObject *value)
{
    func->func_version = next_version(nj_interp());
    tell_watchers(event, func, value);
}

int
PyFunction_AddWatcher(PyFunction_WatchCallback callback)
{
    NjVmState *vm = &nj_interp()->vm;
    for (int i = 0; i < NJ_FUNC_WATCHERS; i++) {
        if (vm->func_watchers[i] == NULL) {
            vm->func_watchers[i] = callback;
            vm->active_func_watchers |= (uint8_t)(1 << i);
            return i;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "no more func watcher IDs available");
    return -1;
}

int
PyFunction_ClearWatcher(int id)
{
    NjVmState *vm = &nj_interp()->vm;
    if (id < 0 || id >= NJ_FUNC_WATCHERS) {
        PyErr_Format(PyExc_ValueError, "invalid func watcher ID %d", id);
        return -1;
    }
    if (vm->func_watchers[id] == NULL) {
        PyErr_Format(PyExc_ValueError, "no func watcher set for ID %d", id);
        return -1;
    }
    vm->func_watchers[id] = NULL;
    vm->active_func_watchers &= (uint8_t)~(1 << id);
    return 0;
}

/* ---- making ---- */

PyObject *
PyFunction_NewWithQualName(PyObject *code, PyObject *globals, PyObject *qualname)
{
    PyCodeObject *co = (PyCodeObject *)code;
    PyObject *builtins = nj_builtins_of(globals);
    if (builtins == NULL) {
        return NULL;
    }
    PyObject *module = NULL;
    if (nj_dict_find(globals, NJ_ID(__name__), &module) < 0) {
        Py_DECREF(builtins);
        return NULL;
    }
    PyFunctionObject *f = PyObject_GC_New(PyFunctionObject, &PyFunction_Type);
    if (f == NULL) {
        Py_DECREF(builtins);
        Py_XDECREF(module);
        return NULL;
    }
    f->func_globals = Py_NewRef(globals);
    f->func_builtins = builtins;
    f->func_name = Py_NewRef(co->co_name);
    f->func_qualname = Py_NewRef(qualname ? qualname : co->co_qualname);
    f->func_code = Py_NewRef(code);
    f->func_defaults = NULL;
    f->func_kwdefaults = NULL;
    f->func_closure = NULL;
    PyObject *doc = Py_None;
    if ((co->co_flags & CO_HAS_DOCSTRING) && PyTuple_GET_SIZE(co->co_consts) > 0) {
        doc = PyTuple_GET_ITEM(co->co_consts, 0);
        if (!PyUnicode_Check(doc)) {
            doc = Py_None;
        }
    }
    f->func_doc = Py_NewRef(doc);
    f->func_dict = NULL;
    f->func_weakreflist = NULL;
    f->func_module = module;
    f->func_annotations = NULL;
    f->func_annotate = NULL;
    f->func_typeparams = NULL;
    f->vectorcall = nj_func_vectorcall;
    f->func_version = 0;
    nj_gc_track((PyObject *)f);
    tell_watchers(PyFunction_EVENT_CREATE, f, NULL);
    return (PyObject *)f;
}

PyObject *
PyFunction_New(PyObject *code, PyObject *globals)
{
    return PyFunction_NewWithQualName(code, globals, NULL);
}

int
nj_func_set_attribute(PyObject *func, int which, PyObject *v)
{
    PyFunctionObject *f = as_func(func);
    Py_INCREF(v);
    switch (which) {
    case 1:
        Py_XSETREF(f->func_defaults, v);
        break;
    case 2:
        Py_XSETREF(f->func_kwdefaults, v);
        break;
    case 4:
        Py_XSETREF(f->func_annotations, v);
        break;
    case 8:
        Py_XSETREF(f->func_closure, v);
        break;
    case 16:
        Py_XSETREF(f->func_annotate, v);
        if (PyFunction_Check(v)) {
            PyObject *name = PyUnicode_FromFormat("%U.__annotate__", f->func_qualname);
            if (name == NULL) {
                return -1;
            }
            Py_SETREF(as_func(v)->func_qualname, name);
        }
        break;
    default:
        Py_DECREF(v);
    }
    return 0;
}

static PyObject *
func_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"code",    "globals",    "name", "argdefs",
                                        "closure", "kwdefaults", NULL};
    static const NjParams params = {"function", names, 6, 2, 0};
    PyObject *a[6];
    if (nj_args_bind_tuple(&params, args, kwargs, a) < 0) {
        return NULL;
    }
    PyObject *code = a[0], *globals = a[1], *name = a[2], *defaults = a[3], *closure = a[4],
             *kwdefaults = a[5];
    if (!PyCode_Check(code)) {
        _PyArg_BadArgument("function", "argument 'code'", "code", code);
        return NULL;
    }
    if (!PyDict_Check(globals)) {
        _PyArg_BadArgument("function", "argument 'globals'", "dict", globals);
        return NULL;
    }
    if (name && name != Py_None && !PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "arg 3 (name) must be None or string");
        return NULL;
    }
    if (defaults && defaults != Py_None && !PyTuple_Check(defaults)) {
        PyErr_SetString(PyExc_TypeError, "arg 4 (defaults) must be None or tuple");
        return NULL;
    }
    Py_ssize_t nfree = ((PyCodeObject *)code)->co_nfreevars;
    if (closure && closure != Py_None && !PyTuple_Check(closure)) {
        if (nfree) {
            PyErr_SetString(PyExc_TypeError, "arg 5 (closure) must be tuple");
            return NULL;
        }
        PyErr_SetString(PyExc_TypeError, "arg 5 (closure) must be None or tuple");
        return NULL;
    }
    if (nfree && (closure == NULL || closure == Py_None)) {
        PyErr_SetString(PyExc_TypeError, "arg 5 (closure) must be tuple");
        return NULL;
    }
    if (kwdefaults && kwdefaults != Py_None && !PyDict_Check(kwdefaults)) {
        PyErr_SetString(PyExc_TypeError, "arg 6 (kwdefaults) must be None or dict");
        return NULL;
    }
    Py_ssize_t nclosure = closure && closure != Py_None ? PyTuple_GET_SIZE(closure) : 0;
    if (nfree != nclosure) {
        PyErr_Format(PyExc_ValueError, "%U requires closure of length %zd, not %zd",
                     ((PyCodeObject *)code)->co_name, nfree, nclosure);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < nclosure; i++) {
        PyObject *cell = PyTuple_GET_ITEM(closure, i);
        if (!PyCell_Check(cell)) {
            PyErr_Format(PyExc_TypeError, "arg 5 (closure) expected cell, found %s",
                         Py_TYPE(cell)->tp_name);
            return NULL;
        }
    }
    if (PySys_Audit("function.__new__", "O", code) < 0) {
        return NULL;
    }
    PyFunctionObject *f = as_func(PyFunction_New(code, globals));
    if (f == NULL) {
        return NULL;
    }
    if (name && name != Py_None) {
        Py_SETREF(f->func_name, Py_NewRef(name));
    }
    if (defaults && defaults != Py_None) {
        f->func_defaults = Py_NewRef(defaults);
    }
    if (nclosure) {
        f->func_closure = Py_NewRef(closure);
    }
    if (kwdefaults && kwdefaults != Py_None) {
        f->func_kwdefaults = Py_NewRef(kwdefaults);
    }
    return (PyObject *)f;
}

static int
func_clear(PyObject *o)
{
    PyFunctionObject *f = as_func(o);
    f->func_version = 0;
    Py_CLEAR(f->func_globals);
    Py_CLEAR(f->func_builtins);
    Py_CLEAR(f->func_module);
    Py_CLEAR(f->func_defaults);
    Py_CLEAR(f->func_kwdefaults);
    Py_CLEAR(f->func_doc);
    Py_CLEAR(f->func_dict);
    Py_CLEAR(f->func_closure);
    Py_CLEAR(f->func_annotations);
    Py_CLEAR(f->func_annotate);
    Py_CLEAR(f->func_typeparams);
    /* name, qualname and code stay: a half-cleared function must still be callable */
    return 0;
}

static void
func_dealloc(PyObject *o)
{
    PyFunctionObject *f = as_func(o);
    if (nj_interp()->vm.active_func_watchers) {
        Py_SET_REFCNT(o, 1);
        tell_watchers(PyFunction_EVENT_DESTROY, f, NULL);
        if (Py_REFCNT(o) > 1) {
            Py_SET_REFCNT(o, Py_REFCNT(o) - 1);
            return;
        }
    }
    nj_gc_untrack(o);
    if (f->func_weakreflist != NULL) {
        PyObject_ClearWeakRefs(o);
    }
    func_clear(o);
    Py_DECREF(f->func_code);
    Py_DECREF(f->func_name);
    Py_DECREF(f->func_qualname);
    PyObject_GC_Del(o);
}

static int
func_traverse(PyObject *o, visitproc visit, void *arg)
{
    PyFunctionObject *f = as_func(o);
    Py_VISIT(f->func_code);
    Py_VISIT(f->func_globals);
    Py_VISIT(f->func_builtins);
    Py_VISIT(f->func_module);
    Py_VISIT(f->func_defaults);
    Py_VISIT(f->func_kwdefaults);
    Py_VISIT(f->func_doc);
    Py_VISIT(f->func_name);
    Py_VISIT(f->func_dict);
    Py_VISIT(f->func_closure);
    Py_VISIT(f->func_annotations);
    Py_VISIT(f->func_annotate);
    Py_VISIT(f->func_typeparams);
    Py_VISIT(f->func_qualname);
    return 0;
}

static PyObject *
func_repr(PyObject *o)
{
    return PyUnicode_FromFormat("<function %U at %p>", as_func(o)->func_qualname, o);
}

static PyObject *
func_descr_get(PyObject *func, PyObject *obj, PyObject *type)
{
    if (obj == NULL || obj == Py_None) {
        if (obj == NULL || type == NULL || type != (PyObject *)Py_TYPE(Py_None)) {
            return Py_NewRef(func);
        }
    }
    return PyMethod_New(func, obj);
}

/* ---- attributes ---- */

static PyObject *
get_code(PyObject *o, void *closure)
{
    if (PySys_Audit("object.__getattr__", "Os", o, "__code__") < 0) {
        return NULL;
    }
    return Py_NewRef(as_func(o)->func_code);
}

static int
set_code(PyObject *o, PyObject *v, void *closure)
{
    PyFunctionObject *f = as_func(o);
    if (v == NULL || !PyCode_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__code__ must be set to a code object");
        return -1;
    }
    if (PySys_Audit("object.__setattr__", "OsO", o, "__code__", v) < 0) {
        return -1;
    }
    Py_ssize_t nfree = ((PyCodeObject *)v)->co_nfreevars;
    Py_ssize_t nclosure = f->func_closure ? PyTuple_GET_SIZE(f->func_closure) : 0;
    if (nclosure != nfree) {
        PyErr_Format(PyExc_ValueError,
                     "%U() requires a code object with %zd free vars, not %zd", f->func_name,
                     nclosure, nfree);
        return -1;
    }
    PyObject *old = f->func_code;
    if ((((PyCodeObject *)old)->co_flags ^ ((PyCodeObject *)v)->co_flags) &
        (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) {
        if (PyErr_WarnEx(PyExc_DeprecationWarning,
                         "Assigning a code object of non-matching type is deprecated "
                         "(e.g., from a generator to a plain function)",
                         1) < 0) {
            return -1;
        }
    }
    modified(f, PyFunction_EVENT_MODIFY_CODE, v);
    Py_SETREF(f->func_code, Py_NewRef(v));
    return 0;
}

#define STRING_ATTR(attr)                                                              \
    static PyObject *get_##attr(PyObject *o, void *closure)                            \
    {                                                                                  \
        return Py_NewRef(as_func(o)->func_##attr);                                     \
    }                                                                                  \
    static int set_##attr(PyObject *o, PyObject *v, void *closure)                     \
    {                                                                                  \
        if (v == NULL || !PyUnicode_Check(v)) {                                        \
            PyErr_SetString(PyExc_TypeError,                                           \
                            "__" #attr "__ must be set to a string object");           \
            return -1;                                                                 \
        }                                                                              \
        Py_SETREF(as_func(o)->func_##attr, Py_NewRef(v));                              \
        return 0;                                                                      \
    }
STRING_ATTR(name)
STRING_ATTR(qualname)

static PyObject *
get_defaults(PyObject *o, void *closure)
{
    if (PySys_Audit("object.__getattr__", "Os", o, "__defaults__") < 0) {
        return NULL;
    }
    PyObject *v = as_func(o)->func_defaults;
    return Py_NewRef(v ? v : Py_None);
}

static int
set_defaults(PyObject *o, PyObject *v, void *closure)
{
    PyFunctionObject *f = as_func(o);
    if (v == Py_None) {
        v = NULL;
    }
    if (v != NULL && !PyTuple_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__defaults__ must be set to a tuple object");
        return -1;
    }
    if ((v ? PySys_Audit("object.__setattr__", "OsO", o, "__defaults__", v)
           : PySys_Audit("object.__delattr__", "Os", o, "__defaults__")) < 0) {
        return -1;
    }
    modified(f, PyFunction_EVENT_MODIFY_DEFAULTS, v);
    Py_XSETREF(f->func_defaults, Py_XNewRef(v));
    return 0;
}

static PyObject *
get_kwdefaults(PyObject *o, void *closure)
{
    if (PySys_Audit("object.__getattr__", "Os", o, "__kwdefaults__") < 0) {
        return NULL;
    }
    PyObject *v = as_func(o)->func_kwdefaults;
    return Py_NewRef(v ? v : Py_None);
}

static int
set_kwdefaults(PyObject *o, PyObject *v, void *closure)
{
    PyFunctionObject *f = as_func(o);
    if (v == Py_None) {
        v = NULL;
    }
    if (v != NULL && !PyDict_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__kwdefaults__ must be set to a dict object");
        return -1;
    }
    if ((v ? PySys_Audit("object.__setattr__", "OsO", o, "__kwdefaults__", v)
           : PySys_Audit("object.__delattr__", "Os", o, "__kwdefaults__")) < 0) {
        return -1;
    }
    modified(f, PyFunction_EVENT_MODIFY_KWDEFAULTS, v);
    Py_XSETREF(f->func_kwdefaults, Py_XNewRef(v));
    return 0;
}

/* The annotations dict, made if need be: borrowed. */
static PyObject *
annotations_of(PyFunctionObject *f)
{
    if (f->func_annotations == NULL) {
        if (f->func_annotate == NULL || !PyCallable_Check(f->func_annotate)) {
            f->func_annotations = PyDict_New();
            return f->func_annotations;
        }
        NJ_OWN one = PyLong_FromLong(1);
        PyObject *d = one ? PyObject_CallOneArg(f->func_annotate, one) : NULL;
        if (d == NULL) {
            return NULL;
        }
        if (!PyDict_Check(d)) {
            PyErr_Format(PyExc_TypeError, "__annotate__ returned non-dict of type '%T'", d);
            Py_DECREF(d);
            return NULL;
        }
        Py_XSETREF(f->func_annotations, d);
        return d;
    }
    if (PyTuple_CheckExact(f->func_annotations)) {
        /* name, value, name, value, ... as the compiler leaves them */
        PyObject *t = f->func_annotations;
        PyObject *d = PyDict_New();
        if (d == NULL) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i + 1 < PyTuple_GET_SIZE(t); i += 2) {
            if (PyDict_SetItem(d, PyTuple_GET_ITEM(t, i), PyTuple_GET_ITEM(t, i + 1)) < 0) {
                Py_DECREF(d);
                return NULL;
            }
        }
        Py_SETREF(f->func_annotations, d);
    }
    return f->func_annotations;
}

static PyObject *
get_annotate(PyObject *o, void *closure)
{
    PyObject *v = as_func(o)->func_annotate;
    return Py_NewRef(v ? v : Py_None);
}

static int
set_annotate(PyObject *o, PyObject *v, void *closure)
{
    PyFunctionObject *f = as_func(o);
    if (v == NULL) {
        PyErr_SetString(PyExc_TypeError, "__annotate__ cannot be deleted");
        return -1;
    }
    if (v == Py_None) {
        f->func_version = next_version(nj_interp());
        Py_XSETREF(f->func_annotate, Py_NewRef(v));
        return 0;
    }
    if (!PyCallable_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__annotate__ must be callable or None");
        return -1;
    }
    f->func_version = next_version(nj_interp());
    Py_XSETREF(f->func_annotate, Py_NewRef(v));
    Py_CLEAR(f->func_annotations);
    return 0;
}

static PyObject *
get_annotations(PyObject *o, void *closure)
{
    return Py_XNewRef(annotations_of(as_func(o)));
}

static int
set_annotations(PyObject *o, PyObject *v, void *closure)
{
    PyFunctionObject *f = as_func(o);
    if (v == Py_None) {
        v = NULL;
    }
    if (v != NULL && !PyDict_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__annotations__ must be set to a dict object");
        return -1;
    }
    Py_XSETREF(f->func_annotations, Py_XNewRef(v));
    Py_CLEAR(f->func_annotate);
    return 0;
}

static PyObject *
get_type_params(PyObject *o, void *closure)
{
    PyObject *v = as_func(o)->func_typeparams;
    return v ? Py_NewRef(v) : PyTuple_New(0);
}

static int
set_type_params(PyObject *o, PyObject *v, void *closure)
{
    if (v == NULL || !PyTuple_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__type_params__ must be set to a tuple");
        return -1;
    }
    Py_XSETREF(as_func(o)->func_typeparams, Py_NewRef(v));
    return 0;
}

static PyObject *
get_doc(PyObject *o, void *closure)
{
    PyObject *v = as_func(o)->func_doc;
    return Py_NewRef(v ? v : Py_None);
}

static int
set_doc(PyObject *o, PyObject *v, void *closure)
{
    Py_XSETREF(as_func(o)->func_doc, Py_XNewRef(v));
    return 0;
}

static PyGetSetDef func_getset[] = {
    {"__doc__", get_doc, set_doc, NULL, NULL},
    {"__code__", get_code, set_code, NULL, NULL},
    {"__defaults__", get_defaults, set_defaults, NULL, NULL},
    {"__kwdefaults__", get_kwdefaults, set_kwdefaults, NULL, NULL},
    {"__annotations__", get_annotations, set_annotations,
     "Dict of annotations in a function object.", NULL},
    {"__annotate__", get_annotate, set_annotate, "Get the code object for a function.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {"__name__", get_name, set_name, NULL, NULL},
    {"__qualname__", get_qualname, set_qualname, NULL, NULL},
    {"__type_params__", get_type_params, set_type_params,
     "Get the declared type parameters for a function.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef func_members[] = {
    {"__closure__", _Py_T_OBJECT, offsetof(PyFunctionObject, func_closure), Py_READONLY, NULL},
    {"__globals__", _Py_T_OBJECT, offsetof(PyFunctionObject, func_globals), Py_READONLY, NULL},
    {"__module__", _Py_T_OBJECT, offsetof(PyFunctionObject, func_module), 0, NULL},
    {"__builtins__", _Py_T_OBJECT, offsetof(PyFunctionObject, func_builtins), Py_READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject PyFunction_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "function",
    .tp_basicsize = sizeof(PyFunctionObject),
    .tp_dealloc = func_dealloc,
    .tp_vectorcall_offset = offsetof(PyFunctionObject, vectorcall),
    .tp_repr = func_repr,
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_doc = "function(code, globals, name=None, argdefs=None, closure=None,\n"
              "         kwdefaults=None)\n--\n\n"
              "Create a function object.\n\n"
              "  code\n    a code object\n"
              "  globals\n    the globals dictionary\n"
              "  name\n    a string that overrides the name from the code object\n"
              "  argdefs\n    a tuple that specifies the default argument values\n"
              "  closure\n    a tuple that supplies the bindings for free variables\n"
              "  kwdefaults\n    a dictionary that specifies the default keyword argument "
              "values",
    .tp_traverse = func_traverse,
    .tp_clear = func_clear,
    .tp_weaklistoffset = offsetof(PyFunctionObject, func_weakreflist),
    .tp_members = func_members,
    .tp_getset = func_getset,
    .tp_descr_get = func_descr_get,
    .tp_dictoffset = offsetof(PyFunctionObject, func_dict),
    .tp_new = func_new,
};

/* ---- C API ---- */

#define CHECK_FUNC(o, result)                                                          \
    if (!PyFunction_Check(o)) {                                                        \
        PyErr_BadInternalCall();                                                       \
        return result;                                                                 \
    }

PyObject *
PyFunction_GetCode(PyObject *o)
{
    CHECK_FUNC(o, NULL)
    return as_func(o)->func_code;
}

PyObject *
PyFunction_GetGlobals(PyObject *o)
{
    CHECK_FUNC(o, NULL)
    return as_func(o)->func_globals;
}

PyObject *
PyFunction_GetModule(PyObject *o)
{
    CHECK_FUNC(o, NULL)
    return as_func(o)->func_module;
}

PyObject *
PyFunction_GetDefaults(PyObject *o)
{
    CHECK_FUNC(o, NULL)
    return as_func(o)->func_defaults;
}

int
PyFunction_SetDefaults(PyObject *o, PyObject *v)
{
    CHECK_FUNC(o, -1)
    if (v == Py_None) {
        v = NULL;
    }
    else if (v == NULL || !PyTuple_Check(v)) {
        PyErr_SetString(PyExc_SystemError, "non-tuple default args");
        return -1;
    }
    modified(as_func(o), PyFunction_EVENT_MODIFY_DEFAULTS, v);
    Py_XSETREF(as_func(o)->func_defaults, Py_XNewRef(v));
    return 0;
}

void
PyFunction_SetVectorcall(PyFunctionObject *f, vectorcallfunc vectorcall)
{
    f->func_version = 0;
    f->vectorcall = vectorcall;
}

PyObject *
PyFunction_GetKwDefaults(PyObject *o)
{
    CHECK_FUNC(o, NULL)
    return as_func(o)->func_kwdefaults;
}

int
PyFunction_SetKwDefaults(PyObject *o, PyObject *v)
{
    CHECK_FUNC(o, -1)
    if (v == Py_None) {
        v = NULL;
    }
    else if (v == NULL || !PyDict_Check(v)) {
        PyErr_SetString(PyExc_SystemError, "non-dict keyword only default args");
        return -1;
    }
    modified(as_func(o), PyFunction_EVENT_MODIFY_KWDEFAULTS, v);
    Py_XSETREF(as_func(o)->func_kwdefaults, Py_XNewRef(v));
    return 0;
}

PyObject *
PyFunction_GetClosure(PyObject *o)
{
    CHECK_FUNC(o, NULL)
    return as_func(o)->func_closure;
}

int
PyFunction_SetClosure(PyObject *o, PyObject *v)
{
    CHECK_FUNC(o, -1)
    if (v == Py_None) {
        v = NULL;
    }
    else if (v == NULL || !PyTuple_Check(v)) {
        PyErr_Format(PyExc_SystemError, "expected tuple for closure, got '%.100s'",
                     v ? Py_TYPE(v)->tp_name : "NULL");
        return -1;
    }
    Py_XSETREF(as_func(o)->func_closure, Py_XNewRef(v));
    as_func(o)->func_version = next_version(nj_interp());
    return 0;
}

PyObject *
PyFunction_GetAnnotations(PyObject *o)
{
    CHECK_FUNC(o, NULL)
    PyFunctionObject *f = as_func(o);
    return f->func_annotations || f->func_annotate ? annotations_of(f) : Py_None;
}

int
PyFunction_SetAnnotations(PyObject *o, PyObject *v)
{
    CHECK_FUNC(o, -1)
    if (v == Py_None) {
        v = NULL;
    }
    else if (v == NULL || !PyDict_Check(v)) {
        PyErr_SetString(PyExc_SystemError, "non-dict annotations");
        return -1;
    }
    Py_XSETREF(as_func(o)->func_annotations, Py_XNewRef(v));
    Py_CLEAR(as_func(o)->func_annotate);
    return 0;
}

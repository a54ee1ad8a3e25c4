/* call.c - calling objects from C: the call protocol, PyEval_*, recursion limits.
 *
 * Everything ends in one of two places: the callable's vectorcall function, or its tp_call
 * with a tuple and a dict. Keyword names of a vectorcall are a tuple of str whose values
 * follow the positional arguments. No function here keeps a reference to its arguments.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <limits.h>
#include <stdarg.h>

#include "capi/args.h"
#include "vm/vm_int.h"

PyAPI_FUNC(PyObject *) _Py_CheckFunctionResult(PyThreadState *tstate, PyObject *callable,
                                               PyObject *result, const char *where);
PyAPI_FUNC(PyObject *) _PyObject_MakeTpCall(PyThreadState *tstate, PyObject *callable,
                                            PyObject *const *args, Py_ssize_t nargs,
                                            PyObject *keywords);

#define SMALL_STACK 8

/* ---- results ---- */

PyObject *
_Py_CheckFunctionResult(PyThreadState *tstate, PyObject *callable, PyObject *result,
                        const char *where)
{
    if (NJ_LIKELY((result != NULL) != (tstate->current_exception != NULL))) {
        return result;
    }
    if (result == NULL) {
        if (callable) {
            PyErr_Format(PyExc_SystemError, "%R returned NULL without setting an exception",
                         callable);
        }
        else {
            PyErr_Format(PyExc_SystemError, "%s returned NULL without setting an exception",
                         where);
        }
        return NULL;
    }
    Py_DECREF(result);
    PyObject *cause = PyErr_GetRaisedException();
    if (callable) {
        PyErr_Format(PyExc_SystemError, "%R returned a result with an exception set",
                     callable);
    }
    else {
        PyErr_Format(PyExc_SystemError, "%s returned a result with an exception set", where);
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyException_SetCause(exc, Py_NewRef(cause));
    PyException_SetContext(exc, cause);
    PyErr_SetRaisedException(exc);
    return NULL;
}

/* ---- conversions between the two conventions ---- */

PyObject *
_PyStack_AsDict(PyObject *const *values, PyObject *kwnames)
{
    NJ_OWN d = PyDict_New();
    if (d == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(d, PyTuple_GET_ITEM(kwnames, i), values[i]) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(d);
}

static PyObject *
tuple_from_array(PyObject *const *args, Py_ssize_t n)
{
    PyObject *t = PyTuple_New(n);
    if (t != NULL) {
        for (Py_ssize_t i = 0; i < n; i++) {
            PyTuple_SET_ITEM(t, i, Py_NewRef(args[i]));
        }
    }
    return t;
}

static void
raise_not_callable(PyObject *callable)
{
    if (PyModule_Check(callable)) {
        /* "import mod; mod()" where mod.mod is what was meant */
        NJ_OWN name = PyModule_GetNameObject(callable);
        PyObject *attr = NULL;
        if (name == NULL || PyObject_GetOptionalAttr(callable, name, &attr) < 0) {
            PyErr_Clear();
        }
        if (attr != NULL && PyCallable_Check(attr)) {
            PyErr_Format(PyExc_TypeError,
                         "'%.200s' object is not callable. Did you mean: '%U.%U(...)'?",
                         Py_TYPE(callable)->tp_name, name, name);
            Py_DECREF(attr);
            return;
        }
        Py_XDECREF(attr);
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object is not callable",
                 Py_TYPE(callable)->tp_name);
}

PyObject *
_PyObject_MakeTpCall(PyThreadState *tstate, PyObject *callable, PyObject *const *args,
                     Py_ssize_t nargs, PyObject *keywords)
{
    ternaryfunc call = Py_TYPE(callable)->tp_call;
    if (call == NULL) {
        raise_not_callable(callable);
        return NULL;
    }
    NJ_OWN tuple = tuple_from_array(args, nargs);
    if (tuple == NULL) {
        return NULL;
    }
    NJ_OWN kwargs = NULL;
    if (keywords == NULL || PyDict_Check(keywords)) {
        kwargs = Py_XNewRef(keywords);
    }
    else if (PyTuple_GET_SIZE(keywords) > 0) {
        kwargs = _PyStack_AsDict(args + nargs, keywords);
        if (kwargs == NULL) {
            return NULL;
        }
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *r = call(callable, tuple, kwargs);
    Py_LeaveRecursiveCall();
    return _Py_CheckFunctionResult(tstate, callable, r, NULL);
}

NJ_INLINE vectorcallfunc
vectorcall_of(PyObject *callable)
{
    PyTypeObject *tp = Py_TYPE(callable);
    if (!(tp->tp_flags & Py_TPFLAGS_HAVE_VECTORCALL)) {
        return NULL;
    }
    vectorcallfunc f;
    memcpy(&f, (char *)callable + tp->tp_vectorcall_offset, sizeof(f));
    return f;
}

vectorcallfunc
PyVectorcall_Function(PyObject *callable)
{
    return vectorcall_of(callable);
}

#undef PyVectorcall_NARGS
PyAPI_FUNC(Py_ssize_t) PyVectorcall_NARGS(size_t n);
Py_ssize_t
PyVectorcall_NARGS(size_t n)
{
    return (Py_ssize_t)(n & ~PY_VECTORCALL_ARGUMENTS_OFFSET);
}
#define PyVectorcall_NARGS(n) _PyVectorcall_NARGS(n)

static PyObject *
vectorcall_tstate(PyThreadState *tstate, PyObject *callable, PyObject *const *args,
                  size_t nargsf, PyObject *kwnames)
{
    vectorcallfunc f = vectorcall_of(callable);
    if (f == NULL) {
        if (Py_TYPE(callable)->tp_call == nj_type_call &&
            ((PyTypeObject *)callable)->tp_new == nj_slot_new) {
            return nj_type_call_python_new(callable, args, nargsf, kwnames);
        }
        return _PyObject_MakeTpCall(tstate, callable, args, PyVectorcall_NARGS(nargsf),
                                    kwnames);
    }
    return _Py_CheckFunctionResult(tstate, callable, f(callable, args, nargsf, kwnames),
                                   NULL);
}

PyObject *
PyObject_Vectorcall(PyObject *callable, PyObject *const *args, size_t nargsf,
                    PyObject *kwnames)
{
    return vectorcall_tstate(nj_tstate(), callable, args, nargsf, kwnames);
}

/* Flattens args + dict into one array (slot 0 is scratch) and a names tuple. Borrowed
 * values are made owned: free_flat drops them. */
static PyObject **
flatten(PyObject *const *args, Py_ssize_t nargs, PyObject *kwargs, PyObject **out_names)
{
    Py_ssize_t nkw = PyDict_GET_SIZE(kwargs);
    PyObject **stack = PyMem_Malloc((size_t)(1 + nargs + nkw) * sizeof(PyObject *));
    if (stack == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *names = PyTuple_New(nkw);
    if (names == NULL) {
        PyMem_Free(stack);
        return NULL;
    }
    stack++;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        stack[i] = Py_NewRef(args[i]);
    }
    Py_ssize_t pos = 0, i = 0;
    PyObject *key, *value;
    bool strings = true;
    while (PyDict_Next(kwargs, &pos, &key, &value)) {
        strings &= PyUnicode_Check(key);
        PyTuple_SET_ITEM(names, i, Py_NewRef(key));
        stack[nargs + i++] = Py_NewRef(value);
    }
    if (!strings) {
        for (i = 0; i < nargs + nkw; i++) {
            Py_DECREF(stack[i]);
        }
        PyMem_Free(stack - 1);
        Py_DECREF(names);
        PyErr_SetString(PyExc_TypeError, "keywords must be strings");
        return NULL;
    }
    *out_names = names;
    return stack;
}

static void
free_flat(PyObject **stack, Py_ssize_t nargs, PyObject *names)
{
    Py_ssize_t n = nargs + PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_DECREF(stack[i]);
    }
    PyMem_Free(stack - 1);
    Py_DECREF(names);
}

PyObject *
PyObject_VectorcallDict(PyObject *callable, PyObject *const *args, size_t nargsf,
                        PyObject *kwargs)
{
    PyThreadState *tstate = nj_tstate();
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    vectorcallfunc f = vectorcall_of(callable);
    if (f == NULL) {
        return _PyObject_MakeTpCall(tstate, callable, args, nargs, kwargs);
    }
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        return _Py_CheckFunctionResult(tstate, callable, f(callable, args, nargsf, NULL),
                                       NULL);
    }
    PyObject *names;
    PyObject **stack = flatten(args, nargs, kwargs, &names);
    if (stack == NULL) {
        return NULL;
    }
    PyObject *r = f(callable, stack, (size_t)nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
    r = _Py_CheckFunctionResult(tstate, callable, r, NULL);
    free_flat(stack, nargs, names);
    return r;
}

static PyObject *
vectorcall_with_tuple(PyThreadState *tstate, vectorcallfunc f, PyObject *callable,
                      PyObject *tuple, PyObject *kwargs)
{
    Py_ssize_t nargs = PyTuple_GET_SIZE(tuple);
    PyObject *const *items = ((PyTupleObject *)tuple)->ob_item;
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        return _Py_CheckFunctionResult(tstate, callable,
                                       f(callable, items, (size_t)nargs, NULL), NULL);
    }
    PyObject *names;
    PyObject **stack = flatten(items, nargs, kwargs, &names);
    if (stack == NULL) {
        return NULL;
    }
    PyObject *r = f(callable, stack, (size_t)nargs | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
    r = _Py_CheckFunctionResult(tstate, callable, r, NULL);
    free_flat(stack, nargs, names);
    return r;
}

PyObject *
PyVectorcall_Call(PyObject *callable, PyObject *tuple, PyObject *kwargs)
{
    PyTypeObject *tp = Py_TYPE(callable);
    Py_ssize_t offset = tp->tp_vectorcall_offset;
    if (offset <= 0) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object does not support vectorcall",
                     tp->tp_name);
        return NULL;
    }
    vectorcallfunc f;
    memcpy(&f, (char *)callable + offset, sizeof(f));
    if (f == NULL) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object does not support vectorcall",
                     tp->tp_name);
        return NULL;
    }
    return vectorcall_with_tuple(nj_tstate(), f, callable, tuple, kwargs);
}

PyObject *
PyObject_Call(PyObject *callable, PyObject *args, PyObject *kwargs)
{
    PyThreadState *tstate = nj_tstate();
    assert(PyTuple_Check(args));
    vectorcallfunc f = vectorcall_of(callable);
    if (f != NULL) {
        return vectorcall_with_tuple(tstate, f, callable, args, kwargs);
    }
    ternaryfunc call = Py_TYPE(callable)->tp_call;
    if (call == NULL) {
        raise_not_callable(callable);
        return NULL;
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *r = call(callable, args, kwargs);
    Py_LeaveRecursiveCall();
    return _Py_CheckFunctionResult(tstate, callable, r, NULL);
}

PyAPI_FUNC(PyObject *) PyCFunction_Call(PyObject *, PyObject *, PyObject *);
PyObject *
PyCFunction_Call(PyObject *callable, PyObject *args, PyObject *kwargs)
{
    return PyObject_Call(callable, args, kwargs);
}

PyObject *
PyObject_CallNoArgs(PyObject *func)
{
    PyObject *scratch[1] = {NULL};
    return vectorcall_tstate(nj_tstate(), func, scratch + 1,
                             0 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

PyObject *
PyObject_CallOneArg(PyObject *func, PyObject *arg)
{
    PyObject *stack[2] = {NULL, arg};
    return vectorcall_tstate(nj_tstate(), func, stack + 1,
                             1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

PyObject *
PyObject_CallObject(PyObject *callable, PyObject *args)
{
    if (args == NULL) {
        return PyObject_CallNoArgs(callable);
    }
    if (!PyTuple_Check(args)) {
        PyErr_SetString(PyExc_TypeError, "argument list must be a tuple");
        return NULL;
    }
    return PyObject_Call(callable, args, NULL);
}

PyAPI_FUNC(PyObject *) PyEval_CallObjectWithKeywords(PyObject *, PyObject *, PyObject *);
PyObject *
PyEval_CallObjectWithKeywords(PyObject *callable, PyObject *args, PyObject *kwargs)
{
    if (args != NULL && !PyTuple_Check(args)) {
        PyErr_SetString(PyExc_TypeError, "argument list must be a tuple");
        return NULL;
    }
    if (kwargs != NULL && !PyDict_Check(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "keyword list must be a dictionary");
        return NULL;
    }
    if (args == NULL) {
        return PyObject_VectorcallDict(callable, NULL, 0, kwargs);
    }
    return PyObject_Call(callable, args, kwargs);
}

/* ---- calls with a format string ---- */

static PyObject *
call_format(PyObject *callable, const char *format, va_list va)
{
    if (callable == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
        }
        return NULL;
    }
    if (format == NULL || *format == 0) {
        return PyObject_CallNoArgs(callable);
    }
    NJ_OWN args = Py_VaBuildValue(format, va);
    if (args == NULL) {
        return NULL;
    }
    if (PyTuple_Check(args)) {
        return PyObject_Call(callable, args, NULL);
    }
    return PyObject_CallOneArg(callable, args);
}

PyObject *
PyObject_CallFunction(PyObject *callable, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *r = call_format(callable, format, va);
    va_end(va);
    return r;
}

PyAPI_FUNC(PyObject *) PyEval_CallFunction(PyObject *, const char *, ...);
PyObject *
PyEval_CallFunction(PyObject *callable, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *r = call_format(callable, format, va);
    va_end(va);
    return r;
}

PyAPI_FUNC(PyObject *) _PyObject_CallFunction_SizeT(PyObject *, const char *, ...);
PyObject *
_PyObject_CallFunction_SizeT(PyObject *callable, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *r = call_format(callable, format, va);
    va_end(va);
    return r;
}

static PyObject *
call_method_format(PyObject *obj, PyObject *name, const char *format, va_list va)
{
    NJ_OWN callable = PyObject_GetAttr(obj, name);
    if (callable == NULL) {
        return NULL;
    }
    if (!PyCallable_Check(callable)) {
        PyErr_Format(PyExc_TypeError, "attribute of type '%.200s' is not callable",
                     Py_TYPE(callable)->tp_name);
        return NULL;
    }
    return call_format(callable, format, va);
}

#define CALL_METHOD_BODY                                                               \
    if (obj == NULL || name == NULL) {                                                 \
        if (!PyErr_Occurred()) {                                                       \
            PyErr_SetString(PyExc_SystemError, "null argument to internal routine");   \
        }                                                                              \
        return NULL;                                                                   \
    }                                                                                  \
    NJ_OWN text = PyUnicode_FromString(name);                                          \
    if (text == NULL) {                                                                \
        return NULL;                                                                   \
    }                                                                                  \
    va_list va;                                                                        \
    va_start(va, format);                                                              \
    PyObject *r = call_method_format(obj, text, format, va);                           \
    va_end(va);                                                                        \
    return r;

PyObject *
PyObject_CallMethod(PyObject *obj, const char *name, const char *format, ...)
{
    CALL_METHOD_BODY
}

PyAPI_FUNC(PyObject *) PyEval_CallMethod(PyObject *, const char *, const char *, ...);
PyObject *
PyEval_CallMethod(PyObject *obj, const char *name, const char *format, ...)
{
    CALL_METHOD_BODY
}

PyAPI_FUNC(PyObject *) _PyObject_CallMethod_SizeT(PyObject *, const char *, const char *, ...);
PyObject *
_PyObject_CallMethod_SizeT(PyObject *obj, const char *name, const char *format, ...)
{
    CALL_METHOD_BODY
}

PyObject *
_PyObject_CallMethodId(PyObject *obj, _Py_Identifier *id, const char *format, ...)
{
    NJ_OWN text = PyUnicode_InternFromString(id->string);
    if (text == NULL) {
        return NULL;
    }
    va_list va;
    va_start(va, format);
    PyObject *r = call_method_format(obj, text, format, va);
    va_end(va);
    return r;
}

PyAPI_FUNC(PyObject *) _PyObject_CallMethod(PyObject *, PyObject *, const char *, ...);
PyObject *
_PyObject_CallMethod(PyObject *obj, PyObject *name, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *r = call_method_format(obj, name, format, va);
    va_end(va);
    return r;
}

/* base: NULL or first argument. The objects follow up to NULL. */
static PyObject *
call_objargs(PyObject *callable, PyObject *base, va_list va)
{
    PyObject *small[SMALL_STACK + 1];
    PyObject **stack = small;
    va_list count;
    Py_ssize_t n = base != NULL;
    va_copy(count, va);
    while (va_arg(count, PyObject *) != NULL) {
        n++;
    }
    va_end(count);
    if (n > SMALL_STACK) {
        stack = PyMem_Malloc((size_t)(n + 1) * sizeof(PyObject *));
        if (stack == NULL) {
            return PyErr_NoMemory();
        }
    }
    Py_ssize_t i = 0;
    stack[0] = NULL;
    if (base) {
        stack[1 + i++] = base;
    }
    for (; i < n; i++) {
        stack[1 + i] = va_arg(va, PyObject *);
    }
    PyObject *r = vectorcall_tstate(nj_tstate(), callable, stack + 1,
                                    (size_t)n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (stack != small) {
        PyMem_Free(stack);
    }
    return r;
}

PyObject *
PyObject_CallFunctionObjArgs(PyObject *callable, ...)
{
    if (callable == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
        }
        return NULL;
    }
    va_list va;
    va_start(va, callable);
    PyObject *r = call_objargs(callable, NULL, va);
    va_end(va);
    return r;
}

PyObject *
PyObject_CallMethodObjArgs(PyObject *obj, PyObject *name, ...)
{
    if (obj == NULL || name == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
        }
        return NULL;
    }
    PyObject *callable;
    int unbound = nj_object_get_method(obj, name, &callable);
    if (callable == NULL) {
        return NULL;
    }
    va_list va;
    va_start(va, name);
    PyObject *r = call_objargs(callable, unbound ? obj : NULL, va);
    va_end(va);
    Py_DECREF(callable);
    return r;
}

PyObject *
PyObject_VectorcallMethod(PyObject *name, PyObject *const *args, size_t nargsf,
                          PyObject *kwnames)
{
    PyThreadState *tstate = nj_tstate();
    PyObject *callable;
    int unbound = nj_object_get_method(args[0], name, &callable);
    if (callable == NULL) {
        return NULL;
    }
    if (unbound) {
        nargsf &= ~PY_VECTORCALL_ARGUMENTS_OFFSET;
    }
    else {
        args++;
        nargsf--;
    }
    PyObject *r = vectorcall_tstate(tstate, callable, args, nargsf, kwnames);
    Py_DECREF(callable);
    return r;
}

/* ---- recursion ---- */

int
nj_recursion_error(PyThreadState *tstate, const char *where)
{
    if (tstate->recursion_headroom) {
        if (tstate->py_recursion_remaining < -50) {
            Py_FatalError("Cannot recover from Python stack overflow.");
        }
        return 0;
    }
    tstate->recursion_headroom++;
    PyErr_Format(PyExc_RecursionError, "maximum recursion depth exceeded%s", where);
    tstate->recursion_headroom--;
    return -1;
}

int
nj_c_stack_error(PyThreadState *tstate, const char *where)
{
    NjThread *t = (NjThread *)tstate;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (here < t->c_stack_hard) {
        Py_FatalError("Unrecoverable stack overflow");
    }
    if (tstate->recursion_headroom) {
        return 0;
    }
    tstate->recursion_headroom++;
    PyErr_Format(PyExc_RecursionError, "Stack overflow (used %zd kB)%s",
                 (Py_ssize_t)((t->c_stack_top - here) / 1024), where);
    tstate->recursion_headroom--;
    return -1;
}

int
Py_EnterRecursiveCall(const char *where)
{
    if (NJ_LIKELY(!nj_c_stack_low())) {
        return 0;
    }
    return nj_c_stack_error(nj_tstate(), where);
}

void
Py_LeaveRecursiveCall(void)
{
}

PyAPI_FUNC(int) _Py_CheckRecursiveCall(PyThreadState *tstate, const char *where);
int
_Py_CheckRecursiveCall(PyThreadState *tstate, const char *where)
{
    if (!nj_c_stack_low()) {
        return 0;
    }
    return nj_c_stack_error(tstate, where);
}

/* ---- PyEval_* ---- */

PyObject *
nj_builtins_of(PyObject *globals)
{
    PyObject *b;
    if (!PyDict_Check(globals)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (nj_dict_find(globals, NJ_ID(__builtins__), &b) < 0) {
        return NULL;
    }
    if (b == NULL) {
        return Py_NewRef(PyEval_GetBuiltins());
    }
    if (PyModule_Check(b)) {
        PyObject *d = Py_NewRef(PyModule_GetDict(b));
        Py_DECREF(b);
        return d;
    }
    return b;
}

PyObject *
nj_eval_code(PyObject *code, PyObject *globals, PyObject *builtins, PyObject *locals,
             PyObject *closure)
{
    NJ_OWN func = PyFunction_New(code, globals);
    if (func == NULL) {
        return NULL;
    }
    PyFunctionObject *f = (PyFunctionObject *)func;
    if (builtins != NULL) {
        NJ_SET(f->func_builtins, Py_NewRef(builtins));
    }
    if (closure != NULL) {
        NJ_SET(f->func_closure, Py_NewRef(closure));
    }
    PyCodeObject *co = (PyCodeObject *)code;
    if (co->co_flags & CO_OPTIMIZED) {
        locals = NULL;
    }
    return nj_func_run_with_locals(func, locals);
}

/* exec() and friends: a globals dict without __builtins__ gets one. */
static int
ensure_builtins(PyObject *globals)
{
    int t = PyDict_Contains(globals, NJ_ID(__builtins__));
    if (t == 0) {
        t = PyDict_SetItem(globals, NJ_ID(__builtins__), PyEval_GetBuiltins());
    }
    return t < 0 ? -1 : 0;
}

PyObject *
PyEval_EvalCode(PyObject *co, PyObject *globals, PyObject *locals)
{
    if (locals == NULL) {
        locals = globals;
    }
    if (ensure_builtins(globals) < 0) {
        return NULL;
    }
    return nj_eval_code(co, globals, NULL, locals, NULL);
}

PyObject *
PyEval_EvalCodeEx(PyObject *code, PyObject *globals, PyObject *locals,
                  PyObject *const *args, int argc, PyObject *const *kws, int kwc,
                  PyObject *const *defs, int defc, PyObject *kwdefs, PyObject *closure)
{
    NJ_OWN defaults = tuple_from_array(defs, defc);
    NJ_OWN func = defaults ? PyFunction_New(code, globals) : NULL;
    NJ_OWN names = NULL;
    if (func == NULL) {
        return NULL;
    }
    PyFunctionObject *f = (PyFunctionObject *)func;
    f->func_defaults = NJ_TAKE(defaults);
    f->func_kwdefaults = Py_XNewRef(kwdefs);
    f->func_closure = Py_XNewRef(closure);
    if (kwc > 0) {
        names = PyTuple_New(kwc);
        if (names == NULL) {
            return NULL;
        }
    }
    NJ_OWN_MEM(Value) words = PyMem_Malloc((size_t)(argc + kwc + 1) * sizeof(Value));
    if (words == NULL) {
        return PyErr_NoMemory();
    }
    for (int i = 0; i < argc; i++) {
        words[i] = nj_value_new(args[i]);
    }
    for (int i = 0; i < kwc; i++) {
        PyTuple_SET_ITEM(names, i, Py_NewRef(kws[2 * i]));
        words[argc + i] = nj_value_new(kws[2 * i + 1]);
    }
    PyCodeObject *co = (PyCodeObject *)code;
    PyObject *ns = co->co_flags & CO_OPTIMIZED ? NULL : locals ? locals : globals;
    PyThreadState *tstate = nj_tstate();
    NjFrame *frame = nj_frame_push_bind(tstate, nj_value_new(func), Py_XNewRef(ns), words,
                                        argc, names);
    if (frame == NULL) {
        return NULL;
    }
    return nj_eval_frame(tstate, frame, 0);
}

static NjFrame *
current_frame(void)
{
    return nj_frame_first_complete(nj_tstate()->current_frame);
}

/* What is called in an interpreter from outside, without a frame, is called in the name of
 * its __main__: that one's namespace, borrowed, or NULL. */
static PyObject *
running_main(void)
{
    PyThreadState *ts = nj_tstate();
    if (ts->interp->rt.xi.running != ts) {
        return NULL;
    }
    NJ_OWN main = PyImport_GetModule(NJ_ID(__main__));
    return main && PyModule_Check(main) ? PyModule_GetDict(main) : NULL;
}

PyFrameObject *
PyEval_GetFrame(void)
{
    NjFrame *f = current_frame();
    if (f == NULL) {
        return NULL;
    }
    PyFrameObject *fo = nj_frame_peek_object(f);
    if (fo == NULL) {
        PyErr_Clear();
    }
    return fo;
}

PyObject *
PyEval_GetBuiltins(void)
{
    NjFrame *f = current_frame();
    return f ? f->f_builtins : nj_interp()->builtins;
}

PyObject *
PyEval_GetGlobals(void)
{
    NjFrame *f = current_frame();
    return f ? f->f_globals : running_main();
}

PyObject *
PyEval_GetLocals(void)
{
    NjFrame *f = current_frame();
    if (f == NULL) {
        PyErr_SetString(PyExc_SystemError, "frame does not exist");
        return NULL;
    }
    NJ_OWN locals = nj_frame_locals(f);
    if (locals == NULL) {
        return NULL;
    }
    if (!PyFrameLocalsProxy_Check(locals)) {
        return locals; /* borrowed from the frame: it holds it */
    }
    PyFrameObject *fo = nj_frame_peek_object(f);
    if (fo == NULL) {
        return NULL;
    }
    if (fo->f_locals_cache == NULL) {
        fo->f_locals_cache = PyDict_New();
        if (fo->f_locals_cache == NULL) {
            return NULL;
        }
    }
    if (PyDict_Update(fo->f_locals_cache, locals) < 0) {
        return NULL;
    }
    return fo->f_locals_cache;
}

PyObject *
PyEval_GetFrameLocals(void)
{
    NjFrame *f = current_frame();
    PyObject *main = f == NULL ? running_main() : NULL;
    if (main != NULL) {
        return Py_NewRef(main);
    }
    if (f == NULL) {
        PyErr_SetString(PyExc_SystemError, "frame does not exist");
        return NULL;
    }
    NJ_OWN locals = nj_frame_locals(f);
    if (locals == NULL) {
        return NULL;
    }
    if (PyFrameLocalsProxy_Check(locals)) {
        NJ_OWN d = PyDict_New();
        if (d == NULL || PyDict_Update(d, locals) < 0) {
            return NULL;
        }
        return NJ_TAKE(d);
    }
    return NJ_TAKE(locals);
}

PyObject *
PyEval_GetFrameGlobals(void)
{
    return Py_XNewRef(PyEval_GetGlobals());
}

PyObject *
PyEval_GetFrameBuiltins(void)
{
    return Py_XNewRef(PyEval_GetBuiltins());
}

const char *
PyEval_GetFuncName(PyObject *func)
{
    if (PyMethod_Check(func)) {
        return PyEval_GetFuncName(PyMethod_GET_FUNCTION(func));
    }
    if (PyFunction_Check(func)) {
        return PyUnicode_AsUTF8(((PyFunctionObject *)func)->func_name);
    }
    if (PyCFunction_Check(func)) {
        return ((PyCFunctionObject *)func)->m_ml->ml_name;
    }
    return Py_TYPE(func)->tp_name;
}

const char *
PyEval_GetFuncDesc(PyObject *func)
{
    if (PyMethod_Check(func) || PyFunction_Check(func) || PyCFunction_Check(func)) {
        return "()";
    }
    return " object";
}

int
PyEval_MergeCompilerFlags(PyCompilerFlags *cf)
{
    NjFrame *f = nj_tstate()->current_frame;
    int result = cf->cf_flags != 0;
    if (f != NULL && f->owner < NJ_FRAME_OWNED_BY_INTERPRETER) {
        int flags = nj_frame_peek_code(f)->co_flags & PyCF_MASK;
        if (flags) {
            result = 1;
            cf->cf_flags |= flags;
        }
    }
    return result;
}

PyObject *
PyEval_EvalFrame(PyFrameObject *f)
{
    return nj_eval_frame(nj_tstate(), f->f_frame, 0);
}

PyObject *
PyEval_EvalFrameEx(PyFrameObject *f, int exc)
{
    return nj_eval_frame(nj_tstate(), f->f_frame, exc);
}

/* Reads a slice index: not an error if v is NULL. 1 / 0 with an exception. */
int
_PyEval_SliceIndexNotNone(PyObject *v, Py_ssize_t *out)
{
    if (!PyIndex_Check(v)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or have an __index__ method");
        return 0;
    }
    Py_ssize_t x = PyNumber_AsSsize_t(v, NULL);
    if (x == -1 && PyErr_Occurred()) {
        return 0;
    }
    *out = x;
    return 1;
}

int
_PyEval_SliceIndex(PyObject *v, Py_ssize_t *out)
{
    if (v == NULL || v == Py_None) {
        return 1;
    }
    if (!PyIndex_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "slice indices must be integers or None or have "
                                         "an __index__ method");
        return 0;
    }
    return _PyEval_SliceIndexNotNone(v, out);
}

Py_ssize_t
PyUnstable_Eval_RequestCodeExtraIndex(freefunc free)
{
    NjVmState *vm = &nj_interp()->vm;
    if (vm->code_extra_count >= (Py_ssize_t)NJ_ARRAY_LEN(vm->code_extra_free)) {
        return -1;
    }
    vm->code_extra_free[vm->code_extra_count] = free;
    return vm->code_extra_count++;
}

void
nj_vm_interp_init(NjInterp *interp)
{
    interp->vm.next_func_version = 0x80000000u; /* apart from co_version */
}

void
nj_vm_interp_fini(NjInterp *interp)
{
    NjVmState *vm = &interp->vm;
    for (size_t i = 0; i < NJ_ARRAY_LEN(vm->common_consts); i++) {
        Py_CLEAR(vm->common_consts[i]);
    }
    nj_async_gen_free_lists_clear(interp);
    Py_CLEAR(vm->builtin_len);
    Py_CLEAR(vm->builtin_isinstance);
    Py_CLEAR(vm->list_append);
    NjMonitor *m = &vm->monitor;
    for (int tool = 0; tool < NJ_MONITOR_TOOLS; tool++) {
        for (int e = 0; e < NJ_MONITOR_EVENTS; e++) {
            Py_CLEAR(m->callbacks[tool][e]);
        }
        Py_CLEAR(m->names[tool]);
    }
    Py_CLEAR(m->missing);
    Py_CLEAR(m->disable);
}

/* Is o an owned temporary of the running frame's stack, and its only reference? */
int
PyUnstable_Object_IsUniqueReferencedTemporary(PyObject *op)
{
    if (!PyUnstable_Object_IsUniquelyReferenced(op)) {
        return 0;
    }
    NjFrame *f = nj_tstate()->current_frame;
    if (f == NULL || f->owner >= NJ_FRAME_OWNED_BY_INTERPRETER) {
        return 0;
    }
    Value *base = nj_frame_stack_base(f);
    for (Value *p = f->stackpointer; p > base;) {
        p--;
        if (p->bits == (uintptr_t)op) {
            return 1;
        }
    }
    return 0;
}

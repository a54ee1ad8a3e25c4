/* sysmod.c - the sys module, audit hooks, and the standard streams' start.
 *
 * interp->sysdict is sys.__dict__; C code reads it through nj_sys_peek / nj_sys_get and
 * never assumes a type, users replace everything here. Audit hooks cost one test of two
 * pointers when there are none.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/type_int.h"
#include "runtime/runtime.h"
#include "runtime/stdlib_names.h"
#include "vm/perf_map.h"
#include "vm/vm.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIG(s) s "\n--\n\n"
#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

/* --- access --------------------------------------------------------------------------- */

PyObject *
nj_sys_peek(PyObject *name)
{
    PyThreadState *ts = nj_tstate();
    PyObject *d = ts ? ts->interp->sysdict : NULL;
    if (!d) {
        return NULL;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *v = PyDict_GetItemWithError(d, name);
    if (PyErr_Occurred()) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
    return v;
}

int
nj_sys_get(PyObject *name, PyObject **out)
{
    PyObject *d = nj_interp()->sysdict;
    *out = NULL;
    return d ? PyDict_GetItemRef(d, name, out) : 0;
}

PyObject *
nj_sys_require(PyObject *name)
{
    PyObject *v;
    if (nj_sys_get(name, &v) == 0) {
        PyErr_Format(PyExc_RuntimeError, "lost sys.%U", name);
    }
    return v;
}

PyObject *
PySys_GetObject(const char *name)
{
    PyThreadState *ts = nj_tstate();
    PyObject *d = ts ? ts->interp->sysdict : NULL;
    if (!d) {
        return NULL;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *v = NULL;
    PyObject *s = PyUnicode_FromString(name);
    if (s) {
        v = PyDict_GetItemWithError(d, s);
        Py_DECREF(s);
    }
    if (PyErr_Occurred()) {
        PyErr_FormatUnraisable("Exception ignored in PySys_GetObject()");
    }
    PyErr_SetRaisedException(exc);
    return v;
}

int
PySys_SetObject(const char *name, PyObject *v)
{
    PyObject *d = nj_interp()->sysdict;
    NJ_OWN s = PyUnicode_InternFromString(name);
    if (!s) {
        return -1;
    }
    if (!v) {
        return PyDict_Pop(d, s, NULL) < 0 ? -1 : 0;
    }
    return PyDict_SetItem(d, s, v);
}

int
nj_sys_set(const char *name, PyObject *value)
{
    return PySys_SetObject(name, value);
}

/* --- audit ---------------------------------------------------------------------------------- */

NJ_PROBE_DEFINE(audit);

static int
audit_v(const char *event, PyObject *(*build)(const char *, va_list), const char *fmt,
        va_list va)
{
    PyThreadState *ts = nj_tstate();
    if (ts ? !nj_audited(ts->interp) : !nj_runtime.audit_hooks && !NJ_PROBE_ON(audit)) {
        return 0;
    }
    PyObject *exc = ts ? PyErr_GetRaisedException() : NULL;
    NJ_OWN args = NULL;
    if (fmt && *fmt) {
        NJ_SET(args, build(fmt, va));
        if (args && !PyTuple_Check(args)) {
            PyObject *t = PyTuple_Pack(1, args);
            NJ_SET(args, t);
        }
    }
    else if (ts) {
        NJ_SET(args, PyTuple_New(0));
    }
    if (ts && !args) {
        Py_XDECREF(exc);
        return -1;
    }
    if (NJ_PROBE_ON(audit)) {
        NJ_PROBE(audit, "8@%0 8@%1", "r"(event), "r"(args));
    }
    for (NjAuditHook *h = nj_runtime.audit_hooks; h; h = h->next) {
        if (h->func(event, args, h->data) < 0) {
            Py_XDECREF(exc);
            return -1;
        }
    }
    if (ts && ts->interp->rt.audit_hooks) {
        NJ_OWN name = PyUnicode_FromString(event);
        NJ_OWN hooks = Py_NewRef(ts->interp->rt.audit_hooks);
        if (!name) {
            Py_XDECREF(exc);
            return -1;
        }
        PyThreadState_EnterTracing(ts);
        int rc = 0;
        for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(hooks); i++) {
            NJ_OWN hook = Py_NewRef(PyList_GET_ITEM(hooks, i));
            PyObject *can;
            int traced = 0;
            rc = PyObject_GetOptionalAttr(hook, NJ_ID(__cantrace__), &can);
            if (rc < 0) {
                break;
            }
            if (can) {
                traced = PyObject_IsTrue(can);
                Py_DECREF(can);
                if (traced < 0) {
                    rc = -1;
                    break;
                }
            }
            rc = 0;
            if (traced) {
                PyThreadState_LeaveTracing(ts);
            }
            PyObject *argv[2] = {name, args};
            PyObject *r = PyObject_Vectorcall(hook, argv, 2, NULL);
            if (traced) {
                PyThreadState_EnterTracing(ts);
            }
            if (!r) {
                rc = -1;
            }
            Py_XDECREF(r);
        }
        PyThreadState_LeaveTracing(ts);
        if (rc < 0) {
            Py_XDECREF(exc);
            return -1;
        }
    }
    if (ts) {
        PyErr_SetRaisedException(exc);
    }
    return 0;
}

int
PySys_Audit(const char *event, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    int rc = audit_v(event, Py_VaBuildValue, fmt, va);
    va_end(va);
    return rc;
}

int
PySys_AuditTuple(const char *event, PyObject *args)
{
    if (!args) {
        return PySys_Audit(event, NULL);
    }
    if (!PyTuple_Check(args)) {
        PyErr_Format(PyExc_TypeError, "args must be tuple, got %s", Py_TYPE(args)->tp_name);
        return -1;
    }
    return PySys_Audit(event, "O", args);
}

int
PySys_AddAuditHook(Py_AuditHookFunction func, void *data)
{
    PyThreadState *ts = nj_tstate();
    if (nj_runtime.initialized && PySys_Audit("sys.addaudithook", NULL) < 0) {
        if (PyErr_ExceptionMatches(PyExc_RuntimeError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    NjAuditHook *h = malloc(sizeof *h);
    if (!h) {
        if (ts) {
            PyErr_NoMemory();
        }
        return -1;
    }
    h->next = NULL;
    h->func = func;
    h->data = data;
    NjAuditHook **p = &nj_runtime.audit_hooks;
    while (*p) {
        p = &(*p)->next;
    }
    *p = h;
    return 0;
}

void
nj_audit_clear(void)
{
    while (nj_runtime.audit_hooks) {
        NjAuditHook *h = nj_runtime.audit_hooks;
        nj_runtime.audit_hooks = h->next;
        free(h);
    }
}

static PyObject *
sys_addaudithook(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"hook", NULL};
    static const NjParams params = {"addaudithook", names, 1, 1, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if (PySys_Audit("sys.addaudithook", NULL) < 0) {
        if (PyErr_ExceptionMatches(PyExc_Exception)) {
            PyErr_Clear();
            Py_RETURN_NONE;
        }
        return NULL;
    }
    NjInterp *interp = nj_interp();
    if (!interp->rt.audit_hooks) {
        if (!(interp->rt.audit_hooks = PyList_New(0))) {
            return NULL;
        }
        PyObject_GC_UnTrack(interp->rt.audit_hooks); /* not to be found by gc.get_objects */
    }
    if (PyList_Append(interp->rt.audit_hooks, a[0]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sys_audit(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs == 0) {
        PyErr_SetString(PyExc_TypeError, "audit expected at least 1 argument, got 0");
        return NULL;
    }
    if (!PyUnicode_Check(args[0])) {
        _PyArg_BadArgument("audit", "argument 1", "str", args[0]);
        return NULL;
    }
    if (nj_audited(nj_interp())) {
        const char *event = PyUnicode_AsUTF8(args[0]);
        NJ_OWN t = event ? PyTuple_New(nargs - 1) : NULL;
        if (!t) {
            return NULL;
        }
        for (Py_ssize_t i = 1; i < nargs; i++) {
            PyTuple_SET_ITEM(t, i - 1, Py_NewRef(args[i]));
        }
        if (PySys_Audit(event, "O", t) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* --- hooks --------------------------------------------------------------------------------------- */

static PyObject *
call_breakpoint(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    const char *env = nj_config()->use_environment ? getenv("PYTHONBREAKPOINT") : NULL;
    if (env && strcmp(env, "0") == 0) {
        Py_RETURN_NONE;
    }
    char name[500];
    snprintf(name, sizeof name, "%s", env && *env ? env : "pdb.set_trace");
    char *dot = strrchr(name, '.');
    if (dot) {
        *dot = 0;
    }
    const char *attr = dot ? dot + 1 : name;
    NJ_OWN mod = dot && dot == name ? NULL : PyImport_ImportModule(dot ? name : "builtins");
    NJ_OWN hook = mod ? PyObject_GetAttrString(mod, attr) : NULL;
    if (!hook) {
        if (mod && !PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return NULL;
        }
        if (!mod && PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_ImportError)) {
            return NULL;
        }
        PyErr_Clear();
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 0,
                             "Ignoring unimportable $PYTHONBREAKPOINT: \"%s\"",
                             env ? env : "") < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    return PyObject_Vectorcall(hook, args, (size_t)nargs, kwnames);
}

static PyObject *
sys_breakpointhook(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return call_breakpoint(args, nargs, kwnames);
}

static PyObject *
sys_displayhook(PyObject *m, PyObject *o)
{
    if (o == Py_None) {
        Py_RETURN_NONE;
    }
    NJ_OWN builtins = PyImport_GetModule(NJ_ID(builtins));
    if (!builtins) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "lost builtins module");
        }
        return NULL;
    }
    if (PyObject_SetAttrString(builtins, "_", Py_None) < 0) {
        return NULL;
    }
    NJ_OWN out = nj_sys_require(NJ_ID(stdout));
    if (!out) {
        return NULL;
    }
    if (out == Py_None) {
        PyErr_SetString(PyExc_RuntimeError, "lost sys.stdout");
        return NULL;
    }
    if (PyFile_WriteObject(o, out, 0) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return NULL;
        }
        /* the stream cannot encode it: escape what it cannot show */
        PyErr_Clear();
        NJ_OWN enc = PyObject_GetAttr(out, NJ_ID(encoding));
        const char *e = enc && PyUnicode_Check(enc) ? PyUnicode_AsUTF8(enc) : NULL;
        NJ_OWN repr = e ? PyObject_Repr(o) : NULL;
        NJ_OWN bytes = repr ? PyUnicode_AsEncodedString(repr, e, "backslashreplace") : NULL;
        if (!bytes) {
            return NULL;
        }
        PyObject *buffer;
        if (PyObject_GetOptionalAttr(out, NJ_ID(buffer), &buffer) < 0) {
            return NULL;
        }
        if (buffer) {
            NJ_OWN b = buffer;
            NJ_OWN r = PyObject_CallMethodOneArg(b, NJ_ID(write), bytes);
            if (!r) {
                return NULL;
            }
        }
        else {
            NJ_OWN text = PyUnicode_FromEncodedObject(bytes, e, "strict");
            if (!text || PyFile_WriteObject(text, out, Py_PRINT_RAW) < 0) {
                return NULL;
            }
        }
    }
    if (PyFile_WriteString("\n", out) < 0 ||
        PyObject_SetAttrString(builtins, "_", o) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sys_excepthook(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("excepthook", nargs, 3, 3)) {
        return NULL;
    }
    PyErr_Display(NULL, args[1], args[2]);
    Py_RETURN_NONE;
}

static PyObject *
sys_unraisablehook(PyObject *m, PyObject *args)
{
    return nj_err_default_unraisablehook(args);
}

static PyObject *
sys_exception(PyObject *m, PyObject *unused)
{
    PyObject *e = PyErr_GetHandledException();
    return e ? e : Py_NewRef(Py_None);
}

static PyObject *
sys_exc_info(PyObject *m, PyObject *unused)
{
    NJ_OWN e = PyErr_GetHandledException();
    if (!e) {
        return Py_BuildValue("(OOO)", Py_None, Py_None, Py_None);
    }
    NJ_OWN tb = PyException_GetTraceback(e);
    return Py_BuildValue("(OOO)", Py_TYPE(e), e, tb ? tb : Py_None);
}

static PyObject *
sys_exit(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("exit", nargs, 0, 1)) {
        return NULL;
    }
    PyErr_SetObject(PyExc_SystemExit, nargs ? args[0] : Py_None);
    return NULL;
}

/* --- frames, tracing ---------------------------------------------------------------------------------- */

static PyFrameObject *
frame_at(int depth)
{
    PyFrameObject *f = PyThreadState_GetFrame(nj_tstate());
    while (f && depth-- > 0) {
        PyFrameObject *back = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
    }
    if (!f && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "call stack is not deep enough");
    }
    return f;
}

static PyObject *
sys__getframe(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("_getframe", nargs, 0, 1)) {
        return NULL;
    }
    int depth = nargs ? PyLong_AsInt(args[0]) : 0;
    if (depth == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *f = (PyObject *)frame_at(depth);
    if (f && PySys_Audit("sys._getframe", "O", f) < 0) {
        Py_CLEAR(f);
    }
    return f;
}

static PyObject *
sys__getframemodulename(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames)
{
    static const char *const names[] = {"depth", NULL};
    static const NjParams params = {"_getframemodulename", names, 1, 0, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int depth = a[0] ? PyLong_AsInt(a[0]) : 0;
    if ((depth == -1 && PyErr_Occurred()) ||
        PySys_Audit("sys._getframemodulename", "i", depth) < 0) {
        return NULL;
    }
    NJ_OWN f = (PyObject *)frame_at(depth);
    if (!f) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    NJ_OWN g = PyFrame_GetGlobals((PyFrameObject *)f);
    PyObject *name = NULL;
    if (!g || PyMapping_GetOptionalItem(g, NJ_ID(__name__), &name) < 0) {
        PyErr_Clear();
    }
    return name ? name : Py_NewRef(Py_None);
}

static PyObject *
event_name(int what)
{
    switch (what) {
    case PyTrace_CALL:
        return NJ_ID(call);
    case PyTrace_EXCEPTION:
        return NJ_ID(exception);
    case PyTrace_LINE:
        return NJ_ID(line);
    case PyTrace_RETURN:
        return NJ_ID(return);
    case PyTrace_C_CALL:
        return NJ_ID(c_call);
    case PyTrace_C_EXCEPTION:
        return NJ_ID(c_exception);
    case PyTrace_C_RETURN:
        return NJ_ID(c_return);
    default:
        return NJ_ID(opcode);
    }
}

static PyObject *
call_trace(PyObject *func, PyFrameObject *frame, int what, PyObject *arg)
{
    PyObject *args[3] = {(PyObject *)frame, event_name(what), arg ? arg : Py_None};
    PyObject *r = PyObject_Vectorcall(func, args, 3, NULL);
    if (!r) {
        PyTraceBack_Here(frame);
    }
    return r;
}

static int
profile_func(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    PyObject *r = call_trace(self, frame, what, arg);
    if (!r) {
        PyEval_SetProfile(NULL, NULL);
        return -1;
    }
    Py_DECREF(r);
    return 0;
}

static int
trace_func(PyObject *self, PyFrameObject *frame, int what, PyObject *arg)
{
    PyObject **slot = &frame->f_trace;
    PyObject *cb = what == PyTrace_CALL ? self : *slot;
    if (!cb) {
        return 0;
    }
    Py_INCREF(cb);
    PyObject *r = call_trace(cb, frame, what, arg);
    Py_DECREF(cb);
    if (!r) {
        PyEval_SetTrace(NULL, NULL);
        Py_CLEAR(*slot);
        return -1;
    }
    if (r != Py_None) {
        Py_XSETREF(*slot, r);
    }
    else {
        Py_DECREF(r);
    }
    return 0;
}

static PyObject *
sys_settrace(PyObject *m, PyObject *f)
{
    PyEval_SetTrace(f == Py_None ? NULL : trace_func, f == Py_None ? NULL : f);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sys_setprofile(PyObject *m, PyObject *f)
{
    PyEval_SetProfile(f == Py_None ? NULL : profile_func, f == Py_None ? NULL : f);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sys__settraceallthreads(PyObject *m, PyObject *f)
{
    PyEval_SetTraceAllThreads(f == Py_None ? NULL : trace_func, f == Py_None ? NULL : f);
    Py_RETURN_NONE;
}

static PyObject *
sys__setprofileallthreads(PyObject *m, PyObject *f)
{
    PyEval_SetProfileAllThreads(f == Py_None ? NULL : profile_func,
                                f == Py_None ? NULL : f);
    Py_RETURN_NONE;
}

static PyObject *
sys_gettrace(PyObject *m, PyObject *unused)
{
    PyObject *f = nj_tstate()->c_traceobj;
    return Py_NewRef(f ? f : Py_None);
}

static PyObject *
sys_getprofile(PyObject *m, PyObject *unused)
{
    PyObject *f = nj_tstate()->c_profileobj;
    return Py_NewRef(f ? f : Py_None);
}

static PyObject *
sys_call_tracing(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("call_tracing", nargs, 2, 2)) {
        return NULL;
    }
    if (!PyTuple_Check(args[1])) {
        _PyArg_BadArgument("call_tracing", "argument 2", "tuple", args[1]);
        return NULL;
    }
    PyThreadState *ts = nj_tstate();
    int saved = ts->tracing;
    ts->tracing = 0;
    PyObject *r = PyObject_Call(args[0], args[1], NULL);
    ts->tracing = saved;
    return r;
}

static PyObject *
sys__current_frames(PyObject *m, PyObject *unused)
{
    return _PyThread_CurrentFrames();
}

static PyObject *
sys__current_exceptions(PyObject *m, PyObject *unused)
{
    if (PySys_Audit("sys._current_exceptions", NULL) < 0) {
        return NULL;
    }
    NJ_OWN d = PyDict_New();
    if (!d) {
        return NULL;
    }
    for (PyThreadState *t = nj_interp()->threads; t; t = t->next) {
        _PyErr_StackItem *it = t->exc_info;
        while ((!it->exc_value || it->exc_value == Py_None) && it->previous_item) {
            it = it->previous_item;
        }
        NJ_OWN id = PyLong_FromUnsignedLong(t->thread_id);
        if (!id || PyDict_SetItem(d, id, it->exc_value ? it->exc_value : Py_None) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(d);
}

/* --- settings -------------------------------------------------------------------------------------------- */

static PyObject *
sys_getrecursionlimit(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(nj_interp()->rt.recursion_limit);
}

void
Py_SetRecursionLimit(int n)
{
    NjInterp *interp = nj_interp();
    interp->rt.recursion_limit = n;
    pthread_mutex_lock(&nj_runtime.lock);
    for (PyThreadState *t = interp->threads; t; t = t->next) {
        int depth = t->py_recursion_limit - t->py_recursion_remaining;
        t->py_recursion_limit = n;
        t->py_recursion_remaining = n - depth;
    }
    pthread_mutex_unlock(&nj_runtime.lock);
}

int
Py_GetRecursionLimit(void)
{
    return nj_interp()->rt.recursion_limit;
}

static PyObject *
sys_setrecursionlimit(PyObject *m, PyObject *arg)
{
    int n = PyLong_AsInt(arg);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n < 1) {
        PyErr_SetString(PyExc_ValueError, "recursion limit must be greater or equal than 1");
        return NULL;
    }
    PyThreadState *ts = nj_tstate();
    int depth = ts->py_recursion_limit - ts->py_recursion_remaining;
    if (depth >= n) {
        PyErr_Format(PyExc_RecursionError,
                     "cannot set the recursion limit to %i at the recursion depth %i: the "
                     "limit is too low",
                     n, depth);
        return NULL;
    }
    Py_SetRecursionLimit(n);
    Py_RETURN_NONE;
}

static PyObject *
sys_getswitchinterval(PyObject *m, PyObject *unused)
{
    return PyFloat_FromDouble((double)nj_interp()->rt.gil->interval * 1e-6);
}

static PyObject *
sys_setswitchinterval(PyObject *m, PyObject *arg)
{
    double d = PyFloat_AsDouble(arg);
    if (d == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (!(d > 0.0)) {
        PyErr_SetString(PyExc_ValueError, "switch interval must be strictly positive");
        return NULL;
    }
    double us = d * 1e6;
    nj_interp()->rt.gil->interval = us < 1 ? 1 : us > 1e15 ? 1000000000000000UL
                                                           : (unsigned long)us;
    Py_RETURN_NONE;
}

static PyObject *
sys_getdlopenflags(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(nj_interp()->rt.dlopen_flags);
}

static PyObject *
sys_setdlopenflags(PyObject *m, PyObject *arg)
{
    int n = PyLong_AsInt(arg);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    nj_interp()->rt.dlopen_flags = n;
    Py_RETURN_NONE;
}

static PyObject *
sys_get_int_max_str_digits(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(nj_interp()->numbers.max_str_digits);
}

static PyObject *
sys_set_int_max_str_digits(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *kwnames)
{
    static const char *const names[] = {"maxdigits", NULL};
    static const NjParams params = {"set_int_max_str_digits", names, 1, 1, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int n = PyLong_AsInt(a[0]);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n != 0 && n < 640) {
        PyErr_Format(PyExc_ValueError, "maxdigits must be >= %d or 0 for unlimited", 640);
        return NULL;
    }
    nj_interp()->numbers.max_str_digits = n;
    nj_interp()->rt.config.int_max_str_digits = n;
    Py_RETURN_NONE;
}

static PyObject *
sys_get_coroutine_depth(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(nj_tstate()->coroutine_origin_tracking_depth);
}

static PyObject *
sys_set_coroutine_depth(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames)
{
    static const char *const names[] = {"depth", NULL};
    static const NjParams params = {"set_coroutine_origin_tracking_depth", names, 1, 1, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int n = PyLong_AsInt(a[0]);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "depth must be >= 0");
        return NULL;
    }
    nj_tstate()->coroutine_origin_tracking_depth = n;
    Py_RETURN_NONE;
}

static PyObject *
sys_set_asyncgen_hooks(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    static const char *const names[] = {"firstiter", "finalizer", NULL};
    static const NjParams params = {"set_asyncgen_hooks", names, 2, 0, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    PyThreadState *ts = nj_tstate();
    if (a[1] && a[1] != Py_None && !PyCallable_Check(a[1])) {
        PyErr_Format(PyExc_TypeError, "callable finalizer expected, got %.50s",
                     Py_TYPE(a[1])->tp_name);
        return NULL;
    }
    if (a[0] && a[0] != Py_None && !PyCallable_Check(a[0])) {
        PyErr_Format(PyExc_TypeError, "callable firstiter expected, got %.50s",
                     Py_TYPE(a[0])->tp_name);
        return NULL;
    }
    if (a[1]) {
        if (PySys_Audit("sys.set_asyncgen_hook_finalizer", NULL) < 0) {
            return NULL;
        }
    }
    if (a[0]) {
        if (PySys_Audit("sys.set_asyncgen_hook_firstiter", NULL) < 0) {
            return NULL;
        }
    }
    if (a[1]) {
        Py_XSETREF(ts->async_gen_finalizer, a[1] == Py_None ? NULL : Py_NewRef(a[1]));
    }
    if (a[0]) {
        Py_XSETREF(ts->async_gen_firstiter, a[0] == Py_None ? NULL : Py_NewRef(a[0]));
    }
    Py_RETURN_NONE;
}

static PyStructSequence_Field asyncgen_fields[] = {
    {"firstiter", "Hook to intercept first iteration"},
    {"finalizer", "Hook to intercept finalization"},
    {NULL, NULL},
};
static PyStructSequence_Desc asyncgen_desc = {
    "asyncgen_hooks",
    "asyncgen_hooks\n\nA named tuple providing information about asynchronous\n"
    "generators hooks.  The attributes are read only.",
    asyncgen_fields, 2};

/* The two types without a module in their name are static, like the reference's; readied
 * once, by the main interpreter. */
static PyTypeObject NjAsyncGenHooks_Type, NjUnraisableArgs_Type;

static int
ready_static(PyTypeObject *type, PyStructSequence_Desc *desc)
{
    return type->tp_flags & Py_TPFLAGS_READY ? 0 : PyStructSequence_InitType2(type, desc);
}

/* A struct sequence type nobody can instantiate from Python. */
static PyTypeObject *
locked_type(PyStructSequence_Desc *desc)
{
    PyTypeObject *t = PyStructSequence_NewType(desc);
    if (t) {
        t->tp_flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
        t->tp_new = NULL;
        PyObject *d = PyType_GetDict(t);
        if (d && PyDict_Pop(d, NJ_ID(__new__), NULL) < 0) {
            PyErr_Clear();
        }
        Py_XDECREF(d);
        PyType_Modified(t);
    }
    return t;
}

static PyObject *
sys_get_asyncgen_hooks(PyObject *m, PyObject *unused)
{
    PyThreadState *ts = nj_tstate();
    PyObject *r = PyStructSequence_New(&NjAsyncGenHooks_Type);
    if (r) {
        PyObject *a = ts->async_gen_firstiter, *b = ts->async_gen_finalizer;
        PyStructSequence_SetItem(r, 0, Py_NewRef(a ? a : Py_None));
        PyStructSequence_SetItem(r, 1, Py_NewRef(b ? b : Py_None));
    }
    return r;
}

/* --- objects -------------------------------------------------------------------------------------------------- */

static PyObject *
sys_intern(PyObject *m, PyObject *s)
{
    if (!PyUnicode_Check(s)) {
        _PyArg_BadArgument("intern", "argument", "str", s);
        return NULL;
    }
    if (!PyUnicode_CheckExact(s)) {
        PyErr_Format(PyExc_TypeError, "can't intern %.400s", Py_TYPE(s)->tp_name);
        return NULL;
    }
    Py_INCREF(s);
    PyUnicode_InternInPlace(&s);
    return s;
}

static PyObject *
sys__is_interned(PyObject *m, PyObject *s)
{
    if (!PyUnicode_Check(s)) {
        _PyArg_BadArgument("_is_interned", "argument", "str", s);
        return NULL;
    }
    return PyBool_FromLong(((PyASCIIObject *)s)->state.interned != 0);
}

static PyObject *
sys__is_immortal(PyObject *m, PyObject *o)
{
    return PyBool_FromLong(PyUnstable_IsImmortal(o));
}

static PyObject *
sys_getrefcount(PyObject *m, PyObject *o)
{
    return PyLong_FromSsize_t(Py_REFCNT(o));
}

static PyObject *
sys_getsizeof(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"object", "default", NULL};
    static const NjParams params = {"getsizeof", names, 2, 1, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    Py_ssize_t size = -1;
    NJ_OWN f = nj_type_special(a[0], NJ_ID(__sizeof__));
    if (!f) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError, "Type %.100s doesn't define __sizeof__",
                         Py_TYPE(a[0])->tp_name);
        }
    }
    else {
        NJ_OWN r = PyObject_CallNoArgs(f);
        if (r) {
            size = PyLong_AsSsize_t(r);
            if (size < 0 && !PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "__sizeof__() should return >= 0");
            }
        }
    }
    if (size < 0) {
        if (a[1] && PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            return Py_NewRef(a[1]);
        }
        return NULL;
    }
    if (PyObject_IS_GC(a[0])) {
        size += (Py_ssize_t)nj_type_preheader(Py_TYPE(a[0]));
    }
    return PyLong_FromSize_t((size_t)size);
}

static PyObject *
sys_getallocatedblocks(PyObject *m, PyObject *unused)
{
    return PyLong_FromSsize_t(nj_mem_blocks());
}

static PyObject *
sys_getunicodeinternedsize(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *kwnames)
{
    size_t n = nj_interp()->strs.interned.used;
    return PyLong_FromSize_t(n);
}

static PyObject *
sys_getdefaultencoding(PyObject *m, PyObject *unused)
{
    return PyUnicode_InternFromString("utf-8");
}

static PyObject *
from_wide(const wchar_t *s)
{
    return s ? PyUnicode_FromWideChar(s, -1) : Py_NewRef(Py_None);
}

static PyObject *
sys_getfilesystemencoding(PyObject *m, PyObject *unused)
{
    return from_wide(nj_config()->filesystem_encoding);
}

static PyObject *
sys_getfilesystemencodeerrors(PyObject *m, PyObject *unused)
{
    return from_wide(nj_config()->filesystem_errors);
}

static PyObject *
sys_is_finalizing(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(Py_IsFinalizing());
}

static PyObject *
sys__clear_type_cache(PyObject *m, PyObject *unused)
{
    if (PyErr_WarnEx(PyExc_DeprecationWarning,
                     "sys._clear_type_cache() is deprecated and may be removed in a future "
                     "version of Python. Use sys._clear_internal_caches() instead.",
                     1) < 0) {
        return NULL;
    }
    PyType_ClearCache();
    Py_RETURN_NONE;
}

static PyObject *
sys__clear_internal_caches(PyObject *m, PyObject *unused)
{
    PyType_ClearCache();
    Py_RETURN_NONE;
}

static PyObject *
sys__clear_type_descriptors(PyObject *m, PyObject *type)
{
    if (!PyType_Check(type)) {
        _PyArg_BadArgument("_clear_type_descriptors", "argument", "type", type);
        return NULL;
    }
    PyTypeObject *t = (PyTypeObject *)type;
    if (t->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) {
        PyErr_SetString(PyExc_TypeError, "argument is immutable");
        return NULL;
    }
    NJ_OWN d = PyType_GetDict(t);
    if (!d || PyDict_Pop(d, NJ_ID(__dict__), NULL) < 0 ||
        PyDict_Pop(d, NJ_ID(__weakref__), NULL) < 0) {
        return NULL;
    }
    PyType_Modified(t);
    Py_RETURN_NONE;
}

static PyObject *
sys__debugmallocstats(PyObject *m, PyObject *unused)
{
    nj_mem_dump_stats(stderr);
    Py_RETURN_NONE;
}

static PyObject *
sys__get_cpu_count_config(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(nj_config()->cpu_count);
}

static PyObject *
sys__is_gil_enabled(PyObject *m, PyObject *unused)
{
    Py_RETURN_TRUE;
}

static PyObject *
sys__baserepl(PyObject *m, PyObject *unused)
{
    PyCompilerFlags cf = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    PyRun_AnyFileExFlags(stdin, "<stdin>", 0, &cf);
    Py_RETURN_NONE;
}

static PyObject *
sys_false(PyObject *m, PyObject *unused)
{
    Py_RETURN_FALSE;
}

static PyObject *
sys_activate_trampoline(PyObject *m, PyObject *arg)
{
    Py_ssize_t n;
    if (!PyUnicode_Check(arg)) {
        _PyArg_BadArgument("activate_stack_trampoline", "argument", "str", arg);
        return NULL;
    }
    const char *name = PyUnicode_AsUTF8AndSize(arg, &n);
    if (!name) {
        return NULL;
    }
    if (strlen(name) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    NjPerfBackend backend = strcmp(name, "perf") == 0       ? NJ_PERF_MAP
                            : strcmp(name, "perf_jit") == 0 ? NJ_PERF_DUMP
                                                            : NJ_PERF_OFF;
    if (backend == NJ_PERF_OFF) {
        PyErr_Format(PyExc_ValueError, "invalid backend: %s", name);
        return NULL;
    }
    if (nj_perf_activate(backend) < 0) {
        PyErr_SetString(PyExc_ValueError, "can't activate perf trampoline");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sys_deactivate_trampoline(PyObject *m, PyObject *unused)
{
    nj_perf_deactivate();
    Py_RETURN_NONE;
}

static PyObject *
sys_is_trampoline_active(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(nj_perf_backend() != NJ_PERF_OFF);
}

static PyObject *
sys__dump_tracelets(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    PyErr_SetString(PyExc_NotImplementedError, "No JIT available");
    return NULL;
}

static PyObject *
sys_remote_exec(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"pid", "script", NULL};
    static const NjParams params = {"remote_exec", names, 2, 2, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int pid = PyLong_AsInt(a[0]);
    if (pid == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *path;
    if (!PyUnicode_FSConverter(a[1], &path)) {
        return NULL;
    }
    NJ_OWN bytes = path;
    if (PySys_Audit("sys.remote_exec", "iO", pid, a[1]) < 0) {
        return NULL;
    }
    if (!nj_remote_exec_enabled()) {
        PyErr_SetString(PyExc_RuntimeError, "Remote debugging is not enabled");
        return NULL;
    }
    if (access(PyBytes_AS_STRING(bytes), F_OK) != 0) {
        if (errno == ENOENT) {
            PyErr_SetString(PyExc_FileNotFoundError, "Script file does not exist");
            return NULL;
        }
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (nj_remote_exec(pid, PyBytes_AS_STRING(bytes)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sys_is_remote_debug_enabled(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(nj_remote_exec_enabled());
}

static PyMethodDef sys_methods[] = {
    {"addaudithook", FN(sys_addaudithook), FK,
     SIG("addaudithook($module, /, hook)") "Add an audit hook."},
    {"audit", FN(sys_audit), METH_FASTCALL,
     SIG("audit($module, event, /, *args)") "Raise an audit event."},
    {"breakpointhook", FN(sys_breakpointhook), FK,
     SIG("breakpointhook($module, /, *args, **kwargs)") "What breakpoint() calls."},
    {"_clear_internal_caches", sys__clear_internal_caches, METH_NOARGS,
     SIG("_clear_internal_caches($module, /)") "Forget cached lookups."},
    {"_clear_type_cache", sys__clear_type_cache, METH_NOARGS,
     SIG("_clear_type_cache($module, /)") "Forget cached attribute lookups."},
    {"_clear_type_descriptors", sys__clear_type_descriptors, METH_O,
     SIG("_clear_type_descriptors($module, type, /)")
     "Remove __dict__ and __weakref__ from a type."},
    {"_current_frames", sys__current_frames, METH_NOARGS,
     SIG("_current_frames($module, /)") "The topmost frame of each thread."},
    {"_current_exceptions", sys__current_exceptions, METH_NOARGS,
     SIG("_current_exceptions($module, /)") "The handled exception of each thread."},
    {"displayhook", sys_displayhook, METH_O,
     SIG("displayhook($module, object, /)") "Show a value and keep it in builtins._"},
    {"exception", sys_exception, METH_NOARGS,
     SIG("exception($module, /)") "The exception that is being handled."},
    {"exc_info", sys_exc_info, METH_NOARGS,
     SIG("exc_info($module, /)") "(type, value, traceback) of what is being handled."},
    {"excepthook", FN(sys_excepthook), METH_FASTCALL,
     SIG("excepthook($module, exctype, value, traceback, /)") "Show an exception."},
    {"exit", FN(sys_exit), METH_FASTCALL,
     SIG("exit($module, status=None, /)") "Raise SystemExit(status)."},
    {"getdefaultencoding", sys_getdefaultencoding, METH_NOARGS,
     SIG("getdefaultencoding($module, /)") "The default string encoding."},
    {"getdlopenflags", sys_getdlopenflags, METH_NOARGS,
     SIG("getdlopenflags($module, /)") "Flags for dlopen()."},
    {"getallocatedblocks", sys_getallocatedblocks, METH_NOARGS,
     SIG("getallocatedblocks($module, /)") "The number of small blocks in use."},
    {"getunicodeinternedsize", FN(sys_getunicodeinternedsize), FK,
     SIG("getunicodeinternedsize($module, /, *, _only_immortal=False)")
     "The number of interned strings."},
    {"getfilesystemencoding", sys_getfilesystemencoding, METH_NOARGS,
     SIG("getfilesystemencoding($module, /)") "The encoding of file names."},
    {"getfilesystemencodeerrors", sys_getfilesystemencodeerrors, METH_NOARGS,
     SIG("getfilesystemencodeerrors($module, /)") "The error mode of file names."},
    {"getrefcount", sys_getrefcount, METH_O,
     SIG("getrefcount($module, object, /)") "The reference count."},
    {"getrecursionlimit", sys_getrecursionlimit, METH_NOARGS,
     SIG("getrecursionlimit($module, /)") "The recursion limit."},
    {"getsizeof", FN(sys_getsizeof), FK,
     "getsizeof(object [, default]) -> int\n\nThe size of an object in bytes."},
    {"_getframe", FN(sys__getframe), METH_FASTCALL,
     SIG("_getframe($module, depth=0, /)") "A frame of the call stack."},
    {"_getframemodulename", FN(sys__getframemodulename), FK,
     SIG("_getframemodulename($module, /, depth=0)") "The module name of a frame."},
    {"intern", sys_intern, METH_O, SIG("intern($module, string, /)") "Intern a string."},
    {"_is_interned", sys__is_interned, METH_O,
     SIG("_is_interned($module, string, /)") "True for an interned string."},
    {"_is_immortal", sys__is_immortal, METH_O,
     SIG("_is_immortal($module, op, /)") "True for an immortal object."},
    {"is_finalizing", sys_is_finalizing, METH_NOARGS,
     SIG("is_finalizing($module, /)") "True while Python is shutting down."},
    {"setdlopenflags", sys_setdlopenflags, METH_O,
     SIG("setdlopenflags($module, flags, /)") "Set the flags for dlopen()."},
    {"setprofile", sys_setprofile, METH_O,
     SIG("setprofile($module, function, /)") "Set the profile function."},
    {"_setprofileallthreads", sys__setprofileallthreads, METH_O,
     SIG("_setprofileallthreads($module, function, /)")
     "Set the profile function of all threads."},
    {"getprofile", sys_getprofile, METH_NOARGS,
     SIG("getprofile($module, /)") "The profile function."},
    {"setrecursionlimit", sys_setrecursionlimit, METH_O,
     SIG("setrecursionlimit($module, limit, /)") "Set the recursion limit."},
    {"settrace", sys_settrace, METH_O,
     SIG("settrace($module, function, /)") "Set the trace function."},
    {"_settraceallthreads", sys__settraceallthreads, METH_O,
     SIG("_settraceallthreads($module, function, /)")
     "Set the trace function of all threads."},
    {"gettrace", sys_gettrace, METH_NOARGS,
     SIG("gettrace($module, /)") "The trace function."},
    {"call_tracing", FN(sys_call_tracing), METH_FASTCALL,
     SIG("call_tracing($module, func, args, /)") "Call with tracing enabled."},
    {"_debugmallocstats", sys__debugmallocstats, METH_NOARGS,
     SIG("_debugmallocstats($module, /)") "Print the allocator's state."},
    {"set_coroutine_origin_tracking_depth", FN(sys_set_coroutine_depth), FK,
     SIG("set_coroutine_origin_tracking_depth($module, /, depth)")
     "Record where coroutines are made."},
    {"get_coroutine_origin_tracking_depth", sys_get_coroutine_depth, METH_NOARGS,
     SIG("get_coroutine_origin_tracking_depth($module, /)") "The depth of that record."},
    {"set_asyncgen_hooks", FN(sys_set_asyncgen_hooks), FK,
     "set_asyncgen_hooks([firstiter] [, finalizer])\n\nSet the hooks of asynchronous "
     "generators."},
    {"get_asyncgen_hooks", sys_get_asyncgen_hooks, METH_NOARGS,
     SIG("get_asyncgen_hooks($module, /)") "The hooks of asynchronous generators."},
    {"unraisablehook", sys_unraisablehook, METH_O,
     SIG("unraisablehook($module, unraisable, /)") "Show an unraisable exception."},
    {"get_int_max_str_digits", sys_get_int_max_str_digits, METH_NOARGS,
     SIG("get_int_max_str_digits($module, /)") "The digit limit of int/str conversion."},
    {"set_int_max_str_digits", FN(sys_set_int_max_str_digits), FK,
     SIG("set_int_max_str_digits($module, /, maxdigits)")
     "Set the digit limit of int/str conversion."},
    {"getswitchinterval", sys_getswitchinterval, METH_NOARGS,
     SIG("getswitchinterval($module, /)") "Seconds between thread switches."},
    {"setswitchinterval", sys_setswitchinterval, METH_O,
     SIG("setswitchinterval($module, interval, /)") "Set the time between switches."},
    {"activate_stack_trampoline", sys_activate_trampoline, METH_O,
     SIG("activate_stack_trampoline($module, backend, /)")
     "Makes the perf profiler see Python functions; backend is 'perf' or 'perf_jit'."},
    {"deactivate_stack_trampoline", sys_deactivate_trampoline, METH_NOARGS,
     SIG("deactivate_stack_trampoline($module, /)")
     "Python calls no longer show up on the C stack."},
    {"is_stack_trampoline_active", sys_is_trampoline_active, METH_NOARGS,
     SIG("is_stack_trampoline_active($module, /)")
     "Does a profiler of C stacks see the Python functions?"},
    {"is_remote_debug_enabled", sys_is_remote_debug_enabled, METH_NOARGS,
     SIG("is_remote_debug_enabled($module, /)") "May other processes have scripts run here?"},
    {"remote_exec", FN(sys_remote_exec), FK,
     SIG("remote_exec($module, /, pid, script)") "Run a script in another process."},
    {"_baserepl", sys__baserepl, METH_NOARGS,
     SIG("_baserepl($module, /)") "The plain interactive loop."},
    {"_dump_tracelets", FN(sys__dump_tracelets), FK,
     SIG("_dump_tracelets($module, /, outpath)") "Not available."},
    {"_get_cpu_count_config", sys__get_cpu_count_config, METH_NOARGS,
     SIG("_get_cpu_count_config($module, /)") "The configured number of CPUs, or -1."},
    {"_is_gil_enabled", sys__is_gil_enabled, METH_NOARGS,
     SIG("_is_gil_enabled($module, /)") "True: there is a GIL."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef sys_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sys",
    .m_doc = "This module provides access to some objects used or maintained by the\n"
             "interpreter and to functions that interact strongly with the interpreter.",
    .m_size = -1,
    .m_methods = sys_methods,
};

static PyMethodDef jit_methods[] = {
    {"is_available", sys_false, METH_NOARGS,
     SIG("is_available($module, /)") "True if there is a JIT."},
    {"is_enabled", sys_false, METH_NOARGS,
     SIG("is_enabled($module, /)") "True if the JIT is enabled."},
    {"is_active", sys_false, METH_NOARGS,
     SIG("is_active($module, /)") "True if the calling frame is compiled."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef jit_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "sys._jit",
    .m_size = -1,
    .m_methods = jit_methods,
};

/* --- values ---------------------------------------------------------------------------------------------------- */

static PyStructSequence_Field flags_fields[] = {
    {"debug", "-d"},
    {"inspect", "-i"},
    {"interactive", "-i"},
    {"optimize", "-O or -OO"},
    {"dont_write_bytecode", "-B"},
    {"no_user_site", "-s"},
    {"no_site", "-S"},
    {"ignore_environment", "-E"},
    {"verbose", "-v"},
    {"bytes_warning", "-b"},
    {"quiet", "-q"},
    {"hash_randomization", "-R"},
    {"isolated", "-I"},
    {"dev_mode", "-X dev"},
    {"utf8_mode", "-X utf8"},
    {"warn_default_encoding", "-X warn_default_encoding"},
    {"safe_path", "-P"},
    {"int_max_str_digits", "-X int_max_str_digits"},
    {"gil", "-X gil"},
    {"thread_inherit_context", "-X thread_inherit_context"},
    {"context_aware_warnings", "-X context_aware_warnings"},
    {NULL, NULL},
};
static PyStructSequence_Desc flags_desc = {
    "sys.flags",
    "sys.flags\n\nFlags provided through command line arguments or environment vars.",
    flags_fields, 18};

static PyStructSequence_Field version_fields[] = {
    {"major", "Major release number"},
    {"minor", "Minor release number"},
    {"micro", "Patch release number"},
    {"releaselevel", "'alpha', 'beta', 'candidate', or 'final'"},
    {"serial", "Serial release number"},
    {NULL, NULL},
};
static PyStructSequence_Desc version_desc = {
    "sys.version_info",
    "sys.version_info\n\nVersion information as a named tuple.", version_fields, 5};

static PyStructSequence_Field hash_fields[] = {
    {"width", "width of the type used for hashing, in bits"},
    {"modulus", "prime number giving the modulus on which the hash function is based"},
    {"inf", "value to be used for hash of a positive infinity"},
    {"nan", "value to be used for hash of a nan"},
    {"imag", "multiplier used for the imaginary part of a complex number"},
    {"algorithm", "name of the algorithm for hashing of str, bytes and memoryviews"},
    {"hash_bits", "internal output size of hash algorithm"},
    {"seed_bits", "seed size of hash algorithm"},
    {"cutoff", "small string optimization cutoff"},
    {NULL, NULL},
};
static PyStructSequence_Desc hash_desc = {
    "sys.hash_info",
    "hash_info\n\nA named tuple providing parameters used for computing\nhashes. The "
    "attributes are read only.",
    hash_fields, 9};

static PyStructSequence_Field thread_fields[] = {
    {"name", "name of the thread implementation"},
    {"lock", "name of the lock implementation"},
    {"version", "name and version of the thread library"},
    {NULL, NULL},
};
static PyStructSequence_Desc thread_desc = {
    "sys.thread_info",
    "sys.thread_info\n\nA named tuple holding information about the thread "
    "implementation.",
    thread_fields, 3};

static PyStructSequence_Field unraisable_fields[] = {
    {"exc_type", "Exception type"},
    {"exc_value", "Exception value"},
    {"exc_traceback", "Exception traceback"},
    {"err_msg", "Error message"},
    {"object", "Object causing the exception"},
    {NULL, NULL},
};
static PyStructSequence_Desc unraisable_desc = {
    "UnraisableHookArgs",
    "UnraisableHookArgs\n\nType used to pass arguments to sys.unraisablehook.",
    unraisable_fields, 5};

static PyObject *
struct_of(PyStructSequence_Desc *desc, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    NJ_OWN t = Py_VaBuildValue(fmt, va);
    va_end(va);
    NJ_OWN type = t ? (PyObject *)locked_type(desc) : NULL;
    NJ_OWN r = type ? PyStructSequence_New((PyTypeObject *)type) : NULL;
    if (!r) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(t); i++) {
        PyStructSequence_SetItem(r, i, Py_NewRef(PyTuple_GET_ITEM(t, i)));
    }
    return NJ_TAKE(r);
}

static PyObject *
make_flags(const PyConfig *c)
{
    const PyPreConfig *p = &nj_runtime.preconfig;
    return struct_of(
        &flags_desc, "(iiiiiiiiiiiiiOiiOiiii)", c->parser_debug, c->inspect, c->interactive,
        c->optimization_level, !c->write_bytecode, !c->user_site_directory, !c->site_import,
        !c->use_environment, c->verbose, c->bytes_warning, c->quiet,
        c->use_hash_seed == 0 || c->hash_seed != 0, c->isolated,
        c->dev_mode ? Py_True : Py_False, p->utf8_mode, c->warn_default_encoding,
        c->safe_path ? Py_True : Py_False, c->int_max_str_digits, 1,
        c->thread_inherit_context, c->context_aware_warnings);
}

int
nj_sys_flags_update(PyThreadState *tstate)
{
    NJ_OWN f = make_flags(&tstate->interp->rt.config);
    if (!f) {
        return -1;
    }
    if (nj_sys_set("dont_write_bytecode",
                   tstate->interp->rt.config.write_bytecode ? Py_False : Py_True) < 0) {
        return -1;
    }
    return nj_sys_set("flags", f);
}

PyObject *
PyThread_GetInfo(void)
{
    char buf[100] = "";
    size_t n = confstr(_CS_GNU_LIBPTHREAD_VERSION, buf, sizeof buf);
    return struct_of(&thread_desc, "(sss)", "pthread", "semaphore",
                     n > 0 && n < sizeof buf ? buf : "NPTL");
}

/* Steals value. */
static int
put(PyObject *d, const char *name, PyObject *value)
{
    if (!value) {
        return -1;
    }
    NJ_OWN key = PyUnicode_InternFromString(name);
    int rc = key ? PyDict_SetItem(d, key, value) : -1;
    Py_DECREF(value);
    return rc;
}

static PyObject *
make_implementation(PyObject *version_info)
{
    NJ_OWN naja = Py_BuildValue("{ss}", "version", "0.1");
    NJ_OWN kw = Py_BuildValue("{sssssOsksssOsO}", "name", "cpython", "cache_tag",
                              PyImport_GetMagicTag(), "version", version_info, "hexversion",
                              (unsigned long)PY_VERSION_HEX, "_multiarch",
                              "x86_64-linux-gnu", "supports_isolated_interpreters", Py_True,
                              "_naja", naja ? naja : Py_None);
    return kw ? _PyNamespace_New(kw) : NULL;
}

static PyObject *
make_stdlib_names(void)
{
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(stdlib_names); i++) {
        NJ_OWN s = PyUnicode_InternFromString(stdlib_names[i]);
        if (!s || PyList_Append(list, s) < 0) {
            return NULL;
        }
    }
    return PyFrozenSet_New(list);
}

#define PUT(name, value)                                                               \
    do {                                                                               \
        if (put(d, name, value) < 0) {                                                 \
            return NULL;                                                               \
        }                                                                              \
    } while (0)

PyObject *
nj_sys_create(PyThreadState *tstate)
{
    NjInterp *interp = tstate->interp;
    NJ_OWN mod = PyModule_Create2(&sys_def, PYTHON_API_VERSION);
    if (!mod) {
        return NULL;
    }
    PyObject *d = PyModule_GetDict(mod);
    interp->sysdict = Py_NewRef(d);
    interp->rt.sys_private = PyDict_New();
    if (!interp->rt.sys_private) {
        return NULL;
    }
    PUT("modules", Py_NewRef(interp->modules));
    static const char *const hooks[] = {"displayhook", "excepthook", "breakpointhook",
                                        "unraisablehook"};
    for (size_t i = 0; i < NJ_ARRAY_LEN(hooks); i++) {
        char name[40];
        snprintf(name, sizeof name, "__%s__", hooks[i]);
        PUT(name, Py_XNewRef(PyDict_GetItemString(d, hooks[i])));
    }
    interp->rt.excepthook_default = Py_XNewRef(PyDict_GetItemString(d, "excepthook"));
    PUT("version", PyUnicode_FromString(Py_GetVersion()));
    PUT("hexversion", PyLong_FromLong(PY_VERSION_HEX));
    PUT("_git", Py_BuildValue("(sss)", "CPython", "", ""));
    PUT("_framework", PyUnicode_FromString(""));
    PUT("api_version", PyLong_FromLong(PYTHON_API_VERSION));
    PUT("copyright", PyUnicode_FromString(Py_GetCopyright()));
    PUT("platform", PyUnicode_FromString(Py_GetPlatform()));
    PUT("maxsize", PyLong_FromSsize_t(PY_SSIZE_T_MAX));
    PUT("float_info", PyFloat_GetInfo());
    PUT("int_info", PyLong_GetInfo());
    PUT("hash_info", struct_of(&hash_desc, "(iniiisiii)", 64,
                               (Py_ssize_t)((1UL << 61) - 1), 314159, 0, 1000003,
                               "siphash13", 64, 128, 0));
    PUT("maxunicode", PyLong_FromLong(0x10ffff));
    PUT("builtin_module_names", nj_builtin_module_names());
    PUT("stdlib_module_names", make_stdlib_names());
    PUT("byteorder", PyUnicode_InternFromString("little"));
    PUT("abiflags", PyUnicode_FromString(""));
    static const char *const levels[] = {"alpha", "beta", "candidate", "final"};
    PUT("version_info",
        struct_of(&version_desc, "(iiisi)", PY_MAJOR_VERSION, PY_MINOR_VERSION,
                  PY_MICRO_VERSION, levels[(PY_RELEASE_LEVEL - 0xA) & 7 ? (PY_RELEASE_LEVEL == 0xF ? 3 : (PY_RELEASE_LEVEL - 0xA) & 3) : 0],
                  PY_RELEASE_SERIAL));
    PUT("implementation", make_implementation(PyDict_GetItemString(d, "version_info")));
    PUT("float_repr_style", PyUnicode_FromString("short"));
    PUT("thread_info", PyThread_GetInfo());
    if (ready_static(&NjAsyncGenHooks_Type, &asyncgen_desc) < 0 ||
        ready_static(&NjUnraisableArgs_Type, &unraisable_desc) < 0 ||
        put(interp->rt.sys_private, "_UnraisableHookArgs",
            Py_NewRef((PyObject *)&NjUnraisableArgs_Type)) < 0) {
        return NULL;
    }
    PUT("flags", make_flags(&interp->rt.config));
    PUT("monitoring", nj_monitor_module_new());
    PUT("_jit", PyModule_Create2(&jit_def, PYTHON_API_VERSION));
    PUT("path_hooks", PyList_New(0));
    PUT("path_importer_cache", PyDict_New());
    PUT("meta_path", PyList_New(0));
    PUT("warnoptions", nj_wstrlist_as_list(&interp->rt.config.warnoptions));
    PUT("dont_write_bytecode", Py_NewRef(interp->rt.config.write_bytecode ? Py_False
                                                                          : Py_True));
    interp->rt.sysmod = Py_NewRef(mod);
    return NJ_TAKE(mod);
}

PyObject *
nj_sys_private(PyObject *name)
{
    PyObject *d = nj_interp()->rt.sys_private;
    PyObject *v = d ? PyDict_GetItemWithError(d, name) : NULL;
    if (!v && PyErr_Occurred()) {
        PyErr_Clear();
    }
    return v;
}

static PyObject *
xoptions_dict(const PyConfig *c)
{
    NJ_OWN d = PyDict_New();
    if (!d) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < c->xoptions.length; i++) {
        const wchar_t *x = c->xoptions.items[i];
        const wchar_t *eq = wcschr(x, L'=');
        NJ_OWN k = PyUnicode_FromWideChar(x, eq ? eq - x : -1);
        NJ_OWN v = eq ? PyUnicode_FromWideChar(eq + 1, -1) : Py_NewRef(Py_True);
        if (!k || !v || PyDict_SetItem(d, k, v) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(d);
}

int
nj_sys_set_config(PyThreadState *tstate)
{
    const PyConfig *c = &tstate->interp->rt.config;
    PyObject *d = tstate->interp->sysdict;
    if (put(d, "path", nj_wstrlist_as_list(&c->module_search_paths)) < 0 ||
        put(d, "argv", nj_wstrlist_as_list(&c->argv)) < 0 ||
        put(d, "orig_argv", nj_wstrlist_as_list(&c->orig_argv)) < 0 ||
        put(d, "warnoptions", nj_wstrlist_as_list(&c->warnoptions)) < 0 ||
        put(d, "_xoptions", xoptions_dict(c)) < 0 ||
        put(d, "executable", from_wide(c->executable)) < 0 ||
        put(d, "_base_executable", from_wide(c->base_executable)) < 0 ||
        put(d, "prefix", from_wide(c->prefix)) < 0 ||
        put(d, "base_prefix", from_wide(c->base_prefix)) < 0 ||
        put(d, "exec_prefix", from_wide(c->exec_prefix)) < 0 ||
        put(d, "base_exec_prefix", from_wide(c->base_exec_prefix)) < 0 ||
        put(d, "platlibdir", from_wide(c->platlibdir)) < 0 ||
        put(d, "pycache_prefix", from_wide(c->pycache_prefix)) < 0 ||
        put(d, "_stdlib_dir", from_wide(c->stdlib_dir)) < 0 ||
        put(d, "_home", from_wide(c->home)) < 0) {
        return -1;
    }
    return nj_sys_flags_update(tstate);
}

PyObject *
PySys_GetXOptions(void)
{
    PyObject *d = nj_sys_peek(NJ_ID(_xoptions));
    if (d && PyDict_Check(d)) {
        return d;
    }
    NJ_OWN fresh = PyDict_New();
    if (!fresh || PyDict_SetItem(nj_interp()->sysdict, NJ_ID(_xoptions), fresh) < 0) {
        return NULL;
    }
    return fresh; /* borrowed from sys */
}

void
PySys_ResetWarnOptions(void)
{
    PyObject *w = nj_sys_peek(NJ_ID(warnoptions));
    if (w && PyList_Check(w)) {
        PyList_SetSlice(w, 0, PyList_GET_SIZE(w), NULL);
    }
}

void
PySys_SetArgvEx(int argc, wchar_t **argv, int updatepath)
{
    static wchar_t *empty[1] = {L""};
    if (argc < 1 || !argv) {
        argc = 1;
        argv = empty;
    }
    PyWideStringList l = {argc, argv};
    NJ_OWN list = nj_wstrlist_as_list(&l);
    if (!list || nj_sys_set("argv", list) < 0) {
        Py_FatalError("can't assign sys.argv");
    }
    if (updatepath) {
        PyObject *path = nj_sys_peek(NJ_ID(path));
        if (path && PyList_Check(path)) {
            wchar_t *slash = wcsrchr(argv[0], L'/');
            NJ_OWN dir = PyUnicode_FromWideChar(argv[0], slash ? slash - argv[0] : 0);
            if (!dir || PyList_Insert(path, 0, dir) < 0) {
                PyErr_Clear();
            }
        }
    }
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void
PySys_SetArgv(int argc, wchar_t **argv)
{
    PySys_SetArgvEx(argc, argv, nj_config()->isolated == 0);
}
#pragma GCC diagnostic pop

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void
write_formatted(PyObject *name, FILE *fp, const char *fmt, va_list va)
{
    char buf[1001];
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *file = nj_sys_peek(name);
    int n = PyOS_vsnprintf(buf, sizeof buf, fmt, va);
    if (!file || PyFile_WriteString(buf, file) != 0) {
        PyErr_Clear();
        fputs(buf, fp);
    }
    if (n < 0 || (size_t)n >= sizeof buf) {
        if (!file || PyFile_WriteString("... truncated", file) != 0) {
            PyErr_Clear();
            fputs("... truncated", fp);
        }
    }
    PyErr_SetRaisedException(exc);
}

static void
write_object(PyObject *name, FILE *fp, const char *fmt, va_list va)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *file = nj_sys_peek(name);
    PyObject *text = PyUnicode_FromFormatV(fmt, va);
    if (text) {
        if (!file || PyFile_WriteObject(text, file, Py_PRINT_RAW) != 0) {
            PyErr_Clear();
            const char *s = PyUnicode_AsUTF8(text);
            fputs(s ? s : "", fp);
        }
        Py_DECREF(text);
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
}

void
PySys_WriteStdout(const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    write_formatted(NJ_ID(stdout), stdout, fmt, va);
    va_end(va);
}

void
PySys_WriteStderr(const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    write_formatted(NJ_ID(stderr), stderr, fmt, va);
    va_end(va);
}

void
PySys_FormatStdout(const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    write_object(NJ_ID(stdout), stdout, fmt, va);
    va_end(va);
}

void
PySys_FormatStderr(const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    write_object(NJ_ID(stderr), stderr, fmt, va);
    va_end(va);
}

/* --- standard streams ------------------------------------------------------------------------------------------------ */

int
nj_sys_set_stderr_early(void)
{
    NJ_OWN f = PyFile_NewStdPrinter(fileno(stderr));
    if (!f) {
        return -1;
    }
    return nj_sys_set("stderr", f) < 0 || nj_sys_set("__stderr__", f) < 0 ? -1 : 0;
}

static bool
fd_is_valid(int fd)
{
    struct stat st;
    return fd >= 0 && fstat(fd, &st) == 0;
}

static PyObject *
make_stream(const PyConfig *c, PyObject *io, int fd, bool write, const char *name,
            const wchar_t *encoding, const wchar_t *errors)
{
    if (!fd_is_valid(fd)) {
        Py_RETURN_NONE;
    }
    bool unbuffered = !c->buffered_stdio && write;
    NJ_OWN buf = PyObject_CallMethod(io, "open", "isiOOOO", fd, write ? "wb" : "rb",
                                     unbuffered ? 0 : -1, Py_None, Py_None, Py_None,
                                     Py_False);
    if (!buf) {
        return NULL;
    }
    NJ_OWN raw = unbuffered ? Py_NewRef(buf) : PyObject_GetAttr(buf, NJ_ID(raw));
    NJ_OWN text = raw ? PyUnicode_FromString(name) : NULL;
    if (!text || PyObject_SetAttr(raw, NJ_ID(name), text) < 0) {
        return NULL;
    }
    NJ_OWN tty = PyObject_CallMethodNoArgs(raw, NJ_ID(isatty));
    int isatty_ = tty ? PyObject_IsTrue(tty) : -1;
    if (isatty_ < 0) {
        return NULL;
    }
    if (isatty_ && !write && c->interactive) {
        isatty_ = 1;
    }
    NJ_OWN enc = from_wide(encoding);
    NJ_OWN err = enc ? from_wide(errors) : NULL;
    if (!err) {
        return NULL;
    }
    bool line = isatty_ || fd == 2;
    NJ_OWN stream = PyObject_CallMethod(
        io, "TextIOWrapper", "OOOsOO", buf, enc, err, "\n", line ? Py_True : Py_False,
        unbuffered ? Py_True : Py_False);
    NJ_OWN mode = stream ? PyUnicode_FromOrdinal(write ? 'w' : 'r') : NULL;
    if (!mode || PyObject_SetAttr(stream, NJ_ID(mode), mode) < 0) {
        return NULL;
    }
    return NJ_TAKE(stream);
}

int
nj_sys_init_stdio(PyThreadState *tstate)
{
    NjInterp *interp = tstate->interp;
    const PyConfig *c = &interp->rt.config;
    NJ_OWN io = PyImport_ImportModule("_io");
    if (!io) {
        return -1;
    }
    NJ_OWN open = PyObject_GetAttrString(io, "open");
    if (!open || PyDict_SetItemString(interp->builtins, "open", open) < 0) {
        return -1;
    }
    struct {
        const char *name;
        int fd;
        bool write;
        const wchar_t *errors;
    } streams[] = {{"stdin", 0, false, c->stdio_errors},
                   {"stdout", 1, true, c->stdio_errors},
                   {"stderr", 2, true, L"backslashreplace"}};
    for (size_t i = 0; i < 3; i++) {
        char name[20], dunder[20];
        snprintf(name, sizeof name, "<%s>", streams[i].name);
        snprintf(dunder, sizeof dunder, "__%s__", streams[i].name);
        NJ_OWN f = make_stream(c, io, streams[i].fd, streams[i].write, name,
                               c->stdio_encoding, streams[i].errors);
        if (!f) {
            if (i == 2) {
                PyErr_Clear(); /* stays the plain one */
                continue;
            }
            return -1;
        }
        if (nj_sys_set(dunder, f) < 0 || nj_sys_set(streams[i].name, f) < 0) {
            return -1;
        }
    }
    return 0;
}

/* -1 if flushing sys.stdout failed (reported as unraisable). */
int
nj_flush_std_files(void)
{
    int rc = 0;
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *ids[2] = {NJ_ID(stdout), NJ_ID(stderr)};
    for (int i = 0; i < 2; i++) {
        PyObject *file = nj_sys_peek(ids[i]);
        if (!file || file == Py_None) {
            continue;
        }
        NJ_OWN f = Py_NewRef(file);
        NJ_OWN closed = PyObject_GetAttr(f, NJ_ID(closed));
        int is_closed = 0;
        if (closed) {
            is_closed = PyObject_IsTrue(closed);
        }
        if (!closed || is_closed < 0) {
            PyErr_Clear();
            is_closed = 0;
        }
        if (is_closed) {
            continue;
        }
        NJ_OWN r = PyObject_CallMethodNoArgs(f, NJ_ID(flush));
        if (!r) {
            if (i == 0) {
                PyErr_FormatUnraisable("Exception ignored while flushing sys.stdout");
                rc = -1;
            }
            else {
                PyErr_Clear();
            }
        }
    }
    PyErr_SetRaisedException(exc);
    return rc;
}

/* errors.c - raising, fetching, comparing and chaining exceptions.
 *
 * The error indicator is PyThreadState.current_exception and nothing else: a finished
 * exception instance with its traceback in __traceback__, or NULL. What except blocks
 * are handling is the exc_info chain; a new exception takes the top of that chain as
 * its __context__ (cycles are cut).
 *
 * Everything here runs while something has already gone wrong. Creating the instance
 * may run Python code and fail: then that failure is what gets raised.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/compile.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <stdarg.h>

NJ_INLINE PyBaseExceptionObject *
exc_of(PyObject *e)
{
    return (PyBaseExceptionObject *)e;
}

/* Steals exc (may be NULL). */
NJ_INLINE void
set_current(PyThreadState *tstate, NJ_STEALS PyObject *exc)
{
    PyObject *old = tstate->current_exception;
    tstate->current_exception = exc;
    Py_XDECREF(old);
}

PyObject *
PyErr_Occurred(void)
{
    PyThreadState *tstate = nj_tstate();
    PyObject *e = tstate ? tstate->current_exception : NULL;
    return e ? (PyObject *)Py_TYPE(e) : NULL;
}

void
PyErr_SetRaisedException(PyObject *exc)
{
    set_current(nj_tstate(), exc);
}

PyObject *
PyErr_GetRaisedException(void)
{
    PyThreadState *tstate = nj_tstate();
    PyObject *e = tstate->current_exception;
    tstate->current_exception = NULL;
    return e;
}

void
PyErr_Clear(void)
{
    PyThreadState *tstate = nj_tstate();
    if (tstate->current_exception) {
        set_current(tstate, NULL);
    }
}

/* The topmost entry of the exception stack that handles something. Never NULL. */
NJ_INLINE _PyErr_StackItem *
top_handled(PyThreadState *tstate)
{
    _PyErr_StackItem *item = tstate->exc_info;
    while ((!item->exc_value || item->exc_value == Py_None) && item->previous_item) {
        item = item->previous_item;
    }
    return item;
}

/* exc.__context__ = handled, with any older occurrence of exc on that chain cut off. */
static void
chain_context(PyObject *exc, PyObject *handled)
{
    if (handled == exc) {
        return;
    }
    PyObject *o = handled, *slow = handled;
    bool step = false;
    for (;;) {
        PyObject *c = exc_of(o)->context;
        if (!c) {
            break;
        }
        if (c == exc) {
            exc_of(o)->context = NULL;
            Py_DECREF(c);
            break;
        }
        o = c;
        if (o == slow) {
            break; /* a cycle that does not contain exc */
        }
        if (step) {
            slow = exc_of(slow)->context;
        }
        step = !step;
    }
    PyException_SetContext(exc, Py_NewRef(handled));
}

/* Tells the exception that making another one raised what was to be made. */
static NJ_COLD void
note_failed_making(PyObject *type, PyObject *value)
{
    PyObject *exc = PyErr_GetRaisedException();
    NJ_OWN args = PyObject_Repr(value ? value : Py_None);
    if (!args) {
        PyErr_Clear();
    }
    NJ_OWN note = args ? PyUnicode_FromFormat("Normalization failed: type=%s args=%S",
                                              ((PyTypeObject *)type)->tp_name, args)
                       : PyUnicode_FromFormat("Normalization failed: type=%s args=<unknown>",
                                              ((PyTypeObject *)type)->tp_name);
    NJ_OWN done = note && exc ? PyObject_CallMethod(exc, "add_note", "O", note) : NULL;
    if (!done) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
}

/* A new instance of exception class type from value, as `raise type(value)' would. */
static PyObject *
make_exception(PyObject *type, PyObject *value)
{
    PyObject *exc = NULL;
    if (!value || value == Py_None) {
        exc = PyObject_CallNoArgs(type);
    }
    else if (PyTuple_Check(value)) {
        exc = PyObject_Call(type, value, NULL);
    }
    else {
        exc = PyObject_CallOneArg(type, value);
    }
    if (exc && !PyExceptionInstance_Check(exc)) {
        PyErr_Format(PyExc_TypeError,
                     "calling %R should have returned an instance of BaseException, "
                     "not %s",
                     type, Py_TYPE(exc)->tp_name);
        Py_CLEAR(exc);
    }
    if (!exc) {
        note_failed_making(type, value);
    }
    return exc;
}

void
PyErr_SetObject(PyObject *type, PyObject *value)
{
    PyThreadState *tstate = nj_tstate();
    if (type && !PyExceptionClass_Check(type)) {
        PyErr_Format(PyExc_SystemError,
                     "_PyErr_SetObject: exception %R is not a BaseException subclass",
                     type);
        return;
    }
    PyObject *exc = NULL;
    if (type) {
        Py_XINCREF(value);
        int fits = 0;
        if (value && PyExceptionInstance_Check(value)) {
            fits = PyObject_IsSubclass((PyObject *)Py_TYPE(value), type);
            if (fits < 0) {
                Py_DECREF(value);
                return;
            }
        }
        if (fits) {
            exc = value;
        }
        else {
            set_current(tstate, NULL);
            exc = make_exception(type, value);
            Py_XDECREF(value);
            if (!exc) {
                return; /* what went wrong is the exception now, chained already */
            }
        }
        PyObject *handled = top_handled(tstate)->exc_value;
        if (handled && handled != Py_None) {
            chain_context(exc, handled);
        }
    }
    set_current(tstate, exc);
}

void
PyErr_SetNone(PyObject *type)
{
    PyErr_SetObject(type, NULL);
}

void
PyErr_SetString(PyObject *type, const char *text)
{
    PyObject *value = PyUnicode_FromString(text);
    if (value) {
        PyErr_SetObject(type, value);
        Py_DECREF(value);
    }
}

PyAPI_FUNC(void) _PyErr_SetKeyError(PyObject *key);
/* KeyError(key), whatever key is: a tuple is one argument. */
void
_PyErr_SetKeyError(PyObject *key)
{
    PyObject *exc = PyObject_CallOneArg(PyExc_KeyError, key);
    if (exc) {
        PyErr_SetObject(PyExc_KeyError, exc);
        Py_DECREF(exc);
    }
}

void
PyErr_Restore(PyObject *type, PyObject *value, PyObject *tb)
{
    PyThreadState *tstate = nj_tstate();
    if (!type) {
        assert(!value && !tb);
        set_current(tstate, NULL);
        Py_XDECREF(value);
        Py_XDECREF(tb);
        return;
    }
    if (tb && !PyTraceBack_Check(tb)) {
        bool none = tb == Py_None;
        Py_CLEAR(tb);
        if (!none) {
            Py_DECREF(type);
            Py_XDECREF(value);
            PyErr_SetString(PyExc_TypeError, "__traceback__ must be a traceback or None");
            return;
        }
    }
    PyObject *exc;
    if (value && PyExceptionInstance_Check(value) && Py_IS_TYPE(value, (PyTypeObject *)type)) {
        exc = value; /* an instance of a subclass becomes an argument, unlike elsewhere */
    }
    else {
        exc = make_exception(type, value);
        Py_XDECREF(value);
        if (!exc) {
            Py_DECREF(type);
            Py_XDECREF(tb);
            return;
        }
    }
    Py_DECREF(type);
    if (tb != exc_of(exc)->traceback) {
        Py_XSETREF(exc_of(exc)->traceback, tb);
    }
    else {
        Py_XDECREF(tb);
    }
    set_current(tstate, exc);
}

void
PyErr_Fetch(PyObject **p_type, PyObject **p_value, PyObject **p_tb)
{
    PyObject *exc = PyErr_GetRaisedException();
    *p_value = exc;
    if (!exc) {
        *p_type = *p_tb = NULL;
        return;
    }
    *p_type = Py_NewRef((PyObject *)Py_TYPE(exc));
    *p_tb = Py_XNewRef(exc_of(exc)->traceback);
}

void
PyErr_NormalizeException(PyObject **p_type, PyObject **p_value, PyObject **p_tb)
{
    for (int tries = 0; tries < 32; tries++) {
        PyObject *type = *p_type, *value = *p_value;
        if (!type) {
            return;
        }
        if (!value) {
            value = *p_value = Py_NewRef(Py_None);
        }
        if (!PyExceptionClass_Check(type)) {
            return;
        }
        PyObject *inclass = NULL;
        int is_sub = 0;
        if (PyExceptionInstance_Check(value)) {
            inclass = (PyObject *)Py_TYPE(value);
            is_sub = PyObject_IsSubclass(inclass, type);
        }
        if (is_sub < 0) {
            goto failed;
        }
        if (!is_sub) {
            PyObject *fixed = make_exception(type, value);
            if (!fixed) {
                goto failed;
            }
            Py_SETREF(*p_value, fixed);
        }
        else if (inclass != type) {
            Py_SETREF(*p_type, Py_NewRef(inclass));
        }
        return;
    failed:;
        PyObject *tb = *p_tb;
        Py_DECREF(*p_type);
        Py_DECREF(*p_value);
        PyErr_Fetch(p_type, p_value, p_tb);
        if (tb) {
            if (*p_tb) {
                Py_DECREF(tb);
            }
            else {
                *p_tb = tb;
            }
        }
    }
    Py_FatalError("Cannot recover from the recursive normalization of an exception.");
}

int
PyErr_GivenExceptionMatches(PyObject *err, PyObject *exc)
{
    if (!err || !exc) {
        return 0;
    }
    if (PyTuple_Check(exc)) {
        Py_ssize_t n = PyTuple_GET_SIZE(exc);
        for (Py_ssize_t i = 0; i < n; i++) {
            if (PyErr_GivenExceptionMatches(err, PyTuple_GET_ITEM(exc, i))) {
                return 1;
            }
        }
        return 0;
    }
    if (PyExceptionInstance_Check(err)) {
        err = (PyObject *)Py_TYPE(err);
    }
    if (PyExceptionClass_Check(err) && PyExceptionClass_Check(exc)) {
        return err == exc || PyType_IsSubtype((PyTypeObject *)err, (PyTypeObject *)exc);
    }
    return err == exc;
}

int
PyErr_ExceptionMatches(PyObject *exc)
{
    return PyErr_GivenExceptionMatches(PyErr_Occurred(), exc);
}

PyObject *
PyErr_GetHandledException(void)
{
    PyObject *e = top_handled(nj_tstate())->exc_value;
    return e && e != Py_None ? Py_NewRef(e) : NULL;
}

void
PyErr_SetHandledException(PyObject *exc)
{
    PyThreadState *tstate = nj_tstate();
    Py_XSETREF(tstate->exc_info->exc_value, Py_XNewRef(exc == Py_None ? NULL : exc));
}

void
PyErr_GetExcInfo(PyObject **p_type, PyObject **p_value, PyObject **p_tb)
{
    PyObject *e = top_handled(nj_tstate())->exc_value;
    if (!e || e == Py_None) {
        *p_type = e ? Py_NewRef(Py_None) : NULL;
        *p_value = e ? Py_NewRef(Py_None) : NULL;
        *p_tb = e ? Py_NewRef(Py_None) : NULL;
        return;
    }
    *p_type = Py_NewRef((PyObject *)Py_TYPE(e));
    *p_value = Py_NewRef(e);
    PyObject *tb = exc_of(e)->traceback;
    *p_tb = Py_NewRef(tb ? tb : Py_None);
}

void
PyErr_SetExcInfo(PyObject *type, PyObject *value, PyObject *tb)
{
    PyErr_SetHandledException(value);
    Py_XDECREF(value);
    Py_XDECREF(type);
    Py_XDECREF(tb);
}

/* exc was being raised when `typ, val, tb' came up: it becomes the context of what is
 * raised now, or is raised again if nothing is. Steals. */
PyAPI_FUNC(void) _PyErr_ChainExceptions1(PyObject *exc);
void
_PyErr_ChainExceptions1(PyObject *exc)
{
    if (!exc) {
        return;
    }
    if (PyErr_Occurred()) {
        PyObject *now = PyErr_GetRaisedException();
        PyException_SetContext(now, exc);
        PyErr_SetRaisedException(now);
    }
    else {
        PyErr_SetRaisedException(exc);
    }
}

PyObject *
PyErr_FormatV(PyObject *type, const char *format, va_list va)
{
    /* formatting may run Python code, which must not see a pending exception */
    PyErr_Clear();
    PyObject *text = PyUnicode_FromFormatV(format, va);
    if (text) {
        PyErr_SetObject(type, text);
        Py_DECREF(text);
    }
    return NULL;
}

PyObject *
PyErr_Format(PyObject *type, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyErr_FormatV(type, format, va);
    va_end(va);
    return NULL;
}

/* raise type(message) from the current exception */
PyAPI_FUNC(PyObject *) _PyErr_FormatFromCause(PyObject *type, const char *format, ...);
PyObject *
_PyErr_FormatFromCause(PyObject *type, const char *format, ...)
{
    PyObject *cause = PyErr_GetRaisedException();
    va_list va;
    va_start(va, format);
    PyErr_FormatV(type, format, va);
    va_end(va);
    PyObject *exc = PyErr_GetRaisedException();
    if (exc && cause) {
        PyException_SetCause(exc, Py_NewRef(cause));
        PyException_SetContext(exc, cause);
    }
    else {
        Py_XDECREF(cause);
    }
    PyErr_SetRaisedException(exc);
    return NULL;
}

int
PyErr_BadArgument(void)
{
    PyErr_SetString(PyExc_TypeError, "bad argument type for built-in operation");
    return 0;
}

PyObject *
PyErr_NoMemory(void)
{
    PyErr_SetNone(PyExc_MemoryError);
    return NULL;
}

void
_PyErr_BadInternalCall(const char *filename, int lineno)
{
    PyErr_Format(PyExc_SystemError, "%s:%d: bad argument to internal function", filename,
                 lineno);
}

#undef PyErr_BadInternalCall
void
PyErr_BadInternalCall(void)
{
    PyErr_SetString(PyExc_SystemError, "bad argument to internal function");
}

/* --- errno ----------------------------------------------------------------------------- */

PyObject *
PyErr_SetFromErrnoWithFilenameObjects(PyObject *type, PyObject *name, PyObject *name2)
{
    int err = errno;
    if (err == EINTR && PyErr_CheckSignals()) {
        return NULL;
    }
    NJ_OWN message = NULL;
    if (err) {
        char buf[256];
        const char *s = strerror_r(err, buf, sizeof buf);
        NJ_SET(message, PyUnicode_DecodeLocale(s, "surrogateescape"));
    }
    else {
        NJ_SET(message, PyUnicode_FromString("Error"));
    }
    if (!message) {
        return NULL;
    }
    NJ_OWN args = NULL;
    if (name2) {
        NJ_SET(args, Py_BuildValue("(iOOiO)", err, message, name, 0, name2));
    }
    else if (name) {
        NJ_SET(args, Py_BuildValue("(iOO)", err, message, name));
    }
    else {
        NJ_SET(args, Py_BuildValue("(iO)", err, message));
    }
    if (!args) {
        return NULL;
    }
    NJ_OWN exc = PyObject_Call(type, args, NULL);
    if (exc) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    }
    return NULL;
}

PyObject *
PyErr_SetFromErrnoWithFilenameObject(PyObject *type, PyObject *name)
{
    return PyErr_SetFromErrnoWithFilenameObjects(type, name, NULL);
}

PyObject *
PyErr_SetFromErrno(PyObject *type)
{
    return PyErr_SetFromErrnoWithFilenameObjects(type, NULL, NULL);
}

PyObject *
PyErr_SetFromErrnoWithFilename(PyObject *type, const char *filename)
{
    int err = errno;
    PyObject *name = filename ? PyUnicode_DecodeFSDefault(filename) : NULL;
    if (filename && !name) {
        return NULL;
    }
    errno = err;
    PyErr_SetFromErrnoWithFilenameObjects(type, name, NULL);
    Py_XDECREF(name);
    return NULL;
}

PyObject *
PyErr_SetImportErrorSubclass(PyObject *type, PyObject *msg, PyObject *name,
                             PyObject *path)
{
    int ok = PyObject_IsSubclass(type, PyExc_ImportError);
    if (ok < 0) {
        return NULL;
    }
    if (!ok) {
        PyErr_SetString(PyExc_TypeError, "expected a subclass of ImportError");
        return NULL;
    }
    if (!msg) {
        PyErr_SetString(PyExc_TypeError, "expected a message argument");
        return NULL;
    }
    NJ_OWN kwargs = PyDict_New();
    if (!kwargs || PyDict_SetItem(kwargs, NJ_ID(name), name ? name : Py_None) < 0 ||
        PyDict_SetItem(kwargs, NJ_ID(path), path ? path : Py_None) < 0) {
        return NULL;
    }
    PyObject *stack[1] = {msg};
    NJ_OWN exc = PyObject_VectorcallDict(type, stack, 1, kwargs);
    if (exc) {
        PyErr_SetObject((PyObject *)Py_TYPE(exc), exc);
    }
    return NULL;
}

PyObject *
PyErr_SetImportError(PyObject *msg, PyObject *name, PyObject *path)
{
    return PyErr_SetImportErrorSubclass(PyExc_ImportError, msg, name, path);
}

/* --- new exception classes ---------------------------------------------------------------- */

PyObject *
PyErr_NewException(const char *name, PyObject *base, PyObject *dict)
{
    const char *dot = strrchr(name, '.');
    if (!dot) {
        PyErr_SetString(PyExc_SystemError,
                        "PyErr_NewException: name must be module.class");
        return NULL;
    }
    if (!base) {
        base = PyExc_Exception;
    }
    NJ_OWN mine = dict ? NULL : PyDict_New();
    if (!dict) {
        dict = mine;
        if (!dict) {
            return NULL;
        }
    }
    int has = PyDict_Contains(dict, NJ_ID(__module__));
    if (has < 0) {
        return NULL;
    }
    if (!has) {
        NJ_OWN module = PyUnicode_FromStringAndSize(name, dot - name);
        if (!module || PyDict_SetItem(dict, NJ_ID(__module__), module) < 0) {
            return NULL;
        }
    }
    NJ_OWN bases = PyTuple_Check(base) ? Py_NewRef(base) : PyTuple_Pack(1, base);
    if (!bases) {
        return NULL;
    }
    return PyObject_CallFunction((PyObject *)&PyType_Type, "sOO", dot + 1, bases, dict);
}

PyObject *
PyErr_NewExceptionWithDoc(const char *name, const char *doc, PyObject *base,
                          PyObject *dict)
{
    NJ_OWN mine = dict ? NULL : PyDict_New();
    if (!dict) {
        dict = mine;
        if (!dict) {
            return NULL;
        }
    }
    if (doc) {
        NJ_OWN text = PyUnicode_FromString(doc);
        if (!text || PyDict_SetItem(dict, NJ_ID(__doc__), text) < 0) {
            return NULL;
        }
    }
    return PyErr_NewException(name, base, dict);
}

/* --- unraisable exceptions ------------------------------------------------------------------ */

/* When sys.stderr cannot be written either (no memory): needs no allocation. */
NJ_COLD static void
print_unraisable_raw(PyObject *exc)
{
    PyErr_Clear();
    fprintf(stderr, "Exception ignored, and lost sys.stderr: %s\n",
            exc && exc != Py_None ? Py_TYPE(exc)->tp_name : "?");
    fflush(stderr);
}

/* The last resort: plain text on sys.stderr. Swallows whatever goes wrong. */
static void
print_unraisable(PyObject *file, PyObject *msg, PyObject *obj, PyObject *exc,
                 PyObject *tb)
{
    if (obj && obj != Py_None) {
        if (msg && msg != Py_None) {
            if (PyFile_WriteObject(msg, file, Py_PRINT_RAW) < 0) {
                print_unraisable_raw(exc);
                return;
            }
            PyFile_WriteString(": ", file);
        }
        else {
            PyFile_WriteString("Exception ignored in: ", file);
        }
        if (PyFile_WriteObject(obj, file, 0) < 0) {
            PyErr_Clear();
            PyFile_WriteString("<object repr() failed>", file);
        }
        PyFile_WriteString("\n", file);
    }
    else if (msg && msg != Py_None) {
        if (PyFile_WriteObject(msg, file, Py_PRINT_RAW) < 0) {
            print_unraisable_raw(exc);
            return;
        }
        PyFile_WriteString(":\n", file);
    }
    if (exc && exc != Py_None) {
        if (tb && tb != Py_None && PyTraceBack_Print(tb, file) < 0) {
            PyErr_Clear();
        }
        PyTypeObject *tp = Py_TYPE(exc);
        NJ_OWN modname = PyType_GetModuleName(tp);
        NJ_OWN qual = PyType_GetQualName(tp);
        if (!modname || !PyUnicode_Check(modname)) {
            PyErr_Clear();
            PyFile_WriteString("<unknown>.", file);
        }
        else if (!PyUnicode_EqualToUTF8(modname, "builtins") &&
                 !PyUnicode_EqualToUTF8(modname, "__main__")) {
            PyFile_WriteObject(modname, file, Py_PRINT_RAW);
            PyFile_WriteString(".", file);
        }
        if (!qual || PyFile_WriteObject(qual, file, Py_PRINT_RAW) < 0) {
            PyErr_Clear();
            if (PyFile_WriteString("<unknown>", file) < 0) {
                print_unraisable_raw(exc);
                return;
            }
        }
        NJ_OWN text = PyObject_Str(exc);
        if (!text) {
            PyErr_Clear();
            PyFile_WriteString(": <exception str() failed>", file);
        }
        else if (PyUnicode_GetLength(text) > 0) {
            PyFile_WriteString(": ", file);
            PyFile_WriteObject(text, file, Py_PRINT_RAW);
        }
        PyFile_WriteString("\n", file);
    }
    PyObject *res = PyObject_CallMethodNoArgs(file, NJ_ID(flush));
    Py_XDECREF(res);
    PyErr_Clear();
}

/* What sys.unraisablehook is called with. */
static PyObject *
unraisable_args(PyObject *exc, PyObject *tb, PyObject *msg, PyObject *obj)
{
    PyObject *type = nj_sys_private(NJ_ID(_UnraisableHookArgs));
    if (!type) {
        return NULL;
    }
    NJ_OWN tuple = Py_BuildValue("(OOOOO)", Py_TYPE(exc), exc, tb ? tb : Py_None,
                                 msg ? msg : Py_None, obj ? obj : Py_None);
    return tuple ? PyObject_CallOneArg(type, tuple) : NULL;
}

/* exc is stolen. msg (borrowed) may be NULL, obj too. */
void
nj_err_print_unraisable(PyObject *exc, PyObject *msg, PyObject *obj)
{
    PyThreadState *tstate = nj_tstate();
    if (!exc) {
        return;
    }
    PyObject *tb = exc_of(exc)->traceback;
    if (!tb && tstate->current_frame) {
        PyFrameObject *frame = PyThreadState_GetFrame(tstate);
        if (frame) {
            PyErr_SetRaisedException(Py_NewRef(exc));
            if (PyTraceBack_Here(frame) < 0) {
                PyErr_Clear();
            }
            else {
                PyErr_Clear();
            }
            Py_DECREF(frame);
        }
        tb = exc_of(exc)->traceback;
    }
    Py_XINCREF(tb);
    PyObject *hook = Py_XNewRef(nj_sys_peek(NJ_ID(unraisablehook)));
    PyObject *args = NULL;
    if (hook && !tstate->interp->rt.shutting_down) {
        args = unraisable_args(exc, tb, msg, obj);
    }
    bool done = false;
    const char *failed = NULL; /* a hook raised an exception itself: that is shown */
    if (!args) {
        PyErr_Clear();
    }
    else if (PySys_Audit("sys.unraisablehook", "OO", hook, args) < 0) {
        failed = "Exception ignored in audit hook";
        obj = NULL;
    }
    else if (hook != Py_None) {
        NJ_OWN res = PyObject_CallOneArg(hook, args);
        done = res != NULL;
        if (!done) {
            failed = "Exception ignored in sys.unraisablehook";
            obj = hook;
        }
    }
    Py_XDECREF(args);
    PyObject *failed_msg = NULL;
    if (failed) {
        Py_SETREF(exc, PyErr_GetRaisedException());
        Py_XSETREF(tb, Py_XNewRef(exc_of(exc)->traceback));
        msg = failed_msg = PyUnicode_FromString(failed);
    }
    if (!done) {
        PyObject *file = nj_sys_peek(NJ_ID(stderr));
        if (file && file != Py_None) {
            Py_INCREF(file);
            print_unraisable(file, msg, obj, exc, tb);
            Py_DECREF(file);
        }
    }
    Py_XDECREF(failed_msg);
    Py_XDECREF(hook);
    Py_XDECREF(tb);
    Py_XDECREF(exc);
    PyErr_Clear();
}

void
PyErr_FormatUnraisable(const char *format, ...)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (!exc) {
        return;
    }
    PyObject *msg = NULL;
    if (format) {
        va_list va;
        va_start(va, format);
        msg = PyUnicode_FromFormatV(format, va);
        va_end(va);
        if (!msg) {
            PyErr_Clear();
        }
    }
    nj_err_print_unraisable(exc, msg, NULL);
    Py_XDECREF(msg);
}

void
PyErr_WriteUnraisable(PyObject *obj)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (exc) {
        nj_err_print_unraisable(exc, NULL, obj);
    }
}

/* sys.unraisablehook: the default */
PyObject *nj_err_default_unraisablehook(PyObject *args);
PyObject *
nj_err_default_unraisablehook(PyObject *args)
{
    PyObject *type = nj_sys_private(NJ_ID(_UnraisableHookArgs));
    if (!type || !Py_IS_TYPE(args, (PyTypeObject *)type)) {
        PyErr_SetString(PyExc_TypeError,
                        "sys.unraisablehook argument type must be UnraisableHookArgs");
        return NULL;
    }
    PyObject *exc = PyTuple_GET_ITEM(args, 1);
    PyObject *tb = PyTuple_GET_ITEM(args, 2);
    PyObject *msg = PyTuple_GET_ITEM(args, 3);
    PyObject *obj = PyTuple_GET_ITEM(args, 4);
    PyObject *file = nj_sys_peek(NJ_ID(stderr));
    if (file && file != Py_None) {
        Py_INCREF(file);
        if (exc == Py_None) {
            PyObject *t = PyTuple_GET_ITEM(args, 0);
            if (PyExceptionClass_Check(t)) {
                PyFile_WriteObject(PyExceptionClass_Name(t)
                                       ? PyUnicode_FromString(PyExceptionClass_Name(t))
                                       : Py_None,
                                   file, Py_PRINT_RAW);
            }
        }
        print_unraisable(file, msg, obj, exc, tb);
        Py_DECREF(file);
    }
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* --- places in source text -------------------------------------------------------------------- */

/* The line of a file, as text for SyntaxError.text; NULL without exception if the file or
 * the line does not exist. */
static PyObject *
read_line(FILE *fp, int lineno, const char *encoding)
{
    if (!fp) {
        return NULL;
    }
    /* all lines up to that one: the first two may name the encoding */
    char *text = NULL, *line = NULL;
    size_t size = 0, cap = 0;
    for (int i = 0; i < lineno; i++) {
        ssize_t n = getline(&line, &cap, fp);
        char *bigger = n < 0 ? NULL : realloc(text, size + (size_t)n + 1);
        if (!bigger) {
            break;
        }
        text = bigger;
        memcpy(text + size, line, (size_t)n + 1);
        size += (size_t)n;
    }
    fclose(fp);
    PyObject *res = text ? nj_source_line(text, (Py_ssize_t)size, lineno, encoding) : NULL;
    if (!res) {
        PyErr_Clear();
    }
    free(line);
    free(text);
    return res;
}

PyObject *
PyErr_ProgramText(const char *filename, int lineno)
{
    if (!filename || !*filename || lineno <= 0) {
        return NULL;
    }
    return read_line(fopen(filename, "re"), lineno, NULL);
}

PyObject *
_PyErr_ProgramDecodedTextObject(PyObject *filename, int lineno, const char *encoding)
{
    if (!filename || lineno <= 0) {
        return NULL;
    }
    FILE *fp = Py_fopen(filename, "r");
    if (!fp) {
        PyErr_Clear();
        return NULL;
    }
    return read_line(fp, lineno, encoding);
}

PyObject *
PyErr_ProgramTextObject(PyObject *filename, int lineno)
{
    return _PyErr_ProgramDecodedTextObject(filename, lineno, NULL);
}

void
PyErr_RangedSyntaxLocationObject(PyObject *filename, int lineno, int col, int end_lineno,
                                 int end_col)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (!exc) {
        return;
    }
    struct {
        const char *name;
        int value;
        bool is_set;
    } ints[] = {{"lineno", lineno, true},
                {"offset", col, col >= 0},
                {"end_lineno", end_lineno, end_lineno >= 0},
                {"end_offset", end_col, end_col >= 0}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(ints); i++) {
        NJ_OWN v = ints[i].is_set ? PyLong_FromLong(ints[i].value) : Py_NewRef(Py_None);
        if (!v || PyObject_SetAttrString(exc, ints[i].name, v) < 0) {
            PyErr_Clear();
        }
    }
    if (filename) {
        if (PyObject_SetAttr(exc, NJ_ID(filename), filename) < 0) {
            PyErr_Clear();
        }
        NJ_OWN text = PyErr_ProgramTextObject(filename, lineno);
        if (text && PyObject_SetAttr(exc, NJ_ID(text), text) < 0) {
            PyErr_Clear();
        }
    }
    if ((PyObject *)Py_TYPE(exc) != PyExc_SyntaxError) {
        int has = PyObject_HasAttrWithError(exc, NJ_ID(msg));
        if (has < 0) {
            PyErr_Clear();
        }
        else if (!has) {
            NJ_OWN s = PyObject_Str(exc);
            if (!s || PyObject_SetAttr(exc, NJ_ID(msg), s) < 0) {
                PyErr_Clear();
            }
        }
        has = PyObject_HasAttrWithError(exc, NJ_ID(print_file_and_line));
        if (has < 0 || (has == 0 && PyObject_SetAttr(exc, NJ_ID(print_file_and_line),
                                                     Py_None) < 0)) {
            PyErr_Clear();
        }
    }
    PyErr_SetRaisedException(exc);
}

void
PyErr_SyntaxLocationObject(PyObject *filename, int lineno, int col)
{
    PyErr_RangedSyntaxLocationObject(filename, lineno, col, lineno, -1);
}

void
PyErr_SyntaxLocationEx(const char *filename, int lineno, int col)
{
    PyObject *name = NULL;
    if (filename) {
        name = PyUnicode_DecodeFSDefault(filename);
        if (!name) {
            PyErr_Clear();
        }
    }
    PyErr_SyntaxLocationObject(name, lineno, col);
    Py_XDECREF(name);
}

void
PyErr_SyntaxLocation(const char *filename, int lineno)
{
    PyErr_SyntaxLocationEx(filename, lineno, -1);
}

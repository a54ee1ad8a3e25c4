/* unwind.c - exceptions on their way through Python frames: handler tables, tracebacks,
 * raise, except*.
 *
 * The exception table of a code object is a byte string of entries (start, length,
 * target, depth << 1 | lasti), sorted by start, ranges not overlapping. Numbers are in
 * code units, written as 6-bit groups, most significant first: bit 6 of a byte says that
 * more follows, bit 7 marks the first byte of an entry.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "vm/vm_int.h"

static inline const uint8_t *
read_varint(const uint8_t *p, int *out)
{
    int v = *p & 63;
    while (*p & 64) {
        p++;
        v = v << 6 | (*p & 63);
    }
    *out = v;
    return p + 1;
}

bool
nj_handler_find(PyCodeObject *co, int offset, int *handler, int *depth, int *lasti)
{
    const uint8_t *lo = (const uint8_t *)PyBytes_AS_STRING(co->co_exceptiontable);
    const uint8_t *hi = lo + PyBytes_GET_SIZE(co->co_exceptiontable);
    const uint8_t *end = hi;
    /* halve the search until few entries remain */
    while (hi - lo > 40) {
        const uint8_t *mid = lo + (hi - lo) / 2;
        while (mid > lo && !(*mid & 128)) {
            mid--;
        }
        int start;
        read_varint(mid, &start);
        if (mid == lo) {
            break;
        }
        if (start > offset) {
            hi = mid;
        }
        else {
            lo = mid;
        }
    }
    while (lo < end) {
        int start, length, target, dl;
        lo = read_varint(lo, &start);
        if (start > offset) {
            return false;
        }
        lo = read_varint(lo, &length);
        lo = read_varint(lo, &target);
        lo = read_varint(lo, &dl);
        if (offset < start + length) {
            *handler = target;
            *depth = dl >> 1;
            *lasti = dl & 1;
            return true;
        }
    }
    return false;
}

void
nj_traceback_add(PyThreadState *tstate, NjFrame *frame)
{
    PyFrameObject *fo = nj_frame_peek_object(frame);
    if (fo != NULL) {
        PyTraceBack_Here(fo);
    }
}

bool
nj_traceback_starts_at(PyThreadState *tstate, NjFrame *frame)
{
    PyObject *exc = tstate->current_exception;
    PyObject *tb = exc ? ((PyBaseExceptionObject *)exc)->traceback : NULL;
    return tb != NULL && tb != Py_None && frame->frame_obj != NULL &&
           ((PyTracebackObject *)tb)->tb_frame == frame->frame_obj;
}

int
nj_check_except_type(PyObject *type)
{
    static const char msg[] =
        "catching classes that do not inherit from BaseException is not allowed";
    if (PyTuple_Check(type)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type); i++) {
            if (!PyExceptionClass_Check(PyTuple_GET_ITEM(type, i))) {
                PyErr_SetString(PyExc_TypeError, msg);
                return -1;
            }
        }
        return 0;
    }
    if (!PyExceptionClass_Check(type)) {
        PyErr_SetString(PyExc_TypeError, msg);
        return -1;
    }
    return 0;
}

static int
check_except_star_type(PyObject *type)
{
    if (nj_check_except_type(type) < 0) {
        return -1;
    }
    int bad = 0;
    if (PyTuple_Check(type)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type) && bad == 0; i++) {
            bad = PyObject_IsSubclass(PyTuple_GET_ITEM(type, i), PyExc_BaseExceptionGroup);
        }
    }
    else {
        bad = PyObject_IsSubclass(type, PyExc_BaseExceptionGroup);
    }
    if (bad > 0) {
        PyErr_SetString(PyExc_TypeError, "catching ExceptionGroup with except* is not "
                                         "allowed. Use except instead.");
        bad = -1;
    }
    return bad;
}

int
nj_exc_group_match(PyObject *exc, PyObject *type, PyObject **match, PyObject **rest)
{
    *match = *rest = NULL;
    if (check_except_star_type(type) < 0) {
        return -1;
    }
    if (Py_IsNone(exc)) {
        *match = Py_NewRef(Py_None);
        *rest = Py_NewRef(Py_None);
        return 0;
    }
    if (PyErr_GivenExceptionMatches(exc, type)) {
        int is_group = PyObject_IsInstance(exc, PyExc_BaseExceptionGroup);
        if (is_group < 0) {
            return -1;
        }
        if (is_group) {
            *match = Py_NewRef(exc);
        }
        else {
            /* a naked exception: wrap it, keeping its traceback */
            NJ_OWN list = PyTuple_Pack(1, exc);
            if (list == NULL) {
                return -1;
            }
            PyObject *group =
                PyObject_CallFunction(PyExc_BaseExceptionGroup, "sO", "", list);
            if (group == NULL) {
                return -1;
            }
            NjFrame *f = nj_tstate()->current_frame;
            f = nj_frame_first_complete(f);
            PyFrameObject *fo = f ? nj_frame_peek_object(f) : NULL;
            if (fo != NULL) {
                PyErr_SetRaisedException(group);
                PyTraceBack_Here(fo);
                group = PyErr_GetRaisedException();
            }
            *match = group;
        }
        *rest = Py_NewRef(Py_None);
        return 0;
    }
    int is_group = PyObject_IsInstance(exc, PyExc_BaseExceptionGroup);
    if (is_group < 0) {
        return -1;
    }
    if (is_group) {
        NJ_OWN pair = PyObject_CallMethod(exc, "split", "(O)", type);
        if (pair == NULL) {
            return -1;
        }
        if (!PyTuple_CheckExact(pair)) {
            PyErr_Format(PyExc_TypeError, "%.200s.split must return a tuple, not %.200s",
                         Py_TYPE(exc)->tp_name, Py_TYPE(pair)->tp_name);
            return -1;
        }
        if (PyTuple_GET_SIZE(pair) < 2) {
            PyErr_Format(PyExc_TypeError,
                         "%.200s.split must return a 2-tuple, got tuple of size %zd",
                         Py_TYPE(exc)->tp_name, PyTuple_GET_SIZE(pair));
            return -1;
        }
        *match = Py_NewRef(PyTuple_GET_ITEM(pair, 0));
        *rest = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
        return 0;
    }
    *match = Py_NewRef(Py_None);
    *rest = Py_NewRef(exc);
    return 0;
}

int
nj_do_raise(PyThreadState *tstate, PyObject *exc_arg, PyObject *cause_arg)
{
    NJ_OWN exc = exc_arg;
    NJ_OWN cause = cause_arg;
    if (exc == NULL) {
        PyObject *handled = PyErr_GetHandledException();
        if (handled == NULL) {
            PyErr_SetString(PyExc_RuntimeError, "No active exception to reraise");
            return 0;
        }
        PyErr_SetRaisedException(handled);
        return 1;
    }
    NJ_OWN value = NULL;
    PyObject *type;
    if (PyExceptionClass_Check(exc)) {
        type = exc;
        value = PyObject_CallNoArgs(exc);
        if (value == NULL) {
            return 0;
        }
        if (!PyExceptionInstance_Check(value)) {
            PyErr_Format(PyExc_TypeError,
                         "calling %R should have returned an instance of BaseException, "
                         "not %R",
                         type, Py_TYPE(value));
            return 0;
        }
    }
    else if (PyExceptionInstance_Check(exc)) {
        value = Py_NewRef(exc);
        type = (PyObject *)Py_TYPE(exc);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "exceptions must derive from BaseException");
        return 0;
    }
    if (cause != NULL) {
        PyObject *fixed;
        if (PyExceptionClass_Check(cause)) {
            fixed = PyObject_CallNoArgs(cause);
            if (fixed == NULL) {
                return 0;
            }
            if (!PyExceptionInstance_Check(fixed)) {
                PyErr_Format(PyExc_TypeError,
                             "calling %R should have returned an instance of "
                             "BaseException, not %R",
                             cause, Py_TYPE(fixed));
                Py_DECREF(fixed);
                return 0;
            }
        }
        else if (PyExceptionInstance_Check(cause)) {
            fixed = Py_NewRef(cause);
        }
        else if (Py_IsNone(cause)) {
            fixed = NULL;
        }
        else {
            PyErr_SetString(PyExc_TypeError,
                            "exception causes must derive from BaseException");
            return 0;
        }
        PyException_SetCause(value, fixed);
    }
    PyErr_SetObject((PyObject *)Py_TYPE(value), value);
    return 0;
}

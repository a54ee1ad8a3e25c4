/* timeout.h - timeouts given as Python numbers, for modules that wait.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_TIMEOUT_H
#define NJ_MODULES_TIMEOUT_H

#include "nj.h"

#include <math.h>

/* A number of units (each unit nanoseconds) to nanoseconds, rounded away from zero so
 * that nobody wakes early. 0, or -1 with the reference's exception. */
static inline NJ_MUST int
nj_timeout_read(PyObject *o, PyTime_t unit, PyTime_t *out)
{
    if (PyFloat_Check(o)) {
        double d = PyFloat_AsDouble(o);
        if (isnan(d)) {
            PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
            return -1;
        }
        volatile double ns = d * (double)unit;
        ns = ns >= 0 ? ceil(ns) : floor(ns);
        if (!(ns >= -0x1p63 && ns < 0x1p63)) {
            PyErr_SetString(PyExc_OverflowError,
                            "timestamp out of range for C PyTime_t");
            return -1;
        }
        *out = (PyTime_t)ns;
        return 0;
    }
    long long v = PyLong_AsLongLong(o);
    if (v == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError,
                            "timestamp out of range for C PyTime_t");
        }
        else if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "'%T' object cannot be interpreted as an integer or float", o);
        }
        return -1;
    }
    if (__builtin_mul_overflow(v, (long long)unit, out)) {
        PyErr_SetString(PyExc_OverflowError, "timestamp out of range for C PyTime_t");
        return -1;
    }
    return 0;
}

/* Nanoseconds to milliseconds, rounded up (away from zero). */
static inline PyTime_t
nj_timeout_ms(PyTime_t ns)
{
    PyTime_t q = ns / 1000000, r = ns % 1000000;
    return r > 0 ? q + 1 : r < 0 ? q - 1 : q;
}

static inline PyTime_t
nj_timeout_now(void)
{
    PyTime_t t;
    PyTime_MonotonicRaw(&t);
    return t;
}

/* now + t, or the largest time. */
static inline PyTime_t
nj_timeout_deadline(PyTime_t t)
{
    PyTime_t end;
    return __builtin_add_overflow(nj_timeout_now(), t, &end) ? PyTime_MAX : end;
}

/* The arguments `blocking' and `timeout' (None: no limit) of something that waits, to
 * nanoseconds: 0 not to wait, -1 for ever. 0, or -1 with the reference's exception. */
static inline NJ_MUST int
nj_timeout_parse(PyObject *timeout, bool blocking, PyTime_t *ns)
{
    *ns = blocking ? -1 : 0;
    if (timeout == Py_None) {
        return 0;
    }
    if (nj_timeout_read(timeout, 1000000000, ns) < 0) {
        return -1;
    }
    if (!blocking) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return -1;
    }
    if (*ns < 0) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return -1;
    }
    return 0;
}

/* Waits for lock without the GIL, at most ns (-1: for ever); handlers of signals run
 * meanwhile. 1 got it, 0 timed out, -1 exception from a handler. */
static inline NJ_MUST int
nj_timeout_wait(PyThread_type_lock lock, PyTime_t ns)
{
    PyLockStatus r = PyThread_acquire_lock_timed(lock, 0, 0);
    if (r == PY_LOCK_ACQUIRED) {
        return 1;
    }
    if (ns == 0) {
        return 0;
    }
    PyTime_t end = ns > 0 ? nj_timeout_deadline(ns) : 0;
    PY_TIMEOUT_T us = ns > 0 ? ns / 1000 + (ns % 1000 != 0) : -1;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        r = PyThread_acquire_lock_timed(lock, us, 1);
        Py_END_ALLOW_THREADS
        if (r != PY_LOCK_INTR) {
            return r == PY_LOCK_ACQUIRED;
        }
        if (Py_MakePendingCalls() < 0) {
            return -1;
        }
        if (ns > 0) {
            PyTime_t left = end - nj_timeout_now();
            if (left <= 0) {
                return 0;
            }
            us = left / 1000 + 1;
        }
    }
}

#endif

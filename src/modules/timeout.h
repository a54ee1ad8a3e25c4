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

#endif

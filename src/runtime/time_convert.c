/* time_convert.c - see time_convert.h.
 *
 * time_t and PyTime_t are both 64 bits wide here, so nanoseconds always fit a struct
 * timeval or timespec: only the way from Python numbers can overflow.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <math.h>

#include "runtime/time_convert.h"

#define NS_PER_SEC 1000000000

_Static_assert(sizeof(time_t) == sizeof(PyTime_t), "time_t holds every PyTime_t");

static int
raise_overflow(const char *ctype)
{
    PyErr_Format(PyExc_OverflowError, "timestamp out of range for %s", ctype);
    return -1;
}

static double
round_double(double x, NjTimeRound round)
{
    switch (round) {
    case NJ_ROUND_FLOOR: return floor(x);
    case NJ_ROUND_CEILING: return ceil(x);
    case NJ_ROUND_UP: return x >= 0 ? ceil(x) : floor(x);
    case NJ_ROUND_HALF_EVEN: break;
    }
    return nearbyint(x); /* the default mode of the processor: ties to even */
}

/* Does x, already whole, fit 64 bits? */
static bool
fits(double x)
{
    return x >= -0x1p63 && x < 0x1p63;
}

static int
check_nan(double x)
{
    if (isnan(x)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return -1;
    }
    return 0;
}

/* Units of `per_unit' nanoseconds to nanoseconds. */
static int
from_object(PyTime_t *out, PyObject *o, NjTimeRound round, int64_t per_unit)
{
    if (PyFloat_Check(o)) {
        double x = PyFloat_AS_DOUBLE(o);
        if (check_nan(x) < 0) {
            return -1;
        }
        volatile double ns = x * (double)per_unit; /* volatile: no excess precision */
        ns = round_double(ns, round);
        if (!fits(ns)) {
            *out = 0;
            return raise_overflow("C PyTime_t");
        }
        *out = (PyTime_t)ns;
        return 0;
    }
    NJ_OWN n = PyNumber_Index(o);
    if (n == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         "'%T' object cannot be interpreted as an integer or float", o);
        }
        return -1;
    }
    int overflow;
    long long units = PyLong_AsLongLongAndOverflow(n, &overflow);
    int64_t ns;
    if (overflow || __builtin_mul_overflow((int64_t)units, per_unit, &ns)) {
        return raise_overflow("C PyTime_t");
    }
    *out = ns;
    return 0;
}

int
_PyTime_FromSecondsObject(PyTime_t *out, PyObject *o, NjTimeRound round)
{
    return from_object(out, o, round, NS_PER_SEC);
}

int
_PyTime_FromMillisecondsObject(PyTime_t *out, PyObject *o, NjTimeRound round)
{
    return from_object(out, o, round, 1000000);
}

int
_PyTime_FromLong(PyTime_t *out, PyObject *o)
{
    if (!PyLong_Check(o)) {
        PyErr_Format(PyExc_TypeError, "expect int, got %s", Py_TYPE(o)->tp_name);
        return -1;
    }
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(o, &overflow);
    return overflow ? raise_overflow("C PyTime_t") : 0;
}

PyTime_t
_PyTime_FromSeconds(int seconds)
{
    return (PyTime_t)seconds * NS_PER_SEC;
}

static int
index_to_time_t(PyObject *o, time_t *out)
{
    NJ_OWN n = PyNumber_Index(o);
    if (n == NULL) {
        return -1;
    }
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(n, &overflow);
    return overflow ? raise_overflow("platform time_t") : 0;
}

int
_PyTime_ObjectToTime_t(PyObject *o, time_t *out, NjTimeRound round)
{
    if (!PyFloat_Check(o)) {
        return index_to_time_t(o, out);
    }
    double x = PyFloat_AS_DOUBLE(o);
    if (check_nan(x) < 0) {
        return -1;
    }
    x = round_double(x, round);
    if (!fits(x)) {
        return raise_overflow("platform time_t");
    }
    *out = (time_t)x;
    return 0;
}

/* Whole seconds and the rest in 1/denominator of a second, 0 <= rest < denominator. */
static int
split_seconds(PyObject *o, time_t *sec, long *rest, double denominator, NjTimeRound round)
{
    *rest = 0;
    if (!PyFloat_Check(o)) {
        if (!PyIndex_Check(o)) {
            PyErr_Format(PyExc_TypeError, "argument must be int or float, not %T", o);
            return -1;
        }
        return index_to_time_t(o, sec);
    }
    double x = PyFloat_AS_DOUBLE(o);
    if (check_nan(x) < 0) {
        return -1;
    }
    double whole;
    volatile double part = modf(x, &whole);
    part *= denominator;
    part = round_double(part, round);
    if (part >= denominator) {
        part -= denominator;
        whole += 1;
    }
    else if (part < 0) {
        part += denominator;
        whole -= 1;
    }
    if (!fits(whole)) {
        return raise_overflow("platform time_t");
    }
    *sec = (time_t)whole;
    *rest = (long)part;
    return 0;
}

int
_PyTime_ObjectToTimeval(PyObject *o, time_t *sec, long *usec, NjTimeRound round)
{
    return split_seconds(o, sec, usec, 1e6, round);
}

int
_PyTime_ObjectToTimespec(PyObject *o, time_t *sec, long *nsec, NjTimeRound round)
{
    return split_seconds(o, sec, nsec, 1e9, round);
}

/* ---- to other units ---- */

/* t / k rounded; k even and positive. */
static PyTime_t
divide(PyTime_t t, PyTime_t k, NjTimeRound round)
{
    PyTime_t q = t / k, r = t % k, away = t < 0 ? -1 : 1;
    switch (round) {
    case NJ_ROUND_FLOOR: return q - (r < 0);
    case NJ_ROUND_CEILING: return q + (r > 0);
    case NJ_ROUND_UP: return r ? q + away : q;
    case NJ_ROUND_HALF_EVEN: break;
    }
    PyTime_t size = r < 0 ? -r : r;
    return size > k / 2 || (size == k / 2 && (q & 1)) ? q + away : q;
}

PyObject *
_PyTime_AsLong(PyTime_t t)
{
    return PyLong_FromInt64(t);
}

PyTime_t
_PyTime_AsMilliseconds(PyTime_t t, NjTimeRound round)
{
    return divide(t, 1000000, round);
}

PyTime_t
_PyTime_AsMicroseconds(PyTime_t t, NjTimeRound round)
{
    return divide(t, 1000, round);
}

void
_PyTime_AsTimeval_clamp(PyTime_t t, struct timeval *tv, NjTimeRound round)
{
    PyTime_t us = divide(t, 1000, round);
    tv->tv_sec = divide(us, 1000000, NJ_ROUND_FLOOR);
    tv->tv_usec = us - tv->tv_sec * 1000000;
}

int
_PyTime_AsTimeval(PyTime_t t, struct timeval *tv, NjTimeRound round)
{
    _PyTime_AsTimeval_clamp(t, tv, round);
    return 0;
}

int
_PyTime_AsTimevalTime_t(PyTime_t t, time_t *sec, int *usec, NjTimeRound round)
{
    struct timeval tv;
    _PyTime_AsTimeval_clamp(t, &tv, round);
    *sec = tv.tv_sec;
    *usec = (int)tv.tv_usec;
    return 0;
}

void
_PyTime_AsTimespec_clamp(PyTime_t t, struct timespec *ts)
{
    ts->tv_sec = divide(t, NS_PER_SEC, NJ_ROUND_FLOOR);
    ts->tv_nsec = t - ts->tv_sec * NS_PER_SEC;
}

int
_PyTime_AsTimespec(PyTime_t t, struct timespec *ts)
{
    _PyTime_AsTimespec_clamp(t, ts);
    return 0;
}

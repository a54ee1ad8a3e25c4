/* time.c - the conversions of times, as functions.
 * SPDX-License-Identifier: MIT
 */
#include "module.h"

#include "runtime/time_convert.h"

static int
to_round(int value, NjTimeRound *round)
{
    if (value < NJ_ROUND_FLOOR || value > NJ_ROUND_UP) {
        PyErr_SetString(PyExc_ValueError, "invalid rounding");
        return -1;
    }
    *round = (NjTimeRound)value;
    return 0;
}

/* (object, rounding) */
static int
parse_object(PyObject *args, PyObject **o, NjTimeRound *round)
{
    int value;
    return PyArg_ParseTuple(args, "Oi", o, &value) ? to_round(value, round) : -1;
}

/* (nanoseconds, rounding) */
static int
parse_time(PyObject *args, PyTime_t *t, NjTimeRound *round)
{
    PyObject *o;
    int value;
    if (!PyArg_ParseTuple(args, "Oi", &o, &value) || _PyTime_FromLong(t, o) < 0) {
        return -1;
    }
    return to_round(value, round);
}

static PyObject *
from_seconds(PyObject *m, PyObject *args)
{
    int seconds;
    return PyArg_ParseTuple(args, "i", &seconds) ? _PyTime_AsLong(_PyTime_FromSeconds(seconds))
                                                 : NULL;
}

static PyObject *
from_seconds_object(PyObject *m, PyObject *args)
{
    PyObject *o;
    NjTimeRound round;
    PyTime_t t;
    if (parse_object(args, &o, &round) < 0 || _PyTime_FromSecondsObject(&t, o, round) < 0) {
        return NULL;
    }
    return _PyTime_AsLong(t);
}

static PyObject *
object_to_time_t(PyObject *m, PyObject *args)
{
    PyObject *o;
    NjTimeRound round;
    time_t t;
    if (parse_object(args, &o, &round) < 0 || _PyTime_ObjectToTime_t(o, &t, round) < 0) {
        return NULL;
    }
    return PyLong_FromInt64(t);
}

static PyObject *
object_to_pair(PyObject *args, int (*convert)(PyObject *, time_t *, long *, NjTimeRound))
{
    PyObject *o;
    NjTimeRound round;
    time_t sec;
    long rest;
    if (parse_object(args, &o, &round) < 0 || convert(o, &sec, &rest, round) < 0) {
        return NULL;
    }
    return Py_BuildValue("Ll", (long long)sec, rest);
}

static PyObject *
object_to_timeval(PyObject *m, PyObject *args)
{
    return object_to_pair(args, _PyTime_ObjectToTimeval);
}

static PyObject *
object_to_timespec(PyObject *m, PyObject *args)
{
    return object_to_pair(args, _PyTime_ObjectToTimespec);
}

static PyObject *
as_milliseconds(PyObject *m, PyObject *args)
{
    PyTime_t t;
    NjTimeRound round;
    return parse_time(args, &t, &round) < 0 ? NULL
                                            : _PyTime_AsLong(_PyTime_AsMilliseconds(t, round));
}

static PyObject *
as_microseconds(PyObject *m, PyObject *args)
{
    PyTime_t t;
    NjTimeRound round;
    return parse_time(args, &t, &round) < 0 ? NULL
                                            : _PyTime_AsLong(_PyTime_AsMicroseconds(t, round));
}

static PyObject *
as_timeval(PyObject *m, PyObject *args)
{
    PyTime_t t;
    NjTimeRound round;
    struct timeval tv;
    if (parse_time(args, &t, &round) < 0 || _PyTime_AsTimeval(t, &tv, round) < 0) {
        return NULL;
    }
    return Py_BuildValue("Ll", (long long)tv.tv_sec, (long)tv.tv_usec);
}

static PyObject *
as_timeval_clamp(PyObject *m, PyObject *args)
{
    PyTime_t t;
    NjTimeRound round;
    struct timeval tv;
    if (parse_time(args, &t, &round) < 0) {
        return NULL;
    }
    _PyTime_AsTimeval_clamp(t, &tv, round);
    return Py_BuildValue("Ll", (long long)tv.tv_sec, (long)tv.tv_usec);
}

static PyObject *
as_timespec(PyObject *m, PyObject *args)
{
    PyObject *o;
    PyTime_t t;
    struct timespec ts;
    if (!PyArg_ParseTuple(args, "O", &o) || _PyTime_FromLong(&t, o) < 0 ||
        _PyTime_AsTimespec(t, &ts) < 0) {
        return NULL;
    }
    return Py_BuildValue("Ll", (long long)ts.tv_sec, ts.tv_nsec);
}

static PyObject *
as_timespec_clamp(PyObject *m, PyObject *args)
{
    PyObject *o;
    PyTime_t t;
    struct timespec ts;
    if (!PyArg_ParseTuple(args, "O", &o) || _PyTime_FromLong(&t, o) < 0) {
        return NULL;
    }
    _PyTime_AsTimespec_clamp(t, &ts);
    return Py_BuildValue("Ll", (long long)ts.tv_sec, ts.tv_nsec);
}

PyMethodDef time_methods[] = {
    {"_PyTime_FromSeconds", from_seconds, METH_VARARGS},
    {"_PyTime_FromSecondsObject", from_seconds_object, METH_VARARGS},
    {"_PyTime_ObjectToTime_t", object_to_time_t, METH_VARARGS},
    {"_PyTime_ObjectToTimeval", object_to_timeval, METH_VARARGS},
    {"_PyTime_ObjectToTimespec", object_to_timespec, METH_VARARGS},
    {"_PyTime_AsMilliseconds", as_milliseconds, METH_VARARGS},
    {"_PyTime_AsMicroseconds", as_microseconds, METH_VARARGS},
    {"_PyTime_AsTimeval", as_timeval, METH_VARARGS},
    {"_PyTime_AsTimeval_clamp", as_timeval_clamp, METH_VARARGS},
    {"_PyTime_AsTimespec", as_timespec, METH_VARARGS},
    {"_PyTime_AsTimespec_clamp", as_timespec_clamp, METH_VARARGS},
    {0},
};

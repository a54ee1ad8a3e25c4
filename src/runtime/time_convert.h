/* time_convert.h - numbers to time and back, with a rounding and checked ranges.
 *
 * The names are those that the reference's library exports; no public header has them.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_TIME_CONVERT_H
#define NJ_RUNTIME_TIME_CONVERT_H

#include "nj.h"

#include <sys/time.h>
#include <time.h>

typedef enum {
    NJ_ROUND_FLOOR,     /* towards minus infinity */
    NJ_ROUND_CEILING,   /* towards plus infinity */
    NJ_ROUND_HALF_EVEN, /* to the nearest, ties to the even one */
    NJ_ROUND_UP,        /* away from zero */
} NjTimeRound;

/* From Python numbers: 0, or -1 with an exception. */
PyAPI_FUNC(int) _PyTime_FromSecondsObject(PyTime_t *out, PyObject *o, NjTimeRound round);
PyAPI_FUNC(int) _PyTime_FromMillisecondsObject(PyTime_t *out, PyObject *o, NjTimeRound round);
PyAPI_FUNC(int) _PyTime_FromLong(PyTime_t *out, PyObject *o); /* an int of nanoseconds */
PyAPI_FUNC(int) _PyTime_ObjectToTime_t(PyObject *o, time_t *out, NjTimeRound round);
PyAPI_FUNC(int) _PyTime_ObjectToTimeval(PyObject *o, time_t *sec, long *usec,
                                        NjTimeRound round);
PyAPI_FUNC(int) _PyTime_ObjectToTimespec(PyObject *o, time_t *sec, long *nsec,
                                         NjTimeRound round);
PyAPI_FUNC(PyTime_t) _PyTime_FromSeconds(int seconds);

/* To other units. The forms with `clamp' stop at the ends of time_t, the others raise. */
PyAPI_FUNC(PyObject *) _PyTime_AsLong(PyTime_t t);
PyAPI_FUNC(PyTime_t) _PyTime_AsMilliseconds(PyTime_t t, NjTimeRound round);
PyAPI_FUNC(PyTime_t) _PyTime_AsMicroseconds(PyTime_t t, NjTimeRound round);
PyAPI_FUNC(int) _PyTime_AsTimeval(PyTime_t t, struct timeval *tv, NjTimeRound round);
PyAPI_FUNC(void) _PyTime_AsTimeval_clamp(PyTime_t t, struct timeval *tv, NjTimeRound round);
PyAPI_FUNC(int) _PyTime_AsTimevalTime_t(PyTime_t t, time_t *sec, int *usec,
                                        NjTimeRound round);
PyAPI_FUNC(int) _PyTime_AsTimespec(PyTime_t t, struct timespec *ts);
PyAPI_FUNC(void) _PyTime_AsTimespec_clamp(PyTime_t t, struct timespec *ts);

#endif

/* clock.c - PyTime_*: the clocks of the C API, in nanoseconds.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <time.h>

static int
read_clock(clockid_t id, PyTime_t *out, bool raise)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0) {
        *out = 0;
        if (raise) {
            PyErr_SetFromErrno(PyExc_OSError);
        }
        return -1;
    }
    *out = (PyTime_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    return 0;
}

int
PyTime_Time(PyTime_t *out)
{
    return read_clock(CLOCK_REALTIME, out, true);
}

int
PyTime_TimeRaw(PyTime_t *out)
{
    return read_clock(CLOCK_REALTIME, out, false);
}

int
PyTime_Monotonic(PyTime_t *out)
{
    return read_clock(CLOCK_MONOTONIC, out, true);
}

int
PyTime_MonotonicRaw(PyTime_t *out)
{
    return read_clock(CLOCK_MONOTONIC, out, false);
}

int
PyTime_PerfCounter(PyTime_t *out)
{
    return read_clock(CLOCK_MONOTONIC, out, true);
}

int
PyTime_PerfCounterRaw(PyTime_t *out)
{
    return read_clock(CLOCK_MONOTONIC, out, false);
}

double
PyTime_AsSecondsDouble(PyTime_t t)
{
    if (t % 1000000000 == 0) {
        return (double)(t / 1000000000);
    }
    return (double)t / 1e9;
}

/* gil.c - the lock that lets one thread of an interpreter run Python code at a time.
 *
 * A waiter that saw no change for `interval' microseconds sets NJ_BREAK_GIL on the
 * holder; the holder drops the lock at its next safe point and waits until somebody else
 * took it, so that the request is really honoured. Threads that come for the GIL after
 * the process began to finalize never return.
 *
 * holder is only followed while locked is set: its thread state is alive then.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

void
nj_gil_init(NjGil *gil)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&gil->mutex, NULL);
    pthread_cond_init(&gil->freed, &attr);
    pthread_cond_init(&gil->switched, &attr);
    pthread_condattr_destroy(&attr);
    gil->holder = NULL;
    gil->locked = 0;
    gil->waiters = 0;
    gil->drop_request = 0;
    gil->switches = 0;
    if (!gil->interval) {
        gil->interval = 5000;
    }
    gil->ready = true;
}

void
nj_gil_fini(NjGil *gil)
{
    if (gil->ready) {
        pthread_mutex_destroy(&gil->mutex);
        gil->ready = false;
    }
}

/* In the child only the calling thread exists, and it holds the GIL. */
void
nj_gil_after_fork(NjGil *gil)
{
    nj_gil_init(gil);
    gil->locked = 1;
    gil->holder = nj_tstate();
}

/* The process or the interpreter is going down and this thread is not the one to do it. */
static bool
must_hang(PyThreadState *tstate)
{
    NjInterp *interp = tstate->interp;
    unsigned long me = PyThread_get_thread_ident();
    PyThreadState *fin = __atomic_load_n(&_PyRuntime.finalizing, __ATOMIC_ACQUIRE);
    if (NJ_UNLIKELY(fin && fin != tstate && fin->thread_id != me)) {
        return true;
    }
    PyThreadState *ifin = __atomic_load_n(&interp->rt.finalizing, __ATOMIC_ACQUIRE);
    return NJ_UNLIKELY(ifin && ifin != tstate && interp->rt.finalizing_thread != me) ||
           NJ_UNLIKELY(__atomic_load_n(&interp->rt.ended, __ATOMIC_ACQUIRE));
}

static void
hang_if_finalizing(PyThreadState *tstate)
{
    if (must_hang(tstate)) {
        for (;;) {
            pause();
        }
    }
}

void
nj_gil_take(PyThreadState *tstate)
{
    int err = errno;
    hang_if_finalizing(tstate);
    NjGil *gil = tstate->interp->rt.gil;
    pthread_mutex_lock(&gil->mutex);
    if (gil->locked) {
        gil->waiters++;
        do {
            unsigned long seen = gil->switches;
            struct timespec ts;
            clock_gettime(CLOCK_MONOTONIC, &ts);
            ts.tv_nsec += (long)(gil->interval % 1000000) * 1000;
            ts.tv_sec += (time_t)(gil->interval / 1000000);
            if (ts.tv_nsec >= 1000000000) {
                ts.tv_nsec -= 1000000000;
                ts.tv_sec++;
            }
            int rc = pthread_cond_timedwait(&gil->freed, &gil->mutex, &ts);
            if (rc == ETIMEDOUT && gil->locked && gil->switches == seen) {
                gil->drop_request = 1;
                nj_break_set(gil->holder, NJ_BREAK_GIL);
            }
        } while (gil->locked);
        gil->waiters--;
    }
    gil->locked = 1;
    gil->drop_request = 0;
    if (gil->holder != tstate) {
        gil->holder = tstate;
        gil->switches++;
        pthread_cond_broadcast(&gil->switched);
    }
    pthread_mutex_unlock(&gil->mutex);
    tstate->holds_gil = 1;
    nj_break_clear(tstate, NJ_BREAK_GIL);
    if (must_hang(tstate)) {
        nj_gil_drop(tstate, true);
        hang_if_finalizing(tstate);
    }
    errno = err;
}

/* final: the thread does not come back for it soon; never wait for the switch. */
void
nj_gil_drop(PyThreadState *tstate, bool final)
{
    NjGil *gil = tstate->interp->rt.gil;
    int err = errno;
    tstate->holds_gil = 0;
    pthread_mutex_lock(&gil->mutex);
    gil->locked = 0;
    if (final) {
        gil->holder = NULL;
    }
    if (gil->waiters) {
        pthread_cond_signal(&gil->freed);
        if (!final && gil->drop_request) {
            while (gil->holder == tstate && gil->waiters) {
                pthread_cond_wait(&gil->switched, &gil->mutex);
            }
        }
    }
    pthread_mutex_unlock(&gil->mutex);
    errno = err;
}

/* pending.c - what happens at safe points: pending calls, signals, GIL requests,
 * asynchronous exceptions, due collections.
 *
 * Bits of PyThreadState.eval_breaker say what is to be done (state.h). They are set from
 * any thread and cleared by the thread that acts on them, before it acts.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

void
nj_pending_init(NjPending *p)
{
    pthread_mutex_init(&p->mutex, NULL);
    p->first = p->count = 0;
    p->busy = false;
}

static void
set_pending_bit(NjInterp *interp)
{
    pthread_mutex_lock(&nj_runtime.lock);
    if (interp == nj_runtime.main) {
        if (interp->rt.main_tstate) {
            nj_break_set(interp->rt.main_tstate, NJ_BREAK_PENDING);
        }
    }
    else {
        for (PyThreadState *t = interp->threads; t; t = t->next) {
            nj_break_set(t, NJ_BREAK_PENDING);
        }
    }
    pthread_mutex_unlock(&nj_runtime.lock);
}

int
nj_pending_add(NjInterp *interp, int (*func)(void *), void *arg)
{
    NjPending *p = &interp->rt.pending;
    int rc = -1;
    pthread_mutex_lock(&p->mutex);
    if (p->count < NJ_PENDING_MAX) {
        NjPendingCall *c = &p->calls[(p->first + p->count) % NJ_PENDING_MAX];
        c->func = func;
        c->arg = arg;
        p->count++;
        rc = 0;
    }
    pthread_mutex_unlock(&p->mutex);
    if (rc == 0) {
        set_pending_bit(interp);
    }
    return rc;
}

int
Py_AddPendingCall(int (*func)(void *), void *arg)
{
    NjInterp *main = nj_runtime.main;
    return main ? nj_pending_add(main, func, arg) : -1;
}

/* 0, or -1 with an exception: the rest stays queued. */
int
nj_pending_run(NjInterp *interp)
{
    NjPending *p = &interp->rt.pending;
    if (p->busy) {
        return 0;
    }
    p->busy = true;
    int rc = 0;
    for (int n = p->count; n > 0; n--) {
        pthread_mutex_lock(&p->mutex);
        if (p->count == 0) {
            pthread_mutex_unlock(&p->mutex);
            break;
        }
        NjPendingCall c = p->calls[p->first];
        p->first = (p->first + 1) % NJ_PENDING_MAX;
        p->count--;
        pthread_mutex_unlock(&p->mutex);
        if (c.func(c.arg) != 0) {
            rc = -1;
            break;
        }
    }
    p->busy = false;
    if (p->count) {
        set_pending_bit(interp);
    }
    return rc;
}

int
Py_MakePendingCalls(void)
{
    PyThreadState *tstate = nj_tstate();
    if (!nj_is_main_thread() || !nj_is_main_interp(tstate->interp)) {
        return 0;
    }
    if (nj_signals_run() < 0) {
        return -1;
    }
    nj_break_clear(tstate, NJ_BREAK_PENDING);
    return nj_pending_run(tstate->interp);
}

int
nj_eval_breaker(PyThreadState *tstate)
{
    uintptr_t bits = __atomic_load_n(&tstate->eval_breaker, __ATOMIC_RELAXED);
    if (bits & NJ_BREAK_SIGNAL) {
        nj_break_clear(tstate, NJ_BREAK_SIGNAL);
        if (nj_signals_run() < 0) {
            return -1;
        }
    }
    if (bits & NJ_BREAK_PENDING) {
        if (!nj_is_main_interp(tstate->interp) || nj_is_main_thread()) {
            nj_break_clear(tstate, NJ_BREAK_PENDING);
            if (nj_pending_run(tstate->interp) < 0) {
                return -1;
            }
        }
    }
    if (bits & NJ_BREAK_GC) {
        nj_gc_run_due(tstate);
    }
    if (bits & NJ_BREAK_GIL) {
        nj_gil_drop(tstate, false);
        nj_tstate_current = NULL;
        nj_gil_take(tstate);
        nj_tstate_current = tstate;
    }
    if (bits & NJ_BREAK_STOP) {
        nj_break_clear(tstate, NJ_BREAK_STOP);
    }
    if (bits & NJ_BREAK_ASYNC) {
        nj_break_clear(tstate, NJ_BREAK_ASYNC);
        PyObject *exc = __atomic_exchange_n(&tstate->async_exc, NULL, __ATOMIC_ACQ_REL);
        if (exc) {
            PyErr_SetNone(exc);
            Py_DECREF(exc);
            return -1;
        }
    }
    return 0;
}

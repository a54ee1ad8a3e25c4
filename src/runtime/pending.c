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
nj_pending_init(NjPending *p, int room)
{
    pthread_mutex_init(&p->mutex, NULL);
    p->first = p->count = 0;
    p->room = room;
    p->busy = false;
}

static void
tell_threads(NjInterp *interp)
{
    pthread_mutex_lock(&nj_runtime.lock);
    for (PyThreadState *t = interp->threads; t; t = t->next) {
        nj_break_set(t, NJ_BREAK_PENDING);
    }
    pthread_mutex_unlock(&nj_runtime.lock);
}

static void
tell_main_thread(void)
{
    pthread_mutex_lock(&nj_runtime.lock);
    NjInterp *main = nj_runtime.main;
    if (main && main->rt.main_tstate) {
        nj_break_set(main->rt.main_tstate, NJ_BREAK_PENDING);
    }
    pthread_mutex_unlock(&nj_runtime.lock);
}

static int
enqueue(NjPending *p, int (*func)(void *), void *arg)
{
    int rc = -1;
    pthread_mutex_lock(&p->mutex);
    if (p->count < p->room) {
        NjPendingCall *c = &p->calls[(p->first + p->count) % NJ_PENDING_MAX];
        c->func = func;
        c->arg = arg;
        p->count++;
        rc = 0;
    }
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

int
nj_pending_add(NjInterp *interp, int (*func)(void *), void *arg)
{
    int rc = enqueue(&interp->pending, func, arg);
    if (rc == 0) {
        tell_threads(interp);
    }
    return rc;
}

int
nj_pending_add_by_id(int64_t id, int (*func)(void *), void *arg)
{
    int rc = -1;
    pthread_mutex_lock(&nj_runtime.lock); /* it cannot go away meanwhile */
    for (NjInterp *i = _PyRuntime.interps; i; i = i->next) {
        if (i->id == id && !i->rt.shutting_down) {
            rc = enqueue(&i->pending, func, arg);
            for (PyThreadState *t = i->threads; t && rc == 0; t = t->next) {
                nj_break_set(t, NJ_BREAK_PENDING);
            }
        }
    }
    pthread_mutex_unlock(&nj_runtime.lock);
    return rc;
}

int
Py_AddPendingCall(int (*func)(void *), void *arg)
{
    int rc = nj_runtime.main ? enqueue(&nj_runtime.pending_main, func, arg) : -1;
    if (rc == 0) {
        tell_main_thread();
    }
    return rc;
}

/* Runs what is queued now; calls queued meanwhile wait for the next time. */
static int
run_queue(NjPending *p)
{
    if (p->busy || p->count == 0) {
        return 0;
    }
    p->busy = true;
    int rc = 0;
    for (int n = p->count; n > 0 && rc == 0; n--) {
        pthread_mutex_lock(&p->mutex);
        if (p->count == 0) {
            pthread_mutex_unlock(&p->mutex);
            break;
        }
        NjPendingCall c = p->calls[p->first];
        p->first = (p->first + 1) % NJ_PENDING_MAX;
        p->count--;
        pthread_mutex_unlock(&p->mutex);
        rc = c.func(c.arg) != 0 ? -1 : 0;
    }
    p->busy = false;
    return rc;
}

int
nj_pending_run(NjInterp *interp)
{
    int rc = run_queue(&interp->pending);
    if (interp->pending.count) {
        tell_threads(interp);
    }
    if (nj_is_main_thread() && nj_is_main_interp(interp)) {
        if (rc == 0) {
            rc = run_queue(&nj_runtime.pending_main);
        }
        if (nj_runtime.pending_main.count) {
            tell_main_thread();
        }
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
    if (bits & NJ_BREAK_REMOTE) {
        bits |= 0xff; /* see remote_exec.c */
        nj_break_clear(tstate, NJ_BREAK_REMOTE);
        nj_remote_exec_run(tstate);
    }
    if (bits & NJ_BREAK_SIGNAL) {
        nj_break_clear(tstate, NJ_BREAK_SIGNAL);
        if (nj_signals_run() < 0) {
            return -1;
        }
    }
    if (bits & NJ_BREAK_PENDING) {
        nj_break_clear(tstate, NJ_BREAK_PENDING);
        if (nj_pending_run(tstate->interp) < 0) {
            return -1;
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

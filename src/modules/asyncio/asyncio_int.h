/* asyncio_int.h - what the files of _asyncio share.
 *
 * future.c   Future and the iterator that awaiting one gives
 * task.c     Task: drives a coroutine step by step
 * module.c   the running loop, the current task, the set of all tasks
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_ASYNCIO_INT_H
#define NJ_ASYNCIO_INT_H

#include "nj.h"

#include "base/remote.h"
#include "capi/args.h"

typedef enum { PENDING, CANCELLED, FINISHED } FutureState;

/* Links of a task in the list of its interpreter's unfinished tasks. */
typedef struct TaskNode {
    struct TaskNode *next, *prev; /* both NULL while in no list */
} TaskNode;

typedef struct AsyncState {
    PyTypeObject *future_type, *task_type, *iter_type, *step_type;
    TaskNode tasks;       /* head of the ring */
    NjRemoteAsyncio remote; /* for readers in other processes */
    PyObject *scheduled;  /* WeakSet of tasks of other classes, or NULL */
    PyObject *eager;      /* set of tasks in their first, eager step */
    uint64_t task_count;  /* for default names */
    PyObject *kw_context; /* ("context",) */
    PyObject *kw_msg;     /* ("msg",) */
    /* attributes of Python modules, found on first use; see nj_async_lazy */
    PyObject *cancelled_error, *invalid_state, *future_repr, *task_repr, *task_get_stack,
        *task_print_stack, *iscoroutine, *get_policy, *extract_stack;
} AsyncState;

typedef struct {
    PyObject_HEAD
    AsyncState *st;
    PyObject *loop;        /* NULL before __init__ */
    PyObject *callback0;   /* the first callback and its context, or NULL ... */
    PyObject *context0;
    PyObject *callbacks;   /* ... then a list of (callback, context), or NULL */
    PyObject *result, *exception, *exception_tb;
    PyObject *source_tb, *cancel_msg, *cancelled_exc;
    PyObject *awaited_by;  /* NULL, a task, or a set of them (awaited_by_set) */
    FutureState state;
    bool log_tb, blocking, awaited_by_set, is_task;
} Future;

typedef struct {
    Future fut;
    TaskNode node;
    PyObject *coro, *context, *fut_waiter;
    PyObject *name; /* str, or an int that get_name() makes one of */
    int cancels;
    bool must_cancel, log_destroy;
} Task;

#define FUTURE(o) ((Future *)(o))
#define TASK(o) ((Task *)(o))
#define TASK_OF_NODE(n) ((Task *)((char *)(n)-offsetof(Task, node)))

extern PyType_Spec nj_future_spec, nj_task_spec, nj_future_iter_spec, nj_task_step_spec;
extern struct PyModuleDef nj_asyncio_module;

AsyncState *nj_async_state(PyTypeObject *type);
/* The attribute `name' of Python module `module', kept in *slot. Borrowed, or NULL. */
PyObject *nj_async_lazy(PyObject **slot, const char *module, const char *name);
/* The running loop, else the policy's. New reference. */
PyObject *nj_async_get_event_loop(AsyncState *st);
/* Makes `task' the current one of the running loop. 0, or -1 with RuntimeError. */
int nj_async_enter(PyObject *loop, PyObject *task);
int nj_async_leave(PyObject *loop, PyObject *task);
/* Puts `task' (NULL: none) in place of the current one, which is returned; NULL with or
 * without an exception set. */
PyObject *nj_async_swap(PyObject *loop, PyObject *task);
int nj_async_awaited_add(AsyncState *st, PyObject *fut, PyObject *waiter);
int nj_async_awaited_discard(AsyncState *st, PyObject *fut, PyObject *waiter);

/* loop.call_soon(callback[, arg], context=context). 0 or -1. */
int nj_async_call_soon(AsyncState *st, PyObject *loop, PyObject *callback, PyObject *arg,
                       PyObject *context);
int nj_future_init(Future *f, PyObject *loop);
bool nj_future_alive(Future *f);
int nj_future_add_callback(Future *f, PyObject *callback, PyObject *context);
int nj_future_set_result(Future *f, PyObject *result);
int nj_future_set_exception(Future *f, PyObject *exception);
/* 1 if it was pending and is cancelled now, 0 if not, -1 on error. msg may be NULL. */
int nj_future_cancel(Future *f, PyObject *msg);
/* The result, or NULL with the future's exception (or InvalidStateError) set. */
PyObject *nj_future_result(Future *f);
PyObject *nj_future_cancelled_error(Future *f);
void nj_future_report(Future *f, const char *key, PyObject *message, bool with_exception);
int nj_future_traverse(PyObject *self, visitproc visit, void *arg);
int nj_future_gc_clear(PyObject *self);
void nj_future_finalize_log(PyObject *self);

void nj_task_link(Task *t);
void nj_task_unlink(Task *t);
/* fut.cancel(msg=msg) of any future: 1, 0 or -1. */
int nj_task_cancel_waiter(AsyncState *st, PyObject *waiter, PyObject *msg);
int nj_task_cancel(Task *t, PyObject *msg);

#endif

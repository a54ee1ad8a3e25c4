/* state.h - where all mutable state lives: runtime, interpreter, thread.
 *
 * NjRuntime: one per process. NjInterp (the PyInterpreterState of the API): one per
 * interpreter, each with its own GIL. NjThread: the PyThreadState of the API (struct
 * _ts, fixed by the headers) followed by our own fields.
 *
 * An area that needs state declares a struct in its own small header X_state.h and
 * embeds it in NjInterp below; only that area reads or writes it. Anything shared
 * between interpreters is immortal and read-only after start-up (static types and
 * their dicts, static identifiers, small ints, one-character strings).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_STATE_H
#define NJ_RUNTIME_STATE_H

#include "nj.h"

#include "frontend/frontend_state.h"
#include "objects/container_state.h"
#include "objects/number_state.h"
#include "objects/str_state.h"
#include "objects/type_state.h"
#include "runtime/context_state.h"
#include "runtime/gc_state.h"
#include "runtime/interp_state.h"
#include "vm/vm_state.h"

typedef struct _is NjInterp;

typedef struct NjThread {
    PyThreadState base;          /* ABI; must be first */
    uintptr_t c_stack_top;       /* highest address of this thread's C stack */
    uintptr_t c_stack_soft;      /* below this: RecursionError */
    uintptr_t c_stack_hard;      /* below this: fatal error */
    PyObject *running_loop;      /* asyncio: the loop running in this thread, or NULL */
    PyObject *running_task;      /* asyncio: the task running in this thread, or NULL */
    NjVmThread vm;
    NjRuntimeThread rt;
} NjThread;

/* What other processes read (debug_offsets.h) is in the first 8000 bytes, for readers copy
 * no more, and the list of threads is where it is in the reference, for some do not ask. */
struct _is {
    union {
        struct {
            PyInterpreterState *next;    /* list of interpreters, guarded by the runtime lock */
            int64_t id;
            PyObject *modules;           /* sys.modules, owned dict */
            PyObject *sysdict;           /* sys.__dict__, owned */
            PyObject *builtins;          /* builtins.__dict__, owned */
            PyObject *importlib;         /* the _frozen_importlib module, owned */
            PyObject *import_func;       /* builtins.__import__ as it was at start-up, owned */
            PyObject *dict;              /* PyInterpreterState_GetDict, owned, lazily made */
            uint64_t code_generation;    /* code objects freed: addresses may have new ones */
            NjGCState gc;
            NjInterpRuntime rt;
            NjFrontendState frontend;
            NjContainerState containers;
            NjNumberState numbers;
            NjStrState strs;
            NjContextState contexts;
            NjVmState vm;
        };
        char room[7344];
    };
    PyThreadState *threads;      /* head of the list of this interpreter's threads */
    NjPending pending;
    NjTypeState types;
};
static_assert(offsetof(struct _is, threads) == 7344, "as in the reference");

/* The thread state attached to this OS thread, or NULL. */
extern __thread PyThreadState *nj_tstate_current
    __attribute__((tls_model("initial-exec")));

NJ_INLINE PyThreadState *
nj_tstate(void)
{
    return nj_tstate_current;
}

NJ_INLINE NjThread *
nj_thread(void)
{
    return (NjThread *)nj_tstate_current;
}

NJ_INLINE NjInterp *
nj_interp(void)
{
    return nj_tstate_current->interp;
}

/* Reasons to leave the fast path: bits of PyThreadState.eval_breaker, set atomically from
 * any thread, polled at calls, loop back-edges and resumes. The bits from
 * NJ_BREAK_VERSION_SHIFT up hold the global instrumentation version. */
enum {
    NJ_BREAK_GIL = 1 << 0,     /* another thread wants the GIL */
    NJ_BREAK_SIGNAL = 1 << 1,  /* a signal handler is to be run (main thread) */
    NJ_BREAK_PENDING = 1 << 2, /* pending calls are queued */
    NJ_BREAK_ASYNC = 1 << 3,   /* PyThreadState_SetAsyncExc */
    NJ_BREAK_GC = 1 << 4,      /* a collection is due */
    NJ_BREAK_REMOTE = 1 << 5,  /* a script from another process, which knows this number;
                                  any bit may be missing */
    NJ_BREAK_STOP = 1 << 6,    /* stop the world */
    NJ_BREAK_VERSION_SHIFT = 8,
};

/* Handles whatever eval_breaker asks for. 0, or -1 with an exception set. May run Python
 * code, may release the GIL. (runtime/pending.c) */
NJ_MUST int nj_eval_breaker(PyThreadState *tstate);

/* Sets a bit of eval_breaker from any thread. Cannot fail. */
NJ_INLINE void
nj_break_set(PyThreadState *tstate, uintptr_t bit)
{
    __atomic_or_fetch(&tstate->eval_breaker, bit, __ATOMIC_SEQ_CST);
}

NJ_INLINE void
nj_break_clear(PyThreadState *tstate, uintptr_t bit)
{
    __atomic_and_fetch(&tstate->eval_breaker, ~bit, __ATOMIC_SEQ_CST);
}

/* About where the C stack ends. (Asking for the frame address would cost the caller, the
 * interpreter's loop above all, a register.) */
NJ_INLINE uintptr_t
nj_c_stack_here(void)
{
#if defined(__x86_64__)
    uintptr_t here;
    __asm__ volatile("mov %%rsp, %0" : "=r"(here));
    return here;
#else
    return (uintptr_t)__builtin_frame_address(0);
#endif
}

/* True when the C stack has less than the soft reserve left: the caller raises
 * RecursionError. Fast enough for every recursive C function. */
NJ_INLINE bool
nj_c_stack_low(void)
{
    return nj_c_stack_here() < nj_thread()->c_stack_soft;
}

#endif

/* interp_state.h - the runtime folder's share of an interpreter and of a thread
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_INTERP_STATE_H
#define NJ_INTERP_STATE_H

#include "nj.h"

#include <pthread.h>

/* --- small-object allocator (mem.c) ---------------------------------------------- */

#define NJ_MEM_SMALL_MAX 512 /* largest size served from pools */
#define NJ_MEM_CLASSES (NJ_MEM_SMALL_MAX / 16 + 1)

typedef struct NjPool NjPool;

/* The pools of one interpreter. Touched only under its GIL, `foreign' excepted. */
typedef struct NjMem {
    NjPool *avail[NJ_MEM_CLASSES]; /* pools of a class with room; head is used first */
    NjPool *empty;                 /* pools without a class, ready for any */
    int nempty;
    void *foreign; /* blocks freed by other interpreters; atomic stack */
} NjMem;

/* --- GIL (gil.c) -------------------------------------------------------------------- */

typedef struct NjGil {
    pthread_mutex_t mutex;
    pthread_cond_t freed;     /* signalled when the GIL was dropped */
    pthread_cond_t switched;  /* signalled when another thread took it after a request */
    PyThreadState *holder;    /* last thread that held it; read under mutex */
    int locked;               /* 1 while held */
    int waiters;              /* threads blocked in take */
    int drop_request;         /* a waiter wants the holder to let go */
    unsigned long switches;   /* how often the holder changed */
    unsigned long interval;   /* microseconds */
    bool ready;
} NjGil;

/* --- pending calls (pending.c) ------------------------------------------------------ */

#define NJ_PENDING_MAX 300
#define NJ_PENDING_MAX_MAIN 32 /* of those that only the main thread runs */

typedef struct NjPendingCall {
    int (*func)(void *);
    void *arg;
    int flags;
} NjPendingCall;

typedef struct NjPending {
    pthread_mutex_t mutex;
    int first, count, room;
    bool busy;
    NjPendingCall calls[NJ_PENDING_MAX];
} NjPending;

/* --- warnings (warnings.c) ------------------------------------------------------------ */

typedef struct NjWarnState {
    PyObject *filters;        /* list, shared with the warnings module */
    PyObject *once_registry;  /* dict */
    PyObject *default_action; /* str */
    PyObject *context;        /* ContextVar of context-aware warnings */
    PyObject *lock;           /* RLock */
    long filters_version;
} NjWarnState;

typedef struct NjAtExit {
    PyObject *callbacks; /* list of (func, args, kwargs) */
    struct NjAtExitC {
        struct NjAtExitC *next;
        void (*func)(void *);
        void *data;
    } *c_callbacks;
} NjAtExit;

typedef struct NjThreadHandleList {
    void *head; /* joinable threads of this interpreter (thread_module.c) */
} NjThreadHandleList;

typedef struct NjRuntimeThread {
    bool gil_asked;       /* this thread must give up the GIL once */
    bool on_heap;         /* state came from the allocator */
    bool daemon;          /* a daemon thread: not waited for */
    int critical;         /* nesting of PyEval_StopTheWorld */
    PyObject *thread_locals_key; /* unused by others */
    bool in_gc_break;
    void *thread_handle;  /* _thread: handle of this thread */
} NjRuntimeThread;

/* --- exchange with other interpreters (crossinterp.c) --------------------------------- */

typedef struct NjXType NjXType;

typedef struct NjXState {
    NjXType *types;           /* heap types whose instances are shareable */
    PyObject *fake_mains;     /* dict: path of a script -> module that it was run in */
    PyObject *not_shareable;  /* NotShareableError */
    PyObject *buffer_type;    /* CrossInterpreterBufferView */
    PyThreadState *running;   /* the thread that runs __main__, or NULL; atomic */
} NjXState;

/* What an interpreter may do: its configuration, as bits that Python code sees. */
enum {
    NJ_FEATURE_MAIN_OBMALLOC = 1 << 5,
    NJ_FEATURE_MULTI_INTERP_EXTENSIONS = 1 << 8,
    NJ_FEATURE_THREADS = 1 << 10,
    NJ_FEATURE_DAEMON_THREADS = 1 << 11,
    NJ_FEATURE_FORK = 1 << 15,
    NJ_FEATURE_EXEC = 1 << 16,
    NJ_FEATURES_MAIN = NJ_FEATURE_MAIN_OBMALLOC | NJ_FEATURE_THREADS |
                       NJ_FEATURE_DAEMON_THREADS | NJ_FEATURE_FORK | NJ_FEATURE_EXEC,
};

typedef struct NjInterpRuntime {
    NjMem mem;
    NjGil own_gil;
    NjGil *gil; /* own_gil, or the main interpreter's */
    PyConfig config;
    bool has_config;
    bool own_gil_used;
    int whence; /* crossinterp.h */
    Py_ssize_t n_interactive; /* statements compiled for the prompt */
    PyObject *audit_hooks;    /* list of Python hooks, or NULL */
    PyObject *mod_by_index;   /* list: PyState_FindModule */
    PyObject *sysmod;         /* the sys module, owned */
    PyObject *builtinsmod;    /* the builtins module, owned */
    PyObject *import_cache;   /* extensions loaded in this interpreter: (path, name)->def */
    PyObject *import_find;    /* importlib._bootstrap._find_and_load, owned */
    struct {
        pthread_mutex_t mutex;
        pthread_cond_t cond;
        unsigned long owner; /* thread id, 0 = free */
        int level;
    } import_lock;
    const char *package_context; /* full name while a single-phase init runs */
    struct {
        int level;
        PyTime_t inner; /* time spent in imports that the current one made */
        bool header;
    } import_clock; /* -X importtime */
    int frozen_override; /* _imp._override_frozen_modules_for_tests */
    PyObject *frozen_cache; /* name -> code of frozen modules */
    PyObject *fromlist_handler;
    PyThreadState *finalizing; /* the thread that finalizes this interpreter */
    unsigned long finalizing_thread; /* its OS thread */
    bool ended; /* only threads that never return still refer to it */
    bool initialized;
    bool site_done;
    bool shutting_down;
    int recursion_limit;
    int dlopen_flags;
    int requires_idref;
    int64_t idref;
    long feature_flags;
    bool isolated_exts;       /* single-phase extensions refused */
    int multi_interp_override;
    NjXState xi;
    NjWarnState warn;
    NjAtExit atexit;
    PyObject *sys_private; /* dict: types sys.* functions need, hidden from users */
    PyObject *excepthook_default;
    void *thread_handles;
    Py_ssize_t n_threads;     /* _thread._count() */
    void *eval_frame;         /* PEP 523, or NULL */
    struct NjPerf *perf;      /* vm/perf_trampoline.c, or NULL */
    PyObject *interned_dummy;
    PyObject *before_fork, *after_fork_parent, *after_fork_child;
    PyObject *last_sys_argv;
    size_t thread_stack_size;
    uint64_t next_tls_id;
    PyThreadState *main_tstate;
    struct NjRemoteAsyncio *remote_asyncio; /* what _asyncio shows to other processes */
    PyObject *shutdown_locks; /* set of weak references of the threading module */
} NjInterpRuntime;

#endif

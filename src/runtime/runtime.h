/* runtime.h - the process-wide state, and the runtime's functions for its own folder.
 *
 * nj_runtime is the one mutable object of the process, but for what other processes look
 * for in _PyRuntime (debug_offsets.h); fields that more than one thread may change are
 * atomic or guarded by `lock'.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_RUNTIME_H
#define NJ_RUNTIME_RUNTIME_H

#include "nj.h"
#include "base/probe.h"
#include "runtime/debug_offsets.h"
#include "runtime/gc.h"
#include "runtime/state.h"

#include <pthread.h>

typedef struct NjAuditHook {
    struct NjAuditHook *next;
    Py_AuditHookFunction func;
    void *data;
} NjAuditHook;

#define NJ_NSIG 65

typedef struct NjRuntime {
    /* memory */
    bool mem_fast;             /* PyMem and PyObject domains are our own allocator */
    bool mem_configured;
    bool watch_new;            /* somebody is told of new objects: see nj_watch_new */
    uintptr_t region;          /* reserved address range of all pools; 0 = none */
    uintptr_t region_size;
    uintptr_t region_used;     /* bump offset */
    NjPool *region_free;       /* pools nobody owns */
    pthread_mutex_t region_lock;
    PyMemAllocatorEx alloc[3]; /* indexed by PyMemAllocatorDomain */
    PyObjectArenaAllocator arena;
    const char *alloc_name;

    /* life cycle */
    pthread_mutex_t lock;      /* guards the lists below */
    NjInterp *main;
    int64_t next_interp_id;
    NjPending pending_main; /* calls that only the main thread runs (Py_AddPendingCall) */
    uint64_t next_thread_id;
    /* what interpreters share: _interpqueues, _interpchannels */
    struct {
        pthread_mutex_t lock; /* never held while Python code may run */
        struct NjXQueue *queues;
        struct NjXChannel *channels;
        int64_t next_queue, next_channel;
    } shared;
    unsigned long main_thread; /* pthread id */
    bool preinitialized, core_ready, initialized;
    bool types_ready;
    void (*exit_funcs[32])(void);
    int n_exit_funcs;
    PyPreConfig preconfig;
    PyWideStringList orig_argv;
    struct {
        enum { NJ_FS_LOCALE, NJ_FS_UTF8, NJ_FS_ASCII, NJ_FS_CODEC } kind;
        char *name, *errors;
    } fs; /* how file names are encoded: encoding.c */
    NjAuditHook *audit_hooks;
    Py_OpenCodeHookFunction open_code_hook;
    void *open_code_data;
    PyRefTracer reftracer;
    void *reftracer_data;
    struct _inittab *inittab;  /* builtin modules, NULL-terminated */

    /* signals */
    struct {
        int tripped;
        PyObject *handler; /* Python-visible handler, owned by the main interpreter */
    } signals[NJ_NSIG];
    int any_signal;
    int wakeup_fd;
    bool wakeup_warn;
    PyObject *default_int;     /* signal.default_int_handler */

    struct NjTraceMalloc *tracemalloc; /* NULL until it first starts */
} NjRuntime;

extern NjRuntime nj_runtime;

NJ_COLD void nj_tell_new(PyObject *op); /* refcount.c */
void nj_watch_new(void); /* to be called when the reftracer or tracemalloc comes or goes */
/* For a new object with its type and reference count in place: PyRefTracer_SetTracer,
 * and tracemalloc for objects from free lists. */
NJ_INLINE void
nj_trace_new(void *op)
{
    if (NJ_UNLIKELY(nj_runtime.watch_new)) {
        nj_tell_new(op);
    }
}

/* lifecycle */
void nj_runtime_init(void);

/* mem.c */
PyAPI_FUNC(char *) _PyMem_Strdup(const char *s);
void nj_mem_interp_fini(NjInterp *interp);
int nj_mem_configure(const char *name); /* "malloc", "pymalloc", "debug"...; -1 unknown */
int nj_mem_configure_preset(PyMemAllocatorName name);
void nj_mem_after_fork(void);
/* A GC object's memory: header (and managed words) zeroed, body not. NULL: MemoryError */
NJ_MUST PyObject *nj_gc_alloc(PyTypeObject *tp, size_t size);
Py_ssize_t nj_mem_blocks(void);
void nj_mem_dump_stats(FILE *out);

/* tracemalloc.c */
NJ_MUST int nj_tracemalloc_start(int nframe);
void nj_tracemalloc_stop(void);
bool nj_tracemalloc_tracing(void);
void nj_tracemalloc_new(PyObject *op);

/* gil.c */
void nj_gil_init(NjGil *gil);
void nj_gil_fini(NjGil *gil);
void nj_gil_take(PyThreadState *tstate);
void nj_gil_drop(PyThreadState *tstate, bool final);
void nj_gil_after_fork(NjGil *gil);

/* tstate.c */
PyThreadState *nj_tstate_new(NjInterp *interp, int whence);
void nj_tstate_bind(PyThreadState *tstate); /* to the calling OS thread */
void nj_tstate_attach(PyThreadState *tstate);
void nj_tstate_detach(PyThreadState *tstate);
void nj_tstate_after_fork(void);
NJ_MUST NjInterp *nj_interp_new(void);
/* haunted: threads that never come back still refer to it. */
void nj_interp_free(NjInterp *interp, bool haunted);
NJ_MUST int nj_stop_for_finalize(PyThreadState *tstate);
NJ_INLINE bool
nj_is_main_thread(void)
{
    return PyThread_get_thread_ident() == nj_runtime.main_thread;
}
NJ_INLINE bool
nj_is_main_interp(NjInterp *interp)
{
    return interp == nj_runtime.main;
}

/* The full name of the module whose single-phase init is running, if `name' is its last
 * part: PyModule_Create names the module by it. */
const char *nj_import_full_name(const char *name);

/* import.c: the single-phase module made from path is loaded anew by the next import. */
NJ_MUST int nj_import_forget(PyObject *path, PyObject *name);

/* pending.c, signals.c */
PyAPI_FUNC(void) _Py_RestoreSignals(void);
void nj_pending_init(NjPending *p, int room);
/* For any thread of interp to run. -1: the queue is full. */
int nj_pending_add(NjInterp *interp, int (*func)(void *), void *arg);
/* The same by id. -1 also if no such interpreter runs (any more). */
int nj_pending_add_by_id(int64_t id, int (*func)(void *), void *arg);
/* Runs what this thread may run. 0, or -1 with an exception: the rest stays queued. */
int nj_pending_run(NjInterp *interp);
int nj_signals_run(void);
int nj_signals_init(bool install_handlers);
NJ_MUST int nj_to_sigset(PyObject *iterable, sigset_t *set);
void nj_signals_fini(void);
PyObject *nj_signal_name(int sig);

/* errors.c */
PyAPI_FUNC(PyObject *) _PyErr_ProgramDecodedTextObject(PyObject *filename, int lineno,
                                                       const char *encoding);
int nj_err_init(void);
/* PyErr_GetRaisedException and put back around code that may raise and be ignored */
void nj_err_print_unraisable(PyObject *exc, PyObject *msg, PyObject *obj);
NJ_INLINE PyObject *
nj_err_type(void)
{
    PyObject *e = nj_tstate()->current_exception;
    return e ? (PyObject *)Py_TYPE(e) : NULL;
}

/* ImportError for an extension that this interpreter may not have; 0/-1. */
NJ_MUST int nj_import_check_interp(const char *name);
PyAPI_FUNC(PyObject *) _PyErr_FormatFromCause(PyObject *type, const char *format, ...);
PyObject *nj_err_default_unraisablehook(PyObject *args);
void nj_set_legacy_utf8(int mode);
void nj_config_apply_legacy(PyConfig *c);

/* sysmod.c */
NJ_MUST PyObject *nj_sys_create(PyThreadState *tstate);
NJ_MUST int nj_sys_set_config(PyThreadState *tstate); /* argv, path, flags, ... */
NJ_MUST int nj_sys_init_stdio(PyThreadState *tstate);
NJ_MUST int nj_sys_set_stderr_early(void);
PyObject *nj_sys_private(PyObject *name); /* borrowed or NULL */
/* borrowed or NULL without exception */
PyObject *nj_sys_peek(PyObject *name);
NJ_MUST int nj_sys_get(PyObject *name, PyObject **out); /* 1 new ref / 0 / -1 */
NJ_MUST PyObject *nj_sys_require(PyObject *name);       /* RuntimeError "lost sys.X" */
NJ_MUST int nj_sys_set(const char *name, PyObject *value);
NJ_MUST int nj_sys_flags_update(PyThreadState *tstate);
void nj_sys_flush_stdio(void);
int nj_flush_std_files(void);
void nj_audit_clear(void);
NJ_PROBE_DECLARE(audit);
/* whether anybody listens to PySys_Audit */
static inline bool
nj_audited(NjInterp *interp)
{
    return nj_runtime.audit_hooks || interp->rt.audit_hooks || NJ_PROBE_ON(audit);
}

/* builtins.c */
NJ_MUST PyObject *nj_builtins_create(PyThreadState *tstate);
NJ_MUST const char *nj_source_text(PyObject *src, const char *func, const char *what,
                                   PyCompilerFlags *cf, Py_ssize_t *size, PyObject **hold);

/* crossinterp.c */
void nj_xi_fini(NjInterp *interp);

/* import.c */
NJ_MUST int nj_import_init_core(PyThreadState *tstate);     /* sys.modules, inittab */
NJ_MUST int nj_import_init_importlib(PyThreadState *tstate);
NJ_MUST int nj_import_init_external(PyThreadState *tstate);
void nj_import_fini(NjInterp *interp);
NJ_MUST PyObject *nj_imp_create(void);
/* The import lock, around fork(). */
void nj_import_lock(void);
void nj_import_unlock(void);
void nj_import_after_fork_child(void);
PyObject *nj_import_builtin(PyObject *name, PyObject *spec);
PyObject *nj_builtin_module_names(void);

/* warnings.c */
NJ_MUST PyObject *nj_warnings_create(void);
NJ_MUST int nj_warnings_init(NjInterp *interp);
void nj_warnings_fini(NjInterp *interp);

/* atexit.c */
void nj_atexit_run(NjInterp *interp);
void nj_atexit_fini(NjInterp *interp);

/* gc.c */
void nj_gc_init(NjInterp *interp);
void nj_gc_fini(NjInterp *interp);
Py_ssize_t nj_gc_collect(NjInterp *interp, int generation, bool nofail);
void nj_gc_run_due(PyThreadState *tstate);
void nj_gc_dump_shutdown(NjInterp *interp);

/* encoding.c */
int nj_encoding_preset(const PyConfig *config);
PyStatus nj_encoding_init(NjInterp *interp);

/* config.c / initconfig.c */
extern const char nj_version_info[];
NJ_INLINE const PyConfig *
nj_config(void)
{
    return &nj_interp()->rt.config;
}
PyStatus nj_config_copy(PyConfig *dst, const PyConfig *src);
PyStatus nj_config_read(PyConfig *config, bool compute_path);
PyStatus nj_config_write_globals(const PyConfig *config);
PyStatus nj_config_compute_path(PyConfig *config);
void nj_config_dump_path(const PyConfig *config);
PyObject *nj_config_flags(const PyConfig *config);
NJ_MUST PyObject *nj_config_as_dict(const PyConfig *config);
NJ_MUST PyObject *nj_wstrlist_as_list(const PyWideStringList *list);
PyStatus nj_preinit_from_config(const PyConfig *config);
void nj_config_usage(int what, const wchar_t *program);
PyStatus nj_init_from_config(const PyConfig *config);

/* remote_exec.c */
bool nj_remote_exec_enabled(void); /* in this interpreter */
NJ_MUST int nj_remote_exec(int pid, const char *script);
void nj_remote_exec_run(PyThreadState *tstate); /* what was asked for; no exception */

/* pyrun.c */
void nj_pyrun_after_fork_child(void);
int nj_handle_system_exit(int *exitcode); /* 1: the current exception is SystemExit */
PyObject *nj_run_main_module(const wchar_t *name, bool set_argv0);
int nj_run_main(PyThreadState *tstate);

/* _thread */
void nj_threads_after_fork_child(void);
void nj_threads_join_all(NjInterp *interp);

#endif

/* tstate.c - thread states and interpreter states.
 *
 * A thread state belongs to one interpreter and, once bound, to one OS thread. The one
 * attached to the running OS thread is nj_tstate_current; attached means it holds its
 * interpreter's GIL. The first state bound in an OS thread is also the one PyGILState_*
 * uses there (gilstate_tstate).
 *
 * The lists of interpreters and threads are guarded by nj_runtime.lock.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/type_int.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

__thread PyThreadState *nj_tstate_current
    __attribute__((tls_model("initial-exec"))) = NULL;
static __thread PyThreadState *gilstate_tstate
    __attribute__((tls_model("initial-exec"))) = NULL;

/* --- C stack ----------------------------------------------------------------------------- */

static void
set_stack(NjThread *t, uintptr_t base, size_t size)
{
    size_t hard = size / 16 < 65536 ? size / 16 : 65536;
    size_t soft = size / 4 < 262144 ? size / 4 : 262144;
    t->c_stack_top = base + size;
    t->c_stack_hard = base + hard;
    t->c_stack_soft = base + soft;
}

/* The stack of the calling OS thread. */
static void
find_stack(NjThread *t)
{
    if ((pid_t)syscall(SYS_gettid) == getpid()) {
        struct rlimit lim;
        size_t size = (size_t)8 << 20;
        if (getrlimit(RLIMIT_STACK, &lim) == 0 && lim.rlim_cur != RLIM_INFINITY) {
            size = lim.rlim_cur;
        }
        /* environment and arguments lie above the first frame */
        size -= size / 16;
        uintptr_t top = ((uintptr_t)__builtin_frame_address(0) + 4095) & ~(uintptr_t)4095;
        set_stack(t, top - size, size);
        return;
    }
    pthread_attr_t attr;
    void *base = NULL;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attr) == 0) {
        pthread_attr_getstack(&attr, &base, &size);
        pthread_attr_destroy(&attr);
    }
    if (!size) {
        size = (size_t)1 << 20;
        base = (char *)__builtin_frame_address(0) - size;
    }
    set_stack(t, (uintptr_t)base, size);
}

int
PyUnstable_ThreadState_SetStackProtection(PyThreadState *tstate, void *start, size_t size)
{
    if (size < 65536) {
        PyErr_Format(PyExc_ValueError, "stack_size must be at least %zu bytes",
                     (size_t)65536);
        return -1;
    }
    set_stack((NjThread *)tstate, (uintptr_t)start, size);
    return 0;
}

void
PyUnstable_ThreadState_ResetStackProtection(PyThreadState *tstate)
{
    find_stack((NjThread *)tstate);
}

/* --- thread states -------------------------------------------------------------------------- */

PyThreadState *
nj_tstate_new(NjInterp *interp, int whence)
{
    NjThread *t = calloc(1, sizeof *t);
    if (!t) {
        return NULL;
    }
    PyThreadState *ts = &t->base;
    ts->interp = interp;
    ts->_whence = whence;
    ts->py_recursion_limit = interp->rt.recursion_limit;
    ts->py_recursion_remaining = interp->rt.recursion_limit;
    ts->exc_info = &ts->exc_state;
    ts->context_ver = 1;
    ts->dict_global_version = 1;
    ts->what_event = -1;
    ts->gilstate_counter = 1;
    ts->_status.initialized = 1;
    t->rt.on_heap = true;
    pthread_mutex_lock(&nj_runtime.lock);
    ts->id = ++nj_runtime.next_thread_id;
    ts->next = interp->threads;
    if (ts->next) {
        ts->next->prev = ts;
        /* code already instrumented: threads share the version */
        ts->eval_breaker = ts->next->eval_breaker & ~(uintptr_t)0xff;
    }
    interp->threads = ts;
    pthread_mutex_unlock(&nj_runtime.lock);
    if (interp->pending.count) { /* asked for while no thread was there */
        nj_break_set(ts, NJ_BREAK_PENDING);
    }
    nj_vm_thread_init(ts);
    return ts;
}

void
nj_tstate_bind(PyThreadState *ts)
{
    ts->thread_id = (unsigned long)pthread_self();
    ts->native_thread_id = PyThread_get_thread_native_id();
    ts->_status.bound = 1;
    find_stack((NjThread *)ts);
    if (!gilstate_tstate) {
        gilstate_tstate = ts;
        ts->_status.bound_gilstate = 1;
    }
}

void
nj_tstate_attach(PyThreadState *ts)
{
    assert(!nj_tstate_current);
    if (!ts->_status.bound) {
        nj_tstate_bind(ts);
    }
    nj_gil_take(ts);
    nj_tstate_current = ts;
    if (NJ_UNLIKELY(gilstate_tstate != ts)) {
        /* the GIL-state functions follow the state that ran last in this thread */
        if (gilstate_tstate) {
            gilstate_tstate->_status.bound_gilstate = 0;
        }
        gilstate_tstate = ts;
        ts->_status.bound_gilstate = 1;
    }
    ts->_status.active = 1;
    __atomic_store_n(&ts->state, 1, __ATOMIC_RELAXED);
}

void
nj_tstate_detach(PyThreadState *ts)
{
    assert(nj_tstate_current == ts);
    ts->_status.active = 0;
    __atomic_store_n(&ts->state, 0, __ATOMIC_RELAXED);
    nj_tstate_current = NULL;
    nj_gil_drop(ts, false);
}

PyThreadState *
PyThreadState_New(PyInterpreterState *interp)
{
    PyThreadState *ts = nj_tstate_new(interp, 0);
    if (ts) {
        nj_tstate_bind(ts);
    }
    return ts;
}

void
PyThreadState_Clear(PyThreadState *ts)
{
    NjThread *t = (NjThread *)ts;
    if (ts->current_frame && ts->interp->rt.has_config && ts->interp->rt.config.verbose &&
        ts == nj_tstate_current) {
        fprintf(stderr, "PyThreadState_Clear: warning: thread still has a frame\n");
    }
    Py_CLEAR(ts->threading_local_key);
    Py_CLEAR(ts->threading_local_sentinel);
    Py_CLEAR(t->running_loop);
    Py_CLEAR(t->running_task);
    Py_CLEAR(ts->dict);
    Py_CLEAR(ts->async_exc);
    Py_CLEAR(ts->current_exception);
    Py_CLEAR(ts->exc_state.exc_value);
    if (ts->exc_info != &ts->exc_state && ts->interp->rt.config.verbose) {
        fprintf(stderr, "PyThreadState_Clear: warning: thread still has a generator\n");
    }
    ts->c_profilefunc = NULL;
    ts->c_tracefunc = NULL;
    Py_CLEAR(ts->c_profileobj);
    Py_CLEAR(ts->c_traceobj);
    Py_CLEAR(ts->async_gen_firstiter);
    Py_CLEAR(ts->async_gen_finalizer);
    Py_CLEAR(ts->context);
    ts->_status.cleared = 1;
}

static void
unlink_tstate(PyThreadState *ts)
{
    pthread_mutex_lock(&nj_runtime.lock);
    if (ts->prev) {
        ts->prev->next = ts->next;
    }
    else if (ts->interp->threads == ts) {
        ts->interp->threads = ts->next;
    }
    if (ts->next) {
        ts->next->prev = ts->prev;
    }
    if (ts->interp->rt.main_tstate == ts) {
        ts->interp->rt.main_tstate = NULL;
    }
    pthread_mutex_unlock(&nj_runtime.lock);
}

static void
free_tstate(PyThreadState *ts)
{
    unlink_tstate(ts);
    if (gilstate_tstate == ts) {
        gilstate_tstate = NULL;
    }
    nj_vm_thread_fini(ts);
    free(ts);
}

void
PyThreadState_Delete(PyThreadState *ts)
{
    if (ts == nj_tstate_current) {
        _Py_FatalErrorFunc(__func__, "tstate is still current");
    }
    free_tstate(ts);
}

void
PyThreadState_DeleteCurrent(void)
{
    PyThreadState *ts = nj_tstate_current;
    NjGil *gil = ts->interp->rt.gil;
    (void)gil;
    unlink_tstate(ts);
    if (gilstate_tstate == ts) {
        gilstate_tstate = NULL;
    }
    nj_vm_thread_fini(ts);
    nj_tstate_current = NULL;
    nj_gil_drop(ts, true);
    free(ts);
}

PyThreadState *
PyThreadState_GetUnchecked(void)
{
    return nj_tstate_current;
}

PyAPI_FUNC(PyThreadState *) _PyThreadState_GetCurrent(void);
PyThreadState *
_PyThreadState_GetCurrent(void)
{
    return nj_tstate_current;
}

PyThreadState *
PyThreadState_Get(void)
{
    PyThreadState *ts = nj_tstate_current;
    if (NJ_UNLIKELY(!ts)) {
        _Py_FatalErrorFunc(__func__,
                           "the function must be called with the GIL held, after Python "
                           "initialization and before Python finalization, but the GIL is "
                           "released (the current Python thread state is NULL)");
    }
    return ts;
}

PyThreadState *
PyThreadState_Swap(PyThreadState *ts)
{
    PyThreadState *old = nj_tstate_current;
    if (old == ts) {
        return old;
    }
    if (old) {
        nj_tstate_detach(old);
    }
    if (ts) {
        nj_tstate_attach(ts);
    }
    return old;
}

PyObject *
PyThreadState_GetDict(void)
{
    PyThreadState *ts = nj_tstate_current;
    if (!ts) {
        return NULL;
    }
    if (!ts->dict) {
        ts->dict = PyDict_New();
        if (!ts->dict) {
            PyErr_Clear();
        }
    }
    return ts->dict;
}

PyInterpreterState *
PyThreadState_GetInterpreter(PyThreadState *ts)
{
    return ts->interp;
}

uint64_t
PyThreadState_GetID(PyThreadState *ts)
{
    return ts->id;
}

int
PyThreadState_SetAsyncExc(unsigned long id, PyObject *exc)
{
    NjInterp *interp = nj_interp();
    PyObject *old = NULL;
    int found = 0;
    pthread_mutex_lock(&nj_runtime.lock);
    for (PyThreadState *t = interp->threads; t; t = t->next) {
        if (t->thread_id == id) {
            old = __atomic_exchange_n(&t->async_exc, Py_XNewRef(exc), __ATOMIC_ACQ_REL);
            nj_break_set(t, NJ_BREAK_ASYNC);
            found = 1;
            break;
        }
    }
    pthread_mutex_unlock(&nj_runtime.lock);
    Py_XDECREF(old);
    return found;
}

PyInterpreterState *
PyInterpreterState_Head(void)
{
    return _PyRuntime.interps;
}

PyInterpreterState *
PyInterpreterState_Main(void)
{
    return nj_runtime.main;
}

PyInterpreterState *
PyInterpreterState_Next(PyInterpreterState *interp)
{
    return interp->next;
}

PyThreadState *
PyInterpreterState_ThreadHead(PyInterpreterState *interp)
{
    return interp->threads;
}

PyThreadState *
PyThreadState_Next(PyThreadState *ts)
{
    return ts->next;
}

PyInterpreterState *
PyInterpreterState_Get(void)
{
    PyThreadState *ts = PyThreadState_Get();
    return ts->interp;
}

int64_t
PyInterpreterState_GetID(PyInterpreterState *interp)
{
    if (!interp) {
        PyErr_SetString(PyExc_RuntimeError, "no interpreter provided");
        return -1;
    }
    return interp->id;
}

PyObject *
PyInterpreterState_GetDict(PyInterpreterState *interp)
{
    if (!interp->dict) {
        interp->dict = PyDict_New();
        if (!interp->dict) {
            PyErr_Clear();
        }
    }
    return interp->dict;
}

int
_PyInterpreterState_RequiresIDRef(PyInterpreterState *interp)
{
    return interp->rt.requires_idref;
}

void
_PyInterpreterState_RequireIDRef(PyInterpreterState *interp, int required)
{
    interp->rt.requires_idref = required != 0;
}

_PyFrameEvalFunction
_PyInterpreterState_GetEvalFrameFunc(PyInterpreterState *interp)
{
    void *f = interp->rt.eval_frame;
    return f ? (_PyFrameEvalFunction)f : _PyEval_EvalFrameDefault;
}

void
_PyInterpreterState_SetEvalFrameFunc(PyInterpreterState *interp, _PyFrameEvalFunction f)
{
    interp->rt.eval_frame = f == _PyEval_EvalFrameDefault ? NULL : (void *)f;
}

/* --- interpreters --------------------------------------------------------------------------- */

NjInterp *
nj_interp_new(void)
{
    NjInterp *interp = calloc(1, sizeof *interp);
    if (!interp) {
        return NULL;
    }
    nj_gil_init(&interp->rt.own_gil);
    interp->rt.gil = &interp->rt.own_gil;
    nj_pending_init(&interp->pending, NJ_PENDING_MAX);
    interp->rt.recursion_limit = 1000;
    interp->rt.dlopen_flags = 2; /* RTLD_NOW */
    interp->numbers.max_str_digits = 4300;
    nj_gc_init(interp);
    pthread_mutex_lock(&nj_runtime.lock);
    interp->id = nj_runtime.next_interp_id++;
    NjInterp **p = &_PyRuntime.interps;
    /* newest first, like the reference */
    interp->next = *p;
    *p = interp;
    if (!nj_runtime.main) {
        nj_runtime.main = interp;
        interp->rt.feature_flags = NJ_FEATURES_MAIN;
    }
    pthread_mutex_unlock(&nj_runtime.lock);
    nj_vm_interp_init(interp);
    return interp;
}

void
nj_interp_free(NjInterp *interp, bool haunted)
{
    pthread_mutex_lock(&nj_runtime.lock);
    for (NjInterp **p = &_PyRuntime.interps; *p; p = &(*p)->next) {
        if (*p == interp) {
            *p = interp->next;
            break;
        }
    }
    if (nj_runtime.main == interp) {
        nj_runtime.main = NULL;
    }
    pthread_mutex_unlock(&nj_runtime.lock);
    nj_mem_interp_fini(interp);
    if (haunted) {
        __atomic_store_n(&interp->rt.ended, true, __ATOMIC_RELEASE);
        return;
    }
    nj_gil_fini(&interp->rt.own_gil);
    free(interp);
}

PyInterpreterState *
PyInterpreterState_New(void)
{
    nj_runtime_init();
    PyThreadState *ts = nj_tstate_current;
    if (ts && PySys_Audit("cpython.PyInterpreterState_New", NULL) < 0) {
        return NULL;
    }
    return nj_interp_new();
}

void
PyInterpreterState_Clear(PyInterpreterState *interp)
{
    if (PySys_Audit("cpython.PyInterpreterState_Clear", NULL) < 0) {
        PyErr_Clear();
    }
    for (PyThreadState *t = interp->threads; t; t = t->next) {
        PyThreadState_Clear(t);
    }
    nj_import_fini(interp);
    nj_warnings_fini(interp);
    nj_atexit_fini(interp);
    Py_CLEAR(interp->rt.audit_hooks);
    Py_CLEAR(interp->rt.mod_by_index);
    nj_xi_fini(interp);
    Py_CLEAR(interp->frontend.ast_state);
    Py_CLEAR(interp->strs.codec_search);
    Py_CLEAR(interp->strs.codec_cache);
    Py_CLEAR(interp->strs.codec_errors);
    Py_CLEAR(interp->importlib);
    Py_CLEAR(interp->import_func);
    Py_CLEAR(interp->dict);
    Py_CLEAR(interp->rt.excepthook_default);
    Py_CLEAR(interp->rt.before_fork);
    Py_CLEAR(interp->rt.after_fork_parent);
    Py_CLEAR(interp->rt.after_fork_child);
    PyObject *sysdict = interp->sysdict, *builtins = interp->builtins;
    if (sysdict) {
        PyDict_Clear(sysdict);
    }
    if (builtins) {
        PyDict_Clear(builtins);
    }
    interp->sysdict = NULL;
    interp->builtins = NULL;
    Py_XDECREF(sysdict);
    Py_XDECREF(builtins);
    Py_CLEAR(interp->rt.sys_private);
    Py_CLEAR(interp->rt.sysmod);
    Py_CLEAR(interp->rt.builtinsmod);
    Py_CLEAR(interp->modules);
    PyConfig_Clear(&interp->rt.config);
    /* what codecs, import and sys held is in cycles */
    nj_gc_collect(interp, 2, true);
}

void
PyInterpreterState_Delete(PyInterpreterState *interp)
{
    /* A daemon thread may sleep outside and come back: its state and the interpreter must
     * be there to tell it to stay away. */
    bool haunted = false;
    for (PyThreadState *t = interp->threads, *next; t; t = next) {
        next = t->next;
        if (t->_status.bound && t->thread_id != PyThread_get_thread_ident()) {
            haunted = true;
            continue;
        }
        if (t == nj_tstate_current) {
            nj_tstate_current = NULL;
            nj_gil_drop(t, true);
        }
        free_tstate(t);
    }
    nj_interp_free(interp, haunted);
}

/* PEP 3121: modules by m_index */
PyObject *
PyState_FindModule(PyModuleDef *def)
{
    NjInterp *interp = nj_interp();
    Py_ssize_t i = def->m_base.m_index;
    PyObject *list = interp->rt.mod_by_index;
    if (def->m_slots || i <= 0 || !list || i >= PyList_GET_SIZE(list)) {
        return NULL;
    }
    PyObject *m = PyList_GET_ITEM(list, i);
    return m == Py_None ? NULL : m;
}

PyAPI_FUNC(int) _PyState_AddModule(PyThreadState *ts, PyObject *module, PyModuleDef *def);
int
_PyState_AddModule(PyThreadState *ts, PyObject *module, PyModuleDef *def)
{
    NjInterp *interp = ts->interp;
    if (!def) {
        assert(PyErr_Occurred());
        return -1;
    }
    if (def->m_slots) {
        PyErr_SetString(PyExc_SystemError,
                        "PyState_AddModule called on module with slots");
        return -1;
    }
    if (!interp->rt.mod_by_index) {
        interp->rt.mod_by_index = PyList_New(0);
        if (!interp->rt.mod_by_index) {
            return -1;
        }
    }
    while (PyList_GET_SIZE(interp->rt.mod_by_index) <= def->m_base.m_index) {
        if (PyList_Append(interp->rt.mod_by_index, Py_None) < 0) {
            return -1;
        }
    }
    return PyList_SetItem(interp->rt.mod_by_index, def->m_base.m_index,
                          Py_NewRef(module));
}

int
PyState_AddModule(PyObject *module, PyModuleDef *def)
{
    if (!def) {
        _Py_FatalErrorFunc(__func__, "module definition is NULL");
    }
    NjInterp *interp = nj_interp();
    PyObject *list = interp->rt.mod_by_index;
    Py_ssize_t i = def->m_base.m_index;
    if (list && i < PyList_GET_SIZE(list) && PyList_GET_ITEM(list, i) == module) {
        _Py_FatalErrorFunc(__func__, "module already added");
    }
    return _PyState_AddModule(nj_tstate(), module, def);
}

int
PyState_RemoveModule(PyModuleDef *def)
{
    NjInterp *interp = nj_interp();
    Py_ssize_t i = def->m_base.m_index;
    PyObject *list = interp->rt.mod_by_index;
    if (def->m_slots) {
        PyErr_SetString(PyExc_SystemError,
                        "PyState_RemoveModule called on module with slots");
        return -1;
    }
    if (i == 0) {
        _Py_FatalErrorFunc(__func__, "invalid module index");
    }
    if (!list || i >= PyList_GET_SIZE(list)) {
        _Py_FatalErrorFunc(__func__, "Interpreters module-list not accessible.");
    }
    return PyList_SetItem(list, i, Py_NewRef(Py_None));
}

/* --- GIL-state API ---------------------------------------------------------------------------- */

PyThreadState *
PyGILState_GetThisThreadState(void)
{
    return gilstate_tstate;
}

int
PyGILState_Check(void)
{
    PyThreadState *ts = nj_tstate_current;
    return ts && (ts == gilstate_tstate || !gilstate_tstate ||
                  ts->interp != nj_runtime.main);
}

PyGILState_STATE
PyGILState_Ensure(void)
{
    PyThreadState *ts = gilstate_tstate;
    bool held;
    if (!ts) {
        if (!nj_runtime.main) {
            _Py_FatalErrorFunc(__func__, "the Python interpreter is not initialized");
        }
        ts = nj_tstate_new(nj_runtime.main, 4);
        if (!ts) {
            _Py_FatalErrorFunc(__func__,
                               "Couldn't create thread-state for new thread");
        }
        nj_tstate_bind(ts);
        ts->gilstate_counter = 0;
        held = false;
    }
    else {
        held = nj_tstate_current == ts;
    }
    if (!held) {
        PyEval_RestoreThread(ts);
    }
    ts->gilstate_counter++;
    return held ? PyGILState_LOCKED : PyGILState_UNLOCKED;
}

void
PyGILState_Release(PyGILState_STATE old)
{
    PyThreadState *ts = gilstate_tstate;
    if (!ts) {
        _Py_FatalErrorFunc(__func__,
                           "auto-releasing thread-state, but no thread-state for this "
                           "thread");
    }
    if (nj_tstate_current != ts) {
        _Py_FatalErrorFunc(__func__,
                           "thread state must be current when releasing");
    }
    if (--ts->gilstate_counter == 0) {
        ts->gilstate_counter++; /* destructors may call Ensure */
        PyThreadState_Clear(ts);
        ts->gilstate_counter--;
        PyThreadState_DeleteCurrent();
    }
    else if (old == PyGILState_UNLOCKED) {
        PyEval_SaveThread();
    }
}

/* --- PyEval_*Thread ------------------------------------------------------------------------------ */

PyThreadState *
PyEval_SaveThread(void)
{
    PyThreadState *ts = PyThreadState_Get();
    nj_tstate_detach(ts);
    return ts;
}

void
PyEval_RestoreThread(PyThreadState *ts)
{
    if (!ts) {
        _Py_FatalErrorFunc(__func__, "NULL tstate");
    }
    nj_tstate_attach(ts);
}

void
PyEval_AcquireThread(PyThreadState *ts)
{
    PyEval_RestoreThread(ts);
}

void
PyEval_ReleaseThread(PyThreadState *ts)
{
    if (ts != nj_tstate_current) {
        _Py_FatalErrorFunc(__func__, "wrong thread state");
    }
    nj_tstate_detach(ts);
}

#undef PyEval_InitThreads
void
PyEval_InitThreads(void)
{
}

/* In a build with a GIL the thread that asks is the only one running already. */
PyAPI_FUNC(void) _PyEval_StopTheWorld(PyInterpreterState *interp);
void
_PyEval_StopTheWorld(PyInterpreterState *interp)
{
    nj_thread()->rt.critical++;
}

PyAPI_FUNC(void) _PyEval_StartTheWorld(PyInterpreterState *interp);
void
_PyEval_StartTheWorld(PyInterpreterState *interp)
{
    nj_thread()->rt.critical--;
}

PyObject *
_PyThread_CurrentFrames(void)
{
    if (PySys_Audit("sys._current_frames", NULL) < 0) {
        return NULL;
    }
    NJ_OWN result = PyDict_New();
    if (!result) {
        return NULL;
    }
    for (NjInterp *i = _PyRuntime.interps; i; i = i->next) {
        if (i != nj_interp()) {
            continue; /* frames of other interpreters are not ours to touch */
        }
        for (PyThreadState *t = i->threads; t; t = t->next) {
            if (!t->current_frame) {
                continue;
            }
            NJ_OWN frame = (PyObject *)PyThreadState_GetFrame(t);
            if (!frame) {
                if (PyErr_Occurred()) {
                    return NULL;
                }
                continue;
            }
            NJ_OWN id = PyLong_FromUnsignedLong(t->thread_id);
            if (!id || PyDict_SetItem(result, id, frame) < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(result);
}

/* The child of fork: every other thread is gone. */
void
nj_tstate_after_fork(void)
{
    PyThreadState *me = nj_tstate_current;
    pthread_mutex_init(&nj_runtime.lock, NULL);
    pthread_mutex_init(&nj_runtime.shared.lock, NULL);
    nj_runtime.main_thread = PyThread_get_thread_ident();
    if (!me) {
        return;
    }
    me->thread_id = PyThread_get_thread_ident();
    me->native_thread_id = PyThread_get_thread_native_id();
    nj_gil_after_fork(me->interp->rt.gil);
    pthread_mutex_init(&nj_runtime.pending_main.mutex, NULL);
    nj_runtime.pending_main.busy = false;
    for (NjInterp *i = _PyRuntime.interps; i; i = i->next) {
        if (i->rt.gil != me->interp->rt.gil) {
            nj_gil_init(i->rt.gil);
        }
        pthread_mutex_init(&i->pending.mutex, NULL);
        i->pending.busy = false;
    }
    NjInterp *interp = me->interp;
    for (NjInterp *i = _PyRuntime.interps; i; i = i->next) {
        /* whoever ran __main__, it is this thread's now */
        if (i->rt.xi.running) {
            i->rt.xi.running = i == interp ? me : NULL;
        }
    }
    PyThreadState *dead = NULL;
    for (PyThreadState *t = interp->threads, *next; t; t = next) {
        next = t->next;
        if (t != me) {
            t->next = dead;
            t->prev = NULL;
            dead = t;
        }
    }
    interp->threads = me;
    me->prev = me->next = NULL;
    interp->rt.main_tstate = me;
    while (dead) {
        PyThreadState *t = dead;
        dead = t->next;
        t->next = t->prev = NULL;
        PyThreadState_Clear(t);
        t->current_frame = NULL;
        /* its frames still refer to objects the dead thread was using: leaked */
        free(t);
    }
}

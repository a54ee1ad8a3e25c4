/* lock.c - locks and OS threads: PyMutex, PyThread_*, thread-specific storage.
 *
 * PyMutex is one byte, its fast paths are inlined in extensions: bit 0 locked, bit 1
 * somebody waits. Waiters park in one of a few buckets chosen by the mutex's address;
 * unlocking with bit 1 set wakes everybody in the bucket, who try again. A waiter lets
 * go of the GIL while it sleeps.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

#include <errno.h>
#include <limits.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* --- PyMutex -------------------------------------------------------------------------- */

#define BUCKETS 64
#define HAS_WAITERS 2

/* The one allowed mutable global of this file: addresses are process-wide. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
} buckets[BUCKETS] = {
    [0 ... BUCKETS - 1] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER}};

#undef PyMutex_Lock
#undef PyMutex_Unlock
#undef PyMutex_IsLocked

static size_t
bucket_of(const PyMutex *m)
{
    uintptr_t a = (uintptr_t)m;
    return (a ^ a >> 6 ^ a >> 12) % BUCKETS;
}

PyAPI_FUNC(PyLockStatus) _PyMutex_LockTimed(PyMutex *m, PyTime_t timeout, int flags);
/* timeout in nanoseconds, negative: for ever. flags: 1 detach, 2 handle signals */
PyLockStatus
_PyMutex_LockTimed(PyMutex *m, PyTime_t timeout, int flags)
{
    uint8_t v = __atomic_load_n(&m->_bits, __ATOMIC_RELAXED);
    for (int spin = 0; spin < 20; spin++) {
        if (!(v & 1)) {
            if (__atomic_compare_exchange_n(&m->_bits, &v, v | 1, false,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
                return PY_LOCK_ACQUIRED;
            }
        }
        else {
            v = __atomic_load_n(&m->_bits, __ATOMIC_RELAXED);
        }
    }
    if (timeout == 0) {
        return PY_LOCK_FAILURE;
    }
    PyThreadState *ts = nj_tstate();
    if (ts) {
        nj_tstate_detach(ts);
    }
    struct timespec end;
    if (timeout > 0) {
        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += (time_t)(timeout / 1000000000);
        end.tv_nsec += (long)(timeout % 1000000000);
        if (end.tv_nsec >= 1000000000) {
            end.tv_nsec -= 1000000000;
            end.tv_sec++;
        }
    }
    size_t b = bucket_of(m);
    PyLockStatus res = PY_LOCK_ACQUIRED;
    pthread_mutex_lock(&buckets[b].mutex);
    for (;;) {
        v = __atomic_load_n(&m->_bits, __ATOMIC_RELAXED);
        if (!(v & 1)) {
            if (__atomic_compare_exchange_n(&m->_bits, &v, v | 1, false,
                                            __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
                break;
            }
            continue;
        }
        if (!(v & HAS_WAITERS) &&
            !__atomic_compare_exchange_n(&m->_bits, &v, v | HAS_WAITERS, false,
                                         __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            continue;
        }
        if (timeout < 0) {
            pthread_cond_wait(&buckets[b].cond, &buckets[b].mutex);
        }
        else if (pthread_cond_timedwait(&buckets[b].cond, &buckets[b].mutex, &end) ==
                 ETIMEDOUT) {
            res = PY_LOCK_FAILURE;
            break;
        }
    }
    pthread_mutex_unlock(&buckets[b].mutex);
    if (ts) {
        nj_tstate_attach(ts);
    }
    return res;
}

void
PyMutex_Lock(PyMutex *m)
{
    uint8_t v = 0;
    if (!__atomic_compare_exchange_n(&m->_bits, &v, 1, false, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
        (void)_PyMutex_LockTimed(m, -1, 1);
    }
}

void
PyMutex_Unlock(PyMutex *m)
{
    uint8_t v = __atomic_load_n(&m->_bits, __ATOMIC_RELAXED);
    if (!(v & 1)) {
        Py_FatalError("unlocking mutex that is not locked");
    }
    if (v == 1 && __atomic_compare_exchange_n(&m->_bits, &v, 0, false, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED)) {
        return;
    }
    size_t b = bucket_of(m);
    pthread_mutex_lock(&buckets[b].mutex);
    __atomic_store_n(&m->_bits, 0, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&buckets[b].cond);
    pthread_mutex_unlock(&buckets[b].mutex);
}

int
PyMutex_IsLocked(PyMutex *m)
{
    return __atomic_load_n(&m->_bits, __ATOMIC_RELAXED) & 1;
}

/* Critical sections protect objects in free-threaded builds; the GIL does here. */
void
PyCriticalSection_Begin(PyCriticalSection *c, PyObject *op)
{
}

void
PyCriticalSection_BeginMutex(PyCriticalSection *c, PyMutex *m)
{
}

void
PyCriticalSection_End(PyCriticalSection *c)
{
}

void
PyCriticalSection2_Begin(PyCriticalSection2 *c, PyObject *a, PyObject *b)
{
}

void
PyCriticalSection2_BeginMutex(PyCriticalSection2 *c, PyMutex *m1, PyMutex *m2)
{
}

void
PyCriticalSection2_End(PyCriticalSection2 *c)
{
}

/* --- PyThread locks ----------------------------------------------------------------------- */

PyAPI_DATA(const long long) PY_TIMEOUT_MAX;
const long long PY_TIMEOUT_MAX = LLONG_MAX / 1000;

void
PyThread_init_thread(void)
{
}

PyThread_type_lock
PyThread_allocate_lock(void)
{
    sem_t *s = PyMem_RawMalloc(sizeof *s);
    if (s && sem_init(s, 0, 1) != 0) {
        PyMem_RawFree(s);
        s = NULL;
    }
    return s;
}

void
PyThread_free_lock(PyThread_type_lock lock)
{
    if (lock) {
        sem_destroy(lock);
        PyMem_RawFree(lock);
    }
}

/* microseconds: negative for ever, 0 try. */
PyLockStatus
PyThread_acquire_lock_timed(PyThread_type_lock lock, PY_TIMEOUT_T us, int intr_flag)
{
    sem_t *s = lock;
    int rc;
    if (us == 0) {
        do {
            rc = sem_trywait(s);
        } while (rc != 0 && errno == EINTR);
        return rc == 0 ? PY_LOCK_ACQUIRED : PY_LOCK_FAILURE;
    }
    if (us < 0) {
        do {
            rc = sem_wait(s);
        } while (rc != 0 && errno == EINTR && !intr_flag);
    }
    else {
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        if (us / 1000000 > LONG_MAX - ts.tv_sec - 1) {
            ts.tv_sec = LONG_MAX;
        }
        else {
            ts.tv_sec += (time_t)(us / 1000000);
        }
        ts.tv_nsec += (long)(us % 1000000) * 1000;
        if (ts.tv_nsec >= 1000000000) {
            ts.tv_nsec -= 1000000000;
            ts.tv_sec++;
        }
        do {
            rc = sem_clockwait(s, CLOCK_MONOTONIC, &ts);
        } while (rc != 0 && errno == EINTR && !intr_flag);
    }
    if (rc == 0) {
        return PY_LOCK_ACQUIRED;
    }
    return errno == EINTR ? PY_LOCK_INTR : PY_LOCK_FAILURE;
}

int
PyThread_acquire_lock(PyThread_type_lock lock, int wait)
{
    return PyThread_acquire_lock_timed(lock, wait ? -1 : 0, 0) == PY_LOCK_ACQUIRED;
}

void
PyThread_release_lock(PyThread_type_lock lock)
{
    sem_post(lock);
}

/* --- threads -------------------------------------------------------------------------------- */

unsigned long
PyThread_get_thread_ident(void)
{
    return (unsigned long)pthread_self();
}

unsigned long
PyThread_get_thread_native_id(void)
{
    return (unsigned long)syscall(SYS_gettid);
}

typedef struct NjBoot {
    void (*func)(void *);
    void *arg;
} NjBoot;

static void *
boot_thread(void *p)
{
    NjBoot b = *(NjBoot *)p;
    PyMem_RawFree(p);
    b.func(b.arg);
    return NULL;
}

/* 0 and the thread, or -1. */
int nj_lock_start_thread(void (*func)(void *), void *arg, bool joinable, pthread_t *out);
int
nj_lock_start_thread(void (*func)(void *), void *arg, bool joinable, pthread_t *out)
{
    pthread_attr_t attr;
    if (pthread_attr_init(&attr) != 0) {
        return -1;
    }
    PyThreadState *ts = nj_tstate();
    size_t size = ts ? ts->interp->rt.thread_stack_size : 0;
    int rc = size ? pthread_attr_setstacksize(&attr, size) : 0;
    if (!joinable) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    }
    NjBoot *b = PyMem_RawMalloc(sizeof *b);
    if (rc != 0 || !b) {
        PyMem_RawFree(b);
        pthread_attr_destroy(&attr);
        return -1;
    }
    b->func = func;
    b->arg = arg;
    rc = pthread_create(out, &attr, boot_thread, b);
    pthread_attr_destroy(&attr);
    if (rc != 0) {
        PyMem_RawFree(b);
        errno = rc;
        return -1;
    }
    return 0;
}

unsigned long
PyThread_start_new_thread(void (*func)(void *), void *arg)
{
    pthread_t th;
    if (nj_lock_start_thread(func, arg, false, &th) < 0) {
        return PYTHREAD_INVALID_THREAD_ID;
    }
    return (unsigned long)th;
}

void _Py_NO_RETURN
PyThread_exit_thread(void)
{
    pthread_exit(NULL);
}

#define NJ_MIN_STACK ((size_t)53248) /* the reference's lower bound */

size_t
PyThread_get_stacksize(void)
{
    return nj_interp()->rt.thread_stack_size;
}

int
PyThread_set_stacksize(size_t size)
{
    if (size != 0) {
        if (size < NJ_MIN_STACK) {
            return -1;
        }
        pthread_attr_t attr;
        if (pthread_attr_init(&attr) != 0) {
            return -1;
        }
        int rc = pthread_attr_setstacksize(&attr, size);
        pthread_attr_destroy(&attr);
        if (rc != 0) {
            return -1;
        }
    }
    nj_interp()->rt.thread_stack_size = size;
    return 0;
}

/* --- storage ---------------------------------------------------------------------------------- */

int
PyThread_create_key(void)
{
    pthread_key_t key;
    return pthread_key_create(&key, NULL) == 0 && key <= INT_MAX ? (int)key : -1;
}

void
PyThread_delete_key(int key)
{
    pthread_key_delete((pthread_key_t)key);
}

int
PyThread_set_key_value(int key, void *value)
{
    return pthread_setspecific((pthread_key_t)key, value) ? -1 : 0;
}

void *
PyThread_get_key_value(int key)
{
    return pthread_getspecific((pthread_key_t)key);
}

void
PyThread_delete_key_value(int key)
{
    pthread_setspecific((pthread_key_t)key, NULL);
}

void
PyThread_ReInitTLS(void)
{
}

Py_tss_t *
PyThread_tss_alloc(void)
{
    Py_tss_t *key = PyMem_RawMalloc(sizeof *key);
    if (key) {
        *key = (Py_tss_t)Py_tss_NEEDS_INIT;
    }
    return key;
}

void
PyThread_tss_free(Py_tss_t *key)
{
    if (key) {
        PyThread_tss_delete(key);
        PyMem_RawFree(key);
    }
}

int
PyThread_tss_is_created(Py_tss_t *key)
{
    return key->_is_initialized;
}

int
PyThread_tss_create(Py_tss_t *key)
{
    if (key->_is_initialized) {
        return 0;
    }
    if (pthread_key_create(&key->_key, NULL) != 0) {
        return -1;
    }
    key->_is_initialized = 1;
    return 0;
}

void
PyThread_tss_delete(Py_tss_t *key)
{
    if (key->_is_initialized) {
        pthread_key_delete(key->_key);
        key->_is_initialized = 0;
    }
}

int
PyThread_tss_set(Py_tss_t *key, void *value)
{
    return pthread_setspecific(key->_key, value) ? -1 : 0;
}

void *
PyThread_tss_get(Py_tss_t *key)
{
    return pthread_getspecific(key->_key);
}

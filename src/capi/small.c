/* small.c - exported functions that belong to no type and need no state.
 *
 * The once flag of extensions' argument parsers: 0 not done, 1 being done, 4 done; the
 * values are those of the reference, whose inline fast path tests for 4.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/random.h>

#include "runtime/state.h"

#undef Py_PACK_FULL_VERSION
uint32_t
Py_PACK_FULL_VERSION(int x, int y, int z, int level, int serial)
{
    return _Py_PACK_FULL_VERSION(x, y, z, level, serial);
}

#undef Py_PACK_VERSION
uint32_t
Py_PACK_VERSION(int x, int y)
{
    return _Py_PACK_FULL_VERSION(x, y, 0, 0, 0);
}

PyAPI_FUNC(int) _Py_IsValidFD(int fd);
int
_Py_IsValidFD(int fd)
{
    return fd >= 0 && fcntl(fd, F_GETFD) >= 0;
}

PyAPI_FUNC(int) _PyOnceFlag_CallOnceSlow(_PyOnceFlag *flag, int (*fn)(void *), void *arg);
int
_PyOnceFlag_CallOnceSlow(_PyOnceFlag *flag, int (*fn)(void *), void *arg)
{
    enum { NOT_DONE = 0, RUNNING = 1, DONE = 4 };
    while (true) {
        uint8_t seen = NOT_DONE;
        if (__atomic_compare_exchange_n(&flag->v, &seen, RUNNING, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
            int rc = fn(arg);
            __atomic_store_n(&flag->v, rc == 0 ? DONE : NOT_DONE, __ATOMIC_RELEASE);
            return rc;
        }
        if (seen == DONE) {
            return 0;
        }
        Py_BEGIN_ALLOW_THREADS
        sched_yield();
        Py_END_ALLOW_THREADS
    }
}

/* Bytes from the kernel without waiting for its pool to fill at boot. 0, or -1 with an exception. */
PyAPI_FUNC(int) _PyOS_URandomNonblock(void *buffer, Py_ssize_t size);
int
_PyOS_URandomNonblock(void *buffer, Py_ssize_t size)
{
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative argument not allowed");
        return -1;
    }
    char *p = buffer;
    while (size > 0) {
        ssize_t n = getrandom(p, (size_t)size, GRND_NONBLOCK);
        if (n < 0 && errno == EAGAIN) {
            /* /dev/urandom answers even before the pool is ready. */
            n = getrandom(p, (size_t)size, GRND_INSECURE);
        }
        if (n < 0) {
            if (errno == EINTR) {
                if (PyErr_CheckSignals() < 0) {
                    return -1;
                }
                continue;
            }
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        p += n;
        size -= n;
    }
    return 0;
}

int
_Py_ReachedRecursionLimitWithMargin(PyThreadState *tstate, int margin_count)
{
    const uintptr_t margin = 2048 * sizeof(void *); /* of one nesting, as on the reference */
    return (uintptr_t)__builtin_frame_address(0) <
           ((NjThread *)tstate)->c_stack_soft + (uintptr_t)margin_count * margin;
}

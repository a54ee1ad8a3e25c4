/* small.c - exported functions that belong to no type and need no state.
 *
 * The once flag of extensions' argument parsers: 0 not done, 1 being done, 4 done; the
 * values are those of the reference, whose inline fast path tests for 4.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <fcntl.h>
#include <sched.h>

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

/* tracemalloc does not trace in this engine: "not enabled". */
int
PyTraceMalloc_Track(unsigned int Py_UNUSED(domain), uintptr_t Py_UNUSED(ptr),
                    size_t Py_UNUSED(size))
{
    return -2;
}

int
PyTraceMalloc_Untrack(unsigned int Py_UNUSED(domain), uintptr_t Py_UNUSED(ptr))
{
    return -2;
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

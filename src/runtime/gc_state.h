/* gc_state.h - the collector's state in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_GC_STATE_H
#define NJ_GC_STATE_H

#include "nj.h"

typedef struct NjGCHead {
    uintptr_t next; /* next object of the generation; 0 = not tracked */
    uintptr_t prev; /* previous object; low two bits are flags */
} NjGCHead;

typedef struct NjGCState {
    NjGCHead young; /* head of generation 0; circular, empty when it points to itself */
    NjGCHead middle;
    NjGCHead old;
    NjGCHead permanent; /* gc.freeze() */
    int count[3];       /* allocations since the last collection of each generation */
    int threshold[3];
    int debug; /* gc.set_debug flags */
    bool enabled;
    bool collecting;
    PyObject *garbage;   /* gc.garbage list, owned */
    PyObject *callbacks; /* gc.callbacks list, owned */
    Py_ssize_t long_lived_total;
    Py_ssize_t long_lived_pending;
    struct {
        Py_ssize_t collections, collected, uncollectable;
    } stats[3];
} NjGCState;

#endif

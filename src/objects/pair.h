/* pair.h - reuse of result tuples by enumerate, zip and dict item iterators
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_PAIR_H
#define NJ_OBJECTS_PAIR_H

#include "nj.h"
#include "runtime/gc.h"

/* True if only the iterator holds the tuple: it may be filled anew. */
NJ_INLINE bool
nj_tuple_reusable(PyObject *t)
{
    return t->ob_refcnt_full == 1;
}

/* A reused tuple with new contents: its hash is unknown, and it is tracked. */
NJ_INLINE void
nj_tuple_renewed(PyObject *t)
{
    ((PyTupleObject *)t)->ob_hash = -1;
    if (!nj_gc_is_tracked(t)) {
        nj_gc_track(t);
    }
}

/* (a, b), in the tuple `pair' if nobody else has it. Steals a and b. */
NJ_INLINE PyObject *
nj_pair_fill(PyObject *pair, NJ_STEALS PyObject *a, NJ_STEALS PyObject *b)
{
    if (nj_tuple_reusable(pair)) {
        PyObject **item = ((PyTupleObject *)pair)->ob_item;
        PyObject *old_a = item[0], *old_b = item[1];
        Py_INCREF(pair);
        item[0] = a;
        item[1] = b;
        nj_tuple_renewed(pair);
        Py_DECREF(old_a);
        Py_DECREF(old_b);
        return pair;
    }
    PyObject *t = PyTuple_New(2);
    if (t == NULL) {
        Py_DECREF(a);
        Py_DECREF(b);
        return NULL;
    }
    PyTuple_SET_ITEM(t, 0, a);
    PyTuple_SET_ITEM(t, 1, b);
    return t;
}

#endif

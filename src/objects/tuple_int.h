/* tuple_int.h - building tuples fast, for the VM and the containers
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_TUPLE_INT_H
#define NJ_OBJECTS_TUPLE_INT_H

#include "nj.h"

/* New tuple of n borrowed items; () for 0. Not tracked by the collector when no item is a
 * GC object that could be part of a cycle. */
PyObject *nj_tuple_from_array(PyObject *const *items, Py_ssize_t n);
/* The same, taking over the items (also on failure). BUILD_TUPLE. */
PyObject *nj_tuple_from_array_steal(NJ_STEALS PyObject *const *items, Py_ssize_t n);
/* (a, b), taking over both. */
PyObject *nj_tuple_pair_steal(NJ_STEALS PyObject *a, NJ_STEALS PyObject *b);
/* tuple.__new__(type, iterable); iterable may be NULL. */
PyObject *nj_tuple_of_type(PyTypeObject *type, PyObject *iterable);
/* For the collector: untracks an exact tuple whose items can never be part of a cycle. */
void nj_tuple_maybe_untrack(PyObject *op);

#endif

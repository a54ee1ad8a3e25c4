/* list_int.h - list internals shared by list.c, list_sort.c and the VM
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_LIST_INT_H
#define NJ_OBJECTS_LIST_INT_H

#include "nj.h"

/* Makes room for n items and sets the size to n; new items are uninitialised. 0 or -1. */
int nj_list_resize(PyListObject *self, Py_ssize_t n);
/* Slow half of append: the list is full. Steals v, also on failure. */
int nj_list_append_grow_steal(PyListObject *self, NJ_STEALS PyObject *v);

/* Steals v, also on failure. LIST_APPEND, list.append. */
NJ_INLINE int
nj_list_append_steal(PyListObject *self, NJ_STEALS PyObject *v)
{
    Py_ssize_t n = Py_SIZE(self);
    if (NJ_LIKELY(n < self->allocated)) {
        self->ob_item[n] = v;
        ((PyVarObject *)self)->ob_size = n + 1;
        return 0;
    }
    return nj_list_append_grow_steal(self, v);
}

/* New list taking over n items (also on failure). BUILD_LIST. */
PyObject *nj_list_from_array_steal(NJ_STEALS PyObject *const *items, Py_ssize_t n);
/* list.sort: 0 or -1. key may be NULL. */
int nj_list_sort(PyListObject *self, PyObject *key, bool reverse);

#endif

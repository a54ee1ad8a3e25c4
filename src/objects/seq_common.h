/* seq_common.h - comparing items and reading indices, for list, tuple, deque and sort
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_SEQ_COMMON_H
#define NJ_OBJECTS_SEQ_COMMON_H

#include "nj.h"

/* a == b as `in' sees it: identical, or equal. 1, 0, -1. Holds a and b while Python code
 * may run. Exact int and str never leave this function. */
NJ_INLINE int
nj_items_equal(PyObject *a, PyObject *b)
{
    if (a == b) {
        return 1;
    }
    PyTypeObject *tp = Py_TYPE(a);
    if (tp == Py_TYPE(b)) {
        if (tp == &PyLong_Type) {
            uintptr_t ta = ((PyLongObject *)a)->long_value.lv_tag & ~(uintptr_t)4;
            uintptr_t tb = ((PyLongObject *)b)->long_value.lv_tag & ~(uintptr_t)4;
            if (ta != tb) {
                return 0;
            }
            if (ta < (2 << 3)) {
                return ((PyLongObject *)a)->long_value.ob_digit[0] ==
                       ((PyLongObject *)b)->long_value.ob_digit[0];
            }
            return memcmp(((PyLongObject *)a)->long_value.ob_digit,
                          ((PyLongObject *)b)->long_value.ob_digit,
                          (ta >> 3) * sizeof(digit)) == 0;
        }
        if (tp == &PyUnicode_Type) {
            Py_ssize_t n = PyUnicode_GET_LENGTH(a);
            int kind = PyUnicode_KIND(a);
            return n == PyUnicode_GET_LENGTH(b) && kind == (int)PyUnicode_KIND(b) &&
                   memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b),
                          (size_t)n * (size_t)kind) == 0;
        }
    }
    Py_INCREF(a);
    Py_INCREF(b);
    int r = PyObject_RichCompareBool(a, b, Py_EQ);
    Py_DECREF(a);
    Py_DECREF(b);
    return r;
}

NJ_INLINE bool
nj_is_index(PyObject *op)
{
    PyNumberMethods *nb = Py_TYPE(op)->tp_as_number;
    return nb && nb->nb_index;
}

/* A start/stop argument: any __index__ object, clamped to Py_ssize_t. 0 or -1. */
static inline int
nj_slice_bound(PyObject *v, Py_ssize_t *out)
{
    if (!nj_is_index(v)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or have an __index__ method");
        return -1;
    }
    Py_ssize_t i = PyNumber_AsSsize_t(v, NULL);
    if (i == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = i;
    return 0;
}

#endif

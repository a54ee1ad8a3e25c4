/* list_sort.c - list.sort and sorted.
 *
 * One look at all keys chooses the element form: machine integers, doubles, strings with
 * their first eight bytes at hand, or plain objects compared by `<'. The first three
 * cannot fail and run no Python code; the sort itself is list_sort_impl.h.
 *
 * While sorting, the list is empty and `allocated' is -1; whoever changes it meanwhile gets
 * ValueError afterwards, and the changes are thrown away.
 *
 * reverse keeps equal items in their order: the array is filled from the end and written
 * back from the end.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/list_int.h"
#include "objects/seq_common.h"

/* Depth in the merge tree of the boundary between the run [s1, s1+n1) and the n2 elements
 * behind it, in an array of n. */
static int
node_power(Py_ssize_t s1, Py_ssize_t n1, Py_ssize_t n2, Py_ssize_t n)
{
    /* midpoints of both runs, doubled, as binary fractions of 2n: first bit that differs */
    Py_ssize_t a = 2 * s1 + n1, b = a + n1 + n2;
    int power = 0;
    for (;;) {
        power++;
        if (a >= n) {
            a -= n;
            b -= n;
        }
        else if (b >= n) {
            return power;
        }
        a <<= 1;
        b <<= 1;
    }
}

/* str < str, both exact */
NJ_INLINE int
str_less(PyObject *a, PyObject *b)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(a), m = PyUnicode_GET_LENGTH(b);
    if (PyUnicode_KIND(a) == PyUnicode_1BYTE_KIND &&
        PyUnicode_KIND(b) == PyUnicode_1BYTE_KIND) {
        int r = memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)(n < m ? n : m));
        return r ? r < 0 : n < m;
    }
    return PyUnicode_Compare(a, b) < 0;
}

/* a < b for any objects; the common exact types do not leave this function. */
NJ_INLINE int
any_less(PyObject *a, PyObject *b)
{
    PyTypeObject *tp = Py_TYPE(a);
    if (tp == Py_TYPE(b)) {
        if (tp == &PyLong_Type && PyUnstable_Long_IsCompact((PyLongObject *)a) &&
            PyUnstable_Long_IsCompact((PyLongObject *)b)) {
            return PyUnstable_Long_CompactValue((PyLongObject *)a) <
                   PyUnstable_Long_CompactValue((PyLongObject *)b);
        }
        if (tp == &PyUnicode_Type) {
            return str_less(a, b);
        }
        if (tp == &PyFloat_Type) {
            return PyFloat_AS_DOUBLE(a) < PyFloat_AS_DOUBLE(b);
        }
        if (tp->tp_richcompare) {
            PyObject *res = tp->tp_richcompare(a, b, Py_LT);
            if (res == Py_True || res == Py_False) {
                return res == Py_True;
            }
            if (res == NULL) {
                return -1;
            }
            if (res != Py_NotImplemented) {
                int r = PyObject_IsTrue(res);
                Py_DECREF(res);
                return r;
            }
        }
    }
    return PyObject_RichCompareBool(a, b, Py_LT);
}

/* Exact tuples: the first items that differ decide. */
NJ_INLINE int
tuple_less(PyObject *a, PyObject *b)
{
    Py_ssize_t n = PyTuple_GET_SIZE(a), m = PyTuple_GET_SIZE(b);
    for (Py_ssize_t i = 0; i < n && i < m; i++) {
        PyObject *x = PyTuple_GET_ITEM(a, i), *y = PyTuple_GET_ITEM(b, i);
        int r = nj_items_equal(x, y);
        if (r < 0) {
            return -1;
        }
        if (!r) {
            return any_less(x, y);
        }
    }
    return n < m;
}

typedef struct IntElem {
    int64_t key;
    PyObject *value;
} IntElem;
#define ELEM IntElem
#define SORT(x) sort_int_##x
#define LESS(a, b) ((a).key < (b).key)
#define CAN_FAIL 0
#include "objects/list_sort_impl.h"

typedef struct DoubleElem {
    double key;
    PyObject *value;
} DoubleElem;
#define ELEM DoubleElem
#define SORT(x) sort_double_##x
#define LESS(a, b) ((a).key < (b).key)
#define CAN_FAIL 0
#include "objects/list_sort_impl.h"

typedef struct StrElem {
    uint64_t prefix; /* first eight bytes, big-endian, zero-filled */
    PyObject *key;
    PyObject *value;
} StrElem;
NJ_INLINE int
str_elem_less(StrElem a, StrElem b)
{
    return a.prefix != b.prefix ? a.prefix < b.prefix : str_less(a.key, b.key);
}
#define ELEM StrElem
#define SORT(x) sort_str_##x
#define LESS(a, b) str_elem_less(a, b)
#define CAN_FAIL 0
#include "objects/list_sort_impl.h"

typedef PyObject *ObjectElem;
#define ELEM ObjectElem
#define SORT(x) sort_object_##x
#define LESS(a, b) any_less(a, b)
#define CAN_FAIL 1
#include "objects/list_sort_impl.h"

typedef struct PairElem {
    PyObject *key;
    PyObject *value;
} PairElem;
#define ELEM PairElem
#define SORT(x) sort_pair_##x
#define LESS(a, b) any_less((a).key, (b).key)
#define CAN_FAIL 1
#include "objects/list_sort_impl.h"

#define ELEM PairElem
#define SORT(x) sort_tuple_##x
#define LESS(a, b) tuple_less((a).key, (b).key)
#define CAN_FAIL 1
#include "objects/list_sort_impl.h"

enum { FORM_INT, FORM_DOUBLE, FORM_STR, FORM_TUPLE, FORM_ANY };

static int
choose_form(PyObject **keys, Py_ssize_t n)
{
    PyTypeObject *tp = Py_TYPE(keys[0]);
    if (tp == &PyLong_Type) {
        for (Py_ssize_t i = 0; i < n; i++) {
            if (Py_TYPE(keys[i]) != tp ||
                !PyUnstable_Long_IsCompact((PyLongObject *)keys[i])) {
                return FORM_ANY;
            }
        }
        return FORM_INT;
    }
    if (tp == &PyUnicode_Type) {
        for (Py_ssize_t i = 0; i < n; i++) {
            if (Py_TYPE(keys[i]) != tp ||
                PyUnicode_KIND(keys[i]) != PyUnicode_1BYTE_KIND) {
                return FORM_ANY;
            }
        }
        return FORM_STR;
    }
    if (tp != &PyFloat_Type && tp != &PyTuple_Type) {
        return FORM_ANY;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (Py_TYPE(keys[i]) != tp) {
            return FORM_ANY;
        }
    }
    return tp == &PyFloat_Type ? FORM_DOUBLE : FORM_TUPLE;
}

static uint64_t
str_prefix(PyObject *s)
{
    const unsigned char *p = PyUnicode_DATA(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    uint64_t v = 0;
    if (n >= 8) {
        memcpy(&v, p, 8);
        return __builtin_bswap64(v);
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (56 - 8 * i);
    }
    return v;
}

/* AT(i): place of item i in the array, turned round for reverse. */
#define AT(i) (reverse ? n - 1 - (i) : (i))

#define RUN(Elem, name, fill, valuepart)                                               \
    do {                                                                               \
        Elem *a = (size_t)n > (size_t)PY_SSIZE_T_MAX / sizeof(Elem)                    \
                      ? NULL                                                           \
                      : PyMem_Malloc((size_t)n * sizeof(Elem));                        \
        if (!a) {                                                                      \
            PyErr_NoMemory();                                                          \
            return -1;                                                                 \
        }                                                                              \
        for (Py_ssize_t i = 0; i < n; i++) {                                           \
            Elem *e = &a[AT(i)];                                                       \
            fill;                                                                      \
        }                                                                              \
        result = name(a, n);                                                           \
        for (Py_ssize_t i = 0; i < n; i++) {                                           \
            Elem *e = &a[AT(i)];                                                       \
            valuepart;                                                                 \
        }                                                                              \
        PyMem_Free(a);                                                                 \
    } while (0)

/* Sorts values[0..n) by keys[0..n); keys may be the same array. After an error both arrays
 * are permutations of what they were (keys in any order). */
static int
sort_arrays(PyObject **keys, PyObject **values, Py_ssize_t n, bool reverse)
{
    int result;
    bool own = keys != values;
    switch (choose_form(keys, n)) {
    case FORM_INT:
        RUN(IntElem, sort_int_sort,
            (e->key = PyUnstable_Long_CompactValue((PyLongObject *)keys[i]),
             e->value = values[i]),
            values[i] = e->value);
        return result;
    case FORM_DOUBLE:
        RUN(DoubleElem, sort_double_sort,
            (e->key = PyFloat_AS_DOUBLE(keys[i]), e->value = values[i]),
            values[i] = e->value);
        return result;
    case FORM_STR:
        RUN(StrElem, sort_str_sort,
            (e->prefix = str_prefix(keys[i]), e->key = keys[i], e->value = values[i]),
            values[i] = e->value);
        return result;
    case FORM_TUPLE:
        RUN(PairElem, sort_tuple_sort, (e->key = keys[i], e->value = values[i]),
            values[i] = e->value);
        return result;
    }
    if (own) {
        RUN(PairElem, sort_pair_sort, (e->key = keys[i], e->value = values[i]),
            values[i] = e->value);
        return result;
    }
    if (reverse) {
        sort_object_reverse(values, n);
    }
    result = sort_object_sort(values, n);
    if (reverse) {
        sort_object_reverse(values, n);
    }
    return result;
}

/* keys[i] = key(values[i]); NULL with an exception. */
static PyObject **
compute_keys(PyObject **values, Py_ssize_t n, PyObject *key)
{
    PyObject **keys = PyMem_Malloc((size_t)n * sizeof(PyObject *));
    if (!keys) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        keys[i] = PyObject_CallOneArg(key, values[i]);
        if (!keys[i]) {
            while (--i >= 0) {
                Py_DECREF(keys[i]);
            }
            PyMem_Free(keys);
            return NULL;
        }
    }
    return keys;
}

int
nj_list_sort(PyListObject *self, PyObject *key, bool reverse)
{
    Py_ssize_t n = Py_SIZE(self), allocated = self->allocated;
    PyObject **items = self->ob_item;
    ((PyVarObject *)self)->ob_size = 0;
    self->ob_item = NULL;
    self->allocated = -1;

    int result = 0;
    if (n > 0) {
        PyObject **keys = key ? compute_keys(items, n, key) : items;
        if (!keys) {
            result = -1;
        }
        else {
            if (n > 1) {
                result = sort_arrays(keys, items, n, reverse);
            }
            if (keys != items) {
                for (Py_ssize_t i = 0; i < n; i++) {
                    Py_DECREF(keys[i]);
                }
                PyMem_Free(keys);
            }
        }
    }
    if (self->allocated != -1 && result == 0) {
        PyErr_SetString(PyExc_ValueError, "list modified during sort");
        result = -1;
    }
    PyObject **others = self->ob_item;
    Py_ssize_t m = Py_SIZE(self);
    ((PyVarObject *)self)->ob_size = n;
    self->ob_item = items;
    self->allocated = allocated;
    if (others) {
        PyObject *exc = PyErr_GetRaisedException();
        while (--m >= 0) {
            Py_XDECREF(others[m]);
        }
        PyMem_Free(others);
        PyErr_SetRaisedException(exc);
    }
    return result;
}

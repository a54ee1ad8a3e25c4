/* _heapq.c - the heap functions of heapq; Lib/heapq.py explains the algorithms.
 *
 * Min- and max-heaps share the code: `max' turns the comparison round. Comparing may run
 * Python code that changes the list; its size is checked after every comparison, and the
 * item array read anew.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

/* a < b (min) or b < a (max): 1, 0, -1. Exact ints and floats never leave here. */
NJ_INLINE int
before(PyObject *a, PyObject *b, bool max)
{
    if (max) {
        PyObject *t = a;
        a = b;
        b = t;
    }
    PyTypeObject *tp = Py_TYPE(a);
    if (tp == Py_TYPE(b)) {
        if (tp == &PyLong_Type && PyUnstable_Long_IsCompact((PyLongObject *)a) &&
            PyUnstable_Long_IsCompact((PyLongObject *)b)) {
            return PyUnstable_Long_CompactValue((PyLongObject *)a) <
                   PyUnstable_Long_CompactValue((PyLongObject *)b);
        }
        if (tp == &PyFloat_Type) {
            return PyFloat_AS_DOUBLE(a) < PyFloat_AS_DOUBLE(b);
        }
    }
    Py_INCREF(a);
    Py_INCREF(b);
    int r = PyObject_RichCompareBool(a, b, Py_LT);
    Py_DECREF(a);
    Py_DECREF(b);
    return r;
}

#define ITEM(heap, i) (((PyListObject *)(heap))->ob_item[i])

static int
size_changed(PyObject *heap, Py_ssize_t n)
{
    if (NJ_LIKELY(PyList_GET_SIZE(heap) == n)) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError, "list changed size during iteration");
    return -1;
}

NJ_INLINE void
swap(PyObject *heap, Py_ssize_t i, Py_ssize_t j)
{
    PyObject *t = ITEM(heap, i);
    ITEM(heap, i) = ITEM(heap, j);
    ITEM(heap, j) = t;
}

/* The item at pos may be too small: moves it towards the root, not above start. */
NJ_INLINE int
sift_down(PyObject *heap, Py_ssize_t start, Py_ssize_t pos, bool max)
{
    Py_ssize_t n = PyList_GET_SIZE(heap);
    if (pos >= n) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return -1;
    }
    while (pos > start) {
        Py_ssize_t parent = (pos - 1) >> 1;
        int r = before(ITEM(heap, pos), ITEM(heap, parent), max);
        if (r < 0 || size_changed(heap, n) < 0) {
            return -1;
        }
        if (!r) {
            break;
        }
        swap(heap, pos, parent);
        pos = parent;
    }
    return 0;
}

/* The item at pos may be too large: moves it down to a leaf along the smaller children,
 * then up to its place. */
NJ_INLINE int
sift_up(PyObject *heap, Py_ssize_t pos, bool max)
{
    Py_ssize_t n = PyList_GET_SIZE(heap), start = pos, half = n >> 1;
    if (pos >= n) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return -1;
    }
    while (pos < half) {
        Py_ssize_t child = 2 * pos + 1;
        if (child + 1 < n) {
            int r = before(ITEM(heap, child), ITEM(heap, child + 1), max);
            if (r < 0 || size_changed(heap, n) < 0) {
                return -1;
            }
            child += !r;
        }
        swap(heap, child, pos);
        pos = child;
    }
    return sift_down(heap, start, pos, max);
}

static int
check_heap(const char *name, PyObject *heap, bool numbered)
{
    if (PyList_Check(heap)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s() argument %smust be list, not %.50s", name,
                 numbered ? "1 " : "", Py_TYPE(heap)->tp_name);
    return -1;
}

static int
check_two(const char *name, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "%s expected 2 arguments, got %zd", name, nargs);
        return -1;
    }
    return check_heap(name, args[0], true);
}

NJ_INLINE PyObject *
push(PyObject *heap, PyObject *item, bool max)
{
    if (PyList_Append(heap, item) < 0 ||
        sift_down(heap, 0, PyList_GET_SIZE(heap) - 1, max) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

NJ_INLINE PyObject *
pop(PyObject *heap, bool max)
{
    Py_ssize_t n = PyList_GET_SIZE(heap);
    if (n == 0) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return NULL;
    }
    PyObject *last = Py_NewRef(ITEM(heap, n - 1));
    if (PyList_SetSlice(heap, n - 1, n, NULL) < 0) {
        Py_DECREF(last);
        return NULL;
    }
    if (n == 1) {
        return last;
    }
    PyObject *top = ITEM(heap, 0);
    ITEM(heap, 0) = last;
    if (sift_up(heap, 0, max) < 0) {
        Py_DECREF(top);
        return NULL;
    }
    return top;
}

NJ_INLINE PyObject *
replace(PyObject *heap, PyObject *item, bool max)
{
    if (PyList_GET_SIZE(heap) == 0) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return NULL;
    }
    PyObject *top = ITEM(heap, 0);
    ITEM(heap, 0) = Py_NewRef(item);
    if (sift_up(heap, 0, max) < 0) {
        Py_DECREF(top);
        return NULL;
    }
    return top;
}

NJ_INLINE PyObject *
push_pop(PyObject *heap, PyObject *item, bool max)
{
    if (PyList_GET_SIZE(heap) == 0) {
        return Py_NewRef(item);
    }
    int r = before(ITEM(heap, 0), item, max);
    if (r < 0) {
        return NULL;
    }
    if (!r) {
        return Py_NewRef(item);
    }
    return replace(heap, item, max);
}

NJ_INLINE PyObject *
heapify(PyObject *heap, bool max)
{
    for (Py_ssize_t i = (PyList_GET_SIZE(heap) >> 1) - 1; i >= 0; i--) {
        if (sift_up(heap, i, max) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

#define TWO(name, func, max)                                                           \
    static PyObject *heapq_##name(PyObject *m, PyObject *const *args, Py_ssize_t n)    \
    {                                                                                  \
        return check_two(#name, args, n) < 0 ? NULL : func(args[0], args[1], max);     \
    }
#define ONE(name, func, max)                                                           \
    static PyObject *heapq_##name(PyObject *m, PyObject *heap)                         \
    {                                                                                  \
        return check_heap(#name, heap, false) < 0 ? NULL : func(heap, max);            \
    }
TWO(heappush, push, false)
TWO(heappushpop, push_pop, false)
ONE(heappop, pop, false)
TWO(heapreplace, replace, false)
ONE(heapify, heapify, false)
TWO(heappush_max, push, true)
TWO(heappushpop_max, push_pop, true)
ONE(heappop_max, pop, true)
TWO(heapreplace_max, replace, true)
ONE(heapify_max, heapify, true)

#define DEF2(name, doc)                                                                \
    {#name, _PyCFunction_CAST(heapq_##name), METH_FASTCALL,                            \
     #name "($module, heap, item, /)\n--\n\n" doc}
#define DEF1(name, doc)                                                                \
    {#name, heapq_##name, METH_O, #name "($module, heap, /)\n--\n\n" doc}

static PyMethodDef heapq_methods[] = {
    DEF2(heappush, "Push item onto heap, maintaining the heap invariant."),
    DEF2(heappushpop,
         "Push item on the heap, then pop and return the smallest item from the heap.\n\n"
         "The combined action runs more efficiently than heappush() followed by\n"
         "a separate call to heappop()."),
    DEF1(heappop, "Pop the smallest item off the heap, maintaining the heap invariant."),
    DEF2(heapreplace, "Pop and return the current smallest value, and add the new item."),
    DEF1(heapify, "Transform list into a heap, in-place, in O(len(heap)) time."),
    DEF2(heappush_max, "Push item onto max heap, maintaining the heap invariant."),
    DEF2(heappushpop_max, "Maxheap variant of heappushpop."),
    DEF1(heappop_max, "Maxheap variant of heappop."),
    DEF2(heapreplace_max, "Maxheap variant of heapreplace."),
    DEF1(heapify_max, "Maxheap variant of heapify."),
    {NULL, NULL, 0, NULL},
};

static int
heapq_exec(PyObject *m)
{
    return PyModule_AddStringConstant(m, "__about__",
                                      "Heap queues: lists a for which a[k] <= a[2*k+1] and "
                                      "a[k] <= a[2*k+2] hold for all k.\n"
                                      "See the documentation of the heapq module.\n");
}

static PyModuleDef_Slot heapq_slots[] = {
    {Py_mod_exec, heapq_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef heapq_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_heapq",
    .m_doc = "Heap queue algorithm (a.k.a. priority queue).",
    .m_methods = heapq_methods,
    .m_slots = heapq_slots,
};

PyMODINIT_FUNC PyInit__heapq(void);

PyMODINIT_FUNC
PyInit__heapq(void)
{
    return PyModuleDef_Init(&heapq_module);
}

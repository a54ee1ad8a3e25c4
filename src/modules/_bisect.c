/* _bisect.c - binary search in sorted sequences; Lib/bisect.py is the specification.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

/* a < b: 1, 0, -1 */
NJ_INLINE int
less(PyObject *a, PyObject *b)
{
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
    return PyObject_RichCompareBool(a, b, Py_LT);
}

/* Where x goes in seq[lo:hi]; hi == -1: the end. -1 on error. */
static Py_ssize_t
find_place(PyObject *seq, PyObject *x, Py_ssize_t lo, Py_ssize_t hi, PyObject *key,
           bool right)
{
    if (lo < 0) {
        PyErr_SetString(PyExc_ValueError, "lo must be non-negative");
        return -1;
    }
    if (hi == -1) {
        hi = PySequence_Size(seq);
        if (hi < 0) {
            return -1;
        }
    }
    while (lo < hi) {
        Py_ssize_t mid = lo + ((hi - lo) >> 1);
        NJ_OWN item = PyList_CheckExact(seq) && mid < PyList_GET_SIZE(seq)
                          ? Py_NewRef(PyList_GET_ITEM(seq, mid))
                          : PySequence_GetItem(seq, mid);
        if (!item) {
            return -1;
        }
        if (key) {
            PyObject *k = PyObject_CallOneArg(key, item);
            if (!k) {
                return -1;
            }
            NJ_SET(item, k);
        }
        int r = right ? less(x, item) : less(item, x);
        if (r < 0) {
            return -1;
        }
        if (r == right) {
            hi = mid;
        }
        else {
            lo = mid + 1;
        }
    }
    return lo;
}

static int
parse(PyObject *args, PyObject *kwds, const char *format, PyObject **a, PyObject **x,
      Py_ssize_t *lo, Py_ssize_t *hi, PyObject **key)
{
    static char *names[] = {"a", "x", "lo", "hi", "key", NULL};
    PyObject *hiobj = Py_None;
    *lo = 0;
    *hi = -1;
    *key = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, format, names, a, x, lo, &hiobj, key)) {
        return -1;
    }
    if (hiobj != Py_None) {
        *hi = PyNumber_AsSsize_t(hiobj, PyExc_OverflowError);
        if (*hi == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    if (*key == Py_None) {
        *key = NULL;
    }
    return 0;
}

static PyObject *
bisect(PyObject *args, PyObject *kwds, const char *format, bool right)
{
    PyObject *a, *x, *key;
    Py_ssize_t lo, hi;
    if (parse(args, kwds, format, &a, &x, &lo, &hi, &key) < 0) {
        return NULL;
    }
    Py_ssize_t i = find_place(a, x, lo, hi, key, right);
    return i < 0 ? NULL : PyLong_FromSsize_t(i);
}

static PyObject *
insort(PyObject *args, PyObject *kwds, const char *format, bool right)
{
    PyObject *a, *x, *key;
    Py_ssize_t lo, hi, i;
    if (parse(args, kwds, format, &a, &x, &lo, &hi, &key) < 0) {
        return NULL;
    }
    if (key) {
        NJ_OWN k = PyObject_CallOneArg(key, x);
        if (!k) {
            return NULL;
        }
        i = find_place(a, k, lo, hi, key, right);
    }
    else {
        i = find_place(a, x, lo, hi, NULL, right);
    }
    if (i < 0) {
        return NULL;
    }
    if (PyList_CheckExact(a)) {
        if (PyList_Insert(a, i, x) < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    NJ_OWN r = PyObject_CallMethod(a, "insert", "nO", i, x);
    if (!r) {
        return NULL;
    }
    Py_RETURN_NONE;
}

#define FUNCTION(name, core, right)                                                    \
    static PyObject *bisect_##name(PyObject *m, PyObject *args, PyObject *kwds)        \
    {                                                                                  \
        return core(args, kwds, "OO|nO$O:" #name, right);                              \
    }
FUNCTION(bisect_right, bisect, true)
FUNCTION(bisect_left, bisect, false)
FUNCTION(insort_right, insort, true)
FUNCTION(insort_left, insort, false)

#define DEF(name, doc)                                                                 \
    {#name, _PyCFunction_CAST(bisect_##name), METH_VARARGS | METH_KEYWORDS,            \
     #name "($module, /, a, x, lo=0, hi=None, *, key=None)\n--\n\n" doc}

static PyMethodDef bisect_methods[] = {
    DEF(bisect_right,
        "Return the index where to insert item x in list a, assuming a is sorted.\n\n"
        "Everything before it is <= x, everything from it on is > x."),
    DEF(insort_right, "Insert item x in list a, and keep it sorted assuming a is sorted.\n\n"
                      "If x is already in a, insert it to the right of the rightmost x."),
    DEF(bisect_left,
        "Return the index where to insert item x in list a, assuming a is sorted.\n\n"
        "Everything before it is < x, everything from it on is >= x."),
    DEF(insort_left, "Insert item x in list a, and keep it sorted assuming a is sorted.\n\n"
                     "If x is already in a, insert it to the left of the leftmost x."),
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot bisect_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef bisect_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_bisect",
    .m_doc = "Bisection algorithms.",
    .m_methods = bisect_methods,
    .m_slots = bisect_slots,
};

PyMODINIT_FUNC PyInit__bisect(void);

PyMODINIT_FUNC
PyInit__bisect(void)
{
    return PyModuleDef_Init(&bisect_module);
}

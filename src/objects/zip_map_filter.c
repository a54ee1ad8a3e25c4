/* zip_map_filter.c - zip, map, filter.
 *
 * zip reuses its last result tuple as enumerate does (pair.h). In strict mode the first
 * exhausted iterator decides which of the two messages is raised: a later one than the
 * first is "shorter"; if the first one ended, any other that still delivers is "longer".
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "capi/args.h"
#include "objects/int.h"
#include "objects/pair.h"
#include "runtime/gc.h"

/* strict=... of zip and map: kwargs may be NULL. 0 or -1. */
static int
strict_option(PyObject *kwargs, const char *fname, bool *strict)
{
    *strict = false;
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        return 0;
    }
    static const char *const names[] = {"strict", NULL};
    NjParams params = {.fname = fname, .names = names, .npos = 0};
    PyObject *v = NULL;
    NJ_OWN empty = PyTuple_New(0);
    if (empty == NULL || nj_args_bind_tuple(&params, empty, kwargs, &v) < 0) {
        return -1;
    }
    int t = v ? PyObject_IsTrue(v) : 0;
    *strict = t > 0;
    return t < 0 ? -1 : 0;
}

static int
strict_option_kwnames(PyObject *const *values, PyObject *kwnames, const char *fname,
                      bool *strict)
{
    *strict = false;
    if (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0) {
        return 0;
    }
    static const char *const names[] = {"strict", NULL};
    NjParams params = {.fname = fname, .names = names, .npos = 0};
    PyObject *v = NULL;
    if (nj_args_bind(&params, values, 0, kwnames, &v) < 0) {
        return -1;
    }
    int t = v ? PyObject_IsTrue(v) : 0;
    *strict = t > 0;
    return t < 0 ? -1 : 0;
}

/* Iterators of args[0..n): new tuple. */
static PyObject *
iterators(PyObject *const *args, Py_ssize_t n)
{
    NJ_OWN t = PyTuple_New(n);
    if (t == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *it = PyObject_GetIter(args[i]);
        if (it == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(t, i, it);
    }
    return NJ_TAKE(t);
}

/* After iterator i of its ended without an exception other than StopIteration: raises the
 * ValueError of strict mode if lengths differ. Returns NULL always. */
static NJ_COLD PyObject *
check_strict(PyObject *its, Py_ssize_t i, const char *fname)
{
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return NULL;
        }
        PyErr_Clear();
    }
    if (i > 0) {
        PyErr_Format(PyExc_ValueError, "%s() argument %zd is shorter than argument%s%zd",
                     fname, i + 1, i == 1 ? " " : "s 1-", i);
        return NULL;
    }
    for (i = 1; i < PyTuple_GET_SIZE(its); i++) {
        PyObject *it = PyTuple_GET_ITEM(its, i);
        PyObject *item = Py_TYPE(it)->tp_iternext(it);
        if (item != NULL) {
            Py_DECREF(item);
            PyErr_Format(PyExc_ValueError, "%s() argument %zd is longer than argument%s%zd",
                         fname, i + 1, i == 1 ? " " : "s 1-", i);
            return NULL;
        }
        if (PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                return NULL;
            }
            PyErr_Clear();
        }
    }
    return NULL;
}

/* ---- zip ---------------------------------------------------------------------------- */

typedef struct NjZip {
    PyObject_HEAD
    Py_ssize_t n;
    PyObject *its;    /* tuple of iterators */
    PyObject *result; /* tuple to reuse */
    int strict;
} NjZip;

static PyObject *
make_zip(PyTypeObject *type, PyObject *const *args, Py_ssize_t n, bool strict)
{
    NJ_OWN its = iterators(args, n);
    if (its == NULL) {
        return NULL;
    }
    NJ_OWN result = PyTuple_New(n);
    if (result == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(result, i, Py_None);
    }
    NjZip *z = (NjZip *)type->tp_alloc(type, 0);
    if (z == NULL) {
        return NULL;
    }
    z->n = n;
    z->its = NJ_TAKE(its);
    z->result = NJ_TAKE(result);
    z->strict = strict;
    return (PyObject *)z;
}

static PyObject *
zip_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    bool strict;
    if (strict_option(kwargs, "zip", &strict) < 0) {
        return NULL;
    }
    return make_zip(type, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), strict);
}

static PyObject *
zip_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    bool strict;
    if (strict_option_kwnames(args + n, kwnames, "zip", &strict) < 0) {
        return NULL;
    }
    return make_zip((PyTypeObject *)type, args, n, strict);
}

static void
zip_dealloc(PyObject *op)
{
    NjZip *z = (NjZip *)op;
    PyObject_GC_UnTrack(op);
    Py_XDECREF(z->its);
    Py_XDECREF(z->result);
    Py_TYPE(op)->tp_free(op);
}

static int
zip_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjZip *)op)->its);
    Py_VISIT(((NjZip *)op)->result);
    return 0;
}

static PyObject *
zip_next(PyObject *op)
{
    NjZip *z = (NjZip *)op;
    Py_ssize_t n = z->n;
    if (n == 0) {
        return NULL;
    }
    PyObject *t = z->result;
    PyObject *its = z->its;
    if (nj_tuple_reusable(t)) {
        Py_INCREF(t);
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *it = PyTuple_GET_ITEM(its, i);
            PyObject *item = Py_TYPE(it)->tp_iternext(it);
            if (item == NULL) {
                Py_DECREF(t);
                return z->strict ? check_strict(its, i, "zip") : NULL;
            }
            PyObject *old = PyTuple_GET_ITEM(t, i);
            PyTuple_SET_ITEM(t, i, item);
            Py_DECREF(old);
        }
        nj_tuple_renewed(t);
        return t;
    }
    t = PyTuple_New(n);
    if (t == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *it = PyTuple_GET_ITEM(its, i);
        PyObject *item = Py_TYPE(it)->tp_iternext(it);
        if (item == NULL) {
            Py_DECREF(t);
            return z->strict ? check_strict(its, i, "zip") : NULL;
        }
        PyTuple_SET_ITEM(t, i, item);
    }
    return t;
}

static PyObject *
zip_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjZip *z = (NjZip *)op;
    return z->strict ? PyTuple_Pack(3, Py_TYPE(op), z->its, Py_True)
                     : PyTuple_Pack(2, Py_TYPE(op), z->its);
}

static PyObject *
zip_setstate(PyObject *op, PyObject *state)
{
    int strict = PyObject_IsTrue(state);
    if (strict < 0) {
        return NULL;
    }
    ((NjZip *)op)->strict = strict;
    Py_RETURN_NONE;
}

static PyMethodDef zip_methods[] = {
    {"__reduce__", zip_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", zip_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyZip_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "zip",
    .tp_basicsize = sizeof(NjZip),
    .tp_dealloc = zip_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "zip(*iterables, strict=False)\n--\n\n"
              "Tuples of the i-th items of every iterable, until the shortest one ends.\n\n"
              ">>> list(zip('abc', range(3)))\n"
              "[('a', 0), ('b', 1), ('c', 2)]\n\n"
              "With strict, iterables of different lengths raise ValueError.",
    .tp_traverse = zip_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = zip_next,
    .tp_methods = zip_methods,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = zip_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = zip_vectorcall,
};

/* ---- map ---------------------------------------------------------------------------- */

typedef struct NjMap {
    PyObject_HEAD
    PyObject *its;
    PyObject *func;
    int strict;
} NjMap;

static PyObject *
make_map(PyTypeObject *type, PyObject *const *args, Py_ssize_t n, bool strict)
{
    if (n < 2) {
        PyErr_SetString(PyExc_TypeError, "map() must have at least two arguments.");
        return NULL;
    }
    NJ_OWN its = iterators(args + 1, n - 1);
    if (its == NULL) {
        return NULL;
    }
    NjMap *m = (NjMap *)type->tp_alloc(type, 0);
    if (m == NULL) {
        return NULL;
    }
    m->its = NJ_TAKE(its);
    m->func = Py_NewRef(args[0]);
    m->strict = strict;
    return (PyObject *)m;
}

static PyObject *
map_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    bool strict;
    if (strict_option(kwargs, "map", &strict) < 0) {
        return NULL;
    }
    return make_map(type, &PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args), strict);
}

static PyObject *
map_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    bool strict;
    if (strict_option_kwnames(args + n, kwnames, "map", &strict) < 0) {
        return NULL;
    }
    return make_map((PyTypeObject *)type, args, n, strict);
}

static void
map_dealloc(PyObject *op)
{
    NjMap *m = (NjMap *)op;
    PyObject_GC_UnTrack(op);
    Py_XDECREF(m->its);
    Py_XDECREF(m->func);
    Py_TYPE(op)->tp_free(op);
}

static int
map_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjMap *)op)->its);
    Py_VISIT(((NjMap *)op)->func);
    return 0;
}

static PyObject *
map_next(PyObject *op)
{
    NjMap *m = (NjMap *)op;
    PyObject *its = m->its;
    Py_ssize_t n = PyTuple_GET_SIZE(its);
    if (NJ_LIKELY(n == 1)) {
        PyObject *it = PyTuple_GET_ITEM(its, 0);
        PyObject *args[2];
        args[1] = Py_TYPE(it)->tp_iternext(it);
        if (args[1] == NULL) {
            return NULL;
        }
        PyObject *r = PyObject_Vectorcall(m->func, args + 1,
                                          1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(args[1]);
        return r;
    }
    PyObject *stack[9];
    PyObject **args = stack;
    if (n > 8) {
        args = PyMem_Malloc((size_t)(n + 1) * sizeof *args);
        if (args == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject *r = NULL;
    Py_ssize_t k = 0;
    for (; k < n; k++) {
        PyObject *it = PyTuple_GET_ITEM(its, k);
        PyObject *item = Py_TYPE(it)->tp_iternext(it);
        if (item == NULL) {
            break;
        }
        args[k + 1] = item;
    }
    if (k == n) {
        r = PyObject_Vectorcall(m->func, args + 1,
                                (size_t)n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    else if (m->strict) {
        check_strict(its, k, "map");
    }
    while (k > 0) {
        Py_DECREF(args[k--]);
    }
    if (args != stack) {
        PyMem_Free(args);
    }
    return r;
}

static PyObject *
map_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjMap *m = (NjMap *)op;
    Py_ssize_t n = PyTuple_GET_SIZE(m->its);
    NJ_OWN args = PyTuple_New(n + 1);
    if (args == NULL) {
        return NULL;
    }
    PyTuple_SET_ITEM(args, 0, Py_NewRef(m->func));
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(args, i + 1, Py_NewRef(PyTuple_GET_ITEM(m->its, i)));
    }
    return m->strict ? PyTuple_Pack(3, Py_TYPE(op), args, Py_True)
                     : PyTuple_Pack(2, Py_TYPE(op), args);
}

static PyObject *
map_setstate(PyObject *op, PyObject *state)
{
    int strict = PyObject_IsTrue(state);
    if (strict < 0) {
        return NULL;
    }
    ((NjMap *)op)->strict = strict;
    Py_RETURN_NONE;
}

static PyMethodDef map_methods[] = {
    {"__reduce__", map_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", map_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyMap_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "map",
    .tp_basicsize = sizeof(NjMap),
    .tp_dealloc = map_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "map(function, iterable, /, *iterables, strict=False)\n--\n\n"
              "What the function returns for the items of the iterables, until the\n"
              "shortest one ends. With strict, different lengths raise ValueError.",
    .tp_traverse = map_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = map_next,
    .tp_methods = map_methods,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = map_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = map_vectorcall,
};

/* ---- filter ------------------------------------------------------------------------- */

typedef struct NjFilter {
    PyObject_HEAD
    PyObject *func;
    PyObject *it;
} NjFilter;

static PyObject *
make_filter(PyTypeObject *type, PyObject *func, PyObject *iterable)
{
    PyObject *it = PyObject_GetIter(iterable);
    if (it == NULL) {
        return NULL;
    }
    NjFilter *f = (NjFilter *)type->tp_alloc(type, 0);
    if (f == NULL) {
        Py_DECREF(it);
        return NULL;
    }
    f->func = Py_NewRef(func);
    f->it = it;
    return (PyObject *)f;
}

static PyObject *
filter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if ((type == &PyFilter_Type || type->tp_init == PyFilter_Type.tp_init) &&
        !_PyArg_NoKeywords("filter", kwargs)) {
        return NULL;
    }
    if (!_PyArg_CheckPositional("filter", PyTuple_GET_SIZE(args), 2, 2)) {
        return NULL;
    }
    return make_filter(type, PyTuple_GET_ITEM(args, 0), PyTuple_GET_ITEM(args, 1));
}

static PyObject *
filter_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("filter", kwnames) ||
        !_PyArg_CheckPositional("filter", n, 2, 2)) {
        return NULL;
    }
    return make_filter((PyTypeObject *)type, args[0], args[1]);
}

static void
filter_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((NjFilter *)op)->func);
    Py_XDECREF(((NjFilter *)op)->it);
    Py_TYPE(op)->tp_free(op);
}

static int
filter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjFilter *)op)->func);
    Py_VISIT(((NjFilter *)op)->it);
    return 0;
}

static PyObject *
filter_next(PyObject *op)
{
    NjFilter *f = (NjFilter *)op;
    PyObject *it = f->it;
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    bool truth = f->func == Py_None || f->func == (PyObject *)&PyBool_Type;
    while (true) {
        PyObject *item = next(it);
        if (item == NULL) {
            return NULL;
        }
        int ok;
        if (truth) {
            ok = item == Py_True ? 1 : PyObject_IsTrue(item);
        }
        else {
            PyObject *good = PyObject_CallOneArg(f->func, item);
            if (good == NULL) {
                Py_DECREF(item);
                return NULL;
            }
            ok = good == Py_True ? 1 : PyObject_IsTrue(good);
            Py_DECREF(good);
        }
        if (ok > 0) {
            return item;
        }
        Py_DECREF(item);
        if (ok < 0) {
            return NULL;
        }
    }
}

static PyObject *
filter_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(OO)", Py_TYPE(op), ((NjFilter *)op)->func, ((NjFilter *)op)->it);
}

static PyMethodDef filter_methods[] = {
    {"__reduce__", filter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyFilter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "filter",
    .tp_basicsize = sizeof(NjFilter),
    .tp_dealloc = filter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "filter(function, iterable, /)\n--\n\n"
              "The items for which the function is true; with None, the true items.",
    .tp_traverse = filter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = filter_next,
    .tp_methods = filter_methods,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = filter_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = filter_vectorcall,
};

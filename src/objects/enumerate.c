/* enumerate.c - enumerate and reversed.
 *
 * enumerate keeps the pair it returned last: if nobody else holds it any more when the
 * next one is due, it is filled anew instead of making another (`for i, x in
 * enumerate(...)' then allocates nothing but ints). A reused tuple loses its cached
 * hash and is tracked again.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "capi/args.h"
#include "objects/int.h"
#include "objects/pair.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

/* ---- enumerate ---------------------------------------------------------------------- */

typedef struct NjEnumerate {
    PyObject_HEAD
    Py_ssize_t index;    /* PY_SSIZE_T_MAX: big counts instead */
    PyObject *it;
    PyObject *pair;      /* (x, x): the one to reuse */
    PyObject *big;       /* count beyond machine integers, or NULL */
    PyObject *unused;    /* keeps the size of the reference's object */
} NjEnumerate;

static PyObject *
make_enumerate(PyTypeObject *type, PyObject *iterable, PyObject *start)
{
    NjEnumerate *e = (NjEnumerate *)type->tp_alloc(type, 0);
    if (e == NULL) {
        return NULL;
    }
    if (start != NULL) {
        NJ_OWN n = PyNumber_Index(start);
        if (n == NULL) {
            Py_DECREF(e);
            return NULL;
        }
        int over;
        e->index = PyLong_AsLongAndOverflow(n, &over);
        if (over) {
            e->index = PY_SSIZE_T_MAX;
            e->big = NJ_TAKE(n);
        }
    }
    e->it = PyObject_GetIter(iterable);
    e->pair = e->it ? PyTuple_Pack(2, Py_None, Py_None) : NULL;
    if (e->pair == NULL) {
        Py_DECREF(e);
        return NULL;
    }
    return (PyObject *)e;
}

static PyObject *
enum_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"iterable", "start", NULL};
    PyObject *iterable, *start = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:enumerate", names, &iterable,
                                     &start)) {
        return NULL;
    }
    return make_enumerate(type, iterable, start);
}

static int
check_keyword(PyObject *kwnames, Py_ssize_t i, PyObject *name)
{
    PyObject *kw = PyTuple_GET_ITEM(kwnames, i);
    if (kw == name || PyUnicode_Equal(kw, name) > 0) {
        return 1;
    }
    PyErr_Format(PyExc_TypeError, "'%.200S' is an invalid keyword argument for enumerate()",
                 kw);
    return 0;
}

static PyObject *
enum_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyTypeObject *tp = (PyTypeObject *)type;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (n == 1 && nkw == 1) {
        return check_keyword(kwnames, 0, NJ_ID(start)) ? make_enumerate(tp, args[0], args[1])
                                                       : NULL;
    }
    if ((n == 1 || n == 2) && nkw == 0) {
        return make_enumerate(tp, args[0], n > 1 ? args[1] : NULL);
    }
    if (n == 0 && nkw == 2) {
        if (PyUnicode_Equal(PyTuple_GET_ITEM(kwnames, 0), NJ_ID(iterable)) > 0) {
            return check_keyword(kwnames, 1, NJ_ID(start))
                       ? make_enumerate(tp, args[0], args[1])
                       : NULL;
        }
        return check_keyword(kwnames, 0, NJ_ID(start)) &&
                       check_keyword(kwnames, 1, NJ_ID(iterable))
                   ? make_enumerate(tp, args[1], args[0])
                   : NULL;
    }
    if (n == 0 && nkw == 1) {
        return check_keyword(kwnames, 0, NJ_ID(iterable)) ? make_enumerate(tp, args[0], NULL)
                                                          : NULL;
    }
    if (n == 0) {
        PyErr_SetString(PyExc_TypeError, "enumerate() missing required argument 'iterable'");
        return NULL;
    }
    PyErr_Format(PyExc_TypeError, "enumerate() takes at most 2 arguments (%zd given)",
                 n + nkw);
    return NULL;
}

static void
enum_dealloc(PyObject *op)
{
    NjEnumerate *e = (NjEnumerate *)op;
    PyObject_GC_UnTrack(op);
    Py_XDECREF(e->it);
    Py_XDECREF(e->pair);
    Py_XDECREF(e->big);
    Py_TYPE(op)->tp_free(op);
}

static int
enum_traverse(PyObject *op, visitproc visit, void *arg)
{
    NjEnumerate *e = (NjEnumerate *)op;
    Py_VISIT(e->it);
    Py_VISIT(e->pair);
    Py_VISIT(e->big);
    return 0;
}

static PyObject *
enum_next(PyObject *op)
{
    NjEnumerate *e = (NjEnumerate *)op;
    PyObject *it = e->it;
    PyObject *item = Py_TYPE(it)->tp_iternext(it);
    if (item == NULL) {
        return NULL;
    }
    PyObject *count;
    if (NJ_LIKELY(e->index != PY_SSIZE_T_MAX)) {
        count = nj_int_from_i64(e->index);
        if (count == NULL) {
            Py_DECREF(item);
            return NULL;
        }
        e->index++;
    }
    else {
        if (e->big == NULL) {
            e->big = nj_int_from_i64(PY_SSIZE_T_MAX);
        }
        PyObject *next = e->big ? nj_int_add((PyLongObject *)e->big,
                                             (PyLongObject *)nj_small_int(1))
                                : NULL;
        if (next == NULL) {
            Py_DECREF(item);
            return NULL;
        }
        count = e->big;
        e->big = next;
    }
    return nj_pair_fill(e->pair, count, item);
}

static PyObject *
enum_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjEnumerate *e = (NjEnumerate *)op;
    if (e->big != NULL) {
        return Py_BuildValue("O(OO)", Py_TYPE(op), e->it, e->big);
    }
    return Py_BuildValue("O(On)", Py_TYPE(op), e->it, e->index);
}

static PyMethodDef enum_methods[] = {
    {"__reduce__", enum_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyEnum_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "enumerate",
    .tp_basicsize = sizeof(NjEnumerate),
    .tp_dealloc = enum_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "enumerate(iterable, start=0)\n--\n\n"
              "Pairs (count, item) of the items of an iterable, counting from start.",
    .tp_traverse = enum_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = enum_next,
    .tp_methods = enum_methods,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = enum_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = enum_vectorcall,
};

/* ---- reversed ----------------------------------------------------------------------- */

typedef struct NjReversed {
    PyObject_HEAD
    Py_ssize_t index; /* of the next item */
    PyObject *seq;    /* NULL: exhausted */
} NjReversed;

static PyObject *
make_reversed(PyTypeObject *type, PyObject *seq)
{
    NJ_OWN method = nj_type_special(seq, NJ_ID(__reversed__));
    if (method == Py_None) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not reversible",
                     Py_TYPE(seq)->tp_name);
        return NULL;
    }
    if (method != NULL) {
        return PyObject_CallNoArgs(method);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (!PySequence_Check(seq)) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not reversible",
                     Py_TYPE(seq)->tp_name);
        return NULL;
    }
    Py_ssize_t n = PySequence_Size(seq);
    if (n == -1) {
        return NULL;
    }
    NjReversed *r = (NjReversed *)type->tp_alloc(type, 0);
    if (r != NULL) {
        r->index = n - 1;
        r->seq = Py_NewRef(seq);
    }
    return (PyObject *)r;
}

static PyObject *
reversed_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if ((type == &PyReversed_Type || type->tp_init == PyReversed_Type.tp_init) &&
        !_PyArg_NoKeywords("reversed", kwargs)) {
        return NULL;
    }
    if (!_PyArg_CheckPositional("reversed", PyTuple_GET_SIZE(args), 1, 1)) {
        return NULL;
    }
    return make_reversed(type, PyTuple_GET_ITEM(args, 0));
}

static PyObject *
reversed_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("reversed", kwnames) ||
        !_PyArg_CheckPositional("reversed", n, 1, 1)) {
        return NULL;
    }
    return make_reversed((PyTypeObject *)type, args[0]);
}

static void
reversed_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((NjReversed *)op)->seq);
    Py_TYPE(op)->tp_free(op);
}

static int
reversed_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjReversed *)op)->seq);
    return 0;
}

static PyObject *
reversed_next(PyObject *op)
{
    NjReversed *r = (NjReversed *)op;
    if (r->index >= 0) {
        PyObject *v = PySequence_GetItem(r->seq, r->index);
        if (v != NULL) {
            r->index--;
            return v;
        }
        if (PyErr_ExceptionMatches(PyExc_IndexError) ||
            PyErr_ExceptionMatches(PyExc_StopIteration)) {
            PyErr_Clear();
        }
    }
    r->index = -1;
    Py_CLEAR(r->seq);
    return NULL;
}

static PyObject *
reversed_length_hint(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjReversed *r = (NjReversed *)op;
    if (r->seq == NULL) {
        return nj_small_int(0);
    }
    Py_ssize_t n = PySequence_Size(r->seq);
    if (n == -1) {
        return NULL;
    }
    return nj_int_from_i64(n < r->index + 1 ? 0 : r->index + 1);
}

static PyObject *
reversed_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjReversed *r = (NjReversed *)op;
    if (r->seq != NULL) {
        return Py_BuildValue("O(O)n", Py_TYPE(op), r->seq, r->index);
    }
    return Py_BuildValue("O(())", Py_TYPE(op));
}

static PyObject *
reversed_setstate(PyObject *op, PyObject *state)
{
    NjReversed *r = (NjReversed *)op;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (r->seq != NULL) {
        Py_ssize_t n = PySequence_Size(r->seq);
        if (n < 0) {
            return NULL;
        }
        r->index = i < -1 ? -1 : i > n - 1 ? n - 1 : i;
    }
    Py_RETURN_NONE;
}

static PyMethodDef reversed_methods[] = {
    {"__length_hint__", reversed_length_hint, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\nHow many items are left."},
    {"__reduce__", reversed_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", reversed_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyReversed_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "reversed",
    .tp_basicsize = sizeof(NjReversed),
    .tp_dealloc = reversed_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "reversed(sequence, /)\n--\n\n"
              "The items of a sequence, last one first.",
    .tp_traverse = reversed_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = reversed_next,
    .tp_methods = reversed_methods,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = reversed_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = reversed_vectorcall,
};

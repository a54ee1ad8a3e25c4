/* iter.c - iterators over anything with __getitem__, and iter(callable, sentinel).
 *
 * Both drop what they hold once exhausted (it_seq, callable become NULL), so an
 * exhausted iterator stays exhausted.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "objects/int.h"
#include "runtime/gc.h"

static PyObject *
builtin(PyObject *name)
{
    PyObject *v;
    int r = PyMapping_GetOptionalItem(PyEval_GetBuiltins(), name, &v);
    if (r == 0) {
        PyErr_SetObject(PyExc_AttributeError, name);
    }
    return v;
}

/* ---- sequences ---------------------------------------------------------------------- */

typedef struct NjSeqIter {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq; /* NULL: exhausted */
} NjSeqIter;

PyObject *
PySeqIter_New(PyObject *seq)
{
    if (!PySequence_Check(seq)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    NjSeqIter *it = PyObject_GC_New(NjSeqIter, &PySeqIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->index = 0;
    it->seq = Py_NewRef(seq);
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static void
seqiter_dealloc(PyObject *op)
{
    nj_gc_untrack(op);
    Py_XDECREF(((NjSeqIter *)op)->seq);
    PyObject_GC_Del(op);
}

static int
seqiter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjSeqIter *)op)->seq);
    return 0;
}

static PyObject *
seqiter_next(PyObject *op)
{
    NjSeqIter *it = (NjSeqIter *)op;
    PyObject *seq = it->seq;
    if (seq == NULL) {
        return NULL;
    }
    if (it->index == PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "iter index too large");
        return NULL;
    }
    PyObject *r = PySequence_GetItem(seq, it->index);
    if (r != NULL) {
        it->index++;
        return r;
    }
    if (PyErr_ExceptionMatches(PyExc_IndexError) ||
        PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
        it->seq = NULL;
        Py_DECREF(seq);
    }
    return NULL;
}

static PyObject *
seqiter_length_hint(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjSeqIter *it = (NjSeqIter *)op;
    if (it->seq != NULL) {
        PySequenceMethods *m = Py_TYPE(it->seq)->tp_as_sequence;
        if (!m || !m->sq_length) {
            Py_RETURN_NOTIMPLEMENTED;
        }
        Py_ssize_t n = PySequence_Size(it->seq);
        if (n == -1) {
            return NULL;
        }
        n -= it->index;
        if (n >= 0) {
            return nj_int_from_i64(n);
        }
    }
    return nj_small_int(0);
}

static PyObject *
seqiter_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjSeqIter *it = (NjSeqIter *)op;
    NJ_OWN iter = builtin(NJ_ID(iter)); /* may run code: before looking at the state */
    if (iter == NULL) {
        return NULL;
    }
    if (it->seq != NULL) {
        return Py_BuildValue("O(O)n", iter, it->seq, it->index);
    }
    return Py_BuildValue("O(())", iter);
}

static PyObject *
seqiter_setstate(PyObject *op, PyObject *state)
{
    NjSeqIter *it = (NjSeqIter *)op;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->seq != NULL) {
        it->index = i < 0 ? 0 : i;
    }
    Py_RETURN_NONE;
}

static PyMethodDef seqiter_methods[] = {
    {"__length_hint__", seqiter_length_hint, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\nHow many items are left, if that is known."},
    {"__reduce__", seqiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", seqiter_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PySeqIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "iterator",
    .tp_basicsize = sizeof(NjSeqIter),
    .tp_dealloc = seqiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = seqiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = seqiter_next,
    .tp_methods = seqiter_methods,
};

/* ---- callable and sentinel ---------------------------------------------------------- */

typedef struct NjCallIter {
    PyObject_HEAD
    PyObject *callable; /* NULL: exhausted */
    PyObject *sentinel;
} NjCallIter;

PyObject *
PyCallIter_New(PyObject *callable, PyObject *sentinel)
{
    NjCallIter *it = PyObject_GC_New(NjCallIter, &PyCallIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->callable = Py_NewRef(callable);
    it->sentinel = Py_NewRef(sentinel);
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static void
calliter_dealloc(PyObject *op)
{
    NjCallIter *it = (NjCallIter *)op;
    nj_gc_untrack(op);
    Py_XDECREF(it->callable);
    Py_XDECREF(it->sentinel);
    PyObject_GC_Del(op);
}

static int
calliter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjCallIter *)op)->callable);
    Py_VISIT(((NjCallIter *)op)->sentinel);
    return 0;
}

static PyObject *
calliter_next(PyObject *op)
{
    NjCallIter *it = (NjCallIter *)op;
    if (it->callable == NULL) {
        return NULL;
    }
    PyObject *r = PyObject_CallNoArgs(it->callable);
    if (r != NULL && it->sentinel != NULL) {
        /* The call may have exhausted this very iterator: look again. */
        int eq = PyObject_RichCompareBool(it->sentinel, r, Py_EQ);
        if (eq == 0) {
            return r;
        }
        if (eq > 0) {
            Py_CLEAR(it->callable);
            Py_CLEAR(it->sentinel);
        }
    }
    else if (r == NULL && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
        Py_CLEAR(it->callable);
        Py_CLEAR(it->sentinel);
    }
    Py_XDECREF(r);
    return NULL;
}

static PyObject *
calliter_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjCallIter *it = (NjCallIter *)op;
    NJ_OWN iter = builtin(NJ_ID(iter));
    if (iter == NULL) {
        return NULL;
    }
    if (it->callable != NULL && it->sentinel != NULL) {
        return Py_BuildValue("O(OO)", iter, it->callable, it->sentinel);
    }
    return Py_BuildValue("O(())", iter);
}

static PyMethodDef calliter_methods[] = {
    {"__reduce__", calliter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyCallIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "callable_iterator",
    .tp_basicsize = sizeof(NjCallIter),
    .tp_dealloc = calliter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = calliter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = calliter_next,
    .tp_methods = calliter_methods,
};

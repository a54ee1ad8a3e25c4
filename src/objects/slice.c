/* slice.c - the type slice, and the arithmetic of slices.
 *
 * PySlice_Unpack turns start, stop, step into machine integers (clipping what does not
 * fit, which cannot change which items are selected); PySlice_AdjustIndices then fits
 * them to a length. A few dead slices are kept per interpreter: x[a:b] makes and drops
 * one each time.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "capi/args.h"
#include "objects/int.h"
#include "objects/number.h"
#include "runtime/gc.h"
#include "runtime/runtime.h"

#define SLICE(op) ((PySliceObject *)(op))

/* Steals the references. */
static PyObject *
make_slice(NJ_STEALS PyObject *start, NJ_STEALS PyObject *stop, NJ_STEALS PyObject *step)
{
    NjNumberState *st = &nj_interp()->numbers;
    PySliceObject *s;
    if (st->n_free_slices > 0) {
        s = st->free_slices[--st->n_free_slices];
        ((PyObject *)s)->ob_refcnt_full = 1;
        nj_trace_new(s);
    }
    else {
        s = PyObject_GC_New(PySliceObject, &PySlice_Type);
        if (s == NULL) {
            Py_DECREF(start);
            Py_DECREF(stop);
            Py_DECREF(step);
            return NULL;
        }
    }
    s->start = start;
    s->stop = stop;
    s->step = step;
    nj_gc_track((PyObject *)s);
    return (PyObject *)s;
}

PyObject *
PySlice_New(PyObject *start, PyObject *stop, PyObject *step)
{
    return make_slice(Py_NewRef(start ? start : Py_None), Py_NewRef(stop ? stop : Py_None),
                      Py_NewRef(step ? step : Py_None));
}

PyObject *
_PySlice_FromIndices(Py_ssize_t start, Py_ssize_t stop)
{
    PyObject *a = nj_int_from_i64(start);
    if (a == NULL) {
        return NULL;
    }
    PyObject *b = nj_int_from_i64(stop);
    if (b == NULL) {
        Py_DECREF(a);
        return NULL;
    }
    return make_slice(a, b, Py_None);
}

static void
slice_dealloc(PyObject *op)
{
    PySliceObject *s = SLICE(op);
    nj_gc_untrack(op);
    Py_DECREF(s->start);
    Py_DECREF(s->stop);
    Py_DECREF(s->step);
    NjNumberState *st = &nj_interp()->numbers;
    if (st->n_free_slices < NJ_FREE_SLICES_MAX) {
        st->free_slices[st->n_free_slices++] = s;
        return;
    }
    PyObject_GC_Del(op);
}

static int
slice_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(SLICE(op)->start);
    Py_VISIT(SLICE(op)->stop);
    Py_VISIT(SLICE(op)->step);
    return 0;
}

/* None, int or __index__ as a clipped index: 1 set, 0 None, -1 error. */
static int
slice_index(PyObject *v, Py_ssize_t *out)
{
    if (v == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "slice indices must be integers or None or have "
                                         "an __index__ method");
        return -1;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(v, NULL);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = n;
    return 1;
}

int
PySlice_Unpack(PyObject *op, Py_ssize_t *start, Py_ssize_t *stop, Py_ssize_t *step)
{
    PySliceObject *s = SLICE(op);
    *step = 1;
    if (slice_index(s->step, step) < 0) {
        return -1;
    }
    if (*step == 0) {
        PyErr_SetString(PyExc_ValueError, "slice step cannot be zero");
        return -1;
    }
    if (*step < -PY_SSIZE_T_MAX) {
        *step = -PY_SSIZE_T_MAX; /* so that -step is safe */
    }
    *start = *step < 0 ? PY_SSIZE_T_MAX : 0;
    *stop = *step < 0 ? PY_SSIZE_T_MIN : PY_SSIZE_T_MAX;
    if (slice_index(s->start, start) < 0 || slice_index(s->stop, stop) < 0) {
        return -1;
    }
    return 0;
}

static Py_ssize_t
clip(Py_ssize_t i, Py_ssize_t length, bool backwards)
{
    if (i < 0) {
        i += length;
        if (i < 0) {
            return backwards ? -1 : 0;
        }
    }
    else if (i >= length) {
        return backwards ? length - 1 : length;
    }
    return i;
}

Py_ssize_t
PySlice_AdjustIndices(Py_ssize_t length, Py_ssize_t *start, Py_ssize_t *stop,
                      Py_ssize_t step)
{
    assert(step != 0);
    *start = clip(*start, length, step < 0);
    *stop = clip(*stop, length, step < 0);
    if (step < 0) {
        return *stop < *start ? (*start - *stop - 1) / -step + 1 : 0;
    }
    return *start < *stop ? (*stop - *start - 1) / step + 1 : 0;
}

#undef PySlice_GetIndicesEx
PyAPI_FUNC(int) PySlice_GetIndicesEx(PyObject *slice, Py_ssize_t length, Py_ssize_t *start,
                                     Py_ssize_t *stop, Py_ssize_t *step,
                                     Py_ssize_t *slicelength);
int
PySlice_GetIndicesEx(PyObject *slice, Py_ssize_t length, Py_ssize_t *start,
                     Py_ssize_t *stop, Py_ssize_t *step, Py_ssize_t *slicelength)
{
    if (PySlice_Unpack(slice, start, stop, step) < 0) {
        return -1;
    }
    *slicelength = PySlice_AdjustIndices(length, start, stop, *step);
    return 0;
}

/* The oldest of the family: only ints, no clipping; -1 without exception for indices out
 * of range. */
int
PySlice_GetIndices(PyObject *op, Py_ssize_t length, Py_ssize_t *start, Py_ssize_t *stop,
                   Py_ssize_t *step)
{
    PySliceObject *s = SLICE(op);
    if (s->step == Py_None) {
        *step = 1;
    }
    else {
        if (!PyLong_Check(s->step)) {
            return -1;
        }
        *step = PyLong_AsSsize_t(s->step);
    }
    if (s->start == Py_None) {
        *start = *step < 0 ? length - 1 : 0;
    }
    else {
        if (!PyLong_Check(s->start)) {
            return -1;
        }
        *start = PyLong_AsSsize_t(s->start);
        if (*start < 0) {
            *start += length;
        }
    }
    if (s->stop == Py_None) {
        *stop = *step < 0 ? -1 : length;
    }
    else {
        if (!PyLong_Check(s->stop)) {
            return -1;
        }
        *stop = PyLong_AsSsize_t(s->stop);
        if (*stop < 0) {
            *stop += length;
        }
    }
    if (*stop > length || *start >= length || *step == 0) {
        return -1;
    }
    return 0;
}

/* An index of any size fitted to 0..length (backwards: -1..length-1). New reference. */
static PyObject *
long_index(PyObject *v, PyLongObject *length, PyObject *dflt, bool backwards)
{
    if (v == Py_None) {
        return Py_NewRef(dflt);
    }
    if (!PyIndex_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "slice indices must be integers or None or have "
                                         "an __index__ method");
        return NULL;
    }
    NJ_OWN i = PyNumber_Index(v);
    if (i == NULL) {
        return NULL;
    }
    if (nj_int_is_negative((PyLongObject *)i)) {
        NJ_SET(i, nj_int_add((PyLongObject *)i, length));
        if (i != NULL && nj_int_is_negative((PyLongObject *)i)) {
            return nj_small_int(backwards ? -1 : 0);
        }
        return NJ_TAKE(i);
    }
    if (nj_int_cmp((PyLongObject *)i, length) >= 0) {
        return backwards ? nj_int_sub(length, (PyLongObject *)nj_small_int(1))
                         : Py_NewRef((PyObject *)length);
    }
    return NJ_TAKE(i);
}

int
_PySlice_GetLongIndices(PySliceObject *self, PyObject *length, PyObject **start_out,
                        PyObject **stop_out, PyObject **step_out)
{
    PyLongObject *n = (PyLongObject *)length;
    *start_out = *stop_out = *step_out = NULL;
    NJ_OWN step = NULL;
    if (self->step == Py_None) {
        step = nj_small_int(1);
    }
    else {
        if (!PyIndex_Check(self->step)) {
            PyErr_SetString(PyExc_TypeError, "slice indices must be integers or None or "
                                             "have an __index__ method");
            return -1;
        }
        step = PyNumber_Index(self->step);
        if (step == NULL) {
            return -1;
        }
        if (nj_int_sign((PyLongObject *)step) == 0) {
            PyErr_SetString(PyExc_ValueError, "slice step cannot be zero");
            return -1;
        }
    }
    bool backwards = nj_int_is_negative((PyLongObject *)step);
    NJ_OWN last = nj_int_sub(n, (PyLongObject *)nj_small_int(1));
    if (last == NULL) {
        return -1;
    }
    NJ_OWN start =
        long_index(self->start, n, backwards ? last : nj_small_int(0), backwards);
    if (start == NULL) {
        return -1;
    }
    NJ_OWN stop = long_index(self->stop, n, backwards ? nj_small_int(-1) : length, backwards);
    if (stop == NULL) {
        return -1;
    }
    *start_out = NJ_TAKE(start);
    *stop_out = NJ_TAKE(stop);
    *step_out = NJ_TAKE(step);
    return 0;
}

/* ---- the type ----------------------------------------------------------------------- */

static PyObject *
slice_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!_PyArg_NoKeywords("slice", kwargs) || !_PyArg_CheckPositional("slice", n, 1, 3)) {
        return NULL;
    }
    if (n == 1) {
        return PySlice_New(NULL, PyTuple_GET_ITEM(args, 0), NULL);
    }
    return PySlice_New(PyTuple_GET_ITEM(args, 0), PyTuple_GET_ITEM(args, 1),
                       n > 2 ? PyTuple_GET_ITEM(args, 2) : NULL);
}

static PyObject *
slice_repr(PyObject *op)
{
    return PyUnicode_FromFormat("slice(%R, %R, %R)", SLICE(op)->start, SLICE(op)->stop,
                                SLICE(op)->step);
}

static PyObject *
slice_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PySlice_Check(a) || !PySlice_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (a == b) {
        return PyBool_FromLong(op == Py_EQ || op == Py_LE || op == Py_GE);
    }
    NJ_OWN x = PyTuple_Pack(3, SLICE(a)->start, SLICE(a)->stop, SLICE(a)->step);
    NJ_OWN y = PyTuple_Pack(3, SLICE(b)->start, SLICE(b)->stop, SLICE(b)->step);
    return x && y ? PyObject_RichCompare(x, y, op) : NULL;
}

/* As for tuples (the xxHash scheme), without mixing in the length. */
static Py_hash_t
slice_hash(PyObject *op)
{
    PyObject *const parts[] = {SLICE(op)->start, SLICE(op)->stop, SLICE(op)->step};
    const uint64_t p1 = 11400714785074694791u, p2 = 14029467366897019727u,
                   p5 = 2870177450012600261u;
    uint64_t acc = p5;
    for (int i = 0; i < 3; i++) {
        Py_hash_t h = PyObject_Hash(parts[i]);
        if (h == -1) {
            return -1;
        }
        acc += (uint64_t)h * p2;
        acc = acc << 31 | acc >> 33;
        acc *= p1;
    }
    return acc == (uint64_t)-1 ? 1546275796 : (Py_hash_t)acc;
}

static PyObject *
slice_indices(PyObject *self, PyObject *len)
{
    NJ_OWN length = PyNumber_Index(len);
    if (length == NULL) {
        return NULL;
    }
    if (nj_int_is_negative((PyLongObject *)length)) {
        PyErr_SetString(PyExc_ValueError, "length should not be negative");
        return NULL;
    }
    NJ_OWN start = NULL;
    NJ_OWN stop = NULL;
    NJ_OWN step = NULL;
    if (_PySlice_GetLongIndices(SLICE(self), length, &start, &stop, &step) < 0) {
        return NULL;
    }
    return PyTuple_Pack(3, start, stop, step);
}

static PyObject *
slice_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(OOO)", Py_TYPE(op), SLICE(op)->start, SLICE(op)->stop,
                         SLICE(op)->step);
}

static PyMethodDef slice_methods[] = {
    {"indices", slice_indices, METH_O,
     "indices($self, object, /)\n--\n\n"
     "The (start, stop, stride) that this slice means for a sequence of that length."},
    {"__reduce__", slice_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef slice_members[] = {
    {"start", Py_T_OBJECT_EX, offsetof(PySliceObject, start), Py_READONLY, NULL},
    {"stop", Py_T_OBJECT_EX, offsetof(PySliceObject, stop), Py_READONLY, NULL},
    {"step", Py_T_OBJECT_EX, offsetof(PySliceObject, step), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyTypeObject PySlice_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "slice",
    .tp_basicsize = sizeof(PySliceObject),
    .tp_dealloc = slice_dealloc,
    .tp_repr = slice_repr,
    .tp_hash = slice_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "slice(stop)\n"
              "slice(start, stop[, step])\n"
              "\n"
              "What a[start:stop:step] passes to __getitem__.",
    .tp_traverse = slice_traverse,
    .tp_richcompare = slice_richcompare,
    .tp_methods = slice_methods,
    .tp_members = slice_members,
    .tp_new = slice_new,
};

/* range.c - the type range and its two iterators.
 *
 * A range keeps start, stop, step and length as exact ints. Where all four fit a machine
 * word the work is done there; the general case goes through int arithmetic. The
 * iterator over machine integers (NjRangeIter, number.h) is the hot one: the VM knows
 * its layout. It is recycled through a free list.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "capi/args.h"
#include "objects/int.h"
#include "objects/number.h"
#include "runtime/runtime.h"

typedef struct NjRange {
    PyObject_HEAD
    PyObject *start, *stop, *step, *length;
} NjRange;

typedef struct NjLongRangeIter {
    PyObject_HEAD
    PyObject *start, *step, *len; /* the value that comes next; how many are left */
} NjLongRangeIter;

#define RANGE(op) ((NjRange *)(op))
#define INT(op) ((PyLongObject *)(op))

/* builtins.NAME, new reference. */
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

/* An exact int that fits: true and *out. */
NJ_INLINE bool
small(PyObject *v, int64_t *out)
{
    if (nj_int_is_medium(INT(v))) {
        *out = nj_int_medium_value(INT(v));
        return true;
    }
    return false;
}

static uint64_t
count_steps(int64_t start, int64_t stop, int64_t step)
{
    if (step > 0) {
        return start < stop ? ((uint64_t)stop - (uint64_t)start - 1) / (uint64_t)step + 1
                            : 0;
    }
    return start > stop ? ((uint64_t)start - (uint64_t)stop - 1) / (0 - (uint64_t)step) + 1
                        : 0;
}

static PyObject *
compute_length(PyObject *start, PyObject *stop, PyObject *step)
{
    int64_t a, b, s;
    if (small(start, &a) && small(stop, &b) && small(step, &s)) {
        return nj_int_from_i64((int64_t)count_steps(a, b, s));
    }
    bool down = nj_int_is_negative(INT(step));
    PyLongObject *lo = INT(down ? stop : start), *hi = INT(down ? start : stop);
    if (nj_int_cmp(lo, hi) >= 0) {
        return nj_small_int(0);
    }
    NJ_OWN d = nj_int_sub(hi, lo);
    NJ_OWN st = nj_int_abs(INT(step));
    if (d == NULL || st == NULL) {
        return NULL;
    }
    NJ_SET(d, nj_int_sub(INT(d), INT(nj_small_int(1))));
    if (d != NULL) {
        NJ_SET(d, nj_int_floordiv(INT(d), INT(st)));
    }
    if (d == NULL) {
        return NULL;
    }
    return nj_int_add(INT(d), INT(nj_small_int(1)));
}

/* Steals start, stop, step (exact ints, may be NULL after an error). */
static PyObject *
make_range(NJ_STEALS PyObject *start, NJ_STEALS PyObject *stop, NJ_STEALS PyObject *step)
{
    PyObject *length = NULL;
    if (start && stop && step) {
        length = compute_length(start, stop, step);
    }
    NjRange *r = length ? PyObject_New(NjRange, &PyRange_Type) : NULL;
    if (r == NULL) {
        Py_XDECREF(start);
        Py_XDECREF(stop);
        Py_XDECREF(step);
        Py_XDECREF(length);
        return NULL;
    }
    r->start = start;
    r->stop = stop;
    r->step = step;
    r->length = length;
    return (PyObject *)r;
}

static PyObject *
range_from_array(PyObject *const *args, Py_ssize_t n)
{
    PyObject *start = NULL, *stop = NULL, *step = NULL;
    switch (n) {
    case 3:
        step = PyNumber_Index(args[2]);
        if (step == NULL) {
            return NULL;
        }
        if (nj_int_sign(INT(step)) == 0) {
            Py_DECREF(step);
            PyErr_SetString(PyExc_ValueError, "range() arg 3 must not be zero");
            return NULL;
        }
        /* fall through */
    case 2:
        start = PyNumber_Index(args[0]);
        if (start == NULL) {
            Py_XDECREF(step);
            return NULL;
        }
        stop = PyNumber_Index(args[1]);
        if (stop == NULL) {
            Py_DECREF(start);
            Py_XDECREF(step);
            return NULL;
        }
        return make_range(start, stop, step ? step : nj_small_int(1));
    case 1:
        stop = PyNumber_Index(args[0]);
        if (stop == NULL) {
            return NULL;
        }
        return make_range(nj_small_int(0), stop, nj_small_int(1));
    default:
        (void)_PyArg_CheckPositional("range", n, 1, 3);
        return NULL;
    }
}

static PyObject *
range_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (!_PyArg_NoKeywords("range", kwargs)) {
        return NULL;
    }
    return range_from_array(&PyTuple_GET_ITEM(args, 0), PyTuple_GET_SIZE(args));
}

static PyObject *
range_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!_PyArg_NoKwnames("range", kwnames)) {
        return NULL;
    }
    return range_from_array(args, PyVectorcall_NARGS(nargsf));
}

static void
range_dealloc(PyObject *op)
{
    NjRange *r = RANGE(op);
    Py_DECREF(r->start);
    Py_DECREF(r->stop);
    Py_DECREF(r->step);
    Py_DECREF(r->length);
    PyObject_Free(op);
}

static Py_ssize_t
range_length(PyObject *op)
{
    return PyLong_AsSsize_t(RANGE(op)->length);
}

static int
range_bool(PyObject *op)
{
    return nj_int_sign(INT(RANGE(op)->length)) != 0;
}

/* start + i * step */
static PyObject *
item_at(NjRange *r, PyObject *i)
{
    int64_t a, s, k;
    if (small(r->start, &a) && small(r->step, &s) && small(i, &k)) {
        int64_t p, q;
        if (!__builtin_mul_overflow(s, k, &p) && !__builtin_add_overflow(a, p, &q)) {
            return nj_int_from_i64(q);
        }
    }
    NJ_OWN p = nj_int_mul(INT(i), INT(r->step));
    return p ? nj_int_add(INT(r->start), INT(p)) : NULL;
}

/* i may be negative: counted from the end. */
static PyObject *
checked_item(NjRange *r, PyObject *arg)
{
    NJ_OWN i = Py_NewRef(arg);
    if (nj_int_is_negative(INT(i))) {
        NJ_SET(i, nj_int_add(INT(i), INT(r->length)));
        if (i == NULL) {
            return NULL;
        }
    }
    if (nj_int_is_negative(INT(i)) || nj_int_cmp(INT(i), INT(r->length)) >= 0) {
        PyErr_SetString(PyExc_IndexError, "range object index out of range");
        return NULL;
    }
    return item_at(r, i);
}

static PyObject *
range_item(PyObject *op, Py_ssize_t i)
{
    NJ_OWN v = nj_int_from_i64(i);
    return v ? checked_item(RANGE(op), v) : NULL; /* adds the length, if need be once more */
}

static PyObject *
range_subscript(PyObject *op, PyObject *item)
{
    NjRange *r = RANGE(op);
    if (PyIndex_Check(item)) {
        NJ_OWN i = PyNumber_Index(item);
        return i ? checked_item(r, i) : NULL;
    }
    if (PySlice_Check(item)) {
        NJ_OWN a = NULL;
        NJ_OWN b = NULL;
        NJ_OWN s = NULL;
        if (_PySlice_GetLongIndices((PySliceObject *)item, r->length, &a, &b, &s) < 0) {
            return NULL;
        }
        PyObject *step = nj_int_mul(INT(s), INT(r->step));
        PyObject *start = item_at(r, a);
        PyObject *stop = item_at(r, b);
        return make_range(start, stop, step);
    }
    PyErr_Format(PyExc_TypeError, "range indices must be integers or slices, not %.200s",
                 Py_TYPE(item)->tp_name);
    return NULL;
}

/* ob: int or bool. 1, 0, -1. */
static int
contains_int(NjRange *r, PyObject *ob)
{
    int64_t a, s, x, n;
    if (small(r->start, &a) && small(r->step, &s) && small(ob, &x) && small(r->length, &n)) {
        int64_t d = x - a;
        return d % s == 0 && d / s >= 0 && d / s < n;
    }
    PyLongObject *v = INT(ob);
    bool down = nj_int_is_negative(INT(r->step));
    int lo = nj_int_cmp(v, INT(r->start)), hi = nj_int_cmp(v, INT(r->stop));
    if (down ? lo > 0 || hi <= 0 : lo < 0 || hi >= 0) {
        return 0;
    }
    NJ_OWN d = nj_int_sub(v, INT(r->start));
    if (d != NULL) {
        NJ_SET(d, nj_int_mod(INT(d), INT(r->step)));
    }
    return d ? nj_int_sign(INT(d)) == 0 : -1;
}

static int
linear_contains(PyObject *op, PyObject *ob)
{
    NJ_OWN it = PyObject_GetIter(op);
    if (it == NULL) {
        return -1;
    }
    while (true) {
        NJ_OWN v = PyIter_Next(it);
        if (v == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        int eq = PyObject_RichCompareBool(ob, v, Py_EQ);
        if (eq != 0) {
            return eq;
        }
    }
}

static bool
plain_int(PyObject *ob)
{
    return PyLong_CheckExact(ob) || PyBool_Check(ob);
}

static int
range_contains(PyObject *op, PyObject *ob)
{
    return plain_int(ob) ? contains_int(RANGE(op), ob) : linear_contains(op, ob);
}

static PyObject *
range_count(PyObject *op, PyObject *ob)
{
    if (plain_int(ob)) {
        int r = contains_int(RANGE(op), ob);
        return r < 0 ? NULL : nj_small_int(r);
    }
    /* Ask every item. */
    NJ_OWN it = PyObject_GetIter(op);
    if (it == NULL) {
        return NULL;
    }
    int64_t n = 0;
    while (true) {
        NJ_OWN v = PyIter_Next(it);
        if (v == NULL) {
            return PyErr_Occurred() ? NULL : nj_int_from_i64(n);
        }
        int eq = PyObject_RichCompareBool(ob, v, Py_EQ);
        if (eq < 0) {
            return NULL;
        }
        n += eq;
    }
}

static PyObject *
range_index(PyObject *op, PyObject *ob)
{
    NjRange *r = RANGE(op);
    if (!plain_int(ob)) {
        Py_ssize_t i = PySequence_Index(op, ob);
        return i == -1 ? NULL : nj_int_from_i64(i);
    }
    int in = contains_int(r, ob);
    if (in < 0) {
        return NULL;
    }
    if (in) {
        NJ_OWN d = nj_int_sub(INT(ob), INT(r->start));
        return d ? nj_int_floordiv(INT(d), INT(r->step)) : NULL;
    }
    PyErr_SetString(PyExc_ValueError, "range.index(x): x not in range");
    return NULL;
}

/* Equal if they produce the same sequence. */
static bool
same_sequence(NjRange *a, NjRange *b)
{
    if (a == b) {
        return true;
    }
    if (nj_int_cmp(INT(a->length), INT(b->length)) != 0) {
        return false;
    }
    if (nj_int_sign(INT(a->length)) == 0) {
        return true;
    }
    if (nj_int_cmp(INT(a->start), INT(b->start)) != 0) {
        return false;
    }
    return nj_int_cmp(INT(a->length), INT(nj_small_int(1))) == 0 ||
           nj_int_cmp(INT(a->step), INT(b->step)) == 0;
}

static PyObject *
range_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyRange_Check(b) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return PyBool_FromLong(same_sequence(RANGE(a), RANGE(b)) == (op == Py_EQ));
}

static Py_hash_t
range_hash(PyObject *op)
{
    NjRange *r = RANGE(op);
    bool empty = nj_int_sign(INT(r->length)) == 0;
    bool one = nj_int_cmp(INT(r->length), INT(nj_small_int(1))) == 0;
    NJ_OWN t = PyTuple_Pack(3, r->length, empty ? Py_None : r->start,
                            empty || one ? Py_None : r->step);
    return t ? PyObject_Hash(t) : -1;
}

static PyObject *
range_repr(PyObject *op)
{
    NjRange *r = RANGE(op);
    if (nj_int_cmp(INT(r->step), INT(nj_small_int(1))) == 0) {
        return PyUnicode_FromFormat("range(%R, %R)", r->start, r->stop);
    }
    return PyUnicode_FromFormat("range(%R, %R, %R)", r->start, r->stop, r->step);
}

static PyObject *
range_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjRange *r = RANGE(op);
    return Py_BuildValue("O(OOO)", Py_TYPE(op), r->start, r->stop, r->step);
}

/* ---- iterators ---------------------------------------------------------------------- */

static PyObject *
make_small_iter(int64_t start, int64_t step, int64_t len)
{
    NjNumberState *st = &nj_interp()->numbers;
    NjRangeIter *it = st->free_range_iters;
    if (it != NULL) {
        st->free_range_iters = *(void **)it;
        st->n_free_range_iters--;
        ((PyObject *)it)->ob_refcnt_full = 1;
        nj_trace_new(it);
    }
    else {
        it = PyObject_New(NjRangeIter, &PyRangeIter_Type);
        if (it == NULL) {
            return NULL;
        }
    }
    it->value = start;
    it->step = step;
    it->len = len;
    return (PyObject *)it;
}

/* Steals. */
static PyObject *
make_long_iter(NJ_STEALS PyObject *start, NJ_STEALS PyObject *step, NJ_STEALS PyObject *len)
{
    NjLongRangeIter *it =
        start && step && len ? PyObject_New(NjLongRangeIter, &PyLongRangeIter_Type) : NULL;
    if (it == NULL) {
        Py_XDECREF(start);
        Py_XDECREF(step);
        Py_XDECREF(len);
        return NULL;
    }
    it->start = start;
    it->step = step;
    it->len = len;
    return (PyObject *)it;
}

static PyObject *
range_iter(PyObject *op)
{
    NjRange *r = RANGE(op);
    int64_t a, s, b, n;
    if (small(r->start, &a) && small(r->stop, &b) && small(r->step, &s) &&
        small(r->length, &n)) {
        return make_small_iter(a, s, n);
    }
    return make_long_iter(Py_NewRef(r->start), Py_NewRef(r->step), Py_NewRef(r->length));
}

static PyObject *
range_reversed(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjRange *r = RANGE(op);
    int64_t a, s, b, n;
    if (small(r->start, &a) && small(r->stop, &b) && small(r->step, &s) &&
        small(r->length, &n)) {
        return make_small_iter(n ? a + (n - 1) * s : a, -s, n);
    }
    NJ_OWN last = nj_int_sub(INT(r->length), INT(nj_small_int(1)));
    if (last == NULL) {
        return NULL;
    }
    return make_long_iter(item_at(r, last), nj_int_neg(INT(r->step)),
                          Py_NewRef(r->length));
}

static PyObject *
rangeiter_next(PyObject *op)
{
    NjRangeIter *it = (NjRangeIter *)op;
    if (NJ_LIKELY(it->len > 0)) {
        int64_t v = it->value;
        it->value = (int64_t)((uint64_t)v + (uint64_t)it->step);
        it->len--;
        return nj_int_from_i64(v);
    }
    return NULL;
}

static void
rangeiter_dealloc(PyObject *op)
{
    NjNumberState *st = &nj_interp()->numbers;
    if (st->n_free_range_iters < NJ_FREE_RANGE_ITERS_MAX) {
        *(void **)op = st->free_range_iters;
        st->free_range_iters = op;
        st->n_free_range_iters++;
        return;
    }
    PyObject_Free(op);
}

static PyObject *
rangeiter_length_hint(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return nj_int_from_i64(((NjRangeIter *)op)->len);
}

static PyObject *
reduce_as_range(NJ_STEALS PyObject *range)
{
    NJ_OWN r = range;
    NJ_OWN iter = builtin(NJ_ID(iter));
    if (r == NULL || iter == NULL) {
        return NULL;
    }
    return Py_BuildValue("O(O)O", iter, r, Py_None);
}

static PyObject *
rangeiter_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjRangeIter *it = (NjRangeIter *)op;
    /* One step beyond the last value may not fit a word, but it always fits an int. */
    __int128 stop = (__int128)it->value + (__int128)it->step * it->len;
    bool neg = stop < 0;
    return reduce_as_range(
        make_range(nj_int_from_i64(it->value),
                   nj_int_from_u128(neg ? -(unsigned __int128)stop : (unsigned __int128)stop,
                                    neg),
                   nj_int_from_i64(it->step)));
}

static PyObject *
rangeiter_setstate(PyObject *op, PyObject *state)
{
    NjRangeIter *it = (NjRangeIter *)op;
    long index = PyLong_AsLong(state);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (index < 0) {
        index = 0;
    }
    else if (index > it->len) {
        index = it->len; /* exhausted */
    }
    it->value += index * it->step;
    it->len -= index;
    Py_RETURN_NONE;
}

static PyMethodDef rangeiter_methods[] = {
    {"__length_hint__", rangeiter_length_hint, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\nHow many items are left."},
    {"__reduce__", rangeiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", rangeiter_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyRangeIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "range_iterator",
    .tp_basicsize = sizeof(NjRangeIter),
    .tp_dealloc = rangeiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = rangeiter_next,
    .tp_methods = rangeiter_methods,
};

static PyObject *
longrangeiter_next(PyObject *op)
{
    NjLongRangeIter *it = (NjLongRangeIter *)op;
    if (nj_int_sign(INT(it->len)) <= 0) {
        return NULL;
    }
    NJ_OWN len = nj_int_sub(INT(it->len), INT(nj_small_int(1)));
    NJ_OWN next = nj_int_add(INT(it->start), INT(it->step));
    if (len == NULL || next == NULL) {
        return NULL;
    }
    PyObject *v = it->start;
    it->start = NJ_TAKE(next);
    Py_SETREF(it->len, NJ_TAKE(len));
    return v;
}

static void
longrangeiter_dealloc(PyObject *op)
{
    NjLongRangeIter *it = (NjLongRangeIter *)op;
    Py_DECREF(it->start);
    Py_DECREF(it->step);
    Py_DECREF(it->len);
    PyObject_Free(op);
}

static PyObject *
longrangeiter_length_hint(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_NewRef(((NjLongRangeIter *)op)->len);
}

static PyObject *
longrangeiter_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NjLongRangeIter *it = (NjLongRangeIter *)op;
    NJ_OWN d = nj_int_mul(INT(it->len), INT(it->step));
    if (d == NULL) {
        return NULL;
    }
    PyObject *stop = nj_int_add(INT(it->start), INT(d));
    return reduce_as_range(make_range(Py_NewRef(it->start), stop, Py_NewRef(it->step)));
}

static PyObject *
longrangeiter_setstate(PyObject *op, PyObject *state)
{
    NjLongRangeIter *it = (NjLongRangeIter *)op;
    if (!PyLong_CheckExact(state)) {
        PyErr_Format(PyExc_TypeError, "state must be an int, not %T", state);
        return NULL;
    }
    PyObject *i = state;
    if (nj_int_is_negative(INT(i))) {
        i = nj_small_int(0);
    }
    else if (nj_int_cmp(INT(i), INT(it->len)) > 0) {
        i = it->len;
    }
    NJ_OWN d = nj_int_mul(INT(i), INT(it->step));
    NJ_OWN start = d ? nj_int_add(INT(it->start), INT(d)) : NULL;
    NJ_OWN len = nj_int_sub(INT(it->len), INT(i));
    if (start == NULL || len == NULL) {
        return NULL;
    }
    Py_SETREF(it->start, NJ_TAKE(start));
    Py_SETREF(it->len, NJ_TAKE(len));
    Py_RETURN_NONE;
}

static PyMethodDef longrangeiter_methods[] = {
    {"__length_hint__", longrangeiter_length_hint, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\nHow many items are left."},
    {"__reduce__", longrangeiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", longrangeiter_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyLongRangeIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "longrange_iterator",
    .tp_basicsize = sizeof(NjLongRangeIter),
    .tp_dealloc = longrangeiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = longrangeiter_next,
    .tp_methods = longrangeiter_methods,
};

/* ---- the type ----------------------------------------------------------------------- */

static PyMethodDef range_methods[] = {
    {"__reversed__", range_reversed, METH_NOARGS,
     "__reversed__($self, /)\n--\n\nReturn a reverse iterator."},
    {"__reduce__", range_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"count", range_count, METH_O,
     "count($self, object, /)\n--\n\nHow many items equal the object."},
    {"index", range_index, METH_O,
     "index($self, object, /)\n--\n\nThe index of the first item equal to the object."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef range_members[] = {
    {"start", Py_T_OBJECT_EX, offsetof(NjRange, start), Py_READONLY, NULL},
    {"stop", Py_T_OBJECT_EX, offsetof(NjRange, stop), Py_READONLY, NULL},
    {"step", Py_T_OBJECT_EX, offsetof(NjRange, step), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyNumberMethods range_as_number = {.nb_bool = range_bool};

static PySequenceMethods range_as_sequence = {
    .sq_length = range_length,
    .sq_item = range_item,
    .sq_contains = range_contains,
};

static PyMappingMethods range_as_mapping = {
    .mp_length = range_length,
    .mp_subscript = range_subscript,
};

PyTypeObject PyRange_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "range",
    .tp_basicsize = sizeof(NjRange),
    .tp_dealloc = range_dealloc,
    .tp_repr = range_repr,
    .tp_as_number = &range_as_number,
    .tp_as_sequence = &range_as_sequence,
    .tp_as_mapping = &range_as_mapping,
    .tp_hash = range_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_SEQUENCE,
    .tp_doc = "range(stop) -> range object\n"
              "range(start, stop[, step]) -> range object\n"
              "\n"
              "The integers from start (0 if absent) up to but without stop, in steps of\n"
              "step; range(4) is 0, 1, 2, 3: the indices of a list of four items.",
    .tp_richcompare = range_richcompare,
    .tp_iter = range_iter,
    .tp_methods = range_methods,
    .tp_members = range_members,
    .tp_new = range_new,
    .tp_vectorcall = range_vectorcall,
};

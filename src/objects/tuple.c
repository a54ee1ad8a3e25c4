/* tuple.c - the built-in tuple.
 *
 * Tuples of 1..20 items are recycled through per-size free lists; () is one immortal
 * object. The hash is cached in ob_hash (-1 = not computed). Exact tuples whose items can
 * never be part of a cycle are not tracked by the collector: those built from a full array
 * are left untracked at once, others the collector untracks when it meets them.
 *
 * The hash is the published xxHash-64 lane mixing, giving the values of the reference.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/dict_view.h"
#include "objects/seq_common.h"
#include "objects/tuple_int.h"
#include "runtime/gc.h"
#include "runtime/runtime.h"

static const int64_t empty_refcnt =
    ((int64_t)(_Py_IMMORTAL_FLAGS | _Py_STATICALLY_ALLOCATED_FLAG) << 48) |
    (int64_t)_Py_IMMORTAL_INITIAL_REFCNT;

/* The empty tuple: static, immortal, shared by all interpreters, never written. It carries
 * a (never linked) collector head because its type says HAVE_GC. */
static struct {
    NjGCHead head;
    PyTupleObject tuple;
} empty_tuple = {
    .head = {0, 0},
    .tuple = {
        .ob_base = {
            .ob_base = {
                .ob_refcnt_full = ((int64_t)(_Py_IMMORTAL_FLAGS |
                                             _Py_STATICALLY_ALLOCATED_FLAG) << 48) |
                                  (int64_t)_Py_IMMORTAL_INITIAL_REFCNT,
                .ob_type = &PyTuple_Type,
            },
            .ob_size = 0,
        },
        .ob_hash = 5740354900026072187, /* hash(()) */
    },
};

NJ_INLINE PyObject *
the_empty(void)
{
    return (PyObject *)&empty_tuple.tuple;
}

/* Uninitialised items, untracked, n > 0. */
NJ_INLINE PyTupleObject *
alloc_tuple(Py_ssize_t n)
{
    PyTupleObject *t;
    if (NJ_LIKELY(n <= NJ_TUPLE_FREE_SIZES)) {
        NjFreeList *f = &nj_interp()->containers.tuples[n];
        t = f->head;
        if (NJ_LIKELY(t != NULL)) {
            f->head = (void *)((PyObject *)t)->ob_type;
            f->count--;
            ((PyObject *)t)->ob_refcnt_full = 1;
            ((PyObject *)t)->ob_type = &PyTuple_Type;
            nj_trace_new(t);
            t->ob_hash = -1;
            return t;
        }
    }
    else if ((size_t)n > ((size_t)PY_SSIZE_T_MAX - offsetof(PyTupleObject, ob_item)) /
                             sizeof(PyObject *)) {
        return (PyTupleObject *)PyErr_NoMemory();
    }
    t = PyObject_GC_NewVar(PyTupleObject, &PyTuple_Type, n);
    if (t) {
        t->ob_hash = -1;
    }
    return t;
}

PyObject *
PyTuple_New(Py_ssize_t size)
{
    if (size == 0) {
        return the_empty();
    }
    if (size < 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyTupleObject *t = alloc_tuple(size);
    if (!t) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        t->ob_item[i] = NULL;
    }
    nj_gc_track((PyObject *)t);
    return (PyObject *)t;
}

/* Could the collector ever have to look at this item? */
NJ_INLINE bool
may_cycle(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    if (!(tp->tp_flags & Py_TPFLAGS_HAVE_GC)) {
        return false;
    }
    return tp != &PyTuple_Type || nj_gc_is_tracked(op);
}

PyObject *
nj_tuple_from_array(PyObject *const *items, Py_ssize_t n)
{
    if (n == 0) {
        return the_empty();
    }
    PyTupleObject *t = alloc_tuple(n);
    if (!t) {
        return NULL;
    }
    bool track = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *v = items[i];
        track |= may_cycle(v);
        t->ob_item[i] = Py_NewRef(v);
    }
    if (track) {
        nj_gc_track((PyObject *)t);
    }
    return (PyObject *)t;
}

PyObject *
nj_tuple_from_array_steal(PyObject *const *items, Py_ssize_t n)
{
    if (n == 0) {
        return the_empty();
    }
    PyTupleObject *t = alloc_tuple(n);
    if (!t) {
        for (Py_ssize_t i = 0; i < n; i++) {
            Py_DECREF(items[i]);
        }
        return NULL;
    }
    bool track = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *v = items[i];
        track |= may_cycle(v);
        t->ob_item[i] = v;
    }
    if (track) {
        nj_gc_track((PyObject *)t);
    }
    return (PyObject *)t;
}

PyObject *
nj_tuple_pair_steal(PyObject *a, PyObject *b)
{
    PyTupleObject *t = alloc_tuple(2);
    if (!t) {
        Py_DECREF(a);
        Py_DECREF(b);
        return NULL;
    }
    t->ob_item[0] = a;
    t->ob_item[1] = b;
    if (may_cycle(a) || may_cycle(b)) {
        nj_gc_track((PyObject *)t);
    }
    return (PyObject *)t;
}

PyAPI_FUNC(PyObject *) _PyTuple_FromArray(PyObject *const *, Py_ssize_t);

PyObject *
_PyTuple_FromArray(PyObject *const *items, Py_ssize_t n)
{
    return nj_tuple_from_array(items, n);
}

void
nj_tuple_maybe_untrack(PyObject *op)
{
    if (!PyTuple_CheckExact(op) || !nj_gc_is_tracked(op)) {
        return;
    }
    PyTupleObject *t = (PyTupleObject *)op;
    for (Py_ssize_t i = 0, n = Py_SIZE(t); i < n; i++) {
        PyObject *v = t->ob_item[i];
        if (!v || may_cycle(v)) {
            return; /* still being filled, or a possible link */
        }
    }
    nj_gc_untrack(op);
}

static void
tuple_dealloc(PyObject *self)
{
    PyTupleObject *t = (PyTupleObject *)self;
    Py_ssize_t n = Py_SIZE(t);
    if (n == 0) {
        if (t == &empty_tuple.tuple) {
            /* an extension lost count of an immortal: put it right */
            self->ob_refcnt_full = empty_refcnt;
            return;
        }
        nj_gc_untrack(self);
        Py_TYPE(self)->tp_free(self);
        return;
    }
    nj_gc_untrack(self);
    for (Py_ssize_t i = n; --i >= 0;) {
        Py_XDECREF(t->ob_item[i]);
    }
    if (NJ_LIKELY(Py_IS_TYPE(self, &PyTuple_Type))) {
        if (n <= NJ_TUPLE_FREE_SIZES) {
            NjFreeList *f = &nj_interp()->containers.tuples[n];
            if (f->count < NJ_TUPLE_FREE_MAX) {
                nj_gc_head(self)->prev = 0;
                self->ob_type = f->head;
                f->head = t;
                f->count++;
                return;
            }
        }
        PyObject_GC_Del(self);
        return;
    }
    Py_TYPE(self)->tp_free(self);
}

static int
tuple_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyTupleObject *t = (PyTupleObject *)self;
    for (Py_ssize_t i = Py_SIZE(t); --i >= 0;) {
        Py_VISIT(t->ob_item[i]);
    }
    return 0;
}

/* ---------------------------------------------------------------- slots */

static PyObject *
tuple_repr(PyObject *self)
{
    PyTupleObject *t = (PyTupleObject *)self;
    Py_ssize_t n = Py_SIZE(t);
    if (n == 0) {
        return PyUnicode_FromString("()");
    }
    int rc = Py_ReprEnter(self);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromString("(...)") : NULL;
    }
    PyUnicodeWriter *w = PyUnicodeWriter_Create(0);
    bool ok = w && PyUnicodeWriter_WriteChar(w, '(') == 0;
    for (Py_ssize_t i = 0; ok && i < n; i++) {
        ok = (i == 0 || PyUnicodeWriter_WriteASCII(w, ", ", 2) == 0) &&
             PyUnicodeWriter_WriteRepr(w, t->ob_item[i]) == 0;
    }
    Py_ReprLeave(self);
    if (ok && n == 1) {
        ok = PyUnicodeWriter_WriteChar(w, ',') == 0;
    }
    if (!ok || PyUnicodeWriter_WriteChar(w, ')') < 0) {
        PyUnicodeWriter_Discard(w);
        return NULL;
    }
    return PyUnicodeWriter_Finish(w);
}

#define XX_PRIME_1 11400714785074694791ULL
#define XX_PRIME_2 14029467366897019727ULL
#define XX_PRIME_5 2870177450012600261ULL

static Py_hash_t
tuple_hash(PyObject *self)
{
    PyTupleObject *t = (PyTupleObject *)self;
    if (t->ob_hash != -1) {
        return t->ob_hash;
    }
    Py_ssize_t n = Py_SIZE(t);
    uint64_t acc = XX_PRIME_5;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_hash_t lane = PyObject_Hash(t->ob_item[i]);
        if (lane == -1) {
            return -1;
        }
        acc += (uint64_t)lane * XX_PRIME_2;
        acc = (acc << 31) | (acc >> 33);
        acc *= XX_PRIME_1;
    }
    acc += (uint64_t)n ^ (XX_PRIME_5 ^ 3527539ULL);
    if (acc == (uint64_t)-1) {
        acc = 1546275796;
    }
    return t->ob_hash = (Py_hash_t)acc;
}

static Py_ssize_t
tuple_length(PyObject *self)
{
    return Py_SIZE(self);
}

static int
tuple_contains(PyObject *self, PyObject *el)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        int r = nj_items_equal(PyTuple_GET_ITEM(self, i), el);
        if (r) {
            return r;
        }
    }
    return 0;
}

static PyObject *
tuple_item(PyObject *self, Py_ssize_t i)
{
    if ((size_t)i >= (size_t)Py_SIZE(self)) {
        PyErr_SetString(PyExc_IndexError, "tuple index out of range");
        return NULL;
    }
    return Py_NewRef(PyTuple_GET_ITEM(self, i));
}

static PyObject *
tuple_slice(PyObject *self, Py_ssize_t lo, Py_ssize_t hi)
{
    Py_ssize_t n = Py_SIZE(self);
    if (lo < 0) {
        lo = 0;
    }
    if (hi > n) {
        hi = n;
    }
    if (hi < lo) {
        hi = lo;
    }
    if (lo == 0 && hi == n && PyTuple_CheckExact(self)) {
        return Py_NewRef(self);
    }
    return nj_tuple_from_array(((PyTupleObject *)self)->ob_item + lo, hi - lo);
}

static PyObject *
tuple_subscript(PyObject *self, PyObject *item)
{
    if (nj_is_index(item)) {
        Py_ssize_t i = PyNumber_AsSsize_t(item, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (i < 0) {
            i += Py_SIZE(self);
        }
        return tuple_item(self, i);
    }
    if (PySlice_Check(item)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(item, &start, &stop, &step) < 0) {
            return NULL;
        }
        Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
        if (n <= 0) {
            return the_empty();
        }
        if (step == 1) {
            return tuple_slice(self, start, start + n);
        }
        PyTupleObject *t = alloc_tuple(n);
        if (!t) {
            return NULL;
        }
        PyObject **src = ((PyTupleObject *)self)->ob_item;
        size_t cur = (size_t)start;
        for (Py_ssize_t i = 0; i < n; i++, cur += (size_t)step) {
            t->ob_item[i] = Py_NewRef(src[cur]);
        }
        nj_gc_track((PyObject *)t);
        return (PyObject *)t;
    }
    PyErr_Format(PyExc_TypeError, "tuple indices must be integers or slices, not %.200s",
                 Py_TYPE(item)->tp_name);
    return NULL;
}

static PyObject *
tuple_concat(PyObject *a, PyObject *b)
{
    if (Py_SIZE(a) == 0 && PyTuple_CheckExact(b)) {
        return Py_NewRef(b);
    }
    if (!PyTuple_Check(b)) {
        PyErr_Format(PyExc_TypeError,
                     "can only concatenate tuple (not \"%.200s\") to tuple",
                     Py_TYPE(b)->tp_name);
        return NULL;
    }
    if (Py_SIZE(b) == 0 && PyTuple_CheckExact(a)) {
        return Py_NewRef(a);
    }
    Py_ssize_t n = Py_SIZE(a), m = Py_SIZE(b);
    if (n > PY_SSIZE_T_MAX - m) {
        return PyErr_NoMemory();
    }
    if (n + m == 0) {
        return the_empty();
    }
    PyTupleObject *t = alloc_tuple(n + m);
    if (!t) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        t->ob_item[i] = Py_NewRef(PyTuple_GET_ITEM(a, i));
    }
    for (Py_ssize_t i = 0; i < m; i++) {
        t->ob_item[n + i] = Py_NewRef(PyTuple_GET_ITEM(b, i));
    }
    nj_gc_track((PyObject *)t);
    return (PyObject *)t;
}

static PyObject *
tuple_repeat(PyObject *self, Py_ssize_t times)
{
    Py_ssize_t n = Py_SIZE(self);
    if (times == 1 && PyTuple_CheckExact(self)) {
        return Py_NewRef(self);
    }
    if (n == 0 || times <= 0) {
        if (PyTuple_CheckExact(self) && n == 0) {
            return Py_NewRef(self);
        }
        return the_empty();
    }
    if (n > PY_SSIZE_T_MAX / times) {
        return PyErr_NoMemory();
    }
    PyTupleObject *t = alloc_tuple(n * times);
    if (!t) {
        return NULL;
    }
    PyObject **to = t->ob_item;
    for (Py_ssize_t k = 0; k < times; k++) {
        for (Py_ssize_t i = 0; i < n; i++) {
            *to++ = Py_NewRef(PyTuple_GET_ITEM(self, i));
        }
    }
    nj_gc_track((PyObject *)t);
    return (PyObject *)t;
}

static PyObject *
tuple_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyTuple_Check(a) || !PyTuple_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_ssize_t n = Py_SIZE(a), m = Py_SIZE(b), i;
    /* Tuples do not change: no length shortcut is lost, but the reference compares items
     * first even when lengths differ, which __eq__ can observe. */
    for (i = 0; i < n && i < m; i++) {
        int r = nj_items_equal(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i));
        if (r < 0) {
            return NULL;
        }
        if (!r) {
            break;
        }
    }
    if (i >= n || i >= m) {
        Py_RETURN_RICHCOMPARE(n, m, op);
    }
    if (op == Py_EQ) {
        Py_RETURN_FALSE;
    }
    if (op == Py_NE) {
        Py_RETURN_TRUE;
    }
    return PyObject_RichCompare(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i), op);
}

/* ---------------------------------------------------------------- construction */

PyObject *
nj_tuple_of_type(PyTypeObject *type, PyObject *iterable)
{
    if (type == &PyTuple_Type) {
        return iterable ? PySequence_Tuple(iterable) : the_empty();
    }
    NJ_OWN items = iterable ? PySequence_Tuple(iterable) : the_empty();
    if (!items) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(items);
    PyObject *self = type->tp_alloc(type, n);
    if (!self) {
        return NULL;
    }
    ((PyTupleObject *)self)->ob_hash = -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(self, i, Py_NewRef(PyTuple_GET_ITEM(items, i)));
    }
    return self;
}

static PyObject *
tuple_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if ((type == &PyTuple_Type || type->tp_init == PyTuple_Type.tp_init) &&
        !_PyArg_NoKeywords("tuple", kwds)) {
        return NULL;
    }
    if (!_PyArg_CheckPositional("tuple", PyTuple_GET_SIZE(args), 0, 1)) {
        return NULL;
    }
    return nj_tuple_of_type(type, PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL);
}

static PyObject *
tuple_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("tuple", kwnames) || !_PyArg_CheckPositional("tuple", n, 0, 1)) {
        return NULL;
    }
    return nj_tuple_of_type((PyTypeObject *)type, n ? args[0] : NULL);
}

/* ---------------------------------------------------------------- methods */

static PyObject *
tuple_getnewargs(PyObject *self, PyObject *unused)
{
    PyObject *copy = nj_tuple_from_array(((PyTupleObject *)self)->ob_item, Py_SIZE(self));
    return copy ? Py_BuildValue("(N)", copy) : NULL;
}

static PyObject *
tuple_index(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if (!_PyArg_CheckPositional("index", nargs, 1, 3) ||
        (nargs >= 2 && nj_slice_bound(args[1], &start) < 0) ||
        (nargs >= 3 && nj_slice_bound(args[2], &stop) < 0)) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(self);
    if (start < 0) {
        start += n;
        start = start < 0 ? 0 : start;
    }
    if (stop < 0) {
        stop += n;
    }
    else if (stop > n) {
        stop = n;
    }
    for (Py_ssize_t i = start; i < stop; i++) {
        int r = nj_items_equal(PyTuple_GET_ITEM(self, i), args[0]);
        if (r > 0) {
            return PyLong_FromSsize_t(i);
        }
        if (r < 0) {
            return NULL;
        }
    }
    PyErr_SetString(PyExc_ValueError, "tuple.index(x): x not in tuple");
    return NULL;
}

static PyObject *
tuple_count(PyObject *self, PyObject *value)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        int r = nj_items_equal(PyTuple_GET_ITEM(self, i), value);
        if (r < 0) {
            return NULL;
        }
        count += r;
    }
    return PyLong_FromSsize_t(count);
}

static PyMethodDef tuple_methods[] = {
    {"__getnewargs__", tuple_getnewargs, METH_NOARGS, "__getnewargs__($self, /)\n--\n\n"},
    {"index", _PyCFunction_CAST(tuple_index), METH_FASTCALL,
     "index($self, value, start=0, stop=sys.maxsize, /)\n--\n\n"
     "Return first index of value.\n\nRaises ValueError if the value is not present."},
    {"count", tuple_count, METH_O,
     "count($self, value, /)\n--\n\nReturn number of occurrences of value."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"
     "Tuples are generic over the types of their contents."},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods tuple_as_sequence = {
    .sq_length = tuple_length,
    .sq_concat = tuple_concat,
    .sq_repeat = tuple_repeat,
    .sq_item = tuple_item,
    .sq_contains = tuple_contains,
};

static PyMappingMethods tuple_as_mapping = {
    .mp_length = tuple_length,
    .mp_subscript = tuple_subscript,
};

static PyObject *tuple_iter(PyObject *self);

PyTypeObject PyTuple_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "tuple",
    .tp_basicsize = sizeof(PyTupleObject) - sizeof(PyObject *),
    .tp_itemsize = sizeof(PyObject *),
    .tp_dealloc = tuple_dealloc,
    .tp_repr = tuple_repr,
    .tp_as_sequence = &tuple_as_sequence,
    .tp_as_mapping = &tuple_as_mapping,
    .tp_hash = tuple_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                Py_TPFLAGS_TUPLE_SUBCLASS | _Py_TPFLAGS_MATCH_SELF | Py_TPFLAGS_SEQUENCE,
    .tp_doc = "tuple(iterable=(), /)\n--\n\n"
              "Built-in immutable sequence.\n\n"
              "If no argument is given, the constructor returns an empty tuple.\n"
              "If iterable is specified the tuple is initialized from iterable's items.\n\n"
              "If the argument is a tuple, the return value is the same object.",
    .tp_traverse = tuple_traverse,
    .tp_richcompare = tuple_richcompare,
    .tp_iter = tuple_iter,
    .tp_methods = tuple_methods,
    .tp_new = tuple_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = tuple_vectorcall,
};

/* ---------------------------------------------------------------- iterator */

typedef struct NjTupleIter {
    PyObject_HEAD
    Py_ssize_t index;
    PyTupleObject *seq; /* owned; NULL when exhausted */
} NjTupleIter;

static PyObject *
tuple_iter(PyObject *self)
{
    NjTupleIter *it;
    NjFreeList *f = &nj_interp()->containers.tuple_iters;
    if (f->head) {
        it = f->head;
        f->head = (void *)it->ob_base.ob_type;
        f->count--;
        ((PyObject *)it)->ob_refcnt_full = 1;
        it->ob_base.ob_type = &PyTupleIter_Type;
        nj_trace_new(it);
    }
    else {
        it = PyObject_GC_New(NjTupleIter, &PyTupleIter_Type);
        if (!it) {
            return NULL;
        }
    }
    it->index = 0;
    it->seq = (PyTupleObject *)Py_NewRef(self);
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static void
tupleiter_dealloc(PyObject *self)
{
    NjTupleIter *it = (NjTupleIter *)self;
    nj_gc_untrack(self);
    Py_XDECREF(it->seq);
    NjFreeList *f = &nj_interp()->containers.tuple_iters;
    if (f->count < NJ_ITERS_FREE_MAX) {
        nj_gc_head(self)->prev = 0;
        self->ob_type = f->head;
        f->head = it;
        f->count++;
        return;
    }
    PyObject_GC_Del(self);
}

static int
tupleiter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((NjTupleIter *)self)->seq);
    return 0;
}

static PyObject *
tupleiter_next(PyObject *self)
{
    NjTupleIter *it = (NjTupleIter *)self;
    PyTupleObject *seq = it->seq;
    if (!seq) {
        return NULL;
    }
    if (it->index < Py_SIZE(seq)) {
        return Py_NewRef(seq->ob_item[it->index++]);
    }
    it->seq = NULL;
    Py_DECREF(seq);
    return NULL;
}

static PyObject *
tupleiter_len(PyObject *self, PyObject *unused)
{
    NjTupleIter *it = (NjTupleIter *)self;
    return PyLong_FromSsize_t(it->seq ? Py_SIZE(it->seq) - it->index : 0);
}

static PyObject *
tupleiter_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN iter = nj_get_builtin(NJ_ID(iter));
    NjTupleIter *it = (NjTupleIter *)self; /* only now: the lookup may run code */
    if (!iter) {
        return NULL;
    }
    if (it->seq) {
        return Py_BuildValue("O(O)n", iter, it->seq, it->index);
    }
    return Py_BuildValue("O(())", iter);
}

static PyObject *
tupleiter_setstate(PyObject *self, PyObject *state)
{
    NjTupleIter *it = (NjTupleIter *)self;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->seq) {
        it->index = i < 0 ? 0 : i > Py_SIZE(it->seq) ? Py_SIZE(it->seq) : i;
    }
    Py_RETURN_NONE;
}

static PyMethodDef tupleiter_methods[] = {
    {"__length_hint__", tupleiter_len, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\n"
     "Private method returning an estimate of len(list(it))."},
    {"__reduce__", tupleiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__setstate__", tupleiter_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyTupleIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "tuple_iterator",
    .tp_basicsize = sizeof(NjTupleIter),
    .tp_dealloc = tupleiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = tupleiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = tupleiter_next,
    .tp_methods = tupleiter_methods,
};

/* ---------------------------------------------------------------- PyTuple_* */

Py_ssize_t
PyTuple_Size(PyObject *op)
{
    if (!PyTuple_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return Py_SIZE(op);
}

PyObject *
PyTuple_GetItem(PyObject *op, Py_ssize_t i)
{
    if (!PyTuple_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (i < 0 || i >= Py_SIZE(op)) {
        PyErr_SetString(PyExc_IndexError, "tuple index out of range");
        return NULL;
    }
    return PyTuple_GET_ITEM(op, i);
}

int
PyTuple_SetItem(PyObject *op, Py_ssize_t i, PyObject *newitem)
{
    if (!PyTuple_Check(op) || Py_REFCNT(op) != 1) {
        Py_XDECREF(newitem);
        PyErr_BadInternalCall();
        return -1;
    }
    if (i < 0 || i >= Py_SIZE(op)) {
        Py_XDECREF(newitem);
        PyErr_SetString(PyExc_IndexError, "tuple assignment index out of range");
        return -1;
    }
    Py_XSETREF(((PyTupleObject *)op)->ob_item[i], newitem);
    return 0;
}

PyObject *
PyTuple_Pack(Py_ssize_t n, ...)
{
    if (n == 0) {
        return the_empty();
    }
    PyTupleObject *t = alloc_tuple(n);
    if (!t) {
        return NULL;
    }
    va_list va;
    va_start(va, n);
    bool track = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *v = va_arg(va, PyObject *);
        track |= may_cycle(v);
        t->ob_item[i] = Py_NewRef(v);
    }
    va_end(va);
    if (track) {
        nj_gc_track((PyObject *)t);
    }
    return (PyObject *)t;
}

PyObject *
PyTuple_GetSlice(PyObject *op, Py_ssize_t lo, Py_ssize_t hi)
{
    if (op == NULL || !PyTuple_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return tuple_slice(op, lo, hi);
}

int
_PyTuple_Resize(PyObject **pv, Py_ssize_t newsize)
{
    PyTupleObject *t = (PyTupleObject *)*pv;
    if (t == NULL || !Py_IS_TYPE(t, &PyTuple_Type) ||
        (Py_SIZE(t) != 0 && Py_REFCNT(t) != 1) || newsize < 0) {
        *pv = NULL;
        Py_XDECREF(t);
        PyErr_BadInternalCall();
        return -1;
    }
    Py_ssize_t oldsize = Py_SIZE(t);
    if (oldsize == newsize) {
        return 0;
    }
    if (newsize == 0) {
        *pv = the_empty();
        Py_DECREF(t);
        return 0;
    }
    if (oldsize == 0) {
        *pv = PyTuple_New(newsize);
        return *pv ? 0 : -1;
    }
    nj_gc_untrack((PyObject *)t);
    for (Py_ssize_t i = newsize; i < oldsize; i++) {
        Py_CLEAR(t->ob_item[i]);
    }
    PyTupleObject *grown = (PyTupleObject *)PyObject_GC_Resize(PyTupleObject, t, newsize);
    if (!grown) {
        *pv = NULL;
        /* the old block still stands: drop it as a tuple */
        for (Py_ssize_t i = 0; i < oldsize && i < newsize; i++) {
            Py_CLEAR(t->ob_item[i]);
        }
        PyObject_GC_Del(t);
        return -1;
    }
    for (Py_ssize_t i = oldsize; i < newsize; i++) {
        grown->ob_item[i] = NULL;
    }
    grown->ob_hash = -1;
    *pv = (PyObject *)grown;
    nj_gc_track((PyObject *)grown);
    return 0;
}

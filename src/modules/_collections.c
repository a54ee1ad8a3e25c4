/* _collections.c - deque, defaultdict, OrderedDict's home, helpers of collections.
 *
 * A deque is a ring: `ring' has mask + 1 slots (a power of two), item i is at
 * (head + i) & mask. So both ends and the middle are reached in constant time; growing
 * copies, like a list. `state' counts changes of structure: iterators and the searching
 * methods compare it to notice that a comparison's Python code changed the deque.
 * Items leave the ring before they are dropped.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stddef.h>

typedef struct {
    PyTypeObject *deque;
    PyTypeObject *defaultdict;
    PyTypeObject *iter;
    PyTypeObject *reviter;
    PyTypeObject *tuplegetter;
} ModuleState;

static struct PyModuleDef collections_module;

static ModuleState *
state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &collections_module);
    return m ? PyModule_GetState(m) : NULL;
}

PyAPI_FUNC(int) _PyDict_SetItem_KnownHash(PyObject *, PyObject *, PyObject *, Py_hash_t);

typedef struct {
    PyObject_VAR_HEAD          /* ob_size: number of items */
    PyObject **ring;           /* owned; NULL while mask == -1 */
    Py_ssize_t mask;           /* slots - 1; -1: no ring yet */
    Py_ssize_t head;           /* slot of item 0 */
    size_t state;              /* bumped by every structural change */
    Py_ssize_t maxlen;         /* -1: unbounded */
    PyObject *weakreflist;
} Deque;

#define AT(d, i) ((d)->ring[((d)->head + (i)) & (d)->mask])

NJ_INLINE void
set_size(Deque *d, Py_ssize_t n)
{
    ((PyVarObject *)d)->ob_size = n;
}

static bool
is_deque(PyObject *op);

/* Room for n items, unrolled to start at slot 0. */
static int
resize_ring(Deque *d, Py_ssize_t n)
{
    Py_ssize_t cap = 8;
    while (cap < n) {
        cap <<= 1;
        if (cap <= 0) {
            PyErr_NoMemory();
            return -1;
        }
    }
    if ((size_t)cap > (size_t)PY_SSIZE_T_MAX / sizeof(PyObject *)) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject **ring = PyMem_Malloc((size_t)cap * sizeof(PyObject *));
    if (!ring) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t size = Py_SIZE(d);
    if (size) {
        Py_ssize_t part = d->mask + 1 - d->head;
        if (part > size) {
            part = size;
        }
        memcpy(ring, d->ring + d->head, (size_t)part * sizeof(PyObject *));
        memcpy(ring + part, d->ring, (size_t)(size - part) * sizeof(PyObject *));
    }
    PyMem_Free(d->ring);
    d->ring = ring;
    d->mask = cap - 1;
    d->head = 0;
    return 0;
}

/* Gives back memory of a ring that has become much too large. */
NJ_INLINE void
maybe_shrink(Deque *d)
{
    if (NJ_UNLIKELY(d->mask > 63 && Py_SIZE(d) < (d->mask >> 3))) {
        if (resize_ring(d, Py_SIZE(d) * 2) < 0) {
            PyErr_Clear();
        }
    }
}

/* Takes the item out of the left end; the deque is not empty. */
NJ_INLINE PyObject *
take_left(Deque *d)
{
    PyObject *v = d->ring[d->head];
    d->head = (d->head + 1) & d->mask;
    set_size(d, Py_SIZE(d) - 1);
    d->state++;
    maybe_shrink(d);
    return v;
}

NJ_INLINE PyObject *
take_right(Deque *d)
{
    PyObject *v = AT(d, Py_SIZE(d) - 1);
    set_size(d, Py_SIZE(d) - 1);
    d->state++;
    maybe_shrink(d);
    return v;
}

/* Steals v, also on failure. Keeps maxlen by dropping from the other end. */
NJ_INLINE int
put_right_steal(Deque *d, PyObject *v)
{
    Py_ssize_t n = Py_SIZE(d);
    if (NJ_UNLIKELY(n > d->mask) && resize_ring(d, n + 1) < 0) {
        Py_DECREF(v);
        return -1;
    }
    AT(d, n) = v;
    set_size(d, n + 1);
    if (d->maxlen >= 0 && n + 1 > d->maxlen) {
        Py_DECREF(take_left(d));
    }
    else {
        d->state++;
    }
    return 0;
}

NJ_INLINE int
put_left_steal(Deque *d, PyObject *v)
{
    Py_ssize_t n = Py_SIZE(d);
    if (NJ_UNLIKELY(n > d->mask) && resize_ring(d, n + 1) < 0) {
        Py_DECREF(v);
        return -1;
    }
    d->head = (d->head - 1) & d->mask;
    d->ring[d->head] = v;
    set_size(d, n + 1);
    if (d->maxlen >= 0 && n + 1 > d->maxlen) {
        Py_DECREF(take_right(d));
    }
    else {
        d->state++;
    }
    return 0;
}

static PyObject *
deque_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    Deque *d = (Deque *)type->tp_alloc(type, 0);
    if (d) {
        d->ring = NULL;
        d->mask = -1;
        d->head = 0;
        d->state = 0;
        d->maxlen = -1;
        d->weakreflist = NULL;
    }
    return (PyObject *)d;
}

static void
clear_deque(Deque *d)
{
    if (!d->ring) {
        return;
    }
    PyObject **ring = d->ring;
    Py_ssize_t n = Py_SIZE(d), head = d->head, mask = d->mask;
    d->ring = NULL;
    d->mask = -1;
    d->head = 0;
    set_size(d, 0);
    d->state++;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_DECREF(ring[(head + i) & mask]);
    }
    PyMem_Free(ring);
}

static int
deque_clear_slot(PyObject *op)
{
    clear_deque((Deque *)op);
    return 0;
}

static int
deque_traverse(PyObject *op, visitproc visit, void *arg)
{
    Deque *d = (Deque *)op;
    Py_VISIT(Py_TYPE(op));
    for (Py_ssize_t i = 0; i < Py_SIZE(d); i++) {
        Py_VISIT(AT(d, i));
    }
    return 0;
}

static void
deque_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((Deque *)op)->weakreflist) {
        PyObject_ClearWeakRefs(op);
    }
    clear_deque((Deque *)op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------- ends */

static PyObject *
deque_append(PyObject *op, PyObject *v)
{
    if (put_right_steal((Deque *)op, Py_NewRef(v)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
deque_appendleft(PyObject *op, PyObject *v)
{
    if (put_left_steal((Deque *)op, Py_NewRef(v)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
deque_pop(PyObject *op, PyObject *unused)
{
    if (Py_SIZE(op) == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from an empty deque");
        return NULL;
    }
    return take_right((Deque *)op);
}

static PyObject *
deque_popleft(PyObject *op, PyObject *unused)
{
    if (Py_SIZE(op) == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from an empty deque");
        return NULL;
    }
    return take_left((Deque *)op);
}

static int
extend_with(Deque *d, PyObject *iterable, bool left)
{
    NJ_OWN source = NULL;
    if (iterable == (PyObject *)d) {
        NJ_SET(source, PySequence_List(iterable));
    }
    else {
        NJ_SET(source, Py_NewRef(iterable));
    }
    NJ_OWN it = source ? PyObject_GetIter(source) : NULL;
    if (!it) {
        return -1;
    }
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    for (;;) {
        PyObject *v = next(it);
        if (!v) {
            break;
        }
        if (d->maxlen == 0) {
            Py_DECREF(v);
            continue;
        }
        if (left ? put_left_steal(d, v) < 0 : put_right_steal(d, v) < 0) {
            return -1;
        }
    }
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return -1;
        }
        PyErr_Clear();
    }
    return 0;
}

static PyObject *
deque_extend(PyObject *op, PyObject *iterable)
{
    if (extend_with((Deque *)op, iterable, false) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
deque_extendleft(PyObject *op, PyObject *iterable)
{
    if (extend_with((Deque *)op, iterable, true) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
deque_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"iterable", "maxlen", NULL};
    PyObject *iterable = NULL, *maxobj = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|OO:deque", names, &iterable, &maxobj)) {
        return -1;
    }
    Py_ssize_t maxlen = -1;
    if (maxobj && maxobj != Py_None) {
        maxlen = PyLong_AsSsize_t(maxobj);
        if (maxlen == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (maxlen < 0) {
            PyErr_SetString(PyExc_ValueError, "maxlen must be non-negative");
            return -1;
        }
    }
    Deque *d = (Deque *)op;
    d->maxlen = maxlen;
    if (Py_SIZE(d) > 0) {
        clear_deque(d);
    }
    return iterable ? extend_with(d, iterable, false) : 0;
}

/* ---------------------------------------------------------------- copying */

static PyObject *
new_like(PyObject *op)
{
    Deque *d = (Deque *)op;
    ModuleState *st = state_of(Py_TYPE(op));
    if (!st) {
        return NULL;
    }
    if (Py_IS_TYPE(op, st->deque)) {
        Deque *copy = (Deque *)deque_new(st->deque, NULL, NULL);
        if (copy) {
            copy->maxlen = d->maxlen;
        }
        return (PyObject *)copy;
    }
    if (d->maxlen < 0) {
        return PyObject_CallNoArgs((PyObject *)Py_TYPE(op));
    }
    return PyObject_CallFunction((PyObject *)Py_TYPE(op), "()n", d->maxlen);
}

static PyObject *
deque_copy(PyObject *op, PyObject *unused)
{
    Deque *d = (Deque *)op;
    ModuleState *st = state_of(Py_TYPE(op));
    if (!st) {
        return NULL;
    }
    if (Py_IS_TYPE(op, st->deque)) {
        NJ_OWN copy = new_like(op);
        if (!copy) {
            return NULL;
        }
        Deque *c = (Deque *)copy;
        Py_ssize_t n = Py_SIZE(d);
        if (n && resize_ring(c, n) < 0) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            c->ring[i] = Py_NewRef(AT(d, i));
        }
        set_size(c, n);
        return NJ_TAKE(copy);
    }
    NJ_OWN copy = d->maxlen < 0
                      ? PyObject_CallOneArg((PyObject *)Py_TYPE(op), op)
                      : PyObject_CallFunction((PyObject *)Py_TYPE(op), "On", op, d->maxlen);
    if (copy && !is_deque(copy)) {
        PyErr_Format(PyExc_TypeError, "%.200s() must return a deque, not %.200s",
                     Py_TYPE(op)->tp_name, Py_TYPE(copy)->tp_name);
        return NULL;
    }
    return NJ_TAKE(copy);
}

static PyObject *
deque_concat(PyObject *a, PyObject *b)
{
    if (!is_deque(b)) {
        PyErr_Format(PyExc_TypeError,
                     "can only concatenate deque (not \"%.200s\") to deque",
                     Py_TYPE(b)->tp_name);
        return NULL;
    }
    NJ_OWN r = deque_copy(a, NULL);
    return r && extend_with((Deque *)r, b, false) == 0 ? NJ_TAKE(r) : NULL;
}

static PyObject *
deque_inplace_concat(PyObject *op, PyObject *other)
{
    return extend_with((Deque *)op, other, false) < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
deque_inplace_repeat(PyObject *op, Py_ssize_t n)
{
    Deque *d = (Deque *)op;
    Py_ssize_t size = Py_SIZE(d);
    if (size == 0 || n == 1) {
        return Py_NewRef(op);
    }
    if (n <= 0) {
        clear_deque(d);
        return Py_NewRef(op);
    }
    if (d->maxlen >= 0 && n * (double)size > (double)d->maxlen) {
        /* only the last maxlen items survive */
        Py_ssize_t enough = (d->maxlen + size - 1) / size;
        n = n < enough + 1 ? n : enough + 1;
    }
    if (size > PY_SSIZE_T_MAX / n) {
        return PyErr_NoMemory();
    }
    Py_ssize_t total = size * n;
    if (total > d->mask + 1 && resize_ring(d, total) < 0) {
        return NULL;
    }
    d->state++;
    for (Py_ssize_t i = size; i < total; i++) {
        AT(d, i) = Py_NewRef(AT(d, i - size));
    }
    set_size(d, total);
    while (d->maxlen >= 0 && Py_SIZE(d) > d->maxlen) {
        Py_DECREF(take_left(d));
    }
    return Py_NewRef(op);
}

static PyObject *
deque_repeat(PyObject *op, Py_ssize_t n)
{
    NJ_OWN copy = deque_copy(op, NULL);
    return copy ? deque_inplace_repeat(copy, n) : NULL;
}

/* ---------------------------------------------------------------- the middle */

/* Turns the deque by n steps to the right. */
static void
rotate(Deque *d, Py_ssize_t n)
{
    Py_ssize_t size = Py_SIZE(d);
    if (size <= 1) {
        return;
    }
    if (n > size / 2 || n < -(size / 2)) {
        n %= size;
        if (n > size / 2) {
            n -= size;
        }
        else if (n < -(size / 2)) {
            n += size;
        }
    }
    d->state++;
    if (size == d->mask + 1) { /* full ring: only the start moves */
        d->head = (d->head - n) & d->mask;
        return;
    }
    for (; n > 0; n--) {
        PyObject *v = AT(d, size - 1);
        d->head = (d->head - 1) & d->mask;
        d->ring[d->head] = v;
    }
    for (; n < 0; n++) {
        PyObject *v = d->ring[d->head];
        AT(d, size) = v;
        d->head = (d->head + 1) & d->mask;
    }
}

static PyObject *
deque_rotate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t n = 1;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "rotate expected at most 1 argument, got %zd", nargs);
        return NULL;
    }
    if (nargs) {
        n = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    rotate((Deque *)op, n);
    Py_RETURN_NONE;
}

static PyObject *
deque_reverse(PyObject *op, PyObject *unused)
{
    Deque *d = (Deque *)op;
    for (Py_ssize_t i = 0, j = Py_SIZE(d) - 1; i < j; i++, j--) {
        PyObject *t = AT(d, i);
        AT(d, i) = AT(d, j);
        AT(d, j) = t;
    }
    Py_RETURN_NONE;
}

/* Takes item i out. */
static PyObject *
take_at(Deque *d, Py_ssize_t i)
{
    PyObject *v = AT(d, i);
    Py_ssize_t n = Py_SIZE(d);
    if (i < n / 2) {
        for (Py_ssize_t k = i; k > 0; k--) {
            AT(d, k) = AT(d, k - 1);
        }
        d->head = (d->head + 1) & d->mask;
    }
    else {
        for (Py_ssize_t k = i; k < n - 1; k++) {
            AT(d, k) = AT(d, k + 1);
        }
    }
    set_size(d, n - 1);
    d->state++;
    return v;
}

static PyObject *
deque_insert(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Deque *d = (Deque *)op;
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "insert expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    Py_ssize_t i = PyNumber_AsSsize_t(args[0], PyExc_OverflowError), n = Py_SIZE(d);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    n = Py_SIZE(d);
    if (d->maxlen == n) {
        PyErr_SetString(PyExc_IndexError, "deque already at its maximum size");
        return NULL;
    }
    if (i < 0) {
        i += n;
        i = i < 0 ? 0 : i;
    }
    if (i > n) {
        i = n;
    }
    if (i < n / 2) {
        if (put_left_steal(d, Py_NewRef(args[1])) < 0) {
            return NULL;
        }
        PyObject *v = AT(d, 0);
        for (Py_ssize_t k = 0; k < i; k++) {
            AT(d, k) = AT(d, k + 1);
        }
        AT(d, i) = v;
    }
    else {
        if (put_right_steal(d, Py_NewRef(args[1])) < 0) {
            return NULL;
        }
        PyObject *v = AT(d, n);
        for (Py_ssize_t k = n; k > i; k--) {
            AT(d, k) = AT(d, k - 1);
        }
        AT(d, i) = v;
    }
    Py_RETURN_NONE;
}

/* Position of v in [start, stop), -1 absent, -2 with an exception (exc_type when the deque
 * changed under the search). */
static Py_ssize_t
find(Deque *d, PyObject *v, Py_ssize_t start, Py_ssize_t stop, PyObject *exc_type)
{
    size_t state = d->state;
    for (Py_ssize_t i = start; i < stop; i++) {
        NJ_OWN item = Py_NewRef(AT(d, i));
        int r = PyObject_RichCompareBool(item, v, Py_EQ);
        if (r > 0) {
            return i;
        }
        if (r < 0) {
            return -2;
        }
        if (d->state != state) {
            PyErr_SetString(exc_type, "deque mutated during iteration");
            return -2;
        }
    }
    return -1;
}

static PyObject *
deque_remove(PyObject *op, PyObject *v)
{
    Deque *d = (Deque *)op;
    size_t state = d->state;
    Py_ssize_t i = find(d, v, 0, Py_SIZE(d), PyExc_IndexError);
    if (i == -2) {
        return NULL;
    }
    if (i == -1) {
        PyErr_SetString(PyExc_ValueError, "deque.remove(x): x not in deque");
        return NULL;
    }
    if (state != d->state) {
        PyErr_SetString(PyExc_IndexError, "deque mutated during iteration");
        return NULL;
    }
    Py_DECREF(take_at(d, i));
    Py_RETURN_NONE;
}

static int
deque_contains(PyObject *op, PyObject *v)
{
    Deque *d = (Deque *)op;
    Py_ssize_t i = find(d, v, 0, Py_SIZE(d), PyExc_RuntimeError);
    return i == -2 ? -1 : i >= 0;
}

static PyObject *
deque_count(PyObject *op, PyObject *v)
{
    Deque *d = (Deque *)op;
    size_t state = d->state;
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0, n = Py_SIZE(d); i < n; i++) {
        NJ_OWN item = Py_NewRef(AT(d, i));
        int r = PyObject_RichCompareBool(item, v, Py_EQ);
        if (r < 0) {
            return NULL;
        }
        count += r;
        if (d->state != state) {
            PyErr_SetString(PyExc_RuntimeError, "deque mutated during iteration");
            return NULL;
        }
    }
    return PyLong_FromSsize_t(count);
}

static int
bound(PyObject *v, Py_ssize_t *out)
{
    if (!PyIndex_Check(v)) {
        PyErr_SetString(PyExc_TypeError,
                        "slice indices must be integers or have an __index__ method");
        return -1;
    }
    *out = PyNumber_AsSsize_t(v, NULL);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
deque_index(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Deque *d = (Deque *)op;
    if (nargs < 1 || nargs > 3) {
        PyErr_Format(PyExc_TypeError, "index expected at %s %d argument%s, got %zd",
                     nargs < 1 ? "least" : "most", nargs < 1 ? 1 : 3, nargs < 1 ? "" : "s",
                     nargs);
        return NULL;
    }
    Py_ssize_t start = 0, stop = Py_SIZE(d);
    if ((nargs > 1 && bound(args[1], &start) < 0) ||
        (nargs > 2 && bound(args[2], &stop) < 0)) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(d);
    if (start < 0) {
        start += n;
        start = start < 0 ? 0 : start;
    }
    if (stop < 0) {
        stop += n;
        stop = stop < 0 ? 0 : stop;
    }
    if (stop > n) {
        stop = n;
    }
    Py_ssize_t i = find(d, args[0], start, stop, PyExc_RuntimeError);
    if (i == -1) {
        PyErr_SetString(PyExc_ValueError, "deque.index(x): x not in deque");
    }
    return i < 0 ? NULL : PyLong_FromSsize_t(i);
}

static Py_ssize_t
deque_len(PyObject *op)
{
    return Py_SIZE(op);
}

static PyObject *
deque_item(PyObject *op, Py_ssize_t i)
{
    if ((size_t)i >= (size_t)Py_SIZE(op)) {
        PyErr_SetString(PyExc_IndexError, "deque index out of range");
        return NULL;
    }
    return Py_NewRef(AT((Deque *)op, i));
}

static int
deque_ass_item(PyObject *op, Py_ssize_t i, PyObject *v)
{
    Deque *d = (Deque *)op;
    if ((size_t)i >= (size_t)Py_SIZE(op)) {
        PyErr_SetString(PyExc_IndexError, "deque index out of range");
        return -1;
    }
    PyObject *old;
    if (v) {
        old = AT(d, i);
        AT(d, i) = Py_NewRef(v);
    }
    else {
        old = take_at(d, i);
    }
    Py_DECREF(old);
    return 0;
}

static PyObject *
deque_clear(PyObject *op, PyObject *unused)
{
    clear_deque((Deque *)op);
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- whole */

static PyObject *
deque_repr(PyObject *op)
{
    Deque *d = (Deque *)op;
    int rc = Py_ReprEnter(op);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromString("[...]") : NULL;
    }
    PyObject *r = NULL;
    PyObject *list = PySequence_List(op);
    PyObject *name = list ? PyType_GetName(Py_TYPE(op)) : NULL;
    if (name) {
        r = d->maxlen >= 0 ? PyUnicode_FromFormat("%U(%R, maxlen=%zd)", name, list, d->maxlen)
                           : PyUnicode_FromFormat("%U(%R)", name, list);
    }
    Py_XDECREF(name);
    Py_XDECREF(list);
    Py_ReprLeave(op);
    return r;
}

static PyObject *
deque_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!is_deque(a) || !is_deque(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_ssize_t n = Py_SIZE(a), m = Py_SIZE(b);
    if (op == Py_EQ && (a == b || n != m)) {
        return PyBool_FromLong(a == b);
    }
    if (op == Py_NE && (a == b || n != m)) {
        return PyBool_FromLong(a != b);
    }
    NJ_OWN ia = PyObject_GetIter(a);
    NJ_OWN ib = ia ? PyObject_GetIter(b) : NULL;
    if (!ib) {
        return NULL;
    }
    for (;;) {
        NJ_OWN x = PyIter_Next(ia);
        if (!x && PyErr_Occurred()) {
            return NULL;
        }
        NJ_OWN y = PyIter_Next(ib);
        if (!y && PyErr_Occurred()) {
            return NULL;
        }
        if (!x || !y) {
            int left = x != NULL, right = y != NULL;
            Py_RETURN_RICHCOMPARE(left, right, op);
        }
        int r = PyObject_RichCompareBool(x, y, Py_EQ);
        if (r < 0) {
            return NULL;
        }
        if (!r) {
            if (op == Py_EQ) {
                Py_RETURN_FALSE;
            }
            if (op == Py_NE) {
                Py_RETURN_TRUE;
            }
            return PyObject_RichCompare(x, y, op);
        }
    }
}

static PyObject *
deque_reduce(PyObject *op, PyObject *unused)
{
    Deque *d = (Deque *)op;
    NJ_OWN state = PyObject_CallMethod(op, "__getstate__", NULL);
    NJ_OWN it = state ? PyObject_GetIter(op) : NULL;
    if (!it) {
        return NULL;
    }
    if (d->maxlen < 0) {
        return Py_BuildValue("O()OO", Py_TYPE(op), state, it);
    }
    return Py_BuildValue("O(()n)OO", Py_TYPE(op), d->maxlen, state, it);
}

static PyObject *
deque_sizeof(PyObject *op, PyObject *unused)
{
    Deque *d = (Deque *)op;
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize +
                             (size_t)(d->mask + 1) * sizeof(PyObject *));
}

static PyObject *
deque_get_maxlen(PyObject *op, void *unused)
{
    Deque *d = (Deque *)op;
    return d->maxlen < 0 ? Py_NewRef(Py_None) : PyLong_FromSsize_t(d->maxlen);
}

static PyGetSetDef deque_getset[] = {
    {"maxlen", deque_get_maxlen, NULL, "maximum size of a deque or None if unbounded", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---------------------------------------------------------------- iterators */

typedef struct {
    PyObject_HEAD
    Py_ssize_t index; /* how many were handed out */
    Deque *deque;     /* owned */
    size_t state;     /* of the deque at the start */
    Py_ssize_t left;
    Py_ssize_t unused;
} DequeIter;

static PyObject *
make_iter(PyTypeObject *type, PyObject *op)
{
    DequeIter *it = PyObject_GC_New(DequeIter, type);
    if (!it) {
        return NULL;
    }
    it->deque = (Deque *)Py_NewRef(op);
    it->index = 0;
    it->state = it->deque->state;
    it->left = Py_SIZE(op);
    it->unused = 0;
    PyObject_GC_Track(it);
    return (PyObject *)it;
}

static PyObject *
deque_iter(PyObject *op)
{
    ModuleState *st = state_of(Py_TYPE(op));
    return st ? make_iter(st->iter, op) : NULL;
}

static PyObject *
deque_reversed(PyObject *op, PyObject *unused)
{
    ModuleState *st = state_of(Py_TYPE(op));
    return st ? make_iter(st->reviter, op) : NULL;
}

static int
dequeiter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)((DequeIter *)op)->deque);
    return 0;
}

static void
dequeiter_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF((PyObject *)((DequeIter *)op)->deque);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

NJ_INLINE PyObject *
step(DequeIter *it, bool reversed)
{
    Deque *d = it->deque;
    if (it->state != d->state) {
        it->left = 0;
        PyErr_SetString(PyExc_RuntimeError, "deque mutated during iteration");
        return NULL;
    }
    if (it->left == 0) {
        return NULL;
    }
    it->left--;
    Py_ssize_t i = it->index++;
    return Py_NewRef(AT(d, reversed ? Py_SIZE(d) - 1 - i : i));
}

static PyObject *
dequeiter_next(PyObject *op)
{
    return step((DequeIter *)op, false);
}

static PyObject *
dequereviter_next(PyObject *op)
{
    return step((DequeIter *)op, true);
}

static PyObject *
dequeiter_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *op;
    Py_ssize_t index = 0;
    ModuleState *st = state_of(type);
    if (!st || !PyArg_ParseTuple(args, "O!|n", st->deque, &op, &index)) {
        return NULL;
    }
    NJ_OWN it = make_iter(type, op);
    if (!it) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < index; i++) {
        NJ_OWN item = Py_TYPE(it)->tp_iternext(it);
        if (!item) {
            if (PyErr_Occurred()) {
                return NULL;
            }
            break;
        }
    }
    return NJ_TAKE(it);
}

static PyObject *
dequeiter_len(PyObject *op, PyObject *unused)
{
    return PyLong_FromSsize_t(((DequeIter *)op)->left);
}

static PyObject *
dequeiter_reduce(PyObject *op, PyObject *unused)
{
    DequeIter *it = (DequeIter *)op;
    return Py_BuildValue("O(On)", Py_TYPE(op), it->deque, Py_SIZE(it->deque) - it->left);
}

static PyMethodDef dequeiter_methods[] = {
    {"__length_hint__", dequeiter_len, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\n"
     "Private method returning an estimate of len(list(it))."},
    {"__reduce__", dequeiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {NULL, NULL, 0, NULL},
};

#define ITER_SPEC(kind, text, next)                                                    \
    static PyType_Slot kind##_slots[] = {                                              \
        {Py_tp_dealloc, dequeiter_dealloc}, {Py_tp_traverse, dequeiter_traverse},      \
        {Py_tp_getattro, PyObject_GenericGetAttr}, {Py_tp_iter, PyObject_SelfIter},    \
        {Py_tp_iternext, next}, {Py_tp_methods, dequeiter_methods},                    \
        {Py_tp_new, dequeiter_new}, {0, NULL},                                         \
    };                                                                                 \
    static PyType_Spec kind##_spec = {                                                 \
        .name = text,                                                                  \
        .basicsize = sizeof(DequeIter),                                                \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,   \
        .slots = kind##_slots,                                                         \
    }
ITER_SPEC(dequeiter, "collections._deque_iterator", dequeiter_next);
ITER_SPEC(dequereviter, "collections._deque_reverse_iterator", dequereviter_next);

static PyMethodDef deque_methods[] = {
    {"append", deque_append, METH_O,
     "append($self, item, /)\n--\n\nAdd an element to the right side of the deque."},
    {"appendleft", deque_appendleft, METH_O,
     "appendleft($self, item, /)\n--\n\nAdd an element to the left side of the deque."},
    {"clear", deque_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all elements from the deque."},
    {"__copy__", deque_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nReturn a shallow copy of a deque."},
    {"copy", deque_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nReturn a shallow copy of a deque."},
    {"count", deque_count, METH_O,
     "count($self, value, /)\n--\n\nReturn number of occurrences of value."},
    {"extend", deque_extend, METH_O,
     "extend($self, iterable, /)\n--\n\n"
     "Extend the right side of the deque with elements from the iterable."},
    {"extendleft", deque_extendleft, METH_O,
     "extendleft($self, iterable, /)\n--\n\n"
     "Extend the left side of the deque with elements from the iterable."},
    {"index", _PyCFunction_CAST(deque_index), METH_FASTCALL,
     "index($self, value, [start, [stop]])\n--\n\n"
     "Return first index of value.\n\nRaises ValueError if the value is not present."},
    {"insert", _PyCFunction_CAST(deque_insert), METH_FASTCALL,
     "insert($self, index, value, /)\n--\n\nInsert value before index."},
    {"pop", deque_pop, METH_NOARGS,
     "pop($self, /)\n--\n\nRemove and return the rightmost element."},
    {"popleft", deque_popleft, METH_NOARGS,
     "popleft($self, /)\n--\n\nRemove and return the leftmost element."},
    {"__reduce__", deque_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"remove", deque_remove, METH_O,
     "remove($self, value, /)\n--\n\nRemove first occurrence of value."},
    {"__reversed__", deque_reversed, METH_NOARGS,
     "__reversed__($self, /)\n--\n\nReturn a reverse iterator over the deque."},
    {"reverse", deque_reverse, METH_NOARGS,
     "reverse($self, /)\n--\n\nReverse *IN PLACE*."},
    {"rotate", _PyCFunction_CAST(deque_rotate), METH_FASTCALL,
     "rotate($self, n=1, /)\n--\n\n"
     "Rotate the deque n steps to the right.  If n is negative, rotates left."},
    {"__sizeof__", deque_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nReturn the size of the deque in memory, in bytes."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"
     "deques are generic over the type of their contents"},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef deque_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Deque, weakreflist), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot deque_slots[] = {
    {Py_tp_dealloc, deque_dealloc},
    {Py_tp_repr, deque_repr},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_doc, "deque([iterable[, maxlen]])\n--\n\n"
                "A list-like sequence optimized for data accesses near its endpoints."},
    {Py_tp_traverse, deque_traverse},
    {Py_tp_clear, deque_clear_slot},
    {Py_tp_richcompare, deque_richcompare},
    {Py_tp_iter, deque_iter},
    {Py_tp_getset, deque_getset},
    {Py_tp_init, deque_init},
    {Py_tp_alloc, PyType_GenericAlloc},
    {Py_tp_new, deque_new},
    {Py_tp_free, PyObject_GC_Del},
    {Py_tp_methods, deque_methods},
    {Py_tp_members, deque_members},
    {Py_sq_length, deque_len},
    {Py_sq_concat, deque_concat},
    {Py_sq_repeat, deque_repeat},
    {Py_sq_item, deque_item},
    {Py_sq_ass_item, deque_ass_item},
    {Py_sq_contains, deque_contains},
    {Py_sq_inplace_concat, deque_inplace_concat},
    {Py_sq_inplace_repeat, deque_inplace_repeat},
    {0, NULL},
};
static PyType_Spec deque_spec = {
    .name = "collections.deque",
    .basicsize = sizeof(Deque),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_SEQUENCE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = deque_slots,
};

/* Every deque type has the real one among its bases, and only that has this dealloc. */
static bool
is_deque(PyObject *op)
{
    for (PyTypeObject *t = Py_TYPE(op); t; t = t->tp_base) {
        if (t->tp_dealloc == deque_dealloc) {
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- defaultdict */

typedef struct {
    PyDictObject dict;
    PyObject *default_factory; /* owned; NULL or None: none */
} DefaultDict;

static bool
is_defaultdict(PyObject *op);

static PyObject *
defdict_missing(PyObject *op, PyObject *key)
{
    PyObject *factory = ((DefaultDict *)op)->default_factory;
    if (!factory || factory == Py_None) {
        NJ_OWN args = PyTuple_Pack(1, key);
        if (args) {
            PyErr_SetObject(PyExc_KeyError, args);
        }
        return NULL;
    }
    NJ_OWN value = PyObject_CallNoArgs(factory);
    PyObject *result;
    if (!value) {
        return NULL;
    }
    /* the factory may have set the key itself: then that value stands */
    PyDict_SetDefaultRef(op, key, value, &result);
    return result;
}

static PyObject *
new_defdict(PyObject *like, PyObject *arg)
{
    PyObject *factory = ((DefaultDict *)like)->default_factory;
    return PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(like),
                                        factory ? factory : Py_None, arg, NULL);
}

static PyObject *
defdict_copy(PyObject *op, PyObject *unused)
{
    return new_defdict(op, op);
}

static PyObject *
defdict_reduce(PyObject *op, PyObject *unused)
{
    PyObject *factory = ((DefaultDict *)op)->default_factory;
    NJ_OWN items = PyObject_CallMethod(op, "items", NULL);
    NJ_OWN it = items ? PyObject_GetIter(items) : NULL;
    NJ_OWN args = !it                            ? NULL
                  : factory && factory != Py_None ? PyTuple_Pack(1, factory)
                                                  : PyTuple_New(0);
    return args ? PyTuple_Pack(5, Py_TYPE(op), args, Py_None, Py_None, it) : NULL;
}

static PyMethodDef defdict_methods[] = {
    {"__missing__", defdict_missing, METH_O,
     "__missing__($self, object, /)\n--\n\n"
     "__missing__(key) # Called by __getitem__ for missing key; pseudo-code:\n"
     "  if self.default_factory is None: raise KeyError((key,))\n"
     "  self[key] = value = self.default_factory()\n  return value\n"},
    {"copy", defdict_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nD.copy() -> a shallow copy of D."},
    {"__copy__", defdict_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nD.copy() -> a shallow copy of D."},
    {"__reduce__", defdict_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"
     "defaultdicts are generic over the types of keys and values."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef defdict_members[] = {
    {"default_factory", _Py_T_OBJECT, offsetof(DefaultDict, default_factory), 0,
     "Factory for default value called by __missing__()."},
    {NULL, 0, 0, 0, NULL},
};

static void
defdict_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(((DefaultDict *)op)->default_factory);
    PyDict_Type.tp_dealloc(op);
    Py_DECREF(type);
}

static PyObject *
defdict_repr(PyObject *op)
{
    NJ_OWN base = PyDict_Type.tp_repr(op);
    if (!base) {
        return NULL;
    }
    PyObject *factory = ((DefaultDict *)op)->default_factory;
    NJ_OWN text = NULL;
    if (!factory) {
        NJ_SET(text, PyUnicode_FromString("None"));
    }
    else {
        int rc = Py_ReprEnter(factory);
        if (rc < 0) {
            return NULL;
        }
        NJ_SET(text, rc > 0 ? PyUnicode_FromString("...") : PyObject_Repr(factory));
        if (rc == 0) {
            Py_ReprLeave(factory);
        }
    }
    NJ_OWN name = text ? PyType_GetName(Py_TYPE(op)) : NULL;
    return name ? PyUnicode_FromFormat("%U(%U, %U)", name, text, base) : NULL;
}

static PyObject *
defdict_or(PyObject *a, PyObject *b)
{
    PyObject *self = is_defaultdict(a) ? a : b, *other = self == a ? b : a;
    if (!PyDict_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN r = new_defdict(self, a);
    return r && PyDict_Update(r, b) == 0 ? NJ_TAKE(r) : NULL;
}

static int
defdict_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((DefaultDict *)op)->default_factory);
    return PyDict_Type.tp_traverse(op, visit, arg);
}

static int
defdict_clear(PyObject *op)
{
    Py_CLEAR(((DefaultDict *)op)->default_factory);
    return PyDict_Type.tp_clear(op);
}

static int
defdict_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    PyObject *factory = NULL;
    NJ_OWN rest = NULL;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n > 0) {
        factory = PyTuple_GET_ITEM(args, 0);
        if (!PyCallable_Check(factory) && factory != Py_None) {
            PyErr_SetString(PyExc_TypeError, "first argument must be callable or None");
            return -1;
        }
    }
    NJ_SET(rest, PySequence_GetSlice(args, n > 0 ? 1 : 0, n));
    if (!rest) {
        return -1;
    }
    PyObject *old = ((DefaultDict *)op)->default_factory;
    ((DefaultDict *)op)->default_factory = Py_XNewRef(factory);
    int r = PyDict_Type.tp_init(op, rest, kwds);
    Py_XDECREF(old);
    return r;
}

static PyType_Slot defdict_slots[] = {
    {Py_tp_dealloc, defdict_dealloc},
    {Py_tp_repr, defdict_repr},
    {Py_nb_or, defdict_or},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_doc, "defaultdict(default_factory=None, /, [...]) --> dict with default factory\n\n"
                "The default factory is called without arguments to produce\n"
                "a new value when a key is not present, in __getitem__ only."},
    {Py_tp_traverse, defdict_traverse},
    {Py_tp_clear, defdict_clear},
    {Py_tp_methods, defdict_methods},
    {Py_tp_members, defdict_members},
    {Py_tp_init, defdict_init},
    {Py_tp_alloc, PyType_GenericAlloc},
    {Py_tp_free, PyObject_GC_Del},
    {0, NULL},
};
static PyType_Spec defdict_spec = {
    .name = "collections.defaultdict",
    .basicsize = sizeof(DefaultDict),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = defdict_slots,
};

static bool
is_defaultdict(PyObject *op)
{
    for (PyTypeObject *t = Py_TYPE(op); t; t = t->tp_base) {
        if (t->tp_init == defdict_init && t->tp_dealloc == defdict_dealloc) {
            return true;
        }
    }
    return false;
}

/* ---------------------------------------------------------------- _tuplegetter */

typedef struct {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *doc;
} TupleGetter;

static PyObject *
tuplegetter_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *i, *doc;
    if (!PyArg_UnpackTuple(args, "_tuplegetter", 2, 2, &i, &doc)) {
        return NULL;
    }
    Py_ssize_t index = PyNumber_AsSsize_t(i, PyExc_OverflowError);
    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    TupleGetter *g = (TupleGetter *)type->tp_alloc(type, 0);
    if (g) {
        g->index = index;
        g->doc = Py_NewRef(doc);
    }
    return (PyObject *)g;
}

static PyObject *
tuplegetter_get(PyObject *op, PyObject *obj, PyObject *type)
{
    Py_ssize_t index = ((TupleGetter *)op)->index;
    if (obj == NULL) {
        return Py_NewRef(op);
    }
    if (!PyTuple_Check(obj)) {
        if (obj == Py_None) {
            return Py_NewRef(op);
        }
        PyErr_Format(PyExc_TypeError,
                     "descriptor for index '%zd' for tuple subclasses doesn't apply to "
                     "'%s' object",
                     index, Py_TYPE(obj)->tp_name);
        return NULL;
    }
    if ((size_t)index >= (size_t)PyTuple_GET_SIZE(obj)) {
        PyErr_SetString(PyExc_IndexError, "tuple index out of range");
        return NULL;
    }
    return Py_NewRef(PyTuple_GET_ITEM(obj, index));
}

static int
tuplegetter_set(PyObject *op, PyObject *obj, PyObject *value)
{
    PyErr_SetString(PyExc_AttributeError,
                    value ? "can't set attribute" : "can't delete attribute");
    return -1;
}

static int
tuplegetter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((TupleGetter *)op)->doc);
    return 0;
}

static int
tuplegetter_clear(PyObject *op)
{
    Py_CLEAR(((TupleGetter *)op)->doc);
    return 0;
}

static void
tuplegetter_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    tuplegetter_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
tuplegetter_repr(PyObject *op)
{
    NJ_OWN name = PyType_GetName(Py_TYPE(op));
    return name ? PyUnicode_FromFormat("%U(%zd, %R)", name, ((TupleGetter *)op)->index,
                                       ((TupleGetter *)op)->doc)
                : NULL;
}

static PyObject *
tuplegetter_reduce(PyObject *op, PyObject *unused)
{
    return Py_BuildValue("O(nO)", Py_TYPE(op), ((TupleGetter *)op)->index,
                         ((TupleGetter *)op)->doc);
}

static PyMemberDef tuplegetter_members[] = {
    {"__doc__", _Py_T_OBJECT, offsetof(TupleGetter, doc), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyMethodDef tuplegetter_methods[] = {
    {"__reduce__", tuplegetter_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot tuplegetter_slots[] = {
    {Py_tp_dealloc, tuplegetter_dealloc},
    {Py_tp_traverse, tuplegetter_traverse},
    {Py_tp_clear, tuplegetter_clear},
    {Py_tp_repr, tuplegetter_repr},
    {Py_tp_descr_get, tuplegetter_get},
    {Py_tp_descr_set, tuplegetter_set},
    {Py_tp_new, tuplegetter_new},
    {Py_tp_members, tuplegetter_members},
    {Py_tp_methods, tuplegetter_methods},
    {0, NULL},
};
static PyType_Spec tuplegetter_spec = {
    .name = "collections._tuplegetter",
    .basicsize = sizeof(TupleGetter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tuplegetter_slots,
};

/* ---------------------------------------------------------------- _count_elements */

/* Are get and __setitem__ those of dict? Then counting needs no calls. */
static int
counts_like_dict(PyObject *mapping)
{
    if (!PyDict_Check(mapping)) {
        return 0;
    }
    static const char *const names[] = {"get", "__setitem__"};
    for (int i = 0; i < 2; i++) {
        PyObject *a, *b;
        if (PyObject_GetOptionalAttrString((PyObject *)Py_TYPE(mapping), names[i], &a) < 0) {
            return -1;
        }
        if (PyObject_GetOptionalAttrString((PyObject *)&PyDict_Type, names[i], &b) < 0) {
            Py_XDECREF(a);
            return -1;
        }
        bool same = a == b;
        Py_XDECREF(a);
        Py_XDECREF(b);
        if (!same) {
            return 0;
        }
    }
    return 1;
}

static PyObject *
count_elements(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "_count_elements expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    PyObject *mapping = args[0];
    NJ_OWN it = PyObject_GetIter(args[1]);
    NJ_OWN one = it ? PyLong_FromLong(1) : NULL;
    int fast = one ? counts_like_dict(mapping) : -1;
    if (fast < 0) {
        return NULL;
    }
    NJ_OWN get = fast ? NULL : PyObject_GetAttrString(mapping, "get");
    NJ_OWN zero = PyLong_FromLong(0);
    if (!zero || (!fast && !get)) {
        return NULL;
    }
    for (;;) {
        NJ_OWN key = PyIter_Next(it);
        if (!key) {
            break;
        }
        if (fast) {
            Py_hash_t hash = PyObject_Hash(key);
            if (hash == -1) {
                /* let dict word the error */
                PyErr_Clear();
                if (PyDict_Contains(mapping, key) < 0) {
                    return NULL;
                }
            }
            PyObject *old = _PyDict_GetItem_KnownHash(mapping, key, hash);
            if (!old && PyErr_Occurred()) {
                return NULL;
            }
            NJ_OWN keep = Py_XNewRef(old);
            NJ_OWN new = old ? PyNumber_Add(keep, one) : Py_NewRef(one);
            if (!new || _PyDict_SetItem_KnownHash(mapping, key, new, hash) < 0) {
                return NULL;
            }
        }
        else {
            NJ_OWN old = PyObject_CallFunctionObjArgs(get, key, zero, NULL);
            NJ_OWN new = old ? PyNumber_Add(old, one) : NULL;
            if (!new || PyObject_SetItem(mapping, key, new) < 0) {
                return NULL;
            }
        }
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- module */

static int
collections_traverse(PyObject *m, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(m);
    Py_VISIT(st->deque);
    Py_VISIT(st->defaultdict);
    Py_VISIT(st->iter);
    Py_VISIT(st->reviter);
    Py_VISIT(st->tuplegetter);
    return 0;
}

static int
collections_clear(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    Py_CLEAR(st->deque);
    Py_CLEAR(st->defaultdict);
    Py_CLEAR(st->iter);
    Py_CLEAR(st->reviter);
    Py_CLEAR(st->tuplegetter);
    return 0;
}

static void
collections_free(void *m)
{
    (void)collections_clear(m);
}

static int
add_type(PyObject *m, PyTypeObject **slot, PyType_Spec *spec, PyObject *base)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, base);
    return *slot ? PyModule_AddType(m, *slot) : -1;
}

static int
collections_exec(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    if (add_type(m, &st->deque, &deque_spec, NULL) < 0 ||
        add_type(m, &st->defaultdict, &defdict_spec, (PyObject *)&PyDict_Type) < 0 ||
        add_type(m, &st->iter, &dequeiter_spec, NULL) < 0 ||
        add_type(m, &st->reviter, &dequereviter_spec, NULL) < 0 ||
        add_type(m, &st->tuplegetter, &tuplegetter_spec, NULL) < 0) {
        return -1;
    }
    return PyModule_AddType(m, &PyODict_Type);
}

static PyMethodDef collections_methods[] = {
    {"_count_elements", _PyCFunction_CAST(count_elements), METH_FASTCALL,
     "_count_elements($module, mapping, iterable, /)\n--\n\n"
     "Count elements in the iterable, updating the mapping"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot collections_slots[] = {
    {Py_mod_exec, collections_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef collections_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_collections",
    .m_doc = "High performance data structures.\n"
             "- deque:        ordered collection accessible from endpoints only\n"
             "- defaultdict:  dict subclass with a default value factory\n",
    .m_size = sizeof(ModuleState),
    .m_methods = collections_methods,
    .m_slots = collections_slots,
    .m_traverse = collections_traverse,
    .m_clear = collections_clear,
    .m_free = collections_free,
};

PyMODINIT_FUNC PyInit__collections(void);

PyMODINIT_FUNC
PyInit__collections(void)
{
    return PyModuleDef_Init(&collections_module);
}

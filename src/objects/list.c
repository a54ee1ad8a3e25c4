/* list.c - the built-in list.
 *
 * ob_item is one PyMem block of `allocated' words, over-allocated by an eighth when it
 * grows. list.sort takes the items away meanwhile and sets allocated to -1, which every
 * growth undoes: that is how it notices changes.
 *
 * Dangers: comparing, hashing or iterating may run Python code that changes this list, so
 * loops read size and item again each time round and hold the item they work on. Dropping
 * items comes after the list is complete again.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/dict_view.h"
#include "objects/list_int.h"
#include "objects/seq_common.h"
#include "objects/tuple_int.h"
#include "runtime/gc.h"
#include "runtime/runtime.h"

PyAPI_FUNC(int) _PySet_NextEntry(PyObject *set, Py_ssize_t *pos, PyObject **key,
                                 Py_hash_t *hash);

int
nj_list_resize(PyListObject *self, Py_ssize_t n)
{
    Py_ssize_t allocated = self->allocated;
    if (allocated >= n && n >= (allocated >> 1)) {
        ((PyVarObject *)self)->ob_size = n;
        return 0;
    }
    size_t want = ((size_t)n + ((size_t)n >> 3) + 6) & ~(size_t)3;
    /* a big step upwards: no extra */
    if (n - Py_SIZE(self) > (Py_ssize_t)(want - (size_t)n)) {
        want = ((size_t)n + 3) & ~(size_t)3;
    }
    if (n == 0) {
        want = 0;
    }
    if (want > (size_t)PY_SSIZE_T_MAX / sizeof(PyObject *)) {
        PyErr_NoMemory();
        return -1;
    }
    if (want == 0) {
        PyMem_Free(self->ob_item);
        self->ob_item = NULL;
    }
    else {
        PyObject **items = PyMem_Realloc(self->ob_item, want * sizeof(PyObject *));
        if (!items) {
            PyErr_NoMemory();
            return -1;
        }
        self->ob_item = items;
    }
    ((PyVarObject *)self)->ob_size = n;
    self->allocated = (Py_ssize_t)want;
    return 0;
}

/* Exact room for n more items of an empty fresh list. */
static int
preallocate(PyListObject *self, Py_ssize_t n)
{
    assert(n > 0 && !self->ob_item);
    n = (n + 1) & ~(Py_ssize_t)1;
    if ((size_t)n > (size_t)PY_SSIZE_T_MAX / sizeof(PyObject *)) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject **items = PyMem_Malloc((size_t)n * sizeof(PyObject *));
    if (!items) {
        PyErr_NoMemory();
        return -1;
    }
    self->ob_item = items;
    self->allocated = n;
    return 0;
}

int
nj_list_append_grow_steal(PyListObject *self, PyObject *v)
{
    Py_ssize_t n = Py_SIZE(self);
    if (nj_list_resize(self, n + 1) < 0) {
        Py_DECREF(v);
        return -1;
    }
    self->ob_item[n] = v;
    return 0;
}

NJ_INLINE PyListObject *
alloc_list(void)
{
    PyListObject *l;
    NjFreeList *f = &nj_interp()->containers.lists;
    if (NJ_LIKELY(f->head != NULL)) {
        l = f->head;
        f->head = (void *)((PyObject *)l)->ob_type;
        f->count--;
        ((PyObject *)l)->ob_refcnt_full = 1;
        ((PyObject *)l)->ob_type = &PyList_Type;
        nj_trace_new(l);
    }
    else {
        l = PyObject_GC_New(PyListObject, &PyList_Type);
    }
    return l;
}

PyObject *
PyList_New(Py_ssize_t size)
{
    if (size < 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyListObject *l = alloc_list();
    if (!l) {
        return NULL;
    }
    l->ob_item = NULL;
    ((PyVarObject *)l)->ob_size = 0;
    l->allocated = 0;
    if (size > 0) {
        if (size <= NJ_MEM_SMALL_MAX / (Py_ssize_t)sizeof(PyObject *)) {
            l->ob_item = PyMem_Malloc((size_t)size * sizeof(PyObject *));
            for (Py_ssize_t i = 0; l->ob_item && i < size; i++) {
                l->ob_item[i] = NULL;
            }
        }
        else {
            l->ob_item = PyMem_Calloc((size_t)size, sizeof(PyObject *));
        }
        if (!l->ob_item) {
            Py_DECREF(l);
            return PyErr_NoMemory();
        }
        ((PyVarObject *)l)->ob_size = size;
        l->allocated = size;
    }
    nj_gc_track((PyObject *)l);
    return (PyObject *)l;
}

/* Room for size items, size 0. */
static PyObject *
new_with_room(Py_ssize_t room)
{
    PyObject *l = PyList_New(0);
    if (l && room > 0 && preallocate((PyListObject *)l, room) < 0) {
        Py_DECREF(l);
        return NULL;
    }
    return l;
}

PyObject *
nj_list_from_array_steal(PyObject *const *items, Py_ssize_t n)
{
    PyListObject *l = (PyListObject *)new_with_room(n);
    if (!l) {
        for (Py_ssize_t i = 0; i < n; i++) {
            Py_DECREF(items[i]);
        }
        return NULL;
    }
    if (n) {
        memcpy(l->ob_item, items, (size_t)n * sizeof(PyObject *));
        ((PyVarObject *)l)->ob_size = n;
    }
    return (PyObject *)l;
}

static PyObject *
copy_range(PyListObject *self, Py_ssize_t lo, Py_ssize_t hi)
{
    Py_ssize_t n = hi - lo;
    PyListObject *l = (PyListObject *)new_with_room(n > 0 ? n : 0);
    if (!l || n <= 0) {
        return (PyObject *)l;
    }
    PyObject **from = self->ob_item + lo, **to = l->ob_item;
    for (Py_ssize_t i = 0; i < n; i++) {
        to[i] = Py_NewRef(from[i]);
    }
    ((PyVarObject *)l)->ob_size = n;
    return (PyObject *)l;
}

static void
list_dealloc(PyObject *self)
{
    PyListObject *l = (PyListObject *)self;
    nj_gc_untrack(self);
    if (l->ob_item) {
        for (Py_ssize_t i = Py_SIZE(l); --i >= 0;) {
            Py_XDECREF(l->ob_item[i]);
        }
        PyMem_Free(l->ob_item);
    }
    if (NJ_LIKELY(Py_IS_TYPE(self, &PyList_Type))) {
        NjFreeList *f = &nj_interp()->containers.lists;
        if (f->count < NJ_LIST_FREE_MAX) {
            nj_gc_head(self)->prev = 0;
            self->ob_type = f->head;
            f->head = l;
            f->count++;
            return;
        }
        PyObject_GC_Del(self);
        return;
    }
    Py_TYPE(self)->tp_free(self);
}

static int
list_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyListObject *l = (PyListObject *)self;
    for (Py_ssize_t i = Py_SIZE(l); --i >= 0;) {
        Py_VISIT(l->ob_item[i]);
    }
    return 0;
}

static void
clear_list(PyListObject *l)
{
    PyObject **items = l->ob_item;
    if (!items) {
        return;
    }
    Py_ssize_t i = Py_SIZE(l);
    ((PyVarObject *)l)->ob_size = 0;
    l->ob_item = NULL;
    l->allocated = 0;
    while (--i >= 0) {
        Py_XDECREF(items[i]);
    }
    PyMem_Free(items);
}

static int
list_tp_clear(PyObject *self)
{
    clear_list((PyListObject *)self);
    return 0;
}

/* ---------------------------------------------------------------- reading */

static PyObject *
list_repr(PyObject *self)
{
    if (Py_SIZE(self) == 0) {
        return PyUnicode_FromString("[]");
    }
    int rc = Py_ReprEnter(self);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromString("[...]") : NULL;
    }
    PyUnicodeWriter *w = PyUnicodeWriter_Create(0);
    bool ok = w && PyUnicodeWriter_WriteChar(w, '[') == 0;
    for (Py_ssize_t i = 0; ok && i < Py_SIZE(self); i++) {
        PyObject *v = Py_XNewRef(PyList_GET_ITEM(self, i)); /* NULL: made by C, unfinished */
        ok = (i == 0 || PyUnicodeWriter_WriteASCII(w, ", ", 2) == 0) &&
             PyUnicodeWriter_WriteRepr(w, v) == 0;
        Py_XDECREF(v);
    }
    Py_ReprLeave(self);
    if (!ok || PyUnicodeWriter_WriteChar(w, ']') < 0) {
        PyUnicodeWriter_Discard(w);
        return NULL;
    }
    return PyUnicodeWriter_Finish(w);
}

static Py_ssize_t
list_length(PyObject *self)
{
    return Py_SIZE(self);
}

static int
list_contains(PyObject *self, PyObject *el)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        int r = nj_items_equal(PyList_GET_ITEM(self, i), el);
        if (r) {
            return r;
        }
    }
    return 0;
}

static NJ_COLD PyObject *
raise_range(const char *text)
{
    PyErr_SetString(PyExc_IndexError, text);
    return NULL;
}

static PyObject *
list_item(PyObject *self, Py_ssize_t i)
{
    if (NJ_UNLIKELY((size_t)i >= (size_t)Py_SIZE(self))) {
        return raise_range("list index out of range");
    }
    return Py_NewRef(PyList_GET_ITEM(self, i));
}

static PyObject *
list_subscript(PyObject *self, PyObject *item)
{
    if (nj_is_index(item)) {
        Py_ssize_t i = PyNumber_AsSsize_t(item, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (i < 0) {
            i += Py_SIZE(self);
        }
        return list_item(self, i);
    }
    if (PySlice_Check(item)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(item, &start, &stop, &step) < 0) {
            return NULL;
        }
        Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
        if (n <= 0) {
            return PyList_New(0);
        }
        if (step == 1) {
            return copy_range((PyListObject *)self, start, start + n);
        }
        PyListObject *l = (PyListObject *)new_with_room(n);
        if (!l) {
            return NULL;
        }
        PyObject **from = ((PyListObject *)self)->ob_item;
        size_t cur = (size_t)start;
        for (Py_ssize_t i = 0; i < n; i++, cur += (size_t)step) {
            l->ob_item[i] = Py_NewRef(from[cur]);
        }
        ((PyVarObject *)l)->ob_size = n;
        return (PyObject *)l;
    }
    PyErr_Format(PyExc_TypeError, "list indices must be integers or slices, not %.200s",
                 Py_TYPE(item)->tp_name);
    return NULL;
}

static PyObject *
list_concat(PyObject *a, PyObject *b)
{
    if (!PyList_Check(b)) {
        PyErr_Format(PyExc_TypeError, "can only concatenate list (not \"%.200s\") to list",
                     Py_TYPE(b)->tp_name);
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(a), m = Py_SIZE(b);
    if (n > PY_SSIZE_T_MAX - m) {
        return PyErr_NoMemory();
    }
    PyListObject *l = (PyListObject *)new_with_room(n + m);
    if (!l) {
        return NULL;
    }
    PyObject **to = l->ob_item;
    for (Py_ssize_t i = 0; i < n; i++) {
        to[i] = Py_NewRef(PyList_GET_ITEM(a, i));
    }
    for (Py_ssize_t i = 0; i < m; i++) {
        to[n + i] = Py_NewRef(PyList_GET_ITEM(b, i));
    }
    ((PyVarObject *)l)->ob_size = n + m;
    return (PyObject *)l;
}

/* to[0..n) is filled; repeats it to times * n, adding the references. */
static void
repeat_items(PyObject **to, Py_ssize_t n, Py_ssize_t times, bool first_owned)
{
    Py_ssize_t total = n * times;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *v = to[i];
        for (Py_ssize_t k = first_owned ? 1 : 0; k < times; k++) {
            Py_INCREF(v);
        }
    }
    if (n == 1) {
        PyObject *v = to[0];
        for (Py_ssize_t i = 1; i < total; i++) {
            to[i] = v;
        }
        return;
    }
    Py_ssize_t done = n;
    while (done < total) {
        Py_ssize_t part = done < total - done ? done : total - done;
        memcpy(to + done, to, (size_t)part * sizeof(PyObject *));
        done += part;
    }
}

static PyObject *
list_repeat(PyObject *self, Py_ssize_t times)
{
    Py_ssize_t n = Py_SIZE(self);
    if (n == 0 || times <= 0) {
        return PyList_New(0);
    }
    if (n > PY_SSIZE_T_MAX / times) {
        return PyErr_NoMemory();
    }
    PyListObject *l = (PyListObject *)new_with_room(n * times);
    if (!l) {
        return NULL;
    }
    memcpy(l->ob_item, ((PyListObject *)self)->ob_item, (size_t)n * sizeof(PyObject *));
    repeat_items(l->ob_item, n, times, false);
    ((PyVarObject *)l)->ob_size = n * times;
    return (PyObject *)l;
}

static PyObject *
list_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyList_Check(a) || !PyList_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (Py_SIZE(a) != Py_SIZE(b) && (op == Py_EQ || op == Py_NE)) {
        return PyBool_FromLong(op == Py_NE);
    }
    Py_ssize_t i;
    for (i = 0; i < Py_SIZE(a) && i < Py_SIZE(b); i++) {
        int r = nj_items_equal(PyList_GET_ITEM(a, i), PyList_GET_ITEM(b, i));
        if (r < 0) {
            return NULL;
        }
        if (!r) {
            break;
        }
    }
    if (i >= Py_SIZE(a) || i >= Py_SIZE(b)) {
        Py_RETURN_RICHCOMPARE(Py_SIZE(a), Py_SIZE(b), op);
    }
    if (op == Py_EQ) {
        Py_RETURN_FALSE;
    }
    if (op == Py_NE) {
        Py_RETURN_TRUE;
    }
    PyObject *x = Py_NewRef(PyList_GET_ITEM(a, i)), *y = Py_NewRef(PyList_GET_ITEM(b, i));
    PyObject *r = PyObject_RichCompare(x, y, op);
    Py_DECREF(x);
    Py_DECREF(y);
    return r;
}

/* ---------------------------------------------------------------- changing */

/* Replaces self[lo:hi] by the n items at `items' (borrowed, not inside self). */
static int
replace_range(PyListObject *self, Py_ssize_t lo, Py_ssize_t hi, PyObject **items,
              Py_ssize_t n)
{
    if (lo < 0) {
        lo = 0;
    }
    else if (lo > Py_SIZE(self)) {
        lo = Py_SIZE(self);
    }
    if (hi < lo) {
        hi = lo;
    }
    else if (hi > Py_SIZE(self)) {
        hi = Py_SIZE(self);
    }
    Py_ssize_t gone = hi - lo, d = n - gone;
    if (Py_SIZE(self) + d == 0) {
        clear_list(self);
        return 0;
    }
    PyObject *small[16], **old = small;
    if (gone > (Py_ssize_t)NJ_ARRAY_LEN(small)) {
        old = PyMem_Malloc((size_t)gone * sizeof(PyObject *));
        if (!old) {
            PyErr_NoMemory();
            return -1;
        }
    }
    if (gone) {
        memcpy(old, self->ob_item + lo, (size_t)gone * sizeof(PyObject *));
    }
    Py_ssize_t size = Py_SIZE(self);
    if (d < 0) {
        memmove(self->ob_item + hi + d, self->ob_item + hi,
                (size_t)(size - hi) * sizeof(PyObject *));
        if (nj_list_resize(self, size + d) < 0) {
            PyErr_Clear(); /* shrinking in place always works */
            ((PyVarObject *)self)->ob_size = size + d;
        }
    }
    else if (d > 0) {
        if (nj_list_resize(self, size + d) < 0) {
            if (old != small) {
                PyMem_Free(old);
            }
            return -1;
        }
        memmove(self->ob_item + hi + d, self->ob_item + hi,
                (size_t)(size - hi) * sizeof(PyObject *));
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        self->ob_item[lo + i] = Py_NewRef(items[i]);
    }
    for (Py_ssize_t i = gone; --i >= 0;) {
        Py_XDECREF(old[i]);
    }
    if (old != small) {
        PyMem_Free(old);
    }
    return 0;
}

static int
assign_slice(PyListObject *self, Py_ssize_t lo, Py_ssize_t hi, PyObject *v)
{
    if (!v) {
        return replace_range(self, lo, hi, NULL, 0);
    }
    NJ_OWN seq = (PyObject *)self == v ? copy_range(self, 0, Py_SIZE(self))
                                       : PySequence_Fast(v, "can only assign an iterable");
    if (!seq) {
        return -1;
    }
    return replace_range(self, lo, hi, PySequence_Fast_ITEMS(seq),
                         PySequence_Fast_GET_SIZE(seq));
}

static int
list_ass_item(PyObject *self, Py_ssize_t i, PyObject *v)
{
    if ((size_t)i >= (size_t)Py_SIZE(self)) {
        raise_range("list assignment index out of range");
        return -1;
    }
    if (!v) {
        return replace_range((PyListObject *)self, i, i + 1, NULL, 0);
    }
    PyObject *old = PyList_GET_ITEM(self, i);
    PyList_SET_ITEM(self, i, Py_NewRef(v));
    Py_DECREF(old);
    return 0;
}

/* del self[start::step] for n items, step != 1 */
static int
delete_steps(PyListObject *self, Py_ssize_t start, Py_ssize_t step, Py_ssize_t n)
{
    if (n <= 0) {
        return 0;
    }
    if (step < 0) {
        start += step * (n - 1);
        step = -step;
    }
    PyObject **garbage = PyMem_Malloc((size_t)n * sizeof(PyObject *));
    if (!garbage) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject **items = self->ob_item;
    Py_ssize_t size = Py_SIZE(self), to = start, next = start, g = 0;
    for (Py_ssize_t i = start; i < size; i++) {
        if (g < n && i == next) {
            garbage[g++] = items[i];
            next += step;
        }
        else {
            items[to++] = items[i];
        }
    }
    ((PyVarObject *)self)->ob_size = to;
    int r = nj_list_resize(self, to);
    for (Py_ssize_t i = 0; i < g; i++) {
        Py_DECREF(garbage[i]);
    }
    PyMem_Free(garbage);
    return r;
}

static int
list_ass_subscript(PyObject *op, PyObject *item, PyObject *value)
{
    PyListObject *self = (PyListObject *)op;
    if (nj_is_index(item)) {
        Py_ssize_t i = PyNumber_AsSsize_t(item, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (i < 0) {
            i += Py_SIZE(self);
        }
        return list_ass_item(op, i, value);
    }
    if (!PySlice_Check(item)) {
        PyErr_Format(PyExc_TypeError,
                     "list indices must be integers or slices, not %.200s",
                     Py_TYPE(item)->tp_name);
        return -1;
    }
    Py_ssize_t raw_start, raw_stop, step;
    if (PySlice_Unpack(item, &raw_start, &raw_stop, &step) < 0) {
        return -1;
    }
    Py_ssize_t start = raw_start, stop = raw_stop;
    Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
    if (!value) {
        if (step == 1) {
            return assign_slice(self, start, stop, NULL);
        }
        return delete_steps(self, start, step, n);
    }
    NJ_OWN seq = self == (PyListObject *)value
                     ? copy_range(self, 0, Py_SIZE(self))
                     : PySequence_Fast(value, "must assign iterable to extended slice");
    if (!seq) {
        return -1;
    }
    /* iterating may have changed this list */
    start = raw_start;
    stop = raw_stop;
    n = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
    if (step == 1) {
        return replace_range(self, start, stop, PySequence_Fast_ITEMS(seq),
                             PySequence_Fast_GET_SIZE(seq));
    }
    if ((step < 0 && start < stop) || (step > 0 && start > stop)) {
        stop = start;
    }
    if (PySequence_Fast_GET_SIZE(seq) != n) {
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign sequence of size %zd to extended slice of size %zd",
                     PySequence_Fast_GET_SIZE(seq), n);
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    PyObject **garbage = PyMem_Malloc((size_t)n * sizeof(PyObject *));
    if (!garbage) {
        PyErr_NoMemory();
        return -1;
    }
    PyObject **from = PySequence_Fast_ITEMS(seq);
    size_t cur = (size_t)start;
    for (Py_ssize_t i = 0; i < n; i++, cur += (size_t)step) {
        garbage[i] = self->ob_item[cur];
        self->ob_item[cur] = Py_NewRef(from[i]);
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_DECREF(garbage[i]);
    }
    PyMem_Free(garbage);
    return 0;
}

static int
extend_array(PyListObject *self, PyObject *seq)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(seq);
    if (n == 0) {
        return 0;
    }
    Py_ssize_t m = Py_SIZE(self);
    if (self->ob_item == NULL) {
        if (preallocate(self, n) < 0) {
            return -1;
        }
        ((PyVarObject *)self)->ob_size = n;
    }
    else if (m > PY_SSIZE_T_MAX - n || nj_list_resize(self, m + n) < 0) {
        return -1;
    }
    PyObject **from = PySequence_Fast_ITEMS(seq), **to = self->ob_item + m;
    for (Py_ssize_t i = 0; i < n; i++) {
        to[i] = Py_NewRef(from[i]);
    }
    return 0;
}

static int
extend_dict(PyListObject *self, PyObject *dict, int what)
{
    Py_ssize_t pos = 0;
    PyObject *k, *v;
    while (PyDict_Next(dict, &pos, &k, &v)) {
        PyObject *item;
        if (what == 2) {
            item = nj_tuple_pair_steal(Py_NewRef(k), Py_NewRef(v));
            if (!item) {
                return -1;
            }
        }
        else {
            item = Py_NewRef(what ? v : k);
        }
        if (nj_list_append_steal(self, item) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
extend_iter(PyListObject *self, PyObject *iterable)
{
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return -1;
    }
    Py_ssize_t hint = PyObject_LengthHint(iterable, 8);
    if (hint < 0) {
        return -1;
    }
    Py_ssize_t m = Py_SIZE(self);
    if (hint > PY_SSIZE_T_MAX - m) {
        ; /* an absurd hint: let appending find out */
    }
    else if (self->ob_item == NULL) {
        if (hint && preallocate(self, hint) < 0) {
            return -1;
        }
    }
    else if (m + hint > self->allocated) {
        if (nj_list_resize(self, m + hint) < 0) {
            return -1;
        }
        ((PyVarObject *)self)->ob_size = m;
    }
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    for (;;) {
        PyObject *item = next(it);
        if (!item) {
            break;
        }
        if (nj_list_append_steal(self, item) < 0) {
            return -1;
        }
    }
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return -1;
        }
        PyErr_Clear();
    }
    /* give back what the hint promised too much */
    if (Py_SIZE(self) < self->allocated) {
        return nj_list_resize(self, Py_SIZE(self));
    }
    return 0;
}

static int
extend_list(PyListObject *self, PyObject *iterable)
{
    if ((PyObject *)self == iterable) { /* of any class: no iterator of it would end */
        NJ_OWN copy = copy_range(self, 0, Py_SIZE(self));
        return copy ? extend_array(self, copy) : -1;
    }
    if (PyList_CheckExact(iterable) || PyTuple_CheckExact(iterable)) {
        return extend_array(self, iterable);
    }
    if (PyAnySet_CheckExact(iterable)) {
        Py_ssize_t pos = 0;
        PyObject *key;
        Py_hash_t hash;
        while (_PySet_NextEntry(iterable, &pos, &key, &hash)) {
            if (nj_list_append_steal(self, Py_NewRef(key)) < 0) {
                return -1;
            }
        }
        return 0;
    }
    if (PyDict_CheckExact(iterable)) {
        return extend_dict(self, iterable, 0);
    }
    if (Py_IS_TYPE(iterable, &PyDictKeys_Type)) {
        return extend_dict(self, (PyObject *)((NjDictView *)iterable)->dict, 0);
    }
    if (Py_IS_TYPE(iterable, &PyDictValues_Type)) {
        return extend_dict(self, (PyObject *)((NjDictView *)iterable)->dict, 1);
    }
    if (Py_IS_TYPE(iterable, &PyDictItems_Type)) {
        return extend_dict(self, (PyObject *)((NjDictView *)iterable)->dict, 2);
    }
    return extend_iter(self, iterable);
}

static PyObject *
list_inplace_concat(PyObject *self, PyObject *other)
{
    return extend_list((PyListObject *)self, other) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
list_inplace_repeat(PyObject *op, Py_ssize_t times)
{
    PyListObject *self = (PyListObject *)op;
    Py_ssize_t n = Py_SIZE(self);
    if (n == 0 || times == 1) {
        return Py_NewRef(op);
    }
    if (times < 1) {
        clear_list(self);
        return Py_NewRef(op);
    }
    if (n > PY_SSIZE_T_MAX / times) {
        return PyErr_NoMemory();
    }
    if (nj_list_resize(self, n * times) < 0) {
        return NULL;
    }
    repeat_items(self->ob_item, n, times, true);
    return Py_NewRef(op);
}

/* ---------------------------------------------------------------- methods */

static PyObject *
list_append(PyObject *self, PyObject *v)
{
    if (nj_list_append_steal((PyListObject *)self, Py_NewRef(v)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
insert_at(PyListObject *self, Py_ssize_t where, PyObject *v)
{
    Py_ssize_t n = Py_SIZE(self);
    if (n == PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "cannot add more objects to list");
        return -1;
    }
    if (nj_list_resize(self, n + 1) < 0) {
        return -1;
    }
    if (where < 0) {
        where += n;
        where = where < 0 ? 0 : where;
    }
    if (where > n) {
        where = n;
    }
    memmove(self->ob_item + where + 1, self->ob_item + where,
            (size_t)(n - where) * sizeof(PyObject *));
    self->ob_item[where] = Py_NewRef(v);
    return 0;
}

static PyObject *
list_insert(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("insert", nargs, 2, 2)) {
        return NULL;
    }
    Py_ssize_t i = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if ((i == -1 && PyErr_Occurred()) || insert_at((PyListObject *)self, i, args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
list_extend(PyObject *self, PyObject *iterable)
{
    if (extend_list((PyListObject *)self, iterable) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
list_pop(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    PyListObject *self = (PyListObject *)op;
    Py_ssize_t i = -1;
    if (nargs != 0) {
        if (!_PyArg_CheckPositional("pop", nargs, 0, 1)) {
            return NULL;
        }
        i = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    Py_ssize_t n = Py_SIZE(self);
    if (n == 0) {
        return raise_range("pop from empty list");
    }
    if (i < 0) {
        i += n;
    }
    if ((size_t)i >= (size_t)n) {
        return raise_range("pop index out of range");
    }
    PyObject *v = self->ob_item[i];
    if (i < n - 1) {
        memmove(self->ob_item + i, self->ob_item + i + 1,
                (size_t)(n - 1 - i) * sizeof(PyObject *));
    }
    if (nj_list_resize(self, n - 1) < 0) {
        PyErr_Clear();
        ((PyVarObject *)self)->ob_size = n - 1;
    }
    return v;
}

static PyObject *
list_remove(PyObject *self, PyObject *value)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        int r = nj_items_equal(PyList_GET_ITEM(self, i), value);
        if (r > 0) {
            if (replace_range((PyListObject *)self, i, i + 1, NULL, 0) < 0) {
                return NULL;
            }
            Py_RETURN_NONE;
        }
        if (r < 0) {
            return NULL;
        }
    }
    PyErr_SetString(PyExc_ValueError, "list.remove(x): x not in list");
    return NULL;
}

static PyObject *
list_index(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if (!_PyArg_CheckPositional("index", nargs, 1, 3) ||
        (nargs >= 2 && nj_slice_bound(args[1], &start) < 0) ||
        (nargs >= 3 && nj_slice_bound(args[2], &stop) < 0)) {
        return NULL;
    }
    if (start < 0) {
        start += Py_SIZE(self);
        start = start < 0 ? 0 : start;
    }
    if (stop < 0) {
        stop += Py_SIZE(self);
        stop = stop < 0 ? 0 : stop;
    }
    for (Py_ssize_t i = start; i < stop && i < Py_SIZE(self); i++) {
        int r = nj_items_equal(PyList_GET_ITEM(self, i), args[0]);
        if (r > 0) {
            return PyLong_FromSsize_t(i);
        }
        if (r < 0) {
            return NULL;
        }
    }
    PyErr_SetString(PyExc_ValueError, "list.index(x): x not in list");
    return NULL;
}

static PyObject *
list_count(PyObject *self, PyObject *value)
{
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) {
        int r = nj_items_equal(PyList_GET_ITEM(self, i), value);
        if (r < 0) {
            return NULL;
        }
        count += r;
    }
    return PyLong_FromSsize_t(count);
}

static void
reverse_items(PyObject **lo, Py_ssize_t n)
{
    for (Py_ssize_t i = 0, j = n - 1; i < j; i++, j--) {
        PyObject *t = lo[i];
        lo[i] = lo[j];
        lo[j] = t;
    }
}

static PyObject *
list_reverse(PyObject *self, PyObject *unused)
{
    reverse_items(((PyListObject *)self)->ob_item, Py_SIZE(self));
    Py_RETURN_NONE;
}

static PyObject *
list_clear(PyObject *self, PyObject *unused)
{
    clear_list((PyListObject *)self);
    Py_RETURN_NONE;
}

static PyObject *
list_copy(PyObject *self, PyObject *unused)
{
    return copy_range((PyListObject *)self, 0, Py_SIZE(self));
}

static PyObject *
list_sizeof(PyObject *self, PyObject *unused)
{
    return PyLong_FromSize_t((size_t)Py_TYPE(self)->tp_basicsize +
                             (size_t)((PyListObject *)self)->allocated *
                                 sizeof(PyObject *));
}

static PyObject *
list_sort(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "reverse", NULL};
    static const NjParams params = {"sort", names, 0, 0, 0};
    PyObject *v[2] = {NULL, NULL};
    if (nargs > 0) {
        PyErr_SetString(PyExc_TypeError, "sort() takes no positional arguments");
        return NULL;
    }
    if (kwnames && nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    int reverse = v[1] ? PyObject_IsTrue(v[1]) : 0;
    if (reverse < 0 || nj_list_sort((PyListObject *)self, v[0] == Py_None ? NULL : v[0],
                                    reverse) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *list_reversed(PyObject *self, PyObject *unused);
static PyObject *list_iter(PyObject *self);

static PyMethodDef list_methods[] = {
    {"__getitem__", list_subscript, METH_O | METH_COEXIST,
     "__getitem__($self, index, /)\n--\n\nReturn self[index]."},
    {"__reversed__", list_reversed, METH_NOARGS,
     "__reversed__($self, /)\n--\n\nReturn a reverse iterator over the list."},
    {"__sizeof__", list_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nReturn the size of the list in memory, in bytes."},
    {"clear", list_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all items from list."},
    {"copy", list_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nReturn a shallow copy of the list."},
    {"append", list_append, METH_O,
     "append($self, object, /)\n--\n\nAppend object to the end of the list."},
    {"insert", _PyCFunction_CAST(list_insert), METH_FASTCALL,
     "insert($self, index, object, /)\n--\n\nInsert object before index."},
    {"extend", list_extend, METH_O,
     "extend($self, iterable, /)\n--\n\n"
     "Extend list by appending elements from the iterable."},
    {"pop", _PyCFunction_CAST(list_pop), METH_FASTCALL,
     "pop($self, index=-1, /)\n--\n\n"
     "Remove and return item at index (default last).\n\n"
     "Raises IndexError if list is empty or index is out of range."},
    {"remove", list_remove, METH_O,
     "remove($self, value, /)\n--\n\nRemove first occurrence of value.\n\n"
     "Raises ValueError if the value is not present."},
    {"index", _PyCFunction_CAST(list_index), METH_FASTCALL,
     "index($self, value, start=0, stop=sys.maxsize, /)\n--\n\n"
     "Return first index of value.\n\nRaises ValueError if the value is not present."},
    {"count", list_count, METH_O,
     "count($self, value, /)\n--\n\nReturn number of occurrences of value."},
    {"reverse", list_reverse, METH_NOARGS,
     "reverse($self, /)\n--\n\nReverse *IN PLACE*."},
    {"sort", _PyCFunction_CAST(list_sort), METH_FASTCALL | METH_KEYWORDS,
     "sort($self, /, *, key=None, reverse=False)\n--\n\n"
     "Sort the list in ascending order and return None.\n\n"
     "The sort is in-place and stable. With key, items are ordered by key(item); with\n"
     "reverse, in descending order."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"
     "Lists are generic over the type of their contents."},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods list_as_sequence = {
    .sq_length = list_length,
    .sq_concat = list_concat,
    .sq_repeat = list_repeat,
    .sq_item = list_item,
    .sq_ass_item = list_ass_item,
    .sq_contains = list_contains,
    .sq_inplace_concat = list_inplace_concat,
    .sq_inplace_repeat = list_inplace_repeat,
};

static PyMappingMethods list_as_mapping = {
    .mp_length = list_length,
    .mp_subscript = list_subscript,
    .mp_ass_subscript = list_ass_subscript,
};

static int
init_from(PyListObject *self, PyObject *iterable)
{
    if (self->ob_item) {
        clear_list(self);
    }
    return iterable ? extend_list(self, iterable) : 0;
}

static int
list_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if ((Py_IS_TYPE(self, &PyList_Type) || Py_TYPE(self)->tp_new == PyList_Type.tp_new) &&
        !_PyArg_NoKeywords("list", kwds)) {
        return -1;
    }
    if (!_PyArg_CheckPositional("list", PyTuple_GET_SIZE(args), 0, 1)) {
        return -1;
    }
    return init_from((PyListObject *)self,
                     PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL);
}

static PyObject *
list_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("list", kwnames) || !_PyArg_CheckPositional("list", n, 0, 1)) {
        return NULL;
    }
    PyObject *self = (PyTypeObject *)type == &PyList_Type
                         ? PyList_New(0)
                         : ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, 0);
    if (self && n && extend_list((PyListObject *)self, args[0]) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return self;
}

PyTypeObject PyList_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "list",
    .tp_basicsize = sizeof(PyListObject),
    .tp_dealloc = list_dealloc,
    .tp_repr = list_repr,
    .tp_as_sequence = &list_as_sequence,
    .tp_as_mapping = &list_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                Py_TPFLAGS_LIST_SUBCLASS | _Py_TPFLAGS_MATCH_SELF | Py_TPFLAGS_SEQUENCE,
    .tp_doc = "list(iterable=(), /)\n--\n\n"
              "Built-in mutable sequence.\n\n"
              "If no argument is given, the constructor creates a new empty list.\n"
              "The argument must be an iterable if specified.",
    .tp_traverse = list_traverse,
    .tp_clear = list_tp_clear,
    .tp_richcompare = list_richcompare,
    .tp_iter = list_iter,
    .tp_methods = list_methods,
    .tp_init = list_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = PyType_GenericNew,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = list_vectorcall,
};

/* ---------------------------------------------------------------- iterators */

typedef struct NjListIter {
    PyObject_HEAD
    Py_ssize_t index;  /* next item; the reverse iterator ends below 0 */
    PyListObject *seq; /* owned; NULL when exhausted */
} NjListIter;

static PyObject *
list_iter(PyObject *self)
{
    NjListIter *it;
    NjFreeList *f = &nj_interp()->containers.list_iters;
    if (f->head) {
        it = f->head;
        f->head = (void *)it->ob_base.ob_type;
        f->count--;
        ((PyObject *)it)->ob_refcnt_full = 1;
        it->ob_base.ob_type = &PyListIter_Type;
        nj_trace_new(it);
    }
    else {
        it = PyObject_GC_New(NjListIter, &PyListIter_Type);
        if (!it) {
            return NULL;
        }
    }
    it->index = 0;
    it->seq = (PyListObject *)Py_NewRef(self);
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static PyObject *
list_reversed(PyObject *self, PyObject *unused)
{
    NjListIter *it = PyObject_GC_New(NjListIter, &PyListRevIter_Type);
    if (!it) {
        return NULL;
    }
    it->index = Py_SIZE(self) - 1;
    it->seq = (PyListObject *)Py_NewRef(self);
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static void
listiter_dealloc(PyObject *self)
{
    NjListIter *it = (NjListIter *)self;
    nj_gc_untrack(self);
    Py_XDECREF(it->seq);
    NjFreeList *f = &nj_interp()->containers.list_iters;
    if (f->count < NJ_ITERS_FREE_MAX && Py_IS_TYPE(self, &PyListIter_Type)) {
        nj_gc_head(self)->prev = 0;
        self->ob_type = f->head;
        f->head = it;
        f->count++;
        return;
    }
    PyObject_GC_Del(self);
}

static int
listiter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((NjListIter *)self)->seq);
    return 0;
}

static PyObject *
listiter_next(PyObject *self)
{
    NjListIter *it = (NjListIter *)self;
    PyListObject *seq = it->seq;
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
listiter_len(PyObject *self, PyObject *unused)
{
    NjListIter *it = (NjListIter *)self;
    Py_ssize_t n = it->seq ? Py_SIZE(it->seq) - it->index : 0;
    return PyLong_FromSsize_t(n > 0 ? n : 0);
}

static PyObject *
reduce_iter(NjListIter *it, bool reversed)
{
    /* The lookup may run code that exhausts the iterator: seq is read after it. */
    NJ_OWN f = nj_get_builtin(reversed ? NJ_ID(reversed) : NJ_ID(iter));
    if (!f) {
        return NULL;
    }
    if (it->seq) {
        return Py_BuildValue("O(O)n", f, it->seq, it->index);
    }
    return Py_BuildValue("O(N)", f, PyList_New(0));
}

static PyObject *
listiter_reduce(PyObject *self, PyObject *unused)
{
    return reduce_iter((NjListIter *)self, false);
}

static PyObject *
listiter_setstate(PyObject *self, PyObject *state)
{
    NjListIter *it = (NjListIter *)self;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->seq) {
        it->index = i < 0 ? 0 : i > Py_SIZE(it->seq) ? Py_SIZE(it->seq) : i;
    }
    Py_RETURN_NONE;
}

#define ITER_METHODS(prefix)                                                           \
    {"__length_hint__", prefix##_len, METH_NOARGS,                                     \
     "__length_hint__($self, /)\n--\n\n"                                               \
     "Private method returning an estimate of len(list(it))."},                        \
    {"__reduce__", prefix##_reduce, METH_NOARGS,                                       \
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},            \
    {"__setstate__", prefix##_setstate, METH_O,                                        \
     "__setstate__($self, object, /)\n--\n\nSet state information for unpickling."},   \
    {NULL, NULL, 0, NULL}

static PyMethodDef listiter_methods[] = {ITER_METHODS(listiter)};

PyTypeObject PyListIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "list_iterator",
    .tp_basicsize = sizeof(NjListIter),
    .tp_dealloc = listiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = listiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = listiter_next,
    .tp_methods = listiter_methods,
};

static PyObject *
listreviter_next(PyObject *self)
{
    NjListIter *it = (NjListIter *)self;
    PyListObject *seq = it->seq;
    if (!seq) {
        return NULL;
    }
    if (it->index >= 0 && it->index < Py_SIZE(seq)) {
        return Py_NewRef(seq->ob_item[it->index--]);
    }
    it->index = -1;
    it->seq = NULL;
    Py_DECREF(seq);
    return NULL;
}

static PyObject *
listreviter_len(PyObject *self, PyObject *unused)
{
    NjListIter *it = (NjListIter *)self;
    Py_ssize_t n = it->index + 1;
    if (!it->seq || Py_SIZE(it->seq) < n) {
        n = 0;
    }
    return PyLong_FromSsize_t(n);
}

static PyObject *
listreviter_reduce(PyObject *self, PyObject *unused)
{
    return reduce_iter((NjListIter *)self, true);
}

static PyObject *
listreviter_setstate(PyObject *self, PyObject *state)
{
    NjListIter *it = (NjListIter *)self;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->seq) {
        it->index = i < -1 ? -1 : i > Py_SIZE(it->seq) - 1 ? Py_SIZE(it->seq) - 1 : i;
    }
    Py_RETURN_NONE;
}

static PyMethodDef listreviter_methods[] = {ITER_METHODS(listreviter)};

PyTypeObject PyListRevIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "list_reverseiterator",
    .tp_basicsize = sizeof(NjListIter),
    .tp_dealloc = listiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = listiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = listreviter_next,
    .tp_methods = listreviter_methods,
};

/* ---------------------------------------------------------------- PyList_* */

#define CHECK_LIST(op, fail)                                                           \
    do {                                                                               \
        if ((op) == NULL || !PyList_Check(op)) {                                       \
            PyErr_BadInternalCall();                                                   \
            return fail;                                                               \
        }                                                                              \
    } while (0)

Py_ssize_t
PyList_Size(PyObject *op)
{
    CHECK_LIST(op, -1);
    return Py_SIZE(op);
}

PyObject *
PyList_GetItem(PyObject *op, Py_ssize_t i)
{
    CHECK_LIST(op, NULL);
    if ((size_t)i >= (size_t)Py_SIZE(op)) {
        return raise_range("list index out of range");
    }
    return PyList_GET_ITEM(op, i);
}

PyObject *
PyList_GetItemRef(PyObject *op, Py_ssize_t i)
{
    if (!PyList_Check(op)) {
        PyErr_SetString(PyExc_TypeError, "expected a list");
        return NULL;
    }
    return list_item(op, i);
}

int
PyList_SetItem(PyObject *op, Py_ssize_t i, PyObject *newitem)
{
    if (!PyList_Check(op)) {
        Py_XDECREF(newitem);
        PyErr_BadInternalCall();
        return -1;
    }
    if ((size_t)i >= (size_t)Py_SIZE(op)) {
        Py_XDECREF(newitem);
        raise_range("list assignment index out of range");
        return -1;
    }
    Py_XSETREF(((PyListObject *)op)->ob_item[i], newitem);
    return 0;
}

int
PyList_Insert(PyObject *op, Py_ssize_t where, PyObject *newitem)
{
    CHECK_LIST(op, -1);
    if (newitem == NULL) {
        PyErr_BadInternalCall();
        return -1;
    }
    return insert_at((PyListObject *)op, where, newitem);
}

int
PyList_Append(PyObject *op, PyObject *newitem)
{
    if (NJ_UNLIKELY(!PyList_Check(op) || newitem == NULL)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return nj_list_append_steal((PyListObject *)op, Py_NewRef(newitem));
}

PyObject *
PyList_GetSlice(PyObject *op, Py_ssize_t lo, Py_ssize_t hi)
{
    CHECK_LIST(op, NULL);
    Py_ssize_t n = Py_SIZE(op);
    lo = lo < 0 ? 0 : lo > n ? n : lo;
    hi = hi < lo ? lo : hi > n ? n : hi;
    return copy_range((PyListObject *)op, lo, hi);
}

int
PyList_SetSlice(PyObject *op, Py_ssize_t lo, Py_ssize_t hi, PyObject *v)
{
    CHECK_LIST(op, -1);
    return assign_slice((PyListObject *)op, lo, hi, v);
}

int
PyList_Extend(PyObject *op, PyObject *iterable)
{
    CHECK_LIST(op, -1);
    return extend_list((PyListObject *)op, iterable);
}

PyAPI_FUNC(PyObject *) _PyList_Extend(PyListObject *, PyObject *);

PyObject *
_PyList_Extend(PyListObject *self, PyObject *iterable)
{
    return list_extend((PyObject *)self, iterable);
}

int
PyList_Clear(PyObject *op)
{
    CHECK_LIST(op, -1);
    clear_list((PyListObject *)op);
    return 0;
}

int
PyList_Sort(PyObject *op)
{
    CHECK_LIST(op, -1);
    return nj_list_sort((PyListObject *)op, NULL, false);
}

int
PyList_Reverse(PyObject *op)
{
    CHECK_LIST(op, -1);
    reverse_items(((PyListObject *)op)->ob_item, Py_SIZE(op));
    return 0;
}

PyObject *
PyList_AsTuple(PyObject *op)
{
    CHECK_LIST(op, NULL);
    return nj_tuple_from_array(((PyListObject *)op)->ob_item, Py_SIZE(op));
}

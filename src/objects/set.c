/* set.c - set and frozenset.
 *
 * One open-addressing table of {key, hash} (layout of PySetObject); eight cells live in the
 * object itself. An unused cell has key NULL and hash 0; a deleted one has key DUMMY and
 * hash -1 and is never reused until the next resize, so a search may stop at the first
 * unused cell. Probing looks at a run of neighbours (one or two cache lines) before it
 * jumps. fill counts active and deleted cells and stays below three fifths of the table.
 *
 * Comparing keys may run Python code that changes the set: search restarts then, and
 * nobody keeps a cell pointer across a compare.
 *
 * The hash of a frozenset is the formula of Lib/_collections_abc.py (Set._hash).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/dict_view.h"
#include "objects/seq_common.h"
#include "runtime/gc.h"

PyAPI_FUNC(int) _PySet_NextEntry(PyObject *set, Py_ssize_t *pos, PyObject **key,
                                 Py_hash_t *hash);
PyAPI_FUNC(int) _PySet_Update(PyObject *set, PyObject *iterable);

#define NEIGHBOURS 9
#define PERTURB_SHIFT 5

/* Key of a deleted cell: only its address matters. */
static const char dummy_cell;
#define DUMMY ((PyObject *)(uintptr_t)&dummy_cell)

NJ_INLINE bool
is_active(setentry *e)
{
    return e->key != NULL && e->key != DUMMY;
}

NJ_INLINE Py_hash_t
hash_key(PyObject *key)
{
    if (PyUnicode_CheckExact(key)) {
        Py_hash_t h = ((PyASCIIObject *)key)->hash;
        if (NJ_LIKELY(h != -1)) {
            return h;
        }
    }
    else if (PyLong_CheckExact(key) && PyUnstable_Long_IsCompact((PyLongObject *)key)) {
        Py_hash_t v = PyUnstable_Long_CompactValue((PyLongObject *)key);
        return v == -1 ? -2 : v;
    }
    Py_hash_t h = PyObject_Hash(key);
    if (NJ_UNLIKELY(h == -1)) {
        nj_set_explain_unhashable(key);
    }
    return h;
}

/* Equality of keys with equal hashes that needs no Python code: 1, 0; -1 = do not know. */
NJ_INLINE int
equal_fast(PyObject *a, PyObject *b)
{
    PyTypeObject *tp = Py_TYPE(a);
    if (tp == Py_TYPE(b) && (tp == &PyUnicode_Type || tp == &PyLong_Type)) {
        return nj_items_equal(a, b);
    }
    return -1;
}

/* The cell with the key, or the unused cell where the search ended; NULL on error. */
static setentry *
find_cell(PySetObject *so, PyObject *key, Py_hash_t hash)
{
restart:;
    setentry *table = so->table;
    size_t mask = (size_t)so->mask, i = (size_t)hash & mask, perturb = (size_t)hash;
    for (;;) {
        setentry *e = &table[i];
        int more = i + NEIGHBOURS <= mask ? NEIGHBOURS : 0;
        do {
            if (e->key == NULL && e->hash == 0) {
                return e;
            }
            if (e->hash == hash && e->key != DUMMY) {
                PyObject *ek = e->key;
                if (ek == key) {
                    return e;
                }
                int same = equal_fast(ek, key);
                if (same < 0) {
                    Py_INCREF(ek);
                    same = PyObject_RichCompareBool(ek, key, Py_EQ);
                    Py_DECREF(ek);
                    if (same < 0) {
                        return NULL;
                    }
                    if (so->table != table || e->key != ek) {
                        goto restart;
                    }
                }
                if (same) {
                    return e;
                }
            }
            e++;
        } while (more--);
        perturb >>= PERTURB_SHIFT;
        i = (i * 5 + 1 + perturb) & mask;
    }
}

/* Enters a key known to be absent into a table without deleted cells. */
static void
insert_clean(setentry *table, size_t mask, PyObject *key, Py_hash_t hash)
{
    size_t i = (size_t)hash & mask, perturb = (size_t)hash;
    for (;;) {
        setentry *e = &table[i];
        int more = i + NEIGHBOURS <= mask ? NEIGHBOURS : 0;
        do {
            if (e->key == NULL) {
                e->key = key;
                e->hash = hash;
                return;
            }
            e++;
        } while (more--);
        perturb >>= PERTURB_SHIFT;
        i = (i * 5 + 1 + perturb) & mask;
    }
}

static int
resize(PySetObject *so, Py_ssize_t minused)
{
    size_t newsize = PySet_MINSIZE;
    while (newsize <= (size_t)minused) {
        newsize <<= 1;
    }
    setentry *old = so->table, *table, copy[PySet_MINSIZE];
    bool was_malloced = old != so->smalltable;
    if (newsize == PySet_MINSIZE) {
        table = so->smalltable;
        if (table == old) {
            if (so->fill == so->used) {
                return 0;
            }
            memcpy(copy, old, sizeof(copy));
            old = copy;
        }
    }
    else {
        if (newsize > (size_t)PY_SSIZE_T_MAX / sizeof(setentry)) {
            PyErr_NoMemory();
            return -1;
        }
        table = PyMem_Malloc(newsize * sizeof(setentry));
        if (!table) {
            PyErr_NoMemory();
            return -1;
        }
    }
    Py_ssize_t oldmask = so->mask;
    memset(table, 0, newsize * sizeof(setentry));
    so->mask = (Py_ssize_t)newsize - 1;
    so->table = table;
    for (setentry *e = old; e <= old + oldmask; e++) {
        if (is_active(e)) {
            insert_clean(table, newsize - 1, e->key, e->hash);
        }
    }
    so->fill = so->used;
    if (was_malloced) {
        PyMem_Free(old);
    }
    return 0;
}

NJ_INLINE int
grow_if_full(PySetObject *so)
{
    if ((size_t)so->fill * 5 < (size_t)so->mask * 3) {
        return 0;
    }
    return resize(so, so->used > 50000 ? so->used * 2 : so->used * 4);
}

/* Borrows key. */
static int
add_key(PySetObject *so, PyObject *key, Py_hash_t hash)
{
    Py_INCREF(key);
    setentry *e = find_cell(so, key, hash);
    if (!e) {
        Py_DECREF(key);
        return -1;
    }
    if (e->key) {
        Py_DECREF(key);
        return 0;
    }
    e->key = key;
    e->hash = hash;
    so->fill++;
    so->used++;
    return grow_if_full(so);
}

static int
contains_hash(PySetObject *so, PyObject *key, Py_hash_t hash)
{
    setentry *e = find_cell(so, key, hash);
    return e ? e->key != NULL : -1;
}

/* 1 removed, 0 absent, -1 */
static int
discard_hash(PySetObject *so, PyObject *key, Py_hash_t hash)
{
    setentry *e = find_cell(so, key, hash);
    if (!e) {
        return -1;
    }
    if (!e->key) {
        return 0;
    }
    PyObject *old = e->key;
    e->key = DUMMY;
    e->hash = -1;
    so->used--;
    Py_DECREF(old);
    return 1;
}

static void
empty_out(PySetObject *so)
{
    memset(so->smalltable, 0, sizeof(so->smalltable));
    so->fill = 0;
    so->used = 0;
    so->mask = PySet_MINSIZE - 1;
    so->table = so->smalltable;
    so->hash = -1;
}

static void
clear_set(PySetObject *so)
{
    if (so->fill == 0 && so->table == so->smalltable) {
        return;
    }
    setentry *table = so->table, copy[PySet_MINSIZE];
    Py_ssize_t mask = so->mask;
    bool was_malloced = table != so->smalltable;
    if (!was_malloced) {
        memcpy(copy, table, sizeof(copy));
        table = copy;
    }
    empty_out(so);
    for (setentry *e = table; e <= table + mask; e++) {
        if (is_active(e)) {
            Py_DECREF(e->key);
        }
    }
    if (was_malloced) {
        PyMem_Free(table);
    }
}

/* Next active cell from *pos on. */
NJ_INLINE bool
next_cell(PySetObject *so, Py_ssize_t *pos, setentry **out)
{
    Py_ssize_t i = *pos, mask = so->mask;
    setentry *e = &so->table[i];
    while (i <= mask && !is_active(e)) {
        i++;
        e++;
    }
    *pos = i + 1;
    if (i > mask) {
        return false;
    }
    *out = e;
    return true;
}

static int
merge_set(PySetObject *so, PyObject *op)
{
    PySetObject *other = (PySetObject *)op;
    if (other == so || other->used == 0) {
        return 0;
    }
    if ((size_t)(so->fill + other->used) * 5 >= (size_t)so->mask * 3 &&
        resize(so, (so->used + other->used) * 2) < 0) {
        return -1;
    }
    if (so->fill == 0) {
        if (so->mask == other->mask && other->fill == other->used) {
            for (Py_ssize_t i = 0; i <= other->mask; i++) {
                setentry *e = &other->table[i];
                if (e->key) {
                    so->table[i].key = Py_NewRef(e->key);
                    so->table[i].hash = e->hash;
                }
            }
        }
        else {
            for (Py_ssize_t i = 0; i <= other->mask; i++) {
                setentry *e = &other->table[i];
                if (is_active(e)) {
                    insert_clean(so->table, (size_t)so->mask, Py_NewRef(e->key), e->hash);
                }
            }
        }
        so->fill = so->used = other->used;
        return 0;
    }
    Py_ssize_t pos = 0;
    setentry *e;
    while (next_cell(other, &pos, &e)) {
        if (add_key(so, e->key, e->hash) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
update_from(PySetObject *so, PyObject *other)
{
    if (PyAnySet_Check(other)) {
        return merge_set(so, other);
    }
    if (PyDict_CheckExact(other)) {
        PyDictObject *d = (PyDictObject *)other;
        if ((size_t)(so->fill + d->ma_used) * 5 >= (size_t)so->mask * 3 &&
            resize(so, (so->used + d->ma_used) * 2) < 0) {
            return -1;
        }
        Py_ssize_t pos = 0;
        PyObject *key, *value;
        Py_hash_t hash;
        while (nj_dict_next(d, &pos, &key, &value, &hash)) {
            if (add_key(so, key, hash) < 0) {
                return -1;
            }
        }
        return 0;
    }
    if (PyTuple_CheckExact(other) || PyList_CheckExact(other)) {
        /* comparing keys may change a list, as its iterator would see it */
        for (Py_ssize_t i = 0; i < Py_SIZE(other); i++) {
            NJ_OWN key = Py_NewRef(PySequence_Fast_GET_ITEM(other, i));
            Py_hash_t hash = hash_key(key);
            if (hash == -1 || add_key(so, key, hash) < 0) {
                return -1;
            }
        }
        return 0;
    }
    NJ_OWN it = PyObject_GetIter(other);
    if (!it) {
        return -1;
    }
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    for (;;) {
        PyObject *key = next(it);
        if (!key) {
            break;
        }
        Py_hash_t hash = hash_key(key);
        int err = hash == -1 ? -1 : add_key(so, key, hash);
        Py_DECREF(key);
        if (err < 0) {
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

/* ---------------------------------------------------------------- life cycle */

static PyObject *
make_set(PyTypeObject *type, PyObject *iterable)
{
    PySetObject *so;
    if (type == &PySet_Type || type == &PyFrozenSet_Type) {
        so = PyObject_GC_New(PySetObject, type);
    }
    else {
        so = (PySetObject *)type->tp_alloc(type, 0);
    }
    if (!so) {
        return NULL;
    }
    empty_out(so);
    so->finger = 0;
    so->weakreflist = NULL;
    if (!nj_gc_is_tracked((PyObject *)so)) {
        nj_gc_track((PyObject *)so);
    }
    if (iterable && update_from(so, iterable) < 0) {
        Py_DECREF(so);
        return NULL;
    }
    return (PyObject *)so;
}

static PyTypeObject *
base_type(PyObject *self)
{
    return PyFrozenSet_Check(self) ? &PyFrozenSet_Type : &PySet_Type;
}

static PyObject *
copy_set(PyObject *self)
{
    return make_set(base_type(self), self);
}

static void
set_dealloc(PyObject *self)
{
    PySetObject *so = (PySetObject *)self;
    nj_gc_untrack(self);
    if (so->weakreflist) {
        PyObject_ClearWeakRefs(self);
    }
    Py_ssize_t left = so->used;
    for (setentry *e = so->table; left > 0; e++) {
        if (is_active(e)) {
            left--;
            Py_DECREF(e->key);
        }
    }
    if (so->table != so->smalltable) {
        PyMem_Free(so->table);
    }
    Py_TYPE(self)->tp_free(self);
}

static int
set_traverse(PyObject *self, visitproc visit, void *arg)
{
    PySetObject *so = (PySetObject *)self;
    Py_ssize_t pos = 0;
    setentry *e;
    while (next_cell(so, &pos, &e)) {
        Py_VISIT(e->key);
    }
    return 0;
}

static int
set_tp_clear(PyObject *self)
{
    clear_set((PySetObject *)self);
    return 0;
}

static PyObject *
set_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return make_set(type, NULL);
}

static int
set_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords("set", kwds)) {
        return -1;
    }
    if (!_PyArg_CheckPositional("set", PyTuple_GET_SIZE(args), 0, 1)) {
        return -1;
    }
    PySetObject *so = (PySetObject *)self;
    clear_set(so);
    so->hash = -1;
    return PyTuple_GET_SIZE(args) ? update_from(so, PyTuple_GET_ITEM(args, 0)) : 0;
}

static PyObject *
set_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("set", kwnames) || !_PyArg_CheckPositional("set", n, 0, 1)) {
        return NULL;
    }
    return make_set((PyTypeObject *)type, n ? args[0] : NULL);
}

static PyObject *
make_frozenset(PyTypeObject *type, PyObject *iterable)
{
    if (type == &PyFrozenSet_Type && iterable && PyFrozenSet_CheckExact(iterable)) {
        return Py_NewRef(iterable);
    }
    return make_set(type, iterable);
}

static PyObject *
frozenset_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if ((type == &PyFrozenSet_Type || type->tp_init == PyFrozenSet_Type.tp_init) &&
        !_PyArg_NoKeywords("frozenset", kwds)) {
        return NULL;
    }
    if (!_PyArg_CheckPositional("frozenset", PyTuple_GET_SIZE(args), 0, 1)) {
        return NULL;
    }
    return make_frozenset(type, PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL);
}

static PyObject *
frozenset_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf,
                     PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("frozenset", kwnames) ||
        !_PyArg_CheckPositional("frozenset", n, 0, 1)) {
        return NULL;
    }
    return make_frozenset((PyTypeObject *)type, n ? args[0] : NULL);
}

/* ---------------------------------------------------------------- slots */

static PyObject *
set_repr(PyObject *self)
{
    PySetObject *so = (PySetObject *)self;
    const char *slash = strrchr(Py_TYPE(self)->tp_name, '.');
    NJ_OWN name = slash && !(Py_TYPE(self)->tp_flags & Py_TPFLAGS_HEAPTYPE)
                      ? PyUnicode_FromString(slash + 1)
                      : PyType_GetName(Py_TYPE(self));
    if (!name) {
        return NULL;
    }
    int rc = Py_ReprEnter(self);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromFormat("%U(...)", name) : NULL;
    }
    PyObject *r = NULL;
    if (so->used == 0) {
        r = PyUnicode_FromFormat("%U()", name);
        goto done;
    }
    PyObject *keys = PySequence_List(self);
    if (!keys) {
        goto done;
    }
    PyObject *text = PyObject_Repr(keys);
    Py_DECREF(keys);
    if (!text) {
        goto done;
    }
    PyObject *inner = PyUnicode_Substring(text, 1, PyUnicode_GET_LENGTH(text) - 1);
    Py_DECREF(text);
    if (inner) {
        r = Py_IS_TYPE(self, &PySet_Type) ? PyUnicode_FromFormat("{%U}", inner)
                                          : PyUnicode_FromFormat("%U({%U})", name, inner);
        Py_DECREF(inner);
    }
done:
    Py_ReprLeave(self);
    return r;
}

static Py_ssize_t
set_len(PyObject *self)
{
    return ((PySetObject *)self)->used;
}

static Py_hash_t
frozenset_hash(PyObject *self)
{
    PySetObject *so = (PySetObject *)self;
    if (so->hash != -1) {
        return so->hash;
    }
    uint64_t h = 1927868237ULL * ((uint64_t)so->used + 1);
    Py_ssize_t pos = 0;
    setentry *e;
    while (next_cell(so, &pos, &e)) {
        uint64_t x = (uint64_t)e->hash;
        h ^= (x ^ (x << 16) ^ 89869747ULL) * 3644798167ULL;
    }
    h ^= (h >> 11) ^ (h >> 25);
    h = h * 69069U + 907133923UL;
    if (h == (uint64_t)-1) {
        h = 590923713UL;
    }
    return so->hash = (Py_hash_t)h;
}

/* A set used as key stands for the frozenset of its items. */
static NJ_COLD PyObject *
frozen_stand_in(PyObject *key)
{
    if (!PySet_Check(key) || !PyErr_ExceptionMatches(PyExc_TypeError)) {
        return NULL;
    }
    PyErr_Clear();
    return make_set(&PyFrozenSet_Type, key);
}

static int
set_contains(PyObject *self, PyObject *key)
{
    Py_hash_t hash = hash_key(key);
    if (NJ_LIKELY(hash != -1)) {
        return contains_hash((PySetObject *)self, key, hash);
    }
    NJ_OWN frozen = frozen_stand_in(key);
    if (!frozen) {
        return -1;
    }
    return contains_hash((PySetObject *)self, frozen, frozenset_hash(frozen));
}

static int
discard_key(PySetObject *so, PyObject *key)
{
    Py_hash_t hash = hash_key(key);
    if (hash != -1) {
        return discard_hash(so, key, hash);
    }
    NJ_OWN frozen = frozen_stand_in(key);
    if (!frozen) {
        return -1;
    }
    return discard_hash(so, frozen, frozenset_hash(frozen));
}

/* Is every item of the set in other (any set)? */
static int
is_subset(PySetObject *so, PySetObject *other)
{
    if (so->used > other->used) {
        return 0;
    }
    Py_ssize_t pos = 0;
    setentry *e;
    while (next_cell(so, &pos, &e)) {
        NJ_OWN key = Py_NewRef(e->key);
        int r = contains_hash(other, key, e->hash);
        if (r <= 0) {
            return r;
        }
    }
    return 1;
}

static PyObject *
set_richcompare(PyObject *self, PyObject *other, int op)
{
    if (!PyAnySet_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PySetObject *a = (PySetObject *)self, *b = (PySetObject *)other;
    int r;
    switch (op) {
    case Py_EQ:
    case Py_NE:
        if (a->used != b->used ||
            (a->hash != -1 && b->hash != -1 && a->hash != b->hash)) {
            r = 0;
        }
        else {
            r = is_subset(a, b);
        }
        if (r >= 0 && op == Py_NE) {
            r = !r;
        }
        break;
    case Py_LE:
        r = is_subset(a, b);
        break;
    case Py_GE:
        r = is_subset(b, a);
        break;
    case Py_LT:
        r = a->used < b->used ? is_subset(a, b) : 0;
        break;
    default:
        r = a->used > b->used ? is_subset(b, a) : 0;
        break;
    }
    return r < 0 ? NULL : PyBool_FromLong(r);
}

/* ---------------------------------------------------------------- operations */

static int
update_many(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        if (update_from((PySetObject *)self, args[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
set_update(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (update_many(self, args, n) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
set_union(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    PyObject *r = copy_set(self);
    for (Py_ssize_t i = 0; r && i < n; i++) {
        if (args[i] != self && update_from((PySetObject *)r, args[i]) < 0) {
            Py_CLEAR(r);
        }
    }
    return r;
}

static PyObject *
intersect(PyObject *self, PyObject *other)
{
    if (self == other) {
        return copy_set(self);
    }
    NJ_OWN r = make_set(base_type(self), NULL);
    if (!r) {
        return NULL;
    }
    PySetObject *so = (PySetObject *)self;
    if (PyAnySet_Check(other)) {
        PySetObject *small = (PySetObject *)other, *big = so;
        if (small->used > big->used) {
            PySetObject *t = small;
            small = big;
            big = t;
        }
        Py_ssize_t pos = 0;
        setentry *e;
        while (next_cell(small, &pos, &e)) {
            NJ_OWN key = Py_NewRef(e->key);
            Py_hash_t hash = e->hash;
            int in = contains_hash(big, key, hash);
            if (in < 0 || (in && add_key((PySetObject *)r, key, hash) < 0)) {
                return NULL;
            }
        }
        return NJ_TAKE(r);
    }
    NJ_OWN it = PyObject_GetIter(other);
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN key = PyIter_Next(it);
        if (!key) {
            return PyErr_Occurred() ? NULL : NJ_TAKE(r);
        }
        Py_hash_t hash = hash_key(key);
        if (hash == -1) {
            return NULL;
        }
        int in = contains_hash(so, key, hash);
        if (in < 0 || (in && add_key((PySetObject *)r, key, hash) < 0)) {
            return NULL;
        }
        if (in && ((PySetObject *)r)->used == so->used) {
            return NJ_TAKE(r); /* all found: the rest cannot matter */
        }
    }
}

static PyObject *
intersect_many(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (n == 0) {
        return copy_set(self);
    }
    PyObject *r = Py_NewRef(self);
    for (Py_ssize_t i = 0; r && i < n; i++) {
        Py_SETREF(r, intersect(r, args[i]));
    }
    return r;
}

static PyObject *
set_intersection(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return intersect_many(self, args, n);
}

/* Exchanges the contents (not the identity) of two sets. */
static void
swap_bodies(PySetObject *a, PySetObject *b)
{
    setentry *at = a->table, *bt = b->table, tab[PySet_MINSIZE];
    bool as = at == a->smalltable, bs = bt == b->smalltable;
    Py_ssize_t t = a->fill;
    a->fill = b->fill;
    b->fill = t;
    t = a->used;
    a->used = b->used;
    b->used = t;
    t = a->mask;
    a->mask = b->mask;
    b->mask = t;
    memcpy(tab, a->smalltable, sizeof(tab));
    memcpy(a->smalltable, b->smalltable, sizeof(tab));
    memcpy(b->smalltable, tab, sizeof(tab));
    a->table = bs ? a->smalltable : bt;
    b->table = as ? b->smalltable : at;
    if (PyFrozenSet_Check((PyObject *)a) && PyFrozenSet_Check((PyObject *)b)) {
        Py_hash_t h = a->hash;
        a->hash = b->hash;
        b->hash = h;
    }
    else {
        a->hash = b->hash = -1;
    }
}

static PyObject *
set_intersection_update(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    NJ_OWN r = intersect_many(self, args, n);
    if (!r) {
        return NULL;
    }
    if (r != self) {
        swap_bodies((PySetObject *)self, (PySetObject *)r);
    }
    Py_RETURN_NONE;
}

static int
subtract_from(PySetObject *so, PyObject *other)
{
    if ((PyObject *)so == other) {
        clear_set(so);
        return 0;
    }
    if (PyAnySet_Check(other)) {
        PySetObject *o = (PySetObject *)other;
        Py_ssize_t pos = 0;
        setentry *e;
        while (next_cell(o, &pos, &e)) {
            NJ_OWN key = Py_NewRef(e->key);
            if (discard_hash(so, key, e->hash) < 0) {
                return -1;
            }
        }
    }
    else {
        NJ_OWN it = PyObject_GetIter(other);
        if (!it) {
            return -1;
        }
        for (;;) {
            NJ_OWN key = PyIter_Next(it);
            if (!key) {
                break;
            }
            Py_hash_t hash = hash_key(key);
            if (hash == -1 || discard_hash(so, key, hash) < 0) {
                return -1;
            }
        }
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    /* many deleted cells: rebuild */
    if ((size_t)(so->fill - so->used) > (size_t)so->mask / 4) {
        return resize(so, so->used > 50000 ? so->used * 2 : so->used * 4);
    }
    return 0;
}

static PyObject *
difference(PyObject *self, PyObject *other)
{
    PySetObject *so = (PySetObject *)self;
    bool is_dict = PyDict_CheckExact(other);
    if (!PyAnySet_Check(other) && !is_dict) {
        NJ_OWN r = copy_set(self);
        return r && subtract_from((PySetObject *)r, other) == 0 ? NJ_TAKE(r) : NULL;
    }
    Py_ssize_t n = is_dict ? PyDict_GET_SIZE(other) : ((PySetObject *)other)->used;
    if ((so->used >> 2) > n) {
        NJ_OWN r = copy_set(self);
        return r && subtract_from((PySetObject *)r, other) == 0 ? NJ_TAKE(r) : NULL;
    }
    NJ_OWN r = make_set(base_type(self), NULL);
    if (!r) {
        return NULL;
    }
    Py_ssize_t pos = 0;
    setentry *e;
    while (next_cell(so, &pos, &e)) {
        NJ_OWN key = Py_NewRef(e->key);
        Py_hash_t hash = e->hash;
        int in;
        if (is_dict) {
            PyObject *v;
            in = nj_dict_find_known_hash(other, key, hash, &v);
            Py_XDECREF(v);
        }
        else {
            in = contains_hash((PySetObject *)other, key, hash);
        }
        if (in < 0 || (!in && add_key((PySetObject *)r, key, hash) < 0)) {
            return NULL;
        }
    }
    return NJ_TAKE(r);
}

static PyObject *
set_difference(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (n == 0) {
        return copy_set(self);
    }
    NJ_OWN r = difference(self, args[0]);
    for (Py_ssize_t i = 1; r && i < n; i++) {
        if (subtract_from((PySetObject *)r, args[i]) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(r);
}

static PyObject *
set_difference_update(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        if (subtract_from((PySetObject *)self, args[i]) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static int
toggle(PySetObject *so, PyObject *key, Py_hash_t hash)
{
    int r = discard_hash(so, key, hash);
    return r == 0 ? add_key(so, key, hash) : r < 0 ? -1 : 0;
}

static int
xor_into(PySetObject *so, PyObject *other)
{
    if ((PyObject *)so == other) {
        clear_set(so);
        return 0;
    }
    if (PyDict_CheckExact(other)) {
        Py_ssize_t pos = 0;
        PyObject *k, *v;
        Py_hash_t hash;
        while (nj_dict_next((PyDictObject *)other, &pos, &k, &v, &hash)) {
            NJ_OWN key = Py_NewRef(k);
            if (toggle(so, key, hash) < 0) {
                return -1;
            }
        }
        return 0;
    }
    NJ_OWN set = PyAnySet_Check(other) ? Py_NewRef(other) : make_set(&PySet_Type, other);
    if (!set) {
        return -1;
    }
    Py_ssize_t pos = 0;
    setentry *e;
    while (next_cell((PySetObject *)set, &pos, &e)) {
        NJ_OWN key = Py_NewRef(e->key);
        if (toggle(so, key, e->hash) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
set_symmetric_difference_update(PyObject *self, PyObject *other)
{
    if (xor_into((PySetObject *)self, other) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
set_symmetric_difference(PyObject *self, PyObject *other)
{
    NJ_OWN r = make_set(base_type(self), other);
    return r && xor_into((PySetObject *)r, self) == 0 ? NJ_TAKE(r) : NULL;
}

#define BOTH_SETS(a, b)                                                                \
    if (!PyAnySet_Check(a) || !PyAnySet_Check(b)) {                                    \
        Py_RETURN_NOTIMPLEMENTED;                                                      \
    }

static PyObject *
set_or(PyObject *a, PyObject *b)
{
    BOTH_SETS(a, b)
    return set_union(a, &b, 1);
}

static PyObject *
set_and(PyObject *a, PyObject *b)
{
    BOTH_SETS(a, b)
    return intersect(a, b);
}

static PyObject *
set_sub(PyObject *a, PyObject *b)
{
    BOTH_SETS(a, b)
    return difference(a, b);
}

static PyObject *
set_xor(PyObject *a, PyObject *b)
{
    BOTH_SETS(a, b)
    return set_symmetric_difference(a, b);
}

static PyObject *
set_ior(PyObject *self, PyObject *other)
{
    if (!PyAnySet_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return update_from((PySetObject *)self, other) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
set_iand(PyObject *self, PyObject *other)
{
    if (!PyAnySet_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN none = set_intersection_update(self, &other, 1);
    return none ? Py_NewRef(self) : NULL;
}

static PyObject *
set_isub(PyObject *self, PyObject *other)
{
    if (!PyAnySet_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return subtract_from((PySetObject *)self, other) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
set_ixor(PyObject *self, PyObject *other)
{
    if (!PyAnySet_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return xor_into((PySetObject *)self, other) < 0 ? NULL : Py_NewRef(self);
}

/* ---------------------------------------------------------------- methods */

static PyObject *
set_contains_method(PyObject *self, PyObject *key)
{
    int r = set_contains(self, key);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
set_add(PyObject *self, PyObject *key)
{
    Py_hash_t hash = hash_key(key);
    if (hash == -1 || add_key((PySetObject *)self, key, hash) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
set_clear(PyObject *self, PyObject *unused)
{
    clear_set((PySetObject *)self);
    Py_RETURN_NONE;
}

static PyObject *
set_copy(PyObject *self, PyObject *unused)
{
    return copy_set(self);
}

static PyObject *
frozenset_copy(PyObject *self, PyObject *unused)
{
    return PyFrozenSet_CheckExact(self) ? Py_NewRef(self) : copy_set(self);
}

static PyObject *
set_discard(PyObject *self, PyObject *key)
{
    if (discard_key((PySetObject *)self, key) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
set_remove(PyObject *self, PyObject *key)
{
    int r = discard_key((PySetObject *)self, key);
    if (r < 0) {
        return NULL;
    }
    if (r == 0) {
        nj_raise_key_error(key);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
set_pop(PyObject *self, PyObject *unused)
{
    PySetObject *so = (PySetObject *)self;
    if (so->used == 0) {
        PyErr_SetString(PyExc_KeyError, "pop from an empty set");
        return NULL;
    }
    Py_ssize_t i = so->finger & so->mask;
    while (!is_active(&so->table[i])) {
        i = (i + 1) & so->mask;
    }
    setentry *e = &so->table[i];
    PyObject *key = e->key;
    e->key = DUMMY;
    e->hash = -1;
    so->used--;
    so->finger = i + 1;
    return key;
}

static PyObject *
set_isdisjoint(PyObject *self, PyObject *other)
{
    PySetObject *so = (PySetObject *)self;
    if (self == other) {
        return PyBool_FromLong(so->used == 0);
    }
    if (PyAnySet_CheckExact(other)) {
        PySetObject *small = (PySetObject *)other, *big = so;
        if (small->used > big->used) {
            PySetObject *t = small;
            small = big;
            big = t;
        }
        Py_ssize_t pos = 0;
        setentry *e;
        while (next_cell(small, &pos, &e)) {
            NJ_OWN key = Py_NewRef(e->key);
            int in = contains_hash(big, key, e->hash);
            if (in) {
                return in < 0 ? NULL : Py_NewRef(Py_False);
            }
        }
        Py_RETURN_TRUE;
    }
    NJ_OWN it = PyObject_GetIter(other);
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN key = PyIter_Next(it);
        if (!key) {
            return PyErr_Occurred() ? NULL : Py_NewRef(Py_True);
        }
        Py_hash_t hash = hash_key(key);
        int in = hash == -1 ? -1 : contains_hash(so, key, hash);
        if (in) {
            return in < 0 ? NULL : Py_NewRef(Py_False);
        }
    }
}

static PyObject *
set_issubset(PyObject *self, PyObject *other)
{
    if (PyAnySet_Check(other)) {
        int r = is_subset((PySetObject *)self, (PySetObject *)other);
        return r < 0 ? NULL : PyBool_FromLong(r);
    }
    NJ_OWN common = intersect(self, other);
    return common ? PyBool_FromLong(((PySetObject *)common)->used ==
                                    ((PySetObject *)self)->used)
                  : NULL;
}

static PyObject *
set_issuperset(PyObject *self, PyObject *other)
{
    if (PyAnySet_Check(other)) {
        int r = is_subset((PySetObject *)other, (PySetObject *)self);
        return r < 0 ? NULL : PyBool_FromLong(r);
    }
    NJ_OWN it = PyObject_GetIter(other);
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN key = PyIter_Next(it);
        if (!key) {
            return PyErr_Occurred() ? NULL : Py_NewRef(Py_True);
        }
        int in = set_contains(self, key);
        if (in <= 0) {
            return in < 0 ? NULL : Py_NewRef(Py_False);
        }
    }
}

static PyObject *
set_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN keys = PySequence_List(self);
    NJ_OWN state = keys ? PyObject_CallMethodNoArgs(self, NJ_ID(__getstate__)) : NULL;
    return state ? Py_BuildValue("O(O)O", Py_TYPE(self), keys, state) : NULL;
}

static PyObject *
set_sizeof(PyObject *self, PyObject *unused)
{
    PySetObject *so = (PySetObject *)self;
    size_t size = (size_t)Py_TYPE(self)->tp_basicsize;
    if (so->table != so->smalltable) {
        size += ((size_t)so->mask + 1) * sizeof(setentry);
    }
    return PyLong_FromSize_t(size);
}

#define M_CONTAINS                                                                     \
    {"__contains__", set_contains_method, METH_O | METH_COEXIST,                       \
     "__contains__($self, object, /)\n--\n\nx.__contains__(y) <==> y in x."}
#define M_COPY(f)                                                                      \
    {"copy", f, METH_NOARGS, "copy($self, /)\n--\n\nReturn a shallow copy of a set."}
#define M_SHARED                                                                       \
    {"difference", _PyCFunction_CAST(set_difference), METH_FASTCALL,                   \
     "difference($self, /, *others)\n--\n\n"                                           \
     "Return a new set with elements in the set that are not in the others."},         \
    {"intersection", _PyCFunction_CAST(set_intersection), METH_FASTCALL,               \
     "intersection($self, /, *others)\n--\n\n"                                         \
     "Return a new set with elements common to the set and all others."},              \
    {"isdisjoint", set_isdisjoint, METH_O,                                             \
     "isdisjoint($self, other, /)\n--\n\n"                                             \
     "Return True if two sets have a null intersection."},                             \
    {"issubset", set_issubset, METH_O,                                                 \
     "issubset($self, other, /)\n--\n\nReport whether another set contains this set."}, \
    {"issuperset", set_issuperset, METH_O,                                             \
     "issuperset($self, other, /)\n--\n\nReport whether this set contains another set."}, \
    {"__reduce__", set_reduce, METH_NOARGS,                                            \
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},            \
    {"__sizeof__", set_sizeof, METH_NOARGS,                                            \
     "__sizeof__($self, /)\n--\n\nS.__sizeof__() -> size of S in memory, in bytes."},  \
    {"symmetric_difference", set_symmetric_difference, METH_O,                         \
     "symmetric_difference($self, other, /)\n--\n\n"                                   \
     "Return a new set with elements in either the set or other but not both."},       \
    {"union", _PyCFunction_CAST(set_union), METH_FASTCALL,                             \
     "union($self, /, *others)\n--\n\n"                                                \
     "Return a new set with elements from the set and all others."},                   \
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,                        \
     "__class_getitem__($type, object, /)\n--\n\n"                                     \
     "Sets are generic over the type of their elements."},                             \
    {NULL, NULL, 0, NULL}

static PyMethodDef set_methods[] = {
    M_CONTAINS,
    {"add", set_add, METH_O,
     "add($self, object, /)\n--\n\nAdd an element to a set.\n\n"
     "This has no effect if the element is already present."},
    {"clear", set_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all elements from this set."},
    M_COPY(set_copy),
    {"discard", set_discard, METH_O,
     "discard($self, object, /)\n--\n\nRemove an element from a set if it is a member.\n\n"
     "Unlike set.remove(), the discard() method does not raise\n"
     "an exception when an element is missing from the set."},
    {"difference_update", _PyCFunction_CAST(set_difference_update), METH_FASTCALL,
     "difference_update($self, /, *others)\n--\n\n"
     "Update the set, removing elements found in others."},
    {"intersection_update", _PyCFunction_CAST(set_intersection_update), METH_FASTCALL,
     "intersection_update($self, /, *others)\n--\n\n"
     "Update the set, keeping only elements found in it and all others."},
    {"pop", set_pop, METH_NOARGS,
     "pop($self, /)\n--\n\nRemove and return an arbitrary set element.\n\n"
     "Raises KeyError if the set is empty."},
    {"remove", set_remove, METH_O,
     "remove($self, object, /)\n--\n\nRemove an element from a set; it must be a member.\n\n"
     "If the element is not a member, raise a KeyError."},
    {"symmetric_difference_update", set_symmetric_difference_update, METH_O,
     "symmetric_difference_update($self, other, /)\n--\n\n"
     "Update the set, keeping only elements found in either set, but not in both."},
    {"update", _PyCFunction_CAST(set_update), METH_FASTCALL,
     "update($self, /, *others)\n--\n\nUpdate the set, adding elements from all others."},
    M_SHARED,
};

static PyMethodDef frozenset_methods[] = {
    M_CONTAINS,
    M_COPY(frozenset_copy),
    M_SHARED,
};

static PyObject *set_iter(PyObject *self);

static PySequenceMethods set_as_sequence = {
    .sq_length = set_len,
    .sq_contains = set_contains,
};

static PyNumberMethods set_as_number = {
    .nb_subtract = set_sub,
    .nb_and = set_and,
    .nb_xor = set_xor,
    .nb_or = set_or,
    .nb_inplace_subtract = set_isub,
    .nb_inplace_and = set_iand,
    .nb_inplace_xor = set_ixor,
    .nb_inplace_or = set_ior,
};

static PyNumberMethods frozenset_as_number = {
    .nb_subtract = set_sub,
    .nb_and = set_and,
    .nb_xor = set_xor,
    .nb_or = set_or,
};

PyTypeObject PySet_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "set",
    .tp_basicsize = sizeof(PySetObject),
    .tp_dealloc = set_dealloc,
    .tp_repr = set_repr,
    .tp_as_number = &set_as_number,
    .tp_as_sequence = &set_as_sequence,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                _Py_TPFLAGS_MATCH_SELF,
    .tp_doc = "set(iterable=(), /)\n--\n\n"
              "Build an unordered collection of unique elements.",
    .tp_traverse = set_traverse,
    .tp_clear = set_tp_clear,
    .tp_richcompare = set_richcompare,
    .tp_weaklistoffset = offsetof(PySetObject, weakreflist),
    .tp_iter = set_iter,
    .tp_methods = set_methods,
    .tp_init = set_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = set_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = set_vectorcall,
};

PyTypeObject PyFrozenSet_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "frozenset",
    .tp_basicsize = sizeof(PySetObject),
    .tp_dealloc = set_dealloc,
    .tp_repr = set_repr,
    .tp_as_number = &frozenset_as_number,
    .tp_as_sequence = &set_as_sequence,
    .tp_hash = frozenset_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                _Py_TPFLAGS_MATCH_SELF,
    .tp_doc = "frozenset(iterable=(), /)\n--\n\n"
              "Build an immutable unordered collection of unique elements.",
    .tp_traverse = set_traverse,
    .tp_clear = set_tp_clear,
    .tp_richcompare = set_richcompare,
    .tp_weaklistoffset = offsetof(PySetObject, weakreflist),
    .tp_iter = set_iter,
    .tp_methods = frozenset_methods,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = frozenset_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = frozenset_vectorcall,
};

/* ---------------------------------------------------------------- iterator */

typedef struct NjSetIter {
    PyObject_HEAD
    PySetObject *set; /* owned; NULL when exhausted */
    Py_ssize_t used;  /* at the start; -1 after a change was reported */
    Py_ssize_t pos;
    Py_ssize_t left;
} NjSetIter;

static PyObject *
set_iter(PyObject *self)
{
    NjSetIter *it = PyObject_GC_New(NjSetIter, &PySetIter_Type);
    if (!it) {
        return NULL;
    }
    it->set = (PySetObject *)Py_NewRef(self);
    it->used = it->left = it->set->used;
    it->pos = 0;
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static void
setiter_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(((NjSetIter *)self)->set);
    PyObject_GC_Del(self);
}

static int
setiter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((NjSetIter *)self)->set);
    return 0;
}

static PyObject *
setiter_next(PyObject *self)
{
    NjSetIter *it = (NjSetIter *)self;
    PySetObject *so = it->set;
    if (!so) {
        return NULL;
    }
    if (it->used != so->used) {
        PyErr_SetString(PyExc_RuntimeError, "Set changed size during iteration");
        it->used = -1;
        return NULL;
    }
    setentry *e;
    if (it->pos <= so->mask && next_cell(so, &it->pos, &e)) {
        it->left--;
        return Py_NewRef(e->key);
    }
    it->set = NULL;
    Py_DECREF(so);
    return NULL;
}

static PyObject *
setiter_len(PyObject *self, PyObject *unused)
{
    NjSetIter *it = (NjSetIter *)self;
    return PyLong_FromSsize_t(it->set && it->used == it->set->used ? it->left : 0);
}

static PyObject *
setiter_reduce(PyObject *self, PyObject *unused)
{
    NjSetIter *it = (NjSetIter *)self;
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    if (it->set) {
        if (it->used != it->set->used) {
            return setiter_next(self); /* raises */
        }
        Py_ssize_t pos = it->pos;
        setentry *e;
        while (pos <= it->set->mask && next_cell(it->set, &pos, &e)) {
            if (PyList_Append(list, e->key) < 0) {
                return NULL;
            }
        }
    }
    return Py_BuildValue("N(O)", nj_get_builtin(NJ_ID(iter)), list);
}

static PyMethodDef setiter_methods[] = {
    {"__length_hint__", setiter_len, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\n"
     "Private method returning an estimate of len(list(it))."},
    {"__reduce__", setiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PySetIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "set_iterator",
    .tp_basicsize = sizeof(NjSetIter),
    .tp_dealloc = setiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = setiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = setiter_next,
    .tp_methods = setiter_methods,
};

/* ---------------------------------------------------------------- PySet_* */

PyObject *
PySet_New(PyObject *iterable)
{
    return make_set(&PySet_Type, iterable);
}

PyObject *
PyFrozenSet_New(PyObject *iterable)
{
    return make_frozenset(&PyFrozenSet_Type, iterable);
}

Py_ssize_t
PySet_Size(PyObject *op)
{
    if (!PyAnySet_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return ((PySetObject *)op)->used;
}

int
PySet_Clear(PyObject *op)
{
    if (!PySet_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    clear_set((PySetObject *)op);
    return 0;
}

int
PySet_Contains(PyObject *op, PyObject *key)
{
    if (!PyAnySet_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    Py_hash_t hash = hash_key(key);
    return hash == -1 ? -1 : contains_hash((PySetObject *)op, key, hash);
}

int
PySet_Discard(PyObject *op, PyObject *key)
{
    if (!PySet_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    Py_hash_t hash = hash_key(key);
    return hash == -1 ? -1 : discard_hash((PySetObject *)op, key, hash);
}

int
PySet_Add(PyObject *op, PyObject *key)
{
    /* a frozenset only while it is being built */
    if (!PySet_Check(op) && (!PyFrozenSet_Check(op) || Py_REFCNT(op) != 1)) {
        PyErr_BadInternalCall();
        return -1;
    }
    Py_hash_t hash = hash_key(key);
    return hash == -1 ? -1 : add_key((PySetObject *)op, key, hash);
}

PyObject *
PySet_Pop(PyObject *op)
{
    if (!PySet_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return set_pop(op, NULL);
}

int
_PySet_Update(PyObject *op, PyObject *iterable)
{
    if (!PySet_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return update_from((PySetObject *)op, iterable);
}

int
_PySet_NextEntry(PyObject *op, Py_ssize_t *pos, PyObject **key, Py_hash_t *hash)
{
    setentry *e;
    if (!PyAnySet_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    if (*pos > ((PySetObject *)op)->mask || !next_cell((PySetObject *)op, pos, &e)) {
        return 0;
    }
    *key = e->key;
    *hash = e->hash;
    return 1;
}

/* hamt.c - the persistent map behind contexts (objects/trie.h), as a type of its own, which
 * only tests see: _PyContext_NewHamtForTests.
 *
 * A map never changes: set and delete make new ones, or give the same one when nothing
 * would change. keys, values and items are iterators
 * that know the length of their map.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/hamt.h"
#include "objects/trie.h"

typedef struct Hamt {
    PyObject_HEAD
    PyObject *root; /* owned, NULL when empty */
    PyObject *weakrefs;
} Hamt;

typedef struct HamtIter {
    PyObject_HEAD
    PyObject *root; /* owned, keeps what pos borrows */
    NjTriePos pos;
} HamtIter;

static PyObject *
wrap(NJ_STEALS PyObject *root)
{
    Hamt *h = (Hamt *)PyType_GenericAlloc(&NjHamt_Type, 0);
    if (!h) {
        Py_XDECREF(root);
        return NULL;
    }
    h->root = root;
    return (PyObject *)h;
}

PyAPI_FUNC(PyObject *) _PyContext_NewHamtForTests(void); /* new, empty */

PyObject *
_PyContext_NewHamtForTests(void)
{
    return wrap(NULL);
}

static PyObject *
hamt_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return wrap(NULL);
}

static PyObject *
root_of(PyObject *o)
{
    return ((Hamt *)o)->root;
}

/* The value of key, borrowed. 1/0/-1 */
static int
find(PyObject *o, PyObject *key, PyObject **value)
{
    Py_hash_t hash = PyObject_Hash(key);
    return hash == -1 ? -1 : nj_trie_find(root_of(o), key, hash, value);
}

static PyObject *
hamt_set(PyObject *o, PyObject *args)
{
    PyObject *key, *value;
    if (!PyArg_UnpackTuple(args, "set", 2, 2, &key, &value)) {
        return NULL;
    }
    Py_hash_t hash = PyObject_Hash(key);
    PyObject *root = hash == -1 ? NULL : nj_trie_with(root_of(o), key, hash, value);
    if (root && root == root_of(o)) {
        Py_DECREF(root);
        return Py_NewRef(o);
    }
    return root ? wrap(root) : NULL;
}

static PyObject *
hamt_delete(PyObject *o, PyObject *key)
{
    PyObject *root;
    Py_hash_t hash = PyObject_Hash(key);
    int rc = hash == -1 ? -1 : nj_trie_without(root_of(o), key, hash, &root);
    return rc < 0 ? NULL : rc ? wrap(root) : Py_NewRef(o);
}

static PyObject *
hamt_get(PyObject *o, PyObject *args)
{
    PyObject *key, *value, *missing = Py_None;
    if (!PyArg_UnpackTuple(args, "get", 1, 2, &key, &missing)) {
        return NULL;
    }
    int rc = find(o, key, &value);
    return rc < 0 ? NULL : Py_NewRef(rc ? value : missing);
}

static PyObject *
hamt_subscript(PyObject *o, PyObject *key)
{
    PyObject *value;
    int rc = find(o, key, &value);
    if (rc == 0) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return rc > 0 ? Py_NewRef(value) : NULL;
}

static int
hamt_contains(PyObject *o, PyObject *key)
{
    PyObject *value;
    return find(o, key, &value);
}

static Py_ssize_t
hamt_len(PyObject *o)
{
    return nj_trie_size(root_of(o));
}

static PyObject *
hamt_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!Py_IS_TYPE(b, Py_TYPE(a)) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int equal = hamt_len(a) == hamt_len(b);
    NjTriePos pos = {0};
    PyObject *key, *value, *other;
    while (equal > 0 && nj_trie_next(root_of(a), &pos, &key, &value)) {
        equal = find(b, key, &other);
        if (equal > 0) {
            equal = PyObject_RichCompareBool(value, other, Py_EQ);
        }
    }
    return equal < 0 ? NULL : PyBool_FromLong((op == Py_EQ) == equal);
}

PyObject *
nj_hamt_iter(PyTypeObject *type, PyObject *map)
{
    HamtIter *it = (HamtIter *)PyType_GenericAlloc(type, 0);
    if (it) {
        it->root = Py_XNewRef(map);
    }
    return (PyObject *)it;
}

static PyObject *
hamt_keys(PyObject *o, PyObject *unused)
{
    return nj_hamt_iter(&NjHamtKeys_Type, root_of(o));
}

static PyObject *
hamt_values(PyObject *o, PyObject *unused)
{
    return nj_hamt_iter(&NjHamtValues_Type, root_of(o));
}

static PyObject *
hamt_items(PyObject *o, PyObject *unused)
{
    return nj_hamt_iter(&NjHamtItems_Type, root_of(o));
}

static PyObject *
hamt_iter(PyObject *o)
{
    return nj_hamt_iter(&NjHamtKeys_Type, root_of(o));
}

static int
hamt_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(root_of(o));
    return 0;
}

static int
hamt_clear(PyObject *o)
{
    Py_CLEAR(((Hamt *)o)->root);
    return 0;
}

static void
hamt_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    PyObject_ClearWeakRefs(o);
    hamt_clear(o);
    PyObject_GC_Del(o);
}

static PyMethodDef hamt_methods[] = {
    {"set", hamt_set, METH_VARARGS},
    {"get", hamt_get, METH_VARARGS},
    {"delete", hamt_delete, METH_O},
    {"items", hamt_items, METH_NOARGS},
    {"keys", hamt_keys, METH_NOARGS},
    {"values", hamt_values, METH_NOARGS},
    {0},
};

static PyMappingMethods hamt_as_mapping = {
    .mp_length = hamt_len,
    .mp_subscript = hamt_subscript,
};

static PySequenceMethods hamt_as_sequence = {
    .sq_contains = hamt_contains,
};

PyTypeObject NjHamt_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "hamt",
    .tp_basicsize = sizeof(Hamt),
    .tp_dealloc = hamt_dealloc,
    .tp_as_sequence = &hamt_as_sequence,
    .tp_as_mapping = &hamt_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = hamt_traverse,
    .tp_clear = hamt_clear,
    .tp_richcompare = hamt_richcompare,
    .tp_weaklistoffset = offsetof(Hamt, weakrefs),
    .tp_iter = hamt_iter,
    .tp_methods = hamt_methods,
    .tp_new = hamt_new,
};

/* ---- iterators ---- */

static PyObject *
keys_next(PyObject *o)
{
    HamtIter *it = (HamtIter *)o;
    PyObject *key, *value;
    return nj_trie_next(it->root, &it->pos, &key, &value) ? Py_NewRef(key) : NULL;
}

static PyObject *
values_next(PyObject *o)
{
    HamtIter *it = (HamtIter *)o;
    PyObject *key, *value;
    return nj_trie_next(it->root, &it->pos, &key, &value) ? Py_NewRef(value) : NULL;
}

static PyObject *
items_next(PyObject *o)
{
    HamtIter *it = (HamtIter *)o;
    PyObject *key, *value;
    return nj_trie_next(it->root, &it->pos, &key, &value) ? PyTuple_Pack(2, key, value) : NULL;
}

static Py_ssize_t
iter_len(PyObject *o)
{
    return nj_trie_size(((HamtIter *)o)->root);
}

static int
iter_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((HamtIter *)o)->root);
    return 0;
}

static int
iter_clear(PyObject *o)
{
    /* the position borrows from the root */
    ((HamtIter *)o)->pos = (NjTriePos){.started = true, .level = -1};
    Py_CLEAR(((HamtIter *)o)->root);
    return 0;
}

static void
iter_dealloc(PyObject *o)
{
    PyObject_GC_UnTrack(o);
    iter_clear(o);
    PyObject_GC_Del(o);
}

static PyMappingMethods iter_as_mapping = {
    .mp_length = iter_len,
};

#define ITERATOR(symbol, name, next)                                                         \
    PyTypeObject symbol = {                                                                  \
        PyVarObject_HEAD_INIT(&PyType_Type, 0)                                               \
        .tp_name = name,                                                                     \
        .tp_basicsize = sizeof(HamtIter),                                                    \
        .tp_dealloc = iter_dealloc,                                                          \
        .tp_as_mapping = &iter_as_mapping,                                                   \
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, \
        .tp_traverse = iter_traverse,                                                        \
        .tp_clear = iter_clear,                                                              \
        .tp_iter = PyObject_SelfIter,                                                        \
        .tp_iternext = next,                                                                 \
    };
ITERATOR(NjHamtKeys_Type, "keys", keys_next)
ITERATOR(NjHamtValues_Type, "values", values_next)
ITERATOR(NjHamtItems_Type, "items", items_next)

/* hamt.c - the persistent map behind contexts (objects/trie.h), as a type of its own.
 *
 * A map never changes: set and delete make new ones, or give the same one when nothing
 * would change. keys, values and items are iterators
 * that know the length of their map.
 * SPDX-License-Identifier: MIT
 */
#include "module.h"

#include <stddef.h>

typedef struct Hamt {
    PyObject_HEAD
    PyObject *root; /* owned, NULL when empty */
    PyObject *weakrefs;
} Hamt;

enum { KEYS, VALUES, ITEMS };

typedef struct HamtIter {
    PyObject_HEAD
    PyObject *root; /* owned, keeps what pos borrows */
    NjTriePos pos;
    int what;
} HamtIter;

static PyObject *
wrap(PyTypeObject *type, NJ_STEALS PyObject *root)
{
    Hamt *h = (Hamt *)type->tp_alloc(type, 0);
    if (!h) {
        Py_XDECREF(root);
        return NULL;
    }
    h->root = root;
    return (PyObject *)h;
}

PyObject *
hamt_new(PyTypeObject *type)
{
    return wrap(type, NULL);
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
    return hash == -1 ? -1 : HOOKS->trie_find(root_of(o), key, hash, value);
}

static PyObject *
hamt_set(PyObject *o, PyObject *args)
{
    PyObject *key, *value;
    if (!PyArg_UnpackTuple(args, "set", 2, 2, &key, &value)) {
        return NULL;
    }
    Py_hash_t hash = PyObject_Hash(key);
    PyObject *root = hash == -1 ? NULL : HOOKS->trie_with(root_of(o), key, hash, value);
    if (root && root == root_of(o)) {
        Py_DECREF(root);
        return Py_NewRef(o);
    }
    return root ? wrap(Py_TYPE(o), root) : NULL;
}

static PyObject *
hamt_delete(PyObject *o, PyObject *key)
{
    PyObject *root;
    Py_hash_t hash = PyObject_Hash(key);
    int rc = hash == -1 ? -1 : HOOKS->trie_without(root_of(o), key, hash, &root);
    return rc < 0 ? NULL : rc ? wrap(Py_TYPE(o), root) : Py_NewRef(o);
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
    return HOOKS->trie_size(root_of(o));
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
    while (equal > 0 && HOOKS->trie_next(root_of(a), &pos, &key, &value)) {
        equal = find(b, key, &other);
        if (equal > 0) {
            equal = PyObject_RichCompareBool(value, other, Py_EQ);
        }
    }
    return equal < 0 ? NULL : PyBool_FromLong((op == Py_EQ) == equal);
}

static PyObject *
iterate(PyObject *o, int what)
{
    State *s = PyType_GetModuleState(Py_TYPE(o));
    HamtIter *it = (HamtIter *)s->hamt_iter->tp_alloc(s->hamt_iter, 0);
    if (it) {
        it->root = Py_XNewRef(root_of(o));
        it->what = what;
    }
    return (PyObject *)it;
}

static PyObject *
hamt_keys(PyObject *o, PyObject *unused)
{
    return iterate(o, KEYS);
}

static PyObject *
hamt_values(PyObject *o, PyObject *unused)
{
    return iterate(o, VALUES);
}

static PyObject *
hamt_items(PyObject *o, PyObject *unused)
{
    return iterate(o, ITEMS);
}

static PyObject *
hamt_iter(PyObject *o)
{
    return iterate(o, KEYS);
}

static int
hamt_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(o));
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
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    PyObject_ClearWeakRefs(o);
    hamt_clear(o);
    type->tp_free(o);
    Py_DECREF(type);
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

static PyMemberDef hamt_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Hamt, weakrefs), Py_READONLY},
    {0},
};

static PyType_Slot hamt_slots[] = {
    {Py_tp_methods, hamt_methods},
    {Py_tp_members, hamt_members},
    {Py_mp_subscript, hamt_subscript},
    {Py_mp_length, hamt_len},
    {Py_sq_contains, hamt_contains},
    {Py_tp_richcompare, hamt_richcompare},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {Py_tp_iter, hamt_iter},
    {Py_tp_traverse, hamt_traverse},
    {Py_tp_clear, hamt_clear},
    {Py_tp_dealloc, hamt_dealloc},
    {0},
};

PyType_Spec hamt_spec = {
    .name = "_testinternalcapi.hamt",
    .basicsize = sizeof(Hamt),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = hamt_slots,
};

/* ---- iterators ---- */

static PyObject *
iter_next(PyObject *o)
{
    HamtIter *it = (HamtIter *)o;
    PyObject *key, *value;
    if (!HOOKS->trie_next(it->root, &it->pos, &key, &value)) {
        return NULL;
    }
    return it->what == ITEMS ? PyTuple_Pack(2, key, value)
                             : Py_NewRef(it->what == KEYS ? key : value);
}

static Py_ssize_t
iter_len(PyObject *o)
{
    return HOOKS->trie_size(((HamtIter *)o)->root);
}

static int
iter_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(o));
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
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    iter_clear(o);
    type->tp_free(o);
    Py_DECREF(type);
}

static PyType_Slot iter_slots[] = {
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iter_next},
    {Py_mp_length, iter_len},
    {Py_tp_traverse, iter_traverse},
    {Py_tp_clear, iter_clear},
    {Py_tp_dealloc, iter_dealloc},
    {0},
};

PyType_Spec hamt_iter_spec = {
    .name = "_testinternalcapi.hamt_iterator",
    .basicsize = sizeof(HamtIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iter_slots,
};

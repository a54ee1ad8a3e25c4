/* trie.c - a persistent map keyed by hash; see trie.h.
 *
 * An inner node has a bitmap of 32 positions and, for each set bit in order, a pair of
 * slots: key and value, or NULL and a child node. Below the last level (35 hash bits) a
 * collision node lists pairs with the same hash. The root alone keeps the count.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/trie.h"
#include "runtime/gc.h"

#define BITS 5
#define MAX_SHIFT 30

typedef struct Node {
    PyObject_VAR_HEAD   /* ob_size: number of slots, twice the number of pairs */
    Py_ssize_t count;   /* pairs in the whole map; valid in the root */
    uint32_t bitmap;    /* 0 in a collision node */
    bool collision;
    PyObject *slots[]; /* owned; key NULL means the other is a child */
} Node;

static uint32_t
fold(Py_hash_t h)
{
    uint64_t u = (uint64_t)h;
    return (uint32_t)(u ^ (u >> 32));
}

static Node *
new_node(Py_ssize_t slots, uint32_t bitmap, bool collision)
{
    Node *n = PyObject_GC_NewVar(Node, &NjTrieNode_Type, slots);
    if (n) {
        n->count = 0;
        n->bitmap = bitmap;
        n->collision = collision;
        memset(n->slots, 0, (size_t)slots * sizeof(PyObject *));
        nj_gc_track((PyObject *)n);
    }
    return n;
}

static uint32_t
bit_of(uint32_t hash, int shift)
{
    return 1u << ((hash >> shift) & 31);
}

static Py_ssize_t
slot_of(const Node *n, uint32_t bit)
{
    return 2 * (Py_ssize_t)__builtin_popcount(n->bitmap & (bit - 1));
}

Py_ssize_t
nj_trie_size(PyObject *map)
{
    return map ? ((Node *)map)->count : 0;
}

/* Are the keys equal? 1/0/-1. Context variables never get past the first test to code of
 * their own; keys of other kinds may run some, and whoever calls holds the map meanwhile. */
static int
same_key(PyObject *a, PyObject *b)
{
    return a == b ? 1 : PyObject_RichCompareBool(a, b, Py_EQ);
}

/* The slot of key in a collision node, -1 if it is not there, -2 with an exception. */
static Py_ssize_t
find_collision(const Node *n, PyObject *key)
{
    for (Py_ssize_t i = 0; i < Py_SIZE(n); i += 2) {
        int same = same_key(key, n->slots[i]);
        if (same) {
            return same < 0 ? -2 : i;
        }
    }
    return -1;
}

int
nj_trie_find(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **value)
{
    uint32_t h = fold(hash);
    *value = NULL;
    int shift = 0;
    for (Node *n = (Node *)map; n; shift += BITS) {
        if (n->collision) {
            Py_ssize_t i = find_collision(n, key);
            if (i >= 0) {
                *value = n->slots[i + 1];
            }
            return i >= 0 ? 1 : i == -1 ? 0 : -1;
        }
        uint32_t bit = bit_of(h, shift);
        if (!(n->bitmap & bit)) {
            return 0;
        }
        Py_ssize_t i = slot_of(n, bit);
        if (n->slots[i]) {
            int same = same_key(key, n->slots[i]);
            if (same > 0) {
                *value = n->slots[i + 1];
            }
            return same;
        }
        n = (Node *)n->slots[i + 1];
    }
    return 0;
}

/* A copy of n with a pair of empty slots inserted at (gap >= 0) or removed from (gap < 0:
 * at -gap - 1) a slot index; gap == Py_SIZE(n) appends. */
static Node *
copy_node(const Node *n, Py_ssize_t insert_at, Py_ssize_t remove_at)
{
    Py_ssize_t size = Py_SIZE(n) + (insert_at >= 0 ? 2 : 0) - (remove_at >= 0 ? 2 : 0);
    Node *c = new_node(size, n->bitmap, n->collision);
    if (!c) {
        return NULL;
    }
    Py_ssize_t j = 0;
    for (Py_ssize_t i = 0; i < Py_SIZE(n); i += 2) {
        if (i == remove_at) {
            continue;
        }
        if (j == insert_at) {
            j += 2;
        }
        c->slots[j] = Py_XNewRef(n->slots[i]);
        c->slots[j + 1] = Py_XNewRef(n->slots[i + 1]);
        j += 2;
    }
    return c;
}

/* A node that holds two pairs whose hashes agree below shift. */
static Node *
make_pair_node(int shift, PyObject *k1, uint32_t h1, PyObject *v1, PyObject *k2,
               uint32_t h2, PyObject *v2)
{
    if (shift > MAX_SHIFT) {
        Node *n = new_node(4, 0, true);
        if (n) {
            n->slots[0] = Py_NewRef(k1), n->slots[1] = Py_NewRef(v1);
            n->slots[2] = Py_NewRef(k2), n->slots[3] = Py_NewRef(v2);
        }
        return n;
    }
    uint32_t b1 = bit_of(h1, shift), b2 = bit_of(h2, shift);
    if (b1 == b2) {
        Node *child = make_pair_node(shift + BITS, k1, h1, v1, k2, h2, v2);
        Node *n = child ? new_node(2, b1, false) : NULL;
        if (!n) {
            Py_XDECREF(child);
            return NULL;
        }
        n->slots[1] = (PyObject *)child;
        return n;
    }
    Node *n = new_node(4, b1 | b2, false);
    if (n) {
        int first = b1 < b2 ? 0 : 2;
        n->slots[first] = Py_NewRef(k1), n->slots[first + 1] = Py_NewRef(v1);
        n->slots[2 - first] = Py_NewRef(k2), n->slots[3 - first] = Py_NewRef(v2);
    }
    return n;
}

/* n itself when it has that very pair already. Hashes of stored keys are asked again where a
 * pair moves down. */
static Node *
insert(const Node *n, int shift, PyObject *key, uint32_t h, PyObject *value, bool *added)
{
    if (n->collision) {
        Py_ssize_t i = find_collision(n, key);
        if (i == -2) {
            return NULL;
        }
        if (i >= 0 && n->slots[i + 1] == value) {
            return (Node *)Py_NewRef((PyObject *)n);
        }
        Node *c = copy_node(n, i < 0 ? Py_SIZE(n) : -1, -1);
        if (c && i >= 0) {
            Py_SETREF(c->slots[i + 1], Py_NewRef(value));
        }
        else if (c) {
            c->slots[Py_SIZE(n)] = Py_NewRef(key);
            c->slots[Py_SIZE(n) + 1] = Py_NewRef(value);
            *added = true;
        }
        return c;
    }
    uint32_t bit = bit_of(h, shift);
    Py_ssize_t i = slot_of(n, bit);
    if (!(n->bitmap & bit)) {
        Node *c = copy_node(n, i, -1);
        if (c) {
            c->bitmap |= bit;
            c->slots[i] = Py_NewRef(key);
            c->slots[i + 1] = Py_NewRef(value);
            *added = true;
        }
        return c;
    }
    PyObject *fresh, *other = n->slots[i];
    int same = other ? same_key(key, other) : 0;
    if (same < 0) {
        return NULL;
    }
    if (!other) {
        fresh = (PyObject *)insert((Node *)n->slots[i + 1], shift + BITS, key, h, value,
                                   added);
    }
    else if (same) {
        fresh = Py_NewRef(value);
    }
    else {
        Py_hash_t other_hash = PyObject_Hash(other);
        if (other_hash == -1) {
            return NULL;
        }
        fresh = (PyObject *)make_pair_node(shift + BITS, other, fold(other_hash),
                                           n->slots[i + 1], key, h, value);
        *added = true;
    }
    bool unchanged = fresh == n->slots[i + 1];
    Node *c = unchanged ? (Node *)Py_NewRef((PyObject *)n)
              : fresh   ? copy_node(n, -1, -1)
                        : NULL;
    if (!c || unchanged) {
        Py_XDECREF(fresh);
        return c;
    }
    if (!same) {
        Py_CLEAR(c->slots[i]);
    }
    Py_SETREF(c->slots[i + 1], fresh);
    return c;
}

PyObject *
nj_trie_with(PyObject *map, PyObject *key, Py_hash_t hash, PyObject *value)
{
    uint32_t h = fold(hash);
    if (!map) {
        Node *n = new_node(2, bit_of(h, 0), false);
        if (n) {
            n->slots[0] = Py_NewRef(key);
            n->slots[1] = Py_NewRef(value);
            n->count = 1;
        }
        return (PyObject *)n;
    }
    bool added = false;
    Node *root = insert((Node *)map, 0, key, h, value, &added);
    if (root && root != (Node *)map) {
        root->count = ((Node *)map)->count + added;
    }
    return (PyObject *)root;
}

/* n without key: *out is the new node, or NULL when nothing is left. 1, 0 if key is not
 * there, -1. A child with a single pair is left in place: it stays correct, and maps rarely
 * shrink. */
static int
removed(const Node *n, int shift, PyObject *key, uint32_t h, Node **out)
{
    *out = NULL;
    Py_ssize_t i;
    uint32_t bit = 0;
    if (n->collision) {
        i = find_collision(n, key);
        if (i < 0) {
            return i == -1 ? 0 : -1;
        }
    }
    else {
        bit = bit_of(h, shift);
        if (!(n->bitmap & bit)) {
            return 0;
        }
        i = slot_of(n, bit);
        if (!n->slots[i]) {
            Node *child;
            int rc = removed((Node *)n->slots[i + 1], shift + BITS, key, h, &child);
            if (rc <= 0) {
                return rc;
            }
            if (child) {
                Node *c = copy_node(n, -1, -1);
                if (!c) {
                    Py_DECREF(child);
                    return -1;
                }
                Py_SETREF(c->slots[i + 1], (PyObject *)child);
                *out = c;
                return 1;
            }
        }
        else {
            int same = same_key(key, n->slots[i]);
            if (same <= 0) {
                return same;
            }
        }
    }
    if (Py_SIZE(n) == 2) {
        return 1;
    }
    Node *c = copy_node(n, -1, i);
    if (!c) {
        return -1;
    }
    c->bitmap &= ~bit;
    *out = c;
    return 1;
}

int
nj_trie_without(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **out)
{
    Node *root = NULL;
    *out = NULL;
    int rc = map ? removed((Node *)map, 0, key, fold(hash), &root) : 0;
    if (root) {
        root->count = ((Node *)map)->count - 1;
    }
    *out = (PyObject *)root;
    return rc;
}

bool
nj_trie_next(PyObject *map, NjTriePos *pos, PyObject **key, PyObject **value)
{
    if (!pos->started) {
        pos->started = true;
        pos->level = map ? 0 : -1;
        pos->node[0] = map;
        pos->index[0] = 0;
    }
    while (pos->level >= 0) {
        Node *n = (Node *)pos->node[pos->level];
        Py_ssize_t i = pos->index[pos->level];
        if (i >= Py_SIZE(n)) {
            pos->level--;
            continue;
        }
        pos->index[pos->level] = i + 2;
        if (n->slots[i]) {
            *key = n->slots[i];
            *value = n->slots[i + 1];
            return true;
        }
        pos->level++;
        pos->node[pos->level] = n->slots[i + 1];
        pos->index[pos->level] = 0;
    }
    return false;
}

static int
node_traverse(PyObject *op, visitproc visit, void *arg)
{
    Node *n = (Node *)op;
    for (Py_ssize_t i = 0; i < Py_SIZE(n); i++) {
        Py_VISIT(n->slots[i]);
    }
    return 0;
}

static int
node_clear(PyObject *op)
{
    /* values only: nodes reached through a shared root must keep their shape */
    Node *n = (Node *)op;
    for (Py_ssize_t i = 0; i < Py_SIZE(n); i += 2) {
        if (n->slots[i]) {
            Py_SETREF(n->slots[i + 1], Py_NewRef(Py_None));
        }
    }
    return 0;
}

static void
node_dealloc(PyObject *op)
{
    Node *n = (Node *)op;
    PyObject_GC_UnTrack(op);
    for (Py_ssize_t i = 0; i < Py_SIZE(n); i++) {
        Py_XDECREF(n->slots[i]);
    }
    PyObject_GC_Del(op);
}

PyTypeObject NjTrieNode_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "hamt_node",
    .tp_basicsize = sizeof(Node),
    .tp_itemsize = sizeof(PyObject *),
    .tp_dealloc = node_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = node_traverse,
    .tp_clear = node_clear,
};

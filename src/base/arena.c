/* arena.c - bump allocation in blocks, plus a list of owned objects.
 *
 * Idea: AST nodes and the tables of the compiler live exactly as long as one compilation,
 * so they are carved from large blocks and freed together. Python objects that nodes
 * point to (identifiers, constants) are owned by the arena, nodes hold them borrowed.
 *
 * Invariants: block list is newest first; only the newest block is carved from. A request
 * too large for a quarter of a block gets a block of its own behind the newest, so that
 * the rest of the newest block is not wasted.
 *
 * Danger: nothing from an arena may be passed to PyMem_Free, and no destructor runs for
 * memory: structs that own something must register it with nj_arena_own.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "base/arena.h"

enum {
    FIRST_BLOCK = 16 * 1024,
    MAX_BLOCK = 1024 * 1024,
};

typedef struct Block {
    struct Block *older;
    size_t size;
    char data[] __attribute__((aligned(16)));
} Block;

struct NjArena {
    char *next;   /* first free byte of the newest block */
    char *limit;  /* end of the newest block */
    Block *blocks;
    size_t block_size; /* of the next block */
    PyObject **owned;
    size_t owned_len, owned_cap;
};

static Block *
new_block(size_t size)
{
    Block *b = PyMem_Malloc(sizeof(Block) + size);
    if (!b) {
        PyErr_NoMemory();
        return NULL;
    }
    b->size = size;
    return b;
}

NjArena *
nj_arena_new(void)
{
    NjArena *a = PyMem_Calloc(1, sizeof(NjArena));
    if (!a) {
        PyErr_NoMemory();
        return NULL;
    }
    a->block_size = FIRST_BLOCK;
    return a;
}

void
nj_arena_free(NjArena *a)
{
    if (!a) {
        return;
    }
    for (size_t i = 0; i < a->owned_len; i++) {
        Py_DECREF(a->owned[i]);
    }
    PyMem_Free(a->owned);
    for (Block *b = a->blocks; b;) {
        Block *older = b->older;
        PyMem_Free(b);
        b = older;
    }
    PyMem_Free(a);
}

static NJ_COLD void *
alloc_slow(NjArena *a, size_t size)
{
    if (size > a->block_size / 4) {
        if (size > PY_SSIZE_T_MAX / 2) {
            PyErr_NoMemory();
            return NULL;
        }
        Block *big = new_block(size);
        if (!big) {
            return NULL;
        }
        if (a->blocks) {
            big->older = a->blocks->older;
            a->blocks->older = big;
        }
        else {
            big->older = NULL;
            a->blocks = big;
            a->next = a->limit = big->data + size;
        }
        return big->data;
    }
    Block *b = new_block(a->block_size);
    if (!b) {
        return NULL;
    }
    if (a->block_size < MAX_BLOCK) {
        a->block_size *= 2;
    }
    b->older = a->blocks;
    a->blocks = b;
    a->next = b->data + size;
    a->limit = b->data + b->size;
    return b->data;
}

void *
nj_arena_alloc(NjArena *a, size_t size)
{
    size = (size + 7) & ~(size_t)7;
    if (NJ_LIKELY((size_t)(a->limit - a->next) >= size && a->next)) {
        void *p = a->next;
        a->next += size;
        return p;
    }
    return alloc_slow(a, size);
}

void *
nj_arena_zalloc(NjArena *a, size_t size)
{
    void *p = nj_arena_alloc(a, size);
    if (p) {
        memset(p, 0, size);
    }
    return p;
}

void *
nj_arena_grow(NjArena *a, const void *old, size_t used, size_t size)
{
    char *p = nj_arena_alloc(a, size);
    if (p) {
        if (used) {
            memcpy(p, old, used);
        }
        memset(p + used, 0, size - used);
    }
    return p;
}

int
nj_arena_own(NjArena *a, NJ_STEALS PyObject *obj)
{
    if (!obj) {
        return -1;
    }
    if (a->owned_len == a->owned_cap) {
        size_t cap = a->owned_cap ? a->owned_cap * 2 : 256;
        PyObject **grown = PyMem_Realloc(a->owned, cap * sizeof(PyObject *));
        if (!grown) {
            Py_DECREF(obj);
            PyErr_NoMemory();
            return -1;
        }
        a->owned = grown;
        a->owned_cap = cap;
    }
    a->owned[a->owned_len++] = obj;
    return 0;
}

PyObject *
nj_arena_keep(NjArena *a, NJ_STEALS PyObject *obj)
{
    return nj_arena_own(a, obj) < 0 ? NULL : obj;
}

/* trie.h - a persistent map keyed by hash, for context variables.
 *
 * A hash array mapped trie: every change makes a new root that shares all but a path of
 * nodes with the old one, so copying a map is copying a pointer. Nodes are GC objects,
 * because the values may refer back to whoever holds the map.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_TRIE_H
#define NJ_OBJECTS_TRIE_H

#include "nj.h"

extern PyTypeObject NjTrieNode_Type;

/* A map is a root node, or NULL when empty (both borrowed in arguments). */

/* The number of pairs. */
Py_ssize_t nj_trie_size(PyObject *map);
/* 1 and the value of key, borrowed; 0 if it is not there; -1 if a comparison failed, which
 * those of context variables do not. */
int nj_trie_find(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **value);
/* A new map in which key has value, or map itself if it has that already; NULL with an
 * exception. */
NJ_MUST PyObject *nj_trie_with(PyObject *map, PyObject *key, Py_hash_t hash,
                               PyObject *value);
/* 1 and in *out a new map without key (NULL if empty); 0 if key is not there; -1. */
NJ_MUST int nj_trie_without(PyObject *map, PyObject *key, Py_hash_t hash, PyObject **out);

/* Walks the pairs in a fixed order: pos starts zeroed. False at the end; key and value are
 * borrowed from the map. */
#define NJ_TRIE_DEPTH 8
typedef struct NjTriePos {
    bool started;
    int level;
    PyObject *node[NJ_TRIE_DEPTH];
    Py_ssize_t index[NJ_TRIE_DEPTH];
} NjTriePos;
bool nj_trie_next(PyObject *map, NjTriePos *pos, PyObject **key, PyObject **value);

#endif

/* hamt.h - the types of hamt.c, and the iterators that contexts share with them.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_HAMT_H
#define NJ_OBJECTS_HAMT_H

#include "nj.h"

extern PyTypeObject NjHamt_Type, NjHamtKeys_Type, NjHamtValues_Type, NjHamtItems_Type;

/* A new iterator of one of the three last types over a map of trie.h (borrowed, NULL when empty). */
NJ_MUST PyObject *nj_hamt_iter(PyTypeObject *type, PyObject *map);

#endif

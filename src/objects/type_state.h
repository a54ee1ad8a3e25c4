/* type_state.h - state of types and objects in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_TYPE_STATE_H
#define NJ_TYPE_STATE_H

#include "nj.h"

/* One entry of the method cache: (type version, name) -> attribute found in the MRO. */
typedef struct NjTypeCacheEntry {
    uint32_t version; /* tp_version_tag at the time; 0 = empty */
    PyObject *name;   /* borrowed: interned, kept alive by the type's dict */
    PyObject *value;  /* borrowed from the MRO, NULL = absent */
} NjTypeCacheEntry;

#define NJ_TYPE_CACHE_BITS 12

typedef struct NjTypeState {
    NjTypeCacheEntry cache[1 << NJ_TYPE_CACHE_BITS];
    uint32_t next_version;      /* next unused tp_version_tag */
    PyObject *static_subclasses; /* dict: address of a static type -> dict of weakrefs */
} NjTypeState;

#endif

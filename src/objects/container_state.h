/* container_state.h - state of list, tuple, dict, set in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CONTAINER_STATE_H
#define NJ_CONTAINER_STATE_H

#include "nj.h"

#define NJ_TUPLE_FREE_SIZES 20 /* tuples of 1..20 items have free lists */
#define NJ_TUPLE_FREE_MAX NJ_KEEP(2000)
#define NJ_LIST_FREE_MAX NJ_KEEP(80)
#define NJ_DICT_FREE_MAX NJ_KEEP(80)
#define NJ_KEYS_FREE_MAX NJ_KEEP(80)
#define NJ_ITERS_FREE_MAX NJ_KEEP(10)
#define NJ_DICT_WATCHERS 8

/* A free list chains dead objects through their ob_type word (keys blocks: the first
 * word). Lengths bound the memory kept. */
typedef struct NjFreeList {
    void *head;
    Py_ssize_t count;
} NjFreeList;

typedef struct NjContainerState {
    uint32_t next_keys_version; /* last version of a dict keys block handed out */
    NjFreeList tuples[NJ_TUPLE_FREE_SIZES + 1]; /* by number of items; [0] unused */
    NjFreeList lists;
    NjFreeList list_iters;
    NjFreeList tuple_iters;
    NjFreeList dicts;
    NjFreeList keys; /* STR keys blocks with 8 index cells */
    PyDict_WatchCallback dict_watchers[NJ_DICT_WATCHERS];
} NjContainerState;

#endif

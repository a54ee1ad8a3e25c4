/* context_state.h - context variables' share of an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CONTEXT_STATE_H
#define NJ_CONTEXT_STATE_H

#include "nj.h"

#define NJ_CONTEXT_WATCHERS 8

typedef struct NjContextState {
    PyContext_WatchCallback watchers[NJ_CONTEXT_WATCHERS]; /* NULL = free slot */
    uint8_t active;                                        /* bit i: slot i is in use */
} NjContextState;

#endif

/* interp_state.h - the runtime folder's share of an interpreter and of a thread
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_INTERP_STATE_H
#define NJ_INTERP_STATE_H

#include "nj.h"

typedef struct NjRuntimeThread {
    int unused;
} NjRuntimeThread;

typedef struct NjInterpRuntime {
    int unused;
} NjInterpRuntime;

#endif

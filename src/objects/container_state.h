/* container_state.h - state of list, tuple, dict, set in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CONTAINER_STATE_H
#define NJ_CONTAINER_STATE_H

#include "nj.h"

typedef struct NjContainerState {
    uint32_t next_keys_version; /* next unused version of a dict keys block; 0 = none left */
} NjContainerState;

#endif

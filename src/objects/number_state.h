/* number_state.h - state of the number types in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_NUMBER_STATE_H
#define NJ_NUMBER_STATE_H

#include "nj.h"

typedef struct NjNumberState {
    int max_str_digits; /* sys.set_int_max_str_digits; 0 = no limit */
} NjNumberState;

#endif

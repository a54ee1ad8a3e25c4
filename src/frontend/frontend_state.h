/* frontend_state.h - the front end's share of an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_STATE_H
#define NJ_FRONTEND_STATE_H

#include "nj.h"

typedef struct NjFrontendState {
    PyObject *ast_state; /* the _ast module's types, owned by ast_py.c, lazily made */
} NjFrontendState;

#endif

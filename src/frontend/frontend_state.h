/* frontend_state.h - the front end's share of an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_STATE_H
#define NJ_FRONTEND_STATE_H

#include "nj.h"

#define NJ_CODE_WATCHERS 8

typedef struct NjFrontendState {
    PyObject *ast_state; /* the _ast module's types, owned by ast_py.c, lazily made */
    uint32_t next_code_version;
    uint8_t active_code_watchers; /* bit i: code_watchers[i] is set (objects/code.c) */
    int (*code_watchers[NJ_CODE_WATCHERS])(PyCodeEvent, PyCodeObject *);
} NjFrontendState;

#endif

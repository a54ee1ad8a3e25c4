/* str_state.h - state of str, bytes and the codecs in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_STR_STATE_H
#define NJ_STR_STATE_H

#include "nj.h"

typedef struct NjStrState {
    PyObject *interned;     /* dict str -> itself of this interpreter's interned strings */
    PyObject *codec_search; /* list of search functions, owned */
    PyObject *codec_cache;  /* dict name -> CodecInfo, owned */
    PyObject *codec_errors; /* dict name -> error handler, owned */
} NjStrState;

#endif

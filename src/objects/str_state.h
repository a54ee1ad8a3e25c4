/* str_state.h - state of str, bytes and the codecs in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_STR_STATE_H
#define NJ_STR_STATE_H

#include "nj.h"

/* Set of this interpreter's interned strings: open addressing, a power of two of slots,
 * borrowed references (a mortal interned string takes itself out when it dies). */
typedef struct NjInternSet {
    PyObject **slots; /* NULL = never used, NJ_INTERN_DELETED = was used */
    size_t mask;      /* number of slots - 1 */
    size_t used;      /* live entries */
    size_t filled;    /* live and deleted entries */
} NjInternSet;

/* Interned strings that C code asked for by text, found again by where the text lies; owned. */
#define NJ_TEXT_CACHE 128

typedef struct NjStrState {
    NjInternSet interned;
    PyObject *by_text[NJ_TEXT_CACHE];
    PyObject *codec_search; /* list of search functions, owned */
    PyObject *codec_cache;  /* dict name -> CodecInfo, owned */
    PyObject *codec_errors; /* dict name -> error handler, owned */
    bool ucd_imported;      /* see nj_ucd_need_module() */
} NjStrState;

#endif

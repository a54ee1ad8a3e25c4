/* number_state.h - state of the number types in an interpreter
 *
 * The free lists hold blocks of PyObject_Malloc whose type word is still valid: the
 * first word (the reference count) links them. They are emptied by
 * nj_number_clear_free (full collections, end of the interpreter).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_NUMBER_STATE_H
#define NJ_NUMBER_STATE_H

#include "nj.h"

enum { NJ_FREE_INTS_MAX = NJ_KEEP(200), NJ_FREE_FLOATS_MAX = NJ_KEEP(200),
       NJ_FREE_RANGE_ITERS_MAX = NJ_KEEP(16), NJ_FREE_SLICES_MAX = NJ_KEEP(4) };

typedef struct NjNumberState {
    int max_str_digits; /* sys.set_int_max_str_digits; 0 = no limit */
    int n_free_ints;
    int n_free_floats;
    int n_free_range_iters;
    void *free_ints;   /* PyLongObjects of one or two digits */
    void *free_floats; /* exact PyFloatObjects */
    void *free_range_iters;
    int n_free_slices;
    void *free_slices[NJ_FREE_SLICES_MAX + 1]; /* dead PySliceObjects, untracked */
    PyTypeObject *int_info_type;   /* sys.int_info, owned, lazily made */
    PyTypeObject *float_info_type; /* sys.float_info, owned, lazily made */
} NjNumberState;

struct _is;
/* Sets the defaults (4300 digits). RT calls it when it makes an interpreter. */
void nj_number_state_init(struct _is *interp);
/* Gives the free lists back to the allocator. Runs nothing. */
void nj_number_clear_free(struct _is *interp);
/* End of the interpreter: free lists and lazily made types. */
void nj_number_state_fini(struct _is *interp);

#endif

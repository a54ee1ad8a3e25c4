/* suggest.h - "Did you mean ...?": the nearest name by edit distance.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_SUGGEST_H
#define NJ_RUNTIME_SUGGEST_H

#include "nj.h"

/* The str of the list candidates nearest to the str name, as a new reference; NULL
 * without an exception when none is near enough, NULL with one on error. Same choice as
 * the library's traceback module makes. */
NJ_MUST PyObject *nj_suggest_name(PyObject *candidates, PyObject *name);

/* What turning a into b costs: more than max once it is certain to exceed max. */
Py_ssize_t nj_suggest_cost(PyObject *a, PyObject *b, Py_ssize_t max);

#endif

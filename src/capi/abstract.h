/* abstract.h - pieces of the abstract object layer for other areas
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CAPI_ABSTRACT_H
#define NJ_CAPI_ABSTRACT_H

#include "nj.h"

/* isinstance / issubclass without asking __instancecheck__ / __subclasscheck__: what
 * type.__instancecheck__ and type.__subclasscheck__ do. 1, 0, -1. */
int nj_abstract_real_isinstance(PyObject *inst, PyObject *cls);
int nj_abstract_real_issubclass(PyObject *derived, PyObject *cls);

/* The index o of a sequence as Py_ssize_t, clipped; None or NULL leaves *out alone: for
 * optional start/stop arguments. 0 or -1. */
NJ_MUST int nj_abstract_opt_index(PyObject *o, Py_ssize_t *out);

#endif

/* typing_int.h - what generic_alias.c, union.c, typevar.c share
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_TYPING_INT_H
#define NJ_OBJECTS_TYPING_INT_H

#include "nj.h"

/* A type as annotations show it: "int", "mod.C", "...", "None". New str or NULL. */
PyObject *nj_typing_type_repr(PyObject *p);
/* The type parameters in a tuple of arguments, each once. New tuple or NULL. */
PyObject *nj_typing_parameters(PyObject *args);
/* args with the parameters replaced by item (one subscript or a tuple). New tuple or
 * NULL. */
PyObject *nj_typing_subs_parameters(PyObject *self, PyObject *args, PyObject *params,
                                    PyObject *item);
/* __module__ for the types of typevar.c, which are static here. 0 or -1. */
NJ_MUST int nj_typing_types_ready(void);

#endif

/* exc_int.h - helpers around exceptions and attributes that TYPE's files share, and the
 * pieces of exceptions that errors.c and the VM use.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_EXC_INT_H
#define NJ_OBJECTS_EXC_INT_H

#include "nj.h"
#include "runtime/state.h"

/* AttributeError with its name and obj attributes set; fmt as PyErr_Format. */
void nj_raise_attribute(PyObject *obj, PyObject *name, const char *fmt, ...);
/* Sets name and obj of a raised AttributeError that has neither. */
void nj_attribute_add_context(PyObject *obj, PyObject *name);
/* NameError with its name attribute set. */
void nj_raise_name(PyObject *exc_type, const char *fmt, PyObject *name);
/* TypeError "attribute name must be string, not 'int'"; NULL. */
PyObject *nj_attr_name_not_str(PyObject *name);

/* State of exceptions in an interpreter: the errno map, spare MemoryErrors. */
NJ_MUST int nj_exc_interp_init(NjInterp *interp);
void nj_exc_interp_fini(NjInterp *interp);
/* A MemoryError made without allocating if possible: new reference, never NULL after
 * start-up. For PyErr_NoMemory. */
PyObject *nj_exc_memory_error(void);

/* KeyError(key) also when key is a tuple or an exception. For _PyErr_SetKeyError. */
PyObject *nj_exc_key_error(PyObject *key);

/* StopIteration(value): new reference or NULL. */
PyObject *nj_exc_stop_iteration(PyObject *value);

/* except*: splits exc (an exception or group) by match_type. *match: the matching part as
 * a group (a bare exception gets wrapped), NULL-able None; *rest likewise. 0 or -1. */
NJ_MUST int nj_exc_group_split_match(PyObject *exc, PyObject *match_type,
                                     PyObject **match, PyObject **rest);
/* INTRINSIC_PREP_RERAISE_STAR: orig, list of exceptions (may hold None): new reference to
 * what to raise, None for nothing, or NULL. */
PyObject *nj_exc_prep_reraise_star(PyObject *orig, PyObject *excs);
/* ExceptionGroup("message", list): new reference or NULL. */
PyObject *nj_exc_group_new(const char *message, PyObject *excs);
PyObject *nj_exc_group_type(void); /* ExceptionGroup, borrowed */
/* Puts all exception classes into builtins.__dict__. 0 or -1. */
NJ_MUST int nj_exc_add_builtins(PyObject *dict);

/* object.c */
int nj_object_set_dict(PyObject *self, PyObject *value_or_null);
/* type.c */
int nj_type_assign_class(PyObject *self, PyObject *value);
/* Adds the names of a class and its bases to a dict (for dir). 0 or -1. */
NJ_MUST int nj_type_merge_dir(PyObject *dict, PyObject *cls);


/* extra exception classes of the interpreters module and the REPL, not in Python.h */
PyAPI_DATA(PyObject *) PyExc_InterpreterError;
PyAPI_DATA(PyObject *) PyExc_InterpreterNotFoundError;
PyAPI_DATA(PyObject *) PyExc_IncompleteInputError;

#endif

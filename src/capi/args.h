/* args.h - argument checks of built-in functions beyond the public PyArg_* family.
 *
 * The names with _PyArg_ are exported by the reference and used by packaged extensions,
 * but no public header declares them; capi/getargs.c defines them.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CAPI_ARGS_H
#define NJ_CAPI_ARGS_H

#include "nj.h"

/* "NAME expected at least MIN arguments, got N". 1 if min <= nargs <= max, else 0 with
 * TypeError. */
PyAPI_FUNC(int) _PyArg_CheckPositional(const char *name, Py_ssize_t nargs,
                                       Py_ssize_t min, Py_ssize_t max);
/* "NAME() takes no keyword arguments". 1 if kwargs is NULL or empty, else 0. */
PyAPI_FUNC(int) _PyArg_NoKeywords(const char *funcname, PyObject *kwargs);
PyAPI_FUNC(int) _PyArg_NoKwnames(const char *funcname, PyObject *kwnames);
PyAPI_FUNC(int) _PyArg_NoPositional(const char *funcname, PyObject *args);
/* TypeError "FNAME() DISPLAYNAME must be EXPECTED, not TYPE" (displayname is "argument",
 * "argument 2", "argument 'x'"). */
PyAPI_FUNC(void) _PyArg_BadArgument(const char *fname, const char *displayname,
                                    const char *expected, PyObject *arg);

/* The parameters of one built-in function. names lists all parameters in order and ends
 * with NULL; a positional-only one is "". */
typedef struct NjParams {
    const char *fname;        /* for messages, without "()" */
    const char *const *names; /* NULL-terminated */
    int npos;                 /* how many may be given by position */
    int nreq;                 /* how many of those are required */
    int nkwreq;               /* required keyword-only ones: the first nkwreq after npos */
    bool varpos;              /* has *args, which the caller takes: too many keywords are
                                 then reported one by one */
} NjParams;

/* Binds vectorcall arguments to parameters: out[i] is a borrowed reference or NULL where
 * absent. out has room for every name. 0, or -1 with the TypeError that the reference's
 * own built-ins raise ("f() missing required argument 'x' (pos 1)", "f() got an unexpected
 * keyword argument 'y'", "f() takes at most 2 arguments (3 given)", ...). Runs Python code
 * only to word an error. Where any number of arguments comes before keyword-only ones, pass
 * only the latter: args + nargs, 0, kwnames. */
NJ_MUST int nj_args_bind(const NjParams *p, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames, PyObject **out);
/* nj_args_bind for tp_new / tp_init / METH_VARARGS: args tuple and kwargs dict or NULL. */
NJ_MUST int nj_args_bind_tuple(const NjParams *p, PyObject *args, PyObject *kwargs,
                               PyObject **out);

/* PyArg_ParseTuple and PyArg_ParseTupleAndKeywords for METH_FASTCALL functions. 1 or 0. */
PyAPI_FUNC(int) _PyArg_ParseStack(PyObject *const *args, Py_ssize_t nargs,
                                  const char *format, ...);
NJ_MUST int nj_args_parse(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                          const char *format, char *const *names, ...);

#endif

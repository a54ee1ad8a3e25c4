/* code_vars.h - which variables a code object has, and whether it keeps to itself.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_CODE_VARS_H
#define NJ_OBJECTS_CODE_VARS_H

#include "nj.h"

/* How many variables of each kind a code object has. */
typedef struct NjVarCounts {
    int total;
    struct {
        int total;
        struct {
            int total, posonly, posorkw, kwonly, varargs, varkwargs;
        } args;
        int pure; /* neither argument nor cell */
        struct {
            int total, args, others;
        } cells;
        struct {
            int total, pure, cells;
        } hidden; /* of inlined comprehensions */
    } locals;
    int free;
    struct {
        int total;
        struct {
            int total, global, builtin, unknown;
        } globals; /* LOAD_GLOBAL */
        int attrs;   /* LOAD_ATTR */
        int unknown; /* the other names */
    } unbound;
} NjVarCounts;

/* globalnames, attrnames: sets (or NULL) of names already counted, grown by those found.
 * globals, builtins: where global names are looked up, dicts or NULL. */
NJ_MUST int nj_code_count_vars(PyCodeObject *co, PyObject *globalnames, PyObject *attrnames,
                               PyObject *globals, PyObject *builtins, NjVarCounts *out);
/* The code depends on nothing but its arguments and builtins, else ValueError. Without
 * builtins no name is known to be global. */
NJ_MUST int nj_code_check_stateless(PyCodeObject *co, PyObject *globalnames,
                                    PyObject *globals, PyObject *builtins);
/* Moreover nothing but the code makes up the function. */
NJ_MUST int nj_func_check_stateless(PyFunctionObject *func);
/* -1 with an exception */
NJ_MUST int nj_code_returns_only_none(PyCodeObject *co);

#endif

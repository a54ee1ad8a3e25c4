/* testhooks.h - what the module _testinternalcapi (src/dynload) sees of our insides.
 *
 * One exported table instead of many exported functions. Only the library's regression
 * tests use it; nothing else may.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CAPI_TESTHOOKS_H
#define NJ_CAPI_TESTHOOKS_H

#include "nj.h"

typedef struct NjTestHooks {
    /* interpreters */
    PyInterpreterState *(*interp_find)(int64_t id); /* or NULL, no exception */
    int64_t (*interp_next_id)(void);
    unsigned long (*interp_features)(PyInterpreterState *interp);
    bool (*interp_own_gil)(PyInterpreterState *interp);
    int64_t *(*interp_idref)(PyInterpreterState *interp);
    int (*pending_add)(PyInterpreterState *interp, int (*func)(void *), void *arg);
    uintptr_t (*stack_soft_limit)(void);
    PyObject *(*interp_create)(PyObject *config, int whence); /* id */
    int (*interp_end)(PyInterpreterState *interp);
    int (*interp_config)(PyObject *ns, PyInterpreterConfig *c);
    /* As PyRun_SimpleString; -2 with an exception: it was not run. */
    int (*interp_run)(PyInterpreterState *interp, const char *code, bool main);
    /* values between interpreters, in capsules */
    PyObject *(*xdata_get)(PyObject *o, const char *mode);
    PyObject *(*xdata_make)(PyObject *capsule);
    /* code: variables as a dict; 0/-1 */
    PyObject *(*code_var_counts)(PyCodeObject *co, PyObject *globalnames,
                                 PyObject *attrnames, PyObject *globals,
                                 PyObject *builtins);
    int (*code_check_stateless)(PyCodeObject *co, PyObject *globalnames, PyObject *globals,
                                PyObject *builtins);
    int (*code_returns_only_none)(PyCodeObject *co);
    /* objects */
    bool (*inline_values)(PyObject *obj);
    bool (*split_dict)(PyObject *dict);
    /* Inline values in the order of the shared keys, '<NULL>' for a missing one; None when
     * obj has none. New reference. */
    PyObject *(*dict_values)(PyObject *obj);
    /* The version that the next block of dict keys gets. */
    uint32_t (*next_keys_version)(void);
    /* New lists: every static built-in type; every special method a slot stands for. */
    PyObject *(*static_types)(void);
    PyObject *(*slot_names)(void);
    Py_ssize_t shared_keys_max;
    int specialize_after; /* executions of an instruction before it specializes */
    int respecialize_after; /* and failures afterwards */
    Py_ssize_t (*gc_long_lived)(void);
    Py_ssize_t (*gc_tracked)(void);
    /* Forgets the single-phase module imported from path. 0/-1 */
    int (*import_forget)(PyObject *path, PyObject *name);
    /* Cost of turning one str into another; more than max once that is certain. */
    Py_ssize_t (*edit_cost)(PyObject *a, PyObject *b, Py_ssize_t max);
    /* The compiler, step by step: see frontend/compile.h. */
    PyObject *(*clean_docstring)(PyObject *doc);
    PyObject *(*codegen)(PyObject *ast, PyObject *filename, int optimize, int mode);
    PyObject *(*optimize)(PyObject *instrs, PyObject *consts, int nlocals);
    PyObject *(*assemble)(PyObject *filename, PyObject *instrs, PyObject *metadata);
    bool (*op_has_arg)(int op);
    bool (*op_has_target)(int op);
} NjTestHooks;

PyAPI_DATA(const NjTestHooks) nj_test_hooks;

#endif

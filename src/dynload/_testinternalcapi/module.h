/* module.h - shared between the files of _testinternalcapi.
 * SPDX-License-Identifier: MIT
 */
#ifndef TESTINTERNALCAPI_MODULE_H
#define TESTINTERNALCAPI_MODULE_H

#include "nj.h"

#include "capi/testhooks.h"

#define HOOKS (&nj_test_hooks)

typedef struct State {
    PyTypeObject *instrseq;
} State;

/* exported, but in no public header */
PyAPI_DATA(PyObject *) PyExc_InterpreterError;
PyAPI_DATA(PyObject *) PyExc_InterpreterNotFoundError;
PyAPI_FUNC(int) _PySet_Update(PyObject *set, PyObject *iterable);
PyAPI_FUNC(int) _PySet_NextEntry(PyObject *set, Py_ssize_t *pos, PyObject **key,
                                 Py_hash_t *hash);
PyAPI_FUNC(void) _PyErr_SetKeyError(PyObject *key);
PyAPI_FUNC(PyObject *) _PyContext_NewHamtForTests(void); /* new, empty */
PyAPI_FUNC(const char *) _PyMem_GetCurrentAllocatorName(void);
PyMODINIT_FUNC PyInit__testinternalcapi(void);

/* instrseq.c */
extern PyType_Spec instrseq_spec __attribute__((visibility("hidden")));
NJ_MUST PyObject *instrseq_new(PyTypeObject *type);
/* The instructions with labels resolved, as a list of tuples of six ints. */
NJ_MUST PyObject *instrseq_code(PyObject *o);
NJ_MUST PyObject *instrseq_from(PyTypeObject *type, PyObject *code, PyObject *nested);

/* time.c: conversions of times */
extern PyMethodDef time_methods[] __attribute__((visibility("hidden")));

/* interp.c: interpreters and pending calls; selftest.c: test_* functions */
extern PyMethodDef interp_methods[] __attribute__((visibility("hidden")));
extern PyMethodDef selftest_methods[] __attribute__((visibility("hidden")));

#endif

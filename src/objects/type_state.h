/* type_state.h - state of types and objects in an interpreter
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_TYPE_STATE_H
#define NJ_TYPE_STATE_H

#include "nj.h"

/* One entry of the method cache: (type version, name) -> attribute found in the MRO. */
typedef struct NjTypeCacheEntry {
    uint32_t version; /* tp_version_tag at the time; 0 = empty */
    PyObject *name;   /* owned (an absent name is kept alive by nothing else) */
    PyObject *value;  /* borrowed from the MRO, NULL = absent */
} NjTypeCacheEntry;

#define NJ_TYPE_CACHE_BITS 12
#define NJ_TYPE_CACHE_SIZE (1u << NJ_TYPE_CACHE_BITS)

/* What a static built-in type, shared by all interpreters, keeps per interpreter.
 * Its index + 1 is stored in tp_subclasses. */
typedef struct NjStaticType {
    PyObject *subclasses; /* dict: address -> weak reference, or NULL */
    PyObject *weaklist;   /* head of its list of weak references */
} NjStaticType;

#define NJ_TYPE_WATCHERS 8

typedef struct NjTypeState {
    NjTypeCacheEntry cache[NJ_TYPE_CACHE_SIZE];
    uint32_t next_version;      /* next unused tp_version_tag; 0 = none left */
    NjStaticType *statics;      /* one for each type of builtin_types.def */
    Py_ssize_t nstatics;
    int (*watchers[NJ_TYPE_WATCHERS])(PyTypeObject *);
    PyObject *copyreg_dispatch; /* copyreg.dispatch_table, lazily, owned */
    PyObject *errnomap;         /* dict errno -> OSError subclass, owned */
    PyObject *exception_group;  /* the class ExceptionGroup, owned */
    PyObject *memerrors;        /* free MemoryError instances, chained through dict */
    int nmemerrors;
    PyObject *typing_cache[8];  /* lazily imported helpers of typevar.c, owned */
    PyObject *free_methods;     /* free bound methods, chained through im_self */
    int nfree_methods;
    PyObject *free_cfunctions;  /* free PyCFunction objects, chained through m_self */
    int nfree_cfunctions;
} NjTypeState;

#endif

/* frozen.h - modules whose code comes with the executable.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_FROZEN_H
#define NJ_RUNTIME_FROZEN_H

#include "nj.h"

typedef struct NjFrozen {
    const char *name;
    const char *origname; /* the module's name in the library; NULL: none */
    bool is_package;
    bool optional; /* not there with -X frozen_modules=off */
    const unsigned char *data; /* marshalled code, or NULL: compiled from the library */
    Py_ssize_t size;
} NjFrozen;

/* Ends with a name of NULL. Written by tools/freeze.py; tools/frozen_boot.c in the first
 * stage of the build. */
extern const NjFrozen nj_frozen_table[];

/* The same by group, for those who look the names up in the executable. */
PyAPI_DATA(const struct _frozen *) _PyImport_FrozenBootstrap;
PyAPI_DATA(const struct _frozen *) _PyImport_FrozenStdlib;
PyAPI_DATA(const struct _frozen *) _PyImport_FrozenTest;

/* 1 and *out, 0, or -1. */
NJ_MUST int nj_frozen_find(PyObject *name, NjFrozen *out);
/* The code object: new reference. */
NJ_MUST PyObject *nj_frozen_code(PyObject *name, const NjFrozen *f);
NJ_MUST PyObject *nj_frozen_names(void);

#endif

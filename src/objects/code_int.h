/* code_int.h - making code objects from parts; kinds of locals.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_CODE_INT_H
#define NJ_OBJECTS_CODE_INT_H

#include "nj.h"

/* Bits of co_localspluskinds. */
#ifndef CO_FAST_ARG_POS
#define CO_FAST_ARG_POS 0x02
#define CO_FAST_ARG_KW 0x04
#define CO_FAST_ARG_VAR 0x08
#define CO_FAST_HIDDEN 0x10
#define CO_FAST_LOCAL 0x20
#define CO_FAST_CELL 0x40
#define CO_FAST_FREE 0x80
#endif

/* Everything a code object is made of; all references borrowed. */
typedef struct NjCodeSpec {
    PyObject *filename;
    PyObject *name;
    PyObject *qualname;
    int flags;
    PyObject *code; /* bytes, not specialised */
    int firstlineno;
    PyObject *linetable;
    PyObject *consts;
    PyObject *names;
    PyObject *localsplusnames;
    PyObject *localspluskinds;
    int argcount;
    int posonlyargcount;
    int kwonlyargcount;
    int stacksize;
    PyObject *exceptiontable;
} NjCodeSpec;

/* A new code object (strings that look like names are interned). NULL with ValueError &
 * co. when the parts do not fit together. */
NJ_MUST PyCodeObject *nj_code_new(const NjCodeSpec *spec);

/* The instructions as the compiler made them, without specialisation, instrumentation and
 * cache contents: a new bytes object. */
NJ_MUST PyObject *nj_code_bytes(PyCodeObject *co);

/* The dict key under which equal constants are one: types count, signs of zeros too. */
NJ_MUST PyObject *nj_code_const_key(PyObject *o);

extern PyTypeObject NjCodeLines_Type, NjCodePositions_Type, NjCodeBranches_Type;

/* Number of code units. */
NJ_INLINE Py_ssize_t
nj_code_size(PyCodeObject *co)
{
    return Py_SIZE(co);
}

#endif

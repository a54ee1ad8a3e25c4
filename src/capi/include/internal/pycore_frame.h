/* pycore_frame.h - the frame structs that code written by Cython expects under this name.
 *
 * Our own file, not CPython's of that name: just the layouts that are part of the binary
 * interface in practice (tests/abi checks them), so that extensions which set
 * PyFrameObject.f_lineno build for Naja. The build lays it into include/python3.14/internal.
 * SPDX-License-Identifier: MIT
 */
#ifndef Py_INTERNAL_FRAME_H
#define Py_INTERNAL_FRAME_H

#include <stdint.h>

typedef union _PyStackRef {
    uintptr_t bits;
} _PyStackRef;

typedef struct _PyInterpreterFrame {
    _PyStackRef f_executable; /* the code object, tagged */
    struct _PyInterpreterFrame *previous;
    _PyStackRef f_funcobj;
    PyObject *f_globals;
    PyObject *f_builtins;
    PyObject *f_locals;
    PyFrameObject *frame_obj;
    uint16_t *instr_ptr;
    _PyStackRef *stackpointer;
    uint16_t return_offset;
    char owner;
    uint8_t visited;
    _PyStackRef localsplus[1];
} _PyInterpreterFrame;

struct _frame {
    PyObject_HEAD
    PyFrameObject *f_back;
    struct _PyInterpreterFrame *f_frame;
    PyObject *f_trace;
    int f_lineno; /* 0: take it from the instruction */
    char f_trace_lines;
    char f_trace_opcodes;
    PyObject *f_extra_locals;
    PyObject *f_locals_cache;
    PyObject *f_overwritten_fast_locals;
    PyObject *_f_frame_data[1];
};

#endif

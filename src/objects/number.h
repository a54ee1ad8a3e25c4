/* number.h - what the number types and the number text code offer to the engine.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_NUMBER_H
#define NJ_OBJECTS_NUMBER_H

#include "nj.h"
#include "runtime/state.h"
#include "runtime/runtime.h"

/* The format mini-language (format_number.c): spec is a str. New str or NULL. */
PyObject *nj_format_int(PyObject *v, PyObject *spec);
PyObject *nj_format_float(PyObject *v, PyObject *spec);
PyObject *nj_format_complex(PyObject *v, PyObject *spec);

/* Reads a double as PyOS_string_to_double does, "inf" and "nan" included, without any
 * error: *end == s if there is none. (format_number.c) */
double nj_number_read_double(const char *s, const char **end);
/* m * 2**e, rounded half to even; m's lowest bit may be a sticky one if m has 55 bits or
 * more. HUGE_VAL on overflow. (int_arith.c) */
double nj_number_scale(uint64_t m, int64_t e);

/* A fresh float; the free list first. */
NJ_INLINE PyObject *
nj_float_new(double x)
{
    NjNumberState *st = &nj_interp()->numbers;
    PyFloatObject *p = st->free_floats;
    if (NJ_LIKELY(p != NULL)) {
        st->free_floats = *(void **)p;
        st->n_free_floats--;
        ((PyObject *)p)->ob_refcnt_full = 1;
        nj_trace_new(p);
    }
    else {
        p = PyObject_Malloc(sizeof *p);
        if (p == NULL) {
            return PyErr_NoMemory();
        }
        PyObject_Init((PyObject *)p, &PyFloat_Type);
    }
    p->ob_fval = x;
    return (PyObject *)p;
}

/* Frees an exact float whose count fell to zero. */
NJ_INLINE void
nj_float_free_exact(PyObject *op)
{
    NjNumberState *st = &nj_interp()->numbers;
    if (NJ_LIKELY(st->n_free_floats < NJ_FREE_FLOATS_MAX)) {
        *(void **)op = st->free_floats;
        st->free_floats = op;
        st->n_free_floats++;
        return;
    }
    PyObject_Free(op);
}

/* double arithmetic with Python's meaning (float.c); y != 0. */
double nj_float_mod(double x, double y);
double nj_float_floordiv(double x, double y);

/* The range iterator over machine integers, for the VM's FOR_ITER: yields value, then
 * value + step, len times. */
typedef struct NjRangeIter {
    PyObject_HEAD
    int64_t value;
    int64_t step;
    int64_t len;
} NjRangeIter;

/* The largest precision that the formats of floats and complex numbers take: sizes of the
 * text are computed as int, with room for the digits before the point and the exponent. */
#define NJ_DOUBLE_PRECISION_MAX (INT_MAX - 1024)

#endif

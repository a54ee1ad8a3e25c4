/* int.h - the inside of int for the rest of the engine: layout, boxing, arithmetic.
 *
 * Layout (ABI): lv_tag = ndigits << 3 | sign (0 positive, 1 zero, 2 negative), plus 4 on
 * the immortal small integers; digits of 30 bits, least significant first, top one not 0.
 * Integers -5..256 are the static objects nj_small_ints; every function that makes an
 * int must return those for such values (identity is observable).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_INT_H
#define NJ_OBJECTS_INT_H

#include "nj.h"
#include "runtime/state.h"
#include "runtime/runtime.h"

#define NJ_SMALL_INT_MIN (-5)
#define NJ_SMALL_INT_MAX 256
#define NJ_SMALL_INT_COUNT (NJ_SMALL_INT_MAX - NJ_SMALL_INT_MIN + 1)

extern PyLongObject nj_small_ints[NJ_SMALL_INT_COUNT];

NJ_INLINE bool
nj_is_small_int(int64_t n)
{
    return (uint64_t)n - (uint64_t)NJ_SMALL_INT_MIN < NJ_SMALL_INT_COUNT;
}

/* Borrowed, immortal. */
NJ_INLINE PyObject *
nj_small_int(int64_t n)
{
    assert(nj_is_small_int(n));
    return (PyObject *)&nj_small_ints[n - NJ_SMALL_INT_MIN];
}

NJ_INLINE size_t
nj_int_ndigits(const PyLongObject *v)
{
    return v->long_value.lv_tag >> _PyLong_NON_SIZE_BITS;
}

/* -1, 0, 1 */
NJ_INLINE int
nj_int_sign(const PyLongObject *v)
{
    return 1 - (int)(v->long_value.lv_tag & _PyLong_SIGN_MASK);
}

NJ_INLINE bool
nj_int_is_negative(const PyLongObject *v)
{
    return (v->long_value.lv_tag & 2) != 0;
}

/* At most one digit. */
NJ_INLINE bool
nj_int_is_compact(const PyLongObject *v)
{
    return v->long_value.lv_tag < (2 << _PyLong_NON_SIZE_BITS);
}

NJ_INLINE int64_t
nj_int_compact_value(const PyLongObject *v)
{
    return (int64_t)nj_int_sign(v) * (int64_t)v->long_value.ob_digit[0];
}

/* At most two digits: |value| < 2**60. */
NJ_INLINE bool
nj_int_is_medium(const PyLongObject *v)
{
    return v->long_value.lv_tag < (3 << _PyLong_NON_SIZE_BITS);
}

NJ_INLINE int64_t
nj_int_medium_value(const PyLongObject *v)
{
    uint64_t m = v->long_value.ob_digit[0];
    if (!nj_int_is_compact(v)) {
        m |= (uint64_t)v->long_value.ob_digit[1] << PyLong_SHIFT;
    }
    return (int64_t)nj_int_sign(v) * (int64_t)m;
}

/* The general case of boxing; use nj_int_from_i64. */
PyObject *nj_int_new_i64(int64_t n);

/* A fresh object with room for two digits, tag and digits unset. NULL: MemoryError. */
NJ_INLINE PyLongObject *
nj_int_alloc2(void)
{
    NjNumberState *st = &nj_interp()->numbers;
    void *p = st->free_ints;
    if (NJ_LIKELY(p != NULL)) {
        st->free_ints = *(void **)p;
        st->n_free_ints--;
        ((PyObject *)p)->ob_refcnt_full = 1;
        nj_trace_new(p);
        return p;
    }
    p = PyObject_Malloc(sizeof(PyLongObject));
    if (p == NULL) {
        return (PyLongObject *)PyErr_NoMemory();
    }
    return (PyLongObject *)PyObject_Init(p, &PyLong_Type);
}

NJ_INLINE PyObject *
nj_int_from_i64(int64_t n)
{
    if (nj_is_small_int(n)) {
        return nj_small_int(n);
    }
    uint64_t m = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (NJ_UNLIKELY(m >> (2 * PyLong_SHIFT))) {
        return nj_int_new_i64(n);
    }
    PyLongObject *v = nj_int_alloc2();
    if (NJ_UNLIKELY(v == NULL)) {
        return NULL;
    }
    uintptr_t nd = 1 + (m >= PyLong_BASE);
    v->long_value.lv_tag = nd << _PyLong_NON_SIZE_BITS | (n < 0 ? 2 : 0);
    v->long_value.ob_digit[0] = (digit)(m & PyLong_MASK);
    v->long_value.ob_digit[1] = (digit)(m >> PyLong_SHIFT);
    return (PyObject *)v;
}

/* Frees an exact int whose count fell to zero; tp_dealloc of int. */
NJ_INLINE void
nj_int_free_exact(PyObject *op)
{
    NjNumberState *st = &nj_interp()->numbers;
    if (NJ_LIKELY(nj_int_is_medium((PyLongObject *)op) &&
                  st->n_free_ints < NJ_FREE_INTS_MAX)) {
        *(void **)op = st->free_ints;
        st->free_ints = op;
        st->n_free_ints++;
        return;
    }
    PyObject_Free(op);
}

/* Arithmetic on two ints (subclasses allowed, exact result). New reference or NULL. */
PyObject *nj_int_add(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_sub(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_mul(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_floordiv(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_mod(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_truediv(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_lshift(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_rshift(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_lshift_n(PyLongObject *a, int64_t n); /* n < 0 shifts right */
PyObject *nj_int_and(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_or(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_xor(PyLongObject *a, PyLongObject *b);
PyObject *nj_int_neg(PyLongObject *a);
PyObject *nj_int_abs(PyLongObject *a);
/* Quotient and remainder, either may be NULL; floor = 1: floored, 0: truncated. */
NJ_MUST int nj_int_divmod(PyLongObject *a, PyLongObject *b, PyObject **q, PyObject **r,
                          bool floor);
/* round(a / b) to even, and the remainder a - q*b: for datetime and round(). */
NJ_MUST int nj_int_divmod_near(PyObject *a, PyObject *b, PyObject **q, PyObject **r);
PyObject *nj_int_pow(PyObject *a, PyObject *b, PyObject *mod);
PyObject *nj_int_isqrt(PyLongObject *a);

/* -1, 0, 1. Cannot fail. */
int nj_int_cmp(const PyLongObject *a, const PyLongObject *b);
Py_hash_t nj_int_hash(const PyLongObject *v);
/* |v| = m * 2**e with 0.5 <= |m| <= 1, m correctly rounded (half to even); sign kept.
 * Never fails. */
double nj_int_frexp(const PyLongObject *v, int64_t *e);

/* Text in base 2..36; prefix: 0b, 0o, 0x before powers of two. */
PyObject *nj_int_to_text(PyObject *v, int base, bool prefix);

/* A private int with n digits, tag set as positive, digits unset, not normalized.
 * NULL: MemoryError / OverflowError. */
PyLongObject *nj_int_alloc(Py_ssize_t ndigits);
/* Strips leading zeros, substitutes small ints; consumes v (which must be fresh). */
PyObject *nj_int_finish(NJ_STEALS PyLongObject *v, bool negative);
PyObject *nj_int_from_u128(unsigned __int128 m, bool negative);

/* A str as number text: white space stripped at both ends, Unicode decimal digits turned
 * into ASCII ones, anything else non-ASCII into '?'. For exact ASCII strings *text points
 * into the string. *tofree (PyMem_Free) may be NULL. 0, or -1 with MemoryError. The text
 * ends with NUL. */
NJ_MUST int nj_number_text(PyObject *str, const char **text, Py_ssize_t *len,
                           char **tofree);

#endif

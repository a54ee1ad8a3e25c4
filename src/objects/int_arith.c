/* int_arith.c - arithmetic of int.
 *
 * Three tiers. (1) At most two digits on both sides: plain 64-bit (or 128-bit) machine
 * arithmetic. (2) Medium: schoolbook on 30-bit digits. (3) Large multiplication and all
 * division by more than two digits: the digits are repacked into 64-bit limbs and GMP's
 * mpn/mpz functions do the work; repacking is linear and costs little next to it.
 *
 * Division truncates on magnitudes and is corrected to floor afterwards. Bit operations
 * on negative numbers go through two's complement copies. GMP never sees Python memory
 * except through copies, and never allocates for failure-prone sizes before we have
 * allocated the result ourselves.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "objects/int.h"
#include "objects/number.h"

#include <float.h>
#include <gmp.h>
#include <math.h>

enum {
    MUL_GMP_DIGITS = 11, /* smaller factor from which GMP multiplies faster than we do */
    STACK_LIMBS = 64,
};

#define DIGITS(v) ((v)->long_value.ob_digit)
/* Most digits an int can have: the object's size must fit Py_ssize_t. */
#define MAX_DIGITS ((PY_SSIZE_T_MAX - (Py_ssize_t)offsetof(PyLongObject, long_value.ob_digit)) / (Py_ssize_t)sizeof(digit))

/* ---- making ints ------------------------------------------------------------------ */

PyLongObject *
nj_int_alloc(Py_ssize_t nd)
{
    PyLongObject *v;
    if (nd <= 2) {
        v = nj_int_alloc2();
        if (v == NULL) {
            return NULL;
        }
    }
    else {
        if (nd > MAX_DIGITS) {
            PyErr_SetString(PyExc_OverflowError, "too many digits in integer");
            return NULL;
        }
        v = PyObject_Malloc(offsetof(PyLongObject, long_value.ob_digit) +
                            (size_t)nd * sizeof(digit));
        if (v == NULL) {
            return (PyLongObject *)PyErr_NoMemory();
        }
        PyObject_Init((PyObject *)v, &PyLong_Type);
    }
    v->long_value.lv_tag = (uintptr_t)nd << _PyLong_NON_SIZE_BITS;
    DIGITS(v)[0] = 0;
    return v;
}

PyObject *
nj_int_finish(PyLongObject *v, bool negative)
{
    size_t nd = nj_int_ndigits(v);
    digit *d = DIGITS(v);
    while (nd > 0 && d[nd - 1] == 0) {
        nd--;
    }
    if (nd <= 1) {
        int64_t n = nd == 0 ? 0 : d[0];
        if (negative) {
            n = -n;
        }
        if (nj_is_small_int(n)) {
            Py_DECREF(v);
            return nj_small_int(n);
        }
    }
    size_t had = nj_int_ndigits(v);
    v->long_value.lv_tag = nd << _PyLong_NON_SIZE_BITS | (negative ? 2 : 0);
    if (had > nd + 2 && had > 4) {
        /* Hand back what cancellation left unused; a block that shrank below three
         * digits stays larger than the free list needs, which does no harm. */
        void *p = PyObject_Realloc(
            v, offsetof(PyLongObject, long_value.ob_digit) +
                   (nd < 2 ? 2 : nd) * sizeof(digit));
        if (p != NULL) {
            v = p;
        }
    }
    return (PyObject *)v;
}

PyObject *
nj_int_new_i64(int64_t n)
{
    uint64_t m = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    if (nj_is_small_int(n)) {
        return nj_small_int(n);
    }
    return nj_int_from_u128(m, n < 0);
}

PyObject *
nj_int_from_u128(unsigned __int128 m, bool negative)
{
    digit tmp[5];
    int nd = 0;
    while (m) {
        tmp[nd++] = (digit)m & PyLong_MASK;
        m >>= PyLong_SHIFT;
    }
    if (nd <= 1) {
        int64_t n = nd ? tmp[0] : 0;
        return nj_int_from_i64(negative ? -n : n);
    }
    PyLongObject *v = nj_int_alloc(nd);
    if (v == NULL) {
        return NULL;
    }
    memcpy(DIGITS(v), tmp, (size_t)nd * sizeof(digit));
    if (negative) {
        v->long_value.lv_tag |= 2;
    }
    return (PyObject *)v;
}

NJ_INLINE PyObject *
from_i128(__int128 n)
{
    if ((__int128)(int64_t)n == n) {
        return nj_int_from_i64((int64_t)n);
    }
    return n < 0 ? nj_int_from_u128(-(unsigned __int128)n, true)
                 : nj_int_from_u128((unsigned __int128)n, false);
}

/* An exact int equal to v: v itself when it is exact. */
static PyObject *
exact(PyLongObject *v)
{
    if (PyLong_CheckExact(v)) {
        return Py_NewRef((PyObject *)v);
    }
    return _PyLong_Copy(v);
}

/* ---- limbs ------------------------------------------------------------------------ */

typedef struct Limbs {
    mp_limb_t *p;
    mp_size_t n; /* top limb not zero */
    mp_limb_t stack[STACK_LIMBS];
} Limbs;

NJ_INLINE size_t
limbs_for(size_t nd)
{
    return (nd * PyLong_SHIFT + 63) / 64;
}

static size_t
digits_to_limbs(const digit *d, size_t nd, mp_limb_t *out)
{
    mp_limb_t acc = 0;
    unsigned bits = 0;
    size_t n = 0;
    for (size_t i = 0; i < nd; i++) {
        acc |= (mp_limb_t)d[i] << bits;
        bits += PyLong_SHIFT;
        if (bits >= 64) {
            out[n++] = acc;
            bits -= 64;
            acc = bits ? (mp_limb_t)d[i] >> (PyLong_SHIFT - bits) : 0;
        }
    }
    if (bits && acc) {
        out[n++] = acc;
    }
    while (n > 0 && out[n - 1] == 0) {
        n--;
    }
    return n;
}

static void
limbs_to_digits(const mp_limb_t *p, size_t n, digit *d, size_t nd)
{
    unsigned bits = 0; /* bits of acc still unread */
    mp_limb_t acc = 0;
    size_t k = 0;
    for (size_t i = 0; i < nd; i++) {
        if (bits >= PyLong_SHIFT) {
            d[i] = (digit)acc & PyLong_MASK;
            acc >>= PyLong_SHIFT;
            bits -= PyLong_SHIFT;
        }
        else {
            mp_limb_t next = k < n ? p[k] : 0;
            k++;
            d[i] = (digit)(acc | next << bits) & PyLong_MASK;
            acc = next >> (PyLong_SHIFT - bits);
            bits += 64 - PyLong_SHIFT;
        }
    }
}

/* 0, or -1 with MemoryError. limbs_free in any case. */
static int
limbs_load(Limbs *l, const PyLongObject *v)
{
    size_t nd = nj_int_ndigits(v);
    size_t n = limbs_for(nd) + 1;
    l->p = l->stack;
    if (n > STACK_LIMBS) {
        l->p = PyMem_Malloc(n * sizeof(mp_limb_t));
        if (l->p == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    l->n = (mp_size_t)digits_to_limbs(DIGITS(v), nd, l->p);
    return 0;
}

static int
limbs_room(Limbs *l, size_t n)
{
    l->p = l->stack;
    l->n = (mp_size_t)n;
    if (n > STACK_LIMBS) {
        l->p = PyMem_Malloc(n * sizeof(mp_limb_t));
        if (l->p == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    return 0;
}

static void
limbs_free(Limbs *l)
{
    if (l->p != l->stack) {
        PyMem_Free(l->p);
    }
}

static PyObject *
from_limbs(const mp_limb_t *p, size_t n, bool negative)
{
    while (n > 0 && p[n - 1] == 0) {
        n--;
    }
    if (n <= 1) {
        return nj_int_from_u128(n ? p[0] : 0, negative);
    }
    size_t bits = n * 64 - (size_t)__builtin_clzll(p[n - 1]);
    size_t nd = (bits + PyLong_SHIFT - 1) / PyLong_SHIFT;
    PyLongObject *v = nj_int_alloc((Py_ssize_t)nd);
    if (v == NULL) {
        return NULL;
    }
    limbs_to_digits(p, n, DIGITS(v), nd);
    return nj_int_finish(v, negative);
}

/* ---- comparison, hash ------------------------------------------------------------- */

static int
cmp_magnitude(const PyLongObject *a, const PyLongObject *b)
{
    size_t an = nj_int_ndigits(a), bn = nj_int_ndigits(b);
    if (an != bn) {
        return an < bn ? -1 : 1;
    }
    const digit *x = DIGITS(a), *y = DIGITS(b);
    while (an-- > 0) {
        if (x[an] != y[an]) {
            return x[an] < y[an] ? -1 : 1;
        }
    }
    return 0;
}

int
nj_int_cmp(const PyLongObject *a, const PyLongObject *b)
{
    if (nj_int_is_medium(a) && nj_int_is_medium(b)) {
        int64_t x = nj_int_medium_value(a), y = nj_int_medium_value(b);
        return (x > y) - (x < y);
    }
    int sa = nj_int_sign(a), sb = nj_int_sign(b);
    if (sa != sb) {
        return sa < sb ? -1 : 1;
    }
    int c = cmp_magnitude(a, b);
    return sa < 0 ? -c : c;
}

/* The value modulo 2**61 - 1, with the sign of the value; -1 becomes -2. Multiplying by
 * 2**30 modulo 2**61 - 1 is a rotation of 61 bits. */
Py_hash_t
nj_int_hash(const PyLongObject *v)
{
    if (nj_int_is_medium(v)) {
        int64_t n = nj_int_medium_value(v);
        return n == -1 ? -2 : n;
    }
    size_t nd = nj_int_ndigits(v);
    const digit *d = DIGITS(v);
    uint64_t h = 0;
    while (nd-- > 0) {
        h = ((h << 30) & PyHASH_MODULUS) | h >> (PyHASH_BITS - 30);
        h += d[nd];
        if (h >= PyHASH_MODULUS) {
            h -= PyHASH_MODULUS;
        }
    }
    Py_hash_t r = nj_int_is_negative(v) ? -(Py_hash_t)h : (Py_hash_t)h;
    return r == -1 ? -2 : r;
}

/* ---- addition, subtraction -------------------------------------------------------- */

static PyObject *
add_magnitude(const PyLongObject *a, const PyLongObject *b, bool negative)
{
    size_t an = nj_int_ndigits(a), bn = nj_int_ndigits(b);
    if (an < bn) {
        const PyLongObject *t = a;
        a = b;
        b = t;
        size_t tn = an;
        an = bn;
        bn = tn;
    }
    PyLongObject *r = nj_int_alloc((Py_ssize_t)an + 1);
    if (r == NULL) {
        return NULL;
    }
    const digit *x = DIGITS(a), *y = DIGITS(b);
    digit *z = DIGITS(r), carry = 0;
    size_t i;
    for (i = 0; i < bn; i++) {
        carry += x[i] + y[i];
        z[i] = carry & PyLong_MASK;
        carry >>= PyLong_SHIFT;
    }
    for (; i < an && carry; i++) {
        carry += x[i];
        z[i] = carry & PyLong_MASK;
        carry >>= PyLong_SHIFT;
    }
    if (i < an) {
        memcpy(z + i, x + i, (an - i) * sizeof(digit));
    }
    z[an] = carry;
    return nj_int_finish(r, negative);
}

/* |a| - |b|, negated when asked. */
static PyObject *
sub_magnitude(const PyLongObject *a, const PyLongObject *b, bool negative)
{
    int c = cmp_magnitude(a, b);
    if (c == 0) {
        return nj_small_int(0);
    }
    if (c < 0) {
        const PyLongObject *t = a;
        a = b;
        b = t;
        negative = !negative;
    }
    size_t an = nj_int_ndigits(a), bn = nj_int_ndigits(b);
    PyLongObject *r = nj_int_alloc((Py_ssize_t)an);
    if (r == NULL) {
        return NULL;
    }
    const digit *x = DIGITS(a), *y = DIGITS(b);
    digit *z = DIGITS(r), borrow = 0;
    size_t i;
    for (i = 0; i < bn; i++) {
        borrow = x[i] - y[i] - borrow;
        z[i] = borrow & PyLong_MASK;
        borrow = borrow >> PyLong_SHIFT & 1;
    }
    for (; i < an; i++) {
        borrow = x[i] - borrow;
        z[i] = borrow & PyLong_MASK;
        borrow = borrow >> PyLong_SHIFT & 1;
    }
    assert(borrow == 0);
    return nj_int_finish(r, negative);
}

PyObject *
nj_int_add(PyLongObject *a, PyLongObject *b)
{
    if (NJ_LIKELY(nj_int_is_medium(a) && nj_int_is_medium(b))) {
        return nj_int_from_i64(nj_int_medium_value(a) + nj_int_medium_value(b));
    }
    bool an = nj_int_is_negative(a), bn = nj_int_is_negative(b);
    return an == bn ? add_magnitude(a, b, an) : sub_magnitude(a, b, an);
}

PyObject *
nj_int_sub(PyLongObject *a, PyLongObject *b)
{
    if (NJ_LIKELY(nj_int_is_medium(a) && nj_int_is_medium(b))) {
        return nj_int_from_i64(nj_int_medium_value(a) - nj_int_medium_value(b));
    }
    bool an = nj_int_is_negative(a), bn = nj_int_is_negative(b);
    return an == bn ? sub_magnitude(a, b, an) : add_magnitude(a, b, an);
}

PyObject *
nj_int_neg(PyLongObject *a)
{
    if (nj_int_is_medium(a)) {
        return nj_int_from_i64(-nj_int_medium_value(a));
    }
    PyObject *r = _PyLong_Copy(a);
    if (r != NULL) {
        ((PyLongObject *)r)->long_value.lv_tag ^= 2;
    }
    return r;
}

PyObject *
nj_int_abs(PyLongObject *a)
{
    return nj_int_is_negative(a) ? nj_int_neg(a) : exact(a);
}

/* ---- multiplication --------------------------------------------------------------- */

static PyObject *
mul_gmp(PyLongObject *a, PyLongObject *b, bool negative)
{
    Limbs x, y, z;
    PyObject *r = NULL;
    if (limbs_load(&x, a) < 0) {
        return NULL;
    }
    if (a == b) {
        if (limbs_room(&z, 2 * (size_t)x.n) == 0) {
            mpn_sqr(z.p, x.p, x.n);
            r = from_limbs(z.p, (size_t)z.n, false);
            limbs_free(&z);
        }
        limbs_free(&x);
        return r;
    }
    if (limbs_load(&y, b) == 0) {
        if (limbs_room(&z, (size_t)(x.n + y.n)) == 0) {
            if (x.n >= y.n) {
                mpn_mul(z.p, x.p, x.n, y.p, y.n);
            }
            else {
                mpn_mul(z.p, y.p, y.n, x.p, x.n);
            }
            r = from_limbs(z.p, (size_t)z.n, negative);
            limbs_free(&z);
        }
        limbs_free(&y);
    }
    limbs_free(&x);
    return r;
}

PyObject *
nj_int_mul(PyLongObject *a, PyLongObject *b)
{
    if (NJ_LIKELY(nj_int_is_medium(a) && nj_int_is_medium(b))) {
        if (nj_int_is_compact(a) && nj_int_is_compact(b)) {
            return nj_int_from_i64(nj_int_compact_value(a) * nj_int_compact_value(b));
        }
        return from_i128((__int128)nj_int_medium_value(a) * nj_int_medium_value(b));
    }
    size_t an = nj_int_ndigits(a), bn = nj_int_ndigits(b);
    bool negative = nj_int_is_negative(a) != nj_int_is_negative(b);
    if (an > bn) {
        PyLongObject *t = a;
        a = b;
        b = t;
        size_t tn = an;
        an = bn;
        bn = tn;
    }
    if (an == 0) {
        return nj_small_int(0);
    }
    if (an >= MUL_GMP_DIGITS) {
        return mul_gmp(a, b, negative);
    }
    PyLongObject *r = nj_int_alloc((Py_ssize_t)(an + bn));
    if (r == NULL) {
        return NULL;
    }
    const digit *x = DIGITS(a), *y = DIGITS(b);
    digit *z = DIGITS(r);
    uint64_t carry = 0;
    uint64_t f = x[0];
    for (size_t j = 0; j < bn; j++) {
        carry += f * y[j];
        z[j] = (digit)carry & PyLong_MASK;
        carry >>= PyLong_SHIFT;
    }
    z[bn] = (digit)carry;
    for (size_t i = 1; i < an; i++) {
        carry = 0;
        f = x[i];
        digit *zi = z + i;
        for (size_t j = 0; j < bn; j++) {
            carry += zi[j] + f * y[j];
            zi[j] = (digit)carry & PyLong_MASK;
            carry >>= PyLong_SHIFT;
        }
        zi[bn] = (digit)carry;
    }
    return nj_int_finish(r, negative);
}

/* ---- division --------------------------------------------------------------------- */

static int
zero_division(void)
{
    PyErr_SetString(PyExc_ZeroDivisionError, "division by zero");
    return -1;
}

/* Divides the magnitude of a by one digit; *q may be NULL. Returns the remainder, or
 * (digit)-1 with MemoryError. */
static digit
divide_digit(const PyLongObject *a, digit b, PyLongObject **q)
{
    size_t nd = nj_int_ndigits(a);
    digit *z = NULL;
    if (q != NULL) {
        *q = nj_int_alloc((Py_ssize_t)nd);
        if (*q == NULL) {
            return (digit)-1;
        }
        z = DIGITS(*q);
    }
    const digit *x = DIGITS(a);
    uint64_t rem = 0;
    while (nd-- > 0) {
        rem = rem << PyLong_SHIFT | x[nd];
        digit t = (digit)(rem / b);
        if (z) {
            z[nd] = t;
        }
        rem -= (uint64_t)t * b;
    }
    return (digit)rem;
}

/* Truncated division of magnitudes; the results get the given signs. */
static int
divide_magnitude(PyLongObject *a, PyLongObject *b, PyObject **q, bool qneg, PyObject **r,
                 bool rneg)
{
    size_t an = nj_int_ndigits(a), bn = nj_int_ndigits(b);
    if (an < bn || (an == bn && cmp_magnitude(a, b) < 0)) {
        if (r) {
            PyObject *t = exact(a);
            if (t != NULL && rneg != nj_int_is_negative(a) && an) {
                Py_SETREF(t, nj_int_neg((PyLongObject *)t));
            }
            if (t == NULL) {
                return -1;
            }
            *r = t;
        }
        if (q) {
            *q = nj_small_int(0);
        }
        return 0;
    }
    if (bn == 1) {
        PyLongObject *quo = NULL;
        digit rem = divide_digit(a, DIGITS(b)[0], q ? &quo : NULL);
        if (rem == (digit)-1) {
            return -1;
        }
        if (r) {
            *r = nj_int_from_i64(rneg ? -(int64_t)rem : (int64_t)rem);
            if (*r == NULL) {
                Py_XDECREF(quo);
                return -1;
            }
        }
        if (q) {
            *q = nj_int_finish(quo, qneg);
        }
        return 0;
    }
    Limbs x, y, z, w;
    int rc = -1;
    if (limbs_load(&x, a) < 0) {
        return -1;
    }
    if (limbs_load(&y, b) == 0) {
        if (limbs_room(&z, (size_t)(x.n - y.n + 1)) == 0) {
            if (limbs_room(&w, (size_t)y.n) == 0) {
                mpn_tdiv_qr(z.p, w.p, 0, x.p, x.n, y.p, y.n);
                PyObject *quo = q ? from_limbs(z.p, (size_t)z.n, qneg) : NULL;
                PyObject *rem = r ? from_limbs(w.p, (size_t)w.n, rneg) : NULL;
                if ((q && !quo) || (r && !rem)) {
                    Py_XDECREF(quo);
                    Py_XDECREF(rem);
                }
                else {
                    if (q) {
                        *q = quo;
                    }
                    if (r) {
                        *r = rem;
                    }
                    rc = 0;
                }
                limbs_free(&w);
            }
            limbs_free(&z);
        }
        limbs_free(&y);
    }
    limbs_free(&x);
    return rc;
}

int
nj_int_divmod(PyLongObject *a, PyLongObject *b, PyObject **q, PyObject **r, bool floor)
{
    if (nj_int_sign(b) == 0) {
        return zero_division();
    }
    if (NJ_LIKELY(nj_int_is_medium(a) && nj_int_is_medium(b))) {
        int64_t x = nj_int_medium_value(a), y = nj_int_medium_value(b);
        int64_t quo, rem;
        if ((uint64_t)(x | y) >> 32 == 0) {
            quo = (uint32_t)x / (uint32_t)y;
            rem = (uint32_t)x % (uint32_t)y;
        }
        else {
            quo = x / y;
            rem = x % y;
            if (floor && rem && (rem ^ y) < 0) {
                quo--;
                rem += y;
            }
        }
        PyObject *t = NULL;
        if (q) {
            t = nj_int_from_i64(quo);
            if (t == NULL) {
                return -1;
            }
        }
        if (r) {
            *r = nj_int_from_i64(rem);
            if (*r == NULL) {
                Py_XDECREF(t);
                return -1;
            }
        }
        if (q) {
            *q = t;
        }
        return 0;
    }
    bool an = nj_int_is_negative(a), bn = nj_int_is_negative(b);
    if (!floor || an == bn) {
        return divide_magnitude(a, b, q, an != bn, r, an);
    }
    /* Signs differ: floor moves towards minus infinity unless the division is exact. */
    PyObject *quo = NULL, *rem = NULL;
    if (divide_magnitude(a, b, q ? &quo : NULL, true, &rem, an) < 0) {
        return -1;
    }
    if (nj_int_sign((PyLongObject *)rem) != 0) {
        if (r) {
            Py_SETREF(rem, nj_int_add((PyLongObject *)rem, b));
        }
        if (q && rem) {
            Py_SETREF(quo, nj_int_sub((PyLongObject *)quo,
                                      (PyLongObject *)nj_small_int(1)));
        }
        if (rem == NULL || (q && quo == NULL)) {
            Py_XDECREF(rem);
            Py_XDECREF(quo);
            return -1;
        }
    }
    if (r) {
        *r = rem;
    }
    else {
        Py_DECREF(rem);
    }
    if (q) {
        *q = quo;
    }
    return 0;
}

PyObject *
nj_int_floordiv(PyLongObject *a, PyLongObject *b)
{
    PyObject *q;
    return nj_int_divmod(a, b, &q, NULL, true) < 0 ? NULL : q;
}

PyObject *
nj_int_mod(PyLongObject *a, PyLongObject *b)
{
    PyObject *r;
    return nj_int_divmod(a, b, NULL, &r, true) < 0 ? NULL : r;
}

int
nj_int_divmod_near(PyObject *a, PyObject *b, PyObject **q, PyObject **r)
{
    if (!PyLong_Check(a) || !PyLong_Check(b)) {
        PyErr_SetString(PyExc_TypeError, "non-integer arguments in division");
        return -1;
    }
    NJ_OWN quo = NULL;
    NJ_OWN rem = NULL;
    if (nj_int_divmod((PyLongObject *)a, (PyLongObject *)b, &quo, &rem, true) < 0) {
        return -1;
    }
    /* floor: 0 <= |rem| < |b|, rem has the sign of b. Compare 2*rem with b. */
    NJ_OWN twice = nj_int_lshift_n((PyLongObject *)rem, 1);
    if (twice == NULL) {
        return -1;
    }
    int c = nj_int_cmp((PyLongObject *)twice, (PyLongObject *)b);
    if (nj_int_is_negative((PyLongObject *)b)) {
        c = -c;
    }
    bool odd = nj_int_ndigits((PyLongObject *)quo) &&
               (DIGITS((PyLongObject *)quo)[0] & 1);
    if (c > 0 || (c == 0 && odd)) {
        NJ_SET(quo, nj_int_add((PyLongObject *)quo, (PyLongObject *)nj_small_int(1)));
        NJ_SET(rem, nj_int_sub((PyLongObject *)rem, (PyLongObject *)b));
        if (quo == NULL || rem == NULL) {
            return -1;
        }
    }
    *q = NJ_TAKE(quo);
    *r = NJ_TAKE(rem);
    return 0;
}

/* Bits of the magnitude. */
static int64_t
bit_length(const PyLongObject *v)
{
    size_t nd = nj_int_ndigits(v);
    if (nd == 0) {
        return 0;
    }
    return (int64_t)(nd - 1) * PyLong_SHIFT + 32 - __builtin_clz(DIGITS(v)[nd - 1]);
}

/* m * 2**e correctly rounded (half to even; m's lowest bit may be sticky as long as m
 * has at least 55 bits or reaches below the subnormals). HUGE_VAL on overflow. */
double
nj_number_scale(uint64_t m, int64_t e)
{
    if (m == 0) {
        return 0.0;
    }
    int bits = 64 - __builtin_clzll(m);
    if (e + bits > DBL_MAX_EXP) {
        return HUGE_VAL;
    }
    int64_t unit = e + bits - DBL_MANT_DIG;
    if (unit < DBL_MIN_EXP - DBL_MANT_DIG) {
        unit = DBL_MIN_EXP - DBL_MANT_DIG;
    }
    int64_t drop = unit - e;
    if (drop > 0) {
        if (drop > 64) {
            return 0.0;
        }
        uint64_t half = (uint64_t)1 << (drop - 1);
        uint64_t rest = drop == 64 ? m : m & (half * 2 - 1);
        m = drop == 64 ? 0 : m >> drop;
        if (rest > half || (rest == half && (m & 1))) {
            m++;
        }
        e = unit;
    }
    return ldexp((double)m, (int)e);
}

/* The top 64 bits of the magnitude, the lowest one sticky; *e: exponent of the lowest. */
static uint64_t
top_bits(const PyLongObject *v, int64_t *e)
{
    size_t nd = nj_int_ndigits(v);
    const digit *d = DIGITS(v);
    uint64_t m = 0;
    if (nd <= 2) {
        *e = 0;
        if (nd > 0) {
            m = d[0];
        }
        if (nd > 1) {
            m |= (uint64_t)d[1] << PyLong_SHIFT;
        }
        return m;
    }
    unsigned __int128 w = (unsigned __int128)d[nd - 1] << (2 * PyLong_SHIFT) |
                          (uint64_t)d[nd - 2] << PyLong_SHIFT | d[nd - 3];
    int64_t base = (int64_t)(nd - 3) * PyLong_SHIFT;
    int bits = 60 + 32 - __builtin_clz(d[nd - 1]);
    int drop = bits > 64 ? bits - 64 : 0;
    m = (uint64_t)(w >> drop);
    bool sticky = (w & (((unsigned __int128)1 << drop) - 1)) != 0;
    for (size_t i = nd - 3; !sticky && i-- > 0;) {
        sticky = d[i] != 0;
    }
    *e = base + drop;
    return m | sticky;
}

double
nj_int_frexp(const PyLongObject *v, int64_t *e)
{
    int64_t exp;
    uint64_t m = top_bits(v, &exp);
    if (m == 0) {
        *e = 0;
        return 0.0;
    }
    int bits = 64 - __builtin_clzll(m);
    double x = nj_number_scale(m, -bits);
    *e = exp + bits;
    return nj_int_is_negative(v) ? -x : x;
}

double
PyLong_AsDouble(PyObject *op)
{
    if (op == NULL) {
        PyErr_BadInternalCall();
        return -1.0;
    }
    if (!PyLong_Check(op)) {
        PyErr_SetString(PyExc_TypeError, "an integer is required");
        return -1.0;
    }
    PyLongObject *v = (PyLongObject *)op;
    if (nj_int_is_compact(v)) {
        return (double)nj_int_compact_value(v);
    }
    if (nj_int_is_medium(v)) {
        return (double)nj_int_medium_value(v);
    }
    int64_t e;
    uint64_t m = top_bits(v, &e);
    double x = e > DBL_MAX_EXP ? HUGE_VAL : nj_number_scale(m, e);
    if (isinf(x)) {
        PyErr_SetString(PyExc_OverflowError, "int too large to convert to float");
        return -1.0;
    }
    return nj_int_is_negative(v) ? -x : x;
}

PyObject *
nj_int_truediv(PyLongObject *a, PyLongObject *b)
{
    if (nj_int_sign(b) == 0) {
        zero_division();
        return NULL;
    }
    if (nj_int_is_medium(a) && nj_int_is_medium(b)) {
        int64_t x = nj_int_medium_value(a), y = nj_int_medium_value(b);
        const int64_t lim = (int64_t)1 << 53;
        if (x <= lim && x >= -lim && y <= lim && y >= -lim) {
            return PyFloat_FromDouble((double)x / (double)y);
        }
    }
    bool negative = nj_int_is_negative(a) != nj_int_is_negative(b);
    if (nj_int_sign(a) == 0) {
        return PyFloat_FromDouble(negative ? -0.0 : 0.0);
    }
    /* Choose e so that floor(|a| * 2**-e / |b|) has 62 or 63 bits, sticky bit included. */
    int64_t diff = bit_length(a) - bit_length(b);
    if (diff > DBL_MAX_EXP) {
        PyErr_SetString(PyExc_OverflowError,
                        "integer division result too large for a float");
        return NULL;
    }
    if (diff < DBL_MIN_EXP - DBL_MANT_DIG - 2) {
        return PyFloat_FromDouble(negative ? -0.0 : 0.0);
    }
    int64_t e = diff - 62;
    NJ_OWN x = nj_int_abs(a);
    NJ_OWN y = nj_int_abs(b);
    if (x == NULL || y == NULL) {
        return NULL;
    }
    if (e < 0) {
        NJ_SET(x, nj_int_lshift_n((PyLongObject *)x, -e));
    }
    else if (e > 0) {
        NJ_SET(y, nj_int_lshift_n((PyLongObject *)y, e));
    }
    if (x == NULL || y == NULL) {
        return NULL;
    }
    NJ_OWN q = NULL;
    NJ_OWN r = NULL;
    if (divide_magnitude((PyLongObject *)x, (PyLongObject *)y, &q, false, &r, false) < 0) {
        return NULL;
    }
    uint64_t m = PyLong_AsUnsignedLongLongMask(q);
    m |= nj_int_sign((PyLongObject *)r) != 0;
    double z = nj_number_scale(m, e);
    if (isinf(z)) {
        PyErr_SetString(PyExc_OverflowError,
                        "integer division result too large for a float");
        return NULL;
    }
    return PyFloat_FromDouble(negative ? -z : z);
}

/* ---- shifts ----------------------------------------------------------------------- */

static PyObject *
shift_left(PyLongObject *a, uint64_t n)
{
    if (nj_int_sign(a) == 0) {
        return nj_small_int(0);
    }
    if (nj_int_is_medium(a) && n < 64) {
        __int128 x = (__int128)nj_int_medium_value(a);
        return from_i128((__int128)((unsigned __int128)x << n));
    }
    uint64_t words = n / PyLong_SHIFT;
    unsigned bits = (unsigned)(n % PyLong_SHIFT);
    size_t nd = nj_int_ndigits(a);
    if (words > (uint64_t)MAX_DIGITS - nd - 1) {
        PyErr_SetString(PyExc_OverflowError, "too many digits in integer");
        return NULL;
    }
    PyLongObject *r = nj_int_alloc((Py_ssize_t)(nd + words + (bits != 0)));
    if (r == NULL) {
        return NULL;
    }
    digit *z = DIGITS(r);
    const digit *x = DIGITS(a);
    memset(z, 0, words * sizeof(digit));
    z += words;
    if (bits == 0) {
        memcpy(z, x, nd * sizeof(digit));
    }
    else {
        digit carry = 0;
        for (size_t i = 0; i < nd; i++) {
            uint64_t t = (uint64_t)x[i] << bits | carry;
            z[i] = (digit)t & PyLong_MASK;
            carry = (digit)(t >> PyLong_SHIFT);
        }
        z[nd] = carry;
    }
    return nj_int_finish(r, nj_int_is_negative(a));
}

/* Floors, as an arithmetic shift does. */
static PyObject *
shift_right(PyLongObject *a, uint64_t n)
{
    if (nj_int_is_medium(a)) {
        return nj_int_from_i64(nj_int_medium_value(a) >> (n > 63 ? 63 : n));
    }
    uint64_t words = n / PyLong_SHIFT;
    unsigned bits = (unsigned)(n % PyLong_SHIFT);
    size_t nd = nj_int_ndigits(a);
    bool negative = nj_int_is_negative(a);
    if (words >= nd) {
        return nj_small_int(negative ? -1 : 0);
    }
    const digit *x = DIGITS(a);
    /* Of a negative number: magnitude rounded up when a set bit is shifted out. */
    bool lost = false;
    if (negative) {
        for (size_t i = 0; i < words && !lost; i++) {
            lost = x[i] != 0;
        }
        lost = lost || (x[words] & (((digit)1 << bits) - 1));
    }
    size_t rn = nd - words;
    PyLongObject *r = nj_int_alloc((Py_ssize_t)rn + lost);
    if (r == NULL) {
        return NULL;
    }
    digit *z = DIGITS(r);
    x += words;
    for (size_t i = 0; i < rn; i++) {
        uint64_t hi = i + 1 < rn ? x[i + 1] : 0;
        z[i] = (digit)((x[i] | hi << PyLong_SHIFT) >> bits) & PyLong_MASK;
    }
    if (lost) {
        z[rn] = 0;
        for (size_t i = 0;; i++) {
            z[i] = (z[i] + 1) & PyLong_MASK;
            if (z[i]) {
                break;
            }
        }
    }
    return nj_int_finish(r, negative);
}

PyObject *
nj_int_lshift_n(PyLongObject *a, int64_t n)
{
    return n < 0 ? shift_right(a, 0 - (uint64_t)n) : shift_left(a, (uint64_t)n);
}

/* The shift count; -1 with an exception if negative; UINT64_MAX if beyond any int. */
static int
shift_count(PyLongObject *b, uint64_t *n)
{
    if (nj_int_is_negative(b)) {
        PyErr_SetString(PyExc_ValueError, "negative shift count");
        return -1;
    }
    *n = nj_int_is_medium(b) ? (uint64_t)nj_int_medium_value(b) : UINT64_MAX;
    return 0;
}

PyObject *
nj_int_lshift(PyLongObject *a, PyLongObject *b)
{
    uint64_t n;
    if (shift_count(b, &n) < 0) {
        return NULL;
    }
    return shift_left(a, n);
}

PyObject *
nj_int_rshift(PyLongObject *a, PyLongObject *b)
{
    uint64_t n;
    if (shift_count(b, &n) < 0) {
        return NULL;
    }
    return shift_right(a, n);
}

/* ---- bit operations --------------------------------------------------------------- */

/* Two's complement of the magnitude in nd digits, in place. */
static void
complement(digit *d, size_t nd)
{
    digit carry = 1;
    for (size_t i = 0; i < nd; i++) {
        carry += d[i] ^ PyLong_MASK;
        d[i] = carry & PyLong_MASK;
        carry >>= PyLong_SHIFT;
    }
}

static PyObject *
bitwise(PyLongObject *a, PyLongObject *b, char op)
{
    bool an = nj_int_is_negative(a), bn = nj_int_is_negative(b);
    size_t na = nj_int_ndigits(a), nb = nj_int_ndigits(b);
    if (na < nb) {
        PyLongObject *t = a;
        a = b;
        b = t;
        size_t tn = na;
        na = nb;
        nb = tn;
        bool ts = an;
        an = bn;
        bn = ts;
    }
    bool negative = op == '&' ? an && bn : op == '|' ? an || bn : an != bn;
    /* A non-negative shorter operand masks the rest of an '&' away. */
    size_t n = op == '&' && !bn ? nb : na;
    PyLongObject *r = nj_int_alloc((Py_ssize_t)n + 1);
    if (r == NULL) {
        return NULL;
    }
    digit *z = DIGITS(r);
    memcpy(z, DIGITS(a), n * sizeof(digit));
    z[n] = 0;
    if (an) {
        /* The digits cut off by '&' only send a carry into what we keep if all lower
         * ones are zero, which complement() computes from the bottom: cutting is safe. */
        complement(z, n);
    }
    const digit *y = DIGITS(b);
    digit *copy = NULL;
    if (bn) {
        copy = PyMem_Malloc(nb * sizeof(digit));
        if (copy == NULL) {
            Py_DECREF(r);
            return PyErr_NoMemory();
        }
        memcpy(copy, y, nb * sizeof(digit));
        complement(copy, nb);
        y = copy;
    }
    size_t m = nb < n ? nb : n;
    digit ext = bn ? PyLong_MASK : 0;
    switch (op) {
    case '&':
        for (size_t i = 0; i < m; i++) {
            z[i] &= y[i];
        }
        for (size_t i = m; i < n; i++) {
            z[i] &= ext;
        }
        break;
    case '|':
        for (size_t i = 0; i < m; i++) {
            z[i] |= y[i];
        }
        for (size_t i = m; i < n; i++) {
            z[i] |= ext;
        }
        break;
    default:
        for (size_t i = 0; i < m; i++) {
            z[i] ^= y[i];
        }
        for (size_t i = m; i < n; i++) {
            z[i] ^= ext;
        }
    }
    if (negative) {
        z[n] = PyLong_MASK; /* sign extension */
        complement(z, n + 1);
    }
    PyMem_Free(copy);
    return nj_int_finish(r, negative);
}

PyObject *
nj_int_and(PyLongObject *a, PyLongObject *b)
{
    if (NJ_LIKELY(nj_int_is_medium(a) && nj_int_is_medium(b))) {
        return nj_int_from_i64(nj_int_medium_value(a) & nj_int_medium_value(b));
    }
    return bitwise(a, b, '&');
}

PyObject *
nj_int_or(PyLongObject *a, PyLongObject *b)
{
    if (NJ_LIKELY(nj_int_is_medium(a) && nj_int_is_medium(b))) {
        return nj_int_from_i64(nj_int_medium_value(a) | nj_int_medium_value(b));
    }
    return bitwise(a, b, '|');
}

PyObject *
nj_int_xor(PyLongObject *a, PyLongObject *b)
{
    if (NJ_LIKELY(nj_int_is_medium(a) && nj_int_is_medium(b))) {
        return nj_int_from_i64(nj_int_medium_value(a) ^ nj_int_medium_value(b));
    }
    return bitwise(a, b, '^');
}

/* ---- power, roots, gcd ------------------------------------------------------------ */

static int
load_mpz(mpz_t z, Limbs *l, PyLongObject *v)
{
    if (limbs_load(l, v) < 0) {
        return -1;
    }
    mpz_roinit_n(z, l->p, nj_int_is_negative(v) ? -l->n : l->n);
    return 0;
}

static PyObject *
from_mpz(const mpz_t z)
{
    return from_limbs(mpz_limbs_read(z), mpz_size(z), mpz_sgn(z) < 0);
}

/* a ** e mod m for 0 <= a < m < 2**60, exponent as bits of a non-negative int. */
static uint64_t
pow_mod_u64(uint64_t a, const PyLongObject *e, uint64_t m)
{
    uint64_t r = 1 % m;
    for (int64_t i = bit_length(e) - 1; i >= 0; i--) {
        r = (uint64_t)((unsigned __int128)r * r % m);
        if (DIGITS(e)[i / PyLong_SHIFT] >> (i % PyLong_SHIFT) & 1) {
            r = (uint64_t)((unsigned __int128)r * a % m);
        }
    }
    return r;
}

static PyObject *
pow_mod(PyLongObject *a, PyLongObject *b, PyLongObject *c)
{
    if (nj_int_sign(c) == 0) {
        PyErr_SetString(PyExc_ValueError, "pow() 3rd argument cannot be 0");
        return NULL;
    }
    bool cneg = nj_int_is_negative(c);
    NJ_OWN m = nj_int_abs(c);
    if (m == NULL) {
        return NULL;
    }
    PyLongObject *mod = (PyLongObject *)m;
    if (nj_int_is_compact(mod) && DIGITS(mod)[0] == 1) {
        return nj_small_int(0);
    }
    NJ_OWN base = nj_int_mod(a, mod);
    NJ_OWN e = nj_int_abs(b);
    if (base == NULL || e == NULL) {
        return NULL;
    }
    if (nj_int_is_negative(b)) {
        Limbs lx, lm;
        mpz_t x, mm, inv;
        if (load_mpz(x, &lx, (PyLongObject *)base) < 0) {
            return NULL;
        }
        if (load_mpz(mm, &lm, mod) < 0) {
            limbs_free(&lx);
            return NULL;
        }
        mpz_init(inv);
        int ok = mpz_invert(inv, x, mm);
        PyObject *t = ok ? from_mpz(inv) : NULL;
        mpz_clear(inv);
        limbs_free(&lx);
        limbs_free(&lm);
        if (!ok) {
            PyErr_SetString(PyExc_ValueError,
                            "base is not invertible for the given modulus");
            return NULL;
        }
        NJ_SET(base, t);
        if (base == NULL) {
            return NULL;
        }
    }
    NJ_OWN r = NULL;
    if (nj_int_is_medium(mod)) {
        r = nj_int_from_i64((int64_t)pow_mod_u64(
            (uint64_t)nj_int_medium_value((PyLongObject *)base), (PyLongObject *)e,
            (uint64_t)nj_int_medium_value(mod)));
    }
    else {
        Limbs lx, le, lm;
        mpz_t x, ee, mm, z;
        if (load_mpz(x, &lx, (PyLongObject *)base) < 0) {
            return NULL;
        }
        if (load_mpz(ee, &le, (PyLongObject *)e) == 0) {
            if (load_mpz(mm, &lm, mod) == 0) {
                mpz_init(z);
                mpz_powm(z, x, ee, mm);
                r = from_mpz(z);
                mpz_clear(z);
                limbs_free(&lm);
            }
            limbs_free(&le);
        }
        limbs_free(&lx);
    }
    if (r != NULL && cneg && nj_int_sign((PyLongObject *)r) != 0) {
        return nj_int_add((PyLongObject *)r, c);
    }
    return NJ_TAKE(r);
}

PyObject *
nj_int_pow(PyObject *a, PyObject *b, PyObject *c)
{
    PyLongObject *x = (PyLongObject *)a, *e = (PyLongObject *)b;
    if (c != Py_None) {
        return pow_mod(x, e, (PyLongObject *)c);
    }
    if (nj_int_is_negative(e)) {
        NJ_OWN fa = PyFloat_FromDouble(0);
        double u = PyLong_AsDouble(a);
        if (u == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        double w = PyLong_AsDouble(b);
        if (w == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        NJ_SET(fa, PyFloat_FromDouble(u));
        NJ_OWN fb = PyFloat_FromDouble(w);
        if (fa == NULL || fb == NULL) {
            return NULL;
        }
        return PyFloat_Type.tp_as_number->nb_power(fa, fb, Py_None);
    }
    if (nj_int_is_medium(x) && nj_int_is_medium(e)) {
        int64_t v = nj_int_medium_value(x);
        uint64_t n = (uint64_t)nj_int_medium_value(e);
        if (n == 0 || v == 1) {
            return nj_small_int(1);
        }
        if (v == 0) {
            return nj_small_int(0);
        }
        if (v == -1) {
            return nj_small_int(n & 1 ? -1 : 1);
        }
        if (v == 2) {
            return shift_left((PyLongObject *)nj_small_int(1), n);
        }
        /* Stay in the machine while it fits 127 bits. */
        uint64_t m = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
        unsigned bits = 64 - (unsigned)__builtin_clzll(m);
        if (n < 127 && bits * n <= 127) {
            unsigned __int128 r = 1, s = m;
            uint64_t k = n;
            while (true) {
                if (k & 1) {
                    r *= s;
                }
                k >>= 1;
                if (k == 0) {
                    break;
                }
                s *= s;
            }
            return nj_int_from_u128(r, v < 0 && (n & 1));
        }
    }
    else if (nj_int_sign(x) == 0 || (nj_int_is_compact(x) && DIGITS(x)[0] == 1)) {
        bool odd = nj_int_ndigits(e) && (DIGITS(e)[0] & 1);
        return nj_int_sign(x) == 0 ? nj_small_int(0)
                                   : nj_small_int(odd ? nj_int_sign(x) : 1);
    }
    if (nj_int_sign(e) == 0) {
        return nj_small_int(1);
    }
    /* Left to right; factors of two of the base come off first: they are a shift. */
    NJ_OWN base = exact(x);
    if (base == NULL) {
        return NULL;
    }
    NJ_OWN r = Py_NewRef(base);
    for (int64_t i = bit_length(e) - 2; i >= 0; i--) {
        NJ_SET(r, nj_int_mul((PyLongObject *)r, (PyLongObject *)r));
        if (r == NULL) {
            return NULL;
        }
        if (DIGITS(e)[i / PyLong_SHIFT] >> (i % PyLong_SHIFT) & 1) {
            NJ_SET(r, nj_int_mul((PyLongObject *)r, (PyLongObject *)base));
            if (r == NULL) {
                return NULL;
            }
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(r);
}

/* floor(sqrt(a)), a >= 0. */
PyObject *
nj_int_isqrt(PyLongObject *a)
{
    if (nj_int_is_medium(a)) {
        uint64_t n = (uint64_t)nj_int_medium_value(a);
        uint64_t r = (uint64_t)sqrt((double)n);
        while (r * r > n) {
            r--;
        }
        while ((r + 1) * (r + 1) <= n) {
            r++;
        }
        return nj_int_from_i64((int64_t)r);
    }
    Limbs x, s;
    PyObject *r = NULL;
    if (limbs_load(&x, a) < 0) {
        return NULL;
    }
    if (limbs_room(&s, (size_t)(x.n + 1) / 2) == 0) {
        mpn_sqrtrem(s.p, NULL, x.p, x.n);
        r = from_limbs(s.p, (size_t)s.n, false);
        limbs_free(&s);
    }
    limbs_free(&x);
    return r;
}

static uint64_t
gcd_u64(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0) {
        return a | b;
    }
    int shift = __builtin_ctzll(a | b);
    a >>= __builtin_ctzll(a);
    while (b) {
        b >>= __builtin_ctzll(b);
        uint64_t lo = a < b ? a : b;
        b = a < b ? b - a : a - b;
        a = lo;
    }
    return a << shift;
}

PyObject *
_PyLong_GCD(PyObject *aarg, PyObject *barg)
{
    PyLongObject *a = (PyLongObject *)aarg, *b = (PyLongObject *)barg;
    if (nj_int_is_medium(a) && nj_int_is_medium(b)) {
        int64_t x = nj_int_medium_value(a), y = nj_int_medium_value(b);
        return nj_int_from_i64((int64_t)gcd_u64(x < 0 ? -(uint64_t)x : (uint64_t)x,
                                                y < 0 ? -(uint64_t)y : (uint64_t)y));
    }
    if (nj_int_sign(a) == 0) {
        return nj_int_abs(b);
    }
    if (nj_int_sign(b) == 0) {
        return nj_int_abs(a);
    }
    Limbs lx, ly;
    mpz_t x, y, z;
    PyObject *r = NULL;
    if (load_mpz(x, &lx, a) < 0) {
        return NULL;
    }
    if (load_mpz(y, &ly, b) == 0) {
        mpz_init(z);
        mpz_gcd(z, x, y);
        r = from_mpz(z);
        mpz_clear(z);
        limbs_free(&ly);
    }
    limbs_free(&lx);
    return r;
}

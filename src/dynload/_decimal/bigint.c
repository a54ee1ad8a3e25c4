/* bigint.c - large integers to and from decimal digits.
 *
 * libmpdec converts between bases in quadratic time but multiplies quickly, and so do
 * ints. So a long number is cut at a power of two times BLOCK, both parts are
 * converted, and put together by a multiplication with a power of the base that all
 * cuts of that size share.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

enum { BLOCK = 32, LEVELS = 48 };

/* The largest level whose size is below n. */
static int
level_below(size_t n)
{
    int level = 0;
    while (((size_t)BLOCK << (level + 1)) < n) {
        level++;
    }
    return level;
}

/* ---- to int -------------------------------------------------------------------------- */

/* The int of a few words. */
static PyObject *
export_words(mpd_uint_t *words, mpd_ssize_t n)
{
    uint32_t status = 0;
    uint32_t *digits = NULL;
    void *room;
    mpd_t v = {MPD_STATIC | MPD_CONST_DATA, 0, 0, n, n, words};
    while (v.len > 1 && words[v.len - 1] == 0) {
        v.len--;
    }
    mpd_setdigits(&v);
    size_t size = mpd_qexport_u32(&digits, 0,
                                  (uint32_t)1 << PyLong_GetNativeLayout()->bits_per_digit,
                                  &v, &status);
    if (size == SIZE_MAX) {
        return PyErr_NoMemory();
    }
    PyLongWriter *writer = PyLongWriter_Create(0, (Py_ssize_t)size, &room);
    if (writer) {
        memcpy(room, digits, size * sizeof *digits);
    }
    mpd_free(digits);
    return writer ? PyLongWriter_Finish(writer) : NULL;
}

/* MPD_RADIX ** (BLOCK << level) */
static PyObject *
power_of_radix(PyObject **powers, int level)
{
    if (powers[level] == NULL) {
        if (level == 0) {
            NJ_OWN ten = PyLong_FromLong(10);
            NJ_OWN exp = PyLong_FromLong(BLOCK * MPD_RDIGITS);
            powers[0] = ten && exp ? PyNumber_Power(ten, exp, Py_None) : NULL;
        }
        else {
            PyObject *root = power_of_radix(powers, level - 1);
            powers[level] = root ? PyNumber_Multiply(root, root) : NULL;
        }
    }
    return powers[level];
}

static PyObject *
int_of_words(mpd_uint_t *words, mpd_ssize_t n, PyObject **powers)
{
    if (n <= BLOCK) {
        return export_words(words, n);
    }
    int level = level_below((size_t)n);
    mpd_ssize_t cut = (mpd_ssize_t)BLOCK << level;
    PyObject *power = power_of_radix(powers, level); /* borrowed */
    NJ_OWN high = power ? int_of_words(words + cut, n - cut, powers) : NULL;
    NJ_OWN low = high ? int_of_words(words, cut, powers) : NULL;
    NJ_OWN product = low ? PyNumber_Multiply(high, power) : NULL;
    return product ? PyNumber_Add(product, low) : NULL;
}

PyObject *
nj_int_of_words(mpd_uint_t *words, mpd_ssize_t n)
{
    PyObject *powers[LEVELS] = {NULL};
    PyObject *r = int_of_words(words, n, powers);
    for (int i = 0; i < LEVELS; i++) {
        Py_XDECREF(powers[i]);
    }
    return r;
}

/* ---- from int ------------------------------------------------------------------------ */

/* The powers of 2 ** (30 * BLOCK) found so far. */
typedef struct Powers {
    mpd_t *power[LEVELS];
    mpd_context_t max;
    uint32_t base;
} Powers;

static const mpd_t *
power_of_base(Powers *p, int level, uint32_t *status)
{
    if (p->power[level]) {
        return p->power[level];
    }
    mpd_t *r = mpd_qnew();
    if (r == NULL) {
        *status |= MPD_Malloc_error;
        return NULL;
    }
    if (level == 0) {
        uint32_t digits[BLOCK + 1] = {0};
        digits[BLOCK] = 1;
        mpd_qimport_u32(r, digits, BLOCK + 1, MPD_POS, p->base, &p->max, status);
    }
    else {
        const mpd_t *root = power_of_base(p, level - 1, status);
        if (root) {
            mpd_qmul(r, root, root, &p->max, status);
        }
    }
    p->power[level] = r;
    return *status & MPD_Errors ? NULL : r;
}

static void
set_digits(mpd_t *out, const uint32_t *digits, size_t n, Powers *p, uint32_t *status)
{
    while (n > 1 && digits[n - 1] == 0) {
        n--;
    }
    if (n <= BLOCK) {
        mpd_qimport_u32(out, digits, n, MPD_POS, p->base, &p->max, status);
        return;
    }
    int level = level_below(n);
    size_t cut = (size_t)BLOCK << level;
    const mpd_t *power = power_of_base(p, level, status);
    mpd_t *low = mpd_qnew();
    if (low == NULL) {
        *status |= MPD_Malloc_error;
    }
    else if (power) {
        set_digits(out, digits + cut, n - cut, p, status);
        set_digits(low, digits, cut, p, status);
        mpd_qfma(out, out, power, low, &p->max, status);
    }
    if (low) {
        mpd_del(low);
    }
}

void
nj_set_digits(mpd_t *out, const uint32_t *digits, size_t n, bool negative, uint32_t base,
              uint32_t *status)
{
    Powers p = {.base = base};
    mpd_maxcontext(&p.max);
    set_digits(out, digits, n, &p, status);
    mpd_set_sign(out, negative ? MPD_NEG : MPD_POS);
    for (int i = 0; i < LEVELS; i++) {
        if (p.power[i]) {
            mpd_del(p.power[i]);
        }
    }
}

/* int_str.c - int to text and back.
 *
 * Decimal text of up to two digits is made in the machine, longer numbers by GMP
 * (mpn_get_str, mpn_set_str: sub-quadratic). Powers of two are bit copies. The limit of
 * sys.set_int_max_str_digits is checked before any quadratic work: an estimate from
 * below rejects absurd sizes first, the exact count decides afterwards.
 *
 * Number text (int(), float(), complex()) is prepared by nj_number_text: Unicode
 * digits become ASCII, white space is stripped; what remains non-ASCII becomes '?',
 * which no parser accepts, so positions and messages stay simple.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "objects/int.h"

#include <gmp.h>

#define DIGITS(v) ((v)->long_value.ob_digit)

static const char too_long_out[] =
    "Exceeds the limit (%d digits) for integer string conversion; use "
    "sys.set_int_max_str_digits() to increase the limit";
static const char too_long_in[] =
    "Exceeds the limit (%d digits) for integer string conversion: value has %zd digits; "
    "use sys.set_int_max_str_digits() to increase the limit";

/* ---- out -------------------------------------------------------------------------- */

static const char digit_pairs[201] = "00010203040506070809"
                                     "10111213141516171819"
                                     "20212223242526272829"
                                     "30313233343536373839"
                                     "40414243444546474849"
                                     "50515253545556575859"
                                     "60616263646566676869"
                                     "70717273747576777879"
                                     "80818283848586878889"
                                     "90919293949596979899";

/* Writes m backwards ending at end; returns the first character. */
static char *
write_u64(char *end, uint64_t m)
{
    while (m >= 100) {
        uint64_t q = m / 100;
        end -= 2;
        memcpy(end, digit_pairs + 2 * (m - q * 100), 2);
        m = q;
    }
    if (m >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * m, 2);
    }
    else {
        *--end = (char)('0' + m);
    }
    return end;
}

static PyObject *
ascii_text(const char *s, Py_ssize_t n)
{
    if (n == 1) {
        return PyUnicode_FromOrdinal((unsigned char)*s);
    }
    PyObject *r = PyUnicode_New(n, 127);
    if (r != NULL) {
        memcpy(PyUnicode_1BYTE_DATA(r), s, (size_t)n);
    }
    return r;
}

static PyObject *
to_decimal(const PyLongObject *v)
{
    bool negative = nj_int_is_negative(v);
    if (nj_int_is_medium(v)) {
        char buf[24];
        int64_t n = nj_int_medium_value(v);
        char *p = write_u64(buf + sizeof buf, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
        if (negative) {
            *--p = '-';
        }
        return ascii_text(p, buf + sizeof buf - p);
    }
    size_t nd = nj_int_ndigits(v);
    int limit = nj_interp()->numbers.max_str_digits;
    /* 2**(30 * (nd - 1)) has more than 9.03 * (nd - 1) decimal digits. */
    if (limit > 0 && (nd - 1) > (size_t)limit / 9) {
        PyErr_Format(PyExc_ValueError, too_long_out, limit);
        return NULL;
    }
    size_t ln = (nd * PyLong_SHIFT + 63) / 64 + 1;
    size_t room = nd * 10 + 2; /* 30 bits are 9.03 digits */
    mp_limb_t stack[64 + 200];
    void *heap = NULL;
    mp_limb_t *p = stack;
    size_t bytes = ln * sizeof(mp_limb_t) + room;
    if (bytes > sizeof stack) {
        heap = PyMem_Malloc(bytes);
        if (heap == NULL) {
            return PyErr_NoMemory();
        }
        p = heap;
    }
    /* repack */
    unsigned bits = 0;
    unsigned __int128 acc = 0;
    size_t n = 0;
    for (size_t i = 0; i < nd; i++) {
        acc |= (unsigned __int128)DIGITS(v)[i] << bits;
        bits += PyLong_SHIFT;
        if (bits >= 64) {
            p[n++] = (mp_limb_t)acc;
            acc >>= 64;
            bits -= 64;
        }
    }
    if (acc) {
        p[n++] = (mp_limb_t)acc;
    }
    unsigned char *s = (unsigned char *)(p + ln);
    size_t len = mpn_get_str(s, 10, p, (mp_size_t)n);
    size_t skip = 0;
    while (skip + 1 < len && s[skip] == 0) {
        skip++;
    }
    len -= skip;
    s += skip;
    PyObject *r = NULL;
    if (limit > 0 && len > (size_t)limit) {
        PyErr_Format(PyExc_ValueError, too_long_out, limit);
    }
    else {
        r = PyUnicode_New((Py_ssize_t)len + negative, 127);
        if (r != NULL) {
            Py_UCS1 *out = PyUnicode_1BYTE_DATA(r);
            if (negative) {
                *out++ = '-';
            }
            for (size_t i = 0; i < len; i++) {
                out[i] = (Py_UCS1)('0' + s[i]);
            }
        }
    }
    PyMem_Free(heap);
    return r;
}

static PyObject *
to_power_of_two(const PyLongObject *v, int shift, bool prefix)
{
    bool negative = nj_int_is_negative(v);
    size_t nd = nj_int_ndigits(v);
    size_t n = 1;
    if (nd > 0) {
        size_t bits = (nd - 1) * PyLong_SHIFT + 32 -
                      (size_t)__builtin_clz(DIGITS(v)[nd - 1]);
        n = (bits + (size_t)shift - 1) / (size_t)shift;
    }
    Py_ssize_t total = (Py_ssize_t)n + negative + (prefix ? 2 : 0);
    if (total == 1) {
        return PyUnicode_FromOrdinal(
            "0123456789abcdefghijklmnopqrstuvwxyz"[nd ? DIGITS(v)[0] : 0]);
    }
    PyObject *r = PyUnicode_New(total, 127);
    if (r == NULL) {
        return NULL;
    }
    Py_UCS1 *start = PyUnicode_1BYTE_DATA(r);
    Py_UCS1 *p = start + total;
    if (nd == 0) {
        *--p = '0';
    }
    uint64_t acc = 0;
    int have = 0;
    size_t i = 0;
    for (size_t k = 0; k < n && nd > 0; k++) {
        if (have < shift) {
            acc |= (i < nd ? (uint64_t)DIGITS(v)[i] : 0) << have;
            i++;
            have += PyLong_SHIFT;
        }
        *--p = (Py_UCS1) "0123456789abcdefghijklmnopqrstuvwxyz"[acc & ((1u << shift) - 1)];
        acc >>= shift;
        have -= shift;
    }
    if (prefix) {
        *--p = shift == 4 ? 'x' : shift == 3 ? 'o' : 'b';
        *--p = '0';
    }
    if (negative) {
        *--p = '-';
    }
    assert(p == start);
    return r;
}

PyObject *
nj_int_to_text(PyObject *op, int base, bool prefix)
{
    if (!PyLong_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyLongObject *v = (PyLongObject *)op;
    switch (base) {
    case 10:
        return to_decimal(v);
    case 16:
        return to_power_of_two(v, 4, prefix);
    case 8:
        return to_power_of_two(v, 3, prefix);
    case 2:
        return to_power_of_two(v, 1, prefix);
    default:
        PyErr_SetString(PyExc_SystemError, "int text: unsupported base");
        return NULL;
    }
}

/* ---- in --------------------------------------------------------------------------- */

/* Value of an ASCII character as a digit, 37 if it is none. */
PyAPI_DATA(unsigned char) _PyLong_DigitValue[256];
unsigned char _PyLong_DigitValue[256] = {
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 37, 37, 37, 37, 37, 37,
    37, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
    25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 37, 37, 37, 37, 37,
    37, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
    25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
    37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37, 37,
};

/* digits of text s..end (underscores allowed), ndigits of them, base a power of two */
static PyObject *
from_power_of_two(const char *s, const char *end, Py_ssize_t ndigits, int shift, bool neg)
{
    if (ndigits > PY_SSIZE_T_MAX / 8) {
        PyErr_SetString(PyExc_ValueError, "int string too large to convert");
        return NULL;
    }
    Py_ssize_t nd = (ndigits * shift + PyLong_SHIFT - 1) / PyLong_SHIFT;
    PyLongObject *v = nj_int_alloc(nd ? nd : 1);
    if (v == NULL) {
        return NULL;
    }
    digit *z = DIGITS(v);
    uint64_t acc = 0;
    int have = 0;
    Py_ssize_t k = 0;
    while (end > s) {
        char c = *--end;
        if (c == '_') {
            continue;
        }
        acc |= (uint64_t)_PyLong_DigitValue[(unsigned char)c] << have;
        have += shift;
        if (have >= PyLong_SHIFT) {
            z[k++] = (digit)acc & PyLong_MASK;
            acc >>= PyLong_SHIFT;
            have -= PyLong_SHIFT;
        }
    }
    if (k < nd) {
        z[k] = (digit)acc;
    }
    return nj_int_finish(v, neg);
}

static PyObject *
from_other_base(const char *s, const char *end, Py_ssize_t ndigits, int base, bool neg)
{
    if (ndigits <= 12 || (base == 10 && ndigits <= 18)) {
        /* 36**12 < 2**63, 10**18 < 2**63 */
        uint64_t m = 0;
        for (; s < end; s++) {
            if (*s != '_') {
                m = m * (uint64_t)base + _PyLong_DigitValue[(unsigned char)*s];
            }
        }
        return nj_int_from_i64(neg ? -(int64_t)m : (int64_t)m);
    }
    int limit = nj_interp()->numbers.max_str_digits;
    if (limit > 0 && ndigits > limit) {
        PyErr_Format(PyExc_ValueError, too_long_in, limit, ndigits);
        return NULL;
    }
    /* log2(36) < 5.17; mpn_set_str wants room for the result plus one limb. */
    size_t ln = (size_t)ndigits * 6 / 64 + 2;
    NJ_OWN_MEM(mp_limb_t) limbs = PyMem_Malloc(ln * sizeof(mp_limb_t) + (size_t)ndigits);
    if (limbs == NULL) {
        return PyErr_NoMemory();
    }
    unsigned char *text = (unsigned char *)(limbs + ln);
    size_t n = 0;
    for (; s < end; s++) {
        if (*s != '_') {
            unsigned char x = _PyLong_DigitValue[(unsigned char)*s];
            if (n || x) {
                text[n++] = x;
            }
        }
    }
    if (n == 0) {
        return nj_small_int(0);
    }
    size_t got = (size_t)mpn_set_str(limbs, text, n, base);
    while (got > 0 && limbs[got - 1] == 0) {
        got--;
    }
    size_t bits = got * 64 - (size_t)__builtin_clzll(limbs[got - 1]);
    Py_ssize_t nd = (Py_ssize_t)((bits + PyLong_SHIFT - 1) / PyLong_SHIFT);
    PyLongObject *v = nj_int_alloc(nd);
    if (v == NULL) {
        return NULL;
    }
    unsigned __int128 acc = 0;
    unsigned have = 0;
    size_t k = 0;
    for (Py_ssize_t i = 0; i < nd; i++) {
        if (have < PyLong_SHIFT && k < got) {
            acc |= (unsigned __int128)limbs[k++] << have;
            have += 64;
        }
        DIGITS(v)[i] = (digit)acc & PyLong_MASK;
        acc >>= PyLong_SHIFT;
        have -= PyLong_SHIFT;
    }
    return nj_int_finish(v, neg);
}

/* Parses one literal at *ps (leading white space allowed), leaves *ps behind it. NULL
 * without exception: not a literal (or an exception of its own). */
static PyObject *
parse_int(const char **ps, int *used_base)
{
    const char *s = *ps;
    int base = *used_base;
    bool neg = false, zero_only = false;
    while (Py_ISSPACE(*s)) {
        s++;
    }
    if (*s == '+' || *s == '-') {
        neg = *s == '-';
        s++;
    }
    char p = s[0] == '0' ? (char)(s[1] | 0x20) : 0;
    if (base == 0) {
        if (s[0] != '0') {
            base = 10;
        }
        else if (p == 'x') {
            base = 16;
        }
        else if (p == 'o') {
            base = 8;
        }
        else if (p == 'b') {
            base = 2;
        }
        else {
            base = 10;
            zero_only = true; /* "0", "00", "0_0", but not "010" */
        }
        *used_base = base;
    }
    if ((base == 16 && p == 'x') || (base == 8 && p == 'o') || (base == 2 && p == 'b')) {
        s += 2;
        if (*s == '_') {
            s++;
        }
    }
    if (*s == '_') {
        *ps = s;
        return NULL;
    }
    const char *start = s;
    Py_ssize_t ndigits = 0;
    bool nonzero = false;
    char prev = 0;
    if (base == 10) {
        /* Eight at a time: all of them digits? (The text ends with NUL.) */
        const uint64_t zeros = 0x3030303030303030u;
        for (size_t left = strlen(s); left >= 8; left -= 8) {
            uint64_t w;
            memcpy(&w, s, 8);
            if (((w & 0xf0f0f0f0f0f0f0f0u) ^ zeros) |
                (((w + 0x0606060606060606u) & 0xf0f0f0f0f0f0f0f0u) ^ zeros)) {
                break;
            }
            nonzero = nonzero || w != zeros;
            ndigits += 8;
            s += 8;
            prev = '0';
        }
    }
    while (_PyLong_DigitValue[(unsigned char)*s] < base || *s == '_') {
        if (*s == '_') {
            if (prev == '_') {
                *ps = s - 1;
                return NULL;
            }
        }
        else {
            ndigits++;
            nonzero = nonzero || *s != '0';
        }
        prev = *s++;
    }
    if (prev == '_' || ndigits == 0 || (zero_only && nonzero)) {
        *ps = prev == '_' ? s - 1 : zero_only && nonzero ? start : s;
        return NULL;
    }
    const char *end = s;
    while (Py_ISSPACE(*s)) {
        s++;
    }
    *ps = s;
    if ((base & (base - 1)) == 0) {
        return from_power_of_two(start, end, ndigits, __builtin_ctz((unsigned)base), neg);
    }
    return from_other_base(start, end, ndigits, base, neg);
}

static bool
base_ok(int base)
{
    if ((base != 0 && base < 2) || base > 36) {
        PyErr_SetString(PyExc_ValueError, "int() arg 2 must be >= 2 and <= 36");
        return false;
    }
    return true;
}

PyObject *
PyLong_FromString(const char *str, char **pend, int base)
{
    if (!base_ok(base)) {
        return NULL;
    }
    const char *s = str;
    PyObject *r = parse_int(&s, &base);
    if (r != NULL && *s == '\0') {
        if (pend) {
            *pend = (char *)s;
        }
        return r;
    }
    if (pend) {
        *pend = (char *)s;
    }
    if (r == NULL && PyErr_Occurred()) {
        return NULL;
    }
    Py_XDECREF(r);
    size_t n = strnlen(str, 200);
    NJ_OWN text = PyUnicode_FromStringAndSize(str, (Py_ssize_t)n);
    if (text != NULL) {
        PyErr_Format(PyExc_ValueError, "invalid literal for int() with base %d: %.200R",
                     base, text);
    }
    return NULL;
}

/* Text of known length that may hold NULs; source names the object in the message. */
static PyObject *
int_from_text(const char *s, Py_ssize_t len, int base, PyObject *source)
{
    if (!base_ok(base)) {
        return NULL;
    }
    const char *p = s;
    int used = base;
    PyObject *r = parse_int(&p, &used);
    if (r != NULL && p == s + len) {
        return r;
    }
    if (r == NULL && PyErr_Occurred()) {
        return NULL;
    }
    Py_XDECREF(r);
    PyErr_Format(PyExc_ValueError, "invalid literal for int() with base %d: %.200R", base,
                 source);
    return NULL;
}

PyObject *nj_int_from_bytes_text(const char *s, Py_ssize_t len, int base);

/* For int(b"12"): the text must end with NUL. */
PyObject *
nj_int_from_bytes_text(const char *s, Py_ssize_t len, int base)
{
    if (!base_ok(base)) {
        return NULL;
    }
    const char *p = s;
    int used = base;
    PyObject *r = parse_int(&p, &used);
    if (r != NULL && p == s + len) {
        return r;
    }
    if (r == NULL && PyErr_Occurred()) {
        return NULL;
    }
    Py_XDECREF(r);
    NJ_OWN b = PyBytes_FromStringAndSize(s, len < 200 ? len : 200);
    if (b != NULL) {
        PyErr_Format(PyExc_ValueError, "invalid literal for int() with base %d: %.200R",
                     base, b);
    }
    return NULL;
}

int
nj_number_text(PyObject *str, const char **text, Py_ssize_t *len, char **tofree)
{
    *tofree = NULL;
    Py_ssize_t n = PyUnicode_GET_LENGTH(str);
    if (PyUnicode_IS_ASCII(str)) {
        const char *s = (const char *)PyUnicode_1BYTE_DATA(str);
        Py_ssize_t i = 0;
        /* ASCII white space of str is wider than C's: 0x1c..0x1f count too. */
        while (i < n && Py_UNICODE_ISSPACE((Py_UCS4)(unsigned char)s[i])) {
            i++;
        }
        if (i == n || !Py_UNICODE_ISSPACE((Py_UCS4)(unsigned char)s[n - 1])) {
            *text = s + i;
            *len = n - i;
            return 0;
        }
    }
    char *buf = PyMem_Malloc((size_t)n + 1);
    if (buf == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    int kind = PyUnicode_KIND(str);
    const void *data = PyUnicode_DATA(str);
    Py_ssize_t a = 0, b = n;
    while (a < b && Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, a))) {
        a++;
    }
    while (b > a && Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, b - 1))) {
        b--;
    }
    for (Py_ssize_t i = a; i < b; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c > 127) {
            int d = Py_UNICODE_TODECIMAL(c);
            c = d < 0 ? Py_UNICODE_ISSPACE(c) ? ' ' : '?' : (Py_UCS4)('0' + d);
        }
        buf[i - a] = (char)c;
    }
    buf[b - a] = '\0';
    *text = *tofree = buf;
    *len = b - a;
    return 0;
}

PyObject *
PyLong_FromUnicodeObject(PyObject *u, int base)
{
    NJ_OWN_MEM(char) tofree = NULL;
    const char *text;
    Py_ssize_t len;
    if (nj_number_text(u, &text, &len, &tofree) < 0) {
        return NULL;
    }
    return int_from_text(text, len, base, u);
}

/* ---- C library replacements that ignore the locale --------------------------------- */

unsigned long
PyOS_strtoul(const char *str, char **ptr, int base)
{
    const char *s = str;
    while (Py_ISSPACE(*s)) {
        s++;
    }
    char p = s[0] == '0' ? (char)(s[1] | 0x20) : 0;
    int want = p == 'x' ? 16 : p == 'o' ? 8 : p == 'b' ? 2 : 0;
    if (want && (base == 0 || base == want)) {
        if (_PyLong_DigitValue[(unsigned char)s[2]] >= want) {
            if (ptr) {
                *ptr = (char *)s + 1;
            }
            return 0;
        }
        s += 2;
        base = want;
    }
    else if (base == 0) {
        if (s[0] == '0') {
            while (*s == '0') {
                s++;
            }
            while (Py_ISSPACE(*s)) {
                s++;
            }
            if (ptr) {
                *ptr = (char *)s;
            }
            return 0;
        }
        base = 10;
    }
    if (base < 2 || base > 36) {
        if (ptr) {
            *ptr = (char *)str;
        }
        return 0;
    }
    unsigned long v = 0;
    bool over = false;
    int d;
    while ((d = _PyLong_DigitValue[(unsigned char)*s]) < base) {
        unsigned long t;
        over |= __builtin_mul_overflow(v, (unsigned long)base, &t);
        over |= __builtin_add_overflow(t, (unsigned long)d, &v);
        s++;
    }
    if (ptr) {
        *ptr = (char *)s;
    }
    if (over) {
        errno = ERANGE;
        return ULONG_MAX;
    }
    return v;
}

long
PyOS_strtol(const char *str, char **ptr, int base)
{
    const char *s = str;
    while (Py_ISSPACE(*s)) {
        s++;
    }
    char sign = *s;
    if (sign == '+' || sign == '-') {
        s++;
    }
    unsigned long u = PyOS_strtoul(s, ptr, base);
    if (u <= LONG_MAX) {
        return sign == '-' ? -(long)u : (long)u;
    }
    if (sign == '-' && u == (unsigned long)LONG_MAX + 1) {
        return LONG_MIN;
    }
    errno = ERANGE;
    return LONG_MAX;
}

/* ucd.c - properties and case mappings of characters.
 *
 * Tables (ucd_tables.inc, made by tools/genucd.py) are two-level: 128 characters per
 * block, blocks shared, each entry the number of a record. A record holds flags and the
 * distances to the simple case mappings; the few characters whose full mapping has
 * several characters name an entry of special_cases. All data is constant.
 * SPDX-License-Identifier: MIT
 */
#include "objects/ucd.h"

typedef struct {
    uint16_t flags;
    int32_t lower, upper, title, fold; /* distance to the mapped character */
    uint8_t special;                   /* 1 + index into special_cases, or 0 */
    uint8_t numeric;                   /* 1 + index into numeric_values, or 0 */
    uint8_t decimal, digit;            /* 255: none */
} CharRecord;

typedef struct {
    uint8_t nlower;
    uint32_t lower[3];
    uint8_t nupper;
    uint32_t upper[3];
    uint8_t ntitle;
    uint32_t title[3];
    uint8_t nfold;
    uint32_t fold[3];
} SpecialCase;

#include "objects/ucd_tables.inc"

static inline const CharRecord *
record(Py_UCS4 ch)
{
    if (ch >= 0x110000) {
        ch = 0x10ffff; /* a non-character: no property but unassigned */
    }
    return &char_records[char_data[(char_index[ch >> 7] << 7) | (ch & 127)]];
}

unsigned
nj_ucd_flags(Py_UCS4 ch)
{
    return record(ch)->flags;
}

#define FULL_MAPPING(name)                                                             \
    int nj_ucd_##name(Py_UCS4 ch, Py_UCS4 *out)                                        \
    {                                                                                  \
        const CharRecord *r = record(ch);                                              \
        if (NJ_LIKELY(!r->special)) {                                                  \
            *out = (Py_UCS4)((int32_t)ch + r->name);                                   \
            return 1;                                                                  \
        }                                                                              \
        const SpecialCase *s = &special_cases[r->special - 1];                         \
        for (int i = 0; i < s->n##name; i++) {                                         \
            out[i] = s->name[i];                                                       \
        }                                                                              \
        return s->n##name;                                                             \
    }

FULL_MAPPING(lower)
FULL_MAPPING(upper)
FULL_MAPPING(title)
FULL_MAPPING(fold)

/* ---- the C API's single-character functions ------------------------------------------- */

int
_PyUnicode_IsLowercase(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_LOWER) != 0;
}

int
_PyUnicode_IsUppercase(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_UPPER) != 0;
}

int
_PyUnicode_IsTitlecase(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_TITLE) != 0;
}

int
_PyUnicode_IsWhitespace(const Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_SPACE) != 0;
}

int
_PyUnicode_IsDecimalDigit(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_DECIMAL) != 0;
}

int
_PyUnicode_IsDigit(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_DIGIT) != 0;
}

int
_PyUnicode_IsNumeric(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_NUMERIC) != 0;
}

int
_PyUnicode_IsPrintable(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_PRINTABLE) != 0;
}

int
_PyUnicode_IsAlpha(Py_UCS4 ch)
{
    return (nj_ucd_flags(ch) & NJ_UCD_ALPHA) != 0;
}

Py_UCS4
_PyUnicode_ToLowercase(Py_UCS4 ch)
{
    return (Py_UCS4)((int32_t)ch + record(ch)->lower);
}

Py_UCS4
_PyUnicode_ToUppercase(Py_UCS4 ch)
{
    return (Py_UCS4)((int32_t)ch + record(ch)->upper);
}

Py_UCS4
_PyUnicode_ToTitlecase(Py_UCS4 ch)
{
    return (Py_UCS4)((int32_t)ch + record(ch)->title);
}

int
_PyUnicode_ToDecimalDigit(Py_UCS4 ch)
{
    const CharRecord *r = record(ch);
    return r->decimal == 255 ? -1 : r->decimal;
}

int
_PyUnicode_ToDigit(Py_UCS4 ch)
{
    const CharRecord *r = record(ch);
    return r->digit == 255 ? -1 : r->digit;
}

double
_PyUnicode_ToNumeric(Py_UCS4 ch)
{
    const CharRecord *r = record(ch);
    return r->numeric ? numeric_values[r->numeric - 1] : -1.0;
}

/* Value number i of the table of numeric values (unicodedata's 3.2.0 database). */
double nj_ucd_numeric_value(int i);
double
nj_ucd_numeric_value(int i)
{
    return numeric_values[i];
}

const char nj_ucd_version[] = UCD_VERSION;

/* ---- ASCII tables ----------------------------------------------------------------------- */

const unsigned char _Py_ascii_whitespace[128] = {
    [9] = 1,  [10] = 1, [11] = 1, [12] = 1, [13] = 1,
    [28] = 1, [29] = 1, [30] = 1, [31] = 1, [32] = 1,
};

#define LOWER_BITS (PY_CTF_LOWER)
#define L PY_CTF_LOWER
#define U PY_CTF_UPPER
#define D (PY_CTF_DIGIT | PY_CTF_XDIGIT)
#define X PY_CTF_XDIGIT
#define S PY_CTF_SPACE
const unsigned int _Py_ctype_table[256] = {
    [9 ... 13] = S, [' '] = S, ['0' ... '9'] = D,
    ['A' ... 'F'] = U | X, ['G' ... 'Z'] = U,
    ['a' ... 'f'] = L | X, ['g' ... 'z'] = L,
};
#undef L
#undef U
#undef D
#undef X
#undef S

#define ROW(f, b)                                                                      \
    f(b), f(b + 1), f(b + 2), f(b + 3), f(b + 4), f(b + 5), f(b + 6), f(b + 7), f(b + 8),  \
        f(b + 9), f(b + 10), f(b + 11), f(b + 12), f(b + 13), f(b + 14), f(b + 15)
#define ALL(f)                                                                         \
    ROW(f, 0), ROW(f, 16), ROW(f, 32), ROW(f, 48), ROW(f, 64), ROW(f, 80), ROW(f, 96),  \
        ROW(f, 112), ROW(f, 128), ROW(f, 144), ROW(f, 160), ROW(f, 176), ROW(f, 192),   \
        ROW(f, 208), ROW(f, 224), ROW(f, 240)
#define TO_LOWER(c) ((c) >= 'A' && (c) <= 'Z' ? (c) + 32 : (c))
#define TO_UPPER(c) ((c) >= 'a' && (c) <= 'z' ? (c)-32 : (c))
const unsigned char _Py_ctype_tolower[256] = {ALL(TO_LOWER)};
const unsigned char _Py_ctype_toupper[256] = {ALL(TO_UPPER)};

/* ---- small text helpers of the C API ------------------------------------------------------ */

int
PyOS_mystrnicmp(const char *a, const char *b, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n; i++) {
        int x = Py_TOLOWER(a[i]), y = Py_TOLOWER(b[i]);
        if (x != y || x == 0) {
            return x - y;
        }
    }
    return 0;
}

int
PyOS_mystricmp(const char *a, const char *b)
{
    return PyOS_mystrnicmp(a, b, PY_SSIZE_T_MAX);
}

int
PyOS_vsnprintf(char *str, size_t size, const char *format, va_list va)
{
    if (size > INT_MAX - 512) {
        if (size > 0) {
            str[size - 1] = '\0';
        }
        return -666;
    }
    int n = vsnprintf(str, size, format, va);
    if (size > 0) {
        str[size - 1] = '\0';
    }
    return n;
}

int
PyOS_snprintf(char *str, size_t size, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    int n = PyOS_vsnprintf(str, size, format, va);
    va_end(va);
    return n;
}

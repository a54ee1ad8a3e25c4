/* str_case.c - case mapping and character tests of str.
 *
 * ASCII strings are mapped byte by byte. Others go through the full mappings of ucd.c,
 * where one character may become up to three (so the buffer is three times as long),
 * with the one rule that looks around: a capital sigma at the end of a word becomes a
 * final sigma.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_case.h"

#include "objects/str_int.h"
#include "objects/ucd.h"

/* ---- mapping ------------------------------------------------------------------------- */

enum { MAP_LOWER, MAP_UPPER, MAP_TITLE, MAP_CAPITALIZE, MAP_FOLD, MAP_SWAP };

static inline unsigned char
ascii_lower(unsigned char c)
{
    return (unsigned char)(c + (((unsigned char)(c - 'A') < 26) << 5));
}

static inline unsigned char
ascii_upper(unsigned char c)
{
    return (unsigned char)(c - (((unsigned char)(c - 'a') < 26) << 5));
}

static inline bool
ascii_is_letter(unsigned char c)
{
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

static PyObject *
map_ascii(PyObject *s, int how)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    const unsigned char *p = PyUnicode_DATA(s);
    if (n == 0) {
        return nj_str_empty();
    }
    PyObject *r = n == 1 ? NULL : PyUnicode_New(n, 0x7f);
    unsigned char one[2];
    unsigned char *d = one;
    if (n > 1) {
        if (r == NULL) {
            return NULL;
        }
        d = PyUnicode_DATA(r);
    }
    switch (how) {
    case MAP_LOWER:
    case MAP_FOLD:
        for (Py_ssize_t i = 0; i < n; i++) {
            d[i] = ascii_lower(p[i]);
        }
        break;
    case MAP_UPPER:
        for (Py_ssize_t i = 0; i < n; i++) {
            d[i] = ascii_upper(p[i]);
        }
        break;
    case MAP_CAPITALIZE:
        d[0] = ascii_upper(p[0]);
        for (Py_ssize_t i = 1; i < n; i++) {
            d[i] = ascii_lower(p[i]);
        }
        break;
    case MAP_TITLE: {
        bool cased = false;
        for (Py_ssize_t i = 0; i < n; i++) {
            d[i] = cased ? ascii_lower(p[i]) : ascii_upper(p[i]);
            cased = ascii_is_letter(p[i]);
        }
        break;
    }
    default:
        for (Py_ssize_t i = 0; i < n; i++) {
            d[i] = (unsigned char)(p[i] ^ (ascii_is_letter(p[i]) << 5));
        }
        break;
    }
    return n == 1 ? nj_str_latin1(one[0]) : r;
}

/* Is the capital sigma at i the last letter of a word? */
static bool
is_final_sigma(int kind, const void *p, Py_ssize_t n, Py_ssize_t i)
{
    Py_ssize_t j = i - 1;
    while (j >= 0 && (nj_ucd_flags(PyUnicode_READ(kind, p, j)) & NJ_UCD_CASE_IGNORABLE)) {
        j--;
    }
    if (j < 0 || !(nj_ucd_flags(PyUnicode_READ(kind, p, j)) & NJ_UCD_CASED)) {
        return false;
    }
    j = i + 1;
    while (j < n && (nj_ucd_flags(PyUnicode_READ(kind, p, j)) & NJ_UCD_CASE_IGNORABLE)) {
        j++;
    }
    return j == n || !(nj_ucd_flags(PyUnicode_READ(kind, p, j)) & NJ_UCD_CASED);
}

static int
lower_at(int kind, const void *p, Py_ssize_t n, Py_ssize_t i, Py_UCS4 c, Py_UCS4 *out)
{
    if (c == 0x3a3) {
        *out = is_final_sigma(kind, p, n, i) ? 0x3c2 : 0x3c3;
        return 1;
    }
    return nj_ucd_lower(c, out);
}

static PyObject *
map_case(PyObject *s, int how)
{
    if (PyUnicode_IS_ASCII(s)) {
        return map_ascii(s, how);
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    if ((size_t)n > PY_SSIZE_T_MAX / (3 * sizeof(Py_UCS4))) {
        PyErr_SetString(PyExc_OverflowError, "string is too long");
        return NULL;
    }
    Py_UCS4 *buf = PyMem_New(Py_UCS4, n * 3);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    Py_UCS4 *o = buf;
    bool cased = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, p, i);
        switch (how) {
        case MAP_LOWER: o += lower_at(kind, p, n, i, c, o); break;
        case MAP_UPPER: o += nj_ucd_upper(c, o); break;
        case MAP_FOLD: o += nj_ucd_fold(c, o); break;
        case MAP_CAPITALIZE:
            o += i == 0 ? nj_ucd_title(c, o) : lower_at(kind, p, n, i, c, o);
            break;
        case MAP_TITLE:
            o += cased ? lower_at(kind, p, n, i, c, o) : nj_ucd_title(c, o);
            cased = (nj_ucd_flags(c) & NJ_UCD_CASED) != 0;
            break;
        default: {
            unsigned f = nj_ucd_flags(c);
            if (f & NJ_UCD_UPPER) {
                o += lower_at(kind, p, n, i, c, o);
            } else if (f & NJ_UCD_LOWER) {
                o += nj_ucd_upper(c, o);
            } else {
                *o++ = c;
            }
            break;
        }
        }
    }
    PyObject *r = nj_str_from_ucs4(buf, o - buf);
    PyMem_Free(buf);
    return r;
}

PyObject *
nj_str_lower(PyObject *self, PyObject *unused)
{
    return map_case(self, MAP_LOWER);
}

PyObject *
nj_str_upper(PyObject *self, PyObject *unused)
{
    return map_case(self, MAP_UPPER);
}

PyObject *
nj_str_title(PyObject *self, PyObject *unused)
{
    return map_case(self, MAP_TITLE);
}

PyObject *
nj_str_capitalize(PyObject *self, PyObject *unused)
{
    return map_case(self, MAP_CAPITALIZE);
}

PyObject *
nj_str_casefold(PyObject *self, PyObject *unused)
{
    return map_case(self, MAP_FOLD);
}

PyObject *
nj_str_swapcase(PyObject *self, PyObject *unused)
{
    return map_case(self, MAP_SWAP);
}

/* ---- tests ---------------------------------------------------------------------------- */

static inline PyObject *
truth(bool b)
{
    return b ? Py_True : Py_False;
}

PyObject *
nj_str_isascii(PyObject *self, PyObject *unused)
{
    return truth(PyUnicode_IS_ASCII(self));
}

/* Non-empty and every character has one of the flags? */
static PyObject *
all_have(PyObject *s, unsigned flags, bool if_empty)
{
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!(nj_ucd_flags(PyUnicode_READ(kind, p, i)) & flags)) {
            Py_RETURN_FALSE;
        }
    }
    return truth(n != 0 || if_empty);
}

PyObject *
nj_str_isspace(PyObject *self, PyObject *unused)
{
    return all_have(self, NJ_UCD_SPACE, false);
}

PyObject *
nj_str_isdecimal(PyObject *self, PyObject *unused)
{
    return all_have(self, NJ_UCD_DECIMAL, false);
}

PyObject *
nj_str_isdigit(PyObject *self, PyObject *unused)
{
    return all_have(self, NJ_UCD_DIGIT, false);
}

PyObject *
nj_str_isnumeric(PyObject *self, PyObject *unused)
{
    return all_have(self, NJ_UCD_NUMERIC, false);
}

PyObject *
nj_str_isalpha(PyObject *self, PyObject *unused)
{
    return all_have(self, NJ_UCD_ALPHA, false);
}

PyObject *
nj_str_isalnum(PyObject *self, PyObject *unused)
{
    return all_have(self, NJ_UCD_ALNUM, false);
}

PyObject *
nj_str_isprintable(PyObject *self, PyObject *unused)
{
    return all_have(self, NJ_UCD_PRINTABLE, true);
}

static PyObject *
is_one_case(PyObject *s, unsigned want, unsigned never)
{
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    bool found = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned f = nj_ucd_flags(PyUnicode_READ(kind, p, i));
        if (f & never) {
            Py_RETURN_FALSE;
        }
        found |= (f & want) != 0;
    }
    return truth(found);
}

PyObject *
nj_str_islower(PyObject *self, PyObject *unused)
{
    return is_one_case(self, NJ_UCD_LOWER, NJ_UCD_UPPER | NJ_UCD_TITLE);
}

PyObject *
nj_str_isupper(PyObject *self, PyObject *unused)
{
    return is_one_case(self, NJ_UCD_UPPER, NJ_UCD_LOWER | NJ_UCD_TITLE);
}

PyObject *
nj_str_istitle(PyObject *self, PyObject *unused)
{
    int kind = PyUnicode_KIND(self);
    const void *p = PyUnicode_DATA(self);
    Py_ssize_t n = PyUnicode_GET_LENGTH(self);
    bool found = false, in_word = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned f = nj_ucd_flags(PyUnicode_READ(kind, p, i));
        if (f & (NJ_UCD_UPPER | NJ_UCD_TITLE)) {
            if (in_word) {
                Py_RETURN_FALSE;
            }
            in_word = found = true;
        } else if (f & NJ_UCD_LOWER) {
            if (!in_word) {
                Py_RETURN_FALSE;
            }
            found = true;
        } else {
            in_word = false;
        }
    }
    return truth(found);
}

int
PyUnicode_IsIdentifier(PyObject *s)
{
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (n == 0 || !(nj_ucd_flags(PyUnicode_READ(kind, p, 0)) & NJ_UCD_ID_START)) {
        return 0;
    }
    for (Py_ssize_t i = 1; i < n; i++) {
        if (!(nj_ucd_flags(PyUnicode_READ(kind, p, i)) & NJ_UCD_ID_CONTINUE)) {
            return 0;
        }
    }
    return 1;
}

PyObject *
nj_str_isidentifier(PyObject *self, PyObject *unused)
{
    return truth(PyUnicode_IsIdentifier(self));
}

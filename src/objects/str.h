/* str.h - what other areas may use of str beyond Python.h.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_STR_H
#define NJ_OBJECTS_STR_H

#include "nj.h"
#include "runtime/state.h"

/* Once per process, before any string is made or hashed: random == 0 uses seed (0 = hash
 * secret of zeros), otherwise the secret comes from the kernel. */
void nj_hash_set_seed(int random, unsigned long seed);
/* Once per process, after nj_hash_set_seed and before any type is readied: one-character
 * strings, the empty strings, the table of static identifiers. Cannot fail. */
void nj_str_init(void);
NJ_MUST int nj_str_interp_init(NjInterp *interp);
void nj_str_interp_fini(NjInterp *interp);

/* SipHash-1-3 of a buffer, never -1 */
Py_hash_t nj_hash_bytes(const void *p, Py_ssize_t n);
Py_hash_t nj_str_hash_slow(PyObject *s);

NJ_INLINE Py_hash_t
nj_str_hash(PyObject *s)
{
    Py_hash_t h = ((PyASCIIObject *)s)->hash;
    return NJ_LIKELY(h != -1) ? h : nj_str_hash_slow(s);
}

/* Equality of two str objects. Cannot fail. */
NJ_INLINE bool
nj_str_eq(PyObject *a, PyObject *b)
{
    if (a == b) {
        return true;
    }
    const PyASCIIObject *x = (const PyASCIIObject *)a, *y = (const PyASCIIObject *)b;
    if (x->length != y->length || x->state.kind != y->state.kind) {
        return false;
    }
    return memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b),
                  (size_t)x->length * x->state.kind) == 0;
}

typedef struct NjLatin1Char {
    PyCompactUnicodeObject head; /* of an ASCII character only the PyASCIIObject part */
    char text[8];
} NjLatin1Char;
typedef struct NjAsciiChar {
    PyASCIIObject head;
    char text[8];
} NjAsciiChar;
extern NjAsciiChar nj_ascii_chars[128];
extern NjLatin1Char nj_latin1_chars[128];
extern NjAsciiChar nj_empty_str;

/* The immortal one-character string, borrowed. */
NJ_INLINE PyObject *
nj_str_latin1(unsigned char c)
{
    return c < 128 ? (PyObject *)&nj_ascii_chars[c]
                   : (PyObject *)&nj_latin1_chars[c - 128];
}

NJ_INLINE PyObject *
nj_str_empty(void)
{
    return (PyObject *)&nj_empty_str;
}

/* Character i as a new str; i is in range. */
PyObject *nj_str_getitem(PyObject *s, Py_ssize_t i);
/* s[start:stop] by exact indices within range. */
PyObject *nj_str_slice(PyObject *s, Py_ssize_t start, Py_ssize_t stop);
/* items[0..n-1] (all str) joined by sep (str or NULL = empty). */
PyObject *nj_str_join_array(PyObject *sep, PyObject *const *items, Py_ssize_t n);
/* str of n ASCII bytes, no check made. */
PyObject *nj_str_from_ascii(const char *p, Py_ssize_t n);
PyObject *nj_str_from_ucs1(const Py_UCS1 *p, Py_ssize_t n);
PyObject *nj_str_from_ucs2(const Py_UCS2 *p, Py_ssize_t n);
PyObject *nj_str_from_ucs4(const Py_UCS4 *p, Py_ssize_t n);

/* Format one value the way format(value, spec) of str does; spec is a str. */
PyObject *nj_str_format_spec(PyObject *self, PyObject *spec);

/* ---- writer: builds a str piece by piece ---------------------------------------- */

typedef _PyUnicodeWriter NjStrWriter;

void nj_writer_init(NjStrWriter *w);
NJ_MUST int nj_writer_grow(NjStrWriter *w, Py_ssize_t length, Py_UCS4 maxchar);
NJ_MUST int nj_writer_str(NjStrWriter *w, PyObject *s);
NJ_MUST int nj_writer_substring(NjStrWriter *w, PyObject *s, Py_ssize_t start,
                                Py_ssize_t end);
NJ_MUST int nj_writer_ascii(NjStrWriter *w, const char *p, Py_ssize_t n);
NJ_MUST int nj_writer_latin1(NjStrWriter *w, const char *p, Py_ssize_t n);
NJ_MUST int nj_writer_repeat(NjStrWriter *w, Py_UCS4 ch, Py_ssize_t n);
NJ_MUST PyObject *nj_writer_finish(NjStrWriter *w);
void nj_writer_clear(NjStrWriter *w);
NJ_MUST int nj_writer_format_v(NjStrWriter *w, const char *format, va_list va);

/* Room for n more characters up to maxchar. */
NJ_INLINE int
nj_writer_prepare(NjStrWriter *w, Py_ssize_t n, Py_UCS4 maxchar)
{
    if (NJ_LIKELY(maxchar <= w->maxchar && n <= w->size - w->pos) || n == 0) {
        return 0;
    }
    return nj_writer_grow(w, n, maxchar);
}

NJ_INLINE int
nj_writer_char(NjStrWriter *w, Py_UCS4 ch)
{
    if (nj_writer_prepare(w, 1, ch) < 0) {
        return -1;
    }
    PyUnicode_WRITE(w->kind, w->data, w->pos, ch);
    w->pos++;
    return 0;
}

#endif

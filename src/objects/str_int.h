/* str_int.h - shared by the str and bytes files only.
 *
 * Kernels take (kind, data, length): kind is the width of a character, 1, 2 or 4, so the
 * bytes types use the same ones with kind 1.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_STR_INT_H
#define NJ_OBJECTS_STR_INT_H

#include "objects/str.h"

/* Runs BODY with C being the character type of kind. */
#define NJ_BY_KIND(kind, C, ...)                                                       \
    do {                                                                               \
        switch (kind) {                                                                \
        case 1: {                                                                      \
            typedef Py_UCS1 C;                                                         \
            __VA_ARGS__                                                                \
            break;                                                                     \
        }                                                                              \
        case 2: {                                                                      \
            typedef Py_UCS2 C;                                                         \
            __VA_ARGS__                                                                \
            break;                                                                     \
        }                                                                              \
        default: {                                                                     \
            typedef Py_UCS4 C;                                                         \
            __VA_ARGS__                                                                \
            break;                                                                     \
        }                                                                              \
        }                                                                              \
    } while (0)

NJ_INLINE const char *
nj_at(const void *data, int kind, Py_ssize_t i)
{
    return (const char *)data + i * kind;
}

/* 0x7f, 0xff, 0xffff or 0x10ffff: the class of the largest character. */
Py_UCS4 nj_max_char(int kind, const void *data, Py_ssize_t n);
/* Copies n characters between widths; every character fits. */
void nj_copy_chars(int to_kind, void *to, int from_kind, const void *from, Py_ssize_t n);
void nj_fill_chars(int kind, void *to, Py_UCS4 ch, Py_ssize_t n);
/* A str of n characters of width kind, in the smallest form. */
PyObject *nj_str_from_kind(int kind, const void *data, Py_ssize_t n);
/* The same string as an exact, compact str: s itself if it is one. New reference. */
PyObject *nj_str_exact(PyObject *s);
/* TypeError "must be str, not X" unless s is a str. */
NJ_MUST int nj_str_require(PyObject *s);
/* Is s a string that only the caller refers to and may be changed? */
bool nj_str_is_unique(PyObject *s);
/* First index of c at or after 0 in data[0..n), or -1. */
Py_ssize_t nj_find_char(int kind, const void *data, Py_ssize_t n, Py_UCS4 c);
Py_ssize_t nj_rfind_char(int kind, const void *data, Py_ssize_t n, Py_UCS4 c);
/* Index of pattern p[0..m) in s[0..n), both of width kind, or -1. m may be 0. */
Py_ssize_t nj_find(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m);
Py_ssize_t nj_rfind(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m);
/* Number of non-overlapping occurrences, at most max. */
Py_ssize_t nj_count(int kind, const void *s, Py_ssize_t n, const void *p, Py_ssize_t m,
                    Py_ssize_t max);

/* Clamps slice-like arguments as str.find does. */
NJ_INLINE void
nj_adjust_indices(Py_ssize_t *start, Py_ssize_t *end, Py_ssize_t len)
{
    if (*end > len) {
        *end = len;
    } else if (*end < 0) {
        *end += len;
        if (*end < 0) {
            *end = 0;
        }
    }
    if (*start < 0) {
        *start += len;
        if (*start < 0) {
            *start = 0;
        }
    }
}

/* An argument that must be an index: as PyLong_AsSsize_t, through __index__. */
Py_ssize_t nj_ssize_arg(PyObject *o);

/* "start" and "end" arguments of find and its kin: None or an index, clipped. */
NJ_MUST int nj_slice_index(PyObject *o, Py_ssize_t *out);

/* builtins.iter, for __reduce__ of iterators. New reference. */
PyObject *nj_builtin_iter(void);

/* str_find.c */
PyObject *nj_str_replace(PyObject *s, PyObject *old, PyObject *new_, Py_ssize_t max);
extern PyMethodDef nj_str_methods[];

/* str_codec.c */
NJ_MUST int nj_str_fill_utf8(PyObject *s);

/* Length of the longest prefix of ASCII bytes. */
Py_ssize_t nj_ascii_prefix(const char *p, Py_ssize_t n);

/* str_format.c */
PyObject *nj_str_format_method(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *nj_str_format_map(PyObject *self, PyObject *mapping);

#endif

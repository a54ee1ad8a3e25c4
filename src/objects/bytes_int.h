/* bytes_int.h - shared by bytes.c, bytearray.c and bytes_common.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_BYTES_INT_H
#define NJ_OBJECTS_BYTES_INT_H

#include "objects/str_int.h"

#define FAST(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL
#define FAST_KW(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL | METH_KEYWORDS
#define SIG(text, about) text "\n--\n\n" about

NJ_INLINE bool
nj_is_bytearray(PyObject *o)
{
    return !PyBytes_Check(o);
}

NJ_INLINE const char *
nj_bytes_data(PyObject *o)
{
    return nj_is_bytearray(o) ? PyByteArray_AS_STRING(o) : PyBytes_AS_STRING(o);
}

/* An object of the same basic type as like (bytes or bytearray). */
NJ_INLINE PyObject *
nj_bytes_make(PyObject *like, const char *p, Py_ssize_t n)
{
    return nj_is_bytearray(like) ? PyByteArray_FromStringAndSize(p, n)
                                 : PyBytes_FromStringAndSize(p, n);
}

/* Once per process: the one-byte objects. nj_str_init calls it. */
void nj_bytes_init(void);
/* PyBytes_DecodeEscape without the warning: *first_invalid is the character after the
 * first unknown backslash, or NULL. */
PyObject *nj_bytes_decode_escape(const char *s, Py_ssize_t len, const char *errors,
                                 const char **first_invalid);
/* "a bytes-like object is required, not 'X'" */
NJ_MUST int nj_get_bytes_like(PyObject *o, Py_buffer *view);
/* An int argument as a byte: ValueError "byte must be in range(0, 256)". */
NJ_MUST int nj_byte_value(PyObject *o, unsigned char *out);
/* 1/0/-1: in operator */
int nj_bytes_contains(PyObject *self, PyObject *arg);
/* b, or the immortal object for its only byte. Steals b, which may be NULL. */
PyObject *nj_bytes_shared(NJ_STEALS PyObject *b);
PyObject *nj_bytes_concat(PyObject *a, PyObject *b);
/* "..." % args for both types: a new bytes. */
PyObject *nj_bytes_percent(const char *format, Py_ssize_t n, PyObject *args);
/* prefix + quoted bytes + suffix. Smart quotes: "..." where that saves escapes. */
PyObject *nj_bytes_repr_text(const char *p, Py_ssize_t n, const char *prefix, bool smart_quotes,
                             bool always_escape, const char *suffix);
/* Hexadecimal text of memory, with separators every |group| bytes. sep may be NULL. */
PyObject *nj_hex_text(const char *p, Py_ssize_t n, PyObject *sep, int group);
/* Parses sep= and bytes_per_sep= of hex(). */
NJ_MUST int nj_hex_args(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                        PyObject **sep, int *group);
/* Source of bytes(x) / bytearray(x) when x is iterable: calls add for every byte. */
PyObject *nj_bytes_from_hex(PyObject *type, PyObject *text, bool bytearray_);

/* The methods that bytes and bytearray have in common; the tables list them all. */
#define NJ_BYTES_COMMON_METHODS                                                        \
    {"capitalize", nj_bytes_capitalize, METH_NOARGS,                                   \
     SIG("capitalize($self, /)", "First byte in upper case, the rest in lower case.")},   \
    {"center", FAST(nj_bytes_center),                                                  \
     SIG("center($self, width, fillchar=b' ', /)", "Centered in a field of width.")},  \
    {"count", FAST(nj_bytes_count),                                                    \
     SIG("count($self, sub[, start[, end]], /)", "Occurrences of sub.")},              \
    {"decode", FAST_KW(nj_bytes_decode),                                               \
     SIG("decode($self, /, encoding='utf-8', errors='strict')", "The text.")},         \
    {"endswith", FAST(nj_bytes_endswith),                                              \
     SIG("endswith($self, suffix[, start[, end]], /)", "Does it end with suffix?")},   \
    {"expandtabs", FAST_KW(nj_bytes_expandtabs),                                       \
     SIG("expandtabs($self, /, tabsize=8)", "Tabs replaced by spaces.")},              \
    {"find", FAST(nj_bytes_find),                                                      \
     SIG("find($self, sub[, start[, end]], /)", "Lowest index of sub, or -1.")},       \
    {"hex", FAST_KW(nj_bytes_hex),                                                     \
     SIG("hex($self, /, sep=<unrepresentable>, bytes_per_sep=1)",                      \
         "Two hexadecimal digits per byte.\n\n"                                        \
         "A separator, one character or byte, goes between groups of bytes_per_sep "   \
         "bytes,\ncounted from the right, or from the left if negative.\n\n"           \
         ">>> data = b'\\x01\\xab\\xff'\n"                                             \
         ">>> data.hex()\n"                                                            \
         "'01abff'\n"                                                                  \
         ">>> data.hex('-')\n"                                                         \
         "'01-ab-ff'\n"                                                                \
         ">>> data.hex(' ', 2)\n"                                                      \
         "'01 abff'\n"                                                                 \
         ">>> data.hex(' ', -2)\n"                                                     \
         "'01ab ff'")},                                                                \
    {"index", FAST(nj_bytes_index),                                                    \
     SIG("index($self, sub[, start[, end]], /)",                                       \
         "Lowest index of sub; ValueError if none.")},                                 \
    {"isalnum", nj_bytes_isalnum, METH_NOARGS,                                         \
     SIG("isalnum($self, /)", "Are all bytes ASCII letters or digits?")},              \
    {"isalpha", nj_bytes_isalpha, METH_NOARGS,                                         \
     SIG("isalpha($self, /)", "Are all bytes ASCII letters?")},                        \
    {"isascii", nj_bytes_isascii, METH_NOARGS,                                         \
     SIG("isascii($self, /)", "Are all bytes ASCII?")},                                \
    {"isdigit", nj_bytes_isdigit, METH_NOARGS,                                         \
     SIG("isdigit($self, /)", "Are all bytes ASCII digits?")},                         \
    {"islower", nj_bytes_islower, METH_NOARGS,                                         \
     SIG("islower($self, /)", "Is there a letter and no capital one?")},               \
    {"isspace", nj_bytes_isspace, METH_NOARGS,                                         \
     SIG("isspace($self, /)", "Are all bytes ASCII whitespace?")},                     \
    {"istitle", nj_bytes_istitle, METH_NOARGS,                                         \
     SIG("istitle($self, /)", "Is it in title case?")},                                \
    {"isupper", nj_bytes_isupper, METH_NOARGS,                                         \
     SIG("isupper($self, /)", "Is there a letter and no small one?")},                 \
    {"join", nj_bytes_join, METH_O,                                                    \
     SIG("join($self, iterable_of_bytes, /)", "The pieces with this between.")},       \
    {"ljust", FAST(nj_bytes_ljust),                                                    \
     SIG("ljust($self, width, fillchar=b' ', /)", "Left-justified.")},                 \
    {"lower", nj_bytes_lower, METH_NOARGS,                                             \
     SIG("lower($self, /)", "ASCII letters in lower case.")},                          \
    {"lstrip", FAST(nj_bytes_lstrip),                                                  \
     SIG("lstrip($self, bytes=None, /)", "Without leading whitespace or bytes.")},     \
    {"maketrans", FAST(nj_bytes_maketrans) | METH_STATIC,                              \
     SIG("maketrans(frm, to, /)",                                                      \
         "Translation table from two byte strings of the same length.")},              \
    {"partition", nj_bytes_partition, METH_O,                                          \
     SIG("partition($self, sep, /)", "(before, sep, after) at the first sep.")},       \
    {"replace", FAST(nj_bytes_replace),                                                \
     SIG("replace($self, old, new, count=-1, /)", "With old replaced by new.")},       \
    {"removeprefix", nj_bytes_removeprefix, METH_O,                                    \
     SIG("removeprefix($self, prefix, /)", "Without that prefix, if it has it.")},     \
    {"removesuffix", nj_bytes_removesuffix, METH_O,                                    \
     SIG("removesuffix($self, suffix, /)", "Without that suffix, if it has it.")},     \
    {"rfind", FAST(nj_bytes_rfind),                                                    \
     SIG("rfind($self, sub[, start[, end]], /)", "Highest index of sub, or -1.")},     \
    {"rindex", FAST(nj_bytes_rindex),                                                  \
     SIG("rindex($self, sub[, start[, end]], /)",                                      \
         "Highest index of sub; ValueError if none.")},                                \
    {"rjust", FAST(nj_bytes_rjust),                                                    \
     SIG("rjust($self, width, fillchar=b' ', /)", "Right-justified.")},                \
    {"rpartition", nj_bytes_rpartition, METH_O,                                        \
     SIG("rpartition($self, sep, /)", "(before, sep, after) at the last sep.")},       \
    {"rsplit", FAST_KW(nj_bytes_rsplit),                                               \
     SIG("rsplit($self, /, sep=None, maxsplit=-1)", "Parts, from the right.")},        \
    {"rstrip", FAST(nj_bytes_rstrip),                                                  \
     SIG("rstrip($self, bytes=None, /)", "Without trailing whitespace or bytes.")},    \
    {"split", FAST_KW(nj_bytes_split),                                                 \
     SIG("split($self, /, sep=None, maxsplit=-1)", "Parts between separators.")},      \
    {"splitlines", FAST_KW(nj_bytes_splitlines),                                       \
     SIG("splitlines($self, /, keepends=False)", "List of the lines.")},               \
    {"startswith", FAST(nj_bytes_startswith),                                          \
     SIG("startswith($self, prefix[, start[, end]], /)", "Does it begin with prefix?")},  \
    {"strip", FAST(nj_bytes_strip),                                                    \
     SIG("strip($self, bytes=None, /)", "Without whitespace or bytes at both ends.")}, \
    {"swapcase", nj_bytes_swapcase, METH_NOARGS,                                       \
     SIG("swapcase($self, /)", "ASCII letters in the other case.")},                   \
    {"title", nj_bytes_title, METH_NOARGS,                                             \
     SIG("title($self, /)", "Every word begins with a capital letter.")},              \
    {"translate", FAST_KW(nj_bytes_translate),                                         \
     SIG("translate($self, table, /, delete=b'')", "Every byte looked up in table.")}, \
    {"upper", nj_bytes_upper, METH_NOARGS,                                             \
     SIG("upper($self, /)", "ASCII letters in upper case.")},                          \
    {"zfill", nj_bytes_zfill, METH_O,                                                  \
     SIG("zfill($self, width, /)", "Padded with zeros after the sign.")}

#define NJ_NOARGS(name) PyObject *nj_bytes_##name(PyObject *self, PyObject *arg)
#define NJ_FASTARGS(name)                                                              \
    PyObject *nj_bytes_##name(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
#define NJ_KWARGS(name)                                                                \
    PyObject *nj_bytes_##name(PyObject *self, PyObject *const *args, Py_ssize_t nargs, \
                              PyObject *kwnames)
NJ_NOARGS(capitalize);
NJ_NOARGS(isalnum);
NJ_NOARGS(isalpha);
NJ_NOARGS(isascii);
NJ_NOARGS(isdigit);
NJ_NOARGS(islower);
NJ_NOARGS(isspace);
NJ_NOARGS(istitle);
NJ_NOARGS(isupper);
NJ_NOARGS(join);
NJ_NOARGS(lower);
NJ_NOARGS(partition);
NJ_NOARGS(removeprefix);
NJ_NOARGS(removesuffix);
NJ_NOARGS(rpartition);
NJ_NOARGS(swapcase);
NJ_NOARGS(title);
NJ_NOARGS(upper);
NJ_NOARGS(zfill);
NJ_FASTARGS(center);
NJ_FASTARGS(count);
NJ_FASTARGS(endswith);
NJ_FASTARGS(find);
NJ_FASTARGS(index);
NJ_FASTARGS(ljust);
NJ_FASTARGS(lstrip);
NJ_FASTARGS(maketrans);
NJ_FASTARGS(replace);
NJ_FASTARGS(rfind);
NJ_FASTARGS(rindex);
NJ_FASTARGS(rjust);
NJ_FASTARGS(rstrip);
NJ_FASTARGS(startswith);
NJ_FASTARGS(strip);
NJ_KWARGS(decode);
NJ_KWARGS(expandtabs);
NJ_KWARGS(hex);
NJ_KWARGS(rsplit);
NJ_KWARGS(split);
NJ_KWARGS(splitlines);
NJ_KWARGS(translate);

#endif

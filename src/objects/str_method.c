/* str_method.c - methods of str: finding, splitting, stripping, replacing, padding.
 *
 * Case and character tests are in str_case.c, formatting in str_format.c, codecs in
 * str_codec.c; the method table of the type is at the foot of this file.
 *
 * Every search runs on characters of the haystack's width: a pattern of wider characters
 * cannot occur, a narrower one is widened first (widen_pattern). Parts of a string keep
 * its character width only if they need it: they are made with nj_str_slice.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_int.h"

#include "capi/args.h"
#include "objects/str_case.h"
#include "objects/ucd.h"

/* ---- pattern of the haystack's width --------------------------------------------------- */

typedef struct {
    const void *data;
    Py_ssize_t len;
    void *owned; /* widened copy, or NULL */
    Py_UCS4 small[16];
} Pattern;

/* 1, 0 when the pattern cannot occur, -1 with MemoryError. */
static int
widen_pattern(Pattern *p, PyObject *pattern, int kind)
{
    int pk = PyUnicode_KIND(pattern);
    p->len = PyUnicode_GET_LENGTH(pattern);
    p->data = PyUnicode_DATA(pattern);
    p->owned = NULL;
    if (pk == kind) {
        return 1;
    }
    if (pk > kind) {
        return 0;
    }
    void *to = p->small;
    if (p->len > 16) {
        to = p->owned = PyMem_Malloc((size_t)p->len * (size_t)kind);
        if (to == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    nj_copy_chars(kind, to, pk, p->data, p->len);
    p->data = to;
    return 1;
}

static void
free_pattern(Pattern *p)
{
    PyMem_Free(p->owned);
}

/* Index of sub in s[start:end], -1 not found, -2 error. */
static Py_ssize_t
find_in(PyObject *s, PyObject *sub, Py_ssize_t start, Py_ssize_t end, int direction)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    nj_adjust_indices(&start, &end, n);
    Py_ssize_t m = PyUnicode_GET_LENGTH(sub);
    if (end - start < m) {
        return -1;
    }
    int kind = PyUnicode_KIND(s);
    const char *p = nj_at(PyUnicode_DATA(s), kind, start);
    Py_ssize_t r;
    if (m == 1) {
        Py_UCS4 c = PyUnicode_READ_CHAR(sub, 0);
        r = direction > 0 ? nj_find_char(kind, p, end - start, c)
                          : nj_rfind_char(kind, p, end - start, c);
    } else {
        Pattern pat;
        int ok = widen_pattern(&pat, sub, kind);
        if (ok <= 0) {
            return ok < 0 ? -2 : -1;
        }
        r = direction > 0 ? nj_find(kind, p, end - start, pat.data, m)
                          : nj_rfind(kind, p, end - start, pat.data, m);
        free_pattern(&pat);
    }
    return r < 0 ? -1 : r + start;
}

Py_ssize_t
PyUnicode_Find(PyObject *s, PyObject *sub, Py_ssize_t start, Py_ssize_t end, int direction)
{
    if (nj_str_require(s) < 0 || nj_str_require(sub) < 0) {
        return -2;
    }
    return find_in(s, sub, start, end, direction);
}

Py_ssize_t
PyUnicode_FindChar(PyObject *s, Py_UCS4 ch, Py_ssize_t start, Py_ssize_t end, int direction)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    nj_adjust_indices(&start, &end, n);
    if (end - start < 1) {
        return -1;
    }
    int kind = PyUnicode_KIND(s);
    const char *p = nj_at(PyUnicode_DATA(s), kind, start);
    Py_ssize_t r = direction > 0 ? nj_find_char(kind, p, end - start, ch)
                                 : nj_rfind_char(kind, p, end - start, ch);
    return r < 0 ? -1 : r + start;
}

static Py_ssize_t
count_in(PyObject *s, PyObject *sub, Py_ssize_t start, Py_ssize_t end)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    nj_adjust_indices(&start, &end, n);
    if (end - start < PyUnicode_GET_LENGTH(sub)) {
        return 0;
    }
    int kind = PyUnicode_KIND(s);
    Pattern pat;
    int ok = widen_pattern(&pat, sub, kind);
    if (ok <= 0) {
        return ok;
    }
    Py_ssize_t r = nj_count(kind, nj_at(PyUnicode_DATA(s), kind, start), end - start,
                            pat.data, pat.len, PY_SSIZE_T_MAX);
    free_pattern(&pat);
    return r;
}

Py_ssize_t
PyUnicode_Count(PyObject *s, PyObject *sub, Py_ssize_t start, Py_ssize_t end)
{
    if (nj_str_require(s) < 0 || nj_str_require(sub) < 0) {
        return -1;
    }
    return count_in(s, sub, start, end);
}

static bool
tail_matches(PyObject *s, PyObject *sub, Py_ssize_t start, Py_ssize_t end, int direction)
{
    nj_adjust_indices(&start, &end, PyUnicode_GET_LENGTH(s));
    Py_ssize_t m = PyUnicode_GET_LENGTH(sub);
    if (end - start < m) {
        return false;
    }
    if (m == 0) {
        return true;
    }
    int k = PyUnicode_KIND(s), ks = PyUnicode_KIND(sub);
    if (ks > k) {
        return false;
    }
    Py_ssize_t at = direction > 0 ? end - m : start;
    const void *p = PyUnicode_DATA(s), *q = PyUnicode_DATA(sub);
    if (ks == k) {
        return memcmp(nj_at(p, k, at), q, (size_t)(m * k)) == 0;
    }
    for (Py_ssize_t i = 0; i < m; i++) {
        if (PyUnicode_READ(k, p, at + i) != PyUnicode_READ(ks, q, i)) {
            return false;
        }
    }
    return true;
}

Py_ssize_t
PyUnicode_Tailmatch(PyObject *s, PyObject *sub, Py_ssize_t start, Py_ssize_t end,
                    int direction)
{
    if (nj_str_require(s) < 0 || nj_str_require(sub) < 0) {
        return -1;
    }
    return tail_matches(s, sub, start, end, direction);
}

/* ---- find, index, count, startswith ------------------------------------------------------ */

static int
parse_find_args(const char *name, PyObject *const *args, Py_ssize_t nargs, PyObject **sub,
                Py_ssize_t *start, Py_ssize_t *end)
{
    if (NJ_UNLIKELY(nargs < 1 || nargs > 3) &&
        !_PyArg_CheckPositional(name, nargs, 1, 3)) {
        return -1;
    }
    if (NJ_UNLIKELY(!PyUnicode_Check(args[0]))) {
        _PyArg_BadArgument(name, "argument 1", "str", args[0]);
        return -1;
    }
    *sub = args[0];
    *start = 0;
    *end = PY_SSIZE_T_MAX;
    if (nargs >= 2 && nj_slice_index(args[1], start) < 0) {
        return -1;
    }
    if (nargs >= 3 && nj_slice_index(args[2], end) < 0) {
        return -1;
    }
    return 0;
}

static PyObject *
find_method(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
            int direction, bool must)
{
    PyObject *sub;
    Py_ssize_t start, end;
    if (parse_find_args(name, args, nargs, &sub, &start, &end) < 0) {
        return NULL;
    }
    Py_ssize_t r = find_in(self, sub, start, end, direction);
    if (r == -2) {
        return NULL;
    }
    if (r < 0 && must) {
        PyErr_SetString(PyExc_ValueError, "substring not found");
        return NULL;
    }
    return PyLong_FromSsize_t(r);
}

static PyObject *
str_find(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return find_method("find", self, args, nargs, 1, false);
}

static PyObject *
str_rfind(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return find_method("rfind", self, args, nargs, -1, false);
}

static PyObject *
str_index(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return find_method("index", self, args, nargs, 1, true);
}

static PyObject *
str_rindex(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return find_method("rindex", self, args, nargs, -1, true);
}

static PyObject *
str_count(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *sub;
    Py_ssize_t start, end;
    if (parse_find_args("count", args, nargs, &sub, &start, &end) < 0) {
        return NULL;
    }
    Py_ssize_t r = count_in(self, sub, start, end);
    return r < 0 ? NULL : PyLong_FromSsize_t(r);
}

static PyObject *
affix_method(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
             int direction)
{
    if (NJ_UNLIKELY(nargs < 1 || nargs > 3) &&
        !_PyArg_CheckPositional(name, nargs, 1, 3)) {
        return NULL;
    }
    Py_ssize_t start = 0, end = PY_SSIZE_T_MAX;
    if (nargs >= 2 && nj_slice_index(args[1], &start) < 0) {
        return NULL;
    }
    if (nargs >= 3 && nj_slice_index(args[2], &end) < 0) {
        return NULL;
    }
    PyObject *sub = args[0];
    if (PyUnicode_Check(sub)) {
        return PyBool_FromLong(tail_matches(self, sub, start, end, direction));
    }
    if (!PyTuple_Check(sub)) {
        PyErr_Format(PyExc_TypeError,
                     "%s first arg must be str or a tuple of str, not %.100s", name,
                     Py_TYPE(sub)->tp_name);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(sub); i++) {
        PyObject *one = PyTuple_GET_ITEM(sub, i);
        if (!PyUnicode_Check(one)) {
            PyErr_Format(PyExc_TypeError,
                         "tuple for %s must only contain str, not %.100s", name,
                         Py_TYPE(one)->tp_name);
            return NULL;
        }
        if (tail_matches(self, one, start, end, direction)) {
            Py_RETURN_TRUE;
        }
    }
    Py_RETURN_FALSE;
}

static PyObject *
str_startswith(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return affix_method("startswith", self, args, nargs, -1);
}

static PyObject *
str_endswith(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return affix_method("endswith", self, args, nargs, 1);
}

static PyObject *
str_removeprefix(PyObject *self, PyObject *prefix)
{
    if (!PyUnicode_Check(prefix)) {
        _PyArg_BadArgument("removeprefix", "argument", "str", prefix);
        return NULL;
    }
    if (tail_matches(self, prefix, 0, PY_SSIZE_T_MAX, -1)) {
        return nj_str_slice(self, PyUnicode_GET_LENGTH(prefix), PyUnicode_GET_LENGTH(self));
    }
    return nj_str_exact(self);
}

static PyObject *
str_removesuffix(PyObject *self, PyObject *suffix)
{
    if (!PyUnicode_Check(suffix)) {
        _PyArg_BadArgument("removesuffix", "argument", "str", suffix);
        return NULL;
    }
    if (tail_matches(self, suffix, 0, PY_SSIZE_T_MAX, 1)) {
        return nj_str_slice(self, 0,
                            PyUnicode_GET_LENGTH(self) - PyUnicode_GET_LENGTH(suffix));
    }
    return nj_str_exact(self);
}

/* ---- replace -------------------------------------------------------------------------------- */

static PyObject *
replace_char_same_length(PyObject *s, Py_UCS4 from, Py_UCS4 to, Py_ssize_t max)
{
    int kind = PyUnicode_KIND(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    const void *p = PyUnicode_DATA(s);
    Py_ssize_t i = nj_find_char(kind, p, n, from);
    if (i < 0) {
        return nj_str_exact(s);
    }
    Py_UCS4 top = PyUnicode_MAX_CHAR_VALUE(s);
    Py_UCS4 to_class = to < 0x80 ? 0x7f : to < 0x100 ? 0xff : to < 0x10000 ? 0xffff : 0x10ffff;
    if (to_class == top || (to_class < top && from < 128)) {
        /* the result has the form of s */
        PyObject *r = PyUnicode_New(n, top);
        if (r == NULL) {
            return NULL;
        }
        void *d = PyUnicode_DATA(r);
        memcpy(d, p, (size_t)(n * kind));
        NJ_BY_KIND(kind, C, {
            C *c = d;
            if (max >= n) {
                for (; i < n; i++) {
                    c[i] = c[i] == (C)from ? (C)to : c[i];
                }
            } else {
                for (; i < n && max > 0; i++) {
                    if (c[i] == (C)from) {
                        c[i] = (C)to;
                        max--;
                    }
                }
            }
        });
        return r;
    }
    /* the form may change either way: build in 4 bytes */
    Py_UCS4 *buf = PyMem_New(Py_UCS4, n);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    nj_copy_chars(4, buf, kind, p, n);
    for (; i < n && max > 0; i++) {
        if (buf[i] == from) {
            buf[i] = to;
            max--;
        }
    }
    PyObject *r = nj_str_from_ucs4(buf, n);
    PyMem_Free(buf);
    return r;
}

PyObject *
nj_str_replace(PyObject *s, PyObject *old, PyObject *new_, Py_ssize_t max)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s), m = PyUnicode_GET_LENGTH(old);
    Py_ssize_t w = PyUnicode_GET_LENGTH(new_);
    if (max < 0) {
        max = PY_SSIZE_T_MAX;
    }
    if (max == 0 || n < m || (m == w && nj_str_eq(old, new_))) {
        return nj_str_exact(s);
    }
    int kind = PyUnicode_KIND(s);
    if (m == 1 && w == 1) {
        return replace_char_same_length(s, PyUnicode_READ_CHAR(old, 0),
                                        PyUnicode_READ_CHAR(new_, 0), max);
    }
    Pattern pat;
    int ok = widen_pattern(&pat, old, kind);
    if (ok <= 0) {
        return ok < 0 ? NULL : nj_str_exact(s);
    }
    /* positions of the first matches are remembered, so the usual case searches once */
    Py_ssize_t where[64];
    Py_ssize_t count = 0;
    const void *p = PyUnicode_DATA(s);
    if (m == 0) {
        count = n < max ? n + 1 : max;
    } else {
        for (Py_ssize_t i = 0; count < max;) {
            Py_ssize_t at = nj_find(kind, nj_at(p, kind, i), n - i, pat.data, m);
            if (at < 0) {
                break;
            }
            i += at;
            if (count < 64) {
                where[count] = i;
            }
            count++;
            i += m;
            if (count == 64) {
                count += nj_count(kind, nj_at(p, kind, i), n - i, pat.data, m, max - count);
                break;
            }
        }
    }
    if (count == 0) {
        free_pattern(&pat);
        return nj_str_exact(s);
    }
    if (w > m && w - m > (PY_SSIZE_T_MAX - n) / count) {
        free_pattern(&pat);
        PyErr_SetString(PyExc_OverflowError, "replace string is too long");
        return NULL;
    }
    Py_ssize_t total = n + count * (w - m);
    Py_UCS4 top = PyUnicode_MAX_CHAR_VALUE(s), top_new = PyUnicode_MAX_CHAR_VALUE(new_);
    /* Removing characters may make the rest narrower: then build wide and shrink. */
    bool may_shrink = top > 127 && PyUnicode_MAX_CHAR_VALUE(old) > 127;
    Py_UCS4 top_all = Py_MAX(top, top_new);
    PyObject *r = PyUnicode_New(total, top_all);
    if (r == NULL) {
        free_pattern(&pat);
        return NULL;
    }
    if (total == 0) {
        free_pattern(&pat);
        return r;
    }
    int rk = PyUnicode_KIND(r), wk = PyUnicode_KIND(new_);
    char *d = PyUnicode_DATA(r);
    const void *np = PyUnicode_DATA(new_);
    Py_ssize_t i = 0;
    if (m == 0) {
        for (Py_ssize_t k = 0; k < count; k++) {
            nj_copy_chars(rk, d, wk, np, w);
            d += w * rk;
            if (i < n) {
                nj_copy_chars(rk, d, kind, nj_at(p, kind, i), 1);
                d += rk;
                i++;
            }
        }
    } else {
        for (Py_ssize_t k = 0; k < count; k++) {
            Py_ssize_t at =
                k < 64 ? where[k]
                       : i + nj_find(kind, nj_at(p, kind, i), n - i, pat.data, m);
            nj_copy_chars(rk, d, kind, nj_at(p, kind, i), at - i);
            d += (at - i) * rk;
            nj_copy_chars(rk, d, wk, np, w);
            d += w * rk;
            i = at + m;
        }
    }
    nj_copy_chars(rk, d, kind, nj_at(p, kind, i), n - i);
    free_pattern(&pat);
    if (may_shrink || total == 1) {
        PyObject *small = nj_str_from_kind(rk, PyUnicode_DATA(r), total);
        Py_DECREF(r);
        return small;
    }
    return r;
}

PyObject *
PyUnicode_Replace(PyObject *s, PyObject *old, PyObject *new_, Py_ssize_t max)
{
    if (nj_str_require(s) < 0 || nj_str_require(old) < 0 || nj_str_require(new_) < 0) {
        return NULL;
    }
    return nj_str_replace(s, old, new_, max);
}

static const char *const replace_names[] = {"", "", "count", NULL};
static const NjParams replace_params = {"replace", replace_names, 3, 2, 0};

static PyObject *
str_replace(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *a[3] = {NULL, NULL, NULL};
    if (nargs == 2 && kwnames == NULL) {
        a[0] = args[0];
        a[1] = args[1];
    } else if (nj_args_bind(&replace_params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (!PyUnicode_Check(a[i])) {
            _PyArg_BadArgument("replace", i ? "argument 2" : "argument 1", "str", a[i]);
            return NULL;
        }
    }
    Py_ssize_t max = -1;
    if (a[2] != NULL) {
        max = nj_ssize_arg(a[2]);
        if (max == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    return nj_str_replace(self, a[0], a[1], max);
}

/* ---- split and partition ----------------------------------------------------------------------- */

/* A growing run of owned references that becomes a list. */
typedef struct {
    PyObject **items;
    Py_ssize_t n, cap;
    PyObject *small[32];
} Parts;

static void
init_parts(Parts *parts)
{
    parts->items = parts->small;
    parts->n = 0;
    parts->cap = NJ_ARRAY_LEN(parts->small);
}

static void
free_parts(Parts *parts)
{
    for (Py_ssize_t i = 0; i < parts->n; i++) {
        Py_DECREF(parts->items[i]);
    }
    if (parts->items != parts->small) {
        PyMem_Free(parts->items);
    }
}

/* Takes the reference; NULL is an error that is already set. */
static int
add_part(Parts *parts, PyObject *part)
{
    if (part == NULL) {
        return -1;
    }
    if (NJ_UNLIKELY(parts->n == parts->cap)) {
        Py_ssize_t cap = parts->cap * 2;
        PyObject **items = parts->items == parts->small ? NULL : parts->items;
        items = PyMem_Realloc(items, (size_t)cap * sizeof(PyObject *));
        if (items == NULL) {
            Py_DECREF(part);
            PyErr_NoMemory();
            return -1;
        }
        if (parts->items == parts->small) {
            memcpy(items, parts->small, sizeof(parts->small));
        }
        parts->items = items;
        parts->cap = cap;
    }
    parts->items[parts->n++] = part;
    return 0;
}

/* The list of the parts, in reverse if so wanted; ends the Parts. */
static PyObject *
list_of_parts(Parts *parts, bool reversed)
{
    PyObject *list = PyList_New(parts->n);
    if (list == NULL) {
        free_parts(parts);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < parts->n; i++) {
        PyList_SET_ITEM(list, reversed ? parts->n - 1 - i : i, parts->items[i]);
    }
    if (parts->items != parts->small) {
        PyMem_Free(parts->items);
    }
    return list;
}

static PyObject *
split_whitespace(PyObject *s, Py_ssize_t max, bool from_right)
{
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    bool ascii = PyUnicode_IS_ASCII(s);
    Parts parts;
    init_parts(&parts);
#define IS_SPACE(i)                                                                    \
    (ascii ? _Py_ascii_whitespace[((const unsigned char *)p)[i]]                       \
           : Py_UNICODE_ISSPACE(PyUnicode_READ(kind, p, i)))
    if (!from_right) {
        Py_ssize_t i = 0;
        while (max-- > 0) {
            while (i < n && IS_SPACE(i)) {
                i++;
            }
            if (i == n) {
                break;
            }
            Py_ssize_t from = i++;
            while (i < n && !IS_SPACE(i)) {
                i++;
            }
            if (add_part(&parts, nj_str_slice(s, from, i)) < 0) {
                goto fail;
            }
        }
        while (i < n && IS_SPACE(i)) {
            i++;
        }
        if (i < n && add_part(&parts, nj_str_slice(s, i, n)) < 0) {
            goto fail;
        }
    } else {
        Py_ssize_t i = n;
        while (max-- > 0) {
            while (i > 0 && IS_SPACE(i - 1)) {
                i--;
            }
            if (i == 0) {
                break;
            }
            Py_ssize_t to = i--;
            while (i > 0 && !IS_SPACE(i - 1)) {
                i--;
            }
            if (add_part(&parts, nj_str_slice(s, i, to)) < 0) {
                goto fail;
            }
        }
        while (i > 0 && IS_SPACE(i - 1)) {
            i--;
        }
        if (i > 0 && add_part(&parts, nj_str_slice(s, 0, i)) < 0) {
            goto fail;
        }
    }
#undef IS_SPACE
    return list_of_parts(&parts, from_right);
fail:
    free_parts(&parts);
    return NULL;
}

static PyObject *
split(PyObject *s, PyObject *sep, Py_ssize_t max, bool from_right)
{
    if (max < 0) {
        max = PY_SSIZE_T_MAX;
    }
    if (sep == NULL) {
        return split_whitespace(s, max, from_right);
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s), m = PyUnicode_GET_LENGTH(sep);
    if (m == 0) {
        PyErr_SetString(PyExc_ValueError, "empty separator");
        return NULL;
    }
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    Pattern pat;
    int ok = widen_pattern(&pat, sep, kind);
    if (ok < 0) {
        return NULL;
    }
    Parts parts;
    init_parts(&parts);
    if (!from_right) {
        Py_ssize_t i = 0;
        while (ok && max-- > 0) {
            Py_ssize_t at = nj_find(kind, nj_at(p, kind, i), n - i, pat.data, m);
            if (at < 0) {
                break;
            }
            if (add_part(&parts, nj_str_slice(s, i, i + at)) < 0) {
                goto fail;
            }
            i += at + m;
        }
        if (add_part(&parts, nj_str_slice(s, i, n)) < 0) {
            goto fail;
        }
    } else {
        Py_ssize_t end = n;
        while (ok && max-- > 0) {
            Py_ssize_t at = nj_rfind(kind, p, end, pat.data, m);
            if (at < 0) {
                break;
            }
            if (add_part(&parts, nj_str_slice(s, at + m, end)) < 0) {
                goto fail;
            }
            end = at;
        }
        if (add_part(&parts, nj_str_slice(s, 0, end)) < 0) {
            goto fail;
        }
    }
    free_pattern(&pat);
    return list_of_parts(&parts, from_right);
fail:
    free_pattern(&pat);
    free_parts(&parts);
    return NULL;
}

PyObject *
PyUnicode_Split(PyObject *s, PyObject *sep, Py_ssize_t max)
{
    if (nj_str_require(s) < 0 || (sep != NULL && nj_str_require(sep) < 0)) {
        return NULL;
    }
    return split(s, sep, max, false);
}

PyObject *
PyUnicode_RSplit(PyObject *s, PyObject *sep, Py_ssize_t max)
{
    if (nj_str_require(s) < 0 || (sep != NULL && nj_str_require(sep) < 0)) {
        return NULL;
    }
    return split(s, sep, max, true);
}

static const char *const split_names[] = {"sep", "maxsplit", NULL};
static const NjParams split_params = {"split", split_names, 2, 0, 0};
static const NjParams rsplit_params = {"rsplit", split_names, 2, 0, 0};

static PyObject *
split_method(const NjParams *params, PyObject *self, PyObject *const *args,
             Py_ssize_t nargs, PyObject *kwnames, bool from_right)
{
    PyObject *a[2] = {NULL, NULL};
    if (nargs <= 1 && kwnames == NULL) {
        a[0] = nargs ? args[0] : NULL;
    } else if (nj_args_bind(params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    Py_ssize_t max = -1;
    if (a[1] != NULL) {
        max = nj_ssize_arg(a[1]);
        if (max == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (a[0] == NULL || a[0] == Py_None) {
        return split(self, NULL, max, from_right);
    }
    if (!PyUnicode_Check(a[0])) {
        PyErr_Format(PyExc_TypeError, "must be str or None, not %.100s",
                     Py_TYPE(a[0])->tp_name);
        return NULL;
    }
    return split(self, a[0], max, from_right);
}

static PyObject *
str_split(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return split_method(&split_params, self, args, nargs, kwnames, false);
}

static PyObject *
str_rsplit(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return split_method(&rsplit_params, self, args, nargs, kwnames, true);
}

static PyObject *
partition(PyObject *s, PyObject *sep, bool from_right)
{
    if (nj_str_require(s) < 0 || nj_str_require(sep) < 0) {
        return NULL;
    }
    Py_ssize_t m = PyUnicode_GET_LENGTH(sep), n = PyUnicode_GET_LENGTH(s);
    if (m == 0) {
        PyErr_SetString(PyExc_ValueError, "empty separator");
        return NULL;
    }
    Py_ssize_t at = find_in(s, sep, 0, PY_SSIZE_T_MAX, from_right ? -1 : 1);
    if (at == -2) {
        return NULL;
    }
    if (at < 0) {
        NJ_OWN all = nj_str_exact(s);
        if (all == NULL) {
            return NULL;
        }
        return from_right ? PyTuple_Pack(3, nj_str_empty(), nj_str_empty(), all)
                          : PyTuple_Pack(3, all, nj_str_empty(), nj_str_empty());
    }
    NJ_OWN left = nj_str_slice(s, 0, at);
    NJ_OWN right = nj_str_slice(s, at + m, n);
    if (left == NULL || right == NULL) {
        return NULL;
    }
    return PyTuple_Pack(3, left, sep, right);
}

PyObject *
PyUnicode_Partition(PyObject *s, PyObject *sep)
{
    return partition(s, sep, false);
}

PyObject *
PyUnicode_RPartition(PyObject *s, PyObject *sep)
{
    return partition(s, sep, true);
}

/* Line ends below 256: \n \v \f \r \x1c \x1d \x1e \x85 */
static inline bool
is_line_end(Py_UCS4 c)
{
    if (c < 0x20) {
        return (0x70003c00u >> c) & 1;
    }
    return c >= 0x85 && (c == 0x85 || c == 0x2028 || c == 0x2029);
}

int
_PyUnicode_IsLinebreak(const Py_UCS4 ch)
{
    return is_line_end(ch);
}

PyObject *
PyUnicode_Splitlines(PyObject *s, int keepends)
{
    if (nj_str_require(s) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    Parts parts;
    init_parts(&parts);
    NJ_BY_KIND(PyUnicode_KIND(s), C, {
        const C *p = PyUnicode_DATA(s);
        for (Py_ssize_t i = 0; i < n;) {
            Py_ssize_t from = i;
            while (i < n && !is_line_end(p[i])) {
                i++;
            }
            Py_ssize_t end = i;
            if (i < n) {
                i += p[i] == '\r' && i + 1 < n && p[i + 1] == '\n' ? 2 : 1;
                if (keepends) {
                    end = i;
                }
            }
            if (add_part(&parts, nj_str_slice(s, from, end)) < 0) {
                free_parts(&parts);
                return NULL;
            }
        }
    });
    return list_of_parts(&parts, false);
}

static const char *const splitlines_names[] = {"keepends", NULL};
static const NjParams splitlines_params = {"splitlines", splitlines_names, 1, 0, 0};

static PyObject *
str_splitlines(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *keep = NULL;
    if (nj_args_bind(&splitlines_params, args, nargs, kwnames, &keep) < 0) {
        return NULL;
    }
    int keepends = keep == NULL ? 0 : PyObject_IsTrue(keep);
    return keepends < 0 ? NULL : PyUnicode_Splitlines(self, keepends);
}

static PyObject *
str_join(PyObject *self, PyObject *iterable)
{
    return PyUnicode_Join(self, iterable);
}

/* ---- strip ------------------------------------------------------------------------------------- */

static PyObject *
strip(PyObject *s, PyObject *chars, bool left, bool right)
{
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    Py_ssize_t i = 0, end = PyUnicode_GET_LENGTH(s);
    if (chars == NULL) {
        if (left) {
            while (i < end && Py_UNICODE_ISSPACE(PyUnicode_READ(kind, p, i))) {
                i++;
            }
        }
        if (right) {
            while (end > i && Py_UNICODE_ISSPACE(PyUnicode_READ(kind, p, end - 1))) {
                end--;
            }
        }
        return nj_str_slice(s, i, end);
    }
    uint64_t low[4] = {0, 0, 0, 0};
    int ck = PyUnicode_KIND(chars);
    const void *cp = PyUnicode_DATA(chars);
    Py_ssize_t cn = PyUnicode_GET_LENGTH(chars);
    bool wide = false;
    for (Py_ssize_t k = 0; k < cn; k++) {
        Py_UCS4 c = PyUnicode_READ(ck, cp, k);
        if (c < 256) {
            low[c >> 6] |= 1ull << (c & 63);
        } else {
            wide = true;
        }
    }
#define IN_SET(c)                                                                      \
    ((c) < 256 ? (low[(c) >> 6] >> ((c) & 63)) & 1 : wide && nj_find_char(ck, cp, cn, c) >= 0)
    if (left) {
        for (; i < end; i++) {
            Py_UCS4 c = PyUnicode_READ(kind, p, i);
            if (!IN_SET(c)) {
                break;
            }
        }
    }
    if (right) {
        for (; end > i; end--) {
            Py_UCS4 c = PyUnicode_READ(kind, p, end - 1);
            if (!IN_SET(c)) {
                break;
            }
        }
    }
#undef IN_SET
    return nj_str_slice(s, i, end);
}

static PyObject *
strip_method(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
             bool left, bool right)
{
    if (nargs > 1 && !_PyArg_CheckPositional(name, nargs, 0, 1)) {
        return NULL;
    }
    if (nargs == 0 || args[0] == Py_None) {
        return strip(self, NULL, left, right);
    }
    if (!PyUnicode_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "%s arg must be None or str", name);
        return NULL;
    }
    return strip(self, args[0], left, right);
}

static PyObject *
str_strip(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return strip_method("strip", self, args, nargs, true, true);
}

static PyObject *
str_lstrip(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return strip_method("lstrip", self, args, nargs, true, false);
}

static PyObject *
str_rstrip(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return strip_method("rstrip", self, args, nargs, false, true);
}

/* ---- padding ------------------------------------------------------------------------------------- */

static PyObject *
pad(PyObject *s, Py_ssize_t left, Py_ssize_t right, Py_UCS4 fill)
{
    left = Py_MAX(left, 0);
    right = Py_MAX(right, 0);
    if (left == 0 && right == 0) {
        return nj_str_exact(s);
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (left > PY_SSIZE_T_MAX - n || right > PY_SSIZE_T_MAX - (left + n)) {
        PyErr_SetString(PyExc_OverflowError, "padded string is too long");
        return NULL;
    }
    Py_UCS4 top = PyUnicode_MAX_CHAR_VALUE(s);
    PyObject *r = PyUnicode_New(left + n + right, Py_MAX(top, fill));
    if (r == NULL) {
        return NULL;
    }
    int kind = PyUnicode_KIND(r);
    char *d = PyUnicode_DATA(r);
    nj_fill_chars(kind, d, fill, left);
    nj_copy_chars(kind, d + left * kind, PyUnicode_KIND(s), PyUnicode_DATA(s), n);
    nj_fill_chars(kind, d + (left + n) * kind, fill, right);
    return r;
}

static int
parse_pad_args(const char *name, PyObject *const *args, Py_ssize_t nargs, Py_ssize_t *width,
               Py_UCS4 *fill)
{
    if ((nargs < 1 || nargs > 2) && !_PyArg_CheckPositional(name, nargs, 1, 2)) {
        return -1;
    }
    *width = nj_ssize_arg(args[0]);
    if (*width == -1 && PyErr_Occurred()) {
        return -1;
    }
    *fill = ' ';
    if (nargs == 2) {
        if (!PyUnicode_Check(args[1])) {
            PyErr_Format(PyExc_TypeError,
                         "The fill character must be a unicode character, not %.100s",
                         Py_TYPE(args[1])->tp_name);
            return -1;
        }
        if (PyUnicode_GET_LENGTH(args[1]) != 1) {
            PyErr_SetString(PyExc_TypeError,
                            "The fill character must be exactly one character long");
            return -1;
        }
        *fill = PyUnicode_READ_CHAR(args[1], 0);
    }
    return 0;
}

static PyObject *
str_center(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t width;
    Py_UCS4 fill;
    if (parse_pad_args("center", args, nargs, &width, &fill) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(self);
    if (n >= width) {
        return nj_str_exact(self);
    }
    Py_ssize_t space = width - n;
    /* the odd column goes left when the width is odd */
    Py_ssize_t left = space / 2 + (space & width & 1);
    return pad(self, left, space - left, fill);
}

static PyObject *
str_ljust(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t width;
    Py_UCS4 fill;
    if (parse_pad_args("ljust", args, nargs, &width, &fill) < 0) {
        return NULL;
    }
    return pad(self, 0, width - PyUnicode_GET_LENGTH(self), fill);
}

static PyObject *
str_rjust(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t width;
    Py_UCS4 fill;
    if (parse_pad_args("rjust", args, nargs, &width, &fill) < 0) {
        return NULL;
    }
    return pad(self, width - PyUnicode_GET_LENGTH(self), 0, fill);
}

static PyObject *
str_zfill(PyObject *self, PyObject *arg)
{
    Py_ssize_t width = nj_ssize_arg(arg);
    if (width == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(self);
    if (n >= width) {
        return nj_str_exact(self);
    }
    Py_ssize_t fill = width - n;
    PyObject *r = pad(self, fill, 0, '0');
    if (r == NULL || n == 0) {
        return r;
    }
    int kind = PyUnicode_KIND(r);
    void *d = PyUnicode_DATA(r);
    Py_UCS4 c = PyUnicode_READ(kind, d, fill);
    if (c == '+' || c == '-') {
        PyUnicode_WRITE(kind, d, 0, c);
        PyUnicode_WRITE(kind, d, fill, '0');
    }
    return r;
}

static const char *const expandtabs_names[] = {"tabsize", NULL};
static const NjParams expandtabs_params = {"expandtabs", expandtabs_names, 1, 0, 0};

static PyObject *
str_expandtabs(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *arg = NULL;
    if (nj_args_bind(&expandtabs_params, args, nargs, kwnames, &arg) < 0) {
        return NULL;
    }
    int tab = 8;
    if (arg != NULL) {
        tab = PyLong_AsInt(arg);
        if (tab == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    int kind = PyUnicode_KIND(self);
    const void *p = PyUnicode_DATA(self);
    Py_ssize_t n = PyUnicode_GET_LENGTH(self), total = 0, column = 0;
    bool found = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, p, i);
        Py_ssize_t add = 1;
        if (c == '\t') {
            found = true;
            add = tab > 0 ? tab - column % tab : 0;
            column += add;
        } else if (c == '\n' || c == '\r') {
            column = 0;
        } else {
            column++;
        }
        if (total > PY_SSIZE_T_MAX - add) {
            PyErr_SetString(PyExc_OverflowError, "new string is too long");
            return NULL;
        }
        total += add;
    }
    if (!found) {
        return nj_str_exact(self);
    }
    PyObject *r = PyUnicode_New(total, PyUnicode_MAX_CHAR_VALUE(self));
    if (r == NULL) {
        return NULL;
    }
    char *d = PyUnicode_DATA(r);
    Py_ssize_t o = 0;
    column = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, p, i);
        if (c == '\t') {
            Py_ssize_t add = tab > 0 ? tab - column % tab : 0;
            column += add;
            nj_fill_chars(kind, d + o * kind, ' ', add);
            o += add;
        } else {
            column = c == '\n' || c == '\r' ? 0 : column + 1;
            PyUnicode_WRITE(kind, d, o, c);
            o++;
        }
    }
    return r;
}

/* ---- maketrans and translate ----------------------------------------------------------------------- */

static PyObject *
str_maketrans(PyObject *unused, PyObject *const *args, Py_ssize_t nargs)
{
    if ((nargs < 1 || nargs > 3) && !_PyArg_CheckPositional("maketrans", nargs, 1, 3)) {
        return NULL;
    }
    PyObject *x = args[0], *y = nargs > 1 ? args[1] : NULL, *z = nargs > 2 ? args[2] : NULL;
    if (y != NULL && !PyUnicode_Check(y)) {
        _PyArg_BadArgument("maketrans", "argument 2", "str", y);
        return NULL;
    }
    if (z != NULL && !PyUnicode_Check(z)) {
        _PyArg_BadArgument("maketrans", "argument 3", "str", z);
        return NULL;
    }
    NJ_OWN dict = PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (y != NULL) {
        if (!PyUnicode_Check(x)) {
            PyErr_SetString(PyExc_TypeError, "first maketrans argument must be a string if "
                                             "there is a second argument");
            return NULL;
        }
        if (PyUnicode_GET_LENGTH(x) != PyUnicode_GET_LENGTH(y)) {
            PyErr_SetString(PyExc_ValueError, "the first two maketrans arguments must have "
                                              "equal length");
            return NULL;
        }
        for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(x); i++) {
            NJ_OWN key = PyLong_FromLong((long)PyUnicode_READ_CHAR(x, i));
            NJ_OWN value = PyLong_FromLong((long)PyUnicode_READ_CHAR(y, i));
            if (key == NULL || value == NULL || PyDict_SetItem(dict, key, value) < 0) {
                return NULL;
            }
        }
        for (Py_ssize_t i = 0; z != NULL && i < PyUnicode_GET_LENGTH(z); i++) {
            NJ_OWN key = PyLong_FromLong((long)PyUnicode_READ_CHAR(z, i));
            if (key == NULL || PyDict_SetItem(dict, key, Py_None) < 0) {
                return NULL;
            }
        }
        return NJ_TAKE(dict);
    }
    if (!PyDict_CheckExact(x)) {
        PyErr_SetString(PyExc_TypeError,
                        "if you give only one argument to maketrans it must be a dict");
        return NULL;
    }
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (PyDict_Next(x, &pos, &key, &value)) {
        if (PyUnicode_Check(key)) {
            if (PyUnicode_GET_LENGTH(key) != 1) {
                PyErr_SetString(PyExc_ValueError,
                                "string keys in translatetable must be of length 1");
                return NULL;
            }
            NJ_OWN code = PyLong_FromLong((long)PyUnicode_READ_CHAR(key, 0));
            if (code == NULL || PyDict_SetItem(dict, code, value) < 0) {
                return NULL;
            }
        } else if (PyLong_Check(key)) {
            if (PyDict_SetItem(dict, key, value) < 0) {
                return NULL;
            }
        } else {
            PyErr_SetString(PyExc_TypeError,
                            "keys in translate table mustbe strings or integers");
            return NULL;
        }
    }
    return NJ_TAKE(dict);
}

static PyObject *
str_translate(PyObject *self, PyObject *table)
{
    return PyUnicode_Translate(self, table, "ignore");
}

/* ---- encode and the rest ------------------------------------------------------------------------------ */

static const char *const encode_names[] = {"encoding", "errors", NULL};
static const NjParams encode_params = {"encode", encode_names, 2, 0, 0};

static PyObject *
str_encode(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (nargs == 0 && kwnames == NULL) {
        return PyUnicode_AsUTF8String(self);
    }
    PyObject *a[2];
    if (nj_args_bind(&encode_params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    const char *text[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        if (a[i] == NULL) {
            continue;
        }
        if (!PyUnicode_Check(a[i])) {
            _PyArg_BadArgument("encode", i ? "argument 'errors'" : "argument 'encoding'",
                               "str", a[i]);
            return NULL;
        }
        Py_ssize_t n;
        text[i] = PyUnicode_AsUTF8AndSize(a[i], &n);
        if (text[i] == NULL) {
            return NULL;
        }
        if (strlen(text[i]) != (size_t)n) {
            PyErr_SetString(PyExc_ValueError, "embedded null character");
            return NULL;
        }
    }
    return PyUnicode_AsEncodedString(self, text[0], text[1]);
}

static PyObject *
str_sizeof(PyObject *self, PyObject *unused)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(self), size;
    int kind = PyUnicode_KIND(self);
    if (PyUnicode_IS_COMPACT_ASCII(self)) {
        size = (Py_ssize_t)sizeof(PyASCIIObject) + n + 1;
    } else if (PyUnicode_IS_COMPACT(self)) {
        size = (Py_ssize_t)sizeof(PyCompactUnicodeObject) + (n + 1) * kind;
    } else {
        size = (Py_ssize_t)sizeof(PyUnicodeObject) + (n + 1) * kind;
    }
    PyCompactUnicodeObject *c = (PyCompactUnicodeObject *)self;
    if (!PyUnicode_IS_COMPACT_ASCII(self) && c->utf8 != NULL &&
        (void *)c->utf8 != PyUnicode_DATA(self)) {
        size += c->utf8_length + 1;
    }
    return PyLong_FromSsize_t(size);
}

static PyObject *
str_getnewargs(PyObject *self, PyObject *unused)
{
    NJ_OWN copy = nj_str_exact(self);
    if (copy == NULL) {
        return NULL;
    }
    if (copy == self && PyUnicode_GET_LENGTH(self) > 1) {
        /* pickling wants a str that is not the object being pickled */
        int kind = PyUnicode_KIND(self);
        NJ_SET(copy, nj_str_from_kind(kind, PyUnicode_DATA(self),
                                      PyUnicode_GET_LENGTH(self)));
        if (copy == NULL) {
            return NULL;
        }
    }
    return PyTuple_Pack(1, copy);
}

static PyObject *
str_format_dunder(PyObject *self, PyObject *spec)
{
    if (!PyUnicode_Check(spec)) {
        _PyArg_BadArgument("__format__", "argument", "str", spec);
        return NULL;
    }
    return nj_str_format_spec(self, spec);
}

#define FAST(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL
#define FAST_KW(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL | METH_KEYWORDS
#define SIG(text, about) text "\n--\n\n" about

PyMethodDef nj_str_methods[] = {
    {"encode", FAST_KW(str_encode),
     SIG("encode($self, /, encoding='utf-8', errors='strict')",
         "The bytes of this text in the given encoding.")},
    {"replace", FAST_KW(str_replace),
     SIG("replace($self, old, new, /, count=-1)",
         "Copy with occurrences of old replaced by new, at most count of them.")},
    {"split", FAST_KW(str_split),
     SIG("split($self, /, sep=None, maxsplit=-1)",
         "List of the parts between separators, from the left.")},
    {"rsplit", FAST_KW(str_rsplit),
     SIG("rsplit($self, /, sep=None, maxsplit=-1)",
         "List of the parts between separators, splitting from the right.")},
    {"join", str_join, METH_O,
     SIG("join($self, iterable, /)", "The strings of the iterable with this one between.")},
    {"capitalize", nj_str_capitalize, METH_NOARGS,
     SIG("capitalize($self, /)", "First character in title case, the rest in lower case.")},
    {"casefold", nj_str_casefold, METH_NOARGS,
     SIG("casefold($self, /)", "Folded form for comparison without case.")},
    {"title", nj_str_title, METH_NOARGS,
     SIG("title($self, /)", "Every word begins in title case.")},
    {"center", FAST(str_center),
     SIG("center($self, width, fillchar=' ', /)", "Centered in a field of width.")},
    {"count", FAST(str_count),
     SIG("count($self, sub[, start[, end]], /)", "Occurrences of sub in self[start:end].")},
    {"expandtabs", FAST_KW(str_expandtabs),
     SIG("expandtabs($self, /, tabsize=8)", "Tabs replaced by spaces.")},
    {"find", FAST(str_find),
     SIG("find($self, sub[, start[, end]], /)", "Lowest index of sub, or -1.")},
    {"partition", PyUnicode_Partition, METH_O,
     SIG("partition($self, sep, /)", "(before, sep, after) at the first separator.")},
    {"index", FAST(str_index),
     SIG("index($self, sub[, start[, end]], /)", "Lowest index of sub; ValueError if none.")},
    {"ljust", FAST(str_ljust),
     SIG("ljust($self, width, fillchar=' ', /)", "Left-justified in a field of width.")},
    {"lower", nj_str_lower, METH_NOARGS, SIG("lower($self, /)", "Copy in lower case.")},
    {"lstrip", FAST(str_lstrip),
     SIG("lstrip($self, chars=None, /)", "Without leading whitespace or chars.")},
    {"rfind", FAST(str_rfind),
     SIG("rfind($self, sub[, start[, end]], /)", "Highest index of sub, or -1.")},
    {"rindex", FAST(str_rindex),
     SIG("rindex($self, sub[, start[, end]], /)",
         "Highest index of sub; ValueError if none.")},
    {"rjust", FAST(str_rjust),
     SIG("rjust($self, width, fillchar=' ', /)", "Right-justified in a field of width.")},
    {"rstrip", FAST(str_rstrip),
     SIG("rstrip($self, chars=None, /)", "Without trailing whitespace or chars.")},
    {"rpartition", PyUnicode_RPartition, METH_O,
     SIG("rpartition($self, sep, /)", "(before, sep, after) at the last separator.")},
    {"splitlines", FAST_KW(str_splitlines),
     SIG("splitlines($self, /, keepends=False)", "List of the lines.")},
    {"strip", FAST(str_strip),
     SIG("strip($self, chars=None, /)", "Without whitespace or chars at both ends.")},
    {"swapcase", nj_str_swapcase, METH_NOARGS,
     SIG("swapcase($self, /)", "Upper case to lower and the reverse.")},
    {"translate", str_translate, METH_O,
     SIG("translate($self, table, /)", "Every character looked up in table.")},
    {"upper", nj_str_upper, METH_NOARGS, SIG("upper($self, /)", "Copy in upper case.")},
    {"startswith", FAST(str_startswith),
     SIG("startswith($self, prefix[, start[, end]], /)",
         "Does the text begin with prefix, or one of a tuple?")},
    {"endswith", FAST(str_endswith),
     SIG("endswith($self, suffix[, start[, end]], /)",
         "Does the text end with suffix, or one of a tuple?")},
    {"removeprefix", str_removeprefix, METH_O,
     SIG("removeprefix($self, prefix, /)", "Without that prefix, if it has it.")},
    {"removesuffix", str_removesuffix, METH_O,
     SIG("removesuffix($self, suffix, /)", "Without that suffix, if it has it.")},
    {"isascii", nj_str_isascii, METH_NOARGS,
     SIG("isascii($self, /)", "Are all characters ASCII?")},
    {"islower", nj_str_islower, METH_NOARGS,
     SIG("islower($self, /)", "Are all cased characters lower case, with at least one?")},
    {"isupper", nj_str_isupper, METH_NOARGS,
     SIG("isupper($self, /)", "Are all cased characters upper case, with at least one?")},
    {"istitle", nj_str_istitle, METH_NOARGS,
     SIG("istitle($self, /)", "Is it in title case?")},
    {"isspace", nj_str_isspace, METH_NOARGS,
     SIG("isspace($self, /)", "Are all characters whitespace, with at least one?")},
    {"isdecimal", nj_str_isdecimal, METH_NOARGS,
     SIG("isdecimal($self, /)", "Are all characters decimal, with at least one?")},
    {"isdigit", nj_str_isdigit, METH_NOARGS,
     SIG("isdigit($self, /)", "Are all characters digits, with at least one?")},
    {"isnumeric", nj_str_isnumeric, METH_NOARGS,
     SIG("isnumeric($self, /)", "Are all characters numeric, with at least one?")},
    {"isalpha", nj_str_isalpha, METH_NOARGS,
     SIG("isalpha($self, /)", "Are all characters letters, with at least one?")},
    {"isalnum", nj_str_isalnum, METH_NOARGS,
     SIG("isalnum($self, /)", "Are all characters letters or numeric, with at least one?")},
    {"isidentifier", nj_str_isidentifier, METH_NOARGS,
     SIG("isidentifier($self, /)", "Is it a valid Python identifier?")},
    {"isprintable", nj_str_isprintable, METH_NOARGS,
     SIG("isprintable($self, /)", "Are all characters printable?")},
    {"zfill", str_zfill, METH_O,
     SIG("zfill($self, width, /)", "Padded with zeros after the sign.")},
    {"format", (PyCFunction)(void (*)(void))nj_str_format_method,
     METH_VARARGS | METH_KEYWORDS,
     SIG("format($self, /, *args, **kwargs)", "Replacement fields filled in.")},
    {"format_map", nj_str_format_map, METH_O,
     SIG("format_map($self, mapping, /)", "Replacement fields filled in from mapping.")},
    {"__format__", str_format_dunder, METH_O,
     SIG("__format__($self, format_spec, /)", "Formatted by format_spec.")},
    {"maketrans", FAST(str_maketrans) | METH_STATIC,
     SIG("maketrans(x, y=<unrepresentable>, z=<unrepresentable>, /)",
         "Translation table for str.translate() from one, two or three arguments.")},
    {"__sizeof__", str_sizeof, METH_NOARGS,
     SIG("__sizeof__($self, /)", "Size in memory, in bytes.")},
    {"__getnewargs__", str_getnewargs, METH_NOARGS, "__getnewargs__($self, /)\n--\n\n"},
    {NULL},
};

/* bytes_common.c - the methods that bytes and bytearray share.
 *
 * One set of functions serves both types: they read self through nj_bytes_data and make
 * results with nj_bytes_make. An unchanged bytes object is returned itself, a bytearray is
 * always copied.
 *
 * Danger: getting the buffer of an argument may run Python code that resizes a bytearray
 * self, so the pointer to self's bytes is read after all arguments have been converted.
 * SPDX-License-Identifier: MIT
 */
#include "objects/bytes_int.h"

#include "capi/args.h"
#include "objects/str_format.h"

/* ---- arguments ---------------------------------------------------------------------------- */

int
nj_get_bytes_like(PyObject *o, Py_buffer *view)
{
    if (PyObject_GetBuffer(o, view, PyBUF_SIMPLE) < 0) {
        view->obj = NULL;
        return -1;
    }
    return 0;
}

int
nj_byte_value(PyObject *o, unsigned char *out)
{
    NJ_OWN i = PyNumber_Index(o);
    if (i == NULL) {
        return -1;
    }
    int overflow;
    long v = PyLong_AsLongAndOverflow(i, &overflow);
    if (overflow || v < 0 || v > 255) {
        PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
        return -1;
    }
    *out = (unsigned char)v;
    return 0;
}

static PyObject *
unchanged(PyObject *self)
{
    if (PyBytes_CheckExact(self)) {
        return Py_NewRef(self);
    }
    return nj_bytes_make(self, nj_bytes_data(self), Py_SIZE(self));
}

static PyObject *
part(PyObject *self, Py_ssize_t from, Py_ssize_t to)
{
    if (from == 0 && to == Py_SIZE(self)) {
        return unchanged(self);
    }
    return nj_bytes_make(self, nj_bytes_data(self) + from, to - from);
}

/* The room of a fresh result object. */
static inline char *
room(PyObject *r)
{
    return (char *)nj_bytes_data(r);
}

/* Keeps a bytearray from being resized while Python code may run. */
static void
lock_size(PyObject *self, int delta)
{
    if (nj_is_bytearray(self)) {
        ((PyByteArrayObject *)self)->ob_exports += delta;
    }
}

/* ---- find and its kin ------------------------------------------------------------------------- */

typedef struct {
    const char *p;
    Py_ssize_t n;
    Py_buffer view;
    unsigned char one;
} Needle;

/* sub is an int or bytes-like. */
static int
get_needle(PyObject *sub, Needle *nd)
{
    nd->view.obj = NULL;
    if (PyBytes_Check(sub)) {
        nd->p = PyBytes_AS_STRING(sub);
        nd->n = PyBytes_GET_SIZE(sub);
        return 0;
    }
    if (PyObject_CheckBuffer(sub)) {
        if (nj_get_bytes_like(sub, &nd->view) < 0) {
            return -1;
        }
        nd->p = nd->view.buf;
        nd->n = nd->view.len;
        return 0;
    }
    if (!PyIndex_Check(sub)) {
        PyErr_Format(PyExc_TypeError,
                     "argument should be integer or bytes-like object, not '%.200s'",
                     Py_TYPE(sub)->tp_name);
        return -1;
    }
    if (nj_byte_value(sub, &nd->one) < 0) {
        return -1;
    }
    nd->p = (const char *)&nd->one;
    nd->n = 1;
    return 0;
}

static void
free_needle(Needle *nd)
{
    if (nd->view.obj != NULL) {
        PyBuffer_Release(&nd->view);
    }
}

enum { FIND, RFIND, COUNT };

/* -2 on error */
static Py_ssize_t
search(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t nargs, int what)
{
    if ((nargs < 1 || nargs > 3) && !_PyArg_CheckPositional(name, nargs, 1, 3)) {
        return -2;
    }
    Py_ssize_t start = 0, end = PY_SSIZE_T_MAX;
    if ((nargs >= 2 && nj_slice_index(args[1], &start) < 0) ||
        (nargs >= 3 && nj_slice_index(args[2], &end) < 0)) {
        return -2;
    }
    Needle nd;
    lock_size(self, 1);
    int bad = get_needle(args[0], &nd);
    lock_size(self, -1);
    if (bad < 0) {
        return -2;
    }
    nj_adjust_indices(&start, &end, Py_SIZE(self));
    Py_ssize_t n = end - start, r;
    const char *p = nj_bytes_data(self) + start;
    if (n < nd.n) {
        r = what == COUNT ? 0 : -1;
    } else if (what == COUNT) {
        r = nj_count(1, p, n, nd.p, nd.n, PY_SSIZE_T_MAX);
    } else {
        r = what == FIND ? nj_find(1, p, n, nd.p, nd.n) : nj_rfind(1, p, n, nd.p, nd.n);
        r = r < 0 ? -1 : r + start;
    }
    free_needle(&nd);
    return r;
}

static PyObject *
search_result(Py_ssize_t r, bool must)
{
    if (r == -2) {
        return NULL;
    }
    if (r == -1 && must) {
        PyErr_SetString(PyExc_ValueError, "subsection not found");
        return NULL;
    }
    return PyLong_FromSsize_t(r);
}

NJ_FASTARGS(find)
{
    return search_result(search("find", self, args, nargs, FIND), false);
}

NJ_FASTARGS(rfind)
{
    return search_result(search("rfind", self, args, nargs, RFIND), false);
}

NJ_FASTARGS(index)
{
    return search_result(search("index", self, args, nargs, FIND), true);
}

NJ_FASTARGS(rindex)
{
    return search_result(search("rindex", self, args, nargs, RFIND), true);
}

NJ_FASTARGS(count)
{
    return search_result(search("count", self, args, nargs, COUNT), false);
}

int
nj_bytes_contains(PyObject *self, PyObject *arg)
{
    if (PyIndex_Check(arg) && !PyObject_CheckBuffer(arg)) {
        lock_size(self, 1);
        NJ_OWN index = PyNumber_Index(arg);
        lock_size(self, -1);
        if (!index) { /* not a number then */
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "a bytes-like object is required, not '%.100s'",
                         Py_TYPE(arg)->tp_name);
            return -1;
        }
        unsigned char c;
        if (nj_byte_value(index, &c) < 0) {
            return -1;
        }
        return Py_SIZE(self) != 0 &&
               memchr(nj_bytes_data(self), c, (size_t)Py_SIZE(self)) != NULL;
    }
    NJ_OWN_BUF view = {0};
    lock_size(self, 1);
    int bad = nj_get_bytes_like(arg, &view);
    lock_size(self, -1);
    if (bad < 0) {
        return -1;
    }
    return nj_find(1, nj_bytes_data(self), Py_SIZE(self), view.buf, view.len) >= 0;
}

static PyObject *
affix(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t nargs, bool tail)
{
    if ((nargs < 1 || nargs > 3) && !_PyArg_CheckPositional(name, nargs, 1, 3)) {
        return NULL;
    }
    Py_ssize_t start = 0, end = PY_SSIZE_T_MAX;
    if ((nargs >= 2 && nj_slice_index(args[1], &start) < 0) ||
        (nargs >= 3 && nj_slice_index(args[2], &end) < 0)) {
        return NULL;
    }
    PyObject *sub = args[0], *one = sub;
    Py_ssize_t count = 1;
    bool is_tuple = PyTuple_Check(sub);
    if (is_tuple) {
        count = PyTuple_GET_SIZE(sub);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (is_tuple) {
            one = PyTuple_GET_ITEM(sub, i);
        }
        NJ_OWN_BUF view = {0};
        if (nj_get_bytes_like(one, &view) < 0) {
            if (!is_tuple && PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Format(PyExc_TypeError,
                             "%s first arg must be bytes or a tuple of bytes, not %s", name,
                             Py_TYPE(sub)->tp_name);
            }
            return NULL;
        }
        Py_ssize_t from = start, to = end;
        nj_adjust_indices(&from, &to, Py_SIZE(self));
        if (to - from >= view.len &&
            memcmp(nj_bytes_data(self) + (tail ? to - view.len : from), view.buf,
                   (size_t)view.len) == 0) {
            Py_RETURN_TRUE;
        }
    }
    Py_RETURN_FALSE;
}

NJ_FASTARGS(startswith)
{
    return affix("startswith", self, args, nargs, false);
}

NJ_FASTARGS(endswith)
{
    return affix("endswith", self, args, nargs, true);
}

static PyObject *
remove_affix(PyObject *self, PyObject *arg, bool tail)
{
    NJ_OWN_BUF view = {0};
    if (nj_get_bytes_like(arg, &view) < 0) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(self), m = view.len;
    const char *p = nj_bytes_data(self);
    if (n >= m && m > 0 && memcmp(p + (tail ? n - m : 0), view.buf, (size_t)m) == 0) {
        return tail ? part(self, 0, n - m) : part(self, m, n);
    }
    return unchanged(self);
}

NJ_NOARGS(removeprefix)
{
    return remove_affix(self, arg, false);
}

NJ_NOARGS(removesuffix)
{
    return remove_affix(self, arg, true);
}

/* ---- replace, translate -------------------------------------------------------------------------- */

NJ_FASTARGS(replace)
{
    if ((nargs < 2 || nargs > 3) && !_PyArg_CheckPositional("replace", nargs, 2, 3)) {
        return NULL;
    }
    NJ_OWN_BUF old = {0};
    NJ_OWN_BUF new_ = {0};
    if (nj_get_bytes_like(args[0], &old) < 0 || nj_get_bytes_like(args[1], &new_) < 0) {
        return NULL;
    }
    Py_ssize_t max = -1;
    if (nargs == 3) {
        max = nj_ssize_arg(args[2]);
        if (max == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (max < 0) {
        max = PY_SSIZE_T_MAX;
    }
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self), m = old.len, w = new_.len;
    Py_ssize_t count = n < m || max == 0 ? 0 : nj_count(1, p, n, old.buf, m, max);
    if (count == 0) {
        return unchanged(self);
    }
    if (w > m && w - m > (PY_SSIZE_T_MAX - n) / count) {
        PyErr_SetString(PyExc_OverflowError, "replace bytes is too long");
        return NULL;
    }
    PyObject *r = nj_bytes_make(self, NULL, n + count * (w - m));
    if (r == NULL) {
        return NULL;
    }
    char *o = room(r);
    Py_ssize_t i = 0;
    while (count-- > 0) {
        if (m == 0) {
            memcpy(o, new_.buf, (size_t)w);
            o += w;
            if (i < n) {
                *o++ = p[i++];
            }
            continue;
        }
        Py_ssize_t at = nj_find(1, p + i, n - i, old.buf, m);
        memcpy(o, p + i, (size_t)at);
        o += at;
        memcpy(o, new_.buf, (size_t)w);
        o += w;
        i += at + m;
    }
    memcpy(o, p + i, (size_t)(n - i));
    return r;
}

static const char *const translate_names[] = {"", "delete", NULL};
static const NjParams translate_params = {"translate", translate_names, 2, 1, 0};

/* Four sums: one would make every addition wait for the last. */
static Py_ssize_t
count_kept(const unsigned char *p, Py_ssize_t n, const bool *drop)
{
    Py_ssize_t gone[4] = {0, 0, 0, 0}, i = 0;
    for (; i + 4 <= n; i += 4) {
        gone[0] += drop[p[i]];
        gone[1] += drop[p[i + 1]];
        gone[2] += drop[p[i + 2]];
        gone[3] += drop[p[i + 3]];
    }
    for (; i < n; i++) {
        gone[0] += drop[p[i]];
    }
    return n - gone[0] - gone[1] - gone[2] - gone[3];
}

NJ_KWARGS(translate)
{
    PyObject *a[2];
    if (nj_args_bind(&translate_params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    NJ_OWN_BUF table = {0};
    NJ_OWN_BUF del = {0};
    if (a[0] != Py_None && nj_get_bytes_like(a[0], &table) < 0) {
        return NULL;
    }
    if (a[0] != Py_None && table.len != 256) {
        PyErr_SetString(PyExc_ValueError, "translation table must be 256 characters long");
        return NULL;
    }
    if (a[1] != NULL && nj_get_bytes_like(a[1], &del) < 0) {
        return NULL;
    }
    unsigned char map[256];
    bool drop[256] = {false};
    for (int i = 0; i < 256; i++) {
        map[i] = table.obj ? ((unsigned char *)table.buf)[i] : (unsigned char)i;
    }
    for (Py_ssize_t i = 0; i < del.len; i++) {
        drop[((unsigned char *)del.buf)[i]] = true;
    }
    Py_ssize_t n = Py_SIZE(self), kept = n;
    const unsigned char *p = (const unsigned char *)nj_bytes_data(self);
    if (del.len) {
        kept = count_kept(p, n, drop);
        if (kept == n && table.obj == NULL && PyBytes_CheckExact(self)) {
            return Py_NewRef(self);
        }
    }
    PyObject *r = nj_bytes_make(self, NULL, kept);
    if (r == NULL) {
        return NULL;
    }
    bool changed = kept != n;
    unsigned char *o = (unsigned char *)room(r);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!drop[p[i]]) {
            changed |= map[p[i]] != p[i];
            *o++ = map[p[i]];
        }
    }
    if (!changed && PyBytes_CheckExact(self)) {
        Py_DECREF(r);
        return Py_NewRef(self);
    }
    return r;
}

PyObject *
nj_bytes_maketrans(PyObject *unused, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("maketrans", nargs, 2, 2)) {
        return NULL;
    }
    NJ_OWN_BUF from = {0};
    NJ_OWN_BUF to = {0};
    if (nj_get_bytes_like(args[0], &from) < 0 || nj_get_bytes_like(args[1], &to) < 0) {
        return NULL;
    }
    if (from.len != to.len) {
        PyErr_SetString(PyExc_ValueError, "maketrans arguments must have same length");
        return NULL;
    }
    PyObject *r = PyBytes_FromStringAndSize(NULL, 256);
    if (r == NULL) {
        return NULL;
    }
    char *o = PyBytes_AS_STRING(r);
    for (int i = 0; i < 256; i++) {
        o[i] = (char)i;
    }
    for (Py_ssize_t i = 0; i < from.len; i++) {
        o[((unsigned char *)from.buf)[i]] = ((char *)to.buf)[i];
    }
    return r;
}

/* ---- split, partition, join ------------------------------------------------------------------------ */

static int
append_part(PyObject *list, PyObject *self, Py_ssize_t from, Py_ssize_t to)
{
    PyObject *b = from == 0 && to == Py_SIZE(self)
                      ? unchanged(self)
                      : nj_bytes_make(self, nj_bytes_data(self) + from, to - from);
    if (b == NULL) {
        return -1;
    }
    int r = PyList_Append(list, b);
    Py_DECREF(b);
    return r;
}

static const char *const split_names[] = {"sep", "maxsplit", NULL};
static const NjParams split_params = {"split", split_names, 2, 0, 0};
static const NjParams rsplit_params = {"rsplit", split_names, 2, 0, 0};

static PyObject *
split(const NjParams *params, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
      PyObject *kwnames, bool from_right)
{
    PyObject *a[2];
    if (nj_args_bind(params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    Py_ssize_t max = -1;
    if (a[1] != NULL) {
        max = nj_ssize_arg(a[1]);
        if (max == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (max < 0) {
        max = PY_SSIZE_T_MAX;
    }
    NJ_OWN_BUF sep = {0};
    bool white = a[0] == NULL || a[0] == Py_None;
    if (!white) {
        lock_size(self, 1);
        int bad = nj_get_bytes_like(a[0], &sep);
        lock_size(self, -1);
        if (bad < 0) {
            return NULL;
        }
        if (sep.len == 0) {
            PyErr_SetString(PyExc_ValueError, "empty separator");
            return NULL;
        }
    }
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self), i = 0, end = n;
    if (white && !from_right) {
        for (;;) {
            while (i < n && Py_ISSPACE(p[i])) {
                i++;
            }
            if (i == n) {
                break;
            }
            Py_ssize_t from = i;
            if (max-- == 0) {
                if (append_part(list, self, from, n) < 0) {
                    return NULL;
                }
                break;
            }
            while (i < n && !Py_ISSPACE(p[i])) {
                i++;
            }
            if (append_part(list, self, from, i) < 0) {
                return NULL;
            }
        }
        return NJ_TAKE(list);
    }
    if (white) {
        for (;;) {
            while (end > 0 && Py_ISSPACE(p[end - 1])) {
                end--;
            }
            if (end == 0) {
                break;
            }
            Py_ssize_t to = end;
            if (max-- == 0) {
                if (append_part(list, self, 0, to) < 0) {
                    return NULL;
                }
                break;
            }
            while (end > 0 && !Py_ISSPACE(p[end - 1])) {
                end--;
            }
            if (append_part(list, self, end, to) < 0) {
                return NULL;
            }
        }
    } else if (!from_right) {
        while (max-- > 0) {
            Py_ssize_t at = nj_find(1, p + i, n - i, sep.buf, sep.len);
            if (at < 0) {
                break;
            }
            if (append_part(list, self, i, i + at) < 0) {
                return NULL;
            }
            i += at + sep.len;
        }
        return append_part(list, self, i, n) < 0 ? NULL : NJ_TAKE(list);
    } else {
        while (max-- > 0) {
            Py_ssize_t at = nj_rfind(1, p, end, sep.buf, sep.len);
            if (at < 0) {
                break;
            }
            if (append_part(list, self, at + sep.len, end) < 0) {
                return NULL;
            }
            end = at;
        }
        if (append_part(list, self, 0, end) < 0) {
            return NULL;
        }
    }
    return PyList_Reverse(list) < 0 ? NULL : NJ_TAKE(list);
}

NJ_KWARGS(split)
{
    return split(&split_params, self, args, nargs, kwnames, false);
}

NJ_KWARGS(rsplit)
{
    return split(&rsplit_params, self, args, nargs, kwnames, true);
}

static PyObject *
partition(PyObject *self, PyObject *arg, bool from_right)
{
    NJ_OWN_BUF sep = {0};
    if (nj_get_bytes_like(arg, &sep) < 0) {
        return NULL;
    }
    if (sep.len == 0) {
        PyErr_SetString(PyExc_ValueError, "empty separator");
        return NULL;
    }
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self);
    Py_ssize_t at = from_right ? nj_rfind(1, p, n, sep.buf, sep.len)
                               : nj_find(1, p, n, sep.buf, sep.len);
    NJ_OWN left = NULL;
    NJ_OWN mid = NULL;
    NJ_OWN right = NULL;
    if (at < 0) {
        NJ_SET(mid, nj_bytes_make(self, NULL, 0));
        NJ_SET(left, from_right ? nj_bytes_make(self, NULL, 0) : unchanged(self));
        NJ_SET(right, from_right ? unchanged(self) : nj_bytes_make(self, NULL, 0));
    } else {
        NJ_SET(left, nj_bytes_make(self, p, at));
        NJ_SET(mid, PyBytes_CheckExact(self) && PyBytes_CheckExact(arg)
                        ? Py_NewRef(arg)
                        : nj_bytes_make(self, sep.buf, sep.len));
        NJ_SET(right, nj_bytes_make(self, p + at + sep.len, n - at - sep.len));
    }
    if (left == NULL || mid == NULL || right == NULL) {
        return NULL;
    }
    return PyTuple_Pack(3, left, mid, right);
}

NJ_NOARGS(partition)
{
    return partition(self, arg, false);
}

NJ_NOARGS(rpartition)
{
    return partition(self, arg, true);
}

static const char *const splitlines_names[] = {"keepends", NULL};
static const NjParams splitlines_params = {"splitlines", splitlines_names, 1, 0, 0};

NJ_KWARGS(splitlines)
{
    PyObject *keep;
    if (nj_args_bind(&splitlines_params, args, nargs, kwnames, &keep) < 0) {
        return NULL;
    }
    int keepends = keep == NULL ? 0 : PyObject_IsTrue(keep);
    if (keepends < 0) {
        return NULL;
    }
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self);
    for (Py_ssize_t i = 0; i < n;) {
        Py_ssize_t from = i;
        while (i < n && p[i] != '\n' && p[i] != '\r') {
            i++;
        }
        Py_ssize_t end = i;
        if (i < n) {
            i += p[i] == '\r' && i + 1 < n && p[i + 1] == '\n' ? 2 : 1;
            if (keepends) {
                end = i;
            }
        }
        if (append_part(list, self, from, end) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
join_locked(PyObject *self, PyObject *arg)
{
    NJ_OWN seq = PySequence_Fast(arg, "can only join an iterable");
    if (seq == NULL) {
        return NULL;
    }
    Py_ssize_t n = PySequence_Fast_GET_SIZE(seq);
    if (n == 0) {
        return nj_bytes_make(self, NULL, 0);
    }
    PyObject *const *items = PySequence_Fast_ITEMS(seq);
    if (n == 1 && PyBytes_CheckExact(items[0]) && PyBytes_Check(self)) {
        return Py_NewRef(items[0]);
    }
    /* buffers of everything that is no plain bytes stay locked until the copy is done */
    Py_buffer small[16], *views = small;
    if (n > 16) {
        views = PyMem_New(Py_buffer, n);
        if (views == NULL) {
            return PyErr_NoMemory();
        }
    }
    PyObject *r = NULL;
    Py_ssize_t got = 0, total = 0;
    for (; got < n; got++) {
        /* taking a buffer may run code that changes the sequence */
        PyObject *item = Py_NewRef(PySequence_Fast_ITEMS(seq)[got]);
        Py_buffer *v = &views[got];
        if (PyBytes_CheckExact(item)) {
            v->obj = Py_NewRef(item);
            v->buf = PyBytes_AS_STRING(item);
            v->len = PyBytes_GET_SIZE(item);
        } else if (PyObject_GetBuffer(item, v, PyBUF_SIMPLE) < 0) {
            PyErr_Format(PyExc_TypeError,
                         "sequence item %zd: expected a bytes-like object, %.80s found", got,
                         Py_TYPE(item)->tp_name);
            Py_DECREF(item);
            goto done;
        }
        Py_DECREF(item);
        if (PySequence_Fast_GET_SIZE(seq) != n) {
            got++;
            PyErr_SetString(PyExc_RuntimeError, "sequence changed size during iteration");
            goto done;
        }
        Py_ssize_t add = v->len + (got ? Py_SIZE(self) : 0);
        if (total > PY_SSIZE_T_MAX - add) {
            got++;
            PyErr_SetString(PyExc_OverflowError, "join() result is too long");
            goto done;
        }
        total += add;
    }
    r = nj_bytes_make(self, NULL, total);
    if (r != NULL) {
        char *o = room(r);
        const char *sep = nj_bytes_data(self);
        size_t m = (size_t)Py_SIZE(self);
        for (Py_ssize_t i = 0; i < n; i++) {
            if (i && m) {
                memcpy(o, sep, m);
                o += m;
            }
            memcpy(o, views[i].buf, (size_t)views[i].len);
            o += views[i].len;
        }
    }
done:
    for (Py_ssize_t i = 0; i < got; i++) {
        if (PyBytes_CheckExact(views[i].obj)) {
            Py_DECREF(views[i].obj);
        } else {
            PyBuffer_Release(&views[i]);
        }
    }
    if (views != small) {
        PyMem_Free(views);
    }
    return r;
}

NJ_NOARGS(join)
{
    /* the separator must not change while the iterable and the buffers run code */
    lock_size(self, 1);
    PyObject *r = join_locked(self, arg);
    lock_size(self, -1);
    return r;
}

/* ---- strip, pad ----------------------------------------------------------------------------------------- */

static PyObject *
strip(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t nargs, bool left,
      bool right)
{
    if (nargs > 1 && !_PyArg_CheckPositional(name, nargs, 0, 1)) {
        return NULL;
    }
    bool in[256];
    if (nargs == 0 || args[0] == Py_None) {
        for (int i = 0; i < 256; i++) {
            in[i] = Py_ISSPACE(i) != 0;
        }
    } else {
        NJ_OWN_BUF set = {0};
        if (nj_get_bytes_like(args[0], &set) < 0) {
            return NULL;
        }
        memset(in, 0, sizeof(in));
        for (Py_ssize_t i = 0; i < set.len; i++) {
            in[((unsigned char *)set.buf)[i]] = true;
        }
    }
    const unsigned char *p = (const unsigned char *)nj_bytes_data(self);
    Py_ssize_t i = 0, end = Py_SIZE(self);
    while (left && i < end && in[p[i]]) {
        i++;
    }
    while (right && end > i && in[p[end - 1]]) {
        end--;
    }
    return part(self, i, end);
}

NJ_FASTARGS(strip)
{
    return strip("strip", self, args, nargs, true, true);
}

NJ_FASTARGS(lstrip)
{
    return strip("lstrip", self, args, nargs, true, false);
}

NJ_FASTARGS(rstrip)
{
    return strip("rstrip", self, args, nargs, false, true);
}

static PyObject *
pad(PyObject *self, Py_ssize_t left, Py_ssize_t right, char fill)
{
    left = Py_MAX(left, 0);
    right = Py_MAX(right, 0);
    if (left == 0 && right == 0) {
        return unchanged(self);
    }
    Py_ssize_t n = Py_SIZE(self);
    if (left > PY_SSIZE_T_MAX - n - right) {
        return PyErr_NoMemory();
    }
    PyObject *r = nj_bytes_make(self, NULL, left + n + right);
    if (r != NULL) {
        memset(room(r), fill, (size_t)left);
        memcpy(room(r) + left, nj_bytes_data(self), (size_t)n);
        memset(room(r) + left + n, fill, (size_t)right);
    }
    return r;
}

static int
pad_args(const char *name, PyObject *const *args, Py_ssize_t nargs, Py_ssize_t *width,
         char *fill)
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
        PyObject *o = args[1];
        bool b = PyBytes_Check(o), ba = PyByteArray_Check(o);
        if (!b && !ba) {
            _PyArg_BadArgument(name, "argument 2", "a byte string of length 1", o);
            return -1;
        }
        if (Py_SIZE(o) != 1) {
            PyErr_Format(PyExc_TypeError,
                         "%s(): argument 2 must be a byte string of length 1, not a %s object "
                         "of length %zd",
                         name, b ? "bytes" : "bytearray", Py_SIZE(o));
            return -1;
        }
        *fill = *nj_bytes_data(o);
    }
    return 0;
}

NJ_FASTARGS(center)
{
    Py_ssize_t width;
    char fill;
    if (pad_args("center", args, nargs, &width, &fill) < 0) {
        return NULL;
    }
    Py_ssize_t space = Py_MAX(width - Py_SIZE(self), 0);
    Py_ssize_t left = space / 2 + (space & width & 1);
    return pad(self, left, space - left, fill);
}

NJ_FASTARGS(ljust)
{
    Py_ssize_t width;
    char fill;
    if (pad_args("ljust", args, nargs, &width, &fill) < 0) {
        return NULL;
    }
    return pad(self, 0, width - Py_SIZE(self), fill);
}

NJ_FASTARGS(rjust)
{
    Py_ssize_t width;
    char fill;
    if (pad_args("rjust", args, nargs, &width, &fill) < 0) {
        return NULL;
    }
    return pad(self, width - Py_SIZE(self), 0, fill);
}

NJ_NOARGS(zfill)
{
    Py_ssize_t width = nj_ssize_arg(arg);
    if (width == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(self), fill = width - n;
    if (fill <= 0) {
        return unchanged(self);
    }
    PyObject *r = pad(self, fill, 0, '0');
    if (r != NULL && n > 0 && (room(r)[fill] == '+' || room(r)[fill] == '-')) {
        room(r)[0] = room(r)[fill];
        room(r)[fill] = '0';
    }
    return r;
}

static const char *const expandtabs_names[] = {"tabsize", NULL};
static const NjParams expandtabs_params = {"expandtabs", expandtabs_names, 1, 0, 0};

NJ_KWARGS(expandtabs)
{
    PyObject *arg;
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
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self), total = 0, column = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_ssize_t add = 1;
        if (p[i] == '\t') {
            add = tab > 0 ? tab - column % tab : 0;
            column += add;
        } else {
            column = p[i] == '\n' || p[i] == '\r' ? 0 : column + 1;
        }
        if (total > PY_SSIZE_T_MAX - add) {
            PyErr_SetString(PyExc_OverflowError, "result too long");
            return NULL;
        }
        total += add;
    }
    PyObject *r = nj_bytes_make(self, NULL, total);
    if (r == NULL) {
        return NULL;
    }
    char *o = room(r);
    column = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (p[i] == '\t') {
            Py_ssize_t add = tab > 0 ? tab - column % tab : 0;
            memset(o, ' ', (size_t)add);
            o += add;
            column += add;
        } else {
            column = p[i] == '\n' || p[i] == '\r' ? 0 : column + 1;
            *o++ = p[i];
        }
    }
    return r;
}

/* ---- case and tests ------------------------------------------------------------------------------------------ */

/* Flips the case of those of the 26 letters from first on, seen with the bits of fold set.
 * (A table would keep the loop scalar.) */
static PyObject *
flip_case(PyObject *self, unsigned char first, unsigned char fold)
{
    Py_ssize_t n = Py_SIZE(self);
    PyObject *r = nj_bytes_make(self, NULL, n);
    if (r != NULL) {
        const unsigned char *p = (const unsigned char *)nj_bytes_data(self);
        unsigned char *o = (unsigned char *)room(r);
        for (Py_ssize_t i = 0; i < n; i++) {
            o[i] = p[i] ^ ((unsigned char)((p[i] | fold) - first) < 26 ? 0x20 : 0);
        }
    }
    return r;
}

NJ_NOARGS(lower)
{
    return flip_case(self, 'A', 0);
}

NJ_NOARGS(upper)
{
    return flip_case(self, 'a', 0);
}

NJ_NOARGS(swapcase)
{
    return flip_case(self, 'a', 0x20);
}

NJ_NOARGS(capitalize)
{
    PyObject *r = flip_case(self, 'A', 0);
    if (r != NULL && Py_SIZE(r) > 0) {
        if (PyBytes_Check(r) && Py_SIZE(r) == 1) {
            char c = (char)Py_TOUPPER(*nj_bytes_data(self));
            Py_SETREF(r, PyBytes_FromStringAndSize(&c, 1));
        } else {
            *room(r) = (char)Py_TOUPPER(*room(r));
        }
    }
    return r;
}

NJ_NOARGS(title)
{
    Py_ssize_t n = Py_SIZE(self);
    PyObject *r = nj_bytes_make(self, NULL, n);
    if (r != NULL) {
        const char *p = nj_bytes_data(self);
        char *o = room(r);
        bool in_word = false;
        for (Py_ssize_t i = 0; i < n; i++) {
            o[i] = (char)(in_word ? Py_TOLOWER(p[i]) : Py_TOUPPER(p[i]));
            in_word = Py_ISALPHA(p[i]) != 0;
        }
    }
    return r;
}

static PyObject *
all_of(PyObject *self, unsigned flags)
{
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!(_Py_ctype_table[Py_CHARMASK(p[i])] & flags)) {
            Py_RETURN_FALSE;
        }
    }
    return n ? Py_True : Py_False;
}

NJ_NOARGS(isalnum)
{
    return all_of(self, PY_CTF_ALNUM);
}

NJ_NOARGS(isalpha)
{
    return all_of(self, PY_CTF_ALPHA);
}

NJ_NOARGS(isdigit)
{
    return all_of(self, PY_CTF_DIGIT);
}

NJ_NOARGS(isspace)
{
    return all_of(self, PY_CTF_SPACE);
}

NJ_NOARGS(isascii)
{
    return nj_ascii_prefix(nj_bytes_data(self), Py_SIZE(self)) == Py_SIZE(self) ? Py_True
                                                                               : Py_False;
}

static PyObject *
one_case(PyObject *self, unsigned want, unsigned never)
{
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self);
    bool found = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned f = _Py_ctype_table[Py_CHARMASK(p[i])];
        if (f & never) {
            Py_RETURN_FALSE;
        }
        found |= (f & want) != 0;
    }
    return found ? Py_True : Py_False;
}

NJ_NOARGS(islower)
{
    return one_case(self, PY_CTF_LOWER, PY_CTF_UPPER);
}

NJ_NOARGS(isupper)
{
    return one_case(self, PY_CTF_UPPER, PY_CTF_LOWER);
}

NJ_NOARGS(istitle)
{
    const char *p = nj_bytes_data(self);
    Py_ssize_t n = Py_SIZE(self);
    bool found = false, in_word = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (Py_ISUPPER(p[i])) {
            if (in_word) {
                Py_RETURN_FALSE;
            }
            in_word = found = true;
        } else if (Py_ISLOWER(p[i])) {
            if (!in_word) {
                Py_RETURN_FALSE;
            }
        } else {
            in_word = false;
        }
    }
    return found ? Py_True : Py_False;
}

/* ---- decode, hex, repr ------------------------------------------------------------------------------------------ */

static const char *const decode_names[] = {"encoding", "errors", NULL};
static const NjParams decode_params = {"decode", decode_names, 2, 0, 0};

NJ_KWARGS(decode)
{
    PyObject *a[2] = {NULL, NULL};
    if ((nargs || kwnames) && nj_args_bind(&decode_params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    const char *text[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        if (a[i] == NULL) {
            continue;
        }
        if (!PyUnicode_Check(a[i])) {
            _PyArg_BadArgument("decode", i ? "argument 'errors'" : "argument 'encoding'",
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
    if (PyBytes_Check(self)) {
        return PyUnicode_Decode(PyBytes_AS_STRING(self), PyBytes_GET_SIZE(self), text[0],
                                text[1]);
    }
    /* a codec in Python may try to resize the bytearray while it decodes */
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(self, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    return PyUnicode_Decode(view.buf, view.len, text[0], text[1]);
}

PyObject *
nj_hex_text(const char *p, Py_ssize_t n, PyObject *sep, int group)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char c = 0;
    if (sep != NULL) {
        Py_ssize_t len = PyObject_Length(sep);
        if (len < 0) {
            return NULL;
        }
        if (len != 1) {
            PyErr_SetString(PyExc_ValueError, "sep must be length 1.");
            return NULL;
        }
        Py_UCS4 ch;
        if (PyUnicode_Check(sep)) {
            ch = PyUnicode_READ_CHAR(sep, 0);
        } else if (PyBytes_Check(sep)) {
            ch = (unsigned char)*PyBytes_AS_STRING(sep);
        } else {
            PyErr_SetString(PyExc_TypeError, "sep must be str or bytes.");
            return NULL;
        }
        if (ch > 127) {
            PyErr_SetString(PyExc_ValueError, "sep must be ASCII.");
            return NULL;
        }
        c = (unsigned char)ch;
    } else {
        group = 0;
    }
    size_t every = group < 0 ? 0 - (size_t)group : (size_t)group;
    if (n == 0) {
        return nj_str_empty();
    }
    Py_ssize_t seps = every ? (Py_ssize_t)(((size_t)n - 1) / every) : 0;
    if (n > (PY_SSIZE_T_MAX - seps) / 2) {
        return PyErr_NoMemory();
    }
    PyObject *r = PyUnicode_New(2 * n + seps, 127);
    if (r == NULL) {
        return NULL;
    }
    char *o = PyUnicode_DATA(r);
    /* groups are counted from the right when group is positive */
    size_t left = group > 0 ? ((size_t)n - 1) % every + 1 : every;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned char b = (unsigned char)p[i];
        *o++ = digits[b >> 4];
        *o++ = digits[b & 15];
        if (every && --left == 0 && i + 1 < n) {
            *o++ = (char)c;
            left = every;
        }
    }
    return r;
}

static const char *const hex_names[] = {"sep", "bytes_per_sep", NULL};
static const NjParams hex_params = {"hex", hex_names, 2, 0, 0};

int
nj_hex_args(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **sep,
            int *group)
{
    PyObject *a[2];
    if (nj_args_bind(&hex_params, args, nargs, kwnames, a) < 0) {
        return -1;
    }
    *sep = a[0];
    *group = 1;
    if (a[1] != NULL) {
        *group = PyLong_AsInt(a[1]);
        if (*group == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

NJ_KWARGS(hex)
{
    PyObject *sep;
    int group;
    if (nj_hex_args(args, nargs, kwnames, &sep, &group) < 0) {
        return NULL;
    }
    lock_size(self, 1);
    PyObject *r = nj_hex_text(nj_bytes_data(self), Py_SIZE(self), sep, group);
    lock_size(self, -1);
    return r;
}

PyObject *
nj_bytes_repr_text(const char *p, Py_ssize_t n, const char *prefix, bool smart_quotes,
                   bool always_escape, const char *suffix)
{
    static const char digits[] = "0123456789abcdef";
    bool single = smart_quotes && n && memchr(p, '\'', (size_t)n) != NULL;
    char quote = single && memchr(p, '"', (size_t)n) == NULL ? '"' : '\'';
    size_t lp = strlen(prefix), ls = strlen(suffix);
    Py_ssize_t size = (Py_ssize_t)(lp + ls) + 2;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        int w = c == (unsigned char)quote || c == '\\' || c == '\t' || c == '\n' ||
                        c == '\r' || (c == '\'' && always_escape)
                    ? 2
                : c < ' ' || c >= 0x7f ? 4
                                       : 1;
        if (size > PY_SSIZE_T_MAX - w) {
            PyErr_SetString(PyExc_OverflowError, always_escape
                                                     ? "bytearray object is too large to make repr"
                                                     : "bytes object is too large to make repr");
            return NULL;
        }
        size += w;
    }
    PyObject *r = PyUnicode_New(size, 127);
    if (r == NULL) {
        return NULL;
    }
    char *o = PyUnicode_DATA(r);
    memcpy(o, prefix, lp);
    o += lp;
    *o++ = quote;
    for (Py_ssize_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == (unsigned char)quote || c == '\\' || (c == '\'' && always_escape)) {
            *o++ = '\\';
            *o++ = (char)c;
        } else if (c == '\t' || c == '\n' || c == '\r') {
            *o++ = '\\';
            *o++ = c == '\t' ? 't' : c == '\n' ? 'n' : 'r';
        } else if (c < ' ' || c >= 0x7f) {
            *o++ = '\\';
            *o++ = 'x';
            *o++ = digits[c >> 4];
            *o++ = digits[c & 15];
        } else {
            *o++ = (char)c;
        }
    }
    *o++ = quote;
    memcpy(o, suffix, ls);
    return r;
}

static int
hex_digit(Py_UCS4 c)
{
    return c >= '0' && c <= '9'   ? (int)c - '0'
           : c >= 'a' && c <= 'f' ? (int)c - 'a' + 10
           : c >= 'A' && c <= 'F' ? (int)c - 'A' + 10
                                  : -1;
}

static PyObject *
bad_hex_digit(Py_ssize_t i)
{
    PyErr_Format(PyExc_ValueError,
                 "non-hexadecimal number found in fromhex() arg at position %zd", i);
    return NULL;
}

PyObject *
nj_bytes_from_hex(PyObject *type, PyObject *text, bool bytearray_)
{
    NJ_OWN_BUF view = {0};
    const char *p;
    Py_ssize_t n;
    if (PyUnicode_Check(text)) {
        n = PyUnicode_GET_LENGTH(text);
        if (!PyUnicode_IS_ASCII(text)) {
            for (Py_ssize_t i = 0; i < n; i++) {
                if (PyUnicode_READ_CHAR(text, i) > 127) {
                    return bad_hex_digit(i);
                }
            }
        }
        p = PyUnicode_DATA(text);
    } else if (PyObject_CheckBuffer(text)) {
        if (PyObject_GetBuffer(text, &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        p = view.buf;
        n = view.len;
    } else {
        PyErr_Format(PyExc_TypeError, "fromhex() argument must be str or bytes-like, not %T",
                     text);
        return NULL;
    }
    NJ_OWN_MEM(char) buf = PyMem_Malloc((size_t)n / 2 + 1);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    Py_ssize_t o = 0, i = 0;
    while (i < n) {
        if (Py_ISSPACE(p[i])) {
            i++;
            continue;
        }
        int high = hex_digit((unsigned char)p[i]);
        if (high < 0) {
            return bad_hex_digit(i);
        }
        i++;
        if (i >= n) {
            PyErr_SetString(PyExc_ValueError,
                            "fromhex() arg must contain an even number of hexadecimal digits");
            return NULL;
        }
        int low = hex_digit((unsigned char)p[i]);
        if (low < 0) {
            return bad_hex_digit(i);
        }
        i++;
        buf[o++] = (char)(high << 4 | low);
    }
    PyObject *exact = bytearray_ ? (PyObject *)&PyByteArray_Type : (PyObject *)&PyBytes_Type;
    NJ_OWN r = bytearray_ ? PyByteArray_FromStringAndSize(buf, o)
                          : PyBytes_FromStringAndSize(buf, o);
    if (r == NULL || type == exact) {
        return NJ_TAKE(r);
    }
    return PyObject_CallOneArg(type, r);
}

PyObject *
nj_bytes_concat(PyObject *a, PyObject *b)
{
    NJ_OWN_BUF va = {0};
    NJ_OWN_BUF vb = {0};
    if (PyObject_GetBuffer(a, &va, PyBUF_SIMPLE) < 0 ||
        PyObject_GetBuffer(b, &vb, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError, "can't concat %.100s to %.100s", Py_TYPE(b)->tp_name,
                     Py_TYPE(a)->tp_name);
        return NULL;
    }
    if (PyBytes_CheckExact(a) && PyBytes_CheckExact(b)) {
        if (va.len == 0) {
            return Py_NewRef(b);
        }
        if (vb.len == 0) {
            return Py_NewRef(a);
        }
    }
    if (va.len > PY_SSIZE_T_MAX - vb.len) {
        return PyErr_NoMemory();
    }
    PyObject *r = PyByteArray_Check(a) ? PyByteArray_FromStringAndSize(NULL, va.len + vb.len)
                                       : PyBytes_FromStringAndSize(NULL, va.len + vb.len);
    if (r != NULL && va.len + vb.len > 0) {
        if (va.len + vb.len == 1 && PyBytes_Check(r)) {
            Py_DECREF(r);
            return PyBytes_FromStringAndSize(va.len ? va.buf : vb.buf, 1);
        }
        memcpy(room(r), va.buf, (size_t)va.len);
        memcpy(room(r) + va.len, vb.buf, (size_t)vb.len);
    }
    return r;
}

/* Index of needle in haystack, both of the given lengths, plus offset, or -1. */
PyAPI_FUNC(Py_ssize_t) _PyBytes_Find(const char *haystack, Py_ssize_t n, const char *needle,
                                     Py_ssize_t m, Py_ssize_t offset);
Py_ssize_t
_PyBytes_Find(const char *haystack, Py_ssize_t n, const char *needle, Py_ssize_t m,
              Py_ssize_t offset)
{
    Py_ssize_t at = nj_find(1, haystack, n, needle, m);
    return at < 0 ? -1 : at + offset;
}

PyAPI_FUNC(Py_ssize_t) _PyBytes_ReverseFind(const char *haystack, Py_ssize_t n,
                                            const char *needle, Py_ssize_t m,
                                            Py_ssize_t offset);
Py_ssize_t
_PyBytes_ReverseFind(const char *haystack, Py_ssize_t n, const char *needle, Py_ssize_t m,
                     Py_ssize_t offset)
{
    Py_ssize_t at = nj_rfind(1, haystack, n, needle, m);
    return at < 0 ? -1 : at + offset;
}

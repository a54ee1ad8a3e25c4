/* bytearray.c - the bytearray type.
 *
 * ob_bytes is the block (ob_alloc bytes, a zero byte always behind the contents), ob_start
 * the first byte in use: deleting at the front only moves ob_start. While ob_exports > 0
 * a buffer points into the block and nothing may resize it (BufferError).
 * SPDX-License-Identifier: MIT
 */
#include "objects/bytes_int.h"

#include "capi/args.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* Py_BytesWarningFlag */

#define BA(o) ((PyByteArrayObject *)(o))
#define DATA(o) PyByteArray_AS_STRING(o)

char _PyByteArray_empty_string[] = "";

/* ---- size --------------------------------------------------------------------------------- */

static int
check_resizable(PyObject *op)
{
    if (BA(op)->ob_exports > 0) {
        PyErr_SetString(PyExc_BufferError,
                        "Existing exports of data: object cannot be re-sized");
        return -1;
    }
    return 0;
}

int
PyByteArray_Resize(PyObject *op, Py_ssize_t n)
{
    PyByteArrayObject *b = BA(op);
    if (n < 0) {
        PyErr_Format(PyExc_ValueError, "Can only resize to positive sizes, got %zd", n);
        return -1;
    }
    if (n == Py_SIZE(b)) {
        return 0;
    }
    if (n == PY_SSIZE_T_MAX) {
        PyErr_NoMemory(); /* no room for the zero byte */
        return -1;
    }
    if (check_resizable(op) < 0) {
        return -1;
    }
    Py_ssize_t offset = b->ob_start - b->ob_bytes, alloc = b->ob_alloc;
    if (n < alloc - offset) {
        if (n >= alloc / 2 || alloc <= 64) {
            /* fits where it is and is not wasteful */
            Py_SET_SIZE(b, n);
            if (b->ob_start) {
                b->ob_start[n] = 0;
            }
            return 0;
        }
        alloc = n + 1;
    } else if (n <= alloc + (alloc >> 3) && alloc > 0) {
        alloc = n + (n >> 3) + (n < 9 ? 3 : 6);
    } else {
        alloc = n + 1;
    }
    char *block;
    if (offset > 0) {
        block = PyMem_Malloc((size_t)alloc);
        if (block == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(block, b->ob_start, (size_t)Py_MIN(n, Py_SIZE(b)));
        PyMem_Free(b->ob_bytes);
    } else {
        block = PyMem_Realloc(b->ob_bytes, (size_t)alloc);
        if (block == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    b->ob_bytes = b->ob_start = block;
    b->ob_alloc = alloc;
    Py_SET_SIZE(b, n);
    block[n] = 0;
    return 0;
}

/* ---- C API ---------------------------------------------------------------------------------- */

PyObject *
PyByteArray_FromStringAndSize(const char *p, Py_ssize_t n)
{
    if (n < 0) {
        PyErr_SetString(PyExc_SystemError,
                        "Negative size passed to PyByteArray_FromStringAndSize");
        return NULL;
    }
    if (n == PY_SSIZE_T_MAX) {
        return PyErr_NoMemory();
    }
    PyByteArrayObject *b = PyObject_New(PyByteArrayObject, &PyByteArray_Type);
    if (b == NULL) {
        return NULL;
    }
    b->ob_bytes = b->ob_start = NULL;
    b->ob_alloc = 0;
    b->ob_exports = 0;
    Py_SET_SIZE(b, 0);
    if (n > 0) {
        b->ob_bytes = PyMem_Malloc((size_t)n + 1);
        if (b->ob_bytes == NULL) {
            Py_DECREF(b);
            return PyErr_NoMemory();
        }
        if (p != NULL) {
            memcpy(b->ob_bytes, p, (size_t)n);
        }
        b->ob_bytes[n] = 0;
        b->ob_start = b->ob_bytes;
        b->ob_alloc = n + 1;
        Py_SET_SIZE(b, n);
    }
    return (PyObject *)b;
}

PyObject *
PyByteArray_FromObject(PyObject *o)
{
    return PyObject_CallOneArg((PyObject *)&PyByteArray_Type, o);
}

Py_ssize_t
PyByteArray_Size(PyObject *op)
{
    return PyByteArray_GET_SIZE(op);
}

char *
PyByteArray_AsString(PyObject *op)
{
    return PyByteArray_AS_STRING(op);
}

PyObject *
PyByteArray_Concat(PyObject *a, PyObject *b)
{
    NJ_OWN_BUF va = {0};
    NJ_OWN_BUF vb = {0};
    if (PyObject_GetBuffer(a, &va, PyBUF_SIMPLE) < 0 ||
        PyObject_GetBuffer(b, &vb, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError, "can't concat %.100s to %.100s", Py_TYPE(b)->tp_name,
                     Py_TYPE(a)->tp_name);
        return NULL;
    }
    if (va.len > PY_SSIZE_T_MAX - vb.len) {
        return PyErr_NoMemory();
    }
    PyObject *r = PyByteArray_FromStringAndSize(NULL, va.len + vb.len);
    if (r != NULL) {
        memcpy(DATA(r), va.buf, (size_t)va.len);
        memcpy(DATA(r) + va.len, vb.buf, (size_t)vb.len);
    }
    return r;
}

/* ---- changing ----------------------------------------------------------------------------------- */

/* Replaces [lo, hi) by n bytes at p (not inside self). */
static int
set_span(PyObject *self, Py_ssize_t lo, Py_ssize_t hi, const char *p, Py_ssize_t n)
{
    PyByteArrayObject *b = BA(self);
    Py_ssize_t size = Py_SIZE(b), growth = n - (hi - lo);
    if (growth < 0) {
        if (check_resizable(self) < 0) {
            return -1;
        }
        if (lo == 0) {
            b->ob_start -= growth; /* forget the front: no copying */
            Py_SET_SIZE(b, size + growth);
            if (Py_SIZE(b) == 0) {
                b->ob_start = b->ob_bytes;
                b->ob_start[0] = 0;
            } else if (b->ob_start - b->ob_bytes > b->ob_alloc / 2 &&
                       b->ob_alloc > 64) {
                /* mostly gone: give the room back */
                Py_ssize_t keep = Py_SIZE(b);
                memmove(b->ob_bytes, b->ob_start, (size_t)keep + 1);
                b->ob_start = b->ob_bytes;
                char *smaller = PyMem_Realloc(b->ob_bytes, (size_t)keep + 1);
                if (smaller != NULL) {
                    b->ob_bytes = b->ob_start = smaller;
                    b->ob_alloc = keep + 1;
                }
            }
        } else {
            memmove(b->ob_start + hi + growth, b->ob_start + hi, (size_t)(size - hi));
            if (PyByteArray_Resize(self, size + growth) < 0) {
                return -1;
            }
        }
    } else if (growth > 0) {
        if (size > PY_SSIZE_T_MAX - growth) {
            PyErr_NoMemory();
            return -1;
        }
        if (PyByteArray_Resize(self, size + growth) < 0) {
            return -1;
        }
        memmove(b->ob_start + hi + growth, b->ob_start + hi, (size_t)(size - hi));
    }
    if (n > 0) {
        memcpy(b->ob_start + lo, p, (size_t)n);
    }
    return 0;
}

static int
set_slice(PyObject *self, Py_ssize_t lo, Py_ssize_t hi, PyObject *values)
{
    if (values == NULL) {
        return set_span(self, lo, hi, NULL, 0);
    }
    if (values == self) {
        NJ_OWN copy = PyByteArray_FromStringAndSize(DATA(self), Py_SIZE(self));
        return copy == NULL ? -1 : set_slice(self, lo, hi, copy);
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(values, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError, "can't set bytearray slice from %.100s",
                     Py_TYPE(values)->tp_name);
        return -1;
    }
    Py_ssize_t size = Py_SIZE(self);
    lo = Py_MIN(Py_MAX(lo, 0), size);
    hi = Py_MIN(Py_MAX(hi, lo), size);
    return set_span(self, lo, hi, view.buf, view.len);
}

static int
assign_item(PyObject *self, Py_ssize_t i, PyObject *value)
{
    unsigned char c = 0;
    if (value && nj_byte_value(value, &c) < 0) { /* __index__ may shrink it */
        return -1;
    }
    if (i < 0 || i >= Py_SIZE(self)) {
        PyErr_SetString(PyExc_IndexError, "bytearray index out of range");
        return -1;
    }
    if (value == NULL) {
        return set_span(self, i, i + 1, NULL, 0);
    }
    DATA(self)[i] = (char)c;
    return 0;
}

static int
bytearray_ass_subscript(PyObject *self, PyObject *key, PyObject *values)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        return assign_item(self, i < 0 ? i + Py_SIZE(self) : i, values);
    }
    if (!PySlice_Check(key)) {
        PyErr_Format(PyExc_TypeError, "bytearray indices must be integers or slices, not %.200s",
                     Py_TYPE(key)->tp_name);
        return -1;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return -1;
    }
    if (values != NULL && (values == self || !PyByteArray_Check(values))) {
        if (PyNumber_Check(values) || PyUnicode_Check(values)) {
            PyErr_SetString(PyExc_TypeError, "can assign only bytes, buffers, or iterables of "
                                             "ints in range(0, 256)");
            return -1;
        }
        NJ_OWN copy = PyByteArray_FromObject(values);
        return copy == NULL ? -1 : bytearray_ass_subscript(self, key, copy);
    }
    Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
    const char *p = values ? DATA(values) : NULL;
    Py_ssize_t needed = values ? Py_SIZE(values) : 0;
    if ((step < 0 && start < stop) || (step > 0 && start > stop)) {
        stop = start;
    }
    if (step == 1) {
        return set_span(self, start, stop, p, needed);
    }
    if (needed == 0) {
        /* delete every step-th byte */
        if (n == 0) {
            return 0;
        }
        if (check_resizable(self) < 0) {
            return -1;
        }
        if (step < 0) {
            start += (n - 1) * step;
            step = -step;
        }
        char *buf = DATA(self);
        Py_ssize_t size = Py_SIZE(self), o = start, at = start;
        for (Py_ssize_t k = 0; k < n; k++) {
            Py_ssize_t next = k + 1 < n ? at + step : size;
            memmove(buf + o, buf + at + 1, (size_t)(next - at - 1));
            o += next - at - 1;
            at = next;
        }
        return PyByteArray_Resize(self, size - n);
    }
    if (needed != n) {
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign bytes of size %zd to extended slice of size %zd",
                     needed, n);
        return -1;
    }
    for (Py_ssize_t k = 0; k < n; k++, start += step) {
        DATA(self)[start] = p[k];
    }
    return 0;
}

static int
bytearray_ass_item(PyObject *self, Py_ssize_t i, PyObject *value)
{
    return assign_item(self, i, value);
}

static PyObject *
bytearray_iconcat(PyObject *self, PyObject *other)
{
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(other, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError, "can't concat %.100s to %.100s", Py_TYPE(other)->tp_name,
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(self), add = view.len;
    if (n > PY_SSIZE_T_MAX - add) {
        return PyErr_NoMemory();
    }
    if (PyByteArray_Resize(self, n + add) < 0) {
        return NULL;
    }
    memcpy(DATA(self) + n, view.buf, (size_t)add);
    return Py_NewRef(self);
}

static PyObject *
bytearray_repeat(PyObject *self, Py_ssize_t count)
{
    count = Py_MAX(count, 0);
    Py_ssize_t n = Py_SIZE(self);
    if (n && count > PY_SSIZE_T_MAX / n) {
        return PyErr_NoMemory();
    }
    PyObject *r = PyByteArray_FromStringAndSize(NULL, n * count);
    if (r != NULL && n * count > 0) {
        if (n == 1) {
            memset(DATA(r), DATA(self)[0], (size_t)count);
        } else {
            for (Py_ssize_t i = 0; i < count; i++) {
                memcpy(DATA(r) + i * n, DATA(self), (size_t)n);
            }
        }
    }
    return r;
}

static PyObject *
bytearray_irepeat(PyObject *self, Py_ssize_t count)
{
    count = Py_MAX(count, 0);
    Py_ssize_t n = Py_SIZE(self);
    if (count == 1 || n == 0) {
        return count == 1 || check_resizable(self) == 0 ? Py_NewRef(self) : NULL;
    }
    if (count > PY_SSIZE_T_MAX / n) {
        return PyErr_NoMemory();
    }
    if (PyByteArray_Resize(self, n * count) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 1; i < count; i++) {
        memcpy(DATA(self) + i * n, DATA(self), (size_t)n);
    }
    return Py_NewRef(self);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static Py_ssize_t
bytearray_length(PyObject *self)
{
    return Py_SIZE(self);
}

static PyObject *
bytearray_item(PyObject *self, Py_ssize_t i)
{
    if (i < 0 || i >= Py_SIZE(self)) {
        PyErr_SetString(PyExc_IndexError, "bytearray index out of range");
        return NULL;
    }
    return PyLong_FromLong((unsigned char)DATA(self)[i]);
}

static PyObject *
bytearray_subscript(PyObject *self, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return bytearray_item(self, i < 0 ? i + Py_SIZE(self) : i);
    }
    if (PySlice_Check(key)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
            return NULL;
        }
        Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(self), &start, &stop, step);
        if (n <= 0) {
            return PyByteArray_FromStringAndSize("", 0);
        }
        if (step == 1) {
            return PyByteArray_FromStringAndSize(DATA(self) + start, n);
        }
        PyObject *r = PyByteArray_FromStringAndSize(NULL, n);
        for (Py_ssize_t k = 0; r != NULL && k < n; k++, start += step) {
            DATA(r)[k] = DATA(self)[start];
        }
        return r;
    }
    PyErr_Format(PyExc_TypeError, "bytearray indices must be integers or slices, not %.200s",
                 Py_TYPE(key)->tp_name);
    return NULL;
}

static PyObject *
bytearray_mod(PyObject *a, PyObject *b)
{
    if (!PyByteArray_Check(a)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN_BUF view = {0}; /* keeps the template where it is while arguments run code */
    if (PyObject_GetBuffer(a, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    NJ_OWN r = nj_bytes_percent(view.buf, view.len, b);
    return r == NULL ? NULL
                     : PyByteArray_FromStringAndSize(PyBytes_AS_STRING(r), PyBytes_GET_SIZE(r));
}

static PyObject *
bytearray_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyObject_CheckBuffer(a) || !PyObject_CheckBuffer(b)) {
        if (Py_BytesWarningFlag && (op == Py_EQ || op == Py_NE) &&
            (PyUnicode_Check(a) || PyUnicode_Check(b)) &&
            PyErr_WarnEx(PyExc_BytesWarning, "Comparison between bytearray and string", 1)) {
            return NULL;
        }
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN_BUF va = {0};
    NJ_OWN_BUF vb = {0};
    if (PyObject_GetBuffer(a, &va, PyBUF_SIMPLE) < 0 ||
        PyObject_GetBuffer(b, &vb, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    int c = 1;
    if (va.len == vb.len || (op != Py_EQ && op != Py_NE)) {
        c = memcmp(va.buf, vb.buf, (size_t)Py_MIN(va.len, vb.len));
        if (c == 0) {
            c = va.len < vb.len ? -1 : va.len > vb.len;
        }
    }
    Py_RETURN_RICHCOMPARE(c, 0, op);
}

static PyObject *
bytearray_repr(PyObject *self)
{
    NJ_OWN name = PyType_GetName(Py_TYPE(self));
    NJ_OWN prefix = name == NULL ? NULL : PyUnicode_FromFormat("%U(b", name);
    if (prefix == NULL) {
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8(prefix);
    if (text == NULL) {
        return NULL;
    }
    if (PyUnicode_IS_ASCII(prefix)) {
        return nj_bytes_repr_text(DATA(self), Py_SIZE(self), text, true, true, ")");
    }
    NJ_OWN rest = nj_bytes_repr_text(DATA(self), Py_SIZE(self), "", true, true, ")");
    return rest == NULL ? NULL : PyUnicode_Concat(prefix, rest);
}

static PyObject *
bytearray_str(PyObject *self)
{
    if (Py_BytesWarningFlag &&
        PyErr_WarnEx(PyExc_BytesWarning, "str() on a bytearray instance", 1) < 0) {
        return NULL;
    }
    return bytearray_repr(self);
}

static int
bytearray_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    if (view == NULL) {
        PyErr_SetString(PyExc_BufferError,
                        "bytearray_getbuffer: view==NULL argument is obsolete");
        return -1;
    }
    if (PyBuffer_FillInfo(view, self, DATA(self), Py_SIZE(self), 0, flags) < 0) {
        return -1;
    }
    BA(self)->ob_exports++;
    return 0;
}

static void
bytearray_releasebuffer(PyObject *self, Py_buffer *view)
{
    BA(self)->ob_exports--;
}

static PyBufferProcs bytearray_as_buffer = {bytearray_getbuffer, bytearray_releasebuffer};

static void
bytearray_dealloc(PyObject *self)
{
    if (BA(self)->ob_exports > 0) {
        PyErr_SetString(PyExc_SystemError, "deallocated bytearray object has exported buffers");
        PyErr_Print();
    }
    PyMem_Free(BA(self)->ob_bytes);
    Py_TYPE(self)->tp_free(self);
}

/* ---- making ------------------------------------------------------------------------------------------ */

static int
append_byte(PyObject *self, unsigned char c)
{
    Py_ssize_t n = Py_SIZE(self);
    if (n == PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "cannot add more objects to bytearray");
        return -1;
    }
    if (NJ_UNLIKELY(PyByteArray_Resize(self, n + 1) < 0)) {
        return -1;
    }
    DATA(self)[n] = (char)c;
    return 0;
}

static int
extend_from_iter(PyObject *self, PyObject *it)
{
    PyObject *item;
    while ((item = PyIter_Next(it)) != NULL) {
        unsigned char c;
        int r = nj_byte_value(item, &c);
        Py_DECREF(item);
        if (r < 0 || append_byte(self, c) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static const char *const init_names[] = {"source", "encoding", "errors", NULL};
static const NjParams init_params = {"bytearray", init_names, 3, 0, 0};

static int
bytearray_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *a[3];
    if (nj_args_bind_tuple(&init_params, args, kwargs, a) < 0) {
        return -1;
    }
    const char *text[2] = {NULL, NULL};
    for (int i = 0; i < 2; i++) {
        if (a[i + 1] == NULL) {
            continue;
        }
        if (!PyUnicode_Check(a[i + 1])) {
            _PyArg_BadArgument("bytearray",
                               i ? "argument 'errors'" : "argument 'encoding'", "str",
                               a[i + 1]);
            return -1;
        }
        text[i] = PyUnicode_AsUTF8(a[i + 1]);
        if (text[i] == NULL) {
            return -1;
        }
    }
    if (Py_SIZE(self) != 0 && PyByteArray_Resize(self, 0) < 0) {
        return -1;
    }
    PyObject *x = a[0];
    if (x == NULL) {
        if (a[1] || a[2]) {
            PyErr_SetString(PyExc_TypeError, a[1] ? "encoding without a string argument"
                                                  : "errors without a string argument");
            return -1;
        }
        return 0;
    }
    if (PyUnicode_Check(x)) {
        if (a[1] == NULL) {
            PyErr_SetString(PyExc_TypeError, "string argument without an encoding");
            return -1;
        }
        NJ_OWN encoded = PyUnicode_AsEncodedString(x, text[0], text[1]);
        if (encoded == NULL) {
            return -1;
        }
        NJ_OWN r = bytearray_iconcat(self, encoded);
        return r == NULL ? -1 : 0;
    }
    if (a[1] || a[2]) {
        PyErr_SetString(PyExc_TypeError, a[1] ? "encoding without a string argument"
                                              : "errors without a string argument");
        return -1;
    }
    if (PyIndex_Check(x)) {
        Py_ssize_t n = PyNumber_AsSsize_t(x, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
                return -1;
            }
            PyErr_Clear();
        } else {
            if (n < 0) {
                PyErr_SetString(PyExc_ValueError, "negative count");
                return -1;
            }
            if (n > 0) {
                if (PyByteArray_Resize(self, n) < 0) {
                    return -1;
                }
                memset(DATA(self), 0, (size_t)n);
            }
            return 0;
        }
    }
    if (PyObject_CheckBuffer(x)) {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(x, &view, PyBUF_FULL_RO) < 0) {
            view.obj = NULL;
            return -1;
        }
        if (PyByteArray_Resize(self, view.len) < 0) {
            return -1;
        }
        return view.len ? PyBuffer_ToContiguous(DATA(self), &view, view.len, 'C') : 0;
    }
    NJ_OWN it = PyObject_GetIter(x);
    if (it == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "cannot convert '%.200s' object to bytearray",
                         Py_TYPE(x)->tp_name);
        }
        return -1;
    }
    return extend_from_iter(self, it);
}

/* ---- methods ------------------------------------------------------------------------------------------- */

static PyObject *
bytearray_append(PyObject *self, PyObject *item)
{
    unsigned char c;
    if (nj_byte_value(item, &c) < 0 || append_byte(self, c) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bytearray_insert(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("insert", nargs, 2, 2)) {
        return NULL;
    }
    Py_ssize_t i = nj_ssize_arg(args[0]);
    unsigned char c;
    if ((i == -1 && PyErr_Occurred()) || nj_byte_value(args[1], &c) < 0) {
        return NULL;
    }
    Py_ssize_t n = Py_SIZE(self);
    if (n == PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "cannot add more objects to bytearray");
        return NULL;
    }
    i = i < 0 ? Py_MAX(i + n, 0) : Py_MIN(i, n);
    if (set_span(self, i, i, (char *)&c, 1) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bytearray_extend(PyObject *self, PyObject *x)
{
    if (PyObject_CheckBuffer(x)) {
        if (set_slice(self, Py_SIZE(self), Py_SIZE(self), x) < 0) {
            return NULL;
        }
        Py_RETURN_NONE;
    }
    NJ_OWN it = PyObject_GetIter(x);
    if (it == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "can't extend bytearray with %.100s",
                         Py_TYPE(x)->tp_name);
        }
        return NULL;
    }
    /* collected aside: the iterator may look at self, and an error leaves it alone */
    Py_ssize_t room = PyObject_LengthHint(x, 32), got = 0;
    if (room < 0) {
        return NULL;
    }
    NJ_OWN buf = PyByteArray_FromStringAndSize(NULL, room);
    if (buf == NULL) {
        return NULL;
    }
    PyObject *item;
    while ((item = PyIter_Next(it)) != NULL) {
        unsigned char c;
        int r = nj_byte_value(item, &c);
        Py_DECREF(item);
        if (r < 0) {
            if (PyErr_ExceptionMatches(PyExc_TypeError) && PyUnicode_Check(x)) {
                PyErr_Format(PyExc_TypeError, "expected iterable of integers; got: 'str'");
            }
            return NULL;
        }
        if (got == room) {
            if (room > PY_SSIZE_T_MAX - (room >> 1) - 16) {
                return PyErr_NoMemory();
            }
            room += (room >> 1) + 16;
            if (PyByteArray_Resize(buf, room) < 0) {
                return NULL;
            }
        }
        DATA(buf)[got++] = (char)c;
    }
    Py_ssize_t n = Py_SIZE(self);
    if (PyErr_Occurred() || set_span(self, n, n, DATA(buf), got) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bytearray_pop(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs > 1 && !_PyArg_CheckPositional("pop", nargs, 0, 1)) {
        return NULL;
    }
    Py_ssize_t i = -1;
    if (nargs) {
        i = nj_ssize_arg(args[0]);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    Py_ssize_t n = Py_SIZE(self);
    if (n == 0) {
        PyErr_SetString(PyExc_IndexError, "pop from empty bytearray");
        return NULL;
    }
    if (i < 0) {
        i += n;
    }
    if (i < 0 || i >= n) {
        PyErr_SetString(PyExc_IndexError, "pop index out of range");
        return NULL;
    }
    int c = (unsigned char)DATA(self)[i];
    if (set_span(self, i, i + 1, NULL, 0) < 0) {
        return NULL;
    }
    return PyLong_FromLong(c);
}

static PyObject *
bytearray_remove(PyObject *self, PyObject *value)
{
    unsigned char c;
    if (nj_byte_value(value, &c) < 0) {
        return NULL;
    }
    Py_ssize_t i = nj_find_char(1, DATA(self), Py_SIZE(self), c);
    if (i < 0) {
        PyErr_SetString(PyExc_ValueError, "value not found in bytearray");
        return NULL;
    }
    if (set_span(self, i, i + 1, NULL, 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bytearray_reverse(PyObject *self, PyObject *unused)
{
    char *p = DATA(self);
    for (Py_ssize_t i = 0, j = Py_SIZE(self) - 1; i < j; i++, j--) {
        char t = p[i];
        p[i] = p[j];
        p[j] = t;
    }
    Py_RETURN_NONE;
}

static PyObject *
bytearray_clear(PyObject *self, PyObject *unused)
{
    if (PyByteArray_Resize(self, 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
bytearray_copy(PyObject *self, PyObject *unused)
{
    return PyByteArray_FromStringAndSize(DATA(self), Py_SIZE(self));
}

static PyObject *
bytearray_resize(PyObject *self, PyObject *arg)
{
    Py_ssize_t n = nj_ssize_arg(arg);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Py_ssize_t old = Py_SIZE(self);
    if (PyByteArray_Resize(self, n) < 0) {
        return NULL;
    }
    if (n > old) {
        memset(DATA(self) + old, 0, (size_t)(n - old));
    }
    Py_RETURN_NONE;
}

static PyObject *
bytearray_fromhex(PyObject *type, PyObject *text)
{
    return nj_bytes_from_hex(type, text, true);
}

static PyObject *
reduce(PyObject *self, int proto)
{
    NJ_OWN state = PyObject_CallMethod(self, "__getstate__", NULL);
    if (state == NULL) {
        return NULL;
    }
    if (Py_SIZE(self) == 0) {
        return Py_BuildValue("(O()O)", Py_TYPE(self), state);
    }
    if (proto < 3) {
        NJ_OWN text = PyUnicode_DecodeLatin1(DATA(self), Py_SIZE(self), NULL);
        return text == NULL ? NULL
                            : Py_BuildValue("(O(Os)O)", Py_TYPE(self), text, "latin-1", state);
    }
    return Py_BuildValue("(O(y#)O)", Py_TYPE(self), DATA(self), Py_SIZE(self), state);
}

static PyObject *
bytearray_reduce(PyObject *self, PyObject *unused)
{
    return reduce(self, 2);
}

static PyObject *
bytearray_reduce_ex(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs > 1 && !_PyArg_CheckPositional("__reduce_ex__", nargs, 0, 1)) {
        return NULL;
    }
    int proto = 0;
    if (nargs) {
        proto = PyLong_AsInt(args[0]);
        if (proto == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    return reduce(self, proto);
}

static PyObject *
bytearray_alloc(PyObject *self, PyObject *unused)
{
    return PyLong_FromSsize_t(BA(self)->ob_alloc);
}

static PyObject *
bytearray_sizeof(PyObject *self, PyObject *unused)
{
    return PyLong_FromSsize_t(Py_TYPE(self)->tp_basicsize + BA(self)->ob_alloc);
}

/* ---- iterator -------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq; /* owned; NULL when exhausted */
} ByteArrayIter;

static PyObject *
bytearray_iter(PyObject *self)
{
    ByteArrayIter *it = PyObject_GC_New(ByteArrayIter, &PyByteArrayIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->index = 0;
    it->seq = Py_NewRef(self);
    PyObject_GC_Track(it);
    return (PyObject *)it;
}

static void
bytearrayiter_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((ByteArrayIter *)op)->seq);
    PyObject_GC_Del(op);
}

static int
bytearrayiter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((ByteArrayIter *)op)->seq);
    return 0;
}

static PyObject *
bytearrayiter_next(PyObject *op)
{
    ByteArrayIter *it = (ByteArrayIter *)op;
    PyObject *seq = it->seq;
    if (seq == NULL) {
        return NULL;
    }
    if (it->index < Py_SIZE(seq)) {
        return PyLong_FromLong((unsigned char)DATA(seq)[it->index++]);
    }
    it->seq = NULL;
    Py_DECREF(seq);
    return NULL;
}

static PyObject *
bytearrayiter_length_hint(PyObject *op, PyObject *unused)
{
    ByteArrayIter *it = (ByteArrayIter *)op;
    Py_ssize_t left = it->seq ? Py_SIZE(it->seq) - it->index : 0;
    return PyLong_FromSsize_t(Py_MAX(left, 0));
}

static PyObject *
bytearrayiter_reduce(PyObject *op, PyObject *unused)
{
    ByteArrayIter *it = (ByteArrayIter *)op;
    NJ_OWN iter = nj_builtin_iter();
    if (iter == NULL) {
        return NULL;
    }
    if (it->seq != NULL) {
        return Py_BuildValue("O(O)n", iter, it->seq, it->index);
    }
    return Py_BuildValue("O(())", iter);
}

static PyObject *
bytearrayiter_setstate(PyObject *op, PyObject *state)
{
    ByteArrayIter *it = (ByteArrayIter *)op;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->seq != NULL) {
        it->index = i < 0 ? 0 : Py_MIN(i, Py_SIZE(it->seq));
    }
    Py_RETURN_NONE;
}

static PyMethodDef bytearrayiter_methods[] = {
    {"__length_hint__", bytearrayiter_length_hint, METH_NOARGS,
     SIG("__length_hint__($self, /)", "How many items are probably left.")},
    {"__reduce__", bytearrayiter_reduce, METH_NOARGS,
     SIG("__reduce__($self, /)", "State for pickling.")},
    {"__setstate__", bytearrayiter_setstate, METH_O,
     SIG("__setstate__($self, object, /)", "Set the position from a pickled state.")},
    {NULL},
};

PyTypeObject PyByteArrayIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "bytearray_iterator",
    .tp_basicsize = sizeof(ByteArrayIter),
    .tp_dealloc = bytearrayiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = bytearrayiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = bytearrayiter_next,
    .tp_methods = bytearrayiter_methods,
};

/* ---- the type --------------------------------------------------------------------------------------------- */

static PyMethodDef bytearray_methods[] = {
    {"__alloc__", bytearray_alloc, METH_NOARGS,
     SIG("__alloc__($self, /)", "Number of bytes allocated.")},
    {"__reduce__", bytearray_reduce, METH_NOARGS,
     SIG("__reduce__($self, /)", "State for pickling.")},
    {"__reduce_ex__", FAST(bytearray_reduce_ex),
     SIG("__reduce_ex__($self, proto=0, /)", "State for pickling.")},
    {"__sizeof__", bytearray_sizeof, METH_NOARGS,
     SIG("__sizeof__($self, /)", "Size in memory, in bytes.")},
    {"append", bytearray_append, METH_O,
     SIG("append($self, item, /)", "Add one byte at the end.")},
    {"clear", bytearray_clear, METH_NOARGS, SIG("clear($self, /)", "Remove all bytes.")},
    {"copy", bytearray_copy, METH_NOARGS, SIG("copy($self, /)", "A copy.")},
    {"extend", bytearray_extend, METH_O,
     SIG("extend($self, iterable_of_ints, /)", "Add many bytes at the end.")},
    {"fromhex", bytearray_fromhex, METH_O | METH_CLASS,
     SIG("fromhex($type, string, /)", "Bytearray from hexadecimal digits.")},
    {"insert", FAST(bytearray_insert),
     SIG("insert($self, index, item, /)", "Insert one byte before index.")},
    {"pop", FAST(bytearray_pop),
     SIG("pop($self, index=-1, /)", "Remove one byte and return it.")},
    {"remove", bytearray_remove, METH_O,
     SIG("remove($self, value, /)", "Remove the first such byte.")},
    {"resize", bytearray_resize, METH_O,
     SIG("resize($self, size, /)", "Change the size; new bytes are zero.")},
    {"reverse", bytearray_reverse, METH_NOARGS,
     SIG("reverse($self, /)", "Reverse the bytes in place.")},
    NJ_BYTES_COMMON_METHODS,
    {NULL},
};

static PyNumberMethods bytearray_as_number = {.nb_remainder = bytearray_mod};

static PySequenceMethods bytearray_as_sequence = {
    .sq_length = bytearray_length,
    .sq_concat = PyByteArray_Concat,
    .sq_repeat = bytearray_repeat,
    .sq_item = bytearray_item,
    .sq_ass_item = bytearray_ass_item,
    .sq_contains = nj_bytes_contains,
    .sq_inplace_concat = bytearray_iconcat,
    .sq_inplace_repeat = bytearray_irepeat,
};

static PyMappingMethods bytearray_as_mapping = {
    .mp_length = bytearray_length,
    .mp_subscript = bytearray_subscript,
    .mp_ass_subscript = bytearray_ass_subscript,
};

PyDoc_STRVAR(bytearray_doc,
             "bytearray(iterable_of_ints) -> bytearray\n"
             "bytearray(string, encoding[, errors]) -> bytearray\n"
             "bytearray(bytes_or_buffer) -> mutable copy of bytes_or_buffer\n"
             "bytearray(int) -> bytes array of size given by the parameter initialized with "
             "null bytes\n"
             "bytearray() -> empty bytes array\n"
             "\n"
             "A mutable array of bytes.");

PyTypeObject PyByteArray_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "bytearray",
    .tp_basicsize = sizeof(PyByteArrayObject),
    .tp_dealloc = bytearray_dealloc,
    .tp_repr = bytearray_repr,
    .tp_as_number = &bytearray_as_number,
    .tp_as_sequence = &bytearray_as_sequence,
    .tp_as_mapping = &bytearray_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_str = bytearray_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_as_buffer = &bytearray_as_buffer,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | _Py_TPFLAGS_MATCH_SELF,
    .tp_doc = bytearray_doc,
    .tp_richcompare = bytearray_richcompare,
    .tp_iter = bytearray_iter,
    .tp_methods = bytearray_methods,
    .tp_init = bytearray_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = PyType_GenericNew,
    .tp_free = PyObject_Free,
};

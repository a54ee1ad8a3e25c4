/* buffer.c - the buffer protocol: asking for a view, walking it, copying it.
 *
 * A Py_buffer describes memory by shape, strides and suboffsets. The copying functions
 * visit elements in C or Fortran order through PyBuffer_GetPointer; contiguous views of
 * the right order are one memcpy.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

int
PyObject_CheckBuffer(PyObject *obj)
{
    PyBufferProcs *pb = Py_TYPE(obj)->tp_as_buffer;
    return pb != NULL && pb->bf_getbuffer != NULL;
}

int
PyObject_GetBuffer(PyObject *obj, Py_buffer *view, int flags)
{
    if (flags != PyBUF_SIMPLE) {
        if (flags == PyBUF_READ || flags == PyBUF_WRITE) {
            PyErr_BadInternalCall();
            return -1;
        }
    }
    PyBufferProcs *pb = Py_TYPE(obj)->tp_as_buffer;
    if (pb == NULL || pb->bf_getbuffer == NULL) {
        PyErr_Format(PyExc_TypeError, "a bytes-like object is required, not '%.100s'",
                     Py_TYPE(obj)->tp_name);
        return -1;
    }
    return pb->bf_getbuffer(obj, view, flags);
}

void
PyBuffer_Release(Py_buffer *view)
{
    PyObject *obj = view->obj;
    if (obj == NULL) {
        return;
    }
    PyBufferProcs *pb = Py_TYPE(obj)->tp_as_buffer;
    if (pb != NULL && pb->bf_releasebuffer != NULL) {
        pb->bf_releasebuffer(obj, view);
    }
    view->obj = NULL;
    Py_DECREF(obj);
}

int
PyBuffer_FillInfo(Py_buffer *view, PyObject *obj, void *buf, Py_ssize_t len, int readonly,
                  int flags)
{
    if (view == NULL) {
        PyErr_SetString(PyExc_BufferError,
                        "PyBuffer_FillInfo: view==NULL argument is obsolete");
        return -1;
    }
    if (flags != PyBUF_SIMPLE) {
        if (flags == PyBUF_READ || flags == PyBUF_WRITE) {
            PyErr_BadInternalCall();
            return -1;
        }
        if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && readonly == 1) {
            PyErr_SetString(PyExc_BufferError, "Object is not writable.");
            return -1;
        }
    }
    view->obj = Py_XNewRef(obj);
    view->buf = buf;
    view->len = len;
    view->readonly = readonly;
    view->itemsize = 1;
    view->format = (flags & PyBUF_FORMAT) == PyBUF_FORMAT ? (char *)"B" : NULL;
    view->ndim = 1;
    view->shape = (flags & PyBUF_ND) == PyBUF_ND ? &view->len : NULL;
    view->strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? &view->itemsize : NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

static bool
is_c_contiguous(const Py_buffer *v)
{
    if (v->len == 0 || v->strides == NULL) {
        return true;
    }
    Py_ssize_t step = v->itemsize;
    for (int i = v->ndim - 1; i >= 0; i--) {
        if (v->shape[i] > 1 && v->strides[i] != step) {
            return false;
        }
        step *= v->shape[i];
    }
    return true;
}

static bool
is_fortran_contiguous(const Py_buffer *v)
{
    if (v->len == 0) {
        return true;
    }
    if (v->strides == NULL) {
        if (v->ndim <= 1) {
            return true;
        }
        /* C order without strides: Fortran order too if at most one axis is long */
        int longer = 0;
        for (int i = 0; v->shape != NULL && i < v->ndim; i++) {
            longer += v->shape[i] > 1;
        }
        return v->shape != NULL && longer <= 1;
    }
    Py_ssize_t step = v->itemsize;
    for (int i = 0; i < v->ndim; i++) {
        if (v->shape[i] > 1 && v->strides[i] != step) {
            return false;
        }
        step *= v->shape[i];
    }
    return true;
}

int
PyBuffer_IsContiguous(const Py_buffer *view, char order)
{
    if (view->suboffsets != NULL) {
        return 0;
    }
    switch (order) {
    case 'C': return is_c_contiguous(view);
    case 'F': return is_fortran_contiguous(view);
    case 'A': return is_c_contiguous(view) || is_fortran_contiguous(view);
    default: return 0;
    }
}

void *
PyBuffer_GetPointer(const Py_buffer *view, const Py_ssize_t *indices)
{
    char *p = view->buf;
    for (int i = 0; i < view->ndim; i++) {
        p += view->strides[i] * indices[i];
        if (view->suboffsets != NULL && view->suboffsets[i] >= 0) {
            p = *(char **)p + view->suboffsets[i];
        }
    }
    return p;
}

/* Advances indices in the given order; false after the last element. */
static bool
next_index(int nd, Py_ssize_t *index, const Py_ssize_t *shape, char order)
{
    if (order == 'F') {
        for (int k = 0; k < nd; k++) {
            if (++index[k] < shape[k]) {
                return true;
            }
            index[k] = 0;
        }
    } else {
        for (int k = nd - 1; k >= 0; k--) {
            if (++index[k] < shape[k]) {
                return true;
            }
            index[k] = 0;
        }
    }
    return false;
}

static void
fill_strides(Py_ssize_t *strides, const Py_buffer *v)
{
    Py_ssize_t step = v->itemsize;
    for (int i = v->ndim - 1; i >= 0; i--) {
        strides[i] = step;
        step *= v->shape[i];
    }
}

/* Copies between a view and contiguous memory in order; at most len bytes. */
static int
copy_elements(const Py_buffer *view, char *flat, Py_ssize_t len, char order, bool to_flat)
{
    len = Py_MIN(len, view->len);
    if (PyBuffer_IsContiguous(view, order)) {
        memcpy(to_flat ? flat : view->buf, to_flat ? view->buf : flat, (size_t)len);
        return 0;
    }
    if (order == 'A') {
        order = 'C';
    }
    Py_ssize_t index[PyBUF_MAX_NDIM] = {0}, strides[PyBUF_MAX_NDIM];
    Py_buffer v = *view;
    if (v.strides == NULL) {
        fill_strides(strides, &v);
        v.strides = strides;
    }
    Py_ssize_t elements = v.itemsize ? len / v.itemsize : 0;
    while (elements-- > 0) {
        char *p = PyBuffer_GetPointer(&v, index);
        if (to_flat) {
            memcpy(flat, p, (size_t)v.itemsize);
        } else {
            memcpy(p, flat, (size_t)v.itemsize);
        }
        flat += v.itemsize;
        if (!next_index(v.ndim, index, v.shape, order)) {
            break;
        }
    }
    return 0;
}

int
PyBuffer_ToContiguous(void *buf, const Py_buffer *src, Py_ssize_t len, char order)
{
    if (len != src->len) {
        PyErr_SetString(PyExc_ValueError, "PyBuffer_ToContiguous: len != view->len");
        return -1;
    }
    return copy_elements(src, buf, len, order, true);
}

int
PyBuffer_FromContiguous(const Py_buffer *view, const void *buf, Py_ssize_t len, char order)
{
    return copy_elements(view, (char *)buf, len, order, false);
}

int
PyObject_CopyData(PyObject *dest, PyObject *src)
{
    if (!PyObject_CheckBuffer(dest) || !PyObject_CheckBuffer(src)) {
        PyErr_SetString(PyExc_TypeError,
                        "both destination and source must be bytes-like objects");
        return -1;
    }
    NJ_OWN_BUF to = {0};
    NJ_OWN_BUF from = {0};
    if (PyObject_GetBuffer(dest, &to, PyBUF_FULL) < 0) {
        to.obj = NULL;
        return -1;
    }
    if (PyObject_GetBuffer(src, &from, PyBUF_FULL_RO) < 0) {
        from.obj = NULL;
        return -1;
    }
    if (to.len < from.len) {
        PyErr_SetString(PyExc_BufferError,
                        "destination is too small to receive data from source");
        return -1;
    }
    NJ_OWN_MEM(char) flat = PyMem_Malloc(from.len ? (size_t)from.len : 1);
    if (flat == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    copy_elements(&from, flat, from.len, 'C', true);
    copy_elements(&to, flat, from.len, 'C', false);
    return 0;
}

void
PyBuffer_FillContiguousStrides(int nd, Py_ssize_t *shape, Py_ssize_t *strides, int itemsize,
                               char fort)
{
    Py_ssize_t step = itemsize;
    for (int k = 0; k < nd; k++) {
        int i = fort == 'F' ? k : nd - 1 - k;
        strides[i] = step;
        step *= shape[i];
    }
}

Py_ssize_t
PyBuffer_SizeFromFormat(const char *format)
{
    NJ_OWN calcsize = PyImport_ImportModuleAttrString("struct", "calcsize");
    if (calcsize == NULL) {
        return -1;
    }
    NJ_OWN r = PyObject_CallFunction(calcsize, "s", format);
    if (r == NULL) {
        return -1;
    }
    return PyLong_AsSsize_t(r);
}

/* ---- the oldest buffer functions, kept for stable-ABI extensions ----------------------------- */

PyAPI_FUNC(int) PyObject_AsReadBuffer(PyObject *o, const void **p, Py_ssize_t *n);
PyAPI_FUNC(int) PyObject_AsCharBuffer(PyObject *o, const char **p, Py_ssize_t *n);
PyAPI_FUNC(int) PyObject_AsWriteBuffer(PyObject *o, void **p, Py_ssize_t *n);
PyAPI_FUNC(int) PyObject_CheckReadBuffer(PyObject *o);

static int
old_buffer(PyObject *o, int flags, const void **p, Py_ssize_t *n)
{
    if (o == NULL || p == NULL || n == NULL) {
        PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
        return -1;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(o, &view, flags) < 0) {
        return -1;
    }
    *p = view.buf;
    *n = view.len;
    PyBuffer_Release(&view);
    return 0;
}

int
PyObject_AsReadBuffer(PyObject *o, const void **p, Py_ssize_t *n)
{
    return old_buffer(o, PyBUF_SIMPLE, p, n);
}

int
PyObject_AsCharBuffer(PyObject *o, const char **p, Py_ssize_t *n)
{
    return old_buffer(o, PyBUF_SIMPLE, (const void **)p, n);
}

int
PyObject_AsWriteBuffer(PyObject *o, void **p, Py_ssize_t *n)
{
    int rc = old_buffer(o, PyBUF_WRITABLE, (const void **)p, n);
    if (rc < 0 && o && p && n) {
        PyErr_SetString(PyExc_TypeError, "expected a writable bytes-like object");
    }
    return rc;
}

int
PyObject_CheckReadBuffer(PyObject *o)
{
    Py_buffer view;
    if (!PyObject_CheckBuffer(o)) {
        return 0;
    }
    if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        return 0;
    }
    PyBuffer_Release(&view);
    return 1;
}

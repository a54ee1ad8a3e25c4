/* memoryview.c - memoryview, the managed buffer behind it, PickleBuffer.
 *
 * A managed buffer owns one Py_buffer of an exporter and is shared by all memoryviews of
 * it; it is released when the last of them is. A memoryview keeps its own copy of the
 * description (shape, strides and suboffsets lie in its ob_array) so that slices and casts
 * can differ. `exports' counts buffers taken from the memoryview: it cannot be released
 * while there are any.
 *
 * Danger: conversions of values (__index__, __float__) may release the view: look at the
 * released flag again afterwards, before the memory is touched.
 * SPDX-License-Identifier: MIT
 */
#include "objects/bytes_int.h"

#include "capi/args.h"

typedef _PyManagedBufferObject Managed;
typedef PyMemoryViewObject View;

#define V(o) ((View *)(o))
#define RELEASED _Py_MEMORYVIEW_RELEASED
#define MAX_DIM PyBUF_MAX_NDIM

PyTypeObject NjManagedBuffer_Type;
PyTypeObject NjMemoryIter_Type;

static const char forbidden[] = "operation forbidden on released memoryview object";

static inline bool
is_released(View *v)
{
    return (v->flags & RELEASED) || (v->mbuf->flags & _Py_MANAGED_BUFFER_RELEASED);
}

static int
check_alive(View *v)
{
    if (is_released(v)) {
        PyErr_SetString(PyExc_ValueError, forbidden);
        return -1;
    }
    return 0;
}

static int
check_alive_unrestricted(View *v)
{
    if (check_alive(v) < 0) {
        return -1;
    }
    if (v->flags & _Py_MEMORYVIEW_RESTRICTED) {
        PyErr_SetString(PyExc_ValueError, "cannot create new view on restricted memoryview");
        return -1;
    }
    return 0;
}

/* ---- managed buffer ----------------------------------------------------------------------------- */

static Managed *
managed_new(void)
{
    Managed *m = PyObject_GC_New(Managed, &NjManagedBuffer_Type);
    if (m != NULL) {
        m->flags = 0;
        m->exports = 0;
        m->master.obj = NULL;
        PyObject_GC_Track(m);
    }
    return m;
}

static void
managed_release(Managed *m)
{
    if (m->flags & _Py_MANAGED_BUFFER_RELEASED) {
        return;
    }
    m->flags |= _Py_MANAGED_BUFFER_RELEASED;
    PyObject_GC_UnTrack(m);
    PyBuffer_Release(&m->master);
}

static void
managed_dealloc(PyObject *op)
{
    Managed *m = (Managed *)op;
    managed_release(m);
    if (m->flags & _Py_MANAGED_BUFFER_FREE_FORMAT) {
        PyMem_Free(m->master.format);
    }
    PyObject_GC_Del(op);
}

static int
managed_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((Managed *)op)->master.obj);
    return 0;
}

static int
managed_clear(PyObject *op)
{
    managed_release((Managed *)op);
    return 0;
}

PyTypeObject NjManagedBuffer_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "managedbuffer",
    .tp_basicsize = sizeof(Managed),
    .tp_dealloc = managed_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = managed_traverse,
    .tp_clear = managed_clear,
};

/* ---- making views --------------------------------------------------------------------------------- */

static void
set_layout_flags(View *v)
{
    const Py_buffer *b = &v->view;
    int flags = 0;
    if (b->ndim == 0) {
        flags = _Py_MEMORYVIEW_SCALAR | _Py_MEMORYVIEW_C | _Py_MEMORYVIEW_FORTRAN;
    } else {
        if (PyBuffer_IsContiguous(b, 'C')) {
            flags |= _Py_MEMORYVIEW_C;
        }
        if (PyBuffer_IsContiguous(b, 'F')) {
            flags |= _Py_MEMORYVIEW_FORTRAN;
        }
    }
    if (b->suboffsets) {
        flags |= _Py_MEMORYVIEW_PIL;
        flags &= ~(_Py_MEMORYVIEW_C | _Py_MEMORYVIEW_FORTRAN);
    }
    v->flags = flags;
}

static View *
view_new(int ndim)
{
    View *v = PyObject_GC_NewVar(View, &PyMemoryView_Type, 3 * ndim);
    if (v == NULL) {
        return NULL;
    }
    v->mbuf = NULL;
    v->hash = -1;
    v->flags = 0;
    v->exports = 0;
    memset(&v->view, 0, sizeof(v->view));
    v->view.ndim = ndim;
    v->view.shape = v->ob_array;
    v->view.strides = v->ob_array + ndim;
    v->view.suboffsets = v->ob_array + 2 * ndim;
    v->weakreflist = NULL;
    return v;
}

/* A registered view of m with the description src (ndim is its number of dimensions). */
static PyObject *
add_view(Managed *m, const Py_buffer *src)
{
    if (src->ndim > MAX_DIM) {
        PyErr_SetString(PyExc_ValueError,
                        "memoryview: number of dimensions must not exceed 64");
        return NULL;
    }
    View *v = view_new(src->ndim);
    if (v == NULL) {
        return NULL;
    }
    Py_buffer *b = &v->view;
    int nd = src->ndim;
    b->obj = m->master.obj; /* borrowed: the managed buffer owns it */
    b->buf = src->buf;
    b->len = src->len;
    b->itemsize = src->itemsize;
    b->readonly = src->readonly;
    b->format = src->format ? src->format : (char *)"B";
    b->internal = src->internal;
    if (nd == 0) {
        b->shape = b->strides = b->suboffsets = NULL;
    } else if (nd == 1 && (src->shape == NULL || src->strides == NULL)) {
        b->shape[0] = src->shape ? src->shape[0] : src->len / src->itemsize;
        b->strides[0] = src->strides ? src->strides[0] : src->itemsize;
    } else {
        memcpy(b->shape, src->shape, (size_t)nd * sizeof(Py_ssize_t));
        if (src->strides) {
            memcpy(b->strides, src->strides, (size_t)nd * sizeof(Py_ssize_t));
        } else {
            PyBuffer_FillContiguousStrides(nd, b->shape, b->strides, (int)b->itemsize, 'C');
        }
    }
    if (nd && src->suboffsets) {
        memcpy(b->suboffsets, src->suboffsets, (size_t)nd * sizeof(Py_ssize_t));
    } else {
        b->suboffsets = NULL;
    }
    set_layout_flags(v);
    v->mbuf = (Managed *)Py_NewRef(m);
    m->exports++;
    PyObject_GC_Track(v);
    return (PyObject *)v;
}

PyObject *
PyMemoryView_FromBuffer(const Py_buffer *info)
{
    if (info->buf == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "PyMemoryView_FromBuffer(): info->buf must not be NULL");
        return NULL;
    }
    Managed *m = managed_new();
    if (m == NULL) {
        return NULL;
    }
    m->master = *info;
    m->master.obj = NULL;
    PyObject *v = add_view(m, &m->master);
    Py_DECREF(m);
    return v;
}

PyObject *
PyMemoryView_FromMemory(char *mem, Py_ssize_t size, int flags)
{
    Managed *m = managed_new();
    if (m == NULL) {
        return NULL;
    }
    PyBuffer_FillInfo(&m->master, NULL, mem, size, flags == PyBUF_WRITE ? 0 : 1,
                      PyBUF_FULL_RO);
    PyObject *v = add_view(m, &m->master);
    Py_DECREF(m);
    return v;
}

/* A view of what get(obj, flags) exports, whatever the type of obj says. */
PyObject *nj_memoryview_from_proc(PyObject *obj, int flags, getbufferproc get);
PyObject *
nj_memoryview_from_proc(PyObject *obj, int flags, getbufferproc get)
{
    Managed *m = managed_new();
    if (m == NULL) {
        return NULL;
    }
    if (get(obj, &m->master, flags) < 0) {
        m->master.obj = NULL;
        Py_DECREF(m);
        return NULL;
    }
    PyObject *v = add_view(m, &m->master);
    Py_DECREF(m);
    return v;
}

static PyObject *
from_object(PyObject *obj, int flags)
{
    if (PyMemoryView_Check(obj)) {
        View *v = V(obj);
        if (check_alive_unrestricted(v) < 0) {
            return NULL;
        }
        return add_view(v->mbuf, &v->view);
    }
    if (!PyObject_CheckBuffer(obj)) {
        PyErr_Format(PyExc_TypeError, "memoryview: a bytes-like object is required, not '%.200s'",
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    Managed *m = managed_new();
    if (m == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(obj, &m->master, flags) < 0) {
        m->master.obj = NULL;
        Py_DECREF(m);
        return NULL;
    }
    PyObject *v = add_view(m, &m->master);
    Py_DECREF(m);
    return v;
}

PyObject *
PyMemoryView_FromObject(PyObject *obj)
{
    return from_object(obj, PyBUF_FULL_RO);
}

PyObject *
PyMemoryView_GetContiguous(PyObject *obj, int buffertype, char order)
{
    NJ_OWN mv = PyMemoryView_FromObject(obj);
    if (mv == NULL) {
        return NULL;
    }
    Py_buffer *b = &V(mv)->view;
    if (buffertype == PyBUF_WRITE && b->readonly) {
        PyErr_SetString(PyExc_BufferError, "underlying buffer is not writable");
        return NULL;
    }
    if (PyBuffer_IsContiguous(b, order)) {
        return NJ_TAKE(mv);
    }
    if (buffertype == PyBUF_WRITE) {
        PyErr_SetString(PyExc_BufferError,
                        "writable contiguous buffer requested for a non-contiguous object.");
        return NULL;
    }
    NJ_OWN bytes = PyBytes_FromStringAndSize(NULL, b->len);
    if (bytes == NULL) {
        return NULL;
    }
    if (b->len && PyBuffer_ToContiguous(PyBytes_AS_STRING(bytes), b, b->len,
                                        order == 'A' ? 'C' : order) < 0) {
        return NULL;
    }
    Managed *m = managed_new();
    if (m == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(bytes, &m->master, PyBUF_FULL_RO) < 0) {
        Py_DECREF(m);
        return NULL;
    }
    Py_ssize_t strides[MAX_DIM];
    Py_buffer shape = *b;
    PyBuffer_FillContiguousStrides(b->ndim, b->shape, strides, (int)b->itemsize,
                                   order == 'F' ? 'F' : 'C');
    shape.buf = m->master.buf;
    shape.readonly = 1;
    shape.strides = strides;
    shape.suboffsets = NULL;
    if (b->format != NULL) {
        /* the format belongs to the other exporter, which may go away */
        m->master.format = PyMem_Malloc(strlen(b->format) + 1);
        if (m->master.format == NULL) {
            Py_DECREF(m);
            return PyErr_NoMemory();
        }
        strcpy(m->master.format, b->format);
        m->flags |= _Py_MANAGED_BUFFER_FREE_FORMAT;
        shape.format = m->master.format;
    }
    PyObject *r = add_view(m, &shape);
    Py_DECREF(m);
    return r;
}

/* ---- releasing --------------------------------------------------------------------------------------- */

static void
drop_managed(View *v)
{
    if (v->flags & RELEASED) {
        return;
    }
    v->flags |= RELEASED;
    Managed *m = v->mbuf;
    if (m != NULL && --m->exports == 0) {
        managed_release(m);
    }
}

static int
release(View *v)
{
    if (v->flags & RELEASED) {
        return 0;
    }
    if (v->exports == 0) {
        drop_managed(v);
        return 0;
    }
    if (v->exports < 0) {
        PyErr_SetString(PyExc_SystemError, "memoryview: negative export count");
        return -1;
    }
    PyErr_Format(PyExc_BufferError, "memoryview has %zd exported buffer%s", v->exports,
                 v->exports == 1 ? "" : "s");
    return -1;
}

static void
memoryview_dealloc(PyObject *op)
{
    View *v = V(op);
    PyObject_GC_UnTrack(op);
    if (v->weakreflist != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    drop_managed(v);
    Py_CLEAR(v->mbuf);
    PyObject_GC_Del(op);
}

static int
memoryview_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(V(op)->mbuf);
    return 0;
}

static int
memoryview_clear(PyObject *op)
{
    View *v = V(op);
    if (v->exports == 0) {
        drop_managed(v);
        Py_CLEAR(v->mbuf);
    }
    return 0;
}

static PyObject *
memoryview_release(PyObject *op, PyObject *unused)
{
    if (release(V(op)) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
memoryview_enter(PyObject *op, PyObject *unused)
{
    return check_alive(V(op)) < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
memoryview_exit(PyObject *op, PyObject *args)
{
    return memoryview_release(op, NULL);
}

/* ---- buffer protocol ------------------------------------------------------------------------------------- */

static int
memoryview_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    View *v = V(op);
    const Py_buffer *base = &v->view;
    if (check_alive_unrestricted(v) < 0) {
        return -1;
    }
    *view = *base;
    view->obj = NULL;
#define WANTS(f) ((flags & (f)) == (f))
    if (WANTS(PyBUF_WRITABLE) && base->readonly) {
        PyErr_SetString(PyExc_BufferError, "memoryview: underlying buffer is not writable");
        return -1;
    }
    if (!WANTS(PyBUF_FORMAT)) {
        view->format = NULL;
    }
    if (WANTS(PyBUF_C_CONTIGUOUS) && !(v->flags & _Py_MEMORYVIEW_C)) {
        PyErr_SetString(PyExc_BufferError, "memoryview: underlying buffer is not C-contiguous");
        return -1;
    }
    if (WANTS(PyBUF_F_CONTIGUOUS) && !(v->flags & _Py_MEMORYVIEW_FORTRAN)) {
        PyErr_SetString(PyExc_BufferError,
                        "memoryview: underlying buffer is not Fortran contiguous");
        return -1;
    }
    if (WANTS(PyBUF_ANY_CONTIGUOUS) &&
        !(v->flags & (_Py_MEMORYVIEW_C | _Py_MEMORYVIEW_FORTRAN))) {
        PyErr_SetString(PyExc_BufferError, "memoryview: underlying buffer is not contiguous");
        return -1;
    }
    if (!WANTS(PyBUF_INDIRECT) && (v->flags & _Py_MEMORYVIEW_PIL)) {
        PyErr_SetString(PyExc_BufferError, "memoryview: underlying buffer requires suboffsets");
        return -1;
    }
    if (!WANTS(PyBUF_STRIDES)) {
        if (!(v->flags & _Py_MEMORYVIEW_C)) {
            PyErr_SetString(PyExc_BufferError,
                            "memoryview: underlying buffer is not C-contiguous");
            return -1;
        }
        view->strides = NULL;
    }
    if (!WANTS(PyBUF_ND)) {
        if (view->format != NULL) {
            PyErr_Format(PyExc_BufferError,
                         "memoryview: cannot cast to unsigned bytes if the format flag is "
                         "present");
            return -1;
        }
        view->ndim = 1;
        view->shape = NULL;
    }
#undef WANTS
    view->obj = Py_NewRef(op);
    v->exports++;
    return 0;
}

static void
memoryview_releasebuffer(PyObject *op, Py_buffer *view)
{
    V(op)->exports--;
}

static PyBufferProcs memoryview_as_buffer = {memoryview_getbuffer, memoryview_releasebuffer};

/* ---- single values --------------------------------------------------------------------------------------- */

/* The one-character native format: 0 if it is something else. */
static char
native_format(const char *f)
{
    if (f == NULL) {
        return 'B';
    }
    if (*f == '@') {
        f++;
    }
    return *f && !f[1] && strchr("cbB?hHiIlLqQnNfdePFD", *f) ? *f : 0;
}

static Py_ssize_t
native_size(char c)
{
    switch (c) {
    case 'c':
    case 'b':
    case 'B':
    case '?': return 1;
    case 'h':
    case 'H':
    case 'e': return 2;
    case 'i':
    case 'I':
    case 'f': return 4;
    case 'F': return 8;
    case 'D': return 16;
    case 0: return -1;
    default: return 8;
    }
}

#define LOAD(T, p)                                                                     \
    (__extension__({                                                                   \
        T t_;                                                                          \
        memcpy(&t_, (p), sizeof(t_));                                                  \
        t_;                                                                            \
    }))

static PyObject *
unpack(const char *p, char c)
{
    switch (c) {
    case 'B': return PyLong_FromLong(*(const unsigned char *)p);
    case 'b': return PyLong_FromLong(*(const signed char *)p);
    case 'c': return PyBytes_FromStringAndSize(p, 1);
    case '?': return PyBool_FromLong(*p != 0);
    case 'h': return PyLong_FromLong(LOAD(short, p));
    case 'H': return PyLong_FromLong(LOAD(unsigned short, p));
    case 'i': return PyLong_FromLong(LOAD(int, p));
    case 'I': return PyLong_FromUnsignedLong(LOAD(unsigned, p));
    case 'l': return PyLong_FromLong(LOAD(long, p));
    case 'L': return PyLong_FromUnsignedLong(LOAD(unsigned long, p));
    case 'q': return PyLong_FromLongLong(LOAD(long long, p));
    case 'Q': return PyLong_FromUnsignedLongLong(LOAD(unsigned long long, p));
    case 'n': return PyLong_FromSsize_t(LOAD(Py_ssize_t, p));
    case 'N': return PyLong_FromSize_t(LOAD(size_t, p));
    case 'f': return PyFloat_FromDouble(LOAD(float, p));
    case 'd': return PyFloat_FromDouble(LOAD(double, p));
    case 'e': {
        double x = PyFloat_Unpack2(p, PY_LITTLE_ENDIAN);
        return x == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(x);
    }
    case 'F': return PyComplex_FromDoubles(LOAD(float, p), LOAD(float, p + 4));
    case 'D': return PyComplex_FromDoubles(LOAD(double, p), LOAD(double, p + 8));
    case 'P': return PyLong_FromVoidPtr(LOAD(void *, p));
    default: return NULL;
    }
}

static int
bad_type(const char *format)
{
    if (PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
        } else if (PyErr_ExceptionMatches(PyExc_OverflowError) ||
                   PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError, "memoryview: invalid value for format '%s'", format);
            return -1;
        } else {
            return -1;
        }
    }
    PyErr_Format(PyExc_TypeError, "memoryview: invalid type for format '%s'", format);
    return -1;
}

static int
bad_value(const char *format)
{
    PyErr_Format(PyExc_ValueError, "memoryview: invalid value for format '%s'", format);
    return -1;
}

/* Converts value into out (16 bytes); format is for messages. */
static int
pack(char *out, PyObject *value, char c, const char *format)
{
    switch (c) {
    case 'c':
        if (!PyBytes_Check(value)) {
            return bad_type(format);
        }
        if (PyBytes_GET_SIZE(value) != 1) {
            return bad_value(format);
        }
        *out = *PyBytes_AS_STRING(value);
        return 0;
    case '?': {
        int t = PyObject_IsTrue(value);
        *out = (char)t;
        return t < 0 ? -1 : 0;
    }
    case 'f':
    case 'd':
    case 'e': {
        double x = PyFloat_AsDouble(value);
        if (x == -1.0 && PyErr_Occurred()) {
            return bad_type(format);
        }
        if (c == 'd') {
            memcpy(out, &x, 8);
        } else if (c == 'f') {
            float f = (float)x;
            memcpy(out, &f, 4);
        } else if (PyFloat_Pack2(x, out, PY_LITTLE_ENDIAN) < 0) {
            return bad_type(format);
        }
        return 0;
    }
    case 'F':
    case 'D': {
        Py_complex z = PyComplex_AsCComplex(value);
        if (z.real == -1.0 && PyErr_Occurred()) {
            return bad_type(format);
        }
        if (c == 'D') {
            memcpy(out, &z.real, 8);
            memcpy(out + 8, &z.imag, 8);
        } else {
            float f[2] = {(float)z.real, (float)z.imag};
            memcpy(out, f, 8);
        }
        return 0;
    }
    case 'P': {
        if (!PyLong_Check(value)) {
            NJ_OWN i = PyNumber_Index(value);
            if (i == NULL) {
                return bad_type(format);
            }
        }
        void *p = PyLong_AsVoidPtr(value);
        if (p == NULL && PyErr_Occurred()) {
            return bad_type(format);
        }
        memcpy(out, &p, sizeof(p));
        return 0;
    }
    default: break;
    }
    NJ_OWN i = PyNumber_Index(value);
    if (i == NULL) {
        return bad_type(format);
    }
    if (strchr("HILQNB", c)) {
        unsigned long long u = PyLong_AsUnsignedLongLong(i);
        if (u == (unsigned long long)-1 && PyErr_Occurred()) {
            return bad_type(format);
        }
        Py_ssize_t size = native_size(c);
        if (size < 8 && u >> (8 * size)) {
            return bad_value(format);
        }
        memcpy(out, &u, (size_t)size);
        return 0;
    }
    long long s = PyLong_AsLongLong(i);
    if (s == -1 && PyErr_Occurred()) {
        return bad_type(format);
    }
    Py_ssize_t size = native_size(c);
    if (size < 8) {
        long long top = 1ll << (8 * size - 1);
        if (s < -top || s >= top) {
            return bad_value(format);
        }
    }
    memcpy(out, &s, (size_t)size);
    return 0;
}

/* More than one character, not counting @? NotImplementedError. */
static int
check_simple_format(const Py_buffer *b)
{
    const char *f = b->format;
    f += *f == '@';
    if (*f && !f[1]) {
        return 0;
    }
    PyErr_Format(PyExc_NotImplementedError, "memoryview: unsupported format %s", b->format);
    return -1;
}

static void
unsupported_format(const Py_buffer *b)
{
    if (check_simple_format(b) == 0) {
        PyErr_Format(PyExc_NotImplementedError, "memoryview: format %s not supported",
                     b->format + (b->format[0] == '@'));
    }
}

static PyObject *
unpack_item(const Py_buffer *b, const char *p)
{
    char c = native_format(b->format);
    if (c == 0 || native_size(c) != b->itemsize) {
        unsupported_format(b);
        return NULL;
    }
    return unpack(p, c);
}

static int
pack_item(View *v, char *p, PyObject *value)
{
    const Py_buffer *b = &v->view;
    char c = native_format(b->format), tmp[16];
    if (c == 0 || native_size(c) != b->itemsize) {
        unsupported_format(b);
        return -1;
    }
    const char *shown = b->format[0] == '@' ? b->format + 1 : b->format;
    if (pack(tmp, value, c, shown) < 0) {
        return -1;
    }
    if (check_alive(v) < 0) { /* the conversion may have released us */
        return -1;
    }
    memcpy(p, tmp, (size_t)b->itemsize);
    return 0;
}

/* ---- indexing ---------------------------------------------------------------------------------------------- */

static char *
step_into(const Py_buffer *b, char *p, int dim, Py_ssize_t i)
{
    Py_ssize_t n = b->shape[dim];
    if (i < 0) {
        i += n;
    }
    if (i < 0 || i >= n) {
        PyErr_Format(PyExc_IndexError, "index out of bounds on dimension %d", dim + 1);
        return NULL;
    }
    p += b->strides[dim] * i;
    if (b->suboffsets && b->suboffsets[dim] >= 0) {
        p = *(char **)p + b->suboffsets[dim];
    }
    return p;
}

static char *
at_tuple(const Py_buffer *b, PyObject *tup)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tup);
    if (n > b->ndim) {
        PyErr_Format(PyExc_TypeError, "cannot index %zd-dimension view with %zd-element tuple",
                     (Py_ssize_t)b->ndim, n);
        return NULL;
    }
    char *p = b->buf;
    for (int d = 0; d < n; d++) {
        Py_ssize_t i = PyNumber_AsSsize_t(PyTuple_GET_ITEM(tup, d), PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        p = step_into(b, p, d, i);
        if (p == NULL) {
            return NULL;
        }
    }
    return p;
}

static bool
all_items(PyObject *tup, int (*test)(PyObject *))
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tup); i++) {
        if (!test(PyTuple_GET_ITEM(tup, i))) {
            return false;
        }
    }
    return true;
}

static int
is_index(PyObject *o)
{
    return PyIndex_Check(o);
}

static int
is_slice(PyObject *o)
{
    return PySlice_Check(o);
}

static PyObject *
memoryview_item(PyObject *op, Py_ssize_t i)
{
    View *v = V(op);
    if (check_alive(v) < 0) {
        return NULL;
    }
    if (v->view.ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "invalid indexing of 0-dim memory");
        return NULL;
    }
    if (v->view.ndim > 1) {
        PyErr_SetString(PyExc_NotImplementedError,
                        "multi-dimensional sub-views are not implemented");
        return NULL;
    }
    char *p = step_into(&v->view, v->view.buf, 0, i);
    return p == NULL ? NULL : unpack_item(&v->view, p);
}

/* Applies a slice to dimension 0 of b, in place; b's arrays must be writable. */
static int
slice_first(Py_buffer *b, PyObject *key)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return -1;
    }
    Py_ssize_t n = PySlice_AdjustIndices(b->shape[0], &start, &stop, step);
    if (b->suboffsets == NULL || b->suboffsets[0] < 0) {
        b->buf = (char *)b->buf + b->strides[0] * start;
    } else {
        b->buf = (char *)b->buf + b->strides[0] * start;
    }
    b->shape[0] = n;
    b->strides[0] *= step;
    Py_ssize_t len = b->itemsize;
    for (int i = 0; i < b->ndim; i++) {
        len *= b->shape[i];
    }
    b->len = len;
    return 0;
}

static PyObject *
memoryview_subscript(PyObject *op, PyObject *key)
{
    View *v = V(op);
    Py_buffer *b = &v->view;
    if (check_alive(v) < 0) {
        return NULL;
    }
    if (b->ndim == 0) {
        if (PyTuple_Check(key) && PyTuple_GET_SIZE(key) == 0) {
            return unpack_item(b, b->buf);
        }
        if (key == Py_Ellipsis) {
            return Py_NewRef(op);
        }
        PyErr_SetString(PyExc_TypeError, "invalid indexing of 0-dim memory");
        return NULL;
    }
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return memoryview_item(op, i);
    }
    if (PySlice_Check(key)) {
        if (check_alive_unrestricted(v) < 0) {
            return NULL;
        }
        PyObject *r = add_view(v->mbuf, b);
        if (r == NULL) {
            return NULL;
        }
        if (slice_first(&V(r)->view, key) < 0) {
            Py_DECREF(r);
            return NULL;
        }
        set_layout_flags(V(r));
        return r;
    }
    if (PyTuple_Check(key)) {
        if (all_items(key, is_index)) {
            if (PyTuple_GET_SIZE(key) < b->ndim) {
                PyErr_SetString(PyExc_NotImplementedError, "sub-views are not implemented");
                return NULL;
            }
            char *p = at_tuple(b, key);
            if (p == NULL || check_alive(v) < 0) {
                return NULL;
            }
            return unpack_item(b, p);
        }
        if (all_items(key, is_slice)) {
            PyErr_SetString(PyExc_NotImplementedError,
                            "multi-dimensional slicing is not implemented");
            return NULL;
        }
    }
    PyErr_SetString(PyExc_TypeError, "memoryview: invalid slice key");
    return NULL;
}

static bool
same_format(const Py_buffer *a, const Py_buffer *b)
{
    const char *x = a->format ? a->format : "B", *y = b->format ? b->format : "B";
    x += *x == '@';
    y += *y == '@';
    return strcmp(x, y) == 0 && a->itemsize == b->itemsize;
}

static int
assign_slice(View *v, PyObject *key, PyObject *value)
{
    Py_buffer src;
    if (PyObject_GetBuffer(value, &src, PyBUF_FULL_RO) < 0) {
        return -1;
    }
    Py_ssize_t shape = v->view.shape[0], strides = v->view.strides[0];
    Py_ssize_t sub = v->view.suboffsets ? v->view.suboffsets[0] : -1;
    Py_buffer dest = v->view;
    dest.shape = &shape;
    dest.strides = &strides;
    dest.suboffsets = v->view.suboffsets ? &sub : NULL;
    int r = slice_first(&dest, key);
    if (r == 0 && check_alive(v) < 0) {
        r = -1;
    }
    if (r == 0 && (src.ndim != 1 || !same_format(&dest, &src) || src.shape[0] != shape)) {
        PyErr_SetString(PyExc_ValueError,
                        "memoryview assignment: lvalue and rvalue have different structures");
        r = -1;
    }
    if (r == 0 && src.len > 0) {
        /* by way of a copy, as the two may overlap */
        char *flat = PyMem_Malloc((size_t)src.len);
        if (flat == NULL) {
            PyErr_NoMemory();
            r = -1;
        } else {
            PyBuffer_ToContiguous(flat, &src, src.len, 'C');
            PyBuffer_FromContiguous(&dest, flat, src.len, 'C');
            PyMem_Free(flat);
        }
    }
    PyBuffer_Release(&src);
    return r;
}

static int
memoryview_ass_subscript(PyObject *op, PyObject *key, PyObject *value)
{
    View *v = V(op);
    Py_buffer *b = &v->view;
    if (check_alive(v) < 0 || check_simple_format(b) < 0) {
        return -1;
    }
    if (b->readonly) {
        PyErr_SetString(PyExc_TypeError, "cannot modify read-only memory");
        return -1;
    }
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "cannot delete memory");
        return -1;
    }
    if (b->ndim == 0) {
        if (key == Py_Ellipsis || (PyTuple_Check(key) && PyTuple_GET_SIZE(key) == 0)) {
            return pack_item(v, b->buf, value);
        }
        PyErr_SetString(PyExc_TypeError, "invalid indexing of 0-dim memory");
        return -1;
    }
    if (PyIndex_Check(key)) {
        if (b->ndim > 1) {
            PyErr_SetString(PyExc_NotImplementedError, "sub-views are not implemented");
            return -1;
        }
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        char *p = step_into(b, b->buf, 0, i);
        return p == NULL ? -1 : pack_item(v, p, value);
    }
    if (PySlice_Check(key) && b->ndim == 1) {
        return assign_slice(v, key, value);
    }
    if (PyTuple_Check(key) && all_items(key, is_index)) {
        if (PyTuple_GET_SIZE(key) < b->ndim) {
            PyErr_SetString(PyExc_NotImplementedError, "sub-views are not implemented");
            return -1;
        }
        char *p = at_tuple(b, key);
        return p == NULL ? -1 : pack_item(v, p, value);
    }
    if (PySlice_Check(key) || (PyTuple_Check(key) && all_items(key, is_slice))) {
        PyErr_SetString(PyExc_NotImplementedError,
                        "memoryview slice assignments are currently restricted to ndim = 1");
        return -1;
    }
    PyErr_SetString(PyExc_TypeError, "memoryview: invalid slice key");
    return -1;
}

static Py_ssize_t
memoryview_length(PyObject *op)
{
    View *v = V(op);
    if (check_alive(v) < 0) {
        return -1;
    }
    if (v->view.ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "0-dim memory has no length");
        return -1;
    }
    return v->view.shape[0];
}

/* ---- cast ---------------------------------------------------------------------------------------------------- */

static int
cast_to_1d(View *v, PyObject *format)
{
    Py_buffer *b = &v->view;
    NJ_OWN ascii = PyUnicode_AsASCIIString(format);
    if (ascii == NULL) {
        return -1;
    }
    const char *want = PyBytes_AS_STRING(ascii);
    static const char *const formats[] = {
        "c", "b", "B", "h", "H", "i", "I", "l", "L", "q", "Q", "n", "N", "f",
        "d", "e", "F", "D", "?", "P", "@c", "@b", "@B", "@h", "@H", "@i", "@I", "@l",
        "@L", "@q", "@Q", "@n", "@N", "@f", "@d", "@e", "@F", "@D", "@?", "@P",
    };
    const char *found = NULL;
    for (size_t i = 0; i < NJ_ARRAY_LEN(formats); i++) {
        if (strcmp(formats[i], want) == 0) {
            found = formats[i];
        }
    }
    if (found == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "memoryview: destination format must be a native single character "
                        "format prefixed with an optional '@'");
        return -1;
    }
    char from = native_format(b->format), to = native_format(found);
    bool from_bytes = from && strchr("bBc", from), to_bytes = strchr("bBc", to) != NULL;
    if (!from_bytes && !to_bytes) {
        PyErr_SetString(PyExc_TypeError, "memoryview: cannot cast between two non-byte formats");
        return -1;
    }
    Py_ssize_t size = native_size(to);
    if (b->len % size) {
        PyErr_SetString(PyExc_TypeError, "memoryview: length is not a multiple of itemsize");
        return -1;
    }
    b->format = (char *)found;
    b->itemsize = size;
    b->ndim = 1;
    b->shape = v->ob_array;
    b->strides = v->ob_array + 1;
    b->shape[0] = b->len / size;
    b->strides[0] = size;
    b->suboffsets = NULL;
    return 0;
}

static const char *const cast_names[] = {"format", "shape", NULL};
static const NjParams cast_params = {"cast", cast_names, 2, 1, 0};

static PyObject *
memoryview_cast(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    View *v = V(op);
    PyObject *a[2];
    if (nj_args_bind(&cast_params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(a[0])) {
        _PyArg_BadArgument("cast", "argument 'format'", "str", a[0]);
        return NULL;
    }
    if (check_alive_unrestricted(v) < 0) {
        return NULL;
    }
    if (!(v->flags & _Py_MEMORYVIEW_C)) {
        PyErr_SetString(PyExc_TypeError,
                        "memoryview: casts are restricted to C-contiguous views");
        return NULL;
    }
    if ((a[1] != NULL || v->view.ndim != 1)) {
        for (int i = 0; i < v->view.ndim; i++) {
            if (v->view.shape[i] == 0) {
                PyErr_SetString(PyExc_TypeError,
                                "memoryview: cannot cast view with zeros in shape or strides");
                return NULL;
            }
        }
    }
    Py_ssize_t shape[MAX_DIM];
    Py_ssize_t nd = 1;
    if (a[1] != NULL) {
        if (!PyList_Check(a[1]) && !PyTuple_Check(a[1])) {
            PyErr_SetString(PyExc_TypeError, "shape must be a list or a tuple");
            return NULL;
        }
        nd = PySequence_Fast_GET_SIZE(a[1]);
        if (nd > MAX_DIM) {
            PyErr_SetString(PyExc_ValueError,
                            "memoryview: number of dimensions must not exceed 64");
            return NULL;
        }
        if (v->view.ndim != 1 && nd != 1) {
            PyErr_SetString(PyExc_TypeError, "memoryview: cast must be 1D -> ND or ND -> 1D");
            return NULL;
        }
    }
    Py_buffer wide = v->view;
    View *r = view_new((int)Py_MAX(nd, 1));
    if (r == NULL) {
        return NULL;
    }
    r->view.buf = wide.buf;
    r->view.obj = wide.obj;
    r->view.len = wide.len;
    r->view.readonly = wide.readonly;
    r->view.format = wide.format;
    r->view.itemsize = wide.itemsize;
    r->view.internal = wide.internal;
    r->mbuf = (Managed *)Py_NewRef(v->mbuf);
    v->mbuf->exports++;
    PyObject_GC_Track(r);
    NJ_OWN result = (PyObject *)r;
    if (cast_to_1d(r, a[0]) < 0) {
        return NULL;
    }
    if (a[1] != NULL) {
        Py_ssize_t len = r->view.itemsize;
        for (Py_ssize_t i = 0; i < nd; i++) {
            PyObject *item = PySequence_Fast_GET_ITEM(a[1], i);
            if (!PyLong_Check(item)) {
                PyErr_SetString(PyExc_TypeError,
                                "memoryview.cast(): elements of shape must be integers");
                return NULL;
            }
            Py_ssize_t x = PyLong_AsSsize_t(item);
            if (x == -1 && PyErr_Occurred()) {
                return NULL;
            }
            if (x <= 0) {
                PyErr_SetString(PyExc_ValueError,
                                "memoryview.cast(): elements of shape must be integers > 0");
                return NULL;
            }
            if (x > PY_SSIZE_T_MAX / len) {
                PyErr_SetString(PyExc_ValueError,
                                "memoryview.cast(): product(shape) > SSIZE_MAX");
                return NULL;
            }
            len *= x;
            shape[i] = x;
        }
        if (len != r->view.len) {
            PyErr_SetString(PyExc_TypeError,
                            "memoryview: product(shape) * itemsize != buffer size");
            return NULL;
        }
        r->view.ndim = (int)nd;
        if (nd == 0) {
            r->view.shape = r->view.strides = NULL;
        } else {
            r->view.strides = r->ob_array + nd;
            memcpy(r->view.shape, shape, (size_t)nd * sizeof(Py_ssize_t));
            PyBuffer_FillContiguousStrides((int)nd, r->view.shape, r->view.strides,
                                           (int)r->view.itemsize, 'C');
        }
    }
    set_layout_flags(r);
    return NJ_TAKE(result);
}

static PyObject *
memoryview_toreadonly(PyObject *op, PyObject *unused)
{
    View *v = V(op);
    if (check_alive_unrestricted(v) < 0) {
        return NULL;
    }
    PyObject *r = add_view(v->mbuf, &v->view);
    if (r != NULL) {
        V(r)->view.readonly = 1;
    }
    return r;
}

/* ---- whole contents --------------------------------------------------------------------------------------------- */

static PyObject *
list_of(const Py_buffer *b, char *p, int dim)
{
    if (dim == b->ndim) {
        return unpack_item(b, p);
    }
    PyObject *list = PyList_New(b->shape[dim]);
    for (Py_ssize_t i = 0; list != NULL && i < b->shape[dim]; i++) {
        char *q = p + b->strides[dim] * i;
        if (b->suboffsets && b->suboffsets[dim] >= 0) {
            q = *(char **)q + b->suboffsets[dim];
        }
        PyObject *item = list_of(b, q, dim + 1);
        if (item == NULL) {
            Py_CLEAR(list);
        } else {
            PyList_SET_ITEM(list, i, item);
        }
    }
    return list;
}

static PyObject *
memoryview_tolist(PyObject *op, PyObject *unused)
{
    View *v = V(op);
    if (check_alive(v) < 0) {
        return NULL;
    }
    char c = native_format(v->view.format);
    if (c == 0 || native_size(c) != v->view.itemsize) {
        unsupported_format(&v->view);
        return NULL;
    }
    return list_of(&v->view, v->view.buf, 0);
}

static const char *const tobytes_names[] = {"order", NULL};
static const NjParams tobytes_params = {"tobytes", tobytes_names, 1, 0, 0};

static PyObject *
memoryview_tobytes(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    View *v = V(op);
    PyObject *arg;
    if (nj_args_bind(&tobytes_params, args, nargs, kwnames, &arg) < 0) {
        return NULL;
    }
    char order = 'C';
    if (arg != NULL && arg != Py_None) {
        if (!PyUnicode_Check(arg)) {
            _PyArg_BadArgument("tobytes", "argument 'order'", "str or None", arg);
            return NULL;
        }
    }
    if (check_alive(v) < 0) {
        return NULL;
    }
    if (arg != NULL && arg != Py_None) {
        Py_UCS4 c = PyUnicode_GET_LENGTH(arg) == 1 ? PyUnicode_READ_CHAR(arg, 0) : 0;
        if (c != 'C' && c != 'F' && c != 'A') {
            PyErr_SetString(PyExc_ValueError, "order must be 'C', 'F' or 'A'");
            return NULL;
        }
        order = (char)c;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, v->view.len);
    if (bytes != NULL && v->view.len > 0 &&
        PyBuffer_ToContiguous(PyBytes_AS_STRING(bytes), &v->view, v->view.len, order) < 0) {
        Py_CLEAR(bytes);
    }
    return bytes;
}

static PyObject *
memoryview_hex(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    View *v = V(op);
    PyObject *sep;
    int group;
    if (nj_hex_args(args, nargs, kwnames, &sep, &group) < 0 || check_alive(v) < 0) {
        return NULL;
    }
    if (v->flags & (_Py_MEMORYVIEW_C | _Py_MEMORYVIEW_SCALAR)) {
        /* asking sep for its length may run code: keep the view from going away */
        v->exports++;
        PyObject *r = nj_hex_text(v->view.buf, v->view.len, sep, group);
        v->exports--;
        return r;
    }
    NJ_OWN bytes = memoryview_tobytes(op, NULL, 0, NULL);
    return bytes == NULL
               ? NULL
               : nj_hex_text(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes), sep, group);
}

static PyObject *
memoryview_repr(PyObject *op)
{
    return PyUnicode_FromFormat(V(op)->flags & RELEASED ? "<released memory at %p>"
                                                        : "<memory at %p>",
                                op);
}

static Py_hash_t
memoryview_hash(PyObject *op)
{
    View *v = V(op);
    if (v->hash != -1) {
        return v->hash;
    }
    if (check_alive(v) < 0) {
        return -1;
    }
    if (!v->view.readonly) {
        PyErr_SetString(PyExc_ValueError, "cannot hash writable memoryview object");
        return -1;
    }
    char c = native_format(v->view.format);
    if (c == 0 || !strchr("Bbc", c)) {
        PyErr_SetString(PyExc_ValueError,
                        "memoryview: hashing is restricted to formats 'B', 'b' or 'c'");
        return -1;
    }
    if (v->view.obj != NULL) {
        v->exports++; /* the exporter's __hash__ may be Python code */
        Py_hash_t h = PyObject_Hash(v->view.obj);
        v->exports--;
        if (h == -1) {
            return -1;
        }
    }
    NJ_OWN bytes = NULL;
    const char *p = v->view.buf;
    if (!(v->flags & _Py_MEMORYVIEW_C)) {
        NJ_SET(bytes, memoryview_tobytes(op, NULL, 0, NULL));
        if (bytes == NULL) {
            return -1;
        }
        p = PyBytes_AS_STRING(bytes);
    }
    return v->hash = nj_hash_bytes(p, v->view.len);
}

/* ---- comparison ----------------------------------------------------------------------------------------------------- */

typedef struct {
    char a, b;             /* native formats, or 0: use the unpackers */
    PyObject *ua, *ub;     /* struct.Struct objects, borrowed */
} Comparer;

static PyObject *
unpack_by_struct(PyObject *unpacker, const char *p, Py_ssize_t size)
{
    NJ_OWN bytes = PyBytes_FromStringAndSize(p, size);
    NJ_OWN tuple = bytes == NULL ? NULL : PyObject_CallMethod(unpacker, "unpack", "O", bytes);
    if (tuple == NULL) {
        return NULL;
    }
    return PyTuple_Check(tuple) && PyTuple_GET_SIZE(tuple) == 1
               ? Py_NewRef(PyTuple_GET_ITEM(tuple, 0))
               : NJ_TAKE(tuple);
}

static int
compare_items(const Comparer *c, const Py_buffer *x, const char *p, const Py_buffer *y,
              const char *q)
{
    if (c->a && c->a == c->b && !strchr("fdeFD?", c->a)) {
        return memcmp(p, q, (size_t)x->itemsize) == 0;
    }
    if (c->a == 'd' && c->b == 'd') {
        return LOAD(double, p) == LOAD(double, q);
    }
    if (c->a == 'f' && c->b == 'f') {
        return LOAD(float, p) == LOAD(float, q);
    }
    NJ_OWN v = c->a ? unpack(p, c->a) : unpack_by_struct(c->ua, p, x->itemsize);
    NJ_OWN w = v == NULL ? NULL
               : c->b    ? unpack(q, c->b)
                         : unpack_by_struct(c->ub, q, y->itemsize);
    return w == NULL ? -1 : PyObject_RichCompareBool(v, w, Py_EQ);
}

static int
compare_dims(const Comparer *c, const Py_buffer *x, const char *p, const Py_buffer *y,
             const char *q, int dim)
{
    if (dim == x->ndim) {
        return compare_items(c, x, p, y, q);
    }
    for (Py_ssize_t i = 0; i < x->shape[dim]; i++) {
        const char *pi = p + (x->strides ? x->strides[dim] * i : 0);
        const char *qi = q + (y->strides ? y->strides[dim] * i : 0);
        if (x->suboffsets && x->suboffsets[dim] >= 0) {
            pi = *(char **)pi + x->suboffsets[dim];
        }
        if (y->suboffsets && y->suboffsets[dim] >= 0) {
            qi = *(char **)qi + y->suboffsets[dim];
        }
        int r = compare_dims(c, x, pi, y, qi, dim + 1);
        if (r <= 0) {
            return r;
        }
    }
    return 1;
}

/* A struct.Struct for the format: 1, 0 when struct does not know it, -1. */
static int
make_unpacker(const char *format, PyObject **out)
{
    NJ_OWN cls = PyImport_ImportModuleAttrString("struct", "Struct");
    if (cls == NULL) {
        return -1;
    }
    *out = PyObject_CallFunction(cls, "s", format);
    if (*out != NULL) {
        return 1;
    }
    NJ_OWN error = NULL;
    PyObject *exc = PyErr_GetRaisedException();
    NJ_SET(error, PyImport_ImportModuleAttrString("struct", "error"));
    if (error != NULL && PyErr_GivenExceptionMatches(exc, error)) {
        Py_DECREF(exc);
        return 0;
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
    return -1;
}

static int
views_equal(const Py_buffer *x, const Py_buffer *y)
{
    if (x->ndim != y->ndim) {
        return 0;
    }
    for (int i = 0; i < x->ndim; i++) {
        if (x->shape[i] != y->shape[i]) {
            return 0;
        }
        if (x->shape[i] == 0) {
            break;
        }
    }
    Comparer c = {native_format(x->format), native_format(y->format), NULL, NULL};
    if (c.a && native_size(c.a) != x->itemsize) {
        c.a = 0;
    }
    if (c.b && native_size(c.b) != y->itemsize) {
        c.b = 0;
    }
    NJ_OWN ua = NULL;
    NJ_OWN ub = NULL;
    if (c.a == 0 || c.b == 0) {
        c.a = c.b = 0;
        int r = make_unpacker(x->format ? x->format : "B", &ua);
        if (r > 0) {
            r = make_unpacker(y->format ? y->format : "B", &ub);
        }
        if (r <= 0) {
            return r;
        }
        c.ua = ua;
        c.ub = ub;
    }
    return compare_dims(&c, x, x->buf, y, y->buf, 0);
}

static PyObject *
memoryview_richcompare(PyObject *a, PyObject *b, int op)
{
    if (op != Py_EQ && op != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int equal;
    View *v = V(a);
    if (is_released(v)) {
        equal = a == b;
    } else if (PyMemoryView_Check(b)) {
        View *w = V(b);
        if (is_released(w)) {
            equal = a == b;
        } else {
            v->exports++;
            w->exports++;
            equal = views_equal(&v->view, &w->view);
            w->exports--;
            v->exports--;
        }
    } else {
        Py_buffer other;
        if (PyObject_GetBuffer(b, &other, PyBUF_FULL_RO) < 0) {
            PyErr_Clear();
            Py_RETURN_NOTIMPLEMENTED;
        }
        v->exports++;
        equal = views_equal(&v->view, &other);
        v->exports--;
        PyBuffer_Release(&other);
    }
    if (equal < 0) {
        return NULL;
    }
    return PyBool_FromLong(op == Py_EQ ? equal : !equal);
}

/* ---- count, index, iterator ------------------------------------------------------------------------------------------- */

static PyObject *
memoryview_count(PyObject *op, PyObject *value)
{
    NJ_OWN it = PyObject_GetIter(op);
    if (it == NULL) {
        return NULL;
    }
    Py_ssize_t n = 0;
    PyObject *item;
    while ((item = PyIter_Next(it)) != NULL) {
        int r = item == value ? 1 : PyObject_RichCompareBool(item, value, Py_EQ);
        Py_DECREF(item);
        if (r < 0) {
            return NULL;
        }
        n += r;
    }
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *
memoryview_index(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    View *v = V(op);
    if (!_PyArg_CheckPositional("index", nargs, 1, 3)) {
        return NULL;
    }
    Py_ssize_t start = 0, stop = PY_SSIZE_T_MAX;
    if ((nargs > 1 && nj_slice_index(args[1], &start) < 0) ||
        (nargs > 2 && nj_slice_index(args[2], &stop) < 0)) {
        return NULL;
    }
    if (check_alive(v) < 0) {
        return NULL;
    }
    if (v->view.ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "invalid lookup on 0-dim memory");
        return NULL;
    }
    if (v->view.ndim > 1) {
        PyErr_SetString(PyExc_NotImplementedError,
                        "multi-dimensional lookup is not implemented");
        return NULL;
    }
    Py_ssize_t n = v->view.shape[0];
    nj_adjust_indices(&start, &stop, n);
    for (Py_ssize_t i = start; i < stop; i++) {
        PyObject *item = memoryview_item(op, i);
        if (item == NULL) {
            return NULL;
        }
        int r = item == args[0] ? 1 : PyObject_RichCompareBool(item, args[0], Py_EQ);
        Py_DECREF(item);
        if (r < 0) {
            return NULL;
        }
        if (r) {
            return PyLong_FromSsize_t(i);
        }
    }
    PyErr_SetString(PyExc_ValueError, "memoryview.index(x): x not found");
    return NULL;
}

typedef struct {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq; /* owned memoryview; NULL when exhausted */
    Py_ssize_t length;
    char format;
} MemoryIter;

static PyObject *
memoryview_iter(PyObject *op)
{
    View *v = V(op);
    if (check_alive(v) < 0) {
        return NULL;
    }
    if (v->view.ndim == 0) {
        PyErr_SetString(PyExc_TypeError, "invalid indexing of 0-dim memory");
        return NULL;
    }
    if (v->view.ndim != 1) {
        PyErr_SetString(PyExc_NotImplementedError,
                        "multi-dimensional sub-views are not implemented");
        return NULL;
    }
    char c = native_format(v->view.format);
    if (c == 0 || native_size(c) != v->view.itemsize) {
        unsupported_format(&v->view);
        return NULL;
    }
    MemoryIter *it = PyObject_GC_New(MemoryIter, &NjMemoryIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->index = 0;
    it->length = v->view.shape[0];
    it->format = c;
    it->seq = Py_NewRef(op);
    PyObject_GC_Track(it);
    return (PyObject *)it;
}

static void
memoryiter_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((MemoryIter *)op)->seq);
    PyObject_GC_Del(op);
}

static int
memoryiter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((MemoryIter *)op)->seq);
    return 0;
}

static PyObject *
memoryiter_next(PyObject *op)
{
    MemoryIter *it = (MemoryIter *)op;
    if (it->seq == NULL) {
        return NULL;
    }
    View *v = V(it->seq);
    if (it->index < it->length) {
        if (check_alive(v) < 0) {
            return NULL;
        }
        char *p = step_into(&v->view, v->view.buf, 0, it->index++);
        return p == NULL ? NULL : unpack(p, it->format);
    }
    Py_CLEAR(it->seq);
    return NULL;
}

PyTypeObject NjMemoryIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "memory_iterator",
    .tp_basicsize = sizeof(MemoryIter),
    .tp_dealloc = memoryiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = memoryiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = memoryiter_next,
};

/* ---- attributes ---------------------------------------------------------------------------------------------------------- */

static PyObject *
int_tuple(const Py_ssize_t *p, int n)
{
    PyObject *t = PyTuple_New(p == NULL ? 0 : n);
    for (int i = 0; t != NULL && p != NULL && i < n; i++) {
        PyObject *x = PyLong_FromSsize_t(p[i]);
        if (x == NULL) {
            Py_CLEAR(t);
        } else {
            PyTuple_SET_ITEM(t, i, x);
        }
    }
    return t;
}

enum {
    G_OBJ,
    G_NBYTES,
    G_READONLY,
    G_ITEMSIZE,
    G_FORMAT,
    G_NDIM,
    G_SHAPE,
    G_STRIDES,
    G_SUBOFFSETS,
    G_C,
    G_F,
    G_ANY,
};

static PyObject *
memoryview_get(PyObject *op, void *which)
{
    View *v = V(op);
    Py_buffer *b = &v->view;
    if (check_alive(v) < 0) {
        return NULL;
    }
    switch ((intptr_t)which) {
    case G_OBJ: return Py_NewRef(b->obj ? b->obj : Py_None);
    case G_NBYTES: return PyLong_FromSsize_t(b->len);
    case G_READONLY: return PyBool_FromLong(b->readonly);
    case G_ITEMSIZE: return PyLong_FromSsize_t(b->itemsize);
    case G_FORMAT: return PyUnicode_FromString(b->format);
    case G_NDIM: return PyLong_FromLong(b->ndim);
    case G_SHAPE: return int_tuple(b->shape, b->ndim);
    case G_STRIDES: return int_tuple(b->strides, b->ndim);
    case G_SUBOFFSETS: return int_tuple(b->suboffsets, b->ndim);
    case G_C: return PyBool_FromLong(v->flags & _Py_MEMORYVIEW_C);
    case G_F: return PyBool_FromLong(v->flags & _Py_MEMORYVIEW_FORTRAN);
    default:
        return PyBool_FromLong(v->flags & (_Py_MEMORYVIEW_C | _Py_MEMORYVIEW_FORTRAN));
    }
}

#define GETTER(name, which, about)                                                     \
    {name, memoryview_get, NULL, about, (void *)(intptr_t)(which)}
static PyGetSetDef memoryview_getset[] = {
    GETTER("obj", G_OBJ, "The underlying object of the memoryview."),
    GETTER("nbytes", G_NBYTES, "Bytes that the contents take when contiguous."),
    GETTER("readonly", G_READONLY, "Whether the memory is read only."),
    GETTER("itemsize", G_ITEMSIZE, "Size of one element in bytes."),
    GETTER("format", G_FORMAT, "Format of the elements, in struct syntax."),
    GETTER("ndim", G_NDIM, "Number of dimensions."),
    GETTER("shape", G_SHAPE, "Number of elements in every dimension."),
    GETTER("strides", G_STRIDES, "Bytes from one element to the next, per dimension."),
    GETTER("suboffsets", G_SUBOFFSETS, "Offsets behind pointers, per dimension."),
    GETTER("c_contiguous", G_C, "Whether the memory is C contiguous."),
    GETTER("f_contiguous", G_F, "Whether the memory is Fortran contiguous."),
    GETTER("contiguous", G_ANY, "Whether the memory is contiguous."),
    {NULL},
};

static const char *const from_flags_names[] = {"object", "flags", NULL};
static const NjParams from_flags_params = {"_from_flags", from_flags_names, 2, 2, 0};

static PyObject *
memoryview_from_flags(PyObject *type, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    PyObject *a[2];
    if (nj_args_bind(&from_flags_params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int flags = PyLong_AsInt(a[1]);
    if (flags == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return from_object(a[0], flags);
}

static const char *const new_names[] = {"object", NULL};
static const NjParams new_params = {"memoryview", new_names, 1, 1, 0};

static PyObject *
memoryview_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *a;
    if (nj_args_bind_tuple(&new_params, args, kwargs, &a) < 0) {
        return NULL;
    }
    return PyMemoryView_FromObject(a);
}

static PyMethodDef memoryview_methods[] = {
    {"release", memoryview_release, METH_NOARGS,
     SIG("release($self, /)", "Release the underlying buffer.")},
    {"tobytes", FAST_KW(memoryview_tobytes),
     SIG("tobytes($self, /, order='C')", "The contents as bytes.")},
    {"hex", FAST_KW(memoryview_hex),
     SIG("hex($self, /, sep=<unrepresentable>, bytes_per_sep=1)",
         "Two hexadecimal digits per byte.\n\n"
         "A separator, one character or byte, goes between groups of bytes_per_sep bytes,\n"
         "counted from the right, or from the left if negative.\n\n"
         ">>> view = memoryview(b'\\x01\\xab\\xff')\n"
         ">>> view.hex()\n"
         "'01abff'\n"
         ">>> view.hex('-')\n"
         "'01-ab-ff'\n"
         ">>> view.hex(' ', 2)\n"
         "'01 abff'\n"
         ">>> view.hex(' ', -2)\n"
         "'01ab ff'")},
    {"tolist", memoryview_tolist, METH_NOARGS,
     SIG("tolist($self, /)", "The contents as a list of elements.")},
    {"cast", FAST_KW(memoryview_cast),
     SIG("cast($self, /, format, shape=<unrepresentable>)",
         "The same memory with another format or shape.")},
    {"toreadonly", memoryview_toreadonly, METH_NOARGS,
     SIG("toreadonly($self, /)", "A read-only view of the same memory.")},
    {"_from_flags", FAST_KW(memoryview_from_flags) | METH_CLASS,
     SIG("_from_flags($type, /, object, flags)", "A view with the given request flags.")},
    {"count", memoryview_count, METH_O,
     SIG("count($self, value, /)", "Number of occurrences of a value.")},
    {"index", FAST(memoryview_index),
     SIG("index($self, value, start=0, stop=sys.maxsize, /)", "First index of a value.")},
    {"__enter__", memoryview_enter, METH_NOARGS, "__enter__($self, /)\n--\n\n"},
    {"__exit__", memoryview_exit, METH_VARARGS,
     SIG("__exit__($self, /, *exc_info)", "Release this buffer and exit the context.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     SIG("__class_getitem__($type, object, /)", "See PEP 585.")},
    {NULL},
};

static PySequenceMethods memoryview_as_sequence = {
    .sq_length = memoryview_length,
    .sq_item = memoryview_item,
};

static PyMappingMethods memoryview_as_mapping = {
    .mp_length = memoryview_length,
    .mp_subscript = memoryview_subscript,
    .mp_ass_subscript = memoryview_ass_subscript,
};

PyTypeObject PyMemoryView_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "memoryview",
    .tp_basicsize = offsetof(PyMemoryViewObject, ob_array),
    .tp_itemsize = sizeof(Py_ssize_t),
    .tp_dealloc = memoryview_dealloc,
    .tp_repr = memoryview_repr,
    .tp_as_sequence = &memoryview_as_sequence,
    .tp_as_mapping = &memoryview_as_mapping,
    .tp_hash = memoryview_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_as_buffer = &memoryview_as_buffer,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_SEQUENCE,
    .tp_doc = SIG("memoryview(object)", "The memory of an object that exports a buffer."),
    .tp_traverse = memoryview_traverse,
    .tp_clear = memoryview_clear,
    .tp_richcompare = memoryview_richcompare,
    .tp_weaklistoffset = offsetof(PyMemoryViewObject, weakreflist),
    .tp_iter = memoryview_iter,
    .tp_methods = memoryview_methods,
    .tp_getset = memoryview_getset,
    .tp_new = memoryview_new,
};

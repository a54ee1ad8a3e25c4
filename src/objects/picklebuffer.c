/* picklebuffer.c - pickle.PickleBuffer: a buffer that is to be pickled out of band.
 * SPDX-License-Identifier: MIT
 */
#include "objects/bytes_int.h"

#include "capi/args.h"

typedef struct {
    PyObject_HEAD
    Py_buffer view; /* view.obj == NULL when released */
    PyObject *weakreflist;
} PickleBuffer;

#define PB(o) ((PickleBuffer *)(o))

static int
check_alive(PyObject *op)
{
    if (PB(op)->view.obj == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "operation forbidden on released PickleBuffer object");
        return -1;
    }
    return 0;
}

PyObject *
PyPickleBuffer_FromObject(PyObject *base)
{
    PickleBuffer *p = (PickleBuffer *)PyPickleBuffer_Type.tp_alloc(&PyPickleBuffer_Type, 0);
    if (p == NULL) {
        return NULL;
    }
    p->view.obj = NULL;
    p->weakreflist = NULL;
    if (PyObject_GetBuffer(base, &p->view, PyBUF_FULL_RO) < 0) {
        p->view.obj = NULL;
        Py_DECREF(p);
        return NULL;
    }
    return (PyObject *)p;
}

const Py_buffer *
PyPickleBuffer_GetBuffer(PyObject *op)
{
    if (!PyPickleBuffer_Check(op)) {
        PyErr_Format(PyExc_TypeError, "expected PickleBuffer, %.200s found",
                     Py_TYPE(op)->tp_name);
        return NULL;
    }
    return check_alive(op) < 0 ? NULL : &PB(op)->view;
}

int
PyPickleBuffer_Release(PyObject *op)
{
    if (!PyPickleBuffer_Check(op)) {
        PyErr_Format(PyExc_TypeError, "expected PickleBuffer, %.200s found",
                     Py_TYPE(op)->tp_name);
        return -1;
    }
    PyBuffer_Release(&PB(op)->view);
    return 0;
}

static const char *const new_names[] = {"", NULL};
static const NjParams new_params = {"PickleBuffer", new_names, 1, 1, 0};

static PyObject *
picklebuffer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *base;
    if (nj_args_bind_tuple(&new_params, args, kwargs, &base) < 0) {
        return NULL;
    }
    return PyPickleBuffer_FromObject(base);
}

static void
picklebuffer_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    if (PB(op)->weakreflist != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    PyBuffer_Release(&PB(op)->view);
    Py_TYPE(op)->tp_free(op);
}

static int
picklebuffer_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(PB(op)->view.obj);
    return 0;
}

static int
picklebuffer_clear(PyObject *op)
{
    PyBuffer_Release(&PB(op)->view);
    return 0;
}

static int
picklebuffer_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    if (check_alive(op) < 0) {
        return -1;
    }
    return PyObject_GetBuffer(PB(op)->view.obj, view, flags);
}

static void
picklebuffer_releasebuffer(PyObject *op, Py_buffer *view)
{
    /* the buffer was taken from the exporter itself, which releases it */
}

static PyBufferProcs picklebuffer_as_buffer = {picklebuffer_getbuffer,
                                               picklebuffer_releasebuffer};

static PyObject *
picklebuffer_raw(PyObject *op, PyObject *unused)
{
    if (check_alive(op) < 0) {
        return NULL;
    }
    Py_buffer *b = &PB(op)->view;
    if (b->suboffsets != NULL || !PyBuffer_IsContiguous(b, 'A')) {
        PyErr_SetString(PyExc_BufferError,
                        "cannot extract raw buffer from non-contiguous buffer");
        return NULL;
    }
    PyObject *m = PyMemoryView_FromObject(op);
    if (m == NULL) {
        return NULL;
    }
    /* the same memory as one run of bytes */
    PyMemoryViewObject *v = (PyMemoryViewObject *)m;
    if (v->view.ndim < 1) {
        v->view.ndim = 1;
        v->view.shape = &v->view.len;
        v->view.strides = &v->view.itemsize;
    } else {
        v->view.ndim = 1;
        v->view.shape[0] = v->view.len;
        v->view.strides[0] = 1;
    }
    v->view.suboffsets = NULL;
    v->view.format = (char *)"B";
    v->view.itemsize = 1;
    v->flags = _Py_MEMORYVIEW_C | _Py_MEMORYVIEW_FORTRAN;
    return m;
}

static PyObject *
picklebuffer_release(PyObject *op, PyObject *unused)
{
    PyBuffer_Release(&PB(op)->view);
    Py_RETURN_NONE;
}

static PyMethodDef picklebuffer_methods[] = {
    {"raw", picklebuffer_raw, METH_NOARGS,
     SIG("raw($self, /)", "A memoryview of the raw memory underlying this buffer.")},
    {"release", picklebuffer_release, METH_NOARGS,
     SIG("release($self, /)", "Release the underlying buffer.")},
    {NULL},
};

PyTypeObject PyPickleBuffer_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "pickle.PickleBuffer",
    .tp_doc = "Wrapper for potentially out-of-band buffers",
    .tp_basicsize = sizeof(PickleBuffer),
    .tp_dealloc = picklebuffer_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_as_buffer = &picklebuffer_as_buffer,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = picklebuffer_traverse,
    .tp_clear = picklebuffer_clear,
    .tp_weaklistoffset = offsetof(PickleBuffer, weakreflist),
    .tp_methods = picklebuffer_methods,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = picklebuffer_new,
    .tp_free = PyObject_GC_Del,
};

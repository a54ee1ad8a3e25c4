/* _bz2.c - bzip2 streams over libbz2, for the bz2 module.
 *
 * libbz2 counts in unsigned int: input and output are offered in pieces. A stream has a
 * lock, because libbz2 runs without the GIL.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "base/codecbuf.h"

#include <bzlib.h>
#include <limits.h>

enum { FIRST_SIZE = 32 * 1024 };

typedef struct Stream {
    PyObject_HEAD
    bz_stream bz;
    bool compressing, alive; /* alive: bz is initialised */
    bool flushed;            /* compressor */
    bool broken;             /* decompressor, as the next ones: libbz2 gave up */
    bool eof, needs_input;
    PyObject *unused_data;
    NjInBuf in;
    PyMutex lock;
} Stream;

static void
unlock(PyMutex **m)
{
    PyMutex_Unlock(*m);
}

#define LOCKED(s)                                                                      \
    __attribute__((cleanup(unlock))) PyMutex *held_ = &(s)->lock;                      \
    PyMutex_Lock(held_)

/* True if err is an error; the exception is then set. */
static bool
failed(int err)
{
    switch (err) {
    case BZ_OK:
    case BZ_RUN_OK:
    case BZ_FLUSH_OK:
    case BZ_FINISH_OK:
    case BZ_STREAM_END:
        return false;
    case BZ_CONFIG_ERROR:
        PyErr_SetString(PyExc_SystemError,
                        "libbzip2 was not compiled correctly");
        return true;
    case BZ_PARAM_ERROR:
        PyErr_SetString(PyExc_ValueError,
                        "Internal error - invalid parameters passed to libbzip2");
        return true;
    case BZ_MEM_ERROR:
        PyErr_NoMemory();
        return true;
    case BZ_DATA_ERROR:
    case BZ_DATA_ERROR_MAGIC:
        PyErr_SetString(PyExc_OSError, "Invalid data stream");
        return true;
    case BZ_IO_ERROR:
        PyErr_SetString(PyExc_OSError, "Unknown I/O error");
        return true;
    case BZ_UNEXPECTED_EOF:
        PyErr_SetString(PyExc_EOFError, "Compressed file ended before the logical "
                                        "end-of-stream was detected");
        return true;
    case BZ_SEQUENCE_ERROR:
        PyErr_SetString(PyExc_RuntimeError,
                        "Internal error - Invalid sequence of commands sent to libbzip2");
        return true;
    default:
        PyErr_Format(PyExc_OSError, "Unrecognized error from libbzip2: %d", err);
        return true;
    }
}

static void *
bz_alloc(void *Py_UNUSED(ctx), int items, int size)
{
    /* megabytes that libbz2 fills itself: not calloc */
    if (items < 0 || size < 0) {
        return NULL;
    }
    return PyMem_RawMalloc((size_t)items * (size_t)size);
}

static void
bz_free(void *Py_UNUSED(ctx), void *p)
{
    PyMem_RawFree(p);
}

static Stream *
new_stream(PyTypeObject *type)
{
    Stream *s = (Stream *)type->tp_alloc(type, 0);
    if (s) {
        s->bz.bzalloc = bz_alloc;
        s->bz.bzfree = bz_free;
    }
    return s;
}

static void
stream_dealloc(PyObject *op)
{
    Stream *s = (Stream *)op;
    PyTypeObject *type = Py_TYPE(op);
    if (s->alive) {
        if (s->compressing) {
            BZ2_bzCompressEnd(&s->bz);
        } else {
            BZ2_bzDecompressEnd(&s->bz);
        }
    }
    Py_XDECREF(s->unused_data);
    nj_inbuf_free(&s->in);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Points bz at room for output. As nj_outbuf_room. */
static int
out_room(NjOutBuf *o, bz_stream *bz)
{
    char *next;
    size_t room;
    int r = nj_outbuf_room(o, FIRST_SIZE, &next, &room);
    if (r > 0) {
        bz->next_out = next;
        bz->avail_out = room > UINT_MAX ? UINT_MAX : (unsigned)room;
    }
    return r;
}

/* ---- compressor --------------------------------------------------------------------- */

static PyObject *
compressor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *arg = NULL;
    int level = 9;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "BZ2Compressor() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "BZ2Compressor", 0, 1, &arg)) {
        return NULL;
    }
    if (arg) {
        level = PyLong_AsInt(arg);
        if (level == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (level < 1 || level > 9) {
        PyErr_SetString(PyExc_ValueError, "compresslevel must be between 1 and 9");
        return NULL;
    }
    Stream *s = new_stream(type);
    if (!s) {
        return NULL;
    }
    s->compressing = true;
    if (failed(BZ2_bzCompressInit(&s->bz, level, 0, 0))) {
        Py_DECREF(s);
        return NULL;
    }
    s->alive = true;
    return (PyObject *)s;
}

/* Feeds n bytes at data; with BZ_FINISH, up to the end of the stream. */
static PyObject *
compress(Stream *s, char *data, size_t n, int action)
{
    NJ_OUTBUF(out, -1);
    bz_stream *bz = &s->bz;
    bz->next_in = data;
    bz->avail_in = 0;
    int err;
    do {
        if (bz->avail_in == 0 && n > 0) {
            bz->avail_in = n > UINT_MAX ? UINT_MAX : (unsigned)n;
            n -= bz->avail_in;
        }
        if (action == BZ_RUN && bz->avail_in == 0) {
            break;
        }
        if (out_room(&out, bz) < 0) {
            return NULL;
        }
        unsigned before = bz->avail_out;
        Py_BEGIN_ALLOW_THREADS
        err = BZ2_bzCompress(bz, action);
        Py_END_ALLOW_THREADS
        out.used += before - bz->avail_out;
        if (failed(err)) {
            return NULL;
        }
    } while (err != BZ_STREAM_END);
    return nj_outbuf_take(&out);
}

static PyObject *
compressor_compress(PyObject *op, PyObject *arg)
{
    Stream *s = (Stream *)op;
    NJ_OWN_BUF data = {0};
    if (PyObject_GetBuffer(arg, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    LOCKED(s);
    if (s->flushed) {
        PyErr_SetString(PyExc_ValueError, "Compressor has been flushed");
        return NULL;
    }
    return compress(s, data.buf, (size_t)data.len, BZ_RUN);
}

static PyObject *
compressor_flush(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Stream *s = (Stream *)op;
    LOCKED(s);
    if (s->flushed) {
        PyErr_SetString(PyExc_ValueError, "Repeated call to flush()");
        return NULL;
    }
    s->flushed = true;
    return compress(s, NULL, 0, BZ_FINISH);
}

/* ---- decompressor ------------------------------------------------------------------- */

static PyObject *
decompressor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError,
                        "BZ2Decompressor() takes no keyword arguments");
        return NULL;
    }
    if (PyTuple_GET_SIZE(args)) {
        PyErr_SetString(PyExc_TypeError,
                        "BZ2Decompressor() takes no positional arguments");
        return NULL;
    }
    Stream *s = new_stream(type);
    if (!s) {
        return NULL;
    }
    s->needs_input = true;
    s->unused_data = PyBytes_FromStringAndSize(NULL, 0);
    if (!s->unused_data || failed(BZ2_bzDecompressInit(&s->bz, 0, 0))) {
        Py_DECREF(s);
        return NULL;
    }
    s->alive = true;
    return (PyObject *)s;
}

static PyObject *
decompress(Stream *s, const char *data, size_t n, Py_ssize_t max)
{
    if (nj_inbuf_join(&s->in, &data, &n) < 0) {
        return NULL;
    }
    NJ_OUTBUF(out, max);
    bz_stream *bz = &s->bz;
    const char *end = data + n;
    bz->next_in = (char *)data;
    bz->avail_in = 0;
    bool full = false;
    for (;;) {
        if (bz->avail_in == 0 && n > 0) {
            bz->avail_in = n > UINT_MAX ? UINT_MAX : (unsigned)n;
            n -= bz->avail_in;
        }
        int room = out_room(&out, bz);
        if (room < 0) {
            return NULL;
        }
        if (room == 0) {
            full = true;
            break;
        }
        unsigned before = bz->avail_out;
        int err;
        Py_BEGIN_ALLOW_THREADS
        err = BZ2_bzDecompress(bz);
        Py_END_ALLOW_THREADS
        out.used += before - bz->avail_out;
        if (failed(err)) {
            /* libbz2 is in no state to be called again */
            s->broken = true;
            s->needs_input = false;
            return NULL;
        }
        if (err == BZ_STREAM_END) {
            s->eof = true;
            break;
        }
        if (bz->avail_in == 0 && n == 0 && bz->avail_out > 0) {
            break;
        }
    }
    size_t rest = (size_t)(end - bz->next_in);
    if (s->eof) {
        s->needs_input = false;
        NJ_OWN unused = PyBytes_FromStringAndSize(bz->next_in, (Py_ssize_t)rest);
        if (!unused) {
            return NULL;
        }
        NJ_SET(s->unused_data, NJ_TAKE(unused));
        nj_inbuf_free(&s->in);
    } else {
        s->needs_input = rest == 0 && !full;
        if (nj_inbuf_keep(&s->in, bz->next_in, rest) < 0) {
            return NULL;
        }
    }
    return nj_outbuf_take(&out);
}

static PyObject *
decompressor_decompress(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "max_length", NULL};
    Stream *s = (Stream *)op;
    NJ_OWN_BUF data = {0};
    Py_ssize_t max = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|n:decompress", names, &data,
                                     &max)) {
        return NULL;
    }
    LOCKED(s);
    if (s->eof) {
        PyErr_SetString(PyExc_EOFError, "End of stream already reached");
        return NULL;
    }
    if (s->broken) {
        PyErr_SetString(PyExc_ValueError,
                        "Decompressor is unusable after a previous error");
        return NULL;
    }
    return decompress(s, data.buf, (size_t)data.len, max);
}

/* ---- types and module --------------------------------------------------------------- */

static PyMethodDef compressor_methods[] = {
    {"compress", compressor_compress, METH_O,
     "compress($self, data, /)\n--\n\n"
     "Compress data and return what is ready, or b'' if nothing is.\n\n"
     "Call flush() after the last piece to finish the stream."},
    {"flush", compressor_flush, METH_NOARGS,
     "flush($self, /)\n--\n\n"
     "Finish the stream and return the rest of it.\n\n"
     "The compressor cannot be used afterwards."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot compressor_slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_new, compressor_new},
    {Py_tp_methods, compressor_methods},
    {Py_tp_doc, "BZ2Compressor(compresslevel=9, /)\n--\n\n"
                "Create a compressor object for compressing data incrementally.\n\n"
                "compresslevel is a number between 1 and 9. To compress data in one go,\n"
                "use the compress() function instead."},
    {0, NULL},
};

static PyType_Spec compressor_spec = {
    .name = "_bz2.BZ2Compressor",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = compressor_slots,
};

static PyMethodDef decompressor_methods[] = {
    {"decompress", (PyCFunction)(void (*)(void))decompressor_decompress,
     METH_VARARGS | METH_KEYWORDS,
     "decompress($self, /, data, max_length=-1)\n--\n\n"
     "Decompress data and return bytes.\n\n"
     "A nonnegative max_length limits the size of the result. If the limit was reached\n"
     "and there may be more, needs_input is False: the next call may pass b'' as data to\n"
     "get more. Otherwise needs_input is True.\n\n"
     "Calling this after the end of the stream raises EOFError. Data behind the end of\n"
     "the stream is kept in unused_data."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef decompressor_members[] = {
    {"eof", Py_T_BOOL, offsetof(Stream, eof), Py_READONLY,
     "True if the end-of-stream marker has been reached."},
    {"unused_data", Py_T_OBJECT_EX, offsetof(Stream, unused_data), Py_READONLY,
     "Data found after the end of the compressed stream."},
    {"needs_input", Py_T_BOOL, offsetof(Stream, needs_input), Py_READONLY,
     "True if more input is needed before more decompressed data can be produced."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot decompressor_slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_new, decompressor_new},
    {Py_tp_methods, decompressor_methods},
    {Py_tp_members, decompressor_members},
    {Py_tp_doc, "BZ2Decompressor()\n--\n\n"
                "Create a decompressor object for decompressing data incrementally.\n\n"
                "To decompress data in one go, use the decompress() function instead."},
    {0, NULL},
};

static PyType_Spec decompressor_spec = {
    .name = "_bz2.BZ2Decompressor",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = decompressor_slots,
};

static int
add_type(PyObject *module, PyType_Spec *spec)
{
    NJ_OWN type = PyType_FromModuleAndSpec(module, spec, NULL);
    return type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
}

static int
bz2_exec(PyObject *module)
{
    if (add_type(module, &compressor_spec) < 0) {
        return -1;
    }
    return add_type(module, &decompressor_spec);
}

static PyModuleDef_Slot bz2_slots[] = {
    {Py_mod_exec, bz2_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef bz2_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_bz2",
    .m_slots = bz2_slots,
};

PyMODINIT_FUNC
PyInit__bz2(void)
{
    return PyModuleDef_Init(&bz2_module);
}

/* zlib.c - the zlib module over libz.
 *
 * Output grows in an NjOutBuf; input is fed to libz in pieces of at most UINT_MAX bytes. A
 * stream object has a lock, because the calls run without the GIL.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include "base/codecbuf.h"

#include <limits.h>
#include <zlib.h>

#define FIRST_SIZE 16384

typedef struct ZlibState {
    PyTypeObject *compress_type, *decompress_type, *zdec_type;
    PyObject *error;
} ZlibState;

typedef struct Stream {
    PyObject_HEAD
    z_stream z;
    PyObject *unused_data, *unconsumed_tail; /* bytes; decompressors only */
    PyObject *zdict;                         /* or NULL */
    bool alive;                              /* z is initialised */
    bool eof, needs_input, compressing, raw;
    NjInBuf in;                              /* _ZlibDecompressor: input not yet used */
    PyMutex lock;
} Stream;

static struct PyModuleDef zlib_module;

static ZlibState *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static ZlibState *
state_of_self(PyObject *op)
{
    PyObject *module = PyType_GetModuleByDef(Py_TYPE(op), &zlib_module);
    return module ? state_of(module) : NULL;
}

static PyObject *
zlib_error(ZlibState *st, z_stream *z, int err, const char *what)
{
    const char *msg = err == Z_VERSION_ERROR ? "library version mismatch"
                      : z && z->msg          ? z->msg
                      : err == Z_BUF_ERROR   ? "incomplete or truncated stream"
                      : err == Z_STREAM_ERROR ? "inconsistent stream state"
                      : err == Z_DATA_ERROR  ? "invalid input data"
                                             : NULL;
    if (msg) {
        PyErr_Format(st->error, "Error %d %s: %.200s", err, what, msg);
    } else {
        PyErr_Format(st->error, "Error %d %s", err, what);
    }
    return NULL;
}

static void *
z_alloc(void *Py_UNUSED(ctx), unsigned items, unsigned size)
{
    /* memory that libz fills itself: not calloc */
    size_t n;
    return __builtin_mul_overflow(items, size, &n) ? NULL : PyMem_RawMalloc(n);
}

static void
z_free(void *Py_UNUSED(ctx), void *p)
{
    PyMem_RawFree(p);
}

/* ---- output ------------------------------------------------------------------------------- */

/* Makes room and points z at it. 1, 0 when max is reached, -1 without memory. */
static int
out_room(NjOutBuf *o, z_stream *z, Py_ssize_t first)
{
    char *next;
    size_t room;
    int r = nj_outbuf_room(o, first, &next, &room);
    if (r > 0) {
        z->next_out = (Bytef *)next;
        z->avail_out = room > UINT_MAX ? UINT_MAX : (unsigned)room;
    } else {
        z->avail_out = 0;
    }
    return r;
}

typedef int (*Step)(z_stream *, int);

/* Runs step over the input until it is used up and (if flush asks for it) all is written.
 * *left counts the input not yet given to z. Returns libz's last code, or -100 with an
 * exception (no memory). Stops early at max. */
static int
run(z_stream *z, Step step, Py_ssize_t *left, int flush, NjOutBuf *o, Py_ssize_t first)
{
    int err = Z_OK;
    for (;;) {
        if (z->avail_in == 0 && *left > 0) {
            z->avail_in = *left > UINT_MAX ? UINT_MAX : (unsigned)*left;
            *left -= z->avail_in;
        }
        int room = out_room(o, z, first);
        if (room < 0) {
            return -100;
        }
        if (room == 0) {
            return err;
        }
        unsigned before = z->avail_out;
        int mode = *left ? Z_NO_FLUSH : flush;
        Py_BEGIN_ALLOW_THREADS
        err = step(z, mode);
        Py_END_ALLOW_THREADS
        o->used += before - z->avail_out;
        if (err != Z_OK && err != Z_BUF_ERROR) {
            return err;
        }
        if (z->avail_out != 0 && z->avail_in == 0 && *left == 0) {
            return err;
        }
        if (err == Z_BUF_ERROR && z->avail_out != 0) {
            return err;
        }
    }
}

/* ---- one-shot functions ------------------------------------------------------------------- */

static void
end_deflate(z_stream *z)
{
    if (z->state) {
        deflateEnd(z);
    }
}

static void
end_inflate(z_stream *z)
{
    if (z->state) {
        inflateEnd(z);
    }
}

static PyObject *
zlib_compress(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    static char *names[] = {"", "level", "wbits", NULL};
    NJ_OWN_BUF data = {0};
    int level = Z_DEFAULT_COMPRESSION, wbits = MAX_WBITS;
    if (!nj_args_parse(args, nargs, kwnames, "y*|ii:compress", names, &data, &level,
                                     &wbits)) {
        return NULL;
    }
    ZlibState *st = state_of(module);
    __attribute__((cleanup(end_deflate))) z_stream z = {.zalloc = z_alloc, .zfree = z_free};
    z.next_in = data.buf;
    int err = deflateInit2(&z, level, Z_DEFLATED, wbits, MAX_MEM_LEVEL - 1,
                           Z_DEFAULT_STRATEGY);
    if (err == Z_MEM_ERROR) {
        PyErr_SetString(PyExc_MemoryError, "Out of memory while compressing data");
        return NULL;
    }
    if (err == Z_STREAM_ERROR) {
        PyErr_SetString(st->error, "Bad compression level");
        return NULL;
    }
    if (err != Z_OK) {
        return zlib_error(st, &z, err, "while compressing data");
    }
    NJ_OUTBUF(out, -1);
    Py_ssize_t left = data.len;
    err = run(&z, deflate, &left, Z_FINISH, &out, FIRST_SIZE);
    if (err == -100) {
        return NULL;
    }
    if (err != Z_STREAM_END) {
        return zlib_error(st, &z, err, "while compressing data");
    }
    return nj_outbuf_take(&out);
}

static PyObject *
zlib_decompress(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    static char *names[] = {"", "wbits", "bufsize", NULL};
    NJ_OWN_BUF data = {0};
    int wbits = MAX_WBITS;
    Py_ssize_t size = FIRST_SIZE;
    if (!nj_args_parse(args, nargs, kwnames, "y*|in:decompress", names, &data,
                                     &wbits, &size)) {
        return NULL;
    }
    ZlibState *st = state_of(module);
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "bufsize must be non-negative");
        return NULL;
    }
    __attribute__((cleanup(end_inflate))) z_stream z = {.zalloc = z_alloc, .zfree = z_free};
    z.next_in = data.buf;
    int err = inflateInit2(&z, wbits);
    if (err == Z_MEM_ERROR) {
        PyErr_SetString(PyExc_MemoryError, "Out of memory while decompressing data");
        return NULL;
    }
    if (err != Z_OK) {
        return zlib_error(st, &z, err, "while preparing to decompress data");
    }
    NJ_OUTBUF(out, -1);
    Py_ssize_t left = data.len;
    err = run(&z, inflate, &left, Z_SYNC_FLUSH, &out, size ? size : 1);
    if (err == -100) {
        return NULL;
    }
    if (err == Z_MEM_ERROR) {
        PyErr_SetString(PyExc_MemoryError, "Out of memory while decompressing data");
        return NULL;
    }
    if (err != Z_STREAM_END) {
        return zlib_error(st, &z, err == Z_OK ? Z_BUF_ERROR : err,
                          "while decompressing data");
    }
    return nj_outbuf_take(&out);
}

/* ---- stream objects ----------------------------------------------------------------------- */

static Stream *
new_stream(PyTypeObject *type)
{
    Stream *s = PyObject_New(Stream, type);
    if (!s) {
        return NULL;
    }
    memset((char *)s + sizeof(PyObject), 0, sizeof(Stream) - sizeof(PyObject));
    s->z.zalloc = z_alloc;
    s->z.zfree = z_free;
    s->unused_data = PyBytes_FromStringAndSize(NULL, 0);
    s->unconsumed_tail = PyBytes_FromStringAndSize(NULL, 0);
    s->needs_input = true;
    if (!s->unused_data || !s->unconsumed_tail) {
        Py_DECREF(s);
        return NULL;
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
            deflateEnd(&s->z);
        } else {
            inflateEnd(&s->z);
        }
    }
    Py_XDECREF(s->unused_data);
    Py_XDECREF(s->unconsumed_tail);
    Py_XDECREF(s->zdict);
    nj_inbuf_free(&s->in);
    PyObject_Free(op);
    Py_DECREF(type);
}

static void
unlock(PyMutex **m)
{
    PyMutex_Unlock(*m);
}

#define LOCKED(s)                                                                      \
    __attribute__((cleanup(unlock))) PyMutex *held_ = &(s)->lock;                      \
    PyMutex_Lock(held_)

static PyObject *
zlib_compressobj(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static char *names[] = {"level", "method", "wbits", "memLevel", "strategy", "zdict",
                            NULL};
    int level = Z_DEFAULT_COMPRESSION, method = Z_DEFLATED, wbits = MAX_WBITS,
        memlevel = 8, strategy = Z_DEFAULT_STRATEGY;
    NJ_OWN_BUF zdict = {0};
    if (!nj_args_parse(args, nargs, kwnames, "|iiiiiy*:compressobj", names, &level,
                                     &method, &wbits, &memlevel, &strategy, &zdict)) {
        return NULL;
    }
    ZlibState *st = state_of(module);
    NJ_OWN o = (PyObject *)new_stream(st->compress_type);
    if (!o) {
        return NULL;
    }
    Stream *s = (Stream *)o;
    s->compressing = true;
    int err = deflateInit2(&s->z, level, method, wbits, memlevel, strategy);
    if (err == Z_MEM_ERROR) {
        PyErr_SetString(PyExc_MemoryError,
                        "Can't allocate memory for compression object");
        return NULL;
    }
    if (err == Z_STREAM_ERROR) {
        PyErr_SetString(PyExc_ValueError, "Invalid initialization option");
        return NULL;
    }
    if (err != Z_OK) {
        return zlib_error(st, &s->z, err, "while creating compression object");
    }
    s->alive = true;
    if (zdict.obj) {
        err = deflateSetDictionary(&s->z, zdict.buf, (unsigned)zdict.len);
        if (err != Z_OK) {
            PyErr_SetString(PyExc_ValueError, "Invalid dictionary");
            return NULL;
        }
    }
    return NJ_TAKE(o);
}

static int
set_inflate_dictionary(ZlibState *st, Stream *s)
{
    Py_buffer view;
    if (PyObject_GetBuffer(s->zdict, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    int err = inflateSetDictionary(&s->z, view.buf, (unsigned)view.len);
    PyBuffer_Release(&view);
    if (err != Z_OK) {
        zlib_error(st, &s->z, err, "while setting zdict");
        return -1;
    }
    return 0;
}

static PyObject *
make_decompressor(ZlibState *st, PyTypeObject *type, int wbits, PyObject *zdict)
{
    if (zdict && !PyObject_CheckBuffer(zdict)) {
        PyErr_SetString(PyExc_TypeError,
                        "zdict argument must support the buffer protocol");
        return NULL;
    }
    NJ_OWN o = (PyObject *)new_stream(type);
    if (!o) {
        return NULL;
    }
    Stream *s = (Stream *)o;
    s->zdict = Py_XNewRef(zdict);
    int err = inflateInit2(&s->z, wbits);
    if (err == Z_STREAM_ERROR) {
        PyErr_SetString(PyExc_ValueError, "Invalid initialization option");
        return NULL;
    }
    if (err == Z_MEM_ERROR) {
        PyErr_SetString(PyExc_MemoryError,
                        "Can't allocate memory for decompression object");
        return NULL;
    }
    if (err != Z_OK) {
        return zlib_error(st, &s->z, err, "while creating decompression object");
    }
    s->alive = true;
    s->raw = wbits < 0;
    if (zdict && s->raw && set_inflate_dictionary(st, s) < 0) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static PyObject *
zlib_decompressobj(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static char *names[] = {"wbits", "zdict", NULL};
    int wbits = MAX_WBITS;
    PyObject *zdict = NULL;
    if (!nj_args_parse(args, nargs, kwnames, "|iO:decompressobj", names, &wbits,
                                     &zdict)) {
        return NULL;
    }
    ZlibState *st = state_of(module);
    return make_decompressor(st, st->decompress_type, wbits, zdict);
}

static PyObject *
compress_compress(PyObject *op, PyObject *arg)
{
    Stream *s = (Stream *)op;
    ZlibState *st = state_of_self(op);
    NJ_OWN_BUF data = {0};
    if (!st || PyObject_GetBuffer(arg, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    LOCKED(s);
    NJ_OUTBUF(out, -1);
    s->z.next_in = data.buf;
    s->z.avail_in = 0;
    Py_ssize_t left = data.len;
    int err = run(&s->z, deflate, &left, Z_NO_FLUSH, &out, FIRST_SIZE);
    if (err == -100) {
        return NULL;
    }
    if (err != Z_OK && err != Z_BUF_ERROR) {
        return zlib_error(st, &s->z, err, "while compressing data");
    }
    return nj_outbuf_take(&out);
}

static PyObject *
compress_flush(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Stream *s = (Stream *)op;
    ZlibState *st = state_of_self(op);
    int mode = Z_FINISH;
    if (!st || !_PyArg_ParseStack(args, nargs, "|i:flush", &mode)) {
        return NULL;
    }
    if (mode == Z_NO_FLUSH) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    LOCKED(s);
    NJ_OUTBUF(out, -1);
    s->z.avail_in = 0;
    Py_ssize_t left = 0;
    int err = run(&s->z, deflate, &left, mode, &out, FIRST_SIZE);
    if (err == -100) {
        return NULL;
    }
    if (err == Z_STREAM_END && mode == Z_FINISH) {
        err = deflateEnd(&s->z);
        s->alive = false;
        if (err != Z_OK) {
            return zlib_error(st, &s->z, err, "while finishing compression");
        }
    } else if (err != Z_OK && err != Z_BUF_ERROR) {
        return zlib_error(st, &s->z, err, "while flushing");
    }
    return nj_outbuf_take(&out);
}

/* What libz did not use: after the end of the stream, or beyond max_length. 0/-1. */
static int
keep_rest(Stream *s, int err, const Py_buffer *data)
{
    const char *end = (const char *)data->buf + data->len;
    Py_ssize_t left = end - (const char *)s->z.next_in;
    if (err == Z_STREAM_END) {
        NJ_OWN old = Py_NewRef(s->unused_data);
        NJ_OWN rest = PyBytes_FromStringAndSize((const char *)s->z.next_in, left);
        if (!rest) {
            return -1;
        }
        if (PyBytes_GET_SIZE(old)) {
            PyBytes_Concat(&old, rest);
            if (!old) {
                return -1;
            }
            NJ_SET(s->unused_data, NJ_TAKE(old));
        } else {
            NJ_SET(s->unused_data, NJ_TAKE(rest));
        }
        left = 0;
    }
    if (left > 0 || PyBytes_GET_SIZE(s->unconsumed_tail)) {
        PyObject *tail = PyBytes_FromStringAndSize((const char *)s->z.next_in, left);
        if (!tail) {
            return -1;
        }
        NJ_SET(s->unconsumed_tail, tail);
    }
    return 0;
}

/* inflate, which asks for its dictionary once. -100: an exception is set. */
static int
run_inflate(ZlibState *st, Stream *s, Py_ssize_t *left, int flush, NjOutBuf *out,
            Py_ssize_t first)
{
    int err = run(&s->z, inflate, left, flush, out, first);
    if (err == Z_NEED_DICT && s->zdict) {
        if (set_inflate_dictionary(st, s) < 0) {
            return -100;
        }
        err = run(&s->z, inflate, left, flush, out, first);
    }
    return err;
}

static PyObject *
decompress_decompress(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *kwnames)
{
    static char *names[] = {"", "max_length", NULL};
    Stream *s = (Stream *)op;
    ZlibState *st = state_of_self(op);
    NJ_OWN_BUF data = {0};
    Py_ssize_t max = 0;
    if (!st
        || !nj_args_parse(args, nargs, kwnames, "y*|n:decompress", names, &data,
                                        &max)) {
        return NULL;
    }
    if (max < 0) {
        PyErr_SetString(PyExc_ValueError, "max_length must be non-negative");
        return NULL;
    }
    LOCKED(s);
    NJ_OUTBUF(out, max ? max : -1);
    s->z.next_in = data.buf;
    s->z.avail_in = 0;
    Py_ssize_t left = data.len;
    int err = run_inflate(st, s, &left, Z_SYNC_FLUSH, &out, FIRST_SIZE);
    if (err == -100 || keep_rest(s, err, &data) < 0) {
        return NULL;
    }
    if (err == Z_STREAM_END) {
        s->eof = true;
    } else if (err != Z_OK && err != Z_BUF_ERROR) {
        return zlib_error(st, &s->z, err, "while decompressing data");
    }
    return nj_outbuf_take(&out);
}

static PyObject *
decompress_flush(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Stream *s = (Stream *)op;
    ZlibState *st = state_of_self(op);
    Py_ssize_t length = FIRST_SIZE;
    if (!st || !_PyArg_ParseStack(args, nargs, "|n:flush", &length)) {
        return NULL;
    }
    if (length <= 0) {
        PyErr_SetString(PyExc_ValueError, "length must be greater than zero");
        return NULL;
    }
    LOCKED(s);
    if (!s->alive) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    NJ_OWN_BUF data = {0};
    if (PyObject_GetBuffer(s->unconsumed_tail, &data, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    NJ_OUTBUF(out, -1);
    s->z.next_in = data.buf;
    s->z.avail_in = 0;
    Py_ssize_t left = data.len;
    int err = run_inflate(st, s, &left, Z_FINISH, &out, length);
    if (err == -100 || keep_rest(s, err, &data) < 0) {
        return NULL;
    }
    if (err == Z_STREAM_END) {
        s->eof = true;
        s->alive = false;
        err = inflateEnd(&s->z);
        if (err != Z_OK) {
            return zlib_error(st, &s->z, err, "while finishing decompression");
        }
    } else if (err != Z_OK && err != Z_BUF_ERROR) {
        return zlib_error(st, &s->z, err, "while flushing");
    }
    return nj_outbuf_take(&out);
}

static PyObject *
stream_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Stream *s = (Stream *)op;
    ZlibState *st = state_of_self(op);
    if (!st) {
        return NULL;
    }
    NJ_OWN o = (PyObject *)new_stream(Py_TYPE(op));
    if (!o) {
        return NULL;
    }
    Stream *c = (Stream *)o;
    LOCKED(s);
    c->compressing = s->compressing;
    int err = s->compressing ? deflateCopy(&c->z, &s->z) : inflateCopy(&c->z, &s->z);
    if (err == Z_STREAM_ERROR) {
        PyErr_SetString(PyExc_ValueError, "Inconsistent stream state");
        return NULL;
    }
    if (err == Z_MEM_ERROR) {
        PyErr_SetString(PyExc_MemoryError, s->compressing
                            ? "Can't allocate memory for compression object"
                            : "Can't allocate memory for decompression object");
        return NULL;
    }
    if (err != Z_OK) {
        return zlib_error(st, &s->z, err, s->compressing
                              ? "while copying compression object"
                              : "while copying decompression object");
    }
    c->alive = true;
    c->eof = s->eof;
    c->raw = s->raw;
    NJ_SET(c->unused_data, Py_NewRef(s->unused_data));
    NJ_SET(c->unconsumed_tail, Py_NewRef(s->unconsumed_tail));
    c->zdict = Py_XNewRef(s->zdict);
    return NJ_TAKE(o);
}

static PyObject *
stream_deepcopy(PyObject *op, PyObject *Py_UNUSED(memo))
{
    return stream_copy(op, NULL);
}

/* ---- _ZlibDecompressor -------------------------------------------------------------------- */

static PyObject *
zdec_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"wbits", "zdict", NULL};
    int wbits = MAX_WBITS;
    PyObject *zdict = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iO:_ZlibDecompressor", names, &wbits,
                                     &zdict)) {
        return NULL;
    }
    return make_decompressor(state_of(PyType_GetModule(type)), type, wbits, zdict);
}

static PyObject *
zdec_decompress(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    static char *names[] = {"data", "max_length", NULL};
    Stream *s = (Stream *)op;
    ZlibState *st = state_of_self(op);
    NJ_OWN_BUF data = {0};
    Py_ssize_t max = -1;
    if (!st
        || !nj_args_parse(args, nargs, kwnames, "y*|n:decompress", names, &data,
                                        &max)) {
        return NULL;
    }
    LOCKED(s);
    if (s->eof) {
        PyErr_SetString(PyExc_EOFError, "End of stream already reached");
        return NULL;
    }
    const char *input = data.buf;
    size_t size = (size_t)data.len;
    if (nj_inbuf_join(&s->in, &input, &size) < 0) {
        return NULL;
    }
    NJ_OUTBUF(out, max);
    s->z.next_in = (Bytef *)input;
    s->z.avail_in = 0;
    Py_ssize_t left = (Py_ssize_t)size;
    int err = run_inflate(st, s, &left, Z_SYNC_FLUSH, &out, FIRST_SIZE);
    if (err == -100) {
        return NULL;
    }
    if (err != Z_OK && err != Z_BUF_ERROR && err != Z_STREAM_END) {
        return zlib_error(st, &s->z, err, "while decompressing data");
    }
    const char *at = (const char *)s->z.next_in;
    size_t rest = (size_t)(input + size - at);
    if (err == Z_STREAM_END) {
        s->eof = true;
        s->needs_input = false;
        PyObject *unused = PyBytes_FromStringAndSize(at, (Py_ssize_t)rest);
        if (!unused) {
            return NULL;
        }
        NJ_SET(s->unused_data, unused);
        rest = 0;
    } else {
        /* a full output may hide more inside libz */
        s->needs_input = rest == 0 && !(max >= 0 && out.used == max);
    }
    if (nj_inbuf_keep(&s->in, at, rest) < 0) {
        return NULL;
    }
    return nj_outbuf_take(&out);
}

/* ---- checksums ---------------------------------------------------------------------------- */

enum { SMALL = 5 * 1024 }; /* more than that is read without the GIL */

static PyObject *
checksum(const char *name, PyObject *const *args, Py_ssize_t nargs, unsigned start,
         uLong (*update)(uLong, const Bytef *, z_size_t))
{
    if ((nargs == 1 || (nargs == 2 && PyLong_CheckExact(args[1]))) &&
        PyBytes_CheckExact(args[0]) && PyBytes_GET_SIZE(args[0]) <= SMALL) {
        uLong from = nargs == 2 ? PyLong_AsUnsignedLongMask(args[1]) & 0xffffffffu : start;
        return PyLong_FromUnsignedLong(update(from, (Bytef *)PyBytes_AS_STRING(args[0]),
                                              (z_size_t)PyBytes_GET_SIZE(args[0])));
    }
    NJ_OWN_BUF data = {0};
    if (!_PyArg_CheckPositional(name, nargs, 1, 2) ||
        !_PyArg_ParseStack(args, nargs, "y*|I", &data, &start)) {
        return NULL;
    }
    uLong value = start;
    if (data.len > SMALL) {
        Py_BEGIN_ALLOW_THREADS
        value = update(value, data.buf, (z_size_t)data.len);
        Py_END_ALLOW_THREADS
    } else {
        /* libz takes NULL for "give me the start value" */
        value = update(value, data.len ? data.buf : (const Bytef *)"",
                       (z_size_t)data.len);
    }
    return PyLong_FromUnsignedLong(value & 0xffffffffu);
}

static PyObject *
zlib_adler32(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return checksum("adler32", args, nargs, 1, adler32_z);
}

static PyObject *
zlib_crc32(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    return checksum("crc32", args, nargs, 0, crc32_z);
}

/* ---- types -------------------------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f))

#define COPY_METHODS                                                                   \
    {"copy", stream_copy, METH_NOARGS, "copy($self, /)\n--\n\nCopy the object."},     \
    {"__copy__", stream_copy, METH_NOARGS, "__copy__($self, /)\n--\n\n"},             \
    {"__deepcopy__", stream_deepcopy, METH_O, "__deepcopy__($self, memo, /)\n--\n\n"}

static PyMethodDef compress_methods[] = {
    {"compress", compress_compress, METH_O,
     "compress($self, data, /)\n--\n\nCompress data; some may stay inside."},
    {"flush", (PyCFunction)(void *)compress_flush, METH_FASTCALL,
     "flush($self, mode=zlib.Z_FINISH, /)\n--\n\nWhat is still inside, as bytes."},
    COPY_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef decompress_methods[] = {
    {"decompress", (PyCFunction)(void *)decompress_decompress,
     METH_FASTCALL | METH_KEYWORDS,
     "decompress($self, data, /, max_length=0)\n--\n\nDecompress data."},
    {"flush", (PyCFunction)(void *)decompress_flush, METH_FASTCALL,
     "flush($self, length=zlib.DEF_BUF_SIZE, /)\n--\n\nWhat is still inside."},
    COPY_METHODS,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef zdec_methods[] = {
    {"decompress", (PyCFunction)(void *)zdec_decompress, METH_FASTCALL | METH_KEYWORDS,
     "decompress($self, /, data, max_length=-1)\n--\n\nDecompress data."},
    {NULL, NULL, 0, NULL},
};

#define MEMBER(name, type, field, doc)                                                 \
    {name, type, offsetof(Stream, field), Py_READONLY, doc}

static PyMemberDef decompress_members[] = {
    MEMBER("unused_data", Py_T_OBJECT_EX, unused_data, NULL),
    MEMBER("unconsumed_tail", Py_T_OBJECT_EX, unconsumed_tail, NULL),
    MEMBER("eof", Py_T_BOOL, eof, NULL),
    {NULL, 0, 0, 0, NULL},
};

static PyMemberDef zdec_members[] = {
    MEMBER("eof", Py_T_BOOL, eof, "True if the end-of-stream marker has been reached."),
    MEMBER("unused_data", Py_T_OBJECT_EX, unused_data,
           "Data found after the end of the compressed stream."),
    MEMBER("needs_input", Py_T_BOOL, needs_input,
           "True if more input is needed before more decompressed data can be produced."),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot compress_slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, compress_methods},
    {0, NULL},
};

static PyType_Slot decompress_slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_methods, decompress_methods},
    {Py_tp_members, decompress_members},
    {0, NULL},
};

static PyType_Slot zdec_slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_doc, "_ZlibDecompressor(wbits=15, zdict=b'')\n--\n\n"
                "Create a decompressor object for decompressing data incrementally."},
    {Py_tp_methods, zdec_methods},
    {Py_tp_members, zdec_members},
    {Py_tp_new, zdec_new},
    {0, NULL},
};

static PyType_Spec compress_spec = {
    .name = "zlib.Compress",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = compress_slots,
};

static PyType_Spec decompress_spec = {
    .name = "zlib.Decompress",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = decompress_slots,
};

static PyType_Spec zdec_spec = {
    .name = "zlib._ZlibDecompressor",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = zdec_slots,
};

/* ---- the module --------------------------------------------------------------------------- */

static PyMethodDef methods[] = {
    {"adler32", KW(zlib_adler32), METH_FASTCALL,
     "adler32($module, data, value=1, /)\n--\n\nCompute an Adler-32 checksum of data."},
    {"compress", (PyCFunction)(void *)zlib_compress, METH_FASTCALL | METH_KEYWORDS,
     "compress($module, data, /, level=Z_DEFAULT_COMPRESSION, wbits=MAX_WBITS)\n--\n\n"
     "Returns a bytes object containing compressed data."},
    {"compressobj", (PyCFunction)(void *)zlib_compressobj,
     METH_FASTCALL | METH_KEYWORDS,
     "compressobj($module, /, level=Z_DEFAULT_COMPRESSION, method=DEFLATED,\n"
     "            wbits=MAX_WBITS, memLevel=DEF_MEM_LEVEL,\n"
     "            strategy=Z_DEFAULT_STRATEGY, zdict=<unrepresentable>)\n--\n\n"
     "Return a compressor object."},
    {"crc32", KW(zlib_crc32), METH_FASTCALL,
     "crc32($module, data, value=0, /)\n--\n\nCompute a CRC-32 checksum of data."},
    {"decompress", (PyCFunction)(void *)zlib_decompress, METH_FASTCALL | METH_KEYWORDS,
     "decompress($module, data, /, wbits=MAX_WBITS, bufsize=DEF_BUF_SIZE)\n--\n\n"
     "Returns a bytes object containing the uncompressed data."},
    {"decompressobj", (PyCFunction)(void *)zlib_decompressobj,
     METH_FASTCALL | METH_KEYWORDS,
     "decompressobj($module, /, wbits=MAX_WBITS, zdict=b'')\n--\n\n"
     "Return a decompressor object."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    int value;
} constants[] = {
#define C(n) {#n, n},
    C(MAX_WBITS) {"DEFLATED", Z_DEFLATED}, C(Z_BEST_COMPRESSION) C(Z_BEST_SPEED) C(Z_BLOCK)
    C(Z_DEFAULT_COMPRESSION) C(Z_DEFAULT_STRATEGY) C(Z_FILTERED) C(Z_FINISH) C(Z_FIXED)
    C(Z_FULL_FLUSH) C(Z_HUFFMAN_ONLY) C(Z_NO_COMPRESSION) C(Z_NO_FLUSH)
    C(Z_PARTIAL_FLUSH) C(Z_RLE) C(Z_SYNC_FLUSH) C(Z_TREES)
#undef C
    {"DEF_BUF_SIZE", FIRST_SIZE}, {"DEF_MEM_LEVEL", 8},
};

static int
module_exec(PyObject *module)
{
    ZlibState *st = state_of(module);
    st->compress_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &compress_spec, NULL);
    st->decompress_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &decompress_spec, NULL);
    st->zdec_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &zdec_spec, NULL);
    st->error = PyErr_NewException("zlib.error", NULL, NULL);
    if (!st->compress_type || !st->decompress_type || !st->zdec_type || !st->error
        || PyModule_AddType(module, st->zdec_type) < 0
        || PyModule_AddObjectRef(module, "error", st->error) < 0
        || PyModule_AddStringConstant(module, "ZLIB_VERSION", ZLIB_VERSION) < 0
        || PyModule_AddStringConstant(module, "ZLIB_RUNTIME_VERSION", zlibVersion()) < 0
        || PyModule_AddStringConstant(module, "__version__", "1.0") < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
module_traverse(PyObject *module, visitproc visit, void *arg)
{
    ZlibState *st = state_of(module);
    Py_VISIT(st->compress_type);
    Py_VISIT(st->decompress_type);
    Py_VISIT(st->zdec_type);
    Py_VISIT(st->error);
    return 0;
}

static int
module_clear(PyObject *module)
{
    ZlibState *st = state_of(module);
    Py_CLEAR(st->compress_type);
    Py_CLEAR(st->decompress_type);
    Py_CLEAR(st->zdec_type);
    Py_CLEAR(st->error);
    return 0;
}

static void
module_free(void *module)
{
    module_clear(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef zlib_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "zlib",
    .m_doc = "Compression compatible with gzip, over the zlib library.",
    .m_size = sizeof(ZlibState),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit_zlib(void);

PyMODINIT_FUNC
PyInit_zlib(void)
{
    return PyModuleDef_Init(&zlib_module);
}

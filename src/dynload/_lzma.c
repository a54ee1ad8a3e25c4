/* _lzma.c - .xz, .lzma and raw LZMA streams over liblzma, for the lzma module.
 *
 * A filter specifier is a dict; filter_from_spec turns it into liblzma's form, whose
 * options are PyMem memory owned by the chain (struct Filters). A stream has a lock,
 * because liblzma runs without the GIL.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "base/codecbuf.h"

#include <lzma.h>
#include <stdarg.h>

enum { FIRST_SIZE = 32 * 1024 };
enum { FORMAT_AUTO, FORMAT_XZ, FORMAT_ALONE, FORMAT_RAW };

#define CHECK_UNKNOWN (LZMA_CHECK_ID_MAX + 1)

typedef struct State {
    PyTypeObject *compressor_type, *decompressor_type;
    PyObject *error;
} State;

typedef struct Stream {
    PyObject_HEAD
    lzma_stream lz;
    bool flushed;          /* compressor */
    bool eof, needs_input; /* decompressor, as the rest */
    int check;
    PyObject *unused_data;
    NjInBuf in;
    PyMutex lock;
} Stream;

typedef struct Filters {
    lzma_filter f[LZMA_FILTERS_MAX + 1];
} Filters;

static PyModuleDef lzma_module;

static void
unlock(PyMutex **m)
{
    PyMutex_Unlock(*m);
}

#define LOCKED(s)                                                                      \
    __attribute__((cleanup(unlock))) PyMutex *held_ = &(s)->lock;                      \
    PyMutex_Lock(held_)

static State *
state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &lzma_module);
    return module ? PyModule_GetState(module) : NULL;
}

/* True if err is an error; the exception is then set. */
static bool
failed(State *st, lzma_ret err)
{
    const char *text;
    switch (err) {
    case LZMA_OK:
    case LZMA_GET_CHECK:
    case LZMA_NO_CHECK:
    case LZMA_STREAM_END:
        return false;
    case LZMA_UNSUPPORTED_CHECK:
        text = "Unsupported integrity check";
        break;
    case LZMA_MEM_ERROR:
        PyErr_NoMemory();
        return true;
    case LZMA_MEMLIMIT_ERROR:
        text = "Memory usage limit exceeded";
        break;
    case LZMA_FORMAT_ERROR:
        text = "Input format not supported by decoder";
        break;
    case LZMA_OPTIONS_ERROR:
        text = "Invalid or unsupported options";
        break;
    case LZMA_DATA_ERROR:
        text = "Corrupt input data";
        break;
    case LZMA_BUF_ERROR:
        text = "Insufficient buffer space";
        break;
    case LZMA_PROG_ERROR:
        text = "Internal error";
        break;
    default:
        PyErr_Format(st->error, "Unrecognized error from liblzma: %d", (int)err);
        return true;
    }
    PyErr_SetString(st->error, text);
    return true;
}

static void *
lz_alloc(void *Py_UNUSED(ctx), size_t items, size_t size)
{
    /* megabytes that liblzma fills itself: not calloc */
    size_t n;
    return __builtin_mul_overflow(items, size, &n) ? NULL : PyMem_RawMalloc(n);
}

static void
lz_free(void *Py_UNUSED(ctx), void *p)
{
    PyMem_RawFree(p);
}

static const lzma_allocator allocator = {.alloc = lz_alloc, .free = lz_free};

/* ---- integers ----------------------------------------------------------------------- */

/* A non-negative int of at most max. */
static int
unsigned_of(PyObject *o, uint64_t max, const char *c_type, uint64_t *result)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return -1;
    }
    if (PyLong_IsNegative(index)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    unsigned long long v = PyLong_AsUnsignedLongLong(index);
    bool too_large = v > max;
    if (v == (unsigned long long)-1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        PyErr_Clear();
        too_large = true;
    }
    if (too_large) {
        PyErr_Format(PyExc_OverflowError, "Python int too large for C %s", c_type);
        return -1;
    }
    *result = v;
    return 0;
}

/* for PyArg_Parse: int as the reference complains about it, not as format i does */
static int
convert_int(PyObject *o, void *p)
{
    int v = PyLong_AsInt(o);
    *(int *)p = v;
    return v != -1 || !PyErr_Occurred();
}

static int
convert_u32(PyObject *o, void *p)
{
    uint64_t v;
    if (unsigned_of(o, UINT32_MAX, "uint32_t", &v) < 0) {
        return 0;
    }
    *(uint32_t *)p = (uint32_t)v;
    return 1;
}

static int
convert_vli(PyObject *o, void *p)
{
    uint64_t v;
    if (unsigned_of(o, UINT64_MAX, "lzma_vli", &v) < 0) {
        return 0;
    }
    *(lzma_vli *)p = v;
    return 1;
}

/* the enumerations of liblzma */
static int
convert_mode(PyObject *o, void *p)
{
    uint32_t v;
    int r = convert_u32(o, &v);
    *(lzma_mode *)p = (lzma_mode)(r ? v : 0);
    return r;
}

static int
convert_match_finder(PyObject *o, void *p)
{
    uint32_t v;
    int r = convert_u32(o, &v);
    *(lzma_match_finder *)p = (lzma_match_finder)(r ? v : 0);
    return r;
}

/* ---- filter specifiers -------------------------------------------------------------- */

/* The value of a key: 1 with a new reference, 0 absent, -1. */
static int
spec_get(PyObject *spec, const char *key, PyObject **value)
{
    return PyMapping_GetOptionalItemString(spec, key, value);
}

/* Reads the options of spec by the format; any complaint becomes "Invalid filter
 * specifier for ... filter". All formats begin with the id and the preset. */
static int
parse_spec(PyObject *spec, const char *what, const char *format, char **names, ...)
{
    NJ_OWN empty = PyTuple_New(0);
    if (!empty) {
        return -1;
    }
    va_list va;
    va_start(va, names);
    int ok = PyArg_VaParseTupleAndKeywords(empty, spec, format, names, va);
    va_end(va);
    if (!ok) {
        if (!PyErr_ExceptionMatches(PyExc_MemoryError)) {
            PyErr_Format(PyExc_ValueError, "Invalid filter specifier for %s filter",
                         what);
        }
        return -1;
    }
    return 0;
}

static void *
lzma_options_from_spec(State *st, PyObject *spec)
{
    static char *names[] = {"id", "preset", "dict_size", "lc", "lp", "pb",
                            "mode", "nice_len", "mf", "depth", NULL};
    NJ_OWN preset_object = NULL;
    uint32_t preset = LZMA_PRESET_DEFAULT;
    if (spec_get(spec, "preset", &preset_object) < 0
        || (preset_object && !convert_u32(preset_object, &preset))) {
        return NULL;
    }
    NJ_OWN_MEM(lzma_options_lzma) o = PyMem_Calloc(1, sizeof *o);
    if (!o) {
        PyErr_NoMemory();
        return NULL;
    }
    if (lzma_lzma_preset(o, preset)) {
        PyErr_Format(st->error, "Invalid compression preset: %u", preset);
        return NULL;
    }
    PyObject *ignored_id, *ignored_preset;
    if (parse_spec(spec, "LZMA", "|OOO&O&O&O&O&O&O&O&", names, &ignored_id,
                   &ignored_preset, convert_u32, &o->dict_size, convert_u32, &o->lc,
                   convert_u32, &o->lp, convert_u32, &o->pb, convert_mode, &o->mode,
                   convert_u32, &o->nice_len, convert_match_finder, &o->mf, convert_u32,
                   &o->depth)
        < 0) {
        return NULL;
    }
    void *r = o;
    o = NULL;
    return r;
}

static void *
delta_options_from_spec(PyObject *spec)
{
    static char *names[] = {"id", "dist", NULL};
    PyObject *ignored;
    uint32_t dist = 1;
    if (parse_spec(spec, "delta", "|OO&", names, &ignored, convert_u32, &dist) < 0) {
        return NULL;
    }
    lzma_options_delta *o = PyMem_Calloc(1, sizeof *o);
    if (!o) {
        PyErr_NoMemory();
        return NULL;
    }
    o->type = LZMA_DELTA_TYPE_BYTE;
    o->dist = dist;
    return o;
}

static void *
bcj_options_from_spec(PyObject *spec)
{
    static char *names[] = {"id", "start_offset", NULL};
    PyObject *ignored;
    uint32_t start = 0;
    if (parse_spec(spec, "BCJ", "|OO&", names, &ignored, convert_u32, &start) < 0) {
        return NULL;
    }
    lzma_options_bcj *o = PyMem_Calloc(1, sizeof *o);
    if (!o) {
        PyErr_NoMemory();
        return NULL;
    }
    o->start_offset = start;
    return o;
}

/* Fills *f; f->options is the caller's to PyMem_Free. */
static int
filter_from_spec(State *st, PyObject *spec, lzma_filter *f)
{
    if (!PyMapping_Check(spec)) {
        PyErr_SetString(PyExc_TypeError,
                        "Filter specifier must be a dict or dict-like object");
        return -1;
    }
    NJ_OWN id = NULL;
    int have = spec_get(spec, "id", &id);
    if (have < 0) {
        return -1;
    }
    if (!have) {
        PyErr_SetString(PyExc_ValueError, "Filter specifier must have an \"id\" entry");
        return -1;
    }
    if (!convert_vli(id, &f->id)) {
        return -1;
    }
    switch (f->id) {
    case LZMA_FILTER_LZMA1:
    case LZMA_FILTER_LZMA2:
        f->options = lzma_options_from_spec(st, spec);
        break;
    case LZMA_FILTER_DELTA:
        f->options = delta_options_from_spec(spec);
        break;
    case LZMA_FILTER_X86:
    case LZMA_FILTER_POWERPC:
    case LZMA_FILTER_IA64:
    case LZMA_FILTER_ARM:
    case LZMA_FILTER_ARMTHUMB:
    case LZMA_FILTER_SPARC:
        f->options = bcj_options_from_spec(spec);
        break;
    default:
        PyErr_Format(PyExc_ValueError, "Invalid filter ID: %llu",
                     (unsigned long long)f->id);
        return -1;
    }
    return f->options ? 0 : -1;
}

static void
drop_filters(Filters *fs)
{
    for (lzma_filter *f = fs->f; f->id != LZMA_VLI_UNKNOWN; f++) {
        PyMem_Free(f->options);
    }
}

#define FILTERS(name)                                                                  \
    __attribute__((cleanup(drop_filters))) Filters name = {                            \
        .f = {{.id = LZMA_VLI_UNKNOWN}}}

static int
filters_from_specs(State *st, PyObject *specs, Filters *fs)
{
    Py_ssize_t n = PySequence_Length(specs);
    if (n < 0) {
        return -1;
    }
    if (n > LZMA_FILTERS_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "Too many filters - liblzma supports a maximum of %d",
                     LZMA_FILTERS_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN spec = PySequence_GetItem(specs, i);
        lzma_filter f;
        if (!spec || filter_from_spec(st, spec, &f) < 0) {
            return -1;
        }
        fs->f[i] = f;
        fs->f[i + 1].id = LZMA_VLI_UNKNOWN;
    }
    return 0;
}

/* name=value into the dict; steals value */
static int
put(PyObject *spec, const char *name, PyObject *NJ_STEALS value)
{
    NJ_OWN v = value;
    return v ? PyDict_SetItemString(spec, name, v) : -1;
}

/* The dict for a filter decoded from its properties. */
static PyObject *
spec_from_filter(const lzma_filter *f)
{
    NJ_OWN spec = PyDict_New();
    if (!spec || put(spec, "id", PyLong_FromUnsignedLongLong(f->id)) < 0) {
        return NULL;
    }
    switch (f->id) {
    case LZMA_FILTER_LZMA1: {
        const lzma_options_lzma *o = f->options;
        if (put(spec, "lc", PyLong_FromUnsignedLong(o->lc)) < 0
            || put(spec, "lp", PyLong_FromUnsignedLong(o->lp)) < 0
            || put(spec, "pb", PyLong_FromUnsignedLong(o->pb)) < 0
            || put(spec, "dict_size", PyLong_FromUnsignedLong(o->dict_size)) < 0) {
            return NULL;
        }
        break;
    }
    case LZMA_FILTER_LZMA2: {
        const lzma_options_lzma *o = f->options;
        if (put(spec, "dict_size", PyLong_FromUnsignedLong(o->dict_size)) < 0) {
            return NULL;
        }
        break;
    }
    case LZMA_FILTER_DELTA: {
        const lzma_options_delta *o = f->options;
        if (put(spec, "dist", PyLong_FromUnsignedLong(o->dist)) < 0) {
            return NULL;
        }
        break;
    }
    case LZMA_FILTER_X86:
    case LZMA_FILTER_POWERPC:
    case LZMA_FILTER_IA64:
    case LZMA_FILTER_ARM:
    case LZMA_FILTER_ARMTHUMB:
    case LZMA_FILTER_SPARC: {
        const lzma_options_bcj *o = f->options; /* NULL: no properties */
        if (o && put(spec, "start_offset", PyLong_FromUnsignedLong(o->start_offset)) < 0) {
            return NULL;
        }
        break;
    }
    default:
        PyErr_Format(PyExc_ValueError, "Invalid filter ID: %llu",
                     (unsigned long long)f->id);
        return NULL;
    }
    return NJ_TAKE(spec);
}

/* ---- streams ------------------------------------------------------------------------ */

static Stream *
new_stream(PyTypeObject *type)
{
    Stream *s = (Stream *)type->tp_alloc(type, 0);
    if (s) {
        s->lz = (lzma_stream)LZMA_STREAM_INIT;
        s->lz.allocator = &allocator;
    }
    return s;
}

static void
stream_dealloc(PyObject *op)
{
    Stream *s = (Stream *)op;
    PyTypeObject *type = Py_TYPE(op);
    lzma_end(&s->lz);
    Py_XDECREF(s->unused_data);
    nj_inbuf_free(&s->in);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Points lz at room for output. As nj_outbuf_room. */
static int
out_room(NjOutBuf *o, lzma_stream *lz)
{
    char *next;
    size_t room;
    int r = nj_outbuf_room(o, FIRST_SIZE, &next, &room);
    if (r > 0) {
        lz->next_out = (uint8_t *)next;
        lz->avail_out = room;
    }
    return r;
}

/* ---- compressor --------------------------------------------------------------------- */

static int
start_compressor(State *st, Stream *s, int format, int check, uint32_t preset,
                 PyObject *specs)
{
    FILTERS(fs);
    lzma_ret err;
    if (specs != Py_None && filters_from_specs(st, specs, &fs) < 0) {
        return -1;
    }
    switch (format) {
    case FORMAT_XZ:
        if (check == -1) {
            check = LZMA_CHECK_CRC64;
        }
        err = specs == Py_None
                  ? lzma_easy_encoder(&s->lz, preset, (lzma_check)check)
                  : lzma_stream_encoder(&s->lz, fs.f, (lzma_check)check);
        break;
    case FORMAT_ALONE:
        if (specs == Py_None) {
            lzma_options_lzma options;
            if (lzma_lzma_preset(&options, preset)) {
                PyErr_Format(st->error, "Invalid compression preset: %u", preset);
                return -1;
            }
            err = lzma_alone_encoder(&s->lz, &options);
        } else if (fs.f[0].id == LZMA_FILTER_LZMA1 && fs.f[1].id == LZMA_VLI_UNKNOWN) {
            err = lzma_alone_encoder(&s->lz, fs.f[0].options);
        } else {
            PyErr_SetString(PyExc_ValueError, "Invalid filter chain for FORMAT_ALONE - "
                                              "must be a single LZMA1 filter");
            return -1;
        }
        break;
    default:
        err = lzma_raw_encoder(&s->lz, fs.f);
        break;
    }
    return failed(st, err) ? -1 : 0;
}

static PyObject *
compressor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"format", "check", "preset", "filters", NULL};
    State *st = state_of_type(type);
    int format = FORMAT_XZ, check = -1;
    PyObject *preset_object = Py_None, *specs = Py_None;
    if (!st
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O&O&OO:LZMACompressor", names,
                                        convert_int, &format, convert_int, &check, &preset_object, &specs)) {
        return NULL;
    }
    if (preset_object != Py_None && specs != Py_None) {
        PyErr_SetString(PyExc_ValueError, "Cannot specify both preset and filter chain");
        return NULL;
    }
    uint32_t preset = LZMA_PRESET_DEFAULT;
    if (preset_object != Py_None && !convert_u32(preset_object, &preset)) {
        return NULL;
    }
    if (format < FORMAT_XZ || format > FORMAT_RAW) {
        PyErr_Format(PyExc_ValueError, "Invalid container format: %d", format);
        return NULL;
    }
    if (format != FORMAT_XZ && check != -1 && check != LZMA_CHECK_NONE) {
        PyErr_SetString(PyExc_ValueError,
                        "Integrity checks are only supported by FORMAT_XZ");
        return NULL;
    }
    if (format == FORMAT_RAW && specs == Py_None) {
        PyErr_SetString(PyExc_ValueError, "Must specify filters for FORMAT_RAW");
        return NULL;
    }
    NJ_OWN s = (PyObject *)new_stream(type);
    if (!s || start_compressor(st, (Stream *)s, format, check, preset, specs) < 0) {
        return NULL;
    }
    return NJ_TAKE(s);
}

static PyObject *
compress(Stream *s, const void *data, size_t n, lzma_action action)
{
    State *st = state_of_type(Py_TYPE(s));
    if (!st) {
        return NULL;
    }
    NJ_OUTBUF(out, -1);
    lzma_stream *lz = &s->lz;
    lz->next_in = data;
    lz->avail_in = n;
    for (;;) {
        if (out_room(&out, lz) < 0) {
            return NULL;
        }
        size_t before = lz->avail_out;
        lzma_ret err;
        Py_BEGIN_ALLOW_THREADS
        err = lzma_code(lz, action);
        Py_END_ALLOW_THREADS
        out.used += (Py_ssize_t)(before - lz->avail_out);
        /* liblzma calls it an error if nothing can be done, as with empty input */
        if (err == LZMA_BUF_ERROR && lz->avail_in == 0 && lz->avail_out > 0) {
            err = LZMA_OK;
        }
        if (failed(st, err)) {
            return NULL;
        }
        if (action == LZMA_RUN ? lz->avail_in == 0 && lz->avail_out > 0
                               : err == LZMA_STREAM_END) {
            break;
        }
    }
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
    return compress(s, data.buf, (size_t)data.len, LZMA_RUN);
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
    return compress(s, NULL, 0, LZMA_FINISH);
}

/* ---- decompressor ------------------------------------------------------------------- */

static int
start_decompressor(State *st, Stream *s, int format, uint64_t memlimit, PyObject *specs)
{
    const uint32_t flags = LZMA_TELL_ANY_CHECK | LZMA_TELL_NO_CHECK;
    FILTERS(fs);
    lzma_ret err;
    switch (format) {
    case FORMAT_AUTO:
        err = lzma_auto_decoder(&s->lz, memlimit, flags);
        break;
    case FORMAT_XZ:
        err = lzma_stream_decoder(&s->lz, memlimit, flags);
        break;
    case FORMAT_ALONE:
        s->check = LZMA_CHECK_NONE;
        err = lzma_alone_decoder(&s->lz, memlimit);
        break;
    default:
        s->check = LZMA_CHECK_NONE;
        if (filters_from_specs(st, specs, &fs) < 0) {
            return -1;
        }
        err = lzma_raw_decoder(&s->lz, fs.f);
        break;
    }
    return failed(st, err) ? -1 : 0;
}

static PyObject *
decompressor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"format", "memlimit", "filters", NULL};
    State *st = state_of_type(type);
    int format = FORMAT_AUTO;
    PyObject *limit_object = Py_None, *specs = Py_None;
    if (!st
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|O&OO:LZMADecompressor", names,
                                        convert_int, &format, &limit_object, &specs)) {
        return NULL;
    }
    uint64_t memlimit = UINT64_MAX;
    if (limit_object != Py_None) {
        if (format == FORMAT_RAW) {
            PyErr_SetString(PyExc_ValueError,
                            "Cannot specify memory limit with FORMAT_RAW");
            return NULL;
        }
        if (unsigned_of(limit_object, UINT64_MAX, "uint64_t", &memlimit) < 0) {
            return NULL;
        }
    }
    if (format == FORMAT_RAW && specs == Py_None) {
        PyErr_SetString(PyExc_ValueError, "Must specify filters for FORMAT_RAW");
        return NULL;
    }
    if (format != FORMAT_RAW && specs != Py_None) {
        PyErr_SetString(PyExc_ValueError,
                        "Cannot specify filters except with FORMAT_RAW");
        return NULL;
    }
    if (format < FORMAT_AUTO || format > FORMAT_RAW) {
        PyErr_Format(PyExc_ValueError, "Invalid container format: %d", format);
        return NULL;
    }
    NJ_OWN o = (PyObject *)new_stream(type);
    if (!o) {
        return NULL;
    }
    Stream *s = (Stream *)o;
    s->check = CHECK_UNKNOWN;
    s->needs_input = true;
    s->unused_data = PyBytes_FromStringAndSize(NULL, 0);
    if (!s->unused_data || start_decompressor(st, s, format, memlimit, specs) < 0) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static PyObject *
decompress(Stream *s, const char *data, size_t n, Py_ssize_t max)
{
    State *st = state_of_type(Py_TYPE(s));
    if (!st || nj_inbuf_join(&s->in, &data, &n) < 0) {
        return NULL;
    }
    NJ_OUTBUF(out, max);
    lzma_stream *lz = &s->lz;
    lz->next_in = (const uint8_t *)data;
    lz->avail_in = n;
    bool full = false;
    for (;;) {
        int room = out_room(&out, lz);
        if (room < 0) {
            return NULL;
        }
        if (room == 0) {
            full = true;
            break;
        }
        size_t before = lz->avail_out;
        lzma_ret err;
        Py_BEGIN_ALLOW_THREADS
        err = lzma_code(lz, LZMA_RUN);
        Py_END_ALLOW_THREADS
        out.used += (Py_ssize_t)(before - lz->avail_out);
        if (err == LZMA_BUF_ERROR && lz->avail_in == 0 && lz->avail_out > 0) {
            err = LZMA_OK;
        }
        if (failed(st, err)) {
            return NULL;
        }
        if (err == LZMA_GET_CHECK || err == LZMA_NO_CHECK) {
            s->check = (int)lzma_get_check(lz);
        }
        if (err == LZMA_STREAM_END) {
            s->eof = true;
            break;
        }
        if (lz->avail_in == 0 && lz->avail_out > 0) {
            break;
        }
    }
    const char *rest = (const char *)lz->next_in;
    size_t nrest = lz->avail_in;
    if (s->eof) {
        s->needs_input = false;
        NJ_OWN unused = PyBytes_FromStringAndSize(rest, (Py_ssize_t)nrest);
        if (!unused) {
            return NULL;
        }
        NJ_SET(s->unused_data, NJ_TAKE(unused));
        nj_inbuf_free(&s->in);
    } else {
        s->needs_input = nrest == 0 && !full;
        if (nj_inbuf_keep(&s->in, rest, nrest) < 0) {
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
        PyErr_SetString(PyExc_EOFError, "Already at end of stream");
        return NULL;
    }
    return decompress(s, data.buf, (size_t)data.len, max);
}

/* ---- functions ---------------------------------------------------------------------- */

static PyObject *
is_check_supported(PyObject *module, PyObject *arg)
{
    int check = PyLong_AsInt(arg);
    if (check == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(lzma_check_is_supported((lzma_check)check));
}

static PyObject *
encode_filter_properties(PyObject *module, PyObject *spec)
{
    State *st = PyModule_GetState(module);
    FILTERS(fs);
    lzma_filter f;
    if (filter_from_spec(st, spec, &f) < 0) {
        return NULL;
    }
    fs.f[0] = f;
    fs.f[1].id = LZMA_VLI_UNKNOWN;
    uint32_t size;
    if (failed(st, lzma_properties_size(&size, &f))) {
        return NULL;
    }
    NJ_OWN result = PyBytes_FromStringAndSize(NULL, size);
    if (!result
        || failed(st, lzma_properties_encode(&f, (uint8_t *)PyBytes_AS_STRING(result)))) {
        return NULL;
    }
    return NJ_TAKE(result);
}

static PyObject *
decode_filter_properties(PyObject *module, PyObject *args)
{
    State *st = PyModule_GetState(module);
    PyObject *id, *props;
    NJ_OWN_BUF data = {0};
    lzma_filter f = {0};
    if (!PyArg_UnpackTuple(args, "_decode_filter_properties", 2, 2, &id, &props)
        || !convert_vli(id, &f.id) || PyObject_GetBuffer(props, &data, PyBUF_SIMPLE) < 0
        || failed(st, lzma_properties_decode(&f, NULL, data.buf, (size_t)data.len))) {
        return NULL;
    }
    PyObject *spec = spec_from_filter(&f);
    free(f.options); /* liblzma's own, from malloc */
    return spec;
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
    {Py_tp_doc,
     "LZMACompressor(format=FORMAT_XZ, check=-1, preset=None, filters=None)\n\n"
     "Create a compressor object for compressing data incrementally.\n\n"
     "format is the container of the output: FORMAT_XZ, FORMAT_ALONE or FORMAT_RAW.\n\n"
     "check is the integrity check of FORMAT_XZ, by default CHECK_CRC64. The other\n"
     "formats have none: omit it or pass CHECK_NONE.\n\n"
     "The settings are either a preset level (preset, 0-9, possibly or'ed with\n"
     "PRESET_EXTREME; by default PRESET_DEFAULT) or a chain of filters (filters, a\n"
     "sequence of dicts, each with the filter's \"id\" and its options). FORMAT_RAW\n"
     "needs filters.\n\n"
     "To compress data in one go, use the compress() function instead.\n"},
    {0, NULL},
};

static PyType_Spec compressor_spec = {
    .name = "_lzma.LZMACompressor",
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
    {"check", Py_T_INT, offsetof(Stream, check), Py_READONLY,
     "ID of the integrity check used by the input stream."},
    {"eof", Py_T_BOOL, offsetof(Stream, eof), Py_READONLY,
     "True if the end-of-stream marker has been reached."},
    {"needs_input", Py_T_BOOL, offsetof(Stream, needs_input), Py_READONLY,
     "True if more input is needed before more decompressed data can be produced."},
    {"unused_data", Py_T_OBJECT_EX, offsetof(Stream, unused_data), Py_READONLY,
     "Data found after the end of the compressed stream."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot decompressor_slots[] = {
    {Py_tp_dealloc, stream_dealloc},
    {Py_tp_new, decompressor_new},
    {Py_tp_methods, decompressor_methods},
    {Py_tp_members, decompressor_members},
    {Py_tp_doc,
     "LZMADecompressor(format=FORMAT_AUTO, memlimit=None, filters=None)\n--\n\n"
     "Create a decompressor object for decompressing data incrementally.\n\n"
     "format is the container of the input. FORMAT_AUTO, the default, tells FORMAT_XZ\n"
     "and FORMAT_ALONE apart; FORMAT_RAW cannot be recognised.\n"
     "memlimit bounds the memory of the decompressor: decompression fails if it would\n"
     "need more.\n"
     "filters is the chain of filters, needed by FORMAT_RAW and refused otherwise.\n\n"
     "To decompress data in one go, use the decompress() function instead."},
    {0, NULL},
};

static PyType_Spec decompressor_spec = {
    .name = "_lzma.LZMADecompressor",
    .basicsize = sizeof(Stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = decompressor_slots,
};

static PyMethodDef lzma_methods[] = {
    {"is_check_supported", is_check_supported, METH_O,
     "is_check_supported($module, check_id, /)\n--\n\n"
     "Test whether the given integrity check is supported.\n\n"
     "CHECK_NONE and CHECK_CRC32 always are."},
    {"_encode_filter_properties", encode_filter_properties, METH_O,
     "_encode_filter_properties($module, filter, /)\n--\n\n"
     "The options (properties) of the filter specified by a dict, as bytes.\n\n"
     "The filter ID is not part of the result."},
    {"_decode_filter_properties", decode_filter_properties, METH_VARARGS,
     "_decode_filter_properties($module, filter_id, encoded_props, /)\n--\n\n"
     "The dict that specifies a filter with the given encoded options (properties)."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    uint64_t value;
} constants[] = {
    {"FORMAT_AUTO", FORMAT_AUTO}, {"FORMAT_XZ", FORMAT_XZ},
    {"FORMAT_ALONE", FORMAT_ALONE}, {"FORMAT_RAW", FORMAT_RAW},
    {"CHECK_UNKNOWN", CHECK_UNKNOWN},
#define C(name) {#name, LZMA_##name},
    C(CHECK_NONE) C(CHECK_CRC32) C(CHECK_CRC64) C(CHECK_SHA256) C(CHECK_ID_MAX)
    C(FILTER_LZMA1) C(FILTER_LZMA2) C(FILTER_DELTA) C(FILTER_X86) C(FILTER_IA64)
    C(FILTER_ARM) C(FILTER_ARMTHUMB) C(FILTER_SPARC) C(FILTER_POWERPC)
    C(MF_HC3) C(MF_HC4) C(MF_BT2) C(MF_BT3) C(MF_BT4) C(MODE_FAST) C(MODE_NORMAL)
    C(PRESET_DEFAULT) C(PRESET_EXTREME)
#undef C
};

static int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **where)
{
    *where = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *where ? PyModule_AddType(module, *where) : -1;
}

static int
lzma_exec(PyObject *module)
{
    State *st = PyModule_GetState(module);
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_Add(module, constants[i].name,
                         PyLong_FromUnsignedLongLong(constants[i].value))
            < 0) {
            return -1;
        }
    }
    st->error = PyErr_NewExceptionWithDoc("_lzma.LZMAError", "Call to liblzma failed.",
                                          NULL, NULL);
    if (!st->error || PyModule_AddType(module, (PyTypeObject *)st->error) < 0
        || add_type(module, &compressor_spec, &st->compressor_type) < 0) {
        return -1;
    }
    return add_type(module, &decompressor_spec, &st->decompressor_type);
}

static int
lzma_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(module);
    Py_VISIT(st->compressor_type);
    Py_VISIT(st->decompressor_type);
    Py_VISIT(st->error);
    return 0;
}

static int
lzma_clear(PyObject *module)
{
    State *st = PyModule_GetState(module);
    Py_CLEAR(st->compressor_type);
    Py_CLEAR(st->decompressor_type);
    Py_CLEAR(st->error);
    return 0;
}

static void
lzma_free(void *module)
{
    lzma_clear(module);
}

static PyModuleDef_Slot lzma_slots[] = {
    {Py_mod_exec, lzma_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef lzma_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_lzma",
    .m_size = sizeof(State),
    .m_methods = lzma_methods,
    .m_slots = lzma_slots,
    .m_traverse = lzma_traverse,
    .m_clear = lzma_clear,
    .m_free = lzma_free,
};

PyMODINIT_FUNC
PyInit__lzma(void)
{
    return PyModuleDef_Init(&lzma_module);
}

/* _zstd.c - Zstandard streams and dictionaries over libzstd, for compression.zstd.
 *
 * Contexts belong to one object each and run without the GIL under the object's lock. A
 * dictionary keeps its digested forms (one per compression level, one for decompression),
 * which contexts only refer to: a context's object holds a reference to the dictionary.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "base/codecbuf.h"

#include <zdict.h>
#include <zstd.h>

enum { FIRST_SIZE = 32 * 1024, LARGE_FIRST_SIZE = 1 << 20 };

typedef struct State {
    PyTypeObject *dict_type, *compressor_type, *decompressor_type;
    PyTypeObject *c_parameter_type, *d_parameter_type; /* the enumerations, or NULL */
    PyObject *error;
} State;

typedef enum DictUse { USE_DIGESTED, USE_UNDIGESTED, USE_PREFIX } DictUse;

typedef struct Digest {
    int level;
    ZSTD_CDict *cdict;
} Digest;

typedef struct Dict {
    PyObject_HEAD
    PyObject *content; /* bytes */
    unsigned id;
    Digest *digests; /* PyMem_RawMalloc'ed */
    size_t ndigests;
    ZSTD_DDict *ddict;
    PyMutex lock; /* guards the digests and ddict */
} Dict;

typedef struct Compressor {
    PyObject_HEAD
    ZSTD_CCtx *ctx;
    Dict *dict; /* or NULL */
    int last_mode;
    int level;
    bool threads; /* libzstd has workers of its own */
    PyMutex lock;
} Compressor;

typedef struct Decompressor {
    PyObject_HEAD
    ZSTD_DCtx *ctx;
    Dict *dict; /* or NULL */
    PyObject *unused_data;
    NjInBuf in;
    bool eof, needs_input, fresh; /* fresh: at the start of the frame */
    PyMutex lock;
} Decompressor;

static PyModuleDef zstd_module;

static void
unlock(PyMutex **m)
{
    PyMutex_Unlock(*m);
}

#define LOCKED(o)                                                                      \
    __attribute__((cleanup(unlock))) PyMutex *held_ = &(o)->lock;                      \
    PyMutex_Lock(held_)

static State *
state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &zstd_module);
    return module ? PyModule_GetState(module) : NULL;
}

/* True if code is an error of libzstd; the exception then says what could not be done. */
static bool
failed(State *st, size_t code, const char *what)
{
    if (!ZSTD_isError(code)) {
        return false;
    }
    PyErr_Format(st->error, "Unable to %s: %s", what, ZSTD_getErrorName(code));
    return true;
}

/* for PyArg_Parse: int as the reference complains about it, not as format i does */
static int
convert_int(PyObject *o, void *p)
{
    int v = PyLong_AsInt(o);
    *(int *)p = v;
    return v != -1 || !PyErr_Occurred();
}

/* ---- parameters --------------------------------------------------------------------- */

typedef struct Parameter {
    int key;
    const char *name;
} Parameter;

static const Parameter c_parameters[] = {
    {ZSTD_c_compressionLevel, "compression_level"},
    {ZSTD_c_windowLog, "window_log"},
    {ZSTD_c_hashLog, "hash_log"},
    {ZSTD_c_chainLog, "chain_log"},
    {ZSTD_c_searchLog, "search_log"},
    {ZSTD_c_minMatch, "min_match"},
    {ZSTD_c_targetLength, "target_length"},
    {ZSTD_c_strategy, "strategy"},
    {ZSTD_c_enableLongDistanceMatching, "enable_long_distance_matching"},
    {ZSTD_c_ldmHashLog, "ldm_hash_log"},
    {ZSTD_c_ldmMinMatch, "ldm_min_match"},
    {ZSTD_c_ldmBucketSizeLog, "ldm_bucket_size_log"},
    {ZSTD_c_ldmHashRateLog, "ldm_hash_rate_log"},
    {ZSTD_c_contentSizeFlag, "content_size_flag"},
    {ZSTD_c_checksumFlag, "checksum_flag"},
    {ZSTD_c_dictIDFlag, "dict_id_flag"},
    {ZSTD_c_nbWorkers, "nb_workers"},
    {ZSTD_c_jobSize, "job_size"},
    {ZSTD_c_overlapLog, "overlap_log"},
    {0, NULL},
};

static const Parameter d_parameters[] = {
    {ZSTD_d_windowLogMax, "window_log_max"},
    {0, NULL},
};

/* libzstd refused a parameter: says why. */
static void
refuse_parameter(State *st, bool compress, int key, int value)
{
    char unknown[64];
    const char *name = NULL;
    for (const Parameter *p = compress ? c_parameters : d_parameters; p->name; p++) {
        if (p->key == key) {
            name = p->name;
        }
    }
    if (!name) {
        PyOS_snprintf(unknown, sizeof unknown, "unknown parameter (key %d)", key);
        name = unknown;
    }
    const char *kind = compress ? "compression" : "decompression";
    ZSTD_bounds b = compress ? ZSTD_cParam_getBounds((ZSTD_cParameter)key)
                             : ZSTD_dParam_getBounds((ZSTD_dParameter)key);
    if (ZSTD_isError(b.error)) {
        PyErr_Format(PyExc_ValueError, "invalid %s parameter '%s'", kind, name);
        return;
    }
    PyErr_Format(PyExc_ValueError,
                 "%s parameter '%s' received an illegal value %d; "
                 "the valid range is [%d, %d]",
                 kind, name, value, b.lowerBound, b.upperBound);
}

/* One entry of an options dict as two ints. */
static int
option(PyObject *key, PyObject *value, PyTypeObject *wrong_type, const char *message,
       int *k, int *v)
{
    if (wrong_type && Py_TYPE(key) == wrong_type) {
        PyErr_SetString(PyExc_TypeError, message);
        return -1;
    }
    /* __index__ may change the options: key and value must outlive it */
    NJ_OWN held_key = Py_NewRef(key);
    NJ_OWN held_value = Py_NewRef(value);
    *k = PyLong_AsInt(held_key);
    if (*k == -1 && PyErr_Occurred()) {
        return -1;
    }
    *v = PyLong_AsInt(held_value);
    return *v == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
get_param_bounds(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"parameter", "is_compress", NULL};
    State *st = PyModule_GetState(module);
    int parameter, compress;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&p:get_param_bounds", names,
                                     convert_int, &parameter, &compress)) {
        return NULL;
    }
    ZSTD_bounds b = compress ? ZSTD_cParam_getBounds((ZSTD_cParameter)parameter)
                             : ZSTD_dParam_getBounds((ZSTD_dParameter)parameter);
    if (failed(st, b.error,
               compress ? "get zstd compression parameter bounds"
                        : "get zstd decompression parameter bounds")) {
        return NULL;
    }
    return Py_BuildValue("ii", b.lowerBound, b.upperBound);
}

static PyObject *
set_parameter_types(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"c_parameter_type", "d_parameter_type", NULL};
    State *st = PyModule_GetState(module);
    PyObject *c, *d;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:set_parameter_types", names, &c,
                                     &d)) {
        return NULL;
    }
    if (!PyType_Check(c) || !PyType_Check(d)) {
        bool first = !PyType_Check(c);
        PyErr_Format(PyExc_TypeError,
                     "set_parameter_types() argument '%s' must be type, not %s",
                     first ? names[0] : names[1], Py_TYPE(first ? c : d)->tp_name);
        return NULL;
    }
    NJ_SET(st->c_parameter_type, Py_NewRef(c));
    NJ_SET(st->d_parameter_type, Py_NewRef(d));
    Py_RETURN_NONE;
}

/* ---- dictionaries ------------------------------------------------------------------- */

static PyObject *
dict_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "is_raw", NULL};
    NJ_OWN_BUF data = {0};
    int raw = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|$p:ZstdDict", names, &data,
                                     &raw)) {
        return NULL;
    }
    if (data.len < 8) {
        PyErr_SetString(PyExc_ValueError, "Zstandard dictionary content too short (must "
                                          "have at least eight bytes)");
        return NULL;
    }
    NJ_OWN o = type->tp_alloc(type, 0);
    if (!o) {
        return NULL;
    }
    Dict *d = (Dict *)o;
    d->content = PyBytes_FromStringAndSize(data.buf, data.len);
    if (!d->content) {
        return NULL;
    }
    d->id = ZSTD_getDictID_fromDict(PyBytes_AS_STRING(d->content), (size_t)data.len);
    if (!raw && d->id == 0) {
        PyErr_SetString(PyExc_ValueError, "invalid Zstandard dictionary");
        return NULL;
    }
    return NJ_TAKE(o);
}

static int
dict_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
dict_dealloc(PyObject *op)
{
    Dict *d = (Dict *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    for (size_t i = 0; i < d->ndigests; i++) {
        ZSTD_freeCDict(d->digests[i].cdict);
    }
    PyMem_RawFree(d->digests);
    ZSTD_freeDDict(d->ddict);
    Py_XDECREF(d->content);
    type->tp_free(op);
    Py_DECREF(type);
}

static Py_ssize_t
dict_length(PyObject *op)
{
    return PyBytes_GET_SIZE(((Dict *)op)->content);
}

static PyObject *
dict_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<ZstdDict dict_id=%u dict_size=%zd>", ((Dict *)op)->id,
                                dict_length(op));
}

static PyObject *
dict_get_content(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Dict *)op)->content);
}

/* the dictionary with the way to load it, as zstd_dict arguments take it */
static PyObject *
dict_get_as(PyObject *op, void *use)
{
    return Py_BuildValue("Oi", op, (int)(intptr_t)use);
}

/* The digested form for a level, made on first use; NULL with an exception. */
static ZSTD_CDict *
digest_for(State *st, Dict *d, int level)
{
    LOCKED(d);
    for (size_t i = 0; i < d->ndigests; i++) {
        if (d->digests[i].level == level) {
            return d->digests[i].cdict;
        }
    }
    Digest *more = PyMem_RawRealloc(d->digests, (d->ndigests + 1) * sizeof *more);
    if (!more) {
        PyErr_NoMemory();
        return NULL;
    }
    d->digests = more;
    ZSTD_CDict *cdict;
    Py_BEGIN_ALLOW_THREADS
    cdict = ZSTD_createCDict(PyBytes_AS_STRING(d->content),
                             (size_t)PyBytes_GET_SIZE(d->content), level);
    Py_END_ALLOW_THREADS
    if (!cdict) {
        PyErr_SetString(st->error, "Failed to create a ZSTD_CDict instance from "
                                   "Zstandard dictionary content.");
        return NULL;
    }
    more[d->ndigests++] = (Digest){level, cdict};
    return cdict;
}

static ZSTD_DDict *
decompression_digest(State *st, Dict *d)
{
    LOCKED(d);
    if (!d->ddict) {
        Py_BEGIN_ALLOW_THREADS
        d->ddict = ZSTD_createDDict(PyBytes_AS_STRING(d->content),
                                    (size_t)PyBytes_GET_SIZE(d->content));
        Py_END_ALLOW_THREADS
        if (!d->ddict) {
            PyErr_SetString(st->error, "Failed to create a ZSTD_DDict instance from "
                                       "Zstandard dictionary content.");
        }
    }
    return d->ddict;
}

/* A zstd_dict argument: a ZstdDict or a pair of one and how to use it. */
static Dict *
dict_argument(State *st, PyObject *arg, DictUse by_default, DictUse *use)
{
    if (Py_IS_TYPE(arg, st->dict_type)) {
        *use = by_default;
        return (Dict *)arg;
    }
    if (PyTuple_CheckExact(arg) && PyTuple_GET_SIZE(arg) == 2
        && Py_IS_TYPE(PyTuple_GET_ITEM(arg, 0), st->dict_type)
        && PyLong_Check(PyTuple_GET_ITEM(arg, 1))) {
        int n = PyLong_AsInt(PyTuple_GET_ITEM(arg, 1));
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (n >= USE_DIGESTED && n <= USE_PREFIX) {
            *use = (DictUse)n;
            return (Dict *)PyTuple_GET_ITEM(arg, 0);
        }
    }
    PyErr_SetString(PyExc_TypeError, "zstd_dict argument should be a ZstdDict object.");
    return NULL;
}

/* ---- training ----------------------------------------------------------------------- */

/* The sizes of samples that together make up `samples'; PyMem memory, or NULL. */
static size_t *
sample_sizes(PyObject *samples, PyObject *sizes, Py_ssize_t dict_size)
{
    Py_ssize_t n = PyTuple_GET_SIZE(sizes);
    if (n > UINT32_MAX) {
        PyErr_Format(PyExc_ValueError, "The number of samples should be <= %u.",
                     UINT32_MAX);
        return NULL;
    }
    if (dict_size <= 0) {
        PyErr_SetString(PyExc_ValueError,
                        "dict_size argument should be positive number.");
        return NULL;
    }
    NJ_OWN_MEM(size_t) result = PyMem_New(size_t, n ? n : 1);
    if (!result) {
        PyErr_NoMemory();
        return NULL;
    }
    size_t left = (size_t)PyBytes_GET_SIZE(samples);
    bool fits = true;
    for (Py_ssize_t i = 0; i < n && fits; i++) {
        result[i] = PyLong_AsSize_t(PyTuple_GET_ITEM(sizes, i));
        if (result[i] == (size_t)-1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
                return NULL;
            }
            PyErr_Clear();
            fits = false;
        }
        fits = fits && result[i] <= left;
        left -= fits ? result[i] : 0;
    }
    if (!fits || left) {
        PyErr_SetString(PyExc_ValueError,
                        "The samples size tuple doesn't match the concatenation's size.");
        return NULL;
    }
    size_t *r = result;
    result = NULL;
    return r;
}

static int
need_type(const char *function, int position, PyObject *o, bool ok, const char *type)
{
    if (!ok) {
        PyErr_Format(PyExc_TypeError, "%s() argument %d must be %s, not %T", function,
                     position, type, o);
        return -1;
    }
    return 0;
}

static PyObject *
train_dict(PyObject *module, PyObject *args)
{
    static const char fname[] = "train_dict";
    State *st = PyModule_GetState(module);
    PyObject *samples, *sizes, *size_object;
    if (!PyArg_UnpackTuple(args, fname, 3, 3, &samples, &sizes, &size_object)
        || need_type(fname, 1, samples, PyBytes_Check(samples), "bytes") < 0
        || need_type(fname, 2, sizes, PyTuple_Check(sizes), "tuple") < 0) {
        return NULL;
    }
    Py_ssize_t dict_size = PyNumber_AsSsize_t(size_object, PyExc_OverflowError);
    if (dict_size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    NJ_OWN_MEM(size_t) each = sample_sizes(samples, sizes, dict_size);
    NJ_OWN result = each ? PyBytes_FromStringAndSize(NULL, dict_size) : NULL;
    if (!result) {
        return NULL;
    }
    size_t n;
    Py_BEGIN_ALLOW_THREADS
    n = ZDICT_trainFromBuffer(PyBytes_AS_STRING(result), (size_t)dict_size,
                              PyBytes_AS_STRING(samples), each,
                              (unsigned)PyTuple_GET_SIZE(sizes));
    Py_END_ALLOW_THREADS
    if (ZDICT_isError(n)) {
        PyErr_Format(st->error, "Unable to train the Zstandard dictionary: %s",
                     ZDICT_getErrorName(n));
        return NULL;
    }
    _PyBytes_Resize(&result, (Py_ssize_t)n);
    return NJ_TAKE(result);
}

static PyObject *
finalize_dict(PyObject *module, PyObject *args)
{
    static const char fname[] = "finalize_dict";
    State *st = PyModule_GetState(module);
    PyObject *custom, *samples, *sizes, *size_object, *level_object;
    if (!PyArg_UnpackTuple(args, fname, 5, 5, &custom, &samples, &sizes, &size_object,
                           &level_object)
        || need_type(fname, 1, custom, PyBytes_Check(custom), "bytes") < 0
        || need_type(fname, 2, samples, PyBytes_Check(samples), "bytes") < 0
        || need_type(fname, 3, sizes, PyTuple_Check(sizes), "tuple") < 0) {
        return NULL;
    }
    Py_ssize_t dict_size = PyNumber_AsSsize_t(size_object, PyExc_OverflowError);
    if (dict_size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int level = PyLong_AsInt(level_object);
    if (level == -1 && PyErr_Occurred()) {
        return NULL;
    }
    NJ_OWN_MEM(size_t) each = sample_sizes(samples, sizes, dict_size);
    NJ_OWN result = each ? PyBytes_FromStringAndSize(NULL, dict_size) : NULL;
    if (!result) {
        return NULL;
    }
    size_t n;
    Py_BEGIN_ALLOW_THREADS
    n = ZDICT_finalizeDictionary(PyBytes_AS_STRING(result), (size_t)dict_size,
                                 PyBytes_AS_STRING(custom),
                                 (size_t)PyBytes_GET_SIZE(custom),
                                 PyBytes_AS_STRING(samples), each,
                                 (unsigned)PyTuple_GET_SIZE(sizes),
                                 (ZDICT_params_t){.compressionLevel = level});
    Py_END_ALLOW_THREADS
    if (ZDICT_isError(n)) {
        PyErr_Format(st->error, "Unable to finalize the Zstandard dictionary: %s",
                     ZDICT_getErrorName(n));
        return NULL;
    }
    _PyBytes_Resize(&result, (Py_ssize_t)n);
    return NJ_TAKE(result);
}

/* ---- frames ------------------------------------------------------------------------- */

static PyObject *
get_frame_size(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame_buffer", NULL};
    State *st = PyModule_GetState(module);
    NJ_OWN_BUF data = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*:get_frame_size", names, &data)) {
        return NULL;
    }
    size_t n = ZSTD_findFrameCompressedSize(data.buf, (size_t)data.len);
    if (ZSTD_isError(n)) {
        PyErr_Format(st->error,
                     "Error when finding the compressed size of a Zstandard frame. "
                     "Ensure the frame_buffer argument starts from the beginning of a "
                     "frame, and its length is not less than this complete frame. "
                     "Zstd error message: %s.",
                     ZSTD_getErrorName(n));
        return NULL;
    }
    return PyLong_FromSize_t(n);
}

static PyObject *
get_frame_info(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frame_buffer", NULL};
    State *st = PyModule_GetState(module);
    NJ_OWN_BUF data = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*:get_frame_info", names, &data)) {
        return NULL;
    }
    unsigned long long n = ZSTD_getFrameContentSize(data.buf, (size_t)data.len);
    if (n == ZSTD_CONTENTSIZE_ERROR) {
        PyErr_SetString(st->error,
                        "Error when getting information from the header of a Zstandard "
                        "frame. Ensure the frame_buffer argument starts from the "
                        "beginning of a frame, and its length is not less than the frame "
                        "header (6~18 bytes).");
        return NULL;
    }
    unsigned id = ZSTD_getDictID_fromFrame(data.buf, (size_t)data.len);
    return n == ZSTD_CONTENTSIZE_UNKNOWN ? Py_BuildValue("OI", Py_None, id)
                                         : Py_BuildValue("KI", n, id);
}

/* ---- compressor --------------------------------------------------------------------- */

static int
set_level(State *st, Compressor *c, int level)
{
    if (level < ZSTD_minCLevel() || level > ZSTD_maxCLevel()) {
        PyErr_Format(PyExc_ValueError,
                     "illegal compression level %d; the valid range is [%d, %d]", level,
                     ZSTD_minCLevel(), ZSTD_maxCLevel());
        return -1;
    }
    c->level = level;
    return failed(st, ZSTD_CCtx_setParameter(c->ctx, ZSTD_c_compressionLevel, level),
                  "set compression level")
               ? -1
               : 0;
}

static int
set_c_options(State *st, Compressor *c, PyObject *options)
{
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (PyDict_Next(options, &pos, &key, &value)) {
        int k, v;
        if (option(key, value, st->d_parameter_type,
                   "compression options dictionary key must not be a "
                   "DecompressionParameter attribute",
                   &k, &v)
            < 0) {
            return -1;
        }
        if (k == ZSTD_c_compressionLevel) {
            if (set_level(st, c, v) < 0) {
                return -1;
            }
            continue;
        }
        if (ZSTD_isError(ZSTD_CCtx_setParameter(c->ctx, (ZSTD_cParameter)k, v))) {
            refuse_parameter(st, true, k, v);
            return -1;
        }
        if (k == ZSTD_c_nbWorkers) {
            c->threads = v != 0;
        }
    }
    return 0;
}

static int
load_c_dict(State *st, Compressor *c, PyObject *arg)
{
    DictUse use;
    /* the plain default loads undigested, so that the parameters of the compressor win */
    Dict *d = dict_argument(st, arg, USE_UNDIGESTED, &use);
    if (!d) {
        return -1;
    }
    const char *content = PyBytes_AS_STRING(d->content);
    size_t n = (size_t)PyBytes_GET_SIZE(d->content), err;
    if (use == USE_DIGESTED) {
        ZSTD_CDict *cdict = digest_for(st, d, c->level);
        if (!cdict) {
            return -1;
        }
        err = ZSTD_CCtx_refCDict(c->ctx, cdict);
    } else if (use == USE_UNDIGESTED) {
        err = ZSTD_CCtx_loadDictionary(c->ctx, content, n);
    } else {
        err = ZSTD_CCtx_refPrefix(c->ctx, content, n);
    }
    c->dict = (Dict *)Py_NewRef(d);
    return failed(st, err, "load Zstandard dictionary or prefix for compression") ? -1 : 0;
}

static int
level_of(PyObject *o, int *level)
{
    if (!PyLong_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "invalid type for level, expected int");
        return -1;
    }
    *level = PyLong_AsInt(o);
    if (*level == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Format(PyExc_ValueError,
                         "illegal compression level; the valid range is [%d, %d]",
                         ZSTD_minCLevel(), ZSTD_maxCLevel());
        }
        return -1;
    }
    return 0;
}

static int
check_options(PyObject *options, const char *function)
{
    if (options != Py_None && !PyDict_Check(options)) {
        PyErr_Format(PyExc_TypeError, "%s() argument 'options' must be dict, not %T",
                     function, options);
        return -1;
    }
    return 0;
}

static PyObject *
compressor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"level", "options", "zstd_dict", NULL};
    State *st = state_of_type(type);
    PyObject *level = Py_None, *options = Py_None, *dict = Py_None;
    if (!st
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:ZstdCompressor", names,
                                        &level, &options, &dict)) {
        return NULL;
    }
    if (level != Py_None && options != Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "Only one of level or options should be used.");
        return NULL;
    }
    NJ_OWN o = type->tp_alloc(type, 0);
    if (!o) {
        return NULL;
    }
    Compressor *c = (Compressor *)o;
    c->last_mode = ZSTD_e_end;
    c->level = ZSTD_defaultCLevel();
    c->ctx = ZSTD_createCCtx();
    if (!c->ctx) {
        PyErr_SetString(st->error, "Unable to create ZSTD_CCtx instance.");
        return NULL;
    }
    if (level != Py_None) {
        int n;
        if (level_of(level, &n) < 0 || set_level(st, c, n) < 0) {
            return NULL;
        }
    }
    if (check_options(options, "ZstdCompressor") < 0
        || (options != Py_None && set_c_options(st, c, options) < 0)
        || (dict != Py_None && load_c_dict(st, c, dict) < 0)) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static int
compressor_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Compressor *)op)->dict);
    return 0;
}

static void
compressor_dealloc(PyObject *op)
{
    Compressor *c = (Compressor *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    ZSTD_freeCCtx(c->ctx);
    Py_XDECREF(c->dict);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
compress(Compressor *c, const char *data, size_t n, int mode)
{
    State *st = state_of_type(Py_TYPE(c));
    if (!st) {
        return NULL;
    }
    LOCKED(c);
    NJ_OUTBUF(out, -1);
    ZSTD_inBuffer in = {data, n, 0};
    Py_ssize_t first = FIRST_SIZE;
    /* with room for all of it, libzstd writes a frame straight to the output */
    if (mode == ZSTD_e_end && c->last_mode == ZSTD_e_end && n < LARGE_FIRST_SIZE) {
        first = (Py_ssize_t)ZSTD_compressBound(n);
    }
    for (;;) {
        char *next;
        size_t room, left;
        if (nj_outbuf_room(&out, first, &next, &room) < 0) {
            ZSTD_CCtx_reset(c->ctx, ZSTD_reset_session_only);
            c->last_mode = ZSTD_e_end;
            return NULL;
        }
        ZSTD_outBuffer o = {next, room, 0};
        Py_BEGIN_ALLOW_THREADS
        left = ZSTD_compressStream2(c->ctx, &o, &in, (ZSTD_EndDirective)mode);
        Py_END_ALLOW_THREADS
        out.used += (Py_ssize_t)o.pos;
        if (failed(st, left, "compress Zstandard data")) {
            ZSTD_CCtx_reset(c->ctx, ZSTD_reset_session_only);
            c->last_mode = ZSTD_e_end;
            return NULL;
        }
        /* workers hand out what they have: only the input counts then */
        if (mode == ZSTD_e_continue
                ? in.pos == in.size && (c->threads || o.pos < o.size)
                : left == 0) {
            break;
        }
    }
    c->last_mode = mode;
    return nj_outbuf_take(&out);
}

static PyObject *
compressor_compress(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "mode", NULL};
    NJ_OWN_BUF data = {0};
    int mode = ZSTD_e_continue;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|O&:compress", names, &data,
                                     convert_int, &mode)) {
        return NULL;
    }
    if (mode < ZSTD_e_continue || mode > ZSTD_e_end) {
        PyErr_SetString(PyExc_ValueError,
                        "mode argument wrong value, it should be one of "
                        "ZstdCompressor.CONTINUE, ZstdCompressor.FLUSH_BLOCK, "
                        "ZstdCompressor.FLUSH_FRAME.");
        return NULL;
    }
    return compress((Compressor *)op, data.buf, (size_t)data.len, mode);
}

static PyObject *
compressor_flush(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"mode", NULL};
    int mode = ZSTD_e_end;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:flush", names, convert_int, &mode)) {
        return NULL;
    }
    if (mode != ZSTD_e_end && mode != ZSTD_e_flush) {
        PyErr_SetString(PyExc_ValueError,
                        "mode argument wrong value, it should be "
                        "ZstdCompressor.FLUSH_FRAME or ZstdCompressor.FLUSH_BLOCK.");
        return NULL;
    }
    return compress((Compressor *)op, NULL, 0, mode);
}

/* A content size, or None for unknown. */
static int
pledged_size(PyObject *o, unsigned long long *size)
{
    if (o == Py_None) {
        *size = ZSTD_CONTENTSIZE_UNKNOWN;
        return 0;
    }
    *size = PyLong_AsUnsignedLongLong(o);
    bool wrong = false;
    if (*size == (unsigned long long)-1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return -1;
        }
        wrong = true;
    }
    if (wrong || *size >= ZSTD_CONTENTSIZE_ERROR) {
        PyErr_Format(PyExc_ValueError,
                     "size argument should be a positive int less than %llu",
                     ZSTD_CONTENTSIZE_ERROR);
        return -1;
    }
    return 0;
}

static PyObject *
compressor_set_pledged_input_size(PyObject *op, PyObject *arg)
{
    Compressor *c = (Compressor *)op;
    State *st = state_of_type(Py_TYPE(op));
    unsigned long long size;
    if (!st || pledged_size(arg, &size) < 0) {
        return NULL;
    }
    LOCKED(c);
    if (c->last_mode != ZSTD_e_end) {
        PyErr_SetString(PyExc_ValueError, "set_pledged_input_size() method must be "
                                          "called when last_mode == FLUSH_FRAME");
        return NULL;
    }
    if (failed(st, ZSTD_CCtx_setPledgedSrcSize(c->ctx, size),
               "set pledged uncompressed content size")) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- decompressor ------------------------------------------------------------------- */

static int
set_d_options(State *st, Decompressor *d, PyObject *options)
{
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (PyDict_Next(options, &pos, &key, &value)) {
        int k, v;
        if (option(key, value, st->c_parameter_type,
                   "decompression options dictionary key must not be a "
                   "CompressionParameter attribute",
                   &k, &v)
            < 0) {
            return -1;
        }
        if (ZSTD_isError(ZSTD_DCtx_setParameter(d->ctx, (ZSTD_dParameter)k, v))) {
            refuse_parameter(st, false, k, v);
            return -1;
        }
    }
    return 0;
}

static int
load_d_dict(State *st, Decompressor *d, PyObject *arg)
{
    DictUse use;
    Dict *dict = dict_argument(st, arg, USE_DIGESTED, &use);
    if (!dict) {
        return -1;
    }
    const char *content = PyBytes_AS_STRING(dict->content);
    size_t n = (size_t)PyBytes_GET_SIZE(dict->content), err;
    if (use == USE_DIGESTED) {
        ZSTD_DDict *ddict = decompression_digest(st, dict);
        if (!ddict) {
            return -1;
        }
        err = ZSTD_DCtx_refDDict(d->ctx, ddict);
    } else if (use == USE_UNDIGESTED) {
        err = ZSTD_DCtx_loadDictionary(d->ctx, content, n);
    } else {
        err = ZSTD_DCtx_refPrefix(d->ctx, content, n);
    }
    d->dict = (Dict *)Py_NewRef(dict);
    return failed(st, err, "load Zstandard dictionary or prefix for decompression") ? -1
                                                                                    : 0;
}

static PyObject *
decompressor_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"zstd_dict", "options", NULL};
    State *st = state_of_type(type);
    PyObject *dict = Py_None, *options = Py_None;
    if (!st
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "|OO:ZstdDecompressor", names,
                                        &dict, &options)) {
        return NULL;
    }
    NJ_OWN o = type->tp_alloc(type, 0);
    if (!o) {
        return NULL;
    }
    Decompressor *d = (Decompressor *)o;
    d->needs_input = true;
    d->fresh = true;
    d->unused_data = PyBytes_FromStringAndSize(NULL, 0);
    if (!d->unused_data) {
        return NULL;
    }
    d->ctx = ZSTD_createDCtx();
    if (!d->ctx) {
        PyErr_SetString(st->error, "Unable to create ZSTD_DCtx instance.");
        return NULL;
    }
    if ((dict != Py_None && load_d_dict(st, d, dict) < 0)
        || check_options(options, "ZstdDecompressor") < 0
        || (options != Py_None && set_d_options(st, d, options) < 0)) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static int
decompressor_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Decompressor *)op)->dict);
    return 0;
}

static void
decompressor_dealloc(PyObject *op)
{
    Decompressor *d = (Decompressor *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    ZSTD_freeDCtx(d->ctx);
    nj_inbuf_free(&d->in);
    Py_XDECREF(d->unused_data);
    Py_XDECREF(d->dict);
    type->tp_free(op);
    Py_DECREF(type);
}

/* How large the output may become, as far as the header of a frame can be believed. */
static Py_ssize_t
first_size(Decompressor *d, const char *data, size_t n)
{
    if (d->fresh) {
        unsigned long long size = ZSTD_getFrameContentSize(data, n);
        if (size > 0 && size <= LARGE_FIRST_SIZE) {
            return (Py_ssize_t)size;
        }
        if (size < ZSTD_CONTENTSIZE_ERROR && size > LARGE_FIRST_SIZE) {
            return LARGE_FIRST_SIZE;
        }
    }
    return FIRST_SIZE;
}

/* An error ends the frame: the next call may begin another one. */
static void
restart(Decompressor *d)
{
    ZSTD_DCtx_reset(d->ctx, ZSTD_reset_session_only);
    nj_inbuf_free(&d->in);
    d->needs_input = true;
    d->fresh = true;
}

static PyObject *
decompress(State *st, Decompressor *d, const char *data, size_t n, Py_ssize_t max)
{
    if (nj_inbuf_join(&d->in, &data, &n) < 0) {
        return NULL;
    }
    if (n == 0 && d->needs_input) {
        d->needs_input = max != 0;
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    NJ_OUTBUF(out, max);
    ZSTD_inBuffer in = {data, n, 0};
    Py_ssize_t first = first_size(d, data, n);
    bool full = false, eof = false;
    while (!eof) {
        char *next = NULL;
        size_t room = 0, left;
        int r = nj_outbuf_room(&out, first, &next, &room);
        if (r < 0) {
            restart(d);
            return NULL;
        }
        full = r == 0;
        if (full && max > 0) {
            break; /* with max 0, a frame without content can still end */
        }
        ZSTD_outBuffer o = {next, room, 0};
        Py_BEGIN_ALLOW_THREADS
        left = ZSTD_decompressStream(d->ctx, &o, &in);
        Py_END_ALLOW_THREADS
        out.used += (Py_ssize_t)o.pos;
        if (failed(st, left, "decompress Zstandard data")) {
            restart(d);
            return NULL;
        }
        d->fresh = false;
        eof = left == 0;
        if (full || (in.pos == in.size && o.pos < o.size)) {
            break;
        }
    }
    const char *rest = data + in.pos;
    size_t nrest = n - in.pos;
    if (eof) {
        NJ_OWN unused = PyBytes_FromStringAndSize(rest, (Py_ssize_t)nrest);
        if (!unused) {
            restart(d);
            return NULL;
        }
        d->eof = true;
        d->needs_input = false;
        NJ_SET(d->unused_data, NJ_TAKE(unused));
        nj_inbuf_free(&d->in);
    } else {
        d->needs_input = nrest == 0 && !full;
        if (nj_inbuf_keep(&d->in, rest, nrest) < 0) {
            restart(d);
            return NULL;
        }
    }
    return nj_outbuf_take(&out);
}

static PyObject *
decompressor_decompress(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "max_length", NULL};
    Decompressor *d = (Decompressor *)op;
    State *st = state_of_type(Py_TYPE(op));
    NJ_OWN_BUF data = {0};
    Py_ssize_t max = -1;
    if (!st
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "y*|n:decompress", names, &data,
                                        &max)) {
        return NULL;
    }
    LOCKED(d);
    if (d->eof) {
        PyErr_SetString(PyExc_EOFError, "Already at the end of a Zstandard frame.");
        return NULL;
    }
    return decompress(st, d, data.buf, (size_t)data.len, max);
}

static PyObject *
decompressor_get_unused_data(PyObject *op, void *Py_UNUSED(closure))
{
    Decompressor *d = (Decompressor *)op;
    LOCKED(d);
    return Py_NewRef(d->unused_data);
}

/* ---- types and module --------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f))

static PyGetSetDef dict_getset[] = {
    {"dict_content", dict_get_content, NULL,
     "The content of a Zstandard dictionary, as a bytes object.", NULL},
    {"as_digested_dict", dict_get_as, NULL,
     "Load as a digested dictionary to compressor.\n\n"
     "Pass this attribute as zstd_dict argument:\n"
     "compress(dat, zstd_dict=zd.as_digested_dict)\n\n"
     "1. Parameters of the digested dictionary may replace advanced compression\n"
     "   parameters of the compressor.\n"
     "2. The digested form is kept for each compression level, so loading it again\n"
     "   is fast.\n"
     "3. Decompression does not need this.",
     (void *)USE_DIGESTED},
    {"as_undigested_dict", dict_get_as, NULL,
     "Load as an undigested dictionary to compressor.\n\n"
     "Pass this attribute as zstd_dict argument:\n"
     "compress(dat, zstd_dict=zd.as_undigested_dict)\n\n"
     "1. The advanced compression parameters of the compressor stay in force.\n"
     "2. Loading is costly: reuse a compressor rather than load it many times.\n"
     "3. Decompression does not need this.",
     (void *)USE_UNDIGESTED},
    {"as_prefix", dict_get_as, NULL,
     "Load as a prefix to compressor/decompressor.\n\n"
     "Pass this attribute as zstd_dict argument:\n"
     "compress(dat, zstd_dict=zd.as_prefix)\n\n"
     "1. Unlike a dictionary, a prefix works with long distance matching.\n"
     "2. It serves the first frame only.\n"
     "3. Decompression needs the same prefix as compression.",
     (void *)USE_PREFIX},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef dict_members[] = {
    {"dict_id", Py_T_UINT, offsetof(Dict, id), Py_READONLY,
     "The Zstandard dictionary, an int between 0 and 2**32.\n\n"
     "Not zero for an ordinary Zstandard dictionary in the standardised format; zero\n"
     "for a 'raw content' dictionary, which may hold anything."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot dict_slots[] = {
    {Py_tp_dealloc, dict_dealloc},
    {Py_tp_traverse, dict_traverse},
    {Py_tp_new, dict_new},
    {Py_tp_repr, dict_repr},
    {Py_sq_length, dict_length},
    {Py_tp_getset, dict_getset},
    {Py_tp_members, dict_members},
    {Py_tp_doc,
     "ZstdDict(dict_content, /, *, is_raw=False)\n--\n\n"
     "Represents a Zstandard dictionary.\n\n"
     "  dict_content\n"
     "    The content of the dictionary, a bytes-like object.\n"
     "  is_raw\n"
     "    If true, take *dict_content* as it is. Otherwise, check that it is a\n"
     "    dictionary made by the zstd library or program.\n\n"
     "Serves compression and decompression, and any number of ZstdCompressor and\n"
     "ZstdDecompressor objects at a time."},
    {0, NULL},
};

static PyType_Spec dict_spec = {
    .name = "compression.zstd.ZstdDict",
    .basicsize = sizeof(Dict),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = dict_slots,
};

static PyMethodDef compressor_methods[] = {
    {"compress", KW(compressor_compress), METH_VARARGS | METH_KEYWORDS,
     "compress($self, /, data, mode=ZstdCompressor.CONTINUE)\n--\n\n"
     "Compress data and return what is ready, or b'' if nothing is.\n\n"
     "  mode\n"
     "    ZstdCompressor.CONTINUE, ZstdCompressor.FLUSH_BLOCK or\n"
     "    ZstdCompressor.FLUSH_FRAME\n\n"
     "Call flush() after the last piece to finish the frame."},
    {"flush", KW(compressor_flush), METH_VARARGS | METH_KEYWORDS,
     "flush($self, /, mode=ZstdCompressor.FLUSH_FRAME)\n--\n\n"
     "Finish the block or frame and return what was left inside.\n\n"
     "  mode\n"
     "    ZstdCompressor.FLUSH_FRAME or ZstdCompressor.FLUSH_BLOCK\n\n"
     "The compressor can be used again: data may consist of several frames."},
    {"set_pledged_input_size", compressor_set_pledged_input_size, METH_O,
     "set_pledged_input_size($self, size, /)\n--\n\n"
     "Announce the uncompressed size, to be written into the frame header.\n\n"
     "  size\n"
     "    The size of the data that will be provided, or None if it is not known.\n\n"
     "Without effect if CompressionParameter.content_size_flag is False. Only allowed\n"
     "between frames (last_mode is FLUSH_FRAME). The size must be right: otherwise the\n"
     "output may be corrupt or its end missing."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef compressor_members[] = {
    {"last_mode", Py_T_INT, offsetof(Compressor, last_mode), Py_READONLY,
     "The last mode used to this compressor object, its value can be .CONTINUE,\n"
     ".FLUSH_BLOCK, .FLUSH_FRAME. Initialized to .FLUSH_FRAME.\n\n"
     "It tells the state of the compressor: data flushed, or a frame ended."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot compressor_slots[] = {
    {Py_tp_dealloc, compressor_dealloc},
    {Py_tp_traverse, compressor_traverse},
    {Py_tp_new, compressor_new},
    {Py_tp_methods, compressor_methods},
    {Py_tp_members, compressor_members},
    {Py_tp_doc,
     "ZstdCompressor(level=None, options=None, zstd_dict=None)\n--\n\n"
     "Create a compressor object for compressing data incrementally.\n\n"
     "  level\n"
     "    The compression level, by default COMPRESSION_LEVEL_DEFAULT.\n"
     "  options\n"
     "    A dict of advanced compression parameters.\n"
     "  zstd_dict\n"
     "    A ZstdDict object, a trained Zstandard dictionary.\n\n"
     "Each method is thread-safe. To compress data in one go, use the compress()\n"
     "function instead."},
    {0, NULL},
};

static PyType_Spec compressor_spec = {
    .name = "compression.zstd.ZstdCompressor",
    .basicsize = sizeof(Compressor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = compressor_slots,
};

static PyMethodDef decompressor_methods[] = {
    {"decompress", KW(decompressor_decompress), METH_VARARGS | METH_KEYWORDS,
     "decompress($self, /, data, max_length=-1)\n--\n\n"
     "Decompress *data* and return bytes.\n\n"
     "  data\n"
     "    A bytes-like object, Zstandard data to be decompressed.\n"
     "  max_length\n"
     "    Maximum size of returned data, unlimited if negative.\n\n"
     "If the limit was reached and there may be more, needs_input is False: the next\n"
     "call may pass b'' as data to get more. Otherwise needs_input is True.\n\n"
     "Calling this after the end of a frame raises EOFError. Data behind the end of\n"
     "the frame is kept in unused_data."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef decompressor_members[] = {
    {"eof", Py_T_BOOL, offsetof(Decompressor, eof), Py_READONLY,
     "True means the end of the first frame has been reached. If decompress data\n"
     "after that, an EOFError exception will be raised."},
    {"needs_input", Py_T_BOOL, offsetof(Decompressor, needs_input), Py_READONLY,
     "False if the last decompress() stopped at its limit and there may be more to get\n"
     "by passing b''."},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef decompressor_getset[] = {
    {"unused_data", decompressor_get_unused_data, NULL,
     "A bytes object of un-consumed input data.\n\n"
     "What follows the frame in the input, once the frame is decompressed; b'' before.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot decompressor_slots[] = {
    {Py_tp_dealloc, decompressor_dealloc},
    {Py_tp_traverse, decompressor_traverse},
    {Py_tp_new, decompressor_new},
    {Py_tp_methods, decompressor_methods},
    {Py_tp_members, decompressor_members},
    {Py_tp_getset, decompressor_getset},
    {Py_tp_doc,
     "ZstdDecompressor(zstd_dict=None, options=None)\n--\n\n"
     "Create a decompressor object for decompressing data incrementally.\n\n"
     "  zstd_dict\n"
     "    A ZstdDict object, a trained Zstandard dictionary.\n"
     "  options\n"
     "    A dict of advanced decompression parameters.\n\n"
     "Each method is thread-safe. To decompress data in one go, use the decompress()\n"
     "function instead."},
    {0, NULL},
};

static PyType_Spec decompressor_spec = {
    .name = "compression.zstd.ZstdDecompressor",
    .basicsize = sizeof(Decompressor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = decompressor_slots,
};

static PyMethodDef zstd_methods[] = {
    {"train_dict", train_dict, METH_VARARGS,
     "train_dict($module, samples_bytes, samples_sizes, dict_size, /)\n--\n\n"
     "Train a Zstandard dictionary on sample data.\n\n"
     "  samples_bytes\n"
     "    The samples, one after the other.\n"
     "  samples_sizes\n"
     "    A tuple of their sizes.\n"
     "  dict_size\n"
     "    The size of the dictionary."},
    {"finalize_dict", finalize_dict, METH_VARARGS,
     "finalize_dict($module, custom_dict_bytes, samples_bytes, samples_sizes,\n"
     "              dict_size, compression_level, /)\n--\n\n"
     "Finalize a Zstandard dictionary.\n\n"
     "  custom_dict_bytes\n"
     "    Custom dictionary content.\n"
     "  samples_bytes\n"
     "    The samples, one after the other.\n"
     "  samples_sizes\n"
     "    A tuple of their sizes.\n"
     "  dict_size\n"
     "    The size of the dictionary.\n"
     "  compression_level\n"
     "    The level to optimize for, 0 means the default."},
    {"get_param_bounds", KW(get_param_bounds), METH_VARARGS | METH_KEYWORDS,
     "get_param_bounds($module, /, parameter, is_compress)\n--\n\n"
     "Get CompressionParameter/DecompressionParameter bounds.\n\n"
     "  parameter\n"
     "    The parameter to get bounds.\n"
     "  is_compress\n"
     "    True for CompressionParameter, False for DecompressionParameter."},
    {"get_frame_size", KW(get_frame_size), METH_VARARGS | METH_KEYWORDS,
     "get_frame_size($module, /, frame_buffer)\n--\n\n"
     "Get the size of a Zstandard frame, including the header and optional checksum.\n\n"
     "  frame_buffer\n"
     "    A bytes-like object that begins with a complete frame."},
    {"get_frame_info", KW(get_frame_info), METH_VARARGS | METH_KEYWORDS,
     "get_frame_info($module, /, frame_buffer)\n--\n\n"
     "Get Zstandard frame infomation from a frame header.\n\n"
     "  frame_buffer\n"
     "    A bytes-like object, containing the header of a Zstandard frame."},
    {"set_parameter_types", KW(set_parameter_types), METH_VARARGS | METH_KEYWORDS,
     "set_parameter_types($module, /, c_parameter_type, d_parameter_type)\n--\n\n"
     "Set CompressionParameter and DecompressionParameter types for validity check.\n\n"
     "  c_parameter_type\n"
     "    CompressionParameter IntEnum type object\n"
     "  d_parameter_type\n"
     "    DecompressionParameter IntEnum type object"},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    long value;
} constants[] = {
#define C(name) {#name, name},
    C(ZSTD_c_compressionLevel) C(ZSTD_c_windowLog) C(ZSTD_c_hashLog) C(ZSTD_c_chainLog)
    C(ZSTD_c_searchLog) C(ZSTD_c_minMatch) C(ZSTD_c_targetLength) C(ZSTD_c_strategy)
    C(ZSTD_c_enableLongDistanceMatching) C(ZSTD_c_ldmHashLog) C(ZSTD_c_ldmMinMatch)
    C(ZSTD_c_ldmBucketSizeLog) C(ZSTD_c_ldmHashRateLog) C(ZSTD_c_contentSizeFlag)
    C(ZSTD_c_checksumFlag) C(ZSTD_c_dictIDFlag) C(ZSTD_c_nbWorkers) C(ZSTD_c_jobSize)
    C(ZSTD_c_overlapLog) C(ZSTD_d_windowLogMax)
    C(ZSTD_fast) C(ZSTD_dfast) C(ZSTD_greedy) C(ZSTD_lazy) C(ZSTD_lazy2) C(ZSTD_btlazy2)
    C(ZSTD_btopt) C(ZSTD_btultra) C(ZSTD_btultra2)
#undef C
};

static int
add_type(PyObject *module, PyType_Spec *spec, PyTypeObject **where)
{
    *where = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    return *where ? PyModule_AddType(module, *where) : -1;
}

static int
zstd_exec(PyObject *module)
{
    static const char *const modes[] = {"CONTINUE", "FLUSH_BLOCK", "FLUSH_FRAME"};
    State *st = PyModule_GetState(module);
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    st->error = PyErr_NewExceptionWithDoc("compression.zstd.ZstdError",
                                          "An error occurred in the zstd library.", NULL,
                                          NULL);
    if (!st->error || PyModule_AddType(module, (PyTypeObject *)st->error) < 0
        || add_type(module, &dict_spec, &st->dict_type) < 0
        || add_type(module, &compressor_spec, &st->compressor_type) < 0
        || add_type(module, &decompressor_spec, &st->decompressor_type) < 0) {
        return -1;
    }
    for (int i = 0; i < (int)NJ_ARRAY_LEN(modes); i++) {
        NJ_OWN value = PyLong_FromLong(i);
        if (!value
            || PyObject_SetAttrString((PyObject *)st->compressor_type, modes[i], value)
                   < 0) {
            return -1;
        }
    }
    if (PyType_Freeze(st->compressor_type) < 0
        || PyModule_AddStringConstant(module, "zstd_version", ZSTD_versionString()) < 0
        || PyModule_AddIntConstant(module, "zstd_version_number", ZSTD_versionNumber())
               < 0
        || PyModule_AddIntConstant(module, "ZSTD_CLEVEL_DEFAULT", ZSTD_defaultCLevel())
               < 0) {
        return -1;
    }
    return PyModule_Add(module, "ZSTD_DStreamOutSize",
                        PyLong_FromSize_t(ZSTD_DStreamOutSize()));
}

static int
zstd_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(module);
    Py_VISIT(st->dict_type);
    Py_VISIT(st->compressor_type);
    Py_VISIT(st->decompressor_type);
    Py_VISIT(st->c_parameter_type);
    Py_VISIT(st->d_parameter_type);
    Py_VISIT(st->error);
    return 0;
}

static int
zstd_clear(PyObject *module)
{
    State *st = PyModule_GetState(module);
    Py_CLEAR(st->dict_type);
    Py_CLEAR(st->compressor_type);
    Py_CLEAR(st->decompressor_type);
    Py_CLEAR(st->c_parameter_type);
    Py_CLEAR(st->d_parameter_type);
    Py_CLEAR(st->error);
    return 0;
}

static void
zstd_free(void *module)
{
    zstd_clear(module);
}

static PyModuleDef_Slot zstd_slots[] = {
    {Py_mod_exec, zstd_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef zstd_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_zstd",
    .m_doc = "Implementation module for Zstandard compression.",
    .m_size = sizeof(State),
    .m_methods = zstd_methods,
    .m_slots = zstd_slots,
    .m_traverse = zstd_traverse,
    .m_clear = zstd_clear,
    .m_free = zstd_free,
};

PyMODINIT_FUNC
PyInit__zstd(void)
{
    return PyModuleDef_Init(&zstd_module);
}

/* module.c - _multibytecodec: codec objects and what happens on errors.
 * SPDX-License-Identifier: MIT
 */
#include "mbc.h"

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

static const char illegal[] = "illegal multibyte sequence";
static const char incomplete[] = "incomplete multibyte sequence";

MbcState *
mbc_state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &mbc_module);
    return m ? PyModule_GetState(m) : NULL;
}

/* ---------------------------------------------------------------- output */

int
mbc_more_bytes(Bytes *out, size_t n)
{
    size_t size = out->size + out->size / 2 + n + 16;
    uint8_t *p = PyMem_Realloc(out->p, size);
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    out->p = p;
    out->size = size;
    return 0;
}

int
mbc_more_text(Text *out, size_t n)
{
    size_t size = out->size + out->size / 2 + n + 16;
    Py_UCS4 *p = size > PY_SSIZE_T_MAX / sizeof *p ? NULL
                                                   : PyMem_Realloc(out->p, size * sizeof *p);
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    out->p = p;
    out->size = size;
    return 0;
}

PyObject *
mbc_bytes_obj(Bytes *out)
{
    PyObject *o = PyBytes_FromStringAndSize((const char *)out->p, (Py_ssize_t)out->len);
    PyMem_Free(out->p);
    out->p = NULL;
    return o;
}

PyObject *
mbc_text_str(Text *out)
{
    PyObject *s = NULL;
    size_t n = out->len;
    if (n == 0) {
        s = Py_GetConstant(Py_CONSTANT_EMPTY_STR);
    }
    else if (out->all <= 0xFFFF) {
        /* narrowed in place, so that the last copy has half the work */
        uint16_t *narrow = (uint16_t *)out->p;
        for (size_t i = 0; i < n; i++) {
            narrow[i] = (uint16_t)out->p[i];
        }
        s = PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, narrow, (Py_ssize_t)n);
    }
    else {
        s = PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, out->p, (Py_ssize_t)n);
    }
    PyMem_Free(out->p);
    out->p = NULL;
    return s;
}

static int
put_bytes(Bytes *out, const char *s, Py_ssize_t n)
{
    if ((size_t)n > out->size - out->len && mbc_more_bytes(out, (size_t)n) < 0) {
        return -1;
    }
    memcpy(out->p + out->len, s, (size_t)n);
    out->len += (size_t)n;
    return 0;
}

static int
put_str(Text *out, PyObject *s)
{
    for (Py_ssize_t i = 0; i < PyUnicode_GET_LENGTH(s); i++) {
        if (put_char(out, PyUnicode_READ_CHAR(s, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- errors */

static bool
errors_are(PyObject *errors, const char *name)
{
    return errors && PyUnicode_EqualToUTF8(errors, name);
}

/* Calls the error handler. Its replacement (new reference) and position, or NULL. */
static PyObject *
call_handler(PyObject *errors, PyObject *exc, Py_ssize_t len, bool bytes_ok, Py_ssize_t *pos)
{
    const char *name = errors ? PyUnicode_AsUTF8(errors) : "strict";
    NJ_OWN handler = name ? PyCodec_LookupError(name) : NULL;
    NJ_OWN r = handler ? PyObject_CallOneArg(handler, exc) : NULL;
    if (!r) {
        return NULL;
    }
    if (!PyTuple_Check(r) || PyTuple_GET_SIZE(r) != 2
        || !(PyUnicode_Check(PyTuple_GET_ITEM(r, 0))
             || (bytes_ok && PyBytes_Check(PyTuple_GET_ITEM(r, 0))))
        || !PyLong_Check(PyTuple_GET_ITEM(r, 1))) {
        PyErr_Format(PyExc_TypeError, "%s error handler must return (str, int) tuple",
                     bytes_ok ? "encoding" : "decoding");
        return NULL;
    }
    Py_ssize_t at = PyLong_AsSsize_t(PyTuple_GET_ITEM(r, 1));
    if (at < 0 && !PyErr_Occurred()) {
        at += len;
    }
    if (at < 0 || at > len) {
        PyErr_Clear();
        PyErr_Format(PyExc_IndexError, "position %zd from error handler out of bounds", at);
        return NULL;
    }
    *pos = at;
    return Py_NewRef(PyTuple_GET_ITEM(r, 0));
}

static int
encode_part(const Tables *t, ShiftState *s, Chars *in, Bytes *out, bool final)
{
    return t->table->rule >= CJK_HZ ? mbc_encode_stateful(t, s, in, out, final)
                                    : mbc_encode_plain(t, in, out, final);
}

/* Encodes a replacement with the codec itself; what it cannot encode is an error. 1 if it
 * could, 0 if not, -1 with an exception. */
static int
encode_replacement(const Tables *t, ShiftState *s, PyObject *str, Bytes *out)
{
    Chars in = {PyUnicode_KIND(str), PyUnicode_DATA(str), 0, PyUnicode_GET_LENGTH(str)};
    int status = encode_part(t, s, &in, out, true);
    return status == FAILED ? -1 : status == 0;
}

static int
encode_error(Codec *codec, ShiftState *s, PyObject *str, Py_ssize_t *pos, Py_ssize_t n,
             PyObject *errors, Bytes *out)
{
    const Tables *t = codec->t;
    Py_ssize_t start = *pos, end = start + n;
    if (errors_are(errors, "ignore")) {
        *pos = end;
        return 0;
    }
    if (errors_are(errors, "replace")) {
        NJ_OWN mark = PyUnicode_FromString("?");
        int done = mark ? encode_replacement(t, s, mark, out) : -1;
        *pos = end;
        return done < 0 ? -1 : done ? 0 : put_byte(out, '?');
    }
    NJ_OWN exc = PyObject_CallFunction(PyExc_UnicodeEncodeError, "sOnns", t->table->name, str,
                                       start, end, illegal);
    if (!exc) {
        return -1;
    }
    if (!errors || errors_are(errors, "strict")) {
        PyErr_SetObject(PyExc_UnicodeEncodeError, exc);
        return -1;
    }
    NJ_OWN r = call_handler(errors, exc, PyUnicode_GET_LENGTH(str), true, pos);
    if (!r) {
        return -1;
    }
    if (PyBytes_Check(r)) {
        return put_bytes(out, PyBytes_AS_STRING(r), PyBytes_GET_SIZE(r));
    }
    int done = encode_replacement(t, s, r, out);
    if (done == 0) {
        PyErr_SetObject(PyExc_UnicodeEncodeError, exc);
    }
    return done > 0 ? 0 : -1;
}

int
mbc_encode(Codec *codec, ShiftState *s, PyObject *str, Py_ssize_t *pos, PyObject *errors,
           bool final, Bytes *out)
{
    Chars in = {PyUnicode_KIND(str), PyUnicode_DATA(str), *pos, PyUnicode_GET_LENGTH(str)};
    size_t guess = (size_t)(in.len - in.pos) * (in.kind == PyUnicode_1BYTE_KIND ? 1 : 2);
    if (guess > out->size - out->len && mbc_more_bytes(out, guess) < 0) {
        return -1;
    }
    for (;;) {
        int status = encode_part(codec->t, s, &in, out, final);
        if (status == 0 || status == NEED_MORE) {
            *pos = in.pos;
            return final ? mbc_finish(codec->t, s, out) : 0;
        }
        if (status == FAILED
            || encode_error(codec, s, str, &in.pos, status, errors, out) < 0) {
            *pos = in.pos;
            return -1;
        }
    }
}

static int
decode_error(Codec *codec, const char *data, Py_ssize_t len, Py_ssize_t *pos, Py_ssize_t n,
             const char *reason, PyObject *errors, Text *out)
{
    Py_ssize_t start = *pos, end = start + n;
    if (errors_are(errors, "ignore")) {
        *pos = end;
        return 0;
    }
    if (errors_are(errors, "replace")) {
        *pos = end;
        return put_char(out, Py_UNICODE_REPLACEMENT_CHARACTER);
    }
    NJ_OWN exc = PyUnicodeDecodeError_Create(codec->t->table->name, data, len, start, end,
                                             reason);
    if (!exc) {
        return -1;
    }
    if (!errors || errors_are(errors, "strict")) {
        PyErr_SetObject(PyExc_UnicodeDecodeError, exc);
        return -1;
    }
    NJ_OWN r = call_handler(errors, exc, len, false, pos);
    return r ? put_str(out, r) : -1;
}

int
mbc_decode(Codec *codec, ShiftState *s, const char *data, Py_ssize_t len, Py_ssize_t *used,
           PyObject *errors, bool final, Text *out)
{
    const Tables *t = codec->t;
    const uint8_t *start = (const uint8_t *)data, *p = start, *end = start + len;
    if ((size_t)len > out->size - out->len && mbc_more_text(out, (size_t)len) < 0) {
        return -1;
    }
    for (;;) {
        int status = t->table->rule >= CJK_HZ ? mbc_decode_stateful(t, s, &p, end, out)
                                              : mbc_decode_plain(t, &p, end, out);
        Py_ssize_t pos = p - start;
        *used = pos;
        if (status == 0 || (status == NEED_MORE && !final)) {
            return 0;
        }
        if (status == FAILED) {
            return -1;
        }
        Py_ssize_t n = status == NEED_MORE || status > len - pos ? len - pos : status;
        if (decode_error(codec, data, len, &pos, n, status == NEED_MORE ? incomplete : illegal,
                         errors, out)
            < 0) {
            return -1;
        }
        p = start + pos;
        *used = pos;
    }
}

/* ---------------------------------------------------------------- codec objects */

/* The two arguments of encode() and decode(); errors NULL for None. */
static int
codec_args(const char *format, PyObject *const *args, Py_ssize_t n, PyObject *kwnames,
           PyObject **input, PyObject **errors)
{
    static char *names[] = {"input", "errors", NULL};
    NJ_OWN tuple = PyTuple_New(n);
    NJ_OWN dict = kwnames ? PyDict_New() : NULL;
    if (!tuple || (kwnames && !dict)) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i), args[n + i]) < 0) {
            return -1;
        }
    }
    *errors = Py_None;
    if (!PyArg_ParseTupleAndKeywords(tuple, dict, format, names, input, errors)) {
        return -1;
    }
    if (*errors == Py_None) {
        *errors = NULL;
    }
    else if (!PyUnicode_Check(*errors)) {
        PyErr_Format(PyExc_TypeError, "%s() argument 'errors' must be str or None, not %s",
                     strchr(format, ':') + 1, Py_TYPE(*errors)->tp_name);
        return -1;
    }
    return 0;
}

static PyObject *
codec_encode(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Codec *codec = (Codec *)self;
    PyObject *input, *errors;
    if (codec_args("O|O:encode", args, n, kwnames, &input, &errors) < 0) {
        return NULL;
    }
    NJ_OWN str = PyUnicode_Check(input) ? Py_NewRef(input) : PyObject_Str(input);
    if (!str) {
        return NULL;
    }
    ShiftState s;
    Bytes out = {0};
    Py_ssize_t pos = 0;
    mbc_start(codec->t, &s);
    if (mbc_encode(codec, &s, str, &pos, errors, true, &out) < 0) {
        PyMem_Free(out.p);
        return NULL;
    }
    PyObject *bytes = mbc_bytes_obj(&out);
    return bytes ? Py_BuildValue("Nn", bytes, PyUnicode_GET_LENGTH(str)) : NULL;
}

static PyObject *
codec_decode(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    Codec *codec = (Codec *)self;
    PyObject *input, *errors;
    NJ_OWN_BUF view = {0};
    if (codec_args("O|O:decode", args, n, kwnames, &input, &errors) < 0
        || PyObject_GetBuffer(input, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    ShiftState s;
    Text out = {0};
    Py_ssize_t used = 0;
    mbc_start(codec->t, &s);
    if (mbc_decode(codec, &s, view.buf, view.len, &used, errors, true, &out) < 0) {
        PyMem_Free(out.p);
        return NULL;
    }
    PyObject *text = mbc_text_str(&out);
    return text ? Py_BuildValue("Nn", text, view.len) : NULL;
}

static int
codec_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
codec_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef codec_methods[] = {
    {"encode", FAST(codec_encode), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("encode($self, /, input, errors=None)\n--\n\n"
               "Returns (bytes, how many characters were used). errors is the name of an\n"
               "error handler; None is 'strict'.")},
    {"decode", FAST(codec_decode), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("decode($self, /, input, errors=None)\n--\n\n"
               "Returns (str, how many bytes were used). errors is the name of an error\n"
               "handler; None is 'strict'.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot codec_slots[] = {
    {Py_tp_dealloc, codec_dealloc},
    {Py_tp_traverse, codec_traverse},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_methods, codec_methods},
    {0, NULL},
};

PyType_Spec mbc_codec_spec = {
    .name = "_multibytecodec.MultibyteCodec",
    .basicsize = sizeof(Codec),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = codec_slots,
};

/* ---------------------------------------------------------------- module */

static PyObject *
create_codec(PyObject *module, PyObject *arg)
{
    MbcState *st = PyModule_GetState(module);
    if (!PyCapsule_IsValid(arg, CJK_CAPSULE)) {
        PyErr_SetString(PyExc_ValueError, "argument type invalid");
        return NULL;
    }
    Tables *t = mbc_tables(st, PyCapsule_GetPointer(arg, CJK_CAPSULE));
    Codec *codec = t ? PyObject_GC_New(Codec, st->codec_type) : NULL;
    if (codec) {
        codec->t = t;
        codec->st = st;
        PyObject_GC_Track(codec);
    }
    return (PyObject *)codec;
}

static PyMethodDef mbc_methods[] = {
    {"__create_codec", create_codec, METH_O,
     PyDoc_STR("__create_codec($module, arg, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static int
mbc_exec(PyObject *module)
{
    MbcState *st = PyModule_GetState(module);
    const struct {
        PyTypeObject **slot;
        PyType_Spec *spec;
        bool visible;
    } types[] = {
        {&st->codec_type, &mbc_codec_spec, false}, {&st->encoder_type, &mbc_encoder_spec, true},
        {&st->decoder_type, &mbc_decoder_spec, true}, {&st->reader_type, &mbc_reader_spec, true},
        {&st->writer_type, &mbc_writer_spec, true},
    };
    st->tables = PyDict_New();
    if (!st->tables) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(types); i++) {
        *types[i].slot = (PyTypeObject *)PyType_FromModuleAndSpec(module, types[i].spec, NULL);
        if (!*types[i].slot || (types[i].visible && PyModule_AddType(module, *types[i].slot) < 0)) {
            return -1;
        }
    }
    return 0;
}

static int
mbc_traverse(PyObject *module, visitproc visit, void *arg)
{
    MbcState *st = PyModule_GetState(module);
    Py_VISIT(st->codec_type);
    Py_VISIT(st->encoder_type);
    Py_VISIT(st->decoder_type);
    Py_VISIT(st->reader_type);
    Py_VISIT(st->writer_type);
    Py_VISIT(st->tables);
    return 0;
}

/* Codecs point into the tables, so these go only with the module itself. */
static int
mbc_clear(PyObject *module)
{
    MbcState *st = PyModule_GetState(module);
    Py_CLEAR(st->codec_type);
    Py_CLEAR(st->encoder_type);
    Py_CLEAR(st->decoder_type);
    Py_CLEAR(st->reader_type);
    Py_CLEAR(st->writer_type);
    return 0;
}

static void
mbc_free(void *module)
{
    MbcState *st = PyModule_GetState(module);
    (void)mbc_clear(module);
    Py_CLEAR(st->tables);
}

static PyModuleDef_Slot mbc_slots[] = {
    {Py_mod_exec, mbc_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

struct PyModuleDef mbc_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_multibytecodec",
    .m_size = sizeof(MbcState),
    .m_methods = mbc_methods,
    .m_slots = mbc_slots,
    .m_traverse = mbc_traverse,
    .m_clear = mbc_clear,
    .m_free = mbc_free,
};

PyMODINIT_FUNC
PyInit__multibytecodec(void)
{
    return PyModuleDef_Init(&mbc_module);
}

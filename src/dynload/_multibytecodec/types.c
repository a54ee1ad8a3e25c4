/* types.c - incremental encoders and decoders, stream readers and writers.
 *
 * All four share one struct: a codec, the name of the error handler, the shift state and
 * what is left of an incomplete character.
 * SPDX-License-Identifier: MIT
 */
#include "mbc.h"

#include <structmember.h>

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

enum { MAX_PENDING_BYTES = 8, MAX_PENDING_CHARS = 2 };

typedef struct {
    PyObject_HEAD
    Codec *codec;
    PyObject *errors; /* str */
    PyObject *stream; /* of readers and writers, else NULL */
    ShiftState shift;
    PyObject *pending_text; /* of encoders: str, or NULL */
    uint8_t pending[MAX_PENDING_BYTES];
    Py_ssize_t n_pending;
} Coder;

#define CODER(o) ((Coder *)(o))

/* ---------------------------------------------------------------- life */

static PyObject *
new_coder(PyTypeObject *type, PyObject *stream, const char *errors)
{
    NJ_OWN self = type->tp_alloc(type, 0);
    MbcState *st = mbc_state_of(type);
    if (!self || !st) {
        return NULL;
    }
    Coder *c = CODER(self);
    c->stream = Py_XNewRef(stream);
    c->errors = PyUnicode_FromString(errors ? errors : "strict");
    NJ_OWN codec = c->errors ? PyObject_GetAttrString((PyObject *)type, "codec") : NULL;
    if (!codec) {
        return NULL;
    }
    if (!Py_IS_TYPE(codec, st->codec_type)) {
        PyErr_SetString(PyExc_TypeError, "codec is unexpected type");
        return NULL;
    }
    c->codec = (Codec *)NJ_TAKE(codec);
    mbc_start(c->codec->t, &c->shift);
    return NJ_TAKE(self);
}

static PyObject *
new_encoder(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"errors", NULL};
    const char *errors = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:IncrementalEncoder", names, &errors)) {
        return NULL;
    }
    return new_coder(type, NULL, errors);
}

static PyObject *
new_decoder(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"errors", NULL};
    const char *errors = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:IncrementalDecoder", names, &errors)) {
        return NULL;
    }
    return new_coder(type, NULL, errors);
}

static PyObject *
new_reader(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "errors", NULL};
    PyObject *stream;
    const char *errors = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|s:StreamReader", names, &stream,
                                     &errors)) {
        return NULL;
    }
    return new_coder(type, stream, errors);
}

static PyObject *
new_writer(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"stream", "errors", NULL};
    PyObject *stream;
    const char *errors = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|s:StreamWriter", names, &stream,
                                     &errors)) {
        return NULL;
    }
    return new_coder(type, stream, errors);
}

/* Subclasses take their arguments in __new__; object.__init__ would refuse them. */
static int
coder_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return 0;
}

static int
coder_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(CODER(self)->codec);
    Py_VISIT(CODER(self)->stream);
    return 0;
}

static void
coder_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(CODER(self)->codec);
    Py_XDECREF(CODER(self)->errors);
    Py_XDECREF(CODER(self)->stream);
    Py_XDECREF(CODER(self)->pending_text);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
get_errors(PyObject *self, void *closure)
{
    return Py_NewRef(CODER(self)->errors);
}

static int
set_errors(PyObject *self, PyObject *v, void *closure)
{
    if (!v) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    if (!PyUnicode_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "errors must be a string");
        return -1;
    }
    NJ_SET(CODER(self)->errors, Py_NewRef(v));
    return 0;
}

static PyGetSetDef coder_getset[] = {
    {"errors", get_errors, set_errors, PyDoc_STR("how to treat errors"), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef stream_members[] = {
    {"stream", _Py_T_OBJECT, offsetof(Coder, stream), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* ---------------------------------------------------------------- both directions */

/* Encodes pending text and `arg'; what is incomplete becomes pending. */
static PyObject *
encode_more(Coder *c, PyObject *arg, bool final)
{
    NJ_OWN input = PyUnicode_Check(arg) ? Py_NewRef(arg) : PyObject_Str(arg);
    if (!input) {
        return NULL;
    }
    if (c->pending_text) {
        NJ_SET(input, PyUnicode_Concat(c->pending_text, input));
        if (!input) {
            return NULL;
        }
    }
    Bytes out = {0};
    Py_ssize_t pos = 0;
    ShiftState shift = c->shift;
    if (mbc_encode(c->codec, &shift, input, &pos, c->errors, final, &out) < 0) {
        PyMem_Free(out.p); /* the pending text stays */
        return NULL;
    }
    Py_ssize_t len = PyUnicode_GET_LENGTH(input);
    if (len - pos > MAX_PENDING_CHARS) {
        PyMem_Free(out.p);
        PyErr_SetString(PyExc_UnicodeError, "pending buffer overflow");
        return NULL;
    }
    PyObject *rest = pos < len ? PyUnicode_Substring(input, pos, len) : NULL;
    if (pos < len && !rest) {
        PyMem_Free(out.p);
        return NULL;
    }
    c->shift = shift;
    NJ_SET(c->pending_text, rest);
    return mbc_bytes_obj(&out);
}

/* Decodes pending bytes and more; what is incomplete becomes pending. */
static PyObject *
decode_more(Coder *c, const char *data, Py_ssize_t len, bool final)
{
    NJ_OWN joined = NULL;
    if (c->n_pending > 0) {
        joined = PyBytes_FromStringAndSize(NULL, c->n_pending + len);
        if (!joined) {
            return NULL;
        }
        memcpy(PyBytes_AS_STRING(joined), c->pending, (size_t)c->n_pending);
        memcpy(PyBytes_AS_STRING(joined) + c->n_pending, data, (size_t)len);
        data = PyBytes_AS_STRING(joined);
        len += c->n_pending;
    }
    Text out = {0};
    Py_ssize_t used = 0;
    Py_ssize_t before = c->n_pending;
    ShiftState shift = c->shift;
    if (mbc_decode(c->codec, &shift, data, len, &used, c->errors, final, &out) < 0) {
        PyMem_Free(out.p);
        c->n_pending = before; /* as if nothing had come */
        return NULL;
    }
    if (len - used > MAX_PENDING_BYTES) {
        PyMem_Free(out.p);
        PyErr_SetString(PyExc_UnicodeError, "pending buffer overflow");
        return NULL;
    }
    c->shift = shift;
    c->n_pending = len - used;
    memcpy(c->pending, data + used, (size_t)(len - used));
    return mbc_text_str(&out);
}

/* ---------------------------------------------------------------- IncrementalEncoder */

static PyObject *
encoder_encode(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"input", "final", NULL};
    PyObject *input;
    int final = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:encode", names, &input, &final)) {
        return NULL;
    }
    return encode_more(CODER(self), input, final);
}

/* The state as an int: number of pending UTF-8 bytes, these, the shift state. */
static PyObject *
encoder_getstate(PyObject *self, PyObject *ignored)
{
    Coder *c = CODER(self);
    uint8_t state[1 + MAX_PENDING_BYTES + sizeof(ShiftState)];
    Py_ssize_t n = 0;
    if (c->pending_text) {
        const char *s = PyUnicode_AsUTF8AndSize(c->pending_text, &n);
        if (!s) {
            return NULL;
        }
        if (n > MAX_PENDING_BYTES) {
            PyErr_SetString(PyExc_UnicodeError, "pending buffer too large");
            return NULL;
        }
        memcpy(state + 1, s, (size_t)n);
    }
    state[0] = (uint8_t)n;
    memcpy(state + 1 + n, c->shift.c, sizeof c->shift.c);
    return PyLong_FromUnsignedNativeBytes(state, (size_t)(1 + n) + sizeof c->shift.c,
                                          Py_ASNATIVEBYTES_LITTLE_ENDIAN);
}

static PyObject *
encoder_setstate(PyObject *self, PyObject *arg)
{
    Coder *c = CODER(self);
    uint8_t state[1 + MAX_PENDING_BYTES + sizeof(ShiftState)];
    if (!PyLong_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "setstate() argument must be int, not %T", arg);
        return NULL;
    }
    Py_ssize_t size = PyLong_AsNativeBytes(
        arg, state, sizeof state,
        Py_ASNATIVEBYTES_LITTLE_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER
            | Py_ASNATIVEBYTES_REJECT_NEGATIVE);
    if (size < 0) {
        return NULL;
    }
    if (size > (Py_ssize_t)sizeof state) {
        PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        return NULL;
    }
    if (state[0] > MAX_PENDING_BYTES) {
        PyErr_SetString(PyExc_UnicodeError, "pending buffer too large");
        return NULL;
    }
    PyObject *text = NULL;
    if (state[0] > 0
        && !(text = PyUnicode_DecodeUTF8((const char *)state + 1, state[0], "strict"))) {
        return NULL;
    }
    memcpy(c->shift.c, state + 1 + state[0], sizeof c->shift.c);
    NJ_SET(c->pending_text, text);
    Py_RETURN_NONE;
}

static PyObject *
encoder_reset(PyObject *self, PyObject *ignored)
{
    Coder *c = CODER(self);
    mbc_start(c->codec->t, &c->shift);
    Py_CLEAR(c->pending_text);
    Py_RETURN_NONE;
}

static PyMethodDef encoder_methods[] = {
    {"encode", FAST(encoder_encode), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("encode($self, /, input, final=False)\n--\n\n")},
    {"getstate", encoder_getstate, METH_NOARGS, PyDoc_STR("getstate($self, /)\n--\n\n")},
    {"setstate", encoder_setstate, METH_O, PyDoc_STR("setstate($self, state, /)\n--\n\n")},
    {"reset", encoder_reset, METH_NOARGS, PyDoc_STR("reset($self, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- IncrementalDecoder */

static PyObject *
decoder_decode(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"input", "final", NULL};
    NJ_OWN_BUF view = {0};
    int final = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|p:decode", names, &view, &final)) {
        return NULL;
    }
    return decode_more(CODER(self), view.buf, view.len, final);
}

static PyObject *
decoder_getstate(PyObject *self, PyObject *ignored)
{
    Coder *c = CODER(self);
    NJ_OWN pending = PyBytes_FromStringAndSize((const char *)c->pending, c->n_pending);
    NJ_OWN shift = PyLong_FromUnsignedNativeBytes(c->shift.c, sizeof c->shift.c,
                                                  Py_ASNATIVEBYTES_LITTLE_ENDIAN);
    return pending && shift ? PyTuple_Pack(2, pending, shift) : NULL;
}

static PyObject *
decoder_setstate(PyObject *self, PyObject *arg)
{
    Coder *c = CODER(self);
    if (!PyTuple_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "setstate() argument must be tuple, not %T", arg);
        return NULL;
    }
    PyObject *pending, *number;
    if (!PyArg_ParseTuple(arg, "SO!;setstate(): illegal state argument", &pending, &PyLong_Type,
                          &number)) {
        return NULL;
    }
    uint8_t shift[sizeof(ShiftState)];
    Py_ssize_t size = PyLong_AsNativeBytes(
        number, shift, sizeof shift,
        Py_ASNATIVEBYTES_LITTLE_ENDIAN | Py_ASNATIVEBYTES_UNSIGNED_BUFFER
            | Py_ASNATIVEBYTES_REJECT_NEGATIVE);
    if (size < 0) {
        return NULL;
    }
    if (size > (Py_ssize_t)sizeof shift) {
        PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        return NULL;
    }
    Py_ssize_t n = PyBytes_GET_SIZE(pending);
    if (n > MAX_PENDING_BYTES) {
        NJ_OWN exc = PyUnicodeDecodeError_Create(c->codec->t->table->name,
                                                 PyBytes_AS_STRING(pending), n, 0, n,
                                                 "pending buffer too large");
        if (exc) {
            PyErr_SetObject(PyExc_UnicodeDecodeError, exc);
        }
        return NULL;
    }
    memcpy(c->pending, PyBytes_AS_STRING(pending), (size_t)n);
    c->n_pending = n;
    memcpy(c->shift.c, shift, sizeof shift);
    Py_RETURN_NONE;
}

static PyObject *
decoder_reset(PyObject *self, PyObject *ignored)
{
    Coder *c = CODER(self);
    mbc_start(c->codec->t, &c->shift);
    c->n_pending = 0;
    Py_RETURN_NONE;
}

static PyMethodDef decoder_methods[] = {
    {"decode", FAST(decoder_decode), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("decode($self, /, input, final=False)\n--\n\n")},
    {"getstate", decoder_getstate, METH_NOARGS, PyDoc_STR("getstate($self, /)\n--\n\n")},
    {"setstate", decoder_setstate, METH_O, PyDoc_STR("setstate($self, state, /)\n--\n\n")},
    {"reset", decoder_reset, METH_NOARGS, PyDoc_STR("reset($self, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- StreamReader */

/* Reads with the stream's `method' until there is some text. size < 0: everything. */
static PyObject *
read_text(Coder *c, const char *method, Py_ssize_t size)
{
    if (size == 0) {
        return Py_GetConstant(Py_CONSTANT_EMPTY_STR);
    }
    for (;;) {
        NJ_OWN data = size < 0 ? PyObject_CallMethod(c->stream, method, NULL)
                               : PyObject_CallMethod(c->stream, method, "n", size);
        if (!data) {
            return NULL;
        }
        if (!PyBytes_Check(data)) {
            PyErr_Format(PyExc_TypeError, "stream function returned a non-bytes object (%.100s)",
                         Py_TYPE(data)->tp_name);
            return NULL;
        }
        Py_ssize_t n = PyBytes_GET_SIZE(data);
        bool last = n == 0 || size < 0;
        NJ_OWN text = decode_more(c, PyBytes_AS_STRING(data), n, last);
        if (!text) {
            return NULL;
        }
        if (last || PyUnicode_GET_LENGTH(text) > 0) {
            return NJ_TAKE(text);
        }
        size = 1; /* half a character: byte by byte */
    }
}

/* The optional size argument. */
static int
size_arg(PyObject *const *args, Py_ssize_t n, const char *name, Py_ssize_t *size)
{
    *size = -1;
    if (n > 1) {
        PyErr_Format(PyExc_TypeError, "%s expected at most 1 argument, got %zd", name, n);
        return -1;
    }
    if (n == 0 || args[0] == Py_None) {
        return 0;
    }
    if (!PyLong_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "arg 1 must be an integer");
        return -1;
    }
    *size = PyLong_AsSsize_t(args[0]);
    return *size == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
reader_read(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Py_ssize_t size;
    return size_arg(args, n, "read", &size) < 0 ? NULL : read_text(CODER(self), "read", size);
}

static PyObject *
reader_readline(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Py_ssize_t size;
    return size_arg(args, n, "readline", &size) < 0 ? NULL
                                                    : read_text(CODER(self), "readline", size);
}

static PyObject *
reader_readlines(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Py_ssize_t size;
    if (size_arg(args, n, "readlines", &size) < 0) {
        return NULL;
    }
    NJ_OWN text = read_text(CODER(self), "read", size);
    return text ? PyUnicode_Splitlines(text, 1) : NULL;
}

static PyMethodDef reader_methods[] = {
    {"read", FAST(reader_read), METH_FASTCALL,
     PyDoc_STR("read($self, sizeobj=None, /)\n--\n\n")},
    {"readline", FAST(reader_readline), METH_FASTCALL,
     PyDoc_STR("readline($self, sizeobj=None, /)\n--\n\n")},
    {"readlines", FAST(reader_readlines), METH_FASTCALL,
     PyDoc_STR("readlines($self, sizehintobj=None, /)\n--\n\n")},
    {"reset", decoder_reset, METH_NOARGS, PyDoc_STR("reset($self, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- StreamWriter */

static int
write_text(Coder *c, PyObject *text)
{
    NJ_OWN bytes = encode_more(c, text, false);
    NJ_OWN r = bytes ? PyObject_CallMethod(c->stream, "write", "O", bytes) : NULL;
    return r ? 0 : -1;
}

static PyObject *
writer_write(PyObject *self, PyObject *text)
{
    return write_text(CODER(self), text) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
writer_writelines(PyObject *self, PyObject *lines)
{
    if (!PySequence_Check(lines)) {
        PyErr_SetString(PyExc_TypeError, "arg must be a sequence object");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PySequence_Length(lines); i++) {
        NJ_OWN line = PySequence_GetItem(lines, i);
        if (!line || write_text(CODER(self), line) < 0) {
            return NULL;
        }
    }
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *
writer_reset(PyObject *self, PyObject *ignored)
{
    Coder *c = CODER(self);
    NJ_OWN nothing = Py_GetConstant(Py_CONSTANT_EMPTY_STR);
    NJ_OWN bytes = encode_more(c, nothing, true);
    if (!bytes) {
        return NULL;
    }
    mbc_start(c->codec->t, &c->shift);
    if (PyBytes_GET_SIZE(bytes) > 0) {
        NJ_OWN r = PyObject_CallMethod(c->stream, "write", "O", bytes);
        if (!r) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef writer_methods[] = {
    {"write", writer_write, METH_O, PyDoc_STR("write($self, strobj, /)\n--\n\n")},
    {"writelines", writer_writelines, METH_O, PyDoc_STR("writelines($self, lines, /)\n--\n\n")},
    {"reset", writer_reset, METH_NOARGS, PyDoc_STR("reset($self, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

/* ---------------------------------------------------------------- types */

#define CODER_TYPE(var, type_name, new_func, method_table, member_slot)                \
    static PyType_Slot var##_slots[] = {                                               \
        {Py_tp_new, new_func},                                                         \
        {Py_tp_init, coder_init},                                                      \
        {Py_tp_dealloc, coder_dealloc},                                                \
        {Py_tp_traverse, coder_traverse},                                              \
        {Py_tp_getattro, PyObject_GenericGetAttr},                                     \
        {Py_tp_methods, method_table},                                                 \
        {Py_tp_getset, coder_getset},                                                  \
        member_slot{0, NULL},                                                          \
    };                                                                                 \
    PyType_Spec var##_spec = {                                                         \
        .name = "_multibytecodec." type_name,                                          \
        .basicsize = sizeof(Coder),                                                    \
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC         \
                 | Py_TPFLAGS_IMMUTABLETYPE,                                           \
        .slots = var##_slots,                                                          \
    };
#define NO_MEMBERS
#define WITH_STREAM {Py_tp_members, stream_members},

CODER_TYPE(mbc_encoder, "MultibyteIncrementalEncoder", new_encoder, encoder_methods, NO_MEMBERS)
CODER_TYPE(mbc_decoder, "MultibyteIncrementalDecoder", new_decoder, decoder_methods, NO_MEMBERS)
CODER_TYPE(mbc_reader, "MultibyteStreamReader", new_reader, reader_methods, WITH_STREAM)
CODER_TYPE(mbc_writer, "MultibyteStreamWriter", new_writer, writer_methods, WITH_STREAM)

/* textio.c - IncrementalNewlineDecoder and io.TextIOWrapper.
 *
 * Reading: chunks of bytes from buffer.read1 go through the decoder; decoded text that was
 * not yet handed out waits in decoded[used..]. Before each chunk the decoder's state and
 * the chunk itself are kept as a snapshot, from which tell() reconstructs a cookie (byte
 * position, decoder flags, bytes and characters to skip) and seek() restores it. Writing:
 * encoded text collects in pending until a chunk is full. The cookie format and the
 * algorithms are those of Lib/_pyio.py.
 * SPDX-License-Identifier: MIT
 */
#include "modules/io/io_int.h"
#include "runtime/codecs.h"

#include <langinfo.h>
#include <stddef.h>

/* ---- IncrementalNewlineDecoder ---------------------------------------------------------- */

enum { SEEN_CR = 1, SEEN_LF = 2, SEEN_CRLF = 4 };

typedef struct NewlineDecoder {
    PyObject_HEAD
    PyObject *decoder; /* the wrapped decoder, or None */
    PyObject *errors;
    bool pendingcr;
    bool translate;
    unsigned char seen;
} NewlineDecoder;

static int
nldecoder_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"decoder", "translate", "errors", NULL};
    static const NjParams params = {"IncrementalNewlineDecoder", names, 3, 2, 0};
    NewlineDecoder *self = (NewlineDecoder *)op;
    PyObject *a[3];
    if (nj_args_bind_tuple(&params, args, kwds, a) < 0) {
        return -1;
    }
    int translate = PyObject_IsTrue(a[1]);
    if (translate < 0) {
        return -1;
    }
    Py_XSETREF(self->decoder, Py_NewRef(a[0]));
    Py_XSETREF(self->errors, a[2] ? Py_NewRef(a[2]) : Py_NewRef(NJ_ID(strict)));
    self->translate = translate;
    self->seen = 0;
    self->pendingcr = false;
    return 0;
}

static int
nldecoder_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((NewlineDecoder *)op)->decoder);
    Py_VISIT(((NewlineDecoder *)op)->errors);
    return 0;
}

static int
nldecoder_clear(PyObject *op)
{
    Py_CLEAR(((NewlineDecoder *)op)->decoder);
    Py_CLEAR(((NewlineDecoder *)op)->errors);
    return 0;
}

static void
nldecoder_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    nldecoder_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static int
check_decoded(PyObject *decoded)
{
    if (!PyUnicode_Check(decoded)) {
        PyErr_Format(PyExc_TypeError, "decoder should return a string result, not '%.200s'",
                     Py_TYPE(decoded)->tp_name);
        return -1;
    }
    return 0;
}

/* Notes the line ends of text in *seen; with translate returns the text with all of them
 * as \n. New reference. */
static PyObject *
scan_newlines(PyObject *text, bool translate, unsigned char *seen)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    int kind = (int)PyUnicode_KIND(text);
    const void *data = PyUnicode_DATA(text);
    if (kind == 1 && !memchr(data, '\r', (size_t)n)) {
        if (!(*seen & SEEN_LF) && memchr(data, '\n', (size_t)n)) {
            *seen |= SEEN_LF;
        }
        return Py_NewRef(text);
    }
    Py_ssize_t crlf = 0;
    bool cr = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c == '\n') {
            *seen |= SEEN_LF;
        } else if (c == '\r') {
            if (i + 1 < n && PyUnicode_READ(kind, data, i + 1) == '\n') {
                *seen |= SEEN_CRLF;
                crlf++;
                i++;
            } else {
                *seen |= SEEN_CR;
                cr = true;
            }
        }
    }
    if (!translate || (!cr && !crlf)) {
        return Py_NewRef(text);
    }
    PyObject *out = PyUnicode_New(n - crlf, PyUnicode_MAX_CHAR_VALUE(text));
    if (!out) {
        return NULL;
    }
    int okind = (int)PyUnicode_KIND(out);
    void *odata = PyUnicode_DATA(out);
    Py_ssize_t j = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c == '\r') {
            c = '\n';
            if (i + 1 < n && PyUnicode_READ(kind, data, i + 1) == '\n') {
                i++;
            }
        }
        PyUnicode_WRITE(okind, odata, j, c);
        j++;
    }
    return out;
}

PyObject *
nj_nldecoder_decode(PyObject *op, PyObject *input, int final)
{
    NewlineDecoder *self = (NewlineDecoder *)op;
    if (!self->decoder) {
        PyErr_SetString(PyExc_ValueError,
                        "IncrementalNewlineDecoder.__init__() not called");
        return NULL;
    }
    NJ_OWN text = NULL;
    if (self->decoder != Py_None) {
        PyObject *args[3] = {self->decoder, input, final ? Py_True : Py_False};
        text = PyObject_VectorcallMethod(NJ_ID(decode), args, 3, NULL);
    } else {
        text = Py_NewRef(input);
    }
    if (!text || check_decoded(text) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (self->pendingcr && (final || n > 0)) {
        NJ_OWN cr = PyUnicode_FromOrdinal('\r');
        NJ_SET(text, cr ? PyUnicode_Concat(cr, text) : NULL);
        if (!text) {
            return NULL;
        }
        self->pendingcr = false;
        n++;
    }
    /* a \r at the end may be half of \r\n */
    if (!final && n > 0 && PyUnicode_READ_CHAR(text, n - 1) == '\r') {
        NJ_SET(text, PyUnicode_Substring(text, 0, n - 1));
        if (!text) {
            return NULL;
        }
        self->pendingcr = true;
        n--;
    }
    return n == 0 ? NJ_TAKE(text) : scan_newlines(text, self->translate, &self->seen);
}

static PyObject *
nldecoder_decode(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"input", "final", NULL};
    static const NjParams params = {"decode", names, 2, 1, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int final = a[1] ? PyObject_IsTrue(a[1]) : 0;
    return final < 0 ? NULL : nj_nldecoder_decode(op, a[0], final);
}

static int
check_nldecoder(NewlineDecoder *self)
{
    if (!self->decoder) {
        PyErr_SetString(PyExc_ValueError,
                        "IncrementalNewlineDecoder.__init__() not called");
        return -1;
    }
    return 0;
}

static PyObject *
nldecoder_getstate(PyObject *op, PyObject *Py_UNUSED(i))
{
    NewlineDecoder *self = (NewlineDecoder *)op;
    if (check_nldecoder(self) < 0) {
        return NULL;
    }
    NJ_OWN buffer = NULL;
    unsigned long long flag = 0;
    if (self->decoder != Py_None) {
        NJ_OWN state = PyObject_CallMethodNoArgs(self->decoder, NJ_ID(getstate));
        if (!state) {
            return NULL;
        }
        if (!PyTuple_Check(state)) {
            PyErr_SetString(PyExc_TypeError, "illegal decoder state");
            return NULL;
        }
        PyObject *b;
        if (!PyArg_ParseTuple(state, "OK;illegal decoder state", &b, &flag)) {
            return NULL;
        }
        buffer = Py_NewRef(b);
    } else {
        buffer = PyBytes_FromStringAndSize(NULL, 0);
    }
    flag = (flag << 1) | self->pendingcr;
    return buffer ? Py_BuildValue("(OK)", buffer, flag) : NULL;
}

static PyObject *
nldecoder_setstate(PyObject *op, PyObject *state)
{
    NewlineDecoder *self = (NewlineDecoder *)op;
    PyObject *buffer;
    unsigned long long flag;
    if (check_nldecoder(self) < 0) {
        return NULL;
    }
    if (!PyTuple_Check(state)) {
        PyErr_SetString(PyExc_TypeError, "state argument must be a tuple");
        return NULL;
    }
    if (!PyArg_ParseTuple(state, "OK;setstate(): illegal state argument", &buffer, &flag)) {
        return NULL;
    }
    self->pendingcr = flag & 1;
    flag >>= 1;
    if (self->decoder == Py_None) {
        Py_RETURN_NONE;
    }
    return PyObject_CallMethod(self->decoder, "setstate", "((OK))", buffer, flag);
}

static PyObject *
nldecoder_reset(PyObject *op, PyObject *Py_UNUSED(i))
{
    NewlineDecoder *self = (NewlineDecoder *)op;
    if (check_nldecoder(self) < 0) {
        return NULL;
    }
    self->seen = 0;
    self->pendingcr = false;
    return self->decoder == Py_None ? Py_NewRef(Py_None)
                                    : PyObject_CallMethodNoArgs(self->decoder,
                                                                NJ_ID(reset));
}

static PyObject *
nldecoder_newlines_get(PyObject *op, void *Py_UNUSED(c))
{
    NewlineDecoder *self = (NewlineDecoder *)op;
    if (check_nldecoder(self) < 0) {
        return NULL;
    }
    static const char *const text[] = {"\r", "\n", "\r\n"};
    static const int bits[] = {SEEN_CR, SEEN_LF, SEEN_CRLF};
    const char *found[3];
    int n = 0;
    for (int i = 0; i < 3; i++) {
        if (self->seen & bits[i]) {
            found[n++] = text[i];
        }
    }
    return n == 0   ? Py_NewRef(Py_None)
           : n == 1 ? PyUnicode_FromString(found[0])
           : n == 2 ? Py_BuildValue("ss", found[0], found[1])
                    : Py_BuildValue("sss", found[0], found[1], found[2]);
}

static PyMethodDef nldecoder_methods[] = {
    {"decode", (PyCFunction)(void (*)(void))nldecoder_decode, METH_FASTCALL | METH_KEYWORDS,
     "decode($self, /, input, final=False)\n--\n\nDecode input, with newlines translated."},
    {"getstate", nldecoder_getstate, METH_NOARGS, "getstate($self, /)\n--\n\n"},
    {"setstate", nldecoder_setstate, METH_O, "setstate($self, state, /)\n--\n\n"},
    {"reset", nldecoder_reset, METH_NOARGS, "reset($self, /)\n--\n\n"},
    {0},
};

static PyGetSetDef nldecoder_getset[] = {
    {"newlines", nldecoder_newlines_get, NULL, NULL, NULL},
    {0},
};

static PyType_Slot nldecoder_slots[] = {
    {Py_tp_dealloc, nldecoder_dealloc},
    {Py_tp_doc, "IncrementalNewlineDecoder(decoder, translate, errors='strict')\n--\n\n"
                "Wraps a decoder and translates its line ends to \\n."},
    {Py_tp_traverse, nldecoder_traverse},
    {Py_tp_clear, nldecoder_clear},
    {Py_tp_methods, nldecoder_methods},
    {Py_tp_getset, nldecoder_getset},
    {Py_tp_init, nldecoder_init},
    {0, NULL},
};

PyType_Spec nj_nldecoder_spec = {
    .name = "_io.IncrementalNewlineDecoder",
    .basicsize = sizeof(NewlineDecoder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = nldecoder_slots,
};

/* ---- line ends ------------------------------------------------------------------------------ */

static Py_UCS4
read_char(int kind, const char *p)
{
    return kind == 1 ? *(const Py_UCS1 *)p
           : kind == 2 ? *(const Py_UCS2 *)p
                       : *(const Py_UCS4 *)p;
}

/* The first c in [s, end), or NULL. */
static const char *
find_char(int kind, const char *s, const char *end, Py_UCS4 c)
{
    if (kind == 1) {
        return s < end ? memchr(s, (int)c, (size_t)(end - s)) : NULL;
    }
    for (; s < end; s += kind) {
        if (read_char(kind, s) == c) {
            return s;
        }
    }
    return NULL;
}

/* The length in characters of the first line of [start, end), its end included; -1 when no
 * line end is there, with *consumed the characters that need not be looked at again. */
Py_ssize_t
nj_io_find_line_ending(int translated, int universal, PyObject *readnl, int kind,
                       const char *start, const char *end, Py_ssize_t *consumed)
{
    Py_ssize_t len = (end - start) / kind;
    if (translated) {
        const char *p = find_char(kind, start, end, '\n');
        if (p) {
            return (p - start) / kind + 1;
        }
        *consumed = len;
        return -1;
    }
    if (universal) {
        for (const char *s = start; s < end; s += kind) {
            Py_UCS4 c = read_char(kind, s);
            if (c == '\n') {
                return (s - start) / kind + 1;
            }
            if (c == '\r') {
                bool two = s + kind < end && read_char(kind, s + kind) == '\n';
                return (s - start) / kind + (two ? 2 : 1);
            }
        }
        *consumed = len;
        return -1;
    }
    Py_ssize_t nl_len = PyUnicode_GET_LENGTH(readnl);
    Py_UCS4 first = PyUnicode_READ_CHAR(readnl, 0);
    if (nl_len == 1) {
        const char *p = find_char(kind, start, end, first);
        if (p) {
            return (p - start) / kind + 1;
        }
        *consumed = len;
        return -1;
    }
    for (const char *s = start; (s = find_char(kind, s, end, first)); s += kind) {
        if (s + kind >= end) {
            break;
        }
        if (read_char(kind, s + kind) == PyUnicode_READ_CHAR(readnl, 1)) {
            return (s - start) / kind + 2;
        }
    }
    /* the last character may begin a line end */
    *consumed = len > 0 && read_char(kind, end - kind) == first ? len - 1 : len;
    return -1;
}

/* ---- TextIOWrapper --------------------------------------------------------------------------- */

typedef PyObject *(*EncodeFunc)(PyObject *text, const char *errors);

typedef struct TextIO {
    NjIoBase base;
    bool ok, detached;
    Py_ssize_t chunk_size;
    PyObject *buffer;
    PyObject *encoding;
    PyObject *encoder, *decoder;
    PyObject *readnl;
    PyObject *errors;
    const char *writenl; /* "\r", "\r\n" or NULL for \n */
    char line_buffering, write_through, finalizing;
    bool readuniversal, readtranslate, writetranslate;
    bool seekable, has_read1, telling;
    EncodeFunc encodefunc; /* shortcut past the encoder, or NULL */
    bool starts_stream;    /* the next encode is at position 0 (BOM) */
    PyObject *decoded;     /* text not yet handed out, or NULL */
    Py_ssize_t used;       /* characters of decoded handed out */
    PyObject *pending;     /* list of bytes and ASCII str to write, or NULL */
    Py_ssize_t pending_bytes;
    PyObject *snap_flags;  /* decoder flags before the last chunk, or NULL: no snapshot */
    PyObject *snap_input;  /* that chunk, with what the decoder had buffered */
    double ratio;          /* bytes per character of the last chunk */
} TextIO;

static int
check_attached(TextIO *self)
{
    if (!self->ok) {
        PyErr_SetString(PyExc_ValueError, self->detached
                                              ? "underlying buffer has been detached"
                                              : "I/O operation on uninitialized object");
        return -1;
    }
    return 0;
}

static int
check_open(TextIO *self)
{
    if (check_attached(self) < 0) {
        return -1;
    }
    NJ_OWN v = PyObject_GetAttr((PyObject *)self, NJ_ID(closed));
    int closed = v ? PyObject_IsTrue(v) : -1;
    if (closed > 0) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    }
    return closed ? -1 : 0;
}

static void
drop_decoded(TextIO *self)
{
    Py_CLEAR(self->decoded);
    self->used = 0;
}

static void
drop_snapshot(TextIO *self)
{
    Py_CLEAR(self->snap_flags);
    Py_CLEAR(self->snap_input);
}

/* Steals text (may be NULL). */
static void
set_decoded_steal(TextIO *self, PyObject *text)
{
    Py_XSETREF(self->decoded, text);
    self->used = 0;
}

static const char *
errors_text(TextIO *self)
{
    return PyUnicode_AsUTF8(self->errors);
}

static PyObject *
encode_utf8(PyObject *text, const char *errors)
{
    return PyUnicode_AsEncodedString(text, "utf-8", errors);
}

static PyObject *
encode_latin1(PyObject *text, const char *errors)
{
    return PyUnicode_AsEncodedString(text, "latin-1", errors);
}

static PyObject *
encode_ascii(PyObject *text, const char *errors)
{
    return PyUnicode_AsEncodedString(text, "ascii", errors);
}

static EncodeFunc
encode_shortcut(const char *name)
{
    static const struct {
        const char *name;
        EncodeFunc func;
    } table[] = {{"utf-8", encode_utf8},
                 {"iso8859-1", encode_latin1},
                 {"latin-1", encode_latin1},
                 {"ascii", encode_ascii}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(table); i++) {
        if (strcmp(name, table[i].name) == 0) {
            return table[i].func;
        }
    }
    return NULL;
}

/* Sets newline behaviour from NULL (None), "", "\n", "\r" or "\r\n". 0/-1. */
static int
set_newline(TextIO *self, const char *newline)
{
    PyObject *nl = NULL;
    if (newline) {
        nl = PyUnicode_FromString(newline);
        if (!nl) {
            return -1;
        }
    }
    Py_XSETREF(self->readnl, nl);
    self->readuniversal = !newline || !newline[0];
    self->readtranslate = !newline;
    self->writetranslate = !newline || newline[0];
    self->writenl = self->readuniversal || strcmp(newline, "\n") == 0 ? NULL
                    : strcmp(newline, "\r") == 0                      ? "\r"
                                                                      : "\r\n";
    return 0;
}

static int
check_newline(const char *newline)
{
    if (newline && newline[0] && strcmp(newline, "\n") && strcmp(newline, "\r") &&
        strcmp(newline, "\r\n")) {
        PyErr_Format(PyExc_ValueError, "illegal newline value: %s", newline);
        return -1;
    }
    return 0;
}

/* codecs.lookup(encoding), refused unless it is a text encoding. */
static PyObject *
lookup_codec(const char *encoding)
{
    NJ_OWN info = nj_codec_lookup(encoding);
    if (!info) {
        return NULL;
    }
    if (!PyTuple_CheckExact(info)) {
        NJ_OWN is_text = NULL;
        if (PyObject_GetOptionalAttr(info, NJ_ID(_is_text_encoding), &is_text) < 0) {
            return NULL;
        }
        int yes = is_text ? PyObject_IsTrue(is_text) : 1;
        if (yes < 0) {
            return NULL;
        }
        if (!yes) {
            PyErr_Format(PyExc_LookupError,
                         "'%.400s' is not a text encoding", encoding);
            return NULL;
        }
    }
    return NJ_TAKE(info);
}

/* In development mode an unknown error handler is refused at once; otherwise when first
 * needed. 0/-1. */
static int
check_error_handler(PyObject *errors)
{
    const char *name = PyUnicode_AsUTF8(errors);
    if (!name) {
        return -1;
    }
    PyObject *flags = PySys_GetObject("flags");
    NJ_OWN dev = flags ? PyObject_GetAttrString(flags, "dev_mode") : NULL;
    if (!dev) {
        PyErr_Clear();
    }
    if (dev != Py_True) {
        return 0;
    }
    NJ_OWN handler = PyCodec_LookupError(name);
    return handler ? 0 : -1;
}

static PyObject *
make_coder(PyObject *info, const char *attr, PyObject *errors)
{
    NJ_OWN factory = PyObject_GetAttrString(info, attr);
    return factory ? PyObject_CallFunctionObjArgs(factory, errors, NULL) : NULL;
}

static int
set_decoder(TextIO *self, PyObject *info)
{
    NJ_OWN able = PyObject_CallMethodNoArgs(self->buffer, NJ_ID(readable));
    int r = able ? PyObject_IsTrue(able) : -1;
    if (r <= 0) {
        return r;
    }
    NJ_OWN decoder = make_coder(info, "incrementaldecoder", self->errors);
    if (!decoder) {
        return -1;
    }
    if (self->readuniversal) {
        NjIoState *st = nj_io_state_of((PyObject *)self);
        NJ_SET(decoder, st ? PyObject_CallFunctionObjArgs(
                                 (PyObject *)st->nldecoder, decoder,
                                 self->readtranslate ? Py_True : Py_False, NULL)
                           : NULL);
        if (!decoder) {
            return -1;
        }
    }
    Py_XSETREF(self->decoder, NJ_TAKE(decoder));
    return 0;
}

static int
set_encoder(TextIO *self, PyObject *info)
{
    NJ_OWN able = PyObject_CallMethodNoArgs(self->buffer, NJ_ID(writable));
    int r = able ? PyObject_IsTrue(able) : -1;
    if (r <= 0) {
        return r;
    }
    Py_CLEAR(self->encoder);
    self->encodefunc = NULL;
    self->encoder = make_coder(info, "incrementalencoder", self->errors);
    if (!self->encoder) {
        return -1;
    }
    NJ_OWN name = NULL;
    if (PyObject_GetOptionalAttr(info, NJ_ID(name), &name) < 0) {
        return -1;
    }
    if (name && PyUnicode_Check(name)) {
        const char *s = PyUnicode_AsUTF8(name);
        if (!s) {
            return -1;
        }
        self->encodefunc = encode_shortcut(s);
    }
    return 0;
}

/* At a position other than 0 no BOM is to be written. */
static int
fix_encoder_state(TextIO *self)
{
    if (!self->seekable || !self->encoder) {
        return 0;
    }
    self->starts_stream = true;
    NJ_OWN pos = PyObject_CallMethodNoArgs(self->buffer, NJ_ID(tell));
    if (!pos) {
        return -1;
    }
    int at_start = PyObject_Not(pos);
    if (at_start < 0) {
        return -1;
    }
    if (!at_start) {
        self->starts_stream = false;
        NJ_OWN r = PyObject_CallMethod(self->encoder, "setstate", "i", 0);
        return r ? 0 : -1;
    }
    return 0;
}

static int
optional_text(PyObject *arg, const char *display, const char **out)
{
    *out = NULL;
    if (!arg || arg == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(arg)) {
        _PyArg_BadArgument("TextIOWrapper", display, "str or None", arg);
        return -1;
    }
    Py_ssize_t n;
    *out = PyUnicode_AsUTF8AndSize(arg, &n);
    if (*out && strlen(*out) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    return *out ? 0 : -1;
}

/* The encoding that None and "locale" stand for. New reference. */
static PyObject *
default_encoding(PyObject *encoding)
{
    if (encoding == Py_None) {
        PyObject *flags = PySys_GetObject("flags");
        NJ_OWN warn = flags ? PyObject_GetAttrString(flags, "warn_default_encoding") : NULL;
        if (!warn) {
            PyErr_Clear();
        } else if (PyObject_IsTrue(warn) == 1 &&
                   PyErr_WarnEx(PyExc_EncodingWarning, "'encoding' argument not specified",
                                1) < 0) {
            return NULL;
        }
        NJ_OWN utf8 = flags ? PyObject_GetAttrString(flags, "utf8_mode") : NULL;
        if (!utf8) {
            PyErr_Clear();
        } else if (PyObject_IsTrue(utf8) == 1) {
            return PyUnicode_FromString("utf-8");
        }
    } else if (!PyUnicode_EqualToUTF8(encoding, "locale")) {
        return Py_NewRef(encoding);
    }
    /* as _locale.getencoding(), which at shutdown cannot be imported any more */
    const char *codeset = nl_langinfo(CODESET);
    return PyUnicode_FromString(codeset && *codeset ? codeset : "utf-8");
}

static int
textio_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"buffer",         "encoding",      "errors", "newline",
                                        "line_buffering", "write_through", NULL};
    static const NjParams params = {"TextIOWrapper", names, 6, 1, 0};
    TextIO *self = (TextIO *)op;
    PyObject *a[6];
    const char *encoding, *newline;
    self->ok = false;
    self->detached = false;
    if (nj_args_bind_tuple(&params, args, kwds, a) < 0 ||
        optional_text(a[1], "argument 'encoding'", &encoding) < 0 ||
        optional_text(a[3], "argument 'newline'", &newline) < 0) {
        return -1;
    }
    int line_buffering = a[4] ? PyObject_IsTrue(a[4]) : 0;
    int write_through = a[5] ? PyObject_IsTrue(a[5]) : 0;
    if (line_buffering < 0 || write_through < 0) {
        return -1;
    }
    PyObject *errors = a[2];
    if (!errors || errors == Py_None) {
        errors = NJ_ID(strict);
    } else if (!PyUnicode_Check(errors)) {
        PyErr_Format(PyExc_TypeError,
                     "TextIOWrapper() argument 'errors' must be str or None, not %.50s",
                     Py_TYPE(errors)->tp_name);
        return -1;
    }
    Py_ssize_t errors_size;
    const char *errors_name = PyUnicode_AsUTF8AndSize(errors, &errors_size);
    if (!errors_name) {
        return -1;
    }
    if (strlen(errors_name) != (size_t)errors_size) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    if (check_newline(newline) < 0) {
        return -1;
    }
    PyObject *buffer = a[0];
    Py_CLEAR(self->buffer);
    Py_CLEAR(self->encoding);
    Py_CLEAR(self->encoder);
    Py_CLEAR(self->decoder);
    Py_CLEAR(self->pending);
    drop_decoded(self);
    drop_snapshot(self);
    self->pending_bytes = 0;
    self->encodefunc = NULL;
    self->ratio = 0.0;
    self->encoding = default_encoding(a[1] ? a[1] : Py_None);
    if (!self->encoding) {
        return -1;
    }
    const char *name = PyUnicode_AsUTF8(self->encoding);
    NJ_OWN info = name ? lookup_codec(name) : NULL;
    if (!info) {
        return -1;
    }
    if (check_error_handler(errors) < 0) {
        return -1;
    }
    Py_XSETREF(self->errors, Py_NewRef(errors));
    self->chunk_size = 8192;
    self->line_buffering = (char)line_buffering;
    self->write_through = (char)write_through;
    if (set_newline(self, newline) < 0) {
        return -1;
    }
    self->buffer = Py_NewRef(buffer);
    if (set_decoder(self, info) < 0 || set_encoder(self, info) < 0) {
        return -1;
    }
    NJ_OWN able = PyObject_CallMethodNoArgs(buffer, NJ_ID(seekable));
    int seekable = able ? PyObject_IsTrue(able) : -1;
    if (seekable < 0) {
        return -1;
    }
    self->seekable = self->telling = seekable;
    int has_read1 = PyObject_HasAttrWithError(buffer, NJ_ID(read1));
    if (has_read1 < 0) {
        return -1;
    }
    self->has_read1 = has_read1;
    self->starts_stream = false;
    if (fix_encoder_state(self) < 0) {
        return -1;
    }
    self->ok = true;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* Joins pending and hands it to the buffer. 0/-1. */
static int
flush_pending(TextIO *self)
{
    if (!self->pending) {
        return 0;
    }
    NJ_OWN pending = self->pending;
    Py_ssize_t size = self->pending_bytes;
    self->pending = NULL;
    self->pending_bytes = 0;
    NJ_OWN b = NULL;
    if (PyList_GET_SIZE(pending) == 1 && PyBytes_Check(PyList_GET_ITEM(pending, 0))) {
        b = Py_NewRef(PyList_GET_ITEM(pending, 0));
    } else {
        b = PyBytes_FromStringAndSize(NULL, size);
        if (!b) {
            return -1;
        }
        char *p = PyBytes_AS_STRING(b);
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pending); i++) {
            PyObject *part = PyList_GET_ITEM(pending, i);
            bool text = PyUnicode_Check(part);
            Py_ssize_t n = text ? PyUnicode_GET_LENGTH(part) : PyBytes_GET_SIZE(part);
            memcpy(p, text ? PyUnicode_DATA(part) : PyBytes_AS_STRING(part), (size_t)n);
            p += n;
        }
    }
    for (;;) {
        NJ_OWN r = PyObject_CallMethodOneArg(self->buffer, NJ_ID(write), b);
        if (r) {
            return 0;
        }
        if (nj_io_interrupted() <= 0) {
            return -1;
        }
    }
}

static PyObject *
textio_write(PyObject *op, PyObject *arg)
{
    TextIO *self = (TextIO *)op;
    if (!PyUnicode_Check(arg)) {
        if (check_attached(self) < 0) {
            return NULL;
        }
        PyErr_Format(PyExc_TypeError, "write() argument must be str, not %.50s",
                     arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
        return NULL;
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    if (!self->encoder) {
        NjIoState *st = nj_io_state_of(op);
        return st ? nj_io_unsupported(st, "not writable") : NULL;
    }
    Py_ssize_t length = PyUnicode_GET_LENGTH(arg);
    bool has_lf = false, flush = self->write_through;
    if (self->writetranslate || self->line_buffering) {
        has_lf = PyUnicode_FindChar(arg, '\n', 0, length, 1) >= 0;
    }
    NJ_OWN text = NULL;
    if (has_lf && self->writetranslate && self->writenl) {
        NJ_OWN lf = PyUnicode_FromOrdinal('\n');
        NJ_OWN nl = PyUnicode_FromString(self->writenl);
        text = lf && nl ? PyUnicode_Replace(arg, lf, nl, -1) : NULL;
        if (!text) {
            return NULL;
        }
    } else {
        text = Py_NewRef(arg);
    }
    bool line_flush = self->line_buffering &&
                      (has_lf || PyUnicode_FindChar(arg, '\r', 0, length, 1) >= 0);
    NJ_OWN b = NULL;
    Py_ssize_t size;
    if (self->encodefunc && PyUnicode_IS_ASCII(text)) {
        b = Py_NewRef(text); /* its characters are its bytes */
        size = PyUnicode_GET_LENGTH(text);
        self->starts_stream = false;
    } else {
        if (self->encodefunc) {
            b = self->encodefunc(text, errors_text(self));
            self->starts_stream = false;
        } else {
            b = PyObject_CallMethodOneArg(self->encoder, NJ_ID(encode), text);
        }
        if (!b) {
            return NULL;
        }
        if (!PyBytes_Check(b)) {
            PyErr_Format(PyExc_TypeError, "encoder should return a bytes object, not '%.200s'",
                         Py_TYPE(b)->tp_name);
            return NULL;
        }
        size = PyBytes_GET_SIZE(b);
    }
    /* encoding may have run Python code that detached or closed us */
    if (check_attached(self) < 0) {
        return NULL;
    }
    /* again, if writing made somebody write to us */
    while (self->pending && self->pending_bytes + size > self->chunk_size) {
        if (flush_pending(self) < 0) {
            return NULL;
        }
    }
    if (!self->pending) {
        self->pending = PyList_New(0);
        if (!self->pending) {
            return NULL;
        }
    }
    if (PyList_Append(self->pending, b) < 0) {
        return NULL;
    }
    self->pending_bytes += size;
    if ((self->pending_bytes >= self->chunk_size || flush || line_flush) &&
        flush_pending(self) < 0) {
        return NULL;
    }
    if (line_flush) {
        NJ_OWN r = PyObject_CallMethodNoArgs(self->buffer, NJ_ID(flush));
        if (!r) {
            return NULL;
        }
    }
    if (self->snap_flags) { /* else not seekable: what was read ahead is still to come */
        drop_decoded(self);
        drop_snapshot(self);
        if (self->decoder) {
            NJ_OWN r = PyObject_CallMethodNoArgs(self->decoder, NJ_ID(reset));
            if (!r) {
                return NULL;
            }
        }
    }
    return PyLong_FromSsize_t(length);
}

/* ---- reading -------------------------------------------------------------------------------- */

static PyObject *
decode_with(TextIO *self, PyObject *input, bool final)
{
    NjIoState *st = nj_io_state_of((PyObject *)self);
    if (!st) {
        return NULL;
    }
    PyObject *text;
    if (Py_IS_TYPE(self->decoder, st->nldecoder)) {
        text = nj_nldecoder_decode(self->decoder, input, final);
    } else {
        PyObject *args[3] = {self->decoder, input, final ? Py_True : Py_False};
        text = PyObject_VectorcallMethod(NJ_ID(decode), args, 3, NULL);
    }
    if (text && check_decoded(text) < 0) {
        Py_CLEAR(text);
    }
    return text;
}

/* Splits a decoder state into borrowed bytes and flags. */
static int
decoder_state(TextIO *self, PyObject **state, PyObject **buffered, PyObject **flags)
{
    *state = PyObject_CallMethodNoArgs(self->decoder, NJ_ID(getstate));
    if (!*state) {
        return -1;
    }
    if (!PyTuple_Check(*state)) {
        PyErr_SetString(PyExc_TypeError, "illegal decoder state");
        Py_CLEAR(*state);
        return -1;
    }
    if (!PyArg_ParseTuple(*state, "OO;illegal decoder state", buffered, flags)) {
        Py_CLEAR(*state);
        return -1;
    }
    if (!PyBytes_Check(*buffered)) {
        PyErr_Format(PyExc_TypeError,
                     "illegal decoder state: the first item should be a bytes object, not "
                     "'%.200s'",
                     Py_TYPE(*buffered)->tp_name);
        Py_CLEAR(*state);
        return -1;
    }
    return 0;
}

/* Reads and decodes one chunk. 1 if there was something, 0 at EOF, -1. */
static int
read_chunk(TextIO *self, Py_ssize_t size_hint)
{
    if (!self->decoder) {
        NjIoState *st = nj_io_state_of((PyObject *)self);
        if (st) {
            nj_io_unsupported(st, "not readable");
        }
        return -1;
    }
    NJ_OWN state = NULL;
    PyObject *dec_buffer = NULL, *dec_flags = NULL;
    if (self->telling) {
        PyObject *s;
        if (decoder_state(self, &s, &dec_buffer, &dec_flags) < 0) {
            return -1;
        }
        state = s;
    }
    if (size_hint > 0) {
        size_hint = (Py_ssize_t)((self->ratio > 1.0 ? self->ratio : 1.0) * (double)size_hint);
    }
    NJ_OWN size = PyLong_FromSsize_t(self->chunk_size > size_hint ? self->chunk_size
                                                                  : size_hint);
    NJ_OWN input = size ? PyObject_CallMethodOneArg(
                              self->buffer, self->has_read1 ? NJ_ID(read1) : NJ_ID(read),
                              size)
                        : NULL;
    if (!input) {
        return -1;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(input, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError,
                     "underlying %s() should have returned a bytes-like object, not "
                     "'%.200s'",
                     self->has_read1 ? "read1" : "read", Py_TYPE(input)->tp_name);
        return -1;
    }
    Py_ssize_t nbytes = view.len;
    PyBuffer_Release(&view);
    bool eof = nbytes == 0;
    PyObject *text = decode_with(self, input, eof);
    if (!text) {
        return -1;
    }
    Py_ssize_t nchars = PyUnicode_GET_LENGTH(text);
    set_decoded_steal(self, text);
    self->ratio = nchars > 0 ? (double)nbytes / (double)nchars : 0.0;
    if (nchars > 0) {
        eof = false;
    }
    if (self->telling) {
        PyObject *next = PyBytes_GET_SIZE(dec_buffer) == 0 && PyBytes_Check(input)
                             ? Py_NewRef(input)
                             : NULL;
        if (!next) {
            next = Py_NewRef(dec_buffer);
            NJ_OWN in_bytes = PyBytes_FromObject(input);
            if (!in_bytes) {
                Py_DECREF(next);
                return -1;
            }
            PyBytes_Concat(&next, in_bytes);
            if (!next) {
                return -1;
            }
        }
        Py_XSETREF(self->snap_flags, Py_NewRef(dec_flags));
        Py_XSETREF(self->snap_input, next);
    }
    return !eof;
}

/* Up to n characters of decoded text; n < 0: all. */
static PyObject *
take_decoded(TextIO *self, Py_ssize_t n)
{
    if (!self->decoded) {
        return PyUnicode_FromStringAndSize(NULL, 0);
    }
    Py_ssize_t left = PyUnicode_GET_LENGTH(self->decoded) - self->used;
    if (n < 0 || n > left) {
        n = left;
    }
    PyObject *s = self->used > 0 || n < left
                      ? PyUnicode_Substring(self->decoded, self->used, self->used + n)
                      : Py_NewRef(self->decoded);
    if (s) {
        self->used += n;
    }
    return s;
}

static PyObject *
textio_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    TextIO *self = (TextIO *)op;
    Py_ssize_t n;
    if (!_PyArg_CheckPositional("read", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &n) < 0 || check_open(self) < 0) {
        return NULL;
    }
    if (!self->decoder) {
        NjIoState *st = nj_io_state_of(op);
        return st ? nj_io_unsupported(st, "not readable") : NULL;
    }
    if (flush_pending(self) < 0) {
        return NULL;
    }
    if (n < 0) {
        NJ_OWN bytes = PyObject_CallMethodNoArgs(self->buffer, NJ_ID(read));
        if (!bytes) {
            return NULL;
        }
        if (bytes == Py_None) {
            PyErr_SetString(PyExc_BlockingIOError, "Read returned None.");
            return NULL;
        }
        NJ_OWN rest = decode_with(self, bytes, true);
        if (!rest) {
            return NULL;
        }
        NJ_OWN have = take_decoded(self, -1);
        if (!have) {
            return NULL;
        }
        PyObject *all = PyUnicode_GET_LENGTH(have) == 0 ? NJ_TAKE(rest)
                                                        : PyUnicode_Concat(have, rest);
        if (all && (self->snap_flags || self->decoded)) {
            drop_decoded(self);
            drop_snapshot(self);
        }
        return all;
    }
    NJ_OWN result = take_decoded(self, n);
    if (!result) {
        return NULL;
    }
    Py_ssize_t left = n - PyUnicode_GET_LENGTH(result);
    NJ_OWN chunks = NULL;
    while (left > 0) {
        int r = read_chunk(self, left);
        if (r < 0) {
            if (nj_io_interrupted() > 0) {
                continue;
            }
            return NULL;
        }
        if (r == 0) {
            break;
        }
        if (!chunks) {
            chunks = PyList_New(0);
            if (!chunks) {
                return NULL;
            }
        }
        if (PyUnicode_GET_LENGTH(result) > 0 && PyList_Append(chunks, result) < 0) {
            return NULL;
        }
        NJ_SET(result, take_decoded(self, left));
        if (!result) {
            return NULL;
        }
        left -= PyUnicode_GET_LENGTH(result);
    }
    if (!chunks) {
        return NJ_TAKE(result);
    }
    if (PyList_Append(chunks, result) < 0) {
        return NULL;
    }
    NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
    return empty ? PyUnicode_Join(empty, chunks) : NULL;
}

static PyObject *
read_line(TextIO *self, Py_ssize_t limit)
{
    if (check_open(self) < 0 || flush_pending(self) < 0) {
        return NULL;
    }
    NJ_OWN chunks = NULL;    /* pieces of the line before rest */
    NJ_OWN remaining = NULL; /* undecided tail of the last chunk */
    Py_ssize_t total = 0;
    for (;;) {
        int r = 1;
        while (!self->decoded || PyUnicode_GET_LENGTH(self->decoded) == self->used) {
            r = read_chunk(self, 0);
            if (r < 0) {
                if (nj_io_interrupted() > 0) {
                    continue;
                }
                return NULL;
            }
            if (r == 0) {
                break;
            }
        }
        if (r == 0) {
            drop_decoded(self);
            drop_snapshot(self);
            break;
        }
        NJ_OWN line = NULL;
        Py_ssize_t start;
        if (remaining) {
            NJ_OWN tail = take_decoded(self, -1);
            line = tail ? PyUnicode_Concat(remaining, tail) : NULL;
            if (!line) {
                return NULL;
            }
            /* positions below are in line; offset maps them back to decoded */
            start = 0;
        } else {
            line = Py_NewRef(self->decoded);
            start = self->used;
        }
        Py_ssize_t offset = remaining ? PyUnicode_GET_LENGTH(remaining) : 0;
        Py_CLEAR(remaining);
        int kind = (int)PyUnicode_KIND(line);
        const char *data = PyUnicode_DATA(line);
        Py_ssize_t len = PyUnicode_GET_LENGTH(line), consumed = 0;
        Py_ssize_t found = nj_io_find_line_ending(
            self->readtranslate, self->readuniversal, self->readnl, kind,
            data + start * kind, data + len * kind, &consumed);
        Py_ssize_t end;
        if (found >= 0) {
            end = start + found;
            if (limit >= 0 && found + total > limit) {
                end = start + limit - total;
            }
        } else {
            end = start + consumed;
            if (limit >= 0 && total + consumed >= limit) {
                end = start + limit - total;
                found = 0;
            }
        }
        if (found >= 0) {
            /* the line is complete; what follows stays in decoded */
            PyObject *piece = PyUnicode_Substring(line, start, end);
            if (!piece) {
                return NULL;
            }
            self->used = end - offset;
            if (!chunks) {
                return piece;
            }
            int a = PyList_Append(chunks, piece);
            Py_DECREF(piece);
            if (a < 0) {
                return NULL;
            }
            NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
            return empty ? PyUnicode_Join(empty, chunks) : NULL;
        }
        if (end > start) {
            NJ_OWN piece = PyUnicode_Substring(line, start, end);
            if (!piece) {
                return NULL;
            }
            if (!chunks) {
                chunks = PyList_New(0);
                if (!chunks) {
                    return NULL;
                }
            }
            if (PyList_Append(chunks, piece) < 0) {
                return NULL;
            }
            total += end - start;
        }
        if (end < len) {
            remaining = PyUnicode_Substring(line, end, len);
            if (!remaining) {
                return NULL;
            }
        }
        drop_decoded(self);
    }
    if (remaining) {
        if (!chunks) {
            return NJ_TAKE(remaining);
        }
        if (PyList_Append(chunks, remaining) < 0) {
            return NULL;
        }
    }
    NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
    return !empty ? NULL : chunks ? PyUnicode_Join(empty, chunks) : NJ_TAKE(empty);
}

static PyObject *
textio_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t limit = -1;
    if (!_PyArg_CheckPositional("readline", nargs, 0, 1)) {
        return NULL;
    }
    if (nargs) {
        limit = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (limit == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    return read_line((TextIO *)op, limit);
}

static PyObject *
textio_iternext(PyObject *op)
{
    TextIO *self = (TextIO *)op;
    if (check_attached(self) < 0) {
        return NULL;
    }
    NjIoState *st = nj_io_state_of(op);
    if (!st) {
        return NULL;
    }
    self->telling = false;
    NJ_OWN line = NULL;
    if (Py_IS_TYPE(op, st->textio)) {
        line = read_line(self, -1);
    } else {
        line = PyObject_CallMethodNoArgs(op, NJ_ID(readline));
        if (line && !PyUnicode_Check(line)) {
            PyErr_Format(PyExc_OSError,
                         "readline() should have returned a str object, not '%.200s'",
                         Py_TYPE(line)->tp_name);
            return NULL;
        }
    }
    if (!line) {
        return NULL;
    }
    if (PyUnicode_GET_LENGTH(line) == 0) {
        drop_snapshot(self);
        self->telling = self->seekable;
        return NULL;
    }
    return NJ_TAKE(line);
}

/* ---- position -------------------------------------------------------------------------------- */

/* A cookie is one integer of five fields: start_pos (64 bits), dec_flags, bytes_to_feed,
 * chars_to_skip (32 bits each), need_eof (8 bits), little end first. */
typedef struct Cookie {
    off_t start_pos;
    int dec_flags, bytes_to_feed, chars_to_skip;
    char need_eof;
} Cookie;

#define COOKIE_BYTES 21

static PyObject *
pack_cookie(const Cookie *c)
{
    unsigned char b[COOKIE_BYTES];
    memcpy(b, &c->start_pos, 8);
    memcpy(b + 8, &c->dec_flags, 4);
    memcpy(b + 12, &c->bytes_to_feed, 4);
    memcpy(b + 16, &c->chars_to_skip, 4);
    b[20] = (unsigned char)c->need_eof;
    return PyLong_FromUnsignedNativeBytes(b, COOKIE_BYTES,
                                          Py_ASNATIVEBYTES_LITTLE_ENDIAN);
}

static int
unpack_cookie(PyObject *obj, Cookie *c)
{
    unsigned char b[COOKIE_BYTES] = {0};
    NJ_OWN index = PyNumber_Index(obj);
    if (!index) {
        return -1;
    }
    Py_ssize_t n = PyLong_AsNativeBytes(index, b, COOKIE_BYTES,
                                        Py_ASNATIVEBYTES_LITTLE_ENDIAN |
                                            Py_ASNATIVEBYTES_UNSIGNED_BUFFER);
    if (n < 0) {
        return -1;
    }
    if (n > COOKIE_BYTES) {
        PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        return -1;
    }
    memcpy(&c->start_pos, b, 8);
    memcpy(&c->dec_flags, b + 8, 4);
    memcpy(&c->bytes_to_feed, b + 12, 4);
    memcpy(&c->chars_to_skip, b + 16, 4);
    c->need_eof = (char)b[20];
    return 0;
}

static int
decoder_set(TextIO *self, const Cookie *c)
{
    NJ_OWN r = NULL;
    if (c->start_pos == 0 && c->dec_flags == 0) {
        r = PyObject_CallMethodNoArgs(self->decoder, NJ_ID(reset));
    } else {
        r = PyObject_CallMethod(self->decoder, "setstate", "((yi))", "", c->dec_flags);
    }
    return r ? 0 : -1;
}

static int
encoder_reset(TextIO *self, bool at_start)
{
    if (!self->encoder) {
        return 0;
    }
    NJ_OWN r = at_start ? PyObject_CallMethodNoArgs(self->encoder, NJ_ID(reset))
                        : PyObject_CallMethod(self->encoder, "setstate", "i", 0);
    self->starts_stream = at_start;
    return r ? 0 : -1;
}

static PyObject *
raise_whence(int whence)
{
    PyErr_Format(PyExc_ValueError, "invalid whence (%d, should be 0, 1 or 2)", whence);
    return NULL;
}

static PyObject *
textio_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    TextIO *self = (TextIO *)op;
    int whence = 0;
    if (!_PyArg_CheckPositional("seek", nargs, 1, 2)) {
        return NULL;
    }
    if (nargs > 1) {
        whence = PyLong_AsInt(args[1]);
        if (whence == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    NjIoState *st = nj_io_state_of(op);
    if (!st) {
        return NULL;
    }
    if (!self->seekable) {
        return nj_io_unsupported(st, "underlying stream is not seekable");
    }
    NJ_OWN target = Py_NewRef(args[0]);
    NJ_OWN zero = PyLong_FromLong(0);
    if (whence == 1) {
        int eq = zero ? PyObject_RichCompareBool(target, zero, Py_EQ) : -1;
        if (eq <= 0) {
            return eq < 0 ? NULL
                          : nj_io_unsupported(st, "can't do nonzero cur-relative seeks");
        }
        /* tell() also syncs the position of the buffer */
        NJ_SET(target, PyObject_CallMethodNoArgs(op, NJ_ID(tell)));
        if (!target) {
            return NULL;
        }
    } else if (whence == 2) {
        int eq = zero ? PyObject_RichCompareBool(target, zero, Py_EQ) : -1;
        if (eq <= 0) {
            return eq < 0 ? NULL
                          : nj_io_unsupported(st, "can't do nonzero end-relative seeks");
        }
        NJ_OWN f = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
        if (!f) {
            return NULL;
        }
        drop_decoded(self);
        drop_snapshot(self);
        if (self->decoder) {
            NJ_OWN r = PyObject_CallMethodNoArgs(self->decoder, NJ_ID(reset));
            if (!r) {
                return NULL;
            }
        }
        NJ_OWN res = PyObject_CallMethod(self->buffer, "seek", "ii", 0, 2);
        if (!res) {
            return NULL;
        }
        int at_start = PyObject_Not(res);
        if (at_start < 0 || encoder_reset(self, at_start) < 0) {
            return NULL;
        }
        return NJ_TAKE(res);
    } else if (whence != 0) {
        return raise_whence(whence);
    }
    int negative = zero ? PyObject_RichCompareBool(target, zero, Py_LT) : -1;
    if (negative) {
        if (negative > 0) {
            PyErr_Format(PyExc_ValueError, "negative seek position %R", target);
        }
        return NULL;
    }
    NJ_OWN flushed = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    if (!flushed) {
        return NULL;
    }
    Cookie c;
    if (unpack_cookie(target, &c) < 0) {
        return NULL;
    }
    NJ_OWN pos = PyLong_FromLongLong(c.start_pos);
    NJ_OWN moved = pos ? PyObject_CallMethodOneArg(self->buffer, NJ_ID(seek), pos) : NULL;
    if (!moved) {
        return NULL;
    }
    drop_decoded(self);
    drop_snapshot(self);
    if (self->decoder && decoder_set(self, &c) < 0) {
        return NULL;
    }
    if (c.chars_to_skip) {
        NJ_OWN input = PyObject_CallMethod(self->buffer, "read", "i", c.bytes_to_feed);
        if (!input) {
            return NULL;
        }
        if (!PyBytes_Check(input)) {
            PyErr_Format(PyExc_TypeError,
                         "underlying read() should have returned a bytes object, not "
                         "'%.200s'",
                         Py_TYPE(input)->tp_name);
            return NULL;
        }
        Py_XSETREF(self->snap_flags, PyLong_FromLong(c.dec_flags));
        Py_XSETREF(self->snap_input, Py_NewRef(input));
        if (!self->snap_flags) {
            return NULL;
        }
        PyObject *text = decode_with(self, input, c.need_eof);
        if (!text) {
            return NULL;
        }
        set_decoded_steal(self, text);
        if (PyUnicode_GET_LENGTH(text) < c.chars_to_skip) {
            PyErr_SetString(PyExc_OSError, "can't restore logical file position");
            return NULL;
        }
        self->used = c.chars_to_skip;
    } else {
        Py_XSETREF(self->snap_flags, PyLong_FromLong(c.dec_flags));
        Py_XSETREF(self->snap_input, PyBytes_FromStringAndSize(NULL, 0));
        if (!self->snap_flags || !self->snap_input) {
            return NULL;
        }
    }
    if (encoder_reset(self, c.start_pos == 0 && c.dec_flags == 0) < 0) {
        return NULL;
    }
    return NJ_TAKE(target);
}

/* Decodes n bytes from the snapshot's start state; returns the characters, or -1. */
static Py_ssize_t
count_chars(TextIO *self, const char *bytes, Py_ssize_t n, bool final)
{
    NJ_OWN b = PyBytes_FromStringAndSize(bytes, n);
    NJ_OWN text = b ? PyObject_CallMethod(self->decoder, "decode", "OO", b,
                                          final ? Py_True : Py_False)
                    : NULL;
    if (!text || check_decoded(text) < 0) {
        return -1;
    }
    return PyUnicode_GET_LENGTH(text);
}

/* Gets how many bytes the decoder holds back and its flags. */
static int
decoder_peek(TextIO *self, Py_ssize_t *held, int *flags)
{
    PyObject *state, *b, *f;
    if (decoder_state(self, &state, &b, &f) < 0) {
        return -1;
    }
    *held = PyBytes_GET_SIZE(b);
    long v = PyLong_AsLong(f);
    Py_DECREF(state);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    *flags = (int)v;
    return 0;
}

/* The search behind tell(): how far into the snapshot's bytes the handed-out characters
 * reach. Fills c; saved decoder state is the caller's business. */
static int
locate(TextIO *self, Cookie *c, Py_ssize_t to_skip)
{
    const char *input = PyBytes_AS_STRING(self->snap_input);
    Py_ssize_t input_len = PyBytes_GET_SIZE(self->snap_input);
    Py_ssize_t guess = (Py_ssize_t)(self->ratio * (double)to_skip), back = 1;
    if (guess > input_len) {
        guess = input_len;
    }
    int flags;
    Py_ssize_t held;
    while (guess > 0) {
        if (decoder_set(self, c) < 0) {
            return -1;
        }
        Py_ssize_t n = count_chars(self, input, guess, false);
        if (n < 0) {
            return -1;
        }
        if (n <= to_skip) {
            if (decoder_peek(self, &held, &flags) < 0) {
                return -1;
            }
            if (held == 0) {
                c->dec_flags = flags;
                to_skip -= n;
                break;
            }
            guess -= held;
            back = 1;
        } else {
            guess -= back;
            back *= 2;
        }
    }
    if (guess <= 0) {
        guess = 0;
        if (decoder_set(self, c) < 0) {
            return -1;
        }
    }
    c->start_pos += guess;
    c->chars_to_skip = (int)to_skip;
    if (to_skip == 0) {
        return 0;
    }
    c->bytes_to_feed = 0;
    Py_ssize_t decoded = 0;
    /* feed byte by byte and note each point where the decoder is empty */
    for (const char *p = input + guess; p < input + input_len; p++) {
        Py_ssize_t n = count_chars(self, p, 1, false);
        if (n < 0) {
            return -1;
        }
        decoded += n;
        c->bytes_to_feed++;
        if (decoder_peek(self, &held, &flags) < 0) {
            return -1;
        }
        if (held == 0 && decoded <= c->chars_to_skip) {
            c->start_pos += c->bytes_to_feed;
            c->chars_to_skip -= (int)decoded;
            c->dec_flags = flags;
            c->bytes_to_feed = 0;
            decoded = 0;
        }
        if (decoded >= c->chars_to_skip) {
            return 0;
        }
    }
    Py_ssize_t n = count_chars(self, "", 0, true);
    if (n < 0) {
        return -1;
    }
    decoded += n;
    c->need_eof = 1;
    if (decoded < c->chars_to_skip) {
        PyErr_SetString(PyExc_OSError, "can't reconstruct logical file position");
        return -1;
    }
    return 0;
}

static PyObject *
textio_tell(PyObject *op, PyObject *Py_UNUSED(i))
{
    TextIO *self = (TextIO *)op;
    if (check_open(self) < 0) {
        return NULL;
    }
    NjIoState *st = nj_io_state_of(op);
    if (!st) {
        return NULL;
    }
    if (!self->seekable) {
        return nj_io_unsupported(st, "underlying stream is not seekable");
    }
    if (!self->telling) {
        PyErr_SetString(PyExc_OSError, "telling position disabled by next() call");
        return NULL;
    }
    if (flush_pending(self) < 0) {
        return NULL;
    }
    NJ_OWN flushed = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    NJ_OWN res = flushed ? PyObject_CallMethodNoArgs(self->buffer, NJ_ID(tell)) : NULL;
    if (!res) {
        return NULL;
    }
    if (!self->decoder || !self->snap_flags) {
        return NJ_TAKE(res);
    }
    Cookie c = {0};
    c.start_pos = PyLong_AsLongLong(res);
    if (PyErr_Occurred()) {
        return NULL;
    }
    long flags = PyLong_AsLong(self->snap_flags);
    if (flags == -1 && PyErr_Occurred()) {
        return NULL;
    }
    c.dec_flags = (int)flags;
    c.start_pos -= PyBytes_GET_SIZE(self->snap_input);
    if (!self->decoded || self->used == 0) {
        return pack_cookie(&c);
    }
    NJ_OWN saved = PyObject_CallMethodNoArgs(self->decoder, NJ_ID(getstate));
    if (!saved) {
        return NULL;
    }
    int r = locate(self, &c, self->used);
    PyObject *exc = PyErr_GetRaisedException();
    NJ_OWN back = PyObject_CallMethodOneArg(self->decoder, NJ_ID(setstate), saved);
    if (exc) {
        if (!back) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(exc);
    }
    return r < 0 || !back ? NULL : pack_cookie(&c);
}

static PyObject *
textio_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    TextIO *self = (TextIO *)op;
    if (!_PyArg_CheckPositional("truncate", nargs, 0, 1) || check_attached(self) < 0) {
        return NULL;
    }
    NJ_OWN f = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    return f ? PyObject_CallMethodOneArg(self->buffer, NJ_ID(truncate),
                                         nargs ? args[0] : Py_None)
             : NULL;
}

/* ---- the rest -------------------------------------------------------------------------------- */

static PyObject *
textio_flush(PyObject *op, PyObject *Py_UNUSED(i))
{
    TextIO *self = (TextIO *)op;
    if (check_open(self) < 0) {
        return NULL;
    }
    self->telling = self->seekable;
    return flush_pending(self) < 0 ? NULL
                                   : PyObject_CallMethodNoArgs(self->buffer, NJ_ID(flush));
}

static PyObject *
textio_close(PyObject *op, PyObject *Py_UNUSED(i))
{
    TextIO *self = (TextIO *)op;
    if (check_attached(self) < 0) {
        return NULL;
    }
    NJ_OWN v = PyObject_GetAttr(op, NJ_ID(closed));
    int closed = v ? PyObject_IsTrue(v) : -1;
    if (closed) {
        return closed < 0 ? NULL : Py_NewRef(Py_None);
    }
    if (self->detached) {
        Py_RETURN_NONE; /* reading `closed' ran code that detached the buffer */
    }
    if (self->finalizing) {
        NJ_OWN w = PyObject_CallMethodOneArg(self->buffer, NJ_ID(_dealloc_warn), op);
        if (!w) {
            PyErr_Clear();
        }
    }
    NJ_OWN f = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    PyObject *exc = f ? NULL : PyErr_GetRaisedException();
    NJ_OWN buffer = Py_XNewRef(self->buffer);
    if (!buffer) { /* flush() detached it: nothing is left to close */
        PyErr_SetRaisedException(exc);
        return exc ? NULL : Py_NewRef(Py_None);
    }
    NJ_OWN r = PyObject_CallMethodNoArgs(buffer, NJ_ID(close));
    if (exc) {
        if (r) {
            PyErr_SetRaisedException(exc);
        } else {
            PyObject *later = PyErr_GetRaisedException();
            if (later != exc) {
                PyException_SetContext(later, exc);
            } else {
                Py_DECREF(exc);
            }
            PyErr_SetRaisedException(later);
        }
        return NULL;
    }
    return NJ_TAKE(r);
}

static PyObject *
textio_detach(PyObject *op, PyObject *Py_UNUSED(i))
{
    TextIO *self = (TextIO *)op;
    if (check_attached(self) < 0) {
        return NULL;
    }
    NJ_OWN f = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    if (!f) {
        return NULL;
    }
    PyObject *buffer = self->buffer;
    self->buffer = NULL;
    self->detached = true;
    self->ok = false;
    return buffer;
}

static int
convert_flag(PyObject *arg, char *flag)
{
    if (!arg || arg == Py_None) {
        return 0;
    }
    Py_ssize_t v = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    *flag = v != 0;
    return 0;
}

static PyObject *
textio_reconfigure(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const char *const names[] = {"encoding",       "errors",        "newline",
                                        "line_buffering", "write_through", NULL};
    static const NjParams params = {"reconfigure", names, 0, 0, 0};
    TextIO *self = (TextIO *)op;
    PyObject *a[5];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    PyObject *encoding = a[0] && a[0] != Py_None ? a[0] : NULL;
    PyObject *errors = a[1] && a[1] != Py_None ? a[1] : NULL;
    PyObject *newline = a[2];
    if (self->decoded && (encoding || errors || newline)) {
        NjIoState *st = nj_io_state_of(op);
        return st ? nj_io_unsupported(st, "It is not possible to set the encoding or newline "
                                          "of stream after the first read")
                  : NULL;
    }
    const char *nl = NULL;
    if (newline && newline != Py_None) {
        if (!PyUnicode_Check(newline)) {
            PyErr_Format(PyExc_TypeError,
                         "reconfigure() argument 'newline' must be str or None, not %s",
                         Py_TYPE(newline)->tp_name);
            return NULL;
        }
        nl = PyUnicode_AsUTF8(newline);
        if (!nl || check_newline(nl) < 0) {
            return NULL;
        }
    }
    if ((encoding && !PyUnicode_Check(encoding)) || (errors && !PyUnicode_Check(errors))) {
        bool enc = encoding && !PyUnicode_Check(encoding);
        PyErr_Format(PyExc_TypeError,
                     "reconfigure() argument '%s' must be str or None, not %s",
                     enc ? "encoding" : "errors",
                     Py_TYPE(enc ? encoding : errors)->tp_name);
        return NULL;
    }
    char line_buffering = self->line_buffering, write_through = self->write_through;
    if (convert_flag(a[3], &line_buffering) < 0 || convert_flag(a[4], &write_through) < 0) {
        return NULL;
    }
    NJ_OWN f = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    if (!f) {
        return NULL;
    }
    self->ratio = 0;
    if (newline && set_newline(self, nl) < 0) {
        return NULL;
    }
    if (encoding || errors || newline) {
        NJ_OWN enc = encoding ? default_encoding(encoding) : Py_NewRef(self->encoding);
        if (!enc) {
            return NULL;
        }
        if (!errors) {
            errors = encoding ? NJ_ID(strict) : self->errors;
        }
        const char *name = PyUnicode_AsUTF8(enc);
        NJ_OWN info = name ? lookup_codec(name) : NULL;
        if (!info) {
            return NULL;
        }
        if (check_error_handler(errors) < 0) {
            return NULL;
        }
        Py_XSETREF(self->errors, Py_NewRef(errors));
        Py_XSETREF(self->encoding, NJ_TAKE(enc));
        if (set_decoder(self, info) < 0 || set_encoder(self, info) < 0 ||
            fix_encoder_state(self) < 0) {
            return NULL;
        }
    }
    self->line_buffering = line_buffering;
    self->write_through = write_through;
    Py_RETURN_NONE;
}

static PyObject *
textio_repr(PyObject *op)
{
    TextIO *self = (TextIO *)op;
    if (!self->ok && !self->detached && !self->encoding) {
        check_attached(self);
        return NULL;
    }
    int r = Py_ReprEnter(op);
    if (r != 0) {
        if (r > 0) {
            PyErr_Format(PyExc_RuntimeError, "reentrant call inside %.100s.__repr__",
                         Py_TYPE(op)->tp_name);
        }
        return NULL;
    }
    PyObject *res = NULL;
    NJ_OWN name = NULL;
    NJ_OWN mode = NULL;
    NJ_OWN parts = PyUnicode_FromFormat("<%s", Py_TYPE(op)->tp_name);
    if (parts && PyObject_GetOptionalAttr(op, NJ_ID(name), &name) < 0) {
        if (PyErr_ExceptionMatches(PyExc_ValueError)) {
            PyErr_Clear();
        } else {
            Py_CLEAR(parts);
        }
    }
    if (parts && name) {
        NJ_SET(parts, PyUnicode_FromFormat("%U name=%R", parts, name));
    }
    if (parts && PyObject_GetOptionalAttr(op, NJ_ID(mode), &mode) < 0) {
        Py_CLEAR(parts);
    }
    if (parts && mode) {
        NJ_SET(parts, PyUnicode_FromFormat("%U mode=%R", parts, mode));
    }
    if (parts) {
        res = PyUnicode_FromFormat("%U encoding=%R>", parts, self->encoding);
    }
    Py_ReprLeave(op);
    return res;
}

#define FORWARD(cname, id)                                                             \
    static PyObject *cname(PyObject *op, PyObject *Py_UNUSED(i))                       \
    {                                                                                  \
        TextIO *self = (TextIO *)op;                                                   \
        return check_attached(self) < 0                                                \
                   ? NULL                                                              \
                   : PyObject_CallMethodNoArgs(self->buffer, NJ_ID(id));               \
    }
FORWARD(textio_fileno, fileno)
FORWARD(textio_seekable, seekable)
FORWARD(textio_readable, readable)
FORWARD(textio_writable, writable)
FORWARD(textio_isatty, isatty)

static PyObject *
raise_no_pickle(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const char *dot = strrchr(Py_TYPE(self)->tp_name, '.');
    PyErr_Format(PyExc_TypeError, "cannot pickle '%.100s' instances",
                 dot ? dot + 1 : Py_TYPE(self)->tp_name);
    return NULL;
}

static PyObject *
textio_name_get(PyObject *op, void *Py_UNUSED(c))
{
    TextIO *self = (TextIO *)op;
    return check_attached(self) < 0 ? NULL : PyObject_GetAttr(self->buffer, NJ_ID(name));
}

static PyObject *
textio_closed_get(PyObject *op, void *Py_UNUSED(c))
{
    TextIO *self = (TextIO *)op;
    return check_attached(self) < 0 ? NULL : PyObject_GetAttr(self->buffer, NJ_ID(closed));
}

static PyObject *
textio_newlines_get(PyObject *op, void *Py_UNUSED(c))
{
    TextIO *self = (TextIO *)op;
    if (check_attached(self) < 0) {
        return NULL;
    }
    NJ_OWN v = NULL;
    if (self->decoder && PyObject_GetOptionalAttr(self->decoder, NJ_ID(newlines), &v) < 0) {
        return NULL;
    }
    return v ? NJ_TAKE(v) : Py_NewRef(Py_None);
}

static PyObject *
textio_errors_get(PyObject *op, void *Py_UNUSED(c))
{
    TextIO *self = (TextIO *)op;
    if (!self->errors) {
        check_attached(self);
        return NULL;
    }
    return Py_NewRef(self->errors);
}

static PyObject *
textio_chunk_get(PyObject *op, void *Py_UNUSED(c))
{
    TextIO *self = (TextIO *)op;
    return check_attached(self) < 0 ? NULL : PyLong_FromSsize_t(self->chunk_size);
}

static int
textio_chunk_set(PyObject *op, PyObject *value, void *Py_UNUSED(c))
{
    TextIO *self = (TextIO *)op;
    if (check_attached(self) < 0) {
        return -1;
    }
    if (!value) {
        PyErr_Format(PyExc_AttributeError,
                     "attribute '_CHUNK_SIZE' of '%.200s' objects cannot be deleted",
                     Py_TYPE(op)->tp_name);
        return -1;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(value, PyExc_ValueError);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (n <= 0) {
        PyErr_SetString(PyExc_ValueError, "a strictly positive integer is required");
        return -1;
    }
    self->chunk_size = n;
    return 0;
}

static int
textio_traverse(PyObject *op, visitproc visit, void *arg)
{
    TextIO *self = (TextIO *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->buffer);
    Py_VISIT(self->encoding);
    Py_VISIT(self->encoder);
    Py_VISIT(self->decoder);
    Py_VISIT(self->readnl);
    Py_VISIT(self->errors);
    Py_VISIT(self->decoded);
    Py_VISIT(self->pending);
    Py_VISIT(self->snap_flags);
    Py_VISIT(self->snap_input);
    Py_VISIT(self->base.dict);
    return 0;
}

static int
textio_clear(PyObject *op)
{
    TextIO *self = (TextIO *)op;
    self->ok = false;
    Py_CLEAR(self->buffer);
    Py_CLEAR(self->encoding);
    Py_CLEAR(self->encoder);
    Py_CLEAR(self->decoder);
    Py_CLEAR(self->readnl);
    Py_CLEAR(self->errors);
    Py_CLEAR(self->decoded);
    Py_CLEAR(self->pending);
    drop_snapshot(self);
    Py_CLEAR(self->base.dict);
    return 0;
}

static void
textio_dealloc(PyObject *op)
{
    TextIO *self = (TextIO *)op;
    PyTypeObject *tp = Py_TYPE(op);
    self->finalizing = 1;
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return;
    }
    PyObject_GC_UnTrack(op);
    self->ok = false;
    if (self->base.weaklist) {
        PyObject_ClearWeakRefs(op);
    }
    textio_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

#define FAST(f) (PyCFunction)(void (*)(void))(f)

static PyMethodDef textio_methods[] = {
    {"detach", textio_detach, METH_NOARGS,
     "detach($self, /)\n--\n\nSeparate and return the binary buffer."},
    {"reconfigure", FAST(textio_reconfigure), METH_FASTCALL | METH_KEYWORDS,
     "reconfigure($self, /, *, encoding=None, errors=None, newline=None,\n            "
     "line_buffering=None, write_through=None)\n--\n\nChange how the stream works."},
    {"write", textio_write, METH_O,
     "write($self, text, /)\n--\n\nWrite text; returns its length."},
    {"read", FAST(textio_read), METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nRead up to size characters, or to the end."},
    {"readline", FAST(textio_readline), METH_FASTCALL,
     "readline($self, size=-1, /)\n--\n\nThe next line."},
    {"flush", textio_flush, METH_NOARGS, "flush($self, /)\n--\n\nWrite out."},
    {"close", textio_close, METH_NOARGS, "close($self, /)\n--\n\nFlush and close."},
    {"fileno", textio_fileno, METH_NOARGS, "fileno($self, /)\n--\n\nAsks the buffer."},
    {"seekable", textio_seekable, METH_NOARGS, "seekable($self, /)\n--\n\nAsks the buffer."},
    {"readable", textio_readable, METH_NOARGS, "readable($self, /)\n--\n\nAsks the buffer."},
    {"writable", textio_writable, METH_NOARGS, "writable($self, /)\n--\n\nAsks the buffer."},
    {"isatty", textio_isatty, METH_NOARGS, "isatty($self, /)\n--\n\nAsks the buffer."},
    {"seek", FAST(textio_seek), METH_FASTCALL,
     "seek($self, cookie, whence=os.SEEK_SET, /)\n--\n\nReturn to where tell() gave cookie."},
    {"tell", textio_tell, METH_NOARGS,
     "tell($self, /)\n--\n\nA cookie for the position, for seek()."},
    {"truncate", FAST(textio_truncate), METH_FASTCALL,
     "truncate($self, pos=None, /)\n--\n\nCut or extend the buffer's file."},
    {"__getstate__", raise_no_pickle, METH_NOARGS, "__getstate__($self, /)\n--\n\n"},
    {0},
};

static PyMemberDef textio_members[] = {
    {"encoding", Py_T_OBJECT_EX, offsetof(TextIO, encoding), Py_READONLY, NULL},
    {"buffer", Py_T_OBJECT_EX, offsetof(TextIO, buffer), Py_READONLY, NULL},
    {"line_buffering", Py_T_BOOL, offsetof(TextIO, line_buffering), Py_READONLY, NULL},
    {"write_through", Py_T_BOOL, offsetof(TextIO, write_through), Py_READONLY, NULL},
    {"_finalizing", Py_T_BOOL, offsetof(TextIO, finalizing), 0, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, weaklist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, dict), Py_READONLY, NULL},
    {0},
};

static PyGetSetDef textio_getset[] = {
    {"name", textio_name_get, NULL, NULL, NULL},
    {"closed", textio_closed_get, NULL, NULL, NULL},
    {"newlines", textio_newlines_get, NULL, NULL, NULL},
    {"errors", textio_errors_get, NULL, NULL, NULL},
    {"_CHUNK_SIZE", textio_chunk_get, textio_chunk_set, NULL, NULL},
    {0},
};

static PyType_Slot textio_slots[] = {
    {Py_tp_dealloc, textio_dealloc},
    {Py_tp_repr, textio_repr},
    {Py_tp_doc,
     "TextIOWrapper(buffer, encoding=None, errors=None, newline=None,\n              "
     "line_buffering=False, write_through=False)\n--\n\nA text stream over a binary buffer."},
    {Py_tp_traverse, textio_traverse},
    {Py_tp_clear, textio_clear},
    {Py_tp_iternext, textio_iternext},
    {Py_tp_methods, textio_methods},
    {Py_tp_members, textio_members},
    {Py_tp_getset, textio_getset},
    {Py_tp_init, textio_init},
    {0, NULL},
};

PyType_Spec nj_textio_spec = {
    .name = "_io.TextIOWrapper",
    .basicsize = sizeof(TextIO),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = textio_slots,
};

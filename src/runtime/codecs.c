/* codecs.c - the registry of codecs and of error handlers, and the standard handlers.
 *
 * A search function maps a normalized encoding name to a CodecInfo tuple (encoder,
 * decoder, stream reader, stream writer); results are cached per interpreter. The first
 * lookup imports the encodings package, which registers the standard search function.
 * The eight standard error handlers are C functions, entered when the table of handlers
 * is first needed; encoders and decoders do the commonest of them in place.
 * SPDX-License-Identifier: MIT
 */
#include "runtime/codecs.h"

#include "objects/str_int.h"
#include "objects/ucd.h"
#include "objects/ucd_names.h"
#include "runtime/state.h"

const char *Py_hexdigits = "0123456789abcdef";

/* ---- search functions ----------------------------------------------------------------------- */

static NjStrState *
state(void)
{
    return &nj_interp()->strs;
}

static int
need_registry(void)
{
    NjStrState *st = state();
    if (st->codec_cache != NULL) {
        return 0;
    }
    NJ_OWN search = PyList_New(0);
    NJ_OWN cache = PyDict_New();
    if (search == NULL || cache == NULL) {
        return -1;
    }
    st->codec_search = NJ_TAKE(search);
    st->codec_cache = NJ_TAKE(cache);
    /* runs Python code that looks codecs up again: the tables are there by now */
    PyObject *encodings = PyImport_ImportModule("encodings");
    if (encodings == NULL) {
        return -1;
    }
    Py_DECREF(encodings);
    return 0;
}

int
PyCodec_Register(PyObject *search_function)
{
    if (need_registry() < 0) {
        return -1;
    }
    if (search_function == NULL) {
        PyErr_BadArgument();
        return -1;
    }
    if (!PyCallable_Check(search_function)) {
        PyErr_SetString(PyExc_TypeError, "argument must be callable");
        return -1;
    }
    return PyList_Append(state()->codec_search, search_function);
}

int
PyCodec_Unregister(PyObject *search_function)
{
    NjStrState *st = state();
    if (st->codec_search == NULL) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(st->codec_search); i++) {
        if (PyList_GET_ITEM(st->codec_search, i) == search_function) {
            PyDict_Clear(st->codec_cache);
            return PyList_SetSlice(st->codec_search, i, i + 1, NULL);
        }
    }
    return 0;
}

/* Lower case, runs of other characters become one underscore (as encodings does for
 * names; dots survive). */
static PyObject *
normalize(const char *name)
{
    size_t n = strlen(name);
    NJ_OWN_MEM(char) buf = PyMem_Malloc(n + 1);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    char *o = buf;
    bool gap = false;
    for (const char *p = name; *p; p++) {
        if (Py_ISALNUM(*p) || *p == '.') {
            if (gap && o != buf) {
                *o++ = '_';
            }
            gap = false;
            *o++ = (char)Py_TOLOWER(*p);
        } else {
            gap = true;
        }
    }
    return PyUnicode_FromStringAndSize(buf, o - buf);
}

PyObject *
nj_codec_lookup(const char *encoding)
{
    if (encoding == NULL) {
        PyErr_BadArgument();
        return NULL;
    }
    if (need_registry() < 0) {
        return NULL;
    }
    NJ_OWN key = normalize(encoding);
    if (key == NULL) {
        return NULL;
    }
    PyUnicode_InternInPlace(&key);
    NjStrState *st = state();
    PyObject *found;
    int r = PyDict_GetItemRef(st->codec_cache, key, &found);
    if (r != 0) {
        return r < 0 ? NULL : found;
    }
    Py_ssize_t n = PyList_GET_SIZE(st->codec_search);
    if (n == 0) {
        PyErr_SetString(PyExc_LookupError, "no codec search functions registered: can't find "
                                           "encoding");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(st->codec_search); i++) {
        NJ_OWN func = Py_NewRef(PyList_GET_ITEM(st->codec_search, i));
        NJ_OWN info = PyObject_CallOneArg(func, key);
        if (info == NULL) {
            return NULL;
        }
        if (info == Py_None) {
            continue;
        }
        if (!PyTuple_Check(info) || PyTuple_GET_SIZE(info) != 4) {
            PyErr_SetString(PyExc_TypeError, "codec search functions must return 4-tuples");
            return NULL;
        }
        if (PyDict_SetItem(st->codec_cache, key, info) < 0) {
            return NULL;
        }
        return NJ_TAKE(info);
    }
    PyErr_Format(PyExc_LookupError, "unknown encoding: %s", encoding);
    return NULL;
}

int
PyCodec_KnownEncoding(const char *encoding)
{
    PyObject *info = nj_codec_lookup(encoding);
    if (info == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_DECREF(info);
    return 1;
}

static PyObject *
codec_part(const char *encoding, Py_ssize_t i)
{
    NJ_OWN info = nj_codec_lookup(encoding);
    return info == NULL ? NULL : Py_NewRef(PyTuple_GET_ITEM(info, i));
}

PyObject *
PyCodec_Encoder(const char *encoding)
{
    return codec_part(encoding, 0);
}

PyObject *
PyCodec_Decoder(const char *encoding)
{
    return codec_part(encoding, 1);
}

static PyObject *
call_with_errors(PyObject *func, PyObject *first, const char *errors)
{
    if (first == NULL) {
        return errors ? PyObject_CallFunction(func, "s", errors) : PyObject_CallNoArgs(func);
    }
    return errors ? PyObject_CallFunction(func, "Os", first, errors)
                  : PyObject_CallOneArg(func, first);
}

/* A NULL stream is the caller's mistake, and the errors then no stream. */
static PyObject *
stream_part(const char *encoding, int part, PyObject *stream, const char *errors)
{
    NJ_OWN f = codec_part(encoding, part);
    if (f == NULL) {
        return NULL;
    }
    return errors ? PyObject_CallFunction(f, "Os", stream, errors) : call_with_errors(f, stream, NULL);
}

PyObject *
PyCodec_StreamReader(const char *encoding, PyObject *stream, const char *errors)
{
    return stream_part(encoding, 2, stream, errors);
}

PyObject *
PyCodec_StreamWriter(const char *encoding, PyObject *stream, const char *errors)
{
    return stream_part(encoding, 3, stream, errors);
}

static PyObject *
incremental(const char *encoding, const char *errors, PyObject *which)
{
    NJ_OWN info = nj_codec_lookup(encoding);
    if (info == NULL) {
        return NULL;
    }
    NJ_OWN f = PyObject_GetAttr(info, which);
    return f == NULL ? NULL : call_with_errors(f, NULL, errors);
}

PyObject *
PyCodec_IncrementalEncoder(const char *encoding, const char *errors)
{
    return incremental(encoding, errors, NJ_ID(incrementalencoder));
}

PyObject *
PyCodec_IncrementalDecoder(const char *encoding, const char *errors)
{
    return incremental(encoding, errors, NJ_ID(incrementaldecoder));
}

/* Adds a note to the exception saying which codec failed. */
static void
note_codec(const char *operation, const char *encoding)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (exc == NULL) {
        return;
    }
    NJ_OWN note =
        PyUnicode_FromFormat("%s with '%s' codec failed", operation, encoding);
    NJ_OWN r = note == NULL ? NULL
                            : PyObject_CallMethodOneArg(exc, NJ_ID(add_note), note);
    if (r == NULL) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
}

static PyObject *
run_codec(PyObject *func, PyObject *object, const char *encoding, const char *errors,
          bool encode)
{
    NJ_OWN errors_str = errors ? PyUnicode_FromString(errors) : NULL;
    if (errors != NULL && errors_str == NULL) {
        return NULL;
    }
    PyObject *args[2] = {object, errors_str};
    NJ_OWN r = PyObject_Vectorcall(func, args, errors ? 2 : 1, NULL);
    if (r == NULL) {
        note_codec(encode ? "encoding" : "decoding", encoding);
        return NULL;
    }
    if (!PyTuple_Check(r) || PyTuple_GET_SIZE(r) != 2) {
        PyErr_SetString(PyExc_TypeError,
                        encode ? "encoder must return a tuple (object, integer)"
                               : "decoder must return a tuple (object,integer)");
        return NULL;
    }
    return Py_NewRef(PyTuple_GET_ITEM(r, 0));
}

PyObject *
PyCodec_Encode(PyObject *object, const char *encoding, const char *errors)
{
    NJ_OWN f = codec_part(encoding, 0);
    return f == NULL ? NULL : run_codec(f, object, encoding, errors, true);
}

PyObject *
PyCodec_Decode(PyObject *object, const char *encoding, const char *errors)
{
    NJ_OWN f = codec_part(encoding, 1);
    return f == NULL ? NULL : run_codec(f, object, encoding, errors, false);
}

PyObject *
nj_codec_lookup_text(const char *encoding, const char *alternate)
{
    NJ_OWN info = nj_codec_lookup(encoding);
    if (info == NULL) {
        return NULL;
    }
    /* plain tuples (old codecs) count as text encodings */
    if (!PyTuple_CheckExact(info)) {
        PyObject *flag;
        if (PyObject_GetOptionalAttr(info, NJ_ID(_is_text_encoding), &flag) < 0) {
            return NULL;
        }
        if (flag != NULL) {
            int text = PyObject_IsTrue(flag);
            Py_DECREF(flag);
            if (text <= 0) {
                if (text == 0) {
                    PyErr_Format(PyExc_LookupError,
                                 "'%.400s' is not a text encoding; use %s to handle arbitrary "
                                 "codecs",
                                 encoding, alternate);
                }
                return NULL;
            }
        }
    }
    return NJ_TAKE(info);
}

PyObject *
nj_codec_encode_text(PyObject *obj, const char *encoding, const char *errors)
{
    NJ_OWN info = nj_codec_lookup_text(encoding, "codecs.encode()");
    return info == NULL
               ? NULL
               : run_codec(PyTuple_GET_ITEM(info, 0), obj, encoding, errors, true);
}

PyObject *
nj_codec_decode_text(PyObject *obj, const char *encoding, const char *errors)
{
    NJ_OWN info = nj_codec_lookup_text(encoding, "codecs.decode()");
    return info == NULL
               ? NULL
               : run_codec(PyTuple_GET_ITEM(info, 1), obj, encoding, errors, false);
}

/* ---- error handlers: what they are told ------------------------------------------------------------ */

typedef struct {
    enum { ENCODE, DECODE, TRANSLATE } what;
    PyObject *object; /* owned: str, or bytes for DECODE */
    Py_ssize_t start, end, size;
} ErrorInfo;

static void
clear_info(ErrorInfo *e)
{
    Py_CLEAR(e->object);
}

#define OWN_INFO __attribute__((cleanup(clear_info))) ErrorInfo

static int
wrong_exception(PyObject *exc)
{
    PyErr_Format(PyExc_TypeError, "don't know how to handle %T in error callback", exc);
    return -1;
}

static int
get_info(PyObject *exc, ErrorInfo *e)
{
    e->object = NULL;
    int a, b;
    if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_UnicodeEncodeError)) {
        e->what = ENCODE;
        e->object = PyUnicodeEncodeError_GetObject(exc);
        if (e->object == NULL) {
            return -1;
        }
        a = PyUnicodeEncodeError_GetStart(exc, &e->start);
        b = PyUnicodeEncodeError_GetEnd(exc, &e->end);
    } else if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_UnicodeDecodeError)) {
        e->what = DECODE;
        e->object = PyUnicodeDecodeError_GetObject(exc);
        if (e->object == NULL) {
            return -1;
        }
        a = PyUnicodeDecodeError_GetStart(exc, &e->start);
        b = PyUnicodeDecodeError_GetEnd(exc, &e->end);
    } else if (PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_UnicodeTranslateError)) {
        e->what = TRANSLATE;
        e->object = PyUnicodeTranslateError_GetObject(exc);
        if (e->object == NULL) {
            return -1;
        }
        a = PyUnicodeTranslateError_GetStart(exc, &e->start);
        b = PyUnicodeTranslateError_GetEnd(exc, &e->end);
    } else {
        return wrong_exception(exc);
    }
    if (a < 0 || b < 0) {
        return -1;
    }
    e->size = e->what == DECODE ? PyBytes_GET_SIZE(e->object)
                                : PyUnicode_GET_LENGTH(e->object);
    return 0; /* and the end may lie before the start */
}

static PyObject *
answer(PyObject *NJ_STEALS text, Py_ssize_t pos)
{
    return text == NULL ? NULL : Py_BuildValue("(Nn)", text, pos);
}

/* ---- the standard handlers --------------------------------------------------------------------------- */

PyObject *
PyCodec_StrictErrors(PyObject *exc)
{
    if (PyExceptionInstance_Check(exc)) {
        PyErr_SetObject(PyExceptionInstance_Class(exc), exc);
    } else {
        PyErr_SetString(PyExc_TypeError, "codec must pass exception instance");
    }
    return NULL;
}

PyObject *
PyCodec_IgnoreErrors(PyObject *exc)
{
    OWN_INFO e;
    if (get_info(exc, &e) < 0) {
        return NULL;
    }
    return answer(nj_str_empty(), e.end);
}

PyObject *
PyCodec_ReplaceErrors(PyObject *exc)
{
    OWN_INFO e;
    if (get_info(exc, &e) < 0) {
        return NULL;
    }
    if (e.what == DECODE) {
        return answer(PyUnicode_FromOrdinal(0xfffd), e.end);
    }
    Py_ssize_t n = Py_MAX(e.end - e.start, 0);
    Py_UCS4 c = e.what == ENCODE ? '?' : 0xfffd;
    PyObject *r = PyUnicode_New(n, c);
    if (r != NULL && n > 0) {
        nj_fill_chars(PyUnicode_KIND(r), PyUnicode_DATA(r), c, n);
    }
    return answer(r, e.end);
}

static int
write_backslash(NjStrWriter *w, Py_UCS4 c)
{
    char buf[12];
    int n = c >= 0x10000  ? snprintf(buf, sizeof(buf), "\\U%08x", (unsigned)c)
            : c >= 0x100 ? snprintf(buf, sizeof(buf), "\\u%04x", (unsigned)c)
                         : snprintf(buf, sizeof(buf), "\\x%02x", (unsigned)c);
    return nj_writer_ascii(w, buf, n);
}

PyObject *
PyCodec_XMLCharRefReplaceErrors(PyObject *exc)
{
    if (!PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_UnicodeEncodeError)) {
        wrong_exception(exc);
        return NULL;
    }
    OWN_INFO e;
    if (get_info(exc, &e) < 0) {
        return NULL;
    }
    NjStrWriter w;
    nj_writer_init(&w);
    w.overallocate = 1;
    for (Py_ssize_t i = e.start; i < e.end; i++) {
        char buf[16];
        int n = snprintf(buf, sizeof(buf), "&#%u;",
                         (unsigned)PyUnicode_READ_CHAR(e.object, i));
        if (nj_writer_ascii(&w, buf, n) < 0) {
            nj_writer_clear(&w);
            return NULL;
        }
    }
    return answer(nj_writer_finish(&w), e.end);
}

PyObject *
PyCodec_BackslashReplaceErrors(PyObject *exc)
{
    OWN_INFO e;
    if (get_info(exc, &e) < 0) {
        return NULL;
    }
    NjStrWriter w;
    nj_writer_init(&w);
    w.overallocate = 1;
    for (Py_ssize_t i = e.start; i < e.end; i++) {
        Py_UCS4 c = e.what == DECODE ? (unsigned char)PyBytes_AS_STRING(e.object)[i]
                                     : PyUnicode_READ_CHAR(e.object, i);
        if (write_backslash(&w, c) < 0) {
            nj_writer_clear(&w);
            return NULL;
        }
    }
    return answer(nj_writer_finish(&w), e.end);
}

PyObject *
PyCodec_NameReplaceErrors(PyObject *exc)
{
    if (!PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_UnicodeEncodeError)) {
        wrong_exception(exc);
        return NULL;
    }
    OWN_INFO e;
    if (get_info(exc, &e) < 0) {
        return NULL;
    }
    if (nj_ucd_need_module() < 0) {
        return NULL;
    }
    NjStrWriter w;
    nj_writer_init(&w);
    w.overallocate = 1;
    for (Py_ssize_t i = e.start; i < e.end; i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(e.object, i);
        char name[160];
        int bad = nj_ucd_name(c, name, sizeof(name))
                      ? nj_writer_ascii(&w, "\\N{", 3) < 0 ||
                            nj_writer_ascii(&w, name, -1) < 0 || nj_writer_char(&w, '}') < 0
                      : write_backslash(&w, c) < 0;
        if (bad) {
            nj_writer_clear(&w);
            return NULL;
        }
    }
    return answer(nj_writer_finish(&w), Py_MAX(e.start, e.end));
}

static PyObject *
surrogateescape(PyObject *exc)
{
    OWN_INFO e;
    if (get_info(exc, &e) < 0) {
        return NULL;
    }
    if (e.what == ENCODE) {
        Py_ssize_t n = Py_MAX(e.end - e.start, 0);
        NJ_OWN r = PyBytes_FromStringAndSize(NULL, n);
        if (r == NULL) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            Py_UCS4 c = PyUnicode_READ_CHAR(e.object, e.start + i);
            if (c < 0xdc80 || c > 0xdcff) {
                return PyCodec_StrictErrors(exc);
            }
            PyBytes_AS_STRING(r)[i] = (char)(c - 0xdc00);
        }
        return answer(NJ_TAKE(r), e.end);
    }
    if (e.what == DECODE) {
        const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(e.object);
        Py_UCS2 buf[4];
        Py_ssize_t n = 0;
        while (n < 4 && n < e.end - e.start && p[e.start + n] >= 128) {
            buf[n] = (Py_UCS2)(0xdc00 + p[e.start + n]);
            n++;
        }
        if (n == 0) {
            return PyCodec_StrictErrors(exc);
        }
        return answer(nj_str_from_ucs2(buf, n), e.start + n);
    }
    wrong_exception(exc);
    return NULL;
}

typedef enum { S_UTF8, S_16BE, S_16LE, S_32BE, S_32LE, S_UNKNOWN } SurrogateCodec;

static SurrogateCodec
surrogate_codec(const char *name, int *width)
{
    char norm[16];
    size_t n = 0;
    for (; *name && n < sizeof(norm) - 1; name++) {
        if (*name != '-' && *name != '_') {
            norm[n++] = (char)Py_TOLOWER(*name);
        }
    }
    norm[n] = 0;
    *width = 2;
    if (strcmp(norm, "utf8") == 0 || strcmp(norm, "cp65001") == 0) {
        *width = 3;
        return S_UTF8;
    }
    if (strncmp(norm, "utf16", 5) == 0) {
        return strcmp(norm + 5, "be") == 0 ? S_16BE
               : norm[5] == 0 || strcmp(norm + 5, "le") == 0 ? S_16LE
                                                             : S_UNKNOWN;
    }
    if (strncmp(norm, "utf32", 5) == 0) {
        *width = 4;
        return strcmp(norm + 5, "be") == 0 ? S_32BE
               : norm[5] == 0 || strcmp(norm + 5, "le") == 0 ? S_32LE
                                                             : S_UNKNOWN;
    }
    return S_UNKNOWN;
}

static PyObject *
surrogatepass(PyObject *exc)
{
    OWN_INFO e;
    if (get_info(exc, &e) < 0) {
        return NULL;
    }
    if (e.what == TRANSLATE) {
        wrong_exception(exc);
        return NULL;
    }
    NJ_OWN encoding = e.what == ENCODE ? PyUnicodeEncodeError_GetEncoding(exc)
                                       : PyUnicodeDecodeError_GetEncoding(exc);
    if (encoding == NULL) {
        return NULL;
    }
    const char *name = PyUnicode_AsUTF8(encoding);
    if (name == NULL) {
        return NULL;
    }
    int width;
    SurrogateCodec codec = surrogate_codec(name, &width);
    if (codec == S_UNKNOWN) {
        return PyCodec_StrictErrors(exc);
    }
    if (e.what == ENCODE) {
        Py_ssize_t n = Py_MAX(e.end - e.start, 0);
        NJ_OWN r = PyBytes_FromStringAndSize(NULL, n * width);
        if (r == NULL) {
            return NULL;
        }
        unsigned char *o = (unsigned char *)PyBytes_AS_STRING(r);
        for (Py_ssize_t i = e.start; i < e.end; i++) {
            Py_UCS4 c = PyUnicode_READ_CHAR(e.object, i);
            if (!Py_UNICODE_IS_SURROGATE(c)) {
                return PyCodec_StrictErrors(exc);
            }
            switch (codec) {
            case S_UTF8:
                *o++ = (unsigned char)(0xe0 | c >> 12);
                *o++ = (unsigned char)(0x80 | (c >> 6 & 0x3f));
                *o++ = (unsigned char)(0x80 | (c & 0x3f));
                break;
            case S_16LE:
            case S_32LE:
                *o++ = (unsigned char)c;
                *o++ = (unsigned char)(c >> 8);
                if (codec == S_32LE) {
                    *o++ = 0;
                    *o++ = 0;
                }
                break;
            default:
                if (codec == S_32BE) {
                    *o++ = 0;
                    *o++ = 0;
                }
                *o++ = (unsigned char)(c >> 8);
                *o++ = (unsigned char)c;
                break;
            }
        }
        return answer(NJ_TAKE(r), e.end);
    }
    const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(e.object) + e.start;
    Py_UCS4 c = 0;
    if (e.size - e.start >= width) {
        switch (codec) {
        case S_UTF8:
            if ((p[0] & 0xf0) == 0xe0 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80) {
                c = (p[0] & 15u) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
            }
            break;
        case S_16LE: c = p[1] * 256u + p[0]; break;
        case S_16BE: c = p[0] * 256u + p[1]; break;
        case S_32LE: c = p[0] | p[1] * 256u | p[2] * 65536u | (Py_UCS4)p[3] << 24; break;
        default: c = p[3] | p[2] * 256u | p[1] * 65536u | (Py_UCS4)p[0] << 24; break;
        }
    }
    if (!Py_UNICODE_IS_SURROGATE(c)) {
        return PyCodec_StrictErrors(exc);
    }
    return answer(PyUnicode_FromOrdinal((int)c), e.start + width);
}

/* ---- the table of handlers --------------------------------------------------------------------------------- */

#define HANDLER(name, function)                                                        \
    static PyObject *call_##name(PyObject *self, PyObject *exc)                        \
    {                                                                                  \
        return function(exc);                                                          \
    }
HANDLER(strict, PyCodec_StrictErrors)
HANDLER(ignore, PyCodec_IgnoreErrors)
HANDLER(replace, PyCodec_ReplaceErrors)
HANDLER(xmlcharrefreplace, PyCodec_XMLCharRefReplaceErrors)
HANDLER(backslashreplace, PyCodec_BackslashReplaceErrors)
HANDLER(namereplace, PyCodec_NameReplaceErrors)
HANDLER(surrogatepass, surrogatepass)
HANDLER(surrogateescape, surrogateescape)

static PyMethodDef handlers[] = {
    {"strict_errors", call_strict, METH_O, "Raise the exception."},
    {"ignore_errors", call_ignore, METH_O, "Skip what cannot be coded."},
    {"replace_errors", call_replace, METH_O, "Put a replacement character."},
    {"xmlcharrefreplace_errors", call_xmlcharrefreplace, METH_O,
     "Put an XML character reference."},
    {"backslashreplace_errors", call_backslashreplace, METH_O, "Put a backslash escape."},
    {"namereplace_errors", call_namereplace, METH_O, "Put a \\N{...} escape."},
    {"surrogatepass", call_surrogatepass, METH_O, "Let surrogates through."},
    {"surrogateescape", call_surrogateescape, METH_O, "Bytes as lone surrogates."},
};
static const char *const handler_names[] = {
    "strict",           "ignore",      "replace",       "xmlcharrefreplace",
    "backslashreplace", "namereplace", "surrogatepass", "surrogateescape",
};

static PyObject *
handler_table(void)
{
    NjStrState *st = state();
    if (st->codec_errors != NULL) {
        return st->codec_errors;
    }
    NJ_OWN table = PyDict_New();
    if (table == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(handlers); i++) {
        NJ_OWN f = PyCFunction_NewEx(&handlers[i], NULL, NULL);
        if (f == NULL || PyDict_SetItemString(table, handler_names[i], f) < 0) {
            return NULL;
        }
    }
    st->codec_errors = NJ_TAKE(table);
    return st->codec_errors;
}

int
PyCodec_RegisterError(const char *name, PyObject *error)
{
    PyObject *table = handler_table();
    if (table == NULL) {
        return -1;
    }
    if (!PyCallable_Check(error)) {
        PyErr_SetString(PyExc_TypeError, "handler must be callable");
        return -1;
    }
    return PyDict_SetItemString(table, name, error);
}

int
nj_codec_unregister_error(const char *name)
{
    PyObject *table = handler_table();
    if (table == NULL) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(handler_names); i++) {
        if (strcmp(name, handler_names[i]) == 0) {
            PyErr_Format(PyExc_ValueError, "cannot un-register built-in error handler '%s'",
                         name);
            return -1;
        }
    }
    return PyDict_PopString(table, name, NULL);
}

PyObject *
PyCodec_LookupError(const char *name)
{
    PyObject *table = handler_table(), *found;
    if (table == NULL) {
        return NULL;
    }
    int r = PyDict_GetItemStringRef(table, name == NULL ? "strict" : name, &found);
    if (r == 0) {
        PyErr_Format(PyExc_LookupError, "unknown error handler name '%.400s'", name);
    }
    return found;
}

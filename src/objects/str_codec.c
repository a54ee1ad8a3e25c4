/* str_codec.c - UTF-8, Latin-1 and ASCII, choosing a codec, file names and the locale.
 *
 * Decoding UTF-8 is two passes over good input: one validates, counts and finds the
 * width, the second fills a string of the exact size. Bad input goes through an
 * NjDecoder, which writes piecewise and asks the error handler; the handlers that every
 * start-up needs (surrogateescape, replace, ignore) are done in place, the others come
 * from the registry (runtime/codecs.c).
 *
 * Danger: a handler is arbitrary Python code; it may replace the input it is shown, so
 * pointers into the input are re-read from the NjDecoder after every error.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_codec.h"

#include <langinfo.h>
#include <locale.h>
#include <wchar.h>

#include "runtime/codecs.h"
#include "runtime/runtime.h"
#include "runtime/state.h"

/* ---- error handling: decoding ------------------------------------------------------------ */

NjErrorMode
nj_error_mode(const char *errors)
{
    if (errors == NULL || strcmp(errors, "strict") == 0) {
        return NJ_ERR_STRICT;
    }
    if (strcmp(errors, "surrogateescape") == 0) {
        return NJ_ERR_SURROGATEESCAPE;
    }
    if (strcmp(errors, "replace") == 0) {
        return NJ_ERR_REPLACE;
    }
    if (strcmp(errors, "ignore") == 0) {
        return NJ_ERR_IGNORE;
    }
    return NJ_ERR_OTHER;
}

void
nj_decoder_init(NjDecoder *d, const char *encoding, const char *errors, const void *data,
                Py_ssize_t size)
{
    nj_writer_init(&d->w);
    d->w.min_length = size;
    d->w.overallocate = 1;
    d->encoding = encoding;
    d->errors = errors;
    d->mode = nj_error_mode(errors);
    d->start = data;
    d->end = d->start + size;
    d->handler = d->exc = NULL;
}

void
nj_decoder_clear(NjDecoder *d)
{
    nj_writer_clear(&d->w);
    Py_CLEAR(d->handler);
    Py_CLEAR(d->exc);
}

PyObject *
nj_decoder_finish(NjDecoder *d)
{
    Py_CLEAR(d->handler);
    Py_CLEAR(d->exc);
    return nj_writer_finish(&d->w);
}

static int
make_decode_error(NjDecoder *d, Py_ssize_t from, Py_ssize_t to, const char *reason)
{
    if (d->exc == NULL) {
        d->exc = PyUnicodeDecodeError_Create(d->encoding, (const char *)d->start,
                                             d->end - d->start, from, to, reason);
        return d->exc == NULL ? -1 : 0;
    }
    if (PyUnicodeDecodeError_SetStart(d->exc, from) < 0 ||
        PyUnicodeDecodeError_SetEnd(d->exc, to) < 0 ||
        PyUnicodeDecodeError_SetReason(d->exc, reason) < 0) {
        return -1;
    }
    return 0;
}

int
nj_decoder_error(NjDecoder *d, Py_ssize_t from, Py_ssize_t to, const char *reason,
                 Py_ssize_t *pos)
{
    switch (d->mode) {
    case NJ_ERR_STRICT:
        if (make_decode_error(d, from, to, reason) == 0) {
            PyErr_SetObject((PyObject *)Py_TYPE(d->exc), d->exc);
        }
        return -1;
    case NJ_ERR_IGNORE:
        *pos = to;
        return 0;
    case NJ_ERR_REPLACE:
        *pos = to;
        return nj_writer_char(&d->w, 0xfffd);
    case NJ_ERR_SURROGATEESCAPE: {
        /* bytes below 0x80 cannot be escaped: then it is an ordinary error */
        Py_ssize_t i = from;
        while (i < to && d->start[i] >= 0x80) {
            if (nj_writer_char(&d->w, 0xdc00u + d->start[i]) < 0) {
                return -1;
            }
            i++;
        }
        if (i > from) {
            *pos = i;
            return 0;
        }
        if (make_decode_error(d, from, to, reason) == 0) {
            PyErr_SetObject((PyObject *)Py_TYPE(d->exc), d->exc);
        }
        return -1;
    }
    default: break;
    }
    if (d->handler == NULL) {
        d->handler = PyCodec_LookupError(d->errors);
        if (d->handler == NULL) {
            return -1;
        }
    }
    if (make_decode_error(d, from, to, reason) < 0) {
        return -1;
    }
    NJ_OWN r = PyObject_CallOneArg(d->handler, d->exc);
    if (r == NULL) {
        return -1;
    }
    if (!PyTuple_Check(r) || PyTuple_GET_SIZE(r) != 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(r, 0)) || !PyLong_Check(PyTuple_GET_ITEM(r, 1))) {
        PyErr_SetString(PyExc_TypeError,
                        "decoding error handler must return (str, int) tuple");
        return -1;
    }
    Py_ssize_t newpos = PyLong_AsSsize_t(PyTuple_GET_ITEM(r, 1));
    if (newpos == -1 && PyErr_Occurred()) {
        return -1;
    }
    /* the exception owns the input from here on; it may be another object now */
    PyObject *input = PyUnicodeDecodeError_GetObject(d->exc);
    if (input == NULL) {
        return -1;
    }
    if (!PyBytes_Check(input)) {
        PyErr_SetString(PyExc_TypeError, "exception attribute object must be bytes");
        Py_DECREF(input);
        return -1;
    }
    d->start = (const unsigned char *)PyBytes_AS_STRING(input);
    d->end = d->start + PyBytes_GET_SIZE(input);
    Py_DECREF(input);
    Py_ssize_t size = d->end - d->start;
    if (newpos < 0) {
        newpos += size;
    }
    if (newpos < 0 || newpos > size) {
        PyErr_Format(PyExc_IndexError, "position %zd from error handler out of bounds",
                     newpos);
        return -1;
    }
    *pos = newpos;
    return nj_writer_str(&d->w, PyTuple_GET_ITEM(r, 0));
}

/* ---- error handling: encoding -------------------------------------------------------------- */

int
nj_encoder_init(NjEncoder *e, PyObject *s, const char *encoding, const char *errors,
                Py_ssize_t size)
{
    e->str = s;
    e->encoding = encoding;
    e->errors = errors;
    e->mode = nj_error_mode(errors);
    e->handler = e->exc = NULL;
    e->n = 0;
    e->out = PyBytes_FromStringAndSize(NULL, Py_MAX(size, 16));
    return e->out == NULL ? -1 : 0;
}

void
nj_encoder_clear(NjEncoder *e)
{
    Py_CLEAR(e->handler);
    Py_CLEAR(e->exc);
    Py_CLEAR(e->out);
}

unsigned char *
nj_encoder_room(NjEncoder *e, Py_ssize_t n)
{
    Py_ssize_t size = PyBytes_GET_SIZE(e->out);
    if (n > size - e->n) {
        if (n > PY_SSIZE_T_MAX / 2 - size) {
            PyErr_NoMemory();
            return NULL;
        }
        Py_ssize_t want = e->n + n;
        want += want / 4 + 32;
        if (_PyBytes_Resize(&e->out, want) < 0) {
            return NULL;
        }
    }
    return (unsigned char *)PyBytes_AS_STRING(e->out) + e->n;
}

int
nj_encoder_bytes(NjEncoder *e, const void *p, Py_ssize_t n)
{
    unsigned char *to = nj_encoder_room(e, n);
    if (to == NULL) {
        return -1;
    }
    memcpy(to, p, (size_t)n);
    e->n += n;
    return 0;
}

PyObject *
nj_encoder_finish(NjEncoder *e)
{
    Py_CLEAR(e->handler);
    Py_CLEAR(e->exc);
    if (e->out != NULL && PyBytes_GET_SIZE(e->out) != e->n) {
        _PyBytes_Resize(&e->out, e->n);
    }
    return e->out;
}

static int
make_encode_error(NjEncoder *e, Py_ssize_t from, Py_ssize_t to, const char *reason)
{
    if (e->exc == NULL) {
        e->exc = PyObject_CallFunction(PyExc_UnicodeEncodeError, "sOnns", e->encoding,
                                       e->str, from, to, reason);
        return e->exc == NULL ? -1 : 0;
    }
    if (PyUnicodeEncodeError_SetStart(e->exc, from) < 0 ||
        PyUnicodeEncodeError_SetEnd(e->exc, to) < 0 ||
        PyUnicodeEncodeError_SetReason(e->exc, reason) < 0) {
        return -1;
    }
    return 0;
}

void
nj_encoder_raise(NjEncoder *e, Py_ssize_t from, Py_ssize_t to, const char *reason)
{
    if (make_encode_error(e, from, to, reason) == 0) {
        PyErr_SetObject((PyObject *)Py_TYPE(e->exc), e->exc);
    }
}

int
nj_encoder_error(NjEncoder *e, Py_ssize_t from, Py_ssize_t to, const char *reason,
                 PyObject **rep, Py_ssize_t *pos)
{
    *rep = NULL;
    if (e->mode == NJ_ERR_STRICT) {
        nj_encoder_raise(e, from, to, reason);
        return -1;
    }
    if (e->mode == NJ_ERR_IGNORE) {
        *rep = nj_str_empty();
        *pos = to;
        return 0;
    }
    if (e->handler == NULL) {
        e->handler = PyCodec_LookupError(e->errors);
        if (e->handler == NULL) {
            return -1;
        }
    }
    if (make_encode_error(e, from, to, reason) < 0) {
        return -1;
    }
    NJ_OWN r = PyObject_CallOneArg(e->handler, e->exc);
    if (r == NULL) {
        return -1;
    }
    if (!PyTuple_Check(r) || PyTuple_GET_SIZE(r) != 2 ||
        !(PyUnicode_Check(PyTuple_GET_ITEM(r, 0)) || PyBytes_Check(PyTuple_GET_ITEM(r, 0))) ||
        !PyLong_Check(PyTuple_GET_ITEM(r, 1))) {
        PyErr_SetString(PyExc_TypeError,
                        "encoding error handler must return (str/bytes, int) tuple");
        return -1;
    }
    Py_ssize_t newpos = PyLong_AsSsize_t(PyTuple_GET_ITEM(r, 1));
    if (newpos == -1 && PyErr_Occurred()) {
        return -1;
    }
    Py_ssize_t size = PyUnicode_GET_LENGTH(e->str);
    if (newpos < 0) {
        newpos += size;
    }
    if (newpos < 0 || newpos > size) {
        PyErr_Format(PyExc_IndexError, "position %zd from error handler out of bounds",
                     newpos);
        return -1;
    }
    *pos = newpos;
    *rep = Py_NewRef(PyTuple_GET_ITEM(r, 0));
    return 0;
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* One sequence at p < end. Its length with *ch set; 0: the data ends inside it; -1: no
 * start byte; -2, -3, -4: a continuation byte is wrong after 1, 2, 3 good bytes. */
static inline int
utf8_sequence(const unsigned char *p, const unsigned char *end, Py_UCS4 *ch)
{
    unsigned c = p[0];
    if (c < 0x80) {
        *ch = c;
        return 1;
    }
    if (c < 0xc2) {
        return -1;
    }
    if (c < 0xe0) {
        if (end - p < 2) {
            return 0;
        }
        if ((p[1] & 0xc0) != 0x80) {
            return -2;
        }
        *ch = (c & 0x1f) << 6 | (p[1] & 0x3fu);
        return 2;
    }
    if (c < 0xf0) {
        if (end - p < 2) {
            return 0;
        }
        if ((p[1] & 0xc0) != 0x80 || (c == 0xe0 && p[1] < 0xa0) ||
            (c == 0xed && p[1] >= 0xa0)) {
            return -2;
        }
        if (end - p < 3) {
            return 0;
        }
        if ((p[2] & 0xc0) != 0x80) {
            return -3;
        }
        *ch = (c & 0xf) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);
        return 3;
    }
    if (c < 0xf5) {
        if (end - p < 2) {
            return 0;
        }
        if ((p[1] & 0xc0) != 0x80 || (c == 0xf0 && p[1] < 0x90) ||
            (c == 0xf4 && p[1] >= 0x90)) {
            return -2;
        }
        if (end - p < 3) {
            return 0;
        }
        if ((p[2] & 0xc0) != 0x80) {
            return -3;
        }
        if (end - p < 4) {
            return 0;
        }
        if ((p[3] & 0xc0) != 0x80) {
            return -4;
        }
        *ch = (c & 7) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 | (p[3] & 0x3fu);
        return 4;
    }
    return -1;
}

/* Number of characters of valid UTF-8, or -1; *max the largest class. */
static Py_ssize_t
measure_utf8(const unsigned char *p, const unsigned char *end, Py_UCS4 *max)
{
    Py_ssize_t n = 0;
    Py_UCS4 all = 0;
    while (p < end) {
        if (*p < 0x80) {
            if (end - p >= 8) {
                uint64_t w;
                memcpy(&w, p, 8);
                w &= 0x8080808080808080ull;
                int k = w ? __builtin_ctzll(w) / 8 : 8;
                p += k;
                n += k;
            } else {
                p++;
                n++;
            }
            continue;
        }
        Py_UCS4 ch;
        int k = utf8_sequence(p, end, &ch);
        if (k <= 0) {
            return -1;
        }
        all |= ch;
        p += k;
        n++;
    }
    *max = all < 0x80 ? 0x7f : all < 0x100 ? 0xff : all < 0x10000 ? 0xffff : 0x10ffff;
    return n;
}

static void
fill_from_utf8(PyObject *s, const unsigned char *p, const unsigned char *end)
{
    NJ_BY_KIND(PyUnicode_KIND(s), C, {
        C *o = PyUnicode_DATA(s);
        while (p < end) {
            unsigned c = *p;
            if (c < 0x80) {
                *o++ = (C)c;
                p++;
            } else if (c < 0xe0) {
                *o++ = (C)((c & 0x1f) << 6 | (p[1] & 0x3fu));
                p += 2;
            } else if (c < 0xf0) {
                *o++ = (C)((c & 0xf) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu));
                p += 3;
            } else {
                *o++ = (C)((c & 7) << 18 | (p[1] & 0x3fu) << 12 | (p[2] & 0x3fu) << 6 |
                           (p[3] & 0x3fu));
                p += 4;
            }
        }
    });
}

/* Decodes the input of d, errors and all. 0 or -1. */
static int
decode_utf8_slowly(NjDecoder *d, Py_ssize_t pos, Py_ssize_t *consumed)
{
    while (pos < d->end - d->start) {
        const unsigned char *p = d->start + pos;
        Py_ssize_t run = nj_ascii_prefix((const char *)p, d->end - p);
        if (run) {
            if (nj_writer_ascii(&d->w, (const char *)p, run) < 0) {
                return -1;
            }
            pos += run;
            continue;
        }
        Py_UCS4 ch;
        int k = utf8_sequence(p, d->end, &ch);
        if (k > 0) {
            if (nj_writer_char(&d->w, ch) < 0) {
                return -1;
            }
            pos += k;
            continue;
        }
        const char *reason;
        Py_ssize_t to;
        if (k == 0) {
            if (consumed != NULL) {
                break;
            }
            reason = "unexpected end of data";
            to = d->end - d->start;
        } else if (k == -1) {
            reason = "invalid start byte";
            to = pos + 1;
        } else if (k == -2 && consumed != NULL && p[0] == 0xed && d->end - p == 2 &&
                   (p[1] & 0xe0) == 0xa0) {
            break; /* maybe a surrogate that surrogatepass will want whole */
        } else {
            reason = "invalid continuation byte";
            to = pos - 1 - k;
        }
        if (nj_decoder_error(d, pos, to, reason, &pos) < 0) {
            return -1;
        }
    }
    if (consumed != NULL) {
        *consumed = pos;
    }
    return 0;
}

PyObject *
PyUnicode_DecodeUTF8Stateful(const char *data, Py_ssize_t size, const char *errors,
                             Py_ssize_t *consumed)
{
    if (size == 0) {
        if (consumed) {
            *consumed = 0;
        }
        return nj_str_empty();
    }
    Py_ssize_t ascii = nj_ascii_prefix(data, size);
    if (NJ_LIKELY(ascii == size)) {
        if (consumed) {
            *consumed = size;
        }
        return nj_str_from_ascii(data, size);
    }
    const unsigned char *p = (const unsigned char *)data, *end = p + size;
    Py_UCS4 max = 0x7f;
    Py_ssize_t rest = measure_utf8(p + ascii, end, &max);
    if (NJ_LIKELY(rest >= 0)) {
        if (consumed) {
            *consumed = size;
        }
        if (ascii + rest == 1 && max == 0xff) {
            return nj_str_latin1((unsigned char)((p[0] & 3) << 6 | (p[1] & 0x3f)));
        }
        PyObject *s = PyUnicode_New(ascii + rest, max);
        if (s != NULL) {
            fill_from_utf8(s, p, end);
        }
        return s;
    }
    NjDecoder d;
    nj_decoder_init(&d, "utf-8", errors, data, size);
    d.w.overallocate = 0;
    if (nj_writer_ascii(&d.w, data, ascii) < 0) {
        nj_decoder_clear(&d);
        return NULL;
    }
    d.w.overallocate = 1;
    if (decode_utf8_slowly(&d, ascii, consumed) < 0) {
        nj_decoder_clear(&d);
        return NULL;
    }
    return nj_decoder_finish(&d);
}

PyObject *
PyUnicode_DecodeUTF8(const char *data, Py_ssize_t size, const char *errors)
{
    return PyUnicode_DecodeUTF8Stateful(data, size, errors, NULL);
}

static inline int
put_utf8(unsigned char *o, Py_UCS4 ch)
{
    if (ch < 0x80) {
        o[0] = (unsigned char)ch;
        return 1;
    }
    if (ch < 0x800) {
        o[0] = (unsigned char)(0xc0 | ch >> 6);
        o[1] = (unsigned char)(0x80 | (ch & 0x3f));
        return 2;
    }
    if (ch < 0x10000) {
        o[0] = (unsigned char)(0xe0 | ch >> 12);
        o[1] = (unsigned char)(0x80 | (ch >> 6 & 0x3f));
        o[2] = (unsigned char)(0x80 | (ch & 0x3f));
        return 3;
    }
    o[0] = (unsigned char)(0xf0 | ch >> 18);
    o[1] = (unsigned char)(0x80 | (ch >> 12 & 0x3f));
    o[2] = (unsigned char)(0x80 | (ch >> 6 & 0x3f));
    o[3] = (unsigned char)(0x80 | (ch & 0x3f));
    return 4;
}

/* Bytes that the string needs in UTF-8; -1 if it has surrogates. */
static Py_ssize_t
utf8_size(PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s), size = n;
    switch (PyUnicode_KIND(s)) {
    case 1: {
        const unsigned char *p = PyUnicode_DATA(s);
        for (Py_ssize_t i = 0; i < n; i++) {
            size += p[i] >> 7;
        }
        return size;
    }
    case 2: {
        const Py_UCS2 *p = PyUnicode_DATA(s);
        if (n > PY_SSIZE_T_MAX / 3) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            if (Py_UNICODE_IS_SURROGATE(p[i])) {
                return -1;
            }
            size += (p[i] >= 0x80) + (p[i] >= 0x800);
        }
        return size;
    }
    default: {
        const Py_UCS4 *p = PyUnicode_DATA(s);
        if (n > PY_SSIZE_T_MAX / 4) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            if (Py_UNICODE_IS_SURROGATE(p[i])) {
                return -1;
            }
            size += (p[i] >= 0x80) + (p[i] >= 0x800) + (p[i] >= 0x10000);
        }
        return size;
    }
    }
}

static void
fill_utf8(unsigned char *o, PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    NJ_BY_KIND(PyUnicode_KIND(s), C, {
        const C *p = PyUnicode_DATA(s);
        const C *end = p + n;
        while (p < end) {
            o += put_utf8(o, *p++);
        }
    });
}

static PyObject *
encode_utf8_slowly(PyObject *s, const char *errors)
{
    NjEncoder e;
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    if (nj_encoder_init(&e, s, "utf-8", errors, n + n / 2) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n;) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i);
        if (!Py_UNICODE_IS_SURROGATE(ch)) {
            unsigned char *o = nj_encoder_room(&e, 4);
            if (o == NULL) {
                goto fail;
            }
            e.n += put_utf8(o, ch);
            i++;
            continue;
        }
        Py_ssize_t to = i + 1;
        while (to < n && Py_UNICODE_IS_SURROGATE(PyUnicode_READ(kind, p, to))) {
            to++;
        }
        if (e.mode == NJ_ERR_SURROGATEESCAPE && ch >= 0xdc80 && ch <= 0xdcff) {
            unsigned char *o = nj_encoder_room(&e, 1);
            if (o == NULL) {
                goto fail;
            }
            *o = (unsigned char)(ch - 0xdc00);
            e.n++;
            i++;
            continue;
        }
        PyObject *rep;
        if (e.mode == NJ_ERR_REPLACE) {
            for (; i < to; i++) {
                if (nj_encoder_bytes(&e, "?", 1) < 0) {
                    goto fail;
                }
            }
            continue;
        }
        Py_ssize_t at = i;
        if (nj_encoder_error(&e, at, to, "surrogates not allowed", &rep, &i) < 0) {
            goto fail;
        }
        int bad = 0;
        if (PyBytes_Check(rep)) {
            bad = nj_encoder_bytes(&e, PyBytes_AS_STRING(rep), PyBytes_GET_SIZE(rep)) < 0;
        } else if (!PyUnicode_IS_ASCII(rep)) {
            nj_encoder_raise(&e, at, to, "surrogates not allowed");
            bad = 1;
        } else {
            bad = nj_encoder_bytes(&e, PyUnicode_DATA(rep), PyUnicode_GET_LENGTH(rep)) < 0;
        }
        Py_DECREF(rep);
        if (bad) {
            goto fail;
        }
    }
    return nj_encoder_finish(&e);
fail:
    nj_encoder_clear(&e);
    return NULL;
}

PyObject *
nj_encode_utf8(PyObject *s, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (PyUnicode_IS_ASCII(s)) {
        return PyBytes_FromStringAndSize(PyUnicode_DATA(s), PyUnicode_GET_LENGTH(s));
    }
    PyCompactUnicodeObject *c = (PyCompactUnicodeObject *)s;
    if (c->utf8 != NULL) {
        return PyBytes_FromStringAndSize(c->utf8, c->utf8_length);
    }
    Py_ssize_t size = utf8_size(s);
    if (size < 0) {
        return encode_utf8_slowly(s, errors);
    }
    PyObject *b = PyBytes_FromStringAndSize(NULL, size);
    if (b != NULL) {
        fill_utf8((unsigned char *)PyBytes_AS_STRING(b), s);
    }
    return b;
}

PyObject *
PyUnicode_AsUTF8String(PyObject *s)
{
    return nj_encode_utf8(s, NULL);
}

int
nj_str_fill_utf8(PyObject *s)
{
    Py_ssize_t size = utf8_size(s);
    if (size < 0) {
        PyObject *b = encode_utf8_slowly(s, NULL);
        Py_XDECREF(b);
        if (b != NULL) {
            PyErr_NoMemory();
        }
        return -1;
    }
    char *p = PyMem_Malloc((size_t)size + 1);
    if (p == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    fill_utf8((unsigned char *)p, s);
    p[size] = 0;
    PyCompactUnicodeObject *c = (PyCompactUnicodeObject *)s;
    c->utf8 = p;
    c->utf8_length = size;
    return 0;
}

const char *
PyUnicode_AsUTF8AndSize(PyObject *s, Py_ssize_t *size)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        if (size) {
            *size = -1;
        }
        return NULL;
    }
    if (PyUnicode_IS_COMPACT_ASCII(s)) {
        if (size) {
            *size = PyUnicode_GET_LENGTH(s);
        }
        return (const char *)((PyASCIIObject *)s + 1);
    }
    PyCompactUnicodeObject *c = (PyCompactUnicodeObject *)s;
    if (c->utf8 == NULL && nj_str_fill_utf8(s) < 0) {
        if (size) {
            *size = -1;
        }
        return NULL;
    }
    if (size) {
        *size = c->utf8_length;
    }
    return c->utf8;
}

const char *
PyUnicode_AsUTF8(PyObject *s)
{
    return PyUnicode_AsUTF8AndSize(s, NULL);
}

/* ---- Latin-1 and ASCII -------------------------------------------------------------------------- */

PyObject *
PyUnicode_DecodeLatin1(const char *data, Py_ssize_t size, const char *errors)
{
    return nj_str_from_ucs1((const Py_UCS1 *)data, size);
}

PyObject *
PyUnicode_DecodeASCII(const char *data, Py_ssize_t size, const char *errors)
{
    if (size == 0) {
        return nj_str_empty();
    }
    Py_ssize_t good = nj_ascii_prefix(data, size);
    if (good == size) {
        return nj_str_from_ascii(data, size);
    }
    NjDecoder d;
    nj_decoder_init(&d, "ascii", errors, data, size);
    for (Py_ssize_t pos = 0; pos < d.end - d.start;) {
        const unsigned char *p = d.start + pos;
        Py_ssize_t run = nj_ascii_prefix((const char *)p, d.end - p);
        if (run) {
            if (nj_writer_ascii(&d.w, (const char *)p, run) < 0) {
                goto fail;
            }
            pos += run;
        } else if (nj_decoder_error(&d, pos, pos + 1, "ordinal not in range(128)", &pos) <
                   0) {
            goto fail;
        }
    }
    return nj_decoder_finish(&d);
fail:
    nj_decoder_clear(&d);
    return NULL;
}

static PyObject *
encode_one_byte(PyObject *s, const char *errors, Py_UCS4 limit)
{
    const char *encoding = limit == 256 ? "latin-1" : "ascii";
    const char *reason =
        limit == 256 ? "ordinal not in range(256)" : "ordinal not in range(128)";
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    NjEncoder e;
    if (nj_encoder_init(&e, s, encoding, errors, n) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n;) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i);
        if (ch < limit || (e.mode == NJ_ERR_SURROGATEESCAPE && ch >= 0xdc80 && ch <= 0xdcff)) {
            unsigned char *o = nj_encoder_room(&e, 1);
            if (o == NULL) {
                goto fail;
            }
            *o = (unsigned char)ch;
            e.n++;
            i++;
            continue;
        }
        Py_ssize_t to = i + 1;
        while (to < n && PyUnicode_READ(kind, p, to) >= limit) {
            to++;
        }
        if (e.mode == NJ_ERR_REPLACE) {
            unsigned char *o = nj_encoder_room(&e, to - i);
            if (o == NULL) {
                goto fail;
            }
            memset(o, '?', (size_t)(to - i));
            e.n += to - i;
            i = to;
            continue;
        }
        Py_ssize_t at = i;
        PyObject *rep;
        if (nj_encoder_error(&e, at, to, reason, &rep, &i) < 0) {
            goto fail;
        }
        int bad = 0;
        if (PyBytes_Check(rep)) {
            bad = nj_encoder_bytes(&e, PyBytes_AS_STRING(rep), PyBytes_GET_SIZE(rep)) < 0;
        } else {
            Py_ssize_t m = PyUnicode_GET_LENGTH(rep);
            unsigned char *o = nj_encoder_room(&e, m);
            bad = o == NULL;
            for (Py_ssize_t k = 0; !bad && k < m; k++) {
                Py_UCS4 c = PyUnicode_READ_CHAR(rep, k);
                if (c >= limit) {
                    nj_encoder_raise(&e, at, to, reason);
                    bad = 1;
                } else {
                    *o++ = (unsigned char)c;
                }
            }
            e.n += m;
        }
        Py_DECREF(rep);
        if (bad) {
            goto fail;
        }
    }
    return nj_encoder_finish(&e);
fail:
    nj_encoder_clear(&e);
    return NULL;
}

PyObject *
nj_encode_latin1(PyObject *s, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (PyUnicode_KIND(s) == 1) {
        return PyBytes_FromStringAndSize(PyUnicode_DATA(s), PyUnicode_GET_LENGTH(s));
    }
    return encode_one_byte(s, errors, 256);
}

PyObject *
nj_encode_ascii(PyObject *s, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (PyUnicode_IS_ASCII(s)) {
        return PyBytes_FromStringAndSize(PyUnicode_DATA(s), PyUnicode_GET_LENGTH(s));
    }
    return encode_one_byte(s, errors, 128);
}

PyObject *
PyUnicode_AsLatin1String(PyObject *s)
{
    return nj_encode_latin1(s, NULL);
}

PyObject *
PyUnicode_AsASCIIString(PyObject *s)
{
    return nj_encode_ascii(s, NULL);
}

/* ---- choosing a codec ------------------------------------------------------------------------------ */

typedef enum { C_OTHER, C_UTF8, C_LATIN1, C_ASCII, C_UTF16, C_UTF32 } KnownCodec;

/* Recognises the built-in codecs by name without asking the registry. */
static KnownCodec
known_codec(const char *name)
{
    static const struct {
        const char *name;
        KnownCodec codec;
    } names[] = {
        {"utf-8", C_UTF8},        {"utf8", C_UTF8},      {"cp65001", C_OTHER},
        {"latin-1", C_LATIN1},    {"latin1", C_LATIN1},  {"iso-8859-1", C_LATIN1},
        {"iso8859-1", C_LATIN1},  {"ascii", C_ASCII},    {"us-ascii", C_ASCII},
        {"utf-16", C_UTF16},      {"utf16", C_UTF16},    {"utf-32", C_UTF32},
        {"utf32", C_UTF32},
    };
    if (name == NULL) {
        return C_UTF8;
    }
    char norm[12];
    size_t n = 0;
    for (const char *p = name; *p; p++) {
        if (n >= sizeof(norm) - 1) {
            return C_OTHER;
        }
        norm[n++] = *p == '_' ? '-' : (char)Py_TOLOWER(*p);
    }
    norm[n] = 0;
    for (size_t i = 0; i < NJ_ARRAY_LEN(names); i++) {
        if (strcmp(norm, names[i].name) == 0) {
            return names[i].codec;
        }
    }
    return C_OTHER;
}

/* In development mode the names of codec and handler must exist even if nothing needs
 * them. 0, or -1 with LookupError. */
static int
check_names(const char *encoding, const char *errors)
{
    if (encoding != NULL && known_codec(encoding) == C_OTHER) {
        PyObject *info = nj_codec_lookup(encoding);
        if (info == NULL) {
            return -1;
        }
        Py_DECREF(info);
    }
    if (errors != NULL && strcmp(errors, "strict") != 0) {
        PyObject *handler = PyCodec_LookupError(errors);
        if (handler == NULL) {
            return -1;
        }
        Py_DECREF(handler);
    }
    return 0;
}

static inline bool
in_dev_mode(void)
{
    /* the codecs module must be there: not during start-up */
    return NJ_UNLIKELY(nj_interp()->rt.config.dev_mode > 0) &&
           nj_interp()->strs.codec_cache != NULL;
}

PyObject *
PyUnicode_Decode(const char *data, Py_ssize_t size, const char *encoding,
                 const char *errors)
{
    if (in_dev_mode() && check_names(encoding, errors) < 0) {
        return NULL;
    }
    if (size == 0) {
        return nj_str_empty();
    }
    switch (known_codec(encoding)) {
    case C_UTF8: return PyUnicode_DecodeUTF8Stateful(data, size, errors, NULL);
    case C_LATIN1: return PyUnicode_DecodeLatin1(data, size, errors);
    case C_ASCII: return PyUnicode_DecodeASCII(data, size, errors);
    case C_UTF16: return PyUnicode_DecodeUTF16(data, size, errors, NULL);
    case C_UTF32: return PyUnicode_DecodeUTF32(data, size, errors, NULL);
    case C_OTHER: break;
    }
    Py_buffer info;
    if (PyBuffer_FillInfo(&info, NULL, (void *)data, size, 1, PyBUF_FULL_RO) < 0) {
        return NULL;
    }
    NJ_OWN buffer = PyMemoryView_FromBuffer(&info);
    if (buffer == NULL) {
        return NULL;
    }
    NJ_OWN r = nj_codec_decode_text(buffer, encoding, errors);
    if (r == NULL) {
        return NULL;
    }
    if (!PyUnicode_Check(r)) {
        PyErr_Format(PyExc_TypeError,
                     "'%.400s' decoder returned '%.400s' instead of 'str'; use "
                     "codecs.decode() to decode to arbitrary types",
                     encoding, Py_TYPE(r)->tp_name);
        return NULL;
    }
    return NJ_TAKE(r);
}

PyObject *
PyUnicode_AsEncodedString(PyObject *s, const char *encoding, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (in_dev_mode() && check_names(encoding, errors) < 0) {
        return NULL;
    }
    switch (known_codec(encoding)) {
    case C_UTF8: return nj_encode_utf8(s, errors);
    case C_LATIN1: return nj_encode_latin1(s, errors);
    case C_ASCII: return nj_encode_ascii(s, errors);
    case C_UTF16: return nj_encode_utf16(s, errors, 0);
    case C_UTF32: return nj_encode_utf32(s, errors, 0);
    case C_OTHER: break;
    }
    NJ_OWN r = nj_codec_encode_text(s, encoding, errors);
    if (r == NULL) {
        return NULL;
    }
    if (PyBytes_Check(r)) {
        return NJ_TAKE(r);
    }
    if (PyByteArray_Check(r)) {
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                             "encoder %s returned bytearray instead of bytes; use "
                             "codecs.encode() to encode to arbitrary types",
                             encoding) < 0) {
            return NULL;
        }
        return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(r), PyByteArray_GET_SIZE(r));
    }
    PyErr_Format(PyExc_TypeError,
                 "'%.400s' encoder returned '%.400s' instead of 'bytes'; use "
                 "codecs.encode() to encode to arbitrary types",
                 encoding, Py_TYPE(r)->tp_name);
    return NULL;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static int
warn_deprecated(const char *name)
{
    return PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                            "%s is deprecated; use PyCodec_%s instead", name,
                            strstr(name, "Decoded") ? "Decode to decode from str"
                                                    : "Encode to encode from str");
}

PyObject *
PyUnicode_AsDecodedObject(PyObject *s, const char *encoding, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (warn_deprecated("PyUnicode_AsDecodedObject()") < 0) {
        return NULL;
    }
    return PyCodec_Decode(s, encoding ? encoding : "utf-8", errors);
}

PyObject *
PyUnicode_AsDecodedUnicode(PyObject *s, const char *encoding, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (warn_deprecated("PyUnicode_AsDecodedUnicode()") < 0) {
        return NULL;
    }
    NJ_OWN r = PyCodec_Decode(s, encoding ? encoding : "utf-8", errors);
    if (r != NULL && !PyUnicode_Check(r)) {
        PyErr_Format(PyExc_TypeError,
                     "'%.400s' decoder returned '%.400s' instead of 'str'; use "
                     "codecs.decode() to decode to arbitrary types",
                     encoding, Py_TYPE(r)->tp_name);
        return NULL;
    }
    return NJ_TAKE(r);
}

PyObject *
PyUnicode_AsEncodedObject(PyObject *s, const char *encoding, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (warn_deprecated("PyUnicode_AsEncodedObject()") < 0) {
        return NULL;
    }
    return PyCodec_Encode(s, encoding ? encoding : "utf-8", errors);
}

PyObject *
PyUnicode_AsEncodedUnicode(PyObject *s, const char *encoding, const char *errors)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    if (warn_deprecated("PyUnicode_AsEncodedUnicode()") < 0) {
        return NULL;
    }
    NJ_OWN r = PyCodec_Encode(s, encoding ? encoding : "utf-8", errors);
    if (r != NULL && !PyUnicode_Check(r)) {
        PyErr_Format(PyExc_TypeError,
                     "'%.400s' encoder returned '%.400s' instead of 'str'; use "
                     "codecs.encode() to encode to arbitrary types",
                     encoding ? encoding : "utf-8", Py_TYPE(r)->tp_name);
        return NULL;
    }
    return NJ_TAKE(r);
}
#pragma GCC diagnostic pop

const char *
PyUnicode_GetDefaultEncoding(void)
{
    return "utf-8";
}

/* ---- file names ------------------------------------------------------------------------------------- */

PyObject *
PyUnicode_DecodeFSDefaultAndSize(const char *s, Py_ssize_t size)
{
    const char *errors = nj_runtime.fs.errors;
    switch (nj_runtime.fs.kind) {
    case NJ_FS_UTF8:
        return PyUnicode_DecodeUTF8Stateful(s, size, errors, NULL);
    case NJ_FS_ASCII:
        return PyUnicode_DecodeASCII(s, size, errors);
    case NJ_FS_CODEC:
        return PyUnicode_Decode(s, size, nj_runtime.fs.name, errors);
    default:
        return PyUnicode_DecodeLocaleAndSize(s, size, errors ? errors : "surrogateescape");
    }
}

PyObject *
PyUnicode_DecodeFSDefault(const char *s)
{
    return PyUnicode_DecodeFSDefaultAndSize(s, (Py_ssize_t)strlen(s));
}

PyObject *
PyUnicode_EncodeFSDefault(PyObject *s)
{
    const char *errors = nj_runtime.fs.errors;
    switch (nj_runtime.fs.kind) {
    case NJ_FS_UTF8:
        return nj_encode_utf8(s, errors);
    case NJ_FS_ASCII:
        return PyUnicode_AsEncodedString(s, "ascii", errors);
    case NJ_FS_CODEC:
        return PyUnicode_AsEncodedString(s, nj_runtime.fs.name, errors);
    default:
        return PyUnicode_EncodeLocale(s, errors ? errors : "surrogateescape");
    }
}

int
PyUnicode_FSConverter(PyObject *arg, void *addr)
{
    if (arg == NULL) {
        Py_CLEAR(*(PyObject **)addr);
        return 1;
    }
    NJ_OWN path = PyOS_FSPath(arg);
    if (path == NULL) {
        return 0;
    }
    NJ_OWN bytes = PyBytes_Check(path) ? Py_NewRef(path) : PyUnicode_EncodeFSDefault(path);
    if (bytes == NULL) {
        return 0;
    }
    if (strlen(PyBytes_AS_STRING(bytes)) != (size_t)PyBytes_GET_SIZE(bytes)) {
        PyErr_SetString(PyExc_ValueError, "embedded null byte");
        return 0;
    }
    *(PyObject **)addr = NJ_TAKE(bytes);
    return Py_CLEANUP_SUPPORTED;
}

int
PyUnicode_FSDecoder(PyObject *arg, void *addr)
{
    if (arg == NULL) {
        Py_CLEAR(*(PyObject **)addr);
        return 1;
    }
    NJ_OWN path = PyOS_FSPath(arg);
    if (path == NULL) {
        return 0;
    }
    NJ_OWN text = PyUnicode_Check(path)
                      ? Py_NewRef(path)
                      : PyUnicode_DecodeFSDefaultAndSize(PyBytes_AS_STRING(path),
                                                         PyBytes_GET_SIZE(path));
    if (text == NULL) {
        return 0;
    }
    if (nj_find_char(PyUnicode_KIND(text), PyUnicode_DATA(text), PyUnicode_GET_LENGTH(text),
                     0) >= 0) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return 0;
    }
    *(PyObject **)addr = NJ_TAKE(text);
    return Py_CLEANUP_SUPPORTED;
}

/* ---- the locale --------------------------------------------------------------------------------------- */

/* UTF-8 mode overrides the locale; before the preconfiguration it is not known. */
static bool
locale_is_utf8(void)
{
    if (nj_runtime.preinitialized && nj_runtime.preconfig.utf8_mode > 0) {
        return true;
    }
    const char *codeset = nl_langinfo(CODESET);
    return PyOS_mystricmp(codeset, "UTF-8") == 0 || PyOS_mystricmp(codeset, "utf8") == 0;
}

wchar_t *
Py_DecodeLocale(const char *arg, size_t *size)
{
    size_t n = strlen(arg), o = 0;
    wchar_t *w = PyMem_RawMalloc((n + 1) * sizeof(wchar_t));
    if (w == NULL) {
        if (size) {
            *size = (size_t)-1;
        }
        return NULL;
    }
    const unsigned char *p = (const unsigned char *)arg, *end = p + n;
    if (locale_is_utf8()) {
        while (p < end) {
            Py_UCS4 ch;
            int k = utf8_sequence(p, end, &ch);
            if (k > 0) {
                w[o++] = (wchar_t)ch;
                p += k;
            } else {
                w[o++] = (wchar_t)(0xdc00 + *p++);
            }
        }
    } else {
        mbstate_t state = {0};
        while (p < end) {
            wchar_t ch;
            size_t k = mbrtowc(&ch, (const char *)p, (size_t)(end - p), &state);
            if (k == 0 || k == (size_t)-1 || k == (size_t)-2 ||
                Py_UNICODE_IS_SURROGATE((Py_UCS4)ch)) {
                w[o++] = (wchar_t)(*p < 0x80 ? *p : 0xdc00 + *p);
                p++;
                memset(&state, 0, sizeof(state));
            } else {
                w[o++] = ch;
                p += k;
            }
        }
    }
    w[o] = 0;
    if (size) {
        *size = o;
    }
    return w;
}

char *
Py_EncodeLocale(const wchar_t *text, size_t *error_pos)
{
    size_t n = wcslen(text), o = 0;
    bool utf8 = locale_is_utf8();
    size_t per = utf8 ? 4 : (size_t)MB_CUR_MAX;
    if (error_pos) {
        *error_pos = (size_t)-1;
    }
    unsigned char *b = PyMem_Malloc(n * per + 1);
    if (b == NULL) {
        return NULL;
    }
    mbstate_t state = {0};
    for (size_t i = 0; i < n; i++) {
        Py_UCS4 ch = (Py_UCS4)text[i];
        if (ch >= 0xdc80 && ch <= 0xdcff) {
            b[o++] = (unsigned char)(ch - 0xdc00);
            continue;
        }
        size_t k = (size_t)-1;
        if (!Py_UNICODE_IS_SURROGATE(ch) && ch <= 0x10ffff) {
            k = utf8 ? (size_t)put_utf8(b + o, ch)
                     : wcrtomb((char *)b + o, (wchar_t)ch, &state);
        }
        if (k == (size_t)-1) {
            if (error_pos) {
                *error_pos = i;
            }
            PyMem_Free(b);
            return NULL;
        }
        o += k;
    }
    b[o] = 0;
    return (char *)b;
}

static int
check_locale_errors(const char *errors)
{
    if (errors == NULL || strcmp(errors, "strict") == 0) {
        return 0;
    }
    if (strcmp(errors, "surrogateescape") == 0) {
        return 1;
    }
    PyErr_SetString(PyExc_ValueError, "unsupported error handler");
    return -1;
}

PyObject *
PyUnicode_DecodeLocaleAndSize(const char *str, Py_ssize_t len, const char *errors)
{
    if (str[len] != '\0' || strlen(str) != (size_t)len) {
        PyErr_SetString(PyExc_ValueError, "embedded null byte");
        return NULL;
    }
    int escape = check_locale_errors(errors);
    if (escape < 0) {
        return NULL;
    }
    size_t n;
    wchar_t *w = Py_DecodeLocale(str, &n);
    if (w == NULL) {
        return PyErr_NoMemory();
    }
    if (!escape) {
        for (size_t i = 0; i < n; i++) {
            if (w[i] >= 0xdc80 && w[i] <= 0xdcff) {
                PyMem_RawFree(w);
                PyObject *exc = PyUnicodeDecodeError_Create(
                    "locale", str, len, (Py_ssize_t)i, (Py_ssize_t)i + 1, "decoding error");
                if (exc != NULL) {
                    PyErr_SetObject(PyExc_UnicodeDecodeError, exc);
                    Py_DECREF(exc);
                }
                return NULL;
            }
        }
    }
    PyObject *s = PyUnicode_FromWideChar(w, (Py_ssize_t)n);
    PyMem_RawFree(w);
    return s;
}

PyObject *
PyUnicode_DecodeLocale(const char *str, const char *errors)
{
    return PyUnicode_DecodeLocaleAndSize(str, (Py_ssize_t)strlen(str), errors);
}

PyObject *
PyUnicode_EncodeLocale(PyObject *unicode, const char *errors)
{
    Py_ssize_t n;
    wchar_t *w = PyUnicode_AsWideCharString(unicode, &n);
    if (w == NULL) {
        return NULL;
    }
    if ((Py_ssize_t)wcslen(w) != n) {
        PyMem_Free(w);
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    int escape = check_locale_errors(errors);
    if (escape < 0) {
        PyMem_Free(w);
        return NULL;
    }
    size_t bad = (size_t)-1;
    char *b = NULL;
    for (Py_ssize_t i = 0; !escape && i < n; i++) {
        if (w[i] >= 0xdc80 && w[i] <= 0xdcff) {
            bad = (size_t)i;
            break;
        }
    }
    if (bad == (size_t)-1) {
        b = Py_EncodeLocale(w, &bad);
    }
    PyMem_Free(w);
    if (b == NULL) {
        if (bad == (size_t)-1) {
            return PyErr_NoMemory();
        }
        NJ_OWN exc = PyObject_CallFunction(PyExc_UnicodeEncodeError, "sOnns", "locale",
                                           unicode, (Py_ssize_t)bad, (Py_ssize_t)bad + 1,
                                           "encoding error");
        if (exc != NULL) {
            PyErr_SetObject(PyExc_UnicodeEncodeError, exc);
        }
        return NULL;
    }
    PyObject *r = PyBytes_FromString(b);
    PyMem_Free(b);
    return r;
}

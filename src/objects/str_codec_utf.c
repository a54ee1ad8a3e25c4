/* str_codec_utf.c - UTF-16, UTF-32 and UTF-7.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_codec.h"

/* ---- UTF-16 ---------------------------------------------------------------------------------- */

static inline Py_UCS4
unit16(const unsigned char *p, bool big)
{
    return big ? p[0] << 8 | p[1] : p[1] << 8 | p[0];
}

PyObject *
PyUnicode_DecodeUTF16Stateful(const char *data, Py_ssize_t size, const char *errors,
                              int *byteorder, Py_ssize_t *consumed)
{
    const unsigned char *q = (const unsigned char *)data;
    int order = byteorder ? *byteorder : 0;
    Py_ssize_t pos = 0;
    if (order == 0 && size >= 2) {
        Py_UCS4 mark = unit16(q, false);
        if (mark == 0xfeff) {
            pos = 2;
            order = -1;
        } else if (mark == 0xfffe) {
            pos = 2;
            order = 1;
        }
        if (byteorder) {
            *byteorder = order;
        }
    }
    bool big = order == 1;
    const char *encoding = order <= -1 ? "utf-16-le" : order >= 1 ? "utf-16-be" : "utf-16";
    if (order == 0) {
        encoding = "utf-16-le";
    }
    NjDecoder d;
    nj_decoder_init(&d, encoding, errors, data, size);
    d.w.min_length = size / 2;
    while (pos < d.end - d.start) {
        const unsigned char *p = d.start + pos;
        Py_ssize_t left = d.end - p;
        const char *reason;
        Py_ssize_t to;
        if (left < 2) {
            if (consumed) {
                break;
            }
            reason = "truncated data";
            to = d.end - d.start;
        } else {
            Py_UCS4 ch = unit16(p, big);
            if (!Py_UNICODE_IS_SURROGATE(ch)) {
                if (nj_writer_char(&d.w, ch) < 0) {
                    goto fail;
                }
                pos += 2;
                continue;
            }
            if (Py_UNICODE_IS_LOW_SURROGATE(ch)) {
                reason = "illegal encoding";
                to = pos + 2;
            } else if (left < 4) {
                if (consumed) {
                    break;
                }
                reason = "unexpected end of data";
                to = d.end - d.start;
            } else {
                Py_UCS4 low = unit16(p + 2, big);
                if (Py_UNICODE_IS_LOW_SURROGATE(low)) {
                    if (nj_writer_char(&d.w, Py_UNICODE_JOIN_SURROGATES(ch, low)) < 0) {
                        goto fail;
                    }
                    pos += 4;
                    continue;
                }
                reason = "illegal UTF-16 surrogate";
                to = pos + 2;
            }
        }
        if (nj_decoder_error(&d, pos, to, reason, &pos) < 0) {
            goto fail;
        }
    }
    if (consumed) {
        *consumed = pos;
    }
    return nj_decoder_finish(&d);
fail:
    nj_decoder_clear(&d);
    return NULL;
}

PyObject *
PyUnicode_DecodeUTF16(const char *data, Py_ssize_t size, const char *errors, int *byteorder)
{
    return PyUnicode_DecodeUTF16Stateful(data, size, errors, byteorder, NULL);
}

static inline unsigned char *
put16(unsigned char *o, Py_UCS4 u, bool big)
{
    o[big] = (unsigned char)u;
    o[!big] = (unsigned char)(u >> 8);
    return o + 2;
}

static inline unsigned char *
put32(unsigned char *o, Py_UCS4 u, bool big)
{
    for (int i = 0; i < 4; i++) {
        o[big ? 3 - i : i] = (unsigned char)(u >> (8 * i));
    }
    return o + 4;
}

/* UTF-16 (width 2) and UTF-32 (width 4). */
static PyObject *
encode_wide(PyObject *s, const char *errors, int byteorder, int width)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    static const char *const names[2][3] = {{"utf-16-le", "utf-16", "utf-16-be"},
                                            {"utf-32-le", "utf-32", "utf-32-be"}};
    const char *encoding = names[width == 4][byteorder < 0 ? 0 : byteorder > 0 ? 2 : 1];
    bool big = byteorder > 0;
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    if (n > PY_SSIZE_T_MAX / 8 - 2) {
        return PyErr_NoMemory();
    }
    NjEncoder e;
    if (nj_encoder_init(&e, s, encoding, errors, (n + (byteorder == 0)) * width) < 0) {
        return NULL;
    }
    if (byteorder == 0) {
        unsigned char *o = nj_encoder_room(&e, width);
        if (o == NULL) {
            goto fail;
        }
        width == 2 ? put16(o, 0xfeff, false) : put32(o, 0xfeff, false);
        e.n += width;
    }
    for (Py_ssize_t i = 0; i < n;) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i);
        if (NJ_LIKELY(!Py_UNICODE_IS_SURROGATE(ch))) {
            unsigned char *o = nj_encoder_room(&e, 4), *from = o;
            if (o == NULL) {
                goto fail;
            }
            if (width == 4) {
                o = put32(o, ch, big);
            } else if (ch < 0x10000) {
                o = put16(o, ch, big);
            } else {
                o = put16(o, Py_UNICODE_HIGH_SURROGATE(ch), big);
                o = put16(o, Py_UNICODE_LOW_SURROGATE(ch), big);
            }
            e.n += o - from;
            i++;
            continue;
        }
        Py_ssize_t at = i, to = i + 1;
        PyObject *rep;
        if (nj_encoder_error(&e, at, to, "surrogates not allowed", &rep, &i) < 0) {
            goto fail;
        }
        int bad;
        if (PyBytes_Check(rep)) {
            if (PyBytes_GET_SIZE(rep) % width) {
                nj_encoder_raise(&e, at, to, "surrogates not allowed");
                bad = 1;
            } else {
                bad = nj_encoder_bytes(&e, PyBytes_AS_STRING(rep), PyBytes_GET_SIZE(rep)) < 0;
            }
        } else if (!PyUnicode_IS_ASCII(rep)) {
            nj_encoder_raise(&e, at, to, "surrogates not allowed");
            bad = 1;
        } else {
            Py_ssize_t m = PyUnicode_GET_LENGTH(rep);
            unsigned char *o = nj_encoder_room(&e, m * width);
            bad = o == NULL;
            for (Py_ssize_t k = 0; !bad && k < m; k++) {
                Py_UCS4 c = PyUnicode_READ_CHAR(rep, k);
                o = width == 4 ? put32(o, c, big) : put16(o, c, big);
            }
            e.n += m * width;
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
nj_encode_utf16(PyObject *s, const char *errors, int byteorder)
{
    return encode_wide(s, errors, byteorder, 2);
}

PyObject *
nj_encode_utf32(PyObject *s, const char *errors, int byteorder)
{
    return encode_wide(s, errors, byteorder, 4);
}

PyObject *
PyUnicode_AsUTF16String(PyObject *s)
{
    return encode_wide(s, NULL, 0, 2);
}

PyObject *
PyUnicode_AsUTF32String(PyObject *s)
{
    return encode_wide(s, NULL, 0, 4);
}

/* ---- UTF-32 ------------------------------------------------------------------------------------ */

static inline Py_UCS4
unit32(const unsigned char *p, bool big)
{
    return big ? (Py_UCS4)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]
               : (Py_UCS4)p[3] << 24 | p[2] << 16 | p[1] << 8 | p[0];
}

PyObject *
PyUnicode_DecodeUTF32Stateful(const char *data, Py_ssize_t size, const char *errors,
                              int *byteorder, Py_ssize_t *consumed)
{
    int order = byteorder ? *byteorder : 0;
    Py_ssize_t pos = 0;
    if (order == 0 && size >= 4) {
        Py_UCS4 mark = unit32((const unsigned char *)data, false);
        if (mark == 0xfeff) {
            pos = 4;
            order = -1;
        } else if (mark == 0xfffe0000) {
            pos = 4;
            order = 1;
        }
        if (byteorder) {
            *byteorder = order;
        }
    }
    bool big = order == 1;
    NjDecoder d;
    nj_decoder_init(&d, big ? "utf-32-be" : "utf-32-le", errors, data, size);
    d.w.min_length = size / 4;
    while (pos < d.end - d.start) {
        const unsigned char *p = d.start + pos;
        const char *reason;
        Py_ssize_t to = pos + 4;
        if (d.end - p < 4) {
            if (consumed) {
                break;
            }
            reason = "truncated data";
            to = d.end - d.start;
        } else {
            Py_UCS4 ch = unit32(p, big);
            if (Py_UNICODE_IS_SURROGATE(ch)) {
                reason = "code point in surrogate code point range(0xd800, 0xe000)";
            } else if (ch > 0x10ffff) {
                reason = "code point not in range(0x110000)";
            } else {
                if (nj_writer_char(&d.w, ch) < 0) {
                    goto fail;
                }
                pos += 4;
                continue;
            }
        }
        if (nj_decoder_error(&d, pos, to, reason, &pos) < 0) {
            goto fail;
        }
    }
    if (consumed) {
        *consumed = pos;
    }
    return nj_decoder_finish(&d);
fail:
    nj_decoder_clear(&d);
    return NULL;
}

PyObject *
PyUnicode_DecodeUTF32(const char *data, Py_ssize_t size, const char *errors, int *byteorder)
{
    return PyUnicode_DecodeUTF32Stateful(data, size, errors, byteorder, NULL);
}

/* ---- UTF-7 --------------------------------------------------------------------------------------- */

static const char base64[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int
base64_value(Py_UCS4 c)
{
    return c >= 'A' && c <= 'Z'   ? (int)c - 'A'
           : c >= 'a' && c <= 'z' ? (int)c - 'a' + 26
           : c >= '0' && c <= '9' ? (int)c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* May the encoder write this character as it is? */
static bool
is_direct(Py_UCS4 c)
{
    if (c == '\t' || c == '\n' || c == '\r') {
        return true;
    }
    return c >= ' ' && c < 127 && c != '+' && c != '\\' && c != '~';
}

PyObject *
PyUnicode_DecodeUTF7Stateful(const char *data, Py_ssize_t size, const char *errors,
                             Py_ssize_t *consumed)
{
    NjDecoder d;
    nj_decoder_init(&d, "utf7", errors, data, size);
    bool shifted = false;
    Py_ssize_t pos = 0, from = 0, out_start = 0;
    uint32_t buffer = 0;
    unsigned bits = 0;
    Py_UCS4 surrogate = 0;
    for (;;) {
        while (pos < d.end - d.start) {
            Py_UCS4 ch = d.start[pos];
            const char *reason;
            int value = base64_value(ch);
            if (shifted && value >= 0) {
                buffer = buffer << 6 | (unsigned)value;
                bits += 6;
                pos++;
                if (bits < 16) {
                    continue;
                }
                bits -= 16;
                Py_UCS4 unit = buffer >> bits & 0xffff;
                buffer &= (1u << bits) - 1;
                if (surrogate) {
                    Py_UCS4 high = surrogate;
                    surrogate = 0;
                    if (Py_UNICODE_IS_LOW_SURROGATE(unit)) {
                        if (nj_writer_char(&d.w, Py_UNICODE_JOIN_SURROGATES(high, unit)) < 0) {
                            goto fail;
                        }
                        continue;
                    }
                    if (nj_writer_char(&d.w, high) < 0) {
                        goto fail;
                    }
                }
                if (Py_UNICODE_IS_HIGH_SURROGATE(unit)) {
                    surrogate = unit;
                } else if (nj_writer_char(&d.w, unit) < 0) {
                    goto fail;
                }
                continue;
            }
            if (shifted) {
                shifted = false;
                if (bits >= 6) {
                    pos++;
                    reason = "partial character in shift sequence";
                    goto error;
                }
                if (bits > 0 && buffer != 0) {
                    pos++;
                    reason = "non-zero padding bits in shift sequence";
                    goto error;
                }
                if (surrogate && ch < 128 && ch != '+') {
                    if (nj_writer_char(&d.w, surrogate) < 0) {
                        goto fail;
                    }
                }
                surrogate = 0;
                if (ch == '-') {
                    pos++;
                }
                continue;
            }
            from = pos++;
            if (ch == '+') {
                if (pos < d.end - d.start && d.start[pos] == '-') {
                    pos++;
                    if (nj_writer_char(&d.w, '+') < 0) {
                        goto fail;
                    }
                    continue;
                }
                if (pos < d.end - d.start && base64_value(d.start[pos]) < 0) {
                    pos++;
                    reason = "ill-formed sequence";
                    goto error;
                }
                shifted = true;
                surrogate = 0;
                out_start = d.w.pos;
                bits = 0;
                buffer = 0;
                continue;
            }
            if (ch < 128) {
                if (nj_writer_char(&d.w, ch) < 0) {
                    goto fail;
                }
                continue;
            }
            reason = "unexpected special character";
        error:
            if (nj_decoder_error(&d, from, pos, reason, &pos) < 0) {
                goto fail;
            }
        }
        if (!shifted || consumed ||
            !(surrogate || bits >= 6 || (bits > 0 && buffer != 0))) {
            break;
        }
        shifted = false;
        surrogate = 0;
        bits = 0;
        if (nj_decoder_error(&d, from, d.end - d.start, "unterminated shift sequence", &pos) <
            0) {
            goto fail;
        }
        if (pos >= d.end - d.start) {
            break;
        }
    }
    if (consumed) {
        if (shifted) {
            *consumed = from;
            d.w.pos = out_start;
        } else {
            *consumed = pos;
        }
    }
    return nj_decoder_finish(&d);
fail:
    nj_decoder_clear(&d);
    return NULL;
}

PyObject *
PyUnicode_DecodeUTF7(const char *data, Py_ssize_t size, const char *errors)
{
    return PyUnicode_DecodeUTF7Stateful(data, size, errors, NULL);
}

PyObject *
nj_encode_utf7(PyObject *s, const char *errors)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    if (n > PY_SSIZE_T_MAX / 8 - 8) {
        return PyErr_NoMemory();
    }
    NjEncoder e;
    if (nj_encoder_init(&e, s, "utf-7", errors, n * 8 + 8) < 0) {
        return NULL;
    }
    unsigned char *start = (unsigned char *)PyBytes_AS_STRING(e.out), *o = start;
    uint32_t buffer = 0;
    unsigned bits = 0;
    bool shifted = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i);
        if (is_direct(ch)) {
            if (shifted) {
                if (bits) {
                    *o++ = (unsigned char)base64[buffer << (6 - bits) & 63];
                    buffer = bits = 0;
                }
                shifted = false;
                if (base64_value(ch) >= 0 || ch == '-') {
                    *o++ = '-';
                }
            }
            *o++ = (unsigned char)ch;
            continue;
        }
        if (!shifted) {
            *o++ = '+';
            if (ch == '+') {
                *o++ = '-';
                continue;
            }
            shifted = true;
        }
        Py_UCS4 units[2] = {ch, 0};
        int count = 1;
        if (ch >= 0x10000) {
            units[0] = Py_UNICODE_HIGH_SURROGATE(ch);
            units[1] = Py_UNICODE_LOW_SURROGATE(ch);
            count = 2;
        }
        for (int k = 0; k < count; k++) {
            buffer = buffer << 16 | units[k];
            bits += 16;
            while (bits >= 6) {
                bits -= 6;
                *o++ = (unsigned char)base64[buffer >> bits & 63];
            }
            buffer &= (1u << bits) - 1;
        }
    }
    if (bits) {
        *o++ = (unsigned char)base64[buffer << (6 - bits) & 63];
    }
    if (shifted) {
        *o++ = '-';
    }
    e.n = o - start;
    return nj_encoder_finish(&e);
}

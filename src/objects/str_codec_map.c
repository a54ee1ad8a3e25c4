/* str_codec_map.c - unicode-escape, raw-unicode-escape, charmap and translate.
 *
 * A charmap decodes through a str (index = byte) or any mapping; encodes through any
 * mapping or an EncodingMap, a small hash table that codecs.charmap_build makes of a
 * 256-character decoding table.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_codec.h"

#include "objects/ucd.h"
#include "objects/ucd_names.h"

/* ---- unicode-escape ---------------------------------------------------------------------------- */

static int
hex_value(unsigned char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Reads up to count hex digits at *pos; true if all were there. */
static bool
read_hex(const NjDecoder *d, Py_ssize_t *pos, int count, Py_UCS4 *ch)
{
    *ch = 0;
    for (; count > 0; count--, (*pos)++) {
        int v = *pos < d->end - d->start ? hex_value(d->start[*pos]) : -1;
        if (v < 0) {
            return false;
        }
        *ch = *ch << 4 | (unsigned)v;
    }
    return true;
}

/* invalid: the first unknown escape, a letter or three octal digits, or "" (as text: a
 * handler may have replaced the input). */
static PyObject *
decode_escape(const char *data, Py_ssize_t size, const char *errors, Py_ssize_t *consumed,
              char *invalid)
{
    invalid[0] = 0;
    if (size == 0) {
        if (consumed) {
            *consumed = 0;
        }
        return nj_str_empty();
    }
    NjDecoder d;
    nj_decoder_init(&d, "unicodeescape", errors, data, size);
    Py_ssize_t pos = 0;
    while (pos < d.end - d.start) {
        const unsigned char *p = d.start + pos;
        if (*p != '\\') {
            const unsigned char *q = memchr(p, '\\', (size_t)(d.end - p));
            Py_ssize_t n = (q ? q : d.end) - p;
            if (nj_writer_latin1(&d.w, (const char *)p, n) < 0) {
                goto fail;
            }
            pos += n;
            continue;
        }
        Py_ssize_t from = pos++;
        Py_ssize_t left = d.end - d.start - pos;
        const char *reason;
        Py_UCS4 ch;
        if (left == 0) {
            if (consumed) {
                pos = from;
                break;
            }
            reason = "\\ at end of string";
            goto error;
        }
        unsigned char c = d.start[pos++];
        int digits = 0;
        switch (c) {
        case '\n': continue;
        case '\\':
        case '\'':
        case '"': ch = c; break;
        case 'b': ch = '\b'; break;
        case 't': ch = '\t'; break;
        case 'n': ch = '\n'; break;
        case 'r': ch = '\r'; break;
        case 'f': ch = '\f'; break;
        case 'v': ch = '\v'; break;
        case 'a': ch = '\a'; break;
        case '0' ... '7':
            ch = c - '0';
            for (int k = 0; k < 2 && pos < d.end - d.start && d.start[pos] >= '0' &&
                            d.start[pos] <= '7';
                 k++) {
                ch = ch * 8 + (d.start[pos++] - '0');
            }
            if (ch > 255 && !invalid[0]) {
                memcpy(invalid, d.start + pos - 3, 3);
                invalid[3] = 0;
            }
            break;
        case 'x':
            digits = 2;
            reason = "truncated \\xXX escape";
            goto hex;
        case 'u':
            digits = 4;
            reason = "truncated \\uXXXX escape";
            goto hex;
        case 'U':
            digits = 8;
            reason = "truncated \\UXXXXXXXX escape";
        hex:
            if (!read_hex(&d, &pos, digits, &ch)) {
                if (consumed && pos == d.end - d.start) {
                    pos = from;
                    goto done;
                }
                goto error;
            }
            if (ch > 0x10ffff) {
                reason = "illegal Unicode character";
                goto error;
            }
            break;
        case 'N': {
            reason = "malformed \\N character escape";
            if (pos == d.end - d.start) {
                if (consumed) {
                    pos = from;
                    goto done;
                }
                goto error;
            }
            if (d.start[pos] != '{') {
                goto error;
            }
            const unsigned char *name = d.start + pos + 1;
            const unsigned char *close = memchr(name, '}', (size_t)(d.end - name));
            if (close == NULL) {
                if (consumed) {
                    pos = from;
                    goto done;
                }
                pos = d.end - d.start;
                goto error;
            }
            if (close == name) {
                /* the reference blames the braces, too */
                pos = close + 1 - d.start;
                goto error;
            }
            pos = close + 1 - d.start;
            if (nj_ucd_need_module() < 0) {
                PyErr_SetString(PyExc_UnicodeError, "\\N escapes not supported (can't load "
                                                    "unicodedata module)");
                goto fail;
            }
            int32_t found = nj_ucd_lookup((const char *)name, (size_t)(close - name));
            if (found < 0) {
                reason = "unknown Unicode character name";
                goto error;
            }
            ch = (Py_UCS4)found;
            break;
        }
        default:
            if (!invalid[0]) {
                invalid[0] = (char)c;
                invalid[1] = 0;
            }
            if (nj_writer_char(&d.w, '\\') < 0) {
                goto fail;
            }
            ch = c;
            break;
        }
        if (nj_writer_char(&d.w, ch) < 0) {
            goto fail;
        }
        continue;
    error:
        if (nj_decoder_error(&d, from, pos, reason, &pos) < 0) {
            goto fail;
        }
    }
done:
    if (consumed) {
        *consumed = pos;
    }
    return nj_decoder_finish(&d);
fail:
    nj_decoder_clear(&d);
    return NULL;
}

PyObject *
nj_decode_unicode_escape(const char *data, Py_ssize_t size, const char *errors,
                         Py_ssize_t *consumed)
{
    char bad[4];
    NJ_OWN s = decode_escape(data, size, errors, consumed, bad);
    if (s == NULL || !bad[0]) {
        return NJ_TAKE(s);
    }
    int warned = bad[0] >= '4' && bad[0] <= '7'
                     ? PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                                        "\"\\%s\" is an invalid octal escape sequence. "
                                        "Such sequences will not work in the future. ",
                                        bad)
                     : PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                                        "\"\\%c\" is an invalid escape sequence. "
                                        "Such sequences will not work in the future. ",
                                        (unsigned char)bad[0]);
    return warned < 0 ? NULL : NJ_TAKE(s);
}

PyObject *
PyUnicode_DecodeUnicodeEscape(const char *data, Py_ssize_t size, const char *errors)
{
    return nj_decode_unicode_escape(data, size, errors, NULL);
}

static const char digits[] = "0123456789abcdef";

static unsigned char *
put_escape(unsigned char *o, Py_UCS4 ch)
{
    int n = ch < 0x100 ? 2 : ch < 0x10000 ? 4 : 8;
    *o++ = '\\';
    *o++ = n == 2 ? 'x' : n == 4 ? 'u' : 'U';
    while (n-- > 0) {
        *o++ = (unsigned char)digits[ch >> (4 * n) & 15];
    }
    return o;
}

static PyObject *
encode_escapes(PyObject *s, bool raw)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    if (n == 0 || (raw && kind == 1)) {
        return PyBytes_FromStringAndSize(p, n);
    }
    Py_ssize_t most = kind == 1 ? 4 : kind == 2 ? 6 : 10;
    if (n > PY_SSIZE_T_MAX / most) {
        return PyErr_NoMemory();
    }
    PyObject *b = PyBytes_FromStringAndSize(NULL, Py_MAX(n * most, 2));
    if (b == NULL) {
        return NULL;
    }
    unsigned char *o = (unsigned char *)PyBytes_AS_STRING(b);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i);
        if (raw ? ch < 256 : ch >= ' ' && ch < 127 && ch != '\\') {
            *o++ = (unsigned char)ch;
        } else if (!raw && (ch == '\\' || ch == '\t' || ch == '\n' || ch == '\r')) {
            *o++ = '\\';
            *o++ = ch == '\\' ? '\\' : ch == '\t' ? 't' : ch == '\n' ? 'n' : 'r';
        } else {
            o = put_escape(o, ch);
        }
    }
    Py_ssize_t used = (char *)o - PyBytes_AS_STRING(b);
    if (used == 1) {
        Py_SETREF(b, PyBytes_FromStringAndSize(PyBytes_AS_STRING(b), 1));
    } else if (used != PyBytes_GET_SIZE(b)) {
        _PyBytes_Resize(&b, used);
    }
    return b;
}

PyObject *
PyUnicode_AsUnicodeEscapeString(PyObject *s)
{
    return encode_escapes(s, false);
}

PyObject *
PyUnicode_AsRawUnicodeEscapeString(PyObject *s)
{
    return encode_escapes(s, true);
}

PyObject *
nj_decode_raw_unicode_escape(const char *data, Py_ssize_t size, const char *errors,
                             Py_ssize_t *consumed)
{
    if (size == 0) {
        if (consumed) {
            *consumed = 0;
        }
        return nj_str_empty();
    }
    NjDecoder d;
    nj_decoder_init(&d, "rawunicodeescape", errors, data, size);
    Py_ssize_t pos = 0;
    while (pos < d.end - d.start) {
        Py_ssize_t from = pos;
        unsigned char c = d.start[pos++];
        if (c != '\\') {
            if (nj_writer_char(&d.w, c) < 0) {
                goto fail;
            }
            continue;
        }
        if (pos == d.end - d.start) {
            if (consumed) {
                pos = from;
                break;
            }
            if (nj_writer_char(&d.w, c) < 0) {
                goto fail;
            }
            continue;
        }
        c = d.start[pos++];
        if (c != 'u' && c != 'U') {
            if (nj_writer_char(&d.w, '\\') < 0 || nj_writer_char(&d.w, c) < 0) {
                goto fail;
            }
            continue;
        }
        Py_UCS4 ch;
        const char *reason = NULL;
        if (!read_hex(&d, &pos, c == 'u' ? 4 : 8, &ch)) {
            if (consumed && pos == d.end - d.start) {
                pos = from;
                break;
            }
            reason = c == 'u' ? "truncated \\uXXXX escape" : "truncated \\UXXXXXXXX escape";
        } else if (ch > 0x10ffff) {
            reason = "\\Uxxxxxxxx out of range";
        } else {
            if (nj_writer_char(&d.w, ch) < 0) {
                goto fail;
            }
            continue;
        }
        if (nj_decoder_error(&d, from, pos, reason, &pos) < 0) {
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
PyUnicode_DecodeRawUnicodeEscape(const char *data, Py_ssize_t size, const char *errors)
{
    return nj_decode_raw_unicode_escape(data, size, errors, NULL);
}

/* ---- EncodingMap --------------------------------------------------------------------------------- */

/* Three levels for characters up to U+FFFF: top by the high 5 bits, blocks of 16 by the
 * next 4, blocks of 128 bytes by the low 7. A code page needs few blocks. */
enum { MAP_TOP = 32, MAP_MIDDLE = 16, MAP_LEAF = 128, MAP_NONE = 0xff };

typedef struct {
    PyObject_HEAD
    uint8_t top[MAP_TOP]; /* number of a middle block or MAP_NONE */
    int nmiddle, nleaf;
    uint8_t blocks[1]; /* middle blocks (number of a leaf or MAP_NONE), then the leaves:
                          the byte, 0 = none (character 0 always maps to byte 0) */
} EncodingMap;

PyTypeObject NjEncodingMap_Type;

static size_t
map_bytes(int nmiddle, int nleaf)
{
    return sizeof(EncodingMap) - 1 + (size_t)(MAP_MIDDLE * nmiddle + MAP_LEAF * nleaf);
}

static PyObject *
encodingmap_size(PyObject *self, PyObject *unused)
{
    const EncodingMap *m = (const EncodingMap *)self;
    return PyLong_FromSize_t(map_bytes(m->nmiddle, m->nleaf));
}

static PyMethodDef encodingmap_methods[] = {
    {"size", encodingmap_size, METH_NOARGS, "Size of the table in bytes."},
    {NULL},
};

PyTypeObject NjEncodingMap_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "EncodingMap",
    .tp_basicsize = sizeof(EncodingMap),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_methods = encodingmap_methods,
};

static uint8_t *
map_leaf(EncodingMap *m, unsigned leaf)
{
    return m->blocks + MAP_MIDDLE * m->nmiddle + MAP_LEAF * leaf;
}

static int
map_find(EncodingMap *m, Py_UCS4 ch)
{
    if (ch == 0) {
        return 0;
    }
    if (ch > 0xffff || m->top[ch >> 11] == MAP_NONE) {
        return -1;
    }
    uint8_t leaf = m->blocks[MAP_MIDDLE * m->top[ch >> 11] + (ch >> 7 & 15)];
    uint8_t byte = leaf == MAP_NONE ? 0 : map_leaf(m, leaf)[ch & 127];
    return byte ? byte : -1;
}

static PyObject *
build_map_dict(PyObject *string, Py_ssize_t n)
{
    NJ_OWN dict = PyDict_New();
    for (Py_ssize_t i = 0; dict != NULL && i < n; i++) {
        NJ_OWN key = PyLong_FromLong((long)PyUnicode_READ_CHAR(string, i));
        NJ_OWN value = PyLong_FromSsize_t(i);
        if (key == NULL || value == NULL || PyDict_SetItem(dict, key, value) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(dict);
}

PyObject *
PyUnicode_BuildEncodingMap(PyObject *string)
{
    if (!PyUnicode_Check(string) || PyUnicode_GET_LENGTH(string) == 0) {
        PyErr_BadArgument();
        return NULL;
    }
    Py_ssize_t n = Py_MIN(PyUnicode_GET_LENGTH(string), 256);
    uint8_t top[MAP_TOP], middle[MAP_TOP * MAP_MIDDLE];
    memset(top, MAP_NONE, sizeof(top));
    memset(middle, MAP_NONE, sizeof(middle));
    int nmiddle = 0, nleaf = 0;
    bool fits = PyUnicode_READ_CHAR(string, 0) == 0;
    for (Py_ssize_t i = 1; fits && i < n; i++) {
        Py_UCS4 ch = PyUnicode_READ_CHAR(string, i);
        fits = ch != 0 && ch <= 0xffff && nleaf < MAP_NONE;
        if (fits && ch != 0xfffe) {
            if (top[ch >> 11] == MAP_NONE) {
                top[ch >> 11] = (uint8_t)nmiddle++;
            }
            uint8_t *leaf = &middle[MAP_MIDDLE * top[ch >> 11] + (ch >> 7 & 15)];
            if (*leaf == MAP_NONE) {
                *leaf = (uint8_t)nleaf++;
            }
        }
    }
    if (!fits || nleaf >= MAP_NONE) {
        return build_map_dict(string, n);
    }
    EncodingMap *m = PyObject_Malloc(map_bytes(nmiddle, nleaf));
    if (m == NULL) {
        return PyErr_NoMemory();
    }
    (void)PyObject_Init((PyObject *)m, &NjEncodingMap_Type);
    m->nmiddle = nmiddle;
    m->nleaf = nleaf;
    memcpy(m->top, top, sizeof(top));
    memcpy(m->blocks, middle, (size_t)(MAP_MIDDLE * nmiddle));
    memset(map_leaf(m, 0), 0, (size_t)(MAP_LEAF * nleaf));
    for (Py_ssize_t b = 1; b < n; b++) {
        Py_UCS4 ch = PyUnicode_READ_CHAR(string, b);
        if (ch != 0xfffe) {
            uint8_t leaf = middle[MAP_MIDDLE * top[ch >> 11] + (ch >> 7 & 15)];
            map_leaf(m, leaf)[ch & 127] = (uint8_t)b;
        }
    }
    return (PyObject *)m;
}

/* ---- charmap ---------------------------------------------------------------------------------------- */

static const char undefined[] = "character maps to <undefined>";

/* What the mapping says about byte c: written to the decoder (1), undefined (0), -1. */
static int
decode_mapped(NjDecoder *d, PyObject *mapping, unsigned char c)
{
    NJ_OWN key = PyLong_FromLong(c);
    NJ_OWN item = key == NULL ? NULL : PyObject_GetItem(mapping, key);
    if (item == NULL) {
        if (PyErr_ExceptionMatches(PyExc_LookupError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    if (item == Py_None) {
        return 0;
    }
    if (PyLong_Check(item)) {
        int overflow;
        long v = PyLong_AsLongAndOverflow(item, &overflow);
        if (v == 0xfffe) {
            return 0;
        }
        if (overflow || v < 0 || v > 0x10ffff) {
            PyErr_Format(PyExc_TypeError, "character mapping must be in range(0x%x)",
                         0x110000);
            return -1;
        }
        return nj_writer_char(&d->w, (Py_UCS4)v) < 0 ? -1 : 1;
    }
    if (PyUnicode_Check(item)) {
        if (PyUnicode_GET_LENGTH(item) == 1 && PyUnicode_READ_CHAR(item, 0) == 0xfffe) {
            return 0;
        }
        return nj_writer_str(&d->w, item) < 0 ? -1 : 1;
    }
    PyErr_SetString(PyExc_TypeError, "character mapping must return integer, None or str");
    return -1;
}

PyObject *
PyUnicode_DecodeCharmap(const char *data, Py_ssize_t size, PyObject *mapping,
                        const char *errors)
{
    if (mapping == NULL) {
        return PyUnicode_DecodeLatin1(data, size, errors);
    }
    if (size == 0) {
        return nj_str_empty();
    }
    NjDecoder d;
    nj_decoder_init(&d, "charmap", errors, data, size);
    bool table = PyUnicode_CheckExact(mapping);
    Py_ssize_t n = table ? PyUnicode_GET_LENGTH(mapping) : 0;
    int kind = table ? PyUnicode_KIND(mapping) : 0;
    const void *p = table ? PyUnicode_DATA(mapping) : NULL;
    for (Py_ssize_t pos = 0; pos < d.end - d.start;) {
        unsigned char c = d.start[pos];
        int r = 0;
        if (table) {
            Py_UCS4 ch = c < n ? PyUnicode_READ(kind, p, c) : 0xfffe;
            if (ch != 0xfffe) {
                r = nj_writer_char(&d.w, ch) < 0 ? -1 : 1;
            }
        } else {
            r = decode_mapped(&d, mapping, c);
        }
        if (r > 0) {
            pos++;
        } else if (r < 0 || nj_decoder_error(&d, pos, pos + 1, undefined, &pos) < 0) {
            nj_decoder_clear(&d);
            return NULL;
        }
    }
    return nj_decoder_finish(&d);
}

/* Encodes one character: 1 written, 0 undefined, -1 error. */
static int
encode_mapped(NjEncoder *e, PyObject *mapping, Py_UCS4 ch)
{
    unsigned char b;
    if (Py_IS_TYPE(mapping, &NjEncodingMap_Type)) {
        int v = map_find((EncodingMap *)mapping, ch);
        if (v < 0) {
            return 0;
        }
        b = (unsigned char)v;
        return nj_encoder_bytes(e, &b, 1) < 0 ? -1 : 1;
    }
    NJ_OWN key = PyLong_FromLong((long)ch);
    NJ_OWN item = key == NULL ? NULL : PyObject_GetItem(mapping, key);
    if (item == NULL) {
        if (PyErr_ExceptionMatches(PyExc_LookupError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    if (item == Py_None) {
        return 0;
    }
    if (PyLong_Check(item)) {
        int overflow;
        long v = PyLong_AsLongAndOverflow(item, &overflow);
        if (overflow || v < 0 || v > 255) {
            PyErr_SetString(PyExc_TypeError, "character mapping must be in range(256)");
            return -1;
        }
        b = (unsigned char)v;
        return nj_encoder_bytes(e, &b, 1) < 0 ? -1 : 1;
    }
    if (PyBytes_Check(item)) {
        return nj_encoder_bytes(e, PyBytes_AS_STRING(item), PyBytes_GET_SIZE(item)) < 0 ? -1 : 1;
    }
    PyErr_Format(PyExc_TypeError,
                 "character mapping must return integer, bytes or None, not %.400s",
                 Py_TYPE(item)->tp_name);
    return -1;
}

PyObject *
nj_encode_charmap(PyObject *s, PyObject *mapping, const char *errors)
{
    if (mapping == NULL) {
        return nj_encode_latin1(s, errors);
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    NjEncoder e;
    if (nj_encoder_init(&e, s, "charmap", errors, n) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n;) {
        int r = encode_mapped(&e, mapping, PyUnicode_READ(kind, p, i));
        if (r > 0) {
            i++;
            continue;
        }
        if (r < 0) {
            goto fail;
        }
        /* the run of characters without a mapping: what can be encoded is undone */
        Py_ssize_t at = i, to = i + 1;
        while (to < n) {
            Py_ssize_t before = e.n;
            r = encode_mapped(&e, mapping, PyUnicode_READ(kind, p, to));
            e.n = before;
            if (r < 0) {
                goto fail;
            }
            if (r > 0) {
                break;
            }
            to++;
        }
        PyObject *rep;
        if (nj_encoder_error(&e, at, to, undefined, &rep, &i) < 0) {
            goto fail;
        }
        int bad = 0;
        if (PyBytes_Check(rep)) {
            bad = nj_encoder_bytes(&e, PyBytes_AS_STRING(rep), PyBytes_GET_SIZE(rep)) < 0;
        } else {
            for (Py_ssize_t k = 0; !bad && k < PyUnicode_GET_LENGTH(rep); k++) {
                r = encode_mapped(&e, mapping, PyUnicode_READ_CHAR(rep, k));
                if (r == 0) {
                    nj_encoder_raise(&e, at, to, undefined);
                }
                bad = r <= 0;
            }
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
PyUnicode_AsCharmapString(PyObject *s, PyObject *mapping)
{
    if (!PyUnicode_Check(s) || mapping == NULL) {
        PyErr_BadArgument();
        return NULL;
    }
    return nj_encode_charmap(s, mapping, NULL);
}

/* ---- translate ----------------------------------------------------------------------------------------- */

/* What table says about ch: *out is a new reference to a str, or NULL with *ch the
 * character; 1 there is a mapping, 0 none (keep), -1 error, 2 delete. */
static int
look_up(PyObject *table, Py_UCS4 *ch, PyObject **out)
{
    *out = NULL;
    NJ_OWN key = PyLong_FromLong((long)*ch);
    NJ_OWN item = key == NULL ? NULL : PyObject_GetItem(table, key);
    if (item == NULL) {
        if (PyErr_ExceptionMatches(PyExc_LookupError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    if (item == Py_None) {
        return 2;
    }
    if (PyLong_Check(item)) {
        int overflow;
        long v = PyLong_AsLongAndOverflow(item, &overflow);
        if (overflow || v < 0 || v > 0x10ffff) {
            PyErr_Format(PyExc_ValueError, "character mapping must be in range(0x%x)",
                         0x110000);
            return -1;
        }
        *ch = (Py_UCS4)v;
        return 1;
    }
    if (PyUnicode_Check(item)) {
        if (PyUnicode_GET_LENGTH(item) == 1) {
            *ch = PyUnicode_READ_CHAR(item, 0);
        } else {
            *out = NJ_TAKE(item);
        }
        return 1;
    }
    PyErr_SetString(PyExc_TypeError, "character mapping must return integer, None or str");
    return -1;
}

static int
translate_error(PyObject *s, const char *errors, Py_ssize_t from, Py_ssize_t to,
                NjStrWriter *w, Py_ssize_t *pos)
{
    NJ_OWN exc = PyObject_CallFunction(PyExc_UnicodeTranslateError, "Onns", s, from, to,
                                       undefined);
    if (exc == NULL) {
        return -1;
    }
    NJ_OWN handler = PyCodec_LookupError(errors);
    NJ_OWN r = handler == NULL ? NULL : PyObject_CallOneArg(handler, exc);
    if (r == NULL) {
        return -1;
    }
    if (!PyTuple_Check(r) || PyTuple_GET_SIZE(r) != 2 ||
        !PyUnicode_Check(PyTuple_GET_ITEM(r, 0)) || !PyLong_Check(PyTuple_GET_ITEM(r, 1))) {
        PyErr_SetString(PyExc_TypeError,
                        "translating error handler must return (str, int) tuple");
        return -1;
    }
    Py_ssize_t at = PyLong_AsSsize_t(PyTuple_GET_ITEM(r, 1)), n = PyUnicode_GET_LENGTH(s);
    if (at == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (at < 0) {
        at += n;
    }
    if (at < 0 || at > n) {
        PyErr_Format(PyExc_IndexError, "position %zd from error handler out of bounds", at);
        return -1;
    }
    *pos = at;
    return nj_writer_str(w, PyTuple_GET_ITEM(r, 0));
}

PyObject *
PyUnicode_Translate(PyObject *s, PyObject *table, const char *errors)
{
    if (nj_str_require(s) < 0) {
        return NULL;
    }
    if (table == NULL) {
        PyErr_BadArgument();
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    if (n == 0) {
        return nj_str_exact(s);
    }
    bool ignore = errors != NULL && strcmp(errors, "ignore") == 0;
    /* answers for ASCII characters are remembered: 255 unknown, 254 not simple, 253 delete */
    bool remember = PyDict_CheckExact(table);
    unsigned char known[128];
    memset(known, 255, sizeof(known));
    NjStrWriter w;
    nj_writer_init(&w);
    w.min_length = n;
    w.overallocate = 1;
    for (Py_ssize_t i = 0; i < n;) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i), to = ch;
        if (ch < 128 && known[ch] < 254) {
            if (known[ch] != 253 && nj_writer_char(&w, known[ch]) < 0) {
                goto fail;
            }
            i++;
            continue;
        }
        PyObject *text;
        int r = look_up(table, &to, &text);
        if (r < 0) {
            goto fail;
        }
        if (r == 2 && !ignore) {
            Py_ssize_t end = i + 1;
            while (end < n) {
                Py_UCS4 next = PyUnicode_READ(kind, p, end);
                int more = look_up(table, &next, &text);
                Py_XDECREF(text);
                if (more < 0) {
                    goto fail;
                }
                if (more != 2) {
                    break;
                }
                end++;
            }
            if (translate_error(s, errors, i, end, &w, &i) < 0) {
                goto fail;
            }
            continue;
        }
        int bad = text != NULL ? nj_writer_str(&w, text) < 0
                  : r == 2     ? 0
                               : nj_writer_char(&w, to) < 0;
        if (ch < 128 && remember) {
            known[ch] = text != NULL || (r != 2 && to >= 128) ? 254
                        : r == 2                              ? 253
                                                              : (unsigned char)to;
        }
        Py_XDECREF(text);
        if (bad) {
            goto fail;
        }
        i++;
    }
    return nj_writer_finish(&w);
fail:
    nj_writer_clear(&w);
    return NULL;
}

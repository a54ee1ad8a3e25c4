/* binascii.c - the module binascii: binary data as text (uu, base64, hex, quoted-printable)
 * and two check sums.
 *
 * Decoders take bytes-like objects or ASCII strings. The base64 decoder is a state
 * machine over quartets; what "strict" forbids is decided at the first offending
 * character, so the message names the first thing wrong.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

typedef struct State {
    PyObject *error;
    PyObject *incomplete;
    signed char base64[256]; /* value of a base64 character, or -1 */
    signed char hex[256];    /* of a hexadecimal digit, or -1 */
} State;

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

/* An argument that is bytes-like or an ASCII string. */
static int
ascii_input(PyObject *arg, Py_buffer *view)
{
    if (PyUnicode_Check(arg)) {
        if (!PyUnicode_IS_ASCII(arg)) {
            PyErr_SetString(PyExc_ValueError,
                            "string argument should contain only ASCII characters");
            return -1;
        }
        view->buf = PyUnicode_DATA(arg);
        view->len = PyUnicode_GET_LENGTH(arg);
        view->obj = NULL;
        return 0;
    }
    if (PyObject_GetBuffer(arg, view, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "argument should be bytes, buffer or ASCII string, not '%.100s'",
                     Py_TYPE(arg)->tp_name);
        return -1;
    }
    return 0;
}

/* The bytes n..: shrinks a bytes object made by us. */
static PyObject *
shrink(NJ_STEALS PyObject *bytes, Py_ssize_t n)
{
    if (PyBytes_GET_SIZE(bytes) != n) {
        _PyBytes_Resize(&bytes, n);
    }
    return bytes;
}

/* ---- uuencode ----------------------------------------------------------------------- */

static PyObject *
a2b_uu(PyObject *m, PyObject *arg)
{
    NJ_OWN_BUF view = {0};
    if (ascii_input(arg, &view) < 0) {
        return NULL;
    }
    const unsigned char *p = view.buf, *end = p + view.len;
    if (p == end) {
        PyErr_SetString(state_of(m)->error, "Missing length byte");
        return NULL;
    }
    Py_ssize_t n = (*p++ - ' ') & 077;
    NJ_OWN r = PyBytes_FromStringAndSize(NULL, n);
    if (r == NULL) {
        return NULL;
    }
    unsigned char *out = (unsigned char *)PyBytes_AS_STRING(r);
    unsigned acc = 0;
    int bits = 0;
    for (; n > 0; p++) {
        /* A line that ends early stands for zeros: mailers strip trailing spaces. */
        unsigned c = p < end ? *p : 0;
        if (c == '\n' || c == '\r' || p >= end) {
            c = 0;
        }
        else {
            if (c < ' ' || c > ' ' + 64) {
                PyErr_SetString(state_of(m)->error, "Illegal char");
                return NULL;
            }
            c = (c - ' ') & 077;
        }
        acc = acc << 6 | c;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (unsigned char)(acc >> bits);
            acc &= (1u << bits) - 1;
            n--;
        }
    }
    for (; p < end; p++) {
        if (*p != ' ' && *p != ' ' + 64 && *p != '\n' && *p != '\r') {
            PyErr_SetString(state_of(m)->error, "Trailing garbage");
            return NULL;
        }
    }
    return NJ_TAKE(r);
}

static PyObject *
b2a_uu(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "backtick", NULL};
    NJ_OWN_BUF view = {0};
    int backtick = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|$p:b2a_uu", names, &view,
                                     &backtick)) {
        return NULL;
    }
    if (view.len > 45) {
        PyErr_SetString(state_of(m)->error, "At most 45 bytes at once");
        return NULL;
    }
    const unsigned char *p = view.buf;
    char out[70];
    int k = 0;
#define UU(x) ((x) ? (char)((x) + ' ') : backtick ? '`' : ' ')
    out[k++] = UU(view.len);
    for (Py_ssize_t i = 0; i < view.len; i += 3) {
        unsigned w = (unsigned)p[i] << 16;
        w |= i + 1 < view.len ? (unsigned)p[i + 1] << 8 : 0;
        w |= i + 2 < view.len ? p[i + 2] : 0;
        for (int s = 18; s >= 0; s -= 6) {
            unsigned c = w >> s & 077;
            out[k++] = UU(c);
        }
    }
#undef UU
    out[k++] = '\n';
    return PyBytes_FromStringAndSize(out, k);
}

/* ---- base64 ------------------------------------------------------------------------- */

static const char base64_chars[65] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static PyObject *
a2b_base64(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "strict_mode", NULL};
    static const NjParams params = {"a2b_base64", names, 1, 1, 0};
    PyObject *v[2] = {NULL};
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    int strict = v[1] ? PyObject_IsTrue(v[1]) : 0;
    NJ_OWN_BUF view = {0};
    if (strict < 0 || ascii_input(v[0], &view) < 0) {
        return NULL;
    }
    State *st = state_of(m);
    const unsigned char *p = view.buf;
    Py_ssize_t len = view.len;
    PyObject *r = PyBytes_FromStringAndSize(NULL, (len + 3) / 4 * 3);
    if (r == NULL) {
        return NULL;
    }
    unsigned char *start = (unsigned char *)PyBytes_AS_STRING(r), *out = start;
    int pos = 0, pads = 0;
    bool padding = false;
    unsigned left = 0;
    const char *wrong = NULL;
    for (Py_ssize_t i = 0; i < len && wrong == NULL; i++) {
        if (pos == 0 && !padding) {
            for (; i + 4 <= len; i += 4) { /* whole quartets without anything special */
                int a = st->base64[p[i]], b = st->base64[p[i + 1]];
                int c = st->base64[p[i + 2]], d = st->base64[p[i + 3]];
                if ((a | b | c | d) < 0) {
                    break;
                }
                out[0] = (unsigned char)(a << 2 | b >> 4);
                out[1] = (unsigned char)(b << 4 | c >> 2);
                out[2] = (unsigned char)(c << 6 | d);
                out += 3;
                pads = 0;
            }
            if (i == len) {
                break;
            }
        }
        if (p[i] == '=') {
            padding = true;
            if (strict && pos == 0) {
                wrong = i == 0 ? "Leading padding not allowed" : "Excess padding not allowed";
                break;
            }
            pads += pos >= 2;
            if (strict && pos + pads > 4) {
                wrong = "Excess padding not allowed";
            }
            continue;
        }
        int x = st->base64[p[i]];
        if (x < 0) {
            if (strict) {
                wrong = "Only base64 data is allowed";
            }
            continue;
        }
        if (strict && padding) {
            wrong = pos + pads >= 4 ? "Excess data after padding"
                                    : "Discontinuous padding not allowed";
            break;
        }
        pads = 0;
        switch (pos) {
        case 0:
            left = (unsigned)x;
            break;
        case 1:
            *out++ = (unsigned char)(left << 2 | (unsigned)x >> 4);
            left = x & 0x0f;
            break;
        case 2:
            *out++ = (unsigned char)(left << 4 | (unsigned)x >> 2);
            left = x & 0x03;
            break;
        default:
            *out++ = (unsigned char)(left << 6 | (unsigned)x);
        }
        pos = (pos + 1) & 3;
    }
    if (wrong == NULL && pos == 1) {
        PyErr_Format(st->error,
                     "Invalid base64-encoded string: number of data characters (%zd) cannot "
                     "be 1 more than a multiple of 4",
                     (out - start) / 3 * 4 + 1);
        Py_DECREF(r);
        return NULL;
    }
    if (wrong == NULL && pos != 0 && pos + pads < 4) {
        wrong = "Incorrect padding";
    }
    if (wrong != NULL) {
        PyErr_SetString(st->error, wrong);
        Py_DECREF(r);
        return NULL;
    }
    return shrink(r, out - start);
}

static PyObject *
b2a_base64(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "newline", NULL};
    static const NjParams params = {"b2a_base64", names, 1, 1, 0};
    PyObject *v[2] = {NULL};
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(v[0], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int newline = v[1] ? PyObject_IsTrue(v[1]) : 1;
    if (newline < 0) {
        return NULL;
    }
    if (view.len > PY_SSIZE_T_MAX / 2 - 3) {
        PyErr_SetString(state_of(m)->error, "Too much data for base64 line");
        return NULL;
    }
    PyObject *r = PyBytes_FromStringAndSize(NULL, (view.len + 2) / 3 * 4 + newline);
    if (r == NULL) {
        return NULL;
    }
    char *out = PyBytes_AS_STRING(r);
    const unsigned char *p = view.buf;
    Py_ssize_t i = 0;
    for (; i + 2 < view.len; i += 3) {
        unsigned w = (unsigned)p[i] << 16 | (unsigned)p[i + 1] << 8 | p[i + 2];
        out[0] = base64_chars[w >> 18];
        out[1] = base64_chars[w >> 12 & 63];
        out[2] = base64_chars[w >> 6 & 63];
        out[3] = base64_chars[w & 63];
        out += 4;
    }
    if (i < view.len) {
        bool two = i + 1 < view.len;
        unsigned w = (unsigned)p[i] << 16 | (two ? (unsigned)p[i + 1] << 8 : 0);
        *out++ = base64_chars[w >> 18];
        *out++ = base64_chars[w >> 12 & 63];
        *out++ = two ? base64_chars[w >> 6 & 63] : '=';
        *out++ = '=';
    }
    if (newline) {
        *out = '\n';
    }
    return r;
}

/* ---- hex ---------------------------------------------------------------------------- */

/* Arithmetic, no table: the loop over a whole input becomes vector code. */
static inline char
hex_digit(unsigned v)
{
    return (char)(v + '0' + (v > 9 ? 'a' - '0' - 10 : 0));
}

static PyObject *
b2a_hex(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"data", "sep", "bytes_per_sep", NULL};
    static const NjParams params = {"b2a_hex", names, 3, 1, 0};
    PyObject *v[3] = {NULL};
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(v[0], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    PyObject *sep = v[1];
    int group = v[2] ? PyLong_AsInt(v[2]) : 1;
    if (group == -1 && PyErr_Occurred()) {
        return NULL;
    }
    char sepchar = 0;
    if (sep != NULL) {
        Py_ssize_t n = PyObject_Size(sep);
        if (n < 0) {
            return NULL;
        }
        if (n != 1) {
            PyErr_SetString(PyExc_ValueError, "sep must be length 1.");
            return NULL;
        }
        Py_UCS4 c;
        if (PyUnicode_Check(sep)) {
            c = PyUnicode_READ_CHAR(sep, 0);
        }
        else if (PyBytes_Check(sep)) {
            c = (unsigned char)*PyBytes_AS_STRING(sep);
        }
        else {
            PyErr_SetString(PyExc_TypeError, "sep must be str or bytes.");
            return NULL;
        }
        if (c > 127) {
            PyErr_SetString(PyExc_ValueError, "sep must be ASCII.");
            return NULL;
        }
        sepchar = (char)c;
    }
    Py_ssize_t n = view.len;
    Py_ssize_t g = sep == NULL || n == 0 ? 0 : group < 0 ? -(Py_ssize_t)group : group;
    Py_ssize_t nsep = g && g < n ? (n - 1) / g : 0;
    if (n > (PY_SSIZE_T_MAX - nsep) / 2) {
        return PyErr_NoMemory();
    }
    PyObject *r = PyBytes_FromStringAndSize(NULL, 2 * n + nsep);
    if (r == NULL) {
        return NULL;
    }
    char *out = PyBytes_AS_STRING(r);
    const unsigned char *p = view.buf;
    if (nsep == 0) {
        for (Py_ssize_t i = 0; i < n; i++) {
            out[2 * i] = hex_digit(p[i] >> 4);
            out[2 * i + 1] = hex_digit(p[i] & 15);
        }
        return r;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (i > 0 && (group < 0 ? i : n - i) % g == 0) {
            *out++ = sepchar;
        }
        *out++ = hex_digit(p[i] >> 4);
        *out++ = hex_digit(p[i] & 15);
    }
    return r;
}

static int
hex_value(unsigned char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static PyObject *
a2b_hex(PyObject *m, PyObject *arg)
{
    NJ_OWN_BUF view = {0};
    if (ascii_input(arg, &view) < 0) {
        return NULL;
    }
    if (view.len % 2) {
        PyErr_SetString(state_of(m)->error, "Odd-length string");
        return NULL;
    }
    NJ_OWN r = PyBytes_FromStringAndSize(NULL, view.len / 2);
    if (r == NULL) {
        return NULL;
    }
    const unsigned char *p = view.buf;
    const signed char *hex = state_of(m)->hex;
    char *out = PyBytes_AS_STRING(r);
    int bad = 0; /* looked at in the end: no branch in the loop */
    for (Py_ssize_t i = 0; i < view.len / 2; i++) {
        int a = hex[p[2 * i]], b = hex[p[2 * i + 1]];
        bad |= a | b;
        out[i] = (char)((unsigned)a << 4 | (unsigned)b);
    }
    if (bad < 0) {
        PyErr_SetString(state_of(m)->error, "Non-hexadecimal digit found");
        return NULL;
    }
    return NJ_TAKE(r);
}

/* ---- check sums --------------------------------------------------------------------- */

static const uint32_t crc32_tables[4][256] = {
#include "modules/crc32_tables.inc"
};

static uint32_t
crc32_update(uint32_t c, const unsigned char *p, size_t n)
{
    c = ~c;
    for (; n >= 4; p += 4, n -= 4) {
        c ^= (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
             (uint32_t)p[3] << 24;
        c = crc32_tables[3][c & 255] ^ crc32_tables[2][c >> 8 & 255] ^
            crc32_tables[1][c >> 16 & 255] ^ crc32_tables[0][c >> 24];
    }
    while (n-- > 0) {
        c = crc32_tables[0][(c ^ *p++) & 255] ^ c >> 8;
    }
    return ~c;
}

static PyObject *
b_crc32(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    NJ_OWN_BUF view = {0};
    unsigned int crc = 0;
    if (!_PyArg_CheckPositional("crc32", nargs, 1, 2) ||
        !_PyArg_ParseStack(args, nargs, "y*|I", &view, &crc)) {
        return NULL;
    }
    if (view.len > 1024 * 5) {
        Py_BEGIN_ALLOW_THREADS
        crc = crc32_update(crc, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    }
    else {
        crc = crc32_update(crc, view.buf, (size_t)view.len);
    }
    return PyLong_FromUnsignedLong(crc);
}

static PyObject *
b_crc_hqx(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    NJ_OWN_BUF view = {0};
    unsigned int crc;
    if (!_PyArg_CheckPositional("crc_hqx", nargs, 2, 2) ||
        !_PyArg_ParseStack(args, nargs, "y*I", &view, &crc)) {
        return NULL;
    }
    crc &= 0xffff;
    const unsigned char *p = view.buf;
    for (Py_ssize_t i = 0; i < view.len; i++) {
        crc ^= (unsigned)p[i] << 8;
        for (int k = 0; k < 8; k++) {
            crc = crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
        }
    }
    return PyLong_FromUnsignedLong(crc);
}

/* ---- quoted-printable --------------------------------------------------------------- */

static PyObject *
a2b_qp(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "header", NULL};
    PyObject *arg;
    int header = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:a2b_qp", names, &arg, &header)) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (ascii_input(arg, &view) < 0) {
        return NULL;
    }
    const unsigned char *p = view.buf;
    Py_ssize_t n = view.len;
    PyObject *r = PyBytes_FromStringAndSize(NULL, n);
    if (r == NULL) {
        return NULL;
    }
    char *start = PyBytes_AS_STRING(r), *out = start;
    for (Py_ssize_t i = 0; i < n;) {
        if (p[i] == '=') {
            i++;
            if (i >= n) {
                break;
            }
            if (p[i] == '\n' || p[i] == '\r') { /* soft line break */
                while (i < n && p[i] != '\n') {
                    i++;
                }
                if (i < n) {
                    i++;
                }
            }
            else if (p[i] == '=') {
                *out++ = '=';
                i++;
            }
            else if (i + 1 < n && hex_value(p[i]) >= 0 && hex_value(p[i + 1]) >= 0) {
                *out++ = (char)(hex_value(p[i]) << 4 | hex_value(p[i + 1]));
                i += 2;
            }
            else {
                *out++ = '=';
            }
        }
        else {
            *out++ = header && p[i] == '_' ? ' ' : (char)p[i];
            i++;
        }
    }
    return shrink(r, out - start);
}

/* Writes c as =XX. */
static char *
put_hex(char *out, unsigned char c)
{
    *out++ = '=';
    *out++ = "0123456789ABCDEF"[c >> 4];
    *out++ = "0123456789ABCDEF"[c & 15];
    return out;
}

enum { QP_LINE = 76 };

static PyObject *
b2a_qp(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "quotetabs", "istext", "header", NULL};
    NJ_OWN_BUF view = {0};
    int quotetabs = 0, istext = 1, header = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|ppp:b2a_qp", names, &view, &quotetabs,
                                     &istext, &header)) {
        return NULL;
    }
    const unsigned char *p = view.buf;
    Py_ssize_t n = view.len;
    /* The first line end decides whether all of them become CR LF. */
    const unsigned char *nl = n ? memchr(p, '\n', (size_t)n) : NULL;
    bool crlf = nl != NULL && nl > p && nl[-1] == '\r';
    if (n > PY_SSIZE_T_MAX / 6) {
        return PyErr_NoMemory();
    }
    /* At worst three characters each and a soft break of two per 24 of them. */
    NJ_OWN_MEM(char) buf = PyMem_Malloc((size_t)n * 4 + 16);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    char *out = buf;
    int line = 0;
    for (Py_ssize_t i = 0; i < n;) {
        unsigned char c = p[i];
        bool last = i + 1 == n;
        bool encode =
            c > 126 || c == '=' || (header && c == '_') ||
            (c == '.' && line == 0 &&
             (last || p[i + 1] == '\n' || p[i + 1] == '\r' || p[i + 1] == 0)) ||
            (!istext && (c == '\r' || c == '\n')) || ((c == '\t' || c == ' ') && last) ||
            (c < 33 && c != '\r' && c != '\n' &&
             (quotetabs || (c != '\t' && c != ' ')));
        if (encode) {
            if (line + 3 >= QP_LINE) {
                *out++ = '=';
                if (crlf) {
                    *out++ = '\r';
                }
                *out++ = '\n';
                line = 0;
            }
            out = put_hex(out, c);
            i++;
            line += 3;
        }
        else if (istext && (c == '\n' || (c == '\r' && !last && p[i + 1] == '\n'))) {
            line = 0;
            if (out > buf && (out[-1] == ' ' || out[-1] == '\t')) {
                unsigned char space = (unsigned char)out[-1];
                out = put_hex(out - 1, space);
            }
            if (crlf) {
                *out++ = '\r';
            }
            *out++ = '\n';
            i += c == '\r' ? 2 : 1;
        }
        else {
            if (!last && p[i + 1] != '\n' && line + 1 >= QP_LINE) {
                *out++ = '=';
                if (crlf) {
                    *out++ = '\r';
                }
                *out++ = '\n';
                line = 0;
            }
            line++;
            *out++ = header && c == ' ' ? '_' : (char)c;
            i++;
        }
    }
    return PyBytes_FromStringAndSize(buf, out - buf);
}

/* ---- the module --------------------------------------------------------------------- */

#define KW(f) (PyCFunction)(void *)(f), METH_VARARGS | METH_KEYWORDS
#define FAST_KW(f) (PyCFunction)(void *)(f), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef binascii_methods[] = {
    {"a2b_uu", a2b_uu, METH_O,
     "a2b_uu($module, data, /)\n--\n\nDecodes a line of uuencoded data."},
    {"b2a_uu", KW(b2a_uu),
     "b2a_uu($module, data, /, *, backtick=False)\n--\n\nEncodes a line by uuencode."},
    {"a2b_base64", FAST_KW(a2b_base64),
     "a2b_base64($module, data, /, *, strict_mode=False)\n--\n\nDecodes base64."},
    {"b2a_base64", FAST_KW(b2a_base64),
     "b2a_base64($module, data, /, *, newline=True)\n--\n\nEncodes a line by base64."},
    {"a2b_hex", a2b_hex, METH_O,
     "a2b_hex($module, hexstr, /)\n--\n\nThe bytes that hexadecimal text spells."},
    {"b2a_hex", FAST_KW(b2a_hex),
     "b2a_hex($module, /, data, sep=<unrepresentable>, bytes_per_sep=1)\n--\n\n"
     "Bytes as hexadecimal text, with separators if wanted."},
    {"hexlify", FAST_KW(b2a_hex),
     "hexlify($module, /, data, sep=<unrepresentable>, bytes_per_sep=1)\n--\n\n"
     "Bytes as hexadecimal text, with separators if wanted."},
    {"unhexlify", a2b_hex, METH_O,
     "unhexlify($module, hexstr, /)\n--\n\nThe bytes that hexadecimal text spells."},
    {"crc_hqx", (PyCFunction)(void *)b_crc_hqx, METH_FASTCALL,
     "crc_hqx($module, data, crc, /)\n--\n\nThe CRC-CCITT of data."},
    {"crc32", (PyCFunction)(void *)b_crc32, METH_FASTCALL,
     "crc32($module, data, crc=0, /)\n--\n\nThe CRC-32 of data."},
    {"a2b_qp", KW(a2b_qp),
     "a2b_qp($module, /, data, header=False)\n--\n\nDecodes quoted-printable."},
    {"b2a_qp", KW(b2a_qp),
     "b2a_qp($module, /, data, quotetabs=False, istext=True, header=False)\n--\n\n"
     "Encodes by quoted-printable."},
    {NULL, NULL, 0, NULL},
};

static int
binascii_exec(PyObject *m)
{
    State *st = state_of(m);
    memset(st->base64, -1, sizeof(st->base64));
    for (int i = 0; i < 64; i++) {
        st->base64[(unsigned char)base64_chars[i]] = (signed char)i;
    }
    for (int i = 0; i < 256; i++) {
        st->hex[i] = (signed char)hex_value((unsigned char)i);
    }
    st->error = PyErr_NewException("binascii.Error", PyExc_ValueError, NULL);
    st->incomplete = PyErr_NewException("binascii.Incomplete", NULL, NULL);
    return PyModule_AddObjectRef(m, "Error", st->error) < 0 ||
                   PyModule_AddObjectRef(m, "Incomplete", st->incomplete) < 0
               ? -1
               : 0;
}

static int
binascii_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(state_of(m)->error);
    Py_VISIT(state_of(m)->incomplete);
    return 0;
}

static int
binascii_clear(PyObject *m)
{
    Py_CLEAR(state_of(m)->error);
    Py_CLEAR(state_of(m)->incomplete);
    return 0;
}

static void
binascii_free(void *m)
{
    binascii_clear(m);
}

static PyModuleDef_Slot binascii_slots[] = {
    {Py_mod_exec, binascii_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef binascii_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "binascii",
    .m_doc = "Binary data as text and back.",
    .m_size = sizeof(State),
    .m_methods = binascii_methods,
    .m_slots = binascii_slots,
    .m_traverse = binascii_traverse,
    .m_clear = binascii_clear,
    .m_free = binascii_free,
};

PyMODINIT_FUNC PyInit_binascii(void);
PyMODINIT_FUNC
PyInit_binascii(void)
{
    return PyModuleDef_Init(&binascii_module);
}

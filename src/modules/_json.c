/* _json.c - the fast half of the json package: scanner, encoder, string quoting.
 *
 * Lib/json/{scanner,decoder,encoder}.py are the specification, texts and positions of the
 * errors included. The scanner walks the string's storage by kind and builds strings
 * without an intermediate list when they hold no escapes; the encoder writes everything
 * into one PyUnicodeWriter.
 *
 * A scanner raises StopIteration(index) where a value is missing; inside a container that
 * becomes "Expecting value". Nesting is bounded by Py_EnterRecursiveCall.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <math.h>
#include <stddef.h>

typedef struct {
    PyObject_HEAD
    signed char strict;
    PyObject *object_hook; /* None: absent */
    PyObject *object_pairs_hook;
    PyObject *parse_float;
    PyObject *parse_int;
    PyObject *parse_constant;
} Scanner;

typedef struct {
    PyObject_HEAD
    PyObject *markers;
    PyObject *default_;
    PyObject *encoder;
    PyObject *indent;
    PyObject *key_separator;
    PyObject *item_separator;
    char sort_keys;
    char skipkeys;
    char allow_nan;
    int fast; /* 1: encode_basestring_ascii, 2: encode_basestring, 0: a call */
} Encoder;

/* One text being scanned. */
typedef struct {
    Scanner *s;
    PyObject *text; /* str, borrowed */
    const void *data;
    int kind;
    bool ascii;
    Py_ssize_t len;
    PyObject *memo; /* dict: key text -> the first equal key */
} Scan;

#define CHAR(i) PyUnicode_READ(z->kind, z->data, i)

NJ_INLINE bool
is_space(Py_UCS4 c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

NJ_INLINE Py_ssize_t
skip_space(Scan *z, Py_ssize_t i)
{
    while (i < z->len && is_space(CHAR(i))) {
        i++;
    }
    return i;
}

static NJ_COLD void
raise_decode_error(const char *msg, PyObject *text, Py_ssize_t end)
{
    NJ_OWN module = PyImport_ImportModule("json.decoder");
    NJ_OWN type = module ? PyObject_GetAttrString(module, "JSONDecodeError") : NULL;
    NJ_OWN exc = type ? PyObject_CallFunction(type, "zOn", msg, text, end) : NULL;
    if (exc) {
        PyErr_SetObject(type, exc);
    }
}

static NJ_COLD void
raise_stop(Py_ssize_t i)
{
    NJ_OWN v = PyLong_FromSsize_t(i);
    if (v) {
        PyErr_SetObject(PyExc_StopIteration, v);
    }
}

/* ---------------------------------------------------------------- strings */

/* Four hex digits at i: the value, or -1. */
static int
hex4(Scan *z, Py_ssize_t i)
{
    int v = 0;
    if (i + 4 > z->len) {
        return -1;
    }
    for (int k = 0; k < 4; k++) {
        Py_UCS4 c = CHAR(i + k);
        int d;
        if (c >= '0' && c <= '9') {
            d = (int)c - '0';
        }
        else if (c >= 'a' && c <= 'f') {
            d = (int)c - 'a' + 10;
        }
        else if (c >= 'A' && c <= 'F') {
            d = (int)c - 'A' + 10;
        }
        else {
            return -1;
        }
        v = v * 16 + d;
    }
    return v;
}

/* The bytes of x (eight, in memory order) that need an escape have their high bit set in the
 * result, those behind the first of them perhaps too. ascii: those from 0x7f on need one. */
NJ_INLINE uint64_t
escapes_in(uint64_t x, bool ascii)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones * 0x80;
    uint64_t quote = x ^ ones * '"', slash = x ^ ones * '\\', del = x ^ ones * 0x7f;
    uint64_t found = ((x - ones * ' ') | (quote - ones) | (slash - ones)) & ~x;
    if (ascii) {
        found |= x | ((del - ones) & ~del);
    }
    return found & highs;
}

/* First of quote, backslash or control character from i on, or len. */
NJ_INLINE Py_ssize_t
plain_run(Scan *z, Py_ssize_t i, bool strict)
{
    if (z->kind == PyUnicode_1BYTE_KIND) {
        const Py_UCS1 *p = z->data;
        Py_ssize_t n = z->len;
        for (; strict && i + 8 <= n; i += 8) {
            uint64_t x;
            memcpy(&x, p + i, 8);
            uint64_t found = escapes_in(x, false);
            if (found) {
                return i + __builtin_ctzll(found) / 8;
            }
        }
        while (i < n && p[i] != '"' && p[i] != '\\' && !(strict && p[i] <= 0x1f)) {
            i++;
        }
        return i;
    }
    while (i < z->len) {
        Py_UCS4 c = CHAR(i);
        if (c == '"' || c == '\\' || (strict && c <= 0x1f)) {
            break;
        }
        i++;
    }
    return i;
}

/* The string whose opening quote is at begin - 1; *end: behind the closing one. */
static PyObject *
scan_string(Scan *z, Py_ssize_t begin, bool strict, Py_ssize_t *end)
{
    PyUnicodeWriter *w = NULL;
    Py_ssize_t i = begin;
    for (;;) {
        Py_ssize_t from = i;
        i = plain_run(z, i, strict);
        if (i >= z->len) {
            goto unterminated;
        }
        Py_UCS4 c = CHAR(i);
        if (c == '"' && !w) {
            *end = i + 1;
            if (z->ascii && i - from > 1) {
                PyObject *s = PyUnicode_New(i - from, 127);
                if (s) {
                    memcpy(PyUnicode_1BYTE_DATA(s), (const char *)z->data + from,
                           (size_t)(i - from));
                }
                return s;
            }
            if (z->kind == PyUnicode_1BYTE_KIND) {
                return PyUnicode_FromKindAndData(
                    PyUnicode_1BYTE_KIND, (const Py_UCS1 *)z->data + from, i - from);
            }
            return PyUnicode_Substring(z->text, from, i);
        }
        if (!w) {
            w = PyUnicodeWriter_Create(0);
            if (!w) {
                return NULL;
            }
        }
        if (i > from && PyUnicodeWriter_WriteSubstring(w, z->text, from, i) < 0) {
            goto fail;
        }
        if (c == '"') {
            *end = i + 1;
            return PyUnicodeWriter_Finish(w);
        }
        if (c != '\\') {
            raise_decode_error("Invalid control character at", z->text, i);
            goto fail;
        }
        i++;
        if (i >= z->len) {
            goto unterminated;
        }
        c = CHAR(i);
        switch (c) {
        case '"':
        case '\\':
        case '/':
            break;
        case 'b':
            c = '\b';
            break;
        case 'f':
            c = '\f';
            break;
        case 'n':
            c = '\n';
            break;
        case 'r':
            c = '\r';
            break;
        case 't':
            c = '\t';
            break;
        case 'u': {
            int u = hex4(z, i + 1);
            if (u < 0) {
                raise_decode_error("Invalid \\uXXXX escape", z->text, i);
                goto fail;
            }
            i += 4;
            if (Py_UNICODE_IS_HIGH_SURROGATE((Py_UCS4)u) && i + 6 < z->len &&
                CHAR(i + 1) == '\\' && CHAR(i + 2) == 'u') {
                int low = hex4(z, i + 3);
                if (low < 0) {
                    raise_decode_error("Invalid \\uXXXX escape", z->text, i + 2);
                    goto fail;
                }
                if (Py_UNICODE_IS_LOW_SURROGATE((Py_UCS4)low)) {
                    c = Py_UNICODE_JOIN_SURROGATES((Py_UCS4)u, (Py_UCS4)low);
                    i += 6;
                    break;
                }
            }
            c = (Py_UCS4)u;
            break;
        }
        default:
            raise_decode_error("Invalid \\escape", z->text, i - 1);
            goto fail;
        }
        if (PyUnicodeWriter_WriteChar(w, c) < 0) {
            goto fail;
        }
        i++;
    }
unterminated:
    raise_decode_error("Unterminated string starting at", z->text, begin - 1);
fail:
    if (w) {
        PyUnicodeWriter_Discard(w);
    }
    return NULL;
}

/* ---------------------------------------------------------------- values */

static PyObject *scan_value(Scan *z, Py_ssize_t i, Py_ssize_t *end);

static NJ_COLD PyObject *
call_constant(Scan *z, const char *name, Py_ssize_t i, Py_ssize_t *end)
{
    *end = i + (Py_ssize_t)strlen(name);
    return PyObject_CallFunction(z->s->parse_constant, "s", name);
}

static PyObject *
scan_number(Scan *z, Py_ssize_t start, Py_ssize_t *end)
{
    Py_ssize_t i = start, last = z->len;
    bool is_float = false;
    if (i < last && CHAR(i) == '-') {
        i++;
    }
    Py_UCS4 c = i < last ? CHAR(i) : 0;
    Py_ssize_t digits = i;
    int64_t value = 0;
    if (c == '0') {
        i++;
    }
    else if (c >= '1' && c <= '9') {
        while (i < last && (c = CHAR(i)) >= '0' && c <= '9') {
            if (i - digits < 18) {
                value = value * 10 + (int64_t)(c - '0');
            }
            i++;
        }
    }
    else {
        raise_stop(start);
        return NULL;
    }
    Py_ssize_t ndigits = i - digits;
    if (i + 1 < last && CHAR(i) == '.' && CHAR(i + 1) >= '0' && CHAR(i + 1) <= '9') {
        is_float = true;
        i += 2;
        while (i < last && CHAR(i) >= '0' && CHAR(i) <= '9') {
            i++;
        }
    }
    if (i + 1 < last && (CHAR(i) == 'e' || CHAR(i) == 'E')) {
        Py_ssize_t e = i + 1;
        if (e + 1 < last && (CHAR(e) == '-' || CHAR(e) == '+')) {
            e++;
        }
        Py_ssize_t first = e;
        while (e < last && CHAR(e) >= '0' && CHAR(e) <= '9') {
            e++;
        }
        if (e > first) {
            is_float = true;
            i = e;
        }
    }
    *end = i;
    PyObject *parse = is_float ? z->s->parse_float : z->s->parse_int;
    Py_ssize_t n = i - start;
    if (!is_float && parse == (PyObject *)&PyLong_Type && ndigits <= 18) {
        return PyLong_FromLongLong(digits > start ? -value : value);
    }
    if (parse == (PyObject *)(is_float ? &PyFloat_Type : &PyLong_Type)) {
        char small[64], *text = small;
        NJ_OWN_MEM(char) big = NULL;
        if (n >= (Py_ssize_t)sizeof(small)) {
            big = text = PyMem_Malloc((size_t)n + 1);
            if (!big) {
                return PyErr_NoMemory();
            }
        }
        for (Py_ssize_t k = 0; k < n; k++) {
            text[k] = (char)CHAR(start + k);
        }
        text[n] = 0;
        if (!is_float) {
            return PyLong_FromString(text, NULL, 10);
        }
        double d = PyOS_string_to_double(text, NULL, NULL);
        return d == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(d);
    }
    NJ_OWN text = PyUnicode_Substring(z->text, start, i);
    return text ? PyObject_CallOneArg(parse, text) : NULL;
}

/* A value inside a container: a missing one is an error there. */
static PyObject *
scan_inner(Scan *z, Py_ssize_t i, Py_ssize_t *end)
{
    PyObject *v = scan_value(z, i, end);
    if (!v && PyErr_ExceptionMatches(PyExc_StopIteration)) {
        NJ_OWN exc = PyErr_GetRaisedException();
        PyObject *at = ((PyStopIterationObject *)exc)->value;
        Py_ssize_t where = at && PyLong_Check(at) ? PyLong_AsSsize_t(at) : i;
        raise_decode_error("Expecting value", z->text, where);
    }
    return v;
}

static PyObject *
scan_object(Scan *z, Py_ssize_t i, Py_ssize_t *end)
{
    Scanner *s = z->s;
    bool pairs = s->object_pairs_hook != Py_None;
    NJ_OWN result = pairs ? PyList_New(0) : PyDict_New();
    if (!result) {
        return NULL;
    }
    i = skip_space(z, i);
    if (i < z->len && CHAR(i) == '}') {
        i++;
        goto closed;
    }
    if (i >= z->len || CHAR(i) != '"') {
        raise_decode_error("Expecting property name enclosed in double quotes", z->text, i);
        return NULL;
    }
    for (;;) {
        NJ_OWN text = scan_string(z, i + 1, s->strict, &i);
        if (!text) {
            return NULL;
        }
        PyObject *k;
        if (PyDict_SetDefaultRef(z->memo, text, text, &k) < 0) {
            return NULL;
        }
        NJ_OWN key = k;
        i = skip_space(z, i);
        if (i >= z->len || CHAR(i) != ':') {
            raise_decode_error("Expecting ':' delimiter", z->text, i);
            return NULL;
        }
        i = skip_space(z, i + 1);
        NJ_OWN value = scan_inner(z, i, &i);
        if (!value) {
            return NULL;
        }
        if (pairs) {
            NJ_OWN pair = PyTuple_Pack(2, key, value);
            if (!pair || PyList_Append(result, pair) < 0) {
                return NULL;
            }
        }
        else if (PyDict_SetItem(result, key, value) < 0) {
            return NULL;
        }
        i = skip_space(z, i);
        if (i < z->len && CHAR(i) == '}') {
            i++;
            break;
        }
        if (i >= z->len || CHAR(i) != ',') {
            raise_decode_error("Expecting ',' delimiter", z->text, i);
            return NULL;
        }
        Py_ssize_t comma = i;
        i = skip_space(z, i + 1);
        if (i >= z->len || CHAR(i) != '"') {
            if (i < z->len && CHAR(i) == '}') {
                raise_decode_error("Illegal trailing comma before end of object", z->text,
                                   comma);
            }
            else {
                raise_decode_error("Expecting property name enclosed in double quotes",
                                   z->text, i);
            }
            return NULL;
        }
    }
closed:
    *end = i;
    if (pairs) {
        return PyObject_CallOneArg(s->object_pairs_hook, result);
    }
    if (s->object_hook != Py_None) {
        return PyObject_CallOneArg(s->object_hook, result);
    }
    return NJ_TAKE(result);
}

static PyObject *
scan_array(Scan *z, Py_ssize_t i, Py_ssize_t *end)
{
    NJ_OWN result = PyList_New(0);
    if (!result) {
        return NULL;
    }
    i = skip_space(z, i);
    if (i < z->len && CHAR(i) == ']') {
        *end = i + 1;
        return NJ_TAKE(result);
    }
    for (;;) {
        NJ_OWN value = scan_inner(z, i, &i);
        if (!value || PyList_Append(result, value) < 0) {
            return NULL;
        }
        i = skip_space(z, i);
        if (i < z->len && CHAR(i) == ']') {
            break;
        }
        if (i >= z->len || CHAR(i) != ',') {
            raise_decode_error("Expecting ',' delimiter", z->text, i);
            return NULL;
        }
        Py_ssize_t comma = i;
        i = skip_space(z, i + 1);
        if (i < z->len && CHAR(i) == ']') {
            raise_decode_error("Illegal trailing comma before end of array", z->text, comma);
            return NULL;
        }
    }
    *end = i + 1;
    return NJ_TAKE(result);
}

static bool
follows(Scan *z, Py_ssize_t i, const char *word)
{
    for (; *word; word++, i++) {
        if (i >= z->len || CHAR(i) != (Py_UCS4)(unsigned char)*word) {
            return false;
        }
    }
    return true;
}

static PyObject *
scan_value(Scan *z, Py_ssize_t i, Py_ssize_t *end)
{
    if (i < 0) {
        PyErr_SetString(PyExc_ValueError, "idx cannot be negative");
        return NULL;
    }
    if (i >= z->len) {
        raise_stop(i);
        return NULL;
    }
    PyObject *r;
    switch (CHAR(i)) {
    case '"':
        return scan_string(z, i + 1, z->s->strict, end);
    case '{':
        if (Py_EnterRecursiveCall(" while decoding a JSON object from a unicode string")) {
            return NULL;
        }
        r = scan_object(z, i + 1, end);
        Py_LeaveRecursiveCall();
        return r;
    case '[':
        if (Py_EnterRecursiveCall(" while decoding a JSON array from a unicode string")) {
            return NULL;
        }
        r = scan_array(z, i + 1, end);
        Py_LeaveRecursiveCall();
        return r;
    case 'n':
        if (follows(z, i, "null")) {
            *end = i + 4;
            return Py_NewRef(Py_None);
        }
        break;
    case 't':
        if (follows(z, i, "true")) {
            *end = i + 4;
            return Py_NewRef(Py_True);
        }
        break;
    case 'f':
        if (follows(z, i, "false")) {
            *end = i + 5;
            return Py_NewRef(Py_False);
        }
        break;
    case 'N':
        if (follows(z, i, "NaN")) {
            return call_constant(z, "NaN", i, end);
        }
        break;
    case 'I':
        if (follows(z, i, "Infinity")) {
            return call_constant(z, "Infinity", i, end);
        }
        break;
    case '-':
        if (follows(z, i, "-Infinity")) {
            return call_constant(z, "-Infinity", i, end);
        }
        break;
    }
    return scan_number(z, i, end);
}

static void
start_scan(Scan *z, Scanner *s, PyObject *text)
{
    z->s = s;
    z->text = text;
    z->data = PyUnicode_DATA(text);
    z->kind = PyUnicode_KIND(text);
    z->ascii = PyUnicode_IS_ASCII(text);
    z->len = PyUnicode_GET_LENGTH(text);
    z->memo = NULL;
}

static PyObject *
scanner_call(PyObject *op, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"string", "idx", NULL};
    PyObject *text;
    Py_ssize_t i, end = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "On:scan_once", names, &text, &i)) {
        return NULL;
    }
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "first argument must be a string, not %.80s",
                     Py_TYPE(text)->tp_name);
        return NULL;
    }
    Scan z;
    start_scan(&z, (Scanner *)op, text);
    NJ_OWN memo = PyDict_New();
    z.memo = memo;
    PyObject *v = memo ? scan_value(&z, i, &end) : NULL;
    return v ? Py_BuildValue("(Nn)", v, end) : NULL;
}

static PyObject *
json_scanstring(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *text;
    Py_ssize_t begin, end = -1;
    int strict = 1;
    if (!_PyArg_ParseStack(args, nargs, "On|p:scanstring", &text, &begin, &strict)) {
        return NULL;
    }
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "first argument must be a string, not %.80s",
                     Py_TYPE(text)->tp_name);
        return NULL;
    }
    Scan z;
    start_scan(&z, NULL, text);
    if (begin < 0 || begin > z.len) {
        PyErr_SetString(PyExc_ValueError, "end is out of bounds");
        return NULL;
    }
    PyObject *v = scan_string(&z, begin, strict, &end);
    return v ? Py_BuildValue("(Nn)", v, end) : NULL;
}

static PyObject *
scanner_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"context", NULL};
    PyObject *ctx;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O:make_scanner", names, &ctx)) {
        return NULL;
    }
    NJ_OWN self = type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    Scanner *s = (Scanner *)self;
    NJ_OWN strict = PyObject_GetAttrString(ctx, "strict");
    int is_strict = strict ? PyObject_IsTrue(strict) : -1;
    if (is_strict < 0) {
        return NULL;
    }
    s->strict = (signed char)is_strict;
    if (!(s->object_hook = PyObject_GetAttrString(ctx, "object_hook")) ||
        !(s->object_pairs_hook = PyObject_GetAttrString(ctx, "object_pairs_hook")) ||
        !(s->parse_float = PyObject_GetAttrString(ctx, "parse_float")) ||
        !(s->parse_int = PyObject_GetAttrString(ctx, "parse_int")) ||
        !(s->parse_constant = PyObject_GetAttrString(ctx, "parse_constant"))) {
        return NULL;
    }
    return NJ_TAKE(self);
}

static int
scanner_clear(PyObject *op)
{
    Scanner *s = (Scanner *)op;
    Py_CLEAR(s->object_hook);
    Py_CLEAR(s->object_pairs_hook);
    Py_CLEAR(s->parse_float);
    Py_CLEAR(s->parse_int);
    Py_CLEAR(s->parse_constant);
    return 0;
}

static int
scanner_traverse(PyObject *op, visitproc visit, void *arg)
{
    Scanner *s = (Scanner *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(s->object_hook);
    Py_VISIT(s->object_pairs_hook);
    Py_VISIT(s->parse_float);
    Py_VISIT(s->parse_int);
    Py_VISIT(s->parse_constant);
    return 0;
}

static void
scanner_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    scanner_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef scanner_members[] = {
    {"strict", Py_T_BOOL, offsetof(Scanner, strict), Py_READONLY, "strict"},
    {"object_hook", _Py_T_OBJECT, offsetof(Scanner, object_hook), Py_READONLY, "object_hook"},
    {"object_pairs_hook", _Py_T_OBJECT, offsetof(Scanner, object_pairs_hook), Py_READONLY,
     NULL},
    {"parse_float", _Py_T_OBJECT, offsetof(Scanner, parse_float), Py_READONLY, "parse_float"},
    {"parse_int", _Py_T_OBJECT, offsetof(Scanner, parse_int), Py_READONLY, "parse_int"},
    {"parse_constant", _Py_T_OBJECT, offsetof(Scanner, parse_constant), Py_READONLY,
     "parse_constant"},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot scanner_slots[] = {
    {Py_tp_doc, "JSON scanner object"},
    {Py_tp_dealloc, scanner_dealloc},
    {Py_tp_call, scanner_call},
    {Py_tp_traverse, scanner_traverse},
    {Py_tp_clear, scanner_clear},
    {Py_tp_members, scanner_members},
    {Py_tp_new, scanner_new},
    {0, NULL},
};
static PyType_Spec scanner_spec = {
    .name = "_json.Scanner",
    .basicsize = sizeof(Scanner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = scanner_slots,
};

/* ---------------------------------------------------------------- quoting */

static const char hexdigits[] = "0123456789abcdef";

enum { MAX_ESCAPE = 12 };

/* What follows the backslash; 'u': the number of the character too. */
static const char short_escapes[128] = {
    [0 ... 31] = 'u', ['\b'] = 'b', ['\t'] = 't',   ['\n'] = 'n',  ['\f'] = 'f',
    ['\r'] = 'r',     ['"'] = '"',  ['\\'] = '\\', [0x7f] = 'u',
};

static int
escape_number(Py_UCS4 c, char *out)
{
    Py_UCS4 units[2] = {c, 0};
    int n = 0, count = 1;
    if (c >= 0x10000) {
        units[0] = Py_UNICODE_HIGH_SURROGATE(c);
        units[1] = Py_UNICODE_LOW_SURROGATE(c);
        count = 2;
    }
    for (int k = 0; k < count; k++) {
        out[n++] = '\\';
        out[n++] = 'u';
        out[n++] = hexdigits[(units[k] >> 12) & 15];
        out[n++] = hexdigits[(units[k] >> 8) & 15];
        out[n++] = hexdigits[(units[k] >> 4) & 15];
        out[n++] = hexdigits[units[k] & 15];
    }
    return n;
}

/* Escape of c into out: length, 0 when c stands for itself. */
NJ_INLINE int
escape(Py_UCS4 c, bool ascii, char *out)
{
    if (c < 128) {
        char letter = short_escapes[c];
        if (!letter || (c == 0x7f && !ascii)) {
            return 0;
        }
        if (letter != 'u') {
            out[0] = '\\';
            out[1] = letter;
            return 2;
        }
    } else if (!ascii) {
        return 0;
    }
    return escape_number(c, out);
}

/* How many bytes from p on surely need no escape; stops early rather than late. */
NJ_INLINE Py_ssize_t
unescaped_run(const unsigned char *p, Py_ssize_t n, bool ascii)
{
    Py_ssize_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x;
        memcpy(&x, p + i, 8);
        if (escapes_in(x, ascii)) {
            break;
        }
    }
    return i;
}

/* A string with escapes, when what comes out is ASCII: many pieces in one. */
static int
write_escaped_ascii(PyUnicodeWriter *w, PyObject *s, bool ascii)
{
    const void *data = PyUnicode_DATA(s);
    int kind = PyUnicode_KIND(s), k = 0;
    Py_ssize_t n = PyUnicode_GET_LENGTH(s), i = 0;
    char buf[512];
    buf[k++] = '"';
    while (i < n) {
        if (k > (int)sizeof(buf) - 8 - MAX_ESCAPE) {
            if (PyUnicodeWriter_WriteASCII(w, buf, k) < 0) {
                return -1;
            }
            k = 0;
        }
        if (kind == PyUnicode_1BYTE_KIND && i + 8 <= n) {
            /* eight at once; of them counts what stands in front of an escape */
            uint64_t x;
            memcpy(&x, (const char *)data + i, 8);
            memcpy(buf + k, &x, 8);
            uint64_t found = escapes_in(x, ascii);
            int plain = found ? __builtin_ctzll(found) / 8 : 8;
            k += plain;
            i += plain;
            if (!found) {
                continue;
            }
        }
        Py_UCS4 c = PyUnicode_READ(kind, data, i++);
        int len = escape(c, ascii, buf + k);
        if (!len) {
            buf[k] = (char)c;
            len = 1;
        }
        k += len;
    }
    buf[k] = '"';
    return PyUnicodeWriter_WriteASCII(w, buf, k + 1);
}

static int
write_quoted(PyUnicodeWriter *w, PyObject *s, bool ascii)
{
    const void *data = PyUnicode_DATA(s);
    int kind = PyUnicode_KIND(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s), from = 0;
    char buf[MAX_ESCAPE];
    Py_ssize_t i = kind == PyUnicode_1BYTE_KIND ? unescaped_run(data, n, ascii) : 0;
    while (i < n && !escape(PyUnicode_READ(kind, data, i), ascii, buf)) {
        i++;
    }
    if (i < n && (ascii || PyUnicode_IS_ASCII(s))) {
        return write_escaped_ascii(w, s, ascii);
    }
    if (PyUnicodeWriter_WriteChar(w, '"') < 0) {
        return -1;
    }
    for (; i < n; i++) {
        int len = escape(PyUnicode_READ(kind, data, i), ascii, buf);
        if (len) {
            if ((i > from && PyUnicodeWriter_WriteSubstring(w, s, from, i) < 0) ||
                PyUnicodeWriter_WriteUTF8(w, buf, len) < 0) {
                return -1;
            }
            from = i + 1;
        }
    }
    if (from == 0 ? PyUnicodeWriter_WriteStr(w, s) < 0
                  : from < n && PyUnicodeWriter_WriteSubstring(w, s, from, n) < 0) {
        return -1;
    }
    return PyUnicodeWriter_WriteChar(w, '"');
}

static PyObject *
quote(PyObject *s, bool ascii)
{
    if (!PyUnicode_Check(s)) {
        PyErr_Format(PyExc_TypeError, "first argument must be a string, not %.80s",
                     Py_TYPE(s)->tp_name);
        return NULL;
    }
    PyUnicodeWriter *w = PyUnicodeWriter_Create(PyUnicode_GET_LENGTH(s) + 2);
    if (!w) {
        return NULL;
    }
    if (write_quoted(w, s, ascii) < 0) {
        PyUnicodeWriter_Discard(w);
        return NULL;
    }
    return PyUnicodeWriter_Finish(w);
}

static PyObject *
json_encode_basestring_ascii(PyObject *module, PyObject *s)
{
    return quote(s, true);
}

static PyObject *
json_encode_basestring(PyObject *module, PyObject *s)
{
    return quote(s, false);
}

/* ---------------------------------------------------------------- encoder */

enum { MAX_INSIDE = 32 };

/* One call of an encoder. */
typedef struct {
    Encoder *e;
    PyUnicodeWriter *w;
    int depth;
    PyObject *inside[MAX_INSIDE]; /* what is being written, outermost first; deeper: in the markers */
} Out;

static int write_value(Out *o, PyObject *v, Py_ssize_t level);

static int
write_string(Out *o, PyObject *s)
{
    if (o->e->fast) {
        return write_quoted(o->w, s, o->e->fast == 1);
    }
    NJ_OWN text = PyObject_CallOneArg(o->e->encoder, s);
    if (!text) {
        return -1;
    }
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "encoder() must return a string, not %.80s",
                     Py_TYPE(text)->tp_name);
        return -1;
    }
    return PyUnicodeWriter_WriteStr(o->w, text);
}

static PyObject *
float_text(Encoder *e, PyObject *f)
{
    double d = PyFloat_AS_DOUBLE(f);
    if (NJ_UNLIKELY(!isfinite(d))) {
        if (!e->allow_nan) {
            PyErr_Format(PyExc_ValueError,
                         "Out of range float values are not JSON compliant: %R", f);
            return NULL;
        }
        return PyUnicode_FromString(d > 0 ? "Infinity" : d < 0 ? "-Infinity" : "NaN");
    }
    return PyFloat_Type.tp_repr(f);
}

/* Small exact ints as text without an object. */
static int
write_int(Out *o, PyObject *v)
{
    if (PyUnstable_Long_IsCompact((PyLongObject *)v)) {
        Py_ssize_t n = PyUnstable_Long_CompactValue((PyLongObject *)v);
        char buf[24], *p = buf + sizeof(buf);
        size_t u = n < 0 ? 0 - (size_t)n : (size_t)n;
        do {
            *--p = (char)('0' + u % 10);
            u /= 10;
        } while (u);
        if (n < 0) {
            *--p = '-';
        }
        return PyUnicodeWriter_WriteUTF8(o->w, p, buf + sizeof(buf) - p);
    }
    NJ_OWN text = PyLong_Type.tp_repr(v);
    return text ? PyUnicodeWriter_WriteStr(o->w, text) : -1;
}

static int
write_newline(Out *o, Py_ssize_t level)
{
    if (PyUnicodeWriter_WriteChar(o->w, '\n') < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < level; i++) {
        if (PyUnicodeWriter_WriteStr(o->w, o->e->indent) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Before the content of v, unless nobody wants to know of cycles: 0, or -1 with ValueError
 * when v is inside itself. */
static int
enter(Out *o, PyObject *v)
{
    PyObject *markers = o->e->markers;
    if (markers == Py_None) {
        return 0;
    }
    int seen = 0;
    for (int i = 0; i < o->depth && i < MAX_INSIDE; i++) {
        seen |= o->inside[i] == v;
    }
    if (seen || o->depth >= MAX_INSIDE || PyDict_GET_SIZE(markers) > 0) {
        NJ_OWN id = PyLong_FromVoidPtr(v);
        seen = !id ? -1 : seen ? 1 : PyDict_Contains(markers, id);
        if (seen) {
            if (seen > 0) {
                PyErr_SetString(PyExc_ValueError, "Circular reference detected");
            }
            return -1;
        }
        if (o->depth >= MAX_INSIDE && PyDict_SetItem(markers, id, v) < 0) {
            return -1;
        }
    }
    if (o->depth < MAX_INSIDE) {
        o->inside[o->depth] = v;
    }
    o->depth++;
    return 0;
}

static int
leave(Out *o, PyObject *v)
{
    if (o->e->markers == Py_None || --o->depth < MAX_INSIDE) {
        return 0;
    }
    NJ_OWN id = PyLong_FromVoidPtr(v);
    return id ? PyDict_DelItem(o->e->markers, id) : -1;
}

static NJ_COLD void
add_note(const char *format, ...)
{
    PyObject *exc = PyErr_GetRaisedException();
    va_list va;
    va_start(va, format);
    NJ_OWN note = PyUnicode_FromFormatV(format, va);
    va_end(va);
    NJ_OWN r = note ? PyObject_CallMethod(exc, "add_note", "O", note) : NULL;
    if (!r) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
}

static int
write_list(Out *o, PyObject *v, Py_ssize_t level)
{
    Encoder *e = o->e;
    NJ_OWN seq = PySequence_Fast(v, "_iterencode_list needs a sequence");
    if (!seq) {
        return -1;
    }
    if (PySequence_Fast_GET_SIZE(seq) == 0) {
        return PyUnicodeWriter_WriteUTF8(o->w, "[]", 2);
    }
    if (enter(o, v) < 0) {
        return -1;
    }
    bool indent = e->indent != Py_None;
    if (PyUnicodeWriter_WriteChar(o->w, '[') < 0 ||
        (indent && write_newline(o, level + 1) < 0)) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++) {
        if (i && (PyUnicodeWriter_WriteStr(o->w, e->item_separator) < 0 ||
                  (indent && write_newline(o, level + 1) < 0))) {
            return -1;
        }
        NJ_OWN item = Py_NewRef(PySequence_Fast_GET_ITEM(seq, i));
        if (write_value(o, item, level + 1) < 0) {
            add_note("when serializing %T item %zd", v, i);
            return -1;
        }
    }
    if (leave(o, v) < 0) {
        return -1;
    }
    if (indent && write_newline(o, level) < 0) {
        return -1;
    }
    return PyUnicodeWriter_WriteChar(o->w, ']');
}

/* One `"key": value'. */
static int
write_pair(Out *o, PyObject *dict, PyObject *key, PyObject *value, Py_ssize_t level,
           bool *first)
{
    Encoder *e = o->e;
    NJ_OWN text = NULL;
    if (PyUnicode_Check(key)) {
        NJ_SET(text, Py_NewRef(key));
    }
    else if (PyFloat_Check(key)) {
        NJ_SET(text, float_text(e, key));
    }
    else if (key == Py_True || key == Py_False || key == Py_None) {
        NJ_SET(text, PyUnicode_FromString(key == Py_True    ? "true"
                                          : key == Py_False ? "false"
                                                            : "null"));
    }
    else if (PyLong_Check(key)) {
        NJ_SET(text, PyLong_Type.tp_repr(key));
    }
    else if (e->skipkeys) {
        return 0;
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "keys must be str, int, float, bool or None, not %.100s",
                     Py_TYPE(key)->tp_name);
        return -1;
    }
    if (!text) {
        return -1;
    }
    bool indent = e->indent != Py_None;
    if (*first) {
        *first = false;
        if (indent && write_newline(o, level + 1) < 0) {
            return -1;
        }
    }
    else if (PyUnicodeWriter_WriteStr(o->w, e->item_separator) < 0 ||
             (indent && write_newline(o, level + 1) < 0)) {
        return -1;
    }
    if (write_string(o, text) < 0 || PyUnicodeWriter_WriteStr(o->w, e->key_separator) < 0) {
        return -1;
    }
    if (write_value(o, value, level + 1) < 0) {
        add_note("when serializing %T item %R", dict, key);
        return -1;
    }
    return 0;
}

static int
write_dict(Out *o, PyObject *v, Py_ssize_t level)
{
    Encoder *e = o->e;
    if (PyDict_GET_SIZE(v) == 0) {
        return PyUnicodeWriter_WriteUTF8(o->w, "{}", 2);
    }
    if (enter(o, v) < 0) {
        return -1;
    }
    if (PyUnicodeWriter_WriteChar(o->w, '{') < 0) {
        return -1;
    }
    bool first = true;
    if (e->sort_keys || !PyDict_CheckExact(v)) {
        NJ_OWN items = PyMapping_Items(v);
        if (!items || (e->sort_keys && PyList_Sort(items) < 0)) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
            NJ_OWN pair = Py_NewRef(PyList_GET_ITEM(items, i));
            if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
                PyErr_SetString(PyExc_ValueError, "items must return 2-tuples");
                return -1;
            }
            if (write_pair(o, v, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1), level,
                           &first) < 0) {
                return -1;
            }
        }
    }
    else {
        PyObject *k, *x;
        Py_ssize_t pos = 0, n = PyDict_GET_SIZE(v);
        while (PyDict_Next(v, &pos, &k, &x)) {
            NJ_OWN key = Py_NewRef(k);
            NJ_OWN value = Py_NewRef(x);
            if (write_pair(o, v, key, value, level, &first) < 0) {
                return -1;
            }
            if (PyDict_GET_SIZE(v) != n) {
                PyErr_SetString(PyExc_RuntimeError,
                                "dictionary changed size during iteration");
                return -1;
            }
        }
    }
    if (leave(o, v) < 0) {
        return -1;
    }
    if (!first && e->indent != Py_None && write_newline(o, level) < 0) {
        return -1;
    }
    return PyUnicodeWriter_WriteChar(o->w, '}');
}

static int
write_other(Out *o, PyObject *v, Py_ssize_t level)
{
    Encoder *e = o->e;
    if (enter(o, v) < 0) {
        return -1;
    }
    NJ_OWN plain = PyObject_CallOneArg(e->default_, v);
    if (!plain) {
        return -1;
    }
    if (Py_EnterRecursiveCall(" while encoding a JSON object")) {
        return -1;
    }
    int r = write_value(o, plain, level);
    Py_LeaveRecursiveCall();
    if (r < 0) {
        add_note("when serializing %T object", v);
        return -1;
    }
    return leave(o, v);
}

static int
write_value(Out *o, PyObject *v, Py_ssize_t level)
{
    if (PyUnicode_Check(v)) {
        return write_string(o, v);
    }
    if (v == Py_None) {
        return PyUnicodeWriter_WriteUTF8(o->w, "null", 4);
    }
    if (v == Py_True) {
        return PyUnicodeWriter_WriteUTF8(o->w, "true", 4);
    }
    if (v == Py_False) {
        return PyUnicodeWriter_WriteUTF8(o->w, "false", 5);
    }
    if (PyLong_Check(v)) {
        return write_int(o, v);
    }
    if (PyFloat_Check(v)) {
        NJ_OWN text = float_text(o->e, v);
        return text ? PyUnicodeWriter_WriteStr(o->w, text) : -1;
    }
    bool list = PyList_Check(v) || PyTuple_Check(v);
    if (list || PyDict_Check(v)) {
        if (Py_EnterRecursiveCall(" while encoding a JSON object")) {
            return -1;
        }
        int r = list ? write_list(o, v, level) : write_dict(o, v, level);
        Py_LeaveRecursiveCall();
        return r;
    }
    return write_other(o, v, level);
}

static PyObject *
encoder_call(PyObject *op, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"obj", "_current_indent_level", NULL};
    PyObject *v;
    Py_ssize_t level;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "On:_iterencode", names, &v, &level)) {
        return NULL;
    }
    Out o;
    o.e = (Encoder *)op;
    o.w = PyUnicodeWriter_Create(0);
    o.depth = 0;
    if (!o.w) {
        return NULL;
    }
    if (write_value(&o, v, level < 0 ? 0 : level) < 0) {
        PyUnicodeWriter_Discard(o.w);
        return NULL;
    }
    PyObject *text = PyUnicodeWriter_Finish(o.w);
    return text ? Py_BuildValue("(N)", text) : NULL;
}

static PyObject *
encoder_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"markers",        "default",   "encoder",  "indent",
                            "key_separator",  "item_separator", "sort_keys", "skipkeys",
                            "allow_nan",      NULL};
    PyObject *markers, *fallback, *encoder, *indent, *ks, *is;
    int sort_keys, skipkeys, allow_nan;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OOOOUUppp:make_encoder", names, &markers,
                                     &fallback, &encoder, &indent, &ks, &is, &sort_keys,
                                     &skipkeys, &allow_nan)) {
        return NULL;
    }
    if (markers != Py_None && !PyDict_Check(markers)) {
        PyErr_Format(PyExc_TypeError,
                     "make_encoder() argument 1 must be dict or None, not %.200s",
                     Py_TYPE(markers)->tp_name);
        return NULL;
    }
    if (indent != Py_None && !PyUnicode_Check(indent)) {
        PyErr_Format(PyExc_TypeError,
                     "make_encoder() argument 4 must be str or None, not %.200s",
                     Py_TYPE(indent)->tp_name);
        return NULL;
    }
    Encoder *e = (Encoder *)type->tp_alloc(type, 0);
    if (!e) {
        return NULL;
    }
    e->markers = Py_NewRef(markers);
    e->default_ = Py_NewRef(fallback);
    e->encoder = Py_NewRef(encoder);
    e->indent = Py_NewRef(indent);
    e->key_separator = Py_NewRef(ks);
    e->item_separator = Py_NewRef(is);
    e->sort_keys = (char)sort_keys;
    e->skipkeys = (char)skipkeys;
    e->allow_nan = (char)allow_nan;
    e->fast = 0;
    if (PyCFunction_Check(encoder)) {
        PyCFunction f = PyCFunction_GetFunction(encoder);
        e->fast = f == json_encode_basestring_ascii ? 1 : f == json_encode_basestring ? 2 : 0;
    }
    return (PyObject *)e;
}

static int
encoder_clear(PyObject *op)
{
    Encoder *e = (Encoder *)op;
    Py_CLEAR(e->markers);
    Py_CLEAR(e->default_);
    Py_CLEAR(e->encoder);
    Py_CLEAR(e->indent);
    Py_CLEAR(e->key_separator);
    Py_CLEAR(e->item_separator);
    return 0;
}

static int
encoder_traverse(PyObject *op, visitproc visit, void *arg)
{
    Encoder *e = (Encoder *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(e->markers);
    Py_VISIT(e->default_);
    Py_VISIT(e->encoder);
    Py_VISIT(e->indent);
    Py_VISIT(e->key_separator);
    Py_VISIT(e->item_separator);
    return 0;
}

static void
encoder_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    encoder_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef encoder_members[] = {
    {"markers", _Py_T_OBJECT, offsetof(Encoder, markers), Py_READONLY, "markers"},
    {"default", _Py_T_OBJECT, offsetof(Encoder, default_), Py_READONLY, "default"},
    {"encoder", _Py_T_OBJECT, offsetof(Encoder, encoder), Py_READONLY, "encoder"},
    {"indent", _Py_T_OBJECT, offsetof(Encoder, indent), Py_READONLY, "indent"},
    {"key_separator", _Py_T_OBJECT, offsetof(Encoder, key_separator), Py_READONLY,
     "key_separator"},
    {"item_separator", _Py_T_OBJECT, offsetof(Encoder, item_separator), Py_READONLY,
     "item_separator"},
    {"sort_keys", Py_T_BOOL, offsetof(Encoder, sort_keys), Py_READONLY, "sort_keys"},
    {"skipkeys", Py_T_BOOL, offsetof(Encoder, skipkeys), Py_READONLY, "skipkeys"},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot encoder_slots[] = {
    {Py_tp_doc, "Encoder(markers, default, encoder, indent, key_separator, item_separator, "
                "sort_keys, skipkeys, allow_nan)"},
    {Py_tp_dealloc, encoder_dealloc},
    {Py_tp_call, encoder_call},
    {Py_tp_traverse, encoder_traverse},
    {Py_tp_clear, encoder_clear},
    {Py_tp_members, encoder_members},
    {Py_tp_new, encoder_new},
    {0, NULL},
};
static PyType_Spec encoder_spec = {
    .name = "_json.Encoder",
    .basicsize = sizeof(Encoder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = encoder_slots,
};

/* ---------------------------------------------------------------- module */

static int
json_exec(PyObject *m)
{
    NJ_OWN scanner = PyType_FromModuleAndSpec(m, &scanner_spec, NULL);
    NJ_OWN encoder = scanner ? PyType_FromModuleAndSpec(m, &encoder_spec, NULL) : NULL;
    return encoder && PyModule_AddObjectRef(m, "make_scanner", scanner) == 0 &&
                   PyModule_AddObjectRef(m, "make_encoder", encoder) == 0
               ? 0
               : -1;
}

static PyMethodDef json_methods[] = {
    {"encode_basestring_ascii", json_encode_basestring_ascii, METH_O,
     "encode_basestring_ascii(string) -> string\n\n"
     "Return an ASCII-only JSON representation of a Python string"},
    {"encode_basestring", json_encode_basestring, METH_O,
     "encode_basestring(string) -> string\n\n"
     "Return a JSON representation of a Python string"},
    {"scanstring", (PyCFunction)(void *)json_scanstring, METH_FASTCALL,
     "scanstring(string, end, strict=True) -> (string, end)\n\n"
     "Scan a JSON string; end is the index behind its opening quote."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot json_slots[] = {
    {Py_mod_exec, json_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef json_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_json",
    .m_doc = "json speedups\n",
    .m_methods = json_methods,
    .m_slots = json_slots,
};

PyMODINIT_FUNC PyInit__json(void);

PyMODINIT_FUNC
PyInit__json(void)
{
    return PyModuleDef_Init(&json_module);
}

/* bytes.c - the bytes type.
 *
 * One block: a PyVarObject head, the cached hash, the bytes and a zero byte. The empty
 * bytes and the 256 one-byte objects are immortal and made once per process at start-up.
 * Contents never change after another reference exists; PyBytes_FromStringAndSize(NULL, n)
 * hands out a fresh block for the caller to fill, never a singleton (except n == 0).
 * SPDX-License-Identifier: MIT
 */
#include "objects/bytes_int.h"

#include "capi/args.h"
#include "objects/str_format.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* ob_shash */

/* ---- singletons and allocation ------------------------------------------------------------ */

typedef struct {
    PyBytesObject head;
    char tail[8];
} OneByte;

#define HEAD(n) PyVarObject_HEAD_INIT(&PyBytes_Type, n)
static OneByte empty_bytes = {{HEAD(0) .ob_shash = -1}, ""};
static OneByte one_byte[256];

void
nj_bytes_init(void)
{
    for (int i = 0; i < 256; i++) {
        one_byte[i] = empty_bytes;
        one_byte[i].head.ob_base.ob_size = 1;
        char *text = one_byte[i].head.ob_sval;
        text[0] = (char)i;
        text[1] = 0;
    }
}

/* The size of a bytes object of no bytes, with its zero byte. */
#define BYTES_HEAD (offsetof(PyBytesObject, ob_sval) + 1)

static PyObject *
new_bytes(PyTypeObject *type, Py_ssize_t n)
{
    if (n > PY_SSIZE_T_MAX - (Py_ssize_t)BYTES_HEAD) {
        PyErr_SetString(PyExc_OverflowError, "byte string is too large");
        return NULL;
    }
    PyBytesObject *b = PyObject_Malloc(BYTES_HEAD + (size_t)n);
    if (b == NULL) {
        return PyErr_NoMemory();
    }
    PyObject_InitVar((PyVarObject *)b, type, n);
    b->ob_shash = -1;
    b->ob_sval[n] = 0;
    return (PyObject *)b;
}

PyObject *
PyBytes_FromStringAndSize(const char *p, Py_ssize_t n)
{
    if (n < 0) {
        PyErr_SetString(PyExc_SystemError,
                        "Negative size passed to PyBytes_FromStringAndSize");
        return NULL;
    }
    if (n == 0) {
        return (PyObject *)&empty_bytes;
    }
    if (n == 1 && p != NULL) {
        return (PyObject *)&one_byte[(unsigned char)*p];
    }
    PyObject *b = new_bytes(&PyBytes_Type, n);
    if (b != NULL && p != NULL) {
        memcpy(PyBytes_AS_STRING(b), p, (size_t)n);
    }
    return b;
}

PyObject *
PyBytes_FromString(const char *p)
{
    size_t n = strlen(p);
    if (n > PY_SSIZE_T_MAX - BYTES_HEAD) {
        PyErr_SetString(PyExc_OverflowError, "byte string is too long");
        return NULL;
    }
    return PyBytes_FromStringAndSize(p, (Py_ssize_t)n);
}

int
_PyBytes_Resize(PyObject **p, Py_ssize_t n)
{
    PyObject *b = *p;
    if (!PyBytes_Check(b) || n < 0) {
        *p = NULL;
        Py_XDECREF(b);
        PyErr_BadInternalCall();
        return -1;
    }
    Py_ssize_t old = PyBytes_GET_SIZE(b);
    if (old == n) {
        return 0;
    }
    if (n == 0) {
        *p = (PyObject *)&empty_bytes;
        Py_DECREF(b);
        return 0;
    }
    if (Py_REFCNT(b) != 1 || _Py_IsImmortal(b)) {
        /* others see it: they keep what they have */
        *p = new_bytes(&PyBytes_Type, n);
        if (*p != NULL) {
            memcpy(PyBytes_AS_STRING(*p), PyBytes_AS_STRING(b), (size_t)Py_MIN(old, n));
        }
        Py_DECREF(b);
        return *p == NULL ? -1 : 0;
    }
    if (n > PY_SSIZE_T_MAX - (Py_ssize_t)BYTES_HEAD) {
        *p = NULL;
        Py_DECREF(b);
        PyErr_NoMemory();
        return -1;
    }
    PyObject *r = PyObject_Realloc(b, BYTES_HEAD + (size_t)n);
    if (r == NULL) {
        *p = NULL;
        PyObject_Free(b);
        PyErr_NoMemory();
        return -1;
    }
    Py_SET_SIZE(r, n);
    ((PyBytesObject *)r)->ob_shash = -1;
    PyBytes_AS_STRING(r)[n] = 0;
    *p = r;
    return 0;
}

PyObject *
nj_bytes_shared(PyObject *b)
{
    if (b != NULL && PyBytes_GET_SIZE(b) == 1) {
        PyObject *one = (PyObject *)&one_byte[(unsigned char)PyBytes_AS_STRING(b)[0]];
        Py_DECREF(b);
        return one;
    }
    return b;
}

/* ---- C API -------------------------------------------------------------------------------------- */

Py_ssize_t
PyBytes_Size(PyObject *op)
{
    if (!PyBytes_Check(op)) {
        PyErr_Format(PyExc_TypeError, "expected bytes, %.200s found", Py_TYPE(op)->tp_name);
        return -1;
    }
    return Py_SIZE(op);
}

char *
PyBytes_AsString(PyObject *op)
{
    if (!PyBytes_Check(op)) {
        PyErr_Format(PyExc_TypeError, "expected bytes, %.200s found", Py_TYPE(op)->tp_name);
        return NULL;
    }
    return PyBytes_AS_STRING(op);
}

int
PyBytes_AsStringAndSize(PyObject *op, char **s, Py_ssize_t *len)
{
    if (s == NULL) {
        PyErr_BadInternalCall();
        return -1;
    }
    if (!PyBytes_Check(op)) {
        PyErr_Format(PyExc_TypeError, "expected bytes, %.200s found", Py_TYPE(op)->tp_name);
        return -1;
    }
    *s = PyBytes_AS_STRING(op);
    if (len != NULL) {
        *len = PyBytes_GET_SIZE(op);
    } else if (strlen(*s) != (size_t)PyBytes_GET_SIZE(op)) {
        PyErr_SetString(PyExc_ValueError, "embedded null byte");
        return -1;
    }
    return 0;
}

void
PyBytes_Concat(PyObject **p, PyObject *w)
{
    if (*p == NULL) {
        return;
    }
    if (w == NULL) {
        Py_CLEAR(*p);
        return;
    }
    if (Py_REFCNT(*p) == 1 && PyBytes_CheckExact(*p) && PyBytes_GET_SIZE(*p) > 0) {
        /* nobody else holds it: grow in place */
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(w, &view, PyBUF_SIMPLE) < 0) {
            PyErr_Format(PyExc_TypeError, "can't concat %.100s to %.100s",
                         Py_TYPE(w)->tp_name, Py_TYPE(*p)->tp_name);
            Py_CLEAR(*p);
            return;
        }
        Py_ssize_t n = PyBytes_GET_SIZE(*p);
        if (n > PY_SSIZE_T_MAX - view.len) {
            PyErr_NoMemory();
            Py_CLEAR(*p);
            return;
        }
        if (_PyBytes_Resize(p, n + view.len) == 0) {
            memcpy(PyBytes_AS_STRING(*p) + n, view.buf, (size_t)view.len);
        }
        return;
    }
    if (PyByteArray_CheckExact(*p)) { /* the sum is bytes, whatever the parts are */
        Py_SETREF(*p, nj_bytes_concat(*p, w));
        if (*p != NULL) {
            Py_SETREF(*p, PyBytes_FromObject(*p));
        }
        return;
    }
    Py_SETREF(*p, nj_bytes_concat(*p, w));
}

void
PyBytes_ConcatAndDel(PyObject **p, PyObject *w)
{
    PyBytes_Concat(p, w);
    Py_XDECREF(w);
}

PyObject *
PyBytes_Join(PyObject *sep, PyObject *iterable)
{
    if (sep == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (!PyBytes_Check(sep)) {
        PyErr_Format(PyExc_TypeError, "sep: expected bytes, got %T", sep);
        return NULL;
    }
    return nj_bytes_join(sep, iterable);
}

PyObject *
PyBytes_Repr(PyObject *b, int smartquotes)
{
    return nj_bytes_repr_text(PyBytes_AS_STRING(b), PyBytes_GET_SIZE(b), "b", smartquotes,
                              false, "");
}

/* PyBytes_FromFormat: %c %d %u %ld %lu %zd %zu %i %x %s %p %%; an unknown directive copies
 * the rest of the format as it is. */
PyObject *
PyBytes_FromFormatV(const char *format, va_list va)
{
    NJ_OWN out = PyByteArray_FromStringAndSize(NULL, 0);
    if (out == NULL) {
        return NULL;
    }
    char small[64];
    va_list args;
    va_copy(args, va);
    int bad = 0;
    for (const char *f = format; *f && !bad;) {
        const char *piece = small;
        Py_ssize_t n;
        if (*f != '%') {
            const char *next = strchr(f, '%');
            n = next ? next - f : (Py_ssize_t)strlen(f);
            piece = f;
            f += n;
        } else {
            const char *start = f++;
            Py_ssize_t prec = -1;
            while (Py_ISDIGIT(*f)) {
                f++;
            }
            if (*f == '.') {
                prec = 0;
                for (f++; Py_ISDIGIT(*f); f++) {
                    prec = prec < 100000000 ? prec * 10 + (*f - '0') : prec;
                }
            }
            while (*f && *f != '%' && !Py_ISALPHA(*f)) {
                f++;
            }
            char size = 0;
            if ((*f == 'l' || *f == 'z') && (f[1] == 'd' || f[1] == 'u')) {
                size = *f++;
            }
            switch (*f) {
            case '%': piece = "%"; n = 1; break;
            case 'c': {
                int c = va_arg(args, int);
                if (c < 0 || c > 255) {
                    PyErr_SetString(PyExc_OverflowError,
                                    "PyBytes_FromFormatV(): %c format expects an integer in "
                                    "range [0; 255]");
                    bad = 1;
                }
                small[0] = (char)c;
                n = 1;
                break;
            }
            case 'd':
            case 'i':
                n = size == 'l'   ? snprintf(small, sizeof(small), "%ld", va_arg(args, long))
                    : size == 'z' ? snprintf(small, sizeof(small), "%zd",
                                             va_arg(args, Py_ssize_t))
                                  : snprintf(small, sizeof(small), "%d", va_arg(args, int));
                break;
            case 'u':
                n = size == 'l' ? snprintf(small, sizeof(small), "%lu",
                                           va_arg(args, unsigned long))
                    : size == 'z'
                        ? snprintf(small, sizeof(small), "%zu", va_arg(args, size_t))
                        : snprintf(small, sizeof(small), "%u", va_arg(args, unsigned));
                break;
            case 'x':
                n = snprintf(small, sizeof(small), "%x", va_arg(args, unsigned));
                break;
            case 's':
                piece = va_arg(args, const char *);
                n = (Py_ssize_t)(prec < 0 ? strlen(piece) : strnlen(piece, (size_t)prec));
                break;
            case 'p':
                n = snprintf(small, sizeof(small), "%p", va_arg(args, void *));
                if (strncmp(small, "0x", 2) != 0) {
                    n = snprintf(small, sizeof(small), "0x0");
                }
                break;
            default:
                piece = start;
                n = (Py_ssize_t)strlen(start);
                f = start + n - 1;
                break;
            }
            f += *f != 0;
        }
        if (!bad) {
            Py_ssize_t at = PyByteArray_GET_SIZE(out);
            bad = PyByteArray_Resize(out, at + n) < 0;
            if (!bad) {
                memcpy(PyByteArray_AS_STRING(out) + at, piece, (size_t)n);
            }
        }
    }
    va_end(args);
    if (bad) {
        return NULL;
    }
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(out), PyByteArray_GET_SIZE(out));
}

PyObject *
PyBytes_FromFormat(const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *b = PyBytes_FromFormatV(format, va);
    va_end(va);
    return b;
}

/* ---- escapes (the parser's and pickle's) ---------------------------------------------------------- */

static int
hex_value(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

PyObject *
nj_bytes_decode_escape(const char *s, Py_ssize_t len, const char *errors,
                       const char **first_invalid)
{
    const char *end = s + len, *start = s;
    *first_invalid = NULL;
    PyObject *r = PyBytes_FromStringAndSize(NULL, Py_MAX(len, 2));
    if (r == NULL) {
        return NULL;
    }
    char *o = PyBytes_AS_STRING(r);
    while (s < end) {
        if (*s != '\\') {
            *o++ = *s++;
            continue;
        }
        s++;
        if (s == end) {
            PyErr_SetString(PyExc_ValueError, "Trailing \\ in string");
            Py_DECREF(r);
            return NULL;
        }
        char c = *s++;
        switch (c) {
        case '\n': break;
        case '\\':
        case '\'':
        case '"': *o++ = c; break;
        case 'b': *o++ = '\b'; break;
        case 'f': *o++ = '\f'; break;
        case 't': *o++ = '\t'; break;
        case 'n': *o++ = '\n'; break;
        case 'r': *o++ = '\r'; break;
        case 'v': *o++ = '\v'; break;
        case 'a': *o++ = '\a'; break;
        case '0' ... '7': {
            int v = c - '0';
            for (int k = 0; k < 2 && s < end && *s >= '0' && *s <= '7'; k++) {
                v = v * 8 + (*s++ - '0');
            }
            if (v > 255 && *first_invalid == NULL) {
                *first_invalid = s - 3;
            }
            *o++ = (char)v;
            break;
        }
        case 'x': {
            int a = s < end ? hex_value(s[0]) : -1, b = s + 1 < end ? hex_value(s[1]) : -1;
            if (a >= 0 && b >= 0) {
                *o++ = (char)(a << 4 | b);
                s += 2;
                break;
            }
            if (errors == NULL || strcmp(errors, "strict") == 0) {
                PyErr_Format(PyExc_ValueError, "invalid \\x escape at position %zd",
                             s - 2 - start);
                Py_DECREF(r);
                return NULL;
            }
            if (strcmp(errors, "replace") == 0) {
                *o++ = '?';
            } else if (strcmp(errors, "ignore") != 0) {
                PyErr_Format(PyExc_ValueError,
                             "decoding error; unknown error handling code: %.400s", errors);
                Py_DECREF(r);
                return NULL;
            }
            if (s < end && hex_value(*s) >= 0) {
                s++;
            }
            break;
        }
        default:
            if (*first_invalid == NULL) {
                *first_invalid = s - 1;
            }
            *o++ = '\\';
            *o++ = c;
            break;
        }
    }
    Py_ssize_t n = o - PyBytes_AS_STRING(r);
    if (n != PyBytes_GET_SIZE(r)) {
        _PyBytes_Resize(&r, n);
    }
    return nj_bytes_shared(r);
}

PyObject *
PyBytes_DecodeEscape(const char *s, Py_ssize_t len, const char *errors,
                     Py_ssize_t Py_UNUSED(unicode), const char *Py_UNUSED(recode))
{
    const char *bad;
    NJ_OWN r = nj_bytes_decode_escape(s, len, errors, &bad);
    if (r == NULL || bad == NULL) {
        return NJ_TAKE(r);
    }
    unsigned char c = (unsigned char)*bad;
    int warned = c >= '4' && c <= '7'
                     ? PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                                        "b\"\\%c%c%c\" is an invalid octal escape sequence. "
                                        "Such sequences will not work in the future. ",
                                        bad[0], bad[1], bad[2])
                     : PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                                        "b\"\\%c\" is an invalid escape sequence. "
                                        "Such sequences will not work in the future. ",
                                        c);
    return warned < 0 ? NULL : NJ_TAKE(r);
}

/* ---- % ----------------------------------------------------------------------------------------------- */

typedef struct {
    char *p;
    Py_ssize_t n, cap;
} Out;

static int
put(Out *o, const char *p, Py_ssize_t n)
{
    if (n > o->cap - o->n) {
        if (n > PY_SSIZE_T_MAX / 2 - o->n) {
            PyErr_NoMemory();
            return -1;
        }
        Py_ssize_t cap = (o->n + n) + (o->n + n) / 4 + 64;
        char *q = PyMem_Realloc(o->p, (size_t)cap);
        if (q == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        o->p = q;
        o->cap = cap;
    }
    if (p != NULL && n > 0) {
        memcpy(o->p + o->n, p, (size_t)n);
    }
    o->n += n;
    return 0;
}

static int
put_fill(Out *o, char c, Py_ssize_t n)
{
    if (n <= 0) {
        return 0;
    }
    if (put(o, NULL, n) < 0) {
        return -1;
    }
    memset(o->p + o->n - n, c, (size_t)n);
    return 0;
}

typedef struct {
    PyObject *args, *mapping, *value; /* value: owned */
    Py_ssize_t argidx, arglen;
} PercentArgs;

static PyObject *
next_arg(PercentArgs *a)
{
    if (a->value != NULL) {
        if (a->argidx == -2) {
            a->argidx = -1;
            return a->value;
        }
    } else if (a->arglen < 0) {
        if (a->argidx == -2) {
            a->argidx = -1;
            return a->args;
        }
    } else if (a->argidx < a->arglen) {
        return PyTuple_GET_ITEM(a->args, a->argidx++);
    }
    PyErr_SetString(PyExc_TypeError, "not enough arguments for format string");
    return NULL;
}

static int
count_or_star(const char **f, const char *end, PercentArgs *a, Py_ssize_t *out,
              int *flags, const char *what)
{
    if (*f < end && **f == '*') {
        PyObject *v = next_arg(a);
        if (v == NULL) {
            return -1;
        }
        if (!PyLong_Check(v)) {
            PyErr_SetString(PyExc_TypeError, "* wants int");
            return -1;
        }
        Py_ssize_t n = flags ? PyLong_AsSsize_t(v) : PyLong_AsInt(v);
        if (n == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (n < 0 && flags) {
            *flags |= NJ_PF_LEFT;
            n = -n;
        }
        *out = Py_MAX(n, 0);
        (*f)++;
        return 0;
    }
    Py_ssize_t n = 0, limit = flags ? PY_SSIZE_T_MAX : INT_MAX;
    const char *from = *f;
    while (*f < end && Py_ISDIGIT(**f)) {
        if (n > (limit - (**f - '0')) / 10) {
            PyErr_Format(PyExc_ValueError, "%s too big", what);
            return -1;
        }
        n = n * 10 + (**f - '0');
        (*f)++;
    }
    if (*f > from || !flags) {
        *out = n;
    }
    return 0;
}

/* %b and %s: bytes-like or __bytes__. New reference to an object with a buffer. */
static PyObject *
as_bytes(PyObject *v)
{
    if (PyBytes_Check(v) || PyByteArray_Check(v)) {
        return Py_NewRef(v);
    }
    PyObject *func;
    if (PyObject_GetOptionalAttr((PyObject *)Py_TYPE(v), NJ_ID(__bytes__), &func) < 0) {
        return NULL;
    }
    if (func != NULL) {
        NJ_OWN r = PyObject_CallOneArg(func, v);
        Py_DECREF(func);
        if (r != NULL && !PyBytes_Check(r)) {
            PyErr_Format(PyExc_TypeError, "__bytes__ returned non-bytes (type %.200s)",
                         Py_TYPE(r)->tp_name);
            return NULL;
        }
        return NJ_TAKE(r);
    }
    if (PyObject_CheckBuffer(v)) {
        return PyBytes_FromObject(v);
    }
    PyErr_Format(PyExc_TypeError,
                 "%%b requires a bytes-like object, or an object that implements __bytes__, "
                 "not '%.100s'",
                 Py_TYPE(v)->tp_name);
    return NULL;
}

static int
percent_directive(Out *o, const char **pf, const char *begin, const char *end, PercentArgs *a)
{
    const char *f = *pf + 1, *first = f;
    int flags = 0;
    Py_ssize_t width = -1, prec = -1;
    Py_CLEAR(a->value);
    if (f < end && *f == '(') {
        if (a->mapping == NULL) {
            PyErr_SetString(PyExc_TypeError, "format requires a mapping");
            return -1;
        }
        const char *from = ++f;
        int depth = 1;
        while (depth > 0) {
            if (f >= end) {
                PyErr_SetString(PyExc_ValueError, "incomplete format key");
                return -1;
            }
            depth += *f == '(' ? 1 : *f == ')' ? -1 : 0;
            f++;
        }
        NJ_OWN key = PyBytes_FromStringAndSize(from, f - 1 - from);
        if (key == NULL) {
            return -1;
        }
        a->value = PyObject_GetItem(a->mapping, key);
        if (a->value == NULL) {
            return -1;
        }
        a->argidx = -2;
    }
    for (; f < end; f++) {
        int flag = *f == '-'   ? NJ_PF_LEFT
                   : *f == '+' ? NJ_PF_SIGN
                   : *f == ' ' ? NJ_PF_BLANK
                   : *f == '#' ? NJ_PF_ALT
                   : *f == '0' ? NJ_PF_ZERO
                               : 0;
        if (!flag) {
            break;
        }
        flags |= flag;
    }
    if (count_or_star(&f, end, a, &width, &flags, "width") < 0) {
        return -1;
    }
    if (f < end && *f == '.') {
        f++;
        if (count_or_star(&f, end, a, &prec, NULL, "precision") < 0) {
            return -1;
        }
    }
    if (f < end && (*f == 'h' || *f == 'l' || *f == 'L')) {
        f++;
    }
    if (f >= end) {
        PyErr_SetString(PyExc_ValueError, "incomplete format");
        return -1;
    }
    char conv = *f++;
    *pf = f;
    if (conv == '%' && f == first + 1) {
        return put(o, "%", 1);
    }
    PyObject *v = next_arg(a);
    if (v == NULL) {
        return -1;
    }
    NJ_OWN made = NULL;
    const char *p;
    Py_ssize_t n;
    char one;
    bool numeric = false;
    switch (conv) {
    case 'r':
    case 'a':
        NJ_SET(made, PyObject_ASCII(v));
        if (made == NULL) {
            return -1;
        }
        p = PyUnicode_DATA(made);
        n = PyUnicode_GET_LENGTH(made);
        break;
    case 's':
    case 'b':
        NJ_SET(made, as_bytes(v));
        if (made == NULL) {
            return -1;
        }
        p = nj_bytes_data(made);
        n = Py_SIZE(made);
        break;
    case 'd':
    case 'i':
    case 'u':
    case 'o':
    case 'x':
    case 'X':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        numeric = true;
        if (strchr("eEfFgG", conv)) {
            NJ_SET(made, nj_percent_float(v, conv, flags, (int)prec));
            if (made == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Format(PyExc_TypeError, "float argument required, not %.200s",
                             Py_TYPE(v)->tp_name);
            }
        } else {
            NJ_SET(made, nj_percent_int(v, conv, flags, (int)prec));
        }
        if (made == NULL) {
            return -1;
        }
        p = PyUnicode_DATA(made);
        n = PyUnicode_GET_LENGTH(made);
        break;
    case 'c': {
        prec = -1;
        p = &one;
        n = 1;
        if (PyBytes_Check(v) || PyByteArray_Check(v)) {
            if (Py_SIZE(v) != 1) {
                PyErr_Format(PyExc_TypeError,
                             "%%c requires an integer in range(256) or a single byte, not a "
                             "%s object of length %zd",
                             PyBytes_Check(v) ? "bytes" : "bytearray", Py_SIZE(v));
                return -1;
            }
            one = *nj_bytes_data(v);
            break;
        }
        if (!PyIndex_Check(v)) {
            PyErr_Format(PyExc_TypeError,
                         "%%c requires an integer in range(256) or a single byte, not %T", v);
            return -1;
        }
        NJ_OWN i = PyNumber_Index(v);
        if (i == NULL) {
            return -1;
        }
        int overflow;
        long x = PyLong_AsLongAndOverflow(i, &overflow);
        if (overflow || x < 0 || x > 255) {
            PyErr_SetString(PyExc_OverflowError, "%c arg not in range(256)");
            return -1;
        }
        one = (char)x;
        break;
    }
    default:
        PyErr_Format(PyExc_ValueError,
                     "unsupported format character '%c' (0x%x) at index %zd", conv,
                     (unsigned char)conv, f - 1 - begin);
        return -1;
    }
    if (!numeric) {
        if (prec >= 0) {
            n = Py_MIN(n, prec);
        }
        Py_ssize_t fill = width - n;
        if (!(flags & NJ_PF_LEFT) && put_fill(o, ' ', fill) < 0) {
            return -1;
        }
        if (put(o, p, n) < 0) {
            return -1;
        }
        return flags & NJ_PF_LEFT ? put_fill(o, ' ', fill) : 0;
    }
    char sign = 0;
    if (*p == '-' || *p == '+') {
        sign = *p++;
        n--;
    } else if (flags & NJ_PF_SIGN) {
        sign = '+';
    } else if (flags & NJ_PF_BLANK) {
        sign = ' ';
    }
    Py_ssize_t fill = width - n - (sign != 0);
    bool zeros = (flags & NJ_PF_ZERO) && !(flags & NJ_PF_LEFT);
    if (!zeros && !(flags & NJ_PF_LEFT) && put_fill(o, ' ', fill) < 0) {
        return -1;
    }
    if (sign && put(o, &sign, 1) < 0) {
        return -1;
    }
    if ((flags & NJ_PF_ALT) && (conv == 'x' || conv == 'X' || conv == 'o')) {
        if (put(o, p, 2) < 0) {
            return -1;
        }
        p += 2;
        n -= 2;
    }
    if ((zeros && put_fill(o, '0', fill) < 0) || put(o, p, n) < 0) {
        return -1;
    }
    return flags & NJ_PF_LEFT ? put_fill(o, ' ', fill) : 0;
}

PyObject *
nj_bytes_percent(const char *format, Py_ssize_t n, PyObject *args)
{
    PercentArgs a = {args, NULL, NULL, -2, -1};
    if (PyTuple_Check(args)) {
        a.arglen = PyTuple_GET_SIZE(args);
        a.argidx = 0;
    }
    if (PyMapping_Check(args) && !PyTuple_Check(args) && !PyUnicode_Check(args) &&
        !PyBytes_Check(args) && !PyByteArray_Check(args)) {
        a.mapping = args;
    }
    Out o = {NULL, 0, 0};
    PyObject *r = NULL;
    const char *f = format, *end = format + n;
    while (f < end) {
        const char *next = memchr(f, '%', (size_t)(end - f));
        const char *to = next ? next : end;
        if (put(&o, f, to - f) < 0) {
            goto done;
        }
        f = to;
        if (f < end && percent_directive(&o, &f, format, end, &a) < 0) {
            goto done;
        }
    }
    if (a.mapping == NULL && (a.arglen < 0 ? a.argidx == -2 : a.argidx < a.arglen)) {
        PyErr_SetString(PyExc_TypeError,
                        "not all arguments converted during bytes formatting");
        goto done;
    }
    r = PyBytes_FromStringAndSize(o.p ? o.p : "", o.n);
done:
    Py_XDECREF(a.value);
    PyMem_Free(o.p);
    return r;
}

/* ---- making bytes from objects --------------------------------------------------------------------------- */

/* 0 to 255, or -1 with an exception. */
static int
byte_of(PyObject *item)
{
    Py_ssize_t v = PyNumber_AsSsize_t(item, NULL);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (v < 0 || v > 255) {
        PyErr_SetString(PyExc_ValueError, "bytes must be in range(0, 256)");
        return -1;
    }
    return (int)v;
}

/* Item by item: one that is no byte ends it, however many would follow. */
static PyObject *
from_iterator(PyObject *it, Py_ssize_t size)
{
    PyObject *b = PyBytes_FromStringAndSize(NULL, Py_MAX(size, 8));
    Py_ssize_t n = 0;
    while (b != NULL) {
        PyObject *item = PyIter_Next(it);
        if (item == NULL) {
            if (PyErr_Occurred()) {
                Py_CLEAR(b);
            }
            break;
        }
        int v = byte_of(item);
        Py_DECREF(item);
        if (v < 0 || (n == PyBytes_GET_SIZE(b) && _PyBytes_Resize(&b, n + n / 2 + 8) < 0)) {
            Py_CLEAR(b);
            break;
        }
        PyBytes_AS_STRING(b)[n++] = (char)v;
    }
    if (b != NULL && n != PyBytes_GET_SIZE(b)) {
        _PyBytes_Resize(&b, n);
    }
    return b ? nj_bytes_shared(b) : NULL;
}

static PyObject *
from_list_items(PyObject *seq)
{
    Py_ssize_t n = PySequence_Fast_GET_SIZE(seq);
    PyObject *b = PyBytes_FromStringAndSize(NULL, n);
    if (b == NULL || n == 0) {
        return b;
    }
    char *o = PyBytes_AS_STRING(b);
    Py_ssize_t size = n, i = 0;
    /* __index__ may change a list: look at its length every time */
    for (; i < PySequence_Fast_GET_SIZE(seq); i++) {
        PyObject *item = Py_NewRef(PySequence_Fast_ITEMS(seq)[i]);
        int v = byte_of(item);
        Py_DECREF(item);
        if (v < 0) {
            Py_DECREF(b);
            return NULL;
        }
        if (i >= size) {
            size = size * 2 + 16;
            if (_PyBytes_Resize(&b, size) < 0) {
                return NULL;
            }
            o = PyBytes_AS_STRING(b);
        }
        o[i] = (char)v;
    }
    if (i != size) {
        _PyBytes_Resize(&b, i);
    }
    return nj_bytes_shared(b);
}

PyObject *
PyBytes_FromObject(PyObject *x)
{
    if (x == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (PyBytes_CheckExact(x)) {
        return Py_NewRef(x);
    }
    if (PyObject_CheckBuffer(x)) {
        Py_buffer view;
        if (PyObject_GetBuffer(x, &view, PyBUF_FULL_RO) < 0) {
            return NULL;
        }
        PyObject *b = PyBytes_FromStringAndSize(NULL, view.len);
        if (b != NULL && view.len > 0 &&
            PyBuffer_ToContiguous(PyBytes_AS_STRING(b), &view, view.len, 'C') < 0) {
            Py_CLEAR(b);
        }
        PyBuffer_Release(&view);
        return b;
    }
    if (PyList_CheckExact(x) || PyTuple_CheckExact(x)) {
        return from_list_items(x);
    }
    if (!PyUnicode_Check(x)) {
        NJ_OWN it = PyObject_GetIter(x);
        if (it != NULL) {
            Py_ssize_t hint = PyObject_LengthHint(x, 64);
            return hint < 0 ? NULL : from_iterator(it, hint);
        }
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
            return NULL;
        }
    }
    PyErr_Format(PyExc_TypeError, "cannot convert '%.200s' object to bytes",
                 Py_TYPE(x)->tp_name);
    return NULL;
}

static PyObject *
make_bytes(PyObject *x, PyObject *encoding, PyObject *errors)
{
    const char *text[2] = {NULL, NULL};
    PyObject *given[2] = {encoding, errors};
    for (int i = 0; i < 2; i++) {
        if (given[i] == NULL) {
            continue;
        }
        if (!PyUnicode_Check(given[i])) {
            _PyArg_BadArgument("bytes", i ? "argument 'errors'" : "argument 'encoding'", "str",
                               given[i]);
            return NULL;
        }
        text[i] = PyUnicode_AsUTF8(given[i]);
        if (text[i] == NULL) {
            return NULL;
        }
    }
    if (x == NULL || (!PyUnicode_Check(x) && (encoding || errors))) {
        if (encoding || errors) {
            PyErr_SetString(PyExc_TypeError, encoding ? "encoding without a string argument"
                                                      : "errors without a string argument");
            return NULL;
        }
        return (PyObject *)&empty_bytes;
    }
    if (encoding != NULL) {
        return PyUnicode_AsEncodedString(x, text[0], text[1]);
    }
    if (PyUnicode_Check(x) && errors != NULL) {
        PyErr_SetString(PyExc_TypeError, "string argument without an encoding");
        return NULL;
    }
    if (PyBytes_CheckExact(x)) {
        return Py_NewRef(x);
    }
    PyObject *func;
    if (PyObject_GetOptionalAttr((PyObject *)Py_TYPE(x), NJ_ID(__bytes__), &func) < 0) {
        return NULL;
    }
    if (func != NULL) {
        NJ_OWN r = PyObject_CallOneArg(func, x);
        Py_DECREF(func);
        if (r != NULL && !PyBytes_Check(r)) {
            PyErr_Format(PyExc_TypeError, "__bytes__ returned non-bytes (type %.200s)",
                         Py_TYPE(r)->tp_name);
            return NULL;
        }
        return NJ_TAKE(r);
    }
    if (PyUnicode_Check(x)) {
        PyErr_SetString(PyExc_TypeError, "string argument without an encoding");
        return NULL;
    }
    if (PyIndex_Check(x)) {
        Py_ssize_t n = PyNumber_AsSsize_t(x, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
                return NULL;
            }
            PyErr_Clear(); /* __index__ declined: maybe it is a sequence */
        } else {
            if (n < 0) {
                PyErr_SetString(PyExc_ValueError, "negative count");
                return NULL;
            }
            if (n == 1) {
                return (PyObject *)&one_byte[0];
            }
            PyObject *b = PyBytes_FromStringAndSize(NULL, n);
            if (b != NULL) {
                memset(PyBytes_AS_STRING(b), 0, (size_t)n);
            }
            return b;
        }
    }
    return PyBytes_FromObject(x);
}

static const char *const new_names[] = {"source", "encoding", "errors", NULL};
static const NjParams new_params = {"bytes", new_names, 3, 0, 0};

static PyObject *
bytes_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *a[3];
    if (nj_args_bind_tuple(&new_params, args, kwargs, a) < 0) {
        return NULL;
    }
    NJ_OWN b = make_bytes(a[0], a[1], a[2]);
    if (b == NULL || type == &PyBytes_Type) {
        return NJ_TAKE(b);
    }
    Py_ssize_t n = PyBytes_GET_SIZE(b);
    PyObject *r = type->tp_alloc(type, n);
    if (r != NULL) {
        ((PyBytesObject *)r)->ob_shash = ((PyBytesObject *)b)->ob_shash;
        memcpy(PyBytes_AS_STRING(r), PyBytes_AS_STRING(b), (size_t)n + 1);
    }
    return r;
}

/* ---- slots --------------------------------------------------------------------------------------------------- */

static void
bytes_dealloc(PyObject *b)
{
    Py_TYPE(b)->tp_free(b);
}

static Py_ssize_t
bytes_length(PyObject *b)
{
    return Py_SIZE(b);
}

static PyObject *
bytes_repeat(PyObject *b, Py_ssize_t count)
{
    Py_ssize_t n = Py_SIZE(b);
    count = Py_MAX(count, 0);
    if (n && count > PY_SSIZE_T_MAX / n) {
        PyErr_SetString(PyExc_OverflowError, "repeated bytes are too long");
        return NULL;
    }
    Py_ssize_t total = n * count;
    if (total == n && PyBytes_CheckExact(b)) {
        return Py_NewRef(b);
    }
    if (total > PY_SSIZE_T_MAX - (Py_ssize_t)BYTES_HEAD) {
        return PyErr_NoMemory();
    }
    /* none times is a new object, too, as in the reference: its origin can be traced */
    PyObject *r = new_bytes(&PyBytes_Type, total);
    if (r == NULL || total == 0) {
        return r;
    }
    char *o = PyBytes_AS_STRING(r);
    if (n == 1) {
        memset(o, *PyBytes_AS_STRING(b), (size_t)total);
        return r;
    }
    memcpy(o, PyBytes_AS_STRING(b), (size_t)n);
    for (Py_ssize_t done = n; done < total;) {
        Py_ssize_t take = Py_MIN(done, total - done);
        memcpy(o + done, o, (size_t)take);
        done += take;
    }
    return r;
}

static PyObject *
bytes_item(PyObject *b, Py_ssize_t i)
{
    if (i < 0 || i >= Py_SIZE(b)) {
        PyErr_SetString(PyExc_IndexError, "index out of range");
        return NULL;
    }
    return PyLong_FromLong((unsigned char)PyBytes_AS_STRING(b)[i]);
}

static PyObject *
bytes_subscript(PyObject *b, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return bytes_item(b, i < 0 ? i + Py_SIZE(b) : i);
    }
    if (PySlice_Check(key)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
            return NULL;
        }
        Py_ssize_t n = PySlice_AdjustIndices(Py_SIZE(b), &start, &stop, step);
        if (n <= 0) {
            return (PyObject *)&empty_bytes;
        }
        const char *p = PyBytes_AS_STRING(b);
        if (step == 1) {
            if (n == Py_SIZE(b) && PyBytes_CheckExact(b)) {
                return Py_NewRef(b);
            }
            return PyBytes_FromStringAndSize(p + start, n);
        }
        PyObject *r = PyBytes_FromStringAndSize(NULL, n);
        if (r != NULL) {
            char *o = PyBytes_AS_STRING(r);
            for (Py_ssize_t i = 0; i < n; i++, start += step) {
                o[i] = p[start];
            }
        }
        return r;
    }
    PyErr_Format(PyExc_TypeError, "byte indices must be integers or slices, not %.200s",
                 Py_TYPE(key)->tp_name);
    return NULL;
}

static int
bytes_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    return PyBuffer_FillInfo(view, self, PyBytes_AS_STRING(self), Py_SIZE(self), 1, flags);
}

static PyBufferProcs bytes_as_buffer = {bytes_getbuffer, NULL};

static PyObject *
bytes_repr(PyObject *b)
{
    return PyBytes_Repr(b, 1);
}

static PyObject *
bytes_str(PyObject *b)
{
    if (Py_BytesWarningFlag &&
        PyErr_WarnEx(PyExc_BytesWarning, "str() on a bytes instance", 1) < 0) {
        return NULL;
    }
    return bytes_repr(b);
}

static Py_hash_t
bytes_hash(PyObject *op)
{
    PyBytesObject *b = (PyBytesObject *)op;
    if (b->ob_shash == -1) {
        b->ob_shash = nj_hash_bytes(b->ob_sval, Py_SIZE(b));
    }
    return b->ob_shash;
}

static PyObject *
bytes_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyBytes_Check(a) || !PyBytes_Check(b)) {
        if (Py_BytesWarningFlag && (op == Py_EQ || op == Py_NE)) {
            if (PyUnicode_Check(a) || PyUnicode_Check(b)) {
                if (PyErr_WarnEx(PyExc_BytesWarning, "Comparison between bytes and string", 1)) {
                    return NULL;
                }
            } else if (PyLong_Check(a) || PyLong_Check(b)) {
                if (PyErr_WarnEx(PyExc_BytesWarning, "Comparison between bytes and int", 1)) {
                    return NULL;
                }
            }
        }
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_ssize_t la = Py_SIZE(a), lb = Py_SIZE(b);
    if (op == Py_EQ || op == Py_NE) {
        bool same = a == b || (la == lb && memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b),
                                                  (size_t)la) == 0);
        return same == (op == Py_EQ) ? Py_True : Py_False;
    }
    int c = memcmp(PyBytes_AS_STRING(a), PyBytes_AS_STRING(b), (size_t)Py_MIN(la, lb));
    if (c == 0) {
        c = la < lb ? -1 : la > lb;
    }
    Py_RETURN_RICHCOMPARE(c, 0, op);
}

static PyObject *
bytes_mod(PyObject *a, PyObject *b)
{
    if (!PyBytes_Check(a)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return nj_bytes_percent(PyBytes_AS_STRING(a), PyBytes_GET_SIZE(a), b);
}

/* ---- iterator -------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq; /* owned; NULL when exhausted */
} BytesIter;

static PyObject *
bytes_iter(PyObject *b)
{
    BytesIter *it = PyObject_GC_New(BytesIter, &PyBytesIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->index = 0;
    it->seq = Py_NewRef(b);
    PyObject_GC_Track(it);
    return (PyObject *)it;
}

static void
bytesiter_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((BytesIter *)op)->seq);
    PyObject_GC_Del(op);
}

static int
bytesiter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((BytesIter *)op)->seq);
    return 0;
}

static PyObject *
bytesiter_next(PyObject *op)
{
    BytesIter *it = (BytesIter *)op;
    PyObject *b = it->seq;
    if (b == NULL) {
        return NULL;
    }
    if (it->index < Py_SIZE(b)) {
        return PyLong_FromLong((unsigned char)PyBytes_AS_STRING(b)[it->index++]);
    }
    it->seq = NULL;
    Py_DECREF(b);
    return NULL;
}

static PyObject *
bytesiter_length_hint(PyObject *op, PyObject *unused)
{
    BytesIter *it = (BytesIter *)op;
    return PyLong_FromSsize_t(it->seq ? Py_SIZE(it->seq) - it->index : 0);
}

static PyObject *
bytesiter_reduce(PyObject *op, PyObject *unused)
{
    BytesIter *it = (BytesIter *)op;
    NJ_OWN iter = nj_builtin_iter();
    if (iter == NULL) {
        return NULL;
    }
    if (it->seq != NULL) {
        return Py_BuildValue("O(O)n", iter, it->seq, it->index);
    }
    return Py_BuildValue("O(())", iter);
}

static PyObject *
bytesiter_setstate(PyObject *op, PyObject *state)
{
    BytesIter *it = (BytesIter *)op;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->seq != NULL) {
        it->index = i < 0 ? 0 : Py_MIN(i, Py_SIZE(it->seq));
    }
    Py_RETURN_NONE;
}

static PyMethodDef bytesiter_methods[] = {
    {"__length_hint__", bytesiter_length_hint, METH_NOARGS,
     SIG("__length_hint__($self, /)", "How many items are probably left.")},
    {"__reduce__", bytesiter_reduce, METH_NOARGS,
     SIG("__reduce__($self, /)", "State for pickling.")},
    {"__setstate__", bytesiter_setstate, METH_O,
     SIG("__setstate__($self, object, /)", "Set the position from a pickled state.")},
    {NULL},
};

PyTypeObject PyBytesIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "bytes_iterator",
    .tp_basicsize = sizeof(BytesIter),
    .tp_dealloc = bytesiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = bytesiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = bytesiter_next,
    .tp_methods = bytesiter_methods,
};

/* ---- the type ------------------------------------------------------------------------------------------------------ */

static PyObject *
bytes_getnewargs(PyObject *self, PyObject *unused)
{
    return Py_BuildValue("(y#)", PyBytes_AS_STRING(self), Py_SIZE(self));
}

static PyObject *
bytes_bytes(PyObject *self, PyObject *unused)
{
    if (PyBytes_CheckExact(self)) {
        return Py_NewRef(self);
    }
    return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self), Py_SIZE(self));
}

static PyObject *
bytes_fromhex(PyObject *type, PyObject *text)
{
    return nj_bytes_from_hex(type, text, false);
}

static PyMethodDef bytes_methods[] = {
    {"__getnewargs__", bytes_getnewargs, METH_NOARGS, "__getnewargs__($self, /)\n--\n\n"},
    {"__bytes__", bytes_bytes, METH_NOARGS,
     SIG("__bytes__($self, /)", "Convert this value to exact type bytes.")},
    {"fromhex", bytes_fromhex, METH_O | METH_CLASS,
     SIG("fromhex($type, string, /)", "Bytes from hexadecimal digits.")},
    NJ_BYTES_COMMON_METHODS,
    {NULL},
};

static PyNumberMethods bytes_as_number = {.nb_remainder = bytes_mod};

static PySequenceMethods bytes_as_sequence = {
    .sq_length = bytes_length,
    .sq_concat = nj_bytes_concat,
    .sq_repeat = bytes_repeat,
    .sq_item = bytes_item,
    .sq_contains = nj_bytes_contains,
};

static PyMappingMethods bytes_as_mapping = {
    .mp_length = bytes_length,
    .mp_subscript = bytes_subscript,
};

PyDoc_STRVAR(bytes_doc,
             "bytes(iterable_of_ints) -> bytes\n"
             "bytes(string, encoding[, errors]) -> bytes\n"
             "bytes(bytes_or_buffer) -> immutable copy of bytes_or_buffer\n"
             "bytes(int) -> bytes object of size given by the parameter initialized with null "
             "bytes\n"
             "bytes() -> empty bytes object\n"
             "\n"
             "An immutable array of bytes.");

PyTypeObject PyBytes_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "bytes",
    .tp_basicsize = BYTES_HEAD,
    .tp_itemsize = 1,
    .tp_dealloc = bytes_dealloc,
    .tp_repr = bytes_repr,
    .tp_as_number = &bytes_as_number,
    .tp_as_sequence = &bytes_as_sequence,
    .tp_as_mapping = &bytes_as_mapping,
    .tp_hash = bytes_hash,
    .tp_str = bytes_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_as_buffer = &bytes_as_buffer,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_BYTES_SUBCLASS |
                _Py_TPFLAGS_MATCH_SELF,
    .tp_doc = bytes_doc,
    .tp_richcompare = bytes_richcompare,
    .tp_iter = bytes_iter,
    .tp_methods = bytes_methods,
    .tp_new = bytes_new,
    .tp_free = PyObject_Free,
};

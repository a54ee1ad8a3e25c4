/* str_writer.c - building a str piece by piece, and PyUnicode_FromFormat.
 *
 * A writer holds a str under construction with spare room behind pos; it widens when a
 * wider character arrives and is cut to size at the end. The first whole string written
 * without overallocation is only referred to (readonly): a writer that gets one piece
 * costs nothing. The struct is the reference's private one, because extensions embed it.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_int.h"
#include "objects/type_int.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void
nj_writer_init(NjStrWriter *w)
{
    memset(w, 0, sizeof(*w));
}

static void
refresh(NjStrWriter *w)
{
    w->data = PyUnicode_DATA(w->buffer);
    w->maxchar = PyUnicode_MAX_CHAR_VALUE(w->buffer);
    w->kind = PyUnicode_KIND(w->buffer);
    w->size = w->readonly ? 0 : PyUnicode_GET_LENGTH(w->buffer);
    if (w->readonly) {
        w->kind = 0; /* every write must prepare first */
        w->maxchar = 0;
    }
}

int
nj_writer_grow(NjStrWriter *w, Py_ssize_t length, Py_UCS4 maxchar)
{
    if (length > PY_SSIZE_T_MAX - w->pos) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t want = w->pos + length;
    maxchar = Py_MAX(maxchar, w->min_char);
    Py_UCS4 have = w->buffer ? PyUnicode_MAX_CHAR_VALUE(w->buffer) : 0;
    Py_ssize_t size = want;
    if (w->overallocate && size <= PY_SSIZE_T_MAX - size / 4 - 8) {
        size += size / 4 + 8;
    }
    size = Py_MAX(size, w->min_length);
    if (w->buffer == NULL) {
        w->buffer = PyUnicode_New(size, maxchar);
        if (w->buffer == NULL) {
            return -1;
        }
        refresh(w);
        return 0;
    }
    if (!w->readonly && maxchar <= have) {
        if (want > w->size) {
            if (PyUnicode_Resize(&w->buffer, size) < 0) {
                return -1;
            }
            refresh(w);
        }
        return 0;
    }
    if (!w->readonly && want <= w->size) {
        size = w->size;
    }
    PyObject *wider = PyUnicode_New(size, Py_MAX(maxchar, have));
    if (wider == NULL) {
        return -1;
    }
    nj_copy_chars(PyUnicode_KIND(wider), PyUnicode_DATA(wider), PyUnicode_KIND(w->buffer),
                  PyUnicode_DATA(w->buffer), w->pos);
    Py_SETREF(w->buffer, wider);
    w->readonly = 0;
    refresh(w);
    return 0;
}

int
nj_writer_str(NjStrWriter *w, PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (n == 0) {
        return 0;
    }
    Py_UCS4 max = PyUnicode_MAX_CHAR_VALUE(s);
    if (max > w->maxchar || n > w->size - w->pos) {
        if (w->buffer == NULL && !w->overallocate && PyUnicode_CheckExact(s)) {
            w->readonly = 1;
            w->buffer = Py_NewRef(s);
            refresh(w);
            w->pos = n;
            return 0;
        }
        if (nj_writer_grow(w, n, max) < 0) {
            return -1;
        }
    }
    nj_copy_chars(w->kind, (char *)w->data + w->pos * w->kind, PyUnicode_KIND(s),
                  PyUnicode_DATA(s), n);
    w->pos += n;
    return 0;
}

int
nj_writer_substring(NjStrWriter *w, PyObject *s, Py_ssize_t start, Py_ssize_t end)
{
    Py_ssize_t n = end - start;
    if (n <= 0) {
        return 0;
    }
    if (n == PyUnicode_GET_LENGTH(s)) {
        return nj_writer_str(w, s);
    }
    int kind = PyUnicode_KIND(s);
    const char *p = nj_at(PyUnicode_DATA(s), kind, start);
    Py_UCS4 max = PyUnicode_MAX_CHAR_VALUE(s);
    if (max > w->maxchar) {
        max = nj_max_char(kind, p, n);
    }
    if (nj_writer_prepare(w, n, max) < 0) {
        return -1;
    }
    nj_copy_chars(w->kind, (char *)w->data + w->pos * w->kind, kind, p, n);
    w->pos += n;
    return 0;
}

int
nj_writer_latin1(NjStrWriter *w, const char *p, Py_ssize_t n)
{
    if (n <= 0) {
        return 0;
    }
    Py_UCS4 max = w->maxchar >= 0xff ? 0xff : nj_max_char(1, p, n);
    if (nj_writer_prepare(w, n, max) < 0) {
        return -1;
    }
    nj_copy_chars(w->kind, (char *)w->data + w->pos * w->kind, 1, p, n);
    w->pos += n;
    return 0;
}

int
nj_writer_ascii(NjStrWriter *w, const char *p, Py_ssize_t n)
{
    if (n < 0) {
        n = (Py_ssize_t)strlen(p);
    }
    if (n == 0) {
        return 0;
    }
    if (nj_writer_prepare(w, n, 0x7f) < 0) {
        return -1;
    }
    nj_copy_chars(w->kind ? w->kind : 1, (char *)w->data + w->pos * w->kind, 1, p, n);
    w->pos += n;
    return 0;
}

int
nj_writer_repeat(NjStrWriter *w, Py_UCS4 ch, Py_ssize_t n)
{
    if (n <= 0) {
        return 0;
    }
    if (nj_writer_prepare(w, n, ch) < 0) {
        return -1;
    }
    nj_fill_chars(w->kind, (char *)w->data + w->pos * w->kind, ch, n);
    w->pos += n;
    return 0;
}

void
nj_writer_clear(NjStrWriter *w)
{
    Py_CLEAR(w->buffer);
}

PyObject *
nj_writer_finish(NjStrWriter *w)
{
    PyObject *s = w->buffer;
    w->buffer = NULL;
    if (w->pos == 0) {
        Py_XDECREF(s);
        return nj_str_empty();
    }
    if (w->readonly) {
        return s;
    }
    if (w->pos == 1 && PyUnicode_KIND(s) == 1) {
        unsigned char c = *PyUnicode_1BYTE_DATA(s);
        Py_DECREF(s);
        return nj_str_latin1(c);
    }
    if (PyUnicode_GET_LENGTH(s) != w->pos && PyUnicode_Resize(&s, w->pos) < 0) {
        Py_DECREF(s);
        return NULL;
    }
    /* min_char or an overestimate may have made it wider than its characters need */
    Py_UCS4 max = PyUnicode_MAX_CHAR_VALUE(s);
    if (max > 0x7f) {
        int kind = PyUnicode_KIND(s);
        if (nj_max_char(kind, PyUnicode_DATA(s), w->pos) != max) {
            Py_SETREF(s, nj_str_from_kind(kind, PyUnicode_DATA(s), w->pos));
        }
    }
    return s;
}

/* ---- the reference's private writer functions ------------------------------------------- */

void
_PyUnicodeWriter_Init(_PyUnicodeWriter *w)
{
    nj_writer_init(w);
}

int
_PyUnicodeWriter_PrepareInternal(_PyUnicodeWriter *w, Py_ssize_t length, Py_UCS4 maxchar)
{
    return nj_writer_grow(w, length, maxchar);
}

int
_PyUnicodeWriter_PrepareKindInternal(_PyUnicodeWriter *w, int kind)
{
    return nj_writer_grow(w, 0, kind == 1 ? 0xff : kind == 2 ? 0xffff : 0x10ffff);
}

int
_PyUnicodeWriter_WriteChar(_PyUnicodeWriter *w, Py_UCS4 ch)
{
    return nj_writer_char(w, ch);
}

int
_PyUnicodeWriter_WriteStr(_PyUnicodeWriter *w, PyObject *str)
{
    return nj_writer_str(w, str);
}

int
_PyUnicodeWriter_WriteSubstring(_PyUnicodeWriter *w, PyObject *str, Py_ssize_t start,
                                Py_ssize_t end)
{
    return nj_writer_substring(w, str, start, end);
}

int
_PyUnicodeWriter_WriteASCIIString(_PyUnicodeWriter *w, const char *str, Py_ssize_t len)
{
    return nj_writer_ascii(w, str, len);
}

int
_PyUnicodeWriter_WriteLatin1String(_PyUnicodeWriter *w, const char *str, Py_ssize_t len)
{
    return nj_writer_latin1(w, str, len);
}

PyObject *
_PyUnicodeWriter_Finish(_PyUnicodeWriter *w)
{
    return nj_writer_finish(w);
}

void
_PyUnicodeWriter_Dealloc(_PyUnicodeWriter *w)
{
    nj_writer_clear(w);
}

/* ---- the public writer ---------------------------------------------------------------------- */

PyUnicodeWriter *
PyUnicodeWriter_Create(Py_ssize_t length)
{
    if (length < 0) {
        PyErr_SetString(PyExc_ValueError, "length must be positive");
        return NULL;
    }
    NjStrWriter *w = PyMem_Malloc(sizeof(*w));
    if (w == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    nj_writer_init(w);
    if (nj_writer_prepare(w, length, 127) < 0) {
        PyMem_Free(w);
        return NULL;
    }
    w->overallocate = 1;
    return (PyUnicodeWriter *)w;
}

void
PyUnicodeWriter_Discard(PyUnicodeWriter *writer)
{
    if (writer != NULL) {
        nj_writer_clear((NjStrWriter *)writer);
        PyMem_Free(writer);
    }
}

PyObject *
PyUnicodeWriter_Finish(PyUnicodeWriter *writer)
{
    PyObject *s = nj_writer_finish((NjStrWriter *)writer);
    PyMem_Free(writer);
    return s;
}

int
PyUnicodeWriter_WriteChar(PyUnicodeWriter *writer, Py_UCS4 ch)
{
    if (ch > 0x10ffff) {
        PyErr_SetString(PyExc_ValueError, "character must be in range(0x110000)");
        return -1;
    }
    return nj_writer_char((NjStrWriter *)writer, ch);
}

int
PyUnicodeWriter_WriteUTF8(PyUnicodeWriter *writer, const char *str, Py_ssize_t size)
{
    if (size < 0) {
        size = (Py_ssize_t)strlen(str);
    }
    NjStrWriter *w = (NjStrWriter *)writer;
    if (nj_ascii_prefix(str, size) == size) {
        return nj_writer_ascii(w, str, size);
    }
    NJ_OWN s = PyUnicode_DecodeUTF8(str, size, NULL);
    return s == NULL ? -1 : nj_writer_str(w, s);
}

int
PyUnicodeWriter_WriteASCII(PyUnicodeWriter *writer, const char *str, Py_ssize_t size)
{
    return nj_writer_ascii((NjStrWriter *)writer, str, size);
}

int
PyUnicodeWriter_DecodeUTF8Stateful(PyUnicodeWriter *writer, const char *string,
                                   Py_ssize_t length, const char *errors,
                                   Py_ssize_t *consumed)
{
    if (length < 0) {
        length = (Py_ssize_t)strlen(string);
    }
    NJ_OWN s = PyUnicode_DecodeUTF8Stateful(string, length, errors, consumed);
    if (s == NULL) {
        if (consumed) {
            *consumed = 0;
        }
        return -1;
    }
    return nj_writer_str((NjStrWriter *)writer, s);
}

int
PyUnicodeWriter_WriteWideChar(PyUnicodeWriter *writer, const wchar_t *str, Py_ssize_t size)
{
    NJ_OWN s = PyUnicode_FromWideChar(str, size < 0 ? -1 : size);
    return s == NULL ? -1 : nj_writer_str((NjStrWriter *)writer, s);
}

int
PyUnicodeWriter_WriteUCS4(PyUnicodeWriter *writer, Py_UCS4 *str, Py_ssize_t size)
{
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "size must be positive");
        return -1;
    }
    NjStrWriter *w = (NjStrWriter *)writer;
    Py_UCS4 max = nj_max_char(4, str, size);
    if (nj_writer_prepare(w, size, max) < 0) {
        return -1;
    }
    if (size != 0) {
        nj_copy_chars(w->kind, (char *)w->data + w->pos * w->kind, 4, str, size);
        w->pos += size;
    }
    return 0;
}

int
PyUnicodeWriter_WriteStr(PyUnicodeWriter *writer, PyObject *obj)
{
    NjStrWriter *w = (NjStrWriter *)writer;
    if (Py_IS_TYPE(obj, &PyUnicode_Type)) {
        return nj_writer_str(w, obj);
    }
    NJ_OWN s = PyObject_Str(obj);
    return s == NULL ? -1 : nj_writer_str(w, s);
}

int
PyUnicodeWriter_WriteRepr(PyUnicodeWriter *writer, PyObject *obj)
{
    if (obj == NULL) {
        return nj_writer_ascii((NjStrWriter *)writer, "<NULL>", 6);
    }
    NJ_OWN s = PyObject_Repr(obj);
    return s == NULL ? -1 : nj_writer_str((NjStrWriter *)writer, s);
}

int
PyUnicodeWriter_WriteSubstring(PyUnicodeWriter *writer, PyObject *str, Py_ssize_t start,
                               Py_ssize_t end)
{
    if (!PyUnicode_Check(str)) {
        PyErr_Format(PyExc_TypeError, "expect str, not %T", str);
        return -1;
    }
    if (start < 0 || start > end) {
        PyErr_SetString(PyExc_ValueError, "invalid start argument");
        return -1;
    }
    if (end > PyUnicode_GET_LENGTH(str)) {
        PyErr_SetString(PyExc_ValueError, "invalid end argument");
        return -1;
    }
    return nj_writer_substring((NjStrWriter *)writer, str, start, end);
}

int
PyUnicodeWriter_Format(PyUnicodeWriter *writer, const char *format, ...)
{
    NjStrWriter *w = (NjStrWriter *)writer;
    Py_ssize_t before = w->pos;
    va_list va;
    va_start(va, format);
    int r = nj_writer_format_v(w, format, va);
    va_end(va);
    if (r < 0) {
        w->pos = before; /* the writer goes on as if nothing had been asked */
    }
    return r;
}

/* ---- PyUnicode_FromFormat ------------------------------------------------------------------- */

enum { F_LEFT = 1, F_ZERO = 2, F_ALT = 4 };

static int
write_padded(NjStrWriter *w, PyObject *s, Py_ssize_t width, Py_ssize_t precision, int flags)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (precision >= 0) {
        n = Py_MIN(n, precision);
    }
    Py_ssize_t fill = width > n ? width - n : 0;
    if (!(flags & F_LEFT) && nj_writer_repeat(w, ' ', fill) < 0) {
        return -1;
    }
    if (nj_writer_substring(w, s, 0, n) < 0) {
        return -1;
    }
    return flags & F_LEFT ? nj_writer_repeat(w, ' ', fill) : 0;
}

/* %s of C text: precision counts bytes; a character it cuts is left out. */
static int
write_c_text(NjStrWriter *w, const char *p, Py_ssize_t width, Py_ssize_t precision,
             int flags)
{
    size_t n = precision < 0 ? strlen(p) : strnlen(p, (size_t)precision);
    if (width < 0 && nj_ascii_prefix(p, (Py_ssize_t)n) == (Py_ssize_t)n) {
        return nj_writer_ascii(w, p, (Py_ssize_t)n);
    }
    Py_ssize_t consumed;
    PyObject *s = PyUnicode_DecodeUTF8Stateful(p, (Py_ssize_t)n, "replace",
                                               n == (size_t)precision ? &consumed : NULL);
    if (s == NULL) {
        return -1;
    }
    int r = write_padded(w, s, width, -1, flags);
    Py_DECREF(s);
    return r;
}

static int
write_wide_text(NjStrWriter *w, const wchar_t *p, Py_ssize_t width, Py_ssize_t precision,
                int flags)
{
    size_t n = 0;
    while ((precision < 0 || n < (size_t)precision) && p[n]) {
        n++;
    }
    PyObject *s = PyUnicode_FromWideChar(p, (Py_ssize_t)n);
    if (s == NULL) {
        return -1;
    }
    int r = write_padded(w, s, width, -1, flags);
    Py_DECREF(s);
    return r;
}

static int
write_integer(NjStrWriter *w, char conv, bool negative, uintmax_t v, Py_ssize_t width,
              Py_ssize_t precision, int flags)
{
    char buf[72], *end = buf + sizeof(buf), *p = end;
    unsigned base = conv == 'x' || conv == 'X' ? 16 : conv == 'o' ? 8 : 10;
    const char *digits = conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    do {
        *--p = digits[v % base];
        v /= base;
    } while (v);
    Py_ssize_t n = end - p;
    precision = Py_MAX(precision, n);
    Py_ssize_t total = precision + negative;
    Py_ssize_t fill = width > total ? width - total : 0;
    if (fill && !(flags & (F_LEFT | F_ZERO)) && nj_writer_repeat(w, ' ', fill) < 0) {
        return -1;
    }
    if (negative && nj_writer_char(w, '-') < 0) {
        return -1;
    }
    if (fill && (flags & F_ZERO) && !(flags & F_LEFT) && nj_writer_repeat(w, '0', fill) < 0) {
        return -1;
    }
    if (nj_writer_repeat(w, '0', precision - n) < 0 || nj_writer_ascii(w, p, n) < 0) {
        return -1;
    }
    return fill && (flags & F_LEFT) ? nj_writer_repeat(w, ' ', fill) : 0;
}

static int
parse_count(const char **f, Py_ssize_t *out, const char *what)
{
    Py_ssize_t n = 0;
    while (Py_ISDIGIT(**f)) {
        if (n > (PY_SSIZE_T_MAX - (**f - '0')) / 10) {
            PyErr_Format(PyExc_ValueError, "%s too big", what);
            return -1;
        }
        n = n * 10 + (**f - '0');
        (*f)++;
    }
    *out = n;
    return 0;
}

/* One directive; f is behind the percent sign. Returns the text after it or NULL. The
 * va_list travels in a struct, because an array type may not be passed by address. */
typedef struct {
    va_list va;
} VaBox;

static const char *
format_directive(NjStrWriter *w, const char *f, VaBox *box)
{
#define ARG(T) va_arg(box->va, T)
    const char *start = f - 1;
    if (*f == '%') {
        return nj_writer_char(w, '%') < 0 ? NULL : f + 1;
    }
    int flags = 0;
    for (;; f++) {
        if (*f == '-') {
            flags |= F_LEFT;
        } else if (*f == '0') {
            flags |= F_ZERO;
        } else if (*f == '#') {
            flags |= F_ALT;
        } else {
            break;
        }
    }
    Py_ssize_t width = -1, precision = -1;
    bool negative = false;
    if (*f == '*') {
        width = ARG(int);
        if (width < 0) {
            flags |= F_LEFT;
            width = -width;
        }
        f++;
    } else if (Py_ISDIGIT(*f) && parse_count(&f, &width, "width") < 0) {
        return NULL;
    }
    if (*f == '.') {
        f++;
        if (*f == '*') {
            precision = ARG(int);
            negative = precision < 0; /* an empty text, but no precision for %c */
            precision = Py_MAX(precision, 0);
            f++;
        } else if (Py_ISDIGIT(*f) && parse_count(&f, &precision, "precision") < 0) {
            return NULL;
        }
    }
    char size = 0;
    if (*f == 'l') {
        size = 'l';
        f++;
        if (*f == 'l') {
            size = 'q';
            f++;
        }
    } else if (*f == 'z' || *f == 't' || *f == 'j') {
        size = *f++;
    }
    char conv = *f++;
    switch (conv) {
    case 'd':
    case 'i': {
        intmax_t v = size == 'l'   ? ARG(long)
                     : size == 'q' ? ARG(long long)
                     : size == 'z' ? ARG(Py_ssize_t)
                     : size == 't' ? ARG(ptrdiff_t)
                     : size == 'j' ? ARG(intmax_t)
                                   : ARG(int);
        uintmax_t u = v < 0 ? 0 - (uintmax_t)v : (uintmax_t)v;
        return write_integer(w, 'd', v < 0, u, width, precision, flags) < 0 ? NULL : f;
    }
    case 'u':
    case 'o':
    case 'x':
    case 'X': {
        uintmax_t v = size == 'l'   ? ARG(unsigned long)
                      : size == 'q' ? ARG(unsigned long long)
                      : size == 'z' ? ARG(size_t)
                      : size == 't' ? (uintmax_t)ARG(ptrdiff_t)
                      : size == 'j' ? ARG(uintmax_t)
                                    : ARG(unsigned);
        return write_integer(w, conv, false, v, width, precision, flags) < 0 ? NULL : f;
    }
    default: break;
    }
    if (size != 0 && !(size == 'l' && (conv == 's' || conv == 'V'))) {
        goto invalid;
    }
    if ((conv == 'c' || conv == 'p') && (width >= 0 || (precision >= 0 && !negative))) {
        goto invalid;
    }
    PyObject *made = NULL, *shown = NULL;
    switch (conv) {
    case 'c': {
        int c = ARG(int);
        if (c < 0 || c > 0x10ffff) {
            PyErr_SetString(PyExc_OverflowError,
                            "character argument not in range(0x110000)");
            return NULL;
        }
        return nj_writer_char(w, (Py_UCS4)c) < 0 ? NULL : f;
    }
    case 'p': {
        char buf[32];
        const void *address = ARG(void *);
        int n = snprintf(buf, sizeof(buf), "%p", address);
        if (strncmp(buf, "0x", 2) != 0) { /* the C library writes NULL as (nil) */
            n = snprintf(buf, sizeof(buf), "0x%p", address);
        }
        return nj_writer_ascii(w, buf, n) < 0 ? NULL : f;
    }
    case 's':
        if (size == 'l') {
            return write_wide_text(w, ARG(const wchar_t *), width, precision, flags) < 0
                       ? NULL
                       : f;
        }
        return write_c_text(w, ARG(const char *), width, precision, flags) < 0 ? NULL : f;
    case 'U': shown = ARG(PyObject *); break;
    case 'V': {
        shown = ARG(PyObject *);
        const void *text = ARG(const void *);
        if (shown == NULL) {
            int r = size == 'l' ? write_wide_text(w, text, width, precision, flags)
                                : write_c_text(w, text, width, precision, flags);
            return r < 0 ? NULL : f;
        }
        break;
    }
    case 'S': shown = made = PyObject_Str(ARG(PyObject *)); break;
    case 'R': shown = made = PyObject_Repr(ARG(PyObject *)); break;
    case 'A': shown = made = PyObject_ASCII(ARG(PyObject *)); break;
    case 'T':
    case 'N': {
        PyObject *o = ARG(PyObject *);
        PyTypeObject *tp;
        if (conv == 'N') {
            if (!PyType_Check(o)) {
                PyErr_SetString(PyExc_TypeError, "%N argument must be a type");
                return NULL;
            }
            tp = (PyTypeObject *)o;
        } else {
            tp = Py_TYPE(o);
        }
        made = nj_type_full_name(tp, (flags & F_ALT) != 0);
        shown = made;
        break;
    }
    default: goto invalid;
    }
    if (shown == NULL) {
        return NULL;
    }
    int r = width < 0 && precision < 0 ? nj_writer_str(w, shown)
                                       : write_padded(w, shown, width, precision, flags);
    Py_XDECREF(made);
    return r < 0 ? NULL : f;
invalid:
    PyErr_Format(PyExc_SystemError, "invalid format string: %s", start);
    return NULL;
#undef ARG
}

int
nj_writer_format_v(NjStrWriter *w, const char *format, va_list va)
{
    VaBox box;
    va_copy(box.va, va);
    int r = -1;
    for (const char *f = format; *f;) {
        const char *run = f;
        while (*f && *f != '%') {
            if (*f & 0x80) {
                PyErr_Format(PyExc_ValueError,
                             "PyUnicode_FromFormatV() expects an ASCII-encoded format "
                             "string, got a non-ASCII byte: 0x%02x",
                             (unsigned char)*f);
                goto done;
            }
            f++;
        }
        if (*f == '\0') {
            w->overallocate = 0;
        }
        if (f > run && nj_writer_ascii(w, run, f - run) < 0) {
            goto done;
        }
        if (*f == '%') {
            f = format_directive(w, f + 1, &box);
            if (f == NULL) {
                goto done;
            }
        }
    }
    r = 0;
done:
    va_end(box.va);
    return r;
}

PyObject *
PyUnicode_FromFormatV(const char *format, va_list va)
{
    NjStrWriter w;
    nj_writer_init(&w);
    w.min_length = (Py_ssize_t)strlen(format) + 64;
    w.overallocate = 1;
    if (nj_writer_format_v(&w, format, va) < 0) {
        nj_writer_clear(&w);
        return NULL;
    }
    return nj_writer_finish(&w);
}

PyObject *
PyUnicode_FromFormat(const char *format, ...)
{
    va_list va;
    va_start(va, format);
    PyObject *s = PyUnicode_FromFormatV(format, va);
    va_end(va);
    return s;
}

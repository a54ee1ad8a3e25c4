/* buildvalue.c - Py_BuildValue: C values to objects by a format string.
 *
 * Always true: a unit consumes its C arguments even after an earlier unit failed, because
 * "N" hands over a reference that must be released either way.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stdarg.h>

typedef struct Va {
    va_list ap;
} Va;

static PyObject *build_one(const char **format, Va *va);

/* Counts the units up to end at nesting level 0; -1 with SystemError if end is missing. */
static Py_ssize_t
count_units(const char *f, char end)
{
    Py_ssize_t n = 0;
    int level = 0;
    for (; level > 0 || *f != end; f++) {
        switch (*f) {
        case '\0':
            PyErr_SetString(PyExc_SystemError, "unmatched paren in format");
            return -1;
        case '(':
        case '[':
        case '{':
            n += level == 0;
            level++;
            break;
        case ')':
        case ']':
        case '}':
            level--;
            break;
        case '#':
        case '&':
        case ',':
        case ':':
        case ' ':
        case '\t':
            break;
        default:
            n += level == 0;
        }
    }
    return n;
}

/* Consumes n units, dropping what they build; the exception that is set stays. */
static void
skip_units(const char **format, Va *va, char end, Py_ssize_t n)
{
    PyObject *exc = PyErr_GetRaisedException();
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *v = build_one(format, va);
        if (!v) {
            PyErr_Clear();
        }
        Py_XDECREF(v);
    }
    if (**format == end && end) {
        (*format)++;
    }
    PyErr_SetRaisedException(exc);
}

static int
expect_end(const char **format, char end)
{
    while (**format == ' ' || **format == '\t' || **format == ',') {
        (*format)++;
    }
    if (**format != end) {
        PyErr_SetString(PyExc_SystemError, "Unmatched paren in format");
        return -1;
    }
    if (end) {
        (*format)++;
    }
    return 0;
}

/* A tuple (end ')' or '\0') or list (end ']') of n units. */
static PyObject *
build_sequence(const char **format, Va *va, char end, Py_ssize_t n)
{
    if (n < 0) {
        return NULL;
    }
    bool list = end == ']';
    NJ_OWN seq = list ? PyList_New(n) : PyTuple_New(n);
    if (!seq) {
        skip_units(format, va, end, n);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *v = build_one(format, va);
        if (!v) {
            skip_units(format, va, end, n - i - 1);
            return NULL;
        }
        if (list) {
            PyList_SET_ITEM(seq, i, v);
        } else {
            PyTuple_SET_ITEM(seq, i, v);
        }
    }
    return expect_end(format, end) < 0 ? NULL : NJ_TAKE(seq);
}

static PyObject *
build_dict(const char **format, Va *va, Py_ssize_t n)
{
    if (n < 0) {
        return NULL;
    }
    if (n % 2) {
        PyErr_SetString(PyExc_SystemError, "Bad dict format");
        skip_units(format, va, '}', n);
        return NULL;
    }
    NJ_OWN dict = PyDict_New();
    if (!dict) {
        skip_units(format, va, '}', n);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i += 2) {
        NJ_OWN key = build_one(format, va);
        if (!key) {
            skip_units(format, va, '}', n - i - 1);
            return NULL;
        }
        NJ_OWN value = build_one(format, va);
        if (!value || PyDict_SetItem(dict, key, value) < 0) {
            skip_units(format, va, '}', n - i - 2);
            return NULL;
        }
    }
    return expect_end(format, '}') < 0 ? NULL : NJ_TAKE(dict);
}

/* The optional length after a string unit: -1 when there is none. */
static Py_ssize_t
read_length(const char **format, Va *va)
{
    if (**format != '#') {
        return -1;
    }
    (*format)++;
    return va_arg(va->ap, Py_ssize_t);
}

static PyObject *
build_text(char code, const char **format, Va *va)
{
    if (code == 'u') {
        const wchar_t *w = va_arg(va->ap, const wchar_t *);
        Py_ssize_t n = read_length(format, va);
        return w ? PyUnicode_FromWideChar(w, n) : Py_NewRef(Py_None);
    }
    const char *s = va_arg(va->ap, const char *);
    Py_ssize_t n = read_length(format, va);
    if (!s) {
        return Py_NewRef(Py_None);
    }
    if (n < 0) {
        size_t size = strlen(s);
        if (size > PY_SSIZE_T_MAX) {
            PyErr_SetString(PyExc_OverflowError, "string too long for Python string");
            return NULL;
        }
        n = (Py_ssize_t)size;
    }
    return code == 'y' ? PyBytes_FromStringAndSize(s, n)
                       : PyUnicode_FromStringAndSize(s, n);
}

static PyObject *
build_object(char code, const char **format, Va *va)
{
    if (**format == '&') {
        (*format)++;
        PyObject *(*convert)(void *) = va_arg(va->ap, PyObject * (*)(void *));
        return convert(va_arg(va->ap, void *));
    }
    PyObject *v = va_arg(va->ap, PyObject *);
    if (v) {
        return code == 'N' ? v : Py_NewRef(v);
    }
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "NULL object passed to Py_BuildValue");
    }
    return NULL;
}

static PyObject *
build_one(const char **format, Va *va)
{
    for (;;) {
        char code = *(*format)++;
        switch (code) {
        case '(':
            return build_sequence(format, va, ')', count_units(*format, ')'));
        case '[':
            return build_sequence(format, va, ']', count_units(*format, ']'));
        case '{':
            return build_dict(format, va, count_units(*format, '}'));
        case 'b':
        case 'B':
        case 'h':
        case 'i':
            return PyLong_FromLong(va_arg(va->ap, int));
        case 'H':
            return PyLong_FromLong(va_arg(va->ap, int));
        case 'I':
            return PyLong_FromUnsignedLong(va_arg(va->ap, unsigned));
        case 'n':
            return PyLong_FromSsize_t(va_arg(va->ap, Py_ssize_t));
        case 'l':
            return PyLong_FromLong(va_arg(va->ap, long));
        case 'k':
            return PyLong_FromUnsignedLong(va_arg(va->ap, unsigned long));
        case 'L':
            return PyLong_FromLongLong(va_arg(va->ap, long long));
        case 'K':
            return PyLong_FromUnsignedLongLong(va_arg(va->ap, unsigned long long));
        case 'p':
            return PyBool_FromLong(va_arg(va->ap, int) != 0);
        case 'f':
        case 'd':
            return PyFloat_FromDouble(va_arg(va->ap, double));
        case 'D':
            return PyComplex_FromCComplex(*va_arg(va->ap, Py_complex *));
        case 'c': {
            char c = (char)va_arg(va->ap, int);
            return PyBytes_FromStringAndSize(&c, 1);
        }
        case 'C':
            return PyUnicode_FromOrdinal(va_arg(va->ap, int));
        case 's':
        case 'z':
        case 'U':
        case 'y':
        case 'u':
            return build_text(code, format, va);
        case 'N':
        case 'S':
        case 'O':
            return build_object(code, format, va);
        case ':':
        case ',':
        case ' ':
        case '\t':
            break;
        default:
            PyErr_SetString(PyExc_SystemError, "bad format char passed to Py_BuildValue");
            return NULL;
        }
    }
}

PyObject *
Py_VaBuildValue(const char *format, va_list ap)
{
    Py_ssize_t n = count_units(format, '\0');
    if (n < 0) {
        return NULL;
    }
    if (n == 0) {
        return Py_NewRef(Py_None);
    }
    Va va;
    va_copy(va.ap, ap);
    const char *f = format;
    PyObject *v = n == 1 ? build_one(&f, &va) : build_sequence(&f, &va, '\0', n);
    va_end(va.ap);
    return v;
}

PyObject *
Py_BuildValue(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    PyObject *v = Py_VaBuildValue(format, ap);
    va_end(ap);
    return v;
}

PyAPI_FUNC(PyObject *) _Py_BuildValue_SizeT(const char *, ...);
PyAPI_FUNC(PyObject *) _Py_VaBuildValue_SizeT(const char *, va_list);

PyObject *
_Py_BuildValue_SizeT(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    PyObject *v = Py_VaBuildValue(format, ap);
    va_end(ap);
    return v;
}

PyObject *
_Py_VaBuildValue_SizeT(const char *format, va_list ap)
{
    return Py_VaBuildValue(format, ap);
}

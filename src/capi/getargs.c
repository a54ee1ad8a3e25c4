/* getargs.c - arguments of C functions: the PyArg_* family and nj_args_bind.
 *
 * Two engines. The format engine (convert_one, convert_group) interprets the format
 * strings of the C API documentation ("Parsing arguments") for PyArg_ParseTuple and kin.
 * The binding engine (bind) matches vectorcall or tuple/dict arguments to a list of
 * parameter names and leaves conversion to the caller; keyword parsing by format uses it
 * too, so the wording of binding errors exists once.
 *
 * What a failed format conversion must undo (buffers acquired, memory allocated, O&
 * converters with Py_CLEANUP_SUPPORTED) is noted in a Cleanups list while parsing and run
 * when a later item fails.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "runtime/suggest.h"

#include <limits.h>
#include <stdarg.h>

/* ---- checks that need no format ------------------------------------------------ */

int
_PyArg_CheckPositional(const char *name, Py_ssize_t nargs, Py_ssize_t min,
                       Py_ssize_t max)
{
    if (nargs >= min && (nargs <= max || nargs == 0)) {
        return 1;
    }
    bool few = nargs < min;
    Py_ssize_t limit = few ? min : max;
    const char *how = min == max ? "" : few ? "at least " : "at most ";
    if (name) {
        PyErr_Format(PyExc_TypeError, "%.200s expected %s%zd argument%s, got %zd", name,
                     how, limit, limit == 1 ? "" : "s", nargs);
    } else {
        PyErr_Format(PyExc_TypeError,
                     "unpacked tuple should have %s%zd element%s, but has %zd", how,
                     limit, limit == 1 ? "" : "s", nargs);
    }
    return 0;
}

int
_PyArg_NoKeywords(const char *funcname, PyObject *kwargs)
{
    if (!kwargs || PyDict_GET_SIZE(kwargs) == 0) {
        return 1;
    }
    PyErr_Format(PyExc_TypeError, "%.200s() takes no keyword arguments", funcname);
    return 0;
}

int
_PyArg_NoKwnames(const char *funcname, PyObject *kwnames)
{
    if (!kwnames || PyTuple_GET_SIZE(kwnames) == 0) {
        return 1;
    }
    PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", funcname);
    return 0;
}

int
_PyArg_NoPositional(const char *funcname, PyObject *args)
{
    if (!args || PyTuple_GET_SIZE(args) == 0) {
        return 1;
    }
    PyErr_Format(PyExc_TypeError, "%.200s() takes no positional arguments", funcname);
    return 0;
}

void
_PyArg_BadArgument(const char *fname, const char *displayname, const char *expected,
                   PyObject *arg)
{
    PyErr_Format(PyExc_TypeError, "%.200s() %.200s must be %.50s, not %.50s", fname,
                 displayname, expected,
                 arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
}

/* ---- binding -------------------------------------------------------------------- */

/* Where keyword arguments come from: names and values of a vectorcall, or a dict. */
typedef struct Keywords {
    PyObject *names;         /* tuple of str, or NULL */
    PyObject *const *values; /* values of names */
    PyObject *dict;          /* or this dict, or NULL */
} Keywords;

static Py_ssize_t
keyword_count(const Keywords *kw)
{
    if (kw->names) {
        return PyTuple_GET_SIZE(kw->names);
    }
    return kw->dict ? PyDict_GET_SIZE(kw->dict) : 0;
}

/* key: a str. */
NJ_INLINE bool
has_name(PyObject *key, const char *name)
{
    if (!PyUnicode_IS_COMPACT_ASCII(key)) {
        return PyUnicode_EqualToUTF8(key, name);
    }
    const char *s = (const char *)PyUnicode_1BYTE_DATA(key);
    Py_ssize_t n = PyUnicode_GET_LENGTH(key), i = 0;
    while (i < n && s[i] == name[i] && name[i]) {
        i++;
    }
    return i == n && name[n] == '\0';
}

/* Finds the value given for name. 1 found (*out borrowed), 0 not, -1 error. */
static int
find_keyword(const Keywords *kw, const char *name, PyObject **out)
{
    *out = NULL;
    if (kw->names) {
        Py_ssize_t n = PyTuple_GET_SIZE(kw->names);
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *key = PyTuple_GET_ITEM(kw->names, i);
            if (has_name(key, name)) {
                *out = kw->values[i];
                return 1;
            }
        }
        return 0;
    }
    if (!kw->dict) {
        return 0;
    }
    PyObject *v = NULL, *key;
    if (PyDict_GET_SIZE(kw->dict) <= 8) { /* a look beats a str made to be hashed */
        bool plain = true;
        for (Py_ssize_t pos = 0; plain && PyDict_Next(kw->dict, &pos, &key, &v);) {
            plain = PyUnicode_CheckExact(key);
            if (plain && has_name(key, name)) {
                *out = v;
                return 1;
            }
        }
        const unsigned char *p = (const unsigned char *)name;
        while (*p && *p < 0x80) {
            p++;
        }
        if (plain && !*p) {
            return 0;
        }
        v = NULL; /* or the name may be no UTF-8, which is an error */
    }
    int r = PyDict_GetItemStringRef(kw->dict, name, &v);
    if (r > 0) {
        *out = v;
        Py_DECREF(v); /* the dict keeps it alive for the caller's call */
    }
    return r;
}

/* Raises for the first keyword argument that is no parameter name. by_eq: a subclass of str
 * says itself what it equals, as the reference has it everywhere but in
 * PyArg_ParseTupleAndKeywords. */
static void
raise_unexpected_keyword(const char *fname, const char *paren, const char *const *names,
                         int nposonly, const Keywords *kw, bool by_eq)
{
    NJ_OWN candidates = PyList_New(0);
    if (!candidates) {
        return;
    }
    for (int j = nposonly; names[j]; j++) {
        NJ_OWN s = PyUnicode_FromString(names[j]);
        if (!s || PyList_Append(candidates, s) < 0) {
            return;
        }
    }
    Py_ssize_t n = keyword_count(kw), pos = 0;
    PyObject *key = NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (kw->names) {
            key = PyTuple_GET_ITEM(kw->names, i);
        } else if (!PyDict_Next(kw->dict, &pos, &key, NULL)) {
            return;
        }
        if (!PyUnicode_Check(key)) {
            PyErr_SetString(PyExc_TypeError, "keywords must be strings");
            return;
        }
        int known = 0;
        if (by_eq) {
            known = PySequence_Contains(candidates, key);
        }
        else {
            for (int j = nposonly; names[j] && !known; j++) {
                known = PyUnicode_EqualToUTF8(key, names[j]);
            }
        }
        if (known < 0) {
            return;
        }
        if (known) {
            continue;
        }
        const char *who = paren[0] ? fname : "this function"; /* no name given */
        NJ_OWN hint = nj_suggest_name(candidates, key);
        if (!hint && PyErr_Occurred()) {
            return;
        }
        if (hint) {
            PyErr_Format(PyExc_TypeError,
                         "%.200s%s got an unexpected keyword argument '%S'."
                         " Did you mean '%S'?",
                         who, paren, key, hint);
        } else {
            PyErr_Format(PyExc_TypeError,
                         "%.200s%s got an unexpected keyword argument '%S'", who,
                         paren, key);
        }
        return;
    }
}

/* Keyword arguments of the parameters given by position, and unknown ones. */
static void
raise_left_over(const char *fname, const char *paren, const char *const *names,
                int nposonly, Py_ssize_t nargs, const Keywords *kw, bool by_eq)
{
    for (Py_ssize_t i = nposonly; i < nargs; i++) {
        PyObject *twice;
        int r = find_keyword(kw, names[i], &twice);
        if (r > 0) {
            PyErr_Format(PyExc_TypeError,
                         "argument for %.200s%s given by name ('%s') and position (%zd)",
                         fname ? fname : "function", paren, names[i], i + 1);
        }
        if (r) {
            return;
        }
    }
    raise_unexpected_keyword(fname ? fname : "this function", paren, names, nposonly, kw,
                             by_eq);
    if (!PyErr_Occurred()) {
        /* a key whose hash or comparison lies */
        PyErr_Format(PyExc_TypeError, "invalid keyword argument for %.200s%s",
                     fname ? fname : "this function", paren);
    }
}

/* The heart of binding. names: all parameters, nposonly leading "" ones, npos that may be
 * given by position, nreq required ones among those, nkwreq required keyword-only ones. */
static int
bind(const char *fname, const char *paren, const char *const *names, int npos, int nreq,
     int nkwreq, bool varpos, PyObject *const *args, Py_ssize_t nargs, const Keywords *kw,
     PyObject **out)
{
    int total = 0, nposonly = 0;
    while (names[total]) {
        if (!names[total][0]) {
            nposonly++;
        }
        total++;
    }
    Py_ssize_t nkw = keyword_count(kw);
    if (!varpos && nargs + nkw > total) {
        /* counts both kinds, as the reference does, when nothing else can fit */
        PyErr_Format(PyExc_TypeError, "%.200s%s takes at most %d %sargument%s (%zd given)",
                     fname, paren, total, nargs == 0 ? "keyword " : "",
                     total == 1 ? "" : "s", nargs + nkw);
        return -1;
    }
    if (nargs > npos) {
        if (npos == 0) {
            PyErr_Format(PyExc_TypeError, "%.200s%s takes no positional arguments",
                         fname, paren);
        } else {
            PyErr_Format(PyExc_TypeError,
                         "%.200s%s takes %s %d positional argument%s (%zd given)", fname,
                         paren, nreq == npos ? "exactly" : "at most", npos,
                         npos == 1 ? "" : "s", nargs);
        }
        return -1;
    }
    int minpos = nreq < nposonly ? nreq : nposonly;
    if (nargs < minpos) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s%s takes %s %d positional argument%s (%zd given)", fname,
                     paren, minpos < npos ? "at least" : "exactly", minpos,
                     minpos == 1 ? "" : "s", nargs);
        return -1;
    }
    Py_ssize_t found = 0;
    for (int i = 0; i < total; i++) {
        if (i < nargs) {
            out[i] = args[i];
            continue;
        }
        out[i] = NULL;
        if (i >= nposonly && found < nkw) {
            int r = find_keyword(kw, names[i], &out[i]);
            if (r < 0) {
                return -1;
            }
            found += r;
        }
        if (!out[i] && (i < nreq || (i >= npos && i < npos + nkwreq))) {
            PyErr_Format(PyExc_TypeError,
                         "%.200s%s missing required argument '%s' (pos %d)", fname,
                         paren, names[i], i + 1);
            return -1;
        }
    }
    if (found == nkw) {
        return 0;
    }
    raise_left_over(fname, paren, names, nposonly, nargs, kw, true);
    return -1;
}

/* The usual case: required ones are there, each keyword names a parameter not yet given.
 * False: it is not that. */
static bool
bind_keywords(const char *const *names, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames, PyObject **out)
{
    int total = 0;
    for (; names[total]; total++) {
        out[total] = total < nargs ? args[total] : NULL;
    }
    if (nargs > total) {
        return false;
    }
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(kwnames); k++) {
        PyObject *key = PyTuple_GET_ITEM(kwnames, k);
        Py_ssize_t i = nargs;
        while (i < total && !has_name(key, names[i])) {
            i++;
        }
        if (i == total || out[i] != NULL || !names[i][0]) {
            return false;
        }
        out[i] = args[nargs + k];
    }
    return true;
}

int
nj_args_bind(const NjParams *p, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames, PyObject **out)
{
    if (!kwnames && nargs >= p->nreq && nargs <= p->npos && p->nkwreq == 0) {
        int i = 0;
        for (; i < nargs; i++) {
            out[i] = args[i];
        }
        for (; p->names[i]; i++) {
            out[i] = NULL;
        }
        return 0;
    }
    if (kwnames && nargs <= p->npos && p->nreq <= nargs && p->nkwreq == 0 &&
        bind_keywords(p->names, args, nargs, kwnames, out)) {
        return 0;
    }
    Keywords kw = {kwnames, args + nargs, NULL};
    return bind(p->fname, "()", p->names, p->npos, p->nreq, p->nkwreq, p->varpos,
                args, nargs, &kw, out);
}

int
nj_args_bind_tuple(const NjParams *p, PyObject *args, PyObject *kwargs, PyObject **out)
{
    Keywords kw = {NULL, NULL, kwargs};
    return bind(p->fname, "()", p->names, p->npos, p->nreq, p->nkwreq, p->varpos,
                ((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args), &kw, out);
}

/* ---- undoing -------------------------------------------------------------------- */

typedef int (*Converter)(PyObject *, void *);

typedef struct Cleanups {
    int count, room;
    struct Cleanup {
        void *item;
        enum { FREE_MEM, RELEASE_BUFFER, UNDO_CONVERTER } kind;
        Converter undo;
    } *list, fixed[16];
} Cleanups;

static int
note_cleanup(Cleanups *c, void *item, int kind, Converter undo)
{
    if (c->count == c->room) {
        int room = c->room * 2;
        struct Cleanup *list = PyMem_Malloc((size_t)room * sizeof(*list));
        if (!list) {
            PyErr_NoMemory();
            return -1;
        }
        memcpy(list, c->list, (size_t)c->count * sizeof(*list));
        if (c->list != c->fixed) {
            PyMem_Free(c->list);
        }
        c->list = list;
        c->room = room;
    }
    c->list[c->count++] = (struct Cleanup){item, kind, undo};
    return 0;
}

static void
finish_cleanups(Cleanups *c, bool undo)
{
    if (undo) {
        PyObject *exc = PyErr_GetRaisedException();
        for (int i = c->count - 1; i >= 0; i--) {
            struct Cleanup *e = &c->list[i];
            if (e->kind == FREE_MEM) {
                PyMem_Free(*(void **)e->item);
                *(void **)e->item = NULL;
            } else if (e->kind == RELEASE_BUFFER) {
                PyBuffer_Release(e->item);
            } else {
                e->undo(NULL, e->item);
            }
        }
        PyErr_SetRaisedException(exc);
    }
    if (c->list != c->fixed) {
        PyMem_Free(c->list);
    }
}

NJ_INLINE void
begin_cleanups(Cleanups *c)
{
    c->count = 0;
    c->room = NJ_ARRAY_LEN(c->fixed);
    c->list = c->fixed;
}

/* ---- the format engine ------------------------------------------------------------ */

/* va_list is an array type on this ABI: wrap it so that it passes by address. */
typedef struct Va {
    va_list ap;
} Va;

/* What went wrong with one argument; raised by the caller, who knows its position. A
 * non-empty text without an exception set means "argument N TEXT". */
typedef struct Complaint {
    char text[256];
    int levels[32]; /* item indices inside nested tuples, 1-based, 0-terminated */
} Complaint;

NJ_INLINE void
begin_complaint(Complaint *c)
{
    c->text[0] = '\0';
    c->levels[0] = 0;
}

static void
complain(Complaint *c, const char *expected, PyObject *arg)
{
    if (PyErr_Occurred()) {
        return;
    }
    if (expected[0] == '(') {
        snprintf(c->text, sizeof(c->text), "%.100s", expected);
    } else {
        snprintf(c->text, sizeof(c->text), "must be %.50s, not %.50s", expected,
                 arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
    }
}

#define FAIL(expected)                                                                 \
    do {                                                                               \
        complain(why, expected, arg);                                                  \
        return -1;                                                                     \
    } while (0)

static int
get_buffer(PyObject *arg, Py_buffer *view, int flags, const char *expected,
           Complaint *why)
{
    if (PyObject_GetBuffer(arg, view, flags) != 0) {
        if (flags & PyBUF_WRITABLE) {
            PyErr_Clear(); /* "w*": our own words */
        }
        FAIL(expected); /* otherwise the exception of the exporter stands */
    }
    if (!PyBuffer_IsContiguous(view, 'C')) {
        PyBuffer_Release(view);
        FAIL("contiguous buffer");
    }
    return 0;
}

/* Memory that the object keeps without being asked: nothing is released later. */
static int
borrow_buffer(PyObject *arg, const char **out, Py_ssize_t *size, Complaint *why)
{
    PyBufferProcs *pb = Py_TYPE(arg)->tp_as_buffer;
    if (pb && pb->bf_releasebuffer) {
        FAIL("read-only bytes-like object");
    }
    Py_buffer view;
    if (get_buffer(arg, &view, PyBUF_SIMPLE, "read-only bytes-like object", why) < 0) {
        return -1;
    }
    *out = view.buf;
    *size = view.len;
    PyBuffer_Release(&view);
    return 0;
}

static int
convert_encoded(PyObject *arg, const char **format, Va *va, Cleanups *undo,
                Complaint *why)
{
    const char *encoding = va_arg(va->ap, const char *);
    if (!encoding) {
        encoding = "utf-8";
    }
    char mode = *(*format)++;
    if (mode != 's' && mode != 't') {
        FAIL("(unknown parser marker combination)");
    }
    char **out = va_arg(va->ap, char **);
    bool sized = **format == '#';
    Py_ssize_t *size_out = NULL;
    if (sized) {
        (*format)++;
        size_out = va_arg(va->ap, Py_ssize_t *);
    }
    if (!out) {
        FAIL("(buffer is NULL)");
    }
    NJ_OWN bytes = NULL;
    const char *data;
    Py_ssize_t size;
    if (mode == 't' && PyBytes_Check(arg)) {
        bytes = Py_NewRef(arg);
        data = PyBytes_AS_STRING(arg), size = PyBytes_GET_SIZE(arg);
    } else if (mode == 't' && PyByteArray_Check(arg)) {
        bytes = Py_NewRef(arg);
        data = PyByteArray_AS_STRING(arg), size = PyByteArray_GET_SIZE(arg);
    } else if (PyUnicode_Check(arg)) {
        bytes = PyUnicode_AsEncodedString(arg, encoding, NULL);
        if (!bytes) {
            FAIL("(encoding failed)");
        }
        if (!PyBytes_Check(bytes)) {
            FAIL("(encoder failed to return bytes)");
        }
        data = PyBytes_AS_STRING(bytes), size = PyBytes_GET_SIZE(bytes);
    } else {
        FAIL(mode == 's' ? "str" : "str, bytes or bytearray");
    }
    if (sized && !size_out) {
        FAIL("(buffer_len is NULL)");
    }
    if (sized && *out) {
        if (size + 1 > *size_out) {
            PyErr_Format(PyExc_ValueError,
                         "encoded string too long (%zd, maximum length %zd)", size,
                         *size_out - 1);
            return -1;
        }
    } else {
        if (!sized && strlen(data) != (size_t)size) {
            FAIL("encoded string without null bytes");
        }
        *out = PyMem_Malloc((size_t)size + 1);
        if (!*out) {
            PyErr_NoMemory();
            return -1;
        }
        if (note_cleanup(undo, out, FREE_MEM, NULL) < 0) {
            return -1;
        }
    }
    memcpy(*out, data, (size_t)size + 1);
    if (sized) {
        *size_out = size;
    }
    return 0;
}

/* 's', 'z', 'y' and their '*' and '#' forms. */
static int
convert_text(char code, PyObject *arg, const char **format, Va *va, Cleanups *undo,
             Complaint *why)
{
    bool none_ok = code == 'z', bytes_only = code == 'y';
    if (**format == '*') {
        (*format)++;
        Py_buffer *view = va_arg(va->ap, Py_buffer *);
        if (none_ok && arg == Py_None) {
            PyBuffer_FillInfo(view, NULL, NULL, 0, 1, 0);
        } else if (!bytes_only && PyUnicode_Check(arg)) {
            Py_ssize_t size;
            const char *s = PyUnicode_AsUTF8AndSize(arg, &size);
            if (!s) {
                FAIL("(unicode conversion error)");
            }
            PyBuffer_FillInfo(view, arg, (void *)s, size, 1, 0);
        } else if (get_buffer(arg, view, PyBUF_SIMPLE,
                              bytes_only ? "bytes-like object"
                              : none_ok  ? "str, bytes-like object or None"
                                         : "str or bytes-like object",
                              why) < 0) {
            return -1;
        }
        return note_cleanup(undo, view, RELEASE_BUFFER, NULL);
    }
    const char **out = va_arg(va->ap, const char **);
    if (**format == '#') {
        (*format)++;
        Py_ssize_t *size_out = va_arg(va->ap, Py_ssize_t *);
        if (none_ok && arg == Py_None) {
            *out = NULL;
            *size_out = 0;
        } else if (!bytes_only && PyUnicode_Check(arg)) {
            *out = PyUnicode_AsUTF8AndSize(arg, size_out);
            if (!*out) {
                FAIL("(unicode conversion error)");
            }
        } else {
            return borrow_buffer(arg, out, size_out, why);
        }
        return 0;
    }
    if (bytes_only) {
        Py_ssize_t size;
        if (borrow_buffer(arg, out, &size, why) < 0) {
            return -1;
        }
        if (strlen(*out) != (size_t)size) {
            PyErr_SetString(PyExc_ValueError, "embedded null byte");
            return -1;
        }
        return 0;
    }
    if (none_ok && arg == Py_None) {
        *out = NULL;
        return 0;
    }
    if (!PyUnicode_Check(arg)) {
        FAIL(none_ok ? "str or None" : "str");
    }
    Py_ssize_t size;
    *out = PyUnicode_AsUTF8AndSize(arg, &size);
    if (!*out) {
        FAIL("(unicode conversion error)");
    }
    if (strlen(*out) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    return 0;
}

/* Integer codes. */
static int
convert_int(char code, PyObject *arg, Va *va)
{
    void *out = va_arg(va->ap, void *);
    if (PyLong_CheckExact(arg) && PyUnstable_Long_IsCompact((PyLongObject *)arg)) {
        Py_ssize_t v = PyUnstable_Long_CompactValue((PyLongObject *)arg);
        switch (code) {
        case 'i':
            *(int *)out = (int)v; /* a compact one is of 30 bits */
            return 0;
        case 'l':
        case 'L':
        case 'n':
            *(Py_ssize_t *)out = v;
            return 0;
        }
    }
    switch (code) {
    case 'b':
    case 'h':
    case 'i': {
        long v = PyLong_AsLong(arg);
        if (v == -1 && PyErr_Occurred()) {
            return -1;
        }
        long lo = code == 'b' ? 0 : code == 'h' ? SHRT_MIN : INT_MIN;
        long hi = code == 'b' ? UCHAR_MAX : code == 'h' ? SHRT_MAX : INT_MAX;
        if (v < lo || v > hi) {
            PyErr_Format(PyExc_OverflowError, "%s integer is %s",
                         code == 'b'   ? "unsigned byte"
                         : code == 'h' ? "signed short"
                                       : "signed",
                         v < lo ? "less than minimum" : "greater than maximum");
            return -1;
        }
        if (code == 'b') {
            *(unsigned char *)out = (unsigned char)v;
        } else if (code == 'h') {
            *(short *)out = (short)v;
        } else {
            *(int *)out = (int)v;
        }
        return 0;
    }
    case 'B':
    case 'H':
    case 'I': {
        unsigned long v = PyLong_AsUnsignedLongMask(arg);
        if (v == (unsigned long)-1 && PyErr_Occurred()) {
            return -1;
        }
        if (code == 'B') {
            *(unsigned char *)out = (unsigned char)v;
        } else if (code == 'H') {
            *(unsigned short *)out = (unsigned short)v;
        } else {
            *(unsigned int *)out = (unsigned int)v;
        }
        return 0;
    }
    case 'l':
        *(long *)out = PyLong_AsLong(arg);
        return *(long *)out == -1 && PyErr_Occurred() ? -1 : 0;
    case 'L':
        *(long long *)out = PyLong_AsLongLong(arg);
        return *(long long *)out == -1 && PyErr_Occurred() ? -1 : 0;
    case 'n': {
        NJ_OWN index = PyNumber_Index(arg);
        if (!index) {
            return -1;
        }
        *(Py_ssize_t *)out = PyLong_AsSsize_t(index);
        return *(Py_ssize_t *)out == -1 && PyErr_Occurred() ? -1 : 0;
    }
    case 'p': {
        int v = PyObject_IsTrue(arg);
        if (v < 0) {
            return -1;
        }
        *(int *)out = v > 0;
        return 0;
    }
    }
    NJ_UNREACHABLE();
}

/* Converts one argument by the unit at *format and advances past it. 0; -1 with *why
 * filled or an exception set. */
static int
convert_one(PyObject *arg, const char **format, Va *va, Cleanups *undo, Complaint *why)
{
    char code = *(*format)++;
    switch (code) {
    case 'b':
    case 'B':
    case 'h':
    case 'H':
    case 'i':
    case 'I':
    case 'l':
    case 'L':
    case 'n':
    case 'p':
        return convert_int(code, arg, va);
    case 'k':
    case 'K': {
        void *out = va_arg(va->ap, void *);
        if (!PyIndex_Check(arg)) {
            FAIL("int");
        }
        if (code == 'k') {
            *(unsigned long *)out = PyLong_AsUnsignedLongMask(arg);
        } else {
            *(unsigned long long *)out = PyLong_AsUnsignedLongLongMask(arg);
        }
        return PyErr_Occurred() ? -1 : 0;
    }
    case 'f': {
        float *out = va_arg(va->ap, float *);
        double v = PyFloat_AsDouble(arg);
        if (v == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        *out = (float)v;
        return 0;
    }
    case 'd': {
        double *out = va_arg(va->ap, double *);
        double v = PyFloat_AsDouble(arg);
        if (v == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        *out = v;
        return 0;
    }
    case 'D': {
        Py_complex *out = va_arg(va->ap, Py_complex *);
        Py_complex v = PyComplex_AsCComplex(arg);
        if (PyErr_Occurred()) {
            return -1;
        }
        *out = v;
        return 0;
    }
    case 'c': {
        char *out = va_arg(va->ap, char *);
        Py_ssize_t n;
        if (PyBytes_Check(arg)) {
            n = PyBytes_GET_SIZE(arg);
            *out = PyBytes_AS_STRING(arg)[0];
        } else if (PyByteArray_Check(arg)) {
            n = PyByteArray_GET_SIZE(arg);
            *out = PyByteArray_AS_STRING(arg)[0];
        } else {
            FAIL("a byte string of length 1");
        }
        if (n != 1) {
            snprintf(why->text, sizeof(why->text),
                     "must be a byte string of length 1, not a %s object of length %zd",
                     PyBytes_Check(arg) ? "bytes" : Py_TYPE(arg)->tp_name, n);
            return -1;
        }
        return 0;
    }
    case 'C': {
        int *out = va_arg(va->ap, int *);
        if (!PyUnicode_Check(arg)) {
            FAIL("a unicode character");
        }
        if (PyUnicode_GET_LENGTH(arg) != 1) {
            snprintf(why->text, sizeof(why->text),
                     "must be a unicode character, not a string of length %zd",
                     PyUnicode_GET_LENGTH(arg));
            return -1;
        }
        *out = (int)PyUnicode_READ_CHAR(arg, 0);
        return 0;
    }
    case 's':
    case 'z':
    case 'y':
        return convert_text(code, arg, format, va, undo, why);
    case 'e':
        return convert_encoded(arg, format, va, undo, why);
    case 'S':
    case 'Y':
    case 'U': {
        PyObject **out = va_arg(va->ap, PyObject **);
        bool ok = code == 'S'   ? PyBytes_Check(arg)
                  : code == 'Y' ? PyByteArray_Check(arg)
                                : PyUnicode_Check(arg);
        if (!ok) {
            FAIL(code == 'S' ? "bytes" : code == 'Y' ? "bytearray" : "str");
        }
        *out = arg;
        return 0;
    }
    case 'w': {
        if (**format != '*') {
            FAIL("(invalid use of 'w' format character)");
        }
        (*format)++;
        Py_buffer *view = va_arg(va->ap, Py_buffer *);
        if (get_buffer(arg, view, PyBUF_WRITABLE, "read-write bytes-like object", why) <
            0) {
            return -1;
        }
        return note_cleanup(undo, view, RELEASE_BUFFER, NULL);
    }
    case 'O':
        if (**format == '!') {
            (*format)++;
            PyTypeObject *type = va_arg(va->ap, PyTypeObject *);
            PyObject **out = va_arg(va->ap, PyObject **);
            if (!PyObject_TypeCheck(arg, type)) {
                FAIL(type->tp_name);
            }
            *out = arg;
        } else if (**format == '&') {
            (*format)++;
            Converter convert = va_arg(va->ap, Converter);
            void *out = va_arg(va->ap, void *);
            int r = convert(arg, out);
            if (r == 0) {
                FAIL("(unspecified)");
            }
            if (r == Py_CLEANUP_SUPPORTED &&
                note_cleanup(undo, out, UNDO_CONVERTER, convert) < 0) {
                return -1;
            }
        } else {
            *va_arg(va->ap, PyObject **) = arg;
        }
        return 0;
    default:
        FAIL("(impossible<bad format char>)");
    }
}

static bool
is_unit(char c)
{
    return (c >= 'a' && c <= 'z' && c != 'e') || (c >= 'A' && c <= 'Z') || c == '(';
}

/* Converts arg by a unit or a parenthesised group. */
static int
convert_item(PyObject *arg, const char **format, Va *va, Cleanups *undo, int depth,
             Complaint *why)
{
    if (**format != '(') {
        return convert_one(arg, format, va, undo, why);
    }
    if (depth > 30) {
        PyErr_SetString(PyExc_SystemError, "too many tuple nesting levels in format");
        return -1;
    }
    const char *f = ++*format;
    int level = 0, n = 0;
    bool borrows = false; /* some unit keeps pointers into its argument */
    for (const char *p = f; *p && *p != ':' && *p != ';'; p++) {
        if (*p == '(') {
            n += level == 0;
            level++;
        } else if (*p == ')') {
            if (level-- == 0) {
                break;
            }
        } else if (*p == 'e') {
            n += level == 0;
            if (p[1] == 's' || p[1] == 't') {
                p++; /* one unit */
            }
        } else if (is_unit(*p)) {
            n += level == 0;
            borrows |= (strchr("szy", *p) && p[1] != '*') || strchr("SYU", *p) ||
                       (*p == 'O' && p[1] != '&');
        }
    }
    if (!PySequence_Check(arg) || PyUnicode_Check(arg) || PyBytes_Check(arg) ||
        PyByteArray_Check(arg)) {
        snprintf(why->text, sizeof(why->text), "must be %d-item tuple, not %.50s", n,
                 arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
        return -1;
    }
    borrows &= !PyTuple_Check(arg);
    if (borrows && PyErr_WarnFormat(PyExc_DeprecationWarning, 0,
                                    "argument must be %d-item tuple, not %T", n, arg) < 0) {
        return -1;
    }
    Py_ssize_t size = PySequence_Size(arg);
    if (size < 0) {
        return -1;
    }
    if (size != n) {
        snprintf(why->text, sizeof(why->text), "must be %s of length %d, not %zd",
                 borrows || PyTuple_Check(arg) ? "tuple" : "sequence", n, size);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        PyObject *item;
        if (PyTuple_Check(arg)) {
            item = PyTuple_GET_ITEM(arg, i);
        } else {
            item = PySequence_GetItem(arg, i);
            if (!item) {
                return -1;
            }
            Py_DECREF(item); /* the sequence holds it: documented hazard of borrowing */
        }
        if (convert_item(item, format, va, undo, depth + 1, why) < 0) {
            if (why->text[0] && depth < 31) {
                memmove(why->levels + 1, why->levels, 30 * sizeof(int));
                why->levels[0] = i + 1;
            }
            return -1;
        }
    }
    if (**format == ')') {
        (*format)++;
    }
    return 0;
}

static void
raise_complaint(const Complaint *why, Py_ssize_t iarg, const char *fname,
                const char *message)
{
    if (PyErr_Occurred()) {
        return;
    }
    if (message) {
        PyErr_SetString(why->text[0] == '(' ? PyExc_SystemError : PyExc_TypeError,
                        message);
        return;
    }
    char where[400];
    int n = 0;
    if (fname) {
        n = snprintf(where, sizeof(where), "%.200s() ", fname);
    }
    if (iarg > 0) {
        n += snprintf(where + n, sizeof(where) - (size_t)n, "argument %zd", iarg);
        for (int i = 0; i < 31 && why->levels[i] > 0 && n < 300; i++) {
            n += snprintf(where + n, sizeof(where) - (size_t)n, ", item %d",
                          why->levels[i] - 1);
        }
    } else {
        n += snprintf(where + n, sizeof(where) - (size_t)n, "argument");
    }
    PyErr_Format(why->text[0] == '(' ? PyExc_SystemError : PyExc_TypeError, "%s %.256s",
                 where, why->text);
}

/* What a format says about counts, and where its names are. */
typedef struct FormatInfo {
    int max, min;
    const char *fname;   /* after ':', or NULL */
    const char *message; /* after ';', or NULL */
} FormatInfo;

static int
scan_format(const char *format, FormatInfo *info)
{
    int level = 0, max = 0, min = -1;
    *info = (FormatInfo){0};
    for (const char *p = format; *p; p++) {
        if (*p == ':') {
            info->fname = p + 1;
            break;
        }
        if (*p == ';') {
            info->message = p + 1;
            break;
        }
        if (*p == '(') {
            max += level == 0;
            level++;
        } else if (*p == ')') {
            if (level-- == 0) {
                PyErr_SetString(PyExc_SystemError, "excess ')' in getargs format");
                return -1;
            }
        } else if (level == 0) {
            if (*p == '|') {
                min = max;
            } else if (*p == 'e') {
                max++;
                if (p[1]) {
                    p++;
                }
            } else if (is_unit(*p)) {
                max++;
            }
        }
    }
    if (level > 0) {
        PyErr_SetString(PyExc_SystemError, "missing ')' in getargs format");
        return -1;
    }
    info->max = max;
    info->min = min < 0 ? max : min;
    return 0;
}

static int
parse_stack(PyObject *const *args, Py_ssize_t nargs, const char *format, va_list ap,
            bool old_style)
{
    FormatInfo info;
    if (scan_format(format, &info) < 0) {
        return 0;
    }
    Cleanups undo; /* not cleared as a whole, nor is a Complaint: they are large */
    Complaint why;
    begin_cleanups(&undo);
    begin_complaint(&why);
    Va va;
    va_copy(va.ap, ap);
    bool ok = false;
    if (old_style) {
        if (info.max == 0) {
            if (nargs != 0) {
                PyErr_Format(PyExc_TypeError, "%.200s%s takes no arguments",
                             info.fname ? info.fname : "function",
                             info.fname ? "()" : "");
            } else {
                ok = true;
            }
            goto done;
        }
        if (nargs == 0) {
            PyErr_Format(PyExc_TypeError, "%.200s%s takes at least one argument",
                         info.fname ? info.fname : "function", info.fname ? "()" : "");
            goto done;
        }
        ok = convert_item(args[0], &format, &va, &undo, 0, &why) == 0;
        if (!ok) {
            raise_complaint(&why, 0, info.fname, info.message);
        }
        goto done;
    }
    if (nargs < info.min || nargs > info.max) {
        if (info.message) {
            PyErr_SetString(PyExc_TypeError, info.message);
        } else {
            int limit = nargs < info.min ? info.min : info.max;
            PyErr_Format(PyExc_TypeError, "%.150s%s takes %s %d argument%s (%zd given)",
                         info.fname ? info.fname : "function", info.fname ? "()" : "",
                         info.min == info.max     ? "exactly"
                         : nargs < info.min ? "at least"
                                            : "at most",
                         limit, limit == 1 ? "" : "s", nargs);
        }
        goto done;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (*format == '|') {
            format++;
        }
        if (convert_item(args[i], &format, &va, &undo, 0, &why) < 0) {
            raise_complaint(&why, i + 1, info.fname, info.message);
            goto done;
        }
    }
    if (*format && !is_unit(*format) && *format != 'e' && *format != '|' &&
        *format != ':' && *format != ';') {
        PyErr_Format(PyExc_SystemError, "bad format string: %.200s", format);
        goto done;
    }
    ok = true;
done:
    va_end(va.ap);
    finish_cleanups(&undo, !ok);
    return ok;
}

static int
parse_tuple(PyObject *args, const char *format, va_list ap)
{
    if (!args || !PyTuple_Check(args)) {
        PyErr_SetString(PyExc_SystemError, "new style getargs format but argument is not a tuple");
        return 0;
    }
    return parse_stack(((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args), format,
                       ap, false);
}

int
PyArg_VaParse(PyObject *args, const char *format, va_list ap)
{
    return parse_tuple(args, format, ap);
}

int
PyArg_ParseTuple(PyObject *args, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int ok = parse_tuple(args, format, ap);
    va_end(ap);
    return ok;
}

int
PyArg_Parse(PyObject *arg, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int ok = parse_stack(&arg, arg != NULL, format, ap, true);
    va_end(ap);
    return ok;
}

int
_PyArg_ParseStack(PyObject *const *args, Py_ssize_t nargs, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int ok = parse_stack(args, nargs, format, ap, false);
    va_end(ap);
    return ok;
}

/* ---- formats with keywords --------------------------------------------------------- */

/* Steps over a unit for which no argument was given, with its C arguments. False if
 * there is no such unit. */
static bool
skip_one(const char **format, Va *va)
{
    char code = *(*format)++;
    if (code == '(') {
        while (**format != ')') {
            if (!skip_one(format, va)) {
                return false;
            }
        }
        (*format)++;
        return true;
    }
    if (code == 'e') {
        (void)va_arg(va->ap, const char *);
        if (**format != 's' && **format != 't') {
            return false;
        }
        (*format)++;
        (void)va_arg(va->ap, void *);
        if (**format == '#') {
            (*format)++;
            (void)va_arg(va->ap, Py_ssize_t *);
        }
        return true;
    }
    if (!code || !strchr("bBhHiIlLnpkKfdDcCszySYUwO", code) ||
        (code == 'w' && **format != '*')) {
        return false;
    }
    (void)va_arg(va->ap, void *);
    if (code == 'O' && (**format == '!' || **format == '&')) {
        (*format)++;
        (void)va_arg(va->ap, void *);
    } else if ((code == 's' || code == 'z' || code == 'y' || code == 'w') &&
               **format == '*') {
        (*format)++;
    } else if ((code == 's' || code == 'z' || code == 'y') && **format == '#') {
        (*format)++;
        (void)va_arg(va->ap, Py_ssize_t *);
    }
    return true;
}

#define MAX_KEYWORDS 64

static bool
at_end(const char *format)
{
    return !*format || *format == ':' || *format == ';';
}

/* Walks format and names side by side: what is wrong with a format shows when it is reached. */
static bool
walk_keywords(PyObject *const *args, Py_ssize_t nargs, const Keywords *kw,
              const char *format, const char *const *names, const char *fname,
              const char *message, Va *va, Cleanups *undo)
{
    const char *called = fname ? fname : "function", *paren = fname ? "()" : "";
    int total = 0, nposonly = 0;
    for (; names[total]; total++) {
        if (!names[total][0]) {
            if (total != nposonly) {
                PyErr_SetString(PyExc_SystemError, "Empty keyword parameter name");
                return false;
            }
            nposonly++;
        }
    }
    Py_ssize_t left = keyword_count(kw);
    if (nargs + left > total) {
        PyErr_Format(PyExc_TypeError, "%.200s%s takes at most %d %sargument%s (%zd given)",
                     called, paren, total, nargs == 0 ? "keyword " : "",
                     total == 1 ? "" : "s", nargs + left);
        return false;
    }
    int min = INT_MAX, max = INT_MAX;
    bool missing_posonly = false;
    Complaint why;
    begin_complaint(&why);
    for (int i = 0; i < total; i++) {
        if (*format == '|') {
            if (min != INT_MAX || max != INT_MAX) {
                PyErr_SetString(PyExc_SystemError,
                                min != INT_MAX
                                    ? "Invalid format string (| specified twice)"
                                    : "Invalid format string ($ before |)");
                return false;
            }
            min = i;
            format++;
        }
        if (*format == '$') {
            if (max != INT_MAX) {
                PyErr_SetString(PyExc_SystemError,
                                "Invalid format string ($ specified twice)");
                return false;
            }
            max = i;
            format++;
            if (max < nposonly) {
                PyErr_SetString(PyExc_SystemError, "Empty parameter name after $");
                return false;
            }
            if (missing_posonly) {
                break; /* only the limits were still wanted */
            }
            if (nargs > max) {
                if (max == 0) {
                    PyErr_Format(PyExc_TypeError, "%.200s%s takes no positional arguments",
                                 called, paren);
                } else {
                    PyErr_Format(PyExc_TypeError,
                                 "%.200s%s takes %s %d positional argument%s (%zd given)",
                                 called, paren, min != INT_MAX ? "at most" : "exactly", max,
                                 max == 1 ? "" : "s", nargs);
                }
                return false;
            }
        }
        if (at_end(format)) {
            PyErr_Format(PyExc_SystemError,
                         "More keyword list entries (%d) than format specifiers (%d)", total,
                         i);
            return false;
        }
        PyObject *arg = NULL;
        if (!missing_posonly) {
            if (i < nargs) {
                arg = args[i];
            } else if (left && i >= nposonly) {
                int r = find_keyword(kw, names[i], &arg);
                if (r < 0) {
                    return false;
                }
                left -= r;
            }
            if (arg) {
                if (convert_item(arg, &format, va, undo, 0, &why) < 0) {
                    raise_complaint(&why, i + 1, fname, message);
                    return false;
                }
                continue;
            }
            if (i < min) {
                if (i >= nposonly) {
                    PyErr_Format(PyExc_TypeError,
                                 "%.200s%s missing required argument '%s' (pos %d)", called,
                                 paren, names[i], i + 1);
                    return false;
                }
                missing_posonly = true; /* the message wants the limits: go on */
            }
            if (!left && !missing_posonly) {
                return true;
            }
        }
        const char *unit = format;
        if (!skip_one(&format, va)) {
            PyErr_Format(PyExc_SystemError, "impossible<bad format char>: '%s'", unit);
            return false;
        }
    }
    if (missing_posonly) {
        int limit = Py_MIN(nposonly, min);
        PyErr_Format(PyExc_TypeError, "%.200s%s takes %s %d positional argument%s (%zd given)",
                     called, paren, limit < Py_MIN(max, total) ? "at least" : "exactly", limit,
                     limit == 1 ? "" : "s", nargs);
        return false;
    }
    if (!at_end(format) && *format != '|' && *format != '$') {
        PyErr_Format(PyExc_SystemError,
                     "more argument specifiers than keyword list entries "
                     "(remaining format:'%s')",
                     format);
        return false;
    }
    if (left) {
        raise_left_over(fname, paren, names, nposonly, nargs, kw, false);
        return false;
    }
    return true;
}

static int
parse_keywords(PyObject *const *args, Py_ssize_t nargs, const Keywords *kw,
               const char *format, const char *const *names, va_list ap)
{
    const char *tail = format;
    while (!at_end(tail)) {
        tail++;
    }
    Cleanups undo;
    begin_cleanups(&undo);
    Va va;
    va_copy(va.ap, ap);
    bool ok = walk_keywords(args, nargs, kw, format, names, *tail == ':' ? tail + 1 : NULL,
                            *tail == ';' ? tail + 1 : NULL, &va, &undo);
    va_end(va.ap);
    finish_cleanups(&undo, !ok);
    return ok;
}

int
PyArg_VaParseTupleAndKeywords(PyObject *args, PyObject *kwargs, const char *format,
                              PY_CXX_CONST char *const *kwlist, va_list ap)
{
    if (!args || !PyTuple_Check(args) || (kwargs && !PyDict_Check(kwargs)) || !format ||
        !kwlist) {
        PyErr_BadInternalCall();
        return 0;
    }
    Keywords kw = {NULL, NULL, kwargs};
    return parse_keywords(((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args), &kw,
                          format, (const char *const *)kwlist, ap);
}

int
PyArg_ParseTupleAndKeywords(PyObject *args, PyObject *kwargs, const char *format,
                            PY_CXX_CONST char *const *kwlist, ...)
{
    va_list ap;
    va_start(ap, kwlist);
    int ok = PyArg_VaParseTupleAndKeywords(args, kwargs, format, kwlist, ap);
    va_end(ap);
    return ok;
}

/* The names of a _PyArg_Parser: its keywords array, or derived from its kwtuple. */
static int
parser_names(struct _PyArg_Parser *parser, const char **names, int room)
{
    if (parser->keywords) {
        int n = 0;
        while (parser->keywords[n] && n < room - 1) {
            names[n] = parser->keywords[n];
            n++;
        }
        names[n] = NULL;
        return n;
    }
    int n = 0;
    for (; n < parser->pos && n < room - 1; n++) {
        names[n] = "";
    }
    Py_ssize_t k = PyTuple_GET_SIZE(parser->kwtuple);
    for (Py_ssize_t i = 0; i < k && n < room - 1; i++, n++) {
        names[n] = PyUnicode_AsUTF8(PyTuple_GET_ITEM(parser->kwtuple, i));
        if (!names[n]) {
            return -1;
        }
    }
    names[n] = NULL;
    return n;
}

int
_PyArg_ParseTupleAndKeywordsFast(PyObject *args, PyObject *kwargs,
                                 struct _PyArg_Parser *parser, ...)
{
    const char *names[MAX_KEYWORDS + 1];
    if (parser_names(parser, names, MAX_KEYWORDS + 1) < 0) {
        return 0;
    }
    va_list ap;
    va_start(ap, parser);
    Keywords kw = {NULL, NULL, kwargs};
    int ok = parse_keywords(((PyTupleObject *)args)->ob_item, PyTuple_GET_SIZE(args), &kw,
                            parser->format, names, ap);
    va_end(ap);
    return ok;
}

PyAPI_FUNC(int) _PyArg_ParseStackAndKeywords(PyObject *const *args, Py_ssize_t nargs,
                                             PyObject *kwnames,
                                             struct _PyArg_Parser *parser, ...);
int
_PyArg_ParseStackAndKeywords(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                             struct _PyArg_Parser *parser, ...)
{
    const char *names[MAX_KEYWORDS + 1];
    if (parser_names(parser, names, MAX_KEYWORDS + 1) < 0) {
        return 0;
    }
    va_list ap;
    va_start(ap, parser);
    Keywords kw = {kwnames, args + nargs, NULL};
    int ok = parse_keywords(args, nargs, &kw, parser->format, names, ap);
    va_end(ap);
    return ok;
}

PyAPI_FUNC(PyObject *const *)
_PyArg_UnpackKeywords(PyObject *const *args, Py_ssize_t nargs, PyObject *kwargs,
                      PyObject *kwnames, struct _PyArg_Parser *parser, int minpos,
                      int maxpos, int minkw, int varpos, PyObject **buf);

/* As the code that Argument Clinic writes expects: the array of values by parameter, NULL
 * where absent, or NULL with TypeError. args itself when it already has that form. */
PyObject *const *
_PyArg_UnpackKeywords(PyObject *const *args, Py_ssize_t nargs, PyObject *kwargs,
                      PyObject *kwnames, struct _PyArg_Parser *parser, int minpos,
                      int maxpos, int minkw, int varpos, PyObject **buf)
{
    if (kwnames && !kwargs && PyTuple_GET_SIZE(kwnames) == 0) {
        kwnames = NULL;
    }
    if (kwargs && PyDict_GET_SIZE(kwargs) == 0) {
        kwargs = NULL;
    }
    if (!args && nargs == 0) {
        args = buf;
    }
    const char *names[MAX_KEYWORDS + 1];
    int total = parser_names(parser, names, MAX_KEYWORDS + 1);
    if (total < 0) {
        return NULL;
    }
    if (!kwargs && !kwnames && minkw == 0 && minpos <= nargs && nargs <= maxpos &&
        nargs == total) {
        return args;
    }
    Keywords kw = {kwargs ? NULL : kwnames, args + nargs, kwargs};
    Py_ssize_t npositional = varpos && nargs > maxpos ? maxpos : nargs;
    if (bind(parser->fname ? parser->fname : "function", parser->fname ? "()" : "",
             names, maxpos, minpos, minkw, varpos, args, npositional, &kw, buf) < 0) {
        return NULL;
    }
    return buf;
}

int
nj_args_parse(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
              const char *format, char *const *names, ...)
{
    va_list ap;
    va_start(ap, names);
    Keywords kw = {kwnames, args + nargs, NULL};
    int ok = parse_keywords(args, nargs, &kw, format, (const char *const *)names, ap);
    va_end(ap);
    return ok;
}

/* ---- unpacking and validation ------------------------------------------------------ */

int
PyArg_ValidateKeywordArguments(PyObject *kwargs)
{
    if (!PyDict_Check(kwargs)) {
        PyErr_BadInternalCall();
        return 0;
    }
    Py_ssize_t pos = 0;
    PyObject *key;
    while (PyDict_Next(kwargs, &pos, &key, NULL)) {
        if (!PyUnicode_Check(key)) {
            PyErr_SetString(PyExc_TypeError, "keywords must be strings");
            return 0;
        }
    }
    return 1;
}

int
PyArg_UnpackTuple(PyObject *args, const char *name, Py_ssize_t min, Py_ssize_t max, ...)
{
    if (!PyTuple_Check(args)) {
        PyErr_SetString(PyExc_SystemError,
                        "PyArg_UnpackTuple() argument list is not a tuple");
        return 0;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!_PyArg_CheckPositional(name, n, min, max)) {
        return 0;
    }
    va_list ap;
    va_start(ap, max);
    for (Py_ssize_t i = 0; i < n; i++) {
        *va_arg(ap, PyObject **) = PyTuple_GET_ITEM(args, i);
    }
    va_end(ap);
    return 1;
}

/* ---- names of the old size-less ABI ------------------------------------------------ */

PyAPI_FUNC(int) _PyArg_Parse_SizeT(PyObject *, const char *, ...);
PyAPI_FUNC(int) _PyArg_ParseTuple_SizeT(PyObject *, const char *, ...);
PyAPI_FUNC(int) _PyArg_ParseTupleAndKeywords_SizeT(PyObject *, PyObject *, const char *,
                                                   PY_CXX_CONST char *const *, ...);
PyAPI_FUNC(int) _PyArg_VaParse_SizeT(PyObject *, const char *, va_list);
PyAPI_FUNC(int) _PyArg_VaParseTupleAndKeywords_SizeT(PyObject *, PyObject *,
                                                     const char *,
                                                     PY_CXX_CONST char *const *, va_list);

int
_PyArg_Parse_SizeT(PyObject *arg, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int ok = parse_stack(&arg, arg != NULL, format, ap, true);
    va_end(ap);
    return ok;
}

int
_PyArg_ParseTuple_SizeT(PyObject *args, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int ok = parse_tuple(args, format, ap);
    va_end(ap);
    return ok;
}

int
_PyArg_ParseTupleAndKeywords_SizeT(PyObject *args, PyObject *kwargs, const char *format,
                                   PY_CXX_CONST char *const *kwlist, ...)
{
    va_list ap;
    va_start(ap, kwlist);
    int ok = PyArg_VaParseTupleAndKeywords(args, kwargs, format, kwlist, ap);
    va_end(ap);
    return ok;
}

int
_PyArg_VaParse_SizeT(PyObject *args, const char *format, va_list ap)
{
    return parse_tuple(args, format, ap);
}

int
_PyArg_VaParseTupleAndKeywords_SizeT(PyObject *args, PyObject *kwargs,
                                     const char *format,
                                     PY_CXX_CONST char *const *kwlist, va_list ap)
{
    return PyArg_VaParseTupleAndKeywords(args, kwargs, format, kwlist, ap);
}

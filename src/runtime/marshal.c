/* marshal.c - the format of .pyc files: PyMarshal_* and the marshal module.
 *
 * Version 5, byte-compatible in both directions. An object is a type byte (bit 7: "give
 * me the next reference number") and its data; 'r' refers back. Integers are
 * little-endian, long ones in 15-bit digits. Code objects carry the fields of 3.11 and
 * later. Only objects somebody else holds, too, get reference numbers when written.
 *
 * Reading trusts nothing: sizes are checked against what is left before memory is
 * allocated for them, references must point to finished objects, and depth is bounded.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <marshal.h>

#include "capi/args.h"
#include "objects/code_int.h"

enum {
    T_NULL = '0',
    T_NONE = 'N',
    T_FALSE = 'F',
    T_TRUE = 'T',
    T_STOPITER = 'S',
    T_ELLIPSIS = '.',
    T_INT = 'i',
    T_INT64 = 'I',
    T_FLOAT = 'f',
    T_BINARY_FLOAT = 'g',
    T_COMPLEX = 'x',
    T_BINARY_COMPLEX = 'y',
    T_LONG = 'l',
    T_STRING = 's',
    T_INTERNED = 't',
    T_REF = 'r',
    T_TUPLE = '(',
    T_LIST = '[',
    T_DICT = '{',
    T_CODE = 'c',
    T_UNICODE = 'u',
    T_UNKNOWN = '?',
    T_SET = '<',
    T_FROZENSET = '>',
    T_ASCII = 'a',
    T_ASCII_INTERNED = 'A',
    T_SMALL_TUPLE = ')',
    T_SHORT_ASCII = 'z',
    T_SHORT_ASCII_INTERNED = 'Z',
    T_SLICE = ':',
    FLAG_REF = 0x80
};

#define MAX_DEPTH 2000
#define SIZE32_MAX 0x7FFFFFFF

/* ---- writing ------------------------------------------------------------------------- */

enum { WE_OK, WE_UNMARSHALLABLE, WE_NESTED, WE_NOMEMORY, WE_CODE, WE_SET };

typedef struct Writer {
    FILE *fp;
    char *buf;
    Py_ssize_t len;
    Py_ssize_t cap;
    int error;
    int depth;
    int version;
    bool allow_code;
    /* Reference numbers by address: open addressing. */
    struct {
        PyObject *key; /* owned: addresses must not be reused meanwhile */
        int index;
        bool busy;     /* code or slice being written: cannot be referred to yet */
    } *refs;
    size_t refs_mask;
    int nrefs;
} Writer;

static bool
reserve(Writer *w, Py_ssize_t n)
{
    if (w->cap - w->len >= n) {
        return true;
    }
    Py_ssize_t cap = w->cap + w->cap / 2 + n + 64;
    char *fresh = PyMem_Realloc(w->buf, cap);
    if (fresh == NULL) {
        w->error = WE_NOMEMORY;
        return false;
    }
    w->buf = fresh;
    w->cap = cap;
    return true;
}

static void
w_bytes(const void *p, Py_ssize_t n, Writer *w)
{
    if (n > 0 && reserve(w, n)) {
        memcpy(w->buf + w->len, p, n);
        w->len += n;
    }
}

static void
w_byte(int c, Writer *w)
{
    if (reserve(w, 1)) {
        w->buf[w->len++] = (char)c;
    }
}

static void
w_short(int x, Writer *w)
{
    w_byte(x & 0xff, w);
    w_byte((x >> 8) & 0xff, w);
}

static void
w_long(long x, Writer *w)
{
    unsigned char b[4] = {(unsigned char)x, (unsigned char)(x >> 8), (unsigned char)(x >> 16),
                          (unsigned char)(x >> 24)};
    w_bytes(b, 4, w);
}

static bool
w_size(Py_ssize_t n, Writer *w)
{
    if (n > SIZE32_MAX) {
        w->depth--;
        w->error = WE_UNMARSHALLABLE;
        return false;
    }
    w_long((long)n, w);
    return true;
}

static void
w_double(double x, Writer *w)
{
    char b[8];
    if (PyFloat_Pack8(x, b, 1) < 0) {
        w->error = WE_UNMARSHALLABLE;
        return;
    }
    w_bytes(b, 8, w);
}

static bool
grow_refs(Writer *w)
{
    size_t size = w->refs == NULL ? 256 : (w->refs_mask + 1) * 2;
    __typeof__(w->refs) old = w->refs;
    __typeof__(w->refs) fresh = PyMem_Calloc(size, sizeof(*fresh));
    if (fresh == NULL) {
        w->error = WE_NOMEMORY;
        return false;
    }
    for (size_t i = 0; old != NULL && i <= w->refs_mask; i++) {
        if (old[i].key != NULL) {
            size_t k = ((uintptr_t)old[i].key >> 4) * 0x9E3779B1u & (size - 1);
            while (fresh[k].key != NULL) {
                k = (k + 1) & (size - 1);
            }
            fresh[k] = old[i];
        }
    }
    PyMem_Free(old);
    w->refs = fresh;
    w->refs_mask = size - 1;
    return true;
}

/* True when the object was written before (a reference goes out instead). */
static bool
w_ref(PyObject *v, int *flag, Writer *w)
{
    if (w->version < 3 || Py_REFCNT(v) == 1) {
        return false;
    }
    if ((w->refs == NULL || (size_t)w->nrefs * 2 > w->refs_mask) && !grow_refs(w)) {
        return true;
    }
    size_t k = ((uintptr_t)v >> 4) * 0x9E3779B1u & w->refs_mask;
    for (; w->refs[k].key != NULL; k = (k + 1) & w->refs_mask) {
        if (w->refs[k].key == v) {
            if (w->refs[k].busy) {
                w->error = WE_UNMARSHALLABLE;
                return true;
            }
            w_byte(T_REF, w);
            w_long(w->refs[k].index, w);
            return true;
        }
    }
    w->refs[k].key = Py_NewRef(v);
    w->refs[k].index = w->nrefs++;
    w->refs[k].busy = PyCode_Check(v) || PySlice_Check(v);
    *flag = FLAG_REF;
    return false;
}

/* A code object or slice is complete. */
static void
w_done(PyObject *v, Writer *w)
{
    if (w->refs == NULL) {
        return;
    }
    size_t k = ((uintptr_t)v >> 4) * 0x9E3779B1u & w->refs_mask;
    for (; w->refs[k].key != NULL; k = (k + 1) & w->refs_mask) {
        if (w->refs[k].key == v) {
            w->refs[k].busy = false;
            return;
        }
    }
}

static void w_object(PyObject *v, Writer *w);

static void
w_int(PyObject *v, int flag, Writer *w)
{
    int overflow;
    long x = PyLong_AsLongAndOverflow(v, &overflow);
    if (!overflow && x >= -0x80000000L && x <= 0x7FFFFFFFL) {
        w_byte(T_INT | flag, w);
        w_long(x, w);
        return;
    }
    PyLongObject *o = (PyLongObject *)v;
    Py_ssize_t n = (Py_ssize_t)(o->long_value.lv_tag >> 3);
    bool negative = (o->long_value.lv_tag & 3) == 2;
    const digit *d = o->long_value.ob_digit;
    /* Each 30-bit digit is two of 15; the top half may be empty. */
    Py_ssize_t n15 = (n - 1) * 2 + (d[n - 1] >> 15 ? 2 : 1);
    w_byte(T_LONG | flag, w);
    if (n15 > SIZE32_MAX) {
        w->depth--;
        w->error = WE_UNMARSHALLABLE;
        return;
    }
    w_long(negative ? -(long)n15 : (long)n15, w);
    for (Py_ssize_t i = 0; i < n15; i++) {
        w_short((int)(d[i / 2] >> (i & 1 ? 15 : 0)) & 0x7fff, w);
    }
}

static void
w_str(PyObject *v, int flag, Writer *w)
{
    bool interned = PyUnicode_CHECK_INTERNED(v) != 0;
    if (w->version >= 4 && PyUnicode_IS_ASCII(v)) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(v);
        if (n < 256) {
            w_byte((interned ? T_SHORT_ASCII_INTERNED : T_SHORT_ASCII) | flag, w);
            w_byte((int)n, w);
        }
        else {
            w_byte((interned ? T_ASCII_INTERNED : T_ASCII) | flag, w);
            if (!w_size(n, w)) {
                return;
            }
        }
        w_bytes(PyUnicode_DATA(v), n, w);
        return;
    }
    NJ_OWN utf8 = PyUnicode_AsEncodedString(v, "utf8", "surrogatepass");
    if (utf8 == NULL) {
        w->depth--;
        w->error = WE_UNMARSHALLABLE;
        return;
    }
    w_byte((w->version >= 3 && interned ? T_INTERNED : T_UNICODE) | flag, w);
    if (w_size(PyBytes_GET_SIZE(utf8), w)) {
        w_bytes(PyBytes_AS_STRING(utf8), PyBytes_GET_SIZE(utf8), w);
    }
}

/* Items in the order of their marshalled form, so that equal sets give equal bytes. */
static void
w_set(PyObject *v, int flag, Writer *w)
{
    w_byte((PyFrozenSet_CheckExact(v) ? T_FROZENSET : T_SET) | flag, w);
    if (!w_size(PySet_GET_SIZE(v), w)) {
        return;
    }
    NJ_OWN pairs = PyList_New(0);
    NJ_OWN it = pairs ? PyObject_GetIter(v) : NULL;
    while (it != NULL) {
        NJ_OWN item = PyIter_Next(it);
        if (item == NULL) {
            break;
        }
        NJ_OWN dump = PyMarshal_WriteObjectToString(item, w->version);
        if (dump == NULL) {
            w->error = PyErr_ExceptionMatches(PyExc_ValueError) && !w->allow_code
                           ? WE_UNMARSHALLABLE
                           : WE_SET;
            return;
        }
        NJ_OWN pair = PyTuple_Pack(2, dump, item);
        if (pair == NULL || PyList_Append(pairs, pair) < 0) {
            w->error = WE_NOMEMORY;
            return;
        }
    }
    if (it == NULL || PyErr_Occurred() || PyList_Sort(pairs) < 0) {
        w->error = WE_SET;
        return;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++) {
        w_object(PyTuple_GET_ITEM(PyList_GET_ITEM(pairs, i), 1), w);
    }
}

static void
w_code(PyCodeObject *co, int flag, Writer *w)
{
    if (!w->allow_code) {
        w->error = WE_CODE;
        return;
    }
    NJ_OWN code = PyCode_GetCode(co);
    if (code == NULL) {
        w->error = WE_NOMEMORY;
        return;
    }
    w_byte(T_CODE | flag, w);
    w_long(co->co_argcount, w);
    w_long(co->co_posonlyargcount, w);
    w_long(co->co_kwonlyargcount, w);
    w_long(co->co_stacksize, w);
    w_long(co->co_flags, w);
    w_object(code, w);
    w_object(co->co_consts, w);
    w_object(co->co_names, w);
    w_object(co->co_localsplusnames, w);
    w_object(co->co_localspluskinds, w);
    w_object(co->co_filename, w);
    w_object(co->co_name, w);
    w_object(co->co_qualname, w);
    w_long(co->co_firstlineno, w);
    w_object(co->co_linetable, w);
    w_object(co->co_exceptiontable, w);
}

static void
w_complex(PyObject *v, Writer *w)
{
    int flag = 0;
    if (w_ref(v, &flag, w)) {
        return;
    }
    if (PyLong_CheckExact(v)) {
        w_int(v, flag, w);
    }
    else if (PyFloat_CheckExact(v)) {
        if (w->version > 1) {
            w_byte(T_BINARY_FLOAT | flag, w);
            w_double(PyFloat_AS_DOUBLE(v), w);
        }
        else {
            w_byte(T_FLOAT | flag, w);
            char *s = PyOS_double_to_string(PyFloat_AS_DOUBLE(v), 'g', 17, 0, NULL);
            if (s == NULL) {
                w->error = WE_NOMEMORY;
                return;
            }
            w_byte((int)strlen(s), w);
            w_bytes(s, (Py_ssize_t)strlen(s), w);
            PyMem_Free(s);
        }
    }
    else if (PyComplex_CheckExact(v)) {
        Py_complex z = PyComplex_AsCComplex(v);
        if (w->version > 1) {
            w_byte(T_BINARY_COMPLEX | flag, w);
            w_double(z.real, w);
            w_double(z.imag, w);
        }
        else {
            w_byte(T_COMPLEX | flag, w);
            double parts[2] = {z.real, z.imag};
            for (int i = 0; i < 2; i++) {
                char *s = PyOS_double_to_string(parts[i], 'g', 17, 0, NULL);
                if (s == NULL) {
                    w->error = WE_NOMEMORY;
                    return;
                }
                w_byte((int)strlen(s), w);
                w_bytes(s, (Py_ssize_t)strlen(s), w);
                PyMem_Free(s);
            }
        }
    }
    else if (PyBytes_CheckExact(v)) {
        w_byte(T_STRING | flag, w);
        if (w_size(PyBytes_GET_SIZE(v), w)) {
            w_bytes(PyBytes_AS_STRING(v), PyBytes_GET_SIZE(v), w);
        }
    }
    else if (PyUnicode_CheckExact(v)) {
        w_str(v, flag, w);
    }
    else if (PyTuple_CheckExact(v)) {
        Py_ssize_t n = PyTuple_GET_SIZE(v);
        if (w->version >= 4 && n < 256) {
            w_byte(T_SMALL_TUPLE | flag, w);
            w_byte((int)n, w);
        }
        else {
            w_byte(T_TUPLE | flag, w);
            if (!w_size(n, w)) {
                return;
            }
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            w_object(PyTuple_GET_ITEM(v, i), w);
        }
    }
    else if (PyList_CheckExact(v)) {
        w_byte(T_LIST | flag, w);
        Py_ssize_t n = PyList_GET_SIZE(v);
        if (!w_size(n, w)) {
            return;
        }
        for (Py_ssize_t i = 0; i < n && i < PyList_GET_SIZE(v); i++) {
            w_object(PyList_GET_ITEM(v, i), w);
        }
    }
    else if (PyDict_CheckExact(v)) {
        w_byte(T_DICT | flag, w);
        Py_ssize_t at = 0;
        PyObject *key, *value;
        while (PyDict_Next(v, &at, &key, &value)) {
            w_object(key, w);
            w_object(value, w);
        }
        w_byte(T_NULL, w);
    }
    else if (PyAnySet_CheckExact(v)) {
        w_set(v, flag, w);
    }
    else if (PyCode_Check(v)) {
        w_code((PyCodeObject *)v, flag, w);
        w_done(v, w);
    }
    else if (PySlice_Check(v)) {
        if (w->version < 5) {
            w_byte(T_UNKNOWN, w);
            w->error = WE_UNMARSHALLABLE;
            return;
        }
        PySliceObject *s = (PySliceObject *)v;
        w_byte(T_SLICE | flag, w);
        w_object(s->start, w);
        w_object(s->stop, w);
        w_object(s->step, w);
        w_done(v, w);
    }
    else if (PyObject_CheckBuffer(v)) {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(v, &view, PyBUF_SIMPLE) < 0) {
            w_byte(T_UNKNOWN, w);
            w->depth--;
            w->error = WE_UNMARSHALLABLE;
            return;
        }
        w_byte(T_STRING | flag, w);
        if (w_size(view.len, w)) {
            w_bytes(view.buf, view.len, w);
        }
    }
    else {
        w_byte(T_UNKNOWN, w);
        w->error = WE_UNMARSHALLABLE;
    }
}

static void
w_object(PyObject *v, Writer *w)
{
    if (w->error != WE_OK) {
        return;
    }
    if (w->depth >= MAX_DEPTH) {
        w->error = WE_NESTED;
        return;
    }
    w->depth++;
    if (v == NULL) {
        w_byte(T_NULL, w);
    }
    else if (v == Py_None) {
        w_byte(T_NONE, w);
    }
    else if (v == PyExc_StopIteration) {
        w_byte(T_STOPITER, w);
    }
    else if (v == Py_Ellipsis) {
        w_byte(T_ELLIPSIS, w);
    }
    else if (v == Py_False) {
        w_byte(T_FALSE, w);
    }
    else if (v == Py_True) {
        w_byte(T_TRUE, w);
    }
    else {
        w_complex(v, w);
    }
    w->depth--;
}

static void
free_writer(Writer *w)
{
    for (size_t i = 0; w->refs != NULL && i <= w->refs_mask; i++) {
        Py_XDECREF(w->refs[i].key);
    }
    PyMem_Free(w->refs);
    PyMem_Free(w->buf);
}

static PyObject *
dump_object(PyObject *x, int version, bool allow_code)
{
    if (PySys_Audit("marshal.dumps", "Oi", x, version) < 0) {
        return NULL;
    }
    Writer w = {.version = version, .allow_code = allow_code};
    w_object(x, &w);
    PyObject *r = NULL;
    if (w.error == WE_OK) {
        r = PyBytes_FromStringAndSize(w.buf, w.len);
    }
    else if (w.error == WE_NOMEMORY) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
    }
    else if (!PyErr_Occurred() || w.error != WE_SET) {
        PyErr_SetString(PyExc_ValueError,
                        w.error == WE_UNMARSHALLABLE ? "unmarshallable object"
                        : w.error == WE_CODE ? "marshalling code objects is disallowed"
                                            : "object too deeply nested to marshal");
    }
    free_writer(&w);
    return r;
}

PyObject *
PyMarshal_WriteObjectToString(PyObject *x, int version)
{
    return dump_object(x, version, true);
}

void
PyMarshal_WriteLongToFile(long x, FILE *fp, int version)
{
    Writer w = {.version = version};
    w_long(x, &w);
    if (w.error == WE_OK) {
        (void)fwrite(w.buf, 1, w.len, fp);
    }
    free_writer(&w);
}

void
PyMarshal_WriteObjectToFile(PyObject *x, FILE *fp, int version)
{
    if (PySys_Audit("marshal.dumps", "Oi", x, version) < 0) {
        return;
    }
    Writer w = {.version = version, .allow_code = true};
    w_object(x, &w);
    (void)fwrite(w.buf, 1, w.len, fp);
    free_writer(&w);
}

/* ---- reading ------------------------------------------------------------------------- */

typedef struct Reader {
    FILE *fp;
    PyObject *readable; /* has readinto(); borrowed */
    const char *ptr;
    const char *end;
    char *buf;          /* owned, for fp and readable */
    Py_ssize_t buf_size;
    PyObject *refs;     /* list; None marks an object not finished */
    int depth;
    bool allow_code;
} Reader;

static const char *
r_string(Py_ssize_t n, Reader *r)
{
    if (r->ptr != NULL) {
        if (r->end - r->ptr < n) {
            PyErr_SetString(PyExc_EOFError, "marshal data too short");
            return NULL;
        }
        const char *s = r->ptr;
        r->ptr += n;
        return s;
    }
    if (r->buf == NULL || r->buf_size < n) {
        char *fresh = PyMem_Realloc(r->buf, n ? n : 1);
        if (fresh == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        r->buf = fresh;
        r->buf_size = n;
    }
    Py_ssize_t got;
    if (r->readable == NULL) {
        got = (Py_ssize_t)fread(r->buf, 1, n, r->fp);
    }
    else {
        NJ_OWN view = PyMemoryView_FromMemory(r->buf, n, PyBUF_WRITE);
        NJ_OWN res = view == NULL ? NULL
                                  : PyObject_CallMethod(r->readable, "readinto", "O", view);
        if (res == NULL) {
            return NULL;
        }
        got = PyNumber_AsSsize_t(res, PyExc_ValueError);
        if (got == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (got != n) {
        if (got > n) {
            PyErr_Format(PyExc_ValueError,
                         "read() returned too much data: %zd bytes requested, %zd returned",
                         n, got);
        }
        else {
            PyErr_SetString(PyExc_EOFError, "EOF read where not expected");
        }
        return NULL;
    }
    return r->buf;
}

static int
r_byte(Reader *r)
{
    if (r->ptr != NULL) {
        if (r->ptr < r->end) {
            return (unsigned char)*r->ptr++;
        }
        PyErr_SetString(PyExc_EOFError, "EOF read where not expected");
        return -1;
    }
    if (r->readable == NULL) {
        int c = getc(r->fp);
        if (c == EOF) {
            PyErr_SetString(PyExc_EOFError, "EOF read where not expected");
        }
        return c;
    }
    const char *s = r_string(1, r);
    return s == NULL ? -1 : (unsigned char)*s;
}

static int
r_short(Reader *r)
{
    const unsigned char *s = (const unsigned char *)r_string(2, r);
    return s == NULL ? -1 : (int16_t)(s[0] | s[1] << 8);
}

static long
r_long(Reader *r)
{
    const unsigned char *s = (const unsigned char *)r_string(4, r);
    if (s == NULL) {
        return -1;
    }
    return (int32_t)((uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 |
                     (uint32_t)s[3] << 24);
}

static void
bad_data(const char *what)
{
    PyErr_Format(PyExc_ValueError, "bad marshal data (%s)", what);
}

/* A count of things; -1 with an exception. */
static Py_ssize_t
r_count(Reader *r, const char *what)
{
    long n = r_long(r);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (n < 0 || n > SIZE32_MAX) {
        PyErr_Format(PyExc_ValueError, "bad marshal data (%s size out of range)", what);
        return -1;
    }
    return n;
}

static PyObject *r_object(Reader *r);

/* Each item takes at least one byte: refuses sizes that the data cannot hold, with the
 * error of the item that the data ends in. */
static int
check_room(Reader *r, Py_ssize_t n, const char *what)
{
    if (r->ptr == NULL || r->end - r->ptr >= n) {
        return 0;
    }
    PyObject *item;
    while ((item = r_object(r)) != NULL) {
        Py_DECREF(item);
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "NULL object in marshal data for %s", what);
    }
    return -1;
}

static PyObject *
r_int(Reader *r)
{
    long n = r_long(r);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n == 0) {
        return PyLong_FromLong(0);
    }
    if (n < -SIZE32_MAX || n > SIZE32_MAX) {
        bad_data("long size out of range");
        return NULL;
    }
    bool negative = n < 0;
    Py_ssize_t n15 = negative ? -n : n, n30 = (n15 + 1) / 2;
    if (r->ptr != NULL && (r->end - r->ptr) / 2 < n15) {
        PyErr_SetString(PyExc_EOFError, "marshal data too short");
        return NULL;
    }
    void *raw;
    PyLongWriter *lw = PyLongWriter_Create(negative, n30, &raw);
    if (lw == NULL) {
        return NULL;
    }
    digit *d = raw;
    memset(d, 0, n30 * sizeof(digit));
    for (Py_ssize_t i = 0; i < n15; i++) {
        int md = r_short(r);
        if (md < 0) {
            PyLongWriter_Discard(lw);
            if (!PyErr_Occurred()) {
                bad_data("digit out of range in long");
            }
            return NULL;
        }
        if (md == 0 && i == n15 - 1) {
            PyLongWriter_Discard(lw);
            bad_data("unnormalized long data");
            return NULL;
        }
        d[i / 2] |= (digit)md << (i & 1 ? 15 : 0);
    }
    return PyLongWriter_Finish(lw);
}

static int
r_double(Reader *r, double *out)
{
    const char *s = r_string(8, r);
    if (s == NULL) {
        return -1;
    }
    *out = PyFloat_Unpack8(s, 1);
    return *out == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static int
r_float_text(Reader *r, double *out)
{
    int n = r_byte(r);
    if (n < 0) {
        return -1;
    }
    const char *s = r_string(n, r);
    if (s == NULL) {
        return -1;
    }
    char buf[256];
    memcpy(buf, s, n);
    buf[n] = '\0';
    *out = PyOS_string_to_double(buf, NULL, NULL);
    return *out == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* Reserves the next reference number for an object that is still being read: its index
 * plus one, 0 when the flag is not set, -1 on error. */
static Py_ssize_t
r_reserve(int flag, Reader *r)
{
    if (!flag) {
        return 0;
    }
    Py_ssize_t index = PyList_GET_SIZE(r->refs);
    if (index >= 0x7ffffffe) {
        bad_data("index list too large");
        return -1;
    }
    return PyList_Append(r->refs, Py_None) < 0 ? -1 : index + 1;
}

static void
r_fill(PyObject *o, Py_ssize_t reserved, Reader *r)
{
    if (o != NULL && reserved > 0) {
        PyObject *old = PyList_GET_ITEM(r->refs, reserved - 1);
        PyList_SET_ITEM(r->refs, reserved - 1, Py_NewRef(o));
        Py_DECREF(old);
    }
}

/* A finished object enters the list. Steals and returns o. */
static PyObject *
r_ref(PyObject *o, int flag, Reader *r)
{
    if (o != NULL && flag && PyList_Append(r->refs, o) < 0) {
        Py_CLEAR(o);
    }
    return o;
}

static void
null_inside(const char *what)
{
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "NULL object in marshal data for %s", what);
    }
}

static PyObject *
r_str(Reader *r, Py_ssize_t n, bool ascii, bool interned)
{
    if (n == 0 && !interned) {
        return PyUnicode_FromStringAndSize(NULL, 0);
    }
    const char *s = r_string(n, r);
    if (s == NULL) {
        return NULL;
    }
    PyObject *v = ascii ? PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, s, n)
                        : PyUnicode_DecodeUTF8(s, n, "surrogatepass");
    if (v != NULL && interned) {
        PyUnicode_InternInPlace(&v);
    }
    return v;
}

static PyObject *
r_tuple(Reader *r, Py_ssize_t n, int flag)
{
    if (check_room(r, n, "tuple") < 0) {
        return NULL;
    }
    NJ_OWN v = r_ref(PyTuple_New(n), flag, r);
    for (Py_ssize_t i = 0; v != NULL && i < n; i++) {
        PyObject *item = r_object(r);
        if (item == NULL) {
            null_inside("tuple");
            return NULL;
        }
        PyTuple_SET_ITEM(v, i, item);
    }
    return NJ_TAKE(v);
}

static PyObject *
r_list(Reader *r, int flag)
{
    Py_ssize_t n = r_count(r, "list");
    if (n < 0 || check_room(r, n, "list") < 0) {
        return NULL;
    }
    NJ_OWN v = r_ref(PyList_New(n), flag, r);
    for (Py_ssize_t i = 0; v != NULL && i < n; i++) {
        PyObject *item = r_object(r);
        if (item == NULL) {
            null_inside("list");
            return NULL;
        }
        PyList_SET_ITEM(v, i, item);
    }
    return NJ_TAKE(v);
}

static PyObject *
r_dict(Reader *r, int flag)
{
    NJ_OWN v = r_ref(PyDict_New(), flag, r);
    if (v == NULL) {
        return NULL;
    }
    for (;;) {
        NJ_OWN key = r_object(r);
        if (key == NULL) {
            break;
        }
        NJ_OWN value = r_object(r);
        if (value == NULL || PyDict_SetItem(v, key, value) < 0) {
            break;
        }
    }
    return PyErr_Occurred() ? NULL : NJ_TAKE(v);
}

static PyObject *
r_set(Reader *r, bool frozen, int flag)
{
    Py_ssize_t n = r_count(r, "set");
    if (n < 0 || check_room(r, n, "set") < 0) {
        return NULL;
    }
    NJ_OWN v = NULL;
    Py_ssize_t reserved = 0;
    if (n == 0 && frozen) {
        /* The empty frozenset may be shared: do not fill it. */
        v = r_ref(PyFrozenSet_New(NULL), flag, r);
        return NJ_TAKE(v);
    }
    v = frozen ? PyFrozenSet_New(NULL) : PySet_New(NULL);
    if (frozen) {
        NJ_OWN items = PyList_New(0);
        reserved = r_reserve(flag, r);
        if (items == NULL || reserved < 0) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            NJ_OWN item = r_object(r);
            if (item == NULL) {
                null_inside("set");
                return NULL;
            }
            if (PyList_Append(items, item) < 0) {
                return NULL;
            }
        }
        NJ_SET(v, PyFrozenSet_New(items));
        r_fill(v, reserved, r);
        return NJ_TAKE(v);
    }
    NJ_SET(v, r_ref(Py_XNewRef(v), flag, r));
    for (Py_ssize_t i = 0; v != NULL && i < n; i++) {
        NJ_OWN item = r_object(r);
        if (item == NULL) {
            null_inside("set");
            return NULL;
        }
        if (PySet_Add(v, item) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(v);
}

static int
r_code_int(Reader *r, int *out)
{
    long x = r_long(r);
    if (x == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = (int)x;
    return 0;
}

static PyObject *
r_code(Reader *r, int flag)
{
    if (!r->allow_code) {
        PyErr_SetString(PyExc_ValueError, "unmarshalling code objects is disallowed");
        return NULL;
    }
    Py_ssize_t reserved = r_reserve(flag, r);
    if (reserved < 0) {
        return NULL;
    }
    NjCodeSpec s = {0};
    PyObject *parts[10] = {NULL};
    PyObject *result = NULL;
    enum { CODE, CONSTS, NAMES, PLUS, KINDS, FILENAME, NAME, QUALNAME, LINES, EXCS };
    bool ok = r_code_int(r, &s.argcount) == 0 && r_code_int(r, &s.posonlyargcount) == 0 &&
              r_code_int(r, &s.kwonlyargcount) == 0 && r_code_int(r, &s.stacksize) == 0 &&
              r_code_int(r, &s.flags) == 0;
    for (int i = CODE; ok && i <= QUALNAME; i++) {
        parts[i] = r_object(r);
        ok = parts[i] != NULL;
    }
    ok = ok && r_code_int(r, &s.firstlineno) == 0;
    for (int i = LINES; ok && i <= EXCS; i++) {
        parts[i] = r_object(r);
        ok = parts[i] != NULL;
    }
    if (ok) {
        s.code = parts[CODE];
        s.consts = parts[CONSTS];
        s.names = parts[NAMES];
        s.localsplusnames = parts[PLUS];
        s.localspluskinds = parts[KINDS];
        s.filename = parts[FILENAME];
        s.name = parts[NAME];
        s.qualname = parts[QUALNAME];
        s.linetable = parts[LINES];
        s.exceptiontable = parts[EXCS];
        result = (PyObject *)nj_code_new(&s);
        r_fill(result, reserved, r);
    }
    else if (!PyErr_Occurred()) {
        null_inside("code object");
    }
    for (int i = 0; i < 10; i++) {
        Py_XDECREF(parts[i]);
    }
    return result;
}

static PyObject *
r_slice(Reader *r, int flag)
{
    Py_ssize_t reserved = r_reserve(flag, r);
    if (reserved < 0) {
        return NULL;
    }
    NJ_OWN start = r_object(r);
    NJ_OWN stop = start ? r_object(r) : NULL;
    NJ_OWN step = stop ? r_object(r) : NULL;
    if (step == NULL) {
        null_inside("slice");
        return NULL;
    }
    PyObject *v = PySlice_New(start, stop, step);
    r_fill(v, reserved, r);
    return v;
}

static PyObject *
r_typed(Reader *r, int type, int flag)
{
    Py_ssize_t n;
    double x, y;
    switch (type) {
    case T_NULL:
        return NULL;
    case T_NONE:
        return Py_NewRef(Py_None);
    case T_STOPITER:
        return Py_NewRef(PyExc_StopIteration);
    case T_ELLIPSIS:
        return Py_NewRef(Py_Ellipsis);
    case T_FALSE:
        return Py_NewRef(Py_False);
    case T_TRUE:
        return Py_NewRef(Py_True);
    case T_INT: {
        long v = r_long(r);
        return PyErr_Occurred() ? NULL : r_ref(PyLong_FromLong(v), flag, r);
    }
    case T_INT64: {
        const unsigned char *s = (const unsigned char *)r_string(8, r);
        if (s == NULL) {
            return NULL;
        }
        uint64_t u = 0;
        for (int i = 7; i >= 0; i--) {
            u = u << 8 | s[i];
        }
        return r_ref(PyLong_FromLongLong((int64_t)u), flag, r);
    }
    case T_LONG:
        return r_ref(r_int(r), flag, r);
    case T_FLOAT:
        return r_float_text(r, &x) < 0 ? NULL : r_ref(PyFloat_FromDouble(x), flag, r);
    case T_BINARY_FLOAT:
        return r_double(r, &x) < 0 ? NULL : r_ref(PyFloat_FromDouble(x), flag, r);
    case T_COMPLEX:
        if (r_float_text(r, &x) < 0 || r_float_text(r, &y) < 0) {
            return NULL;
        }
        return r_ref(PyComplex_FromDoubles(x, y), flag, r);
    case T_BINARY_COMPLEX:
        if (r_double(r, &x) < 0 || r_double(r, &y) < 0) {
            return NULL;
        }
        return r_ref(PyComplex_FromDoubles(x, y), flag, r);
    case T_STRING: {
        n = r_count(r, "bytes object");
        const char *s = n < 0 ? NULL : r_string(n, r);
        return s == NULL ? NULL : r_ref(PyBytes_FromStringAndSize(s, n), flag, r);
    }
    case T_ASCII:
    case T_ASCII_INTERNED:
        n = r_count(r, "string");
        return n < 0 ? NULL : r_ref(r_str(r, n, true, type == T_ASCII_INTERNED), flag, r);
    case T_SHORT_ASCII:
    case T_SHORT_ASCII_INTERNED:
        n = r_byte(r);
        return n < 0 ? NULL
                     : r_ref(r_str(r, n, true, type == T_SHORT_ASCII_INTERNED), flag, r);
    case T_INTERNED:
    case T_UNICODE:
        n = r_count(r, "string");
        return n < 0 ? NULL : r_ref(r_str(r, n, false, type == T_INTERNED), flag, r);
    case T_SMALL_TUPLE:
        n = r_byte(r);
        return n < 0 ? NULL : r_tuple(r, n, flag);
    case T_TUPLE:
        n = r_count(r, "tuple");
        return n < 0 ? NULL : r_tuple(r, n, flag);
    case T_LIST:
        return r_list(r, flag);
    case T_DICT:
        return r_dict(r, flag);
    case T_SET:
    case T_FROZENSET:
        return r_set(r, type == T_FROZENSET, flag);
    case T_CODE:
        return r_code(r, flag);
    case T_SLICE:
        return r_slice(r, flag);
    case T_REF: {
        n = r_long(r);
        if (n < 0 || n >= PyList_GET_SIZE(r->refs)) {
            if (!PyErr_Occurred()) {
                bad_data("invalid reference");
            }
            return NULL;
        }
        PyObject *v = PyList_GET_ITEM(r->refs, n);
        if (v == Py_None) {
            bad_data("invalid reference");
            return NULL;
        }
        return Py_NewRef(v);
    }
    default:
        bad_data("unknown type code");
        return NULL;
    }
}

static PyObject *
r_object(Reader *r)
{
    int code = r_byte(r);
    if (code < 0) {
        if (PyErr_ExceptionMatches(PyExc_EOFError)) {
            PyErr_SetString(PyExc_EOFError, "EOF read where object expected");
        }
        return NULL;
    }
    if (r->depth >= MAX_DEPTH) {
        PyErr_SetString(PyExc_ValueError, "recursion limit exceeded");
        return NULL;
    }
    r->depth++;
    PyObject *v = r_typed(r, code & ~FLAG_REF, code & FLAG_REF);
    r->depth--;
    return v;
}

static PyObject *
read_object(Reader *r)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (r->ptr != NULL) {
        if (PySys_Audit("marshal.loads", "y#", r->ptr, (Py_ssize_t)(r->end - r->ptr)) < 0) {
            return NULL;
        }
    }
    else if (PySys_Audit("marshal.load", NULL) < 0) {
        return NULL;
    }
    r->refs = PyList_New(0);
    if (r->refs == NULL) {
        return NULL;
    }
    PyObject *v = r_object(r);
    if (v == NULL) {
        null_inside("object");
    }
    Py_CLEAR(r->refs);
    PyMem_Free(r->buf);
    r->buf = NULL;
    return v;
}

int
PyMarshal_ReadShortFromFile(FILE *fp)
{
    Reader r = {.fp = fp};
    int v = r_short(&r);
    PyMem_Free(r.buf);
    return v;
}

long
PyMarshal_ReadLongFromFile(FILE *fp)
{
    Reader r = {.fp = fp};
    long v = r_long(&r);
    PyMem_Free(r.buf);
    return v;
}

PyObject *
PyMarshal_ReadObjectFromFile(FILE *fp)
{
    Reader r = {.fp = fp, .allow_code = true};
    return read_object(&r);
}

PyObject *
PyMarshal_ReadLastObjectFromFile(FILE *fp)
{
    return PyMarshal_ReadObjectFromFile(fp);
}

PyObject *
PyMarshal_ReadObjectFromString(const char *data, Py_ssize_t len)
{
    Reader r = {.ptr = data, .end = data + len, .allow_code = true};
    return read_object(&r);
}

/* ---- the module ---------------------------------------------------------------------- */

static PyObject *
marshal_dump(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *kw[] = {"", "", "", "allow_code", NULL};
    PyObject *value, *file;
    int version = Py_MARSHAL_VERSION, allow_code = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|i$p:dump", kw, &value, &file, &version,
                                     &allow_code)) {
        return NULL;
    }
    NJ_OWN s = dump_object(value, version, allow_code);
    return s == NULL ? NULL : PyObject_CallMethodOneArg(file, NJ_ID(write), s);
}

static PyObject *
marshal_dumps(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *kw[] = {"", "", "allow_code", NULL};
    PyObject *value;
    int version = Py_MARSHAL_VERSION, allow_code = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|i$p:dumps", kw, &value, &version,
                                     &allow_code)) {
        return NULL;
    }
    return dump_object(value, version, allow_code);
}

static PyObject *
marshal_load(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *kw[] = {"", "allow_code", NULL};
    PyObject *file;
    int allow_code = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$p:load", kw, &file, &allow_code)) {
        return NULL;
    }
    /* Only to see whether read() gives bytes. */
    NJ_OWN data = PyObject_CallMethod(file, "read", "i", 0);
    if (data == NULL) {
        return NULL;
    }
    if (!PyBytes_Check(data)) {
        PyErr_Format(PyExc_TypeError, "file.read() returned not bytes but %.100s",
                     Py_TYPE(data)->tp_name);
        return NULL;
    }
    Reader r = {.readable = file, .allow_code = allow_code};
    return read_object(&r);
}

static PyObject *
marshal_loads(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *kw[] = {"", "allow_code", NULL};
    NJ_OWN_BUF view = {0};
    int allow_code = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|$p:loads", kw, &view, &allow_code)) {
        return NULL;
    }
    Reader r = {
        .ptr = view.buf, .end = (char *)view.buf + view.len, .allow_code = allow_code};
    return read_object(&r);
}

#define METHOD(name, text)                                                             \
    {#name, (PyCFunction)(void (*)(void))marshal_##name, METH_VARARGS | METH_KEYWORDS, \
     PyDoc_STR(text)}

static PyMethodDef marshal_methods[] = {
    METHOD(dump, "dump($module, value, file, version=version, /, *, allow_code=True)\n--\n\n"
                 "Write the value on the open file."),
    METHOD(load, "load($module, file, /, *, allow_code=True)\n--\n\n"
                 "Read one value from the open file and return it."),
    METHOD(dumps, "dumps($module, value, version=version, /, *, allow_code=True)\n--\n\n"
                  "Return the bytes object that dump() would write."),
    METHOD(loads, "loads($module, bytes, /, *, allow_code=True)\n--\n\n"
                  "Convert the bytes-like object to a value."),
    {NULL, NULL, 0, NULL}};

static int
marshal_exec(PyObject *m)
{
    return PyModule_AddIntConstant(m, "version", Py_MARSHAL_VERSION);
}

static PyModuleDef_Slot marshal_slots[] = {
    {Py_mod_exec, marshal_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL}};

static PyModuleDef marshal_module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "marshal",
    .m_doc = PyDoc_STR("Read and write Python values in a binary format."),
    .m_methods = marshal_methods,
    .m_slots = marshal_slots};

PyMODINIT_FUNC PyMarshal_Init(void);

PyMODINIT_FUNC
PyMarshal_Init(void)
{
    return PyModuleDef_Init(&marshal_module);
}

/* _struct.c - the module _struct: C structures as bytes.
 *
 * A format is compiled into a list of codes (letter, where, how large, how often, which
 * byte order); packing and unpacking walk that list. One routine handles all integers:
 * they differ only in size, sign and byte order. Compiled formats of the module-level
 * functions are kept in a dict of up to 100.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <math.h>

#include "capi/args.h"

enum { CACHE_MAX = 100 };

/* What packing and unpacking ask first: the formats of a machine value in the byte order
 * of the machine. All others are looked at letter by letter. */
typedef enum Direct {
    INDIRECT,
    DIRECT_INT8,
    DIRECT_UINT8,
    DIRECT_INT16,
    DIRECT_UINT16,
    DIRECT_INT32,
    DIRECT_UINT32,
    DIRECT_INT64,
    DIRECT_UINT64,
    DIRECT_DOUBLE,
} Direct;

typedef struct Code {
    char letter;
    bool little;
    uint8_t is_signed;
    uint8_t direct;    /* a Direct */
    Py_ssize_t offset;
    Py_ssize_t size;   /* of one item; of 's' and 'p': the whole string */
    Py_ssize_t repeat; /* how many items */
} Code;

typedef struct Struct {
    PyObject_HEAD
    Py_ssize_t size;   /* -1: not initialized */
    Py_ssize_t nitems; /* values to pack */
    Code *codes;       /* ends with letter 0 */
    PyObject *format;  /* str */
    PyObject *weakrefs;
} Struct;

typedef struct UnpackIter {
    PyObject_HEAD
    Struct *so;
    Py_buffer buf;
    Py_ssize_t index;
} UnpackIter;

typedef struct State {
    PyObject *cache;
    PyTypeObject *struct_type;
    PyTypeObject *iter_type;
    PyObject *error;
} State;

static struct PyModuleDef struct_module;

static State *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

static State *
type_state(PyTypeObject *tp)
{
    PyObject *m = PyType_GetModuleByDef(tp, &struct_module);
    return m ? state_of(m) : NULL;
}

/* ---- formats ------------------------------------------------------------------------ */

/* Size and alignment of a letter, native or standard. False: no such letter. */
static bool
describe(char c, bool native, Py_ssize_t *size, Py_ssize_t *align, bool *is_signed)
{
    *is_signed = false;
    switch (c) {
    case 'x':
    case 'c':
    case 's':
    case 'p':
    case '?':
    case 'B':
        *size = 1;
        break;
    case 'b':
        *size = 1;
        *is_signed = true;
        break;
    case 'h':
        *is_signed = true;
        /* fall through */
    case 'H':
    case 'e':
        *size = 2;
        break;
    case 'i':
        *is_signed = true;
        /* fall through */
    case 'I':
    case 'f':
        *size = 4;
        break;
    case 'l':
        *is_signed = true;
        /* fall through */
    case 'L':
        *size = native ? 8 : 4;
        break;
    case 'q':
        *is_signed = true;
        /* fall through */
    case 'Q':
    case 'd':
        *size = 8;
        break;
    case 'n':
        *is_signed = true;
        /* fall through */
    case 'N':
    case 'P':
        if (!native) {
            return false;
        }
        *size = 8;
        break;
    case 'F':
        *size = 8;
        *align = 4;
        return true;
    case 'D':
        *size = 16;
        *align = 8;
        return true;
    default:
        return false;
    }
    *align = *size;
    return true;
}

static Direct
direct_of(char letter, Py_ssize_t size, bool is_signed, bool little)
{
    if (letter == 'd') {
        return little == PY_LITTLE_ENDIAN ? DIRECT_DOUBLE : INDIRECT;
    }
    if (strchr("bBhHiIlLqQnN", letter) == NULL ||
        (size > 1 && little != PY_LITTLE_ENDIAN)) {
        return INDIRECT;
    }
    switch (size) {
    case 1:
        return is_signed ? DIRECT_INT8 : DIRECT_UINT8;
    case 2:
        return is_signed ? DIRECT_INT16 : DIRECT_UINT16;
    case 4:
        return is_signed ? DIRECT_INT32 : DIRECT_UINT32;
    default:
        return is_signed ? DIRECT_INT64 : DIRECT_UINT64;
    }
}

static int
compile_format(State *st, Struct *self, const char *fmt)
{
    bool native = true, little = PY_LITTLE_ENDIAN;
    switch (*fmt) {
    case '<':
        native = false;
        little = true;
        fmt++;
        break;
    case '>':
    case '!':
        native = false;
        little = false;
        fmt++;
        break;
    case '=':
        native = false;
        /* fall through */
    case '@':
        fmt++;
        break;
    }
    Py_ssize_t ncodes = 0, nitems = 0, total = 0;
    /* Two passes: count and check, then fill in. */
    Code *codes = NULL;
    for (int pass = 0; pass < 2; pass++) {
        Py_ssize_t k = 0;
        nitems = total = 0;
        for (const char *s = fmt; *s; s++) {
            char c = *s;
            if (Py_ISSPACE(c)) {
                continue;
            }
            Py_ssize_t num = 1;
            if (Py_ISDIGIT(c)) {
                num = 0;
                for (; Py_ISDIGIT(*s); s++) {
                    int d = *s - '0';
                    if (num > (PY_SSIZE_T_MAX - d) / 10) {
                        goto too_long;
                    }
                    num = num * 10 + d;
                }
                c = *s;
                if (c == '\0') {
                    PyErr_SetString(st->error,
                                    "repeat count given without format specifier");
                    return -1;
                }
            }
            Py_ssize_t size, align;
            bool is_signed;
            if (!describe(c, native, &size, &align, &is_signed)) {
                PyErr_SetString(st->error, "bad char in struct format");
                PyMem_Free(codes);
                return -1;
            }
            if (native) {
                Py_ssize_t pad = (align - total % align) % align;
                if (total > PY_SSIZE_T_MAX - pad) {
                    goto too_long;
                }
                total += pad;
            }
            if (num > (PY_SSIZE_T_MAX - total) / size) {
                goto too_long;
            }
            bool text = c == 's' || c == 'p';
            if (c != 'x' && (text || num > 0)) {
                if (pass == 1) {
                    codes[k] = (Code){.letter = c,
                                      .little = little,
                                      .is_signed = is_signed,
                                      .direct = direct_of(c, size, is_signed, little),
                                      .offset = total,
                                      .size = text ? num : size,
                                      .repeat = text ? 1 : num};
                }
                k++;
                nitems += text ? 1 : num;
            }
            total += num * size;
        }
        if (pass == 0) {
            ncodes = k;
            if (ncodes > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(Code) - 1) {
                goto too_long;
            }
            codes = PyMem_Malloc((size_t)(ncodes + 1) * sizeof(Code));
            if (codes == NULL) {
                PyErr_NoMemory();
                return -1;
            }
            memset(codes, 0, (size_t)(ncodes + 1) * sizeof(Code));
        }
    }
    PyMem_Free(self->codes);
    self->codes = codes;
    self->size = total;
    self->nitems = nitems;
    return 0;
too_long:
    PyMem_Free(codes);
    PyErr_SetString(st->error, "total struct size too long");
    return -1;
}

/* (Re-)initializes self from a str or bytes format. */
static int
init_struct(State *st, Struct *self, PyObject *format)
{
    NJ_OWN ascii = NULL;
    NJ_OWN text = NULL;
    if (PyUnicode_Check(format)) {
        ascii = PyUnicode_AsASCIIString(format);
        text = Py_NewRef(format);
    }
    else if (PyBytes_Check(format)) {
        ascii = Py_NewRef(format);
        text = PyUnicode_DecodeLatin1(PyBytes_AS_STRING(format), PyBytes_GET_SIZE(format),
                                      NULL);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "Struct() argument 1 must be a str or bytes object, not %.200s",
                     Py_TYPE(format)->tp_name);
        return -1;
    }
    if (ascii == NULL || text == NULL) {
        return -1;
    }
    const char *s = PyBytes_AS_STRING(ascii);
    if (strlen(s) != (size_t)PyBytes_GET_SIZE(ascii)) {
        PyErr_SetString(st->error, "embedded null character");
        return -1;
    }
    if (compile_format(st, self, s) < 0) {
        return -1;
    }
    Py_XSETREF(self->format, NJ_TAKE(text));
    return 0;
}

static bool
ready(Struct *self)
{
    if (self->codes == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Struct object is not initialized");
        return false;
    }
    return true;
}

/* ---- packing ------------------------------------------------------------------------ */

static uint64_t
swapped(uint64_t u, Py_ssize_t n)
{
    return __builtin_bswap64(u) >> (64 - 8 * n);
}

static void
store(char *p, uint64_t u, Py_ssize_t n, bool little)
{
    if (little != PY_LITTLE_ENDIAN) {
        u = swapped(u, n);
    }
    switch (n) {
    case 1:
        *p = (char)u;
        return;
    case 2: {
        uint16_t x = (uint16_t)u;
        memcpy(p, &x, 2);
        return;
    }
    case 4: {
        uint32_t x = (uint32_t)u;
        memcpy(p, &x, 4);
        return;
    }
    default:
        memcpy(p, &u, 8);
        return;
    }
}

static uint64_t
fetch(const char *p, Py_ssize_t n, bool little)
{
    uint64_t u;
    switch (n) {
    case 1:
        return (unsigned char)*p;
    case 2: {
        uint16_t x;
        memcpy(&x, p, 2);
        u = x;
        break;
    }
    case 4: {
        uint32_t x;
        memcpy(&x, p, 4);
        u = x;
        break;
    }
    default:
        memcpy(&u, p, 8);
    }
    return little == PY_LITTLE_ENDIAN ? u : swapped(u, n);
}

static int
out_of_range(State *st, const Code *c)
{
    int bits = (int)c->size * 8;
    if (c->is_signed) {
        long long max = (long long)(UINT64_MAX >> (65 - bits));
        PyErr_Format(st->error, "'%c' format requires %lld <= number <= %lld", c->letter,
                     -max - 1, max);
    }
    else {
        PyErr_Format(st->error, "'%c' format requires 0 <= number <= %llu", c->letter,
                     (unsigned long long)(UINT64_MAX >> (64 - bits)));
    }
    return -1;
}

static int
pack_int(State *st, const Code *c, char *p, PyObject *v)
{
    NJ_OWN n = NULL;
    if (!PyLong_Check(v)) {
        if (!PyIndex_Check(v)) {
            PyErr_SetString(st->error, "required argument is not an integer");
            return -1;
        }
        n = PyNumber_Index(v);
        if (n == NULL) {
            return -1;
        }
        v = n;
    }
    if (c->letter == 'P') {
        void *ptr = PyLong_AsVoidPtr(v);
        if (ptr == NULL && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
                PyErr_SetString(st->error, "int too large to convert");
            }
            return -1;
        }
        memcpy(p, &ptr, sizeof ptr);
        return 0;
    }
    int overflow;
    long long x = PyLong_AsLongLongAndOverflow(v, &overflow);
    int bits = (int)c->size * 8;
    uint64_t u = (uint64_t)x;
    if (overflow) {
        if (overflow < 0 || c->is_signed || bits < 64) {
            return out_of_range(st, c);
        }
        u = PyLong_AsUnsignedLongLong(v);
        if (u == (uint64_t)-1 && PyErr_Occurred()) {
            PyErr_Clear();
            return out_of_range(st, c);
        }
    }
    else if (c->is_signed) {
        if (bits < 64) {
            long long max = ((long long)1 << (bits - 1)) - 1;
            if (x > max || x < -max - 1) {
                return out_of_range(st, c);
            }
        }
    }
    else if (x < 0 || (bits < 64 && u >> bits)) {
        return out_of_range(st, c);
    }
    store(p, u, c->size, c->little);
    return 0;
}

static int
pack_float(State *st, const Code *c, char *p, PyObject *v)
{
    double x = PyFloat_AsDouble(v);
    if (x == -1.0 && PyErr_Occurred()) {
        PyErr_SetString(st->error, "required argument is not a float");
        return -1;
    }
    switch (c->letter) {
    case 'e':
        return PyFloat_Pack2(x, p, c->little);
    case 'f':
        return PyFloat_Pack4(x, p, c->little);
    default:
        return PyFloat_Pack8(x, p, c->little);
    }
}

static int
pack_complex(State *st, const Code *c, char *p, PyObject *v)
{
    Py_complex z = PyComplex_AsCComplex(v);
    if (z.real == -1.0 && PyErr_Occurred()) {
        PyErr_SetString(st->error, "required argument is not a complex");
        return -1;
    }
    if (c->letter == 'F') {
        return PyFloat_Pack4(z.real, p, c->little) < 0 ||
                       PyFloat_Pack4(z.imag, p + 4, c->little) < 0
                   ? -1
                   : 0;
    }
    return PyFloat_Pack8(z.real, p, c->little) < 0 ||
                   PyFloat_Pack8(z.imag, p + 8, c->little) < 0
               ? -1
               : 0;
}

static int
pack_text(State *st, const Code *c, char *p, PyObject *v)
{
    bool is_bytes = PyBytes_Check(v);
    if (!is_bytes && !PyByteArray_Check(v)) {
        PyErr_Format(st->error, "argument for '%c' must be a bytes object", c->letter);
        return -1;
    }
    const char *s = is_bytes ? PyBytes_AS_STRING(v) : PyByteArray_AS_STRING(v);
    Py_ssize_t n = is_bytes ? PyBytes_GET_SIZE(v) : PyByteArray_GET_SIZE(v);
    if (c->letter == 's') {
        if (n > c->size) {
            n = c->size;
        }
        memcpy(p, s, (size_t)n);
        return 0;
    }
    if (c->size == 0) {
        return 0;
    }
    /* Pascal string: the length in front, at most 255. */
    if (n > c->size - 1) {
        n = c->size - 1;
    }
    memcpy(p + 1, s, (size_t)n);
    *p = (char)(n > 255 ? 255 : n);
    return 0;
}

static int
pack_one(State *st, const Code *c, char *p, PyObject *v)
{
    switch (c->letter) {
    case 'c':
        if (!PyBytes_Check(v) || PyBytes_GET_SIZE(v) != 1) {
            PyErr_SetString(st->error, "char format requires a bytes object of length 1");
            return -1;
        }
        *p = *PyBytes_AS_STRING(v);
        return 0;
    case '?': {
        int t = PyObject_IsTrue(v);
        if (t < 0) {
            return -1;
        }
        *p = (char)t;
        return 0;
    }
    case 'e':
    case 'f':
    case 'd':
        return pack_float(st, c, p, v);
    case 'F':
    case 'D':
        return pack_complex(st, c, p, v);
    case 's':
    case 'p':
        return pack_text(st, c, p, v);
    default:
        return pack_int(st, c, p, v);
    }
}

/* Packs a float or a small int that fits, as nearly all do. */
NJ_INLINE bool
pack_direct(const Code *c, char *p, PyObject *v)
{
    if (c->direct == DIRECT_DOUBLE) {
        if (!PyFloat_CheckExact(v)) {
            return false;
        }
        memcpy(p, &((PyFloatObject *)v)->ob_fval, sizeof(double));
        return true;
    }
    if (c->direct == INDIRECT || !PyLong_CheckExact(v) ||
        !PyUnstable_Long_IsCompact((PyLongObject *)v)) {
        return false;
    }
    Py_ssize_t x = PyUnstable_Long_CompactValue((PyLongObject *)v);
#define PACK_DIRECT(NAME, TYPE)                                                          \
    case DIRECT_##NAME: {                                                                \
        TYPE t = (TYPE)x;                                                                \
        if (t != x) {                                                                    \
            return false;                                                                \
        }                                                                                \
        memcpy(p, &t, sizeof t);                                                         \
        return true;                                                                     \
    }
    switch (c->direct) {
        PACK_DIRECT(INT8, int8_t)
        PACK_DIRECT(UINT8, uint8_t)
        PACK_DIRECT(INT16, int16_t)
        PACK_DIRECT(UINT16, uint16_t)
        PACK_DIRECT(INT32, int32_t)
        PACK_DIRECT(UINT32, uint32_t)
        PACK_DIRECT(INT64, int64_t)
    case DIRECT_UINT64:
        if (x < 0) {
            return false;
        }
        memcpy(p, &x, sizeof x);
        return true;
    }
#undef PACK_DIRECT
    return false;
}

static int
pack_all(State *st, Struct *self, char *buf, PyObject *const *values)
{
    memset(buf, 0, (size_t)self->size);
    for (const Code *c = self->codes; c->letter; c++) {
        char *p = buf + c->offset;
        for (Py_ssize_t i = 0; i < c->repeat; i++, p += c->size) {
            PyObject *v = *values++;
            if (!pack_direct(c, p, v) && pack_one(st, c, p, v) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* ---- unpacking ---------------------------------------------------------------------- */

static PyObject *
unpack_one(const Code *c, const char *p)
{
#define UNPACK_DIRECT(NAME, TYPE, MAKE)                                                  \
    case DIRECT_##NAME: {                                                                \
        TYPE t;                                                                          \
        memcpy(&t, p, sizeof t);                                                         \
        return MAKE(t);                                                                  \
    }
    switch (c->direct) {
        UNPACK_DIRECT(INT8, int8_t, PyLong_FromLong)
        UNPACK_DIRECT(UINT8, uint8_t, PyLong_FromLong)
        UNPACK_DIRECT(INT16, int16_t, PyLong_FromLong)
        UNPACK_DIRECT(UINT16, uint16_t, PyLong_FromLong)
        UNPACK_DIRECT(INT32, int32_t, PyLong_FromLong)
        UNPACK_DIRECT(UINT32, uint32_t, PyLong_FromLong)
        UNPACK_DIRECT(INT64, int64_t, PyLong_FromLong)
        UNPACK_DIRECT(UINT64, uint64_t, PyLong_FromUnsignedLong)
        UNPACK_DIRECT(DOUBLE, double, PyFloat_FromDouble)
    }
#undef UNPACK_DIRECT
    switch (c->letter) {
    case 'c':
        return PyBytes_FromStringAndSize(p, 1);
    case 's':
        return PyBytes_FromStringAndSize(p, c->size);
    case 'p': {
        Py_ssize_t n = c->size ? (unsigned char)*p : 0;
        if (n >= c->size) {
            n = c->size ? c->size - 1 : 0;
        }
        return PyBytes_FromStringAndSize(p + 1, n);
    }
    case '?':
        return PyBool_FromLong(*p != 0);
    case 'e':
        return PyFloat_FromDouble(PyFloat_Unpack2(p, c->little));
    case 'f':
        return PyFloat_FromDouble(PyFloat_Unpack4(p, c->little));
    case 'd':
        return PyFloat_FromDouble(PyFloat_Unpack8(p, c->little));
    case 'F':
        return PyComplex_FromDoubles(PyFloat_Unpack4(p, c->little),
                                     PyFloat_Unpack4(p + 4, c->little));
    case 'D':
        return PyComplex_FromDoubles(PyFloat_Unpack8(p, c->little),
                                     PyFloat_Unpack8(p + 8, c->little));
    default: {
        uint64_t u = fetch(p, c->size, c->little);
        if (c->is_signed) {
            int shift = 64 - (int)c->size * 8;
            return PyLong_FromInt64((int64_t)(u << shift) >> shift);
        }
        return PyLong_FromUInt64(u);
    }
    }
}

static PyObject *
unpack_all(Struct *self, const char *buf)
{
    NJ_OWN r = PyTuple_New(self->nitems);
    if (r == NULL) {
        return NULL;
    }
    Py_ssize_t k = 0;
    for (const Code *c = self->codes; c->letter; c++) {
        const char *p = buf + c->offset;
        for (Py_ssize_t i = 0; i < c->repeat; i++, p += c->size) {
            PyObject *v = unpack_one(c, p);
            if (v == NULL) {
                return NULL;
            }
            PyTuple_SET_ITEM(r, k++, v);
        }
    }
    return NJ_TAKE(r);
}

static PyObject *
do_unpack(State *st, Struct *self, PyObject *buffer)
{
    if (!ready(self)) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (view.len != self->size) {
        PyErr_Format(st->error, "unpack requires a buffer of %zd bytes", self->size);
        return NULL;
    }
    return unpack_all(self, view.buf);
}

static PyObject *
do_unpack_from(State *st, Struct *self, PyObject *buffer, Py_ssize_t offset)
{
    if (!ready(self)) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(buffer, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (offset < 0) {
        if (offset + self->size > 0) {
            PyErr_Format(st->error, "not enough data to unpack %zd bytes at offset %zd",
                         self->size, offset);
            return NULL;
        }
        if (offset + view.len < 0) {
            PyErr_Format(st->error, "offset %zd out of range for %zd-byte buffer", offset,
                         view.len);
            return NULL;
        }
        offset += view.len;
    }
    if (view.len - offset < self->size) {
        PyErr_Format(st->error,
                     "unpack_from requires a buffer of at least %zu bytes for unpacking %zd "
                     "bytes at offset %zd (actual buffer size is %zd)",
                     (size_t)self->size + (size_t)offset, self->size, offset, view.len);
        return NULL;
    }
    return unpack_all(self, (char *)view.buf + offset);
}

static PyObject *
do_iter_unpack(State *st, Struct *self, PyObject *buffer)
{
    if (!ready(self)) {
        return NULL;
    }
    if (self->size == 0) {
        PyErr_SetString(st->error,
                        "cannot iteratively unpack with a struct of length 0");
        return NULL;
    }
    UnpackIter *it = (UnpackIter *)st->iter_type->tp_alloc(st->iter_type, 0);
    if (it == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(buffer, &it->buf, PyBUF_SIMPLE) < 0) {
        Py_DECREF(it);
        return NULL;
    }
    if (it->buf.len % self->size != 0) {
        PyErr_Format(st->error, "iterative unpacking requires a buffer of a multiple of %zd "
                                "bytes",
                     self->size);
        Py_DECREF(it);
        return NULL;
    }
    it->so = (Struct *)Py_NewRef((PyObject *)self);
    return (PyObject *)it;
}

static PyObject *
do_pack(State *st, Struct *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!ready(self)) {
        return NULL;
    }
    if (nargs != self->nitems) {
        PyErr_Format(st->error, "pack expected %zd items for packing (got %zd)", self->nitems,
                     nargs);
        return NULL;
    }
    NJ_OWN r = PyBytes_FromStringAndSize(NULL, self->size);
    if (r == NULL || pack_all(st, self, PyBytes_AS_STRING(r), args) < 0) {
        return NULL;
    }
    return NJ_TAKE(r);
}

/* args: buffer, offset, values */
static PyObject *
do_pack_into(State *st, Struct *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!ready(self)) {
        return NULL;
    }
    if (nargs != self->nitems + 2) {
        if (nargs == 0) {
            PyErr_SetString(st->error, "pack_into expected buffer argument");
        }
        else if (nargs == 1) {
            PyErr_SetString(st->error, "pack_into expected offset argument");
        }
        else {
            PyErr_Format(st->error, "pack_into expected %zd items for packing (got %zd)",
                         self->nitems, nargs - 2);
        }
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(args[0], &view, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        if (!PyArg_Parse(args[0], "w*", &view)) { /* the message */
            return NULL;
        }
    }
    Py_ssize_t offset = PyNumber_AsSsize_t(args[1], PyExc_IndexError);
    if (offset == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (offset < 0) {
        if (offset + self->size > 0) {
            PyErr_Format(st->error, "no space to pack %zd bytes at offset %zd", self->size,
                         offset);
            return NULL;
        }
        if (offset + view.len < 0) {
            PyErr_Format(st->error, "offset %zd out of range for %zd-byte buffer", offset,
                         view.len);
            return NULL;
        }
        offset += view.len;
    }
    if (view.len - offset < self->size) {
        PyErr_Format(st->error,
                     "pack_into requires a buffer of at least %zu bytes for packing %zd "
                     "bytes at offset %zd (actual buffer size is %zd)",
                     (size_t)self->size + (size_t)offset, self->size, offset, view.len);
        return NULL;
    }
    if (pack_all(st, self, (char *)view.buf + offset, args + 2) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- unpack_iterator ---------------------------------------------------------------- */

static void
iter_dealloc(PyObject *op)
{
    UnpackIter *it = (UnpackIter *)op;
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_XDECREF((PyObject *)it->so);
    PyBuffer_Release(&it->buf);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static int
iter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)((UnpackIter *)op)->so);
    Py_VISIT(((UnpackIter *)op)->buf.obj);
    return 0;
}

static PyObject *
iter_next(PyObject *op)
{
    UnpackIter *it = (UnpackIter *)op;
    if (it->so == NULL) {
        return NULL;
    }
    if (it->index >= it->buf.len) {
        Py_CLEAR(it->so);
        PyBuffer_Release(&it->buf);
        return NULL;
    }
    PyObject *r = unpack_all(it->so, (char *)it->buf.buf + it->index);
    it->index += it->so->size;
    return r;
}

static PyObject *
iter_length_hint(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    UnpackIter *it = (UnpackIter *)op;
    return PyLong_FromSsize_t(it->so ? (it->buf.len - it->index) / it->so->size : 0);
}

static PyMethodDef iter_methods[] = {
    {"__length_hint__", iter_length_hint, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iter_slots[] = {
    {Py_tp_dealloc, iter_dealloc},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_traverse, iter_traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iter_next},
    {Py_tp_methods, iter_methods},
    {0, NULL},
};

static PyType_Spec iter_spec = {
    .name = "_struct.unpack_iterator",
    .basicsize = sizeof(UnpackIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iter_slots,
};

/* ---- Struct ------------------------------------------------------------------------- */

static PyObject *
Struct_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    Struct *self = (Struct *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->size = -1;
        self->nitems = -1;
        self->format = Py_NewRef(Py_None);
    }
    return (PyObject *)self;
}

static int
Struct_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"format", NULL};
    PyObject *format;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Struct", names, &format)) {
        return -1;
    }
    State *st = type_state(Py_TYPE(op));
    return st ? init_struct(st, (Struct *)op, format) : -1;
}

static void
Struct_dealloc(PyObject *op)
{
    Struct *self = (Struct *)op;
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    PyMem_Free(self->codes);
    Py_XDECREF(self->format);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static int
Struct_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static PyObject *
Struct_repr(PyObject *op)
{
    Struct *self = (Struct *)op;
    if (!ready(self)) {
        return NULL;
    }
    NJ_OWN name = PyType_GetName(Py_TYPE(op));
    return name ? PyUnicode_FromFormat("%U(%R)", name, self->format) : NULL;
}

static PyObject *
Struct_pack(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    State *st = type_state(Py_TYPE(op));
    return st ? do_pack(st, (Struct *)op, args, nargs) : NULL;
}

static PyObject *
Struct_pack_into(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    State *st = type_state(Py_TYPE(op));
    return st ? do_pack_into(st, (Struct *)op, args, nargs) : NULL;
}

static PyObject *
Struct_unpack(PyObject *op, PyObject *buffer)
{
    State *st = type_state(Py_TYPE(op));
    return st ? do_unpack(st, (Struct *)op, buffer) : NULL;
}

/* 0, or -1 with an exception. o: NULL when it was not given. */
static int
offset_of(PyObject *o, Py_ssize_t *offset)
{
    *offset = 0;
    if (o != NULL) {
        NJ_OWN index = PyNumber_Index(o);
        *offset = index ? PyLong_AsSsize_t(index) : -1;
    }
    return *offset == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
Struct_unpack_from(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const char *const names[] = {"buffer", "offset", NULL};
    static const NjParams params = {"unpack_from", names, 2, 1, 0};
    PyObject *got[2];
    Py_ssize_t offset;
    State *st = type_state(Py_TYPE(op));
    if (st == NULL || nj_args_bind(&params, args, nargs, kwnames, got) < 0 ||
        offset_of(got[1], &offset) < 0) {
        return NULL;
    }
    return do_unpack_from(st, (Struct *)op, got[0], offset);
}

static PyObject *
Struct_iter_unpack(PyObject *op, PyObject *buffer)
{
    State *st = type_state(Py_TYPE(op));
    return st ? do_iter_unpack(st, (Struct *)op, buffer) : NULL;
}

static PyObject *
Struct_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Struct *self = (Struct *)op;
    if (!ready(self)) {
        return NULL;
    }
    Py_ssize_t n = Py_TYPE(op)->tp_basicsize + (Py_ssize_t)sizeof(Code);
    for (const Code *c = self->codes; c && c->letter; c++) {
        n += (Py_ssize_t)sizeof(Code);
    }
    return PyLong_FromSsize_t(n);
}

static PyObject *
get_format(PyObject *op, void *Py_UNUSED(closure))
{
    return ready((Struct *)op) ? Py_NewRef(((Struct *)op)->format) : NULL;
}

static PyObject *
get_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((Struct *)op)->size);
}

#define PACK_DOC                                                                         \
    "S.pack(v1, v2, ...) -> bytes\n\nThe values as bytes in this format."
#define PACK_INTO_DOC                                                                    \
    "S.pack_into(buffer, offset, v1, v2, ...)\n\nWrites the values into a buffer."

static PyMethodDef Struct_methods[] = {
    {"iter_unpack", Struct_iter_unpack, METH_O,
     "iter_unpack($self, buffer, /)\n--\n\n"
     "An iterator of tuples over equal parts of the buffer."},
    {"pack", (PyCFunction)(void *)Struct_pack, METH_FASTCALL, PACK_DOC},
    {"pack_into", (PyCFunction)(void *)Struct_pack_into, METH_FASTCALL, PACK_INTO_DOC},
    {"unpack", Struct_unpack, METH_O,
     "unpack($self, buffer, /)\n--\n\nThe values in a buffer of exactly S.size bytes."},
    {"unpack_from", (PyCFunction)(void *)Struct_unpack_from, METH_FASTCALL | METH_KEYWORDS,
     "unpack_from($self, /, buffer, offset=0)\n--\n\nThe values at an offset of a buffer."},
    {"__sizeof__", Struct_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nBytes that this object takes."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Struct_getset[] = {
    {"format", get_format, NULL, "struct format string", NULL},
    {"size", get_size, NULL, "struct size in bytes", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef Struct_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Struct, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot Struct_slots[] = {
    {Py_tp_dealloc, Struct_dealloc},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_setattro, PyObject_GenericSetAttr},
    {Py_tp_repr, Struct_repr},
    {Py_tp_doc, "Struct(fmt) --> compiled struct object"},
    {Py_tp_traverse, Struct_traverse},
    {Py_tp_methods, Struct_methods},
    {Py_tp_members, Struct_members},
    {Py_tp_getset, Struct_getset},
    {Py_tp_init, Struct_init},
    {Py_tp_alloc, PyType_GenericAlloc},
    {Py_tp_new, Struct_new},
    {Py_tp_free, PyObject_GC_Del},
    {0, NULL},
};

static PyType_Spec Struct_spec = {
    .name = "_struct.Struct",
    .basicsize = sizeof(Struct),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = Struct_slots,
};

/* ---- functions of the module -------------------------------------------------------- */

/* The compiled format: new reference. */
static Struct *
cached(PyObject *m, PyObject *format)
{
    State *st = state_of(m);
    PyObject *s;
    /* bytes and str must not meet as keys of one dict: comparing them may warn. */
    NJ_OWN text = NULL;
    if (PyBytes_Check(format)) {
        text = PyUnicode_DecodeLatin1(PyBytes_AS_STRING(format), PyBytes_GET_SIZE(format),
                                      NULL);
        if (text == NULL) {
            return NULL;
        }
        format = text;
    }
    if (PyDict_GetItemRef(st->cache, format, &s) != 0) {
        return (Struct *)s;
    }
    NJ_OWN so = PyObject_CallOneArg((PyObject *)st->struct_type, format);
    if (so == NULL) {
        return NULL;
    }
    if (PyDict_GET_SIZE(st->cache) >= CACHE_MAX) {
        PyDict_Clear(st->cache);
    }
    if (PyDict_SetItem(st->cache, format, so) < 0) {
        return NULL;
    }
    return (Struct *)NJ_TAKE(so);
}

static PyObject *
struct_clearcache(PyObject *m, PyObject *Py_UNUSED(ignored))
{
    PyDict_Clear(state_of(m)->cache);
    Py_RETURN_NONE;
}

static PyObject *
struct_calcsize(PyObject *m, PyObject *format)
{
    Struct *s = cached(m, format);
    if (s == NULL) {
        return NULL;
    }
    Py_ssize_t n = s->size;
    Py_DECREF((PyObject *)s);
    return PyLong_FromSsize_t(n);
}

static PyObject *
struct_pack(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs == 0) {
        PyErr_SetString(PyExc_TypeError, "missing format argument");
        return NULL;
    }
    Struct *s = cached(m, args[0]);
    if (s == NULL) {
        return NULL;
    }
    PyObject *r = do_pack(state_of(m), s, args + 1, nargs - 1);
    Py_DECREF((PyObject *)s);
    return r;
}

static PyObject *
struct_pack_into(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs == 0) {
        PyErr_SetString(PyExc_TypeError, "missing format argument");
        return NULL;
    }
    Struct *s = cached(m, args[0]);
    if (s == NULL) {
        return NULL;
    }
    PyObject *r = do_pack_into(state_of(m), s, args + 1, nargs - 1);
    Py_DECREF((PyObject *)s);
    return r;
}

static int
two_args(const char *name, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "%s expected 2 arguments, got %zd", name, nargs);
        return -1;
    }
    return 0;
}

static PyObject *
struct_unpack(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    Struct *s;
    if (two_args("unpack", nargs) < 0 || (s = cached(m, args[0])) == NULL) {
        return NULL;
    }
    PyObject *r = do_unpack(state_of(m), s, args[1]);
    Py_DECREF((PyObject *)s);
    return r;
}

static PyObject *
struct_iter_unpack(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    Struct *s;
    if (two_args("iter_unpack", nargs) < 0 || (s = cached(m, args[0])) == NULL) {
        return NULL;
    }
    PyObject *r = do_iter_unpack(state_of(m), s, args[1]);
    Py_DECREF((PyObject *)s);
    return r;
}

static PyObject *
struct_unpack_from(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const char *const names[] = {"", "buffer", "offset", NULL};
    static const NjParams params = {"unpack_from", names, 3, 2, 0};
    PyObject *got[3];
    Py_ssize_t offset;
    if (nj_args_bind(&params, args, nargs, kwnames, got) < 0 ||
        offset_of(got[2], &offset) < 0) {
        return NULL;
    }
    Struct *s = cached(m, got[0]);
    if (s == NULL) {
        return NULL;
    }
    PyObject *r = do_unpack_from(state_of(m), s, got[1], offset);
    Py_DECREF((PyObject *)s);
    return r;
}

static PyMethodDef struct_methods[] = {
    {"_clearcache", struct_clearcache, METH_NOARGS,
     "_clearcache($module, /)\n--\n\nForgets compiled formats."},
    {"calcsize", struct_calcsize, METH_O,
     "calcsize($module, format, /)\n--\n\nThe size in bytes of a format."},
    {"iter_unpack", (PyCFunction)(void *)struct_iter_unpack, METH_FASTCALL,
     "iter_unpack($module, format, buffer, /)\n--\n\n"
     "An iterator of tuples over equal parts of the buffer."},
    {"pack", (PyCFunction)(void *)struct_pack, METH_FASTCALL,
     "pack(format, v1, v2, ...) -> bytes\n\nThe values as bytes in the format."},
    {"pack_into", (PyCFunction)(void *)struct_pack_into, METH_FASTCALL,
     "pack_into(format, buffer, offset, v1, v2, ...)\n\nWrites the values into a buffer."},
    {"unpack", (PyCFunction)(void *)struct_unpack, METH_FASTCALL,
     "unpack($module, format, buffer, /)\n--\n\nThe values in a buffer of exactly that "
     "size."},
    {"unpack_from", (PyCFunction)(void *)struct_unpack_from, METH_FASTCALL | METH_KEYWORDS,
     "unpack_from($module, format, /, buffer, offset=0)\n--\n\n"
     "The values at an offset of a buffer."},
    {NULL, NULL, 0, NULL},
};

static int
struct_exec(PyObject *m)
{
    State *st = state_of(m);
    st->cache = PyDict_New();
    st->struct_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &Struct_spec, NULL);
    st->iter_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &iter_spec, NULL);
    st->error = PyErr_NewException("struct.error", NULL, NULL);
    if (!st->cache || !st->struct_type || !st->iter_type || !st->error) {
        return -1;
    }
    return PyModule_AddType(m, st->struct_type) < 0 ||
                   PyModule_AddObjectRef(m, "error", st->error) < 0
               ? -1
               : 0;
}

static int
struct_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = state_of(m);
    Py_VISIT(st->cache);
    Py_VISIT(st->struct_type);
    Py_VISIT(st->iter_type);
    Py_VISIT(st->error);
    return 0;
}

static int
struct_clear(PyObject *m)
{
    State *st = state_of(m);
    Py_CLEAR(st->cache);
    Py_CLEAR(st->struct_type);
    Py_CLEAR(st->iter_type);
    Py_CLEAR(st->error);
    return 0;
}

static void
struct_free(void *m)
{
    struct_clear(m);
}

static PyModuleDef_Slot struct_slots[] = {
    {Py_mod_exec, struct_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef struct_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_struct",
    .m_doc = "C structures as bytes: the engine of the module struct.",
    .m_size = sizeof(State),
    .m_methods = struct_methods,
    .m_slots = struct_slots,
    .m_traverse = struct_traverse,
    .m_clear = struct_clear,
    .m_free = struct_free,
};

PyMODINIT_FUNC PyInit__struct(void);
PyMODINIT_FUNC
PyInit__struct(void)
{
    return PyModuleDef_Init(&struct_module);
}

/* int.c - the type int: slots, methods, conversions to and from C.
 *
 * Arithmetic is in int_arith.c, text in int_str.c; int.h tells the layout. The small
 * integers are static objects, immortal and shared by all interpreters; they exist
 * before any interpreter does, so boxing one never allocates.
 *
 * Conversions: every PyLong_As* first handles at most two digits inline; the rest goes
 * through to_u64, which delivers the low 64 bits of the magnitude and whether more
 * was there. Which of them accept objects with __index__ is part of the API:
 * AsLong, AsInt, AsLongLong, the masks and As[U]Int32/64 do; AsSsize_t, AsSize_t and the
 * unsigned ones do not.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "objects/int.h"
#include "objects/number.h"
#include "capi/args.h"

#include <float.h>
#include <math.h>

#define DIGITS(v) ((v)->long_value.ob_digit)
#define INT(op) ((PyLongObject *)(op))

/* ---- the small ones ---------------------------------------------------------------- */

#define SMALL_NEG(n)                                                                     \
    {PyObject_HEAD_INIT(&PyLong_Type) .long_value = {1 << 3 | 4 | 2, {(n)}}}
#define SMALL_POS(n)                                                                     \
    {PyObject_HEAD_INIT(&PyLong_Type) .long_value = {1 << 3 | 4, {(n)}}}
#define POS4(n) SMALL_POS(n), SMALL_POS(n + 1), SMALL_POS(n + 2), SMALL_POS(n + 3)
#define POS16(n) POS4(n), POS4(n + 4), POS4(n + 8), POS4(n + 12)
#define POS64(n) POS16(n), POS16(n + 16), POS16(n + 32), POS16(n + 48)

PyLongObject nj_small_ints[NJ_SMALL_INT_COUNT] = {
    SMALL_NEG(5), SMALL_NEG(4), SMALL_NEG(3), SMALL_NEG(2), SMALL_NEG(1),
    {PyObject_HEAD_INIT(&PyLong_Type).long_value = {4 | 1, {0}}},
    POS64(1), POS64(65), POS64(129), POS64(193),
};

/* ---- state -------------------------------------------------------------------------- */

void
nj_number_state_init(struct _is *interp)
{
    /* The interpreter is zero-filled and the configuration has set max_str_digits: only
     * the lists are ours to reset. */
    NjNumberState *st = &interp->numbers;
    st->free_ints = st->free_floats = st->free_range_iters = NULL;
    st->n_free_ints = st->n_free_floats = st->n_free_range_iters = st->n_free_slices = 0;
}

static void
free_chain(void **head)
{
    void *p = *head;
    *head = NULL;
    while (p != NULL) {
        void *next = *(void **)p;
        PyObject_Free(p);
        p = next;
    }
}

void
nj_number_clear_free(struct _is *interp)
{
    NjNumberState *st = &interp->numbers;
    free_chain(&st->free_ints);
    free_chain(&st->free_floats);
    free_chain(&st->free_range_iters);
    while (st->n_free_slices > 0) {
        PyObject_GC_Del(st->free_slices[--st->n_free_slices]);
    }
    st->n_free_ints = st->n_free_floats = st->n_free_range_iters = 0;
}

void
nj_number_state_fini(struct _is *interp)
{
    Py_CLEAR(interp->numbers.int_info_type);
    Py_CLEAR(interp->numbers.float_info_type);
    nj_number_clear_free(interp);
}

/* ---- slots -------------------------------------------------------------------------- */

#define CHECK_INTS(a, b)                                                                 \
    if (NJ_UNLIKELY(!PyLong_Check(a) || !PyLong_Check(b))) {                             \
        Py_RETURN_NOTIMPLEMENTED;                                                        \
    }
#define BINARY_SLOT(name, function)                                                      \
    static PyObject *name(PyObject *a, PyObject *b)                                      \
    {                                                                                    \
        CHECK_INTS(a, b)                                                                 \
        return function(INT(a), INT(b));                                                 \
    }

BINARY_SLOT(int_add, nj_int_add)
BINARY_SLOT(int_sub, nj_int_sub)
BINARY_SLOT(int_mul, nj_int_mul)
BINARY_SLOT(int_mod, nj_int_mod)
BINARY_SLOT(int_floordiv, nj_int_floordiv)
BINARY_SLOT(int_truediv, nj_int_truediv)
BINARY_SLOT(int_lshift, nj_int_lshift)
BINARY_SLOT(int_rshift, nj_int_rshift)
BINARY_SLOT(int_and, nj_int_and)
BINARY_SLOT(int_or, nj_int_or)
BINARY_SLOT(int_xor, nj_int_xor)

static PyObject *
int_divmod(PyObject *a, PyObject *b)
{
    CHECK_INTS(a, b)
    NJ_OWN q = NULL;
    NJ_OWN r = NULL;
    if (nj_int_divmod(INT(a), INT(b), &q, &r, true) < 0) {
        return NULL;
    }
    return PyTuple_Pack(2, q, r);
}

static PyObject *
int_pow(PyObject *a, PyObject *b, PyObject *c)
{
    CHECK_INTS(a, b)
    if (c != Py_None && !PyLong_Check(c)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return nj_int_pow(a, b, c);
}

static PyObject *
int_neg(PyObject *a)
{
    return nj_int_neg(INT(a));
}

static PyObject *
int_abs(PyObject *a)
{
    return nj_int_abs(INT(a));
}

/* int(x) of an int: x itself if exact. */
static PyObject *
int_int(PyObject *a)
{
    return PyLong_CheckExact(a) ? Py_NewRef(a) : _PyLong_Copy(INT(a));
}

static PyObject *
int_invert(PyObject *a)
{
    if (nj_int_is_medium(INT(a))) {
        return nj_int_from_i64(~nj_int_medium_value(INT(a)));
    }
    NJ_OWN x = nj_int_add(INT(a), INT(nj_small_int(1)));
    if (x == NULL) {
        return NULL;
    }
    return nj_int_neg(INT(x));
}

static int
int_bool(PyObject *a)
{
    return nj_int_sign(INT(a)) != 0;
}

static PyObject *
int_float(PyObject *a)
{
    double x = PyLong_AsDouble(a);
    if (x == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    return PyFloat_FromDouble(x);
}

static Py_hash_t
int_hash(PyObject *a)
{
    return nj_int_hash(INT(a));
}

static PyObject *
int_repr(PyObject *a)
{
    return nj_int_to_text(a, 10, false);
}

static PyObject *
int_richcompare(PyObject *a, PyObject *b, int op)
{
    CHECK_INTS(a, b)
    int c = a == b ? 0 : nj_int_cmp(INT(a), INT(b));
    Py_RETURN_RICHCOMPARE(c, 0, op);
}

static void
int_dealloc(PyObject *op)
{
    if (NJ_LIKELY(PyLong_CheckExact(op))) {
        nj_int_free_exact(op);
        return;
    }
    Py_TYPE(op)->tp_free(op);
}

/* ---- construction ------------------------------------------------------------------- */

/* A subclass instance with the value of v; consumes v. */
static PyObject *
to_subtype(PyTypeObject *type, NJ_STEALS PyObject *v)
{
    if (v == NULL) {
        return NULL;
    }
    size_t nd = nj_int_ndigits(INT(v));
    PyLongObject *r = (PyLongObject *)type->tp_alloc(type, (Py_ssize_t)(nd ? nd : 1));
    if (r != NULL) {
        r->long_value.lv_tag = INT(v)->long_value.lv_tag & ~(uintptr_t)4;
        memcpy(DIGITS(r), DIGITS(INT(v)), (nd ? nd : 1) * sizeof(digit));
    }
    Py_DECREF(v);
    return (PyObject *)r;
}

PyObject *nj_int_from_bytes_text(const char *s, Py_ssize_t len, int base);

static PyObject *
new_from(PyObject *x, PyObject *base_arg)
{
    if (x == NULL) {
        if (base_arg != NULL) {
            PyErr_SetString(PyExc_TypeError, "int() missing string argument");
            return NULL;
        }
        return nj_small_int(0);
    }
    if (base_arg == NULL) {
        return PyNumber_Long(x);
    }
    Py_ssize_t base = PyNumber_AsSsize_t(base_arg, NULL);
    if (base == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if ((base != 0 && base < 2) || base > 36) {
        PyErr_SetString(PyExc_ValueError, "int() base must be >= 2 and <= 36, or 0");
        return NULL;
    }
    if (PyUnicode_Check(x)) {
        return PyLong_FromUnicodeObject(x, (int)base);
    }
    if (PyBytes_Check(x)) {
        return nj_int_from_bytes_text(PyBytes_AS_STRING(x), PyBytes_GET_SIZE(x), (int)base);
    }
    if (PyByteArray_Check(x)) {
        return nj_int_from_bytes_text(PyByteArray_AS_STRING(x), PyByteArray_GET_SIZE(x),
                                      (int)base);
    }
    PyErr_SetString(PyExc_TypeError, "int() can't convert non-string with explicit base");
    return NULL;
}

static const char *const int_new_names[] = {"", "base", NULL};
static const NjParams int_new_params = {
    .fname = "int", .names = int_new_names, .npos = 2, .nreq = 0};

static PyObject *
int_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *a[2] = {NULL, NULL};
    if (nj_args_bind_tuple(&int_new_params, args, kwargs, a) < 0) {
        return NULL;
    }
    PyObject *v = new_from(a[0], a[1]);
    return type == &PyLong_Type ? v : to_subtype(type, v);
}

static PyObject *
int_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) > 0) {
        PyObject *a[2] = {NULL, NULL};
        if (nj_args_bind(&int_new_params, args, n, kwnames, a) < 0) {
            return NULL;
        }
        return new_from(a[0], a[1]);
    }
    switch (n) {
    case 0:
        return nj_small_int(0);
    case 1:
        return PyNumber_Long(args[0]);
    case 2:
        return new_from(args[0], args[1]);
    default:
        PyErr_Format(PyExc_TypeError, "int expected at most 2 arguments, got %zd", n);
        return NULL;
    }
}

/* ---- methods ------------------------------------------------------------------------ */

static PyObject *
int_self(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return int_int(self);
}

static PyObject *
int_bit_length(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromInt64(_PyLong_NumBits(self));
}

static PyObject *
int_bit_count(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int64_t n = 0;
    for (size_t i = 0, nd = nj_int_ndigits(INT(self)); i < nd; i++) {
        n += __builtin_popcount(DIGITS(INT(self))[i]);
    }
    return nj_int_from_i64(n);
}

/* 1 little, 0 big, -1 error; NULL means big. */
static int
byte_order(PyObject *arg, const char *fname)
{
    if (arg == NULL) {
        return 0;
    }
    if (!PyUnicode_Check(arg)) {
        _PyArg_BadArgument(fname, "argument 'byteorder'", "str", arg);
        return -1;
    }
    if (PyUnicode_EqualToUTF8(arg, "little")) {
        return 1;
    }
    if (PyUnicode_EqualToUTF8(arg, "big")) {
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "byteorder must be either 'little' or 'big'");
    return -1;
}

static PyObject *
int_to_bytes(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"length", "byteorder", "signed", NULL};
    static const NjParams params = {.fname = "to_bytes", .names = names, .npos = 2};
    PyObject *a[3] = {NULL, NULL, NULL};
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    Py_ssize_t length = 1;
    if (a[0] != NULL) {
        NJ_OWN n = PyNumber_Index(a[0]);
        if (n == NULL) {
            return NULL;
        }
        length = PyLong_AsSsize_t(n);
        if (length == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (a[1] != NULL && !PyUnicode_Check(a[1])) {
        _PyArg_BadArgument("to_bytes", "argument 'byteorder'", "str", a[1]);
        return NULL;
    }
    int is_signed = a[2] ? PyObject_IsTrue(a[2]) : 0;
    if (is_signed < 0) {
        return NULL;
    }
    int little = byte_order(a[1], "to_bytes");
    if (little < 0) {
        return NULL;
    }
    if (length < 0) {
        PyErr_SetString(PyExc_ValueError, "length argument must be non-negative");
        return NULL;
    }
    NJ_OWN r = PyBytes_FromStringAndSize(NULL, length);
    if (r == NULL || _PyLong_AsByteArray(INT(self), (unsigned char *)PyBytes_AS_STRING(r),
                                         (size_t)length, little, is_signed, 1) < 0) {
        return NULL;
    }
    return NJ_TAKE(r);
}

static PyObject *
int_from_bytes(PyObject *type, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"bytes", "byteorder", "signed", NULL};
    static const NjParams params = {
        .fname = "from_bytes", .names = names, .npos = 2, .nreq = 1};
    PyObject *a[3] = {NULL, NULL, NULL};
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if (a[1] != NULL && !PyUnicode_Check(a[1])) {
        _PyArg_BadArgument("from_bytes", "argument 'byteorder'", "str", a[1]);
        return NULL;
    }
    int is_signed = a[2] ? PyObject_IsTrue(a[2]) : 0;
    if (is_signed < 0) {
        return NULL;
    }
    int little = byte_order(a[1], "from_bytes");
    if (little < 0) {
        return NULL;
    }
    NJ_OWN b = PyBytes_CheckExact(a[0]) ? Py_NewRef(a[0]) : PyObject_Bytes(a[0]);
    if (b == NULL) {
        return NULL;
    }
    NJ_OWN v = _PyLong_FromByteArray((const unsigned char *)PyBytes_AS_STRING(b),
                                     (size_t)PyBytes_GET_SIZE(b), little, is_signed);
    if (v == NULL || type == (PyObject *)&PyLong_Type) {
        return NJ_TAKE(v);
    }
    return PyObject_CallOneArg(type, v);
}

static PyObject *
int_as_integer_ratio(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN n = int_int(self);
    return n ? PyTuple_Pack(2, n, nj_small_int(1)) : NULL;
}

static PyObject *
int_round(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("__round__", nargs, 0, 1)) {
        return NULL;
    }
    if (nargs == 0 || args[0] == Py_None) {
        return int_int(self);
    }
    NJ_OWN n = PyNumber_Index(args[0]);
    if (n == NULL) {
        return NULL;
    }
    if (nj_int_sign(INT(n)) >= 0) {
        return int_int(self);
    }
    /* round(x, -n): x - (x mod near 10**n) */
    NJ_SET(n, nj_int_neg(INT(n)));
    if (n == NULL) {
        return NULL;
    }
    NJ_OWN p = nj_int_pow(nj_small_int(10), n, Py_None);
    if (p == NULL) {
        return NULL;
    }
    NJ_OWN q = NULL;
    NJ_OWN r = NULL;
    if (nj_int_divmod_near(self, p, &q, &r) < 0) {
        return NULL;
    }
    return nj_int_sub(INT(self), INT(r));
}

static PyObject *
int_getnewargs(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN v = _PyLong_Copy(INT(self));
    return v ? PyTuple_Pack(1, v) : NULL;
}

static PyObject *
int_format(PyObject *self, PyObject *spec)
{
    if (!PyUnicode_Check(spec)) {
        _PyArg_BadArgument("__format__", "argument", "str", spec);
        return NULL;
    }
    return nj_format_int(self, spec);
}

static PyObject *
int_sizeof(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    size_t nd = nj_int_ndigits(INT(self));
    size_t basic = offsetof(PyLongObject, long_value.ob_digit);
    if (!PyLong_CheckExact(self)) {
        basic = (size_t)Py_TYPE(self)->tp_basicsize;
    }
    return nj_int_from_i64((int64_t)(basic + (nd ? nd : 1) * sizeof(digit)));
}

static PyObject *
int_is_integer(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_TRUE;
}

static PyObject *
get_self(PyObject *self, void *Py_UNUSED(closure))
{
    return int_int(self);
}

static PyObject *
get_zero(PyObject *self, void *Py_UNUSED(closure))
{
    return nj_small_int(0);
}

static PyObject *
get_one(PyObject *self, void *Py_UNUSED(closure))
{
    return nj_small_int(1);
}

static PyMethodDef int_methods[] = {
    {"conjugate", int_self, METH_NOARGS,
     "conjugate($self, /)\n--\n\nReturn self: the conjugate of an int."},
    {"bit_length", int_bit_length, METH_NOARGS,
     "bit_length($self, /)\n--\n\nHow many bits the absolute value takes.\n\n"
     ">>> bin(8)\n"
     "'0b1000'\n"
     ">>> (8).bit_length()\n"
     "4"},
    {"bit_count", int_bit_count, METH_NOARGS,
     "bit_count($self, /)\n--\n\nHow many ones the absolute value has in binary.\n\n"
     ">>> bin(-7)\n"
     "'-0b111'\n"
     ">>> (-7).bit_count()\n"
     "3"},
    {"to_bytes", (PyCFunction)(void *)int_to_bytes, METH_FASTCALL | METH_KEYWORDS,
     "to_bytes($self, /, length=1, byteorder='big', *, signed=False)\n--\n\n"
     "The int as bytes of the given length and byte order."},
    {"from_bytes", (PyCFunction)(void *)int_from_bytes,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "from_bytes($type, /, bytes, byteorder='big', *, signed=False)\n--\n\n"
     "The int that the bytes spell in the given byte order."},
    {"as_integer_ratio", int_as_integer_ratio, METH_NOARGS,
     "as_integer_ratio($self, /)\n--\n\nThe pair (self, 1).\n\n"
     ">>> (12).as_integer_ratio()\n"
     "(12, 1)\n"
     ">>> (-7).as_integer_ratio()\n"
     "(-7, 1)\n"
     ">>> (0).as_integer_ratio()\n"
     "(0, 1)"},
    {"__trunc__", int_self, METH_NOARGS,
     "__trunc__($self, /)\n--\n\nTruncating an int returns it unchanged."},
    {"__floor__", int_self, METH_NOARGS,
     "__floor__($self, /)\n--\n\nThe floor of an int is itself."},
    {"__ceil__", int_self, METH_NOARGS,
     "__ceil__($self, /)\n--\n\nThe ceiling of an int is itself."},
    {"__round__", (PyCFunction)(void *)int_round, METH_FASTCALL,
     "__round__($self, ndigits=None, /)\n--\n\n"
     "Rounds to a multiple of ten to the power -ndigits, halves to even."},
    {"__getnewargs__", int_getnewargs, METH_NOARGS,
     "__getnewargs__($self, /)\n--\n\n"},
    {"__format__", int_format, METH_O,
     "__format__($self, format_spec, /)\n--\n\nFormats by the format mini-language."},
    {"__sizeof__", int_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nBytes that this object takes."},
    {"is_integer", int_is_integer, METH_NOARGS,
     "is_integer($self, /)\n--\n\nTrue, as every int is a whole number."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef int_getset[] = {
    {"real", get_self, NULL, "the real part of a complex number", NULL},
    {"imag", get_zero, NULL, "the imaginary part of a complex number", NULL},
    {"numerator", get_self, NULL, "the numerator of a rational number in lowest terms",
     NULL},
    {"denominator", get_one, NULL, "the denominator of a rational number in lowest terms",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyNumberMethods int_as_number = {
    .nb_add = int_add,
    .nb_subtract = int_sub,
    .nb_multiply = int_mul,
    .nb_remainder = int_mod,
    .nb_divmod = int_divmod,
    .nb_power = int_pow,
    .nb_negative = int_neg,
    .nb_positive = int_int,
    .nb_absolute = int_abs,
    .nb_bool = int_bool,
    .nb_invert = int_invert,
    .nb_lshift = int_lshift,
    .nb_rshift = int_rshift,
    .nb_and = int_and,
    .nb_xor = int_xor,
    .nb_or = int_or,
    .nb_int = int_int,
    .nb_float = int_float,
    .nb_floor_divide = int_floordiv,
    .nb_true_divide = int_truediv,
    .nb_index = int_int,
};

PyTypeObject PyLong_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "int",
    .tp_basicsize = offsetof(PyLongObject, long_value.ob_digit),
    .tp_itemsize = sizeof(digit),
    .tp_dealloc = int_dealloc,
    .tp_repr = int_repr,
    .tp_as_number = &int_as_number,
    .tp_hash = int_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_LONG_SUBCLASS |
                _Py_TPFLAGS_MATCH_SELF,
    .tp_doc = "int([x]) -> integer\n"
              "int(x, base=10) -> integer\n"
              "\n"
              "Makes an int of a number (by its __int__ or __index__; a float loses its\n"
              "fraction) or of text in the given base, 2 to 36. Base 0 reads the prefix\n"
              "of the literal (0b, 0o, 0x). Without arguments: 0.\n"
              ">>> int('0x20', base=0)\n"
              "32",
    .tp_richcompare = int_richcompare,
    .tp_methods = int_methods,
    .tp_getset = int_getset,
    .tp_new = int_new,
    .tp_free = PyObject_Free,
    .tp_vectorcall = int_vectorcall,
};

/* ======== PyLong_* ==================================================================== */

PyObject *
PyLong_FromLong(long n)
{
    return nj_int_from_i64(n);
}

PyObject *
PyLong_FromLongLong(long long n)
{
    return nj_int_from_i64(n);
}

PyObject *
PyLong_FromSsize_t(Py_ssize_t n)
{
    return nj_int_from_i64(n);
}

PyObject *
PyLong_FromInt32(int32_t n)
{
    return nj_int_from_i64(n);
}

PyObject *
PyLong_FromInt64(int64_t n)
{
    return nj_int_from_i64(n);
}

PyObject *
PyLong_FromUnsignedLong(unsigned long n)
{
    return n <= INT64_MAX ? nj_int_from_i64((int64_t)n) : nj_int_from_u128(n, false);
}

PyObject *
PyLong_FromUnsignedLongLong(unsigned long long n)
{
    return PyLong_FromUnsignedLong(n);
}

PyObject *
PyLong_FromSize_t(size_t n)
{
    return PyLong_FromUnsignedLong(n);
}

PyObject *
PyLong_FromUInt32(uint32_t n)
{
    return nj_int_from_i64(n);
}

PyObject *
PyLong_FromUInt64(uint64_t n)
{
    return PyLong_FromUnsignedLong(n);
}

PyObject *
PyLong_FromVoidPtr(void *p)
{
    return PyLong_FromUnsignedLong((uintptr_t)p);
}

PyObject *
PyLong_FromDouble(double x)
{
    /* Every double strictly between -2**63 and 2**63 truncates to an int64. */
    if (x > -9223372036854775808.0 && x < 9223372036854775808.0) {
        return nj_int_from_i64((int64_t)x);
    }
    if (isinf(x)) {
        PyErr_SetString(PyExc_OverflowError, "cannot convert float infinity to integer");
        return NULL;
    }
    if (isnan(x)) {
        PyErr_SetString(PyExc_ValueError, "cannot convert float NaN to integer");
        return NULL;
    }
    int e;
    bool negative = x < 0;
    double m = frexp(fabs(x), &e); /* e >= 64 */
    uint64_t bits = (uint64_t)ldexp(m, DBL_MANT_DIG);
    NJ_OWN v = nj_int_from_i64((int64_t)bits);
    if (v == NULL) {
        return NULL;
    }
    NJ_SET(v, nj_int_lshift_n(INT(v), e - DBL_MANT_DIG));
    if (v != NULL && negative) {
        NJ_SET(v, nj_int_neg(INT(v)));
    }
    return NJ_TAKE(v);
}

/* The low 64 bits of the magnitude; true if there is more above them. */
static bool
to_u64(const PyLongObject *v, uint64_t *out)
{
    size_t nd = nj_int_ndigits(v);
    const digit *d = DIGITS(v);
    uint64_t m = nd > 0 ? d[0] : 0;
    if (nd > 1) {
        m |= (uint64_t)d[1] << 30;
    }
    bool more = false;
    if (nd > 2) {
        m |= (uint64_t)d[2] << 60;
        more = d[2] >> 4 || nd > 3;
    }
    *out = m;
    return more;
}

/* 0, or the sign of the overflow (+1, -1). */
static int
to_i64(const PyLongObject *v, int64_t *out)
{
    if (NJ_LIKELY(nj_int_is_medium(v))) {
        *out = nj_int_medium_value(v);
        return 0;
    }
    uint64_t m;
    bool negative = nj_int_is_negative(v);
    bool more = to_u64(v, &m);
    if (more || m > (uint64_t)INT64_MAX + negative) {
        *out = -1;
        return negative ? -1 : 1;
    }
    *out = negative ? (int64_t)(0 - m) : (int64_t)m;
    return 0;
}

/* op as an int through __index__ if need be: new reference, or NULL with an exception. */
static PyLongObject *
as_int(PyObject *op)
{
    if (op == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (PyLong_Check(op)) {
        return (PyLongObject *)Py_NewRef(op);
    }
    return (PyLongObject *)PyNumber_Index(op);
}

/* Checks that op is an int: the functions without __index__. */
static bool
need_int(PyObject *op)
{
    if (op == NULL) {
        PyErr_BadInternalCall();
        return false;
    }
    if (!PyLong_Check(op)) {
        PyErr_SetString(PyExc_TypeError, "an integer is required");
        return false;
    }
    return true;
}

long long
PyLong_AsLongLongAndOverflow(PyObject *op, int *overflow)
{
    *overflow = 0;
    int64_t n;
    if (NJ_LIKELY(op != NULL && PyLong_Check(op))) {
        *overflow = to_i64(INT(op), &n);
        return n;
    }
    PyLongObject *v = as_int(op);
    if (v == NULL) {
        return -1;
    }
    *overflow = to_i64(v, &n);
    Py_DECREF(v);
    return n;
}

long
PyLong_AsLongAndOverflow(PyObject *op, int *overflow)
{
    return PyLong_AsLongLongAndOverflow(op, overflow);
}

long
PyLong_AsLong(PyObject *op)
{
    int overflow;
    long n = PyLong_AsLongLongAndOverflow(op, &overflow);
    if (overflow) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C long");
    }
    return n;
}

long long
PyLong_AsLongLong(PyObject *op)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(op, &overflow);
    if (overflow) {
        PyErr_SetString(PyExc_OverflowError, "int too big to convert");
    }
    return n;
}

int
PyLong_AsInt(PyObject *op)
{
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(op, &overflow);
    if (overflow || n > INT_MAX || n < INT_MIN) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return -1;
    }
    return (int)n;
}

Py_ssize_t
PyLong_AsSsize_t(PyObject *op)
{
    if (!need_int(op)) {
        return -1;
    }
    int64_t n;
    if (to_i64(INT(op), &n)) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C ssize_t");
        return -1;
    }
    return n;
}

static uint64_t
as_unsigned(PyObject *op, const char *negative, const char *large)
{
    if (!need_int(op)) {
        return (uint64_t)-1;
    }
    if (nj_int_is_negative(INT(op))) {
        PyErr_SetString(PyExc_OverflowError, negative);
        return (uint64_t)-1;
    }
    uint64_t m;
    if (to_u64(INT(op), &m)) {
        PyErr_SetString(PyExc_OverflowError, large);
        return (uint64_t)-1;
    }
    return m;
}

size_t
PyLong_AsSize_t(PyObject *op)
{
    return as_unsigned(op, "can't convert negative value to size_t",
                       "Python int too large to convert to C size_t");
}

unsigned long
PyLong_AsUnsignedLong(PyObject *op)
{
    return as_unsigned(op, "can't convert negative value to unsigned int",
                       "Python int too large to convert to C unsigned long");
}

unsigned long long
PyLong_AsUnsignedLongLong(PyObject *op)
{
    return as_unsigned(op, "can't convert negative int to unsigned",
                       "int too big to convert");
}

unsigned long long
PyLong_AsUnsignedLongLongMask(PyObject *op)
{
    PyLongObject *v = as_int(op);
    if (v == NULL) {
        return (unsigned long long)-1;
    }
    uint64_t m;
    (void)to_u64(v, &m);
    if (nj_int_is_negative(v)) {
        m = 0 - m;
    }
    Py_DECREF(v);
    return m;
}

unsigned long
PyLong_AsUnsignedLongMask(PyObject *op)
{
    return PyLong_AsUnsignedLongLongMask(op);
}

static int
as_int_range(PyObject *op, int64_t lo, int64_t hi, int64_t *out, const char *ctype)
{
    PyLongObject *v = as_int(op);
    if (v == NULL) {
        return -1;
    }
    int over = to_i64(v, out);
    Py_DECREF(v);
    if (over || *out < lo || *out > hi) {
        PyErr_Format(PyExc_OverflowError, "Python int too large to convert to C %s", ctype);
        return -1;
    }
    return 0;
}

static int
as_uint_range(PyObject *op, uint64_t hi, uint64_t *out, const char *ctype)
{
    PyLongObject *v = as_int(op);
    if (v == NULL) {
        return -1;
    }
    bool negative = nj_int_is_negative(v);
    bool over = to_u64(v, out);
    Py_DECREF(v);
    if (negative) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    if (over || *out > hi) {
        PyErr_Format(PyExc_OverflowError, "Python int too large to convert to C %s", ctype);
        return -1;
    }
    return 0;
}

int
PyLong_AsInt32(PyObject *op, int32_t *value)
{
    int64_t n;
    if (as_int_range(op, INT32_MIN, INT32_MAX, &n, "int32_t") < 0) {
        return -1;
    }
    *value = (int32_t)n;
    return 0;
}

int
PyLong_AsInt64(PyObject *op, int64_t *value)
{
    int64_t n;
    if (as_int_range(op, INT64_MIN, INT64_MAX, &n, "int64_t") < 0) {
        return -1;
    }
    *value = n;
    return 0;
}

int
PyLong_AsUInt32(PyObject *op, uint32_t *value)
{
    uint64_t n;
    if (as_uint_range(op, UINT32_MAX, &n, "uint32_t") < 0) {
        return -1;
    }
    *value = (uint32_t)n;
    return 0;
}

int
PyLong_AsUInt64(PyObject *op, uint64_t *value)
{
    uint64_t n;
    if (as_uint_range(op, UINT64_MAX, &n, "uint64_t") < 0) {
        return -1;
    }
    *value = n;
    return 0;
}

void *
PyLong_AsVoidPtr(PyObject *op)
{
    if (op != NULL && PyLong_Check(op) && nj_int_is_negative(INT(op))) {
        long n = PyLong_AsLong(op);
        return n == -1 && PyErr_Occurred() ? NULL : (void *)n;
    }
    unsigned long n = PyLong_AsUnsignedLong(op);
    if (n == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return (void *)n;
}

/* ---- sign and size ------------------------------------------------------------------ */

static bool
expect_int(PyObject *op)
{
    if (!PyLong_Check(op)) {
        PyErr_Format(PyExc_TypeError, "expected int, got %T", op);
        return false;
    }
    return true;
}

int
PyLong_IsPositive(PyObject *op)
{
    return expect_int(op) ? nj_int_sign(INT(op)) > 0 : -1;
}

int
PyLong_IsNegative(PyObject *op)
{
    return expect_int(op) ? nj_int_sign(INT(op)) < 0 : -1;
}

int
PyLong_IsZero(PyObject *op)
{
    return expect_int(op) ? nj_int_sign(INT(op)) == 0 : -1;
}

int
PyLong_GetSign(PyObject *op, int *sign)
{
    if (!PyLong_Check(op)) {
        PyErr_Format(PyExc_TypeError, "expect int, got %T", op);
        return -1;
    }
    *sign = nj_int_sign(INT(op));
    return 0;
}

#undef _PyLong_Sign
int
_PyLong_Sign(PyObject *op)
{
    return nj_int_sign(INT(op));
}

int64_t
_PyLong_NumBits(PyObject *op)
{
    size_t nd = nj_int_ndigits(INT(op));
    if (nd == 0) {
        return 0;
    }
    return (int64_t)(nd - 1) * PyLong_SHIFT + 32 - __builtin_clz(DIGITS(INT(op))[nd - 1]);
}

#undef PyUnstable_Long_IsCompact
int
PyUnstable_Long_IsCompact(const PyLongObject *op)
{
    return nj_int_is_compact(op);
}

#undef PyUnstable_Long_CompactValue
Py_ssize_t
PyUnstable_Long_CompactValue(const PyLongObject *op)
{
    return nj_int_compact_value(op);
}

/* ---- bytes -------------------------------------------------------------------------- */

PyObject *
_PyLong_FromByteArray(const unsigned char *bytes, size_t n, int little, int is_signed)
{
    /* i-th byte from the least significant end */
#define BYTE(i) (little ? bytes[i] : bytes[n - 1 - (i)])
    if (n == 0) {
        return nj_small_int(0);
    }
    bool negative = is_signed && (BYTE(n - 1) & 0x80);
    if (n <= 8) {
        uint64_t m = 0;
        for (size_t i = n; i-- > 0;) {
            m = m << 8 | BYTE(i);
        }
        if (negative) {
            if (n < 8) {
                m |= UINT64_MAX << (8 * n);
            }
            return nj_int_from_i64((int64_t)m);
        }
        return PyLong_FromUnsignedLong(m);
    }
    unsigned char fill = negative ? 0xff : 0;
    while (n > 1 && BYTE(n - 1) == fill) {
        if (!little) {
            bytes++;
        }
        n--;
    }
    if (n > (size_t)PY_SSIZE_T_MAX / 8) {
        PyErr_SetString(PyExc_OverflowError, "byte array too long to convert to int");
        return NULL;
    }
    size_t nd = (n * 8 + PyLong_SHIFT - 1) / PyLong_SHIFT + negative;
    PyLongObject *v = nj_int_alloc((Py_ssize_t)nd);
    if (v == NULL) {
        return NULL;
    }
    uint64_t acc = 0;
    unsigned have = 0, carry = 1;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned b = BYTE(i);
        if (negative) {
            b = (b ^ 0xff) + carry;
            carry = b >> 8;
            b &= 0xff;
        }
        acc |= (uint64_t)b << have;
        have += 8;
        if (have >= PyLong_SHIFT) {
            DIGITS(v)[k++] = (digit)acc & PyLong_MASK;
            acc >>= PyLong_SHIFT;
            have -= PyLong_SHIFT;
        }
    }
    if (negative) {
        acc |= (uint64_t)carry << have;
    }
    for (; k < nd; k++) {
        DIGITS(v)[k] = (digit)acc & PyLong_MASK;
        acc >>= PyLong_SHIFT;
    }
    return nj_int_finish(v, negative);
#undef BYTE
}

/* Writes the low n bytes in two's complement, sign-extended. */
static void
write_bytes(const PyLongObject *v, unsigned char *bytes, size_t n, bool little)
{
    bool negative = nj_int_is_negative(v);
    size_t nd = nj_int_ndigits(v), k = 0;
    uint64_t acc = 0;
    unsigned have = 0, carry = 1;
    for (size_t i = 0; i < n; i++) {
        if (have < 8) {
            acc |= (k < nd ? (uint64_t)DIGITS(v)[k] : 0) << have;
            k++;
            have += PyLong_SHIFT;
        }
        unsigned b = (unsigned)acc & 0xff;
        acc >>= 8;
        have -= 8;
        if (negative) {
            b = (b ^ 0xff) + carry;
            carry = b >> 8;
            b &= 0xff;
        }
        bytes[little ? i : n - 1 - i] = (unsigned char)b;
    }
}

/* True if v = -2**k for some k. */
static bool
is_minus_power_of_two(const PyLongObject *v)
{
    size_t nd = nj_int_ndigits(v);
    if (!nj_int_is_negative(v) || nd == 0) {
        return false;
    }
    for (size_t i = 0; i + 1 < nd; i++) {
        if (DIGITS(v)[i]) {
            return false;
        }
    }
    digit top = DIGITS(v)[nd - 1];
    return (top & (top - 1)) == 0;
}

int
_PyLong_AsByteArray(PyLongObject *v, unsigned char *bytes, size_t n, int little,
                    int is_signed, int with_exceptions)
{
    bool negative = nj_int_is_negative(v);
    if (negative && !is_signed) {
        if (with_exceptions) {
            PyErr_SetString(PyExc_OverflowError, "can't convert negative int to unsigned");
        }
        return -1;
    }
    write_bytes(v, bytes, n, little);
    uint64_t bits = (uint64_t)_PyLong_NumBits((PyObject *)v);
    bool fits;
    if (!is_signed) {
        fits = bits <= 8 * (uint64_t)n;
    }
    else {
        fits = bits < 8 * (uint64_t)n || (bits == 0 && n == 0) ||
               (bits == 8 * (uint64_t)n && is_minus_power_of_two(v));
    }
    if (!fits) {
        if (with_exceptions) {
            PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        }
        return -1;
    }
    return 0;
}

static bool
resolve_little(int flags)
{
    /* -1 and 3: native; little-endian is the only host we run on */
    if (flags == -1 || (flags & 2)) {
        return PY_LITTLE_ENDIAN;
    }
    return flags & 1;
}

Py_ssize_t
PyLong_AsNativeBytes(PyObject *op, void *buffer, Py_ssize_t n, int flags)
{
    if (op == NULL || n < 0) {
        PyErr_BadInternalCall();
        return -1;
    }
    PyLongObject *v;
    if (PyLong_Check(op)) {
        v = INT(Py_NewRef(op));
    }
    else if (flags != -1 && (flags & Py_ASNATIVEBYTES_ALLOW_INDEX)) {
        v = (PyLongObject *)PyNumber_Index(op);
        if (v == NULL) {
            return -1;
        }
    }
    else {
        PyErr_Format(PyExc_TypeError, "expect int, got %T", op);
        return -1;
    }
    bool negative = nj_int_is_negative(v);
    if (flags != -1 && (flags & Py_ASNATIVEBYTES_REJECT_NEGATIVE) && negative) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        Py_DECREF(v);
        return -1;
    }
    bool to_unsigned = flags == -1 || (flags & Py_ASNATIVEBYTES_UNSIGNED_BUFFER);
    write_bytes(v, buffer, (size_t)n, resolve_little(flags));
    int64_t bits = _PyLong_NumBits((PyObject *)v);
    Py_ssize_t r;
    if (nj_int_is_compact(v)) {
        /* The size of a machine word unless the buffer is smaller and enough. */
        r = sizeof(Py_ssize_t);
        if (n > 0 && n < r) {
            if (bits < 8 * n || (bits == 8 * n && is_minus_power_of_two(v))) {
                r = n;
            }
            else if (bits == 8 * n && !negative) {
                r = to_unsigned ? n : n + 1;
            }
        }
    }
    else {
        r = bits / 8 + 1;
        if (n > 0 && r == n + 1 && bits % 8 == 0 &&
            (negative ? is_minus_power_of_two(v) : to_unsigned)) {
            r = n;
        }
    }
    Py_DECREF(v);
    return r;
}

PyObject *
PyLong_FromNativeBytes(const void *buffer, size_t n, int flags)
{
    if (buffer == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    bool is_unsigned = flags != -1 && (flags & Py_ASNATIVEBYTES_UNSIGNED_BUFFER);
    return _PyLong_FromByteArray(buffer, n, resolve_little(flags), !is_unsigned);
}

PyObject *
PyLong_FromUnsignedNativeBytes(const void *buffer, size_t n, int flags)
{
    if (buffer == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return _PyLong_FromByteArray(buffer, n, resolve_little(flags), 0);
}

/* ---- digits: import, export --------------------------------------------------------- */

const PyLongLayout *
PyLong_GetNativeLayout(void)
{
    static const PyLongLayout layout = {
        .bits_per_digit = PyLong_SHIFT,
        .digit_size = sizeof(digit),
        .digits_order = -1,
        .digit_endianness = PY_LITTLE_ENDIAN ? -1 : 1,
    };
    return &layout;
}

int
PyLong_Export(PyObject *op, PyLongExport *out)
{
    if (!PyLong_Check(op)) {
        memset(out, 0, sizeof *out);
        PyErr_Format(PyExc_TypeError, "expect int, got %T", op);
        return -1;
    }
    int64_t n;
    if (to_i64(INT(op), &n) == 0) {
        *out = (PyLongExport){.value = n};
        return 0;
    }
    *out = (PyLongExport){
        .value = 0,
        .negative = nj_int_is_negative(INT(op)),
        .ndigits = (Py_ssize_t)nj_int_ndigits(INT(op)),
        .digits = DIGITS(INT(op)),
        ._reserved = (Py_uintptr_t)Py_NewRef(op),
    };
    return 0;
}

void
PyLong_FreeExport(PyLongExport *x)
{
    PyObject *op = (PyObject *)x->_reserved;
    if (op != NULL) {
        x->_reserved = 0;
        Py_DECREF(op);
    }
}

PyLongWriter *
PyLongWriter_Create(int negative, Py_ssize_t ndigits, void **digits)
{
    if (ndigits <= 0) {
        PyErr_SetString(PyExc_ValueError, "ndigits must be positive");
        *digits = NULL;
        return NULL;
    }
    PyLongObject *v = nj_int_alloc(ndigits);
    if (v == NULL) {
        *digits = NULL;
        return NULL;
    }
    if (negative) {
        v->long_value.lv_tag |= 2;
    }
    *digits = DIGITS(v);
    return (PyLongWriter *)v;
}

PyObject *
PyLongWriter_Finish(PyLongWriter *writer)
{
    PyLongObject *v = (PyLongObject *)writer;
    return nj_int_finish(v, nj_int_is_negative(v));
}

void
PyLongWriter_Discard(PyLongWriter *writer)
{
    Py_XDECREF((PyObject *)writer);
}

PyLongObject *
_PyLong_New(Py_ssize_t ndigits)
{
    PyLongObject *v = nj_int_alloc(ndigits);
    if (v != NULL && ndigits == 0) {
        v->long_value.lv_tag = 1;
    }
    return v;
}

PyLongObject *
_PyLong_FromDigits(int negative, Py_ssize_t n, digit *digits)
{
    if (n == 0) {
        return INT(nj_small_int(0));
    }
    PyLongObject *v = nj_int_alloc(n);
    if (v == NULL) {
        return NULL;
    }
    memcpy(DIGITS(v), digits, (size_t)n * sizeof(digit));
    return INT(nj_int_finish(v, negative));
}

PyObject *
_PyLong_Copy(PyLongObject *src)
{
    if (nj_int_is_medium(src)) {
        return nj_int_from_i64(nj_int_medium_value(src));
    }
    size_t nd = nj_int_ndigits(src);
    PyLongObject *v = nj_int_alloc((Py_ssize_t)nd);
    if (v == NULL) {
        return NULL;
    }
    memcpy(DIGITS(v), DIGITS(src), nd * sizeof(digit));
    v->long_value.lv_tag = src->long_value.lv_tag & ~(uintptr_t)4;
    return (PyObject *)v;
}

/* ---- sys.int_info ------------------------------------------------------------------- */

static PyStructSequence_Field int_info_fields[] = {
    {"bits_per_digit", "size of a digit in bits"},
    {"sizeof_digit", "size in bytes of the C type used to represent a digit"},
    {"default_max_str_digits", "maximum string conversion digits limitation"},
    {"str_digits_check_threshold",
     "minimum positive value for int_max_str_digits"},
    {NULL, NULL},
};

static PyStructSequence_Desc int_info_desc = {
    .name = "sys.int_info",
    .doc = "How the interpreter represents int.  The attributes are read only.",
    .fields = int_info_fields,
    .n_in_sequence = 4,
};

PyObject *
PyLong_GetInfo(void)
{
    NjNumberState *st = &nj_interp()->numbers;
    if (st->int_info_type == NULL) {
        st->int_info_type = PyStructSequence_NewType(&int_info_desc);
        if (st->int_info_type == NULL) {
            return NULL;
        }
        st->int_info_type->tp_flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
    }
    NJ_OWN r = PyStructSequence_New(st->int_info_type);
    if (r == NULL) {
        return NULL;
    }
    static const int values[] = {PyLong_SHIFT, sizeof(digit), 4300, 640};
    for (int i = 0; i < 4; i++) {
        PyObject *v = nj_int_from_i64(values[i]);
        if (v == NULL) {
            return NULL;
        }
        PyStructSequence_SetItem(r, i, v);
    }
    return NJ_TAKE(r);
}

/* ctxmethods.c - the methods of decimal.Context that compute.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

static PyObject *
unary(PyObject *context, PyObject *v, UnaryFunc *f)
{
    DecState *st = dec_state(Py_TYPE(context));
    NJ_OWN a = NULL;
    return nj_convert_or_raise(st, context, v, &a) < 0 ? NULL : nj_unary(st, f, a, context);
}

/* Exactly n positional arguments: n is 2 or 3. */
static int
check_count(Py_ssize_t nargs, Py_ssize_t n)
{
    if (NJ_LIKELY(nargs == n)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "function takes exactly %zd arguments (%zd given)", n,
                 nargs);
    return -1;
}

static PyObject *
binary(PyObject *context, PyObject *const *args, Py_ssize_t nargs, BinaryFunc *f)
{
    DecState *st = dec_state(Py_TYPE(context));
    NJ_OWN a = NULL;
    NJ_OWN b = NULL;
    if (check_count(nargs, 2) < 0 || nj_convert_or_raise(st, context, args[0], &a) < 0 ||
        nj_convert_or_raise(st, context, args[1], &b) < 0) {
        return NULL;
    }
    return nj_binary(st, f, a, b, context);
}

#define UNARY(name, func)                                                              \
    static PyObject *ctx_##name(PyObject *op, PyObject *v) { return unary(op, v, func); }
#define BINARY(name, func)                                                             \
    static PyObject *ctx_##name(PyObject *op, PyObject *const *args, Py_ssize_t nargs) \
    {                                                                                  \
        return binary(op, args, nargs, func);                                          \
    }
/* A question about a value. */
#define TEST(name, expr)                                                               \
    static PyObject *ctx_##name(PyObject *op, PyObject *v)                             \
    {                                                                                  \
        NJ_OWN a = NULL;                                                               \
        if (nj_convert_or_raise(dec_state(Py_TYPE(op)), op, v, &a) < 0) {              \
            return NULL;                                                               \
        }                                                                              \
        return PyBool_FromLong(expr);                                                  \
    }

UNARY(abs, mpd_qabs)
UNARY(exp, mpd_qexp)
UNARY(ln, mpd_qln)
UNARY(log10, mpd_qlog10)
UNARY(minus, mpd_qminus)
UNARY(next_minus, mpd_qnext_minus)
UNARY(next_plus, mpd_qnext_plus)
UNARY(normalize, mpd_qreduce)
UNARY(plus, mpd_qplus)
UNARY(to_integral_value, mpd_qround_to_int)
UNARY(to_integral_exact, mpd_qround_to_intx)
UNARY(sqrt, mpd_qsqrt)
UNARY(logb, mpd_qlogb)
UNARY(logical_invert, mpd_qinvert)
UNARY(copy_abs, nj_copy_abs_func)
UNARY(copy_negate, nj_copy_negate_func)

BINARY(add, mpd_qadd)
BINARY(compare, nj_compare_func)
BINARY(compare_signal, nj_compare_signal_func)
BINARY(compare_total, nj_compare_total_func)
BINARY(compare_total_mag, nj_compare_total_mag_func)
BINARY(copy_sign, nj_copy_sign_func)
BINARY(divide, mpd_qdiv)
BINARY(divide_int, mpd_qdivint)
BINARY(logical_and, mpd_qand)
BINARY(logical_or, mpd_qor)
BINARY(logical_xor, mpd_qxor)
BINARY(max, mpd_qmax)
BINARY(max_mag, mpd_qmax_mag)
BINARY(min, mpd_qmin)
BINARY(min_mag, mpd_qmin_mag)
BINARY(multiply, mpd_qmul)
BINARY(next_toward, mpd_qnext_toward)
BINARY(quantize, mpd_qquantize)
BINARY(remainder, mpd_qrem)
BINARY(remainder_near, mpd_qrem_near)
BINARY(rotate, mpd_qrotate)
BINARY(scaleb, mpd_qscaleb)
BINARY(shift, mpd_qshift)
BINARY(subtract, mpd_qsub)

TEST(is_finite, mpd_isfinite(MPD(a)))
TEST(is_infinite, mpd_isinfinite(MPD(a)))
TEST(is_nan, mpd_isnan(MPD(a)))
TEST(is_normal, mpd_isnormal(MPD(a), CTX(op)))
TEST(is_qnan, mpd_isqnan(MPD(a)))
TEST(is_signed, mpd_issigned(MPD(a)))
TEST(is_snan, mpd_issnan(MPD(a)))
TEST(is_subnormal, mpd_issubnormal(MPD(a), CTX(op)))
TEST(is_zero, mpd_iszero(MPD(a)))

static PyObject *
ctx_same_quantum(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN a = NULL;
    NJ_OWN b = NULL;
    if (check_count(nargs, 2) < 0 || nj_convert_or_raise(st, op, args[0], &a) < 0 ||
        nj_convert_or_raise(st, op, args[1], &b) < 0) {
        return NULL;
    }
    return PyBool_FromLong(mpd_same_quantum(MPD(a), MPD(b)));
}

static PyObject *
ctx_divmod(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN a = NULL;
    NJ_OWN b = NULL;
    if (check_count(nargs, 2) < 0 || nj_convert_or_raise(st, op, args[0], &a) < 0 ||
        nj_convert_or_raise(st, op, args[1], &b) < 0) {
        return NULL;
    }
    return nj_divmod(st, a, b, op);
}

static PyObject *
ctx_power(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static char *const keywords[] = {"a", "b", "modulo", NULL};
    DecState *st = dec_state(Py_TYPE(op));
    PyObject *v[3];
    NJ_OWN a = NULL;
    NJ_OWN b = NULL;
    NJ_OWN mod = NULL;
    if (parse_args(args, nargs, kwnames, "OO|O", keywords, 2, 3, v) < 0 ||
        nj_convert_or_raise(st, op, v[0], &a) < 0 ||
        nj_convert_or_raise(st, op, v[1], &b) < 0 ||
        (v[2] && v[2] != Py_None && nj_convert_or_raise(st, op, v[2], &mod) < 0)) {
        return NULL;
    }
    return nj_power(st, a, b, mod, op);
}

static PyObject *
ctx_fma(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN a = NULL;
    NJ_OWN b = NULL;
    NJ_OWN c = NULL;
    if (check_count(nargs, 3) < 0 || nj_convert_or_raise(st, op, args[0], &a) < 0 ||
        nj_convert_or_raise(st, op, args[1], &b) < 0 ||
        nj_convert_or_raise(st, op, args[2], &c) < 0) {
        return NULL;
    }
    return nj_fma(st, a, b, c, op);
}

static PyObject *
ctx_radix(PyObject *op, PyObject *unused)
{
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN ten = PyLong_FromLong(10);
    PyObject *d = NULL;
    return ten && nj_convert(st, op, ten, &d) > 0 ? d : NULL;
}

static PyObject *
ctx_text(PyObject *op, PyObject *v, bool engineering)
{
    NJ_OWN a = NULL;
    return nj_convert_or_raise(dec_state(Py_TYPE(op)), op, v, &a) < 0
               ? NULL
               : nj_dec_text(a, op, engineering);
}

static PyObject *
ctx_to_sci_string(PyObject *op, PyObject *v)
{
    return ctx_text(op, v, false);
}

static PyObject *
ctx_to_eng_string(PyObject *op, PyObject *v)
{
    return ctx_text(op, v, true);
}

static PyObject *
ctx_number_class(PyObject *op, PyObject *v)
{
    NJ_OWN a = NULL;
    return nj_convert_or_raise(dec_state(Py_TYPE(op)), op, v, &a) < 0
               ? NULL
               : nj_number_class(a, op);
}

static PyObject *
ctx_canonical(PyObject *op, PyObject *v)
{
    if (!IS_DEC(dec_state(Py_TYPE(op)), v)) {
        PyErr_SetString(PyExc_TypeError, "argument must be a Decimal");
        return NULL;
    }
    return Py_NewRef(v);
}

static PyObject *
ctx_is_canonical(PyObject *op, PyObject *v)
{
    if (!IS_DEC(dec_state(Py_TYPE(op)), v)) {
        PyErr_SetString(PyExc_TypeError, "argument must be a Decimal");
        return NULL;
    }
    return PyBool_FromLong(mpd_iscanonical(MPD(v)));
}

static PyObject *
ctx_apply(PyObject *op, PyObject *v)
{
    DecState *st = dec_state(Py_TYPE(op));
    NJ_OWN a = NULL;
    return nj_convert_or_raise(st, op, v, &a) < 0 ? NULL : nj_dec_apply(st, a, op);
}

static PyObject *
ctx_copy_decimal(PyObject *op, PyObject *v)
{
    PyObject *a;
    return nj_convert_or_raise(dec_state(Py_TYPE(op)), op, v, &a) < 0 ? NULL : a;
}

static PyObject *
ctx_create_decimal(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    DecState *st = dec_state(Py_TYPE(op));
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "function takes at most 1 argument (%zd given)",
                     nargs);
        return NULL;
    }
    return nj_dec_from_object(st, st->dec_type, nargs ? args[0] : NULL, op, false);
}

static PyObject *
ctx_create_decimal_from_float(PyObject *op, PyObject *v)
{
    DecState *st = dec_state(Py_TYPE(op));
    if (PyLong_Check(v)) {
        return nj_dec_from_object(st, st->dec_type, v, op, false);
    }
    if (PyFloat_Check(v)) {
        return nj_dec_from_float(st, st->dec_type, v, op, false);
    }
    PyErr_SetString(PyExc_TypeError, "argument must be int or float");
    return NULL;
}

#define U(name, doc) {#name, ctx_##name, METH_O, #name "($self, x, /)\n--\n\n" doc}
#define B(name, doc)                                                                   \
    {#name, _PyCFunction_CAST(ctx_##name), METH_FASTCALL,                              \
     #name "($self, x, y, /)\n--\n\n" doc}
#define N(name, func, doc) {name, func, METH_NOARGS, name "($self, /)\n--\n\n" doc}

PyMethodDef nj_context_methods[] = {
    U(abs, "The absolute value of x, rounded."),
    U(exp, "e ** x."),
    U(ln, "The natural logarithm of x."),
    U(log10, "The logarithm of x to base 10."),
    U(minus, "-x, rounded."),
    U(next_minus, "The largest representable number below x."),
    U(next_plus, "The smallest representable number above x."),
    U(normalize, "x without trailing zeros."),
    U(plus, "+x, rounded."),
    {"to_integral", ctx_to_integral_value, METH_O,
     "to_integral($self, x, /)\n--\n\nThe same as to_integral_value(x)."},
    U(to_integral_exact, "x rounded to an integer; signals Inexact and Rounded."),
    U(to_integral_value, "x rounded to an integer, without signals."),
    U(sqrt, "The square root of x."),
    B(add, "x + y."),
    B(compare, "Compare numerically: -1, 0, 1 or NaN."),
    B(compare_signal, "Compare; every NaN signals."),
    B(divide, "x / y."),
    B(divide_int, "The integer part of x / y."),
    B(divmod, "The integer part of x / y, and the remainder."),
    B(max, "The larger value."),
    B(max_mag, "The value of larger magnitude."),
    B(min, "The smaller value."),
    B(min_mag, "The value of smaller magnitude."),
    B(multiply, "x * y."),
    B(next_toward, "The representable number next to x in the direction of y."),
    B(quantize, "x with the exponent of y, rounded."),
    B(remainder, "The remainder of the integer division x / y."),
    B(remainder_near, "x - y * n for the integer n nearest to x / y."),
    B(subtract, "x - y."),
    {"power", _PyCFunction_CAST(ctx_power), METH_FASTCALL | METH_KEYWORDS,
     "power($self, /, a, b, modulo=None)\n--\n\n"
     "a ** b, or (a ** b) % modulo of integers."},
    {"fma", _PyCFunction_CAST(ctx_fma), METH_FASTCALL,
     "fma($self, x, y, z, /)\n--\n\nx * y + z, rounded once."},
    N("Etiny", nj_context_etiny,
      "Emin - prec + 1, the exponent of the smallest subnormal."),
    N("Etop", nj_context_etop,
      "Emax - prec + 1, the largest exponent of a full coefficient."),
    N("radix", ctx_radix, "10."),
    U(is_canonical, "True for every Decimal."),
    U(is_finite, "Whether x is no infinity and no NaN."),
    U(is_infinite, "Whether x is an infinity."),
    U(is_nan, "Whether x is a quiet or a signaling NaN."),
    U(is_normal, "Whether x is finite, not zero and not subnormal."),
    U(is_qnan, "Whether x is a quiet NaN."),
    U(is_signed, "Whether x has a minus sign."),
    U(is_snan, "Whether x is a signaling NaN."),
    U(is_subnormal, "Whether x is subnormal."),
    U(is_zero, "Whether x is a zero."),
    {"_apply", ctx_apply, METH_O, "_apply($self, object, /)\n--\n\nx rounded to the context."},
    U(copy_abs, "x without its sign."),
    U(copy_decimal, "A Decimal of the value of x."),
    U(copy_negate, "x with the sign inverted."),
    U(logb, "The adjusted exponent of x."),
    U(logical_invert, "The digits 0 and 1 of x, inverted."),
    U(number_class, "The class of x, as text."),
    U(to_sci_string, "x as text in scientific notation."),
    U(to_eng_string, "x as text in engineering notation."),
    B(compare_total, "Compare by the abstract representation."),
    B(compare_total_mag, "Compare by the abstract representation, without signs."),
    B(copy_sign, "x with the sign of y."),
    B(logical_and, "The digits 0 and 1, and-ed."),
    B(logical_or, "The digits 0 and 1, or-ed."),
    B(logical_xor, "The digits 0 and 1, xor-ed."),
    B(rotate, "The digits of x, rotated by y."),
    B(same_quantum, "Whether the exponents are equal."),
    B(scaleb, "x with y added to the exponent."),
    B(shift, "The digits of x, shifted by y."),
    N("clear_flags", nj_context_clear_flags, "Set all flags to False."),
    N("clear_traps", nj_context_clear_traps, "Set all traps to False."),
    N("__copy__", nj_context_copy, "A copy of the context."),
    N("__reduce__", nj_context_reduce, ""),
    N("copy", nj_context_copy, "A copy of the context."),
    U(canonical, "x itself."),
    {"create_decimal", _PyCFunction_CAST(ctx_create_decimal), METH_FASTCALL,
     "create_decimal($self, num=\"0\", /)\n--\n\n"
     "A Decimal of num, rounded; unlike with Decimal(), white space and underscores\n"
     "in text are errors."},
    {"create_decimal_from_float", ctx_create_decimal_from_float, METH_O,
     "create_decimal_from_float($self, f, /)\n--\n\n"
     "A Decimal of a float, rounded."},
    {NULL, NULL, 0, NULL},
};

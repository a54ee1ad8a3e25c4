/* decmethods.c - the methods of decimal.Decimal.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

#define FAST_ARGS PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames

/* ---- with a context ------------------------------------------------------------------ */

static char *const context_keywords[] = {"context", NULL};
static char *const other_keywords[] = {"other", "context", NULL};
static char *const rounding_keywords[] = {"rounding", "context", NULL};

static int
parse_context(DecState *st, FAST_ARGS, PyObject **context)
{
    PyObject *arg;
    return parse_args(args, nargs, kwnames, "|O", context_keywords, 0, 1, &arg) < 0
               ? -1
               : nj_context_arg(st, arg, context);
}

/* The other operand as a new Decimal, and a context. */
static int
parse_other(DecState *st, FAST_ARGS, PyObject **other, PyObject **context)
{
    PyObject *v[2];
    return parse_args(args, nargs, kwnames, "O|O", other_keywords, 1, 2, v) < 0 ||
                   nj_context_arg(st, v[1], context) < 0 ||
                   nj_convert_or_raise(st, *context, v[0], other) < 0
               ? -1
               : 0;
}

static PyObject *
unary(PyObject *v, FAST_ARGS, UnaryFunc *f)
{
    DecState *st = state_of(v);
    PyObject *context;
    return parse_context(st, args, nargs, kwnames, &context) < 0
               ? NULL
               : nj_unary(st, f, v, context);
}

static PyObject *
binary(PyObject *v, FAST_ARGS, BinaryFunc *f)
{
    DecState *st = state_of(v);
    PyObject *context;
    NJ_OWN other = NULL;
    return parse_other(st, args, nargs, kwnames, &other, &context) < 0
               ? NULL
               : nj_binary(st, f, v, other, context);
}

#define UNARY(name, func)                                                              \
    static PyObject *dec_##name(PyObject *v, FAST_ARGS)                                \
    {                                                                                  \
        return unary(v, args, nargs, kwnames, func);                                   \
    }
#define BINARY(name, func)                                                             \
    static PyObject *dec_##name(PyObject *v, FAST_ARGS)                                \
    {                                                                                  \
        return binary(v, args, nargs, kwnames, func);                                  \
    }

UNARY(exp, mpd_qexp)
UNARY(ln, mpd_qln)
UNARY(log10, mpd_qlog10)
UNARY(logb, mpd_qlogb)
UNARY(logical_invert, mpd_qinvert)
UNARY(next_minus, mpd_qnext_minus)
UNARY(next_plus, mpd_qnext_plus)
UNARY(normalize, mpd_qreduce)
UNARY(sqrt, mpd_qsqrt)

BINARY(compare, nj_compare_func)
BINARY(compare_signal, nj_compare_signal_func)
BINARY(compare_total, nj_compare_total_func)
BINARY(compare_total_mag, nj_compare_total_mag_func)
BINARY(copy_sign, nj_copy_sign_func)
BINARY(logical_and, mpd_qand)
BINARY(logical_or, mpd_qor)
BINARY(logical_xor, mpd_qxor)
BINARY(max, mpd_qmax)
BINARY(max_mag, mpd_qmax_mag)
BINARY(min, mpd_qmin)
BINARY(min_mag, mpd_qmin_mag)
BINARY(next_toward, mpd_qnext_toward)
BINARY(remainder_near, mpd_qrem_near)
BINARY(rotate, mpd_qrotate)
BINARY(scaleb, mpd_qscaleb)
BINARY(shift, mpd_qshift)

static PyObject *
dec_same_quantum(PyObject *v, FAST_ARGS)
{
    PyObject *context;
    NJ_OWN other = NULL;
    return parse_other(state_of(v), args, nargs, kwnames, &other, &context) < 0
               ? NULL
               : PyBool_FromLong(mpd_same_quantum(MPD(v), MPD(other)));
}

static PyObject *
dec_is_normal(PyObject *v, FAST_ARGS)
{
    PyObject *context;
    return parse_context(state_of(v), args, nargs, kwnames, &context) < 0
               ? NULL
               : PyBool_FromLong(mpd_isnormal(MPD(v), CTX(context)));
}

static PyObject *
dec_is_subnormal(PyObject *v, FAST_ARGS)
{
    PyObject *context;
    return parse_context(state_of(v), args, nargs, kwnames, &context) < 0
               ? NULL
               : PyBool_FromLong(mpd_issubnormal(MPD(v), CTX(context)));
}

static PyObject *
dec_number_class(PyObject *v, FAST_ARGS)
{
    PyObject *context;
    return parse_context(state_of(v), args, nargs, kwnames, &context) < 0
               ? NULL
               : nj_number_class(v, context);
}

static PyObject *
dec_to_eng_string(PyObject *v, FAST_ARGS)
{
    PyObject *context;
    return parse_context(state_of(v), args, nargs, kwnames, &context) < 0
               ? NULL
               : nj_dec_text(v, context, true);
}

static PyObject *
dec_fma(PyObject *v, FAST_ARGS)
{
    static char *const keywords[] = {"other", "third", "context", NULL};
    DecState *st = state_of(v);
    PyObject *a[3], *context;
    NJ_OWN other = NULL;
    NJ_OWN third = NULL;
    if (parse_args(args, nargs, kwnames, "OO|O", keywords, 2, 3, a) < 0 ||
        nj_context_arg(st, a[2], &context) < 0 ||
        nj_convert_or_raise(st, context, a[0], &other) < 0 ||
        nj_convert_or_raise(st, context, a[1], &third) < 0) {
        return NULL;
    }
    return nj_fma(st, v, other, third, context);
}

/* ---- with a rounding and a context --------------------------------------------------- */

/* *rounding is -1 when not given. */
static int
parse_rounding(DecState *st, PyObject *arg, int *rounding)
{
    *rounding = -1;
    if (arg && arg != Py_None) {
        *rounding = nj_rounding_arg(st, arg);
        return *rounding < 0 ? -1 : 0;
    }
    return 0;
}

static PyObject *
dec_quantize(PyObject *v, FAST_ARGS)
{
    static char *const keywords[] = {"exp", "rounding", "context", NULL};
    DecState *st = state_of(v);
    PyObject *a[3], *context;
    NJ_OWN exp = NULL;
    int rounding;
    if (parse_args(args, nargs, kwnames, "O|OO", keywords, 1, 3, a) < 0 ||
        nj_context_arg(st, a[2], &context) < 0 ||
        parse_rounding(st, a[1], &rounding) < 0 ||
        nj_convert_or_raise(st, context, a[0], &exp) < 0) {
        return NULL;
    }
    uint32_t status = 0;
    mpd_context_t ctx = *CTX(context);
    if (rounding >= 0) {
        ctx.round = rounding;
    }
    NJ_OWN r = nj_dec_alloc(st, st->dec_type);
    if (r == NULL) {
        return NULL;
    }
    mpd_qquantize(MPD(r), MPD(v), MPD(exp), &ctx, &status);
    return add_status(st, context, status) < 0 ? NULL : NJ_TAKE(r);
}

static PyObject *
to_integral(PyObject *v, FAST_ARGS, bool exact)
{
    DecState *st = state_of(v);
    PyObject *a[2], *context;
    int rounding;
    if (parse_args(args, nargs, kwnames, "|OO", rounding_keywords, 0, 2, a) < 0 ||
        nj_context_arg(st, a[1], &context) < 0 ||
        parse_rounding(st, a[0], &rounding) < 0) {
        return NULL;
    }
    return nj_to_integral(st, v, context, rounding, exact);
}

static PyObject *
dec_to_integral_value(PyObject *v, FAST_ARGS)
{
    return to_integral(v, args, nargs, kwnames, false);
}

static PyObject *
dec_to_integral_exact(PyObject *v, FAST_ARGS)
{
    return to_integral(v, args, nargs, kwnames, true);
}

/* ---- without ------------------------------------------------------------------------- */

#define TEST(name, func)                                                               \
    static PyObject *dec_##name(PyObject *v, PyObject *unused)                         \
    {                                                                                  \
        return PyBool_FromLong(func(MPD(v)));                                          \
    }

TEST(is_canonical, mpd_iscanonical)
TEST(is_finite, mpd_isfinite)
TEST(is_infinite, mpd_isinfinite)
TEST(is_nan, mpd_isnan)
TEST(is_qnan, mpd_isqnan)
TEST(is_signed, mpd_issigned)
TEST(is_snan, mpd_issnan)
TEST(is_zero, mpd_iszero)

static PyObject *
dec_self(PyObject *v, PyObject *unused)
{
    return Py_NewRef(v);
}

static PyObject *
dec_adjusted(PyObject *v, PyObject *unused)
{
    return PyLong_FromSsize_t(mpd_isspecial(MPD(v)) ? 0 : mpd_adjexp(MPD(v)));
}

/* Signals nothing: the current context only gives room for an error. */
static PyObject *
copy_with(PyObject *v, UnaryFunc *f)
{
    DecState *st = state_of(v);
    PyObject *context = nj_current_context(st);
    return context ? nj_unary(st, f, v, context) : NULL;
}

static PyObject *
dec_copy_abs(PyObject *v, PyObject *unused)
{
    return copy_with(v, nj_copy_abs_func);
}

static PyObject *
dec_copy_negate(PyObject *v, PyObject *unused)
{
    return copy_with(v, nj_copy_negate_func);
}

static PyObject *
dec_radix(PyObject *v, PyObject *unused)
{
    DecState *st = state_of(v);
    PyObject *context = nj_current_context(st), *r;
    NJ_OWN ten = PyLong_FromLong(10);
    return context && ten && nj_convert(st, context, ten, &r) > 0 ? r : NULL;
}

static PyObject *
dec_ceil(PyObject *v, PyObject *unused)
{
    return nj_dec_as_int(v, MPD_ROUND_CEILING);
}

static PyObject *
dec_floor(PyObject *v, PyObject *unused)
{
    return nj_dec_as_int(v, MPD_ROUND_FLOOR);
}

static PyObject *
dec_trunc(PyObject *v, PyObject *unused)
{
    return nj_dec_as_int(v, MPD_ROUND_DOWN);
}

static PyObject *
dec_round(PyObject *v, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "function takes at most 1 argument (%zd given)",
                     nargs);
        return NULL;
    }
    PyObject *digits = nargs ? args[0] : NULL;
    if (digits == NULL) {
        return nj_dec_as_int(v, MPD_ROUND_HALF_EVEN);
    }
    if (!PyLong_Check(digits)) {
        PyErr_SetString(PyExc_TypeError, "optional arg must be an integer");
        return NULL;
    }
    Py_ssize_t n = PyLong_AsSsize_t(digits);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    DecState *st = state_of(v);
    PyObject *context = nj_current_context(st);
    if (context == NULL) {
        return NULL;
    }
    NJ_OWN r = nj_dec_alloc(st, st->dec_type);
    if (r == NULL) {
        return NULL;
    }
    mpd_uint_t one = 1;
    mpd_t quantum = {MPD_STATIC | MPD_CONST_DATA, 0, 1, 1, 1, &one};
    quantum.exp = n == PY_SSIZE_T_MIN ? PY_SSIZE_T_MAX : -n;
    uint32_t status = 0;
    mpd_qquantize(MPD(r), MPD(v), &quantum, CTX(context), &status);
    return add_status(st, context, status) < 0 ? NULL : NJ_TAKE(r);
}

static PyObject *
dec_complex(PyObject *v, PyObject *unused)
{
    NJ_OWN f = nj_dec_as_float(v);
    return f ? PyComplex_FromDoubles(PyFloat_AS_DOUBLE(f), 0.0) : NULL;
}

static PyObject *
dec_reduce(PyObject *v, PyObject *unused)
{
    NJ_OWN text = PyObject_Str(v);
    return text ? Py_BuildValue("O(O)", Py_TYPE(v), text) : NULL;
}

static PyObject *
dec_sizeof(PyObject *v, PyObject *unused)
{
    size_t size = (size_t)Py_TYPE(v)->tp_basicsize;
    if (!(MPD(v)->flags & MPD_STATIC_DATA)) {
        size += (size_t)MPD(v)->alloc * sizeof(mpd_uint_t);
    }
    return PyLong_FromSize_t(size);
}

/* ---- class methods ------------------------------------------------------------------- */

/* A Decimal as an instance of type. */
static PyObject *
as_type(DecState *st, PyObject *type, PyObject *NJ_STEALS d)
{
    if (d == NULL || type == (PyObject *)st->dec_type) {
        return d;
    }
    NJ_OWN owned = d;
    return PyObject_CallOneArg(type, owned);
}

static DecState *
state_of_class(PyObject *type)
{
    return PyModule_GetState(((PyHeapTypeObject *)dec_base((PyTypeObject *)type))->ht_module);
}

static PyObject *
dec_from_float(PyObject *type, PyObject *v)
{
    DecState *st = state_of_class(type);
    PyObject *context = nj_current_context(st);
    if (context == NULL) {
        return NULL;
    }
    if (PyLong_Check(v)) {
        return as_type(st, type, nj_dec_from_object(st, st->dec_type, v, context, true));
    }
    if (PyFloat_Check(v)) {
        return as_type(st, type, nj_dec_from_float(st, st->dec_type, v, context, true));
    }
    PyErr_SetString(PyExc_TypeError, "argument must be int or float");
    return NULL;
}

static PyObject *
dec_from_number(PyObject *type, PyObject *v)
{
    DecState *st = state_of_class(type);
    PyObject *context = nj_current_context(st);
    if (context == NULL) {
        return NULL;
    }
    if (PyFloat_Check(v)) {
        if (add_status(st, context, MPD_Float_operation) < 0) {
            return NULL;
        }
        return as_type(st, type, nj_dec_from_float(st, st->dec_type, v, context, true));
    }
    PyObject *d;
    return nj_convert_or_raise(st, context, v, &d) < 0 ? NULL : as_type(st, type, d);
}

/* ---- table --------------------------------------------------------------------------- */

#define K(name, args, doc)                                                             \
    {#name, _PyCFunction_CAST(dec_##name), METH_FASTCALL | METH_KEYWORDS,              \
     #name "($self, /, " args ")\n--\n\n" doc}
#define U(name, doc) K(name, "context=None", doc)
#define B(name, doc) K(name, "other, context=None", doc)
#define N(name, func, doc) {name, func, METH_NOARGS, name "($self, /)\n--\n\n" doc}

PyMethodDef nj_dec_methods[] = {
    U(exp, "e ** self."),
    U(ln, "The natural logarithm."),
    U(log10, "The logarithm to base 10."),
    U(next_minus, "The largest representable number below self."),
    U(next_plus, "The smallest representable number above self."),
    U(normalize, "self rounded, without trailing zeros."),
    {"to_integral", _PyCFunction_CAST(dec_to_integral_value),
     METH_FASTCALL | METH_KEYWORDS,
     "to_integral($self, /, rounding=None, context=None)\n--\n\n"
     "The same as to_integral_value()."},
    K(to_integral_exact, "rounding=None, context=None",
      "self rounded to an integer; signals Inexact and Rounded."),
    K(to_integral_value, "rounding=None, context=None",
      "self rounded to an integer, without signals."),
    U(sqrt, "The square root."),
    B(compare, "Compare numerically: -1, 0, 1 or NaN."),
    B(compare_signal, "Compare; every NaN signals."),
    B(max, "The larger value."),
    B(max_mag, "The value of larger magnitude."),
    B(min, "The smaller value."),
    B(min_mag, "The value of smaller magnitude."),
    B(next_toward, "The representable number next to self in the direction of other."),
    K(quantize, "exp, rounding=None, context=None",
      "self with the exponent of exp.\n\n"
      "    >>> Decimal('2.675').quantize(Decimal('0.01'), rounding='ROUND_HALF_UP')\n"
      "    Decimal('2.68')\n"),
    B(remainder_near, "self - other * n for the integer n nearest to self / other."),
    K(fma, "other, third, context=None",
      "self * other + third, rounded once.\n\n"
      "    >>> Decimal('1.5').fma(4, Decimal('0.25'))\n"
      "    Decimal('6.25')\n"),
    N("is_canonical", dec_is_canonical, "True for every Decimal."),
    N("is_finite", dec_is_finite, "Whether self is no infinity and no NaN."),
    N("is_infinite", dec_is_infinite, "Whether self is an infinity."),
    N("is_nan", dec_is_nan, "Whether self is a quiet or a signaling NaN."),
    N("is_qnan", dec_is_qnan, "Whether self is a quiet NaN."),
    N("is_snan", dec_is_snan, "Whether self is a signaling NaN."),
    N("is_signed", dec_is_signed, "Whether self has a minus sign."),
    N("is_zero", dec_is_zero, "Whether self is a zero."),
    U(is_normal, "Whether self is finite, not zero and not subnormal."),
    U(is_subnormal, "Whether self is subnormal."),
    N("adjusted", dec_adjusted, "The exponent of the most significant digit."),
    N("canonical", dec_self, "self."),
    N("conjugate", dec_self, "self."),
    N("radix", dec_radix, "Decimal(10)."),
    N("copy_abs", dec_copy_abs, "self without its sign; nothing is rounded."),
    N("copy_negate", dec_copy_negate, "self with the sign inverted; nothing is rounded."),
    U(logb, "The adjusted exponent as a Decimal."),
    U(logical_invert, "The digits 0 and 1, inverted."),
    U(number_class, "The class of self, as text."),
    U(to_eng_string, "self as text in engineering notation."),
    B(compare_total,
      "Compare by the abstract representation: equal values may differ.\n\n"
      "    >>> Decimal('7').compare_total(Decimal('7.00'))\n"
      "    Decimal('1')\n"),
    B(compare_total_mag, "Compare by the abstract representation, without signs."),
    B(copy_sign,
      "self with the sign of other.\n\n"
      "    >>> Decimal('-8.5').copy_sign(Decimal('0'))\n"
      "    Decimal('8.5')\n"),
    B(logical_and, "The digits 0 and 1, and-ed."),
    B(logical_or, "The digits 0 and 1, or-ed."),
    B(logical_xor, "The digits 0 and 1, xor-ed."),
    B(rotate, "The digits of self, rotated by other."),
    B(same_quantum, "Whether the exponents are equal."),
    B(scaleb, "self with other added to the exponent."),
    B(shift, "The digits of self, shifted by other."),
    {"from_float", dec_from_float, METH_O | METH_CLASS,
     "from_float($type, f, /)\n--\n\nAn instance of the exact value of a float or int."},
    {"from_number", dec_from_number, METH_O | METH_CLASS,
     "from_number($type, number, /)\n--\n\n"
     "An instance of the exact value of a Decimal, int or float."},
    N("as_tuple", nj_as_tuple, "Sign, digits and exponent."),
    N("as_integer_ratio", nj_as_integer_ratio,
      "A numerator and a denominator without a common divisor, of the same value."),
    N("__copy__", dec_self, ""),
    {"__deepcopy__", dec_self, METH_O, "__deepcopy__($self, object, /)\n--\n\n"},
    {"__format__", _PyCFunction_CAST(nj_dec_format), METH_FASTCALL, NULL},
    N("__reduce__", dec_reduce, ""),
    {"__round__", _PyCFunction_CAST(dec_round), METH_FASTCALL, NULL},
    N("__ceil__", dec_ceil, ""),
    N("__floor__", dec_floor, ""),
    N("__trunc__", dec_trunc, ""),
    N("__complex__", dec_complex, ""),
    N("__sizeof__", dec_sizeof, ""),
    {NULL, NULL, 0, NULL},
};

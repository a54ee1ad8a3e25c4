/* convert.c - other objects to decimal.Decimal and back.
 * SPDX-License-Identifier: MIT
 */
#include "decimal_int.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

PyObject *
nj_dec_alloc(DecState *st, PyTypeObject *type)
{
    Dec *d = type == st->dec_type ? PyObject_New(Dec, type) : (Dec *)type->tp_alloc(type, 0);
    if (d) {
        d->hash = -1;
        d->dec.flags = MPD_STATIC | MPD_STATIC_DATA;
        d->dec.exp = 0;
        d->dec.digits = 0;
        d->dec.len = 0;
        d->dec.alloc = DATA_WORDS;
        d->dec.data = d->data;
    }
    return (PyObject *)d;
}

/* A new Decimal that a function fills, with its conditions entered into the context. */
static PyObject *
finish(DecState *st, PyObject *NJ_STEALS d, PyObject *context, uint32_t status)
{
    if (add_status(st, context, status) < 0) {
        Py_DECREF(d);
        return NULL;
    }
    return d;
}

/* What an exact conversion may not do is an invalid operation. */
static void
check_exact(mpd_t *dec, uint32_t *status)
{
    if (*status & (MPD_Inexact | MPD_Rounded | MPD_Clamped)) {
        /* the value has more digits, or a larger exponent, than there are */
        mpd_seterror(dec, MPD_Invalid_operation, status);
    }
    *status &= MPD_Errors;
}

/* ---- str ----------------------------------------------------------------------------- */

/* The text in ASCII: decimal digits of any script become ASCII digits. Other characters
 * make the text invalid. strip: without white space around, and without underscores. */
static char *
ascii_text(PyObject *s, bool strip)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s), start = 0, k = 0;
    char *buf = PyMem_Malloc((size_t)n + 1);
    if (buf == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    int kind = PyUnicode_KIND(s);
    const void *data = PyUnicode_DATA(s);
    if (strip) {
        while (n > 0 && Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, n - 1))) {
            n--;
        }
        while (start < n && Py_UNICODE_ISSPACE(PyUnicode_READ(kind, data, start))) {
            start++;
        }
    }
    for (Py_ssize_t i = start; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (strip && c == '_') {
            continue;
        }
        if (c > 0 && c < 128) {
            buf[k++] = (char)c;
            continue;
        }
        int digit = c ? Py_UNICODE_TODECIMAL(c) : -1;
        if (digit < 0) {
            k = 0; /* empty text is a syntax error */
            break;
        }
        buf[k++] = (char)('0' + digit);
    }
    buf[k] = '\0';
    return buf;
}

static PyObject *
from_c_text(DecState *st, PyTypeObject *type, const char *s, PyObject *context, bool exact)
{
    uint32_t status = 0;
    PyObject *d = nj_dec_alloc(st, type);
    if (d == NULL) {
        return NULL;
    }
    if (exact) {
        mpd_qset_string_exact(MPD(d), s, &status);
        check_exact(MPD(d), &status);
    }
    else {
        mpd_qset_string(MPD(d), s, CTX(context), &status);
    }
    return finish(st, d, context, status);
}

static PyObject *
from_str(DecState *st, PyTypeObject *type, PyObject *s, PyObject *context, bool exact)
{
    NJ_OWN_MEM(char) text = ascii_text(s, exact);
    return text ? from_c_text(st, type, text, context, exact) : NULL;
}

/* ---- int ----------------------------------------------------------------------------- */

static PyObject *
from_int(DecState *st, PyTypeObject *type, PyObject *v, PyObject *context, bool exact)
{
    PyLongExport ex;
    uint32_t status = 0;
    PyObject *d = nj_dec_alloc(st, type);
    if (d == NULL) {
        return NULL;
    }
    int overflow;
    long long small = PyLong_AsLongLongAndOverflow(v, &overflow);
    if (!overflow) {
        if (exact) {
            mpd_qset_i64_exact(MPD(d), small, &status);
        }
        else {
            mpd_qset_i64(MPD(d), small, CTX(context), &status);
        }
        return finish(st, d, context, status);
    }
    if (PyLong_Export(v, &ex) < 0) {
        Py_DECREF(d);
        return NULL;
    }
    nj_set_digits(MPD(d), ex.digits, (size_t)ex.ndigits, ex.negative,
                  (uint32_t)1 << PyLong_GetNativeLayout()->bits_per_digit, &status);
    PyLong_FreeExport(&ex);
    if (exact) {
        check_exact(MPD(d), &status);
    }
    else {
        mpd_qfinalize(MPD(d), CTX(context), &status);
    }
    return finish(st, d, context, status);
}

/* ---- float --------------------------------------------------------------------------- */

/* The value of x, all digits of it: an integer times a power of two, or of five with a
 * decimal exponent. */
static void
set_float(mpd_t *dec, double x, uint32_t *status)
{
    mpd_context_t max;
    mpd_maxcontext(&max);
    uint8_t sign = signbit(x) ? MPD_NEG : MPD_POS;
    if (isnan(x) || isinf(x)) {
        mpd_setspecial(dec, sign, isnan(x) ? MPD_NAN : MPD_INF);
        return;
    }
    int e;
    uint64_t m = (uint64_t)ldexp(frexp(fabs(x), &e), DBL_MANT_DIG);
    e -= DBL_MANT_DIG;
    while (m && !(m & 1)) {
        m >>= 1;
        e++;
    }
    mpd_qset_u64(dec, m, &max, status);
    if (m) {
        for (int k = e; k > 0; k -= 63) {
            mpd_qmul_u64(dec, dec, UINT64_C(1) << (k < 63 ? k : 63), &max, status);
        }
        for (int k = -e; k > 0; k -= 27) {
            uint64_t power = 1;
            for (int i = 0; i < (k < 27 ? k : 27); i++) {
                power *= 5;
            }
            mpd_qmul_u64(dec, dec, power, &max, status);
        }
        if (e < 0) {
            dec->exp = e;
        }
    }
    mpd_set_sign(dec, sign);
}

PyObject *
nj_dec_from_float(DecState *st, PyTypeObject *type, PyObject *v, PyObject *context,
                  bool exact)
{
    uint32_t status = 0;
    PyObject *d = nj_dec_alloc(st, type);
    if (d == NULL) {
        return NULL;
    }
    set_float(MPD(d), PyFloat_AsDouble(v), &status);
    status &= MPD_Errors;
    if (!exact) {
        mpd_qfinalize(MPD(d), CTX(context), &status);
    }
    return finish(st, d, context, status);
}

/* ---- tuple --------------------------------------------------------------------------- */

static NJ_COLD char *
raise_value(const char *text)
{
    PyErr_SetString(PyExc_ValueError, text);
    return NULL;
}

/* (sign, digits, exponent) as text that libmpdec reads. */
static char *
tuple_text(PyObject *t)
{
    if (PyTuple_GET_SIZE(t) != 3) {
        return raise_value("argument must be a sequence of length 3");
    }
    PyObject *e = PyTuple_GET_ITEM(t, 2);
    const char *special = NULL;
    Py_ssize_t exp = 0;
    long sign = PyLong_Check(PyTuple_GET_ITEM(t, 0)) ? PyLong_AsLong(PyTuple_GET_ITEM(t, 0))
                                                     : -1;
    if (sign != 0 && sign != 1) {
        PyErr_Clear();
        return raise_value("sign must be an integer with the value 0 or 1");
    }
    if (PyUnicode_Check(e)) {
        special = PyUnicode_EqualToUTF8(e, "F")   ? "Inf"
                  : PyUnicode_EqualToUTF8(e, "n") ? "NaN"
                  : PyUnicode_EqualToUTF8(e, "N") ? "sNaN"
                                                  : NULL;
        if (special == NULL) {
            return raise_value("string argument in the third position must be 'F', 'n' or "
                               "'N'");
        }
    }
    else if (!PyLong_Check(e)) {
        return raise_value("exponent must be an integer");
    }
    else {
        exp = PyLong_AsSsize_t(e);
        if (exp == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    NJ_OWN digits = PySequence_Tuple(PyTuple_GET_ITEM(t, 1));
    if (digits == NULL) {
        PyErr_Clear();
        return raise_value("coefficient must be a tuple of digits");
    }
    Py_ssize_t n = PyTuple_GET_SIZE(digits);
    bool infinite = special && special[0] == 'I';
    size_t room = (infinite ? 0 : (size_t)n) + 64;
    char *buf = PyMem_Malloc(room), *s = buf;
    if (buf == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    if (sign) {
        *s++ = '-';
    }
    if (special) {
        s = stpcpy(s, special);
    }
    if (n == 0 && !special) {
        *s++ = '0'; /* no digits: zero */
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *digit = PyTuple_GET_ITEM(digits, i);
        long v = PyLong_Check(digit) ? PyLong_AsLong(digit) : -1;
        if (v < 0 || v > 9) {
            PyErr_Clear();
            PyMem_Free(buf);
            return raise_value("coefficient must be a tuple of digits");
        }
        if (!infinite) { /* the digits of an infinity do not matter */
            *s++ = (char)('0' + v);
        }
    }
    if (special) {
        *s = '\0';
    }
    else {
        PyOS_snprintf(s, 32, "E%zd", exp);
    }
    return buf;
}

static PyObject *
from_tuple(DecState *st, PyTypeObject *type, PyObject *v, PyObject *context, bool exact)
{
    NJ_OWN tuple = PySequence_Tuple(v);
    NJ_OWN_MEM(char) text = tuple ? tuple_text(tuple) : NULL;
    return text ? from_c_text(st, type, text, context, exact) : NULL;
}

/* ---- any object ---------------------------------------------------------------------- */

static PyObject *
from_decimal(DecState *st, PyTypeObject *type, PyObject *v, PyObject *context, bool exact)
{
    if (exact && type == st->dec_type && Py_IS_TYPE(v, st->dec_type)) {
        return Py_NewRef(v);
    }
    uint32_t status = 0;
    PyObject *d = nj_dec_alloc(st, type);
    if (d == NULL) {
        return NULL;
    }
    if (!exact && mpd_isnan(MPD(v)) &&
        MPD(v)->digits > CTX(context)->prec - CTX(context)->clamp) {
        /* the payload is too long */
        mpd_setspecial(MPD(d), MPD_POS, MPD_NAN);
        return finish(st, d, context, MPD_Conversion_syntax);
    }
    mpd_qcopy(MPD(d), MPD(v), &status);
    if (!exact) {
        mpd_qfinalize(MPD(d), CTX(context), &status);
    }
    return finish(st, d, context, status);
}

PyObject *
nj_dec_from_object(DecState *st, PyTypeObject *type, PyObject *v, PyObject *context,
                   bool exact)
{
    if (v == NULL) {
        return from_c_text(st, type, "0", context, true);
    }
    if (IS_DEC(st, v)) {
        return from_decimal(st, type, v, context, exact);
    }
    if (PyUnicode_Check(v)) {
        return from_str(st, type, v, context, exact);
    }
    if (PyLong_Check(v)) {
        return from_int(st, type, v, context, exact);
    }
    if (PyTuple_Check(v) || PyList_Check(v)) {
        return from_tuple(st, type, v, context, exact);
    }
    if (PyFloat_Check(v)) {
        if (add_status(st, context, MPD_Float_operation) < 0) {
            return NULL;
        }
        return nj_dec_from_float(st, type, v, context, exact);
    }
    PyErr_Format(PyExc_TypeError, "conversion from %s to Decimal is not supported",
                 Py_TYPE(v)->tp_name);
    return NULL;
}

int
nj_convert(DecState *st, PyObject *context, PyObject *v, PyObject **out)
{
    if (IS_DEC(st, v)) {
        *out = Py_NewRef(v);
        return 1;
    }
    if (PyLong_Check(v)) {
        *out = from_int(st, st->dec_type, v, context, true);
        return *out ? 1 : -1;
    }
    *out = NULL;
    return 0;
}

int
nj_convert_or_raise(DecState *st, PyObject *context, PyObject *v, PyObject **out)
{
    int r = nj_convert(st, context, v, out);
    if (r == 0) {
        PyErr_Format(PyExc_TypeError, "conversion from %s to Decimal is not supported",
                     Py_TYPE(v)->tp_name);
        return -1;
    }
    return r < 0 ? -1 : 0;
}

PyObject *
nj_dec_apply(DecState *st, PyObject *v, PyObject *context)
{
    uint32_t status = 0;
    PyObject *d = nj_dec_alloc(st, st->dec_type);
    if (d == NULL) {
        return NULL;
    }
    mpd_qcopy(MPD(d), MPD(v), &status);
    mpd_qfinalize(MPD(d), CTX(context), &status);
    return finish(st, d, context, status);
}

/* ---- to other types ------------------------------------------------------------------ */

/* A finite integer (its exponent is not negative) as an int. */
static PyObject *
int_of_integral(const mpd_t *v)
{
    uint32_t status = 0;
    int64_t small = mpd_qget_i64(v, &status);
    if (status == 0) {
        return PyLong_FromLongLong(small);
    }
    status = 0;
    NJ_OWN r = NULL;
    if (v->exp == 0) {
        r = nj_int_of_words(v->data, v->len);
    }
    else {
        mpd_t *shifted = mpd_qnew();
        if (shifted == NULL || !mpd_qshiftl(shifted, v, v->exp, &status)) {
            PyErr_NoMemory();
        }
        else {
            r = nj_int_of_words(shifted->data, shifted->len);
        }
        if (shifted) {
            mpd_del(shifted);
        }
    }
    return r && mpd_isnegative(v) ? PyNumber_Negative(r) : NJ_TAKE(r);
}

/* -1 with an exception for infinities and NaNs. */
static int
check_finite(const mpd_t *v, const char *what)
{
    if (!mpd_isspecial(v)) {
        return 0;
    }
    PyErr_Format(mpd_isnan(v) ? PyExc_ValueError : PyExc_OverflowError,
                 "cannot convert %s to %s", mpd_isnan(v) ? "NaN" : "Infinity", what);
    return -1;
}

PyObject *
nj_dec_as_int(PyObject *op, int rounding)
{
    const mpd_t *v = MPD(op);
    if (check_finite(v, "integer") < 0) {
        return NULL;
    }
    if (v->exp >= 0) {
        return int_of_integral(v);
    }
    mpd_uint_t data[MPD_MINALLOC_MAX];
    mpd_t x = {MPD_STATIC | MPD_STATIC_DATA, 0, 0, 0, MPD_MINALLOC_MAX, data};
    uint32_t status = 0;
    mpd_context_t max;
    mpd_maxcontext(&max);
    max.round = rounding;
    mpd_qround_to_int(&x, v, &max, &status);
    PyObject *r = status & MPD_Malloc_error ? PyErr_NoMemory() : int_of_integral(&x);
    mpd_del(&x);
    return r;
}

PyObject *
nj_dec_as_float(PyObject *op)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const mpd_t *v = MPD(op);
    double sign = mpd_isnegative(v) ? -1.0 : 1.0;
    if (mpd_isspecial(v)) {
        if (mpd_issnan(v)) {
            PyErr_SetString(PyExc_ValueError, "cannot convert signaling NaN to float");
            return NULL;
        }
        return PyFloat_FromDouble(copysign(mpd_isnan(v) ? NAN : INFINITY, sign));
    }
    if (v->len == 1 && v->data[0] <= UINT64_C(1) << DBL_MANT_DIG && v->exp >= -22 &&
        v->exp <= 22) {
        /* both operands are exact: rounded once */
        double m = sign * (double)v->data[0];
        return PyFloat_FromDouble(v->exp < 0 ? m / powers[-v->exp] : m * powers[v->exp]);
    }
    char *text = mpd_to_sci(v, 1);
    if (text == NULL) {
        return PyErr_NoMemory();
    }
    double d = PyOS_string_to_double(text, NULL, NULL);
    mpd_free(text);
    return d == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(d);
}

/* 10 ** exp */
static PyObject *
power_of_ten(mpd_ssize_t exp)
{
    NJ_OWN ten = PyLong_FromLong(10);
    NJ_OWN e = ten ? PyLong_FromSsize_t(exp) : NULL;
    return e ? PyNumber_Power(ten, e, Py_None) : NULL;
}

static PyObject *
gcd_of(DecState *st, PyObject *a, PyObject *b)
{
    if (st->gcd == NULL) {
        st->gcd = PyImport_ImportModuleAttrString("math", "gcd");
        if (st->gcd == NULL) {
            return NULL;
        }
    }
    return PyObject_CallFunctionObjArgs(st->gcd, a, b, NULL);
}

PyObject *
nj_as_integer_ratio(PyObject *op, PyObject *unused)
{
    const mpd_t *v = MPD(op);
    if (check_finite(v, "integer ratio") < 0) {
        return NULL;
    }
    mpd_t coefficient = *v; /* shares the digits */
    coefficient.exp = v->exp > 0 && !mpd_iszero(v) ? v->exp : 0;
    NJ_OWN num = int_of_integral(&coefficient);
    NJ_OWN den = num ? PyLong_FromLong(1) : NULL;
    if (den == NULL) {
        return NULL;
    }
    if (v->exp < 0 && !mpd_iszero(v)) {
        NJ_OWN power = power_of_ten(-v->exp);
        NJ_OWN gcd = power ? gcd_of(state_of(op), num, power) : NULL;
        if (gcd == NULL) {
            return NULL;
        }
        NJ_SET(num, PyNumber_FloorDivide(num, gcd));
        NJ_SET(den, PyNumber_FloorDivide(power, gcd));
    }
    return num && den ? PyTuple_Pack(2, num, den) : NULL;
}

PyObject *
nj_as_tuple(PyObject *op, PyObject *unused)
{
    DecState *st = state_of(op);
    const mpd_t *v = MPD(op);
    bool infinite = mpd_isinfinite(v);
    NJ_OWN sign = PyLong_FromLong(mpd_isnegative(v));
    NJ_OWN exp = !mpd_isspecial(v) ? PyLong_FromSsize_t(v->exp)
                                   : PyUnicode_FromString(infinite         ? "F"
                                                          : mpd_issnan(v) ? "N"
                                                                          : "n");
    mpd_ssize_t n = infinite ? 1 : v->len > 0 ? v->digits : 0;
    NJ_OWN digits = PyTuple_New(n);
    if (sign == NULL || exp == NULL || digits == NULL) {
        return NULL;
    }
    mpd_uint_t word = 0;
    for (mpd_ssize_t i = 0; i < n; i++) { /* from the last one */
        if (!infinite && i % MPD_RDIGITS == 0) {
            word = v->data[i / MPD_RDIGITS];
        }
        PyObject *digit = PyLong_FromLong((long)(word % 10));
        if (digit == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(digits, n - 1 - i, digit);
        word /= 10;
    }
    return PyObject_CallFunctionObjArgs(st->dec_tuple, sign, digits, exp, NULL);
}

/* Digits of a coefficient that write_text() has room for. */
enum { TEXT_DIGITS = DATA_WORDS * MPD_RDIGITS };

/* The digits of v, a finite number of at most DATA_WORDS words. */
static void
write_digits(char *out, const mpd_t *v)
{
    for (mpd_ssize_t i = v->digits - 1, k = 0; i >= 0; k++) {
        mpd_uint_t word = v->data[k];
        for (int n = 0; n < MPD_RDIGITS && i >= 0; n++, i--) {
            out[i] = (char)('0' + word % 10);
            word /= 10;
        }
    }
}

/* A finite number in scientific notation, as the specification of decimal arithmetic has
 * it: returns the end. */
static char *
write_text(char *out, const mpd_t *v, int capitals)
{
    char digits[TEXT_DIGITS];
    size_t n = (size_t)v->digits;
    mpd_ssize_t adjusted = v->exp + v->digits - 1;
    write_digits(digits, v);
    if (mpd_isnegative(v)) {
        *out++ = '-';
    }
    if (v->exp == 0) {
        return mempcpy(out, digits, n);
    }
    if (v->exp < 0 && adjusted >= -6) {
        mpd_ssize_t point = v->exp + v->digits; /* digits before the point */
        if (point > 0) {
            out = mempcpy(out, digits, (size_t)point);
            *out++ = '.';
            return mempcpy(out, digits + point, n - (size_t)point);
        }
        *out++ = '0';
        *out++ = '.';
        for (; point < 0; point++) {
            *out++ = '0';
        }
        return mempcpy(out, digits, n);
    }
    *out++ = digits[0];
    if (n > 1) {
        *out++ = '.';
        out = mempcpy(out, digits + 1, n - 1);
    }
    *out++ = capitals ? 'E' : 'e';
    return out + snprintf(out, 24, "%+" PRIi64, adjusted);
}

PyObject *
nj_dec_text_in(PyObject *op, PyObject *context, const char *prefix, const char *suffix)
{
    const mpd_t *v = MPD(op);
    int capitals = CONTEXT(context)->capitals;
    char room[TEXT_DIGITS + 32], *s = room;
    size_t before = strlen(prefix), after = strlen(suffix), n;
    if (!mpd_isspecial(v) && v->len <= DATA_WORDS) {
        n = (size_t)(write_text(room, v, capitals) - room);
    }
    else {
        mpd_ssize_t size = mpd_to_sci_size(&s, v, capitals);
        if (size < 0) {
            return PyErr_NoMemory();
        }
        n = (size_t)size;
    }
    PyObject *text = PyUnicode_New((Py_ssize_t)(before + n + after), 127);
    if (text) {
        char *out = mempcpy(PyUnicode_1BYTE_DATA(text), prefix, before);
        out = mempcpy(out, s, n);
        memcpy(out, suffix, after);
    }
    if (s != room) {
        mpd_free(s);
    }
    return text;
}

PyObject *
nj_dec_text(PyObject *v, PyObject *context, bool engineering)
{
    if (!engineering) {
        return nj_dec_text_in(v, context, "", "");
    }
    char *s;
    mpd_ssize_t n = mpd_to_eng_size(&s, MPD(v), CONTEXT(context)->capitals);
    if (n < 0) {
        return PyErr_NoMemory();
    }
    PyObject *text = PyUnicode_New(n, 127);
    if (text) {
        memcpy(PyUnicode_1BYTE_DATA(text), s, (size_t)n);
    }
    mpd_free(s);
    return text;
}

PyObject *
nj_number_class(PyObject *v, PyObject *context)
{
    return PyUnicode_FromString(mpd_class(MPD(v), CTX(context)));
}

/* timedelta.c - datetime.timedelta.
 *
 * The whole range fits into 128 bits of microseconds: arithmetic is done there where the
 * operands allow, and with Python integers otherwise.
 * SPDX-License-Identifier: MIT
 */
#include "datetime_int.h"

#include <math.h>

#include "ready.h"

#define STATIC_DELTA(d, s, u)                                                          \
    {                                                                                  \
        PyObject_HEAD_INIT(&NjDelta_Type) .hashcode = -1, .days = d, .seconds = s,     \
                                          .microseconds = u                            \
    }

Delta nj_delta_zero = STATIC_DELTA(0, 0, 0);
Delta nj_delta_day = STATIC_DELTA(1, 0, 0);
Delta nj_delta_us = STATIC_DELTA(0, 0, 1);
static Delta delta_min = STATIC_DELTA(-MAX_DELTA_DAYS, 0, 0);
static Delta delta_max = STATIC_DELTA(MAX_DELTA_DAYS, SECONDS_PER_DAY - 1, 999999);

/* ---- construction -------------------------------------------------------------------- */

static NJ_COLD PyObject *
raise_magnitude(int days)
{
    PyErr_Format(PyExc_OverflowError, "days=%d; must have magnitude <= %d", days,
                 MAX_DELTA_DAYS);
    return NULL;
}

static inline PyObject *
alloc_delta(int days, int seconds, int us, PyTypeObject *type)
{
    Delta *d = type == &NjDelta_Type ? PyObject_New(Delta, type)
                                     : DELTA(type->tp_alloc(type, 0));
    if (d) {
        d->hashcode = -1;
        d->days = days;
        d->seconds = seconds;
        d->microseconds = us;
    }
    return (PyObject *)d;
}

static PyObject *
delta_from_us_in(__int128 us, PyTypeObject *type)
{
    const __int128 per_day = US_PER_DAY;
    __int128 days;
    int64_t rest;
    int64_t small = (int64_t)us;
    if (NJ_LIKELY(small == us)) {
        int64_t q = small / US_PER_DAY;
        rest = small % US_PER_DAY;
        if (rest < 0) {
            rest += US_PER_DAY;
            q--;
        }
        days = q;
    }
    else {
        days = us / per_day;
        rest = (int64_t)(us % per_day);
        if (rest < 0) {
            rest += US_PER_DAY;
            days--;
        }
    }
    if (days < INT_MIN || days > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large to convert to C int");
        return NULL;
    }
    if (days < -MAX_DELTA_DAYS || days > MAX_DELTA_DAYS) {
        return raise_magnitude((int)days);
    }
    return alloc_delta((int)days, (int)(rest / US_PER_SECOND), (int)(rest % US_PER_SECOND),
                       type);
}

PyObject *
nj_delta_from_us(__int128 us)
{
    return delta_from_us_in(us, &NjDelta_Type);
}

PyObject *
nj_new_delta(int days, int seconds, int us, bool normalize, PyTypeObject *type)
{
    if (normalize) {
        return delta_from_us_in(((__int128)days * SECONDS_PER_DAY + seconds) *
                                        US_PER_SECOND +
                                    us,
                                type);
    }
    if (days < -MAX_DELTA_DAYS || days > MAX_DELTA_DAYS) {
        return raise_magnitude(days);
    }
    return alloc_delta(days, seconds, us, type);
}

/* A Python int of a 128-bit value. */
static PyObject *
int_from_128(__int128 v)
{
    long long small = (long long)v;
    return small == v ? PyLong_FromLongLong(small)
                      : _PyLong_FromByteArray((const unsigned char *)&v, sizeof(v), 1, 1);
}

/* The value of an int: 1, 0 if it does not fit. */
static int
int_as_128(PyObject *o, __int128 *out)
{
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) {
        *out = v;
        return 1;
    }
    if (_PyLong_NumBits(o) > 120) {
        return 0;
    }
    return _PyLong_AsByteArray((PyLongObject *)o, (unsigned char *)out, sizeof(*out), 1, 1,
                               1) == 0;
}

/* A timedelta of so many microseconds, a Python int. */
static PyObject *
delta_from_int(PyObject *us, PyTypeObject *type)
{
    __int128 v;
    if (!int_as_128(us, &v)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large to convert to C int");
        }
        return NULL;
    }
    return delta_from_us_in(v, type);
}

/* m / n rounded to the nearest, a tie to even. */
static __int128
divide_nearest(__int128 m, __int128 n)
{
    __int128 q = m / n, r = m % n;
    if (r != 0 && (r < 0) != (n < 0)) {
        q--;
        r += n;
    }
    __int128 twice = r * 2;
    bool more = n > 0 ? twice > n : twice < n;
    return more || (twice == n && (q & 1)) ? q + 1 : q;
}

static PyObject *
divide_nearest_int(PyObject *m, PyObject *n)
{
    NJ_OWN pair = PyNumber_Divmod(m, n);
    NJ_OWN two = pair ? PyLong_FromLong(2) : NULL;
    if (two == NULL) {
        return NULL;
    }
    PyObject *q = PyTuple_GET_ITEM(pair, 0), *r = PyTuple_GET_ITEM(pair, 1);
    NJ_OWN zero = PyLong_FromLong(0);
    NJ_OWN twice = PyNumber_Multiply(r, two);
    NJ_OWN odd = twice ? PyNumber_Remainder(q, two) : NULL;
    if (odd == NULL) {
        return NULL;
    }
    int positive = PyObject_RichCompareBool(n, zero, Py_GT);
    int more = PyObject_RichCompareBool(twice, n, positive ? Py_GT : Py_LT);
    int tie = PyObject_RichCompareBool(twice, n, Py_EQ);
    int is_odd = PyObject_IsTrue(odd);
    if (positive < 0 || more < 0 || tie < 0 || is_odd < 0) {
        return NULL;
    }
    if (!more && !(tie && is_odd)) {
        return Py_NewRef(q);
    }
    NJ_OWN one = PyLong_FromLong(1);
    return one ? PyNumber_Add(q, one) : NULL;
}

/* The sum of the parts of a timedelta under construction: a C number as long as every
 * part is a small int, the fractions of floats apart. */
typedef struct Sum {
    __int128 us;
    PyObject *big; /* NULL: us is the sum */
    double leftover;
} Sum;

static int
add_to_sum(Sum *sum, PyObject *NJ_STEALS v)
{
    NJ_OWN own = v;
    if (own == NULL) {
        return -1;
    }
    if (sum->big == NULL && !(sum->big = int_from_128(sum->us))) {
        return -1;
    }
    NJ_SET(sum->big, PyNumber_Add(sum->big, own));
    return sum->big ? 0 : -1;
}

static int
add_part(Sum *sum, const char *name, PyObject *v, int64_t factor)
{
    if (PyLong_Check(v)) {
        int overflow;
        long long n = PyLong_AsLongLongAndOverflow(v, &overflow);
        if (!overflow && sum->big == NULL) {
            sum->us += (__int128)n * factor;
            return 0;
        }
        NJ_OWN f = PyLong_FromLongLong(factor);
        return f ? add_to_sum(sum, PyNumber_Multiply(v, f)) : -1;
    }
    if (PyFloat_Check(v)) {
        double d = PyFloat_AsDouble(v), whole, frac = modf(d, &whole);
        NJ_OWN whole_int = PyLong_FromDouble(whole);
        NJ_OWN f = whole_int ? PyLong_FromLongLong(factor) : NULL;
        if (f == NULL || add_to_sum(sum, PyNumber_Multiply(whole_int, f)) < 0) {
            return -1;
        }
        if (frac == 0.0) {
            return 0;
        }
        frac = modf(frac * (double)factor, &whole);
        sum->leftover += frac;
        return add_to_sum(sum, PyLong_FromDouble(whole));
    }
    PyErr_Format(PyExc_TypeError, "unsupported type for timedelta %s component: %s", name,
                 Py_TYPE(v)->tp_name);
    return -1;
}

/* Adds the fractions, rounded half to even with regard to the whole sum. */
static int
add_leftover(Sum *sum)
{
    if (sum->leftover == 0.0) {
        return 0;
    }
    double whole = round(sum->leftover);
    if (fabs(whole - sum->leftover) == 0.5) {
        NJ_OWN one = PyLong_FromLong(1);
        NJ_OWN low = one ? PyNumber_And(sum->big, one) : NULL;
        if (low == NULL) {
            return -1;
        }
        int odd = PyObject_IsTrue(low);
        whole = 2.0 * round((sum->leftover + odd) * 0.5) - odd;
    }
    return add_to_sum(sum, PyLong_FromDouble(whole));
}

enum { NPARTS = 7 };

static PyObject *
make_delta(PyTypeObject *type, PyObject *const a[NPARTS])
{
    static const struct {
        const char *name;
        int64_t factor;
        int at;
    } parts[NPARTS] = {
        {"microseconds", 1, 2},
        {"milliseconds", 1000, 3},
        {"seconds", US_PER_SECOND, 1},
        {"minutes", 60 * (int64_t)US_PER_SECOND, 4},
        {"hours", 3600 * (int64_t)US_PER_SECOND, 5},
        {"days", US_PER_DAY, 0},
        {"weeks", 7 * US_PER_DAY, 6},
    };
    Sum sum = {0, NULL, 0.0};
    for (int i = 0; i < NPARTS; i++) {
        PyObject *v = a[parts[i].at];
        if (v && add_part(&sum, parts[i].name, v, parts[i].factor) < 0) {
            Py_XDECREF(sum.big);
            return NULL;
        }
    }
    if (add_leftover(&sum) < 0) {
        Py_XDECREF(sum.big);
        return NULL;
    }
    NJ_OWN big = sum.big;
    return big ? delta_from_int(big, type) : delta_from_us_in(sum.us, type);
}

static PyObject *
delta_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"days",    "seconds", "microseconds", "milliseconds",
                               "minutes", "hours",   "weeks",        NULL};
    PyObject *a[NPARTS] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOOOOOO:__new__", keywords, &a[0],
                                     &a[1], &a[2], &a[3], &a[4], &a[5], &a[6])) {
        return NULL;
    }
    return make_delta(type, a);
}

static PyObject *
delta_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    static const char *const keywords[NPARTS] = {"days",         "seconds", "microseconds",
                                                 "milliseconds", "minutes", "hours",
                                                 "weeks"};
    Py_ssize_t n = PyVectorcall_NARGS(nargsf), nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *a[NPARTS] = {NULL};
    bool plain = n <= NPARTS;
    for (Py_ssize_t i = 0; plain && i < n; i++) {
        a[i] = args[i];
    }
    for (Py_ssize_t i = 0; plain && i < nkw; i++) {
        int k = 0;
        while (k < NPARTS &&
               !PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(kwnames, i), keywords[k])) {
            k++;
        }
        plain = k < NPARTS && a[k] == NULL;
        if (plain) {
            a[k] = args[n + i];
        }
    }
    if (plain) {
        return make_delta((PyTypeObject *)type, a);
    }
    /* some mistake: the other way has the messages */
    return nj_new_by_tuple((PyTypeObject *)type, args, n, kwnames);
}

/* ---- arithmetic ---------------------------------------------------------------------- */

static PyObject *
delta_add(PyObject *a, PyObject *b)
{
    if (!IS_DELTA(a) || !IS_DELTA(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return nj_new_delta(DELTA(a)->days + DELTA(b)->days,
                        DELTA(a)->seconds + DELTA(b)->seconds,
                        DELTA(a)->microseconds + DELTA(b)->microseconds, true,
                        &NjDelta_Type);
}

static PyObject *
delta_sub(PyObject *a, PyObject *b)
{
    if (!IS_DELTA(a) || !IS_DELTA(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return nj_new_delta(DELTA(a)->days - DELTA(b)->days,
                        DELTA(a)->seconds - DELTA(b)->seconds,
                        DELTA(a)->microseconds - DELTA(b)->microseconds, true,
                        &NjDelta_Type);
}

static PyObject *
delta_neg(PyObject *a)
{
    return nj_new_delta(-DELTA(a)->days, -DELTA(a)->seconds, -DELTA(a)->microseconds, true,
                        &NjDelta_Type);
}

static PyObject *
delta_pos(PyObject *a)
{
    return nj_new_delta(DELTA(a)->days, DELTA(a)->seconds, DELTA(a)->microseconds, false,
                        &NjDelta_Type);
}

static PyObject *
delta_abs(PyObject *a)
{
    return DELTA(a)->days < 0 ? delta_neg(a) : delta_pos(a);
}

static int
delta_bool(PyObject *a)
{
    return DELTA(a)->days != 0 || DELTA(a)->seconds != 0 || DELTA(a)->microseconds != 0;
}

static PyObject *
multiply_by_int(PyObject *delta, PyObject *n)
{
    int overflow;
    long long k = PyLong_AsLongLongAndOverflow(n, &overflow);
    __int128 us = delta_us(delta), product;
    if (!overflow && !__builtin_mul_overflow(us, (__int128)k, &product)) {
        return nj_delta_from_us(product);
    }
    NJ_OWN us_int = int_from_128(us);
    NJ_OWN big = us_int ? PyNumber_Multiply(us_int, n) : NULL;
    return big ? delta_from_int(big, &NjDelta_Type) : NULL;
}

/* delta * ratio or delta / ratio for the ratio that a float is. */
static PyObject *
scale_by_float(PyObject *delta, PyObject *f, bool divide)
{
    NJ_OWN ratio = PyObject_CallMethodNoArgs(f, NJ_ID(as_integer_ratio));
    if (ratio == NULL) {
        return NULL;
    }
    if (PyTuple_Check(ratio) && PyTuple_GET_SIZE(ratio) != 2) {
        PyErr_SetString(PyExc_ValueError, "as_integer_ratio() must return a 2-tuple");
        return NULL;
    }
    if (!PyTuple_Check(ratio)) {
        PyErr_Format(PyExc_TypeError, "unexpected return type from as_integer_ratio(): "
                                      "expected tuple, not '%.200s'",
                     Py_TYPE(ratio)->tp_name);
        return NULL;
    }
    NJ_OWN us = int_from_128(delta_us(delta));
    NJ_OWN m = us ? PyNumber_Multiply(us, PyTuple_GET_ITEM(ratio, divide ? 1 : 0)) : NULL;
    NJ_OWN q = m ? divide_nearest_int(m, PyTuple_GET_ITEM(ratio, divide ? 0 : 1)) : NULL;
    return q ? delta_from_int(q, &NjDelta_Type) : NULL;
}

static PyObject *
delta_mul(PyObject *a, PyObject *b)
{
    if (!IS_DELTA(a)) {
        PyObject *t = a;
        a = b;
        b = t;
    }
    if (PyLong_Check(b)) {
        return multiply_by_int(a, b);
    }
    if (PyFloat_Check(b)) {
        return scale_by_float(a, b, false);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

static NJ_COLD PyObject *
raise_zero(void)
{
    PyErr_SetString(PyExc_ZeroDivisionError, "division by zero");
    return NULL;
}

/* Quotient and remainder, rounded down. */
static __int128
floor_divide(__int128 a, __int128 b, __int128 *rest)
{
    __int128 q, r;
    if ((int64_t)a == a && (int64_t)b == b) {
        q = (int64_t)a / (int64_t)b;
        r = (int64_t)a % (int64_t)b;
    }
    else {
        q = a / b;
        r = a % b;
    }
    if (r != 0 && (r < 0) != (b < 0)) {
        r += b;
        q--;
    }
    *rest = r;
    return q;
}

static PyObject *
delta_floordiv(PyObject *a, PyObject *b)
{
    __int128 rest, n;
    if (!IS_DELTA(a)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (IS_DELTA(b)) {
        n = delta_us(b);
        return n == 0 ? raise_zero() : int_from_128(floor_divide(delta_us(a), n, &rest));
    }
    if (!PyLong_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (int_as_128(b, &n)) {
        return n == 0 ? raise_zero() : nj_delta_from_us(floor_divide(delta_us(a), n, &rest));
    }
    NJ_OWN us = int_from_128(delta_us(a));
    NJ_OWN q = us ? PyNumber_FloorDivide(us, b) : NULL;
    return q ? delta_from_int(q, &NjDelta_Type) : NULL;
}

static PyObject *
delta_truediv(PyObject *a, PyObject *b)
{
    if (!IS_DELTA(a)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    __int128 us = delta_us(a), n;
    if (IS_DELTA(b)) {
        n = delta_us(b);
        const __int128 exact = (__int128)1 << 53;
        if (n != 0 && us < exact && us > -exact && n < exact && n > -exact) {
            return PyFloat_FromDouble((double)(int64_t)us / (double)(int64_t)n);
        }
        NJ_OWN x = int_from_128(us);
        NJ_OWN y = x ? int_from_128(n) : NULL;
        return y ? PyNumber_TrueDivide(x, y) : NULL;
    }
    if (PyFloat_Check(b)) {
        return scale_by_float(a, b, true);
    }
    if (!PyLong_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (int_as_128(b, &n)) {
        return n == 0 ? raise_zero() : nj_delta_from_us(divide_nearest(us, n));
    }
    NJ_OWN x = int_from_128(us);
    NJ_OWN q = x ? divide_nearest_int(x, b) : NULL;
    return q ? delta_from_int(q, &NjDelta_Type) : NULL;
}

static PyObject *
delta_remainder(PyObject *a, PyObject *b)
{
    if (!IS_DELTA(a) || !IS_DELTA(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    __int128 n = delta_us(b), rest;
    if (n == 0) {
        return raise_zero();
    }
    (void)floor_divide(delta_us(a), n, &rest);
    return nj_delta_from_us(rest);
}

static PyObject *
delta_divmod(PyObject *a, PyObject *b)
{
    if (!IS_DELTA(a) || !IS_DELTA(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    __int128 n = delta_us(b), rest;
    if (n == 0) {
        return raise_zero();
    }
    NJ_OWN q = int_from_128(floor_divide(delta_us(a), n, &rest));
    NJ_OWN r = nj_delta_from_us(rest);
    return q && r ? PyTuple_Pack(2, q, r) : NULL;
}

/* ---- the rest ------------------------------------------------------------------------ */

PyObject *
nj_compare_result(int diff, int op)
{
    Py_RETURN_RICHCOMPARE(diff, 0, op);
}

static PyObject *
delta_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!IS_DELTA(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    const Delta *x = DELTA(a), *y = DELTA(b);
    int diff = x->days != y->days         ? (x->days < y->days ? -1 : 1)
               : x->seconds != y->seconds ? x->seconds - y->seconds
                                          : x->microseconds - y->microseconds;
    return nj_compare_result(diff, op);
}

static Py_hash_t
delta_hash(PyObject *op)
{
    Delta *d = DELTA(op);
    if (d->hashcode == -1) {
        NJ_OWN t = Py_BuildValue("iii", d->days, d->seconds, d->microseconds);
        if (t == NULL) {
            return -1;
        }
        d->hashcode = PyObject_Hash(t);
    }
    return d->hashcode;
}

static PyObject *
delta_str(PyObject *op)
{
    const Delta *d = DELTA(op);
    char text[64], *s = text;
    int seconds = d->seconds;
    if (d->days) {
        s += PyOS_snprintf(s, 40, "%d day%s, ", d->days,
                           d->days == 1 || d->days == -1 ? "" : "s");
    }
    s += PyOS_snprintf(s, 20, "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60,
                       seconds % 60);
    if (d->microseconds) {
        s += PyOS_snprintf(s, 10, ".%06d", d->microseconds);
    }
    return PyUnicode_FromStringAndSize(text, s - text);
}

PyObject *
nj_class_name(PyObject *op)
{
    const char *name = Py_TYPE(op)->tp_name;
    return PyUnicode_FromString(name);
}

static PyObject *
delta_repr(PyObject *op)
{
    const Delta *d = DELTA(op);
    char text[96];
    int n = 0;
    const char *sep = "";
    if (d->days) {
        n += PyOS_snprintf(text + n, 32, "days=%d", d->days);
        sep = ", ";
    }
    if (d->seconds) {
        n += PyOS_snprintf(text + n, 32, "%sseconds=%d", sep, d->seconds);
        sep = ", ";
    }
    if (d->microseconds) {
        n += PyOS_snprintf(text + n, 32, "%smicroseconds=%d", sep, d->microseconds);
    }
    if (n == 0) {
        text[n++] = '0';
    }
    text[n] = '\0';
    NJ_OWN name = nj_class_name(op);
    return name ? PyUnicode_FromFormat("%U(%s)", name, text) : NULL;
}

static PyObject *
delta_total_seconds(PyObject *op, PyObject *unused)
{
    __int128 us = delta_us(op);
    const __int128 exact = (__int128)1 << 53;
    if (us < exact && us > -exact) {
        return PyFloat_FromDouble((double)(int64_t)us / 1e6);
    }
    NJ_OWN x = int_from_128(us);
    NJ_OWN million = x ? PyLong_FromLong(US_PER_SECOND) : NULL;
    return million ? PyNumber_TrueDivide(x, million) : NULL;
}

static PyObject *
delta_reduce(PyObject *op, PyObject *unused)
{
    const Delta *d = DELTA(op);
    return Py_BuildValue("O(iii)", Py_TYPE(op), d->days, d->seconds, d->microseconds);
}

static PyMemberDef delta_members[] = {
    {"days", Py_T_INT, offsetof(Delta, days), Py_READONLY, "Number of days."},
    {"seconds", Py_T_INT, offsetof(Delta, seconds), Py_READONLY,
     "Number of seconds (>= 0 and less than 1 day)."},
    {"microseconds", Py_T_INT, offsetof(Delta, microseconds), Py_READONLY,
     "Number of microseconds (>= 0 and less than 1 second)."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef delta_methods[] = {
    {"total_seconds", delta_total_seconds, METH_NOARGS, "Total seconds in the duration."},
    {"__reduce__", delta_reduce, METH_NOARGS, "__reduce__() -> (cls, state)"},
    {NULL, NULL, 0, NULL},
};

static PyNumberMethods delta_number = {
    .nb_add = delta_add,
    .nb_subtract = delta_sub,
    .nb_multiply = delta_mul,
    .nb_remainder = delta_remainder,
    .nb_divmod = delta_divmod,
    .nb_negative = delta_neg,
    .nb_positive = delta_pos,
    .nb_absolute = delta_abs,
    .nb_bool = delta_bool,
    .nb_floor_divide = delta_floordiv,
    .nb_true_divide = delta_truediv,
};

PyTypeObject NjDelta_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "datetime.timedelta",
    .tp_basicsize = sizeof(Delta),
    .tp_repr = delta_repr,
    .tp_as_number = &delta_number,
    .tp_hash = delta_hash,
    .tp_str = delta_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "The difference between two datetime values.\n\n"
              "timedelta(days=0, seconds=0, microseconds=0, milliseconds=0, minutes=0, "
              "hours=0, weeks=0)\n\n"
              "The arguments may be ints or floats, of either sign.",
    .tp_richcompare = delta_richcompare,
    .tp_methods = delta_methods,
    .tp_members = delta_members,
    .tp_new = delta_new,
    .tp_vectorcall = delta_vectorcall,
};

/* ---- class attributes ---------------------------------------------------------------- */

static TimeZone timezone_min, timezone_max;
static Delta offset_min = STATIC_DELTA(-1, 60, 0);
static Delta offset_max = STATIC_DELTA(0, 86340, 0);
static TimeZone timezone_min = {
    PyObject_HEAD_INIT(&NjTimeZone_Type).offset = (PyObject *)&offset_min};
static TimeZone timezone_max = {
    PyObject_HEAD_INIT(&NjTimeZone_Type).offset = (PyObject *)&offset_max};
static Time time_min = {PyObject_HEAD_INIT(&NjTime_Type).hashcode = -1};
/* 999999 is 0x0f423f */
static Time time_max = {PyObject_HEAD_INIT(&NjTime_Type).hashcode = -1,
                        .data = {23, 59, 59, 0x0f, 0x42, 0x3f}};
static DateTime datetime_min = {PyObject_HEAD_INIT(&NjDateTime_Type).hashcode = -1,
                                .data = {0, 1, 1, 1}};
static DateTime datetime_max = {
    PyObject_HEAD_INIT(&NjDateTime_Type).hashcode = -1,
    .data = {MAXYEAR >> 8, MAXYEAR & 255, 12, 31, 23, 59, 59, 0x0f, 0x42, 0x3f}};

int
nj_datetime_types_ready(void)
{
    const struct {
        PyTypeObject *type;
        const char *name;
        void *value;
    } attributes[] = {
        {&NjDelta_Type, "resolution", &nj_delta_us}, {&NjDelta_Type, "min", &delta_min},
        {&NjDelta_Type, "max", &delta_max},          {&NjDate_Type, "min", &nj_date_min},
        {&NjDate_Type, "max", &nj_date_max},
        {&NjDate_Type, "resolution", &nj_delta_day}, {&NjTime_Type, "min", &time_min},
        {&NjTime_Type, "max", &time_max},
        {&NjTime_Type, "resolution", &nj_delta_us},  {&NjDateTime_Type, "min", &datetime_min},
        {&NjDateTime_Type, "max", &datetime_max},
        {&NjDateTime_Type, "resolution", &nj_delta_us},
        {&NjTimeZone_Type, "utc", &nj_utc},          {&NjTimeZone_Type, "min", &timezone_min},
        {&NjTimeZone_Type, "max", &timezone_max},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(attributes); i++) {
        if (PyDict_SetItemString(attributes[i].type->tp_dict, attributes[i].name,
                                 attributes[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* math.c - the module math.
 *
 * Thin over the C library where its results are good enough; exact where Python
 * promises it: fsum (Shewchuk's expansions), sumprod and hypot (error-free products and
 * sums), integer functions (product trees). Domain errors are found by looking at the
 * result: a NaN from a number, an infinity from a finite number; errno is not asked.
 *
 * With NJ_ORACLE defined the file needs nothing but Python.h, so that it can be tested in
 * the reference.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#ifndef NJ_ORACLE
#include "objects/int.h"
#include "objects/type_int.h"
#endif

#include <float.h>
#include <math.h>

#define METH(name) (PyCFunction)(void *)(name)

/* ---- one and two doubles ------------------------------------------------------------ */

static PyObject *
domain_error(const char *format, double x)
{
    if (format == NULL) {
        PyErr_SetString(PyExc_ValueError, "math domain error");
        return NULL;
    }
    char *s = PyOS_double_to_string(x, 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (s != NULL) {
        PyErr_Format(PyExc_ValueError, format, s);
        PyMem_Free(s);
    }
    return NULL;
}

static PyObject *
range_error(void)
{
    PyErr_SetString(PyExc_OverflowError, "math range error");
    return NULL;
}

NJ_INLINE int
get_double(PyObject *arg, double *x)
{
    if (NJ_LIKELY(PyFloat_CheckExact(arg))) {
        *x = PyFloat_AS_DOUBLE(arg);
        return 0;
    }
    *x = PyFloat_AsDouble(arg);
    return *x == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* overflow: an infinite result of a finite argument means "too large", else "not
 * defined there". */
NJ_INLINE PyObject *
apply1(PyObject *arg, double (*f)(double), bool overflow, const char *message)
{
    double x;
    if (get_double(arg, &x) < 0) {
        return NULL;
    }
    double r = f(x);
    if (NJ_UNLIKELY(isnan(r) && !isnan(x))) {
        return domain_error(message, x);
    }
    if (NJ_UNLIKELY(isinf(r) && isfinite(x))) {
        return overflow ? range_error() : domain_error(message, x);
    }
    return PyFloat_FromDouble(r);
}

#define FUNC1(name, f, overflow, message)                                                \
    static PyObject *math_##name(PyObject *Py_UNUSED(m), PyObject *arg)                  \
    {                                                                                    \
        return apply1(arg, f, overflow, message);                                        \
    }

FUNC1(acos, acos, false, "expected a number in range from -1 up to 1, got %s")
FUNC1(acosh, acosh, false, "expected argument value not less than 1, got %s")
FUNC1(asin, asin, false, "expected a number in range from -1 up to 1, got %s")
FUNC1(asinh, asinh, false, NULL)
FUNC1(atan, atan, false, NULL)
FUNC1(atanh, atanh, false, "expected a number between -1 and 1, got %s")
FUNC1(cbrt, cbrt, false, NULL)
FUNC1(cos, cos, false, "expected a finite input, got %s")
FUNC1(cosh, cosh, true, NULL)
FUNC1(erf, erf, false, NULL)
FUNC1(erfc, erfc, false, NULL)
FUNC1(exp, exp, true, NULL)
FUNC1(exp2, exp2, true, NULL)
FUNC1(expm1, expm1, true, NULL)
FUNC1(fabs, fabs, false, NULL)
FUNC1(log1p, log1p, false, "expected argument value > -1, got %s")
FUNC1(sin, sin, false, "expected a finite input, got %s")
FUNC1(sinh, sinh, true, NULL)
FUNC1(sqrt, sqrt, false, "expected a nonnegative input, got %s")
FUNC1(tan, tan, false, "expected a finite input, got %s")
FUNC1(tanh, tanh, false, NULL)

static const char gamma_message[] =
    "expected a noninteger or positive integer, got %s";

/* Factorials that a double holds exactly. */
static const double exact_factorials[] = {
    1.0,
    1.0,
    2.0,
    6.0,
    24.0,
    120.0,
    720.0,
    5040.0,
    40320.0,
    362880.0,
    3628800.0,
    39916800.0,
    479001600.0,
    6227020800.0,
    87178291200.0,
    1307674368000.0,
    20922789888000.0,
    355687428096000.0,
    6402373705728000.0,
    121645100408832000.0,
    2432902008176640000.0,
    51090942171709440000.0,
    1124000727777607680000.0,
};

static PyObject *
math_gamma(PyObject *Py_UNUSED(m), PyObject *arg)
{
    double x;
    if (get_double(arg, &x) < 0) {
        return NULL;
    }
    if (isnan(x) || (isinf(x) && x > 0)) {
        return PyFloat_FromDouble(x);
    }
    if (isinf(x) || x == 0.0 || (x < 0 && x == floor(x))) {
        return domain_error(gamma_message, x);
    }
    if (x == floor(x) && x <= (double)NJ_ARRAY_LEN(exact_factorials)) {
        return PyFloat_FromDouble(exact_factorials[(int)x - 1]);
    }
    double r = tgamma(x);
    if (isinf(r)) {
        /* At a tiny argument this is 1/x; beyond 171 it is too large. */
        return range_error();
    }
    return PyFloat_FromDouble(r);
}

static PyObject *
math_lgamma(PyObject *Py_UNUSED(m), PyObject *arg)
{
    double x;
    if (get_double(arg, &x) < 0) {
        return NULL;
    }
    if (isnan(x)) {
        return PyFloat_FromDouble(x);
    }
    if (isinf(x)) {
        return PyFloat_FromDouble(HUGE_VAL);
    }
    if (x == floor(x) && x <= 2.0) {
        return x <= 0.0 ? domain_error(gamma_message, x) : PyFloat_FromDouble(0.0);
    }
    int sign;
    double r = lgamma_r(x, &sign);
    return isinf(r) ? range_error() : PyFloat_FromDouble(r);
}

static int
two_doubles(const char *name, PyObject *const *args, Py_ssize_t nargs, double *x, double *y)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "%s expected 2 arguments, got %zd", name, nargs);
        return -1;
    }
    return get_double(args[0], x) < 0 || get_double(args[1], y) < 0 ? -1 : 0;
}

static PyObject *
math_atan2(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    double y, x;
    if (two_doubles("atan2", args, nargs, &y, &x) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(atan2(y, x));
}

static PyObject *
math_copysign(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    double x, y;
    if (two_doubles("copysign", args, nargs, &x, &y) < 0) {
        return NULL;
    }
    return PyFloat_FromDouble(copysign(x, y));
}

static PyObject *
math_fmod(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    double x, y;
    if (two_doubles("fmod", args, nargs, &x, &y) < 0) {
        return NULL;
    }
    double r = fmod(x, y);
    if (isnan(r) && !isnan(x) && !isnan(y)) {
        return domain_error(NULL, 0);
    }
    return PyFloat_FromDouble(r);
}

static PyObject *
math_remainder(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    double x, y;
    if (two_doubles("remainder", args, nargs, &x, &y) < 0) {
        return NULL;
    }
    double r = remainder(x, y);
    if (isnan(r) && !isnan(x) && !isnan(y)) {
        return domain_error(NULL, 0);
    }
    return PyFloat_FromDouble(r);
}

static PyObject *
math_pow(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    double x, y;
    if (two_doubles("pow", args, nargs, &x, &y) < 0) {
        return NULL;
    }
    double r = pow(x, y);
    if (!isfinite(r) && isfinite(x) && isfinite(y)) {
        if (isnan(r) || x == 0.0) {
            return domain_error(NULL, 0);
        }
        return range_error();
    }
    return PyFloat_FromDouble(r);
}

static PyObject *
math_fma(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 3) {
        PyErr_Format(PyExc_TypeError, "fma expected 3 arguments, got %zd", nargs);
        return NULL;
    }
    double x, y, z;
    if (get_double(args[0], &x) < 0 || get_double(args[1], &y) < 0 ||
        get_double(args[2], &z) < 0) {
        return NULL;
    }
    double r = fma(x, y, z);
    if (isnan(r) && !isnan(x) && !isnan(y) && !isnan(z)) {
        PyErr_SetString(PyExc_ValueError, "invalid operation in fma");
        return NULL;
    }
    if (isinf(r) && isfinite(x) && isfinite(y) && isfinite(z)) {
        PyErr_SetString(PyExc_OverflowError, "overflow in fma");
        return NULL;
    }
    return PyFloat_FromDouble(r);
}

#define PREDICATE(name, test)                                                            \
    static PyObject *math_##name(PyObject *Py_UNUSED(m), PyObject *arg)                  \
    {                                                                                    \
        double x;                                                                        \
        return get_double(arg, &x) < 0 ? NULL : PyBool_FromLong(test(x));                \
    }

PREDICATE(isfinite, isfinite)
PREDICATE(isinf, isinf)
PREDICATE(isnan, isnan)

static PyObject *
math_degrees(PyObject *Py_UNUSED(m), PyObject *arg)
{
    double x;
    return get_double(arg, &x) < 0 ? NULL : PyFloat_FromDouble(x * (180.0 / M_PI));
}

static PyObject *
math_radians(PyObject *Py_UNUSED(m), PyObject *arg)
{
    double x;
    return get_double(arg, &x) < 0 ? NULL : PyFloat_FromDouble(x * (M_PI / 180.0));
}

static PyObject *
math_frexp(PyObject *Py_UNUSED(m), PyObject *arg)
{
    double x;
    if (get_double(arg, &x) < 0) {
        return NULL;
    }
    int e = 0;
    if (isfinite(x) && x != 0.0) {
        x = frexp(x, &e);
    }
    return Py_BuildValue("(di)", x, e);
}

static PyObject *
math_modf(PyObject *Py_UNUSED(m), PyObject *arg)
{
    double x, whole;
    if (get_double(arg, &x) < 0) {
        return NULL;
    }
    double frac = modf(x, &whole);
    return Py_BuildValue("(dd)", frac, whole);
}

static PyObject *
math_ldexp(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "ldexp expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    double x;
    if (get_double(args[0], &x) < 0) {
        return NULL;
    }
    if (!PyLong_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "Expected an int as second argument to ldexp.");
        return NULL;
    }
    int overflow;
    long e = PyLong_AsLongAndOverflow(args[1], &overflow);
    if (e == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (x == 0.0 || !isfinite(x)) {
        return PyFloat_FromDouble(x);
    }
    if (overflow > 0 || e > INT_MAX) {
        return range_error();
    }
    double r = overflow < 0 || e < INT_MIN ? copysign(0.0, x) : ldexp(x, (int)e);
    return isinf(r) ? range_error() : PyFloat_FromDouble(r);
}

/* ---- steps between doubles ---------------------------------------------------------- */

static int64_t
ordinal(double x)
{
    int64_t u;
    memcpy(&u, &x, sizeof u);
    return u < 0 ? INT64_MIN - u : u; /* consecutive doubles, consecutive numbers; -0 = 0 */
}

static double
from_ordinal(int64_t n)
{
    if (n < 0) {
        n = INT64_MIN - n;
    }
    double x;
    memcpy(&x, &n, sizeof x);
    return x;
}

static PyObject *
math_nextafter(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    static char *names[] = {"", "", "steps", NULL};
    double x, y;
    PyObject *steps = Py_None;
    if (!nj_args_parse(args, nargs, kwnames, "dd|$O:nextafter", names, &x, &y,
                                     &steps)) {
        return NULL;
    }
    if (steps == Py_None) {
        return PyFloat_FromDouble(nextafter(x, y));
    }
    NJ_OWN n = PyNumber_Index(steps);
    if (n == NULL) {
        return NULL;
    }
    if (PyLong_IsNegative(n)) {
        PyErr_SetString(PyExc_ValueError, "steps must be a non-negative integer");
        return NULL;
    }
    uint64_t k = PyLong_AsUnsignedLongLong(n);
    if (k == (uint64_t)-1 && PyErr_Occurred()) {
        PyErr_Clear(); /* more than any distance */
    }
    if (k == 0) {
        return PyFloat_FromDouble(x);
    }
    if (isnan(x) || isnan(y)) {
        return PyFloat_FromDouble(isnan(x) ? x : y);
    }
    if (x == y) {
        return PyFloat_FromDouble(y);
    }
    int64_t a = ordinal(x), b = ordinal(y);
    uint64_t distance = b > a ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b;
    if (k >= distance) {
        return PyFloat_FromDouble(y);
    }
    int64_t c = (int64_t)(b > a ? (uint64_t)a + k : (uint64_t)a - k);
    double r = from_ordinal(c);
    if (r == 0.0 && b < a) {
        r = 0.0; /* coming from above: +0 */
    }
    else if (r == 0.0) {
        r = -0.0;
    }
    return PyFloat_FromDouble(r);
}

static PyObject *
math_ulp(PyObject *Py_UNUSED(m), PyObject *arg)
{
    double x;
    if (get_double(arg, &x) < 0) {
        return NULL;
    }
    if (isnan(x)) {
        return PyFloat_FromDouble(x);
    }
    x = fabs(x);
    if (isinf(x)) {
        return PyFloat_FromDouble(x);
    }
    double up = nextafter(x, HUGE_VAL);
    return PyFloat_FromDouble(isinf(up) ? x - nextafter(x, 0.0) : up - x);
}

static PyObject *
math_isclose(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    static char *names[] = {"a", "b", "rel_tol", "abs_tol", NULL};
    double a, b, rel = 1e-9, abs = 0.0;
    if (!nj_args_parse(args, nargs, kwnames, "dd|$dd:isclose", names, &a, &b, &rel,
                                     &abs)) {
        return NULL;
    }
    if (rel < 0.0 || abs < 0.0) {
        PyErr_SetString(PyExc_ValueError, "tolerances must be non-negative");
        return NULL;
    }
    if (a == b) {
        Py_RETURN_TRUE;
    }
    if (isinf(a) || isinf(b)) {
        Py_RETURN_FALSE;
    }
    double d = fabs(b - a);
    return PyBool_FromLong(d <= fabs(rel * b) || d <= fabs(rel * a) || d <= abs);
}

/* ---- logarithms --------------------------------------------------------------------- */

/* log of a number of any size by f (log, log2, log10) with f(2) = two. */
static PyObject *
log_of(PyObject *arg, double (*f)(double))
{
    double x;
    if (PyLong_Check(arg)) {
        int sign;
        if (PyLong_GetSign(arg, &sign) < 0) {
            return NULL;
        }
        if (sign <= 0) {
            PyErr_SetString(PyExc_ValueError, "expected a positive input");
            return NULL;
        }
        int64_t bits = _PyLong_NumBits(arg);
        if (bits <= 1023) {
            x = PyLong_AsDouble(arg);
            return x == -1.0 && PyErr_Occurred() ? NULL : PyFloat_FromDouble(f(x));
        }
        /* arg = x * 2**bits with x in [1/2, 1]: the top 64 bits are more than enough. */
        NJ_OWN shift = PyLong_FromInt64(bits - 64);
        NJ_OWN top = shift ? PyNumber_Rshift(arg, shift) : NULL;
        if (top == NULL) {
            return NULL;
        }
        x = ldexp(PyLong_AsDouble(top), -64);
        return PyFloat_FromDouble(f(x) + f(2.0) * (double)bits);
    }
    if (get_double(arg, &x) < 0) {
        return NULL;
    }
    if (!(x > 0.0) && !isnan(x)) {
        return domain_error("expected a positive input, got %s", x);
    }
    return PyFloat_FromDouble(f(x));
}

static PyObject *
math_log(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "log expected at %s %d argument%s, got %zd",
                     nargs < 1 ? "least" : "most", nargs < 1 ? 1 : 2, nargs < 1 ? "" : "s",
                     nargs);
        return NULL;
    }
    NJ_OWN num = log_of(args[0], log);
    if (num == NULL || nargs == 1) {
        return NJ_TAKE(num);
    }
    NJ_OWN den = log_of(args[1], log);
    return den ? PyNumber_TrueDivide(num, den) : NULL;
}

static PyObject *
math_log2(PyObject *Py_UNUSED(m), PyObject *arg)
{
    return log_of(arg, log2);
}

static PyObject *
math_log10(PyObject *Py_UNUSED(m), PyObject *arg)
{
    return log_of(arg, log10);
}

/* ---- ceil, floor, trunc ------------------------------------------------------------- */

/* Calls type(x).__name__(x): new reference, or NULL; *absent if there is no such method. */
static PyObject *
call_special(PyObject *x, const char *name, bool *absent)
{
    *absent = false;
    NJ_OWN key = PyUnicode_InternFromString(name);
    if (key == NULL) {
        return NULL;
    }
#ifdef NJ_ORACLE
    NJ_OWN f = NULL;
    if (PyObject_GetOptionalAttr((PyObject *)Py_TYPE(x), key, &f) == 0) {
        *absent = true;
    }
    return f ? PyObject_CallOneArg(f, x) : NULL;
#else
    NJ_OWN f = nj_type_special(x, key);
    if (f == NULL) {
        *absent = !PyErr_Occurred();
        return NULL;
    }
    return PyObject_CallNoArgs(f);
#endif
}

static PyObject *
round_to_int(PyObject *x, double (*f)(double), const char *name)
{
    if (PyFloat_CheckExact(x)) {
        return PyLong_FromDouble(f(PyFloat_AS_DOUBLE(x)));
    }
    if (PyLong_CheckExact(x)) {
        return Py_NewRef(x);
    }
    bool absent;
    PyObject *r = call_special(x, name, &absent);
    if (!absent) {
        return r;
    }
    double d;
    return get_double(x, &d) < 0 ? NULL : PyLong_FromDouble(f(d));
}

static PyObject *
math_ceil(PyObject *Py_UNUSED(m), PyObject *x)
{
    return round_to_int(x, ceil, "__ceil__");
}

static PyObject *
math_floor(PyObject *Py_UNUSED(m), PyObject *x)
{
    return round_to_int(x, floor, "__floor__");
}

static PyObject *
math_trunc(PyObject *Py_UNUSED(m), PyObject *x)
{
    if (PyFloat_CheckExact(x)) {
        return PyLong_FromDouble(PyFloat_AS_DOUBLE(x));
    }
    bool absent;
    PyObject *r = call_special(x, "__trunc__", &absent);
    if (absent) {
        PyErr_Format(PyExc_TypeError, "type %.100s doesn't define __trunc__ method",
                     Py_TYPE(x)->tp_name);
    }
    return r;
}

/* ---- sums --------------------------------------------------------------------------- */

/* Exact sum of doubles: the running total is a list of doubles whose bits do not overlap,
 * smallest first (J. R. Shewchuk, "Adaptive precision floating-point arithmetic"). */
static PyObject *
math_fsum(PyObject *Py_UNUSED(m), PyObject *seq)
{
    NJ_OWN it = PyObject_GetIter(seq);
    if (it == NULL) {
        return NULL;
    }
    double stack[32];
    double *p = stack;
    size_t n = 0, room = NJ_ARRAY_LEN(stack);
    double special = 0.0, infinities = 0.0;
    PyObject *result = NULL;
    while (true) {
        PyObject *item = PyIter_Next(it);
        if (item == NULL) {
            if (PyErr_Occurred()) {
                goto done;
            }
            break;
        }
        double x;
        int rc = get_double(item, &x);
        Py_DECREF(item);
        if (rc < 0) {
            goto done;
        }
        double given = x;
        size_t k = 0;
        for (size_t i = 0; i < n; i++) {
            double y = p[i];
            if (fabs(x) < fabs(y)) {
                double t = x;
                x = y;
                y = t;
            }
            volatile double hi = x + y;
            volatile double back = hi - x;
            double lo = y - back;
            if (lo != 0.0) {
                p[k++] = lo;
            }
            x = hi;
        }
        n = k;
        if (x != 0.0) {
            if (!isfinite(x)) {
                if (isfinite(given)) {
                    PyErr_SetString(PyExc_OverflowError, "intermediate overflow in fsum");
                    goto done;
                }
                if (isinf(given)) {
                    infinities += given;
                }
                special += given;
                n = 0;
            }
            else {
                if (n == room) {
                    size_t more = room * 2;
                    double *q = p == stack ? PyMem_Malloc(more * sizeof *q)
                                           : PyMem_Realloc(p, more * sizeof *q);
                    if (q == NULL) {
                        PyErr_NoMemory();
                        goto done;
                    }
                    if (p == stack) {
                        memcpy(q, stack, sizeof stack);
                    }
                    p = q;
                    room = more;
                }
                p[n++] = x;
            }
        }
    }
    if (special != 0.0) {
        if (isnan(infinities)) {
            PyErr_SetString(PyExc_ValueError, "-inf + inf in fsum");
        }
        else {
            result = PyFloat_FromDouble(special);
        }
        goto done;
    }
    double hi = 0.0;
    if (n > 0) {
        hi = p[--n];
        double lo = 0.0;
        while (n > 0) {
            double x = hi, y = p[--n];
            volatile double sum = x + y;
            volatile double back = sum - x;
            hi = sum;
            lo = y - back;
            if (lo != 0.0) {
                break;
            }
        }
        /* A tie rounded to even although the rest points the other way. */
        if (n > 0 && ((lo < 0.0 && p[n - 1] < 0.0) || (lo > 0.0 && p[n - 1] > 0.0))) {
            double y = lo * 2.0;
            volatile double x = hi + y;
            volatile double back = x - hi;
            if (y == back) {
                hi = x;
            }
        }
    }
    result = PyFloat_FromDouble(hi);
done:
    if (p != stack) {
        PyMem_Free(p);
    }
    return result;
}

typedef struct Double2 {
    double hi, lo;
} Double2;

NJ_INLINE Double2
two_sum(double a, double b)
{
    double s = a + b;
    double t = s - a;
    return (Double2){s, (a - (s - t)) + (b - t)};
}

NJ_INLINE Double2
two_product(double a, double b)
{
    double p = a * b;
    return (Double2){p, fma(a, b, -p)};
}

/* The Euclidean norm of n doubles (not negative, max the largest), within half an ulp and
 * a bit: squares are summed with their errors, the root is corrected once. */
static double
norm(double *v, Py_ssize_t n, double max, bool found_nan)
{
    if (isinf(max)) {
        return max;
    }
    if (found_nan) {
        return Py_NAN;
    }
    if (max == 0.0 || n <= 1) {
        return max;
    }
    int e;
    frexp(max, &e);
    double scale_back = 1.0;
    if (e < -1022) {
        /* Subnormal: bring everything up first. */
        for (Py_ssize_t i = 0; i < n; i++) {
            v[i] /= DBL_MIN;
        }
        scale_back = DBL_MIN;
        frexp(max / DBL_MIN, &e);
    }
    double scale = ldexp(1.0, -e);
    double sum = 1.0, err = 0.0; /* sum starts at 1: no swap needed in two_sum */
    for (Py_ssize_t i = 0; i < n; i++) {
        double x = v[i] * scale;
        Double2 sq = two_product(x, x);
        Double2 s = two_sum(sum, sq.hi);
        sum = s.hi;
        err += s.lo + sq.lo;
    }
    double h = sqrt(sum - 1.0 + err);
    Double2 sq = two_product(-h, h);
    Double2 s = two_sum(sum, sq.hi);
    double rest = s.hi - 1.0 + (s.lo + err + sq.lo);
    h += rest / (2.0 * h);
    return scale_back * (h / scale);
}

static PyObject *
math_hypot(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    double stack[16];
    NJ_OWN_MEM(double) heap = NULL;
    double *v = stack;
    if (nargs > 16) {
        v = heap = PyMem_Malloc((size_t)nargs * sizeof *v);
        if (v == NULL) {
            return PyErr_NoMemory();
        }
    }
    double max = 0.0;
    bool found_nan = false;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (get_double(args[i], &v[i]) < 0) {
            return NULL;
        }
        v[i] = fabs(v[i]);
        found_nan = found_nan || isnan(v[i]);
        if (v[i] > max) {
            max = v[i];
        }
    }
    return PyFloat_FromDouble(norm(v, nargs, max, found_nan));
}

static PyObject *
math_dist(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "dist expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    NJ_OWN p = PyTuple_Check(args[0]) ? Py_NewRef(args[0]) : PySequence_Tuple(args[0]);
    if (p == NULL) {
        return NULL;
    }
    NJ_OWN q = PyTuple_Check(args[1]) ? Py_NewRef(args[1]) : PySequence_Tuple(args[1]);
    if (q == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(p);
    if (n != PyTuple_GET_SIZE(q)) {
        PyErr_SetString(PyExc_ValueError,
                        "both points must have the same number of dimensions");
        return NULL;
    }
    double stack[16];
    NJ_OWN_MEM(double) heap = NULL;
    double *v = stack;
    if (n > 16) {
        v = heap = PyMem_Malloc((size_t)n * sizeof *v);
        if (v == NULL) {
            return PyErr_NoMemory();
        }
    }
    double max = 0.0;
    bool found_nan = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        double x, y;
        if (get_double(PyTuple_GET_ITEM(p, i), &x) < 0 ||
            get_double(PyTuple_GET_ITEM(q, i), &y) < 0) {
            return NULL;
        }
        v[i] = fabs(x - y);
        found_nan = found_nan || isnan(v[i]);
        if (v[i] > max) {
            max = v[i];
        }
    }
    return PyFloat_FromDouble(norm(v, n, max, found_nan));
}

static PyObject *
math_prod(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static char *names[] = {"", "start", NULL};
    PyObject *iterable, *start = NULL;
    if (!nj_args_parse(args, nargs, kwnames, "O|$O:prod", names, &iterable, &start)) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    if (it == NULL) {
        return NULL;
    }
    NJ_OWN r = start ? Py_NewRef(start) : PyLong_FromLong(1);
    while (r != NULL) {
        NJ_OWN item = PyIter_Next(it);
        if (item == NULL) {
            return PyErr_Occurred() ? NULL : NJ_TAKE(r);
        }
        /* Floats among themselves, without boxes. */
        if (PyFloat_CheckExact(r) && (PyFloat_CheckExact(item) || PyLong_CheckExact(item))) {
            double x;
            if (get_double(item, &x) < 0) {
                return NULL;
            }
            NJ_SET(r, PyFloat_FromDouble(PyFloat_AS_DOUBLE(r) * x));
        }
        else {
            NJ_SET(r, PyNumber_Multiply(r, item));
        }
    }
    return NULL;
}

/* Sum of three parts that together hold about 150 bits. */
typedef struct Triple {
    double hi, lo, tiny;
} Triple;

NJ_INLINE Triple
triple_add_product(double x, double y, Triple t)
{
    Double2 p = two_product(x, y);
    Double2 s = two_sum(t.hi, p.hi);
    Double2 r1 = two_sum(t.lo, p.lo);
    Double2 r2 = two_sum(r1.hi, s.lo);
    return (Triple){s.hi, r2.hi, t.tiny + r1.lo + r2.lo};
}

static double
triple_total(Triple t)
{
    Double2 last = two_sum(t.lo, t.hi);
    Double2 total = two_sum(last.lo, t.tiny);
    return last.hi + total.hi;
}

static PyObject *
math_sumprod(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "sumprod expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    NJ_OWN pit = PyObject_GetIter(args[0]);
    if (pit == NULL) {
        return NULL;
    }
    NJ_OWN qit = PyObject_GetIter(args[1]);
    if (qit == NULL) {
        return NULL;
    }
    NJ_OWN total = PyLong_FromLong(0);
    long long itotal = 0;
    bool iuse = false, iok = true;
    Triple ft = {0.0, 0.0, 0.0};
    bool fuse = false, fok = true;
    while (total != NULL) {
        NJ_OWN p = PyIter_Next(pit);
        if (p == NULL && PyErr_Occurred()) {
            return NULL;
        }
        NJ_OWN q = PyIter_Next(qit);
        if (q == NULL && PyErr_Occurred()) {
            return NULL;
        }
        if ((p == NULL) != (q == NULL)) {
            PyErr_SetString(PyExc_ValueError, "Inputs are not the same length");
            return NULL;
        }
        bool end = p == NULL;
        if (iok && !end && PyLong_CheckExact(p) && PyLong_CheckExact(q)) {
            int o1, o2;
            long long a = PyLong_AsLongLongAndOverflow(p, &o1);
            long long b = PyLong_AsLongLongAndOverflow(q, &o2);
            long long prod, sum;
            if (!o1 && !o2 && !__builtin_mul_overflow(a, b, &prod) &&
                !__builtin_add_overflow(itotal, prod, &sum)) {
                itotal = sum;
                iuse = true;
                continue;
            }
        }
        /* A path that failed once stays closed: what is added in which order is visible
         * in the result. */
        iok = false;
        if (iuse) {
            NJ_OWN t = PyLong_FromLongLong(itotal);
            if (t == NULL) {
                return NULL;
            }
            NJ_SET(total, PyNumber_Add(total, t));
            if (total == NULL) {
                return NULL;
            }
            itotal = 0;
            iuse = false;
        }
        if (fok && !end && (PyFloat_CheckExact(p) || PyFloat_CheckExact(q)) &&
            (PyFloat_CheckExact(p) || PyLong_CheckExact(p) || PyBool_Check(p)) &&
            (PyFloat_CheckExact(q) || PyLong_CheckExact(q) || PyBool_Check(q))) {
            double a, b;
            if (get_double(p, &a) == 0 && get_double(q, &b) == 0) {
                Triple t = triple_add_product(a, b, ft);
                if (isfinite(t.hi)) {
                    ft = t;
                    fuse = true;
                    continue;
                }
            }
            PyErr_Clear();
        }
        fok = false;
        if (fuse) {
            NJ_OWN t = PyFloat_FromDouble(triple_total(ft));
            if (t == NULL) {
                return NULL;
            }
            NJ_SET(total, PyNumber_Add(total, t));
            if (total == NULL) {
                return NULL;
            }
            ft = (Triple){0.0, 0.0, 0.0};
            fuse = false;
        }
        if (end) {
            return NJ_TAKE(total);
        }
        NJ_OWN prod = PyNumber_Multiply(p, q);
        if (prod == NULL) {
            return NULL;
        }
        NJ_SET(total, PyNumber_Add(total, prod));
    }
    return NULL;
}

/* ---- whole numbers ------------------------------------------------------------------ */

static PyObject *
math_gcd(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    NJ_OWN r = PyLong_FromLong(0);
    for (Py_ssize_t i = 0; r != NULL && i < nargs; i++) {
        NJ_OWN x = PyNumber_Index(args[i]);
        if (x == NULL) {
            return NULL;
        }
        NJ_SET(r, _PyLong_GCD(r, x));
    }
    return NJ_TAKE(r);
}

static PyObject *
math_lcm(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    NJ_OWN r = PyLong_FromLong(1);
    for (Py_ssize_t i = 0; r != NULL && i < nargs; i++) {
        NJ_OWN x = PyNumber_Index(args[i]);
        if (x == NULL) {
            return NULL;
        }
        if (PyLong_IsZero(r)) {
            continue; /* but the arguments are still checked */
        }
        if (PyLong_IsZero(x)) {
            NJ_SET(r, PyLong_FromLong(0));
            continue;
        }
        NJ_OWN g = _PyLong_GCD(r, x);
        if (g == NULL) {
            return NULL;
        }
        NJ_OWN f = PyNumber_FloorDivide(r, g);
        if (f == NULL) {
            return NULL;
        }
        NJ_SET(r, PyNumber_Multiply(f, x));
        if (r != NULL) {
            NJ_SET(r, PyNumber_Absolute(r));
        }
    }
    return NJ_TAKE(r);
}

/* a * (a + step) * ... for n factors: a balanced tree, so that the large products are few
 * and of equal size. */
static PyObject *
product_run(uint64_t a, uint64_t n, uint64_t step)
{
    if (n <= 8) {
        unsigned __int128 acc = 1;
        NJ_OWN r = NULL;
        uint64_t m = 1;
        for (uint64_t i = 0; i < n; i++) {
            acc = (unsigned __int128)m * (a + i * step);
            if (acc >> 64) {
                NJ_OWN f = PyLong_FromUnsignedLongLong(m);
                if (f == NULL) {
                    return NULL;
                }
                if (r == NULL) {
                    r = NJ_TAKE(f);
                }
                else {
                    NJ_SET(r, PyNumber_Multiply(r, f));
                    if (r == NULL) {
                        return NULL;
                    }
                }
                m = a + i * step;
            }
            else {
                m = (uint64_t)acc;
            }
        }
        NJ_OWN f = PyLong_FromUnsignedLongLong(m);
        if (f == NULL || r == NULL) {
            return NJ_TAKE(f);
        }
        return PyNumber_Multiply(r, f);
    }
    uint64_t half = n / 2;
    NJ_OWN x = product_run(a, half, step);
    NJ_OWN y = x ? product_run(a + half * step, n - half, step) : NULL;
    return y ? PyNumber_Multiply(x, y) : NULL;
}

/* n! = 2**(n - popcount(n)) * product over i of the odd numbers up to n >> i. */
static PyObject *
factorial(uint64_t n)
{
    NJ_OWN inner = PyLong_FromLong(1);
    NJ_OWN outer = PyLong_FromLong(1);
    uint64_t done = 1; /* largest odd number in inner */
    for (int i = 63; i >= 0 && inner && outer; i--) {
        uint64_t v = n >> i;
        if (v <= 2) {
            continue;
        }
        uint64_t top = (v - 1) | 1; /* largest odd number <= v */
        if (top > done) {
            NJ_OWN part = product_run(done + 2, (top - done) / 2, 2);
            if (part == NULL) {
                return NULL;
            }
            NJ_SET(inner, PyNumber_Multiply(inner, part));
            done = top;
            if (inner == NULL) {
                return NULL;
            }
        }
        NJ_SET(outer, PyNumber_Multiply(outer, inner));
    }
    if (inner == NULL || outer == NULL) {
        return NULL;
    }
    NJ_OWN shift = PyLong_FromUnsignedLongLong(n - (uint64_t)__builtin_popcountll(n));
    return shift ? PyNumber_Lshift(outer, shift) : NULL;
}

static PyObject *
math_factorial(PyObject *Py_UNUSED(m), PyObject *arg)
{
    NJ_OWN n = PyNumber_Index(arg);
    if (n == NULL) {
        return NULL;
    }
    int overflow;
    long x = PyLong_AsLongAndOverflow(n, &overflow);
    if (overflow > 0) {
        PyErr_Format(PyExc_OverflowError, "factorial() argument should not exceed %ld",
                     LONG_MAX);
        return NULL;
    }
    if (overflow < 0 || x < 0) {
        PyErr_SetString(PyExc_ValueError,
                        "factorial() not defined for negative values");
        return NULL;
    }
    static const uint64_t small[] = {
        1,
        1,
        2,
        6,
        24,
        120,
        720,
        5040,
        40320,
        362880,
        3628800,
        39916800,
        479001600,
        6227020800,
        87178291200,
        1307674368000,
        20922789888000,
        355687428096000,
        6402373705728000,
        121645100408832000,
        2432902008176640000,
    };
    if (x < (long)NJ_ARRAY_LEN(small)) {
        return PyLong_FromUnsignedLongLong(small[x]);
    }
    return factorial((uint64_t)x);
}

/* n * (n-1) * ... k factors, n an int of any size, k > 0. */
static PyObject *
falling(PyObject *n, uint64_t k)
{
    int overflow;
    long long x = PyLong_AsLongLongAndOverflow(n, &overflow);
    if (!overflow) {
        return product_run((uint64_t)x - k + 1, k, 1);
    }
    if (k == 1) {
        return Py_NewRef(n);
    }
    uint64_t half = k / 2;
    NJ_OWN h = PyLong_FromUnsignedLongLong(half);
    NJ_OWN low = h ? PyNumber_Subtract(n, h) : NULL;
    NJ_OWN a = low ? falling(n, half) : NULL;
    NJ_OWN b = a ? falling(low, k - half) : NULL;
    return b ? PyNumber_Multiply(a, b) : NULL;
}

/* n and k as ints >= 0. 0 or -1. */
static int
combinatoric_args(PyObject *narg, PyObject *karg, PyObject **n, PyObject **k)
{
    *n = PyNumber_Index(narg);
    *k = *n ? PyNumber_Index(karg) : NULL;
    if (*k == NULL) {
        return -1;
    }
    if (PyLong_IsNegative(*n)) {
        PyErr_SetString(PyExc_ValueError, "n must be a non-negative integer");
        return -1;
    }
    if (PyLong_IsNegative(*k)) {
        PyErr_SetString(PyExc_ValueError, "k must be a non-negative integer");
        return -1;
    }
    return 0;
}

static PyObject *
math_perm(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "perm expected at %s %d argument%s, got %zd",
                     nargs < 1 ? "least" : "most", nargs < 1 ? 1 : 2, nargs < 1 ? "" : "s",
                     nargs);
        return NULL;
    }
    if (nargs == 1 || args[1] == Py_None) {
        return math_factorial(m, args[0]);
    }
    NJ_OWN n = NULL;
    NJ_OWN k = NULL;
    if (combinatoric_args(args[0], args[1], &n, &k) < 0) {
        return NULL;
    }
    int less = PyObject_RichCompareBool(n, k, Py_LT);
    if (less != 0) {
        return less < 0 ? NULL : PyLong_FromLong(0);
    }
    int overflow;
    long long kk = PyLong_AsLongLongAndOverflow(k, &overflow);
    if (overflow) {
        PyErr_Format(PyExc_OverflowError, "k must not exceed %lld", LLONG_MAX);
        return NULL;
    }
    return kk == 0 ? PyLong_FromLong(1) : falling(n, (uint64_t)kk);
}

static PyObject *
math_comb(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "comb expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    NJ_OWN n = NULL;
    NJ_OWN k = NULL;
    if (combinatoric_args(args[0], args[1], &n, &k) < 0) {
        return NULL;
    }
    NJ_OWN rest = PyNumber_Subtract(n, k);
    if (rest == NULL) {
        return NULL;
    }
    if (PyLong_IsNegative(rest)) {
        return PyLong_FromLong(0);
    }
    int less = PyObject_RichCompareBool(rest, k, Py_LT);
    if (less < 0) {
        return NULL;
    }
    if (less) {
        NJ_SET(k, Py_NewRef(rest));
    }
    int overflow;
    long long kk = PyLong_AsLongLongAndOverflow(k, &overflow);
    if (overflow) {
        PyErr_Format(PyExc_OverflowError, "min(n - k, k) must not exceed %lld", LLONG_MAX);
        return NULL;
    }
    if (kk == 0) {
        return PyLong_FromLong(1);
    }
    long long nn = PyLong_AsLongLongAndOverflow(n, &overflow);
    if (!overflow) {
        /* r stays C(n, i): every step is exact. */
        unsigned __int128 r = 1;
        long long i = 0;
        for (; i < kk; i++) {
            r = r * (uint64_t)(nn - i) / (uint64_t)(i + 1);
            if (r >> 63) {
                break;
            }
        }
        if (i >= kk) {
            return PyLong_FromUnsignedLongLong((uint64_t)r);
        }
        if (i == kk - 1 && r >> 64 == 0) {
            return PyLong_FromUnsignedLongLong((uint64_t)r);
        }
    }
    NJ_OWN num = falling(n, (uint64_t)kk);
    NJ_OWN den = num ? factorial((uint64_t)kk) : NULL;
    return den ? PyNumber_FloorDivide(num, den) : NULL;
}

static PyObject *
math_isqrt(PyObject *Py_UNUSED(m), PyObject *arg)
{
    NJ_OWN n = PyNumber_Index(arg);
    if (n == NULL) {
        return NULL;
    }
    if (PyLong_IsNegative(n)) {
        PyErr_SetString(PyExc_ValueError, "isqrt() argument must be nonnegative");
        return NULL;
    }
#ifndef NJ_ORACLE
    return nj_int_isqrt((PyLongObject *)n);
#else
    if (PyLong_IsZero(n)) {
        return PyLong_FromLong(0);
    }
    /* Newton from above. */
    NJ_OWN one = PyLong_FromLong(1);
    NJ_OWN shift = PyLong_FromInt64((_PyLong_NumBits(n) + 1) / 2);
    NJ_OWN x = one && shift ? PyNumber_Lshift(one, shift) : NULL;
    while (x != NULL) {
        NJ_OWN q = PyNumber_FloorDivide(n, x);
        NJ_OWN s = q ? PyNumber_Add(x, q) : NULL;
        NJ_OWN y = s ? PyNumber_Rshift(s, one) : NULL;
        if (y == NULL) {
            return NULL;
        }
        if (PyObject_RichCompareBool(y, x, Py_GE) == 1) {
            return NJ_TAKE(x);
        }
        NJ_SET(x, Py_NewRef(y));
    }
    return NULL;
#endif
}

/* ---- the module --------------------------------------------------------------------- */

static int
math_exec(PyObject *m)
{
    const struct {
        const char *name;
        double value;
    } constants[] = {
        {"pi", M_PI}, {"e", M_E}, {"tau", 2.0 * M_PI}, {"inf", HUGE_VAL}, {"nan", Py_NAN},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_Add(m, constants[i].name, PyFloat_FromDouble(constants[i].value)) < 0) {
            return -1;
        }
    }
    return 0;
}

#define ONE(name, doc)                                                                   \
    {#name, math_##name, METH_O, #name "($module, x, /)\n--\n\n" doc}

static PyMethodDef math_methods[] = {
    ONE(acos, "The arc cosine (in radians) of x; 0 to pi."),
    ONE(acosh, "The inverse hyperbolic cosine of x."),
    ONE(asin, "The arc sine (in radians) of x; -pi/2 to pi/2."),
    ONE(asinh, "The inverse hyperbolic sine of x."),
    ONE(atan, "The arc tangent (in radians) of x; -pi/2 to pi/2."),
    {"atan2", METH(math_atan2), METH_FASTCALL,
     "atan2($module, y, x, /)\n--\n\n"
     "The arc tangent (in radians) of y/x, in the quadrant the signs say."},
    ONE(atanh, "The inverse hyperbolic tangent of x."),
    ONE(cbrt, "The cube root of x."),
    ONE(ceil, "The smallest integer >= x."),
    {"copysign", METH(math_copysign), METH_FASTCALL,
     "copysign($module, x, y, /)\n--\n\nThe size of x with the sign of y."},
    ONE(cos, "The cosine of x (in radians)."),
    ONE(cosh, "The hyperbolic cosine of x."),
    ONE(degrees, "Angle x from radians to degrees."),
    {"dist", METH(math_dist), METH_FASTCALL,
     "dist($module, p, q, /)\n--\n\nThe Euclidean distance of two points."},
    ONE(erf, "The error function at x."),
    ONE(erfc, "The complementary error function at x."),
    ONE(exp, "e to the power of x."),
    ONE(exp2, "2 to the power of x."),
    ONE(expm1, "exp(x) - 1 without loss of precision for small x."),
    ONE(fabs, "The absolute value of the float x."),
    {"factorial", math_factorial, METH_O,
     "factorial($module, n, /)\n--\n\nn! for a whole number n >= 0."},
    ONE(floor, "The largest integer <= x."),
    {"fma", METH(math_fma), METH_FASTCALL,
     "fma($module, x, y, z, /)\n--\n\n(x * y) + z, rounded once."},
    {"fmod", METH(math_fmod), METH_FASTCALL,
     "fmod($module, x, y, /)\n--\n\nC's fmod: the remainder has the sign of x."},
    ONE(frexp, "The pair (m, e) with x == m * 2.0**e and 0.5 <= abs(m) < 1."),
    {"fsum", math_fsum, METH_O,
     "fsum($module, seq, /)\n--\n\nThe sum of floats, rounded only once."},
    ONE(gamma, "The gamma function at x."),
    {"gcd", METH(math_gcd), METH_FASTCALL,
     "gcd($module, /, *integers)\n--\n\nThe greatest common divisor."},
    {"hypot", METH(math_hypot), METH_FASTCALL,
     "hypot($module, /, *coordinates)\n--\n\nThe Euclidean distance from the origin."},
    {"isclose", (PyCFunction)(void *)math_isclose, METH_FASTCALL | METH_KEYWORDS,
     "isclose($module, /, a, b, *, rel_tol=1e-09, abs_tol=0.0)\n--\n\n"
     "Whether two floats differ by no more than one of the tolerances."},
    ONE(isfinite, "True if x is neither infinite nor a NaN."),
    ONE(isinf, "True if x is an infinity."),
    ONE(isnan, "True if x is a NaN."),
    {"isqrt", math_isqrt, METH_O,
     "isqrt($module, n, /)\n--\n\nThe integer part of the square root."},
    {"lcm", METH(math_lcm), METH_FASTCALL,
     "lcm($module, /, *integers)\n--\n\nThe least common multiple."},
    {"ldexp", METH(math_ldexp), METH_FASTCALL,
     "ldexp($module, x, i, /)\n--\n\nx * (2**i)."},
    ONE(lgamma, "The logarithm of the absolute value of gamma(x)."),
    {"log", METH(math_log), METH_FASTCALL,
     "log(x, [base=math.e])\nThe logarithm of x to the given base, by default e."},
    ONE(log1p, "log(1 + x) without loss of precision for small x."),
    ONE(log10, "The logarithm of x to base 10."),
    ONE(log2, "The logarithm of x to base 2."),
    ONE(modf, "The fractional and whole parts of x, as floats with the sign of x."),
    {"pow", METH(math_pow), METH_FASTCALL,
     "pow($module, x, y, /)\n--\n\nx**y in floats."},
    ONE(radians, "Angle x from degrees to radians."),
    {"remainder", METH(math_remainder), METH_FASTCALL,
     "remainder($module, x, y, /)\n--\n\n"
     "x - n*y where n is the integer closest to x/y, ties to even."},
    ONE(sin, "The sine of x (in radians)."),
    ONE(sinh, "The hyperbolic sine of x."),
    ONE(sqrt, "The square root of x."),
    ONE(tan, "The tangent of x (in radians)."),
    ONE(tanh, "The hyperbolic tangent of x."),
    {"sumprod", METH(math_sumprod), METH_FASTCALL,
     "sumprod($module, p, q, /)\n--\n\nThe sum of the products of two iterables' items."},
    ONE(trunc, "x without its fraction, by __trunc__."),
    {"prod", (PyCFunction)(void *)math_prod, METH_FASTCALL | METH_KEYWORDS,
     "prod($module, iterable, /, *, start=1)\n--\n\nThe product of all items and start."},
    {"perm", METH(math_perm), METH_FASTCALL,
     "perm($module, n, k=None, /)\n--\n\n"
     "How many ways to choose k of n things, in order and without repetition."},
    {"comb", METH(math_comb), METH_FASTCALL,
     "comb($module, n, k, /)\n--\n\n"
     "How many ways to choose k of n things, without order and repetition."},
    {"nextafter", (PyCFunction)(void *)math_nextafter, METH_FASTCALL | METH_KEYWORDS,
     "nextafter($module, x, y, /, *, steps=None)\n--\n\n"
     "The float that many steps from x towards y."},
    ONE(ulp, "The value of the last bit of the float x."),
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot math_slots[] = {
    {Py_mod_exec, math_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef math_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "math",
    .m_doc = "The mathematical functions of the C standard, and some on whole numbers.",
    .m_methods = math_methods,
    .m_slots = math_slots,
};

PyMODINIT_FUNC PyInit_math(void);
PyMODINIT_FUNC
PyInit_math(void)
{
    return PyModuleDef_Init(&math_module);
}

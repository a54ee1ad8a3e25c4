/* float.c - the type float.
 *
 * Exact floats come from a per-interpreter free list (number.h). Arithmetic is C's
 * double arithmetic; what Python defines differently (division by zero raises, floor
 * division and modulo follow the divisor's sign, overflow of ** raises) is here.
 * Comparison with int is exact, never by converting the int.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "base/dtoa.h"
#include "capi/args.h"
#include "objects/int.h"
#include "objects/number.h"

#include <errno.h>
#include <float.h>
#include <math.h>

#define VAL(op) (((PyFloatObject *)(op))->ob_fval)

PyObject *
PyFloat_FromDouble(double x)
{
    return nj_float_new(x);
}

/* ---- operands ----------------------------------------------------------------------- */

/* 1: *out is set; 0: not a number for us; -1: error. */
NJ_INLINE int
operand(PyObject *o, double *out)
{
    if (NJ_LIKELY(PyFloat_CheckExact(o))) {
        *out = VAL(o);
        return 1;
    }
    if (PyLong_Check(o)) {
        *out = PyLong_AsDouble(o);
        return *out == -1.0 && PyErr_Occurred() ? -1 : 1;
    }
    if (PyFloat_Check(o)) {
        *out = VAL(o);
        return 1;
    }
    return 0;
}

#define OPERANDS(a, b)                                                                   \
    double x, y;                                                                         \
    int ok_ = operand(a, &x);                                                            \
    if (ok_ > 0) {                                                                       \
        ok_ = operand(b, &y);                                                            \
    }                                                                                    \
    if (NJ_UNLIKELY(ok_ <= 0)) {                                                         \
        return ok_ < 0 ? NULL : Py_NewRef(Py_NotImplemented);                            \
    }

static NJ_COLD PyObject *
zero_division(const char *message)
{
    PyErr_SetString(PyExc_ZeroDivisionError, message);
    return NULL;
}

static PyObject *
float_add(PyObject *a, PyObject *b)
{
    OPERANDS(a, b)
    return nj_float_new(x + y);
}

static PyObject *
float_sub(PyObject *a, PyObject *b)
{
    OPERANDS(a, b)
    return nj_float_new(x - y);
}

static PyObject *
float_mul(PyObject *a, PyObject *b)
{
    OPERANDS(a, b)
    return nj_float_new(x * y);
}

static PyObject *
float_truediv(PyObject *a, PyObject *b)
{
    OPERANDS(a, b)
    if (NJ_UNLIKELY(y == 0.0)) {
        return zero_division("division by zero");
    }
    return nj_float_new(x / y);
}

/* x mod y with the sign of y; *q gets the matching floor quotient if not NULL. */
static double
floor_mod(double x, double y, double *q)
{
    double m = fmod(x, y);
    double d = q ? (x - m) / y : 0.0;
    if (m) {
        if ((y < 0) != (m < 0)) {
            m += y;
            d -= 1.0;
        }
    }
    else {
        m = copysign(0.0, y);
    }
    if (q) {
        if (d) {
            double f = floor(d);
            *q = d - f > 0.5 ? f + 1.0 : f;
        }
        else {
            *q = copysign(0.0, x / y);
        }
    }
    return m;
}

double
nj_float_mod(double x, double y)
{
    return floor_mod(x, y, NULL);
}

double
nj_float_floordiv(double x, double y)
{
    double q;
    floor_mod(x, y, &q);
    return q;
}

static PyObject *
float_mod(PyObject *a, PyObject *b)
{
    OPERANDS(a, b)
    if (y == 0.0) {
        return zero_division("division by zero");
    }
    return nj_float_new(floor_mod(x, y, NULL));
}

static PyObject *
float_floordiv(PyObject *a, PyObject *b)
{
    OPERANDS(a, b)
    if (y == 0.0) {
        return zero_division("division by zero");
    }
    return nj_float_new(nj_float_floordiv(x, y));
}

static PyObject *
float_divmod(PyObject *a, PyObject *b)
{
    OPERANDS(a, b)
    if (y == 0.0) {
        return zero_division("division by zero");
    }
    double q;
    double m = floor_mod(x, y, &q);
    NJ_OWN fq = nj_float_new(q);
    NJ_OWN fm = nj_float_new(m);
    return fq && fm ? PyTuple_Pack(2, fq, fm) : NULL;
}

static PyObject *
float_pow(PyObject *a, PyObject *b, PyObject *mod)
{
    if (mod != Py_None) {
        PyErr_SetString(PyExc_TypeError, "pow() 3rd argument not allowed unless all "
                                         "arguments are integers");
        return NULL;
    }
    OPERANDS(a, b)
    if (y == 0.0) {
        return nj_float_new(1.0);
    }
    bool finite = isfinite(x) && isfinite(y);
    if (finite) {
        if (x == 0.0 && y < 0.0) {
            return zero_division("zero to a negative power");
        }
        if (x < 0.0 && y != floor(y)) {
            /* A complex result; complex raises or computes. */
            NJ_OWN ca = PyComplex_FromDoubles(x, 0.0);
            NJ_OWN cb = PyComplex_FromDoubles(y, 0.0);
            return ca && cb ? PyComplex_Type.tp_as_number->nb_power(ca, cb, Py_None) : NULL;
        }
    }
    double r = pow(x, y);
    if (finite && isinf(r)) {
        errno = ERANGE;
        return PyErr_SetFromErrno(PyExc_OverflowError);
    }
    return nj_float_new(r);
}

static PyObject *
float_neg(PyObject *a)
{
    return nj_float_new(-VAL(a));
}

static PyObject *
float_abs(PyObject *a)
{
    return nj_float_new(fabs(VAL(a)));
}

static int
float_bool(PyObject *a)
{
    return VAL(a) != 0.0;
}

static PyObject *
float_float(PyObject *a)
{
    return PyFloat_CheckExact(a) ? Py_NewRef(a) : nj_float_new(VAL(a));
}

static PyObject *
float_int(PyObject *a)
{
    return PyLong_FromDouble(VAL(a));
}

/* ---- comparison, hash --------------------------------------------------------------- */

/* -1, 0, 1: x against the int v. x is not NaN. *error: set on MemoryError. */
static int
compare_int(double x, PyLongObject *v, bool *error)
{
    if (isinf(x)) {
        return x < 0 ? -1 : 1;
    }
    if (nj_int_is_medium(v)) {
        int64_t n = nj_int_medium_value(v);
        const int64_t lim = (int64_t)1 << 53;
        if (n <= lim && n >= -lim) {
            double y = (double)n;
            return (x > y) - (x < y);
        }
        if (fabs(x) >= 0x1p62) {
            return x < 0 ? -1 : 1;
        }
        int64_t t = (int64_t)x;
        if (t != n) {
            return t < n ? -1 : 1;
        }
        double frac = x - (double)t;
        return (frac > 0) - (frac < 0);
    }
    /* |v| >= 2**60: a double that large is whole. */
    if (fabs(x) < 0x1p60) {
        return nj_int_is_negative(v) ? 1 : -1;
    }
    PyObject *t = PyLong_FromDouble(x);
    if (t == NULL) {
        *error = true;
        return 0;
    }
    int c = nj_int_cmp((PyLongObject *)t, v);
    Py_DECREF(t);
    return c;
}

static PyObject *
float_richcompare(PyObject *a, PyObject *b, int op)
{
    double x = VAL(a);
    if (NJ_LIKELY(PyFloat_Check(b))) {
        double y = VAL(b);
        bool r;
        switch (op) {
        case Py_LT:
            r = x < y;
            break;
        case Py_LE:
            r = x <= y;
            break;
        case Py_EQ:
            r = x == y;
            break;
        case Py_NE:
            r = x != y;
            break;
        case Py_GT:
            r = x > y;
            break;
        default:
            r = x >= y;
        }
        return PyBool_FromLong(r);
    }
    if (!PyLong_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (isnan(x)) {
        return PyBool_FromLong(op == Py_NE);
    }
    bool error = false;
    int c = compare_int(x, (PyLongObject *)b, &error);
    if (error) {
        return NULL;
    }
    Py_RETURN_RICHCOMPARE(c, 0, op);
}

/* The value as a fraction modulo 2**61 - 1: equal to the hash of an equal int. */
Py_hash_t
_Py_HashDouble(PyObject *inst, double v)
{
    if (!isfinite(v)) {
        if (isinf(v)) {
            return v > 0 ? PyHASH_INF : -PyHASH_INF;
        }
        return PyObject_GenericHash(inst);
    }
    if (fabs(v) < 0x1p60) {
        int64_t n = (int64_t)v;
        if ((double)n == v) {
            return n == -1 ? -2 : n;
        }
    }
    int e;
    double m = frexp(fabs(v), &e);
    uint64_t h = (uint64_t)ldexp(m, 53); /* < 2**53 */
    e = (e - 53) % PyHASH_BITS;
    if (e < 0) {
        e += PyHASH_BITS;
    }
    if (e) {
        h = ((h << e) & PyHASH_MODULUS) | h >> (PyHASH_BITS - e);
    }
    if (h == PyHASH_MODULUS) {
        h = 0;
    }
    Py_hash_t r = v < 0 ? -(Py_hash_t)h : (Py_hash_t)h;
    return r == -1 ? -2 : r;
}

static Py_hash_t
float_hash(PyObject *a)
{
    return _Py_HashDouble(a, VAL(a));
}

/* ---- text --------------------------------------------------------------------------- */

static PyObject *
float_repr(PyObject *a)
{
    char *s = PyOS_double_to_string(VAL(a), 'r', 0, Py_DTSF_ADD_DOT_0, NULL);
    if (s == NULL) {
        return NULL;
    }
    size_t n = strlen(s);
    PyObject *r = PyUnicode_New((Py_ssize_t)n, 127);
    if (r != NULL) {
        memcpy(PyUnicode_1BYTE_DATA(r), s, n);
    }
    PyMem_Free(s);
    return r;
}

/* Removes underscores between digits: 1 done, 0 misplaced ones, -1 no memory. *out NULL if
 * there were none. */
static int
drop_underscores(const char *s, Py_ssize_t n, char **out)
{
    *out = NULL;
    if (memchr(s, '_', (size_t)n) == NULL) {
        return 1;
    }
    char *p = PyMem_Malloc((size_t)n + 1);
    if (p == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *out = p;
    char prev = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (s[i] == '_') {
            if (!Py_ISDIGIT(prev)) {
                return 0;
            }
        }
        else {
            if (s[i] == '\0' || (prev == '_' && !Py_ISDIGIT(s[i]))) {
                return 0;
            }
            *p++ = s[i];
        }
        prev = s[i];
    }
    *p = '\0';
    return prev != '_';
}

/* s has n characters, stripped at the left, and a NUL behind. NULL without exception: not
 * a float. */
static PyObject *
float_from_text(const char *s, Py_ssize_t n)
{
    NJ_OWN_MEM(char) clean = NULL;
    int ok = drop_underscores(s, n, &clean);
    if (ok <= 0) {
        return NULL;
    }
    const char *start = clean ? clean : s;
    const char *stop = clean ? clean + strlen(clean) : s + n;
    const char *end;
    double x = nj_number_read_double(start, &end);
    if (end == start) {
        return NULL;
    }
    while (end < stop && Py_ISSPACE(*end)) {
        end++;
    }
    return end == stop ? nj_float_new(x) : NULL;
}

PyObject *
PyFloat_FromString(PyObject *v)
{
    PyObject *r;
    if (PyUnicode_Check(v)) {
        NJ_OWN_MEM(char) tofree = NULL;
        const char *s;
        Py_ssize_t n;
        if (nj_number_text(v, &s, &n, &tofree) < 0) {
            return NULL;
        }
        r = float_from_text(s, n);
    }
    else if (PyObject_CheckBuffer(v)) {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(v, &view, PyBUF_SIMPLE) < 0) {
            PyErr_Format(PyExc_TypeError,
                         "float() argument must be a string or a real number, not '%.200s'",
                         Py_TYPE(v)->tp_name);
            return NULL;
        }
        NJ_OWN bytes = PyBytes_FromStringAndSize(view.buf, view.len); /* for the NUL */
        if (bytes == NULL) {
            return NULL;
        }
        const char *s = PyBytes_AS_STRING(bytes);
        Py_ssize_t n = view.len;
        while (n > 0 && Py_ISSPACE(*s)) {
            s++;
            n--;
        }
        r = float_from_text(s, n);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "float() argument must be a string or a real number, not '%.200s'",
                     Py_TYPE(v)->tp_name);
        return NULL;
    }
    if (r == NULL && !PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "could not convert string to float: %R", v);
    }
    return r;
}

/* ---- construction ------------------------------------------------------------------- */

double
PyFloat_AsDouble(PyObject *op)
{
    if (op == NULL) {
        PyErr_BadArgument();
        return -1.0;
    }
    if (PyFloat_Check(op)) {
        return VAL(op);
    }
    PyNumberMethods *m = Py_TYPE(op)->tp_as_number;
    if (m == NULL || m->nb_float == NULL) {
        if (m && m->nb_index) {
            NJ_OWN n = PyNumber_Index(op);
            return n ? PyLong_AsDouble(n) : -1.0;
        }
        PyErr_Format(PyExc_TypeError, "must be real number, not %.50s",
                     Py_TYPE(op)->tp_name);
        return -1.0;
    }
    if (PyLong_CheckExact(op)) {
        return PyLong_AsDouble(op);
    }
    NJ_OWN r = m->nb_float(op);
    if (r == NULL) {
        return -1.0;
    }
    if (!PyFloat_CheckExact(r)) {
        if (!PyFloat_Check(r)) {
            PyErr_Format(PyExc_TypeError, "%.50s.__float__ returned non-float (type %.50s)",
                         Py_TYPE(op)->tp_name, Py_TYPE(r)->tp_name);
            return -1.0;
        }
        if (PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                             "%.50s.__float__ returned non-float (type %.50s).  "
                             "The ability to return an instance of a strict subclass of "
                             "float is deprecated, and may be removed in a future version "
                             "of Python.",
                             Py_TYPE(op)->tp_name, Py_TYPE(r)->tp_name)) {
            return -1.0;
        }
    }
    return VAL(r);
}

/* x as the given type; consumes x. */
static PyObject *
to_subtype(PyTypeObject *type, NJ_STEALS PyObject *x)
{
    if (x == NULL || type == &PyFloat_Type) {
        return x;
    }
    PyObject *r = type->tp_alloc(type, 0);
    if (r != NULL) {
        VAL(r) = VAL(x);
    }
    Py_DECREF(x);
    return r;
}

static PyObject *
float_from_object(PyObject *x)
{
    if (x == NULL) {
        return nj_float_new(0.0);
    }
    return PyUnicode_CheckExact(x) ? PyFloat_FromString(x) : PyNumber_Float(x);
}

static PyObject *
float_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if ((type == &PyFloat_Type || type->tp_init == PyFloat_Type.tp_init) &&
        !_PyArg_NoKeywords("float", kwargs)) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!_PyArg_CheckPositional("float", n, 0, 1)) {
        return NULL;
    }
    return to_subtype(type, float_from_object(n ? PyTuple_GET_ITEM(args, 0) : NULL));
}

static PyObject *
float_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (!_PyArg_NoKwnames("float", kwnames)) {
        return NULL;
    }
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (n > 1 && !_PyArg_CheckPositional("float", n, 0, 1)) {
        return NULL;
    }
    return to_subtype((PyTypeObject *)type, float_from_object(n ? args[0] : NULL));
}

static void
float_dealloc(PyObject *op)
{
    if (NJ_LIKELY(PyFloat_CheckExact(op))) {
        nj_float_free_exact(op);
        return;
    }
    Py_TYPE(op)->tp_free(op);
}

/* ---- methods ------------------------------------------------------------------------ */

static PyObject *
float_self(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return float_float(self);
}

static PyObject *
float_trunc(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromDouble(VAL(self));
}

static PyObject *
float_floor(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromDouble(floor(VAL(self)));
}

static PyObject *
float_ceil(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromDouble(ceil(VAL(self)));
}

static PyObject *
float_is_integer(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    double x = VAL(self);
    return PyBool_FromLong(isfinite(x) && floor(x) == x);
}

/* x rounded to n decimals, half to even on the exact value. */
static PyObject *
round_decimals(double x, Py_ssize_t n)
{
    if (!isfinite(x) || x == 0.0 || n > 323) {
        return nj_float_new(x);
    }
    if (n < -309) {
        return nj_float_new(copysign(0.0, x));
    }
    double r;
    uint64_t q;
    if (n >= 0 && nj_dtoa_scaled(x, (int)n, &q)) {
        r = nj_dtoa_compose(q, -n);
    }
    else {
        char d[800];
        int decpt;
        nj_dtoa_significant(x, 780, d, &decpt); /* exact */
        int64_t keep = decpt + n;
        if (keep >= 780) {
            return nj_float_new(x);
        }
        if (keep < 0) {
            r = 0.0;
        }
        else if (keep == 0) {
            bool up = d[0] > '5';
            for (int i = 1; d[0] == '5' && !up && i < 780; i++) {
                up = d[i] != '0';
            }
            r = up ? nj_dtoa_compose(1, -n) : 0.0;
        }
        else {
            char text[832];
            nj_dtoa_significant(x, (int)keep, text, &decpt);
            PyOS_snprintf(text + keep, 32, "e%d", decpt - (int)keep);
            const char *end;
            r = nj_dtoa_read(text, &end);
        }
    }
    if (isinf(r)) {
        PyErr_SetString(PyExc_OverflowError, "rounded value too large to represent");
        return NULL;
    }
    return nj_float_new(copysign(r, x));
}

static PyObject *
float_round(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("__round__", nargs, 0, 1)) {
        return NULL;
    }
    double x = VAL(self);
    if (nargs == 0 || args[0] == Py_None) {
        double r = round(x);
        if (fabs(x - r) == 0.5) {
            r = 2.0 * round(x / 2.0);
        }
        return PyLong_FromDouble(r);
    }
    Py_ssize_t n = PyNumber_AsSsize_t(args[0], NULL);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return round_decimals(x, n);
}

static PyObject *
float_as_integer_ratio(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    double x = VAL(self);
    if (isinf(x)) {
        PyErr_SetString(PyExc_OverflowError, "cannot convert Infinity to integer ratio");
        return NULL;
    }
    if (isnan(x)) {
        PyErr_SetString(PyExc_ValueError, "cannot convert NaN to integer ratio");
        return NULL;
    }
    int e;
    int64_t m = (int64_t)ldexp(frexp(x, &e), 53);
    e -= 53;
    if (m == 0) {
        e = 0;
    }
    while (m && (m & 1) == 0 && e < 0) {
        m /= 2;
        e++;
    }
    NJ_OWN num = nj_int_from_i64(m);
    NJ_OWN den = nj_small_int(1);
    if (num == NULL) {
        return NULL;
    }
    if (e > 0) {
        NJ_SET(num, nj_int_lshift_n((PyLongObject *)num, e));
    }
    else {
        NJ_SET(den, nj_int_lshift_n((PyLongObject *)den, -e));
    }
    return num && den ? PyTuple_Pack(2, num, den) : NULL;
}

static PyObject *
float_hex(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    double x = VAL(self);
    if (!isfinite(x)) {
        return float_repr(self);
    }
    const char *sign = signbit(x) ? "-" : "";
    if (x == 0.0) {
        return PyUnicode_FromFormat("%s0x0.0p+0", sign);
    }
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    int e = (int)(u >> 52 & 0x7ff);
    uint64_t frac = u & (((uint64_t)1 << 52) - 1);
    char buf[64];
    int lead = e ? 1 : 0;
    int exp = e ? e - 1023 : -1022;
    PyOS_snprintf(buf, sizeof buf, "%s0x%d.%013llxp%+d", sign, lead,
                  (unsigned long long)frac, exp);
    return PyUnicode_FromString(buf);
}

static int
hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static PyObject *
float_fromhex(PyObject *type, PyObject *arg)
{
    Py_ssize_t len;
    const char *s = PyUnicode_AsUTF8AndSize(arg, &len);
    if (s == NULL) {
        return NULL;
    }
    const char *stop = s + len;
    while (Py_ISSPACE(*s)) {
        s++;
    }
    const char *start = s;
    bool negative = *s == '-';
    if (*s == '-' || *s == '+') {
        s++;
    }
    double x;
    if ((*s | 0x20) == 'i' || (*s | 0x20) == 'n') {
        const char *end;
        x = nj_number_read_double(start, &end);
        if (end == start) {
            goto invalid;
        }
        s = end;
    }
    else {
        if (s[0] == '0' && (s[1] | 0x20) == 'x') {
            s += 2;
        }
        uint64_t m = 0;
        int64_t e = 0;
        bool any = false, point = false, sticky = false;
        for (;; s++) {
            if (*s == '.' && !point) {
                point = true;
                continue;
            }
            int d = hex_value(*s);
            if (d < 0) {
                break;
            }
            any = true;
            if (m >> 59) {
                sticky = sticky || d;
                e += point ? 0 : 4;
            }
            else {
                m = m << 4 | (unsigned)d;
                e -= point ? 4 : 0;
            }
        }
        if (!any) {
            goto invalid;
        }
        m |= sticky;
        if ((*s | 0x20) == 'p') {
            s++;
            bool eneg = *s == '-';
            if (*s == '-' || *s == '+') {
                s++;
            }
            if (!Py_ISDIGIT(*s)) {
                goto invalid;
            }
            int64_t k = 0;
            for (; Py_ISDIGIT(*s); s++) {
                if (k < (int64_t)1 << 56) {
                    k = k * 10 + (*s - '0');
                }
            }
            e += eneg ? -k : k;
        }
        x = nj_number_scale(m, e);
        if (isinf(x)) {
            PyErr_SetString(PyExc_OverflowError,
                            "hexadecimal value too large to represent as a float");
            return NULL;
        }
        if (negative) {
            x = -x;
        }
    }
    while (s < stop && Py_ISSPACE(*s)) {
        s++;
    }
    if (s != stop) {
        goto invalid;
    }
    PyObject *r = nj_float_new(x);
    if (r != NULL && type != (PyObject *)&PyFloat_Type) {
        Py_SETREF(r, PyObject_CallOneArg(type, r));
    }
    return r;
invalid:
    PyErr_SetString(PyExc_ValueError, "invalid hexadecimal floating-point string");
    return NULL;
}

static PyObject *
float_from_number(PyObject *type, PyObject *number)
{
    if (PyFloat_CheckExact(number) && type == (PyObject *)&PyFloat_Type) {
        return Py_NewRef(number);
    }
    double x = PyFloat_AsDouble(number);
    if (x == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *r = nj_float_new(x);
    if (r != NULL && type != (PyObject *)&PyFloat_Type) {
        Py_SETREF(r, PyObject_CallOneArg(type, r));
    }
    return r;
}

static PyObject *
float_getnewargs(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN x = nj_float_new(VAL(self));
    return x ? PyTuple_Pack(1, x) : NULL;
}

static PyObject *
float_getformat(PyObject *Py_UNUSED(type), PyObject *arg)
{
    if (!PyUnicode_Check(arg)) {
        _PyArg_BadArgument("__getformat__", "argument", "str", arg);
        return NULL;
    }
    if (!PyUnicode_EqualToUTF8(arg, "double") && !PyUnicode_EqualToUTF8(arg, "float")) {
        PyErr_SetString(PyExc_ValueError,
                        "__getformat__() argument 1 must be 'double' or 'float'");
        return NULL;
    }
    return PyUnicode_FromString(PY_LITTLE_ENDIAN ? "IEEE, little-endian"
                                                 : "IEEE, big-endian");
}

static PyObject *
float_format(PyObject *self, PyObject *spec)
{
    if (!PyUnicode_Check(spec)) {
        _PyArg_BadArgument("__format__", "argument", "str", spec);
        return NULL;
    }
    return nj_format_float(self, spec);
}

static PyObject *
get_self(PyObject *self, void *Py_UNUSED(closure))
{
    return float_float(self);
}

static PyObject *
get_zero(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    return nj_float_new(0.0);
}

static PyMethodDef float_methods[] = {
    {"from_number", float_from_number, METH_O | METH_CLASS,
     "from_number($type, number, /)\n--\n\nA float of a real number, never of text."},
    {"conjugate", float_self, METH_NOARGS,
     "conjugate($self, /)\n--\n\nReturn self: the conjugate of a float."},
    {"__trunc__", float_trunc, METH_NOARGS,
     "__trunc__($self, /)\n--\n\nThe int closest to self between 0 and self."},
    {"__floor__", float_floor, METH_NOARGS,
     "__floor__($self, /)\n--\n\nThe largest int not above self."},
    {"__ceil__", float_ceil, METH_NOARGS,
     "__ceil__($self, /)\n--\n\nThe smallest int not below self."},
    {"__round__", (PyCFunction)(void *)float_round, METH_FASTCALL,
     "__round__($self, ndigits=None, /)\n--\n\n"
     "Rounds half to even; to an int if ndigits is not given."},
    {"as_integer_ratio", float_as_integer_ratio, METH_NOARGS,
     "as_integer_ratio($self, /)\n--\n\n"
     "The pair of ints (n, d), in lowest terms, whose ratio is exactly self.\n"
     "OverflowError for infinities, ValueError for NaN.\n\n"
     ">>> (0.75).as_integer_ratio()\n"
     "(3, 4)\n"
     ">>> (-12.5).as_integer_ratio()\n"
     "(-25, 2)\n"
     ">>> (0.0).as_integer_ratio()\n"
     "(0, 1)"},
    {"fromhex", float_fromhex, METH_O | METH_CLASS,
     "fromhex($type, string, /)\n--\n\nReads a hexadecimal floating-point number.\n\n"
     ">>> float.fromhex('-0x1.8p1')\n"
     "-3.0\n"
     ">>> float.fromhex('0x.4')\n"
     "0.25"},
    {"hex", float_hex, METH_NOARGS,
     "hex($self, /)\n--\n\nSelf as a hexadecimal floating-point number.\n\n"
     ">>> (0.5).hex()\n"
     "'0x1.0000000000000p-1'\n"
     ">>> (-6.0).hex()\n"
     "'-0x1.8000000000000p+2'"},
    {"is_integer", float_is_integer, METH_NOARGS,
     "is_integer($self, /)\n--\n\nTrue if self is a whole number."},
    {"__getnewargs__", float_getnewargs, METH_NOARGS,
     "__getnewargs__($self, /)\n--\n\n"},
    {"__getformat__", float_getformat, METH_O | METH_CLASS,
     "__getformat__($type, typestr, /)\n--\n\n"
     "How 'double' or 'float' of C are stored here; for Python's own tests."},
    {"__format__", float_format, METH_O,
     "__format__($self, format_spec, /)\n--\n\nFormats by the format mini-language."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef float_getset[] = {
    {"real", get_self, NULL, "the real part of a complex number", NULL},
    {"imag", get_zero, NULL, "the imaginary part of a complex number", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyNumberMethods float_as_number = {
    .nb_add = float_add,
    .nb_subtract = float_sub,
    .nb_multiply = float_mul,
    .nb_remainder = float_mod,
    .nb_divmod = float_divmod,
    .nb_power = float_pow,
    .nb_negative = float_neg,
    .nb_positive = float_float,
    .nb_absolute = float_abs,
    .nb_bool = float_bool,
    .nb_int = float_int,
    .nb_float = float_float,
    .nb_floor_divide = float_floordiv,
    .nb_true_divide = float_truediv,
};

PyTypeObject PyFloat_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "float",
    .tp_basicsize = sizeof(PyFloatObject),
    .tp_dealloc = float_dealloc,
    .tp_repr = float_repr,
    .tp_as_number = &float_as_number,
    .tp_hash = float_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | _Py_TPFLAGS_MATCH_SELF,
    .tp_doc = "float(x=0, /)\n--\n\n"
              "Makes a float of a string or a number.",
    .tp_richcompare = float_richcompare,
    .tp_methods = float_methods,
    .tp_getset = float_getset,
    .tp_new = float_new,
    .tp_free = PyObject_Free,
    .tp_vectorcall = float_vectorcall,
};

/* ======== PyFloat_* =================================================================== */

double
PyFloat_GetMax(void)
{
    return DBL_MAX;
}

double
PyFloat_GetMin(void)
{
    return DBL_MIN;
}

static PyStructSequence_Field float_info_fields[] = {
    {"max", "DBL_MAX -- maximum representable finite float"},
    {"max_exp", "DBL_MAX_EXP -- maximum int e such that radix**(e-1) is representable"},
    {"max_10_exp", "DBL_MAX_10_EXP -- maximum int e such that 10**e is representable"},
    {"min", "DBL_MIN -- Minimum positive normalized float"},
    {"min_exp", "DBL_MIN_EXP -- minimum int e such that radix**(e-1) is a normalized float"},
    {"min_10_exp", "DBL_MIN_10_EXP -- minimum int e such that 10**e is a normalized float"},
    {"dig", "DBL_DIG -- maximum number of decimal digits that can be faithfully represented "
            "in a float"},
    {"mant_dig", "DBL_MANT_DIG -- mantissa digits"},
    {"epsilon", "DBL_EPSILON -- Difference between 1 and the next representable float"},
    {"radix", "FLT_RADIX -- radix of exponent"},
    {"rounds", "FLT_ROUNDS -- rounding mode used for arithmetic operations"},
    {NULL, NULL},
};

static PyStructSequence_Desc float_info_desc = {
    .name = "sys.float_info",
    .doc = "What the C type double can do on this machine, as in float.h.",
    .fields = float_info_fields,
    .n_in_sequence = 11,
};

PyObject *
PyFloat_GetInfo(void)
{
    NjNumberState *st = &nj_interp()->numbers;
    if (st->float_info_type == NULL) {
        st->float_info_type = PyStructSequence_NewType(&float_info_desc);
        if (st->float_info_type == NULL) {
            return NULL;
        }
        st->float_info_type->tp_flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
    }
    NJ_OWN r = PyStructSequence_New(st->float_info_type);
    if (r == NULL) {
        return NULL;
    }
    PyObject *v[11] = {
        nj_float_new(DBL_MAX),       nj_int_from_i64(DBL_MAX_EXP),
        nj_int_from_i64(DBL_MAX_10_EXP), nj_float_new(DBL_MIN),
        nj_int_from_i64(DBL_MIN_EXP), nj_int_from_i64(DBL_MIN_10_EXP),
        nj_int_from_i64(DBL_DIG),    nj_int_from_i64(DBL_MANT_DIG),
        nj_float_new(DBL_EPSILON),   nj_int_from_i64(FLT_RADIX),
        nj_int_from_i64(FLT_ROUNDS),
    };
    bool failed = false;
    for (int i = 0; i < 11; i++) {
        failed = failed || v[i] == NULL;
        PyStructSequence_SetItem(r, i, v[i]);
    }
    return failed ? NULL : NJ_TAKE(r);
}

/* ---- packing ------------------------------------------------------------------------ */

static void
store(char *p, uint64_t u, int n, int le)
{
    for (int i = 0; i < n; i++) {
        p[le ? i : n - 1 - i] = (char)(u >> (8 * i));
    }
}

static uint64_t
fetch(const char *p, int n, int le)
{
    uint64_t u = 0;
    for (int i = 0; i < n; i++) {
        u |= (uint64_t)(unsigned char)p[le ? i : n - 1 - i] << (8 * i);
    }
    return u;
}

int
PyFloat_Pack8(double x, char *p, int le)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    store(p, u, 8, le);
    return 0;
}

double
PyFloat_Unpack8(const char *p, int le)
{
    uint64_t u = fetch(p, 8, le);
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

int
PyFloat_Pack4(double x, char *p, int le)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    uint32_t f;
    if (isnan(x)) {
        /* Keep sign, payload and the quiet bit: the machine would quiet it. */
        f = (uint32_t)(u >> 32 & 0x80000000) | 0x7f800000 | (uint32_t)(u >> 29 & 0x7fffff);
        if ((f & 0x7fffff) == 0) {
            f |= 0x400000; /* a payload that is lost leaves a quiet NaN */
        }
    }
    else {
        float y = (float)x;
        if (isinf(y) && !isinf(x)) {
            PyErr_SetString(PyExc_OverflowError, "float too large to pack with f format");
            return -1;
        }
        memcpy(&f, &y, sizeof f);
    }
    store(p, f, 4, le);
    return 0;
}

double
PyFloat_Unpack4(const char *p, int le)
{
    uint32_t f = (uint32_t)fetch(p, 4, le);
    if ((f & 0x7f800000) == 0x7f800000 && (f & 0x7fffff)) {
        uint64_t u = (uint64_t)(f & 0x80000000) << 32 | (uint64_t)0x7ff << 52 |
                     (uint64_t)(f & 0x7fffff) << 29;
        double x;
        memcpy(&x, &u, sizeof x);
        return x;
    }
    float y;
    memcpy(&y, &f, sizeof y);
    return y;
}

int
PyFloat_Pack2(double x, char *p, int le)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    unsigned sign = (unsigned)(u >> 63) << 15;
    unsigned h;
    if (isnan(x)) {
        h = 0x7c00 | (unsigned)(u >> 42 & 0x3ff);
        if ((h & 0x3ff) == 0) {
            h |= 0x200;
        }
    }
    else if (isinf(x)) {
        h = 0x7c00;
    }
    else {
        /* In units of the target's last place: exponent at least that of subnormals. */
        int e;
        double m = frexp(fabs(x), &e); /* x = m * 2**e, 0.5 <= m < 1 */
        int unit = x == 0.0 || e < -13 ? -24 : e - 11;
        double q = x == 0.0 ? 0.0 : ldexp(m, e - unit);
        unsigned n = (unsigned)q;
        double rest = q - n;
        if (rest > 0.5 || (rest == 0.5 && (n & 1))) {
            n++;
        }
        if (unit == -24) {
            h = n; /* a carry makes the smallest normal */
        }
        else {
            h = ((unsigned)(unit + 25) << 10) + (n - 1024);
        }
        if (unit > 5 || h >= 0x7c00) {
            PyErr_SetString(PyExc_OverflowError, "float too large to pack with e format");
            return -1;
        }
    }
    store(p, sign | h, 2, le);
    return 0;
}

double
PyFloat_Unpack2(const char *p, int le)
{
    unsigned h = (unsigned)fetch(p, 2, le);
    int e = (int)(h >> 10 & 0x1f);
    unsigned f = h & 0x3ff;
    if (e == 0x1f && f) {
        uint64_t u = (uint64_t)(h & 0x8000) << 48 | (uint64_t)0x7ff << 52 |
                     (uint64_t)f << 42;
        double x;
        memcpy(&x, &u, sizeof x);
        return x;
    }
    double x = e == 0x1f ? HUGE_VAL
                         : e ? ldexp(f + 1024, e - 25) : ldexp(f, -24);
    return h & 0x8000 ? -x : x;
}

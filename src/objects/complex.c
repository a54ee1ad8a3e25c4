/* complex.c - the type complex.
 *
 * Mixed operations with a real operand do not first turn it into a complex number (3.14;
 * C's Annex G): a real factor scales both parts, a real summand leaves the imaginary
 * part and the sign of its zero alone. Products and quotients that come out as nan+nanj
 * though an operand was infinite are recomputed as Annex G says.
 *
 * Powers: small whole exponents by repeated multiplication, everything else by polar
 * coordinates. Errors of the _Py_c_ functions are reported in errno (API).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "capi/args.h"
#include "objects/int.h"
#include "objects/number.h"
#include "objects/type_int.h"

#include <errno.h>
#include <math.h>

#define CVAL(op) (((PyComplexObject *)(op))->cval)

/* ---- arithmetic on Py_complex ------------------------------------------------------- */

Py_complex
_Py_c_sum(Py_complex a, Py_complex b)
{
    return (Py_complex){a.real + b.real, a.imag + b.imag};
}

Py_complex
_Py_c_diff(Py_complex a, Py_complex b)
{
    return (Py_complex){a.real - b.real, a.imag - b.imag};
}

Py_complex
_Py_c_neg(Py_complex a)
{
    return (Py_complex){-a.real, -a.imag};
}

/* 1 or 0 with the sign of x, for an infinite or other x */
static double
box(double x)
{
    return copysign(isinf(x) ? 1.0 : 0.0, x);
}

static double
nan_to_zero(double x)
{
    return isnan(x) ? copysign(0.0, x) : x;
}

Py_complex
_Py_c_prod(Py_complex z, Py_complex w)
{
    double a = z.real, b = z.imag, c = w.real, d = w.imag;
    double ac = a * c, bd = b * d, ad = a * d, bc = b * c;
    Py_complex r = {ac - bd, ad + bc};
    if (isnan(r.real) && isnan(r.imag)) {
        bool again = false;
        if (isinf(a) || isinf(b)) {
            a = box(a);
            b = box(b);
            c = nan_to_zero(c);
            d = nan_to_zero(d);
            again = true;
        }
        if (isinf(c) || isinf(d)) {
            c = box(c);
            d = box(d);
            a = nan_to_zero(a);
            b = nan_to_zero(b);
            again = true;
        }
        if (!again && (isinf(ac) || isinf(bd) || isinf(ad) || isinf(bc))) {
            a = nan_to_zero(a);
            b = nan_to_zero(b);
            c = nan_to_zero(c);
            d = nan_to_zero(d);
            again = true;
        }
        if (again) {
            r.real = HUGE_VAL * (a * c - b * d);
            r.imag = HUGE_VAL * (a * d + b * c);
        }
    }
    return r;
}

Py_complex
_Py_c_quot(Py_complex a, Py_complex b)
{
    /* Smith's method: divide by the larger part first, so that nothing overflows that
     * need not. */
    Py_complex r;
    double abs_re = fabs(b.real), abs_im = fabs(b.imag);
    if (abs_re >= abs_im) {
        if (abs_re == 0.0) {
            errno = EDOM;
            return (Py_complex){0.0, 0.0};
        }
        double ratio = b.imag / b.real;
        double denom = b.real + b.imag * ratio;
        r.real = (a.real + a.imag * ratio) / denom;
        r.imag = (a.imag - a.real * ratio) / denom;
    }
    else if (abs_im >= abs_re) {
        double ratio = b.real / b.imag;
        double denom = b.real * ratio + b.imag;
        r.real = (a.real * ratio + a.imag) / denom;
        r.imag = (a.imag * ratio - a.real) / denom;
    }
    else {
        r.real = r.imag = Py_NAN; /* a part of b is NaN */
    }
    if (isnan(r.real) && isnan(r.imag)) {
        if ((isinf(a.real) || isinf(a.imag)) && isfinite(b.real) && isfinite(b.imag)) {
            double x = box(a.real), y = box(a.imag);
            r.real = HUGE_VAL * (x * b.real + y * b.imag);
            r.imag = HUGE_VAL * (y * b.real - x * b.imag);
        }
        else if ((isinf(abs_re) || isinf(abs_im)) && isfinite(a.real) && isfinite(a.imag)) {
            double x = box(b.real), y = box(b.imag);
            r.real = 0.0 * (a.real * x + a.imag * y);
            r.imag = 0.0 * (a.imag * x - a.real * y);
        }
    }
    return r;
}

/* Mixed arithmetic: the real operand has no imaginary part, not one of zero. */
PyAPI_FUNC(Py_complex) _Py_cr_sum(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_cr_diff(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_rc_diff(double a, Py_complex b);
PyAPI_FUNC(Py_complex) _Py_cr_prod(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_cr_quot(Py_complex a, double b);
PyAPI_FUNC(Py_complex) _Py_rc_quot(double a, Py_complex b);

Py_complex
_Py_cr_sum(Py_complex a, double b)
{
    return (Py_complex){a.real + b, a.imag};
}

Py_complex
_Py_cr_diff(Py_complex a, double b)
{
    return (Py_complex){a.real - b, a.imag};
}

Py_complex
_Py_rc_diff(double a, Py_complex b)
{
    return (Py_complex){a - b.real, -b.imag};
}

Py_complex
_Py_cr_prod(Py_complex a, double b)
{
    return (Py_complex){a.real * b, a.imag * b};
}

Py_complex
_Py_cr_quot(Py_complex a, double b)
{
    if (b == 0.0) {
        errno = EDOM;
        return (Py_complex){0.0, 0.0};
    }
    return (Py_complex){a.real / b, a.imag / b};
}

Py_complex
_Py_rc_quot(double a, Py_complex b)
{
    Py_complex r;
    double abs_re = fabs(b.real), abs_im = fabs(b.imag);
    if (abs_re >= abs_im) {
        if (abs_re == 0.0) {
            errno = EDOM;
            return (Py_complex){0.0, 0.0};
        }
        double ratio = b.imag / b.real;
        double denom = b.real + b.imag * ratio;
        r.real = a / denom;
        r.imag = (-a * ratio) / denom;
    }
    else if (abs_im >= abs_re) {
        double ratio = b.real / b.imag;
        double denom = b.real * ratio + b.imag;
        r.real = (a * ratio) / denom;
        r.imag = (-a) / denom;
    }
    else {
        r.real = r.imag = Py_NAN;
    }
    if (isnan(r.real) && isnan(r.imag) && isfinite(a) && (isinf(abs_re) || isinf(abs_im))) {
        double x = box(b.real), y = box(b.imag);
        r.real = 0.0 * (a * x);
        r.imag = 0.0 * (-a * y);
    }
    return r;
}

static void
note_overflow(Py_complex r)
{
    if (isinf(r.real) || isinf(r.imag)) {
        errno = ERANGE;
    }
    else if (errno == ERANGE) {
        errno = 0; /* the C library's note of an underflow */
    }
}

Py_complex
_Py_c_pow(Py_complex a, Py_complex b)
{
    Py_complex r;
    if (b.real == 0.0 && b.imag == 0.0) {
        return (Py_complex){1.0, 0.0};
    }
    if (a.real == 0.0 && a.imag == 0.0) {
        if (b.imag != 0.0 || b.real < 0.0) {
            errno = EDOM;
        }
        return (Py_complex){0.0, 0.0};
    }
    double abs = hypot(a.real, a.imag);
    double len = pow(abs, b.real);
    double at = atan2(a.imag, a.real);
    double phase = at * b.real;
    if (b.imag != 0.0) {
        len *= exp(-at * b.imag);
        phase += b.imag * log(abs);
    }
    r.real = len * cos(phase);
    r.imag = len * sin(phase);
    note_overflow(r);
    return r;
}

double
_Py_c_abs(Py_complex z)
{
    errno = 0;
    if (!isfinite(z.real) || !isfinite(z.imag)) {
        if (isinf(z.real)) {
            return fabs(z.real);
        }
        if (isinf(z.imag)) {
            return fabs(z.imag);
        }
        return Py_NAN;
    }
    double r = hypot(z.real, z.imag);
    errno = isfinite(r) ? 0 : ERANGE;
    return r;
}

static Py_complex
pow_unsigned(Py_complex x, long n)
{
    Py_complex r = {1.0, 0.0}, p = x;
    bool first = true;
    for (; n > 0; n >>= 1) {
        if (n & 1) {
            r = first ? p : _Py_c_prod(r, p);
            first = false;
        }
        if (n > 1) {
            p = _Py_c_prod(p, p);
        }
    }
    return r;
}

/* ---- objects ------------------------------------------------------------------------ */

PyObject *
PyComplex_FromCComplex(Py_complex z)
{
    PyComplexObject *op = PyObject_Malloc(sizeof *op);
    if (op == NULL) {
        return PyErr_NoMemory();
    }
    PyObject_Init((PyObject *)op, &PyComplex_Type);
    op->cval = z;
    return (PyObject *)op;
}

PyObject *
PyComplex_FromDoubles(double real, double imag)
{
    return PyComplex_FromCComplex((Py_complex){real, imag});
}

static PyObject *
as_type(PyTypeObject *type, Py_complex z)
{
    if (type == &PyComplex_Type) {
        return PyComplex_FromCComplex(z);
    }
    PyObject *op = type->tp_alloc(type, 0);
    if (op != NULL) {
        CVAL(op) = z;
    }
    return op;
}

/* op.__complex__(): new reference (a complex), or NULL; *absent if there is none. */
static PyObject *
call_complex(PyObject *op, bool *absent)
{
    *absent = false;
    if (PyComplex_CheckExact(op)) {
        return Py_NewRef(op);
    }
    NJ_OWN f = nj_type_special(op, NJ_ID(__complex__));
    if (f == NULL) {
        *absent = !PyErr_Occurred();
        return NULL;
    }
    NJ_OWN r = PyObject_CallNoArgs(f);
    if (r == NULL || PyComplex_CheckExact(r)) {
        return NJ_TAKE(r);
    }
    if (!PyComplex_Check(r)) {
        PyErr_Format(PyExc_TypeError, "__complex__ returned non-complex (type %.200s)",
                     Py_TYPE(r)->tp_name);
        return NULL;
    }
    if (PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                         "__complex__ returned non-complex (type %.200s).  "
                         "The ability to return an instance of a strict subclass of complex "
                         "is deprecated, and may be removed in a future version of Python.",
                         Py_TYPE(r)->tp_name)) {
        return NULL;
    }
    return NJ_TAKE(r);
}

double
PyComplex_RealAsDouble(PyObject *op)
{
    if (PyComplex_Check(op)) {
        return CVAL(op).real;
    }
    bool absent;
    NJ_OWN c = call_complex(op, &absent);
    if (c != NULL) {
        return CVAL(c).real;
    }
    return absent ? PyFloat_AsDouble(op) : -1.0;
}

double
PyComplex_ImagAsDouble(PyObject *op)
{
    if (PyComplex_Check(op)) {
        return CVAL(op).imag;
    }
    bool absent;
    NJ_OWN c = call_complex(op, &absent);
    if (c != NULL) {
        return CVAL(c).imag;
    }
    if (absent) {
        (void)PyFloat_AsDouble(op); /* for its error */
        return PyErr_Occurred() ? -1.0 : 0.0;
    }
    return -1.0;
}

Py_complex
PyComplex_AsCComplex(PyObject *op)
{
    if (PyComplex_Check(op)) {
        return CVAL(op);
    }
    bool absent;
    NJ_OWN c = call_complex(op, &absent);
    if (c != NULL) {
        return CVAL(c);
    }
    return (Py_complex){absent ? PyFloat_AsDouble(op) : -1.0, 0.0};
}

/* ---- operands ----------------------------------------------------------------------- */

/* 2: complex in *z; 1: real in z->real; 0: neither; -1: error. */
static int
operand(PyObject *o, Py_complex *z)
{
    if (PyComplex_Check(o)) {
        *z = CVAL(o);
        return 2;
    }
    z->imag = 0.0;
    if (PyFloat_Check(o)) {
        z->real = PyFloat_AS_DOUBLE(o);
        return 1;
    }
    if (PyLong_Check(o)) {
        z->real = PyLong_AsDouble(o);
        return z->real == -1.0 && PyErr_Occurred() ? -1 : 1;
    }
    return 0;
}

#define OPERANDS(v, w)                                                                   \
    Py_complex a, b;                                                                     \
    int ka = operand(v, &a);                                                             \
    int kb = ka > 0 ? operand(w, &b) : 0;                                                \
    if (ka <= 0 || kb <= 0) {                                                            \
        return ka < 0 || kb < 0 ? NULL : Py_NewRef(Py_NotImplemented);                   \
    }

static PyObject *
complex_add(PyObject *v, PyObject *w)
{
    OPERANDS(v, w)
    return PyComplex_FromCComplex(ka == 1   ? _Py_cr_sum(b, a.real)
                                  : kb == 1 ? _Py_cr_sum(a, b.real)
                                            : _Py_c_sum(a, b));
}

static PyObject *
complex_sub(PyObject *v, PyObject *w)
{
    OPERANDS(v, w)
    return PyComplex_FromCComplex(ka == 1   ? _Py_rc_diff(a.real, b)
                                  : kb == 1 ? _Py_cr_diff(a, b.real)
                                            : _Py_c_diff(a, b));
}

static PyObject *
complex_mul(PyObject *v, PyObject *w)
{
    OPERANDS(v, w)
    return PyComplex_FromCComplex(ka == 1   ? _Py_cr_prod(b, a.real)
                                  : kb == 1 ? _Py_cr_prod(a, b.real)
                                            : _Py_c_prod(a, b));
}

static PyObject *
complex_div(PyObject *v, PyObject *w)
{
    OPERANDS(v, w)
    errno = 0;
    Py_complex r = ka == 1   ? _Py_rc_quot(a.real, b)
                   : kb == 1 ? _Py_cr_quot(a, b.real)
                             : _Py_c_quot(a, b);
    if (errno == EDOM) {
        PyErr_SetString(PyExc_ZeroDivisionError, "division by zero");
        return NULL;
    }
    return PyComplex_FromCComplex(r);
}

static PyObject *
complex_pow(PyObject *v, PyObject *w, PyObject *mod)
{
    OPERANDS(v, w)
    if (mod != Py_None) {
        PyErr_SetString(PyExc_ValueError, "complex modulo");
        return NULL;
    }
    Py_complex r;
    errno = 0;
    if (b.imag == 0.0 && b.real == floor(b.real) && fabs(b.real) <= 100.0) {
        long n = (long)b.real;
        r = n > 0 ? pow_unsigned(a, n)
                  : _Py_c_quot((Py_complex){1.0, 0.0}, pow_unsigned(a, -n));
        if (errno != EDOM) {
            note_overflow(r);
        }
    }
    else {
        r = _Py_c_pow(a, b);
    }
    if (errno == EDOM) {
        PyErr_SetString(PyExc_ZeroDivisionError, "zero to a negative or complex power");
        return NULL;
    }
    if (errno == ERANGE) {
        PyErr_SetString(PyExc_OverflowError, "complex exponentiation");
        return NULL;
    }
    return PyComplex_FromCComplex(r);
}

static PyObject *
complex_neg(PyObject *v)
{
    return PyComplex_FromCComplex(_Py_c_neg(CVAL(v)));
}

static PyObject *
complex_pos(PyObject *v)
{
    return PyComplex_CheckExact(v) ? Py_NewRef(v) : PyComplex_FromCComplex(CVAL(v));
}

static PyObject *
complex_abs(PyObject *v)
{
    double r = _Py_c_abs(CVAL(v));
    if (errno == ERANGE) {
        PyErr_SetString(PyExc_OverflowError, "absolute value too large");
        return NULL;
    }
    return nj_float_new(r);
}

static int
complex_bool(PyObject *v)
{
    return CVAL(v).real != 0.0 || CVAL(v).imag != 0.0;
}

static Py_hash_t
complex_hash(PyObject *v)
{
    Py_hash_t re = _Py_HashDouble(v, CVAL(v).real);
    Py_hash_t im = _Py_HashDouble(v, CVAL(v).imag);
    if (re == -1 || im == -1) {
        return -1;
    }
    Py_hash_t h = (Py_hash_t)((size_t)re + PyHASH_IMAG * (size_t)im);
    return h == -1 ? -2 : h;
}

static PyObject *
complex_richcompare(PyObject *v, PyObject *w, int op)
{
    if (op != Py_EQ && op != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_complex z = CVAL(v);
    bool eq;
    if (PyLong_Check(w)) {
        /* Exact, through the float comparison. */
        if (z.imag != 0.0) {
            eq = false;
        }
        else {
            NJ_OWN re = nj_float_new(z.real);
            if (re == NULL) {
                return NULL;
            }
            return PyFloat_Type.tp_richcompare(re, w, op);
        }
    }
    else if (PyFloat_Check(w)) {
        eq = z.real == PyFloat_AS_DOUBLE(w) && z.imag == 0.0;
    }
    else if (PyComplex_Check(w)) {
        eq = z.real == CVAL(w).real && z.imag == CVAL(w).imag;
    }
    else {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return PyBool_FromLong(eq == (op == Py_EQ));
}

static PyObject *
complex_repr(PyObject *v)
{
    Py_complex z = CVAL(v);
    if (z.real == 0.0 && !signbit(z.real)) {
        NJ_OWN_MEM(char) im = PyOS_double_to_string(z.imag, 'r', 0, 0, NULL);
        return im ? PyUnicode_FromFormat("%sj", im) : NULL;
    }
    NJ_OWN_MEM(char) re = PyOS_double_to_string(z.real, 'r', 0, 0, NULL);
    NJ_OWN_MEM(char) im =
        re ? PyOS_double_to_string(z.imag, 'r', 0, Py_DTSF_SIGN, NULL) : NULL;
    return im ? PyUnicode_FromFormat("(%s%sj)", re, im) : NULL;
}

/* ---- construction ------------------------------------------------------------------- */

/* Text without underscores: [(] a, bj, a+bj, j [)] with no space inside. */
static bool
read_complex(const char *s, const char *stop, Py_complex *z)
{
    while (Py_ISSPACE(*s)) {
        s++;
    }
    bool paren = *s == '(';
    if (paren) {
        s++;
        while (Py_ISSPACE(*s)) {
            s++;
        }
    }
    double x = 0.0, y = 0.0;
    const char *end;
    double first = nj_number_read_double(s, &end);
    if (end != s) {
        s = end;
        if (*s == '+' || *s == '-') {
            x = first;
            y = nj_number_read_double(s, &end);
            if (end != s) {
                s = end;
            }
            else {
                y = *s == '+' ? 1.0 : -1.0;
                s++;
            }
            if ((*s | 0x20) != 'j') {
                return false;
            }
            s++;
        }
        else if ((*s | 0x20) == 'j') {
            s++;
            y = first;
        }
        else {
            x = first;
        }
    }
    else {
        y = 1.0;
        if (*s == '+' || *s == '-') {
            y = *s == '+' ? 1.0 : -1.0;
            s++;
        }
        if ((*s | 0x20) != 'j') {
            return false;
        }
        s++;
    }
    while (Py_ISSPACE(*s)) {
        s++;
    }
    if (paren) {
        if (*s != ')') {
            return false;
        }
        s++;
        while (Py_ISSPACE(*s)) {
            s++;
        }
    }
    z->real = x;
    z->imag = y;
    return s == stop;
}

static PyObject *
complex_from_str(PyTypeObject *type, PyObject *v)
{
    NJ_OWN_MEM(char) tofree = NULL;
    const char *s;
    Py_ssize_t n;
    if (nj_number_text(v, &s, &n, &tofree) < 0) {
        return NULL;
    }
    NJ_OWN_MEM(char) clean = PyMem_Malloc((size_t)n + 1);
    if (clean == NULL) {
        return PyErr_NoMemory();
    }
    char prev = 0, *p = clean;
    bool ok = true, underscores = memchr(s, '_', (size_t)n) != NULL;
    for (Py_ssize_t i = 0; i < n && ok; i++) {
        char c = s[i];
        if (c == '_') {
            ok = Py_ISDIGIT(prev);
        }
        else {
            ok = c != '\0' && (prev != '_' || Py_ISDIGIT(c));
            *p++ = c;
        }
        prev = c;
    }
    *p = '\0';
    Py_complex z;
    if (underscores && (!ok || prev == '_')) {
        PyErr_Format(PyExc_ValueError, "could not convert string to complex: %R", v);
        return NULL;
    }
    if (!ok || !read_complex(clean, p, &z)) {
        PyErr_SetString(PyExc_ValueError, "complex() arg is a malformed string");
        return NULL;
    }
    return as_type(type, z);
}

/* One component given to complex(): 2 complex, 1 real, -1 error. */
static int
component(PyObject *v, const char *which, Py_complex *z)
{
    if (PyComplex_Check(v) || PyFloat_Check(v) || PyLong_Check(v)) {
        return operand(v, z);
    }
    PyNumberMethods *m = Py_TYPE(v)->tp_as_number;
    if (m == NULL || (m->nb_float == NULL && m->nb_index == NULL)) {
        PyErr_Format(PyExc_TypeError,
                     "complex() argument '%s' must be a real number, not %T", which, v);
        return -1;
    }
    z->real = PyFloat_AsDouble(v);
    z->imag = 0.0;
    return z->real == -1.0 && PyErr_Occurred() ? -1 : 1;
}

static PyObject *
complex_from_one(PyTypeObject *type, PyObject *v)
{
    if (PyComplex_CheckExact(v) && type == &PyComplex_Type) {
        return Py_NewRef(v);
    }
    if (PyUnicode_Check(v)) {
        return complex_from_str(type, v);
    }
    bool absent;
    NJ_OWN c = call_complex(v, &absent);
    if (c != NULL) {
        return as_type(type, CVAL(c));
    }
    if (!absent) {
        return NULL;
    }
    PyNumberMethods *m = Py_TYPE(v)->tp_as_number;
    if (m == NULL || (m->nb_float == NULL && m->nb_index == NULL)) {
        PyErr_Format(PyExc_TypeError, "complex() argument must be a string or a number, not %T",
                     v);
        return NULL;
    }
    double x = PyFloat_AsDouble(v);
    if (x == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    return as_type(type, (Py_complex){x, 0.0});
}

static int
warn_complex_part(const char *which, PyObject *v)
{
    return PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                            "complex() argument '%s' must be a real number, not %T", which,
                            v);
}

static PyObject *
complex_from_two(PyTypeObject *type, PyObject *r, PyObject *i)
{
    Py_complex cr = {0.0, 0.0}, ci = {0.0, 0.0};
    int kr = 1, ki = 1;
    if (r != NULL) {
        bool absent;
        NJ_OWN c = PyComplex_Check(r) ? NULL : call_complex(r, &absent);
        if (c != NULL) {
            cr = CVAL(c);
            kr = 2;
        }
        else {
            if (!PyComplex_Check(r) && !absent) {
                return NULL;
            }
            kr = component(r, "real", &cr);
            if (kr < 0) {
                return NULL;
            }
        }
        if (kr == 2 && warn_complex_part("real", r) < 0) {
            return NULL;
        }
    }
    if (i != NULL) {
        ki = component(i, "imag", &ci);
        if (ki < 0 || (ki == 2 && warn_complex_part("imag", i) < 0)) {
            return NULL;
        }
    }
    /* real + imag * 1j, with complex parts allowed for old times' sake */
    if (ki == 2) {
        cr.real -= ci.imag;
    }
    if (kr == 2) {
        ci.real += cr.imag;
    }
    return as_type(type, (Py_complex){cr.real, ci.real});
}

static PyObject *
complex_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"real", "imag", NULL};
    static const NjParams params = {.fname = "complex", .names = names, .npos = 2};
    Py_ssize_t nkw = kwargs ? PyDict_GET_SIZE(kwargs) : 0;
    if (PyTuple_GET_SIZE(args) == 1 && nkw == 0) {
        return complex_from_one(type, PyTuple_GET_ITEM(args, 0));
    }
    PyObject *a[2] = {NULL, NULL};
    if (nj_args_bind_tuple(&params, args, kwargs, a) < 0) {
        return NULL;
    }
    if (a[0] == NULL && a[1] == NULL) {
        return as_type(type, (Py_complex){0.0, 0.0});
    }
    return complex_from_two(type, a[0], a[1]);
}

/* ---- methods ------------------------------------------------------------------------ */

static PyObject *
complex_conjugate(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyComplex_FromDoubles(CVAL(self).real, -CVAL(self).imag);
}

static PyObject *
complex_complex(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return complex_pos(self);
}

static PyObject *
complex_getnewargs(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("(dd)", CVAL(self).real, CVAL(self).imag);
}

static PyObject *
complex_format(PyObject *self, PyObject *spec)
{
    if (!PyUnicode_Check(spec)) {
        _PyArg_BadArgument("__format__", "argument", "str", spec);
        return NULL;
    }
    return nj_format_complex(self, spec);
}

static PyObject *
complex_from_number(PyObject *type, PyObject *number)
{
    if (PyComplex_CheckExact(number) && type == (PyObject *)&PyComplex_Type) {
        return Py_NewRef(number);
    }
    Py_complex z = PyComplex_AsCComplex(number);
    if (z.real == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *r = PyComplex_FromCComplex(z);
    if (r != NULL && type != (PyObject *)&PyComplex_Type) {
        Py_SETREF(r, PyObject_CallOneArg(type, r));
    }
    return r;
}

static PyMethodDef complex_methods[] = {
    {"from_number", complex_from_number, METH_O | METH_CLASS,
     "from_number($type, number, /)\n--\n\nA complex of a number, never of text."},
    {"conjugate", complex_conjugate, METH_NOARGS,
     "conjugate($self, /)\n--\n\nThe number with the imaginary part negated."},
    {"__complex__", complex_complex, METH_NOARGS,
     "__complex__($self, /)\n--\n\nThis value as an exact complex."},
    {"__getnewargs__", complex_getnewargs, METH_NOARGS,
     "__getnewargs__($self, /)\n--\n\n"},
    {"__format__", complex_format, METH_O,
     "__format__($self, format_spec, /)\n--\n\nFormats by the format mini-language."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef complex_members[] = {
    {"real", Py_T_DOUBLE, offsetof(PyComplexObject, cval.real), Py_READONLY,
     "the real part of a complex number"},
    {"imag", Py_T_DOUBLE, offsetof(PyComplexObject, cval.imag), Py_READONLY,
     "the imaginary part of a complex number"},
    {NULL, 0, 0, 0, NULL},
};

static PyNumberMethods complex_as_number = {
    .nb_add = complex_add,
    .nb_subtract = complex_sub,
    .nb_multiply = complex_mul,
    .nb_power = complex_pow,
    .nb_negative = complex_neg,
    .nb_positive = complex_pos,
    .nb_absolute = complex_abs,
    .nb_bool = complex_bool,
    .nb_true_divide = complex_div,
};

PyTypeObject PyComplex_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "complex",
    .tp_basicsize = sizeof(PyComplexObject),
    .tp_repr = complex_repr,
    .tp_as_number = &complex_as_number,
    .tp_hash = complex_hash,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "complex(real=0, imag=0)\n--\n\n"
              "Makes a complex number of a string, of a number, or of its two parts.",
    .tp_richcompare = complex_richcompare,
    .tp_methods = complex_methods,
    .tp_members = complex_members,
    .tp_new = complex_new,
    .tp_free = PyObject_Free,
};

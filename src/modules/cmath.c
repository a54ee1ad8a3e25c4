/* cmath.c - the module cmath.
 *
 * The functions are those of C's <complex.h>: glibc implements Annex G of the C
 * standard, special values included, which is also what Python promises. Which inputs
 * raise is decided here, before or after the call: a pole or an infinite angle is
 * "math domain error", an infinite result of a finite argument "math range error".
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <complex.h>
#undef I
#include <math.h>

typedef _Complex double C;

NJ_INLINE C
make(double re, double im)
{
    return CMPLX(re, im);
}

static int
get_complex(PyObject *arg, C *z)
{
    Py_complex c = PyComplex_AsCComplex(arg);
    if (c.real == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    *z = make(c.real, c.imag);
    return 0;
}

static PyObject *
domain_error(void)
{
    PyErr_SetString(PyExc_ValueError, "math domain error");
    return NULL;
}

static PyObject *
range_error(void)
{
    PyErr_SetString(PyExc_OverflowError, "math range error");
    return NULL;
}

static PyObject *
from_complex(C z)
{
    return PyComplex_FromDoubles(creal(z), cimag(z));
}

static bool
is_finite(C z)
{
    return isfinite(creal(z)) && isfinite(cimag(z));
}

/* Where a function is not defined. */
static bool
never(C z)
{
    return false;
}

static bool
bad_exp(C z)
{
    return isinf(cimag(z)) &&
           (isfinite(creal(z)) || (isinf(creal(z)) && creal(z) > 0));
}

static bool
bad_cosh(C z)
{
    return isinf(cimag(z)) && !isnan(creal(z));
}

static bool
bad_cos(C z)
{
    return isinf(creal(z)) && !isnan(cimag(z));
}

static bool
bad_tanh(C z)
{
    return isinf(cimag(z)) && isfinite(creal(z));
}

static bool
bad_tan(C z)
{
    return isinf(creal(z)) && isfinite(cimag(z));
}

static bool
bad_atanh(C z)
{
    return cimag(z) == 0.0 && fabs(creal(z)) == 1.0;
}

static bool
bad_atan(C z)
{
    return creal(z) == 0.0 && fabs(cimag(z)) == 1.0;
}

static bool
bad_log(C z)
{
    return creal(z) == 0.0 && cimag(z) == 0.0;
}

static PyObject *
apply(PyObject *arg, C (*f)(C), bool (*bad)(C))
{
    C z;
    if (get_complex(arg, &z) < 0) {
        return NULL;
    }
    if (bad(z)) {
        return domain_error();
    }
    C r = f(z);
    if (is_finite(z) && (isinf(creal(r)) || isinf(cimag(r)))) {
        return range_error();
    }
    return from_complex(r);
}

/* log of the absolute value without loss near 1 and without overflow. */
static C
log_exact(C z)
{
    return clog(z);
}

static C
log10_exact(C z)
{
    C r = clog(z);
    return make(creal(r) / M_LN10, cimag(r) / M_LN10);
}

#define FUNC(name, f, bad)                                                               \
    static PyObject *cmath_##name(PyObject *Py_UNUSED(m), PyObject *arg)                 \
    {                                                                                    \
        return apply(arg, f, bad);                                                       \
    }

FUNC(acos, cacos, never)
FUNC(acosh, cacosh, never)
FUNC(asin, casin, never)
FUNC(asinh, casinh, never)
FUNC(atan, catan, bad_atan)
FUNC(atanh, catanh, bad_atanh)
FUNC(cos, ccos, bad_cos)
FUNC(cosh, ccosh, bad_cosh)
FUNC(exp, cexp, bad_exp)
FUNC(log10, log10_exact, bad_log)
FUNC(sin, csin, bad_cos)
FUNC(sinh, csinh, bad_cosh)
FUNC(sqrt, csqrt, never)
FUNC(tan, ctan, bad_tan)
FUNC(tanh, ctanh, bad_tanh)

static PyObject *
cmath_log(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "log expected at %s %d argument%s, got %zd",
                     nargs < 1 ? "least" : "most", nargs < 1 ? 1 : 2, nargs < 1 ? "" : "s",
                     nargs);
        return NULL;
    }
    C z, base;
    if (get_complex(args[0], &z) < 0 || (nargs > 1 && get_complex(args[1], &base) < 0)) {
        return NULL;
    }
    if (bad_log(z) || (nargs > 1 && bad_log(base))) {
        return domain_error();
    }
    if (nargs == 1) {
        return from_complex(log_exact(z));
    }
    C a = log_exact(z), b = log_exact(base);
    errno = 0;
    Py_complex q = _Py_c_quot((Py_complex){creal(a), cimag(a)},
                              (Py_complex){creal(b), cimag(b)});
    if (errno == EDOM) {
        return domain_error();
    }
    return PyComplex_FromCComplex(q);
}

static PyObject *
cmath_phase(PyObject *Py_UNUSED(m), PyObject *arg)
{
    C z;
    return get_complex(arg, &z) < 0 ? NULL : PyFloat_FromDouble(atan2(cimag(z), creal(z)));
}

static PyObject *
cmath_polar(PyObject *Py_UNUSED(m), PyObject *arg)
{
    C z;
    if (get_complex(arg, &z) < 0) {
        return NULL;
    }
    double r = hypot(creal(z), cimag(z));
    if (isinf(r) && is_finite(z)) {
        return range_error();
    }
    return Py_BuildValue("dd", r, atan2(cimag(z), creal(z)));
}

static PyObject *
cmath_rect(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "rect expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    double r = PyFloat_AsDouble(args[0]);
    if (r == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    double phi = PyFloat_AsDouble(args[1]);
    if (phi == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (isinf(phi) && r != 0.0 && !isnan(r)) {
        return domain_error();
    }
    if (!isfinite(r) || !isfinite(phi)) {
        if (isinf(r) && isfinite(phi) && phi != 0.0) {
            return PyComplex_FromDoubles(copysign(HUGE_VAL, r * cos(phi)),
                                         copysign(HUGE_VAL, r * sin(phi)));
        }
        if (isinf(r) && phi == 0.0) {
            return PyComplex_FromDoubles(r, copysign(0.0, r) * copysign(1.0, phi));
        }
        if (isinf(r)) { /* phi is NaN */
            return PyComplex_FromDoubles(HUGE_VAL, Py_NAN);
        }
        if (r == 0.0) {
            return PyComplex_FromDoubles(0.0, 0.0);
        }
        if (phi == 0.0) { /* r is NaN */
            return PyComplex_FromDoubles(Py_NAN, 0.0);
        }
        return PyComplex_FromDoubles(Py_NAN, Py_NAN);
    }
    if (phi == 0.0) {
        return PyComplex_FromDoubles(r, r * phi); /* keeps the sign of zero */
    }
    return PyComplex_FromDoubles(r * cos(phi), r * sin(phi));
}

static PyObject *
cmath_isfinite(PyObject *Py_UNUSED(m), PyObject *arg)
{
    C z;
    return get_complex(arg, &z) < 0 ? NULL : PyBool_FromLong(is_finite(z));
}

static PyObject *
cmath_isinf(PyObject *Py_UNUSED(m), PyObject *arg)
{
    C z;
    return get_complex(arg, &z) < 0 ? NULL
                                    : PyBool_FromLong(isinf(creal(z)) || isinf(cimag(z)));
}

static PyObject *
cmath_isnan(PyObject *Py_UNUSED(m), PyObject *arg)
{
    C z;
    return get_complex(arg, &z) < 0 ? NULL
                                    : PyBool_FromLong(isnan(creal(z)) || isnan(cimag(z)));
}

static PyObject *
cmath_isclose(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    static char *names[] = {"a", "b", "rel_tol", "abs_tol", NULL};
    Py_complex a, b;
    double rel = 1e-9, abs_tol = 0.0;
    if (!nj_args_parse(args, nargs, kwnames, "DD|$dd:isclose", names, &a, &b, &rel,
                                     &abs_tol)) {
        return NULL;
    }
    if (rel < 0.0 || abs_tol < 0.0) {
        PyErr_SetString(PyExc_ValueError, "tolerances must be non-negative");
        return NULL;
    }
    if (a.real == b.real && a.imag == b.imag) {
        Py_RETURN_TRUE;
    }
    if (isinf(a.real) || isinf(a.imag) || isinf(b.real) || isinf(b.imag)) {
        Py_RETURN_FALSE;
    }
    double d = hypot(a.real - b.real, a.imag - b.imag);
    return PyBool_FromLong(d <= rel * hypot(b.real, b.imag) ||
                           d <= rel * hypot(a.real, a.imag) || d <= abs_tol);
}

static int
cmath_exec(PyObject *m)
{
    const struct {
        const char *name;
        PyObject *value;
    } constants[] = {
        {"pi", PyFloat_FromDouble(M_PI)},
        {"e", PyFloat_FromDouble(M_E)},
        {"tau", PyFloat_FromDouble(2.0 * M_PI)},
        {"inf", PyFloat_FromDouble(HUGE_VAL)},
        {"infj", PyComplex_FromDoubles(0.0, HUGE_VAL)},
        {"nan", PyFloat_FromDouble(Py_NAN)},
        {"nanj", PyComplex_FromDoubles(0.0, Py_NAN)},
    };
    int rc = 0;
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_Add(m, constants[i].name, constants[i].value) < 0) {
            rc = -1;
        }
    }
    return rc;
}

#define ONE(name, doc)                                                                   \
    {#name, cmath_##name, METH_O, #name "($module, z, /)\n--\n\n" doc}

static PyMethodDef cmath_methods[] = {
    ONE(acos, "The arc cosine of z."),
    ONE(acosh, "The inverse hyperbolic cosine of z."),
    ONE(asin, "The arc sine of z."),
    ONE(asinh, "The inverse hyperbolic sine of z."),
    ONE(atan, "The arc tangent of z."),
    ONE(atanh, "The inverse hyperbolic tangent of z."),
    ONE(cos, "The cosine of z."),
    ONE(cosh, "The hyperbolic cosine of z."),
    ONE(exp, "e to the power of z."),
    {"isclose", (PyCFunction)(void *)cmath_isclose, METH_FASTCALL | METH_KEYWORDS,
     "isclose($module, /, a, b, *, rel_tol=1e-09, abs_tol=0.0)\n--\n\n"
     "Whether two numbers differ by no more than one of the tolerances."},
    ONE(isfinite, "True if both parts are finite."),
    ONE(isinf, "True if a part is infinite."),
    ONE(isnan, "True if a part is a NaN."),
    {"log", (PyCFunction)(void *)cmath_log, METH_FASTCALL,
     "log($module, z, base=<unrepresentable>, /)\n--\n\n"
     "The logarithm of z to the given base, by default e."},
    ONE(log10, "The logarithm of z to base 10."),
    ONE(phase, "The angle of z."),
    ONE(polar, "The pair (distance from 0, angle) of z."),
    {"rect", (PyCFunction)(void *)cmath_rect, METH_FASTCALL,
     "rect($module, r, phi, /)\n--\n\nThe number of distance r from 0 and angle phi."},
    ONE(sin, "The sine of z."),
    ONE(sinh, "The hyperbolic sine of z."),
    ONE(sqrt, "The square root of z."),
    ONE(tan, "The tangent of z."),
    ONE(tanh, "The hyperbolic tangent of z."),
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot cmath_slots[] = {
    {Py_mod_exec, cmath_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef cmath_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "cmath",
    .m_doc = "Mathematical functions on complex numbers.",
    .m_methods = cmath_methods,
    .m_slots = cmath_slots,
};

PyMODINIT_FUNC PyInit_cmath(void);
PyMODINIT_FUNC
PyInit_cmath(void)
{
    return PyModuleDef_Init(&cmath_module);
}

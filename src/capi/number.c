/* number.c - PyNumber_*: dispatch of operators to number slots.
 *
 * A binary operation asks the left operand's slot, then the right one's; the right one
 * goes first if its type is a proper subtype of the left one's and has a slot of its
 * own. NotImplemented means "ask the other". Two exact ints or floats reach their slot by
 * the same way, one indirect call: the VM short-cuts them before coming here.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "objects/int.h"
#include "objects/number.h"

#define SLOT(member) offsetof(PyNumberMethods, member)

NJ_INLINE binaryfunc
binary_slot(PyTypeObject *tp, size_t slot)
{
    char *m = (char *)tp->tp_as_number;
    return m ? *(binaryfunc *)(m + slot) : NULL;
}

/* New reference, Py_NotImplemented if nobody answered, NULL on error. */
NJ_INLINE PyObject *
dispatch2(PyObject *v, PyObject *w, size_t slot)
{
    PyTypeObject *tv = Py_TYPE(v), *tw = Py_TYPE(w);
    binaryfunc fv = binary_slot(tv, slot);
    binaryfunc fw = NULL;
    if (tw != tv) {
        fw = binary_slot(tw, slot);
        if (fw == fv) {
            fw = NULL;
        }
    }
    if (fv) {
        if (fw && PyType_IsSubtype(tw, tv)) {
            PyObject *x = fw(v, w);
            if (x != Py_NotImplemented) {
                return x;
            }
            fw = NULL;
        }
        PyObject *x = fv(v, w);
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    if (fw) {
        return fw(v, w);
    }
    return Py_NotImplemented;
}

static NJ_COLD PyObject *
type_error2(PyObject *v, PyObject *w, const char *op)
{
    PyErr_Format(PyExc_TypeError,
                 "unsupported operand type(s) for %.100s: '%.100s' and '%.100s'", op,
                 Py_TYPE(v)->tp_name, Py_TYPE(w)->tp_name);
    return NULL;
}

static NJ_COLD PyObject *
null_argument(void)
{
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
    }
    return NULL;
}

#define BINARY(name, member, op)                                                         \
    PyObject *name(PyObject *v, PyObject *w)                                             \
    {                                                                                    \
        PyObject *x = dispatch2(v, w, SLOT(member));                                     \
        return NJ_LIKELY(x != Py_NotImplemented) ? x : type_error2(v, w, op);            \
    }

BINARY(PyNumber_Or, nb_or, "|")
BINARY(PyNumber_Xor, nb_xor, "^")
BINARY(PyNumber_And, nb_and, "&")
BINARY(PyNumber_Lshift, nb_lshift, "<<")
BINARY(PyNumber_Rshift, nb_rshift, ">>")
BINARY(PyNumber_Subtract, nb_subtract, "-")
BINARY(PyNumber_Divmod, nb_divmod, "divmod()")
BINARY(PyNumber_MatrixMultiply, nb_matrix_multiply, "@")
BINARY(PyNumber_FloorDivide, nb_floor_divide, "//")
BINARY(PyNumber_TrueDivide, nb_true_divide, "/")
BINARY(PyNumber_Remainder, nb_remainder, "%")

PyObject *
PyNumber_Add(PyObject *v, PyObject *w)
{
    PyObject *x = dispatch2(v, w, SLOT(nb_add));
    if (NJ_LIKELY(x != Py_NotImplemented)) {
        return x;
    }
    PySequenceMethods *m = Py_TYPE(v)->tp_as_sequence;
    if (m && m->sq_concat) {
        return m->sq_concat(v, w);
    }
    return type_error2(v, w, "+");
}

static PyObject *
repeat(ssizeargfunc f, PyObject *seq, PyObject *n)
{
    if (!PyIndex_Check(n)) {
        PyErr_Format(PyExc_TypeError, "can't multiply sequence by non-int of type '%.200s'",
                     Py_TYPE(n)->tp_name);
        return NULL;
    }
    Py_ssize_t count = PyNumber_AsSsize_t(n, PyExc_OverflowError);
    if (count == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return f(seq, count);
}

PyObject *
PyNumber_Multiply(PyObject *v, PyObject *w)
{
    PyObject *x = dispatch2(v, w, SLOT(nb_multiply));
    if (NJ_LIKELY(x != Py_NotImplemented)) {
        return x;
    }
    PySequenceMethods *mv = Py_TYPE(v)->tp_as_sequence;
    PySequenceMethods *mw = Py_TYPE(w)->tp_as_sequence;
    if (mv && mv->sq_repeat) {
        return repeat(mv->sq_repeat, v, w);
    }
    if (mw && mw->sq_repeat) {
        return repeat(mw->sq_repeat, w, v);
    }
    return type_error2(v, w, "*");
}

/* ---- power -------------------------------------------------------------------------- */

NJ_INLINE ternaryfunc
ternary_slot(PyTypeObject *tp)
{
    return tp->tp_as_number ? tp->tp_as_number->nb_power : NULL;
}

static PyObject *
dispatch3(PyObject *v, PyObject *w, PyObject *z, const char *op)
{
    PyTypeObject *tv = Py_TYPE(v), *tw = Py_TYPE(w);
    ternaryfunc fv = ternary_slot(tv), fw = NULL;
    if (tw != tv) {
        fw = ternary_slot(tw);
        if (fw == fv) {
            fw = NULL;
        }
    }
    PyObject *x;
    if (fv) {
        if (fw && PyType_IsSubtype(tw, tv)) {
            x = fw(v, w, z);
            if (x != Py_NotImplemented) {
                return x;
            }
            fw = NULL;
        }
        x = fv(v, w, z);
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    if (fw) {
        x = fw(v, w, z);
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    ternaryfunc fz = ternary_slot(Py_TYPE(z));
    if (fz && fz != ternary_slot(tv) && fz != ternary_slot(tw)) {
        x = fz(v, w, z);
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    if (z == Py_None) {
        return type_error2(v, w, op);
    }
    PyErr_Format(PyExc_TypeError,
                 "unsupported operand type(s) for %.100s: '%.100s', '%.100s', '%.100s'", op,
                 tv->tp_name, tw->tp_name, Py_TYPE(z)->tp_name);
    return NULL;
}

PyObject *
PyNumber_Power(PyObject *v, PyObject *w, PyObject *z)
{
    return dispatch3(v, w, z, "** or pow()");
}

PyObject *
PyNumber_InPlacePower(PyObject *v, PyObject *w, PyObject *z)
{
    PyNumberMethods *m = Py_TYPE(v)->tp_as_number;
    if (m && m->nb_inplace_power) {
        PyObject *x = m->nb_inplace_power(v, w, z);
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    return dispatch3(v, w, z, "**=");
}

/* ---- in place ----------------------------------------------------------------------- */

NJ_INLINE PyObject *
dispatch_inplace(PyObject *v, PyObject *w, size_t islot, size_t slot)
{
    binaryfunc f = binary_slot(Py_TYPE(v), islot);
    if (f) {
        PyObject *x = f(v, w);
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    return dispatch2(v, w, slot);
}

#define INPLACE(name, imember, member, op)                                               \
    PyObject *name(PyObject *v, PyObject *w)                                             \
    {                                                                                    \
        PyObject *x = dispatch_inplace(v, w, SLOT(imember), SLOT(member));               \
        return NJ_LIKELY(x != Py_NotImplemented) ? x : type_error2(v, w, op);            \
    }

INPLACE(PyNumber_InPlaceOr, nb_inplace_or, nb_or, "|=")
INPLACE(PyNumber_InPlaceXor, nb_inplace_xor, nb_xor, "^=")
INPLACE(PyNumber_InPlaceAnd, nb_inplace_and, nb_and, "&=")
INPLACE(PyNumber_InPlaceLshift, nb_inplace_lshift, nb_lshift, "<<=")
INPLACE(PyNumber_InPlaceRshift, nb_inplace_rshift, nb_rshift, ">>=")
INPLACE(PyNumber_InPlaceSubtract, nb_inplace_subtract, nb_subtract, "-=")
INPLACE(PyNumber_InPlaceMatrixMultiply, nb_inplace_matrix_multiply, nb_matrix_multiply,
        "@=")
INPLACE(PyNumber_InPlaceFloorDivide, nb_inplace_floor_divide, nb_floor_divide, "//=")
INPLACE(PyNumber_InPlaceTrueDivide, nb_inplace_true_divide, nb_true_divide, "/=")
INPLACE(PyNumber_InPlaceRemainder, nb_inplace_remainder, nb_remainder, "%=")

PyObject *
PyNumber_InPlaceAdd(PyObject *v, PyObject *w)
{
    PyObject *x = dispatch_inplace(v, w, SLOT(nb_inplace_add), SLOT(nb_add));
    if (NJ_LIKELY(x != Py_NotImplemented)) {
        return x;
    }
    PySequenceMethods *m = Py_TYPE(v)->tp_as_sequence;
    if (m) {
        binaryfunc f = m->sq_inplace_concat ? m->sq_inplace_concat : m->sq_concat;
        if (f) {
            return f(v, w);
        }
    }
    return type_error2(v, w, "+=");
}

PyObject *
PyNumber_InPlaceMultiply(PyObject *v, PyObject *w)
{
    PyObject *x = dispatch_inplace(v, w, SLOT(nb_inplace_multiply), SLOT(nb_multiply));
    if (NJ_LIKELY(x != Py_NotImplemented)) {
        return x;
    }
    PySequenceMethods *mv = Py_TYPE(v)->tp_as_sequence;
    PySequenceMethods *mw = Py_TYPE(w)->tp_as_sequence;
    if (mv) {
        ssizeargfunc f = mv->sq_inplace_repeat ? mv->sq_inplace_repeat : mv->sq_repeat;
        if (f) {
            return repeat(f, v, w);
        }
    }
    else if (mw && mw->sq_repeat) {
        /* The right operand is not assigned to: repeat makes a new object. */
        return repeat(mw->sq_repeat, w, v);
    }
    return type_error2(v, w, "*=");
}

/* ---- unary -------------------------------------------------------------------------- */

#define UNARY(name, member, op)                                                          \
    PyObject *name(PyObject *o)                                                          \
    {                                                                                    \
        if (o == NULL) {                                                                 \
            return null_argument();                                                      \
        }                                                                                \
        PyNumberMethods *m = Py_TYPE(o)->tp_as_number;                                   \
        if (NJ_LIKELY(m && m->member)) {                                                 \
            return m->member(o);                                                         \
        }                                                                                \
        PyErr_Format(PyExc_TypeError, "bad operand type for " op ": '%.200s'",           \
                     Py_TYPE(o)->tp_name);                                               \
        return NULL;                                                                     \
    }

UNARY(PyNumber_Negative, nb_negative, "unary -")
UNARY(PyNumber_Positive, nb_positive, "unary +")
UNARY(PyNumber_Invert, nb_invert, "unary ~")
UNARY(PyNumber_Absolute, nb_absolute, "abs()")

/* ---- conversion --------------------------------------------------------------------- */

int
PyNumber_Check(PyObject *o)
{
    if (o == NULL) {
        return 0;
    }
    PyNumberMethods *m = Py_TYPE(o)->tp_as_number;
    return (m && (m->nb_index || m->nb_int || m->nb_float)) || PyComplex_Check(o);
}

int
PyIndex_Check(PyObject *o)
{
    PyNumberMethods *m = Py_TYPE(o)->tp_as_number;
    return m != NULL && m->nb_index != NULL;
}

/* r is what `method' returned, an int subclass instance: warns, and makes it exact. */
static PyObject *
exact_int(NJ_STEALS PyObject *r, const char *method)
{
    if (r == NULL || PyLong_CheckExact(r)) {
        return r;
    }
    if (!PyLong_Check(r)) {
        PyErr_Format(PyExc_TypeError, "%s returned non-int (type %.200s)", method,
                     Py_TYPE(r)->tp_name);
        Py_DECREF(r);
        return NULL;
    }
    if (PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                         "%s returned non-int (type %.200s).  "
                         "The ability to return an instance of a strict subclass of int "
                         "is deprecated, and may be removed in a future version of "
                         "Python.",
                         method, Py_TYPE(r)->tp_name)) {
        Py_DECREF(r);
        return NULL;
    }
    PyObject *copy = _PyLong_Copy((PyLongObject *)r);
    Py_DECREF(r);
    return copy;
}

PyObject *
PyNumber_Index(PyObject *o)
{
    if (o == NULL) {
        return null_argument();
    }
    if (PyLong_CheckExact(o)) {
        return Py_NewRef(o);
    }
    if (PyLong_Check(o)) {
        return _PyLong_Copy((PyLongObject *)o);
    }
    if (!PyIndex_Check(o)) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object cannot be interpreted as an integer",
                     Py_TYPE(o)->tp_name);
        return NULL;
    }
    return exact_int(Py_TYPE(o)->tp_as_number->nb_index(o), "__index__");
}

Py_ssize_t
PyNumber_AsSsize_t(PyObject *o, PyObject *err)
{
    if (NJ_LIKELY(o != NULL && PyLong_CheckExact(o) && nj_int_is_medium((PyLongObject *)o))) {
        return nj_int_medium_value((PyLongObject *)o);
    }
    NJ_OWN v = PyNumber_Index(o);
    if (v == NULL) {
        return -1;
    }
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(v, &overflow);
    if (!overflow) {
        return n;
    }
    if (err == NULL) {
        return overflow < 0 ? PY_SSIZE_T_MIN : PY_SSIZE_T_MAX;
    }
    PyErr_Format(err, "cannot fit '%.200s' into an index-sized integer",
                 Py_TYPE(o)->tp_name);
    return -1;
}

PyObject *nj_int_from_bytes_text(const char *s, Py_ssize_t len, int base);

PyObject *
PyNumber_Long(PyObject *o)
{
    if (o == NULL) {
        return null_argument();
    }
    if (PyLong_CheckExact(o)) {
        return Py_NewRef(o);
    }
    PyNumberMethods *m = Py_TYPE(o)->tp_as_number;
    if (m && m->nb_int) {
        return exact_int(m->nb_int(o), "__int__");
    }
    if (m && m->nb_index) {
        return PyNumber_Index(o);
    }
    if (PyUnicode_Check(o)) {
        return PyLong_FromUnicodeObject(o, 10);
    }
    if (PyBytes_Check(o)) {
        return nj_int_from_bytes_text(PyBytes_AS_STRING(o), PyBytes_GET_SIZE(o), 10);
    }
    if (PyByteArray_Check(o)) {
        return nj_int_from_bytes_text(PyByteArray_AS_STRING(o), PyByteArray_GET_SIZE(o), 10);
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_CheckBuffer(o) && PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Clear(); /* not contiguous, or the like: no text for us */
    }
    else if (view.obj != NULL) {
        NJ_OWN bytes = PyBytes_FromStringAndSize(view.buf, view.len); /* ends with NUL */
        if (bytes == NULL) {
            return NULL;
        }
        return nj_int_from_bytes_text(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes), 10);
    }
    PyErr_Format(PyExc_TypeError,
                 "int() argument must be a string, a bytes-like object or a real number, "
                 "not '%.200s'",
                 Py_TYPE(o)->tp_name);
    return NULL;
}

PyObject *
PyNumber_Float(PyObject *o)
{
    if (o == NULL) {
        return null_argument();
    }
    if (PyFloat_CheckExact(o)) {
        return Py_NewRef(o);
    }
    PyNumberMethods *m = Py_TYPE(o)->tp_as_number;
    if (m && m->nb_float) {
        /* Of a float subclass too: it may override __float__. */
        NJ_OWN r = m->nb_float(o);
        if (r == NULL || PyFloat_CheckExact(r)) {
            return NJ_TAKE(r);
        }
        if (!PyFloat_Check(r)) {
            PyErr_Format(PyExc_TypeError, "%.50s.__float__ returned non-float (type %.50s)",
                         Py_TYPE(o)->tp_name, Py_TYPE(r)->tp_name);
            return NULL;
        }
        if (PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                             "%.50s.__float__ returned non-float (type %.50s).  "
                             "The ability to return an instance of a strict subclass of "
                             "float is deprecated, and may be removed in a future version "
                             "of Python.",
                             Py_TYPE(o)->tp_name, Py_TYPE(r)->tp_name)) {
            return NULL;
        }
        return nj_float_new(PyFloat_AS_DOUBLE(r));
    }
    if (m && m->nb_index) {
        double x = PyFloat_AsDouble(o);
        if (x == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        return nj_float_new(x);
    }
    if (PyFloat_Check(o)) {
        return nj_float_new(PyFloat_AS_DOUBLE(o));
    }
    return PyFloat_FromString(o);
}

PyObject *
PyNumber_ToBase(PyObject *n, int base)
{
    if (base != 2 && base != 8 && base != 10 && base != 16) {
        PyErr_SetString(PyExc_SystemError,
                        "PyNumber_ToBase: base must be 2, 8, 10 or 16");
        return NULL;
    }
    NJ_OWN v = PyNumber_Index(n);
    return v ? nj_int_to_text(v, base, true) : NULL;
}

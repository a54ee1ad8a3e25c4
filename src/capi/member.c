/* member.c - PyMember_GetOne / SetOne: fields of C structs as attributes
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/exc_int.h"

PyObject *
PyMember_GetOne(const char *obj, PyMemberDef *m)
{
    if (m->flags & Py_RELATIVE_OFFSET) {
        PyErr_SetString(PyExc_SystemError,
                        "PyMember_GetOne used with Py_RELATIVE_OFFSET");
        return NULL;
    }
    const char *p = obj + m->offset;
    switch (m->type) {
    case Py_T_BOOL:
        return PyBool_FromLong(*p);
    case Py_T_BYTE:
        return PyLong_FromLong(*(signed char *)p);
    case Py_T_UBYTE:
        return PyLong_FromUnsignedLong(*(unsigned char *)p);
    case Py_T_SHORT:
        return PyLong_FromLong(*(short *)p);
    case Py_T_USHORT:
        return PyLong_FromUnsignedLong(*(unsigned short *)p);
    case Py_T_INT:
        return PyLong_FromLong(*(int *)p);
    case Py_T_UINT:
        return PyLong_FromUnsignedLong(*(unsigned int *)p);
    case Py_T_LONG:
        return PyLong_FromLong(*(long *)p);
    case Py_T_ULONG:
        return PyLong_FromUnsignedLong(*(unsigned long *)p);
    case Py_T_PYSSIZET:
        return PyLong_FromSsize_t(*(Py_ssize_t *)p);
    case Py_T_LONGLONG:
        return PyLong_FromLongLong(*(long long *)p);
    case Py_T_ULONGLONG:
        return PyLong_FromUnsignedLongLong(*(unsigned long long *)p);
    case Py_T_FLOAT:
        return PyFloat_FromDouble((double)*(float *)p);
    case Py_T_DOUBLE:
        return PyFloat_FromDouble(*(double *)p);
    case Py_T_STRING:
        if (*(char **)p == NULL) {
            Py_RETURN_NONE;
        }
        return PyUnicode_FromString(*(char **)p);
    case Py_T_STRING_INPLACE:
        return PyUnicode_FromString(p);
    case Py_T_CHAR:
        return PyUnicode_FromStringAndSize(p, 1);
    case _Py_T_OBJECT: {
        PyObject *v = *(PyObject **)p;
        return Py_NewRef(v ? v : Py_None);
    }
    case Py_T_OBJECT_EX: {
        PyObject *v = *(PyObject **)p;
        if (v == NULL) {
            PyErr_Format(PyExc_AttributeError, "'%T' object has no attribute '%s'",
                         (PyObject *)obj, m->name);
        }
        return Py_XNewRef(v);
    }
    case _Py_T_NONE:
        Py_RETURN_NONE;
    default:
        PyErr_Format(PyExc_SystemError, "bad memberdescr type for %s", m->name);
        return NULL;
    }
}

static int
warn_truncated(const char *ctype)
{
    return PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "Truncation of value to %s", ctype);
}

/* An integer for an unsigned field (wide: of long long, whose errors read differently); a
 * negative one is taken modulo with a warning. */
static int
as_unsigned(PyObject *v, bool wide, unsigned long *out)
{
    NJ_OWN n = PyNumber_Index(v);
    if (n == NULL) {
        return -1;
    }
    if (PyLong_IsNegative(n)) {
        long value = PyLong_AsLong(n);
        if (value == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (PyErr_WarnEx(PyExc_RuntimeWarning,
                         "Writing negative value into unsigned field", 1) < 0) {
            return -1;
        }
        *out = (unsigned long)value;
        return 0;
    }
    *out = wide ? PyLong_AsUnsignedLongLong(n) : PyLong_AsUnsignedLong(n);
    return *out == (unsigned long)-1 && PyErr_Occurred() ? -1 : 0;
}

/* The narrow types take what a C long holds, of either sign. */
#define STORE_LONG(T, name)                                                            \
    {                                                                                  \
        long x = PyLong_AsLong(v);                                                     \
        if (x == -1 && PyErr_Occurred()) {                                             \
            return -1;                                                                 \
        }                                                                              \
        *(T *)p = (T)x;                                                                \
        return (long)(T)x != x ? warn_truncated(name) : 0;                             \
    }

int
PyMember_SetOne(char *obj, PyMemberDef *m, PyObject *v)
{
    if (m->flags & Py_RELATIVE_OFFSET) {
        PyErr_SetString(PyExc_SystemError,
                        "PyMember_SetOne used with Py_RELATIVE_OFFSET");
        return -1;
    }
    if (m->flags & Py_READONLY) {
        PyErr_SetString(PyExc_AttributeError, "readonly attribute");
        return -1;
    }
    char *p = obj + m->offset;
    if (v == NULL) {
        if (m->type == Py_T_OBJECT_EX) {
            if (*(PyObject **)p == NULL) {
                PyErr_SetString(PyExc_AttributeError, m->name);
                return -1;
            }
        }
        else if (m->type != _Py_T_OBJECT) {
            PyErr_SetString(PyExc_TypeError, "can't delete numeric/char attribute");
            return -1;
        }
    }
    switch (m->type) {
    case Py_T_BOOL:
        if (!PyBool_Check(v)) {
            PyErr_SetString(PyExc_TypeError, "attribute value type must be bool");
            return -1;
        }
        *p = v == Py_True;
        return 0;
    case Py_T_BYTE:
        STORE_LONG(signed char, "char")
    case Py_T_UBYTE:
        STORE_LONG(unsigned char, "unsigned char")
    case Py_T_SHORT:
        STORE_LONG(short, "short")
    case Py_T_USHORT:
        STORE_LONG(unsigned short, "unsigned short")
    case Py_T_INT:
        STORE_LONG(int, "int")
    case Py_T_UINT: {
        unsigned long x;
        bool negative = PyLong_Check(v) && PyLong_IsNegative(v);
        if (as_unsigned(v, m->type == Py_T_ULONGLONG, &x) < 0) {
            return -1;
        }
        *(unsigned int *)p = (unsigned int)x;
        return !negative && x > UINT_MAX ? warn_truncated("unsigned int") : 0;
    }
    case Py_T_LONG: {
        long x = PyLong_AsLong(v);
        if (x == -1 && PyErr_Occurred()) {
            return -1;
        }
        *(long *)p = x;
        return 0;
    }
    case Py_T_ULONG: {
        unsigned long x;
        if (as_unsigned(v, m->type == Py_T_ULONGLONG, &x) < 0) {
            return -1;
        }
        *(unsigned long *)p = x;
        return 0;
    }
    case Py_T_PYSSIZET: {
        Py_ssize_t x = PyLong_AsSsize_t(v);
        if (x == -1 && PyErr_Occurred()) {
            return -1;
        }
        *(Py_ssize_t *)p = x;
        return 0;
    }
    case Py_T_LONGLONG: {
        long long x = PyLong_AsLongLong(v);
        if (x == -1 && PyErr_Occurred()) {
            return -1;
        }
        *(long long *)p = x;
        return 0;
    }
    case Py_T_ULONGLONG: {
        unsigned long x;
        if (as_unsigned(v, m->type == Py_T_ULONGLONG, &x) < 0) {
            return -1;
        }
        *(unsigned long long *)p = x;
        return 0;
    }
    case Py_T_FLOAT: {
        double x = PyFloat_AsDouble(v);
        if (x == -1 && PyErr_Occurred()) {
            return -1;
        }
        *(float *)p = (float)x;
        return 0;
    }
    case Py_T_DOUBLE: {
        double x = PyFloat_AsDouble(v);
        if (x == -1 && PyErr_Occurred()) {
            return -1;
        }
        *(double *)p = x;
        return 0;
    }
    case _Py_T_OBJECT:
    case Py_T_OBJECT_EX: {
        PyObject *old = *(PyObject **)p;
        *(PyObject **)p = Py_XNewRef(v);
        Py_XDECREF(old);
        return 0;
    }
    case Py_T_CHAR: {
        Py_ssize_t n;
        const char *s = PyUnicode_AsUTF8AndSize(v, &n);
        if (s == NULL || n != 1) {
            PyErr_BadArgument();
            return -1;
        }
        *p = s[0];
        return 0;
    }
    case Py_T_STRING:
    case Py_T_STRING_INPLACE:
        PyErr_SetString(PyExc_TypeError, "readonly attribute");
        return -1;
    default:
        PyErr_Format(PyExc_SystemError, "bad memberdescr type for %s", m->name);
        return -1;
    }
}

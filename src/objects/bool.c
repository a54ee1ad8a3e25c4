/* bool.c - the type bool: two immortal ints with names.
 *
 * True and False are PyLongObjects of the values 1 and 0 (ABI: _Py_TrueStruct and
 * _Py_FalseStruct, 32 bytes each); comparing with them by pointer is valid everywhere.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "capi/args.h"
#include "objects/int.h"

struct _longobject _Py_FalseStruct = {
    PyObject_HEAD_INIT(&PyBool_Type).long_value = {1 | 4, {0}}};
struct _longobject _Py_TrueStruct = {
    PyObject_HEAD_INIT(&PyBool_Type).long_value = {1 << 3 | 4, {1}}};

static PyObject *
bool_repr(PyObject *self)
{
    return self == Py_True ? NJ_ID(True) : NJ_ID(False);
}

PyObject *
PyBool_FromLong(long ok)
{
    return ok ? Py_True : Py_False;
}

static PyObject *
bool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!_PyArg_NoKeywords("bool", kwargs) || !_PyArg_CheckPositional("bool", n, 0, 1)) {
        return NULL;
    }
    int t = n ? PyObject_IsTrue(PyTuple_GET_ITEM(args, 0)) : 0;
    return t < 0 ? NULL : PyBool_FromLong(t);
}

static PyObject *
bool_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("bool", kwnames)) {
        return NULL;
    }
    if (n > 1 && !_PyArg_CheckPositional("bool", n, 0, 1)) {
        return NULL;
    }
    int t = n ? PyObject_IsTrue(args[0]) : 0;
    return t < 0 ? NULL : PyBool_FromLong(t);
}

static PyObject *
bool_invert(PyObject *v)
{
    if (PyErr_WarnEx(PyExc_DeprecationWarning,
                     "Bitwise inversion '~' on bool is deprecated and will be removed in "
                     "Python 3.16. This returns the bitwise inversion of the underlying "
                     "int object and is usually not what you expect from negating a bool. "
                     "Use the 'not' operator for boolean negation or ~int(x) if you really "
                     "want the bitwise inversion of the underlying int.",
                     1) < 0) {
        return NULL;
    }
    return nj_small_int(v == Py_True ? -2 : -1);
}

static PyObject *
bool_and(PyObject *a, PyObject *b)
{
    if (!PyBool_Check(a) || !PyBool_Check(b)) {
        return PyLong_Type.tp_as_number->nb_and(a, b);
    }
    return PyBool_FromLong(a == Py_True && b == Py_True);
}

static PyObject *
bool_or(PyObject *a, PyObject *b)
{
    if (!PyBool_Check(a) || !PyBool_Check(b)) {
        return PyLong_Type.tp_as_number->nb_or(a, b);
    }
    return PyBool_FromLong(a == Py_True || b == Py_True);
}

static PyObject *
bool_xor(PyObject *a, PyObject *b)
{
    if (!PyBool_Check(a) || !PyBool_Check(b)) {
        return PyLong_Type.tp_as_number->nb_xor(a, b);
    }
    return PyBool_FromLong(a != b);
}

static void
bool_dealloc(PyObject *op)
{
    /* A count that a careless extension brought to zero: make it immortal again. */
    op->ob_refcnt_full = (int64_t)0x5 << 48 | (int64_t)_Py_IMMORTAL_INITIAL_REFCNT;
}

static PyNumberMethods bool_as_number = {
    .nb_invert = bool_invert,
    .nb_and = bool_and,
    .nb_xor = bool_xor,
    .nb_or = bool_or,
};

PyTypeObject PyBool_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "bool",
    .tp_basicsize = offsetof(PyLongObject, long_value.ob_digit),
    .tp_itemsize = sizeof(digit),
    .tp_dealloc = bool_dealloc,
    .tp_repr = bool_repr,
    .tp_as_number = &bool_as_number,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "bool(object=False, /)\n--\n\n"
              "The truth value of the argument. True and False are the only instances; the\n"
              "class is a subclass of int and has no subclasses.",
    .tp_base = &PyLong_Type,
    .tp_new = bool_new,
    .tp_vectorcall = bool_vectorcall,
};

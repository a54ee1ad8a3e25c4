/* none.c - None, NotImplemented, Ellipsis: three singletons and their types
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/type_int.h"

static PyObject *
no_arguments(const char *name, PyObject *args, PyObject *kwds, PyObject *result)
{
    if (PyTuple_GET_SIZE(args) || (kwds && PyDict_GET_SIZE(kwds))) {
        PyErr_Format(PyExc_TypeError, "%s takes no arguments", name);
        return NULL;
    }
    return Py_NewRef(result);
}

/* an immortal object whose count somebody has driven down: make it immortal again */
static void
singleton_dealloc(PyObject *self)
{
    _Py_SetRefcnt(self, (Py_ssize_t)_Py_IMMORTAL_INITIAL_REFCNT);
}

/* ---- None ---- */

static PyObject *
none_repr(PyObject *self)
{
    return Py_NewRef(NJ_ID(None));
}

static PyObject *
none_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return no_arguments("NoneType", args, kwds, Py_None);
}

static int
none_bool(PyObject *self)
{
    return 0;
}

static Py_hash_t
none_hash(PyObject *self)
{
    return 0xFCA86420; /* the same in every run */
}

static PyObject *
none_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op == Py_EQ || op == Py_NE) && a == b) {
        return PyBool_FromLong(op == Py_EQ);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

static PyNumberMethods none_as_number = {.nb_bool = none_bool};

PyTypeObject _PyNone_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "NoneType",
    .tp_basicsize = sizeof(PyObject),
    .tp_dealloc = singleton_dealloc,
    .tp_repr = none_repr,
    .tp_as_number = &none_as_number,
    .tp_hash = none_hash,
    .tp_richcompare = none_richcompare,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "NoneType()\n--\n\nThe type of the None singleton.",
    .tp_new = none_new,
};

PyObject _Py_NoneStruct = {{_Py_STATIC_IMMORTAL_INITIAL_REFCNT}, &_PyNone_Type};

/* ---- NotImplemented ---- */

static PyObject *
notimplemented_repr(PyObject *self)
{
    return Py_NewRef(NJ_ID(NotImplemented));
}

static PyObject *
notimplemented_reduce(PyObject *self, PyObject *unused)
{
    return Py_NewRef(NJ_ID(NotImplemented));
}

static PyObject *
notimplemented_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return no_arguments("NotImplementedType", args, kwds, Py_NotImplemented);
}

static int
notimplemented_bool(PyObject *self)
{
    PyErr_SetString(PyExc_TypeError,
                    "NotImplemented should not be used in a boolean context");
    return -1;
}

static PyNumberMethods notimplemented_as_number = {.nb_bool = notimplemented_bool};

static PyMethodDef notimplemented_methods[] = {
    {"__reduce__", notimplemented_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

PyTypeObject _PyNotImplemented_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "NotImplementedType",
    .tp_basicsize = sizeof(PyObject),
    .tp_dealloc = singleton_dealloc,
    .tp_repr = notimplemented_repr,
    .tp_as_number = &notimplemented_as_number,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "NotImplementedType()\n--\n\n"
              "The type of the NotImplemented singleton.",
    .tp_methods = notimplemented_methods,
    .tp_new = notimplemented_new,
};

PyObject _Py_NotImplementedStruct = {{_Py_STATIC_IMMORTAL_INITIAL_REFCNT}, &_PyNotImplemented_Type};

/* ---- Ellipsis ---- */

static PyObject *
ellipsis_repr(PyObject *self)
{
    return Py_NewRef(NJ_ID(Ellipsis));
}

static PyObject *
ellipsis_reduce(PyObject *self, PyObject *unused)
{
    return Py_NewRef(NJ_ID(Ellipsis));
}

static PyObject *
ellipsis_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return no_arguments("EllipsisType", args, kwds, Py_Ellipsis);
}

static PyMethodDef ellipsis_methods[] = {
    {"__reduce__", ellipsis_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

PyTypeObject PyEllipsis_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "ellipsis",
    .tp_basicsize = sizeof(PyObject),
    .tp_dealloc = singleton_dealloc,
    .tp_repr = ellipsis_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "ellipsis()\n--\n\nThe type of the Ellipsis singleton.",
    .tp_methods = ellipsis_methods,
    .tp_new = ellipsis_new,
};

PyObject _Py_EllipsisObject = {{_Py_STATIC_IMMORTAL_INITIAL_REFCNT}, &PyEllipsis_Type};

/* ---- constants by number, for the stable ABI ---- */

PyObject *
Py_GetConstantBorrowed(unsigned int id)
{
    switch (id) {
    case Py_CONSTANT_NONE:
        return Py_None;
    case Py_CONSTANT_FALSE:
        return Py_False;
    case Py_CONSTANT_TRUE:
        return Py_True;
    case Py_CONSTANT_ELLIPSIS:
        return Py_Ellipsis;
    case Py_CONSTANT_NOT_IMPLEMENTED:
        return Py_NotImplemented;
    default:
        break;
    }
    /* immortal singletons: the reference given away is not missed */
    PyObject *o = NULL;
    switch (id) {
    case Py_CONSTANT_ZERO:
        o = PyLong_FromLong(0);
        break;
    case Py_CONSTANT_ONE:
        o = PyLong_FromLong(1);
        break;
    case Py_CONSTANT_EMPTY_STR:
        o = PyUnicode_FromStringAndSize(NULL, 0);
        break;
    case Py_CONSTANT_EMPTY_BYTES:
        o = PyBytes_FromStringAndSize(NULL, 0);
        break;
    case Py_CONSTANT_EMPTY_TUPLE:
        o = PyTuple_New(0);
        break;
    default:
        PyErr_BadInternalCall();
        return NULL;
    }
    Py_XDECREF(o);
    return o;
}

PyObject *
Py_GetConstant(unsigned int id)
{
    return Py_XNewRef(Py_GetConstantBorrowed(id));
}

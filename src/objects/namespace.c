/* namespace.c - types.SimpleNamespace
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

typedef struct NjNamespace {
    PyObject_HEAD
    PyObject *dict; /* owned */
} NjNamespace;
#define NS(o) ((NjNamespace *)(o))

static PyObject *
namespace_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self) {
        NS(self)->dict = PyDict_New();
        if (NS(self)->dict == NULL) {
            Py_CLEAR(self);
        }
    }
    return self;
}

static int
namespace_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n > 1) {
        PyErr_Format(PyExc_TypeError, "%s expected at most 1 argument, got %zd",
                     _PyType_Name(Py_TYPE(self)), n);
        return -1;
    }
    if (n == 1) {
        PyObject *arg = PyTuple_GET_ITEM(args, 0);
        NJ_OWN dict = PyDict_CheckExact(arg)
                          ? Py_NewRef(arg)
                          : PyObject_CallOneArg((PyObject *)&PyDict_Type, arg);
        if (dict == NULL || !PyArg_ValidateKeywordArguments(dict) ||
            PyDict_Update(NS(self)->dict, dict) < 0) {
            return -1;
        }
    }
    if (kwds == NULL) {
        return 0;
    }
    if (!PyArg_ValidateKeywordArguments(kwds)) {
        return -1;
    }
    return PyDict_Update(NS(self)->dict, kwds);
}

static void
namespace_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_CLEAR(NS(self)->dict);
    Py_TYPE(self)->tp_free(self);
}

static int
namespace_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(NS(self)->dict);
    return 0;
}

static int
namespace_clear(PyObject *self)
{
    Py_CLEAR(NS(self)->dict);
    return 0;
}

static PyObject *
fields_repr(PyObject *self, const char *name)
{
    NJ_OWN pairs = PyList_New(0);
    NJ_OWN dict = PyDict_Copy(NS(self)->dict);
    PyObject *k, *v;
    Py_ssize_t pos = 0;
    if (pairs == NULL || dict == NULL) {
        return NULL;
    }
    while (PyDict_Next(dict, &pos, &k, &v)) {
        if (!PyUnicode_Check(k) || PyUnicode_GET_LENGTH(k) == 0) {
            continue;
        }
        NJ_OWN pair = PyUnicode_FromFormat("%S=%R", k, v);
        if (pair == NULL || PyList_Append(pairs, pair) < 0) {
            return NULL;
        }
    }
    NJ_OWN sep = PyUnicode_FromString(", ");
    NJ_OWN text = sep ? PyUnicode_Join(sep, pairs) : NULL;
    return text ? PyUnicode_FromFormat("%s(%U)", name, text) : NULL;
}

static PyObject *
namespace_repr(PyObject *self)
{
    const char *name =
        Py_IS_TYPE(self, &NjNamespace_Type) ? "namespace" : Py_TYPE(self)->tp_name;
    int r = Py_ReprEnter(self);
    if (r != 0) {
        return r > 0 ? PyUnicode_FromFormat("%s(...)", name) : NULL;
    }
    PyObject *res = fields_repr(self, name);
    Py_ReprLeave(self);
    return res;
}

static PyObject *
namespace_richcompare(PyObject *a, PyObject *b, int op)
{
    if (PyObject_TypeCheck(a, &NjNamespace_Type) &&
        PyObject_TypeCheck(b, &NjNamespace_Type)) {
        return PyObject_RichCompare(NS(a)->dict, NS(b)->dict, op);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *
namespace_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN args = PyTuple_New(0);
    return args ? PyTuple_Pack(3, Py_TYPE(self), args, NS(self)->dict) : NULL;
}

static PyObject *
namespace_replace(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (!_PyArg_NoPositional("__replace__", args)) {
        return NULL;
    }
    NJ_OWN res = PyObject_CallNoArgs((PyObject *)Py_TYPE(self));
    if (res != NULL && !PyObject_TypeCheck(res, &NjNamespace_Type)) {
        PyErr_Format(PyExc_TypeError,
                     "expect %N type, but %T() returned '%T' object", &NjNamespace_Type, self,
                     res);
        return NULL;
    }
    if (res == NULL || PyDict_Update(NS(res)->dict, NS(self)->dict) < 0 ||
        (kwargs && PyDict_Update(NS(res)->dict, kwargs) < 0)) {
        return NULL;
    }
    return NJ_TAKE(res);
}

static PyMethodDef namespace_methods[] = {
    {"__reduce__", namespace_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling"},
    {"__replace__", (PyCFunction)(void (*)(void))namespace_replace,
     METH_VARARGS | METH_KEYWORDS,
     "__replace__($self, /, **changes)\n--\n\n"
     "Return a copy of the namespace object with new values for the specified "
     "attributes."},
    {0},
};
static PyMemberDef namespace_members[] = {
    {"__dict__", _Py_T_OBJECT, offsetof(NjNamespace, dict), Py_READONLY},
    {0},
};

PyTypeObject NjNamespace_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "types.SimpleNamespace",
    .tp_basicsize = sizeof(NjNamespace),
    .tp_dealloc = namespace_dealloc,
    .tp_repr = namespace_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "SimpleNamespace(mapping_or_iterable=(), /, **kwargs)\n--\n\n"
              "A simple attribute-based namespace.",
    .tp_traverse = namespace_traverse,
    .tp_clear = namespace_clear,
    .tp_richcompare = namespace_richcompare,
    .tp_methods = namespace_methods,
    .tp_members = namespace_members,
    .tp_dictoffset = offsetof(NjNamespace, dict),
    .tp_init = namespace_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = namespace_new,
    .tp_free = PyObject_GC_Del,
};

PyObject *
_PyNamespace_New(PyObject *kwds)
{
    NJ_OWN ns = namespace_new(&NjNamespace_Type, NULL, NULL);
    if (ns == NULL || (kwds && PyDict_Update(NS(ns)->dict, kwds) < 0)) {
        return NULL;
    }
    return NJ_TAKE(ns);
}

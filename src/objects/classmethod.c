/* classmethod.c - classmethod and staticmethod
 *
 * Both hold one callable and a dict that copies the callable's names and doc; only what
 * __get__ returns differs.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

typedef struct NjFuncWrapper {
    PyObject_HEAD
    PyObject *callable; /* owned */
    PyObject *dict;     /* owned, lazily made */
} NjFuncWrapper;
#define W(o) ((NjFuncWrapper *)(o))

static void
wrapper_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(W(self)->callable);
    Py_XDECREF(W(self)->dict);
    Py_TYPE(self)->tp_free(self);
}

static int
wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(W(self)->dict);
    Py_VISIT(W(self)->callable);
    return 0;
}

static int
wrapper_clear(PyObject *self)
{
    Py_CLEAR(W(self)->callable);
    Py_CLEAR(W(self)->dict);
    return 0;
}

static int
copy_attr(PyObject *to, PyObject *from, PyObject *name)
{
    PyObject *value;
    if (PyObject_GetOptionalAttr(from, name, &value) <= 0) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int r = PyObject_SetAttr(to, name, value);
    Py_DECREF(value);
    return r;
}

/* __name__ and so on go along, as functools.wraps does; __annotations__ stay lazy. */
static int
copy_names(PyObject *self, PyObject *callable)
{
    if (copy_attr(self, callable, NJ_ID(__module__)) < 0 ||
        copy_attr(self, callable, NJ_ID(__name__)) < 0 ||
        copy_attr(self, callable, NJ_ID(__qualname__)) < 0 ||
        copy_attr(self, callable, NJ_ID(__doc__)) < 0) {
        return -1;
    }
    return 0;
}

static int
wrapper_init(PyObject *self, PyObject *args, PyObject *kwds, const char *name)
{
    if (!_PyArg_NoKeywords(name, kwds) ||
        !_PyArg_CheckPositional(name, PyTuple_GET_SIZE(args), 1, 1)) {
        return -1;
    }
    PyObject *callable = PyTuple_GET_ITEM(args, 0);
    Py_XSETREF(W(self)->callable, Py_NewRef(callable));
    return copy_names(self, callable);
}

static PyObject *
get_isabstract(PyObject *self, void *closure)
{
    PyObject *v;
    int r = W(self)->callable == NULL
                ? 0
                : PyObject_GetOptionalAttr(W(self)->callable,
                                           NJ_ID(__isabstractmethod__), &v);
    if (r > 0) {
        r = PyObject_IsTrue(v);
        Py_DECREF(v);
    }
    return r < 0 ? NULL : PyBool_FromLong(r);
}

/* A lazy attribute: taken from the callable on first use, kept in our dict. */
static PyObject *
get_lazy(PyObject *self, PyObject *name)
{
    NJ_OWN dict = PyObject_GenericGetDict(self, NULL);
    if (dict == NULL) {
        return NULL;
    }
    PyObject *res;
    if (PyDict_GetItemRef(dict, name, &res) != 0) {
        return res;
    }
    NJ_OWN value = PyObject_GetAttr(W(self)->callable, name);
    if (value == NULL || PyDict_SetItem(dict, name, value) < 0) {
        return NULL;
    }
    return NJ_TAKE(value);
}

static int
set_lazy(PyObject *self, PyObject *name, PyObject *value, const char *text)
{
    NJ_OWN dict = PyObject_GenericGetDict(self, NULL);
    if (dict == NULL) {
        return -1;
    }
    if (value) {
        return PyDict_SetItem(dict, name, value);
    }
    int r = PyDict_DelItem(dict, name);
    if (r < 0 && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        PyErr_Format(PyExc_AttributeError, "'%.200s' object has no attribute '%s'",
                     Py_TYPE(self)->tp_name, text);
    }
    return r;
}

static PyObject *
get_annotations(PyObject *self, void *closure)
{
    return get_lazy(self, NJ_ID(__annotations__));
}

static int
set_annotations(PyObject *self, PyObject *value, void *closure)
{
    return set_lazy(self, NJ_ID(__annotations__), value, "__annotations__");
}

static PyObject *
get_annotate(PyObject *self, void *closure)
{
    return get_lazy(self, NJ_ID(__annotate__));
}

static int
set_annotate(PyObject *self, PyObject *value, void *closure)
{
    return set_lazy(self, NJ_ID(__annotate__), value, "__annotate__");
}

static PyMemberDef wrapper_members[] = {
    {"__func__", _Py_T_OBJECT, offsetof(NjFuncWrapper, callable), Py_READONLY},
    {"__wrapped__", _Py_T_OBJECT, offsetof(NjFuncWrapper, callable), Py_READONLY},
    {0},
};
static PyGetSetDef wrapper_getset[] = {
    {"__isabstractmethod__", get_isabstract},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {"__annotations__", get_annotations, set_annotations},
    {"__annotate__", get_annotate, set_annotate},
    {0},
};
static PyMethodDef wrapper_methods[] = {
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {0},
};

/* ---- classmethod ---- */

static PyObject *
classmethod_get(PyObject *self, PyObject *obj, PyObject *type)
{
    PyObject *callable = W(self)->callable;
    if (callable == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "uninitialized classmethod object");
        return NULL;
    }
    return PyMethod_New(callable, type ? type : (PyObject *)Py_TYPE(obj));
}

static int
classmethod_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    return wrapper_init(self, args, kwds, "classmethod");
}

static PyObject *
classmethod_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<classmethod(%R)>",
                                W(self)->callable ? W(self)->callable : Py_None);
}

PyTypeObject PyClassMethod_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "classmethod",
    .tp_basicsize = sizeof(NjFuncWrapper),
    .tp_dealloc = wrapper_dealloc,
    .tp_repr = classmethod_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "classmethod(function, /)\n--\n\n"
              "Convert a function to be a class method: it receives the class as its\n"
              "implicit first argument, as a method receives the instance.",
    .tp_traverse = wrapper_traverse,
    .tp_clear = wrapper_clear,
    .tp_methods = wrapper_methods,
    .tp_members = wrapper_members,
    .tp_getset = wrapper_getset,
    .tp_descr_get = classmethod_get,
    .tp_dictoffset = offsetof(NjFuncWrapper, dict),
    .tp_init = classmethod_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = PyType_GenericNew,
    .tp_free = PyObject_GC_Del,
};

/* ---- staticmethod ---- */

static PyObject *
staticmethod_get(PyObject *self, PyObject *obj, PyObject *type)
{
    if (W(self)->callable == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "uninitialized staticmethod object");
        return NULL;
    }
    return Py_NewRef(W(self)->callable);
}

static int
staticmethod_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    return wrapper_init(self, args, kwds, "staticmethod");
}

static PyObject *
staticmethod_call(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (W(self)->callable == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "uninitialized staticmethod object");
        return NULL;
    }
    return PyObject_Call(W(self)->callable, args, kwds);
}

static PyObject *
staticmethod_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<staticmethod(%R)>",
                                W(self)->callable ? W(self)->callable : Py_None);
}

PyTypeObject PyStaticMethod_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "staticmethod",
    .tp_basicsize = sizeof(NjFuncWrapper),
    .tp_dealloc = wrapper_dealloc,
    .tp_repr = staticmethod_repr,
    .tp_call = staticmethod_call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "staticmethod(function, /)\n--\n\n"
              "Convert a function to be a static method: no implicit first argument.",
    .tp_traverse = wrapper_traverse,
    .tp_clear = wrapper_clear,
    .tp_methods = wrapper_methods,
    .tp_members = wrapper_members,
    .tp_getset = wrapper_getset,
    .tp_descr_get = staticmethod_get,
    .tp_dictoffset = offsetof(NjFuncWrapper, dict),
    .tp_init = staticmethod_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = PyType_GenericNew,
    .tp_free = PyObject_GC_Del,
};

static PyObject *
make(PyTypeObject *type, PyObject *callable)
{
    PyObject *self = PyType_GenericAlloc(type, 0);
    if (self) {
        W(self)->callable = Py_NewRef(callable);
    }
    return self;
}

PyObject *
PyClassMethod_New(PyObject *callable)
{
    return make(&PyClassMethod_Type, callable);
}

PyObject *
PyStaticMethod_New(PyObject *callable)
{
    return make(&PyStaticMethod_Type, callable);
}

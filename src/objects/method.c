/* method.c - bound methods (method) and instancemethod
 *
 * A bound method is a function with its first argument. Calling one puts that argument in
 * front of the others: in place if the caller left room (PY_VECTORCALL_ARGUMENTS_OFFSET),
 * else by copying. Dropped methods are kept on a free list of the interpreter.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_priv.h"
#include "runtime/gc.h"
#include "runtime/runtime.h"

#define M(o) ((PyMethodObject *)(o))

enum { MAX_FREE = NJ_KEEP(64), SMALL_ARGS = 8 };

static PyObject *
method_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf,
                  PyObject *kwnames)
{
    PyObject *func = M(self)->im_func, *first = M(self)->im_self;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (NJ_LIKELY(nargsf & PY_VECTORCALL_ARGUMENTS_OFFSET)) {
        PyObject **shifted = (PyObject **)args - 1;
        PyObject *saved = shifted[0];
        shifted[0] = first;
        PyObject *r = PyObject_Vectorcall(func, shifted, (size_t)n + 1, kwnames);
        shifted[0] = saved;
        return r;
    }
    Py_ssize_t total = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    if (total == 0) {
        return PyObject_Vectorcall(func, &first, 1, NULL);
    }
    PyObject *small[SMALL_ARGS];
    PyObject **stack = small;
    if (total + 1 > SMALL_ARGS) {
        stack = PyMem_Malloc((size_t)(total + 1) * sizeof(PyObject *));
        if (stack == NULL) {
            return PyErr_NoMemory();
        }
    }
    stack[0] = first;
    memcpy(stack + 1, args, (size_t)total * sizeof(PyObject *));
    PyObject *r = PyObject_Vectorcall(func, stack, (size_t)n + 1, kwnames);
    if (stack != small) {
        PyMem_Free(stack);
    }
    return r;
}

PyObject *
PyMethod_New(PyObject *func, PyObject *self)
{
    if (self == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    NjTypeState *st = &nj_interp()->types;
    PyMethodObject *m = (PyMethodObject *)st->free_methods;
    if (m) {
        st->free_methods = m->im_self;
        st->nfree_methods--;
        m->ob_base.ob_refcnt_full = 1;
        nj_trace_new(m);
    }
    else {
        m = PyObject_GC_New(PyMethodObject, &PyMethod_Type);
        if (m == NULL) {
            return NULL;
        }
    }
    m->im_func = Py_NewRef(func);
    m->im_self = Py_NewRef(self);
    m->im_weakreflist = NULL;
    m->vectorcall = method_vectorcall;
    nj_gc_track((PyObject *)m);
    return (PyObject *)m;
}

static void
method_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    if (M(self)->im_weakreflist) {
        PyObject_ClearWeakRefs(self);
    }
    Py_DECREF(M(self)->im_func);
    Py_XDECREF(M(self)->im_self);
    NjTypeState *st = &nj_interp()->types;
    if (st->nfree_methods < MAX_FREE && st->statics) {
        nj_gc_head(self)->prev = 0; /* not finalized in its next life */
        M(self)->im_self = st->free_methods;
        st->free_methods = self;
        st->nfree_methods++;
        return;
    }
    PyObject_GC_Del(self);
}

void
nj_method_free_list_clear(NjInterp *interp)
{
    NjTypeState *st = &interp->types;
    while (st->free_methods) {
        PyObject *m = st->free_methods;
        st->free_methods = M(m)->im_self;
        PyObject_GC_Del(m);
    }
    st->nfree_methods = MAX_FREE; /* take no more */
}

static int
method_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(M(self)->im_func);
    Py_VISIT(M(self)->im_self);
    return 0;
}

static PyObject *
method_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords("method", kwds) ||
        !_PyArg_CheckPositional("method", PyTuple_GET_SIZE(args), 2, 2)) {
        return NULL;
    }
    PyObject *func = PyTuple_GET_ITEM(args, 0), *self = PyTuple_GET_ITEM(args, 1);
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "first argument must be callable");
        return NULL;
    }
    if (self == Py_None) {
        PyErr_SetString(PyExc_TypeError, "instance must not be None");
        return NULL;
    }
    return PyMethod_New(func, self);
}

static PyObject *
method_getattro(PyObject *self, PyObject *name)
{
    PyObject *descr = nj_type_find(Py_TYPE(self), name);
    if (descr) {
        descrgetfunc get = Py_TYPE(descr)->tp_descr_get;
        return get ? get(descr, self, (PyObject *)Py_TYPE(self)) : Py_NewRef(descr);
    }
    return PyObject_GetAttr(M(self)->im_func, name);
}

static PyObject *
method_repr(PyObject *self)
{
    PyObject *found;
    if (PyObject_GetOptionalAttr(M(self)->im_func, NJ_ID(__qualname__), &found) < 0) {
        return NULL;
    }
    NJ_OWN name = found;
    if (name == NULL) {
        if (PyObject_GetOptionalAttr(M(self)->im_func, NJ_ID(__name__), &found) < 0) {
            return NULL;
        }
        NJ_SET(name, found);
    }
    if (name && !PyUnicode_Check(name)) {
        NJ_SET(name, NULL);
    }
    return PyUnicode_FromFormat("<bound method %V of %R>", name, "?", M(self)->im_self);
}

static Py_hash_t
method_hash(PyObject *self)
{
    Py_hash_t x = PyObject_GenericHash(M(self)->im_self);
    Py_hash_t y = PyObject_Hash(M(self)->im_func);
    if (y == -1) {
        return -1;
    }
    x ^= y;
    return x == -1 ? -2 : x;
}

static PyObject *
method_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyMethod_Check(a) || !PyMethod_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int eq = PyObject_RichCompareBool(M(a)->im_func, M(b)->im_func, Py_EQ);
    if (eq == 1) {
        eq = M(a)->im_self == M(b)->im_self;
    }
    return eq < 0 ? NULL : PyBool_FromLong((eq == 1) == (op == Py_EQ));
}

static PyObject *
method_descr_get(PyObject *meth, PyObject *obj, PyObject *cls)
{
    return Py_NewRef(meth); /* already bound */
}

static PyObject *
method_get_doc(PyObject *self, void *closure)
{
    return PyObject_GetAttr(M(self)->im_func, NJ_ID(__doc__));
}

static PyObject *
method_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN name = PyObject_GetAttr(M(self)->im_func, NJ_ID(__name__));
    NJ_OWN builtins = name ? PyImport_ImportModule("builtins") : NULL;
    NJ_OWN getattr = builtins ? PyObject_GetAttr(builtins, NJ_ID(getattr)) : NULL;
    return getattr ? Py_BuildValue("O(OO)", getattr, M(self)->im_self, name) : NULL;
}

static PyMethodDef method_methods[] = {
    {"__reduce__", method_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};
static PyMemberDef method_members[] = {
    {"__func__", _Py_T_OBJECT, offsetof(PyMethodObject, im_func), Py_READONLY,
     "the function (or other callable) implementing a method"},
    {"__self__", _Py_T_OBJECT, offsetof(PyMethodObject, im_self), Py_READONLY,
     "the instance to which a method is bound"},
    {0},
};
static PyGetSetDef method_getset[] = {
    {"__doc__", method_get_doc},
    {0},
};

PyTypeObject PyMethod_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "method",
    .tp_basicsize = sizeof(PyMethodObject),
    .tp_dealloc = method_dealloc,
    .tp_vectorcall_offset = offsetof(PyMethodObject, vectorcall),
    .tp_repr = method_repr,
    .tp_hash = method_hash,
    .tp_call = PyVectorcall_Call,
    .tp_getattro = method_getattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "method(function, instance, /)\n--\n\nCreate a bound instance method "
              "object.",
    .tp_traverse = method_traverse,
    .tp_richcompare = method_richcompare,
    .tp_weaklistoffset = offsetof(PyMethodObject, im_weakreflist),
    .tp_methods = method_methods,
    .tp_members = method_members,
    .tp_getset = method_getset,
    .tp_descr_get = method_descr_get,
    .tp_new = method_new,
};

PyObject *
PyMethod_Function(PyObject *im)
{
    if (!PyMethod_Check(im)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return M(im)->im_func;
}

PyObject *
PyMethod_Self(PyObject *im)
{
    if (!PyMethod_Check(im)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return M(im)->im_self;
}

/* ======================================================================================
 * instancemethod: makes a C callable bind like a function
 * ====================================================================================== */

#define IM(o) (((PyInstanceMethodObject *)(o))->func)

PyObject *
PyInstanceMethod_New(PyObject *func)
{
    PyInstanceMethodObject *m =
        PyObject_GC_New(PyInstanceMethodObject, &PyInstanceMethod_Type);
    if (m == NULL) {
        return NULL;
    }
    m->func = Py_NewRef(func);
    nj_gc_track((PyObject *)m);
    return (PyObject *)m;
}

PyObject *
PyInstanceMethod_Function(PyObject *im)
{
    if (!PyInstanceMethod_Check(im)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return IM(im);
}

static PyObject *
im_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords("instancemethod", kwds) ||
        !_PyArg_CheckPositional("instancemethod", PyTuple_GET_SIZE(args), 1, 1)) {
        return NULL;
    }
    PyObject *func = PyTuple_GET_ITEM(args, 0);
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "first argument must be callable");
        return NULL;
    }
    return PyInstanceMethod_New(func);
}

static void
im_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_DECREF(IM(self));
    PyObject_GC_Del(self);
}

static int
im_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(IM(self));
    return 0;
}

static PyObject *
im_call(PyObject *self, PyObject *args, PyObject *kwds)
{
    return PyObject_Call(IM(self), args, kwds);
}

static PyObject *
im_descr_get(PyObject *self, PyObject *obj, PyObject *type)
{
    return obj ? PyMethod_New(IM(self), obj) : Py_NewRef(IM(self));
}

static PyObject *
im_getattro(PyObject *self, PyObject *name)
{
    PyObject *descr = nj_type_find(Py_TYPE(self), name);
    if (descr) {
        descrgetfunc get = Py_TYPE(descr)->tp_descr_get;
        return get ? get(descr, self, (PyObject *)Py_TYPE(self)) : Py_NewRef(descr);
    }
    return PyObject_GetAttr(IM(self), name);
}

static PyObject *
im_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyInstanceMethod_Check(a) ||
        !PyInstanceMethod_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int eq = PyObject_RichCompareBool(IM(a), IM(b), Py_EQ);
    return eq < 0 ? NULL : PyBool_FromLong((eq == 1) == (op == Py_EQ));
}

static PyObject *
im_repr(PyObject *self)
{
    PyObject *found;
    if (PyObject_GetOptionalAttr(IM(self), NJ_ID(__name__), &found) < 0) {
        return NULL;
    }
    NJ_OWN name = found;
    if (name && !PyUnicode_Check(name)) {
        NJ_SET(name, NULL);
    }
    return PyUnicode_FromFormat("<instancemethod %V at %p>", name, "?", self);
}

static PyObject *
im_get_doc(PyObject *self, void *closure)
{
    return PyObject_GetAttr(IM(self), NJ_ID(__doc__));
}

static PyMemberDef im_members[] = {
    {"__func__", _Py_T_OBJECT, offsetof(PyInstanceMethodObject, func), Py_READONLY,
     "the function (or other callable) implementing a method"},
    {0},
};
static PyGetSetDef im_getset[] = {
    {"__doc__", im_get_doc},
    {0},
};

PyTypeObject PyInstanceMethod_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "instancemethod",
    .tp_basicsize = sizeof(PyInstanceMethodObject),
    .tp_dealloc = im_dealloc,
    .tp_repr = im_repr,
    .tp_call = im_call,
    .tp_getattro = im_getattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "instancemethod(function, /)\n--\n\nBind a function to a class.",
    .tp_traverse = im_traverse,
    .tp_richcompare = im_richcompare,
    .tp_members = im_members,
    .tp_getset = im_getset,
    .tp_descr_get = im_descr_get,
    .tp_new = im_new,
};

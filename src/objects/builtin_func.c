/* builtin_func.c - builtin_function_or_method: a C function with its self
 *
 * A PyMethodDef entry bound to an object or module. The vectorcall field is chosen by the
 * calling convention when the object is made. With METH_METHOD the object is a PyCMethod,
 * which also knows the defining class.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

#define CF(o) ((PyCFunctionObject *)(o))

#define HAS_KW(kwnames) NJ_UNLIKELY((kwnames) != NULL && PyTuple_GET_SIZE(kwnames) != 0)

/* ======================================================================================
 * Calls
 * ====================================================================================== */

NJ_COLD static PyObject *
raise_no_keywords(PyObject *func)
{
    NJ_OWN fs = _PyObject_FunctionStr(func);
    if (fs) {
        PyErr_Format(PyExc_TypeError, "%U takes no keyword arguments", fs);
    }
    return NULL;
}

NJ_INLINE PyObject *
self_of(PyObject *func)
{
    return CF(func)->m_ml->ml_flags & METH_STATIC ? NULL : CF(func)->m_self;
}

static PyObject *
vc_noargs(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (HAS_KW(kwnames)) {
        return raise_no_keywords(func);
    }
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (NJ_UNLIKELY(n != 0)) {
        NJ_OWN fs = _PyObject_FunctionStr(func);
        if (fs) {
            PyErr_Format(PyExc_TypeError, "%U takes no arguments (%zd given)", fs, n);
        }
        return NULL;
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *r = CF(func)->m_ml->ml_meth(self_of(func), NULL);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_o(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (HAS_KW(kwnames)) {
        return raise_no_keywords(func);
    }
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (NJ_UNLIKELY(n != 1)) {
        NJ_OWN fs = _PyObject_FunctionStr(func);
        if (fs) {
            PyErr_Format(PyExc_TypeError, "%U takes exactly one argument (%zd given)",
                         fs, n);
        }
        return NULL;
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *r = CF(func)->m_ml->ml_meth(self_of(func), args[0]);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_fast(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (HAS_KW(kwnames)) {
        return raise_no_keywords(func);
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyCFunctionFast f = (PyCFunctionFast)(void (*)(void))CF(func)->m_ml->ml_meth;
    PyObject *r = f(self_of(func), args, PyVectorcall_NARGS(nargsf));
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_fast_kw(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyCFunctionFastWithKeywords f =
        (PyCFunctionFastWithKeywords)(void (*)(void))CF(func)->m_ml->ml_meth;
    PyObject *r = f(self_of(func), args, PyVectorcall_NARGS(nargsf), kwnames);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_method(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyCMethod f = (PyCMethod)(void (*)(void))CF(func)->m_ml->ml_meth;
    PyObject *r = f(self_of(func), ((PyCMethodObject *)func)->mm_class, args,
                    PyVectorcall_NARGS(nargsf), kwnames);
    Py_LeaveRecursiveCall();
    return r;
}

vectorcallfunc
nj_cfunction_vectorcall_for(int flags)
{
    switch (flags & (METH_VARARGS | METH_FASTCALL | METH_NOARGS | METH_O |
                     METH_KEYWORDS | METH_METHOD)) {
    case METH_FASTCALL:
        return vc_fast;
    case METH_FASTCALL | METH_KEYWORDS:
        return vc_fast_kw;
    case METH_NOARGS:
        return vc_noargs;
    case METH_O:
        return vc_o;
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
        return vc_method;
    default:
        return NULL; /* METH_VARARGS goes through tp_call */
    }
}

static PyObject *
cfunction_call(PyObject *func, PyObject *args, PyObject *kwargs)
{
    if (CF(func)->vectorcall) {
        return PyVectorcall_Call(func, args, kwargs);
    }
    int flags = CF(func)->m_ml->ml_flags;
    PyCFunction meth = CF(func)->m_ml->ml_meth;
    if (flags & METH_KEYWORDS) {
        return ((PyCFunctionWithKeywords)(void (*)(void))meth)(self_of(func), args,
                                                               kwargs);
    }
    if (kwargs && PyDict_GET_SIZE(kwargs) != 0) {
        /* This calling convention alone leaves the module's or class's name out. */
        PyErr_Format(PyExc_TypeError, "%.200s() takes no keyword arguments",
                     CF(func)->m_ml->ml_name);
        return NULL;
    }
    return meth(self_of(func), args);
}

/* ======================================================================================
 * Making and dropping
 * ====================================================================================== */

PyObject *
PyCMethod_New(PyMethodDef *ml, PyObject *self, PyObject *module, PyTypeObject *cls)
{
    int kind = ml->ml_flags & (METH_VARARGS | METH_FASTCALL | METH_NOARGS | METH_O |
                               METH_KEYWORDS | METH_METHOD);
    vectorcallfunc vc = nj_cfunction_vectorcall_for(kind);
    if (vc == NULL && kind != METH_VARARGS &&
        kind != (METH_VARARGS | METH_KEYWORDS)) {
        PyErr_Format(PyExc_SystemError, "%s() method: bad call flags", ml->ml_name);
        return NULL;
    }
    PyCFunctionObject *op;
    if (ml->ml_flags & METH_METHOD) {
        if (cls == NULL) {
            PyErr_SetString(PyExc_SystemError,
                            "attempting to create PyCMethod with a METH_METHOD flag but "
                            "no class");
            return NULL;
        }
        PyCMethodObject *om = PyObject_GC_New(PyCMethodObject, &PyCMethod_Type);
        if (om == NULL) {
            return NULL;
        }
        om->mm_class = (PyTypeObject *)Py_NewRef(cls);
        op = (PyCFunctionObject *)om;
    }
    else {
        if (cls) {
            PyErr_SetString(PyExc_SystemError,
                            "attempting to create PyCFunction with class but no "
                            "METH_METHOD flag");
            return NULL;
        }
        op = PyObject_GC_New(PyCFunctionObject, &PyCFunction_Type);
        if (op == NULL) {
            return NULL;
        }
    }
    op->m_weakreflist = NULL;
    op->m_ml = ml;
    op->m_self = Py_XNewRef(self);
    op->m_module = Py_XNewRef(module);
    op->vectorcall = vc;
    nj_gc_track((PyObject *)op);
    return (PyObject *)op;
}

PyObject *
(PyCFunction_NewEx)(PyMethodDef *ml, PyObject *self, PyObject *module)
{
    return PyCMethod_New(ml, self, module, NULL);
}

PyObject *
(PyCFunction_New)(PyMethodDef *ml, PyObject *self)
{
    return PyCMethod_New(ml, self, NULL, NULL);
}

static void
cfunction_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    if (CF(self)->m_weakreflist) {
        PyObject_ClearWeakRefs(self);
    }
    if (CF(self)->m_ml->ml_flags & METH_METHOD) {
        Py_XDECREF(((PyCMethodObject *)self)->mm_class);
    }
    Py_XDECREF(CF(self)->m_self);
    Py_XDECREF(CF(self)->m_module);
    PyObject_GC_Del(self);
}

static int
cfunction_traverse(PyObject *self, visitproc visit, void *arg)
{
    if (CF(self)->m_ml->ml_flags & METH_METHOD) {
        Py_VISIT(((PyCMethodObject *)self)->mm_class);
    }
    Py_VISIT(CF(self)->m_self);
    Py_VISIT(CF(self)->m_module);
    return 0;
}

/* ======================================================================================
 * Attributes
 * ====================================================================================== */

static PyObject *
cfunction_reduce(PyObject *self, PyObject *unused)
{
    PyObject *ms = CF(self)->m_self;
    if (ms == NULL || PyModule_Check(ms)) {
        return PyUnicode_FromString(CF(self)->m_ml->ml_name);
    }
    NJ_OWN builtins = PyImport_ImportModule("builtins");
    NJ_OWN getattr = builtins ? PyObject_GetAttr(builtins, NJ_ID(getattr)) : NULL;
    return getattr ? Py_BuildValue("N(Os)", Py_NewRef(getattr), ms,
                                   CF(self)->m_ml->ml_name)
                   : NULL;
}

static PyObject *
cfunction_get_doc(PyObject *self, void *closure)
{
    return nj_doc_text(CF(self)->m_ml->ml_name, CF(self)->m_ml->ml_doc);
}

static PyObject *
cfunction_get_text_signature(PyObject *self, void *closure)
{
    return nj_method_signature(CF(self)->m_ml);
}

static PyObject *
cfunction_get_name(PyObject *self, void *closure)
{
    return PyUnicode_FromString(CF(self)->m_ml->ml_name);
}

static PyObject *
cfunction_get_qualname(PyObject *self, void *closure)
{
    PyObject *ms = CF(self)->m_self;
    if (ms == NULL || PyModule_Check(ms)) {
        return PyUnicode_FromString(CF(self)->m_ml->ml_name);
    }
    PyObject *type = PyType_Check(ms) ? ms : (PyObject *)Py_TYPE(ms);
    NJ_OWN tq = PyObject_GetAttr(type, NJ_ID(__qualname__));
    if (tq == NULL) {
        return NULL;
    }
    if (!PyUnicode_Check(tq)) {
        PyErr_SetString(PyExc_TypeError, "<method>.__class__.__qualname__ is not a "
                                         "unicode object");
        return NULL;
    }
    return PyUnicode_FromFormat("%S.%s", tq, CF(self)->m_ml->ml_name);
}

static PyObject *
cfunction_get_self(PyObject *self, void *closure)
{
    PyObject *s = self_of(self);
    return Py_NewRef(s ? s : Py_None);
}

static PyObject *
cfunction_repr(PyObject *self)
{
    PyObject *ms = CF(self)->m_self;
    if (ms == NULL || PyModule_Check(ms)) {
        return PyUnicode_FromFormat("<built-in function %s>", CF(self)->m_ml->ml_name);
    }
    return PyUnicode_FromFormat("<built-in method %s of %s object at %p>",
                                CF(self)->m_ml->ml_name, Py_TYPE(ms)->tp_name, ms);
}

static PyObject *
cfunction_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyCFunction_Check(a) || !PyCFunction_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool eq = CF(a)->m_self == CF(b)->m_self &&
              CF(a)->m_ml->ml_meth == CF(b)->m_ml->ml_meth;
    return PyBool_FromLong(eq == (op == Py_EQ));
}

static Py_hash_t
cfunction_hash(PyObject *self)
{
    Py_hash_t h = PyObject_GenericHash(CF(self)->m_self) ^
                  Py_HashPointer((void *)CF(self)->m_ml->ml_meth);
    return h == -1 ? -2 : h;
}

static PyGetSetDef cfunction_getset[] = {
    {"__doc__", cfunction_get_doc},
    {"__name__", cfunction_get_name},
    {"__qualname__", cfunction_get_qualname},
    {"__self__", cfunction_get_self},
    {"__text_signature__", cfunction_get_text_signature},
    {0},
};
static PyMemberDef cfunction_members[] = {
    {"__module__", _Py_T_OBJECT, offsetof(PyCFunctionObject, m_module), 0},
    {0},
};
static PyMethodDef cfunction_methods[] = {
    {"__reduce__", cfunction_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

PyTypeObject PyCFunction_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "builtin_function_or_method",
    .tp_basicsize = sizeof(PyCFunctionObject),
    .tp_dealloc = cfunction_dealloc,
    .tp_vectorcall_offset = offsetof(PyCFunctionObject, vectorcall),
    .tp_repr = cfunction_repr,
    .tp_hash = cfunction_hash,
    .tp_call = cfunction_call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_traverse = cfunction_traverse,
    .tp_richcompare = cfunction_richcompare,
    .tp_weaklistoffset = offsetof(PyCFunctionObject, m_weakreflist),
    .tp_methods = cfunction_methods,
    .tp_members = cfunction_members,
    .tp_getset = cfunction_getset,
};

PyTypeObject PyCMethod_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "builtin_method",
    .tp_basicsize = sizeof(PyCMethodObject),
    .tp_base = &PyCFunction_Type,
};

/* ======================================================================================
 * Public API
 * ====================================================================================== */

PyCFunction
PyCFunction_GetFunction(PyObject *op)
{
    if (!PyCFunction_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return PyCFunction_GET_FUNCTION(op);
}

PyObject *
PyCFunction_GetSelf(PyObject *op)
{
    if (!PyCFunction_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return PyCFunction_GET_SELF(op);
}

int
PyCFunction_GetFlags(PyObject *op)
{
    if (!PyCFunction_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return PyCFunction_GET_FLAGS(op);
}

/* descr.c - descriptors of C types, method-wrapper, mappingproxy
 *
 * A descriptor sits in the dict of a type and turns attribute access on instances into a
 * call of the C table entry behind it: a method (PyMethodDef), a field (PyMemberDef), a
 * getter and setter (PyGetSetDef), a slot (wrapperbase). Each checks that the object it is
 * applied to really is an instance of the type it was made for.
 *
 * Method descriptors are called a lot: one vectorcall function per calling convention, so
 * that the convention is decided once, when the descriptor is made.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

#define D(o) ((PyDescrObject *)(o))
#define METHOD(o) ((PyMethodDescrObject *)(o))

/* ======================================================================================
 * Text of ml_doc: "name(signature)\n--\n\ndoc"
 * ====================================================================================== */

/* Start of the signature's "(" if the doc has one, else NULL; *end gets the ")\n--\n\n". */
static const char *
find_signature(const char *name, const char *doc, const char **end)
{
    if (doc == NULL) {
        return NULL;
    }
    const char *dot = strrchr(name, '.');
    if (dot) {
        name = dot + 1;
    }
    size_t n = strlen(name);
    if (strncmp(doc, name, n) != 0 || doc[n] != '(') {
        return NULL;
    }
    const char *start = doc + n;
    const char *e = strstr(start, ")\n--\n\n");
    if (e == NULL) {
        return NULL;
    }
    const char *blank = strstr(start, "\n\n");
    if (blank && blank < e) {
        return NULL; /* a paragraph break first: no signature */
    }
    *end = e;
    return start;
}

PyObject *
nj_doc_text(const char *name, const char *doc)
{
    const char *end;
    if (doc && find_signature(name, doc, &end)) {
        doc = end + strlen(")\n--\n\n");
    }
    if (doc == NULL || *doc == '\0') {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(doc);
}

PyObject *
nj_doc_signature(const char *name, const char *doc)
{
    const char *end;
    const char *start = find_signature(name, doc, &end);
    if (start == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromStringAndSize(start, end + 1 - start);
}

PyObject *
nj_method_signature(const PyMethodDef *ml)
{
    const char *end;
    if (find_signature(ml->ml_name, ml->ml_doc, &end) == NULL &&
        !(ml->ml_flags & METH_STATIC)) {
        const char *self = ml->ml_flags & METH_CLASS ? "$type" : "$self";
        switch (ml->ml_flags & ~(METH_CLASS | METH_COEXIST)) {
        case METH_NOARGS: return PyUnicode_FromFormat("(%s, /)", self);
        case METH_O: return PyUnicode_FromFormat("(%s, object, /)", self);
        }
    }
    return nj_doc_signature(ml->ml_name, ml->ml_doc);
}

/* ======================================================================================
 * Common parts
 * ====================================================================================== */

static void
descr_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(D(self)->d_type);
    Py_XDECREF(D(self)->d_name);
    Py_XDECREF(D(self)->d_qualname);
    PyObject_GC_Del(self);
}

static int
descr_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(D(self)->d_type);
    return 0;
}

static PyObject *
descr_repr(PyObject *self, const char *format)
{
    PyObject *name = D(self)->d_name;
    return PyUnicode_FromFormat(format, name && PyUnicode_Check(name) ? name : NULL, "?",
                                D(self)->d_type->tp_name);
}

static PyObject *
method_repr(PyObject *self)
{
    return descr_repr(self, "<method '%V' of '%s' objects>");
}

static PyObject *
member_repr(PyObject *self)
{
    return descr_repr(self, "<member '%V' of '%s' objects>");
}

static PyObject *
getset_repr(PyObject *self)
{
    return descr_repr(self, "<attribute '%V' of '%s' objects>");
}

static PyObject *
wrapper_repr(PyObject *self)
{
    return descr_repr(self, "<slot wrapper '%V' of '%s' objects>");
}

static int
check_get(PyObject *self, PyObject *obj)
{
    if (PyObject_TypeCheck(obj, D(self)->d_type)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "descriptor '%V' for '%.100s' objects doesn't apply to a '%.100s' "
                 "object",
                 D(self)->d_name, "?", D(self)->d_type->tp_name, Py_TYPE(obj)->tp_name);
    return -1;
}

static PyObject *
descr_get_doc_of(PyObject *self, const char *doc)
{
    if (doc == NULL) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(doc);
}

static PyObject *
descr_get_qualname(PyObject *self, void *closure)
{
    PyDescrObject *d = D(self);
    if (d->d_qualname == NULL) {
        if (d->d_name == NULL || !PyUnicode_Check(d->d_name)) {
            PyErr_SetString(PyExc_TypeError, "<descriptor>.__name__ is not a unicode "
                                             "object");
            return NULL;
        }
        NJ_OWN tq = PyObject_GetAttr((PyObject *)d->d_type, NJ_ID(__qualname__));
        if (tq == NULL) {
            return NULL;
        }
        if (!PyUnicode_Check(tq)) {
            PyErr_SetString(PyExc_TypeError, "<descriptor>.__objclass__.__qualname__ is "
                                             "not a unicode object");
            return NULL;
        }
        PyObject *q = PyUnicode_FromFormat("%S.%S", tq, d->d_name);
        if (q == NULL || _Py_IsImmortal(self)) {
            return q; /* shared between interpreters: do not store */
        }
        d->d_qualname = q;
    }
    return Py_NewRef(d->d_qualname);
}

static PyObject *
descr_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN builtins = PyImport_ImportModule("builtins");
    NJ_OWN getattr = builtins ? PyObject_GetAttr(builtins, NJ_ID(getattr)) : NULL;
    if (getattr == NULL) {
        return NULL;
    }
    return Py_BuildValue("O(OO)", getattr, D(self)->d_type, D(self)->d_name);
}

static PyMemberDef descr_members[] = {
    {"__objclass__", _Py_T_OBJECT, offsetof(PyDescrObject, d_type), Py_READONLY},
    {"__name__", _Py_T_OBJECT, offsetof(PyDescrObject, d_name), Py_READONLY},
    {0},
};

static PyMethodDef descr_methods[] = {
    {"__reduce__", descr_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

/* ======================================================================================
 * Methods
 * ====================================================================================== */

static PyObject *
method_get(PyObject *self, PyObject *obj, PyObject *type)
{
    if (obj == NULL) {
        return Py_NewRef(self);
    }
    if (check_get(self, obj) < 0) {
        return NULL;
    }
    if (METHOD(self)->d_method->ml_flags & METH_METHOD) {
        if (type && !PyType_Check(type)) {
            PyErr_Format(PyExc_TypeError,
                         "descriptor '%V' needs a type, not '%s', as arg 2",
                         D(self)->d_name, "?", Py_TYPE(type)->tp_name);
            return NULL;
        }
        return PyCMethod_New(METHOD(self)->d_method, obj, NULL, D(self)->d_type);
    }
    return PyCFunction_NewEx(METHOD(self)->d_method, obj, NULL);
}

static PyObject *
classmethod_get(PyObject *self, PyObject *obj, PyObject *type)
{
    if (type == NULL) {
        if (obj == NULL) {
            PyErr_Format(PyExc_TypeError,
                         "descriptor '%V' for type '%.100s' needs either an object or a "
                         "type",
                         D(self)->d_name, "?", D(self)->d_type->tp_name);
            return NULL;
        }
        type = (PyObject *)Py_TYPE(obj);
    }
    if (!PyType_Check(type)) {
        PyErr_Format(PyExc_TypeError,
                     "descriptor '%V' for type '%.100s' needs a type, not a '%.100s' as "
                     "arg 2",
                     D(self)->d_name, "?", D(self)->d_type->tp_name,
                     Py_TYPE(type)->tp_name);
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)type, D(self)->d_type)) {
        PyErr_Format(PyExc_TypeError,
                     "descriptor '%V' requires a subtype of '%.100s' but received "
                     "'%.100s'",
                     D(self)->d_name, "?", D(self)->d_type->tp_name,
                     ((PyTypeObject *)type)->tp_name);
        return NULL;
    }
    PyTypeObject *cls = METHOD(self)->d_method->ml_flags & METH_METHOD ? D(self)->d_type
                                                                       : NULL;
    return PyCMethod_New(METHOD(self)->d_method, type, NULL, cls);
}

NJ_COLD static int
raise_call_error(PyObject *func, Py_ssize_t nargs, PyObject *const *args)
{
    NJ_OWN fs = _PyObject_FunctionStr(func);
    if (fs == NULL) {
        return -1;
    }
    if (nargs < 1) {
        PyErr_Format(PyExc_TypeError, "unbound method %U needs an argument", fs);
    }
    return -1;
}

/* The first argument is the object: present, and of the right type. */
NJ_INLINE int
check_self(PyObject *func, PyObject *const *args, Py_ssize_t nargs)
{
    if (NJ_UNLIKELY(nargs < 1)) {
        return raise_call_error(func, nargs, args);
    }
    PyTypeObject *need = D(func)->d_type;
    if (NJ_LIKELY(Py_TYPE(args[0]) == need) ||
        PyType_IsSubtype(Py_TYPE(args[0]), need)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "descriptor '%V' for '%.100s' objects doesn't apply to a '%.100s' "
                 "object",
                 D(func)->d_name, "?", need->tp_name, Py_TYPE(args[0])->tp_name);
    return -1;
}

NJ_COLD static PyObject *
raise_no_keywords(PyObject *func)
{
    NJ_OWN fs = _PyObject_FunctionStr(func);
    if (fs) {
        PyErr_Format(PyExc_TypeError, "%U takes no keyword arguments", fs);
    }
    return NULL;
}

#define HAS_KW(kwnames) NJ_UNLIKELY((kwnames) != NULL && PyTuple_GET_SIZE(kwnames) != 0)

static PyObject *
vc_noargs(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (check_self(func, args, n) < 0) {
        return NULL;
    }
    if (HAS_KW(kwnames)) {
        return raise_no_keywords(func);
    }
    if (NJ_UNLIKELY(n != 1)) {
        NJ_OWN fs = _PyObject_FunctionStr(func);
        if (fs) {
            PyErr_Format(PyExc_TypeError, "%U takes no arguments (%zd given)", fs,
                         n - 1);
        }
        return NULL;
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *r = METHOD(func)->d_method->ml_meth(args[0], NULL);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_o(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (check_self(func, args, n) < 0) {
        return NULL;
    }
    if (HAS_KW(kwnames)) {
        return raise_no_keywords(func);
    }
    if (NJ_UNLIKELY(n != 2)) {
        NJ_OWN fs = _PyObject_FunctionStr(func);
        if (fs) {
            PyErr_Format(PyExc_TypeError, "%U takes exactly one argument (%zd given)",
                         fs, n - 1);
        }
        return NULL;
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *r = METHOD(func)->d_method->ml_meth(args[0], args[1]);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_fast(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (check_self(func, args, n) < 0) {
        return NULL;
    }
    if (HAS_KW(kwnames)) {
        return raise_no_keywords(func);
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyCFunctionFast f =
        (PyCFunctionFast)(void (*)(void))METHOD(func)->d_method->ml_meth;
    PyObject *r = f(args[0], args + 1, n - 1);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_fast_kw(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (check_self(func, args, n) < 0) {
        return NULL;
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyCFunctionFastWithKeywords f =
        (PyCFunctionFastWithKeywords)(void (*)(void))METHOD(func)->d_method->ml_meth;
    PyObject *r = f(args[0], args + 1, n - 1, kwnames);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
vc_method(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (check_self(func, args, n) < 0) {
        return NULL;
    }
    if (Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyCMethod f = (PyCMethod)(void (*)(void))METHOD(func)->d_method->ml_meth;
    PyObject *r = f(args[0], D(func)->d_type, args + 1, n - 1, kwnames);
    Py_LeaveRecursiveCall();
    return r;
}

static PyObject *
tuple_of(PyObject *const *args, Py_ssize_t n)
{
    PyObject *t = PyTuple_New(n);
    for (Py_ssize_t i = 0; t && i < n; i++) {
        PyTuple_SET_ITEM(t, i, Py_NewRef(args[i]));
    }
    return t;
}

static PyObject *
vc_varargs(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (check_self(func, args, n) < 0) {
        return NULL;
    }
    int flags = METHOD(func)->d_method->ml_flags;
    NJ_OWN kwargs = NULL;
    if (HAS_KW(kwnames)) {
        if (!(flags & METH_KEYWORDS)) {
            return raise_no_keywords(func);
        }
        NJ_SET(kwargs, PyDict_New());
        for (Py_ssize_t i = 0; kwargs && i < PyTuple_GET_SIZE(kwnames); i++) {
            if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, i), args[n + i]) < 0) {
                return NULL;
            }
        }
        if (kwargs == NULL) {
            return NULL;
        }
    }
    NJ_OWN tuple = tuple_of(args + 1, n - 1);
    if (tuple == NULL || Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyCFunction f = METHOD(func)->d_method->ml_meth;
    PyObject *r =
        flags & METH_KEYWORDS
            ? ((PyCFunctionWithKeywords)(void (*)(void))f)(args[0], tuple, kwargs)
            : f(args[0], tuple);
    Py_LeaveRecursiveCall();
    return r;
}

vectorcallfunc
nj_method_descr_vectorcall_for(int flags)
{
    switch (flags & (METH_VARARGS | METH_FASTCALL | METH_NOARGS | METH_O |
                     METH_KEYWORDS | METH_METHOD)) {
    case METH_VARARGS:
    case METH_VARARGS | METH_KEYWORDS:
        return vc_varargs;
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
        return NULL;
    }
}

/* dict.fromkeys called on the descriptor itself: first argument is the class */
static PyObject *
classmethod_call(PyObject *self, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 1) {
        PyErr_Format(PyExc_TypeError,
                     "descriptor '%V' of '%.100s' object needs an argument",
                     D(self)->d_name, "?", D(self)->d_type->tp_name);
        return NULL;
    }
    NJ_OWN bound = classmethod_get(self, NULL, PyTuple_GET_ITEM(args, 0));
    NJ_OWN rest = bound ? PyTuple_GetSlice(args, 1, n) : NULL;
    return rest ? PyObject_Call(bound, rest, kwds) : NULL;
}

static PyObject *
method_get_doc(PyObject *self, void *closure)
{
    return nj_doc_text(METHOD(self)->d_method->ml_name, METHOD(self)->d_method->ml_doc);
}

static PyObject *
method_get_text_signature(PyObject *self, void *closure)
{
    return nj_method_signature(METHOD(self)->d_method);
}

static PyGetSetDef method_getset[] = {
    {"__doc__", method_get_doc},
    {"__qualname__", descr_get_qualname},
    {"__text_signature__", method_get_text_signature},
    {0},
};

PyTypeObject PyMethodDescr_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "method_descriptor",
    .tp_basicsize = sizeof(PyMethodDescrObject),
    .tp_dealloc = descr_dealloc,
    .tp_vectorcall_offset = offsetof(PyMethodDescrObject, vectorcall),
    .tp_repr = method_repr,
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_traverse = descr_traverse,
    .tp_methods = descr_methods,
    .tp_members = descr_members,
    .tp_getset = method_getset,
    .tp_descr_get = method_get,
};

PyTypeObject PyClassMethodDescr_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "classmethod_descriptor",
    .tp_basicsize = sizeof(PyMethodDescrObject),
    .tp_dealloc = descr_dealloc,
    .tp_repr = method_repr,
    .tp_call = classmethod_call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = descr_traverse,
    .tp_members = descr_members,
    .tp_getset = method_getset,
    .tp_descr_get = classmethod_get,
};

/* ======================================================================================
 * Members and getsets
 * ====================================================================================== */

static PyObject *
member_get(PyObject *self, PyObject *obj, PyObject *type)
{
    if (obj == NULL) {
        return Py_NewRef(self);
    }
    if (check_get(self, obj) < 0) {
        return NULL;
    }
    PyMemberDef *m = ((PyMemberDescrObject *)self)->d_member;
    if ((m->flags & Py_AUDIT_READ) &&
        PySys_Audit("object.__getattr__", "Os", obj, m->name) < 0) {
        return NULL;
    }
    return PyMember_GetOne((char *)obj, m);
}

static PyObject *
getset_get(PyObject *self, PyObject *obj, PyObject *type)
{
    if (obj == NULL) {
        return Py_NewRef(self);
    }
    if (check_get(self, obj) < 0) {
        return NULL;
    }
    PyGetSetDef *g = ((PyGetSetDescrObject *)self)->d_getset;
    if (g->get) {
        return g->get(obj, g->closure);
    }
    PyErr_Format(PyExc_AttributeError,
                 "attribute '%V' of '%.100s' objects is not readable", D(self)->d_name,
                 "?", D(self)->d_type->tp_name);
    return NULL;
}

static int
check_set(PyObject *self, PyObject *obj)
{
    if (PyObject_TypeCheck(obj, D(self)->d_type)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError,
                 "descriptor '%V' for '%.100s' objects doesn't apply to a '%.100s' "
                 "object",
                 D(self)->d_name, "?", D(self)->d_type->tp_name, Py_TYPE(obj)->tp_name);
    return -1;
}

static int
member_set(PyObject *self, PyObject *obj, PyObject *value)
{
    if (check_set(self, obj) < 0) {
        return -1;
    }
    return PyMember_SetOne((char *)obj, ((PyMemberDescrObject *)self)->d_member, value);
}

static int
getset_set(PyObject *self, PyObject *obj, PyObject *value)
{
    if (check_set(self, obj) < 0) {
        return -1;
    }
    PyGetSetDef *g = ((PyGetSetDescrObject *)self)->d_getset;
    if (g->set) {
        return g->set(obj, value, g->closure);
    }
    PyErr_Format(PyExc_AttributeError,
                 "attribute '%V' of '%.100s' objects is not writable", D(self)->d_name,
                 "?", D(self)->d_type->tp_name);
    return -1;
}

static PyObject *
member_get_doc(PyObject *self, void *closure)
{
    return descr_get_doc_of(self, ((PyMemberDescrObject *)self)->d_member->doc);
}

static PyObject *
getset_get_doc(PyObject *self, void *closure)
{
    return descr_get_doc_of(self, ((PyGetSetDescrObject *)self)->d_getset->doc);
}

static PyGetSetDef member_getset[] = {
    {"__doc__", member_get_doc},
    {"__qualname__", descr_get_qualname},
    {0},
};

static PyGetSetDef getset_getset[] = {
    {"__doc__", getset_get_doc},
    {"__qualname__", descr_get_qualname},
    {0},
};

PyTypeObject PyMemberDescr_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "member_descriptor",
    .tp_basicsize = sizeof(PyMemberDescrObject),
    .tp_dealloc = descr_dealloc,
    .tp_repr = member_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = descr_traverse,
    .tp_methods = descr_methods,
    .tp_members = descr_members,
    .tp_getset = member_getset,
    .tp_descr_get = member_get,
    .tp_descr_set = member_set,
};

PyTypeObject PyGetSetDescr_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "getset_descriptor",
    .tp_basicsize = sizeof(PyGetSetDescrObject),
    .tp_dealloc = descr_dealloc,
    .tp_repr = getset_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = descr_traverse,
    .tp_members = descr_members,
    .tp_getset = getset_getset,
    .tp_descr_get = getset_get,
    .tp_descr_set = getset_set,
};

/* ======================================================================================
 * Slot wrappers
 * ====================================================================================== */

static PyObject *
wrapper_raw_call(PyObject *descr, PyObject *self, PyObject *args, PyObject *kwds)
{
    struct wrapperbase *b = ((PyWrapperDescrObject *)descr)->d_base;
    void *wrapped = ((PyWrapperDescrObject *)descr)->d_wrapped;
    if (b->flags & PyWrapperFlag_KEYWORDS) {
        return ((wrapperfunc_kwds)(void (*)(void))b->wrapper)(self, args, wrapped, kwds);
    }
    if (kwds && PyDict_GET_SIZE(kwds) != 0) {
        PyErr_Format(PyExc_TypeError, "wrapper %s() takes no keyword arguments",
                     b->name);
        return NULL;
    }
    return b->wrapper(self, args, wrapped);
}

static PyObject *
wrapper_call(PyObject *descr, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 1) {
        PyErr_Format(PyExc_TypeError,
                     "descriptor '%V' of '%.100s' object needs an argument",
                     D(descr)->d_name, "?", D(descr)->d_type->tp_name);
        return NULL;
    }
    PyObject *self = PyTuple_GET_ITEM(args, 0);
    if (!PyObject_TypeCheck(self, D(descr)->d_type)) {
        PyErr_Format(PyExc_TypeError,
                     "descriptor '%V' requires a '%.100s' object but received a "
                     "'%.100s'",
                     D(descr)->d_name, "?", D(descr)->d_type->tp_name,
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    NJ_OWN rest = PyTuple_GetSlice(args, 1, n);
    return rest ? wrapper_raw_call(descr, self, rest, kwds) : NULL;
}

static PyObject *
wrapper_get(PyObject *self, PyObject *obj, PyObject *type)
{
    if (obj == NULL) {
        return Py_NewRef(self);
    }
    return check_get(self, obj) < 0 ? NULL : PyWrapper_New(self, obj);
}

static PyObject *
wrapper_get_doc(PyObject *self, void *closure)
{
    struct wrapperbase *b = ((PyWrapperDescrObject *)self)->d_base;
    return nj_doc_text(b->name, b->doc);
}

static PyObject *
wrapper_get_text_signature(PyObject *self, void *closure)
{
    struct wrapperbase *b = ((PyWrapperDescrObject *)self)->d_base;
    return nj_doc_signature(b->name, b->doc);
}

static PyGetSetDef wrapper_getset[] = {
    {"__doc__", wrapper_get_doc},
    {"__qualname__", descr_get_qualname},
    {"__text_signature__", wrapper_get_text_signature},
    {0},
};

PyTypeObject PyWrapperDescr_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "wrapper_descriptor",
    .tp_basicsize = sizeof(PyWrapperDescrObject),
    .tp_dealloc = descr_dealloc,
    .tp_repr = wrapper_repr,
    .tp_call = wrapper_call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_traverse = descr_traverse,
    .tp_methods = descr_methods,
    .tp_members = descr_members,
    .tp_getset = wrapper_getset,
    .tp_descr_get = wrapper_get,
};

/* ---- method-wrapper: a slot wrapper bound to an object ------------------------------- */

typedef struct NjMethodWrapper {
    PyObject_HEAD
    PyWrapperDescrObject *descr; /* owned */
    PyObject *self;              /* owned */
} NjMethodWrapper;
#define MW(o) ((NjMethodWrapper *)(o))

static void
mw_dealloc(PyObject *op)
{
    nj_gc_untrack(op);
    Py_XDECREF(MW(op)->descr);
    Py_XDECREF(MW(op)->self);
    PyObject_GC_Del(op);
}

static int
mw_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(MW(op)->descr);
    Py_VISIT(MW(op)->self);
    return 0;
}

static PyObject *
mw_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !Py_IS_TYPE(a, &NjMethodWrapper_Type) ||
        !Py_IS_TYPE(b, &NjMethodWrapper_Type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool eq = MW(a)->descr == MW(b)->descr && MW(a)->self == MW(b)->self;
    return PyBool_FromLong(eq == (op == Py_EQ));
}

static Py_hash_t
mw_hash(PyObject *op)
{
    Py_hash_t h = PyObject_GenericHash(MW(op)->self) ^ Py_HashPointer(MW(op)->descr);
    return h == -1 ? -2 : h;
}

static PyObject *
mw_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<method-wrapper '%s' of %s object at %p>",
                                MW(op)->descr->d_base->name,
                                Py_TYPE(MW(op)->self)->tp_name, MW(op)->self);
}

static PyObject *
mw_call(PyObject *op, PyObject *args, PyObject *kwds)
{
    return wrapper_raw_call((PyObject *)MW(op)->descr, MW(op)->self, args, kwds);
}

static PyObject *
mw_reduce(PyObject *op, PyObject *unused)
{
    NJ_OWN builtins = PyImport_ImportModule("builtins");
    NJ_OWN getattr = builtins ? PyObject_GetAttr(builtins, NJ_ID(getattr)) : NULL;
    return getattr ? Py_BuildValue("O(OO)", getattr, MW(op)->self,
                                   PyDescr_NAME(MW(op)->descr))
                   : NULL;
}

static PyObject *
mw_get_objclass(PyObject *op, void *closure)
{
    return Py_NewRef(PyDescr_TYPE(MW(op)->descr));
}

static PyObject *
mw_get_name(PyObject *op, void *closure)
{
    return PyUnicode_FromString(MW(op)->descr->d_base->name);
}

static PyObject *
mw_get_qualname(PyObject *op, void *closure)
{
    return descr_get_qualname((PyObject *)MW(op)->descr, NULL);
}

static PyObject *
mw_get_doc(PyObject *op, void *closure)
{
    return wrapper_get_doc((PyObject *)MW(op)->descr, NULL);
}

static PyObject *
mw_get_text_signature(PyObject *op, void *closure)
{
    return wrapper_get_text_signature((PyObject *)MW(op)->descr, NULL);
}

static PyMethodDef mw_methods[] = {
    {"__reduce__", mw_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};
static PyMemberDef mw_members[] = {
    {"__self__", _Py_T_OBJECT, offsetof(NjMethodWrapper, self), Py_READONLY},
    {0},
};
static PyGetSetDef mw_getset[] = {
    {"__objclass__", mw_get_objclass},
    {"__name__", mw_get_name},
    {"__qualname__", mw_get_qualname},
    {"__doc__", mw_get_doc},
    {"__text_signature__", mw_get_text_signature},
    {0},
};

PyTypeObject NjMethodWrapper_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "method-wrapper",
    .tp_basicsize = sizeof(NjMethodWrapper),
    .tp_dealloc = mw_dealloc,
    .tp_repr = mw_repr,
    .tp_hash = mw_hash,
    .tp_call = mw_call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = mw_traverse,
    .tp_richcompare = mw_richcompare,
    .tp_methods = mw_methods,
    .tp_members = mw_members,
    .tp_getset = mw_getset,
};

PyObject *
PyWrapper_New(PyObject *descr, PyObject *self)
{
    NjMethodWrapper *w = PyObject_GC_New(NjMethodWrapper, &NjMethodWrapper_Type);
    if (w == NULL) {
        return NULL;
    }
    w->descr = (PyWrapperDescrObject *)Py_NewRef(descr);
    w->self = Py_NewRef(self);
    nj_gc_track((PyObject *)w);
    return (PyObject *)w;
}

/* ======================================================================================
 * Making descriptors
 * ====================================================================================== */

static PyObject *
descr_new(PyTypeObject *dtype, PyTypeObject *type, const char *name)
{
    PyDescrObject *d = (PyDescrObject *)PyType_GenericAlloc(dtype, 0);
    if (d == NULL) {
        return NULL;
    }
    d->d_type = (PyTypeObject *)Py_XNewRef(type);
    d->d_name = PyUnicode_InternFromString(name);
    d->d_qualname = NULL;
    if (d->d_name == NULL) {
        Py_DECREF(d);
        return NULL;
    }
    return (PyObject *)d;
}

PyObject *
PyDescr_NewMethod(PyTypeObject *type, PyMethodDef *method)
{
    vectorcallfunc vc = nj_method_descr_vectorcall_for(method->ml_flags);
    if (vc == NULL) {
        PyErr_Format(PyExc_SystemError, "%s() method: bad call flags", method->ml_name);
        return NULL;
    }
    PyObject *d = descr_new(&PyMethodDescr_Type, type, method->ml_name);
    if (d) {
        METHOD(d)->d_method = method;
        METHOD(d)->vectorcall = vc;
    }
    return d;
}

PyObject *
PyDescr_NewClassMethod(PyTypeObject *type, PyMethodDef *method)
{
    PyObject *d = descr_new(&PyClassMethodDescr_Type, type, method->ml_name);
    if (d) {
        METHOD(d)->d_method = method;
    }
    return d;
}

PyObject *
PyDescr_NewMember(PyTypeObject *type, PyMemberDef *member)
{
    if (member->flags & Py_RELATIVE_OFFSET) {
        PyErr_SetString(PyExc_SystemError,
                        "PyDescr_NewMember used with Py_RELATIVE_OFFSET");
        return NULL;
    }
    PyObject *d = descr_new(&PyMemberDescr_Type, type, member->name);
    if (d) {
        ((PyMemberDescrObject *)d)->d_member = member;
    }
    return d;
}

PyObject *
PyDescr_NewGetSet(PyTypeObject *type, PyGetSetDef *getset)
{
    PyObject *d = descr_new(&PyGetSetDescr_Type, type, getset->name);
    if (d) {
        ((PyGetSetDescrObject *)d)->d_getset = getset;
    }
    return d;
}

PyObject *
PyDescr_NewWrapper(PyTypeObject *type, struct wrapperbase *base, void *wrapped)
{
    PyObject *d = descr_new(&PyWrapperDescr_Type, type, base->name);
    if (d) {
        ((PyWrapperDescrObject *)d)->d_base = base;
        ((PyWrapperDescrObject *)d)->d_wrapped = wrapped;
    }
    return d;
}

int
PyDescr_IsData(PyObject *ob)
{
    return Py_TYPE(ob)->tp_descr_set != NULL;
}

/* ======================================================================================
 * mappingproxy: a read-only view of a mapping
 * ====================================================================================== */

typedef struct NjMappingProxy {
    PyObject_HEAD
    PyObject *mapping; /* owned */
} NjMappingProxy;
#define MAPPING(o) (((NjMappingProxy *)(o))->mapping)

static Py_ssize_t
proxy_len(PyObject *self)
{
    return PyObject_Size(MAPPING(self));
}

static PyObject *
proxy_getitem(PyObject *self, PyObject *key)
{
    return PyObject_GetItem(MAPPING(self), key);
}

static int
proxy_contains(PyObject *self, PyObject *key)
{
    PyObject *m = MAPPING(self);
    return PyDict_CheckExact(m) ? PyDict_Contains(m, key) : PySequence_Contains(m, key);
}

static PyObject *
proxy_or(PyObject *a, PyObject *b)
{
    if (PyObject_TypeCheck(a, &PyDictProxy_Type)) {
        a = MAPPING(a);
    }
    if (PyObject_TypeCheck(b, &PyDictProxy_Type)) {
        b = MAPPING(b);
    }
    return PyNumber_Or(a, b);
}

static PyObject *
proxy_ior(PyObject *self, PyObject *other)
{
    PyErr_Format(PyExc_TypeError,
                 "'|=' is not supported by %s; use '|' instead", Py_TYPE(self)->tp_name);
    return NULL;
}

static PyObject *
proxy_get(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("get", nargs, 1, 2)) {
        return NULL;
    }
    PyObject *call[] = {NULL, MAPPING(self), args[0], nargs > 1 ? args[1] : Py_None};
    return PyObject_VectorcallMethod(NJ_ID(get), call + 1,
                                     3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

static PyObject *
proxy_keys(PyObject *self, PyObject *unused)
{
    return PyObject_CallMethodNoArgs(MAPPING(self), NJ_ID(keys));
}

static PyObject *
proxy_values(PyObject *self, PyObject *unused)
{
    return PyObject_CallMethodNoArgs(MAPPING(self), NJ_ID(values));
}

static PyObject *
proxy_items(PyObject *self, PyObject *unused)
{
    return PyObject_CallMethodNoArgs(MAPPING(self), NJ_ID(items));
}

static PyObject *
proxy_copy(PyObject *self, PyObject *unused)
{
    return PyObject_CallMethodNoArgs(MAPPING(self), NJ_ID(copy));
}

static PyObject *
proxy_reversed(PyObject *self, PyObject *unused)
{
    return PyObject_CallMethodNoArgs(MAPPING(self), NJ_ID(__reversed__));
}

static PyObject *
proxy_iter(PyObject *self)
{
    return PyObject_GetIter(MAPPING(self));
}

static Py_hash_t
proxy_hash(PyObject *self)
{
    return PyObject_Hash(MAPPING(self));
}

static PyObject *
proxy_str(PyObject *self)
{
    return PyObject_Str(MAPPING(self));
}

static PyObject *
proxy_repr(PyObject *self)
{
    return PyUnicode_FromFormat("mappingproxy(%R)", MAPPING(self));
}

static PyObject *
proxy_richcompare(PyObject *self, PyObject *other, int op)
{
    return PyObject_RichCompare(MAPPING(self), other, op); /* another proxy answers in turn */
}

static void
proxy_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(MAPPING(self));
    PyObject_GC_Del(self);
}

static int
proxy_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(MAPPING(self));
    return 0;
}

static int
check_mapping(PyObject *mapping)
{
    if (!PyMapping_Check(mapping) || PyList_Check(mapping) || PyTuple_Check(mapping)) {
        PyErr_Format(PyExc_TypeError, "mappingproxy() argument must be a mapping, not %s",
                     Py_TYPE(mapping)->tp_name);
        return -1;
    }
    return 0;
}

static PyObject *
proxy_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"mapping", NULL};
    static const NjParams params = {"mappingproxy", names, 1, 1, 0};
    PyObject *mapping;
    if (nj_args_bind_tuple(&params, args, kwds, &mapping) < 0) {
        return NULL;
    }
    return PyDictProxy_New(mapping);
}

static PySequenceMethods proxy_as_sequence = {.sq_contains = proxy_contains};
static PyMappingMethods proxy_as_mapping = {.mp_length = proxy_len,
                                            .mp_subscript = proxy_getitem};
static PyNumberMethods proxy_as_number = {.nb_or = proxy_or, .nb_inplace_or = proxy_ior};

static PyMethodDef proxy_methods[] = {
    {"get", (PyCFunction)(void (*)(void))proxy_get, METH_FASTCALL,
     "get($self, key, default=None, /)\n--\n\n"
     "Return the value for key if key is in the mapping, else default."},
    {"keys", proxy_keys, METH_NOARGS,
     "keys($self, /)\n--\n\na set-like object providing a view on D's keys"},
    {"values", proxy_values, METH_NOARGS,
     "values($self, /)\n--\n\nan object providing a view on D's values"},
    {"items", proxy_items, METH_NOARGS,
     "items($self, /)\n--\n\na set-like object providing a view on D's items"},
    {"copy", proxy_copy, METH_NOARGS, "copy($self, /)\n--\n\na shallow copy of D"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {"__reversed__", proxy_reversed, METH_NOARGS,
     "__reversed__($self, /)\n--\n\nreverse iterator"},
    {0},
};

PyTypeObject PyDictProxy_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "mappingproxy",
    .tp_basicsize = sizeof(NjMappingProxy),
    .tp_dealloc = proxy_dealloc,
    .tp_repr = proxy_repr,
    .tp_as_number = &proxy_as_number,
    .tp_as_sequence = &proxy_as_sequence,
    .tp_as_mapping = &proxy_as_mapping,
    .tp_hash = proxy_hash,
    .tp_str = proxy_str,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MAPPING,
    .tp_doc = "mappingproxy(mapping)\n--\n\nRead-only proxy of a mapping.",
    .tp_traverse = proxy_traverse,
    .tp_richcompare = proxy_richcompare,
    .tp_iter = proxy_iter,
    .tp_methods = proxy_methods,
    .tp_new = proxy_new,
};

PyObject *
PyDictProxy_New(PyObject *mapping)
{
    if (check_mapping(mapping) < 0) {
        return NULL;
    }
    NjMappingProxy *p = PyObject_GC_New(NjMappingProxy, &PyDictProxy_Type);
    if (p == NULL) {
        return NULL;
    }
    p->mapping = Py_NewRef(mapping);
    nj_gc_track((PyObject *)p);
    return (PyObject *)p;
}

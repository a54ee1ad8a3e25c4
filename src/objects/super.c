/* super.c - super: attribute lookup that starts behind a class in the MRO
 *
 * super() without arguments finds its class in the __class__ cell of the calling function
 * and its object in that function's first argument.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/dict_int.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

typedef struct NjSuper {
    PyObject_HEAD
    PyTypeObject *type;     /* owned: the class after which to search */
    PyObject *obj;          /* owned, NULL = unbound */
    PyTypeObject *obj_type; /* owned: whose MRO is searched */
} NjSuper;
#define S(o) ((NjSuper *)(o))

/* Searches behind su_type in starttype's MRO. New reference, or NULL (with or without an
 * exception). *method: see nj_super_lookup; NULL binds always. */
static PyObject *
search(PyTypeObject *su_type, PyObject *obj, PyTypeObject *start, PyObject *name,
       bool *method)
{
    PyObject *mro = start->tp_mro;
    if (mro == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(mro), i = 0;
    while (i + 1 < n && PyTuple_GET_ITEM(mro, i) != (PyObject *)su_type) {
        i++;
    }
    i++;
    NJ_OWN keep = Py_NewRef(mro);
    for (; i < n; i++) {
        PyObject *dict = ((PyTypeObject *)PyTuple_GET_ITEM(keep, i))->tp_dict;
        PyObject *res;
        int r = nj_dict_find(dict, name, &res);
        if (r < 0) {
            return NULL;
        }
        if (r == 0) {
            continue;
        }
        if (method && obj != (PyObject *)start &&
            (Py_TYPE(res)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR)) {
            *method = true;
            return res;
        }
        descrgetfunc get = Py_TYPE(res)->tp_descr_get;
        if (get) {
            /* for a class as object (super in a classmethod) there is no instance */
            Py_SETREF(res, get(res, obj == (PyObject *)start ? NULL : obj,
                               (PyObject *)start));
        }
        return res;
    }
    return NULL;
}

/* The type whose MRO super(type, obj) searches: new reference or NULL with TypeError. */
static PyTypeObject *
check_pair(PyTypeObject *type, PyObject *obj)
{
    if (PyType_Check(obj) && PyType_IsSubtype((PyTypeObject *)obj, type)) {
        return (PyTypeObject *)Py_NewRef(obj);
    }
    if (PyType_IsSubtype(Py_TYPE(obj), type)) {
        return (PyTypeObject *)Py_NewRef(Py_TYPE(obj));
    }
    /* a proxy may claim a class */
    PyObject *found;
    if (PyObject_GetOptionalAttr(obj, NJ_ID(__class__), &found) < 0) {
        return NULL;
    }
    NJ_OWN cls = found;
    if (cls && PyType_Check(cls) && (PyTypeObject *)cls != Py_TYPE(obj) &&
        PyType_IsSubtype((PyTypeObject *)cls, type)) {
        return (PyTypeObject *)NJ_TAKE(cls);
    }
    const char *kind = PyType_Check(obj) ? "type" : "instance of";
    const char *name =
        PyType_Check(obj) ? ((PyTypeObject *)obj)->tp_name : Py_TYPE(obj)->tp_name;
    PyErr_Format(PyExc_TypeError,
                 "super(type, obj): obj (%s %.200s) is not an instance or subtype of "
                 "type (%.200s).",
                 kind, name, type->tp_name);
    return NULL;
}

PyObject *
nj_super_lookup(PyTypeObject *type, PyObject *obj, PyObject *name, bool *method)
{
    if (method) {
        *method = false;
    }
    PyTypeObject *ot = check_pair(type, obj);
    if (ot == NULL) {
        return NULL;
    }
    NJ_OWN start = (PyObject *)ot;
    if (!PyUnicode_EqualToUTF8(name, "__class__")) {
        PyObject *r = search(type, obj, ot, name, method);
        if (r || PyErr_Occurred()) {
            return r;
        }
    }
    /* not behind the class: an attribute of the super object itself, or an error */
    NJ_OWN su = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, (PyObject *)type,
                                             obj, NULL);
    return su ? PyObject_GetAttr(su, name) : NULL;
}

static PyObject *
super_getattro(PyObject *self, PyObject *name)
{
    NjSuper *su = S(self);
    if (su->obj_type && !(PyUnicode_Check(name) &&
                          PyUnicode_EqualToUTF8(name, "__class__"))) {
        PyObject *r = search(su->type, su->obj, su->obj_type, name, NULL);
        if (r || PyErr_Occurred()) {
            return r;
        }
    }
    return PyObject_GenericGetAttr(self, name);
}

static void
super_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(S(self)->obj);
    Py_XDECREF(S(self)->type);
    Py_XDECREF(S(self)->obj_type);
    Py_TYPE(self)->tp_free(self);
}

static int
super_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(S(self)->obj);
    Py_VISIT(S(self)->type);
    Py_VISIT(S(self)->obj_type);
    return 0;
}

static PyObject *
super_repr(PyObject *self)
{
    NjSuper *su = S(self);
    const char *name = su->type ? su->type->tp_name : "NULL";
    if (su->obj_type) {
        return PyUnicode_FromFormat("<super: <class '%s'>, <%s object>>", name,
                                    su->obj_type->tp_name);
    }
    return PyUnicode_FromFormat("<super: <class '%s'>, NULL>", name);
}

static PyObject *
super_descr_get(PyObject *self, PyObject *obj, PyObject *type)
{
    NjSuper *su = S(self);
    if (obj == NULL || obj == Py_None || su->obj != NULL) {
        return Py_NewRef(self); /* nothing to bind, or bound already */
    }
    if (!Py_IS_TYPE(self, &PySuper_Type)) {
        return PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(self),
                                            (PyObject *)su->type, obj, NULL);
    }
    NJ_OWN ot = (PyObject *)check_pair(su->type, obj);
    if (ot == NULL) {
        return NULL;
    }
    NjSuper *bound = (NjSuper *)PyType_GenericAlloc(&PySuper_Type, 0);
    if (bound == NULL) {
        return NULL;
    }
    bound->type = (PyTypeObject *)Py_NewRef(su->type);
    bound->obj = Py_NewRef(obj);
    bound->obj_type = (PyTypeObject *)NJ_TAKE(ot);
    return (PyObject *)bound;
}

/* type and obj of super() out of the calling frame: new references. 0 or -1. */
static int
from_frame(PyObject **type, PyObject **obj)
{
    PyFrameObject *frame = PyThreadState_GetFrame(nj_tstate());
    if (frame == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "super(): no current frame");
        return -1;
    }
    NJ_OWN f = (PyObject *)frame;
    NJ_OWN code = (PyObject *)PyFrame_GetCode(frame);
    PyCodeObject *co = (PyCodeObject *)code;
    if (co->co_argcount == 0) {
        PyErr_SetString(PyExc_RuntimeError, "super(): no arguments");
        return -1;
    }
    /* the first argument's name is the first of the locals */
    NJ_OWN first = PyFrame_GetVar(frame, PyTuple_GET_ITEM(co->co_localsplusnames, 0));
    if (first == NULL) {
        if (PyErr_ExceptionMatches(PyExc_NameError)) {
            PyErr_SetString(PyExc_RuntimeError, "super(): arg[0] deleted");
        }
        return -1;
    }
    bool has_cell = false;
    Py_ssize_t nplus = PyTuple_GET_SIZE(co->co_localsplusnames);
    for (Py_ssize_t i = nplus - co->co_nfreevars; i < nplus; i++) {
        if (PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(co->co_localsplusnames, i),
                                  "__class__")) {
            has_cell = true;
            break;
        }
    }
    if (!has_cell) {
        PyErr_SetString(PyExc_RuntimeError, "super(): __class__ cell not found");
        return -1;
    }
    NJ_OWN cls = PyFrame_GetVar(frame, NJ_ID(__class__));
    if (cls == NULL) {
        if (PyErr_ExceptionMatches(PyExc_NameError)) {
            PyErr_SetString(PyExc_RuntimeError, "super(): empty __class__ cell");
        }
        return -1;
    }
    if (!PyType_Check(cls)) {
        PyErr_Format(PyExc_RuntimeError, "super(): __class__ is not a type (%s)",
                     Py_TYPE(cls)->tp_name);
        return -1;
    }
    *type = NJ_TAKE(cls);
    *obj = NJ_TAKE(first);
    return 0;
}

static int
init_from(PyObject *self, PyObject *type_arg, PyObject *obj_arg)
{
    NJ_OWN type = Py_XNewRef(type_arg);
    NJ_OWN obj = Py_XNewRef(obj_arg);
    if (type == NULL) {
        PyObject *t, *o;
        if (from_frame(&t, &o) < 0) {
            return -1;
        }
        NJ_SET(type, t);
        NJ_SET(obj, o);
    }
    if (!PyType_Check(type)) {
        PyErr_Format(PyExc_TypeError, "super() argument 1 must be a type, not %.200s",
                     Py_TYPE(type)->tp_name);
        return -1;
    }
    if (obj == Py_None) {
        NJ_SET(obj, NULL);
    }
    NJ_OWN ot = NULL;
    if (obj) {
        NJ_SET(ot, (PyObject *)check_pair((PyTypeObject *)type, obj));
        if (ot == NULL) {
            return -1;
        }
    }
    Py_XSETREF(S(self)->type, (PyTypeObject *)NJ_TAKE(type));
    Py_XSETREF(S(self)->obj, NJ_TAKE(obj));
    Py_XSETREF(S(self)->obj_type, (PyTypeObject *)NJ_TAKE(ot));
    return 0;
}

static int
super_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!_PyArg_NoKeywords("super", kwds) || !_PyArg_CheckPositional("super", n, 0, 2)) {
        return -1;
    }
    return init_from(self, n > 0 ? PyTuple_GET_ITEM(args, 0) : NULL,
                     n > 1 ? PyTuple_GET_ITEM(args, 1) : NULL);
}

static PyObject *
super_vectorcall(PyObject *cls, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_NoKwnames("super", kwnames) ||
        !_PyArg_CheckPositional("super", n, 0, 2)) {
        return NULL;
    }
    NJ_OWN self = PyType_GenericAlloc((PyTypeObject *)cls, 0);
    if (self == NULL ||
        init_from(self, n > 0 ? args[0] : NULL, n > 1 ? args[1] : NULL) < 0) {
        return NULL;
    }
    return NJ_TAKE(self);
}

static PyMemberDef super_members[] = {
    {"__thisclass__", _Py_T_OBJECT, offsetof(NjSuper, type), Py_READONLY,
     "the class invoking super()"},
    {"__self__", _Py_T_OBJECT, offsetof(NjSuper, obj), Py_READONLY,
     "the instance invoking super(); may be None"},
    {"__self_class__", _Py_T_OBJECT, offsetof(NjSuper, obj_type), Py_READONLY,
     "the type of the instance invoking super(); may be None"},
    {0},
};

PyTypeObject PySuper_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "super",
    .tp_basicsize = sizeof(NjSuper),
    .tp_dealloc = super_dealloc,
    .tp_repr = super_repr,
    .tp_getattro = super_getattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "super() -> same as super(__class__, <first argument>)\n"
              "super(type) -> unbound super object\n"
              "super(type, obj) -> bound super object; requires isinstance(obj, type)\n"
              "super(type, type2) -> bound super object; requires issubclass(type2, "
              "type)",
    .tp_traverse = super_traverse,
    .tp_members = super_members,
    .tp_descr_get = super_descr_get,
    .tp_init = super_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = PyType_GenericNew,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = super_vectorcall,
};

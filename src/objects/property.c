/* property.c - property
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

typedef struct NjProperty {
    PyObject_HEAD
    PyObject *fget, *fset, *fdel; /* owned, NULL = none */
    PyObject *doc;                /* owned */
    PyObject *name;               /* owned: from __set_name__ or assignment */
    int getter_doc;               /* doc was taken from the getter */
} NjProperty;
#define P(o) ((NjProperty *)(o))

static PyObject *
none_to_null(PyObject *o)
{
    return o == Py_None ? NULL : o;
}

/* The name for messages: own, else the getter's; 1, 0 (*out NULL), -1. */
static int
property_name(NjProperty *p, PyObject **out)
{
    if (p->name) {
        *out = Py_NewRef(p->name);
        return 1;
    }
    if (p->fget && PyFunction_Check(p->fget)) {
        *out = Py_NewRef(((PyFunctionObject *)p->fget)->func_name);
        return 1;
    }
    *out = NULL;
    return p->fget ? PyObject_GetOptionalAttr(p->fget, NJ_ID(__name__), out) : 0;
}

NJ_COLD static void
raise_missing(NjProperty *p, PyObject *obj, const char *what)
{
    PyObject *n;
    if (property_name(p, &n) < 0) {
        return;
    }
    NJ_OWN name = n;
    NJ_OWN qual = PyType_GetQualName(Py_TYPE(obj));
    if (name && qual) {
        PyErr_Format(PyExc_AttributeError, "property %R of %R object has no %s", name,
                     qual, what);
    }
    else if (qual) {
        PyErr_Format(PyExc_AttributeError, "property of %R object has no %s", qual, what);
    }
    else {
        PyErr_Format(PyExc_AttributeError, "property has no %s", what);
    }
}

static PyObject *
property_get(PyObject *self, PyObject *obj, PyObject *type)
{
    if (obj == NULL || obj == Py_None) {
        return Py_NewRef(self);
    }
    NjProperty *p = P(self);
    if (p->fget == NULL) {
        raise_missing(p, obj, "getter");
        return NULL;
    }
    return PyObject_CallOneArg(p->fget, obj);
}

static int
property_set(PyObject *self, PyObject *obj, PyObject *value)
{
    NjProperty *p = P(self);
    PyObject *func = value ? p->fset : p->fdel;
    if (func == NULL) {
        raise_missing(p, obj, value ? "setter" : "deleter");
        return -1;
    }
    PyObject *stack[] = {NULL, obj, value};
    NJ_OWN r = PyObject_Vectorcall(
        func, stack + 1, (value ? 2 : 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    return r ? 0 : -1;
}

/* A new property of the same class with one function replaced. */
static PyObject *
copy_with(PyObject *old, PyObject *get, PyObject *set, PyObject *del)
{
    NjProperty *p = P(old);
    if (none_to_null(get ? get : Py_None) == NULL) {
        get = p->fget ? p->fget : Py_None;
    }
    if (none_to_null(set ? set : Py_None) == NULL) {
        set = p->fset ? p->fset : Py_None;
    }
    if (none_to_null(del ? del : Py_None) == NULL) {
        del = p->fdel ? p->fdel : Py_None;
    }
    /* a docstring that came from the getter is looked up again */
    PyObject *doc = p->getter_doc && get != Py_None ? Py_None
                                                    : (p->doc ? p->doc : Py_None);
    NJ_OWN copy = PyObject_CallFunctionObjArgs((PyObject *)Py_TYPE(old), get, set, del,
                                               doc, NULL);
    if (copy == NULL) {
        return NULL;
    }
    if (PyObject_TypeCheck(copy, &PyProperty_Type)) {
        Py_XSETREF(P(copy)->name, Py_XNewRef(p->name));
    }
    return NJ_TAKE(copy);
}

static PyObject *
property_getter(PyObject *self, PyObject *f)
{
    return copy_with(self, f, NULL, NULL);
}

static PyObject *
property_setter(PyObject *self, PyObject *f)
{
    return copy_with(self, NULL, f, NULL);
}

static PyObject *
property_deleter(PyObject *self, PyObject *f)
{
    return copy_with(self, NULL, NULL, f);
}

static PyObject *
property_set_name(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError,
                     "__set_name__() takes 2 positional arguments but %zd were given",
                     nargs);
        return NULL;
    }
    Py_XSETREF(P(self)->name, Py_NewRef(args[1]));
    Py_RETURN_NONE;
}

static int
property_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"fget", "fset", "fdel", "doc", NULL};
    static const NjParams params = {"property", names, 4, 0, 0};
    PyObject *v[4] = {NULL};
    if (nj_args_bind_tuple(&params, args, kwds, v) < 0) {
        return -1;
    }
    NjProperty *p = P(self);
    PyObject *fget = v[0] ? none_to_null(v[0]) : NULL;
    PyObject *fset = v[1] ? none_to_null(v[1]) : NULL;
    PyObject *fdel = v[2] ? none_to_null(v[2]) : NULL;
    Py_XSETREF(p->fget, Py_XNewRef(fget));
    Py_XSETREF(p->fset, Py_XNewRef(fset));
    Py_XSETREF(p->fdel, Py_XNewRef(fdel));
    Py_CLEAR(p->doc);
    Py_CLEAR(p->name);
    p->getter_doc = 0;

    NJ_OWN doc = NULL;
    if (v[3] && v[3] != Py_None) {
        NJ_SET(doc, Py_NewRef(v[3]));
    }
    else if (fget) {
        PyObject *found;
        if (PyObject_GetOptionalAttr(fget, NJ_ID(__doc__), &found) < 0) {
            return -1;
        }
        NJ_SET(doc, found);
        if (doc == Py_None) {
            NJ_SET(doc, NULL);
        }
        p->getter_doc = doc != NULL;
    }
    if (Py_IS_TYPE(self, &PyProperty_Type)) {
        p->doc = NJ_TAKE(doc);
        return 0;
    }
    /* a subclass's __doc__ in its class dict would hide the slot: store on the instance */
    PyObject *value = doc ? doc : Py_None;
    if (PyObject_SetAttr(self, NJ_ID(__doc__), value) < 0) {
        /* no place for it: given explicitly it is dropped silently, from a getter it is an
         * error, as it always was */
        if (p->getter_doc || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    return 0;
}

static PyObject *
get_name(PyObject *self, void *closure)
{
    PyObject *name;
    if (property_name(P(self), &name) < 0) {
        return NULL;
    }
    if (name == NULL) {
        PyErr_SetString(PyExc_AttributeError,
                        "'property' object has no attribute '__name__'");
    }
    return name;
}

static int
set_name(PyObject *self, PyObject *value, void *closure)
{
    Py_XSETREF(P(self)->name, Py_XNewRef(value));
    return 0;
}

static int
is_abstract(PyObject *f)
{
    PyObject *v;
    if (f == NULL) {
        return 0;
    }
    int r = PyObject_GetOptionalAttr(f, NJ_ID(__isabstractmethod__), &v);
    if (r > 0) {
        r = PyObject_IsTrue(v);
        Py_DECREF(v);
    }
    return r;
}

static PyObject *
get_isabstract(PyObject *self, void *closure)
{
    int r = is_abstract(P(self)->fget);
    if (r == 0) {
        r = is_abstract(P(self)->fset);
    }
    if (r == 0) {
        r = is_abstract(P(self)->fdel);
    }
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static int
property_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(P(self)->fget);
    Py_VISIT(P(self)->fset);
    Py_VISIT(P(self)->fdel);
    Py_VISIT(P(self)->doc);
    Py_VISIT(P(self)->name);
    return 0;
}

static int
property_clear(PyObject *self)
{
    Py_CLEAR(P(self)->fget);
    Py_CLEAR(P(self)->fset);
    Py_CLEAR(P(self)->fdel);
    Py_CLEAR(P(self)->doc);
    Py_CLEAR(P(self)->name);
    return 0;
}

static void
property_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    (void)property_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyMethodDef property_methods[] = {
    {"getter", property_getter, METH_O,
     "getter($self, object, /)\n--\n\nDescriptor to obtain a copy of the property with a "
     "different getter."},
    {"setter", property_setter, METH_O,
     "setter($self, object, /)\n--\n\nDescriptor to obtain a copy of the property with a "
     "different setter."},
    {"deleter", property_deleter, METH_O,
     "deleter($self, object, /)\n--\n\nDescriptor to obtain a copy of the property with "
     "a different deleter."},
    {"__set_name__", (PyCFunction)(void (*)(void))property_set_name, METH_FASTCALL,
     "__set_name__($self, owner, name, /)\n--\n\nMethod to set name of a property."},
    {0},
};
static PyMemberDef property_members[] = {
    {"fget", _Py_T_OBJECT, offsetof(NjProperty, fget), Py_READONLY},
    {"fset", _Py_T_OBJECT, offsetof(NjProperty, fset), Py_READONLY},
    {"fdel", _Py_T_OBJECT, offsetof(NjProperty, fdel), Py_READONLY},
    {"__doc__", _Py_T_OBJECT, offsetof(NjProperty, doc), 0},
    {0},
};
static PyGetSetDef property_getset[] = {
    {"__name__", get_name, set_name},
    {"__isabstractmethod__", get_isabstract},
    {0},
};

PyTypeObject PyProperty_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "property",
    .tp_basicsize = sizeof(NjProperty),
    .tp_dealloc = property_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "property(fget=None, fset=None, fdel=None, doc=None)\n--\n\n"
              "Property attribute: functions for getting, setting and deleting it, and\n"
              "its docstring.",
    .tp_traverse = property_traverse,
    .tp_clear = property_clear,
    .tp_methods = property_methods,
    .tp_members = property_members,
    .tp_getset = property_getset,
    .tp_descr_get = property_get,
    .tp_descr_set = property_set,
    .tp_init = property_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = PyType_GenericNew,
    .tp_free = PyObject_GC_Del,
};

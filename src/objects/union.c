/* union.c - typing.Union, also types.UnionType: int | str
 *
 * The members are kept in order, each once; equality and hash ignore the order. Members
 * are told apart by equality; unhashable ones are possible and are compared one by one.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "objects/typing_int.h"
#include "runtime/gc.h"

typedef struct NjUnion {
    PyObject_HEAD
    PyObject *args;       /* owned tuple of the members */
    PyObject *hashable;   /* owned frozenset of the hashable members */
    PyObject *unhashable; /* owned tuple, or NULL if there is none */
    PyObject *parameters; /* owned tuple, on demand */
    PyObject *weakreflist;
} NjUnion;
#define U(o) ((NjUnion *)(o))

bool
nj_is_unionable(PyObject *op)
{
    return op == Py_None || PyType_Check(op) ||
           PyObject_TypeCheck(op, &Py_GenericAliasType) ||
           Py_IS_TYPE(op, &NjTypeAlias_Type) || Py_IS_TYPE(op, &_PyUnion_Type);
}

/* What is collected on the way to a union. All owned. */
typedef struct NjUnionBuilder {
    PyObject *args;       /* list */
    PyObject *hashable;   /* set */
    PyObject *unhashable; /* list or NULL */
    bool forward_refs;    /* strings become ForwardRef */
} NjUnionBuilder;

static void
builder_free(NjUnionBuilder *b)
{
    Py_XDECREF(b->args);
    Py_XDECREF(b->hashable);
    Py_XDECREF(b->unhashable);
}
#define OWN_BUILDER __attribute__((cleanup(builder_free))) NjUnionBuilder

static int
builder_init(NjUnionBuilder *b)
{
    b->args = PyList_New(0);
    b->hashable = PySet_New(NULL);
    return b->args && b->hashable ? 0 : -1;
}

static int
add_single(NjUnionBuilder *b, PyObject *arg)
{
    if (arg == Py_None) {
        arg = (PyObject *)&_PyNone_Type;
    }
    Py_hash_t h = PyObject_Hash(arg);
    if (h == -1) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
            return -1;
        }
        PyErr_Clear();
        if (b->unhashable == NULL) {
            b->unhashable = PyList_New(0);
            if (b->unhashable == NULL) {
                return -1;
            }
        }
        int r = PySequence_Contains(b->unhashable, arg);
        if (r != 0) {
            return r < 0 ? -1 : 0;
        }
        if (PyList_Append(b->unhashable, arg) < 0) {
            return -1;
        }
        return PyList_Append(b->args, arg);
    }
    int r = PySet_Contains(b->hashable, arg);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    if (PySet_Add(b->hashable, arg) < 0) {
        return -1;
    }
    return PyList_Append(b->args, arg);
}

static int
add_any(NjUnionBuilder *b, PyObject *arg)
{
    if (Py_IS_TYPE(arg, &_PyUnion_Type)) {
        PyObject *args = U(arg)->args;
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
            if (add_single(b, PyTuple_GET_ITEM(args, i)) < 0) {
                return -1;
            }
        }
        return 0;
    }
    if (b->forward_refs) {
        if (PyUnicode_Check(arg)) {
            NJ_OWN typing = PyImport_ImportModule("typing");
            NJ_OWN make =
                typing ? PyObject_GetAttrString(typing, "_make_forward_ref") : NULL;
            if (make == NULL && typing) {
                PyErr_Clear();
                NJ_SET(make, PyObject_GetAttrString(typing, "ForwardRef"));
            }
            NJ_OWN ref = make ? PyObject_CallOneArg(make, arg) : NULL;
            return ref ? add_single(b, ref) : -1;
        }
        /* checked as typing does */
        if (!nj_is_unionable(arg)) {
            NJ_OWN typing = PyImport_ImportModule("typing");
            NJ_OWN msg =
                PyUnicode_FromString("Union[arg, ...]: each arg must be a type.");
            NJ_OWN check = typing ? PyObject_GetAttrString(typing, "_type_check") : NULL;
            NJ_OWN checked =
                check && msg ? PyObject_CallFunctionObjArgs(check, arg, msg, NULL) : NULL;
            return checked ? add_single(b, checked) : -1;
        }
    }
    return add_single(b, arg);
}

static PyObject *
finish(NjUnionBuilder *b)
{
    Py_ssize_t n = PyList_GET_SIZE(b->args);
    if (n == 0) {
        PyErr_SetString(PyExc_TypeError, "Cannot take a Union of no types.");
        return NULL;
    }
    if (n == 1) {
        return Py_NewRef(PyList_GET_ITEM(b->args, 0));
    }
    NJ_OWN args = PyList_AsTuple(b->args);
    NJ_OWN hashable = args ? PyFrozenSet_New(b->hashable) : NULL;
    NJ_OWN unhashable =
        hashable && b->unhashable ? PyList_AsTuple(b->unhashable) : NULL;
    if (hashable == NULL || (b->unhashable && unhashable == NULL)) {
        return NULL;
    }
    NjUnion *u = PyObject_GC_New(NjUnion, &_PyUnion_Type);
    if (u == NULL) {
        return NULL;
    }
    u->args = NJ_TAKE(args);
    u->hashable = NJ_TAKE(hashable);
    u->unhashable = NJ_TAKE(unhashable);
    u->parameters = NULL;
    u->weakreflist = NULL;
    nj_gc_track((PyObject *)u);
    return (PyObject *)u;
}

static PyObject *
or_anything(PyObject *a, PyObject *b)
{
    NJ_OWN pair = PyTuple_Pack(2, a, b);
    return pair ? nj_union_from_args(pair) : NULL;
}

PyObject *
nj_union_or(PyObject *a, PyObject *b)
{
    if (Py_IS_TYPE(a, &_PyUnion_Type) || Py_IS_TYPE(b, &_PyUnion_Type)) {
        return or_anything(a, b); /* a union takes whatever Union[...] takes */
    }
    if (!nj_is_unionable(a) || !nj_is_unionable(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    OWN_BUILDER ub = {0};
    if (builder_init(&ub) < 0 || add_any(&ub, a) < 0 || add_any(&ub, b) < 0) {
        return NULL;
    }
    return finish(&ub);
}

PyObject *
nj_union_from_args(PyObject *args)
{
    OWN_BUILDER ub = {.forward_refs = true};
    if (builder_init(&ub) < 0) {
        return NULL;
    }
    if (PyTuple_Check(args)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
            if (add_any(&ub, PyTuple_GET_ITEM(args, i)) < 0) {
                return NULL;
            }
        }
    }
    else if (add_any(&ub, args) < 0) {
        return NULL;
    }
    return finish(&ub);
}

static void
union_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    if (U(self)->weakreflist) {
        PyObject_ClearWeakRefs(self);
    }
    Py_XDECREF(U(self)->args);
    Py_XDECREF(U(self)->hashable);
    Py_XDECREF(U(self)->unhashable);
    Py_XDECREF(U(self)->parameters);
    PyObject_GC_Del(self);
}

static int
union_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(U(self)->args);
    Py_VISIT(U(self)->hashable);
    Py_VISIT(U(self)->unhashable);
    Py_VISIT(U(self)->parameters);
    return 0;
}

static Py_hash_t
union_hash(PyObject *self)
{
    if (U(self)->unhashable) {
        Py_ssize_t n = PyTuple_GET_SIZE(U(self)->unhashable);
        for (Py_ssize_t i = 0; i < n; i++) { /* the natural error, if it still fails */
            if (PyObject_Hash(PyTuple_GET_ITEM(U(self)->unhashable, i)) == -1) {
                return -1;
            }
        }
        if (n == 1) {
            PyErr_SetString(PyExc_TypeError, "union contains 1 unhashable element");
        }
        else {
            PyErr_Format(PyExc_TypeError, "union contains %zd unhashable elements", n);
        }
        return -1;
    }
    return PyObject_Hash(U(self)->hashable);
}

static int
same_unhashable(PyObject *a, PyObject *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); i++) {
        int r = PySequence_Contains(b, PyTuple_GET_ITEM(a, i));
        if (r <= 0) {
            return r;
        }
    }
    return 1;
}

static PyObject *
union_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!Py_IS_TYPE(b, &_PyUnion_Type) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int eq = PyObject_RichCompareBool(U(a)->hashable, U(b)->hashable, Py_EQ);
    if (eq == 1) {
        eq = same_unhashable(U(a)->unhashable, U(b)->unhashable);
    }
    return eq < 0 ? NULL : PyBool_FromLong((eq == 1) == (op == Py_EQ));
}

static PyObject *
union_repr(PyObject *self)
{
    NJ_OWN parts = PyList_New(0);
    for (Py_ssize_t i = 0; parts && i < PyTuple_GET_SIZE(U(self)->args); i++) {
        NJ_OWN s = nj_typing_type_repr(PyTuple_GET_ITEM(U(self)->args, i));
        if (s == NULL || PyList_Append(parts, s) < 0) {
            return NULL;
        }
    }
    NJ_OWN sep = PyUnicode_FromString(" | ");
    return sep && parts ? PyUnicode_Join(sep, parts) : NULL;
}

static PyObject *
union_getattro(PyObject *self, PyObject *name)
{
    if (PyUnicode_Check(name) && PyUnicode_EqualToUTF8(name, "__module__")) {
        return PyObject_GetAttr((PyObject *)Py_TYPE(self), name);
    }
    return PyObject_GenericGetAttr(self, name);
}

static PyObject *
union_parameters(PyObject *self, void *closure)
{
    if (U(self)->parameters == NULL) {
        U(self)->parameters = nj_typing_parameters(U(self)->args);
    }
    return Py_XNewRef(U(self)->parameters);
}

static PyObject *
union_getitem(PyObject *self, PyObject *item)
{
    NJ_OWN params = union_parameters(self, NULL);
    NJ_OWN args =
        params ? nj_typing_subs_parameters(self, U(self)->args, params, item) : NULL;
    return args ? nj_union_from_args(args) : NULL;
}

static PyObject *
union_get_name(PyObject *self, void *closure)
{
    return PyUnicode_FromString("Union");
}

static PyObject *
union_get_origin(PyObject *self, void *closure)
{
    return Py_NewRef(&_PyUnion_Type);
}

static PyObject *
union_mro_entries(PyObject *self, PyObject *unused)
{
    PyErr_Format(PyExc_TypeError, "Cannot subclass %R", self);
    return NULL;
}

static PyObject *
union_class_getitem(PyObject *cls, PyObject *args)
{
    return nj_union_from_args(args);
}

static PyMethodDef union_methods[] = {
    {"__mro_entries__", union_mro_entries, METH_O,
     "__mro_entries__($self, object, /)\n--\n\n"},
    {"__class_getitem__", union_class_getitem, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {0},
};
static PyMemberDef union_members[] = {
    {"__args__", _Py_T_OBJECT, offsetof(NjUnion, args), Py_READONLY},
    {0},
};
static PyGetSetDef union_getset[] = {
    {"__name__", union_get_name, NULL, "Name of the type"},
    {"__qualname__", union_get_name, NULL, "Qualified name of the type"},
    {"__origin__", union_get_origin, NULL, "Always returns the type"},
    {"__parameters__", union_parameters, NULL,
     "Type variables in the types.UnionType."},
    {0},
};
static PyNumberMethods union_as_number = {.nb_or = nj_union_or};
static PyMappingMethods union_as_mapping = {.mp_subscript = union_getitem};

PyTypeObject _PyUnion_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "typing.Union",
    .tp_basicsize = sizeof(NjUnion),
    .tp_dealloc = union_dealloc,
    .tp_repr = union_repr,
    .tp_as_number = &union_as_number,
    .tp_as_mapping = &union_as_mapping,
    .tp_hash = union_hash,
    .tp_getattro = union_getattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Represent a union type\n\nE.g. for int | str",
    .tp_traverse = union_traverse,
    .tp_richcompare = union_richcompare,
    .tp_weaklistoffset = offsetof(NjUnion, weakreflist),
    .tp_methods = union_methods,
    .tp_members = union_members,
    .tp_getset = union_getset,
};

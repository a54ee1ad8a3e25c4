/* typevar.c - type parameters: TypeVar, ParamSpec, TypeVarTuple, TypeAliasType, Generic
 *
 * The bound, constraints, default and alias value of a parameter made by syntax are
 * functions that are called on first use (PEP 695, 649) and whose result is kept. What these
 * types do beyond storing is written in Python, in typing.py: call_typing.
 *
 * In the reference these are heap types; here they are static, with __module__ put into
 * their dicts at start-up (instances have a __module__ of their own that must not hide
 * behind a missing class attribute).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "objects/typing_int.h"
#include "runtime/gc.h"

/* ======================================================================================
 * NoDefault
 * ====================================================================================== */

static PyObject *
nodefault_repr(PyObject *self)
{
    return PyUnicode_FromString("typing.NoDefault");
}

static PyObject *
nodefault_reduce(PyObject *self, PyObject *unused)
{
    return PyUnicode_FromString("NoDefault");
}

static PyObject *
nodefault_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (PyTuple_GET_SIZE(args) || (kwds && PyDict_GET_SIZE(kwds))) {
        PyErr_SetString(PyExc_TypeError, "NoDefaultType takes no arguments");
        return NULL;
    }
    return Py_NewRef(&nj_no_default);
}

static void
nodefault_dealloc(PyObject *self)
{
    _Py_SetRefcnt(self, (Py_ssize_t)_Py_IMMORTAL_INITIAL_REFCNT);
}

static PyMethodDef nodefault_methods[] = {
    {"__reduce__", nodefault_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

PyTypeObject NjNoDefault_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "NoDefaultType",
    .tp_basicsize = sizeof(PyObject),
    .tp_dealloc = nodefault_dealloc,
    .tp_repr = nodefault_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "NoDefaultType()\n--\n\nThe type of the NoDefault singleton.",
    .tp_methods = nodefault_methods,
    .tp_new = nodefault_new,
};

PyObject nj_no_default = {{_Py_STATIC_IMMORTAL_INITIAL_REFCNT}, &NjNoDefault_Type};

/* ======================================================================================
 * Helpers
 * ====================================================================================== */

/* typing.name(*args): new reference or NULL. args ends with NULL. */
static PyObject *
call_typing(const char *name, PyObject *a, PyObject *b, PyObject *c)
{
    NJ_OWN typing = PyImport_ImportModule("typing");
    NJ_OWN func = typing ? PyObject_GetAttrString(typing, name) : NULL;
    return func ? PyObject_CallFunctionObjArgs(func, a, b, c, NULL) : NULL;
}

static PyObject *
type_check(PyObject *arg, const char *msg)
{
    if (arg == Py_None) {
        return Py_NewRef(&_PyNone_Type);
    }
    NJ_OWN m = PyUnicode_FromString(msg);
    return m ? call_typing("_type_check", arg, m, NULL) : NULL;
}

/* The module of the Python code that called us: its __name__, new reference or NULL. */
static PyObject *
caller_module(void)
{
    PyObject *globals = PyEval_GetGlobals();
    PyObject *name;
    if (globals == NULL) {
        return NULL;
    }
    if (PyDict_GetItemRef(globals, NJ_ID(__name__), &name) < 0) {
        return NULL;
    }
    return name;
}

/* Sets self.__module__ to the caller's. 0 or -1. */
static int
set_caller_module(PyObject *self)
{
    NJ_OWN mod = caller_module();
    if (mod == NULL && PyErr_Occurred()) {
        return -1;
    }
    return PyObject_SetAttr(self, NJ_ID(__module__), mod ? mod : Py_None);
}

static PyObject *
refuse_subclass(PyObject *self, PyObject *unused)
{
    PyErr_Format(PyExc_TypeError, "Cannot subclass an instance of %s",
                 _PyType_Name(Py_TYPE(self)));
    return NULL;
}

static PyObject *
param_or(PyObject *a, PyObject *b)
{
    NJ_OWN pair = PyTuple_Pack(2, a, b);
    return pair ? nj_union_from_args(pair) : NULL;
}

/* Calls an evaluate function in format 1 (VALUE). */
static PyObject *
evaluate(PyObject *func)
{
    NJ_OWN one = PyLong_FromLong(1);
    return one ? PyObject_CallOneArg(func, one) : NULL;
}

/* ---- constevaluator: evaluate functions of eagerly given values ---- */

typedef struct NjConstEvaluator {
    PyObject_HEAD
    PyObject *value;
} NjConstEvaluator;
#define CE(o) (((NjConstEvaluator *)(o))->value)

static void
ce_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(CE(self));
    PyObject_GC_Del(self);
}

static int
ce_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(CE(self));
    return 0;
}

static int
ce_clear(PyObject *self)
{
    Py_CLEAR(CE(self));
    return 0;
}

static PyObject *
ce_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<constevaluator %R>", CE(self));
}

static PyObject *
ce_call(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords("constevaluator.__call__", kwds)) {
        return NULL;
    }
    int format;
    if (!PyArg_ParseTuple(args, "i:constevaluator.__call__", &format)) {
        return NULL;
    }
    PyObject *value = CE(self);
    if (format != 4) {
        return Py_NewRef(value); /* 4 is STRING */
    }
    if (PyTuple_Check(value)) { /* constraints */
        NJ_OWN parts = PyList_New(0);
        for (Py_ssize_t i = 0; parts && i < PyTuple_GET_SIZE(value); i++) {
            NJ_OWN s = nj_typing_type_repr(PyTuple_GET_ITEM(value, i));
            if (s == NULL || PyList_Append(parts, s) < 0) {
                return NULL;
            }
        }
        NJ_OWN sep = PyUnicode_FromString(", ");
        NJ_OWN text = sep && parts ? PyUnicode_Join(sep, parts) : NULL;
        return text ? PyUnicode_FromFormat("(%U)", text) : NULL;
    }
    return nj_typing_type_repr(value);
}

PyTypeObject NjConstEvaluator_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "_typing._ConstEvaluator",
    .tp_basicsize = sizeof(NjConstEvaluator),
    .tp_dealloc = ce_dealloc,
    .tp_repr = ce_repr,
    .tp_call = ce_call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "_ConstEvaluator()\n--\n\n"
              "Internal type for implementing evaluation functions.",
    .tp_traverse = ce_traverse,
    .tp_clear = ce_clear,
};

static PyObject *
const_evaluator(PyObject *value)
{
    NjConstEvaluator *c = PyObject_GC_New(NjConstEvaluator, &NjConstEvaluator_Type);
    if (c) {
        c->value = Py_NewRef(value);
        nj_gc_track((PyObject *)c);
    }
    return (PyObject *)c;
}

/* An evaluate_* attribute: the function, else one made of the value, else None. */
static PyObject *
evaluator(PyObject *func, PyObject *value)
{
    if (func) {
        return Py_NewRef(func);
    }
    return value && value != &nj_no_default ? const_evaluator(value)
                                            : Py_NewRef(Py_None);
}

/* A lazy value: computed on first use. none: what an absent one gives. */
static PyObject *
lazy_value(PyObject **value, PyObject *func, PyObject *none)
{
    if (*value) {
        return Py_NewRef(*value);
    }
    if (func == NULL) {
        return Py_NewRef(none);
    }
    NJ_OWN v = evaluate(func);
    if (v == NULL) {
        return NULL;
    }
    Py_XSETREF(*value, Py_NewRef(v));
    return NJ_TAKE(v);
}

/* ======================================================================================
 * TypeVar
 * ====================================================================================== */

typedef struct NjTypeVar {
    PyObject_HEAD
    PyObject *name;
    PyObject *bound, *evaluate_bound;
    PyObject *constraints, *evaluate_constraints;
    PyObject *default_value, *evaluate_default;
    bool covariant, contravariant, infer_variance;
} NjTypeVar;
#define TV(o) ((NjTypeVar *)(o))

static int
typevar_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(TV(self)->bound);
    Py_VISIT(TV(self)->evaluate_bound);
    Py_VISIT(TV(self)->constraints);
    Py_VISIT(TV(self)->evaluate_constraints);
    Py_VISIT(TV(self)->default_value);
    Py_VISIT(TV(self)->evaluate_default);
    return PyObject_VisitManagedDict(self, visit, arg);
}

static int
typevar_clear(PyObject *self)
{
    Py_CLEAR(TV(self)->bound);
    Py_CLEAR(TV(self)->evaluate_bound);
    Py_CLEAR(TV(self)->constraints);
    Py_CLEAR(TV(self)->evaluate_constraints);
    Py_CLEAR(TV(self)->default_value);
    Py_CLEAR(TV(self)->evaluate_default);
    PyObject_ClearManagedDict(self);
    return 0;
}

/* dealloc of the three parameter kinds: name is the first field of each */
static void
param_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    PyObject_ClearWeakRefs(self);
    (void)Py_TYPE(self)->tp_clear(self);
    Py_CLEAR(TV(self)->name);
    PyObject_GC_Del(self);
}

static PyObject *
typevar_alloc(PyObject *name)
{
    PyObject *self = nj_type_alloc_untracked(&NjTypeVar_Type, 0);
    if (self) {
        TV(self)->name = Py_NewRef(name);
        nj_gc_track(self);
    }
    return self;
}

PyObject *
nj_typevar_make(PyObject *name, PyObject *evaluate_bound, PyObject *evaluate_constraints)
{
    PyObject *self = typevar_alloc(name);
    if (self) {
        TV(self)->evaluate_bound = Py_XNewRef(evaluate_bound);
        TV(self)->evaluate_constraints = Py_XNewRef(evaluate_constraints);
        TV(self)->infer_variance = true;
    }
    return self;
}

/* True, False or -1 for an optional bool argument. */
static int
flag_arg(PyObject *arg)
{
    return arg ? PyObject_IsTrue(arg) : 0;
}

static PyObject *
typevar_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    /* TypeVar(name, *constraints, bound, default, covariant, contravariant, ...) */
    static const char *const names[] = {"name",          "bound",          "default",
                                        "covariant",     "contravariant",
                                        "infer_variance", NULL};
    static const NjParams params = {"typevar", names, 1, 1, 0};
    PyObject *v[6] = {NULL};
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    NJ_OWN head = PyTuple_GetSlice(args, 0, n > 1 ? 1 : n);
    NJ_OWN constraints = PyTuple_GetSlice(args, n > 1 ? 1 : n, n);
    if (head == NULL || constraints == NULL ||
        nj_args_bind_tuple(&params, head, kwds, v) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(v[0])) {
        _PyArg_BadArgument("typevar", "argument 'name'", "str", v[0]);
        return NULL;
    }
    int co = flag_arg(v[3]), contra = flag_arg(v[4]), infer = flag_arg(v[5]);
    if (co < 0 || contra < 0 || infer < 0) {
        return NULL;
    }
    if (co && contra) {
        PyErr_SetString(PyExc_ValueError, "Bivariant types are not supported.");
        return NULL;
    }
    if (infer && (co || contra)) {
        PyErr_SetString(PyExc_ValueError,
                        "Variance cannot be specified with infer_variance.");
        return NULL;
    }
    NJ_OWN bound = NULL;
    if (v[1] && v[1] != Py_None) {
        NJ_SET(bound, type_check(v[1], "Bound must be a type."));
        if (bound == NULL) {
            return NULL;
        }
    }
    Py_ssize_t nc = PyTuple_GET_SIZE(constraints);
    if (nc == 1) {
        PyErr_SetString(PyExc_TypeError, "A single constraint is not allowed");
        return NULL;
    }
    if (nc > 0 && bound) {
        PyErr_SetString(PyExc_TypeError, "Constraints cannot be combined with bound=...");
        return NULL;
    }
    NJ_OWN self = typevar_alloc(v[0]);
    if (self == NULL) {
        return NULL;
    }
    TV(self)->bound = NJ_TAKE(bound);
    if (nc > 0) {
        TV(self)->constraints = NJ_TAKE(constraints);
    }
    TV(self)->default_value = Py_XNewRef(v[2]);
    TV(self)->covariant = co;
    TV(self)->contravariant = contra;
    TV(self)->infer_variance = infer;
    if (set_caller_module(self) < 0) {
        return NULL;
    }
    return NJ_TAKE(self);
}

static PyObject *
typevar_repr(PyObject *self)
{
    if (TV(self)->infer_variance) {
        return Py_NewRef(TV(self)->name);
    }
    char c = TV(self)->covariant ? '+' : TV(self)->contravariant ? '-' : '~';
    return PyUnicode_FromFormat("%c%U", c, TV(self)->name);
}

static PyObject *
typevar_get_bound(PyObject *self, void *closure)
{
    return lazy_value(&TV(self)->bound, TV(self)->evaluate_bound, Py_None);
}

static PyObject *
typevar_get_constraints(PyObject *self, void *closure)
{
    if (TV(self)->constraints == NULL && TV(self)->evaluate_constraints == NULL) {
        return PyTuple_New(0);
    }
    return lazy_value(&TV(self)->constraints, TV(self)->evaluate_constraints, NULL);
}

static PyObject *
typevar_get_default(PyObject *self, void *closure)
{
    return lazy_value(&TV(self)->default_value, TV(self)->evaluate_default,
                      &nj_no_default);
}

static PyObject *
typevar_get_evaluate_bound(PyObject *self, void *closure)
{
    return evaluator(TV(self)->evaluate_bound, TV(self)->bound);
}

static PyObject *
typevar_get_evaluate_constraints(PyObject *self, void *closure)
{
    return evaluator(TV(self)->evaluate_constraints, TV(self)->constraints);
}

static PyObject *
typevar_get_evaluate_default(PyObject *self, void *closure)
{
    return evaluator(TV(self)->evaluate_default, TV(self)->default_value);
}

static PyObject *
typevar_subst(PyObject *self, PyObject *arg)
{
    return call_typing("_typevar_subst", self, arg, NULL);
}

static PyObject *
typevar_prepare_subst(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("__typing_prepare_subst__", nargs, 2, 2)) {
        return NULL;
    }
    PyObject *alias = args[0], *given = args[1];
    NJ_OWN params = PyObject_GetAttr(alias, NJ_ID(__parameters__));
    Py_ssize_t n = params ? PySequence_Length(given) : -1;
    Py_ssize_t index = n < 0 ? -1 : PySequence_Index(params, self);
    if (index < 0) {
        return NULL;
    }
    if (index < n) {
        return Py_NewRef(given);
    }
    NJ_OWN dflt = typevar_get_default(self, NULL);
    if (dflt == NULL) {
        return NULL;
    }
    if (index == n && dflt != &nj_no_default) {
        NJ_OWN more = PyTuple_Pack(1, dflt);
        return more ? PySequence_Concat(given, more) : NULL;
    }
    PyErr_Format(PyExc_TypeError,
                 "Too few arguments for %S; actual %zd, expected at least %zd", alias, n,
                 index + 1);
    return NULL;
}

static PyObject *
param_reduce(PyObject *self, PyObject *unused)
{
    return Py_NewRef(TV(self)->name);
}

static PyObject *
typevar_has_default(PyObject *self, PyObject *unused)
{
    bool has = TV(self)->evaluate_default ||
               (TV(self)->default_value && TV(self)->default_value != &nj_no_default);
    return PyBool_FromLong(has);
}

static PyMethodDef typevar_methods[] = {
    {"__typing_subst__", typevar_subst, METH_O,
     "__typing_subst__($self, arg, /)\n--\n\n"},
    {"__typing_prepare_subst__", (PyCFunction)(void (*)(void))typevar_prepare_subst,
     METH_FASTCALL, "__typing_prepare_subst__($self, alias, args, /)\n--\n\n"},
    {"__reduce__", param_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"has_default", typevar_has_default, METH_NOARGS, "has_default($self, /)\n--\n\n"},
    {"__mro_entries__", refuse_subclass, METH_O,
     "__mro_entries__($self, object, /)\n--\n\n"},
    {0},
};
static PyMemberDef typevar_members[] = {
    {"__name__", _Py_T_OBJECT, offsetof(NjTypeVar, name), Py_READONLY},
    {"__covariant__", Py_T_BOOL, offsetof(NjTypeVar, covariant), Py_READONLY},
    {"__contravariant__", Py_T_BOOL, offsetof(NjTypeVar, contravariant), Py_READONLY},
    {"__infer_variance__", Py_T_BOOL, offsetof(NjTypeVar, infer_variance), Py_READONLY},
    {0},
};
static PyGetSetDef typevar_getset[] = {
    {"__bound__", typevar_get_bound},
    {"__constraints__", typevar_get_constraints},
    {"__default__", typevar_get_default},
    {"evaluate_bound", typevar_get_evaluate_bound},
    {"evaluate_constraints", typevar_get_evaluate_constraints},
    {"evaluate_default", typevar_get_evaluate_default},
    {0},
};
static PyNumberMethods param_as_number = {.nb_or = param_or};

#define PARAM_FLAGS                                                                    \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MANAGED_DICT |               \
     Py_TPFLAGS_MANAGED_WEAKREF)

PyTypeObject NjTypeVar_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "typing.TypeVar",
    .tp_basicsize = sizeof(NjTypeVar),
    .tp_dealloc = param_dealloc,
    .tp_repr = typevar_repr,
    .tp_as_number = &param_as_number,
    .tp_flags = PARAM_FLAGS,
    .tp_doc = "Type variable.\n\n"
              "The preferred way to construct a type variable is via the dedicated\n"
              "syntax for generic functions, classes, and type aliases: class C[T]: ...",
    .tp_traverse = typevar_traverse,
    .tp_clear = typevar_clear,
    .tp_methods = typevar_methods,
    .tp_members = typevar_members,
    .tp_getset = typevar_getset,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = typevar_new,
    .tp_free = PyObject_GC_Del,
};

/* ======================================================================================
 * ParamSpec
 * ====================================================================================== */

typedef struct NjParamSpec {
    PyObject_HEAD
    PyObject *name;
    PyObject *bound;
    PyObject *default_value, *evaluate_default;
    bool covariant, contravariant, infer_variance;
} NjParamSpec;
#define PS(o) ((NjParamSpec *)(o))

/* P.args and P.kwargs */
typedef struct NjParamSpecAttr {
    PyObject_HEAD
    PyObject *origin;
} NjParamSpecAttr;
#define PA(o) (((NjParamSpecAttr *)(o))->origin)

static int
paramspec_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(PS(self)->bound);
    Py_VISIT(PS(self)->default_value);
    Py_VISIT(PS(self)->evaluate_default);
    return PyObject_VisitManagedDict(self, visit, arg);
}

static int
paramspec_clear(PyObject *self)
{
    Py_CLEAR(PS(self)->bound);
    Py_CLEAR(PS(self)->default_value);
    Py_CLEAR(PS(self)->evaluate_default);
    PyObject_ClearManagedDict(self);
    return 0;
}

static PyObject *
paramspec_alloc(PyObject *name)
{
    PyObject *self = nj_type_alloc_untracked(&NjParamSpec_Type, 0);
    if (self) {
        PS(self)->name = Py_NewRef(name);
        nj_gc_track(self);
    }
    return self;
}

PyObject *
nj_paramspec_make(PyObject *name)
{
    PyObject *self = paramspec_alloc(name);
    if (self) {
        PS(self)->infer_variance = true;
    }
    return self;
}

static PyObject *
paramspec_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"name",          "bound",          "default",
                                        "covariant",     "contravariant",
                                        "infer_variance", NULL};
    static const NjParams params = {"paramspec", names, 1, 1, 0};
    PyObject *v[6] = {NULL};
    if (nj_args_bind_tuple(&params, args, kwds, v) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(v[0])) {
        _PyArg_BadArgument("paramspec", "argument 'name'", "str", v[0]);
        return NULL;
    }
    int co = flag_arg(v[3]), contra = flag_arg(v[4]), infer = flag_arg(v[5]);
    if (co < 0 || contra < 0 || infer < 0) {
        return NULL;
    }
    if (co && contra) {
        PyErr_SetString(PyExc_ValueError, "Bivariant types are not supported.");
        return NULL;
    }
    if (infer && (co || contra)) {
        PyErr_SetString(PyExc_ValueError,
                        "Variance cannot be specified with infer_variance.");
        return NULL;
    }
    NJ_OWN bound = v[1] && v[1] != Py_None ? Py_NewRef(v[1]) : NULL;
    NJ_OWN self = paramspec_alloc(v[0]);
    if (self == NULL) {
        return NULL;
    }
    PS(self)->bound = NJ_TAKE(bound);
    PS(self)->default_value = Py_XNewRef(v[2]);
    PS(self)->covariant = co;
    PS(self)->contravariant = contra;
    PS(self)->infer_variance = infer;
    if (set_caller_module(self) < 0) {
        return NULL;
    }
    return NJ_TAKE(self);
}

static PyObject *
paramspec_repr(PyObject *self)
{
    if (PS(self)->infer_variance) {
        return Py_NewRef(PS(self)->name);
    }
    char c = PS(self)->covariant ? '+' : PS(self)->contravariant ? '-' : '~';
    return PyUnicode_FromFormat("%c%U", c, PS(self)->name);
}

static PyObject *
make_attr(PyTypeObject *type, PyObject *origin)
{
    PyObject *self = nj_type_alloc_untracked(type, 0);
    if (self) {
        PA(self) = Py_NewRef(origin);
        nj_gc_track(self);
    }
    return self;
}

static PyObject *
paramspec_get_args(PyObject *self, void *closure)
{
    return make_attr(&NjParamSpecArgs_Type, self);
}

static PyObject *
paramspec_get_kwargs(PyObject *self, void *closure)
{
    return make_attr(&NjParamSpecKwargs_Type, self);
}

static PyObject *
paramspec_get_default(PyObject *self, void *closure)
{
    return lazy_value(&PS(self)->default_value, PS(self)->evaluate_default,
                      &nj_no_default);
}

static PyObject *
paramspec_get_evaluate_default(PyObject *self, void *closure)
{
    return evaluator(PS(self)->evaluate_default, PS(self)->default_value);
}

static PyObject *
paramspec_subst(PyObject *self, PyObject *arg)
{
    return call_typing("_paramspec_subst", self, arg, NULL);
}

static PyObject *
paramspec_prepare_subst(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("__typing_prepare_subst__", nargs, 2, 2)) {
        return NULL;
    }
    return call_typing("_paramspec_prepare_subst", self, args[0], args[1]);
}

static PyObject *
paramspec_has_default(PyObject *self, PyObject *unused)
{
    bool has = PS(self)->evaluate_default ||
               (PS(self)->default_value && PS(self)->default_value != &nj_no_default);
    return PyBool_FromLong(has);
}

static PyMethodDef paramspec_methods[] = {
    {"__typing_subst__", paramspec_subst, METH_O,
     "__typing_subst__($self, arg, /)\n--\n\n"},
    {"__typing_prepare_subst__", (PyCFunction)(void (*)(void))paramspec_prepare_subst,
     METH_FASTCALL, "__typing_prepare_subst__($self, alias, args, /)\n--\n\n"},
    {"has_default", paramspec_has_default, METH_NOARGS,
     "has_default($self, /)\n--\n\n"},
    {"__reduce__", param_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__mro_entries__", refuse_subclass, METH_O,
     "__mro_entries__($self, object, /)\n--\n\n"},
    {0},
};
static PyMemberDef paramspec_members[] = {
    {"__name__", _Py_T_OBJECT, offsetof(NjParamSpec, name), Py_READONLY},
    {"__bound__", _Py_T_OBJECT, offsetof(NjParamSpec, bound), Py_READONLY},
    {"__covariant__", Py_T_BOOL, offsetof(NjParamSpec, covariant), Py_READONLY},
    {"__contravariant__", Py_T_BOOL, offsetof(NjParamSpec, contravariant), Py_READONLY},
    {"__infer_variance__", Py_T_BOOL, offsetof(NjParamSpec, infer_variance),
     Py_READONLY},
    {0},
};
static PyGetSetDef paramspec_getset[] = {
    {"args", paramspec_get_args, NULL, "Represents positional arguments."},
    {"kwargs", paramspec_get_kwargs, NULL, "Represents keyword arguments."},
    {"__default__", paramspec_get_default, NULL, "The default value for this ParamSpec."},
    {"evaluate_default", paramspec_get_evaluate_default},
    {0},
};

PyTypeObject NjParamSpec_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "typing.ParamSpec",
    .tp_basicsize = sizeof(NjParamSpec),
    .tp_dealloc = param_dealloc,
    .tp_repr = paramspec_repr,
    .tp_as_number = &param_as_number,
    .tp_flags = PARAM_FLAGS,
    .tp_doc = "Parameter specification variable.\n\n"
              "The preferred way to construct a parameter specification is via the\n"
              "dedicated syntax for generic functions, classes, and type aliases.\n"
              "It can be looked into:\n\n"
              ">>> P = ParamSpec('P')\n"
              ">>> P.__name__\n"
              "'P'",
    .tp_traverse = paramspec_traverse,
    .tp_clear = paramspec_clear,
    .tp_methods = paramspec_methods,
    .tp_members = paramspec_members,
    .tp_getset = paramspec_getset,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = paramspec_new,
    .tp_free = PyObject_GC_Del,
};

/* ---- P.args, P.kwargs ---- */

static void
attr_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    PyObject_ClearWeakRefs(self);
    Py_CLEAR(PA(self));
    PyObject_GC_Del(self);
}

static int
attr_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(PA(self));
    return 0;
}

static int
attr_clear(PyObject *self)
{
    Py_CLEAR(PA(self));
    return 0;
}

static PyObject *
attr_repr(PyObject *self)
{
    const char *what = Py_IS_TYPE(self, &NjParamSpecArgs_Type) ? "args" : "kwargs";
    if (Py_IS_TYPE(PA(self), &NjParamSpec_Type)) {
        return PyUnicode_FromFormat("%U.%s", PS(PA(self))->name, what);
    }
    return PyUnicode_FromFormat("%R.%s", PA(self), what);
}

static PyObject *
attr_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!Py_IS_TYPE(b, Py_TYPE(a)) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return PyObject_RichCompare(PA(a), PA(b), op);
}

static PyObject *
attr_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"origin", NULL};
    NjParams params = {Py_IS_TYPE(type, &PyType_Type) && type == &NjParamSpecArgs_Type
                           ? "paramspecargs"
                           : "paramspeckwargs",
                       names, 1, 1, 0};
    PyObject *origin;
    if (nj_args_bind_tuple(&params, args, kwds, &origin) < 0) {
        return NULL;
    }
    return make_attr(type, origin);
}

static PyMemberDef attr_members[] = {
    {"__origin__", _Py_T_OBJECT, offsetof(NjParamSpecAttr, origin), Py_READONLY},
    {0},
};
static PyMethodDef attr_methods[] = {
    {"__mro_entries__", refuse_subclass, METH_O,
     "__mro_entries__($self, object, /)\n--\n\n"},
    {0},
};

#define ATTR_TYPE(sym, tpname, doc)                                                    \
    PyTypeObject sym = {                                                               \
        PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = tpname,                       \
        .tp_basicsize = sizeof(NjParamSpecAttr),                                       \
        .tp_dealloc = attr_dealloc,                                                    \
        .tp_repr = attr_repr,                                                          \
        .tp_flags =                                                                    \
            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MANAGED_WEAKREF,      \
        .tp_doc = doc,                                                                 \
        .tp_traverse = attr_traverse,                                                  \
        .tp_clear = attr_clear,                                                        \
        .tp_richcompare = attr_richcompare,                                            \
        .tp_methods = attr_methods,                                                    \
        .tp_members = attr_members,                                                    \
        .tp_alloc = PyType_GenericAlloc,                                               \
        .tp_new = attr_new,                                                            \
        .tp_free = PyObject_GC_Del,                                                    \
    };
ATTR_TYPE(NjParamSpecArgs_Type, "typing.ParamSpecArgs",
          "The args for a ParamSpec object.\n\nGiven a ParamSpec object P, P.args is an "
          "instance of ParamSpecArgs that knows where it comes from:\n\n"
          ">>> P = ParamSpec('P')\n"
          ">>> P.args.__origin__ is P\n"
          "True")
ATTR_TYPE(NjParamSpecKwargs_Type, "typing.ParamSpecKwargs",
          "The kwargs for a ParamSpec object.\n\nGiven a ParamSpec object P, P.kwargs is "
          "an instance of ParamSpecKwargs that knows where it comes from:\n\n"
          ">>> P = ParamSpec('P')\n"
          ">>> P.kwargs.__origin__ is P\n"
          "True")

/* ======================================================================================
 * TypeVarTuple
 * ====================================================================================== */

typedef struct NjTypeVarTuple {
    PyObject_HEAD
    PyObject *name;
    PyObject *default_value, *evaluate_default;
} NjTypeVarTuple;
#define TVT(o) ((NjTypeVarTuple *)(o))

static int
typevartuple_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(TVT(self)->default_value);
    Py_VISIT(TVT(self)->evaluate_default);
    return PyObject_VisitManagedDict(self, visit, arg);
}

static int
typevartuple_clear(PyObject *self)
{
    Py_CLEAR(TVT(self)->default_value);
    Py_CLEAR(TVT(self)->evaluate_default);
    PyObject_ClearManagedDict(self);
    return 0;
}

PyObject *
nj_typevartuple_make(PyObject *name)
{
    PyObject *self = nj_type_alloc_untracked(&NjTypeVarTuple_Type, 0);
    if (self) {
        TVT(self)->name = Py_NewRef(name);
        nj_gc_track(self);
    }
    return self;
}

static PyObject *
typevartuple_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"name", "default", NULL};
    static const NjParams params = {"typevartuple", names, 1, 1, 0};
    PyObject *v[2] = {NULL};
    if (nj_args_bind_tuple(&params, args, kwds, v) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(v[0])) {
        _PyArg_BadArgument("typevartuple", "argument 'name'", "str", v[0]);
        return NULL;
    }
    NJ_OWN self = nj_typevartuple_make(v[0]);
    if (self == NULL) {
        return NULL;
    }
    TVT(self)->default_value = Py_XNewRef(v[1]);
    if (set_caller_module(self) < 0) {
        return NULL;
    }
    return NJ_TAKE(self);
}

static PyObject *
typevartuple_repr(PyObject *self)
{
    return Py_NewRef(TVT(self)->name);
}

/* typing.Unpack[self] */
static PyObject *
unpacked(PyObject *self)
{
    NJ_OWN typing = PyImport_ImportModule("typing");
    NJ_OWN unpack = typing ? PyObject_GetAttrString(typing, "Unpack") : NULL;
    return unpack ? PyObject_GetItem(unpack, self) : NULL;
}

static PyObject *
iter_unpacked(PyObject *self)
{
    NJ_OWN u = unpacked(self);
    NJ_OWN one = u ? PyTuple_Pack(1, u) : NULL;
    return one ? PyObject_GetIter(one) : NULL;
}

static PyObject *
typevartuple_subst(PyObject *self, PyObject *arg)
{
    PyErr_SetString(PyExc_TypeError, "Substitution of bare TypeVarTuple is not supported");
    return NULL;
}

static PyObject *
typevartuple_prepare_subst(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("__typing_prepare_subst__", nargs, 2, 2)) {
        return NULL;
    }
    return call_typing("_typevartuple_prepare_subst", self, args[0], args[1]);
}

static PyObject *
typevartuple_get_default(PyObject *self, void *closure)
{
    return lazy_value(&TVT(self)->default_value, TVT(self)->evaluate_default,
                      &nj_no_default);
}

static PyObject *
typevartuple_get_evaluate_default(PyObject *self, void *closure)
{
    return evaluator(TVT(self)->evaluate_default, TVT(self)->default_value);
}

static PyObject *
typevartuple_has_default(PyObject *self, PyObject *unused)
{
    bool has = TVT(self)->evaluate_default ||
               (TVT(self)->default_value && TVT(self)->default_value != &nj_no_default);
    return PyBool_FromLong(has);
}

static PyMethodDef typevartuple_methods[] = {
    {"__typing_subst__", typevartuple_subst, METH_O,
     "__typing_subst__($self, arg, /)\n--\n\n"},
    {"__typing_prepare_subst__",
     (PyCFunction)(void (*)(void))typevartuple_prepare_subst, METH_FASTCALL,
     "__typing_prepare_subst__($self, alias, args, /)\n--\n\n"},
    {"__reduce__", param_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"has_default", typevartuple_has_default, METH_NOARGS,
     "has_default($self, /)\n--\n\n"},
    {"__mro_entries__", refuse_subclass, METH_O,
     "__mro_entries__($self, object, /)\n--\n\n"},
    {0},
};
static PyMemberDef typevartuple_members[] = {
    {"__name__", _Py_T_OBJECT, offsetof(NjTypeVarTuple, name), Py_READONLY},
    {0},
};
static PyGetSetDef typevartuple_getset[] = {
    {"__default__", typevartuple_get_default, NULL,
     "The default value for this TypeVarTuple."},
    {"evaluate_default", typevartuple_get_evaluate_default},
    {0},
};

PyTypeObject NjTypeVarTuple_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "typing.TypeVarTuple",
    .tp_basicsize = sizeof(NjTypeVarTuple),
    .tp_dealloc = param_dealloc,
    .tp_repr = typevartuple_repr,
    .tp_flags = PARAM_FLAGS,
    .tp_doc = "Type variable tuple. A specialized form of type variable that enables\n"
              "variadic generics.",
    .tp_traverse = typevartuple_traverse,
    .tp_clear = typevartuple_clear,
    .tp_iter = iter_unpacked,
    .tp_methods = typevartuple_methods,
    .tp_members = typevartuple_members,
    .tp_getset = typevartuple_getset,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = typevartuple_new,
    .tp_free = PyObject_GC_Del,
};

PyObject *
nj_typevar_set_default(PyObject *param, PyObject *evaluate_default)
{
    PyObject **slot;
    if (Py_IS_TYPE(param, &NjTypeVar_Type)) {
        slot = &TV(param)->evaluate_default;
    }
    else if (Py_IS_TYPE(param, &NjParamSpec_Type)) {
        slot = &PS(param)->evaluate_default;
    }
    else if (Py_IS_TYPE(param, &NjTypeVarTuple_Type)) {
        slot = &TVT(param)->evaluate_default;
    }
    else {
        PyErr_Format(PyExc_TypeError, "Expected a type param, got %R", param);
        return NULL;
    }
    Py_XSETREF(*slot, Py_NewRef(evaluate_default));
    return Py_NewRef(param);
}

/* ======================================================================================
 * TypeAliasType
 * ====================================================================================== */

typedef struct NjTypeAlias {
    PyObject_HEAD
    PyObject *name;
    PyObject *type_params;   /* tuple or NULL */
    PyObject *compute_value; /* function or NULL */
    PyObject *value;         /* NULL until computed */
    PyObject *module;        /* or NULL: that of compute_value */
} NjTypeAlias;
#define TA(o) ((NjTypeAlias *)(o))

static PyObject *
typealias_alloc(PyObject *name, PyObject *params, PyObject *compute, PyObject *value,
                PyObject *module)
{
    NjTypeAlias *a = PyObject_GC_New(NjTypeAlias, &NjTypeAlias_Type);
    if (a == NULL) {
        return NULL;
    }
    a->name = Py_NewRef(name);
    a->type_params = Py_XNewRef(params);
    a->compute_value = Py_XNewRef(compute);
    a->value = Py_XNewRef(value);
    a->module = Py_XNewRef(module);
    nj_gc_track((PyObject *)a);
    return (PyObject *)a;
}

PyObject *
nj_typealias_make(PyObject *args)
{
    PyObject *params = PyTuple_GET_ITEM(args, 1);
    if (Py_IsNone(params) || PyTuple_GET_SIZE(params) == 0) {
        params = NULL;
    }
    return typealias_alloc(PyTuple_GET_ITEM(args, 0), params, PyTuple_GET_ITEM(args, 2),
                           NULL, NULL);
}

static int
check_type_params(PyObject *params)
{
    bool default_seen = false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(params); i++) {
        PyObject *p = PyTuple_GET_ITEM(params, i);
        if (!Py_IS_TYPE(p, &NjTypeVar_Type) && !Py_IS_TYPE(p, &NjParamSpec_Type) &&
            !Py_IS_TYPE(p, &NjTypeVarTuple_Type)) {
            PyErr_Format(PyExc_TypeError, "Expected a type param, got %R", p);
            return -1;
        }
        NJ_OWN dflt = PyObject_GetAttr(p, NJ_ID(__default__));
        if (dflt == NULL) {
            return -1;
        }
        if (dflt == &nj_no_default) {
            if (default_seen) {
                PyErr_Format(PyExc_TypeError,
                             "non-default type parameter '%R' follows default type "
                             "parameter",
                             p);
                return -1;
            }
        }
        else {
            default_seen = true;
        }
    }
    return 0;
}

static PyObject *
typealias_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"name", "value", "type_params", NULL};
    static const NjParams params = {"typealias", names, 2, 2, 0};
    PyObject *v[3] = {NULL};
    if (nj_args_bind_tuple(&params, args, kwds, v) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(v[0])) {
        _PyArg_BadArgument("typealias", "argument 'name'", "str", v[0]);
        return NULL;
    }
    if (v[2]) {
        if (!PyTuple_Check(v[2])) {
            PyErr_SetString(PyExc_TypeError, "type_params must be a tuple");
            return NULL;
        }
        if (check_type_params(v[2]) < 0) {
            return NULL;
        }
        if (PyTuple_GET_SIZE(v[2]) == 0) {
            v[2] = NULL;
        }
    }
    NJ_OWN mod = caller_module();
    if (mod == NULL && PyErr_Occurred()) {
        return NULL;
    }
    return typealias_alloc(v[0], v[2], NULL, v[1], mod);
}

static void
typealias_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(TA(self)->name);
    Py_XDECREF(TA(self)->type_params);
    Py_XDECREF(TA(self)->compute_value);
    Py_XDECREF(TA(self)->value);
    Py_XDECREF(TA(self)->module);
    PyObject_GC_Del(self);
}

static int
typealias_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(TA(self)->type_params);
    Py_VISIT(TA(self)->compute_value);
    Py_VISIT(TA(self)->value);
    Py_VISIT(TA(self)->module);
    return 0;
}

static int
typealias_clear(PyObject *self)
{
    Py_CLEAR(TA(self)->type_params);
    Py_CLEAR(TA(self)->compute_value);
    Py_CLEAR(TA(self)->value);
    Py_CLEAR(TA(self)->module);
    return 0;
}

static PyObject *
typealias_repr(PyObject *self)
{
    return Py_NewRef(TA(self)->name);
}

static PyObject *
typealias_get_value(PyObject *self, void *closure)
{
    return lazy_value(&TA(self)->value, TA(self)->compute_value, Py_None);
}

static PyObject *
typealias_get_evaluate_value(PyObject *self, void *closure)
{
    return evaluator(TA(self)->compute_value, TA(self)->value);
}

/* TypeVarTuples appear unpacked among the parameters. */
static PyObject *
typealias_get_parameters(PyObject *self, void *closure)
{
    PyObject *params = TA(self)->type_params;
    if (params == NULL) {
        return PyTuple_New(0);
    }
    NJ_OWN list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < PyTuple_GET_SIZE(params); i++) {
        PyObject *p = PyTuple_GET_ITEM(params, i);
        NJ_OWN shown = Py_IS_TYPE(p, &NjTypeVarTuple_Type) ? unpacked(p) : Py_NewRef(p);
        if (shown == NULL || PyList_Append(list, shown) < 0) {
            return NULL;
        }
    }
    return list ? PyList_AsTuple(list) : NULL;
}

static PyObject *
typealias_get_type_params(PyObject *self, void *closure)
{
    PyObject *params = TA(self)->type_params;
    return params ? Py_NewRef(params) : PyTuple_New(0);
}

static PyObject *
typealias_get_module(PyObject *self, void *closure)
{
    if (TA(self)->module) {
        return Py_NewRef(TA(self)->module);
    }
    if (TA(self)->compute_value) {
        return PyObject_GetAttr(TA(self)->compute_value, NJ_ID(__module__));
    }
    Py_RETURN_NONE;
}

static PyObject *
typealias_getitem(PyObject *self, PyObject *args)
{
    if (TA(self)->type_params == NULL) {
        PyErr_SetString(PyExc_TypeError, "Only generic type aliases are subscriptable");
        return NULL;
    }
    return Py_GenericAlias(self, args);
}

static PyObject *
typealias_reduce(PyObject *self, PyObject *unused)
{
    return Py_NewRef(TA(self)->name);
}

static PyMethodDef typealias_methods[] = {
    {"__reduce__", typealias_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};
static PyMemberDef typealias_members[] = {
    {"__name__", _Py_T_OBJECT, offsetof(NjTypeAlias, name), Py_READONLY},
    {0},
};
static PyGetSetDef typealias_getset[] = {
    {"__parameters__", typealias_get_parameters},
    {"__type_params__", typealias_get_type_params},
    {"__value__", typealias_get_value},
    {"evaluate_value", typealias_get_evaluate_value},
    {"__module__", typealias_get_module},
    {0},
};
static PyNumberMethods typealias_as_number = {.nb_or = nj_union_or};
static PyMappingMethods typealias_as_mapping = {.mp_subscript = typealias_getitem};

PyTypeObject NjTypeAlias_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "typing.TypeAliasType",
    .tp_basicsize = sizeof(NjTypeAlias),
    .tp_dealloc = typealias_dealloc,
    .tp_repr = typealias_repr,
    .tp_as_number = &typealias_as_number,
    .tp_as_mapping = &typealias_as_mapping,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Type alias.\n\n"
              "Type aliases are created through the type statement::\n\n"
              "    type Alias = int\n",
    .tp_traverse = typealias_traverse,
    .tp_clear = typealias_clear,
    .tp_iter = iter_unpacked,
    .tp_methods = typealias_methods,
    .tp_members = typealias_members,
    .tp_getset = typealias_getset,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = typealias_new,
    .tp_free = PyObject_GC_Del,
};

/* ======================================================================================
 * Generic
 * ====================================================================================== */

/* typing.name(cls, *args, **kwargs) */
static PyObject *
call_typing_class(const char *name, PyObject *cls, PyObject *args, PyObject *kwargs)
{
    NJ_OWN typing = PyImport_ImportModule("typing");
    NJ_OWN func = typing ? PyObject_GetAttrString(typing, name) : NULL;
    if (func == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    NJ_OWN full = PyTuple_New(n + 1);
    if (full == NULL) {
        return NULL;
    }
    PyTuple_SET_ITEM(full, 0, Py_NewRef(cls));
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(full, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    }
    return PyObject_Call(func, full, kwargs);
}

static PyObject *
generic_class_getitem(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    return call_typing_class("_generic_class_getitem", cls, args, kwargs);
}

static PyObject *
generic_init_subclass(PyObject *cls, PyObject *args, PyObject *kwargs)
{
    return call_typing_class("_generic_init_subclass", cls, args, kwargs);
}

static PyMethodDef generic_methods[] = {
    {"__class_getitem__", (PyCFunction)(void (*)(void))generic_class_getitem,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS,
     "Parameterizes a generic class: Foo[int] calls it with cls=Foo, args=int."},
    {"__init_subclass__", (PyCFunction)(void (*)(void))generic_init_subclass,
     METH_VARARGS | METH_KEYWORDS | METH_CLASS, "Function to initialize subclasses."},
    {0},
};

static int
generic_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

/* A class of its own in each interpreter: copyreg takes the first base that is not a class
 * of Python code for one that can copy itself, which Generic cannot. */
static PyType_Slot generic_slots[] = {
    {Py_tp_doc, "Abstract base class for generic types.\n\n"
                "On Python 3.12 and newer, generic classes implicitly inherit from\n"
                "Generic when they declare a parameter list after the class's name."},
    {Py_tp_methods, generic_methods},
    {Py_tp_traverse, generic_traverse},
    {0, NULL},
};

static PyType_Spec generic_spec = {
    .name = "typing.Generic",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = generic_slots,
};

/* typing.Generic of this interpreter: borrowed, NULL with an exception. */
static PyObject *
generic_class(void)
{
    PyObject **slot = &nj_interp()->types.typing_cache[0];
    if (*slot == NULL) {
        *slot = PyType_FromSpec(&generic_spec);
    }
    return *slot;
}

PyObject *
nj_subscript_generic(PyObject *params)
{
    /* class C[*Ts]: the base is Generic[*Ts] */
    NJ_OWN list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < PyTuple_GET_SIZE(params); i++) {
        PyObject *p = PyTuple_GET_ITEM(params, i);
        NJ_OWN shown = Py_IS_TYPE(p, &NjTypeVarTuple_Type) ? unpacked(p) : Py_NewRef(p);
        if (shown == NULL || PyList_Append(list, shown) < 0) {
            return NULL;
        }
    }
    NJ_OWN args = list ? PyList_AsTuple(list) : NULL;
    NJ_OWN typing = args ? PyImport_ImportModule("typing") : NULL;
    NJ_OWN alias = typing ? PyObject_GetAttrString(typing, "_GenericAlias") : NULL;
    if (alias == NULL) {
        return NULL;
    }
    PyObject *generic = generic_class();
    return generic ? PyObject_CallFunctionObjArgs(alias, generic, args, NULL) : NULL;
}

int
nj_typing_types_ready(void)
{
    PyTypeObject *const types[] = {
        &NjTypeVar_Type,        &NjParamSpec_Type,       &NjTypeVarTuple_Type,
        &NjParamSpecArgs_Type,  &NjParamSpecKwargs_Type,
    };
    NJ_OWN typing = PyUnicode_InternFromString("typing");
    for (size_t i = 0; typing && i < NJ_ARRAY_LEN(types); i++) {
        if (PyDict_SetItem(types[i]->tp_dict, NJ_ID(__module__), typing) < 0) {
            return -1;
        }
    }
    NJ_OWN match = Py_BuildValue("(ssss)", "value", "expression", "conversion",
                                 "format_spec");
    if (typing == NULL || match == NULL) {
        return -1;
    }
    return PyDict_SetItem(NjInterpolation_Type.tp_dict, NJ_ID(__match_args__), match);
}

/* ======================================================================================
 * The module _typing
 * ====================================================================================== */

static PyObject *
typing_idfunc(PyObject *module, PyObject *x)
{
    return Py_NewRef(x);
}

static PyMethodDef typing_functions[] = {
    {"_idfunc", typing_idfunc, METH_O, "_idfunc($module, x, /)\n--\n\n"},
    {0},
};

static int
typing_exec(PyObject *m)
{
    static const struct {
        const char *name;
        PyTypeObject *type;
    } types[] = {
        {"TypeVar", &NjTypeVar_Type},
        {"TypeVarTuple", &NjTypeVarTuple_Type},
        {"ParamSpec", &NjParamSpec_Type},
        {"ParamSpecArgs", &NjParamSpecArgs_Type},
        {"ParamSpecKwargs", &NjParamSpecKwargs_Type},
        {"TypeAliasType", &NjTypeAlias_Type},
        {"Union", &_PyUnion_Type},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(types); i++) {
        if (PyModule_AddObjectRef(m, types[i].name, (PyObject *)types[i].type) < 0) {
            return -1;
        }
    }
    if (PyModule_AddObjectRef(m, "Generic", generic_class()) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(m, "NoDefault", &nj_no_default);
}

static PyModuleDef_Slot typing_slots[] = {
    {Py_mod_exec, typing_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef typing_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_typing",
    .m_doc = "Primitives and accelerators for the typing module.\n",
    .m_methods = typing_functions,
    .m_slots = typing_slots,
};

PyMODINIT_FUNC PyInit__typing(void);

PyMODINIT_FUNC
PyInit__typing(void)
{
    return PyModuleDef_Init(&typing_module);
}

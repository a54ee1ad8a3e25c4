/* generic_alias.c - types.GenericAlias: list[int]
 *
 * An alias remembers origin and arguments and otherwise behaves like the origin: calls and
 * most attributes go there. Substitution (list[T][int]) follows a protocol that typing
 * shares: a parameter has __typing_subst__, may have __typing_prepare_subst__, and anything
 * with __parameters__ is subscribed in turn.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "objects/typing_int.h"
#include "runtime/gc.h"

typedef struct NjGenericAlias {
    PyObject_HEAD
    PyObject *origin;     /* owned */
    PyObject *args;       /* owned tuple */
    PyObject *parameters; /* owned tuple, computed on demand */
    PyObject *weakreflist;
    bool starred; /* *tuple[int] */
    vectorcallfunc vectorcall;
} NjGenericAlias;
#define GA(o) ((NjGenericAlias *)(o))

/* ======================================================================================
 * Repr of an argument
 * ====================================================================================== */

PyObject *
nj_typing_type_repr(PyObject *p)
{
    if (p == Py_Ellipsis) {
        return PyUnicode_FromString("...");
    }
    if (p == (PyObject *)&_PyNone_Type) {
        return PyUnicode_FromString("None");
    }
    PyObject *found;
    int r = PyObject_HasAttrWithError(p, NJ_ID(__origin__));
    if (r > 0) {
        r = PyObject_HasAttrWithError(p, NJ_ID(__args__));
    }
    if (r < 0) {
        return NULL;
    }
    if (r > 0) {
        return PyObject_Repr(p); /* another alias */
    }
    if (PyObject_GetOptionalAttr(p, NJ_ID(__qualname__), &found) < 0) {
        return NULL;
    }
    NJ_OWN qualname = found;
    if (qualname == NULL) {
        return PyObject_Repr(p);
    }
    if (PyObject_GetOptionalAttr(p, NJ_ID(__module__), &found) < 0) {
        return NULL;
    }
    NJ_OWN module = found;
    if (module == NULL || module == Py_None) {
        return PyObject_Repr(p);
    }
    if (PyUnicode_Check(module) && PyUnicode_EqualToUTF8(module, "builtins")) {
        return PyObject_Str(qualname);
    }
    return PyUnicode_FromFormat("%S.%S", module, qualname);
}

static PyObject *
repr_list(PyObject *seq)
{
    NJ_OWN parts = PyList_New(0);
    Py_ssize_t n = PyList_GET_SIZE(seq);
    for (Py_ssize_t i = 0; parts && i < n; i++) {
        NJ_OWN item = PyList_GetItemRef(seq, i); /* a repr may shrink the list */
        NJ_OWN s = item ? nj_typing_type_repr(item) : NULL;
        if (s == NULL || PyList_Append(parts, s) < 0) {
            return NULL;
        }
    }
    NJ_OWN sep = PyUnicode_FromString(", ");
    NJ_OWN text = sep && parts ? PyUnicode_Join(sep, parts) : NULL;
    return text ? PyUnicode_FromFormat("[%U]", text) : NULL;
}

static PyObject *
ga_repr(PyObject *self)
{
    NjGenericAlias *a = GA(self);
    NJ_OWN origin = nj_typing_type_repr(a->origin);
    NJ_OWN parts = PyList_New(0);
    if (origin == NULL || parts == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a->args); i++) {
        PyObject *arg = PyTuple_GET_ITEM(a->args, i);
        NJ_OWN s = PyList_Check(arg) ? repr_list(arg) : nj_typing_type_repr(arg);
        if (s == NULL || PyList_Append(parts, s) < 0) {
            return NULL;
        }
    }
    NJ_OWN sep = PyUnicode_FromString(", ");
    NJ_OWN text = sep ? PyUnicode_Join(sep, parts) : NULL;
    if (text == NULL) {
        return NULL;
    }
    return PyUnicode_FromFormat("%s%U[%s%U]", a->starred ? "*" : "", origin,
                                PyTuple_GET_SIZE(a->args) == 0 ? "()" : "", text);
}

/* ======================================================================================
 * Parameters and substitution
 * ====================================================================================== */

static int
add_parameter(PyObject *list, PyObject *p)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        if (PyList_GET_ITEM(list, i) == p) {
            return 0;
        }
    }
    return PyList_Append(list, p);
}

static int
collect_parameters(PyObject *args, PyObject *list)
{
    bool is_tuple = PyTuple_Check(args);
    Py_ssize_t n = is_tuple ? PyTuple_GET_SIZE(args) : PyList_GET_SIZE(args);
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN t =
            Py_NewRef(is_tuple ? PyTuple_GET_ITEM(args, i) : PyList_GET_ITEM(args, i));
        if (PyType_Check(t)) {
            continue; /* int has no parameters: the common case, quickly */
        }
        int r = PyObject_HasAttrWithError(t, NJ_ID(__typing_subst__));
        if (r < 0) {
            return -1;
        }
        if (r) {
            if (add_parameter(list, t) < 0) {
                return -1;
            }
            continue;
        }
        if (PyTuple_Check(t) || PyList_Check(t)) {
            if (Py_EnterRecursiveCall(" in __parameter__ calculation")) {
                return -1;
            }
            r = collect_parameters(t, list);
            Py_LeaveRecursiveCall();
            if (r < 0) {
                return -1;
            }
            continue;
        }
        PyObject *found;
        if (PyObject_GetOptionalAttr(t, NJ_ID(__parameters__), &found) < 0) {
            return -1;
        }
        NJ_OWN sub = found;
        if (sub && PyTuple_Check(sub)) {
            for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(sub); j++) {
                if (add_parameter(list, PyTuple_GET_ITEM(sub, j)) < 0) {
                    return -1;
                }
            }
        }
    }
    return 0;
}

PyObject *
nj_typing_parameters(PyObject *args)
{
    NJ_OWN list = PyList_New(0);
    if (list == NULL || collect_parameters(args, list) < 0) {
        return NULL;
    }
    return PyList_AsTuple(list);
}

/* One subscript or a tuple of them, with *tuple[...] spread out. New list. */
static PyObject *
unpack_args(PyObject *item)
{
    NJ_OWN list = PyList_New(0);
    bool is_tuple = PyTuple_Check(item);
    Py_ssize_t n = is_tuple ? PyTuple_GET_SIZE(item) : 1;
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *x = is_tuple ? PyTuple_GET_ITEM(item, i) : item;
        if (!PyType_Check(x)) {
            PyObject *found;
            if (PyObject_GetOptionalAttr(x, NJ_ID(__typing_unpacked_tuple_args__),
                                         &found) < 0) {
                return NULL;
            }
            NJ_OWN sub = found;
            if (sub && PyTuple_Check(sub)) {
                Py_ssize_t k = PyTuple_GET_SIZE(sub);
                if (!(k && PyTuple_GET_ITEM(sub, k - 1) == Py_Ellipsis)) {
                    if (PyList_Extend(list, sub) < 0) {
                        return NULL;
                    }
                    continue;
                }
            }
        }
        if (PyList_Append(list, x) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static Py_ssize_t
index_of(PyObject *tuple, PyObject *x)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple); i++) {
        if (PyTuple_GET_ITEM(tuple, i) == x) {
            return i;
        }
    }
    return -1;
}

/* obj with its own parameters replaced: obj[...]. New reference. */
static PyObject *
subscribe_nested(PyObject *obj, PyObject *params, PyObject *items)
{
    PyObject *found;
    if (PyObject_GetOptionalAttr(obj, NJ_ID(__parameters__), &found) < 0) {
        return NULL;
    }
    NJ_OWN sub = found;
    if (sub == NULL || !PyTuple_Check(sub) || PyTuple_GET_SIZE(sub) == 0) {
        return Py_NewRef(obj);
    }
    NJ_OWN list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < PyTuple_GET_SIZE(sub); i++) {
        PyObject *arg = PyTuple_GET_ITEM(sub, i);
        Py_ssize_t k = index_of(params, arg);
        if (k < 0) {
            if (PyList_Append(list, arg) < 0) {
                return NULL;
            }
            continue;
        }
        PyObject *value = PyTuple_GET_ITEM(items, k);
        /* a TypeVarTuple stands for several */
        if (PyTuple_Check(value) && Py_TYPE(arg)->tp_iter) {
            if (PyList_Extend(list, value) < 0) {
                return NULL;
            }
        }
        else if (PyList_Append(list, value) < 0) {
            return NULL;
        }
    }
    NJ_OWN key = list ? PyList_AsTuple(list) : NULL;
    return key ? PyObject_GetItem(obj, key) : NULL;
}

static int
is_unpacked_typevartuple(PyObject *arg)
{
    if (PyType_Check(arg)) {
        return 0;
    }
    PyObject *v;
    int r = PyObject_GetOptionalAttr(arg, NJ_ID(__typing_is_unpacked_typevartuple__), &v);
    if (r > 0) {
        r = PyObject_IsTrue(v);
        Py_DECREF(v);
    }
    return r;
}

static PyObject *
substitute(PyObject *args, PyObject *params, PyObject *items)
{
    bool is_tuple = PyTuple_Check(args);
    Py_ssize_t n = is_tuple ? PyTuple_GET_SIZE(args) : PyList_GET_SIZE(args);
    NJ_OWN out = PyList_New(0);
    for (Py_ssize_t i = 0; out && i < n; i++) {
        NJ_OWN arg =
            Py_NewRef(is_tuple ? PyTuple_GET_ITEM(args, i) : PyList_GET_ITEM(args, i));
        if (PyType_Check(arg)) {
            if (PyList_Append(out, arg) < 0) {
                return NULL;
            }
            continue;
        }
        if (PyTuple_Check(arg) || PyList_Check(arg)) {
            if (Py_EnterRecursiveCall(" in __parameter__ calculation")) {
                return NULL;
            }
            NJ_OWN sub = substitute(arg, params, items);
            Py_LeaveRecursiveCall();
            if (sub == NULL) {
                return NULL;
            }
            NJ_OWN same =
                PyTuple_Check(arg) ? Py_NewRef(sub) : PySequence_List(sub);
            if (same == NULL || PyList_Append(out, same) < 0) {
                return NULL;
            }
            continue;
        }
        int unpack = is_unpacked_typevartuple(arg);
        PyObject *found;
        if (unpack < 0 ||
            PyObject_GetOptionalAttr(arg, NJ_ID(__typing_subst__), &found) < 0) {
            return NULL;
        }
        NJ_OWN subst = found;
        NJ_OWN value = NULL;
        if (subst) {
            Py_ssize_t k = index_of(params, arg);
            if (k < 0) {
                PyErr_Format(PyExc_TypeError, "%R not found in __parameters__", arg);
                return NULL;
            }
            NJ_SET(value, PyObject_CallOneArg(subst, PyTuple_GET_ITEM(items, k)));
        }
        else {
            NJ_SET(value, subscribe_nested(arg, params, items));
        }
        if (value == NULL) {
            return NULL;
        }
        if (unpack) {
            if (!PyTuple_Check(value)) {
                PyErr_Format(PyExc_TypeError,
                             "expected __typing_subst__ of %T objects to return a tuple, "
                             "not %T",
                             arg, value);
                return NULL;
            }
            if (PyList_Extend(out, value) < 0) {
                return NULL;
            }
        }
        else if (PyList_Append(out, value) < 0) {
            return NULL;
        }
    }
    return out ? PyList_AsTuple(out) : NULL;
}

PyObject *
nj_typing_subs_parameters(PyObject *self, PyObject *args, PyObject *params,
                          PyObject *item)
{
    Py_ssize_t n = PyTuple_GET_SIZE(params);
    if (n == 0) {
        PyErr_Format(PyExc_TypeError, "%R is not a generic class", self);
        return NULL;
    }
    NJ_OWN list = unpack_args(item);
    NJ_OWN items = list ? PyList_AsTuple(list) : NULL;
    if (items == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *found;
        if (PyObject_GetOptionalAttr(PyTuple_GET_ITEM(params, i),
                                     NJ_ID(__typing_prepare_subst__), &found) < 0) {
            return NULL;
        }
        NJ_OWN prepare = found;
        if (prepare && prepare != Py_None) {
            NJ_SET(items, PyObject_CallFunctionObjArgs(prepare, self, items, NULL));
            if (items == NULL) {
                return NULL;
            }
            if (!PyTuple_Check(items)) {
                NJ_SET(items, PyTuple_Pack(1, items));
                if (items == NULL) {
                    return NULL;
                }
            }
        }
    }
    Py_ssize_t k = PyTuple_GET_SIZE(items);
    if (k != n) {
        PyErr_Format(PyExc_TypeError, "Too %s arguments for %R; actual %zd, expected %zd",
                     k > n ? "many" : "few", self, k, n);
        return NULL;
    }
    return substitute(args, params, items);
}

/* ======================================================================================
 * The type
 * ====================================================================================== */

static PyObject *
ga_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    NJ_OWN obj = PyObject_Vectorcall(GA(self)->origin, args, nargsf, kwnames);
    if (obj == NULL) {
        return NULL;
    }
    /* objects that can remember what they were made as */
    if (PyObject_SetAttr(obj, NJ_ID(__orig_class__), self) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError) &&
            !PyErr_ExceptionMatches(PyExc_TypeError)) {
            return NULL;
        }
        PyErr_Clear();
    }
    return NJ_TAKE(obj);
}

static PyObject *
make_alias(PyTypeObject *type, PyObject *origin, PyObject *args, bool starred)
{
    NJ_OWN tuple = PyTuple_Check(args) ? Py_NewRef(args) : PyTuple_Pack(1, args);
    if (tuple == NULL) {
        return NULL;
    }
    NjGenericAlias *a = GA(nj_type_alloc_untracked(type, 0));
    if (a == NULL) {
        return NULL;
    }
    a->origin = Py_NewRef(origin);
    a->args = NJ_TAKE(tuple);
    a->starred = starred;
    if (PyVectorcall_Function(origin)) {
        a->vectorcall = ga_vectorcall;
    }
    nj_gc_track((PyObject *)a);
    return (PyObject *)a;
}

PyObject *
Py_GenericAlias(PyObject *origin, PyObject *args)
{
    return make_alias(&Py_GenericAliasType, origin, args, false);
}

static PyObject *
ga_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords("GenericAlias", kwds) ||
        !_PyArg_CheckPositional("GenericAlias", PyTuple_GET_SIZE(args), 2, 2)) {
        return NULL;
    }
    return make_alias(type, PyTuple_GET_ITEM(args, 0), PyTuple_GET_ITEM(args, 1), false);
}

static void
ga_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    if (GA(self)->weakreflist) {
        PyObject_ClearWeakRefs(self);
    }
    Py_XDECREF(GA(self)->origin);
    Py_XDECREF(GA(self)->args);
    Py_XDECREF(GA(self)->parameters);
    Py_TYPE(self)->tp_free(self);
}

static int
ga_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(GA(self)->origin);
    Py_VISIT(GA(self)->args);
    Py_VISIT(GA(self)->parameters);
    return 0;
}

static PyObject *
ga_parameters(PyObject *self, void *closure)
{
    if (GA(self)->parameters == NULL) {
        GA(self)->parameters = nj_typing_parameters(GA(self)->args);
    }
    return Py_XNewRef(GA(self)->parameters);
}

static PyObject *
ga_getitem(PyObject *self, PyObject *item)
{
    NJ_OWN params = ga_parameters(self, NULL);
    NJ_OWN args =
        params ? nj_typing_subs_parameters(self, GA(self)->args, params, item) : NULL;
    return args ? make_alias(Py_TYPE(self), GA(self)->origin, args, GA(self)->starred)
                : NULL;
}

static Py_hash_t
ga_hash(PyObject *self)
{
    Py_hash_t h0 = PyObject_Hash(GA(self)->origin);
    Py_hash_t h1 = h0 == -1 ? -1 : PyObject_Hash(GA(self)->args);
    if (h1 == -1) {
        return -1;
    }
    Py_hash_t h = h0 ^ h1;
    return h == -1 ? -2 : h;
}

static PyObject *
ga_call(PyObject *self, PyObject *args, PyObject *kwds)
{
    NJ_OWN obj = PyObject_Call(GA(self)->origin, args, kwds);
    if (obj == NULL) {
        return NULL;
    }
    if (PyObject_SetAttr(obj, NJ_ID(__orig_class__), self) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_AttributeError) &&
            !PyErr_ExceptionMatches(PyExc_TypeError)) {
            return NULL;
        }
        PyErr_Clear();
    }
    return NJ_TAKE(obj);
}

static const char *const own_names[] = {
    "__class__",
    "__origin__",
    "__args__",
    "__unpacked__",
    "__parameters__",
    "__typing_unpacked_tuple_args__",
    "__mro_entries__",
    "__reduce_ex__",
    "__reduce__",
};
static const char *const blocked_names[] = {"__bases__", "__copy__", "__deepcopy__"};

static PyObject *
ga_getattro(PyObject *self, PyObject *name)
{
    if (PyUnicode_Check(name)) {
        /* forwarded to the origin, except what belongs to the alias */
        for (size_t i = 0; i < NJ_ARRAY_LEN(blocked_names); i++) {
            if (PyUnicode_EqualToUTF8(name, blocked_names[i])) {
                return PyObject_GenericGetAttr(self, name);
            }
        }
        for (size_t i = 0; i < NJ_ARRAY_LEN(own_names); i++) {
            if (PyUnicode_EqualToUTF8(name, own_names[i])) {
                return PyObject_GenericGetAttr(self, name);
            }
        }
        return PyObject_GetAttr(GA(self)->origin, name);
    }
    return PyObject_GenericGetAttr(self, name);
}

static PyObject *
ga_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyObject_TypeCheck(a, &Py_GenericAliasType) ||
        !PyObject_TypeCheck(b, &Py_GenericAliasType) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int eq = GA(a)->starred == GA(b)->starred;
    if (eq) {
        eq = PyObject_RichCompareBool(GA(a)->origin, GA(b)->origin, Py_EQ);
    }
    if (eq == 1) {
        eq = PyObject_RichCompareBool(GA(a)->args, GA(b)->args, Py_EQ);
    }
    return eq < 0 ? NULL : PyBool_FromLong((eq == 1) == (op == Py_EQ));
}

static PyObject *
ga_mro_entries(PyObject *self, PyObject *unused)
{
    return PyTuple_Pack(1, GA(self)->origin);
}

static PyObject *
ga_instancecheck(PyObject *self, PyObject *unused)
{
    PyErr_SetString(PyExc_TypeError,
                    "isinstance() argument 2 cannot be a parameterized generic");
    return NULL;
}

static PyObject *
ga_subclasscheck(PyObject *self, PyObject *unused)
{
    PyErr_SetString(PyExc_TypeError,
                    "issubclass() argument 2 cannot be a parameterized generic");
    return NULL;
}

static PyObject *
ga_reduce(PyObject *self, PyObject *unused)
{
    if (GA(self)->starred) {
        NJ_OWN plain = Py_GenericAlias(GA(self)->origin, GA(self)->args);
        NJ_OWN it = plain ? PyObject_GetIter(plain) : NULL;
        NJ_OWN builtins = it ? PyImport_ImportModule("builtins") : NULL;
        NJ_OWN next = builtins ? PyObject_GetAttr(builtins, NJ_ID(next)) : NULL;
        return next ? Py_BuildValue("O(O)", next, it) : NULL;
    }
    return Py_BuildValue("O(OO)", Py_TYPE(self), GA(self)->origin, GA(self)->args);
}

static PyObject *
ga_dir(PyObject *self, PyObject *unused)
{
    NJ_OWN dir = PyObject_Dir(GA(self)->origin);
    for (size_t i = 0; dir && i < NJ_ARRAY_LEN(own_names); i++) {
        NJ_OWN name = PyUnicode_FromString(own_names[i]);
        int r = name ? PySequence_Contains(dir, name) : -1;
        if (r < 0 || (r == 0 && PyList_Append(dir, name) < 0)) {
            return NULL;
        }
    }
    return NJ_TAKE(dir);
}

static PyObject *
ga_unpacked_args(PyObject *self, void *closure)
{
    if (GA(self)->starred && GA(self)->origin == (PyObject *)&PyTuple_Type) {
        return Py_NewRef(GA(self)->args);
    }
    Py_RETURN_NONE;
}

/* ---- iteration: gives *alias once ---- */

typedef struct NjGenericAliasIter {
    PyObject_HEAD
    PyObject *obj; /* owned, NULL when done */
} NjGenericAliasIter;
#define GI(o) (((NjGenericAliasIter *)(o))->obj)

static PyObject *
ga_iter(PyObject *self)
{
    NjGenericAliasIter *it =
        PyObject_GC_New(NjGenericAliasIter, &NjGenericAliasIter_Type);
    if (it) {
        it->obj = Py_NewRef(self);
        nj_gc_track((PyObject *)it);
    }
    return (PyObject *)it;
}

static PyObject *
gi_next(PyObject *self)
{
    NJ_OWN a = GI(self);
    GI(self) = NULL;
    return a ? make_alias(Py_TYPE(a), GA(a)->origin, GA(a)->args, true) : NULL;
}

static void
gi_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(GI(self));
    PyObject_GC_Del(self);
}

static int
gi_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(GI(self));
    return 0;
}

static int
gi_clear(PyObject *self)
{
    Py_CLEAR(GI(self));
    return 0;
}

static PyObject *
gi_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN builtins = PyImport_ImportModule("builtins");
    NJ_OWN iter = builtins ? PyObject_GetAttr(builtins, NJ_ID(iter)) : NULL;
    if (iter == NULL) {
        return NULL;
    }
    return GI(self) ? Py_BuildValue("O(O)", iter, GI(self))
                    : Py_BuildValue("O(())", iter);
}

static PyMethodDef gi_methods[] = {
    {"__reduce__", gi_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

PyTypeObject NjGenericAliasIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "generic_alias_iterator",
    .tp_basicsize = sizeof(NjGenericAliasIter),
    .tp_dealloc = gi_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = gi_traverse,
    .tp_clear = gi_clear,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = gi_next,
    .tp_methods = gi_methods,
};

static PyMethodDef ga_methods[] = {
    {"__mro_entries__", ga_mro_entries, METH_O,
     "__mro_entries__($self, object, /)\n--\n\n"},
    {"__instancecheck__", ga_instancecheck, METH_O,
     "__instancecheck__($self, object, /)\n--\n\n"},
    {"__subclasscheck__", ga_subclasscheck, METH_O,
     "__subclasscheck__($self, object, /)\n--\n\n"},
    {"__reduce__", ga_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__dir__", ga_dir, METH_NOARGS, "__dir__($self, /)\n--\n\n"},
    {0},
};
static PyMemberDef ga_members[] = {
    {"__origin__", _Py_T_OBJECT, offsetof(NjGenericAlias, origin), Py_READONLY},
    {"__args__", _Py_T_OBJECT, offsetof(NjGenericAlias, args), Py_READONLY},
    {"__unpacked__", Py_T_BOOL, offsetof(NjGenericAlias, starred), Py_READONLY},
    {0},
};
static PyGetSetDef ga_getset[] = {
    {"__parameters__", ga_parameters, NULL, "Type variables in the GenericAlias."},
    {"__typing_unpacked_tuple_args__", ga_unpacked_args},
    {0},
};
static PyMappingMethods ga_as_mapping = {.mp_subscript = ga_getitem};
static PyNumberMethods ga_as_number = {.nb_or = nj_union_or};

PyTypeObject Py_GenericAliasType = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "types.GenericAlias",
    .tp_basicsize = sizeof(NjGenericAlias),
    .tp_dealloc = ga_dealloc,
    .tp_vectorcall_offset = offsetof(NjGenericAlias, vectorcall),
    .tp_repr = ga_repr,
    .tp_as_number = &ga_as_number,
    .tp_as_mapping = &ga_as_mapping,
    .tp_hash = ga_hash,
    .tp_call = ga_call,
    .tp_getattro = ga_getattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_doc = "GenericAlias(origin, args, /)\n--\n\n"
              "Represent a PEP 585 generic type\n\n"
              "For example, for t = list[int], t.__origin__ is list and t.__args__ is\n"
              "(int,).",
    .tp_traverse = ga_traverse,
    .tp_richcompare = ga_richcompare,
    .tp_weaklistoffset = offsetof(NjGenericAlias, weakreflist),
    .tp_iter = ga_iter,
    .tp_methods = ga_methods,
    .tp_members = ga_members,
    .tp_getset = ga_getset,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = ga_new,
    .tp_free = PyObject_GC_Del,
};

/* _functools.c - partial, reduce, cmp_to_key and the wrapper of lru_cache.
 *
 * The Python versions in Lib/functools.py are the specification.
 *
 * The bounded cache is a dict from key to link; the links form a ring in order of use
 * (root.next is the oldest). Both dict and ring own the links.
 * Looking a key up, and dropping an old one, may run Python code that calls the cached
 * function again: the ring and the counters are consistent at each such point, and after
 * the user's function has run the dict is asked a second time.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <stddef.h>

PyAPI_FUNC(int) _PyDict_SetItem_KnownHash(PyObject *, PyObject *, PyObject *, Py_hash_t);

typedef struct {
    PyObject *kwd_mark; /* separates positional from keyword arguments in a key */
    PyObject *placeholder;
    PyTypeObject *placeholder_type;
    PyTypeObject *partial_type;
    PyTypeObject *key_type;
    PyTypeObject *lru_type;
    PyTypeObject *link_type;
} ModuleState;

static struct PyModuleDef functools_module;

static ModuleState *
state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &functools_module);
    return m ? PyModule_GetState(m) : NULL;
}

/* ---------------------------------------------------------------- Placeholder */

static PyObject *
placeholder_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (PyTuple_GET_SIZE(args) || (kwds && PyDict_GET_SIZE(kwds))) {
        PyErr_SetString(PyExc_TypeError, "PlaceholderType takes no arguments");
        return NULL;
    }
    ModuleState *st = state_of(type);
    if (!st) {
        return NULL;
    }
    if (!st->placeholder) {
        st->placeholder = PyType_GenericNew(type, NULL, NULL);
    }
    return Py_XNewRef(st->placeholder);
}

static int
placeholder_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
placeholder_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
placeholder_repr(PyObject *op)
{
    return PyUnicode_FromString("Placeholder");
}

static PyObject *
placeholder_reduce(PyObject *op, PyObject *unused)
{
    return PyUnicode_FromString("Placeholder");
}

static PyMethodDef placeholder_methods[] = {
    {"__reduce__", placeholder_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot placeholder_slots[] = {
    {Py_tp_dealloc, placeholder_dealloc},
    {Py_tp_traverse, placeholder_traverse},
    {Py_tp_repr, placeholder_repr},
    {Py_tp_doc, "The type of the Placeholder singleton.\n\n"
                "Used as a placeholder for partial arguments."},
    {Py_tp_methods, placeholder_methods},
    {Py_tp_new, placeholder_new},
    {0, NULL},
};
static PyType_Spec placeholder_spec = {
    .name = "functools._PlaceholderType",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = placeholder_slots,
};

/* ---------------------------------------------------------------- partial */

typedef struct {
    PyObject_HEAD
    PyObject *fn;
    PyObject *args; /* exact tuple */
    PyObject *kw;   /* dict */
    PyObject *dict;
    PyObject *weakreflist;
    PyObject *placeholder; /* borrowed: the module's */
    Py_ssize_t phcount;    /* placeholders in args */
    vectorcallfunc vectorcall;
} Partial;

static PyObject *partial_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf,
                                    PyObject *kwnames);
static PyObject *partial_call(PyObject *op, PyObject *args, PyObject *kwds);

static Py_ssize_t
count_placeholders(PyObject *args, PyObject *placeholder)
{
    Py_ssize_t n = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        n += PyTuple_GET_ITEM(args, i) == placeholder;
    }
    return n;
}

/* base with its placeholders filled from extra (in order), the rest of extra behind. */
static PyObject *
merge_args(PyObject *base, PyObject *const *extra, Py_ssize_t n, PyObject *placeholder,
           Py_ssize_t phcount)
{
    Py_ssize_t m = PyTuple_GET_SIZE(base), used = 0;
    PyObject *r = PyTuple_New(m + (n > phcount ? n - phcount : 0));
    if (!r) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < m; i++) {
        PyObject *v = PyTuple_GET_ITEM(base, i);
        if (v == placeholder && used < n) {
            v = extra[used++];
        }
        PyTuple_SET_ITEM(r, i, Py_NewRef(v));
    }
    for (Py_ssize_t i = m; used < n; i++) {
        PyTuple_SET_ITEM(r, i, Py_NewRef(extra[used++]));
    }
    return r;
}

static PyObject *
partial_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 1) {
        PyErr_SetString(PyExc_TypeError, "type 'partial' takes at least one argument");
        return NULL;
    }
    ModuleState *st = state_of(type);
    if (!st) {
        return NULL;
    }
    PyObject *func = PyTuple_GET_ITEM(args, 0), *ph = st->placeholder;
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "the first argument must be callable");
        return NULL;
    }
    if (n > 1 && PyTuple_GET_ITEM(args, n - 1) == ph) {
        PyErr_SetString(PyExc_TypeError, "trailing Placeholders are not allowed");
        return NULL;
    }
    if (kwds) {
        PyObject *k, *v;
        Py_ssize_t pos = 0;
        while (PyDict_Next(kwds, &pos, &k, &v)) {
            if (v == ph) {
                PyErr_SetString(PyExc_TypeError,
                                "Placeholder cannot be passed as a keyword argument");
                return NULL;
            }
        }
    }
    PyObject *const *extra = ((PyTupleObject *)args)->ob_item + 1;
    PyObject *inner_kw = NULL;
    NJ_OWN newargs = NULL;
    /* a partial of a partial is flattened, unless the inner one carries attributes */
    if (Py_TYPE(func)->tp_call == partial_call && !((Partial *)func)->dict) {
        Partial *inner = (Partial *)func;
        func = inner->fn;
        inner_kw = inner->kw;
        NJ_SET(newargs, n == 1 ? Py_NewRef(inner->args)
                               : merge_args(inner->args, extra, n - 1, ph, inner->phcount));
    }
    else {
        NJ_SET(newargs, PyTuple_GetSlice(args, 1, n));
    }
    NJ_OWN kw = !newargs ? NULL : inner_kw ? PyDict_Copy(inner_kw)
                                : kwds     ? PyDict_Copy(kwds)
                                           : PyDict_New();
    if (!kw || (inner_kw && kwds && PyDict_Update(kw, kwds) < 0)) {
        return NULL;
    }
    Partial *self = (Partial *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->fn = Py_NewRef(func);
    self->phcount = count_placeholders(newargs, ph);
    self->args = NJ_TAKE(newargs);
    self->kw = NJ_TAKE(kw);
    self->placeholder = ph;
    self->vectorcall = partial_vectorcall;
    return (PyObject *)self;
}

static int
partial_traverse(PyObject *op, visitproc visit, void *arg)
{
    Partial *self = (Partial *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->fn);
    Py_VISIT(self->args);
    Py_VISIT(self->kw);
    Py_VISIT(self->dict);
    return 0;
}

static int
partial_clear(PyObject *op)
{
    Partial *self = (Partial *)op;
    Py_CLEAR(self->fn);
    Py_CLEAR(self->args);
    Py_CLEAR(self->kw);
    Py_CLEAR(self->dict);
    return 0;
}

static void
partial_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((Partial *)op)->weakreflist) {
        PyObject_ClearWeakRefs(op);
    }
    partial_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

#define SMALL_STACK 12

static PyObject *
partial_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Partial *self = (Partial *)op;
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf), nkw = 0, phcount = self->phcount;
    if (nargs < phcount) {
        PyErr_Format(PyExc_TypeError,
                     "missing positional arguments in 'partial' call; expected at least "
                     "%zd, got %zd",
                     phcount, nargs);
        return NULL;
    }
    if (kwnames) {
        nkw = PyTuple_GET_SIZE(kwnames);
    }
    PyObject *own = self->args, *kw = self->kw;
    Py_ssize_t nown = PyTuple_GET_SIZE(own), nownkw = PyDict_GET_SIZE(kw);
    if (nown == 0 && nownkw == 0) {
        return PyObject_Vectorcall(self->fn, args, nargsf, kwnames);
    }
    if (nown == 1 && phcount == 0 && nownkw == 0 &&
        (nargsf & PY_VECTORCALL_ARGUMENTS_OFFSET)) {
        /* the word in front of the arguments is ours to use */
        PyObject **stack = (PyObject **)args - 1, *saved = stack[0];
        stack[0] = PyTuple_GET_ITEM(own, 0);
        PyObject *r = PyObject_Vectorcall(self->fn, stack, (size_t)(nargs + 1), kwnames);
        stack[0] = saved;
        return r;
    }
    Py_ssize_t npos = nown + nargs - phcount, total = npos + nownkw + nkw;
    PyObject *small[SMALL_STACK], **stack = small + 1;
    NJ_OWN_MEM(PyObject *) big = NULL;
    if (total >= SMALL_STACK) {
        big = PyMem_Malloc((size_t)(total + 1) * sizeof(PyObject *));
        if (!big) {
            return PyErr_NoMemory();
        }
        stack = big + 1;
    }
    /* what is on the stack must outlive a change of self during the call */
    NJ_OWN keep_args = Py_NewRef(own);
    NJ_OWN keep_fn = Py_NewRef(self->fn);
    Py_ssize_t used = 0;
    for (Py_ssize_t i = 0; i < nown; i++) {
        PyObject *v = PyTuple_GET_ITEM(own, i);
        stack[i] = v == self->placeholder ? args[used++] : v;
    }
    for (Py_ssize_t i = nown; used < nargs; i++) {
        stack[i] = args[used++];
    }
    NJ_OWN names = NULL;
    NJ_OWN keep_kw = NULL;
    if (nownkw == 0) {
        NJ_SET(names, Py_XNewRef(kwnames));
        for (Py_ssize_t i = 0; i < nkw; i++) {
            stack[npos + i] = args[nargs + i];
        }
    }
    else {
        PyObject *merged = kw;
        if (nkw) {
            NJ_SET(keep_kw, PyDict_Copy(kw));
            if (!keep_kw) {
                return NULL;
            }
            for (Py_ssize_t i = 0; i < nkw; i++) {
                if (PyDict_SetItem(keep_kw, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) <
                    0) {
                    return NULL;
                }
            }
            merged = keep_kw;
        }
        else {
            NJ_SET(keep_kw, Py_NewRef(kw));
        }
        Py_ssize_t n = PyDict_GET_SIZE(merged), pos = 0, i = 0;
        NJ_SET(names, PyTuple_New(n));
        if (!names) {
            return NULL;
        }
        PyObject *k, *v;
        while (i < n && PyDict_Next(merged, &pos, &k, &v)) {
            PyTuple_SET_ITEM(names, i, Py_NewRef(k));
            stack[npos + i] = v;
            i++;
        }
        if (!nkw) {
            /* the called function could change self.keywords: own the values */
            for (i = 0; i < n; i++) {
                Py_INCREF(stack[npos + i]);
            }
            PyObject *r = PyObject_Vectorcall(
                keep_fn, stack, (size_t)npos | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
            for (i = 0; i < n; i++) {
                Py_DECREF(stack[npos + i]);
            }
            return r;
        }
    }
    return PyObject_Vectorcall(keep_fn, stack,
                               (size_t)npos | PY_VECTORCALL_ARGUMENTS_OFFSET, names);
}

static PyObject *
partial_call(PyObject *op, PyObject *args, PyObject *kwds)
{
    Partial *self = (Partial *)op;
    Py_ssize_t nargs = PyTuple_GET_SIZE(args);
    if (nargs < self->phcount) {
        PyErr_Format(PyExc_TypeError,
                     "missing positional arguments in 'partial' call; expected at least "
                     "%zd, got %zd",
                     self->phcount, nargs);
        return NULL;
    }
    NJ_OWN fn = Py_NewRef(self->fn);
    NJ_OWN kw = NULL;
    if (PyDict_GET_SIZE(self->kw) == 0) {
        NJ_SET(kw, Py_XNewRef(kwds));
    }
    else {
        NJ_SET(kw, PyDict_Copy(self->kw));
        if (!kw || (kwds && PyDict_Update(kw, kwds) < 0)) {
            return NULL;
        }
    }
    NJ_OWN all = merge_args(self->args, ((PyTupleObject *)args)->ob_item, nargs,
                            self->placeholder, self->phcount);
    return all ? PyObject_Call(fn, all, kw) : NULL;
}

static PyObject *
partial_descr_get(PyObject *op, PyObject *obj, PyObject *type)
{
    return obj == NULL || obj == Py_None ? Py_NewRef(op) : PyMethod_New(op, obj);
}

static PyObject *
partial_repr(PyObject *op)
{
    Partial *self = (Partial *)op;
    int rc = Py_ReprEnter(op);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromString("...") : NULL;
    }
    /* the fields may be replaced by the reprs we call */
    PyObject *fn = Py_NewRef(self->fn), *args = Py_NewRef(self->args),
             *kw = Py_NewRef(self->kw), *r = NULL, *name = NULL, *module = NULL;
    PyUnicodeWriter *w = PyUnicodeWriter_Create(0);
    if (!w) {
        goto done;
    }
    name = PyType_GetQualName(Py_TYPE(op));
    module = name ? PyType_GetModuleName(Py_TYPE(op)) : NULL;
    bool ok = module && PyUnicodeWriter_WriteStr(w, module) == 0 &&
              PyUnicodeWriter_WriteChar(w, '.') == 0 &&
              PyUnicodeWriter_WriteStr(w, name) == 0 &&
              PyUnicodeWriter_WriteChar(w, '(') == 0 && PyUnicodeWriter_WriteRepr(w, fn) == 0;
    for (Py_ssize_t i = 0; ok && i < PyTuple_GET_SIZE(args); i++) {
        ok = PyUnicodeWriter_WriteUTF8(w, ", ", 2) == 0 &&
             PyUnicodeWriter_WriteRepr(w, PyTuple_GET_ITEM(args, i)) == 0;
    }
    Py_ssize_t pos = 0;
    PyObject *k, *v;
    while (ok && PyDict_Next(kw, &pos, &k, &v)) {
        Py_INCREF(k);
        Py_INCREF(v);
        ok = PyUnicodeWriter_WriteUTF8(w, ", ", 2) == 0 &&
             PyUnicodeWriter_WriteStr(w, k) == 0 && PyUnicodeWriter_WriteChar(w, '=') == 0 &&
             PyUnicodeWriter_WriteRepr(w, v) == 0;
        Py_DECREF(k);
        Py_DECREF(v);
    }
    if (ok && PyUnicodeWriter_WriteChar(w, ')') == 0) {
        r = PyUnicodeWriter_Finish(w);
    }
    else {
        PyUnicodeWriter_Discard(w);
    }
done:
    Py_XDECREF(name);
    Py_XDECREF(module);
    Py_DECREF(fn);
    Py_DECREF(args);
    Py_DECREF(kw);
    Py_ReprLeave(op);
    return r;
}

static PyObject *
partial_reduce(PyObject *op, PyObject *unused)
{
    Partial *self = (Partial *)op;
    return Py_BuildValue("O(O)(OOOO)", Py_TYPE(op), self->fn, self->fn, self->args,
                         self->kw, self->dict ? self->dict : Py_None);
}

static PyObject *
partial_setstate(PyObject *op, PyObject *state)
{
    Partial *self = (Partial *)op;
    PyObject *fn, *args, *kw, *dict;
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) != 4) {
        PyErr_SetString(PyExc_TypeError, "invalid partial state");
        return NULL;
    }
    fn = PyTuple_GET_ITEM(state, 0);
    args = PyTuple_GET_ITEM(state, 1);
    kw = PyTuple_GET_ITEM(state, 2);
    dict = PyTuple_GET_ITEM(state, 3);
    if (!PyCallable_Check(fn) || !PyTuple_Check(args) ||
        (kw != Py_None && !PyDict_Check(kw)) || (dict != Py_None && !PyDict_Check(dict))) {
        PyErr_SetString(PyExc_TypeError, "invalid partial state");
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n && PyTuple_GET_ITEM(args, n - 1) == self->placeholder) {
        PyErr_SetString(PyExc_TypeError, "trailing Placeholders are not allowed");
        return NULL;
    }
    NJ_OWN newargs = PyTuple_CheckExact(args) ? Py_NewRef(args) : PySequence_Tuple(args);
    NJ_OWN newkw = !newargs               ? NULL
                   : kw == Py_None         ? PyDict_New()
                   : PyDict_CheckExact(kw) ? Py_NewRef(kw)
                                           : PyDict_Copy(kw);
    if (!newkw) {
        return NULL;
    }
    self->phcount = count_placeholders(newargs, self->placeholder);
    Py_XSETREF(self->fn, Py_NewRef(fn));
    Py_XSETREF(self->args, NJ_TAKE(newargs));
    Py_XSETREF(self->kw, NJ_TAKE(newkw));
    Py_XSETREF(self->dict, dict == Py_None ? NULL : Py_NewRef(dict));
    Py_RETURN_NONE;
}

static PyMethodDef partial_methods[] = {
    {"__reduce__", partial_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__setstate__", partial_setstate, METH_O, "__setstate__($self, object, /)\n--\n\n"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"
     "partial is generic over the wrapped function's return type"},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef partial_members[] = {
    {"func", _Py_T_OBJECT, offsetof(Partial, fn), Py_READONLY,
     "function object to use in future partial calls"},
    {"args", _Py_T_OBJECT, offsetof(Partial, args), Py_READONLY,
     "tuple of arguments to future partial calls"},
    {"keywords", _Py_T_OBJECT, offsetof(Partial, kw), Py_READONLY,
     "dictionary of keyword arguments to future partial calls"},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Partial, weakreflist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(Partial, dict), Py_READONLY, NULL},
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(Partial, vectorcall), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef dict_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot partial_slots[] = {
    {Py_tp_dealloc, partial_dealloc},
    {Py_tp_repr, partial_repr},
    {Py_tp_call, partial_call},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_setattro, PyObject_GenericSetAttr},
    {Py_tp_doc, "partial(func, /, *args, **keywords)\n--\n\n"
                "Create a new function with partial application of the given arguments\n"
                "and keywords."},
    {Py_tp_traverse, partial_traverse},
    {Py_tp_clear, partial_clear},
    {Py_tp_methods, partial_methods},
    {Py_tp_members, partial_members},
    {Py_tp_getset, dict_getset},
    {Py_tp_descr_get, partial_descr_get},
    {Py_tp_new, partial_new},
    {Py_tp_free, PyObject_GC_Del},
    {0, NULL},
};
static PyType_Spec partial_spec = {
    .name = "functools.partial",
    .basicsize = sizeof(Partial),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = partial_slots,
};

/* ---------------------------------------------------------------- cmp_to_key */

typedef struct {
    PyObject_HEAD
    PyObject *cmp;
    PyObject *object; /* NULL: this is the K class, not yet a key */
} KeyObject;

static int
key_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((KeyObject *)op)->cmp);
    Py_VISIT(((KeyObject *)op)->object);
    return 0;
}

static int
key_clear(PyObject *op)
{
    Py_CLEAR(((KeyObject *)op)->cmp);
    Py_CLEAR(((KeyObject *)op)->object);
    return 0;
}

static void
key_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    key_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyObject *
make_key(PyTypeObject *type, PyObject *cmp, PyObject *object)
{
    KeyObject *k = PyObject_GC_New(KeyObject, type);
    if (k) {
        k->cmp = Py_NewRef(cmp);
        k->object = Py_XNewRef(object);
        PyObject_GC_Track(k);
    }
    return (PyObject *)k;
}

static PyObject *
key_call(PyObject *op, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"obj", NULL};
    PyObject *object;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O:K", names, &object)) {
        return NULL;
    }
    return make_key(Py_TYPE(op), ((KeyObject *)op)->cmp, object);
}

static PyObject *
key_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!Py_IS_TYPE(b, Py_TYPE(a))) {
        PyErr_SetString(PyExc_TypeError, "other argument must be K instance");
        return NULL;
    }
    PyObject *x = ((KeyObject *)a)->object, *y = ((KeyObject *)b)->object;
    if (!x || !y) {
        PyErr_SetString(PyExc_AttributeError, "object");
        return NULL;
    }
    PyObject *args[2] = {x, y};
    NJ_OWN r = PyObject_Vectorcall(((KeyObject *)a)->cmp, args, 2, NULL);
    if (!r) {
        return NULL;
    }
    if (PyLong_CheckExact(r) && PyUnstable_Long_IsCompact((PyLongObject *)r)) {
        Py_ssize_t v = PyUnstable_Long_CompactValue((PyLongObject *)r);
        Py_RETURN_RICHCOMPARE(v, 0, op);
    }
    NJ_OWN zero = PyLong_FromLong(0);
    return zero ? PyObject_RichCompare(r, zero, op) : NULL;
}

static PyMemberDef key_members[] = {
    {"obj", _Py_T_OBJECT, offsetof(KeyObject, object), 0, "Value wrapped by a key function."},
    {NULL, 0, 0, 0, NULL},
};
static PyObject *
key_text_signature(PyObject *op, void *unused)
{
    return PyUnicode_FromString("(obj)");
}

static PyGetSetDef key_getset[] = {
    {"__text_signature__", key_text_signature, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot key_slots[] = {
    {Py_tp_getset, key_getset},
    {Py_tp_dealloc, key_dealloc},
    {Py_tp_call, key_call},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_traverse, key_traverse},
    {Py_tp_clear, key_clear},
    {Py_tp_members, key_members},
    {Py_tp_richcompare, key_richcompare},
    {0, NULL},
};
static PyType_Spec key_spec = {
    .name = "functools.KeyWrapper",
    .basicsize = sizeof(KeyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = key_slots,
};

static PyObject *
functools_cmp_to_key(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    static char *names[] = {"mycmp", NULL};
    PyObject *cmp;
    if (!nj_args_parse(args, nargs, kwnames, "O:cmp_to_key", names, &cmp)) {
        return NULL;
    }
    return make_key(((ModuleState *)PyModule_GetState(module))->key_type, cmp, NULL);
}

/* ---------------------------------------------------------------- reduce */

static PyObject *
functools_reduce(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const char *const names[] = {"", "", "initial", NULL};
    static const NjParams params = {"reduce", names, 3, 2, 0};
    PyObject *a[3];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    PyObject *func = a[0], *initial = a[2];
    NJ_OWN it = PyObject_GetIter(a[1]);
    if (!it) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError, "reduce() arg 2 must support iteration");
        }
        return NULL;
    }
    NJ_OWN result = Py_XNewRef(initial);
    for (;;) {
        NJ_OWN item = PyIter_Next(it);
        if (!item) {
            break;
        }
        if (!result) {
            NJ_SET(result, NJ_TAKE(item));
            continue;
        }
        PyObject *stack[3] = {NULL, result, item};
        PyObject *r = PyObject_Vectorcall(func, stack + 1,
                                          2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (!r) {
            return NULL;
        }
        NJ_SET(result, r);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (!result) {
        PyErr_SetString(PyExc_TypeError,
                        "reduce() of empty iterable with no initial value");
    }
    return NJ_TAKE(result);
}

/* ---------------------------------------------------------------- lru_cache */

typedef struct Link {
    PyObject_HEAD
    struct Link *prev, *next; /* ring in order of use; being in it is one reference */
    Py_hash_t hash;
    PyObject *key;
    PyObject *result;
} Link;

typedef struct LruCache LruCache;
typedef PyObject *(*LruCall)(LruCache *, PyObject *const *, size_t, PyObject *);

struct LruCache {
    PyObject_HEAD
    Link *first, *last;   /* oldest and newest; NULL when empty */
    Py_ssize_t maxsize;   /* -1: unlimited */
    Py_ssize_t hits;
    Py_ssize_t misses;
    LruCall call;
    int typed;
    PyObject *cache;      /* dict: key -> Link, or key -> result when unlimited */
    PyObject *func;
    PyObject *kwd_mark;
    PyObject *info_type;
    PyTypeObject *link_type;
    PyObject *dict;
    PyObject *weakreflist;
    vectorcallfunc vectorcall;
};

static void
link_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_XDECREF(((Link *)op)->key);
    Py_XDECREF(((Link *)op)->result);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot link_slots[] = {
    {Py_tp_dealloc, link_dealloc},
    {0, NULL},
};
static PyType_Spec link_spec = {
    .name = "functools._lru_list_elem",
    .basicsize = sizeof(Link),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = link_slots,
};

static void
unlink_(LruCache *self, Link *l)
{
    if (l->prev) {
        l->prev->next = l->next;
    }
    else {
        self->first = l->next;
    }
    if (l->next) {
        l->next->prev = l->prev;
    }
    else {
        self->last = l->prev;
    }
    l->prev = l->next = NULL;
}

static void
link_last(LruCache *self, Link *l)
{
    l->prev = self->last;
    l->next = NULL;
    if (self->last) {
        self->last->next = l;
    }
    else {
        self->first = l;
    }
    self->last = l;
}

/* The key of a call: the argument itself for one int or str, else a tuple. */
static PyObject *
make_call_key(LruCache *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (!self->typed && nkw == 0 && nargs == 1 &&
        (PyUnicode_CheckExact(args[0]) || PyLong_CheckExact(args[0]))) {
        return Py_NewRef(args[0]);
    }
    Py_ssize_t n = nargs + (nkw ? 1 + 2 * nkw : 0) + (self->typed ? nargs + nkw : 0), at = 0;
    PyObject *key = PyTuple_New(n);
    if (!key) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(key, at++, Py_NewRef(args[i]));
    }
    if (nkw) {
        PyTuple_SET_ITEM(key, at++, Py_NewRef(self->kwd_mark));
        for (Py_ssize_t i = 0; i < nkw; i++) {
            PyTuple_SET_ITEM(key, at++, Py_NewRef(PyTuple_GET_ITEM(kwnames, i)));
            PyTuple_SET_ITEM(key, at++, Py_NewRef(args[nargs + i]));
        }
    }
    if (self->typed) {
        for (Py_ssize_t i = 0; i < nargs + nkw; i++) {
            PyTuple_SET_ITEM(key, at++, Py_NewRef((PyObject *)Py_TYPE(args[i])));
        }
    }
    return key;
}

static PyObject *
lru_uncached(LruCache *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    self->misses++;
    return PyObject_Vectorcall(self->func, args, nargsf, kwnames);
}

static PyObject *
lru_unlimited(LruCache *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    NJ_OWN key = make_call_key(self, args, PyVectorcall_NARGS(nargsf), kwnames);
    Py_hash_t hash = key ? PyObject_Hash(key) : -1;
    if (hash == -1) {
        return NULL;
    }
    PyObject *r = _PyDict_GetItem_KnownHash(self->cache, key, hash);
    if (r) {
        self->hits++;
        return Py_NewRef(r);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    self->misses++;
    r = PyObject_Vectorcall(self->func, args, nargsf, kwnames);
    if (r && _PyDict_SetItem_KnownHash(self->cache, key, r, hash) < 0) {
        Py_CLEAR(r);
    }
    return r;
}

static PyObject *
lru_bounded(LruCache *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    NJ_OWN key = make_call_key(self, args, PyVectorcall_NARGS(nargsf), kwnames);
    Py_hash_t hash = key ? PyObject_Hash(key) : -1;
    if (hash == -1) {
        return NULL;
    }
    Link *l = (Link *)_PyDict_GetItem_KnownHash(self->cache, key, hash);
    if (l) {
        if (self->last != l) {
            unlink_(self, l);
            link_last(self, l);
        }
        self->hits++;
        return Py_NewRef(l->result);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    self->misses++;
    NJ_OWN result = PyObject_Vectorcall(self->func, args, nargsf, kwnames);
    if (!result) {
        return NULL;
    }
    /* the call may have cached the same key already */
    if (_PyDict_GetItem_KnownHash(self->cache, key, hash)) {
        return NJ_TAKE(result);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    NJ_OWN old_key = NULL;
    NJ_OWN old_result = NULL;
    NJ_OWN fresh = NULL;
    if (PyDict_GET_SIZE(self->cache) >= self->maxsize && self->first) {
        /* the oldest link moves to the end with new contents */
        l = self->first;
        unlink_(self, l);
        NJ_SET(fresh, (PyObject *)l); /* the ring's reference */
        PyObject *popped;
        int r = PyDict_Pop(self->cache, l->key, &popped);
        if (r < 0) {
            /* still in the dict, or never to be found: out of the ring it stays */
            return NULL;
        }
        Py_XDECREF(popped);
        if (r == 0) {
            /* Python code removed it meanwhile; the result is not cached */
            return NJ_TAKE(result);
        }
        NJ_SET(old_key, l->key);
        NJ_SET(old_result, l->result);
        l->key = Py_NewRef(key);
        l->result = Py_NewRef(result);
        l->hash = hash;
    }
    else {
        l = PyObject_New(Link, self->link_type);
        if (!l) {
            return NULL;
        }
        l->prev = l->next = NULL;
        l->hash = hash;
        l->key = Py_NewRef(key);
        l->result = Py_NewRef(result);
        NJ_SET(fresh, (PyObject *)l);
    }
    if (_PyDict_SetItem_KnownHash(self->cache, key, (PyObject *)l, hash) < 0) {
        return NULL;
    }
    /* Storing compared keys: Python code may have stored this one first. Then ours replaced
       it, and the other link, alive in the ring, leaves it by age. */
    link_last(self, (Link *)NJ_TAKE(fresh));
    return NJ_TAKE(result);
}

static PyObject *
lru_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    return ((LruCache *)op)->call((LruCache *)op, args, nargsf, kwnames);
}

static PyObject *
lru_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"user_function", "maxsize", "typed", "cache_info_type", NULL};
    PyObject *func, *maxobj, *info;
    int typed;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OOpO:lru_cache", names, &func, &maxobj,
                                     &typed, &info)) {
        return NULL;
    }
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "the first argument must be callable");
        return NULL;
    }
    ModuleState *st = state_of(type);
    if (!st) {
        return NULL;
    }
    Py_ssize_t maxsize;
    LruCall call;
    if (maxobj == Py_None) {
        call = lru_unlimited;
        maxsize = -1;
    }
    else if (PyIndex_Check(maxobj)) {
        maxsize = PyNumber_AsSsize_t(maxobj, PyExc_OverflowError);
        if (maxsize == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (maxsize < 0) {
            maxsize = 0;
        }
        call = maxsize == 0 ? lru_uncached : lru_bounded;
    }
    else {
        PyErr_SetString(PyExc_TypeError, "maxsize should be integer or None");
        return NULL;
    }
    NJ_OWN cache = PyDict_New();
    if (!cache) {
        return NULL;
    }
    LruCache *self = (LruCache *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->first = self->last = NULL;
    self->maxsize = maxsize;
    self->hits = self->misses = 0;
    self->call = call;
    self->typed = typed;
    self->cache = NJ_TAKE(cache);
    self->func = Py_NewRef(func);
    self->kwd_mark = Py_NewRef(st->kwd_mark);
    self->info_type = Py_NewRef(info);
    self->link_type = (PyTypeObject *)Py_NewRef((PyObject *)st->link_type);
    self->vectorcall = lru_vectorcall;
    return (PyObject *)self;
}

static int
lru_traverse(PyObject *op, visitproc visit, void *arg)
{
    LruCache *self = (LruCache *)op;
    Py_VISIT(Py_TYPE(op));
    for (Link *l = self->first; l; l = l->next) {
        Py_VISIT(l->key);
        Py_VISIT(l->result);
    }
    Py_VISIT(self->cache);
    Py_VISIT(self->func);
    Py_VISIT(self->kwd_mark);
    Py_VISIT(self->info_type);
    Py_VISIT((PyObject *)self->link_type);
    Py_VISIT(self->dict);
    return 0;
}

/* Empties the ring; in the dict the links live on. */
static void
forget_links(LruCache *self)
{
    Link *l = self->first;
    self->first = self->last = NULL;
    while (l) {
        Link *next = l->next;
        l->prev = l->next = NULL;
        Py_DECREF(l);
        l = next;
    }
}

static int
lru_clear(PyObject *op)
{
    LruCache *self = (LruCache *)op;
    forget_links(self);
    Py_CLEAR(self->cache);
    Py_CLEAR(self->func);
    Py_CLEAR(self->kwd_mark);
    Py_CLEAR(self->info_type);
    Py_CLEAR(self->link_type);
    Py_CLEAR(self->dict);
    return 0;
}

static void
lru_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((LruCache *)op)->weakreflist) {
        PyObject_ClearWeakRefs(op);
    }
    lru_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
lru_descr_get(PyObject *op, PyObject *obj, PyObject *type)
{
    return obj == NULL || obj == Py_None ? Py_NewRef(op) : PyMethod_New(op, obj);
}

static PyObject *
lru_cache_info(PyObject *op, PyObject *unused)
{
    LruCache *self = (LruCache *)op;
    if (self->maxsize == -1) {
        return PyObject_CallFunction(self->info_type, "nnOn", self->hits, self->misses,
                                     Py_None, PyDict_GET_SIZE(self->cache));
    }
    return PyObject_CallFunction(self->info_type, "nnnn", self->hits, self->misses,
                                 self->maxsize, PyDict_GET_SIZE(self->cache));
}

static PyObject *
lru_cache_clear(PyObject *op, PyObject *unused)
{
    LruCache *self = (LruCache *)op;
    self->hits = self->misses = 0;
    forget_links(self);
    PyDict_Clear(self->cache);
    Py_RETURN_NONE;
}

static PyObject *
lru_reduce(PyObject *op, PyObject *unused)
{
    return PyObject_GetAttrString(op, "__qualname__");
}

static PyObject *
lru_copy(PyObject *op, PyObject *unused)
{
    return Py_NewRef(op);
}

static PyMethodDef lru_methods[] = {
    {"cache_info", lru_cache_info, METH_NOARGS,
     "cache_info($self, /)\n--\n\nReport cache statistics"},
    {"cache_clear", lru_cache_clear, METH_NOARGS,
     "cache_clear($self, /)\n--\n\nClear the cache and cache statistics"},
    {"__reduce__", lru_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__copy__", lru_copy, METH_VARARGS, NULL},
    {"__deepcopy__", lru_copy, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef lru_members[] = {
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(LruCache, dict), Py_READONLY, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(LruCache, weakreflist), Py_READONLY, NULL},
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(LruCache, vectorcall), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot lru_slots[] = {
    {Py_tp_dealloc, lru_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_doc, "Create a cached callable that wraps another function.\n\n"
                "user_function:      the function being cached\n\n"
                "maxsize:  0         for no caching\n"
                "          None      for unlimited cache size\n"
                "          n         for a bounded cache\n\n"
                "typed:    False     cache f(3) and f(3.0) as identical calls\n"
                "          True      cache f(3) and f(3.0) as distinct calls\n\n"
                "cache_info_type:    namedtuple class with the fields:\n"
                "                        hits misses currsize maxsize\n"},
    {Py_tp_traverse, lru_traverse},
    {Py_tp_clear, lru_clear},
    {Py_tp_methods, lru_methods},
    {Py_tp_members, lru_members},
    {Py_tp_getset, dict_getset},
    {Py_tp_descr_get, lru_descr_get},
    {Py_tp_new, lru_new},
    {0, NULL},
};
static PyType_Spec lru_spec = {
    .name = "functools._lru_cache_wrapper",
    .basicsize = sizeof(LruCache),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = lru_slots,
};

/* ---------------------------------------------------------------- module */

static int
functools_traverse(PyObject *m, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(m);
    Py_VISIT(st->kwd_mark);
    Py_VISIT(st->placeholder);
    Py_VISIT(st->placeholder_type);
    Py_VISIT(st->partial_type);
    Py_VISIT(st->key_type);
    Py_VISIT(st->lru_type);
    Py_VISIT(st->link_type);
    return 0;
}

static int
functools_clear(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    Py_CLEAR(st->kwd_mark);
    Py_CLEAR(st->placeholder);
    Py_CLEAR(st->placeholder_type);
    Py_CLEAR(st->partial_type);
    Py_CLEAR(st->key_type);
    Py_CLEAR(st->lru_type);
    Py_CLEAR(st->link_type);
    return 0;
}

static void
functools_free(void *m)
{
    (void)functools_clear(m);
}

static PyTypeObject *
make_type(PyObject *m, PyType_Spec *spec)
{
    return (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
}

static int
functools_exec(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    st->kwd_mark = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    if (!st->kwd_mark || !(st->placeholder_type = make_type(m, &placeholder_spec)) ||
        PyModule_AddType(m, st->placeholder_type) < 0) {
        return -1;
    }
    NJ_OWN ph = PyObject_CallNoArgs((PyObject *)st->placeholder_type);
    if (!ph || PyModule_AddObjectRef(m, "Placeholder", ph) < 0 ||
        !(st->partial_type = make_type(m, &partial_spec)) ||
        PyModule_AddType(m, st->partial_type) < 0 ||
        !(st->lru_type = make_type(m, &lru_spec)) ||
        PyModule_AddType(m, st->lru_type) < 0 ||
        !(st->key_type = make_type(m, &key_spec)) ||
        !(st->link_type = make_type(m, &link_spec))) {
        return -1;
    }
    return 0;
}

static PyMethodDef functools_methods[] = {
    {"reduce", _PyCFunction_CAST(functools_reduce), METH_FASTCALL | METH_KEYWORDS,
     "reduce($module, function, iterable, /, initial=<unrepresentable>)\n--\n\n"
     "Apply a function of two arguments cumulatively to the items of an iterable, from left "
     "to right."},
    {"cmp_to_key", (PyCFunction)(void *)functools_cmp_to_key,
     METH_FASTCALL | METH_KEYWORDS,
     "cmp_to_key($module, /, mycmp)\n--\n\nConvert a cmp= function into a key= function."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot functools_slots[] = {
    {Py_mod_exec, functools_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef functools_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_functools",
    .m_doc = "Tools that operate on functions.",
    .m_size = sizeof(ModuleState),
    .m_methods = functools_methods,
    .m_slots = functools_slots,
    .m_traverse = functools_traverse,
    .m_clear = functools_clear,
    .m_free = functools_free,
};

PyMODINIT_FUNC PyInit__functools(void);

PyMODINIT_FUNC
PyInit__functools(void)
{
    return PyModuleDef_Init(&functools_module);
}

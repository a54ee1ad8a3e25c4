/* slowpath.c - the out-of-line halves of instructions. They never dispatch and never
 * touch the evaluation stack, except where they are handed words to take over.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <opcode_ids.h>

#include "objects/list_int.h"
#include "objects/tuple_int.h"
#include "vm/vm_int.h"

/* ---- boxing ---- */


Value
nj_box_fresh(NjFrame *frame, Value v)
{
    PyObject *o = nj_int_from_i64(nj_value_int(v));
    if (NJ_UNLIKELY(o == NULL)) {
        return NJ_VALUE_NULL;
    }
    nj_box_spread(frame, o, v);
    return nj_value_steal(o);
}

int
nj_box_all_slow(NjFrame *frame, Value *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (nj_value_is_int(words[i])) {
            Value v = words[i];
            Value b = nj_box(frame, v);
            if (nj_value_is_null(b)) {
                return -1;
            }
            words[i] = b;
            for (int k = i + 1; k < n; k++) {
                if (words[k].bits == v.bits) {
                    words[k] = nj_value_dup(b);
                }
            }
        }
    }
    return 0;
}

#define SCRATCH 12

PyObject *
nj_call_words(PyObject *func, Value *args, Py_ssize_t npos, PyObject *kwnames)
{
    Py_ssize_t n = npos + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    PyObject *scratch[SCRATCH + 1];
    PyObject **argv = scratch;
    if (NJ_UNLIKELY(n > SCRATCH)) {
        argv = PyMem_Malloc(((size_t)n + 1) * sizeof(PyObject *));
        if (argv == NULL) {
            return PyErr_NoMemory();
        }
    }
    argv[0] = NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        argv[i + 1] = (PyObject *)(args[i].bits & ~(uintptr_t)1);
    }
    PyObject *r = PyObject_Vectorcall(
        func, argv + 1, (size_t)npos | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
    if (NJ_UNLIKELY(argv != scratch)) {
        PyMem_Free(argv);
    }
    return r;
}

/* ---- operators ---- */

static PyObject *
power(PyObject *a, PyObject *b)
{
    return PyNumber_Power(a, b, Py_None);
}

static PyObject *
inplace_power(PyObject *a, PyObject *b)
{
    return PyNumber_InPlacePower(a, b, Py_None);
}

const binaryfunc nj_binary_ops[27] = {
    PyNumber_Add,
    PyNumber_And,
    PyNumber_FloorDivide,
    PyNumber_Lshift,
    PyNumber_MatrixMultiply,
    PyNumber_Multiply,
    PyNumber_Remainder,
    PyNumber_Or,
    power,
    PyNumber_Rshift,
    PyNumber_Subtract,
    PyNumber_TrueDivide,
    PyNumber_Xor,
    PyNumber_InPlaceAdd,
    PyNumber_InPlaceAnd,
    PyNumber_InPlaceFloorDivide,
    PyNumber_InPlaceLshift,
    PyNumber_InPlaceMatrixMultiply,
    PyNumber_InPlaceMultiply,
    PyNumber_InPlaceRemainder,
    PyNumber_InPlaceOr,
    inplace_power,
    PyNumber_InPlaceRshift,
    PyNumber_InPlaceSubtract,
    PyNumber_InPlaceTrueDivide,
    PyNumber_InPlaceXor,
    PyObject_GetItem,
};

/* Bounds of a slice without step that is made of integer words and None. */
static bool
slice_bounds(Value start, Value stop, Py_ssize_t n, Py_ssize_t *lo, Py_ssize_t *hi)
{
    if (nj_value_is_int(start)) {
        *lo = nj_value_int(start);
        *lo = *lo < 0 ? (*lo + n < 0 ? 0 : *lo + n) : *lo > n ? n : *lo;
    }
    else if (nj_value_ptr(start) == Py_None) {
        *lo = 0;
    }
    else {
        return false;
    }
    if (nj_value_is_int(stop)) {
        *hi = nj_value_int(stop);
        *hi = *hi < 0 ? *hi + n : *hi > n ? n : *hi;
    }
    else if (nj_value_ptr(stop) == Py_None) {
        *hi = n;
    }
    else {
        return false;
    }
    if (*hi < *lo) {
        *hi = *lo;
    }
    return true;
}

PyObject *
nj_get_slice(NjFrame *f, Value *words)
{
    Py_ssize_t lo, hi;
    if (!nj_value_is_int(words[0])) {
        PyObject *o = nj_value_ptr(words[0]);
        if (PyList_CheckExact(o)) {
            if (slice_bounds(words[1], words[2], PyList_GET_SIZE(o), &lo, &hi)) {
                return PyList_GetSlice(o, lo, hi);
            }
        }
        else if (PyUnicode_CheckExact(o)) {
            if (slice_bounds(words[1], words[2], PyUnicode_GET_LENGTH(o), &lo, &hi)) {
                return PyUnicode_Substring(o, lo, hi);
            }
        }
        else if (PyTuple_CheckExact(o)) {
            if (slice_bounds(words[1], words[2], PyTuple_GET_SIZE(o), &lo, &hi)) {
                return PyTuple_GetSlice(o, lo, hi);
            }
        }
    }
    if (nj_box_all(f, words, 3) < 0) {
        return NULL;
    }
    NJ_OWN slice = PySlice_New(nj_value_ptr(words[1]), nj_value_ptr(words[2]), NULL);
    if (slice == NULL) {
        return NULL;
    }
    return PyObject_GetItem(nj_value_ptr(words[0]), slice);
}

int
nj_set_slice(NjFrame *f, Value *words)
{
    if (nj_box_all(f, words, 2) < 0) {
        return -1;
    }
    PyObject *v = nj_value_ptr(words[0]), *o = nj_value_ptr(words[1]);
    Py_ssize_t lo, hi;
    if (PyList_CheckExact(o) && (PyList_CheckExact(v) || PyTuple_CheckExact(v)) &&
        slice_bounds(words[2], words[3], PyList_GET_SIZE(o), &lo, &hi)) {
        return PyList_SetSlice(o, lo, hi, v);
    }
    if (nj_box_all(f, words + 2, 2) < 0) {
        return -1;
    }
    NJ_OWN slice = PySlice_New(nj_value_ptr(words[2]), nj_value_ptr(words[3]), NULL);
    if (slice == NULL) {
        return -1;
    }
    return PyObject_SetItem(o, slice, v);
}

/* ---- names ---- */

static void
raise_name_error(PyObject *exc_type, const char *fmt, PyObject *name)
{
    PyErr_Format(exc_type, fmt, name);
    if (exc_type == PyExc_NameError) {
        PyObject *exc = PyErr_GetRaisedException();
        if (exc != NULL && PyErr_GivenExceptionMatches(exc, PyExc_NameError) &&
            PyObject_SetAttr(exc, NJ_ID(name), name) < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(exc);
    }
}

void
nj_raise_unbound_local(PyCodeObject *co, int i)
{
    PyErr_Format(PyExc_UnboundLocalError,
                 "cannot access local variable '%U' where it is not associated with a "
                 "value",
                 PyTuple_GET_ITEM(co->co_localsplusnames, i));
}

void
nj_raise_unbound_deref(PyCodeObject *co, int i)
{
    if (PyErr_Occurred()) {
        return;
    }
    PyObject *name = PyTuple_GET_ITEM(co->co_localsplusnames, i);
    if (i < co->co_nlocalsplus - co->co_nfreevars) {
        nj_raise_unbound_local(co, i);
    }
    else {
        raise_name_error(PyExc_NameError,
                         "cannot access free variable '%U' where it is not associated "
                         "with a value in enclosing scope",
                         name);
    }
}

PyObject *
nj_common_constant(PyThreadState *tstate, int i)
{
    PyObject **consts = tstate->interp->vm.common_consts;
    switch (i) {
    case 0:
        return Py_NewRef(PyExc_AssertionError);
    case 1:
        return Py_NewRef(PyExc_NotImplementedError);
    case 2:
        return Py_NewRef((PyObject *)&PyTuple_Type);
    case 3:
    case 4:
        if (consts[i] == NULL) {
            PyObject *o;
            if (nj_dict_find(tstate->interp->builtins, i == 3 ? NJ_ID(all) : NJ_ID(any),
                             &o) <= 0) {
                if (!PyErr_Occurred()) {
                    PyErr_SetString(PyExc_SystemError, "builtins all/any are missing");
                }
                return NULL;
            }
            consts[i] = o;
        }
        return Py_NewRef(consts[i]);
    default:
        PyErr_SetString(PyExc_SystemError, "bad LOAD_COMMON_CONSTANT");
        return NULL;
    }
}

/* *out new reference; 1, 0, -1. Any mapping. */
static int
mapping_find(PyObject *m, PyObject *key, PyObject **out)
{
    if (PyDict_CheckExact(m)) {
        return nj_dict_find(m, key, out);
    }
    *out = PyObject_GetItem(m, key);
    if (*out != NULL) {
        return 1;
    }
    if (PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        return 0;
    }
    return -1;
}

static PyObject *
load_global_or_builtin(PyObject *globals, PyObject *builtins, PyObject *name)
{
    PyObject *o;
    int t = mapping_find(globals, name, &o);
    if (t == 0) {
        t = mapping_find(builtins, name, &o);
        if (t == 0) {
            raise_name_error(PyExc_NameError, "name '%.200U' is not defined", name);
        }
    }
    return t > 0 ? o : NULL;
}

PyObject *
nj_load_global(NjFrame *f, PyObject *name)
{
    return load_global_or_builtin(f->f_globals, f->f_builtins, name);
}

PyObject *
nj_load_name(NjFrame *f, PyObject *name)
{
    if (f->f_locals == NULL) {
        PyErr_SetString(PyExc_SystemError, "no locals");
        return NULL;
    }
    PyObject *o;
    int t = mapping_find(f->f_locals, name, &o);
    if (t != 0) {
        return t > 0 ? o : NULL;
    }
    return nj_load_global(f, name);
}

PyObject *
nj_load_from_dict_or_globals(NjFrame *f, PyObject *mapping, PyObject *name)
{
    PyObject *o;
    int t = mapping_find(mapping, name, &o);
    if (t != 0) {
        return t > 0 ? o : NULL;
    }
    return nj_load_global(f, name);
}

PyObject *
nj_load_from_dict_or_deref(NjFrame *f, PyObject *mapping, int i)
{
    PyCodeObject *co = nj_frame_peek_code(f);
    PyObject *o;
    int t = mapping_find(mapping, PyTuple_GET_ITEM(co->co_localsplusnames, i), &o);
    if (t != 0) {
        return t > 0 ? o : NULL;
    }
    o = ((PyCellObject *)nj_value_ptr(f->localsplus[i]))->ob_ref;
    if (o == NULL) {
        nj_raise_unbound_deref(co, i);
        return NULL;
    }
    return Py_NewRef(o);
}

int
nj_store_name(NjFrame *f, PyObject *name, PyObject *v)
{
    PyObject *ns = f->f_locals;
    if (ns == NULL) {
        PyErr_Format(PyExc_SystemError, "no locals found when storing %R", name);
        return -1;
    }
    return PyDict_CheckExact(ns) ? PyDict_SetItem(ns, name, v)
                                 : PyObject_SetItem(ns, name, v);
}

int
nj_delete_name(NjFrame *f, PyObject *name)
{
    PyObject *ns = f->f_locals;
    if (ns == NULL) {
        PyErr_Format(PyExc_SystemError, "no locals when deleting %R", name);
        return -1;
    }
    if (PyObject_DelItem(ns, name) < 0) {
        if (PyErr_ExceptionMatches(PyExc_KeyError)) {
            PyErr_Clear();
            raise_name_error(PyExc_NameError, "name '%.200U' is not defined", name);
        }
        return -1;
    }
    return 0;
}

int
nj_delete_global(NjFrame *f, PyObject *name)
{
    int t = PyDict_Pop(f->f_globals, name, NULL);
    if (t == 0) {
        raise_name_error(PyExc_NameError, "name '%.200U' is not defined", name);
        return -1;
    }
    return t < 0 ? -1 : 0;
}

/* ---- attributes ---- */

PyObject *
nj_load_super(PyObject *super, PyObject *cls, PyObject *self, PyObject *name,
              bool two_args, bool *method)
{
    if (super == (PyObject *)&PySuper_Type && PyType_Check(cls)) {
        return nj_super_lookup((PyTypeObject *)cls, self, name, method);
    }
    PyObject *stack[] = {NULL, cls, self};
    NJ_OWN s = PyObject_Vectorcall(
        super, stack + 1, (two_args ? 2 : 0) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (s == NULL) {
        return NULL;
    }
    return PyObject_GetAttr(s, name);
}

PyObject *
nj_special_names(int i)
{
    switch (i) {
    case 0:
        return NJ_ID(__enter__);
    case 1:
        return NJ_ID(__exit__);
    case 2:
        return NJ_ID(__aenter__);
    default:
        return NJ_ID(__aexit__);
    }
}

void
nj_raise_no_special(PyObject *owner, int i)
{
    PyTypeObject *tp = Py_TYPE(owner);
    bool async = i >= 2;
    /* the other protocol, when the object has all of it */
    bool other = async ? nj_type_find(tp, NJ_ID(__enter__)) &&
                             nj_type_find(tp, NJ_ID(__exit__))
                       : nj_type_find(tp, NJ_ID(__aenter__)) &&
                             nj_type_find(tp, NJ_ID(__aexit__));
    if (other) {
        PyErr_Format(PyExc_TypeError,
                     async ? "'%T' object does not support the asynchronous context manager "
                             "protocol (missed %U method) but it supports the context "
                             "manager protocol. Did you mean to use 'with'?"
                           : "'%T' object does not support the context manager protocol "
                             "(missed %U method) but it supports the asynchronous context "
                             "manager protocol. Did you mean to use 'async with'?",
                     owner, nj_special_names(i));
        return;
    }
    PyErr_Format(PyExc_TypeError,
                 async ? "'%T' object does not support the asynchronous context manager "
                         "protocol (missed %U method)"
                       : "'%T' object does not support the context manager protocol "
                         "(missed %U method)",
                 owner, nj_special_names(i));
}

/* ---- building ---- */

PyObject *
nj_tuple_from_words(NjFrame *f, Value *words, int n)
{
    if (nj_box_all(f, words, n) < 0) {
        return NULL;
    }
    /* owned words are object pointers */
    for (int i = 0; i < n; i++) {
        words[i] = nj_value_own(words[i]);
    }
    return nj_tuple_from_array_steal((PyObject *const *)words, n);
}

PyObject *
nj_list_from_words(NjFrame *f, Value *words, int n)
{
    if (nj_box_all(f, words, n) < 0) {
        return NULL;
    }
    PyObject *t = PyList_New(n);
    if (t == NULL) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        PyList_SET_ITEM(t, i, nj_value_to_object_steal(words[i]));
    }
    return t;
}

static void
raise_unhashable(PyObject *key, const char *what)
{
    /* "cannot use 'list' as a dict key (unhashable type: 'list')" */
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (Py_TYPE(exc) != (PyTypeObject *)PyExc_TypeError) {
        PyErr_SetRaisedException(exc);
        return;
    }
    PyObject *hashed = NULL;
    PyObject *text = PyObject_Str(exc);
    if (text != NULL && PyUnicode_Tailmatch(text, NJ_ID(unhashable), 0,
                                            PyUnicode_GET_LENGTH(text), -1) > 0) {
        hashed = text;
    }
    if (hashed == NULL) {
        Py_XDECREF(text);
        PyErr_SetRaisedException(exc);
        return;
    }
    PyErr_Format(PyExc_TypeError, "cannot use '%T' as %s (%U)", key, what, text);
    Py_DECREF(text);
    Py_DECREF(exc);
}

PyObject *
nj_build_map(NjFrame *f, Value *words, int n)
{
    if (nj_box_all(f, words, n * 2) < 0) {
        return NULL;
    }
    PyObject *d = n > 5 ? _PyDict_NewPresized(n) : PyDict_New();
    if (d == NULL) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        if (PyDict_SetItem(d, nj_value_ptr(words[2 * i]), nj_value_ptr(words[2 * i + 1])) <
            0) {
            raise_unhashable(nj_value_ptr(words[2 * i]), "a dict key");
            Py_DECREF(d);
            return NULL;
        }
    }
    return d;
}

PyObject *
nj_join_strings(Value *words, int n)
{
    Py_ssize_t total = 0;
    Py_UCS4 max = 0;
    for (int i = 0; i < n; i++) {
        PyObject *s = nj_value_ptr(words[i]);
        assert(PyUnicode_Check(s));
        Py_ssize_t len = PyUnicode_GET_LENGTH(s);
        if (len > PY_SSIZE_T_MAX - total) {
            PyErr_SetString(PyExc_OverflowError, "join() result is too long for a Python "
                                                 "string");
            return NULL;
        }
        total += len;
        Py_UCS4 m = PyUnicode_MAX_CHAR_VALUE(s);
        max = m > max ? m : max;
    }
    PyObject *r = PyUnicode_New(total, max);
    if (r == NULL) {
        return NULL;
    }
    Py_ssize_t at = 0;
    int kind = PyUnicode_KIND(r);
    char *to = PyUnicode_DATA(r);
    for (int i = 0; i < n; i++) {
        PyObject *s = nj_value_ptr(words[i]);
        Py_ssize_t len = PyUnicode_GET_LENGTH(s);
        if ((int)PyUnicode_KIND(s) == kind) {
            memcpy(to + at * kind, PyUnicode_DATA(s), (size_t)(len * kind));
        }
        else if (len > 0 && PyUnicode_CopyCharacters(r, at, s, 0, len) < 0) {
            Py_DECREF(r);
            return NULL;
        }
        at += len;
    }
    return r;
}

int
nj_vm_list_append_steal(PyObject *list, PyObject *v)
{
    PyListObject *l = (PyListObject *)list;
    Py_ssize_t n = Py_SIZE(l);
    if (NJ_LIKELY(n < l->allocated)) {
        l->ob_item[n] = v;
        Py_SET_SIZE(l, n + 1);
        return 0;
    }
    int t = PyList_Append(list, v);
    Py_DECREF(v);
    return t;
}

int
nj_list_extend(PyObject *list, PyObject *iterable)
{
    if (PyList_Extend(list, iterable) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) &&
            Py_TYPE(iterable)->tp_iter == NULL && !PySequence_Check(iterable)) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "Value after * must be an iterable, not %.200s",
                         Py_TYPE(iterable)->tp_name);
        }
        return -1;
    }
    return 0;
}

int
nj_set_add(PyObject *set, PyObject *v)
{
    if (!PySet_Check(set)) { /* __conditional_annotations__ is a variable like any other */
        PyErr_Format(PyExc_TypeError, "'%T' object is not a set", set);
        return -1;
    }
    if (PySet_Add(set, v) < 0) {
        raise_unhashable(v, "a set element");
        return -1;
    }
    return 0;
}

int
nj_set_update(PyObject *set, PyObject *iterable)
{
    PyObject *r = PyObject_CallMethodOneArg(set, NJ_ID(update), iterable);
    Py_XDECREF(r);
    return r == NULL ? -1 : 0;
}

int
nj_map_add(PyObject *map, PyObject *key, PyObject *v)
{
    if (PyDict_SetItem(map, key, v) < 0) {
        raise_unhashable(key, "a dict key");
        return -1;
    }
    return 0;
}

int
nj_dict_update_star(PyObject *d, PyObject *update)
{
    if (PyDict_Update(d, update) < 0) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Format(PyExc_TypeError, "'%.200s' object is not a mapping",
                         Py_TYPE(update)->tp_name);
        }
        return -1;
    }
    return 0;
}

/* "mod.f()" / "f()" as messages about calls name a callable: new reference or NULL. */
static PyObject *
callable_name(PyObject *func)
{
    PyObject *qualname, *module;
    int t = PyObject_GetOptionalAttr(func, NJ_ID(__qualname__), &qualname);
    if (t < 0) {
        return NULL;
    }
    if (t == 0) {
        return PyObject_Str(func);
    }
    NJ_OWN q = qualname;
    t = PyObject_GetOptionalAttr(func, NJ_ID(__module__), &module);
    if (t < 0) {
        return NULL;
    }
    NJ_OWN m = module;
    if (m != NULL && m != Py_None) {
        NJ_OWN builtins = PyUnicode_FromString("builtins");
        NJ_OWN main = PyUnicode_FromString("__main__");
        (void)main;
        if (builtins == NULL) {
            return NULL;
        }
        t = PyObject_RichCompareBool(m, builtins, Py_NE);
        if (t < 0) {
            return NULL;
        }
        if (t > 0) {
            return PyUnicode_FromFormat("%S.%S()", m, q);
        }
    }
    return PyUnicode_FromFormat("%S()", q);
}

int
nj_dict_merge_star(PyObject *func, PyObject *d, PyObject *update)
{
    if (nj_dict_merge(d, update, 2) >= 0) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        NJ_OWN name = callable_name(func);
        if (name != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%U argument after ** must be a mapping, not %.200s", name,
                         Py_TYPE(update)->tp_name);
        }
    }
    else if (PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyObject *exc = PyErr_GetRaisedException();
        PyObject *args = ((PyBaseExceptionObject *)exc)->args;
        if (args != NULL && PyTuple_CheckExact(args) && PyTuple_GET_SIZE(args) == 1) {
            NJ_OWN name = callable_name(func);
            if (name != NULL) {
                PyObject *key = PyTuple_GET_ITEM(args, 0);
                PyErr_Format(PyExc_TypeError,
                             "%U got multiple values for keyword argument '%S'", name, key);
            }
            Py_DECREF(exc);
        }
        else {
            PyErr_SetRaisedException(exc);
        }
    }
    return -1;
}

PyObject *
nj_star_args_tuple(PyObject *func, PyObject *args)
{
    if (Py_TYPE(args)->tp_iter == NULL && !PySequence_Check(args)) {
        NJ_OWN name = callable_name(func);
        if (name != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%U argument after * must be an iterable, not %.200s", name,
                         Py_TYPE(args)->tp_name);
        }
        return NULL;
    }
    return PySequence_Tuple(args);
}

PyObject *
nj_format_simple(Value v)
{
    if (nj_value_is_int(v)) {
        NJ_OWN o = nj_value_object(v);
        return o ? PyObject_Str(o) : NULL;
    }
    return PyObject_Format(nj_value_ptr(v), NULL);
}

/* ---- unpacking ---- */

static int
too_few(Py_ssize_t want, Py_ssize_t got, bool at_least)
{
    PyErr_Format(PyExc_ValueError,
                 at_least ? "not enough values to unpack (expected at least %zd, got %zd)"
                          : "not enough values to unpack (expected %zd, got %zd)",
                 want, got);
    return -1;
}

int
nj_unpack(PyObject *seq, int n1, int n2, Value *words)
{
    int total = n2 < 0 ? n1 : n1 + 1 + n2;
    Value *top = words + total; /* filled downwards */
    if (n2 < 0 && (PyTuple_CheckExact(seq) || PyList_CheckExact(seq))) {
        PyObject **items = PySequence_Fast_ITEMS(seq);
        Py_ssize_t n = PySequence_Fast_GET_SIZE(seq);
        if (n < n1) {
            return too_few(n1, n, false);
        }
        if (n > n1) {
            PyErr_Format(PyExc_ValueError,
                         "too many values to unpack (expected %d, got %zd)", n1, n);
            return -1;
        }
        for (int i = 0; i < n1; i++) {
            *--top = nj_value_new(items[i]);
        }
        return 0;
    }
    if (n2 >= 0 && (PyTuple_CheckExact(seq) || PyList_CheckExact(seq))) {
        PyObject **items = PySequence_Fast_ITEMS(seq);
        Py_ssize_t rest = PySequence_Fast_GET_SIZE(seq) - n1 - n2;
        if (rest < 0) {
            return too_few(n1 + n2, rest + n1 + n2, true);
        }
        for (Py_ssize_t i = n1; i < n1 + rest; i++) {
            Py_INCREF(items[i]);
        }
        PyObject *list = nj_list_from_array_steal(items + n1, rest);
        if (list == NULL) {
            return -1;
        }
        for (int i = 0; i < n1; i++) {
            *--top = nj_value_new(items[i]);
        }
        *--top = nj_value_steal(list);
        for (int i = 0; i < n2; i++) {
            *--top = nj_value_new(items[n1 + rest + i]);
        }
        return 0;
    }
    NJ_OWN it = PyObject_GetIter(seq);
    if (it == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError) && Py_TYPE(seq)->tp_iter == NULL &&
            !PySequence_Check(seq)) {
            PyErr_Clear();
            PyErr_Format(PyExc_TypeError, "cannot unpack non-iterable %.200s object",
                         Py_TYPE(seq)->tp_name);
        }
        return -1;
    }
    int done = 0;
    for (; done < n1; done++) {
        PyObject *o = PyIter_Next(it);
        if (o == NULL) {
            if (!PyErr_Occurred()) {
                too_few(n2 < 0 ? n1 : n1 + n2, done, n2 >= 0);
            }
            goto fail;
        }
        *--top = nj_value_steal(o);
    }
    if (n2 < 0) {
        PyObject *o = PyIter_Next(it);
        if (o == NULL) {
            if (PyErr_Occurred()) {
                goto fail;
            }
            return 0;
        }
        Py_DECREF(o);
        if (PyDict_CheckExact(seq)) {
            PyErr_Format(PyExc_ValueError,
                         "too many values to unpack (expected %d, got %zd)", n1,
                         PyDict_Size(seq));
        }
        else {
            PyErr_Format(PyExc_ValueError, "too many values to unpack (expected %d)", n1);
        }
        goto fail;
    }
    PyObject *list = PySequence_List(it);
    if (list == NULL) {
        goto fail;
    }
    *--top = nj_value_steal(list);
    done++;
    Py_ssize_t len = PyList_GET_SIZE(list);
    if (len < n2) {
        too_few(n1 + n2, n1 + len, true);
        goto fail;
    }
    for (int i = 0; i < n2; i++) {
        *--top = nj_value_new(PyList_GET_ITEM(list, len - n2 + i));
    }
    if (n2 > 0 && PyList_SetSlice(list, len - n2, len, NULL) < 0) {
        done += n2;
        goto fail;
    }
    return 0;
fail:
    for (int i = 0; i < done; i++) {
        nj_value_close(*top);
        *top++ = NJ_VALUE_NULL;
    }
    return -1;
}

/* ---- pattern matching ---- */

PyObject *
nj_match_keys(PyObject *map, PyObject *keys)
{
    Py_ssize_t n = PyTuple_GET_SIZE(keys);
    if (n == 0) {
        return PyTuple_New(0);
    }
    NJ_OWN seen = PySet_New(NULL);
    NJ_OWN get = NULL;
    NJ_OWN missing = NULL;
    NJ_OWN values = NULL;
    if (seen == NULL) {
        return NULL;
    }
    PyObject *found;
    if (PyObject_GetOptionalAttr(map, NJ_ID(get), &found) < 0) {
        return NULL;
    }
    get = found;
    missing = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    values = PyTuple_New(n);
    if (get == NULL || missing == NULL || values == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_AttributeError, "get");
        }
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *key = PyTuple_GET_ITEM(keys, i);
        int t = PySet_Contains(seen, key);
        if (t != 0 || PySet_Add(seen, key) < 0) {
            if (t > 0) {
                PyErr_Format(PyExc_ValueError,
                             "mapping pattern checks duplicate key (%R)", key);
            }
            return NULL;
        }
        PyObject *args[] = {key, missing};
        PyObject *v = PyObject_Vectorcall(get, args, 2, NULL);
        if (v == NULL) {
            return NULL;
        }
        if (v == missing) {
            Py_DECREF(v);
            return Py_NewRef(Py_None);
        }
        PyTuple_SET_ITEM(values, i, v);
    }
    return NJ_TAKE(values);
}

/* Attribute of a class pattern: 1, 0 (does not match), -1. */
static int
match_attr(PyObject *subject, PyObject *type, PyObject *name, PyObject *seen,
           PyObject **out)
{
    *out = NULL;
    int t = PySet_Contains(seen, name);
    if (t != 0 || PySet_Add(seen, name) < 0) {
        if (t > 0) {
            PyErr_Format(PyExc_TypeError,
                         "%s() got multiple sub-patterns for attribute %R",
                         ((PyTypeObject *)type)->tp_name, name);
        }
        return -1;
    }
    return PyObject_GetOptionalAttr(subject, name, out);
}

PyObject *
nj_match_class(PyObject *subject, PyObject *type, int npos, PyObject *names)
{
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "called match pattern must be a class");
        return NULL;
    }
    int t = PyObject_IsInstance(subject, type);
    if (t <= 0) {
        return t < 0 ? NULL : Py_NewRef(Py_None);
    }
    const char *tname = ((PyTypeObject *)type)->tp_name;
    NJ_OWN seen = PySet_New(NULL);
    NJ_OWN attrs = PyList_New(0);
    NJ_OWN match_args = NULL;
    if (seen == NULL || attrs == NULL) {
        return NULL;
    }
    if (npos > 0) {
        bool self = false;
        PyObject *found;
        if (PyObject_GetOptionalAttr(type, NJ_ID(__match_args__), &found) < 0) {
            return NULL;
        }
        match_args = found;
        if (match_args != NULL) {
            if (!PyTuple_CheckExact(match_args)) {
                PyErr_Format(PyExc_TypeError,
                             "%s.__match_args__ must be a tuple (got %s)", tname,
                             Py_TYPE(match_args)->tp_name);
                return NULL;
            }
        }
        else {
            match_args = PyTuple_New(0);
            if (match_args == NULL) {
                return NULL;
            }
            self = PyType_HasFeature((PyTypeObject *)type, _Py_TPFLAGS_MATCH_SELF);
        }
        Py_ssize_t allowed = self ? 1 : PyTuple_GET_SIZE(match_args);
        if (allowed < npos) {
            PyErr_Format(PyExc_TypeError,
                         "%s() accepts %zd positional sub-pattern%s (%d given)", tname,
                         allowed, allowed == 1 ? "" : "s", npos);
            return NULL;
        }
        if (self) {
            if (PyList_Append(attrs, subject) < 0) {
                return NULL;
            }
        }
        else {
            for (int i = 0; i < npos; i++) {
                PyObject *name = PyTuple_GET_ITEM(match_args, i);
                if (!PyUnicode_CheckExact(name)) {
                    PyErr_Format(PyExc_TypeError,
                                 "__match_args__ elements must be strings (got %s)",
                                 Py_TYPE(name)->tp_name);
                    return NULL;
                }
                PyObject *v;
                t = match_attr(subject, type, name, seen, &v);
                if (t <= 0) {
                    return t < 0 ? NULL : Py_NewRef(Py_None);
                }
                if (nj_vm_list_append_steal(attrs, v) < 0) {
                    return NULL;
                }
            }
        }
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
        PyObject *v;
        t = match_attr(subject, type, PyTuple_GET_ITEM(names, i), seen, &v);
        if (t <= 0) {
            return t < 0 ? NULL : Py_NewRef(Py_None);
        }
        if (nj_vm_list_append_steal(attrs, v) < 0) {
            return NULL;
        }
    }
    return PyList_AsTuple(attrs);
}

/* ---- intrinsics ---- */

static PyObject *
print_expr(PyObject *v)
{
    NJ_OWN hook = NULL;
    PyObject *found = PySys_GetObject("displayhook");
    if (found == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "lost sys.displayhook");
        return NULL;
    }
    hook = Py_NewRef(found);
    return PyObject_CallOneArg(hook, v);
}

static int
import_all_from(NjFrame *f, PyObject *locals, PyObject *module)
{
    PyObject *found;
    bool skip_private = false;
    if (PyObject_GetOptionalAttr(module, NJ_ID(__all__), &found) < 0) {
        return -1;
    }
    NJ_OWN names = found;
    if (names == NULL) {
        if (PyObject_GetOptionalAttr(module, NJ_ID(__dict__), &found) < 0) {
            return -1;
        }
        NJ_OWN dict = found;
        if (dict == NULL) {
            PyErr_SetString(PyExc_ImportError,
                            "from-import-* object has no __dict__ and no __all__");
            return -1;
        }
        names = PyMapping_Keys(dict);
        if (names == NULL) {
            return -1;
        }
        skip_private = true;
    }
    for (Py_ssize_t i = 0;; i++) {
        NJ_OWN name = PySequence_GetItem(names, i);
        if (name == NULL) {
            if (PyErr_ExceptionMatches(PyExc_IndexError)) {
                PyErr_Clear();
                return 0;
            }
            return -1;
        }
        if (!PyUnicode_Check(name)) {
            NJ_OWN modname = PyObject_GetAttr(module, NJ_ID(__name__));
            if (modname == NULL) {
                return -1;
            }
            if (!PyUnicode_Check(modname)) {
                PyErr_Format(PyExc_TypeError, "module __name__ must be a string, not %.100s",
                             Py_TYPE(modname)->tp_name);
            }
            else {
                PyErr_Format(PyExc_TypeError, "%s in %U.%s must be str, not %.100s",
                             skip_private ? "Key" : "Item", modname,
                             skip_private ? "__dict__" : "__all__",
                             Py_TYPE(name)->tp_name);
            }
            return -1;
        }
        if (skip_private && PyUnicode_GET_LENGTH(name) > 0 &&
            PyUnicode_READ_CHAR(name, 0) == '_') {
            continue;
        }
        NJ_OWN v = PyObject_GetAttr(module, name);
        if (v == NULL) {
            return -1;
        }
        if ((PyDict_CheckExact(locals) ? PyDict_SetItem(locals, name, v)
                                       : PyObject_SetItem(locals, name, v)) < 0) {
            return -1;
        }
    }
}

static PyObject *
stop_iteration_error(NjFrame *f, PyObject *exc)
{
    const char *msg = NULL;
    int flags = nj_frame_peek_code(f)->co_flags;
    if (PyErr_GivenExceptionMatches(exc, PyExc_StopIteration)) {
        msg = flags & CO_ASYNC_GENERATOR ? "async generator raised StopIteration"
              : flags & CO_COROUTINE     ? "coroutine raised StopIteration"
                                         : "generator raised StopIteration";
    }
    else if ((flags & CO_ASYNC_GENERATOR) &&
             PyErr_GivenExceptionMatches(exc, PyExc_StopAsyncIteration)) {
        msg = "async generator raised StopAsyncIteration";
    }
    if (msg == NULL) {
        return Py_NewRef(exc);
    }
    NJ_OWN text = PyUnicode_FromString(msg);
    if (text == NULL) {
        return NULL;
    }
    PyObject *error = PyObject_CallOneArg(PyExc_RuntimeError, text);
    if (error != NULL) {
        PyException_SetCause(error, Py_NewRef(exc));
        PyException_SetContext(error, Py_NewRef(exc));
    }
    return error;
}

PyObject *
nj_intrinsic_1(PyThreadState *tstate, NjFrame *f, int which, PyObject *v)
{
    switch (which) {
    case 1:
        return print_expr(v);
    case 2: {
        if (f->f_locals == NULL) {
            PyErr_SetString(PyExc_SystemError, "no locals found during 'import *'");
            return NULL;
        }
        return import_all_from(f, f->f_locals, v) < 0 ? NULL : Py_NewRef(Py_None);
    }
    case 3:
        return stop_iteration_error(f, v);
    case 4:
        return nj_async_gen_wrap_value(v);
    case 5:
        return PyNumber_Positive(v);
    case 6:
        return PyList_AsTuple(v);
    case 7:
        return nj_typevar_make(v, NULL, NULL);
    case 8:
        return nj_paramspec_make(v);
    case 9:
        return nj_typevartuple_make(v);
    case 10:
        return nj_subscript_generic(v);
    case 11:
        return nj_typealias_make(v);
    default:
        PyErr_SetString(PyExc_SystemError, "bad intrinsic");
        return NULL;
    }
}

PyObject *
nj_intrinsic_2(PyThreadState *tstate, int which, PyObject *a, PyObject *b)
{
    switch (which) {
    case 1:
        return PyUnstable_Exc_PrepReraiseStar(a, b);
    case 2:
        return nj_typevar_make(a, b, NULL);
    case 3:
        return nj_typevar_make(a, NULL, b);
    case 4: {
        PyFunctionObject *func = (PyFunctionObject *)a;
        Py_XSETREF(func->func_typeparams, Py_NewRef(b));
        return Py_NewRef(a);
    }
    case 5:
        return nj_typevar_set_default(a, b);
    default:
        PyErr_SetString(PyExc_SystemError, "bad intrinsic");
        return NULL;
    }
}

/* ---- classes, annotations, imports ---- */

PyObject *
nj_load_build_class(NjFrame *f)
{
    PyObject *o;
    int t = mapping_find(f->f_builtins, NJ_ID(__build_class__), &o);
    if (t == 0) {
        PyErr_SetString(PyExc_NameError, "__build_class__ not found");
    }
    return t > 0 ? o : NULL;
}

int
nj_setup_annotations(NjFrame *f)
{
    PyObject *ns = f->f_locals;
    if (ns == NULL) {
        PyErr_SetString(PyExc_SystemError, "no locals found when setting up annotations");
        return -1;
    }
    PyObject *o;
    int t = mapping_find(ns, NJ_ID(__annotations__), &o);
    if (t != 0) {
        Py_XDECREF(o);
        return t < 0 ? -1 : 0;
    }
    NJ_OWN d = PyDict_New();
    if (d == NULL) {
        return -1;
    }
    return PyObject_SetItem(ns, NJ_ID(__annotations__), d);
}

PyObject *
nj_import_name(PyThreadState *tstate, NjFrame *f, PyObject *name, PyObject *fromlist,
               PyObject *level)
{
    PyObject *func;
    int t = mapping_find(f->f_builtins, NJ_ID(__import__), &func);
    if (t <= 0) {
        if (t == 0) {
            PyErr_SetString(PyExc_ImportError, "__import__ not found");
        }
        return NULL;
    }
    PyObject *locals = f->f_locals ? f->f_locals : Py_None;
    PyObject *r;
    if (func == tstate->interp->import_func) {
        int n = PyLong_AsInt(level);
        r = n == -1 && PyErr_Occurred()
                ? NULL
                : PyImport_ImportModuleLevelObject(name, f->f_globals, locals, fromlist, n);
    }
    else {
        PyObject *args[] = {NULL, name, f->f_globals, locals, fromlist, level};
        r = PyObject_Vectorcall(func, args + 1, 5 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_DECREF(func);
    return r;
}

PyObject *
nj_import_from(PyObject *module, PyObject *name)
{
    PyObject *v;
    if (PyObject_GetOptionalAttr(module, name, &v) != 0) {
        return v;
    }
    /* a submodule that is being imported: not yet an attribute of its package */
    PyObject *found;
    if (PyObject_GetOptionalAttr(module, NJ_ID(__name__), &found) < 0) {
        return NULL;
    }
    NJ_OWN modname = found;
    if (modname != NULL && PyUnicode_Check(modname)) {
        NJ_OWN full = PyUnicode_FromFormat("%U.%U", modname, name);
        if (full == NULL) {
            return NULL;
        }
        PyObject *m = PyImport_GetModule(full);
        if (m != NULL || PyErr_Occurred()) {
            return m;
        }
    }
    NJ_OWN shown = modname && PyUnicode_Check(modname)
                       ? Py_NewRef(modname)
                       : PyUnicode_FromString("<unknown module name>");
    if (shown == NULL) {
        return NULL;
    }
    NJ_OWN path = NULL;
    NJ_OWN spec = NULL;
    NJ_OWN message = NULL;
    bool initializing = false;
    if (PyModule_Check(module)) {
        if (PyObject_GetOptionalAttr(module, NJ_ID(__spec__), &found) < 0) {
            return NULL;
        }
        spec = found;
        if (spec != NULL && spec != Py_None) {
            if (PyObject_GetOptionalAttr(spec, NJ_ID(_initializing), &found) < 0) {
                return NULL;
            }
            if (found != NULL) {
                int t = PyObject_IsTrue(found);
                Py_DECREF(found);
                if (t < 0) {
                    return NULL;
                }
                initializing = t;
            }
            PyObject *has;
            if (PyObject_GetOptionalAttr(spec, NJ_ID(has_location), &has) < 0) {
                return NULL;
            }
            int located = has ? PyObject_IsTrue(has) : 0;
            Py_XDECREF(has);
            if (located > 0 &&
                PyObject_GetOptionalAttr(spec, NJ_ID(origin), &found) < 0) {
                return NULL;
            }
            if (located > 0) {
                path = found;
            }
        }
        if (path == NULL || !PyUnicode_Check(path)) {
            if (PyObject_GetOptionalAttr(module, NJ_ID(__file__), &found) < 0) {
                return NULL;
            }
            NJ_SET(path, found);
        }
    }
    if (path != NULL && !PyUnicode_Check(path)) {
        NJ_SET(path, NULL);
    }
    PyObject *advice = NULL;
    int shadows = path && modname && PyUnicode_Check(modname)
                      ? nj_module_shadows(modname, path, initializing, &advice)
                      : 0;
    if (shadows < 0) {
        return NULL;
    }
    if (shadows) {
        message = PyUnicode_FromFormat("cannot import name %R from %R (%U)", name, shown,
                                       advice);
        Py_DECREF(advice);
    }
    else if (path == NULL) {
        message = PyUnicode_FromFormat("cannot import name %R from %R (unknown location)",
                                       name, shown);
    }
    else if (initializing) {
        message = PyUnicode_FromFormat(
            "cannot import name %R from partially initialized module %R (most likely due "
            "to a circular import) (%S)",
            name, shown, path);
    }
    else {
        message = PyUnicode_FromFormat("cannot import name %R from %R (%S)", name, shown,
                                       path);
    }
    if (message == NULL) {
        return NULL;
    }
    NJ_OWN none = Py_NewRef(Py_None);
    PyErr_SetImportErrorSubclass(PyExc_ImportError, message, shown,
                                 path ? path : none);
    PyObject *exc = PyErr_GetRaisedException();
    if (exc != NULL && PyErr_GivenExceptionMatches(exc, PyExc_ImportError) &&
        PyObject_SetAttr(exc, NJ_ID(name_from), name) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
    return NULL;
}

/* ---- generators, await, async for ---- */

int
nj_send(PyObject *receiver, PyObject *v, PyObject **out)
{
    PyTypeObject *tp = Py_TYPE(receiver);
    if (tp->tp_as_async && tp->tp_as_async->am_send) {
        return tp->tp_as_async->am_send(receiver, v, out);
    }
    if (tp == &_PyAsyncGenASend_Type && !nj_monitor_wants(nj_tstate(), PY_MONITORING_EVENT_RAISE)) {
        return nj_asend_step(receiver, v, out); /* nobody sees the exceptions */
    }
    *out = v == Py_None && PyIter_Check(receiver)
               ? tp->tp_iternext(receiver)
               : PyObject_CallMethodOneArg(receiver, NJ_ID(send), v);
    if (*out != NULL) {
        return PYGEN_NEXT;
    }
    PyThreadState *tstate = nj_tstate();
    if (nj_monitor_wants(tstate, PY_MONITORING_EVENT_RAISE) &&
        tstate->current_exception != NULL &&
        PyErr_ExceptionMatches(PyExc_StopIteration)) {
        NjFrame *f = tstate->current_frame;
        if (nj_monitor_stop_iteration(tstate, f, f->instr_ptr) < 0) {
            return PYGEN_ERROR;
        }
    }
    return _PyGen_FetchStopIterationValue(out) == 0 ? PYGEN_RETURN : PYGEN_ERROR;
}

NjCodeUnit *
nj_async_for_end(NjFrame *frame, int *depth)
{
    PyCodeObject *co = nj_frame_peek_code(frame);
    NjCodeUnit *code = nj_code_units(co);
    int handler, lasti;
    if (nj_handler_find(co, (int)(frame->instr_ptr - code), &handler, depth, &lasti) &&
        !lasti && code[handler].op.code == END_ASYNC_FOR &&
        !nj_monitor_wants(nj_tstate(), PY_MONITORING_EVENT_EXCEPTION_HANDLED)) {
        (*depth)--; /* the awaitable */
        return code + handler + 1;
    }
    PyErr_SetNone(PyExc_StopAsyncIteration);
    return NULL;
}

PyObject *
nj_yield_from_iter(NjFrame *f, PyObject *iterable)
{
    if (PyCoro_CheckExact(iterable)) {
        if (!(nj_frame_peek_code(f)->co_flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE))) {
            PyErr_SetString(PyExc_TypeError, "cannot 'yield from' a coroutine object in a "
                                             "non-coroutine generator");
            return NULL;
        }
        return Py_NewRef(iterable);
    }
    if (PyGen_CheckExact(iterable)) {
        return Py_NewRef(iterable);
    }
    return PyObject_GetIter(iterable);
}

PyObject *
nj_get_awaitable(PyObject *o, int where)
{
    PyObject *it = nj_coro_awaitable_iter(o);
    if (it == NULL) {
        PyTypeObject *tp = Py_TYPE(o);
        if ((where == 1 || where == 2) &&
            (tp->tp_as_async == NULL || tp->tp_as_async->am_await == NULL)) {
            PyErr_Format(PyExc_TypeError,
                         "'async with' received an object from %s that does not implement "
                         "__await__: %.100s",
                         where == 1 ? "__aenter__" : "__aexit__", tp->tp_name);
        }
        return NULL;
    }
    if (PyCoro_CheckExact(it)) {
        PyObject *yf = nj_gen_delegate((struct _PyGenObject *)it);
        if (yf != NULL) {
            Py_DECREF(yf);
            Py_DECREF(it);
            PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
            return NULL;
        }
    }
    return it;
}

PyObject *
nj_get_aiter(PyObject *o)
{
    PyTypeObject *tp = Py_TYPE(o);
    if (tp->tp_as_async == NULL || tp->tp_as_async->am_aiter == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "'async for' requires an object with __aiter__ method, got %.100s",
                     tp->tp_name);
        return NULL;
    }
    PyObject *it = tp->tp_as_async->am_aiter(o);
    if (it == NULL) {
        return NULL;
    }
    if (Py_TYPE(it)->tp_as_async == NULL || Py_TYPE(it)->tp_as_async->am_anext == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "'async for' received an object from __aiter__ that does not implement "
                     "__anext__: %.100s",
                     Py_TYPE(it)->tp_name);
        Py_DECREF(it);
        return NULL;
    }
    return it;
}

PyObject *
nj_get_anext(PyObject *aiter)
{
    PyTypeObject *tp = Py_TYPE(aiter);
    if (PyAsyncGen_CheckExact(aiter)) {
        return tp->tp_as_async->am_anext(aiter);
    }
    if (tp->tp_as_async == NULL || tp->tp_as_async->am_anext == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "'async for' requires an iterator with __anext__ method, got %.100s",
                     tp->tp_name);
        return NULL;
    }
    NJ_OWN next = tp->tp_as_async->am_anext(aiter);
    if (next == NULL) {
        return NULL;
    }
    PyObject *awaitable = nj_coro_awaitable_iter(next);
    if (awaitable == NULL) {
        PyObject *cause = PyErr_GetRaisedException();
        PyErr_Format(PyExc_TypeError,
                     "'async for' received an invalid object from __anext__: %.100s",
                     Py_TYPE(next)->tp_name);
        PyObject *exc = PyErr_GetRaisedException();
        PyException_SetCause(exc, Py_NewRef(cause));
        PyException_SetContext(exc, cause);
        PyErr_SetRaisedException(exc);
    }
    return awaitable;
}

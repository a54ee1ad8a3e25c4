/* dict_view.c - keys(), values(), items() and the iterators of dict.
 *
 * An iterator owns its dict and remembers ma_used; a dict whose size changed raises
 * RuntimeError and stays in that state (used = -1). It cannot notice a change that leaves
 * the size alone except by finding more items than there were (left == 0). The item
 * iterators hand out one tuple again and again while nobody else holds it.
 *
 * Key and item views are set-like; their operators build real sets.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/dict_view.h"
#include "objects/tuple_int.h"
#include "runtime/gc.h"

PyAPI_FUNC(int) _PySet_Update(PyObject *set, PyObject *iterable);

typedef struct NjDictIter {
    PyObject_HEAD
    PyDictObject *dict; /* owned; NULL when exhausted */
    Py_ssize_t used;    /* ma_used at the start, -1 after a change was reported */
    Py_ssize_t pos;     /* cursor of nj_dict_next or nj_dict_prev */
    PyObject *result;   /* item iterators: the tuple to hand out again, owned */
    Py_ssize_t left;    /* items still expected */
} NjDictIter;

PyObject *
nj_get_builtin(PyObject *name)
{
    PyObject *f;
    PyObject *builtins = PyEval_GetBuiltins();
    if (!builtins || PyMapping_GetOptionalItem(builtins, name, &f) < 0) {
        return NULL;
    }
    if (!f) {
        PyErr_SetObject(PyExc_AttributeError, name);
    }
    return f;
}

static bool
is_reverse(PyTypeObject *tp)
{
    return tp == &PyDictRevIterKey_Type || tp == &PyDictRevIterValue_Type ||
           tp == &PyDictRevIterItem_Type;
}

PyObject *
nj_dict_iter_new(PyObject *dict, PyTypeObject *type)
{
    NjDictIter *it = PyObject_GC_New(NjDictIter, type);
    if (!it) {
        return NULL;
    }
    PyDictObject *mp = (PyDictObject *)Py_NewRef(dict);
    it->dict = mp;
    it->used = mp->ma_used;
    it->left = mp->ma_used;
    it->pos = is_reverse(type) ? nj_dict_end(mp) - 1 : 0;
    it->result = NULL;
    if (type == &PyDictIterItem_Type || type == &PyDictRevIterItem_Type) {
        it->result = PyTuple_Pack(2, Py_None, Py_None);
        if (!it->result) {
            Py_DECREF(it);
            return NULL;
        }
    }
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static void
dictiter_dealloc(PyObject *self)
{
    NjDictIter *it = (NjDictIter *)self;
    nj_gc_untrack(self);
    Py_XDECREF(it->dict);
    Py_XDECREF(it->result);
    PyObject_GC_Del(self);
}

static int
dictiter_traverse(PyObject *self, visitproc visit, void *arg)
{
    NjDictIter *it = (NjDictIter *)self;
    Py_VISIT(it->dict);
    Py_VISIT(it->result);
    return 0;
}

static PyObject *
dictiter_len(PyObject *self, PyObject *unused)
{
    NjDictIter *it = (NjDictIter *)self;
    Py_ssize_t n = 0;
    if (it->dict && it->used == it->dict->ma_used) {
        n = it->left;
    }
    return PyLong_FromSsize_t(n);
}

static PyObject *
dictiter_reduce(PyObject *self, PyObject *unused)
{
    /* Draining a copy, not the iterator itself. */
    NjDictIter copy = *(NjDictIter *)self;
    NJ_OWN keep = Py_XNewRef((PyObject *)copy.dict);
    Py_XINCREF(copy.dict);
    copy.result = NULL;
    NJ_OWN list = PyList_New(0);
    if (!list) {
        Py_XDECREF(copy.dict);
        return NULL;
    }
    copy.ob_base.ob_refcnt_full = 1;
    iternextfunc next = Py_TYPE(self)->tp_iternext;
    for (;;) {
        PyObject *item = next((PyObject *)&copy);
        if (!item) {
            break;
        }
        int err = PyList_Append(list, item);
        Py_DECREF(item);
        if (err < 0) {
            break;
        }
    }
    Py_XDECREF(copy.dict);
    if (PyErr_Occurred()) {
        return NULL;
    }
    return Py_BuildValue("N(O)", nj_get_builtin(NJ_ID(iter)), list);
}

static PyMethodDef dictiter_methods[] = {
    {"__length_hint__", dictiter_len, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\n"
     "Private method returning an estimate of len(list(it))."},
    {"__reduce__", dictiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling."},
    {NULL, NULL, 0, NULL},
};

/* The next item, borrowed. 1; 0 exhausted; -1. */
NJ_INLINE int
step(NjDictIter *it, PyObject **key, PyObject **value)
{
    PyDictObject *mp = it->dict;
    if (NJ_UNLIKELY(!mp)) {
        return 0;
    }
    if (NJ_UNLIKELY(it->used != mp->ma_used)) {
        PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
        it->used = -1;
        return -1;
    }
    Py_hash_t hash;
    if (nj_dict_next(mp, &it->pos, key, value, &hash)) {
        if (NJ_UNLIKELY(it->left == 0)) {
            PyErr_SetString(PyExc_RuntimeError,
                            "dictionary keys changed during iteration");
            it->dict = NULL;
            Py_DECREF(mp);
            return -1;
        }
        it->left--;
        return 1;
    }
    it->dict = NULL;
    Py_DECREF(mp);
    return 0;
}

NJ_INLINE int
step_back(NjDictIter *it, PyObject **key, PyObject **value)
{
    PyDictObject *mp = it->dict;
    if (!mp) {
        return 0;
    }
    if (it->used != mp->ma_used) {
        PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
        it->used = -1;
        return -1;
    }
    /* a position behind the end: the dict was cleared and filled anew meanwhile */
    if (it->pos >= 0 && it->pos < nj_dict_end(mp) &&
        nj_dict_prev(mp, &it->pos, key, value)) {
        if (NJ_UNLIKELY(it->left == 0)) {
            PyErr_SetString(PyExc_RuntimeError,
                            "dictionary keys changed during iteration");
            it->dict = NULL;
            Py_DECREF(mp);
            return -1;
        }
        it->left--;
        return 1;
    }
    it->dict = NULL;
    Py_DECREF(mp);
    return 0;
}

/* (key, value), reusing the iterator's tuple when it is the only owner. */
NJ_INLINE PyObject *
give_pair(NjDictIter *it, PyObject *key, PyObject *value)
{
    PyObject *pair = it->result;
    Py_INCREF(key);
    Py_INCREF(value);
    if (pair && Py_REFCNT(pair) == 1) {
        PyObject *k = PyTuple_GET_ITEM(pair, 0), *v = PyTuple_GET_ITEM(pair, 1);
        PyTuple_SET_ITEM(pair, 0, key);
        PyTuple_SET_ITEM(pair, 1, value);
        ((PyTupleObject *)pair)->ob_hash = -1;
        Py_INCREF(pair);
        Py_DECREF(k);
        Py_DECREF(v);
        /* the collector may have untracked it while it held (None, None) */
        if (!nj_gc_is_tracked(pair)) {
            nj_gc_track(pair);
        }
        return pair;
    }
    pair = nj_tuple_pair_steal(key, value);
    return pair;
}

static PyObject *
dictiter_nextkey(PyObject *self)
{
    PyObject *k, *v;
    return step((NjDictIter *)self, &k, &v) > 0 ? Py_NewRef(k) : NULL;
}

static PyObject *
dictiter_nextvalue(PyObject *self)
{
    PyObject *k, *v;
    return step((NjDictIter *)self, &k, &v) > 0 ? Py_NewRef(v) : NULL;
}

static PyObject *
dictiter_nextitem(PyObject *self)
{
    PyObject *k, *v;
    NjDictIter *it = (NjDictIter *)self;
    return step(it, &k, &v) > 0 ? give_pair(it, k, v) : NULL;
}

static PyObject *
dictreviter_nextkey(PyObject *self)
{
    PyObject *k, *v;
    return step_back((NjDictIter *)self, &k, &v) > 0 ? Py_NewRef(k) : NULL;
}

static PyObject *
dictreviter_nextvalue(PyObject *self)
{
    PyObject *k, *v;
    return step_back((NjDictIter *)self, &k, &v) > 0 ? Py_NewRef(v) : NULL;
}

static PyObject *
dictreviter_nextitem(PyObject *self)
{
    PyObject *k, *v;
    NjDictIter *it = (NjDictIter *)self;
    return step_back(it, &k, &v) > 0 ? give_pair(it, k, v) : NULL;
}

#define ITER_TYPE(symbol, name, next)                                                  \
    PyTypeObject symbol = {                                                            \
        PyVarObject_HEAD_INIT(&PyType_Type, 0)                                         \
        .tp_name = name,                                                               \
        .tp_basicsize = sizeof(NjDictIter),                                            \
        .tp_dealloc = dictiter_dealloc,                                                \
        .tp_getattro = PyObject_GenericGetAttr,                                        \
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,                           \
        .tp_traverse = dictiter_traverse,                                              \
        .tp_iter = PyObject_SelfIter,                                                  \
        .tp_iternext = next,                                                           \
        .tp_methods = dictiter_methods,                                                \
    }

ITER_TYPE(PyDictIterKey_Type, "dict_keyiterator", dictiter_nextkey);
ITER_TYPE(PyDictIterValue_Type, "dict_valueiterator", dictiter_nextvalue);
ITER_TYPE(PyDictIterItem_Type, "dict_itemiterator", dictiter_nextitem);
ITER_TYPE(PyDictRevIterKey_Type, "dict_reversekeyiterator", dictreviter_nextkey);
ITER_TYPE(PyDictRevIterValue_Type, "dict_reversevalueiterator", dictreviter_nextvalue);
ITER_TYPE(PyDictRevIterItem_Type, "dict_reverseitemiterator", dictreviter_nextitem);

/* ---------------------------------------------------------------- views */

PyObject *
nj_dict_view_new(PyObject *dict, PyTypeObject *type)
{
    if (dict == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (!PyDict_Check(dict)) {
        PyErr_Format(PyExc_TypeError, "%s() requires a dict argument, not '%s'",
                     type->tp_name, Py_TYPE(dict)->tp_name);
        return NULL;
    }
    NjDictView *dv = PyObject_GC_New(NjDictView, type);
    if (!dv) {
        return NULL;
    }
    dv->dict = (PyDictObject *)Py_NewRef(dict);
    nj_gc_track((PyObject *)dv);
    return (PyObject *)dv;
}

static void
dictview_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(((NjDictView *)self)->dict);
    PyObject_GC_Del(self);
}

static int
dictview_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((NjDictView *)self)->dict);
    return 0;
}

static Py_ssize_t
dictview_len(PyObject *self)
{
    NjDictView *dv = (NjDictView *)self;
    return dv->dict ? dv->dict->ma_used : 0;
}

static PyObject *
dictview_mapping(PyObject *self, void *unused)
{
    return PyDictProxy_New((PyObject *)((NjDictView *)self)->dict);
}

static PyGetSetDef dictview_getset[] = {
    {"mapping", dictview_mapping, NULL, "dictionary that this view refers to", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyObject *
dictview_repr(PyObject *self)
{
    int rc = Py_ReprEnter(self);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromString("...") : NULL;
    }
    PyObject *r = NULL;
    PyObject *seq = PySequence_List(self);
    if (seq) {
        r = PyUnicode_FromFormat("%s(%R)", Py_TYPE(self)->tp_name, seq);
        Py_DECREF(seq);
    }
    Py_ReprLeave(self);
    return r;
}

/* Is every item of self in other? 1, 0, -1. */
static int
is_contained(PyObject *self, PyObject *other)
{
    NJ_OWN it = PyObject_GetIter(self);
    if (!it) {
        return -1;
    }
    for (;;) {
        NJ_OWN item = PyIter_Next(it);
        if (!item) {
            return PyErr_Occurred() ? -1 : 1;
        }
        int r = PySequence_Contains(other, item);
        if (r <= 0) {
            return r;
        }
    }
}

static PyObject *
dictview_richcompare(PyObject *self, PyObject *other, int op)
{
    if (!PyAnySet_Check(other) && !PyDictViewSet_Check(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Py_ssize_t n = PyObject_Size(self);
    Py_ssize_t m = n < 0 ? -1 : PyObject_Size(other);
    if (m < 0) {
        return NULL;
    }
    int ok = 0;
    switch (op) {
    case Py_NE:
    case Py_EQ:
        ok = n == m ? is_contained(self, other) : 0;
        if (op == Py_NE && ok >= 0) {
            ok = !ok;
        }
        break;
    case Py_LT:
        ok = n < m ? is_contained(self, other) : 0;
        break;
    case Py_LE:
        ok = n <= m ? is_contained(self, other) : 0;
        break;
    case Py_GT:
        ok = n > m ? is_contained(other, self) : 0;
        break;
    case Py_GE:
        ok = n >= m ? is_contained(other, self) : 0;
        break;
    }
    return ok < 0 ? NULL : PyBool_FromLong(ok);
}

static PyObject *
dictview_sub(PyObject *self, PyObject *other)
{
    NJ_OWN r = PySet_New(self);
    if (!r) {
        return NULL;
    }
    NJ_OWN none = PyObject_CallMethodOneArg(r, NJ_ID(difference_update), other);
    return none ? NJ_TAKE(r) : NULL;
}

static PyObject *
dictview_and(PyObject *self, PyObject *other)
{
    if (!PyDictViewSet_Check(self)) { /* the view may be the right operand */
        PyObject *t = self;
        self = other;
        other = t;
    }
    Py_ssize_t n = PyObject_Size(self);
    if (n < 0) {
        return NULL;
    }
    if (PySet_CheckExact(other) && PyObject_Size(other) >= n) {
        return PyObject_CallMethodOneArg(other, NJ_ID(intersection), self);
    }
    if (PyDictViewSet_Check(other) && PyObject_Size(other) > n) {
        PyObject *t = self;
        self = other;
        other = t;
    }
    NJ_OWN it = PyObject_GetIter(other);
    NJ_OWN r = it ? PySet_New(NULL) : NULL;
    if (!r) {
        return NULL;
    }
    for (;;) {
        NJ_OWN item = PyIter_Next(it);
        if (!item) {
            return PyErr_Occurred() ? NULL : NJ_TAKE(r);
        }
        int in = PySequence_Contains(self, item);
        if (in < 0 || (in && PySet_Add(r, item) < 0)) {
            return NULL;
        }
    }
}

static PyObject *
dictview_or(PyObject *self, PyObject *other)
{
    NJ_OWN r = PySet_New(self);
    return r && _PySet_Update(r, other) == 0 ? NJ_TAKE(r) : NULL;
}

/* items ^ items without hashing values that are equal in both. */
static PyObject *
items_xor(PyDictObject *a, PyDictObject *b)
{
    NJ_OWN r = PySet_New(NULL);
    if (!r) {
        return NULL;
    }
    for (int side = 0; side < 2; side++) {
        PyObject *x = (PyObject *)(side ? b : a), *y = (PyObject *)(side ? a : b);
        Py_ssize_t pos = 0;
        PyObject *k, *v;
        while (PyDict_Next(x, &pos, &k, &v)) {
            NJ_OWN key = Py_NewRef(k);
            NJ_OWN value = Py_NewRef(v);
            PyObject *w;
            int have = PyDict_GetItemRef(y, key, &w);
            NJ_OWN other = w;
            if (have < 0) {
                return NULL;
            }
            int same = have ? PyObject_RichCompareBool(value, other, Py_EQ) : 0;
            if (same < 0) {
                return NULL;
            }
            if (!same) {
                NJ_OWN pair = PyTuple_Pack(2, key, value);
                if (!pair || PySet_Add(r, pair) < 0) {
                    return NULL;
                }
            }
        }
    }
    return NJ_TAKE(r);
}

static PyObject *
dictview_xor(PyObject *self, PyObject *other)
{
    if (PyDictItems_Check(self) && PyDictItems_Check(other)) {
        return items_xor(((NjDictView *)self)->dict, ((NjDictView *)other)->dict);
    }
    NJ_OWN r = PySet_New(self);
    if (!r) {
        return NULL;
    }
    NJ_OWN none = PyObject_CallMethodOneArg(r, NJ_ID(symmetric_difference_update), other);
    return none ? NJ_TAKE(r) : NULL;
}

static PyNumberMethods dictview_as_number = {
    .nb_subtract = dictview_sub,
    .nb_and = dictview_and,
    .nb_xor = dictview_xor,
    .nb_or = dictview_or,
};

static PyObject *
dictview_isdisjoint(PyObject *self, PyObject *other)
{
    if (self == other) {
        return PyBool_FromLong(dictview_len(self) == 0);
    }
    if (PyAnySet_CheckExact(other) || PyDictViewSet_Check(other)) {
        Py_ssize_t n = dictview_len(self), m = PyObject_Size(other);
        if (m < 0) {
            return NULL;
        }
        if (m > n) {
            PyObject *t = self;
            self = other;
            other = t;
        }
    }
    NJ_OWN it = PyObject_GetIter(other);
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN item = PyIter_Next(it);
        if (!item) {
            if (PyErr_Occurred()) {
                return NULL;
            }
            Py_RETURN_TRUE;
        }
        int in = PySequence_Contains(self, item);
        if (in < 0) {
            return NULL;
        }
        if (in) {
            Py_RETURN_FALSE;
        }
    }
}

/* keys */

static PyObject *
dictkeys_iter(PyObject *self)
{
    NjDictView *dv = (NjDictView *)self;
    return nj_dict_iter_new((PyObject *)dv->dict, &PyDictIterKey_Type);
}

static int
dictkeys_contains(PyObject *self, PyObject *key)
{
    NjDictView *dv = (NjDictView *)self;
    return dv->dict ? PyDict_Contains((PyObject *)dv->dict, key) : 0;
}

static PyObject *
dictkeys_reversed(PyObject *self, PyObject *unused)
{
    return nj_dict_iter_new((PyObject *)((NjDictView *)self)->dict,
                            &PyDictRevIterKey_Type);
}

static PySequenceMethods dictkeys_as_sequence = {
    .sq_length = dictview_len,
    .sq_contains = dictkeys_contains,
};

#define DOC_ISDISJOINT                                                                 \
    "isdisjoint($self, object, /)\n--\n\n"                                             \
    "Return True if the view and the given iterable have a null intersection."
#define DOC_REVERSED(what)                                                             \
    "__reversed__($self, /)\n--\n\nReturn a reverse iterator over the dict " what "."

static PyMethodDef dictkeys_methods[] = {
    {"isdisjoint", dictview_isdisjoint, METH_O, DOC_ISDISJOINT},
    {"__reversed__", dictkeys_reversed, METH_NOARGS, DOC_REVERSED("keys")},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyDictKeys_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "dict_keys",
    .tp_basicsize = sizeof(NjDictView),
    .tp_dealloc = dictview_dealloc,
    .tp_repr = dictview_repr,
    .tp_as_number = &dictview_as_number,
    .tp_as_sequence = &dictkeys_as_sequence,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = dictview_traverse,
    .tp_richcompare = dictview_richcompare,
    .tp_iter = dictkeys_iter,
    .tp_methods = dictkeys_methods,
    .tp_getset = dictview_getset,
};

/* items */

static PyObject *
dictitems_iter(PyObject *self)
{
    NjDictView *dv = (NjDictView *)self;
    return nj_dict_iter_new((PyObject *)dv->dict, &PyDictIterItem_Type);
}

static int
dictitems_contains(PyObject *self, PyObject *item)
{
    NjDictView *dv = (NjDictView *)self;
    if (!dv->dict || !PyTuple_Check(item) || PyTuple_GET_SIZE(item) != 2) {
        return 0;
    }
    PyObject *found;
    int r = PyDict_GetItemRef((PyObject *)dv->dict, PyTuple_GET_ITEM(item, 0), &found);
    if (r > 0) {
        r = PyObject_RichCompareBool(found, PyTuple_GET_ITEM(item, 1), Py_EQ);
        Py_DECREF(found);
    }
    return r;
}

static PyObject *
dictitems_reversed(PyObject *self, PyObject *unused)
{
    return nj_dict_iter_new((PyObject *)((NjDictView *)self)->dict,
                            &PyDictRevIterItem_Type);
}

static PySequenceMethods dictitems_as_sequence = {
    .sq_length = dictview_len,
    .sq_contains = dictitems_contains,
};

static PyMethodDef dictitems_methods[] = {
    {"isdisjoint", dictview_isdisjoint, METH_O, DOC_ISDISJOINT},
    {"__reversed__", dictitems_reversed, METH_NOARGS, DOC_REVERSED("items")},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyDictItems_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "dict_items",
    .tp_basicsize = sizeof(NjDictView),
    .tp_dealloc = dictview_dealloc,
    .tp_repr = dictview_repr,
    .tp_as_number = &dictview_as_number,
    .tp_as_sequence = &dictitems_as_sequence,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = dictview_traverse,
    .tp_richcompare = dictview_richcompare,
    .tp_iter = dictitems_iter,
    .tp_methods = dictitems_methods,
    .tp_getset = dictview_getset,
};

/* values */

static PyObject *
dictvalues_iter(PyObject *self)
{
    NjDictView *dv = (NjDictView *)self;
    return nj_dict_iter_new((PyObject *)dv->dict, &PyDictIterValue_Type);
}

static PyObject *
dictvalues_reversed(PyObject *self, PyObject *unused)
{
    return nj_dict_iter_new((PyObject *)((NjDictView *)self)->dict,
                            &PyDictRevIterValue_Type);
}

static PySequenceMethods dictvalues_as_sequence = {
    .sq_length = dictview_len,
};

static PyMethodDef dictvalues_methods[] = {
    {"__reversed__", dictvalues_reversed, METH_NOARGS, DOC_REVERSED("values")},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyDictValues_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "dict_values",
    .tp_basicsize = sizeof(NjDictView),
    .tp_dealloc = dictview_dealloc,
    .tp_repr = dictview_repr,
    .tp_as_sequence = &dictvalues_as_sequence,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = dictview_traverse,
    .tp_iter = dictvalues_iter,
    .tp_methods = dictvalues_methods,
    .tp_getset = dictview_getset,
};

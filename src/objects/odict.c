/* odict.c - collections.OrderedDict.
 *
 * The order is the order of the dict itself: no second structure, so dict's own methods
 * applied to an OrderedDict can never bring the two apart. Moving an item to the end
 * re-appends its entry; moving one to the front uses free entries kept there
 * (nj_dict_move). popitem(last=False) starts at a remembered position, so a queue costs
 * constant time per step.
 *
 * `state' counts changes made through OrderedDict; iterators compare it.
 *
 * The behaviour is that of the Python class in Lib/collections/__init__.py and of watching
 * the reference; mapping methods call back through overridden __getitem__ and __setitem__
 * where that class does.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/dict_view.h"
#include "objects/tuple_int.h"
#include "runtime/gc.h"

struct _odictobject {
    PyDictObject dict;
    NjDictKeys *seen_keys; /* the block `first' belongs to (compared only), if dk_hinted:
                            * a new one may lie at the address of an old one */
    Py_ssize_t first;      /* no used entry in that block is below it */
    size_t state;          /* bumped by every change of keys or order */
    Py_ssize_t known;      /* items as OrderedDict's own methods left it */
    void *spare[2];        /* the layout's size is public */
    PyObject *inst_dict;   /* __dict__ */
    PyObject *weakrefs;
};
static_assert(offsetof(PyODictObject, inst_dict) == 96, "layout of the reference");

static PyODictObject *
odict(PyObject *self)
{
    return (PyODictObject *)self;
}

static void
keep_hint(PyODictObject *od, Py_ssize_t first)
{
    NjDictKeys *k = od->dict.ma_keys;
    if (k->dk_usable || k->dk_nentries) { /* not the block that all empty dicts share */
        k->dk_hinted = 1;
    }
    od->seen_keys = k;
    od->first = first;
}

/* Lower bound of used positions in the present keys block. */
static Py_ssize_t *
first_hint(PyODictObject *od)
{
    NjDictKeys *k = od->dict.ma_keys;
    if (od->seen_keys != k || !k->dk_hinted) {
        keep_hint(od, 0);
    }
    return &od->first;
}

/* After a change made here: n was the size before it. */
static void
note_change(PyODictObject *od, Py_ssize_t n)
{
    od->known += od->dict.ma_used - n;
    od->state++;
}

static PyObject *
odict_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return PyDict_Type.tp_new(type, args, kwds);
}

PyObject *
PyODict_New(void)
{
    return odict_new(&PyODict_Type, NULL, NULL);
}

int
PyODict_SetItem(PyObject *self, PyObject *key, PyObject *value)
{
    if (PyObject_Hash(key) == -1) {
        return -1; /* without what a dict would add to the message */
    }
    Py_ssize_t n = PyDict_GET_SIZE(self);
    int r = PyDict_SetItem(self, key, value);
    if (PyDict_GET_SIZE(self) != n) {
        note_change(odict(self), n);
    }
    return r;
}

int
PyODict_DelItem(PyObject *self, PyObject *key)
{
    if (PyObject_Hash(key) == -1) {
        return -1;
    }
    Py_ssize_t n = PyDict_GET_SIZE(self);
    int r = PyDict_DelItem(self, key);
    if (r == 0) {
        note_change(odict(self), n);
    }
    return r;
}

static int
odict_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    return value ? PyODict_SetItem(self, key, value) : PyODict_DelItem(self, key);
}

/* ---------------------------------------------------------------- updating */

static int
set_item(PyObject *self, PyObject *key, PyObject *value)
{
    return PyODict_CheckExact(self) ? PyODict_SetItem(self, key, value)
                                    : PyObject_SetItem(self, key, value);
}

/* self[k] = v for the items of pairs, an iterable of 2-iterables. */
static int
add_pairs(PyObject *self, PyObject *pairs)
{
    NJ_OWN it = PyObject_GetIter(pairs);
    if (!it) {
        return -1;
    }
    for (;;) {
        NJ_OWN pair = PyIter_Next(it);
        if (!pair) {
            return PyErr_Occurred() ? -1 : 0;
        }
        NJ_OWN pit = PyObject_GetIter(pair);
        if (!pit) {
            return -1;
        }
        NJ_OWN key = PyIter_Next(pit);
        NJ_OWN value = key ? PyIter_Next(pit) : NULL;
        if (!value) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_ValueError, "need more than %d value%s to unpack",
                             key ? 1 : 0, key ? "" : "s");
            }
            return -1;
        }
        NJ_OWN more = PyIter_Next(pit);
        if (more) {
            PyErr_SetString(PyExc_ValueError, "too many values to unpack (expected 2)");
        }
        if (more || PyErr_Occurred() || set_item(self, key, value) < 0) {
            return -1;
        }
    }
}

static int
add_from(PyObject *self, PyObject *other)
{
    if (PyDict_CheckExact(other)) {
        NJ_OWN items = PyDict_Items(other);
        return items ? add_pairs(self, items) : -1;
    }
    PyObject *f;
    int has = PyObject_GetOptionalAttr(other, NJ_ID(keys), &f);
    if (has < 0) {
        return -1;
    }
    if (has) {
        NJ_OWN keysfunc = f;
        NJ_OWN keys = PyObject_CallNoArgs(keysfunc);
        NJ_OWN it = keys ? PyObject_GetIter(keys) : NULL;
        if (!it) {
            return -1;
        }
        for (;;) {
            NJ_OWN key = PyIter_Next(it);
            if (!key) {
                return PyErr_Occurred() ? -1 : 0;
            }
            NJ_OWN value = PyObject_GetItem(other, key);
            if (!value || set_item(self, key, value) < 0) {
                return -1;
            }
        }
    }
    has = PyObject_GetOptionalAttr(other, NJ_ID(items), &f);
    if (has < 0) {
        return -1;
    }
    if (has) {
        NJ_OWN itemsfunc = f;
        NJ_OWN items = PyObject_CallNoArgs(itemsfunc);
        return items ? add_pairs(self, items) : -1;
    }
    return add_pairs(self, other);
}

static int
update_common(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (PyTuple_GET_SIZE(args)) {
        NJ_OWN other = Py_NewRef(PyTuple_GET_ITEM(args, 0));
        if (add_from(self, other) < 0) {
            return -1;
        }
    }
    if (kwds && PyDict_GET_SIZE(kwds)) {
        if (!PyArg_ValidateKeywordArguments(kwds)) {
            return -1;
        }
        NJ_OWN items = PyDict_Items(kwds);
        return items ? add_pairs(self, items) : -1;
    }
    return 0;
}

static int
odict_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n > 1) {
        PyErr_Format(PyExc_TypeError, "expected at most 1 argument, got %zd", n);
        return -1;
    }
    return update_common(self, args, kwds);
}

static PyObject *
odict_update(PyObject *self, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n > 1) {
        PyErr_Format(PyExc_TypeError,
                     "update() takes at most 1 positional argument (%zd given)", n);
        return NULL;
    }
    if (update_common(self, args, kwds) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- methods */

static PyObject *
odict_fromkeys(PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"iterable", "value", NULL};
    static const NjParams params = {"fromkeys", names, 2, 1, 0};
    PyObject *v[2];
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    NJ_OWN self = PyObject_CallNoArgs(cls);
    NJ_OWN it = self ? PyObject_GetIter(v[0]) : NULL;
    if (!it) {
        return NULL;
    }
    PyObject *value = v[1] ? v[1] : Py_None;
    for (;;) {
        NJ_OWN key = PyIter_Next(it);
        if (!key) {
            return PyErr_Occurred() ? NULL : NJ_TAKE(self);
        }
        if (PyObject_SetItem(self, key, value) < 0) {
            return NULL;
        }
    }
}

static PyObject *
odict_sizeof(PyObject *self, PyObject *unused)
{
    PyObject *f = PyObject_GetAttrString((PyObject *)&PyDict_Type, "__sizeof__");
    PyObject *r = f ? PyObject_CallOneArg(f, self) : NULL;
    Py_XDECREF(f);
    return r;
}

static PyObject *
odict_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN state = PyObject_CallMethodNoArgs(self, NJ_ID(__getstate__));
    NJ_OWN items = state ? PyObject_CallMethodNoArgs(self, NJ_ID(items)) : NULL;
    NJ_OWN it = items ? PyObject_GetIter(items) : NULL;
    return it ? Py_BuildValue("O()OOO", Py_TYPE(self), state, Py_None, it) : NULL;
}

static PyObject *
odict_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const char *const names[] = {"key", "default", NULL};
    static const NjParams params = {"setdefault", names, 2, 1, 0};
    PyObject *v[2], *r;
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    PyObject *value = v[1] ? v[1] : Py_None;
    if (PyODict_CheckExact(self)) {
        Py_ssize_t n = PyDict_GET_SIZE(self);
        if (PyDict_SetDefaultRef(self, v[0], value, &r) == 0) {
            note_change(odict(self), n);
        }
        return r;
    }
    int in = PySequence_Contains(self, v[0]);
    if (in < 0) {
        return NULL;
    }
    if (in) {
        return PyObject_GetItem(self, v[0]);
    }
    return PyObject_SetItem(self, v[0], value) < 0 ? NULL : Py_NewRef(value);
}

static PyObject *
odict_pop(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "default", NULL};
    static const NjParams params = {"pop", names, 2, 1, 0};
    PyObject *v[2], *r;
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyDict_GET_SIZE(self);
    int found = PyDict_Pop(self, v[0], &r);
    if (found > 0) {
        note_change(odict(self), n);
    }
    else if (found == 0) {
        if (v[1]) {
            return Py_NewRef(v[1]);
        }
        nj_raise_key_error(v[0]);
    }
    return r;
}

static int
bool_arg(PyObject *v, int otherwise)
{
    return v ? PyObject_IsTrue(v) : otherwise;
}

static PyObject *
odict_popitem(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"last", NULL};
    static const NjParams params = {"popitem", names, 1, 0, 0};
    PyObject *v[1];
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    int last = bool_arg(v[0], 1);
    if (last < 0) {
        return NULL;
    }
    PyODictObject *od = odict(self);
    if (od->dict.ma_used == 0) {
        PyErr_SetString(PyExc_KeyError, "dictionary is empty");
        return NULL;
    }
    PyObject *key, *value;
    Py_hash_t hash;
    if (last) {
        Py_ssize_t pos = nj_dict_end(&od->dict) - 1;
        nj_dict_prev(&od->dict, &pos, &key, &value);
    }
    else {
        Py_ssize_t *first = first_hint(od);
        Py_ssize_t pos = *first;
        nj_dict_next(&od->dict, &pos, &key, &value, &hash);
        *first = pos - 1; /* where it still is */
    }
    Py_INCREF(key);
    Py_ssize_t n = od->dict.ma_used;
    if (PyDict_Pop(self, key, &value) <= 0) {
        if (!PyErr_Occurred()) {
            nj_raise_key_error(key);
        }
        Py_DECREF(key);
        return NULL;
    }
    note_change(od, n);
    return nj_tuple_pair_steal(key, value);
}

static PyObject *
odict_clear(PyObject *self, PyObject *unused)
{
    PyDict_Clear(self);
    odict(self)->known = 0;
    odict(self)->state++;
    Py_RETURN_NONE;
}

/* Have all keys a hash that cannot have changed? Others are looked up again where they
 * are iterated over with their values, so that a broken __hash__ shows as KeyError. */
static bool
hashes_fixed(PyObject *self)
{
    return odict(self)->dict.ma_keys->dk_kind != NJ_KEYS_GENERAL;
}

static PyObject *
odict_copy(PyObject *self, PyObject *unused)
{
    if (PyODict_CheckExact(self) && hashes_fixed(self)) {
        NJ_OWN copy = PyODict_New();
        if (!copy || nj_dict_merge(copy, self, 1) < 0) {
            return NULL;
        }
        odict(copy)->known = PyDict_GET_SIZE(copy);
        return NJ_TAKE(copy);
    }
    NJ_OWN copy = PyODict_CheckExact(self) ? PyODict_New()
                                           : PyObject_CallNoArgs((PyObject *)Py_TYPE(self));
    if (!copy) {
        return NULL;
    }
    NJ_OWN keys = PyDict_Keys(self);
    if (!keys) {
        return NULL;
    }
    size_t state = odict(self)->state;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        NJ_OWN value = PyObject_GetItem(self, key);
        if (!value || PyObject_SetItem(copy, key, value) < 0) {
            return NULL;
        }
        if (odict(self)->state != state) {
            PyErr_SetString(PyExc_RuntimeError, "OrderedDict mutated during iteration");
            return NULL;
        }
    }
    return NJ_TAKE(copy);
}

static PyObject *
odict_move_to_end(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                  PyObject *kwnames)
{
    static const char *const names[] = {"key", "last", NULL};
    static const NjParams params = {"move_to_end", names, 2, 1, 0};
    PyObject *v[2] = {nargs ? args[0] : NULL, NULL};
    if ((nargs != 1 || kwnames) && nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    int last = bool_arg(v[1], 1);
    if (last < 0) {
        return NULL;
    }
    PyODictObject *od = odict(self);
    if (od->dict.ma_used == 0) {
        nj_raise_key_error(v[0]);
        return NULL;
    }
    Py_hash_t hash = PyObject_Hash(v[0]);
    if (hash == -1) {
        return NULL;
    }
    Py_ssize_t *first = first_hint(od);
    int r = nj_dict_move(&od->dict, v[0], hash, last, first);
    keep_hint(od, od->first); /* of the block that is there now */
    if (r <= 0) {
        if (r == 0) {
            nj_raise_key_error(v[0]);
        }
        return NULL;
    }
    od->state++;
    Py_RETURN_NONE;
}

static PyObject *odict_keys(PyObject *self, PyObject *unused);
static PyObject *odict_values(PyObject *self, PyObject *unused);
static PyObject *odict_items(PyObject *self, PyObject *unused);
static PyObject *odict_reversed(PyObject *self, PyObject *unused);

static PyMethodDef odict_methods[] = {
    {"fromkeys", _PyCFunction_CAST(odict_fromkeys),
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "fromkeys($type, /, iterable, value=None)\n--\n\n"
     "Create a new ordered dictionary with keys from iterable and values set to value."},
    {"__sizeof__", odict_sizeof, METH_NOARGS, "__sizeof__($self, /)\n--\n\n"},
    {"__reduce__", odict_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling"},
    {"setdefault", _PyCFunction_CAST(odict_setdefault), METH_FASTCALL | METH_KEYWORDS,
     "setdefault($self, /, key, default=None)\n--\n\n"
     "Insert key with a value of default if key is not in the dictionary.\n\n"
     "Return the value for key if key is in the dictionary, else default."},
    {"pop", _PyCFunction_CAST(odict_pop), METH_FASTCALL | METH_KEYWORDS,
     "pop($self, /, key, default=<unrepresentable>)\n--\n\n"
     "od.pop(key[,default]) -> v, remove specified key and return the corresponding "
     "value.\n\n"
     "If the key is not found, return the default if given; otherwise,\n"
     "raise a KeyError."},
    {"popitem", _PyCFunction_CAST(odict_popitem), METH_FASTCALL | METH_KEYWORDS,
     "popitem($self, /, last=True)\n--\n\n"
     "Remove and return a (key, value) pair from the dictionary.\n\n"
     "Pairs are returned in LIFO order if last is true or FIFO order if\nfalse."},
    {"keys", odict_keys, METH_NOARGS, "keys($self, /)\n--\n\n"},
    {"values", odict_values, METH_NOARGS, "values($self, /)\n--\n\n"},
    {"items", odict_items, METH_NOARGS, "items($self, /)\n--\n\n"},
    {"update", _PyCFunction_CAST(odict_update), METH_VARARGS | METH_KEYWORDS, ""},
    {"clear", odict_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all items from ordered dict."},
    {"copy", odict_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nA shallow copy of ordered dict."},
    {"__reversed__", odict_reversed, METH_NOARGS,
     "__reversed__($self, /)\n--\n\nod.__reversed__() <==> reversed(od)"},
    {"move_to_end", _PyCFunction_CAST(odict_move_to_end), METH_FASTCALL | METH_KEYWORDS,
     "move_to_end($self, /, key, last=True)\n--\n\n"
     "Move an existing element to the end (or beginning if last is false).\n\n"
     "Raise KeyError if the element does not exist."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef odict_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

/* ---------------------------------------------------------------- slots */

static PyObject *
odict_or(PyObject *left, PyObject *right)
{
    PyObject *type = (PyObject *)Py_TYPE(PyODict_Check(left) ? left : right);
    if (!PyDict_Check(left) || !PyDict_Check(right)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN r = PyObject_CallOneArg(type, left);
    return r && add_from(r, right) == 0 ? NJ_TAKE(r) : NULL;
}

static PyObject *
odict_ior(PyObject *self, PyObject *other)
{
    return add_from(self, other) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
odict_repr(PyObject *self)
{
    NJ_OWN name = Py_IS_TYPE(self, &PyODict_Type) ? PyUnicode_FromString("OrderedDict")
                                                  : PyType_GetName(Py_TYPE(self));
    if (!name) {
        return NULL;
    }
    if (PyDict_GET_SIZE(self) == 0) {
        return PyUnicode_FromFormat("%U()", name);
    }
    int rc = Py_ReprEnter(self);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromString("...") : NULL;
    }
    PyObject *d = NULL;
    bool exact = PyODict_CheckExact(self);
    if (exact || odict(self)->known > PyDict_GET_SIZE(self)) {
        if (odict(self)->known > PyDict_GET_SIZE(self)) {
            /* dict's own methods took items away: the reference has lost their keys */
            nj_raise_key_error(Py_None);
        }
        else {
            d = hashes_fixed(self) ? PyDict_Copy(self) : odict_copy(self, NULL);
            if (d && PyODict_Check(d)) { /* shown as a plain dict */
                Py_SETREF(d, PyDict_Copy(d));
            }
        }
    }
    else {
        PyObject *items = PyObject_CallMethodNoArgs(self, NJ_ID(items));
        if (items) {
            d = PyObject_CallOneArg((PyObject *)&PyDict_Type, items);
            Py_DECREF(items);
        }
    }
    PyObject *r = d ? PyUnicode_FromFormat("%U(%R)", name, d) : NULL;
    Py_XDECREF(d);
    Py_ReprLeave(self);
    return r;
}

/* Same keys in the same order? 1, 0, -1. */
static int
same_order(PyObject *a, PyObject *b)
{
    Py_ssize_t i = 0, j = 0, n = PyDict_GET_SIZE(a), m = PyDict_GET_SIZE(b);
    size_t sa = odict(a)->state, sb = odict(b)->state;
    PyObject *ka, *kb, *va, *vb;
    while (PyDict_Next(a, &i, &ka, &va)) {
        if (!PyDict_Next(b, &j, &kb, &vb)) {
            return 0;
        }
        NJ_OWN x = Py_NewRef(ka);
        NJ_OWN y = Py_NewRef(kb);
        int r = PyObject_RichCompareBool(x, y, Py_EQ);
        if (r < 0) {
            return -1;
        }
        if (sa != odict(a)->state || sb != odict(b)->state || n != PyDict_GET_SIZE(a) ||
            m != PyDict_GET_SIZE(b)) {
            PyErr_SetString(PyExc_RuntimeError, "OrderedDict mutated during iteration");
            return -1;
        }
        if (!r) {
            return 0;
        }
    }
    return !PyDict_Next(b, &j, &kb, &vb);
}

static PyObject *
odict_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyODict_Check(a) || !PyDict_Check(b) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN cmp = PyDict_Type.tp_richcompare(a, b, op);
    if (!cmp) {
        return NULL;
    }
    int same = PyObject_IsTrue(cmp);
    if (same < 0) {
        return NULL;
    }
    if (op == Py_NE) {
        same = !same;
    }
    if (same && PyODict_Check(b)) {
        same = same_order(a, b);
        if (same < 0) {
            return NULL;
        }
    }
    return PyBool_FromLong(same == (op == Py_EQ));
}

static void
odict_dealloc(PyObject *self)
{
    PyODictObject *od = odict(self);
    nj_gc_untrack(self);
    Py_CLEAR(od->inst_dict);
    if (od->weakrefs) {
        PyObject_ClearWeakRefs(self);
    }
    PyDict_Type.tp_dealloc(self);
}

static int
odict_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(odict(self)->inst_dict);
    return PyDict_Type.tp_traverse(self, visit, arg);
}

static int
odict_tp_clear(PyObject *self)
{
    Py_CLEAR(odict(self)->inst_dict);
    PyDict_Clear(self);
    odict(self)->state++;
    return 0;
}

static PyNumberMethods odict_as_number = {
    .nb_or = odict_or,
    .nb_inplace_or = odict_ior,
};

static PyMappingMethods odict_as_mapping = {
    .mp_ass_subscript = odict_ass_subscript,
};

static PyObject *odict_iter(PyObject *self);

PyTypeObject PyODict_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "collections.OrderedDict",
    .tp_basicsize = sizeof(PyODictObject),
    .tp_dealloc = odict_dealloc,
    .tp_repr = odict_repr,
    .tp_as_number = &odict_as_number,
    .tp_as_mapping = &odict_as_mapping,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Dictionary that remembers insertion order",
    .tp_traverse = odict_traverse,
    .tp_clear = odict_tp_clear,
    .tp_richcompare = odict_richcompare,
    .tp_weaklistoffset = offsetof(PyODictObject, weakrefs),
    .tp_iter = odict_iter,
    .tp_methods = odict_methods,
    .tp_getset = odict_getset,
    .tp_base = &PyDict_Type,
    .tp_dictoffset = offsetof(PyODictObject, inst_dict),
    .tp_init = odict_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = odict_new,
};

/* ---------------------------------------------------------------- iterator */

enum { ITER_KEYS = 1, ITER_VALUES = 2, ITER_ITEMS = 3, ITER_REVERSED = 4 };

typedef struct NjODictIter {
    PyObject_HEAD
    int kind;
    PyODictObject *od; /* owned; NULL when exhausted */
    Py_ssize_t size;   /* -1 after a change was reported */
    size_t state;
    Py_ssize_t pos;
    Py_ssize_t unused;
} NjODictIter;

static PyObject *
iter_new(PyObject *self, int kind)
{
    NjODictIter *it = PyObject_GC_New(NjODictIter, &PyODictIter_Type);
    if (!it) {
        return NULL;
    }
    PyODictObject *od = odict(self);
    it->kind = kind;
    it->od = (PyODictObject *)Py_NewRef(self);
    it->size = od->dict.ma_used;
    it->state = od->state;
    it->pos = kind & ITER_REVERSED ? nj_dict_end(&od->dict) - 1 : *first_hint(od);
    it->unused = 0;
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static PyObject *
odict_iter(PyObject *self)
{
    return iter_new(self, ITER_KEYS);
}

static PyObject *
odict_reversed(PyObject *self, PyObject *unused)
{
    return iter_new(self, ITER_KEYS | ITER_REVERSED);
}

static void
odictiter_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    Py_XDECREF(((NjODictIter *)self)->od);
    PyObject_GC_Del(self);
}

static int
odictiter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((NjODictIter *)self)->od);
    return 0;
}

static PyObject *
odictiter_next(PyObject *self)
{
    NjODictIter *it = (NjODictIter *)self;
    PyODictObject *od = it->od;
    if (!od) {
        return NULL;
    }
    if (it->state != od->state) {
        PyErr_SetString(PyExc_RuntimeError, "OrderedDict mutated during iteration");
        goto stop;
    }
    if (it->size != od->dict.ma_used) {
        PyErr_SetString(PyExc_RuntimeError, "OrderedDict changed size during iteration");
        it->size = -1;
        goto stop;
    }
    PyObject *key, *value;
    Py_hash_t hash;
    bool more = it->kind & ITER_REVERSED
                    ? it->pos >= 0 && nj_dict_prev(&od->dict, &it->pos, &key, &value)
                    : nj_dict_next(&od->dict, &it->pos, &key, &value, &hash);
    if (!more) {
        goto stop;
    }
    int what = it->kind & ~ITER_REVERSED;
    if (what == ITER_KEYS) {
        return Py_NewRef(key);
    }
    Py_INCREF(key);
    Py_INCREF(value);
    if (!hashes_fixed((PyObject *)od) && !PyLong_CheckExact(key)) {
        PyObject *found;
        if (PyDict_GetItemRef((PyObject *)od, key, &found) == 0) {
            PyErr_SetObject(PyExc_KeyError, key);
        }
        Py_SETREF(value, found);
        if (!value) {
            Py_DECREF(key);
            goto stop;
        }
    }
    if (what == ITER_VALUES) {
        Py_DECREF(key);
        return value;
    }
    return nj_tuple_pair_steal(key, value);
stop:
    if (it->od) { /* key code may have come by here already */
        it->od = NULL;
        Py_DECREF(od);
    }
    return NULL;
}

static PyObject *
odictiter_reduce(PyObject *self, PyObject *unused)
{
    NjODictIter *it = (NjODictIter *)self;
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    if (it->od) {
        NJ_OWN copy = iter_new((PyObject *)it->od, it->kind);
        if (!copy) {
            return NULL;
        }
        ((NjODictIter *)copy)->size = it->size;
        ((NjODictIter *)copy)->state = it->state;
        ((NjODictIter *)copy)->pos = it->pos;
        for (;;) {
            NJ_OWN item = odictiter_next(copy);
            if (!item) {
                break;
            }
            if (PyList_Append(list, item) < 0) {
                return NULL;
            }
        }
        if (PyErr_Occurred()) {
            return NULL;
        }
    }
    return Py_BuildValue("N(O)", nj_get_builtin(NJ_ID(iter)), list);
}

static PyMethodDef odictiter_methods[] = {
    {"__reduce__", odictiter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nReturn state information for pickling"},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyODictIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "odict_iterator",
    .tp_basicsize = sizeof(NjODictIter),
    .tp_dealloc = odictiter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = odictiter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = odictiter_next,
    .tp_methods = odictiter_methods,
};
static_assert(sizeof(NjODictIter) == 64, "size of the reference");

/* ---------------------------------------------------------------- views */

#define VIEW(lower, Symbol, Base, KIND)                                                \
    static PyObject *odict##lower##_iter(PyObject *self)                               \
    {                                                                                  \
        PyObject *d = (PyObject *)((NjDictView *)self)->dict;                          \
        return d ? iter_new(d, KIND) : Py_NewRef(Py_None);                             \
    }                                                                                  \
    static PyObject *odict##lower##_reversed(PyObject *self, PyObject *unused)         \
    {                                                                                  \
        PyObject *d = (PyObject *)((NjDictView *)self)->dict;                          \
        return d ? iter_new(d, KIND | ITER_REVERSED) : Py_NewRef(Py_None);             \
    }                                                                                  \
    static PyMethodDef odict##lower##_methods[] = {                                    \
        {"__reversed__", odict##lower##_reversed, METH_NOARGS,                         \
         "__reversed__($self, /)\n--\n\n"},                                            \
        {NULL, NULL, 0, NULL},                                                         \
    };                                                                                 \
    PyTypeObject Symbol = {                                                            \
        PyVarObject_HEAD_INIT(&PyType_Type, 0)                                         \
        .tp_name = "odict_" #lower,                                                    \
        .tp_flags = Py_TPFLAGS_DEFAULT,                                                \
        .tp_iter = odict##lower##_iter,                                                \
        .tp_methods = odict##lower##_methods,                                          \
        .tp_base = &Base,                                                              \
    };                                                                                 \
    static PyObject *odict_##lower(PyObject *self, PyObject *unused)                   \
    {                                                                                  \
        return nj_dict_view_new(self, &Symbol);                                        \
    }

VIEW(keys, PyODictKeys_Type, PyDictKeys_Type, ITER_KEYS)
VIEW(items, PyODictItems_Type, PyDictItems_Type, ITER_ITEMS)
VIEW(values, PyODictValues_Type, PyDictValues_Type, ITER_VALUES)

/* itertools.c - the itertools module.
 *
 * Each iterator is one heap type: a struct, tp_new, tp_iternext, and dealloc/traverse made
 * by BOILERPLATE from the list of its owned fields. The documentation's Python equivalents
 * are the specification.
 *
 * Iterators that build result tuples keep the last one and fill it again while nobody else
 * holds it (reusable()): then its cached hash is reset and the collector told about it.
 * A user's iterator or function may re-enter the iterator that calls it; fields are read
 * again after every call out, and replaced before the old value is dropped.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stddef.h>

typedef struct {
    PyTypeObject *grouper;
    PyTypeObject *tee;
    PyTypeObject *teedata;
} ModuleState;

static struct PyModuleDef itertools_module;

static ModuleState *
state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &itertools_module);
    return m ? PyModule_GetState(m) : NULL;
}

#define NEXT(it) (Py_TYPE(it)->tp_iternext(it))

/* tp_dealloc, tp_traverse and tp_clear over the owned fields given as F(field) ... */
#define VISIT_FIELD(f) Py_VISIT(self->f);
#define CLEAR_FIELD(f) Py_CLEAR(self->f);
#define BOILERPLATE(name, Struct, FIELDS, EXTRA)                                       \
    static void name##_dealloc(PyObject *op)                                           \
    {                                                                                  \
        Struct *self = (Struct *)op;                                                   \
        PyTypeObject *type = Py_TYPE(op);                                              \
        PyObject_GC_UnTrack(op);                                                       \
        FIELDS(CLEAR_FIELD)                                                            \
        EXTRA;                                                                         \
        type->tp_free(op);                                                             \
        Py_DECREF(type);                                                               \
    }                                                                                  \
    static int name##_traverse(PyObject *op, visitproc visit, void *arg)               \
    {                                                                                  \
        Struct *self = (Struct *)op;                                                   \
        Py_VISIT(Py_TYPE(op));                                                         \
        FIELDS(VISIT_FIELD)                                                            \
        return 0;                                                                      \
    }                                                                                  \
    static int name##_clear(PyObject *op)                                              \
    {                                                                                  \
        Struct *self = (Struct *)op;                                                   \
        FIELDS(CLEAR_FIELD)                                                            \
        return 0;                                                                      \
    }

#define COMMON_SLOTS(name, doc)                                                        \
    {Py_tp_dealloc, name##_dealloc}, {Py_tp_traverse, name##_traverse},                \
        {Py_tp_clear, name##_clear}, {Py_tp_iter, PyObject_SelfIter},                  \
        {Py_tp_iternext, name##_next}, {Py_tp_new, name##_new},                        \
        {Py_tp_getattro, PyObject_GenericGetAttr}, {Py_tp_free, PyObject_GC_Del},      \
    {                                                                                  \
        Py_tp_doc, (void *)doc                                                         \
    }

#define FLAGS                                                                          \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |                   \
     Py_TPFLAGS_IMMUTABLETYPE)

#define SPEC(kind, Struct)                                                             \
    static PyType_Spec kind##_spec = {                                                 \
        .name = "itertools." #kind,                                                    \
        .basicsize = sizeof(Struct),                                                   \
        .flags = FLAGS,                                                                \
        .slots = kind##_slots,                                                         \
    }

/* Types that take positional arguments only accept keywords in subclasses. */
static int
no_keywords(PyTypeObject *type, newfunc own, const char *name, PyObject *kwds)
{
    if (kwds == NULL || PyDict_GET_SIZE(kwds) == 0) {
        return 0;
    }
    if (type->tp_init != PyBaseObject_Type.tp_init) {
        return 0; /* a subclass with its own __init__ may want them */
    }
    PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", name);
    return -1;
}

/* The tuple may be filled again: only we hold it. */
static bool
reusable(PyObject *tuple)
{
    if (Py_REFCNT(tuple) != 1) {
        return false;
    }
    ((PyTupleObject *)tuple)->ob_hash = -1;
    if (!PyObject_GC_IsTracked(tuple) && PyTuple_GET_SIZE(tuple) > 0) {
        PyObject_GC_Track(tuple);
    }
    return true;
}

static PyObject *
copy_tuple(PyObject *t)
{
    Py_ssize_t n = PyTuple_GET_SIZE(t);
    PyObject *r = PyTuple_New(n);
    for (Py_ssize_t i = 0; r && i < n; i++) {
        PyTuple_SET_ITEM(r, i, Py_NewRef(PyTuple_GET_ITEM(t, i)));
    }
    return r;
}

/* ---------------------------------------------------------------- batched */

typedef struct {
    PyObject_HEAD
    PyObject *it;
    Py_ssize_t n;
    bool strict;
} Batched;
#define FIELDS(F) F(it)
BOILERPLATE(batched, Batched, FIELDS, )
#undef FIELDS

static PyObject *
batched_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"iterable", "n", "strict", NULL};
    PyObject *iterable;
    Py_ssize_t n;
    int strict = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "On|$p:batched", names, &iterable, &n,
                                     &strict)) {
        return NULL;
    }
    if (n < 1) {
        PyErr_SetString(PyExc_ValueError, "n must be at least one");
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return NULL;
    }
    Batched *self = (Batched *)type->tp_alloc(type, 0);
    if (self) {
        self->it = NJ_TAKE(it);
        self->n = n;
        self->strict = strict;
    }
    return (PyObject *)self;
}

static PyObject *
batched_next(PyObject *op)
{
    Batched *self = (Batched *)op;
    if (!self->it) {
        return NULL;
    }
    NJ_OWN it = Py_NewRef(self->it);
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    Py_ssize_t n = self->n;
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN item = next(it);
        if (!item) {
            if (PyErr_Occurred()) {
                if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                    Py_CLEAR(self->it);
                    return NULL;
                }
                PyErr_Clear();
            }
            Py_CLEAR(self->it);
            if (i == 0) {
                return NULL;
            }
            if (self->strict) {
                PyErr_SetString(PyExc_ValueError, "batched(): incomplete batch");
                return NULL;
            }
            break;
        }
        if (PyList_Append(list, item) < 0) {
            return NULL;
        }
    }
    return PyList_AsTuple(list);
}

static PyType_Slot batched_slots[] = {
    COMMON_SLOTS(batched,
                 "batched(iterable, n, *, strict=False)\n--\n\n"
                 "Batch data into tuples of length n. The last batch may be shorter than n.\n\n"
                 "The input is read just far enough to fill the next tuple.\n\n"
                 "    >>> list(batched('abcde', 2))\n"
                 "    [('a', 'b'), ('c', 'd'), ('e',)]\n\n"
                 "With strict, a shorter last batch raises ValueError."),
    {0, NULL},
};
SPEC(batched, Batched);

/* ---------------------------------------------------------------- pairwise */

typedef struct {
    PyObject_HEAD
    PyObject *it;
    PyObject *old;
    PyObject *result;
} Pairwise;
#define FIELDS(F) F(it) F(old) F(result)
BOILERPLATE(pairwise, Pairwise, FIELDS, )
#undef FIELDS

static PyObject *
pairwise_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *iterable;
    if (no_keywords(type, pairwise_new, "pairwise", kwds) < 0 ||
        !PyArg_UnpackTuple(args, "pairwise", 1, 1, &iterable)) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    NJ_OWN result = it ? PyTuple_Pack(2, Py_None, Py_None) : NULL;
    if (!result) {
        return NULL;
    }
    Pairwise *self = (Pairwise *)type->tp_alloc(type, 0);
    if (self) {
        self->it = NJ_TAKE(it);
        self->result = NJ_TAKE(result);
    }
    return (PyObject *)self;
}

static PyObject *
pairwise_next(PyObject *op)
{
    Pairwise *self = (Pairwise *)op;
    if (!self->it) {
        return NULL;
    }
    NJ_OWN it = Py_NewRef(self->it);
    NJ_OWN old = Py_XNewRef(self->old);
    if (!old) {
        NJ_SET(self->old, NEXT(it)); /* which may call this */
        if (!self->old) {
            Py_CLEAR(self->it);
            return NULL;
        }
        if (!self->it) { /* exhausted by a call from inside */
            Py_CLEAR(self->old);
            return NULL;
        }
        old = Py_NewRef(self->old);
    }
    PyObject *new = NEXT(it);
    if (!new) {
        Py_CLEAR(self->it);
        Py_CLEAR(self->old);
        return NULL;
    }
    PyObject *r = self->result;
    if (r && reusable(r)) {
        Py_INCREF(r);
        PyObject *a = PyTuple_GET_ITEM(r, 0), *b = PyTuple_GET_ITEM(r, 1);
        PyTuple_SET_ITEM(r, 0, Py_NewRef(old));
        PyTuple_SET_ITEM(r, 1, Py_NewRef(new));
        Py_DECREF(a);
        Py_DECREF(b);
    }
    else {
        r = PyTuple_Pack(2, old, new);
    }
    Py_XSETREF(self->old, new);
    return r;
}

static PyType_Slot pairwise_slots[] = {
    COMMON_SLOTS(pairwise,
                 "pairwise(iterable, /)\n--\n\n"
                 "Return an iterator of overlapping pairs taken from the input iterator.\n\n"
                 "    s -> (s0,s1), (s1,s2), (s2, s3), ..."),
    {0, NULL},
};
SPEC(pairwise, Pairwise);

/* ---------------------------------------------------------------- groupby */

typedef struct {
    PyObject_HEAD
    PyObject *it;
    PyObject *keyfunc;
    PyObject *tgtkey;    /* key of the group handed out last */
    PyObject *currkey;   /* key of currvalue */
    PyObject *currvalue; /* read ahead, or NULL */
    void *grouper;       /* the live grouper, compared only, not owned */
    ModuleState *state;
} GroupBy;
#define FIELDS(F) F(it) F(keyfunc) F(tgtkey) F(currkey) F(currvalue)
BOILERPLATE(groupby, GroupBy, FIELDS, )
#undef FIELDS

typedef struct {
    PyObject_HEAD
    PyObject *parent;
    PyObject *tgtkey;
} Grouper;
#define FIELDS(F) F(parent) F(tgtkey)
BOILERPLATE(_grouper, Grouper, FIELDS, )
#undef FIELDS

static PyObject *
groupby_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"iterable", "key", NULL};
    PyObject *iterable, *key = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|O:groupby", names, &iterable, &key)) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return NULL;
    }
    GroupBy *self = (GroupBy *)type->tp_alloc(type, 0);
    if (self) {
        self->it = NJ_TAKE(it);
        self->keyfunc = Py_NewRef(key);
        self->state = state_of(type);
    }
    return (PyObject *)self;
}

/* Reads one item ahead. 0; -1 at the end or on error. */
static int
groupby_step(GroupBy *self)
{
    PyObject *value = NEXT(self->it);
    if (!value) {
        return -1;
    }
    PyObject *key =
        self->keyfunc == Py_None ? Py_NewRef(value) : PyObject_CallOneArg(self->keyfunc, value);
    if (!key) {
        Py_DECREF(value);
        return -1;
    }
    PyObject *v = self->currvalue;
    self->currvalue = value;
    Py_XSETREF(self->currkey, key);
    Py_XDECREF(v);
    return 0;
}

static PyObject *
make_grouper(GroupBy *parent, PyTypeObject *type, PyObject *tgtkey)
{
    Grouper *g = PyObject_GC_New(Grouper, type);
    if (!g) {
        return NULL;
    }
    g->parent = Py_NewRef((PyObject *)parent);
    g->tgtkey = Py_NewRef(tgtkey);
    parent->grouper = g;
    PyObject_GC_Track(g);
    return (PyObject *)g;
}

static PyObject *
groupby_next(PyObject *op)
{
    GroupBy *self = (GroupBy *)op;
    self->grouper = NULL;
    for (;;) {
        if (self->currkey) {
            if (!self->tgtkey) {
                break;
            }
            NJ_OWN a = Py_NewRef(self->tgtkey);
            NJ_OWN b = Py_NewRef(self->currkey);
            int same = PyObject_RichCompareBool(a, b, Py_EQ);
            if (same < 0) {
                return NULL;
            }
            if (!same) {
                break;
            }
        }
        if (groupby_step(self) < 0) {
            return NULL;
        }
    }
    if (!self->currkey) {
        return NULL; /* taken by a call from inside */
    }
    Py_XSETREF(self->tgtkey, Py_NewRef(self->currkey));
    NJ_OWN key = Py_NewRef(self->currkey);
    PyTypeObject *gtype = self->state ? self->state->grouper : NULL;
    NJ_OWN g = gtype ? make_grouper(self, gtype, self->tgtkey) : NULL;
    return g ? PyTuple_Pack(2, key, g) : NULL;
}

static PyType_Slot groupby_slots[] = {
    COMMON_SLOTS(groupby,
                 "groupby(iterable, key=None)\n--\n\n"
                 "make an iterator that returns consecutive keys and groups from the "
                 "iterable\n\n"
                 "  iterable\n    Elements to divide into groups according to the key "
                 "function.\n  key\n    A function for computing the group category for each "
                 "element.\n    If the key function is not specified or is None, the element "
                 "itself\n    is used for grouping."),
    {0, NULL},
};
SPEC(groupby, GroupBy);

static PyObject *
_grouper_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *parent, *tgtkey;
    if (no_keywords(type, _grouper_new, "_grouper", kwds) < 0 ||
        !PyArg_UnpackTuple(args, "_grouper", 2, 2, &parent, &tgtkey)) {
        return NULL;
    }
    ModuleState *st = state_of(type);
    if (!st) {
        return NULL;
    }
    PyTypeObject *pt = Py_TYPE(parent);
    if (pt->tp_iternext != groupby_next) {
        PyErr_Format(PyExc_TypeError,
                     "_grouper() argument 1 must be itertools.groupby, not %s", pt->tp_name);
        return NULL;
    }
    return make_grouper((GroupBy *)parent, type, tgtkey);
}

static PyObject *
_grouper_next(PyObject *op)
{
    Grouper *self = (Grouper *)op;
    GroupBy *gb = (GroupBy *)self->parent;
    if (!gb || gb->grouper != self) {
        return NULL;
    }
    if (!gb->currvalue && groupby_step(gb) < 0) {
        return NULL;
    }
    if (!gb->currkey) {
        return NULL;
    }
    NJ_OWN a = Py_NewRef(self->tgtkey);
    NJ_OWN b = Py_NewRef(gb->currkey);
    int same = PyObject_RichCompareBool(a, b, Py_EQ);
    if (same <= 0) {
        return NULL;
    }
    PyObject *r = gb->currvalue;
    gb->currvalue = NULL;
    Py_CLEAR(gb->currkey);
    return r;
}

static PyType_Slot _grouper_slots[] = {
    {Py_tp_dealloc, _grouper_dealloc},
    {Py_tp_traverse, _grouper_traverse},
    {Py_tp_clear, _grouper_clear},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, _grouper_next},
    {Py_tp_new, _grouper_new},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_free, PyObject_GC_Del},
    {0, NULL},
};
static PyType_Spec _grouper_spec = {
    .name = "itertools._grouper",
    .basicsize = sizeof(Grouper),
    .flags = FLAGS & ~Py_TPFLAGS_BASETYPE,
    .slots = _grouper_slots,
};

/* ---------------------------------------------------------------- tee */

#define LINK_CELLS 57

typedef struct TeeData {
    PyObject_HEAD
    PyObject *it;
    int numread; /* values present */
    int running; /* in NEXT(it): a second call is an error */
    PyObject *nextlink;
    PyObject *values[LINK_CELLS];
} TeeData;

typedef struct {
    PyObject_HEAD
    TeeData *data;
    Py_ssize_t index; /* next value in data */
    PyObject *weakreflist;
    ModuleState *state;
} Tee;

static PyObject *
make_teedata(ModuleState *st, PyObject *it)
{
    TeeData *d = PyObject_GC_New(TeeData, st->teedata);
    if (!d) {
        return NULL;
    }
    d->it = Py_NewRef(it);
    d->numread = d->running = 0;
    d->nextlink = NULL;
    PyObject_GC_Track(d);
    return (PyObject *)d;
}

/* The block after d, new reference. */
static PyObject *
teedata_link(ModuleState *st, TeeData *d)
{
    if (!d->nextlink) {
        d->nextlink = make_teedata(st, d->it);
    }
    return Py_XNewRef(d->nextlink);
}

static PyObject *
teedata_get(TeeData *d, int i)
{
    if (i < d->numread) {
        return Py_NewRef(d->values[i]);
    }
    if (d->running) {
        PyErr_SetString(PyExc_RuntimeError, "cannot re-enter the tee iterator");
        return NULL;
    }
    d->running = 1;
    PyObject *v = NEXT(d->it);
    d->running = 0;
    if (!v) {
        return NULL;
    }
    d->numread++;
    d->values[i] = v;
    return Py_NewRef(v);
}

static int
teedata_traverse(PyObject *op, visitproc visit, void *arg)
{
    TeeData *d = (TeeData *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(d->it);
    for (int i = 0; i < d->numread; i++) {
        Py_VISIT(d->values[i]);
    }
    Py_VISIT(d->nextlink);
    return 0;
}

static int
teedata_clear(PyObject *op)
{
    TeeData *d = (TeeData *)op;
    PyTypeObject *type = Py_TYPE(op);
    Py_CLEAR(d->it);
    for (int i = 0; i < d->numread; i++) {
        Py_CLEAR(d->values[i]);
    }
    /* a long chain goes link by link, not by recursion */
    PyObject *link = d->nextlink;
    d->nextlink = NULL;
    while (link && Py_IS_TYPE(link, type) && Py_REFCNT(link) == 1) {
        PyObject *next = ((TeeData *)link)->nextlink;
        ((TeeData *)link)->nextlink = NULL;
        Py_SETREF(link, next);
    }
    Py_XDECREF(link);
    return 0;
}

static void
teedata_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    teedata_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyObject *
teedata_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *it, *values, *next;
    if (!PyArg_UnpackTuple(args, "teedataobject", 3, 3, &it, &values, &next)) {
        return NULL;
    }
    if (!PyList_Check(values)) {
        PyErr_Format(PyExc_TypeError, "teedataobject() argument 2 must be list, not %T",
                     values);
        return NULL;
    }
    ModuleState *st = state_of(type);
    if (!st) {
        return NULL;
    }
    if (!PyIter_Check(it)) {
        return Py_NewRef(Py_None);
    }
    NJ_OWN op = make_teedata(st, it);
    if (!op) {
        return NULL;
    }
    TeeData *d = (TeeData *)op;
    Py_ssize_t n = PyList_GET_SIZE(values);
    if (n > LINK_CELLS) {
        PyErr_SetString(PyExc_ValueError, "Invalid arguments");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        d->values[i] = Py_NewRef(PyList_GET_ITEM(values, i));
        d->numread++;
    }
    if (n == LINK_CELLS) {
        if (next != Py_None) {
            if (!Py_IS_TYPE(next, st->teedata)) {
                PyErr_SetString(PyExc_ValueError, "Invalid arguments");
                return NULL;
            }
            d->nextlink = Py_NewRef(next);
        }
    }
    else if (next != Py_None) {
        PyErr_SetString(PyExc_ValueError, "Invalid arguments");
        return NULL;
    }
    return NJ_TAKE(op);
}

static PyType_Slot teedata_slots[] = {
    {Py_tp_dealloc, teedata_dealloc},
    {Py_tp_traverse, teedata_traverse},
    {Py_tp_clear, teedata_clear},
    {Py_tp_new, teedata_new},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_free, PyObject_GC_Del},
    {Py_tp_doc, "teedataobject(iterable, values, next, /)\n--\n\n"
                "Data container common to multiple tee objects."},
    {0, NULL},
};
static PyType_Spec teedata_spec = {
    .name = "itertools._tee_dataobject",
    .basicsize = sizeof(TeeData),
    .flags = FLAGS & ~Py_TPFLAGS_BASETYPE,
    .slots = teedata_slots,
};

static PyObject *
tee_wrap(ModuleState *st, PyObject *data_owned, Py_ssize_t index)
{
    NJ_OWN data = data_owned;
    if (!data) {
        return NULL;
    }
    Tee *t = PyObject_GC_New(Tee, st->tee);
    if (!t) {
        return NULL;
    }
    t->data = (TeeData *)NJ_TAKE(data);
    t->index = index;
    t->weakreflist = NULL;
    t->state = st;
    PyObject_GC_Track(t);
    return (PyObject *)t;
}

static PyObject *
tee_copy(PyObject *op, PyObject *unused)
{
    Tee *t = (Tee *)op;
    return tee_wrap(t->state, Py_NewRef((PyObject *)t->data), t->index);
}

static PyObject *
tee_from(ModuleState *st, PyObject *iterable)
{
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return NULL;
    }
    if (Py_IS_TYPE(it, st->tee)) {
        return tee_copy(it, NULL);
    }
    return tee_wrap(st, make_teedata(st, it), 0);
}

static PyObject *
_tee_next(PyObject *op)
{
    Tee *t = (Tee *)op;
    if (t->index >= LINK_CELLS) {
        PyObject *link = teedata_link(t->state, t->data);
        if (!link) {
            return NULL;
        }
        Py_SETREF(t->data, (TeeData *)link);
        t->index = 0;
    }
    NJ_OWN keep = Py_NewRef((PyObject *)t->data);
    PyObject *v = teedata_get(t->data, (int)t->index);
    if (v) {
        t->index++;
    }
    return v;
}

static PyObject *
_tee_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *iterable;
    if (no_keywords(type, _tee_new, "_tee", kwds) < 0 ||
        !PyArg_UnpackTuple(args, "_tee", 1, 1, &iterable)) {
        return NULL;
    }
    ModuleState *st = state_of(type);
    return st ? tee_from(st, iterable) : NULL;
}

static int
_tee_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)((Tee *)op)->data);
    return 0;
}

static int
_tee_clear(PyObject *op)
{
    Py_CLEAR(((Tee *)op)->data);
    return 0;
}

static void
_tee_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((Tee *)op)->weakreflist) {
        PyObject_ClearWeakRefs(op);
    }
    _tee_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyMethodDef _tee_methods[] = {
    {"__copy__", tee_copy, METH_NOARGS,
     "__copy__($self, /)\n--\n\nReturns an independent iterator."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef _tee_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Tee, weakreflist), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot _tee_slots[] = {
    COMMON_SLOTS(_tee, "_tee(iterable, /)\n--\n\nIterator wrapped to make it copyable."),
    {Py_tp_methods, _tee_methods},
    {Py_tp_members, _tee_members},
    {0, NULL},
};
static PyType_Spec _tee_spec = {
    .name = "itertools._tee",
    .basicsize = sizeof(Tee),
    .flags = FLAGS & ~Py_TPFLAGS_BASETYPE,
    .slots = _tee_slots,
};

static PyObject *
itertools_tee(PyObject *module, PyObject *args)
{
    PyObject *iterable, *count = NULL;
    if (!PyArg_UnpackTuple(args, "tee", 1, 2, &iterable, &count)) {
        return NULL;
    }
    Py_ssize_t n = 2;
    if (count) {
        n = PyNumber_AsSsize_t(count, PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "n must be >= 0");
        return NULL;
    }
    NJ_OWN result = PyTuple_New(n);
    if (!result || n == 0) {
        return NJ_TAKE(result);
    }
    ModuleState *st = PyModule_GetState(module);
    PyObject *first = tee_from(st, iterable);
    if (!first) {
        return NULL;
    }
    PyTuple_SET_ITEM(result, 0, first);
    for (Py_ssize_t i = 1; i < n; i++) {
        PyObject *t = tee_copy(first, NULL);
        if (!t) {
            return NULL;
        }
        PyTuple_SET_ITEM(result, i, t);
    }
    return NJ_TAKE(result);
}

/* ---------------------------------------------------------------- cycle */

typedef struct {
    PyObject_HEAD
    PyObject *it; /* NULL after the first pass */
    PyObject *saved;
    Py_ssize_t index;
} Cycle;
#define FIELDS(F) F(it) F(saved)
BOILERPLATE(cycle, Cycle, FIELDS, )
#undef FIELDS

static PyObject *
cycle_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *iterable;
    if (no_keywords(type, cycle_new, "cycle", kwds) < 0 ||
        !PyArg_UnpackTuple(args, "cycle", 1, 1, &iterable)) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    NJ_OWN saved = it ? PyList_New(0) : NULL;
    if (!saved) {
        return NULL;
    }
    Cycle *self = (Cycle *)type->tp_alloc(type, 0);
    if (self) {
        self->it = NJ_TAKE(it);
        self->saved = NJ_TAKE(saved);
        self->index = -1;
    }
    return (PyObject *)self;
}

static PyObject *
cycle_next(PyObject *op)
{
    Cycle *self = (Cycle *)op;
    if (self->it) {
        NJ_OWN it = Py_NewRef(self->it);
        PyObject *item = NEXT(it);
        if (item) {
            if (self->saved && PyList_Append(self->saved, item) < 0) {
                Py_DECREF(item);
                return NULL;
            }
            return item;
        }
        if (PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                return NULL;
            }
            PyErr_Clear();
        }
        Py_CLEAR(self->it);
    }
    if (!self->saved || PyList_GET_SIZE(self->saved) == 0) {
        return NULL;
    }
    if (++self->index >= PyList_GET_SIZE(self->saved)) {
        self->index = 0;
    }
    return Py_NewRef(PyList_GET_ITEM(self->saved, self->index));
}

static PyType_Slot cycle_slots[] = {
    COMMON_SLOTS(cycle, "cycle(iterable, /)\n--\n\n"
                        "Return elements from the iterable until it is exhausted. Then "
                        "repeat the sequence indefinitely."),
    {0, NULL},
};
SPEC(cycle, Cycle);

/* ---------------------------------------------------------------- func + iterable */

typedef struct {
    PyObject_HEAD
    PyObject *func;
    PyObject *it;
    long flag; /* dropwhile: dropping is over; takewhile: stopped */
} FuncIter;
typedef struct {
    PyObject_HEAD
    PyObject *func;
    PyObject *it;
} SmallFuncIter;
#define FIELDS(F) F(func) F(it)
BOILERPLATE(dropwhile, FuncIter, FIELDS, )
BOILERPLATE(takewhile, FuncIter, FIELDS, )
BOILERPLATE(starmap, SmallFuncIter, FIELDS, )
BOILERPLATE(filterfalse, SmallFuncIter, FIELDS, )
#undef FIELDS

static PyObject *
func_iter_new(PyTypeObject *type, PyObject *args, PyObject *kwds, const char *name)
{
    PyObject *func, *iterable;
    if (no_keywords(type, NULL, name, kwds) < 0 ||
        !PyArg_UnpackTuple(args, name, 2, 2, &func, &iterable)) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return NULL;
    }
    SmallFuncIter *self = (SmallFuncIter *)type->tp_alloc(type, 0);
    if (self) {
        self->func = Py_NewRef(func);
        self->it = NJ_TAKE(it);
    }
    return (PyObject *)self;
}
#define FUNC_NEW(name)                                                                 \
    static PyObject *name##_new(PyTypeObject *type, PyObject *args, PyObject *kwds)    \
    {                                                                                  \
        return func_iter_new(type, args, kwds, #name);                                 \
    }
FUNC_NEW(dropwhile)
FUNC_NEW(takewhile)
FUNC_NEW(starmap)
FUNC_NEW(filterfalse)

/* Truth of func(item): 1, 0, -1. */
static int
test_item(PyObject *func, PyObject *item)
{
    PyObject *r = PyObject_CallOneArg(func, item);
    if (!r) {
        return -1;
    }
    int ok = r == Py_True ? 1 : r == Py_False ? 0 : PyObject_IsTrue(r);
    Py_DECREF(r);
    return ok;
}

static PyObject *
dropwhile_next(PyObject *op)
{
    FuncIter *self = (FuncIter *)op;
    for (;;) {
        PyObject *item = NEXT(self->it);
        if (!item || self->flag) {
            return item;
        }
        int ok = test_item(self->func, item);
        if (ok == 0) {
            self->flag = 1;
            return item;
        }
        Py_DECREF(item);
        if (ok < 0) {
            return NULL;
        }
    }
}

static PyObject *
takewhile_next(PyObject *op)
{
    FuncIter *self = (FuncIter *)op;
    if (self->flag) {
        return NULL;
    }
    PyObject *item = NEXT(self->it);
    if (!item) {
        return NULL;
    }
    int ok = test_item(self->func, item);
    if (ok > 0) {
        return item;
    }
    Py_DECREF(item);
    if (ok == 0) {
        self->flag = 1;
    }
    return NULL;
}

static PyObject *
starmap_next(PyObject *op)
{
    SmallFuncIter *self = (SmallFuncIter *)op;
    PyObject *args = NEXT(self->it);
    if (!args) {
        return NULL;
    }
    if (!PyTuple_CheckExact(args)) {
        Py_SETREF(args, PySequence_Tuple(args));
        if (!args) {
            return NULL;
        }
    }
    PyObject *r = PyObject_Vectorcall(self->func, ((PyTupleObject *)args)->ob_item,
                                      (size_t)PyTuple_GET_SIZE(args), NULL);
    Py_DECREF(args);
    return r;
}

static PyObject *
filterfalse_next(PyObject *op)
{
    SmallFuncIter *self = (SmallFuncIter *)op;
    for (;;) {
        PyObject *item = NEXT(self->it);
        if (!item) {
            return NULL;
        }
        int ok = self->func == Py_None || self->func == (PyObject *)&PyBool_Type
                     ? PyObject_IsTrue(item)
                     : test_item(self->func, item);
        if (ok == 0) {
            return item;
        }
        Py_DECREF(item);
        if (ok < 0) {
            return NULL;
        }
    }
}

static PyType_Slot dropwhile_slots[] = {
    COMMON_SLOTS(dropwhile, "dropwhile(predicate, iterable, /)\n--\n\n"
                            "Drop items from the iterable while predicate(item) is true.\n\n"
                            "Afterwards, return every element until the iterable is "
                            "exhausted."),
    {0, NULL},
};
SPEC(dropwhile, FuncIter);
static PyType_Slot takewhile_slots[] = {
    COMMON_SLOTS(takewhile, "takewhile(predicate, iterable, /)\n--\n\n"
                            "Return successive entries from an iterable as long as the "
                            "predicate evaluates to true for each entry."),
    {0, NULL},
};
SPEC(takewhile, FuncIter);
static PyType_Slot starmap_slots[] = {
    COMMON_SLOTS(starmap, "starmap(function, iterable, /)\n--\n\n"
                          "Return an iterator whose values are returned from the function "
                          "evaluated with an argument tuple taken from the given sequence."),
    {0, NULL},
};
SPEC(starmap, SmallFuncIter);
static PyType_Slot filterfalse_slots[] = {
    COMMON_SLOTS(filterfalse, "filterfalse(function, iterable, /)\n--\n\n"
                              "Return those items of iterable for which function(item) is "
                              "false.\n\nIf function is None, return the items that are "
                              "false."),
    {0, NULL},
};
SPEC(filterfalse, SmallFuncIter);

/* ---------------------------------------------------------------- islice */

typedef struct {
    PyObject_HEAD
    PyObject *it;
    Py_ssize_t next, stop, step, cnt; /* stop -1: no end */
} ISlice;
#define FIELDS(F) F(it)
BOILERPLATE(islice, ISlice, FIELDS, )
#undef FIELDS

/* An index >= 0 or None (then `none'). -2 on anything else, no exception set. */
static Py_ssize_t
islice_arg(PyObject *v, Py_ssize_t none)
{
    if (v == NULL || v == Py_None) {
        return none;
    }
    if (!PyIndex_Check(v)) {
        return -2;
    }
    Py_ssize_t i = PyNumber_AsSsize_t(v, PyExc_OverflowError);
    if (i == -1 && PyErr_Occurred()) {
        PyErr_Clear();
    }
    return i < 0 ? -2 : i;
}

static PyObject *
islice_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *seq, *a1, *a2 = NULL, *a3 = NULL;
    if (no_keywords(type, islice_new, "islice", kwds) < 0 ||
        !PyArg_UnpackTuple(args, "islice", 2, 4, &seq, &a1, &a2, &a3)) {
        return NULL;
    }
    Py_ssize_t start = 0, stop, step = 1;
    if (PyTuple_GET_SIZE(args) == 2) {
        stop = islice_arg(a1, -1);
        if (stop == -2) {
            PyErr_SetString(PyExc_ValueError,
                            "Stop argument for islice() must be None or an integer: "
                            "0 <= x <= sys.maxsize.");
            return NULL;
        }
    }
    else {
        start = islice_arg(a1, 0);
        stop = islice_arg(a2, -1);
        if (stop == -2) {
            PyErr_SetString(PyExc_ValueError,
                            "Stop argument for islice() must be None or an integer: "
                            "0 <= x <= sys.maxsize.");
            return NULL;
        }
        if (start == -2) {
            PyErr_SetString(PyExc_ValueError,
                            "Indices for islice() must be None or an integer: "
                            "0 <= x <= sys.maxsize.");
            return NULL;
        }
        step = islice_arg(a3, 1);
        if (step < 1) {
            PyErr_SetString(PyExc_ValueError,
                            "Step for islice() must be a positive integer or None.");
            return NULL;
        }
    }
    NJ_OWN it = PyObject_GetIter(seq);
    if (!it) {
        return NULL;
    }
    ISlice *self = (ISlice *)type->tp_alloc(type, 0);
    if (self) {
        self->it = NJ_TAKE(it);
        self->next = start;
        self->stop = stop;
        self->step = step;
        self->cnt = 0;
    }
    return (PyObject *)self;
}

static PyObject *
islice_next(PyObject *op)
{
    ISlice *self = (ISlice *)op;
    if (!self->it) {
        return NULL;
    }
    NJ_OWN it = Py_NewRef(self->it);
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    while (self->cnt < self->next) {
        PyObject *item = next(it);
        if (!item) {
            goto empty;
        }
        Py_DECREF(item);
        self->cnt++;
    }
    if (self->stop != -1 && self->cnt >= self->stop) {
        goto empty;
    }
    PyObject *item = next(it);
    if (!item) {
        goto empty;
    }
    self->cnt++;
    /* the sum may pass the end of Py_ssize_t: stop there */
    if (self->step > PY_SSIZE_T_MAX - self->next ||
        (self->stop != -1 && self->next + self->step > self->stop)) {
        self->next = self->stop == -1 ? PY_SSIZE_T_MAX : self->stop;
    }
    else {
        self->next += self->step;
    }
    return item;
empty:
    Py_CLEAR(self->it);
    return NULL;
}

static PyType_Slot islice_slots[] = {
    COMMON_SLOTS(islice,
                 "islice(iterable, stop) --> islice object\n"
                 "islice(iterable, start, stop[, step]) --> islice object\n\n"
                 "Return an iterator whose next() method returns selected values from an\n"
                 "iterable.  start defaults to zero and step to one; works like a slice of\n"
                 "a list but returns an iterator."),
    {0, NULL},
};
SPEC(islice, ISlice);

/* ---------------------------------------------------------------- chain */

typedef struct {
    PyObject_HEAD
    PyObject *source; /* iterator over iterables; NULL when exhausted */
    PyObject *active; /* iterator of the present one */
} Chain;
#define FIELDS(F) F(source) F(active)
BOILERPLATE(chain, Chain, FIELDS, )
#undef FIELDS

static PyObject *
make_chain(PyTypeObject *type, PyObject *source_owned)
{
    NJ_OWN source = source_owned;
    if (!source) {
        return NULL;
    }
    Chain *self = (Chain *)type->tp_alloc(type, 0);
    if (self) {
        self->source = NJ_TAKE(source);
    }
    return (PyObject *)self;
}

static PyObject *
chain_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (no_keywords(type, chain_new, "chain", kwds) < 0) {
        return NULL;
    }
    return make_chain(type, PyObject_GetIter(args));
}

static PyObject *
chain_from_iterable(PyObject *type, PyObject *arg)
{
    return make_chain((PyTypeObject *)type, PyObject_GetIter(arg));
}

static PyObject *
chain_next(PyObject *op)
{
    Chain *self = (Chain *)op;
    while (self->source) {
        if (!self->active) {
            NJ_OWN source = Py_NewRef(self->source);
            NJ_OWN iterable = PyIter_Next(source);
            if (!iterable) {
                Py_CLEAR(self->source);
                return NULL;
            }
            PyObject *it = PyObject_GetIter(iterable);
            if (!it) {
                Py_CLEAR(self->source);
                return NULL;
            }
            Py_XSETREF(self->active, it);
        }
        PyObject *active = Py_NewRef(self->active);
        PyObject *item = NEXT(active);
        Py_DECREF(active);
        if (item) {
            return item;
        }
        if (PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                return NULL;
            }
            PyErr_Clear();
        }
        Py_CLEAR(self->active);
    }
    return NULL;
}

static PyMethodDef chain_methods[] = {
    {"from_iterable", chain_from_iterable, METH_O | METH_CLASS,
     "from_iterable($type, iterable, /)\n--\n\n"
     "Alternative chain() constructor taking a single iterable argument that evaluates "
     "lazily."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"
     "chain is generic over the type of its contents."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot chain_slots[] = {
    COMMON_SLOTS(chain,
                 "chain(*iterables)\n--\n\n"
                 "Return a chain object whose .__next__() method returns elements from the\n"
                 "first iterable until it is exhausted, then elements from the next\n"
                 "iterable, until all of the iterables are exhausted."),
    {Py_tp_methods, chain_methods},
    {0, NULL},
};
SPEC(chain, Chain);

/* ---------------------------------------------------------------- product */

typedef struct {
    PyObject_HEAD
    PyObject *pools;     /* tuple of tuples */
    Py_ssize_t *indices; /* one per pool */
    PyObject *result;    /* last tuple handed out; NULL at the start */
    long stopped;
} Product;
#define FIELDS(F) F(pools) F(result)
BOILERPLATE(product, Product, FIELDS, PyMem_Free(self->indices))
#undef FIELDS

static PyObject *
product_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    Py_ssize_t repeat = 1, nargs = PyTuple_GET_SIZE(args);
    if (kwds && PyDict_GET_SIZE(kwds)) {
        static char *names[] = {"repeat", NULL};
        NJ_OWN none = PyTuple_New(0);
        if (!none ||
            !PyArg_ParseTupleAndKeywords(none, kwds, "|n:product", names, &repeat)) {
            return NULL;
        }
        if (repeat < 0) {
            PyErr_SetString(PyExc_ValueError, "repeat argument cannot be negative");
            return NULL;
        }
    }
    if (repeat == 0) {
        nargs = 0;
    }
    else if (nargs > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(Py_ssize_t) / repeat) {
        PyErr_SetString(PyExc_OverflowError, "repeat argument too large");
        return NULL;
    }
    Py_ssize_t n = nargs * repeat;
    NJ_OWN pools = PyTuple_New(n);
    if (!pools) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyObject *pool = PySequence_Tuple(PyTuple_GET_ITEM(args, i));
        if (!pool) {
            return NULL;
        }
        PyTuple_SET_ITEM(pools, i, pool);
    }
    for (Py_ssize_t i = nargs; i < n; i++) {
        PyTuple_SET_ITEM(pools, i, Py_NewRef(PyTuple_GET_ITEM(pools, i - nargs)));
    }
    Py_ssize_t *indices = PyMem_Calloc((size_t)(n ? n : 1), sizeof(Py_ssize_t));
    if (!indices) {
        return PyErr_NoMemory();
    }
    Product *self = (Product *)type->tp_alloc(type, 0);
    if (!self) {
        PyMem_Free(indices);
        return NULL;
    }
    self->pools = NJ_TAKE(pools);
    self->indices = indices;
    return (PyObject *)self;
}

static PyObject *
product_next(PyObject *op)
{
    Product *self = (Product *)op;
    if (self->stopped || !self->pools) {
        return NULL;
    }
    PyObject *pools = self->pools;
    Py_ssize_t n = PyTuple_GET_SIZE(pools);
    if (!self->result) {
        PyObject *r = PyTuple_New(n);
        if (!r) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *pool = PyTuple_GET_ITEM(pools, i);
            if (PyTuple_GET_SIZE(pool) == 0) {
                Py_DECREF(r);
                self->stopped = 1;
                return NULL;
            }
            PyTuple_SET_ITEM(r, i, Py_NewRef(PyTuple_GET_ITEM(pool, 0)));
        }
        self->result = r;
        return Py_NewRef(r);
    }
    if (!reusable(self->result)) {
        PyObject *r = copy_tuple(self->result);
        if (!r) {
            return NULL;
        }
        Py_SETREF(self->result, r);
    }
    PyObject *r = self->result;
    Py_ssize_t i;
    for (i = n - 1; i >= 0; i--) {
        PyObject *pool = PyTuple_GET_ITEM(pools, i);
        if (++self->indices[i] == PyTuple_GET_SIZE(pool)) {
            self->indices[i] = 0;
        }
        PyObject *new = Py_NewRef(PyTuple_GET_ITEM(pool, self->indices[i]));
        PyObject *old = PyTuple_GET_ITEM(r, i);
        PyTuple_SET_ITEM(r, i, new);
        Py_DECREF(old);
        if (self->indices[i]) {
            break;
        }
    }
    if (i < 0) {
        self->stopped = 1;
        return NULL;
    }
    return Py_NewRef(r);
}

static PyObject *
product_sizeof(PyObject *op, PyObject *unused)
{
    Product *self = (Product *)op;
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize +
                             (size_t)PyTuple_GET_SIZE(self->pools) * sizeof(Py_ssize_t));
}

#define SIZEOF_METHOD(f)                                                               \
    {"__sizeof__", f, METH_NOARGS,                                                     \
     "__sizeof__($self, /)\n--\n\nReturns size in memory, in bytes."},                 \
    {                                                                                  \
        NULL, NULL, 0, NULL                                                            \
    }
static PyMethodDef product_methods[] = {SIZEOF_METHOD(product_sizeof)};
static PyType_Slot product_slots[] = {
    COMMON_SLOTS(product, "product(*iterables, repeat=1)\n--\n\n"
                          "Cartesian product of input iterables.  Equivalent to nested "
                          "for-loops."),
    {Py_tp_methods, product_methods},
    {0, NULL},
};
SPEC(product, Product);

/* ---------------------------------------------------------------- combinations */

typedef struct {
    PyObject_HEAD
    PyObject *pool;
    Py_ssize_t *indices;
    PyObject *result;
    Py_ssize_t r;
    long stopped;
} Combinations;
#define FIELDS(F) F(pool) F(result)
BOILERPLATE(combinations, Combinations, FIELDS, PyMem_Free(self->indices))
BOILERPLATE(combinations_with_replacement, Combinations, FIELDS, PyMem_Free(self->indices))
#undef FIELDS

static PyObject *
make_combinations(PyTypeObject *type, PyObject *args, PyObject *kwds, const char *format,
                  bool replace)
{
    static char *names[] = {"iterable", "r", NULL};
    PyObject *iterable;
    Py_ssize_t r;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, format, names, &iterable, &r)) {
        return NULL;
    }
    NJ_OWN pool = PySequence_Tuple(iterable);
    if (!pool) {
        return NULL;
    }
    if (r < 0) {
        PyErr_SetString(PyExc_ValueError, "r must be non-negative");
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(pool);
    if ((size_t)r > (size_t)PY_SSIZE_T_MAX / sizeof(Py_ssize_t)) {
        return PyErr_NoMemory();
    }
    Py_ssize_t *indices = PyMem_Malloc((size_t)(r ? r : 1) * sizeof(Py_ssize_t));
    if (!indices) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < r; i++) {
        indices[i] = replace ? 0 : i;
    }
    Combinations *self = (Combinations *)type->tp_alloc(type, 0);
    if (!self) {
        PyMem_Free(indices);
        return NULL;
    }
    self->pool = NJ_TAKE(pool);
    self->indices = indices;
    self->r = r;
    self->stopped = replace ? n == 0 && r > 0 : r > n;
    return (PyObject *)self;
}

static PyObject *
combinations_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return make_combinations(type, args, kwds, "On:combinations", false);
}

static PyObject *
combinations_with_replacement_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return make_combinations(type, args, kwds, "On:combinations_with_replacement", true);
}

/* First tuple, or a private copy of the last one to change. 1 = first, 0, -1. */
static int
prepare_result(PyObject **result, PyObject *pool, Py_ssize_t *indices, Py_ssize_t r)
{
    if (!*result) {
        PyObject *t = PyTuple_New(r);
        if (!t) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < r; i++) {
            PyTuple_SET_ITEM(t, i, Py_NewRef(PyTuple_GET_ITEM(pool, indices[i])));
        }
        *result = t;
        return 1;
    }
    if (!reusable(*result)) {
        PyObject *t = copy_tuple(*result);
        if (!t) {
            return -1;
        }
        Py_SETREF(*result, t);
    }
    return 0;
}

/* result[i] = pool[indices[i]] for i in [from, r) */
static void
refill(PyObject *result, PyObject *pool, Py_ssize_t *indices, Py_ssize_t from, Py_ssize_t r)
{
    for (Py_ssize_t i = from; i < r; i++) {
        PyObject *old = PyTuple_GET_ITEM(result, i);
        PyTuple_SET_ITEM(result, i, Py_NewRef(PyTuple_GET_ITEM(pool, indices[i])));
        Py_DECREF(old);
    }
}

static PyObject *
combinations_next(PyObject *op)
{
    Combinations *self = (Combinations *)op;
    if (self->stopped || !self->pool) {
        return NULL;
    }
    int first = prepare_result(&self->result, self->pool, self->indices, self->r);
    if (first) {
        return first < 0 ? NULL : Py_NewRef(self->result);
    }
    Py_ssize_t n = PyTuple_GET_SIZE(self->pool), r = self->r, i = r - 1;
    Py_ssize_t *indices = self->indices;
    while (i >= 0 && indices[i] == i + n - r) {
        i--;
    }
    if (i < 0) {
        self->stopped = 1;
        return NULL;
    }
    indices[i]++;
    for (Py_ssize_t j = i + 1; j < r; j++) {
        indices[j] = indices[j - 1] + 1;
    }
    refill(self->result, self->pool, indices, i, r);
    return Py_NewRef(self->result);
}

static PyObject *
combinations_with_replacement_next(PyObject *op)
{
    Combinations *self = (Combinations *)op;
    if (self->stopped || !self->pool) {
        return NULL;
    }
    int first = prepare_result(&self->result, self->pool, self->indices, self->r);
    if (first) {
        return first < 0 ? NULL : Py_NewRef(self->result);
    }
    Py_ssize_t n = PyTuple_GET_SIZE(self->pool), r = self->r, i = r - 1;
    Py_ssize_t *indices = self->indices;
    while (i >= 0 && indices[i] == n - 1) {
        i--;
    }
    if (i < 0) {
        self->stopped = 1;
        return NULL;
    }
    Py_ssize_t next = indices[i] + 1;
    for (Py_ssize_t j = i; j < r; j++) {
        indices[j] = next;
    }
    refill(self->result, self->pool, indices, i, r);
    return Py_NewRef(self->result);
}

static PyObject *
combinations_sizeof(PyObject *op, PyObject *unused)
{
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize +
                             (size_t)((Combinations *)op)->r * sizeof(Py_ssize_t));
}

static PyMethodDef combinations_methods[] = {SIZEOF_METHOD(combinations_sizeof)};
static PyType_Slot combinations_slots[] = {
    COMMON_SLOTS(combinations,
                 "combinations(iterable, r)\n--\n\n"
                 "Return successive r-length combinations of elements in the iterable.\n\n"
                 "combinations(range(4), 3) --> (0,1,2), (0,1,3), (0,2,3), (1,2,3)"),
    {Py_tp_methods, combinations_methods},
    {0, NULL},
};
SPEC(combinations, Combinations);
static PyType_Slot combinations_with_replacement_slots[] = {
    COMMON_SLOTS(combinations_with_replacement,
                 "combinations_with_replacement(iterable, r)\n--\n\n"
                 "Return successive r-length combinations of elements in the iterable "
                 "allowing individual elements to have successive repeats."),
    {Py_tp_methods, combinations_methods},
    {0, NULL},
};
SPEC(combinations_with_replacement, Combinations);

/* ---------------------------------------------------------------- permutations */

typedef struct {
    PyObject_HEAD
    PyObject *pool;
    Py_ssize_t *indices; /* n of them, a permutation */
    Py_ssize_t *cycles;  /* r of them */
    PyObject *result;
    Py_ssize_t r;
    long stopped;
} Permutations;
#define FIELDS(F) F(pool) F(result)
BOILERPLATE(permutations, Permutations, FIELDS,
            (PyMem_Free(self->indices), PyMem_Free(self->cycles)))
#undef FIELDS

static PyObject *
permutations_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"iterable", "r", NULL};
    PyObject *iterable, *robj = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|O:permutations", names, &iterable,
                                     &robj)) {
        return NULL;
    }
    NJ_OWN pool = PySequence_Tuple(iterable);
    if (!pool) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(pool), r = n;
    if (robj != Py_None) {
        if (!PyLong_Check(robj)) {
            PyErr_SetString(PyExc_TypeError, "Expected int as r");
            return NULL;
        }
        r = PyLong_AsSsize_t(robj);
        if (r == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (r < 0) {
        PyErr_SetString(PyExc_ValueError, "r must be non-negative");
        return NULL;
    }
    if ((size_t)r > (size_t)PY_SSIZE_T_MAX / sizeof(Py_ssize_t)) {
        return PyErr_NoMemory();
    }
    Py_ssize_t *indices = PyMem_Malloc((size_t)(n ? n : 1) * sizeof(Py_ssize_t));
    Py_ssize_t *cycles = PyMem_Malloc((size_t)(r ? r : 1) * sizeof(Py_ssize_t));
    Permutations *self =
        indices && cycles ? (Permutations *)type->tp_alloc(type, 0) : NULL;
    if (!self) {
        PyMem_Free(indices);
        PyMem_Free(cycles);
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        indices[i] = i;
    }
    for (Py_ssize_t i = 0; i < r; i++) {
        cycles[i] = n - i;
    }
    self->pool = NJ_TAKE(pool);
    self->indices = indices;
    self->cycles = cycles;
    self->r = r;
    self->stopped = r > n;
    return (PyObject *)self;
}

static PyObject *
permutations_next(PyObject *op)
{
    Permutations *self = (Permutations *)op;
    if (self->stopped || !self->pool) {
        return NULL;
    }
    Py_ssize_t *indices = self->indices, *cycles = self->cycles;
    Py_ssize_t n = PyTuple_GET_SIZE(self->pool), r = self->r;
    int first = prepare_result(&self->result, self->pool, indices, r);
    if (first) {
        return first < 0 ? NULL : Py_NewRef(self->result);
    }
    if (n == 0) {
        self->stopped = 1;
        return NULL;
    }
    for (Py_ssize_t i = r - 1; i >= 0; i--) {
        if (--cycles[i] == 0) {
            Py_ssize_t index = indices[i];
            memmove(indices + i, indices + i + 1, (size_t)(n - 1 - i) * sizeof(*indices));
            indices[n - 1] = index;
            cycles[i] = n - i;
        }
        else {
            Py_ssize_t j = n - cycles[i], index = indices[i];
            indices[i] = indices[j];
            indices[j] = index;
            refill(self->result, self->pool, indices, i, r);
            return Py_NewRef(self->result);
        }
    }
    self->stopped = 1;
    return NULL;
}

static PyObject *
permutations_sizeof(PyObject *op, PyObject *unused)
{
    Permutations *self = (Permutations *)op;
    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize +
                             (size_t)(PyTuple_GET_SIZE(self->pool) + self->r) *
                                 sizeof(Py_ssize_t));
}

static PyMethodDef permutations_methods[] = {SIZEOF_METHOD(permutations_sizeof)};
static PyType_Slot permutations_slots[] = {
    COMMON_SLOTS(permutations,
                 "permutations(iterable, r=None)\n--\n\n"
                 "Return successive r-length permutations of elements in the iterable.\n\n"
                 "permutations(range(3), 2) --> (0,1), (0,2), (1,0), (1,2), (2,0), (2,1)"),
    {Py_tp_methods, permutations_methods},
    {0, NULL},
};
SPEC(permutations, Permutations);

/* ---------------------------------------------------------------- accumulate */

typedef struct {
    PyObject_HEAD
    PyObject *total;
    PyObject *it;
    PyObject *binop; /* NULL: + */
    PyObject *initial;
    void *unused;
} Accumulate;
#define FIELDS(F) F(total) F(it) F(binop) F(initial)
BOILERPLATE(accumulate, Accumulate, FIELDS, )
#undef FIELDS

static PyObject *
accumulate_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"iterable", "func", "initial", NULL};
    PyObject *iterable, *func = Py_None, *initial = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|O$O:accumulate", names, &iterable,
                                     &func, &initial)) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return NULL;
    }
    Accumulate *self = (Accumulate *)type->tp_alloc(type, 0);
    if (self) {
        self->it = NJ_TAKE(it);
        self->binop = func == Py_None ? NULL : Py_NewRef(func);
        self->initial = initial == Py_None ? NULL : Py_NewRef(initial);
    }
    return (PyObject *)self;
}

static PyObject *
accumulate_next(PyObject *op)
{
    Accumulate *self = (Accumulate *)op;
    if (self->initial) {
        PyObject *v = self->initial;
        self->initial = NULL;
        Py_XSETREF(self->total, Py_NewRef(v));
        return v;
    }
    NJ_OWN value = NEXT(self->it);
    if (!value) {
        return NULL;
    }
    if (!self->total) {
        self->total = Py_NewRef(value);
        return NJ_TAKE(value);
    }
    NJ_OWN total = Py_NewRef(self->total);
    PyObject *new;
    if (self->binop) {
        PyObject *args[2] = {total, value};
        new = PyObject_Vectorcall(self->binop, args, 2, NULL);
    }
    else {
        new = PyNumber_Add(total, value);
    }
    if (new) {
        Py_XSETREF(self->total, Py_NewRef(new));
    }
    return new;
}

static PyType_Slot accumulate_slots[] = {
    COMMON_SLOTS(accumulate,
                 "accumulate(iterable, func=None, *, initial=None)\n--\n\n"
                 "Return series of accumulated sums (or other binary function results)."),
    {0, NULL},
};
SPEC(accumulate, Accumulate);

/* ---------------------------------------------------------------- compress */

typedef struct {
    PyObject_HEAD
    PyObject *data;
    PyObject *selectors;
} Compress;
#define FIELDS(F) F(data) F(selectors)
BOILERPLATE(compress, Compress, FIELDS, )
#undef FIELDS

static PyObject *
compress_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"data", "selectors", NULL};
    PyObject *a, *b;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OO:compress", names, &a, &b)) {
        return NULL;
    }
    NJ_OWN data = PyObject_GetIter(a);
    NJ_OWN selectors = data ? PyObject_GetIter(b) : NULL;
    if (!selectors) {
        return NULL;
    }
    Compress *self = (Compress *)type->tp_alloc(type, 0);
    if (self) {
        self->data = NJ_TAKE(data);
        self->selectors = NJ_TAKE(selectors);
    }
    return (PyObject *)self;
}

static PyObject *
compress_next(PyObject *op)
{
    Compress *self = (Compress *)op;
    for (;;) {
        PyObject *item = NEXT(self->data);
        if (!item) {
            return NULL;
        }
        PyObject *sel = NEXT(self->selectors);
        if (!sel) {
            Py_DECREF(item);
            return NULL;
        }
        int ok = PyObject_IsTrue(sel);
        Py_DECREF(sel);
        if (ok > 0) {
            return item;
        }
        Py_DECREF(item);
        if (ok < 0) {
            return NULL;
        }
    }
}

static PyType_Slot compress_slots[] = {
    COMMON_SLOTS(compress, "compress(data, selectors)\n--\n\n"
                           "Return data elements corresponding to true selector elements.\n\n"
                           "Forms a shorter iterator from selected data elements using the "
                           "selectors\nto choose the data elements."),
    {0, NULL},
};
SPEC(compress, Compress);

/* ---------------------------------------------------------------- count */

typedef struct {
    PyObject_HEAD
    Py_ssize_t cnt;      /* fast mode: the next value; PY_SSIZE_T_MAX: not in fast mode */
    PyObject *long_cnt;  /* the next value, NULL in fast mode */
    PyObject *long_step;
} Count;
#define FIELDS(F) F(long_cnt) F(long_step)
BOILERPLATE(count, Count, FIELDS, )
#undef FIELDS

static bool
is_one(PyObject *v)
{
    return PyLong_CheckExact(v) && PyUnstable_Long_IsCompact((PyLongObject *)v) &&
           PyUnstable_Long_CompactValue((PyLongObject *)v) == 1;
}

static PyObject *
count_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"start", "step", NULL};
    PyObject *start = NULL, *stepobj = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|OO:count", names, &start, &stepobj)) {
        return NULL;
    }
    if ((start && !PyNumber_Check(start)) || (stepobj && !PyNumber_Check(stepobj))) {
        PyErr_SetString(PyExc_TypeError, "a number is required");
        return NULL;
    }
    NJ_OWN step = stepobj ? Py_NewRef(stepobj) : PyLong_FromLong(1);
    NJ_OWN first = start ? Py_NewRef(start) : PyLong_FromLong(0);
    if (!step || !first) {
        return NULL;
    }
    Py_ssize_t cnt = PY_SSIZE_T_MAX;
    if (is_one(step) && PyLong_CheckExact(first)) {
        cnt = PyLong_AsSsize_t(first);
        if (cnt == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            cnt = PY_SSIZE_T_MAX;
        }
    }
    Count *self = (Count *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->cnt = cnt;
    self->long_cnt = cnt == PY_SSIZE_T_MAX ? NJ_TAKE(first) : NULL;
    self->long_step = NJ_TAKE(step);
    return (PyObject *)self;
}

static PyObject *
count_next(PyObject *op)
{
    Count *self = (Count *)op;
    if (NJ_LIKELY(self->cnt != PY_SSIZE_T_MAX)) {
        return PyLong_FromSsize_t(self->cnt++);
    }
    if (!self->long_cnt) {
        self->long_cnt = PyLong_FromSsize_t(PY_SSIZE_T_MAX);
        if (!self->long_cnt) {
            return NULL;
        }
    }
    PyObject *step = self->long_step;
    PyObject *next = PyNumber_Add(self->long_cnt, step);
    if (!next) {
        return NULL;
    }
    PyObject *r = self->long_cnt;
    self->long_cnt = next;
    return r;
}

static PyObject *
count_repr(PyObject *op)
{
    Count *self = (Count *)op;
    const char *name = strrchr(Py_TYPE(op)->tp_name, '.');
    name = name ? name + 1 : Py_TYPE(op)->tp_name;
    if (!self->long_cnt) {
        return PyUnicode_FromFormat("%s(%zd)", name, self->cnt);
    }
    if (PyLong_Check(self->long_step) && is_one(self->long_step)) {
        return PyUnicode_FromFormat("%s(%R)", name, self->long_cnt);
    }
    return PyUnicode_FromFormat("%s(%R, %R)", name, self->long_cnt, self->long_step);
}

static PyType_Slot count_slots[] = {
    COMMON_SLOTS(count, "count(start=0, step=1)\n--\n\n"
                        "Return a count object whose .__next__() method returns consecutive "
                        "values."),
    {Py_tp_repr, count_repr},
    {0, NULL},
};
SPEC(count, Count);

/* ---------------------------------------------------------------- repeat */

typedef struct {
    PyObject_HEAD
    PyObject *element;
    Py_ssize_t cnt; /* -1: endless */
} Repeat;
#define FIELDS(F) F(element)
BOILERPLATE(repeat, Repeat, FIELDS, )
#undef FIELDS

static PyObject *
repeat_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"object", "times", NULL};
    PyObject *element;
    Py_ssize_t cnt = -1, given = PyTuple_GET_SIZE(args) + (kwds ? PyDict_GET_SIZE(kwds) : 0);
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|n:repeat", names, &element, &cnt)) {
        return NULL;
    }
    if (given == 2 && cnt < 0) {
        cnt = 0;
    }
    Repeat *self = (Repeat *)type->tp_alloc(type, 0);
    if (self) {
        self->element = Py_NewRef(element);
        self->cnt = cnt;
    }
    return (PyObject *)self;
}

static PyObject *
repeat_next(PyObject *op)
{
    Repeat *self = (Repeat *)op;
    if (self->cnt == 0) {
        return NULL;
    }
    if (self->cnt > 0) {
        self->cnt--;
    }
    return Py_NewRef(self->element);
}

static PyObject *
repeat_repr(PyObject *op)
{
    Repeat *self = (Repeat *)op;
    const char *name = strrchr(Py_TYPE(op)->tp_name, '.');
    name = name ? name + 1 : Py_TYPE(op)->tp_name;
    if (self->cnt == -1) {
        return PyUnicode_FromFormat("%s(%R)", name, self->element);
    }
    return PyUnicode_FromFormat("%s(%R, %zd)", name, self->element, self->cnt);
}

static PyObject *
repeat_len(PyObject *op, PyObject *unused)
{
    Repeat *self = (Repeat *)op;
    if (self->cnt == -1) {
        PyErr_SetString(PyExc_TypeError, "len() of unsized object");
        return NULL;
    }
    return PyLong_FromSsize_t(self->cnt);
}

static PyMethodDef repeat_methods[] = {
    {"__length_hint__", repeat_len, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\n"
     "Private method returning an estimate of len(list(it))."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot repeat_slots[] = {
    COMMON_SLOTS(repeat, "repeat(object [,times]) -> create an iterator which returns the "
                         "object\nfor the specified number of times.  If not specified, "
                         "returns the object\nendlessly."),
    {Py_tp_repr, repeat_repr},
    {Py_tp_methods, repeat_methods},
    {0, NULL},
};
SPEC(repeat, Repeat);

/* ---------------------------------------------------------------- zip_longest */

typedef struct {
    PyObject_HEAD
    Py_ssize_t size;
    Py_ssize_t active;
    PyObject *its; /* tuple of iterators; NULL items are exhausted */
    PyObject *result;
    PyObject *fillvalue;
} ZipLongest;
#define FIELDS(F) F(its) F(result) F(fillvalue)
BOILERPLATE(zip_longest, ZipLongest, FIELDS, )
#undef FIELDS

static PyObject *
zip_longest_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *fill = Py_None;
    if (kwds && PyDict_GET_SIZE(kwds)) {
        fill = PyDict_GET_SIZE(kwds) == 1 ? PyDict_GetItemString(kwds, "fillvalue") : NULL;
        if (!fill) {
            PyErr_SetString(PyExc_TypeError,
                            "zip_longest() got an unexpected keyword argument");
            return NULL;
        }
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    NJ_OWN its = PyTuple_New(n);
    NJ_OWN result = its ? PyTuple_New(n) : NULL;
    if (!result) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *it = PyObject_GetIter(PyTuple_GET_ITEM(args, i));
        if (!it) {
            return NULL;
        }
        PyTuple_SET_ITEM(its, i, it);
        PyTuple_SET_ITEM(result, i, Py_NewRef(Py_None));
    }
    ZipLongest *self = (ZipLongest *)type->tp_alloc(type, 0);
    if (self) {
        self->its = NJ_TAKE(its);
        self->result = NJ_TAKE(result);
        self->size = self->active = n;
        self->fillvalue = Py_NewRef(fill);
    }
    return (PyObject *)self;
}

static PyObject *
zip_longest_next(PyObject *op)
{
    ZipLongest *self = (ZipLongest *)op;
    Py_ssize_t n = self->size;
    if (n == 0 || self->active == 0 || !self->its) {
        return NULL;
    }
    NJ_OWN keep = Py_NewRef(self->its);
    NJ_OWN r = NULL;
    bool reuse = reusable(self->result);
    NJ_SET(r, reuse ? Py_NewRef(self->result) : PyTuple_New(n));
    if (!r) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *it = PyTuple_GET_ITEM(keep, i), *item = NULL;
        if (it) {
            Py_INCREF(it);
            item = NEXT(it);
            if (!item) {
                self->active--;
                if (self->active == 0 || PyErr_Occurred()) {
                    if (!PyErr_Occurred() ||
                        !PyErr_ExceptionMatches(PyExc_StopIteration)) {
                        self->active = 0;
                        Py_DECREF(it);
                        return NULL;
                    }
                    PyErr_Clear();
                    if (self->active == 0) {
                        Py_DECREF(it);
                        return NULL;
                    }
                }
                item = Py_NewRef(self->fillvalue);
                if (PyTuple_GET_ITEM(keep, i) == it) {
                    PyTuple_SET_ITEM(keep, i, NULL);
                    Py_DECREF(it);
                }
            }
            Py_DECREF(it);
        }
        else {
            item = Py_NewRef(self->fillvalue);
        }
        PyObject *old = PyTuple_GET_ITEM(r, i);
        PyTuple_SET_ITEM(r, i, item);
        Py_XDECREF(old);
    }
    return NJ_TAKE(r);
}

static PyType_Slot zip_longest_slots[] = {
    COMMON_SLOTS(zip_longest,
                 "zip_longest(*iterables, fillvalue=None)\n--\n\n"
                 "Return a zip_longest object whose .__next__() method returns a tuple "
                 "where\nthe i-th element comes from the i-th iterable argument. Iterables "
                 "that end\nearly are continued with the fillvalue."),
    {0, NULL},
};
SPEC(zip_longest, ZipLongest);

/* ---------------------------------------------------------------- module */

static int
itertools_traverse(PyObject *m, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(m);
    Py_VISIT(st->grouper);
    Py_VISIT(st->tee);
    Py_VISIT(st->teedata);
    return 0;
}

static int
itertools_clear(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    Py_CLEAR(st->grouper);
    Py_CLEAR(st->tee);
    Py_CLEAR(st->teedata);
    return 0;
}

static void
itertools_free(void *m)
{
    (void)itertools_clear(m);
}

static int
itertools_exec(PyObject *m)
{
    static PyType_Spec *const specs[] = {
        &accumulate_spec, &batched_spec,     &chain_spec,        &combinations_spec,
        &compress_spec,   &count_spec,       &combinations_with_replacement_spec,
        &cycle_spec,      &dropwhile_spec,   &filterfalse_spec,  &groupby_spec,
        &_grouper_spec,   &islice_spec,      &pairwise_spec,     &permutations_spec,
        &product_spec,    &repeat_spec,      &starmap_spec,      &takewhile_spec,
        &_tee_spec,       &teedata_spec,     &zip_longest_spec,
    };
    ModuleState *st = PyModule_GetState(m);
    for (size_t i = 0; i < NJ_ARRAY_LEN(specs); i++) {
        NJ_OWN type = PyType_FromModuleAndSpec(m, specs[i], NULL);
        if (!type || PyModule_AddType(m, (PyTypeObject *)type) < 0) {
            return -1;
        }
        PyTypeObject **keep = specs[i] == &_grouper_spec ? &st->grouper
                              : specs[i] == &_tee_spec   ? &st->tee
                              : specs[i] == &teedata_spec ? &st->teedata
                                                          : NULL;
        if (keep) {
            *keep = (PyTypeObject *)NJ_TAKE(type);
        }
    }
    return 0;
}

static PyMethodDef itertools_methods[] = {
    {"tee", itertools_tee, METH_VARARGS,
     "tee($module, iterable, n=2, /)\n--\n\nReturns a tuple of n independent iterators."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot itertools_slots[] = {
    {Py_mod_exec, itertools_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef itertools_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "itertools",
    .m_doc = "Functional tools for creating and using iterators.",
    .m_size = sizeof(ModuleState),
    .m_methods = itertools_methods,
    .m_slots = itertools_slots,
    .m_traverse = itertools_traverse,
    .m_clear = itertools_clear,
    .m_free = itertools_free,
};

PyMODINIT_FUNC PyInit_itertools(void);

PyMODINIT_FUNC
PyInit_itertools(void)
{
    return PyModuleDef_Init(&itertools_module);
}

/* _abc.c - the machinery behind abc.ABCMeta; Lib/_py_abc.py is the specification.
 *
 * Each ABC carries an _abc_data with three weak sets of classes. A weak set is a hash table
 * from the class's address to a weak reference without callback: an entry counts only
 * while its reference is alive, so an address used again by a later class never matches a
 * dead entry; dead ones go when the table grows.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

typedef struct {
    PyObject *obj; /* not owned: the address only */
    PyObject *ref; /* owned weak reference; NULL = empty cell */
} WeakCell;

typedef struct {
    WeakCell *cells; /* NULL while empty */
    size_t mask;
    size_t fill;
} WeakSet;

typedef struct {
    PyObject_HEAD
    WeakSet registry, cache, negative;
    uint64_t negative_version;
} AbcData;

typedef struct {
    PyTypeObject *data_type;
    uint64_t counter; /* bumped by every register(): old negative caches are void */
    PyObject *str_impl, *str_class, *str_hook, *str_abstract, *str_isabstract,
        *str_subclasscheck, *str_dict, *str_bases, *str_subclasses, *str_tpflags;
} ModuleState;

static ModuleState *
state(PyObject *module)
{
    return PyModule_GetState(module);
}

/* ---------------------------------------------------------------- weak sets */

static size_t
cell_of(PyObject *obj, size_t mask)
{
    uintptr_t p = (uintptr_t)obj >> 4;
    return (p ^ (p >> 9)) & mask;
}

static bool
weak_has(WeakSet *s, PyObject *obj)
{
    if (!s->cells) {
        return false;
    }
    for (size_t i = cell_of(obj, s->mask);; i = (i + 1) & s->mask) {
        WeakCell *c = &s->cells[i];
        if (!c->ref) {
            return false;
        }
        if (c->obj == obj && !PyWeakref_IsDead(c->ref)) {
            return true;
        }
    }
}

static void
weak_put(WeakSet *s, PyObject *obj, PyObject *ref_owned)
{
    size_t i = cell_of(obj, s->mask);
    while (s->cells[i].ref) {
        i = (i + 1) & s->mask;
    }
    s->cells[i].obj = obj;
    s->cells[i].ref = ref_owned;
    s->fill++;
}

static int
weak_add(WeakSet *s, PyObject *obj)
{
    if (weak_has(s, obj)) {
        return 0;
    }
    PyObject *ref = PyWeakref_NewRef(obj, NULL);
    if (!ref) {
        return -1;
    }
    if (!s->cells || s->fill * 3 >= s->mask * 2) {
        size_t alive = 1, n = s->cells ? s->mask + 1 : 0, size = 8;
        for (size_t i = 0; i < n; i++) {
            alive += s->cells[i].ref && !PyWeakref_IsDead(s->cells[i].ref);
        }
        while (size < alive * 2) {
            size <<= 1;
        }
        WeakCell *old = s->cells, *cells = PyMem_Calloc(size, sizeof(WeakCell));
        if (!cells) {
            Py_DECREF(ref);
            PyErr_NoMemory();
            return -1;
        }
        s->cells = cells;
        s->mask = size - 1;
        s->fill = 0;
        for (size_t i = 0; i < n; i++) {
            if (!old[i].ref) {
                continue;
            }
            if (PyWeakref_IsDead(old[i].ref)) {
                Py_DECREF(old[i].ref);
            }
            else {
                weak_put(s, old[i].obj, old[i].ref);
            }
        }
        PyMem_Free(old);
    }
    weak_put(s, obj, ref);
    return 0;
}

static void
weak_clear(WeakSet *s)
{
    WeakCell *cells = s->cells;
    size_t n = cells ? s->mask + 1 : 0;
    s->cells = NULL;
    s->mask = s->fill = 0;
    for (size_t i = 0; i < n; i++) {
        Py_XDECREF(cells[i].ref);
    }
    PyMem_Free(cells);
}

/* A real set of the weak references. */
static PyObject *
weak_as_set(WeakSet *s)
{
    NJ_OWN r = PySet_New(NULL);
    for (size_t i = 0; r && s->cells && i <= s->mask; i++) {
        PyObject *ref = s->cells[i].ref;
        if (ref && !PyWeakref_IsDead(ref) && PySet_Add(r, ref) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(r);
}

/* ---------------------------------------------------------------- _abc_data */

static void
data_dealloc(PyObject *op)
{
    AbcData *d = (AbcData *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    weak_clear(&d->registry);
    weak_clear(&d->cache);
    weak_clear(&d->negative);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
data_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0; /* weak references without callback own nothing */
}

static PyObject *
data_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return type->tp_alloc(type, 0);
}

static PyType_Slot data_slots[] = {
    {Py_tp_doc, "Internal state held by ABC machinery."},
    {Py_tp_new, data_new},
    {Py_tp_dealloc, data_dealloc},
    {Py_tp_traverse, data_traverse},
    {0, NULL},
};
static PyType_Spec data_spec = {
    .name = "_abc._abc_data",
    .basicsize = sizeof(AbcData),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = data_slots,
};

/* New reference to self._abc_impl. */
static AbcData *
get_impl(PyObject *module, PyObject *self)
{
    PyObject *impl = PyObject_GetAttr(self, state(module)->str_impl);
    if (impl && !Py_IS_TYPE(impl, state(module)->data_type)) {
        PyErr_SetString(PyExc_TypeError, "_abc_impl is set to a wrong type");
        Py_CLEAR(impl);
    }
    return (AbcData *)impl;
}

static PyObject *
abc_reset_registry(PyObject *module, PyObject *self)
{
    NJ_OWN impl = (PyObject *)get_impl(module, self);
    if (!impl) {
        return NULL;
    }
    weak_clear(&((AbcData *)impl)->registry);
    Py_RETURN_NONE;
}

static PyObject *
abc_reset_caches(PyObject *module, PyObject *self)
{
    NJ_OWN impl = (PyObject *)get_impl(module, self);
    if (!impl) {
        return NULL;
    }
    weak_clear(&((AbcData *)impl)->cache);
    weak_clear(&((AbcData *)impl)->negative);
    Py_RETURN_NONE;
}

static PyObject *
abc_get_dump(PyObject *module, PyObject *self)
{
    NJ_OWN impl = (PyObject *)get_impl(module, self);
    if (!impl) {
        return NULL;
    }
    AbcData *d = (AbcData *)impl;
    return Py_BuildValue("NNNK", weak_as_set(&d->registry), weak_as_set(&d->cache),
                         weak_as_set(&d->negative), (unsigned long long)d->negative_version);
}

/* ---------------------------------------------------------------- set-up */

static int
is_abstract(ModuleState *st, PyObject *value)
{
    PyObject *flag;
    int r = PyObject_GetOptionalAttr(value, st->str_isabstract, &flag);
    if (r > 0) {
        r = PyObject_IsTrue(flag);
        Py_DECREF(flag);
    }
    return r;
}

static int
compute_abstract_methods(ModuleState *st, PyObject *self)
{
    NJ_OWN names = PyFrozenSet_New(NULL);
    NJ_OWN ns = names ? PyObject_GetAttr(self, st->str_dict) : NULL;
    NJ_OWN items = ns ? PyMapping_Items(ns) : NULL;
    if (!items) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "Iteration over dict items gave no pairs");
            return -1;
        }
        int r = is_abstract(st, PyTuple_GET_ITEM(pair, 1));
        if (r < 0 || (r && PySet_Add(names, PyTuple_GET_ITEM(pair, 0)) < 0)) {
            return -1;
        }
    }
    NJ_OWN bases = PyObject_GetAttr(self, st->str_bases);
    if (!bases) {
        return -1;
    }
    if (!PyTuple_Check(bases)) {
        PyErr_SetString(PyExc_TypeError, "__bases__ is not tuple");
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
        PyObject *inherited;
        if (PyObject_GetOptionalAttr(PyTuple_GET_ITEM(bases, i), st->str_abstract,
                                     &inherited) < 0) {
            return -1;
        }
        if (!inherited) {
            continue;
        }
        NJ_OWN keep = inherited;
        NJ_OWN it = PyObject_GetIter(keep);
        if (!it) {
            return -1;
        }
        for (;;) {
            NJ_OWN name = PyIter_Next(it);
            if (!name) {
                break;
            }
            PyObject *v;
            if (PyObject_GetOptionalAttr(self, name, &v) < 0) {
                return -1;
            }
            if (v) {
                int r = is_abstract(st, v);
                Py_DECREF(v);
                if (r < 0 || (r && PySet_Add(names, name) < 0)) {
                    return -1;
                }
            }
        }
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    return PyObject_SetAttr(self, st->str_abstract, names);
}

#define COLLECTION_FLAGS (Py_TPFLAGS_SEQUENCE | Py_TPFLAGS_MAPPING)

static PyObject *
abc_init(PyObject *module, PyObject *self)
{
    ModuleState *st = state(module);
    if (compute_abstract_methods(st, self) < 0) {
        return NULL;
    }
    NJ_OWN data = data_new(st->data_type, NULL, NULL);
    if (!data) {
        return NULL;
    }
    ((AbcData *)data)->negative_version = st->counter;
    if (PyObject_SetAttr(self, st->str_impl, data) < 0) {
        return NULL;
    }
    if (PyType_Check(self)) {
        /* __abc_tpflags__ in the class body marks sequences and mappings for `match' */
        PyTypeObject *cls = (PyTypeObject *)self;
        NJ_OWN dict = PyType_GetDict(cls);
        PyObject *f;
        int r = dict ? PyDict_Pop(dict, st->str_tpflags, &f) : -1;
        if (r < 0) {
            return NULL;
        }
        NJ_OWN flags = r ? f : NULL;
        if (flags && PyLong_CheckExact(flags)) {
            long v = PyLong_AsLong(flags);
            if (v == -1 && PyErr_Occurred()) {
                return NULL;
            }
            if ((v & (long)COLLECTION_FLAGS) == (long)COLLECTION_FLAGS) {
                PyErr_SetString(PyExc_TypeError,
                                "__abc_tpflags__ cannot be both Py_TPFLAGS_SEQUENCE and "
                                "Py_TPFLAGS_MAPPING");
                return NULL;
            }
            cls->tp_flags |= (unsigned long)v & COLLECTION_FLAGS;
            PyType_Modified(cls);
        }
    }
    Py_RETURN_NONE;
}

/* Gives a registered class and its descendants the match flag of the ABC. */
static int
set_flag_below(ModuleState *st, PyTypeObject *cls, unsigned long flag)
{
    if (PyType_HasFeature(cls, Py_TPFLAGS_IMMUTABLETYPE) ||
        (cls->tp_flags & COLLECTION_FLAGS) == flag) {
        return 0;
    }
    cls->tp_flags = (cls->tp_flags & ~COLLECTION_FLAGS) | flag;
    PyType_Modified(cls);
    NJ_OWN subs = PyObject_CallMethodNoArgs((PyObject *)cls, st->str_subclasses);
    if (!subs || !PyList_Check(subs)) {
        return subs ? 0 : -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(subs); i++) {
        if (set_flag_below(st, (PyTypeObject *)PyList_GET_ITEM(subs, i), flag) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
abc_register(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "_abc_register expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    ModuleState *st = state(module);
    PyObject *self = args[0], *subclass = args[1];
    if (!PyType_Check(subclass)) {
        PyErr_SetString(PyExc_TypeError, "Can only register classes");
        return NULL;
    }
    int r = PyObject_IsSubclass(subclass, self);
    if (r > 0) {
        return Py_NewRef(subclass);
    }
    if (r < 0) {
        return NULL;
    }
    r = PyObject_IsSubclass(self, subclass);
    if (r > 0) {
        PyErr_SetString(PyExc_RuntimeError, "Refusing to create an inheritance cycle");
        return NULL;
    }
    if (r < 0) {
        return NULL;
    }
    NJ_OWN impl = (PyObject *)get_impl(module, self);
    if (!impl || weak_add(&((AbcData *)impl)->registry, subclass) < 0) {
        return NULL;
    }
    st->counter++;
    if (PyType_Check(self)) {
        unsigned long flag = ((PyTypeObject *)self)->tp_flags & COLLECTION_FLAGS;
        if (flag && set_flag_below(st, (PyTypeObject *)subclass, flag) < 0) {
            return NULL;
        }
    }
    return Py_NewRef(subclass);
}

/* ---------------------------------------------------------------- checks */

static PyObject *
abc_instancecheck(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "_abc_instancecheck expected 2 arguments, got %zd",
                     nargs);
        return NULL;
    }
    ModuleState *st = state(module);
    PyObject *self = args[0], *instance = args[1];
    NJ_OWN impl = (PyObject *)get_impl(module, self);
    if (!impl) {
        return NULL;
    }
    AbcData *d = (AbcData *)impl;
    PyObject *subtype = (PyObject *)Py_TYPE(instance), *cls;
    if (PyObject_GetOptionalAttr(instance, st->str_class, &cls) < 0) {
        return NULL;
    }
    NJ_OWN subclass = cls ? cls : Py_NewRef(subtype);
    if (weak_has(&d->cache, subclass)) {
        Py_RETURN_TRUE;
    }
    if (subtype == subclass) {
        if (d->negative_version == st->counter && weak_has(&d->negative, subclass)) {
            Py_RETURN_FALSE;
        }
        return PyObject_CallMethodOneArg(self, st->str_subclasscheck, subclass);
    }
    NJ_OWN r = PyObject_CallMethodOneArg(self, st->str_subclasscheck, subclass);
    int ok = r ? PyObject_IsTrue(r) : -1;
    if (ok < 0) {
        return NULL;
    }
    if (ok) {
        return NJ_TAKE(r);
    }
    return PyObject_CallMethodOneArg(self, st->str_subclasscheck, subtype);
}

/* Is subclass below any class of the sequence? 1, 0, -1. */
static int
below_any(PyObject *subclass, PyObject *classes)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(classes); i++) {
        NJ_OWN c = Py_NewRef(PyList_GET_ITEM(classes, i));
        int r = PyObject_IsSubclass(subclass, c);
        if (r) {
            return r;
        }
    }
    return 0;
}

/* List of the living classes of a weak set. */
static PyObject *
weak_as_list(WeakSet *s)
{
    NJ_OWN r = PyList_New(0);
    for (size_t i = 0; r && s->cells && i <= s->mask; i++) {
        PyObject *obj;
        if (s->cells[i].ref && PyWeakref_GetRef(s->cells[i].ref, &obj) > 0) {
            int err = PyList_Append(r, obj);
            Py_DECREF(obj);
            if (err < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(r);
}

/* The answer without the caches: 1, 0, -1. *cached: the hook answered, either way. */
static int
decide(ModuleState *st, AbcData *d, PyObject *self, PyObject *subclass)
{
    NJ_OWN ok = PyObject_CallMethodOneArg(self, st->str_hook, subclass);
    if (!ok) {
        return -1;
    }
    if (ok == Py_True || ok == Py_False) {
        return ok == Py_True;
    }
    if (ok != Py_NotImplemented) {
        PyErr_SetString(PyExc_AssertionError,
                        "__subclasshook__ must return either False, True, or NotImplemented");
        return -1;
    }
    if (PyType_IsSubtype((PyTypeObject *)subclass, (PyTypeObject *)self)) {
        return 1;
    }
    NJ_OWN registered = weak_as_list(&d->registry);
    int r = registered ? below_any(subclass, registered) : -1;
    if (r) {
        return r;
    }
    NJ_OWN subs = PyObject_CallMethodNoArgs(self, st->str_subclasses);
    if (!subs) {
        return -1;
    }
    if (!PyList_Check(subs)) {
        PyErr_SetString(PyExc_TypeError, "__subclasses__() must return a list");
        return -1;
    }
    return below_any(subclass, subs);
}

static PyObject *
abc_subclasscheck(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "_abc_subclasscheck expected 2 arguments, got %zd",
                     nargs);
        return NULL;
    }
    ModuleState *st = state(module);
    PyObject *self = args[0], *subclass = args[1];
    if (!PyType_Check(subclass)) {
        PyErr_SetString(PyExc_TypeError, "issubclass() arg 1 must be a class");
        return NULL;
    }
    NJ_OWN impl = (PyObject *)get_impl(module, self);
    if (!impl) {
        return NULL;
    }
    AbcData *d = (AbcData *)impl;
    if (weak_has(&d->cache, subclass)) {
        Py_RETURN_TRUE;
    }
    if (d->negative_version < st->counter) {
        weak_clear(&d->negative);
        d->negative_version = st->counter;
    }
    else if (weak_has(&d->negative, subclass)) {
        Py_RETURN_FALSE;
    }
    int r = decide(st, d, self, subclass);
    if (r < 0 || weak_add(r ? &d->cache : &d->negative, subclass) < 0) {
        return NULL;
    }
    return PyBool_FromLong(r);
}

static PyObject *
abc_get_cache_token(PyObject *module, PyObject *unused)
{
    return PyLong_FromUnsignedLongLong(state(module)->counter);
}

/* ---------------------------------------------------------------- module */

static int
abc_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(state(m)->data_type);
    return 0;
}

static int
abc_clear(PyObject *m)
{
    ModuleState *st = state(m);
    Py_CLEAR(st->data_type);
    Py_CLEAR(st->str_impl);
    Py_CLEAR(st->str_class);
    Py_CLEAR(st->str_hook);
    Py_CLEAR(st->str_abstract);
    Py_CLEAR(st->str_isabstract);
    Py_CLEAR(st->str_subclasscheck);
    Py_CLEAR(st->str_dict);
    Py_CLEAR(st->str_bases);
    Py_CLEAR(st->str_subclasses);
    Py_CLEAR(st->str_tpflags);
    return 0;
}

static void
abc_free(void *m)
{
    (void)abc_clear(m);
}

static int
abc_exec(PyObject *m)
{
    ModuleState *st = state(m);
    struct {
        PyObject **slot;
        const char *text;
    } names[] = {
        {&st->str_impl, "_abc_impl"},
        {&st->str_class, "__class__"},
        {&st->str_hook, "__subclasshook__"},
        {&st->str_abstract, "__abstractmethods__"},
        {&st->str_isabstract, "__isabstractmethod__"},
        {&st->str_subclasscheck, "__subclasscheck__"},
        {&st->str_dict, "__dict__"},
        {&st->str_bases, "__bases__"},
        {&st->str_subclasses, "__subclasses__"},
        {&st->str_tpflags, "__abc_tpflags__"},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(names); i++) {
        *names[i].slot = PyUnicode_InternFromString(names[i].text);
        if (!*names[i].slot) {
            return -1;
        }
    }
    st->counter = 0;
    st->data_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &data_spec, NULL);
    return st->data_type ? 0 : -1;
}

static PyMethodDef abc_methods[] = {
    {"get_cache_token", abc_get_cache_token, METH_NOARGS,
     "get_cache_token($module, /)\n--\n\nReturns the current ABC cache token."},
    {"_abc_init", abc_init, METH_O,
     "_abc_init($module, self, /)\n--\n\n"
     "Internal ABC helper for class set-up. Should be never used outside abc module."},
    {"_reset_registry", abc_reset_registry, METH_O,
     "_reset_registry($module, self, /)\n--\n\n"
     "Internal ABC helper to reset registry of a given class."},
    {"_reset_caches", abc_reset_caches, METH_O,
     "_reset_caches($module, self, /)\n--\n\n"
     "Internal ABC helper to reset both caches of a given class."},
    {"_get_dump", abc_get_dump, METH_O,
     "_get_dump($module, self, /)\n--\n\n"
     "Internal ABC helper for cache and registry debugging."},
    {"_abc_register", _PyCFunction_CAST(abc_register), METH_FASTCALL,
     "_abc_register($module, self, subclass, /)\n--\n\n"
     "Internal ABC helper for subclasss registration."},
    {"_abc_instancecheck", _PyCFunction_CAST(abc_instancecheck), METH_FASTCALL,
     "_abc_instancecheck($module, self, instance, /)\n--\n\n"
     "Internal ABC helper for instance checks."},
    {"_abc_subclasscheck", _PyCFunction_CAST(abc_subclasscheck), METH_FASTCALL,
     "_abc_subclasscheck($module, self, subclass, /)\n--\n\n"
     "Internal ABC helper for subclasss checks."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot abc_slots[] = {
    {Py_mod_exec, abc_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef abc_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_abc",
    .m_doc = "Module contains faster C implementation of abc.ABCMeta",
    .m_size = sizeof(ModuleState),
    .m_methods = abc_methods,
    .m_slots = abc_slots,
    .m_traverse = abc_traverse,
    .m_clear = abc_clear,
    .m_free = abc_free,
};

PyMODINIT_FUNC PyInit__abc(void);

PyMODINIT_FUNC
PyInit__abc(void)
{
    return PyModuleDef_Init(&abc_module);
}

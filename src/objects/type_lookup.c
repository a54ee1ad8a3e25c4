/* type_lookup.c - where attributes of classes are found: MRO, versions, method cache
 *
 * The method cache of an interpreter maps (type version, name) to what a walk along the
 * MRO found, absence included. An entry never has to be removed: when a class changes,
 * PyType_Modified takes the version from it and from all its subclasses, and versions
 * are never given out twice. Values are borrowed from the class dictionaries: whoever
 * removes one from there has called PyType_Modified before anyone can look again.
 *
 * Invariants: a type with a version has all its bases versioned (so that the walk down
 * tp_subclasses reaches it). A type whose custom mro() lists classes that are not among
 * its real ancestors is never versioned, because changing those would not reach it.
 *
 * Subclasses are kept as weak references in a dict keyed by address: in tp_subclasses,
 * or for the static built-in types in the interpreter's state.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/type_priv.h"

/* A type that changes all the time would eat the version space: after this many it is
 * looked up without the cache. */
enum { VERSIONS_PER_TYPE = 1000 };

/* ---- versions --------------------------------------------------------------------- */

uint32_t
nj_type_version(PyTypeObject *tp)
{
    if (tp->tp_version_tag != 0) {
        return tp->tp_version_tag;
    }
    if (!(tp->tp_flags & Py_TPFLAGS_READY) || tp->tp_mro == NULL ||
        tp->tp_versions_used >= VERSIONS_PER_TYPE) {
        return 0;
    }
    NjTypeState *st = &nj_interp()->types;
    if (st->next_version == 0) {
        return 0;
    }
    PyObject *bases = tp->tp_bases;
    Py_ssize_t n = bases ? PyTuple_GET_SIZE(bases) : 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (nj_type_version((PyTypeObject *)PyTuple_GET_ITEM(bases, i)) == 0) {
            return 0;
        }
    }
    tp->tp_version_tag = st->next_version++;
    tp->tp_versions_used++;
    return tp->tp_version_tag;
}

PyObject **
nj_type_lookup_subclass_slot(PyTypeObject *type)
{
    if (nj_type_is_static_builtin(type)) {
        size_t i = (size_t)(uintptr_t)type->tp_subclasses;
        return i == 0 ? NULL : &nj_interp()->types.statics[i - 1].subclasses;
    }
    return (PyObject **)&type->tp_subclasses;
}

void
PyType_Modified(PyTypeObject *type)
{
    if (type->tp_version_tag == 0) {
        return;
    }
    PyObject **slot = nj_type_lookup_subclass_slot(type);
    if (slot && *slot) {
        PyObject *key, *ref;
        Py_ssize_t pos = 0;
        while (PyDict_Next(*slot, &pos, &key, &ref)) {
            PyObject *sub = ((PyWeakReference *)ref)->wr_object;
            if (sub != Py_None) {
                PyType_Modified((PyTypeObject *)sub);
            }
        }
    }
    if (NJ_UNLIKELY(type->tp_watched)) {
        NjTypeState *st = &nj_interp()->types;
        unsigned bits = type->tp_watched;
        for (int i = 0; bits; i++, bits >>= 1) {
            if ((bits & 1) && st->watchers[i] && st->watchers[i](type) < 0) {
                PyErr_FormatUnraisable(
                    "Exception ignored in type watcher callback #%d for %R", i, type);
            }
        }
    }
    if (nj_type_is_static_builtin(type)) {
        return; /* never changes; being asked to forget it would only cost speed */
    }
    type->tp_version_tag = 0;
    if (nj_type_is_heap(type)) {
        PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
        ht->_spec_cache.getitem = NULL;
        ht->_spec_cache.getitem_version = 0;
        ht->_spec_cache.init = NULL;
    }
}

/* ---- lookup ------------------------------------------------------------------------ */

static PyObject *
walk_mro(PyTypeObject *tp, PyObject *name)
{
    Py_hash_t hash = PyObject_Hash(name);
    if (hash == -1) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *mro = tp->tp_mro;
    if (NJ_UNLIKELY(mro == NULL)) {
        /* not ready: readying a type in the middle of its own creation */
        if (tp->tp_dict) {
            return _PyDict_GetItem_KnownHash(tp->tp_dict, name, hash);
        }
        return NULL;
    }
    Py_INCREF(mro); /* a key's __eq__ may run Python code */
    PyObject *found = NULL;
    Py_ssize_t n = PyTuple_GET_SIZE(mro);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *dict = ((PyTypeObject *)PyTuple_GET_ITEM(mro, i))->tp_dict;
        found = _PyDict_GetItem_KnownHash(dict, name, hash);
        if (found) {
            break;
        }
        if (NJ_UNLIKELY(PyErr_Occurred() != NULL)) {
            PyErr_Clear();
            break;
        }
    }
    Py_DECREF(mro);
    return found;
}

NJ_COLD static PyObject *
find_with_error_set(PyTypeObject *tp, PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *found = walk_mro(tp, name);
    PyErr_SetRaisedException(exc);
    return found;
}

PyObject *
nj_type_find_slow(PyTypeObject *tp, PyObject *name)
{
    if (NJ_UNLIKELY(nj_tstate()->current_exception != NULL)) {
        return find_with_error_set(tp, name);
    }
    if (!PyUnicode_CheckExact(name) || !PyUnicode_CHECK_INTERNED(name)) {
        return walk_mro(tp, name);
    }
    uint32_t v = nj_type_version(tp);
    if (v == 0) {
        return walk_mro(tp, name);
    }
    uintptr_t h = ((uintptr_t)name >> 3) ^ v;
    NjTypeCacheEntry *e = &nj_interp()->types.cache[h & (NJ_TYPE_CACHE_SIZE - 1)];
    if (e->version == v && e->name == name) {
        return e->value;
    }
    PyObject *found = walk_mro(tp, name);
    if (tp->tp_version_tag == v) { /* a key's __eq__ could have changed the class */
        e->version = v;
        e->value = found;
        PyObject *old = e->name;
        e->name = Py_NewRef(name);
        Py_XDECREF(old); /* a str: runs no code */
    }
    return found;
}

void
nj_types_clear_cache(NjInterp *interp)
{
    for (size_t i = 0; i < NJ_TYPE_CACHE_SIZE; i++) {
        NjTypeCacheEntry *e = &interp->types.cache[i];
        e->version = 0;
        e->value = NULL;
        Py_CLEAR(e->name);
    }
}

/* ---- MRO --------------------------------------------------------------------------- */

/* True if cls occurs in list[from:]. */
static bool
in_tail(PyObject *seq, Py_ssize_t from, PyObject *cls)
{
    Py_ssize_t n = PyTuple_GET_SIZE(seq);
    for (Py_ssize_t i = from + 1; i < n; i++) {
        if (PyTuple_GET_ITEM(seq, i) == cls) {
            return true;
        }
    }
    return false;
}

NJ_COLD static void
raise_mro_conflict(PyObject *seqs, const Py_ssize_t *pos)
{
    NJ_OWN names = PyList_New(0);
    NJ_OWN seen = PySet_New(NULL);
    if (names == NULL || seen == NULL) {
        return;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(seqs); i++) {
        PyObject *seq = PyTuple_GET_ITEM(seqs, i);
        if (pos[i] >= PyTuple_GET_SIZE(seq)) {
            continue;
        }
        PyObject *cls = PyTuple_GET_ITEM(seq, pos[i]);
        int dup = PySet_Contains(seen, cls);
        if (dup < 0 || (!dup && PySet_Add(seen, cls) < 0)) {
            return;
        }
        if (dup) {
            continue;
        }
        NJ_OWN name = PyType_GetName((PyTypeObject *)cls);
        if (name == NULL || PyList_Append(names, name) < 0) {
            return;
        }
    }
    NJ_OWN sep = PyUnicode_FromString(", ");
    NJ_OWN joined = sep ? PyUnicode_Join(sep, names) : NULL;
    if (joined) {
        PyErr_Format(PyExc_TypeError,
                     "Cannot create a consistent method resolution order (MRO) for "
                     "bases %U",
                     joined);
    }
}

PyObject *
nj_type_lookup_c3(PyTypeObject *type)
{
    PyObject *bases = type->tp_bases;
    Py_ssize_t nb = PyTuple_GET_SIZE(bases);
    for (Py_ssize_t i = 0; i < nb; i++) {
        PyTypeObject *b = (PyTypeObject *)PyTuple_GET_ITEM(bases, i);
        if (b->tp_mro == NULL) {
            PyErr_Format(PyExc_TypeError, "Cannot extend an incomplete type '%.100s'",
                         b->tp_name);
            return NULL;
        }
    }
    if (nb == 1) { /* by far the most common */
        PyObject *bmro = ((PyTypeObject *)PyTuple_GET_ITEM(bases, 0))->tp_mro;
        Py_ssize_t n = PyTuple_GET_SIZE(bmro);
        PyObject *mro = PyTuple_New(n + 1);
        if (mro == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(mro, 0, Py_NewRef(type));
        for (Py_ssize_t i = 0; i < n; i++) {
            PyTuple_SET_ITEM(mro, i + 1, Py_NewRef(PyTuple_GET_ITEM(bmro, i)));
        }
        return mro;
    }
    for (Py_ssize_t i = 0; i < nb; i++) {
        for (Py_ssize_t j = i + 1; j < nb; j++) {
            if (PyTuple_GET_ITEM(bases, i) == PyTuple_GET_ITEM(bases, j)) {
                NJ_OWN name =
                    PyType_GetName((PyTypeObject *)PyTuple_GET_ITEM(bases, i));
                if (name) {
                    PyErr_Format(PyExc_TypeError, "duplicate base class %U", name);
                }
                return NULL;
            }
        }
    }
    /* merge of the bases' linearisations and the list of bases itself */
    NJ_OWN seqs = PyTuple_New(nb + 1);
    NJ_OWN out = PyList_New(0);
    NJ_OWN_MEM(Py_ssize_t) pos = PyMem_Calloc((size_t)nb + 1, sizeof(Py_ssize_t));
    if (seqs == NULL || out == NULL || pos == NULL) {
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < nb; i++) {
        PyObject *m = ((PyTypeObject *)PyTuple_GET_ITEM(bases, i))->tp_mro;
        PyTuple_SET_ITEM(seqs, i, Py_NewRef(m));
    }
    PyTuple_SET_ITEM(seqs, nb, Py_NewRef(bases));
    if (PyList_Append(out, (PyObject *)type) < 0) {
        return NULL;
    }
    for (;;) {
        Py_ssize_t empty = 0;
        PyObject *next = NULL;
        for (Py_ssize_t i = 0; i <= nb && next == NULL; i++) {
            PyObject *seq = PyTuple_GET_ITEM(seqs, i);
            if (pos[i] >= PyTuple_GET_SIZE(seq)) {
                empty++;
                continue;
            }
            PyObject *cand = PyTuple_GET_ITEM(seq, pos[i]);
            bool blocked = false;
            for (Py_ssize_t j = 0; j <= nb && !blocked; j++) {
                blocked = in_tail(PyTuple_GET_ITEM(seqs, j), pos[j], cand);
            }
            if (!blocked) {
                next = cand;
            }
        }
        if (next == NULL) {
            if (empty == nb + 1) {
                return PyList_AsTuple(out);
            }
            raise_mro_conflict(seqs, pos);
            return NULL;
        }
        if (PyList_Append(out, next) < 0) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i <= nb; i++) {
            PyObject *seq = PyTuple_GET_ITEM(seqs, i);
            if (pos[i] < PyTuple_GET_SIZE(seq) && PyTuple_GET_ITEM(seq, pos[i]) == next) {
                pos[i]++;
            }
        }
    }
}

static PyTypeObject *
solid_base(PyTypeObject *type)
{
    /* only for the check of a custom mro: the most derived type that adds C fields */
    for (PyTypeObject *t = type; t; t = t->tp_base) {
        if (t->tp_base == NULL || t->tp_basicsize != t->tp_base->tp_basicsize) {
            return t;
        }
    }
    return &PyBaseObject_Type;
}

/* What a metaclass's own mro() returned, checked: new tuple or NULL. */
static PyObject *
checked_custom_mro(PyTypeObject *type, PyObject *result)
{
    NJ_OWN mro = PySequence_Tuple(result);
    if (mro == NULL) {
        return NULL;
    }
    PyTypeObject *solid = solid_base(type);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        PyObject *c = PyTuple_GET_ITEM(mro, i);
        if (!PyType_Check(c)) {
            PyErr_Format(PyExc_TypeError, "mro() returned a non-class ('%.500s')",
                         Py_TYPE(c)->tp_name);
            return NULL;
        }
        if (!PyType_IsSubtype(solid, solid_base((PyTypeObject *)c))) {
            PyErr_Format(PyExc_TypeError,
                         "mro() returned base with unsuitable layout ('%.500s')",
                         ((PyTypeObject *)c)->tp_name);
            return NULL;
        }
    }
    return NJ_TAKE(mro);
}

/* True if c is reachable from type through tp_bases. */
static bool
is_ancestor(PyTypeObject *type, PyTypeObject *c)
{
    if (type == c) {
        return true;
    }
    PyObject *bases = type->tp_bases;
    for (Py_ssize_t i = 0; bases && i < PyTuple_GET_SIZE(bases); i++) {
        if (is_ancestor((PyTypeObject *)PyTuple_GET_ITEM(bases, i), c)) {
            return true;
        }
    }
    return false;
}

int
nj_type_lookup_set_mro(PyTypeObject *type)
{
    NJ_OWN mro = NULL;
    bool custom = !Py_IS_TYPE(type, &PyType_Type);
    PyObject *old = type->tp_mro;
    if (custom) {
        PyObject *meth = nj_type_find(Py_TYPE(type), NJ_ID(mro));
        PyObject *plain = nj_type_find(&PyType_Type, NJ_ID(mro));
        custom = meth != NULL && meth != plain;
    }
    if (custom) {
        NJ_OWN func = nj_type_special((PyObject *)type, NJ_ID(mro));
        if (func == NULL) {
            return -1;
        }
        NJ_OWN result = PyObject_CallNoArgs(func);
        if (result == NULL) {
            return -1;
        }
        NJ_SET(mro, checked_custom_mro(type, result));
    }
    else {
        NJ_SET(mro, nj_type_lookup_c3(type));
    }
    if (mro == NULL) {
        return -1;
    }
    if (type->tp_mro != old) {
        return 0; /* mro() itself assigned __bases__: the newer result stands */
    }
    PyType_Modified(type);
    type->tp_mro = NJ_TAKE(mro);
    Py_XDECREF(old);
    if (custom) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type->tp_mro); i++) {
            if (!is_ancestor(type,
                             (PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, i))) {
                type->tp_versions_used = _Py_ATTR_CACHE_UNUSED;
                break;
            }
        }
    }
    return 0;
}

/* ---- subclasses -------------------------------------------------------------------- */

int
nj_type_lookup_add_subclass(PyTypeObject *base, PyTypeObject *type)
{
    PyObject **slot = nj_type_lookup_subclass_slot(base);
    if (slot == NULL) {
        return 0;
    }
    if (*slot == NULL) {
        *slot = PyDict_New();
        if (*slot == NULL) {
            return -1;
        }
    }
    NJ_OWN key = PyLong_FromVoidPtr(type);
    NJ_OWN ref = PyWeakref_NewRef((PyObject *)type, NULL);
    if (key == NULL || ref == NULL) {
        return -1;
    }
    return PyDict_SetItem(*slot, key, ref);
}

void
nj_type_lookup_remove_subclass(PyTypeObject *base, PyTypeObject *type)
{
    PyObject **slot = nj_type_lookup_subclass_slot(base);
    if (slot == NULL || *slot == NULL) {
        return;
    }
    NJ_OWN key = PyLong_FromVoidPtr(type);
    if (key == NULL || PyDict_DelItem(*slot, key) < 0) {
        PyErr_Clear();
    }
    if (PyDict_GET_SIZE(*slot) == 0 && !nj_type_is_static_builtin(base)) {
        Py_CLEAR(*slot);
    }
}

PyObject *
nj_type_lookup_subclasses(PyTypeObject *type)
{
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    PyObject **slot = nj_type_lookup_subclass_slot(type);
    if (slot && *slot) {
        PyObject *key, *ref;
        Py_ssize_t pos = 0;
        while (PyDict_Next(*slot, &pos, &key, &ref)) {
            PyObject *sub = ((PyWeakReference *)ref)->wr_object;
            if (sub != Py_None && Py_REFCNT(sub) > 0 && PyList_Append(list, sub) < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(list);
}

bool
nj_type_lookup_has_subclasses(PyTypeObject *type)
{
    PyObject **slot = nj_type_lookup_subclass_slot(type);
    return slot && *slot && PyDict_GET_SIZE(*slot) > 0;
}

/* ---- special methods --------------------------------------------------------------- */

int
nj_type_special_unbound(PyObject *self, PyObject *name, PyObject **out, bool *unbound)
{
    *unbound = false;
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *attr = nj_type_find(tp, name);
    if (attr == NULL) {
        *out = NULL;
        return 0;
    }
    if (Py_TYPE(attr)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR) {
        *unbound = true;
        *out = Py_NewRef(attr);
        return 1;
    }
    descrgetfunc get = Py_TYPE(attr)->tp_descr_get;
    if (get == NULL) {
        *out = Py_NewRef(attr);
        return 1;
    }
    Py_INCREF(attr);
    *out = get(attr, self, (PyObject *)tp);
    Py_DECREF(attr);
    return *out ? 1 : -1;
}

PyObject *
nj_type_special(PyObject *self, PyObject *name)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *attr = nj_type_find(tp, name);
    if (attr == NULL) {
        return NULL;
    }
    descrgetfunc get = Py_TYPE(attr)->tp_descr_get;
    Py_INCREF(attr);
    if (get == NULL) {
        return attr;
    }
    PyObject *bound = get(attr, self, (PyObject *)tp);
    Py_DECREF(attr);
    return bound;
}

/* ---- public API -------------------------------------------------------------------- */

PyObject *
_PyType_Lookup(PyTypeObject *type, PyObject *name)
{
    return nj_type_find(type, name);
}

PyObject *
_PyType_LookupRef(PyTypeObject *type, PyObject *name)
{
    return Py_XNewRef(nj_type_find(type, name));
}

unsigned int
PyType_ClearCache(void)
{
    nj_types_clear_cache(nj_interp());
    return nj_interp()->types.next_version - 1;
}

int
PyUnstable_Type_AssignVersionTag(PyTypeObject *type)
{
    return nj_type_version(type) != 0;
}

int
PyType_AddWatcher(PyType_WatchCallback callback)
{
    NjTypeState *st = &nj_interp()->types;
    for (int i = 1; i < NJ_TYPE_WATCHERS; i++) { /* 0 is kept for the optimizer */
        if (st->watchers[i] == NULL) {
            st->watchers[i] = callback;
            return i;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "no more type watcher IDs available");
    return -1;
}

static int
check_watcher(NjTypeState *st, int id)
{
    if (id < 0 || id >= NJ_TYPE_WATCHERS) {
        PyErr_Format(PyExc_ValueError, "Invalid type watcher ID %d", id);
        return -1;
    }
    if (st->watchers[id] == NULL) {
        PyErr_Format(PyExc_ValueError, "No type watcher set for ID %d", id);
        return -1;
    }
    return 0;
}

int
PyType_ClearWatcher(int watcher_id)
{
    NjTypeState *st = &nj_interp()->types;
    if (check_watcher(st, watcher_id) < 0) {
        return -1;
    }
    st->watchers[watcher_id] = NULL;
    return 0;
}

int
PyType_Watch(int watcher_id, PyObject *obj)
{
    if (!PyType_Check(obj)) {
        PyErr_SetString(PyExc_ValueError, "Cannot watch non-type");
        return -1;
    }
    if (check_watcher(&nj_interp()->types, watcher_id) < 0) {
        return -1;
    }
    (void)nj_type_version((PyTypeObject *)obj); /* no version: never notified */
    ((PyTypeObject *)obj)->tp_watched |= (unsigned char)(1u << watcher_id);
    return 0;
}

int
PyType_Unwatch(int watcher_id, PyObject *obj)
{
    if (!PyType_Check(obj)) {
        PyErr_SetString(PyExc_ValueError, "Cannot watch non-type");
        return -1;
    }
    if (check_watcher(&nj_interp()->types, watcher_id) < 0) {
        return -1;
    }
    ((PyTypeObject *)obj)->tp_watched &= (unsigned char)~(1u << watcher_id);
    return 0;
}

int
PyType_IsSubtype(PyTypeObject *a, PyTypeObject *b)
{
    PyObject *mro = a->tp_mro;
    if (mro != NULL) { /* a custom mro() may leave out the class itself */
        Py_ssize_t n = PyTuple_GET_SIZE(mro);
        for (Py_ssize_t i = 0; i < n; i++) {
            if (PyTuple_GET_ITEM(mro, i) == (PyObject *)b) {
                return 1;
            }
        }
        return 0;
    }
    do {
        if (a == b) {
            return 1;
        }
        a = a->tp_base;
    } while (a != NULL);
    return b == &PyBaseObject_Type;
}

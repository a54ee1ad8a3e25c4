/* inst_values.c - attributes of instances: inline values, managed dicts, __dict__.
 *
 * dict_int.h has the picture. An instance of an INLINE_VALUES type stores its attributes
 * behind its fields, numbered by the type's shared keys, and needs no dict. obj.__dict__
 * makes a split dict over the same storage. From then on both ways in must agree: adding
 * and removing through the instance keeps the dict's ma_used right, and a watched dict is
 * always changed through the dict.
 *
 * When the inline form cannot hold an attribute (no room in this instance, 30 names
 * reached, a name that is no exact str) everything moves to a combined dict and
 * values->valid becomes 0, for good. The shared keys still learn the new name, so the next
 * instance is allocated with room for it.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/dict_view.h"
#include "runtime/gc.h"

static bool
has_valid_values(PyObject *obj)
{
    return (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_INLINE_VALUES) &&
           nj_inst_values(obj)->valid;
}

NjDictKeys *
nj_shared_keys_new(PyTypeObject *tp)
{
    NjDictKeys *k = nj_keys_new(6, NJ_KEYS_SHARED, NJ_SHARED_KEYS_MAX);
    if (!k) {
        return NULL;
    }
    k->dk_spare = NJ_SHARED_KEYS_MAX;
    PyTypeObject *base = tp->tp_base;
    if (base && (base->tp_flags & Py_TPFLAGS_HEAPTYPE) &&
        (base->tp_flags & Py_TPFLAGS_INLINE_VALUES) && nj_type_shared_keys(base)) {
        NjDictKeys *bk = nj_type_shared_keys(base);
        for (Py_ssize_t i = 0; i < bk->dk_nentries; i++) {
            nj_keys_shared_index(k, nj_keys_str_entries(bk)[i].key);
        }
    }
    PyObject *names = tp->tp_dict ? nj_dict_peek_str(tp->tp_dict,
                                                     NJ_ID(__static_attributes__))
                                  : NULL;
    if (names && PyTuple_CheckExact(names)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); i++) {
            PyObject *name = PyTuple_GET_ITEM(names, i);
            if (PyUnicode_CheckExact(name)) {
                nj_keys_shared_index(k, name);
            }
        }
    }
    if (k->dk_usable > 1) { /* the last place is for a name known beforehand */
        k->dk_usable--;
        k->dk_spare--;
    }
    return k;
}

PyObject *
nj_inst_dict(PyObject *obj)
{
    PyObject **slot = nj_managed_dict_slot(obj);
    if (!*slot) {
        if (has_valid_values(obj)) {
            NjInstValues *v = nj_inst_values(obj);
            NjDictKeys *k = nj_type_shared_keys(Py_TYPE(obj));
            k->dk_refcnt++;
            *slot = (PyObject *)nj_dict_wrap(k, v, v->size);
        }
        else {
            *slot = PyDict_New();
        }
    }
    return *slot;
}

int
nj_inst_detach(PyObject *obj)
{
    if (!has_valid_values(obj)) {
        return 0;
    }
    PyObject *d = nj_inst_dict(obj);
    return d ? nj_dict_make_combined((PyDictObject *)d) : -1;
}

int
nj_inst_get(PyObject *obj, PyObject *name, PyObject **out)
{
    if (NJ_LIKELY(has_valid_values(obj))) {
        NjInstValues *v = nj_inst_values(obj);
        if (NJ_LIKELY(PyUnicode_CheckExact(name))) {
            Py_ssize_t ix = nj_keys_index_of(nj_type_shared_keys(Py_TYPE(obj)), name);
            PyObject *value = ix >= 0 && ix < v->capacity ? v->values[ix] : NULL;
            *out = Py_XNewRef(value);
            return value != NULL;
        }
        if (v->size == 0) {
            *out = NULL;
            return 0;
        }
        if (!nj_inst_dict(obj)) {
            *out = NULL;
            return -1;
        }
    }
    PyObject *d = *nj_managed_dict_slot(obj);
    if (!d) {
        *out = NULL;
        return 0;
    }
    NJ_OWN keep = Py_NewRef(d);
    return nj_dict_find(d, name, out);
}

void
nj_inst_add_at_steal(PyObject *obj, Py_ssize_t index, PyObject *value)
{
    NjInstValues *v = nj_inst_values(obj);
    assert(v->valid && index < v->capacity && !v->values[index]);
    v->values[index] = value;
    nj_values_order(v)[v->size++] = (uint8_t)index;
    PyDictObject *d = (PyDictObject *)*nj_managed_dict_slot(obj);
    if (d) {
        d->ma_used = v->size;
    }
}

/* Through the (owned) dict. Deleting an absent name: 1. */
static int
set_in_dict(PyObject *d, PyObject *name, PyObject *value)
{
    NJ_OWN keep = Py_NewRef(d);
    if (value) {
        return PyDict_SetItem(d, name, value);
    }
    int r = PyDict_Pop(d, name, NULL);
    return r < 0 ? -1 : !r;
}

int
nj_inst_set(PyObject *obj, PyObject *name, PyObject *value)
{
    if (NJ_LIKELY(has_valid_values(obj))) {
        NjInstValues *v = nj_inst_values(obj);
        NjDictKeys *k = nj_type_shared_keys(Py_TYPE(obj));
        PyDictObject *d = (PyDictObject *)*nj_managed_dict_slot(obj);
        if (NJ_LIKELY(PyUnicode_CheckExact(name)) && !(d && nj_dict_is_watched(d))) {
            Py_ssize_t ix = value ? nj_keys_shared_index(k, name)
                                  : nj_keys_index_of(k, name);
            if (NJ_LIKELY(ix >= 0 && ix < v->capacity)) {
                PyObject *old = v->values[ix];
                if (value) {
                    Py_INCREF(value);
                    if (old) {
                        v->values[ix] = value;
                        Py_DECREF(old);
                    }
                    else {
                        nj_inst_add_at_steal(obj, ix, value);
                    }
                    return 0;
                }
                if (!old) {
                    return 1;
                }
                v->values[ix] = NULL;
                uint8_t *order = nj_values_order(v);
                int pos = 0;
                while (order[pos] != ix) {
                    pos++;
                }
                memmove(order + pos, order + pos + 1, (size_t)(v->size - pos - 1));
                v->size--;
                if (d) {
                    d->ma_used = v->size;
                }
                Py_DECREF(old);
                return 0;
            }
            if (!value) {
                return 1;
            }
        }
        PyObject *dict = nj_inst_dict(obj);
        return dict ? set_in_dict(dict, name, value) : -1;
    }
    PyObject *d = *nj_managed_dict_slot(obj);
    if (!d) {
        if (!value) {
            return 1;
        }
        d = nj_inst_dict(obj);
        if (!d) {
            return -1;
        }
    }
    if (value && (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_INLINE_VALUES) &&
        PyUnicode_CheckExact(name)) {
        nj_keys_shared_index(nj_type_shared_keys(Py_TYPE(obj)), name);
    }
    return set_in_dict(d, name, value);
}

bool
nj_inst_dict_is_empty(PyObject *obj)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (tp->tp_dictoffset == 0 && !(tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return true;
    }
    if (has_valid_values(obj)) {
        return nj_inst_values(obj)->size == 0;
    }
    PyObject **slot = nj_obj_dict_addr(obj);
    return !slot || !*slot || ((PyDictObject *)*slot)->ma_used == 0;
}

/* Takes all values out, then drops them. */
static void
clear_values(NjInstValues *v)
{
    PyObject *old[NJ_SHARED_KEYS_MAX + 1];
    int n = 0;
    for (int i = 0; i < v->capacity; i++) {
        if (v->values[i]) {
            old[n++] = v->values[i];
            v->values[i] = NULL;
        }
    }
    v->size = 0;
    for (int i = 0; i < n; i++) {
        Py_DECREF(old[i]);
    }
}

/* Separates obj from its dict: afterwards the slot is empty and the dict, if others hold
 * it, owns its contents. Inline values keep what is theirs alone. */
static void
drop_dict(PyObject *obj)
{
    PyObject **slot = nj_managed_dict_slot(obj);
    PyDictObject *d = (PyDictObject *)*slot;
    if (!d) {
        return;
    }
    if (d->ma_values) {
        if (Py_REFCNT(d) == 1 && !nj_dict_is_watched(d)) {
            nj_dict_abandon(d);
        }
        else if (nj_dict_make_combined(d) < 0) {
            /* no memory: the other holders see an empty dict */
            PyErr_FormatUnraisable("Out of memory when detaching the dict of an object");
            nj_dict_abandon(d);
        }
    }
    *slot = NULL;
    Py_DECREF(d);
}

int
PyObject_VisitManagedDict(PyObject *obj, visitproc visit, void *arg)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (!(tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return 0;
    }
    if (tp->tp_flags & Py_TPFLAGS_INLINE_VALUES) {
        NjInstValues *v = nj_inst_values(obj);
        PyDictObject *d = (PyDictObject *)*nj_managed_dict_slot(obj);
        /* a split dict over these values visits them: others may hold only the dict */
        if (v->valid && !(d && d->ma_values == v)) {
            for (int i = 0; i < v->capacity; i++) {
                Py_VISIT(v->values[i]);
            }
        }
    }
    Py_VISIT(*nj_managed_dict_slot(obj));
    return 0;
}

void
PyObject_ClearManagedDict(PyObject *obj)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (!(tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return;
    }
    drop_dict(obj);
    if (tp->tp_flags & Py_TPFLAGS_INLINE_VALUES) {
        NjInstValues *v = nj_inst_values(obj);
        if (v->valid) {
            clear_values(v);
        }
    }
}

int
nj_inst_set_dict(PyObject *obj, PyObject *dict)
{
    PyObject **slot = nj_managed_dict_slot(obj);
    if (*slot == dict && dict) {
        return 0;
    }
    if (*slot && nj_dict_make_combined((PyDictObject *)*slot) < 0) {
        return -1;
    }
    PyObject *old = *slot;
    *slot = Py_XNewRef(dict);
    if (has_valid_values(obj)) {
        NjInstValues *v = nj_inst_values(obj);
        v->valid = 0;
        clear_values(v);
    }
    Py_XDECREF(old);
    return 0;
}

PyAPI_FUNC(int) _PyObject_SetManagedDict(PyObject *obj, PyObject *new_dict);

int
_PyObject_SetManagedDict(PyObject *obj, PyObject *new_dict)
{
    return nj_inst_set_dict(obj, new_dict);
}

PyObject **
nj_obj_dict_addr(PyObject *obj)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (tp->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        return nj_managed_dict_slot(obj);
    }
    Py_ssize_t offset = tp->tp_dictoffset;
    if (offset == 0) {
        return NULL;
    }
    if (offset < 0) {
        /* counted from the end of a variable-sized object */
        Py_ssize_t n = Py_TYPE(obj) == &PyLong_Type || PyLong_Check(obj)
                           ? (Py_ssize_t)(((PyLongObject *)obj)->long_value.lv_tag >> 3)
                           : Py_SIZE(obj);
        if (n < 0) {
            n = -n;
        }
        size_t size = _PyObject_VAR_SIZE(tp, n);
        offset += (Py_ssize_t)size;
    }
    return (PyObject **)((char *)obj + offset);
}

PyObject **
_PyObject_GetDictPtr(PyObject *obj)
{
    if (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        return nj_inst_dict(obj) ? nj_managed_dict_slot(obj) : (PyErr_Clear(), NULL);
    }
    return nj_obj_dict_addr(obj);
}

PyObject *
PyObject_GenericGetDict(PyObject *obj, void *context)
{
    if (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        return Py_XNewRef(nj_inst_dict(obj));
    }
    PyObject **slot = nj_obj_dict_addr(obj);
    if (!slot) {
        PyErr_SetString(PyExc_AttributeError, "This object has no __dict__");
        return NULL;
    }
    if (!*slot) {
        *slot = PyDict_New();
    }
    return Py_XNewRef(*slot);
}

int
PyObject_GenericSetDict(PyObject *obj, PyObject *value, void *context)
{
    PyObject **slot = nj_obj_dict_addr(obj);
    if (!slot) {
        PyErr_SetString(PyExc_AttributeError, "This object has no __dict__");
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "cannot delete __dict__");
        return -1;
    }
    if (!PyDict_Check(value)) {
        PyErr_Format(PyExc_TypeError, "__dict__ must be set to a dictionary, not a '%.200s'",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    if (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        return nj_inst_set_dict(obj, value);
    }
    Py_XSETREF(*slot, Py_NewRef(value));
    return 0;
}

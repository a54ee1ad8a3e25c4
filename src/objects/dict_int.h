/* dict_int.h - the inside of dict, shared with the VM (inline caches) and type.c.
 *
 * PyDictObject is fixed by Python.h; what ma_keys and ma_values point to is described
 * here. A keys block is a byte index (open addressing) in front of a dense array of
 * entries in insertion order. Three kinds:
 *
 *   NJ_KEYS_GENERAL  entries {hash, key, value}
 *   NJ_KEYS_STR      every key is an exact str; entries {key, value}, hash in the key
 *   NJ_KEYS_SHARED   as STR, but owned by a heap type (ht_cached_keys) and shared by its
 *                    instances; entry values stay NULL, values live in an NjInstValues
 *                    indexed by entry number. Keys are only ever added, 30 at most.
 *
 * A dict with ma_values == NULL is combined; otherwise it is split: keys are SHARED and
 * ma_values are the *inline* values of the instance whose __dict__ it is (never allocated
 * apart). The instance keeps working on its inline values; both see the same storage.
 * The dict leaves that state ("detaches", becomes combined, values->valid = 0) on the
 * first operation the split form cannot express, when the instance dies, when its
 * __dict__ is replaced or its __class__ changes.
 *
 * Inline values sit at (char *)obj + tp_basicsize in instances of types with
 * Py_TPFLAGS_INLINE_VALUES; managed dict pointer at ((PyObject **)obj)[-3], weakref list
 * at [-4]. Allocation needs nj_inst_extra_size(tp) bytes after tp_basicsize.
 *
 * Version rule: keys->dk_version (0 = none assigned) is dropped whenever a key is added
 * to or removed from that block, or the block is replaced; a changed value does not touch
 * it. So "same ma_keys->dk_version" means: same keys at the same entry numbers.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_DICT_INT_H
#define NJ_OBJECTS_DICT_INT_H

#include "nj.h"
#include "runtime/state.h"

enum { NJ_KEYS_GENERAL = 0, NJ_KEYS_STR = 1, NJ_KEYS_SHARED = 2 };

typedef struct NjDictEntry {
    Py_hash_t hash;
    PyObject *key;   /* owned; NULL = hole */
    PyObject *value; /* owned; NULL = hole */
} NjDictEntry;

typedef struct NjStrEntry {
    PyObject *key;   /* owned exact str with its hash computed; NULL = hole */
    PyObject *value; /* owned; NULL = hole, always NULL in SHARED */
} NjStrEntry;

struct _dictkeysobject {
    Py_ssize_t dk_refcnt;          /* 1 for combined dicts; instances+type for SHARED */
    uint8_t dk_log2_size;          /* log2 of the number of index cells */
    uint8_t dk_log2_index_bytes;   /* log2 of the bytes of the index */
    uint8_t dk_kind;               /* NJ_KEYS_* */
    union {
        uint8_t dk_hinted; /* not SHARED: an OrderedDict remembers a position in this block */
        uint8_t dk_spare;  /* SHARED: places the next instance gets for names not known yet */
    };
    uint32_t dk_version;           /* 0 = not assigned */
    Py_ssize_t dk_usable;          /* entries that can still be appended */
    Py_ssize_t dk_nentries;        /* entries used, holes included */
    char dk_indices[];             /* index, then the entries */
};
typedef struct _dictkeysobject NjDictKeys;

/* Values of an instance. values[capacity], then capacity bytes: order[k] is the entry
 * number of the k-th inserted attribute. */
struct _dictvalues {
    uint8_t capacity; /* fixed at allocation; entry numbers >= capacity have no room here */
    uint8_t size;     /* attributes present = used bytes of the order array */
    uint8_t embedded; /* always 1 */
    uint8_t valid;    /* 0: the instance's attributes are in its managed dict (or none) */
    PyObject *values[1];
};
typedef struct _dictvalues NjInstValues;

#define NJ_SHARED_KEYS_MAX 30 /* one more makes the dict a combined one */

/* ---- entries ---- */

NJ_INLINE NjStrEntry *
nj_keys_str_entries(NjDictKeys *k)
{
    return (NjStrEntry *)(k->dk_indices + ((size_t)1 << k->dk_log2_index_bytes));
}

NJ_INLINE NjDictEntry *
nj_keys_entries(NjDictKeys *k)
{
    return (NjDictEntry *)(k->dk_indices + ((size_t)1 << k->dk_log2_index_bytes));
}

/* Number of the entry whose key is str_key (exact str) in STR or SHARED keys, -1 if
 * absent, -2 for GENERAL keys. Cannot fail, runs no Python code. */
Py_ssize_t nj_keys_index_of(NjDictKeys *k, PyObject *str_key);

/* The same for a combined dict; -2 also for a split one. For LOAD_GLOBAL caches: entry
 * value = nj_dict_value_at(d, index) (may be NULL: deopt) while the version holds. */
Py_ssize_t nj_dict_index_of(PyDictObject *d, PyObject *str_key);

/* Borrowed, NULL for a hole. d is combined with STR keys, index in range. */
NJ_INLINE PyObject *
nj_dict_value_at(PyDictObject *d, Py_ssize_t index)
{
    return nj_keys_str_entries(d->ma_keys)[index].value;
}

/* Version of a combined dict's keys or of shared keys, assigned on demand; 0 = none left,
 * or GENERAL keys. */
uint32_t nj_keys_version(NjInterp *interp, NjDictKeys *k);
NJ_INLINE uint32_t
nj_dict_keys_version(NjInterp *interp, PyDictObject *d)
{
    return nj_keys_version(interp, d->ma_keys);
}

/* ---- lookup and store on any dict (exact or subclass, no __missing__) ---- */

/* 1 found (*out new reference), 0 absent (*out NULL), -1 error (*out NULL). May run Python
 * code (__hash__, __eq__) for keys that are not exact str/int. */
int nj_dict_find(PyObject *d, PyObject *key, PyObject **out);
int nj_dict_find_known_hash(PyObject *d, PyObject *key, Py_hash_t hash, PyObject **out);
/* The same, but *out is borrowed: only for dicts nobody can change meanwhile. */
int nj_dict_peek(PyObject *d, PyObject *key, PyObject **out);
/* Borrowed value or NULL; never sets an exception, never runs Python code on dicts whose
 * keys are all str (an exception of a foreign __eq__ is swallowed). name: exact str. */
PyObject *nj_dict_peek_str(PyObject *d, PyObject *name);
/* 0 or -1. Steals neither. */
int nj_dict_set_known_hash(PyObject *d, PyObject *key, Py_hash_t hash, PyObject *value);
/* Steals key and value, also on failure. */
int nj_dict_set_steal(PyObject *d, NJ_STEALS PyObject *key, NJ_STEALS PyObject *value);
/* n pairs, each array walked with its own stride (BUILD_MAP: keys = sp, values = sp + 1,
 * strides 2). New dict or NULL. */
PyObject *nj_dict_from_items(PyObject *const *keys, Py_ssize_t kstride,
                             PyObject *const *values, Py_ssize_t vstride, Py_ssize_t n);
/* PyDict_Merge with KeyError(key) on a duplicate (DICT_MERGE): override 2. */
int nj_dict_merge(PyObject *d, PyObject *other, int override);
/* Tells watchers; event as in PyDict_WatchEvent. Only call when d is watched. */
NJ_INLINE bool
nj_dict_is_watched(PyDictObject *d)
{
    return NJ_UNLIKELY((d->_ma_watcher_tag & 0xff) != 0);
}

/* ---- instances ---- */

#define NJ_MANAGED_DICT_SLOT (-3)
#define NJ_MANAGED_WEAKREF_SLOT (-4)

NJ_INLINE PyObject **
nj_managed_dict_slot(PyObject *obj)
{
    return (PyObject **)obj + NJ_MANAGED_DICT_SLOT;
}

/* obj's type has Py_TPFLAGS_INLINE_VALUES. */
NJ_INLINE NjInstValues *
nj_inst_values(PyObject *obj)
{
    return (NjInstValues *)((char *)obj + Py_TYPE(obj)->tp_basicsize);
}

NJ_INLINE NjDictKeys *
nj_type_shared_keys(PyTypeObject *tp)
{
    return ((PyHeapTypeObject *)tp)->ht_cached_keys;
}

NJ_INLINE size_t
nj_values_size(size_t capacity)
{
    return offsetof(NjInstValues, values) + capacity * sizeof(PyObject *) +
           ((capacity + 7) & ~(size_t)7);
}

NJ_INLINE uint8_t *
nj_values_order(NjInstValues *v)
{
    return (uint8_t *)&v->values[v->capacity];
}

/* Room of the next instance: what earlier ones (and __static_attributes__) taught the
 * shared keys, plus spare places: many for the first instance of a type, one less for each
 * further one, down to one. So instances of one type differ in capacity: whoever uses a
 * cached entry number checks it against values->capacity. */
NJ_INLINE size_t
nj_inst_capacity(NjDictKeys *k)
{
    return (size_t)(k->dk_nentries + k->dk_spare);
}

/* Attribute with entry number index for LOAD_ATTR caches: borrowed; NULL when the inline
 * values are not valid, have no room for it, or it is absent (deopt). */
NJ_INLINE PyObject *
nj_inst_value_at(PyObject *obj, size_t index)
{
    NjInstValues *v = nj_inst_values(obj);
    return NJ_LIKELY(v->valid && index < v->capacity) ? v->values[index] : NULL;
}

/* Bytes to allocate behind tp_basicsize (0 without inline values). Nothing may run between
 * this call and nj_inst_init. */
NJ_INLINE size_t
nj_inst_extra_size(PyTypeObject *tp)
{
    if (!(tp->tp_flags & Py_TPFLAGS_INLINE_VALUES)) {
        return 0;
    }
    NjDictKeys *k = nj_type_shared_keys(tp);
    return nj_values_size(nj_inst_capacity(k));
}

/* After allocation, before anybody sees obj: clears the managed dict and weakref words and
 * sets up empty inline values. Cannot fail. */
NJ_INLINE void
nj_inst_init(PyObject *obj, PyTypeObject *tp)
{
    if (tp->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        ((PyObject **)obj)[NJ_MANAGED_DICT_SLOT] = NULL;
    }
    if (tp->tp_flags & Py_TPFLAGS_MANAGED_WEAKREF) {
        ((PyObject **)obj)[NJ_MANAGED_WEAKREF_SLOT] = NULL;
    }
    if (tp->tp_flags & Py_TPFLAGS_INLINE_VALUES) {
        NjDictKeys *k = nj_type_shared_keys(tp);
        NjInstValues *v = (NjInstValues *)((char *)obj + tp->tp_basicsize);
        size_t capacity = nj_inst_capacity(k);
        if (k->dk_spare > 1) {
            k->dk_spare--;
        }
        v->capacity = (uint8_t)capacity;
        v->size = 0;
        v->embedded = 1;
        v->valid = 1;
        for (size_t i = 0; i < capacity; i++) {
            v->values[i] = NULL;
        }
    }
}

/* Own attribute of an instance with a managed dict: 1 found (*out new reference), 0 absent,
 * -1 error. name: exact str (interned is fastest). */
int nj_inst_get(PyObject *obj, PyObject *name, PyObject **out);
/* Sets, or deletes when value is NULL. 0; -1 with an exception; deleting an absent one
 * returns 1 without an exception. */
int nj_inst_set(PyObject *obj, PyObject *name, PyObject *value_or_NULL);
/* The managed dict, materialised if need be. Borrowed; NULL with MemoryError. */
PyObject *nj_inst_dict(PyObject *obj);
/* Moves the attributes out of the inline values into a dict of its own (before a
 * __class__ assignment). 0 or -1. No-op for other objects. */
int nj_inst_detach(PyObject *obj);
/* Has obj no attributes of its own (or no dict at all)? Materialises nothing. */
bool nj_inst_dict_is_empty(PyObject *obj);
/* obj.__dict__ = dict (or del, when NULL), managed dicts only. 0 or -1. */
int nj_inst_set_dict(PyObject *obj, PyObject *dict_or_NULL);
/* First store into values->values[index] (it was NULL): appends to the order and keeps a
 * materialised dict's ma_used right. For STORE_ATTR caches: values valid, index < capacity.
 * Steals value. Cannot fail. */
void nj_inst_add_at_steal(PyObject *obj, Py_ssize_t index, NJ_STEALS PyObject *value);

/* ht_cached_keys for a new heap type, seeded with its __static_attributes__ and its base's
 * keys. Call after tp_dict and tp_base are set. NULL with MemoryError. */
NjDictKeys *nj_shared_keys_new(PyTypeObject *tp);
/* Drops one reference to a keys block (type dealloc). */
void nj_keys_decref(NjDictKeys *k);

/* Address of obj's dict pointer: managed, positive or negative tp_dictoffset; NULL if the
 * type has no dict. Does not materialise. */
PyObject **nj_obj_dict_addr(PyObject *obj);

/* Interpreter end: frees the free lists of list, tuple, dict, set. */
void nj_containers_fini(NjInterp *interp);

#endif

/* dict.c - the built-in dict.
 *
 * dict_int.h describes the storage: keys blocks (GENERAL, STR, SHARED), combined and split
 * dicts. This file: lookup, insertion, deletion, resizing, the dict type and PyDict_*.
 * Views and iterators are in dict_view.c, the instance side in inst_values.c.
 *
 * Always true between calls:
 *   - an index cell is EMPTY (-1), DELETED (-2), or names an entry with a key;
 *   - combined: ma_used counts the entries with a value, key and value are both set or
 *     both NULL;
 *   - split: ma_values are the embedded values of a live instance, ma_used equals their
 *     size, ma_keys is the shared block of the type;
 *   - at least a third of the index cells is EMPTY, so probing ends.
 *
 * Dangers: comparing keys may run Python code, which may change or clear the dict. So
 * lookup holds the compared key, and starts again when block or entry changed under it;
 * nobody keeps an entry pointer across a compare. Dropping an old value may run Python code
 * too: that comes last, with the dict complete. The empty block is one static read-only
 * block with no room; every first insertion allocates.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/dict_int.h"
#include "objects/dict_view.h"
#include "runtime/gc.h"
#include "runtime/runtime.h"

#define IX_EMPTY (-1)
#define IX_DELETED (-2)
#define IX_ERROR (-3)

#define PERTURB_SHIFT 5
#define LOG2_MIN 3

/* How many entries fit an index of 2**log2 cells. */
#define USABLE(n) (((n) << 1) / 3)

/* Never written: dk_refcnt and dk_version stay as they are. */
static struct {
    NjDictKeys k;
    int8_t cells[8];
} empty_block = {
    .k = {.dk_refcnt = 1, .dk_log2_size = 0, .dk_log2_index_bytes = 3,
          .dk_kind = NJ_KEYS_STR},
    .cells = {-1, -1, -1, -1, -1, -1, -1, -1},
};
#define EMPTY_KEYS (&empty_block.k)

NJ_INLINE NjContainerState *
state(void)
{
    return &nj_interp()->containers;
}

NJ_INLINE Py_hash_t
str_hash(PyObject *s)
{
    return ((PyASCIIObject *)s)->hash;
}

/* Hash of an exact str, computing it if need be (cannot fail for str). */
NJ_INLINE Py_hash_t
hash_of_str(PyObject *s)
{
    Py_hash_t h = ((PyASCIIObject *)s)->hash;
    return NJ_LIKELY(h != -1) ? h : PyObject_Hash(s);
}

NJ_INLINE bool
equal_strs(PyObject *a, PyObject *b)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(a);
    if (n != PyUnicode_GET_LENGTH(b)) {
        return false;
    }
    int kind = PyUnicode_KIND(a);
    return kind == (int)PyUnicode_KIND(b) &&
           memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)n * (size_t)kind) == 0;
}

static NJ_COLD void
explain_unhashable(PyObject *key, const char *what)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (!Py_IS_TYPE(exc, (PyTypeObject *)PyExc_TypeError)) {
        PyErr_SetRaisedException(exc);
        return;
    }
    PyErr_Format(PyExc_TypeError, "cannot use '%T' as a %s (%S)", key, what, exc);
    Py_DECREF(exc);
}

NJ_COLD void
nj_dict_explain_unhashable(PyObject *key)
{
    explain_unhashable(key, "dict key");
}

NJ_COLD void
nj_set_explain_unhashable(PyObject *key)
{
    explain_unhashable(key, "set element");
}

/* Hash of a key of unknown type; -1 with TypeError. */
NJ_INLINE Py_hash_t
hash_key(PyObject *key)
{
    if (PyUnicode_CheckExact(key)) {
        return hash_of_str(key);
    }
    if (PyLong_CheckExact(key) && PyUnstable_Long_IsCompact((PyLongObject *)key)) {
        Py_hash_t v = PyUnstable_Long_CompactValue((PyLongObject *)key);
        return v == -1 ? -2 : v;
    }
    Py_hash_t h = PyObject_Hash(key);
    if (NJ_UNLIKELY(h == -1)) {
        nj_dict_explain_unhashable(key);
    }
    return h;
}

NJ_COLD void
nj_raise_key_error(PyObject *key)
{
    PyObject *args = PyTuple_Pack(1, key);
    if (args) {
        PyErr_SetObject(PyExc_KeyError, args);
        Py_DECREF(args);
    }
}

/* ---------------------------------------------------------------- keys blocks */

NJ_INLINE Py_ssize_t
index_get(NjDictKeys *k, size_t i)
{
    int log2 = k->dk_log2_size;
    if (log2 < 8) {
        return ((int8_t *)k->dk_indices)[i];
    }
    if (log2 < 16) {
        return ((int16_t *)k->dk_indices)[i];
    }
    if (log2 < 32) {
        return ((int32_t *)k->dk_indices)[i];
    }
    return (Py_ssize_t)((int64_t *)k->dk_indices)[i];
}

NJ_INLINE void
index_set(NjDictKeys *k, size_t i, Py_ssize_t ix)
{
    int log2 = k->dk_log2_size;
    if (log2 < 8) {
        ((int8_t *)k->dk_indices)[i] = (int8_t)ix;
    }
    else if (log2 < 16) {
        ((int16_t *)k->dk_indices)[i] = (int16_t)ix;
    }
    else if (log2 < 32) {
        ((int32_t *)k->dk_indices)[i] = (int32_t)ix;
    }
    else {
        ((int64_t *)k->dk_indices)[i] = ix;
    }
}

NJ_INLINE size_t
index_bytes(NjDictKeys *k)
{
    return (size_t)1 << k->dk_log2_index_bytes;
}

NJ_INLINE size_t
mask_of(NjDictKeys *k)
{
    return ((size_t)1 << k->dk_log2_size) - 1;
}

NJ_INLINE size_t
entry_bytes(NjDictKeys *k)
{
    return k->dk_kind == NJ_KEYS_GENERAL ? sizeof(NjDictEntry) : sizeof(NjStrEntry);
}

static uint8_t
log2_index_bytes(uint8_t log2)
{
    return (uint8_t)(log2 + (log2 < 8 ? 0 : log2 < 16 ? 1 : log2 < 32 ? 2 : 3));
}

/* Smallest log2 of an index with room for n entries. */
static uint8_t
log2_for(Py_ssize_t n)
{
    uint8_t log2 = LOG2_MIN;
    while (USABLE((Py_ssize_t)1 << log2) < n) {
        log2++;
    }
    return log2;
}

static size_t
block_size(NjDictKeys *k)
{
    if (k->dk_kind == NJ_KEYS_SHARED) {
        return offsetof(NjDictKeys, dk_indices) + index_bytes(k) +
               (size_t)(k->dk_usable + k->dk_nentries) * sizeof(NjStrEntry);
    }
    return offsetof(NjDictKeys, dk_indices) + index_bytes(k) +
           (size_t)USABLE((Py_ssize_t)1 << k->dk_log2_size) * entry_bytes(k);
}

/* New block with all cells EMPTY; entries uninitialised. room limits dk_usable. */
NjDictKeys *
nj_keys_new(uint8_t log2, int kind, Py_ssize_t room)
{
    uint8_t ibytes = log2_index_bytes(log2);
    size_t esize = kind == NJ_KEYS_GENERAL ? sizeof(NjDictEntry) : sizeof(NjStrEntry);
    if (log2 > 58) {
        PyErr_NoMemory();
        return NULL;
    }
    Py_ssize_t usable = USABLE((Py_ssize_t)1 << log2);
    if (room >= 0 && room < usable) {
        usable = room;
    }
    NjDictKeys *k = NULL;
    if (log2 == LOG2_MIN && kind == NJ_KEYS_STR) {
        NjFreeList *f = &state()->keys;
        if (f->head) {
            k = f->head;
            f->head = *(void **)k;
            f->count--;
        }
    }
    if (!k) {
        k = PyMem_Malloc(offsetof(NjDictKeys, dk_indices) + ((size_t)1 << ibytes) +
                         (size_t)usable * esize);
        if (!k) {
            PyErr_NoMemory();
            return NULL;
        }
    }
    k->dk_refcnt = 1;
    k->dk_log2_size = log2;
    k->dk_log2_index_bytes = ibytes;
    k->dk_kind = (uint8_t)kind;
    k->dk_hinted = 0;
    k->dk_version = 0;
    k->dk_usable = usable;
    k->dk_nentries = 0;
    memset(k->dk_indices, 0xff, (size_t)1 << ibytes);
    return k;
}

/* Frees the memory of a block whose entries are already gone. */
static void
free_block(NjDictKeys *k)
{
    if (k == EMPTY_KEYS) {
        return;
    }
    if (k->dk_log2_size == LOG2_MIN && k->dk_kind == NJ_KEYS_STR) {
        NjFreeList *f = &state()->keys;
        if (f->count < NJ_KEYS_FREE_MAX) {
            *(void **)k = f->head;
            f->head = k;
            f->count++;
            return;
        }
    }
    PyMem_Free(k);
}

/* Drops keys and values of a block nobody else sees, then the block. */
static void
destroy_block(NjDictKeys *k)
{
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = nj_keys_entries(k);
        for (Py_ssize_t i = 0, n = k->dk_nentries; i < n; i++, e++) {
            Py_XDECREF(e->key);
            Py_XDECREF(e->value);
        }
    }
    else {
        NjStrEntry *e = nj_keys_str_entries(k);
        for (Py_ssize_t i = 0, n = k->dk_nentries; i < n; i++, e++) {
            Py_XDECREF(e->key);
            Py_XDECREF(e->value);
        }
    }
    free_block(k);
}

void
nj_keys_decref(NjDictKeys *k)
{
    if (k == NULL || k == EMPTY_KEYS) {
        return;
    }
    if (--k->dk_refcnt == 0) {
        destroy_block(k);
    }
}

uint32_t
nj_keys_version(NjInterp *interp, NjDictKeys *k)
{
    if (k->dk_version) {
        return k->dk_version;
    }
    if (k->dk_kind == NJ_KEYS_GENERAL || k == EMPTY_KEYS) {
        return 0;
    }
    NjContainerState *s = &interp->containers;
    if (s->next_keys_version == UINT32_MAX) {
        return 0;
    }
    return k->dk_version = ++s->next_keys_version;
}

/* ---------------------------------------------------------------- lookup */

#define PROBE_STR(T)                                                                   \
    do {                                                                               \
        const T *cells = (const T *)k->dk_indices;                                     \
        for (;;) {                                                                     \
            Py_ssize_t ix = cells[i];                                                  \
            if (ix >= 0) {                                                             \
                PyObject *ek = e[ix].key;                                              \
                if (ek == key ||                                                       \
                    (str_hash(ek) == hash && equal_strs(ek, key))) {                   \
                    return ix;                                                         \
                }                                                                      \
            }                                                                          \
            else if (ix == IX_EMPTY) {                                                 \
                return IX_EMPTY;                                                       \
            }                                                                          \
            perturb >>= PERTURB_SHIFT;                                                 \
            i = (i * 5 + perturb + 1) & mask;                                          \
        }                                                                              \
    } while (0)

static NJ_COLD Py_ssize_t
find_str_wide(NjDictKeys *k, PyObject *key, Py_hash_t hash)
{
    NjStrEntry *e = nj_keys_str_entries(k);
    size_t mask = mask_of(k), perturb = (size_t)hash, i = (size_t)hash & mask;
    if (k->dk_log2_size < 32) {
        PROBE_STR(int32_t);
    }
    PROBE_STR(int64_t);
}

/* Entry number of an exact str in STR or SHARED keys; IX_EMPTY. Runs no Python code. */
NJ_INLINE Py_ssize_t
find_str(NjDictKeys *k, PyObject *key, Py_hash_t hash)
{
    NjStrEntry *e = nj_keys_str_entries(k);
    size_t mask = mask_of(k), perturb = (size_t)hash, i = (size_t)hash & mask;
    if (NJ_LIKELY(k->dk_log2_size < 8)) {
        PROBE_STR(int8_t);
    }
    if (k->dk_log2_size < 16) {
        PROBE_STR(int16_t);
    }
    return find_str_wide(k, key, hash);
}

/* Compares without Python code where the types are exact: 1, 0, or -1 = do not know. */
NJ_INLINE int
equal_fast(PyObject *a, PyObject *b)
{
    PyTypeObject *tp = Py_TYPE(a);
    if (tp != Py_TYPE(b)) {
        return -1;
    }
    if (tp == &PyUnicode_Type) {
        return equal_strs(a, b);
    }
    if (tp == &PyLong_Type) {
        uintptr_t ta = ((PyLongObject *)a)->long_value.lv_tag & ~(uintptr_t)4;
        uintptr_t tb = ((PyLongObject *)b)->long_value.lv_tag & ~(uintptr_t)4;
        return ta == tb && memcmp(((PyLongObject *)a)->long_value.ob_digit,
                                  ((PyLongObject *)b)->long_value.ob_digit,
                                  (ta >> 3) * sizeof(digit)) == 0;
    }
    return -1;
}

/* Entry number of any key in GENERAL keys; IX_EMPTY; IX_ERROR. May run Python code. */
static Py_ssize_t
find_general(PyDictObject *mp, PyObject *key, Py_hash_t hash)
{
restart:;
    NjDictKeys *k = mp->ma_keys;
    NjDictEntry *e = nj_keys_entries(k);
    size_t mask = mask_of(k), perturb = (size_t)hash, i = (size_t)hash & mask;
    for (;;) {
        Py_ssize_t ix = index_get(k, i);
        if (ix >= 0) {
            PyObject *ek = e[ix].key;
            if (ek == key) {
                return ix;
            }
            if (e[ix].hash == hash) {
                int same = equal_fast(ek, key);
                if (same < 0) {
                    Py_INCREF(ek);
                    same = PyObject_RichCompareBool(ek, key, Py_EQ);
                    bool moved = mp->ma_keys != k || e[ix].key != ek;
                    Py_DECREF(ek);
                    if (same < 0) {
                        return IX_ERROR;
                    }
                    if (NJ_UNLIKELY(moved)) {
                        goto restart;
                    }
                }
                if (same) {
                    return ix;
                }
            }
        }
        else if (ix == IX_EMPTY) {
            return IX_EMPTY;
        }
        perturb >>= PERTURB_SHIFT;
        i = (i * 5 + perturb + 1) & mask;
    }
}

static Py_ssize_t find_entry(PyDictObject *mp, PyObject *key, Py_hash_t hash);

/* A key that is no exact str, looked up among strs. */
static NJ_COLD Py_ssize_t
find_odd_in_str(PyDictObject *mp, PyObject *key, Py_hash_t hash)
{
    NjDictKeys *k = mp->ma_keys;
    NjStrEntry *e = nj_keys_str_entries(k);
    size_t mask = mask_of(k), perturb = (size_t)hash, i = (size_t)hash & mask;
    for (;;) {
        Py_ssize_t ix = index_get(k, i);
        if (ix >= 0) {
            PyObject *ek = e[ix].key;
            if (ek == key) {
                return ix;
            }
            if (str_hash(ek) == hash) {
                Py_INCREF(ek);
                int same = PyObject_RichCompareBool(ek, key, Py_EQ);
                bool moved = mp->ma_keys != k || e[ix].key != ek;
                Py_DECREF(ek);
                if (same < 0) {
                    return IX_ERROR;
                }
                if (moved) {
                    return find_entry(mp, key, hash);
                }
                if (same) {
                    return ix;
                }
            }
        }
        else if (ix == IX_EMPTY) {
            return IX_EMPTY;
        }
        perturb >>= PERTURB_SHIFT;
        i = (i * 5 + perturb + 1) & mask;
    }
}

NJ_INLINE Py_ssize_t
find_inline(PyDictObject *mp, PyObject *key, Py_hash_t hash)
{
    NjDictKeys *k = mp->ma_keys;
    if (k->dk_kind != NJ_KEYS_GENERAL) {
        Py_ssize_t ix = NJ_LIKELY(PyUnicode_CheckExact(key))
                            ? find_str(k, key, hash)
                            : find_odd_in_str(mp, key, hash);
        if (NJ_UNLIKELY(mp->ma_values != NULL) && ix >= mp->ma_values->capacity) {
            return IX_EMPTY;
        }
        return ix;
    }
    return find_general(mp, key, hash);
}

/* Any key in any dict. In a split dict the entry may have no value. */
static Py_ssize_t
find_entry(PyDictObject *mp, PyObject *key, Py_hash_t hash)
{
    return find_inline(mp, key, hash);
}

/* Address of the value of an entry. */
NJ_INLINE PyObject **
value_addr(PyDictObject *mp, Py_ssize_t ix)
{
    if (mp->ma_values) {
        return &mp->ma_values->values[ix];
    }
    if (mp->ma_keys->dk_kind == NJ_KEYS_GENERAL) {
        return &nj_keys_entries(mp->ma_keys)[ix].value;
    }
    return &nj_keys_str_entries(mp->ma_keys)[ix].value;
}

NJ_INLINE PyObject *
key_at(NjDictKeys *k, Py_ssize_t ix)
{
    return k->dk_kind == NJ_KEYS_GENERAL ? nj_keys_entries(k)[ix].key
                                         : nj_keys_str_entries(k)[ix].key;
}

/* Borrowed value in *out. 1, 0, -1. */
NJ_INLINE int
peek_known_hash(PyDictObject *mp, PyObject *key, Py_hash_t hash, PyObject **out)
{
    Py_ssize_t ix = find_inline(mp, key, hash);
    if (ix >= 0) {
        PyObject *v = *value_addr(mp, ix);
        *out = v;
        return v != NULL;
    }
    *out = NULL;
    return ix == IX_ERROR ? -1 : 0;
}

Py_ssize_t
nj_keys_index_of(NjDictKeys *k, PyObject *str_key)
{
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        return -2;
    }
    return find_str(k, str_key, hash_of_str(str_key));
}

Py_ssize_t
nj_dict_index_of(PyDictObject *d, PyObject *str_key)
{
    if (d->ma_values || !PyUnicode_CheckExact(str_key)) {
        return -2;
    }
    return nj_keys_index_of(d->ma_keys, str_key);
}

int
nj_dict_find_known_hash(PyObject *d, PyObject *key, Py_hash_t hash, PyObject **out)
{
    int r = peek_known_hash((PyDictObject *)d, key, hash, out);
    Py_XINCREF(*out);
    return r;
}

int
nj_dict_find(PyObject *d, PyObject *key, PyObject **out)
{
    Py_hash_t hash = hash_key(key);
    if (NJ_UNLIKELY(hash == -1)) {
        *out = NULL;
        return -1;
    }
    int r = peek_known_hash((PyDictObject *)d, key, hash, out);
    Py_XINCREF(*out);
    return r;
}

int
nj_dict_peek(PyObject *d, PyObject *key, PyObject **out)
{
    Py_hash_t hash = hash_key(key);
    if (NJ_UNLIKELY(hash == -1)) {
        *out = NULL;
        return -1;
    }
    return peek_known_hash((PyDictObject *)d, key, hash, out);
}

PyObject *
nj_dict_peek_str(PyObject *d, PyObject *name)
{
    PyDictObject *mp = (PyDictObject *)d;
    Py_hash_t hash = hash_of_str(name);
    if (NJ_LIKELY(mp->ma_keys->dk_kind != NJ_KEYS_GENERAL)) {
        Py_ssize_t ix = find_inline(mp, name, hash);
        return ix < 0 ? NULL : *value_addr(mp, ix);
    }
    PyObject *v;
    PyObject *saved = PyErr_GetRaisedException();
    if (peek_known_hash(mp, name, hash, &v) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(saved);
    return v;
}

/* ---------------------------------------------------------------- watchers */

static const char *const event_names[] = {
    "PyDict_EVENT_ADDED",  "PyDict_EVENT_MODIFIED", "PyDict_EVENT_DELETED",
    "PyDict_EVENT_CLONED", "PyDict_EVENT_CLEARED",  "PyDict_EVENT_DEALLOCATED",
};

static NJ_COLD void
tell_watchers(PyDict_WatchEvent event, PyDictObject *mp, PyObject *key, PyObject *value)
{
    NjContainerState *s = state();
    unsigned bits = (unsigned)(mp->_ma_watcher_tag & 0xff);
    for (int i = 0; bits; i++, bits >>= 1) {
        if (!(bits & 1) || !s->dict_watchers[i]) {
            continue;
        }
        if (s->dict_watchers[i](event, (PyObject *)mp, key, value) < 0) {
            PyErr_FormatUnraisable("Exception ignored in %s watcher callback for <dict at %p>",
                                   event_names[event], mp);
        }
    }
}

/* The instance dies or drops its dict while nobody else holds it: gives up the storage
 * without touching the values. */
void
nj_dict_abandon(PyDictObject *mp)
{
    NjDictKeys *k = mp->ma_keys;
    mp->ma_keys = EMPTY_KEYS;
    mp->ma_values = NULL;
    mp->ma_used = 0;
    nj_keys_decref(k);
}

void
nj_dict_tell_watchers(PyDict_WatchEvent event, PyDictObject *mp, PyObject *key,
                      PyObject *value)
{
    tell_watchers(event, mp, key, value);
}

NJ_INLINE void
notify(PyDict_WatchEvent event, PyDictObject *mp, PyObject *key, PyObject *value)
{
    if (nj_dict_is_watched(mp)) {
        tell_watchers(event, mp, key, value);
    }
}

/* ---------------------------------------------------------------- growing */

NJ_INLINE void
enter_cell(NjDictKeys *k, Py_hash_t hash, Py_ssize_t ix)
{
    size_t mask = mask_of(k), perturb = (size_t)hash, i = (size_t)hash & mask;
    while (index_get(k, i) >= 0) {
        perturb >>= PERTURB_SHIFT;
        i = (i * 5 + perturb + 1) & mask;
    }
    index_set(k, i, ix);
}

static void
build_index(NjDictKeys *k, Py_ssize_t n)
{
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = nj_keys_entries(k);
        for (Py_ssize_t i = 0; i < n; i++) {
            enter_cell(k, e[i].hash, i);
        }
    }
    else {
        NjStrEntry *e = nj_keys_str_entries(k);
        for (Py_ssize_t i = 0; i < n; i++) {
            enter_cell(k, str_hash(e[i].key), i);
        }
    }
}

/* Moves a combined dict into a fresh block of 2**log2 cells of the given kind (never from
 * GENERAL to STR unless all keys allow it: callers do not ask), squeezing out holes. */
static int
resize(PyDictObject *mp, uint8_t log2, int kind)
{
    NjDictKeys *old = mp->ma_keys;
    assert(!mp->ma_values);
    assert(USABLE((Py_ssize_t)1 << log2) >= mp->ma_used);
    NjDictKeys *k = nj_keys_new(log2, kind, -1);
    if (!k) {
        return -1;
    }
    Py_ssize_t n = 0, count = old->dk_nentries;
    if (old->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *from = nj_keys_entries(old), *to = nj_keys_entries(k);
        assert(kind == NJ_KEYS_GENERAL);
        if (count == mp->ma_used) {
            memcpy(to, from, (size_t)count * sizeof(*to));
            n = count;
        }
        else {
            for (Py_ssize_t i = 0; i < count; i++) {
                if (from[i].value) {
                    to[n++] = from[i];
                }
            }
        }
    }
    else if (kind == NJ_KEYS_STR) {
        NjStrEntry *from = nj_keys_str_entries(old), *to = nj_keys_str_entries(k);
        if (count == mp->ma_used) {
            memcpy(to, from, (size_t)count * sizeof(*to));
            n = count;
        }
        else {
            for (Py_ssize_t i = 0; i < count; i++) {
                if (from[i].value) {
                    to[n++] = from[i];
                }
            }
        }
    }
    else {
        NjStrEntry *from = nj_keys_str_entries(old);
        NjDictEntry *to = nj_keys_entries(k);
        for (Py_ssize_t i = 0; i < count; i++) {
            if (from[i].value) {
                to[n].hash = str_hash(from[i].key);
                to[n].key = from[i].key;
                to[n].value = from[i].value;
                n++;
            }
        }
    }
    assert(n == mp->ma_used);
    build_index(k, n);
    k->dk_nentries = n;
    k->dk_usable -= n;
    mp->ma_keys = k;
    free_block(old);
    return 0;
}

/* Room for twice the entries, as in the reference: more would cost memory it does not use. */
static int
grow(PyDictObject *mp, int kind)
{
    uint8_t log2 = LOG2_MIN;
    while ((Py_ssize_t)1 << log2 < mp->ma_used * 3) {
        log2++;
    }
    return resize(mp, log2, kind);
}

/* Split -> combined: the values move into a block of the dict's own, the instance's inline
 * values become invalid. 0 or -1 (nothing changed). */
int
nj_dict_make_combined(PyDictObject *mp)
{
    NjInstValues *v = mp->ma_values;
    if (!v) {
        return 0;
    }
    NjDictKeys *shared = mp->ma_keys;
    Py_ssize_t n = v->size;
    NjDictKeys *k = nj_keys_new(log2_for(n + 1), NJ_KEYS_STR, -1);
    if (!k) {
        return -1;
    }
    NjStrEntry *from = nj_keys_str_entries(shared), *to = nj_keys_str_entries(k);
    uint8_t *order = nj_values_order(v);
    for (Py_ssize_t i = 0; i < n; i++) {
        to[i].key = Py_NewRef(from[order[i]].key);
        to[i].value = v->values[order[i]];
        v->values[order[i]] = NULL;
    }
    k->dk_nentries = n;
    k->dk_usable -= n;
    build_index(k, n);
    v->size = 0;
    v->valid = 0;
    mp->ma_keys = k;
    mp->ma_values = NULL;
    nj_keys_decref(shared);
    return 0;
}

/* ---------------------------------------------------------------- insertion */

/* Adds key (exact str, absent) to SHARED keys with room: entry number. */
static Py_ssize_t
add_shared(NjDictKeys *k, PyObject *key, Py_hash_t hash)
{
    Py_ssize_t ix = k->dk_nentries;
    NjStrEntry *e = &nj_keys_str_entries(k)[ix];
    e->key = Py_NewRef(key);
    e->value = NULL;
    k->dk_version = 0;
    enter_cell(k, hash, ix);
    k->dk_nentries++;
    k->dk_usable--;
    if (k->dk_spare > 1 || k->dk_usable == 0) {
        k->dk_spare--;
    }
    return ix;
}

/* Entry number of name in SHARED keys, adding it when there is room; -1 if full. */
Py_ssize_t
nj_keys_shared_index(NjDictKeys *k, PyObject *name)
{
    Py_hash_t hash = hash_of_str(name);
    Py_ssize_t ix = find_str(k, name, hash);
    if (ix == IX_EMPTY && k->dk_usable > 0) {
        ix = add_shared(k, name, hash);
    }
    return ix;
}

/* Appends an absent key to a combined dict with room. Steals both. */
NJ_INLINE void
append_entry(PyDictObject *mp, PyObject *key, Py_hash_t hash, PyObject *value)
{
    NjDictKeys *k = mp->ma_keys;
    Py_ssize_t ix = k->dk_nentries;
    k->dk_version = 0;
    enter_cell(k, hash, ix);
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = &nj_keys_entries(k)[ix];
        e->hash = hash;
        e->key = key;
        e->value = value;
    }
    else {
        NjStrEntry *e = &nj_keys_str_entries(k)[ix];
        e->key = key;
        e->value = value;
    }
    k->dk_nentries = ix + 1;
    k->dk_usable--;
    mp->ma_used++;
}

/* Key known to be absent. Steals both, also on failure. */
static int
add_absent_steal(PyDictObject *mp, PyObject *key, Py_hash_t hash, PyObject *value)
{
    notify(PyDict_EVENT_ADDED, mp, key, value);
    if (mp->ma_values) {
        NjInstValues *v = mp->ma_values;
        NjDictKeys *k = mp->ma_keys;
        if (PyUnicode_CheckExact(key)) {
            Py_ssize_t ix = find_str(k, key, hash);
            if (ix < 0 && k->dk_usable > 0) {
                ix = add_shared(k, key, hash);
            }
            if (ix >= 0 && ix < v->capacity) {
                assert(v->values[ix] == NULL);
                v->values[ix] = value;
                nj_values_order(v)[v->size++] = (uint8_t)ix;
                mp->ma_used++;
                Py_DECREF(key);
                return 0;
            }
        }
        if (nj_dict_make_combined(mp) < 0) {
            goto fail;
        }
    }
    NjDictKeys *k = mp->ma_keys;
    if (k == EMPTY_KEYS) {
        k = nj_keys_new(LOG2_MIN,
                        PyUnicode_CheckExact(key) ? NJ_KEYS_STR : NJ_KEYS_GENERAL, -1);
        if (!k) {
            goto fail;
        }
        mp->ma_keys = k;
    }
    else if (NJ_UNLIKELY(k->dk_kind == NJ_KEYS_STR && !PyUnicode_CheckExact(key))) {
        uint8_t log2 = k->dk_log2_size;
        if (k->dk_usable <= 0 ? grow(mp, NJ_KEYS_GENERAL) < 0
                              : resize(mp, log2, NJ_KEYS_GENERAL) < 0) {
            goto fail;
        }
    }
    else if (NJ_UNLIKELY(k->dk_usable <= 0)) {
        if (grow(mp, k->dk_kind) < 0) {
            goto fail;
        }
    }
    append_entry(mp, key, hash, value);
    return 0;
fail:
    Py_DECREF(key);
    Py_DECREF(value);
    return -1;
}

/* Steals both, also on failure. */
NJ_INLINE int
insert_steal(PyDictObject *mp, PyObject *key, Py_hash_t hash, PyObject *value)
{
    Py_ssize_t ix = find_inline(mp, key, hash);
    if (NJ_UNLIKELY(ix == IX_ERROR)) {
        Py_DECREF(key);
        Py_DECREF(value);
        return -1;
    }
    if (ix >= 0) {
        PyObject **slot = value_addr(mp, ix);
        PyObject *old = *slot;
        if (NJ_LIKELY(old != NULL)) {
            /* the reference tells of storing the same value only with shared keys */
            if (nj_dict_is_watched(mp) && (old != value || mp->ma_values)) {
                tell_watchers(PyDict_EVENT_MODIFIED, mp, key, value);
                ix = find_entry(mp, key, hash);
                if (ix < 0 || !*(slot = value_addr(mp, ix))) {
                    return add_absent_steal(mp, key, hash, value);
                }
                old = *slot;
            }
            *slot = value;
            Py_DECREF(old);
            Py_DECREF(key);
            return 0;
        }
    }
    return add_absent_steal(mp, key, hash, value);
}

int
nj_dict_set_known_hash(PyObject *d, PyObject *key, Py_hash_t hash, PyObject *value)
{
    return insert_steal((PyDictObject *)d, Py_NewRef(key), hash, Py_NewRef(value));
}

int
nj_dict_set_steal(PyObject *d, PyObject *key, PyObject *value)
{
    Py_hash_t hash = hash_key(key);
    if (NJ_UNLIKELY(hash == -1)) {
        Py_DECREF(key);
        Py_DECREF(value);
        return -1;
    }
    return insert_steal((PyDictObject *)d, key, hash, value);
}

/* ---------------------------------------------------------------- deletion */

static void
delete_cell(NjDictKeys *k, Py_hash_t hash, Py_ssize_t ix)
{
    size_t mask = mask_of(k), perturb = (size_t)hash, i = (size_t)hash & mask;
    while (index_get(k, i) != ix) {
        perturb >>= PERTURB_SHIFT;
        i = (i * 5 + perturb + 1) & mask;
    }
    index_set(k, i, IX_DELETED);
}

/* Takes entry ix (with a value) out of the dict; returns the value, owned. The key is
 * dropped only after the dict is complete: user code may run. */
static PyObject *
remove_entry(PyDictObject *mp, Py_hash_t hash, Py_ssize_t ix)
{
    PyObject *value;
    NjInstValues *v = mp->ma_values;
    if (v) {
        value = v->values[ix];
        v->values[ix] = NULL;
        uint8_t *order = nj_values_order(v);
        int pos = 0;
        while (order[pos] != ix) {
            pos++;
        }
        memmove(order + pos, order + pos + 1, (size_t)(v->size - pos - 1));
        v->size--;
        mp->ma_used--;
        return value;
    }
    NjDictKeys *k = mp->ma_keys;
    PyObject *key;
    delete_cell(k, hash, ix);
    k->dk_version = 0;
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = &nj_keys_entries(k)[ix];
        key = e->key;
        value = e->value;
        e->key = e->value = NULL;
        e->hash = 0;
    }
    else {
        NjStrEntry *e = &nj_keys_str_entries(k)[ix];
        key = e->key;
        value = e->value;
        e->key = e->value = NULL;
    }
    mp->ma_used--;
    Py_DECREF(key);
    return value;
}

/* 1 removed (*out owned), 0 absent, -1. */
static int
pop_known_hash(PyDictObject *mp, PyObject *key, Py_hash_t hash, PyObject **out)
{
    *out = NULL;
    Py_ssize_t ix = find_entry(mp, key, hash);
    if (ix == IX_ERROR) {
        return -1;
    }
    if (ix < 0 || !*value_addr(mp, ix)) {
        return 0;
    }
    if (nj_dict_is_watched(mp)) {
        tell_watchers(PyDict_EVENT_DELETED, mp, key, NULL);
        ix = find_entry(mp, key, hash);
        if (ix < 0 || !*value_addr(mp, ix)) {
            return ix == IX_ERROR ? -1 : 0;
        }
    }
    *out = remove_entry(mp, hash, ix);
    return 1;
}

static void
clear_dict(PyDictObject *mp)
{
    if (mp->ma_values) {
        NjInstValues *v = mp->ma_values;
        notify(PyDict_EVENT_CLEARED, mp, NULL, NULL);
        PyObject *old[NJ_SHARED_KEYS_MAX];
        int n = 0;
        for (int i = 0; i < v->capacity; i++) {
            if (v->values[i]) {
                old[n++] = v->values[i];
                v->values[i] = NULL;
            }
        }
        v->size = 0;
        mp->ma_used = 0;
        while (n > 0) {
            Py_DECREF(old[--n]);
        }
        return;
    }
    if (mp->ma_keys == EMPTY_KEYS) {
        return;
    }
    notify(PyDict_EVENT_CLEARED, mp, NULL, NULL);
    NjDictKeys *k = mp->ma_keys;
    if (k == EMPTY_KEYS) {
        return;
    }
    mp->ma_keys = EMPTY_KEYS;
    mp->ma_used = 0;
    nj_keys_decref(k);
}

/* ---------------------------------------------------------------- making dicts */

NJ_INLINE PyDictObject *
alloc_dict(void)
{
    PyDictObject *mp;
    NjFreeList *f = &state()->dicts;
    if (f->head) {
        mp = f->head;
        f->head = (void *)mp->ob_base.ob_type;
        f->count--;
        ((PyObject *)mp)->ob_refcnt_full = 1;
        mp->ob_base.ob_type = &PyDict_Type;
        nj_trace_new(mp);
    }
    else {
        mp = PyObject_GC_New(PyDictObject, &PyDict_Type);
        if (!mp) {
            return NULL;
        }
    }
    return mp;
}

/* Takes over one reference to keys, also on failure. */
PyDictObject *
nj_dict_wrap(NjDictKeys *keys, NjInstValues *values, Py_ssize_t used)
{
    PyDictObject *mp = alloc_dict();
    if (!mp) {
        nj_keys_decref(keys);
        return NULL;
    }
    mp->ma_used = used;
    mp->_ma_watcher_tag = 0;
    mp->ma_keys = keys;
    mp->ma_values = values;
    nj_gc_track((PyObject *)mp);
    return mp;
}

PyObject *
PyDict_New(void)
{
    return (PyObject *)nj_dict_wrap(EMPTY_KEYS, NULL, 0);
}

static PyObject *
new_presized(Py_ssize_t n, int kind)
{
    if (n <= 0 || (n <= USABLE(8) && kind == NJ_KEYS_GENERAL && n == 0)) {
        return PyDict_New();
    }
    if (n > (Py_ssize_t)1 << 48) {
        n = (Py_ssize_t)1 << 17;
    }
    NjDictKeys *k = nj_keys_new(log2_for(n), kind, -1);
    return k ? (PyObject *)nj_dict_wrap(k, NULL, 0) : NULL;
}

/* The caller does not say what the keys will be: strs, most often. */
PyObject *
_PyDict_NewPresized(Py_ssize_t minused)
{
    if (minused <= USABLE(8)) {
        return PyDict_New();
    }
    return new_presized(minused > 1 << 17 ? 1 << 17 : minused, NJ_KEYS_STR);
}

PyObject *
nj_dict_from_items(PyObject *const *keys, Py_ssize_t kstride, PyObject *const *values,
                   Py_ssize_t vstride, Py_ssize_t n)
{
    bool strs = true;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (!PyUnicode_CheckExact(keys[i * kstride])) {
            strs = false;
            break;
        }
    }
    PyObject *d = new_presized(n, strs ? NJ_KEYS_STR : NJ_KEYS_GENERAL);
    if (!d) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *key = keys[i * kstride];
        Py_hash_t hash = hash_key(key);
        if (hash == -1 || insert_steal((PyDictObject *)d, Py_NewRef(key), hash,
                                       Py_NewRef(values[i * vstride])) < 0) {
            Py_DECREF(d);
            return NULL;
        }
    }
    return d;
}

/* A copy of a combined block with all references taken. */
static NjDictKeys *
clone_block(NjDictKeys *old)
{
    size_t size = block_size(old);
    NjDictKeys *k = nj_keys_new(old->dk_log2_size, old->dk_kind, -1);
    if (!k) {
        return NULL;
    }
    memcpy(k, old, size);
    k->dk_refcnt = 1;
    k->dk_hinted = 0;
    k->dk_version = 0;
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = nj_keys_entries(k);
        for (Py_ssize_t i = 0, n = k->dk_nentries; i < n; i++, e++) {
            Py_XINCREF(e->key);
            Py_XINCREF(e->value);
        }
    }
    else {
        NjStrEntry *e = nj_keys_str_entries(k);
        for (Py_ssize_t i = 0, n = k->dk_nentries; i < n; i++, e++) {
            Py_XINCREF(e->key);
            Py_XINCREF(e->value);
        }
    }
    return k;
}

/* Few enough holes that a memcpy is the best copy. */
NJ_INLINE bool
is_dense(PyDictObject *mp)
{
    return !mp->ma_values && mp->ma_used >= mp->ma_keys->dk_nentries * 2 / 3;
}

int nj_dict_merge(PyObject *a, PyObject *b, int override);

PyObject *
PyDict_Copy(PyObject *o)
{
    if (o == NULL || !PyDict_Check(o)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyDictObject *mp = (PyDictObject *)o;
    if (mp->ma_used == 0) {
        return PyDict_New();
    }
    if (mp->ma_values) {
        NjInstValues *v = mp->ma_values;
        NjDictKeys *k = nj_keys_new(log2_for(v->size), NJ_KEYS_STR, -1);
        if (!k) {
            return NULL;
        }
        NjStrEntry *from = nj_keys_str_entries(mp->ma_keys), *to = nj_keys_str_entries(k);
        uint8_t *order = nj_values_order(v);
        for (int i = 0; i < v->size; i++) {
            to[i].key = Py_NewRef(from[order[i]].key);
            to[i].value = Py_NewRef(v->values[order[i]]);
        }
        k->dk_nentries = v->size;
        k->dk_usable -= v->size;
        build_index(k, v->size);
        return (PyObject *)nj_dict_wrap(k, NULL, v->size);
    }
    if (is_dense(mp)) {
        NjDictKeys *k = clone_block(mp->ma_keys);
        return k ? (PyObject *)nj_dict_wrap(k, NULL, mp->ma_used) : NULL;
    }
    PyObject *copy = PyDict_New();
    if (copy && nj_dict_merge(copy, o, 1) < 0) {
        Py_DECREF(copy);
        return NULL;
    }
    return copy;
}

/* ---------------------------------------------------------------- walking */

/* Next item from *pos; borrowed. The cursor of PyDict_Next. */
NJ_INLINE bool
next_item(PyDictObject *mp, Py_ssize_t *pos, PyObject **key, PyObject **value,
          Py_hash_t *hash)
{
    Py_ssize_t i = *pos;
    NjDictKeys *k = mp->ma_keys;
    if (NJ_UNLIKELY(mp->ma_values != NULL)) {
        NjInstValues *v = mp->ma_values;
        if (i < 0 || i >= v->size) {
            return false;
        }
        int ix = nj_values_order(v)[i];
        *key = nj_keys_str_entries(k)[ix].key;
        *value = v->values[ix];
        *hash = str_hash(*key);
        *pos = i + 1;
        return true;
    }
    Py_ssize_t n = k->dk_nentries;
    if (i < 0) {
        return false;
    }
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = nj_keys_entries(k) + i;
        while (i < n && !e->value) {
            i++;
            e++;
        }
        if (i >= n) {
            return false;
        }
        *key = e->key;
        *value = e->value;
        *hash = e->hash;
    }
    else {
        NjStrEntry *e = nj_keys_str_entries(k) + i;
        while (i < n && !e->value) {
            i++;
            e++;
        }
        if (i >= n) {
            return false;
        }
        *key = e->key;
        *value = e->value;
        *hash = str_hash(e->key);
    }
    *pos = i + 1;
    return true;
}

bool
nj_dict_next(PyDictObject *mp, Py_ssize_t *pos, PyObject **key, PyObject **value,
             Py_hash_t *hash)
{
    return next_item(mp, pos, key, value, hash);
}

/* Largest position in use, plus one: where a reverse walk begins. */
Py_ssize_t
nj_dict_end(PyDictObject *mp)
{
    return mp->ma_values ? mp->ma_values->size : mp->ma_keys->dk_nentries;
}

/* The item at or before *pos, walking backwards; *pos is left one below it. */
bool
nj_dict_prev(PyDictObject *mp, Py_ssize_t *pos, PyObject **key, PyObject **value)
{
    Py_ssize_t end = nj_dict_end(mp);
    Py_ssize_t i = *pos < end ? *pos : end - 1;
    for (; i >= 0; i--) {
        Py_ssize_t at = i;
        Py_hash_t hash;
        if (mp->ma_values || *value_addr(mp, i)) {
            (void)next_item(mp, &at, key, value, &hash);
            *pos = i - 1;
            return true;
        }
    }
    *pos = -1;
    return false;
}

int
PyDict_Next(PyObject *op, Py_ssize_t *pos, PyObject **key, PyObject **value)
{
    PyObject *k, *v;
    Py_hash_t h;
    if (!PyDict_Check(op) || !next_item((PyDictObject *)op, pos, &k, &v, &h)) {
        return 0;
    }
    if (key) {
        *key = k;
    }
    if (value) {
        *value = v;
    }
    return 1;
}

/* ---------------------------------------------------------------- merging */

static PyObject *dict_iter(PyObject *self);

/* Room for n more keys. */
static int
reserve(PyDictObject *mp, Py_ssize_t n, int kind)
{
    if (mp->ma_values || n <= 0) {
        return 0;
    }
    NjDictKeys *k = mp->ma_keys;
    if (k == EMPTY_KEYS) {
        NjDictKeys *fresh = nj_keys_new(log2_for(n), kind, -1);
        if (!fresh) {
            return -1;
        }
        mp->ma_keys = fresh;
        return 0;
    }
    if (k->dk_usable >= n) {
        return 0;
    }
    return resize(mp, log2_for(mp->ma_used + n),
                  k->dk_kind == NJ_KEYS_GENERAL || kind == NJ_KEYS_GENERAL
                      ? NJ_KEYS_GENERAL
                      : NJ_KEYS_STR);
}

/* other is a dict (walked raw). override: 1 last wins, 0 first wins, 2 KeyError. */
static int
merge_dict(PyDictObject *mp, PyDictObject *other, int override)
{
    if (other == mp || other->ma_used == 0) {
        return 0;
    }
    if (mp->ma_used == 0 && !mp->ma_values) {
        override = 1; /* no key to clash with */
        if (other->ma_keys->dk_kind != NJ_KEYS_SHARED && is_dense(other) &&
            (mp->ma_keys == EMPTY_KEYS ||
             mp->ma_keys->dk_log2_size <= other->ma_keys->dk_log2_size) &&
            other->ma_used == other->ma_keys->dk_nentries &&
            (other->ma_keys->dk_log2_size == LOG2_MIN ||
             USABLE(mask_of(other->ma_keys) + 1) < (size_t)other->ma_used * 3)) {
            notify(PyDict_EVENT_CLONED, mp, (PyObject *)other, NULL);
            if (mp->ma_used == 0 && !mp->ma_values) {
                NjDictKeys *k = clone_block(other->ma_keys);
                if (!k) {
                    return -1;
                }
                NjDictKeys *old = mp->ma_keys;
                mp->ma_keys = k;
                mp->ma_used = other->ma_used;
                nj_keys_decref(old);
                return 0;
            }
        }
    }
    int kind = other->ma_keys->dk_kind == NJ_KEYS_GENERAL ? NJ_KEYS_GENERAL : NJ_KEYS_STR;
    if (mp->ma_keys->dk_usable * 3 < other->ma_used * 2 &&
        reserve(mp, other->ma_used, kind) < 0) {
        return -1;
    }
    Py_ssize_t pos = 0;
    PyObject *key, *value;
    Py_hash_t hash;
    NjDictKeys *ok = other->ma_keys;
    Py_ssize_t oused = other->ma_used;
    while (next_item(other, &pos, &key, &value, &hash)) {
        Py_INCREF(key);
        Py_INCREF(value);
        int err = 0;
        if (override == 1) {
            err = insert_steal(mp, key, hash, value);
        }
        else {
            PyObject *had;
            err = peek_known_hash(mp, key, hash, &had);
            if (err == 0) {
                err = insert_steal(mp, key, hash, value);
            }
            else {
                if (err > 0) {
                    err = 0;
                    if (override != 0) {
                        nj_raise_key_error(key);
                        err = -1;
                    }
                }
                Py_DECREF(key);
                Py_DECREF(value);
            }
        }
        if (err < 0) {
            return -1;
        }
        if (NJ_UNLIKELY(other->ma_keys != ok || other->ma_used != oused)) {
            PyErr_SetString(PyExc_RuntimeError, "dict mutated during update");
            return -1;
        }
    }
    return 0;
}

int
nj_dict_merge(PyObject *a, PyObject *b, int override)
{
    if (a == NULL || !PyDict_Check(a) || b == NULL) {
        PyErr_BadInternalCall();
        return -1;
    }
    PyDictObject *mp = (PyDictObject *)a;
    if (PyDict_Check(b) && Py_TYPE(b)->tp_iter == dict_iter) {
        return merge_dict(mp, (PyDictObject *)b, override);
    }
    NJ_OWN keys = PyMapping_Keys(b);
    if (!keys) {
        return -1;
    }
    NJ_OWN it = PyObject_GetIter(keys);
    if (!it) {
        return -1;
    }
    for (;;) {
        NJ_OWN key = PyIter_Next(it);
        if (!key) {
            break;
        }
        if (override != 1) {
            int had = PyDict_Contains(a, key);
            if (had < 0) {
                return -1;
            }
            if (had) {
                if (override == 0) {
                    continue;
                }
                nj_raise_key_error(key);
                return -1;
            }
        }
        PyObject *value = PyObject_GetItem(b, key);
        if (!value) {
            return -1;
        }
        if (nj_dict_set_steal(a, Py_NewRef(key), value) < 0) {
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

int
PyDict_Merge(PyObject *a, PyObject *b, int override)
{
    return nj_dict_merge(a, b, override != 0);
}

int
PyDict_Update(PyObject *a, PyObject *b)
{
    return nj_dict_merge(a, b, 1);
}

int
PyDict_MergeFromSeq2(PyObject *d, PyObject *seq2, int override)
{
    NJ_OWN it = PyObject_GetIter(seq2);
    if (!it) {
        return -1;
    }
    for (Py_ssize_t i = 0;; i++) {
        NJ_OWN item = PyIter_Next(it);
        if (!item) {
            return PyErr_Occurred() ? -1 : 0;
        }
        NJ_OWN fast = PySequence_Fast(item, "object is not iterable");
        if (!fast) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyObject *exc = PyErr_GetRaisedException();
                NJ_OWN note = PyUnicode_FromFormat(
                    "Cannot convert dictionary update sequence element #%zd to a sequence", i);
                NJ_OWN r = note ? PyObject_CallMethodOneArg(exc, NJ_ID(add_note), note) : NULL;
                if (!r) {
                    PyErr_Clear();
                }
                PyErr_SetRaisedException(exc);
            }
            return -1;
        }
        Py_ssize_t n = PySequence_Fast_GET_SIZE(fast);
        if (n != 2) {
            PyErr_Format(PyExc_ValueError,
                         "dictionary update sequence element #%zd has length %zd; 2 is "
                         "required",
                         i, n);
            return -1;
        }
        NJ_OWN key = Py_NewRef(PySequence_Fast_GET_ITEM(fast, 0));
        NJ_OWN value = Py_NewRef(PySequence_Fast_GET_ITEM(fast, 1));
        if (override ? PyDict_SetItem(d, key, value) < 0
                     : PyDict_SetDefaultRef(d, key, value, NULL) < 0) {
            return -1;
        }
    }
}

/* What dict(x) and d.update(x) do with x. */
static int
update_from(PyObject *self, PyObject *arg)
{
    if (PyDict_CheckExact(arg)) {
        return nj_dict_merge(self, arg, 1);
    }
    PyObject *keys;
    int has = PyObject_GetOptionalAttr(arg, NJ_ID(keys), &keys);
    if (has < 0) {
        return -1;
    }
    if (has) {
        Py_DECREF(keys);
        return nj_dict_merge(self, arg, 1);
    }
    return PyDict_MergeFromSeq2(self, arg, 1);
}

static int
update_common(PyObject *self, PyObject *args, PyObject *kwds, const char *name)
{
    PyObject *arg = NULL;
    if (!_PyArg_CheckPositional(name, PyTuple_GET_SIZE(args), 0, 1)) {
        return -1;
    }
    if (PyTuple_GET_SIZE(args) == 1) {
        arg = PyTuple_GET_ITEM(args, 0);
        if (update_from(self, arg) < 0) {
            return -1;
        }
    }
    if (kwds) {
        if (!PyArg_ValidateKeywordArguments(kwds)) {
            return -1;
        }
        return nj_dict_merge(self, kwds, 1);
    }
    return 0;
}

/* ---------------------------------------------------------------- life cycle */

static PyObject *
dict_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (type == &PyDict_Type) {
        return PyDict_New();
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self) {
        PyDictObject *mp = (PyDictObject *)self;
        mp->ma_used = 0;
        mp->_ma_watcher_tag = 0;
        mp->ma_keys = EMPTY_KEYS;
        mp->ma_values = NULL;
    }
    return self;
}

static int
dict_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    return update_common(self, args, kwds, "dict");
}

static PyObject *
dict_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    if (!_PyArg_CheckPositional("dict", nargs, 0, 1)) {
        return NULL;
    }
    PyObject *self = dict_new((PyTypeObject *)type, NULL, NULL);
    if (!self) {
        return NULL;
    }
    if (nargs == 1) {
        if (update_from(self, args[0]) < 0) {
            goto fail;
        }
        args++;
    }
    if (kwnames) {
        Py_ssize_t n = PyTuple_GET_SIZE(kwnames);
        if (reserve((PyDictObject *)self, n, NJ_KEYS_STR) < 0) {
            goto fail;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            if (PyDict_SetItem(self, PyTuple_GET_ITEM(kwnames, i), args[i]) < 0) {
                goto fail;
            }
        }
    }
    return self;
fail:
    Py_DECREF(self);
    return NULL;
}

static void
dict_dealloc(PyObject *self)
{
    PyDictObject *mp = (PyDictObject *)self;
    if (nj_dict_is_watched(mp)) {
        self->ob_refcnt_full = 1;
        tell_watchers(PyDict_EVENT_DEALLOCATED, mp, NULL, NULL);
        if (Py_REFCNT(self) > 1) {
            Py_SET_REFCNT(self, Py_REFCNT(self) - 1);
            return; /* a watcher kept it */
        }
        Py_SET_REFCNT(self, 0);
    }
    nj_gc_untrack(self);
    NjDictKeys *k = mp->ma_keys;
    /* A split dict never owns the values: the instance does, and detached it first. */
    if (k != EMPTY_KEYS) {
        if (--k->dk_refcnt == 0) {
            destroy_block(k);
        }
    }
    if (Py_IS_TYPE(self, &PyDict_Type)) {
        NjFreeList *f = &state()->dicts;
        if (f->count < NJ_DICT_FREE_MAX) {
            nj_gc_head(self)->prev = 0;
            mp->ob_base.ob_type = f->head;
            f->head = mp;
            f->count++;
            return;
        }
        PyObject_GC_Del(self);
        return;
    }
    Py_TYPE(self)->tp_free(self);
}

static int
dict_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyDictObject *mp = (PyDictObject *)self;
    if (mp->ma_values) {
        /* stands for the instance, which visits this dict instead of its values */
        NjInstValues *v = mp->ma_values;
        for (int i = 0; i < v->capacity; i++) {
            Py_VISIT(v->values[i]);
        }
        return 0;
    }
    NjDictKeys *k = mp->ma_keys;
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = nj_keys_entries(k);
        for (Py_ssize_t i = 0, n = k->dk_nentries; i < n; i++, e++) {
            if (e->value) {
                Py_VISIT(e->value);
                Py_VISIT(e->key);
            }
        }
    }
    else {
        NjStrEntry *e = nj_keys_str_entries(k);
        for (Py_ssize_t i = 0, n = k->dk_nentries; i < n; i++, e++) {
            Py_VISIT(e->value);
        }
    }
    return 0;
}

static int
dict_tp_clear(PyObject *self)
{
    clear_dict((PyDictObject *)self);
    return 0;
}

/* ---------------------------------------------------------------- slots */

static PyObject *
dict_repr(PyObject *self)
{
    PyDictObject *mp = (PyDictObject *)self;
    if (mp->ma_used == 0) {
        return PyUnicode_FromString("{}");
    }
    int rc = Py_ReprEnter(self);
    if (rc != 0) {
        return rc > 0 ? PyUnicode_FromString("{...}") : NULL;
    }
    PyUnicodeWriter *w = PyUnicodeWriter_Create(0);
    if (!w) {
        Py_ReprLeave(self);
        return NULL;
    }
    Py_ssize_t pos = 0;
    PyObject *key, *value;
    bool first = true, ok = PyUnicodeWriter_WriteChar(w, '{') == 0;
    while (ok && PyDict_Next(self, &pos, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        ok = (first || PyUnicodeWriter_WriteASCII(w, ", ", 2) == 0) &&
             PyUnicodeWriter_WriteRepr(w, key) == 0 &&
             PyUnicodeWriter_WriteASCII(w, ": ", 2) == 0 &&
             PyUnicodeWriter_WriteRepr(w, value) == 0;
        first = false;
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_ReprLeave(self);
    if (!ok || PyUnicodeWriter_WriteChar(w, '}') < 0) {
        PyUnicodeWriter_Discard(w);
        return NULL;
    }
    return PyUnicodeWriter_Finish(w);
}

static Py_ssize_t
dict_length(PyObject *self)
{
    return ((PyDictObject *)self)->ma_used;
}

static NJ_COLD PyObject *
call_missing(PyObject *self, PyObject *key)
{
    PyTypeObject *tp = Py_TYPE(self);
    if (tp != &PyDict_Type) {
        PyObject *f = _PyType_LookupRef(tp, NJ_ID(__missing__));
        if (f) {
            if (Py_IS_TYPE(f, &PyMethodDescr_Type) &&
                ((PyMethodDescrObject *)f)->d_method->ml_flags == METH_O) {
                /* defaultdict's: no bound method */
                PyObject *r = ((PyMethodDescrObject *)f)->d_method->ml_meth(self, key);
                Py_DECREF(f);
                return r;
            }
            descrgetfunc get = Py_TYPE(f)->tp_descr_get;
            if (get) {
                Py_SETREF(f, get(f, self, (PyObject *)tp));
                if (!f) {
                    return NULL;
                }
            }
            PyObject *r = PyObject_CallOneArg(f, key);
            Py_DECREF(f);
            return r;
        }
        if (PyErr_Occurred()) {
            return NULL;
        }
    }
    nj_raise_key_error(key);
    return NULL;
}

static PyObject *
dict_subscript(PyObject *self, PyObject *key)
{
    PyObject *v;
    int r = nj_dict_find(self, key, &v);
    if (NJ_LIKELY(r > 0)) {
        return v;
    }
    return r < 0 ? NULL : call_missing(self, key);
}

static int
dict_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    return value ? PyDict_SetItem(self, key, value) : PyDict_DelItem(self, key);
}

static int
dict_equal(PyDictObject *a, PyDictObject *b)
{
    if (a->ma_used != b->ma_used) {
        return 0;
    }
    Py_ssize_t pos = 0;
    PyObject *key, *va, *vb;
    Py_hash_t hash;
    while (next_item(a, &pos, &key, &va, &hash)) {
        Py_INCREF(key);
        Py_INCREF(va);
        int r = nj_dict_find_known_hash((PyObject *)b, key, hash, &vb);
        if (r > 0) {
            r = va == vb ? 1 : PyObject_RichCompareBool(va, vb, Py_EQ);
            Py_DECREF(vb);
        }
        Py_DECREF(key);
        Py_DECREF(va);
        if (r <= 0) {
            return r;
        }
    }
    return 1;
}

static PyObject *
dict_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyDict_Check(a) || !PyDict_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int r = dict_equal((PyDictObject *)a, (PyDictObject *)b);
    return r < 0 ? NULL : PyBool_FromLong(r == (op == Py_EQ));
}

static PyObject *
dict_or(PyObject *a, PyObject *b)
{
    if (!PyDict_Check(a) || !PyDict_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *r = PyDict_Copy(a);
    if (r && nj_dict_merge(r, b, 1) < 0) {
        Py_DECREF(r);
        return NULL;
    }
    return r;
}

static PyObject *
dict_ior(PyObject *self, PyObject *other)
{
    return update_from(self, other) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
dict_iter(PyObject *self)
{
    return nj_dict_iter_new(self, &PyDictIterKey_Type);
}

/* ---------------------------------------------------------------- methods */

static PyObject *
dict_contains_method(PyObject *self, PyObject *key)
{
    int r = PyDict_Contains(self, key);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
dict_get(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (NJ_UNLIKELY(nargs < 1 || nargs > 2) &&
        !_PyArg_CheckPositional("get", nargs, 1, 2)) {
        return NULL;
    }
    PyObject *v;
    int r = nj_dict_find(self, args[0], &v);
    if (r != 0) {
        return v;
    }
    return Py_NewRef(nargs == 2 ? args[1] : Py_None);
}

static PyObject *
dict_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("setdefault", nargs, 1, 2)) {
        return NULL;
    }
    PyObject *v;
    PyDict_SetDefaultRef(self, args[0], nargs == 2 ? args[1] : Py_None, &v);
    return v;
}

static PyObject *
dict_pop(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("pop", nargs, 1, 2)) {
        return NULL;
    }
    PyObject *v;
    int r = PyDict_Pop(self, args[0], &v);
    if (r != 0) {
        return v;
    }
    if (nargs == 2) {
        return Py_NewRef(args[1]);
    }
    nj_raise_key_error(args[0]);
    return NULL;
}

static PyObject *
dict_popitem(PyObject *self, PyObject *unused)
{
    PyDictObject *mp = (PyDictObject *)self;
    PyObject *pair = PyTuple_New(2);
    if (!pair) {
        return NULL;
    }
    if (mp->ma_used == 0) {
        Py_DECREF(pair);
        PyErr_SetString(PyExc_KeyError, "popitem(): dictionary is empty");
        return NULL;
    }
    if (nj_dict_make_combined(mp) < 0) {
        Py_DECREF(pair);
        return NULL;
    }
    NjDictKeys *k = mp->ma_keys;
    Py_ssize_t i = k->dk_nentries - 1;
    while (!*value_addr(mp, i)) {
        i--;
    }
    PyObject *key = key_at(k, i);
    if (nj_dict_is_watched(mp)) {
        tell_watchers(PyDict_EVENT_DELETED, mp, key, NULL);
    }
    Py_hash_t hash;
    PyObject *value;
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = &nj_keys_entries(k)[i];
        hash = e->hash;
        value = e->value;
        e->key = e->value = NULL;
    }
    else {
        NjStrEntry *e = &nj_keys_str_entries(k)[i];
        hash = str_hash(key);
        value = e->value;
        e->key = e->value = NULL;
    }
    delete_cell(k, hash, i);
    k->dk_version = 0;
    k->dk_nentries = i; /* everything behind it was a hole; dk_usable stays: cells do too */
    mp->ma_used--;
    PyTuple_SET_ITEM(pair, 0, key);
    PyTuple_SET_ITEM(pair, 1, value);
    return pair;
}

static PyObject *
dict_keys(PyObject *self, PyObject *unused)
{
    return nj_dict_view_new(self, &PyDictKeys_Type);
}

static PyObject *
dict_items(PyObject *self, PyObject *unused)
{
    return nj_dict_view_new(self, &PyDictItems_Type);
}

static PyObject *
dict_values(PyObject *self, PyObject *unused)
{
    return nj_dict_view_new(self, &PyDictValues_Type);
}

static PyObject *
dict_update(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (update_common(self, args, kwds, "update") < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
dict_fromkeys(PyObject *cls, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("fromkeys", nargs, 1, 2)) {
        return NULL;
    }
    PyObject *iterable = args[0], *value = nargs == 2 ? args[1] : Py_None;
    NJ_OWN d = PyObject_CallNoArgs(cls);
    if (!d) {
        return NULL;
    }
    if (PyDict_CheckExact(d)) {
        PyDictObject *mp = (PyDictObject *)d;
        if (PyDict_CheckExact(iterable)) {
            PyDictObject *src = (PyDictObject *)iterable;
            if (mp->ma_used == 0 &&
                reserve(mp, src->ma_used,
                        src->ma_keys->dk_kind == NJ_KEYS_GENERAL ? NJ_KEYS_GENERAL
                                                                 : NJ_KEYS_STR) < 0) {
                return NULL;
            }
            Py_ssize_t pos = 0;
            PyObject *key, *old;
            Py_hash_t hash;
            while (next_item(src, &pos, &key, &old, &hash)) {
                if (insert_steal(mp, Py_NewRef(key), hash, Py_NewRef(value)) < 0) {
                    return NULL;
                }
            }
            return NJ_TAKE(d);
        }
        if (PyAnySet_CheckExact(iterable)) {
            Py_ssize_t pos = 0;
            PyObject *key;
            Py_hash_t hash;
            extern int _PySet_NextEntry(PyObject *, Py_ssize_t *, PyObject **, Py_hash_t *);
            while (_PySet_NextEntry(iterable, &pos, &key, &hash)) {
                if (insert_steal(mp, Py_NewRef(key), hash, Py_NewRef(value)) < 0) {
                    return NULL;
                }
            }
            return NJ_TAKE(d);
        }
    }
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return NULL;
    }
    bool exact = PyDict_CheckExact(d);
    for (;;) {
        PyObject *key = PyIter_Next(it);
        if (!key) {
            break;
        }
        int err;
        if (exact) {
            err = nj_dict_set_steal(d, key, Py_NewRef(value));
        }
        else {
            err = PyObject_SetItem(d, key, value);
            Py_DECREF(key);
        }
        if (err < 0) {
            return NULL;
        }
    }
    return PyErr_Occurred() ? NULL : NJ_TAKE(d);
}

static PyObject *
dict_clear(PyObject *self, PyObject *unused)
{
    clear_dict((PyDictObject *)self);
    Py_RETURN_NONE;
}

static PyObject *
dict_copy(PyObject *self, PyObject *unused)
{
    return PyDict_Copy(self);
}

static PyObject *
dict_reversed(PyObject *self, PyObject *unused)
{
    return nj_dict_iter_new(self, &PyDictRevIterKey_Type);
}

static PyObject *
dict_sizeof(PyObject *self, PyObject *unused)
{
    PyDictObject *mp = (PyDictObject *)self;
    size_t size = (size_t)Py_TYPE(self)->tp_basicsize;
    if (mp->ma_values) {
        size += nj_inst_capacity(mp->ma_keys) * sizeof(PyObject *);
    }
    if (mp->ma_keys != EMPTY_KEYS && mp->ma_keys->dk_refcnt == 1) {
        size += block_size(mp->ma_keys);
    }
    return PyLong_FromSize_t(size);
}

static PyMethodDef dict_methods[] = {
    {"__contains__", dict_contains_method, METH_O | METH_COEXIST,
     "__contains__($self, key, /)\n--\n\n"
     "True if the dictionary has the specified key, else False."},
    {"__getitem__", dict_subscript, METH_O | METH_COEXIST,
     "__getitem__($self, key, /)\n--\n\nReturn self[key]."},
    {"__sizeof__", dict_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nReturn the size of the dict in memory, in bytes."},
    {"get", _PyCFunction_CAST(dict_get), METH_FASTCALL,
     "get($self, key, default=None, /)\n--\n\n"
     "Return the value for key if key is in the dictionary, else default."},
    {"setdefault", _PyCFunction_CAST(dict_setdefault), METH_FASTCALL,
     "setdefault($self, key, default=None, /)\n--\n\n"
     "Insert key with a value of default if key is not in the dictionary."},
    {"pop", _PyCFunction_CAST(dict_pop), METH_FASTCALL,
     "pop($self, key, default=<unrepresentable>, /)\n--\n\n"
     "D.pop(k[,d]) -> v, remove specified key and return the corresponding value."},
    {"popitem", dict_popitem, METH_NOARGS,
     "popitem($self, /)\n--\n\nRemove and return a (key, value) pair as a 2-tuple."},
    {"keys", dict_keys, METH_NOARGS,
     "keys($self, /)\n--\n\n"
     "Return a set-like object providing a view on the dict's keys."},
    {"items", dict_items, METH_NOARGS,
     "items($self, /)\n--\n\n"
     "Return a set-like object providing a view on the dict's items."},
    {"values", dict_values, METH_NOARGS,
     "values($self, /)\n--\n\nReturn an object providing a view on the dict's values."},
    {"update", _PyCFunction_CAST(dict_update), METH_VARARGS | METH_KEYWORDS,
     "D.update([E, ]**F) -> None.  Update D from mapping/iterable E and F."},
    {"fromkeys", _PyCFunction_CAST(dict_fromkeys), METH_FASTCALL | METH_CLASS,
     "fromkeys($type, iterable, value=None, /)\n--\n\n"
     "Create a new dictionary with keys from iterable and values set to value."},
    {"clear", dict_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nRemove all items from the dict."},
    {"copy", dict_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nReturn a shallow copy of the dict."},
    {"__reversed__", dict_reversed, METH_NOARGS,
     "__reversed__($self, /)\n--\n\nReturn a reverse iterator over the dict keys."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nDicts are generic over key and value."},
    {NULL, NULL, 0, NULL},
};

static PyMappingMethods dict_as_mapping = {
    .mp_length = dict_length,
    .mp_subscript = dict_subscript,
    .mp_ass_subscript = dict_ass_subscript,
};

static PySequenceMethods dict_as_sequence = {
    .sq_contains = PyDict_Contains,
};

static PyNumberMethods dict_as_number = {
    .nb_or = dict_or,
    .nb_inplace_or = dict_ior,
};

PyTypeObject PyDict_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "dict",
    .tp_basicsize = sizeof(PyDictObject),
    .tp_dealloc = dict_dealloc,
    .tp_repr = dict_repr,
    .tp_as_number = &dict_as_number,
    .tp_as_sequence = &dict_as_sequence,
    .tp_as_mapping = &dict_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                Py_TPFLAGS_DICT_SUBCLASS | _Py_TPFLAGS_MATCH_SELF | Py_TPFLAGS_MAPPING,
    .tp_doc = "dict() -> new empty dictionary\n"
              "dict(mapping) -> new dictionary initialized from a mapping object's\n"
              "    (key, value) pairs\n"
              "dict(iterable) -> new dictionary initialized as if via:\n"
              "    d = {}\n"
              "    for k, v in iterable:\n"
              "        d[k] = v\n"
              "dict(**kwargs) -> new dictionary initialized with the name=value pairs\n"
              "    in the keyword argument list.  For example:  dict(one=1, two=2)",
    .tp_traverse = dict_traverse,
    .tp_clear = dict_tp_clear,
    .tp_richcompare = dict_richcompare,
    .tp_iter = dict_iter,
    .tp_methods = dict_methods,
    .tp_init = dict_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = dict_new,
    .tp_free = PyObject_GC_Del,
    .tp_vectorcall = dict_vectorcall,
};

/* ---------------------------------------------------------------- PyDict_* */

/* Borrowed; swallows every error, as documented. */
PyObject *
PyDict_GetItem(PyObject *op, PyObject *key)
{
    if (!PyDict_Check(op)) {
        return NULL;
    }
    PyObject *saved = PyErr_GetRaisedException();
    PyObject *v = NULL;
    Py_hash_t hash = PyObject_Hash(key); /* without hash_key's longer message */
    if (hash == -1 || peek_known_hash((PyDictObject *)op, key, hash, &v) < 0) {
        PyErr_FormatUnraisable("Exception ignored in PyDict_GetItem(); consider using "
                               "PyDict_GetItemRef() or PyDict_GetItemWithError()");
    }
    PyErr_SetRaisedException(saved);
    return v;
}

PyObject *
PyDict_GetItemWithError(PyObject *op, PyObject *key)
{
    PyObject *v;
    if (!PyDict_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    (void)nj_dict_peek(op, key, &v);
    return v;
}

int
PyDict_GetItemRef(PyObject *op, PyObject *key, PyObject **result)
{
    if (!PyDict_Check(op)) {
        PyErr_BadInternalCall();
        *result = NULL;
        return -1;
    }
    return nj_dict_find(op, key, result);
}

PyObject *
_PyDict_GetItem_KnownHash(PyObject *op, PyObject *key, Py_hash_t hash)
{
    PyObject *v;
    if (!PyDict_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    (void)peek_known_hash((PyDictObject *)op, key, hash, &v);
    return v;
}

int
PyDict_SetItem(PyObject *op, PyObject *key, PyObject *value)
{
    if (NJ_UNLIKELY(!PyDict_Check(op))) {
        PyErr_BadInternalCall();
        return -1;
    }
    Py_hash_t hash = hash_key(key);
    if (NJ_UNLIKELY(hash == -1)) {
        return -1;
    }
    return insert_steal((PyDictObject *)op, Py_NewRef(key), hash, Py_NewRef(value));
}

PyAPI_FUNC(int) _PyDict_SetItem_KnownHash(PyObject *, PyObject *, PyObject *, Py_hash_t);
PyAPI_FUNC(int) _PyDict_SetItem_KnownHash_LockHeld(PyDictObject *, PyObject *, PyObject *,
                                                   Py_hash_t);

int
_PyDict_SetItem_KnownHash(PyObject *op, PyObject *key, PyObject *value, Py_hash_t hash)
{
    if (!PyDict_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return insert_steal((PyDictObject *)op, Py_NewRef(key), hash, Py_NewRef(value));
}

int
_PyDict_SetItem_KnownHash_LockHeld(PyDictObject *mp, PyObject *key, PyObject *value,
                                   Py_hash_t hash)
{
    return insert_steal(mp, Py_NewRef(key), hash, Py_NewRef(value));
}

int
PyDict_DelItem(PyObject *op, PyObject *key)
{
    Py_hash_t hash = hash_key(key);
    if (hash == -1) {
        return -1;
    }
    if (!PyDict_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    PyObject *v;
    int r = pop_known_hash((PyDictObject *)op, key, hash, &v);
    if (r == 0) {
        nj_raise_key_error(key);
    }
    Py_XDECREF(v);
    return r > 0 ? 0 : -1;
}

int
PyDict_Pop(PyObject *op, PyObject *key, PyObject **result)
{
    PyObject *v = NULL;
    int r;
    if (!PyDict_Check(op)) {
        PyErr_BadInternalCall();
        r = -1;
    }
    else if (((PyDictObject *)op)->ma_used == 0) {
        r = 0; /* not even hashed, as in the reference */
    }
    else {
        Py_hash_t hash = hash_key(key);
        r = hash == -1 ? -1 : pop_known_hash((PyDictObject *)op, key, hash, &v);
    }
    if (result) {
        *result = v;
    }
    else {
        Py_XDECREF(v);
    }
    return r;
}

int
PyDict_PopString(PyObject *op, const char *key, PyObject **result)
{
    PyObject *k = PyUnicode_FromString(key);
    if (!k) {
        if (result) {
            *result = NULL;
        }
        return -1;
    }
    int r = PyDict_Pop(op, k, result);
    Py_DECREF(k);
    return r;
}

PyObject *
_PyDict_Pop(PyObject *op, PyObject *key, PyObject *default_value)
{
    PyObject *v;
    int r = PyDict_Pop(op, key, &v);
    if (r == 0) {
        if (default_value) {
            return Py_NewRef(default_value);
        }
        nj_raise_key_error(key);
    }
    return v;
}

void
PyDict_Clear(PyObject *op)
{
    if (PyDict_Check(op)) {
        clear_dict((PyDictObject *)op);
    }
}

Py_ssize_t
PyDict_Size(PyObject *op)
{
    if (op == NULL || !PyDict_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    return ((PyDictObject *)op)->ma_used;
}

int
PyDict_Contains(PyObject *op, PyObject *key)
{
    PyObject *v;
    return nj_dict_peek(op, key, &v);
}

int
PyDict_ContainsString(PyObject *op, const char *key)
{
    NJ_OWN k = PyUnicode_FromString(key);
    return k ? PyDict_Contains(op, k) : -1;
}

int
PyDict_SetDefaultRef(PyObject *op, PyObject *key, PyObject *default_value,
                     PyObject **result)
{
    if (result) {
        *result = NULL;
    }
    if (!PyDict_Check(op)) {
        PyErr_BadInternalCall();
        return -1;
    }
    Py_hash_t hash = hash_key(key);
    if (hash == -1) {
        return -1;
    }
    PyObject *v;
    int r = peek_known_hash((PyDictObject *)op, key, hash, &v);
    if (r > 0) {
        if (result) {
            *result = Py_NewRef(v);
        }
        return 1;
    }
    if (r < 0) {
        return -1;
    }
    if (add_absent_steal((PyDictObject *)op, Py_NewRef(key), hash,
                         Py_NewRef(default_value)) < 0) {
        return -1;
    }
    if (result) {
        *result = Py_NewRef(default_value);
    }
    return 0;
}

PyObject *
PyDict_SetDefault(PyObject *op, PyObject *key, PyObject *defaultobj)
{
    PyObject *v;
    if (PyDict_SetDefaultRef(op, key, defaultobj, &v) < 0) {
        return NULL;
    }
    Py_DECREF(v); /* borrowed from the dict */
    return v;
}

static PyObject *
list_of(PyObject *op, int what)
{
    if (op == NULL || !PyDict_Check(op)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyDictObject *mp = (PyDictObject *)op;
again:;
    Py_ssize_t n = mp->ma_used;
    PyObject *list = PyList_New(n);
    if (!list) {
        return NULL;
    }
    if (what == 2) {
        /* All tuples first: allocating may run the collector, which may change the dict. */
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *pair = PyTuple_New(2);
            if (!pair) {
                Py_DECREF(list);
                return NULL;
            }
            PyList_SET_ITEM(list, i, pair);
        }
    }
    if (n != mp->ma_used) {
        Py_DECREF(list);
        goto again;
    }
    Py_ssize_t pos = 0, i = 0;
    PyObject *key, *value;
    Py_hash_t hash;
    while (i < n && next_item(mp, &pos, &key, &value, &hash)) {
        if (what == 2) {
            PyObject *pair = PyList_GET_ITEM(list, i);
            PyTuple_SET_ITEM(pair, 0, Py_NewRef(key));
            PyTuple_SET_ITEM(pair, 1, Py_NewRef(value));
        }
        else {
            PyList_SET_ITEM(list, i, Py_NewRef(what ? value : key));
        }
        i++;
    }
    return list;
}

PyObject *
PyDict_Keys(PyObject *op)
{
    return list_of(op, 0);
}

PyObject *
PyDict_Values(PyObject *op)
{
    return list_of(op, 1);
}

PyObject *
PyDict_Items(PyObject *op)
{
    return list_of(op, 2);
}

PyObject *
PyDict_GetItemString(PyObject *op, const char *key)
{
    PyObject *k = PyUnicode_FromString(key);
    if (!k) {
        PyErr_FormatUnraisable("Exception ignored in PyDict_GetItemString(); consider using "
                               "PyDict_GetItemStringRef()");
        return NULL;
    }
    PyObject *v = PyDict_GetItem(op, k);
    Py_DECREF(k);
    return v;
}

PyObject *
_PyDict_GetItemStringWithError(PyObject *op, const char *key)
{
    NJ_OWN k = PyUnicode_FromString(key);
    return k ? PyDict_GetItemWithError(op, k) : NULL;
}

int
PyDict_GetItemStringRef(PyObject *op, const char *key, PyObject **result)
{
    NJ_OWN k = PyUnicode_FromString(key);
    if (!k) {
        *result = NULL;
        return -1;
    }
    return PyDict_GetItemRef(op, k, result);
}

int
PyDict_SetItemString(PyObject *op, const char *key, PyObject *value)
{
    PyObject *k = PyUnicode_InternFromString(key);
    if (!k) {
        return -1;
    }
    int r = PyDict_SetItem(op, k, value);
    Py_DECREF(k);
    return r;
}

int
PyDict_DelItemString(PyObject *op, const char *key)
{
    NJ_OWN k = PyUnicode_FromString(key);
    return k ? PyDict_DelItem(op, k) : -1;
}

/* ---------------------------------------------------------------- OrderedDict's needs */

/* Position of the first item at or after `from', or -1. */
Py_ssize_t
nj_dict_first(PyDictObject *mp, Py_ssize_t from)
{
    PyObject *k, *v;
    Py_hash_t h;
    return next_item(mp, &from, &k, &v, &h) ? from - 1 : -1;
}

/* Makes `gap' free entries in front of a combined dict. */
static int
open_front(PyDictObject *mp, Py_ssize_t gap)
{
    NjDictKeys *old = mp->ma_keys;
    NjDictKeys *k = nj_keys_new(log2_for(mp->ma_used + gap + 1), old->dk_kind, -1);
    if (!k) {
        return -1;
    }
    Py_ssize_t n = 0, count = old->dk_nentries;
    if (old->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *from = nj_keys_entries(old), *to = nj_keys_entries(k);
        memset(to, 0, (size_t)gap * sizeof(*to));
        for (Py_ssize_t i = 0; i < count; i++) {
            if (from[i].value) {
                enter_cell(k, from[i].hash, gap + n);
                to[gap + n++] = from[i];
            }
        }
    }
    else {
        NjStrEntry *from = nj_keys_str_entries(old), *to = nj_keys_str_entries(k);
        memset(to, 0, (size_t)gap * sizeof(*to));
        for (Py_ssize_t i = 0; i < count; i++) {
            if (from[i].value) {
                enter_cell(k, str_hash(from[i].key), gap + n);
                to[gap + n++] = from[i];
            }
        }
    }
    k->dk_nentries = gap + n;
    k->dk_usable -= gap + n;
    mp->ma_keys = k;
    free_block(old);
    return 0;
}

/* Moves an item to the end or the front. *first is the caller's lower bound of used
 * positions, kept right. 1 moved (or already there), 0 absent, -1. */
int
nj_dict_move(PyDictObject *mp, PyObject *key, Py_hash_t hash, bool last, Py_ssize_t *first)
{
    Py_ssize_t ix = find_entry(mp, key, hash);
    if (ix < 0 || !*value_addr(mp, ix)) {
        return ix == IX_ERROR ? -1 : 0;
    }
    Py_ssize_t end = mp->ma_keys->dk_nentries;
    if (last && ix == end - 1) {
        return 1;
    }
    Py_ssize_t head = -1;
    if (last) {
        if (ix == *first) {
            *first = ix + 1; /* a queue turned round leaves its holes behind at once */
        }
    }
    else {
        head = nj_dict_first(mp, *first);
        if (head < 0 || head > ix) {
            head = nj_dict_first(mp, 0); /* comparing keys changed the block */
        }
        if (ix == head) {
            return 1;
        }
    }
    PyObject *own_key = key_at(mp->ma_keys, ix);
    if (last) {
        if (mp->ma_keys->dk_usable <= 0) {
            if (grow(mp, mp->ma_keys->dk_kind) < 0) {
                return -1;
            }
            *first = 0;
            ix = 0;
            while (key_at(mp->ma_keys, ix) != own_key) {
                ix++;
            }
        }
    }
    else if (head == 0) {
        if (open_front(mp, mp->ma_used / 4 + 4) < 0) {
            return -1;
        }
        head = nj_dict_first(mp, 0);
        ix = head;
        while (key_at(mp->ma_keys, ix) != own_key) {
            ix++;
        }
    }
    NjDictKeys *k = mp->ma_keys;
    Py_ssize_t to = last ? k->dk_nentries : head - 1;
    delete_cell(k, hash, ix);
    enter_cell(k, hash, to);
    if (k->dk_kind == NJ_KEYS_GENERAL) {
        NjDictEntry *e = nj_keys_entries(k);
        e[to] = e[ix];
        e[ix].key = e[ix].value = NULL;
    }
    else {
        NjStrEntry *e = nj_keys_str_entries(k);
        e[to] = e[ix];
        e[ix].key = e[ix].value = NULL;
    }
    k->dk_version = 0;
    if (last) {
        k->dk_nentries++;
        k->dk_usable--;
    }
    else {
        *first = to;
    }
    return 1;
}

/* ---------------------------------------------------------------- watcher API */

static int
check_watcher(int id)
{
    if (id < 0 || id >= NJ_DICT_WATCHERS) {
        PyErr_Format(PyExc_ValueError, "Invalid dict watcher ID %d", id);
        return -1;
    }
    if (!state()->dict_watchers[id]) {
        PyErr_Format(PyExc_ValueError, "No dict watcher set for ID %d", id);
        return -1;
    }
    return 0;
}

int
PyDict_AddWatcher(PyDict_WatchCallback callback)
{
    NjContainerState *s = state();
    /* 0 and 1 stay free for an optimizer of our own, as in the reference */
    for (int i = 2; i < NJ_DICT_WATCHERS; i++) {
        if (!s->dict_watchers[i]) {
            s->dict_watchers[i] = callback;
            return i;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "no more dict watcher IDs available");
    return -1;
}

int
PyDict_ClearWatcher(int watcher_id)
{
    if (check_watcher(watcher_id) < 0) {
        return -1;
    }
    state()->dict_watchers[watcher_id] = NULL;
    return 0;
}

int
PyDict_Watch(int watcher_id, PyObject *dict)
{
    if (!PyDict_Check(dict)) {
        PyErr_SetString(PyExc_ValueError, "Cannot watch non-dictionary");
        return -1;
    }
    if (check_watcher(watcher_id) < 0) {
        return -1;
    }
    ((PyDictObject *)dict)->_ma_watcher_tag |= (uint64_t)1 << watcher_id;
    return 0;
}

int
PyDict_Unwatch(int watcher_id, PyObject *dict)
{
    if (!PyDict_Check(dict)) {
        PyErr_SetString(PyExc_ValueError, "Cannot watch non-dictionary");
        return -1;
    }
    if (check_watcher(watcher_id) < 0) {
        return -1;
    }
    ((PyDictObject *)dict)->_ma_watcher_tag &= ~((uint64_t)1 << watcher_id);
    return 0;
}

/* ---------------------------------------------------------------- shutdown */

/* type: of GC objects chained through ob_type; NULL: plain blocks. */
static void
drain(NjFreeList *f, PyTypeObject *type)
{
    while (f->head) {
        void *op = f->head;
        if (type) {
            f->head = (void *)((PyObject *)op)->ob_type;
            ((PyObject *)op)->ob_type = type;
            PyObject_GC_Del(op);
        }
        else {
            f->head = *(void **)op;
            PyMem_Free(op);
        }
    }
    f->count = 0;
}

void
nj_containers_fini(NjInterp *interp)
{
    NjContainerState *s = &interp->containers;
    for (int i = 0; i <= NJ_TUPLE_FREE_SIZES; i++) {
        drain(&s->tuples[i], &PyTuple_Type);
    }
    drain(&s->lists, &PyList_Type);
    drain(&s->list_iters, &PyListIter_Type);
    drain(&s->tuple_iters, &PyTupleIter_Type);
    drain(&s->dicts, &PyDict_Type);
    drain(&s->keys, NULL);
}

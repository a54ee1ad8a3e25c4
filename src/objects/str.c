/* str.c - the str type: PEP 393 objects, making, hashing, interning, comparing, joining.
 *
 * A str is one block: PyASCIIObject (ASCII text) or PyCompactUnicodeObject (the rest),
 * then the characters in the narrowest of 1, 2 or 4 bytes, then a zero character.
 * Instances of subclasses keep their characters in a block of their own.
 *
 * Invariants: the form is canonical (the narrowest that holds every character), so
 * strings of different kind or ASCII flag are different. Characters never change once
 * somebody else may hold a reference; PyUnicode_Append and PyUnicode_Resize change a
 * string in place only when its reference count is 1. The empty string and the 256
 * Latin-1 characters exist once per process, immortal: every maker here returns them.
 *
 * Interning: first the process-wide table of static strings (immutable after start-up),
 * then the set of the interpreter, whose references are borrowed: an interned string
 * that dies takes itself out. Danger: a string that is in the set must not be resized.
 * SPDX-License-Identifier: MIT
 */
#include "objects/str_int.h"

#include <wchar.h>

#include "capi/args.h"
#include "objects/bytes_int.h"
#include "objects/ids.h"

/* Exported by the reference and used by extensions; no public header has it. */
PyAPI_FUNC(void) _Py_SetImmortal(PyObject *op);

#ifdef __linux__
#include <sys/random.h>
#endif

/* ---- one-character strings -------------------------------------------------------- */

NjAsciiChar nj_ascii_chars[128];
NjLatin1Char nj_latin1_chars[128];
static char latin1_utf8[128][4];
NjAsciiChar nj_empty_str = {
    {PyObject_HEAD_INIT(&PyUnicode_Type).length = 0,
     .hash = 0,
     .state = {.interned = SSTATE_INTERNED_IMMORTAL_STATIC,
               .kind = 1,
               .compact = 1,
               .ascii = 1,
               .statically_allocated = 1}},
    "",
};

/* ---- hashing ----------------------------------------------------------------------- */

/* Exported for C extensions that salt their own tables: two SipHash keys and eight more
 * bytes (expat's salt). Written once at start-up. */
PyAPI_DATA(uint64_t) _Py_HashSecret[3];
uint64_t _Py_HashSecret[3];
static int hash_is_set;

void
nj_hash_set_seed(int random, unsigned long seed)
{
    unsigned char *p = (unsigned char *)_Py_HashSecret;
    size_t n = sizeof(_Py_HashSecret);
    hash_is_set = 1;
    if (!random) {
        memset(p, 0, n);
        if (seed != 0) {
            uint32_t x = (uint32_t)seed;
            for (size_t i = 0; i < n; i++) {
                x = x * 214013u + 2531011u;
                p[i] = (x >> 16) & 0xff;
            }
        }
        return;
    }
    size_t got = 0;
    while (got < n) {
        ssize_t r = getrandom(p + got, n - got, GRND_NONBLOCK);
        if (r <= 0) {
            break;
        }
        got += (size_t)r;
    }
    if (got < n) {
        /* no entropy yet at early boot: better a weak secret than a hang */
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        uint64_t x = (uint64_t)ts.tv_nsec ^ ((uint64_t)ts.tv_sec << 32) ^
                     (uint64_t)(uintptr_t)&ts;
        for (; got < n; got++) {
            x = x * 6364136223846793005ull + 1442695040888963407ull;
            p[got] = (unsigned char)(x >> 56);
        }
    }
}

#define ROTL(x, b) (((x) << (b)) | ((x) >> (64 - (b))))
#define SIP_ROUND()                                                                    \
    do {                                                                               \
        v0 += v1;                                                                      \
        v2 += v3;                                                                      \
        v1 = ROTL(v1, 13) ^ v0;                                                        \
        v3 = ROTL(v3, 16) ^ v2;                                                        \
        v0 = ROTL(v0, 32);                                                             \
        v2 += v1;                                                                      \
        v0 += v3;                                                                      \
        v1 = ROTL(v1, 17) ^ v2;                                                        \
        v3 = ROTL(v3, 21) ^ v0;                                                        \
        v2 = ROTL(v2, 32);                                                             \
    } while (0)

static uint64_t
siphash13(uint64_t k0, uint64_t k1, const void *src, size_t n)
{
    const unsigned char *p = src;
    uint64_t v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
    uint64_t v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull;
    uint64_t last = (uint64_t)n << 56;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t m;
        memcpy(&m, p, 8);
        v3 ^= m;
        SIP_ROUND();
        v0 ^= m;
    }
    switch (n) {
    case 7: last |= (uint64_t)p[6] << 48; /* fall through */
    case 6: last |= (uint64_t)p[5] << 40; /* fall through */
    case 5: last |= (uint64_t)p[4] << 32; /* fall through */
    case 4: last |= (uint64_t)p[3] << 24; /* fall through */
    case 3: last |= (uint64_t)p[2] << 16; /* fall through */
    case 2: last |= (uint64_t)p[1] << 8;  /* fall through */
    case 1: last |= (uint64_t)p[0];       /* fall through */
    default: break;
    }
    v3 ^= last;
    SIP_ROUND();
    v0 ^= last;
    v2 ^= 0xff;
    SIP_ROUND();
    SIP_ROUND();
    SIP_ROUND();
    return v0 ^ v1 ^ v2 ^ v3;
}

static Py_hash_t
siphash_of_buffer(const void *p, Py_ssize_t n)
{
    return (Py_hash_t)siphash13(_Py_HashSecret[0], _Py_HashSecret[1], p, (size_t)n);
}

Py_hash_t
nj_hash_bytes(const void *p, Py_ssize_t n)
{
    if (n == 0) {
        return 0;
    }
    Py_hash_t h = siphash_of_buffer(p, n);
    return h == -1 ? -2 : h;
}

Py_hash_t
nj_str_hash_slow(PyObject *s)
{
    PyASCIIObject *a = (PyASCIIObject *)s;
    if (a->hash == -1) {
        a->hash = nj_hash_bytes(PyUnicode_DATA(s), a->length * a->state.kind);
    }
    return a->hash;
}

Py_hash_t
Py_HashBuffer(const void *ptr, Py_ssize_t len)
{
    return nj_hash_bytes(ptr, len);
}

static PyHash_FuncDef hash_func_def = {siphash_of_buffer, "siphash13", 64, 128};

PyHash_FuncDef *
PyHash_GetFuncDef(void)
{
    return &hash_func_def;
}

/* Key 0 hash of importlib: _imp.source_hash and .pyc files use it. */
PyAPI_FUNC(uint64_t) _Py_KeyedHash(uint64_t key, const void *src, Py_ssize_t n);
uint64_t
_Py_KeyedHash(uint64_t key, const void *src, Py_ssize_t n)
{
    return siphash13(key, 0, src, (size_t)n);
}

static Py_hash_t
str_hash(PyObject *s)
{
    return nj_str_hash(s);
}

/* ---- start-up, interning ------------------------------------------------------------ */

static struct {
    PyObject **slots;
    size_t mask;
} static_ids;

#define INTERN_DELETED ((PyObject *)1)

static PyObject *
find_static_id(PyObject *s, Py_hash_t h)
{
    if (static_ids.slots == NULL) {
        return NULL;
    }
    size_t i = (size_t)h & static_ids.mask;
    for (PyObject *t; (t = static_ids.slots[i]) != NULL; i = (i + 1) & static_ids.mask) {
        if (((PyASCIIObject *)t)->hash == h && nj_str_eq(t, s)) {
            return t;
        }
    }
    return NULL;
}

void
nj_str_init(void)
{
    if (!hash_is_set) {
        nj_hash_set_seed(1, 0);
    }
    nj_bytes_init();
    for (int c = 0; c < 128; c++) {
        NjAsciiChar *a = &nj_ascii_chars[c];
        a->head = nj_empty_str.head;
        a->head.length = 1;
        a->text[0] = (char)c;
        a->head.hash = -1;
        nj_str_hash_slow((PyObject *)a);

        NjLatin1Char *b = &nj_latin1_chars[c];
        b->head._base = a->head;
        b->head._base.hash = -1;
        b->head._base.state.ascii = 0;
        b->text[0] = (char)(c + 128);
        latin1_utf8[c][0] = (char)(0xc0 | ((c + 128) >> 6));
        latin1_utf8[c][1] = (char)(0x80 | (c & 0x3f));
        b->head.utf8 = latin1_utf8[c];
        b->head.utf8_length = 2;
        nj_str_hash_slow((PyObject *)b);
    }
    size_t size = 64;
    while (size < nj_id_count * 3) {
        size *= 2;
    }
    if (static_ids.slots != NULL) {
        return; /* a second Py_Initialize: the hash secret stays */
    }
    PyObject **slots = calloc(size, sizeof(PyObject *));
    if (slots == NULL) {
        Py_FatalError("out of memory at start-up");
    }
    for (size_t k = 0; k < nj_id_count; k++) {
        PyObject *s = (PyObject *)nj_id_table[k];
        size_t i = (size_t)nj_str_hash(s) & (size - 1);
        while (slots[i] != NULL) {
            i = (i + 1) & (size - 1);
        }
        slots[i] = s;
    }
    static_ids.slots = slots;
    static_ids.mask = size - 1;
}

int
nj_str_interp_init(NjInterp *interp)
{
    NjInternSet *set = &interp->strs.interned;
    set->slots = PyMem_RawCalloc(8192, sizeof(PyObject *)); /* a start needs 3000 */
    if (set->slots == NULL) {
        return -1;
    }
    set->mask = 8191;
    set->used = set->filled = 0;
    return 0;
}

void
nj_str_interp_fini(NjInterp *interp)
{
    NjStrState *st = &interp->strs;
    Py_CLEAR(st->codec_search);
    Py_CLEAR(st->codec_cache);
    Py_CLEAR(st->codec_errors);
    for (size_t i = 0; i < NJ_TEXT_CACHE; i++) {
        Py_CLEAR(st->by_text[i]);
    }
    /* what is still alive leaks with the interpreter, but must not look us up again */
    NjInternSet *set = &st->interned;
    if (set->slots != NULL) {
        for (size_t i = 0; i <= set->mask; i++) {
            PyObject *s = set->slots[i];
            if (s != NULL && s != INTERN_DELETED) {
                ((PyASCIIObject *)s)->state.interned = SSTATE_NOT_INTERNED;
            }
        }
        PyMem_RawFree(set->slots);
        set->slots = NULL;
    }
}

static int
resize_intern_set(NjInternSet *set)
{
    size_t size = set->mask + 1;
    if (set->used * 3 > size) {
        size *= 2;
    }
    PyObject **slots = PyMem_RawCalloc(size, sizeof(PyObject *));
    if (slots == NULL) {
        return -1;
    }
    for (size_t k = 0; k <= set->mask; k++) {
        PyObject *s = set->slots[k];
        if (s == NULL || s == INTERN_DELETED) {
            continue;
        }
        size_t i = (size_t)((PyASCIIObject *)s)->hash & (size - 1);
        while (slots[i] != NULL) {
            i = (i + 1) & (size - 1);
        }
        slots[i] = s;
    }
    PyMem_RawFree(set->slots);
    set->slots = slots;
    set->mask = size - 1;
    set->filled = set->used;
    return 0;
}

void
PyUnicode_InternInPlace(PyObject **p)
{
    PyObject *s = *p;
    if (s == NULL || !PyUnicode_CheckExact(s) || PyUnicode_CHECK_INTERNED(s)) {
        return;
    }
    PyASCIIObject *a = (PyASCIIObject *)s;
    PyObject *found = NULL;
    if (a->length <= 1 && a->state.kind == 1) {
        found = a->length == 0 ? nj_str_empty()
                               : nj_str_latin1(*(unsigned char *)PyUnicode_DATA(s));
        *p = found;
        Py_DECREF(s);
        return;
    }
    Py_hash_t h = nj_str_hash(s);
    found = find_static_id(s, h);
    if (found != NULL) {
        *p = found;
        Py_DECREF(s);
        return;
    }
    PyThreadState *ts = nj_tstate();
    if (ts == NULL) {
        return;
    }
    NjInternSet *set = &((NjInterp *)ts->interp)->strs.interned;
    if (set->slots == NULL) {
        return;
    }
    size_t i = (size_t)h & set->mask, free_slot = SIZE_MAX;
    for (PyObject *t; (t = set->slots[i]) != NULL; i = (i + 1) & set->mask) {
        if (t == INTERN_DELETED) {
            if (free_slot == SIZE_MAX) {
                free_slot = i;
            }
        } else if (((PyASCIIObject *)t)->hash == h && nj_str_eq(t, s)) {
            *p = Py_NewRef(t);
            Py_DECREF(s);
            return;
        }
    }
    if (free_slot != SIZE_MAX) {
        i = free_slot;
    } else {
        if ((set->filled + 1) * 3 > (set->mask + 1) * 2) {
            if (resize_intern_set(set) < 0) {
                return;
            }
            i = (size_t)h & set->mask;
            while (set->slots[i] != NULL) {
                i = (i + 1) & set->mask;
            }
        }
        set->filled++;
    }
    set->slots[i] = s;
    set->used++;
    a->state.interned =
        Py_REFCNT(s) >= (1 << 30) ? SSTATE_INTERNED_IMMORTAL : SSTATE_INTERNED_MORTAL;
}

static void
forget_interned(PyObject *s)
{
    NjInternSet *set = &nj_interp()->strs.interned;
    if (set->slots == NULL) {
        return;
    }
    size_t i = (size_t)((PyASCIIObject *)s)->hash & set->mask;
    for (PyObject *t; (t = set->slots[i]) != NULL; i = (i + 1) & set->mask) {
        if (t == s) {
            if (set->slots[(i + 1) & set->mask] == NULL) {
                set->slots[i] = NULL;
                set->filled--;
            } else {
                set->slots[i] = INTERN_DELETED;
            }
            set->used--;
            return;
        }
    }
}

PyAPI_FUNC(void) PyUnicode_InternImmortal(PyObject **p);
void
PyUnicode_InternImmortal(PyObject **p)
{
    PyUnicode_InternInPlace(p);
    PyObject *s = *p;
    if (s != NULL && PyUnicode_CHECK_INTERNED(s) == SSTATE_INTERNED_MORTAL) {
        ((PyASCIIObject *)s)->state.interned = SSTATE_INTERNED_IMMORTAL;
        _Py_SetImmortal(s);
    }
}

/* Mostly a literal of C code, asked for again and again: PyObject_GetAttrString and its
 * like. The place of the text is only a hint, another text may lie there by now. */
PyObject *
PyUnicode_InternFromString(const char *text)
{
    PyThreadState *ts = nj_tstate();
    PyObject **slot = NULL;
    if (NJ_LIKELY(ts != NULL)) {
        uintptr_t at = (uintptr_t)text;
        slot = &((NjInterp *)ts->interp)->strs.by_text[(at ^ at >> 7) % NJ_TEXT_CACHE];
        if (*slot != NULL && strcmp(PyUnicode_DATA(*slot), text) == 0) {
            return Py_NewRef(*slot);
        }
    }
    PyObject *s = PyUnicode_FromString(text);
    if (s != NULL) {
        PyUnicode_InternInPlace(&s);
        if (slot != NULL && PyUnicode_IS_ASCII(s) && PyUnicode_CHECK_INTERNED(s)) {
            Py_XSETREF(*slot, Py_NewRef(s));
        }
    }
    return s;
}

/* ---- allocation --------------------------------------------------------------------- */

PyObject *
PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
{
    if (size == 0) {
        return nj_str_empty();
    }
    int kind = 1;
    size_t head = sizeof(PyCompactUnicodeObject);
    struct _PyUnicodeObject_state state = {.kind = 1, .compact = 1};
    if (maxchar < 0x80) {
        head = sizeof(PyASCIIObject);
        state.ascii = 1;
    } else if (maxchar < 0x100) {
    } else if (maxchar < 0x10000) {
        kind = 2;
        state.kind = 2;
    } else {
        if (maxchar > 0x10ffff) {
            PyErr_SetString(PyExc_SystemError,
                            "invalid maximum character passed to PyUnicode_New");
            return NULL;
        }
        kind = 4;
        state.kind = 4;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_SystemError, "Negative size passed to PyUnicode_New");
        return NULL;
    }
    if (size > (PY_SSIZE_T_MAX - (Py_ssize_t)head) / kind - 1) {
        return PyErr_NoMemory();
    }
    PyASCIIObject *a = PyObject_Malloc(head + ((size_t)size + 1) * (size_t)kind);
    if (a == NULL) {
        return PyErr_NoMemory();
    }
    PyObject_Init((PyObject *)a, &PyUnicode_Type);
    a->length = size;
    a->hash = -1;
    a->state = state;
    char *data = (char *)a + head;
    if (!state.ascii) {
        ((PyCompactUnicodeObject *)a)->utf8 = NULL;
        ((PyCompactUnicodeObject *)a)->utf8_length = 0;
    }
    if (kind == 1) {
        data[size] = 0;
    } else if (kind == 2) {
        ((Py_UCS2 *)data)[size] = 0;
    } else {
        ((Py_UCS4 *)data)[size] = 0;
    }
    return (PyObject *)a;
}

bool
nj_str_is_unique(PyObject *s)
{
    return Py_REFCNT(s) == 1 && PyUnicode_CheckExact(s) && !PyUnicode_CHECK_INTERNED(s) &&
           PyUnicode_IS_COMPACT(s);
}

/* May the owner of this reference change the characters? */
static bool
is_modifiable(PyObject *s)
{
    return nj_str_is_unique(s) && ((PyASCIIObject *)s)->hash == -1;
}

/* Reallocates a unique compact string to n > 0 characters; *p is untouched on error. */
static int
resize_unique(PyObject **p, Py_ssize_t n)
{
    PyObject *s = *p;
    int kind = PyUnicode_KIND(s);
    bool ascii = PyUnicode_IS_ASCII(s);
    size_t head = ascii ? sizeof(PyASCIIObject) : sizeof(PyCompactUnicodeObject);
    if (n > (PY_SSIZE_T_MAX - (Py_ssize_t)head) / kind - 1) {
        PyErr_NoMemory();
        return -1;
    }
    if (!ascii && ((PyCompactUnicodeObject *)s)->utf8 != NULL) {
        PyMem_Free(((PyCompactUnicodeObject *)s)->utf8);
        ((PyCompactUnicodeObject *)s)->utf8 = NULL;
        ((PyCompactUnicodeObject *)s)->utf8_length = 0;
    }
    s = PyObject_Realloc(s, head + ((size_t)n + 1) * (size_t)kind);
    if (s == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    *p = s;
    ((PyASCIIObject *)s)->length = n;
    ((PyASCIIObject *)s)->hash = -1;
    PyUnicode_WRITE(kind, PyUnicode_DATA(s), n, 0);
    return 0;
}

int
PyUnicode_Resize(PyObject **p, Py_ssize_t n)
{
    if (p == NULL || *p == NULL || !PyUnicode_Check(*p) || n < 0) {
        PyErr_BadInternalCall();
        return -1;
    }
    PyObject *s = *p;
    if (PyUnicode_GET_LENGTH(s) == n) {
        return 0;
    }
    if (n == 0) {
        *p = nj_str_empty();
        Py_DECREF(s);
        return 0;
    }
    if (is_modifiable(s)) {
        return resize_unique(p, n);
    }
    PyObject *copy = PyUnicode_New(n, PyUnicode_MAX_CHAR_VALUE(s));
    if (copy == NULL) {
        return -1;
    }
    Py_ssize_t keep = Py_MIN(n, PyUnicode_GET_LENGTH(s));
    nj_copy_chars(PyUnicode_KIND(copy), PyUnicode_DATA(copy), PyUnicode_KIND(s),
                  PyUnicode_DATA(s), keep);
    *p = copy;
    Py_DECREF(s);
    return 0;
}

static void
str_dealloc(PyObject *s)
{
    PyASCIIObject *a = (PyASCIIObject *)s;
    if (NJ_UNLIKELY(a->state.interned)) {
        if (a->state.interned != SSTATE_INTERNED_MORTAL || a->state.statically_allocated) {
            _Py_SetImmortal(s); /* somebody dropped references they did not have */
            return;
        }
        /* alive again for the look-up, so that nothing here sees a dead object */
        forget_interned(s);
    }
    if (!(a->state.compact && a->state.ascii)) {
        PyCompactUnicodeObject *c = (PyCompactUnicodeObject *)s;
        void *data = a->state.compact ? NULL : ((PyUnicodeObject *)s)->data.any;
        if (c->utf8 != NULL && (void *)c->utf8 != data) {
            PyMem_Free(c->utf8);
        }
        if (data != NULL) {
            PyMem_Free(data);
        }
    }
    if (NJ_LIKELY(PyUnicode_CheckExact(s))) {
        PyObject_Free(s);
    } else {
        Py_TYPE(s)->tp_free(s);
    }
}

/* ---- kernels ------------------------------------------------------------------------ */

Py_ssize_t
nj_ascii_prefix(const char *p, Py_ssize_t n)
{
    const char *q = p, *end = p + n;
    const uint64_t high = 0x8080808080808080ull;
    while (end - q >= 32) {
        uint64_t w[4];
        memcpy(w, q, 32);
        if ((w[0] | w[1] | w[2] | w[3]) & high) {
            break;
        }
        q += 32;
    }
    while (end - q >= 8) {
        uint64_t w;
        memcpy(&w, q, 8);
        w &= high;
        if (w) {
            return q - p + __builtin_ctzll(w) / 8;
        }
        q += 8;
    }
    while (q < end && !(*q & 0x80)) {
        q++;
    }
    return q - p;
}

Py_UCS4
nj_max_char(int kind, const void *data, Py_ssize_t n)
{
    if (kind == 1) {
        return nj_ascii_prefix(data, n) == n ? 0x7f : 0xff;
    }
    if (kind == 2) {
        const Py_UCS2 *p = data, *end = p + n;
        Py_UCS2 all = 0;
        while (end - p >= 64) {
            for (int i = 0; i < 64; i++) {
                all |= p[i];
            }
            if (all >= 0x100) {
                return 0xffff;
            }
            p += 64;
        }
        while (p < end) {
            all |= *p++;
        }
        return all < 0x80 ? 0x7f : all < 0x100 ? 0xff : 0xffff;
    }
    const Py_UCS4 *p = data, *end = p + n;
    Py_UCS4 all = 0;
    while (end - p >= 64) {
        for (int i = 0; i < 64; i++) {
            all |= p[i];
        }
        if (all >= 0x10000) {
            return 0x10ffff;
        }
        p += 64;
    }
    while (p < end) {
        all |= *p++;
    }
    return all < 0x80 ? 0x7f : all < 0x100 ? 0xff : all < 0x10000 ? 0xffff : 0x10ffff;
}

#define COPY_LOOP(T, F)                                                                \
    do {                                                                               \
        T *restrict t_ = to;                                                           \
        const F *restrict f_ = from;                                                   \
        for (Py_ssize_t i_ = 0; i_ < n; i_++) {                                        \
            t_[i_] = (T)f_[i_];                                                        \
        }                                                                              \
    } while (0)

void
nj_copy_chars(int to_kind, void *to, int from_kind, const void *from, Py_ssize_t n)
{
    if (to_kind == from_kind) {
        memcpy(to, from, (size_t)n * (size_t)to_kind);
    } else if (to_kind == 1) {
        if (from_kind == 2) {
            COPY_LOOP(Py_UCS1, Py_UCS2);
        } else {
            COPY_LOOP(Py_UCS1, Py_UCS4);
        }
    } else if (to_kind == 2) {
        if (from_kind == 1) {
            COPY_LOOP(Py_UCS2, Py_UCS1);
        } else {
            COPY_LOOP(Py_UCS2, Py_UCS4);
        }
    } else if (from_kind == 1) {
        COPY_LOOP(Py_UCS4, Py_UCS1);
    } else {
        COPY_LOOP(Py_UCS4, Py_UCS2);
    }
}

void
nj_fill_chars(int kind, void *to, Py_UCS4 ch, Py_ssize_t n)
{
    if (kind == 1) {
        memset(to, (int)ch, (size_t)n);
    } else if (kind == 2) {
        for (Py_ssize_t i = 0; i < n; i++) {
            ((Py_UCS2 *)to)[i] = (Py_UCS2)ch;
        }
    } else {
        for (Py_ssize_t i = 0; i < n; i++) {
            ((Py_UCS4 *)to)[i] = ch;
        }
    }
}

/* ---- making strings ------------------------------------------------------------------ */

int
nj_str_require(PyObject *s)
{
    if (!PyUnicode_Check(s)) {
        PyErr_Format(PyExc_TypeError, "must be str, not %.100s", Py_TYPE(s)->tp_name);
        return -1;
    }
    return 0;
}

PyObject *
nj_str_from_ascii(const char *p, Py_ssize_t n)
{
    if (n <= 1) {
        return n == 0 ? nj_str_empty() : nj_str_latin1((unsigned char)*p);
    }
    PyObject *s = PyUnicode_New(n, 0x7f);
    if (s != NULL) {
        memcpy((PyASCIIObject *)s + 1, p, (size_t)n);
    }
    return s;
}

PyObject *
nj_str_from_ucs1(const Py_UCS1 *p, Py_ssize_t n)
{
    if (n <= 1) {
        return n == 0 ? nj_str_empty() : nj_str_latin1(*p);
    }
    PyObject *s = PyUnicode_New(n, nj_max_char(1, p, n));
    if (s != NULL) {
        memcpy(PyUnicode_DATA(s), p, (size_t)n);
    }
    return s;
}

PyObject *
nj_str_from_kind(int kind, const void *data, Py_ssize_t n)
{
    if (kind == 1) {
        return nj_str_from_ucs1(data, n);
    }
    if (n == 0) {
        return nj_str_empty();
    }
    Py_UCS4 max = nj_max_char(kind, data, n);
    if (n == 1 && max < 0x100) {
        return nj_str_latin1((unsigned char)PyUnicode_READ(kind, data, 0));
    }
    PyObject *s = PyUnicode_New(n, max);
    if (s != NULL) {
        nj_copy_chars(PyUnicode_KIND(s), PyUnicode_DATA(s), kind, data, n);
    }
    return s;
}

PyObject *
nj_str_from_ucs2(const Py_UCS2 *p, Py_ssize_t n)
{
    return nj_str_from_kind(2, p, n);
}

PyObject *
nj_str_from_ucs4(const Py_UCS4 *p, Py_ssize_t n)
{
    return nj_str_from_kind(4, p, n);
}

PyObject *
PyUnicode_FromKindAndData(int kind, const void *buffer, Py_ssize_t size)
{
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "size must be positive");
        return NULL;
    }
    if (kind != 1 && kind != 2 && kind != 4) {
        PyErr_SetString(PyExc_SystemError, "invalid kind");
        return NULL;
    }
    return nj_str_from_kind(kind, buffer, size);
}

PyObject *
PyUnicode_FromStringAndSize(const char *u, Py_ssize_t size)
{
    if (size < 0) {
        PyErr_SetString(PyExc_SystemError,
                        "Negative size passed to PyUnicode_FromStringAndSize");
        return NULL;
    }
    if (u == NULL) {
        if (size > 0) {
            PyErr_SetString(PyExc_SystemError,
                            "NULL string with positive size with NULL passed to "
                            "PyUnicode_FromStringAndSize");
            return NULL;
        }
        return nj_str_empty();
    }
    return PyUnicode_DecodeUTF8Stateful(u, size, NULL, NULL);
}

PyObject *
PyUnicode_FromString(const char *u)
{
    size_t size = strlen(u);
    if (size > PY_SSIZE_T_MAX) {
        PyErr_SetString(PyExc_OverflowError, "input too long");
        return NULL;
    }
    return PyUnicode_DecodeUTF8Stateful(u, (Py_ssize_t)size, NULL, NULL);
}

PyObject *
PyUnicode_FromOrdinal(int ordinal)
{
    if (ordinal < 0 || ordinal > 0x10ffff) {
        PyErr_SetString(PyExc_ValueError, "chr() arg not in range(0x110000)");
        return NULL;
    }
    if (ordinal < 256) {
        return nj_str_latin1((unsigned char)ordinal);
    }
    PyObject *s = PyUnicode_New(1, (Py_UCS4)ordinal);
    if (s != NULL) {
        PyUnicode_WRITE(PyUnicode_KIND(s), PyUnicode_DATA(s), 0, (Py_UCS4)ordinal);
    }
    return s;
}

/* An exact copy, whatever the type of s. */
static PyObject *
copy_of(PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (n <= 1 && PyUnicode_KIND(s) == 1) {
        return n == 0 ? nj_str_empty() : nj_str_latin1(*PyUnicode_1BYTE_DATA(s));
    }
    PyObject *r = PyUnicode_New(n, PyUnicode_MAX_CHAR_VALUE(s));
    if (r != NULL) {
        memcpy(PyUnicode_DATA(r), PyUnicode_DATA(s), (size_t)n * PyUnicode_KIND(s));
    }
    return r;
}

PyObject *
nj_str_exact(PyObject *s)
{
    return NJ_LIKELY(PyUnicode_CheckExact(s)) ? Py_NewRef(s) : copy_of(s);
}

PyObject *
PyUnicode_FromObject(PyObject *obj)
{
    if (PyUnicode_Check(obj)) {
        return nj_str_exact(obj);
    }
    PyErr_Format(PyExc_TypeError, "Can't convert '%.100s' object to str implicitly",
                 Py_TYPE(obj)->tp_name);
    return NULL;
}

PyObject *
PyUnicode_FromEncodedObject(PyObject *obj, const char *encoding, const char *errors)
{
    if (obj == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (PyBytes_Check(obj)) {
        return PyUnicode_Decode(PyBytes_AS_STRING(obj), PyBytes_GET_SIZE(obj), encoding,
                                errors);
    }
    if (PyUnicode_Check(obj)) {
        PyErr_SetString(PyExc_TypeError, "decoding str is not supported");
        return NULL;
    }
    if (!PyObject_CheckBuffer(obj)) {
        PyErr_Format(PyExc_TypeError,
                     "decoding to str: need a bytes-like object, %.80s found",
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(obj, &view, PyBUF_SIMPLE) < 0) {
        PyErr_Format(PyExc_TypeError,
                     "decoding to str: need a bytes-like object, %.80s found",
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    PyObject *r = PyUnicode_Decode(view.buf, view.len, encoding, errors);
    PyBuffer_Release(&view);
    return r;
}

PyObject *
PyUnicode_FromWideChar(const wchar_t *w, Py_ssize_t size)
{
    if (w == NULL && size != 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (size == -1) {
        size = (Py_ssize_t)wcslen(w);
    }
    if (size < 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < size; i++) {
        if ((Py_UCS4)w[i] > 0x10ffff) {
            PyErr_Format(PyExc_ValueError, "character U+%x is not in range [U+0000; U+%x]",
                         (Py_UCS4)w[i], 0x10ffff);
            return NULL;
        }
    }
    return nj_str_from_kind(4, w, size);
}

/* ---- plain C API ---------------------------------------------------------------------- */

static int
require_str_arg(PyObject *s)
{
    if (s == NULL || !PyUnicode_Check(s)) {
        PyErr_BadArgument();
        return -1;
    }
    return 0;
}

Py_ssize_t
PyUnicode_GetLength(PyObject *s)
{
    return require_str_arg(s) < 0 ? -1 : PyUnicode_GET_LENGTH(s);
}

PyAPI_FUNC(Py_ssize_t) PyUnicode_GetSize(PyObject *s);
Py_ssize_t
PyUnicode_GetSize(PyObject *s)
{
    PyErr_SetString(PyExc_RuntimeError, "PyUnicode_GetSize has been removed.");
    return -1;
}

Py_UCS4
PyUnicode_ReadChar(PyObject *s, Py_ssize_t index)
{
    if (require_str_arg(s) < 0) {
        return (Py_UCS4)-1;
    }
    if (index < 0 || index >= PyUnicode_GET_LENGTH(s)) {
        PyErr_SetString(PyExc_IndexError, "string index out of range");
        return (Py_UCS4)-1;
    }
    return PyUnicode_READ_CHAR(s, index);
}

int
PyUnicode_WriteChar(PyObject *s, Py_ssize_t index, Py_UCS4 ch)
{
    if (s == NULL || !PyUnicode_Check(s) || !PyUnicode_IS_COMPACT(s)) {
        PyErr_BadArgument();
        return -1;
    }
    if (index < 0 || index >= PyUnicode_GET_LENGTH(s)) {
        PyErr_SetString(PyExc_IndexError, "string index out of range");
        return -1;
    }
    if (!is_modifiable(s)) {
        PyErr_SetString(PyExc_SystemError, "Cannot modify a string currently used");
        return -1;
    }
    if (ch > PyUnicode_MAX_CHAR_VALUE(s)) {
        PyErr_SetString(PyExc_ValueError, "character out of range");
        return -1;
    }
    PyUnicode_WRITE(PyUnicode_KIND(s), PyUnicode_DATA(s), index, ch);
    return 0;
}

Py_ssize_t
PyUnicode_CopyCharacters(PyObject *to, Py_ssize_t to_start, PyObject *from,
                         Py_ssize_t from_start, Py_ssize_t how_many)
{
    if (!PyUnicode_Check(from) || !PyUnicode_Check(to)) {
        PyErr_BadInternalCall();
        return -1;
    }
    if ((size_t)from_start > (size_t)PyUnicode_GET_LENGTH(from) ||
        (size_t)to_start > (size_t)PyUnicode_GET_LENGTH(to)) {
        PyErr_SetString(PyExc_IndexError, "string index out of range");
        return -1;
    }
    if (how_many < 0) {
        PyErr_SetString(PyExc_SystemError, "how_many cannot be negative");
        return -1;
    }
    how_many = Py_MIN(PyUnicode_GET_LENGTH(from) - from_start, how_many);
    if (to_start + how_many > PyUnicode_GET_LENGTH(to)) {
        PyErr_Format(PyExc_SystemError,
                     "Cannot write %zi characters at %zi in a string of %zi characters",
                     how_many, to_start, PyUnicode_GET_LENGTH(to));
        return -1;
    }
    if (how_many == 0) {
        return 0;
    }
    if (!is_modifiable(to)) {
        PyErr_SetString(PyExc_SystemError, "Cannot modify a string currently used");
        return -1;
    }
    int kind = PyUnicode_KIND(from), to_kind = PyUnicode_KIND(to);
    const char *src = nj_at(PyUnicode_DATA(from), kind, from_start);
    if (PyUnicode_MAX_CHAR_VALUE(from) > PyUnicode_MAX_CHAR_VALUE(to) &&
        nj_max_char(kind, src, how_many) > PyUnicode_MAX_CHAR_VALUE(to)) {
        PyErr_Format(PyExc_SystemError,
                     "Cannot copy %s characters into a string of %s characters",
                     kind == 1 ? "latin1" : kind == 2 ? "UCS2" : "UCS4",
                     PyUnicode_IS_ASCII(to) ? "ascii"
                     : to_kind == 1         ? "latin1"
                     : to_kind == 2         ? "UCS2"
                                            : "UCS4");
        return -1;
    }
    nj_copy_chars(to_kind, (char *)nj_at(PyUnicode_DATA(to), to_kind, to_start), kind, src,
                  how_many);
    return how_many;
}

Py_ssize_t
PyUnicode_Fill(PyObject *s, Py_ssize_t start, Py_ssize_t length, Py_UCS4 fill_char)
{
    if (!PyUnicode_Check(s)) {
        PyErr_BadInternalCall();
        return -1;
    }
    if (!is_modifiable(s)) {
        PyErr_SetString(PyExc_SystemError, "Cannot modify a string currently used");
        return -1;
    }
    if (start < 0) {
        PyErr_SetString(PyExc_IndexError, "string index out of range");
        return -1;
    }
    if (fill_char > PyUnicode_MAX_CHAR_VALUE(s)) {
        PyErr_SetString(PyExc_ValueError,
                        "fill character is bigger than the string maximum character");
        return -1;
    }
    length = Py_MIN(PyUnicode_GET_LENGTH(s) - start, length);
    if (length <= 0) {
        return 0;
    }
    int kind = PyUnicode_KIND(s);
    nj_fill_chars(kind, (char *)nj_at(PyUnicode_DATA(s), kind, start), fill_char, length);
    return length;
}

Py_UCS4 *
PyUnicode_AsUCS4(PyObject *s, Py_UCS4 *buffer, Py_ssize_t size, int copy_null)
{
    if (buffer == NULL || size < 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (size < n + (copy_null ? 1 : 0)) {
        PyErr_SetString(PyExc_SystemError, "string is longer than the buffer");
        if (copy_null && size > 0) {
            buffer[0] = 0;
        }
        return NULL;
    }
    nj_copy_chars(4, buffer, PyUnicode_KIND(s), PyUnicode_DATA(s), n);
    if (copy_null) {
        buffer[n] = 0;
    }
    return buffer;
}

Py_UCS4 *
PyUnicode_AsUCS4Copy(PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    Py_UCS4 *p = PyMem_New(Py_UCS4, n + 1);
    if (p == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    return PyUnicode_AsUCS4(s, p, n + 1, 1);
}

Py_ssize_t
PyUnicode_AsWideChar(PyObject *s, wchar_t *w, Py_ssize_t size)
{
    if (s == NULL) {
        PyErr_BadInternalCall();
        return -1;
    }
    if (require_str_arg(s) < 0) {
        return -1;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    if (w == NULL) {
        return n + 1;
    }
    Py_ssize_t take = n;
    if (size > n) {
        size = n + 1;
    } else {
        take = size;
    }
    nj_copy_chars(4, w, PyUnicode_KIND(s), PyUnicode_DATA(s), take);
    if (size > n) {
        w[n] = 0;
        return n;
    }
    return take;
}

wchar_t *
PyUnicode_AsWideCharString(PyObject *s, Py_ssize_t *size)
{
    if (s == NULL) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (require_str_arg(s) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    wchar_t *w = PyMem_New(wchar_t, n + 1);
    if (w == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    nj_copy_chars(4, w, PyUnicode_KIND(s), PyUnicode_DATA(s), n);
    w[n] = 0;
    if (size != NULL) {
        *size = n;
    } else if ((Py_ssize_t)wcslen(w) != n) {
        PyMem_Free(w);
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return w;
}

#undef PyUnicode_KIND
int
PyUnicode_KIND(PyObject *op)
{
    return (int)((PyASCIIObject *)op)->state.kind;
}
#define PyUnicode_KIND(op) _Py_RVALUE(_PyASCIIObject_CAST(op)->state.kind)

#undef PyUnicode_DATA
void *
PyUnicode_DATA(PyObject *op)
{
    return _PyUnicode_DATA(op);
}
#define PyUnicode_DATA(op) _PyUnicode_DATA(_PyObject_CAST(op))

PyObject *
_PyUnicode_FromId(_Py_Identifier *id)
{
    /* Kept for old extensions: interned by the interpreter, so borrowed is safe as long
     * as it is immortal. */
    PyObject *s = PyUnicode_InternFromString(id->string);
    if (s != NULL) {
        PyUnicode_InternImmortal(&s);
    }
    return s;
}

PyAPI_FUNC(int) _PyUnicode_CheckConsistency(PyObject *op, int check_content);
int
_PyUnicode_CheckConsistency(PyObject *op, int check_content)
{
    const PyASCIIObject *a = (const PyASCIIObject *)op;
    int kind = a->state.kind;
    const void *data = PyUnicode_DATA(op);
    NJ_ASSERT(kind == 1 || kind == 2 || kind == 4, "kind %d", kind);
    NJ_ASSERT(PyUnicode_READ(kind, data, a->length) == 0, "no terminating zero");
    if (check_content) {
        Py_UCS4 max = nj_max_char(kind, data, a->length);
        NJ_ASSERT(max == PyUnicode_MAX_CHAR_VALUE(op), "not canonical");
        (void)max;
    }
    (void)data;
    return 1;
}

/* ---- comparison ------------------------------------------------------------------------ */

/* Index of the first difference of two byte runs, or n. */
static inline Py_ssize_t
first_difference(const unsigned char *a, const unsigned char *b, Py_ssize_t n)
{
    Py_ssize_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y) {
            return i + __builtin_ctzll(x ^ y) / 8;
        }
    }
    while (i < n && a[i] == b[i]) {
        i++;
    }
    return i;
}

static int
compare(PyObject *a, PyObject *b)
{
    if (a == b) {
        return 0;
    }
    Py_ssize_t la = PyUnicode_GET_LENGTH(a), lb = PyUnicode_GET_LENGTH(b);
    Py_ssize_t n = Py_MIN(la, lb);
    int ka = PyUnicode_KIND(a), kb = PyUnicode_KIND(b);
    const void *pa = PyUnicode_DATA(a), *pb = PyUnicode_DATA(b);
    if (ka == 1 && kb == 1) {
        int c = memcmp(pa, pb, (size_t)n);
        if (c != 0) {
            return c < 0 ? -1 : 1;
        }
    } else if (ka == kb) {
        Py_ssize_t i = first_difference(pa, pb, n * ka) / ka;
        if (i < n) {
            return PyUnicode_READ(ka, pa, i) < PyUnicode_READ(kb, pb, i) ? -1 : 1;
        }
    } else {
        for (Py_ssize_t i = 0; i < n; i++) {
            Py_UCS4 x = PyUnicode_READ(ka, pa, i), y = PyUnicode_READ(kb, pb, i);
            if (x != y) {
                return x < y ? -1 : 1;
            }
        }
    }
    return la == lb ? 0 : la < lb ? -1 : 1;
}

int
PyUnicode_Compare(PyObject *a, PyObject *b)
{
    if (PyUnicode_Check(a) && PyUnicode_Check(b)) {
        return compare(a, b);
    }
    PyErr_Format(PyExc_TypeError, "Can't compare %.100s and %.100s", Py_TYPE(a)->tp_name,
                 Py_TYPE(b)->tp_name);
    return -1;
}

int
PyUnicode_Equal(PyObject *a, PyObject *b)
{
    if (!PyUnicode_Check(a) || !PyUnicode_Check(b)) {
        PyErr_Format(PyExc_TypeError, "%s argument must be str, not %T",
                     PyUnicode_Check(a) ? "second" : "first", PyUnicode_Check(a) ? b : a);
        return -1;
    }
    return nj_str_eq(a, b);
}

PyAPI_FUNC(int) _PyUnicode_Equal(PyObject *a, PyObject *b);
int
_PyUnicode_Equal(PyObject *a, PyObject *b)
{
    return nj_str_eq(a, b);
}

int
PyUnicode_EqualToUTF8AndSize(PyObject *s, const char *text, Py_ssize_t size)
{
    if (PyUnicode_IS_ASCII(s)) {
        return PyUnicode_GET_LENGTH(s) == size &&
               memcmp(PyUnicode_DATA(s), text, (size_t)size) == 0;
    }
    if (PyUnicode_IS_COMPACT(s) && ((PyCompactUnicodeObject *)s)->utf8 != NULL) {
        return ((PyCompactUnicodeObject *)s)->utf8_length == size &&
               memcmp(((PyCompactUnicodeObject *)s)->utf8, text, (size_t)size) == 0;
    }
    const unsigned char *p = (const unsigned char *)text, *end = p + size;
    int kind = PyUnicode_KIND(s);
    const void *data = PyUnicode_DATA(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 ch = PyUnicode_READ(kind, data, i);
        unsigned char b[4];
        int w = 0;
        if (ch < 0x80) {
            b[w++] = (unsigned char)ch;
        } else if (ch < 0x800) {
            b[w++] = (unsigned char)(0xc0 | (ch >> 6));
            b[w++] = (unsigned char)(0x80 | (ch & 0x3f));
        } else if (ch < 0x10000) {
            if (ch >= 0xd800 && ch <= 0xdfff) {
                return 0;
            }
            b[w++] = (unsigned char)(0xe0 | (ch >> 12));
            b[w++] = (unsigned char)(0x80 | ((ch >> 6) & 0x3f));
            b[w++] = (unsigned char)(0x80 | (ch & 0x3f));
        } else {
            b[w++] = (unsigned char)(0xf0 | (ch >> 18));
            b[w++] = (unsigned char)(0x80 | ((ch >> 12) & 0x3f));
            b[w++] = (unsigned char)(0x80 | ((ch >> 6) & 0x3f));
            b[w++] = (unsigned char)(0x80 | (ch & 0x3f));
        }
        if (end - p < w || memcmp(p, b, (size_t)w) != 0) {
            return 0;
        }
        p += w;
    }
    return p == end;
}

int
PyUnicode_EqualToUTF8(PyObject *s, const char *text)
{
    return PyUnicode_EqualToUTF8AndSize(s, text, (Py_ssize_t)strlen(text));
}

int
PyUnicode_CompareWithASCIIString(PyObject *s, const char *text)
{
    int kind = PyUnicode_KIND(s);
    const void *data = PyUnicode_DATA(s);
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 ch = PyUnicode_READ(kind, data, i), c = (unsigned char)text[i];
        if (c == 0 || ch != c) {
            return ch < c ? -1 : 1;
        }
    }
    return text[n] ? -1 : 0;
}

PyObject *
PyUnicode_RichCompare(PyObject *a, PyObject *b, int op)
{
    if (!PyUnicode_Check(a) || !PyUnicode_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool r;
    if (op == Py_EQ) {
        r = nj_str_eq(a, b);
    } else if (op == Py_NE) {
        r = !nj_str_eq(a, b);
    } else {
        int c = compare(a, b);
        switch (op) {
        case Py_LT: r = c < 0; break;
        case Py_LE: r = c <= 0; break;
        case Py_GT: r = c > 0; break;
        case Py_GE: r = c >= 0; break;
        default: PyErr_BadArgument(); return NULL;
        }
    }
    return r ? Py_True : Py_False;
}

/* ---- parts and sums --------------------------------------------------------------------- */

PyObject *
nj_str_getitem(PyObject *s, Py_ssize_t i)
{
    int kind = PyUnicode_KIND(s);
    Py_UCS4 ch = PyUnicode_READ(kind, PyUnicode_DATA(s), i);
    return ch < 256 ? nj_str_latin1((unsigned char)ch) : PyUnicode_FromOrdinal((int)ch);
}

PyObject *
nj_str_slice(PyObject *s, Py_ssize_t start, Py_ssize_t stop)
{
    Py_ssize_t n = stop - start;
    if (n == PyUnicode_GET_LENGTH(s)) {
        return nj_str_exact(s);
    }
    if (n <= 0) {
        return nj_str_empty();
    }
    int kind = PyUnicode_KIND(s);
    const char *p = nj_at(PyUnicode_DATA(s), kind, start);
    return PyUnicode_IS_ASCII(s) ? nj_str_from_ascii(p, n) : nj_str_from_kind(kind, p, n);
}

PyObject *
PyUnicode_Substring(PyObject *s, Py_ssize_t start, Py_ssize_t end)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    end = Py_MIN(end, n);
    if (start == 0 && end == n) {
        return nj_str_exact(s);
    }
    if (start < 0 || end < 0) {
        PyErr_SetString(PyExc_IndexError, "string index out of range");
        return NULL;
    }
    if (start >= n || end < start) {
        return nj_str_empty();
    }
    return nj_str_slice(s, start, end);
}

PyObject *
PyUnicode_Concat(PyObject *a, PyObject *b)
{
    if (nj_str_require(a) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(b)) {
        PyErr_Format(PyExc_TypeError, "can only concatenate str (not \"%.200s\") to str",
                     Py_TYPE(b)->tp_name);
        return NULL;
    }
    Py_ssize_t la = PyUnicode_GET_LENGTH(a), lb = PyUnicode_GET_LENGTH(b);
    if (la == 0) {
        return nj_str_exact(b);
    }
    if (lb == 0) {
        return nj_str_exact(a);
    }
    if (la > PY_SSIZE_T_MAX - lb) {
        PyErr_SetString(PyExc_OverflowError, "strings are too large to concat");
        return NULL;
    }
    Py_UCS4 ma = PyUnicode_MAX_CHAR_VALUE(a), mb = PyUnicode_MAX_CHAR_VALUE(b);
    PyObject *r = PyUnicode_New(la + lb, Py_MAX(ma, mb));
    if (r == NULL) {
        return NULL;
    }
    int k = PyUnicode_KIND(r);
    char *d = PyUnicode_DATA(r);
    nj_copy_chars(k, d, PyUnicode_KIND(a), PyUnicode_DATA(a), la);
    nj_copy_chars(k, d + la * k, PyUnicode_KIND(b), PyUnicode_DATA(b), lb);
    return r;
}

void
PyUnicode_Append(PyObject **p, PyObject *right)
{
    PyObject *left = p == NULL ? NULL : *p;
    if (p == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_BadInternalCall();
        }
        return;
    }
    if (left == NULL || right == NULL || !PyUnicode_Check(left) ||
        !PyUnicode_Check(right)) {
        if (!PyErr_Occurred()) {
            PyErr_BadInternalCall();
        }
        Py_CLEAR(*p);
        return;
    }
    Py_ssize_t la = PyUnicode_GET_LENGTH(left), lb = PyUnicode_GET_LENGTH(right);
    if (lb == 0 && PyUnicode_CheckExact(left)) {
        return;
    }
    if (la != 0 && nj_str_is_unique(left) && PyUnicode_CheckExact(right) &&
        PyUnicode_MAX_CHAR_VALUE(right) <= PyUnicode_MAX_CHAR_VALUE(left) &&
        la <= PY_SSIZE_T_MAX - lb && left != right) {
        if (resize_unique(p, la + lb) < 0) {
            Py_CLEAR(*p);
            return;
        }
        int k = PyUnicode_KIND(*p);
        nj_copy_chars(k, (char *)PyUnicode_DATA(*p) + la * k, PyUnicode_KIND(right),
                      PyUnicode_DATA(right), lb);
        return;
    }
    PyObject *r = PyUnicode_Concat(left, right);
    *p = r;
    Py_DECREF(left);
}

void
PyUnicode_AppendAndDel(PyObject **p, PyObject *right)
{
    PyUnicode_Append(p, right);
    Py_XDECREF(right);
}

PyObject *
nj_str_join_array(PyObject *sep, PyObject *const *items, Py_ssize_t n)
{
    if (n == 0) {
        return nj_str_empty();
    }
    if (n == 1 && PyUnicode_CheckExact(items[0])) {
        return Py_NewRef(items[0]);
    }
    Py_ssize_t sep_len = 0;
    Py_UCS4 max = 0;
    if (sep != NULL && n > 1) {
        if (!PyUnicode_Check(sep)) {
            PyErr_Format(PyExc_TypeError, "separator: expected str instance, %.80s found",
                         Py_TYPE(sep)->tp_name);
            return NULL;
        }
        sep_len = PyUnicode_GET_LENGTH(sep);
        if (sep_len > 0) {
            max = PyUnicode_MAX_CHAR_VALUE(sep);
        }
    }
    size_t total = (size_t)sep_len * (size_t)(n - 1);
    if (sep_len != 0 && (size_t)(n - 1) > (size_t)PY_SSIZE_T_MAX / (size_t)sep_len) {
        total = (size_t)PY_SSIZE_T_MAX + 1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *s = items[i];
        if (NJ_UNLIKELY(!PyUnicode_Check(s))) {
            PyErr_Format(PyExc_TypeError,
                         "sequence item %zd: expected str instance, %.80s found", i,
                         Py_TYPE(s)->tp_name);
            return NULL;
        }
        Py_UCS4 m = PyUnicode_MAX_CHAR_VALUE(s);
        max = Py_MAX(max, m);
        total += (size_t)PyUnicode_GET_LENGTH(s);
        if (NJ_UNLIKELY(total > (size_t)PY_SSIZE_T_MAX)) {
            PyErr_SetString(PyExc_OverflowError,
                            "join() result is too long for a Python string");
            return NULL;
        }
    }
    if (total <= 1) {
        for (Py_ssize_t i = 0; i < n; i++) {
            if (PyUnicode_GET_LENGTH(items[i]) != 0) {
                return nj_str_exact(items[i]);
            }
        }
        if (total == 0) {
            return nj_str_empty();
        }
        return nj_str_exact(sep);
    }
    PyObject *r = PyUnicode_New((Py_ssize_t)total, max);
    if (r == NULL) {
        return NULL;
    }
    int kind = PyUnicode_KIND(r);
    char *d = PyUnicode_DATA(r);
    if (kind == 1) {
        const char *sp = sep_len ? PyUnicode_DATA(sep) : NULL;
        for (Py_ssize_t i = 0; i < n; i++) {
            if (sep_len != 0 && i != 0) {
                if (sep_len == 1) {
                    *d = *sp;
                } else {
                    memcpy(d, sp, (size_t)sep_len);
                }
                d += sep_len;
            }
            Py_ssize_t len = PyUnicode_GET_LENGTH(items[i]);
            memcpy(d, PyUnicode_DATA(items[i]), (size_t)len);
            d += len;
        }
        return r;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (sep_len != 0 && i != 0) {
            nj_copy_chars(kind, d, PyUnicode_KIND(sep), PyUnicode_DATA(sep), sep_len);
            d += sep_len * kind;
        }
        Py_ssize_t len = PyUnicode_GET_LENGTH(items[i]);
        nj_copy_chars(kind, d, PyUnicode_KIND(items[i]), PyUnicode_DATA(items[i]), len);
        d += len * kind;
    }
    return r;
}

PyAPI_FUNC(PyObject *)
    _PyUnicode_JoinArray(PyObject *separator, PyObject *const *items, Py_ssize_t seqlen);
PyObject *
_PyUnicode_JoinArray(PyObject *separator, PyObject *const *items, Py_ssize_t seqlen)
{
    return nj_str_join_array(separator == NULL ? nj_str_latin1(' ') : separator, items,
                             seqlen);
}

PyObject *
PyUnicode_Join(PyObject *sep, PyObject *seq)
{
    PyObject *fast = PySequence_Fast(seq, "can only join an iterable");
    if (fast == NULL) {
        return NULL;
    }
    PyObject *r = nj_str_join_array(sep == NULL ? nj_str_latin1(' ') : sep,
                                    PySequence_Fast_ITEMS(fast),
                                    PySequence_Fast_GET_SIZE(fast));
    Py_DECREF(fast);
    return r;
}

/* ---- slots -------------------------------------------------------------------------------- */

static Py_ssize_t
str_length(PyObject *s)
{
    return PyUnicode_GET_LENGTH(s);
}

static PyObject *
str_repeat(PyObject *s, Py_ssize_t n)
{
    Py_ssize_t len = PyUnicode_GET_LENGTH(s);
    if (n < 1 || len == 0) {
        return nj_str_empty();
    }
    if (n == 1) {
        return nj_str_exact(s);
    }
    if (len > PY_SSIZE_T_MAX / n) {
        PyErr_SetString(PyExc_OverflowError, "repeated string is too long");
        return NULL;
    }
    PyObject *r = PyUnicode_New(len * n, PyUnicode_MAX_CHAR_VALUE(s));
    if (r == NULL) {
        return NULL;
    }
    int kind = PyUnicode_KIND(r);
    char *d = PyUnicode_DATA(r);
    if (len == 1) {
        nj_fill_chars(kind, d, PyUnicode_READ(kind, PyUnicode_DATA(s), 0), n);
        return r;
    }
    size_t unit = (size_t)(len * kind), total = unit * (size_t)n, done = unit;
    memcpy(d, PyUnicode_DATA(s), unit);
    while (done < total) {
        size_t take = Py_MIN(done, total - done);
        memcpy(d + done, d, take);
        done += take;
    }
    return r;
}

static PyObject *
str_item(PyObject *s, Py_ssize_t i)
{
    if (i < 0 || i >= PyUnicode_GET_LENGTH(s)) {
        PyErr_SetString(PyExc_IndexError, "string index out of range");
        return NULL;
    }
    return nj_str_getitem(s, i);
}

static PyObject *
str_subscript(PyObject *s, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        if (i < 0) {
            i += PyUnicode_GET_LENGTH(s);
        }
        return str_item(s, i);
    }
    if (PySlice_Check(key)) {
        Py_ssize_t start, stop, step;
        if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
            return NULL;
        }
        Py_ssize_t n = PySlice_AdjustIndices(PyUnicode_GET_LENGTH(s), &start, &stop, step);
        if (n <= 0) {
            return nj_str_empty();
        }
        if (step == 1) {
            return nj_str_slice(s, start, start + n);
        }
        int kind = PyUnicode_KIND(s);
        const void *p = PyUnicode_DATA(s);
        if (n == 1) {
            return nj_str_getitem(s, start);
        }
        Py_UCS4 max = PyUnicode_MAX_CHAR_VALUE(s);
        if (max > 0x7f) {
            Py_UCS4 all = 0;
            for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
                all |= PyUnicode_READ(kind, p, at);
            }
            max = Py_MIN(all, 0x10ffff);
        }
        PyObject *r = PyUnicode_New(n, max);
        if (r == NULL) {
            return NULL;
        }
        int rk = PyUnicode_KIND(r);
        void *d = PyUnicode_DATA(r);
        for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
            PyUnicode_WRITE(rk, d, i, PyUnicode_READ(kind, p, at));
        }
        return r;
    }
    PyErr_Format(PyExc_TypeError, "string indices must be integers, not '%.200s'",
                 Py_TYPE(key)->tp_name);
    return NULL;
}

int
PyUnicode_Contains(PyObject *s, PyObject *sub)
{
    if (!PyUnicode_Check(sub)) {
        PyErr_Format(PyExc_TypeError,
                     "'in <string>' requires string as left operand, not %.100s",
                     Py_TYPE(sub)->tp_name);
        return -1;
    }
    if (nj_str_require(s) < 0) {
        return -1;
    }
    return PyUnicode_Find(s, sub, 0, PY_SSIZE_T_MAX, 1) >= 0;
}

static PyObject *
str_mod(PyObject *a, PyObject *b)
{
    if (!PyUnicode_Check(a)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return PyUnicode_Format(a, b);
}

static PyObject *
str_str(PyObject *s)
{
    return nj_str_exact(s);
}

static const char hex[] = "0123456789abcdef";

static PyObject *
str_repr(PyObject *s)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    const void *p = PyUnicode_DATA(s);
    Py_ssize_t size = 0, squote = 0, dquote = 0;
    Py_UCS4 max = 127;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i);
        Py_ssize_t w = 1;
        if (ch < 0x7f) {
            if (ch == '\'') {
                squote++;
            } else if (ch == '"') {
                dquote++;
            } else if (ch == '\\' || ch == '\t' || ch == '\r' || ch == '\n') {
                w = 2;
            } else if (ch < ' ') {
                w = 4;
            }
        } else if (ch == 0x7f) {
            w = 4;
        } else if (Py_UNICODE_ISPRINTABLE(ch)) {
            max = Py_MAX(max, ch);
        } else {
            w = ch < 0x100 ? 4 : ch < 0x10000 ? 6 : 10;
        }
        if (size > PY_SSIZE_T_MAX - 2 - n - w) {
            PyErr_SetString(PyExc_OverflowError, "string is too long to generate repr");
            return NULL;
        }
        size += w;
    }
    Py_UCS4 quote = '\'';
    bool plain = size == n;
    if (squote) {
        plain = false;
        if (dquote) {
            size += squote;
        } else {
            quote = '"';
            plain = size == n;
        }
    }
    size += 2;
    PyObject *r = PyUnicode_New(size, max);
    if (r == NULL) {
        return NULL;
    }
    int rk = PyUnicode_KIND(r);
    void *d = PyUnicode_DATA(r);
    PyUnicode_WRITE(rk, d, 0, quote);
    PyUnicode_WRITE(rk, d, size - 1, quote);
    if (plain) {
        nj_copy_chars(rk, (char *)d + rk, kind, p, n);
        return r;
    }
    Py_ssize_t o = 1;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 ch = PyUnicode_READ(kind, p, i);
        if (ch == quote || ch == '\\') {
            PyUnicode_WRITE(rk, d, o++, '\\');
            PyUnicode_WRITE(rk, d, o++, ch);
        } else if (ch == '\t' || ch == '\n' || ch == '\r') {
            PyUnicode_WRITE(rk, d, o++, '\\');
            PyUnicode_WRITE(rk, d, o++, ch == '\t' ? 't' : ch == '\n' ? 'n' : 'r');
        } else if ((ch >= ' ' && ch < 0x7f) || (ch > 0x7f && Py_UNICODE_ISPRINTABLE(ch))) {
            PyUnicode_WRITE(rk, d, o++, ch);
        } else {
            int digits = ch < 0x100 ? 2 : ch < 0x10000 ? 4 : 8;
            PyUnicode_WRITE(rk, d, o++, '\\');
            PyUnicode_WRITE(rk, d, o++, digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
            for (int k = digits - 1; k >= 0; k--) {
                PyUnicode_WRITE(rk, d, o++, hex[(ch >> (4 * k)) & 15]);
            }
        }
    }
    return r;
}

/* ---- constructor --------------------------------------------------------------------------- */

static const char *const new_names[] = {"object", "encoding", "errors", NULL};
static const NjParams new_params = {"str", new_names, 3, 0, 0};

static int
arg_as_utf8(PyObject *o, const char *display, const char **out)
{
    *out = NULL;
    if (o == NULL) {
        return 0;
    }
    if (!PyUnicode_Check(o)) {
        _PyArg_BadArgument("str", display, "str", o);
        return -1;
    }
    Py_ssize_t n;
    *out = PyUnicode_AsUTF8AndSize(o, &n);
    if (*out == NULL) {
        return -1;
    }
    if (strlen(*out) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    return 0;
}

static PyObject *
make_str(PyObject *object, PyObject *encoding, PyObject *errors)
{
    const char *enc, *err;
    if (arg_as_utf8(encoding, "argument 'encoding'", &enc) < 0 ||
        arg_as_utf8(errors, "argument 'errors'", &err) < 0) {
        return NULL;
    }
    if (object == NULL) {
        return nj_str_empty();
    }
    if (enc == NULL && err == NULL) {
        return PyObject_Str(object);
    }
    return PyUnicode_FromEncodedObject(object, enc, err);
}

static PyObject *
str_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *a[3];
    if (nj_args_bind_tuple(&new_params, args, kwargs, a) < 0) {
        return NULL;
    }
    PyObject *s = make_str(a[0], a[1], a[2]);
    if (s == NULL || type == &PyUnicode_Type) {
        return s;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    int kind = PyUnicode_KIND(s);
    PyObject *r = type->tp_alloc(type, 0);
    if (r == NULL) {
        Py_DECREF(s);
        return NULL;
    }
    PyUnicodeObject *u = (PyUnicodeObject *)r;
    PyASCIIObject *base = &u->_base._base;
    base->length = n;
    base->hash = ((PyASCIIObject *)s)->hash;
    memset(&base->state, 0, sizeof(base->state));
    base->state.kind = (unsigned)kind;
    base->state.ascii = PyUnicode_IS_ASCII(s);
    u->_base.utf8 = NULL;
    u->_base.utf8_length = 0;
    u->data.any = NULL;
    char *data = n < PY_SSIZE_T_MAX / kind - 1
                     ? PyMem_Malloc(((size_t)n + 1) * (size_t)kind)
                     : NULL;
    if (data == NULL) {
        PyErr_NoMemory();
        Py_DECREF(r);
        Py_DECREF(s);
        return NULL;
    }
    memcpy(data, PyUnicode_DATA(s), ((size_t)n + 1) * (size_t)kind);
    u->data.any = data;
    if (base->state.ascii) {
        u->_base.utf8 = data;
        u->_base.utf8_length = n;
    }
    Py_DECREF(s);
    return r;
}

static PyObject *
str_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (n == 1 && (kwnames == NULL || PyTuple_GET_SIZE(kwnames) == 0)) {
        return PyObject_Str(args[0]);
    }
    if (n > 3) {
        _PyArg_CheckPositional("str", n, 0, 3);
        return NULL;
    }
    PyObject *a[3];
    if (nj_args_bind(&new_params, args, n, kwnames, a) < 0) {
        return NULL;
    }
    return make_str(a[0], a[1], a[2]);
}

/* ---- iterators ------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq; /* owned; NULL when exhausted */
} NjStrIter;

extern PyTypeObject NjStrAsciiIter_Type;

static PyObject *
str_iter(PyObject *s)
{
    PyTypeObject *tp =
        PyUnicode_IS_COMPACT_ASCII(s) ? &NjStrAsciiIter_Type : &PyUnicodeIter_Type;
    NjStrIter *it = PyObject_GC_New(NjStrIter, tp);
    if (it == NULL) {
        return NULL;
    }
    it->index = 0;
    it->seq = Py_NewRef(s);
    PyObject_GC_Track(it);
    return (PyObject *)it;
}

static void
striter_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    Py_XDECREF(((NjStrIter *)op)->seq);
    PyObject_GC_Del(op);
}

static int
striter_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjStrIter *)op)->seq);
    return 0;
}

static PyObject *
striter_next(PyObject *op)
{
    NjStrIter *it = (NjStrIter *)op;
    PyObject *s = it->seq;
    if (s == NULL) {
        return NULL;
    }
    if (it->index < PyUnicode_GET_LENGTH(s)) {
        return nj_str_getitem(s, it->index++);
    }
    it->seq = NULL;
    Py_DECREF(s);
    return NULL;
}

static PyObject *
asciiiter_next(PyObject *op)
{
    NjStrIter *it = (NjStrIter *)op;
    PyObject *s = it->seq;
    if (s == NULL) {
        return NULL;
    }
    if (it->index < PyUnicode_GET_LENGTH(s)) {
        return (PyObject *)&nj_ascii_chars[((unsigned char *)((PyASCIIObject *)s +
                                                              1))[it->index++]];
    }
    it->seq = NULL;
    Py_DECREF(s);
    return NULL;
}

static PyObject *
striter_length_hint(PyObject *op, PyObject *unused)
{
    NjStrIter *it = (NjStrIter *)op;
    return PyLong_FromSsize_t(it->seq ? PyUnicode_GET_LENGTH(it->seq) - it->index : 0);
}

PyObject *
nj_builtin_iter(void)
{
    PyObject *iter;
    int found = PyMapping_GetOptionalItem(PyEval_GetBuiltins(), NJ_ID(iter), &iter);
    if (found == 0) {
        PyErr_SetObject(PyExc_AttributeError, NJ_ID(iter));
    }
    return iter;
}

static PyObject *
striter_reduce(PyObject *op, PyObject *unused)
{
    NjStrIter *it = (NjStrIter *)op;
    NJ_OWN iter = nj_builtin_iter();
    if (iter == NULL) {
        return NULL;
    }
    /* looking iter up may have run code that advanced us: read the fields last */
    if (it->seq != NULL) {
        return Py_BuildValue("O(O)n", iter, it->seq, it->index);
    }
    return Py_BuildValue("O(O)", iter, nj_str_empty());
}

static PyObject *
striter_setstate(PyObject *op, PyObject *state)
{
    NjStrIter *it = (NjStrIter *)op;
    Py_ssize_t i = PyLong_AsSsize_t(state);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (it->seq != NULL) {
        it->index = i < 0 ? 0 : Py_MIN(i, PyUnicode_GET_LENGTH(it->seq));
    }
    Py_RETURN_NONE;
}

static PyMethodDef striter_methods[] = {
    {"__length_hint__", striter_length_hint, METH_NOARGS,
     "__length_hint__($self, /)\n--\n\nHow many items are probably left."},
    {"__reduce__", striter_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nState for pickling."},
    {"__setstate__", striter_setstate, METH_O,
     "__setstate__($self, object, /)\n--\n\nSet the position from a pickled state."},
    {NULL},
};

PyTypeObject PyUnicodeIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "str_iterator",
    .tp_basicsize = sizeof(NjStrIter),
    .tp_dealloc = striter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = striter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = striter_next,
    .tp_methods = striter_methods,
};

PyTypeObject NjStrAsciiIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "str_ascii_iterator",
    .tp_basicsize = sizeof(NjStrIter),
    .tp_dealloc = striter_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = striter_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = asciiiter_next,
    .tp_methods = striter_methods,
};

/* ---- the type ------------------------------------------------------------------------------- */

static PyNumberMethods str_as_number = {
    .nb_remainder = str_mod,
};

static PySequenceMethods str_as_sequence = {
    .sq_length = str_length,
    .sq_concat = PyUnicode_Concat,
    .sq_repeat = str_repeat,
    .sq_item = str_item,
    .sq_contains = PyUnicode_Contains,
};

static PyMappingMethods str_as_mapping = {
    .mp_length = str_length,
    .mp_subscript = str_subscript,
};

PyDoc_STRVAR(str_doc,
             "str(object='') -> str\n"
             "str(bytes_or_buffer[, encoding[, errors]]) -> str\n"
             "\n"
             "Text: an immutable sequence of Unicode code points. With encoding or errors\n"
             "the object is decoded; otherwise the result is what object.__str__() gives.");

PyTypeObject PyUnicode_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "str",
    .tp_basicsize = sizeof(PyUnicodeObject),
    .tp_dealloc = str_dealloc,
    .tp_repr = str_repr,
    .tp_as_number = &str_as_number,
    .tp_as_sequence = &str_as_sequence,
    .tp_as_mapping = &str_as_mapping,
    .tp_hash = str_hash,
    .tp_str = str_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_UNICODE_SUBCLASS |
                _Py_TPFLAGS_MATCH_SELF,
    .tp_doc = str_doc,
    .tp_richcompare = PyUnicode_RichCompare,
    .tp_iter = str_iter,
    .tp_methods = nj_str_methods,
    .tp_new = str_new,
    .tp_free = PyObject_Free,
    .tp_vectorcall = str_vectorcall,
};

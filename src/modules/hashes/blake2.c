/* blake2.c - BLAKE2b and BLAKE2s (RFC 7693) with tree parameters, and the module _blake2.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "hashes_int.h"

static const unsigned char sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};
static const uint64_t iv_b[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
static const uint32_t iv_s[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

NJ_INLINE uint64_t
le64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return PY_LITTLE_ENDIAN ? x : __builtin_bswap64(x);
}

NJ_INLINE uint32_t
le32(const unsigned char *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return PY_LITTLE_ENDIAN ? x : __builtin_bswap32(x);
}

/* Four columns at a time: with vectors of four words the compiler keeps the state in
 * registers and uses what the processor has. */
typedef uint64_t V64 __attribute__((vector_size(32)));
typedef uint32_t V32 __attribute__((vector_size(16)));

#define ROTATE(v, n, bits) ((v) >> (n) | (v) << ((bits) - (n)))

#define HALF_ROUND(V, bits, r1, r2, r3, r4, s)                                           \
    a += b + (V){m[(s)[0]], m[(s)[2]], m[(s)[4]], m[(s)[6]]};                            \
    d ^= a;                                                                              \
    d = ROTATE(d, r1, bits);                                                             \
    c += d;                                                                              \
    b ^= c;                                                                              \
    b = ROTATE(b, r2, bits);                                                             \
    a += b + (V){m[(s)[1]], m[(s)[3]], m[(s)[5]], m[(s)[7]]};                            \
    d ^= a;                                                                              \
    d = ROTATE(d, r3, bits);                                                             \
    c += d;                                                                              \
    b ^= c;                                                                              \
    b = ROTATE(b, r4, bits)

#define LEFT1(V, v) __builtin_shuffle(v, (V){1, 2, 3, 0})
#define LEFT2(V, v) __builtin_shuffle(v, (V){2, 3, 0, 1})
#define LEFT3(V, v) __builtin_shuffle(v, (V){3, 0, 1, 2})

/* columns, then diagonals, which are columns after turning the rows */
#define FULL_ROUND(V, bits, r1, r2, r3, r4, s)                                           \
    HALF_ROUND(V, bits, r1, r2, r3, r4, s);                                              \
    b = LEFT1(V, b);                                                                     \
    c = LEFT2(V, c);                                                                     \
    d = LEFT3(V, d);                                                                     \
    HALF_ROUND(V, bits, r1, r2, r3, r4, (s) + 8);                                        \
    b = LEFT3(V, b);                                                                     \
    c = LEFT2(V, c);                                                                     \
    d = LEFT1(V, d)

static inline __attribute__((always_inline)) void
compress_b_body(NjHashCtx *ctx, const unsigned char *p, uint64_t last, uint64_t last_node)
{
    uint64_t m[16];
    for (int i = 0; i < 16; i++) {
        m[i] = le64(p + 8 * i);
    }
    uint64_t *h = ctx->h.w64;
    V64 a, b, c = {iv_b[0], iv_b[1], iv_b[2], iv_b[3]};
    memcpy(&a, h, sizeof a);
    memcpy(&b, h + 4, sizeof b);
    V64 a0 = a, b0 = b;
    V64 d = {iv_b[4] ^ ctx->length, iv_b[5] ^ ctx->length_high, iv_b[6] ^ last,
             iv_b[7] ^ last_node};
#pragma GCC unroll 12
    for (int r = 0; r < 12; r++) {
        const unsigned char *s = sigma[r % 10];
        FULL_ROUND(V64, 64, 32, 24, 16, 63, s);
    }
    a ^= a0 ^ c;
    b ^= b0 ^ d;
    memcpy(h, &a, sizeof a);
    memcpy(h + 4, &b, sizeof b);
}

static inline __attribute__((always_inline)) void
compress_s_body(NjHashCtx *ctx, const unsigned char *p, uint32_t last, uint32_t last_node)
{
    uint32_t m[16];
    for (int i = 0; i < 16; i++) {
        m[i] = le32(p + 4 * i);
    }
    uint32_t *h = ctx->h.w32;
    V32 a, b, c = {iv_s[0], iv_s[1], iv_s[2], iv_s[3]};
    memcpy(&a, h, sizeof a);
    memcpy(&b, h + 4, sizeof b);
    V32 a0 = a, b0 = b;
    V32 d = {iv_s[4] ^ (uint32_t)ctx->length, iv_s[5] ^ (uint32_t)(ctx->length >> 32),
             iv_s[6] ^ last, iv_s[7] ^ last_node};
#pragma GCC unroll 10
    for (int r = 0; r < 10; r++) {
        const unsigned char *s = sigma[r];
        FULL_ROUND(V32, 32, 16, 12, 8, 7, s);
    }
    a ^= a0 ^ c;
    b ^= b0 ^ d;
    memcpy(h, &a, sizeof a);
    memcpy(h + 4, &b, sizeof b);
}

/* The work proper, once for any processor and on x86 once more for AVX2; one is chosen
 * when the program is loaded. */
#if defined(__x86_64__) && defined(__gnu_linux__)
#define CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CLONES
#endif

CLONES static void
compress_b(NjHashCtx *ctx, const unsigned char *p, size_t n, bool last)
{
    for (; n; n--, p += 128) {
        if (!last) {
            ctx->length += 128;
            ctx->length_high += ctx->length < 128;
        }
        compress_b_body(ctx, p, last ? UINT64_MAX : 0,
                        last && ctx->last_node ? UINT64_MAX : 0);
    }
}

CLONES static void
compress_s(NjHashCtx *ctx, const unsigned char *p, size_t n, bool last)
{
    for (; n; n--, p += 64) {
        if (!last) {
            ctx->length += 64;
        }
        compress_s_body(ctx, p, last ? UINT32_MAX : 0,
                        last && ctx->last_node ? UINT32_MAX : 0);
    }
}

static void
blake2b_blocks(NjHashCtx *c, const unsigned char *p, size_t n)
{
    compress_b(c, p, n, false);
}

static void
blake2s_blocks(NjHashCtx *c, const unsigned char *p, size_t n)
{
    compress_s(c, p, n, false);
}

static void
blake2b_finish(NjHashCtx *c, unsigned char *out)
{
    c->length += c->used;
    c->length_high += c->length < c->used;
    memset(c->block + c->used, 0, 128u - c->used);
    compress_b(c, c->block, 1, true);
    for (int i = 0; i < c->digest_size; i++) {
        out[i] = (unsigned char)(c->h.w64[i / 8] >> (8 * (i % 8)));
    }
}

static void
blake2s_finish(NjHashCtx *c, unsigned char *out)
{
    c->length += c->used;
    memset(c->block + c->used, 0, 64u - c->used);
    compress_s(c, c->block, 1, true);
    for (int i = 0; i < c->digest_size; i++) {
        out[i] = (unsigned char)(c->h.w32[i / 4] >> (8 * (i % 4)));
    }
}

/* no key, salt or tree */
static void
blake2b_init(NjHashCtx *c)
{
    memcpy(&c->h, iv_b, sizeof iv_b);
    c->h.w64[0] ^= 0x01010000u ^ c->digest_size;
}

static void
blake2s_init(NjHashCtx *c)
{
    memcpy(&c->h, iv_s, sizeof iv_s);
    c->h.w32[0] ^= 0x01010000u ^ c->digest_size;
}

const NjHashAlgorithm nj_blake2b = {"blake2b",    64,             128, true,
                                    blake2b_init, blake2b_blocks, blake2b_finish};
const NjHashAlgorithm nj_blake2s = {"blake2s",    32,             64, true,
                                    blake2s_init, blake2s_blocks, blake2s_finish};

/* ---- parameters --------------------------------------------------------------------- */

typedef struct Parameters {
    int digest_size, fanout, depth, node_depth, inner_size, last_node;
    unsigned long leaf_size;
    unsigned long long node_offset;
    Py_buffer key, salt, person;
} Parameters;

static void
drop_parameters(Parameters *p)
{
    nj_drop_buf_(&p->key);
    nj_drop_buf_(&p->salt);
    nj_drop_buf_(&p->person);
}

/* A non-negative int below 2**64. */
static int
unsigned_of(PyObject *o, const char *c_type, unsigned long long *result)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return -1;
    }
    if (PyLong_IsNegative(index)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    *result = PyLong_AsUnsignedLongLong(index);
    if (*result == (unsigned long long)-1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Format(PyExc_OverflowError, "Python int too large for C %s", c_type);
        }
        return -1;
    }
    return 0;
}

/* for PyArg_Parse: int as the reference complains about it, not as format i does */
static int
convert_int(PyObject *o, void *p)
{
    int v = PyLong_AsInt(o);
    *(int *)p = v;
    return v != -1 || !PyErr_Occurred();
}

static int
convert_ulong(PyObject *o, void *p)
{
    unsigned long long v;
    if (unsigned_of(o, "unsigned long", &v) < 0) {
        return 0;
    }
    *(unsigned long *)p = (unsigned long)v;
    return 1;
}

static int
convert_ulonglong(PyObject *o, void *p)
{
    return unsigned_of(o, "unsigned long long", p) == 0;
}

static int
check_range(int value, int low, int high, const char *message)
{
    if (value < low || value > high) {
        PyErr_SetString(PyExc_ValueError, message);
        return -1;
    }
    return 0;
}

static int
check_length(const Py_buffer *view, Py_ssize_t max, const char *what)
{
    if (view->obj && view->len > max) {
        PyErr_Format(PyExc_ValueError, "maximum %s length is %zd bytes", what, max);
        return -1;
    }
    return 0;
}

static int
check_parameters(const Parameters *p, bool b)
{
    const int max_digest = b ? 64 : 32, text = b ? 16 : 8;
    if (p->digest_size <= 0 || p->digest_size > max_digest) {
        PyErr_Format(PyExc_ValueError,
                     "digest_size for %s must be between 1 and %d bytes, here it is %d",
                     b ? "Blake2b" : "Blake2s", max_digest, p->digest_size);
        return -1;
    }
    if (check_length(&p->salt, text, "salt") < 0
        || check_length(&p->person, text, "person") < 0
        || check_range(p->fanout, 0, 255, "fanout must be between 0 and 255") < 0
        || check_range(p->depth, 1, 255, "depth must be between 1 and 255") < 0) {
        return -1;
    }
    if (p->leaf_size > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "leaf_size is too large");
        return -1;
    }
    if (!b && p->node_offset > 0xffffffffffffull) {
        PyErr_SetString(PyExc_OverflowError, "node_offset is too large");
        return -1;
    }
    if (check_range(p->node_depth, 0, 255, "node_depth must be between 0 and 255") < 0
        || check_range(p->inner_size, 0, max_digest,
                       b ? "inner_size must be between 0 and is 64"
                         : "inner_size must be between 0 and is 32")
               < 0) {
        return -1;
    }
    return check_length(&p->key, max_digest, "key");
}

static void
store(unsigned char *to, unsigned long long value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        to[i] = (unsigned char)(value >> (8 * i));
    }
}

/* Starts a context with checked parameters; the key counts as the first block. */
static void
start(NjHashCtx *c, const NjHashAlgorithm *a, const Parameters *p)
{
    bool b = a == &nj_blake2b;
    size_t text = b ? 16 : 8, offset_bytes = b ? 8 : 6;
    unsigned char block[64] = {(unsigned char)p->digest_size, (unsigned char)p->key.len,
                               (unsigned char)p->fanout, (unsigned char)p->depth};
    store(block + 4, p->leaf_size, 4);
    store(block + 8, p->node_offset, (int)offset_bytes);
    block[8 + offset_bytes] = (unsigned char)p->node_depth;
    block[9 + offset_bytes] = (unsigned char)p->inner_size;
    if (p->salt.len) {
        memcpy(block + 2 * text, p->salt.buf, (size_t)p->salt.len);
    }
    if (p->person.len) {
        memcpy(block + 3 * text, p->person.buf, (size_t)p->person.len);
    }
    for (int i = 0; i < 8; i++) {
        if (b) {
            c->h.w64[i] = iv_b[i] ^ le64(block + 8 * i);
        } else {
            c->h.w32[i] = iv_s[i] ^ le32(block + 4 * i);
        }
    }
    c->length = c->length_high = 0;
    c->used = 0;
    c->digest_size = (uint8_t)p->digest_size;
    c->last_node = p->last_node;
    if (p->key.len) {
        unsigned char key[128] = {0};
        memcpy(key, p->key.buf, (size_t)p->key.len);
        nj_hash_feed(c, a, key, a->block_size);
    }
}

/* ---- types -------------------------------------------------------------------------- */

static PyObject *
make(PyTypeObject *type, PyObject *args, PyObject *kwargs, const NjHashAlgorithm *a)
{
    static char *names[] = {"data",      "digest_size",     "key",         "salt",
                            "person",    "fanout",          "depth",       "leaf_size",
                            "node_offset", "node_depth",    "inner_size",  "last_node",
                            "usedforsecurity", "string",    NULL};
    __attribute__((cleanup(drop_parameters))) Parameters p = {
        .digest_size = a->digest_size, .fanout = 1, .depth = 1};
    PyObject *data = NULL, *string = NULL;
    int security = 1; /* nothing here is approved or refused */
    bool plain = !kwargs && PyTuple_GET_SIZE(args) <= 1;
    if (plain) {
        data = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    } else if (!PyArg_ParseTupleAndKeywords(
                   args, kwargs,
                   a == &nj_blake2b ? "|O$O&y*y*y*O&O&O&O&O&O&ppO:blake2b"
                                    : "|O$O&y*y*y*O&O&O&O&O&O&ppO:blake2s",
                   names, &data, convert_int, &p.digest_size, &p.key, &p.salt, &p.person,
                   convert_int, &p.fanout, convert_int, &p.depth, convert_ulong,
                   &p.leaf_size, convert_ulonglong, &p.node_offset, convert_int,
                   &p.node_depth, convert_int, &p.inner_size, &p.last_node, &security,
                   &string)
               || nj_hash_initial(data, string, &data) < 0
               || check_parameters(&p, a == &nj_blake2b) < 0) {
        return NULL;
    }
    NJ_OWN h = type->tp_alloc(type, 0);
    if (!h) {
        return NULL;
    }
    ((NjHash *)h)->algorithm = a;
    start(&((NjHash *)h)->ctx, a, &p);
    if (data && nj_hash_update((NjHash *)h, data) < 0) {
        return NULL;
    }
    return NJ_TAKE(h);
}

static PyObject *
blake2b_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return make(type, args, kwargs, &nj_blake2b);
}

static PyObject *
blake2s_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return make(type, args, kwargs, &nj_blake2s);
}

static PyMethodDef blake2_methods[] = {
    NJ_HASH_METHOD_COPY,
    NJ_HASH_METHOD_DIGEST,
    NJ_HASH_METHOD_HEXDIGEST,
    NJ_HASH_METHOD_UPDATE("data"),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef blake2_getset[] = {
    NJ_HASH_GETTERS,
    {NULL, NULL, NULL, NULL, NULL},
};

#define BLAKE2_DOC(name, shown)                                                          \
    name "(data=b'', *, digest_size=_blake2." name ".MAX_DIGEST_SIZE,\n"                 \
         "        key=b'', salt=b'', person=b'', fanout=1, depth=1, leaf_size=0,\n"      \
         "        node_offset=0, node_depth=0, inner_size=0, last_node=False,\n"         \
         "        usedforsecurity=True, string=None)\n--\n\n"                            \
         "Return a new " shown " hash object."

static PyType_Slot blake2b_slots[] = {
    {Py_tp_dealloc, nj_hash_dealloc},
    {Py_tp_traverse, nj_hash_traverse},
    {Py_tp_new, blake2b_new},
    {Py_tp_methods, blake2_methods},
    {Py_tp_getset, blake2_getset},
    {Py_tp_doc, BLAKE2_DOC("blake2b", "BLAKE2b")},
    {0, NULL},
};

static PyType_Slot blake2s_slots[] = {
    {Py_tp_dealloc, nj_hash_dealloc},
    {Py_tp_traverse, nj_hash_traverse},
    {Py_tp_new, blake2s_new},
    {Py_tp_methods, blake2_methods},
    {Py_tp_getset, blake2_getset},
    {Py_tp_doc, BLAKE2_DOC("blake2s", "BLAKE2s")},
    {0, NULL},
};

static PyType_Spec blake2b_spec = {
    .name = "_blake2.blake2b",
    .basicsize = sizeof(NjHash),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = blake2b_slots,
};

static PyType_Spec blake2s_spec = {
    .name = "_blake2.blake2s",
    .basicsize = sizeof(NjHash),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = blake2s_slots,
};

static int
set_size(PyObject *m, PyObject *type, const char *prefix, const char *name, int value)
{
    char full[64];
    PyOS_snprintf(full, sizeof full, "%s_%s", prefix, name);
    NJ_OWN size = PyLong_FromLong(value);
    return !size || PyObject_SetAttrString(type, name, size) < 0
               ? -1
               : PyModule_AddObjectRef(m, full, size);
}

static int
add_type(PyObject *m, PyType_Spec *spec, const char *prefix, int digest, int text)
{
    NJ_OWN type = PyType_FromModuleAndSpec(m, spec, NULL);
    if (!type || PyModule_AddType(m, (PyTypeObject *)type) < 0
        || set_size(m, type, prefix, "SALT_SIZE", text) < 0
        || set_size(m, type, prefix, "PERSON_SIZE", text) < 0
        || set_size(m, type, prefix, "MAX_KEY_SIZE", digest) < 0
        || set_size(m, type, prefix, "MAX_DIGEST_SIZE", digest) < 0) {
        return -1;
    }
    return PyType_Freeze((PyTypeObject *)type);
}

static int
blake2_exec(PyObject *m)
{
    if (add_type(m, &blake2b_spec, "BLAKE2B", 64, 16) < 0
        || add_type(m, &blake2s_spec, "BLAKE2S", 32, 8) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "_GIL_MINSIZE", NJ_HASH_GIL_MINSIZE);
}

static PyModuleDef_Slot blake2_slots[] = {
    {Py_mod_exec, blake2_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef blake2_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_blake2",
    .m_doc = "_blake2b provides BLAKE2b for hashlib\n",
    .m_slots = blake2_slots,
};

PyMODINIT_FUNC PyInit__blake2(void);

PyMODINIT_FUNC
PyInit__blake2(void)
{
    return PyModuleDef_Init(&blake2_module);
}

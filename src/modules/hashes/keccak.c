/* keccak.c - SHA-3 and SHAKE (FIPS 202), and the module _sha3.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "hashes_int.h"

static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

NJ_INLINE uint64_t
rol(uint64_t x, int n)
{
    return n ? x << n | x >> (64 - n) : x;
}

/* Keccak-f[1600]; lanes are numbered x + 5 y */
static void
permute(uint64_t *lanes)
{
    /* rho and pi: where lane i of b comes from, and its rotation */
    static const unsigned char from[25] = {0,  6,  12, 18, 24, 3,  9,  10, 16, 22, 1,  7, 13,
                                           19, 20, 4,  5,  11, 17, 23, 2,  8,  14, 15, 21};
    static const unsigned char turn[25] = {0,  44, 43, 21, 14, 28, 20, 3,  45, 61, 1, 6, 25,
                                           8,  18, 27, 36, 10, 15, 56, 62, 55, 39, 41, 2};
    uint64_t a[25], b[25], c[5], d[5];
    memcpy(a, lanes, sizeof a);
    for (int round = 0; round < 24; round++) {
#pragma GCC unroll 5
        for (int x = 0; x < 5; x++) {
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        }
#pragma GCC unroll 5
        for (int x = 0; x < 5; x++) {
            d[x] = c[(x + 4) % 5] ^ rol(c[(x + 1) % 5], 1);
        }
#pragma GCC unroll 25
        for (int i = 0; i < 25; i++) {
            b[i] = rol(a[from[i]] ^ d[from[i] % 5], turn[i]);
        }
#pragma GCC unroll 25
        for (int i = 0; i < 25; i++) {
            int y = i - i % 5;
            a[i] = b[i] ^ (~b[y + (i + 1) % 5] & b[y + (i + 2) % 5]);
        }
        a[0] ^= round_constants[round];
    }
    memcpy(lanes, a, sizeof a);
}

static void
keccak_init(NjHashCtx *c)
{
    memset(&c->h, 0, sizeof c->h);
}

NJ_INLINE uint64_t
le64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return PY_LITTLE_ENDIAN ? x : __builtin_bswap64(x);
}

NJ_INLINE void
absorb(NjHashCtx *c, const unsigned char *p, size_t n, int rate)
{
    for (; n; n--, p += rate) {
        for (int i = 0; i < rate / 8; i++) {
            c->h.lanes[i] ^= le64(p + 8 * i);
        }
        permute(c->h.lanes);
    }
}

static void
squeeze(NjHashCtx *c, size_t rate, unsigned char suffix, unsigned char *out, size_t n)
{
    memset(c->block + c->used, 0, rate - c->used);
    c->block[c->used] ^= suffix;
    c->block[rate - 1] ^= 0x80;
    absorb(c, c->block, 1, (int)rate);
    for (;;) {
        size_t take = n < rate ? n : rate;
        for (size_t i = 0; i < take; i++) {
            out[i] = (unsigned char)(c->h.lanes[i / 8] >> (8 * (i % 8)));
        }
        out += take;
        n -= take;
        if (!n) {
            return;
        }
        permute(c->h.lanes);
    }
}

void
nj_shake_squeeze(NjHashCtx *c, const NjHashAlgorithm *a, unsigned char *out, size_t n)
{
    squeeze(c, a->block_size, 0x1f, out, n);
}

/* an algorithm by its rate in bytes */
#define RATE(rate)                                                                       \
    static void blocks_##rate(NjHashCtx *c, const unsigned char *p, size_t n)            \
    {                                                                                    \
        absorb(c, p, n, rate);                                                           \
    }                                                                                    \
    static void finish_##rate(NjHashCtx *c, unsigned char *out)                          \
    {                                                                                    \
        squeeze(c, rate, 0x06, out, c->digest_size);                                     \
    }
RATE(144)
RATE(136)
RATE(104)
RATE(72)

static void
blocks_168(NjHashCtx *c, const unsigned char *p, size_t n)
{
    absorb(c, p, n, 168);
}

const NjHashAlgorithm nj_sha3_algorithms[NJ_SHA3_COUNT] = {
    [NJ_SHA3_224] = {"sha3_224", 28, 144, false, keccak_init, blocks_144, finish_144},
    [NJ_SHA3_256] = {"sha3_256", 32, 136, false, keccak_init, blocks_136, finish_136},
    [NJ_SHA3_384] = {"sha3_384", 48, 104, false, keccak_init, blocks_104, finish_104},
    [NJ_SHA3_512] = {"sha3_512", 64, 72, false, keccak_init, blocks_72, finish_72},
    [NJ_SHAKE_128] = {"shake_128", 0, 168, false, keccak_init, blocks_168, NULL},
    [NJ_SHAKE_256] = {"shake_256", 0, 136, false, keccak_init, blocks_136, NULL},
};

/* ---- types -------------------------------------------------------------------------- */

typedef struct State {
    PyTypeObject *types[NJ_SHA3_COUNT];
} State;

static struct PyModuleDef sha3_module;

static PyObject *
sha3_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"data", "usedforsecurity", "string", NULL};
    PyObject *module = PyType_GetModuleByDef(type, &sha3_module);
    PyObject *data = NULL, *string = NULL;
    int security = 1; /* nothing here is approved or refused */
    bool plain = !kwargs && PyTuple_GET_SIZE(args) <= 1;
    if (plain) {
        data = PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL;
    }
    /* one constructor makes all types: the reference names it after the first */
    if (!module
        || (!plain
            && (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$pO:sha3_224", names, &data,
                                             &security, &string)
                || nj_hash_initial(data, string, &data) < 0))) {
        return NULL;
    }
    State *st = PyModule_GetState(module);
    int which = 0;
    while (st->types[which] != type) {
        which++;
    }
    NJ_OWN h = nj_hash_new(type, &nj_sha3_algorithms[which]);
    if (!h || (data && nj_hash_update((NjHash *)h, data) < 0)) {
        return NULL;
    }
    return NJ_TAKE(h);
}

static PyObject *
get_capacity_bits(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(1600 - ((NjHash *)op)->algorithm->block_size * 8);
}

static PyObject *
get_rate_bits(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((NjHash *)op)->algorithm->block_size * 8);
}

static PyObject *
get_suffix(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBytes_FromString(((NjHash *)op)->algorithm->digest_size ? "\x06" : "\x1f");
}

/* The length argument of a SHAKE digest; -1 with an exception. */
static Py_ssize_t
shake_length(PyObject *args, PyObject *kwargs, const char *format)
{
    static char *names[] = {"length", NULL};
    PyObject *o;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &o)) {
        return -1;
    }
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return -1;
    }
    if (PyLong_IsNegative(index)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    unsigned long n = PyLong_AsUnsignedLong(index);
    if (n == (unsigned long)-1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large for C unsigned long");
        }
        return -1;
    }
    if (n >= 1ul << 29) {
        PyErr_SetString(PyExc_ValueError, "length is too large");
        return -1;
    }
    return (Py_ssize_t)n;
}

static PyObject *
shake_output(NjHash *h, Py_ssize_t n)
{
    PyObject *out = PyBytes_FromStringAndSize(NULL, n);
    if (out && n) {
        NjHashCtx c;
        PyMutex_Lock(&h->mutex);
        c = h->ctx;
        PyMutex_Unlock(&h->mutex);
        unsigned char *to = (unsigned char *)PyBytes_AS_STRING(out);
        if (n >= NJ_HASH_GIL_MINSIZE) {
            Py_BEGIN_ALLOW_THREADS
            nj_shake_squeeze(&c, h->algorithm, to, (size_t)n);
            Py_END_ALLOW_THREADS
        } else {
            nj_shake_squeeze(&c, h->algorithm, to, (size_t)n);
        }
    }
    return out;
}

static PyObject *
shake_digest(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t n = shake_length(args, kwargs, "O:digest");
    return n < 0 ? NULL : shake_output((NjHash *)op, n);
}

static PyObject *
shake_hexdigest(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t n = shake_length(args, kwargs, "O:hexdigest");
    NJ_OWN raw = n < 0 ? NULL : shake_output((NjHash *)op, n);
    return raw ? nj_hash_hex((unsigned char *)PyBytes_AS_STRING(raw), (size_t)n) : NULL;
}

static PyMethodDef sha3_methods[] = {
    NJ_HASH_METHOD_COPY,
    NJ_HASH_METHOD_DIGEST,
    NJ_HASH_METHOD_HEXDIGEST,
    NJ_HASH_METHOD_UPDATE("data"),
    {NULL, NULL, 0, NULL},
};

static PyMethodDef shake_methods[] = {
    NJ_HASH_METHOD_COPY,
    {"digest", (PyCFunction)(void (*)(void))shake_digest, METH_VARARGS | METH_KEYWORDS,
     "digest($self, /, length)\n--\n\nReturn the digest value as a bytes object."},
    {"hexdigest", (PyCFunction)(void (*)(void))shake_hexdigest,
     METH_VARARGS | METH_KEYWORDS,
     "hexdigest($self, /, length)\n--\n\n"
     "Return the digest value as a string of hexadecimal digits."},
    NJ_HASH_METHOD_UPDATE("data"),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef keccak_getset[] = {
    NJ_HASH_GETTERS,
    {"_capacity_bits", get_capacity_bits, NULL, NULL, NULL},
    {"_rate_bits", get_rate_bits, NULL, NULL, NULL},
    {"_suffix", get_suffix, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define SHA3_DOC(bits, bytes)                                                            \
    "sha3_" bits "([data], *, usedforsecurity=True) -> SHA3 object\n\n"                  \
    "Return a new SHA3 hash object with a hashbit length of " bytes " bytes."
#define SHAKE_DOC(bits)                                                                  \
    "shake_" bits "([data], *, usedforsecurity=True) -> SHAKE object\n\n"                \
    "Return a new SHAKE hash object."

static const char *const docs[NJ_SHA3_COUNT] = {
    SHA3_DOC("224", "28"), SHA3_DOC("256", "32"), SHA3_DOC("384", "48"),
    SHA3_DOC("512", "64"), SHAKE_DOC("128"),      SHAKE_DOC("256"),
};

static int
sha3_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    for (int i = 0; i < NJ_SHA3_COUNT; i++) {
        char name[32];
        PyOS_snprintf(name, sizeof name, "_sha3.%s", nj_sha3_algorithms[i].name);
        PyType_Slot slots[] = {
            {Py_tp_dealloc, nj_hash_dealloc},
            {Py_tp_traverse, nj_hash_traverse},
            {Py_tp_new, sha3_new},
            {Py_tp_methods, i < NJ_SHAKE_128 ? sha3_methods : shake_methods},
            {Py_tp_getset, keccak_getset},
            {Py_tp_doc, (void *)docs[i]},
            {0, NULL},
        };
        PyType_Spec spec = {
            .name = name,
            .basicsize = sizeof(NjHash),
            .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
            .slots = slots,
        };
        st->types[i] = (PyTypeObject *)PyType_FromModuleAndSpec(m, &spec, NULL);
        if (!st->types[i] || PyModule_AddType(m, st->types[i]) < 0) {
            return -1;
        }
    }
    if (PyModule_AddStringConstant(m, "implementation", "HACL") < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "_GIL_MINSIZE", NJ_HASH_GIL_MINSIZE);
}

static int
sha3_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    for (int i = 0; i < NJ_SHA3_COUNT; i++) {
        Py_VISIT(st->types[i]);
    }
    return 0;
}

static int
sha3_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    for (int i = 0; i < NJ_SHA3_COUNT; i++) {
        Py_CLEAR(st->types[i]);
    }
    return 0;
}

static void
sha3_free(void *m)
{
    sha3_clear(m);
}

static PyModuleDef_Slot sha3_slots[] = {
    {Py_mod_exec, sha3_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef sha3_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sha3",
    .m_size = sizeof(State),
    .m_slots = sha3_slots,
    .m_traverse = sha3_traverse,
    .m_clear = sha3_clear,
    .m_free = sha3_free,
};

PyMODINIT_FUNC PyInit__sha3(void);

PyMODINIT_FUNC
PyInit__sha3(void)
{
    return PyModuleDef_Init(&sha3_module);
}

/* md_sha.c - MD5, SHA-1 and SHA-2, and the modules _md5, _sha1 and _sha2.
 *
 * RFC 1321 and FIPS 180-4: words of a state, and a length appended at the end. The
 * algorithms differ in the compression function, word size, byte order and initial state.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "hashes_int.h"

static const uint32_t md5_k[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a,
    0xa8304613, 0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
    0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340,
    0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8,
    0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
    0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
    0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92,
    0xffeff47d, 0x85845dd1, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
    0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};
static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static const uint64_t sha512_k[80] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};
static const uint32_t sha224_init_words[8] = {
    0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939,
    0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4,
};
static const uint32_t sha256_init_words[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint64_t sha384_init_words[8] = {
    0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17, 0x152fecd8f70e5939,
    0x67332667ffc00b31, 0x8eb44a8768581511, 0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4,
};
static const uint64_t sha512_init_words[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};


/* ---- compression functions ---------------------------------------------------------- */

NJ_INLINE uint32_t
rol32(uint32_t x, int n)
{
    return x << n | x >> (32 - n);
}

NJ_INLINE uint32_t
ror32(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

NJ_INLINE uint64_t
ror64(uint64_t x, int n)
{
    return x >> n | x << (64 - n);
}

NJ_INLINE uint32_t
be32(const unsigned char *p)
{
    uint32_t x;
    memcpy(&x, p, 4);
    return PY_LITTLE_ENDIAN ? __builtin_bswap32(x) : x;
}

NJ_INLINE uint64_t
be64(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return PY_LITTLE_ENDIAN ? __builtin_bswap64(x) : x;
}

static void
md5_compress(NjHashCtx *ctx, const unsigned char *p)
{
    static const unsigned char shifts[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t m[16];
    for (int i = 0; i < 16; i++) {
        m[i] = __builtin_bswap32(be32(p + 4 * i));
    }
    uint32_t a = ctx->h.w32[0], b = ctx->h.w32[1], c = ctx->h.w32[2], d = ctx->h.w32[3];
#pragma GCC unroll 64
    for (int i = 0; i < 64; i++) {
        uint32_t f;
        int g;
        switch (i >> 4) {
        case 0:
            f = (b & c) | (~b & d);
            g = i;
            break;
        case 1:
            f = (d & b) | (~d & c);
            g = (5 * i + 1) & 15;
            break;
        case 2:
            f = b ^ c ^ d;
            g = (3 * i + 5) & 15;
            break;
        default:
            f = c ^ (b | ~d);
            g = (7 * i) & 15;
        }
        uint32_t t = d;
        d = c;
        c = b;
        b += rol32(a + f + md5_k[i] + m[g], shifts[i >> 4][i & 3]);
        a = t;
    }
    ctx->h.w32[0] += a;
    ctx->h.w32[1] += b;
    ctx->h.w32[2] += c;
    ctx->h.w32[3] += d;
}

static void
sha1_compress(NjHashCtx *ctx, const unsigned char *p)
{
    uint32_t w[80];
    for (int i = 0; i < 16; i++) {
        w[i] = be32(p + 4 * i);
    }
    for (int i = 16; i < 80; i++) {
        w[i] = rol32(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    }
    uint32_t *h = ctx->h.w32;
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
#pragma GCC unroll 80
    for (int i = 0; i < 80; i++) {
        uint32_t f, k;
        if (i < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        }
        else if (i < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        }
        else if (i < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        }
        else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        uint32_t t = rol32(a, 5) + f + e + k + w[i];
        e = d;
        d = c;
        c = rol32(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

static void
sha256_compress(NjHashCtx *ctx, const unsigned char *p)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++) {
        w[i] = be32(p + 4 * i);
    }
    for (int i = 16; i < 64; i++) {
        uint32_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (ror32(x, 7) ^ ror32(x, 18) ^ x >> 3) + w[i - 7] +
               (ror32(y, 17) ^ ror32(y, 19) ^ y >> 10);
    }
    memcpy(v, ctx->h.w32, sizeof v);
#pragma GCC unroll 64
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t t1 = v[7] + (ror32(e, 6) ^ ror32(e, 11) ^ ror32(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + sha256_k[i] + w[i];
        uint32_t t2 = (ror32(a, 2) ^ ror32(a, 13) ^ ror32(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6];
        v[6] = v[5];
        v[5] = e;
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = a;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        ctx->h.w32[i] += v[i];
    }
}

static void
sha512_compress(NjHashCtx *ctx, const unsigned char *p)
{
    uint64_t w[80], v[8];
    for (int i = 0; i < 16; i++) {
        w[i] = be64(p + 8 * i);
    }
    for (int i = 16; i < 80; i++) {
        uint64_t x = w[i - 15], y = w[i - 2];
        w[i] = w[i - 16] + (ror64(x, 1) ^ ror64(x, 8) ^ x >> 7) + w[i - 7] +
               (ror64(y, 19) ^ ror64(y, 61) ^ y >> 6);
    }
    memcpy(v, ctx->h.w64, sizeof v);
#pragma GCC unroll 80
    for (int i = 0; i < 80; i++) {
        uint64_t a = v[0], e = v[4];
        uint64_t t1 = v[7] + (ror64(e, 14) ^ ror64(e, 18) ^ ror64(e, 41)) +
                      ((e & v[5]) ^ (~e & v[6])) + sha512_k[i] + w[i];
        uint64_t t2 = (ror64(a, 28) ^ ror64(a, 34) ^ ror64(a, 39)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6];
        v[6] = v[5];
        v[5] = e;
        v[4] = v[3] + t1;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = a;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++) {
        ctx->h.w64[i] += v[i];
    }
}

static const uint32_t md5_init_words[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
static const uint32_t sha1_init_words[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                                      0xc3d2e1f0};

/* init and blocks of an algorithm */
#define MD_PARTS(name, initial, compress, block)                                  \
    static void name##_init(NjHashCtx *c)                                                \
    {                                                                                    \
        memcpy(&c->h, initial, sizeof initial);                                          \
    }                                                                                    \
    static void name##_blocks(NjHashCtx *c, const unsigned char *p, size_t n)            \
    {                                                                                    \
        for (; n; n--, p += block) {                                                     \
            compress(c, p);                                                              \
        }                                                                                \
    }
MD_PARTS(md5, md5_init_words, md5_compress, 64)
MD_PARTS(sha1, sha1_init_words, sha1_compress, 64)
MD_PARTS(sha224, sha224_init_words, sha256_compress, 64)
MD_PARTS(sha256, sha256_init_words, sha256_compress, 64)
MD_PARTS(sha384, sha384_init_words, sha512_compress, 128)
MD_PARTS(sha512, sha512_init_words, sha512_compress, 128)

/* Appends the padding and the length, and writes the words of the state. */
NJ_INLINE void
finish(NjHashCtx *c, unsigned char *out, bool wide, bool little,
       void (*compress)(NjHashCtx *, const unsigned char *))
{
    size_t bs = wide ? 128 : 64, lenbytes = bs / 8, used = c->used;
    c->block[used++] = 0x80;
    if (used > bs - lenbytes) {
        memset(c->block + used, 0, bs - used);
        compress(c, c->block);
        used = 0;
    }
    memset(c->block + used, 0, bs - used);
    uint64_t bits = c->length << 3, high = c->length >> 61;
    for (int i = 0; i < 8; i++) {
        c->block[little ? bs - 8 + (size_t)i : bs - 1 - (size_t)i] =
            (unsigned char)(bits >> (8 * i));
    }
    if (wide) {
        c->block[bs - 9] = (unsigned char)high;
    }
    compress(c, c->block);
    int word = wide ? 8 : 4;
    for (int i = 0; i < c->digest_size; i++) {
        int k = i / word, byte = i % word;
        uint64_t w = wide ? c->h.w64[k] : c->h.w32[k];
        int shift = little ? 8 * byte : 8 * (word - 1 - byte);
        out[i] = (unsigned char)(w >> shift);
    }
}

static void
md5_finish(NjHashCtx *c, unsigned char *out)
{
    finish(c, out, false, true, md5_compress);
}

static void
sha1_finish(NjHashCtx *c, unsigned char *out)
{
    finish(c, out, false, false, sha1_compress);
}

static void
sha256_finish(NjHashCtx *c, unsigned char *out)
{
    finish(c, out, false, false, sha256_compress);
}

static void
sha512_finish(NjHashCtx *c, unsigned char *out)
{
    finish(c, out, true, false, sha512_compress);
}

const NjHashAlgorithm nj_md_algorithms[NJ_MD_COUNT] = {
    [NJ_MD5] = {"md5", 16, 64, false, md5_init, md5_blocks, md5_finish},
    [NJ_SHA1] = {"sha1", 20, 64, false, sha1_init, sha1_blocks, sha1_finish},
    [NJ_SHA224] = {"sha224", 28, 64, false, sha224_init, sha224_blocks, sha256_finish},
    [NJ_SHA256] = {"sha256", 32, 64, false, sha256_init, sha256_blocks, sha256_finish},
    [NJ_SHA384] = {"sha384", 48, 128, false, sha384_init, sha384_blocks, sha512_finish},
    [NJ_SHA512] = {"sha512", 64, 128, false, sha512_init, sha512_blocks, sha512_finish},
};

/* ---- objects ------------------------------------------------------------------------ */

typedef struct State {
    PyTypeObject *types[NJ_MD_COUNT];
} State;

static PyMethodDef Hash_methods[] = {
    NJ_HASH_METHOD_COPY,
    NJ_HASH_METHOD_DIGEST,
    NJ_HASH_METHOD_HEXDIGEST,
    NJ_HASH_METHOD_UPDATE("obj"),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Hash_getset[] = {
    NJ_HASH_GETTERS,
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Hash_slots[] = {
    {Py_tp_dealloc, nj_hash_dealloc},
    {Py_tp_traverse, nj_hash_traverse},
    {Py_tp_methods, Hash_methods},
    {Py_tp_getset, Hash_getset},
    {0, NULL},
};

static PyObject *
make(PyObject *m, int which, const char *format, PyObject *const *args, Py_ssize_t nargs,
     PyObject *kwnames)
{
    PyObject *data;
    int security; /* nothing here is approved or refused */
    if (nj_hash_args(format, args, nargs, kwnames, &data, &security) < 0) {
        return NULL;
    }
    PyTypeObject *type = ((State *)PyModule_GetState(m))->types[which];
    NJ_OWN h = nj_hash_new(type, &nj_md_algorithms[which]);
    if (h == NULL || (data != NULL && nj_hash_update((NjHash *)h, data) < 0)) {
        return NULL;
    }
    return NJ_TAKE(h);
}

#define MAKER(name, which)                                                               \
    static PyObject *make_##name(PyObject *m, PyObject *const *args, Py_ssize_t nargs,   \
                                 PyObject *kwnames)                                      \
    {                                                                                    \
        return make(m, which, "|O$pO:" #name, args, nargs, kwnames);                     \
    }
MAKER(md5, NJ_MD5)
MAKER(sha1, NJ_SHA1)
MAKER(sha224, NJ_SHA224)
MAKER(sha256, NJ_SHA256)
MAKER(sha384, NJ_SHA384)
MAKER(sha512, NJ_SHA512)

#define MAKER_DEF(name, shown)                                                           \
    {#name, (PyCFunction)(void (*)(void))make_##name, METH_FASTCALL | METH_KEYWORDS,     \
     #name "($module, /, data=b'', *, usedforsecurity=True, string=None)\n--\n\n"        \
           "Return a new " shown " hash object; optionally initialized with a string."}

/* ---- modules ------------------------------------------------------------------------ */

static int
add_type(PyObject *m, int which, const char *full_name, const char *attribute)
{
    PyType_Spec spec = {
        .name = full_name,
        .basicsize = sizeof(NjHash),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                 Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
        .slots = Hash_slots,
    };
    State *st = PyModule_GetState(m);
    st->types[which] = (PyTypeObject *)PyType_FromModuleAndSpec(m, &spec, NULL);
    return st->types[which] ? PyModule_AddObjectRef(m, attribute,
                                                    (PyObject *)st->types[which])
                            : -1;
}

static int
md5_exec(PyObject *m)
{
    return add_type(m, NJ_MD5, "_md5.md5", "MD5Type") < 0
               ? -1
               : PyModule_AddIntConstant(m, "_GIL_MINSIZE", NJ_HASH_GIL_MINSIZE);
}

static int
sha1_exec(PyObject *m)
{
    return add_type(m, NJ_SHA1, "_sha1.sha1", "SHA1Type") < 0
               ? -1
               : PyModule_AddIntConstant(m, "_GIL_MINSIZE", NJ_HASH_GIL_MINSIZE);
}

static int
sha2_exec(PyObject *m)
{
    return add_type(m, NJ_SHA224, "_sha2.SHA224Type", "SHA224Type") < 0 ||
                   add_type(m, NJ_SHA256, "_sha2.SHA256Type", "SHA256Type") < 0 ||
                   add_type(m, NJ_SHA384, "_sha2.SHA384Type", "SHA384Type") < 0 ||
                   add_type(m, NJ_SHA512, "_sha2.SHA512Type", "SHA512Type") < 0
               ? -1
               : PyModule_AddIntConstant(m, "_GIL_MINSIZE", NJ_HASH_GIL_MINSIZE);
}

static int
hashes_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    for (int i = 0; i < NJ_MD_COUNT; i++) {
        Py_VISIT(st->types[i]);
    }
    return 0;
}

static int
hashes_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    for (int i = 0; i < NJ_MD_COUNT; i++) {
        Py_CLEAR(st->types[i]);
    }
    return 0;
}

static void
hashes_free(void *m)
{
    hashes_clear(m);
}

static PyMethodDef md5_methods[] = {MAKER_DEF(md5, "MD5"), {NULL, NULL, 0, NULL}};
static PyMethodDef sha1_methods[] = {MAKER_DEF(sha1, "SHA1"), {NULL, NULL, 0, NULL}};
static PyMethodDef sha2_methods[] = {MAKER_DEF(sha256, "SHA-256"), MAKER_DEF(sha224, "SHA-224"),
                                     MAKER_DEF(sha512, "SHA-512"), MAKER_DEF(sha384, "SHA-384"),
                                     {NULL, NULL, 0, NULL}};

#define MODULE(name)                                                                     \
    static PyModuleDef_Slot name##_slots[] = {                                           \
        {Py_mod_exec, name##_exec},                                                      \
        {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},            \
        {Py_mod_gil, Py_MOD_GIL_NOT_USED},                                               \
        {0, NULL},                                                                       \
    };                                                                                   \
    static struct PyModuleDef name##_module = {                                          \
        PyModuleDef_HEAD_INIT,                                                           \
        .m_name = "_" #name,                                                             \
        .m_size = sizeof(State),                                                         \
        .m_methods = name##_methods,                                                     \
        .m_slots = name##_slots,                                                         \
        .m_traverse = hashes_traverse,                                                   \
        .m_clear = hashes_clear,                                                         \
        .m_free = hashes_free,                                                           \
    };                                                                                   \
    PyMODINIT_FUNC PyInit__##name(void);                                                 \
    PyMODINIT_FUNC PyInit__##name(void)                                                  \
    {                                                                                    \
        return PyModuleDef_Init(&name##_module);                                         \
    }

MODULE(md5)
MODULE(sha1)
MODULE(sha2)

/* hashes_int.h - the frame that all built-in hash algorithms share.
 *
 * A context collects input into blocks; an algorithm provides the start, the work on
 * whole blocks and the end. A Hash is the Python object around a context; it is used by
 * _md5, _sha1, _sha2, _sha3 and _blake2, while _hmac has two contexts in an object of its
 * own.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_HASHES_INT_H
#define NJ_MODULES_HASHES_INT_H

#include "nj.h"

#include "base/hashargs.h"

enum { NJ_HASH_MAX_BLOCK = 168, NJ_HASH_MAX_DIGEST = 64 };

typedef struct NjHashCtx {
    union {
        uint32_t w32[8];
        uint64_t w64[8];
        uint64_t lanes[25]; /* Keccak */
    } h;
    uint64_t length, length_high; /* bytes so far; Blake2: bytes compressed so far */
    uint16_t used;                /* bytes in block */
    uint8_t digest_size;          /* 0: as long as one likes */
    bool last_node;               /* Blake2 */
    unsigned char block[NJ_HASH_MAX_BLOCK];
} NjHashCtx;

typedef struct NjHashAlgorithm {
    const char *name;
    uint8_t digest_size, block_size;
    bool lazy; /* the last block is special: a full one waits for more input */
    void (*init)(NjHashCtx *c);
    void (*blocks)(NjHashCtx *c, const unsigned char *p, size_t n);
    /* consumes the context */
    void (*finish)(NjHashCtx *c, unsigned char *out);
} NjHashAlgorithm;

enum { NJ_MD5, NJ_SHA1, NJ_SHA224, NJ_SHA256, NJ_SHA384, NJ_SHA512, NJ_MD_COUNT };
enum { NJ_SHA3_224, NJ_SHA3_256, NJ_SHA3_384, NJ_SHA3_512, NJ_SHAKE_128, NJ_SHAKE_256,
       NJ_SHA3_COUNT };
extern const NjHashAlgorithm nj_md_algorithms[NJ_MD_COUNT];
extern const NjHashAlgorithm nj_sha3_algorithms[NJ_SHA3_COUNT];
extern const NjHashAlgorithm nj_blake2b, nj_blake2s;

/* SHAKE: the first n bytes of output. Consumes the context. */
void nj_shake_squeeze(NjHashCtx *c, const NjHashAlgorithm *a, unsigned char *out, size_t n);

void nj_hash_start(NjHashCtx *c, const NjHashAlgorithm *a);
void nj_hash_feed(NjHashCtx *c, const NjHashAlgorithm *a, const void *data, size_t n);

typedef struct NjHash {
    PyObject_HEAD
    const NjHashAlgorithm *algorithm;
    PyMutex mutex;
    NjHashCtx ctx;
} NjHash;

/* a started hash object; feeding it raises for what cannot be hashed */
PyObject *nj_hash_new(PyTypeObject *type, const NjHashAlgorithm *a);
int nj_hash_update(NjHash *h, PyObject *data);

/* slots and methods of the types */
void nj_hash_dealloc(PyObject *op);
int nj_hash_traverse(PyObject *op, visitproc visit, void *arg);
PyObject *nj_hash_copy(PyObject *op, PyObject *ignored);
PyObject *nj_hash_digest(PyObject *op, PyObject *ignored);
PyObject *nj_hash_hexdigest(PyObject *op, PyObject *ignored);
PyObject *nj_hash_update_method(PyObject *op, PyObject *data);
PyObject *nj_hash_get_block_size(PyObject *op, void *closure);
PyObject *nj_hash_get_name(PyObject *op, void *closure);
PyObject *nj_hash_get_digest_size(PyObject *op, void *closure);

#define NJ_HASH_GETTERS                                                                  \
    {"block_size", nj_hash_get_block_size, NULL, NULL, NULL},                            \
    {"name", nj_hash_get_name, NULL, NULL, NULL},                                        \
    {"digest_size", nj_hash_get_digest_size, NULL, NULL, NULL}

#define NJ_HASH_METHOD_COPY                                                              \
    {"copy", nj_hash_copy, METH_NOARGS,                                                  \
     "copy($self, /)\n--\n\nReturn a copy of the hash object."}
#define NJ_HASH_METHOD_DIGEST                                                            \
    {"digest", nj_hash_digest, METH_NOARGS,                                              \
     "digest($self, /)\n--\n\nReturn the digest value as a bytes object."}
#define NJ_HASH_METHOD_HEXDIGEST                                                         \
    {"hexdigest", nj_hash_hexdigest, METH_NOARGS,                                        \
     "hexdigest($self, /)\n--\n\n"                                                       \
     "Return the digest value as a string of hexadecimal digits."}
#define NJ_HASH_METHOD_UPDATE(parameter)                                                 \
    {"update", nj_hash_update_method, METH_O,                                            \
     "update($self, " parameter ", /)\n--\n\nHash more data."}

#endif

/* _hashlib.c - hashes, HMAC and key derivation from OpenSSL 3, for hashlib and hmac.
 *
 * Algorithms that Python has its own name for (table `known') are fetched once per
 * module and purpose (`usedforsecurity'); others go to the provider each time. Large data
 * are hashed without the GIL, each object guarded by its own mutex.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "base/hashargs.h"

/* HMAC_CTX is deprecated in favour of EVP_MAC, which has no cheap copy of a key */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/md5.h>
#include <openssl/objects.h>
#include <openssl/provider.h>
#include <openssl/sha.h>

#include <limits.h>

typedef struct Known {
    const char *name; /* Python's */
    const char *openssl;
    int nid;
    const char *shown;     /* in docstrings; NULL: no constructor */
} Known;

static const Known known[] = {
    {"md5", "MD5", NID_md5, "md5"},
    {"sha1", "SHA1", NID_sha1, "sha1"},
    {"sha224", "SHA224", NID_sha224, "sha224"},
    {"sha256", "SHA256", NID_sha256, "sha256"},
    {"sha384", "SHA384", NID_sha384, "sha384"},
    {"sha512", "SHA512", NID_sha512, "sha512"},
    {"sha3_224", "SHA3-224", NID_sha3_224, "sha3-224"},
    {"sha3_256", "SHA3-256", NID_sha3_256, "sha3-256"},
    {"sha3_384", "SHA3-384", NID_sha3_384, "sha3-384"},
    {"sha3_512", "SHA3-512", NID_sha3_512, "sha3-512"},
    {"shake_128", "SHAKE128", NID_shake128, "shake-128 variable"},
    {"shake_256", "SHAKE256", NID_shake256, "shake-256 variable"},
    {"sha512_224", "SHA512-224", NID_sha512_224, NULL},
    {"sha512_256", "SHA512-256", NID_sha512_256, NULL},
    {"blake2s", "BLAKE2s256", NID_blake2s256, NULL},
    {"blake2b", "BLAKE2b512", NID_blake2b512, NULL},
};
enum { NKNOWN = sizeof known / sizeof known[0] };

typedef struct State {
    PyTypeObject *hash_type, *xof_type, *hmac_type;
    PyObject *unsupported; /* UnsupportedDigestmodError */
    PyObject *constructors; /* mappingproxy: function -> name */
    EVP_MD *md[NKNOWN][2];  /* fetched; [..][1] for security */
    PyMutex lock;           /* guards md */
} State;

typedef struct Hash {
    PyObject_HEAD
    EVP_MD_CTX *ctx;
    PyMutex mutex;
} Hash;

typedef struct Hmac {
    PyObject_HEAD
    HMAC_CTX *ctx;
    PyMutex mutex;
} Hmac;

static struct PyModuleDef hashlib_module;

static State *
state_of_type(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &hashlib_module);
    return module ? PyModule_GetState(module) : NULL;
}

/* Raises what OpenSSL's error queue says last, or text; always NULL. */
static void *
openssl_error(PyObject *exc, const char *text)
{
    unsigned long code = ERR_peek_last_error();
    const char *lib = code ? ERR_lib_error_string(code) : NULL;
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
        PyErr_NoMemory();
    } else if (!code) {
        PyErr_SetString(exc, text ? text : "no reason supplied");
    } else if (lib && reason) {
        PyErr_Format(exc, "[%s] %s", lib, reason);
    } else {
        PyErr_SetString(exc, reason ? reason : lib ? lib : "no reason supplied");
    }
    return NULL;
}

/* ---- algorithms --------------------------------------------------------------------- */

static const char *
name_of(const EVP_MD *md)
{
    int nid = EVP_MD_get_type(md);
    for (int i = 0; i < NKNOWN; i++) {
        if (known[i].nid == nid) {
            return known[i].name;
        }
    }
    const char *name = OBJ_nid2ln(nid);
    return name ? name : OBJ_nid2sn(nid);
}

static bool
is_xof(const EVP_MD *md)
{
    return EVP_MD_get_flags(md) & EVP_MD_FLAG_XOF;
}

/* SHAKE has no length of its own, whatever this OpenSSL says */
static int
digest_size(const EVP_MD *md)
{
    return is_xof(md) ? 0 : EVP_MD_get_size(md);
}

static EVP_MD *
fetch_known(State *st, int i, bool security)
{
    PyMutex_Lock(&st->lock);
    EVP_MD **slot = &st->md[i][security];
    if (!*slot) {
        *slot = EVP_MD_fetch(NULL, known[i].openssl, security ? NULL : "-fips");
    }
    EVP_MD *md = *slot;
    if (md) {
        EVP_MD_up_ref(md);
    }
    PyMutex_Unlock(&st->lock);
    return md;
}

static void
drop_md(EVP_MD **md)
{
    EVP_MD_free(*md);
}

#define OWN_MD __attribute__((cleanup(drop_md))) EVP_MD *

/* A new reference, or NULL with UnsupportedDigestmodError. */
static EVP_MD *
fetch(State *st, const char *name, bool security)
{
    EVP_MD *md = NULL;
    bool found = false;
    for (int i = 0; i < NKNOWN && !found; i++) {
        if (strcmp(known[i].name, name) == 0) {
            md = fetch_known(st, i, security);
            found = true;
        }
    }
    if (!found) {
        md = EVP_MD_fetch(NULL, name, security ? NULL : "-fips");
    }
    return md ? md : openssl_error(st->unsupported, NULL);
}

/* The algorithm that a digestmod argument means: a name or one of our constructors. */
static EVP_MD *
fetch_digestmod(State *st, PyObject *digestmod)
{
    NJ_OWN name = NULL;
    if (PyUnicode_Check(digestmod)) {
        name = Py_NewRef(digestmod);
    } else {
        PyObject *mapped = PyObject_GetItem(st->constructors, digestmod);
        if (!mapped) {
            PyErr_Clear();
            PyErr_Format(st->unsupported, "Unsupported digestmod %R", digestmod);
            return NULL;
        }
        name = mapped;
    }
    const char *s = PyUnicode_AsUTF8(name);
    return s ? fetch(st, s, true) : NULL;
}

/* ---- hash objects ------------------------------------------------------------------- */

static Hash *
new_hash(PyTypeObject *type)
{
    Hash *h = (Hash *)type->tp_alloc(type, 0);
    if (h && !(h->ctx = EVP_MD_CTX_new())) {
        Py_DECREF(h);
        return (Hash *)PyErr_NoMemory();
    }
    return h;
}

static void
hash_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    EVP_MD_CTX_free(((Hash *)op)->ctx);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
feed(Hash *h, const Py_buffer *view)
{
    int ok;
    if (view->len >= NJ_HASH_GIL_MINSIZE) {
        Py_BEGIN_ALLOW_THREADS
        PyMutex_Lock(&h->mutex);
        ok = EVP_DigestUpdate(h->ctx, view->buf, (size_t)view->len);
        PyMutex_Unlock(&h->mutex);
        Py_END_ALLOW_THREADS
    } else {
        PyMutex_Lock(&h->mutex);
        ok = EVP_DigestUpdate(h->ctx, view->buf, (size_t)view->len);
        PyMutex_Unlock(&h->mutex);
    }
    if (!ok) {
        openssl_error(PyExc_ValueError, NULL);
        return -1;
    }
    return 0;
}

/* A started hash that has eaten the data (NULL: none). */
static PyObject *
make_hash(State *st, const EVP_MD *md, PyObject *data)
{
    NJ_OWN_BUF view = {0};
    if (data && nj_hash_view(data, &view) < 0) {
        return NULL;
    }
    NJ_OWN o = (PyObject *)new_hash(is_xof(md) ? st->xof_type : st->hash_type);
    if (!o) {
        return NULL;
    }
    if (!EVP_DigestInit_ex(((Hash *)o)->ctx, md, NULL)) {
        return openssl_error(PyExc_ValueError, NULL);
    }
    if (view.len && feed((Hash *)o, &view) < 0) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static int
copy_ctx(Hash *h, EVP_MD_CTX *to)
{
    PyMutex_Lock(&h->mutex);
    int ok = EVP_MD_CTX_copy(to, h->ctx);
    PyMutex_Unlock(&h->mutex);
    if (!ok) {
        openssl_error(PyExc_ValueError, NULL);
        return -1;
    }
    return 0;
}

static PyObject *
hash_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN r = (PyObject *)new_hash(Py_TYPE(op));
    if (!r || copy_ctx((Hash *)op, ((Hash *)r)->ctx) < 0) {
        return NULL;
    }
    return NJ_TAKE(r);
}

static void
drop_ctx(EVP_MD_CTX **ctx)
{
    EVP_MD_CTX_free(*ctx);
}

/* The digest so far into out (EVP_MAX_MD_SIZE bytes); its size or -1. */
static int
finish(Hash *h, unsigned char *out)
{
    __attribute__((cleanup(drop_ctx))) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned n;
    if (!ctx) {
        PyErr_NoMemory();
        return -1;
    }
    if (copy_ctx(h, ctx) < 0) {
        return -1;
    }
    if (!EVP_DigestFinal_ex(ctx, out, &n)) {
        openssl_error(PyExc_ValueError, NULL);
        return -1;
    }
    return (int)n;
}

static PyObject *
hash_digest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[EVP_MAX_MD_SIZE];
    int n = finish((Hash *)op, out);
    return n < 0 ? NULL : PyBytes_FromStringAndSize((char *)out, n);
}

static PyObject *
hash_hexdigest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[EVP_MAX_MD_SIZE];
    int n = finish((Hash *)op, out);
    return n < 0 ? NULL : nj_hash_hex(out, (size_t)n);
}

static PyObject *
hash_update(PyObject *op, PyObject *data)
{
    NJ_OWN_BUF view = {0};
    if (nj_hash_view(data, &view) < 0 || feed((Hash *)op, &view) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
hash_get_block_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(EVP_MD_CTX_get_block_size(((Hash *)op)->ctx));
}

static PyObject *
hash_get_digest_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(EVP_MD_CTX_get_size(((Hash *)op)->ctx));
}

static PyObject *
hash_get_name(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(name_of(EVP_MD_CTX_get0_md(((Hash *)op)->ctx)));
}

static PyObject *
hash_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<%s %T object @ %p>",
                                name_of(EVP_MD_CTX_get0_md(((Hash *)op)->ctx)), op, op);
}

static PyObject *
xof_output(Hash *h, PyObject *args, PyObject *kwargs, const char *format)
{
    static char *names[] = {"length", NULL};
    Py_ssize_t n;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &n)) {
        return NULL;
    }
    NJ_OWN out = PyBytes_FromStringAndSize(NULL, n);
    if (!out) {
        return NULL;
    }
    __attribute__((cleanup(drop_ctx))) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx) {
        return PyErr_NoMemory();
    }
    if (copy_ctx(h, ctx) < 0) {
        return NULL;
    }
    int ok = 1;
    if (n > 0) { /* OpenSSL refuses to write nothing */
        unsigned char *to = (unsigned char *)PyBytes_AS_STRING(out);
        Py_BEGIN_ALLOW_THREADS
        ok = EVP_DigestFinalXOF(ctx, to, (size_t)n);
        Py_END_ALLOW_THREADS
    }
    return ok ? NJ_TAKE(out) : openssl_error(PyExc_ValueError, NULL);
}

static PyObject *
xof_digest(PyObject *op, PyObject *args, PyObject *kwargs)
{
    return xof_output((Hash *)op, args, kwargs, "n:digest");
}

static PyObject *
xof_hexdigest(PyObject *op, PyObject *args, PyObject *kwargs)
{
    NJ_OWN raw = xof_output((Hash *)op, args, kwargs, "n:hexdigest");
    return raw ? nj_hash_hex((unsigned char *)PyBytes_AS_STRING(raw),
                             (size_t)PyBytes_GET_SIZE(raw))
               : NULL;
}

static PyObject *
xof_get_digest_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(0);
}

/* ---- constructors ------------------------------------------------------------------- */

/* (name, data=b'', *, usedforsecurity=True, string=None) of a vectorcall. 0/-1. */
static int
new_args(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, PyObject **name,
         PyObject **data, int *security)
{
    static char *names[] = {"name", "data", "usedforsecurity", "string", NULL};
    *security = 1;
    if (!kwnames && (nargs == 1 || nargs == 2)) {
        *name = args[0];
        *data = nargs == 2 ? args[1] : NULL;
        return 0;
    }
    NJ_OWN tuple = PyTuple_New(nargs);
    NJ_OWN dict = PyDict_New();
    if (!tuple || !dict) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) {
            return -1;
        }
    }
    PyObject *string = NULL;
    *data = NULL;
    if (!PyArg_ParseTupleAndKeywords(tuple, dict, "O|O$pO:new", names, name, data, security,
                                     &string)) {
        return -1;
    }
    return nj_hash_initial(*data, string, data);
}

static PyObject *
hashlib_new(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    State *st = PyModule_GetState(module);
    PyObject *name_object, *data;
    int security;
    if (new_args(args, nargs, kwnames, &name_object, &data, &security) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(name_object)) {
        PyErr_Format(PyExc_TypeError, "new() argument 'name' must be str, not %T",
                     name_object);
        return NULL;
    }
    Py_ssize_t n;
    const char *name = PyUnicode_AsUTF8AndSize(name_object, &n);
    if (!name) {
        return NULL;
    }
    if (strlen(name) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    OWN_MD md = fetch(st, name, security);
    return md ? make_hash(st, md, data) : NULL;
}

static PyObject *
construct(PyObject *module, int which, const char *format, PyObject *const *args,
          Py_ssize_t nargs, PyObject *kwnames)
{
    State *st = PyModule_GetState(module);
    PyObject *data;
    int security;
    if (nj_hash_args(format, args, nargs, kwnames, &data, &security) < 0) {
        return NULL;
    }
    OWN_MD md = fetch_known(st, which, security);
    return md ? make_hash(st, md, data) : openssl_error(st->unsupported, NULL);
}

#define CONSTRUCTORS(X)                                                                \
    X(0, md5) X(1, sha1) X(2, sha224) X(3, sha256) X(4, sha384) X(5, sha512)           \
    X(6, sha3_224) X(7, sha3_256) X(8, sha3_384) X(9, sha3_512) X(10, shake_128)       \
    X(11, shake_256)

#define DEFINE(i, name)                                                                \
    static PyObject *openssl_##name(PyObject *module, PyObject *const *args,           \
                                    Py_ssize_t nargs, PyObject *kwnames)               \
    {                                                                                  \
        return construct(module, i, "|O$pO:openssl_" #name, args, nargs, kwnames);     \
    }
CONSTRUCTORS(DEFINE)

/* ---- HMAC --------------------------------------------------------------------------- */

static void
hmac_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    HMAC_CTX_free(((Hmac *)op)->ctx);
    type->tp_free(op);
    Py_DECREF(type);
}

static void
drop_hmac_ctx(HMAC_CTX **ctx)
{
    HMAC_CTX_free(*ctx);
}

static Hmac *
new_hmac(PyTypeObject *type)
{
    Hmac *h = (Hmac *)type->tp_alloc(type, 0);
    if (h && !(h->ctx = HMAC_CTX_new())) {
        Py_DECREF(h);
        return (Hmac *)PyErr_NoMemory();
    }
    return h;
}

static int
hmac_feed(Hmac *h, PyObject *msg)
{
    NJ_OWN_BUF view = {0};
    int ok;
    if (nj_hash_view(msg, &view) < 0) {
        return -1;
    }
    if (view.len >= NJ_HASH_GIL_MINSIZE) {
        Py_BEGIN_ALLOW_THREADS
        PyMutex_Lock(&h->mutex);
        ok = HMAC_Update(h->ctx, view.buf, (size_t)view.len);
        PyMutex_Unlock(&h->mutex);
        Py_END_ALLOW_THREADS
    } else {
        PyMutex_Lock(&h->mutex);
        ok = HMAC_Update(h->ctx, view.buf, (size_t)view.len);
        PyMutex_Unlock(&h->mutex);
    }
    if (!ok) {
        openssl_error(PyExc_ValueError, NULL);
        return -1;
    }
    return 0;
}

static PyObject *
hmac_new(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", "msg", "digestmod", NULL};
    State *st = PyModule_GetState(module);
    NJ_OWN_BUF key = {0};
    PyObject *msg = NULL, *digestmod = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|OO:hmac_new", names, &key, &msg,
                                     &digestmod)) {
        return NULL;
    }
    if (key.len > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "key is too long.");
        return NULL;
    }
    if (!digestmod) {
        PyErr_SetString(PyExc_TypeError, "Missing required parameter 'digestmod'.");
        return NULL;
    }
    OWN_MD md = fetch_digestmod(st, digestmod);
    NJ_OWN o = md ? (PyObject *)new_hmac(st->hmac_type) : NULL;
    if (!o) {
        return NULL;
    }
    /* OpenSSL takes a NULL key for "as before" */
    if (!HMAC_Init_ex(((Hmac *)o)->ctx, key.len ? key.buf : "", (int)key.len, md, NULL)) {
        return openssl_error(PyExc_ValueError, NULL);
    }
    if (msg && msg != Py_None && hmac_feed((Hmac *)o, msg) < 0) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static PyObject *
hmac_digest_function(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"key", "msg", "digest", NULL};
    State *st = PyModule_GetState(module);
    NJ_OWN_BUF key = {0};
    NJ_OWN_BUF msg = {0};
    PyObject *digestmod;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*y*O:hmac_digest", names, &key, &msg,
                                     &digestmod)) {
        return NULL;
    }
    if (key.len > INT_MAX || msg.len > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError,
                        key.len > INT_MAX ? "key is too long." : "msg is too long.");
        return NULL;
    }
    OWN_MD md = fetch_digestmod(st, digestmod);
    if (!md) {
        return NULL;
    }
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    int ok;
    const void *k = key.len ? key.buf : "";
    /* not HMAC(), which looks the algorithm up again by its name */
    __attribute__((cleanup(drop_hmac_ctx))) HMAC_CTX *ctx = HMAC_CTX_new();
    if (!ctx) {
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    ok = HMAC_Init_ex(ctx, k, (int)key.len, md, NULL)
         && HMAC_Update(ctx, msg.buf, (size_t)msg.len) && HMAC_Final(ctx, out, &n);
    Py_END_ALLOW_THREADS
    return ok ? PyBytes_FromStringAndSize((char *)out, n)
              : openssl_error(PyExc_ValueError, NULL);
}

static int
hmac_copy_ctx(Hmac *h, HMAC_CTX *to)
{
    PyMutex_Lock(&h->mutex);
    int ok = HMAC_CTX_copy(to, h->ctx);
    PyMutex_Unlock(&h->mutex);
    if (!ok) {
        openssl_error(PyExc_ValueError, NULL);
        return -1;
    }
    return 0;
}

static PyObject *
hmac_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN r = (PyObject *)new_hmac(Py_TYPE(op));
    if (!r || hmac_copy_ctx((Hmac *)op, ((Hmac *)r)->ctx) < 0) {
        return NULL;
    }
    return NJ_TAKE(r);
}

static int
hmac_finish(Hmac *h, unsigned char *out)
{
    __attribute__((cleanup(drop_hmac_ctx))) HMAC_CTX *ctx = HMAC_CTX_new();
    unsigned n;
    if (!ctx) {
        PyErr_NoMemory();
        return -1;
    }
    if (hmac_copy_ctx(h, ctx) < 0) {
        return -1;
    }
    if (!HMAC_Final(ctx, out, &n)) {
        openssl_error(PyExc_ValueError, NULL);
        return -1;
    }
    return (int)n;
}

static PyObject *
hmac_digest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[EVP_MAX_MD_SIZE];
    int n = hmac_finish((Hmac *)op, out);
    return n < 0 ? NULL : PyBytes_FromStringAndSize((char *)out, n);
}

static PyObject *
hmac_hexdigest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[EVP_MAX_MD_SIZE];
    int n = hmac_finish((Hmac *)op, out);
    return n < 0 ? NULL : nj_hash_hex(out, (size_t)n);
}

static PyObject *
hmac_update(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"msg", NULL};
    PyObject *msg;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:update", names, &msg)
        || hmac_feed((Hmac *)op, msg) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static const EVP_MD *
hmac_md(PyObject *op)
{
    return HMAC_CTX_get_md(((Hmac *)op)->ctx);
}

static PyObject *
hmac_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<%s HMAC object @ %p>", name_of(hmac_md(op)), op);
}

static PyObject *
hmac_get_name(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromFormat("hmac-%s", name_of(hmac_md(op)));
}

static PyObject *
hmac_get_block_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(EVP_MD_get_block_size(hmac_md(op)));
}

static PyObject *
hmac_get_digest_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(EVP_MD_get_size(hmac_md(op)));
}

/* ---- key derivation ----------------------------------------------------------------- */

static int
check_int_size(Py_ssize_t n, const char *message)
{
    if (n > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, message);
        return -1;
    }
    return 0;
}

/* Digests whose state is plain memory. A round of key derivation begins with two copies of a
 * state, and OpenSSL 3 allocates for each copy of an EVP_MD_CTX (measured: pbkdf2_hmac of
 * SHA-256 takes 2.3 times as long with them). */
typedef union PlainState {
    MD5_CTX md5;
    SHA_CTX sha1;
    SHA256_CTX sha256;
    SHA512_CTX sha512;
} PlainState;

typedef struct Plain {
    int nid;
    int block, digest; /* bytes */
    void (*init)(PlainState *);
    void (*update)(PlainState *, const void *, size_t);
    void (*final)(unsigned char *, PlainState *);
} Plain;

/* The calls of OpenSSL on memory report no errors. */
#define PLAIN_CALLS(name, part)                                            \
    static void name##_init(PlainState *c)                                 \
    {                                                                      \
        name##_Init(&c->part);                                             \
    }                                                                      \
    static void name##_update(PlainState *c, const void *data, size_t len) \
    {                                                                      \
        name##_Update(&c->part, data, len);                                \
    }                                                                      \
    static void name##_final(unsigned char *to, PlainState *c)             \
    {                                                                      \
        name##_Final(to, &c->part);                                        \
    }
PLAIN_CALLS(MD5, md5)
PLAIN_CALLS(SHA1, sha1)
PLAIN_CALLS(SHA224, sha256)
PLAIN_CALLS(SHA256, sha256)
PLAIN_CALLS(SHA384, sha512)
PLAIN_CALLS(SHA512, sha512)

static const Plain plain_digests[] = {
    {NID_md5, 64, 16, MD5_init, MD5_update, MD5_final},
    {NID_sha1, 64, 20, SHA1_init, SHA1_update, SHA1_final},
    {NID_sha224, 64, 28, SHA224_init, SHA224_update, SHA224_final},
    {NID_sha256, 64, 32, SHA256_init, SHA256_update, SHA256_final},
    {NID_sha384, 128, 48, SHA384_init, SHA384_update, SHA384_final},
    {NID_sha512, 128, 64, SHA512_init, SHA512_update, SHA512_final},
};

/* NULL: only EVP can do it. Another provider than OpenSSL's own keeps its say. */
static const Plain *
plain_digest(const EVP_MD *md)
{
    const OSSL_PROVIDER *provider = EVP_MD_get0_provider(md);
    if (!provider || strcmp(OSSL_PROVIDER_get0_name(provider), "default")) {
        return NULL;
    }
    int nid = EVP_MD_get_type(md);
    for (size_t i = 0; i < Py_ARRAY_LENGTH(plain_digests); i++) {
        if (plain_digests[i].nid == nid) {
            return &plain_digests[i];
        }
    }
    return NULL;
}

/* HMAC from the states after the padded keys; c holds the first one and the message. */
static void
finish_hmac(const Plain *h, PlainState *c, const PlainState *outer, unsigned char *to)
{
    h->final(to, c);
    *c = *outer;
    h->update(c, to, (size_t)h->digest);
    h->final(to, c);
}

/* RFC 8018, 5.2. Runs without the GIL; dklen > 0. */
static void
derive_key(const Plain *h, const Py_buffer *password, const Py_buffer *salt, long iterations,
           unsigned char *to, long dklen)
{
    PlainState inner, outer, c;
    unsigned char key[SHA512_CBLOCK] = {0}, u[SHA512_DIGEST_LENGTH], t[SHA512_DIGEST_LENGTH];
    if (password->len > h->block) {
        h->init(&c);
        h->update(&c, password->buf, (size_t)password->len);
        h->final(key, &c);
    } else if (password->len) {
        memcpy(key, password->buf, (size_t)password->len);
    }
    for (int i = 0; i < h->block; i++) {
        key[i] ^= 0x36;
    }
    h->init(&inner);
    h->update(&inner, key, (size_t)h->block);
    for (int i = 0; i < h->block; i++) {
        key[i] ^= 0x36 ^ 0x5c;
    }
    h->init(&outer);
    h->update(&outer, key, (size_t)h->block);
    for (uint32_t number = 1; dklen > 0; number++) {
        unsigned char text[4] = {number >> 24 & 255, number >> 16 & 255, number >> 8 & 255,
                                 number & 255};
        c = inner;
        h->update(&c, salt->buf, (size_t)salt->len);
        h->update(&c, text, sizeof(text));
        finish_hmac(h, &c, &outer, u);
        memcpy(t, u, (size_t)h->digest);
        for (long i = 1; i < iterations; i++) {
            c = inner;
            h->update(&c, u, (size_t)h->digest);
            finish_hmac(h, &c, &outer, u);
            for (int k = 0; k < h->digest; k++) {
                t[k] ^= u[k];
            }
        }
        long n = Py_MIN(dklen, h->digest);
        memcpy(to, t, (size_t)n);
        to += n;
        dklen -= n;
    }
    OPENSSL_cleanse(&inner, sizeof(inner));
    OPENSSL_cleanse(&outer, sizeof(outer));
    OPENSSL_cleanse(&c, sizeof(c));
    OPENSSL_cleanse(key, sizeof(key));
    OPENSSL_cleanse(u, sizeof(u));
    OPENSSL_cleanse(t, sizeof(t));
}

static PyObject *
pbkdf2_hmac(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"hash_name", "password", "salt", "iterations", "dklen", NULL};
    State *st = PyModule_GetState(module);
    PyObject *name_object, *dklen_object = Py_None;
    NJ_OWN_BUF password = {0};
    NJ_OWN_BUF salt = {0};
    long iterations;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oy*y*l|O:pbkdf2_hmac", names,
                                     &name_object, &password, &salt, &iterations,
                                     &dklen_object)) {
        return NULL;
    }
    if (!PyUnicode_Check(name_object)) {
        PyErr_Format(PyExc_TypeError,
                     "pbkdf2_hmac() argument 'hash_name' must be str, not %T", name_object);
        return NULL;
    }
    const char *name = PyUnicode_AsUTF8(name_object);
    OWN_MD md = name ? fetch(st, name, true) : NULL;
    if (!md || check_int_size(password.len, "password is too long.") < 0
        || check_int_size(salt.len, "salt is too long.") < 0) {
        return NULL;
    }
    if (iterations < 1) {
        PyErr_SetString(PyExc_ValueError, "iteration value must be greater than 0.");
        return NULL;
    }
    if (check_int_size(iterations, "iteration value is too great.") < 0) {
        return NULL;
    }
    long dklen = digest_size(md);
    if (dklen_object != Py_None) {
        dklen = PyLong_AsLong(dklen_object);
        if (dklen == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (dklen < 1) {
        PyErr_SetString(PyExc_ValueError, "key length must be greater than 0.");
        return NULL;
    }
    if (check_int_size(dklen, "key length is too great.") < 0) {
        return NULL;
    }
    NJ_OWN key = PyBytes_FromStringAndSize(NULL, dklen);
    if (!key) {
        return NULL;
    }
    unsigned char *to = (unsigned char *)PyBytes_AS_STRING(key);
    const Plain *plain = plain_digest(md);
    int ok = 1;
    Py_BEGIN_ALLOW_THREADS
    if (plain) {
        derive_key(plain, &password, &salt, iterations, to, dklen);
    } else {
        ok = PKCS5_PBKDF2_HMAC(password.len ? password.buf : "", (int)password.len, salt.buf,
                               (int)salt.len, (int)iterations, md, (int)dklen, to);
    }
    Py_END_ALLOW_THREADS
    return ok ? NJ_TAKE(key) : openssl_error(PyExc_ValueError, NULL);
}

/* for PyArg_Parse */
static int
convert_ulong(PyObject *o, void *p)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return 0;
    }
    if (PyLong_IsNegative(index)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return 0;
    }
    unsigned long v = PyLong_AsUnsignedLong(index);
    if (v == (unsigned long)-1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large for C unsigned long");
        }
        return 0;
    }
    *(unsigned long *)p = v;
    return 1;
}

static PyObject *
hashlib_scrypt(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"password", "salt", "n", "r", "p", "maxmem", "dklen", NULL};
    NJ_OWN_BUF password = {0};
    NJ_OWN_BUF salt = {0};
    unsigned long n = 0, r = 0, p = 0;
    long maxmem = 0, dklen = 64;
    Py_ssize_t npos = PyTuple_GET_SIZE(args);
    if (npos > 1) {
        PyErr_Format(PyExc_TypeError,
                     "scrypt() takes exactly 1 positional argument (%zd given)", npos);
        return NULL;
    }
    /* PyArg_Parse cannot say "keyword only and needed" */
    for (int i = 0; i < 5; i++) {
        NJ_OWN v = NULL;
        int have = i == 0 && npos ? 1
                   : kwargs       ? PyDict_GetItemStringRef(kwargs, names[i], &v)
                                  : 0;
        if (have < 0) {
            return NULL;
        }
        if (!have) {
            PyErr_Format(PyExc_TypeError,
                         "scrypt() missing required argument '%s' (pos %d)", names[i],
                         i + 1);
            return NULL;
        }
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|$y*O&O&O&ll:scrypt", names,
                                     &password, &salt, convert_ulong, &n, convert_ulong,
                                     &r, convert_ulong, &p, &maxmem, &dklen)
        || check_int_size(password.len, "password is too long.") < 0
        || check_int_size(salt.len, "salt is too long.") < 0) {
        return NULL;
    }
    if (n < 2 || n & (n - 1)) {
        PyErr_SetString(PyExc_ValueError, "n must be a power of 2.");
        return NULL;
    }
    if (maxmem < 0 || maxmem > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "maxmem must be positive and smaller than %d",
                     INT_MAX);
        return NULL;
    }
    if (dklen < 1 || dklen > INT_MAX) {
        PyErr_Format(PyExc_ValueError,
                     "dklen must be greater than 0 and smaller than %d", INT_MAX);
        return NULL;
    }
    const char *pw = password.len ? password.buf : "";
    if (!EVP_PBE_scrypt(NULL, 0, NULL, 0, n, r, p, (uint64_t)maxmem, NULL, 0)) {
        return openssl_error(PyExc_ValueError,
                             "Invalid parameter combination for n, r, p, maxmem.");
    }
    NJ_OWN key = PyBytes_FromStringAndSize(NULL, dklen);
    if (!key) {
        return NULL;
    }
    unsigned char *to = (unsigned char *)PyBytes_AS_STRING(key);
    int ok;
    Py_BEGIN_ALLOW_THREADS
    ok = EVP_PBE_scrypt(pw, (size_t)password.len, salt.buf, (size_t)salt.len, n, r, p,
                        (uint64_t)maxmem, to, (size_t)dklen);
    Py_END_ALLOW_THREADS
    return ok ? NJ_TAKE(key) : openssl_error(PyExc_ValueError, NULL);
}

/* ---- functions ---------------------------------------------------------------------- */

static PyObject *
get_fips_mode(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(EVP_default_properties_is_fips_enabled(NULL));
}

static PyObject *
compare_digest(PyObject *module, PyObject *args)
{
    PyObject *a, *b;
    if (!PyArg_UnpackTuple(args, "compare_digest", 2, 2, &a, &b)) {
        return NULL;
    }
    if (PyUnicode_Check(a) && PyUnicode_Check(b)) {
        if (!PyUnicode_IS_ASCII(a) || !PyUnicode_IS_ASCII(b)) {
            PyErr_SetString(PyExc_TypeError, "comparing strings with non-ASCII characters "
                                             "is not supported");
            return NULL;
        }
        Py_ssize_t n = PyUnicode_GET_LENGTH(b);
        return PyBool_FromLong(
            PyUnicode_GET_LENGTH(a) == n
            && CRYPTO_memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b), (size_t)n) == 0);
    }
    if (!PyObject_CheckBuffer(a) && !PyObject_CheckBuffer(b)) {
        PyErr_Format(PyExc_TypeError,
                     "unsupported operand types(s) or combination of types: '%.100s' and "
                     "'%.100s'",
                     Py_TYPE(a)->tp_name, Py_TYPE(b)->tp_name);
        return NULL;
    }
    NJ_OWN_BUF x = {0};
    NJ_OWN_BUF y = {0};
    if (PyObject_GetBuffer(a, &x, PyBUF_SIMPLE) < 0
        || PyObject_GetBuffer(b, &y, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (x.ndim > 1 || y.ndim > 1) {
        PyErr_SetString(PyExc_BufferError, "Buffer must be single dimension");
        return NULL;
    }
    return PyBool_FromLong(x.len == y.len
                           && CRYPTO_memcmp(x.buf, y.buf, (size_t)x.len) == 0);
}

/* ---- types and module --------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef hash_methods[] = {
    {"update", hash_update, METH_O,
     "update($self, obj, /)\n--\n\n"
     "Update this hash object's state with the provided string."},
    {"digest", hash_digest, METH_NOARGS,
     "digest($self, /)\n--\n\nReturn the digest value as a bytes object."},
    {"hexdigest", hash_hexdigest, METH_NOARGS,
     "hexdigest($self, /)\n--\n\n"
     "Return the digest value as a string of hexadecimal digits."},
    {"copy", hash_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nReturn a copy of the hash object."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef hash_getset[] = {
    {"digest_size", hash_get_digest_size, NULL, NULL, NULL},
    {"block_size", hash_get_block_size, NULL, NULL, NULL},
    {"name", hash_get_name, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define HASH_DOC(type, length)                                                         \
    type "(name, string=b'')\n--\n\n"                                                  \
         "A hash is an object used to calculate a checksum of a string of "            \
         "information.\n\n"                                                            \
         "Methods:\n\n"                                                                \
         "update() -- updates the current digest with an additional string\n"          \
         "digest(" length ") -- return the current digest value\n"                     \
         "hexdigest(" length ") -- return the current digest as a string of "          \
         "hexadecimal digits\n"                                                        \
         "copy() -- return a copy of the current hash object\n\n"                      \
         "Attributes:\n\n"                                                             \
         "name -- the hash algorithm being used by this object\n"                      \
         "digest_size -- number of bytes in this hashes output"

static PyType_Slot hash_slots[] = {
    {Py_tp_dealloc, hash_dealloc},
    {Py_tp_repr, hash_repr},
    {Py_tp_methods, hash_methods},
    {Py_tp_getset, hash_getset},
    {Py_tp_doc, HASH_DOC("HASH", "")},
    {0, NULL},
};

static PyType_Spec hash_spec = {
    .name = "_hashlib.HASH",
    .basicsize = sizeof(Hash),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hash_slots,
};

static PyMethodDef xof_methods[] = {
    {"digest", KW(xof_digest), METH_VARARGS | METH_KEYWORDS,
     "digest($self, /, length)\n--\n\nReturn the digest value as a bytes object."},
    {"hexdigest", KW(xof_hexdigest), METH_VARARGS | METH_KEYWORDS,
     "hexdigest($self, /, length)\n--\n\n"
     "Return the digest value as a string of hexadecimal digits."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef xof_getset[] = {
    {"digest_size", xof_get_digest_size, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot xof_slots[] = {
    {Py_tp_methods, xof_methods},
    {Py_tp_getset, xof_getset},
    {Py_tp_doc, HASH_DOC("HASHXOF", "length")},
    {0, NULL},
};

static PyType_Spec xof_spec = {
    .name = "_hashlib.HASHXOF",
    .basicsize = sizeof(Hash),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = xof_slots,
};

static PyMethodDef hmac_methods[] = {
    {"update", KW(hmac_update), METH_VARARGS | METH_KEYWORDS,
     "update($self, /, msg)\n--\n\nUpdate the HMAC object with msg."},
    {"digest", hmac_digest, METH_NOARGS,
     "digest($self, /)\n--\n\n"
     "Return the digest of the bytes passed to the update() method so far."},
    {"hexdigest", hmac_hexdigest, METH_NOARGS,
     "hexdigest($self, /)\n--\n\n"
     "Return hexadecimal digest of the bytes passed to the update() method so far.\n\n"
     "Text of this kind can be sent where binary data cannot."},
    {"copy", hmac_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nReturn a copy (\"clone\") of the HMAC object."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef hmac_getset[] = {
    {"digest_size", hmac_get_digest_size, NULL, NULL, NULL},
    {"block_size", hmac_get_block_size, NULL, NULL, NULL},
    {"name", hmac_get_name, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot hmac_slots[] = {
    {Py_tp_dealloc, hmac_dealloc},
    {Py_tp_repr, hmac_repr},
    {Py_tp_methods, hmac_methods},
    {Py_tp_getset, hmac_getset},
    {Py_tp_doc,
     "The object used to calculate HMAC of a message.\n\n"
     "Methods:\n\n"
     "update() -- updates the current digest with an additional string\n"
     "digest() -- return the current digest value\n"
     "hexdigest() -- return the current digest as a string of hexadecimal digits\n"
     "copy() -- return a copy of the current hash object\n\n"
     "Attributes:\n\n"
     "name -- the name, including the hash algorithm used by this object\n"
     "digest_size -- number of bytes in digest() output\n"},
    {0, NULL},
};

static PyType_Spec hmac_spec = {
    .name = "_hashlib.HMAC",
    .basicsize = sizeof(Hmac),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = hmac_slots,
};

#define CONSTRUCTOR_DEF(name, indent, shown)                                           \
    {"openssl_" #name, KW(openssl_##name), METH_FASTCALL | METH_KEYWORDS,              \
     "openssl_" #name "($module, /, data=b'', *, usedforsecurity=True," indent         \
     "string=None)\n--\n\n"                                                            \
     "Returns a " shown " hash object; optionally initialized with a string"}

static PyMethodDef module_methods[] = {
    {"new", KW(hashlib_new), METH_FASTCALL | METH_KEYWORDS,
     "new($module, /, name, data=b'', *, usedforsecurity=True, string=None)\n--\n\n"
     "Return a new hash object using the named algorithm.\n\n"
     "Data given are hashed at once. MD5 and SHA1 are always there."},
    CONSTRUCTOR_DEF(md5, " ", "md5"),
    CONSTRUCTOR_DEF(sha1, " ", "sha1"),
    CONSTRUCTOR_DEF(sha224, "\n               ", "sha224"),
    CONSTRUCTOR_DEF(sha256, "\n               ", "sha256"),
    CONSTRUCTOR_DEF(sha384, "\n               ", "sha384"),
    CONSTRUCTOR_DEF(sha512, "\n               ", "sha512"),
    CONSTRUCTOR_DEF(sha3_224, "\n                 ", "sha3-224"),
    CONSTRUCTOR_DEF(sha3_256, "\n                 ", "sha3-256"),
    CONSTRUCTOR_DEF(sha3_384, "\n                 ", "sha3-384"),
    CONSTRUCTOR_DEF(sha3_512, "\n                 ", "sha3-512"),
    CONSTRUCTOR_DEF(shake_128, "\n                  ", "shake-128 variable"),
    CONSTRUCTOR_DEF(shake_256, "\n                  ", "shake-256 variable"),
    {"hmac_new", KW(hmac_new), METH_VARARGS | METH_KEYWORDS,
     "hmac_new($module, /, key, msg=b'', digestmod=None)\n--\n\nReturn a new hmac object."},
    {"hmac_digest", KW(hmac_digest_function), METH_VARARGS | METH_KEYWORDS,
     "hmac_digest($module, /, key, msg, digest)\n--\n\nSingle-shot HMAC."},
    {"pbkdf2_hmac", KW(pbkdf2_hmac), METH_VARARGS | METH_KEYWORDS,
     "pbkdf2_hmac($module, /, hash_name, password, salt, iterations,\n"
     "            dklen=None)\n--\n\n"
     "Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom "
     "function."},
    {"scrypt", KW(hashlib_scrypt), METH_VARARGS | METH_KEYWORDS,
     "scrypt($module, /, password, *, salt, n, r, p, maxmem=0, dklen=64)\n--\n\n"
     "scrypt password-based key derivation function."},
    {"get_fips_mode", get_fips_mode, METH_NOARGS,
     "get_fips_mode($module, /)\n--\n\n"
     "Whether OpenSSL's default library context asks for FIPS implementations: not 0 if "
     "so."},
    {"compare_digest", compare_digest, METH_VARARGS,
     "compare_digest($module, a, b, /)\n--\n\n"
     "Return 'a == b'.\n\n"
     "The time taken does not tell where the two differ, as cryptography needs it. a and\n"
     "b are both str (ASCII only) or both bytes-like. Different lengths and errors can\n"
     "be told by the time taken."},
    {NULL, NULL, 0, NULL},
};

static int
add_type(PyObject *m, PyType_Spec *spec, PyTypeObject *base, PyTypeObject **where)
{
    *where = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, (PyObject *)base);
    return *where ? PyModule_AddType(m, *where) : -1;
}

/* One of the provider's algorithms: its name into the set. */
static void
collect_name(EVP_MD *md, void *p)
{
    PyObject *set = p;
    if (PyErr_Occurred() || EVP_MD_get_type(md) == NID_undef) {
        return;
    }
    NJ_OWN name = PyUnicode_FromString(name_of(md));
    if (name) {
        PySet_Add(set, name);
    }
}

static int
add_names(PyObject *m)
{
    NJ_OWN names = PyFrozenSet_New(NULL);
    if (!names) {
        return -1;
    }
    EVP_MD_do_all_provided(NULL, collect_name, names);
    return PyErr_Occurred() ? -1
                            : PyModule_AddObjectRef(m, "openssl_md_meth_names", names);
}

static int
add_constructors(PyObject *m, State *st)
{
    NJ_OWN dict = PyDict_New();
    if (!dict) {
        return -1;
    }
    for (int i = 0; i < NKNOWN; i++) {
        if (!known[i].shown) {
            continue;
        }
        char attribute[32];
        PyOS_snprintf(attribute, sizeof attribute, "openssl_%s", known[i].name);
        NJ_OWN function = PyObject_GetAttrString(m, attribute);
        NJ_OWN name = PyUnicode_FromString(known[i].name);
        if (!function || !name || PyDict_SetItem(dict, function, name) < 0) {
            return -1;
        }
    }
    st->constructors = PyDictProxy_New(dict);
    return st->constructors ? PyModule_AddObjectRef(m, "_constructors", st->constructors)
                            : -1;
}

static int
hashlib_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    if (add_type(m, &hash_spec, NULL, &st->hash_type) < 0
        || add_type(m, &xof_spec, st->hash_type, &st->xof_type) < 0
        || add_type(m, &hmac_spec, NULL, &st->hmac_type) < 0) {
        return -1;
    }
    st->unsupported =
        PyErr_NewException("_hashlib.UnsupportedDigestmodError", PyExc_ValueError, NULL);
    if (!st->unsupported || PyModule_AddType(m, (PyTypeObject *)st->unsupported) < 0
        || add_names(m) < 0 || add_constructors(m, st) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "_GIL_MINSIZE", NJ_HASH_GIL_MINSIZE);
}

static int
hashlib_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    Py_VISIT(st->hash_type);
    Py_VISIT(st->xof_type);
    Py_VISIT(st->hmac_type);
    Py_VISIT(st->unsupported);
    Py_VISIT(st->constructors);
    return 0;
}

static int
hashlib_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    Py_CLEAR(st->hash_type);
    Py_CLEAR(st->xof_type);
    Py_CLEAR(st->hmac_type);
    Py_CLEAR(st->unsupported);
    Py_CLEAR(st->constructors);
    return 0;
}

static void
hashlib_free(void *m)
{
    State *st = PyModule_GetState(m);
    for (int i = 0; i < NKNOWN; i++) {
        EVP_MD_free(st->md[i][0]);
        EVP_MD_free(st->md[i][1]);
        st->md[i][0] = st->md[i][1] = NULL;
    }
    hashlib_clear(m);
}

static PyModuleDef_Slot hashlib_slots[] = {
    {Py_mod_exec, hashlib_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef hashlib_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_hashlib",
    .m_doc = "OpenSSL interface for hashlib module",
    .m_size = sizeof(State),
    .m_methods = module_methods,
    .m_slots = hashlib_slots,
    .m_traverse = hashlib_traverse,
    .m_clear = hashlib_clear,
    .m_free = hashlib_free,
};

PyMODINIT_FUNC
PyInit__hashlib(void)
{
    return PyModuleDef_Init(&hashlib_module);
}

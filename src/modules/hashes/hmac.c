/* hmac.c - HMAC (RFC 2104) over the built-in hash algorithms: the module _hmac.
 *
 * A context holds the inner hash, which has swallowed the padded key and takes the
 * message, and the outer one, which has swallowed the key padded the other way and waits
 * for the inner digest.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include "hashes_int.h"

typedef struct HmacCtx {
    NjHashCtx inner, outer;
} HmacCtx;

typedef struct Hmac {
    PyObject_HEAD
    const NjHashAlgorithm *algorithm;
    PyMutex mutex;
    HmacCtx ctx;
} Hmac;

typedef struct State {
    PyTypeObject *type;
    PyObject *unknown_hash_error;
} State;

static void
hmac_start(HmacCtx *c, const NjHashAlgorithm *a, const unsigned char *key, size_t n)
{
    unsigned char pad[NJ_HASH_MAX_BLOCK], digest[NJ_HASH_MAX_DIGEST];
    nj_hash_start(&c->inner, a);
    if (n > a->block_size) {
        NjHashCtx k = c->inner;
        nj_hash_feed(&k, a, key, n);
        n = k.digest_size;
        a->finish(&k, digest);
        key = digest;
    }
    c->outer = c->inner;
    for (size_t i = 0; i < a->block_size; i++) {
        pad[i] = (i < n ? key[i] : 0) ^ 0x36;
    }
    nj_hash_feed(&c->inner, a, pad, a->block_size);
    for (size_t i = 0; i < a->block_size; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    nj_hash_feed(&c->outer, a, pad, a->block_size);
}

/* consumes the context */
static size_t
hmac_finish(HmacCtx *c, const NjHashAlgorithm *a, unsigned char *out)
{
    unsigned char digest[NJ_HASH_MAX_DIGEST];
    size_t n = c->inner.digest_size;
    a->finish(&c->inner, digest);
    nj_hash_feed(&c->outer, a, digest, n);
    a->finish(&c->outer, out);
    return n;
}

static const NjHashAlgorithm *
named(PyObject *name)
{
    static const struct {
        const char *name;
        const NjHashAlgorithm *algorithm;
    } extra[] = {
        {"blake2b", &nj_blake2b},    {"blake2s", &nj_blake2s},
        {"blake2b_32", &nj_blake2b}, {"blake2s_32", &nj_blake2s},
    };
    const char *s = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : NULL;
    if (!s) {
        PyErr_Clear();
        return NULL;
    }
    for (int i = 0; i < NJ_MD_COUNT; i++) {
        if (PyOS_stricmp(s, nj_md_algorithms[i].name) == 0) {
            return &nj_md_algorithms[i];
        }
    }
    for (int i = 0; i < NJ_SHAKE_128; i++) {
        if (PyOS_stricmp(s, nj_sha3_algorithms[i].name) == 0) {
            return &nj_sha3_algorithms[i];
        }
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(extra); i++) {
        if (PyOS_stricmp(s, extra[i].name) == 0) {
            return extra[i].algorithm;
        }
    }
    return NULL;
}

static const NjHashAlgorithm *
find_algorithm(State *st, PyObject *name)
{
    const NjHashAlgorithm *a = named(name);
    if (!a) {
        PyErr_Format(st->unknown_hash_error, "unsupported hash type: %R", name);
    }
    return a;
}

/* ---- one-shot ----------------------------------------------------------------------- */

static PyObject *
compute(const NjHashAlgorithm *a, PyObject *key, PyObject *msg)
{
    NJ_OWN_BUF k = {0};
    NJ_OWN_BUF m = {0};
    if (nj_hash_view(key, &k) < 0 || nj_hash_view(msg, &m) < 0) {
        return NULL;
    }
    unsigned char out[NJ_HASH_MAX_DIGEST];
    size_t n;
    HmacCtx c;
    if (m.len >= NJ_HASH_GIL_MINSIZE || k.len >= NJ_HASH_GIL_MINSIZE) {
        Py_BEGIN_ALLOW_THREADS
        hmac_start(&c, a, k.buf, (size_t)k.len);
        nj_hash_feed(&c.inner, a, m.buf, (size_t)m.len);
        n = hmac_finish(&c, a, out);
        Py_END_ALLOW_THREADS
    } else {
        hmac_start(&c, a, k.buf, (size_t)k.len);
        nj_hash_feed(&c.inner, a, m.buf, (size_t)m.len);
        n = hmac_finish(&c, a, out);
    }
    return PyBytes_FromStringAndSize((char *)out, (Py_ssize_t)n);
}

static PyObject *
compute_digest(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
               PyObject *kwnames)
{
    static char *names[] = {"key", "msg", "digest", NULL};
    PyObject *key, *msg, *digest;
    if (!nj_args_parse(args, nargs, kwnames, "OOO:compute_digest", names, &key, &msg,
                                     &digest)) {
        return NULL;
    }
    const NjHashAlgorithm *a = find_algorithm(PyModule_GetState(module), digest);
    return a ? compute(a, key, msg) : NULL;
}

static PyObject *
compute_two(const NjHashAlgorithm *a, const char *function, PyObject *const *args,
            Py_ssize_t n)
{
    if (n != 2) {
        PyErr_Format(PyExc_TypeError, "%s expected 2 arguments, got %zd", function, n);
        return NULL;
    }
    return compute(a, args[0], args[1]);
}

#define COMPUTE(name, algorithm)                                                         \
    static PyObject *compute_##name(PyObject *module, PyObject *const *args,             \
                                    Py_ssize_t n)                                        \
    {                                                                                    \
        return compute_two(algorithm, "compute_" #name, args, n);                        \
    }
COMPUTE(md5, &nj_md_algorithms[NJ_MD5])
COMPUTE(sha1, &nj_md_algorithms[NJ_SHA1])
COMPUTE(sha224, &nj_md_algorithms[NJ_SHA224])
COMPUTE(sha256, &nj_md_algorithms[NJ_SHA256])
COMPUTE(sha384, &nj_md_algorithms[NJ_SHA384])
COMPUTE(sha512, &nj_md_algorithms[NJ_SHA512])
COMPUTE(sha3_224, &nj_sha3_algorithms[NJ_SHA3_224])
COMPUTE(sha3_256, &nj_sha3_algorithms[NJ_SHA3_256])
COMPUTE(sha3_384, &nj_sha3_algorithms[NJ_SHA3_384])
COMPUTE(sha3_512, &nj_sha3_algorithms[NJ_SHA3_512])
COMPUTE(blake2s_32, &nj_blake2s)
COMPUTE(blake2b_32, &nj_blake2b)

/* ---- objects ------------------------------------------------------------------------ */

static int
feed(Hmac *h, PyObject *msg)
{
    NJ_OWN_BUF view = {0};
    if (nj_hash_view(msg, &view) < 0) {
        return -1;
    }
    if (view.len >= NJ_HASH_GIL_MINSIZE) {
        Py_BEGIN_ALLOW_THREADS
        PyMutex_Lock(&h->mutex);
        nj_hash_feed(&h->ctx.inner, h->algorithm, view.buf, (size_t)view.len);
        PyMutex_Unlock(&h->mutex);
        Py_END_ALLOW_THREADS
    } else {
        PyMutex_Lock(&h->mutex);
        nj_hash_feed(&h->ctx.inner, h->algorithm, view.buf, (size_t)view.len);
        PyMutex_Unlock(&h->mutex);
    }
    return 0;
}

static PyObject *
hmac_new(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static char *names[] = {"key", "msg", "digestmod", NULL};
    State *st = PyModule_GetState(module);
    PyObject *key, *msg = NULL, *digestmod = NULL;
    if (!nj_args_parse(args, nargs, kwnames, "O|OO:new", names, &key, &msg,
                                     &digestmod)) {
        return NULL;
    }
    if (!digestmod) {
        PyErr_SetString(PyExc_TypeError, "new() missing 1 required argument 'digestmod'");
        return NULL;
    }
    const NjHashAlgorithm *a = find_algorithm(st, digestmod);
    NJ_OWN_BUF k = {0};
    if (!a || nj_hash_view(key, &k) < 0) {
        return NULL;
    }
    NJ_OWN o = st->type->tp_alloc(st->type, 0);
    if (!o) {
        return NULL;
    }
    Hmac *h = (Hmac *)o;
    h->algorithm = a;
    hmac_start(&h->ctx, a, k.buf, (size_t)k.len);
    if (msg && msg != Py_None && feed(h, msg) < 0) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static PyObject *
hmac_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Hmac *h = (Hmac *)op;
    Hmac *r = (Hmac *)Py_TYPE(op)->tp_alloc(Py_TYPE(op), 0);
    if (r) {
        r->algorithm = h->algorithm;
        PyMutex_Lock(&h->mutex);
        r->ctx = h->ctx;
        PyMutex_Unlock(&h->mutex);
    }
    return (PyObject *)r;
}

static PyObject *
hmac_update(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static char *names[] = {"msg", NULL};
    PyObject *msg;
    if (!nj_args_parse(args, nargs, kwnames, "O:update", names, &msg)
        || feed((Hmac *)op, msg) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static size_t
result(Hmac *h, unsigned char *out)
{
    HmacCtx c;
    PyMutex_Lock(&h->mutex);
    c = h->ctx;
    PyMutex_Unlock(&h->mutex);
    return hmac_finish(&c, h->algorithm, out);
}

static PyObject *
hmac_digest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[NJ_HASH_MAX_DIGEST];
    size_t n = result((Hmac *)op, out);
    return PyBytes_FromStringAndSize((char *)out, (Py_ssize_t)n);
}

static PyObject *
hmac_hexdigest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    unsigned char out[NJ_HASH_MAX_DIGEST];
    size_t n = result((Hmac *)op, out);
    return nj_hash_hex(out, n);
}

static PyObject *
hmac_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<%s HMAC object @ %p>", ((Hmac *)op)->algorithm->name, op);
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromFormat("hmac-%s", ((Hmac *)op)->algorithm->name);
}

static PyObject *
get_block_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((Hmac *)op)->algorithm->block_size);
}

static PyObject *
get_digest_size(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((Hmac *)op)->algorithm->digest_size);
}

/* ---- type and module ---------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef Hmac_methods[] = {
    {"copy", hmac_copy, METH_NOARGS,
     "copy($self, /)\n--\n\nReturn a copy (\"clone\") of the HMAC object."},
    {"update", (PyCFunction)(void *)hmac_update, METH_FASTCALL | METH_KEYWORDS,
     "update($self, /, msg)\n--\n\nUpdate the HMAC object with the given message."},
    {"digest", hmac_digest, METH_NOARGS,
     "digest($self, /)\n--\n\n"
     "Return the digest of the bytes passed to the update() method so far."},
    {"hexdigest", hmac_hexdigest, METH_NOARGS,
     "hexdigest($self, /)\n--\n\n"
     "Return hexadecimal digest of the bytes passed to the update() method so far."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef Hmac_getset[] = {
    {"name", get_name, NULL, NULL, NULL},
    {"block_size", get_block_size, NULL, NULL, NULL},
    {"digest_size", get_digest_size, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot Hmac_slots[] = {
    {Py_tp_dealloc, nj_hash_dealloc},
    {Py_tp_traverse, nj_hash_traverse},
    {Py_tp_repr, hmac_repr},
    {Py_tp_methods, Hmac_methods},
    {Py_tp_getset, Hmac_getset},
    {0, NULL},
};

static PyType_Spec Hmac_spec = {
    .name = "_hmac.HMAC",
    .basicsize = sizeof(Hmac),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = Hmac_slots,
};

#define COMPUTE_DEF(name)                                                                \
    {"compute_" #name, KW(compute_##name), METH_FASTCALL,                                     \
     "compute_" #name "($module, key, msg, /)\n--\n\n"}

static PyMethodDef module_methods[] = {
    {"new", (PyCFunction)(void *)hmac_new, METH_FASTCALL | METH_KEYWORDS,
     "new($module, /, key, msg=None, digestmod=None)\n--\n\nReturn a new HMAC object."},
    {"compute_digest", (PyCFunction)(void *)compute_digest,
     METH_FASTCALL | METH_KEYWORDS,
     "compute_digest($module, /, key, msg, digest)\n--\n\n"},
    COMPUTE_DEF(md5),
    COMPUTE_DEF(sha1),
    COMPUTE_DEF(sha224),
    COMPUTE_DEF(sha256),
    COMPUTE_DEF(sha384),
    COMPUTE_DEF(sha512),
    COMPUTE_DEF(sha3_224),
    COMPUTE_DEF(sha3_256),
    COMPUTE_DEF(sha3_384),
    COMPUTE_DEF(sha3_512),
    COMPUTE_DEF(blake2s_32),
    COMPUTE_DEF(blake2b_32),
    {NULL, NULL, 0, NULL},
};

static int
hmac_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    st->type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &Hmac_spec, NULL);
    st->unknown_hash_error =
        PyErr_NewException("_hmac.UnknownHashError", PyExc_ValueError, NULL);
    if (!st->type || !st->unknown_hash_error || PyModule_AddType(m, st->type) < 0
        || PyModule_AddType(m, (PyTypeObject *)st->unknown_hash_error) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "_GIL_MINSIZE", NJ_HASH_GIL_MINSIZE);
}

static int
hmac_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    Py_VISIT(st->type);
    Py_VISIT(st->unknown_hash_error);
    return 0;
}

static int
hmac_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    Py_CLEAR(st->type);
    Py_CLEAR(st->unknown_hash_error);
    return 0;
}

static void
hmac_free(void *m)
{
    hmac_clear(m);
}

static PyModuleDef_Slot hmac_slots[] = {
    {Py_mod_exec, hmac_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef hmac_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_hmac",
    .m_size = sizeof(State),
    .m_methods = module_methods,
    .m_slots = hmac_slots,
    .m_traverse = hmac_traverse,
    .m_clear = hmac_clear,
    .m_free = hmac_free,
};

PyMODINIT_FUNC PyInit__hmac(void);

PyMODINIT_FUNC
PyInit__hmac(void)
{
    return PyModuleDef_Init(&hmac_module);
}

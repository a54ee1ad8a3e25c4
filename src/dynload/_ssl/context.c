/* context.c - _SSLContext: settings, certificates and keys that connections share.
 * SPDX-License-Identifier: MIT
 */
#include "ssl_int.h"

int
nj_ssl_cannot_delete(const char *attribute)
{
    PyErr_Format(PyExc_AttributeError,
                 "attribute '%s' of '_ssl._SSLContext' objects cannot be deleted", attribute);
    return -1;
}

static int
set_error(SslState *st, int line)
{
    nj_ssl_error(st, NULL, line);
    return -1;
}

/* ---- birth and death ---------------------------------------------------------------- */

static int
warn_deprecated(const char *name)
{
    return PyErr_WarnFormat(PyExc_DeprecationWarning, 2, "ssl.%s is deprecated", name);
}

/* The method for a protocol: NULL with an exception for an unknown one. */
static const SSL_METHOD *
method_for(int protocol)
{
    static const struct {
        int protocol;
        const char *deprecated;
        const SSL_METHOD *(*method)(void);
    } methods[] = {
        {PROTOCOL_TLS, "PROTOCOL_TLS", TLS_method},
        {PROTOCOL_TLS_CLIENT, NULL, TLS_client_method},
        {PROTOCOL_TLS_SERVER, NULL, TLS_server_method},
#ifndef OPENSSL_NO_TLS1_METHOD
        {PROTOCOL_TLSV1, "PROTOCOL_TLSv1", TLSv1_method},
#endif
#ifndef OPENSSL_NO_TLS1_1_METHOD
        {PROTOCOL_TLSV1_1, "PROTOCOL_TLSv1_1", TLSv1_1_method},
#endif
#ifndef OPENSSL_NO_TLS1_2_METHOD
        {PROTOCOL_TLSV1_2, "PROTOCOL_TLSv1_2", TLSv1_2_method},
#endif
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(methods); i++) {
        if (methods[i].protocol == protocol) {
            return methods[i].deprecated && warn_deprecated(methods[i].deprecated) < 0
                       ? NULL
                       : methods[i].method();
        }
    }
    PyErr_Format(PyExc_ValueError, "invalid or unsupported protocol version %d", protocol);
    return NULL;
}

static int set_verify_mode_value(Context *c, int mode);

static int
set_defaults(Context *c)
{
    uint64_t options = SSL_OP_ALL & ~(uint64_t)SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS;
    options |= SSL_OP_NO_SSLv3 | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
               SSL_OP_SINGLE_DH_USE | SSL_OP_SINGLE_ECDH_USE |
               SSL_OP_ENABLE_MIDDLEBOX_COMPAT;
    SSL_CTX_set_options(c->ctx, options);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_RELEASE_BUFFERS);
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(c->ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_TRUSTED_FIRST);
    X509_VERIFY_PARAM_set_hostflags(param, c->host_flags);
    SSL_CTX_set_post_handshake_auth(c->ctx, 0);
    bool client = c->protocol == PROTOCOL_TLS_CLIENT;
    c->check_hostname = client;
    return set_verify_mode_value(c, client ? CERT_REQUIRED : CERT_NONE);
}

static PyObject *
context_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    SslState *st = nj_ssl_state(type);
    PyObject *arg;
    int protocol;
    if (!st) {
        return NULL;
    }
    /* a subclass may take other keywords in its own __new__ */
    if (kwargs && PyDict_GET_SIZE(kwargs) && type == st->context_type) {
        PyErr_SetString(PyExc_TypeError, "_SSLContext() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "_SSLContext", 1, 1, &arg)
        || !nj_ssl_convert_int(arg, &protocol)) {
        return NULL;
    }
    const SSL_METHOD *method = method_for(protocol);
    if (!method) {
        return NULL;
    }
    SSL_CTX *ctx;
    Py_BEGIN_ALLOW_THREADS
    ctx = SSL_CTX_new(method);
    Py_END_ALLOW_THREADS
    if (!ctx) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    NJ_OWN o = type->tp_alloc(type, 0);
    if (!o) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    Context *c = (Context *)o;
    c->ctx = ctx;
    c->state = st;
    c->protocol = protocol;
    c->host_flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
    return set_defaults(c) < 0 ? NULL : NJ_TAKE(o);
}

static int
context_traverse(PyObject *op, visitproc visit, void *arg)
{
    Context *c = (Context *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(c->sni_callback);
    Py_VISIT(c->msg_callback);
    Py_VISIT(c->keylog_filename);
    Py_VISIT(c->psk_client_callback);
    Py_VISIT(c->psk_server_callback);
    return 0;
}

static int
context_clear(PyObject *op)
{
    Context *c = (Context *)op;
    Py_CLEAR(c->sni_callback);
    Py_CLEAR(c->msg_callback);
    Py_CLEAR(c->keylog_filename);
    Py_CLEAR(c->psk_client_callback);
    Py_CLEAR(c->psk_server_callback);
    if (c->keylog) {
        BIO *keylog = c->keylog;
        c->keylog = NULL;
        Py_BEGIN_ALLOW_THREADS
        BIO_free_all(keylog);
        Py_END_ALLOW_THREADS
    }
    return 0;
}

static void
context_dealloc(PyObject *op)
{
    Context *c = (Context *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    context_clear(op);
    /* a connection that was given another context still asks its first one for server names */
    if (c->ctx) {
        SSL_CTX_set_tlsext_servername_callback(c->ctx, NULL);
    }
    SSL_CTX_free(c->ctx);
    PyMem_Free(c->alpn);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- ciphers ------------------------------------------------------------------------ */

static const char *
text_argument(PyObject *o, const char *function)
{
    if (!PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s() argument must be str, not %T", function, o);
        return NULL;
    }
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(o, &n);
    if (text && strlen(text) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return text;
}

static PyObject *
context_set_ciphers(PyObject *op, PyObject *arg)
{
    Context *c = (Context *)op;
    const char *list = text_argument(arg, "set_ciphers");
    if (!list) {
        return NULL;
    }
    if (!SSL_CTX_set_cipher_list(c->ctx, list)) {
        ERR_clear_error();
        PyErr_SetString(c->state->error, "No cipher can be selected.");
        return NULL;
    }
    Py_RETURN_NONE;
}

static const char *
nid_name(int nid)
{
    return nid == NID_undef ? NULL : OBJ_nid2ln(nid);
}

static PyObject *
cipher_dict(const SSL_CIPHER *cipher)
{
    char description[512] = "";
    int alg_bits, bits = SSL_CIPHER_get_bits(cipher, &alg_bits);
    if (SSL_CIPHER_description(cipher, description, sizeof description)) {
        description[strcspn(description, "\r\n")] = '\0';
    }
    return Py_BuildValue(
        "{sksssssssisisOssssssss}", "id", (unsigned long)SSL_CIPHER_get_id(cipher), "name",
        SSL_CIPHER_get_name(cipher), "protocol", SSL_CIPHER_get_version(cipher),
        "description", description, "strength_bits", bits, "alg_bits", alg_bits, "aead",
        SSL_CIPHER_is_aead(cipher) ? Py_True : Py_False, "symmetric",
        nid_name(SSL_CIPHER_get_cipher_nid(cipher)), "digest",
        nid_name(SSL_CIPHER_get_digest_nid(cipher)), "kea",
        nid_name(SSL_CIPHER_get_kx_nid(cipher)), "auth",
        nid_name(SSL_CIPHER_get_auth_nid(cipher)));
}

static void
drop_ssl(SSL **ssl)
{
    SSL_free(*ssl);
}

static PyObject *
context_get_ciphers(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Context *c = (Context *)op;
    /* a connection knows the final list */
    __attribute__((cleanup(drop_ssl))) SSL *ssl = SSL_new(c->ctx);
    if (!ssl) {
        return nj_ssl_error(c->state, NULL, __LINE__);
    }
    NJ_OWN list = PyList_New(0);
    STACK_OF(SSL_CIPHER) *ciphers = SSL_get_ciphers(ssl);
    for (int i = 0; list && i < sk_SSL_CIPHER_num(ciphers); i++) {
        NJ_OWN dict = cipher_dict(sk_SSL_CIPHER_value(ciphers, i));
        if (!dict || PyList_Append(list, dict) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static int
select_alpn(SSL *Py_UNUSED(ssl), const unsigned char **out, unsigned char *n,
            const unsigned char *theirs, unsigned ntheirs, void *arg)
{
    Context *c = arg;
    const unsigned char *ours = c->alpn ? c->alpn : (const unsigned char *)"";
    int r = SSL_select_next_proto((unsigned char **)out, n, ours, c->alpn_len, theirs,
                                  ntheirs);
    return r == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static PyObject *
context_set_alpn_protocols(PyObject *op, PyObject *arg)
{
    Context *c = (Context *)op;
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(arg, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if ((size_t)view.len > UINT_MAX) {
        PyErr_Format(PyExc_OverflowError, "protocols longer than %u bytes", UINT_MAX);
        return NULL;
    }
    unsigned char *copy = PyMem_Malloc(view.len ? (size_t)view.len : 1);
    if (!copy) {
        return PyErr_NoMemory();
    }
    if (view.len) {
        memcpy(copy, view.buf, (size_t)view.len);
    }
    PyMem_Free(c->alpn);
    c->alpn = copy;
    c->alpn_len = (unsigned)view.len;
    if (SSL_CTX_set_alpn_protos(c->ctx, c->alpn, c->alpn_len)) {
        return PyErr_NoMemory();
    }
    SSL_CTX_set_alpn_select_cb(c->ctx, select_alpn, c);
    Py_RETURN_NONE;
}

/* ---- settings ----------------------------------------------------------------------- */

static PyObject *
get_verify_mode(PyObject *op, void *Py_UNUSED(closure))
{
    /* with the flags of post-handshake authentication masked out */
    int mode = SSL_CTX_get_verify_mode(((Context *)op)->ctx)
               & (SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT);
    return PyLong_FromLong(mode == SSL_VERIFY_NONE   ? CERT_NONE
                           : mode == SSL_VERIFY_PEER ? CERT_OPTIONAL
                                                     : CERT_REQUIRED);
}

static int
set_verify_mode_value(Context *c, int mode)
{
    static const int modes[] = {SSL_VERIFY_NONE, SSL_VERIFY_PEER,
                                SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT};
    if (mode < CERT_NONE || mode > CERT_REQUIRED) {
        PyErr_SetString(PyExc_ValueError, "invalid value for verify_mode");
        return -1;
    }
    SSL_CTX_set_verify(c->ctx, modes[mode], SSL_CTX_get_verify_callback(c->ctx));
    return 0;
}


static int
set_verify_mode(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)op;
    if (!value) {
        return nj_ssl_cannot_delete("verify_mode");
    }
    long mode = PyLong_AsLong(value);
    if (mode == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (mode == CERT_NONE && c->check_hostname) {
        PyErr_SetString(PyExc_ValueError, "Cannot set verify_mode to CERT_NONE when "
                                          "check_hostname is enabled.");
        return -1;
    }
    return set_verify_mode_value(c, mode < INT_MIN || mode > INT_MAX ? -1 : (int)mode);
}

static PyObject *
get_verify_flags(PyObject *op, void *Py_UNUSED(closure))
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(((Context *)op)->ctx);
    return PyLong_FromUnsignedLong(X509_VERIFY_PARAM_get_flags(param));
}

static int
set_verify_flags(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)op;
    unsigned long flags;
    if (!value) {
        return nj_ssl_cannot_delete("verify_flags");
    }
    if (!PyArg_Parse(value, "k", &flags)) {
        return -1;
    }
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(c->ctx);
    unsigned long old = X509_VERIFY_PARAM_get_flags(param);
    if ((old & ~flags && !X509_VERIFY_PARAM_clear_flags(param, old & ~flags))
        || (flags & ~old && !X509_VERIFY_PARAM_set_flags(param, flags & ~old))) {
        return set_error(c->state, __LINE__);
    }
    return 0;
}

static PyObject *
get_options(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(SSL_CTX_get_options(((Context *)op)->ctx));
}

static int
set_options(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)op;
    const uint64_t versions = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 |
                              SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3;
    if (!value) {
        return nj_ssl_cannot_delete("options");
    }
    NJ_OWN index = PyNumber_Index(value);
    if (!index) {
        return -1;
    }
    if (PyLong_IsNegative(index)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    unsigned long long options = PyLong_AsUnsignedLongLong(index);
    if (options == (unsigned long long)-1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large for C unsigned long long");
        }
        return -1;
    }
    uint64_t old = SSL_CTX_get_options(c->ctx);
    uint64_t clear = old & ~options, set = options & ~old;
    if (set & versions
        && PyErr_WarnEx(PyExc_DeprecationWarning,
                        "ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated", 2)
               < 0) {
        return -1;
    }
    if (clear) {
        SSL_CTX_clear_options(c->ctx, clear);
    }
    if (set) {
        SSL_CTX_set_options(c->ctx, set);
    }
    return 0;
}

static PyObject *
get_version_limit(PyObject *op, void *closure)
{
    Context *c = (Context *)op;
    bool max = closure != NULL;
    long v = max ? SSL_CTX_get_max_proto_version(c->ctx)
                 : SSL_CTX_get_min_proto_version(c->ctx);
    if (v == 0) {
        v = max ? PROTO_MAXIMUM_SUPPORTED : PROTO_MINIMUM_SUPPORTED;
    }
    return PyLong_FromLong(v);
}

static int
set_version_limit(PyObject *op, PyObject *value, void *closure)
{
    Context *c = (Context *)op;
    bool max = closure != NULL;
    if (!value) {
        return nj_ssl_cannot_delete(max ? "maximum_version" : "minimum_version");
    }
    long v = PyLong_AsLong(value);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (c->protocol != PROTOCOL_TLS && c->protocol != PROTOCOL_TLS_CLIENT
        && c->protocol != PROTOCOL_TLS_SERVER) {
        PyErr_SetString(PyExc_ValueError, "The context's protocol doesn't support "
                                          "modification of highest and lowest version.");
        return -1;
    }
    const char *deprecated = v == SSL3_VERSION     ? "TLSVersion.SSLv3"
                             : v == TLS1_VERSION   ? "TLSVersion.TLSv1"
                             : v == TLS1_1_VERSION ? "TLSVersion.TLSv1_1"
                                                   : NULL;
    if (deprecated && warn_deprecated(deprecated) < 0) {
        return -1;
    }
    int version = v < INT_MIN || v > INT_MAX ? INT_MAX : (int)v;
    if (max) {
        /* 0 is OpenSSL's for "the highest there is" */
        version = v == PROTO_MAXIMUM_SUPPORTED   ? 0
                  : v == PROTO_MINIMUM_SUPPORTED ? TLS1_VERSION
                                                 : version;
    } else {
        version = v == PROTO_MINIMUM_SUPPORTED   ? 0
                  : v == PROTO_MAXIMUM_SUPPORTED ? TLS1_3_VERSION
                                                 : version;
    }
    int ok = max ? (int)SSL_CTX_set_max_proto_version(c->ctx, version)
                 : (int)SSL_CTX_set_min_proto_version(c->ctx, version);
    if (!ok) {
        PyErr_Format(PyExc_ValueError, "Unsupported TLS/SSL version 0x%x", version);
        return -1;
    }
    return 0;
}

static PyObject *
get_num_tickets(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(SSL_CTX_get_num_tickets(((Context *)op)->ctx));
}

static int
set_num_tickets(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)op;
    if (!value) {
        return nj_ssl_cannot_delete("num_tickets");
    }
    long n = PyLong_AsLong(value);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "value must be non-negative");
        return -1;
    }
    if (c->protocol != PROTOCOL_TLS_SERVER) {
        PyErr_SetString(PyExc_ValueError, "SSLContext is not a server context.");
        return -1;
    }
    if (!SSL_CTX_set_num_tickets(c->ctx, (size_t)n)) {
        PyErr_SetString(PyExc_ValueError, "failed to set num tickets.");
        return -1;
    }
    return 0;
}

static PyObject *
get_security_level(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(SSL_CTX_get_security_level(((Context *)op)->ctx));
}

static PyObject *
get_protocol(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((Context *)op)->protocol);
}

static PyObject *
get_check_hostname(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Context *)op)->check_hostname);
}

static int
set_check_hostname(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)op;
    if (!value) {
        return nj_ssl_cannot_delete("check_hostname");
    }
    int on = PyObject_IsTrue(value);
    if (on < 0) {
        return -1;
    }
    /* a host name can only be checked with a certificate */
    if (on && SSL_CTX_get_verify_mode(c->ctx) == SSL_VERIFY_NONE
        && set_verify_mode_value(c, CERT_REQUIRED) < 0) {
        return -1;
    }
    c->check_hostname = on;
    return 0;
}

static PyObject *
get_host_flags(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Context *)op)->host_flags);
}

static int
set_host_flags(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)op;
    if (!value) {
        return nj_ssl_cannot_delete("_host_flags");
    }
    NJ_OWN index = PyNumber_Index(value);
    unsigned long flags = index ? PyLong_AsUnsignedLongMask(index) : 0;
    if (!index || PyErr_Occurred()) {
        return -1;
    }
    c->host_flags = (unsigned)flags;
    X509_VERIFY_PARAM_set_hostflags(SSL_CTX_get0_param(c->ctx), c->host_flags);
    return 0;
}

static PyObject *
get_post_handshake_auth(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Context *)op)->post_handshake_auth);
}

static int
set_post_handshake_auth(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)op;
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    int on = PyObject_IsTrue(value);
    if (on < 0) {
        return -1;
    }
    c->post_handshake_auth = on;
    /* for a client; a server asks connection by connection */
    SSL_CTX_set_post_handshake_auth(c->ctx, on);
    return 0;
}

/* ---- certificates and keys ---------------------------------------------------------- */

/* How to get at the password of a key file. */
typedef struct Password {
    PyThreadState *thread; /* saved while OpenSSL runs */
    PyObject *callable;    /* or NULL */
    char *text;            /* PyMem */
    int size;
    bool failed; /* an exception is set */
} Password;

static void
drop_password(Password *p)
{
    PyMem_Free(p->text);
}

static int
store_password(Password *p, PyObject *password, const char *complaint)
{
    const char *data;
    Py_ssize_t n;
    if (PyUnicode_Check(password)) {
        data = PyUnicode_AsUTF8AndSize(password, &n);
        if (!data) {
            return -1;
        }
    } else if (PyBytes_Check(password)) {
        data = PyBytes_AS_STRING(password);
        n = PyBytes_GET_SIZE(password);
    } else if (PyByteArray_Check(password)) {
        data = PyByteArray_AS_STRING(password);
        n = PyByteArray_GET_SIZE(password);
    } else {
        PyErr_SetString(PyExc_TypeError, complaint);
        return -1;
    }
    if (n > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "password cannot be longer than %d bytes", INT_MAX);
        return -1;
    }
    char *copy = PyMem_Malloc(n ? (size_t)n : 1);
    if (!copy) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, data, (size_t)n);
    PyMem_Free(p->text);
    p->text = copy;
    p->size = (int)n;
    return 0;
}

/* OpenSSL asks for the password; runs without the GIL. */
static int
ask_password(char *buf, int size, int Py_UNUSED(writing), void *arg)
{
    Password *p = arg;
    PyEval_RestoreThread(p->thread);
    int n = -1;
    if (p->callable && !p->failed) {
        NJ_OWN v = PyObject_CallNoArgs(p->callable);
        p->failed =
            !v || store_password(p, v, "password callback must return a string") < 0;
    }
    if (!p->failed) {
        if (p->size > size) {
            PyErr_Format(PyExc_ValueError, "password cannot be longer than %d bytes", size);
            p->failed = true;
        } else {
            n = p->size;
            memcpy(buf, p->text, (size_t)n);
        }
    }
    p->thread = PyEval_SaveThread();
    return n;
}

/* One step of loading: what went wrong is Python's, the system's or OpenSSL's. */
static int
loading_failed(Context *c, const Password *p, int saved_errno, int line)
{
    if (p->failed) {
        ERR_clear_error();
        return -1;
    }
    if (saved_errno) {
        ERR_clear_error();
        errno = saved_errno;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return set_error(c->state, line);
}

static int
load_pair(Context *c, const char *cert, const char *key, Password *p)
{
    int ok, saved_errno;
    ERR_clear_error();
    p->thread = PyEval_SaveThread();
    errno = 0;
    ok = SSL_CTX_use_certificate_chain_file(c->ctx, cert);
    saved_errno = errno;
    PyEval_RestoreThread(p->thread);
    if (ok != 1) {
        return loading_failed(c, p, saved_errno, __LINE__);
    }
    p->thread = PyEval_SaveThread();
    errno = 0;
    ok = SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM);
    saved_errno = errno;
    PyEval_RestoreThread(p->thread);
    if (ok != 1) {
        return loading_failed(c, p, saved_errno, __LINE__);
    }
    p->thread = PyEval_SaveThread();
    ok = SSL_CTX_check_private_key(c->ctx);
    PyEval_RestoreThread(p->thread);
    return ok == 1 ? 0 : set_error(c->state, __LINE__);
}

/* A file name argument as bytes; a complaint of our own for a wrong type. */
static PyObject *
path_argument(PyObject *o, const char *name)
{
    PyObject *path;
    if (PyUnicode_FSConverter(o, &path)) {
        return path;
    }
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Format(PyExc_TypeError, "%s should be a valid filesystem path", name);
    }
    return NULL;
}

static PyObject *
context_load_cert_chain(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"certfile", "keyfile", "password", NULL};
    Context *c = (Context *)op;
    PyObject *cert_object, *key_object = Py_None, *password = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OO:load_cert_chain", names,
                                     &cert_object, &key_object, &password)) {
        return NULL;
    }
    NJ_OWN cert = path_argument(cert_object, "certfile");
    NJ_OWN key = NULL;
    if (!cert) {
        return NULL;
    }
    if (key_object != Py_None) {
        key = path_argument(key_object, "keyfile");
        if (!key) {
            return NULL;
        }
    }
    __attribute__((cleanup(drop_password))) Password p = {0};
    if (password != Py_None) {
        if (PyCallable_Check(password)) {
            p.callable = password;
        } else if (store_password(&p, password, "password should be a string or callable")
                   < 0) {
            return NULL;
        }
    }
    pem_password_cb *old = SSL_CTX_get_default_passwd_cb(c->ctx);
    void *old_data = SSL_CTX_get_default_passwd_cb_userdata(c->ctx);
    if (password != Py_None) {
        SSL_CTX_set_default_passwd_cb(c->ctx, ask_password);
        SSL_CTX_set_default_passwd_cb_userdata(c->ctx, &p);
    }
    int r = load_pair(c, PyBytes_AS_STRING(cert), PyBytes_AS_STRING(key ? key : cert), &p);
    SSL_CTX_set_default_passwd_cb(c->ctx, old);
    SSL_CTX_set_default_passwd_cb_userdata(c->ctx, old_data);
    if (r < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
no_password(char *Py_UNUSED(buf), int Py_UNUSED(size), int Py_UNUSED(writing),
            void *Py_UNUSED(arg))
{
    return 0; /* certificates have none; do not prompt */
}

/* Adds a certificate of the caller's; one that is there already is fine. 0/-1. */
static int
add_ca(Context *c, X509 *cert)
{
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(c->ctx), cert)) {
        return 0;
    }
    unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_X509
        && ERR_GET_REASON(code) == X509_R_CERT_ALREADY_IN_HASH_TABLE) {
        ERR_clear_error();
        return 0;
    }
    return set_error(c->state, __LINE__);
}

static int
load_der(Context *c, const void *data, size_t n)
{
    BIO *bio = BIO_new_mem_buf(data, (int)n);
    int loaded = 0, r = 0;
    if (!bio) {
        PyErr_NoMemory();
        return -1;
    }
    while (r == 0 && BIO_ctrl_pending(bio) > 0) {
        X509 *cert = d2i_X509_bio(bio, NULL);
        if (cert) {
            r = add_ca(c, cert);
            X509_free(cert);
            loaded++;
        } else {
            if (loaded) {
                nj_ssl_error(c->state, NULL, __LINE__);
            } else {
                nj_ssl_error(c->state,
                             "not enough data: cadata does not contain a certificate",
                             __LINE__);
            }
            r = -1;
        }
    }
    BIO_free(bio);
    return r;
}

static int
load_pem(Context *c, const char *text, size_t n)
{
    BIO *bio = BIO_new_mem_buf(text, (int)n);
    int loaded = 0;
    if (!bio) {
        PyErr_NoMemory();
        return -1;
    }
    for (;;) {
        X509 *cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (!cert) {
            break;
        }
        int r = add_ca(c, cert);
        X509_free(cert);
        if (r < 0) {
            BIO_free(bio);
            return -1;
        }
        loaded++;
    }
    BIO_free(bio);
    if (!loaded) {
        nj_ssl_error(c->state, "no start line: cadata does not contain a certificate",
                     __LINE__);
        return -1;
    }
    unsigned long code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        ERR_clear_error(); /* the end */
        return 0;
    }
    return code ? set_error(c->state, __LINE__) : 0;
}

/* Certificates given as PEM text or DER bytes. */
static int
load_cadata(Context *c, PyObject *cadata)
{
    NJ_OWN_BUF view = {0};
    const void *data;
    Py_ssize_t n;
    bool pem = PyUnicode_Check(cadata);
    if (pem && PyUnicode_IS_ASCII(cadata)) {
        data = PyUnicode_AsUTF8AndSize(cadata, &n);
        if (!data) {
            return -1;
        }
    } else if (!pem && PyObject_CheckBuffer(cadata)) {
        if (PyObject_GetBuffer(cadata, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        data = view.buf;
        n = view.len;
    } else {
        PyErr_SetString(PyExc_TypeError,
                        "cadata should be an ASCII string or a bytes-like object");
        return -1;
    }
    if (n == 0) {
        PyErr_SetString(PyExc_ValueError, "Empty certificate data");
        return -1;
    }
    if (n > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Certificate data is too long.");
        return -1;
    }
    ERR_clear_error();
    return pem ? load_pem(c, data, (size_t)n) : load_der(c, data, (size_t)n);
}

static PyObject *
context_load_verify_locations(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"cafile", "capath", "cadata", NULL};
    Context *c = (Context *)op;
    PyObject *cafile = Py_None, *capath = Py_None, *cadata = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:load_verify_locations", names,
                                     &cafile, &capath, &cadata)) {
        return NULL;
    }
    if (cafile == Py_None && capath == Py_None && cadata == Py_None) {
        PyErr_SetString(PyExc_TypeError,
                        "cafile, capath and cadata cannot be all omitted");
        return NULL;
    }
    NJ_OWN file = NULL;
    NJ_OWN path = NULL;
    if (cafile != Py_None) {
        file = path_argument(cafile, "cafile");
        if (!file) {
            return NULL;
        }
    }
    if (capath != Py_None) {
        path = path_argument(capath, "capath");
        if (!path) {
            return NULL;
        }
    }
    if (cadata != Py_None && load_cadata(c, cadata) < 0) {
        return NULL;
    }
    if (file || path) {
        int ok, saved_errno;
        const char *f = file ? PyBytes_AS_STRING(file) : NULL;
        const char *d = path ? PyBytes_AS_STRING(path) : NULL;
        ERR_clear_error();
        Py_BEGIN_ALLOW_THREADS
        errno = 0;
        ok = SSL_CTX_load_verify_locations(c->ctx, f, d);
        saved_errno = errno;
        Py_END_ALLOW_THREADS
        if (ok != 1) {
            if (saved_errno) {
                ERR_clear_error();
                errno = saved_errno;
                return PyErr_SetFromErrno(PyExc_OSError);
            }
            return nj_ssl_error(c->state, NULL, __LINE__);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
context_set_default_verify_paths(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Context *c = (Context *)op;
    int ok;
    Py_BEGIN_ALLOW_THREADS
    ok = SSL_CTX_set_default_verify_paths(c->ctx);
    Py_END_ALLOW_THREADS
    if (!ok) {
        return nj_ssl_error(c->state, NULL, __LINE__);
    }
    Py_RETURN_NONE;
}

static PyObject *
context_load_dh_params(PyObject *op, PyObject *path)
{
    Context *c = (Context *)op;
    FILE *file = Py_fopen(path, "rb"); /* audits */
    if (!file) {
        return NULL;
    }
    DH *dh;
    ERR_clear_error();
    Py_BEGIN_ALLOW_THREADS
    errno = 0;
    dh = PEM_read_DHparams(file, NULL, NULL, NULL);
    fclose(file);
    Py_END_ALLOW_THREADS
    if (!dh) {
        return nj_ssl_error(c->state, NULL, __LINE__);
    }
    int ok = (int)SSL_CTX_set_tmp_dh(c->ctx, dh);
    DH_free(dh);
    if (!ok) {
        return nj_ssl_error(c->state, NULL, __LINE__);
    }
    Py_RETURN_NONE;
}

static PyObject *
context_set_ecdh_curve(PyObject *op, PyObject *name)
{
    Context *c = (Context *)op;
    PyObject *converted;
    if (!PyUnicode_FSConverter(name, &converted)) {
        return NULL;
    }
    NJ_OWN bytes = converted;
    int nid = OBJ_sn2nid(PyBytes_AS_STRING(bytes));
    if (nid == NID_undef) {
        PyErr_Format(PyExc_ValueError, "unknown elliptic curve name %R", name);
        return NULL;
    }
    if (!SSL_CTX_set1_groups(c->ctx, &nid, 1)) {
        return nj_ssl_error(c->state, NULL, __LINE__);
    }
    Py_RETURN_NONE;
}

/* ---- what a context holds ----------------------------------------------------------- */

static PyObject *
context_session_stats(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    SSL_CTX *ctx = ((Context *)op)->ctx;
    return Py_BuildValue(
        "{slslslslslslslslslslsl}", "number", SSL_CTX_sess_number(ctx), "connect",
        SSL_CTX_sess_connect(ctx), "connect_good", SSL_CTX_sess_connect_good(ctx),
        "connect_renegotiate", SSL_CTX_sess_connect_renegotiate(ctx), "accept",
        SSL_CTX_sess_accept(ctx), "accept_good", SSL_CTX_sess_accept_good(ctx),
        "accept_renegotiate", SSL_CTX_sess_accept_renegotiate(ctx), "hits",
        SSL_CTX_sess_hits(ctx), "misses", SSL_CTX_sess_misses(ctx), "timeouts",
        SSL_CTX_sess_timeouts(ctx), "cache_full", SSL_CTX_sess_cache_full(ctx));
}

static PyObject *
context_cert_store_stats(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    X509_STORE *store = SSL_CTX_get_cert_store(((Context *)op)->ctx);
    int x509 = 0, crl = 0, ca = 0;
    X509_STORE_lock(store);
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509_OBJECT *o = sk_X509_OBJECT_value(objects, i);
        switch (X509_OBJECT_get_type(o)) {
        case X509_LU_X509:
            x509++;
            ca += X509_check_ca(X509_OBJECT_get0_X509(o)) != 0;
            break;
        case X509_LU_CRL:
            crl++;
            break;
        default:
            break;
        }
    }
    X509_STORE_unlock(store);
    return Py_BuildValue("{sisisi}", "x509", x509, "crl", crl, "x509_ca", ca);
}

static PyObject *
context_get_ca_certs(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"binary_form", NULL};
    Context *c = (Context *)op;
    int binary = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:get_ca_certs", names, &binary)) {
        return NULL;
    }
    /* references first: decoding runs Python code, which may change the store */
    X509_STORE *store = SSL_CTX_get_cert_store(c->ctx);
    STACK_OF(X509) *certs = X509_STORE_get1_all_certs(store);
    NJ_OWN list = PyList_New(0);
    bool ok = certs && list;
    for (int i = 0; ok && i < sk_X509_num(certs); i++) {
        X509 *cert = sk_X509_value(certs, i);
        if (!X509_check_ca(cert)) {
            continue;
        }
        NJ_OWN item = binary ? nj_ssl_cert_der(c->state, cert)
                             : nj_ssl_decode_cert(c->state, cert);
        ok = item && PyList_Append(list, item) == 0;
    }
    if (!certs && list) {
        PyErr_NoMemory();
    }
    sk_X509_pop_free(certs, X509_free);
    return ok ? NJ_TAKE(list) : NULL;
}

/* ---- connections -------------------------------------------------------------------- */

static int
need_instance(const char *function, const char *argument, PyObject *o, PyTypeObject *type)
{
    if (!PyObject_TypeCheck(o, type)) {
        PyErr_Format(PyExc_TypeError, "%s() argument '%s' must be %s, not %T", function,
                     argument, type->tp_name, o);
        return -1;
    }
    return 0;
}

static PyObject *
context_wrap_socket(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sock", "server_side", "server_hostname", "owner", "session",
                            NULL};
    Context *c = (Context *)op;
    PyObject *sock, *hostname = Py_None, *owner = Py_None, *session = Py_None;
    int server;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Op|O$OO:_wrap_socket", names, &sock,
                                     &server, &hostname, &owner, &session)
        || need_instance("_wrap_socket", "sock", sock, c->state->sock_type) < 0) {
        return NULL;
    }
    return nj_ssl_socket_new(c, (NjSockHead *)sock, server, hostname, owner, session, NULL,
                             NULL);
}

static PyObject *
context_wrap_bio(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"incoming", "outgoing", "server_side", "server_hostname",
                            "owner", "session", NULL};
    Context *c = (Context *)op;
    PyObject *in, *out, *hostname = Py_None, *owner = Py_None, *session = Py_None;
    int server;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOp|O$OO:_wrap_bio", names, &in, &out,
                                     &server, &hostname, &owner, &session)
        || need_instance("_wrap_bio", "incoming", in, c->state->bio_type) < 0
        || need_instance("_wrap_bio", "outgoing", out, c->state->bio_type) < 0) {
        return NULL;
    }
    return nj_ssl_socket_new(c, NULL, server, hostname, owner, session, (MemoryBio *)in,
                             (MemoryBio *)out);
}

/* ---- type --------------------------------------------------------------------------- */

static PyMethodDef context_methods[] = {
    {"_wrap_socket", KW(context_wrap_socket), METH_VARARGS | METH_KEYWORDS,
     "_wrap_socket($self, /, sock, server_side, server_hostname=None, *,\n"
     "             owner=None, session=None)\n--\n\n"},
    {"_wrap_bio", KW(context_wrap_bio), METH_VARARGS | METH_KEYWORDS,
     "_wrap_bio($self, /, incoming, outgoing, server_side,\n"
     "          server_hostname=None, *, owner=None, session=None)\n--\n\n"},
    {"set_ciphers", context_set_ciphers, METH_O,
     "set_ciphers($self, cipherlist, /)\n--\n\n"},
    {"_set_alpn_protocols", context_set_alpn_protocols, METH_O,
     "_set_alpn_protocols($self, protos, /)\n--\n\n"},
    {"load_cert_chain", KW(context_load_cert_chain), METH_VARARGS | METH_KEYWORDS,
     "load_cert_chain($self, /, certfile, keyfile=None, password=None)\n--\n\n"},
    {"load_dh_params", context_load_dh_params, METH_O,
     "load_dh_params($self, path, /)\n--\n\n"},
    {"load_verify_locations", KW(context_load_verify_locations),
     METH_VARARGS | METH_KEYWORDS,
     "load_verify_locations($self, /, cafile=None, capath=None, cadata=None)\n--\n\n"},
    {"session_stats", context_session_stats, METH_NOARGS,
     "session_stats($self, /)\n--\n\n"},
    {"set_default_verify_paths", context_set_default_verify_paths, METH_NOARGS,
     "set_default_verify_paths($self, /)\n--\n\n"},
    {"set_ecdh_curve", context_set_ecdh_curve, METH_O,
     "set_ecdh_curve($self, name, /)\n--\n\n"},
    {"cert_store_stats", context_cert_store_stats, METH_NOARGS,
     "cert_store_stats($self, /)\n--\n\n"
     "Returns quantities of loaded X.509 certificates.\n\n"
     "Of certificates, of those that are CAs, and of revocation lists in the context's\n"
     "cert store.\n\n"
     "NOTE: Certificates in a capath directory aren't loaded unless they\n"
     "have been used at least once."},
    {"get_ca_certs", KW(context_get_ca_certs), METH_VARARGS | METH_KEYWORDS,
     "get_ca_certs($self, /, binary_form=False)\n--\n\n"
     "Returns a list of dicts with information of loaded CA certs.\n\n"
     "If the optional argument is True, a list of DER-encoded CA certificates.\n\n"
     "NOTE: Certificates in a capath directory aren't loaded unless they\n"
     "have been used at least once."},
    {"get_ciphers", context_get_ciphers, METH_NOARGS, "get_ciphers($self, /)\n--\n\n"},
    {"set_psk_client_callback", KW(nj_ssl_set_psk_client_callback),
     METH_VARARGS | METH_KEYWORDS, "set_psk_client_callback($self, /, callback)\n--\n\n"},
    {"set_psk_server_callback", KW(nj_ssl_set_psk_server_callback),
     METH_VARARGS | METH_KEYWORDS,
     "set_psk_server_callback($self, /, callback, identity_hint=None)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef context_getset[] = {
    {"check_hostname", get_check_hostname, set_check_hostname, NULL, NULL},
    {"_host_flags", get_host_flags, set_host_flags, NULL, NULL},
    {"minimum_version", get_version_limit, set_version_limit, NULL, NULL},
    {"maximum_version", get_version_limit, set_version_limit, NULL, "max"},
    {"keylog_filename", nj_ssl_get_keylog_filename, nj_ssl_set_keylog_filename, NULL, NULL},
    {"_msg_callback", nj_ssl_get_msg_callback, nj_ssl_set_msg_callback, NULL, NULL},
    {"sni_callback", nj_ssl_get_sni_callback, nj_ssl_set_sni_callback,
     "Set a callback that will be called when a server name is provided by the SSL/TLS "
     "client in the SNI extension.\n\n"
     "None disables it. It gets the SSLSocket, the server name as a string, and the\n"
     "SSLContext.\n\n"
     "See RFC 6066 for details of the SNI extension.",
     NULL},
    {"num_tickets", get_num_tickets, set_num_tickets,
     "Control the number of TLSv1.3 session tickets.", NULL},
    {"options", get_options, set_options, NULL, NULL},
    {"post_handshake_auth", get_post_handshake_auth, set_post_handshake_auth, NULL, NULL},
    {"protocol", get_protocol, NULL, NULL, NULL},
    {"verify_flags", get_verify_flags, set_verify_flags, NULL, NULL},
    {"verify_mode", get_verify_mode, set_verify_mode, NULL, NULL},
    {"security_level", get_security_level, NULL, "The current security level.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot context_slots[] = {
    {Py_tp_dealloc, context_dealloc},
    {Py_tp_traverse, context_traverse},
    {Py_tp_clear, context_clear},
    {Py_tp_new, context_new},
    {Py_tp_methods, context_methods},
    {Py_tp_getset, context_getset},
    {0, NULL},
};

PyType_Spec nj_ssl_context_spec = {
    .name = "_ssl._SSLContext",
    .basicsize = sizeof(Context),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_HAVE_GC,
    .slots = context_slots,
};

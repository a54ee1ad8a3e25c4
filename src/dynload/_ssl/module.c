/* module.c - the module _ssl: random numbers, object identifiers, constants.
 * SPDX-License-Identifier: MIT
 */
#include "ssl_int.h"

SslState *
nj_ssl_state(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &nj_ssl_module);
    return module ? PyModule_GetState(module) : NULL;
}

int
nj_ssl_convert_int(PyObject *o, void *p)
{
    int v = PyLong_AsInt(o);
    *(int *)p = v;
    return v != -1 || !PyErr_Occurred();
}

/* ---- functions ---------------------------------------------------------------------- */

static PyObject *
rand_add(PyObject *module, PyObject *args)
{
    NJ_OWN_BUF view = {0};
    double entropy;
    if (!PyArg_ParseTuple(args, "s*d:RAND_add", &view, &entropy)) {
        return NULL;
    }
    const char *p = view.buf;
    Py_ssize_t n = view.len;
    while (n > 0) { /* OpenSSL counts in int */
        int part = n > INT_MAX ? INT_MAX : (int)n;
        RAND_add(p, part, entropy);
        p += part;
        n -= part;
    }
    Py_RETURN_NONE;
}

static PyObject *
rand_bytes(PyObject *module, PyObject *arg)
{
    SslState *st = PyModule_GetState(module);
    int n;
    if (!nj_ssl_convert_int(arg, &n)) {
        return NULL;
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "num must be positive");
        return NULL;
    }
    NJ_OWN bytes = PyBytes_FromStringAndSize(NULL, n);
    if (!bytes) {
        return NULL;
    }
    if (RAND_bytes((unsigned char *)PyBytes_AS_STRING(bytes), n) != 1) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    return NJ_TAKE(bytes);
}

static PyObject *
rand_status(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    return PyBool_FromLong(RAND_status());
}

static PyObject *
get_default_verify_paths(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    const char *const paths[] = {X509_get_default_cert_file_env(),
                                 X509_get_default_cert_file(),
                                 X509_get_default_cert_dir_env(),
                                 X509_get_default_cert_dir()};
    NJ_OWN tuple = PyTuple_New(NJ_ARRAY_LEN(paths));
    for (size_t i = 0; tuple && i < NJ_ARRAY_LEN(paths); i++) {
        PyObject *path = paths[i] ? PyUnicode_DecodeFSDefault(paths[i]) : Py_NewRef(Py_None);
        if (!path) {
            return NULL;
        }
        PyTuple_SET_ITEM(tuple, (Py_ssize_t)i, path);
    }
    return NJ_TAKE(tuple);
}

static PyObject *
txt2obj(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"txt", "name", NULL};
    PyObject *text_object;
    int by_name = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|p:txt2obj", names, &text_object,
                                     &by_name)) {
        return NULL;
    }
    if (!PyUnicode_Check(text_object)) {
        PyErr_Format(PyExc_TypeError, "txt2obj() argument 'txt' must be str, not %T",
                     text_object);
        return NULL;
    }
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(text_object, &n);
    if (!text) {
        return NULL;
    }
    if (strlen(text) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    ASN1_OBJECT *obj = OBJ_txt2obj(text, !by_name);
    if (!obj) {
        ERR_clear_error();
        PyErr_Format(PyExc_ValueError, "unknown object '%.100s'", text);
        return NULL;
    }
    PyObject *r = nj_ssl_obj2py(PyModule_GetState(module), obj);
    ASN1_OBJECT_free(obj);
    return r;
}

static PyObject *
nid2obj(PyObject *module, PyObject *arg)
{
    int nid;
    if (!nj_ssl_convert_int(arg, &nid)) {
        return NULL;
    }
    if (nid < NID_undef) {
        PyErr_SetString(PyExc_ValueError, "NID must be positive.");
        return NULL;
    }
    ASN1_OBJECT *obj = OBJ_nid2obj(nid);
    if (!obj) {
        ERR_clear_error();
        PyErr_Format(PyExc_ValueError, "unknown NID %i", nid);
        return NULL;
    }
    PyObject *r = nj_ssl_obj2py(PyModule_GetState(module), obj);
    ASN1_OBJECT_free(obj);
    return r;
}

static PyObject *
test_decode_cert(PyObject *module, PyObject *arg)
{
    SslState *st = PyModule_GetState(module);
    PyObject *converted;
    if (!PyUnicode_FSConverter(arg, &converted)) {
        return NULL;
    }
    NJ_OWN path = converted;
    BIO *bio = BIO_new_file(PyBytes_AS_STRING(path), "r");
    if (!bio) {
        ERR_clear_error();
        PyErr_SetString(st->error, "Can't open file");
        return NULL;
    }
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    if (!cert) {
        ERR_clear_error();
        PyErr_SetString(st->error, "Error decoding PEM-encoded file");
        return NULL;
    }
    PyObject *dict = nj_ssl_decode_cert(st, cert);
    X509_free(cert);
    return dict;
}

static PyMethodDef module_methods[] = {
    {"_test_decode_cert", test_decode_cert, METH_O,
     "_test_decode_cert($module, path, /)\n--\n\n"},
    {"RAND_add", rand_add, METH_VARARGS,
     "RAND_add($module, string, entropy, /)\n--\n\n"
     "Mix string into the OpenSSL PRNG state.\n\n"
     "entropy (a float) is a lower bound on the entropy contained in\n"
     "string.  See RFC 4086."},
    {"RAND_bytes", rand_bytes, METH_O,
     "RAND_bytes($module, n, /)\n--\n\n"
     "Generate n cryptographically strong pseudo-random bytes."},
    {"RAND_status", rand_status, METH_NOARGS,
     "RAND_status($module, /)\n--\n\n"
     "Returns True if the OpenSSL PRNG has been seeded with enough data and False if not.\n\n"
     "Where it is not, RAND_add() seeds it."},
    {"get_default_verify_paths", get_default_verify_paths, METH_NOARGS,
     "get_default_verify_paths($module, /)\n--\n\n"
     "Return search paths and environment vars that are used by SSLContext's "
     "set_default_verify_paths() to load default CAs.\n\n"
     "The values are 'cert_file_env', 'cert_file', 'cert_dir_env', 'cert_dir'."},
    {"txt2obj", KW(txt2obj), METH_VARARGS | METH_KEYWORDS,
     "txt2obj($module, /, txt, name=False)\n--\n\n"
     "Lookup NID, short name, long name and OID of an ASN1_OBJECT.\n\n"
     "By default objects are looked up by OID. With name=True short and\n"
     "long name are also matched."},
    {"nid2obj", nid2obj, METH_O,
     "nid2obj($module, nid, /)\n--\n\n"
     "Lookup NID, short name, long name and OID of an ASN1_OBJECT by NID."},
    {NULL, NULL, 0, NULL},
};

/* ---- constants ---------------------------------------------------------------------- */

typedef struct Constant {
    const char *name;
    long long value;
} Constant;

static const Constant constants[] = {
    {"SSL_ERROR_ZERO_RETURN", SSL_ERROR_ZERO_RETURN},
    {"SSL_ERROR_WANT_READ", SSL_ERROR_WANT_READ},
    {"SSL_ERROR_WANT_WRITE", SSL_ERROR_WANT_WRITE},
    {"SSL_ERROR_WANT_X509_LOOKUP", SSL_ERROR_WANT_X509_LOOKUP},
    {"SSL_ERROR_SYSCALL", SSL_ERROR_SYSCALL},
    {"SSL_ERROR_SSL", SSL_ERROR_SSL},
    {"SSL_ERROR_WANT_CONNECT", SSL_ERROR_WANT_CONNECT},
    {"SSL_ERROR_EOF", PY_SSL_ERROR_EOF},
    {"SSL_ERROR_INVALID_ERROR_CODE", PY_SSL_ERROR_INVALID_ERROR_CODE},
    {"CERT_NONE", CERT_NONE},
    {"CERT_OPTIONAL", CERT_OPTIONAL},
    {"CERT_REQUIRED", CERT_REQUIRED},
    {"ENCODING_PEM", ENCODING_PEM},
    {"ENCODING_DER", ENCODING_DER},
    {"PROTOCOL_SSLv23", PROTOCOL_TLS},
    {"PROTOCOL_TLS", PROTOCOL_TLS},
    {"PROTOCOL_TLS_CLIENT", PROTOCOL_TLS_CLIENT},
    {"PROTOCOL_TLS_SERVER", PROTOCOL_TLS_SERVER},
    {"PROTOCOL_TLSv1", PROTOCOL_TLSV1},
    {"PROTOCOL_TLSv1_1", PROTOCOL_TLSV1_1},
    {"PROTOCOL_TLSv1_2", PROTOCOL_TLSV1_2},
    {"PROTO_MINIMUM_SUPPORTED", PROTO_MINIMUM_SUPPORTED},
    {"PROTO_MAXIMUM_SUPPORTED", PROTO_MAXIMUM_SUPPORTED},
    {"PROTO_SSLv3", SSL3_VERSION},
    {"PROTO_TLSv1", TLS1_VERSION},
    {"PROTO_TLSv1_1", TLS1_1_VERSION},
    {"PROTO_TLSv1_2", TLS1_2_VERSION},
    {"PROTO_TLSv1_3", TLS1_3_VERSION},
    {"VERIFY_DEFAULT", 0},
    {"VERIFY_CRL_CHECK_LEAF", X509_V_FLAG_CRL_CHECK},
    {"VERIFY_CRL_CHECK_CHAIN", X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL},
    {"VERIFY_X509_STRICT", X509_V_FLAG_X509_STRICT},
    {"VERIFY_ALLOW_PROXY_CERTS", X509_V_FLAG_ALLOW_PROXY_CERTS},
    {"VERIFY_X509_TRUSTED_FIRST", X509_V_FLAG_TRUSTED_FIRST},
    {"VERIFY_X509_PARTIAL_CHAIN", X509_V_FLAG_PARTIAL_CHAIN},
    {"OP_ALL", (long long)(SSL_OP_ALL & ~(uint64_t)SSL_OP_DONT_INSERT_EMPTY_FRAGMENTS)},
    {"OP_NO_SSLv2", SSL_OP_NO_SSLv2},
#define OP(n) {"OP_" #n, (long long)SSL_OP_##n}
    OP(NO_SSLv3), OP(NO_TLSv1), OP(NO_TLSv1_1), OP(NO_TLSv1_2), OP(NO_TLSv1_3),
    OP(CIPHER_SERVER_PREFERENCE), OP(SINGLE_DH_USE), OP(NO_TICKET),
    OP(LEGACY_SERVER_CONNECT), OP(SINGLE_ECDH_USE), OP(NO_COMPRESSION),
    OP(NO_RENEGOTIATION), OP(ENABLE_MIDDLEBOX_COMPAT), OP(IGNORE_UNEXPECTED_EOF),
#ifdef SSL_OP_ENABLE_KTLS
    OP(ENABLE_KTLS),
#endif
#undef OP
#define HOSTFLAG(n) {"HOSTFLAG_" #n, X509_CHECK_FLAG_##n}
    HOSTFLAG(ALWAYS_CHECK_SUBJECT), HOSTFLAG(NEVER_CHECK_SUBJECT), HOSTFLAG(NO_WILDCARDS),
    HOSTFLAG(NO_PARTIAL_WILDCARDS), HOSTFLAG(MULTI_LABEL_WILDCARDS),
    HOSTFLAG(SINGLE_LABEL_SUBDOMAINS),
#undef HOSTFLAG
#define ALERT(n) {"ALERT_DESCRIPTION_" #n, SSL_AD_##n}
    ALERT(CLOSE_NOTIFY), ALERT(UNEXPECTED_MESSAGE), ALERT(BAD_RECORD_MAC),
    ALERT(RECORD_OVERFLOW), ALERT(DECOMPRESSION_FAILURE), ALERT(HANDSHAKE_FAILURE),
    ALERT(BAD_CERTIFICATE), ALERT(UNSUPPORTED_CERTIFICATE), ALERT(CERTIFICATE_REVOKED),
    ALERT(CERTIFICATE_EXPIRED), ALERT(CERTIFICATE_UNKNOWN), ALERT(ILLEGAL_PARAMETER),
    ALERT(UNKNOWN_CA), ALERT(ACCESS_DENIED), ALERT(DECODE_ERROR), ALERT(DECRYPT_ERROR),
    ALERT(PROTOCOL_VERSION), ALERT(INSUFFICIENT_SECURITY), ALERT(INTERNAL_ERROR),
    ALERT(USER_CANCELLED), ALERT(NO_RENEGOTIATION), ALERT(UNSUPPORTED_EXTENSION),
    ALERT(CERTIFICATE_UNOBTAINABLE), ALERT(UNRECOGNIZED_NAME),
    ALERT(BAD_CERTIFICATE_STATUS_RESPONSE), ALERT(BAD_CERTIFICATE_HASH_VALUE),
    ALERT(UNKNOWN_PSK_IDENTITY),
#undef ALERT
};

/* what this OpenSSL was built with */
static const Constant features[] = {
    {"HAS_SNI", true},   {"HAS_TLS_UNIQUE", true}, {"HAS_ECDH", true},
    {"HAS_NPN", false},  {"HAS_ALPN", true},       {"HAS_SSLv2", false},
    {"HAS_PHA", true},   {"HAS_TLSv1_3", true},
#if defined(SSL3_VERSION) && !defined(OPENSSL_NO_SSL3)
    {"HAS_SSLv3", true},
#else
    {"HAS_SSLv3", false},
#endif
#ifndef OPENSSL_NO_TLS1
    {"HAS_TLSv1", true},
#else
    {"HAS_TLSv1", false},
#endif
#ifndef OPENSSL_NO_TLS1_1
    {"HAS_TLSv1_1", true},
#else
    {"HAS_TLSv1_1", false},
#endif
#ifndef OPENSSL_NO_TLS1_2
    {"HAS_TLSv1_2", true},
#else
    {"HAS_TLSv1_2", false},
#endif
#ifndef OPENSSL_NO_PSK
    {"HAS_PSK", true},
#else
    {"HAS_PSK", false},
#endif
};

/* A version number as (major, minor, fix, patch, status). */
static PyObject *
version_tuple(unsigned long v)
{
    return Py_BuildValue("IIIII", (unsigned)(v >> 28) & 0xf, (unsigned)(v >> 20) & 0xff,
                         (unsigned)(v >> 12) & 0xff, (unsigned)(v >> 4) & 0xff,
                         (unsigned)v & 0xf);
}

static int
add_constants(PyObject *m)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_Add(m, constants[i].name, PyLong_FromLongLong(constants[i].value)) < 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(features); i++) {
        if (PyModule_AddObjectRef(m, features[i].name,
                                  features[i].value ? Py_True : Py_False)
            < 0) {
            return -1;
        }
    }
    unsigned long version = OpenSSL_version_num();
    if (PyModule_Add(m, "OPENSSL_VERSION_NUMBER", PyLong_FromUnsignedLong(version)) < 0
        || PyModule_Add(m, "OPENSSL_VERSION_INFO", version_tuple(version)) < 0
        || PyModule_Add(m, "_OPENSSL_API_VERSION", version_tuple(OPENSSL_VERSION_NUMBER)) < 0
        || PyModule_AddStringConstant(m, "_DEFAULT_CIPHERS", OSSL_default_cipher_list())
               < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(m, "OPENSSL_VERSION", OpenSSL_version(OPENSSL_VERSION));
}

/* ---- the module --------------------------------------------------------------------- */

static int
add_type(PyObject *m, PyType_Spec *spec, PyTypeObject **where)
{
    *where = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
    return *where ? PyModule_AddType(m, *where) : -1;
}

static int
add_string(PyObject **where, const char *text)
{
    *where = PyUnicode_InternFromString(text);
    return *where ? 0 : -1;
}

static int
ssl_exec(PyObject *m)
{
    SslState *st = PyModule_GetState(m);
    NJ_OWN socket_module = PyImport_ImportModule("_socket");
    NjSockCapi *capi = socket_module ? PyCapsule_Import("_socket.CAPI", 0) : NULL;
    if (!capi) {
        return -1;
    }
    st->sock_type = (PyTypeObject *)Py_NewRef(capi->sock_type);
    if (add_string(&st->str_reason, "reason") < 0
        || add_string(&st->str_library, "library") < 0
        || add_string(&st->str_verify_code, "verify_code") < 0
        || add_string(&st->str_verify_message, "verify_message") < 0
        || nj_ssl_add_errors(m, st) < 0
        || add_type(m, &nj_ssl_context_spec, &st->context_type) < 0
        || add_type(m, &nj_ssl_socket_spec, &st->socket_type) < 0
        || add_type(m, &nj_ssl_bio_spec, &st->bio_type) < 0
        || add_type(m, &nj_ssl_session_spec, &st->session_type) < 0
        || add_type(m, &nj_ssl_cert_spec, &st->cert_type) < 0) {
        return -1;
    }
    return add_constants(m);
}

static int
ssl_traverse(PyObject *m, visitproc visit, void *arg)
{
    SslState *st = PyModule_GetState(m);
    Py_VISIT(st->context_type);
    Py_VISIT(st->socket_type);
    Py_VISIT(st->bio_type);
    Py_VISIT(st->session_type);
    Py_VISIT(st->cert_type);
    Py_VISIT(st->error);
    Py_VISIT(st->cert_verification_error);
    Py_VISIT(st->zero_return_error);
    Py_VISIT(st->want_read_error);
    Py_VISIT(st->want_write_error);
    Py_VISIT(st->syscall_error);
    Py_VISIT(st->eof_error);
    Py_VISIT(st->sock_type);
    return 0;
}

static int
ssl_clear(PyObject *m)
{
    SslState *st = PyModule_GetState(m);
    Py_CLEAR(st->context_type);
    Py_CLEAR(st->socket_type);
    Py_CLEAR(st->bio_type);
    Py_CLEAR(st->session_type);
    Py_CLEAR(st->cert_type);
    Py_CLEAR(st->error);
    Py_CLEAR(st->cert_verification_error);
    Py_CLEAR(st->zero_return_error);
    Py_CLEAR(st->want_read_error);
    Py_CLEAR(st->want_write_error);
    Py_CLEAR(st->syscall_error);
    Py_CLEAR(st->eof_error);
    Py_CLEAR(st->sock_type);
    Py_CLEAR(st->str_reason);
    Py_CLEAR(st->str_library);
    Py_CLEAR(st->str_verify_code);
    Py_CLEAR(st->str_verify_message);
    return 0;
}

static void
ssl_free(void *m)
{
    ssl_clear(m);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, ssl_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

PyModuleDef nj_ssl_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_ssl",
    .m_doc = "Implementation module for SSL socket operations.  See the socket module\n"
             "for documentation.",
    .m_size = sizeof(SslState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = ssl_traverse,
    .m_clear = ssl_clear,
    .m_free = ssl_free,
};

PyMODINIT_FUNC PyInit__ssl(void);

PyMODINIT_FUNC
PyInit__ssl(void)
{
    return PyModuleDef_Init(&nj_ssl_module);
}

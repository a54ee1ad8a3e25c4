/* ssl_int.h - the objects of _ssl and what its files share.
 *
 * OpenSSL runs without the GIL wherever it may wait for the network or a file; its
 * callbacks take the GIL again. An exception of a callback that OpenSSL cannot carry waits
 * in Sock.exc until the call that caused it returns.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_SSL_INT_H
#define NJ_SSL_INT_H

#include "nj.h"

#include "base/sockcapi.h"

/* a few settings (tmp DH parameters, methods of one version) have only the old names */
#define OPENSSL_SUPPRESS_DEPRECATED 1
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <limits.h>

enum {
    PROTOCOL_TLS = 2,
    PROTOCOL_TLSV1 = 3,
    PROTOCOL_TLSV1_1 = 4,
    PROTOCOL_TLSV1_2 = 5,
    PROTOCOL_TLS_CLIENT = 16,
    PROTOCOL_TLS_SERVER = 17,
};
enum { CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED };
enum { PROTO_MINIMUM_SUPPORTED = -2, PROTO_MAXIMUM_SUPPORTED = -1 };
enum { ENCODING_PEM = 1, ENCODING_DER = 2 };

/* the numbers in SSLError.args[0]; those of OpenSSL and two of Python's own */
enum {
    PY_SSL_ERROR_EOF = 8,
    PY_SSL_ERROR_INVALID_ERROR_CODE = 10,
};

typedef struct SslState {
    PyTypeObject *context_type, *socket_type, *bio_type, *session_type, *cert_type;
    PyObject *error, *cert_verification_error, *zero_return_error, *want_read_error,
        *want_write_error, *syscall_error, *eof_error;
    PyTypeObject *sock_type; /* _socket.socket */
    PyObject *str_reason, *str_library, *str_verify_code, *str_verify_message;
} SslState;

typedef struct Context {
    PyObject_HEAD
    SSL_CTX *ctx;
    SslState *state;
    unsigned char *alpn; /* PyMem; the protocols in wire format */
    unsigned alpn_len;
    PyObject *sni_callback;
    PyObject *msg_callback;
    PyObject *psk_client_callback, *psk_server_callback;
    PyObject *keylog_filename;
    BIO *keylog;
    PyMutex keylog_lock;
    int check_hostname, protocol, post_handshake_auth;
    unsigned host_flags;
} Context;

typedef struct MemoryBio {
    PyObject_HEAD
    BIO *bio;
    bool eof_written;
} MemoryBio;

typedef struct Sock {
    PyObject_HEAD
    PyObject *socket; /* weakref to a _socket.socket; NULL with memory BIOs */
    SSL *ssl;
    Context *ctx;
    PyObject *owner; /* weakref, or NULL */
    PyObject *server_hostname;
    PyObject *exc; /* of a callback, to be raised */
    bool server_side, shutdown_seen_zero;
} Sock;

typedef struct Session {
    PyObject_HEAD
    SSL_SESSION *session;
    Context *ctx;
} Session;

typedef struct Cert {
    PyObject_HEAD
    X509 *cert;
    Py_hash_t hash; /* -1: not known yet */
} Cert;

extern PyModuleDef nj_ssl_module;
extern PyType_Spec nj_ssl_context_spec, nj_ssl_socket_spec, nj_ssl_bio_spec,
    nj_ssl_session_spec, nj_ssl_cert_spec;

SslState *nj_ssl_state(PyTypeObject *type);

/* errors.c: each raises and returns NULL. line is __LINE__ of the caller. */
/* what OpenSSL's queue says last, or else text */
void *nj_ssl_error(SslState *st, const char *text, int line);
/* why an operation on s returned ret; saved_errno is errno right after it */
void *nj_ssl_io_error(Sock *s, int ssl_error, int ret, int saved_errno, int line);
int nj_ssl_add_errors(PyObject *module, SslState *st);

/* cert.c */
PyObject *nj_ssl_decode_cert(SslState *st, X509 *cert);
PyObject *nj_ssl_cert_der(SslState *st, X509 *cert);
PyObject *nj_ssl_cert_new(SslState *st, X509 *cert); /* takes a reference of its own */
PyObject *nj_ssl_obj2py(SslState *st, const ASN1_OBJECT *obj);

/* socket.c */
PyObject *nj_ssl_socket_new(Context *c, NjSockHead *sock, bool server, PyObject *hostname,
                            PyObject *owner, PyObject *session, MemoryBio *in,
                            MemoryBio *out);
/* the object that callbacks get for a connection: a new reference */
PyObject *nj_ssl_connection_object(Sock *s);

/* callbacks.c */
int nj_ssl_set_sni_callback(PyObject *self, PyObject *value, void *closure);
PyObject *nj_ssl_get_sni_callback(PyObject *self, void *closure);
int nj_ssl_set_msg_callback(PyObject *self, PyObject *value, void *closure);
PyObject *nj_ssl_get_msg_callback(PyObject *self, void *closure);
int nj_ssl_set_keylog_filename(PyObject *self, PyObject *value, void *closure);
PyObject *nj_ssl_get_keylog_filename(PyObject *self, void *closure);
PyObject *nj_ssl_set_psk_client_callback(PyObject *self, PyObject *args, PyObject *kwargs);
PyObject *nj_ssl_set_psk_server_callback(PyObject *self, PyObject *args, PyObject *kwargs);
/* for the SSL object of a new connection */
void nj_ssl_install_msg_callback(Context *c, SSL *ssl);

int nj_ssl_cannot_delete(const char *attribute);
int nj_ssl_convert_int(PyObject *o, void *p); /* for PyArg_Parse */
PyObject *nj_ssl_cipher_tuple(const SSL_CIPHER *cipher);

#define KW(f) ((PyCFunction)(void (*)(void))(f))

#endif

/* socket.c - _SSLSocket: a connection over a socket or two memory BIOs.
 *
 * With a socket that has a timeout (which is non-blocking underneath), an operation that
 * cannot go on waits with poll() until its deadline and is repeated; signals are handled
 * in between. With memory BIOs the caller gets SSLWantReadError and feeds them.
 * SPDX-License-Identifier: MIT
 */
#include "ssl_int.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#define SID_CONTEXT "Python"

typedef enum Wait {
    WAIT_OPERATED,     /* ready */
    WAIT_BLOCKING,     /* the kernel waits for us */
    WAIT_NONBLOCKING,  /* nobody waits */
    WAIT_TIMED_OUT,
    WAIT_CLOSED,
} Wait;

/* One attempt at an operation. */
typedef struct Attempt {
    int ret, ssl_error, saved_errno;
} Attempt;

#define ATTEMPT(s, a, call)                                                              \
    do {                                                                                 \
        ERR_clear_error();                                                               \
        Py_BEGIN_ALLOW_THREADS                                                           \
        errno = 0;                                                                       \
        (a).ret = (call);                                                                \
        (a).saved_errno = errno;                                                         \
        (a).ssl_error = SSL_get_error((s)->ssl, (a).ret);                                \
        Py_END_ALLOW_THREADS                                                             \
    } while (0)

/* ---- the socket below --------------------------------------------------------------- */

/* The socket into *sock (owned; NULL with memory BIOs). -1 if it is gone. */
static int
get_socket(Sock *s, PyObject **sock, int line)
{
    *sock = NULL;
    if (!s->socket) {
        return 0;
    }
    if (PyWeakref_GetRef(s->socket, sock) < 0) {
        return -1;
    }
    if (!*sock || ((NjSockHead *)*sock)->fd < 0) {
        Py_CLEAR(*sock);
        nj_ssl_error(s->ctx->state, "Underlying socket connection gone", line);
        return -1;
    }
    return 0;
}

static PyTime_t
now(void)
{
    PyTime_t t;
    return PyTime_MonotonicRaw(&t) < 0 ? 0 : t;
}

/* Waits until the socket can be read (written) or timeout ns are over. */
static Wait
wait_socket(PyObject *sock, bool writing, PyTime_t timeout)
{
    NjSockHead *h = (NjSockHead *)sock;
    if (!h || timeout == 0) {
        return WAIT_NONBLOCKING;
    }
    if (timeout < 0) {
        return h->timeout > 0 ? WAIT_TIMED_OUT : WAIT_BLOCKING;
    }
    if (h->fd < 0) {
        return WAIT_CLOSED;
    }
    struct pollfd p = {.fd = h->fd, .events = writing ? POLLOUT : POLLIN};
    PyTime_t ms = (timeout + 999999) / 1000000;
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = poll(&p, 1, ms > INT_MAX ? INT_MAX : (int)ms);
    Py_END_ALLOW_THREADS
    return r == 0 ? WAIT_TIMED_OUT : WAIT_OPERATED;
}

/* The time an operation may take: the socket's timeout and when that is over. */
typedef struct Limit {
    PyObject *sock; /* owned */
    PyTime_t timeout, deadline;
    bool has_timeout;
} Limit;

static void
drop_limit(Limit *l)
{
    Py_XDECREF(l->sock);
}

#define LIMIT(name) __attribute__((cleanup(drop_limit))) Limit name = {0}

static int
begin(Sock *s, Limit *l, int line)
{
    if (get_socket(s, &l->sock, line) < 0) {
        return -1;
    }
    if (l->sock) {
        l->timeout = ((NjSockHead *)l->sock)->timeout;
        /* the socket may have changed its mode since the last call */
        bool nonblocking = l->timeout >= 0;
        BIO_set_nbio(SSL_get_rbio(s->ssl), nonblocking);
        BIO_set_nbio(SSL_get_wbio(s->ssl), nonblocking);
        l->has_timeout = l->timeout > 0;
        if (l->has_timeout) {
            l->deadline = now() + l->timeout;
        }
    }
    return 0;
}

/* After an attempt: waits for what it wants. Sets an exception for WAIT_TIMED_OUT and
 * WAIT_CLOSED; -1 if a signal handler raised. */
static int
wait_for(Sock *s, Limit *l, const Attempt *a, const char *timed_out, int line)
{
    if (PyErr_CheckSignals() < 0) {
        return -1;
    }
    if (l->has_timeout) {
        l->timeout = l->deadline - now();
        if (l->timeout == 0) {
            l->timeout = -1;
        }
    }
    Wait w = WAIT_OPERATED;
    if (a->ssl_error == SSL_ERROR_WANT_READ) {
        w = wait_socket(l->sock, false, l->timeout);
    } else if (a->ssl_error == SSL_ERROR_WANT_WRITE) {
        w = wait_socket(l->sock, true, l->timeout);
    }
    if (w == WAIT_TIMED_OUT) {
        PyErr_SetString(PyExc_TimeoutError, timed_out);
    } else if (w == WAIT_CLOSED) {
        nj_ssl_error(s->ctx->state, "Underlying socket has been closed.", line);
    }
    return (int)w;
}

static bool
wants_more(const Attempt *a)
{
    return a->ssl_error == SSL_ERROR_WANT_READ || a->ssl_error == SSL_ERROR_WANT_WRITE;
}

/* Raises the exception that a callback left, if any. */
static int
raise_pending(Sock *s)
{
    if (s->exc) {
        PyObject *exc = s->exc;
        s->exc = NULL;
        PyErr_SetRaisedException(exc);
        return -1;
    }
    return 0;
}

static PyObject *
fail(Sock *s, const Attempt *a, int line)
{
    if (raise_pending(s) < 0) {
        ERR_clear_error();
        return NULL;
    }
    return nj_ssl_io_error(s, a->ssl_error, a->ret, a->saved_errno, line);
}

/* ---- making connections ------------------------------------------------------------- */

PyObject *
nj_ssl_connection_object(Sock *s)
{
    /* the SSLSocket or SSLObject that Python code knows, if it is still there */
    PyObject *ref = s->owner ? s->owner : s->socket, *o = NULL;
    if (ref && PyWeakref_GetRef(ref, &o) < 0) {
        return NULL;
    }
    return o ? o : ref ? Py_NewRef(Py_None) : Py_NewRef(s);
}

/* The name for SNI, and for the check of the certificate. */
static int
configure_hostname(Sock *s, const char *host)
{
    SslState *st = s->ctx->state;
    size_t n = strlen(host);
    if (n == 0 || host[0] == '.') {
        PyErr_SetString(PyExc_ValueError, "server_hostname cannot be an empty string or "
                                          "start with a leading dot.");
        return -1;
    }
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
    if (!ip) {
        ERR_clear_error();
    }
    int r = -1;
    s->server_hostname = PyUnicode_DecodeASCII(host, (Py_ssize_t)n, NULL);
    if (!s->server_hostname) {
        goto done;
    }
    if (!ip && !SSL_set_tlsext_host_name(s->ssl, host)) {
        nj_ssl_error(st, NULL, __LINE__);
        goto done;
    }
    if (s->ctx->check_hostname) {
        X509_VERIFY_PARAM *param = SSL_get0_param(s->ssl);
        X509_VERIFY_PARAM_set_hostflags(param, s->ctx->host_flags);
        int ok = ip ? X509_VERIFY_PARAM_set1_ip(param, ASN1_STRING_get0_data(ip),
                                                (size_t)ASN1_STRING_length(ip))
                    : X509_VERIFY_PARAM_set1_host(param, host, n);
        if (!ok) {
            nj_ssl_error(st, NULL, __LINE__);
            goto done;
        }
    }
    r = 0;
done:
    ASN1_OCTET_STRING_free(ip);
    return r;
}

/* A copy by way of the session's ASN.1 form: SSL_SESSION_dup leaves marks of its own. */
static SSL_SESSION *
copy_session(const SSL_SESSION *session)
{
    int n = i2d_SSL_SESSION(session, NULL);
    NJ_OWN_MEM(unsigned char) buf = n > 0 ? PyMem_Malloc((size_t)n) : NULL;
    if (!buf) {
        return NULL;
    }
    unsigned char *end = buf;
    i2d_SSL_SESSION(session, &end);
    const unsigned char *p = buf;
    return d2i_SSL_SESSION(NULL, &p, n);
}

static int
use_session(Sock *s, PyObject *value)
{
    SslState *st = s->ctx->state;
    if (!Py_IS_TYPE(value, st->session_type)) {
        PyErr_SetString(PyExc_TypeError, "Value is not a SSLSession.");
        return -1;
    }
    Session *session = (Session *)value;
    if (s->ctx->ctx != session->ctx->ctx) {
        PyErr_SetString(PyExc_ValueError, "Session refers to a different SSLContext.");
        return -1;
    }
    if (s->server_side) {
        PyErr_SetString(PyExc_ValueError, "Cannot set session for server-side SSLSocket.");
        return -1;
    }
    if (SSL_is_init_finished(s->ssl)) {
        PyErr_SetString(PyExc_ValueError, "Cannot set session after handshake.");
        return -1;
    }
    /* a copy: the handshake may change it, and others may use it */
    SSL_SESSION *copy = copy_session(session->session);
    if (!copy) {
        nj_ssl_error(st, NULL, __LINE__);
        return -1;
    }
    int ok = SSL_set_session(s->ssl, copy);
    SSL_SESSION_free(copy);
    if (!ok) {
        nj_ssl_error(st, NULL, __LINE__);
        return -1;
    }
    return 0;
}

static int
set_owner(Sock *s, PyObject *owner)
{
    NJ_OWN ref = NULL;
    if (owner != Py_None) {
        ref = PyWeakref_NewRef(owner, NULL);
        if (!ref) {
            return -1;
        }
    }
    NJ_SET(s->owner, NJ_TAKE(ref));
    return 0;
}

static void
request_post_handshake_auth(Context *c, SSL *ssl, bool server)
{
    if (!c->post_handshake_auth) {
        return;
    }
    if (!server) {
        SSL_set_post_handshake_auth(ssl, 1);
        return;
    }
    int mode = SSL_get_verify_mode(ssl);
    if (mode & SSL_VERIFY_PEER) {
        SSL_set_verify(ssl, mode | SSL_VERIFY_POST_HANDSHAKE, SSL_get_verify_callback(ssl));
    }
}

PyObject *
nj_ssl_socket_new(Context *c, NjSockHead *sock, bool server, PyObject *hostname,
                  PyObject *owner, PyObject *session, MemoryBio *in, MemoryBio *out)
{
    SslState *st = c->state;
    if (server && c->protocol == PROTOCOL_TLS_CLIENT) {
        return nj_ssl_error(st,
                            "Cannot create a server socket with a PROTOCOL_TLS_CLIENT "
                            "context",
                            __LINE__);
    }
    if (!server && c->protocol == PROTOCOL_TLS_SERVER) {
        return nj_ssl_error(st,
                            "Cannot create a client socket with a PROTOCOL_TLS_SERVER "
                            "context",
                            __LINE__);
    }
    char *host = NULL;
    if (hostname != Py_None && !PyArg_Parse(hostname, "es", "ascii", &host)) {
        return NULL;
    }
    NJ_OWN_MEM(char) host_mem = host;
    NJ_OWN o = st->socket_type->tp_alloc(st->socket_type, 0);
    if (!o) {
        return NULL;
    }
    Sock *s = (Sock *)o;
    s->server_side = server;
    s->ctx = (Context *)Py_NewRef(c);
    ERR_clear_error();
    s->ssl = SSL_new(c->ctx);
    if (!s->ssl) {
        return nj_ssl_error(st, NULL, __LINE__);
    }
    SSL_set_app_data(s->ssl, s);
    nj_ssl_install_msg_callback(c, s->ssl);
    if (sock) {
        SSL_set_fd(s->ssl, sock->fd);
    } else {
        /* the SSL object frees its BIOs */
        BIO_up_ref(in->bio);
        BIO_up_ref(out->bio);
        SSL_set_bio(s->ssl, in->bio, out->bio);
    }
    /* no partial writes: send() of a blocking socket takes all */
    SSL_set_mode(s->ssl, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    request_post_handshake_auth(c, s->ssl, server);
    if (host && configure_hostname(s, host) < 0) {
        return NULL;
    }
    if (sock && sock->timeout >= 0) {
        BIO_set_nbio(SSL_get_rbio(s->ssl), 1);
        BIO_set_nbio(SSL_get_wbio(s->ssl), 1);
    }
    if (server) {
        /* sessions may be resumed by all contexts of ours; a client has no say */
        SSL_set_session_id_context(s->ssl, (const unsigned char *)SID_CONTEXT,
                                   sizeof SID_CONTEXT);
        SSL_set_accept_state(s->ssl);
    } else {
        SSL_set_connect_state(s->ssl);
    }
    if (sock) {
        s->socket = PyWeakref_NewRef((PyObject *)sock, NULL);
        if (!s->socket) {
            return NULL;
        }
    }
    if (set_owner(s, owner) < 0 || (session != Py_None && use_session(s, session) < 0)) {
        return NULL;
    }
    return NJ_TAKE(o);
}

static int
socket_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Sock *)op)->ctx);
    Py_VISIT(((Sock *)op)->exc);
    return 0;
}

/* The context stays until the end: it breaks the cycles that go through it. */
static int
socket_clear(PyObject *op)
{
    Py_CLEAR(((Sock *)op)->exc);
    return 0;
}

static void
socket_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Sock *s = (Sock *)op;
    SSL_free(s->ssl);
    Py_XDECREF(s->socket);
    Py_XDECREF(s->ctx);
    Py_XDECREF(s->owner);
    Py_XDECREF(s->server_hostname);
    Py_XDECREF(s->exc);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- handshake, reading, writing ---------------------------------------------------- */

static PyObject *
socket_do_handshake(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Sock *s = (Sock *)op;
    LIMIT(limit);
    Attempt a;
    if (begin(s, &limit, __LINE__) < 0) {
        return NULL;
    }
    do {
        ATTEMPT(s, a, SSL_do_handshake(s->ssl));
        int w = wait_for(s, &limit, &a, "The handshake operation timed out", __LINE__);
        if (w < 0 || w == WAIT_TIMED_OUT || w == WAIT_CLOSED) {
            return NULL;
        }
        if (w == WAIT_NONBLOCKING) {
            break;
        }
    } while (wants_more(&a));
    if (a.ret < 1) {
        return fail(s, &a, __LINE__);
    }
    if (raise_pending(s) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Reads up to size bytes. The number read, 0 at the end, or -1 with an exception. */
static Py_ssize_t
read_into(Sock *s, char *to, size_t size)
{
    LIMIT(limit);
    Attempt a;
    size_t n = 0;
    if (begin(s, &limit, __LINE__) < 0) {
        return -1;
    }
    do {
        ATTEMPT(s, a, SSL_read_ex(s->ssl, to, size, &n));
        if (a.ssl_error == SSL_ERROR_ZERO_RETURN
            && SSL_get_shutdown(s->ssl) == SSL_RECEIVED_SHUTDOWN) {
            n = 0;
            a.ret = 1;
            break;
        }
        int w = wait_for(s, &limit, &a, "The read operation timed out", __LINE__);
        if (w < 0 || w == WAIT_TIMED_OUT || w == WAIT_CLOSED) {
            return -1;
        }
        if (w == WAIT_NONBLOCKING) {
            break;
        }
    } while (wants_more(&a));
    if (a.ret != 1) {
        a.ret = -1; /* SSL_read_ex does not tell 0 from -1 */
        fail(s, &a, __LINE__);
        return -1;
    }
    return raise_pending(s) < 0 ? -1 : (Py_ssize_t)n;
}

/* read(size[, buffer]) */
static PyObject *
socket_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Sock *s = (Sock *)op;
    if (nargs < 1 || nargs > 2) {
        PyErr_SetString(PyExc_TypeError, "_ssl._SSLSocket.read requires 1 to 2 arguments");
        return NULL;
    }
    NJ_OWN index = PyNumber_Index(args[0]);
    Py_ssize_t size = index ? PyLong_AsSsize_t(index) : -1;
    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (nargs == 1) {
        if (size < 0) {
            PyErr_SetString(PyExc_ValueError, "size should not be negative");
            return NULL;
        }
        NJ_OWN bytes = PyBytes_FromStringAndSize(NULL, size);
        if (!bytes || size == 0) {
            return NJ_TAKE(bytes);
        }
        Py_ssize_t n = read_into(s, PyBytes_AS_STRING(bytes), (size_t)size);
        if (n < 0) {
            return NULL;
        }
        if (n != size) {
            _PyBytes_Resize(&bytes, n);
        }
        return NJ_TAKE(bytes);
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(args[1], &view, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError,
                     "read() argument 2 must be read-write bytes-like object, not %T",
                     args[1]);
        return NULL;
    }
    if (size <= 0 || size > view.len) {
        size = view.len;
    }
    if (size == 0) {
        return PyLong_FromLong(0);
    }
    Py_ssize_t n = read_into(s, view.buf, (size_t)size);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *
socket_write(PyObject *op, PyObject *data)
{
    Sock *s = (Sock *)op;
    NJ_OWN_BUF view = {0};
    LIMIT(limit);
    Attempt a = {.ssl_error = SSL_ERROR_WANT_WRITE};
    size_t n = 0;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0
        || begin(s, &limit, __LINE__) < 0) {
        return NULL;
    }
    Wait first = wait_socket(limit.sock, true, limit.timeout);
    if (first == WAIT_TIMED_OUT) {
        PyErr_SetString(PyExc_TimeoutError, "The write operation timed out");
        return NULL;
    }
    do {
        ATTEMPT(s, a, SSL_write_ex(s->ssl, view.buf, (size_t)view.len, &n));
        int w = wait_for(s, &limit, &a, "The write operation timed out", __LINE__);
        if (w < 0 || w == WAIT_TIMED_OUT || w == WAIT_CLOSED) {
            return NULL;
        }
        if (w == WAIT_NONBLOCKING) {
            break;
        }
    } while (wants_more(&a));
    if (a.ret != 1) {
        a.ret = -1;
        return fail(s, &a, __LINE__);
    }
    return raise_pending(s) < 0 ? NULL : PyLong_FromSize_t(n);
}

static PyObject *
socket_pending(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromLong(SSL_pending(((Sock *)op)->ssl));
}

static PyObject *
socket_shutdown(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Sock *s = (Sock *)op;
    LIMIT(limit);
    Attempt a;
    int zeros = 0;
    if (begin(s, &limit, __LINE__) < 0) {
        return NULL;
    }
    for (;;) {
        /* do not read what follows the peer's shutdown: it belongs to whoever has the
         * socket next */
        if (s->shutdown_seen_zero) {
            SSL_set_read_ahead(s->ssl, 0);
        }
        ATTEMPT(s, a, SSL_shutdown(s->ssl));
        if (a.ret > 0) {
            break;
        }
        if (a.ret == 0) {
            /* ours is sent: once more for the peer's, but not for ever */
            if (++zeros > 1) {
                break;
            }
            s->shutdown_seen_zero = true;
            continue;
        }
        if (!wants_more(&a)) {
            break;
        }
        int w = wait_for(s, &limit, &a,
                         a.ssl_error == SSL_ERROR_WANT_READ
                             ? "The read operation timed out"
                             : "The write operation timed out",
                         __LINE__);
        if (w < 0 || w == WAIT_TIMED_OUT || w == WAIT_CLOSED) {
            return NULL;
        }
        if (w == WAIT_NONBLOCKING) {
            break;
        }
    }
    if (a.ret < 0) {
        return fail(s, &a, __LINE__);
    }
    if (raise_pending(s) < 0) {
        return NULL;
    }
    return limit.sock ? Py_NewRef(limit.sock) : Py_NewRef(Py_None);
}

static PyObject *
socket_verify_client_post_handshake(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Sock *s = (Sock *)op;
    ERR_clear_error();
    if (!SSL_verify_client_post_handshake(s->ssl)) {
        return nj_ssl_error(s->ctx->state, NULL, __LINE__);
    }
    Py_RETURN_NONE;
}

/* ---- what is known of a connection -------------------------------------------------- */

PyObject *
nj_ssl_cipher_tuple(const SSL_CIPHER *cipher)
{
    return Py_BuildValue("ssi", SSL_CIPHER_get_name(cipher), SSL_CIPHER_get_version(cipher),
                         SSL_CIPHER_get_bits(cipher, NULL));
}

static PyObject *
socket_cipher(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(((Sock *)op)->ssl);
    return cipher ? nj_ssl_cipher_tuple(cipher) : Py_NewRef(Py_None);
}

static PyObject *
socket_shared_ciphers(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Sock *s = (Sock *)op;
    STACK_OF(SSL_CIPHER) *ours = SSL_get_ciphers(s->ssl);
    STACK_OF(SSL_CIPHER) *theirs = SSL_get_client_ciphers(s->ssl);
    if (!ours || !theirs) {
        Py_RETURN_NONE;
    }
    NJ_OWN list = PyList_New(0);
    for (int i = 0; list && i < sk_SSL_CIPHER_num(ours); i++) {
        const SSL_CIPHER *cipher = sk_SSL_CIPHER_value(ours, i);
        if (sk_SSL_CIPHER_find(theirs, cipher) < 0) {
            continue;
        }
        NJ_OWN tuple = nj_ssl_cipher_tuple(cipher);
        if (!tuple || PyList_Append(list, tuple) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
socket_version(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Sock *s = (Sock *)op;
    if (!SSL_is_init_finished(s->ssl)) {
        Py_RETURN_NONE;
    }
    const char *version = SSL_get_version(s->ssl);
    return strcmp(version, "unknown") == 0 ? Py_NewRef(Py_None)
                                           : PyUnicode_FromString(version);
}

static PyObject *
socket_selected_alpn_protocol(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const unsigned char *name;
    unsigned n;
    SSL_get0_alpn_selected(((Sock *)op)->ssl, &name, &n);
    return name ? PyUnicode_FromStringAndSize((const char *)name, n) : Py_NewRef(Py_None);
}

static PyObject *
socket_compression(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    const COMP_METHOD *method = SSL_get_current_compression(((Sock *)op)->ssl);
    const char *name = method ? SSL_COMP_get_name(method) : NULL;
    return name ? PyUnicode_FromString(name) : Py_NewRef(Py_None);
}

static void
drop_x509(X509 **cert)
{
    X509_free(*cert);
}

static PyObject *
socket_getpeercert(PyObject *op, PyObject *args)
{
    Sock *s = (Sock *)op;
    PyObject *arg = Py_False;
    if (!PyArg_UnpackTuple(args, "getpeercert", 0, 1, &arg)) {
        return NULL;
    }
    int der = PyObject_IsTrue(arg);
    if (der < 0) {
        return NULL;
    }
    if (!SSL_is_init_finished(s->ssl)) {
        PyErr_SetString(PyExc_ValueError, "handshake not done yet");
        return NULL;
    }
    __attribute__((cleanup(drop_x509))) X509 *cert = SSL_get1_peer_certificate(s->ssl);
    if (!cert) {
        Py_RETURN_NONE;
    }
    if (der) {
        return nj_ssl_cert_der(s->ctx->state, cert);
    }
    /* nobody has looked whether it is true */
    if (!(SSL_CTX_get_verify_mode(SSL_get_SSL_CTX(s->ssl)) & SSL_VERIFY_PEER)) {
        return PyDict_New();
    }
    return nj_ssl_decode_cert(s->ctx->state, cert);
}

static PyObject *
cert_list(SslState *st, const STACK_OF(X509) *chain, X509 *first)
{
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (int i = first ? -1 : 0; i < sk_X509_num(chain); i++) {
        NJ_OWN cert = nj_ssl_cert_new(st, i < 0 ? first : sk_X509_value(chain, i));
        if (!cert || PyList_Append(list, cert) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
socket_get_verified_chain(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Sock *s = (Sock *)op;
    STACK_OF(X509) *chain = SSL_get0_verified_chain(s->ssl);
    return chain ? cert_list(s->ctx->state, chain, NULL) : Py_NewRef(Py_None);
}

static PyObject *
socket_get_unverified_chain(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Sock *s = (Sock *)op;
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(s->ssl);
    if (!chain) {
        Py_RETURN_NONE;
    }
    /* OpenSSL leaves the peer's own certificate out on the server's side */
    __attribute__((cleanup(drop_x509))) X509 *peer =
        s->server_side ? SSL_get1_peer_certificate(s->ssl) : NULL;
    return cert_list(s->ctx->state, chain, peer);
}

static PyObject *
socket_get_channel_binding(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"cb_type", NULL};
    Sock *s = (Sock *)op;
    const char *type = "tls-unique";
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:get_channel_binding", names, &type)) {
        return NULL;
    }
    if (strcmp(type, "tls-unique") != 0) {
        PyErr_Format(PyExc_ValueError, "'%s' channel binding type not implemented", type);
        return NULL;
    }
    /* the first Finished message of the handshake: the server's if it resumed a session */
    char buf[128];
    size_t n = SSL_session_reused(s->ssl) ^ !s->server_side
                   ? SSL_get_finished(s->ssl, buf, sizeof buf)
                   : SSL_get_peer_finished(s->ssl, buf, sizeof buf);
    return n ? PyBytes_FromStringAndSize(buf, (Py_ssize_t)n) : Py_NewRef(Py_None);
}

/* ---- attributes --------------------------------------------------------------------- */

static PyObject *
socket_get_context(PyObject *op, void *Py_UNUSED(closure))
{
    return Py_NewRef(((Sock *)op)->ctx);
}

static int
cannot_delete(const char *attribute)
{
    PyErr_Format(PyExc_AttributeError,
                 "attribute '%s' of '_ssl._SSLSocket' objects cannot be deleted", attribute);
    return -1;
}

static int
socket_set_context(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Sock *s = (Sock *)op;
    if (!value) {
        return cannot_delete("context");
    }
    if (!PyObject_TypeCheck(value, s->ctx->state->context_type)) {
        PyErr_SetString(PyExc_TypeError, "The value must be a SSLContext");
        return -1;
    }
    NJ_SET(s->ctx, Py_NewRef(value));
    SSL_set_SSL_CTX(s->ssl, s->ctx->ctx);
    /* unlike the context, the connection has its callback from its birth */
    SSL_set_msg_callback(s->ssl, NULL);
    nj_ssl_install_msg_callback(s->ctx, s->ssl);
    return 0;
}

static PyObject *
socket_get_server_side(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Sock *)op)->server_side);
}

static PyObject *
socket_get_server_hostname(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *host = ((Sock *)op)->server_hostname;
    return Py_NewRef(host ? host : Py_None);
}

static PyObject *
socket_get_owner(PyObject *op, void *Py_UNUSED(closure))
{
    Sock *s = (Sock *)op;
    PyObject *owner = NULL;
    if (s->owner && PyWeakref_GetRef(s->owner, &owner) < 0) {
        return NULL;
    }
    return owner ? owner : Py_NewRef(Py_None);
}

static int
socket_set_owner(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return value ? set_owner((Sock *)op, value) : cannot_delete("owner");
}

static PyObject *
socket_get_session(PyObject *op, void *Py_UNUSED(closure))
{
    Sock *s = (Sock *)op;
    SSL_SESSION *session = SSL_get1_session(s->ssl);
    if (!session) {
        Py_RETURN_NONE;
    }
    SslState *st = s->ctx->state;
    Session *o = (Session *)st->session_type->tp_alloc(st->session_type, 0);
    if (!o) {
        SSL_SESSION_free(session);
        return NULL;
    }
    o->session = session;
    o->ctx = (Context *)Py_NewRef(s->ctx);
    return (PyObject *)o;
}

static int
socket_set_session(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    return value ? use_session((Sock *)op, value) : cannot_delete("session");
}

static PyObject *
socket_get_session_reused(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(SSL_session_reused(((Sock *)op)->ssl));
}

static PyMethodDef socket_methods[] = {
    {"do_handshake", socket_do_handshake, METH_NOARGS, "do_handshake($self, /)\n--\n\n"},
    {"write", socket_write, METH_O,
     "write($self, b, /)\n--\n\n"
     "Writes the bytes-like object b into the SSL object.\n\n"
     "Returns the number of bytes written."},
    {"read", KW(socket_read), METH_FASTCALL,
     "read(size, [buffer])\nRead up to size bytes from the SSL socket."},
    {"pending", socket_pending, METH_NOARGS,
     "pending($self, /)\n--\n\n"
     "Returns the number of already decrypted bytes available for read, pending on the "
     "connection."},
    {"getpeercert", socket_getpeercert, METH_VARARGS,
     "getpeercert($self, der=False, /)\n--\n\n"
     "Returns the certificate for the peer.\n\n"
     "None if there is none; an empty dict if there is one that was not validated; else\n"
     "a dict that describes it. With der, the certificate DER-encoded, validated or not."},
    {"get_channel_binding", KW(socket_get_channel_binding), METH_VARARGS | METH_KEYWORDS,
     "get_channel_binding($self, /, cb_type='tls-unique')\n--\n\n"
     "Get channel binding data for current connection.\n\n"
     "Bytes, or None if there are none yet (before the handshake). Only 'tls-unique' of\n"
     "RFC 5929 is supported; another cb_type raises ValueError."},
    {"cipher", socket_cipher, METH_NOARGS, "cipher($self, /)\n--\n\n"},
    {"shared_ciphers", socket_shared_ciphers, METH_NOARGS,
     "shared_ciphers($self, /)\n--\n\n"},
    {"version", socket_version, METH_NOARGS, "version($self, /)\n--\n\n"},
    {"selected_alpn_protocol", socket_selected_alpn_protocol, METH_NOARGS,
     "selected_alpn_protocol($self, /)\n--\n\n"},
    {"compression", socket_compression, METH_NOARGS, "compression($self, /)\n--\n\n"},
    {"shutdown", socket_shutdown, METH_NOARGS,
     "shutdown($self, /)\n--\n\nDoes the SSL shutdown handshake with the remote end."},
    {"verify_client_post_handshake", socket_verify_client_post_handshake, METH_NOARGS,
     "verify_client_post_handshake($self, /)\n--\n\n"
     "Initiate TLS 1.3 post-handshake authentication"},
    {"get_unverified_chain", socket_get_unverified_chain, METH_NOARGS,
     "get_unverified_chain($self, /)\n--\n\n"},
    {"get_verified_chain", socket_get_verified_chain, METH_NOARGS,
     "get_verified_chain($self, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef socket_getset[] = {
    {"context", socket_get_context, socket_set_context,
     "This changes the context associated with the SSLSocket.\n\n"
     "A server's sni_callback may do so to choose other certificates before the\n"
     "handshake messages are sent.",
     NULL},
    {"server_side", socket_get_server_side, NULL, "Whether this is a server-side socket.",
     NULL},
    {"server_hostname", socket_get_server_hostname, NULL,
     "The currently set server hostname (for SNI).", NULL},
    {"owner", socket_get_owner, socket_set_owner,
     "The Python-level owner of this object.\n\nPassed as \"self\" in servername callback.",
     NULL},
    {"session", socket_get_session, socket_set_session, "The underlying SSLSession object.",
     NULL},
    {"session_reused", socket_get_session_reused, NULL,
     "Was the client session reused during handshake?", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot socket_slots[] = {
    {Py_tp_dealloc, socket_dealloc},
    {Py_tp_traverse, socket_traverse},
    {Py_tp_clear, socket_clear},
    {Py_tp_methods, socket_methods},
    {Py_tp_getset, socket_getset},
    {0, NULL},
};

PyType_Spec nj_ssl_socket_spec = {
    .name = "_ssl._SSLSocket",
    .basicsize = sizeof(Sock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = socket_slots,
};

/* callbacks.c - Python functions that OpenSSL calls: server name, messages, pre-shared
 * keys; and the key log.
 *
 * The SSL object knows its Sock (app data), the Sock its Context.
 * SPDX-License-Identifier: MIT
 */
#include "ssl_int.h"

/* ---- server name (SNI) -------------------------------------------------------------- */

static void
ignore_exception(const char *what, PyObject *callback)
{
    PyErr_FormatUnraisable("Exception ignored in ssl %s callback while calling %R", what,
                           callback);
}

static int
call_sni(SSL *ssl, int *alert, void *arg)
{
    Context *c = arg;
    int result = SSL_TLSEXT_ERR_OK;
    PyGILState_STATE gil = PyGILState_Ensure();
    {
        NJ_OWN callback = Py_XNewRef(c->sni_callback);
        Sock *s = SSL_get_app_data(ssl);
        if (callback && s) {
            const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
            /* its SSLSocket or SSLObject may be gone already: nothing to hand over */
            NJ_OWN connection = nj_ssl_connection_object(s);
            /* an A-label: what is no ASCII is no host name either */
            NJ_OWN host = name ? PyUnicode_DecodeASCII(name, (Py_ssize_t)strlen(name), NULL)
                               : Py_NewRef(Py_None);
            NJ_OWN v = NULL;
            *alert = SSL_AD_INTERNAL_ERROR;
            result = SSL_TLSEXT_ERR_ALERT_FATAL;
            if (!host) {
                PyErr_FormatUnraisable(
                    "Exception ignored in ssl servername callback while decoding name %s",
                    name);
            } else if (connection && connection != Py_None) {
                v = PyObject_CallFunctionObjArgs(callback, connection, host, c, NULL);
                if (!v) {
                    *alert = SSL_AD_HANDSHAKE_FAILURE;
                    ignore_exception("servername", callback);
                } else if (v == Py_None) {
                    result = SSL_TLSEXT_ERR_OK;
                } else {
                    int a = PyLong_AsInt(v);
                    if (a == -1 && PyErr_Occurred()) {
                        PyErr_FormatUnraisable("Exception ignored in ssl servername "
                                               "callback while calling set SNI callback "
                                               "(result=%R)",
                                               v);
                    } else {
                        *alert = a;
                    }
                }
            }
        }
    }
    PyGILState_Release(gil);
    return result;
}

PyObject *
nj_ssl_get_sni_callback(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *f = ((Context *)self)->sni_callback;
    return Py_NewRef(f ? f : Py_None);
}

int
nj_ssl_set_sni_callback(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)self;
    if (!value) {
        return nj_ssl_cannot_delete("sni_callback");
    }
    if (c->protocol == PROTOCOL_TLS_CLIENT) {
        PyErr_SetString(PyExc_ValueError, "sni_callback cannot be set on TLS_CLIENT context");
        return -1;
    }
    if (value != Py_None && !PyCallable_Check(value)) {
        SSL_CTX_set_tlsext_servername_callback(c->ctx, NULL);
        Py_CLEAR(c->sni_callback);
        PyErr_SetString(PyExc_TypeError, "not a callable object");
        return -1;
    }
    NJ_SET(c->sni_callback, value == Py_None ? NULL : Py_NewRef(value));
    int (*call)(SSL *, int *, void *) = value == Py_None ? NULL : call_sni;
    SSL_CTX_set_tlsext_servername_callback(c->ctx, call);
    SSL_CTX_set_tlsext_servername_arg(c->ctx, c);
    return 0;
}

/* ---- messages ----------------------------------------------------------------------- */

/* The type of a message by the first bytes of it. */
static int
message_type(int content_type, const unsigned char *p, size_t n)
{
    switch (content_type) {
    case SSL3_RT_CHANGE_CIPHER_SPEC:
        return SSL3_MT_CHANGE_CIPHER_SPEC;
    case SSL3_RT_ALERT:
        return n >= 2 ? p[1] : -1;
    case SSL3_RT_HANDSHAKE:
    case SSL3_RT_HEADER:             /* the content type of the record */
    case SSL3_RT_INNER_CONTENT_TYPE: /* likewise, of TLS 1.3 */
        return n >= 1 ? p[0] : -1;
    default:
        return -1;
    }
}

static void
call_msg(int writing, int version, int content_type, const void *data, size_t n, SSL *ssl,
         void *Py_UNUSED(arg))
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Sock *s = SSL_get_app_data(ssl);
    if (s && s->ctx && s->ctx->msg_callback && !s->exc) {
        NJ_OWN callback = Py_NewRef(s->ctx->msg_callback);
        NJ_OWN connection = nj_ssl_connection_object(s);
        NJ_OWN v = connection
                       ? PyObject_CallFunction(
                             callback, "Osiiiy#", connection, writing ? "write" : "read",
                             version, content_type, message_type(content_type, data, n),
                             (const char *)data, (Py_ssize_t)n)
                       : NULL;
        if (!v) {
            s->exc = PyErr_GetRaisedException();
        }
    }
    PyGILState_Release(gil);
}

void
nj_ssl_install_msg_callback(Context *c, SSL *ssl)
{
    if (c->msg_callback) {
        SSL_set_msg_callback(ssl, call_msg);
    }
}

PyObject *
nj_ssl_get_msg_callback(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *f = ((Context *)self)->msg_callback;
    return Py_NewRef(f ? f : Py_None);
}

int
nj_ssl_set_msg_callback(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)self;
    if (!value) {
        return nj_ssl_cannot_delete("_msg_callback");
    }
    if (value != Py_None && !PyCallable_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "not a callable object");
        return -1;
    }
    NJ_SET(c->msg_callback, value == Py_None ? NULL : Py_NewRef(value));
    SSL_CTX_set_msg_callback(c->ctx, value == Py_None ? NULL : call_msg);
    return 0;
}

/* ---- key log ------------------------------------------------------------------------ */

static void
write_key(const SSL *ssl, const char *line)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Sock *s = SSL_get_app_data(ssl);
    Context *c = s ? s->ctx : NULL;
    if (c && c->keylog) {
        int n, error;
        Py_BEGIN_ALLOW_THREADS
        /* one line at a time, whoever writes */
        PyMutex_Lock(&c->keylog_lock);
        n = BIO_printf(c->keylog, "%s\n", line);
        error = errno;
        (void)BIO_flush(c->keylog);
        PyMutex_Unlock(&c->keylog_lock);
        Py_END_ALLOW_THREADS
        if (n == -1 && !s->exc) {
            errno = error;
            PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, c->keylog_filename);
            s->exc = PyErr_GetRaisedException();
        }
    }
    PyGILState_Release(gil);
}

PyObject *
nj_ssl_get_keylog_filename(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *f = ((Context *)self)->keylog_filename;
    return Py_NewRef(f ? f : Py_None);
}

int
nj_ssl_set_keylog_filename(PyObject *self, PyObject *value, void *Py_UNUSED(closure))
{
    Context *c = (Context *)self;
    if (!value) {
        return nj_ssl_cannot_delete("keylog_filename");
    }
    /* the old file goes first, also when the new one cannot be opened */
    SSL_CTX_set_keylog_callback(c->ctx, NULL);
    BIO *old = c->keylog;
    c->keylog = NULL;
    if (old) {
        Py_BEGIN_ALLOW_THREADS
        BIO_free_all(old);
        Py_END_ALLOW_THREADS
    }
    if (value == Py_None) {
        Py_CLEAR(c->keylog_filename);
        return 0;
    }
    PyObject *converted;
    if (!PyUnicode_FSConverter(value, &converted)) {
        return -1;
    }
    NJ_OWN path = converted;
    FILE *file = fopen(PyBytes_AS_STRING(path), "ae");
    if (!file) {
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, value);
        return -1;
    }
    BIO *bio = BIO_new_fp(file, BIO_CLOSE | BIO_FP_TEXT);
    if (!bio) {
        fclose(file);
        nj_ssl_error(c->state, "Can't malloc memory for keylog file", __LINE__);
        return -1;
    }
    if (fseek(file, 0, SEEK_END) == 0 && ftell(file) == 0) {
        BIO_puts(bio, "# TLS secrets log file, generated by OpenSSL / Python\n");
        (void)BIO_flush(bio);
    }
    c->keylog = bio;
    NJ_SET(c->keylog_filename, Py_NewRef(value));
    SSL_CTX_set_keylog_callback(c->ctx, write_key);
    return 0;
}

/* ---- pre-shared keys ---------------------------------------------------------------- */

/* Copies a key; its length, or 0 with an exception. */
static unsigned
copy_key(PyObject *key, unsigned char *to, unsigned max)
{
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(key, &view, PyBUF_SIMPLE) < 0) {
        return 0;
    }
    if (view.len > (Py_ssize_t)max) {
        PyErr_Format(PyExc_ValueError, "psk too long (%zd > %u)", view.len, max);
        return 0;
    }
    memcpy(to, view.buf, (size_t)view.len);
    return (unsigned)view.len;
}

static PyObject *
text_or_none(const char *s)
{
    return s && *s ? PyUnicode_DecodeUTF8(s, (Py_ssize_t)strlen(s), "strict")
                   : Py_NewRef(Py_None);
}

/* (identity, key) for the server's hint */
static unsigned
client_key(PyObject *callback, const char *hint, char *identity, unsigned max_identity,
           unsigned char *psk, unsigned max_psk)
{
    NJ_OWN hint_text = text_or_none(hint);
    NJ_OWN v = hint_text ? PyObject_CallOneArg(callback, hint_text) : NULL;
    PyObject *name, *key;
    if (!v || !PyArg_ParseTuple(v, "OO", &name, &key)) {
        return 0;
    }
    const char *text = "";
    Py_ssize_t n = 0;
    if (name != Py_None) {
        if (!PyUnicode_Check(name)) {
            PyErr_Format(PyExc_TypeError, "psk identity must be str or None, not %T", name);
            return 0;
        }
        text = PyUnicode_AsUTF8AndSize(name, &n);
        if (!text) {
            return 0;
        }
    }
    if (n + 1 > (Py_ssize_t)max_identity) {
        PyErr_Format(PyExc_ValueError, "psk identity too long (%zd > %u)", n, max_identity);
        return 0;
    }
    memcpy(identity, text, (size_t)n + 1);
    return copy_key(key, psk, max_psk);
}

static unsigned
call_psk_client(SSL *ssl, const char *hint, char *identity, unsigned max_identity,
                unsigned char *psk, unsigned max_psk)
{
    unsigned n = 0;
    PyGILState_STATE gil = PyGILState_Ensure();
    Sock *s = SSL_get_app_data(ssl);
    NJ_OWN callback = s && s->ctx ? Py_XNewRef(s->ctx->psk_client_callback) : NULL;
    if (callback) {
        n = client_key(callback, hint, identity, max_identity, psk, max_psk);
        if (PyErr_Occurred()) {
            PyErr_FormatUnraisable("Exception ignored in ssl PSK client callback while "
                                   "calling callback %R",
                                   callback);
        }
    }
    NJ_SET(callback, NULL);
    PyGILState_Release(gil);
    return n;
}

static unsigned
call_psk_server(SSL *ssl, const char *identity, unsigned char *psk, unsigned max_psk)
{
    unsigned n = 0;
    PyGILState_STATE gil = PyGILState_Ensure();
    Sock *s = SSL_get_app_data(ssl);
    NJ_OWN callback = s && s->ctx ? Py_XNewRef(s->ctx->psk_server_callback) : NULL;
    if (callback) {
        NJ_OWN name = text_or_none(identity);
        NJ_OWN key = name ? PyObject_CallOneArg(callback, name) : NULL;
        n = key ? copy_key(key, psk, max_psk) : 0;
        if (PyErr_Occurred()) {
            PyErr_FormatUnraisable("Exception ignored in ssl PSK server callback while "
                                   "calling callback %R",
                                   callback);
        }
    }
    NJ_SET(callback, NULL);
    PyGILState_Release(gil);
    return n;
}

PyObject *
nj_ssl_set_psk_client_callback(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"callback", NULL};
    Context *c = (Context *)self;
    PyObject *callback;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:set_psk_client_callback", names,
                                     &callback)) {
        return NULL;
    }
    if (c->protocol == PROTOCOL_TLS_SERVER) {
        return nj_ssl_error(c->state,
                            "Cannot add PSK client callback to a PROTOCOL_TLS_SERVER "
                            "context",
                            __LINE__);
    }
    if (callback != Py_None && !PyCallable_Check(callback)) {
        PyErr_SetString(PyExc_TypeError, "callback must be callable");
        return NULL;
    }
    bool on = callback != Py_None;
    NJ_SET(c->psk_client_callback, on ? Py_NewRef(callback) : NULL);
    SSL_CTX_set_psk_client_callback(c->ctx, on ? call_psk_client : NULL);
    Py_RETURN_NONE;
}

PyObject *
nj_ssl_set_psk_server_callback(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"callback", "identity_hint", NULL};
    Context *c = (Context *)self;
    PyObject *callback, *hint_object = Py_None;
    const char *hint = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|O:set_psk_server_callback", names,
                                     &callback, &hint_object)) {
        return NULL;
    }
    if (hint_object != Py_None) {
        if (!PyUnicode_Check(hint_object)) {
            PyErr_Format(PyExc_TypeError,
                         "set_psk_server_callback() argument 'identity_hint' must be str or "
                         "None, not %T",
                         hint_object);
            return NULL;
        }
        Py_ssize_t n;
        hint = PyUnicode_AsUTF8AndSize(hint_object, &n);
        if (hint && strlen(hint) != (size_t)n) {
            PyErr_SetString(PyExc_ValueError, "embedded null character");
            hint = NULL;
        }
        if (!hint) {
            return NULL;
        }
    }
    if (c->protocol == PROTOCOL_TLS_CLIENT) {
        return nj_ssl_error(c->state,
                            "Cannot add PSK server callback to a PROTOCOL_TLS_CLIENT "
                            "context",
                            __LINE__);
    }
    if (callback != Py_None && !PyCallable_Check(callback)) {
        PyErr_SetString(PyExc_TypeError, "callback must be callable");
        return NULL;
    }
    if (!SSL_CTX_use_psk_identity_hint(c->ctx, hint)) {
        ERR_clear_error();
        PyErr_SetString(PyExc_ValueError, "failed to set identity hint");
        return NULL;
    }
    bool on = callback != Py_None;
    NJ_SET(c->psk_server_callback, on ? Py_NewRef(callback) : NULL);
    SSL_CTX_set_psk_server_callback(c->ctx, on ? call_psk_server : NULL);
    Py_RETURN_NONE;
}

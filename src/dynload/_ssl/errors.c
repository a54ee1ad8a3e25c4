/* errors.c - SSLError and its kind, made from OpenSSL's error queue.
 * SPDX-License-Identifier: MIT
 */
#include "ssl_int.h"

/* the short names of the parts of OpenSSL */
static const char *
library_name(unsigned long code)
{
    static const struct {
        int lib;
        const char *name;
    } names[] = {
        {ERR_LIB_BN, "BN"},         {ERR_LIB_RSA, "RSA"},       {ERR_LIB_DH, "DH"},
        {ERR_LIB_EVP, "EVP"},       {ERR_LIB_BUF, "BUF"},       {ERR_LIB_OBJ, "OBJ"},
        {ERR_LIB_PEM, "PEM"},       {ERR_LIB_DSA, "DSA"},       {ERR_LIB_X509, "X509"},
        {ERR_LIB_ASN1, "ASN1"},     {ERR_LIB_CONF, "CONF"},     {ERR_LIB_CRYPTO, "CRYPTO"},
        {ERR_LIB_EC, "EC"},         {ERR_LIB_SSL, "SSL"},       {ERR_LIB_BIO, "BIO"},
        {ERR_LIB_PKCS7, "PKCS7"},   {ERR_LIB_X509V3, "X509V3"}, {ERR_LIB_PKCS12, "PKCS12"},
        {ERR_LIB_RAND, "RAND"},     {ERR_LIB_DSO, "DSO"},       {ERR_LIB_ENGINE, "ENGINE"},
        {ERR_LIB_OCSP, "OCSP"},     {ERR_LIB_UI, "UI"},         {ERR_LIB_COMP, "COMP"},
        {ERR_LIB_OSSL_STORE, "OSSL_STORE"},                     {ERR_LIB_CMS, "CMS"},
        {ERR_LIB_TS, "TS"},         {ERR_LIB_CT, "CT"},         {ERR_LIB_ASYNC, "ASYNC"},
        {ERR_LIB_KDF, "KDF"},       {ERR_LIB_SM2, "SM2"},       {ERR_LIB_ESS, "ESS"},
        {ERR_LIB_PROP, "PROP"},     {ERR_LIB_CRMF, "CRMF"},     {ERR_LIB_PROV, "PROV"},
        {ERR_LIB_CMP, "CMP"},       {ERR_LIB_HTTP, "HTTP"},
        {ERR_LIB_OSSL_ENCODER, "OSSL_ENCODER"},
        {ERR_LIB_OSSL_DECODER, "OSSL_DECODER"},
    };
    for (size_t i = 0; code && i < NJ_ARRAY_LEN(names); i++) {
        if (names[i].lib == ERR_GET_LIB(code)) {
            return names[i].name;
        }
    }
    return NULL;
}

/* The symbolic name of a reason, from its text: OpenSSL writes the one by the other
 * (WRONG_VERSION_NUMBER, "wrong version number"). NULL for reasons common to all parts. */
static const char *
reason_name(unsigned long code, char *buf, size_t size)
{
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    if (!text || ERR_GET_RFLAGS(code)) {
        return NULL;
    }
    static const char tls_alert[] = "ssl/tls alert "; /* newer text for the old name */
    const char *prefix = "";
    if (strncmp(text, tls_alert, sizeof tls_alert - 1) == 0) {
        prefix = "SSLV3_ALERT_";
        text += sizeof tls_alert - 1;
    }
    size_t n = (size_t)PyOS_snprintf(buf, size, "%s%s", prefix, text);
    for (size_t i = strlen(prefix); i < n && i < size - 1; i++) {
        buf[i] = Py_ISALNUM((unsigned char)buf[i]) ? (char)Py_TOUPPER(buf[i]) : '_';
    }
    return buf;
}

/* Why a certificate was refused, in words that name the host where it is about it. */
static PyObject *
verify_message(Sock *s, long code)
{
    switch (code) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return PyUnicode_FromFormat("Hostname mismatch, certificate is not valid for '%S'.",
                                    s->server_hostname);
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return PyUnicode_FromFormat(
            "IP address mismatch, certificate is not valid for '%S'.", s->server_hostname);
    default: {
        const char *text = X509_verify_cert_error_string(code);
        return text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
    }
    }
}

static int
set_name(PyObject *exc, PyObject *attribute, const char *name)
{
    NJ_OWN v = name ? PyUnicode_FromString(name) : Py_NewRef(Py_None);
    return v ? PyObject_SetAttr(exc, attribute, v) : -1;
}

/* Raises type(number, message) with its attributes. code is of the error queue, or 0. */
static void
raise(SslState *st, Sock *s, PyObject *type, int number, const char *text,
      unsigned long code, int line)
{
    char buf[128];
    const char *library = library_name(code), *reason = reason_name(code, buf, sizeof buf);
    NJ_OWN verify_code = NULL;
    NJ_OWN verify_text = NULL;
    if (!text) {
        text = code ? ERR_reason_error_string(code) : NULL;
        text = text ? text : "unknown error";
    }
    if (s && type == st->cert_verification_error) {
        long result = SSL_get_verify_result(s->ssl);
        verify_code = PyLong_FromLong(result);
        verify_text = verify_code ? verify_message(s, result) : NULL;
        if (!verify_text) {
            return;
        }
    }
    NJ_OWN message = NULL;
    if (reason && library && verify_text) {
        message = PyUnicode_FromFormat("[%s: %s] %s: %S (_ssl.c:%d)", library, reason, text,
                                       verify_text, line);
    } else if (reason && library) {
        message = PyUnicode_FromFormat("[%s: %s] %s (_ssl.c:%d)", library, reason, text,
                                       line);
    } else if (library) {
        message = PyUnicode_FromFormat("[%s] %s (_ssl.c:%d)", library, text, line);
    } else {
        message = PyUnicode_FromFormat("%s (_ssl.c:%d)", text, line);
    }
    NJ_OWN exc = message ? PyObject_CallFunction(type, "iO", number, message) : NULL;
    if (exc && set_name(exc, st->str_reason, reason) == 0
        && set_name(exc, st->str_library, library) == 0
        && (!verify_text
            || (PyObject_SetAttr(exc, st->str_verify_code, verify_code) == 0
                && PyObject_SetAttr(exc, st->str_verify_message, verify_text) == 0))) {
        PyErr_SetObject(type, exc);
    }
}

void *
nj_ssl_error(SslState *st, const char *text, int line)
{
    unsigned long code = text ? 0 : ERR_peek_last_error();
    raise(st, NULL, st->error, ERR_GET_REASON(code), text, code, line);
    ERR_clear_error();
    return NULL;
}

void *
nj_ssl_io_error(Sock *s, int ssl_error, int ret, int saved_errno, int line)
{
    SslState *st = s->ctx->state;
    PyObject *type = st->error;
    const char *text = NULL;
    unsigned long code = ERR_peek_last_error();
    int number = ssl_error;
    switch (ssl_error) {
    case SSL_ERROR_ZERO_RETURN:
        type = st->zero_return_error;
        text = "TLS/SSL connection has been closed (EOF)";
        break;
    case SSL_ERROR_WANT_READ:
        type = st->want_read_error;
        text = "The operation did not complete (read)";
        break;
    case SSL_ERROR_WANT_WRITE:
        type = st->want_write_error;
        text = "The operation did not complete (write)";
        break;
    case SSL_ERROR_WANT_X509_LOOKUP:
        text = "The operation did not complete (X509 lookup)";
        break;
    case SSL_ERROR_WANT_CONNECT:
        text = "The operation did not complete (connect)";
        break;
    case SSL_ERROR_SYSCALL:
        if (code) {
            type = st->syscall_error;
        } else if (ret != 0 && s->socket && saved_errno) {
            /* the socket's own error */
            ERR_clear_error();
            errno = saved_errno;
            PyErr_SetFromErrno(PyExc_OSError);
            return NULL;
        } else {
            type = st->eof_error;
            number = PY_SSL_ERROR_EOF;
            text = "EOF occurred in violation of protocol";
        }
        break;
    case SSL_ERROR_SSL:
        if (!code) {
            text = "A failure in the SSL library occurred";
        } else if (ERR_GET_LIB(code) == ERR_LIB_SSL
                   && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
            type = st->cert_verification_error;
        } else if (ERR_GET_LIB(code) == ERR_LIB_SSL
                   && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
            type = st->eof_error;
            number = PY_SSL_ERROR_EOF;
            text = "EOF occurred in violation of protocol";
        }
        break;
    default:
        number = PY_SSL_ERROR_INVALID_ERROR_CODE;
        text = "Invalid error code";
    }
    raise(st, s, type, number, text, code, line);
    ERR_clear_error();
    return NULL;
}

/* ---- types -------------------------------------------------------------------------- */

/* strerror where it is text, else the arguments, as BaseException does */
static PyObject *
error_str(PyObject *op)
{
    PyOSErrorObject *e = (PyOSErrorObject *)op;
    if (e->strerror && PyUnicode_Check(e->strerror)) {
        return Py_NewRef(e->strerror);
    }
    return PyObject_Str(e->args);
}

static PyType_Slot error_slots[] = {
    {Py_tp_str, error_str},
    {Py_tp_doc, "An error occurred in the SSL implementation."},
    {0, NULL},
};

static PyType_Spec error_spec = {
    .name = "ssl.SSLError",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = error_slots,
};

static int
add_error(PyObject *m, PyObject **where, const char *name, const char *doc, PyObject *bases)
{
    *where = PyErr_NewExceptionWithDoc(name, doc, bases, NULL);
    return *where ? PyModule_AddType(m, (PyTypeObject *)*where) : -1;
}

int
nj_ssl_add_errors(PyObject *m, SslState *st)
{
    st->error = PyType_FromModuleAndSpec(m, &error_spec, PyExc_OSError);
    if (!st->error || PyModule_AddType(m, (PyTypeObject *)st->error) < 0) {
        return -1;
    }
    NJ_OWN bases = PyTuple_Pack(2, st->error, PyExc_ValueError);
    if (!bases
        || add_error(m, &st->cert_verification_error, "ssl.SSLCertVerificationError",
                     "A certificate could not be verified.", bases)
               < 0
        || add_error(m, &st->zero_return_error, "ssl.SSLZeroReturnError",
                     "SSL/TLS session closed cleanly.", st->error)
               < 0
        || add_error(m, &st->want_write_error, "ssl.SSLWantWriteError",
                     "Non-blocking SSL socket needs to write more data\n"
                     "before the requested operation can be completed.",
                     st->error)
               < 0
        || add_error(m, &st->want_read_error, "ssl.SSLWantReadError",
                     "Non-blocking SSL socket needs to read more data\n"
                     "before the requested operation can be completed.",
                     st->error)
               < 0
        || add_error(m, &st->syscall_error, "ssl.SSLSyscallError",
                     "System error when attempting SSL operation.", st->error)
               < 0) {
        return -1;
    }
    return add_error(m, &st->eof_error, "ssl.SSLEOFError",
                     "SSL/TLS connection terminated abruptly.", st->error);
}

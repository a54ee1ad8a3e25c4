/* bio.c - MemoryBIO and SSLSession.
 * SPDX-License-Identifier: MIT
 */
#include "ssl_int.h"

/* ---- MemoryBIO ---------------------------------------------------------------------- */

static PyObject *
bio_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    SslState *st = nj_ssl_state(type);
    if (!st) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs))) {
        PyErr_Format(PyExc_TypeError, "MemoryBIO() takes no %s arguments",
                     PyTuple_GET_SIZE(args) ? "positional" : "keyword");
        return NULL;
    }
    BIO *bio = BIO_new(BIO_s_mem());
    if (!bio) {
        return nj_ssl_error(st, "failed to allocate BIO", __LINE__);
    }
    /* an empty one is not at its end: retry */
    BIO_set_retry_read(bio);
    BIO_set_mem_eof_return(bio, -1);
    MemoryBio *b = (MemoryBio *)type->tp_alloc(type, 0);
    if (!b) {
        BIO_free(bio);
        return NULL;
    }
    b->bio = bio;
    return (PyObject *)b;
}

static int
bio_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
bio_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    BIO_free(((MemoryBio *)op)->bio);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
bio_get_pending(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSize_t(BIO_ctrl_pending(((MemoryBio *)op)->bio));
}

static PyObject *
bio_get_eof(PyObject *op, void *Py_UNUSED(closure))
{
    MemoryBio *b = (MemoryBio *)op;
    return PyBool_FromLong(BIO_ctrl_pending(b->bio) == 0 && b->eof_written);
}

static PyObject *
bio_read(PyObject *op, PyObject *args)
{
    MemoryBio *b = (MemoryBio *)op;
    SslState *st = nj_ssl_state(Py_TYPE(op));
    PyObject *arg = NULL;
    int n = -1;
    if (!st || !PyArg_UnpackTuple(args, "read", 0, 1, &arg)
        || (arg && !nj_ssl_convert_int(arg, &n))) {
        return NULL;
    }
    size_t pending = BIO_ctrl_pending(b->bio);
    int have = pending > INT_MAX ? INT_MAX : (int)pending;
    if (n < 0 || n > have) {
        n = have;
    }
    NJ_OWN bytes = PyBytes_FromStringAndSize(NULL, n);
    if (bytes && n > 0) {
        int got = BIO_read(b->bio, PyBytes_AS_STRING(bytes), n);
        if (got < 0) {
            return nj_ssl_error(st, NULL, __LINE__);
        }
        if (got != n) {
            _PyBytes_Resize(&bytes, got);
        }
    }
    return NJ_TAKE(bytes);
}

static PyObject *
bio_write(PyObject *op, PyObject *data)
{
    MemoryBio *b = (MemoryBio *)op;
    SslState *st = nj_ssl_state(Py_TYPE(op));
    NJ_OWN_BUF view = {0};
    if (!st || PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (view.len > INT_MAX) {
        PyErr_Format(PyExc_OverflowError, "string longer than %d bytes", INT_MAX);
        return NULL;
    }
    if (b->eof_written) {
        PyErr_SetString(st->error, "cannot write() after write_eof()");
        return NULL;
    }
    int n = view.len ? BIO_write(b->bio, view.buf, (int)view.len) : 0;
    return n < 0 ? nj_ssl_error(st, NULL, __LINE__) : PyLong_FromLong(n);
}

static PyObject *
bio_write_eof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    MemoryBio *b = (MemoryBio *)op;
    b->eof_written = true;
    BIO_clear_retry_flags(b->bio);
    BIO_set_mem_eof_return(b->bio, 0);
    Py_RETURN_NONE;
}

static PyMethodDef bio_methods[] = {
    {"read", bio_read, METH_VARARGS,
     "read($self, size=-1, /)\n--\n\n"
     "Read up to size bytes from the memory BIO.\n\n"
     "Without a size, read everything. An empty result means the end or that there is\n"
     "nothing at the moment: the \"eof\" property tells which."},
    {"write", bio_write, METH_O,
     "write($self, b, /)\n--\n\n"
     "Writes the bytes b into the memory BIO.\n\n"
     "Returns the number of bytes written."},
    {"write_eof", bio_write_eof, METH_NOARGS,
     "write_eof($self, /)\n--\n\n"
     "Write an EOF marker to the memory BIO.\n\n"
     "When all data has been read, the \"eof\" property will be True."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef bio_getset[] = {
    {"pending", bio_get_pending, NULL, "The number of bytes pending in the memory BIO.",
     NULL},
    {"eof", bio_get_eof, NULL, "Whether the memory BIO is at EOF.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot bio_slots[] = {
    {Py_tp_dealloc, bio_dealloc},
    {Py_tp_traverse, bio_traverse},
    {Py_tp_new, bio_new},
    {Py_tp_methods, bio_methods},
    {Py_tp_getset, bio_getset},
    {0, NULL},
};

PyType_Spec nj_ssl_bio_spec = {
    .name = "_ssl.MemoryBIO",
    .basicsize = sizeof(MemoryBio),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = bio_slots,
};

/* ---- SSLSession --------------------------------------------------------------------- */

static int
session_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Session *)op)->ctx);
    return 0;
}

static int
session_clear(PyObject *op)
{
    Py_CLEAR(((Session *)op)->ctx);
    return 0;
}

static void
session_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    session_clear(op);
    SSL_SESSION_free(((Session *)op)->session);
    type->tp_free(op);
    Py_DECREF(type);
}

/* equal ids */
static PyObject *
session_richcompare(PyObject *op, PyObject *other, int how)
{
    if (!Py_IS_TYPE(other, Py_TYPE(op)) || (how != Py_EQ && how != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    bool same = op == other;
    if (!same) {
        unsigned n, m;
        const unsigned char *a = SSL_SESSION_get_id(((Session *)op)->session, &n);
        const unsigned char *b = SSL_SESSION_get_id(((Session *)other)->session, &m);
        same = n == m && memcmp(a, b, n) == 0;
    }
    return PyBool_FromLong(same == (how == Py_EQ));
}

static PyObject *
session_get_id(PyObject *op, void *Py_UNUSED(closure))
{
    unsigned n;
    const unsigned char *id = SSL_SESSION_get_id(((Session *)op)->session, &n);
    return PyBytes_FromStringAndSize((const char *)id, n);
}

static PyObject *
session_get_time(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(SSL_SESSION_get_time(((Session *)op)->session));
}

static PyObject *
session_get_timeout(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(SSL_SESSION_get_timeout(((Session *)op)->session));
}

static PyObject *
session_get_ticket_lifetime_hint(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(
        SSL_SESSION_get_ticket_lifetime_hint(((Session *)op)->session));
}

static PyObject *
session_get_has_ticket(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(SSL_SESSION_has_ticket(((Session *)op)->session));
}

static PyGetSetDef session_getset[] = {
    {"has_ticket", session_get_has_ticket, NULL, "Does the session contain a ticket?", NULL},
    {"id", session_get_id, NULL, "Session ID.", NULL},
    {"ticket_lifetime_hint", session_get_ticket_lifetime_hint, NULL,
     "Ticket life time hint.", NULL},
    {"time", session_get_time, NULL, "Session creation time (seconds since epoch).", NULL},
    {"timeout", session_get_timeout, NULL, "Session timeout (delta in seconds).", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot session_slots[] = {
    {Py_tp_dealloc, session_dealloc},
    {Py_tp_traverse, session_traverse},
    {Py_tp_clear, session_clear},
    {Py_tp_richcompare, session_richcompare},
    {Py_tp_getset, session_getset},
    {0, NULL},
};

PyType_Spec nj_ssl_session_spec = {
    .name = "_ssl.SSLSession",
    .basicsize = sizeof(Session),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = session_slots,
};

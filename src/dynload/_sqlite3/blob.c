/* blob.c - Blob: reading and writing a value in place.
 *
 * Open blobs are in a list of their connection, which closes them before itself.
 * SPDX-License-Identifier: MIT
 */
#include "sqlite_int.h"

static void
close_blob(Blob *b)
{
    if (!b->blob) {
        return;
    }
    sqlite3_blob *blob = b->blob;
    b->blob = NULL;
    *(b->prev ? &b->prev->next : &b->connection->blobs) = b->next;
    if (b->next) {
        b->next->prev = b->prev;
    }
    b->prev = b->next = NULL;
    Py_BEGIN_ALLOW_THREADS
    sqlite3_blob_close(blob);
    Py_END_ALLOW_THREADS
}

void
nj_sqlite_blobs_close(Connection *c)
{
    while (c->blobs) {
        close_blob(c->blobs);
    }
}

static int
check_blob(Blob *b)
{
    Connection *c = b->connection;
    if (nj_sqlite_check_thread(c) < 0 || nj_sqlite_check_open(c) < 0) {
        return -1;
    }
    if (!b->blob) {
        nj_sqlite_programming_error(c->state, "Cannot operate on a closed blob.");
        return -1;
    }
    return 0;
}

static int
blob_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Blob *)op)->connection);
    return 0;
}

static int
blob_clear(PyObject *op)
{
    close_blob((Blob *)op);
    Py_CLEAR(((Blob *)op)->connection);
    return 0;
}

static void
blob_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    blob_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
raise_blob_error(Blob *b, int rc)
{
    Connection *c = b->connection;
    if (rc == SQLITE_ABORT) {
        PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR],
                        "Cannot operate on an expired blob handle");
        return -1;
    }
    return nj_sqlite_error(c->state, c->db);
}

/* An integer row id, in the range of SQLite's. */
static int
rowid_of(PyObject *o, sqlite3_int64 *rowid)
{
    if (!PyLong_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "expected 'int'");
        return -1;
    }
    int overflow;
    *rowid = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
        PyErr_SetString(PyExc_OverflowError,
                        "Python int too large to convert to SQLite INTEGER");
        return -1;
    }
    return *rowid == -1 && PyErr_Occurred() ? -1 : 0;
}

PyObject *
nj_sqlite_blobopen(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "", "", "readonly", "name", NULL};
    Connection *c = (Connection *)self;
    PyObject *table_object, *column_object, *rowid_object, *name_object = NULL;
    int readonly = 0;
    sqlite3_int64 rowid;
    if (nj_sqlite_check_positional(args, 3, "blobopen") < 0
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "OOO|$pO:blobopen", names, &table_object,
                                     &column_object, &rowid_object, &readonly,
                                     &name_object)) {
        return NULL;
    }
    const char *table = nj_sqlite_text(table_object, "blobopen", "1");
    const char *column = table ? nj_sqlite_text(column_object, "blobopen", "2") : NULL;
    if (!column || rowid_of(rowid_object, &rowid) < 0) {
        return NULL;
    }
    const char *name =
        name_object ? nj_sqlite_text(name_object, "blobopen", "'name'") : "main";
    if (!name || nj_sqlite_check_thread(c) < 0 || nj_sqlite_check_open(c) < 0) {
        return NULL;
    }
    sqlite3_blob *blob;
    sqlite3 *db = c->db;
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_blob_open(db, name, table, column, rowid, !readonly, &blob);
    Py_END_ALLOW_THREADS
    if (rc != SQLITE_OK) {
        nj_sqlite_error(c->state, db);
        return NULL;
    }
    Blob *b = (Blob *)c->state->blob_type->tp_alloc(c->state->blob_type, 0);
    if (!b) {
        sqlite3_blob_close(blob);
        return NULL;
    }
    b->connection = (Connection *)Py_NewRef(c);
    b->blob = blob;
    b->next = c->blobs;
    if (c->blobs) {
        c->blobs->prev = b;
    }
    c->blobs = b;
    return (PyObject *)b;
}

static PyObject *
read_bytes(Blob *b, int n, int offset)
{
    NJ_OWN bytes = PyBytes_FromStringAndSize(NULL, n);
    if (!bytes) {
        return NULL;
    }
    char *to = PyBytes_AS_STRING(bytes);
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_blob_read(b->blob, to, n, offset);
    Py_END_ALLOW_THREADS
    if (rc != SQLITE_OK) {
        raise_blob_error(b, rc);
        return NULL;
    }
    return NJ_TAKE(bytes);
}

static int
write_bytes(Blob *b, const void *from, Py_ssize_t n, int offset)
{
    if (n > sqlite3_blob_bytes(b->blob) - offset) {
        PyErr_SetString(PyExc_ValueError, "data longer than blob length");
        return -1;
    }
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_blob_write(b->blob, from, (int)n, offset);
    Py_END_ALLOW_THREADS
    return rc == SQLITE_OK ? 0 : raise_blob_error(b, rc);
}

static PyObject *
blob_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Blob *b = (Blob *)op;
    if (nj_sqlite_check_thread(b->connection) < 0
        || nj_sqlite_check_open(b->connection) < 0) {
        return NULL;
    }
    close_blob(b);
    Py_RETURN_NONE;
}

static PyObject *
blob_read(PyObject *op, PyObject *args)
{
    Blob *b = (Blob *)op;
    PyObject *arg = NULL;
    int n = -1;
    if (!PyArg_UnpackTuple(args, "read", 0, 1, &arg)
        || (arg && !nj_sqlite_convert_int(arg, &n)) || check_blob(b) < 0) {
        return NULL;
    }
    int left = sqlite3_blob_bytes(b->blob) - b->offset;
    if (n < 0 || n > left) {
        n = left;
    }
    if (n == 0) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    PyObject *bytes = read_bytes(b, n, b->offset);
    if (bytes) {
        b->offset += n;
    }
    return bytes;
}

static PyObject *
blob_write(PyObject *op, PyObject *data)
{
    Blob *b = (Blob *)op;
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0 || check_blob(b) < 0
        || write_bytes(b, view.buf, view.len, b->offset) < 0) {
        return NULL;
    }
    b->offset += (int)view.len;
    Py_RETURN_NONE;
}

static PyObject *
blob_seek(PyObject *op, PyObject *args)
{
    Blob *b = (Blob *)op;
    PyObject *a, *o = NULL;
    int offset, origin = 0;
    if (!PyArg_UnpackTuple(args, "seek", 1, 2, &a, &o) || !nj_sqlite_convert_int(a, &offset)
        || (o && !nj_sqlite_convert_int(o, &origin)) || check_blob(b) < 0) {
        return NULL;
    }
    int size = sqlite3_blob_bytes(b->blob);
    int base;
    switch (origin) {
    case SEEK_SET:
        base = 0;
        break;
    case SEEK_CUR:
        base = b->offset;
        break;
    case SEEK_END:
        base = size;
        break;
    default:
        PyErr_SetString(PyExc_ValueError,
                        "'origin' should be os.SEEK_SET, os.SEEK_CUR, or os.SEEK_END");
        return NULL;
    }
    int target;
    if (__builtin_add_overflow(base, offset, &target)) {
        PyErr_SetString(PyExc_OverflowError, "seek offset results in overflow");
        return NULL;
    }
    if (target < 0 || target > size) {
        PyErr_SetString(PyExc_ValueError, "offset out of blob range");
        return NULL;
    }
    b->offset = target;
    Py_RETURN_NONE;
}

static PyObject *
blob_tell(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return check_blob((Blob *)op) < 0 ? NULL : PyLong_FromLong(((Blob *)op)->offset);
}

static PyObject *
blob_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return check_blob((Blob *)op) < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
blob_exit(PyObject *op, PyObject *args)
{
    PyObject *type, *value, *tb;
    if (!PyArg_UnpackTuple(args, "__exit__", 3, 3, &type, &value, &tb)
        || check_blob((Blob *)op) < 0) {
        return NULL;
    }
    close_blob((Blob *)op);
    Py_RETURN_FALSE;
}

static Py_ssize_t
blob_length(PyObject *op)
{
    return check_blob((Blob *)op) < 0 ? -1 : sqlite3_blob_bytes(((Blob *)op)->blob);
}

/* The position that an index means; -1 with an exception. */
static int
position(Blob *b, PyObject *key)
{
    Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (i == -1 && PyErr_Occurred()) {
        return -1;
    }
    int n = sqlite3_blob_bytes(b->blob);
    if (i < 0) {
        i += n;
    }
    if (i < 0 || i >= n) {
        PyErr_SetString(PyExc_IndexError, "Blob index out of range");
        return -1;
    }
    return (int)i;
}

static PyObject *
blob_subscript(PyObject *op, PyObject *key)
{
    Blob *b = (Blob *)op;
    if (check_blob(b) < 0) {
        return NULL;
    }
    if (PyIndex_Check(key)) {
        int i = position(b, key);
        NJ_OWN one = i < 0 ? NULL : read_bytes(b, 1, i);
        return one ? PyLong_FromLong((unsigned char)PyBytes_AS_STRING(one)[0]) : NULL;
    }
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "Blob indices must be integers");
        return NULL;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n =
        PySlice_AdjustIndices(sqlite3_blob_bytes(b->blob), &start, &stop, step);
    if (step == 1 || n == 0) {
        return n ? read_bytes(b, (int)n, (int)start) : PyBytes_FromStringAndSize(NULL, 0);
    }
    /* the span once, then every step-th byte of it */
    Py_ssize_t last = start + (n - 1) * step, low = step > 0 ? start : last;
    Py_ssize_t span = (step > 0 ? last - start : start - last) + 1;
    NJ_OWN whole = read_bytes(b, (int)span, (int)low);
    PyObject *bytes = whole ? PyBytes_FromStringAndSize(NULL, n) : NULL;
    for (Py_ssize_t i = 0; bytes && i < n; i++) {
        PyBytes_AS_STRING(bytes)[i] =
            PyBytes_AS_STRING(whole)[start + i * step - low];
    }
    return bytes;
}

static int
assign_item(Blob *b, PyObject *key, PyObject *value)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Blob doesn't support item deletion");
        return -1;
    }
    int i = position(b, key);
    if (i < 0) {
        return -1;
    }
    if (!PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "'%T' object cannot be interpreted as an integer",
                     value);
        return -1;
    }
    int overflow;
    long v = PyLong_AsLongAndOverflow(value, &overflow);
    if (overflow || v < 0 || v > 255) {
        PyErr_SetString(PyExc_ValueError, "byte must be in range(0, 256)");
        return -1;
    }
    unsigned char byte = (unsigned char)v;
    return write_bytes(b, &byte, 1, i);
}

static int
assign_slice(Blob *b, PyObject *key, PyObject *value)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Blob doesn't support slice deletion");
        return -1;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return -1;
    }
    Py_ssize_t n =
        PySlice_AdjustIndices(sqlite3_blob_bytes(b->blob), &start, &stop, step);
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (view.len != n) {
        PyErr_SetString(PyExc_IndexError, "Blob slice assignment is wrong size");
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    if (step == 1) {
        return write_bytes(b, view.buf, n, (int)start);
    }
    Py_ssize_t last = start + (n - 1) * step, low = step > 0 ? start : last;
    Py_ssize_t span = (step > 0 ? last - start : start - last) + 1;
    NJ_OWN whole = read_bytes(b, (int)span, (int)low);
    if (!whole) {
        return -1;
    }
    char *p = PyBytes_AS_STRING(whole);
    for (Py_ssize_t i = 0; i < n; i++) {
        p[start + i * step - low] = ((const char *)view.buf)[i];
    }
    return write_bytes(b, p, span, (int)low);
}

static int
blob_ass_subscript(PyObject *op, PyObject *key, PyObject *value)
{
    Blob *b = (Blob *)op;
    if (check_blob(b) < 0) {
        return -1;
    }
    if (PyIndex_Check(key)) {
        return assign_item(b, key, value);
    }
    if (PySlice_Check(key)) {
        return assign_slice(b, key, value);
    }
    PyErr_SetString(PyExc_TypeError, "Blob indices must be integers");
    return -1;
}

static PyMethodDef blob_methods[] = {
    {"close", blob_close, METH_NOARGS, "close($self, /)\n--\n\nClose the blob."},
    {"read", blob_read, METH_VARARGS,
     "read($self, length=-1, /)\n--\n\n"
     "Read data at the current offset position.\n\n"
     "  length\n"
     "    Read length in bytes.\n\n"
     "Reading stops at the end of the blob, also if length is not specified or\n"
     "negative."},
    {"write", blob_write, METH_O,
     "write($self, data, /)\n--\n\n"
     "Write data at the current offset.\n\n"
     "The length of the blob stays: writing beyond its end raises an exception."},
    {"seek", blob_seek, METH_VARARGS,
     "seek($self, offset, origin=0, /)\n--\n\n"
     "Set the current access position to offset.\n\n"
     "It counts from the beginning (os.SEEK_SET, the default), the current position\n"
     "(os.SEEK_CUR) or the end of the blob (os.SEEK_END)."},
    {"tell", blob_tell, METH_NOARGS,
     "tell($self, /)\n--\n\nReturn the current access position for the blob."},
    {"__enter__", blob_enter, METH_NOARGS,
     "__enter__($self, /)\n--\n\nBlob context manager enter."},
    {"__exit__", blob_exit, METH_VARARGS,
     "__exit__($self, type, val, tb, /)\n--\n\nBlob context manager exit."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot blob_slots[] = {
    {Py_tp_dealloc, blob_dealloc},
    {Py_tp_traverse, blob_traverse},
    {Py_tp_clear, blob_clear},
    {Py_tp_methods, blob_methods},
    {Py_mp_length, blob_length},
    {Py_mp_subscript, blob_subscript},
    {Py_mp_ass_subscript, blob_ass_subscript},
    {0, NULL},
};

PyType_Spec nj_sqlite_blob_spec = {
    .name = "sqlite3.Blob",
    .basicsize = sizeof(Blob),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = blob_slots,
};

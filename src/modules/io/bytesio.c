/* bytesio.c - io.BytesIO: a binary stream in memory.
 *
 * The content is a bytes object that the stream may share (with the initial value, or with
 * what getvalue() returned): it is copied before the first change while anyone else holds
 * it. Its allocated length may exceed string_size, except while shared. getbuffer() hands
 * out views through a _BytesIOBuffer and forbids resizing while they live.
 * SPDX-License-Identifier: MIT
 */
#include "modules/io/io_int.h"

#include <stddef.h>

typedef struct BytesIO {
    NjIoBase base;
    PyObject *buf;          /* bytes; NULL when closed */
    Py_ssize_t pos;         /* may lie past the end */
    Py_ssize_t string_size; /* length of the content */
    Py_ssize_t exports;     /* live views */
} BytesIO;

typedef struct BytesIOBuffer {
    PyObject_HEAD
    BytesIO *source; /* owned */
} BytesIOBuffer;

static bool
shares(BytesIO *self)
{
    return Py_REFCNT(self->buf) != 1;
}

static int
check_open(BytesIO *self)
{
    if (!self->buf) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
        return -1;
    }
    return 0;
}

static int
check_exports(BytesIO *self)
{
    if (self->exports > 0) {
        PyErr_SetString(PyExc_BufferError,
                        "Existing exports of data: object cannot be re-sized");
        return -1;
    }
    return 0;
}

/* Gives the stream a private buffer of the given allocation. */
static int
make_private(BytesIO *self, Py_ssize_t room)
{
    PyObject *copy = PyBytes_FromStringAndSize(NULL, room);
    if (!copy) {
        return -1;
    }
    memcpy(PyBytes_AS_STRING(copy), PyBytes_AS_STRING(self->buf),
           (size_t)(self->string_size < room ? self->string_size : room));
    Py_SETREF(self->buf, copy);
    return 0;
}

/* Makes room for size bytes, growing by an eighth more. */
static int
reserve(BytesIO *self, Py_ssize_t size)
{
    Py_ssize_t have = PyBytes_GET_SIZE(self->buf);
    Py_ssize_t room = size;
    if (size < have / 2) {
        room = size + 1;
    } else if (size < have) {
        return shares(self) ? make_private(self, have) : 0;
    } else if (size <= have + have / 8) {
        room = size + (size >> 3) + (size < 9 ? 3 : 6);
    } else {
        room = size + 1;
    }
    if (room < size) {
        PyErr_SetString(PyExc_OverflowError, "new buffer size too large");
        return -1;
    }
    return shares(self) ? make_private(self, room) : _PyBytes_Resize(&self->buf, room);
}

static Py_ssize_t
write_bytes(BytesIO *self, PyObject *data)
{
    NJ_OWN_BUF b = {0};
    if (check_open(self) < 0 || check_exports(self) < 0 ||
        PyObject_GetBuffer(data, &b, PyBUF_CONTIG_RO) < 0) {
        return -1;
    }
    /* getting the buffer may have run Python code */
    if (check_open(self) < 0 || check_exports(self) < 0) {
        return -1;
    }
    if (b.len == 0) {
        return 0;
    }
    if (self->pos > PY_SSIZE_T_MAX - b.len) {
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return -1;
    }
    Py_ssize_t end = self->pos + b.len;
    if (end > PyBytes_GET_SIZE(self->buf)) {
        if (reserve(self, end) < 0) {
            return -1;
        }
    } else if (shares(self) &&
               make_private(self, end > self->string_size ? end : self->string_size) < 0) {
        return -1;
    }
    char *s = PyBytes_AS_STRING(self->buf);
    if (self->pos > self->string_size) {
        memset(s + self->string_size, 0, (size_t)(self->pos - self->string_size));
    }
    memcpy(s + self->pos, b.buf, (size_t)b.len);
    self->pos = end;
    if (self->string_size < end) {
        self->string_size = end;
    }
    return b.len;
}

static PyObject *
bytesio_write(PyObject *self, PyObject *b)
{
    Py_ssize_t n = write_bytes((BytesIO *)self, b);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *
bytesio_writelines(PyObject *self, PyObject *lines)
{
    if (check_open((BytesIO *)self) < 0) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(lines);
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN item = PyIter_Next(it);
        if (!item) {
            return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
        }
        if (write_bytes((BytesIO *)self, item) < 0) {
            return NULL;
        }
    }
}

static PyObject *
bytesio_true(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return check_open((BytesIO *)self) < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *
bytesio_isatty(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return check_open((BytesIO *)self) < 0 ? NULL : Py_NewRef(Py_False);
}

static PyObject *
bytesio_flush(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return check_open((BytesIO *)self) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
bytesio_tell(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return check_open((BytesIO *)self) < 0 ? NULL
                                           : PyLong_FromSsize_t(((BytesIO *)self)->pos);
}

static PyObject *
bytesio_getbuffer(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (check_open((BytesIO *)op) < 0) {
        return NULL;
    }
    NjIoState *st = nj_io_state_of(op);
    if (!st) {
        return NULL;
    }
    BytesIOBuffer *b = (BytesIOBuffer *)st->bytesiobuf->tp_alloc(st->bytesiobuf, 0);
    if (!b) {
        return NULL;
    }
    b->source = (BytesIO *)Py_NewRef(op);
    PyObject *view = PyMemoryView_FromObject((PyObject *)b);
    Py_DECREF(b);
    return view;
}

static PyObject *
bytesio_getvalue(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    BytesIO *self = (BytesIO *)op;
    if (check_open(self) < 0) {
        return NULL;
    }
    if (self->string_size != PyBytes_GET_SIZE(self->buf) && self->exports == 0) {
        if (shares(self) ? make_private(self, self->string_size) < 0
                         : _PyBytes_Resize(&self->buf, self->string_size) < 0) {
            return NULL;
        }
    }
    if (self->string_size != PyBytes_GET_SIZE(self->buf)) {
        return PyBytes_FromStringAndSize(PyBytes_AS_STRING(self->buf), self->string_size);
    }
    return Py_NewRef(self->buf);
}

/* Takes up to n bytes from the position. */
static PyObject *
take_bytes(BytesIO *self, Py_ssize_t n)
{
    Py_ssize_t left = self->string_size > self->pos ? self->string_size - self->pos : 0;
    if (n < 0 || n > left) {
        n = left;
    }
    if (n > 1 && self->pos == 0 && n == PyBytes_GET_SIZE(self->buf) &&
        self->exports == 0) {
        self->pos += n;
        return Py_NewRef(self->buf);
    }
    const char *s = n ? PyBytes_AS_STRING(self->buf) + self->pos : NULL;
    PyObject *out = n ? PyBytes_FromStringAndSize(s, n) : PyBytes_FromStringAndSize(NULL, 0);
    if (out) {
        self->pos += n;
    }
    return out;
}

/* The length of the line at the position, at most limit. */
static Py_ssize_t
scan_line(BytesIO *self, Py_ssize_t limit)
{
    if (self->pos >= self->string_size) {
        return 0;
    }
    const char *start = PyBytes_AS_STRING(self->buf) + self->pos;
    Py_ssize_t n = self->string_size - self->pos;
    if (limit >= 0 && limit < n) {
        n = limit;
    }
    const char *nl = n ? memchr(start, '\n', (size_t)n) : NULL;
    return nl ? nl - start + 1 : n;
}

static PyObject *
bytesio_read_named(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                   const char *name)
{
    Py_ssize_t size;
    if (!_PyArg_CheckPositional(name, nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &size) < 0 || check_open((BytesIO *)op) < 0) {
        return NULL;
    }
    return take_bytes((BytesIO *)op, size);
}

static PyObject *
bytesio_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return bytesio_read_named(op, args, nargs, "read");
}

static PyObject *
bytesio_read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    return bytesio_read_named(op, args, nargs, "read1");
}

static PyObject *
bytesio_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BytesIO *self = (BytesIO *)op;
    Py_ssize_t size;
    if (!_PyArg_CheckPositional("readline", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &size) < 0 || check_open(self) < 0) {
        return NULL;
    }
    return take_bytes(self, scan_line(self, size));
}

static PyObject *
bytesio_readlines(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BytesIO *self = (BytesIO *)op;
    Py_ssize_t hint, total = 0, n;
    if (!_PyArg_CheckPositional("readlines", nargs, 0, 1)) {
        return NULL;
    }
    if (nj_io_size(nargs ? args[0] : NULL, &hint) < 0 || check_open(self) < 0) {
        return NULL;
    }
    NJ_OWN lines = PyList_New(0);
    while (lines && (n = scan_line(self, -1)) != 0) {
        NJ_OWN line = take_bytes(self, n);
        if (!line || PyList_Append(lines, line) < 0) {
            return NULL;
        }
        total += n;
        if (hint > 0 && total >= hint) {
            break;
        }
    }
    return NJ_TAKE(lines);
}

static PyObject *
bytesio_readinto(PyObject *op, PyObject *target)
{
    BytesIO *self = (BytesIO *)op;
    NJ_OWN_BUF b = {0};
    if (PyObject_GetBuffer(target, &b, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        _PyArg_BadArgument("readinto", "argument", "read-write bytes-like object", target);
        return NULL;
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    Py_ssize_t left = self->string_size > self->pos ? self->string_size - self->pos : 0;
    Py_ssize_t n = b.len < left ? b.len : left;
    if (n > 0) {
        memcpy(b.buf, PyBytes_AS_STRING(self->buf) + self->pos, (size_t)n);
        self->pos += n;
    }
    return PyLong_FromSsize_t(n);
}

static PyObject *
bytesio_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BytesIO *self = (BytesIO *)op;
    if (!_PyArg_CheckPositional("truncate", nargs, 0, 1)) {
        return NULL;
    }
    Py_ssize_t size = self->pos;
    if (nargs && args[0] != Py_None) {
        if (nj_io_size(args[0], &size) < 0) {
            return NULL;
        }
    }
    if (check_open(self) < 0 || check_exports(self) < 0) {
        return NULL;
    }
    if (size < 0) {
        PyErr_Format(PyExc_ValueError, "negative size value %zd", size);
        return NULL;
    }
    if (size < self->string_size) {
        self->string_size = size;
        if (reserve(self, size) < 0) {
            return NULL;
        }
    }
    return PyLong_FromSsize_t(size);
}

static PyObject *
bytesio_iternext(PyObject *op)
{
    BytesIO *self = (BytesIO *)op;
    if (check_open(self) < 0) {
        return NULL;
    }
    Py_ssize_t n = scan_line(self, -1);
    return n ? take_bytes(self, n) : NULL;
}

static PyObject *
bytesio_iter(PyObject *op)
{
    return check_open((BytesIO *)op) < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
bytesio_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    BytesIO *self = (BytesIO *)op;
    int whence = 0;
    if (!_PyArg_CheckPositional("seek", nargs, 1, 2)) {
        return NULL;
    }
    Py_ssize_t pos = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if (pos == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (nargs > 1) {
        whence = PyLong_AsInt(args[1]);
        if (whence == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (check_open(self) < 0) {
        return NULL;
    }
    if (pos < 0 && whence == 0) {
        PyErr_Format(PyExc_ValueError, "negative seek value %zd", pos);
        return NULL;
    }
    if (whence < 0 || whence > 2) {
        PyErr_Format(PyExc_ValueError, "invalid whence (%i, should be 0, 1 or 2)", whence);
        return NULL;
    }
    Py_ssize_t from = whence == 1 ? self->pos : whence == 2 ? self->string_size : 0;
    if (pos > PY_SSIZE_T_MAX - from) {
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return NULL;
    }
    pos += from;
    self->pos = pos < 0 ? 0 : pos;
    return PyLong_FromSsize_t(self->pos);
}

static PyObject *
bytesio_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (check_exports((BytesIO *)op) < 0) {
        return NULL;
    }
    Py_CLEAR(((BytesIO *)op)->buf);
    Py_RETURN_NONE;
}

static PyObject *
bytesio_getstate(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    BytesIO *self = (BytesIO *)op;
    NJ_OWN value = bytesio_getvalue(op, NULL);
    if (!value) {
        return NULL;
    }
    NJ_OWN dict = self->base.dict ? PyDict_Copy(self->base.dict) : Py_NewRef(Py_None);
    return dict ? Py_BuildValue("(OnO)", value, self->pos, dict) : NULL;
}

static PyObject *
bytesio_setstate(PyObject *op, PyObject *state)
{
    BytesIO *self = (BytesIO *)op;
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) < 3) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__setstate__ argument should be 3-tuple, got %.200s",
                     Py_TYPE(op)->tp_name, Py_TYPE(state)->tp_name);
        return NULL;
    }
    if (check_open(self) < 0 || check_exports(self) < 0) {
        return NULL;
    }
    if (self->buf) {
        self->string_size = 0;
        self->pos = 0;
        Py_XSETREF(self->buf, PyBytes_FromStringAndSize(NULL, 0));
    } else {
        self->buf = PyBytes_FromStringAndSize(NULL, 0);
        self->string_size = 0;
    }
    if (!self->buf) {
        return NULL;
    }
    self->pos = 0;
    if (write_bytes(self, PyTuple_GET_ITEM(state, 0)) < 0) {
        return NULL;
    }
    PyObject *pos = PyTuple_GET_ITEM(state, 1), *dict = PyTuple_GET_ITEM(state, 2);
    if (!PyLong_Check(pos)) {
        PyErr_Format(PyExc_TypeError,
                     "second item of state must be an integer, not %.200s",
                     Py_TYPE(pos)->tp_name);
        return NULL;
    }
    Py_ssize_t n = PyLong_AsSsize_t(pos);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "position value cannot be negative");
        return NULL;
    }
    self->pos = n;
    if (dict != Py_None) {
        if (!PyDict_Check(dict)) {
            PyErr_Format(PyExc_TypeError,
                         "third item of state should be a dict, got a %.200s",
                         Py_TYPE(dict)->tp_name);
            return NULL;
        }
        if (!self->base.dict) {
            self->base.dict = Py_NewRef(dict);
        } else if (PyDict_Update(self->base.dict, dict) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
bytesio_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    BytesIO *self = (BytesIO *)op;
    size_t n = (size_t)Py_TYPE(op)->tp_basicsize;
    if (self->buf && !shares(self)) {
        n += sizeof(PyBytesObject) + (size_t)PyBytes_GET_SIZE(self->buf);
    }
    return PyLong_FromSize_t(n);
}

static PyObject *
bytesio_closed_get(PyObject *self, void *Py_UNUSED(c))
{
    return PyBool_FromLong(!((BytesIO *)self)->buf);
}

static PyObject *
bytesio_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwds))
{
    BytesIO *self = (BytesIO *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->buf = PyBytes_FromStringAndSize(NULL, 0);
    if (!self->buf) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static int
bytesio_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"initial_bytes", NULL};
    static const NjParams params = {"BytesIO", names, 1, 0, 0};
    BytesIO *self = (BytesIO *)op;
    PyObject *initial;
    if (nj_args_bind_tuple(&params, args, kwds, &initial) < 0) {
        return -1;
    }
    if (check_exports(self) < 0) {
        return -1;
    }
    self->string_size = 0;
    self->pos = 0;
    if (initial && PyBytes_CheckExact(initial)) {
        Py_XSETREF(self->buf, Py_NewRef(initial));
        self->string_size = PyBytes_GET_SIZE(initial);
        return 0;
    }
    Py_XSETREF(self->buf, PyBytes_FromStringAndSize(NULL, 0));
    if (!self->buf) {
        return -1;
    }
    if (initial && initial != Py_None) {
        if (write_bytes(self, initial) < 0) {
            return -1;
        }
        self->pos = 0;
    }
    return 0;
}

static int
bytesio_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((NjIoBase *)self)->dict);
    Py_VISIT(((BytesIO *)self)->buf);
    return 0;
}

static int
bytesio_clear(PyObject *self)
{
    Py_CLEAR(((NjIoBase *)self)->dict);
    if (((BytesIO *)self)->exports == 0) {
        Py_CLEAR(((BytesIO *)self)->buf);
    }
    return 0;
}

static void
bytesio_dealloc(PyObject *op)
{
    BytesIO *self = (BytesIO *)op;
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (self->exports > 0) {
        PyErr_SetString(PyExc_SystemError, "deallocated BytesIO object has exported buffers");
        PyErr_WriteUnraisable(NULL);
    }
    Py_CLEAR(self->buf);
    Py_CLEAR(self->base.dict);
    if (self->base.weaklist) {
        PyObject_ClearWeakRefs(op);
    }
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyMethodDef bytesio_methods[] = {
    {"readable", bytesio_true, METH_NOARGS, "readable($self, /)\n--\n\nAlways True."},
    {"seekable", bytesio_true, METH_NOARGS, "seekable($self, /)\n--\n\nAlways True."},
    {"writable", bytesio_true, METH_NOARGS, "writable($self, /)\n--\n\nAlways True."},
    {"close", bytesio_close, METH_NOARGS, "close($self, /)\n--\n\nDiscard the content."},
    {"flush", bytesio_flush, METH_NOARGS, "flush($self, /)\n--\n\nDoes nothing."},
    {"isatty", bytesio_isatty, METH_NOARGS, "isatty($self, /)\n--\n\nAlways False."},
    {"tell", bytesio_tell, METH_NOARGS, "tell($self, /)\n--\n\nThe position."},
    {"write", bytesio_write, METH_O,
     "write($self, b, /)\n--\n\nWrite the bytes of b; returns how many."},
    {"writelines", bytesio_writelines, METH_O,
     "writelines($self, lines, /)\n--\n\nWrite every item of lines."},
    {"read1", (PyCFunction)(void (*)(void))bytesio_read1, METH_FASTCALL,
     "read1($self, size=-1, /)\n--\n\nRead up to size bytes."},
    {"readinto", bytesio_readinto, METH_O,
     "readinto($self, buffer, /)\n--\n\nRead into buffer; returns how many bytes."},
    {"readline", (PyCFunction)(void (*)(void))bytesio_readline, METH_FASTCALL,
     "readline($self, size=-1, /)\n--\n\nThe next line, of size bytes at most."},
    {"readlines", (PyCFunction)(void (*)(void))bytesio_readlines, METH_FASTCALL,
     "readlines($self, size=None, /)\n--\n\nA list of lines, about size bytes of them."},
    {"read", (PyCFunction)(void (*)(void))bytesio_read, METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nRead up to size bytes."},
    {"getbuffer", bytesio_getbuffer, METH_NOARGS,
     "getbuffer($self, /)\n--\n\nA read-write view of the content."},
    {"getvalue", bytesio_getvalue, METH_NOARGS,
     "getvalue($self, /)\n--\n\nThe whole content."},
    {"seek", (PyCFunction)(void (*)(void))bytesio_seek, METH_FASTCALL,
     "seek($self, pos, whence=0, /)\n--\n\nMove the position."},
    {"truncate", (PyCFunction)(void (*)(void))bytesio_truncate, METH_FASTCALL,
     "truncate($self, size=None, /)\n--\n\nCut the content to size bytes."},
    {"__getstate__", bytesio_getstate, METH_NOARGS, "__getstate__($self, /)\n--\n\n"},
    {"__setstate__", bytesio_setstate, METH_O, "__setstate__($self, object, /)\n--\n\n"},
    {"__sizeof__", bytesio_sizeof, METH_NOARGS, "__sizeof__($self, /)\n--\n\n"},
    {0},
};

static PyGetSetDef bytesio_getset[] = {
    {"closed", bytesio_closed_get, NULL, "Whether the stream is closed.", NULL},
    {0},
};

static PyMemberDef bytesio_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, weaklist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, dict), Py_READONLY, NULL},
    {0},
};

static PyType_Slot bytesio_slots[] = {
    {Py_tp_dealloc, bytesio_dealloc},
    {Py_tp_doc, "BytesIO(initial_bytes=b'')\n--\n\nA binary stream over a buffer in memory."},
    {Py_tp_traverse, bytesio_traverse},
    {Py_tp_clear, bytesio_clear},
    {Py_tp_iter, bytesio_iter},
    {Py_tp_iternext, bytesio_iternext},
    {Py_tp_methods, bytesio_methods},
    {Py_tp_members, bytesio_members},
    {Py_tp_getset, bytesio_getset},
    {Py_tp_init, bytesio_init},
    {Py_tp_new, bytesio_new},
    {0, NULL},
};

PyType_Spec nj_bytesio_spec = {
    .name = "_io.BytesIO",
    .basicsize = sizeof(BytesIO),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bytesio_slots,
};

/* ---- _BytesIOBuffer ------------------------------------------------------------------ */

static int
bytesiobuf_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    BytesIO *b = ((BytesIOBuffer *)op)->source;
    if (!view) {
        PyErr_SetString(PyExc_BufferError,
                        "bytesiobuf_getbuffer: view==NULL argument is obsolete");
        return -1;
    }
    if (check_open(b) < 0) {
        return -1;
    }
    if (b->exports == 0 && shares(b) && make_private(b, b->string_size) < 0) {
        return -1;
    }
    if (PyBuffer_FillInfo(view, op, PyBytes_AS_STRING(b->buf), b->string_size, 0, flags) <
        0) {
        return -1;
    }
    b->exports++;
    return 0;
}

static void
bytesiobuf_releasebuffer(PyObject *op, Py_buffer *Py_UNUSED(view))
{
    ((BytesIOBuffer *)op)->source->exports--;
}

static int
bytesiobuf_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((BytesIOBuffer *)op)->source);
    return 0;
}

static void
bytesiobuf_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    Py_CLEAR(((BytesIOBuffer *)op)->source);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyType_Slot bytesiobuf_slots[] = {
    {Py_tp_dealloc, bytesiobuf_dealloc},
    {Py_tp_traverse, bytesiobuf_traverse},
    {Py_bf_getbuffer, bytesiobuf_getbuffer},
    {Py_bf_releasebuffer, bytesiobuf_releasebuffer},
    {0, NULL},
};

PyType_Spec nj_bytesiobuf_spec = {
    .name = "_io._BytesIOBuffer",
    .basicsize = sizeof(BytesIOBuffer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = bytesiobuf_slots,
};

/* stringio.c - io.StringIO: a text stream in memory.
 *
 * The content is an array of UCS4 (buf, string_size, buf_size) so that any position can be
 * overwritten. While a stream is only appended to from the start, the text collects in a
 * PyUnicodeWriter instead (writer != NULL); the first other operation turns it into the
 * array.
 * SPDX-License-Identifier: MIT
 */
#include "modules/io/io_int.h"

#include <stddef.h>

typedef struct StringIO {
    NjIoBase base;
    Py_UCS4 *buf;
    Py_ssize_t pos, string_size, buf_size;
    PyUnicodeWriter *writer; /* pending appended text, or NULL */
    Py_ssize_t writer_size;  /* characters in writer */
    bool ok, closed;
    bool readuniversal, readtranslate;
    PyObject *decoder; /* IncrementalNewlineDecoder or NULL */
    PyObject *readnl;
    PyObject *writenl;
} StringIO;

static int
check_ready(StringIO *self)
{
    if (!self->ok) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on uninitialized object");
        return -1;
    }
    if (self->closed) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
        return -1;
    }
    return 0;
}

static int
resize_buffer(StringIO *self, Py_ssize_t size)
{
    Py_ssize_t room = self->buf_size;
    if (size + 1 < room / 2) {
        room = size + 1;
    } else if (size + 1 <= room) {
        return 0;
    } else {
        room = size + 1 + (size >> 3) + 6;
    }
    if (size > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(Py_UCS4) / 2) {
        PyErr_SetString(PyExc_OverflowError, "new buffer size too large");
        return -1;
    }
    Py_UCS4 *p = PyMem_Realloc(self->buf, (size_t)room * sizeof(Py_UCS4));
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    self->buf = p;
    self->buf_size = room;
    return 0;
}

/* Leaves the append-only state. */
static int
realize(StringIO *self)
{
    if (!self->writer) {
        return 0;
    }
    PyUnicodeWriter *w = self->writer;
    self->writer = NULL;
    self->writer_size = 0;
    NJ_OWN text = PyUnicodeWriter_Finish(w);
    if (!text) {
        return -1;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (resize_buffer(self, n) < 0 || !PyUnicode_AsUCS4(text, self->buf, n + 1, 1)) {
        return -1;
    }
    self->string_size = n;
    return 0;
}

static int
write_text(StringIO *self, PyObject *obj)
{
    NJ_OWN decoded = self->decoder ? nj_nldecoder_decode(self->decoder, obj, 1)
                                   : Py_NewRef(obj);
    if (!decoded) {
        return -1;
    }
    NJ_OWN text = NULL;
    if (self->writenl) {
        NJ_OWN nl = PyUnicode_FromOrdinal('\n');
        text = nl ? PyUnicode_Replace(decoded, nl, self->writenl, -1) : NULL;
    } else {
        text = NJ_TAKE(decoded);
    }
    if (!text) {
        return -1;
    }
    Py_ssize_t len = PyUnicode_GET_LENGTH(text);
    if (len == 0) {
        return 0;
    }
    if (self->pos > PY_SSIZE_T_MAX - len) {
        PyErr_SetString(PyExc_OverflowError, "new position too large");
        return -1;
    }
    if (self->writer) {
        if (self->pos == self->writer_size) {
            /* not WriteStr: of a subclass it would take the __str__ */
            if (PyUnicodeWriter_WriteSubstring(self->writer, text, 0, len) < 0) {
                return -1;
            }
            self->writer_size = self->string_size = self->pos += len;
            return 0;
        }
        if (realize(self) < 0) {
            return -1;
        }
    }
    Py_ssize_t end = self->pos + len;
    if (end > self->string_size && resize_buffer(self, end) < 0) {
        return -1;
    }
    if (self->pos > self->string_size) {
        memset(self->buf + self->string_size, 0,
               (size_t)(self->pos - self->string_size) * sizeof(Py_UCS4));
    }
    if (!PyUnicode_AsUCS4(text, self->buf + self->pos, self->buf_size - self->pos, 0)) {
        return -1;
    }
    self->pos = end;
    if (self->string_size < end) {
        self->string_size = end;
    }
    return 0;
}

static PyObject *
slice(StringIO *self, Py_ssize_t from, Py_ssize_t n)
{
    return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, self->buf + from, n);
}

static PyObject *
stringio_getvalue(PyObject *op, PyObject *Py_UNUSED(i))
{
    StringIO *self = (StringIO *)op;
    if (check_ready(self) < 0 || realize(self) < 0) {
        return NULL;
    }
    return slice(self, 0, self->string_size);
}

static PyObject *
stringio_tell(PyObject *op, PyObject *Py_UNUSED(i))
{
    return check_ready((StringIO *)op) < 0 ? NULL
                                           : PyLong_FromSsize_t(((StringIO *)op)->pos);
}

static PyObject *
stringio_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    StringIO *self = (StringIO *)op;
    Py_ssize_t size;
    if (!_PyArg_CheckPositional("read", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &size) < 0 || check_ready(self) < 0 ||
        realize(self) < 0) {
        return NULL;
    }
    Py_ssize_t left = self->string_size > self->pos ? self->string_size - self->pos : 0;
    if (size < 0 || size > left) {
        size = left;
    }
    if (size == 0) {
        return PyUnicode_FromStringAndSize(NULL, 0);
    }
    PyObject *s = slice(self, self->pos, size);
    self->pos += size;
    return s;
}

static PyObject *
take_line(StringIO *self, Py_ssize_t limit)
{
    if (self->pos >= self->string_size) {
        return PyUnicode_FromStringAndSize(NULL, 0);
    }
    Py_UCS4 *start = self->buf + self->pos;
    Py_ssize_t n = self->string_size - self->pos;
    if (limit >= 0 && limit < n) {
        n = limit;
    }
    /* the scan needs a terminator after the last character */
    Py_UCS4 saved = start[n];
    start[n] = 0;
    Py_ssize_t consumed;
    Py_ssize_t len = nj_io_find_line_ending(
        self->readtranslate, self->readuniversal, self->readnl, PyUnicode_4BYTE_KIND,
        (const char *)start, (const char *)(start + n), &consumed);
    start[n] = saved;
    if (len < 0) {
        len = n;
    }
    PyObject *s = slice(self, self->pos, len);
    self->pos += len;
    return s;
}

static PyObject *
stringio_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    StringIO *self = (StringIO *)op;
    Py_ssize_t size;
    if (!_PyArg_CheckPositional("readline", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &size) < 0 || check_ready(self) < 0 ||
        realize(self) < 0) {
        return NULL;
    }
    return take_line(self, size);
}

static PyObject *
stringio_iternext(PyObject *op)
{
    StringIO *self = (StringIO *)op;
    if (check_ready(self) < 0 || realize(self) < 0) {
        return NULL;
    }
    NjIoState *st = nj_io_state_of(op);
    if (!st) {
        return NULL;
    }
    NJ_OWN line = NULL;
    if (Py_IS_TYPE(op, st->stringio)) {
        line = take_line(self, -1);
    } else {
        line = PyObject_CallMethodNoArgs(op, NJ_ID(readline));
        if (line && !PyUnicode_Check(line)) {
            PyErr_Format(PyExc_OSError,
                         "readline() should have returned a str object, not '%.200s'",
                         Py_TYPE(line)->tp_name);
            return NULL;
        }
    }
    if (!line || PyUnicode_GET_LENGTH(line) == 0) {
        return NULL;
    }
    return NJ_TAKE(line);
}

static PyObject *
stringio_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    StringIO *self = (StringIO *)op;
    if (!_PyArg_CheckPositional("truncate", nargs, 0, 1)) {
        return NULL;
    }
    Py_ssize_t size = self->pos;
    if (nargs && args[0] != Py_None && nj_io_size(args[0], &size) < 0) {
        return NULL;
    }
    if (check_ready(self) < 0) {
        return NULL;
    }
    if (size < 0) {
        PyErr_Format(PyExc_ValueError, "Negative size value %zd", size);
        return NULL;
    }
    if (realize(self) < 0) {
        return NULL;
    }
    if (size < self->string_size) {
        if (resize_buffer(self, size) < 0) {
            return NULL;
        }
        self->string_size = size;
    }
    return PyLong_FromSsize_t(size);
}

static PyObject *
stringio_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    StringIO *self = (StringIO *)op;
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
    if (check_ready(self) < 0) {
        return NULL;
    }
    if (whence < 0 || whence > 2) {
        PyErr_Format(PyExc_ValueError, "Invalid whence (%i, should be 0, 1 or 2)", whence);
        return NULL;
    }
    if (pos < 0 && whence == 0) {
        PyErr_Format(PyExc_ValueError, "Negative seek position %zd", pos);
        return NULL;
    }
    if (whence != 0 && pos != 0) {
        PyErr_SetString(PyExc_OSError, "Can't do nonzero cur-relative seeks");
        return NULL;
    }
    self->pos = whence == 0 ? pos : whence == 1 ? self->pos : self->string_size;
    return PyLong_FromSsize_t(self->pos);
}

static PyObject *
stringio_write(PyObject *op, PyObject *text)
{
    StringIO *self = (StringIO *)op;
    if (!self->ok) {
        check_ready(self);
        return NULL;
    }
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "string argument expected, got '%s'",
                     Py_TYPE(text)->tp_name);
        return NULL;
    }
    if (check_ready(self) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (n > 0 && write_text(self, text) < 0) {
        return NULL;
    }
    return PyLong_FromSsize_t(n);
}

static void
drop_content(StringIO *self)
{
    if (self->writer) {
        PyUnicodeWriter_Discard(self->writer);
        self->writer = NULL;
        self->writer_size = 0;
    }
}

static PyObject *
stringio_close(PyObject *op, PyObject *Py_UNUSED(i))
{
    StringIO *self = (StringIO *)op;
    self->closed = true;
    drop_content(self);
    if (resize_buffer(self, 0) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
stringio_new(PyTypeObject *type, PyObject *Py_UNUSED(a), PyObject *Py_UNUSED(k))
{
    StringIO *self = (StringIO *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->buf = PyMem_Malloc(sizeof(Py_UCS4));
    self->buf_size = 1;
    if (!self->buf) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static int
set_up(StringIO *self, PyObject *value, PyObject *newline)
{
    if (newline && newline != Py_None && !PyUnicode_Check(newline)) {
        PyErr_Format(PyExc_TypeError, "newline must be str or None, not %.200s",
                     Py_TYPE(newline)->tp_name);
        return -1;
    }
    const char *nl = "\n";
    if (newline) {
        nl = newline == Py_None ? NULL : PyUnicode_AsUTF8(newline);
        if (!nl && newline != Py_None) {
            return -1;
        }
    }
    if (nl && nl[0] && !(nl[0] == '\n' && !nl[1]) && !(nl[0] == '\r' && !nl[1]) &&
        !(nl[0] == '\r' && nl[1] == '\n' && !nl[2])) {
        PyErr_Format(PyExc_ValueError, "illegal newline value: %R", newline);
        return -1;
    }
    if (value && value != Py_None && !PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "initial_value must be str or None, not %.200s",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    self->ok = false;
    drop_content(self);
    Py_CLEAR(self->readnl);
    Py_CLEAR(self->writenl);
    Py_CLEAR(self->decoder);
    if (nl) {
        self->readnl = PyUnicode_FromString(nl);
        if (!self->readnl) {
            return -1;
        }
    }
    self->readuniversal = !nl || !nl[0];
    self->readtranslate = !nl;
    if (nl && nl[0] == '\r') {
        self->writenl = Py_NewRef(self->readnl);
    }
    if (self->readuniversal) {
        NjIoState *st = nj_io_state_of((PyObject *)self);
        self->decoder = st ? PyObject_CallFunctionObjArgs(
                                 (PyObject *)st->nldecoder, Py_None,
                                 self->readtranslate ? Py_True : Py_False, NULL)
                           : NULL;
        if (!self->decoder) {
            return -1;
        }
    }
    self->string_size = 0;
    self->pos = 0;
    if (value && value != Py_None && PyUnicode_GET_LENGTH(value) > 0) {
        if (resize_buffer(self, 0) < 0) {
            return -1;
        }
        if (write_text(self, value) < 0) {
            return -1;
        }
    } else {
        if (resize_buffer(self, 0) < 0) {
            return -1;
        }
        self->writer = PyUnicodeWriter_Create(0);
        self->writer_size = 0;
        if (!self->writer) {
            return -1;
        }
    }
    self->pos = 0;
    self->closed = false;
    self->ok = true;
    return 0;
}

static int
stringio_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"initial_value", "newline", NULL};
    static const NjParams params = {"StringIO", names, 2, 0, 0};
    PyObject *a[2];
    if (nj_args_bind_tuple(&params, args, kwds, a) < 0) {
        return -1;
    }
    return set_up((StringIO *)op, a[0], a[1]);
}

static PyObject *
stringio_true(PyObject *op, PyObject *Py_UNUSED(i))
{
    return check_ready((StringIO *)op) < 0 ? NULL : Py_NewRef(Py_True);
}

static PyObject *
stringio_getstate(PyObject *op, PyObject *Py_UNUSED(i))
{
    StringIO *self = (StringIO *)op;
    NJ_OWN value = stringio_getvalue(op, NULL);
    if (!value) {
        return NULL;
    }
    NJ_OWN dict = self->base.dict ? PyDict_Copy(self->base.dict) : Py_NewRef(Py_None);
    return dict ? Py_BuildValue("(OOnO)", value, self->readnl ? self->readnl : Py_None,
                                self->pos, dict)
                : NULL;
}

static PyObject *
stringio_setstate(PyObject *op, PyObject *state)
{
    StringIO *self = (StringIO *)op;
    if (!PyTuple_Check(state) || PyTuple_GET_SIZE(state) < 4) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__setstate__ argument should be 4-tuple, got %.200s",
                     Py_TYPE(op)->tp_name, Py_TYPE(state)->tp_name);
        return NULL;
    }
    if (self->closed && check_ready(self) < 0) {
        return NULL;
    }
    PyObject *value = PyTuple_GET_ITEM(state, 0), *newline = PyTuple_GET_ITEM(state, 1);
    if (set_up(self, NULL, newline) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(value) && value != Py_None) {
        PyErr_Format(PyExc_TypeError, "initial_value must be str or None, not %.200s",
                     Py_TYPE(value)->tp_name);
        return NULL;
    }
    /* the value is taken as it is: it was translated when first written */
    drop_content(self);
    if (value != Py_None) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(value);
        if (resize_buffer(self, n) < 0 || !PyUnicode_AsUCS4(value, self->buf, n + 1, 1)) {
            return NULL;
        }
        self->string_size = n;
    }
    PyObject *posobj = PyTuple_GET_ITEM(state, 2), *dict = PyTuple_GET_ITEM(state, 3);
    if (!PyLong_Check(posobj)) {
        PyErr_Format(PyExc_TypeError, "third item of state must be an integer, got %.200s",
                     Py_TYPE(posobj)->tp_name);
        return NULL;
    }
    Py_ssize_t pos = PyLong_AsSsize_t(posobj);
    if (pos == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (pos < 0) {
        PyErr_SetString(PyExc_ValueError, "position value cannot be negative");
        return NULL;
    }
    self->pos = pos;
    if (dict != Py_None) {
        if (!PyDict_Check(dict)) {
            PyErr_Format(PyExc_TypeError,
                         "fourth item of state should be a dict, got a %.200s",
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
stringio_closed_get(PyObject *op, void *Py_UNUSED(c))
{
    StringIO *self = (StringIO *)op;
    if (!self->ok) {
        check_ready(self);
        return NULL;
    }
    return PyBool_FromLong(self->closed);
}

static PyObject *
stringio_line_buffering_get(PyObject *op, void *Py_UNUSED(c))
{
    return check_ready((StringIO *)op) < 0 ? NULL : Py_NewRef(Py_False);
}

static PyObject *
stringio_newlines_get(PyObject *op, void *Py_UNUSED(c))
{
    StringIO *self = (StringIO *)op;
    if (check_ready(self) < 0) {
        return NULL;
    }
    return self->decoder ? PyObject_GetAttr(self->decoder, NJ_ID(newlines))
                         : Py_NewRef(Py_None);
}

static int
stringio_traverse(PyObject *op, visitproc visit, void *arg)
{
    StringIO *self = (StringIO *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->readnl);
    Py_VISIT(self->writenl);
    Py_VISIT(self->decoder);
    Py_VISIT(self->base.dict);
    return 0;
}

static int
stringio_clear(PyObject *op)
{
    StringIO *self = (StringIO *)op;
    Py_CLEAR(self->readnl);
    Py_CLEAR(self->writenl);
    Py_CLEAR(self->decoder);
    Py_CLEAR(self->base.dict);
    return 0;
}

static void
stringio_dealloc(PyObject *op)
{
    StringIO *self = (StringIO *)op;
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    self->ok = false;
    PyMem_Free(self->buf);
    self->buf = NULL;
    drop_content(self);
    stringio_clear(op);
    if (self->base.weaklist) {
        PyObject_ClearWeakRefs(op);
    }
    tp->tp_free(op);
    Py_DECREF(tp);
}

#define FAST(f) (PyCFunction)(void (*)(void))(f)

static PyMethodDef stringio_methods[] = {
    {"close", stringio_close, METH_NOARGS, "close($self, /)\n--\n\nDiscard the content."},
    {"getvalue", stringio_getvalue, METH_NOARGS,
     "getvalue($self, /)\n--\n\nThe whole content."},
    {"read", FAST(stringio_read), METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nRead up to size characters."},
    {"readline", FAST(stringio_readline), METH_FASTCALL,
     "readline($self, size=-1, /)\n--\n\nThe next line."},
    {"tell", stringio_tell, METH_NOARGS, "tell($self, /)\n--\n\nThe position."},
    {"truncate", FAST(stringio_truncate), METH_FASTCALL,
     "truncate($self, pos=None, /)\n--\n\nCut the content to pos characters."},
    {"seek", FAST(stringio_seek), METH_FASTCALL,
     "seek($self, pos, whence=0, /)\n--\n\nMove the position."},
    {"write", stringio_write, METH_O,
     "write($self, s, /)\n--\n\nWrite s; returns its length."},
    {"seekable", stringio_true, METH_NOARGS, "seekable($self, /)\n--\n\nAlways True."},
    {"readable", stringio_true, METH_NOARGS, "readable($self, /)\n--\n\nAlways True."},
    {"writable", stringio_true, METH_NOARGS, "writable($self, /)\n--\n\nAlways True."},
    {"__getstate__", stringio_getstate, METH_NOARGS, "__getstate__($self, /)\n--\n\n"},
    {"__setstate__", stringio_setstate, METH_O, "__setstate__($self, state, /)\n--\n\n"},
    {0},
};

static PyGetSetDef stringio_getset[] = {
    {"closed", stringio_closed_get, NULL, NULL, NULL},
    {"newlines", stringio_newlines_get, NULL, NULL, NULL},
    {"line_buffering", stringio_line_buffering_get, NULL, NULL, NULL},
    {0},
};

static PyMemberDef stringio_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, weaklist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, dict), Py_READONLY, NULL},
    {0},
};

static PyType_Slot stringio_slots[] = {
    {Py_tp_dealloc, stringio_dealloc},
    {Py_tp_doc, "StringIO(initial_value='', newline='\\n')\n--\n\nA text stream in memory."},
    {Py_tp_traverse, stringio_traverse},
    {Py_tp_clear, stringio_clear},
    {Py_tp_iternext, stringio_iternext},
    {Py_tp_methods, stringio_methods},
    {Py_tp_members, stringio_members},
    {Py_tp_getset, stringio_getset},
    {Py_tp_init, stringio_init},
    {Py_tp_new, stringio_new},
    {0, NULL},
};

PyType_Spec nj_stringio_spec = {
    .name = "_io.StringIO",
    .basicsize = sizeof(StringIO),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = stringio_slots,
};

/* iobase.c - the abstract classes of _io: _IOBase, _RawIOBase, _BufferedIOBase, _TextIOBase.
 *
 * They are mixins over the methods a concrete class provides (the specification is
 * Lib/_pyio.py): everything here goes through attribute access on self, because any method
 * may be overridden in Python. Closed-ness of a plain _IOBase lives in the instance
 * dictionary as __IOBase_closed.
 * SPDX-License-Identifier: MIT
 */
#include "modules/io/io_int.h"

#include <stddef.h>

#define CLOSED_KEY NJ_ID(__IOBase_closed)

PyObject *
nj_io_unsupported(NjIoState *st, const char *message)
{
    PyErr_SetString(st->unsupported, message);
    return NULL;
}

/* What a concrete class has to provide, one method for each name: arguments are checked, then
 * UnsupportedOperation names the method. They take their class (METH_METHOD), whose module
 * has the exception. kinds: a letter for each argument, o any, i int, s str. */
static PyObject *
refuse(PyTypeObject *cls, const NjParams *params, const char *kinds,
       PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *bound[2] = {NULL};
    if (params->npos == 0) {
        if (nargs || (kwnames && PyTuple_GET_SIZE(kwnames))) {
            PyErr_Format(PyExc_TypeError, "%s() takes no arguments", params->fname);
            return NULL;
        }
    }
    else if (nj_args_bind(params, args, nargs, kwnames, bound) < 0) {
        return NULL;
    }
    for (int i = 0; kinds[i]; i++) {
        if (kinds[i] == 'i' && bound[i]) {
            int n = PyLong_AsInt(bound[i]);
            if (n == -1 && PyErr_Occurred()) {
                return NULL;
            }
        }
        if (kinds[i] == 's' && !PyUnicode_Check(bound[i])) {
            _PyArg_BadArgument(params->fname, "argument 1", "str", bound[i]);
            return NULL;
        }
    }
    NjIoState *st = PyType_GetModuleState(cls);
    return st ? nj_io_unsupported(st, params->fname) : NULL;
}
#define REFUSE(cname, text, nreq, kinds)                                               \
    static PyObject *cname(PyObject *Py_UNUSED(self), PyTypeObject *cls,               \
                           PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) \
    {                                                                                  \
        static const char *const names[] = {"", "", NULL};                             \
        static const NjParams params = {text, names + 2 - (sizeof(kinds) - 1),         \
                                        sizeof(kinds) - 1, nreq, 0};                   \
        return refuse(cls, &params, kinds, args, nargs, kwnames);                      \
    }
REFUSE(iobase_seek, "seek", 1, "ii")
REFUSE(iobase_truncate, "truncate", 0, "o")
REFUSE(iobase_fileno, "fileno", 0, "")
REFUSE(base_detach, "detach", 0, "")
REFUSE(base_read, "read", 0, "i")
REFUSE(base_read1, "read1", 0, "i")
REFUSE(base_write, "write", 1, "o")
REFUSE(text_readline, "readline", 0, "i")
REFUSE(text_write, "write", 1, "s")
#define REFUSAL(f)                                                                     \
    (PyCFunction)(void (*)(void))f, METH_METHOD | METH_FASTCALL | METH_KEYWORDS

/* 1/0/-1: truth of self.closed. */
static int
is_closed(PyObject *self)
{
    NJ_OWN v = NULL;
    int r = PyObject_GetOptionalAttr(self, NJ_ID(closed), &v);
    return r <= 0 ? r : PyObject_IsTrue(v);
}

int
nj_io_check_closed(PyObject *self)
{
    int closed = is_closed(self);
    if (closed > 0) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    }
    return closed ? -1 : 0;
}

int
nj_io_check_able(NjIoState *st, PyObject *self, PyObject *method, const char *message)
{
    NJ_OWN v = PyObject_CallMethodNoArgs(self, method);
    if (!v) {
        return -1;
    }
    if (v != Py_True) {
        nj_io_unsupported(st, message);
        return -1;
    }
    return 0;
}

int
nj_io_size(PyObject *arg, Py_ssize_t *out)
{
    if (!arg || arg == Py_None) {
        *out = -1;
        return 0;
    }
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "argument should be integer or None, not '%.200s'",
                     Py_TYPE(arg)->tp_name);
        return -1;
    }
    *out = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

int
nj_io_size_converter(PyObject *arg, void *out)
{
    return nj_io_size(arg, out) == 0;
}

int
nj_io_interrupted(void)
{
    if (!PyErr_ExceptionMatches(PyExc_OSError)) {
        return 0;
    }
    NJ_OWN exc = PyErr_GetRaisedException();
    PyObject *no = ((PyOSErrorObject *)exc)->myerrno;
    if (no && PyLong_Check(no)) {
        int overflow;
        long v = PyLong_AsLongAndOverflow(no, &overflow);
        if (v == EINTR && !overflow) {
            return PyErr_CheckSignals() < 0 ? -1 : 1;
        }
    }
    PyErr_SetRaisedException(NJ_TAKE(exc));
    return 0;
}

PyObject *
nj_io_repr_named(PyObject *self, const char *Py_UNUSED(module_name))
{
    NJ_OWN name = NULL;
    if (PyObject_GetOptionalAttr(self, NJ_ID(name), &name) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) {
            return NULL;
        }
        PyErr_Clear();
    }
    if (!name) {
        return PyUnicode_FromFormat("<%s>", Py_TYPE(self)->tp_name);
    }
    int r = Py_ReprEnter(self);
    if (r != 0) {
        if (r > 0) {
            PyErr_Format(PyExc_RuntimeError, "reentrant call inside %s.__repr__",
                         Py_TYPE(self)->tp_name);
        }
        return NULL;
    }
    PyObject *s = PyUnicode_FromFormat("<%s name=%R>", Py_TYPE(self)->tp_name, name);
    Py_ReprLeave(self);
    return s;
}

off_t
nj_io_as_offset(PyObject *o, PyObject *exc)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return -1;
    }
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (overflow) {
        if (exc) {
            PyErr_Format(exc, "cannot fit '%.200s' into an offset-sized integer",
                         Py_TYPE(o)->tp_name);
            return -1;
        }
        return overflow > 0 ? INT64_MAX : INT64_MIN;
    }
    return v;
}

/* ---- _IOBase ---------------------------------------------------------------------- */

static PyObject *
iobase_tell(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return PyObject_CallMethod(self, "seek", "ii", 0, 1);
}

static int
has_closed_key(PyObject *self)
{
    NJ_OWN v = NULL;
    return PyObject_GetOptionalAttr(self, CLOSED_KEY, &v);
}

static PyObject *
iobase_flush(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int closed = has_closed_key(self);
    if (closed > 0) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on closed file.");
    }
    return closed ? NULL : Py_NewRef(Py_None);
}

static PyObject *
iobase_closed_get(PyObject *self, void *Py_UNUSED(closure))
{
    int closed = has_closed_key(self);
    return closed < 0 ? NULL : PyBool_FromLong(closed);
}

static PyObject *
iobase_close(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int closed = has_closed_key(self);
    if (closed) {
        return closed < 0 ? NULL : Py_NewRef(Py_None);
    }
    NJ_OWN r = PyObject_CallMethodNoArgs(self, NJ_ID(flush));
    NJ_OWN exc = PyErr_GetRaisedException();
    int rc = PyObject_SetAttr(self, CLOSED_KEY, Py_True);
    if (exc) {
        if (rc < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(NJ_TAKE(exc));
        return NULL;
    }
    return rc < 0 ? NULL : Py_NewRef(Py_None);
}

void
nj_io_finalize(PyObject *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    /* without closed, as in a half-made object, there is nothing to close */
    NJ_OWN state = PyObject_GetAttr(self, NJ_ID(closed));
    int closed = state ? PyObject_IsTrue(state) : -1;
    if (closed < 0) {
        PyErr_Clear();
    }
    if (closed == 0) {
        /* tells close() that it runs from a finalizer: errors go to the unraisable hook */
        if (PyObject_SetAttr(self, NJ_ID(_finalizing), Py_True) < 0) {
            PyErr_Clear();
        }
        NJ_OWN r = PyObject_CallMethodNoArgs(self, NJ_ID(close));
        if (!r) {
            PyErr_FormatUnraisable("Exception ignored while finalizing file %R", self);
        }
    }
    PyErr_SetRaisedException(exc);
}

static int
iobase_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((NjIoBase *)self)->dict);
    return 0;
}

static int
iobase_clear(PyObject *self)
{
    Py_CLEAR(((NjIoBase *)self)->dict);
    return 0;
}

static void
iobase_dealloc(PyObject *self)
{
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return; /* resurrected */
    }
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((NjIoBase *)self)->weaklist) {
        PyObject_ClearWeakRefs(self);
    }
    Py_CLEAR(((NjIoBase *)self)->dict);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
iobase_answer_false(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    Py_RETURN_FALSE;
}

static PyObject *
iobase_isatty(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    if (nj_io_check_closed(self) < 0) {
        return NULL;
    }
    Py_RETURN_FALSE;
}

static PyObject *
iobase_check_closed(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return nj_io_check_closed(self) < 0 ? NULL : Py_NewRef(Py_None);
}

#define CHECK_METHOD(cname, method, message)                                           \
    static PyObject *cname(PyObject *self, PyObject *Py_UNUSED(ignored))               \
    {                                                                                  \
        NjIoState *st = nj_io_state_of(self);                                          \
        if (!st || nj_io_check_able(st, self, NJ_ID(method), message) < 0) {           \
            return NULL;                                                               \
        }                                                                              \
        return Py_NewRef(Py_True);                                                     \
    }
CHECK_METHOD(iobase_check_seekable, seekable, "File or stream is not seekable.")
CHECK_METHOD(iobase_check_readable, readable, "File or stream is not readable.")
CHECK_METHOD(iobase_check_writable, writable, "File or stream is not writable.")

static PyObject *
iobase_enter(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    return nj_io_check_closed(self) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
iobase_exit(PyObject *self, PyObject *Py_UNUSED(args))
{
    return PyObject_CallMethodNoArgs(self, NJ_ID(close));
}

/* How many bytes the next read may take without passing a newline: peek() if there is
 * one, else 1. -1 on error. */
static Py_ssize_t
bytes_to_newline(PyObject *self, PyObject *peek, Py_ssize_t limit, Py_ssize_t have)
{
    for (;;) {
        NJ_OWN ahead = PyObject_CallFunction(peek, "i", 1);
        if (!ahead) {
            int again = nj_io_interrupted();
            if (again > 0) {
                continue;
            }
            return -1;
        }
        if (!PyBytes_Check(ahead)) {
            PyErr_Format(PyExc_OSError, "peek() should have returned a bytes object, not '%.200s'",
                         Py_TYPE(ahead)->tp_name);
            return -1;
        }
        Py_ssize_t n = PyBytes_GET_SIZE(ahead);
        if (n == 0) {
            return 1;
        }
        if (limit >= 0 && n > limit - have) {
            n = limit - have;
        }
        const char *s = PyBytes_AS_STRING(ahead);
        const char *nl = memchr(s, '\n', (size_t)n);
        return nl ? nl - s + 1 : n;
    }
}

static PyObject *
iobase_readline_upto(PyObject *self, Py_ssize_t limit)
{
    NJ_OWN peek = NULL;
    if (PyObject_GetOptionalAttr(self, NJ_ID(peek), &peek) < 0) {
        return NULL;
    }
    NJ_OWN buffer = PyByteArray_FromStringAndSize(NULL, 0);
    if (!buffer) {
        return NULL;
    }
    while (limit < 0 || PyByteArray_GET_SIZE(buffer) < limit) {
        Py_ssize_t want = 1;
        if (peek) {
            want = bytes_to_newline(self, peek, limit, PyByteArray_GET_SIZE(buffer));
            if (want < 0) {
                return NULL;
            }
        }
        NJ_OWN b = PyObject_CallMethod(self, "read", "n", want);
        if (!b) {
            if (nj_io_interrupted() > 0) {
                continue;
            }
            return NULL;
        }
        if (!PyBytes_Check(b)) {
            PyErr_Format(PyExc_OSError, "read() should have returned a bytes object, not '%.200s'",
                         Py_TYPE(b)->tp_name);
            return NULL;
        }
        Py_ssize_t n = PyBytes_GET_SIZE(b), old = PyByteArray_GET_SIZE(buffer);
        if (n == 0) {
            break;
        }
        if (PyByteArray_Resize(buffer, old + n) < 0) {
            return NULL;
        }
        memcpy(PyByteArray_AS_STRING(buffer) + old, PyBytes_AS_STRING(b), (size_t)n);
        if (PyBytes_AS_STRING(b)[n - 1] == '\n') {
            break;
        }
    }
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buffer),
                                     PyByteArray_GET_SIZE(buffer));
}

static PyObject *
iobase_readline(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t limit;
    if (!_PyArg_CheckPositional("readline", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &limit) < 0) {
        return NULL;
    }
    return iobase_readline_upto(self, limit);
}

static PyObject *
iobase_iter(PyObject *self)
{
    return nj_io_check_closed(self) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
iobase_iternext(PyObject *self)
{
    NJ_OWN line = PyObject_CallMethodNoArgs(self, NJ_ID(readline));
    if (!line) {
        return NULL;
    }
    Py_ssize_t n = PyObject_Size(line);
    return n <= 0 ? NULL : NJ_TAKE(line);
}

static PyObject *
iobase_readlines(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t hint, length = 0;
    if (!_PyArg_CheckPositional("readlines", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &hint) < 0) {
        return NULL;
    }
    NJ_OWN lines = PyList_New(0);
    NJ_OWN it = lines ? PyObject_GetIter(self) : NULL;
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN line = PyIter_Next(it);
        if (!line) {
            return PyErr_Occurred() ? NULL : NJ_TAKE(lines);
        }
        if (PyList_Append(lines, line) < 0) {
            return NULL;
        }
        if (hint > 0) {
            Py_ssize_t n = PyObject_Size(line);
            if (n < 0) {
                return NULL;
            }
            if (n > hint - length) {
                return NJ_TAKE(lines);
            }
            length += n;
        }
    }
}

static PyObject *
iobase_writelines(PyObject *self, PyObject *lines)
{
    if (nj_io_check_closed(self) < 0) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(lines);
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN line = PyIter_Next(it);
        if (!line) {
            return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
        }
        for (;;) {
            NJ_OWN r = PyObject_CallMethodOneArg(self, NJ_ID(write), line);
            if (r) {
                break;
            }
            if (nj_io_interrupted() <= 0) {
                return NULL;
            }
        }
    }
}

static PyMethodDef iobase_methods[] = {
    {"seek", REFUSAL(iobase_seek),
     "seek($self, offset, whence=os.SEEK_SET, /)\n--\n\nMove the stream position."},
    {"tell", iobase_tell, METH_NOARGS, "tell($self, /)\n--\n\nThe stream position."},
    {"truncate", REFUSAL(iobase_truncate),
     "truncate($self, size=None, /)\n--\n\nCut or extend the stream to size bytes."},
    {"flush", iobase_flush, METH_NOARGS, "flush($self, /)\n--\n\nWrite out buffered data."},
    {"close", iobase_close, METH_NOARGS, "close($self, /)\n--\n\nFlush and close."},
    {"seekable", iobase_answer_false, METH_NOARGS,
     "seekable($self, /)\n--\n\nWhether random access is possible."},
    {"readable", iobase_answer_false, METH_NOARGS,
     "readable($self, /)\n--\n\nWhether reading is possible."},
    {"writable", iobase_answer_false, METH_NOARGS,
     "writable($self, /)\n--\n\nWhether writing is possible."},
    {"_checkClosed", iobase_check_closed, METH_NOARGS, "_checkClosed($self, /)\n--\n\n"},
    {"_checkSeekable", iobase_check_seekable, METH_NOARGS, "_checkSeekable($self, /)\n--\n\n"},
    {"_checkReadable", iobase_check_readable, METH_NOARGS, "_checkReadable($self, /)\n--\n\n"},
    {"_checkWritable", iobase_check_writable, METH_NOARGS, "_checkWritable($self, /)\n--\n\n"},
    {"fileno", REFUSAL(iobase_fileno),
     "fileno($self, /)\n--\n\nThe file descriptor."},
    {"isatty", iobase_isatty, METH_NOARGS,
     "isatty($self, /)\n--\n\nWhether the stream is a terminal."},
    {"__enter__", iobase_enter, METH_NOARGS, "__enter__($self, /)\n--\n\n"},
    {"__exit__", iobase_exit, METH_VARARGS, NULL},
    {"readline", (PyCFunction)(void (*)(void))iobase_readline, METH_FASTCALL,
     "readline($self, size=-1, /)\n--\n\nRead one line, of size bytes at most."},
    {"readlines", (PyCFunction)(void (*)(void))iobase_readlines, METH_FASTCALL,
     "readlines($self, hint=-1, /)\n--\n\nA list of lines, about hint bytes of them."},
    {"writelines", iobase_writelines, METH_O,
     "writelines($self, lines, /)\n--\n\nWrite every line; no separators are added."},
    {0},
};

static PyGetSetDef iobase_getset[] = {
    {"__dict__", PyObject_GenericGetDict, NULL, NULL, NULL},
    {"closed", iobase_closed_get, NULL, NULL, NULL},
    {0},
};

static PyMemberDef iobase_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, weaklist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, dict), Py_READONLY, NULL},
    {0},
};

static PyType_Slot iobase_slots[] = {
    {Py_tp_dealloc, iobase_dealloc},
    {Py_tp_doc, "The abstract base class for all I/O classes."},
    {Py_tp_traverse, iobase_traverse},
    {Py_tp_clear, iobase_clear},
    {Py_tp_iter, iobase_iter},
    {Py_tp_iternext, iobase_iternext},
    {Py_tp_methods, iobase_methods},
    {Py_tp_members, iobase_members},
    {Py_tp_getset, iobase_getset},
    {Py_tp_finalize, nj_io_finalize},
    {0, NULL},
};

PyType_Spec nj_iobase_spec = {
    .name = "_io._IOBase",
    .basicsize = sizeof(NjIoBase),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = iobase_slots,
};

/* ---- _RawIOBase --------------------------------------------------------------------- */

static PyObject *
rawiobase_read(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("read", nargs, 0, 1)) {
        return NULL;
    }
    Py_ssize_t n = -1;
    if (nargs) {
        n = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (n < 0) {
        return PyObject_CallMethodNoArgs(self, NJ_ID(readall));
    }
    NJ_OWN buf = PyByteArray_FromStringAndSize(NULL, n);
    if (!buf) {
        return NULL;
    }
    NJ_OWN res = PyObject_CallMethodOneArg(self, NJ_ID(readinto), buf);
    if (!res || res == Py_None) {
        return NJ_TAKE(res);
    }
    Py_ssize_t got = PyNumber_AsSsize_t(res, PyExc_ValueError);
    if (got == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (got < 0 || got > PyByteArray_GET_SIZE(buf)) {
        PyErr_Format(PyExc_ValueError,
                     "readinto returned %zd outside buffer size %zd", got,
                     PyByteArray_GET_SIZE(buf));
        return NULL;
    }
    return PyBytes_FromStringAndSize(PyByteArray_AS_STRING(buf), got);
}

static PyObject *
rawiobase_readall(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    NJ_OWN chunks = PyList_New(0);
    if (!chunks) {
        return NULL;
    }
    for (;;) {
        NJ_OWN data = PyObject_CallMethod(self, "read", "i", NJ_IO_BUFFER_SIZE);
        if (!data) {
            if (nj_io_interrupted() > 0) {
                continue;
            }
            return NULL;
        }
        if (data == Py_None) {
            if (PyList_GET_SIZE(chunks) == 0) {
                return NJ_TAKE(data);
            }
            break;
        }
        if (!PyBytes_Check(data)) {
            PyErr_SetString(PyExc_TypeError, "read() should return bytes");
            return NULL;
        }
        if (PyBytes_GET_SIZE(data) == 0) {
            break;
        }
        if (PyList_Append(chunks, data) < 0) {
            return NULL;
        }
    }
    NJ_OWN empty = PyBytes_FromStringAndSize(NULL, 0);
    return empty ? PyObject_CallMethodOneArg(empty, NJ_ID(join), chunks) : NULL;
}

static PyObject *
raise_not_implemented(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args))
{
    PyErr_SetNone(PyExc_NotImplementedError);
    return NULL;
}

static PyMethodDef rawiobase_methods[] = {
    {"read", (PyCFunction)(void (*)(void))rawiobase_read, METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nRead up to size bytes by one readinto()."},
    {"readall", rawiobase_readall, METH_NOARGS,
     "readall($self, /)\n--\n\nRead until EOF, using several read() calls."},
    {"readinto", raise_not_implemented, METH_VARARGS, NULL},
    {"write", raise_not_implemented, METH_VARARGS, NULL},
    {0},
};

static PyType_Slot rawiobase_slots[] = {
    {Py_tp_doc, "Base class for raw binary I/O."},
    {Py_tp_methods, rawiobase_methods},
    {0, NULL},
};

PyType_Spec nj_rawiobase_spec = {
    .name = "_io._RawIOBase",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = rawiobase_slots,
};

/* ---- _BufferedIOBase ------------------------------------------------------------------ */

/* readinto by read or read1. */
static PyObject *
readinto_by(PyObject *self, PyObject *target, PyObject *method)
{
    NJ_OWN_BUF buffer = {0};
    if (PyObject_GetBuffer(target, &buffer, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        _PyArg_BadArgument(method == NJ_ID(read1) ? "readinto1" : "readinto", "argument",
                           "read-write bytes-like object", target);
        return NULL;
    }
    NJ_OWN size = PyLong_FromSsize_t(buffer.len);
    NJ_OWN data = size ? PyObject_CallMethodOneArg(self, method, size) : NULL;
    if (!data) {
        return NULL;
    }
    if (!PyBytes_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "read() should return bytes");
        return NULL;
    }
    Py_ssize_t n = PyBytes_GET_SIZE(data);
    if (n > buffer.len) {
        PyErr_Format(PyExc_ValueError,
                     "read() returned too much data: %zd bytes requested, %zd returned",
                     buffer.len, n);
        return NULL;
    }
    memcpy(buffer.buf, PyBytes_AS_STRING(data), (size_t)n);
    return PyLong_FromSsize_t(n);
}

static PyObject *
bufferediobase_readinto(PyObject *self, PyObject *target)
{
    return readinto_by(self, target, NJ_ID(read));
}

static PyObject *
bufferediobase_readinto1(PyObject *self, PyObject *target)
{
    return readinto_by(self, target, NJ_ID(read1));
}

static PyMethodDef bufferediobase_methods[] = {
    {"detach", REFUSAL(base_detach),
     "detach($self, /)\n--\n\nSeparate and return the raw stream."},
    {"read", REFUSAL(base_read),
     "read($self, size=-1, /)\n--\n\nRead up to size bytes, or to EOF."},
    {"read1", REFUSAL(base_read1),
     "read1($self, size=-1, /)\n--\n\nRead up to size bytes with one raw read at most."},
    {"readinto", bufferediobase_readinto, METH_O,
     "readinto($self, buffer, /)\n--\n\nRead into buffer; returns how many bytes."},
    {"readinto1", bufferediobase_readinto1, METH_O,
     "readinto1($self, buffer, /)\n--\n\nLike readinto with one raw read at most."},
    {"write", REFUSAL(base_write),
     "write($self, b, /)\n--\n\nWrite the bytes of b; returns how many."},
    {0},
};

static PyType_Slot bufferediobase_slots[] = {
    {Py_tp_doc, "Base class for buffered I/O objects."},
    {Py_tp_methods, bufferediobase_methods},
    {0, NULL},
};

PyType_Spec nj_bufferediobase_spec = {
    .name = "_io._BufferedIOBase",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = bufferediobase_slots,
};

/* ---- _TextIOBase ------------------------------------------------------------------------ */

static PyObject *
textiobase_none(PyObject *Py_UNUSED(self), void *Py_UNUSED(closure))
{
    Py_RETURN_NONE;
}

static PyMethodDef textiobase_methods[] = {
    {"detach", REFUSAL(base_detach),
     "detach($self, /)\n--\n\nSeparate and return the binary buffer."},
    {"read", REFUSAL(base_read),
     "read($self, size=-1, /)\n--\n\nRead up to size characters, or to EOF."},
    {"readline", REFUSAL(text_readline),
     "readline($self, size=-1, /)\n--\n\nRead up to a newline."},
    {"write", REFUSAL(text_write),
     "write($self, s, /)\n--\n\nWrite the str s; returns its length."},
    {0},
};

static PyGetSetDef textiobase_getset[] = {
    {"encoding", textiobase_none, NULL, NULL, NULL},
    {"newlines", textiobase_none, NULL, NULL, NULL},
    {"errors", textiobase_none, NULL, NULL, NULL},
    {0},
};

static PyType_Slot textiobase_slots[] = {
    {Py_tp_doc, "Base class for text I/O."},
    {Py_tp_methods, textiobase_methods},
    {Py_tp_getset, textiobase_getset},
    {0, NULL},
};

PyType_Spec nj_textiobase_spec = {
    .name = "_io._TextIOBase",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = textiobase_slots,
};

/* fileio.c - io.FileIO: a raw stream over a file descriptor.
 *
 * The descriptor is -1 when closed. Every system call that may block runs without the GIL
 * and is retried after EINTR once signal handlers have run (PEP 475).
 * SPDX-License-Identifier: MIT
 */
#include "modules/io/io_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_CHUNK 8192
#define READ_MAX ((size_t)PY_SSIZE_T_MAX)

typedef struct FileIO {
    NjIoBase base;
    int fd; /* -1: closed */
    bool created, readable, writable, appending;
    bool closefd;
    char finalizing;    /* set by the finalizer: close() then warns */
    signed char seekable; /* -1: not yet known */
    int64_t size;       /* st_size at opening, -1 unknown */
    int64_t blksize;
} FileIO;

static PyObject *
raise_closed(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
    return NULL;
}

static PyObject *
raise_mode(PyObject *self, const char *action)
{
    NjIoState *st = nj_io_state_of(self);
    if (st) {
        PyErr_Format(st->unsupported, "File not open for %s", action);
    }
    return NULL;
}

/* Closes the descriptor. 0, or -1 with OSError. */
static int
close_fd(FileIO *self)
{
    int fd = self->fd, err = 0;
    if (fd < 0) {
        return 0;
    }
    self->fd = -1;
    Py_BEGIN_ALLOW_THREADS
    if (close(fd) < 0) {
        err = errno;
    }
    Py_END_ALLOW_THREADS
    if (err) {
        errno = err;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return 0;
}

static PyObject *
fileio_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwds))
{
    FileIO *self = (FileIO *)type->tp_alloc(type, 0);
    if (self) {
        self->fd = -1;
        self->seekable = -1;
        self->closefd = true;
        self->size = -1;
    }
    return (PyObject *)self;
}

/* Parses the mode string into fields and open flags. 0/-1. */
static int
parse_mode(FileIO *self, const char *mode, int *flags)
{
    int kinds = 0, plus = 0;
    bool read = false, write = false, append = false, create = false, trunc = false;
    for (const char *p = mode; *p; p++) {
        switch (*p) {
        case 'x':
            kinds++, create = write = true;
            break;
        case 'r':
            kinds++, read = true;
            break;
        case 'w':
            kinds++, write = trunc = true;
            break;
        case 'a':
            kinds++, write = append = true;
            break;
        case 'b':
            break;
        case '+':
            plus++;
            break;
        default:
            PyErr_Format(PyExc_ValueError, "invalid mode: %.200s", mode);
            return -1;
        }
    }
    if (kinds != 1 || plus > 1) {
        PyErr_SetString(PyExc_ValueError,
                        "Must have exactly one of create/read/write/append mode and at "
                        "most one plus");
        return -1;
    }
    if (plus) {
        read = write = true;
    }
    self->readable = read;
    self->writable = write;
    self->created = create;
    self->appending = append;
    *flags = (read && write ? O_RDWR : read ? O_RDONLY : O_WRONLY) | O_CLOEXEC |
             (create ? O_EXCL | O_CREAT : 0) | (trunc ? O_CREAT | O_TRUNC : 0) |
             (append ? O_APPEND | O_CREAT : 0);
    return 0;
}

static int
open_by_opener(FileIO *self, PyObject *opener, PyObject *nameobj, int flags)
{
    NJ_OWN fdobj = PyObject_CallFunction(opener, "Oi", nameobj, flags);
    if (!fdobj) {
        return -1;
    }
    if (!PyLong_Check(fdobj)) {
        PyErr_SetString(PyExc_TypeError, "expected integer from opener");
        return -1;
    }
    int fd = PyLong_AsInt(fdobj);
    if (fd < 0) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_ValueError, "opener returned %d", fd);
        }
        return -1;
    }
    self->fd = fd;
    int old = fcntl(fd, F_GETFD);
    if (old >= 0 && !(old & FD_CLOEXEC)) {
        fcntl(fd, F_SETFD, old | FD_CLOEXEC);
    }
    return 0;
}

static int
open_by_name(FileIO *self, PyObject *nameobj, int flags)
{
    PyObject *path = NULL;
    if (!PyUnicode_FSConverter(nameobj, &path)) {
        return -1;
    }
    NJ_OWN bytes = path;
    const char *name = PyBytes_AS_STRING(bytes);
    do {
        Py_BEGIN_ALLOW_THREADS
        self->fd = open(name, flags, 0666);
        Py_END_ALLOW_THREADS
        if (self->fd >= 0) {
            return 0;
        }
    } while (errno == EINTR && PyErr_CheckSignals() == 0);
    if (!PyErr_Occurred()) {
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, nameobj);
    }
    return -1;
}

static int
check_opened(FileIO *self, PyObject *nameobj)
{
    struct stat st;
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = fstat(self->fd, &st);
    Py_END_ALLOW_THREADS
    self->blksize = SMALL_CHUNK;
    self->size = -1;
    if (r < 0) {
        /* some special files cannot be stat'ed; only a bad descriptor is an error */
        if (errno == EBADF) {
            PyErr_SetFromErrno(PyExc_OSError);
            return -1;
        }
        return 0;
    }
    if (S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, nameobj);
        return -1;
    }
    if (st.st_blksize > 1) {
        self->blksize = st.st_blksize;
    }
    self->size = st.st_size;
    return 0;
}

static int
fileio_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"file", "mode", "closefd", "opener", NULL};
    static const NjParams params = {"FileIO", names, 4, 1, 0};
    FileIO *self = (FileIO *)op;
    PyObject *a[4];
    if (nj_args_bind_tuple(&params, args, kwds, a) < 0) {
        return -1;
    }
    const char *mode = "r";
    if (a[1]) {
        if (!PyUnicode_Check(a[1])) {
            _PyArg_BadArgument("FileIO", "argument 'mode'", "str", a[1]);
            return -1;
        }
        Py_ssize_t n;
        mode = PyUnicode_AsUTF8AndSize(a[1], &n);
        if (!mode) {
            return -1;
        }
        if (strlen(mode) != (size_t)n) {
            PyErr_SetString(PyExc_ValueError, "embedded null character");
            return -1;
        }
    }
    int closefd = a[2] ? PyObject_IsTrue(a[2]) : 1;
    if (closefd < 0) {
        return -1;
    }
    PyObject *opener = a[3] && a[3] != Py_None ? a[3] : NULL;
    if (self->fd >= 0) {
        if (self->closefd) {
            if (close_fd(self) < 0) {
                return -1;
            }
        } else {
            self->fd = -1;
        }
    }
    PyObject *nameobj = a[0];
    int fd = -1;
    if (PyBool_Check(nameobj) &&
        PyErr_WarnEx(PyExc_RuntimeWarning, "bool is used as a file descriptor", 1) < 0) {
        return -1;
    }
    if (PyLong_Check(nameobj)) {
        fd = PyLong_AsInt(nameobj);
        if (fd < 0) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_ValueError, "negative file descriptor");
                return -1;
            }
            PyErr_Clear(); /* no descriptor: it is refused below, as a path */
        }
    }
    int flags;
    if (parse_mode(self, mode, &flags) < 0) {
        return -1;
    }
    if (PySys_Audit("open", "Osi", nameobj, mode, flags) < 0) {
        return -1;
    }
    self->seekable = -1;
    bool own = false;
    if (fd >= 0) {
        self->fd = fd;
        self->closefd = closefd;
    } else {
        self->closefd = true;
        if (!closefd) {
            PyErr_SetString(PyExc_ValueError, "Cannot use closefd=False with file name");
            return -1;
        }
        own = true;
        int r = opener ? open_by_opener(self, opener, nameobj, flags)
                       : open_by_name(self, nameobj, flags);
        if (r < 0) {
            self->fd = -1;
            return -1;
        }
    }
    if (check_opened(self, nameobj) < 0 ||
        PyObject_SetAttr(op, NJ_ID(name), nameobj) < 0) {
        goto failed;
    }
    if (self->appending && lseek(self->fd, 0, SEEK_END) < 0 && errno != ESPIPE) {
        PyErr_SetFromErrno(PyExc_OSError);
        goto failed;
    }
    return 0;
failed:
    if (own) {
        PyObject *exc = PyErr_GetRaisedException();
        if (close_fd(self) < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(exc);
    } else {
        self->fd = -1;
    }
    return -1;
}

static int
fileio_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((NjIoBase *)self)->dict);
    return 0;
}

static int
fileio_clear(PyObject *self)
{
    Py_CLEAR(((NjIoBase *)self)->dict);
    return 0;
}

static void
fileio_dealloc(PyObject *self)
{
    ((FileIO *)self)->finalizing = 1;
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
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
fileio_dealloc_warn(PyObject *op, PyObject *source)
{
    FileIO *self = (FileIO *)op;
    if (self->fd >= 0 && self->closefd) {
        PyObject *exc = PyErr_GetRaisedException();
        if (PyErr_ResourceWarning(source, 1, "unclosed file %R", source) < 0 &&
            PyErr_ExceptionMatches(PyExc_Warning)) {
            PyErr_FormatUnraisable("Exception ignored while finalizing file %R", op);
        }
        PyErr_SetRaisedException(exc);
    }
    Py_RETURN_NONE;
}

static PyObject *
fileio_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FileIO *self = (FileIO *)op;
    NjIoState *st = nj_io_state_of(op);
    if (!st) {
        return NULL;
    }
    NJ_OWN res = PyObject_CallMethodOneArg((PyObject *)st->rawiobase, NJ_ID(close), op);
    if (!self->closefd) {
        self->fd = -1;
        return NJ_TAKE(res);
    }
    NJ_OWN exc = PyErr_GetRaisedException();
    if (self->finalizing) {
        NJ_OWN r = fileio_dealloc_warn(op, op);
    }
    int rc = close_fd(self);
    if (exc) {
        if (rc < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(NJ_TAKE(exc));
        return NULL;
    }
    return rc < 0 ? NULL : NJ_TAKE(res);
}

static PyObject *
fileio_fileno(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    int fd = ((FileIO *)self)->fd;
    return fd < 0 ? raise_closed() : PyLong_FromLong(fd);
}

static PyObject *
fileio_readable(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    FileIO *f = (FileIO *)self;
    return f->fd < 0 ? raise_closed() : PyBool_FromLong(f->readable);
}

static PyObject *
fileio_writable(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    FileIO *f = (FileIO *)self;
    return f->fd < 0 ? raise_closed() : PyBool_FromLong(f->writable);
}

/* lseek; *out gets the position. 0/-1. */
static int
seek_to(FileIO *self, off_t pos, int whence, off_t *out)
{
    off_t r;
    Py_BEGIN_ALLOW_THREADS
    r = lseek(self->fd, pos, whence);
    Py_END_ALLOW_THREADS
    if (self->seekable < 0) {
        self->seekable = r >= 0;
    }
    if (r < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    *out = r;
    return 0;
}

static PyObject *
fileio_seekable(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FileIO *self = (FileIO *)op;
    if (self->fd < 0) {
        return raise_closed();
    }
    if (self->seekable < 0) {
        off_t pos;
        if (seek_to(self, 0, SEEK_CUR, &pos) < 0) {
            PyErr_Clear();
        }
    }
    return PyBool_FromLong(self->seekable);
}

static PyObject *
fileio_tell(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FileIO *self = (FileIO *)op;
    off_t pos;
    if (self->fd < 0) {
        return raise_closed();
    }
    return seek_to(self, 0, SEEK_CUR, &pos) < 0 ? NULL : PyLong_FromLongLong(pos);
}

static PyObject *
fileio_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    FileIO *self = (FileIO *)op;
    int whence = 0;
    if (!_PyArg_CheckPositional("seek", nargs, 1, 2)) {
        return NULL;
    }
    if (nargs > 1) {
        whence = PyLong_AsInt(args[1]);
        if (whence == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (self->fd < 0) {
        return raise_closed();
    }
    NJ_OWN index = PyNumber_Index(args[0]);
    if (!index) {
        return NULL;
    }
    off_t pos = PyLong_AsLongLong(index);
    if (pos == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return seek_to(self, pos, whence, &pos) < 0 ? NULL : PyLong_FromLongLong(pos);
}

/* read() with retries. Count, -1 with exception, -2 when it would block. */
static Py_ssize_t
read_some(FileIO *self, void *buf, size_t size)
{
    for (;;) {
        ssize_t n;
        int err;
        Py_BEGIN_ALLOW_THREADS
        n = read(self->fd, buf, size > READ_MAX ? READ_MAX : size);
        err = errno;
        Py_END_ALLOW_THREADS
        if (n >= 0) {
            return n;
        }
        if (err == EINTR) {
            if (PyErr_CheckSignals() < 0) {
                return -1;
            }
            continue;
        }
        if (err == EAGAIN) {
            return -2;
        }
        errno = err;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
}

static PyObject *
fileio_readinto(PyObject *op, PyObject *target)
{
    FileIO *self = (FileIO *)op;
    NJ_OWN_BUF b = {0};
    if (PyObject_GetBuffer(target, &b, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        _PyArg_BadArgument("readinto", "argument", "read-write bytes-like object", target);
        return NULL;
    }
    if (self->fd < 0) {
        return raise_closed();
    }
    if (!self->readable) {
        return raise_mode(op, "reading");
    }
    Py_ssize_t n = read_some(self, b.buf, (size_t)b.len);
    if (n < 0) {
        return n == -2 ? Py_NewRef(Py_None) : NULL;
    }
    return PyLong_FromSsize_t(n);
}

static PyObject *
fileio_readall(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FileIO *self = (FileIO *)op;
    if (self->fd < 0) {
        return raise_closed();
    }
    Py_ssize_t room = SMALL_CHUNK;
    if (self->size > 0) {
        off_t pos = 0;
        if (self->size > 65536) {
            Py_BEGIN_ALLOW_THREADS
            pos = lseek(self->fd, 0, SEEK_CUR);
            Py_END_ALLOW_THREADS
        }
        if (pos >= 0 && self->size >= pos && self->size - pos < PY_SSIZE_T_MAX) {
            room = (Py_ssize_t)(self->size - pos) + 1; /* one more to see the end */
        }
    }
    PyObject *result = PyBytes_FromStringAndSize(NULL, room);
    Py_ssize_t used = 0;
    while (result) {
        if (used == PyBytes_GET_SIZE(result)) {
            Py_ssize_t more = used + (used >> 1) + SMALL_CHUNK;
            if (more < used) {
                PyErr_SetString(PyExc_OverflowError,
                                "unbounded read returned more bytes than a Python bytes "
                                "object can hold");
                Py_DECREF(result);
                return NULL;
            }
            if (_PyBytes_Resize(&result, more) < 0) {
                return NULL;
            }
        }
        Py_ssize_t n = read_some(self, PyBytes_AS_STRING(result) + used,
                                 (size_t)(PyBytes_GET_SIZE(result) - used));
        if (n == 0) {
            break;
        }
        if (n == -2) {
            if (used > 0) {
                break;
            }
            Py_DECREF(result);
            Py_RETURN_NONE;
        }
        if (n < 0) {
            Py_DECREF(result);
            return NULL;
        }
        used += n;
    }
    if (result && used < PyBytes_GET_SIZE(result)) {
        _PyBytes_Resize(&result, used);
    }
    return result;
}

static PyObject *
fileio_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    FileIO *self = (FileIO *)op;
    Py_ssize_t size;
    if (!_PyArg_CheckPositional("read", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &size) < 0) {
        return NULL;
    }
    if (self->fd < 0) {
        return raise_closed();
    }
    if (!self->readable) {
        return raise_mode(op, "reading");
    }
    if (size < 0) {
        return fileio_readall(op, NULL);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (!bytes) {
        return NULL;
    }
    Py_ssize_t n = read_some(self, PyBytes_AS_STRING(bytes), (size_t)size);
    if (n < 0) {
        Py_DECREF(bytes);
        return n == -2 ? Py_NewRef(Py_None) : NULL;
    }
    if (n != size) {
        _PyBytes_Resize(&bytes, n);
    }
    return bytes;
}

static PyObject *
fileio_write(PyObject *op, PyObject *data)
{
    FileIO *self = (FileIO *)op;
    NJ_OWN_BUF b = {0};
    if (PyUnicode_Check(data)) {
        PyErr_Format(PyExc_TypeError, "a bytes-like object is required, not '%.100s'",
                     Py_TYPE(data)->tp_name);
        return NULL;
    }
    if (PyObject_GetBuffer(data, &b, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (self->fd < 0) {
        return raise_closed();
    }
    if (!self->writable) {
        return raise_mode(op, "writing");
    }
    for (;;) {
        ssize_t n;
        int err;
        Py_BEGIN_ALLOW_THREADS
        n = write(self->fd, b.buf, (size_t)b.len);
        err = errno;
        Py_END_ALLOW_THREADS
        if (n >= 0) {
            return PyLong_FromSsize_t(n);
        }
        if (err == EAGAIN) {
            Py_RETURN_NONE;
        }
        if (err != EINTR) {
            errno = err;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
}

static PyObject *
fileio_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    FileIO *self = (FileIO *)op;
    if (!_PyArg_CheckPositional("truncate", nargs, 0, 1)) {
        return NULL;
    }
    if (self->fd < 0) {
        return raise_closed();
    }
    if (!self->writable) {
        return raise_mode(op, "writing");
    }
    off_t pos;
    NJ_OWN result = NULL;
    if (nargs == 0 || args[0] == Py_None) {
        if (seek_to(self, 0, SEEK_CUR, &pos) < 0) {
            return NULL;
        }
        result = PyLong_FromLongLong(pos);
    } else {
        NJ_OWN index = PyNumber_Index(args[0]);
        if (!index) {
            return NULL;
        }
        pos = PyLong_AsLongLong(index);
        if (pos == -1 && PyErr_Occurred()) {
            return NULL;
        }
        result = Py_NewRef(args[0]);
    }
    int r;
    Py_BEGIN_ALLOW_THREADS
    errno = 0;
    r = ftruncate(self->fd, pos);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    self->size = -1;
    return NJ_TAKE(result);
}

static const char *
mode_text(FileIO *self)
{
    if (self->created) {
        return self->readable ? "xb+" : "xb";
    }
    if (self->appending) {
        return self->readable ? "ab+" : "ab";
    }
    if (self->readable) {
        return self->writable ? "rb+" : "rb";
    }
    return "wb";
}

static PyObject *
fileio_repr(PyObject *op)
{
    FileIO *self = (FileIO *)op;
    const char *type = Py_TYPE(op)->tp_name;
    if (self->fd < 0) {
        return PyUnicode_FromFormat("<%.100s [closed]>", type);
    }
    NJ_OWN name = NULL;
    if (PyObject_GetOptionalAttr(op, NJ_ID(name), &name) < 0) {
        return NULL;
    }
    const char *closefd = self->closefd ? "True" : "False";
    if (!name) {
        return PyUnicode_FromFormat("<%.100s fd=%d mode='%s' closefd=%s>", type, self->fd,
                                    mode_text(self), closefd);
    }
    int r = Py_ReprEnter(op);
    if (r != 0) {
        if (r > 0) {
            PyErr_Format(PyExc_RuntimeError, "reentrant call inside %.100s.__repr__", type);
        }
        return NULL;
    }
    PyObject *s = PyUnicode_FromFormat("<%.100s name=%R mode='%s' closefd=%s>", type, name,
                                       mode_text(self), closefd);
    Py_ReprLeave(op);
    return s;
}

static PyObject *
fileio_isatty(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FileIO *self = (FileIO *)op;
    if (self->fd < 0) {
        return raise_closed();
    }
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = isatty(self->fd);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(r);
}

/* What open() asks right after opening: a file with a known size is no terminal. */
static PyObject *
fileio_isatty_open_only(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    FileIO *self = (FileIO *)op;
    if (self->size > 0) {
        Py_RETURN_FALSE;
    }
    return fileio_isatty(op, NULL);
}

static PyObject *
raise_no_pickle(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyErr_Format(PyExc_TypeError, "cannot pickle '%.100s' instances",
                 strrchr(Py_TYPE(self)->tp_name, '.') ? strrchr(Py_TYPE(self)->tp_name, '.') + 1
                                                      : Py_TYPE(self)->tp_name);
    return NULL;
}

static PyObject *
fileio_closed_get(PyObject *self, void *Py_UNUSED(c))
{
    return PyBool_FromLong(((FileIO *)self)->fd < 0);
}

static PyObject *
fileio_closefd_get(PyObject *self, void *Py_UNUSED(c))
{
    return PyBool_FromLong(((FileIO *)self)->closefd);
}

static PyObject *
fileio_mode_get(PyObject *self, void *Py_UNUSED(c))
{
    return PyUnicode_FromString(mode_text((FileIO *)self));
}

static PyObject *
fileio_blksize_get(PyObject *self, void *Py_UNUSED(c))
{
    return PyLong_FromLongLong(((FileIO *)self)->blksize);
}

static PyMethodDef fileio_methods[] = {
    {"read", (PyCFunction)(void (*)(void))fileio_read, METH_FASTCALL,
     "read($self, size=-1, /)\n--\n\nRead up to size bytes with one system call."},
    {"readall", fileio_readall, METH_NOARGS, "readall($self, /)\n--\n\nRead to the end."},
    {"readinto", fileio_readinto, METH_O,
     "readinto($self, buffer, /)\n--\n\nRead into buffer; returns how many bytes."},
    {"write", fileio_write, METH_O,
     "write($self, b, /)\n--\n\nWrite with one system call; returns how many bytes."},
    {"seek", (PyCFunction)(void (*)(void))fileio_seek, METH_FASTCALL,
     "seek($self, pos, whence=0, /)\n--\n\nMove the file position."},
    {"tell", fileio_tell, METH_NOARGS, "tell($self, /)\n--\n\nThe file position."},
    {"truncate", (PyCFunction)(void (*)(void))fileio_truncate, METH_FASTCALL,
     "truncate($self, size=None, /)\n--\n\nCut or extend the file to size bytes."},
    {"close", fileio_close, METH_NOARGS, "close($self, /)\n--\n\nClose the descriptor."},
    {"seekable", fileio_seekable, METH_NOARGS,
     "seekable($self, /)\n--\n\nWhether the file supports random access."},
    {"readable", fileio_readable, METH_NOARGS,
     "readable($self, /)\n--\n\nWhether the file was opened for reading."},
    {"writable", fileio_writable, METH_NOARGS,
     "writable($self, /)\n--\n\nWhether the file was opened for writing."},
    {"fileno", fileio_fileno, METH_NOARGS, "fileno($self, /)\n--\n\nThe descriptor."},
    {"isatty", fileio_isatty, METH_NOARGS,
     "isatty($self, /)\n--\n\nWhether the file is a terminal."},
    {"_isatty_open_only", fileio_isatty_open_only, METH_NOARGS,
     "_isatty_open_only($self, /)\n--\n\n"},
    {"_dealloc_warn", fileio_dealloc_warn, METH_O,
     "_dealloc_warn($self, object, /)\n--\n\n"},
    {"__getstate__", raise_no_pickle, METH_NOARGS, "__getstate__($self, /)\n--\n\n"},
    {0},
};

static PyGetSetDef fileio_getset[] = {
    {"closed", fileio_closed_get, NULL, "True if the file is closed", NULL},
    {"closefd", fileio_closefd_get, NULL, "Whether close() closes the descriptor.", NULL},
    {"mode", fileio_mode_get, NULL, "How the file was opened.", NULL},
    {"_blksize", fileio_blksize_get, NULL, "The preferred block size.", NULL},
    {0},
};

static PyMemberDef fileio_members[] = {
    {"_finalizing", Py_T_BOOL, offsetof(FileIO, finalizing), 0, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, weaklist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, dict), Py_READONLY, NULL},
    {0},
};

static PyType_Slot fileio_slots[] = {
    {Py_tp_dealloc, fileio_dealloc},
    {Py_tp_repr, fileio_repr},
    {Py_tp_doc, "FileIO(file, mode='r', closefd=True, opener=None)\n--\n\nOpen a file as a "
                "raw byte stream."},
    {Py_tp_traverse, fileio_traverse},
    {Py_tp_clear, fileio_clear},
    {Py_tp_methods, fileio_methods},
    {Py_tp_members, fileio_members},
    {Py_tp_getset, fileio_getset},
    {Py_tp_init, fileio_init},
    {Py_tp_new, fileio_new},
    {0, NULL},
};

PyType_Spec nj_fileio_spec = {
    .name = "_io.FileIO",
    .basicsize = sizeof(FileIO),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = fileio_slots,
};

/* bufferedio.c - BufferedReader, BufferedWriter, BufferedRandom, BufferedRWPair.
 *
 * One object layout serves the first three. Its buffer is either a read-ahead window
 * (bytes rpos..rend, which the raw stream has already moved past) or pending output
 * (bytes 0..wend, which it has not seen yet), never both: switching from reading to
 * writing moves the raw stream back over the unread part, switching from writing to
 * reading flushes. This is the model of Lib/_pyio.py.
 *
 * A lock protects the state because raw calls release the GIL; a second entry by the same
 * thread (a signal handler, say) raises RuntimeError instead of hanging.
 *
 * The trap: every raw call may run Python code that closes or detaches this object, but
 * cannot change the buffer, since that needs the lock.
 * SPDX-License-Identifier: MIT
 */
#include "modules/io/io_int.h"

#include <errno.h>
#include <stddef.h>

typedef struct Buffered {
    NjIoBase base;
    PyObject *raw;
    bool ok;       /* initialised and not detached */
    bool detached;
    bool readable, writable;
    char finalizing;
    char *buf;
    Py_ssize_t size;       /* of buf */
    Py_ssize_t rpos, rend; /* unread window; rend 0 when not reading */
    Py_ssize_t wend;       /* pending output */
    off_t abs_pos;      /* position of raw, -1 unknown */
    PyThread_type_lock lock;
    volatile unsigned long owner;
} Buffered;

static int
check_init(Buffered *self)
{
    if (self->ok) {
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, self->detached
                                          ? "raw stream has been detached"
                                          : "I/O operation on uninitialized object");
    return -1;
}

static int
enter(Buffered *self)
{
    unsigned long me = PyThread_get_thread_ident();
    if (!PyThread_acquire_lock(self->lock, NOWAIT_LOCK)) {
        if (self->owner == me) {
            PyErr_Format(PyExc_RuntimeError, "reentrant call inside %R", self);
            return -1;
        }
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(self->lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
    }
    self->owner = me;
    return 0;
}

static void
leave(Buffered *self)
{
    self->owner = 0;
    PyThread_release_lock(self->lock);
}

/* 1/0/-1: truth of raw.closed. */
static int
raw_closed(Buffered *self)
{
    NJ_OWN v = PyObject_GetAttr(self->raw, NJ_ID(closed));
    return v ? PyObject_IsTrue(v) : -1;
}

static int
check_open(Buffered *self, const char *message)
{
    if (check_init(self) < 0) {
        return -1;
    }
    int closed = self->buf ? raw_closed(self) : 1;
    if (closed > 0) {
        PyErr_SetString(PyExc_ValueError, message);
    }
    return closed ? -1 : 0;
}

static Py_ssize_t
unread(const Buffered *self)
{
    return self->rend - self->rpos;
}

static void
drop_window(Buffered *self)
{
    self->rpos = self->rend = 0;
}

/* ---- raw calls ---------------------------------------------------------------------- */

static off_t
raw_tell(Buffered *self)
{
    if (self->abs_pos >= 0) {
        return self->abs_pos;
    }
    NJ_OWN res = PyObject_CallMethodNoArgs(self->raw, NJ_ID(tell));
    if (!res) {
        return -1;
    }
    off_t n = nj_io_as_offset(res, PyExc_ValueError);
    if (n < 0) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_OSError, "Raw stream returned invalid position %lld",
                         (long long)n);
        }
        return -1;
    }
    self->abs_pos = n;
    return n;
}

static off_t
raw_seek(Buffered *self, off_t target, int whence)
{
    NJ_OWN res = PyObject_CallMethod(self->raw, "seek", "Li", (long long)target, whence);
    if (!res) {
        return -1;
    }
    off_t n = nj_io_as_offset(res, PyExc_ValueError);
    if (n < 0) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_OSError, "Raw stream returned invalid position %lld",
                         (long long)n);
        }
        return -1;
    }
    self->abs_pos = n;
    return n;
}

/* Makes a view that raw may not keep using after the call. */
static void
retire_view(PyObject *view)
{
    if (Py_REFCNT(view) > 1) {
        PyObject *exc = PyErr_GetRaisedException();
        PyObject *r = PyObject_CallMethodNoArgs(view, NJ_ID(release));
        if (!r) {
            PyErr_Clear();
        }
        Py_XDECREF(r);
        PyErr_SetRaisedException(exc);
    }
    Py_DECREF(view);
}

/* raw.readinto. Count, -1 with exception, -2 when it returned None (would block). */
static Py_ssize_t
raw_read(Buffered *self, char *start, Py_ssize_t len)
{
    PyObject *res;
    for (;;) {
        PyObject *view = PyMemoryView_FromMemory(start, len, PyBUF_WRITE);
        if (!view) {
            return -1;
        }
        res = PyObject_CallMethodOneArg(self->raw, NJ_ID(readinto), view);
        retire_view(view);
        if (res) {
            break;
        }
        if (nj_io_interrupted() <= 0) {
            return -1;
        }
    }
    if (res == Py_None) {
        Py_DECREF(res);
        return -2;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(res, PyExc_ValueError);
    Py_DECREF(res);
    if (n == -1 && PyErr_Occurred()) {
        PyObject *cause = PyErr_GetRaisedException();
        PyErr_SetString(PyExc_OSError, "raw readinto() failed");
        PyObject *exc = PyErr_GetRaisedException();
        PyException_SetContext(exc, Py_NewRef(cause));
        PyException_SetCause(exc, cause);
        PyErr_SetRaisedException(exc);
        return -1;
    }
    if (n < 0 || n > len) {
        PyErr_Format(PyExc_OSError,
                     "raw readinto() returned invalid length %zd (should have been "
                     "between 0 and %zd)",
                     n, len);
        return -1;
    }
    if (n > 0 && self->abs_pos >= 0) {
        self->abs_pos += n;
    }
    return n;
}

static Py_ssize_t
raw_write(Buffered *self, const char *start, Py_ssize_t len)
{
    PyObject *res;
    for (;;) {
        PyObject *view = PyMemoryView_FromMemory((char *)start, len, PyBUF_READ);
        if (!view) {
            return -1;
        }
        errno = 0;
        res = PyObject_CallMethodOneArg(self->raw, NJ_ID(write), view);
        retire_view(view);
        if (res) {
            break;
        }
        if (nj_io_interrupted() <= 0) {
            return -1;
        }
    }
    if (res == Py_None) {
        Py_DECREF(res);
        return -2;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(res, PyExc_ValueError);
    Py_DECREF(res);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (n < 0 || n > len) {
        PyErr_Format(PyExc_OSError,
                     "raw write() returned invalid length %zd (should have been between 0 "
                     "and %zd)",
                     n, len);
        return -1;
    }
    if (n > 0 && self->abs_pos >= 0) {
        self->abs_pos += n;
    }
    return n;
}

static void
raise_blocking(const char *message, Py_ssize_t written)
{
    NJ_OWN exc = PyObject_CallFunction(PyExc_BlockingIOError, "isn", EAGAIN, message,
                                       written);
    if (exc) {
        PyErr_SetObject(PyExc_BlockingIOError, exc);
    }
}

/* ---- the two modes (lock held) ---------------------------------------------------------- */

/* Writes out pending output. 0/-1; what could not be written stays. */
static int
flush_output(Buffered *self)
{
    Py_ssize_t done = 0;
    int rc = 0;
    while (done < self->wend) {
        Py_ssize_t n = raw_write(self, self->buf + done, self->wend - done);
        if (n == -2) {
            raise_blocking("write could not complete without blocking", 0);
            rc = -1;
            break;
        }
        if (n < 0) {
            rc = -1;
            break;
        }
        done += n;
        /* a partial write may be a signal's doing */
        if (done < self->wend && PyErr_CheckSignals() < 0) {
            rc = -1;
            break;
        }
    }
    if (done > 0 && done < self->wend) {
        memmove(self->buf, self->buf + done, (size_t)(self->wend - done));
    }
    self->wend -= done;
    return rc;
}

/* Gives back read-ahead, so that raw stands where the user thinks. */
static int
rewind_window(Buffered *self)
{
    Py_ssize_t n = unread(self);
    if (n > 0 && raw_seek(self, -n, 1) < 0) {
        return -1;
    }
    drop_window(self);
    return 0;
}

static int
flush_and_rewind(Buffered *self)
{
    if (self->writable && flush_output(self) < 0) {
        return -1;
    }
    return self->readable ? rewind_window(self) : 0;
}

/* Refills an empty window. Count, 0 at EOF, -1, -2. */
static Py_ssize_t
fill_window(Buffered *self)
{
    Py_ssize_t start = self->rend;
    if (self->rpos == self->rend) {
        drop_window(self);
        start = 0;
    }
    Py_ssize_t n = raw_read(self, self->buf + start, self->size - start);
    if (n > 0) {
        self->rend = start + n;
    }
    return n;
}

/* Named to the macros below: NJ_ID(seekable) NJ_ID(readable) NJ_ID(writable) NJ_ID(fileno)
 * NJ_ID(isatty) NJ_ID(name) NJ_ID(mode) NJ_ID(peek) NJ_ID(read) NJ_ID(read1) NJ_ID(readinto)
 * NJ_ID(readinto1) NJ_ID(write) - for tools/genids.sh, which reads no macros. */

/* ---- common methods -------------------------------------------------------------------- */

static PyObject *
buffered_simple_flush(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Buffered *self = (Buffered *)op;
    return check_init(self) < 0 ? NULL
                                : PyObject_CallMethodNoArgs(self->raw, NJ_ID(flush));
}

static PyObject *
buffered_flush(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Buffered *self = (Buffered *)op;
    if (check_open(self, "flush of closed file") < 0 || enter(self) < 0) {
        return NULL;
    }
    int r = flush_and_rewind(self);
    leave(self);
    return r < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
buffered_dealloc_warn(PyObject *op, PyObject *source)
{
    Buffered *self = (Buffered *)op;
    if (self->ok && self->raw) {
        NJ_OWN r = PyObject_CallMethodOneArg(self->raw, NJ_ID(_dealloc_warn), source);
        if (!r) {
            PyErr_Clear();
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
buffered_closed_get(PyObject *op, void *Py_UNUSED(c))
{
    Buffered *self = (Buffered *)op;
    return check_init(self) < 0 ? NULL : PyObject_GetAttr(self->raw, NJ_ID(closed));
}

/* Sets the current exception with prior as its context (prior stolen, may be NULL). */
static void
chain(PyObject *prior)
{
    if (!prior) {
        return;
    }
    if (!PyErr_Occurred()) {
        PyErr_SetRaisedException(prior);
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (exc != prior) {
        PyException_SetContext(exc, prior);
    } else {
        Py_DECREF(prior);
    }
    PyErr_SetRaisedException(exc);
}

static PyObject *
buffered_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Buffered *self = (Buffered *)op;
    if (check_init(self) < 0 || enter(self) < 0) {
        return NULL;
    }
    /* like a method call on self: a subclass may say when it is closed */
    int closed = self->buf ? raw_closed(self) : 1;
    if (closed) {
        leave(self);
        return closed < 0 ? NULL : Py_NewRef(Py_None);
    }
    if (self->finalizing) {
        NJ_OWN r = buffered_dealloc_warn(op, op);
    }
    leave(self);
    NJ_OWN flushed = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    PyObject *exc = PyErr_GetRaisedException();
    if (!self->raw) { /* detached meanwhile */
        PyErr_SetRaisedException(exc);
        return exc ? NULL : Py_NewRef(Py_None);
    }
    /* locked, so that another thread's write waits and then finds the stream closed */
    if (enter(self) < 0) {
        Py_XDECREF(exc);
        return NULL;
    }
    NJ_OWN res = PyObject_CallMethodNoArgs(self->raw, NJ_ID(close));
    PyMem_Free(self->buf);
    self->buf = NULL;
    drop_window(self);
    self->wend = 0;
    leave(self);
    if (exc) {
        chain(exc);
        return NULL;
    }
    return NJ_TAKE(res);
}

static PyObject *
buffered_detach(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Buffered *self = (Buffered *)op;
    if (check_init(self) < 0) {
        return NULL;
    }
    NJ_OWN r = PyObject_CallMethodNoArgs(op, NJ_ID(flush));
    if (!r) {
        return NULL;
    }
    PyObject *raw = self->raw;
    self->raw = NULL;
    self->detached = true;
    self->ok = false;
    return raw;
}

#define FORWARD(cname, id)                                                             \
    static PyObject *cname(PyObject *op, PyObject *Py_UNUSED(ignored))                 \
    {                                                                                  \
        Buffered *self = (Buffered *)op;                                               \
        return check_init(self) < 0 ? NULL                                             \
                                    : PyObject_CallMethodNoArgs(self->raw, NJ_ID(id)); \
    }
FORWARD(buffered_seekable, seekable)
FORWARD(buffered_readable, readable)
FORWARD(buffered_writable, writable)
FORWARD(buffered_fileno, fileno)
FORWARD(buffered_isatty, isatty)

#define FORWARD_GET(cname, id)                                                         \
    static PyObject *cname(PyObject *op, void *Py_UNUSED(c))                           \
    {                                                                                  \
        Buffered *self = (Buffered *)op;                                               \
        return check_init(self) < 0 ? NULL : PyObject_GetAttr(self->raw, NJ_ID(id));   \
    }
FORWARD_GET(buffered_name_get, name)
FORWARD_GET(buffered_mode_get, mode)

static PyObject *
buffered_tell(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Buffered *self = (Buffered *)op;
    if (check_init(self) < 0) {
        return NULL;
    }
    self->abs_pos = -1;
    off_t pos = raw_tell(self);
    if (pos < 0) {
        return NULL;
    }
    pos += self->wend - unread(self);
    return PyLong_FromLongLong(pos < 0 ? 0 : pos);
}

static PyObject *
buffered_seek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Buffered *self = (Buffered *)op;
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
    if (check_init(self) < 0) {
        return NULL;
    }
    if ((whence < 0 || whence > 2) && whence != 3 && whence != 4) {
        PyErr_Format(PyExc_ValueError, "whence value %d unsupported", whence);
        return NULL;
    }
    if (check_open(self, "seek of closed file") < 0) {
        return NULL;
    }
    NjIoState *st = nj_io_state_of(op);
    if (!st || nj_io_check_able(st, self->raw, NJ_ID(seekable),
                                "File or stream is not seekable.") < 0) {
        return NULL;
    }
    off_t target = nj_io_as_offset(args[0], PyExc_ValueError);
    if (target == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (enter(self) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    /* within the window no raw seek is needed */
    if (self->readable && (whence == 0 || whence == 1) && self->wend == 0 &&
        self->rend > 0) {
        off_t at = raw_tell(self);
        if (at < 0) {
            goto done;
        }
        off_t here = at - unread(self);
        if (here < 0) {
            here = 0; /* a device whose tell() says 0 wherever it is */
        }
        off_t offset = whence == 0 ? target - here : target;
        if (offset >= -self->rpos && offset <= unread(self)) {
            self->rpos += offset;
            off_t pos = here + offset;
            result = PyLong_FromLongLong(pos);
            goto done;
        }
    }
    if (self->writable && flush_output(self) < 0) {
        goto done;
    }
    if (whence == 1) {
        target -= unread(self);
    }
    off_t pos = raw_seek(self, target, whence);
    if (pos < 0) {
        goto done;
    }
    drop_window(self);
    result = PyLong_FromLongLong(pos);
done:
    leave(self);
    return result;
}

static PyObject *
buffered_truncate(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Buffered *self = (Buffered *)op;
    if (!_PyArg_CheckPositional("truncate", nargs, 0, 1) ||
        check_open(self, "truncate of closed file") < 0) {
        return NULL;
    }
    if (!self->writable) {
        NjIoState *st = nj_io_state_of(op);
        return st ? nj_io_unsupported(st, "truncate") : NULL;
    }
    if (enter(self) < 0) {
        return NULL;
    }
    PyObject *res = NULL;
    if (flush_and_rewind(self) == 0) {
        res = PyObject_CallMethodOneArg(self->raw, NJ_ID(truncate),
                                        nargs ? args[0] : Py_None);
        /* the position may have moved */
        if (res) {
            self->abs_pos = -1;
            if (raw_tell(self) < 0) {
                PyErr_Clear();
            }
        }
    }
    leave(self);
    return res;
}

/* ---- reading ------------------------------------------------------------------------------ */

/* Reads to the end (lock held). */
static PyObject *
read_all(Buffered *self)
{
    NJ_OWN data = NULL;
    if (unread(self) > 0) {
        data = PyBytes_FromStringAndSize(self->buf + self->rpos, unread(self));
        if (!data) {
            return NULL;
        }
    }
    drop_window(self);
    if (self->writable && flush_output(self) < 0) {
        return NULL;
    }
    NJ_OWN readall = NULL;
    if (PyObject_GetOptionalAttr(self->raw, NJ_ID(readall), &readall) < 0) {
        return NULL;
    }
    if (readall) {
        NJ_OWN rest = PyObject_CallNoArgs(readall);
        if (!rest) {
            return NULL;
        }
        self->abs_pos = -1;
        if (rest != Py_None && !PyBytes_Check(rest)) {
            PyErr_SetString(PyExc_TypeError, "readall() should return bytes");
            return NULL;
        }
        if (rest == Py_None) {
            return data ? NJ_TAKE(data) : NJ_TAKE(rest);
        }
        if (!data) {
            return NJ_TAKE(rest);
        }
        PyObject *all = NJ_TAKE(data);
        PyBytes_Concat(&all, rest);
        return all;
    }
    NJ_OWN chunks = PyList_New(0);
    if (!chunks || (data && PyList_Append(chunks, data) < 0)) {
        return NULL;
    }
    for (;;) {
        NJ_OWN chunk = PyObject_CallMethodNoArgs(self->raw, NJ_ID(read));
        if (!chunk) {
            return NULL;
        }
        if (chunk != Py_None && !PyBytes_Check(chunk)) {
            PyErr_SetString(PyExc_TypeError, "read() should return bytes");
            return NULL;
        }
        if (chunk == Py_None || PyBytes_GET_SIZE(chunk) == 0) {
            if (PyList_GET_SIZE(chunks) == 0) {
                return NJ_TAKE(chunk);
            }
            NJ_OWN empty = PyBytes_FromStringAndSize(NULL, 0);
            return empty ? PyObject_CallMethodOneArg(empty, NJ_ID(join), chunks) : NULL;
        }
        if (PyList_Append(chunks, chunk) < 0) {
            return NULL;
        }
        if (self->abs_pos >= 0) {
            self->abs_pos += PyBytes_GET_SIZE(chunk);
        }
    }
}

/* Copies up to n bytes into out, reading raw as often as needed (lock held). The count,
 * -1 on error, -2 when nothing was there and raw would block. */
static Py_ssize_t
read_into(Buffered *self, char *out, Py_ssize_t n)
{
    Py_ssize_t have = unread(self) < n ? unread(self) : n;
    memcpy(out, self->buf + self->rpos, (size_t)have);
    self->rpos += have;
    if (have == n) {
        return n;
    }
    if (self->writable && flush_output(self) < 0) {
        return -1;
    }
    drop_window(self);
    while (have < n) {
        Py_ssize_t want = n - have, r;
        if (want >= self->size) {
            /* whole blocks go straight to the caller's memory */
            r = raw_read(self, out + have, want - want % self->size);
            if (r > 0) {
                have += r;
            }
        } else {
            r = fill_window(self);
            if (r > 0) {
                Py_ssize_t take = r < want ? r : want;
                memcpy(out + have, self->buf + self->rpos, (size_t)take);
                self->rpos += take;
                have += take;
            }
        }
        if (r == -1) {
            return -1;
        }
        if (r <= 0) {
            return r == -2 && have == 0 ? -2 : have;
        }
    }
    return have;
}

static PyObject *
buffered_read(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Buffered *self = (Buffered *)op;
    Py_ssize_t n;
    if (!_PyArg_CheckPositional("read", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &n) < 0 || check_init(self) < 0) {
        return NULL;
    }
    if (n < -1) {
        PyErr_SetString(PyExc_ValueError, "read length must be non-negative or -1");
        return NULL;
    }
    if (check_open(self, "read of closed file") < 0) {
        return NULL;
    }
    if (enter(self) < 0) {
        return NULL;
    }
    PyObject *res;
    if (n == -1) {
        res = read_all(self);
    } else if ((res = PyBytes_FromStringAndSize(NULL, n)) != NULL) {
        Py_ssize_t got = read_into(self, PyBytes_AS_STRING(res), n);
        if (got < 0) {
            Py_SETREF(res, got == -2 ? Py_NewRef(Py_None) : NULL);
        } else if (got < n) {
            _PyBytes_Resize(&res, got);
        }
    }
    leave(self);
    return res;
}

static PyObject *
buffered_read1(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Buffered *self = (Buffered *)op;
    if (!_PyArg_CheckPositional("read1", nargs, 0, 1)) {
        return NULL;
    }
    Py_ssize_t n = -1;
    if (nargs) {
        n = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (check_init(self) < 0) {
        return NULL;
    }
    if (n < 0) {
        n = self->size;
    }
    if (check_open(self, "read of closed file") < 0) {
        return NULL;
    }
    if (n == 0) {
        return PyBytes_FromStringAndSize(NULL, 0);
    }
    if (enter(self) < 0) {
        return NULL;
    }
    PyObject *res = NULL;
    if (unread(self) > 0) {
        n = unread(self) < n ? unread(self) : n;
        res = PyBytes_FromStringAndSize(self->buf + self->rpos, n);
        if (res) {
            self->rpos += n;
        }
    } else if (!self->writable || flush_output(self) == 0) {
        drop_window(self);
        res = PyBytes_FromStringAndSize(NULL, n);
        if (res) {
            Py_ssize_t got = raw_read(self, PyBytes_AS_STRING(res), n);
            if (got == -1) {
                Py_CLEAR(res);
            } else {
                _PyBytes_Resize(&res, got == -2 ? 0 : got);
            }
        }
    }
    leave(self);
    return res;
}

static PyObject *
readinto_common(Buffered *self, PyObject *target, bool once)
{
    NJ_OWN_BUF b = {0};
    if (PyObject_GetBuffer(target, &b, PyBUF_WRITABLE) < 0) {
        PyErr_Clear();
        _PyArg_BadArgument(once ? "readinto1" : "readinto", "argument",
                           "read-write bytes-like object", target);
        return NULL;
    }
    if (check_open(self, "readinto of closed file") < 0 || enter(self) < 0) {
        return NULL;
    }
    Py_ssize_t got;
    if (!once) {
        got = read_into(self, b.buf, b.len);
    } else if (unread(self) > 0) {
        got = unread(self) < b.len ? unread(self) : b.len;
        memcpy(b.buf, self->buf + self->rpos, (size_t)got);
        self->rpos += got;
        if (b.len - got > self->size) {
            /* what is left is worth the one raw read */
            drop_window(self);
            Py_ssize_t more = raw_read(self, (char *)b.buf + got, b.len - got);
            got = more == -1 ? -1 : more > 0 ? got + more : got;
        }
    } else if (b.len == 0) {
        got = 0;
    } else if (self->writable && flush_output(self) < 0) {
        got = -1;
    } else if (b.len > self->size) {
        drop_window(self);
        got = raw_read(self, b.buf, b.len);
    } else {
        drop_window(self);
        got = fill_window(self);
        if (got > 0) {
            got = got < b.len ? got : b.len;
            memcpy(b.buf, self->buf + self->rpos, (size_t)got);
            self->rpos += got;
        }
    }
    leave(self);
    if (got == -2) {
        Py_RETURN_NONE;
    }
    return got < 0 ? NULL : PyLong_FromSsize_t(got);
}

static PyObject *
buffered_readinto(PyObject *op, PyObject *target)
{
    return readinto_common((Buffered *)op, target, false);
}

static PyObject *
buffered_readinto1(PyObject *op, PyObject *target)
{
    return readinto_common((Buffered *)op, target, true);
}

static PyObject *
buffered_peek(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Buffered *self = (Buffered *)op;
    if (!_PyArg_CheckPositional("peek", nargs, 0, 1)) {
        return NULL;
    }
    if (nargs) {
        Py_ssize_t n = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (check_open(self, "peek of closed file") < 0 || enter(self) < 0) {
        return NULL;
    }
    PyObject *res = NULL;
    if (!self->writable || flush_output(self) == 0) {
        Py_ssize_t n = unread(self);
        if (n == 0) {
            n = fill_window(self);
        }
        if (n != -1) {
            res = PyBytes_FromStringAndSize(self->buf + self->rpos, unread(self));
        }
    }
    leave(self);
    return res;
}

/* One line of limit bytes at most, -1 for any length. */
static PyObject *
read_line(Buffered *self, Py_ssize_t limit)
{
    if (check_open(self, "readline of closed file") < 0) {
        return NULL;
    }
    /* common case: the line is in the window; no lock needed under the GIL */
    Py_ssize_t n = unread(self);
    if (limit >= 0 && n > limit) {
        n = limit;
    }
    const char *start = self->buf + self->rpos;
    const char *nl = n > 0 ? memchr(start, '\n', (size_t)n) : NULL;
    if (nl || (limit >= 0 && n == limit)) {
        n = nl ? nl - start + 1 : n;
        PyObject *line = PyBytes_FromStringAndSize(start, n);
        if (line) {
            self->rpos += n;
        }
        return line;
    }
    if (enter(self) < 0) {
        return NULL;
    }
    PyObject *res = NULL, *chunks = NULL;
    if (self->writable && flush_output(self) < 0) {
        goto done;
    }
    for (;;) {
        n = unread(self);
        if (limit >= 0 && n > limit) {
            n = limit;
        }
        start = self->buf + self->rpos;
        nl = n > 0 ? memchr(start, '\n', (size_t)n) : NULL;
        if (nl) {
            n = nl - start + 1;
        }
        PyObject *part = PyBytes_FromStringAndSize(start, n);
        if (!part) {
            goto done;
        }
        self->rpos += n;
        if (limit >= 0) {
            limit -= n;
        }
        bool complete = nl || limit == 0;
        if (!complete) {
            Py_ssize_t got = fill_window(self);
            if (got == -1) {
                Py_DECREF(part);
                goto done;
            }
            complete = got <= 0;
        }
        if (complete && !chunks) {
            res = part;
            goto done;
        }
        if (!chunks && !(chunks = PyList_New(0))) {
            Py_DECREF(part);
            goto done;
        }
        int r = PyList_Append(chunks, part);
        Py_DECREF(part);
        if (r < 0) {
            goto done;
        }
        if (complete) {
            break;
        }
    }
    PyObject *empty = PyBytes_FromStringAndSize(NULL, 0);
    if (empty) {
        res = PyObject_CallMethodOneArg(empty, NJ_ID(join), chunks);
        Py_DECREF(empty);
    }
done:
    leave(self);
    Py_XDECREF(chunks);
    return res;
}

static PyObject *
buffered_readline(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Py_ssize_t n;
    if (!_PyArg_CheckPositional("readline", nargs, 0, 1) ||
        nj_io_size(nargs ? args[0] : NULL, &n) < 0) {
        return NULL;
    }
    return read_line((Buffered *)op, n);
}

static PyObject *
buffered_iternext(PyObject *op)
{
    NjIoState *st = nj_io_state_of(op);
    if (!st) {
        return NULL;
    }
    if (Py_IS_TYPE(op, st->reader) || Py_IS_TYPE(op, st->random)) {
        PyObject *line = read_line((Buffered *)op, -1);
        if (line && PyBytes_GET_SIZE(line) == 0) {
            Py_CLEAR(line);
        }
        return line;
    }
    NJ_OWN line = PyObject_CallMethodNoArgs(op, NJ_ID(readline));
    if (!line) {
        return NULL;
    }
    if (!PyBytes_Check(line)) {
        PyErr_Format(PyExc_OSError, "readline() should have returned a bytes object, not '%.200s'",
                     Py_TYPE(line)->tp_name);
        return NULL;
    }
    return PyBytes_GET_SIZE(line) == 0 ? NULL : NJ_TAKE(line);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Takes the bytes of b (lock held). 0/-1; raises BlockingIOError with how much it took. */
static int
write_out(Buffered *self, const char *data, Py_ssize_t len)
{
    if (rewind_window(self) < 0) {
        return -1;
    }
    if (len <= self->size - self->wend) {
        memcpy(self->buf + self->wend, data, (size_t)len);
        self->wend += len;
        return 0;
    }
    if (flush_output(self) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_BlockingIOError)) {
            return -1;
        }
        PyErr_Clear();
        Py_ssize_t room = self->size - self->wend;
        Py_ssize_t n = len < room ? len : room;
        memcpy(self->buf + self->wend, data, (size_t)n);
        self->wend += n;
        if (n == len) {
            return 0;
        }
        raise_blocking("write could not complete without blocking", n);
        return -1;
    }
    Py_ssize_t done = 0;
    while (len - done > self->size) {
        Py_ssize_t n = raw_write(self, data + done, len - done);
        if (n == -1) {
            return -1;
        }
        if (n == -2) {
            memcpy(self->buf, data + done, (size_t)self->size);
            self->wend = self->size;
            raise_blocking("write could not complete without blocking",
                           done + self->size);
            return -1;
        }
        done += n;
        if (PyErr_CheckSignals() < 0) {
            return -1;
        }
    }
    memcpy(self->buf, data + done, (size_t)(len - done));
    self->wend = len - done;
    return 0;
}

static PyObject *
buffered_write(PyObject *op, PyObject *data)
{
    Buffered *self = (Buffered *)op;
    NJ_OWN_BUF b = {0};
    if (check_init(self) < 0) {
        return NULL;
    }
    if (PyUnicode_Check(data)) {
        PyErr_Format(PyExc_TypeError, "a bytes-like object is required, not '%.100s'",
                     Py_TYPE(data)->tp_name);
        return NULL;
    }
    if (PyObject_GetBuffer(data, &b, PyBUF_SIMPLE) < 0 || enter(self) < 0) {
        return NULL;
    }
    int r = check_open(self, "write to closed file");
    if (r == 0) {
        r = write_out(self, b.buf, b.len);
    }
    leave(self);
    return r < 0 ? NULL : PyLong_FromSsize_t(b.len);
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
init_common(Buffered *self, PyObject *raw, Py_ssize_t size, bool readable, bool writable)
{
    if (size <= 0) {
        PyErr_SetString(PyExc_ValueError, "buffer size must be strictly positive");
        return -1;
    }
    char *buf = PyMem_Malloc((size_t)size);
    if (!buf) {
        PyErr_NoMemory();
        return -1;
    }
    if (!self->lock) {
        self->lock = PyThread_allocate_lock();
        if (!self->lock) {
            PyMem_Free(buf);
            PyErr_SetString(PyExc_RuntimeError, "can't allocate read lock");
            return -1;
        }
    }
    PyMem_Free(self->buf);
    self->buf = buf;
    self->size = size;
    self->readable = readable;
    self->writable = writable;
    self->detached = false;
    drop_window(self);
    self->wend = 0;
    self->abs_pos = -1;
    Py_XSETREF(self->raw, Py_NewRef(raw));
    self->ok = true;
    if (raw_tell(self) < 0) {
        PyErr_Clear(); /* unseekable */
    }
    return 0;
}

static int
init_args(const char *fname, PyObject *args, PyObject *kwds, PyObject **raw,
          Py_ssize_t *size)
{
    static const char *const names[] = {"raw", "buffer_size", NULL};
    NjParams params = {fname, names, 2, 1, 0};
    PyObject *a[2];
    if (nj_args_bind_tuple(&params, args, kwds, a) < 0) {
        return -1;
    }
    *raw = a[0];
    *size = NJ_IO_BUFFER_SIZE;
    if (a[1]) {
        *size = PyNumber_AsSsize_t(a[1], PyExc_OverflowError);
        if (*size == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

static int
init_kind(PyObject *op, PyObject *args, PyObject *kwds, const char *fname, bool readable,
          bool writable)
{
    Buffered *self = (Buffered *)op;
    PyObject *raw;
    Py_ssize_t size;
    NjIoState *st = nj_io_state_of(op);
    if (!st || init_args(fname, args, kwds, &raw, &size) < 0) {
        return -1;
    }
    self->ok = false;
    self->detached = false;
    if (readable && writable &&
        nj_io_check_able(st, raw, NJ_ID(seekable), "File or stream is not seekable.") < 0) {
        return -1;
    }
    if (readable &&
        nj_io_check_able(st, raw, NJ_ID(readable), "File or stream is not readable.") < 0) {
        return -1;
    }
    if (writable &&
        nj_io_check_able(st, raw, NJ_ID(writable), "File or stream is not writable.") < 0) {
        return -1;
    }
    return init_common(self, raw, size, readable, writable);
}

static int
reader_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    return init_kind(op, args, kwds, "BufferedReader", true, false);
}

static int
writer_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    return init_kind(op, args, kwds, "BufferedWriter", false, true);
}

static int
random_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    return init_kind(op, args, kwds, "BufferedRandom", true, true);
}

static int
buffered_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Buffered *)op)->raw);
    Py_VISIT(((NjIoBase *)op)->dict);
    return 0;
}

static int
buffered_clear(PyObject *op)
{
    ((Buffered *)op)->ok = false;
    Py_CLEAR(((Buffered *)op)->raw);
    Py_CLEAR(((NjIoBase *)op)->dict);
    return 0;
}

static void
buffered_dealloc(PyObject *op)
{
    Buffered *self = (Buffered *)op;
    PyTypeObject *tp = Py_TYPE(op);
    self->finalizing = 1;
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return;
    }
    PyObject_GC_UnTrack(op);
    self->ok = false;
    if (self->base.weaklist) {
        PyObject_ClearWeakRefs(op);
    }
    PyMem_Free(self->buf);
    self->buf = NULL;
    if (self->lock) {
        PyThread_free_lock(self->lock);
        self->lock = NULL;
    }
    buffered_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyObject *
buffered_repr(PyObject *op)
{
    return nj_io_repr_named(op, "_io");
}

static PyObject *
buffered_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Buffered *self = (Buffered *)op;
    return PyLong_FromSsize_t(Py_TYPE(op)->tp_basicsize + (self->buf ? self->size : 0));
}

static PyObject *
raise_no_pickle(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    const char *dot = strrchr(Py_TYPE(self)->tp_name, '.');
    PyErr_Format(PyExc_TypeError, "cannot pickle '%.100s' instances",
                 dot ? dot + 1 : Py_TYPE(self)->tp_name);
    return NULL;
}

#define FAST(f) (PyCFunction)(void (*)(void))(f)
#define M_DETACH                                                                       \
    {"detach", buffered_detach, METH_NOARGS,                                           \
     "detach($self, /)\n--\n\nSeparate and return the raw stream."}
#define M_CLOSE {"close", buffered_close, METH_NOARGS, "close($self, /)\n--\n\nFlush and close."}
#define M_COMMON                                                                       \
    {"seekable", buffered_seekable, METH_NOARGS, "seekable($self, /)\n--\n\nAsks raw."},  \
    {"fileno", buffered_fileno, METH_NOARGS, "fileno($self, /)\n--\n\nAsks raw."},        \
    {"isatty", buffered_isatty, METH_NOARGS, "isatty($self, /)\n--\n\nAsks raw."},        \
    {"_dealloc_warn", buffered_dealloc_warn, METH_O,                                   \
     "_dealloc_warn($self, source, /)\n--\n\n"},                                          \
    {"seek", FAST(buffered_seek), METH_FASTCALL,                                       \
     "seek($self, target, whence=0, /)\n--\n\nMove the position."},                       \
    {"tell", buffered_tell, METH_NOARGS, "tell($self, /)\n--\n\nThe position."},          \
    {"truncate", FAST(buffered_truncate), METH_FASTCALL,                               \
     "truncate($self, pos=None, /)\n--\n\nCut or extend the file."},                      \
    {"__sizeof__", buffered_sizeof, METH_NOARGS, "__sizeof__($self, /)\n--\n\n"},          \
    {"__getstate__", raise_no_pickle, METH_NOARGS, "__getstate__($self, /)\n--\n\n"}
#define M_READ                                                                         \
    {"readable", buffered_readable, METH_NOARGS, "readable($self, /)\n--\n\nAsks raw."},  \
    {"read", FAST(buffered_read), METH_FASTCALL,                                       \
     "read($self, size=-1, /)\n--\n\nRead size bytes, or to the end."},                   \
    {"peek", FAST(buffered_peek), METH_FASTCALL,                                       \
     "peek($self, size=0, /)\n--\n\nBuffered bytes without moving on."},                  \
    {"read1", FAST(buffered_read1), METH_FASTCALL,                                     \
     "read1($self, size=-1, /)\n--\n\nRead with one raw read at most."},                  \
    {"readinto", buffered_readinto, METH_O,                                            \
     "readinto($self, buffer, /)\n--\n\nRead into buffer."},                              \
    {"readinto1", buffered_readinto1, METH_O,                                          \
     "readinto1($self, buffer, /)\n--\n\nRead into buffer with one raw read at most."},   \
    {"readline", FAST(buffered_readline), METH_FASTCALL,                               \
     "readline($self, size=-1, /)\n--\n\nThe next line."}
#define M_WRITE                                                                        \
    {"writable", buffered_writable, METH_NOARGS, "writable($self, /)\n--\n\nAsks raw."},  \
    {"write", buffered_write, METH_O,                                                  \
     "write($self, buffer, /)\n--\n\nWrite the bytes of buffer."}

static PyMethodDef reader_methods[] = {
    M_DETACH,
    M_CLOSE,
    {"flush", buffered_simple_flush, METH_NOARGS, "flush($self, /)\n--\n\nAsks raw."},
    M_COMMON,
    M_READ,
    {0},
};

static PyMethodDef writer_methods[] = {
    M_DETACH,
    M_CLOSE,
    {"flush", buffered_flush, METH_NOARGS, "flush($self, /)\n--\n\nWrite out."},
    M_COMMON,
    M_WRITE,
    {0},
};

static PyMethodDef random_methods[] = {
    M_DETACH,
    M_CLOSE,
    {"flush", buffered_flush, METH_NOARGS, "flush($self, /)\n--\n\nWrite out."},
    M_COMMON,
    M_READ,
    M_WRITE,
    {0},
};

static PyMemberDef buffered_members[] = {
    {"raw", Py_T_OBJECT_EX, offsetof(Buffered, raw), Py_READONLY, NULL},
    {"_finalizing", Py_T_BOOL, offsetof(Buffered, finalizing), 0, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, weaklist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, dict), Py_READONLY, NULL},
    {0},
};

static PyGetSetDef buffered_getset[] = {
    {"closed", buffered_closed_get, NULL, NULL, NULL},
    {"name", buffered_name_get, NULL, NULL, NULL},
    {"mode", buffered_mode_get, NULL, NULL, NULL},
    {0},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_dealloc, buffered_dealloc},
    {Py_tp_repr, buffered_repr},
    {Py_tp_doc, "BufferedReader(raw, buffer_size=DEFAULT_BUFFER_SIZE)\n--\n\nA buffered "
                "reader over a readable raw stream."},
    {Py_tp_traverse, buffered_traverse},
    {Py_tp_clear, buffered_clear},
    {Py_tp_iternext, buffered_iternext},
    {Py_tp_methods, reader_methods},
    {Py_tp_members, buffered_members},
    {Py_tp_getset, buffered_getset},
    {Py_tp_init, reader_init},
    {0, NULL},
};

static PyType_Slot writer_slots[] = {
    {Py_tp_dealloc, buffered_dealloc},
    {Py_tp_repr, buffered_repr},
    {Py_tp_doc, "BufferedWriter(raw, buffer_size=DEFAULT_BUFFER_SIZE)\n--\n\nA buffered "
                "writer over a writable raw stream."},
    {Py_tp_traverse, buffered_traverse},
    {Py_tp_clear, buffered_clear},
    {Py_tp_methods, writer_methods},
    {Py_tp_members, buffered_members},
    {Py_tp_getset, buffered_getset},
    {Py_tp_init, writer_init},
    {0, NULL},
};

static PyType_Slot random_slots[] = {
    {Py_tp_dealloc, buffered_dealloc},
    {Py_tp_repr, buffered_repr},
    {Py_tp_doc, "BufferedRandom(raw, buffer_size=DEFAULT_BUFFER_SIZE)\n--\n\nA buffered "
                "stream over a seekable raw stream."},
    {Py_tp_traverse, buffered_traverse},
    {Py_tp_clear, buffered_clear},
    {Py_tp_iternext, buffered_iternext},
    {Py_tp_methods, random_methods},
    {Py_tp_members, buffered_members},
    {Py_tp_getset, buffered_getset},
    {Py_tp_init, random_init},
    {0, NULL},
};

#define BUFFERED_FLAGS                                                                 \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |                   \
     Py_TPFLAGS_IMMUTABLETYPE)

PyType_Spec nj_reader_spec = {
    .name = "_io.BufferedReader",
    .basicsize = sizeof(Buffered),
    .flags = BUFFERED_FLAGS,
    .slots = reader_slots,
};

PyType_Spec nj_writer_spec = {
    .name = "_io.BufferedWriter",
    .basicsize = sizeof(Buffered),
    .flags = BUFFERED_FLAGS,
    .slots = writer_slots,
};

PyType_Spec nj_random_spec = {
    .name = "_io.BufferedRandom",
    .basicsize = sizeof(Buffered),
    .flags = BUFFERED_FLAGS,
    .slots = random_slots,
};

/* ---- BufferedRWPair -------------------------------------------------------------------------- */

typedef struct RWPair {
    NjIoBase base;
    PyObject *reader; /* BufferedReader, NULL before __init__ */
    PyObject *writer; /* BufferedWriter */
} RWPair;

static int
rwpair_init(PyObject *op, PyObject *args, PyObject *kwds)
{
    RWPair *self = (RWPair *)op;
    PyObject *reader, *writer;
    Py_ssize_t size = NJ_IO_BUFFER_SIZE;
    NjIoState *st = nj_io_state_of(op);
    if (!st || (Py_IS_TYPE(op, st->rwpair) && !_PyArg_NoKeywords("BufferedRWPair", kwds)) ||
        !PyArg_ParseTuple(args, "OO|n:BufferedRWPair", &reader, &writer, &size)) {
        return -1;
    }
    if (nj_io_check_able(st, reader, NJ_ID(readable), "File or stream is not readable.") <
            0 ||
        nj_io_check_able(st, writer, NJ_ID(writable), "File or stream is not writable.") <
            0) {
        return -1;
    }
    NJ_OWN r = PyObject_CallFunction((PyObject *)st->reader, "On", reader, size);
    NJ_OWN w = r ? PyObject_CallFunction((PyObject *)st->writer, "On", writer, size) : NULL;
    if (!w) {
        return -1;
    }
    Py_XSETREF(self->reader, NJ_TAKE(r));
    Py_XSETREF(self->writer, NJ_TAKE(w));
    return 0;
}

static PyObject *
rwpair_forward(PyObject *to, PyObject *name, PyObject *const *args, Py_ssize_t nargs)
{
    if (!to) {
        PyErr_SetString(PyExc_ValueError, "I/O operation on uninitialized object");
        return NULL;
    }
    NJ_OWN method = PyObject_GetAttr(to, name);
    return method ? PyObject_Vectorcall(method, args, (size_t)nargs, NULL) : NULL;
}

#define RWPAIR_METHOD(cname, end, id)                                                  \
    static PyObject *cname(PyObject *op, PyObject *const *args, Py_ssize_t nargs)      \
    {                                                                                  \
        return rwpair_forward(((RWPair *)op)->end, NJ_ID(id), args, nargs);            \
    }
RWPAIR_METHOD(rwpair_read, reader, read)
RWPAIR_METHOD(rwpair_peek, reader, peek)
RWPAIR_METHOD(rwpair_read1, reader, read1)
RWPAIR_METHOD(rwpair_readinto, reader, readinto)
RWPAIR_METHOD(rwpair_readinto1, reader, readinto1)
RWPAIR_METHOD(rwpair_write, writer, write)

static PyObject *
rwpair_flush(PyObject *op, PyObject *Py_UNUSED(i))
{
    return rwpair_forward(((RWPair *)op)->writer, NJ_ID(flush), NULL, 0);
}

static PyObject *
rwpair_readable(PyObject *op, PyObject *Py_UNUSED(i))
{
    return rwpair_forward(((RWPair *)op)->reader, NJ_ID(readable), NULL, 0);
}

static PyObject *
rwpair_writable(PyObject *op, PyObject *Py_UNUSED(i))
{
    return rwpair_forward(((RWPair *)op)->writer, NJ_ID(writable), NULL, 0);
}

static PyObject *
rwpair_close(PyObject *op, PyObject *Py_UNUSED(i))
{
    NJ_OWN w = rwpair_forward(((RWPair *)op)->writer, NJ_ID(close), NULL, 0);
    PyObject *exc = w ? NULL : PyErr_GetRaisedException();
    NJ_OWN r = rwpair_forward(((RWPair *)op)->reader, NJ_ID(close), NULL, 0);
    if (exc) {
        chain(exc);
        return NULL;
    }
    return NJ_TAKE(r);
}

static PyObject *
rwpair_isatty(PyObject *op, PyObject *Py_UNUSED(i))
{
    NJ_OWN r = rwpair_forward(((RWPair *)op)->writer, NJ_ID(isatty), NULL, 0);
    if (!r || r != Py_False) {
        return NJ_TAKE(r);
    }
    return rwpair_forward(((RWPair *)op)->reader, NJ_ID(isatty), NULL, 0);
}

static PyObject *
rwpair_closed_get(PyObject *op, void *Py_UNUSED(c))
{
    RWPair *self = (RWPair *)op;
    if (!self->writer) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the BufferedRWPair object is being garbage-collected");
        return NULL;
    }
    return PyObject_GetAttr(self->writer, NJ_ID(closed));
}

static int
rwpair_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((NjIoBase *)op)->dict);
    Py_VISIT(((RWPair *)op)->reader);
    Py_VISIT(((RWPair *)op)->writer);
    return 0;
}

static int
rwpair_clear(PyObject *op)
{
    Py_CLEAR(((RWPair *)op)->reader);
    Py_CLEAR(((RWPair *)op)->writer);
    Py_CLEAR(((NjIoBase *)op)->dict);
    return 0;
}

static void
rwpair_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((NjIoBase *)op)->weaklist) {
        PyObject_ClearWeakRefs(op);
    }
    rwpair_clear(op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyMethodDef rwpair_methods[] = {
    {"read", FAST(rwpair_read), METH_FASTCALL, NULL},
    {"peek", FAST(rwpair_peek), METH_FASTCALL, NULL},
    {"read1", FAST(rwpair_read1), METH_FASTCALL, NULL},
    {"readinto", FAST(rwpair_readinto), METH_FASTCALL, NULL},
    {"readinto1", FAST(rwpair_readinto1), METH_FASTCALL, NULL},
    {"write", FAST(rwpair_write), METH_FASTCALL, NULL},
    {"flush", rwpair_flush, METH_NOARGS, "flush($self, /)\n--\n\n"},
    {"readable", rwpair_readable, METH_NOARGS, "readable($self, /)\n--\n\n"},
    {"writable", rwpair_writable, METH_NOARGS, "writable($self, /)\n--\n\n"},
    {"close", rwpair_close, METH_NOARGS, "close($self, /)\n--\n\n"},
    {"isatty", rwpair_isatty, METH_NOARGS, "isatty($self, /)\n--\n\n"},
    {0},
};

static PyGetSetDef rwpair_getset[] = {
    {"closed", rwpair_closed_get, NULL, NULL, NULL},
    {0},
};

static PyMemberDef rwpair_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, weaklist), Py_READONLY, NULL},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(NjIoBase, dict), Py_READONLY, NULL},
    {0},
};

static PyType_Slot rwpair_slots[] = {
    {Py_tp_dealloc, rwpair_dealloc},
    {Py_tp_doc, "BufferedRWPair(reader, writer, buffer_size=DEFAULT_BUFFER_SIZE, /)\n--\n\n"
                "A buffered reader and writer, two endpoints of one object."},
    {Py_tp_traverse, rwpair_traverse},
    {Py_tp_clear, rwpair_clear},
    {Py_tp_methods, rwpair_methods},
    {Py_tp_members, rwpair_members},
    {Py_tp_getset, rwpair_getset},
    {Py_tp_init, rwpair_init},
    {0, NULL},
};

PyType_Spec nj_rwpair_spec = {
    .name = "_io.BufferedRWPair",
    .basicsize = sizeof(RWPair),
    .flags = BUFFERED_FLAGS,
    .slots = rwpair_slots,
};

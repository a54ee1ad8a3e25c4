/* posix_fd.c - functions of the posix module that work on descriptors.
 * SPDX-License-Identifier: MIT
 */
#include "modules/posix/posix_int.h"

#include <langinfo.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>

#define KWLIST(...) static char *const names[] = {__VA_ARGS__, NULL}
#define PARSE(format, ...)                                                             \
    PyArg_ParseTupleAndKeywords(args, kw, format, names, __VA_ARGS__)

static PyObject *
done(int r)
{
    return r < 0 ? posix_error() : Py_NewRef(Py_None);
}

static int
int_arg(PyObject *o, int *out)
{
    *out = PyLong_AsInt(o);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
posix_close(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd");
    int fd, r;
    if (!PARSE("i:close", &fd)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = close(fd); /* not retried: the descriptor is gone even after EINTR */
    Py_END_ALLOW_THREADS
    return done(r);
}

static PyObject *
posix_closerange(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int lo, hi;
    if (!_PyArg_ParseStack(args, nargs, "ii:closerange", &lo, &hi)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    if (hi > lo && close_range((unsigned)(lo < 0 ? 0 : lo), (unsigned)hi - 1, 0) != 0) {
        for (int fd = lo < 0 ? 0 : lo; fd < hi; fd++) {
            close(fd);
        }
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *
posix_dup(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd, r;
    if (int_arg(arg, &fd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_error() : PyLong_FromLong(r);
}

static PyObject *
posix_dup2(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd", "fd2", "inheritable");
    int fd, fd2, inheritable = 1, r;
    if (!PARSE("ii|p:dup2", &fd, &fd2, &inheritable)) {
        return NULL;
    }
    if (fd < 0 || fd2 < 0) {
        errno = EBADF;
        return posix_error();
    }
    Py_BEGIN_ALLOW_THREADS
    r = inheritable || fd == fd2 ? dup2(fd, fd2) : dup3(fd, fd2, O_CLOEXEC);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_error() : PyLong_FromLong(r);
}

static PyObject *
posix_read(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    Py_ssize_t length;
    if (!_PyArg_ParseStack(args, nargs, "in:read", &fd, &length)) {
        return NULL;
    }
    if (length < 0) {
        errno = EINVAL;
        return posix_error();
    }
    PyObject *b = PyBytes_FromStringAndSize(NULL, length);
    if (!b) {
        return NULL;
    }
    ssize_t n;
    POSIX_CALL(n, read(fd, PyBytes_AS_STRING(b), (size_t)length));
    if (n < 0) {
        Py_DECREF(b);
        return posix_error();
    }
    if (n != length) {
        _PyBytes_Resize(&b, n);
    }
    return b;
}

static PyObject *
posix_readinto(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    NJ_OWN_BUF b = {0};
    if (!_PyArg_ParseStack(args, nargs, "iw*:readinto", &fd, &b)) {
        return NULL;
    }
    ssize_t n;
    POSIX_CALL(n, read(fd, b.buf, (size_t)b.len));
    return n < 0 ? posix_error() : PyLong_FromSsize_t(n);
}

static PyObject *
posix_write(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    NJ_OWN_BUF b = {0};
    if (!_PyArg_ParseStack(args, nargs, "iy*:write", &fd, &b)) {
        return NULL;
    }
    ssize_t n;
    POSIX_CALL(n, write(fd, b.buf, (size_t)b.len));
    return n < 0 ? posix_error() : PyLong_FromSsize_t(n);
}

static PyObject *
posix_pread(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, length;
    off_t offset;
    if (!_PyArg_ParseStack(args, nargs, "iiO&:pread", &fd, &length, posix_off_converter, &offset)) {
        return NULL;
    }
    if (length < 0) {
        errno = EINVAL;
        return posix_error();
    }
    PyObject *b = PyBytes_FromStringAndSize(NULL, length);
    if (!b) {
        return NULL;
    }
    ssize_t n;
    POSIX_CALL(n, pread(fd, PyBytes_AS_STRING(b), (size_t)length, offset));
    if (n < 0) {
        Py_DECREF(b);
        return posix_error();
    }
    _PyBytes_Resize(&b, n);
    return b;
}

static PyObject *
posix_pwrite(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    off_t offset;
    NJ_OWN_BUF b = {0};
    if (!_PyArg_ParseStack(args, nargs, "iy*O&:pwrite", &fd, &b, posix_off_converter, &offset)) {
        return NULL;
    }
    ssize_t n;
    POSIX_CALL(n, pwrite(fd, b.buf, (size_t)b.len, offset));
    return n < 0 ? posix_error() : PyLong_FromSsize_t(n);
}

/* ---- scatter and gather --------------------------------------------------------------------- */

typedef struct Vectors {
    int count;
    struct iovec *iov;
    Py_buffer *views;
} Vectors;

static void
vectors_clear(Vectors *v)
{
    for (int i = 0; v->views && i < v->count; i++) {
        PyBuffer_Release(&v->views[i]);
    }
    PyMem_Free(v->iov);
    PyMem_Free(v->views);
}

#define NJ_VECTORS(name) __attribute__((cleanup(vectors_clear))) Vectors name = {0}

static int
vectors_get(Vectors *v, PyObject *seq, const char *fname, int flags)
{
    if (!PySequence_Check(seq)) {
        PyErr_Format(PyExc_TypeError, "%s() arg 2 must be a sequence", fname);
        return -1;
    }
    Py_ssize_t n = PySequence_Size(seq);
    if (n < 0) {
        return -1;
    }
    if (n > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too many buffers");
        return -1;
    }
    v->iov = PyMem_Calloc((size_t)n + 1, sizeof(*v->iov));
    v->views = PyMem_Calloc((size_t)n + 1, sizeof(*v->views));
    if (!v->iov || !v->views) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN item = PySequence_GetItem(seq, i);
        if (!item || PyObject_GetBuffer(item, &v->views[i], flags) < 0) {
            return -1;
        }
        v->count++;
        v->iov[i].iov_base = v->views[i].buf;
        v->iov[i].iov_len = (size_t)v->views[i].len;
    }
    return 0;
}

static PyObject *
vector_io(PyObject *args, const char *fname, bool write, bool positioned)
{
    int fd, flags = 0;
    PyObject *seq;
    off_t offset = 0;
    char format[40];
    snprintf(format, sizeof(format), positioned ? "iOO&|i:%s" : "iO:%s", fname);
    if (positioned ? !PyArg_ParseTuple(args, format, &fd, &seq, posix_off_converter,
                                       &offset, &flags)
                   : !PyArg_ParseTuple(args, format, &fd, &seq)) {
        return NULL;
    }
    NJ_VECTORS(v);
    if (vectors_get(&v, seq, fname, write ? PyBUF_SIMPLE : PyBUF_WRITABLE) < 0) {
        return NULL;
    }
    ssize_t n;
    POSIX_CALL(n, positioned ? (write ? pwritev2(fd, v.iov, v.count, offset, flags)
                                      : preadv2(fd, v.iov, v.count, offset, flags))
                  : write ? writev(fd, v.iov, v.count)
                          : readv(fd, v.iov, v.count));
    return n < 0 ? posix_error() : PyLong_FromSsize_t(n);
}

static PyObject *
posix_readv(PyObject *Py_UNUSED(m), PyObject *args)
{
    return vector_io(args, "readv", false, false);
}

static PyObject *
posix_writev(PyObject *Py_UNUSED(m), PyObject *args)
{
    return vector_io(args, "writev", true, false);
}

static PyObject *
posix_preadv(PyObject *Py_UNUSED(m), PyObject *args)
{
    return vector_io(args, "preadv", false, true);
}

static PyObject *
posix_pwritev(PyObject *Py_UNUSED(m), PyObject *args)
{
    return vector_io(args, "pwritev", true, true);
}

/* ---- position, size, flags ------------------------------------------------------------------- */

static PyObject *
posix_lseek(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, whence;
    off_t pos, r;
    if (!_PyArg_ParseStack(args, nargs, "iO&i:lseek", &fd, posix_off_converter, &pos, &whence)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = lseek(fd, pos, whence);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_error() : PyLong_FromLongLong(r);
}

static PyObject *
posix_ftruncate(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, r;
    off_t length;
    if (!_PyArg_ParseStack(args, nargs, "iO&:ftruncate", &fd, posix_off_converter, &length) ||
        PySys_Audit("os.truncate", "in", fd, (Py_ssize_t)length) < 0) {
        return NULL;
    }
    POSIX_CALL(r, ftruncate(fd, length));
    return done(r);
}

#define FD_KW_CALL(cname, text, call)                                                  \
    static PyObject *cname(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)       \
    {                                                                                  \
        KWLIST("fd");                                                                  \
        int fd, r;                                                                     \
        if (!PARSE("O&:" text, posix_fd_converter, &fd)) {                             \
            return NULL;                                                               \
        }                                                                              \
        POSIX_CALL(r, call);                                                           \
        return done(r);                                                                \
    }
FD_KW_CALL(posix_fsync, "fsync", fsync(fd))
FD_KW_CALL(posix_fdatasync, "fdatasync", fdatasync(fd))
FD_KW_CALL(posix_fchdir, "fchdir", fchdir(fd))

static PyObject *
posix_fchmod(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd", "mode");
    int fd, mode, r;
    if (!PARSE("ii:fchmod", &fd, &mode) ||
        PySys_Audit("os.chmod", "iii", fd, mode, -1) < 0) {
        return NULL;
    }
    POSIX_CALL(r, fchmod(fd, (mode_t)mode));
    return done(r);
}

static PyObject *
posix_fchown(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd", "uid", "gid");
    int fd, r;
    uid_t uid;
    gid_t gid;
    if (!PARSE("iO&O&:fchown", &fd, posix_uid_converter, &uid, posix_gid_converter, &gid) ||
        PySys_Audit("os.chown", "iIIi", fd, uid, gid, -1) < 0) {
        return NULL;
    }
    POSIX_CALL(r, fchown(fd, uid, gid));
    return done(r);
}

static PyObject *
posix_isatty(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd, r;
    if (int_arg(arg, &fd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = isatty(fd);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(r);
}

static PyObject *
posix_ttyname(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd;
    char buf[PATH_MAX];
    if (int_arg(arg, &fd) < 0) {
        return NULL;
    }
    int err = ttyname_r(fd, buf, sizeof(buf));
    return err ? posix_errno(err) : PyUnicode_DecodeFSDefault(buf);
}

static PyObject *
posix_get_inheritable(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd;
    if (int_arg(arg, &fd) < 0) {
        return NULL;
    }
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 ? posix_error() : PyBool_FromLong(!(flags & FD_CLOEXEC));
}

static PyObject *
posix_set_inheritable(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, inheritable;
    if (!_PyArg_ParseStack(args, nargs, "ii:set_inheritable", &fd, &inheritable)) {
        return NULL;
    }
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0) {
        flags = inheritable ? flags & ~FD_CLOEXEC : flags | FD_CLOEXEC;
        flags = fcntl(fd, F_SETFD, flags);
    }
    return done(flags);
}

static PyObject *
posix_get_blocking(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd;
    if (int_arg(arg, &fd) < 0) {
        return NULL;
    }
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? posix_error() : PyBool_FromLong(!(flags & O_NONBLOCK));
}

static PyObject *
posix_set_blocking(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, blocking;
    if (!_PyArg_ParseStack(args, nargs, "ip:set_blocking", &fd, &blocking)) {
        return NULL;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0) {
        flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
        flags = fcntl(fd, F_SETFL, flags);
    }
    return done(flags);
}

static PyObject *
posix_lockf(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, command, r;
    off_t length;
    if (!_PyArg_ParseStack(args, nargs, "iiO&:lockf", &fd, &command, posix_off_converter, &length) ||
        PySys_Audit("os.lockf", "iiL", fd, command, (long long)length) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = lockf(fd, command, length);
    Py_END_ALLOW_THREADS
    return done(r);
}

static PyObject *
posix_fpathconf(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int fd;
    PyObject *name;
    if (!_PyArg_ParseStack(args, nargs, "O&O:fpathconf", posix_fd_converter, &fd, &name)) {
        return NULL;
    }
    NJ_OWN num = NULL;
    if (PyUnicode_Check(name)) {
        NJ_OWN table = PyObject_GetAttrString(module, "pathconf_names");
        if (!table || PyDict_GetItemRef(table, name, &num) < 0) {
            return NULL;
        }
        if (!num) {
            PyErr_SetString(PyExc_ValueError, "unrecognized configuration name");
            return NULL;
        }
    } else {
        num = Py_NewRef(name);
    }
    int n;
    if (int_arg(num, &n) < 0) {
        return NULL;
    }
    errno = 0;
    long v = fpathconf(fd, n);
    return v == -1 && errno ? posix_error() : PyLong_FromLong(v);
}

static PyObject *
posix_device_encoding(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd");
    int fd;
    if (!PARSE("i:device_encoding", &fd)) {
        return NULL;
    }
    if (!isatty(fd)) {
        Py_RETURN_NONE;
    }
    const char *s = nl_langinfo(CODESET);
    return PyUnicode_FromString(s && *s ? s : "UTF-8");
}

static PyObject *
posix_get_terminal_size(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    int fd = STDOUT_FILENO;
    struct winsize w;
    if (!_PyArg_ParseStack(args, nargs, "|i:get_terminal_size", &fd)) {
        return NULL;
    }
    if (ioctl(fd, TIOCGWINSZ, &w) != 0) {
        return posix_error();
    }
    NJ_OWN v = PyStructSequence_New(posix_state(module)->terminal_size);
    if (!v) {
        return NULL;
    }
    PyStructSequence_SetItem(v, 0, PyLong_FromLong(w.ws_col));
    PyStructSequence_SetItem(v, 1, PyLong_FromLong(w.ws_row));
    return PyErr_Occurred() ? NULL : NJ_TAKE(v);
}

/* ---- pipes, terminals, copies ------------------------------------------------------------------ */

static PyObject *
posix_pipe(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    int fds[2], r;
    Py_BEGIN_ALLOW_THREADS
    r = pipe2(fds, O_CLOEXEC);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_error() : Py_BuildValue("(ii)", fds[0], fds[1]);
}

static PyObject *
posix_pipe2(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int flags, fds[2];
    if (int_arg(arg, &flags) < 0) {
        return NULL;
    }
    return pipe2(fds, flags) < 0 ? posix_error() : Py_BuildValue("(ii)", fds[0], fds[1]);
}

static PyObject *
posix_openpty(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    int master, slave;
    if (openpty(&master, &slave, NULL, NULL, NULL) != 0) {
        return posix_error();
    }
    fcntl(master, F_SETFD, FD_CLOEXEC);
    fcntl(slave, F_SETFD, FD_CLOEXEC);
    return Py_BuildValue("(ii)", master, slave);
}

static PyObject *
posix_login_tty(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg);
    return fd < 0 ? NULL : done(login_tty(fd));
}

static PyObject *
posix_posix_openpt(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int flags;
    if (int_arg(arg, &flags) < 0) {
        return NULL;
    }
    int fd = posix_openpt(flags | O_CLOEXEC);
    return fd < 0 ? posix_error() : PyLong_FromLong(fd);
}

static PyObject *
posix_grantpt(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg);
    return fd < 0 ? NULL : done(grantpt(fd));
}

static PyObject *
posix_unlockpt(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg);
    return fd < 0 ? NULL : done(unlockpt(fd));
}

static PyObject *
posix_ptsname(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg);
    char name[128];
    if (fd < 0) {
        return NULL;
    }
    int err = ptsname_r(fd, name, sizeof(name));
    return err ? posix_errno(err) : PyUnicode_DecodeFSDefault(name);
}

static PyObject *
posix_sendfile(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("out_fd", "in_fd", "offset", "count");
    int out, in;
    PyObject *offobj;
    Py_ssize_t count;
    if (!PARSE("iiOn:sendfile", &out, &in, &offobj, &count)) {
        return NULL;
    }
    off_t offset = 0;
    if (offobj != Py_None && !posix_off_converter(offobj, &offset)) {
        return NULL;
    }
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "count cannot be negative");
        return NULL;
    }
    ssize_t n;
    POSIX_CALL(n, sendfile(out, in, offobj == Py_None ? NULL : &offset, (size_t)count));
    return n < 0 ? posix_error() : PyLong_FromSsize_t(n);
}

static PyObject *
copy_range(PyObject *args, PyObject *kw, bool use_splice)
{
    static char *const cnames[] = {"src",        "dst",        "count",
                                   "offset_src", "offset_dst", NULL};
    static char *const snames[] = {"src",        "dst",        "count",
                                   "offset_src", "offset_dst", "flags", NULL};
    int src, dst;
    Py_ssize_t count;
    PyObject *osrc = Py_None, *odst = Py_None;
    unsigned flags = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kw,
                                     use_splice ? "iin|OOI:splice" : "iin|OO:copy_file_range",
                                     use_splice ? snames : cnames, &src, &dst, &count, &osrc,
                                     &odst, &flags)) {
        return NULL;
    }
    if (count < 0) {
        PyErr_SetString(PyExc_ValueError, "negative value for 'count' not allowed");
        return NULL;
    }
    off_t so = 0, d = 0;
    if ((osrc != Py_None && !posix_off_converter(osrc, &so)) ||
        (odst != Py_None && !posix_off_converter(odst, &d))) {
        return NULL;
    }
    off_t *pso = osrc == Py_None ? NULL : &so, *pdo = odst == Py_None ? NULL : &d;
    ssize_t n;
    POSIX_CALL(n, use_splice ? splice(src, pso, dst, pdo, (size_t)count, flags)
                             : copy_file_range(src, pso, dst, pdo, (size_t)count, 0));
    return n < 0 ? posix_error() : PyLong_FromSsize_t(n);
}

static PyObject *
posix_copy_file_range(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return copy_range(args, kw, false);
}

static PyObject *
posix_splice(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return copy_range(args, kw, true);
}

static PyObject *
posix_fadvise_(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, advice, err;
    off_t offset, length;
    if (!_PyArg_ParseStack(args, nargs, "iO&O&i:posix_fadvise", &fd, posix_off_converter, &offset,
                          posix_off_converter, &length, &advice)) {
        return NULL;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        err = posix_fadvise(fd, offset, length, advice);
        Py_END_ALLOW_THREADS
    } while (err == EINTR && PyErr_CheckSignals() == 0);
    return err ? posix_errno(err) : Py_NewRef(Py_None);
}

static PyObject *
posix_fallocate_(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int fd, err;
    off_t offset, length;
    if (!_PyArg_ParseStack(args, nargs, "iO&O&:posix_fallocate", &fd, posix_off_converter, &offset,
                          posix_off_converter, &length)) {
        return NULL;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        err = posix_fallocate(fd, offset, length);
        Py_END_ALLOW_THREADS
    } while (err == EINTR && PyErr_CheckSignals() == 0);
    return err ? posix_errno(err) : Py_NewRef(Py_None);
}

/* ---- special descriptors ------------------------------------------------------------------------- */

static PyObject *
posix_eventfd(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("initval", "flags");
    unsigned initval;
    int flags = EFD_CLOEXEC, fd;
    if (!PARSE("I|i:eventfd", &initval, &flags)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    fd = eventfd(initval, flags);
    Py_END_ALLOW_THREADS
    return fd < 0 ? posix_error() : PyLong_FromLong(fd);
}

static PyObject *
posix_eventfd_read(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd");
    int fd, r;
    eventfd_t value;
    if (!PARSE("O&:eventfd_read", posix_fd_converter, &fd)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = eventfd_read(fd, &value);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_error() : PyLong_FromUnsignedLongLong(value);
}

static PyObject *
posix_eventfd_write(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd", "value");
    int fd, r;
    unsigned long long value;
    if (!PARSE("O&K:eventfd_write", posix_fd_converter, &fd, &value)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = eventfd_write(fd, value);
    Py_END_ALLOW_THREADS
    return done(r);
}

static PyObject *
posix_memfd_create(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("name", "flags");
    PyObject *name;
    unsigned flags = MFD_CLOEXEC;
    int fd;
    if (!PARSE("O&|I:memfd_create", PyUnicode_FSConverter, &name, &flags)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    fd = memfd_create(PyBytes_AS_STRING(name), flags);
    Py_END_ALLOW_THREADS
    Py_DECREF(name);
    return fd < 0 ? posix_error() : PyLong_FromLong(fd);
}

static double
timespec_seconds(const struct timespec *t)
{
    return (double)t->tv_sec + 1e-9 * (double)t->tv_nsec;
}

static PyObject *
timer_value(const struct itimerspec *v, bool ns)
{
    if (ns) {
        return Py_BuildValue("(LL)",
                             (long long)v->it_value.tv_sec * 1000000000 + v->it_value.tv_nsec,
                             (long long)v->it_interval.tv_sec * 1000000000 +
                                 v->it_interval.tv_nsec);
    }
    return Py_BuildValue("(dd)", timespec_seconds(&v->it_value),
                         timespec_seconds(&v->it_interval));
}

static PyObject *
posix_timerfd_create(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    static char *const names[] = {"", "flags", NULL};
    int clock, flags = TFD_CLOEXEC, fd;
    if (!PARSE("i|$i:timerfd_create", &clock, &flags)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    fd = timerfd_create(clock, flags | TFD_CLOEXEC);
    Py_END_ALLOW_THREADS
    return fd < 0 ? posix_error() : PyLong_FromLong(fd);
}

static struct timespec
to_timespec(double d)
{
    double whole = __builtin_floor(d);
    return (struct timespec){(time_t)whole, (long)((d - whole) * 1e9)};
}

static PyObject *
timerfd_set(PyObject *args, PyObject *kw, bool ns)
{
    static char *const names[] = {"", "flags", "initial", "interval", NULL};
    int fd, flags = 0, r;
    struct itimerspec v, old;
    if (ns) {
        long long initial = 0, interval = 0;
        if (!PARSE("O&|$iLL:timerfd_settime_ns", posix_fd_converter, &fd, &flags, &initial,
                   &interval)) {
            return NULL;
        }
        v.it_value = (struct timespec){initial / 1000000000, initial % 1000000000};
        v.it_interval = (struct timespec){interval / 1000000000, interval % 1000000000};
    } else {
        double initial = 0, interval = 0;
        if (!PARSE("O&|$idd:timerfd_settime", posix_fd_converter, &fd, &flags, &initial,
                   &interval)) {
            return NULL;
        }
        v.it_value = to_timespec(initial);
        v.it_interval = to_timespec(interval);
    }
    Py_BEGIN_ALLOW_THREADS
    r = timerfd_settime(fd, flags, &v, &old);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_error() : timer_value(&old, ns);
}

static PyObject *
posix_timerfd_settime(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return timerfd_set(args, kw, false);
}

static PyObject *
posix_timerfd_settime_ns(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return timerfd_set(args, kw, true);
}

static PyObject *
timerfd_get(PyObject *arg, bool ns)
{
    int fd = PyObject_AsFileDescriptor(arg);
    struct itimerspec v;
    if (fd < 0) {
        return NULL;
    }
    return timerfd_gettime(fd, &v) < 0 ? posix_error() : timer_value(&v, ns);
}

static PyObject *
posix_timerfd_gettime(PyObject *Py_UNUSED(m), PyObject *arg)
{
    return timerfd_get(arg, false);
}

static PyObject *
posix_timerfd_gettime_ns(PyObject *Py_UNUSED(m), PyObject *arg)
{
    return timerfd_get(arg, true);
}

/* ---- randomness ------------------------------------------------------------------------------------ */

static PyObject *
random_bytes(Py_ssize_t size, int flags, bool all)
{
    PyObject *b = PyBytes_FromStringAndSize(NULL, size);
    if (!b) {
        return NULL;
    }
    Py_ssize_t got = 0;
    do {
        ssize_t n;
        POSIX_CALL(n, getrandom(PyBytes_AS_STRING(b) + got, (size_t)(size - got),
                                (unsigned)flags));
        if (n < 0) {
            Py_DECREF(b);
            return posix_error();
        }
        got += n;
    } while (all && got < size);
    if (got != size) {
        _PyBytes_Resize(&b, got);
    }
    return b;
}

static PyObject *
posix_urandom(PyObject *Py_UNUSED(m), PyObject *arg)
{
    Py_ssize_t size = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (size < 0) {
        PyErr_SetString(PyExc_ValueError, "negative argument not allowed");
        return NULL;
    }
    return random_bytes(size, 0, true);
}

static PyObject *
posix_getrandom(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("size", "flags");
    Py_ssize_t size;
    int flags = 0;
    if (!PARSE("n|i:getrandom", &size, &flags)) {
        return NULL;
    }
    if (size < 0) {
        errno = EINVAL;
        return posix_error();
    }
    return random_bytes(size, flags, false);
}

#define KW (METH_VARARGS | METH_KEYWORDS)
#define FUNC(f) (PyCFunction)(void (*)(void))(f)

PyMethodDef posix_fd_methods[] = {
    {"close", FUNC(posix_close), KW, "close($module, /, fd)\n--\n\nClose a descriptor."},
    {"closerange", (PyCFunction)(void *)posix_closerange, METH_FASTCALL,
     "closerange($module, fd_low, fd_high, /)\n--\n\nClose a range, ignoring errors."},
    {"dup", posix_dup, METH_O, "dup($module, fd, /)\n--\n\nDuplicate a descriptor."},
    {"dup2", FUNC(posix_dup2), KW,
     "dup2($module, /, fd, fd2, inheritable=True)\n--\n\nDuplicate fd as fd2."},
    {"read", (PyCFunction)(void *)posix_read,
     METH_FASTCALL, "read($module, fd, length, /)\n--\n\nRead bytes."},
    {"readinto", (PyCFunction)(void *)posix_readinto, METH_FASTCALL,
     "readinto($module, fd, buffer, /)\n--\n\nRead into a buffer."},
    {"write", (PyCFunction)(void *)posix_write,
     METH_FASTCALL, "write($module, fd, data, /)\n--\n\nWrite bytes."},
    {"pread", (PyCFunction)(void *)posix_pread, METH_FASTCALL,
     "pread($module, fd, length, offset, /)\n--\n\nRead at an offset."},
    {"pwrite", (PyCFunction)(void *)posix_pwrite, METH_FASTCALL,
     "pwrite($module, fd, buffer, offset, /)\n--\n\nWrite at an offset."},
    {"readv", posix_readv, METH_VARARGS,
     "readv($module, fd, buffers, /)\n--\n\nRead into several buffers."},
    {"writev", posix_writev, METH_VARARGS,
     "writev($module, fd, buffers, /)\n--\n\nWrite several buffers."},
    {"preadv", posix_preadv, METH_VARARGS,
     "preadv($module, fd, buffers, offset, flags=0, /)\n--\n\nreadv at an offset."},
    {"pwritev", posix_pwritev, METH_VARARGS,
     "pwritev($module, fd, buffers, offset, flags=0, /)\n--\n\nwritev at an offset."},
    {"lseek", (PyCFunction)(void *)posix_lseek, METH_FASTCALL,
     "lseek($module, fd, position, whence, /)\n--\n\nMove the file position."},
    {"ftruncate", (PyCFunction)(void *)posix_ftruncate, METH_FASTCALL,
     "ftruncate($module, fd, length, /)\n--\n\nCut or extend an open file."},
    {"fsync", FUNC(posix_fsync), KW, "fsync($module, /, fd)\n--\n\nForce to disk."},
    {"fdatasync", FUNC(posix_fdatasync), KW,
     "fdatasync($module, /, fd)\n--\n\nForce the data to disk."},
    {"fchdir", FUNC(posix_fchdir), KW,
     "fchdir($module, /, fd)\n--\n\nChange to an open directory."},
    {"fchmod", FUNC(posix_fchmod), KW,
     "fchmod($module, /, fd, mode)\n--\n\nChange an open file's permissions."},
    {"fchown", FUNC(posix_fchown), KW,
     "fchown($module, /, fd, uid, gid)\n--\n\nChange an open file's owner."},
    {"isatty", posix_isatty, METH_O, "isatty($module, fd, /)\n--\n\nIs fd a terminal?"},
    {"ttyname", posix_ttyname, METH_O, "ttyname($module, fd, /)\n--\n\nThe terminal's name."},
    {"get_inheritable", posix_get_inheritable, METH_O,
     "get_inheritable($module, fd, /)\n--\n\nWhether children inherit fd."},
    {"set_inheritable", (PyCFunction)(void *)posix_set_inheritable, METH_FASTCALL,
     "set_inheritable($module, fd, inheritable, /)\n--\n\nSet whether children inherit fd."},
    {"get_blocking", posix_get_blocking, METH_O,
     "get_blocking($module, fd, /)\n--\n\nWhether fd is in blocking mode."},
    {"set_blocking", (PyCFunction)(void *)posix_set_blocking, METH_FASTCALL,
     "set_blocking($module, fd, blocking, /)\n--\n\nSet the blocking mode."},
    {"lockf", (PyCFunction)(void *)posix_lockf, METH_FASTCALL,
     "lockf($module, fd, command, length, /)\n--\n\nLock part of a file."},
    {"fpathconf", (PyCFunction)(void *)posix_fpathconf, METH_FASTCALL,
     "fpathconf($module, fd, name, /)\n--\n\nA limit that holds for fd."},
    {"device_encoding", FUNC(posix_device_encoding), KW,
     "device_encoding($module, /, fd)\n--\n\nThe encoding of a terminal, or None."},
    {"get_terminal_size", (PyCFunction)(void *)posix_get_terminal_size, METH_FASTCALL,
     "get_terminal_size($module, fd=<unrepresentable>, /)\n--\n\nColumns and lines."},
    {"pipe", posix_pipe, METH_NOARGS, "pipe($module, /)\n--\n\nMake a pipe."},
    {"pipe2", posix_pipe2, METH_O, "pipe2($module, flags, /)\n--\n\nMake a pipe."},
    {"openpty", posix_openpty, METH_NOARGS, "openpty($module, /)\n--\n\nOpen a terminal pair."},
    {"login_tty", posix_login_tty, METH_O,
     "login_tty($module, fd, /)\n--\n\nMake fd the controlling terminal."},
    {"posix_openpt", posix_posix_openpt, METH_O,
     "posix_openpt($module, oflag, /)\n--\n\nOpen a terminal's controlling side."},
    {"grantpt", posix_grantpt, METH_O, "grantpt($module, fd, /)\n--\n\n"},
    {"unlockpt", posix_unlockpt, METH_O, "unlockpt($module, fd, /)\n--\n\n"},
    {"ptsname", posix_ptsname, METH_O, "ptsname($module, fd, /)\n--\n\n"},
    {"sendfile", FUNC(posix_sendfile), KW,
     "sendfile($module, /, out_fd, in_fd, offset, count)\n--\n\nCopy between descriptors."},
    {"copy_file_range", FUNC(posix_copy_file_range), KW,
     "copy_file_range($module, /, src, dst, count, offset_src=None,\n                "
     "offset_dst=None)\n--\n\nCopy between files in the kernel."},
    {"splice", FUNC(posix_splice), KW,
     "splice($module, /, src, dst, count, offset_src=None, offset_dst=None,\n       "
     "flags=0)\n--\n\nMove data through a pipe in the kernel."},
    {"posix_fadvise", (PyCFunction)(void *)posix_fadvise_, METH_FASTCALL,
     "posix_fadvise($module, fd, offset, length, advice, /)\n--\n\n"},
    {"posix_fallocate", (PyCFunction)(void *)posix_fallocate_, METH_FASTCALL,
     "posix_fallocate($module, fd, offset, length, /)\n--\n\n"},
    {"eventfd", FUNC(posix_eventfd), KW,
     "eventfd($module, /, initval, flags=EFD_CLOEXEC)\n--\n\n"},
    {"eventfd_read", FUNC(posix_eventfd_read), KW, "eventfd_read($module, /, fd)\n--\n\n"},
    {"eventfd_write", FUNC(posix_eventfd_write), KW,
     "eventfd_write($module, /, fd, value)\n--\n\n"},
    {"memfd_create", FUNC(posix_memfd_create), KW,
     "memfd_create($module, /, name, flags=MFD_CLOEXEC)\n--\n\n"},
    {"timerfd_create", FUNC(posix_timerfd_create), KW,
     "timerfd_create($module, clockid, /, *, flags=0)\n--\n\n"},
    {"timerfd_settime", FUNC(posix_timerfd_settime), KW,
     "timerfd_settime($module, fd, /, *, flags=0, initial=0.0, interval=0.0)\n--\n\n"},
    {"timerfd_settime_ns", FUNC(posix_timerfd_settime_ns), KW,
     "timerfd_settime_ns($module, fd, /, *, flags=0, initial=0, interval=0)\n--\n\n"},
    {"timerfd_gettime", posix_timerfd_gettime, METH_O,
     "timerfd_gettime($module, fd, /)\n--\n\n"},
    {"timerfd_gettime_ns", posix_timerfd_gettime_ns, METH_O,
     "timerfd_gettime_ns($module, fd, /)\n--\n\n"},
    {"urandom", posix_urandom, METH_O,
     "urandom($module, size, /)\n--\n\nRandom bytes fit for cryptography."},
    {"getrandom", FUNC(posix_getrandom), KW,
     "getrandom($module, /, size, flags=0)\n--\n\nRandom bytes from the kernel."},
    {0},
};

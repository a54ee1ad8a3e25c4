/* posix_path.c - functions of the posix module that name files: stat, listdir, rename...
 * SPDX-License-Identifier: MIT
 */
#include "modules/posix/posix_int.h"

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- converters and errors ------------------------------------------------------------- */

PyObject *
posix_errno(int err)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    errno = err;
    return PyErr_SetFromErrno(PyExc_OSError);
}

PyObject *
posix_error(void)
{
    return posix_errno(errno);
}

PyObject *
posix_path_error(Path *p)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, p->object);
}

PyObject *
posix_path_error2(Path *a, Path *b)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyErr_SetFromErrnoWithFilenameObjects(PyExc_OSError, a->object, b->object);
}

static int
fd_from_index(PyObject *o, int *out)
{
    if (PyBool_Check(o) &&
        PyErr_WarnEx(PyExc_RuntimeWarning, "bool is used as a file descriptor", 1) < 0) {
        return 0;
    }
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return 0;
    }
    int overflow;
    long v = PyLong_AsLongAndOverflow(index, &overflow);
    if (overflow > 0 || v > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "fd is greater than maximum");
        return 0;
    }
    if (overflow < 0 || v < INT_MIN) {
        PyErr_SetString(PyExc_OverflowError, "fd is less than minimum");
        return 0;
    }
    *out = (int)v;
    return 1;
}

int
posix_dir_fd_converter(PyObject *o, void *fd)
{
    if (o == Py_None) {
        *(int *)fd = AT_FDCWD;
        return 1;
    }
    if (PyIndex_Check(o)) {
        return fd_from_index(o, fd);
    }
    PyErr_Format(PyExc_TypeError, "argument should be integer or None, not %.200s",
                 Py_TYPE(o)->tp_name);
    return 0;
}

int
posix_fd_converter(PyObject *o, void *fd)
{
    *(int *)fd = PyObject_AsFileDescriptor(o);
    return *(int *)fd >= 0;
}

int
posix_off_converter(PyObject *o, void *off)
{
    *(off_t *)off = PyLong_AsLongLong(o);
    return !PyErr_Occurred();
}

static int
convert_id(PyObject *o, unsigned *out, const char *what)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        PyErr_Clear();
        PyErr_Format(PyExc_TypeError, "%s should be integer, not %.200s", what,
                     Py_TYPE(o)->tp_name);
        return 0;
    }
    int overflow;
    long v = PyLong_AsLongAndOverflow(index, &overflow);
    if (!overflow && v == -1) {
        *out = (unsigned)-1;
        return 1;
    }
    if (overflow < 0 || (!overflow && v < 0)) {
        PyErr_Format(PyExc_OverflowError, "%s is less than minimum", what);
        return 0;
    }
    if (overflow > 0 || v > (long)UINT_MAX || (unsigned)v == (unsigned)-1) {
        PyErr_Format(PyExc_OverflowError, "%s is greater than maximum", what);
        return 0;
    }
    *out = (unsigned)v;
    return 1;
}

int
posix_uid_converter(PyObject *o, void *uid)
{
    return convert_id(o, uid, "uid");
}

int
posix_gid_converter(PyObject *o, void *gid)
{
    return convert_id(o, gid, "gid");
}

PyObject *
posix_from_uid(uid_t uid)
{
    return uid == (uid_t)-1 ? PyLong_FromLong(-1) : PyLong_FromUnsignedLong(uid);
}

PyObject *
posix_from_gid(gid_t gid)
{
    return gid == (gid_t)-1 ? PyLong_FromLong(-1) : PyLong_FromUnsignedLong(gid);
}

static int
raise_path_type(Path *p, PyObject *o)
{
    PyErr_Format(PyExc_TypeError, "%s%s%s should be %s, not %.200s",
                 p->function ? p->function : "", p->function ? ": " : "",
                 p->argname ? p->argname : "path",
                 p->allow_fd && p->nullable ? "string, bytes, os.PathLike, integer or None"
                 : p->allow_fd              ? "string, bytes, os.PathLike or integer"
                 : p->nullable              ? "string, bytes, os.PathLike or None"
                                            : "string, bytes or os.PathLike",
                 Py_TYPE(o)->tp_name);
    return 0;
}

int
posix_path_converter(PyObject *o, void *vpath)
{
    Path *p = vpath;
    if (p->nullable && o == Py_None) {
        p->narrow = ".";
        p->object = NULL;
        return 1;
    }
    NJ_OWN text = NULL;
    if (PyUnicode_Check(o) || PyBytes_Check(o)) {
        text = Py_NewRef(o);
    } else if (p->allow_fd && PyIndex_Check(o)) {
        if (!fd_from_index(o, &p->fd)) {
            return 0;
        }
        p->is_fd = true;
        p->object = Py_NewRef(o);
        return 1;
    } else {
        NJ_OWN fspath = PyObject_Type(o);
        NJ_OWN method = NULL;
        if (!fspath || PyObject_GetOptionalAttr(fspath, NJ_ID(__fspath__), &method) < 0) {
            return 0;
        }
        if (!method || method == Py_None) {
            return raise_path_type(p, o);
        }
        text = PyObject_CallOneArg(method, o);
        if (!text) {
            return 0;
        }
        if (!PyUnicode_Check(text) && !PyBytes_Check(text)) {
            PyErr_Format(PyExc_TypeError,
                         "expected %.200s.__fspath__() to return str or bytes, not %.200s",
                         Py_TYPE(o)->tp_name, Py_TYPE(text)->tp_name);
            return 0;
        }
    }
    if (PyUnicode_Check(text)) {
        p->bytes = PyUnicode_EncodeFSDefault(text);
        if (!p->bytes) {
            return 0;
        }
    } else {
        p->bytes = Py_NewRef(text);
    }
    p->narrow = PyBytes_AS_STRING(p->bytes);
    if (strlen(p->narrow) != (size_t)PyBytes_GET_SIZE(p->bytes)) {
        PyErr_Format(PyExc_ValueError, "%s%sembedded null character in %s",
                     p->function ? p->function : "", p->function ? ": " : "",
                     p->argname ? p->argname : "path");
        return 0;
    }
    p->object = NJ_TAKE(text);
    return 1;
}

static PyObject *
raise_both(const char *fname, const char *a, const char *b)
{
    PyErr_Format(PyExc_ValueError, "%s: cannot use %s and %s together", fname, a, b);
    return NULL;
}

/* 0 when a descriptor is not combined with dir_fd or follow_symlinks=False. */
static int
check_path_options(const char *fname, Path *p, int dir_fd, int follow)
{
    if (dir_fd != AT_FDCWD && !p->narrow) {
        PyErr_Format(PyExc_ValueError, "%s: can't specify dir_fd without matching path",
                     fname);
        return -1;
    }
    if (p->is_fd && !follow) {
        raise_both(fname, "fd", "follow_symlinks");
        return -1;
    }
    return 0;
}

#define KWLIST(...) static char *const names[] = {__VA_ARGS__, NULL}
#define PARSE(format, ...)                                                             \
    PyArg_ParseTupleAndKeywords(args, kw, format, names, __VA_ARGS__)
#define PATH_ARG(p) posix_path_converter, &(p)
#define DIRFD_ARG(d) posix_dir_fd_converter, &(d)

/* ---- stat ------------------------------------------------------------------------------- */

static PyObject *
make_stat(PosixState *st, const struct stat *s)
{
    NJ_OWN v = PyStructSequence_New(st->stat_result);
    if (!v) {
        return NULL;
    }
    int i = 0;
#define PUT(expr)                                                                      \
    do {                                                                               \
        PyObject *o_ = (expr);                                                         \
        if (!o_) {                                                                     \
            return NULL;                                                               \
        }                                                                              \
        PyStructSequence_SetItem(v, i++, o_);                                          \
    } while (0)
    PUT(PyLong_FromLong((long)s->st_mode));
    PUT(PyLong_FromUnsignedLongLong(s->st_ino));
    PUT(PyLong_FromUnsignedLongLong(s->st_dev));
    PUT(PyLong_FromLong((long)s->st_nlink));
    PUT(posix_from_uid(s->st_uid));
    PUT(posix_from_gid(s->st_gid));
    PUT(PyLong_FromLongLong(s->st_size));
    const struct timespec *times[3] = {&s->st_atim, &s->st_mtim, &s->st_ctim};
    for (int k = 0; k < 3; k++) {
        PUT(PyLong_FromLongLong(times[k]->tv_sec));
    }
    for (int k = 0; k < 3; k++) {
        PUT(PyFloat_FromDouble((double)times[k]->tv_sec + 1e-9 * (double)times[k]->tv_nsec));
    }
    for (int k = 0; k < 3; k++) {
        if (times[k]->tv_sec > -9000000000LL && times[k]->tv_sec < 9000000000LL) {
            PUT(PyLong_FromLongLong((long long)times[k]->tv_sec * 1000000000 +
                                    times[k]->tv_nsec));
        } else {
            NJ_OWN sec = PyLong_FromLongLong(times[k]->tv_sec);
            NJ_OWN ns = PyLong_FromLong(times[k]->tv_nsec);
            NJ_OWN scaled = sec && ns ? PyNumber_Multiply(sec, st->billion) : NULL;
            PUT(scaled ? PyNumber_Add(scaled, ns) : NULL);
        }
    }
    PUT(PyLong_FromLong((long)s->st_blksize));
    PUT(PyLong_FromLong((long)s->st_blocks));
    PUT(PyLong_FromUnsignedLongLong(s->st_rdev));
    return NJ_TAKE(v);
}

static PyObject *
do_stat(PyObject *module, Path *p, int dir_fd, int follow)
{
    struct stat s;
    int r;
    if (check_path_options(p->function, p, dir_fd, follow) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p->is_fd ? fstat(p->fd, &s)
                 : fstatat(dir_fd, p->narrow, &s, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_path_error(p) : make_stat(posix_state(module), &s);
}

static PyObject *
posix_stat(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"path", "dir_fd", "follow_symlinks", NULL};
    static const NjParams params = {"stat", names, 1, 1, 0};
    PyObject *a[3];
    NJ_PATH(p, "stat", "path", false, true);
    int dir_fd = AT_FDCWD, follow = 1;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        !posix_path_converter(a[0], &p) ||
        (a[1] && !posix_dir_fd_converter(a[1], &dir_fd)) ||
        (a[2] && (follow = PyObject_IsTrue(a[2])) < 0)) {
        return NULL;
    }
    return do_stat(module, &p, dir_fd, follow);
}

static PyObject *
posix_lstat(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"path", "dir_fd", NULL};
    static const NjParams params = {"lstat", names, 1, 1, 0};
    PyObject *a[2];
    NJ_PATH(p, "lstat", "path", false, false);
    int dir_fd = AT_FDCWD;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        !posix_path_converter(a[0], &p) ||
        (a[1] && !posix_dir_fd_converter(a[1], &dir_fd))) {
        return NULL;
    }
    return do_stat(module, &p, dir_fd, 0);
}

static PyObject *
posix_fstat(PyObject *module, PyObject *args, PyObject *kw)
{
    KWLIST("fd");
    int fd, r;
    struct stat s;
    if (!PARSE("i:fstat", &fd)) {
        return NULL;
    }
    POSIX_CALL(r, fstat(fd, &s));
    return r < 0 ? posix_error() : make_stat(posix_state(module), &s);
}

static PyObject *
make_statvfs(PyObject *module, const struct statvfs *s)
{
    NJ_OWN v = PyStructSequence_New(posix_state(module)->statvfs_result);
    if (!v) {
        return NULL;
    }
    unsigned long long f[] = {s->f_bsize, s->f_frsize, s->f_blocks, s->f_bfree,
                              s->f_bavail, s->f_files, s->f_ffree, s->f_favail,
                              s->f_flag, s->f_namemax, s->f_fsid};
    int i = 0;
    for (size_t k = 0; k < NJ_ARRAY_LEN(f); k++) {
        PUT(PyLong_FromUnsignedLongLong(f[k]));
    }
    return NJ_TAKE(v);
}

static PyObject *
posix_statvfs(PyObject *module, PyObject *args, PyObject *kw)
{
    KWLIST("path");
    NJ_PATH(p, "statvfs", "path", false, true);
    struct statvfs s;
    int r;
    if (!PARSE("O&:statvfs", PATH_ARG(p))) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? fstatvfs(p.fd, &s) : statvfs(p.narrow, &s);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_path_error(&p) : make_statvfs(module, &s);
}

static PyObject *
posix_fstatvfs(PyObject *module, PyObject *arg)
{
    int fd = PyLong_AsInt(arg), r;
    struct statvfs s;
    if (fd == -1 && PyErr_Occurred()) {
        return NULL;
    }
    POSIX_CALL(r, fstatvfs(fd, &s));
    return r < 0 ? posix_error() : make_statvfs(module, &s);
}

/* ---- simple path functions ------------------------------------------------------------------ */

static PyObject *
done_or_error(int r, Path *p)
{
    return r < 0 ? posix_path_error(p) : Py_NewRef(Py_None);
}

static PyObject *
posix_access(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "mode", "dir_fd", "effective_ids", "follow_symlinks");
    NJ_PATH(p, "access", "path", false, false);
    int mode, dir_fd = AT_FDCWD, effective = 0, follow = 1, r;
    if (!PARSE("O&i|$O&pp:access", PATH_ARG(p), &mode, DIRFD_ARG(dir_fd), &effective,
               &follow)) {
        return NULL;
    }
    int flags = (effective ? AT_EACCESS : 0) | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
    Py_BEGIN_ALLOW_THREADS
    r = faccessat(dir_fd, p.narrow, mode, flags);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(r == 0);
}

static PyObject *
posix_chdir(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path");
    NJ_PATH(p, "chdir", "path", false, true);
    int r;
    if (!PARSE("O&:chdir", PATH_ARG(p)) ||
        PySys_Audit("os.chdir", "(O)", p.object) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? fchdir(p.fd) : chdir(p.narrow);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
posix_chmod(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "mode", "dir_fd", "follow_symlinks");
    NJ_PATH(p, "chmod", "path", false, true);
    int mode, dir_fd = AT_FDCWD, follow = 1, r;
    if (!PARSE("O&i|$O&p:chmod", PATH_ARG(p), &mode, DIRFD_ARG(dir_fd), &follow) ||
        PySys_Audit("os.chmod", "Oii", p.object, mode, dir_fd == AT_FDCWD ? -1 : dir_fd) <
            0) {
        return NULL;
    }
    if (check_path_options("chmod", &p, dir_fd, follow) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? fchmod(p.fd, (mode_t)mode)
                : fchmodat(dir_fd, p.narrow, (mode_t)mode,
                           follow ? 0 : AT_SYMLINK_NOFOLLOW);
    Py_END_ALLOW_THREADS
    if (r < 0 && !follow && (errno == ENOTSUP || errno == EOPNOTSUPP)) {
        if (dir_fd != AT_FDCWD) {
            return raise_both("chmod", "dir_fd", "follow_symlinks");
        }
        PyErr_SetString(PyExc_NotImplementedError,
                        "chmod: follow_symlinks unavailable on this platform");
        return NULL;
    }
    return done_or_error(r, &p);
}

static PyObject *
do_chown(PyObject *args, PyObject *kw, bool link)
{
    KWLIST("path", "uid", "gid", "dir_fd", "follow_symlinks");
    static char *const lnames[] = {"path", "uid", "gid", NULL};
    NJ_PATH(p, link ? "lchown" : "chown", "path", false, !link);
    uid_t uid;
    gid_t gid;
    int dir_fd = AT_FDCWD, follow = 1, r;
    if (link ? !PyArg_ParseTupleAndKeywords(args, kw, "O&O&O&:lchown", lnames, PATH_ARG(p),
                                            posix_uid_converter, &uid,
                                            posix_gid_converter, &gid)
             : !PARSE("O&O&O&|$O&p:chown", PATH_ARG(p), posix_uid_converter, &uid,
                      posix_gid_converter, &gid, DIRFD_ARG(dir_fd), &follow)) {
        return NULL;
    }
    if (link) {
        follow = 0;
    } else if (check_path_options("chown", &p, dir_fd, follow) < 0) {
        return NULL;
    }
    if (PySys_Audit("os.chown", "OIIi", p.object, uid, gid,
                    dir_fd == AT_FDCWD ? -1 : dir_fd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? fchown(p.fd, uid, gid)
                : fchownat(dir_fd, p.narrow, uid, gid, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
posix_chown(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return do_chown(args, kw, false);
}

static PyObject *
posix_lchown(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return do_chown(args, kw, true);
}

static PyObject *
posix_chroot(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path");
    NJ_PATH(p, "chroot", "path", false, false);
    int r;
    if (!PARSE("O&:chroot", PATH_ARG(p))) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = chroot(p.narrow);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
do_getcwd(bool bytes)
{
    size_t room = 1024;
    for (;;) {
        NJ_OWN_MEM(char) buf = PyMem_Malloc(room);
        if (!buf) {
            return PyErr_NoMemory();
        }
        char *cwd;
        Py_BEGIN_ALLOW_THREADS
        cwd = getcwd(buf, room);
        Py_END_ALLOW_THREADS
        if (cwd) {
            return bytes ? PyBytes_FromString(buf) : PyUnicode_DecodeFSDefault(buf);
        }
        if (errno != ERANGE) {
            return posix_error();
        }
        room *= 2;
    }
}

static PyObject *
posix_getcwd(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return do_getcwd(false);
}

static PyObject *
posix_getcwdb(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return do_getcwd(true);
}

static PyObject *
posix_link(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("src", "dst", "src_dir_fd", "dst_dir_fd", "follow_symlinks");
    NJ_PATH(src, "link", "src", false, false);
    NJ_PATH(dst, "link", "dst", false, false);
    int sfd = AT_FDCWD, dfd = AT_FDCWD, follow = 1, r;
    if (!PARSE("O&O&|$O&O&p:link", PATH_ARG(src), PATH_ARG(dst), DIRFD_ARG(sfd),
               DIRFD_ARG(dfd), &follow) ||
        PySys_Audit("os.link", "OOii", src.object, dst.object, sfd == AT_FDCWD ? -1 : sfd,
                    dfd == AT_FDCWD ? -1 : dfd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = linkat(sfd, src.narrow, dfd, dst.narrow, follow ? AT_SYMLINK_FOLLOW : 0);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_path_error2(&src, &dst) : Py_NewRef(Py_None);
}

static PyObject *
posix_symlink(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("src", "dst", "target_is_directory", "dir_fd");
    NJ_PATH(src, "symlink", "src", false, false);
    NJ_PATH(dst, "symlink", "dst", false, false);
    int is_dir = 0, dir_fd = AT_FDCWD, r;
    if (!PARSE("O&O&|p$O&:symlink", PATH_ARG(src), PATH_ARG(dst), &is_dir,
               DIRFD_ARG(dir_fd)) ||
        PySys_Audit("os.symlink", "OOi", src.object, dst.object,
                    dir_fd == AT_FDCWD ? -1 : dir_fd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = symlinkat(src.narrow, dir_fd, dst.narrow);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_path_error2(&src, &dst) : Py_NewRef(Py_None);
}

static PyObject *
do_rename(PyObject *args, PyObject *kw, const char *fname, const char *format)
{
    KWLIST("src", "dst", "src_dir_fd", "dst_dir_fd");
    NJ_PATH(src, fname, "src", false, false);
    NJ_PATH(dst, fname, "dst", false, false);
    int sfd = AT_FDCWD, dfd = AT_FDCWD, r;
    if (!PARSE(format, PATH_ARG(src), PATH_ARG(dst), DIRFD_ARG(sfd), DIRFD_ARG(dfd)) ||
        PySys_Audit("os.rename", "OOii", src.object, dst.object,
                    sfd == AT_FDCWD ? -1 : sfd, dfd == AT_FDCWD ? -1 : dfd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = renameat(sfd, src.narrow, dfd, dst.narrow);
    Py_END_ALLOW_THREADS
    return r < 0 ? posix_path_error2(&src, &dst) : Py_NewRef(Py_None);
}

static PyObject *
posix_rename(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return do_rename(args, kw, "rename", "O&O&|$O&O&:rename");
}

static PyObject *
posix_replace(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return do_rename(args, kw, "replace", "O&O&|$O&O&:replace");
}

static PyObject *
do_unlink(PyObject *args, PyObject *kw, const char *fname, const char *format,
          const char *event, int flags)
{
    KWLIST("path", "dir_fd");
    NJ_PATH(p, fname, "path", false, false);
    int dir_fd = AT_FDCWD, r;
    if (!PARSE(format, PATH_ARG(p), DIRFD_ARG(dir_fd)) ||
        PySys_Audit(event, "Oi", p.object, dir_fd == AT_FDCWD ? -1 : dir_fd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = unlinkat(dir_fd, p.narrow, flags);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
posix_unlink(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return do_unlink(args, kw, "unlink", "O&|$O&:unlink", "os.remove", 0);
}

static PyObject *
posix_remove(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return do_unlink(args, kw, "remove", "O&|$O&:remove", "os.remove", 0);
}

static PyObject *
posix_rmdir(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    return do_unlink(args, kw, "rmdir", "O&|$O&:rmdir", "os.rmdir", AT_REMOVEDIR);
}

static PyObject *
posix_mkdir(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "mode", "dir_fd");
    NJ_PATH(p, "mkdir", "path", false, false);
    int mode = 0777, dir_fd = AT_FDCWD, r;
    if (!PARSE("O&|i$O&:mkdir", PATH_ARG(p), &mode, DIRFD_ARG(dir_fd)) ||
        PySys_Audit("os.mkdir", "Oii", p.object, mode, dir_fd == AT_FDCWD ? -1 : dir_fd) <
            0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = mkdirat(dir_fd, p.narrow, (mode_t)mode);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
posix_mkfifo(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "mode", "dir_fd");
    NJ_PATH(p, "mkfifo", "path", false, false);
    int mode = 0666, dir_fd = AT_FDCWD, r;
    if (!PARSE("O&|i$O&:mkfifo", PATH_ARG(p), &mode, DIRFD_ARG(dir_fd))) {
        return NULL;
    }
    POSIX_CALL(r, mkfifoat(dir_fd, p.narrow, (mode_t)mode));
    return r < 0 ? posix_error() : Py_NewRef(Py_None);
}

/* A device number; -1 is none at all. */
int
posix_dev_converter(PyObject *o, void *out)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return 0;
    }
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (!overflow && v == -1) {
        *(dev_t *)out = (dev_t)-1;
        return !PyErr_Occurred();
    }
    *(dev_t *)out = (dev_t)PyLong_AsUnsignedLongLong(index);
    return !PyErr_Occurred();
}

static PyObject *
posix_mknod(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "mode", "device", "dir_fd");
    NJ_PATH(p, "mknod", "path", false, false);
    int mode = 0600, dir_fd = AT_FDCWD, r;
    dev_t device = 0;
    if (!PARSE("O&|iO&$O&:mknod", PATH_ARG(p), &mode, posix_dev_converter, &device,
               DIRFD_ARG(dir_fd))) {
        return NULL;
    }
    POSIX_CALL(r, mknodat(dir_fd, p.narrow, (mode_t)mode, device));
    return r < 0 ? posix_error() : Py_NewRef(Py_None);
}

static PyObject *
posix_readlink(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "dir_fd");
    NJ_PATH(p, "readlink", "path", false, false);
    int dir_fd = AT_FDCWD;
    char buf[4096 + 1];
    ssize_t n;
    if (!PARSE("O&|$O&:readlink", PATH_ARG(p), DIRFD_ARG(dir_fd))) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    n = readlinkat(dir_fd, p.narrow, buf, sizeof(buf) - 1);
    Py_END_ALLOW_THREADS
    if (n < 0) {
        return posix_path_error(&p);
    }
    return PyBytes_Check(p.object) ? PyBytes_FromStringAndSize(buf, n)
                                   : PyUnicode_DecodeFSDefaultAndSize(buf, n);
}

static PyObject *
posix_open(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "flags", "mode", "dir_fd");
    NJ_PATH(p, "open", "path", false, false);
    int flags, mode = 0777, dir_fd = AT_FDCWD, fd;
    if (!PARSE("O&i|i$O&:open", PATH_ARG(p), &flags, &mode, DIRFD_ARG(dir_fd)) ||
        PySys_Audit("open", "OOi", p.object, Py_None, flags) < 0) {
        return NULL;
    }
    POSIX_CALL(fd, openat(dir_fd, p.narrow, flags | O_CLOEXEC, (mode_t)mode));
    return fd < 0 ? posix_path_error(&p) : PyLong_FromLong(fd);
}

static PyObject *
posix_truncate(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "length");
    NJ_PATH(p, "truncate", "path", false, true);
    off_t length;
    int r;
    if (!PARSE("O&O&:truncate", PATH_ARG(p), posix_off_converter, &length) ||
        PySys_Audit("os.truncate", "On", p.object, (Py_ssize_t)length) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? ftruncate(p.fd, length) : truncate(p.narrow, length);
    Py_END_ALLOW_THREADS
    return r < 0 && p.is_fd ? posix_error() : done_or_error(r, &p);
}

static int
ns_to_timespec(PyObject *ns, PosixState *st, struct timespec *out)
{
    NJ_OWN pair = PyNumber_Divmod(ns, st->billion);
    if (!pair) {
        return -1;
    }
    if (!PyTuple_Check(pair) || PyTuple_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_TypeError, "%.200s.__divmod__() must return a 2-tuple, not %.200s",
                     Py_TYPE(ns)->tp_name, Py_TYPE(pair)->tp_name);
        return -1;
    }
    long long s = PyLong_AsLongLong(PyTuple_GET_ITEM(pair, 0));
    long n = PyLong_AsLong(PyTuple_GET_ITEM(pair, 1));
    if (PyErr_Occurred()) {
        return -1;
    }
    out->tv_sec = s;
    out->tv_nsec = n;
    return 0;
}

/* Seconds as int or float, rounded towards minus infinity like the reference. */
static int
seconds_to_timespec(PyObject *o, struct timespec *out)
{
    if (PyFloat_Check(o)) {
        double d = PyFloat_AS_DOUBLE(o), whole = __builtin_floor(d);
        if (!(d == d)) {
            PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
            return -1;
        }
        if (whole < -9.2233720368547e18 || whole > 9.2233720368547e18) {
            PyErr_SetString(PyExc_OverflowError,
                            "timestamp out of range for platform time_t");
            return -1;
        }
        double frac = __builtin_floor((d - whole) * 1e9);
        if (frac >= 1e9) {
            frac -= 1e9;
            whole += 1;
        }
        out->tv_sec = (time_t)whole;
        out->tv_nsec = (long)frac;
        return 0;
    }
    long long s = PyLong_AsLongLong(o);
    if (s == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError,
                            "timestamp out of range for platform time_t");
        }
        return -1;
    }
    out->tv_sec = s;
    out->tv_nsec = 0;
    return 0;
}

static PyObject *
posix_utime(PyObject *module, PyObject *args, PyObject *kw)
{
    KWLIST("path", "times", "ns", "dir_fd", "follow_symlinks");
    NJ_PATH(p, "utime", "path", false, true);
    PyObject *times = NULL, *ns = NULL;
    int dir_fd = AT_FDCWD, follow = 1, r;
    if (!PARSE("O&|O$OO&p:utime", PATH_ARG(p), &times, &ns, DIRFD_ARG(dir_fd), &follow)) {
        return NULL;
    }
    struct timespec ts[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    if (times && times != Py_None && ns) {
        PyErr_SetString(PyExc_ValueError,
                        "utime: you may specify either 'times' or 'ns' but not both");
        return NULL;
    }
    if (times && times != Py_None) {
        if (!PyTuple_CheckExact(times) || PyTuple_GET_SIZE(times) != 2) {
            PyErr_SetString(PyExc_TypeError,
                            "utime: 'times' must be either a tuple of two ints or None");
            return NULL;
        }
        if (seconds_to_timespec(PyTuple_GET_ITEM(times, 0), &ts[0]) < 0 ||
            seconds_to_timespec(PyTuple_GET_ITEM(times, 1), &ts[1]) < 0) {
            return NULL;
        }
    } else if (ns) {
        if (!PyTuple_CheckExact(ns) || PyTuple_GET_SIZE(ns) != 2) {
            PyErr_SetString(PyExc_TypeError, "utime: 'ns' must be a tuple of two ints");
            return NULL;
        }
        if (ns_to_timespec(PyTuple_GET_ITEM(ns, 0), posix_state(module), &ts[0]) < 0 ||
            ns_to_timespec(PyTuple_GET_ITEM(ns, 1), posix_state(module), &ts[1]) < 0) {
            return NULL;
        }
    }
    if (check_path_options("utime", &p, dir_fd, follow) < 0 ||
        PySys_Audit("os.utime", "OOOi", p.object, times ? times : Py_None,
                    ns ? ns : Py_None, dir_fd == AT_FDCWD ? -1 : dir_fd) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? futimens(p.fd, ts)
                : utimensat(dir_fd, p.narrow, ts, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
posix_pathconf(PyObject *module, PyObject *args, PyObject *kw)
{
    KWLIST("path", "name");
    NJ_PATH(p, "pathconf", "path", false, true);
    PyObject *name;
    if (!PARSE("O&O:pathconf", PATH_ARG(p), &name)) {
        return NULL;
    }
    NJ_OWN table = PyObject_GetAttrString(module, "pathconf_names");
    NJ_OWN num = NULL;
    if (PyUnicode_Check(name)) {
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
    int n = PyLong_AsInt(num);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    errno = 0;
    long v = p.is_fd ? fpathconf(p.fd, n) : pathconf(p.narrow, n);
    if (v == -1 && errno) {
        return errno == EINVAL ? posix_error() : posix_path_error(&p);
    }
    return PyLong_FromLong(v);
}

/* ---- extended attributes ----------------------------------------------------------------------- */

static PyObject *
posix_getxattr(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "attribute", "follow_symlinks");
    NJ_PATH(p, "getxattr", "path", false, true);
    NJ_PATH(name, "getxattr", "attribute", false, false);
    int follow = 1;
    if (!PARSE("O&O&|$p:getxattr", PATH_ARG(p), PATH_ARG(name), &follow) ||
        check_path_options("getxattr", &p, AT_FDCWD, follow) < 0 ||
        PySys_Audit("os.getxattr", "OO", p.object, name.object) < 0) {
        return NULL;
    }
    static const size_t sizes[] = {128, 65536};
    for (size_t i = 0; i < NJ_ARRAY_LEN(sizes); i++) {
        PyObject *buf = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)sizes[i]);
        if (!buf) {
            return NULL;
        }
        char *s = PyBytes_AS_STRING(buf);
        ssize_t n;
        Py_BEGIN_ALLOW_THREADS
        n = p.is_fd ? fgetxattr(p.fd, name.narrow, s, sizes[i])
            : follow ? getxattr(p.narrow, name.narrow, s, sizes[i])
                     : lgetxattr(p.narrow, name.narrow, s, sizes[i]);
        Py_END_ALLOW_THREADS
        if (n >= 0) {
            _PyBytes_Resize(&buf, n);
            return buf;
        }
        Py_DECREF(buf);
        if (errno != ERANGE) {
            break;
        }
    }
    return posix_path_error(&p);
}

static PyObject *
posix_setxattr(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "attribute", "value", "flags", "follow_symlinks");
    NJ_PATH(p, "setxattr", "path", false, true);
    NJ_PATH(name, "setxattr", "attribute", false, false);
    NJ_OWN_BUF value = {0};
    int flags = 0, follow = 1, r;
    if (!PARSE("O&O&y*|i$p:setxattr", PATH_ARG(p), PATH_ARG(name), &value, &flags,
               &follow) ||
        check_path_options("setxattr", &p, AT_FDCWD, follow) < 0 ||
        PySys_Audit("os.setxattr", "OOy#i", p.object, name.object, value.buf, value.len,
                    flags) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? fsetxattr(p.fd, name.narrow, value.buf, (size_t)value.len, flags)
        : follow ? setxattr(p.narrow, name.narrow, value.buf, (size_t)value.len, flags)
                 : lsetxattr(p.narrow, name.narrow, value.buf, (size_t)value.len, flags);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
posix_removexattr(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "attribute", "follow_symlinks");
    NJ_PATH(p, "removexattr", "path", false, true);
    NJ_PATH(name, "removexattr", "attribute", false, false);
    int follow = 1, r;
    if (!PARSE("O&O&|$p:removexattr", PATH_ARG(p), PATH_ARG(name), &follow) ||
        check_path_options("removexattr", &p, AT_FDCWD, follow) < 0 ||
        PySys_Audit("os.removexattr", "OO", p.object, name.object) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = p.is_fd ? fremovexattr(p.fd, name.narrow)
        : follow ? removexattr(p.narrow, name.narrow)
                 : lremovexattr(p.narrow, name.narrow);
    Py_END_ALLOW_THREADS
    return done_or_error(r, &p);
}

static PyObject *
posix_listxattr(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "follow_symlinks");
    NJ_PATH(p, "listxattr", "path", true, true);
    int follow = 1;
    p.narrow = NULL;
    if (!PARSE("|O&$p:listxattr", PATH_ARG(p), &follow)) {
        return NULL;
    }
    if (!p.narrow && !p.is_fd) {
        p.narrow = ".";
    }
    if (check_path_options("listxattr", &p, AT_FDCWD, follow) < 0 ||
        PySys_Audit("os.listxattr", "(O)", p.object ? p.object : Py_None) < 0) {
        return NULL;
    }
    NJ_OWN_MEM(char) buf = PyMem_Malloc(65536);
    if (!buf) {
        return PyErr_NoMemory();
    }
    ssize_t n;
    Py_BEGIN_ALLOW_THREADS
    n = p.is_fd ? flistxattr(p.fd, buf, 65536)
        : follow ? listxattr(p.narrow, buf, 65536)
                 : llistxattr(p.narrow, buf, 65536);
    Py_END_ALLOW_THREADS
    if (n < 0) {
        return posix_path_error(&p);
    }
    NJ_OWN list = PyList_New(0);
    for (char *s = buf; list && s < buf + n; s += strlen(s) + 1) {
        NJ_OWN name = PyUnicode_DecodeFSDefault(s);
        if (!name || PyList_Append(list, name) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

/* ---- directories --------------------------------------------------------------------------------- */

static bool
is_dot(const char *name)
{
    return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

static DIR *
open_dir(Path *p)
{
    DIR *dir = NULL;
    if (p->is_fd) {
        int fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            posix_error();
            return NULL;
        }
        Py_BEGIN_ALLOW_THREADS
        dir = fdopendir(fd);
        if (dir) {
            rewinddir(dir);
        } else {
            int err = errno;
            close(fd);
            errno = err;
        }
        Py_END_ALLOW_THREADS
    } else {
        Py_BEGIN_ALLOW_THREADS
        dir = opendir(p->narrow);
        Py_END_ALLOW_THREADS
    }
    if (!dir) {
        posix_path_error(p);
    }
    return dir;
}

static PyObject *
posix_listdir(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path");
    NJ_PATH(p, "listdir", "path", true, true);
    if (!PARSE("|O&:listdir", PATH_ARG(p))) {
        return NULL;
    }
    if (!p.narrow && !p.is_fd) {
        p.narrow = ".";
    }
    if (PySys_Audit("os.listdir", "O", p.object ? p.object : Py_None) < 0) {
        return NULL;
    }
    bool bytes = p.object && PyBytes_Check(p.object);
    DIR *dir = open_dir(&p);
    if (!dir) {
        return NULL;
    }
    PyObject *list = PyList_New(0);
    while (list) {
        struct dirent *e;
        Py_BEGIN_ALLOW_THREADS
        errno = 0;
        e = readdir(dir);
        Py_END_ALLOW_THREADS
        if (!e) {
            if (errno) {
                posix_path_error(&p);
                Py_CLEAR(list);
            }
            break;
        }
        if (is_dot(e->d_name)) {
            continue;
        }
        PyObject *name = bytes ? PyBytes_FromString(e->d_name)
                               : PyUnicode_DecodeFSDefault(e->d_name);
        if (!name || PyList_Append(list, name) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    Py_BEGIN_ALLOW_THREADS
    closedir(dir);
    Py_END_ALLOW_THREADS
    return list;
}

typedef struct DirEntry {
    PyObject_HEAD
    PyObject *name;
    PyObject *path;
    PyObject *stat;  /* cached stat_result, or NULL */
    PyObject *lstat; /* cached lstat result, or NULL */
    unsigned char d_type;
    ino_t d_ino;
    int dir_fd; /* of scandir(fd), or AT_FDCWD */
} DirEntry;

typedef struct ScandirIter {
    PyObject_HEAD
    Path path; /* owned */
    DIR *dir;  /* NULL when exhausted or closed */
} ScandirIter;

static void
direntry_dealloc(PyObject *op)
{
    DirEntry *e = (DirEntry *)op;
    PyTypeObject *tp = Py_TYPE(op);
    Py_XDECREF(e->name);
    Py_XDECREF(e->path);
    Py_XDECREF(e->stat);
    Py_XDECREF(e->lstat);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyObject *
direntry_fetch(PyObject *module, DirEntry *e, int follow)
{
    NJ_OWN bytes = NULL;
    PyObject *out = NULL;
    /* relative to an open directory the name is enough */
    if (!PyUnicode_FSConverter(e->dir_fd == AT_FDCWD ? e->path : e->name, &out)) {
        return NULL;
    }
    bytes = out;
    struct stat s;
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = fstatat(e->dir_fd, PyBytes_AS_STRING(bytes), &s, follow ? 0 : AT_SYMLINK_NOFOLLOW);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, e->path);
    }
    return make_stat(posix_state(module), &s);
}

static int direntry_is_link(PyObject *module, DirEntry *e);

static PyObject *
direntry_get_lstat(PyObject *module, DirEntry *e)
{
    if (!e->lstat) {
        e->lstat = direntry_fetch(module, e, 0);
    }
    return Py_XNewRef(e->lstat);
}

static PyObject *
direntry_get_stat(PyObject *module, DirEntry *e, int follow)
{
    if (!follow) {
        return direntry_get_lstat(module, e);
    }
    if (!e->stat) {
        int link = direntry_is_link(module, e);
        if (link < 0) {
            return NULL;
        }
        e->stat = link ? direntry_fetch(module, e, 1) : direntry_get_lstat(module, e);
    }
    return Py_XNewRef(e->stat);
}

/* 1/0/-1: whether the entry's file type is mode_bits. */
static int
direntry_test_mode(PyObject *module, DirEntry *e, int follow, mode_t bits)
{
    bool is_link = e->d_type == DT_LNK;
    bool need = e->d_type == DT_UNKNOWN || (follow && is_link);
    if (!need) {
        return bits == S_IFLNK   ? is_link
               : bits == S_IFDIR ? e->d_type == DT_DIR
                                 : e->d_type == DT_REG;
    }
    NJ_OWN st = direntry_get_stat(module, e, follow);
    if (!st) {
        if (PyErr_ExceptionMatches(PyExc_FileNotFoundError)) {
            PyErr_Clear();
            return 0;
        }
        return -1;
    }
    NJ_OWN mode = PyObject_GetAttr(st, NJ_ID(st_mode));
    long m = mode ? PyLong_AsLong(mode) : -1;
    if (m == -1 && PyErr_Occurred()) {
        return -1;
    }
    return ((mode_t)m & S_IFMT) == bits;
}

static int
direntry_is_link(PyObject *module, DirEntry *e)
{
    return direntry_test_mode(module, e, 0, S_IFLNK);
}

static int
follow_arg(const char *fname, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"follow_symlinks", NULL};
    NjParams params = {fname, names, 0, 0, 0};
    PyObject *a;
    if (nj_args_bind(&params, args, nargs, kwnames, &a) < 0) {
        return -1;
    }
    return a ? PyObject_IsTrue(a) : 1;
}

#define DIRENTRY_TEST(cname, text, bits)                                               \
    static PyObject *cname(PyObject *op, PyTypeObject *cls, PyObject *const *args,     \
                           Py_ssize_t nargs, PyObject *kwnames)                        \
    {                                                                                  \
        int follow = follow_arg(text, args, nargs, kwnames);                           \
        if (follow < 0) {                                                              \
            return NULL;                                                               \
        }                                                                              \
        int r = direntry_test_mode(PyType_GetModule(cls), (DirEntry *)op, follow, bits); \
        return r < 0 ? NULL : PyBool_FromLong(r);                                      \
    }
DIRENTRY_TEST(direntry_is_dir, "is_dir", S_IFDIR)
DIRENTRY_TEST(direntry_is_file, "is_file", S_IFREG)

static PyObject *
direntry_is_symlink(PyObject *op, PyTypeObject *cls, PyObject *const *Py_UNUSED(args),
                    Py_ssize_t nargs, PyObject *kwnames)
{
    if (nargs || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_SetString(PyExc_TypeError, "is_symlink() takes no arguments");
        return NULL;
    }
    int r = direntry_is_link(PyType_GetModule(cls), (DirEntry *)op);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
direntry_is_junction(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(i))
{
    Py_RETURN_FALSE;
}

static PyObject *
direntry_stat(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
              PyObject *kwnames)
{
    int follow = follow_arg("stat", args, nargs, kwnames);
    return follow < 0 ? NULL
                      : direntry_get_stat(PyType_GetModule(cls), (DirEntry *)op, follow);
}

static PyObject *
direntry_inode(PyObject *op, PyObject *Py_UNUSED(i))
{
    return PyLong_FromUnsignedLongLong(((DirEntry *)op)->d_ino);
}

static PyObject *
direntry_fspath(PyObject *op, PyObject *Py_UNUSED(i))
{
    return Py_NewRef(((DirEntry *)op)->path);
}

static PyObject *
direntry_repr(PyObject *op)
{
    return PyUnicode_FromFormat("<DirEntry %R>", ((DirEntry *)op)->name);
}

#define METHOD_CLS (METH_METHOD | METH_FASTCALL | METH_KEYWORDS)
#define FUNC(f) (PyCFunction)(void (*)(void))(f)

static PyMethodDef direntry_methods[] = {
    {"is_dir", FUNC(direntry_is_dir), METHOD_CLS,
     "is_dir($self, /, *, follow_symlinks=True)\n--\n\nWhether the entry is a directory."},
    {"is_file", FUNC(direntry_is_file), METHOD_CLS,
     "is_file($self, /, *, follow_symlinks=True)\n--\n\nWhether it is a regular file."},
    {"is_symlink", FUNC(direntry_is_symlink), METHOD_CLS,
     "is_symlink($self, /)\n--\n\nWhether the entry is a symbolic link."},
    {"is_junction", direntry_is_junction, METH_NOARGS,
     "is_junction($self, /)\n--\n\nWhether the entry is a junction: never here."},
    {"stat", FUNC(direntry_stat), METHOD_CLS,
     "stat($self, /, *, follow_symlinks=True)\n--\n\nThe entry's stat_result, cached."},
    {"inode", direntry_inode, METH_NOARGS, "inode($self, /)\n--\n\nThe inode number."},
    {"__fspath__", direntry_fspath, METH_NOARGS, "__fspath__($self, /)\n--\n\nThe path."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"},
    {0},
};

static PyMemberDef direntry_members[] = {
    {"name", Py_T_OBJECT_EX, offsetof(DirEntry, name), Py_READONLY,
     "the entry's base filename, relative to the scandir() path"},
    {"path", Py_T_OBJECT_EX, offsetof(DirEntry, path), Py_READONLY, "the entry's full path"},
    {0},
};

static PyType_Slot direntry_slots[] = {
    {Py_tp_dealloc, direntry_dealloc},
    {Py_tp_repr, direntry_repr},
    {Py_tp_methods, direntry_methods},
    {Py_tp_members, direntry_members},
    {0, NULL},
};

static PyType_Spec direntry_spec = {
    .name = "posix.DirEntry",
    .basicsize = sizeof(DirEntry),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = direntry_slots,
};

static void
scandir_close_dir(ScandirIter *it)
{
    DIR *dir = it->dir;
    if (!dir) {
        return;
    }
    it->dir = NULL;
    Py_BEGIN_ALLOW_THREADS
    if (it->path.is_fd) {
        rewinddir(dir);
    }
    closedir(dir);
    Py_END_ALLOW_THREADS
}

static PyObject *
join_path(Path *p, PyObject *name)
{
    if (p->is_fd) {
        return Py_NewRef(name);
    }
    PyObject *dir = p->object;
    size_t n = strlen(p->narrow);
    bool slash = n > 0 && p->narrow[n - 1] != '/';
    if (PyBytes_Check(name)) {
        PyObject *s = PyBytes_FromFormat("%s%s%s", p->narrow, slash ? "/" : "",
                                         PyBytes_AS_STRING(name));
        return s;
    }
    if (!dir) {
        return PyUnicode_FromFormat("./%U", name);
    }
    return PyUnicode_FromFormat(slash ? "%U/%U" : "%U%U", dir, name);
}

static PyObject *
scandir_next(PyObject *op)
{
    ScandirIter *it = (ScandirIter *)op;
    while (it->dir) {
        struct dirent *e;
        Py_BEGIN_ALLOW_THREADS
        errno = 0;
        e = readdir(it->dir);
        Py_END_ALLOW_THREADS
        if (!e) {
            int err = errno;
            scandir_close_dir(it);
            if (err) {
                errno = err;
                return posix_path_error(&it->path);
            }
            return NULL;
        }
        if (is_dot(e->d_name)) {
            continue;
        }
        PyObject *module = PyType_GetModule(Py_TYPE(op));
        PyTypeObject *type = posix_state(module)->direntry;
        NJ_OWN entry = type->tp_alloc(type, 0);
        if (!entry) {
            return NULL;
        }
        DirEntry *d = (DirEntry *)entry;
        bool bytes = it->path.object && PyBytes_Check(it->path.object);
        d->dir_fd = it->path.is_fd ? it->path.fd : AT_FDCWD;
        d->d_type = e->d_type;
        d->d_ino = e->d_ino;
        d->name = bytes ? PyBytes_FromString(e->d_name)
                        : PyUnicode_DecodeFSDefault(e->d_name);
        d->path = d->name ? join_path(&it->path, d->name) : NULL;
        return d->path ? NJ_TAKE(entry) : NULL;
    }
    return NULL;
}

static PyObject *
scandir_close(PyObject *op, PyObject *Py_UNUSED(i))
{
    scandir_close_dir((ScandirIter *)op);
    Py_RETURN_NONE;
}

static PyObject *
scandir_enter(PyObject *op, PyObject *Py_UNUSED(i))
{
    return Py_NewRef(op);
}

static void
scandir_finalize(PyObject *op)
{
    ScandirIter *it = (ScandirIter *)op;
    PyObject *exc = PyErr_GetRaisedException();
    if (it->dir) {
        if (PyErr_ResourceWarning(op, 1, "unclosed scandir iterator %R", op) < 0 &&
            PyErr_ExceptionMatches(PyExc_Warning)) {
            PyErr_FormatUnraisable("Exception ignored while finalizing scandir iterator %R",
                                   op);
        }
        scandir_close_dir(it);
    }
    PyErr_SetRaisedException(exc);
}

static void
scandir_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return;
    }
    path_release_(&((ScandirIter *)op)->path);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyMethodDef scandir_methods[] = {
    {"__enter__", scandir_enter, METH_NOARGS, NULL},
    {"__exit__", scandir_close, METH_VARARGS, NULL},
    {"close", scandir_close, METH_NOARGS, NULL},
    {0},
};

static PyType_Slot scandir_slots[] = {
    {Py_tp_dealloc, scandir_dealloc}, {Py_tp_finalize, scandir_finalize},
    {Py_tp_iter, PyObject_SelfIter},  {Py_tp_iternext, scandir_next},
    {Py_tp_methods, scandir_methods}, {0, NULL},
};

static PyType_Spec scandir_spec = {
    .name = "posix.ScandirIterator",
    .basicsize = sizeof(ScandirIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = scandir_slots,
};

static PyObject *
posix_scandir(PyObject *module, PyObject *args, PyObject *kw)
{
    KWLIST("path");
    NJ_PATH(p, "scandir", "path", true, true);
    if (!PARSE("|O&:scandir", PATH_ARG(p))) {
        return NULL;
    }
    if (!p.narrow && !p.is_fd) {
        p.narrow = ".";
    }
    if (PySys_Audit("os.scandir", "O", p.object ? p.object : Py_None) < 0) {
        return NULL;
    }
    PyTypeObject *type = posix_state(module)->scandir_iter;
    NJ_OWN it = type->tp_alloc(type, 0);
    if (!it) {
        return NULL;
    }
    ScandirIter *s = (ScandirIter *)it;
    s->path = p;
    p.object = p.bytes = NULL; /* moved */
    s->dir = open_dir(&s->path);
    return s->dir ? NJ_TAKE(it) : NULL;
}

/* ---- paths as text -------------------------------------------------------------------------------- */

static PyObject *
posix_fspath(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path");
    PyObject *path;
    return PARSE("O:fspath", &path) ? PyOS_FSPath(path) : NULL;
}

PyObject *
PyOS_FSPath(PyObject *path)
{
    if (PyUnicode_Check(path) || PyBytes_Check(path)) {
        return Py_NewRef(path);
    }
    NJ_OWN method = NULL;
    if (PyObject_GetOptionalAttr((PyObject *)Py_TYPE(path), NJ_ID(__fspath__), &method) <
        0) {
        return NULL;
    }
    if (!method || method == Py_None) {
        PyErr_Format(PyExc_TypeError, "expected str, bytes or os.PathLike object, not %.200s",
                     _PyType_Name(Py_TYPE(path)));
        return NULL;
    }
    NJ_OWN text = PyObject_CallOneArg(method, path);
    if (!text) {
        return NULL;
    }
    if (!PyUnicode_Check(text) && !PyBytes_Check(text)) {
        PyErr_Format(PyExc_TypeError,
                     "expected %.200s.__fspath__() to return str or bytes, not %.200s",
                     Py_TYPE(path)->tp_name, Py_TYPE(text)->tp_name);
        return NULL;
    }
    return NJ_TAKE(text);
}

/* os.path.normpath: "." and ".." resolved in the text alone, doubled slashes joined. */
static PyObject *
posix_path_normpath(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path");
    PyObject *arg;
    if (!PARSE("O:_path_normpath", &arg)) {
        return NULL;
    }
    NJ_OWN path = PyOS_FSPath(arg);
    if (!path) {
        return NULL;
    }
    NJ_OWN bytes = PyBytes_Check(path) ? Py_NewRef(path)
                                       : PyUnicode_AsEncodedString(path, "utf-8",
                                                                   "surrogatepass");
    if (!bytes) {
        return NULL;
    }
    const char *s = PyBytes_AS_STRING(bytes), *end = s + PyBytes_GET_SIZE(bytes);
    NJ_OWN_MEM(char) buf = PyMem_Malloc((size_t)(end - s) + 2);
    if (!buf) {
        return PyErr_NoMemory();
    }
    char *out = buf;
    int slashes = 0;
    while (s < end && *s == '/') {
        s++;
        slashes++;
    }
    /* exactly two leading slashes are kept (POSIX) */
    if (slashes) {
        *out++ = '/';
        if (slashes == 2) {
            *out++ = '/';
        }
    }
    char *root = out;
    while (s < end) {
        const char *e = memchr(s, '/', (size_t)(end - s));
        if (!e) {
            e = end;
        }
        size_t n = (size_t)(e - s);
        if (n == 2 && s[0] == '.' && s[1] == '.') {
            char *last = out;
            while (last > root && last[-1] != '/') {
                last--;
            }
            bool up = out - last == 2 && last[0] == '.' && last[1] == '.';
            if (out > root && !up) {
                out = last > root ? last - 1 : root;
                n = 0;
            } else if (slashes) {
                n = 0;
            }
        } else if (n == 1 && s[0] == '.') {
            n = 0;
        }
        if (n) {
            if (out > root) {
                *out++ = '/';
            }
            memcpy(out, s, n);
            out += n;
        }
        s = e + 1;
    }
    if (out == buf) {
        *out++ = '.';
    }
    return PyBytes_Check(path) ? PyBytes_FromStringAndSize(buf, out - buf)
                               : PyUnicode_DecodeUTF8(buf, out - buf, "surrogatepass");
}

static PyObject *
posix_path_splitroot_ex(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("p");
    PyObject *arg;
    if (!PARSE("O:_path_splitroot_ex", &arg)) {
        return NULL;
    }
    NJ_OWN path = PyOS_FSPath(arg);
    if (!path) {
        return NULL;
    }
    bool bytes = PyBytes_Check(path);
    Py_ssize_t n = bytes ? PyBytes_GET_SIZE(path) : PyUnicode_GET_LENGTH(path);
#define AT(i) (bytes ? (Py_UCS4)PyBytes_AS_STRING(path)[i] : PyUnicode_READ_CHAR(path, i))
    Py_ssize_t root = n > 0 && AT(0) == '/'
                          ? (n > 1 && AT(1) == '/' && !(n > 2 && AT(2) == '/') ? 2 : 1)
                          : 0;
#undef AT
    if (bytes) {
        const char *s = PyBytes_AS_STRING(path);
        return Py_BuildValue("(y#y#y#)", "", (Py_ssize_t)0, s, root, s + root, n - root);
    }
    NJ_OWN head = PyUnicode_Substring(path, 0, root);
    NJ_OWN tail = PyUnicode_Substring(path, root, n);
    return head && tail ? Py_BuildValue("(sOO)", "", head, tail) : NULL;
}

/* ---- tables ------------------------------------------------------------------------------------------ */

#define KW (METH_VARARGS | METH_KEYWORDS)
#define FASTKW (METH_FASTCALL | METH_KEYWORDS)

PyMethodDef posix_path_methods[] = {
    {"stat", FUNC(posix_stat), FASTKW,
     "stat($module, /, path, *, dir_fd=None, follow_symlinks=True)\n--\n\nThe status of a "
     "file."},
    {"lstat", FUNC(posix_lstat), FASTKW,
     "lstat($module, /, path, *, dir_fd=None)\n--\n\nThe status of a file or link itself."},
    {"fstat", FUNC(posix_fstat), KW, "fstat($module, /, fd)\n--\n\nThe status of an open file."},
    {"statvfs", FUNC(posix_statvfs), KW,
     "statvfs($module, /, path)\n--\n\nThe status of a file system."},
    {"fstatvfs", posix_fstatvfs, METH_O,
     "fstatvfs($module, fd, /)\n--\n\nThe status of an open file's file system."},
    {"access", FUNC(posix_access), KW,
     "access($module, /, path, mode, *, dir_fd=None, effective_ids=False,\n       "
     "follow_symlinks=True)\n--\n\nWhether the user may access path."},
    {"chdir", FUNC(posix_chdir), KW, "chdir($module, /, path)\n--\n\nChange the working "
                                     "directory."},
    {"chmod", FUNC(posix_chmod), KW,
     "chmod($module, /, path, mode, *, dir_fd=None,\n      follow_symlinks=(os.name != "
     "'nt'))\n--\n\nChange the permissions."},
    {"chown", FUNC(posix_chown), KW,
     "chown($module, /, path, uid, gid, *, dir_fd=None, follow_symlinks=True)\n--\n\nChange "
     "owner and group."},
    {"lchown", FUNC(posix_lchown), KW,
     "lchown($module, /, path, uid, gid)\n--\n\nChange owner and group of a link itself."},
    {"chroot", FUNC(posix_chroot), KW, "chroot($module, /, path)\n--\n\nChange the root."},
    {"getcwd", posix_getcwd, METH_NOARGS, "getcwd($module, /)\n--\n\nThe working directory."},
    {"getcwdb", posix_getcwdb, METH_NOARGS,
     "getcwdb($module, /)\n--\n\nThe working directory as bytes."},
    {"link", FUNC(posix_link), KW,
     "link($module, /, src, dst, *, src_dir_fd=None, dst_dir_fd=None,\n     "
     "follow_symlinks=(os.name != 'nt'))\n--\n\nMake a hard link."},
    {"symlink", FUNC(posix_symlink), KW,
     "symlink($module, /, src, dst, target_is_directory=False, *, dir_fd=None)\n--\n\nMake a "
     "symbolic link dst to src."},
    {"rename", FUNC(posix_rename), KW,
     "rename($module, /, src, dst, *, src_dir_fd=None, dst_dir_fd=None)\n--\n\nRename."},
    {"replace", FUNC(posix_replace), KW,
     "replace($module, /, src, dst, *, src_dir_fd=None, dst_dir_fd=None)\n--\n\nRename, "
     "overwriting."},
    {"unlink", FUNC(posix_unlink), KW,
     "unlink($module, /, path, *, dir_fd=None)\n--\n\nRemove a file."},
    {"remove", FUNC(posix_remove), KW,
     "remove($module, /, path, *, dir_fd=None)\n--\n\nRemove a file."},
    {"rmdir", FUNC(posix_rmdir), KW,
     "rmdir($module, /, path, *, dir_fd=None)\n--\n\nRemove an empty directory."},
    {"mkdir", FUNC(posix_mkdir), KW,
     "mkdir($module, /, path, mode=511, *, dir_fd=None)\n--\n\nMake a directory."},
    {"mkfifo", FUNC(posix_mkfifo), KW,
     "mkfifo($module, /, path, mode=438, *, dir_fd=None)\n--\n\nMake a named pipe."},
    {"mknod", FUNC(posix_mknod), KW,
     "mknod($module, /, path, mode=384, device=0, *, dir_fd=None)\n--\n\nMake a node."},
    {"readlink", FUNC(posix_readlink), KW,
     "readlink($module, /, path, *, dir_fd=None)\n--\n\nWhere a symbolic link points."},
    {"open", FUNC(posix_open), KW,
     "open($module, /, path, flags, mode=511, *, dir_fd=None)\n--\n\nOpen a file; returns "
     "its descriptor."},
    {"truncate", FUNC(posix_truncate), KW,
     "truncate($module, /, path, length)\n--\n\nCut or extend a file."},
    {"utime", FUNC(posix_utime), KW,
     "utime($module, /, path, times=None, *, ns=<unrepresentable>,\n      dir_fd=None, "
     "follow_symlinks=True)\n--\n\nSet access and modification times."},
    {"pathconf", FUNC(posix_pathconf), KW,
     "pathconf($module, /, path, name)\n--\n\nA limit that holds for path."},
    {"getxattr", FUNC(posix_getxattr), KW,
     "getxattr($module, /, path, attribute, *, follow_symlinks=True)\n--\n\nThe value of an "
     "extended attribute."},
    {"setxattr", FUNC(posix_setxattr), KW,
     "setxattr($module, /, path, attribute, value, flags=0, *,\n         "
     "follow_symlinks=True)\n--\n\nSet an extended attribute."},
    {"removexattr", FUNC(posix_removexattr), KW,
     "removexattr($module, /, path, attribute, *, follow_symlinks=True)\n--\n\nRemove an "
     "extended attribute."},
    {"listxattr", FUNC(posix_listxattr), KW,
     "listxattr($module, /, path=None, *, follow_symlinks=True)\n--\n\nThe extended "
     "attributes' names."},
    {"listdir", FUNC(posix_listdir), KW,
     "listdir($module, /, path=None)\n--\n\nThe names in a directory."},
    {"scandir", FUNC(posix_scandir), KW,
     "scandir($module, /, path=None)\n--\n\nAn iterator of DirEntry objects."},
    {"fspath", FUNC(posix_fspath), KW,
     "fspath($module, /, path)\n--\n\nThe file system path of an object."},
    {"_path_normpath", FUNC(posix_path_normpath), KW,
     "_path_normpath($module, /, path)\n--\n\n"},
    {"_path_splitroot_ex", FUNC(posix_path_splitroot_ex), KW,
     "_path_splitroot_ex($module, /, p)\n--\n\n"},
    {0},
};

static PyStructSequence_Field stat_fields[] = {
    {"st_mode", "protection bits"},
    {"st_ino", "inode"},
    {"st_dev", "device"},
    {"st_nlink", "number of hard links"},
    {"st_uid", "user ID of owner"},
    {"st_gid", "group ID of owner"},
    {"st_size", "total size, in bytes"},
    {NULL, "integer time of last access"},
    {NULL, "integer time of last modification"},
    {NULL, "integer time of last change"},
    {"st_atime", "time of last access"},
    {"st_mtime", "time of last modification"},
    {"st_ctime", "time of last change"},
    {"st_atime_ns", "time of last access in nanoseconds"},
    {"st_mtime_ns", "time of last modification in nanoseconds"},
    {"st_ctime_ns", "time of last change in nanoseconds"},
    {"st_blksize", "blocksize for filesystem I/O"},
    {"st_blocks", "number of blocks allocated"},
    {"st_rdev", "device type (if inode device)"},
    {0},
};

static PyStructSequence_Desc stat_desc = {"os.stat_result", "What os.stat() returns.",
                                          stat_fields, 10};

static PyStructSequence_Field statvfs_fields[] = {
    {"f_bsize", NULL}, {"f_frsize", NULL}, {"f_blocks", NULL}, {"f_bfree", NULL},
    {"f_bavail", NULL}, {"f_files", NULL}, {"f_ffree", NULL}, {"f_favail", NULL},
    {"f_flag", NULL}, {"f_namemax", NULL}, {"f_fsid", NULL}, {0},
};

static PyStructSequence_Desc statvfs_desc = {
    "os.statvfs_result", "What os.statvfs() returns.", statvfs_fields, 10};

/* stat_result((...10 items...)): float times default to the integer ones. The base tp_new
 * is that of every structseq type. */
static PyObject *
stat_result_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *module = PyImport_ImportModule("posix");
    if (!module) {
        return NULL;
    }
    newfunc base_new = (newfunc)PyType_GetSlot(posix_state(module)->statvfs_result,
                                               Py_tp_new);
    Py_DECREF(module);
    PyObject *r = base_new(type, args, kwds);
    if (!r) {
        return NULL;
    }
    for (int i = 7; i <= 9; i++) {
        PyObject *f = PyStructSequence_GetItem(r, i + 3);
        if (!f || f == Py_None) {
            /* a structseq's item is a tuple item: replace it without leaking the old */
            PyObject **slot = &((PyTupleObject *)r)->ob_item[i + 3];
            Py_XSETREF(*slot, Py_NewRef(PyStructSequence_GetItem(r, i)));
        }
    }
    return r;
}

int
posix_add_path_types(PyObject *module)
{
    PosixState *st = posix_state(module);
    st->billion = PyLong_FromLong(1000000000);
    for (int i = 7; i < 10; i++) {
        stat_fields[i].name = PyStructSequence_UnnamedField; /* no C constant */
    }
    st->stat_result = PyStructSequence_NewType(&stat_desc);
    st->statvfs_result = PyStructSequence_NewType(&statvfs_desc);
    st->direntry = (PyTypeObject *)PyType_FromModuleAndSpec(module, &direntry_spec, NULL);
    st->scandir_iter =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &scandir_spec, NULL);
    if (!st->billion || !st->stat_result || !st->statvfs_result || !st->direntry ||
        !st->scandir_iter) {
        return -1;
    }
    st->stat_result->tp_new = stat_result_new;
    return PyModule_AddObjectRef(module, "stat_result", (PyObject *)st->stat_result) < 0 ||
                   PyModule_AddObjectRef(module, "statvfs_result",
                                         (PyObject *)st->statvfs_result) < 0 ||
                   PyModule_AddObjectRef(module, "DirEntry", (PyObject *)st->direntry) < 0
               ? -1
               : 0;
}

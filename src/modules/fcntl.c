/* fcntl.c - file control, ioctl and locks: the fcntl module.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SIG(s) s "\n--\n\n"
#define FN(f) (PyCFunction)(void (*)(void))f
#define BUF_SIZE 1024

/* The bytes of a str (UTF-8) or buffer argument into buf: length, or -1. */
static Py_ssize_t
copy_arg(PyObject *o, char *buf, const char *func)
{
    Py_ssize_t n;
    const char *s;
    NJ_OWN_BUF view = {0};
    if (PyUnicode_Check(o)) {
        s = PyUnicode_AsUTF8AndSize(o, &n);
        if (!s) {
            return -1;
        }
    }
    else {
        if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        s = view.buf;
        n = view.len;
    }
    if (n > BUF_SIZE) {
        PyErr_Format(PyExc_ValueError, "%s argument 3 is too long", func);
        return -1;
    }
    memcpy(buf, s, (size_t)n);
    buf[n] = 0;
    return n;
}

static PyObject *
fcntl_fcntl(PyObject *m, PyObject *const *a, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("fcntl", nargs, 2, 3)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(a[0]);
    int cmd = fd < 0 ? -1 : PyLong_AsInt(a[1]);
    if (fd < 0 || (cmd == -1 && PyErr_Occurred())) {
        return NULL;
    }
    PyObject *arg = nargs > 2 ? a[2] : NULL;
    if (PySys_Audit("fcntl.fcntl", "iiO", fd, cmd, arg ? arg : Py_None) < 0) {
        return NULL;
    }
    int rc, again = 0;
    if (!arg || PyIndex_Check(arg)) {
        int v = 0;
        if (arg) {
            NJ_OWN i = PyNumber_Index(arg);
            if (!i) {
                return NULL;
            }
            v = (int)PyLong_AsUnsignedLongMask(i);
            if (v == -1 && PyErr_Occurred()) {
                return NULL;
            }
        }
        do {
            Py_BEGIN_ALLOW_THREADS
            rc = fcntl(fd, cmd, v);
            Py_END_ALLOW_THREADS
        } while (rc == -1 && errno == EINTR && !(again = PyErr_CheckSignals()));
        if (rc < 0) {
            return again ? NULL : PyErr_SetFromErrno(PyExc_OSError);
        }
        return PyLong_FromLong(rc);
    }
    if (!PyUnicode_Check(arg) && !PyObject_CheckBuffer(arg)) {
        PyErr_Format(PyExc_TypeError,
                     "fcntl() argument 3 must be an integer, a bytes-like object, or a "
                     "string, not %T",
                     arg);
        return NULL;
    }
    char buf[BUF_SIZE + 1];
    Py_ssize_t n = copy_arg(arg, buf, "fcntl");
    if (n < 0) {
        return NULL;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        rc = fcntl(fd, cmd, buf);
        Py_END_ALLOW_THREADS
    } while (rc == -1 && errno == EINTR && !(again = PyErr_CheckSignals()));
    if (rc < 0) {
        return again ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyBytes_FromStringAndSize(buf, n);
}

static PyObject *
fcntl_ioctl(PyObject *m, PyObject *const *a, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("ioctl", nargs, 2, 4)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(a[0]);
    if (fd < 0) {
        return NULL;
    }
    unsigned long code = PyLong_AsUnsignedLongMask(a[1]);
    if (code == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    int mutate = nargs > 3 ? PyObject_IsTrue(a[3]) : 1;
    PyObject *arg = nargs > 2 ? a[2] : NULL;
    if (mutate < 0 ||
        PySys_Audit("fcntl.ioctl", "ikO", fd, code, arg ? arg : Py_None) < 0) {
        return NULL;
    }
    int rc;
    if (!arg || PyIndex_Check(arg)) {
        long v = 0;
        if (arg) {
            NJ_OWN i = PyNumber_Index(arg);
            if (!i) {
                return NULL;
            }
            v = (int)PyLong_AsUnsignedLongMask(i);
            if (v == -1 && PyErr_Occurred()) {
                return NULL;
            }
        }
        Py_BEGIN_ALLOW_THREADS
        rc = ioctl(fd, code, v);
        Py_END_ALLOW_THREADS
        return rc < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(rc);
    }
    if (!PyUnicode_Check(arg) && !PyObject_CheckBuffer(arg)) {
        PyErr_Format(PyExc_TypeError,
                     "ioctl() argument 3 must be an integer, a bytes-like object, or a "
                     "string, not %T",
                     arg);
        return NULL;
    }
    char buf[BUF_SIZE + 1];
    if (!PyUnicode_Check(arg) && mutate) {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(arg, &view, PyBUF_WRITABLE) == 0) {
            bool small = view.len <= BUF_SIZE;
            void *p = view.buf;
            if (small) {
                memcpy(buf, view.buf, (size_t)view.len);
                buf[view.len] = 0;
                p = buf;
            }
            Py_BEGIN_ALLOW_THREADS
            rc = ioctl(fd, code, p);
            Py_END_ALLOW_THREADS
            int err = errno;
            if (small) {
                memcpy(view.buf, buf, (size_t)view.len);
            }
            errno = err;
            return rc < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromLong(rc);
        }
        if (!PyErr_ExceptionMatches(PyExc_BufferError)) {
            return NULL;
        }
        PyErr_Clear();
    }
    Py_ssize_t n = copy_arg(arg, buf, "ioctl");
    if (n < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = ioctl(fd, code, buf);
    Py_END_ALLOW_THREADS
    return rc < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyBytes_FromStringAndSize(buf, n);
}

static PyObject *
fcntl_flock(PyObject *m, PyObject *const *a, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("flock", nargs, 2, 2)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(a[0]);
    int op = fd < 0 ? -1 : PyLong_AsInt(a[1]);
    if (fd < 0 || (op == -1 && PyErr_Occurred()) ||
        PySys_Audit("fcntl.flock", "ii", fd, op) < 0) {
        return NULL;
    }
    int rc, again = 0;
    do {
        Py_BEGIN_ALLOW_THREADS
        rc = flock(fd, op);
        Py_END_ALLOW_THREADS
    } while (rc == -1 && errno == EINTR && !(again = PyErr_CheckSignals()));
    if (rc < 0) {
        return again ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
fcntl_lockf(PyObject *m, PyObject *const *a, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("lockf", nargs, 2, 5)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(a[0]);
    int code = fd < 0 ? -1 : PyLong_AsInt(a[1]);
    int whence = 0;
    if (fd < 0 || (code == -1 && PyErr_Occurred()) ||
        (nargs > 4 && (whence = PyLong_AsInt(a[4])) == -1 && PyErr_Occurred()) ||
        PySys_Audit("fcntl.lockf", "iiOOi", fd, code, nargs > 2 ? a[2] : Py_None,
                    nargs > 3 ? a[3] : Py_None, whence) < 0) {
        return NULL;
    }
    struct flock l = {.l_whence = (short)whence};
    if (code == LOCK_UN) {
        l.l_type = F_UNLCK;
    }
    else if (code & LOCK_SH) {
        l.l_type = F_RDLCK;
    }
    else if (code & LOCK_EX) {
        l.l_type = F_WRLCK;
    }
    else {
        PyErr_SetString(PyExc_ValueError, "unrecognized lockf argument");
        return NULL;
    }
    if (nargs > 3 && (l.l_start = PyLong_AsLong(a[3])) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (nargs > 2 && (l.l_len = PyLong_AsLong(a[2])) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int rc, again = 0;
    do {
        Py_BEGIN_ALLOW_THREADS
        rc = fcntl(fd, code & LOCK_NB ? F_SETLK : F_SETLKW, &l);
        Py_END_ALLOW_THREADS
    } while (rc == -1 && errno == EINTR && !(again = PyErr_CheckSignals()));
    if (rc < 0) {
        return again ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef fcntl_methods[] = {
    {"fcntl", FN(fcntl_fcntl), METH_FASTCALL,
     SIG("fcntl($module, fd, cmd, arg=0, /)") "Perform the operation `cmd` on `fd`."},
    {"ioctl", FN(fcntl_ioctl), METH_FASTCALL,
     SIG("ioctl($module, fd, request, arg=0, mutate_flag=True, /)")
     "Perform the operation `request` on `fd`."},
    {"flock", FN(fcntl_flock), METH_FASTCALL,
     SIG("flock($module, fd, operation, /)") "Perform the lock operation on `fd`."},
    {"lockf", FN(fcntl_lockf), METH_FASTCALL,
     SIG("lockf($module, fd, cmd, len=0, start=0, whence=0, /)")
     "A wrapper around the fcntl() locking calls."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    long value;
} consts[] = {
    {"DN_ACCESS", 1L},
    {"DN_ATTRIB", 32L},
    {"DN_CREATE", 4L},
    {"DN_DELETE", 8L},
    {"DN_MODIFY", 2L},
    {"DN_MULTISHOT", 2147483648L},
    {"DN_RENAME", 16L},
    {"FASYNC", 8192L},
    {"FD_CLOEXEC", 1L},
    {"FICLONE", 1074041865L},
    {"FICLONERANGE", 1075876877L},
    {"F_ADD_SEALS", 1033L},
    {"F_DUPFD", 0L},
    {"F_DUPFD_CLOEXEC", 1030L},
    {"F_DUPFD_QUERY", 1027L},
    {"F_EXLCK", 4L},
    {"F_GETFD", 1L},
    {"F_GETFL", 3L},
    {"F_GETLEASE", 1025L},
    {"F_GETLK", 5L},
    {"F_GETLK64", 5L},
    {"F_GETOWN", 9L},
    {"F_GETOWN_EX", 16L},
    {"F_GETPIPE_SZ", 1032L},
    {"F_GETSIG", 11L},
    {"F_GET_FILE_RW_HINT", 1037L},
    {"F_GET_RW_HINT", 1035L},
    {"F_GET_SEALS", 1034L},
    {"F_NOTIFY", 1026L},
    {"F_OFD_GETLK", 36L},
    {"F_OFD_SETLK", 37L},
    {"F_OFD_SETLKW", 38L},
    {"F_OWNER_PGRP", 2L},
    {"F_OWNER_PID", 1L},
    {"F_OWNER_TID", 0L},
    {"F_RDLCK", 0L},
    {"F_SEAL_FUTURE_WRITE", 16L},
    {"F_SEAL_GROW", 4L},
    {"F_SEAL_SEAL", 1L},
    {"F_SEAL_SHRINK", 2L},
    {"F_SEAL_WRITE", 8L},
    {"F_SETFD", 2L},
    {"F_SETFL", 4L},
    {"F_SETLEASE", 1024L},
    {"F_SETLK", 6L},
    {"F_SETLK64", 6L},
    {"F_SETLKW", 7L},
    {"F_SETLKW64", 7L},
    {"F_SETOWN", 8L},
    {"F_SETOWN_EX", 15L},
    {"F_SETPIPE_SZ", 1031L},
    {"F_SETSIG", 10L},
    {"F_SET_FILE_RW_HINT", 1038L},
    {"F_SET_RW_HINT", 1036L},
    {"F_SHLCK", 8L},
    {"F_UNLCK", 2L},
    {"F_WRLCK", 1L},
    {"LOCK_EX", 2L},
    {"LOCK_MAND", 32L},
    {"LOCK_NB", 4L},
    {"LOCK_READ", 64L},
    {"LOCK_RW", 192L},
    {"LOCK_SH", 1L},
    {"LOCK_UN", 8L},
    {"LOCK_WRITE", 128L},
    {"RWH_WRITE_LIFE_EXTREME", 5L},
    {"RWH_WRITE_LIFE_LONG", 4L},
    {"RWH_WRITE_LIFE_MEDIUM", 3L},
    {"RWH_WRITE_LIFE_NONE", 1L},
    {"RWH_WRITE_LIFE_NOT_SET", 0L},
    {"RWH_WRITE_LIFE_SHORT", 2L},
};

static int
fcntl_exec(PyObject *m)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(consts); i++) {
        if (PyModule_AddIntConstant(m, consts[i].name, consts[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot fcntl_slots[] = {
    {Py_mod_exec, fcntl_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef fcntl_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "fcntl",
    .m_doc = "This module performs file control and I/O control on file\ndescriptors.",
    .m_methods = fcntl_methods,
    .m_slots = fcntl_slots,
};

PyMODINIT_FUNC PyInit_fcntl(void);
PyMODINIT_FUNC
PyInit_fcntl(void)
{
    return PyModuleDef_Init(&fcntl_def);
}

/* file.c - PyFile_*: C helpers around file objects, and the plain printer that stands in
 * for sys.stderr before there is an io module.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

PyObject *
PyFile_FromFd(int fd, const char *name, const char *mode, int buffering,
              const char *encoding, const char *errors, const char *newline, int closefd)
{
    NJ_OWN io = PyImport_ImportModule("_io");
    return io ? PyObject_CallMethod(io, "open", "isisssO", fd, mode, buffering, encoding,
                                    errors, newline, closefd ? Py_True : Py_False)
              : NULL;
}

int
PyFile_WriteObject(PyObject *v, PyObject *f, int flags)
{
    if (!f) {
        PyErr_SetString(PyExc_TypeError, "writeobject with NULL file");
        return -1;
    }
    NJ_OWN write = PyObject_GetAttr(f, NJ_ID(write));
    if (!write) {
        return -1;
    }
    NJ_OWN text = flags & Py_PRINT_RAW ? PyObject_Str(v) : PyObject_Repr(v);
    NJ_OWN r = text ? PyObject_CallOneArg(write, text) : NULL;
    return r ? 0 : -1;
}

int
PyFile_WriteString(const char *s, PyObject *f)
{
    if (!f) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError, "null file for PyFile_WriteString");
        }
        return -1;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    NJ_OWN v = PyUnicode_FromString(s);
    return v ? PyFile_WriteObject(v, f, Py_PRINT_RAW) : -1;
}

/* n < 0: strips the newline, EOFError at the end; 0: a line; > 0: at most n characters */
PyObject *
PyFile_GetLine(PyObject *f, int n)
{
    if (!f) {
        PyErr_BadInternalCall();
        return NULL;
    }
    NJ_OWN line = n <= 0 ? PyObject_CallMethodNoArgs(f, NJ_ID(readline))
                         : PyObject_CallMethod(f, "readline", "i", n);
    if (!line) {
        return NULL;
    }
    bool bytes = PyBytes_Check(line);
    if (!bytes && !PyUnicode_Check(line)) {
        PyErr_SetString(PyExc_TypeError, "object.readline() returned non-string");
        return NULL;
    }
    if (n >= 0) {
        return NJ_TAKE(line);
    }
    Py_ssize_t len = bytes ? PyBytes_GET_SIZE(line) : PyUnicode_GET_LENGTH(line);
    if (len == 0) {
        PyErr_SetString(PyExc_EOFError, "EOF when reading a line");
        return NULL;
    }
    if (bytes) {
        const char *s = PyBytes_AS_STRING(line);
        return s[len - 1] == '\n' ? PyBytes_FromStringAndSize(s, len - 1) : NJ_TAKE(line);
    }
    return PyUnicode_READ_CHAR(line, len - 1) == '\n' ? PyUnicode_Substring(line, 0, len - 1)
                                                      : NJ_TAKE(line);
}

int
PyObject_AsFileDescriptor(PyObject *o)
{
    int fd;
    if (PyLong_Check(o)) {
        if (PyBool_Check(o) &&
            PyErr_WarnEx(PyExc_RuntimeWarning, "bool is used as a file descriptor", 1)) {
            return -1;
        }
        fd = PyLong_AsInt(o);
    }
    else {
        PyObject *meth;
        int rc = PyObject_GetOptionalAttr(o, NJ_ID(fileno), &meth);
        if (rc < 0) {
            return -1;
        }
        if (rc == 0) {
            PyErr_SetString(PyExc_TypeError,
                            "argument must be an int, or have a fileno() method.");
            return -1;
        }
        NJ_OWN m = meth;
        NJ_OWN r = PyObject_CallNoArgs(m);
        if (!r) {
            return -1;
        }
        if (!PyLong_Check(r)) {
            PyErr_SetString(PyExc_TypeError, "fileno() returned a non-integer");
            return -1;
        }
        fd = PyLong_AsInt(r);
    }
    if (fd == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (fd < 0) {
        PyErr_Format(PyExc_ValueError, "file descriptor cannot be a negative integer (%i)",
                     fd);
        return -1;
    }
    return fd;
}

char *
Py_UniversalNewlineFgets(char *buf, int n, FILE *f, PyObject *fobj)
{
    char *p = buf;
    int c = EOF;
    if (fobj) {
        errno = ENXIO;
        return NULL;
    }
    while (--n > 0 && (c = getc(f)) != EOF) {
        if (c == '\r') {
            int next = getc(f);
            if (next != '\n') {
                ungetc(next, f);
            }
            c = '\n';
        }
        *p++ = (char)c;
        if (c == '\n') {
            break;
        }
    }
    *p = 0;
    return p == buf ? NULL : buf;
}

FILE *
Py_fopen(PyObject *path, const char *mode)
{
    if (PySys_Audit("open", "Osi", path, mode, 0) < 0) {
        return NULL;
    }
    NJ_OWN bytes = NULL;
    if (!PyUnicode_FSConverter(path, &bytes)) {
        return NULL;
    }
    FILE *f;
    do {
        Py_BEGIN_ALLOW_THREADS
        f = fopen(PyBytes_AS_STRING(bytes), mode);
        Py_END_ALLOW_THREADS
    } while (!f && errno == EINTR && PyErr_CheckSignals() == 0);
    if (!f && !PyErr_Occurred()) {
        PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
        return NULL;
    }
    if (f) {
        /* not inherited by child processes */

        fcntl(fileno(f), F_SETFD, FD_CLOEXEC);
    }
    return f;
}

int
Py_fclose(FILE *f)
{
    return fclose(f);
}

/* --- open_code ------------------------------------------------------------------------------- */

int
PyFile_SetOpenCodeHook(Py_OpenCodeHookFunction hook, void *data)
{
    if (nj_runtime.initialized && PySys_Audit("setopencodehook", NULL) < 0) {
        return -1;
    }
    if (nj_runtime.open_code_hook) {
        if (nj_runtime.initialized) {
            PyErr_SetString(PyExc_SystemError,
                            "failed to change existing open_code hook");
        }
        return -1;
    }
    nj_runtime.open_code_hook = hook;
    nj_runtime.open_code_data = data;
    return 0;
}

PyObject *
PyFile_OpenCodeObject(PyObject *path)
{
    if (!PyUnicode_Check(path)) {
        PyErr_Format(PyExc_TypeError, "'path' must be 'str', not '%.200s'",
                     Py_TYPE(path)->tp_name);
        return NULL;
    }
    if (nj_runtime.open_code_hook) {
        return nj_runtime.open_code_hook(path, nj_runtime.open_code_data);
    }
    NJ_OWN io = PyImport_ImportModule("_io");
    return io ? PyObject_CallMethod(io, "open", "Os", path, "rb") : NULL;
}

PyObject *
PyFile_OpenCode(const char *path)
{
    NJ_OWN s = PyUnicode_FromString(path);
    return s ? PyFile_OpenCodeObject(s) : NULL;
}

/* --- the plain printer --------------------------------------------------------------------------- */

typedef struct NjPrinter {
    PyObject_HEAD
    int fd;
} NjPrinter;

PyObject *
PyFile_NewStdPrinter(int fd)
{
    if (fd != 1 && fd != 2) {
        PyErr_BadInternalCall();
        return NULL;
    }
    NjPrinter *p = PyObject_New(NjPrinter, &PyStdPrinter_Type);
    if (p) {
        p->fd = fd;
    }
    return (PyObject *)p;
}

static PyObject *
printer_write(PyObject *self, PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        PyErr_Format(PyExc_TypeError, "write() argument must be str, not %T", text);
        return NULL;
    }
    NJ_OWN bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (!bytes) {
        return NULL;
    }
    const char *p = PyBytes_AS_STRING(bytes);
    Py_ssize_t n = PyBytes_GET_SIZE(bytes), done = 0;
    while (done < n) {
        ssize_t r = write(((NjPrinter *)self)->fd, p + done, (size_t)(n - done));
        if (r < 0) {
            if (errno == EAGAIN) {
                Py_RETURN_NONE;
            }
            if (errno == EINTR) {
                continue;
            }
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        done += r;
    }
    return PyLong_FromSsize_t(n);
}

static PyObject *
printer_fileno(PyObject *self, PyObject *unused)
{
    return PyLong_FromLong(((NjPrinter *)self)->fd);
}

static PyObject *
printer_isatty(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(isatty(((NjPrinter *)self)->fd));
}

static PyObject *
printer_nothing(PyObject *self, PyObject *unused)
{
    Py_RETURN_NONE;
}

static PyObject *
printer_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<stdprinter(fd=%d) object at %p>", ((NjPrinter *)self)->fd,
                                self);
}

static PyObject *
printer_encoding(PyObject *self, void *c)
{
    Py_RETURN_NONE;
}

static PyObject *
printer_closed(PyObject *self, void *c)
{
    Py_RETURN_FALSE;
}

static PyObject *
printer_mode(PyObject *self, void *c)
{
    return PyUnicode_FromString("w");
}

static PyMethodDef printer_methods[] = {
    {"close", printer_nothing, METH_NOARGS, ""},
    {"flush", printer_nothing, METH_NOARGS, ""},
    {"fileno", printer_fileno, METH_NOARGS, ""},
    {"isatty", printer_isatty, METH_NOARGS, ""},
    {"write", printer_write, METH_O, ""},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef printer_getset[] = {
    {"closed", printer_closed, NULL, "True if the file is closed", NULL},
    {"encoding", printer_encoding, NULL, "Encoding of the file", NULL},
    {"mode", printer_mode, NULL, "String giving the file mode", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static void
printer_dealloc(PyObject *self)
{
    PyObject_Free(self);
}

PyTypeObject PyStdPrinter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "stderrprinter",
    .tp_basicsize = sizeof(NjPrinter),
    .tp_dealloc = printer_dealloc,
    .tp_repr = printer_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = printer_methods,
    .tp_getset = printer_getset,
    .tp_free = PyObject_Free,
};

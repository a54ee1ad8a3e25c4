/* _posixshmem.c - POSIX shared memory objects, for multiprocessing.shared_memory.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The name as UTF-8, borrowed; NULL with an exception set. where names the argument. */
static const char *
name_of(PyObject *o, const char *where)
{
    if (!PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.50s", where,
                     Py_IsNone(o) ? "None" : Py_TYPE(o)->tp_name);
        return NULL;
    }
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(o, &n);
    if (s && strlen(s) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return s;
}

static PyObject *
posixshmem_open(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"path", "flags", "mode", NULL};
    PyObject *path;
    int flags, mode = 0777;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Ui|i:shm_open", names, &path, &flags,
                                     &mode)) {
        return NULL;
    }
    const char *name = name_of(path, "shm_open() argument 'path'");
    if (!name) {
        return NULL;
    }
    int fd, failed = 0;
    do {
        Py_BEGIN_ALLOW_THREADS
        fd = shm_open(name, flags, (mode_t)mode);
        Py_END_ALLOW_THREADS
    } while (fd < 0 && errno == EINTR && !(failed = PyErr_CheckSignals()));
    if (failed) {
        return NULL;
    }
    if (fd < 0) {
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    return PyLong_FromLong(fd);
}

static PyObject *
posixshmem_unlink(PyObject *m, PyObject *path)
{
    const char *name = name_of(path, "shm_unlink() argument");
    if (!name) {
        return NULL;
    }
    int rc, failed = 0;
    do {
        Py_BEGIN_ALLOW_THREADS
        rc = shm_unlink(name);
        Py_END_ALLOW_THREADS
    } while (rc < 0 && errno == EINTR && !(failed = PyErr_CheckSignals()));
    if (failed) {
        return NULL;
    }
    if (rc < 0) {
        return PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, path);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"shm_open", (PyCFunction)(void (*)(void))posixshmem_open,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("shm_open($module, /, path, flags, mode=511)\n--\n\n"
               "Open a shared memory object and return its file descriptor.")},
    {"shm_unlink", posixshmem_unlink, METH_O,
     PyDoc_STR("shm_unlink($module, path, /)\n--\n\n"
               "Remove the name of a shared memory object. Its memory goes when the\n"
               "last process unmaps it.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_posixshmem",
    .m_doc = "POSIX shared memory module",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__posixshmem(void)
{
    return PyModuleDef_Init(&module);
}

/* hashargs.h - what all hash constructors take: data, usedforsecurity, string.
 *
 * For the hash modules, built in and shared: public API only.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_HASHARGS_H
#define NJ_BASE_HASHARGS_H

/* From this many bytes on, hashing lets other threads run. */
#define NJ_HASH_GIL_MINSIZE 2048

/* The bytes to hash in data, in *view for the caller to release. 0/-1. */
static inline NJ_MUST int
nj_hash_view(PyObject *data, Py_buffer *view)
{
    if (PyUnicode_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "Strings must be encoded before hashing");
        return -1;
    }
    if (!PyObject_CheckBuffer(data)) {
        PyErr_SetString(PyExc_TypeError, "object supporting the buffer API required");
        return -1;
    }
    if (PyObject_GetBuffer(data, view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (view->ndim > 1) {
        PyErr_SetString(PyExc_BufferError, "Buffer must be single dimension");
        PyBuffer_Release(view);
        return -1;
    }
    return 0;
}

/* The initial data given as data or under its old name; NULL is none of both. 0/-1. */
static inline NJ_MUST int
nj_hash_initial(PyObject *data, PyObject *string, PyObject **initial)
{
    if (data && string) {
        PyErr_SetString(PyExc_TypeError,
                        "'data' and 'string' are mutually exclusive and support for "
                        "'string' keyword parameter is slated for removal in a future "
                        "version.");
        return -1;
    }
    *initial = data ? data : string;
    return 0;
}

/* (data=b'', *, usedforsecurity=True, string=None) of a vectorcall; format is
 * "|O$pO:NAME". *initial is borrowed or NULL. 0/-1. */
static inline NJ_MUST int
nj_hash_args(const char *format, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames, PyObject **initial, int *security)
{
    static char *names[] = {"data", "usedforsecurity", "string", NULL};
    *security = 1;
    *initial = nargs > 0 ? args[0] : NULL;
    if (nargs <= 1 && !kwnames) {
        return 0;
    }
    NJ_OWN tuple = PyTuple_New(nargs);
    NJ_OWN dict = PyDict_New();
    if (!tuple || !dict) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) {
            return -1;
        }
    }
    PyObject *data = NULL, *string = NULL;
    if (!PyArg_ParseTupleAndKeywords(tuple, dict, format, names, &data, security,
                                     &string)) {
        return -1;
    }
    return nj_hash_initial(data, string, initial);
}

static inline NJ_MUST PyObject *
nj_hash_hex(const unsigned char *digest, size_t n)
{
    if (n > (size_t)PY_SSIZE_T_MAX / 2) {
        return PyErr_NoMemory();
    }
    PyObject *r = PyUnicode_New((Py_ssize_t)n * 2, 127);
    if (r && n) {
        char *to = PyUnicode_DATA(r);
        for (size_t i = 0; i < n; i++) {
            *to++ = "0123456789abcdef"[digest[i] >> 4];
            *to++ = "0123456789abcdef"[digest[i] & 15];
        }
    }
    return r;
}

#endif

/* io_int.h - what the files of the _io module share.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_IO_INT_H
#define NJ_MODULES_IO_INT_H

#include "nj.h"

#include "capi/args.h"

#define NJ_IO_BUFFER_SIZE (128 * 1024) /* io.DEFAULT_BUFFER_SIZE */

typedef struct NjIoState {
    PyTypeObject *iobase, *rawiobase, *bufferediobase, *textiobase;
    PyTypeObject *fileio, *bytesio, *bytesiobuf, *stringio;
    PyTypeObject *reader, *writer, *random, *rwpair;
    PyTypeObject *textio, *nldecoder;
    PyObject *unsupported; /* io.UnsupportedOperation */
} NjIoState;

extern struct PyModuleDef nj_io_module;

static inline NjIoState *
nj_io_state(PyObject *module)
{
    return (NjIoState *)PyModule_GetState(module);
}

/* The state of the module that defined (a base of) the type of self; borrowed. */
static inline NjIoState *
nj_io_state_of(PyObject *self)
{
    PyObject *m = PyType_GetModuleByDef(Py_TYPE(self), &nj_io_module);
    return m ? nj_io_state(m) : NULL;
}

/* The head of every object of the module: an instance dict and weak references. */
typedef struct NjIoBase {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weaklist;
} NjIoBase;

extern PyType_Spec nj_iobase_spec, nj_rawiobase_spec, nj_bufferediobase_spec,
    nj_textiobase_spec, nj_fileio_spec, nj_bytesio_spec, nj_bytesiobuf_spec,
    nj_stringio_spec, nj_reader_spec, nj_writer_spec, nj_random_spec, nj_rwpair_spec,
    nj_textio_spec, nj_nldecoder_spec;

/* Raises io.UnsupportedOperation(message); NULL. */
PyObject *nj_io_unsupported(NjIoState *st, const char *message);
/* Raises ValueError("I/O operation on closed file.") unless self.closed is false. 0/-1.
 * May run Python code. */
NJ_MUST int nj_io_check_closed(PyObject *self);
/* Calls self.METHOD() and raises UnsupportedOperation(message) unless it is True. */
NJ_MUST int nj_io_check_able(NjIoState *st, PyObject *self, PyObject *method,
                             const char *message);
/* tp_finalize body shared by all: closes the object unless it is closed. */
void nj_io_finalize(PyObject *self);
/* A size argument: None or absent is -1. 0/-1. */
NJ_MUST int nj_io_size(PyObject *arg, Py_ssize_t *out);
/* PyArg "O&" converter of the same. */
int nj_io_size_converter(PyObject *arg, void *out);
/* When the current exception is OSError with errno EINTR: clears it, runs the signal
 * handlers and returns 1 (or -1 if one raised). Else 0. */
int nj_io_interrupted(void);

/* Appends "name='...'" style repr: <TYPE name=...>; handles recursion. */
PyObject *nj_io_repr_named(PyObject *self, const char *module_name);

/* An offset object to off_t; -1 with exception on error. */
off_t nj_io_as_offset(PyObject *o, PyObject *exc);

/* text: finds the end of a line. See textio.c. */
Py_ssize_t nj_io_find_line_ending(int translated, int universal, PyObject *readnl,
                                  int kind, const char *start, const char *end,
                                  Py_ssize_t *consumed);
PyObject *nj_nldecoder_decode(PyObject *self, PyObject *input, int final);

#endif

/* posix_int.h - what the files of the posix module share.
 *
 * Most functions parse with PyArg_ParseTupleAndKeywords and the converters below. A Path
 * owns what it converted: declare it with NJ_PATH, which releases it at the end of the
 * scope.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_POSIX_INT_H
#define NJ_MODULES_POSIX_INT_H

#include "nj.h"

#include "capi/args.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/types.h>

typedef struct PosixState {
    PyTypeObject *stat_result, *statvfs_result, *terminal_size, *times_result,
        *uname_result, *waitid_result, *sched_param, *direntry, *scandir_iter;
    PyObject *billion; /* 10**9, for nanoseconds */
} PosixState;

extern struct PyModuleDef nj_posix_module;

static inline PosixState *
posix_state(PyObject *module)
{
    return (PosixState *)PyModule_GetState(module);
}

typedef struct Path {
    const char *function; /* for messages */
    const char *argname;
    bool nullable;        /* None or absent means "." */
    bool allow_fd;
    int fd;               /* >= 0 or any int given when it is a descriptor; -1 else */
    bool is_fd;
    const char *narrow;   /* the path in the file system encoding, or NULL */
    PyObject *object;     /* what the caller gave, owned; for OSError.filename */
    PyObject *bytes;      /* owner of narrow */
} Path;

static inline void
path_release_(Path *p)
{
    Py_CLEAR(p->object);
    Py_CLEAR(p->bytes);
}

#define NJ_PATH(var, fname, arg, none_ok, fd_ok)                                       \
    __attribute__((cleanup(path_release_))) Path var = {                               \
        .function = fname, .argname = arg, .nullable = none_ok, .allow_fd = fd_ok,     \
        .fd = -1}

/* "O&" converters: 1, or 0 with an exception. Paths may run __fspath__. */
int posix_path_converter(PyObject *o, void *path);
int posix_dir_fd_converter(PyObject *o, void *fd);
int posix_uid_converter(PyObject *o, void *uid);
int posix_gid_converter(PyObject *o, void *gid);
int posix_dev_converter(PyObject *o, void *dev);
int posix_off_converter(PyObject *o, void *off);
int posix_fd_converter(PyObject *o, void *fd); /* int or object with fileno() */

/* OSError from errno, with the file names of the paths. NULL. */
PyObject *posix_error(void);
PyObject *posix_path_error(Path *p);
PyObject *posix_path_error2(Path *a, Path *b);
/* OSError of errno err unless an exception is set. */
PyObject *posix_errno(int err);

/* Runs call without the GIL, again after EINTR; err gets errno (0 on success). */
#define POSIX_CALL(result, call)                                                       \
    do {                                                                               \
        Py_BEGIN_ALLOW_THREADS                                                         \
        errno = 0;                                                                     \
        (result) = (call);                                                             \
        Py_END_ALLOW_THREADS                                                           \
    } while ((result) < 0 && errno == EINTR && PyErr_CheckSignals() == 0)

PyObject *posix_from_uid(uid_t uid);
PyObject *posix_from_gid(gid_t gid);

int posix_add_path_types(PyObject *module);
int posix_add_process_types(PyObject *module);
int posix_add_names(PyObject *module); /* *_names dictionaries and int constants */

extern PyMethodDef posix_path_methods[], posix_fd_methods[], posix_process_methods[];

#endif

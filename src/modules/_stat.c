/* _stat.c - the module _stat: tests and names for the mode bits of files.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <sys/stat.h>

/* A mode argument. 0, or -1 with the exception set. */
static int
mode_of(PyObject *o, mode_t *out)
{
    NJ_OWN n = PyNumber_Index(o);
    unsigned long v = n ? PyLong_AsUnsignedLong(n) : (unsigned long)-1;
    if (v == (unsigned long)-1 && PyErr_Occurred()) {
        return -1;
    }
    if (v > UINT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "mode out of range");
        return -1;
    }
    *out = (mode_t)v;
    return 0;
}

#define IS(name, what)                                                                 \
    static PyObject *stat_##name(PyObject *m, PyObject *o)                             \
    {                                                                                  \
        mode_t mode;                                                                   \
        return mode_of(o, &mode) < 0 ? NULL : PyBool_FromLong(name(mode));             \
    }                                                                                  \
    PyDoc_STRVAR(doc_##name,                                                           \
                 #name "(mode) -> bool\n\nReturn True if mode is from a" what ".");

/* Linux has no such files. */
#define S_ISDOOR(mode) 0
#define S_ISPORT(mode) 0
#define S_ISWHT(mode) 0

IS(S_ISDIR, " directory")
IS(S_ISCHR, " character special device file")
IS(S_ISBLK, " block special device file")
IS(S_ISREG, " regular file")
IS(S_ISFIFO, " FIFO (named pipe)")
IS(S_ISLNK, " symbolic link")
IS(S_ISSOCK, " socket file")
IS(S_ISDOOR, " door")
IS(S_ISPORT, "n event port")
IS(S_ISWHT, " whiteout")

static PyObject *
stat_S_IMODE(PyObject *m, PyObject *o)
{
    mode_t mode;
    return mode_of(o, &mode) < 0 ? NULL : PyLong_FromUnsignedLong(mode & 07777);
}

static PyObject *
stat_S_IFMT(PyObject *m, PyObject *o)
{
    mode_t mode;
    return mode_of(o, &mode) < 0 ? NULL : PyLong_FromUnsignedLong(mode & S_IFMT);
}

static char
type_letter(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG: return '-';
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFBLK: return 'b';
    case S_IFCHR: return 'c';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    default: return '?';
    }
}

static PyObject *
stat_filemode(PyObject *m, PyObject *o)
{
    static const mode_t special[3] = {S_ISUID, S_ISGID, S_ISVTX};
    mode_t mode;
    if (mode_of(o, &mode) < 0) {
        return NULL;
    }
    char s[10] = {type_letter(mode)};
    for (int i = 0; i < 3; i++) {
        mode_t bits = mode >> (6 - 3 * i);
        char mark = i < 2 ? 's' : 't';
        s[1 + 3 * i] = bits & 4 ? 'r' : '-';
        s[2 + 3 * i] = bits & 2 ? 'w' : '-';
        if (mode & special[i]) {
            s[3 + 3 * i] = bits & 1 ? mark : (char)(mark - 'a' + 'A');
        }
        else {
            s[3 + 3 * i] = bits & 1 ? 'x' : '-';
        }
    }
    return PyUnicode_FromStringAndSize(s, 10);
}

static PyMethodDef stat_methods[] = {
    {"S_ISDIR", stat_S_ISDIR, METH_O, doc_S_ISDIR},
    {"S_ISCHR", stat_S_ISCHR, METH_O, doc_S_ISCHR},
    {"S_ISBLK", stat_S_ISBLK, METH_O, doc_S_ISBLK},
    {"S_ISREG", stat_S_ISREG, METH_O, doc_S_ISREG},
    {"S_ISFIFO", stat_S_ISFIFO, METH_O, doc_S_ISFIFO},
    {"S_ISLNK", stat_S_ISLNK, METH_O, doc_S_ISLNK},
    {"S_ISSOCK", stat_S_ISSOCK, METH_O, doc_S_ISSOCK},
    {"S_ISDOOR", stat_S_ISDOOR, METH_O, doc_S_ISDOOR},
    {"S_ISPORT", stat_S_ISPORT, METH_O, doc_S_ISPORT},
    {"S_ISWHT", stat_S_ISWHT, METH_O, doc_S_ISWHT},
    {"S_IMODE", stat_S_IMODE, METH_O,
     "Return the portion of the file's mode that can be set by os.chmod()."},
    {"S_IFMT", stat_S_IFMT, METH_O,
     "Return the portion of the file's mode that describes the file type."},
    {"filemode", stat_filemode, METH_O,
     "Convert a file's mode to a string of the form '-rwxrwxrwx'"},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    unsigned int value;
} constants[] = {
    {"S_IFDIR", S_IFDIR}, {"S_IFCHR", S_IFCHR}, {"S_IFBLK", S_IFBLK},
    {"S_IFREG", S_IFREG}, {"S_IFIFO", S_IFIFO}, {"S_IFLNK", S_IFLNK},
    {"S_IFSOCK", S_IFSOCK}, {"S_IFDOOR", 0}, {"S_IFPORT", 0},
    {"S_IFWHT", 0}, {"S_ISUID", S_ISUID}, {"S_ISGID", S_ISGID},
    {"S_ISVTX", S_ISVTX}, {"S_ENFMT", S_ISGID}, {"S_IREAD", S_IRUSR},
    {"S_IWRITE", S_IWUSR}, {"S_IEXEC", S_IXUSR}, {"S_IRWXU", S_IRWXU},
    {"S_IRUSR", S_IRUSR}, {"S_IWUSR", S_IWUSR}, {"S_IXUSR", S_IXUSR},
    {"S_IRWXG", S_IRWXG}, {"S_IRGRP", S_IRGRP}, {"S_IWGRP", S_IWGRP},
    {"S_IXGRP", S_IXGRP}, {"S_IRWXO", S_IRWXO}, {"S_IROTH", S_IROTH},
    {"S_IWOTH", S_IWOTH}, {"S_IXOTH", S_IXOTH},
    /* The flags of BSD and macOS keep their values everywhere. */
    {"UF_SETTABLE", 0x0000ffff}, {"UF_NODUMP", 0x00000001},
    {"UF_IMMUTABLE", 0x00000002}, {"UF_APPEND", 0x00000004},
    {"UF_OPAQUE", 0x00000008}, {"UF_NOUNLINK", 0x00000010},
    {"UF_COMPRESSED", 0x00000020}, {"UF_TRACKED", 0x00000040},
    {"UF_DATAVAULT", 0x00000080}, {"UF_HIDDEN", 0x00008000},
    {"SF_SETTABLE", 0xffff0000}, {"SF_ARCHIVED", 0x00010000},
    {"SF_IMMUTABLE", 0x00020000}, {"SF_APPEND", 0x00040000},
    {"SF_NOUNLINK", 0x00100000}, {"SF_SNAPSHOT", 0x00200000},
    {"SF_FIRMLINK", 0x00800000}, {"SF_DATALESS", 0x40000000},
    /* The positions of the items in a stat result. */
    {"ST_MODE", 0}, {"ST_INO", 1}, {"ST_DEV", 2}, {"ST_NLINK", 3},
    {"ST_UID", 4}, {"ST_GID", 5}, {"ST_SIZE", 6}, {"ST_ATIME", 7},
    {"ST_MTIME", 8}, {"ST_CTIME", 9},
};

static int
stat_exec(PyObject *m)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(m, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot stat_slots[] = {
    {Py_mod_exec, stat_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef stat_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_stat",
    .m_doc = "S_IF*: types of files; S_IS*(mode): tests of the type; S_I*: permission\n"
             "bits; UF_* and SF_*: file flags of the owner and of the super user (BSD\n"
             "and macOS); ST_*: positions in the result of os.stat().\n",
    .m_methods = stat_methods,
    .m_slots = stat_slots,
};

PyMODINIT_FUNC PyInit__stat(void);

PyMODINIT_FUNC
PyInit__stat(void)
{
    return PyModuleDef_Init(&stat_module);
}

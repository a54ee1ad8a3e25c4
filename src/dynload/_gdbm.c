/* _gdbm.c - GNU dbm databases, for dbm.gnu.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <stdlib.h>

#define SIG(s) s "\n--\n\n"
#define FLAGS "rwcnfsu"

typedef struct {
    PyTypeObject *type;
    PyObject *error;
} State;

typedef struct {
    PyObject_HEAD
    GDBM_FILE file;  /* NULL once closed */
    Py_ssize_t size; /* -1: not counted */
} Db;

#define DB(o) ((Db *)(o))

static State *
state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

/* Raises the error of the last operation, or that of the system. */
static PyObject *
raise_error(State *st, PyObject *filename)
{
    if (errno) {
        return PyErr_SetFromErrnoWithFilenameObject(st->error, filename);
    }
    PyErr_SetString(st->error, gdbm_strerror(gdbm_errno));
    return NULL;
}

static State *
check_open(PyObject *self)
{
    State *st = state_of(self);
    if (st && !DB(self)->file) {
        PyErr_SetString(st->error, "GDBM object has already been closed");
        return NULL;
    }
    return st;
}

/* A str or bytes-like object as datum; what owns its memory in *keep (a str's UTF-8) or
 * *view. */
static int
datum_of(PyObject *o, datum *out, Py_buffer *view)
{
    Py_ssize_t n;
    if (PyUnicode_Check(o)) {
        out->dptr = (char *)PyUnicode_AsUTF8AndSize(o, &n);
        if (!out->dptr) {
            return -1;
        }
    }
    else {
        if (PyObject_GetBuffer(o, view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        out->dptr = view->buf;
        n = view->len;
    }
    if (n > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "size does not fit in an int");
        return -1;
    }
    out->dsize = (int)n;
    return 0;
}

static int
index_of(PyObject *o, datum *out, Py_buffer *view)
{
    if (datum_of(o, out, view) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError,
                            "gdbm mappings have bytes or string indices only");
        }
        return -1;
    }
    return 0;
}

static PyObject *
take_bytes(datum d)
{
    PyObject *o = PyBytes_FromStringAndSize(d.dptr, d.dsize);
    free(d.dptr);
    return o;
}

/* The value of key, NULL without an exception if there is none. */
static PyObject *
fetch(PyObject *self, PyObject *key)
{
    NJ_OWN_BUF view = {0};
    datum k;
    if (datum_of(key, &k, &view) < 0 || !check_open(self)) {
        return NULL;
    }
    datum v = gdbm_fetch(DB(self)->file, k);
    return v.dptr ? take_bytes(v) : NULL;
}

static int
store(PyObject *self, PyObject *key, PyObject *value)
{
    NJ_OWN_BUF kview = {0}, vview = {0};
    datum k, v;
    if (index_of(key, &k, &kview) < 0) {
        return -1;
    }
    State *st = check_open(self);
    if (!st) {
        return -1;
    }
    DB(self)->size = -1;
    errno = 0;
    if (!value) {
        if (gdbm_delete(DB(self)->file, k) < 0) {
            if (gdbm_errno == GDBM_ITEM_NOT_FOUND) {
                PyErr_SetObject(PyExc_KeyError, key);
            }
            else {
                PyErr_SetString(st->error, gdbm_strerror(gdbm_errno));
            }
            return -1;
        }
        return 0;
    }
    if (index_of(value, &v, &vview) < 0 || !(st = check_open(self))) {
        return -1;
    }
    errno = 0;
    if (gdbm_store(DB(self)->file, k, v, GDBM_REPLACE) < 0) {
        if (errno) {
            PyErr_SetFromErrno(st->error);
        }
        else {
            PyErr_SetString(st->error, gdbm_strerror(gdbm_errno));
        }
        return -1;
    }
    return 0;
}

static PyObject *
gdbm_subscript(PyObject *self, PyObject *key)
{
    PyObject *v = fetch(self, key);
    if (!v && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return v;
}

static PyObject *
gdbm_get(PyObject *self, PyObject *args)
{
    PyObject *key, *defval = Py_None;
    if (!PyArg_UnpackTuple(args, "get", 1, 2, &key, &defval)) {
        return NULL;
    }
    PyObject *v = fetch(self, key);
    return v || PyErr_Occurred() ? v : Py_NewRef(defval);
}

static PyObject *
gdbm_set_default(PyObject *self, PyObject *args)
{
    PyObject *key, *defval = Py_None;
    if (!PyArg_UnpackTuple(args, "setdefault", 1, 2, &key, &defval)) {
        return NULL;
    }
    PyObject *v = fetch(self, key);
    if (v || PyErr_Occurred()) {
        return v;
    }
    if (store(self, key, defval) < 0) {
        return NULL;
    }
    return fetch(self, key);
}

static Py_ssize_t
gdbm_length(PyObject *self)
{
    State *st = check_open(self);
    if (!st) {
        return -1;
    }
    if (DB(self)->size < 0) {
        errno = 0;
        gdbm_count_t count;
        if (gdbm_count(DB(self)->file, &count) < 0) {
            raise_error(st, NULL);
            return -1;
        }
        if (count > PY_SSIZE_T_MAX) {
            PyErr_SetString(PyExc_OverflowError, "count exceeds PY_SSIZE_T_MAX");
            return -1;
        }
        DB(self)->size = (Py_ssize_t)count;
    }
    return DB(self)->size;
}

static int
gdbm_bool(PyObject *self)
{
    Py_ssize_t n = gdbm_length(self);
    return n < 0 ? -1 : n > 0;
}

static int
gdbm_contains(PyObject *self, PyObject *key)
{
    State *st = check_open(self);
    if (!st) {
        return -1;
    }
    if (!PyUnicode_Check(key) && !PyBytes_Check(key)) {
        PyErr_Format(PyExc_TypeError, "gdbm key must be bytes or string, not %.100s",
                     Py_TYPE(key)->tp_name);
        return -1;
    }
    NJ_OWN_BUF view = {0};
    datum k;
    if (datum_of(key, &k, &view) < 0) {
        return -1;
    }
    return gdbm_exists(DB(self)->file, k) != 0;
}

static PyObject *
gdbm_do_close(PyObject *self, PyObject *ignored)
{
    State *st = state_of(self);
    GDBM_FILE file = DB(self)->file;
    if (file) {
        DB(self)->file = NULL;
        errno = 0;
        if (gdbm_close(file)) {
            return raise_error(st, NULL);
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
gdbm_clear(PyObject *self, PyObject *ignored)
{
    State *st = check_open(self);
    if (!st) {
        return NULL;
    }
    datum k;
    /* the database changes under an iteration: take the first again and again */
    while ((k = gdbm_firstkey(DB(self)->file)).dptr) {
        int rc = gdbm_delete(DB(self)->file, k);
        free(k.dptr);
        if (rc < 0) {
            PyErr_SetString(st->error, "cannot delete item from database");
            return NULL;
        }
    }
    DB(self)->size = 0;
    Py_RETURN_NONE;
}

static PyObject *
gdbm_keys(PyObject *self, PyObject *ignored)
{
    if (!check_open(self)) {
        return NULL;
    }
    NJ_OWN list = PyList_New(0);
    datum k = list ? gdbm_firstkey(DB(self)->file) : (datum){NULL, 0};
    while (k.dptr) {
        datum next = gdbm_nextkey(DB(self)->file, k);
        NJ_OWN key = take_bytes(k);
        if (!key || PyList_Append(list, key) < 0) {
            free(next.dptr);
            return NULL;
        }
        k = next;
    }
    return NJ_TAKE(list);
}

static PyObject *
gdbm_first(PyObject *self, PyObject *ignored)
{
    if (!check_open(self)) {
        return NULL;
    }
    datum k = gdbm_firstkey(DB(self)->file);
    if (!k.dptr) {
        Py_RETURN_NONE;
    }
    return take_bytes(k);
}

static PyObject *
gdbm_next(PyObject *self, PyObject *key)
{
    NJ_OWN_BUF view = {0};
    datum k;
    if (datum_of(key, &k, &view) < 0 || !check_open(self)) {
        return NULL;
    }
    datum next = gdbm_nextkey(DB(self)->file, k);
    if (!next.dptr) {
        Py_RETURN_NONE;
    }
    return take_bytes(next);
}

static PyObject *
gdbm_do_reorganize(PyObject *self, PyObject *ignored)
{
    State *st = check_open(self);
    if (!st) {
        return NULL;
    }
    errno = 0;
    if (gdbm_reorganize(DB(self)->file) < 0) {
        return raise_error(st, NULL);
    }
    Py_RETURN_NONE;
}

static PyObject *
gdbm_do_sync(PyObject *self, PyObject *ignored)
{
    if (!check_open(self)) {
        return NULL;
    }
    gdbm_sync(DB(self)->file);
    Py_RETURN_NONE;
}

static PyObject *
gdbm_enter(PyObject *self, PyObject *ignored)
{
    return Py_NewRef(self);
}

static PyObject *
gdbm_exit(PyObject *self, PyObject *args)
{
    return gdbm_do_close(self, NULL);
}

static int
gdbm_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
gdbm_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (DB(self)->file) {
        gdbm_close(DB(self)->file);
    }
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyMethodDef db_methods[] = {
    {"close", gdbm_do_close, METH_NOARGS, SIG("close($self, /)") "Close the database."},
    {"keys", gdbm_keys, METH_NOARGS, SIG("keys($self, /)") "A list of all keys."},
    {"clear", gdbm_clear, METH_NOARGS,
     SIG("clear($self, /)") "Remove all items from the database."},
    {"firstkey", gdbm_first, METH_NOARGS,
     SIG("firstkey($self, /)") "The key where a traversal starts, or None.\n\n"
                               "The order is that of the hash values, not of the keys."},
    {"nextkey", gdbm_next, METH_O,
     SIG("nextkey($self, key, /)") "The key that follows in a traversal, or None."},
    {"reorganize", gdbm_do_reorganize, METH_NOARGS,
     SIG("reorganize($self, /)") "Rewrite the file without the room that deleted items "
                                 "left."},
    {"sync", gdbm_do_sync, METH_NOARGS,
     SIG("sync($self, /)") "Write everything to the disk, for fast mode."},
    {"get", gdbm_get, METH_VARARGS,
     SIG("get($self, key, default=None, /)") "The value of key, or default."},
    {"setdefault", gdbm_set_default, METH_VARARGS,
     SIG("setdefault($self, key, default=None, /)") "The value of key; default is stored "
                                                    "first if there is none."},
    {"__enter__", gdbm_enter, METH_NOARGS, SIG("__enter__($self, /)")},
    {"__exit__", gdbm_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(db_doc,
             "An open GDBM database: a mapping from bytes to bytes (str is encoded).\n\n"
             "Besides the mapping there are firstkey(), nextkey(), reorganize() and sync().");

static PyType_Slot db_slots[] = {
    {Py_tp_dealloc, gdbm_dealloc},
    {Py_tp_traverse, gdbm_traverse},
    {Py_tp_methods, db_methods},
    {Py_tp_doc, (void *)db_doc},
    {Py_nb_bool, gdbm_bool},
    {Py_sq_contains, gdbm_contains},
    {Py_mp_length, gdbm_length},
    {Py_mp_subscript, gdbm_subscript},
    {Py_mp_ass_subscript, store},
    {0, NULL},
};

static PyType_Spec db_spec = {
    .name = "_gdbm.gdbm",
    .basicsize = sizeof(Db),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = db_slots,
};

static int
flags_of(State *st, const char *text)
{
    int flags;
    switch (text[0]) {
    case 'r':
        flags = GDBM_READER;
        break;
    case 'w':
        flags = GDBM_WRITER;
        break;
    case 'c':
        flags = GDBM_WRCREAT;
        break;
    case 'n':
        flags = GDBM_NEWDB;
        break;
    default:
        PyErr_SetString(st->error, "First flag must be one of 'r', 'w', 'c' or 'n'");
        return -1;
    }
    for (const char *p = text + 1; *p; p++) {
        switch (*p) {
        case 'f':
            flags |= GDBM_FAST;
            break;
        case 's':
            flags |= GDBM_SYNC;
            break;
        case 'u':
            flags |= GDBM_NOLOCK;
            break;
        default:
            PyErr_Format(st->error, "Flag '%c' is not supported.", (unsigned char)*p);
            return -1;
        }
    }
    return flags;
}

static PyObject *
gdbm_do_open(PyObject *m, PyObject *args)
{
    State *st = PyModule_GetState(m);
    PyObject *filename, *oflags = NULL, *omode = NULL;
    if (!PyArg_UnpackTuple(args, "open", 1, 3, &filename, &oflags, &omode)) {
        return NULL;
    }
    const char *text = "r";
    if (oflags) {
        Py_ssize_t n;
        if (!PyUnicode_Check(oflags)) {
            PyErr_Format(PyExc_TypeError, "open() argument 2 must be str, not %.50s",
                         Py_IsNone(oflags) ? "None" : Py_TYPE(oflags)->tp_name);
            return NULL;
        }
        text = PyUnicode_AsUTF8AndSize(oflags, &n);
        if (!text) {
            return NULL;
        }
        if (strlen(text) != (size_t)n) {
            PyErr_SetString(PyExc_ValueError, "embedded null character");
            return NULL;
        }
    }
    int mode = omode ? PyLong_AsInt(omode) : 0666;
    if (mode == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int flags = flags_of(st, text);
    if (flags < 0) {
        return NULL;
    }
    NJ_OWN path = NULL;
    if (!PyUnicode_FSConverter(filename, &path)) {
        return NULL;
    }
    NJ_OWN self = st->type->tp_alloc(st->type, 0);
    if (!self) {
        return NULL;
    }
    DB(self)->size = -1;
    errno = 0;
    DB(self)->file = gdbm_open(PyBytes_AS_STRING(path), 0, flags, mode, NULL);
    return DB(self)->file ? NJ_TAKE(self) : raise_error(st, filename);
}

static PyMethodDef methods[] = {
    {"open", gdbm_do_open, METH_VARARGS,
     SIG("open($module, filename, flags='r', mode=0o666, /)") "Open a database.\n\n"
     "flags: 'r' to read an existing one, 'w' to read and write it, 'c' to create it\n"
     "if there is none, 'n' for a new empty one; then any of open_flags: 'f' does not\n"
     "wait for the disk, 's' always does, 'u' takes no lock. mode: the permissions of\n"
     "a new file, less the umask."},
    {NULL, NULL, 0, NULL},
};

static int
gdbm_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    st->type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &db_spec, NULL);
    st->error = PyErr_NewException("_gdbm.error", PyExc_OSError, NULL);
    if (!st->type || PyModule_AddObjectRef(m, "error", st->error) < 0 ||
        PyModule_AddStringConstant(m, "open_flags", FLAGS) < 0) {
        return -1;
    }
    NJ_OWN version = Py_BuildValue("(iii)", GDBM_VERSION_MAJOR, GDBM_VERSION_MINOR,
                                   GDBM_VERSION_PATCH);
    return PyModule_AddObjectRef(m, "_GDBM_VERSION", version);
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    Py_VISIT(st->type);
    Py_VISIT(st->error);
    return 0;
}

static int
module_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    Py_CLEAR(st->type);
    Py_CLEAR(st->error);
    return 0;
}

static void
module_free(void *m)
{
    module_clear(m);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, gdbm_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

PyDoc_STRVAR(gdbm_doc, "The GNU dbm library.\n\n"
                       "Databases are mappings whose keys and values are bytes; the files\n"
                       "are not those of the dbm module.");

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_gdbm",
    .m_doc = gdbm_doc,
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__gdbm(void)
{
    return PyModuleDef_Init(&module);
}

/* _dbm.c - ndbm databases, by the ndbm interface of Berkeley DB, for dbm.ndbm.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#define DB_DBM_HSEARCH 1
#include <db.h>
#include <errno.h>
#include <fcntl.h>

#define SIG(s) s "\n--\n\n"

typedef struct {
    PyTypeObject *type;
    PyObject *error;
} State;

typedef struct {
    PyObject_HEAD
    DBM *file;       /* NULL once closed */
    Py_ssize_t size; /* -1: not counted */
} Db;

#define DATABASE(o) ((Db *)(o))

static State *
state_of(PyObject *self)
{
    return PyType_GetModuleState(Py_TYPE(self));
}

static State *
check_open(PyObject *self)
{
    State *st = state_of(self);
    if (st && !DATABASE(self)->file) {
        PyErr_SetString(st->error, "DBM object has already been closed");
        return NULL;
    }
    return st;
}

/* A str or bytes-like object as datum. */
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
named_datum_of(PyObject *o, datum *out, Py_buffer *view, const char *what)
{
    if (datum_of(o, out, view) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "dbm mappings have bytes or string %s only", what);
        }
        return -1;
    }
    return 0;
}

/* The value of key, NULL without an exception if there is none. */
static PyObject *
read_value(PyObject *self, PyObject *key)
{
    NJ_OWN_BUF view = {0};
    datum k;
    if (datum_of(key, &k, &view) < 0 || !check_open(self)) {
        return NULL;
    }
    datum v = dbm_fetch(DATABASE(self)->file, k);
    return v.dptr ? PyBytes_FromStringAndSize(v.dptr, v.dsize) : NULL;
}

static int
write_item(PyObject *self, PyObject *key, PyObject *value)
{
    NJ_OWN_BUF kview = {0}, vview = {0};
    datum k, v;
    if (named_datum_of(key, &k, &kview, "keys") < 0) {
        return -1;
    }
    State *st = check_open(self);
    if (!st) {
        return -1;
    }
    DBM *file = DATABASE(self)->file;
    DATABASE(self)->size = -1;
    if (!value) {
        if (dbm_delete(file, k) < 0) {
            dbm_clearerr(file);
            /* told apart from a key that is not there by being read-only */
            if (dbm_rdonly(file)) {
                PyErr_SetString(st->error, "cannot delete item from database");
            }
            else {
                PyErr_SetObject(PyExc_KeyError, key);
            }
            return -1;
        }
    }
    else {
        if (named_datum_of(value, &v, &vview, "elements") < 0 || !(st = check_open(self))) {
            return -1;
        }
        file = DATABASE(self)->file;
        if (dbm_store(file, k, v, DBM_REPLACE) < 0) {
            dbm_clearerr(file);
            PyErr_SetString(st->error, "cannot add item to database");
            return -1;
        }
    }
    if (dbm_error(file)) {
        dbm_clearerr(file);
        PyErr_SetString(st->error, "");
        return -1;
    }
    return 0;
}

static PyObject *
db_subscript(PyObject *self, PyObject *key)
{
    PyObject *v = read_value(self, key);
    if (!v && !PyErr_Occurred()) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return v;
}

static PyObject *
get_or(PyObject *self, PyObject *args, const char *name, PyObject **key, PyObject **defval)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at least 1 positional argument (0 given)",
                     name);
        return NULL;
    }
    if (n > 2) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 2 arguments (%zd given)", name, n);
        return NULL;
    }
    *key = PyTuple_GET_ITEM(args, 0);
    if (n > 1) {
        *defval = PyTuple_GET_ITEM(args, 1);
    }
    return read_value(self, *key);
}

static PyObject *
db_get(PyObject *self, PyObject *args)
{
    PyObject *key, *defval = Py_None;
    PyObject *v = get_or(self, args, "get", &key, &defval);
    return v || PyErr_Occurred() ? v : Py_NewRef(defval);
}

static PyObject *
db_set_default(PyObject *self, PyObject *args)
{
    PyObject *key, *defval = NULL;
    PyObject *v = get_or(self, args, "setdefault", &key, &defval);
    if (v || PyErr_Occurred()) {
        return v;
    }
    NJ_OWN value = defval ? Py_NewRef(defval) : PyBytes_FromStringAndSize(NULL, 0);
    if (!value || write_item(self, key, value) < 0) {
        return NULL;
    }
    return NJ_TAKE(value);
}

static Py_ssize_t
db_length(PyObject *self)
{
    if (!check_open(self)) {
        return -1;
    }
    Db *d = DATABASE(self);
    if (d->size < 0) {
        Py_ssize_t n = 0;
        for (datum k = dbm_firstkey(d->file); k.dptr; k = dbm_nextkey(d->file)) {
            n++;
        }
        d->size = n;
    }
    return d->size;
}

static int
db_bool(PyObject *self)
{
    Py_ssize_t n = db_length(self);
    return n < 0 ? -1 : n > 0;
}

static int
db_contains(PyObject *self, PyObject *key)
{
    if (!check_open(self)) {
        return -1;
    }
    if (!PyUnicode_Check(key) && !PyBytes_Check(key)) {
        PyErr_Format(PyExc_TypeError, "dbm key must be bytes or string, not %.100s",
                     Py_TYPE(key)->tp_name);
        return -1;
    }
    NJ_OWN_BUF view = {0};
    datum k;
    if (datum_of(key, &k, &view) < 0) {
        return -1;
    }
    return dbm_fetch(DATABASE(self)->file, k).dptr != NULL;
}

static PyObject *
db_close(PyObject *self, PyObject *ignored)
{
    Db *d = DATABASE(self);
    if (d->file) {
        dbm_close(d->file);
        d->file = NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
db_keys(PyObject *self, PyObject *ignored)
{
    if (!check_open(self)) {
        return NULL;
    }
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    DBM *file = DATABASE(self)->file;
    for (datum k = dbm_firstkey(file); k.dptr; k = dbm_nextkey(file)) {
        NJ_OWN key = PyBytes_FromStringAndSize(k.dptr, k.dsize);
        if (!key || PyList_Append(list, key) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
db_clear(PyObject *self, PyObject *ignored)
{
    State *st = check_open(self);
    if (!st) {
        return NULL;
    }
    DBM *file = DATABASE(self)->file;
    datum k;
    while ((k = dbm_firstkey(file)).dptr) {
        if (dbm_delete(file, k) < 0) {
            dbm_clearerr(file);
            PyErr_SetString(st->error, "cannot delete item from database");
            return NULL;
        }
    }
    DATABASE(self)->size = 0;
    Py_RETURN_NONE;
}

static PyObject *
db_enter(PyObject *self, PyObject *ignored)
{
    return Py_NewRef(self);
}

static PyObject *
db_exit(PyObject *self, PyObject *args)
{
    return db_close(self, NULL);
}

static int
db_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
db_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (DATABASE(self)->file) {
        dbm_close(DATABASE(self)->file);
    }
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyMethodDef db_methods[] = {
    {"close", db_close, METH_NOARGS, SIG("close($self, /)") "Close the database."},
    {"keys", db_keys, METH_NOARGS, SIG("keys($self, /)") "A list of all keys."},
    {"get", db_get, METH_VARARGS,
     SIG("get($self, key, default=None, /)") "The value of key, or default."},
    {"setdefault", db_set_default, METH_VARARGS,
     SIG("setdefault($self, key, default=b'', /)") "The value of key; default is stored "
                                                   "first if there is none."},
    {"clear", db_clear, METH_NOARGS,
     SIG("clear($self, /)") "Remove all items from the database."},
    {"__enter__", db_enter, METH_NOARGS, SIG("__enter__($self, /)")},
    {"__exit__", db_exit, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot db_slots[] = {
    {Py_tp_dealloc, db_dealloc},
    {Py_tp_traverse, db_traverse},
    {Py_tp_methods, db_methods},
    {Py_nb_bool, db_bool},
    {Py_sq_contains, db_contains},
    {Py_mp_length, db_length},
    {Py_mp_subscript, db_subscript},
    {Py_mp_ass_subscript, write_item},
    {0, NULL},
};

static PyType_Spec db_spec = {
    .name = "_dbm.dbm",
    .basicsize = sizeof(Db),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = db_slots,
};

static PyObject *
open_db(PyObject *m, PyObject *args)
{
    State *st = PyModule_GetState(m);
    PyObject *filename, *oflags = NULL, *omode = NULL;
    if (!PyArg_UnpackTuple(args, "open", 1, 3, &filename, &oflags, &omode)) {
        return NULL;
    }
    int flags = O_RDONLY;
    if (oflags) {
        if (!PyUnicode_Check(oflags)) {
            PyErr_Format(PyExc_TypeError, "open() argument 2 must be str, not %.50s",
                         Py_IsNone(oflags) ? "None" : Py_TYPE(oflags)->tp_name);
            return NULL;
        }
        if (!PyUnicode_AsUTF8(oflags)) {
            return NULL;
        }
        flags = -1;
        static const struct {
            const char *text;
            int flags;
        } all[] = {{"r", O_RDONLY},
                   {"w", O_RDWR},
                   {"rw", O_RDWR},
                   {"c", O_RDWR | O_CREAT},
                   {"n", O_RDWR | O_CREAT | O_TRUNC}};
        for (size_t i = 0; i < NJ_ARRAY_LEN(all); i++) {
            if (PyUnicode_EqualToUTF8(oflags, all[i].text)) {
                flags = all[i].flags;
            }
        }
    }
    int mode = omode ? PyLong_AsInt(omode) : 0666;
    if (mode == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (flags < 0) {
        PyErr_SetString(st->error, "arg 2 to open should be 'r', 'w', 'c', or 'n'");
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
    DATABASE(self)->size = -1;
    errno = 0;
    DATABASE(self)->file = dbm_open(PyBytes_AS_STRING(path), flags, mode);
    if (!DATABASE(self)->file) {
        return PyErr_SetFromErrnoWithFilenameObject(st->error, filename);
    }
    return NJ_TAKE(self);
}

static PyMethodDef methods[] = {
    {"open", open_db, METH_VARARGS,
     SIG("open($module, filename, flags='r', mode=0o666, /)") "Open a database.\n\n"
     "flags: 'r' to read an existing one, 'w' to read and write it, 'c' to create it\n"
     "if there is none, 'n' for a new empty one. mode: the permissions of a new file."},
    {NULL, NULL, 0, NULL},
};

static int
dbm_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    st->type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &db_spec, NULL);
    st->error = PyErr_NewException("_dbm.error", PyExc_OSError, NULL);
    if (!st->type || PyModule_AddStringConstant(m, "library", "Berkeley DB") < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(m, "error", st->error);
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
    {Py_mod_exec, dbm_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_dbm",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__dbm(void)
{
    return PyModuleDef_Init(&module);
}

/* row.c - Row: a tuple whose items also go by column name.
 * SPDX-License-Identifier: MIT
 */
#include "sqlite_int.h"

static PyObject *
row_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    SqlState *st = nj_sqlite_state(type);
    PyObject *cursor, *data;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Row() takes no keyword arguments");
        return NULL;
    }
    if (!st || !PyArg_UnpackTuple(args, "Row", 2, 2, &cursor, &data)) {
        return NULL;
    }
    if (!PyObject_TypeCheck(cursor, st->cursor_type)) {
        PyErr_Format(PyExc_TypeError, "Row() argument 1 must be sqlite3.Cursor, not %T",
                     cursor);
        return NULL;
    }
    if (!PyTuple_Check(data)) {
        PyErr_Format(PyExc_TypeError, "Row() argument 2 must be tuple, not %T", data);
        return NULL;
    }
    Row *r = (Row *)type->tp_alloc(type, 0);
    if (r) {
        PyObject *description = ((Cursor *)cursor)->description;
        r->data = Py_NewRef(data);
        r->description = Py_NewRef(description ? description : Py_None);
    }
    return (PyObject *)r;
}

static int
row_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Row *)op)->data);
    Py_VISIT(((Row *)op)->description);
    return 0;
}

static int
row_clear(PyObject *op)
{
    Py_CLEAR(((Row *)op)->data);
    Py_CLEAR(((Row *)op)->description);
    return 0;
}

static void
row_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    row_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Equal but for the case of ASCII letters. 1, 0, -1. */
static int
same_name(PyObject *a, PyObject *b)
{
    if (a == b) {
        return 1;
    }
    Py_ssize_t n, m;
    const char *x = PyUnicode_AsUTF8AndSize(a, &n);
    const char *y = x ? PyUnicode_AsUTF8AndSize(b, &m) : NULL;
    if (!y) {
        return -1;
    }
    if (n != m) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (Py_TOLOWER((unsigned char)x[i]) != Py_TOLOWER((unsigned char)y[i])) {
            return 0;
        }
    }
    return 1;
}

static PyObject *
by_name(Row *r, PyObject *name)
{
    if (r->description == Py_None) {
        PyErr_Format(PyExc_IndexError, "No item with key %R", name);
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(r->description);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *column = PyTuple_GET_ITEM(PyTuple_GET_ITEM(r->description, i), 0);
        int same = same_name(name, column);
        if (same < 0) {
            return NULL;
        }
        if (same) {
            PyObject *v = PyTuple_GetItem(r->data, i);
            return v ? Py_NewRef(v) : NULL;
        }
    }
    PyErr_SetString(PyExc_IndexError, "No item with that key");
    return NULL;
}

static PyObject *
row_item(PyObject *op, Py_ssize_t i)
{
    PyObject *v = PyTuple_GetItem(((Row *)op)->data, i);
    return v ? Py_NewRef(v) : NULL;
}

static Py_ssize_t
row_length(PyObject *op)
{
    return PyTuple_GET_SIZE(((Row *)op)->data);
}

static PyObject *
row_subscript(PyObject *op, PyObject *key)
{
    Row *r = (Row *)op;
    if (PyLong_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return row_item(op, i < 0 ? i + row_length(op) : i);
    }
    if (PyUnicode_Check(key)) {
        return by_name(r, key);
    }
    if (PySlice_Check(key)) {
        return PyObject_GetItem(r->data, key);
    }
    PyErr_SetString(PyExc_IndexError, "Index must be int or string");
    return NULL;
}

static PyObject *
row_keys(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Row *r = (Row *)op;
    Py_ssize_t n = r->description == Py_None ? 0 : PyTuple_GET_SIZE(r->description);
    PyObject *keys = PyList_New(n);
    for (Py_ssize_t i = 0; keys && i < n; i++) {
        PyObject *column = PyTuple_GET_ITEM(r->description, i);
        PyList_SET_ITEM(keys, i, Py_NewRef(PyTuple_GET_ITEM(column, 0)));
    }
    return keys;
}

static PyObject *
row_iter(PyObject *op)
{
    return PyObject_GetIter(((Row *)op)->data);
}

static Py_hash_t
row_hash(PyObject *op)
{
    Py_hash_t a = PyObject_Hash(((Row *)op)->description);
    Py_hash_t b = a == -1 ? -1 : PyObject_Hash(((Row *)op)->data);
    if (b == -1) {
        return -1;
    }
    return (a ^ b) == -1 ? -2 : a ^ b;
}

static PyObject *
row_richcompare(PyObject *op, PyObject *other, int how)
{
    SqlState *st = nj_sqlite_state(Py_TYPE(op));
    if (!st) {
        return NULL;
    }
    if ((how != Py_EQ && how != Py_NE) || !PyObject_TypeCheck(other, st->row_type)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Row *a = (Row *)op, *b = (Row *)other;
    int same = PyObject_RichCompareBool(a->description, b->description, Py_EQ);
    if (same < 0) {
        return NULL;
    }
    return same ? PyObject_RichCompare(a->data, b->data, how)
                : PyBool_FromLong(how == Py_NE);
}

static PyMethodDef row_methods[] = {
    {"keys", row_keys, METH_NOARGS, "keys($self, /)\n--\n\nReturns the keys of the row."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot row_slots[] = {
    {Py_tp_dealloc, row_dealloc},
    {Py_tp_traverse, row_traverse},
    {Py_tp_clear, row_clear},
    {Py_tp_new, row_new},
    {Py_tp_hash, row_hash},
    {Py_tp_iter, row_iter},
    {Py_tp_richcompare, row_richcompare},
    {Py_tp_methods, row_methods},
    {Py_mp_length, row_length},
    {Py_mp_subscript, row_subscript},
    {Py_sq_length, row_length},
    {Py_sq_item, row_item},
    {0, NULL},
};

PyType_Spec nj_sqlite_row_spec = {
    .name = "sqlite3.Row",
    .basicsize = sizeof(Row),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = row_slots,
};

/* cell.c - cells: the boxes that closures share.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "vm/vm_int.h"

PyObject *
nj_cell_new_steal(PyObject *v)
{
    PyCellObject *cell = PyObject_GC_New(PyCellObject, &PyCell_Type);
    if (cell == NULL) {
        Py_XDECREF(v);
        return NULL;
    }
    cell->ob_ref = v;
    nj_gc_track((PyObject *)cell);
    return (PyObject *)cell;
}

static PyObject *
cell_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (kwargs != NULL && !_PyArg_NoKeywords("cell", kwargs)) {
        return NULL;
    }
    if (!_PyArg_CheckPositional("cell", PyTuple_GET_SIZE(args), 0, 1)) {
        return NULL;
    }
    return PyCell_New(PyTuple_GET_SIZE(args) ? PyTuple_GET_ITEM(args, 0) : NULL);
}

static void
cell_dealloc(PyObject *o)
{
    nj_gc_untrack(o);
    Py_XDECREF(((PyCellObject *)o)->ob_ref);
    PyObject_GC_Del(o);
}

static int
cell_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((PyCellObject *)o)->ob_ref);
    return 0;
}

static int
cell_clear(PyObject *o)
{
    Py_CLEAR(((PyCellObject *)o)->ob_ref);
    return 0;
}

static PyObject *
cell_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyCell_Check(a) || !PyCell_Check(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    /* an empty cell is smaller than a full one */
    PyObject *x = ((PyCellObject *)a)->ob_ref, *y = ((PyCellObject *)b)->ob_ref;
    if (x != NULL && y != NULL) {
        NJ_OWN p = Py_NewRef(x);
        NJ_OWN q = Py_NewRef(y);
        return PyObject_RichCompare(p, q, op);
    }
    Py_RETURN_RICHCOMPARE(y == NULL, x == NULL, op);
}

static PyObject *
cell_repr(PyObject *o)
{
    PyObject *v = ((PyCellObject *)o)->ob_ref;
    if (v == NULL) {
        return PyUnicode_FromFormat("<cell at %p: empty>", o);
    }
    return PyUnicode_FromFormat("<cell at %p: %.80s object at %p>", o, Py_TYPE(v)->tp_name,
                                v);
}

static PyObject *
cell_get_contents(PyObject *o, void *closure)
{
    PyObject *v = ((PyCellObject *)o)->ob_ref;
    if (v == NULL) {
        PyErr_SetString(PyExc_ValueError, "cell is empty");
        return NULL;
    }
    return Py_NewRef(v);
}

static int
cell_set_contents(PyObject *o, PyObject *v, void *closure)
{
    Py_XSETREF(((PyCellObject *)o)->ob_ref, Py_XNewRef(v));
    return 0;
}

static PyGetSetDef cell_getset[] = {
    {"cell_contents", cell_get_contents, cell_set_contents, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject PyCell_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "cell",
    .tp_basicsize = sizeof(PyCellObject),
    .tp_dealloc = cell_dealloc,
    .tp_repr = cell_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "cell([contents])\n--\n\n"
              "Create a new cell object.\n\n"
              "  contents\n"
              "    the contents of the cell. If not specified, the cell will be empty,\n"
              "    and \n further attempts to access its cell_contents attribute will\n"
              "    raise a ValueError.",
    .tp_traverse = cell_traverse,
    .tp_clear = cell_clear,
    .tp_richcompare = cell_richcompare,
    .tp_getset = cell_getset,
    .tp_new = cell_new,
};

PyObject *
PyCell_New(PyObject *v)
{
    return nj_cell_new_steal(Py_XNewRef(v));
}

PyObject *
PyCell_Get(PyObject *o)
{
    if (!PyCell_Check(o)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return Py_XNewRef(((PyCellObject *)o)->ob_ref);
}

int
PyCell_Set(PyObject *o, PyObject *v)
{
    if (!PyCell_Check(o)) {
        PyErr_BadInternalCall();
        return -1;
    }
    Py_XSETREF(((PyCellObject *)o)->ob_ref, Py_XNewRef(v));
    return 0;
}

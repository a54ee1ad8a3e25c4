/* example.c - an extension module as a stranger would write it, built only from the given
 * headers: lists, dicts, tuples, strings, ints, exceptions, a heap type, the buffer
 * protocol and module state.
 * SPDX-License-Identifier: MIT
 */
#include <Python.h>
#include <stddef.h>

/* run.sh includes internal/pycore_frame.h, our own, as Cython's code does. */
_Static_assert(sizeof(struct _PyInterpreterFrame) == 88, "frame");
_Static_assert(offsetof(struct _PyInterpreterFrame, instr_ptr) == 56, "instr_ptr");
_Static_assert(offsetof(struct _PyInterpreterFrame, owner) == 74, "owner");
_Static_assert(sizeof(struct _frame) == 80, "frame object");
_Static_assert(offsetof(struct _frame, f_lineno) == 40, "f_lineno");

typedef struct {
    PyObject *error;
    PyObject *counter_type;
    long calls;
} State;

typedef struct {
    PyObject_HEAD
    long value;
    char bytes[8];
} Counter;

static PyObject *
counter_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    static char *names[] = {"start", NULL};
    long start = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|l:Counter", names, &start)) {
        return NULL;
    }
    Counter *self = (Counter *)type->tp_alloc(type, 0);
    if (self) {
        self->value = start;
        memcpy(self->bytes, "abcdefgh", 8);
    }
    return (PyObject *)self;
}

static void
counter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
counter_add(PyObject *self, PyObject *arg)
{
    long n = PyLong_AsLong(arg);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    ((Counter *)self)->value += n;
    return PyLong_FromLong(((Counter *)self)->value);
}

static int
counter_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    return PyBuffer_FillInfo(view, self, ((Counter *)self)->bytes, 8, 0, flags);
}

/* How many references to self there are, as an extension sees it. */
static PyObject *
counter_references(PyObject *self, PyObject *ignored)
{
    return PyLong_FromSsize_t(Py_REFCNT(self));
}

static PyMethodDef counter_methods[] = {
    {"references", counter_references, METH_NOARGS, NULL},
    {"add", counter_add, METH_O, "add($self, n, /)\n--\n\nAdds n."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot counter_slots[] = {
    {Py_tp_new, counter_new},
    {Py_tp_dealloc, counter_dealloc},
    {Py_tp_methods, counter_methods},
    {Py_bf_getbuffer, counter_getbuffer},
    {0, NULL},
};

static PyType_Spec counter_spec = {
    .name = "example.Counter",
    .basicsize = sizeof(Counter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = counter_slots,
};

static PyObject *
example_summary(PyObject *module, PyObject *arg)
{
    State *st = PyModule_GetState(module);
    st->calls++;
    if (!PyList_Check(arg)) {
        PyErr_Format(st->error, "expected a list, got %s", Py_TYPE(arg)->tp_name);
        return NULL;
    }
    PyObject *total = PyLong_FromLong(0), *names = PyTuple_New(PyList_GET_SIZE(arg));
    for (Py_ssize_t i = 0; total && names && i < PyList_GET_SIZE(arg); i++) {
        PyObject *item = PyList_GET_ITEM(arg, i);
        Py_SETREF(total, PyNumber_Add(total, item));
        PyTuple_SET_ITEM(names, i, PyUnicode_FromFormat("<%S>", item));
    }
    PyObject *result = PyDict_New();
    if (!total || !names || !result || PyDict_SetItemString(result, "total", total) < 0 ||
        PyDict_SetItemString(result, "names", names) < 0) {
        Py_XDECREF(total);
        Py_XDECREF(names);
        Py_XDECREF(result);
        return NULL;
    }
    Py_DECREF(total);
    Py_DECREF(names);
    return result;
}

static PyObject *
example_calls(PyObject *module, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLong(((State *)PyModule_GetState(module))->calls);
}

static PyMethodDef example_methods[] = {
    {"summary", example_summary, METH_O, NULL},
    {"calls", example_calls, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

/* Static types as numpy's: Text has no number suite, its second base has one. */
static int
number_bool(PyObject *self)
{
    return 0;
}

static PyNumberMethods number_suite = {.nb_bool = number_bool};

static PyTypeObject number_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "example.Number",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_as_number = &number_suite,
};

static PyTypeObject text_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "example.Text",
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
};

/* __add__ and __iadd__ as methods, nothing in nb_add: an operator for subclasses alone. */
static PyObject *
named_plus(PyObject *self, PyObject *other)
{
    return PyUnicode_FromFormat("plus %S", other);
}

static PyMethodDef named_methods[] = {
    {"__add__", named_plus, METH_O, NULL},
    {"__iadd__", named_plus, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject named_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "example.Named",
    .tp_basicsize = sizeof(PyObject),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_methods = named_methods,
    .tp_new = PyType_GenericNew,
};

static int
add_static_types(PyObject *module)
{
    if (PyType_Ready(&number_type) < 0 || PyModule_AddType(module, &named_type) < 0) {
        return -1;
    }
    text_type.tp_base = &PyUnicode_Type;
    text_type.tp_bases = Py_BuildValue("(OO)", &PyUnicode_Type, &number_type);
    return !text_type.tp_bases || PyModule_AddType(module, &text_type) < 0 ? -1 : 0;
}

static int
example_exec(PyObject *module)
{
    State *st = PyModule_GetState(module);
    st->error = PyErr_NewException("example.Error", PyExc_ValueError, NULL);
    st->counter_type = PyType_FromModuleAndSpec(module, &counter_spec, NULL);
    if (!st->error || !st->counter_type || add_static_types(module) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "Error", st->error) < 0 ||
                   PyModule_AddType(module, (PyTypeObject *)st->counter_type) < 0
               ? -1
               : 0;
}

static int
example_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(module);
    Py_VISIT(st->error);
    Py_VISIT(st->counter_type);
    return 0;
}

static int
example_clear(PyObject *module)
{
    State *st = PyModule_GetState(module);
    Py_CLEAR(st->error);
    Py_CLEAR(st->counter_type);
    return 0;
}

static PyModuleDef_Slot example_slots[] = {
    {Py_mod_exec, example_exec},
    {0, NULL},
};

static struct PyModuleDef example_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "example",
    .m_size = sizeof(State),
    .m_methods = example_methods,
    .m_slots = example_slots,
    .m_traverse = example_traverse,
    .m_clear = example_clear,
};

PyMODINIT_FUNC
PyInit_example(void)
{
    return PyModuleDef_Init(&example_module);
}

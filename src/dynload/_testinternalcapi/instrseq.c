/* instrseq.c - InstructionSequence: instructions and labels, written by hand or by the
 * compiler's code generator, read by its later steps.
 * SPDX-License-Identifier: MIT
 */
#include "module.h"

typedef struct InstrSeq {
    PyObject_HEAD
    PyObject *code;   /* list of (op, arg, line, end line, column, end column) */
    PyObject *labels; /* list: label -> index in code, -1 while unused; or NULL */
    PyObject *nested; /* list of InstrSeq */
    int next_label;
} InstrSeq;

#define SEQ(o) ((InstrSeq *)(o))

PyObject *
instrseq_new(PyTypeObject *type)
{
    InstrSeq *s = (InstrSeq *)type->tp_alloc(type, 0);
    if (!s) {
        return NULL;
    }
    s->next_label = 1;
    if (!(s->code = PyList_New(0)) || !(s->nested = PyList_New(0))) {
        Py_DECREF(s);
        return NULL;
    }
    return (PyObject *)s;
}

static PyObject *
instrseq_tp_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (PyTuple_GET_SIZE(args) || (kwds && PyDict_GET_SIZE(kwds))) {
        PyErr_SetString(PyExc_TypeError, "InstructionSequenceType takes no arguments");
        return NULL;
    }
    return instrseq_new(type);
}

static int
instrseq_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(o));
    Py_VISIT(SEQ(o)->code);
    Py_VISIT(SEQ(o)->labels);
    Py_VISIT(SEQ(o)->nested);
    return 0;
}

static int
instrseq_clear(PyObject *o)
{
    Py_CLEAR(SEQ(o)->code);
    Py_CLEAR(SEQ(o)->labels);
    Py_CLEAR(SEQ(o)->nested);
    return 0;
}

static void
instrseq_dealloc(PyObject *o)
{
    PyTypeObject *type = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    (void)instrseq_clear(o);
    type->tp_free(o);
    Py_DECREF(type);
}

/* The index a label stands for. Without labels in use, a jump's argument is an index. */
static int
resolve(InstrSeq *s, int label)
{
    if (!s->labels) {
        return label;
    }
    if (label < 0 || label >= PyList_GET_SIZE(s->labels)) {
        return -1;
    }
    return PyLong_AsInt(PyList_GET_ITEM(s->labels, label));
}

PyObject *
instrseq_code(PyObject *o)
{
    InstrSeq *s = SEQ(o);
    NJ_OWN out = PyList_New(0);
    for (Py_ssize_t i = 0; out && i < PyList_GET_SIZE(s->code); i++) {
        PyObject *t = PyList_GET_ITEM(s->code, i);
        NJ_OWN copy = NULL;
        if (HOOKS->op_has_target(PyLong_AsInt(PyTuple_GET_ITEM(t, 0)))) {
            NJ_OWN index = PyLong_FromLong(resolve(s, PyLong_AsInt(PyTuple_GET_ITEM(t, 1))));
            NJ_SET(copy, index ? PyTuple_Pack(6, PyTuple_GET_ITEM(t, 0), index,
                                              PyTuple_GET_ITEM(t, 2), PyTuple_GET_ITEM(t, 3),
                                              PyTuple_GET_ITEM(t, 4), PyTuple_GET_ITEM(t, 5))
                               : NULL);
            if (!copy) {
                return NULL;
            }
            t = copy;
        }
        if (PyList_Append(out, t) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(out);
}

/* From what nj_compile_steps keeps, or a plain list. */
PyObject *
instrseq_from(PyTypeObject *type, PyObject *code, PyObject *nested)
{
    NJ_OWN o = instrseq_new(type);
    if (!o) {
        return NULL;
    }
    NJ_SET(SEQ(o)->code, Py_NewRef(code));
    for (Py_ssize_t i = 0; nested && i < PyList_GET_SIZE(nested); i++) {
        PyObject *t = PyList_GET_ITEM(nested, i);
        NJ_OWN inner = instrseq_from(type, PyTuple_GET_ITEM(t, 0), PyTuple_GET_ITEM(t, 1));
        if (!inner || PyList_Append(SEQ(o)->nested, inner) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(o);
}

static PyObject *
instrseq_new_label(PyObject *o, PyObject *unused)
{
    return PyLong_FromLong(SEQ(o)->next_label++);
}

static PyObject *
instrseq_use_label(PyObject *o, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"label", NULL};
    InstrSeq *s = SEQ(o);
    int label;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "i:use_label", names, &label)) {
        return NULL;
    }
    if (label < 0 || label > 100000) {
        PyErr_Format(PyExc_ValueError, "bad label %d", label);
        return NULL;
    }
    if (!s->labels && !(s->labels = PyList_New(0))) {
        return NULL;
    }
    NJ_OWN unset = PyLong_FromLong(-1);
    while (PyList_GET_SIZE(s->labels) <= label) {
        if (!unset || PyList_Append(s->labels, unset) < 0) {
            return NULL;
        }
    }
    PyObject *index = PyLong_FromSsize_t(PyList_GET_SIZE(s->code));
    if (!index || PyList_SetItem(s->labels, label, index) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
instrseq_addop(PyObject *o, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"opcode",     "oparg",          "lineno", "col_offset",
                            "end_lineno", "end_col_offset", NULL};
    int op, arg, place[4];
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "iiiiii:addop", names, &op, &arg, &place[0],
                                     &place[1], &place[2], &place[3])) {
        return NULL;
    }
    /* By position, whatever the names say: tests that depend on it, and the reference. */
    NJ_OWN t = Py_BuildValue("iiiiii", op, arg, place[0], place[1], place[2], place[3]);
    if (!t || PyList_Append(SEQ(o)->code, t) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
instrseq_add_nested(PyObject *o, PyObject *nested)
{
    if (Py_TYPE(nested) != Py_TYPE(o)) {
        PyErr_Format(PyExc_TypeError, "expected an instruction sequence, not %T",
                     nested);
        return NULL;
    }
    if (PyList_Append(SEQ(o)->nested, nested) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
instrseq_get_nested(PyObject *o, PyObject *unused)
{
    return PyList_GetSlice(SEQ(o)->nested, 0, PY_SSIZE_T_MAX);
}

static PyObject *
instrseq_get_instructions(PyObject *o, PyObject *unused)
{
    NJ_OWN code = instrseq_code(o);
    for (Py_ssize_t i = 0; code && i < PyList_GET_SIZE(code); i++) {
        PyObject *t = PyList_GET_ITEM(code, i);
        int op = PyLong_AsInt(PyTuple_GET_ITEM(t, 0));
        if (HOOKS->op_has_arg(op) || HOOKS->op_has_target(op)) {
            continue;
        }
        PyObject *bare = PyTuple_Pack(6, PyTuple_GET_ITEM(t, 0), Py_None,
                                      PyTuple_GET_ITEM(t, 2), PyTuple_GET_ITEM(t, 3),
                                      PyTuple_GET_ITEM(t, 4), PyTuple_GET_ITEM(t, 5));
        if (!bare || PyList_SetItem(code, i, bare) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(code);
}

#define FUNC(f) ((PyCFunction)(void (*)(void))(f))
static PyMethodDef methods[] = {
    {"new_label", instrseq_new_label, METH_NOARGS,
     "new_label($self, /)\n--\n\nA label that is not yet in use."},
    {"use_label", FUNC(instrseq_use_label), METH_VARARGS | METH_KEYWORDS,
     "use_label($self, /, label)\n--\n\nLet the label stand for the next instruction."},
    {"addop", FUNC(instrseq_addop), METH_VARARGS | METH_KEYWORDS,
     "addop($self, /, opcode, oparg, lineno, col_offset, end_lineno,\n"
     "      end_col_offset)\n--\n\nAppend an instruction."},
    {"add_nested", instrseq_add_nested, METH_O,
     "add_nested($self, nested, /)\n--\n\nAdd the code of a nested scope."},
    {"get_nested", instrseq_get_nested, METH_NOARGS,
     "get_nested($self, /)\n--\n\nThe code of nested scopes."},
    {"get_instructions", instrseq_get_instructions, METH_NOARGS,
     "get_instructions($self, /)\n--\n\nThe instructions as tuples."},
    {0},
};
static PyType_Slot slots[] = {
    {Py_tp_new, instrseq_tp_new},   {Py_tp_traverse, instrseq_traverse},
    {Py_tp_clear, instrseq_clear},  {Py_tp_dealloc, instrseq_dealloc},
    {Py_tp_methods, methods},       {0},
};
PyType_Spec instrseq_spec = {
    .name = "builtins.InstructionSequence",
    .basicsize = sizeof(InstrSeq),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

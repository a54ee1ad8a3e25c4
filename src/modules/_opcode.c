/* _opcode.c - facts about opcodes for the opcode and dis modules.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <limits.h>

#include "frontend/opinfo.h"

static PyObject *
opcode_stack_effect(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *kw[] = {"", "", "jump", NULL};
    int opcode;
    PyObject *oparg = Py_None, *jump = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|O$O:stack_effect", kw, &opcode, &oparg,
                                     &jump)) {
        return NULL;
    }
    int arg = 0;
    if (oparg != Py_None) {
        arg = PyLong_AsInt(oparg);
        if (arg == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (jump != Py_None && jump != Py_True && jump != Py_False) {
        PyErr_SetString(PyExc_ValueError, "stack_effect: jump must be False, True or None");
        return NULL;
    }
    int taken = nj_op_effect(opcode, arg, true), not_taken = nj_op_effect(opcode, arg, false);
    if (taken == INT_MIN || !(nj_op_flags(opcode) & NJ_OPF_VALID)) {
        PyErr_SetString(PyExc_ValueError, "invalid opcode or oparg");
        return NULL;
    }
    return PyLong_FromLong(jump == Py_True    ? taken
                           : jump == Py_False ? not_taken
                                              : Py_MAX(taken, not_taken));
}

static PyObject *
has_flag(PyObject *args, PyObject *kwargs, const char *format, int flag)
{
    static char *kw[] = {"opcode", NULL};
    int opcode;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, kw, &opcode)) {
        return NULL;
    }
    return PyBool_FromLong((nj_op_flags(opcode) & flag) != 0);
}

#define HAS(name, flag)                                                                \
    static PyObject *opcode_##name(PyObject *m, PyObject *args, PyObject *kwargs)      \
    {                                                                                  \
        return has_flag(args, kwargs, "i:" #name, flag);                               \
    }
HAS(is_valid, NJ_OPF_VALID)
HAS(has_arg, NJ_OPF_ARG)
HAS(has_const, NJ_OPF_CONST)
HAS(has_name, NJ_OPF_NAME)
HAS(has_jump, NJ_OPF_JUMP)
HAS(has_free, NJ_OPF_FREE)
HAS(has_local, NJ_OPF_LOCAL)
HAS(has_exc, NJ_OPF_EXC)

static PyObject *
opcode_get_specialization_stats(PyObject *m, PyObject *unused)
{
    Py_RETURN_NONE; /* statistics are not built in */
}

static PyObject *
opcode_get_nb_ops(PyObject *m, PyObject *unused)
{
    static const char *const OPS[][2] = {{"ADD", "+"},
                                         {"AND", "&"},
                                         {"FLOOR_DIVIDE", "//"},
                                         {"LSHIFT", "<<"},
                                         {"MATRIX_MULTIPLY", "@"},
                                         {"MULTIPLY", "*"},
                                         {"REMAINDER", "%"},
                                         {"OR", "|"},
                                         {"POWER", "**"},
                                         {"RSHIFT", ">>"},
                                         {"SUBTRACT", "-"},
                                         {"TRUE_DIVIDE", "/"},
                                         {"XOR", "^"}};
    NJ_OWN list = PyList_New(0);
    for (int inplace = 0; inplace < 2 && list != NULL; inplace++) {
        for (size_t i = 0; i < NJ_ARRAY_LEN(OPS); i++) {
            NJ_OWN name = PyUnicode_FromFormat(inplace ? "NB_INPLACE_%s" : "NB_%s", OPS[i][0]);
            NJ_OWN text = PyUnicode_FromFormat(inplace ? "%s=" : "%s", OPS[i][1]);
            NJ_OWN pair = name && text ? PyTuple_Pack(2, name, text) : NULL;
            if (pair == NULL || PyList_Append(list, pair) < 0) {
                return NULL;
            }
        }
    }
    NJ_OWN last = Py_BuildValue("(ss)", "NB_SUBSCR", "[]");
    if (list == NULL || last == NULL || PyList_Append(list, last) < 0) {
        return NULL;
    }
    return NJ_TAKE(list);
}

static PyObject *
list_of(const char *const *names, Py_ssize_t n)
{
    NJ_OWN list = PyList_New(n);
    for (Py_ssize_t i = 0; list != NULL && i < n; i++) {
        PyObject *s = PyUnicode_FromString(names[i]);
        if (s == NULL) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, s);
    }
    return NJ_TAKE(list);
}

static PyObject *
opcode_get_intrinsic1_descs(PyObject *m, PyObject *unused)
{
    static const char *const NAMES[] = {
        "INTRINSIC_1_INVALID",      "INTRINSIC_PRINT",          "INTRINSIC_IMPORT_STAR",
        "INTRINSIC_STOPITERATION_ERROR", "INTRINSIC_ASYNC_GEN_WRAP",
        "INTRINSIC_UNARY_POSITIVE", "INTRINSIC_LIST_TO_TUPLE",  "INTRINSIC_TYPEVAR",
        "INTRINSIC_PARAMSPEC",      "INTRINSIC_TYPEVARTUPLE",
        "INTRINSIC_SUBSCRIPT_GENERIC", "INTRINSIC_TYPEALIAS"};
    return list_of(NAMES, NJ_ARRAY_LEN(NAMES));
}

static PyObject *
opcode_get_intrinsic2_descs(PyObject *m, PyObject *unused)
{
    static const char *const NAMES[] = {"INTRINSIC_2_INVALID",
                                        "INTRINSIC_PREP_RERAISE_STAR",
                                        "INTRINSIC_TYPEVAR_WITH_BOUND",
                                        "INTRINSIC_TYPEVAR_WITH_CONSTRAINTS",
                                        "INTRINSIC_SET_FUNCTION_TYPE_PARAMS",
                                        "INTRINSIC_SET_TYPEPARAM_DEFAULT"};
    return list_of(NAMES, NJ_ARRAY_LEN(NAMES));
}

static PyObject *
opcode_get_special_method_names(PyObject *m, PyObject *unused)
{
    static const char *const NAMES[] = {"__enter__", "__exit__", "__aenter__", "__aexit__"};
    return list_of(NAMES, NJ_ARRAY_LEN(NAMES));
}

static PyObject *
opcode_get_executor(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *kw[] = {"code", "offset", NULL};
    PyObject *code;
    int offset;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Oi:get_executor", kw, &code, &offset)) {
        return NULL;
    }
    if (!PyCode_Check(code)) {
        PyErr_Format(PyExc_TypeError, "expected a code object, not '%.100s'",
                     Py_TYPE(code)->tp_name);
        return NULL;
    }
    PyErr_SetString(PyExc_RuntimeError,
                    "Executors are not available in this build");
    return NULL;
}

#define KW(name, text)                                                                 \
    {#name, (PyCFunction)(void (*)(void))opcode_##name, METH_VARARGS | METH_KEYWORDS,  \
     PyDoc_STR(text)}
#define NO(name, text) {#name, opcode_##name, METH_NOARGS, PyDoc_STR(text)}
#define HAS_DOC(name) KW(name, #name "($module, /, opcode)\n--\n\nA property of the opcode.")

static PyMethodDef opcode_methods[] = {
    KW(stack_effect, "stack_effect($module, opcode, oparg=None, /, *, jump=None)\n--\n\n"
                     "Compute the stack effect of the opcode."),
    HAS_DOC(is_valid),
    HAS_DOC(has_arg),
    HAS_DOC(has_const),
    HAS_DOC(has_name),
    HAS_DOC(has_jump),
    HAS_DOC(has_free),
    HAS_DOC(has_local),
    HAS_DOC(has_exc),
    NO(get_specialization_stats,
       "get_specialization_stats($module, /)\n--\n\nReturn the specialization stats."),
    NO(get_nb_ops, "get_nb_ops($module, /)\n--\n\nNames of the binary operations."),
    NO(get_intrinsic1_descs,
       "get_intrinsic1_descs($module, /)\n--\n\nNames of the unary intrinsics."),
    NO(get_intrinsic2_descs,
       "get_intrinsic2_descs($module, /)\n--\n\nNames of the binary intrinsics."),
    KW(get_executor, "get_executor($module, /, code, offset)\n--\n\nReturn the executor at "
                     "the offset."),
    NO(get_special_method_names,
       "get_special_method_names($module, /)\n--\n\nNames of the special methods."),
    {NULL, NULL, 0, NULL}};

static int
opcode_exec(PyObject *m)
{
    return PyModule_AddIntConstant(m, "ENABLE_SPECIALIZATION", 1) < 0 ||
                   PyModule_AddIntConstant(m, "ENABLE_SPECIALIZATION_FT", 1) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot opcode_slots[] = {
    {Py_mod_exec, opcode_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL}};

static PyModuleDef opcode_module = {.m_base = PyModuleDef_HEAD_INIT,
                                    .m_name = "_opcode",
                                    .m_doc = PyDoc_STR("Opcode support module."),
                                    .m_methods = opcode_methods,
                                    .m_slots = opcode_slots};

PyMODINIT_FUNC PyInit__opcode(void);

PyMODINIT_FUNC
PyInit__opcode(void)
{
    return PyModuleDef_Init(&opcode_module);
}

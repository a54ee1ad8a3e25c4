/* _opcode.c - facts about opcodes for the library's opcode and dis.
 *
 * Everything is read from the tables that genops makes from vm/ops.def.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <limits.h>

#include "capi/args.h"
#include "vm/vm.h"

#define OPCODES 267

PyMODINIT_FUNC PyInit__opcode(void);

static bool
is_known(int op)
{
    return op >= 0 && op < OPCODES && nj_opcode_names[op] != NULL;
}

static PyObject *
opcode_stack_effect(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "", "jump", NULL};
    static const NjParams params = {"stack_effect", names, 2, 1, 0};
    PyObject *a[3];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int op = PyLong_AsInt(a[0]);
    if (op == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int jump = -1;
    if (a[2] == NULL || a[2] == Py_None) {
        jump = -1;
    }
    else if (a[2] == Py_True) {
        jump = 1;
    }
    else if (a[2] == Py_False) {
        jump = 0;
    }
    else {
        PyErr_SetString(PyExc_ValueError, "stack_effect: jump must be False, True or None");
        return NULL;
    }
    int oparg = 0;
    if (a[1] != NULL && a[1] != Py_None) {
        oparg = PyLong_AsInt(a[1]);
        if (oparg == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    int effect = is_known(op) ? nj_opcode_stack_effect(op, oparg, jump) : INT_MAX;
    if (effect == INT_MAX) {
        PyErr_SetString(PyExc_ValueError, "invalid opcode or oparg");
        return NULL;
    }
    return PyLong_FromLong(effect);
}

static PyObject *
test_flag(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *fname,
          int flag)
{
    static const char *const names[] = {"opcode", NULL};
    const NjParams params = {fname, names, 1, 1, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int op = PyLong_AsInt(a[0]);
    if (op == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyBool_FromLong(is_known(op) && (flag == 0 || (nj_opcode_flags[op] & flag)));
}

#define FLAG_FUNCTION(name, flag)                                                      \
    static PyObject *opcode_##name(PyObject *m, PyObject *const *args,                 \
                                   Py_ssize_t nargs, PyObject *kwnames)                \
    {                                                                                  \
        return test_flag(args, nargs, kwnames, #name, flag);                           \
    }
FLAG_FUNCTION(is_valid, 0)
FLAG_FUNCTION(has_arg, NJ_OPF_ARG)
FLAG_FUNCTION(has_const, NJ_OPF_CONST)
FLAG_FUNCTION(has_name, NJ_OPF_NAME)
FLAG_FUNCTION(has_jump, NJ_OPF_JUMP)
FLAG_FUNCTION(has_free, NJ_OPF_FREE)
FLAG_FUNCTION(has_local, NJ_OPF_LOCAL)
FLAG_FUNCTION(has_exc, NJ_OPF_EXC)

static PyObject *
get_specialization_stats(PyObject *m, PyObject *unused)
{
    Py_RETURN_NONE;
}

static PyObject *
get_nb_ops(PyObject *m, PyObject *unused)
{
    static const char *const ops[][2] = {
        {"NB_ADD", "+"},
        {"NB_AND", "&"},
        {"NB_FLOOR_DIVIDE", "//"},
        {"NB_LSHIFT", "<<"},
        {"NB_MATRIX_MULTIPLY", "@"},
        {"NB_MULTIPLY", "*"},
        {"NB_REMAINDER", "%"},
        {"NB_OR", "|"},
        {"NB_POWER", "**"},
        {"NB_RSHIFT", ">>"},
        {"NB_SUBTRACT", "-"},
        {"NB_TRUE_DIVIDE", "/"},
        {"NB_XOR", "^"},
        {"NB_INPLACE_ADD", "+="},
        {"NB_INPLACE_AND", "&="},
        {"NB_INPLACE_FLOOR_DIVIDE", "//="},
        {"NB_INPLACE_LSHIFT", "<<="},
        {"NB_INPLACE_MATRIX_MULTIPLY", "@="},
        {"NB_INPLACE_MULTIPLY", "*="},
        {"NB_INPLACE_REMAINDER", "%="},
        {"NB_INPLACE_OR", "|="},
        {"NB_INPLACE_POWER", "**="},
        {"NB_INPLACE_RSHIFT", ">>="},
        {"NB_INPLACE_SUBTRACT", "-="},
        {"NB_INPLACE_TRUE_DIVIDE", "/="},
        {"NB_INPLACE_XOR", "^="},
        {"NB_SUBSCR", "[]"},
    };
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(ops); i++) {
        NJ_OWN pair = Py_BuildValue("(ss)", ops[i][0], ops[i][1]);
        if (pair == NULL || PyList_Append(list, pair) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
list_of(const char *const *names, size_t n)
{
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        NJ_OWN s = PyUnicode_FromString(names[i]);
        if (s == NULL || PyList_Append(list, s) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
get_intrinsic1_descs(PyObject *m, PyObject *unused)
{
    static const char *const names[] = {
        "INTRINSIC_1_INVALID",      "INTRINSIC_PRINT",
        "INTRINSIC_IMPORT_STAR",    "INTRINSIC_STOPITERATION_ERROR",
        "INTRINSIC_ASYNC_GEN_WRAP", "INTRINSIC_UNARY_POSITIVE",
        "INTRINSIC_LIST_TO_TUPLE",  "INTRINSIC_TYPEVAR",
        "INTRINSIC_PARAMSPEC",      "INTRINSIC_TYPEVARTUPLE",
        "INTRINSIC_SUBSCRIPT_GENERIC", "INTRINSIC_TYPEALIAS",
    };
    return list_of(names, NJ_ARRAY_LEN(names));
}

static PyObject *
get_intrinsic2_descs(PyObject *m, PyObject *unused)
{
    static const char *const names[] = {
        "INTRINSIC_2_INVALID",
        "INTRINSIC_PREP_RERAISE_STAR",
        "INTRINSIC_TYPEVAR_WITH_BOUND",
        "INTRINSIC_TYPEVAR_WITH_CONSTRAINTS",
        "INTRINSIC_SET_FUNCTION_TYPE_PARAMS",
        "INTRINSIC_SET_TYPEPARAM_DEFAULT",
    };
    return list_of(names, NJ_ARRAY_LEN(names));
}

static PyObject *
get_special_method_names(PyObject *m, PyObject *unused)
{
    static const char *const names[] = {"__enter__", "__exit__", "__aenter__", "__aexit__"};
    return list_of(names, NJ_ARRAY_LEN(names));
}

static PyObject *
get_executor(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"code", "offset", NULL};
    static const NjParams params = {"get_executor", names, 2, 2, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if (!PyCode_Check(a[0])) {
        PyErr_Format(PyExc_TypeError, "expected a code object, not '%.100s'",
                     Py_TYPE(a[0])->tp_name);
        return NULL;
    }
    PyErr_SetString(PyExc_ValueError, "no executor at given byte offset");
    return NULL;
}

#define KW(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL | METH_KEYWORDS

static PyMethodDef opcode_methods[] = {
    {"stack_effect", KW(opcode_stack_effect),
     "stack_effect($module, opcode, oparg=None, /, *, jump=None)\n--\n\n"
     "How an instruction changes the depth of the stack."},
    {"is_valid", KW(opcode_is_valid),
     "is_valid($module, /, opcode)\n--\n\nIs there such an opcode?"},
    {"has_arg", KW(opcode_has_arg),
     "has_arg($module, /, opcode)\n--\n\nDoes the opcode use its argument?"},
    {"has_const", KW(opcode_has_const),
     "has_const($module, /, opcode)\n--\n\nDoes the opcode access a constant?"},
    {"has_name", KW(opcode_has_name),
     "has_name($module, /, opcode)\n--\n\nDoes the opcode access an attribute by name?"},
    {"has_jump", KW(opcode_has_jump),
     "has_jump($module, /, opcode)\n--\n\nDoes the opcode have a jump target?"},
    {"has_free", KW(opcode_has_free),
     "has_free($module, /, opcode)\n--\n\nDoes the opcode access a free variable?"},
    {"has_local", KW(opcode_has_local),
     "has_local($module, /, opcode)\n--\n\nDoes the opcode access a local variable?"},
    {"has_exc", KW(opcode_has_exc),
     "has_exc($module, /, opcode)\n--\n\nDoes the opcode set up an exception handler?"},
    {"get_specialization_stats", get_specialization_stats, METH_NOARGS,
     "get_specialization_stats($module, /)\n--\n\nAlways None."},
    {"get_nb_ops", get_nb_ops, METH_NOARGS,
     "get_nb_ops($module, /)\n--\n\nThe binary operators by index."},
    {"get_intrinsic1_descs", get_intrinsic1_descs, METH_NOARGS,
     "get_intrinsic1_descs($module, /)\n--\n\nNames of the unary intrinsics."},
    {"get_intrinsic2_descs", get_intrinsic2_descs, METH_NOARGS,
     "get_intrinsic2_descs($module, /)\n--\n\nNames of the binary intrinsics."},
    {"get_executor", KW(get_executor),
     "get_executor($module, /, code, offset)\n--\n\nThe executor at an offset."},
    {"get_special_method_names", get_special_method_names, METH_NOARGS,
     "get_special_method_names($module, /)\n--\n\nNames of the special methods by index."},
    {NULL, NULL, 0, NULL},
};

static int
opcode_exec(PyObject *m)
{
    if (PyModule_AddIntConstant(m, "ENABLE_SPECIALIZATION", 1) < 0 ||
        PyModule_AddIntConstant(m, "ENABLE_SPECIALIZATION_FT", 1) < 0) {
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot opcode_slots[] = {
    {Py_mod_exec, opcode_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef opcode_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_opcode",
    .m_doc = "Opcode support module.",
    .m_size = 0,
    .m_methods = opcode_methods,
    .m_slots = opcode_slots,
};

PyMODINIT_FUNC
PyInit__opcode(void)
{
    return PyModuleDef_Init(&opcode_module);
}

/* _symtable.c - the compiler's symbol table for the symtable module.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include "frontend/compile.h"
#include "frontend/symtable.h"

static PyObject *
symtable_symtable(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *source, *path;
    const char *startstr;
    if (!_PyArg_ParseStack(args, nargs, "OO&s:symtable", &source, PyUnicode_FSDecoder, &path,
                          &startstr)) {
        return NULL;
    }
    NJ_OWN filename = path;
    PyCompilerFlags flags = {.cf_flags = PyCF_SOURCE_IS_UTF8,
                             .cf_feature_version = PY_MINOR_VERSION};
    int start;
    if (strcmp(startstr, "exec") == 0) {
        start = Py_file_input;
    }
    else if (strcmp(startstr, "eval") == 0) {
        start = Py_eval_input;
    }
    else if (strcmp(startstr, "single") == 0) {
        start = Py_single_input;
    }
    else {
        PyErr_SetString(PyExc_ValueError,
                        "symtable() arg 3 must be 'exec' or 'eval' or 'single'");
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    const char *text;
    Py_ssize_t size;
    if (PyUnicode_Check(source)) {
        flags.cf_flags |= PyCF_IGNORE_COOKIE;
        text = PyUnicode_AsUTF8AndSize(source, &size);
        if (text == NULL) {
            return NULL;
        }
    }
    else {
        if (!PyObject_CheckBuffer(source)) {
            PyErr_SetString(PyExc_TypeError,
                            "symtable() arg 1 must be a string, bytes or AST object");
            return NULL;
        }
        if (PyObject_GetBuffer(source, &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        text = view.buf;
        size = view.len;
    }
    if (memchr(text, 0, size) != NULL) {
        PyErr_SetString(PyExc_SyntaxError, "source code string cannot contain null bytes");
        return NULL;
    }
    return nj_symtable_text(text, size, filename, start, &flags);
}

static PyMethodDef symtable_methods[] = {
    {"symtable", (PyCFunction)(void *)symtable_symtable, METH_FASTCALL,
     PyDoc_STR("symtable($module, source, filename, startstr, /)\n--\n\nThe table of the "
               "names of a program, as the compiler sees them.")},
    {NULL, NULL, 0, NULL}};

static int
symtable_exec(PyObject *m)
{
    static const struct {
        const char *name;
        int value;
    } INTS[] = {{"USE", NJ_USE},
                {"DEF_GLOBAL", NJ_DEF_GLOBAL},
                {"DEF_NONLOCAL", NJ_DEF_NONLOCAL},
                {"DEF_LOCAL", NJ_DEF_LOCAL},
                {"DEF_PARAM", NJ_DEF_PARAM},
                {"DEF_TYPE_PARAM", NJ_DEF_TYPE_PARAM},
                {"DEF_FREE_CLASS", NJ_DEF_FREE_CLASS},
                {"DEF_IMPORT", NJ_DEF_IMPORT},
                {"DEF_BOUND", NJ_DEF_BOUND},
                {"DEF_ANNOT", NJ_DEF_ANNOT},
                {"DEF_COMP_ITER", NJ_DEF_COMP_ITER},
                {"DEF_COMP_CELL", NJ_DEF_COMP_CELL},
                {"TYPE_FUNCTION", NJ_BLOCK_FUNCTION},
                {"TYPE_CLASS", NJ_BLOCK_CLASS},
                {"TYPE_MODULE", NJ_BLOCK_MODULE},
                {"TYPE_ANNOTATION", NJ_BLOCK_ANNOTATION},
                {"TYPE_TYPE_ALIAS", NJ_BLOCK_TYPE_ALIAS},
                {"TYPE_TYPE_PARAMETERS", NJ_BLOCK_TYPE_PARAMS},
                {"TYPE_TYPE_VARIABLE", NJ_BLOCK_TYPE_VARIABLE},
                {"LOCAL", NJ_SC_LOCAL},
                {"GLOBAL_EXPLICIT", NJ_SC_GLOBAL_EXPLICIT},
                {"GLOBAL_IMPLICIT", NJ_SC_GLOBAL_IMPLICIT},
                {"FREE", NJ_SC_FREE},
                {"CELL", NJ_SC_CELL},
                {"SCOPE_OFF", NJ_SCOPE_OFFSET},
                {"SCOPE_MASK", NJ_SCOPE_MASK}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(INTS); i++) {
        if (PyModule_AddIntConstant(m, INTS[i].name, INTS[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot symtable_slots[] = {
    {Py_mod_exec, symtable_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL}};

static PyModuleDef symtable_module = {.m_base = PyModuleDef_HEAD_INIT,
                                      .m_name = "_symtable",
                                      .m_methods = symtable_methods,
                                      .m_slots = symtable_slots};

PyMODINIT_FUNC PyInit__symtable(void);

PyMODINIT_FUNC
PyInit__symtable(void)
{
    return PyModuleDef_Init(&symtable_module);
}

/* _suggestions.c - the native half of the traceback module's "Did you mean".
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "runtime/suggest.h"

static PyObject *
suggestions_generate(PyObject *Py_UNUSED(module), PyObject *const *args,
                     Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("_generate_suggestions", nargs, 2, 2)) {
        return NULL;
    }
    if (!PyList_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "candidates must be a list");
        return NULL;
    }
    if (!PyUnicode_Check(args[1])) {
        _PyArg_BadArgument("_generate_suggestions", "argument 2", "str", args[1]);
        return NULL;
    }
    PyObject *found = nj_suggest_name(args[0], args[1]);
    return found || PyErr_Occurred() ? found : Py_NewRef(Py_None);
}

static PyMethodDef suggestions_methods[] = {
    {"_generate_suggestions", (PyCFunction)(void (*)(void))suggestions_generate,
     METH_FASTCALL,
     "_generate_suggestions($module, candidates, item, /)\n--\n\n"
     "The candidate nearest to item, or None."},
    {0},
};

static PyModuleDef_Slot suggestions_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef suggestions_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_suggestions",
    .m_methods = suggestions_methods,
    .m_slots = suggestions_slots,
};

PyMODINIT_FUNC PyInit__suggestions(void);

PyMODINIT_FUNC
PyInit__suggestions(void)
{
    return PyModuleDef_Init(&suggestions_module);
}

/* _sysconfig.c - build variables known to the executable, for the sysconfig module.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

static PyObject *
config_vars(PyObject *m, PyObject *ignored)
{
    return Py_BuildValue("{s:i,s:i}", "Py_GIL_DISABLED", 0, "Py_DEBUG", 0);
}

static PyMethodDef methods[] = {
    {"config_vars", config_vars, METH_NOARGS,
     "config_vars($module, /)\n--\n\nA dict of the build variables sysconfig shows."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sysconfig",
    .m_doc = "A helper for the sysconfig module.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__sysconfig(void)
{
    return PyModuleDef_Init(&module);
}

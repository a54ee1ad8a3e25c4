/* _uuid.c - time-based UUIDs from libuuid, for the uuid module.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <uuid.h>

/* generate_time_safe() -> (16 bytes, status); status as uuid_generate_time_safe(3) says. */
static PyObject *
generate_time_safe(PyObject *module, PyObject *ignored)
{
    uuid_t out;
    int status = uuid_generate_time_safe(out);
    return Py_BuildValue("y#i", (const char *)out, (Py_ssize_t)sizeof out, status);
}

static int
uuid_exec(PyObject *module)
{
    if (PyModule_AddIntConstant(module, "has_uuid_generate_time_safe", 1) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(module, "has_stable_extractable_node", 0);
}

static PyMethodDef uuid_methods[] = {
    {"generate_time_safe", generate_time_safe, METH_NOARGS,
     PyDoc_STR("generate_time_safe($self, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot uuid_slots[] = {
    {Py_mod_exec, uuid_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef uuid_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_uuid",
    .m_methods = uuid_methods,
    .m_slots = uuid_slots,
};

PyMODINIT_FUNC
PyInit__uuid(void)
{
    return PyModuleDef_Init(&uuid_module);
}

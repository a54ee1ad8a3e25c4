/* posixmodule.c - the posix module: tables of the other files here put together.
 * SPDX-License-Identifier: MIT
 */
#include "modules/posix/posix_int.h"

static int
posix_exec(PyObject *module)
{
    if (PyModule_AddFunctions(module, posix_path_methods) < 0 ||
        PyModule_AddFunctions(module, posix_fd_methods) < 0 ||
        PyModule_AddFunctions(module, posix_process_methods) < 0 ||
        posix_add_path_types(module) < 0 || posix_add_process_types(module) < 0 ||
        posix_add_names(module) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(module, "error", PyExc_OSError);
}

#define EACH(X)                                                                        \
    X(stat_result) X(statvfs_result) X(terminal_size) X(times_result) X(uname_result)  \
    X(waitid_result) X(sched_param) X(direntry) X(scandir_iter) X(billion)

static int
posix_traverse(PyObject *module, visitproc visit, void *arg)
{
#define X(f) Py_VISIT(posix_state(module)->f);
    EACH(X)
#undef X
    return 0;
}

static int
posix_clear(PyObject *module)
{
#define X(f) Py_CLEAR(posix_state(module)->f);
    EACH(X)
#undef X
    return 0;
}

static void
posix_free(void *module)
{
    posix_clear((PyObject *)module);
}

static PyModuleDef_Slot posix_slots[] = {
    {Py_mod_exec, posix_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

struct PyModuleDef nj_posix_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "posix",
    .m_doc = "The system calls of POSIX; use the os module instead.",
    .m_size = sizeof(PosixState),
    .m_slots = posix_slots,
    .m_traverse = posix_traverse,
    .m_clear = posix_clear,
    .m_free = posix_free,
};

PyMODINIT_FUNC PyInit_posix(void);

PyMODINIT_FUNC
PyInit_posix(void)
{
    return PyModuleDef_Init(&nj_posix_module);
}

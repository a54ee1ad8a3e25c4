/* _remote_debugging.c - what asyncio.tools imports: the records of stacks in other
 * processes. Reading such stacks is not written: RemoteUnwinder refuses every process.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

static PyStructSequence_Field task_fields[] = {
    {"task_id", "The task's address"},
    {"task_name", "The task's name"},
    {"coroutine_stack", "Its coroutines, each with its frames"},
    {"awaited_by", "The tasks that wait for it"},
    {NULL},
};
static PyStructSequence_Field frame_fields[] = {
    {"filename", "The source file"},
    {"lineno", "The line in it"},
    {"funcname", "The function"},
    {NULL},
};
static PyStructSequence_Field coro_fields[] = {
    {"call_stack", "The frames"},
    {"task_name", "The task's name"},
    {NULL},
};
static PyStructSequence_Field thread_fields[] = {
    {"thread_id", "The thread"},
    {"frame_info", "Its frames"},
    {NULL},
};
static PyStructSequence_Field awaited_fields[] = {
    {"thread_id", "The thread"},
    {"awaited_by", "Its tasks"},
    {NULL},
};

static PyStructSequence_Desc records[] = {
    {"_remote_debugging.TaskInfo", "A task.", task_fields, 4},
    {"_remote_debugging.FrameInfo", "A frame.", frame_fields, 3},
    {"_remote_debugging.CoroInfo", "A coroutine.", coro_fields, 2},
    {"_remote_debugging.ThreadInfo", "A thread.", thread_fields, 2},
    {"_remote_debugging.AwaitedInfo", "The tasks of a thread.", awaited_fields, 2},
};

static int
unwinder_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"pid", "all_threads", "only_active_thread", "debug", NULL};
    int pid, all_threads = 0, only_active = 0, debug = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "i|$ppp:RemoteUnwinder", names, &pid,
                                     &all_threads, &only_active, &debug)) {
        return -1;
    }
    PyErr_SetString(PyExc_RuntimeError,
                    "this interpreter cannot read the stacks of other processes");
    return -1;
}

static PyType_Slot unwinder_slots[] = {
    {Py_tp_doc, "RemoteUnwinder(pid): the stacks of another process. Not available: calling "
                "it raises RuntimeError."},
    {Py_tp_init, unwinder_init},
    {0, NULL},
};

static PyType_Spec unwinder_spec = {
    .name = "_remote_debugging.RemoteUnwinder",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = unwinder_slots,
};

static int
remote_debugging_exec(PyObject *m)
{
    for (size_t i = 0; i < Py_ARRAY_LENGTH(records); i++) {
        NJ_OWN type = (PyObject *)PyStructSequence_NewType(&records[i]);
        if (!type || PyModule_AddType(m, (PyTypeObject *)type) < 0) {
            return -1;
        }
    }
    NJ_OWN unwinder = PyType_FromModuleAndSpec(m, &unwinder_spec, NULL);
    if (!unwinder || PyModule_AddType(m, (PyTypeObject *)unwinder) < 0) {
        return -1;
    }
    return PyModule_AddIntConstant(m, "PROCESS_VM_READV_SUPPORTED", 0);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, remote_debugging_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_remote_debugging",
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__remote_debugging(void)
{
    return PyModuleDef_Init(&module);
}

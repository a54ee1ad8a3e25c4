/* remote_exec.c - sys.remote_exec: a script for the main thread of another process. The
 * process is found by its table (base/remote.h), which readers of its stacks use, too.
 *
 * The request is the path of the script in the thread state (PyThreadState has the room,
 * fixed by the headers) and NJ_BREAK_REMOTE. That bit is stored as a whole byte, which
 * cannot be made one step with what the process does to the byte at that moment: bits it
 * has just set may get lost, so NJ_BREAK_REMOTE stands for all of them (pending.c).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "base/remote.h"
#include "runtime/runtime.h"
#include "vm/frame.h"

#include <unistd.h>

static _Alignas(NJ_REMOTE_ALIGN) volatile NjRemoteTable the_table = {
    .magic = NJ_REMOTE_MAGIC,
    .self = (void *)&the_table,
    .main = &nj_runtime.main,
    .coroutine = &PyCoro_Type,
    .generator = &PyGen_Type,
    .enabled = offsetof(NjInterp, rt.config.remote_debug),
    .interp_next = offsetof(NjInterp, next),
    .threads = offsetof(NjInterp, threads),
    .main_tstate = offsetof(NjInterp, rt.main_tstate),
    .gil = offsetof(NjInterp, rt.gil),
    .asyncio = offsetof(NjInterp, rt.remote_asyncio),
    .gil_holder = offsetof(NjGil, holder),
    .gil_locked = offsetof(NjGil, locked),
    .eval_breaker = offsetof(PyThreadState, eval_breaker),
    .pending_call = offsetof(PyThreadState, remote_debugger_support.debugger_pending_call),
    .script_path = offsetof(PyThreadState, remote_debugger_support.debugger_script_path),
    .script_path_size = _Py_MAX_SCRIPT_PATH_SIZE,
    .break_bit = NJ_BREAK_REMOTE,
    .running_loop = offsetof(NjThread, running_loop),
    .running_task = offsetof(NjThread, running_task),
    .frame_code = offsetof(NjFrame, f_executable),
    .frame_previous = offsetof(NjFrame, previous),
    .frame_instr = offsetof(NjFrame, instr_ptr),
    .frame_stack = offsetof(NjFrame, stackpointer),
    .frame_owner = offsetof(NjFrame, owner),
    .entered_mark = NJ_FRAME_ENTERED,
    .frame_marks = offsetof(NjFrame, visited),
    .frame_size = offsetof(NjFrame, localsplus),
    .hidden_owner = NJ_FRAME_OWNED_BY_INTERPRETER,
    .gen_frame = offsetof(struct _PyGenObject, gi_iframe),
    .gen_state = offsetof(struct _PyGenObject, gi_frame_state),
    .state_delegates = NJ_GEN_SUSPENDED_YIELD_FROM,
    .state_ended = NJ_GEN_COMPLETED,
};

bool
nj_remote_exec_enabled(void)
{
    return nj_interp()->rt.config.remote_debug == 1;
}

/* --- the asking side ---------------------------------------------------------------- */

static int
write_remote(pid_t pid, uint64_t address, const void *from, size_t size)
{
    struct iovec local = {(void *)from, size}, remote = {(void *)address, size};
    ssize_t n = process_vm_writev(pid, &local, 1, &remote, 1, 0);
    if (n < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if ((size_t)n != size) {
        PyErr_Format(PyExc_OSError, "cannot write the memory of process %d", (int)pid);
        return -1;
    }
    return 0;
}

/* Puts the request into the process: 0, or -1 with an exception. */
int
nj_remote_exec(int pid, const char *script)
{
    NjRemoteTable table;
    uint64_t interp = 0, tstate = 0;
    int enabled = 0;
    int found = nj_remote_find(pid, &table);
    if (found == 0) {
        PyErr_Format(PyExc_RuntimeError, "process %d does not run this interpreter", pid);
    }
    if (found <= 0 ||
        nj_remote_read(pid, (uint64_t)table.main, &interp, sizeof(interp)) < 0 ||
        (interp && nj_remote_read(pid, interp + table.enabled, &enabled, sizeof(enabled)) < 0) ||
        (interp && nj_remote_read(pid, interp + table.main_tstate, &tstate, sizeof(tstate)) < 0)) {
        return -1;
    }
    if (enabled != 1) {
        PyErr_SetString(PyExc_RuntimeError,
                        "Remote debugging is not enabled in the remote process");
        return -1;
    }
    if (!tstate) {
        PyErr_Format(PyExc_RuntimeError, "process %d has no main thread", pid);
        return -1;
    }
    size_t size = strlen(script) + 1;
    if (size > table.script_path_size) {
        PyErr_SetString(PyExc_ValueError, "Debugger script path is too long");
        return -1;
    }
    int32_t pending = 1;
    uint8_t bit = (uint8_t)table.break_bit;
    if (write_remote(pid, tstate + table.script_path, script, size) < 0 ||
        write_remote(pid, tstate + table.pending_call, &pending, sizeof(pending)) < 0) {
        return -1;
    }
    return write_remote(pid, tstate + table.eval_breaker, &bit, 1);
}

/* --- the process that was asked --------------------------------------------------------- */

/* The whole text of the script as new bytes. */
static PyObject *
read_script(PyObject *path)
{
    NJ_OWN file = PyFile_OpenCodeObject(path);
    if (!file) {
        PyErr_FormatUnraisable("Can't open debugger script %U", path);
        return NULL;
    }
    NJ_OWN text = PyObject_CallMethod(file, "read", NULL);
    if (!text) {
        PyErr_FormatUnraisable("Error reading debugger script %U", path);
    }
    NJ_OWN closed = PyObject_CallMethodNoArgs(file, NJ_ID(close));
    if (!closed) {
        PyErr_FormatUnraisable("Error closing debugger script %U", path);
    }
    return NJ_TAKE(text);
}

static void
run_script(PyObject *path)
{
    if (PySys_Audit("cpython.remote_debugger_script", "O", path) < 0) {
        PyErr_FormatUnraisable("Audit hook refuses debugger script %U", path);
        return;
    }
    NJ_OWN text = read_script(path);
    if (!text) {
        return;
    }
    const char *source = PyBytes_AsString(text);
    NJ_OWN globals = source ? PyDict_New() : NULL;
    NJ_OWN result = globals ? PyRun_StringFlags(source, Py_file_input, globals, globals, NULL)
                            : NULL;
    if (!result) {
        PyErr_FormatUnraisable("Error executing debugger script %U", path);
    }
}

void
nj_remote_exec_run(PyThreadState *tstate)
{
    _PyRemoteDebuggerSupport *request = &tstate->remote_debugger_support;
    if (!request->debugger_pending_call || !nj_remote_exec_enabled()) {
        return;
    }
    request->debugger_pending_call = 0;
    char script[_Py_MAX_SCRIPT_PATH_SIZE];
    memcpy(script, request->debugger_script_path, sizeof(script));
    script[sizeof(script) - 1] = 0;
    if (!*script) {
        return;
    }
    NJ_OWN path = PyUnicode_DecodeFSDefault(script);
    if (!path) {
        PyErr_FormatUnraisable("Can't decode the path of a debugger script");
        return;
    }
    run_script(path);
}

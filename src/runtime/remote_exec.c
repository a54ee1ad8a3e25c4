/* remote_exec.c - sys.remote_exec: a script for the main thread of another process.
 *
 * Every process with this interpreter has one `the_table' in its writable data. It says
 * where the main interpreter, its main thread and what is to be written there are, so the
 * two processes may be different builds. Whoever looks for it reads the writable file
 * mappings of the process; the table's address in itself tells it from a copy.
 *
 * The request is the path of the script in the thread state (PyThreadState has the room,
 * fixed by the headers) and NJ_BREAK_REMOTE. That bit is stored as a whole byte, which
 * cannot be made one step with what the process does to the byte at that moment: bits it
 * has just set may get lost, so NJ_BREAK_REMOTE stands for all of them (pending.c).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAGIC "naja remote exec" /* 16 bytes */
#define TABLE_ALIGN 64

typedef struct {
    char magic[16];
    void *self;              /* where the table is */
    NjInterp **main;         /* where the pointer to the main interpreter is */
    uint64_t enabled;        /* offsets in the interpreter: int, 1: requests are served */
    uint64_t main_tstate;    /* pointer to the thread state */
    uint64_t eval_breaker;   /* offsets in the thread state */
    uint64_t pending_call;   /* int32_t */
    uint64_t script_path;
    uint64_t script_path_size;
    uint64_t break_bit;      /* what to store in the lowest byte of eval_breaker */
} Table;

static _Alignas(TABLE_ALIGN) volatile Table the_table = {
    .magic = MAGIC,
    .self = (void *)&the_table,
    .main = &nj_runtime.main,
    .enabled = offsetof(NjInterp, rt.config.remote_debug),
    .main_tstate = offsetof(NjInterp, rt.main_tstate),
    .eval_breaker = offsetof(PyThreadState, eval_breaker),
    .pending_call = offsetof(PyThreadState, remote_debugger_support.debugger_pending_call),
    .script_path = offsetof(PyThreadState, remote_debugger_support.debugger_script_path),
    .script_path_size = _Py_MAX_SCRIPT_PATH_SIZE,
    .break_bit = NJ_BREAK_REMOTE,
};

bool
nj_remote_exec_enabled(void)
{
    return nj_interp()->rt.config.remote_debug == 1;
}

/* --- the asking side ---------------------------------------------------------------- */

static int
read_remote(pid_t pid, uint64_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)address, size};
    ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (n < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if ((size_t)n != size) {
        PyErr_Format(PyExc_OSError, "cannot read the memory of process %d", (int)pid);
        return -1;
    }
    return 0;
}

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

/* Looks for the table in a mapping. 1 found, 0 not, -1 an exception. */
static int
search_mapping(pid_t pid, uint64_t start, uint64_t end, Table *table)
{
    NJ_OWN_MEM(char) data = PyMem_Malloc(end - start);
    if (!data) {
        PyErr_NoMemory();
        return -1;
    }
    if (read_remote(pid, start, data, end - start) < 0) {
        return -1;
    }
    for (uint64_t at = 0; at + sizeof(Table) <= end - start; at += TABLE_ALIGN) {
        memcpy(table, data + at, sizeof(Table));
        if (memcmp(table->magic, MAGIC, sizeof(table->magic)) == 0 &&
            (uint64_t)table->self == start + at) {
            return 1;
        }
    }
    return 0;
}

/* The table of a process: 0, or -1 with an exception. */
static int
find_table(pid_t pid, Table *table)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(name, "re");
    if (!maps && errno != ENOENT && errno != ESRCH) {
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, name);
        return -1;
    }
    int found = 0;
    char *line = NULL;
    size_t cap = 0;
    while (maps && !found && getline(&line, &cap, maps) > 0) {
        unsigned long start, end, inode;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &start, &end, mode, &inode) == 4 &&
            inode && strcmp(mode, "rw-p") == 0) {
            found = search_mapping(pid, start, end, table);
        }
    }
    free(line);
    if (maps) {
        fclose(maps);
    }
    if (!found) {
        PyErr_Format(PyExc_RuntimeError, "process %d does not run this interpreter",
                     (int)pid);
    }
    return found > 0 ? 0 : -1;
}

/* Puts the request into the process: 0, or -1 with an exception. */
int
nj_remote_exec(int pid, const char *script)
{
    Table table;
    uint64_t interp = 0, tstate = 0;
    int enabled = 0;
    if (find_table(pid, &table) < 0 ||
        read_remote(pid, (uint64_t)table.main, &interp, sizeof(interp)) < 0 ||
        (interp && read_remote(pid, interp + table.enabled, &enabled, sizeof(enabled)) < 0) ||
        (interp && read_remote(pid, interp + table.main_tstate, &tstate, sizeof(tstate)) < 0)) {
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

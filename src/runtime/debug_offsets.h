/* debug_offsets.h - _PyRuntime: where debuggers and profilers of other processes begin.
 *
 * They find the section .PyRuntime of the executable or the library, read the table of
 * offsets at its beginning and walk from the list of interpreters to threads, frames and
 * code, or leave a script for the main thread (remote_exec.c). The order of the table is
 * the reference's; what the offsets say is ours. Code of ours goes to `interps` and
 * `finalizing` and no further.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_DEBUG_OFFSETS_H
#define NJ_DEBUG_OFFSETS_H

#include "nj.h"

#include "runtime/state.h"

/* `size` is that of the struct, every other field an offset in it. */
typedef struct NjDebugOffsets {
    char cookie[8];
    uint64_t version; /* PY_VERSION_HEX of the table's layout */
    uint64_t free_threaded;
    struct {
        uint64_t size, finalizing, interps;
    } runtime;
    struct {
        uint64_t size, id, next, threads, main_thread, gc, modules, sysdict, builtins;
        uint64_t gil;                                   /* pointer to the GIL in use */
        uint64_t own_gil, gil_enabled, gil_locked, gil_holder; /* of its own one */
        uint64_t code_generation, local_code_generation;
    } interp;
    struct {
        uint64_t size, prev, next, interp, frame, thread_id, native_thread_id, stack_chunk, status;
    } thread;
    struct {
        uint64_t size, previous, code, instr, locals, owner, stack, local_code;
    } frame;
    struct {
        uint64_t size, filename, name, qualname, linetable, firstlineno, argcount, localnames,
            localkinds, bytecode, local_code;
    } code;
    struct {
        uint64_t size, type;
    } object;
    struct {
        uint64_t size, name, repr, flags;
    } type;
    struct {
        uint64_t size, items, length;
    } tuple, list;
    struct {
        uint64_t size, used, table, mask;
    } set;
    struct {
        uint64_t size, keys, values;
    } dict;
    struct {
        uint64_t size, value;
    } float_;
    struct {
        uint64_t size, tag, digits;
    } int_;
    struct {
        uint64_t size, length, data;
    } bytes;
    struct {
        uint64_t size, state, length, ascii_size;
    } str;
    struct {
        uint64_t size, collecting;
    } gc;
    struct {
        uint64_t size, name, frame, state;
    } gen;
    struct {
        uint64_t next, prev;
    } ring; /* of asyncio's tasks */
    struct {
        uint64_t eval_breaker, support, enabled; /* in the thread state; int in the interpreter */
        uint64_t pending_call, script_path, script_path_size; /* in the support struct */
    } debugger;
} NjDebugOffsets;

typedef struct NjPyRuntime {
    NjDebugOffsets offsets;
    uint64_t unused[3];
    PyThreadState *finalizing; /* set once Py_FinalizeEx is past its threads */
    uint64_t unused2[2];
    NjInterp *interps;         /* list, guarded by nj_runtime.lock */
    char room[316616 - 816];   /* the symbol's size is ABI: executables may copy it */
} NjPyRuntime;
static_assert(sizeof(NjPyRuntime) == 316616, "ABI");
static_assert(offsetof(NjPyRuntime, finalizing) == 784, "as in the reference");
static_assert(offsetof(NjPyRuntime, interps) == 808, "as in the reference");

PyAPI_DATA(NjPyRuntime) _PyRuntime;

#endif

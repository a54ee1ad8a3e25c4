/* debug_offsets.c - the table in _PyRuntime: see debug_offsets.h.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/debug_offsets.h"
#include "runtime/runtime.h"
#include "vm/frame.h"

#define AT(type, field) offsetof(type, field)

__attribute__((section(".PyRuntime"))) NjPyRuntime _PyRuntime = {
    .offsets = {
        .cookie = "xdebugpy",
        .version = PY_VERSION_HEX,
        .runtime = {sizeof(NjPyRuntime), AT(NjPyRuntime, finalizing), AT(NjPyRuntime, interps)},
        .interp = {
            .size = sizeof(NjInterp),
            .id = AT(NjInterp, id),
            .next = AT(NjInterp, next),
            .threads = AT(NjInterp, threads),
            .main_thread = AT(NjInterp, rt.main_tstate),
            .gc = AT(NjInterp, gc),
            .modules = AT(NjInterp, modules),
            .sysdict = AT(NjInterp, sysdict),
            .builtins = AT(NjInterp, builtins),
            .gil = AT(NjInterp, rt.gil),
            .own_gil = AT(NjInterp, rt.own_gil),
            .gil_locked = AT(NjInterp, rt.own_gil.locked),
            .gil_holder = AT(NjInterp, rt.own_gil.holder),
            .code_generation = AT(NjInterp, code_generation),
        },
        .thread = {sizeof(PyThreadState), AT(PyThreadState, prev), AT(PyThreadState, next),
                   AT(PyThreadState, interp), AT(PyThreadState, current_frame),
                   AT(PyThreadState, thread_id), AT(PyThreadState, native_thread_id),
                   AT(PyThreadState, datastack_chunk), AT(PyThreadState, _status)},
        .frame = {sizeof(NjFrame), AT(NjFrame, previous), AT(NjFrame, f_executable),
                  AT(NjFrame, instr_ptr), AT(NjFrame, localsplus), AT(NjFrame, owner),
                  AT(NjFrame, stackpointer), 0},
        .code = {sizeof(PyCodeObject), AT(PyCodeObject, co_filename), AT(PyCodeObject, co_name),
                 AT(PyCodeObject, co_qualname), AT(PyCodeObject, co_linetable),
                 AT(PyCodeObject, co_firstlineno), AT(PyCodeObject, co_argcount),
                 AT(PyCodeObject, co_localsplusnames), AT(PyCodeObject, co_localspluskinds),
                 AT(PyCodeObject, co_code_adaptive), 0},
        .object = {sizeof(PyObject), AT(PyObject, ob_type)},
        .type = {sizeof(PyTypeObject), AT(PyTypeObject, tp_name), AT(PyTypeObject, tp_repr),
                 AT(PyTypeObject, tp_flags)},
        .tuple = {sizeof(PyTupleObject), AT(PyTupleObject, ob_item), AT(PyVarObject, ob_size)},
        .list = {sizeof(PyListObject), AT(PyListObject, ob_item), AT(PyVarObject, ob_size)},
        .set = {sizeof(PySetObject), AT(PySetObject, used), AT(PySetObject, table),
                AT(PySetObject, mask)},
        .dict = {sizeof(PyDictObject), AT(PyDictObject, ma_keys), AT(PyDictObject, ma_values)},
        .float_ = {sizeof(PyFloatObject), AT(PyFloatObject, ob_fval)},
        .int_ = {sizeof(PyLongObject), AT(PyLongObject, long_value.lv_tag),
                 AT(PyLongObject, long_value.ob_digit)},
        .bytes = {sizeof(PyBytesObject), AT(PyVarObject, ob_size), AT(PyBytesObject, ob_sval)},
        .str = {sizeof(PyUnicodeObject), AT(PyASCIIObject, state), AT(PyASCIIObject, length),
                sizeof(PyASCIIObject)},
        .gc = {sizeof(NjGCState), AT(NjGCState, collecting)},
        .gen = {sizeof(struct _PyGenObject), AT(struct _PyGenObject, gi_name),
                AT(struct _PyGenObject, gi_iframe), AT(struct _PyGenObject, gi_frame_state)},
        .ring = {0, sizeof(void *)},
        .debugger = {AT(PyThreadState, eval_breaker), AT(PyThreadState, remote_debugger_support),
                     AT(NjInterp, rt.config.remote_debug),
                     AT(_PyRemoteDebuggerSupport, debugger_pending_call),
                     AT(_PyRemoteDebuggerSupport, debugger_script_path), _Py_MAX_SCRIPT_PATH_SIZE},
    },
};
static_assert(sizeof(NjDebugOffsets) == 760, "as in the reference");

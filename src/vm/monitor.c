/* monitor.c - sys.monitoring, settrace and setprofile.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "vm/vm_int.h"

int
nj_monitor_instrument(PyCodeObject *co, PyThreadState *tstate)
{
    co->_co_instrumentation_version = tstate->eval_breaker & ~(uintptr_t)0xff;
    return 0;
}

int
nj_monitor_stop_iteration(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    return 0;
}

void
nj_monitor_raise(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
}

void
nj_monitor_reraise(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
}

void
nj_monitor_unwind(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
}

int
nj_monitor_handled(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    return 0;
}

void
nj_monitor_throw(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
}

int
nj_trace_opcodes(PyThreadState *tstate, PyFrameObject *fo)
{
    return 0;
}

int
nj_frame_jump(PyFrameObject *fo, PyObject *v)
{
    PyErr_SetString(PyExc_ValueError, "f_lineno can only be set in a trace function");
    return -1;
}

uint8_t
nj_code_original_opcode(PyCodeObject *co, int index)
{
    return nj_opcode_deopt[nj_code_units(co)[index].op.code];
}

/* monitor.c - sys.monitoring (PEP 669), and settrace and setprofile on top of it.
 *
 * Events are wanted by tools: 0-5 belong to users, 6 is sys.setprofile, 7 is sys.settrace.
 * Local events (bits 0-10) belong to places in code: a code object in which some are wanted
 * is instrumented, that is, every instruction that can cause one is overwritten with the
 * opcode INSTRUMENTED_INSTRUCTION, whose handler (ops.def) fires what is due and then runs
 * the original, kept beside. One instrumented opcode serves all events; nothing is paid
 * where nothing is wanted. Other events (raise, unwind, ...) are checked by the slow paths
 * that cause them.
 *
 * Every change of what is wanted gets a new version, spread to the eval_breaker words of
 * all threads; a code object whose _co_instrumentation_version differs is brought up to
 * date at its next RESUME, and at once if it is executing.
 *
 * Callbacks run arbitrary code: they may change what is wanted, and even the opcode under
 * the handler's feet; the handler therefore takes the original opcode before it fires.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <opcode_ids.h>

#include "capi/args.h"
#include "vm/vm_int.h"

#define LOCAL_EVENTS 11
#define EVENTS NJ_MONITOR_EVENTS
#define USER_TOOLS 6
#define TOOL_PROFILE 6
#define TOOL_TRACE 7

#define EV(name) PY_MONITORING_EVENT_##name
#define BIT(name) (1u << PY_MONITORING_EVENT_##name)

#define C_EVENTS (BIT(C_RETURN) | BIT(C_RAISE))

struct _PyCoMonitoringData {
    Py_ssize_t n;                     /* code units */
    uint32_t local[NJ_MONITOR_TOOLS]; /* events set for this code only, by tool */
    uint32_t local_any;               /* all of local[] */
    uint16_t *events;                 /* by unit: local events that its instruction causes */
    uint8_t *original;                /* by unit: plain opcode under the instrumentation */
    int *lines;                       /* by unit */
    uint8_t *disabled;                /* by unit and event: tools that said DISABLE, or NULL */
    uintptr_t restarts;               /* of the interpreter when disabled[] was last valid */
    uintptr_t tool_versions[NJ_MONITOR_TOOLS]; /* of each tool when local[] was set */
};
typedef struct _PyCoMonitoringData Data;

static NjMonitor *
monitor_of(PyThreadState *tstate)
{
    return &tstate->interp->vm.monitor;
}

/* ---- lines ---- */

static const uint8_t *
skip_varint(const uint8_t *p, unsigned *out)
{
    unsigned v = *p & 63, shift = 0;
    while (*p++ & 64) {
        shift += 6;
        v |= (unsigned)(*p & 63) << shift;
    }
    *out = v;
    return p;
}

static int
signed_of(unsigned v)
{
    return v & 1 ? -(int)(v >> 1) : (int)(v >> 1);
}

static void
compute_lines(PyCodeObject *co, Data *d)
{
    const uint8_t *p = (const uint8_t *)PyBytes_AS_STRING(co->co_linetable);
    const uint8_t *end = p + PyBytes_GET_SIZE(co->co_linetable);
    Py_ssize_t at = 0;
    int line = co->co_firstlineno;
    for (Py_ssize_t i = 0; i < d->n; i++) {
        d->lines[i] = -1;
    }
    while (p < end && at < d->n) {
        int code = (*p >> 3) & 15, len = (*p & 7) + 1;
        unsigned v;
        bool none = false;
        p++;
        switch (code) {
        case 15:
            none = true;
            break;
        case 14:
            p = skip_varint(p, &v);
            line += signed_of(v);
            p = skip_varint(p, &v);
            p = skip_varint(p, &v);
            p = skip_varint(p, &v);
            break;
        case 13:
            p = skip_varint(p, &v);
            line += signed_of(v);
            break;
        case 10:
        case 11:
        case 12:
            line += code - 10;
            p += 2;
            break;
        default:
            p += 1;
        }
        for (int k = 0; k < len && at < d->n; k++) {
            d->lines[at++] = none ? -1 : line;
        }
    }
}

/* ---- instrumenting ---- */

void
nj_monitor_code_free(PyCodeObject *co)
{
    Data *d = co->_co_monitoring;
    if (d != NULL) {
        co->_co_monitoring = NULL;
        PyMem_Free(d->events);
        PyMem_Free(d->original);
        PyMem_Free(d->lines);
        PyMem_Free(d->disabled);
        PyMem_Free(d);
    }
}

static Data *
data_of(PyCodeObject *co)
{
    Data *d = co->_co_monitoring;
    if (d != NULL) {
        return d;
    }
    d = PyMem_Calloc(1, sizeof(Data));
    if (d == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    d->n = Py_SIZE(co);
    co->_co_monitoring = d;
    d->events = PyMem_Calloc((size_t)d->n, sizeof(*d->events));
    d->original = PyMem_Calloc((size_t)d->n, 1);
    d->lines = PyMem_Calloc((size_t)d->n, sizeof(*d->lines));
    if (!d->events || !d->original || !d->lines) {
        nj_monitor_code_free(co);
        PyErr_NoMemory();
        return NULL;
    }
    compute_lines(co, d);
    NjCodeUnit *code = nj_code_units(co);
    for (Py_ssize_t i = 0; i < d->n;) {
        d->original[i] = nj_opcode_deopt[code[i].op.code];
        i += 1 + nj_opcode_caches[d->original[i]];
    }
    return d;
}

const int *
nj_code_lines(PyCodeObject *co)
{
    Data *d = data_of(co);
    return d ? d->lines : NULL;
}

const int *
nj_code_known_lines(PyCodeObject *co)
{
    Data *d = co->_co_monitoring;
    return d ? d->lines : NULL;
}

uint8_t
nj_code_original_opcode(PyCodeObject *co, int i)
{
    uint8_t op = nj_code_units(co)[i].op.code;
    if (op == INSTRUMENTED_INSTRUCTION && co->_co_monitoring) {
        op = ((Data *)co->_co_monitoring)->original[i];
    }
    return nj_opcode_deopt[op];
}

static uint32_t
events_of_opcode(int op, int oparg)
{
    switch (op) {
    case RESUME:
        return (oparg & 3) == 0 ? BIT(PY_START) : BIT(PY_RESUME);
    case RETURN_VALUE:
        return BIT(PY_RETURN);
    case YIELD_VALUE:
        return BIT(PY_YIELD);
    case CALL:
    case CALL_KW:
    case CALL_FUNCTION_EX:
    case LOAD_SUPER_ATTR:
        return BIT(CALL);
    case JUMP_FORWARD:
    case JUMP_BACKWARD:
        return BIT(JUMP);
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_TRUE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
    case FOR_ITER:
        return BIT(BRANCH_LEFT) | BIT(BRANCH_RIGHT);
    case END_FOR:
    case END_SEND:
        return BIT(STOP_ITERATION);
    case END_ASYNC_FOR:
        return BIT(BRANCH_RIGHT);
    default:
        return 0;
    }
}

/* Which units start a line: the first of the code after RESUME, those whose line differs
 * from the one before, and targets of jumps and handlers. */
static void
mark_line_starts(PyCodeObject *co, Data *d, uint8_t *start)
{
    NjCodeUnit *code = nj_code_units(co);
    int previous = -1;
    int first = co->_co_firsttraceable;
    for (Py_ssize_t i = 0; i < d->n;) {
        int op = d->original[i];
        int line = d->lines[i];
        if (i >= first && line >= 0 && line != previous && op != RESUME && op != END_FOR &&
            op != POP_ITER && op != END_SEND && op != END_ASYNC_FOR) {
            start[i] = 1;
        }
        if (i >= first) {
            previous = op == RESUME && (code[i].op.arg & 3) == 0 ? -1 : line;
        }
        i += 1 + nj_opcode_caches[op];
    }
    /* jump targets */
    int oparg = 0;
    for (Py_ssize_t i = 0; i < d->n;) {
        int op = d->original[i];
        oparg = oparg << 8 | code[i].op.arg;
        if (op == EXTENDED_ARG) {
            i++;
            continue;
        }
        Py_ssize_t next = i + 1 + nj_opcode_caches[op];
        Py_ssize_t target = -1;
        if (op == JUMP_BACKWARD || op == JUMP_BACKWARD_NO_INTERRUPT) {
            target = next - oparg;
        }
        else if ((nj_opcode_flags[op] & NJ_OPF_JUMP) && op != SEND && op != END_ASYNC_FOR &&
                 op != FOR_ITER) {
            target = next + oparg;
        }
        if (target >= 0 && target < d->n && d->lines[target] >= 0 &&
            d->lines[target] != d->lines[i]) {
            int t = d->original[target];
            if (t != END_FOR && t != POP_ITER && t != END_SEND && t != END_ASYNC_FOR &&
                t != RESUME) {
                start[target] = 1;
            }
        }
        oparg = 0;
        i = next;
    }
    const uint8_t *p = (const uint8_t *)PyBytes_AS_STRING(co->co_exceptiontable);
    const uint8_t *end = p + PyBytes_GET_SIZE(co->co_exceptiontable);
    while (p < end) {
        int v[4];
        for (int k = 0; k < 4; k++) {
            v[k] = *p & 63;
            while (*p++ & 64) {
                v[k] = v[k] << 6 | (*p & 63);
            }
        }
        int t = v[2];
        if (t < d->n && d->lines[t] >= 0 && d->original[t] == PUSH_EXC_INFO) {
            start[t] = 1;
        }
        else if (t < d->n && d->original[t] != RESUME) {
            /* skip the bookkeeping at the head of a handler */
            while (t < d->n && (d->original[t] == PUSH_EXC_INFO || d->lines[t] < 0)) {
                t += 1 + nj_opcode_caches[d->original[t]];
            }
            if (t < d->n && d->lines[t] >= 0 && d->original[t] != END_ASYNC_FOR) {
                start[t] = 1;
            }
        }
    }
}

int
nj_monitor_instrument(PyCodeObject *co, PyThreadState *tstate)
{
    NjMonitor *m = monitor_of(tstate);
    uintptr_t version = m->version << NJ_BREAK_VERSION_SHIFT;
    Data *d = co->_co_monitoring;
    uint32_t wanted = 0;
    for (int e = 0; e < LOCAL_EVENTS; e++) {
        if (m->tools[e]) {
            wanted |= 1u << e;
        }
    }
    if (d != NULL) {
        uint32_t any = 0;
        for (int t = 0; t < NJ_MONITOR_TOOLS; t++) {
            if (d->tool_versions[t] != m->tool_versions[t]) {
                d->local[t] = 0; /* the tool was cleared since */
                d->tool_versions[t] = m->tool_versions[t];
            }
            any |= d->local[t];
        }
        d->local_any = any;
        wanted |= any;
        if (d->restarts != m->restarts) {
            PyMem_Free(d->disabled);
            d->disabled = NULL;
            d->restarts = m->restarts;
        }
    }
    if (co->co_flags & CO_NO_MONITORING_EVENTS) {
        wanted = 0;
    }
    co->_co_instrumentation_version = version;
    if (wanted == 0 && d == NULL) {
        return 0;
    }
    d = data_of(co);
    if (d == NULL) {
        return -1;
    }
    NjCodeUnit *code = nj_code_units(co);
    /* back to plain opcodes, from whatever stands there */
    for (Py_ssize_t i = 0; i < d->n;) {
        uint8_t op = code[i].op.code;
        if (op == INSTRUMENTED_INSTRUCTION) {
            op = code[i].op.code = d->original[i];
        }
        d->original[i] = nj_opcode_deopt[op];
        d->events[i] = 0;
        i += 1 + nj_opcode_caches[op];
    }
    if (wanted == 0) {
        return 0;
    }
    uint8_t *start = PyMem_Calloc((size_t)d->n, 1);
    if (start == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    mark_line_starts(co, d, start);
    bool extended = false;
    for (Py_ssize_t i = 0; i < d->n;) {
        uint8_t op = d->original[i];
        uint32_t e = 0;
        if (i >= co->_co_firsttraceable) {
            if (op != EXTENDED_ARG) {
                e = events_of_opcode(op, code[i].op.arg);
            }
            if (op == NOT_TAKEN && i > 0 && d->original[i - 1] == END_SEND) {
                e |= BIT(BRANCH_LEFT); /* `async for' has an item */
            }
            if (start[i]) {
                e |= BIT(LINE);
            }
            if (!extended && op != RESUME) {
                e |= BIT(INSTRUCTION);
            }
        }
        e &= wanted;
        extended = op == EXTENDED_ARG;
        if (e) {
            d->events[i] = (uint16_t)e;
            code[i].op.code = INSTRUMENTED_INSTRUCTION;
        }
        i += 1 + nj_opcode_caches[op];
    }
    PyMem_Free(start);
    return 0;
}

/* Something about what is wanted has changed: a new version for everybody. */
static int
spread_version(NjInterp *interp)
{
    NjMonitor *m = &interp->vm.monitor;
    m->version++;
    uintptr_t v = m->version << NJ_BREAK_VERSION_SHIFT;
    int rc = 0;
    for (PyThreadState *t = interp->threads; t != NULL; t = t->next) {
        uintptr_t old = __atomic_load_n(&t->eval_breaker, __ATOMIC_RELAXED);
        while (!__atomic_compare_exchange_n(&t->eval_breaker, &old,
                                            (old & (uintptr_t)0xff) | v, false,
                                            __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
        }
    }
    PyThreadState *self = nj_tstate();
    for (PyThreadState *t = interp->threads; t != NULL; t = t->next) {
        for (NjFrame *f = t->current_frame; f != NULL; f = f->previous) {
            if (f->owner < NJ_FRAME_OWNED_BY_INTERPRETER &&
                nj_monitor_instrument(nj_frame_peek_code(f), self) < 0) {
                rc = -1;
            }
        }
    }
    return rc;
}

/* ---- settrace and setprofile ---- */

static int
call_c_tracer(PyThreadState *tstate, Py_tracefunc func, PyObject *self, NjFrame *frame,
              int what, PyObject *arg)
{
    PyFrameObject *fo = nj_frame_peek_object(frame);
    if (fo == NULL) {
        return -1;
    }
    Py_INCREF(fo);
    Py_XINCREF(self);
    tstate->tracing++;
    int rc = func(self, fo, what, arg);
    tstate->tracing--;
    Py_XDECREF(self);
    Py_DECREF(fo);
    return rc;
}

/* (type, value, traceback) for the "exception" event */
static PyObject *
exc_triple(PyObject *exc)
{
    NJ_OWN tb = PyException_GetTraceback(exc);
    return PyTuple_Pack(3, (PyObject *)Py_TYPE(exc), exc, tb ? tb : Py_None);
}

static int
fire_trace(PyThreadState *tstate, NjFrame *frame, int event, PyObject *arg, int line)
{
    Py_tracefunc func = tstate->c_tracefunc;
    if (func == NULL || tstate->tracing) {
        return 0;
    }
    int old = tstate->what_event;
    tstate->what_event = event;
    int rc = 0;
    switch (event) {
    case EV(PY_START):
    case EV(PY_RESUME):
    case EV(PY_THROW):
        rc = call_c_tracer(tstate, func, tstate->c_traceobj, frame, PyTrace_CALL, Py_None);
        break;
    case EV(PY_RETURN):
    case EV(PY_YIELD):
        rc = call_c_tracer(tstate, func, tstate->c_traceobj, frame, PyTrace_RETURN, arg);
        break;
    case EV(PY_UNWIND):
        rc = call_c_tracer(tstate, func, tstate->c_traceobj, frame, PyTrace_RETURN, NULL);
        break;
    case EV(LINE): {
        PyFrameObject *fo = nj_frame_peek_object(frame);
        if (fo == NULL) {
            rc = -1;
        }
        else if (fo->f_trace_lines) {
            rc = call_c_tracer(tstate, func, tstate->c_traceobj, frame, PyTrace_LINE,
                               Py_None);
        }
        break;
    }
    case EV(INSTRUCTION): {
        PyFrameObject *fo = nj_frame_peek_object(frame);
        if (fo == NULL) {
            rc = -1;
        }
        else if (fo->f_trace_opcodes) {
            rc = call_c_tracer(tstate, func, tstate->c_traceobj, frame, PyTrace_OPCODE,
                               Py_None);
        }
        break;
    }
    case EV(RAISE):
    case EV(STOP_ITERATION): {
        NJ_OWN triple = exc_triple(arg);
        rc = triple == NULL ? -1
                            : call_c_tracer(tstate, func, tstate->c_traceobj, frame,
                                            PyTrace_EXCEPTION, triple);
        break;
    }
    default:
        break;
    }
    tstate->what_event = old;
    return rc < 0 ? -1 : 0;
}

static int
fire_profile(PyThreadState *tstate, NjFrame *frame, int event, PyObject *arg)
{
    Py_tracefunc func = tstate->c_profilefunc;
    if (func == NULL || tstate->tracing) {
        return 0;
    }
    int what;
    switch (event) {
    case EV(PY_START):
    case EV(PY_RESUME):
    case EV(PY_THROW):
        what = PyTrace_CALL;
        arg = Py_None;
        break;
    case EV(PY_RETURN):
    case EV(PY_YIELD):
        what = PyTrace_RETURN;
        break;
    case EV(PY_UNWIND):
        what = PyTrace_RETURN;
        arg = NULL;
        break;
    case EV(CALL):
        what = PyTrace_C_CALL;
        break;
    case EV(C_RETURN):
        what = PyTrace_C_RETURN;
        break;
    case EV(C_RAISE):
        what = PyTrace_C_EXCEPTION;
        break;
    default:
        return 0;
    }
    if (what >= PyTrace_C_CALL && !PyCFunction_Check(arg) &&
        !Py_IS_TYPE(arg, &PyMethodDescr_Type)) {
        return 0;
    }
    return call_c_tracer(tstate, func, tstate->c_profileobj, frame, what, arg) < 0 ? -1 : 0;
}

/* ---- firing ---- */

static const char *const event_names[EVENTS] = {
    "PY_START",  "PY_RESUME",    "PY_RETURN",      "PY_YIELD", "CALL",
    "LINE",      "INSTRUCTION",  "JUMP",           "BRANCH_LEFT", "BRANCH_RIGHT",
    "STOP_ITERATION", "RAISE",   "EXCEPTION_HANDLED", "PY_UNWIND", "PY_THROW",
    "RERAISE",   "C_RETURN",     "C_RAISE",        "BRANCH",
};

const char *
nj_monitor_event_name(int event)
{
    return event_names[event];
}

/* Calls one user tool. args[0] is scratch, args[1..n] the arguments. 1: it said DISABLE. */
static int
call_tool(PyThreadState *tstate, int tool, int event, PyObject **args, Py_ssize_t n)
{
    NjMonitor *m = monitor_of(tstate);
    PyObject *cb = m->callbacks[tool][event];
    if (cb == NULL && (event == EV(BRANCH_LEFT) || event == EV(BRANCH_RIGHT))) {
        cb = m->callbacks[tool][EV(BRANCH)];
    }
    if (cb == NULL || tstate->tracing) {
        return 0;
    }
    Py_INCREF(cb);
    int old = tstate->what_event;
    tstate->what_event = event;
    tstate->tracing++;
    PyObject *r = PyObject_Vectorcall(cb, args + 1,
                                      (size_t)n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    tstate->tracing--;
    tstate->what_event = old;
    Py_DECREF(cb);
    if (r == NULL) {
        return -1;
    }
    bool disable = r == m->disable;
    Py_DECREF(r);
    return disable;
}

/* Fires one event at a place. extra: further arguments after code and offset. */
static int
fire(PyThreadState *tstate, NjFrame *frame, int event, int offset, PyObject **extra,
     int nextra, int tools_event)
{
    NjMonitor *m = monitor_of(tstate);
    PyCodeObject *co = nj_frame_peek_code(frame);
    Data *d = co->_co_monitoring;
    int unit = offset / (int)sizeof(NjCodeUnit);
    unsigned tools = m->tools[tools_event];
    /* how a C call ends is told to who hears of its beginning */
    int local = event == EV(C_RETURN) || event == EV(C_RAISE) ? EV(CALL) : event;
    if (local < LOCAL_EVENTS && d != NULL) {
        if (NJ_UNLIKELY(d->local_any & (1u << local))) {
            for (int t = 0; t < USER_TOOLS; t++) {
                if (d->local[t] & (1u << local)) {
                    tools |= 1u << t;
                }
            }
        }
        if (d->disabled != NULL) {
            tools &= ~(unsigned)d->disabled[unit * LOCAL_EVENTS + local];
        }
    }
    if (tools == 0 || tstate->tracing) {
        return 0;
    }
    if (tools == 1u << TOOL_TRACE) {
        return fire_trace(tstate, frame, event, nextra ? extra[0] : NULL, 0);
    }
    PyObject *args[6];
    NJ_OWN place = NULL;
    int rc = 0;
    int other_side = event == EV(BRANCH_LEFT)    ? EV(BRANCH_RIGHT)
                     : event == EV(BRANCH_RIGHT) ? EV(BRANCH_LEFT)
                                                 : -1;
    if (tools & ((1u << USER_TOOLS) - 1)) {
        place = PyLong_FromLong(event == EV(LINE) && d != NULL ? d->lines[unit] : offset);
        if (place == NULL) {
            return -1;
        }
        args[0] = NULL;
        args[1] = (PyObject *)co;
        args[2] = place;
        for (int i = 0; i < nextra; i++) {
            args[3 + i] = extra[i];
        }
        for (int t = 0; t < USER_TOOLS && rc == 0; t++) {
            if (!(tools & (1u << t))) {
                continue;
            }
            int r = call_tool(tstate, t, event, args,
                              2 + nextra);
            if (r < 0) {
                rc = -1;
            }
            else if (r > 0) {
                d = co->_co_monitoring;
                if (event < LOCAL_EVENTS && d != NULL) {
                    if (d->disabled == NULL) {
                        d->disabled = PyMem_Calloc((size_t)d->n, LOCAL_EVENTS);
                        if (d->disabled == NULL) {
                            PyErr_NoMemory();
                            rc = -1;
                            break;
                        }
                    }
                    d->disabled[unit * LOCAL_EVENTS + event] |= (uint8_t)(1 << t);
                    if (other_side >= 0 && monitor_of(tstate)->callbacks[t][event] == NULL) {
                        /* it came by the callback of BRANCH, which means both ways */
                        d->disabled[unit * LOCAL_EVENTS + other_side] |= (uint8_t)(1 << t);
                    }
                }
                else if (event < EV(C_RETURN)) {
                    PyErr_Format(PyExc_ValueError,
                                 "Cannot disable %s events. Callback removed.",
                                 event_names[event]);
                    Py_CLEAR(m->callbacks[t][event]);
                    rc = -1;
                }
            }
        }
    }
    PyObject *arg = nextra ? extra[0] : NULL;
    if (rc == 0 && (tools & (1u << TOOL_PROFILE))) {
        rc = fire_profile(tstate, frame, event, arg);
    }
    if (rc == 0 && (tools & (1u << TOOL_TRACE))) {
        rc = fire_trace(tstate, frame, event, arg, 0);
    }
    return rc;
}

/* Events of the unwinding kind: an exception is set and stays, unless a callback fails. */
static int
fire_exc(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr, int event)
{
    PyObject *exc = PyErr_GetRaisedException();
    int offset = (int)((char *)instr - (char *)nj_code_units(nj_frame_peek_code(f)));
    PyObject *extra[1] = {exc};
    int rc = fire(tstate, f, event, offset, extra, 1, event);
    if (rc < 0) {
        Py_DECREF(exc);
        return -1;
    }
    PyErr_SetRaisedException(exc);
    return 0;
}

/* Where the reference says that an instruction raised: its last cache unit. */
static NjCodeUnit *
last_unit(NjFrame *f, NjCodeUnit *instr)
{
    PyCodeObject *co = nj_frame_peek_code(f);
    NjCodeUnit *code = nj_code_units(co);
    if (instr < code || instr >= code + Py_SIZE(co)) {
        return instr;
    }
    return instr + nj_opcode_caches[nj_code_original_opcode(co, (int)(instr - code))];
}

void
nj_monitor_raise(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    (void)fire_exc(tstate, f, last_unit(f, instr), EV(RAISE));
}

void
nj_monitor_reraise(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    (void)fire_exc(tstate, f, instr, EV(RERAISE));
}

void
nj_monitor_unwind(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    (void)fire_exc(tstate, f, last_unit(f, instr), EV(PY_UNWIND));
}

void
nj_monitor_throw(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    (void)fire_exc(tstate, f, instr, EV(PY_THROW));
}

int
nj_monitor_handled(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    PyObject *exc = nj_value_ptr(f->stackpointer[-1]);
    int offset = (int)((char *)instr - (char *)nj_code_units(nj_frame_peek_code(f)));
    PyObject *extra[1] = {exc};
    return fire(tstate, f, EV(EXCEPTION_HANDLED), offset, extra, 1, EV(EXCEPTION_HANDLED));
}

int
nj_monitor_stop_iteration(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr)
{
    if (!nj_monitor_wants(tstate, EV(RAISE))) {
        return 0;
    }
    return fire_exc(tstate, f, instr, EV(RAISE));
}

static int
fire_word(PyThreadState *tstate, NjFrame *f, int event, int offset, Value *slot)
{
    if (nj_value_is_int(*slot)) {
        Value b = nj_box(f, *slot);
        if (nj_value_is_null(b)) {
            return -1;
        }
        *slot = b;
    }
    NJ_OWN value = Py_NewRef(nj_value_ptr(*slot)); /* a jump may drop it from the stack */
    return fire(tstate, f, event, offset, &value, 1, event);
}

static int
fire_jump(PyThreadState *tstate, NjFrame *f, int event, int from, int to)
{
    Data *d = nj_frame_peek_code(f)->_co_monitoring;
    if ((monitor_of(tstate)->tools[event] & ~(1u << TOOL_TRACE)) == 0 && d != NULL &&
        !(d->local_any & 1u << event)) {
        return 0; /* settrace takes jumps for lines only, see nj_monitor_before */
    }
    NJ_OWN dest = PyLong_FromLong(to);
    if (dest == NULL) {
        return -1;
    }
    PyObject *extra[1] = {dest};
    return fire(tstate, f, event, from, extra, 1, event);
}

int
nj_monitor_branch(PyThreadState *tstate, NjFrame *f, NjCodeUnit *from, NjCodeUnit *to,
                  bool right)
{
    NjCodeUnit *code = nj_code_units(nj_frame_peek_code(f));
    return fire_jump(tstate, f, right ? EV(BRANCH_RIGHT) : EV(BRANCH_LEFT),
                     (int)((char *)from - (char *)code), (int)((char *)to - (char *)code));
}

/* The callable and first argument of a call instruction about to run; borrowed. */
static int
call_operands(PyThreadState *tstate, NjFrame *f, int op, int oparg, PyObject **callable,
              PyObject **arg0)
{
    Value *sp = f->stackpointer;
    Value *base = op == CALL ? sp - oparg - 2 : op == CALL_KW ? sp - oparg - 3 : sp - 4;
    if (nj_box_all(f, base, (int)(sp - base)) < 0) {
        return -1;
    }
    *callable = nj_value_ptr(base[0]);
    *arg0 = monitor_of(tstate)->missing;
    if (op == CALL_FUNCTION_EX) {
        PyObject *args = nj_value_ptr(base[2]);
        if (PyTuple_Check(args) && PyTuple_GET_SIZE(args) > 0) {
            *arg0 = PyTuple_GET_ITEM(args, 0);
        }
    }
    else if (!nj_value_is_null(base[1])) {
        *arg0 = nj_value_ptr(base[1]);
    }
    else if (Py_IS_TYPE(*callable, &PyMethod_Type)) {
        *arg0 = PyMethod_GET_SELF(*callable);
        *callable = PyMethod_GET_FUNCTION(*callable);
    }
    else if (oparg > 0) {
        *arg0 = nj_value_ptr(base[2]);
    }
    return 0;
}

/* super and what is shown as its first argument. */
static void
super_operands(PyThreadState *tstate, NjFrame *f, int oparg, PyObject **extra)
{
    Value *sp = f->stackpointer;
    extra[0] = nj_value_ptr(sp[-3]);
    extra[1] = oparg & 2 ? nj_value_ptr(sp[-2]) : monitor_of(tstate)->missing;
}

int
nj_monitor_before(PyThreadState *tstate, NjFrame *f, NjCodeUnit *prev, int oparg,
                  unsigned *events)
{
    PyCodeObject *co = nj_frame_peek_code(f);
    Data *d = co->_co_monitoring;
    NjCodeUnit *code = nj_code_units(co);
    NjCodeUnit *here = f->instr_ptr;
    int unit = (int)(here - code);
    int offset = unit * (int)sizeof(NjCodeUnit);
    int op = d->original[unit];
    unsigned e = d->events[unit];
    *events = e;
    if (tstate->tracing) {
        return op;
    }
    if (e & BIT(LINE)) {
        int line = d->lines[unit];
        bool fresh = prev < code + co->_co_firsttraceable || prev >= code + d->n ||
                     op == CLEANUP_THROW;
        int told = 0;
        if (fresh || d->lines[prev - code] != line) {
            /* settrace hears of backward jumps within a line at the jump itself */
            told = fire(tstate, f, EV(LINE), offset, NULL, 0, EV(LINE));
        }
        else if (d->original[prev - code] == RESUME && (prev->op.arg & 3) == 0 &&
                 (d->events[prev - code] & BIT(PY_START))) {
            /* a body on the line of its def: the line counts as new after PY_START */
            told = fire(tstate, f, EV(LINE), offset, NULL, 0, EV(LINE));
        }
        if (told < 0) {
            return -1;
        }
        if (f->instr_ptr != here) {
            return op; /* the trace function jumped */
        }
    }
    if ((e & BIT(INSTRUCTION)) && fire(tstate, f, EV(INSTRUCTION), offset, NULL, 0,
                                       EV(INSTRUCTION)) < 0) {
        return -1;
    }
    int rc = 0;
    NjCodeUnit *next = here + 1 + nj_opcode_caches[op];
    switch (op) {
    case RESUME:
        if (e & (BIT(PY_START) | BIT(PY_RESUME))) {
            int event = (oparg & 3) == 0 ? EV(PY_START) : EV(PY_RESUME);
            rc = fire(tstate, f, event, offset, NULL, 0, event);
        }
        break;
    case RETURN_VALUE:
        if (e & BIT(PY_RETURN)) {
            rc = fire_word(tstate, f, EV(PY_RETURN), offset, f->stackpointer - 1);
        }
        break;
    case YIELD_VALUE:
        if (e & BIT(PY_YIELD)) {
            rc = fire_word(tstate, f, EV(PY_YIELD), offset, f->stackpointer - 1);
        }
        break;
    case CALL:
    case CALL_KW:
    case CALL_FUNCTION_EX:
        if (e & BIT(CALL)) {
            PyObject *extra[2];
            rc = call_operands(tstate, f, op, oparg, &extra[0], &extra[1]);
            if (rc == 0) {
                rc = fire(tstate, f, EV(CALL), offset, extra, 2, EV(CALL));
            }
        }
        break;
    case LOAD_SUPER_ATTR:
        if (e & BIT(CALL)) {
            PyObject *extra[2];
            if (nj_box_all(f, f->stackpointer - 3, 3) < 0) {
                return -1;
            }
            super_operands(tstate, f, oparg, extra);
            rc = fire(tstate, f, EV(CALL), offset, extra, 2, EV(CALL));
        }
        break;
    case JUMP_FORWARD:
    case JUMP_BACKWARD:
        if (e & BIT(JUMP)) {
            NjCodeUnit *to = op == JUMP_FORWARD ? next + oparg : next - oparg;
            if (op == JUMP_BACKWARD && d->lines[to - code] == d->lines[unit] &&
                (monitor_of(tstate)->tools[EV(JUMP)] & (1u << TOOL_TRACE))) {
                rc = fire_trace(tstate, f, EV(LINE), NULL, 0);
                if (rc < 0 || f->instr_ptr != here) {
                    break;
                }
            }
            rc = fire_jump(tstate, f, EV(JUMP), offset, (int)((char *)to - (char *)code));
        }
        break;
    case POP_JUMP_IF_FALSE:
    case POP_JUMP_IF_TRUE:
    case POP_JUMP_IF_NONE:
    case POP_JUMP_IF_NOT_NONE:
        if (e & (BIT(BRANCH_LEFT) | BIT(BRANCH_RIGHT))) {
            uintptr_t top = f->stackpointer[-1].bits | 1;
            uintptr_t what = (uintptr_t)(op == POP_JUMP_IF_FALSE || op == POP_JUMP_IF_TRUE
                                             ? Py_True
                                             : Py_None) |
                             1;
            bool taken = (top == what) ==
                         (op == POP_JUMP_IF_TRUE || op == POP_JUMP_IF_NONE);
            NjCodeUnit *to = taken ? next + oparg : next;
            if (!taken && d->original[next - code] == NOT_TAKEN) {
                to = next + 1;
            }
            if (e & (taken ? BIT(BRANCH_RIGHT) : BIT(BRANCH_LEFT))) {
                rc = nj_monitor_branch(tstate, f, here, to, taken);
            }
        }
        break;
    case NOT_TAKEN:
        if (e & BIT(BRANCH_LEFT)) {
            rc = nj_monitor_branch(tstate, f, here - 1, next, false);
        }
        break;
    case END_ASYNC_FOR:
        if ((e & BIT(BRANCH_RIGHT)) &&
            PyErr_GivenExceptionMatches(nj_value_ptr(f->stackpointer[-1]),
                                        PyExc_StopAsyncIteration)) {
            rc = nj_monitor_branch(tstate, f, next - oparg, next, true);
        }
        break;
    case END_FOR:
    case END_SEND:
        if (e & BIT(STOP_ITERATION)) {
            Value receiver = f->stackpointer[-2];
            if (!nj_value_is_int(receiver) && !nj_value_is_null(receiver) &&
                (PyGen_CheckExact(nj_value_ptr(receiver)) ||
                 PyCoro_CheckExact(nj_value_ptr(receiver)))) {
                NJ_OWN v = nj_value_object(f->stackpointer[-1]);
                PyObject *exc = !v           ? NULL
                                : v == Py_None ? PyObject_CallNoArgs(PyExc_StopIteration)
                                               : PyObject_CallOneArg(PyExc_StopIteration, v);
                if (exc == NULL) {
                    return -1;
                }
                PyObject *extra[1] = {exc};
                rc = fire(tstate, f, EV(STOP_ITERATION), offset, extra, 1,
                          EV(STOP_ITERATION));
                Py_DECREF(exc);
            }
        }
        break;
    default:
        break;
    }
    return rc < 0 ? -1 : op;
}

/* Does anybody want to know how C calls of this frame end? */
static bool
wants_c_end(PyThreadState *tstate, NjFrame *f)
{
    NjMonitor *m = monitor_of(tstate);
    if (tstate->tracing) {
        return false;
    }
    Data *d = nj_frame_peek_code(f)->_co_monitoring;
    return (d && (d->local_any & BIT(CALL))) || m->tools[EV(C_RETURN)] || m->tools[EV(C_RAISE)];
}

/* Tells of the end of a C call; r is its result, or NULL with an exception set. Returns r,
 * or NULL if a callback raised. */
static PyObject *
fire_c_end(PyThreadState *tstate, NjFrame *f, PyObject **extra, PyObject *r)
{
    int offset = nj_frame_lasti(f);
    if (r == NULL) {
        PyObject *exc = PyErr_GetRaisedException();
        if (fire(tstate, f, EV(C_RAISE), offset, extra, 2, EV(C_RAISE)) < 0) {
            Py_DECREF(exc);
        }
        else {
            PyErr_SetRaisedException(exc);
        }
    }
    else if (fire(tstate, f, EV(C_RETURN), offset, extra, 2, EV(C_RETURN)) < 0) {
        Py_CLEAR(r);
    }
    return r;
}

/* The call instruction at f->instr_ptr calls a C function and somebody wants to know how
 * it ends: does the call. Returns 1 with *out (NULL: raised), 0 if the instruction is to
 * run normally. */
int
nj_monitor_c_call(PyThreadState *tstate, NjFrame *f, int op, int oparg, PyObject **out)
{
    PyObject *extra[2];
    if (!wants_c_end(tstate, f)) {
        return 0;
    }
    *out = NULL;
    if (call_operands(tstate, f, op, oparg, &extra[0], &extra[1]) < 0) {
        return 1;
    }
    if (PyFunction_Check(extra[0]) || PyMethod_Check(extra[0])) {
        return 0;
    }
    Py_INCREF(extra[0]);
    Py_INCREF(extra[1]);
    Value *sp = f->stackpointer;
    PyObject *callable = nj_value_ptr(op == CALL      ? sp[-oparg - 2]
                                      : op == CALL_KW ? sp[-oparg - 3]
                                                      : sp[-4]);
    PyObject *r;
    if (op == CALL_FUNCTION_EX) {
        NJ_OWN args = PySequence_Tuple(nj_value_ptr(sp[-2]));
        r = args ? PyObject_Call(callable, args,
                                 nj_value_is_null(sp[-1]) ? NULL : nj_value_ptr(sp[-1]))
                 : NULL;
    }
    else {
        PyObject *kwnames = op == CALL_KW ? nj_value_ptr(*--sp) : NULL;
        Value *args = sp - oparg;
        Py_ssize_t n = oparg;
        if (!nj_value_is_null(args[-1])) {
            args--;
            n++;
        }
        r = nj_call_words(callable, args, n - (kwnames ? PyTuple_GET_SIZE(kwnames) : 0),
                          kwnames);
    }
    r = fire_c_end(tstate, f, extra, r);
    Py_DECREF(extra[0]);
    Py_DECREF(extra[1]);
    *out = r;
    return 1;
}

/* LOAD_SUPER_ATTR step by step: super(...) is a call that begins and ends. */
PyObject *
nj_monitor_load_super(PyThreadState *tstate, NjFrame *f, PyObject *name, int oparg)
{
    PyObject *extra[2];
    super_operands(tstate, f, oparg, extra);
    Value *sp = f->stackpointer;
    PyObject *args[3] = {NULL, nj_value_ptr(sp[-2]), nj_value_ptr(sp[-1])};
    NJ_OWN callable = Py_NewRef(extra[0]);
    NJ_OWN obj = PyObject_Vectorcall(callable, args + 1,
                                     (oparg & 2 ? 2 : 0) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    if (wants_c_end(tstate, f) && !PyFunction_Check(callable) && !PyMethod_Check(callable)) {
        obj = fire_c_end(tstate, f, extra, obj);
    }
    return obj ? PyObject_GetAttr(obj, name) : NULL;
}

/* ---- C API: PyEval_SetTrace and friends ---- */

void
PyThreadState_EnterTracing(PyThreadState *tstate)
{
    tstate->tracing++;
}

void
PyThreadState_LeaveTracing(PyThreadState *tstate)
{
    tstate->tracing--;
}

static int
update_tool(NjInterp *interp, int tool, uint32_t events)
{
    NjMonitor *m = &interp->vm.monitor;
    bool changed = false;
    for (int e = 0; e < EVENTS; e++) {
        uint8_t old = m->tools[e];
        if (events & (1u << e)) {
            m->tools[e] |= (uint8_t)(1u << tool);
        }
        else {
            m->tools[e] &= (uint8_t)~(1u << tool);
        }
        changed |= old != m->tools[e];
    }
    return changed ? spread_version(interp) : 0;
}

static int
count_threads(NjInterp *interp, bool trace)
{
    int n = 0;
    for (PyThreadState *t = interp->threads; t != NULL; t = t->next) {
        n += trace ? t->c_tracefunc != NULL : t->c_profilefunc != NULL;
    }
    return n;
}

int
nj_set_profile(PyThreadState *tstate, Py_tracefunc func, PyObject *arg)
{
    if (PySys_Audit("sys.setprofile", NULL) < 0) {
        return -1;
    }
    PyObject *old = tstate->c_profileobj;
    tstate->c_profilefunc = func;
    tstate->c_profileobj = Py_XNewRef(arg);
    Py_XDECREF(old);
    uint32_t events = 0;
    if (count_threads(tstate->interp, false)) {
        events = BIT(PY_START) | BIT(PY_RESUME) | BIT(PY_RETURN) | BIT(PY_YIELD) | BIT(CALL) |
                 BIT(PY_UNWIND) | BIT(PY_THROW) | C_EVENTS;
    }
    return update_tool(tstate->interp, TOOL_PROFILE, events);
}

int
nj_set_trace(PyThreadState *tstate, Py_tracefunc func, PyObject *arg)
{
    if (PySys_Audit("sys.settrace", NULL) < 0) {
        return -1;
    }
    PyObject *old = tstate->c_traceobj;
    tstate->c_tracefunc = func;
    tstate->c_traceobj = Py_XNewRef(arg);
    Py_XDECREF(old);
    uint32_t events = 0;
    if (count_threads(tstate->interp, true)) {
        events = BIT(PY_START) | BIT(PY_RESUME) | BIT(PY_RETURN) | BIT(PY_YIELD) | BIT(RAISE) |
                 BIT(LINE) | BIT(JUMP) | BIT(PY_UNWIND) | BIT(PY_THROW) | BIT(STOP_ITERATION);
        if (monitor_of(tstate)->opcode_tracing) {
            events |= BIT(INSTRUCTION);
        }
    }
    return update_tool(tstate->interp, TOOL_TRACE, events);
}

int
nj_trace_opcodes(PyThreadState *tstate)
{
    NjMonitor *m = monitor_of(tstate);
    m->opcode_tracing = 1; /* settrace() comes later or again */
    if (!count_threads(tstate->interp, true)) {
        return 0;
    }
    m->tools[EV(INSTRUCTION)] |= 1u << TOOL_TRACE;
    return spread_version(tstate->interp);
}

void
PyEval_SetProfile(Py_tracefunc func, PyObject *arg)
{
    if (nj_set_profile(nj_tstate(), func, arg) < 0) {
        PyErr_FormatUnraisable("Exception ignored in PyEval_SetProfile");
    }
}

PyAPI_FUNC(int) _PyEval_SetProfile(PyThreadState *tstate, Py_tracefunc func, PyObject *arg);
int
_PyEval_SetProfile(PyThreadState *tstate, Py_tracefunc func, PyObject *arg)
{
    return nj_set_profile(tstate, func, arg);
}

void
PyEval_SetTrace(Py_tracefunc func, PyObject *arg)
{
    if (nj_set_trace(nj_tstate(), func, arg) < 0) {
        PyErr_FormatUnraisable("Exception ignored in PyEval_SetTrace");
    }
}

void
PyEval_SetProfileAllThreads(Py_tracefunc func, PyObject *arg)
{
    for (PyThreadState *t = nj_interp()->threads; t != NULL; t = t->next) {
        if (nj_set_profile(t, func, arg) < 0) {
            PyErr_FormatUnraisable("Exception ignored in PyEval_SetProfileAllThreads");
        }
    }
}

void
PyEval_SetTraceAllThreads(Py_tracefunc func, PyObject *arg)
{
    for (PyThreadState *t = nj_interp()->threads; t != NULL; t = t->next) {
        if (nj_set_trace(t, func, arg) < 0) {
            PyErr_FormatUnraisable("Exception ignored in PyEval_SetTraceAllThreads");
        }
    }
}

/* ---- sys.monitoring ---- */

static int
tool_arg(PyObject *o)
{
    int tool = PyLong_AsInt(o);
    if (tool == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (tool < 0 || tool >= USER_TOOLS) {
        PyErr_Format(PyExc_ValueError, "invalid tool %d (must be between 0 and 5)", tool);
        return -1;
    }
    return tool;
}

static int
tool_in_use(int tool)
{
    if (nj_interp()->vm.monitor.names[tool] == NULL) {
        PyErr_Format(PyExc_ValueError, "tool %d is not in use", tool);
        return -1;
    }
    return 0;
}

static PyObject *
use_tool_id(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("use_tool_id", nargs, 2, 2)) {
        return NULL;
    }
    int tool = tool_arg(args[0]);
    if (tool < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(args[1])) {
        PyErr_SetString(PyExc_ValueError, "tool name must be a str");
        return NULL;
    }
    NjMonitor *m = &nj_interp()->vm.monitor;
    if (m->names[tool] != NULL) {
        PyErr_Format(PyExc_ValueError, "tool %d is already in use", tool);
        return NULL;
    }
    m->names[tool] = Py_NewRef(args[1]);
    Py_RETURN_NONE;
}

/* Drops the tool's events and callbacks; local events vanish with the version bump. */
static int
clear_tool(int tool)
{
    NjInterp *interp = nj_interp();
    NjMonitor *m = &interp->vm.monitor;
    for (int e = 0; e < EVENTS; e++) {
        Py_CLEAR(m->callbacks[tool][e]);
    }
    m->tool_versions[tool]++;
    return update_tool(interp, tool, 0);
}

static PyObject *
clear_tool_id(PyObject *self, PyObject *arg)
{
    int tool = tool_arg(arg);
    if (tool < 0) {
        return NULL;
    }
    if (nj_interp()->vm.monitor.names[tool] != NULL && clear_tool(tool) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
free_tool_id(PyObject *self, PyObject *arg)
{
    int tool = tool_arg(arg);
    if (tool < 0) {
        return NULL;
    }
    if (nj_interp()->vm.monitor.names[tool] != NULL) {
        if (clear_tool(tool) < 0) {
            return NULL;
        }
        Py_CLEAR(nj_interp()->vm.monitor.names[tool]);
    }
    Py_RETURN_NONE;
}

static PyObject *
get_tool(PyObject *self, PyObject *arg)
{
    int tool = tool_arg(arg);
    if (tool < 0) {
        return NULL;
    }
    PyObject *name = nj_interp()->vm.monitor.names[tool];
    return Py_NewRef(name ? name : Py_None);
}

static PyObject *
register_callback(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("register_callback", nargs, 3, 3)) {
        return NULL;
    }
    int tool = tool_arg(args[0]);
    if (tool < 0) {
        return NULL;
    }
    int event = PyLong_AsInt(args[1]);
    if (event == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (event <= 0 || (event & (event - 1))) {
        PyErr_SetString(PyExc_ValueError,
                        "The callback can only be set for one event at a time");
        return NULL;
    }
    int e = __builtin_ctz((unsigned)event);
    if (e >= EVENTS) {
        PyErr_Format(PyExc_ValueError, "invalid event %d", event);
        return NULL;
    }
    if (PySys_Audit("sys.monitoring.register_callback", "O", args[2]) < 0) {
        return NULL;
    }
    NjMonitor *m = &nj_interp()->vm.monitor;
    PyObject *old = m->callbacks[tool][e];
    m->callbacks[tool][e] = args[2] == Py_None ? NULL : Py_NewRef(args[2]);
    return old ? old : Py_NewRef(Py_None);
}

static PyObject *
get_events(PyObject *self, PyObject *arg)
{
    int tool = tool_arg(arg);
    if (tool < 0) {
        return NULL;
    }
    NjMonitor *m = &nj_interp()->vm.monitor;
    uint32_t set = 0;
    for (int e = 0; e < EVENTS; e++) {
        if (m->tools[e] & (1u << tool)) {
            set |= 1u << e;
        }
    }
    set &= ~(uint32_t)C_EVENTS;
    if (set & BIT(BRANCH)) {
        set &= ~(BIT(BRANCH_LEFT) | BIT(BRANCH_RIGHT));
    }
    return PyLong_FromUnsignedLong(set);
}

static PyObject *
set_events(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("set_events", nargs, 2, 2)) {
        return NULL;
    }
    int tool = tool_arg(args[0]);
    if (tool < 0) {
        return NULL;
    }
    int set = PyLong_AsInt(args[1]);
    if (set == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (set < 0 || set >= (1 << EVENTS)) {
        PyErr_Format(PyExc_ValueError, "invalid event set 0x%x", set);
        return NULL;
    }
    if ((set & (int)C_EVENTS) && (set & (int)(C_EVENTS | BIT(CALL))) !=
                                     (int)(C_EVENTS | BIT(CALL))) {
        PyErr_SetString(PyExc_ValueError,
                        "cannot set C_RETURN or C_RAISE events independently");
        return NULL;
    }
    set &= ~(int)C_EVENTS;
    if (set & (int)BIT(BRANCH)) {
        set |= (int)(BIT(BRANCH_LEFT) | BIT(BRANCH_RIGHT));
    }
    if (tool_in_use(tool) < 0) {
        return NULL;
    }
    if (set & (int)BIT(CALL)) {
        set |= (int)C_EVENTS; /* follow CALL */
    }
    if (update_tool(nj_interp(), tool, (uint32_t)set) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
get_local_events(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("get_local_events", nargs, 2, 2)) {
        return NULL;
    }
    int tool = tool_arg(args[0]);
    if (tool < 0) {
        return NULL;
    }
    if (!PyCode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "code must be a code object");
        return NULL;
    }
    Data *d = ((PyCodeObject *)args[1])->_co_monitoring;
    uint32_t set = d ? d->local[tool] : 0;
    if (set & BIT(BRANCH)) {
        set &= ~(BIT(BRANCH_LEFT) | BIT(BRANCH_RIGHT));
    }
    return PyLong_FromUnsignedLong(set);
}

static PyObject *
set_local_events(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("set_local_events", nargs, 3, 3)) {
        return NULL;
    }
    int tool = tool_arg(args[0]);
    if (tool < 0) {
        return NULL;
    }
    int set = PyLong_AsInt(args[2]);
    if (set == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!PyCode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "code must be a code object");
        return NULL;
    }
    if (tool_in_use(tool) < 0) {
        return NULL;
    }
    if ((set & (int)C_EVENTS) && (set & (int)(C_EVENTS | BIT(CALL))) !=
                                     (int)(C_EVENTS | BIT(CALL))) {
        PyErr_SetString(PyExc_ValueError,
                        "cannot set C_RETURN or C_RAISE events independently");
        return NULL;
    }
    set &= ~(int)C_EVENTS;
    if (set & (int)BIT(BRANCH)) {
        set |= (int)(BIT(BRANCH_LEFT) | BIT(BRANCH_RIGHT));
        set &= ~(int)BIT(BRANCH);
    }
    if (set < 0 || set >= (1 << LOCAL_EVENTS)) {
        PyErr_Format(PyExc_ValueError, "invalid local event set 0x%x", set);
        return NULL;
    }
    Data *d = data_of((PyCodeObject *)args[1]);
    if (d == NULL) {
        return NULL;
    }
    d->local[tool] = (uint32_t)set;
    d->local_any |= (uint32_t)set; /* instrumenting makes it exact */
    d->tool_versions[tool] = nj_interp()->vm.monitor.tool_versions[tool];
    if (spread_version(nj_interp()) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
restart_events(PyObject *self, PyObject *unused)
{
    /* every DISABLE is forgotten: bump the version that disabled[] was made under */
    NjInterp *interp = nj_interp();
    interp->vm.monitor.restarts++;
    if (spread_version(interp) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
all_events(PyObject *self, PyObject *unused)
{
    NjMonitor *m = &nj_interp()->vm.monitor;
    NJ_OWN d = PyDict_New();
    if (d == NULL) {
        return NULL;
    }
    for (int e = 0; e < EVENTS; e++) {
        if (m->tools[e]) {
            NJ_OWN v = PyLong_FromLong(m->tools[e]);
            if (v == NULL || PyDict_SetItemString(d, event_names[e], v) < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(d);
}

static PyMethodDef monitoring_methods[] = {
    {"use_tool_id", (PyCFunction)(void (*)(void))use_tool_id, METH_FASTCALL,
     "use_tool_id($module, tool_id, name, /)\n--\n\nReserve a tool id."},
    {"clear_tool_id", clear_tool_id, METH_O,
     "clear_tool_id($module, tool_id, /)\n--\n\nDrop a tool's events and callbacks."},
    {"free_tool_id", free_tool_id, METH_O,
     "free_tool_id($module, tool_id, /)\n--\n\nGive a tool id back."},
    {"get_tool", get_tool, METH_O, "get_tool($module, tool_id, /)\n--\n\nName of a tool."},
    {"register_callback", (PyCFunction)(void (*)(void))register_callback, METH_FASTCALL,
     "register_callback($module, tool_id, event, func, /)\n--\n\nSet an event's callback."},
    {"get_events", get_events, METH_O,
     "get_events($module, tool_id, /)\n--\n\nThe events a tool wants everywhere."},
    {"set_events", (PyCFunction)(void (*)(void))set_events, METH_FASTCALL,
     "set_events($module, tool_id, event_set, /)\n--\n\nWant events everywhere."},
    {"get_local_events", (PyCFunction)(void (*)(void))get_local_events, METH_FASTCALL,
     "get_local_events($module, tool_id, code, /)\n--\n\nEvents wanted in one code object."},
    {"set_local_events", (PyCFunction)(void (*)(void))set_local_events, METH_FASTCALL,
     "set_local_events($module, tool_id, code, event_set, /)\n--\n\n"
     "Want events in one code object."},
    {"restart_events", restart_events, METH_NOARGS,
     "restart_events($module, /)\n--\n\nEnable all disabled events again."},
    {"_all_events", all_events, METH_NOARGS,
     "_all_events($module, /)\n--\n\nEvents and the tools that want them."},
    {NULL, NULL, 0, NULL},
};

PyObject *
nj_monitor_module_new(void)
{
    NjMonitor *m = &nj_interp()->vm.monitor;
    static const struct {
        const char *name;
        int value;
    } ids[] = {{"DEBUGGER_ID", 0}, {"COVERAGE_ID", 1}, {"PROFILER_ID", 2},
               {"OPTIMIZER_ID", 5}};
    NJ_OWN mod = PyModule_New("sys.monitoring");
    NJ_OWN events = PyDict_New();
    if (mod == NULL || events == NULL || PyModule_AddFunctions(mod, monitoring_methods) < 0) {
        return NULL;
    }
    if (m->disable == NULL) {
        m->disable = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    }
    if (m->missing == NULL) {
        m->missing = PyObject_CallNoArgs((PyObject *)&PyBaseObject_Type);
    }
    if (m->disable == NULL || m->missing == NULL ||
        PyModule_AddObjectRef(mod, "DISABLE", m->disable) < 0 ||
        PyModule_AddObjectRef(mod, "MISSING", m->missing) < 0) {
        return NULL;
    }
    for (int e = 0; e < EVENTS; e++) {
        NJ_OWN v = PyLong_FromLong(1L << e);
        if (v == NULL || PyDict_SetItemString(events, event_names[e], v) < 0) {
            return NULL;
        }
    }
    NJ_OWN zero = PyLong_FromLong(0);
    if (zero == NULL || PyDict_SetItemString(events, "NO_EVENTS", zero) < 0) {
        return NULL;
    }
    NJ_OWN ns = _PyNamespace_New(events);
    if (ns == NULL || PyModule_AddObjectRef(mod, "events", ns) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(ids); i++) {
        if (PyModule_AddIntConstant(mod, ids[i].name, ids[i].value) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(mod);
}

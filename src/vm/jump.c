/* jump.c - frame.f_lineno = n: a debugger moves the place of execution.
 *
 * Allowed only from a trace function's "line" event, within the same code object, to the
 * first instruction of a line whose evaluation stack matches the current one: as deep, or
 * shallower (the surplus is popped). Depths are computed by walking all paths of the code
 * with the instructions' stack effects; a place that is reached with kinds of things on
 * the stack (loop iterators, exceptions being handled) that the current place does not
 * have is refused.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <limits.h>
#include <opcode_ids.h>

#include "vm/vm_int.h"

/* What a stack slot holds, 3 bits each, lowest bits = top. */
enum { KIND_NONE = 0, KIND_ITER = 1, KIND_EXC = 2, KIND_OBJECT = 3, KIND_NULL = 4,
       KIND_LASTI = 5 };
#define UNKNOWN (-1)
#define OVERFLOWED (-2)
#define MAX_KINDS 20

static int64_t
push(int64_t s, int kind)
{
    if (s < 0 || (s >> (3 * MAX_KINDS)) != 0) {
        return OVERFLOWED;
    }
    return s << 3 | kind;
}

static int64_t
pop(int64_t s)
{
    return s < 0 ? s : s >> 3;
}

static int64_t
peek_stack(int64_t s, int n)
{
    return s < 0 ? KIND_OBJECT : (s >> (3 * (n - 1))) & 7;
}

static int64_t
popn(int64_t s, int n)
{
    while (n-- > 0) {
        s = pop(s);
    }
    return s;
}

static int64_t
pushn(int64_t s, int n)
{
    while (n-- > 0) {
        s = push(s, KIND_OBJECT);
    }
    return s;
}

static int
depth_of(int64_t s)
{
    int n = 0;
    while (s > 0) {
        s >>= 3;
        n++;
    }
    return n;
}

/* The stack after an instruction that goes on to the next one. */
static int64_t
after(int64_t s, int op, int oparg)
{
    switch (op) {
    case GET_ITER:
    case GET_AITER:
        return push(pop(s), KIND_ITER);
    case FOR_ITER:
        return push(s, KIND_OBJECT);
    case PUSH_EXC_INFO:
        return push(push(pop(s), KIND_EXC), KIND_EXC);
    case PUSH_NULL:
        return push(s, KIND_NULL);
    case LOAD_GLOBAL:
        s = push(s, KIND_OBJECT);
        return (oparg & 1) ? push(s, KIND_NULL) : s;
    case LOAD_ATTR:
        s = push(pop(s), KIND_OBJECT);
        return (oparg & 1) ? push(s, KIND_NULL) : s;
    case LOAD_SPECIAL:
        return push(push(pop(s), KIND_OBJECT), KIND_NULL);
    case LOAD_SUPER_ATTR:
        s = push(popn(s, 3), KIND_OBJECT);
        return (oparg & 1) ? push(s, KIND_NULL) : s;
    case COPY:
        return push(s, (int)peek_stack(s, oparg));
    case SWAP: {
        if (s < 0) {
            return s;
        }
        int64_t a = s & 7, b = (s >> (3 * (oparg - 1))) & 7;
        s &= ~((int64_t)7 | (int64_t)7 << (3 * (oparg - 1)));
        return s | b | a << (3 * (oparg - 1));
    }
    default: {
        int effect = nj_opcode_stack_effect(op, oparg, 0);
        if (effect == INT_MAX) {
            return OVERFLOWED;
        }
        return effect < 0 ? popn(s, -effect) : pushn(s, effect);
    }
    }
}

static int64_t *
mark_stacks(PyCodeObject *co)
{
    Py_ssize_t n = Py_SIZE(co);
    NjCodeUnit *code = nj_code_units(co);
    int64_t *stacks = PyMem_Malloc((size_t)(n + 1) * sizeof(*stacks));
    if (stacks == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i <= n; i++) {
        stacks[i] = UNKNOWN;
    }
    stacks[0] = 0;
    if (co->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) {
        /* what follows RETURN_GENERATOR starts with the sent value */
        for (Py_ssize_t i = 0; i < n; i++) {
            if (nj_code_original_opcode(co, (int)i) == RETURN_GENERATOR) {
                stacks[i + 1] = push(0, KIND_OBJECT);
                break;
            }
        }
    }
    bool again = true;
    while (again) {
        again = false;
        int oparg = 0;
        for (Py_ssize_t i = 0; i < n;) {
            int op = nj_code_original_opcode(co, (int)i);
            oparg = oparg << 8 | code[i].op.arg;
            Py_ssize_t next = i + 1 + nj_opcode_caches[op];
            int64_t s = stacks[i];
            if (op == EXTENDED_ARG) {
                if (s != UNKNOWN && stacks[next] == UNKNOWN) {
                    stacks[next] = s;
                }
                i = next;
                continue;
            }
            if (s != UNKNOWN) {
                Py_ssize_t target = -1;
                int64_t ts = s;
                bool falls = true;
                switch (op) {
                case JUMP_FORWARD:
                    target = next + oparg;
                    falls = false;
                    break;
                case JUMP_BACKWARD:
                case JUMP_BACKWARD_NO_INTERRUPT:
                    target = next - oparg;
                    falls = false;
                    break;
                case POP_JUMP_IF_FALSE:
                case POP_JUMP_IF_TRUE:
                case POP_JUMP_IF_NONE:
                case POP_JUMP_IF_NOT_NONE:
                    target = next + oparg;
                    ts = pop(s);
                    break;
                case SEND:
                    target = next + oparg;
                    break;
                case FOR_ITER:
                    target = next + oparg;
                    ts = push(s, KIND_OBJECT);
                    break;
                case RETURN_VALUE:
                case RAISE_VARARGS:
                case RERAISE:
                    falls = false;
                    break;
                default:
                    break;
                }
                if (target >= 0 && target < n && stacks[target] == UNKNOWN) {
                    stacks[target] = ts;
                    again = again || target < i;
                }
                if (falls && next < n && stacks[next] == UNKNOWN) {
                    stacks[next] = after(s, op, oparg);
                }
            }
            oparg = 0;
            i = next;
        }
        /* handlers of what is reached */
        for (Py_ssize_t i = 0; i < n; i++) {
            int handler, depth, lasti;
            if (stacks[i] == UNKNOWN || stacks[i] == OVERFLOWED ||
                !nj_handler_find(co, (int)i, &handler, &depth, &lasti) ||
                stacks[handler] != UNKNOWN) {
                continue;
            }
            int64_t s = stacks[i];
            int have = depth_of(s);
            if (have < depth) {
                continue;
            }
            s = popn(s, have - depth);
            if (lasti) {
                s = push(s, KIND_LASTI);
            }
            stacks[handler] = push(s, KIND_EXC);
            again = true;
        }
    }
    return stacks;
}

/* May execution with stack `from' go on at a place that expects stack `to'? */
static bool
compatible(int64_t from, int64_t to)
{
    if (from < 0 || to < 0) {
        return false;
    }
    int df = depth_of(from), dt = depth_of(to);
    if (dt > df) {
        return false;
    }
    from >>= 3 * (df - dt);
    while (to) {
        int a = (int)(from & 7), b = (int)(to & 7);
        if (a != b && !(b == KIND_OBJECT && a != KIND_NULL)) {
            return false;
        }
        from >>= 3;
        to >>= 3;
    }
    return true;
}

static const char *
why_not(int64_t to)
{
    if (to == OVERFLOWED) {
        return "stack to deep to analyze";
    }
    if (to == UNKNOWN) {
        return "can't jump into an exception handler, or code may be unreachable";
    }
    switch (to & 7) {
    case KIND_ITER:
        return "can't jump into the body of a for loop";
    case KIND_EXC:
        return "can't jump into an 'except' block as there's no exception";
    case KIND_LASTI:
        return "can't jump into a re-raising block as there's no location";
    default:
        return "incompatible stacks";
    }
}

int
nj_frame_jump(PyFrameObject *fo, PyObject *v)
{
    NjFrame *f = fo->f_frame;
    if (v == NULL) {
        PyErr_SetString(PyExc_AttributeError,
                        "attribute 'f_lineno' of 'frame' objects cannot be deleted");
        return -1;
    }
    if (!PyLong_CheckExact(v)) {
        PyErr_SetString(PyExc_ValueError, "lineno must be an integer");
        return -1;
    }
    PyThreadState *tstate = nj_tstate();
    if (!tstate->tracing) {
        PyErr_SetString(PyExc_ValueError, "f_lineno can only be set in a trace function");
        return -1;
    }
    int event = tstate->what_event;
    if (event != PY_MONITORING_EVENT_LINE && event != PY_MONITORING_EVENT_PY_RESUME &&
        event != PY_MONITORING_EVENT_PY_YIELD && event != PY_MONITORING_EVENT_BRANCH_LEFT &&
        event != PY_MONITORING_EVENT_BRANCH_RIGHT &&
        event != PY_MONITORING_EVENT_INSTRUCTION) {
        const char *msg;
        switch (event) {
        case PY_MONITORING_EVENT_PY_RESUME:
        case PY_MONITORING_EVENT_JUMP:
        case PY_MONITORING_EVENT_PY_START:
            msg = "can't jump from the 'call' trace event of a new frame";
            break;
        case PY_MONITORING_EVENT_CALL:
        case PY_MONITORING_EVENT_C_RETURN:
            msg = "can't jump during a call";
            break;
        default:
            msg = "can only jump from a 'line' trace event";
        }
        PyErr_SetString(PyExc_ValueError, msg);
        return -1;
    }
    if (f->owner == NJ_FRAME_OWNED_BY_FRAME_OBJECT) {
        PyErr_SetString(PyExc_ValueError, "can't jump from a finished frame");
        return -1;
    }
    PyCodeObject *co = nj_frame_peek_code(f);
    long line = PyLong_AsLong(v);
    if (line == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (line < co->co_firstlineno) {
        PyErr_Format(PyExc_ValueError, "line %ld comes before the current code block", line);
        return -1;
    }
    const int *lines = nj_code_lines(co);
    if (lines == NULL) {
        return -1;
    }
    /* the smallest line with code at or after the asked one; where it starts */
    Py_ssize_t n = Py_SIZE(co);
    long best = LONG_MAX;
    for (Py_ssize_t i = co->_co_firsttraceable; i < n; i++) {
        int l = lines[i];
        if (l >= line && l < best) {
            best = l;
        }
    }
    if (best == LONG_MAX) {
        PyErr_Format(PyExc_ValueError, "line %ld comes after the current code block", line);
        return -1;
    }
    int64_t *stacks = mark_stacks(co);
    if (stacks == NULL) {
        return -1;
    }
    Py_ssize_t here = f->instr_ptr - nj_code_units(co);
    int64_t from = stacks[here];
    bool yielding = event == PY_MONITORING_EVENT_PY_YIELD &&
                    nj_code_original_opcode(co, (int)here) == YIELD_VALUE;
    if (yielding) {
        from = pop(from); /* the value that is not yielded then */
    }
    Py_ssize_t target = -1;
    int64_t found = UNKNOWN;
    int previous = -1;
    for (Py_ssize_t i = co->_co_firsttraceable; i < n;) {
        int op = nj_code_original_opcode(co, (int)i);
        int l = lines[i];
        /* the start of the function may be gone to, the resumption of a generator not */
        bool start = op == RESUME && (nj_code_units(co)[i].op.arg & 3) == 0;
        if (l == best && previous != l && (op != RESUME || start)) {
            if (compatible(from, stacks[i])) {
                if (target < 0 || depth_of(stacks[i]) > depth_of(found)) {
                    target = i;
                    found = stacks[i];
                }
            }
            else if (target < 0 && found == UNKNOWN) {
                found = stacks[i];
            }
        }
        previous = op == RESUME && !start ? -1 : l;
        i += 1 + nj_opcode_caches[op];
    }
    PyMem_Free(stacks);
    if (target < 0) {
        PyErr_SetString(PyExc_ValueError, why_not(found));
        return -1;
    }
    /* locals that the skipped code would have bound read as None from now on */
    int unbound = 0;
    for (int i = 0; i < co->co_nlocalsplus - co->co_nfreevars; i++) {
        unbound += nj_value_is_null(f->localsplus[i]);
    }
    if (unbound) {
        if (PyErr_WarnFormat(PyExc_RuntimeWarning, 0,
                             "assigning None to %d unbound local%s", unbound,
                             unbound == 1 ? "" : "s") < 0) {
            return -1;
        }
        for (int i = 0; i < co->co_nlocalsplus - co->co_nfreevars; i++) {
            if (nj_value_is_null(f->localsplus[i])) {
                f->localsplus[i] = nj_value_borrow(Py_None);
            }
        }
    }
    /* pop what the target does not expect; a dropped exception ends its handling */
    if (yielding) {
        nj_value_close(*--f->stackpointer);
    }
    int drop = depth_of(from) - depth_of(found);
    while (drop-- > 0) {
        Value top = *--f->stackpointer;
        if ((from & 7) == KIND_EXC) {
            PyObject *e = nj_value_is_null(top) ? NULL : nj_value_object(top);
            _PyErr_StackItem *info = tstate->exc_info;
            PyObject *old = info->exc_value;
            info->exc_value = e == Py_None ? NULL : e;
            Py_XDECREF(old);
        }
        nj_value_close(top);
        from = pop(from);
    }
    fo->f_lineno = 0;
    f->instr_ptr = nj_code_units(co) + target;
    return 0;
}

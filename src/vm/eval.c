/* eval.c - the interpreter's loop.
 *
 * One C function runs Python frames until the one it was entered with (`entry') ends. A
 * call from Python to Python pushes a frame and goes on in the same loop; generators are
 * entered and left the same way. The C stack is used only when C code calls back.
 *
 * State in registers: frame, ip (the next instruction), sp (behind the top of the stack),
 * oparg. The instructions themselves are in ops.def; see there and genops.c for what a
 * body may do. Always true at a call out: frame->instr_ptr is the current instruction, all
 * live words are in memory, frame->stackpointer is right wherever somebody may look.
 *
 * A frame that has called another keeps instr_ptr at its call instruction and continues at
 * instr_ptr + return_offset. Its `visited' has marks of ours: NJ_FRAME_IS_INIT is set by
 * CALL_ALLOC_AND_ENTER_INIT; the result must be None and is dropped. NJ_FRAME_ENTERED is
 * for readers of stacks in other processes.
 *
 * Pitfalls (measured, see reference/values-and-dispatch.md): no vectorizing of stack
 * accesses, no cross-jumping of dispatches, no cmov on ip.
 * SPDX-License-Identifier: MIT
 */
#ifndef __clang__
#pragma GCC optimize("O2,no-tree-vectorize,no-crossjumping,no-gcse")
#endif
#include "nj.h"

#include <opcode_ids.h>

#include "objects/number.h"
#include "vm/vm_int.h"

/* sums, not ors: they fold into the address */
#define TRUE_WORD ((Value){(uintptr_t)Py_True + 1})
#define FALSE_WORD ((Value){(uintptr_t)Py_False + 1})
#define NONE_WORD ((Value){(uintptr_t)Py_None + 1})
#define IS_TRUE_WORD(v) (((v).bits | 1) == TRUE_WORD.bits)

#define CODE() nj_frame_peek_code(frame)
#define LOCAL(i) frame->localsplus[i]
#define NAME(i) PyTuple_GET_ITEM(CODE()->co_names, (i))

#define TARGET(name) TARGET_##name:
#define PREDICTED(name)
#define DISPATCH()                                                                     \
    do {                                                                               \
        oparg = ip->op.arg;                                                            \
        goto *targets[ip->op.code];                                                    \
    } while (0)
#define DISPATCH_SAME() goto *targets[ip->op.code]
/* behind a conditional jump that fell through */
#define DISPATCH_NOT_TAKEN()                                                           \
    do {                                                                               \
        if (NJ_LIKELY(ip->op.code == NOT_TAKEN)) {                                     \
            ip++;                                                                      \
        }                                                                              \
        DISPATCH();                                                                    \
    } while (0)
/* keeps the compiler from turning a taken branch into a conditional move of ip */
#define DISPATCH_BARRIER()                                                             \
    do {                                                                               \
        __asm__ volatile("");                                                          \
        DISPATCH();                                                                    \
    } while (0)

#define SAVE_SP() (frame->stackpointer = sp)
#define RELOAD()                                                                       \
    do {                                                                               \
        sp = frame->stackpointer;                                                      \
        ip = frame->instr_ptr + frame->return_offset;                                  \
    } while (0)

#define CLOSE_DOWN_TO(p)                                                               \
    do {                                                                               \
        Value *down_ = (p);                                                            \
        while (sp > down_) {                                                           \
            nj_value_close(*--sp);                                                     \
        }                                                                              \
    } while (0)

#define NO_EVAL_HOOK() NJ_LIKELY(tstate->interp->rt.eval_frame == NULL)
#define IS_PY_FUNCTION(v)                                                              \
    (!nj_value_is_int(v) && Py_IS_TYPE(nj_value_ptr(v), &PyFunction_Type) &&           \
     ((PyFunctionObject *)nj_value_ptr(v))->vectorcall == nj_func_vectorcall &&        \
     NO_EVAL_HOOK())

/* callee is pushed; sp is what the caller keeps */
#define ENTER_FRAME(callee, offset)                                                    \
    do {                                                                               \
        NjFrame *callee_ = (callee);                                                   \
        frame->stackpointer = sp;                                                      \
        frame->return_offset = (offset);                                               \
        callee_->previous = frame;                                                     \
        frame = tstate->current_frame = callee_;                                       \
        goto start_frame;                                                              \
    } while (0)

/* frame's stackpointer and return_offset are stored; v is what the yield returns */
#define ENTER_GENERATOR(gen, v)                                                        \
    do {                                                                               \
        NjFrame *g_ = &(gen)->gi_iframe;                                               \
        *g_->stackpointer++ = (v);                                                     \
        (gen)->gi_frame_state = NJ_GEN_EXECUTING;                                      \
        (gen)->gi_exc_state.previous_item = tstate->exc_info;                          \
        tstate->exc_info = &(gen)->gi_exc_state;                                       \
        g_->previous = frame;                                                          \
        frame = tstate->current_frame = g_;                                            \
        goto start_generator;                                                          \
    } while (0)

/* SEND to a generator or coroutine that can run in this loop */
#define CAN_SEND_INSIDE(receiver)                                                      \
    ((Py_IS_TYPE(receiver, &PyGen_Type) || Py_IS_TYPE(receiver, &PyCoro_Type)) &&      \
     ((struct _PyGenObject *)(receiver))->gi_frame_state < NJ_GEN_EXECUTING &&         \
     (((struct _PyGenObject *)(receiver))->gi_frame_state != NJ_GEN_CREATED ||         \
      (sp[-1].bits | 1) == NONE_WORD.bits) &&                                          \
     oparg < 60000 && NO_EVAL_HOOK())
#define SEND_INSIDE(receiver)                                                          \
    do {                                                                               \
        Value v_ = nj_value_own(*--sp);                                                \
        frame->stackpointer = sp;                                                      \
        frame->return_offset = (uint16_t)(2 + oparg);                                  \
        ENTER_GENERATOR((struct _PyGenObject *)(receiver), v_);                        \
    } while (0)
/* LOAD_SUPER_ATTR as the built-in super would do it */
#define IS_SUPER_OF_CLASS(super, cls)                                                  \
    (nj_value_ptr(super) == (PyObject *)&PySuper_Type && !nj_value_is_int(cls) &&      \
     PyType_Check(nj_value_ptr(cls)))

#define CHECK_BREAKER()                                                                \
    do {                                                                               \
        if (NJ_UNLIKELY(tstate->eval_breaker & 0xff)) {                                \
            SAVE_SP();                                                                 \
            if (nj_eval_breaker(tstate) < 0) {                                         \
                goto error;                                                            \
            }                                                                          \
        }                                                                              \
    } while (0)

/* The frame ends with result v (owned or an integer); sp is at the stack's base. */
#define RETURN_WORD(v)                                                                 \
    do {                                                                               \
        result = (v);                                                                  \
        goto return_word;                                                              \
    } while (0)

#define ADAPT(call)                                                                    \
    do {                                                                               \
        uint16_t c_ = this_instr[1].counter;                                           \
        if (NJ_UNLIKELY(c_ < 16)) {                                                    \
            if (this_instr->op.code == INSTRUMENTED_INSTRUCTION) {                         \
                break;                                                                 \
            }                                                                          \
            SAVE_SP();                                                                 \
            call;                                                                      \
            ip = this_instr;                                                           \
            DISPATCH_SAME();                                                           \
        }                                                                              \
        this_instr[1].counter = (uint16_t)(c_ - 16);                                   \
    } while (0)
#define ADAPT_MAYBE(call) ADAPT(call)
/* once a general instruction has been run; not where it is run for an instrumented one */
#define BECOME(from, to)                                                               \
    do {                                                                               \
        if (this_instr->op.code == (from)) {                                           \
            this_instr->op.code = (to);                                                \
        }                                                                              \
    } while (0)
/* in a specialized instruction: the guess was wrong, run the general form */
#define MISS(general)                                                                  \
    do {                                                                               \
        ip = this_instr;                                                               \
        goto TARGET_##general;                                                         \
    } while (0)

/* ---- for specialized forms ---- */

static inline uint32_t
read_u32(const NjCodeUnit *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline PyObject *
read_ptr(const NjCodeUnit *p)
{
    PyObject *v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* the common head of list and tuple iterators */
typedef struct NjSeqIter {
    PyObject_HEAD
    Py_ssize_t index;
    PyObject *seq;
} NjSeqIter;

#define IS_FLOAT(v) (!nj_value_is_int(v) && PyFloat_CheckExact(nj_value_ptr(v)))
#define FLOAT(v) (((PyFloatObject *)nj_value_ptr(v))->ob_fval)

static inline bool
nj_as_double(Value v, double *out)
{
    intptr_t i;
    if (IS_FLOAT(v)) {
        *out = FLOAT(v);
        return true;
    }
    if (nj_value_as_int(v, &i) && i <= (intptr_t)1 << 53 && i >= -((intptr_t)1 << 53)) {
        *out = (double)i;
        return true;
    }
    return false;
}

static inline bool
is_unique_float(Value v)
{
    return nj_value_is_owned(v) && v.bits != 0 &&
           Py_IS_TYPE((PyObject *)v.bits, &PyFloat_Type) &&
           ((PyObject *)v.bits)->ob_refcnt == 1;
}

/* The double result of a binary operation on a and b goes into a box that nobody else
 * sees: an operand's, or that of the local which the next instruction overwrites. */
#define FLOAT_RESULT(a, b, expr)                                                       \
    do {                                                                               \
        double x_ = (expr);                                                            \
        if (ip->op.code == STORE_FAST && is_unique_float(LOCAL(ip->op.arg))) {         \
            ((PyFloatObject *)LOCAL(ip->op.arg).bits)->ob_fval = x_;                   \
            nj_value_close(a);                                                         \
            nj_value_close(b);                                                         \
            sp -= 2;                                                                   \
            ip++;                                                                      \
            DISPATCH();                                                                \
        }                                                                              \
        if (is_unique_float(a)) {                                                      \
            ((PyFloatObject *)(a).bits)->ob_fval = x_;                                 \
            r = (a);                                                                   \
            nj_value_close(b);                                                         \
        }                                                                              \
        else if (is_unique_float(b)) {                                                 \
            ((PyFloatObject *)(b).bits)->ob_fval = x_;                                 \
            r = (b);                                                                   \
            nj_value_close(a);                                                         \
        }                                                                              \
        else {                                                                         \
            PyObject *o_ = nj_float_new(x_);                                           \
            if (o_ == NULL) {                                                          \
                goto error;                                                            \
            }                                                                          \
            nj_value_close(a);                                                         \
            nj_value_close(b);                                                         \
            r = nj_value_steal(o_);                                                    \
        }                                                                              \
    } while (0)

/* ---- for fused forms ---- */

/* a new float on the stack, or into the box of the local that the next instruction sets */
#define PUSH_NEW_FLOAT(x)                                                              \
    do {                                                                               \
        if (ip->op.code == STORE_FAST && is_unique_float(LOCAL(ip->op.arg))) {         \
            ((PyFloatObject *)LOCAL(ip->op.arg).bits)->ob_fval = (x);                  \
            ip++;                                                                      \
            DISPATCH();                                                                \
        }                                                                              \
        PyObject *o_ = nj_float_new(x);                                                \
        if (o_ == NULL) {                                                              \
            goto error;                                                                \
        }                                                                              \
        *sp++ = nj_value_steal(o_);                                                    \
        DISPATCH();                                                                    \
    } while (0)
/* a float in place of the float on top of the stack */
#define FLOAT_ONTO_TOP(expr)                                                           \
    do {                                                                               \
        double x_ = (expr);                                                            \
        if (is_unique_float(sp[-1])) {                                                 \
            ((PyFloatObject *)sp[-1].bits)->ob_fval = x_;                              \
            DISPATCH();                                                                \
        }                                                                              \
        nj_value_close(*--sp);                                                         \
        PUSH_NEW_FLOAT(x_);                                                            \
    } while (0)

/* the mask in the low bits: 2 less, 4 greater, 8 equal */
#define INT_WORDS_COMPARE(mask, a, b)                                                  \
    (((mask) & (2 << (((intptr_t)(a).bits > (intptr_t)(b).bits) +                      \
                      2 * ((a).bits == (b).bits)))) != 0)

/* a truth value for the stack, or straight into a conditional jump */
#define PUSH_OR_BRANCH(t)                                                              \
    do {                                                                               \
        if (NJ_LIKELY(ip->op.code == POP_JUMP_IF_FALSE)) {                             \
            oparg = ip->op.arg;                                                        \
            ip += 2;                                                                   \
            if (!(t)) {                                                                \
                ip += oparg;                                                           \
                DISPATCH_BARRIER();                                                    \
            }                                                                          \
            DISPATCH_NOT_TAKEN();                                                      \
        }                                                                              \
        if (NJ_LIKELY(ip->op.code == POP_JUMP_IF_TRUE)) {                              \
            oparg = ip->op.arg;                                                        \
            ip += 2;                                                                   \
            if (t) {                                                                   \
                ip += oparg;                                                           \
                DISPATCH_BARRIER();                                                    \
            }                                                                          \
            DISPATCH_NOT_TAKEN();                                                      \
        }                                                                              \
        *sp++ = (t) ? TRUE_WORD : FALSE_WORD;                                          \
        DISPATCH();                                                                    \
    } while (0)

/* n words consumed; t is the result */
#define BOOL_RESULT(n, t)                                                              \
    do {                                                                               \
        bool t_ = (t);                                                                 \
        sp -= (n);                                                                     \
        PUSH_OR_BRANCH(t_);                                                            \
    } while (0)

/* the next item of a for loop: mostly stored into a local at once */
#define PUSH_OR_STORE(word)                                                            \
    do {                                                                               \
        Value item_ = (word);                                                          \
        if (ip->op.code == STORE_FAST) {                                               \
            Value *slot_ = &LOCAL(ip->op.arg);                                         \
            Value old_ = *slot_;                                                       \
            *slot_ = item_;                                                            \
            frame->instr_ptr = ip;                                                     \
            ip++;                                                                      \
            nj_value_xclose(old_);                                                     \
            DISPATCH();                                                                \
        }                                                                              \
        *sp++ = item_;                                                                 \
        DISPATCH();                                                                    \
    } while (0)

/* The integer word v is stored over old: when nobody else sees old's box, v goes into it. */
static inline bool
reuse_int_box(NjFrame *frame, PyObject *old, Value v)
{
    if (!nj_value_is_int(v) || old == NULL || !Py_IS_TYPE(old, &PyLong_Type) ||
        old->ob_refcnt != 1) {
        return false;
    }
    PyLongObject *l = (PyLongObject *)old;
    intptr_t i = nj_value_int(v);
    uintptr_t m = i < 0 ? 0 - (uintptr_t)i : (uintptr_t)i;
    uintptr_t nd = 1 + (m >= PyLong_BASE);
    if (nj_is_small_int(i) || m >> (2 * PyLong_SHIFT) || nj_int_ndigits(l) < nd) {
        return false;
    }
    l->long_value.lv_tag = nd << 3 | (i < 0 ? 2 : 0);
    l->long_value.ob_digit[0] = (digit)(m & PyLong_MASK);
    if (nd == 2) {
        l->long_value.ob_digit[1] = (digit)(m >> PyLong_SHIFT);
    }
    nj_box_spread(frame, old, v);
    return true;
}

#define CHECK_OWNER_VERSION(general)                                                   \
    do {                                                                               \
        if (nj_value_is_int(owner) ||                                                  \
            Py_TYPE(nj_value_ptr(owner))->tp_version_tag != read_u32(&this_instr[2])) { \
            ip = this_instr;                                                           \
            goto TARGET_##general;                                                     \
        }                                                                              \
    } while (0)

#define IS_METHOD_DESCR(v, flags)                                                      \
    (!nj_value_is_int(v) && Py_IS_TYPE(nj_value_ptr(v), &PyMethodDescr_Type) &&        \
     ((PyMethodDescrObject *)nj_value_ptr(v))->d_method->ml_flags == (flags))

#define C_ARGS_MAX 8
#define RAW_ARGS(raw, args, n)                                                         \
    do {                                                                               \
        raw[0] = NULL;                                                                 \
        for (int i_ = 0; i_ < (n); i_++) {                                             \
            raw[i_ + 1] = (PyObject *)((args)[i_].bits & ~(uintptr_t)1);               \
        }                                                                              \
    } while (0)
#define CHECK_RESULT(o, callable)                                                      \
    do {                                                                               \
        if (NJ_UNLIKELY((o) == NULL || tstate->current_exception != NULL)) {           \
            o = _Py_CheckFunctionResult(tstate, callable, o, NULL);                    \
            if (o == NULL) {                                                           \
                goto error;                                                            \
            }                                                                          \
        }                                                                              \
    } while (0)
/* n words consumed, one result: the state of the stack that the breaker may see */
#define BREAKER_AFTER(n, r)                                                            \
    do {                                                                               \
        if (NJ_UNLIKELY(tstate->eval_breaker & 0xff)) {                                \
            sp -= (n);                                                                 \
            *sp++ = (r);                                                               \
            SAVE_SP();                                                                 \
            if (nj_eval_breaker(tstate) < 0) {                                         \
                goto error;                                                            \
            }                                                                          \
            DISPATCH();                                                                \
        }                                                                              \
    } while (0)

PyAPI_FUNC(PyObject *) _Py_CheckFunctionResult(PyThreadState *tstate, PyObject *callable,
                                               PyObject *result, const char *where);

PyObject *
_PyEval_EvalFrameDefault(PyThreadState *tstate, NjFrame *frame, int throwflag)
{
    static const void *const targets[256] = {
#include "opcode_targets.inc"
    };
    NjFrame *const entry = frame;
    NjCodeUnit *ip;
    Value *sp;
    Value result;
    NjCodeUnit *raised_at;
    int oparg;

    tstate->current_frame = frame;
    frame->visited = NJ_FRAME_ENTERED;
    /* stands for all C functions that the frame will call, too */
    if (NJ_UNLIKELY(nj_c_stack_low()) && nj_c_stack_error(tstate, "") < 0) {
        /* the frame never runs: it goes as if it had raised at once */
        sp = frame->stackpointer;
        ip = frame->instr_ptr;
        tstate->py_recursion_remaining--;
        goto frame_failed;
    }
    if (throwflag) {
        if (nj_recursion_enter(tstate) < 0) {
            sp = frame->stackpointer;
            goto frame_failed;
        }
        RELOAD();
        if (NJ_UNLIKELY((tstate->eval_breaker & ~(uintptr_t)0xff) !=
                        CODE()->_co_instrumentation_version)) {
            /* no RESUME comes by that would */
            PyObject *exc = PyErr_GetRaisedException();
            if (nj_monitor_instrument(CODE(), tstate) < 0) {
                Py_DECREF(exc);
            }
            else {
                PyErr_SetRaisedException(exc);
            }
        }
        if (nj_monitor_wants(tstate, PY_MONITORING_EVENT_PY_THROW)) {
            nj_monitor_throw(tstate, frame, frame->instr_ptr);
        }
        goto error;
    }

start_frame:
    if (NJ_UNLIKELY(tstate->py_recursion_remaining-- <= 0) &&
        nj_recursion_error(tstate, "") < 0) {
        sp = frame->stackpointer;
        goto frame_failed;
    }
    RELOAD();
    if (NJ_LIKELY(ip->op.code == RESUME_CHECK &&
                  tstate->eval_breaker == CODE()->_co_instrumentation_version)) {
        frame->instr_ptr = ip++;
    }
    DISPATCH();

start_generator:
    if (NJ_UNLIKELY(tstate->py_recursion_remaining-- <= 0) &&
        nj_recursion_error(tstate, "") < 0) {
        sp = frame->stackpointer;
        goto frame_failed;
    }
    RELOAD();
    if (NJ_LIKELY(ip->op.code == RESUME_CHECK &&
                  tstate->eval_breaker == CODE()->_co_instrumentation_version)) {
        frame->instr_ptr = ip++;
        if (ip->op.code == JUMP_BACKWARD_NO_INTERRUPT) {
            /* in the middle of a `yield from' or `await': on to the inner one at once */
            NjCodeUnit *send = ip + 1 - ip->op.arg;
            PyObject *inner = nj_value_is_int(sp[-2]) ? NULL : nj_value_ptr(sp[-2]);
            if (nj_opcode_deopt[send->op.code] == SEND && inner != NULL &&
                (Py_IS_TYPE(inner, &PyGen_Type) || Py_IS_TYPE(inner, &PyCoro_Type)) &&
                (((struct _PyGenObject *)inner)->gi_frame_state == NJ_GEN_SUSPENDED ||
                 ((struct _PyGenObject *)inner)->gi_frame_state ==
                     NJ_GEN_SUSPENDED_YIELD_FROM)) {
                Value v = *--sp;
                frame->stackpointer = sp;
                frame->instr_ptr = send;
                frame->return_offset = (uint16_t)(2 + send->op.arg);
                ENTER_GENERATOR((struct _PyGenObject *)inner, v);
            }
        }
    }
    DISPATCH();

#include "eval_cases.inc"

return_word : {
    NjFrame *dying = frame;
    frame->stackpointer = sp;
    tstate->py_recursion_remaining++;
    frame = tstate->current_frame = dying->previous;
    if (NJ_UNLIKELY(dying == entry)) {
        nj_frame_clear_and_pop(tstate, dying);
        return nj_value_to_object_steal(result);
    }
    if (NJ_LIKELY(dying->owner == NJ_FRAME_OWNED_BY_THREAD)) {
        bool init = dying->visited & NJ_FRAME_IS_INIT;
        if (NJ_LIKELY(dying->frame_obj == NULL && dying->f_locals == NULL)) {
            Value *p = dying->localsplus, *end = dying->stackpointer;
            for (; p < end; p++) {
                nj_value_xclose(*p);
            }
            PyObject *code = (PyObject *)nj_frame_peek_code(dying);
            nj_value_close(dying->f_funcobj);
            Py_DECREF(code);
            nj_stack_pop(tstate, dying);
        }
        else {
            nj_frame_clear_and_pop(tstate, dying);
        }
        RELOAD();
        if (NJ_UNLIKELY(init)) {
            if ((result.bits | 1) != NONE_WORD.bits) {
                PyErr_Format(PyExc_TypeError,
                             "__init__() should return None, not '%.200s'",
                             nj_value_type(result)->tp_name);
                nj_value_close(result);
                goto error;
            }
            DISPATCH(); /* the new instance is on top */
        }
    }
    else {
        nj_frame_clear_and_pop(tstate, dying);
        RELOAD();
    }
    *sp++ = result;
    DISPATCH();
}

unknown_opcode:
    PyErr_Format(PyExc_SystemError, "%U:%d: unknown opcode %d",
                 CODE()->co_filename, nj_frame_line(frame),
                 (int)frame->instr_ptr->op.code);
    goto error;

error:
    if (NJ_UNLIKELY(tstate->current_exception == NULL)) {
        PyErr_SetString(PyExc_SystemError, "error return without exception set");
    }
    frame->stackpointer = sp;
    if (!nj_frame_is_incomplete(frame)) {
        nj_traceback_add(tstate, frame);
    }
    if (nj_monitor_wants(tstate, PY_MONITORING_EVENT_RAISE)) {
        nj_monitor_raise(tstate, frame, frame->instr_ptr);
    }
    raised_at = frame->instr_ptr;
    goto find_handler;

unwind:
    raised_at = frame->instr_ptr;
reraise:
    if (nj_monitor_wants(tstate, PY_MONITORING_EVENT_RERAISE)) {
        frame->stackpointer = sp;
        nj_monitor_reraise(tstate, frame, frame->instr_ptr);
    }

find_handler : {
    int handler, depth, lasti;
    int offset = (int)(frame->instr_ptr - nj_code_units(CODE()));
    if (!nj_handler_find(CODE(), (int)(raised_at - nj_code_units(CODE())), &handler, &depth, &lasti)) {
        PyObject *exc = PyErr_GetRaisedException();
        Value *base = nj_frame_stack_base(frame);
        while (sp > base) {
            frame->stackpointer = --sp;
            nj_value_xclose(*sp);
        }
        PyErr_SetRaisedException(exc);
        if (nj_monitor_wants(tstate, PY_MONITORING_EVENT_PY_UNWIND)) {
            nj_monitor_unwind(tstate, frame, frame->instr_ptr);
        }
        goto frame_failed;
    }
    PyObject *exc = PyErr_GetRaisedException();
    Value *level = nj_frame_stack_base(frame) + depth;
    while (sp > level) {
        frame->stackpointer = --sp;
        nj_value_xclose(*sp);
    }
    if (lasti) {
        *sp++ = nj_value_from_int(offset);
    }
    *sp++ = nj_value_steal(exc);
    ip = nj_code_units(CODE()) + handler;
    if (nj_monitor_wants(tstate, PY_MONITORING_EVENT_EXCEPTION_HANDLED)) {
        frame->stackpointer = sp;
        if (nj_monitor_handled(tstate, frame, ip) < 0) {
            goto error;
        }
    }
    DISPATCH();
}

frame_failed : {
    NjFrame *dying = frame;
    frame->stackpointer = sp;
    tstate->py_recursion_remaining++;
    frame = tstate->current_frame = dying->previous;
    PyObject *exc = PyErr_GetRaisedException();
    nj_frame_clear_and_pop(tstate, dying);
    PyErr_SetRaisedException(exc);
    if (dying == entry) {
        return NULL;
    }
    sp = frame->stackpointer;
    goto error;
}
}

PyObject *
nj_eval_frame(PyThreadState *tstate, NjFrame *frame, int exc)
{
    if (NJ_UNLIKELY(tstate->interp->rt.eval_frame != NULL)) {
        return ((_PyFrameEvalFunction)tstate->interp->rt.eval_frame)(tstate, frame, exc);
    }
    return _PyEval_EvalFrameDefault(tstate, frame, exc);
}

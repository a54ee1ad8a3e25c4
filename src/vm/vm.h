/* vm.h - what the rest of the engine may ask of the virtual machine.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_VM_VM_H
#define NJ_VM_VM_H

#include "nj.h"
#include "runtime/state.h"
#include "vm/frame.h"

/* Runs a frame that is already pushed on tstate. A new reference, or NULL with an
 * exception. exc: an exception is set and is to be raised at the frame's current place. */
NJ_MUST PyObject *nj_eval_frame(PyThreadState *tstate, NjFrame *frame, int exc);

/* Runs a generator-like object once. Steals arg (NULL: nothing is sent, an exception is
 * set and is to be thrown in). Result as of am_send. */
PySendResult nj_gen_send(struct _PyGenObject *gen, PyObject *arg, PyObject **out,
                         int exc, int closing);
/* The generator object for a function call's frame (RETURN_GENERATOR): takes the
 * frame's contents over; the frame memory still is to be popped. */
NJ_MUST PyObject *nj_gen_from_frame(PyThreadState *tstate, NjFrame *frame);
/* What the suspended generator is waiting for (yield from / await): new ref or NULL. */
NJ_MUST PyObject *nj_gen_delegate(struct _PyGenObject *gen);
/* Value carried by a StopIteration that is set (cleared): 0 with *out (new reference, None
 * if no exception is set), -1 if another exception is set. */
PyAPI_FUNC(int) _PyGen_FetchStopIterationValue(PyObject **out);
PyAPI_FUNC(int) _PyGen_SetStopIterationValue(PyObject *value);
NJ_MUST PyObject *nj_coro_awaitable_iter(PyObject *o);
NJ_MUST PyObject *nj_async_gen_wrap_value(PyObject *value);
/* One step of what asend() returns: a PySendResult (PYGEN_RETURN: *out is the item), or
 * NJ_ASEND_ENDED: StopAsyncIteration is due but not raised. */
#define NJ_ASEND_ENDED 2
int nj_asend_step(PyObject *o, PyObject *arg, PyObject **out);
void nj_async_gen_free_lists_clear(NjInterp *interp);
NJ_MUST PyObject *nj_async_gen_asend(PyObject *agen, PyObject *value);
int nj_async_gen_init_hooks(struct _PyGenObject *agen);
NJ_MUST PyObject *nj_async_gen_anext(PyObject *agen);

extern PyTypeObject NjCoroWrapper_Type, NjAsyncGenWrapped_Type, NjAsyncGenAThrow_Type,
    NjAnextAwaitable_Type;
/* anext(x, default): the awaitable. Both borrowed. */
NJ_MUST PyObject *nj_anext_awaitable_new(PyObject *awaitable, PyObject *dflt);

/* Binds arguments and pushes a frame for func. Consumes func and every argument word on
 * success and on failure. args are nargs positional words followed by the values of
 * kwnames. locals: owned or NULL. NULL with an exception. */
NJ_MUST NjFrame *nj_frame_push_bind(PyThreadState *tstate, Value func, PyObject *locals,
                                    Value *args, Py_ssize_t nargs, PyObject *kwnames);

/* The vectorcall of every Python function. */
NJ_MUST PyObject *nj_func_vectorcall(PyObject *func, PyObject *const *args, size_t nargsf,
                                     PyObject *kwnames);
/* Builds and runs a throw-away function. All borrowed. */
NJ_MUST PyObject *nj_eval_code(PyObject *code, PyObject *globals, PyObject *builtins,
                               PyObject *locals, PyObject *closure);
/* __build_class__ runs a class body: func with the given namespace as locals. */
NJ_MUST PyObject *nj_func_run_with_locals(PyObject *func, PyObject *locals);

/* A version number that changes whenever calls of func may behave differently. 0: none. */
uint32_t nj_func_version(PyFunctionObject *func);

/* builtins module dict for a globals dict: borrowed-or-new semantics of the language:
 * globals['__builtins__'] (module or dict) or the interpreter's. New reference. */
NJ_MUST PyObject *nj_builtins_of(PyObject *globals);

/* "maximum recursion depth exceeded": raise. Always -1. */
int nj_recursion_error(PyThreadState *tstate, const char *where);
/* The C stack is (almost) used up: raises RecursionError. Always -1. */
int nj_c_stack_error(PyThreadState *tstate, const char *where);

/* Counts one Python-level call. 0, or -1 with RecursionError. */
NJ_INLINE int
nj_recursion_enter(PyThreadState *tstate)
{
    if (NJ_LIKELY(tstate->py_recursion_remaining-- > 0)) {
        return 0;
    }
    return nj_recursion_error(tstate, "");
}

NJ_INLINE void
nj_recursion_leave(PyThreadState *tstate)
{
    tstate->py_recursion_remaining++;
}

/* Exceptions (unwind.c) */
/* Finds the handler for a code offset. offset in code units. False: none. */
bool nj_handler_find(PyCodeObject *co, int offset, int *handler, int *depth, int *lasti);
/* Adds the frame to the traceback of the exception that is set. */
void nj_traceback_add(PyThreadState *tstate, NjFrame *frame);
/* except*: splits exc by match_type. 0 / -1. */
int nj_exc_group_match(PyObject *exc, PyObject *match_type, PyObject **match,
                       PyObject **rest);

/* Thread and interpreter life cycle, called by the runtime. */
void nj_vm_thread_init(PyThreadState *tstate);
void nj_vm_thread_fini(PyThreadState *tstate);
void nj_vm_interp_init(NjInterp *interp);
void nj_vm_interp_fini(NjInterp *interp);

/* Opcodes of our own, between the reference's specialized and instrumented ones. The FUSED
 * forms stand in for the first of two neighbours and do the work of both, as long as the
 * second still is what they were made for (each checks); the second stays as it is. */
enum {
    NJ_OP_FLOAT_MIXED = 212,
    NJ_OP_PRIVATE_FIRST = NJ_OP_FLOAT_MIXED,
    NJ_OP_FUSED_ATTR = 213,
    NJ_OP_FUSED_METHOD_VALUES,
    NJ_OP_FUSED_METHOD_NO_DICT,
    NJ_OP_FUSED_SLOT,
    NJ_OP_FUSED_SMALL_ADD,
    NJ_OP_FUSED_SMALL_SUBTRACT,
    NJ_OP_FUSED_SMALL_COMPARE,
    NJ_OP_FUSED_PAIR_SUBSCR,
    NJ_OP_FUSED_PAIR_COMPARE,
    NJ_OP_FUSED_SUBSCR,
    NJ_OP_FUSED_COMPARE,
    NJ_OP_FUSED_RETURN,
    NJ_OP_FUSED_IF_NONE,
    NJ_OP_FUSED_IF_NOT_NONE,
    NJ_OP_FUSED_PAIR_STORE_ATTR,
    NJ_OP_FUSED_PAIR_MULTIPLY_FLOAT,
    NJ_OP_FUSED_MULTIPLY_FLOAT,
    NJ_OP_FUSED_ADD_FLOAT,
    NJ_OP_PRIVATE_LAST = NJ_OP_FUSED_ADD_FLOAT,
};

/* Opcode metadata, generated from ops.def (build/gen/opcode_meta.inc, see opmeta.c). */
extern const uint8_t nj_opcode_caches[256]; /* cache units behind an opcode */
extern const uint8_t nj_opcode_deopt[256];  /* the plain opcode behind a specialized one */
extern const char *const nj_opcode_names[267];
/* Stack effect as dis.stack_effect: jump 1, 0, or -1 (the larger). INT_MAX: unknown op. */
int nj_opcode_stack_effect(int opcode, int oparg, int jump);
enum {
    NJ_OPF_ARG = 1,
    NJ_OPF_CONST = 2,
    NJ_OPF_NAME = 4,
    NJ_OPF_JUMP = 8,
    NJ_OPF_FREE = 16,
    NJ_OPF_LOCAL = 32,
    NJ_OPF_EXC = 64,
};
extern const uint8_t nj_opcode_flags[267];

/* Called by code.c on a new code object: arms the warm-up counters of its instructions
 * (the caches hold zeroes). */
void nj_specialize_init_code(PyCodeObject *co);
/* Original opcode at an index even when instrumented or specialized (code.c: co_code). */
uint8_t nj_code_original_opcode(PyCodeObject *co, int index);

/* sys.monitoring and tracing (monitor.c) */
extern PyObject *nj_monitor_module_new(void); /* the sys.monitoring namespace object */
/* Call with events changed: sys.settrace / setprofile of this thread. */
int nj_set_trace(PyThreadState *tstate, Py_tracefunc func, PyObject *arg);
int nj_set_profile(PyThreadState *tstate, Py_tracefunc func, PyObject *arg);
void nj_monitor_code_free(PyCodeObject *co);

#endif

/* vm_int.h - shared by the files of this folder and by the function/generator objects.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_VM_INT_H
#define NJ_VM_INT_H

#include "nj.h"
#include "objects/dict_int.h"
#include "objects/int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"
#include "runtime/state.h"
#include "vm/frame.h"
#include "vm/value.h"
#include "vm/vm.h"

/* ---- boxing (slowpath.c) ---- */
Value nj_box_fresh(NjFrame *frame, Value v);

#define NJ_BOX_SCAN_MAX 32 /* locals looked at; functions with more lose some identity */
/* box holds the number of v: locals with the same word get a reference to it. */
NJ_INLINE void
nj_box_spread(NjFrame *frame, PyObject *box, Value v)
{
    int n = nj_frame_peek_code(frame)->co_nlocalsplus;
    if (n > NJ_BOX_SCAN_MAX) {
        n = NJ_BOX_SCAN_MAX;
    }
    for (Value *p = frame->localsplus, *end = p + n; p < end; p++) {
        if (NJ_UNLIKELY(p->bits == v.bits)) {
            *p = nj_value_new(box);
        }
    }
}

/* A word with the object of integer word v: owned, or one of the immortal small ints. The
 * box also goes into every local of the frame that holds the same number, so that identity
 * stays stable. NULL word with MemoryError. */
NJ_INLINE Value
nj_box(NjFrame *frame, Value v)
{
    intptr_t i = nj_value_int(v);
    if (nj_is_small_int(i)) {
        return nj_value_borrow(nj_small_int(i));
    }
    return nj_box_fresh(frame, v);
}

/* Boxes n words in place; NULL words are left. 0 / -1. */
int nj_box_all_slow(NjFrame *frame, Value *words, int n);

NJ_INLINE int
nj_box_all(NjFrame *frame, Value *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (NJ_UNLIKELY(nj_value_is_int(words[i]))) {
            return nj_box_all_slow(frame, words + i, n - i);
        }
    }
    return 0;
}

/* Vectorcall of a C-level callable with boxed words. npos positional, then the values of
 * kwnames; args[-1] is scratch. Nothing is consumed. */
PyObject *nj_call_words(PyObject *func, Value *args, Py_ssize_t npos, PyObject *kwnames);

/* ---- slow halves of instructions (slowpath.c); all borrow their arguments ---- */
extern const binaryfunc nj_binary_ops[27];
void nj_raise_unbound_local(PyCodeObject *co, int i);
void nj_raise_unbound_deref(PyCodeObject *co, int i);
PyObject *nj_common_constant(PyThreadState *tstate, int i);
/* words: container, start, stop / value, container, start, stop; they stay the caller's. */
PyObject *nj_get_slice(NjFrame *f, Value *words);
int nj_set_slice(NjFrame *f, Value *words);
PyObject *nj_load_name(NjFrame *f, PyObject *name);
int nj_store_name(NjFrame *f, PyObject *name, PyObject *v);
int nj_delete_name(NjFrame *f, PyObject *name);
PyObject *nj_load_global(NjFrame *f, PyObject *name);
int nj_delete_global(NjFrame *f, PyObject *name);
PyObject *nj_load_from_dict_or_globals(NjFrame *f, PyObject *mapping, PyObject *name);
PyObject *nj_load_from_dict_or_deref(NjFrame *f, PyObject *mapping, int i);
PyObject *nj_load_super(PyObject *super, PyObject *cls, PyObject *self, PyObject *name,
                        bool two_args, bool *method);
PyObject *nj_special_names(int i);
void nj_raise_no_special(PyObject *owner, int i);
/* These two take the words over on success, and leave them on failure. */
PyObject *nj_tuple_from_words(NjFrame *f, Value *words, int n);
PyObject *nj_list_from_words(NjFrame *f, Value *words, int n);
PyObject *nj_build_map(NjFrame *f, Value *words, int n);
PyObject *nj_join_strings(Value *words, int n);
int nj_vm_list_append_steal(PyObject *list, NJ_STEALS PyObject *v);
int nj_list_extend(PyObject *list, PyObject *iterable);
int nj_set_add(PyObject *set, PyObject *v);
int nj_set_update(PyObject *set, PyObject *iterable);
int nj_map_add(PyObject *map, PyObject *key, PyObject *v);
int nj_dict_update_star(PyObject *d, PyObject *update);
int nj_dict_merge_star(PyObject *func, PyObject *d, PyObject *update);
PyObject *nj_format_simple(Value v);
/* words[0 .. n1 + (n2 >= 0) + n2): the last element first, as the stack wants them. 0, or
 * -1 with nothing written. n2 < 0: no starred target. */
int nj_unpack(PyObject *seq, int n1, int n2, Value *words);
PyObject *nj_match_keys(PyObject *subject, PyObject *keys);
PyObject *nj_match_class(PyObject *subject, PyObject *type, int npos, PyObject *names);
PyObject *nj_yield_from_iter(NjFrame *f, PyObject *iterable);
PyObject *nj_star_args_tuple(PyObject *func, PyObject *args);
PyObject *nj_intrinsic_1(PyThreadState *tstate, NjFrame *f, int which, PyObject *v);
PyObject *nj_intrinsic_2(PyThreadState *tstate, int which, PyObject *a, PyObject *b);
PyObject *nj_load_build_class(NjFrame *f);
int nj_setup_annotations(NjFrame *f);
PyObject *nj_import_name(PyThreadState *tstate, NjFrame *f, PyObject *name,
                         PyObject *fromlist, PyObject *level);
PyObject *nj_import_from(PyObject *module, PyObject *name);
/* A PySendResult, or NJ_ASEND_ENDED. */
int nj_send(PyObject *receiver, PyObject *v, PyObject **out);
/* An asynchronous generator has ended, StopAsyncIteration is due: where to go on if that
 * is the end of the `async for' at frame->instr_ptr, *depth what is left on the stack
 * there. Else NULL with the exception set. */
NjCodeUnit *nj_async_for_end(NjFrame *frame, int *depth);
PyObject *nj_get_awaitable(PyObject *o, int where);
PyObject *nj_get_aiter(PyObject *o);
PyObject *nj_get_anext(PyObject *aiter);

/* ---- exceptions (unwind.c) ---- */
int nj_check_except_type(PyObject *type);
/* Steals both (may be NULL). 1: re-raised as it was; 0: raised (or failed). */
int nj_do_raise(PyThreadState *tstate, NJ_STEALS PyObject *exc, NJ_STEALS PyObject *cause);

/* Is the newest entry of the traceback of the exception that is set one of this frame? */
bool nj_traceback_starts_at(PyThreadState *tstate, NjFrame *frame);

/* ---- functions, cells, generators ---- */
PyObject *nj_cell_new_steal(NJ_STEALS PyObject *v);
NJ_MUST int nj_func_set_attribute(PyObject *func, int which, PyObject *v);
/* The locals a call of this function runs with: NULL, or (not optimized code) globals. */
NJ_INLINE PyObject *
nj_func_locals(Value func)
{
    PyFunctionObject *f = (PyFunctionObject *)nj_value_ptr(func);
    int flags = ((PyCodeObject *)f->func_code)->co_flags;
    return NJ_LIKELY(flags & CO_OPTIMIZED) ? NULL : Py_NewRef(f->func_globals);
}
/* Frame for func(*args, **kwargs); all borrowed. */
NjFrame *nj_frame_push_ex(PyThreadState *tstate, PyObject *func, PyObject *args,
                          PyObject *kwargs);
/* A generator's frame has ended (returned or raised): clears it. */
void nj_gen_frame_done(PyThreadState *tstate, NjFrame *f);

/* ---- integers ---- */
NJ_INLINE bool
nj_int_binary(int op, intptr_t a, intptr_t b, intptr_t *out)
{
    intptr_t r;
    switch (op) {
    case 0: /* NB_ADD */
    case 13:
        r = a + b;
        break;
    case 10: /* NB_SUBTRACT */
    case 23:
        r = a - b;
        break;
    case 5: /* NB_MULTIPLY */
    case 18:
        if (__builtin_mul_overflow(a, b, &r)) {
            return false;
        }
        break;
    case 1: /* NB_AND */
    case 14:
        *out = a & b;
        return true;
    case 7: /* NB_OR */
    case 20:
        *out = a | b;
        return true;
    case 12: /* NB_XOR */
    case 25:
        *out = a ^ b;
        return true;
    case 2: /* NB_FLOOR_DIVIDE */
    case 15:
        if (b == 0) {
            return false;
        }
        r = a / b;
        if ((a % b != 0) && ((a < 0) != (b < 0))) {
            r--;
        }
        break;
    case 6: /* NB_REMAINDER */
    case 19:
        if (b == 0) {
            return false;
        }
        r = a % b;
        if (r != 0 && ((r < 0) != (b < 0))) {
            r += b;
        }
        break;
    case 9: /* NB_RSHIFT */
    case 22:
        if (b < 0) {
            return false;
        }
        r = b > 63 ? (a < 0 ? -1 : 0) : a >> b;
        break;
    case 3: /* NB_LSHIFT */
    case 16:
        if (b < 0 || b > 60) {
            return false;
        }
        r = (intptr_t)((uintptr_t)a << b);
        if (r >> b != a) {
            return false;
        }
        break;
    default:
        return false;
    }
    if (!nj_int_fits(r)) {
        return false;
    }
    *out = r;
    return true;
}

NJ_INLINE bool
nj_compare_int(int op, intptr_t a, intptr_t b)
{
    switch (op) {
    case Py_LT:
        return a < b;
    case Py_LE:
        return a <= b;
    case Py_EQ:
        return a == b;
    case Py_NE:
        return a != b;
    case Py_GT:
        return a > b;
    default:
        return a >= b;
    }
}

/* ---- specialization (specialize*.c) ----
 * The first cache unit of an adaptive instruction is a counter: 12 bits of count-down, 4
 * bits of back-off. At zero the instruction's specializer looks at the operands and
 * rewrites the opcode in place, or backs off. */
#define NJ_COUNTER_WARMUP ((1 << 4) | 1)
#define NJ_COUNTER_COOLDOWN ((52 << 4) | 0)

void nj_specialize_to_bool(Value v, NjCodeUnit *instr);
void nj_specialize_load_super(Value super, Value cls, NjCodeUnit *instr, int method);
void nj_specialize_send(PyObject *receiver, NjCodeUnit *instr, int oparg);
void nj_specialize_binary_op(NjFrame *f, Value a, Value b, NjCodeUnit *instr, int oparg);
void nj_specialize_compare_op(Value a, Value b, NjCodeUnit *instr, int oparg);
void nj_specialize_contains_op(Value container, NjCodeUnit *instr);
void nj_specialize_store_subscr(Value container, Value sub, NjCodeUnit *instr);
void nj_specialize_load_global(NjFrame *f, NjCodeUnit *instr, PyObject *name);
void nj_specialize_load_attr(NjFrame *f, Value owner, NjCodeUnit *instr, PyObject *name,
                             int method);
void nj_specialize_store_attr(Value owner, NjCodeUnit *instr, PyObject *name);
void nj_specialize_unpack_sequence(Value seq, NjCodeUnit *instr, int oparg);
void nj_specialize_for_iter(Value iter, NjCodeUnit *instr, int oparg);
void nj_specialize_call(NjFrame *f, Value callable, Value self, NjCodeUnit *instr,
                        int nargs);

/* ---- monitoring (monitor.c) ---- */
const char *nj_monitor_event_name(int event);
/* Line of each code unit (-1: none); lives as long as the code. NULL with MemoryError. */
const int *nj_code_lines(PyCodeObject *co);
/* The same if they are at hand, else NULL; no exception. */
const int *nj_code_known_lines(PyCodeObject *co);
/* f_trace_opcodes was switched on for some frame. */
int nj_trace_opcodes(PyThreadState *tstate);
/* frame.f_lineno = v (jump.c). 0 / -1. */
int nj_frame_jump(PyFrameObject *fo, PyObject *v);
int nj_monitor_instrument(PyCodeObject *co, PyThreadState *tstate);
/* Fires what is due before the instrumented instruction at f->instr_ptr runs: its plain
 * opcode, or -1. f->instr_ptr changes when a trace function jumps. */
int nj_monitor_before(PyThreadState *tstate, NjFrame *f, NjCodeUnit *prev, int oparg,
                      unsigned *events);
int nj_monitor_c_call(PyThreadState *tstate, NjFrame *f, int op, int oparg, PyObject **out);
NJ_MUST PyObject *nj_monitor_load_super(PyThreadState *tstate, NjFrame *f, PyObject *name,
                                        int oparg);
int nj_monitor_branch(PyThreadState *tstate, NjFrame *f, NjCodeUnit *from, NjCodeUnit *to,
                      bool right);
int nj_monitor_stop_iteration(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr);
/* Raise-like events. The exception is set; a failing callback replaces it. */
void nj_monitor_raise(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr);
void nj_monitor_reraise(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr);
void nj_monitor_unwind(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr);
int nj_monitor_handled(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr);
void nj_monitor_throw(PyThreadState *tstate, NjFrame *f, NjCodeUnit *instr);
NJ_INLINE bool
nj_monitor_wants(PyThreadState *tstate, int event)
{
    return NJ_UNLIKELY(tstate->interp->vm.monitor.tools[event] != 0);
}

#endif

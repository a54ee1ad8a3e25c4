/* frame.h - the frame of a running Python function, and the data stack it lives on.
 *
 * struct _PyInterpreterFrame has the exact layout that greenlet, Cython and debuggers
 * read (reference/abi 2.3). A frame of an ordinary call lives in the thread's data stack:
 * chunks {previous, size, top, data} from PyObject_GetArenaAllocator, reached from the
 * thread state, swapped as a whole by greenlet (which starts with no chunk at all: the
 * root chunk is made lazily). A frame of a generator lives inside the generator object.
 * When a frame ends while a frame object is still referenced, the record is copied into
 * the frame object ("take ownership").
 *
 * localsplus: fast locals, cells, free variables, then the evaluation stack. stackpointer
 * points behind the last live stack word whenever the frame is not on the processor, and
 * at every point where other code may look (calls out). instr_ptr names the instruction
 * being executed; of a frame that has called another: the call instruction, and
 * return_offset says how far behind it execution continues.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_VM_FRAME_H
#define NJ_VM_FRAME_H

#include "nj.h"
#include "vm/value.h"

typedef union NjCodeUnit {
    uint16_t cache;
    struct {
        uint8_t code;
        uint8_t arg;
    } op;
    uint16_t counter;
} NjCodeUnit;

enum {
    NJ_FRAME_OWNED_BY_THREAD = 0,
    NJ_FRAME_OWNED_BY_GENERATOR = 1,
    NJ_FRAME_OWNED_BY_FRAME_OBJECT = 2,
    NJ_FRAME_OWNED_BY_INTERPRETER = 3, /* no Python frame: skipped by everybody */
};
enum {
    NJ_FRAME_IS_INIT = 1, /* an __init__ whose class was called: its result is dropped */
    NJ_FRAME_ENTERED = 2, /* C called it: an evaluation loop began with it */
};

struct _PyInterpreterFrame {
    Value f_executable;                   /* the code object, owned */
    struct _PyInterpreterFrame *previous; /* caller, or NULL */
    Value f_funcobj;                      /* the function, owned; NULL for none */
    PyObject *f_globals;                  /* borrowed from the function */
    PyObject *f_builtins;                 /* borrowed from the function */
    PyObject *f_locals;                   /* owned; NULL for functions */
    PyFrameObject *frame_obj;             /* owned; NULL until somebody asks */
    NjCodeUnit *instr_ptr;
    Value *stackpointer;
    uint16_t return_offset; /* in code units from instr_ptr */
    char owner;
    uint8_t visited; /* our marks: NJ_FRAME_IS_INIT, NJ_FRAME_ENTERED */
    Value localsplus[1];
};
typedef struct _PyInterpreterFrame NjFrame;

#define NJ_FRAME_WORDS ((int)(offsetof(NjFrame, localsplus) / sizeof(Value)))
static_assert(sizeof(NjFrame) == 88, "ABI");
static_assert(offsetof(NjFrame, stackpointer) == 64, "ABI");
static_assert(offsetof(NjFrame, owner) == 74, "ABI");

struct _frame {
    PyObject_HEAD
    PyFrameObject *f_back;     /* owned; set when the frame left the stack, or by Cython */
    NjFrame *f_frame;          /* the live record, or _f_frame_data once taken over */
    PyObject *f_trace;         /* owned: local trace function */
    int f_lineno;              /* non-zero overrides the computed line */
    char f_trace_lines;
    char f_trace_opcodes;
    PyObject *f_extra_locals;  /* owned dict: names written through f_locals only */
    PyObject *f_locals_cache;  /* owned dict: PyEval_GetLocals of a function frame */
    PyObject *f_overwritten_fast_locals; /* owned tuple: values replaced while borrowed */
    PyObject *_f_frame_data[1]; /* room for the record once the frame object owns it */
};
static_assert(offsetof(struct _frame, _f_frame_data) == 72, "ABI");

enum {
    NJ_GEN_CREATED = -3,
    NJ_GEN_SUSPENDED = -2,
    NJ_GEN_SUSPENDED_YIELD_FROM = -1,
    NJ_GEN_EXECUTING = 0,
    NJ_GEN_COMPLETED = 1, /* returned or raised; the frame is being cleared */
    NJ_GEN_CLEARED = 4,
};

struct _PyGenObject {
    PyObject_HEAD
    PyObject *gi_weakreflist;
    PyObject *gi_name;
    PyObject *gi_qualname;
    _PyErr_StackItem gi_exc_state;
    PyObject *gi_origin_or_finalizer; /* coroutine: cr_origin; async generator: finalizer */
    char gi_hooks_inited;
    char gi_closed;
    char gi_running_async;
    int8_t gi_frame_state;
    NjFrame gi_iframe;
};
static_assert(sizeof(struct _PyGenObject) == 160, "ABI");

NJ_INLINE PyCodeObject *
nj_frame_peek_code(NjFrame *f)
{
    return (PyCodeObject *)nj_value_ptr(f->f_executable);
}

NJ_INLINE PyFunctionObject *
nj_frame_peek_func(NjFrame *f)
{
    return (PyFunctionObject *)nj_value_ptr(f->f_funcobj);
}

NJ_INLINE NjCodeUnit *
nj_code_units(PyCodeObject *co)
{
    return (NjCodeUnit *)co->co_code_adaptive;
}

NJ_INLINE Value *
nj_frame_stack_base(NjFrame *f)
{
    return f->localsplus + nj_frame_peek_code(f)->co_nlocalsplus;
}

/* Byte offset of the current instruction; -1 (well, less than 0) before the first. */
NJ_INLINE int
nj_frame_lasti(NjFrame *f)
{
    return (int)((char *)f->instr_ptr -
                 (char *)nj_code_units(nj_frame_peek_code(f)));
}

NJ_INLINE struct _PyGenObject *
nj_frame_peek_gen(NjFrame *f)
{
    assert(f->owner == NJ_FRAME_OWNED_BY_GENERATOR);
    return (struct _PyGenObject *)((char *)f - offsetof(struct _PyGenObject, gi_iframe));
}

/* A frame that Python code must not see: not a frame at all, or one that has not reached
 * its first traceable instruction (RESUME). */
NJ_INLINE bool
nj_frame_is_incomplete(NjFrame *f)
{
    if (f->owner >= NJ_FRAME_OWNED_BY_INTERPRETER) {
        return true;
    }
    return f->owner != NJ_FRAME_OWNED_BY_GENERATOR &&
           f->instr_ptr < nj_code_units(nj_frame_peek_code(f)) +
                              nj_frame_peek_code(f)->_co_firsttraceable;
}

NJ_INLINE NjFrame *
nj_frame_first_complete(NjFrame *f)
{
    while (f && nj_frame_is_incomplete(f)) {
        f = f->previous;
    }
    return f;
}

/* Room for `words` words on the thread's data stack, in a new chunk. NULL with
 * MemoryError. */
NJ_MUST Value *nj_stack_grow(PyThreadState *tstate, Py_ssize_t words);

NJ_INLINE NJ_MUST Value *
nj_stack_push(PyThreadState *tstate, Py_ssize_t words)
{
    Value *top = (Value *)tstate->datastack_top;
    /* a new greenlet has no chunk: top and limit are NULL, and the test fails */
    if (NJ_LIKELY(words < (Value *)tstate->datastack_limit - top)) {
        tstate->datastack_top = (PyObject **)(top + words);
        return top;
    }
    return nj_stack_grow(tstate, words);
}

void nj_stack_pop_slow(PyThreadState *tstate, void *base);

NJ_INLINE void
nj_stack_pop(PyThreadState *tstate, void *base)
{
    if (NJ_UNLIKELY(base == (void *)&tstate->datastack_chunk->data[0])) {
        nj_stack_pop_slow(tstate, base);
        return;
    }
    tstate->datastack_top = (PyObject **)base;
}

/* Words of a frame record of this code. */
NJ_INLINE Py_ssize_t
nj_code_frame_words(PyCodeObject *co)
{
    return (Py_ssize_t)co->co_nlocalsplus + co->co_stacksize + NJ_FRAME_WORDS;
}

/* Fills the header of a fresh frame. Steals func (a word holding the function). Locals
 * are not touched. */
NJ_INLINE void
nj_frame_init(NjFrame *f, NjFrame *previous, Value func, PyObject *locals,
              PyCodeObject *co)
{
    PyFunctionObject *fn = (PyFunctionObject *)nj_value_ptr(func);
    f->previous = previous;
    f->f_funcobj = func;
    Py_INCREF(co);
    f->f_executable = nj_value_steal((PyObject *)co);
    f->f_globals = fn->func_globals;
    f->f_builtins = fn->func_builtins;
    f->f_locals = locals;
    f->frame_obj = NULL;
    f->instr_ptr = nj_code_units(co);
    f->stackpointer = f->localsplus + co->co_nlocalsplus;
    f->return_offset = 0;
    f->owner = NJ_FRAME_OWNED_BY_THREAD;
    f->visited = 0;
}

/* Drops everything the record holds except f_funcobj and f_executable: locals, stack,
 * f_locals, the frame object (which takes the record over when it lives on). Runs Python
 * code. */
void nj_frame_clear_locals(NjFrame *f);
void nj_frame_clear_except_code(NjFrame *f);

/* Ends the frame: clears it and gives its memory back. The caller has already made
 * f->previous the current frame. */
void nj_frame_clear_and_pop(PyThreadState *tstate, NjFrame *f);

/* The frame object of a frame, created on demand: borrowed. NULL with MemoryError. */
NJ_MUST PyFrameObject *nj_frame_peek_object(NjFrame *f);

/* Moves the record into the frame object, when the frame ends before its object does. */
void nj_frame_take_ownership(PyFrameObject *fo, NjFrame *f);

/* Visits the references of a suspended record (generator or taken-over frame). */
int nj_frame_traverse(NjFrame *f, visitproc visit, void *arg);
/* The same without the evaluation stack, for a frame that is on the processor. */
int nj_frame_traverse_locals(NjFrame *f, visitproc visit, void *arg);

/* Current line, or -1. */
int nj_frame_line(NjFrame *f);

/* A local variable as an object, new reference: cells are looked through; the box of an
 * integer word is written back into the slot so that a second look gives the same object.
 * 1 found, 0 unbound, -1 error. */
int nj_frame_get_local(NjFrame *f, int i, PyObject **out);

/* f_locals of a frame: new reference (the namespace, or a FrameLocalsProxy). */
NJ_MUST PyObject *nj_frame_locals(NjFrame *f);
NJ_MUST PyObject *nj_frame_locals_proxy(PyFrameObject *fo);

#endif

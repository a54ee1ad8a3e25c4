/* refcount.c - reference counts, immortals, and deallocation of deep structures.
 *
 * _Py_Dealloc bounds how deep tp_dealloc calls of GC types nest (the "trashcan"): when
 * the C stack runs low an object is untracked and put on PyThreadState.delete_later,
 * chained through its GC header, and destroyed once the stack has come up again. greenlet
 * saves and restores delete_later, so no other list may be used; and since it switches C
 * stacks in the middle of a tp_dealloc, the depth is read off the stack pointer: a counter
 * of nested calls would be carried from one greenlet into the other.
 *
 * An immortal object's count never changes; ob_flags and ob_overflow stay 0 on mortal
 * objects (extensions decrement the whole 64-bit word).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

/* How far above the soft limit of the C stack objects are put aside, and how far above it
 * they are destroyed again. */
NJ_INLINE uintptr_t
deposit_limit(const NjThread *t)
{
    return t->c_stack_soft + (t->c_stack_top - t->c_stack_soft) / 8;
}

NJ_INLINE uintptr_t
drain_limit(const NjThread *t)
{
    return t->c_stack_soft + (t->c_stack_top - t->c_stack_soft) / 4;
}

NJ_COLD static void
deposit(PyThreadState *tstate, PyObject *op)
{
    nj_gc_untrack(op);
    NjGCHead *g = nj_gc_head(op);
    g->prev = (g->prev & ~NJ_GC_PREV_MASK) | (uintptr_t)tstate->delete_later;
    tstate->delete_later = op;
}

NJ_COLD static void
drain(PyThreadState *tstate)
{
    while (tstate->delete_later) {
        PyObject *op = tstate->delete_later;
        NjGCHead *g = nj_gc_head(op);
        tstate->delete_later = (PyObject *)(g->prev & NJ_GC_PREV_MASK);
        g->prev &= ~NJ_GC_PREV_MASK;
        Py_TYPE(op)->tp_dealloc(op);
    }
}

void
_Py_Dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    destructor dealloc = tp->tp_dealloc;
    if (NJ_UNLIKELY(nj_runtime.reftracer != NULL)) {
        nj_runtime.reftracer(op, PyRefTracer_DESTROY, nj_runtime.reftracer_data);
    }
    if (!(tp->tp_flags & Py_TPFLAGS_HAVE_GC)) {
        dealloc(op);
        return;
    }
    NjThread *thread = nj_thread();
    if (NJ_UNLIKELY(!thread)) {
        dealloc(op);
        return;
    }
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    if (NJ_UNLIKELY(here < deposit_limit(thread)) && PyObject_IS_GC(op)) {
        deposit(&thread->base, op);
        return;
    }
    dealloc(op);
    if (NJ_UNLIKELY(thread->base.delete_later != NULL) && here > drain_limit(thread)) {
        drain(&thread->base);
    }
}

/* Kept for extensions built against the old macros. */
PyAPI_FUNC(void) _PyTrash_thread_deposit_object(PyThreadState *tstate, PyObject *op);
void
_PyTrash_thread_deposit_object(PyThreadState *tstate, PyObject *op)
{
    deposit(tstate, op);
}

PyAPI_FUNC(void) _PyTrash_thread_destroy_chain(PyThreadState *tstate);
void
_PyTrash_thread_destroy_chain(PyThreadState *tstate)
{
    drain(tstate);
}

NJ_COLD void
nj_tell_new(PyObject *op)
{
    if (nj_tracemalloc_tracing()) {
        nj_tracemalloc_new(op);
    }
    if (nj_runtime.reftracer) {
        nj_runtime.reftracer(op, PyRefTracer_CREATE, nj_runtime.reftracer_data);
    }
}

void
nj_watch_new(void)
{
    nj_runtime.watch_new = nj_runtime.reftracer != NULL || nj_tracemalloc_tracing();
}

void
_Py_NewReference(PyObject *op)
{
    op->ob_refcnt_full = 1;
    nj_trace_new(op);
}

void
_Py_NewReferenceNoTotal(PyObject *op)
{
    op->ob_refcnt_full = 1;
}

/* The total of references is kept by debug builds of the reference alone. */
PyAPI_FUNC(void) _Py_ForgetReference(PyObject *op);
void
_Py_ForgetReference(PyObject *Py_UNUSED(op))
{
}

/* A place for a debugger's breakpoint. */
void
_Py_BreakPoint(void)
{
}

void
_Py_ResurrectReference(PyObject *op)
{
    op->ob_refcnt_full = 1;
}

int
PyRefTracer_SetTracer(PyRefTracer tracer, void *data)
{
    nj_runtime.reftracer = tracer;
    nj_runtime.reftracer_data = data;
    nj_watch_new();
    return 0;
}

PyRefTracer
PyRefTracer_GetTracer(void **data)
{
    if (data) {
        *data = nj_runtime.reftracer_data;
    }
    return nj_runtime.reftracer;
}

#undef Py_IncRef
#undef Py_DecRef
void
Py_IncRef(PyObject *op)
{
    Py_XINCREF(op);
}

void
Py_DecRef(PyObject *op)
{
    Py_XDECREF(op);
}

void
_Py_IncRef(PyObject *op)
{
    Py_INCREF(op);
}

void
_Py_DecRef(PyObject *op)
{
    Py_DECREF(op);
}

#undef Py_NewRef
#undef Py_XNewRef
PyObject *
Py_NewRef(PyObject *op)
{
    Py_INCREF(op);
    return op;
}

PyObject *
Py_XNewRef(PyObject *op)
{
    Py_XINCREF(op);
    return op;
}

#undef Py_REFCNT
Py_ssize_t
Py_REFCNT(PyObject *op)
{
    return (Py_ssize_t)op->ob_refcnt;
}

#undef Py_TYPE
PyTypeObject *
Py_TYPE(PyObject *op)
{
    return op->ob_type;
}

PyAPI_FUNC(void) _Py_SetRefcnt(PyObject *op, Py_ssize_t n);
void
_Py_SetRefcnt(PyObject *op, Py_ssize_t n)
{
    if ((int32_t)op->ob_refcnt < 0) {
        return;
    }
    op->ob_refcnt = (uint32_t)n;
}

PyAPI_FUNC(void) _Py_SetImmortal(PyObject *op);
void
_Py_SetImmortal(PyObject *op)
{
    if (op && PyObject_IS_GC(op) && nj_gc_is_tracked(op)) {
        nj_gc_untrack(op);
    }
    op->ob_flags |= _Py_IMMORTAL_FLAGS;
    op->ob_refcnt = _Py_IMMORTAL_INITIAL_REFCNT;
}

int
PyUnstable_IsImmortal(PyObject *op)
{
    return (int32_t)op->ob_refcnt < 0;
}

int
PyUnstable_Object_IsUniquelyReferenced(PyObject *op)
{
    return op->ob_refcnt == 1;
}

int
PyUnstable_Object_EnableDeferredRefcount(PyObject *op)
{
    return 0; /* a free-threading notion: never enabled with a GIL */
}

int
PyUnstable_TryIncRef(PyObject *op)
{
    if (op->ob_refcnt == 0) {
        return 0;
    }
    Py_INCREF(op);
    return 1;
}

void
PyUnstable_EnableTryIncRef(PyObject *op)
{
}

NJ_COLD static void
describe(FILE *f, PyObject *op)
{
    fprintf(f, "object address  : %p\n", (void *)op);
    fprintf(f, "object refcount : %zd\n", (Py_ssize_t)op->ob_refcnt);
    fprintf(f, "object type     : %p\n", (void *)op->ob_type);
    fprintf(f, "object type name: %s\n", op->ob_type ? op->ob_type->tp_name : "NULL");
    fprintf(f, "object repr     : ");
    fflush(f);
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *exc = PyErr_GetRaisedException();
    if (PyObject_Print(op, f, 0) < 0) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
    PyGILState_Release(gil);
    fprintf(f, "\n");
    fflush(f);
}

void
_PyObject_Dump(PyObject *op)
{
    if (!op) {
        fprintf(stderr, "<object at NULL>\n");
        return;
    }
    describe(stderr, op);
}

void
_PyObject_AssertFailed(PyObject *obj, const char *expr, const char *msg,
                       const char *file, int line, const char *function)
{
    fprintf(stderr, "%s:%d: ", file, line);
    if (function) {
        fprintf(stderr, "%s: ", function);
    }
    if (expr) {
        fprintf(stderr, "Assertion \"%s\" failed", expr);
    }
    else {
        fprintf(stderr, "Assertion failed");
    }
    if (msg) {
        fprintf(stderr, ": %s", msg);
    }
    fprintf(stderr, "\n");
    if (obj) {
        fprintf(stderr, "\n");
        _PyObject_Dump(obj);
    }
    _Py_FatalErrorFunc(__func__, "_PyObject_AssertFailed");
}

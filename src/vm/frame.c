/* frame.c - the data stack, and the beginning and end of frames.
 *
 * The data stack is a chain of chunks from the arena allocator, top one first. The first
 * word of the root chunk is never used, so that popping a frame can tell "this was the
 * first frame of a chunk" (give the chunk back) from everything else by one comparison.
 * One emptied chunk is kept in datastack_cached_chunk, so that a call that straddles a
 * chunk's end in a loop does not allocate each time.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "vm/vm_int.h"

/* ---- data stack ---- */

Value *
nj_stack_grow(PyThreadState *tstate, Py_ssize_t words)
{
    size_t need = offsetof(_PyStackChunk, data) + ((size_t)words + 8) * sizeof(Value);
    size_t size = _PY_DATA_STACK_CHUNK_SIZE;
    while (size < need) {
        size *= 2;
    }
    _PyStackChunk *chunk = tstate->datastack_cached_chunk;
    if (chunk != NULL && chunk->size >= need) {
        tstate->datastack_cached_chunk = NULL;
    }
    else {
        PyObjectArenaAllocator arena;
        PyObject_GetArenaAllocator(&arena);
        chunk = arena.alloc(arena.ctx, size);
        if (chunk == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
        chunk->size = size;
    }
    _PyStackChunk *old = tstate->datastack_chunk;
    if (old != NULL) {
        old->top = (size_t)(tstate->datastack_top - &old->data[0]);
    }
    chunk->previous = old;
    chunk->top = 0;
    tstate->datastack_chunk = chunk;
    tstate->datastack_limit = (PyObject **)((char *)chunk + chunk->size);
    Value *base = (Value *)&chunk->data[old == NULL ? 1 : 0];
    tstate->datastack_top = (PyObject **)(base + words);
    return base;
}

static void
free_chunk(_PyStackChunk *chunk)
{
    PyObjectArenaAllocator arena;
    PyObject_GetArenaAllocator(&arena);
    arena.free(arena.ctx, chunk, chunk->size);
}

void
nj_stack_pop_slow(PyThreadState *tstate, void *base)
{
    _PyStackChunk *chunk = tstate->datastack_chunk;
    _PyStackChunk *previous = chunk->previous;
    assert(previous != NULL);
    tstate->datastack_chunk = previous;
    tstate->datastack_top = &previous->data[previous->top];
    tstate->datastack_limit = (PyObject **)((char *)previous + previous->size);
    _PyStackChunk *cached = tstate->datastack_cached_chunk;
    if (cached == NULL) {
        tstate->datastack_cached_chunk = chunk;
    }
    else {
        free_chunk(chunk);
    }
}

void
nj_vm_thread_init(PyThreadState *tstate)
{
    tstate->datastack_chunk = NULL;
    tstate->datastack_top = NULL;
    tstate->datastack_limit = NULL;
    tstate->datastack_cached_chunk = NULL;
}

void
nj_vm_thread_fini(PyThreadState *tstate)
{
    _PyStackChunk *chunk = tstate->datastack_chunk;
    tstate->datastack_chunk = NULL;
    tstate->datastack_top = tstate->datastack_limit = NULL;
    while (chunk != NULL) {
        _PyStackChunk *previous = chunk->previous;
        free_chunk(chunk);
        chunk = previous;
    }
    if (tstate->datastack_cached_chunk != NULL) {
        free_chunk(tstate->datastack_cached_chunk);
        tstate->datastack_cached_chunk = NULL;
    }
}

/* ---- frames ---- */

void
nj_frame_clear_locals(NjFrame *f)
{
    Value *p = f->localsplus;
    Value *end = f->stackpointer;
    f->stackpointer = f->localsplus;
    for (; p < end; p++) {
        Value v = *p;
        *p = NJ_VALUE_NULL;
        nj_value_xclose(v);
    }
    Py_CLEAR(f->f_locals);
}

void
nj_frame_clear_except_code(NjFrame *f)
{
    if (f->frame_obj != NULL) {
        PyFrameObject *fo = f->frame_obj;
        f->frame_obj = NULL;
        if (Py_REFCNT(fo) > 1) {
            nj_frame_take_ownership(fo, f);
            Py_DECREF(fo);
            return;
        }
        Py_DECREF(fo);
    }
    nj_frame_clear_locals(f);
    Value func = f->f_funcobj;
    f->f_funcobj = NJ_VALUE_NULL;
    nj_value_xclose(func);
}

void
nj_frame_clear_and_pop(PyThreadState *tstate, NjFrame *f)
{
    if (f->owner == NJ_FRAME_OWNED_BY_GENERATOR) {
        nj_gen_frame_done(tstate, f);
        return;
    }
    nj_frame_clear_except_code(f);
    nj_value_close(f->f_executable);
    nj_stack_pop(tstate, f);
}

PyFrameObject *
nj_frame_peek_object(NjFrame *f)
{
    if (f->frame_obj != NULL) {
        return f->frame_obj;
    }
    /* may be asked for while an exception is set */
    PyObject *exc = PyErr_GetRaisedException();
    PyCodeObject *co = nj_frame_peek_code(f);
    PyFrameObject *fo = PyObject_GC_NewVar(PyFrameObject, &PyFrame_Type,
                                           co->co_nlocalsplus + co->co_stacksize);
    if (fo == NULL) {
        Py_XDECREF(exc);
        return NULL;
    }
    PyErr_SetRaisedException(exc);
    fo->f_back = NULL;
    fo->f_frame = f;
    fo->f_trace = NULL;
    fo->f_lineno = 0;
    fo->f_trace_lines = 1;
    fo->f_trace_opcodes = 0;
    fo->f_extra_locals = NULL;
    fo->f_locals_cache = NULL;
    fo->f_overwritten_fast_locals = NULL;
    fo->_f_frame_data[0] = NULL;
    /* the allocation may have run the collector, which may have asked too */
    if (f->frame_obj != NULL) {
        fo->f_frame = (NjFrame *)fo->_f_frame_data;
        fo->f_frame->owner = NJ_FRAME_OWNED_BY_INTERPRETER;
        Py_DECREF(fo);
        return f->frame_obj;
    }
    f->frame_obj = fo;
    return fo;
}

void
nj_frame_take_ownership(PyFrameObject *fo, NjFrame *f)
{
    NjFrame *copy = (NjFrame *)fo->_f_frame_data;
    size_t n = (size_t)((char *)f->stackpointer - (char *)f);
    memcpy(copy, f, n);
    copy->stackpointer = (Value *)((char *)copy + n);
    for (Value *p = copy->localsplus; p < copy->stackpointer; p++) {
        *p = nj_value_own(*p);
    }
    copy->f_funcobj = nj_value_own(copy->f_funcobj);
    copy->f_executable = nj_value_own(copy->f_executable);
    copy->previous = NULL;
    copy->frame_obj = NULL; /* no cycle to itself */
    copy->owner = NJ_FRAME_OWNED_BY_FRAME_OBJECT;
    fo->f_frame = copy;
    /* the original keeps what its owner will close: the code, nothing else */
    Py_INCREF((PyObject *)nj_frame_peek_code(f));
    f->f_funcobj = NJ_VALUE_NULL;
    f->f_locals = NULL;
    f->stackpointer = f->localsplus;
    if (fo->f_back == NULL) {
        NjFrame *previous = nj_frame_first_complete(f->previous);
        if (previous != NULL) {
            PyFrameObject *back = nj_frame_peek_object(previous);
            if (back == NULL) {
                PyErr_Clear();
            }
            else {
                fo->f_back = (PyFrameObject *)Py_NewRef(back);
            }
        }
    }
    if (!nj_gc_is_tracked((PyObject *)fo)) {
        nj_gc_track((PyObject *)fo);
    }
}

static int
traverse_until(NjFrame *f, Value *end, visitproc visit, void *arg)
{
    Py_VISIT(f->f_locals);
    if (nj_value_is_owned(f->f_funcobj)) {
        Py_VISIT(nj_value_ptr(f->f_funcobj));
    }
    if (nj_value_is_owned(f->f_executable)) {
        Py_VISIT(nj_value_ptr(f->f_executable));
    }
    for (Value *p = f->localsplus; p < end; p++) {
        if (nj_value_is_owned(*p) && p->bits != 0) {
            Py_VISIT(nj_value_ptr(*p));
        }
    }
    return 0;
}

int
nj_frame_traverse(NjFrame *f, visitproc visit, void *arg)
{
    return traverse_until(f, f->stackpointer, visit, arg);
}

int
nj_frame_traverse_locals(NjFrame *f, visitproc visit, void *arg)
{
    return traverse_until(f, f->localsplus + nj_frame_peek_code(f)->co_nlocalsplus, visit, arg);
}

int
nj_frame_line(NjFrame *f)
{
    int lasti = nj_frame_lasti(f);
    PyCodeObject *co = nj_frame_peek_code(f);
    const int *lines = nj_code_known_lines(co);
    if (lines != NULL && lasti >= 0) {
        return lines[lasti / (int)sizeof(NjCodeUnit)];
    }
    return PyCode_Addr2Line(co, lasti < 0 ? 0 : lasti);
}

/* gc.h - the cycle collector's side of every container object.
 *
 * A GC object carries two words in front of it (the NjGCHead; 16 bytes, ABI). A tracked
 * object is linked into one of the generations of its interpreter; an untracked one has
 * next == 0. Low bits of prev are flags while the upper bits hold the link.
 *
 * New objects come from PyObject_GC_New / PyType_GenericAlloc *untracked* (the latter
 * tracks on return, as documented); call nj_gc_track once every field that tp_traverse
 * reads is valid, nj_gc_untrack first thing in tp_dealloc.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_GC_H
#define NJ_RUNTIME_GC_H

#include "nj.h"
#include "runtime/state.h"

#define NJ_GC_FINALIZED 1u  /* prev bit 0: tp_finalize ran */
#define NJ_GC_COLLECTING 2u /* prev bit 1: in the set under collection */
#define NJ_GC_PREV_MASK (~(uintptr_t)3)

NJ_INLINE NjGCHead *
nj_gc_head(PyObject *op)
{
    return (NjGCHead *)op - 1;
}

NJ_INLINE PyObject *
nj_gc_object(NjGCHead *g)
{
    return (PyObject *)(g + 1);
}

NJ_INLINE bool
nj_gc_is_tracked(PyObject *op)
{
    return nj_gc_head(op)->next != 0;
}

/* op is untracked and complete. Cannot fail, runs nothing. */
NJ_INLINE void
nj_gc_track(PyObject *op)
{
    NjGCHead *g = nj_gc_head(op);
    NjGCHead *young = &nj_interp()->gc.young;
    NjGCHead *last = (NjGCHead *)(young->prev);
    assert(g->next == 0);
    last->next = (uintptr_t)g;
    g->prev = (g->prev & ~NJ_GC_PREV_MASK) | (uintptr_t)last;
    g->next = (uintptr_t)young;
    young->prev = (uintptr_t)g;
}

NJ_INLINE void
nj_gc_untrack(PyObject *op)
{
    NjGCHead *g = nj_gc_head(op);
    if (g->next == 0) {
        return;
    }
    NjGCHead *prev = (NjGCHead *)(g->prev & NJ_GC_PREV_MASK);
    NjGCHead *next = (NjGCHead *)g->next;
    prev->next = (uintptr_t)next;
    next->prev = (next->prev & ~NJ_GC_PREV_MASK) | (uintptr_t)prev;
    g->next = 0;
    g->prev &= NJ_GC_FINALIZED;
}

/* Counts an allocation and asks for a collection at the next safe point when the young
 * generation is over its threshold. Called by the allocator of GC objects only. */
void nj_gc_count_alloc(NjInterp *interp);

#endif

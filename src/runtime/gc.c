/* gc.c - the cycle collector and the gc module.
 *
 * Three generations of tracked container objects plus a permanent one (gc.freeze). To
 * collect a generation: merge the younger ones into it; copy every object's reference
 * count into its header and subtract one for each reference from inside the set; what is
 * still positive is reachable from outside, and so is everything reachable from it; the
 * rest is garbage, unless a legacy tp_del is involved. Weak reference callbacks run,
 * then finalizers (PEP 442; whatever they resurrect is taken out again), then tp_clear
 * takes the garbage apart.
 *
 * During a collection the header's `prev' holds the count of references (shifted by two)
 * and lists are singly linked through `next'; links are restored before anything that can
 * run user code. Bits 0 and 1 of prev are FINALIZED and COLLECTING throughout.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/dict_int.h"
#include "objects/type_int.h"
#include "runtime/runtime.h"

#define DEBUG_STATS 1
#define DEBUG_COLLECTABLE 2
#define DEBUG_UNCOLLECTABLE 4
#define DEBUG_SAVEALL 32
#define DEBUG_LEAK (DEBUG_COLLECTABLE | DEBUG_UNCOLLECTABLE | DEBUG_SAVEALL)

#define UNREACHABLE_BIT ((uintptr_t)1) /* in next: tentatively unreachable */

typedef NjGCHead G;

NJ_INLINE G *
next_of(const G *g)
{
    return (G *)(g->next & ~UNREACHABLE_BIT);
}

NJ_INLINE G *
prev_of(const G *g)
{
    return (G *)(g->prev & NJ_GC_PREV_MASK);
}

NJ_INLINE void
set_prev(G *g, const G *p)
{
    g->prev = (g->prev & ~NJ_GC_PREV_MASK) | (uintptr_t)p;
}

NJ_INLINE void
list_init(G *l)
{
    l->next = l->prev = (uintptr_t)l;
}

NJ_INLINE bool
list_empty(const G *l)
{
    return l->next == (uintptr_t)l;
}

static void
list_append(G *g, G *l)
{
    G *last = (G *)l->prev;
    set_prev(g, last);
    last->next = (uintptr_t)g;
    g->next = (uintptr_t)l;
    l->prev = (uintptr_t)g;
}

static void
list_move(G *g, G *l)
{
    G *p = prev_of(g), *n = next_of(g);
    p->next = (uintptr_t)n;
    set_prev(n, p);
    list_append(g, l);
}

static void
list_merge(G *from, G *to)
{
    if (list_empty(from)) {
        return;
    }
    G *first = next_of(from), *last = (G *)(from->prev & NJ_GC_PREV_MASK);
    G *to_last = (G *)(to->prev & NJ_GC_PREV_MASK);
    to_last->next = (uintptr_t)first;
    set_prev(first, to_last);
    last->next = (uintptr_t)to;
    to->prev = (uintptr_t)last;
    list_init(from);
}

static Py_ssize_t
list_size(const G *l)
{
    Py_ssize_t n = 0;
    for (G *g = next_of(l); g != l; g = next_of(g)) {
        n++;
    }
    return n;
}

/* True if op has a GC header. */
NJ_INLINE bool
has_gc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    return (tp->tp_flags & Py_TPFLAGS_HAVE_GC) && (!tp->tp_is_gc || tp->tp_is_gc(op));
}

/* --- the references of the set ---------------------------------------------------------- */

#define REFS_SHIFT 2

NJ_INLINE bool
is_collecting(const G *g)
{
    return (g->prev & NJ_GC_COLLECTING) != 0;
}

NJ_INLINE Py_ssize_t
refs_of(const G *g)
{
    return (Py_ssize_t)(g->prev >> REFS_SHIFT);
}

NJ_INLINE void
set_refs(G *g, Py_ssize_t n)
{
    g->prev = (g->prev & ~NJ_GC_PREV_MASK) | ((uintptr_t)n << REFS_SHIFT);
}

NJ_INLINE int
visit_subtract(PyObject *op, void *unused)
{
    if (has_gc(op)) {
        G *g = nj_gc_head(op);
        if (is_collecting(g)) {
            g->prev -= (uintptr_t)1 << REFS_SHIFT;
        }
    }
    return 0;
}

/* op is referred to from something reachable: `list' is the young list to put it back. */
NJ_INLINE int
visit_reachable(PyObject *op, void *arg)
{
    G *reachable = arg;
    if (!has_gc(op)) {
        return 0;
    }
    G *g = nj_gc_head(op);
    if (!is_collecting(g)) {
        return 0;
    }
    Py_ssize_t refs = refs_of(g);
    if (g->next & UNREACHABLE_BIT) {
        /* it was moved away too early: back to the end of the list under scan */
        G *p = prev_of(g), *n = next_of(g);
        /* in the unreachable list prev is a real link, next carries the bit */
        p->next = (uintptr_t)n | (p->next & UNREACHABLE_BIT);
        set_prev(n, p);
        G *last = (G *)(reachable->prev & NJ_GC_PREV_MASK);
        last->next = (uintptr_t)g;
        g->next = (uintptr_t)reachable;
        reachable->prev = (uintptr_t)g;
        g->prev = (g->prev & ~NJ_GC_PREV_MASK) | ((uintptr_t)1 << REFS_SHIFT);
    }
    else if (refs == 0) {
        set_refs(g, 1);
    }
    return 0;
}

/* op's tp_traverse. Lists and tuples, where most references are, are walked here: a visit
 * that is inlined costs half of one that is called. */
NJ_INLINE void
traverse(PyObject *op, visitproc visit, void *arg)
{
    PyObject **items;
    if (PyList_CheckExact(op)) {
        items = ((PyListObject *)op)->ob_item;
    }
    else if (PyTuple_CheckExact(op)) {
        items = ((PyTupleObject *)op)->ob_item;
    }
    else {
        (void)Py_TYPE(op)->tp_traverse(op, visit, arg);
        return;
    }
    for (Py_ssize_t i = Py_SIZE(op); --i >= 0;) {
        if (items[i]) {
            visit(items[i], arg);
        }
    }
}

static bool
may_be_tracked(PyObject *op)
{
    return has_gc(op) &&
           (!PyTuple_CheckExact(op) || nj_gc_is_tracked(op));
}

/* A tuple of atoms, which cannot be part of a cycle. */
static bool
is_tuple_of_atoms(PyObject *op)
{
    if (!PyTuple_CheckExact(op)) {
        return false;
    }
    for (Py_ssize_t i = 0, n = PyTuple_GET_SIZE(op); i < n; i++) {
        PyObject *x = PyTuple_GET_ITEM(op, i);
        if (!x || may_be_tracked(x)) {
            return false;
        }
    }
    return true;
}

/* Splits `young' into what is reachable from outside (stays) and the rest. Afterwards both
 * lists are doubly linked again; members of unreachable keep COLLECTING and the bit in
 * next. Tuples of atoms leave the lists if `untrack'. Returns how many stay: every walk
 * over a long list waits for memory once per object, so there is no other to count them. */
static Py_ssize_t
deduce_unreachable(G *young, G *unreachable, bool untrack)
{
    Py_ssize_t stay = 0;
    for (G *g = next_of(young); g != young; g = next_of(g)) {
        PyObject *op = nj_gc_object(g);
        g->prev = (g->prev & NJ_GC_FINALIZED) | NJ_GC_COLLECTING |
                  ((uintptr_t)op->ob_refcnt << REFS_SHIFT);
    }
    for (G *g = next_of(young); g != young; g = next_of(g)) {
        PyObject *op = nj_gc_object(g);
        traverse(op, visit_subtract, NULL);
    }
    list_init(unreachable);
    G *prev = young;
    G *g = next_of(young);
    while (g != young) {
        if (refs_of(g)) {
            PyObject *op = nj_gc_object(g);
            traverse(op, visit_reachable, young);
            if (untrack && is_tuple_of_atoms(op)) {
                prev->next = g->next;
                g->next = 0;
                g->prev &= NJ_GC_FINALIZED;
            }
            else {
                set_prev(g, prev);
                g->prev &= ~(uintptr_t)NJ_GC_COLLECTING;
                prev = g;
                stay++;
            }
        }
        else {
            prev->next = g->next;
            G *last = (G *)(unreachable->prev & NJ_GC_PREV_MASK);
            last->next = UNREACHABLE_BIT | (uintptr_t)g;
            set_prev(g, last);
            g->next = UNREACHABLE_BIT | (uintptr_t)unreachable;
            unreachable->prev = (uintptr_t)g;
        }
        g = (G *)prev->next;
    }
    young->prev = (uintptr_t)prev;
    unreachable->next &= ~UNREACHABLE_BIT;
    return stay;
}

static void
clear_unreachable_bits(G *l)
{
    l->next &= ~UNREACHABLE_BIT;
    for (G *g = next_of(l); g != l; g = (G *)g->next) {
        g->next &= ~UNREACHABLE_BIT;
    }
}

/* --- what must not be collected: old tp_del ------------------------------------------------- */

static bool
has_legacy_finalizer(PyObject *op)
{
    return Py_TYPE(op)->tp_del != NULL;
}

static void
move_legacy(G *unreachable, G *legacy)
{
    for (G *g = next_of(unreachable), *next; g != unreachable; g = next) {
        next = next_of(g);
        g->next &= ~UNREACHABLE_BIT;
        if (has_legacy_finalizer(nj_gc_object(g))) {
            g->prev &= ~(uintptr_t)NJ_GC_COLLECTING;
            list_move(g, legacy);
        }
    }
}

static int
visit_move(PyObject *op, void *to)
{
    if (has_gc(op)) {
        G *g = nj_gc_head(op);
        if (is_collecting(g)) {
            g->prev &= ~(uintptr_t)NJ_GC_COLLECTING;
            list_move(g, to);
        }
    }
    return 0;
}

static void
move_reachable_from(G *legacy)
{
    for (G *g = next_of(legacy); g != legacy; g = next_of(g)) {
        PyObject *op = nj_gc_object(g);
        (void)Py_TYPE(op)->tp_traverse(op, visit_move, legacy);
    }
}

/* --- weak references -------------------------------------------------------------------------- */

/* Clears every weak reference to garbage, and runs the callbacks of those references that
 * are not garbage themselves. */
static int
handle_weakrefs(G *unreachable, G *old)
{
    int freed = 0;
    G todo;
    list_init(&todo);
    for (G *g = next_of(unreachable), *next; g != unreachable; g = next) {
        next = next_of(g);
        PyObject *op = nj_gc_object(g);
        if (PyWeakref_Check(op)) {
            /* a garbage reference with a callback must not fire later */
            nj_weakref_clear_ref((PyWeakReference *)op);
        }
        PyObject **list = nj_obj_weaklist_slot(op);
        if (!list) {
            continue;
        }
        for (PyWeakReference *wr = (PyWeakReference *)*list; wr;
             wr = (PyWeakReference *)*list) {
            nj_weakref_clear_ref(wr);
            if (!wr->wr_callback || is_collecting(nj_gc_head((PyObject *)wr))) {
                continue;
            }
            Py_INCREF(wr);
            list_move(nj_gc_head((PyObject *)wr), &todo);
        }
    }
    while (!list_empty(&todo)) {
        G *g = next_of(&todo);
        PyWeakReference *wr = (PyWeakReference *)nj_gc_object(g);
        PyObject *cb = wr->wr_callback;
        Py_INCREF(cb);
        nj_weakref_run_callback(wr, cb);
        Py_DECREF(cb);
        if (wr->ob_base.ob_refcnt == 1) {
            freed++;
        }
        /* the callback may have moved things: only if it still is our head */
        if (next_of(&todo) == g) {
            list_move(g, old);
        }
        Py_DECREF(wr);
    }
    return freed;
}

/* Clears the references made by finalizers, so that nobody gets at an object that tp_clear
 * took apart. Callbacks that belong to what survives have had their call or are new; they
 * do not run. */
static void
clear_late_weakrefs(G *unreachable)
{
    for (G *g = next_of(unreachable); g != unreachable; g = next_of(g)) {
        PyObject **list = nj_obj_weaklist_slot(nj_gc_object(g));
        if (list) {
            for (PyWeakReference *wr = (PyWeakReference *)*list; wr;
                 wr = (PyWeakReference *)*list) {
                nj_weakref_clear_ref(wr);
            }
        }
    }
}

/* --- finalizers --------------------------------------------------------------------------------- */

static void
run_finalizers(G *l)
{
    G seen;
    list_init(&seen);
    while (!list_empty(l)) {
        G *g = next_of(l);
        PyObject *op = nj_gc_object(g);
        list_move(g, &seen);
        destructor fin = Py_TYPE(op)->tp_finalize;
        if (fin && !(g->prev & NJ_GC_FINALIZED)) {
            g->prev |= NJ_GC_FINALIZED;
            Py_INCREF(op);
            fin(op);
            Py_DECREF(op);
        }
    }
    list_merge(&seen, l);
}

static void
debug_print(const char *what, PyObject *op)
{
    PySys_FormatStderr("gc: %s <%s %p>\n", what, Py_TYPE(op)->tp_name, op);
}

static void
delete_garbage(NjInterp *interp, G *garbage, G *old)
{
    NjGCState *gc = &interp->gc;
    while (!list_empty(garbage)) {
        G *g = next_of(garbage);
        PyObject *op = nj_gc_object(g);
        if (gc->debug & DEBUG_SAVEALL) {
            if (PyList_Append(gc->garbage, op) < 0) {
                PyErr_Clear();
            }
        }
        else {
            inquiry clear = Py_TYPE(op)->tp_clear;
            if (clear) {
                Py_INCREF(op);
                (void)clear(op);
                if (PyErr_Occurred()) {
                    PyErr_FormatUnraisable("Exception ignored in tp_clear of %s",
                                           Py_TYPE(op)->tp_name);
                }
                Py_DECREF(op);
            }
        }
        if (next_of(garbage) == g) {
            g->prev &= ~(uintptr_t)NJ_GC_COLLECTING;
            list_move(g, old);
        }
    }
}

/* --- untracking ------------------------------------------------------------------------------------ */

/* --- a collection ------------------------------------------------------------------------------------- */

static void
run_callbacks(NjInterp *interp, const char *phase, int generation, Py_ssize_t collected,
              Py_ssize_t uncollectable)
{
    NjGCState *gc = &interp->gc;
    if (!gc->callbacks || PyList_GET_SIZE(gc->callbacks) == 0) {
        return;
    }
    PyObject *info = Py_BuildValue("{sisnsn}", "generation", generation, "collected",
                                   collected, "uncollectable", uncollectable);
    PyObject *name = PyUnicode_FromString(phase);
    if (!info || !name) {
        PyErr_FormatUnraisable("Exception ignored on invoking gc callbacks");
    }
    else {
        PyObject *list = Py_NewRef(gc->callbacks);
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
            PyObject *cb = Py_NewRef(PyList_GET_ITEM(list, i));
            PyObject *args[2] = {name, info};
            PyObject *r = PyObject_Vectorcall(cb, args, 2, NULL);
            if (!r) {
                PyErr_FormatUnraisable("Exception ignored while calling GC callback %R",
                                       cb);
            }
            Py_XDECREF(r);
            Py_DECREF(cb);
        }
        Py_DECREF(list);
    }
    Py_XDECREF(info);
    Py_XDECREF(name);
}

static Py_ssize_t
collect_main(NjInterp *interp, int generation, Py_ssize_t *out_uncollectable, bool nofail)
{
    NjGCState *gc = &interp->gc;
    G *gens[3] = {&gc->young, &gc->middle, &gc->old};
    PyTime_t t0 = 0;
    if (!gc->garbage) {
        gc->garbage = PyList_New(0);
        if (!gc->garbage) {
            PyErr_Clear();
            return 0;
        }
    }
    if (gc->debug & DEBUG_STATS) {
        PySys_WriteStderr("gc: collecting generation %d...\n", generation);
        PySys_FormatStderr("gc: objects in each generation: %zd %zd %zd\n",
                           list_size(gens[0]), list_size(gens[1]), list_size(gens[2]));
        PySys_FormatStderr("gc: objects in permanent generation: %zd\n",
                           list_size(&gc->permanent));
        (void)PyTime_PerfCounterRaw(&t0);
    }
    if (generation + 1 < 3) {
        gc->count[generation + 1]++;
    }
    for (int i = 0; i <= generation; i++) {
        gc->count[i] = 0;
    }
    for (int i = 0; i < generation; i++) {
        list_merge(gens[i], gens[generation]);
    }
    G *young = gens[generation];
    G *old = generation < 2 ? gens[generation + 1] : young;
    G unreachable;
    Py_ssize_t stay = deduce_unreachable(young, &unreachable, true);
    if (young != old) {
        if (generation == 1) {
            gc->long_lived_pending += stay;
        }
        list_merge(young, old);
    }
    else {
        gc->long_lived_pending = 0;
        gc->long_lived_total = stay;
    }
    G legacy;
    list_init(&legacy);
    move_legacy(&unreachable, &legacy);
    clear_unreachable_bits(&unreachable);
    move_reachable_from(&legacy);
    Py_ssize_t m = 0, n = 0;
    if (gc->debug & DEBUG_COLLECTABLE) {
        for (G *g = next_of(&unreachable); g != &unreachable; g = next_of(g)) {
            debug_print("collectable", nj_gc_object(g));
        }
    }
    m += handle_weakrefs(&unreachable, old);
    for (G *g = next_of(&unreachable); g != &unreachable; g = next_of(g)) {
        g->prev &= ~(uintptr_t)NJ_GC_COLLECTING;
    }
    run_finalizers(&unreachable);
    /* finalizers may have made some of it reachable again */
    G still;
    (void)deduce_unreachable(&unreachable, &still, false);
    clear_unreachable_bits(&still);
    list_merge(&unreachable, old);
    for (G *g = next_of(&still); g != &still; g = next_of(g)) {
        m++;
    }
    clear_late_weakrefs(&still);
    delete_garbage(interp, &still, old);
    for (G *g = next_of(&legacy); g != &legacy; g = next_of(g)) {
        n++;
        if (gc->debug & DEBUG_UNCOLLECTABLE) {
            debug_print("uncollectable", nj_gc_object(g));
        }
    }
    for (G *g = next_of(&legacy); g != &legacy; g = next_of(g)) {
        PyObject *op = nj_gc_object(g);
        if (((gc->debug & DEBUG_SAVEALL) || has_legacy_finalizer(op)) &&
            PyList_Append(gc->garbage, op) < 0) {
            PyErr_Clear();
        }
    }
    list_merge(&legacy, old);
    if (gc->debug & DEBUG_STATS) {
        PyTime_t t1 = 0;
        (void)PyTime_PerfCounterRaw(&t1);
        char buf[160];
        snprintf(buf, sizeof buf,
                 "gc: done, %zd unreachable, %zd uncollectable, %.4fs elapsed\n", m + n, n,
                 PyTime_AsSecondsDouble(t1 - t0));
        PySys_WriteStderr("%s", buf);
    }
    if (PyErr_Occurred()) {
        if (nofail) {
            PyErr_Clear();
        }
        else {
            PyErr_FormatUnraisable("Exception ignored in garbage collection");
        }
    }
    gc->stats[generation].collections++;
    gc->stats[generation].collected += m;
    gc->stats[generation].uncollectable += n;
    *out_uncollectable = n;
    return m + n;
}

NJ_PROBE_DEFINE(gc__start);
NJ_PROBE_DEFINE(gc__done);

Py_ssize_t
nj_gc_collect(NjInterp *interp, int generation, bool nofail)
{
    NjGCState *gc = &interp->gc;
    if (gc->collecting) {
        return 0;
    }
    gc->collecting = true;
    PyObject *exc = PyErr_GetRaisedException();
    if (!nofail) {
        run_callbacks(interp, "start", generation, 0, 0);
    }
    if (NJ_PROBE_ON(gc__start)) {
        NJ_PROBE(gc__start, "-4@%0", "r"(generation));
    }
    Py_ssize_t bad = 0;
    Py_ssize_t n = collect_main(interp, generation, &bad, nofail);
    if (NJ_PROBE_ON(gc__done)) {
        NJ_PROBE(gc__done, "-8@%0", "r"(n));
    }
    if (generation == 2) {
        nj_types_clear_cache(interp);
        nj_containers_fini(interp); /* free lists: documented to go in full runs */
        nj_number_clear_free(interp);
    }
    if (!nofail) {
        run_callbacks(interp, "stop", generation, n - bad, bad);
    }
    PyErr_SetRaisedException(exc);
    gc->collecting = false;
    return n;
}

/* The oldest generation that is over its threshold. Full runs wait until a quarter of the
 * long-lived objects is new. */
static int
due_generation(NjGCState *gc)
{
    for (int i = 2; i >= 0; i--) {
        if (gc->count[i] > gc->threshold[i] && (i == 0 || gc->threshold[i] > 0)) {
            if (i == 2 && gc->long_lived_pending < gc->long_lived_total / 4) {
                continue;
            }
            return i;
        }
    }
    return -1;
}

void
nj_gc_run_due(PyThreadState *tstate)
{
    NjGCState *gc = &tstate->interp->gc;
    nj_break_clear(tstate, NJ_BREAK_GC);
    if (!gc->enabled || gc->collecting || gc->threshold[0] == 0 ||
        gc->count[0] <= gc->threshold[0]) {
        return;
    }
    int g = due_generation(gc);
    if (g >= 0) {
        nj_gc_collect(tstate->interp, g, false);
    }
}

void
nj_gc_count_alloc(NjInterp *interp)
{
    NjGCState *gc = &interp->gc;
    if (NJ_UNLIKELY(++gc->count[0] > gc->threshold[0] && gc->threshold[0] && gc->enabled &&
                    !gc->collecting)) {
        nj_break_set(nj_tstate(), NJ_BREAK_GC);
    }
}

void
nj_gc_init(NjInterp *interp)
{
    NjGCState *gc = &interp->gc;
    list_init(&gc->young);
    list_init(&gc->middle);
    list_init(&gc->old);
    list_init(&gc->permanent);
    gc->threshold[0] = 2000;
    gc->threshold[1] = 10;
    gc->threshold[2] = 10;
    gc->enabled = true;
}

void
nj_gc_fini(NjInterp *interp)
{
    Py_CLEAR(interp->gc.garbage);
    Py_CLEAR(interp->gc.callbacks);
    /* who outlives the interpreter (what extension modules keep) must not lead back to its lists */
    NjGCHead *lists[] = {&interp->gc.young, &interp->gc.middle, &interp->gc.old,
                         &interp->gc.permanent};
    for (size_t i = 0; i < NJ_ARRAY_LEN(lists); i++) {
        while (lists[i]->next != (uintptr_t)lists[i]) {
            nj_gc_untrack(nj_gc_object((NjGCHead *)lists[i]->next));
        }
    }
}

void
nj_gc_dump_shutdown(NjInterp *interp)
{
    NjGCState *gc = &interp->gc;
    if ((gc->debug & DEBUG_SAVEALL) || !gc->garbage || PyList_GET_SIZE(gc->garbage) == 0) {
        return;
    }
    const char *fmt = gc->debug & DEBUG_UNCOLLECTABLE
                          ? "gc: %zd uncollectable objects at shutdown"
                          : "gc: %zd uncollectable objects at shutdown; use "
                            "gc.set_debug(gc.DEBUG_UNCOLLECTABLE) to list them";
    if (PyErr_WarnExplicitFormat(PyExc_ResourceWarning, "gc", 0, "gc", NULL, fmt,
                                 PyList_GET_SIZE(gc->garbage)) < 0) {
        PyErr_FormatUnraisable("Exception ignored in GC shutdown");
    }
    if (gc->debug & DEBUG_UNCOLLECTABLE) {
        NJ_OWN text = PyObject_Repr(gc->garbage);
        if (text) {
            PySys_FormatStderr("      %U\n", text);
        }
        else {
            PyErr_FormatUnraisable("Exception ignored in GC shutdown");
        }
    }
}

/* --- C API ------------------------------------------------------------------------------------------------ */

#undef PyObject_IS_GC
int
PyObject_IS_GC(PyObject *op)
{
    return has_gc(op);
}

#undef PyType_SUPPORTS_WEAKREFS
int
PyType_SUPPORTS_WEAKREFS(PyTypeObject *tp)
{
    return tp->tp_weaklistoffset != 0;
}

Py_ssize_t
PyGC_Collect(void)
{
    NjInterp *interp = nj_interp();
    return interp->gc.enabled ? nj_gc_collect(interp, 2, false) : 0;
}

int
PyGC_Enable(void)
{
    NjGCState *gc = &nj_interp()->gc;
    int old = gc->enabled;
    gc->enabled = true;
    return old;
}

int
PyGC_Disable(void)
{
    NjGCState *gc = &nj_interp()->gc;
    int old = gc->enabled;
    gc->enabled = false;
    return old;
}

int
PyGC_IsEnabled(void)
{
    return nj_interp()->gc.enabled;
}

void
PyUnstable_GC_VisitObjects(gcvisitobjects_t callback, void *arg)
{
    NjGCState *gc = &nj_interp()->gc;
    G *lists[4] = {&gc->young, &gc->middle, &gc->old, &gc->permanent};
    bool was = gc->enabled;
    gc->enabled = false;
    bool stop = false;
    for (int i = 0; i < 4 && !stop; i++) {
        for (G *g = next_of(lists[i]), *next; g != lists[i] && !stop; g = next) {
            PyObject *op = nj_gc_object(g);
            Py_INCREF(op);
            stop = callback(op, arg) == 0;
            next = next_of(g);
            Py_DECREF(op);
        }
    }
    gc->enabled = was;
}

/* --- the gc module -------------------------------------------------------------------------------------------- */

#define SIG(s) s "\n--\n\n"
#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

static PyObject *
gc_enable(PyObject *m, PyObject *unused)
{
    nj_interp()->gc.enabled = true;
    Py_RETURN_NONE;
}

static PyObject *
gc_disable(PyObject *m, PyObject *unused)
{
    nj_interp()->gc.enabled = false;
    Py_RETURN_NONE;
}

static PyObject *
gc_isenabled(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(nj_interp()->gc.enabled);
}

static PyObject *
gc_collect(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"generation", NULL};
    static const NjParams params = {"collect", names, 1, 0, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int g = a[0] ? PyLong_AsInt(a[0]) : 2;
    if (g == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (g < 0 || g > 2) {
        PyErr_SetString(PyExc_ValueError, "invalid generation");
        return NULL;
    }
    return PyLong_FromSsize_t(nj_gc_collect(nj_interp(), g, false));
}

static PyObject *
gc_get_debug(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(nj_interp()->gc.debug);
}

static PyObject *
gc_set_debug(PyObject *m, PyObject *arg)
{
    int v = PyLong_AsInt(arg);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    nj_interp()->gc.debug = v;
    Py_RETURN_NONE;
}

static PyObject *
gc_get_count(PyObject *m, PyObject *unused)
{
    NjGCState *gc = &nj_interp()->gc;
    return Py_BuildValue("(iii)", gc->count[0], gc->count[1], gc->count[2]);
}

static PyObject *
gc_get_threshold(PyObject *m, PyObject *unused)
{
    NjGCState *gc = &nj_interp()->gc;
    return Py_BuildValue("(iii)", gc->threshold[0], gc->threshold[1], gc->threshold[2]);
}

static PyObject *
gc_set_threshold(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    NjGCState *gc = &nj_interp()->gc;
    int t[3] = {gc->threshold[0], gc->threshold[1], gc->threshold[2]};
    if (!_PyArg_ParseStack(args, nargs, "i|ii:set_threshold", &t[0], &t[1], &t[2])) {
        return NULL;
    }
    memcpy(gc->threshold, t, sizeof t);
    Py_RETURN_NONE;
}

static PyObject *
gc_get_stats(PyObject *m, PyObject *unused)
{
    NjGCState *gc = &nj_interp()->gc;
    NJ_OWN list = PyList_New(0);
    for (int i = 0; list && i < 3; i++) {
        NJ_OWN d = Py_BuildValue("{snsnsn}", "collections", gc->stats[i].collections,
                                 "collected", gc->stats[i].collected, "uncollectable",
                                 gc->stats[i].uncollectable);
        if (!d || PyList_Append(list, d) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static int
append_list(PyObject *out, G *l)
{
    for (G *g = next_of(l); g != l; g = next_of(g)) {
        PyObject *op = nj_gc_object(g);
        if (op != out && PyList_Append(out, op) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
gc_get_objects(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"generation", NULL};
    static const NjParams params = {"get_objects", names, 1, 0, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int g = -1;
    if (a[0] && a[0] != Py_None) {
        g = PyLong_AsInt(a[0]);
        if (g == -1 && PyErr_Occurred()) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_Format(PyExc_TypeError, "argument should be integer or None, not %.50s",
                             Py_TYPE(a[0])->tp_name);
            }
            return NULL;
        }
        if (g < 0) {
            PyErr_SetString(PyExc_ValueError, "generation parameter cannot be negative");
            return NULL;
        }
        if (g > 2) {
            PyErr_Format(PyExc_ValueError,
                         "generation parameter must be less than the number of available "
                         "generations (%i)",
                         3);
            return NULL;
        }
    }
    if (PySys_Audit("gc.get_objects", "n", (Py_ssize_t)g) < 0) {
        return NULL;
    }
    NjGCState *gc = &nj_interp()->gc;
    G *lists[3] = {&gc->young, &gc->middle, &gc->old};
    NJ_OWN out = PyList_New(0);
    if (!out) {
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        if ((g < 0 || g == i) && append_list(out, lists[i]) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(out);
}

static int
visit_is_one_of(PyObject *op, void *targets)
{
    PyObject *t = targets;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(t); i++) {
        if (PyTuple_GET_ITEM(t, i) == op) {
            return 1;
        }
    }
    return 0;
}

static PyObject *
gc_get_referrers(PyObject *m, PyObject *args)
{
    if (PySys_Audit("gc.get_referrers", "(O)", args) < 0) {
        return NULL;
    }
    NjGCState *gc = &nj_interp()->gc;
    G *lists[4] = {&gc->young, &gc->middle, &gc->old, &gc->permanent};
    NJ_OWN out = PyList_New(0);
    if (!out) {
        return NULL;
    }
    for (int i = 0; i < 4; i++) {
        for (G *g = next_of(lists[i]); g != lists[i]; g = next_of(g)) {
            PyObject *op = nj_gc_object(g);
            if (op == args || op == out) {
                continue;
            }
            if (Py_TYPE(op)->tp_traverse(op, visit_is_one_of, args) &&
                PyList_Append(out, op) < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(out);
}

static int
visit_append(PyObject *op, void *list)
{
    return PyList_Append(list, op) < 0;
}

static PyObject *
gc_get_referents(PyObject *m, PyObject *args)
{
    if (PySys_Audit("gc.get_referents", "(O)", args) < 0) {
        return NULL;
    }
    NJ_OWN out = PyList_New(0);
    if (!out) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *op = PyTuple_GET_ITEM(args, i);
        traverseproc t = Py_TYPE(op)->tp_traverse;
        if (!PyObject_IS_GC(op) || !t) {
            continue;
        }
        if (t(op, visit_append, out)) {
            return NULL;
        }
    }
    return NJ_TAKE(out);
}

static PyObject *
gc_is_tracked(PyObject *m, PyObject *op)
{
    return PyBool_FromLong(PyObject_IS_GC(op) && nj_gc_is_tracked(op));
}

static PyObject *
gc_is_finalized(PyObject *m, PyObject *op)
{
    return PyBool_FromLong(PyObject_GC_IsFinalized(op));
}

static PyObject *
gc_freeze(PyObject *m, PyObject *unused)
{
    NjGCState *gc = &nj_interp()->gc;
    list_merge(&gc->young, &gc->permanent);
    list_merge(&gc->middle, &gc->permanent);
    list_merge(&gc->old, &gc->permanent);
    memset(gc->count, 0, sizeof gc->count);
    Py_RETURN_NONE;
}

static PyObject *
gc_unfreeze(PyObject *m, PyObject *unused)
{
    NjGCState *gc = &nj_interp()->gc;
    list_merge(&gc->permanent, &gc->old);
    Py_RETURN_NONE;
}

static PyObject *
gc_get_freeze_count(PyObject *m, PyObject *unused)
{
    return PyLong_FromSsize_t(list_size(&nj_interp()->gc.permanent));
}

static PyMethodDef gc_methods[] = {
    {"enable", gc_enable, METH_NOARGS,
     SIG("enable($module, /)") "Enable automatic collection."},
    {"disable", gc_disable, METH_NOARGS,
     SIG("disable($module, /)") "Disable automatic collection."},
    {"isenabled", gc_isenabled, METH_NOARGS,
     SIG("isenabled($module, /)") "True if automatic collection is enabled."},
    {"set_debug", gc_set_debug, METH_O,
     SIG("set_debug($module, flags, /)") "Set the debugging flags."},
    {"get_debug", gc_get_debug, METH_NOARGS,
     SIG("get_debug($module, /)") "The debugging flags."},
    {"get_count", gc_get_count, METH_NOARGS,
     SIG("get_count($module, /)") "The current collection counts."},
    {"set_threshold", (PyCFunction)(void *)gc_set_threshold, METH_FASTCALL,
     "set_threshold(threshold0, [threshold1, [threshold2]])\n\nSet the collection "
     "thresholds."},
    {"get_threshold", gc_get_threshold, METH_NOARGS,
     SIG("get_threshold($module, /)") "The collection thresholds."},
    {"collect", FN(gc_collect), FK,
     SIG("collect($module, /, generation=2)") "Run a collection."},
    {"get_objects", FN(gc_get_objects), FK,
     SIG("get_objects($module, /, generation=None)") "All tracked objects."},
    {"get_stats", gc_get_stats, METH_NOARGS,
     SIG("get_stats($module, /)") "Statistics of each generation."},
    {"is_tracked", gc_is_tracked, METH_O,
     SIG("is_tracked($module, obj, /)") "True if the object is tracked."},
    {"is_finalized", gc_is_finalized, METH_O,
     SIG("is_finalized($module, obj, /)") "True if the finalizer has run."},
    {"get_referrers", gc_get_referrers, METH_VARARGS,
     SIG("get_referrers($module, /, *objs)") "Objects that refer to any of objs."},
    {"get_referents", gc_get_referents, METH_VARARGS,
     SIG("get_referents($module, /, *objs)") "Objects that objs refer to."},
    {"freeze", gc_freeze, METH_NOARGS,
     SIG("freeze($module, /)") "Set all tracked objects aside."},
    {"unfreeze", gc_unfreeze, METH_NOARGS,
     SIG("unfreeze($module, /)") "Put the frozen objects back."},
    {"get_freeze_count", gc_get_freeze_count, METH_NOARGS,
     SIG("get_freeze_count($module, /)") "The number of frozen objects."},
    {NULL, NULL, 0, NULL},
};

static int
gc_exec(PyObject *mod)
{
    NjGCState *gc = &nj_interp()->gc;
    if (!gc->garbage && !(gc->garbage = PyList_New(0))) {
        return -1;
    }
    if (!gc->callbacks && !(gc->callbacks = PyList_New(0))) {
        return -1;
    }
    if (PyModule_AddObjectRef(mod, "garbage", gc->garbage) < 0 ||
        PyModule_AddObjectRef(mod, "callbacks", gc->callbacks) < 0 ||
        PyModule_AddIntConstant(mod, "DEBUG_STATS", DEBUG_STATS) < 0 ||
        PyModule_AddIntConstant(mod, "DEBUG_COLLECTABLE", DEBUG_COLLECTABLE) < 0 ||
        PyModule_AddIntConstant(mod, "DEBUG_UNCOLLECTABLE", DEBUG_UNCOLLECTABLE) < 0 ||
        PyModule_AddIntConstant(mod, "DEBUG_SAVEALL", DEBUG_SAVEALL) < 0 ||
        PyModule_AddIntConstant(mod, "DEBUG_LEAK", DEBUG_LEAK) < 0) {
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot gc_slots[] = {
    {Py_mod_exec, gc_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef gc_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "gc",
    .m_doc = "This module provides access to the garbage collector for reference cycles.",
    .m_methods = gc_methods,
    .m_slots = gc_slots,
};

PyMODINIT_FUNC PyInit_gc(void);
PyMODINIT_FUNC
PyInit_gc(void)
{
    return PyModuleDef_Init(&gc_def);
}

/* tracemalloc.c - where each block of memory was allocated; the module _tracemalloc.
 *
 * While tracing, all three allocator domains go through the hooks below. The tables live
 * in malloc's memory and hold copies of the file names, no objects: a trace can be taken
 * by a thread without the GIL, and no interpreter owns any of it.
 *
 * Always true: the tables are touched only under `lock', and nothing that could call
 * Python or one of the hooks runs under it. A trace is removed before its block is
 * freed, since another thread may get the address at once. The structure, once made, is
 * never freed: a thread may still be inside a hook while stop() runs.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/type_int.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#define MAX_NFRAME UINT16_MAX

typedef struct Link {
    struct Link *next;
    uint64_t hash;
    size_t refs;
    size_t bytes; /* of the whole entry */
} Link;

typedef struct Set { /* chained hash table of entries that begin with a Link */
    Link **buckets;
    size_t size, used;
} Set;

typedef struct File {
    Link link;
    Py_ssize_t length;
    int kind;
    char text[];
} File;

typedef struct Frame {
    File *file; /* NULL: <unknown> */
    unsigned line;
} Frame;

typedef struct Traceback {
    Link link;
    uint16_t nframe, total;
    Frame frames[];
} Traceback;

typedef struct Trace {
    uintptr_t ptr;
    size_t size;
    Traceback *tb; /* NULL: no trace in this cell */
    unsigned domain;
} Trace;

struct NjTraceMalloc {
    pthread_mutex_t lock;
    bool tracing;
    int max_nframe;
    PyMemAllocatorEx inner[3];
    Set files, tracebacks;
    Trace *traces; /* open addressing, linear probing */
    size_t traces_size, traces_used;
    Frame *scratch; /* max_nframe long */
    size_t traced, peak, own;
};

/* This thread makes objects for tracemalloc itself, or is inside a hook: no new trace. */
static __thread bool busy;

/* --- sets --------------------------------------------------------------------------------- */

static bool
set_reserve(struct NjTraceMalloc *tm, Set *set)
{
    if (set->used < set->size) {
        return true;
    }
    size_t size = set->size ? set->size * 2 : 256;
    Link **buckets = calloc(size, sizeof *buckets);
    if (!buckets) {
        return false;
    }
    for (size_t i = 0; i < set->size; i++) {
        for (Link *l = set->buckets[i], *next; l; l = next) {
            next = l->next;
            l->next = buckets[l->hash & (size - 1)];
            buckets[l->hash & (size - 1)] = l;
        }
    }
    tm->own += (size - set->size) * sizeof *buckets;
    free(set->buckets);
    set->buckets = buckets;
    set->size = size;
    return true;
}

static Link *
set_first(Set *set, uint64_t hash)
{
    return set->size ? set->buckets[hash & (set->size - 1)] : NULL;
}

static void
set_add(struct NjTraceMalloc *tm, Set *set, Link *l)
{
    Link **head = &set->buckets[l->hash & (set->size - 1)];
    l->next = *head;
    l->refs = 1;
    *head = l;
    set->used++;
    tm->own += l->bytes;
}

static void
set_remove(struct NjTraceMalloc *tm, Set *set, Link *l)
{
    Link **at = &set->buckets[l->hash & (set->size - 1)];
    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
    set->used--;
    tm->own -= l->bytes;
    free(l);
}

static void
set_release(struct NjTraceMalloc *tm, Set *set)
{
    if (!set->used) { /* else a list of traces is being made: its entries stay */
        tm->own -= set->size * sizeof *set->buckets;
        free(set->buckets);
        *set = (Set){0};
    }
}

/* --- tracebacks --------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9E3779B97F4A7C15u;
    return h ^ h >> 29;
}

static void
drop_file(struct NjTraceMalloc *tm, File *f)
{
    if (f && --f->link.refs == 0) {
        set_remove(tm, &tm->files, &f->link);
    }
}

static void
drop_traceback(struct NjTraceMalloc *tm, Traceback *tb)
{
    if (--tb->link.refs == 0) {
        for (int i = 0; i < tb->nframe; i++) {
            drop_file(tm, tb->frames[i].file);
        }
        set_remove(tm, &tm->tracebacks, &tb->link);
    }
}

/* A new reference to the entry of a file name; *file NULL when it is not a str. */
static bool
intern_file(struct NjTraceMalloc *tm, PyObject *name, File **file)
{
    *file = NULL;
    if (!name || !PyUnicode_Check(name)) {
        return true;
    }
    int kind = PyUnicode_KIND(name);
    Py_ssize_t length = PyUnicode_GET_LENGTH(name);
    const void *text = PyUnicode_DATA(name);
    size_t n = (size_t)length * (size_t)kind;
    uint64_t hash = (uint64_t)((PyASCIIObject *)name)->hash;
    if (hash == (uint64_t)-1) {
        hash = (uint64_t)PyUnicode_Type.tp_hash(name);
    }
    for (Link *l = set_first(&tm->files, hash); l; l = l->next) {
        File *f = (File *)l;
        if (l->hash == hash && f->length == length && f->kind == kind &&
            memcmp(f->text, text, n) == 0) {
            l->refs++;
            *file = f;
            return true;
        }
    }
    File *f = set_reserve(tm, &tm->files) ? malloc(sizeof *f + n) : NULL;
    if (!f) {
        return false;
    }
    f->link.hash = hash;
    f->link.bytes = sizeof *f + n;
    f->length = length;
    f->kind = kind;
    memcpy(f->text, text, n);
    set_add(tm, &tm->files, &f->link);
    *file = f;
    return true;
}

/* A new reference to the traceback of the calling thread. NULL: no memory. */
static Traceback *
take_traceback(struct NjTraceMalloc *tm)
{
    PyThreadState *ts = nj_tstate();
    if (!ts) {
        ts = PyGILState_GetThisThreadState(); /* detached: its frames stand still */
    }
    int n = 0, total = 0;
    uint64_t hash = 0;
    bool ok = true;
    for (NjFrame *f = ts ? ts->current_frame : NULL; f; f = f->previous) {
        if (nj_frame_is_incomplete(f)) {
            continue;
        }
        if (total < MAX_NFRAME) {
            total++;
        }
        if (n < tm->max_nframe && ok) {
            Frame *fr = &tm->scratch[n];
            int line = nj_frame_line(f);
            fr->line = line < 0 ? 0 : (unsigned)line;
            ok = intern_file(tm, nj_frame_peek_code(f)->co_filename, &fr->file);
            n += ok;
            hash = mix(mix(hash, (uintptr_t)fr->file), fr->line);
        }
    }
    if (!total) {
        tm->scratch[0] = (Frame){NULL, 0};
        n = total = 1;
    }
    hash = mix(hash, (uint64_t)total);
    Traceback *tb = NULL;
    for (Link *l = ok ? set_first(&tm->tracebacks, hash) : NULL; l; l = l->next) {
        Traceback *t = (Traceback *)l;
        bool same = l->hash == hash && t->nframe == n && t->total == total;
        for (int i = 0; same && i < n; i++) {
            same = t->frames[i].file == tm->scratch[i].file &&
                   t->frames[i].line == tm->scratch[i].line;
        }
        if (same) {
            tb = t;
            break;
        }
    }
    if (!tb && ok && set_reserve(tm, &tm->tracebacks)) {
        size_t bytes = sizeof *tb + (size_t)n * sizeof(Frame);
        tb = malloc(bytes);
        if (tb) {
            tb->link.hash = hash;
            tb->link.bytes = bytes;
            tb->nframe = (uint16_t)n;
            tb->total = (uint16_t)total;
            memcpy(tb->frames, tm->scratch, (size_t)n * sizeof(Frame));
            set_add(tm, &tm->tracebacks, &tb->link);
            return tb;
        }
    }
    else if (tb) {
        tb->link.refs++;
    }
    for (int i = 0; i < n; i++) { /* an entry that was there holds its own */
        drop_file(tm, tm->scratch[i].file);
    }
    return tb;
}

/* --- traces: everything here runs under the lock ------------------------------------------ */

static size_t
trace_home(struct NjTraceMalloc *tm, unsigned domain, uintptr_t ptr)
{
    return (size_t)mix(domain, ptr >> 3) & (tm->traces_size - 1);
}

/* The cell of a block, or the empty one where it would go; traces_size is not 0. */
static Trace *
trace_cell(struct NjTraceMalloc *tm, unsigned domain, uintptr_t ptr)
{
    size_t i = trace_home(tm, domain, ptr);
    while (tm->traces[i].tb &&
           (tm->traces[i].ptr != ptr || tm->traces[i].domain != domain)) {
        i = (i + 1) & (tm->traces_size - 1);
    }
    return &tm->traces[i];
}

static Trace *
trace_find(struct NjTraceMalloc *tm, unsigned domain, uintptr_t ptr)
{
    Trace *t = tm->traces_size ? trace_cell(tm, domain, ptr) : NULL;
    return t && t->tb ? t : NULL;
}

static bool
traces_reserve(struct NjTraceMalloc *tm)
{
    if (tm->traces_used < tm->traces_size - tm->traces_size / 4) {
        return true;
    }
    size_t old_size = tm->traces_size, size = old_size ? old_size * 2 : 1024;
    Trace *old = tm->traces, *traces = calloc(size, sizeof *traces);
    if (!traces) {
        return false;
    }
    tm->traces = traces;
    tm->traces_size = size;
    for (size_t i = 0; i < old_size; i++) {
        if (old[i].tb) {
            *trace_cell(tm, old[i].domain, old[i].ptr) = old[i];
        }
    }
    tm->own += (size - old_size) * sizeof *traces;
    free(old);
    return true;
}

/* Takes the trace of a block out of the table; the caller then owns its traceback. */
static bool
trace_take(struct NjTraceMalloc *tm, unsigned domain, uintptr_t ptr, Trace *out)
{
    Trace *t = trace_find(tm, domain, ptr);
    if (!t) {
        return false;
    }
    *out = *t;
    tm->traced -= t->size;
    tm->traces_used--;
    size_t mask = tm->traces_size - 1, hole = (size_t)(t - tm->traces);
    for (size_t i = (hole + 1) & mask; tm->traces[i].tb; i = (i + 1) & mask) {
        size_t home = trace_home(tm, tm->traces[i].domain, tm->traces[i].ptr);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            tm->traces[hole] = tm->traces[i];
            hole = i;
        }
    }
    tm->traces[hole].tb = NULL;
    return true;
}

/* Takes over the traceback. A trace that the block had is replaced. */
static bool
trace_put(struct NjTraceMalloc *tm, unsigned domain, uintptr_t ptr, size_t size,
          Traceback *tb)
{
    if (!traces_reserve(tm)) {
        drop_traceback(tm, tb);
        return false;
    }
    Trace *t = trace_cell(tm, domain, ptr);
    if (t->tb) {
        tm->traced -= t->size;
        drop_traceback(tm, t->tb);
    }
    else {
        tm->traces_used++;
    }
    *t = (Trace){ptr, size, tb, domain};
    tm->traced += size;
    if (tm->traced > tm->peak) {
        tm->peak = tm->traced;
    }
    return true;
}

static bool
trace_new(struct NjTraceMalloc *tm, unsigned domain, uintptr_t ptr, size_t size)
{
    Traceback *tb = take_traceback(tm);
    return tb && trace_put(tm, domain, ptr, size, tb);
}

static void
traces_clear(struct NjTraceMalloc *tm)
{
    for (size_t i = 0; i < tm->traces_size; i++) {
        if (tm->traces[i].tb) {
            drop_traceback(tm, tm->traces[i].tb);
        }
    }
    tm->own -= tm->traces_size * sizeof *tm->traces;
    free(tm->traces);
    tm->traces = NULL;
    tm->traces_size = tm->traces_used = 0;
    tm->traced = tm->peak = 0;
    set_release(tm, &tm->tracebacks);
    set_release(tm, &tm->files);
}

/* --- hooks -------------------------------------------------------------------------------- */

static void *
hook_alloc(PyMemAllocatorDomain d, bool zero, size_t n, size_t size)
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    PyMemAllocatorEx *a = &tm->inner[d];
    bool outer = !busy;
    busy = true;
    void *p = zero ? a->calloc(a->ctx, n, size) : a->malloc(a->ctx, size);
    if (p && outer) {
        pthread_mutex_lock(&tm->lock);
        bool ok = !tm->tracing || trace_new(tm, 0, (uintptr_t)p, n * size);
        pthread_mutex_unlock(&tm->lock);
        if (!ok) {
            a->free(a->ctx, p);
            p = NULL;
        }
    }
    busy = !outer;
    return p;
}

static void *
hook_realloc(PyMemAllocatorDomain d, void *p, size_t size)
{
    if (!p) {
        return hook_alloc(d, false, 1, size);
    }
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    PyMemAllocatorEx *a = &tm->inner[d];
    bool outer = !busy;
    busy = true;
    Trace old;
    pthread_mutex_lock(&tm->lock);
    bool had = trace_take(tm, 0, (uintptr_t)p, &old);
    pthread_mutex_unlock(&tm->lock);
    void *q = a->realloc(a->ctx, p, size);
    pthread_mutex_lock(&tm->lock);
    /* A block that moved cannot be refused for want of a trace: it then has none. */
    if (!tm->tracing) {
        if (had) {
            drop_traceback(tm, old.tb);
        }
    }
    else if (!q) {
        if (had) {
            (void)trace_put(tm, 0, (uintptr_t)p, old.size, old.tb);
        }
    }
    else {
        if (outer || had) {
            (void)trace_new(tm, 0, (uintptr_t)q, size);
        }
        if (had) {
            drop_traceback(tm, old.tb);
        }
    }
    pthread_mutex_unlock(&tm->lock);
    busy = !outer;
    return q;
}

static void
hook_free(PyMemAllocatorDomain d, void *p)
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (!p) {
        return;
    }
    Trace old;
    pthread_mutex_lock(&tm->lock);
    if (trace_take(tm, 0, (uintptr_t)p, &old)) {
        drop_traceback(tm, old.tb);
    }
    pthread_mutex_unlock(&tm->lock);
    tm->inner[d].free(tm->inner[d].ctx, p);
}

/* The domain is in the function, not in ctx: a thread without the GIL that reads
 * the raw allocator while stop() writes it may see a new ctx with an old function. */
#define HOOKS(NAME, DOMAIN)                                                              \
    static void *NAME##_malloc(void *Py_UNUSED(ctx), size_t size)                        \
    {                                                                                    \
        return hook_alloc(DOMAIN, false, 1, size);                                       \
    }                                                                                    \
    static void *NAME##_calloc(void *Py_UNUSED(ctx), size_t n, size_t size)              \
    {                                                                                    \
        return hook_alloc(DOMAIN, true, n, size);                                        \
    }                                                                                    \
    static void *NAME##_realloc(void *Py_UNUSED(ctx), void *p, size_t size)              \
    {                                                                                    \
        return hook_realloc(DOMAIN, p, size);                                            \
    }                                                                                    \
    static void NAME##_free(void *Py_UNUSED(ctx), void *p)                               \
    {                                                                                    \
        hook_free(DOMAIN, p);                                                            \
    }

HOOKS(raw, PYMEM_DOMAIN_RAW)
HOOKS(mem, PYMEM_DOMAIN_MEM)
HOOKS(obj, PYMEM_DOMAIN_OBJ)

static const PyMemAllocatorEx hooks[3] = {
    {NULL, raw_malloc, raw_calloc, raw_realloc, raw_free},
    {NULL, mem_malloc, mem_calloc, mem_realloc, mem_free},
    {NULL, obj_malloc, obj_calloc, obj_realloc, obj_free},
};

/* --- start and stop ----------------------------------------------------------------------- */

static void
before_fork(void)
{
    pthread_mutex_lock(&nj_runtime.tracemalloc->lock);
}

static void
after_fork(void)
{
    pthread_mutex_unlock(&nj_runtime.tracemalloc->lock);
}

int
nj_tracemalloc_start(int nframe)
{
    if (nframe < 1 || nframe > MAX_NFRAME) {
        PyErr_Format(PyExc_ValueError, "the number of frames must be in range [1; %d]",
                     MAX_NFRAME);
        return -1;
    }
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (!tm) {
        tm = calloc(1, sizeof *tm);
        if (!tm) {
            PyErr_NoMemory();
            return -1;
        }
        pthread_mutex_init(&tm->lock, NULL);
        nj_runtime.tracemalloc = tm;
        pthread_atfork(before_fork, after_fork, after_fork);
    }
    if (tm->tracing) {
        return 0; /* the limit stays as it was */
    }
    Frame *scratch = malloc((size_t)nframe * sizeof *scratch);
    if (!scratch) {
        PyErr_NoMemory();
        return -1;
    }
    pthread_mutex_lock(&tm->lock);
    tm->scratch = scratch;
    tm->max_nframe = nframe;
    tm->own += (size_t)nframe * sizeof *scratch;
    tm->tracing = true;
    pthread_mutex_unlock(&tm->lock);
    for (int d = 0; d < 3; d++) {
        PyMemAllocatorEx hook = hooks[d];
        PyMem_GetAllocator((PyMemAllocatorDomain)d, &tm->inner[d]);
        PyMem_SetAllocator((PyMemAllocatorDomain)d, &hook);
    }
    nj_watch_new();
    return 0;
}

bool
nj_tracemalloc_tracing(void)
{
    return nj_runtime.tracemalloc && nj_runtime.tracemalloc->tracing;
}

void
nj_tracemalloc_stop(void)
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (!nj_tracemalloc_tracing()) {
        return;
    }
    for (int d = 0; d < 3; d++) {
        PyMem_SetAllocator((PyMemAllocatorDomain)d, &tm->inner[d]);
    }
    pthread_mutex_lock(&tm->lock);
    tm->tracing = false;
    traces_clear(tm);
    tm->own -= (size_t)tm->max_nframe * sizeof *tm->scratch;
    free(tm->scratch);
    tm->scratch = NULL;
    pthread_mutex_unlock(&tm->lock);
    nj_watch_new();
}

/* An object from a free list has a new origin. */
void
nj_tracemalloc_new(PyObject *op)
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (busy) {
        return;
    }
    uintptr_t ptr = (uintptr_t)op - nj_type_preheader(Py_TYPE(op));
    pthread_mutex_lock(&tm->lock);
    Trace *t = tm->tracing ? trace_find(tm, 0, ptr) : NULL;
    Traceback *tb = t ? take_traceback(tm) : NULL;
    if (tb) {
        drop_traceback(tm, t->tb);
        t->tb = tb;
    }
    pthread_mutex_unlock(&tm->lock);
}

int
PyTraceMalloc_Track(unsigned int domain, uintptr_t ptr, size_t size)
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (!tm) {
        return -2;
    }
    pthread_mutex_lock(&tm->lock);
    int rc = !tm->tracing ? -2 : trace_new(tm, domain, ptr, size) ? 0 : -1;
    pthread_mutex_unlock(&tm->lock);
    return rc;
}

int
PyTraceMalloc_Untrack(unsigned int domain, uintptr_t ptr)
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (!tm) {
        return -2;
    }
    Trace old;
    pthread_mutex_lock(&tm->lock);
    int rc = tm->tracing ? 0 : -2;
    if (rc == 0 && trace_take(tm, domain, ptr, &old)) {
        drop_traceback(tm, old.tb);
    }
    pthread_mutex_unlock(&tm->lock);
    return rc;
}

/* --- traces as objects -------------------------------------------------------------------- */

/* `names' maps the address of a File to its str, so that equal names are one object. */
static PyObject *
file_object(File *f, PyObject *names)
{
    if (!f) {
        return PyUnicode_InternFromString("<unknown>");
    }
    NJ_OWN key = PyLong_FromVoidPtr(f);
    PyObject *name = NULL;
    if (!key || PyDict_GetItemRef(names, key, &name) < 0 || name) {
        return name;
    }
    name = PyUnicode_FromKindAndData(f->kind, f->text, f->length);
    if (name && PyDict_SetItem(names, key, name) < 0) {
        Py_CLEAR(name);
    }
    return name;
}

/* The caller holds a reference to the traceback. */
static PyObject *
traceback_object(Traceback *tb, PyObject *names)
{
    NJ_OWN frames = PyTuple_New(tb->nframe);
    for (int i = 0; frames && i < tb->nframe; i++) {
        PyObject *name = file_object(tb->frames[i].file, names);
        PyObject *item = name ? Py_BuildValue("NI", name, tb->frames[i].line) : NULL;
        if (!item) {
            return NULL;
        }
        PyTuple_SET_ITEM(frames, i, item);
    }
    return Py_XNewRef(frames);
}

/* The frames of a block, None when there is no trace of it. */
static PyObject *
block_traceback(unsigned domain, uintptr_t ptr)
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (!nj_tracemalloc_tracing()) {
        Py_RETURN_NONE;
    }
    pthread_mutex_lock(&tm->lock);
    Trace *t = trace_find(tm, domain, ptr);
    Traceback *tb = t ? t->tb : NULL;
    if (tb) {
        tb->link.refs++;
    }
    pthread_mutex_unlock(&tm->lock);
    if (!tb) {
        Py_RETURN_NONE;
    }
    NJ_OWN names = PyDict_New();
    PyObject *r = names ? traceback_object(tb, names) : NULL;
    pthread_mutex_lock(&tm->lock);
    drop_traceback(tm, tb);
    pthread_mutex_unlock(&tm->lock);
    return r;
}

PyAPI_FUNC(PyObject *) _PyTraceMalloc_GetTraceback(unsigned int domain, uintptr_t ptr);
PyObject *
_PyTraceMalloc_GetTraceback(unsigned int domain, uintptr_t ptr)
{
    return block_traceback(domain, ptr);
}

static int
by_traceback(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const Trace *)a)->tb, y = (uintptr_t)((const Trace *)b)->tb;
    return (x > y) - (x < y);
}

static PyObject *
traces_list(const Trace *traces, size_t n)
{
    NJ_OWN names = PyDict_New();
    NJ_OWN list = PyList_New(0);
    NJ_OWN frames = NULL;
    if (!names || !list) {
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        const Trace *t = &traces[i];
        if (i == 0 || t->tb != t[-1].tb) { /* sorted: equal ones share a tuple */
            Py_XSETREF(frames, traceback_object(t->tb, names));
        }
        NJ_OWN item = frames ? Py_BuildValue("InOi", t->domain, (Py_ssize_t)t->size, frames,
                                             (int)t->tb->total)
                             : NULL;
        if (!item || PyList_Append(list, item) < 0) {
            return NULL;
        }
    }
    return Py_NewRef(list);
}

static PyObject *
tm_get_traces(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (!nj_tracemalloc_tracing()) {
        return PyList_New(0);
    }
    pthread_mutex_lock(&tm->lock);
    size_t n = 0;
    Trace *copy = malloc((tm->traces_used + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < tm->traces_size; i++) {
        if (tm->traces[i].tb) {
            tm->traces[i].tb->link.refs++;
            copy[n++] = tm->traces[i];
        }
    }
    pthread_mutex_unlock(&tm->lock);
    if (!copy) {
        return PyErr_NoMemory();
    }
    qsort(copy, n, sizeof *copy, by_traceback);
    bool was = busy;
    busy = true;
    PyObject *r = traces_list(copy, n);
    busy = was;
    pthread_mutex_lock(&tm->lock);
    for (size_t i = 0; i < n; i++) {
        drop_traceback(tm, copy[i].tb);
    }
    pthread_mutex_unlock(&tm->lock);
    free(copy);
    return r;
}

/* --- the module --------------------------------------------------------------------------- */

static PyObject *
tm_start(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    int nframe = 1;
    if (!_PyArg_CheckPositional("start", nargs, 0, 1)) {
        return NULL;
    }
    if (nargs) {
        nframe = PyLong_AsInt(args[0]);
        if (nframe == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (nj_tracemalloc_start(nframe) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
tm_stop(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    nj_tracemalloc_stop();
    Py_RETURN_NONE;
}

static PyObject *
tm_is_tracing(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    return PyBool_FromLong(nj_tracemalloc_tracing());
}

static PyObject *
tm_clear_traces(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (nj_tracemalloc_tracing()) {
        pthread_mutex_lock(&tm->lock);
        traces_clear(tm);
        pthread_mutex_unlock(&tm->lock);
    }
    Py_RETURN_NONE;
}

static PyObject *
tm_get_traced_memory(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    size_t traced = 0, peak = 0;
    if (nj_tracemalloc_tracing()) {
        pthread_mutex_lock(&tm->lock);
        traced = tm->traced;
        peak = tm->peak;
        pthread_mutex_unlock(&tm->lock);
    }
    return Py_BuildValue("nn", (Py_ssize_t)traced, (Py_ssize_t)peak);
}

static PyObject *
tm_reset_peak(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    if (nj_tracemalloc_tracing()) {
        pthread_mutex_lock(&tm->lock);
        tm->peak = tm->traced;
        pthread_mutex_unlock(&tm->lock);
    }
    Py_RETURN_NONE;
}

static PyObject *
tm_get_tracemalloc_memory(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    size_t own = 0;
    if (tm) {
        pthread_mutex_lock(&tm->lock);
        own = tm->own;
        pthread_mutex_unlock(&tm->lock);
    }
    return PyLong_FromSize_t(own);
}

static PyObject *
tm_get_traceback_limit(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(arg))
{
    struct NjTraceMalloc *tm = nj_runtime.tracemalloc;
    return PyLong_FromLong(tm && tm->max_nframe ? tm->max_nframe : 1);
}

static PyObject *
tm_get_object_traceback(PyObject *Py_UNUSED(m), PyObject *obj)
{
    return block_traceback(0, (uintptr_t)obj - nj_type_preheader(Py_TYPE(obj)));
}

#define DOC(sig, text) PyDoc_STR(sig "\n--\n\n" text)

static PyMethodDef tm_methods[] = {
    {"start", _PyCFunction_CAST(tm_start), METH_FASTCALL,
     DOC("start($module, nframe=1, /)",
         "Begin to trace memory allocations, with up to nframe frames for each.")},
    {"stop", tm_stop, METH_NOARGS,
     DOC("stop($module, /)", "End tracing and forget all traces.")},
    {"is_tracing", tm_is_tracing, METH_NOARGS,
     DOC("is_tracing($module, /)", "Are memory allocations being traced?")},
    {"clear_traces", tm_clear_traces, METH_NOARGS,
     DOC("clear_traces($module, /)", "Forget all traces; tracing goes on.")},
    {"get_traced_memory", tm_get_traced_memory, METH_NOARGS,
     DOC("get_traced_memory($module, /)",
         "The bytes in traced blocks, now and at most: a tuple (current, peak).")},
    {"reset_peak", tm_reset_peak, METH_NOARGS,
     DOC("reset_peak($module, /)",
         "Make the current size of traced blocks the peak. Without tracing, do nothing.")},
    {"get_tracemalloc_memory", tm_get_tracemalloc_memory, METH_NOARGS,
     DOC("get_tracemalloc_memory($module, /)", "The bytes that the traces themselves take.")},
    {"get_traceback_limit", tm_get_traceback_limit, METH_NOARGS,
     DOC("get_traceback_limit($module, /)",
         "How many frames a trace keeps at most; 1 unless start() was told otherwise.")},
    {"_get_traces", tm_get_traces, METH_NOARGS,
     DOC("_get_traces($module, /)",
         "All traces, as a list of tuples (domain, size, frames, total_nframe); frames is\n"
         "a tuple of (filename, lineno), most recent first. Empty without tracing.")},
    {"_get_object_traceback", tm_get_object_traceback, METH_O,
     DOC("_get_object_traceback($module, obj, /)",
         "Where obj was allocated: a tuple of (filename, lineno), most recent first.\n"
         "None if that was not traced.")},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot tm_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef tm_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_tracemalloc",
    .m_doc = "Traces of memory blocks; use the module tracemalloc.",
    .m_methods = tm_methods,
    .m_slots = tm_slots,
};

PyMODINIT_FUNC PyInit__tracemalloc(void);

PyMODINIT_FUNC
PyInit__tracemalloc(void)
{
    return PyModuleDef_Init(&tm_module);
}

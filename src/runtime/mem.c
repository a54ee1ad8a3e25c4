/* mem.c - allocator domains and the small-object allocator.
 *
 * One address range is reserved for the whole process (PROT_NONE, no memory behind it)
 * and cut into 16 KiB pools, so "is this block ours" is a subtraction and a compare. A
 * pool serves one size class (multiples of 16, up to 512) of one interpreter. Blocks are
 * carved lazily, freed blocks are chained through their first word, and a pool that
 * becomes empty goes back to its interpreter, then to the process. Larger blocks come
 * from malloc.
 *
 * Always true: a pool stands in avail[class] of its owner exactly when it has room;
 * allocation happens with the GIL of an interpreter held. Blocks freed under another
 * interpreter's GIL go on the owner's `foreign' stack, which the owner drains when it
 * runs out. A thread without a thread state is served by malloc and may free any block.
 *
 * Danger: PyMem_SetAllocator may be called by anybody at any time; mem_fast is false
 * from then on and every call goes through nj_runtime.alloc.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

#include <errno.h>
#include <sys/mman.h>

#define POOL_SIZE ((size_t)16384)
#define POOL_MASK (~(uintptr_t)(POOL_SIZE - 1))
#define GROW_POOLS 16    /* pools made accessible in one go */
#define START_BYTES ((size_t)1 << 20) /* the least that any program uses */
#define KEEP_EMPTY 64    /* empty pools an interpreter keeps for itself */

struct NjPool {
    void *free;      /* chain of freed blocks */
    uint32_t used;   /* blocks handed out */
    uint32_t size;   /* of a block */
    char *bump;      /* first block never handed out */
    char *end;       /* no block starts at or after this */
    NjPool *next;    /* in avail[] or a list of empty pools */
    NjPool *prev;
    NjMem *owner;    /* NULL: orphan of a dead interpreter */
    uint32_t cls;
    uint32_t listed; /* stands in avail[] */
};

_Static_assert(sizeof(NjPool) <= 80, "pool header");
#define POOL_HEADER ((size_t)80)

NJ_INLINE bool
is_pooled(const void *p)
{
    return (uintptr_t)p - nj_runtime.region < nj_runtime.region_size;
}

NJ_INLINE NjPool *
pool_of(void *p)
{
    return (NjPool *)((uintptr_t)p & POOL_MASK);
}

/* Reserves the range on first use. Lower limits (ulimit -v) get a smaller one or none. */
static void
reserve_region(void)
{
    size_t size = (size_t)1 << 38;
    while (size >= ((size_t)1 << 26)) {
        void *p = mmap(NULL, size, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p != MAP_FAILED) {
            uintptr_t base = ((uintptr_t)p + POOL_SIZE - 1) & POOL_MASK;
            nj_runtime.region_size = (size - (base - (uintptr_t)p)) & POOL_MASK;
            nj_runtime.region = base;
            return;
        }
        size >>= 2;
    }
    nj_runtime.region = 1; /* nothing: size stays 0 */
}

/* Moves pools from the process to mem->empty. false when there are none left. */
static bool
refill_empty(NjMem *mem)
{
    bool ok = false;
    pthread_mutex_lock(&nj_runtime.region_lock);
    if (!nj_runtime.region) {
        reserve_region();
    }
    if (nj_runtime.region_free) {
        for (int i = 0; i < GROW_POOLS && nj_runtime.region_free; i++) {
            NjPool *pool = nj_runtime.region_free;
            nj_runtime.region_free = pool->next;
            pool->next = mem->empty;
            pool->owner = mem;
            mem->empty = pool;
            mem->nempty++;
        }
        ok = true;
    }
    else if (nj_runtime.region_used + GROW_POOLS * POOL_SIZE <= nj_runtime.region_size) {
        char *base = (char *)nj_runtime.region + nj_runtime.region_used;
        if (mprotect(base, GROW_POOLS * POOL_SIZE, PROT_READ | PROT_WRITE) == 0) {
#ifdef MADV_POPULATE_WRITE
            /* every program needs the first megabyte: one call costs less than a page
             * fault for each page (best effort; old kernels refuse) */
            if (nj_runtime.region_used < START_BYTES) {
                (void)madvise(base, GROW_POOLS * POOL_SIZE, MADV_POPULATE_WRITE);
            }
#endif
            nj_runtime.region_used += GROW_POOLS * POOL_SIZE;
            for (int i = GROW_POOLS - 1; i >= 0; i--) {
                NjPool *pool = (NjPool *)(base + (size_t)i * POOL_SIZE);
                pool->next = mem->empty;
                pool->owner = mem;
                mem->empty = pool;
            }
            mem->nempty += GROW_POOLS;
            ok = true;
        }
    }
    pthread_mutex_unlock(&nj_runtime.region_lock);
    return ok;
}

static void
unlist_pool(NjMem *mem, NjPool *pool)
{
    if (pool->prev) {
        pool->prev->next = pool->next;
    }
    else {
        mem->avail[pool->cls] = pool->next;
    }
    if (pool->next) {
        pool->next->prev = pool->prev;
    }
    pool->listed = 0;
}

/* Behind the pool that its class allocates from, if that has room: a few blocks that come
 * and go do not change pools then. */
static void
list_pool(NjMem *mem, NjPool *pool)
{
    NjPool *head = mem->avail[pool->cls];
    pool->listed = 1;
    if (head && (head->free || head->bump < head->end)) {
        pool->prev = head;
        pool->next = head->next;
        if (head->next) {
            head->next->prev = pool;
        }
        head->next = pool;
        return;
    }
    pool->prev = NULL;
    pool->next = head;
    if (head) {
        head->prev = pool;
    }
    mem->avail[pool->cls] = pool;
}

/* Gives an empty pool's memory back to the system and the pool to the process. */
static void
release_pool(NjPool *pool)
{
    size_t page = 4096;
    madvise((char *)pool + page, POOL_SIZE - page, MADV_DONTNEED);
    pthread_mutex_lock(&nj_runtime.region_lock);
    pool->owner = NULL;
    pool->next = nj_runtime.region_free;
    nj_runtime.region_free = pool;
    pthread_mutex_unlock(&nj_runtime.region_lock);
}

static void
put_block(NjMem *mem, NjPool *pool, void *p)
{
    *(void **)p = pool->free;
    pool->free = p;
    pool->used--;
    if (NJ_UNLIKELY(!pool->listed)) {
        list_pool(mem, pool);
    }
    if (NJ_UNLIKELY(pool->used == 0) && pool->prev) {
        /* Any class may have it, unless it is the one that its class allocates from. */
        unlist_pool(mem, pool);
        if (mem->nempty < KEEP_EMPTY) {
            pool->next = mem->empty;
            mem->empty = pool;
            mem->nempty++;
        }
        else {
            release_pool(pool);
        }
    }
}

static bool
drain_foreign(NjMem *mem)
{
    void *p = __atomic_exchange_n(&mem->foreign, NULL, __ATOMIC_ACQUIRE);
    bool any = p != NULL;
    while (p) {
        void *next = *(void **)p;
        put_block(mem, pool_of(p), p);
        p = next;
    }
    return any;
}

NJ_COLD static void *
alloc_small_slow(NjMem *mem, uint32_t cls)
{
    for (;;) {
        NjPool *pool = mem->avail[cls];
        if (pool) {
            if (pool->free) {
                void *p = pool->free;
                pool->free = *(void **)p;
                pool->used++;
                return p;
            }
            if (pool->bump < pool->end) {
                void *p = pool->bump;
                pool->bump += pool->size;
                pool->used++;
                return p;
            }
            unlist_pool(mem, pool);
            continue;
        }
        if (mem->foreign && drain_foreign(mem) && mem->avail[cls]) {
            continue;
        }
        if (!mem->empty && !refill_empty(mem)) {
            return malloc((size_t)cls * 16);
        }
        pool = mem->empty;
        mem->empty = pool->next;
        mem->nempty--;
        pool->free = NULL;
        pool->used = 0;
        pool->cls = cls;
        pool->size = cls * 16;
        pool->bump = (char *)pool + POOL_HEADER;
        pool->end = (char *)pool + POOL_HEADER +
                    (POOL_SIZE - POOL_HEADER) / pool->size * pool->size;
        pool->owner = mem;
        list_pool(mem, pool);
    }
}

NJ_INLINE void *
alloc_small(size_t size)
{
    PyThreadState *tstate = nj_tstate();
    if (NJ_UNLIKELY(!tstate)) {
        return malloc(size ? size : 1);
    }
    NjMem *mem = &tstate->interp->rt.mem;
    uint32_t cls = size ? (uint32_t)((size + 15) >> 4) : 1;
    NjPool *pool = mem->avail[cls];
    if (NJ_LIKELY(pool != NULL)) {
        void *p = pool->free;
        if (NJ_LIKELY(p != NULL)) {
            pool->free = *(void **)p;
            pool->used++;
            return p;
        }
        p = pool->bump;
        if (NJ_LIKELY((char *)p < pool->end)) {
            pool->bump = (char *)p + pool->size;
            pool->used++;
            return p;
        }
    }
    return alloc_small_slow(mem, cls);
}

static void
free_foreign(NjPool *pool, void *p)
{
    NjMem *owner = pool->owner;
    if (!owner) {
        return; /* its interpreter is gone: the pool stays as it is */
    }
    void *head = __atomic_load_n(&owner->foreign, __ATOMIC_RELAXED);
    do {
        *(void **)p = head;
    } while (!__atomic_compare_exchange_n(&owner->foreign, &head, p, true,
                                          __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

NJ_INLINE void
free_block(void *p)
{
    if (NJ_LIKELY(is_pooled(p))) {
        NjPool *pool = pool_of(p);
        PyThreadState *tstate = nj_tstate();
        if (NJ_LIKELY(tstate && pool->owner == &tstate->interp->rt.mem)) {
            NjMem *mem = pool->owner;
            if (NJ_LIKELY(pool->listed && (pool->used > 1 || !pool->prev))) {
                *(void **)p = pool->free;
                pool->free = p;
                pool->used--;
                return;
            }
            put_block(mem, pool, p);
            return;
        }
        free_foreign(pool, p);
        return;
    }
    free(p);
}

static void *
nj_small_malloc(void *ctx, size_t size)
{
    return size <= NJ_MEM_SMALL_MAX ? alloc_small(size) : malloc(size);
}

static void *
nj_small_calloc(void *ctx, size_t n, size_t size)
{
    if (size && n > (size_t)PY_SSIZE_T_MAX / size) {
        return NULL;
    }
    size_t total = n * size;
    if (total <= NJ_MEM_SMALL_MAX) {
        void *p = alloc_small(total);
        if (p) {
            memset(p, 0, total);
        }
        return p;
    }
    return calloc(n, size);
}

static void *
nj_small_realloc(void *ctx, void *p, size_t size)
{
    if (!p) {
        return nj_small_malloc(ctx, size);
    }
    if (!is_pooled(p)) {
        return realloc(p, size ? size : 1);
    }
    size_t old = pool_of(p)->size;
    if (size <= old && size > old - old / 4 - 16) {
        return p;
    }
    void *q = nj_small_malloc(ctx, size);
    if (!q) {
        return size <= old ? p : NULL;
    }
    memcpy(q, p, size < old ? size : old);
    free_block(p);
    return q;
}

static void
nj_small_free(void *ctx, void *p)
{
    if (p) {
        free_block(p);
    }
}

static void *
raw_malloc(void *ctx, size_t size)
{
    return malloc(size ? size : 1);
}

static void *
raw_calloc(void *ctx, size_t n, size_t size)
{
    return n && size ? calloc(n, size) : calloc(1, 1);
}

static void *
raw_realloc(void *ctx, void *p, size_t size)
{
    return realloc(p, size ? size : 1);
}

static void
raw_free(void *ctx, void *p)
{
    if (is_pooled(p)) {
        free_block(p);
        return;
    }
    free(p);
}

static void *
arena_alloc(void *ctx, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0);
    return p == MAP_FAILED ? NULL : p;
}

static void
arena_free(void *ctx, void *p, size_t size)
{
    munmap(p, size);
}

/* --- debug hooks --------------------------------------------------------------------
 * [size: 8, big-endian][domain letter: 1][0xFD x 7][block][0xFD x 8]
 * Fresh memory is 0xCD, freed memory 0xDD. */

typedef struct NjDebugAlloc {
    PyMemAllocatorEx inner;
    char letter;
} NjDebugAlloc;

static NjDebugAlloc debug_alloc[3] = {
    {.letter = 'r'}, {.letter = 'm'}, {.letter = 'o'}};

#define DBG_FRESH 0xCD
#define DBG_DEAD 0xDD
#define DBG_GUARD 0xFD

static void
write_be(unsigned char *p, size_t n)
{
    for (int i = 7; i >= 0; i--) {
        p[i] = (unsigned char)n;
        n >>= 8;
    }
}

static size_t
read_be(const unsigned char *p)
{
    size_t n = 0;
    for (int i = 0; i < 8; i++) {
        n = n << 8 | p[i];
    }
    return n;
}

NJ_COLD static void
dump_block(const void *p)
{
    const unsigned char *q = p;
    fprintf(stderr, "Debug memory block at address p=%p:", p);
    fprintf(stderr, " API '%c'\n", q[-8]);
    size_t nbytes = read_be(q - 16);
    fprintf(stderr, "    %zu bytes originally requested\n", nbytes);
    bool ok = true;
    for (int i = 1; i < 8; i++) {
        ok = ok && q[-8 + i] == DBG_GUARD;
    }
    if (ok) {
        fprintf(stderr, "    The 7 pad bytes at p-7 are FORBIDDENBYTE, as expected.\n");
    }
    else {
        fprintf(stderr, "    The 7 pad bytes at p-7 are not all FORBIDDENBYTE (0x%02x):\n",
                DBG_GUARD);
        for (int i = 7; i >= 1; i--) {
            fprintf(stderr, "        at p-%d: 0x%02x%s\n", i, q[-i],
                    q[-i] == DBG_GUARD ? "" : " *** OUCH");
        }
        fprintf(stderr, "    Because memory is corrupted at the start, the count of bytes "
                        "requested\n       may be bogus, and checking the trailing pad "
                        "bytes may segfault.\n");
    }
    const unsigned char *tail = q + nbytes;
    fprintf(stderr, "    The %d pad bytes at tail=%p are ", 8, (const void *)tail);
    ok = true;
    for (int i = 0; i < 8; i++) {
        ok = ok && tail[i] == DBG_GUARD;
    }
    if (ok) {
        fprintf(stderr, "FORBIDDENBYTE, as expected.\n");
    }
    else {
        fprintf(stderr, "not all FORBIDDENBYTE (0x%02x):\n", DBG_GUARD);
        for (int i = 0; i < 8; i++) {
            fprintf(stderr, "        at tail+%d: 0x%02x%s\n", i, tail[i],
                    tail[i] == DBG_GUARD ? "" : " *** OUCH");
        }
    }
    if (nbytes > 0 && nbytes < 1 << 20) {
        fprintf(stderr, "    Data at p:");
        for (size_t i = 0; i < nbytes && i < 8; i++) {
            fprintf(stderr, " %02x", q[i]);
        }
        if (nbytes > 8) {
            fputs(nbytes > 16 ? " ..." : "", stderr);
            for (size_t i = nbytes > 16 ? nbytes - 8 : 8; i < nbytes; i++) {
                fprintf(stderr, " %02x", q[i]);
            }
        }
        fputc('\n', stderr);
    }
    fputc('\n', stderr);
    fprintf(stderr, "Enable tracemalloc to get the memory block allocation traceback\n\n");
}

static void
debug_check(const char *func, char letter, const void *p)
{
    const unsigned char *q = p;
    const char *msg = NULL;
    char text[120];
    if (q[-8] != (unsigned char)letter) {
        snprintf(text, sizeof text, "bad ID: Allocated using API '%c', verified using API '%c'",
                 q[-8], letter);
        msg = text;
    }
    else {
        for (int i = 1; i < 8 && !msg; i++) {
            if (q[-8 + i] != DBG_GUARD) {
                msg = "bad leading pad byte";
            }
        }
        const unsigned char *tail = q + read_be(q - 16);
        for (int i = 0; i < 8 && !msg; i++) {
            if (tail[i] != DBG_GUARD) {
                msg = "bad trailing pad byte";
            }
        }
    }
    if (msg) {
        dump_block(p);
        _Py_FatalErrorFunc(func, msg);
    }
}

static void
debug_check_gil(const char *func, const NjDebugAlloc *d)
{
    if (d->letter != 'r' && nj_runtime.initialized && !nj_tstate()) {
        _Py_FatalErrorFunc(func, "Python memory allocator called without holding the GIL");
    }
}

static void *
debug_raw_alloc(NjDebugAlloc *d, bool zero, size_t size)
{
    if (size > (size_t)PY_SSIZE_T_MAX - 24) {
        return NULL;
    }
    unsigned char *p = zero ? d->inner.calloc(d->inner.ctx, 1, size + 24)
                            : d->inner.malloc(d->inner.ctx, size + 24);
    if (!p) {
        return NULL;
    }
    write_be(p, size);
    p[8] = (unsigned char)d->letter;
    memset(p + 9, DBG_GUARD, 7);
    if (!zero) {
        memset(p + 16, DBG_FRESH, size);
    }
    memset(p + 16 + size, DBG_GUARD, 8);
    return p + 16;
}

static void *
debug_malloc(void *ctx, size_t size)
{
    debug_check_gil("_PyMem_DebugMalloc", ctx);
    return debug_raw_alloc(ctx, false, size);
}

static void *
debug_calloc(void *ctx, size_t n, size_t size)
{
    debug_check_gil("_PyMem_DebugCalloc", ctx);
    if (size && n > (size_t)PY_SSIZE_T_MAX / size) {
        return NULL;
    }
    return debug_raw_alloc(ctx, true, n * size);
}

static void
debug_free(void *ctx, void *p)
{
    NjDebugAlloc *d = ctx;
    if (!p) {
        return;
    }
    debug_check_gil("_PyMem_DebugFree", d);
    debug_check("_PyMem_DebugRawFree", d->letter, p);
    unsigned char *q = (unsigned char *)p - 16;
    memset(q, DBG_DEAD, read_be(q) + 24);
    d->inner.free(d->inner.ctx, q);
}

static void *
debug_realloc(void *ctx, void *p, size_t size)
{
    NjDebugAlloc *d = ctx;
    if (!p) {
        return debug_malloc(ctx, size);
    }
    debug_check_gil("_PyMem_DebugRealloc", d);
    debug_check("_PyMem_DebugRawRealloc", d->letter, p);
    size_t old = read_be((unsigned char *)p - 16);
    void *q = debug_raw_alloc(d, false, size);
    if (q) {
        memcpy(q, p, old < size ? old : size);
        debug_free(ctx, p);
    }
    return q;
}

void
PyMem_SetupDebugHooks(void)
{
    for (int i = 0; i < 3; i++) {
        if (nj_runtime.alloc[i].malloc == debug_malloc) {
            continue;
        }
        debug_alloc[i].inner = nj_runtime.alloc[i];
        nj_runtime.alloc[i] = (PyMemAllocatorEx){
            &debug_alloc[i], debug_malloc, debug_calloc, debug_realloc, debug_free};
    }
    nj_runtime.mem_fast = false;
}

/* --- choice of allocators ------------------------------------------------------------ */

static const PyMemAllocatorEx raw_allocator = {NULL, raw_malloc, raw_calloc, raw_realloc,
                                               raw_free};
static const PyMemAllocatorEx small_allocator = {NULL, nj_small_malloc, nj_small_calloc,
                                                 nj_small_realloc, nj_small_free};

static void
update_fast(void)
{
    nj_runtime.mem_fast =
        nj_runtime.alloc[PYMEM_DOMAIN_MEM].malloc == nj_small_malloc &&
        nj_runtime.alloc[PYMEM_DOMAIN_OBJ].malloc == nj_small_malloc;
}

int
nj_mem_configure_preset(PyMemAllocatorName name)
{
    bool small = true, debug = false;
    const char *small_name = NULL;
    switch (name) {
    case PYMEM_ALLOCATOR_NOT_SET:
        if (nj_runtime.mem_configured) {
            return 0;
        }
        break;
    case PYMEM_ALLOCATOR_DEFAULT:
    case PYMEM_ALLOCATOR_PYMALLOC:
#ifdef __SANITIZE_ADDRESS__
        small = false; /* pools would hide what the sanitizer is to see */
#endif
        break;
    case PYMEM_ALLOCATOR_DEBUG:
    case PYMEM_ALLOCATOR_PYMALLOC_DEBUG:
        debug = true;
        break;
    /* there is one allocator of small blocks, whatever its name */
    case PYMEM_ALLOCATOR_MIMALLOC:
        small_name = "mimalloc";
        break;
    case PYMEM_ALLOCATOR_MIMALLOC_DEBUG:
        small_name = "mimalloc_debug";
        debug = true;
        break;
    case PYMEM_ALLOCATOR_MALLOC:
        small = false;
        break;
    case PYMEM_ALLOCATOR_MALLOC_DEBUG:
        small = false;
        debug = true;
        break;
    default:
        return -1;
    }
    nj_runtime.mem_configured = true;
    nj_runtime.alloc[PYMEM_DOMAIN_RAW] = raw_allocator;
    nj_runtime.alloc[PYMEM_DOMAIN_MEM] = small ? small_allocator : raw_allocator;
    nj_runtime.alloc[PYMEM_DOMAIN_OBJ] = nj_runtime.alloc[PYMEM_DOMAIN_MEM];
    if (!nj_runtime.arena.alloc) {
        nj_runtime.arena = (PyObjectArenaAllocator){NULL, arena_alloc, arena_free};
    }
    update_fast();
    if (debug) {
        PyMem_SetupDebugHooks();
    }
    nj_runtime.alloc_name = small_name ? small_name
                            : small    ? (debug ? "pymalloc_debug" : "pymalloc")
                                       : (debug ? "malloc_debug" : "malloc");
    return 0;
}

int
nj_mem_configure(const char *name)
{
    static const struct {
        const char *name;
        PyMemAllocatorName value;
    } names[] = {{"default", PYMEM_ALLOCATOR_DEFAULT},
                 {"debug", PYMEM_ALLOCATOR_DEBUG},
                 {"pymalloc", PYMEM_ALLOCATOR_PYMALLOC},
                 {"pymalloc_debug", PYMEM_ALLOCATOR_PYMALLOC_DEBUG},
                 {"mimalloc", PYMEM_ALLOCATOR_MIMALLOC},
                 {"mimalloc_debug", PYMEM_ALLOCATOR_MIMALLOC_DEBUG},
                 {"malloc", PYMEM_ALLOCATOR_MALLOC},
                 {"malloc_debug", PYMEM_ALLOCATOR_MALLOC_DEBUG}};
    if (!name || !*name) {
        return nj_mem_configure_preset(PYMEM_ALLOCATOR_DEFAULT);
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i].name) == 0) {
            return nj_mem_configure_preset(names[i].value);
        }
    }
    return -1;
}

/* Does a word look like what the debug hooks leave in memory without an object? */
static bool
is_filler(uintptr_t word)
{
    const uintptr_t every = (uintptr_t)-1 / 0xff;
    return word <= 0xff || word == every * DBG_FRESH || word == every * DBG_DEAD ||
           word == every * DBG_GUARD || word >= (uintptr_t)-0xff;
}

PyAPI_FUNC(int) _PyObject_IsFreed(PyObject *op);
int
_PyObject_IsFreed(PyObject *op)
{
    return is_filler((uintptr_t)op) || is_filler((uintptr_t)Py_TYPE(op));
}

PyAPI_FUNC(const char *) _PyMem_GetCurrentAllocatorName(void);
const char *
_PyMem_GetCurrentAllocatorName(void)
{
    return nj_runtime.alloc_name;
}

void
PyMem_GetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
{
    if ((unsigned)domain > 2) {
        memset(allocator, 0, sizeof *allocator);
        return;
    }
    nj_runtime_init();
    *allocator = nj_runtime.alloc[domain];
}

void
PyMem_SetAllocator(PyMemAllocatorDomain domain, PyMemAllocatorEx *allocator)
{
    nj_runtime_init();
    if ((unsigned)domain <= 2) {
        nj_runtime.alloc[domain] = *allocator;
        nj_runtime.mem_configured = true;
        update_fast();
    }
}

void
PyObject_GetArenaAllocator(PyObjectArenaAllocator *allocator)
{
    nj_runtime_init();
    *allocator = nj_runtime.arena;
}

void
PyObject_SetArenaAllocator(PyObjectArenaAllocator *allocator)
{
    nj_runtime_init();
    nj_runtime.arena = *allocator;
}

/* All pools of a dying interpreter: the empty ones go back, the others are orphaned
 * (something immortal may still live in them). */
void
nj_mem_interp_fini(NjInterp *interp)
{
    NjMem *mem = &interp->rt.mem;
    pthread_mutex_lock(&nj_runtime.region_lock);
    for (uintptr_t off = 0; off < nj_runtime.region_used; off += POOL_SIZE) {
        NjPool *pool = (NjPool *)(nj_runtime.region + off);
        if (pool->owner != mem) {
            continue;
        }
        pool->owner = NULL;
        if (!pool->used) {
            pool->size = 0;
            pool->listed = 0;
            pool->next = nj_runtime.region_free;
            nj_runtime.region_free = pool;
        }
    }
    memset(mem, 0, sizeof *mem);
    pthread_mutex_unlock(&nj_runtime.region_lock);
}

void
nj_mem_after_fork(void)
{
    pthread_mutex_init(&nj_runtime.region_lock, NULL);
}

/* sys.getallocatedblocks() */
Py_ssize_t
nj_mem_blocks(void)
{
    Py_ssize_t total = 0;
    NjMem *mem = &nj_interp()->rt.mem;
    for (uintptr_t off = 0; off < nj_runtime.region_used; off += POOL_SIZE) {
        NjPool *pool = (NjPool *)(nj_runtime.region + off);
        if (pool->owner == mem && pool->size) {
            total += pool->used;
        }
    }
    return total;
}

static void
print_sum(FILE *out, const char *label, size_t value)
{
    fprintf(out, "%-34s = %20zu\n", label, value);
}

static void
print_free(FILE *out, const char *what, Py_ssize_t count, size_t size)
{
    char label[100];
    snprintf(label, sizeof(label), "%zd free %ss * %zu bytes each", count, what, size);
    fprintf(out, "%48s = %20zu\n", label, (size_t)count * size);
}

/* sys._debugmallocstats(), PYTHONMALLOCSTATS: the pools and free lists of this
 * interpreter. */
void
nj_mem_dump_stats(FILE *out)
{
    enum { CLASSES = 33 }; /* 1..32: multiples of 16 */
    size_t pools[CLASSES] = {0}, used[CLASSES] = {0}, room[CLASSES] = {0};
    size_t empty = 0, foreign = 0, in_use = 0, available = 0, headers = 0, rest = 0;
    NjMem *mem = &nj_interp()->rt.mem;
    for (uintptr_t off = 0; off < nj_runtime.region_used; off += POOL_SIZE) {
        NjPool *pool = (NjPool *)(nj_runtime.region + off);
        if (pool->owner != mem) {
            foreign++;
        }
        else if (!pool->size || !pool->used) {
            empty++;
        }
        else {
            size_t blocks = (POOL_SIZE - POOL_HEADER) / pool->size;
            pools[pool->cls]++;
            used[pool->cls] += pool->used;
            room[pool->cls] += blocks - pool->used;
            in_use += (size_t)pool->used * pool->size;
            available += (blocks - pool->used) * pool->size;
            headers += POOL_HEADER;
            rest += POOL_SIZE - POOL_HEADER - blocks * pool->size;
        }
    }
    fprintf(out,
            "Small block threshold = 512, in %d size classes.\n\n"
            "class   size   num pools   blocks in use  avail blocks\n"
            "-----   ----   ---------   -------------  ------------\n",
            CLASSES - 1);
    for (int i = 1; i < CLASSES; i++) {
        if (pools[i]) {
            fprintf(out, "%5d %6d %11zu %15zu %13zu\n", i - 1, i * 16, pools[i], used[i],
                    room[i]);
        }
    }
    fputc('\n', out);
    print_sum(out, "# bytes made accessible for pools", nj_runtime.region_used);
    print_sum(out, "# bytes in allocated blocks", in_use);
    print_sum(out, "# bytes in available blocks", available);
    print_sum(out, "# bytes in empty pools", empty * POOL_SIZE);
    print_sum(out, "# bytes of others' pools", foreign * POOL_SIZE);
    print_sum(out, "# bytes lost to pool headers", headers);
    print_sum(out, "# bytes lost to quantization", rest);
    fputc('\n', out);
    NjInterp *interp = nj_interp();
    NjContainerState *c = &interp->containers;
    print_free(out, "PyDictObject", c->dicts.count, sizeof(PyDictObject));
    print_free(out, "PyFloatObject", interp->numbers.n_free_floats, sizeof(PyFloatObject));
    print_free(out, "PyListObject", c->lists.count, sizeof(PyListObject));
    for (int n = 1; n <= NJ_TUPLE_FREE_SIZES; n++) {
        char label[40];
        snprintf(label, sizeof(label), "%d-sized PyTupleObject", n);
        print_free(out, label, c->tuples[n].count,
                   (size_t)_PyObject_VAR_SIZE(&PyTuple_Type, n));
    }
}

/* --- the public functions --------------------------------------------------------------- */

void *
PyMem_RawMalloc(size_t size)
{
    if (NJ_UNLIKELY(size > (size_t)PY_SSIZE_T_MAX)) {
        return NULL;
    }
    if (NJ_UNLIKELY(!nj_runtime.mem_configured)) {
        return raw_malloc(NULL, size);
    }
    PyMemAllocatorEx *a = &nj_runtime.alloc[PYMEM_DOMAIN_RAW];
    return a->malloc(a->ctx, size);
}

void *
PyMem_RawCalloc(size_t n, size_t size)
{
    if (NJ_UNLIKELY(size && n > (size_t)PY_SSIZE_T_MAX / size)) {
        return NULL;
    }
    if (NJ_UNLIKELY(!nj_runtime.mem_configured)) {
        return raw_calloc(NULL, n, size);
    }
    PyMemAllocatorEx *a = &nj_runtime.alloc[PYMEM_DOMAIN_RAW];
    return a->calloc(a->ctx, n, size);
}

void *
PyMem_RawRealloc(void *p, size_t size)
{
    if (NJ_UNLIKELY(size > (size_t)PY_SSIZE_T_MAX)) {
        return NULL;
    }
    if (NJ_UNLIKELY(!nj_runtime.mem_configured)) {
        return raw_realloc(NULL, p, size);
    }
    PyMemAllocatorEx *a = &nj_runtime.alloc[PYMEM_DOMAIN_RAW];
    return a->realloc(a->ctx, p, size);
}

void
PyMem_RawFree(void *p)
{
    if (NJ_UNLIKELY(!nj_runtime.mem_configured)) {
        free(p);
        return;
    }
    PyMemAllocatorEx *a = &nj_runtime.alloc[PYMEM_DOMAIN_RAW];
    a->free(a->ctx, p);
}

NJ_COLD static void *
hooked_malloc(PyMemAllocatorDomain domain, size_t size)
{
    if (size > (size_t)PY_SSIZE_T_MAX) {
        return NULL;
    }
    nj_runtime_init();
    PyMemAllocatorEx *a = &nj_runtime.alloc[domain];
    return a->malloc(a->ctx, size);
}

NJ_COLD static void *
hooked_calloc(PyMemAllocatorDomain domain, size_t n, size_t size)
{
    if (size && n > (size_t)PY_SSIZE_T_MAX / size) {
        return NULL;
    }
    nj_runtime_init();
    PyMemAllocatorEx *a = &nj_runtime.alloc[domain];
    return a->calloc(a->ctx, n, size);
}

NJ_COLD static void *
hooked_realloc(PyMemAllocatorDomain domain, void *p, size_t size)
{
    if (size > (size_t)PY_SSIZE_T_MAX) {
        return NULL;
    }
    nj_runtime_init();
    PyMemAllocatorEx *a = &nj_runtime.alloc[domain];
    return a->realloc(a->ctx, p, size);
}

NJ_COLD static void
hooked_free(PyMemAllocatorDomain domain, void *p)
{
    nj_runtime_init();
    PyMemAllocatorEx *a = &nj_runtime.alloc[domain];
    a->free(a->ctx, p);
}

void *
PyMem_Malloc(size_t size)
{
    if (NJ_LIKELY(nj_runtime.mem_fast)) {
        if (NJ_LIKELY(size <= NJ_MEM_SMALL_MAX)) {
            return alloc_small(size);
        }
        return size > (size_t)PY_SSIZE_T_MAX ? NULL : malloc(size);
    }
    return hooked_malloc(PYMEM_DOMAIN_MEM, size);
}

void *
PyMem_Calloc(size_t n, size_t size)
{
    return nj_runtime.mem_fast ? nj_small_calloc(NULL, n, size)
                               : hooked_calloc(PYMEM_DOMAIN_MEM, n, size);
}

void *
PyMem_Realloc(void *p, size_t size)
{
    if (NJ_UNLIKELY(size > (size_t)PY_SSIZE_T_MAX)) {
        return NULL;
    }
    return nj_runtime.mem_fast ? nj_small_realloc(NULL, p, size)
                               : hooked_realloc(PYMEM_DOMAIN_MEM, p, size);
}

void
PyMem_Free(void *p)
{
    if (NJ_LIKELY(nj_runtime.mem_fast)) {
        if (p) {
            free_block(p);
        }
        return;
    }
    hooked_free(PYMEM_DOMAIN_MEM, p);
}

void *
PyObject_Malloc(size_t size)
{
    if (NJ_LIKELY(nj_runtime.mem_fast)) {
        if (NJ_LIKELY(size <= NJ_MEM_SMALL_MAX)) {
            return alloc_small(size);
        }
        return size > (size_t)PY_SSIZE_T_MAX ? NULL : malloc(size);
    }
    return hooked_malloc(PYMEM_DOMAIN_OBJ, size);
}

void *
PyObject_Calloc(size_t n, size_t size)
{
    return nj_runtime.mem_fast ? nj_small_calloc(NULL, n, size)
                               : hooked_calloc(PYMEM_DOMAIN_OBJ, n, size);
}

void *
PyObject_Realloc(void *p, size_t size)
{
    if (NJ_UNLIKELY(size > (size_t)PY_SSIZE_T_MAX)) {
        return NULL;
    }
    return nj_runtime.mem_fast ? nj_small_realloc(NULL, p, size)
                               : hooked_realloc(PYMEM_DOMAIN_OBJ, p, size);
}

void
PyObject_Free(void *p)
{
    if (NJ_LIKELY(nj_runtime.mem_fast)) {
        if (NJ_LIKELY(p != NULL)) {
            free_block(p);
        }
        return;
    }
    hooked_free(PYMEM_DOMAIN_OBJ, p);
}

PyAPI_FUNC(char *) _PyMem_Strdup(const char *s);
char *
_PyMem_Strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = PyMem_Malloc(n);
    return p ? memcpy(p, s, n) : NULL;
}

/* --- objects -------------------------------------------------------------------------------- */

/* Bytes in front of an object of this type. */
NJ_INLINE size_t
preheader(PyTypeObject *tp)
{
    unsigned long f = tp->tp_flags;
    return (f & Py_TPFLAGS_HAVE_GC ? sizeof(NjGCHead) : 0) +
           (f & (Py_TPFLAGS_MANAGED_DICT | Py_TPFLAGS_MANAGED_WEAKREF)
                ? 2 * sizeof(PyObject *)
                : 0);
}

PyObject *
nj_gc_alloc(PyTypeObject *tp, size_t size)
{
    size_t pre = preheader(tp);
    if (NJ_UNLIKELY(size > (size_t)PY_SSIZE_T_MAX - pre)) {
        return PyErr_NoMemory();
    }
    char *mem = PyObject_Malloc(pre + size);
    if (NJ_UNLIKELY(!mem)) {
        return PyErr_NoMemory();
    }
    memset(mem, 0, pre);
    nj_gc_count_alloc(nj_interp());
    return (PyObject *)(mem + pre);
}

PyObject *
_PyObject_New(PyTypeObject *tp)
{
    PyObject *op = PyObject_Malloc((size_t)tp->tp_basicsize);
    return op ? PyObject_Init(op, tp) : PyErr_NoMemory();
}

PyVarObject *
_PyObject_NewVar(PyTypeObject *tp, Py_ssize_t n)
{
    size_t size = _PyObject_VAR_SIZE(tp, n);
    PyVarObject *op = PyObject_Malloc(size);
    return op ? PyObject_InitVar(op, tp, n) : (PyVarObject *)PyErr_NoMemory();
}

PyObject *
_PyObject_GC_New(PyTypeObject *tp)
{
    PyObject *op = nj_gc_alloc(tp, (size_t)tp->tp_basicsize);
    return op ? PyObject_Init(op, tp) : NULL;
}

PyVarObject *
_PyObject_GC_NewVar(PyTypeObject *tp, Py_ssize_t n)
{
    if (n < 0) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyObject *op = nj_gc_alloc(tp, _PyObject_VAR_SIZE(tp, n));
    return op ? PyObject_InitVar((PyVarObject *)op, tp, n) : NULL;
}

PyObject *
PyUnstable_Object_GC_NewWithExtraData(PyTypeObject *tp, size_t extra)
{
    size_t size = (size_t)tp->tp_basicsize + extra;
    PyObject *op = nj_gc_alloc(tp, size);
    if (!op) {
        return NULL;
    }
    memset(op, 0, size);
    return PyObject_Init(op, tp);
}

PyVarObject *
_PyObject_GC_Resize(PyVarObject *op, Py_ssize_t n)
{
    PyTypeObject *tp = Py_TYPE(op);
    size_t pre = preheader(tp);
    size_t size = _PyObject_VAR_SIZE(tp, n);
    assert(!nj_gc_is_tracked((PyObject *)op));
    if (size > (size_t)PY_SSIZE_T_MAX - pre) {
        return (PyVarObject *)PyErr_NoMemory();
    }
    char *mem = PyObject_Realloc((char *)op - pre, pre + size);
    if (!mem) {
        return (PyVarObject *)PyErr_NoMemory();
    }
    op = (PyVarObject *)(mem + pre);
    Py_SET_SIZE(op, n);
    return op;
}

void
PyObject_GC_Del(void *p)
{
    PyObject *op = p;
    size_t pre = preheader(Py_TYPE(op));
    if (NJ_UNLIKELY(nj_gc_is_tracked(op))) {
        nj_gc_untrack(op);
    }
    PyThreadState *tstate = nj_tstate();
    if (tstate && tstate->interp->gc.count[0] > 0) {
        tstate->interp->gc.count[0]--;
    }
    PyObject_Free((char *)op - pre);
}

void
PyObject_GC_Track(void *p)
{
    PyObject *op = p;
    if (NJ_UNLIKELY(nj_gc_is_tracked(op))) {
        _PyObject_AssertFailed(op, NULL, "object already tracked by the garbage collector",
                               __FILE__, __LINE__, __func__);
    }
    nj_gc_track(op);
}

void
PyObject_GC_UnTrack(void *p)
{
    nj_gc_untrack(p);
}

int
PyObject_GC_IsTracked(PyObject *op)
{
    return PyObject_IS_GC(op) && nj_gc_is_tracked(op);
}

int
PyObject_GC_IsFinalized(PyObject *op)
{
    return PyObject_IS_GC(op) && (nj_gc_head(op)->prev & NJ_GC_FINALIZED) != 0;
}

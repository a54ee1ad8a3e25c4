/* perf_trampoline.c - sys.activate_stack_trampoline, -X perf, -X perf_jit: Python functions
 * that a sampling profiler can tell apart.
 *
 * While active, an evaluator of PEP 523 enters each frame through a few instructions of
 * its code object's own, so that every Python call has a C frame whose return address
 * names the function: in /tmp/perf-PID.map, or in /tmp/jit-PID.dump (the kernel's jitdump
 * format, with unwinding tables). The instructions lie in chunks that are written first and
 * executable afterwards, and stay mapped until the interpreter ends, for frames may be
 * inside; a chunk begins with the generation that tells whose they are after a fork.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtime/state.h"
#include "vm/frame.h"
#include "vm/perf_map.h"
#include "vm/vm.h"

typedef PyObject *(*Entry)(PyThreadState *, NjFrame *, int, _PyFrameEvalFunction);

/* A C function with a frame pointer that calls its fourth argument with the other three. */
#if defined(__x86_64__)
static const uint8_t entry_code[] = {
    0x55,             /* push %rbp */
    0x48, 0x89, 0xe5, /* mov  %rsp,%rbp */
    0xff, 0xd1,       /* call *%rcx */
    0x5d,             /* pop  %rbp */
    0xc3,             /* ret */
};
#define ELF_MACHINE 62
/* DWARF numbers of the frame pointer, the return address and the stack pointer; what lies
 * between stack pointer and CFA on entry; how many bytes to the next state of the frame. */
enum { REG_FP = 6, REG_RA = 16, REG_SP = 7, AT_ENTRY = 8 };
enum { TO_PUSHED = 1, TO_FRAME = 3, TO_POPPED = 3 };
#define HAVE_ENTRY 1
#elif defined(__aarch64__)
static const uint8_t entry_code[] = {
    0xfd, 0x7b, 0xbf, 0xa9, /* stp x29, x30, [sp, #-16]! */
    0xfd, 0x03, 0x00, 0x91, /* mov x29, sp */
    0x60, 0x00, 0x3f, 0xd6, /* blr x3 */
    0xfd, 0x7b, 0xc1, 0xa8, /* ldp x29, x30, [sp], #16 */
    0xc0, 0x03, 0x5f, 0xd6, /* ret */
};
#define ELF_MACHINE 183
enum { REG_FP = 29, REG_RA = 30, REG_SP = 31, AT_ENTRY = 0 };
enum { TO_PUSHED = 4, TO_FRAME = 4, TO_POPPED = 8 };
#define HAVE_ENTRY 1
#else
static const uint8_t entry_code[1];
#define ELF_MACHINE 0
enum { REG_FP, REG_RA, REG_SP, AT_ENTRY, TO_PUSHED, TO_FRAME, TO_POPPED };
#define HAVE_ENTRY 0
#endif

#define CHUNK_SIZE 65536
#define ENTRY_STRIDE 32

typedef struct Chunk {
    uint64_t generation;
    struct Chunk *next;
} Chunk;

struct NjPerf {
    Chunk *chunks;
    uint8_t *next, *end; /* entries not given out */
    uint64_t generation;
    Py_ssize_t extra; /* index of the entry among the extras of code objects */
    _PyFrameEvalFunction inner;
    NjPerfBackend backend;
    bool persist; /* a forked child goes on with what its parent has */
    pid_t pid;
    FILE *dump;
    void *dump_mark;
    uint64_t dump_index;
};

/* ---- entries ---- */

static int
chunk_new(NjPerf *p)
{
    /* a whole CHUNK_SIZE at a multiple of it, so that an entry finds its chunk */
    uint8_t *raw = mmap(NULL, 2 * CHUNK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED) {
        return -1;
    }
    uint8_t *at = (uint8_t *)(((uintptr_t)raw + CHUNK_SIZE - 1) & ~(uintptr_t)(CHUNK_SIZE - 1));
    if (at > raw) {
        munmap(raw, (size_t)(at - raw));
    }
    munmap(at + CHUNK_SIZE, (size_t)(raw + CHUNK_SIZE - at));
    if (mprotect(at, CHUNK_SIZE, PROT_READ | PROT_WRITE) != 0) {
        munmap(at, CHUNK_SIZE);
        return -1;
    }
    Chunk *c = (Chunk *)at;
    c->generation = p->generation;
    c->next = p->chunks;
    uint8_t *first = at + ((sizeof(Chunk) + ENTRY_STRIDE - 1) & ~(size_t)(ENTRY_STRIDE - 1));
    for (uint8_t *e = first; e + ENTRY_STRIDE <= at + CHUNK_SIZE; e += ENTRY_STRIDE) {
        memcpy(e, entry_code, sizeof(entry_code));
    }
    if (mprotect(at, CHUNK_SIZE, PROT_READ | PROT_EXEC) != 0) {
        munmap(at, CHUNK_SIZE);
        return -1;
    }
    __builtin___clear_cache((char *)first, (char *)at + CHUNK_SIZE);
    p->chunks = c;
    p->next = first;
    p->end = at + CHUNK_SIZE;
    return 0;
}

/* ---- the dump file ---- */

static uint64_t
monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void
dump_close(NjPerf *p)
{
    if (p->dump) {
        fclose(p->dump);
        p->dump = NULL;
    }
    if (p->dump_mark) {
        munmap(p->dump_mark, (size_t)sysconf(_SC_PAGESIZE));
        p->dump_mark = NULL;
    }
}

static int
dump_open(NjPerf *p)
{
    char name[64];
    snprintf(name, sizeof(name), "/tmp/jit-%ld.dump", (long)getpid());
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -1;
    }
    /* the profiler finds the file by its executable mapping */
    void *mark = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC,
                      MAP_PRIVATE, fd, 0);
    p->dump_mark = mark == MAP_FAILED ? NULL : mark;
    p->dump = mark == MAP_FAILED ? NULL : fdopen(fd, "w");
    if (!p->dump) {
        close(fd);
        dump_close(p);
        return -1;
    }
    struct {
        uint32_t magic, version, size, machine, pad, pid;
        uint64_t time, flags;
    } head = {0x4a695444, 1, sizeof(head), ELF_MACHINE, 0, (uint32_t)getpid(), monotonic(), 0};
    fwrite(&head, sizeof(head), 1, p->dump);
    return 0;
}

/* .eh_frame and .eh_frame_hdr of one entry, as they lie behind its code. */
static size_t
unwinding_tables(uint8_t *out, size_t *header_size)
{
    uint32_t code = (sizeof(entry_code) + 7) & ~7u;
    uint8_t *p = out, *mark;
#define PUT32(v) (memcpy(p, &(int32_t){(int32_t)(v)}, 4), p += 4)
#define PUT(...)                                                                       \
    (memcpy(p, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})),            \
     p += sizeof((uint8_t[]){__VA_ARGS__}))
#define CLOSE_RECORD()                                                                 \
    do {                                                                               \
        while ((p - out) % 4) {                                                        \
            *p++ = 0; /* DW_CFA_nop */                                                 \
        }                                                                              \
        memcpy(mark, &(uint32_t){(uint32_t)(p - mark - 4)}, 4);                        \
    } while (0)
    /* the common part: "zR", code by bytes, data by -8, 4-byte addresses from here */
    mark = p;
    PUT32(0);
    PUT32(0);
    PUT(1, 'z', 'R', 0, 1, 0x78, REG_RA, 1, 0x1b);
    PUT(0x0c, REG_SP, AT_ENTRY); /* where the CFA is */
    if (AT_ENTRY) {
        PUT(0x80 | REG_RA, 1); /* the return address at CFA - 8 */
    }
    CLOSE_RECORD();
    uint8_t *fde = p;
    mark = p;
    PUT32(0);
    PUT32(p - out);
    PUT32(-(int32_t)(p - out) - (int32_t)code);
    PUT32(sizeof(entry_code));
    PUT(0);
    PUT(0x40 | TO_PUSHED, 0x0e, 16, 0x80 | REG_FP, 2); /* its caller's at CFA - 16 */
    if (!AT_ENTRY) {
        PUT(0x80 | REG_RA, 1);
    }
    PUT(0x40 | TO_FRAME, 0x0d, REG_FP); /* the CFA by the frame pointer */
    PUT(0x40 | TO_POPPED, 0x0c, REG_SP, AT_ENTRY, 0xc0 | REG_FP);
    if (!AT_ENTRY) {
        PUT(0xc0 | REG_RA);
    }
    CLOSE_RECORD();
    PUT32(0); /* the end */
    uint8_t *header = p;
    PUT(1, 0x1b, 0x03, 0x3b);
    PUT32(-(int32_t)(p - out));
    PUT32(1);
    PUT32(-(int32_t)(header - out) - (int32_t)code);
    PUT32(fde - header);
#undef PUT32
#undef PUT
#undef CLOSE_RECORD
    *header_size = (size_t)(p - header);
    return (size_t)(p - out);
}

static void
dump_entry(NjPerf *p, const uint8_t *entry, const char *name)
{
    uint8_t tables[128] = {0};
    size_t header;
    size_t size = unwinding_tables(tables, &header);
    size_t padded = (size + 7) & ~(size_t)7;
    struct {
        uint32_t id, size;
        uint64_t time, tables, header, mapped;
    } unwinding = {4,    (uint32_t)(sizeof(unwinding) + padded), monotonic(), size, header,
                   size};
    size_t length = strlen(name) + 1;
    struct {
        uint32_t id, size;
        uint64_t time;
        uint32_t pid, tid;
        uint64_t vma, address, code, index;
    } load = {0,
              (uint32_t)(sizeof(load) + length + sizeof(entry_code)),
              unwinding.time,
              (uint32_t)getpid(),
              (uint32_t)syscall(SYS_gettid),
              (uintptr_t)entry,
              (uintptr_t)entry,
              sizeof(entry_code),
              ++p->dump_index};
    fwrite(&unwinding, sizeof(unwinding), 1, p->dump);
    fwrite(tables, padded, 1, p->dump);
    fwrite(&load, sizeof(load), 1, p->dump);
    fwrite(name, length, 1, p->dump);
    fwrite(entry, sizeof(entry_code), 1, p->dump);
    fflush(p->dump);
}

/* ---- code objects ---- */

static int
tell_profiler(NjPerf *p, PyCodeObject *co, const uint8_t *entry)
{
    NJ_OWN text = PyUnicode_FromFormat("py::%U:%U", co->co_qualname, co->co_filename);
    /* a lone surrogate is no reason to go without */
    NJ_OWN name = text ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    if (!name) {
        return -1;
    }
    if (p->backend == NJ_PERF_DUMP) {
        dump_entry(p, entry, PyBytes_AS_STRING(name));
        return 0;
    }
    return PyUnstable_WritePerfMapEntry(entry, sizeof(entry_code), PyBytes_AS_STRING(name));
}

static uint8_t *
entry_of(NjPerf *p, PyCodeObject *co)
{
    void *entry = NULL;
    if (PyUnstable_Code_GetExtra((PyObject *)co, p->extra, &entry) < 0) {
        PyErr_Clear();
        return NULL;
    }
    if (entry) {
        Chunk *c = (Chunk *)((uintptr_t)entry & ~(uintptr_t)(CHUNK_SIZE - 1));
        if (c->generation == p->generation) {
            return entry;
        }
    }
    if (p->end - p->next < ENTRY_STRIDE && chunk_new(p) < 0) {
        return NULL;
    }
    uint8_t *fresh = p->next;
    if (PyUnstable_Code_SetExtra((PyObject *)co, p->extra, fresh) < 0 ||
        tell_profiler(p, co, fresh) < 0) {
        PyErr_Clear(); /* a function that the profiler does not see, no more */
        return NULL;
    }
    p->next += ENTRY_STRIDE;
    return fresh;
}

static PyObject *
eval_through_entry(PyThreadState *tstate, NjFrame *frame, int exc)
{
    NjPerf *p = tstate->interp->rt.perf;
    PyObject *raised = PyErr_GetRaisedException(); /* a throw into a generator */
    uint8_t *entry = entry_of(p, nj_frame_peek_code(frame));
    PyErr_SetRaisedException(raised);
    if (!entry) {
        return p->inner(tstate, frame, exc);
    }
    return ((Entry)(void *)entry)(tstate, frame, exc, p->inner);
}

/* ---- switching it on and off ---- */

NjPerfBackend
nj_perf_backend(void)
{
    NjPerf *p = nj_interp()->rt.perf;
    return p ? p->backend : NJ_PERF_OFF;
}

void
nj_perf_deactivate(void)
{
    NjInterp *interp = nj_interp();
    NjPerf *p = interp->rt.perf;
    if (!p || p->backend == NJ_PERF_OFF) {
        return;
    }
    if (_PyInterpreterState_GetEvalFrameFunc(interp) == eval_through_entry) {
        _PyInterpreterState_SetEvalFrameFunc(interp, p->inner);
    }
    if (p->backend == NJ_PERF_DUMP) {
        dump_close(p);
        p->generation++; /* another file would not know the entries of this one */
        p->next = p->end;
    }
    p->backend = NJ_PERF_OFF;
}

/* -1 and no exception: not possible here. */
int
nj_perf_activate(NjPerfBackend backend)
{
    NjInterp *interp = nj_interp();
    NjPerf *p = interp->rt.perf;
    if (!HAVE_ENTRY) {
        return -1;
    }
    if (!p) {
        p = PyMem_RawCalloc(1, sizeof(*p));
        if (!p) {
            return -1;
        }
        p->extra = PyUnstable_Eval_RequestCodeExtraIndex(NULL);
        if (p->extra < 0) {
            PyMem_RawFree(p);
            return -1;
        }
        interp->rt.perf = p;
    }
    if (p->backend == backend) {
        return 0;
    }
    NjPerfBackend before = p->backend;
    nj_perf_deactivate();
    if (before != NJ_PERF_OFF) {
        p->generation++;
        p->next = p->end;
    }
    if (backend == NJ_PERF_MAP ? PyUnstable_PerfMapState_Init() < 0 : dump_open(p) < 0) {
        return -1;
    }
    p->pid = getpid();
    p->inner = _PyInterpreterState_GetEvalFrameFunc(interp);
    p->backend = backend;
    _PyInterpreterState_SetEvalFrameFunc(interp, eval_through_entry);
    return 0;
}

/* The child has files of its own, and by default names in them only what it runs. */
void
nj_perf_after_fork_child(void)
{
    PyUnstable_PerfMapState_Fini();
    NjPerf *p = nj_interp()->rt.perf;
    if (!p || p->backend == NJ_PERF_OFF) {
        return;
    }
    if (p->backend == NJ_PERF_MAP && p->persist) {
        char name[64];
        snprintf(name, sizeof(name), "/tmp/perf-%ld.map", (long)p->pid);
        (void)PyUnstable_CopyPerfMapFile(name);
        p->pid = getpid();
        return;
    }
    NjPerfBackend backend = p->backend;
    nj_perf_deactivate();
    p->generation++;
    p->next = p->end;
    (void)nj_perf_activate(backend);
}

void
nj_perf_fini(NjInterp *interp)
{
    NjPerf *p = interp->rt.perf;
    if (!p) {
        return;
    }
    interp->rt.perf = NULL;
    dump_close(p);
    for (Chunk *c = p->chunks, *next; c; c = next) {
        next = c->next;
        munmap(c, CHUNK_SIZE);
    }
    PyMem_RawFree(p);
}

int
PyUnstable_PerfTrampoline_CompileCode(PyCodeObject *co)
{
    NjPerf *p = nj_interp()->rt.perf;
    if (!p || p->backend == NJ_PERF_OFF) {
        return 0;
    }
    return entry_of(p, co) ? 0 : -1;
}

int
PyUnstable_PerfTrampoline_SetPersistAfterFork(int enable)
{
    NjPerf *p = nj_interp()->rt.perf;
    if (p) {
        p->persist = enable != 0;
    }
    return enable;
}

/* remote.h - the inside of another process of this interpreter: where things are there,
 * and reading them.
 *
 * Every process has one NjRemoteTable in its writable data. It says where the runtime is
 * and which offsets its structs have, so the two processes may be different builds. Whoever
 * looks for it reads the writable file mappings of the process; the table's address in
 * itself tells it from a copy. Public structs (Python.h) have one layout everywhere.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_REMOTE_H
#define NJ_BASE_REMOTE_H

#include "nj.h"

#include <errno.h>
#include <stdio.h>
#include <sys/uio.h>

#define NJ_REMOTE_MAGIC "naja remote v2 " /* 16 bytes */
#define NJ_REMOTE_ALIGN 64

/* What _asyncio says of itself: reached from the interpreter, NULL before its import. */
typedef struct NjRemoteAsyncio {
    void *tasks;         /* head of the ring of unfinished tasks: {next, previous} */
    uint64_t node;       /* offsets in a task: its link in the ring */
    uint64_t coro, name; /* pointers; the name is a str or an int */
    uint64_t loop;
    uint64_t awaited_by; /* NULL, a task, or, if awaited_by_set, a set of them */
    uint64_t awaited_by_set, is_task; /* bytes */
} NjRemoteAsyncio;

typedef struct NjRemoteTable {
    char magic[16];
    void *self;                    /* where the table is */
    PyInterpreterState **main;     /* where the pointer to the main interpreter is */
    void *coroutine, *generator;   /* types */
    uint64_t enabled;              /* offsets in the interpreter: int, 1: requests are served */
    uint64_t interp_next;          /* pointers */
    uint64_t threads;
    uint64_t main_tstate;
    uint64_t gil;
    uint64_t asyncio;              /* NjRemoteAsyncio */
    uint64_t gil_holder;           /* offsets in the GIL: thread state */
    uint64_t gil_locked;           /* int */
    uint64_t eval_breaker;         /* offsets in the thread state */
    uint64_t pending_call;         /* int32_t */
    uint64_t script_path;
    uint64_t script_path_size;
    uint64_t break_bit;            /* what to store in the lowest byte of eval_breaker */
    uint64_t running_loop, running_task; /* pointers */
    uint64_t frame_code;           /* offsets in a frame: pointer with tag bits */
    uint64_t frame_previous, frame_instr, frame_stack; /* pointers */
    uint64_t frame_owner;          /* char */
    uint64_t frame_marks;          /* byte */
    uint64_t entered_mark;         /* its bit: called from C */
    uint64_t frame_size;
    uint64_t hidden_owner;         /* of an owner from here on: no frame of Python code */
    uint64_t gen_frame;            /* offsets in a generator */
    uint64_t gen_state;            /* int8_t */
    int64_t state_delegates;       /* its value while another generator is awaited */
    int64_t state_ended;           /* and from where on there is no frame */
} NjRemoteTable;

/* Reads size bytes of the process: 0, or -1 with OSError. */
static inline int
nj_remote_read(pid_t pid, uint64_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)address, size};
    ssize_t n = process_vm_readv(pid, &local, 1, &remote, 1, 0);
    if (n < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if ((size_t)n != size) {
        PyErr_Format(PyExc_OSError, "cannot read the memory of process %d", (int)pid);
        return -1;
    }
    return 0;
}

/* Looks for the table in a mapping. 1 found, 0 not, -1 an exception. */
static inline int
nj_remote_search(pid_t pid, uint64_t start, uint64_t end, NjRemoteTable *table)
{
    NJ_OWN_MEM(char) data = PyMem_Malloc(end - start);
    if (!data) {
        PyErr_NoMemory();
        return -1;
    }
    if (nj_remote_read(pid, start, data, end - start) < 0) {
        return -1;
    }
    for (uint64_t at = 0; at + sizeof(*table) <= end - start; at += NJ_REMOTE_ALIGN) {
        memcpy(table, data + at, sizeof(*table));
        if (memcmp(table->magic, NJ_REMOTE_MAGIC, sizeof(table->magic)) == 0 &&
            (uint64_t)table->self == start + at) {
            return 1;
        }
    }
    return 0;
}

/* The table of a process: 1, 0 if it has none, -1 with an exception. */
static inline int
nj_remote_find(pid_t pid, NjRemoteTable *table)
{
    char name[64];
    snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(name, "re");
    if (!maps) {
        if (errno == ENOENT || errno == ESRCH) {
            return 0;
        }
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, name);
        return -1;
    }
    int found = 0;
    char *line = NULL;
    size_t cap = 0;
    while (!found && getline(&line, &cap, maps) > 0) {
        unsigned long start, end, inode;
        char mode[5];
        if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &start, &end, mode, &inode) == 4 &&
            inode && strcmp(mode, "rw-p") == 0) {
            found = nj_remote_search(pid, start, end, table);
        }
    }
    free(line);
    fclose(maps);
    return found;
}

#endif

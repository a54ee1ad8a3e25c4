/* vm_state.h - the virtual machine's share of an interpreter and of a thread
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_VM_STATE_H
#define NJ_VM_STATE_H

#include "nj.h"

#define NJ_MONITOR_TOOLS 8  /* 0-5 users, 6 setprofile, 7 settrace */
#define NJ_MONITOR_EVENTS 19
#define NJ_FUNC_WATCHERS 8
#define NJ_FUNC_CACHE 4096 /* entries of the func_version -> function table */

typedef struct NjVmThread {
    uint32_t trace_armed; /* bits: 1 settrace active, 2 setprofile active */
    PyObject *trace_tool; /* unused words of the tracing bridge live in monitor.c */
} NjVmThread;

typedef struct NjMonitor {
    uint8_t tools[NJ_MONITOR_EVENTS];     /* event -> mask of tools that want it globally */
    PyObject *callbacks[NJ_MONITOR_TOOLS][NJ_MONITOR_EVENTS]; /* owned */
    PyObject *names[NJ_MONITOR_TOOLS];    /* owned; NULL = free */
    uintptr_t tool_versions[NJ_MONITOR_TOOLS];
    uintptr_t version;      /* bumped when instrumentation of all code must be redone */
    PyObject *missing, *disable;          /* sys.monitoring.MISSING / DISABLE, owned */
    uintptr_t restarts;     /* restart_events() calls */
    int opcode_tracing;     /* some frame has or had f_trace_opcodes */
} NjMonitor;

/* Dead objects kept for the next of their type. */
typedef struct NjFreeObjects {
    PyObject *first;
    int n;
} NjFreeObjects;

typedef struct NjVmState {
    uint32_t next_func_version; /* next unused func_version; 0 = none left */
    int (*func_watchers[NJ_FUNC_WATCHERS])(PyFunction_WatchEvent, PyFunctionObject *,
                                           PyObject *);
    uint8_t active_func_watchers;
    Py_ssize_t code_extra_count;
    freefunc code_extra_free[255];
    PyObject *common_consts[5]; /* LOAD_COMMON_CONSTANT, owned, filled lazily */
    PyObject *builtin_len, *builtin_isinstance, *list_append; /* owned; for CALL_LEN ... */
    NjFreeObjects free_wrapped, free_asend; /* coro.c */
    NjMonitor monitor;
} NjVmState;

#endif

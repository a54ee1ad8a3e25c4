/* perf_map.h - what a sampling profiler is told about Python functions.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_VM_PERF_MAP_H
#define NJ_VM_PERF_MAP_H

typedef enum {
    NJ_PERF_OFF,
    NJ_PERF_MAP,  /* "perf": /tmp/perf-PID.map */
    NJ_PERF_DUMP, /* "perf_jit": /tmp/jit-PID.dump */
} NjPerfBackend;

typedef struct NjPerf NjPerf; /* of one interpreter, from the first activation on */

NJ_MUST int nj_perf_activate(NjPerfBackend backend);
void nj_perf_deactivate(void);
NjPerfBackend nj_perf_backend(void);
void nj_perf_after_fork_child(void);
void nj_perf_fini(PyInterpreterState *interp);

#endif

/* vm_state.h - the virtual machine's share of an interpreter and of a thread
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_VM_STATE_H
#define NJ_VM_STATE_H

#include "nj.h"

typedef struct NjVmThread {
    int unused;
} NjVmThread;

typedef struct NjVmState {
    uint32_t next_func_version; /* next unused func_version; 0 = none left */
} NjVmState;

#endif

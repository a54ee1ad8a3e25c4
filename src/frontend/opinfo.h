/* opinfo.h - what the back half of the compiler and the _opcode module know about
 * opcodes: kinds of argument, cache entries, stack effects (as measured on the reference).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_OPINFO_H
#define NJ_FRONTEND_OPINFO_H

#include "nj.h"

enum {
    NJ_OPF_ARG = 1,
    NJ_OPF_CONST = 2,
    NJ_OPF_NAME = 4,
    NJ_OPF_JUMP = 8,
    NJ_OPF_FREE = 16,
    NJ_OPF_LOCAL = 32,
    NJ_OPF_EXC = 64, /* SETUP_xxx */
    NJ_OPF_VALID = 128
};

/* Flags of any opcode, 0 when there is no such opcode. */
int nj_op_flags(int op);
/* Number of inline cache entries after the instruction. */
int nj_op_caches(int op);
/* Net effect on the stack depth; jump: the effect at the target. INT_MIN: no such opcode. */
int nj_op_effect(int op, int arg, bool jump);
/* How many values it takes; -1 when unknown. */
int nj_op_popped(int op, int arg);

#endif

/* opmeta.c - tables about opcodes, generated from ops.def.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <limits.h>

#include "vm/vm_int.h"

#include "opcode_meta.inc"

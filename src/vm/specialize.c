/* specialize.c - warm-up: which specialized form an instruction takes on.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "vm/vm_int.h"

static void
back_off(NjCodeUnit *instr)
{
    unsigned b = (instr[1].counter & 15) + 1;
    if (b > 12) {
        b = 12;
    }
    instr[1].counter = (uint16_t)((((1u << b) - 1) & 0xfff) << 4 | b);
}

void
nj_specialize_init_code(PyCodeObject *co)
{
    NjCodeUnit *p = nj_code_units(co);
    NjCodeUnit *end = p + Py_SIZE(co);
    while (p < end) {
        int caches = nj_opcode_caches[p->op.code];
        if (caches) {
            p[1].counter = NJ_COUNTER_WARMUP;
        }
        p += 1 + caches;
    }
}

void nj_specialize_to_bool(Value v, NjCodeUnit *i) { back_off(i); }
void nj_specialize_binary_op(NjFrame *f, Value a, Value b, NjCodeUnit *i, int o) { back_off(i); }
void nj_specialize_compare_op(Value a, Value b, NjCodeUnit *i, int o) { back_off(i); }
void nj_specialize_contains_op(Value c, NjCodeUnit *i) { back_off(i); }
void nj_specialize_store_subscr(Value c, Value s, NjCodeUnit *i) { back_off(i); }
void nj_specialize_load_global(NjFrame *f, NjCodeUnit *i, PyObject *n) { back_off(i); }
void nj_specialize_load_attr(NjFrame *f, Value o, NjCodeUnit *i, PyObject *n, int m) { back_off(i); }
void nj_specialize_store_attr(Value o, NjCodeUnit *i, PyObject *n) { back_off(i); }
void nj_specialize_unpack_sequence(Value s, NjCodeUnit *i, int o) { back_off(i); }
void nj_specialize_for_iter(Value it, NjCodeUnit *i, int o) { back_off(i); }
void nj_specialize_call(NjFrame *f, Value c, Value s, NjCodeUnit *i, int n) { back_off(i); }

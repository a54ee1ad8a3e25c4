/* cfg.c - the flow graph: built from linear code, cleaned, put in its final order.
 *
 * A block is a run of instructions with one entry; jumps and exits stand only at its end
 * (until NOT_TAKEN is added at the very last). `next' is fall-through and layout order at
 * once. The order of the passes in nj_cfg_optimize and nj_cfg_finish is part of the
 * contract: code objects must equal the reference's byte for byte.
 *
 * Line numbers: every line that has code must keep at least one instruction, or tracing
 * would miss it; that is what the many NOPs are for and why removing them is subtle.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/compile_int.h"

/* ---- building ------------------------------------------------------------------------ */

NjBlock *
nj_cfg_new_block(NjCfg *g)
{
    NjBlock *b = nj_arena_zalloc(g->arena, sizeof(NjBlock));
    if (b != NULL) {
        b->startdepth = INT_MIN;
        g->nblocks++;
    }
    return b;
}

static int
reserve_instr(NjCfg *g, NjBlock *b)
{
    if (b->len == b->cap) {
        int cap = b->cap ? b->cap * 2 : 8;
        NjCfgInstr *fresh = nj_arena_grow(g->arena, b->at, b->cap * sizeof(NjCfgInstr),
                                          cap * sizeof(NjCfgInstr));
        if (fresh == NULL) {
            return -1;
        }
        b->at = fresh;
        b->cap = cap;
    }
    return 0;
}

int
nj_cfg_insert(NjCfg *g, NjBlock *b, int pos, NjCfgInstr i)
{
    TRY(reserve_instr(g, b));
    memmove(&b->at[pos + 1], &b->at[pos], (b->len - pos) * sizeof(NjCfgInstr));
    b->at[pos] = i;
    b->len++;
    return 0;
}

int
nj_cfg_add(NjCfg *g, NjBlock *b, NjCfgInstr i)
{
    return nj_cfg_insert(g, b, b->len, i);
}

/* The reference does not set the handler of instructions it adds late: they have none,
 * or the one of an instruction that stood in that place before it was removed. That shows
 * in exception tables, so here it is the same. */
int
nj_cfg_add_unlabelled(NjCfg *g, NjBlock *b, int op, NjPos loc, NjBlock *target)
{
    TRY(reserve_instr(g, b));
    NjBlock *except = b->at[b->len].except;
    b->at[b->len++] = (NjCfgInstr){op, 0, loc, target, except};
    return 0;
}

static bool
has_target(int op)
{
    return nj_is_jump(op) || nj_is_block_push(op) || op == NJ_OP_LOOP_JUMP;
}

typedef struct Builder {
    NjCfg *g;
    NjBlock *cur;
    bool label_pending;
    NjBlock **pending; /* where to note the block that gets the pending label */
} Builder;

static int
start_block_if_needed(Builder *b)
{
    NjCfgInstr *last = nj_block_last(b->cur);
    bool fresh = last != NULL && (nj_is_jump(last->op) || nj_is_scope_exit(last->op));
    if (b->label_pending && !fresh) {
        if (last != NULL || b->cur->has_label) {
            fresh = true;
        }
        else {
            b->cur->has_label = true;
        }
    }
    if (fresh) {
        NjBlock *n = nj_cfg_new_block(b->g);
        if (n == NULL) {
            return -1;
        }
        n->has_label = b->label_pending;
        b->cur->next = n;
        b->cur = n;
    }
    if (b->label_pending) {
        *b->pending = b->cur;
        b->label_pending = false;
    }
    return 0;
}

static int
add_linear(Builder *b, int op, int arg, NjPos loc)
{
    TRY(start_block_if_needed(b));
    return nj_cfg_add(b->g, b->cur, (NjCfgInstr){op, arg, loc, NULL, NULL});
}

int
nj_cfg_build(NjAsmInput *in)
{
    NjCode *code = in->u->code;
    NjArena *arena = in->c->arena;
    NjCfg *g = nj_arena_zalloc(arena, sizeof(NjCfg));
    NjBlock **block_at = nj_arena_zalloc(arena, (code->len + 1) * sizeof(NjBlock *));
    bool *target = nj_arena_zalloc(arena, code->len + 1);
    if (g == NULL || block_at == NULL || target == NULL) {
        return -1;
    }
    g->arena = arena;
    g->entry = nj_cfg_new_block(g);
    if (g->entry == NULL) {
        return -1;
    }
    in->g = g;
    for (int i = 0; i < code->len; i++) {
        NjInstr *x = &code->at[i];
        if (has_target(x->op)) {
            target[code->labels[x->arg]] = true;
        }
    }
    Builder b = {g, g->entry, false, NULL};
    for (int i = 0; i < code->len; i++) {
        NjInstr *x = &code->at[i];
        if (target[i]) {
            b.label_pending = true;
            b.pending = &block_at[i];
            TRY(start_block_if_needed(&b));
        }
        if (x->op == ANNOTATIONS_PLACEHOLDER) {
            NjCode *a = code->annotations;
            for (int k = 0; a != NULL && k < a->len; k++) {
                TRY(add_linear(&b, a->at[k].op, a->at[k].arg, a->at[k].loc));
            }
            continue;
        }
        int op = x->op;
        if (op == JUMP && code->labels[x->arg] > i) {
            /* Not a loop, even if the target ends up behind: never checks for interrupts. */
            op = JUMP_NO_INTERRUPT;
        }
        else if (op == NJ_OP_LOOP_JUMP) {
            op = JUMP;
        }
        TRY(add_linear(&b, op, x->arg, x->loc));
    }
    for (NjBlock *k = g->entry; k != NULL; k = k->next) {
        for (int i = 0; i < k->len; i++) {
            NjCfgInstr *x = &k->at[i];
            if (has_target(x->op)) {
                x->target = block_at[code->labels[x->arg]];
                x->arg = 0;
            }
        }
    }
    return 0;
}

/* ---- cleaning ------------------------------------------------------------------------ */

/* Drops the NOPs of b that no line depends on; how many. */
int
nj_cfg_remove_nops_in(NjBlock *b)
{
    int dest = 0, prev_line = -1;
    for (int src = 0; src < b->len; src++) {
        int line = b->at[src].loc.lineno;
        if (b->at[src].op == NOP) {
            if (line < 0 || line == prev_line) {
                continue;
            }
            if (src < b->len - 1) {
                int next_line = b->at[src + 1].loc.lineno;
                if (next_line == line) {
                    continue;
                }
                if (next_line < 0) {
                    b->at[src + 1].loc = b->at[src].loc;
                    continue;
                }
            }
            else {
                NjBlock *next = nj_block_nonempty(b->next);
                if (next != NULL) {
                    int next_line = -1;
                    for (int k = 0; k < next->len; k++) {
                        NjCfgInstr *x = &next->at[k];
                        if (x->op == NOP && x->loc.lineno < 0) {
                            continue;
                        }
                        next_line = x->loc.lineno;
                        break;
                    }
                    if (line == next_line) {
                        continue;
                    }
                }
            }
        }
        if (dest != src) {
            b->at[dest] = b->at[src];
        }
        dest++;
        prev_line = line;
    }
    int removed = b->len - dest;
    b->len = dest;
    return removed;
}

int
nj_cfg_remove_nops(NjCfg *g)
{
    int n = 0;
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        n += nj_cfg_remove_nops_in(b);
    }
    return n;
}

/* Jumps to the block that follows anyway. */
static int
remove_redundant_jumps(NjCfg *g, bool plain_only)
{
    int n = 0;
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        NjCfgInstr *last = nj_block_last(b);
        if (last != NULL &&
            (plain_only ? last->op == JUMP : nj_is_uncond_jump(last->op)) &&
            nj_block_nonempty(last->target) == nj_block_nonempty(b->next)) {
            nj_instr_nop(last);
            n++;
        }
    }
    return n;
}

void
nj_cfg_remove_nops_and_jumps(NjCfg *g, bool plain_only)
{
    do {
        nj_cfg_remove_nops(g);
    } while (remove_redundant_jumps(g, plain_only) > 0);
}

/* A worklist big enough for every block once. */
static NjBlock **
new_stack(NjCfg *g)
{
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->visited = false;
    }
    return nj_arena_alloc(g->arena, (g->nblocks + 1) * sizeof(NjBlock *));
}

int
nj_cfg_remove_unreachable(NjCfg *g)
{
    NjBlock **stack = new_stack(g);
    if (stack == NULL) {
        return -1;
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->predecessors = 0;
    }
    NjBlock **sp = stack;
    g->entry->predecessors = 1;
    g->entry->visited = true;
    *sp++ = g->entry;
    while (sp > stack) {
        NjBlock *b = *--sp;
        if (b->next != NULL && nj_block_falls_through(b)) {
            if (!b->next->visited) {
                b->next->visited = true;
                *sp++ = b->next;
            }
            b->next->predecessors++;
        }
        for (int i = 0; i < b->len; i++) {
            NjBlock *t = b->at[i].target;
            if (t != NULL && has_target(b->at[i].op)) {
                if (!t->visited) {
                    t->visited = true;
                    *sp++ = t;
                }
                t->predecessors++;
            }
        }
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        if (b->predecessors == 0) {
            b->len = 0;
            b->except_handler = false;
        }
    }
    return 0;
}

/* ---- line numbers -------------------------------------------------------------------- */

static bool
block_has_no_line(NjBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        if (b->at[i].loc.lineno >= 0) {
            return false;
        }
    }
    return true;
}

static bool
block_exits(NjBlock *b)
{
    NjCfgInstr *last = nj_block_last(b);
    return last != NULL && nj_is_scope_exit(last->op);
}

static bool
has_eval_break(NjBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        switch (b->at[i].op) {
        case JUMP:
        case JUMP_BACKWARD:
        case RESUME:
        case CALL:
        case CALL_KW:
        case CALL_FUNCTION_EX:
            return true;
        }
    }
    return false;
}

static bool
is_lineless_exit(NjBlock *b)
{
    return (block_exits(b) || has_eval_break(b)) && block_has_no_line(b);
}

/* An exit without a line reached from several places gets a copy for each, so that each
 * can carry the line it comes from. */
static int
duplicate_lineless_exits(NjCfg *g)
{
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        NjCfgInstr *last = nj_block_last(b);
        if (last == NULL || !nj_is_jump(last->op)) {
            continue;
        }
        NjBlock *target = nj_block_nonempty(last->target);
        if (is_lineless_exit(target) && target->predecessors > 1) {
            NjBlock *copy = nj_cfg_new_block(g);
            if (copy == NULL) {
                return -1;
            }
            for (int i = 0; i < target->len; i++) {
                TRY(nj_cfg_add(g, copy, target->at[i]));
            }
            copy->at[0].loc = last->loc;
            last->target = copy;
            copy->predecessors = 1;
            copy->has_label = true;
            target->predecessors--;
            copy->next = target->next;
            target->next = copy;
        }
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        if (nj_block_falls_through(b) && b->next != NULL && b->len > 0 &&
            is_lineless_exit(b->next) && b->next->len > 0) {
            b->next->at[0].loc = nj_block_last(b)->loc;
        }
    }
    return 0;
}

static void
propagate_lines(NjCfg *g)
{
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        NjCfgInstr *last = nj_block_last(b);
        if (last == NULL) {
            continue;
        }
        NjPos prev = NJ_NO_LOC;
        for (int i = 0; i < b->len; i++) {
            if (b->at[i].loc.lineno == -1) {
                b->at[i].loc = prev;
            }
            else {
                prev = b->at[i].loc;
            }
        }
        if (nj_block_falls_through(b) && b->next != NULL && b->next->predecessors == 1 &&
            b->next->len > 0 && b->next->at[0].loc.lineno == -1) {
            b->next->at[0].loc = prev;
        }
        if (nj_is_jump(last->op)) {
            NjBlock *t = last->target;
            if (t->predecessors == 1 && t->len > 0 && t->at[0].loc.lineno == -1) {
                t->at[0].loc = prev;
            }
        }
    }
}

int
nj_cfg_resolve_lines(NjCfg *g)
{
    TRY(duplicate_lineless_exits(g));
    propagate_lines(g);
    return 0;
}

/* ---- final form ---------------------------------------------------------------------- */

/* JUMP_IF_x keeps the value: COPY 1, TO_BOOL, POP_JUMP_IF_x. */
static int
expand_conditional_jumps(NjCfg *g)
{
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        NjCfgInstr *last = nj_block_last(b);
        if (last == NULL || (last->op != JUMP_IF_FALSE && last->op != JUMP_IF_TRUE)) {
            continue;
        }
        last->op = last->op == JUMP_IF_FALSE ? POP_JUMP_IF_FALSE : POP_JUMP_IF_TRUE;
        NjCfgInstr extra = {COPY, 1, last->loc, NULL, last->except};
        TRY(nj_cfg_insert(g, b, b->len - 1, extra));
        extra.op = TO_BOOL;
        extra.arg = 0;
        TRY(nj_cfg_insert(g, b, b->len - 1, extra));
    }
    return 0;
}

static int
push_depth(NjBlock ***sp, NjBlock *b, int depth)
{
    if (b->startdepth != INT_MIN && b->startdepth != depth) {
        PyErr_Format(PyExc_ValueError, "Invalid CFG, inconsistent stackdepth");
        return -1;
    }
    if (b->startdepth == INT_MIN) {
        b->startdepth = depth;
        *(*sp)++ = b;
    }
    return 0;
}

static int
compute_stackdepth(NjCfg *g)
{
    NjBlock **stack = new_stack(g);
    if (stack == NULL) {
        return -1;
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->startdepth = INT_MIN;
    }
    NjBlock **sp = stack;
    int max = 0;
    TRY(push_depth(&sp, g->entry, 0));
    while (sp > stack) {
        NjBlock *b = *--sp;
        int depth = b->startdepth;
        NjBlock *next = b->next;
        for (int i = 0; i < b->len; i++) {
            NjCfgInstr *x = &b->at[i];
            int effect = nj_op_effect(x->op, x->arg, false);
            if (effect == INT_MIN) {
                PyErr_Format(PyExc_SystemError, "Invalid stack effect for opcode=%d, arg=%i",
                             x->op, x->arg);
                return -1;
            }
            int after = depth + effect;
            if (after < 0) {
                PyErr_Format(PyExc_ValueError, "Invalid CFG, stack underflow");
                return -1;
            }
            max = Py_MAX(max, depth);
            if (x->target != NULL && has_target(x->op) && x->op != END_ASYNC_FOR) {
                int at_target = depth + nj_op_effect(x->op, x->arg, true);
                max = Py_MAX(max, at_target);
                TRY(push_depth(&sp, x->target, at_target));
            }
            depth = after;
            max = Py_MAX(max, depth);
            if (nj_is_uncond_jump(x->op) || nj_is_scope_exit(x->op)) {
                next = NULL;
                break;
            }
        }
        if (next != NULL) {
            TRY(push_depth(&sp, next, depth));
        }
    }
    return max;
}

/* Cells share the index space of locals; a parameter that is a cell keeps its slot.
 * fixed[i]: final index of the i-th cell or free variable. */
static int
place_cells(NjAsmInput *in)
{
    NjUnit *u = in->u;
    NjCfg *g = in->g;
    int nlocals = (int)PyDict_GET_SIZE(u->varnames);
    int ncells = (int)PyDict_GET_SIZE(u->cellvars), nfrees = (int)PyDict_GET_SIZE(u->freevars);
    int n = ncells + nfrees;
    int *fixed = nj_arena_alloc(g->arena, (n + 1) * sizeof(int));
    int *sorted = nj_arena_zalloc(g->arena, (nlocals + n + 1) * sizeof(int));
    if (fixed == NULL || sorted == NULL) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        fixed[i] = nlocals + i;
    }
    PyObject *name, *index;
    Py_ssize_t at = 0;
    while (PyDict_Next(u->cellvars, &at, &name, &index)) {
        PyObject *v = PyDict_GetItemWithError(u->varnames, name);
        if (v != NULL) {
            fixed[PyLong_AsInt(index)] = PyLong_AsInt(v);
        }
    }
    if (in->flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) {
        NjPos loc = {u->firstlineno, -1, u->firstlineno, -1};
        TRY(nj_cfg_insert(g, g->entry, 0,
                          (NjCfgInstr){RETURN_GENERATOR, 0, loc, NULL, NULL}));
        TRY(nj_cfg_insert(g, g->entry, 1, (NjCfgInstr){POP_TOP, 0, loc, NULL, NULL}));
    }
    for (int i = 0; i < ncells; i++) {
        sorted[fixed[i]] = i + 1;
    }
    for (int i = 0, used = 0; used < ncells; i++) {
        if (sorted[i] == 0) {
            continue;
        }
        TRY(nj_cfg_insert(g, g->entry, used,
                          (NjCfgInstr){MAKE_CELL, sorted[i] - 1, NJ_NO_LOC, NULL, NULL}));
        used++;
    }
    if (nfrees > 0) {
        TRY(nj_cfg_insert(g, g->entry, 0,
                          (NjCfgInstr){COPY_FREE_VARS, nfrees, NJ_NO_LOC, NULL, NULL}));
    }
    int dropped = 0;
    for (int i = 0; i < n; i++) {
        if (fixed[i] == i + nlocals) {
            fixed[i] -= dropped;
        }
        else {
            dropped++;
        }
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        for (int i = 0; i < b->len; i++) {
            NjCfgInstr *x = &b->at[i];
            switch (x->op) {
            case MAKE_CELL:
            case LOAD_CLOSURE:
            case LOAD_DEREF:
            case STORE_DEREF:
            case DELETE_DEREF:
            case LOAD_FROM_DICT_OR_DEREF:
                x->arg = fixed[x->arg];
            }
        }
    }
    in->nlocalsplus = nlocals + n - dropped;
    return 0;
}

static void
convert_pseudo_ops(NjCfg *g)
{
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        for (int i = 0; i < b->len; i++) {
            NjCfgInstr *x = &b->at[i];
            if (nj_is_block_push(x->op)) {
                nj_instr_nop(x);
            }
            else if (x->op == LOAD_CLOSURE) {
                x->op = LOAD_FAST;
            }
            else if (x->op == STORE_FAST_MAYBE_NULL) {
                x->op = STORE_FAST;
            }
        }
    }
}

static int
reversed_jump(int op)
{
    switch (op) {
    case POP_JUMP_IF_FALSE:
        return POP_JUMP_IF_TRUE;
    case POP_JUMP_IF_TRUE:
        return POP_JUMP_IF_FALSE;
    case POP_JUMP_IF_NONE:
        return POP_JUMP_IF_NOT_NONE;
    case POP_JUMP_IF_NOT_NONE:
        return POP_JUMP_IF_NONE;
    }
    return 0;
}

/* Conditional jumps go forward only, and are followed by NOT_TAKEN. */
static int
normalize_jumps(NjCfg *g)
{
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->visited = false;
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->visited = true;
        NjCfgInstr *last = nj_block_last(b);
        int reversed = last == NULL ? 0 : reversed_jump(last->op);
        if (reversed == 0) {
            continue;
        }
        NjPos loc = last->loc;
        if (!last->target->visited) {
            TRY(nj_cfg_add_unlabelled(g, b, NOT_TAKEN, loc, NULL));
            continue;
        }
        NjBlock *target = last->target;
        NjBlock *back = nj_cfg_new_block(g);
        if (back == NULL) {
            return -1;
        }
        TRY(nj_cfg_add_unlabelled(g, back, NOT_TAKEN, loc, NULL));
        TRY(nj_cfg_add_unlabelled(g, back, JUMP, loc, target));
        last->op = reversed;
        last->target = b->next;
        back->cold = b->cold;
        back->startdepth = target->startdepth;
        back->next = b->next;
        b->next = back;
    }
    return 0;
}

int
nj_cfg_finish(NjAsmInput *in)
{
    NjCfg *g = in->g;
    TRY(expand_conditional_jumps(g));
    in->stackdepth = compute_stackdepth(g);
    TRY(in->stackdepth);
    TRY(place_cells(in));
    convert_pseudo_ops(g);
    nj_cfg_remove_nops_and_jumps(g, false);
    TRY(normalize_jumps(g));
    return nj_cfg_borrow_locals(in);
}

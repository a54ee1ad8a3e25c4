/* cfg_opt.c - optimizations on the flow graph: exception ranges, jump threading, constant
 * folding, swaps, cold code, checks for unbound locals, superinstructions, borrowed loads.
 *
 * Folding never changes what a program can observe: an operation that would raise stays,
 * and results are bounded in size. Folded-away instructions become NOPs without a line.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/compile_int.h"

#define STACK_GUIDELINE 30
#define MIN_CONST_SEQUENCE 3

/* ---- exception ranges ---------------------------------------------------------------- */

typedef struct HandlerStack {
    int depth;
    NjBlock *at[]; /* innermost last */
} HandlerStack;

static HandlerStack *
copy_handlers(NjCfg *g, HandlerStack *s)
{
    size_t size = sizeof(HandlerStack) + (NJ_MAX_FBLOCKS + 2) * 2 * sizeof(NjBlock *);
    HandlerStack *fresh = nj_arena_alloc(g->arena, size);
    if (fresh != NULL) {
        fresh->depth = s == NULL ? 0 : s->depth;
        for (int i = 0; s != NULL && i < s->depth; i++) {
            fresh->at[i] = s->at[i];
        }
    }
    return fresh;
}

/* Gives each instruction its handler, and RESUME its depth bit. */
int
nj_cfg_label_ranges(NjCfg *g)
{
    NjBlock **stack = nj_arena_alloc(g->arena, (g->nblocks + 1) * sizeof(NjBlock *));
    if (stack == NULL) {
        return -1;
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->visited = false;
        for (int i = 0; i < b->len; i++) {
            if (nj_is_block_push(b->at[i].op)) {
                b->at[i].target->except_handler = true;
            }
        }
    }
    NjBlock **sp = stack;
    g->entry->visited = true;
    g->entry->estack = copy_handlers(g, NULL);
    *sp++ = g->entry;
    while (sp > stack) {
        NjBlock *b = *--sp;
        HandlerStack *hs = b->estack;
        if (hs == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        int yield_depth = -1;
        NjBlock *handler = hs->depth ? hs->at[hs->depth - 1] : NULL;
        for (int i = 0; i < b->len; i++) {
            NjCfgInstr *x = &b->at[i];
            if (x->op != POP_BLOCK && !nj_is_block_push(x->op)) {
                x->except = handler;
            }
            if (nj_is_block_push(x->op)) {
                NjBlock *t = x->target;
                if (!t->visited) {
                    t->estack = copy_handlers(g, hs);
                    t->visited = true;
                    *sp++ = t;
                }
                if (x->op == SETUP_WITH || x->op == SETUP_CLEANUP) {
                    t->preserve_lasti = true;
                }
                hs->at[hs->depth++] = t;
                handler = t;
            }
            else if (x->op == POP_BLOCK) {
                hs->depth--;
                handler = hs->depth > 0 ? hs->at[hs->depth - 1] : NULL;
                nj_instr_nop(x);
            }
            else if (nj_is_jump(x->op)) {
                NjBlock *t = x->target;
                if (!t->visited) {
                    t->estack = copy_handlers(g, hs);
                    t->visited = true;
                    *sp++ = t;
                }
            }
            else if (x->op == RESUME && x->arg != NJ_RESUME_START) {
                if (yield_depth == 1) {
                    x->arg |= NJ_RESUME_DEPTH1;
                }
                yield_depth = -1;
            }
            else if (x->op == YIELD_VALUE) {
                yield_depth = hs->depth;
            }
        }
        if (b->next != NULL && nj_block_falls_through(b) && !b->next->visited) {
            b->next->estack = hs;
            b->next->visited = true;
            *sp++ = b->next;
        }
    }
    return 0;
}

/* ---- blocks copied into their predecessors ------------------------------------------- */

static bool
has_no_line(NjBlock *b)
{
    for (int i = 0; i < b->len; i++) {
        if (b->at[i].loc.lineno >= 0) {
            return false;
        }
    }
    return true;
}

/* Small exits, and blocks without a line that do not fall through, are copied over the
 * jump to them. */
static int
inline_target(NjCfg *g, NjBlock *b)
{
    NjCfgInstr *last = nj_block_last(b);
    if (last == NULL || !nj_is_uncond_jump(last->op)) {
        return 0;
    }
    NjBlock *t = last->target;
    NjCfgInstr *tl = nj_block_last(t);
    bool small_exit = tl != NULL && nj_is_scope_exit(tl->op) && t->len <= 4;
    bool lineless = has_no_line(t) && !nj_block_falls_through(t);
    if (!small_exit && !lineless) {
        return 0;
    }
    int removed = last->op;
    nj_instr_nop(last);
    int n = t->len;
    for (int i = 0; i < n; i++) {
        TRY(nj_cfg_add(g, b, t->at[i]));
    }
    if (lineless) {
        last = nj_block_last(b);
        if (nj_is_uncond_jump(last->op) && removed == JUMP) {
            last->op = JUMP;
        }
    }
    t->predecessors--;
    return 1;
}

static int
inline_small_blocks(NjCfg *g)
{
    bool changes;
    do {
        changes = false;
        for (NjBlock *b = g->entry; b != NULL; b = b->next) {
            int r = inline_target(g, b);
            TRY(r);
            changes = changes || r;
        }
    } while (changes);
    return 0;
}

/* ---- constants ----------------------------------------------------------------------- */

static bool
loads_const(int op)
{
    return op == LOAD_CONST || op == LOAD_SMALL_INT;
}

/* The constant an instruction loads; new reference. */
static PyObject *
const_of(NjAsmInput *in, int op, int arg)
{
    if (op == LOAD_SMALL_INT) {
        return PyLong_FromLong(arg);
    }
    return Py_NewRef(PyList_GET_ITEM(in->consts, arg));
}

static int
add_const(NjAsmInput *in, PyObject *o)
{
    NJ_OWN merged = nj_gen_merge_const(in->c, Py_NewRef(o));
    if (merged == NULL) {
        return -1;
    }
    Py_ssize_t n = PyList_GET_SIZE(in->consts);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PyList_GET_ITEM(in->consts, i) == merged) {
            return (int)i;
        }
    }
    if (PyList_Append(in->consts, merged) < 0) {
        return -1;
    }
    return (int)n;
}

/* 1 when the instruction became LOAD_SMALL_INT. */
static int
make_small_int(NjCfgInstr *x, PyObject *o)
{
    if (PyLong_CheckExact(o)) {
        int overflow;
        long v = PyLong_AsLongAndOverflow(o, &overflow);
        if (v == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (!overflow && v >= 0 && v < 256) {
            x->op = LOAD_SMALL_INT;
            x->arg = (int)v;
            return 1;
        }
    }
    return 0;
}

static int
make_load_const(NjAsmInput *in, NjCfgInstr *x, PyObject *o)
{
    int r = make_small_int(x, o);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    int index = add_const(in, o);
    TRY(index);
    x->op = LOAD_CONST;
    x->arg = index;
    x->target = NULL;
    return 0;
}

static void
nop_out(NjCfgInstr *x)
{
    nj_instr_nop(x);
    x->loc = NJ_NO_LOC;
}

/* The n constant-loading instructions that end at position `end' (NOPs between are
 * skipped), first one first. */
static bool
const_loads_before(NjBlock *b, int end, int n, NjCfgInstr **out)
{
    for (int i = end; i >= 0 && n > 0; i--) {
        if (b->at[i].op == NOP) {
            continue;
        }
        if (!loads_const(b->at[i].op)) {
            return false;
        }
        out[--n] = &b->at[i];
    }
    return n == 0;
}

static PyObject *
tuple_of_loads(NjAsmInput *in, NjCfgInstr **loads, int n)
{
    NJ_OWN tuple = PyTuple_New(n);
    for (int i = 0; tuple != NULL && i < n; i++) {
        PyObject *o = const_of(in, loads[i]->op, loads[i]->arg);
        if (o == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(tuple, i, o);
    }
    return NJ_TAKE(tuple);
}

static int
fold_tuple(NjAsmInput *in, NjBlock *b, int i)
{
    NjCfgInstr *loads[STACK_GUIDELINE];
    int n = b->at[i].arg;
    if (n > STACK_GUIDELINE || !const_loads_before(b, i - 1, n, loads)) {
        return 0;
    }
    NJ_OWN tuple = tuple_of_loads(in, loads, n);
    if (tuple == NULL) {
        return -1;
    }
    for (int k = 0; k < n; k++) {
        nop_out(loads[k]);
    }
    return make_load_const(in, &b->at[i], tuple);
}

/* BUILD_LIST 0, (LOAD_CONST, LIST_APPEND 1)*, CALL_INTRINSIC_1 LIST_TO_TUPLE. */
static int
fold_list_to_tuple(NjAsmInput *in, NjBlock *b, int i)
{
    int n = 0;
    bool expect_append = true;
    for (int k = i - 1; k >= 0; k--) {
        NjCfgInstr *x = &b->at[k];
        if (x->op == NOP) {
            continue;
        }
        if (x->op == BUILD_LIST && x->arg == 0) {
            if (!expect_append) {
                return 0;
            }
            NJ_OWN tuple = PyTuple_New(n);
            if (tuple == NULL) {
                return -1;
            }
            int at = n;
            for (int j = i - 1; j >= k; j--) {
                if (loads_const(b->at[j].op)) {
                    PyObject *o = const_of(in, b->at[j].op, b->at[j].arg);
                    if (o == NULL) {
                        return -1;
                    }
                    PyTuple_SET_ITEM(tuple, --at, o);
                }
                nop_out(&b->at[j]);
            }
            return make_load_const(in, &b->at[i], tuple);
        }
        if (expect_append ? x->op != LIST_APPEND || x->arg != 1 : !loads_const(x->op)) {
            return 0;
        }
        n += !expect_append;
        expect_append = !expect_append;
    }
    return 0;
}

/* A long display that is only iterated or searched: BUILD_x 0, (LOAD_CONST, add 1)* up to
 * and including the instruction at i becomes one constant. */
static int
fold_appended(NjAsmInput *in, NjBlock *b, int i)
{
    int add = b->at[i].op, build = add == LIST_APPEND ? BUILD_LIST : BUILD_SET, n = 0;
    bool expect_add = true;
    for (int k = i; k >= 0; k--) {
        NjCfgInstr *x = &b->at[k];
        if (x->op == NOP) {
            continue;
        }
        if (x->op == build && x->arg == 0) {
            if (!expect_add) {
                return 0;
            }
            NJ_OWN value = PyTuple_New(n);
            if (value == NULL) {
                return -1;
            }
            int at = n;
            for (int j = i - 1; j >= k; j--) {
                if (loads_const(b->at[j].op)) {
                    PyObject *o = const_of(in, b->at[j].op, b->at[j].arg);
                    if (o == NULL) {
                        return -1;
                    }
                    PyTuple_SET_ITEM(value, --at, o);
                }
                nop_out(&b->at[j]);
            }
            if (build == BUILD_SET) {
                NJ_SET(value, PyFrozenSet_New(value));
                if (value == NULL) {
                    return -1;
                }
            }
            b->at[i].loc = NJ_NO_LOC;
            return make_load_const(in, &b->at[i], value);
        }
        if (expect_add ? x->op != add || x->arg != 1 : !loads_const(x->op)) {
            return 0;
        }
        n += !expect_add;
        expect_add = !expect_add;
    }
    return 0;
}

static int
fold_list_or_set(NjAsmInput *in, NjBlock *b, int i, int nextop)
{
    NjCfgInstr *x = &b->at[i];
    NjCfgInstr *loads[STACK_GUIDELINE];
    bool iterated = nextop == GET_ITER || nextop == CONTAINS_OP;
    int n = x->arg, op = x->op;
    if (n > STACK_GUIDELINE || (n < MIN_CONST_SEQUENCE && !iterated)) {
        return 0;
    }
    if (!const_loads_before(b, i - 1, n, loads)) {
        if (iterated && op == BUILD_LIST) {
            x->op = BUILD_TUPLE;
        }
        return 0;
    }
    NJ_OWN value = tuple_of_loads(in, loads, n);
    if (value != NULL && op == BUILD_SET) {
        NJ_SET(value, PyFrozenSet_New(value));
    }
    int index = value == NULL ? -1 : add_const(in, value);
    TRY(index);
    for (int k = 0; k < n; k++) {
        nop_out(loads[k]);
    }
    if (iterated) {
        x->op = LOAD_CONST;
        x->arg = index;
        return 0;
    }
    b->at[i - 2].loc = x->loc;
    b->at[i - 2].op = op;
    b->at[i - 2].arg = 0;
    b->at[i - 1].loc = x->loc;
    b->at[i - 1].op = LOAD_CONST;
    b->at[i - 1].arg = index;
    x->op = op == BUILD_LIST ? LIST_EXTEND : SET_UPDATE;
    x->arg = 1;
    return 0;
}

/* -- evaluation with limits -- */

#define MAX_INT_BITS 128
#define MAX_COLLECTION 256
#define MAX_STR 4096
#define MAX_TOTAL_ITEMS 1024

static Py_ssize_t
check_items(PyObject *o, Py_ssize_t limit)
{
    if (PyTuple_Check(o)) {
        limit -= PyTuple_GET_SIZE(o);
        for (Py_ssize_t i = 0; limit >= 0 && i < PyTuple_GET_SIZE(o); i++) {
            limit = check_items(PyTuple_GET_ITEM(o, i), limit);
        }
    }
    return limit;
}

static int64_t
bit_length(PyObject *o)
{
    NJ_OWN n = PyObject_CallMethodNoArgs(o, NJ_ID(bit_length));
    return n == NULL ? -1 : PyLong_AsLongLong(n);
}

static bool
is_zero(PyObject *o)
{
    return PyObject_IsTrue(o) == 0;
}

static PyObject *
safe_multiply(PyObject *v, PyObject *w)
{
    if (PyLong_Check(v) && PyLong_Check(w) && !is_zero(v) && !is_zero(w)) {
        int64_t vb = bit_length(v), wb = bit_length(w);
        if (vb < 0 || wb < 0 || vb + wb > MAX_INT_BITS) {
            return NULL;
        }
    }
    else if (PyLong_Check(v) && PyTuple_Check(w)) {
        Py_ssize_t size = PyTuple_GET_SIZE(w);
        if (size) {
            long n = PyLong_AsLong(v);
            if (n < 0 || n > MAX_COLLECTION / size) {
                return NULL;
            }
            if (n && check_items(w, MAX_TOTAL_ITEMS / n) < 0) {
                return NULL;
            }
        }
    }
    else if (PyLong_Check(v) && (PyUnicode_Check(w) || PyBytes_Check(w))) {
        Py_ssize_t size = PyUnicode_Check(w) ? PyUnicode_GET_LENGTH(w) : PyBytes_GET_SIZE(w);
        if (size) {
            long n = PyLong_AsLong(v);
            if (n < 0 || n > MAX_STR / size) {
                return NULL;
            }
        }
    }
    else if (PyLong_Check(w) &&
             (PyTuple_Check(v) || PyUnicode_Check(v) || PyBytes_Check(v))) {
        return safe_multiply(w, v);
    }
    return PyNumber_Multiply(v, w);
}

static PyObject *
safe_power(PyObject *v, PyObject *w)
{
    if (PyLong_Check(v) && PyLong_Check(w) && !is_zero(v)) {
        int overflow;
        long n = PyLong_AsLongAndOverflow(w, &overflow);
        if (overflow > 0) {
            return NULL;
        }
        if (overflow == 0 && n > 0) {
            int64_t vb = bit_length(v);
            if (vb < 0 || vb > MAX_INT_BITS / n) {
                return NULL;
            }
        }
    }
    return PyNumber_Power(v, w, Py_None);
}

static PyObject *
safe_lshift(PyObject *v, PyObject *w)
{
    if (PyLong_Check(v) && PyLong_Check(w) && !is_zero(v) && !is_zero(w)) {
        int64_t vb = bit_length(v);
        int overflow;
        long n = PyLong_AsLongAndOverflow(w, &overflow);
        if (overflow || vb < 0 || n < 0 || n > MAX_INT_BITS || vb > MAX_INT_BITS - n) {
            return NULL;
        }
    }
    return PyNumber_Lshift(v, w);
}

/* NULL with or without an exception when the operation is not to be folded. */
static PyObject *
eval_binary(PyObject *v, int op, PyObject *w)
{
    switch (op) {
    case NB_ADD:
        return PyNumber_Add(v, w);
    case NB_SUBTRACT:
        return PyNumber_Subtract(v, w);
    case NB_MULTIPLY:
        return safe_multiply(v, w);
    case NB_TRUE_DIVIDE:
        return PyNumber_TrueDivide(v, w);
    case NB_FLOOR_DIVIDE:
        return PyNumber_FloorDivide(v, w);
    case NB_REMAINDER:
        return PyUnicode_Check(v) || PyBytes_Check(v) ? NULL : PyNumber_Remainder(v, w);
    case NB_POWER:
        return safe_power(v, w);
    case NB_LSHIFT:
        return safe_lshift(v, w);
    case NB_RSHIFT:
        return PyNumber_Rshift(v, w);
    case NB_OR:
        return PyNumber_Or(v, w);
    case NB_XOR:
        return PyNumber_Xor(v, w);
    case NB_AND:
        return PyNumber_And(v, w);
    case NB_SUBSCR:
        return PyObject_GetItem(v, w);
    default:
        return NULL;
    }
}

/* An exception while folding only means "do not fold", unless the user interrupts. */
static int
folding_failed(void)
{
    if (PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
            return -1;
        }
        PyErr_Clear();
    }
    return 0;
}

static int
fold_binary(NjAsmInput *in, NjBlock *b, int i)
{
    NjCfgInstr *loads[2];
    if (!const_loads_before(b, i - 1, 2, loads)) {
        return 0;
    }
    NJ_OWN v = const_of(in, loads[0]->op, loads[0]->arg);
    NJ_OWN w = const_of(in, loads[1]->op, loads[1]->arg);
    if (v == NULL || w == NULL) {
        return -1;
    }
    NJ_OWN r = eval_binary(v, b->at[i].arg, w);
    if (r == NULL) {
        return folding_failed();
    }
    nop_out(loads[0]);
    nop_out(loads[1]);
    return make_load_const(in, &b->at[i], r);
}

static int
fold_unary(NjAsmInput *in, NjBlock *b, int i)
{
    NjCfgInstr *load;
    if (!const_loads_before(b, i - 1, 1, &load)) {
        return 0;
    }
    NJ_OWN v = const_of(in, load->op, load->arg);
    if (v == NULL) {
        return -1;
    }
    NJ_OWN r = NULL;
    switch (b->at[i].op) {
    case UNARY_NEGATIVE:
        r = PyNumber_Negative(v);
        break;
    case UNARY_INVERT:
        if (PyBool_Check(v)) {
            return 0; /* deprecated: warns at run time */
        }
        r = PyNumber_Invert(v);
        break;
    case UNARY_NOT: {
        int t = PyObject_IsTrue(v);
        if (t >= 0) {
            r = PyBool_FromLong(!t);
        }
        break;
    }
    default:
        r = PyNumber_Positive(v);
    }
    if (r == NULL) {
        return folding_failed();
    }
    nop_out(load);
    return make_load_const(in, &b->at[i], r);
}

/* Constants that are tested or compared with None. */
static int
optimize_load_const(NjAsmInput *in, NjBlock *b)
{
    int op = 0, arg = 0;
    for (int i = 0; i < b->len; i++) {
        NjCfgInstr *x = &b->at[i];
        if (x->op == LOAD_CONST) {
            TRY(make_small_int(x, PyList_GET_ITEM(in->consts, x->arg)));
        }
        bool copy = loads_const(op) && op == LOAD_CONST && x->op == COPY && x->arg == 1;
        if (!copy) {
            op = x->op;
            arg = x->arg;
        }
        if (!loads_const(op)) {
            continue;
        }
        int nextop = i + 1 < b->len ? b->at[i + 1].op : 0;
        NjCfgInstr *next = nextop ? &b->at[i + 1] : NULL;
        switch (nextop) {
        case POP_JUMP_IF_FALSE:
        case POP_JUMP_IF_TRUE:
        case JUMP_IF_FALSE:
        case JUMP_IF_TRUE: {
            NJ_OWN o = const_of(in, op, arg);
            int truth = o == NULL ? -1 : PyObject_IsTrue(o);
            TRY(truth);
            if (nextop == POP_JUMP_IF_FALSE || nextop == POP_JUMP_IF_TRUE) {
                nj_instr_nop(x);
            }
            bool if_true = nextop == POP_JUMP_IF_TRUE || nextop == JUMP_IF_TRUE;
            if (truth == if_true) {
                next->op = JUMP;
            }
            else {
                nj_instr_nop(next);
            }
            break;
        }
        case IS_OP: {
            NJ_OWN o = const_of(in, op, arg);
            if (o != Py_None || b->len <= i + 2) {
                break;
            }
            NjCfgInstr *jump = &b->at[i + 2];
            if (jump->op == TO_BOOL) {
                nj_instr_nop(jump);
                if (b->len <= i + 3) {
                    break;
                }
                jump = &b->at[i + 3];
            }
            bool invert = next->arg;
            if (jump->op == POP_JUMP_IF_FALSE) {
                invert = !invert;
            }
            else if (jump->op != POP_JUMP_IF_TRUE) {
                break;
            }
            nj_instr_nop(x);
            nj_instr_nop(next);
            jump->op = invert ? POP_JUMP_IF_NOT_NONE : POP_JUMP_IF_NONE;
            break;
        }
        case TO_BOOL: {
            NJ_OWN o = const_of(in, op, arg);
            int truth = o == NULL ? -1 : PyObject_IsTrue(o);
            TRY(truth);
            int index = add_const(in, truth ? Py_True : Py_False);
            TRY(index);
            nj_instr_nop(x);
            next->op = LOAD_CONST;
            next->arg = index;
            break;
        }
        }
    }
    return 0;
}

/* ---- swaps --------------------------------------------------------------------------- */

/* A run of SWAPs is a permutation: replaces it by the shortest one. */
static int
shorten_swaps(NjCfg *g, NjBlock *b, int *ix)
{
    NjCfgInstr *at = &b->at[*ix];
    int max_len = b->len - *ix, depth = at[0].arg, len = 0;
    bool more = false;
    while (++len < max_len) {
        if (at[len].op == SWAP) {
            depth = Py_MAX(depth, at[len].arg);
            more = true;
        }
        else if (at[len].op != NOP) {
            break;
        }
    }
    if (!more) {
        return 0;
    }
    int *stack = nj_arena_alloc(g->arena, depth * sizeof(int));
    if (stack == NULL) {
        return -1;
    }
    for (int i = 0; i < depth; i++) {
        stack[i] = i;
    }
    for (int i = 0; i < len; i++) {
        if (at[i].op == SWAP) {
            int k = at[i].arg - 1, top = stack[0];
            stack[0] = stack[k];
            stack[k] = top;
        }
    }
    const int VISITED = -1;
    int current = len - 1;
    for (int i = 0; i < depth; i++) {
        if (stack[i] == VISITED || stack[i] == i) {
            continue;
        }
        int j = i;
        for (;;) {
            if (j) {
                at[current].op = SWAP;
                at[current--].arg = j + 1;
            }
            if (stack[j] == VISITED) {
                break;
            }
            int next = stack[j];
            stack[j] = VISITED;
            j = next;
        }
    }
    while (current >= 0) {
        nj_instr_nop(&at[current--]);
    }
    *ix += len - 1;
    return 0;
}

static bool
is_swappable(int op)
{
    return op == STORE_FAST || op == STORE_FAST_MAYBE_NULL || op == POP_TOP;
}

static int
stores_to(NjCfgInstr *x)
{
    return x->op == STORE_FAST || x->op == STORE_FAST_MAYBE_NULL ? x->arg : -1;
}

static int
next_swappable(NjBlock *b, int i, int line)
{
    while (++i < b->len) {
        if (line >= 0 && b->at[i].loc.lineno != line) {
            return -1;
        }
        if (b->at[i].op == NOP) {
            continue;
        }
        return is_swappable(b->at[i].op) ? i : -1;
    }
    return -1;
}

/* SWAP n before stores: exchanges the stores instead. */
static void
apply_static_swaps(NjBlock *b, int i)
{
    for (; i >= 0; i--) {
        NjCfgInstr *swap = &b->at[i];
        if (swap->op != SWAP) {
            if (swap->op == NOP || is_swappable(swap->op)) {
                continue;
            }
            return;
        }
        int j = next_swappable(b, i, -1);
        if (j < 0) {
            return;
        }
        int k = j, line = b->at[j].loc.lineno;
        for (int count = swap->arg - 1; count > 0; count--) {
            k = next_swappable(b, k, line);
            if (k < 0) {
                return;
            }
        }
        int sj = stores_to(&b->at[j]), sk = stores_to(&b->at[k]);
        if (sj >= 0 || sk >= 0) {
            if (sj == sk) {
                return;
            }
            for (int m = j + 1; m < k; m++) {
                int s = stores_to(&b->at[m]);
                if (s >= 0 && (s == sj || s == sk)) {
                    return;
                }
            }
        }
        nj_instr_nop(swap);
        NjCfgInstr tmp = b->at[j];
        b->at[j] = b->at[k];
        b->at[k] = tmp;
    }
}

/* ---- peephole ------------------------------------------------------------------------ */

/* A jump to a jump goes to the final place. 1 when changed. The old jump stays as a NOP
 * with its line; the new one takes the line of the jump it skips. */
static int
thread_jump(NjCfg *g, NjBlock *b, NjCfgInstr *x, NjCfgInstr *target, int op)
{
    if (x->target == target->target) {
        return 0;
    }
    NjPos loc = target->loc;
    NjBlock *to = target->target;
    nj_instr_nop(x);
    TRY(nj_cfg_add_unlabelled(g, b, op, loc, to));
    return 1;
}

static int
optimize_block(NjAsmInput *in, NjBlock *b)
{
    NjCfg *g = in->g;
    NjCfgInstr none = {NOP, 0, NJ_NO_LOC, NULL, NULL};
    for (int i = 0; i < b->len; i++) {
        NjCfgInstr *x = &b->at[i];
        NjCfgInstr *target = &none;
        int op = x->op, arg = x->arg;
        if (x->target != NULL) {
            NjBlock *t = nj_block_nonempty(x->target);
            if (t != NULL) {
                x->target = t;
                target = &t->at[0];
            }
        }
        int nextop = i + 1 < b->len ? b->at[i + 1].op : 0;
        NjCfgInstr *next = nextop ? &b->at[i + 1] : NULL;
        int r = 0;
        switch (op) {
        case BUILD_TUPLE:
            if (nextop == UNPACK_SEQUENCE && arg == next->arg && arg >= 1 && arg <= 3) {
                nj_instr_nop(x);
                if (arg == 1) {
                    nj_instr_nop(next);
                }
                else {
                    next->op = SWAP;
                    next->arg = arg;
                }
                continue;
            }
            TRY(fold_tuple(in, b, i));
            break;
        case BUILD_LIST:
        case BUILD_SET:
            TRY(fold_list_or_set(in, b, i, nextop));
            break;
        case LIST_APPEND:
        case SET_ADD:
            if (arg == 1 && (nextop == GET_ITER || nextop == CONTAINS_OP)) {
                TRY(fold_appended(in, b, i));
            }
            break;
        case POP_JUMP_IF_NONE:
        case POP_JUMP_IF_NOT_NONE:
        case POP_JUMP_IF_FALSE:
        case POP_JUMP_IF_TRUE:
            if (target->op == JUMP) {
                r = thread_jump(g, b, x, target, op);
            }
            break;
        case JUMP_IF_FALSE:
        case JUMP_IF_TRUE:
            if (target->op == JUMP || target->op == op) {
                r = thread_jump(g, b, x, target, op);
            }
            else if (target->op == JUMP_IF_TRUE || target->op == JUMP_IF_FALSE) {
                /* The opposite test: known to fail, go on behind it. */
                x->target = x->target->next;
                i--;
                continue;
            }
            break;
        case JUMP:
        case JUMP_NO_INTERRUPT:
            if (target->op == JUMP) {
                r = thread_jump(g, b, x, target, JUMP);
            }
            else if (target->op == JUMP_NO_INTERRUPT) {
                r = thread_jump(g, b, x, target, op);
            }
            break;
        case STORE_FAST:
            if (nextop == STORE_FAST && arg == next->arg &&
                x->loc.lineno == next->loc.lineno) {
                x->op = POP_TOP;
                x->arg = 0;
            }
            break;
        case COMPARE_OP:
            if (nextop == TO_BOOL) {
                nj_instr_nop(x);
                next->op = COMPARE_OP;
                next->arg = arg | 16;
                continue;
            }
            break;
        case CONTAINS_OP:
        case IS_OP:
            if (nextop == TO_BOOL) {
                nj_instr_nop(x);
                next->op = op;
                next->arg = arg;
                continue;
            }
            if (nextop == UNARY_NOT) {
                nj_instr_nop(x);
                next->op = op;
                next->arg = arg ^ 1;
                continue;
            }
            break;
        case TO_BOOL:
            if (nextop == TO_BOOL) {
                nj_instr_nop(x);
                continue;
            }
            break;
        case UNARY_NOT:
            if (nextop == TO_BOOL) {
                nj_instr_nop(x);
                next->op = UNARY_NOT;
                continue;
            }
            if (nextop == UNARY_NOT) {
                nj_instr_nop(x);
                nj_instr_nop(next);
                continue;
            }
            /* fall through */
        case UNARY_INVERT:
        case UNARY_NEGATIVE:
            TRY(fold_unary(in, b, i));
            break;
        case CALL_INTRINSIC_1:
            if (arg == 6) { /* INTRINSIC_LIST_TO_TUPLE */
                TRY(fold_list_to_tuple(in, b, i));
                if (x->op == CALL_INTRINSIC_1 && nextop == GET_ITER) {
                    nj_instr_nop(x);
                }
            }
            else if (arg == 5) { /* INTRINSIC_UNARY_POSITIVE */
                TRY(fold_unary(in, b, i));
            }
            break;
        case BINARY_OP:
            TRY(fold_binary(in, b, i));
            break;
        case SWAP:
            if (arg == 1) {
                nj_instr_nop(x);
            }
            break;
        case LOAD_GLOBAL:
            if (nextop == PUSH_NULL && (arg & 1) == 0) {
                x->arg = arg | 1;
                nj_instr_nop(next);
            }
            break;
        }
        TRY(r);
        i -= r;
    }
    for (int i = 0; i < b->len; i++) {
        if (b->at[i].op == SWAP) {
            TRY(shorten_swaps(g, b, &i));
            apply_static_swaps(b, i);
        }
    }
    return 0;
}

/* Values that are pushed and dropped at once. */
static void
remove_pairs(NjCfg *g)
{
    bool done = false;
    while (!done) {
        done = true;
        NjCfgInstr *x = NULL;
        for (NjBlock *b = g->entry; b != NULL; b = b->next) {
            nj_cfg_remove_nops_in(b);
            if (b->has_label) {
                x = NULL;
            }
            for (int i = 0; i < b->len; i++) {
                NjCfgInstr *prev = x;
                x = &b->at[i];
                if (x->op == POP_TOP && prev != NULL &&
                    (loads_const(prev->op) || (prev->op == COPY && prev->arg == 1))) {
                    nj_instr_nop(prev);
                    nj_instr_nop(x);
                    done = false;
                }
            }
            if ((x != NULL && nj_is_jump(x->op)) || !nj_block_falls_through(b)) {
                x = NULL;
            }
        }
    }
}

/* ---- whole-function passes ----------------------------------------------------------- */

static int
remove_unused_consts(NjAsmInput *in)
{
    Py_ssize_t n = PyList_GET_SIZE(in->consts);
    if (n == 0) {
        return 0;
    }
    int *map = nj_arena_zalloc(in->g->arena, n * sizeof(int));
    if (map == NULL) {
        return -1;
    }
    map[0] = 1; /* may be the docstring */
    for (NjBlock *b = in->g->entry; b != NULL; b = b->next) {
        for (int i = 0; i < b->len; i++) {
            if (b->at[i].op == LOAD_CONST) {
                map[b->at[i].arg] = 1;
            }
        }
    }
    NJ_OWN kept = PyList_New(0);
    if (kept == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (map[i]) {
            map[i] = (int)PyList_GET_SIZE(kept);
            TRY(PyList_Append(kept, PyList_GET_ITEM(in->consts, i)));
        }
    }
    for (NjBlock *b = in->g->entry; b != NULL; b = b->next) {
        for (int i = 0; i < b->len; i++) {
            if (b->at[i].op == LOAD_CONST) {
                b->at[i].arg = map[b->at[i].arg];
            }
        }
    }
    return PyList_SetSlice(in->consts, 0, n, kept);
}

static void
push_unsafe(NjBlock ***sp, NjBlock *b, uint64_t mask)
{
    uint64_t both = b->unsafe | mask;
    if (both != b->unsafe) {
        b->unsafe = both;
        if (!b->visited) {
            b->visited = true;
            *(*sp)++ = b;
        }
    }
}

/* Locals from number 64 on are only followed within a block. */
static int
check_many_locals(NjCfg *g, int nlocals)
{
    int *known = nj_arena_zalloc(g->arena, (nlocals - 64) * sizeof(int));
    if (known == NULL) {
        return -1;
    }
    int number = 0;
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        number++;
        for (int i = 0; i < b->len; i++) {
            NjCfgInstr *x = &b->at[i];
            if (!(nj_op_flags(x->op) & NJ_OPF_LOCAL) || x->op == LOAD_CLOSURE ||
                x->op == LOAD_DEREF || x->arg < 64) {
                continue;
            }
            int *k = &known[x->arg - 64];
            switch (x->op) {
            case DELETE_FAST:
            case LOAD_FAST_AND_CLEAR:
            case STORE_FAST_MAYBE_NULL:
                *k = number - 1;
                break;
            case STORE_FAST:
                *k = number;
                break;
            case LOAD_FAST:
                if (*k != number) {
                    x->op = LOAD_FAST_CHECK;
                }
                *k = number;
                break;
            }
        }
    }
    return 0;
}

static int
check_unbound_locals(NjCfg *g, int nlocals, int nparams)
{
    if (nlocals == 0) {
        return 0;
    }
    if (nlocals > 64) {
        TRY(check_many_locals(g, nlocals));
        nlocals = 64;
    }
    NjBlock **stack = nj_arena_alloc(g->arena, (g->nblocks + 1) * sizeof(NjBlock *));
    if (stack == NULL) {
        return -1;
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->visited = false;
        b->unsafe = 0;
    }
    NjBlock **sp = stack;
    uint64_t start = 0;
    for (int i = nparams; i < nlocals; i++) {
        start |= (uint64_t)1 << i;
    }
    push_unsafe(&sp, g->entry, start);
    while (sp > stack) {
        NjBlock *b = *--sp;
        b->visited = false;
        uint64_t unsafe = b->unsafe;
        for (int i = 0; i < b->len; i++) {
            NjCfgInstr *x = &b->at[i];
            if (x->except != NULL) {
                push_unsafe(&sp, x->except, unsafe);
            }
            if (x->arg >= 64) {
                continue;
            }
            uint64_t bit = (uint64_t)1 << (x->arg & 63);
            switch (x->op) {
            case DELETE_FAST:
            case LOAD_FAST_AND_CLEAR:
            case STORE_FAST_MAYBE_NULL:
                unsafe |= bit;
                break;
            case STORE_FAST:
                unsafe &= ~bit;
                break;
            case LOAD_FAST_CHECK:
                unsafe &= ~bit;
                break;
            case LOAD_FAST:
                if (unsafe & bit) {
                    x->op = LOAD_FAST_CHECK;
                }
                unsafe &= ~bit;
                break;
            }
        }
        if (b->next != NULL && nj_block_falls_through(b)) {
            push_unsafe(&sp, b->next, unsafe);
        }
        NjCfgInstr *last = nj_block_last(b);
        if (last != NULL && nj_is_jump(last->op)) {
            push_unsafe(&sp, last->target, unsafe);
        }
    }
    return 0;
}

static void
make_super(NjCfgInstr *a, NjCfgInstr *b, int op)
{
    int la = a->loc.lineno, lb = b->loc.lineno;
    if ((la >= 0 && lb >= 0 && la != lb) || a->arg >= 16 || b->arg >= 16) {
        return;
    }
    a->op = op;
    a->arg = (a->arg << 4) | b->arg;
    nj_instr_nop(b);
}

static void
insert_superinstructions(NjCfg *g)
{
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        for (int i = 0; i + 1 < b->len; i++) {
            NjCfgInstr *x = &b->at[i], *y = &b->at[i + 1];
            if (x->op == LOAD_FAST && y->op == LOAD_FAST) {
                make_super(x, y, LOAD_FAST_LOAD_FAST);
            }
            else if (x->op == STORE_FAST && y->op == LOAD_FAST) {
                make_super(x, y, STORE_FAST_LOAD_FAST);
            }
            else if (x->op == STORE_FAST && y->op == STORE_FAST) {
                make_super(x, y, STORE_FAST_STORE_FAST);
            }
        }
    }
    nj_cfg_remove_nops(g);
}

/* Blocks only reached through an exception handler are cold. */
static int
mark_cold(NjCfg *g)
{
    NjBlock **stack = nj_arena_alloc(g->arena, (g->nblocks + 1) * sizeof(NjBlock *));
    if (stack == NULL) {
        return -1;
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->visited = b->warm = b->cold = false;
    }
    NjBlock **sp = stack;
    *sp++ = g->entry;
    g->entry->visited = true;
    while (sp > stack) {
        NjBlock *b = *--sp;
        b->warm = true;
        if (b->next && nj_block_falls_through(b) && !b->next->visited) {
            b->next->visited = true;
            *sp++ = b->next;
        }
        for (int i = 0; i < b->len; i++) {
            NjBlock *t = b->at[i].target;
            if (nj_is_jump(b->at[i].op) && !t->visited) {
                t->visited = true;
                *sp++ = t;
            }
        }
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->visited = false;
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        if (b->except_handler && !b->visited) {
            b->visited = true;
            *sp++ = b;
        }
    }
    while (sp > stack) {
        NjBlock *b = *--sp;
        b->cold = true;
        if (b->next && nj_block_falls_through(b) && !b->next->warm && !b->next->visited) {
            b->next->visited = true;
            *sp++ = b->next;
        }
        for (int i = 0; i < b->len; i++) {
            NjBlock *t = b->at[i].target;
            if (nj_is_jump(b->at[i].op) && !t->warm && !t->visited) {
                t->visited = true;
                *sp++ = t;
            }
        }
    }
    return 0;
}

static int
move_cold_blocks(NjCfg *g)
{
    if (g->entry->next == NULL) {
        return 0;
    }
    TRY(mark_cold(g));
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        if (b->cold && nj_block_falls_through(b) && b->next && b->next->warm) {
            NjBlock *jump = nj_cfg_new_block(g);
            if (jump == NULL) {
                return -1;
            }
            TRY(nj_cfg_add(g, jump,
                           (NjCfgInstr){JUMP_NO_INTERRUPT, 0, NJ_NO_LOC, b->next, NULL}));
            b->next->has_label = true;
            jump->cold = true;
            jump->next = b->next;
            jump->predecessors = 1;
            b->next = jump;
        }
    }
    NjBlock *cold = NULL, *tail = NULL, *b = g->entry;
    while (b->next) {
        while (b->next && !b->next->cold) {
            b = b->next;
        }
        if (b->next == NULL) {
            break;
        }
        NjBlock *first = b->next, *end = first;
        while (end->next && end->next->cold) {
            end = end->next;
        }
        if (cold == NULL) {
            cold = first;
        }
        else {
            tail->next = first;
        }
        tail = end;
        b->next = end->next;
        end->next = NULL;
    }
    b->next = cold;
    if (cold != NULL) {
        nj_cfg_remove_nops_and_jumps(g, false);
    }
    return 0;
}

int
nj_cfg_optimize(NjAsmInput *in)
{
    NjCfg *g = in->g;
    NjUnit *u = in->u;
    int nlocals = (int)PyDict_GET_SIZE(u->varnames);
    int nparams = (int)PyList_GET_SIZE(u->scope->varnames);
    TRY(nj_cfg_label_ranges(g));
    TRY(inline_small_blocks(g));
    TRY(nj_cfg_remove_unreachable(g));
    TRY(nj_cfg_resolve_lines(g));
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        TRY(optimize_load_const(in, b));
    }
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        TRY(optimize_block(in, b));
    }
    remove_pairs(g);
    TRY(nj_cfg_remove_unreachable(g));
    nj_cfg_remove_nops_and_jumps(g, true);
    TRY(remove_unused_consts(in));
    TRY(check_unbound_locals(g, nlocals, nparams));
    insert_superinstructions(g);
    TRY(move_cold_blocks(g));
    return nj_cfg_resolve_lines(g);
}

/* ---- borrowed loads ------------------------------------------------------------------ */

/* A local that is loaded and consumed within the block, while the local itself keeps its
 * value, need not be counted: LOAD_FAST_BORROW. The stack is simulated as pairs (which
 * instruction pushed it, which local it is). */
typedef struct Ref {
    int instr;
    int local;
} Ref;

enum { KILLED = 1, STORED = 2, UNCONSUMED = 4 };

typedef struct RefStack {
    NjArena *arena;
    Ref *at;
    int len;
    int cap;
} RefStack;

static int
push_ref(RefStack *s, int instr, int local)
{
    if (s->len == s->cap) {
        int cap = s->cap * 2 + 32;
        Ref *fresh = nj_arena_grow(s->arena, s->at, s->len * sizeof(Ref), cap * sizeof(Ref));
        if (fresh == NULL) {
            return -1;
        }
        s->at = fresh;
        s->cap = cap;
    }
    s->at[s->len++] = (Ref){instr, local};
    return 0;
}

static Ref
pop_ref(RefStack *s)
{
    return s->len > 0 ? s->at[--s->len] : (Ref){-1, -1};
}

static void
kill_local(uint8_t *flags, RefStack *s, int local)
{
    for (int i = 0; i < s->len; i++) {
        if (s->at[i].local == local && s->at[i].instr >= 0) {
            flags[s->at[i].instr] |= KILLED;
        }
    }
}

static void
store_local(uint8_t *flags, RefStack *s, int local, Ref r)
{
    kill_local(flags, s, local);
    if (r.instr >= 0) {
        flags[r.instr] |= STORED;
    }
}

static void
push_borrow_block(NjBlock ***sp, NjBlock *b, int depth)
{
    if (b != NULL && !b->visited) {
        b->visited = true;
        b->startdepth = depth;
        *(*sp)++ = b;
    }
}

static int
borrow_in_block(NjBlock *b, RefStack *s, uint8_t *flags, NjBlock ***sp)
{
    memset(flags, 0, b->len);
    s->len = 0;
    for (int i = 0; i < b->startdepth; i++) {
        TRY(push_ref(s, -1, -1));
    }
    for (int i = 0; i < b->len; i++) {
        NjCfgInstr *x = &b->at[i];
        int arg = x->arg;
        switch (x->op) {
        case DELETE_FAST:
            kill_local(flags, s, arg);
            break;
        case LOAD_FAST:
            TRY(push_ref(s, i, arg));
            break;
        case LOAD_FAST_AND_CLEAR:
            kill_local(flags, s, arg);
            TRY(push_ref(s, i, arg));
            break;
        case LOAD_FAST_LOAD_FAST:
            TRY(push_ref(s, i, arg >> 4));
            TRY(push_ref(s, i, arg & 15));
            break;
        case STORE_FAST:
            store_local(flags, s, arg, pop_ref(s));
            break;
        case STORE_FAST_LOAD_FAST:
            store_local(flags, s, arg >> 4, pop_ref(s));
            TRY(push_ref(s, i, arg & 15));
            break;
        case STORE_FAST_STORE_FAST:
            store_local(flags, s, arg >> 4, pop_ref(s));
            store_local(flags, s, arg & 15, pop_ref(s));
            break;
        case COPY: {
            Ref r = s->at[s->len - arg];
            TRY(push_ref(s, r.instr, r.local));
            break;
        }
        case SWAP: {
            Ref r = s->at[s->len - 1];
            s->at[s->len - 1] = s->at[s->len - arg];
            s->at[s->len - arg] = r;
            break;
        }
        /* These leave their inputs where they are. The reference charges what they push to the first
         * instructions of the block, so a local that was loaded there is not borrowed if that value is stored. */
        case FORMAT_SIMPLE:
        case GET_ANEXT:
        case GET_LEN:
        case GET_YIELD_FROM_ITER:
        case IMPORT_FROM:
        case MATCH_KEYS:
        case MATCH_MAPPING:
        case MATCH_SEQUENCE:
        case WITH_EXCEPT_START:
            for (int k = 0; k < nj_op_effect(x->op, arg, false); k++) {
                TRY(push_ref(s, k, -1));
            }
            break;
        case DICT_MERGE:
        case DICT_UPDATE:
        case LIST_APPEND:
        case LIST_EXTEND:
        case MAP_ADD:
        case RERAISE:
        case SET_ADD:
        case SET_UPDATE:
            for (int k = nj_op_effect(x->op, arg, false); k < 0; k++) {
                pop_ref(s);
            }
            break;
        case END_SEND:
        case SET_FUNCTION_ATTRIBUTE: {
            Ref top = pop_ref(s);
            pop_ref(s);
            TRY(push_ref(s, top.instr, top.local));
            break;
        }
        case CHECK_EXC_MATCH:
            pop_ref(s);
            TRY(push_ref(s, i, -1));
            break;
        case FOR_ITER:
            push_borrow_block(sp, x->target, s->len + 1);
            TRY(push_ref(s, i, -1));
            break;
        case LOAD_ATTR:
        case LOAD_SUPER_ATTR: {
            Ref self = pop_ref(s);
            if (x->op == LOAD_SUPER_ATTR) {
                pop_ref(s);
                pop_ref(s);
            }
            TRY(push_ref(s, i, -1));
            if (arg & 1) {
                TRY(push_ref(s, self.instr, self.local));
            }
            break;
        }
        case LOAD_SPECIAL:
        case PUSH_EXC_INFO: {
            Ref top = pop_ref(s);
            TRY(push_ref(s, i, -1));
            TRY(push_ref(s, top.instr, top.local));
            break;
        }
        case SEND:
            push_borrow_block(sp, x->target, s->len);
            pop_ref(s);
            TRY(push_ref(s, i, -1));
            break;
        default: {
            int popped = nj_op_popped(x->op, arg);
            int pushed = popped + nj_op_effect(x->op, arg, false);
            if (x->target != NULL && nj_is_jump(x->op)) {
                push_borrow_block(sp, x->target, s->len - popped + pushed);
            }
            for (int k = 0; k < popped; k++) {
                pop_ref(s);
            }
            for (int k = 0; k < pushed; k++) {
                TRY(push_ref(s, i, -1));
            }
        }
        }
    }
    /* As in the reference, what follows an empty block is not looked at from here. */
    if (b->next != NULL && b->len > 0 && nj_block_falls_through(b)) {
        push_borrow_block(sp, b->next, s->len);
    }
    for (int i = 0; i < s->len; i++) {
        if (s->at[i].instr >= 0) {
            flags[s->at[i].instr] |= UNCONSUMED;
        }
    }
    for (int i = 0; i < b->len; i++) {
        if (flags[i] == 0) {
            if (b->at[i].op == LOAD_FAST) {
                b->at[i].op = LOAD_FAST_BORROW;
            }
            else if (b->at[i].op == LOAD_FAST_LOAD_FAST) {
                b->at[i].op = LOAD_FAST_BORROW_LOAD_FAST_BORROW;
            }
        }
    }
    return 0;
}

int
nj_cfg_borrow_locals(NjAsmInput *in)
{
    NjCfg *g = in->g;
    int max = 0;
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        max = Py_MAX(max, b->len);
        b->visited = false;
    }
    uint8_t *flags = nj_arena_alloc(g->arena, max + 1);
    NjBlock **stack = nj_arena_alloc(g->arena, (g->nblocks + 1) * sizeof(NjBlock *));
    if (flags == NULL || stack == NULL) {
        return -1;
    }
    RefStack refs = {.arena = g->arena};
    NjBlock **sp = stack;
    push_borrow_block(&sp, g->entry, 0);
    while (sp > stack) {
        NjBlock *b = *--sp;
        TRY(borrow_in_block(b, &refs, flags, &sp));
    }
    return 0;
}

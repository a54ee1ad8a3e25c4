/* compile_int.h - what the back half of the front end shares: instructions, units,
 * the state of one compilation. Private to codegen*.c, cfg*.c, assemble.c, compile.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_COMPILE_INT_H
#define NJ_FRONTEND_COMPILE_INT_H

#include <limits.h>
#include <opcode.h>

#include "frontend/ast.h"
#include "frontend/compile.h"
#include "frontend/opinfo.h"
#include "frontend/symtable.h"
#include "objects/code_int.h"

/* Pseudo instructions of our own, gone before the flow graph is built. */
enum { NJ_OP_LOAD_METHOD = 300, NJ_OP_LOAD_SUPER_METHOD, NJ_OP_LOAD_ZERO_SUPER_METHOD,
       NJ_OP_LOAD_ZERO_SUPER_ATTR, NJ_OP_LOOP_JUMP /* stays a plain JUMP: break, end of with and case */ };

/* RESUME arguments. */
enum { NJ_RESUME_START = 0, NJ_RESUME_YIELD = 1, NJ_RESUME_YIELD_FROM = 2, NJ_RESUME_AWAIT = 3,
       NJ_RESUME_DEPTH1 = 4 };

/* Artificial positions: no line at all; and "like the next instruction". */
#define NJ_NO_LOC ((NjPos){-1, -1, -1, -1})
#define NJ_NEXT_LOC ((NjPos){-2, -2, -2, -2})

#define TRY(x)                                                                         \
    do {                                                                               \
        if ((x) < 0) {                                                                 \
            return -1;                                                                 \
        }                                                                              \
    } while (0)

/* ---- linear code, as the generator emits it ------------------------------------------ */

typedef int NjLabel; /* -1: none */
#define NJ_NO_LABEL (-1)

typedef struct NjInstr {
    int op;
    int arg; /* label when the instruction has a target */
    NjPos loc;
} NjInstr;

typedef struct NjCode {
    NjInstr *at;
    int len;
    int cap;
    int *labels; /* label -> index of instruction */
    int nlabels;
    int labels_cap;
    struct NjCode *annotations; /* spliced in at ANNOTATIONS_PLACEHOLDER */
} NjCode;

/* ---- units --------------------------------------------------------------------------- */

typedef enum NjUnitKind {
    NJ_UNIT_MODULE,
    NJ_UNIT_CLASS,
    NJ_UNIT_FUNCTION,
    NJ_UNIT_ASYNC_FUNCTION,
    NJ_UNIT_LAMBDA,
    NJ_UNIT_COMPREHENSION,
    NJ_UNIT_ANNOTATIONS,
    NJ_UNIT_TYPE_PARAMS
} NjUnitKind;

typedef enum NjFKind {
    NJ_F_WHILE,
    NJ_F_FOR,
    NJ_F_ASYNC_FOR,
    NJ_F_TRY,
    NJ_F_FINALLY_TRY,
    NJ_F_FINALLY_END,
    NJ_F_WITH,
    NJ_F_ASYNC_WITH,
    NJ_F_HANDLER_CLEANUP,
    NJ_F_POP_VALUE,
    NJ_F_HANDLER,
    NJ_F_GROUP_HANDLER,
    NJ_F_COMP_GENERATOR,
    NJ_F_STOP_ITERATION
} NjFKind;

typedef struct NjFBlock {
    NjFKind kind;
    NjLabel block;
    NjPos loc;
    NjLabel exit;
    void *datum; /* finally body, handler name */
} NjFBlock;

#define NJ_MAX_FBLOCKS CO_MAXBLOCKS

/* One code object in the making. */
typedef struct NjUnit {
    struct NjUnit *parent;
    NjScope *scope;
    NjUnitKind kind;
    PyObject *name;
    PyObject *qualname;
    PyObject *private_name;  /* or NULL */
    PyObject *consts;        /* dict: key -> index; values in const_list */
    PyObject *const_list;
    PyObject *names;         /* dict: name -> index */
    PyObject *varnames;
    PyObject *cellvars;
    PyObject *freevars;
    PyObject *fast_hidden;   /* set: fast locals of inlined comprehensions in a class */
    PyObject *ever_hidden;   /* set: all that ever were in fast_hidden */
    PyObject *static_attributes; /* set, classes only */
    PyObject *deferred;      /* list of addresses (int) of AnnAssign statements */
    PyObject *cond_indices;  /* list of int, -1: unconditional */
    int next_cond_index;
    bool in_conditional;
    int inlined_depth;       /* > 0 inside inlined comprehensions */
    int nfblocks;
    NjFBlock fblocks[NJ_MAX_FBLOCKS];
    int argcount;
    int posonlyargcount;
    int kwonlyargcount;
    int firstlineno;
    NjCode *code;
    PyObject *kept;          /* list: nj_steps_keep of the units inside, or NULL */
    struct NjTempScope *temp_scopes; /* overrides by inlined comprehensions */
} NjUnit;

typedef struct NjTempScope {
    struct NjTempScope *next;
    PyObject *name;
    int scope;
} NjTempScope;

typedef struct NjCompiler {
    NjArena *arena;
    PyObject *filename;
    PyObject *module;      /* for warnings; or NULL */
    NjSymtable *st;
    NjUnit *u;
    int nunits;            /* depth of the stack of units */
    int optimize;
    int flags;             /* PyCF_* and CO_FUTURE_* of the caller plus the source's */
    NjPos future_pos;      /* of the last `from __future__' statement */
    bool interactive;
    PyObject *const_cache; /* dict: key -> constant, one per compilation */
    bool no_warnings;
    int finally_copies;    /* > 0 while a finally body is generated again: no warnings */
    PyObject **keep;       /* regression tests: where to keep the generator's output; or NULL */
} NjCompiler;

/* ---- flow graph ---------------------------------------------------------------------- */

typedef struct NjBlock NjBlock;

typedef struct NjCfgInstr {
    int op;
    int arg;
    NjPos loc;
    NjBlock *target;
    NjBlock *except;
} NjCfgInstr;

struct NjBlock {
    NjBlock *next;     /* in fall-through order */
    NjCfgInstr *at;
    int len;
    int cap;
    bool has_label;    /* something jumps here (or did, when the graph was built) */
    int predecessors;
    int startdepth;    /* INT_MIN: not known */
    void *estack;      /* handlers in effect at the start, while labelling */
    uint64_t unsafe;   /* locals that may be unbound at the start */
    bool preserve_lasti;
    bool except_handler;
    bool cold;
    bool warm;
    bool visited;
    int index;         /* while assembling: number of the first instruction */
};

typedef struct NjCfg {
    NjArena *arena;
    NjBlock *entry;
    int nblocks;
} NjCfg;

/* What the assembler needs besides instructions. */
typedef struct NjAsmInput {
    NjCompiler *c;
    NjUnit *u;
    NjCfg *g;
    int flags;
    int nlocalsplus;
    int stackdepth;
    PyObject *consts; /* list, may grow and be compacted by the optimizer */
} NjAsmInput;

/* codegen.c */
NJ_MUST PyObject *nj_codegen_module(NjCompiler *c, NjMod *mod);

/* cfg.c: from linear code to a graph; after optimizing, to its final order. */
NJ_MUST int nj_cfg_build(NjAsmInput *in);
NJ_MUST int nj_cfg_finish(NjAsmInput *in);
NJ_MUST int nj_cfg_add(NjCfg *g, NjBlock *b, NjCfgInstr i);
NJ_MUST int nj_cfg_add_unlabelled(NjCfg *g, NjBlock *b, int op, NjPos loc,
                                  NjBlock *target);
NJ_MUST int nj_cfg_insert(NjCfg *g, NjBlock *b, int pos, NjCfgInstr i);
NJ_MUST NjBlock *nj_cfg_new_block(NjCfg *g);
int nj_cfg_remove_nops_in(NjBlock *b);
int nj_cfg_remove_nops(NjCfg *g);
/* Also drops jumps to the next block; plain_only: of the kind JUMP only. */
void nj_cfg_remove_nops_and_jumps(NjCfg *g, bool plain_only);
NJ_MUST int nj_cfg_remove_unreachable(NjCfg *g);
NJ_MUST int nj_cfg_resolve_lines(NjCfg *g);

NJ_INLINE NjCfgInstr *
nj_block_last(NjBlock *b)
{
    return b->len == 0 ? NULL : &b->at[b->len - 1];
}
NJ_INLINE void
nj_instr_nop(NjCfgInstr *i)
{
    i->op = NOP;
    i->arg = 0;
    i->target = NULL;
}
NJ_INLINE bool
nj_is_block_push(int op)
{
    return op == SETUP_FINALLY || op == SETUP_CLEANUP || op == SETUP_WITH;
}
NJ_INLINE bool
nj_is_jump(int op)
{
    return (nj_op_flags(op) & NJ_OPF_JUMP) != 0;
}
NJ_INLINE bool
nj_is_uncond_jump(int op)
{
    return op == JUMP || op == JUMP_NO_INTERRUPT || op == JUMP_FORWARD ||
           op == JUMP_BACKWARD || op == JUMP_BACKWARD_NO_INTERRUPT;
}
NJ_INLINE bool
nj_is_scope_exit(int op)
{
    return op == RETURN_VALUE || op == RAISE_VARARGS || op == RERAISE ||
           op == INTERPRETER_EXIT;
}
NJ_INLINE bool
nj_block_falls_through(NjBlock *b)
{
    NjCfgInstr *last = nj_block_last(b);
    return last == NULL || !(nj_is_scope_exit(last->op) || nj_is_uncond_jump(last->op));
}
NJ_INLINE NjBlock *
nj_block_nonempty(NjBlock *b)
{
    while (b != NULL && b->len == 0) {
        b = b->next;
    }
    return b;
}

/* cfg_opt.c */
NJ_MUST int nj_cfg_label_ranges(NjCfg *g);
NJ_MUST int nj_cfg_optimize(NjAsmInput *in);
NJ_MUST int nj_cfg_borrow_locals(NjAsmInput *in);

/* test_steps.c: notes the code of the current unit for c->keep. */
NJ_MUST int nj_steps_keep(NjCompiler *c);

/* assemble.c */
NJ_MUST PyObject *nj_assemble(NjAsmInput *in);

/* codegen_expr.c, codegen_match.c, codegen.c: shared between each other */
NJ_MUST int nj_gen_add_const(NjCompiler *c, NjUnit *u, PyObject *o);
/* A canonical constant of the compilation equal to o; steals o. */
NJ_MUST PyObject *nj_gen_merge_const(NjCompiler *c, NJ_STEALS PyObject *o);
NJ_MUST NjLabel nj_gen_label(NjCompiler *c);
NJ_MUST int nj_gen_use(NjCompiler *c, NjLabel l);
NJ_MUST int nj_gen_op(NjCompiler *c, NjPos loc, int op, int arg);
NJ_MUST int nj_gen_const(NjCompiler *c, NjPos loc, PyObject *o);
/* The same, taking over the reference; o may be NULL. */
NJ_MUST int nj_gen_const_new(NjCompiler *c, NjPos loc, NJ_STEALS PyObject *o);
NJ_MUST int nj_gen_name_op(NjCompiler *c, NjPos loc, int op, PyObject *dict, PyObject *name);
NJ_MUST int nj_gen_attr_op(NjCompiler *c, NjPos loc, int op, PyObject *name);
NJ_MUST int nj_gen_nameop(NjCompiler *c, NjPos loc, PyObject *name, int ctx);
NJ_MUST int nj_gen_expr(NjCompiler *c, NjExpr *e);
NJ_MUST int nj_gen_stmt(NjCompiler *c, NjStmt *s);
NJ_MUST int nj_gen_jump_if(NjCompiler *c, NjPos loc, NjExpr *e, NjLabel next, bool cond);
NJ_MUST int nj_gen_match(NjCompiler *c, NjStmt *s);
NJ_MUST int nj_gen_body(NjCompiler *c, NjSeq *stmts);
NJ_MUST int nj_gen_error(NjCompiler *c, NjPos loc, const char *fmt, ...);
NJ_MUST int nj_gen_warn(NjCompiler *c, NjPos loc, const char *fmt, ...);
NJ_MUST int nj_gen_yield_from(NjCompiler *c, NjPos loc, bool await);
NJ_MUST int nj_gen_enter(NjCompiler *c, PyObject *name, NjUnitKind kind, const void *key,
                         int lineno, PyObject *private_name, int argcount, int posonly,
                         int kwonly);
void nj_gen_exit(NjCompiler *c);
NJ_MUST PyObject *nj_gen_assemble(NjCompiler *c, bool add_none);
NJ_MUST int nj_gen_closure(NjCompiler *c, NjPos loc, PyObject *code, int flags);
NJ_MUST int nj_gen_wrap_stop_iteration(NjCompiler *c);
NJ_MUST int nj_gen_defaults(NjCompiler *c, NjPos loc, NjArguments *a);
NJ_MUST int nj_gen_call_helper(NjCompiler *c, NjPos loc, int n, NjSeq *args,
                               PyObject *injected, NjSeq *keywords);
NJ_MUST int nj_gen_push_fblock(NjCompiler *c, NjPos loc, NjFKind kind, NjLabel block,
                               NjLabel exit, void *datum);
void nj_gen_pop_fblock(NjCompiler *c);
NJ_MUST int nj_gen_compare_op(NjCompiler *c, NjPos loc, int cmp);
NJ_MUST int nj_gen_unpack(NjCompiler *c, NjPos loc, NjSeq *elts);
/* Index of o in dict (name -> index), added when missing; -1 on error. */
NJ_MUST int nj_gen_dict_index(PyObject *dict, PyObject *o);
/* NJ_SC_* of a mangled name in the current unit. -1 on error. */
NJ_MUST int nj_gen_scope_of(NjCompiler *c, PyObject *mangled);
NjPos nj_gen_attr_loc(NjPos loc, NjExpr *attr);
NJ_MUST int nj_gen_slice(NjCompiler *c, NjExpr *e);
bool nj_gen_two_element_slice(NjExpr *e);

#define LABEL(name)                                                                    \
    NjLabel name = nj_gen_label(c);                                                    \
    if (name < 0) {                                                                    \
        return -1;                                                                     \
    }
#define OP(loc, op, arg) TRY(nj_gen_op(c, loc, op, arg))
#define USE(label) TRY(nj_gen_use(c, label))
#define VISIT(e) TRY(nj_gen_expr(c, e))

NJ_INLINE bool
nj_pos_has_line(NjPos p)
{
    return p.lineno >= 0;
}

#endif

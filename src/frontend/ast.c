/* ast.c - constructors of AST nodes, generated from ast.def, and small questions about
 * trees. Nodes are arena memory; nothing here can run Python code.
 *
 * A constructor needs its field list twice, as parameters and as assignments. So here a
 * field expands to a parenthesised pair (type, name), and two pairs of macros that hand
 * the rest of the list to each other (A to B to A) walk over the pairs.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/ast.h"

NjSeq *
nj_seq_new(Py_ssize_t len, NjArena *arena)
{
    if (len < 0 || (size_t)len > (PY_SSIZE_T_MAX - sizeof(NjSeq)) / sizeof(void *)) {
        PyErr_NoMemory();
        return NULL;
    }
    NjSeq *s = nj_arena_zalloc(arena, sizeof(NjSeq) + (size_t)len * sizeof(void *));
    if (s != NULL) {
        s->len = len;
    }
    return s;
}

#define PASTE_END_(...) __VA_ARGS__##_END
#define PASTE_END(...) PASTE_END_(__VA_ARGS__)

#define PARAM_A(T, name) T name, PARAM_B
#define PARAM_B(T, name) T name, PARAM_A
#define PARAM_A_END
#define PARAM_B_END
#define PARAMS(pairs) PASTE_END(PARAM_A pairs)

#define STORE_A(T, name) t_->name = name; STORE_B
#define STORE_B(T, name) t_->name = name; STORE_A
#define STORE_A_END
#define STORE_B_END
#define STORES(pairs) PASTE_END(STORE_A pairs)

#define NJ_AST_NOPOS(x, y) y
#define NJ_AST_POS(x, y) x
#define NJ_AST_POSREQ(x, y) x
#define POS_mod NJ_AST_NOPOS
#define POS_stmt NJ_AST_POS
#define POS_expr NJ_AST_POS
#define POS_excepthandler NJ_AST_POS
#define POS_pattern NJ_AST_POS
#define POS_type_ignore NJ_AST_NOPOS
#define POS_type_param NJ_AST_POS
#define POS_PARAM_NJ_AST_NOPOS
#define POS_PARAM_NJ_AST_POS NjPos pos,

#define NJ_AST_SUM(type, attrs)
#define NJ_AST_NODE(type, Name, fields)                                                \
    NJ_AST_CT_##type nj_ast_##Name(PARAMS(fields) NJ_AST_POS_OF_##type NjArena *arena) \
    {                                                                                  \
        NJ_AST_CT_##type n_ = nj_arena_alloc(arena, sizeof(*n_));                      \
        if (n_ == NULL) {                                                              \
            return NULL;                                                               \
        }                                                                              \
        n_->kind = NJ_##Name;                                                          \
        n_->pos = POS_##type(pos, ((NjPos){0}));                                       \
        __typeof__(n_->v.Name) *t_ = &n_->v.Name;                                      \
        (void)t_;                                                                      \
        STORES(fields)                                                                 \
        return n_;                                                                     \
    }
#define NJ_AST_PRODUCT(type, attrs, fields)                                            \
    NJ_AST_CT_##type nj_ast_##type(PARAMS(fields) POSARG_##attrs NjArena *arena)       \
    {                                                                                  \
        NJ_AST_CT_##type t_ = nj_arena_alloc(arena, sizeof(*t_));                      \
        if (t_ == NULL) {                                                              \
            return NULL;                                                               \
        }                                                                              \
        t_->kind = 1;                                                                  \
        t_->pos = attrs(pos, ((NjPos){0}));                                            \
        STORES(fields)                                                                 \
        return t_;                                                                     \
    }
#define POSARG_NJ_AST_NOPOS
#define POSARG_NJ_AST_POS NjPos pos,
#define NJ_AST_ENUM(type)
#define NJ_AST_MEMBER(type, Name)
#define NJ_AST_ONE(type, name) (NJ_AST_CT_##type, name)
#define NJ_AST_OPT(type, name) (NJ_AST_CT_##type, name)
#define NJ_AST_SEQ(type, name) (NjSeq *, name)
#define NJ_AST_SEQOPT(type, name) (NjSeq *, name)
#include "frontend/ast.def"

PyObject *
nj_ast_docstring(NjSeq *body)
{
    if (NJ_SEQ_LEN(body) == 0) {
        return NULL;
    }
    NjStmt *s = body->at[0];
    if (s->kind != NJ_Expr) {
        return NULL;
    }
    NjExpr *e = s->v.Expr.value;
    if (e->kind == NJ_Constant && PyUnicode_CheckExact(e->v.Constant.value)) {
        return e->v.Constant.value;
    }
    return NULL;
}

bool
nj_ast_is_future(const NjStmt *s)
{
    return s->kind == NJ_ImportFrom && s->v.ImportFrom.level == 0 &&
           s->v.ImportFrom.module != NULL &&
           PyUnicode_EqualToUTF8(s->v.ImportFrom.module, "__future__");
}

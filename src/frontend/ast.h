/* ast.h - the abstract syntax tree in C: structs and constructors out of ast.def.
 *
 * A node is `NjExpr *e': e->kind (NJ_BinOp, ...), e->pos, e->v.BinOp.left. Products have
 * their fields directly: arg->arg, arg->pos. Operators and contexts are plain enums whose
 * value 0 means "none" (NJ_Add == 1, NJ_Load == 1).
 *
 * Everything lives in an NjArena and dies with it. PyObject pointers in nodes (names,
 * constants) are borrowed from the arena: register each with nj_arena_own() (steals the
 * reference) before storing it. Identifiers are interned str.
 *
 * Sequences are NjSeq of node pointers (or PyObject pointers, or for cmpop enum values
 * cast through intptr_t: NJ_SEQ_INT); a NULL NjSeq is an empty one. In (T?)* sequences
 * an element may be NULL.
 *
 * Constructors, one per node, named nj_ast_Name: the fields in table order, then an NjPos
 * when the type has positions, then the arena. NULL with MemoryError set on failure.
 *
 *   NjExpr *e = nj_ast_BinOp(left, NJ_Add, right, pos, arena);
 *   NjArg *a = nj_ast_arg(name, annotation, NULL, pos, arena);
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_AST_H
#define NJ_FRONTEND_AST_H

#include "nj.h"

#include "base/arena.h"

typedef struct NjPos {
    int lineno;
    int col_offset; /* UTF-8 bytes, as in Python's col_offset */
    int end_lineno;
    int end_col_offset;
} NjPos;

typedef struct NjSeq {
    Py_ssize_t len;
    void *at[];
} NjSeq;

#define NJ_SEQ_LEN(s) ((s) == NULL ? (Py_ssize_t)0 : (s)->len)
#define NJ_SEQ_INT(s, i) ((int)(intptr_t)(s)->at[i])
#define NJ_SEQ_SET_INT(s, i, x) ((s)->at[i] = (void *)(intptr_t)(x))

/* A sequence of len NULL elements in the arena; NULL with MemoryError. */
NJ_MUST NjSeq *nj_seq_new(Py_ssize_t len, NjArena *arena);

typedef struct NjMod NjMod;
typedef struct NjStmt NjStmt;
typedef struct NjExpr NjExpr;
typedef struct NjComprehension NjComprehension;
typedef struct NjExceptHandler NjExceptHandler;
typedef struct NjArguments NjArguments;
typedef struct NjArg NjArg;
typedef struct NjKeyword NjKeyword;
typedef struct NjAlias NjAlias;
typedef struct NjWithItem NjWithItem;
typedef struct NjMatchCase NjMatchCase;
typedef struct NjPattern NjPattern;
typedef struct NjTypeIgnore NjTypeIgnore;
typedef struct NjTypeParam NjTypeParam;

/* Enumerations: NJ_Add and friends; the kinds of each sum type: NJ_BinOp and friends.
 * Values count from 1 within each type. */
#define NJ_AST_SUM(type, attrs)                                                        \
    }                                                                                  \
    ;                                                                                  \
    enum {                                                                             \
        nj_ast_##type##_zero_ = 0,
#define NJ_AST_NODE(type, Name, fields) NJ_##Name,
#define NJ_AST_PRODUCT(type, attrs, fields)
#define NJ_AST_ENUM(type) NJ_AST_SUM(type, )
#define NJ_AST_MEMBER(type, Name) NJ_##Name,
enum {
    nj_ast_first_ = 0,
#include "frontend/ast.def"
};

typedef int NjExprContext;
typedef int NjBoolop;
typedef int NjOperator;
typedef int NjUnaryop;
typedef int NjCmpop;

/* C type of a field of a given ASDL type. */
#define NJ_AST_CT_mod NjMod *
#define NJ_AST_CT_stmt NjStmt *
#define NJ_AST_CT_expr NjExpr *
#define NJ_AST_CT_comprehension NjComprehension *
#define NJ_AST_CT_excepthandler NjExceptHandler *
#define NJ_AST_CT_arguments NjArguments *
#define NJ_AST_CT_arg NjArg *
#define NJ_AST_CT_keyword NjKeyword *
#define NJ_AST_CT_alias NjAlias *
#define NJ_AST_CT_withitem NjWithItem *
#define NJ_AST_CT_match_case NjMatchCase *
#define NJ_AST_CT_pattern NjPattern *
#define NJ_AST_CT_type_ignore NjTypeIgnore *
#define NJ_AST_CT_type_param NjTypeParam *
#define NJ_AST_CT_identifier PyObject *
#define NJ_AST_CT_string PyObject *
#define NJ_AST_CT_constant PyObject *
#define NJ_AST_CT_int int
#define NJ_AST_CT_expr_context NjExprContext
#define NJ_AST_CT_boolop NjBoolop
#define NJ_AST_CT_operator NjOperator
#define NJ_AST_CT_unaryop NjUnaryop
#define NJ_AST_CT_cmpop NjCmpop

/* Struct name of a node type. */
#define NJ_AST_ST_mod NjMod
#define NJ_AST_ST_stmt NjStmt
#define NJ_AST_ST_expr NjExpr
#define NJ_AST_ST_comprehension NjComprehension
#define NJ_AST_ST_excepthandler NjExceptHandler
#define NJ_AST_ST_arguments NjArguments
#define NJ_AST_ST_arg NjArg
#define NJ_AST_ST_keyword NjKeyword
#define NJ_AST_ST_alias NjAlias
#define NJ_AST_ST_withitem NjWithItem
#define NJ_AST_ST_match_case NjMatchCase
#define NJ_AST_ST_pattern NjPattern
#define NJ_AST_ST_type_ignore NjTypeIgnore
#define NJ_AST_ST_type_param NjTypeParam

/* Every node struct has the same prefix {int kind; NjPos pos;} so that code can treat
 * positions alike; types without positions leave pos zero. */
#define NJ_AST_SUM(type, attrs)                                                        \
    }                                                                                  \
    v;                                                                                 \
    }                                                                                  \
    ;                                                                                  \
    struct NJ_AST_STX(type) {                                                          \
        int kind;                                                                      \
        NjPos pos;                                                                     \
        union {
#define NJ_AST_STX(type) NJ_AST_ST_##type
#define NJ_AST_NODE(type, Name, fields)                                                \
    struct {                                                                           \
        fields                                                                         \
    } Name;
#define NJ_AST_PRODUCT(type, attrs, fields)
#define NJ_AST_ENUM(type)
#define NJ_AST_MEMBER(type, Name)
#define NJ_AST_ONE(type, name) NJ_AST_CT_##type name;
#define NJ_AST_OPT(type, name) NJ_AST_CT_##type name;
#define NJ_AST_SEQ(type, name) NjSeq *name;
#define NJ_AST_SEQOPT(type, name) NjSeq *name;
struct nj_ast_dummy_ {
    int kind;
    union {
        int dummy;
#include "frontend/ast.def"
    } v;
};

#define NJ_AST_SUM(type, attrs)
#define NJ_AST_NODE(type, Name, fields)
#define NJ_AST_PRODUCT(type, attrs, fields)                                            \
    struct NJ_AST_STX(type) {                                                          \
        int kind;                                                                      \
        NjPos pos;                                                                     \
        fields                                                                         \
    };
#define NJ_AST_ENUM(type)
#define NJ_AST_MEMBER(type, Name)
#define NJ_AST_ONE(type, name) NJ_AST_CT_##type name;
#define NJ_AST_OPT(type, name) NJ_AST_CT_##type name;
#define NJ_AST_SEQ(type, name) NjSeq *name;
#define NJ_AST_SEQOPT(type, name) NjSeq *name;
#include "frontend/ast.def"

/* Constructors. */
#define NJ_AST_NOPOS
#define NJ_AST_POS NjPos pos,
#define NJ_AST_POSREQ NjPos pos,
#define NJ_AST_POS_OF_mod
#define NJ_AST_POS_OF_stmt NjPos pos,
#define NJ_AST_POS_OF_expr NjPos pos,
#define NJ_AST_POS_OF_excepthandler NjPos pos,
#define NJ_AST_POS_OF_pattern NjPos pos,
#define NJ_AST_POS_OF_type_ignore
#define NJ_AST_POS_OF_type_param NjPos pos,
#define NJ_AST_SUM(type, attrs)
#define NJ_AST_NODE(type, Name, fields)                                                \
    NJ_AST_CT_##type nj_ast_##Name(fields NJ_AST_POS_OF_##type NjArena *arena);
#define NJ_AST_PRODUCT(type, attrs, fields)                                            \
    NJ_AST_CT_##type nj_ast_##type(fields attrs NjArena *arena);
#define NJ_AST_ENUM(type)
#define NJ_AST_MEMBER(type, Name)
#define NJ_AST_ONE(type, name) NJ_AST_CT_##type name,
#define NJ_AST_OPT(type, name) NJ_AST_CT_##type name,
#define NJ_AST_SEQ(type, name) NjSeq *name,
#define NJ_AST_SEQOPT(type, name) NjSeq *name,
#include "frontend/ast.def"

/* ast_py.c: conversion to and from Python's _ast objects. arena receives the nodes. */
NJ_MUST PyObject *nj_ast_to_object(NjMod *mod);
/* mode: 0 Module, 1 Expression, 2 Interactive, 3 FunctionType; TypeError when the object
 * is of another kind. */
NJ_MUST NjMod *nj_ast_from_object(PyObject *obj, int mode, NjArena *arena);
/* TypeError (-1) unless obj is of the kind that mode asks for. */
NJ_MUST int nj_ast_check_root(PyObject *obj, int mode);
/* isinstance(obj, ast.AST): 1, 0, or -1. */
int nj_ast_check_object(PyObject *obj);
/* Checks what the parser guarantees but a tree from Python does not. 0, or -1. */
NJ_MUST int nj_ast_validate(NjMod *mod);

/* ast.c: the docstring of a body (a str Constant expression first), or NULL. */
PyObject *nj_ast_docstring(NjSeq *body);
/* True for `from __future__' statements. */
bool nj_ast_is_future(const NjStmt *s);

/* ast_unparse.c: the source text of an expression, as annotations show it. */
NJ_MUST PyObject *nj_ast_unparse(NjExpr *e);

#endif

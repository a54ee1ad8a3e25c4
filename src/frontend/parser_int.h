/* parser_int.h - what the parser's files share. Nobody else includes this.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_PARSER_INT_H
#define NJ_FRONTEND_PARSER_INT_H

#include "nj.h"

#include "frontend/ast.h"
#include "frontend/lexer.h"
#include "frontend/parse.h"

typedef struct NjMemo NjMemo;

/* Every parse function returns a node, or NULL: "it is not here", with the position
 * anywhere. NULL with p->err (or an exception) is final, otherwise the caller may put
 * the position back (NjMark) and try something else. */
typedef struct NjParser {
    NjLexer lx;
    NjArena *arena;
    NjToken *toks;
    int pos, fill, cap;
    int depth;
    bool err;  /* an exception is set: every parse function fails */
    bool diag; /* second pass: look for what exactly is wrong */
    bool peg;  /* throughout the second pass, also while diag is off: see give_up */
    bool parsing_started;
    int start;
    int flags;
    bool no_final_newline; /* the file ended without one, buf does not */
    int feature_version;
    int tmp_len, tmp_cap;
    void **tmp; /* stack of elements of sequences being built */
    int ignores_len, ignores_cap;
    struct NjIgnore {
        int lineno;
        PyObject *tag;
    } *ignores;
    NjMemo *memo; /* second pass only */
    const char *warned_at; /* the last escape sequence warned of */
    PyObject *filename;
} NjParser;

typedef struct NjMark {
    int pos, tmp_len, depth;
} NjMark;

/* As deep as the reference goes: a unit is a level of `not', `-' or `a if b else'. */
enum { NJ_PARSE_DEPTH = 5969 };

/* Every 64 levels: is there C stack left? */
NJ_MUST NJ_COLD bool nj_parser_stack_low(NjParser *p);

/* One level deeper; false when that is too deep, with the exception set. */
#define NJ_PARSE_ENTER(p, units)                                                       \
    (((p)->depth += (units)) <= NJ_PARSE_DEPTH                                         \
     && (NJ_LIKELY((p)->depth & 63) || !nj_parser_stack_low(p)))

/* Reads one more token into toks[fill]. On a lexer error the token is an ERRORTOKEN and
 * the exception is set. */
void nj_parser_fetch(NjParser *p);
NJ_COLD void *nj_parser_too_deep(NjParser *p);

NJ_INLINE NjToken *
peek(NjParser *p)
{
    if (NJ_UNLIKELY(p->pos == p->fill)) {
        nj_parser_fetch(p);
    }
    return &p->toks[p->pos];
}

NJ_INLINE NjTok
at(NjParser *p)
{
    return (NjTok)peek(p)->kind;
}

/* The kind of the n-th token from here; reads no further than the first error. */
static inline NjTok
at_plus(NjParser *p, int n)
{
    int save = p->pos;
    NjTok k = at(p);
    while (n-- > 0 && k != T_ERRORTOKEN && k != T_ENDMARKER) {
        p->pos++;
        k = at(p);
    }
    p->pos = save;
    return k;
}

NJ_INLINE bool
accept(NjParser *p, NjTok kind)
{
    if (at(p) == kind) {
        p->pos++;
        return true;
    }
    return false;
}

#define EXPECT(p, kind)                                                                \
    do {                                                                               \
        if (!accept(p, kind)) {                                                        \
            return NULL;                                                               \
        }                                                                              \
    } while (0)

NJ_INLINE NjMark
mark(NjParser *p)
{
    return (NjMark){p->pos, p->tmp_len, p->depth};
}

NJ_INLINE void
back_to(NjParser *p, NjMark m)
{
    p->pos = m.pos;
    p->tmp_len = m.tmp_len;
    p->depth = m.depth;
}

/* True when there is no point in trying anything else. */
NJ_INLINE bool
failed_hard(NjParser *p)
{
    return p->err || PyErr_Occurred() != NULL;
}

/* An optional rest could not be parsed: true when the position is put back to m, so that
 * what came before stands alone. Only the second pass needs that, because only there
 * something else may be tried for the rest. */
NJ_INLINE bool
give_up(NjParser *p, NjMark m)
{
    if (NJ_UNLIKELY(p->peg) && !failed_hard(p)) {
        back_to(p, m);
        return true;
    }
    return false;
}

/* From the token at index start to the last one consumed. */
NJ_INLINE NjPos
pos_from(NjParser *p, int start)
{
    NjToken *a = &p->toks[start], *b = &p->toks[p->pos - 1];
    return (NjPos){a->lineno, a->col, b->end_lineno, b->end_col};
}

/* The same for statements with blocks: layout tokens at the end do not count. */
static inline NjPos
pos_from_block(NjParser *p, int start)
{
    int last = p->pos - 1;
    while (last > start
           && (p->toks[last].kind == T_ENDMARKER
               || (p->toks[last].kind >= T_NEWLINE && p->toks[last].kind <= T_DEDENT))) {
        last--;
    }
    NjToken *a = &p->toks[start], *b = &p->toks[last];
    return (NjPos){a->lineno, a->col, b->end_lineno, b->end_col};
}

/* From the start of a node to the last token consumed. */
NJ_INLINE NjPos
pos_since(NjParser *p, NjPos from)
{
    NjToken *b = &p->toks[p->pos - 1];
    return (NjPos){from.lineno, from.col_offset, b->end_lineno, b->end_col};
}

NJ_INLINE NjPos
pos_between(NjPos a, NjPos b)
{
    return (NjPos){a.lineno, a.col_offset, b.end_lineno, b.end_col_offset};
}

static inline NjPos
tok_pos(const NjToken *t)
{
    return (NjPos){t->lineno, t->col, t->end_lineno, t->end_col};
}

/* Sequences: push elements, then take everything above base. */
NJ_MUST int nj_parser_push(NjParser *p, void *item);
NJ_MUST NjSeq *nj_parser_take(NjParser *p, int base);
#define PUSH(p, item)                                                                  \
    do {                                                                               \
        if (nj_parser_push(p, item) < 0) {                                             \
            return NULL;                                                               \
        }                                                                              \
    } while (0)

static inline bool
tok_is(NjParser *p, const NjToken *t, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(t->end - t->start) == n && memcmp(p->lx.buf + t->start, text, n) == 0;
}

/* parse_expr.c */
NJ_MUST NjExpr *nj_parse_star_expressions(NjParser *p);
NJ_MUST NjExpr *nj_parse_star_expression(NjParser *p);
NJ_MUST NjExpr *nj_parse_star_named_expression(NjParser *p);
NJ_MUST NjExpr *nj_parse_expressions(NjParser *p); /* no stars */
NJ_MUST NjExpr *nj_parse_expression(NjParser *p);
NJ_MUST NjExpr *nj_parse_expression_plain(NjParser *p); /* no memo, no mistakes */
NJ_MUST NjExpr *nj_parse_named_expression(NjParser *p);
NJ_MUST NjExpr *nj_parse_disjunction(NjParser *p);
NJ_MUST NjExpr *nj_parse_inversion(NjParser *p);
NJ_MUST NjExpr *nj_parse_bitwise_or(NjParser *p);
NJ_MUST NjExpr *nj_parse_starred(NjParser *p);  /* '*' expression: an argument */
NJ_MUST NjExpr *nj_parse_argument(NjParser *p); /* expression or NAME := expression */
/* fstring.c: the rest of a format spec after ':'. 0, or -1. */
NJ_MUST int nj_parse_skip_spec(NjParser *p, bool template);
NJ_MUST NjExpr *nj_parse_primary(NjParser *p);
/* Second pass: parses a primary for the sake of mistakes in it; moves nothing. */
void nj_parse_probe_target(NjParser *p);
NJ_MUST NjExpr *nj_parse_yield(NjParser *p);
NJ_MUST NjExpr *nj_parse_annotated_rhs(NjParser *p); /* yield or star_expressions */
NJ_MUST NjExpr *nj_parse_star_targets(NjParser *p);  /* of `for', context Store */
NJ_MUST NjExpr *nj_parse_star_target(NjParser *p);
NJ_MUST NjExpr *nj_parse_number(NjParser *p);
NJ_MUST NjExpr *nj_parse_strings(NjParser *p);
/* '(' args ')' after a callee or a class name; func may be NULL. */
NJ_MUST NjExpr *nj_parse_call(NjParser *p, NjExpr *func, int start);
NJ_MUST NjArguments *nj_parse_params(NjParser *p, bool lambda);
NjArguments *nj_parse_no_params(NjParser *p);
NJ_MUST NjSeq *nj_parse_for_if_clauses(NjParser *p);
/* Turns an expression into a target. False when it cannot be one: nothing is raised. */
bool nj_parse_set_store(NjExpr *e);
void nj_parse_set_context(NjExpr *e, NjExprContext ctx);
NJ_MUST NjExpr *nj_parse_name_node(NjParser *p); /* NAME, context Load */
/* Decorative helpers for tokens that begin something. */
bool nj_parse_starts_expression(NjTok k);

/* parse_pattern.c */
NJ_MUST NjStmt *nj_parse_match(NjParser *p);

/* parser.c */
NJ_MUST NjSeq *nj_parse_block(NjParser *p);
/* Raises when feature_version is older than 3.minor. */
NJ_MUST int nj_parse_check_version(NjParser *p, int minor, const char *what);
PyObject *nj_parse_type_comment(NjParser *p, const NjToken *t);

/* parse_error.c: raising */
NJ_COLD void *nj_syntax_error(NjParser *p, const char *format, ...); /* at last token */
NJ_COLD void *nj_indentation_error(NjParser *p, const char *format, ...);
NJ_COLD void *nj_parser_error_at(NjParser *p, NjPos pos, const char *format, ...);
/* From the start of pos to where the lexer is. */
NJ_COLD void *nj_syntax_error_from(NjParser *p, NjPos pos, const char *format, ...);
NJ_COLD void nj_parser_lexer_error(NjParser *p);
NJ_COLD void nj_parser_finish_error(NjParser *p, int last_token);
/* An exception is set: lexer errors in the rest of the text go before it. */
NJ_COLD void nj_parser_check_rest(NjParser *p);
NJ_COLD void *nj_forced(NjParser *p, const char *what); /* second pass: "expected 'what'" */
NJ_COLD void *nj_raise_at(NjParser *p, PyObject *type, int lineno, int col,
                          int end_lineno, int end_col, const char *format, ...);
NJ_COLD void nj_raise_incomplete(NjParser *p);

/* parse_diag.c: the second pass. Each looks at the tokens from the current position,
 * raises if it recognises a mistake, and leaves the position as it was. */
NJ_COLD void nj_diag_expression(NjParser *p);
NJ_COLD void nj_diag_named_expression(NjParser *p);
NJ_COLD void nj_diag_assignment(NjParser *p);
NJ_COLD void nj_diag_del(NjParser *p);           /* at `del' */
NJ_COLD void nj_diag_group(NjParser *p);         /* at '(' */
NJ_COLD void nj_diag_comprehension(NjParser *p); /* at the bracket */
NJ_COLD void nj_diag_dict(NjParser *p);          /* at '{' */
NJ_COLD void nj_diag_dict_comprehension(NjParser *p);
NJ_COLD void nj_diag_brace_after(NjParser *p);
NJ_COLD void nj_diag_arguments(NjParser *p);     /* after '(' */
NJ_COLD void nj_diag_starred(NjParser *p);       /* at '*' of an argument */
NJ_COLD void nj_diag_params(NjParser *p, bool lambda);
NJ_COLD void nj_diag_for_target(NjParser *p, bool clause); /* at [async] for */
NJ_COLD void nj_diag_with_item(NjParser *p);
NJ_COLD void nj_diag_field(NjParser *p, bool template); /* after '{' of an f-string */
NJ_COLD void nj_diag_pattern(NjParser *p);
NJ_COLD void nj_diag_import_target(NjParser *p, bool from);
NJ_COLD void nj_diag_block(NjParser *p, const char *what, int lineno); /* no INDENT */
NJ_COLD void nj_diag_unary_not(NjParser *p, NjTok op); /* `+ not x' */
const char *nj_diag_expr_name(NjExpr *e);

/* Memo of the second pass: rule ids. */
enum NjRule {
    R_EXPRESSION,
    R_DISJUNCTION,
    R_BITWISE_OR,
    R_FACTOR,
    R_COUNT
};
bool nj_memo_find(NjParser *p, int rule, NjExpr **out);
void nj_memo_store(NjParser *p, int rule, int start, NjExpr *result);
void nj_memo_clear(NjParser *p);

#define DIAG(p, call)                                                                  \
    do {                                                                               \
        if (NJ_UNLIKELY((p)->diag)) {                                                  \
            call;                                                                      \
            if ((p)->err) {                                                            \
                return NULL;                                                           \
            }                                                                          \
        }                                                                              \
    } while (0)

#endif

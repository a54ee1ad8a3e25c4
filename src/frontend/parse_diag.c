/* parse_diag.c - the second pass: finding the mistake behind a syntax error.
 *
 * Idea: parse functions call these where a construct begins. Each tries patterns of wrong
 * code, in a fixed order, by parsing pieces of it with the ordinary parse functions; if
 * one matches it raises, else the position is put back and nothing has happened. Which
 * patterns, in which order, with which range: as observed of the reference.
 *
 * Invariants: p->diag is true on entry. A probe that must not itself look for mistakes
 * runs with diag off (quiet_*). After any piece: p->err means stop.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/parser_int.h"

#define PIECE(p, call)                                                                 \
    (__extension__({                                                                   \
        __typeof__(call) piece_ = (call);                                              \
        if ((p)->err) {                                                                \
            return;                                                                    \
        }                                                                              \
        piece_;                                                                        \
    }))

/* Not nj_parse_expression: the memo of whole expressions must not know of it. */
static NjExpr *
quiet_expression(NjParser *p)
{
    p->diag = false;
    NjExpr *e = nj_parse_expression_plain(p);
    p->diag = true;
    return e;
}

static NjPos
range_tokens(NjParser *p, int a, int b)
{
    NjToken *x = &p->toks[a], *y = &p->toks[b];
    return (NjPos){x->lineno, x->col, y->end_lineno, y->end_col};
}

static bool
is_name(NjParser *p, NjExpr *e, const char *text)
{
    return e->kind == NJ_Name && PyUnicode_CompareWithASCIIString(e->v.Name.id, text) == 0;
}

static bool
is_legacy(NjParser *p, NjExpr *e)
{
    return is_name(p, e, "print") || is_name(p, e, "exec");
}

/* ---- what an expression is called ---- */

static const char *
expr_name(NjExpr *e)
{
    switch (e->kind) {
    case NJ_Attribute: return "attribute";
    case NJ_Subscript: return "subscript";
    case NJ_Starred: return "starred";
    case NJ_Name: return "name";
    case NJ_List: return "list";
    case NJ_Tuple: return "tuple";
    case NJ_Lambda: return "lambda";
    case NJ_Call: return "function call";
    case NJ_BoolOp:
    case NJ_BinOp:
    case NJ_UnaryOp: return "expression";
    case NJ_GeneratorExp: return "generator expression";
    case NJ_Yield:
    case NJ_YieldFrom: return "yield expression";
    case NJ_Await: return "await expression";
    case NJ_ListComp: return "list comprehension";
    case NJ_SetComp: return "set comprehension";
    case NJ_DictComp: return "dict comprehension";
    case NJ_Dict: return "dict literal";
    case NJ_Set: return "set display";
    case NJ_JoinedStr:
    case NJ_FormattedValue: return "f-string expression";
    case NJ_TemplateStr:
    case NJ_Interpolation: return "t-string expression";
    case NJ_Constant: {
        PyObject *v = e->v.Constant.value;
        return v == Py_None       ? "None"
               : v == Py_False    ? "False"
               : v == Py_True     ? "True"
               : v == Py_Ellipsis ? "ellipsis"
                                  : "literal";
    }
    case NJ_Compare: return "comparison";
    case NJ_IfExp: return "conditional expression";
    case NJ_NamedExpr: return "named expression";
    default: return "expression";
    }
}

const char *
nj_diag_expr_name(NjExpr *e)
{
    return expr_name(e);
}

enum { STAR_TARGETS, DEL_TARGETS, FOR_TARGETS };

/* The first part of e that cannot be a target; NULL if there is none. */
static NjExpr *
invalid_target(NjExpr *e, int kind)
{
    switch (e->kind) {
    case NJ_List:
    case NJ_Tuple: {
        NjSeq *elts = e->kind == NJ_List ? e->v.List.elts : e->v.Tuple.elts;
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(elts); i++) {
            NjExpr *bad = invalid_target(elts->at[i], kind);
            if (bad) {
                return bad;
            }
        }
        return NULL;
    }
    case NJ_Starred:
        return kind == DEL_TARGETS ? e : invalid_target(e->v.Starred.value, kind);
    case NJ_Compare:
        if (kind == FOR_TARGETS) {
            return NJ_SEQ_INT(e->v.Compare.ops, 0) == NJ_In
                       ? invalid_target(e->v.Compare.left, kind)
                       : NULL;
        }
        return e;
    case NJ_Name:
    case NJ_Subscript:
    case NJ_Attribute: return NULL;
    default: return e;
    }
}

static void
raise_invalid_target(NjParser *p, NjExpr *e, int kind)
{
    NjExpr *bad = invalid_target(e, kind);
    if (bad) {
        nj_parser_error_at(p, bad->pos,
                           kind == DEL_TARGETS ? "cannot delete %s" : "cannot assign to %s",
                           expr_name(bad));
    }
}

/* At the token where the parser is. */
static void
raise_next(NjParser *p, const char *format, int c)
{
    NjToken *t = peek(p);
    if (p->err) {
        return;
    }
    if (t->col < 0) {
        nj_syntax_error(p, format, c);
    }
    else {
        nj_parser_error_at(p, tok_pos(t), format, c);
    }
}

/* ---- expressions ---- */

static void
expression_mistakes(NjParser *p)
{
    NjMark m = mark(p);
    int start = p->pos;
    NjToken *t = peek(p);
    NjTok k = (NjTok)t->kind;
    if (k == T_PASS || k == T_BREAK || k == T_CONTINUE) {
        p->pos++;
        if (accept(p, T_IF) && PIECE(p, nj_parse_disjunction(p)) && accept(p, T_ELSE)) {
            nj_parser_error_at(p, range_tokens(p, start, start),
                               "expected expression before 'if', but statement is given");
            return;
        }
        back_to(p, m);
        return;
    }
    if (!nj_parse_starts_expression(k)) {
        return;
    }
    if (k == T_STRING) {
        /* "a "quoted" word" */
        p->pos++;
        int n = 0;
        NjPos from = {0}, to = {0};
        while (nj_parse_starts_expression(at(p)) && at(p) != T_STRING) {
            NjMark item = mark(p);
            NjExpr *e = PIECE(p, quiet_expression(p));
            if (!e) {
                back_to(p, item);
                break;
            }
            if (n++ == 0) {
                from = e->pos;
            }
            to = e->pos;
        }
        if (n && at(p) == T_STRING) {
            nj_parser_error_at(p, pos_between(from, to),
                               "invalid syntax. Is this intended to be part of the "
                               "string?");
            return;
        }
        if (p->err) {
            return;
        }
        back_to(p, m);
    }
    NjExpr *a = PIECE(p, nj_parse_disjunction(p));
    int after_a = p->pos;
    bool skip = false;
    if (k == T_NAME) {
        int soft = p->toks[start].soft;
        skip = soft != NJ_SOFT_NONE
               || (start + 1 < p->fill && p->toks[start + 1].kind == T_STRING);
    }
    if (a && !skip) {
        NjTok next = at(p);
        if (p->err) {
            return;
        }
        if (nj_parse_starts_expression(next)) {
            NjExpr *b = PIECE(p, quiet_expression(p));
            if (b && !is_legacy(p, a) && p->toks[p->pos - 1].level != 0) {
                nj_parser_error_at(p, pos_between(a->pos, b->pos),
                                   "invalid syntax. Perhaps you forgot a comma?");
                return;
            }
        }
        p->pos = after_a;
    }
    if (a && accept(p, T_IF)) {
        NjExpr *b = PIECE(p, nj_parse_disjunction(p));
        if (b) {
            NjTok next = at(p);
            if (p->err) {
                return;
            }
            if (next != T_ELSE && next != T_COLON) {
                nj_parser_error_at(p, pos_between(a->pos, b->pos),
                                   "expected 'else' after 'if' expression");
                return;
            }
            if (next == T_ELSE) {
                p->pos++;
                int here = p->pos;
                NjExpr *c = PIECE(p, nj_parse_expression(p));
                if (!c) {
                    p->pos = here;
                    raise_next(p, "expected expression after 'else', but statement is "
                                  "given",
                               0);
                    return;
                }
            }
        }
    }
    back_to(p, m);
    if (k == T_LAMBDA) {
        p->pos++;
        NjArguments *args = at(p) == T_COLON ? nj_parse_no_params(p)
                                             : nj_parse_params(p, true);
        if (p->err) {
            return;
        }
        if (args && at(p) == T_COLON) {
            int colon = p->pos++;
            NjTok next = at(p);
            if (p->err) {
                return;
            }
            if (next == T_FSTRING_MIDDLE || next == T_TSTRING_MIDDLE) {
                nj_parser_error_at(p, range_tokens(p, start, colon),
                                   "%c-string: lambda expressions are not allowed "
                                   "without parentheses",
                                   next == T_TSTRING_MIDDLE ? 't' : 'f');
                return;
            }
        }
        back_to(p, m);
    }
    /* print x; also the way to mistakes behind a name that should not be there */
    if (k == T_NAME && at_plus(p, 1) != T_LPAR) {
        NjToken *name = peek(p);
        bool print = tok_is(p, name, "print"), exec = tok_is(p, name, "exec");
        p->pos++;
        NjTok next = at(p);
        if (next == T_STAR || nj_parse_starts_expression(next)) {
            NjExpr *b = PIECE(p, nj_parse_star_expressions(p));
            if (b && (print || exec)) {
                NjPos pos = range_tokens(p, start, start);
                nj_parser_error_at(p, pos_between(pos, b->pos),
                                   "Missing parentheses in call to '%s'. Did you mean "
                                   "%s(...)?",
                                   print ? "print" : "exec", print ? "print" : "exec");
                return;
            }
        }
    }
    if (p->err) {
        return;
    }
    back_to(p, m);
}

void
nj_diag_expression(NjParser *p)
{
    expression_mistakes(p);
}

void
nj_diag_named_expression(NjParser *p)
{
    NjMark m = mark(p);
    int start = p->pos;
    NjTok k = at(p);
    if (!nj_parse_starts_expression(k)) {
        return;
    }
    NjExpr *a = PIECE(p, nj_parse_expression(p));
    if (a && accept(p, T_COLONEQUAL)) {
        NjExpr *b = PIECE(p, nj_parse_expression(p));
        if (b) {
            nj_parser_error_at(p, a->pos, "cannot use assignment expressions with %s",
                               expr_name(a));
            return;
        }
    }
    back_to(p, m);
    if (k == T_NAME && at_plus(p, 1) == T_EQUAL) {
        p->pos += 2;
        NjExpr *b = PIECE(p, nj_parse_bitwise_or(p));
        if (b && at(p) != T_EQUAL && at(p) != T_COLONEQUAL && !p->err) {
            NjPos pos = range_tokens(p, start, start);
            nj_parser_error_at(p, pos_between(pos, b->pos),
                               "invalid syntax. Maybe you meant '==' or ':=' instead of "
                               "'='?");
            return;
        }
        back_to(p, m);
    }
    a = PIECE(p, nj_parse_bitwise_or(p));
    if (a && at(p) == T_EQUAL) {
        NjExpr *kinds = a;
        bool excluded = kinds->kind == NJ_List || kinds->kind == NJ_Tuple
                        || kinds->kind == NJ_GeneratorExp || k == T_TRUE || k == T_FALSE
                        || k == T_NONE;
        if (!excluded && (k == T_LSQB || k == T_LPAR)) {
            /* begins with a list, tuple or generator expression */
            NjMark m2 = mark(p);
            p->pos = start;
            p->diag = false;
            int lpar = p->pos;
            NjExpr *first = nj_parse_primary(p);
            p->diag = true;
            (void)lpar;
            while (first
                   && (first->kind == NJ_Call || first->kind == NJ_Attribute
                       || first->kind == NJ_Subscript)) {
                first = first->kind == NJ_Call        ? first->v.Call.func
                        : first->kind == NJ_Attribute ? first->v.Attribute.value
                                                      : first->v.Subscript.value;
            }
            if (first && first->pos.lineno == p->toks[start].lineno
                && first->pos.col_offset == p->toks[start].col) {
                excluded = first->kind == NJ_List || first->kind == NJ_Tuple
                           || first->kind == NJ_GeneratorExp;
            }
            back_to(p, m2);
        }
        if (!excluded) {
            p->pos++;
            NjExpr *b = PIECE(p, nj_parse_bitwise_or(p));
            if (b && at(p) != T_EQUAL && at(p) != T_COLONEQUAL && !p->err) {
                nj_parser_error_at(p, a->pos,
                                   "cannot assign to %s here. Maybe you meant '==' "
                                   "instead of '='?",
                                   expr_name(a));
                return;
            }
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* `+ not x': the operator has been consumed. */
void
nj_diag_unary_not(NjParser *p, NjTok op)
{
    if (op != T_PLUS && op != T_MINUS && op != T_STAR && op != T_SLASH && op != T_PERCENT
        && op != T_DOUBLESLASH && op != T_AT && op != T_TILDE) {
        return;
    }
    if (at(p) != T_NOT) {
        return;
    }
    NjMark m = mark(p);
    int start = p->pos;
    NjExpr *e = PIECE(p, nj_parse_inversion(p));
    if (e) {
        nj_parser_error_at(p, pos_between(range_tokens(p, start, start), e->pos),
                           "'not' after an operator must be parenthesized");
        return;
    }
    back_to(p, m);
}

/* ---- simple statements ---- */

static void
assignment_mistakes(NjParser *p)
{
    NjMark m = mark(p);
    NjTok k = at(p);
    /* [a, b]: int */
    NjExpr *a = PIECE(p, nj_parse_star_named_expression(p));
    if (a && at(p) == T_COLON && (a->kind == NJ_List || a->kind == NJ_Tuple)) {
        p->pos++;
        if (PIECE(p, nj_parse_expression(p))) {
            nj_parser_error_at(p, a->pos, "only single target (not %s) can be annotated",
                               a->kind == NJ_List ? "list" : "tuple");
            return;
        }
    }
    else if (a && at(p) == T_COMMA) {
        /* lists of expressions, one right after the other */
        p->pos++;
        while (at(p) == T_STAR || nj_parse_starts_expression(at(p))) {
            NjMark item = mark(p);
            if (!PIECE(p, nj_parse_star_named_expression(p))) {
                back_to(p, item);
                break;
            }
            accept(p, T_COMMA);
        }
        if (accept(p, T_COLON) && PIECE(p, nj_parse_expression(p))) {
            nj_parser_error_at(p, a->pos,
                               "only single target (not tuple) can be annotated");
            return;
        }
    }
    if (p->err) {
        return;
    }
    back_to(p, m);
    if (nj_parse_starts_expression(k)) {
        a = PIECE(p, nj_parse_expression(p));
        if (a && accept(p, T_COLON) && PIECE(p, nj_parse_expression(p))) {
            nj_parser_error_at(p, a->pos, "illegal target for annotation");
            return;
        }
    }
    back_to(p, m);
    for (;;) {
        if (at(p) == T_YIELD) {
            a = PIECE(p, nj_parse_yield(p));
            if (a && at(p) == T_EQUAL) {
                nj_parser_error_at(p, a->pos,
                                   "assignment to yield expression not possible");
                return;
            }
            break;
        }
        if (at(p) != T_STAR && !nj_parse_starts_expression(at(p))) {
            break;
        }
        a = PIECE(p, nj_parse_star_expressions(p));
        if (!a || at(p) != T_EQUAL) {
            break;
        }
        raise_invalid_target(p, a, STAR_TARGETS);
        if (p->err) {
            return;
        }
        p->pos++;
    }
    back_to(p, m);
    if (k == T_STAR || nj_parse_starts_expression(k)) {
        a = PIECE(p, nj_parse_star_expressions(p));
        NjTok op = at(p);
        if (a
            && ((op >= T_PLUSEQUAL && op <= T_DOUBLESTAREQUAL) || op == T_DOUBLESLASHEQUAL
                || op == T_ATEQUAL)) {
            p->pos++;
            if (PIECE(p, nj_parse_annotated_rhs(p))) {
                nj_parser_error_at(p, a->pos,
                                   "'%s' is an illegal expression for augmented assignment",
                                   expr_name(a));
                return;
            }
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

void
nj_diag_assignment(NjParser *p)
{
    assignment_mistakes(p);
}

void
nj_diag_del(NjParser *p)
{
    NjMark m = mark(p);
    p->pos++;
    if (at(p) == T_STAR || nj_parse_starts_expression(at(p))) {
        NjExpr *a = PIECE(p, nj_parse_star_expressions(p));
        if (a) {
            raise_invalid_target(p, a, DEL_TARGETS);
        }
    }
    back_to(p, m);
}

/* After `as' of an import. */
void
nj_diag_import_target(NjParser *p, bool from)
{
    NjTok k = at(p);
    if (k == T_NAME) {
        NjTok next = at_plus(p, 1);
        if (next == T_COMMA || next == T_SEMI || next == T_NEWLINE
            || (from && next == T_RPAR)) {
            return;
        }
    }
    if (p->err || !nj_parse_starts_expression(k)) {
        return;
    }
    NjMark m = mark(p);
    NjExpr *a = PIECE(p, nj_parse_expression(p));
    if (a) {
        nj_parser_error_at(p, a->pos, "cannot use %s as import target", expr_name(a));
        return;
    }
    back_to(p, m);
}

/* ---- brackets ---- */

/* At '(', after everything regular has failed. */
void
nj_diag_group(NjParser *p)
{
    NjMark m = mark(p);
    p->pos++;
    int a = p->pos;
    if (at(p) == T_STAR) {
        NjExpr *e = PIECE(p, nj_parse_starred(p));
        if (e && at(p) == T_RPAR) {
            nj_parser_error_at(p, e->pos, "cannot use starred expression here");
            return;
        }
    }
    else if (accept(p, T_DOUBLESTAR)) {
        NjExpr *e = PIECE(p, nj_parse_expression(p));
        if (e && at(p) == T_RPAR) {
            nj_parser_error_at(p, range_tokens(p, a, a),
                               "cannot use double starred expression here");
            return;
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

static bool
at_for(NjParser *p)
{
    return at(p) == T_FOR || (at(p) == T_ASYNC && at_plus(p, 1) == T_FOR);
}

/* At '(', '[' or '{'. */
void
nj_diag_comprehension(NjParser *p)
{
    NjMark m = mark(p);
    NjTok open = (NjTok)p->toks[p->pos++].kind;
    if (at(p) == T_STAR) {
        NjExpr *a = PIECE(p, nj_parse_starred(p));
        if (a && at_for(p) && PIECE(p, nj_parse_for_if_clauses(p))) {
            nj_parser_error_at(p, a->pos,
                               "iterable unpacking cannot be used in comprehension");
            return;
        }
        if (p->err) {
            return;
        }
        back_to(p, m);
        p->pos++;
    }
    if (open != T_LPAR
        && (at(p) == T_STAR || nj_parse_starts_expression(at(p)))) {
        NjExpr *a = PIECE(p, nj_parse_star_named_expression(p));
        if (a && at(p) == T_COMMA) {
            int comma = p->pos++;
            NjPos end = range_tokens(p, comma, comma);
            while (at(p) == T_STAR || nj_parse_starts_expression(at(p))) {
                NjExpr *b = PIECE(p, nj_parse_star_named_expression(p));
                if (!b) {
                    break;
                }
                end = b->pos;
                if (!accept(p, T_COMMA)) {
                    break;
                }
            }
            if (at_for(p) && PIECE(p, nj_parse_for_if_clauses(p))) {
                nj_parser_error_at(p, pos_between(a->pos, end),
                                   "did you forget parentheses around the comprehension "
                                   "target?");
                return;
            }
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* At '{': it is not a dict; perhaps it was meant to be one. */
void
nj_diag_dict(NjParser *p)
{
    NjMark m = mark(p);
    p->pos++;
    bool any = false;
    for (;;) {
        NjMark item = mark(p);
        NjTok k = at(p);
        if (k == T_DOUBLESTAR) {
            p->pos++;
            if (!PIECE(p, nj_parse_bitwise_or(p))) {
                back_to(p, item);
                break;
            }
        }
        else {
            if (!nj_parse_starts_expression(k)) {
                break;
            }
            NjExpr *key = PIECE(p, nj_parse_expression(p));
            if (!key) {
                back_to(p, item);
                break;
            }
            if (at(p) != T_COLON) {
                if (any && !p->err) {
                    nj_raise_at(p, PyExc_SyntaxError, key->pos.lineno,
                                key->pos.end_col_offset, key->pos.end_lineno, 0,
                                "':' expected after dictionary key");
                }
                break;
            }
            int colon = p->pos++;
            k = at(p);
            if (k == T_STAR) {
                int star = p->pos++;
                if (PIECE(p, nj_parse_bitwise_or(p))) {
                    (void)at(p);
                    if (!p->err) {
                        nj_syntax_error_from(p, range_tokens(p, star, star),
                                             "cannot use a starred expression in a "
                                             "dictionary value");
                    }
                    return;
                }
                break;
            }
            if (k == T_RBRACE || k == T_COMMA) {
                nj_parser_error_at(p, range_tokens(p, colon, colon),
                                   "expression expected after dictionary key and ':'");
                return;
            }
            if (!nj_parse_starts_expression(k)
                || !PIECE(p, nj_parse_expression(p))) {
                break;
            }
        }
        any = true;
        if (!accept(p, T_COMMA)) {
            break;
        }
    }
    if (p->err) {
        return;
    }
    back_to(p, m);
}

/* After a primary, at '{': `x {a b}'. What is inside is looked at as if for a set. */
void
nj_diag_brace_after(NjParser *p)
{
    NjMark m = mark(p);
    p->pos++;
    while (at(p) == T_STAR || nj_parse_starts_expression(at(p))) {
        if (!PIECE(p, nj_parse_star_named_expression(p)) || !accept(p, T_COMMA)) {
            break;
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* At '{': `{**a for a in b}' */
void
nj_diag_dict_comprehension(NjParser *p)
{
    NjMark m = mark(p);
    p->pos++;
    int star = p->pos;
    if (accept(p, T_DOUBLESTAR) && PIECE(p, nj_parse_bitwise_or(p)) && at_for(p)
        && PIECE(p, nj_parse_for_if_clauses(p)) && at(p) == T_RBRACE) {
        nj_parser_error_at(p, range_tokens(p, star, star),
                           "dict unpacking cannot be used in dict comprehension");
        return;
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* ---- calls ---- */

void
nj_diag_starred(NjParser *p)
{
    NjMark m = mark(p);
    int star = p->pos++;
    NjTok k = at(p);
    NjExpr *a = nj_parse_starts_expression(k) ? PIECE(p, nj_parse_expression(p)) : NULL;
    if (!a) {
        p->pos = star + 1;
        (void)at(p);
        if (!p->err) {
            nj_syntax_error(p, "Invalid star expression");
        }
        return;
    }
    if (accept(p, T_EQUAL)) {
        NjExpr *b = nj_parse_starts_expression(at(p)) ? PIECE(p, nj_parse_expression(p))
                                                      : NULL;
        if (b) {
            nj_parser_error_at(p, pos_between(range_tokens(p, star, star), b->pos),
                               "cannot assign to iterable argument unpacking");
            return;
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* At a keyword argument, or something meant as one. */
static void
kwarg_mistakes(NjParser *p)
{
    NjMark m = mark(p);
    int start = p->pos;
    NjTok k = at(p);
    if ((k == T_TRUE || k == T_FALSE || k == T_NONE) && at_plus(p, 1) == T_EQUAL) {
        nj_parser_error_at(p, range_tokens(p, start, start + 1), "cannot assign to %s",
                           nj_token_text[k]);
        return;
    }
    if (k == T_NAME && at_plus(p, 1) == T_EQUAL) {
        p->pos += 2;
        if (nj_parse_starts_expression(at(p)) && PIECE(p, nj_parse_expression(p))
            && at_for(p) && PIECE(p, nj_parse_for_if_clauses(p))) {
            nj_parser_error_at(p, range_tokens(p, start, start + 1),
                               "invalid syntax. Maybe you meant '==' or ':=' instead of "
                               "'='?");
            return;
        }
    }
    else if (k == T_DOUBLESTAR) {
        p->pos++;
        if (nj_parse_starts_expression(at(p)) && PIECE(p, nj_parse_expression(p))
            && accept(p, T_EQUAL)) {
            NjExpr *b = nj_parse_starts_expression(at(p))
                            ? PIECE(p, nj_parse_expression(p))
                            : NULL;
            if (b) {
                nj_parser_error_at(p, pos_between(range_tokens(p, start, start), b->pos),
                                   "cannot assign to keyword argument unpacking");
                return;
            }
        }
    }
    else if (nj_parse_starts_expression(k)) {
        NjExpr *a = PIECE(p, nj_parse_expression(p));
        if (a && at(p) == T_EQUAL) {
            NjPos eq = range_tokens(p, p->pos, p->pos);
            nj_parser_error_at(p, pos_between(a->pos, eq),
                               "expression cannot contain assignment, perhaps you meant "
                               "\"==\"?");
            return;
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

typedef struct Args {
    int n_positional;     /* positional and starred among them */
    NjPos last_positional;
    bool any, keywords, unpacked;
} Args;

/* The rule `args': as many arguments as fit, no trailing comma. Stops before what does
 * not fit. */
static void
scan_args(NjParser *p, Args *out)
{
    memset(out, 0, sizeof *out);
    NjMark end = mark(p);
    bool positional = true;
    for (;;) {
        NjTok k = at(p);
        if (p->err) {
            return;
        }
        NjMark item = mark(p);
        if (positional) {
            bool ok = false;
            NjPos pos = {0};
            if (k == T_STAR) {
                NjExpr *e = PIECE(p, nj_parse_starred(p));
                ok = e != NULL && at(p) != T_EQUAL;
                if (e) {
                    pos = e->pos;
                }
            }
            else if (nj_parse_starts_expression(k)) {
                NjExpr *e = PIECE(p, nj_parse_argument(p));
                ok = e != NULL && at(p) != T_EQUAL;
                if (e) {
                    pos = e->pos;
                }
            }
            if (ok) {
                out->n_positional++;
                out->last_positional = pos;
            }
            else {
                if (p->err) {
                    return;
                }
                back_to(p, item);
                positional = false;
                continue;
            }
        }
        else {
            kwarg_mistakes(p);
            if (p->err) {
                return;
            }
            back_to(p, item);
            if (k == T_NAME && at_plus(p, 1) == T_EQUAL) {
                p->pos += 2;
                if (!PIECE(p, nj_parse_expression(p))) {
                    break;
                }
                out->keywords = true;
                out->unpacked = false;
            }
            else if (k == T_DOUBLESTAR) {
                p->pos++;
                if (!PIECE(p, nj_parse_expression(p))) {
                    break;
                }
                out->keywords = out->unpacked = true;
            }
            else if (k == T_STAR && !out->unpacked) {
                if (!PIECE(p, nj_parse_starred(p))) {
                    break;
                }
                out->keywords |= false;
            }
            else {
                break;
            }
        }
        out->any = true;
        end = mark(p);
        if (!accept(p, T_COMMA)) {
            break;
        }
    }
    if (!p->err) {
        back_to(p, end);
    }
}

/* After '(' of a call whose arguments do not fit. */
void
nj_diag_arguments(NjParser *p)
{
    NjMark m = mark(p);
    int start = p->pos;
    Args args;
    scan_args(p, &args);
    if (p->err) {
        return;
    }
    int args_end = p->pos;
    NjTok next = at(p);
    if (args.any && (next == T_RPAR || (next == T_COMMA && at_plus(p, 1) == T_RPAR))) {
        back_to(p, m);
        return;
    }
    /* **a, *b */
    if (args.unpacked && next == T_COMMA && at_plus(p, 1) == T_STAR) {
        int comma = p->pos++;
        while (at(p) == T_STAR) {
            NjExpr *e = PIECE(p, nj_parse_starred(p));
            if (!e || at(p) == T_EQUAL) {
                break;
            }
            NjMark here = mark(p);
            if (!accept(p, T_COMMA) || at(p) != T_STAR) {
                back_to(p, here);
                break;
            }
        }
        (void)at(p);
        if (!p->err) {
            nj_syntax_error_from(p, range_tokens(p, comma, comma),
                                 "iterable argument unpacking follows keyword argument "
                                 "unpacking");
        }
        return;
    }
    /* a for a in b, c */
    back_to(p, m);
    if (nj_parse_starts_expression(at(p))) {
        NjExpr *a = PIECE(p, nj_parse_expression(p));
        if (a && at_for(p)) {
            NjSeq *b = PIECE(p, nj_parse_for_if_clauses(p));
            int last = p->pos - 1;
            if (b && accept(p, T_COMMA)) {
                if (nj_parse_starts_expression(at(p))) {
                    (void)PIECE(p, nj_parse_argument(p));
                }
                if (p->err) {
                    return;
                }
                nj_parser_error_at(
                    p, pos_between(a->pos, range_tokens(p, last, last)),
                    "Generator expression must be parenthesized");
                return;
            }
        }
    }
    if (p->err) {
        return;
    }
    back_to(p, m);
    /* a=b for b in c */
    if (at(p) == T_NAME && at_plus(p, 1) == T_EQUAL) {
        p->pos += 2;
        if (nj_parse_starts_expression(at(p)) && PIECE(p, nj_parse_expression(p))
            && at_for(p) && PIECE(p, nj_parse_for_if_clauses(p))) {
            nj_parser_error_at(p, range_tokens(p, start, start + 1),
                               "invalid syntax. Maybe you meant '==' or ':=' instead of "
                               "'='?");
            return;
        }
        if (p->err) {
            return;
        }
    }
    /* a=, */
    for (int with_args = 1; with_args >= 0; with_args--) {
        back_to(p, m);
        if (with_args) {
            if (!args.any) {
                continue;
            }
            p->pos = args_end;
            if (!accept(p, T_COMMA)) {
                continue;
            }
        }
        if (at(p) == T_NAME && at_plus(p, 1) == T_EQUAL) {
            int a = p->pos;
            NjTok after = at_plus(p, 2);
            if (after == T_COMMA || after == T_RPAR) {
                nj_parser_error_at(p, range_tokens(p, a, a + 1),
                                   "expected argument value expression");
                return;
            }
        }
        if (p->err) {
            return;
        }
    }
    if (args.any) {
        p->pos = args_end;
        if (at_for(p)) {
            NjSeq *b = PIECE(p, nj_parse_for_if_clauses(p));
            if (b && args.n_positional > 1 && !args.keywords) {
                int last = p->pos - 1;
                nj_parser_error_at(
                    p, pos_between(args.last_positional, range_tokens(p, last, last)),
                    "Generator expression must be parenthesized");
                return;
            }
        }
        p->pos = args_end;
        if (accept(p, T_COMMA)) {
            int after_comma = p->pos;
            if (nj_parse_starts_expression(at(p))) {
                NjExpr *a = PIECE(p, nj_parse_expression(p));
                if (a && at_for(p) && PIECE(p, nj_parse_for_if_clauses(p))) {
                    int last = p->pos - 1;
                    nj_parser_error_at(
                        p, pos_between(a->pos, range_tokens(p, last, last)),
                        "Generator expression must be parenthesized");
                    return;
                }
            }
            if (p->err) {
                return;
            }
            p->pos = after_comma;
            Args more;
            scan_args(p, &more);
            if (p->err) {
                return;
            }
            if (more.any) {
                (void)at(p);
                if (p->err) {
                    return;
                }
                nj_syntax_error(p, args.unpacked
                                       ? "positional argument follows keyword argument "
                                         "unpacking"
                                       : "positional argument follows keyword argument");
                return;
            }
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* ---- parameters ---- */

static bool
ends_param(NjParser *p, bool lambda)
{
    NjTok k = at(p);
    return k == T_COMMA || k == (lambda ? T_COLON : T_RPAR);
}

/* NAME [':' annotation] at the position; *out_end is its last token. */
static bool
skip_param(NjParser *p, bool lambda, bool star)
{
    if (!accept(p, T_NAME)) {
        return false;
    }
    if (!lambda && accept(p, T_COLON)) {
        NjExpr *e = star ? nj_parse_star_expression(p) : nj_parse_expression(p);
        return e != NULL;
    }
    return true;
}

/* After `(' or `lambda'. */
void
nj_diag_params(NjParser *p, bool lambda)
{
    NjMark m = mark(p);
    NjTok closing = lambda ? T_COLON : T_RPAR;
    bool slash = false, star = false, dflt = false, any = false;
    for (;;) {
        int here = p->pos;
        NjTok k = at(p);
        if (p->err) {
            return;
        }
        if (k == T_SLASH) {
            if (star) {
                nj_parser_error_at(p, range_tokens(p, here, here), "/ must be ahead of *");
                return;
            }
            if (slash) {
                nj_parser_error_at(p, range_tokens(p, here, here), "/ may appear only once");
                return;
            }
            p->pos++;
            NjTok next = at(p);
            if (!any && next == T_COMMA) {
                nj_parser_error_at(p, range_tokens(p, here, here),
                                   "at least one argument must precede /");
                return;
            }
            if (!any) {
                break;
            }
            if (next == T_STAR) {
                nj_parser_error_at(p, range_tokens(p, p->pos, p->pos),
                                   "expected comma between / and *");
                return;
            }
            slash = true;
        }
        else if (k == T_STAR) {
            p->pos++;
            NjTok next = at(p);
            if (star) {
                if (next == T_COMMA
                    || (next == T_NAME && skip_param(p, lambda, true)
                        && ends_param(p, lambda))) {
                    nj_parser_error_at(p, range_tokens(p, here, here),
                                       "* argument may appear only once");
                    return;
                }
                break;
            }
            star = true;
            if (next == closing
                || (next == T_COMMA
                    && (at_plus(p, 1) == closing || at_plus(p, 1) == T_DOUBLESTAR))) {
                if (lambda) {
                    nj_syntax_error(p, "named arguments must follow bare *");
                }
                else {
                    nj_parser_error_at(p, range_tokens(p, here, here),
                                       "named arguments must follow bare *");
                }
                return;
            }
            if (next == T_COMMA && at_plus(p, 1) == T_TYPE_COMMENT) {
                nj_syntax_error(p, "bare * has associated type comment");
                return;
            }
            if (next != T_COMMA) {
                bool starred = !lambda && at_plus(p, 1) == T_COLON && at_plus(p, 2) == T_STAR;
                bool ok = skip_param(p, lambda, true);
                if (p->err || !ok) {
                    break;
                }
                if (at(p) == T_EQUAL && !starred) {
                    nj_parser_error_at(p, range_tokens(p, p->pos, p->pos),
                                       "var-positional argument cannot have default value");
                    return;
                }
            }
        }
        else if (k == T_DOUBLESTAR) {
            p->pos++;
            bool ok = skip_param(p, lambda, false);
            if (p->err || !ok) {
                break;
            }
            if (at(p) == T_EQUAL) {
                nj_parser_error_at(p, range_tokens(p, p->pos, p->pos),
                                   "var-keyword argument cannot have default value");
                return;
            }
            if (accept(p, T_COMMA)) {
                int a = p->pos;
                NjTok next = at(p);
                if (next == T_STAR || next == T_DOUBLESTAR || next == T_SLASH) {
                    nj_parser_error_at(p, range_tokens(p, a, a),
                                       "arguments cannot follow var-keyword argument");
                    return;
                }
                if (next == T_NAME && skip_param(p, lambda, false)) {
                    nj_parser_error_at(p, range_tokens(p, a, p->pos - 1),
                                       "arguments cannot follow var-keyword argument");
                    return;
                }
            }
            break;
        }
        else if (k == T_NAME) {
            bool ok = skip_param(p, lambda, false);
            if (p->err || !ok) {
                break;
            }
            int last = p->pos - 1;
            if (at(p) == T_EQUAL) {
                int eq = p->pos++;
                NjTok next = at(p);
                if (next == T_RPAR || next == T_COMMA) {
                    nj_parser_error_at(p, range_tokens(p, eq, eq),
                                       "expected default value expression");
                    return;
                }
                if (!PIECE(p, nj_parse_expression(p))) {
                    break;
                }
                dflt = true;
            }
            else if (dflt && !star && ends_param(p, lambda)) {
                nj_parser_error_at(p, range_tokens(p, here, last),
                                   "parameter without a default follows parameter with a "
                                   "default");
                return;
            }
            any = true;
        }
        else if (k == T_LPAR && !star && !dflt) {
            p->pos++;
            int n = 0;
            while (at(p) == T_NAME) {
                bool ok = true;
                p->pos++;
                if (!lambda && accept(p, T_COLON)) {
                    ok = PIECE(p, nj_parse_expression(p)) != NULL;
                }
                if (!ok) {
                    break;
                }
                n++;
                if (!accept(p, T_COMMA)) {
                    break;
                }
            }
            if (n && at(p) == T_RPAR) {
                nj_parser_error_at(p, range_tokens(p, here, p->pos),
                                   lambda ? "Lambda expression parameters cannot be "
                                            "parenthesized"
                                          : "Function parameters cannot be parenthesized");
                return;
            }
            break;
        }
        else {
            break;
        }
        if (p->err) {
            return;
        }
        if (!accept(p, T_COMMA)) {
            break;
        }
        if (at(p) == T_TYPE_COMMENT) {
            p->pos++;
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* ---- targets of for and with ---- */

/* At [async] for, when the target or `in' does not fit. clause: of a comprehension. */
void
nj_diag_for_target(NjParser *p, bool clause)
{
    NjMark m = mark(p);
    accept(p, T_ASYNC);
    p->pos++;
    int targets = p->pos;
    /* nothing to say if all is well */
    if (PIECE(p, nj_parse_star_targets(p)) && at(p) == T_IN) {
        back_to(p, m);
        return;
    }
    if (p->err) {
        return;
    }
    p->pos = targets;
    if (clause) {
        bool any = false;
        while (nj_parse_starts_expression(at(p))) {
            if (!PIECE(p, nj_parse_bitwise_or(p))) {
                any = false;
                break;
            }
            any = true;
            if (!accept(p, T_COMMA)) {
                break;
            }
        }
        if (any && at(p) != T_IN && !p->err) {
            nj_syntax_error(p, "'in' expected after for-loop variables");
            return;
        }
        if (p->err) {
            return;
        }
        p->pos = targets;
    }
    if (at(p) == T_STAR || nj_parse_starts_expression(at(p))) {
        NjExpr *a = PIECE(p, nj_parse_star_expressions(p));
        if (a) {
            raise_invalid_target(p, a, FOR_TARGETS);
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

void
nj_diag_with_item(NjParser *p)
{
    NjMark m = mark(p);
    if (!nj_parse_starts_expression(at(p))) {
        return;
    }
    if (PIECE(p, nj_parse_expression(p)) && accept(p, T_AS)) {
        NjMark target = mark(p);
        NjTok k;
        if (PIECE(p, nj_parse_star_target(p))
            && ((k = at(p)) == T_COMMA || k == T_RPAR || k == T_COLON)) {
            back_to(p, m);
            return;
        }
        if (p->err) {
            return;
        }
        back_to(p, target);
        if (nj_parse_starts_expression(at(p))) {
            NjExpr *a = PIECE(p, nj_parse_expression(p));
            if (a && ((k = at(p)) == T_COMMA || k == T_RPAR || k == T_COLON)) {
                raise_invalid_target(p, a, STAR_TARGETS);
            }
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* ---- f-strings ---- */

/* After the `{' of a field that does not fit. */
void
nj_diag_field(NjParser *p, bool template)
{
    int c = template ? 't' : 'f';
    NjMark m = mark(p);
    NjTok k = at(p);
    if (p->err) {
        return;
    }
    if (k == T_EQUAL || k == T_EXCLAMATION || k == T_COLON || k == T_RBRACE) {
        nj_parser_error_at(p, range_tokens(p, p->pos, p->pos),
                           "%c-string: valid expression required before '%s'", c,
                           nj_token_text[k]);
        return;
    }
    NjExpr *a = k == T_STAR || k == T_YIELD || nj_parse_starts_expression(k)
                    ? PIECE(p, nj_parse_annotated_rhs(p))
                    : NULL;
    if (!a) {
        back_to(p, m);
        raise_next(p, "%c-string: expecting a valid expression after '{'", c);
        return;
    }
    k = at(p);
    if (p->err) {
        return;
    }
    if (k != T_EQUAL && k != T_EXCLAMATION && k != T_COLON && k != T_RBRACE) {
        raise_next(p, "%c-string: expecting '=', or '!', or ':', or '}'", c);
        return;
    }
    if (accept(p, T_EQUAL)) {
        k = at(p);
        if (p->err) {
            return;
        }
        if (k != T_EXCLAMATION && k != T_COLON && k != T_RBRACE) {
            raise_next(p, "%c-string: expecting '!', or ':', or '}'", c);
            return;
        }
    }
    if (accept(p, T_EXCLAMATION)) {
        k = at(p);
        if (p->err) {
            return;
        }
        if (k == T_COLON || k == T_RBRACE) {
            raise_next(p, "%c-string: missing conversion character", c);
            return;
        }
        if (k != T_NAME) {
            raise_next(p, "%c-string: invalid conversion character", c);
            return;
        }
        p->pos++;
    }
    k = at(p);
    if (p->err) {
        return;
    }
    if (k != T_COLON && k != T_RBRACE) {
        raise_next(p, "%c-string: expecting ':' or '}'", c);
        return;
    }
    if (accept(p, T_COLON)) {
        if (nj_parse_skip_spec(p, template) < 0) {
            if (p->err) {
                return;
            }
        }
        k = at(p);
        if (!p->err && k != T_RBRACE) {
            raise_next(p, "%c-string: expecting '}', or format specs", c);
            return;
        }
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* ---- blocks and patterns ---- */

/* After the colon. */
void
nj_diag_block(NjParser *p, const char *what, int lineno)
{
    if (at(p) != T_NEWLINE) {
        return;
    }
    p->pos++;
    NjTok k = at(p);
    if (!p->err && k != T_INDENT) {
        nj_indentation_error(p, "expected an indented block after %s on line %d", what,
                             lineno);
        return;
    }
    p->pos--;
}

/* After `as' in a pattern. */
void
nj_diag_pattern(NjParser *p)
{
    NjToken *t = peek(p);
    if (t->kind == T_NAME && t->soft == NJ_SOFT_UNDERSCORE) {
        nj_parser_error_at(p, tok_pos(t), "cannot use '_' as a target");
        return;
    }
    if (!nj_parse_starts_expression((NjTok)t->kind)) {
        return;
    }
    NjMark m = mark(p);
    NjExpr *a = PIECE(p, nj_parse_expression(p));
    if (a) {
        nj_parser_error_at(p, a->pos, "cannot use %s as pattern target", expr_name(a));
        return;
    }
    back_to(p, m);
}

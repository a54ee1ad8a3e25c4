/* parse_pattern.c - the match statement and its patterns.
 *
 * Idea: `match' and `case' are ordinary names elsewhere, so nj_parse_match is tried when
 * a statement begins with the name `match', and gives up without an error if no block of
 * cases follows; the statement is then parsed as an expression.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/parser_int.h"

static NjPattern *parse_pattern(NjParser *p);
static NjPattern *parse_maybe_star(NjParser *p);

static bool
at_soft(NjParser *p, int soft)
{
    NjToken *t = peek(p);
    return t->kind == T_NAME && t->soft == soft;
}

/* ---- literals ---- */

static NjExpr *
parse_signed_number(NjParser *p)
{
    int start = p->pos;
    bool minus = accept(p, T_MINUS);
    if (at(p) != T_NUMBER) {
        return NULL;
    }
    NjExpr *e = nj_parse_number(p);
    if (!e || !minus) {
        return e;
    }
    return nj_ast_UnaryOp(NJ_USub, e, pos_from(p, start), p->arena);
}

/* A number, possibly signed, possibly `real +- imaginary'. */
static NjExpr *
parse_number_pattern(NjParser *p)
{
    int start = p->pos;
    NjExpr *left = parse_signed_number(p);
    if (!left) {
        return NULL;
    }
    NjTok k = at(p);
    if (k != T_PLUS && k != T_MINUS) {
        return left;
    }
    if (at_plus(p, 1) != T_NUMBER) {
        p->pos++;
        (void)at(p);
        return NULL;
    }
    NjExpr *number = left->kind == NJ_UnaryOp ? left->v.UnaryOp.operand : left;
    if (PyComplex_CheckExact(number->v.Constant.value)) {
        return nj_parser_error_at(p, left->pos,
                                  "real number required in complex literal");
    }
    p->pos++;
    NjExpr *right = nj_parse_number(p);
    if (!right) {
        return NULL;
    }
    if (!PyComplex_CheckExact(right->v.Constant.value)) {
        return nj_parser_error_at(p, right->pos,
                                  "imaginary number required in complex literal");
    }
    return nj_ast_BinOp(left, k == T_PLUS ? NJ_Add : NJ_Sub, right, pos_from(p, start),
                        p->arena);
}

/* NAME ('.' NAME)* ; *dotted says whether there was a dot. */
static NjExpr *
parse_name_or_attr(NjParser *p, bool *dotted)
{
    int start = p->pos;
    *dotted = false;
    NjExpr *e = nj_parse_name_node(p);
    while (e && accept(p, T_DOT)) {
        NjToken *t = peek(p);
        if (t->kind != T_NAME) {
            return NULL;
        }
        PyObject *name = t->name;
        p->pos++;
        e = nj_ast_Attribute(e, name, NJ_Load, pos_from(p, start), p->arena);
        *dotted = true;
    }
    return e;
}

/* ---- compound patterns ---- */

/* Patterns up to the closing bracket; pushed. -1: not here. *comma: any comma seen. */
static int
parse_sequence_items(NjParser *p, NjTok closing, bool *comma, bool *star)
{
    *comma = *star = false;
    while (at(p) != closing) {
        *star |= at(p) == T_STAR;
        NjPattern *e = parse_maybe_star(p);
        if (!e || nj_parser_push(p, e) < 0) {
            return -1;
        }
        if (!accept(p, T_COMMA)) {
            break;
        }
        *comma = true;
    }
    return 0;
}

static NjPattern *
parse_group_or_sequence(NjParser *p)
{
    int start = p->pos;
    NjTok closing = p->toks[p->pos++].kind == T_LPAR ? T_RPAR : T_RSQB;
    int base = p->tmp_len;
    bool comma, star;
    if (parse_sequence_items(p, closing, &comma, &star) < 0) {
        return NULL;
    }
    EXPECT(p, closing);
    if (closing == T_RPAR && !comma && p->tmp_len == base + 1) {
        if (star) {
            return NULL;
        }
        NjPattern *inner = p->tmp[base];
        p->tmp_len = base;
        return inner;
    }
    NjSeq *items = nj_parser_take(p, base);
    return items ? nj_ast_MatchSequence(items, pos_from(p, start), p->arena) : NULL;
}

static NjExpr *
parse_mapping_key(NjParser *p)
{
    NjToken *t = peek(p);
    switch (t->kind) {
    case T_NUMBER:
    case T_MINUS: return parse_number_pattern(p);
    case T_STRING:
    case T_FSTRING_START:
    case T_TSTRING_START: return nj_parse_strings(p);
    case T_NONE:
    case T_TRUE:
    case T_FALSE:
        p->pos++;
        return nj_ast_Constant(t->kind == T_NONE   ? Py_None
                               : t->kind == T_TRUE ? Py_True
                                                   : Py_False,
                               NULL, tok_pos(t), p->arena);
    default: {
        bool dotted;
        NjExpr *e = parse_name_or_attr(p, &dotted);
        return dotted ? e : NULL;
    }
    }
}

static NjPattern *
parse_mapping(NjParser *p)
{
    int start = p->pos++;
    int base = p->tmp_len;
    PyObject *rest = NULL;
    while (at(p) != T_RBRACE) {
        if (accept(p, T_DOUBLESTAR)) {
            NjToken *t = peek(p);
            if (t->kind != T_NAME || t->soft == NJ_SOFT_UNDERSCORE) {
                return NULL;
            }
            rest = t->name;
            p->pos++;
            accept(p, T_COMMA);
            break;
        }
        NjExpr *key = parse_mapping_key(p);
        if (!key || !accept(p, T_COLON)) {
            return NULL;
        }
        NjPattern *value = parse_pattern(p);
        if (!value) {
            return NULL;
        }
        PUSH(p, key);
        PUSH(p, value);
        if (!accept(p, T_COMMA)) {
            break;
        }
    }
    EXPECT(p, T_RBRACE);
    int n = (p->tmp_len - base) / 2;
    NjSeq *keys = nj_seq_new(n, p->arena);
    NjSeq *values = nj_seq_new(n, p->arena);
    if (!keys || !values) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        keys->at[i] = p->tmp[base + 2 * i];
        values->at[i] = p->tmp[base + 2 * i + 1];
    }
    p->tmp_len = base;
    return nj_ast_MatchMapping(keys, values, rest, pos_from(p, start), p->arena);
}

static NjPattern *
parse_class(NjParser *p, NjExpr *cls, int start)
{
    p->pos++;
    int base = p->tmp_len;
    bool seen_kw = false;
    int n_kw = 0;
    int bad_from = -1, bad_to = -1;
    while (at(p) != T_RPAR) {
        int item = p->pos;
        if (at(p) == T_NAME && at_plus(p, 1) == T_EQUAL) {
            PyObject *name = peek(p)->name;
            p->pos += 2;
            NjPattern *value = parse_pattern(p);
            if (!value) {
                return NULL;
            }
            PUSH(p, name);
            PUSH(p, value);
            seen_kw = true;
            n_kw++;
        }
        else {
            NjPattern *value = parse_pattern(p);
            if (!value) {
                return NULL;
            }
            if (seen_kw) {
                if (!p->diag) {
                    return NULL;
                }
                if (bad_from < 0) {
                    bad_from = item;
                }
                bad_to = p->pos;
            }
            else {
                PUSH(p, value);
            }
        }
        if (!accept(p, T_COMMA)) {
            break;
        }
        if (bad_from >= 0 && at(p) == T_NAME && at_plus(p, 1) == T_EQUAL) {
            break;
        }
    }
    if (bad_from >= 0) {
        NjToken *a = &p->toks[bad_from], *b = &p->toks[bad_to - 1];
        return nj_parser_error_at(
            p, (NjPos){a->lineno, a->col, b->end_lineno, b->end_col},
            "positional patterns follow keyword patterns");
    }
    EXPECT(p, T_RPAR);
    int n_pos = p->tmp_len - base - 2 * n_kw;
    NjSeq *pos = nj_seq_new(n_pos, p->arena);
    NjSeq *names = nj_seq_new(n_kw, p->arena);
    NjSeq *values = nj_seq_new(n_kw, p->arena);
    if (!pos || !names || !values) {
        return NULL;
    }
    for (int i = 0; i < n_pos; i++) {
        pos->at[i] = p->tmp[base + i];
    }
    for (int i = 0; i < n_kw; i++) {
        names->at[i] = p->tmp[base + n_pos + 2 * i];
        values->at[i] = p->tmp[base + n_pos + 2 * i + 1];
    }
    p->tmp_len = base;
    return nj_ast_MatchClass(cls, pos, names, values, pos_from(p, start), p->arena);
}

static NjPattern *
parse_closed(NjParser *p)
{
    int start = p->pos;
    NjToken *t = peek(p);
    switch (t->kind) {
    case T_NUMBER:
    case T_MINUS: {
        NjExpr *e = parse_number_pattern(p);
        return e ? nj_ast_MatchValue(e, pos_from(p, start), p->arena) : NULL;
    }
    case T_STRING:
    case T_FSTRING_START:
    case T_TSTRING_START: {
        NjExpr *e = nj_parse_strings(p);
        return e ? nj_ast_MatchValue(e, pos_from(p, start), p->arena) : NULL;
    }
    case T_NONE:
    case T_TRUE:
    case T_FALSE:
        p->pos++;
        return nj_ast_MatchSingleton(t->kind == T_NONE   ? Py_None
                                     : t->kind == T_TRUE ? Py_True
                                                         : Py_False,
                                     tok_pos(t), p->arena);
    case T_LPAR:
    case T_LSQB: return parse_group_or_sequence(p);
    case T_LBRACE: return parse_mapping(p);
    case T_NAME: {
        PyObject *name = t->name;
        bool wild = t->soft == NJ_SOFT_UNDERSCORE;
        bool dotted;
        NjExpr *e = parse_name_or_attr(p, &dotted);
        if (!e) {
            return NULL;
        }
        NjTok k = at(p);
        if (k == T_LPAR) {
            return parse_class(p, e, start);
        }
        if (k == T_EQUAL && !(wild && !dotted)) {
            return NULL;
        }
        if (dotted) {
            return nj_ast_MatchValue(e, pos_from(p, start), p->arena);
        }
        return nj_ast_MatchAs(NULL, wild ? NULL : name, pos_from(p, start), p->arena);
    }
    default: return NULL;
    }
}

static NjPattern *
parse_or_pattern(NjParser *p)
{
    int start = p->pos;
    NjPattern *e = parse_closed(p);
    if (!e || at(p) != T_VBAR) {
        return e;
    }
    int base = p->tmp_len;
    PUSH(p, e);
    while (accept(p, T_VBAR)) {
        e = parse_closed(p);
        if (!e) {
            return NULL;
        }
        PUSH(p, e);
    }
    NjSeq *items = nj_parser_take(p, base);
    return items ? nj_ast_MatchOr(items, pos_from(p, start), p->arena) : NULL;
}

static NjPattern *
parse_pattern(NjParser *p)
{
    if (!NJ_PARSE_ENTER(p, 1)) {
        return nj_parser_too_deep(p);
    }
    int start = p->pos;
    NjPattern *e = parse_or_pattern(p);
    p->depth--;
    if (!e || at(p) != T_AS) {
        return e;
    }
    p->pos++;
    NjToken *t = peek(p);
    NjTok after = t->kind == T_NAME ? at_plus(p, 1) : T_ENDMARKER;
    t = peek(p);
    if (t->kind != T_NAME || t->soft == NJ_SOFT_UNDERSCORE || after == T_DOT
        || after == T_LPAR || after == T_EQUAL) {
        DIAG(p, nj_diag_pattern(p));
        return NULL;
    }
    PyObject *name = t->name;
    p->pos++;
    return nj_ast_MatchAs(e, name, pos_from(p, start), p->arena);
}

static NjPattern *
parse_maybe_star(NjParser *p)
{
    int start = p->pos;
    if (!accept(p, T_STAR)) {
        return parse_pattern(p);
    }
    NjToken *t = peek(p);
    if (t->kind != T_NAME) {
        return NULL;
    }
    PyObject *name = t->soft == NJ_SOFT_UNDERSCORE ? NULL : t->name;
    p->pos++;
    return nj_ast_MatchStar(name, pos_from(p, start), p->arena);
}

/* The patterns of a case: without brackets a comma makes a sequence. */
static NjPattern *
parse_patterns(NjParser *p)
{
    int start = p->pos;
    bool star = at(p) == T_STAR;
    NjPattern *e = parse_maybe_star(p);
    if (!e) {
        return NULL;
    }
    if (at(p) != T_COMMA) {
        return star ? NULL : e;
    }
    int base = p->tmp_len;
    PUSH(p, e);
    while (accept(p, T_COMMA)) {
        NjTok k = at(p);
        if (k == T_COLON || k == T_IF) {
            break;
        }
        e = parse_maybe_star(p);
        if (!e) {
            return NULL;
        }
        PUSH(p, e);
    }
    NjSeq *items = nj_parser_take(p, base);
    return items ? nj_ast_MatchSequence(items, pos_from(p, start), p->arena) : NULL;
}

/* ---- the statement ---- */

static NjMatchCase *
parse_case(NjParser *p)
{
    int start = p->pos++;
    int line = p->toks[start].lineno;
    NjPattern *pattern = parse_patterns(p);
    if (!pattern) {
        return NULL;
    }
    NjExpr *guard = NULL;
    if (accept(p, T_IF) && !(guard = nj_parse_named_expression(p))) {
        return NULL;
    }
    if (!accept(p, T_COLON)) {
        if (p->diag && at(p) == T_NEWLINE) {
            return nj_syntax_error(p, "expected ':'");
        }
        return NULL;
    }
    DIAG(p, nj_diag_block(p, "'case' statement", line));
    NjSeq *body = nj_parse_block(p);
    return body ? nj_ast_match_case(pattern, guard, body, p->arena) : NULL;
}

NjStmt *
nj_parse_match(NjParser *p)
{
    int start = p->pos++;
    int line = p->toks[start].lineno;
    int subject_at = p->pos;
    NjTok k = at(p);
    if (k != T_STAR && !nj_parse_starts_expression(k)) {
        return NULL;
    }
    NjExpr *subject = nj_parse_star_named_expression(p);
    if (!subject) {
        return NULL;
    }
    if (at(p) == T_COMMA) {
        int base = p->tmp_len;
        PUSH(p, subject);
        while (accept(p, T_COMMA)) {
            k = at(p);
            if (k != T_STAR && !nj_parse_starts_expression(k)) {
                break;
            }
            subject = nj_parse_star_named_expression(p);
            if (!subject) {
                return NULL;
            }
            PUSH(p, subject);
        }
        NjSeq *elts = nj_parser_take(p, base);
        if (!elts) {
            return NULL;
        }
        subject = nj_ast_Tuple(elts, NJ_Load, pos_from(p, subject_at), p->arena);
        if (!subject) {
            return NULL;
        }
    }
    else if (p->toks[subject_at].kind == T_STAR) {
        return NULL;
    }
    if (!accept(p, T_COLON)) {
        if (p->diag && at(p) == T_NEWLINE) {
            return nj_syntax_error(p, "expected ':'");
        }
        return NULL;
    }
    if (at(p) != T_NEWLINE) {
        return NULL;
    }
    DIAG(p, nj_diag_block(p, "'match' statement", line));
    p->pos++;
    if (!accept(p, T_INDENT) || !at_soft(p, NJ_SOFT_CASE)) {
        return NULL;
    }
    int base = p->tmp_len;
    while (at_soft(p, NJ_SOFT_CASE)) {
        NjMatchCase *c = parse_case(p);
        if (!c) {
            return NULL;
        }
        PUSH(p, c);
    }
    EXPECT(p, T_DEDENT);
    if (nj_parse_check_version(p, 10, "Pattern matching is") < 0) {
        return NULL;
    }
    NjSeq *cases = nj_parser_take(p, base);
    return cases ? nj_ast_Match(subject, cases, pos_from_block(p, start), p->arena) : NULL;
}

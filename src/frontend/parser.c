/* parser.c - statements, and the parser's life: two passes over one token list.
 *
 * Idea: the first pass is a plain recursive-descent parser that knows only what is right
 * and stops at the first token that does not fit. Then the failed top-level statement is
 * parsed again with p->diag set: now the parse functions call the nj_diag_* functions of
 * parse_error.c, which look for known mistakes in the order the reference does. If none
 * is found, it is "invalid syntax" at the furthest token of the first pass.
 *
 * Invariants: tokens are fetched one by one, never further than needed, since positions
 * of some errors are those of the last token fetched and lexer errors must not come
 * before a syntax error in front of them.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/compile.h"
#include "frontend/parser_int.h"

static NjStmt *parse_if(NjParser *p, const char *what);
static int parse_statement(NjParser *p);

/* ---- plumbing ---- */

NJ_COLD void *
nj_parser_too_deep(NjParser *p)
{
    if (!p->err) {
        p->err = true;
        PyErr_SetString(PyExc_MemoryError, "Parser stack overflowed - Python source too "
                                           "complex to parse");
    }
    return NULL;
}

bool
nj_parser_stack_low(NjParser *p)
{
    if (Py_EnterRecursiveCall("") == 0) {
        Py_LeaveRecursiveCall();
        return false;
    }
    PyErr_Clear();
    return true;
}

static int
grow_tokens(NjParser *p)
{
    int cap = p->cap ? p->cap * 2 : 512;
    NjToken *grown = PyMem_Realloc(p->toks, (size_t)cap * sizeof(NjToken));
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    p->toks = grown;
    p->cap = cap;
    return 0;
}

static NJ_COLD int
note_type_ignore(NjParser *p, const NjToken *t)
{
    if (p->ignores_len == p->ignores_cap) {
        int cap = p->ignores_cap ? p->ignores_cap * 2 : 8;
        void *grown = PyMem_Realloc(p->ignores, (size_t)cap * sizeof(*p->ignores));
        if (!grown) {
            PyErr_NoMemory();
            return -1;
        }
        p->ignores = grown;
        p->ignores_cap = cap;
    }
    PyObject *tag = nj_arena_keep(
        p->arena, PyUnicode_DecodeUTF8(p->lx.buf + t->start, t->end - t->start, NULL));
    if (!tag) {
        return -1;
    }
    p->ignores[p->ignores_len].lineno = t->lineno;
    p->ignores[p->ignores_len++].tag = tag;
    return 0;
}

void
nj_parser_fetch(NjParser *p)
{
    if (p->fill == p->cap && grow_tokens(p) < 0) {
        /* there is always room for one token more than asked for, see nj_parse */
        p->err = true;
        p->fill--;
        p->pos = p->fill;
        p->toks[p->fill++].kind = T_ERRORTOKEN;
        return;
    }
    NjToken *t = &p->toks[p->fill];
    if (NJ_UNLIKELY(p->fill && p->toks[p->fill - 1].kind == T_ERRORTOKEN)) {
        *t = p->toks[p->fill - 1];
        p->fill++;
        return;
    }
    do {
        nj_lexer_next(&p->lx, t);
        if (NJ_UNLIKELY(t->kind == T_TYPE_IGNORE) && note_type_ignore(p, t) < 0) {
            t->kind = T_ERRORTOKEN;
            p->lx.done = NJ_LEX_ERROR;
        }
    } while (t->kind == T_TYPE_IGNORE);
    if (NJ_UNLIKELY(p->start == Py_single_input)) {
        if (t->kind == T_ENDMARKER && p->parsing_started) {
            /* the end of the input ends the line, and closes the open blocks */
            t->kind = T_NEWLINE;
            p->parsing_started = false;
            if (p->lx.indent && !(p->flags & PyCF_DONT_IMPLY_DEDENT)) {
                p->lx.pending = -p->lx.indent;
                p->lx.indent = 0;
            }
        }
        else {
            p->parsing_started = true;
        }
    }
    p->fill++;
    if (NJ_UNLIKELY(t->kind == T_ERRORTOKEN)) {
        p->err = true;
        nj_parser_lexer_error(p);
    }
}

int
nj_parser_push(NjParser *p, void *item)
{
    if (NJ_UNLIKELY(p->tmp_len == p->tmp_cap)) {
        int cap = p->tmp_cap ? p->tmp_cap * 2 : 256;
        void **grown = PyMem_Realloc(p->tmp, (size_t)cap * sizeof(void *));
        if (!grown) {
            PyErr_NoMemory();
            p->err = true;
            return -1;
        }
        p->tmp = grown;
        p->tmp_cap = cap;
    }
    p->tmp[p->tmp_len++] = item;
    return 0;
}

NjSeq *
nj_parser_take(NjParser *p, int base)
{
    int n = p->tmp_len - base;
    NjSeq *s = nj_seq_new(n, p->arena);
    if (s && n) {
        memcpy(s->at, p->tmp + base, (size_t)n * sizeof(void *));
    }
    p->tmp_len = base;
    return s;
}

int
nj_parse_check_version(NjParser *p, int minor, const char *what)
{
    if (NJ_UNLIKELY(p->feature_version < minor)) {
        nj_syntax_error(p, "%s only supported in Python 3.%i and greater", what, minor);
        return -1;
    }
    return 0;
}

PyObject *
nj_parse_type_comment(NjParser *p, const NjToken *t)
{
    return nj_arena_keep(
        p->arena, PyUnicode_DecodeUTF8(p->lx.buf + t->start, t->end - t->start, NULL));
}

/* An optional TYPE_COMMENT. 0, or -1. */
static int
accept_type_comment(NjParser *p, PyObject **out)
{
    *out = NULL;
    if (NJ_UNLIKELY(at(p) == T_TYPE_COMMENT)) {
        *out = nj_parse_type_comment(p, peek(p));
        p->pos++;
        return *out ? 0 : -1;
    }
    return 0;
}

static NjSeq *
seq_of_one(NjParser *p, void *item)
{
    NjSeq *s = nj_seq_new(1, p->arena);
    if (s) {
        s->at[0] = item;
    }
    return s;
}

/* ---- simple statements ---- */

static NjStmt *
parse_assert(NjParser *p)
{
    int start = p->pos++;
    NjExpr *msg = NULL;
    NjExpr *test = nj_parse_expression(p);
    if (!test) {
        return NULL;
    }
    if (accept(p, T_COMMA) && !(msg = nj_parse_expression(p))) {
        return NULL;
    }
    return nj_ast_Assert(test, msg, pos_from(p, start), p->arena);
}

/* A star cannot be deleted. */
static bool
has_star(NjExpr *e)
{
    if (e->kind == NJ_Starred) {
        return true;
    }
    if (e->kind != NJ_Tuple && e->kind != NJ_List) {
        return false;
    }
    NjSeq *elts = e->kind == NJ_Tuple ? e->v.Tuple.elts : e->v.List.elts;
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(elts); i++) {
        if (has_star(elts->at[i])) {
            return true;
        }
    }
    return false;
}

static NjStmt *
parse_del(NjParser *p)
{
    int start = p->pos++;
    int base = p->tmp_len;
    do {
        NjTok k = at(p);
        if (k == T_SEMI || k == T_NEWLINE) {
            if (p->tmp_len == base) {
                return NULL;
            }
            break;
        }
        NjExpr *e = nj_parse_primary(p);
        if (!e || has_star(e) || !nj_parse_set_store(e)) {
            return NULL;
        }
        nj_parse_set_context(e, NJ_Del);
        PUSH(p, e);
    } while (accept(p, T_COMMA));
    NjTok k = at(p);
    if (k != T_SEMI && k != T_NEWLINE) {
        return NULL;
    }
    NjSeq *targets = nj_parser_take(p, base);
    return targets ? nj_ast_Delete(targets, pos_from(p, start), p->arena) : NULL;
}

static NjStmt *
parse_names_stmt(NjParser *p, bool global)
{
    int start = p->pos++;
    int base = p->tmp_len;
    do {
        NjToken *t = peek(p);
        if (t->kind != T_NAME) {
            return NULL;
        }
        PyObject *name = t->name;
        p->pos++;
        PUSH(p, name);
    } while (accept(p, T_COMMA));
    NjSeq *names = nj_parser_take(p, base);
    if (!names) {
        return NULL;
    }
    return global ? nj_ast_Global(names, pos_from(p, start), p->arena)
                  : nj_ast_Nonlocal(names, pos_from(p, start), p->arena);
}

/* NAME ('.' NAME)*: one interned str with dots. */
static PyObject *
parse_dotted_name(NjParser *p)
{
    NjToken *t = peek(p);
    if (t->kind != T_NAME) {
        return NULL;
    }
    PyObject *name = t->name;
    p->pos++;
    if (at(p) != T_DOT) {
        return name;
    }
    NJ_OWN list = PyList_New(0);
    if (!list || PyList_Append(list, name) < 0) {
        return NULL;
    }
    while (accept(p, T_DOT)) {
        t = peek(p);
        if (t->kind != T_NAME) {
            return NULL;
        }
        if (PyList_Append(list, t->name) < 0) {
            return NULL;
        }
        p->pos++;
    }
    NJ_OWN dot = PyUnicode_FromOrdinal('.');
    if (!dot) {
        return NULL;
    }
    PyObject *joined = PyUnicode_Join(dot, list);
    if (joined) {
        PyUnicode_InternInPlace(&joined);
    }
    return nj_arena_keep(p->arena, joined);
}

/* dotted or plain name ['as' NAME] */
static NjAlias *
parse_alias(NjParser *p, bool dotted)
{
    int start = p->pos;
    PyObject *name, *asname = NULL;
    if (dotted) {
        name = parse_dotted_name(p);
    }
    else {
        NjToken *t = peek(p);
        name = t->kind == T_NAME ? t->name : NULL;
        p->pos += t->kind == T_NAME;
    }
    if (!name) {
        return NULL;
    }
    if (at(p) == T_AS) {
        p->pos++;
        NjToken *t = peek(p);
        if (p->diag) {
            nj_diag_import_target(p, !dotted);
            if (p->err) {
                return NULL;
            }
            t = peek(p);
        }
        if (t->kind != T_NAME) {
            return NULL;
        }
        asname = t->name;
        p->pos++;
    }
    return nj_ast_alias(name, asname, pos_from(p, start), p->arena);
}

static NjStmt *
parse_import(NjParser *p)
{
    int start = p->pos++;
    int base = p->tmp_len;
    if (p->diag && at(p) == T_NEWLINE) {
        return nj_syntax_error_from(p, tok_pos(&p->toks[p->pos]),
                                    "Expected one or more names after 'import'");
    }
    do {
        NjAlias *a = parse_alias(p, true);
        if (!a) {
            return NULL;
        }
        PUSH(p, a);
    } while (accept(p, T_COMMA));
    if (p->diag && at(p) == T_FROM) {
        NjMark m = mark(p);
        p->pos++;
        PyObject *from = parse_dotted_name(p);
        (void)from;
        if (p->err) {
            return NULL;
        }
        if (from) {
            (void)at(p);
            return nj_syntax_error_from(p, tok_pos(&p->toks[start]),
                                        "Did you mean to use 'from ... import ...' "
                                        "instead?");
        }
        back_to(p, m);
    }
    NjSeq *names = nj_parser_take(p, base);
    return names ? nj_ast_Import(names, pos_from(p, start), p->arena) : NULL;
}

static NjStmt *
parse_import_from(NjParser *p)
{
    int start = p->pos++;
    int level = 0;
    for (;;) {
        NjTok k = at(p);
        if (k == T_DOT) {
            level++;
        }
        else if (k == T_ELLIPSIS) {
            level += 3;
        }
        else {
            break;
        }
        p->pos++;
    }
    PyObject *module = NULL;
    if (level == 0 || at(p) != T_IMPORT) {
        module = parse_dotted_name(p);
        if (!module) {
            return NULL;
        }
    }
    EXPECT(p, T_IMPORT);
    int base = p->tmp_len;
    NjTok k = at(p);
    if (k == T_STAR) {
        int star = p->pos++;
        PyObject *name = nj_arena_keep(p->arena, PyUnicode_InternFromString("*"));
        NjAlias *a = name ? nj_ast_alias(name, NULL, pos_from(p, star), p->arena) : NULL;
        if (!a) {
            return NULL;
        }
        PUSH(p, a);
    }
    else if (k == T_NEWLINE && p->diag) {
        return nj_syntax_error_from(p, tok_pos(&p->toks[p->pos]),
                                    "Expected one or more names after 'import'");
    }
    else {
        bool paren = accept(p, T_LPAR);
        do {
            if (paren && p->tmp_len > base && at(p) == T_RPAR) {
                break;
            }
            NjAlias *a = parse_alias(p, false);
            if (!a) {
                return NULL;
            }
            PUSH(p, a);
            if (!paren && at(p) == T_COMMA) {
                if (at_plus(p, 1) == T_NEWLINE) {
                    if (p->diag) {
                        return nj_syntax_error(p, "trailing comma not allowed without "
                                                  "surrounding parentheses");
                    }
                    p->pos++;
                    return NULL;
                }
            }
        } while (accept(p, T_COMMA));
        if (paren) {
            EXPECT(p, T_RPAR);
        }
    }
    NjSeq *names = nj_parser_take(p, base);
    if (!names) {
        return NULL;
    }
    if (module && level == 0 && NJ_SEQ_LEN(names) && p->lx.buf[p->toks[start].start] == 'f'
        && PyUnicode_CompareWithASCIIString(module, "__future__") == 0) {
        for (Py_ssize_t i = 0; i < names->len; i++) {
            NjAlias *a = names->at[i];
            if (PyUnicode_CompareWithASCIIString(a->name, "barry_as_FLUFL") == 0) {
                p->lx.diamonds = true;
            }
        }
    }
    return nj_ast_ImportFrom(module, names, level, pos_from(p, start), p->arena);
}

static NjStmt *
parse_raise(NjParser *p)
{
    int start = p->pos++;
    NjExpr *exc = NULL, *cause = NULL;
    NjTok k = at(p);
    if (k != T_NEWLINE && k != T_SEMI) {
        exc = nj_parse_expression(p);
        if (!exc) {
            return NULL;
        }
        if (accept(p, T_FROM)) {
            cause = nj_parse_expression(p);
            if (!cause) {
                return NULL;
            }
        }
    }
    return nj_ast_Raise(exc, cause, pos_from(p, start), p->arena);
}

static NjStmt *
parse_return(NjParser *p)
{
    int start = p->pos++;
    NjExpr *value = NULL;
    NjTok k = at(p);
    if (k != T_NEWLINE && k != T_SEMI && !(value = nj_parse_star_expressions(p))) {
        return NULL;
    }
    return nj_ast_Return(value, pos_from(p, start), p->arena);
}

/* Type parameters: `[' ... `]'. */
static NjSeq *
parse_type_params(NjParser *p)
{
    p->pos++;
    if (p->diag && at(p) == T_RSQB) {
        return nj_syntax_error_from(p, tok_pos(&p->toks[p->pos]),
                                    "Type parameter list cannot be empty");
    }
    int base = p->tmp_len;
    do {
        if (p->tmp_len > base && at(p) == T_RSQB) {
            break;
        }
        int start = p->pos;
        NjTok k = at(p);
        bool star = k == T_STAR, stars = k == T_DOUBLESTAR;
        p->pos += star || stars;
        NjToken *t = peek(p);
        if (t->kind != T_NAME) {
            return NULL;
        }
        PyObject *name = t->name;
        p->pos++;
        NjExpr *bound = NULL, *dflt = NULL;
        if (at(p) == T_COLON) {
            if (star || stars) {
                if (p->diag) {
                    int colon = p->pos++;
                    NjExpr *e = nj_parse_expression(p);
                    if (p->err) {
                        return NULL;
                    }
                    if (e) {
                        (void)at(p);
                        if (p->err) {
                            return NULL;
                        }
                        return nj_syntax_error_from(
                            p, tok_pos(&p->toks[colon]),
                            e->kind == NJ_Tuple
                                ? (star ? "cannot use constraints with TypeVarTuple"
                                        : "cannot use constraints with ParamSpec")
                                : (star ? "cannot use bound with TypeVarTuple"
                                        : "cannot use bound with ParamSpec"));
                    }
                }
                return NULL;
            }
            p->pos++;
            bound = nj_parse_expression(p);
            if (!bound) {
                return NULL;
            }
        }
        if (accept(p, T_EQUAL)) {
            dflt = star ? nj_parse_star_expression(p) : nj_parse_expression(p);
            if (!dflt
                || nj_parse_check_version(p, 13, "Type parameter defaults are") < 0) {
                return NULL;
            }
        }
        NjPos pos = pos_from(p, start);
        NjTypeParam *tp = star    ? nj_ast_TypeVarTuple(name, dflt, pos, p->arena)
                          : stars ? nj_ast_ParamSpec(name, dflt, pos, p->arena)
                                  : nj_ast_TypeVar(name, bound, dflt, pos, p->arena);
        if (!tp) {
            return NULL;
        }
        PUSH(p, tp);
    } while (accept(p, T_COMMA));
    EXPECT(p, T_RSQB);
    if (nj_parse_check_version(p, 12, "Type parameter lists are") < 0) {
        return NULL;
    }
    return nj_parser_take(p, base);
}

static NjStmt *
parse_type_alias(NjParser *p)
{
    int start = p->pos++;
    NjExpr *name = nj_parse_name_node(p);
    if (!name) {
        return NULL;
    }
    name->v.Name.ctx = NJ_Store;
    NjSeq *params = NULL;
    if (at(p) == T_LSQB && !(params = parse_type_params(p))) {
        return NULL;
    }
    EXPECT(p, T_EQUAL);
    NjExpr *value = nj_parse_expression(p);
    if (!value || nj_parse_check_version(p, 12, "Type statement is") < 0) {
        return NULL;
    }
    return nj_ast_TypeAlias(name, params, value, pos_from(p, start), p->arena);
}

static NjOperator
aug_operator(NjTok k)
{
    switch (k) {
    case T_PLUSEQUAL: return NJ_Add;
    case T_MINEQUAL: return NJ_Sub;
    case T_STAREQUAL: return NJ_Mult;
    case T_ATEQUAL: return NJ_MatMult;
    case T_SLASHEQUAL: return NJ_Div;
    case T_PERCENTEQUAL: return NJ_Mod;
    case T_AMPEREQUAL: return NJ_BitAnd;
    case T_VBAREQUAL: return NJ_BitOr;
    case T_CIRCUMFLEXEQUAL: return NJ_BitXor;
    case T_LEFTSHIFTEQUAL: return NJ_LShift;
    case T_RIGHTSHIFTEQUAL: return NJ_RShift;
    case T_DOUBLESTAREQUAL: return NJ_Pow;
    case T_DOUBLESLASHEQUAL: return NJ_FloorDiv;
    default: return 0;
    }
}

/* Assignments of all kinds, and expressions. */
static NjStmt *
parse_expr_stmt_inner(NjParser *p)
{
    int start = p->pos;
    NjExpr *e = nj_parse_annotated_rhs(p);
    if (!e) {
        return NULL;
    }
    NjTok k = at(p);
    if (k == T_EQUAL) {
        if (!nj_parse_set_store(e)) {
            return NULL;
        }
        int base = p->tmp_len;
        PUSH(p, e);
        for (;;) {
            p->pos++;
            e = nj_parse_annotated_rhs(p);
            if (!e) {
                return NULL;
            }
            if (at(p) != T_EQUAL) {
                break;
            }
            if (!nj_parse_set_store(e)) {
                return NULL;
            }
            PUSH(p, e);
        }
        PyObject *comment;
        if (accept_type_comment(p, &comment) < 0) {
            return NULL;
        }
        NjSeq *targets = nj_parser_take(p, base);
        return targets ? nj_ast_Assign(targets, e, comment, pos_from(p, start), p->arena)
                       : NULL;
    }
    if (k == T_COLON) {
        if (e->kind != NJ_Name && e->kind != NJ_Attribute && e->kind != NJ_Subscript) {
            return NULL;
        }
        bool simple = e->kind == NJ_Name && p->toks[start].kind != T_LPAR;
        nj_parse_set_context(e, NJ_Store);
        p->pos++;
        NjExpr *annotation = nj_parse_expression(p);
        if (!annotation) {
            return NULL;
        }
        NjExpr *value = NULL;
        NjMark m = mark(p);
        if (accept(p, T_EQUAL) && !(value = nj_parse_annotated_rhs(p))
            && !give_up(p, m)) {
            return NULL;
        }
        if (nj_parse_check_version(p, 6,
                                   simple ? "Variable annotation syntax is"
                                          : "Variable annotations syntax is")
            < 0) {
            return NULL;
        }
        return nj_ast_AnnAssign(e, annotation, value, simple, pos_from(p, start),
                                p->arena);
    }
    NjOperator op = aug_operator(k);
    if (op) {
        if (e->kind != NJ_Name && e->kind != NJ_Attribute && e->kind != NJ_Subscript) {
            return NULL;
        }
        nj_parse_set_context(e, NJ_Store);
        p->pos++;
        if (k == T_ATEQUAL
            && nj_parse_check_version(p, 5, "The '@' operator is") < 0) {
            return NULL;
        }
        NjExpr *value = nj_parse_annotated_rhs(p);
        return value ? nj_ast_AugAssign(e, op, value, pos_from(p, start), p->arena) : NULL;
    }
    return nj_ast_Expr(e, pos_from(p, start), p->arena);
}

static NjStmt *
parse_expr_stmt(NjParser *p)
{
    if (NJ_LIKELY(!p->diag)) {
        return parse_expr_stmt_inner(p);
    }
    NjMark m = mark(p);
    nj_parse_probe_target(p);
    if (p->err) {
        return NULL;
    }
    NjStmt *s = parse_expr_stmt_inner(p);
    if (p->err || (s && s->kind != NJ_Expr)) {
        return s;
    }
    NjMark after = mark(p);
    /* x += junk: the operator settles that it is an assignment */
    int op_at = -1;
    for (int i = m.pos; !s && i < p->fill; i++) {
        if (p->toks[i].kind == T_NEWLINE) {
            break;
        }
        if (aug_operator((NjTok)p->toks[i].kind)) {
            op_at = i;
            break;
        }
    }
    if (op_at >= 0) {
        back_to(p, m);
        NjExpr *target = nj_parse_primary(p);
        if (p->err) {
            return NULL;
        }
        if (target && p->pos == op_at
            && (target->kind == NJ_Name || target->kind == NJ_Attribute
                || target->kind == NJ_Subscript)) {
            return NULL;
        }
    }
    back_to(p, m);
    nj_diag_assignment(p);
    if (p->err) {
        return NULL;
    }
    back_to(p, after);
    return s;
}

static NjStmt *
parse_simple_stmt(NjParser *p)
{
    if (NJ_UNLIKELY(p->diag)) {
        NjTok k = at(p);
        if (k == T_PASS || k == T_BREAK || k == T_CONTINUE) {
            DIAG(p, nj_diag_expression(p));
        }
    }
    NjToken *t = peek(p);
    switch (t->kind) {
    case T_PASS: p->pos++; return nj_ast_Pass(tok_pos(t), p->arena);
    case T_BREAK: p->pos++; return nj_ast_Break(tok_pos(t), p->arena);
    case T_CONTINUE: p->pos++; return nj_ast_Continue(tok_pos(t), p->arena);
    case T_RETURN: return parse_return(p);
    case T_IMPORT: return parse_import(p);
    case T_FROM: return parse_import_from(p);
    case T_RAISE: return parse_raise(p);
    case T_DEL: {
        if (p->diag) {
            NjMark m = mark(p);
            NjStmt *s = parse_del(p);
            if (s || p->err) {
                return s;
            }
            back_to(p, m);
            nj_diag_del(p);
            return NULL;
        }
        return parse_del(p);
    }
    case T_ASSERT: return parse_assert(p);
    case T_GLOBAL: return parse_names_stmt(p, true);
    case T_NONLOCAL: return parse_names_stmt(p, false);
    case T_NAME:
        if (NJ_UNLIKELY(t->soft == NJ_SOFT_TYPE) && at_plus(p, 1) == T_NAME) {
            NjMark m = mark(p);
            if (p->diag) {
                nj_diag_assignment(p);
                if (p->err) {
                    return NULL;
                }
                back_to(p, m);
            }
            NjStmt *s = parse_type_alias(p);
            if (s || failed_hard(p)) {
                return s;
            }
            back_to(p, m);
        }
        return parse_expr_stmt(p);
    default: return parse_expr_stmt(p);
    }
}

/* One line of simple statements; pushed. */
static int
parse_simple_stmts(NjParser *p)
{
    for (;;) {
        NjStmt *s = parse_simple_stmt(p);
        if (!s || nj_parser_push(p, s) < 0) {
            return -1;
        }
        NjTok k = at(p);
        if (k == T_NEWLINE) {
            p->pos++;
            return 0;
        }
        if (k != T_SEMI) {
            return -1;
        }
        p->pos++;
        if (accept(p, T_NEWLINE)) {
            return 0;
        }
    }
}

/* ---- compound statements ---- */

NjSeq *
nj_parse_block(NjParser *p)
{
    int base = p->tmp_len;
    if (at(p) != T_NEWLINE) {
        if (parse_simple_stmts(p) < 0) {
            return NULL;
        }
        return nj_parser_take(p, base);
    }
    p->pos++;
    EXPECT(p, T_INDENT);
    do {
        if (parse_statement(p) < 0) {
            return NULL;
        }
    } while (at(p) != T_DEDENT);
    p->pos++;
    return nj_parser_take(p, base);
}

/* ':' [TYPE_COMMENT] block; in the second pass words what is missing. forced: the colon
 * is demanded even if something other than the end of the line follows. */
static NjSeq *
parse_colon_block(NjParser *p, const char *what, int lineno, bool forced,
                  PyObject **comment)
{
    if (!accept(p, T_COLON)) {
        if (p->err) {
            return NULL;
        }
        if (forced) {
            return nj_forced(p, ":");
        }
        if (p->diag && at(p) == T_NEWLINE) {
            return nj_syntax_error(p, "expected ':'");
        }
        return NULL;
    }
    if (comment && accept_type_comment(p, comment) < 0) {
        return NULL;
    }
    DIAG(p, nj_diag_block(p, what, lineno));
    return nj_parse_block(p);
}

/* [else block]; NULL with *ok false on failure */
static NjSeq *
parse_else(NjParser *p, bool *ok)
{
    *ok = true;
    if (at(p) != T_ELSE) {
        return NULL;
    }
    int line = p->toks[p->pos++].lineno;
    NjSeq *body = parse_colon_block(p, "'else' statement", line, true, NULL);
    *ok = body != NULL;
    if (body && p->diag && at(p) == T_ELIF) {
        *ok = false;
        return nj_parser_error_at(p, tok_pos(&p->toks[p->pos]),
                                  "'elif' block follows an 'else' block");
    }
    return body;
}

static NjStmt *
parse_if(NjParser *p, const char *what)
{
    if (NJ_UNLIKELY(!NJ_PARSE_ENTER(p, 1))) {
        return nj_parser_too_deep(p);
    }
    int start = p->pos++;
    int line = p->toks[start].lineno;
    NjExpr *test = nj_parse_named_expression(p);
    if (!test) {
        return NULL;
    }
    NjSeq *body = parse_colon_block(p, what, line, false, NULL);
    if (!body) {
        return NULL;
    }
    NjSeq *orelse = NULL;
    if (at(p) == T_ELIF) {
        NjStmt *nested = parse_if(p, "'elif' statement");
        if (!nested || !(orelse = seq_of_one(p, nested))) {
            return NULL;
        }
    }
    else {
        bool ok;
        orelse = parse_else(p, &ok);
        if (!ok) {
            return NULL;
        }
    }
    p->depth--;
    return nj_ast_If(test, body, orelse, pos_from_block(p, start), p->arena);
}

static NjStmt *
parse_while(NjParser *p)
{
    int start = p->pos++;
    int line = p->toks[start].lineno;
    NjExpr *test = nj_parse_named_expression(p);
    if (!test) {
        return NULL;
    }
    NjSeq *body = parse_colon_block(p, "'while' statement", line, false, NULL);
    if (!body) {
        return NULL;
    }
    bool ok;
    NjSeq *orelse = parse_else(p, &ok);
    if (!ok) {
        return NULL;
    }
    return nj_ast_While(test, body, orelse, pos_from_block(p, start), p->arena);
}

static NjStmt *
parse_for(NjParser *p, int start)
{
    bool is_async = p->toks[start].kind == T_ASYNC;
    if (p->diag) {
        int here = p->pos;
        p->pos = start;
        nj_diag_for_target(p, false);
        p->pos = here;
        if (p->err) {
            return NULL;
        }
    }
    int line = p->toks[p->pos++].lineno;
    NjExpr *target = nj_parse_star_targets(p);
    if (!target || !accept(p, T_IN)) {
        return NULL;
    }
    NjExpr *iter = nj_parse_star_expressions(p);
    if (!iter) {
        return NULL;
    }
    PyObject *comment;
    NjSeq *body = parse_colon_block(p, "'for' statement", line, false, &comment);
    if (!body) {
        return NULL;
    }
    bool ok;
    NjSeq *orelse = parse_else(p, &ok);
    if (!ok) {
        return NULL;
    }
    NjPos pos = pos_from_block(p, start);
    if (is_async) {
        if (nj_parse_check_version(p, 5, "Async for loops are") < 0) {
            return NULL;
        }
        return nj_ast_AsyncFor(target, iter, body, orelse, comment, pos, p->arena);
    }
    return nj_ast_For(target, iter, body, orelse, comment, pos, p->arena);
}

static NjWithItem *
parse_with_item(NjParser *p)
{
    DIAG(p, nj_diag_with_item(p));
    NjExpr *e = nj_parse_expression(p);
    if (!e) {
        return NULL;
    }
    NjExpr *target = NULL;
    if (accept(p, T_AS)) {
        target = nj_parse_star_target(p);
        if (!target) {
            return NULL;
        }
        NjTok k = at(p);
        if (k != T_COMMA && k != T_RPAR && k != T_COLON
            && !(p->diag && k == T_NEWLINE)) {
            return NULL;
        }
    }
    return nj_ast_withitem(e, target, p->arena);
}

/* The items of `with (...):' up to and including the parenthesis, or NULL. */
static NjSeq *
parse_with_parens(NjParser *p)
{
    p->pos++;
    int base = p->tmp_len;
    do {
        if (p->tmp_len > base && at(p) == T_RPAR) {
            break;
        }
        NjWithItem *item = parse_with_item(p);
        if (!item) {
            return NULL;
        }
        PUSH(p, item);
    } while (accept(p, T_COMMA));
    EXPECT(p, T_RPAR);
    if (at(p) != T_COLON) {
        if (p->diag && at(p) == T_NEWLINE) {
            return nj_syntax_error(p, "expected ':'");
        }
        return NULL;
    }
    return nj_parser_take(p, base);
}

static NjStmt *
parse_with(NjParser *p, int start)
{
    bool is_async = p->toks[start].kind == T_ASYNC;
    int with = p->pos++;
    int line = p->toks[with].lineno;
    NjSeq *items = NULL;
    bool bare_possible = true;
    if (at(p) == T_LPAR) {
        NjMark m = mark(p);
        items = parse_with_parens(p);
        if (!items) {
            if (failed_hard(p)) {
                return NULL;
            }
            back_to(p, m);
        }
        else {
            bare_possible = false;
        }
    }
    if (bare_possible) {
        int base = p->tmp_len;
        do {
            NjWithItem *item = parse_with_item(p);
            if (!item) {
                return NULL;
            }
            PUSH(p, item);
        } while (accept(p, T_COMMA));
        items = nj_parser_take(p, base);
        if (!items) {
            return NULL;
        }
    }
    PyObject *comment;
    NjSeq *body = parse_colon_block(p, "'with' statement", line, false, &comment);
    if (!body) {
        return NULL;
    }
    NjPos pos = pos_from_block(p, start);
    if (is_async) {
        if (nj_parse_check_version(p, 5, "Async with statements are") < 0) {
            return NULL;
        }
        return nj_ast_AsyncWith(items, body, comment, pos, p->arena);
    }
    return nj_ast_With(items, body, comment, pos, p->arena);
}

/* True when the tuple at a '(' just parsed ends with that bracket's partner. */
static bool
is_one_group(NjParser *p, int lpar)
{
    int level = p->toks[lpar].level;
    for (int i = lpar + 1; i < p->pos; i++) {
        if (p->toks[i].level < level) {
            return i == p->pos - 1;
        }
    }
    return false;
}

static NjExceptHandler *
parse_handler(NjParser *p, bool *is_star)
{
    int start = p->pos++;
    int line = p->toks[start].lineno;
    NjExpr *type = NULL;
    PyObject *name = NULL;
    bool star = accept(p, T_STAR);
    bool unparenthesised = false;
    *is_star = star;
    if (at(p) != T_COLON) {
        if (p->diag && at(p) == T_NEWLINE) {
            return nj_syntax_error(p, star ? "expected one or more exception types"
                                           : "expected ':'");
        }
        int types_at = p->pos;
        type = nj_parse_expressions(p);
        if (!type) {
            return NULL;
        }
        bool bare_tuple
            = type->kind == NJ_Tuple
              && (type->pos.lineno != p->toks[types_at].lineno
                  || type->pos.col_offset != p->toks[types_at].col
                  || p->toks[types_at].kind != T_LPAR || !is_one_group(p, types_at));
        if (at(p) == T_AS) {
            p->pos++;
            int name_at = p->pos;
            NjToken *t = peek(p);
            if (t->kind == T_NAME) {
                name = t->name;
                p->pos++;
            }
            NjTok after = at(p);
            if (p->err) {
                return NULL;
            }
            if (bare_tuple) {
                if (p->diag && name && after == T_COLON) {
                    p->pos++;
                    return nj_syntax_error_from(
                        p, type->pos,
                        "multiple exception types must be parenthesized when using 'as'");
                }
                p->pos = name_at - 1; /* `as' itself does not fit */
                return NULL;
            }
            if (p->diag && (!name || (after != T_COLON && after != T_NEWLINE))) {
                p->pos = name_at;
                NjExpr *bad = nj_parse_starts_expression(at(p)) ? nj_parse_expression(p)
                                                                : NULL;
                if (p->err) {
                    return NULL;
                }
                if (bad && accept(p, T_COLON)) {
                    DIAG(p, nj_diag_block(p,
                                          star ? "'except*' statement"
                                               : "'except' statement",
                                          line));
                    NjSeq *block = nj_parse_block(p);
                    if (p->err) {
                        return NULL;
                    }
                    if (block) {
                        return nj_parser_error_at(
                            p, bad->pos,
                            star ? "cannot use except* statement with %s"
                                 : "cannot use except statement with %s",
                            nj_diag_expr_name(bad));
                    }
                }
                return NULL;
            }
            if (!name) {
                return NULL;
            }
        }
        else {
            unparenthesised = bare_tuple;
        }
    }
    else if (star) {
        if (p->diag) {
            return nj_syntax_error(p, "expected one or more exception types");
        }
        return NULL;
    }
    NjSeq *body = parse_colon_block(
        p, star ? "'except*' statement" : "'except' statement", line, false, NULL);
    if (body && unparenthesised
        && nj_parse_check_version(p, 14, "except expressions without parentheses are") < 0) {
        return NULL;
    }
    if (body && star) {
        (void)at(p);
        if (p->err || nj_parse_check_version(p, 11, "Exception groups are") < 0) {
            return NULL;
        }
    }
    return body ? nj_ast_ExceptHandler(type, name, body, pos_from_block(p, start), p->arena)
                : NULL;
}

static NjStmt *
parse_try(NjParser *p)
{
    int start = p->pos++;
    int line = p->toks[start].lineno;
    NjSeq *body = parse_colon_block(p, "'try' statement", line, true, NULL);
    if (!body) {
        return NULL;
    }
    int base = p->tmp_len;
    bool star = false;
    while (at(p) == T_EXCEPT) {
        int handler_at = p->pos;
        bool this_star = at_plus(p, 1) == T_STAR;
        if (p->err) {
            return NULL;
        }
        if (p->tmp_len > base && this_star != star) {
            if (p->diag) {
                p->pos += 1 + this_star;
                bool ok = !this_star;
                if (nj_parse_starts_expression(at(p))) {
                    ok = nj_parse_expression(p) != NULL;
                    if (ok && accept(p, T_AS)) {
                        accept(p, T_NAME);
                    }
                }
                if (ok && at(p) == T_COLON && !p->err) {
                    NjToken *a = &p->toks[handler_at], *b = a + this_star;
                    return nj_parser_error_at(
                        p, (NjPos){a->lineno, a->col, b->end_lineno, b->end_col},
                        "cannot have both 'except' and 'except*' on the same 'try'");
                }
            }
            p->pos = handler_at;
            return NULL;
        }
        NjExceptHandler *h = parse_handler(p, &this_star);
        if (!h) {
            return NULL;
        }
        star = this_star;
        PUSH(p, h);
    }
    NjTok k = at(p);
    if (p->tmp_len == base && k != T_FINALLY) {
        if (p->diag && !p->err) {
            return nj_syntax_error(p, "expected 'except' or 'finally' block");
        }
        return NULL;
    }
    NjSeq *handlers = nj_parser_take(p, base);
    NjSeq *orelse = NULL, *final = NULL;
    if (!handlers) {
        return NULL;
    }
    if (handlers->len) {
        bool ok;
        orelse = parse_else(p, &ok);
        if (!ok) {
            return NULL;
        }
    }
    if (at(p) == T_FINALLY) {
        int fline = p->toks[p->pos++].lineno;
        final = parse_colon_block(p, "'finally' statement", fline, true, NULL);
        if (!final) {
            return NULL;
        }
    }
    NjPos pos = pos_from_block(p, start);
    return star ? nj_ast_TryStar(body, handlers, orelse, final, pos, p->arena)
                : nj_ast_Try(body, handlers, orelse, final, pos, p->arena);
}

static NjStmt *
parse_def(NjParser *p, int start, NjSeq *decorators)
{
    bool is_async = p->toks[start].kind == T_ASYNC;
    int def = p->pos++;
    int line = p->toks[def].lineno;
    NjToken *t = peek(p);
    if (t->kind != T_NAME) {
        return NULL;
    }
    PyObject *name = t->name;
    p->pos++;
    NjSeq *type_params = NULL;
    NjMark bracket = mark(p);
    if (at(p) == T_LSQB && !(type_params = parse_type_params(p))
        && !give_up(p, bracket)) {
        return NULL;
    }
    if (!accept(p, T_LPAR)) {
        return nj_forced(p, "(");
    }
    NjArguments *args
        = at(p) == T_RPAR ? nj_parse_no_params(p) : nj_parse_params(p, false);
    if (!args || !accept(p, T_RPAR)) {
        return NULL;
    }
    NjExpr *returns = NULL;
    NjMark arrow = mark(p);
    if (accept(p, T_RARROW) && !(returns = nj_parse_expression(p))) {
        if (!give_up(p, arrow)) {
            return NULL;
        }
    }
    if (!accept(p, T_COLON)) {
        return nj_forced(p, ":");
    }
    PyObject *comment;
    if (accept_type_comment(p, &comment) < 0) {
        return NULL;
    }
    if (!comment && at(p) == T_NEWLINE && p->lx.type_comments
        && at_plus(p, 1) == T_TYPE_COMMENT) {
        NjMark m = mark(p);
        p->pos++;
        if (accept_type_comment(p, &comment) < 0) {
            return NULL;
        }
        if (at(p) != T_NEWLINE || at_plus(p, 1) != T_INDENT) {
            back_to(p, m);
            comment = NULL;
        }
    }
    if (p->diag && comment && at(p) == T_NEWLINE && at_plus(p, 1) == T_TYPE_COMMENT &&
        at_plus(p, 2) == T_NEWLINE && at_plus(p, 3) == T_INDENT) {
        return nj_syntax_error(p, "Cannot have two type comments on def");
    }
    DIAG(p, nj_diag_block(p, "function definition", line));
    NjSeq *body = nj_parse_block(p);
    if (!body) {
        return NULL;
    }
    NjPos pos = pos_from_block(p, start);
    if (is_async) {
        if (nj_parse_check_version(p, 5, "Async functions are") < 0) {
            return NULL;
        }
        return nj_ast_AsyncFunctionDef(name, args, body, decorators, returns, comment,
                                       type_params, pos, p->arena);
    }
    return nj_ast_FunctionDef(name, args, body, decorators, returns, comment, type_params,
                              pos, p->arena);
}

static NjStmt *
parse_class(NjParser *p, NjSeq *decorators)
{
    int start = p->pos++;
    int line = p->toks[start].lineno;
    NjToken *t = peek(p);
    if (t->kind != T_NAME) {
        return NULL;
    }
    PyObject *name = t->name;
    p->pos++;
    NjSeq *type_params = NULL;
    if (at(p) == T_LSQB && !(type_params = parse_type_params(p))) {
        return NULL;
    }
    NjSeq *bases = NULL, *keywords = NULL;
    if (at(p) == T_LPAR) {
        NjExpr *call = nj_parse_call(p, NULL, p->pos);
        if (!call) {
            return NULL;
        }
        bases = call->v.Call.args;
        keywords = call->v.Call.keywords;
    }
    NjSeq *body = parse_colon_block(p, "class definition", line, false, NULL);
    return body ? nj_ast_ClassDef(name, bases, keywords, body, decorators, type_params,
                                  pos_from_block(p, start), p->arena)
                : NULL;
}

static NjStmt *
parse_decorated(NjParser *p)
{
    int base = p->tmp_len;
    while (accept(p, T_AT)) {
        NjExpr *e = nj_parse_named_expression(p);
        if (!e || !accept(p, T_NEWLINE)) {
            return NULL;
        }
        PUSH(p, e);
    }
    NjSeq *decorators = nj_parser_take(p, base);
    if (!decorators) {
        return NULL;
    }
    NjTok k = at(p);
    int start = p->pos;
    if (k == T_DEF) {
        return parse_def(p, start, decorators);
    }
    if (k == T_CLASS) {
        return parse_class(p, decorators);
    }
    if (k == T_ASYNC) {
        p->pos++;
        if (at(p) == T_DEF) {
            return parse_def(p, start, decorators);
        }
    }
    return NULL;
}

/* A compound statement, or NULL with *none true when the next token begins none. */
static NjStmt *
parse_compound(NjParser *p, bool *none)
{
    *none = false;
    NjToken *t = peek(p);
    int start = p->pos;
    switch (t->kind) {
    case T_IF: return parse_if(p, "'if' statement");
    case T_DEF: return parse_def(p, start, NULL);
    case T_CLASS: return parse_class(p, NULL);
    case T_FOR: return parse_for(p, start);
    case T_WHILE: return parse_while(p);
    case T_TRY: return parse_try(p);
    case T_WITH: return parse_with(p, start);
    case T_AT: return parse_decorated(p);
    case T_ASYNC:
        p->pos++;
        switch (at(p)) {
        case T_DEF: return parse_def(p, start, NULL);
        case T_FOR: return parse_for(p, start);
        case T_WITH: return parse_with(p, start);
        default: return NULL;
        }
    case T_NAME:
        if (NJ_UNLIKELY(t->soft == NJ_SOFT_MATCH)) {
            NjMark m = mark(p);
            NjStmt *s = nj_parse_match(p);
            if (s || failed_hard(p)) {
                return s;
            }
            back_to(p, m);
        }
        *none = true;
        return NULL;
    default: *none = true; return NULL;
    }
}

/* Any statement; pushed. 0, or -1 for NULL. */
static int
parse_statement(NjParser *p)
{
    bool none;
    NjStmt *s = parse_compound(p, &none);
    if (s) {
        return nj_parser_push(p, s);
    }
    if (!none) {
        return -1;
    }
    return parse_simple_stmts(p);
}

/* ---- whole inputs ---- */

static NjMod *
parse_file(NjParser *p, int *resume)
{
    int base = p->tmp_len;
    int previous = p->pos;
    while (at(p) != T_ENDMARKER) {
        *resume = previous;
        previous = p->pos;
        if (parse_statement(p) < 0) {
            return NULL;
        }
    }
    p->pos++;
    NjSeq *body = nj_parser_take(p, base);
    NjSeq *ignores = nj_seq_new(p->ignores_len, p->arena);
    if (!body || !ignores) {
        return NULL;
    }
    for (int i = 0; i < p->ignores_len; i++) {
        ignores->at[i]
            = nj_ast_TypeIgnore(p->ignores[i].lineno, p->ignores[i].tag, p->arena);
        if (!ignores->at[i]) {
            return NULL;
        }
    }
    return nj_ast_Module(body, ignores, p->arena);
}

static NjMod *
parse_single(NjParser *p)
{
    int base = p->tmp_len;
    NjTok k = at(p);
    if (k == T_NEWLINE) {
        p->pos++;
        NjStmt *s = nj_ast_Pass(tok_pos(&p->toks[p->pos - 1]), p->arena);
        NjSeq *body = s ? seq_of_one(p, s) : NULL;
        return body ? nj_ast_Interactive(body, p->arena) : NULL;
    }
    if (k == T_ENDMARKER) {
        return NULL;
    }
    bool none;
    NjStmt *s = parse_compound(p, &none);
    if (s) {
        PUSH(p, s);
        EXPECT(p, T_NEWLINE);
    }
    else if (!none || parse_simple_stmts(p) < 0) {
        return NULL;
    }
    NjSeq *body = nj_parser_take(p, base);
    return body ? nj_ast_Interactive(body, p->arena) : NULL;
}

static NjMod *
parse_eval(NjParser *p)
{
    NjExpr *e = nj_parse_expressions(p);
    if (!e) {
        return NULL;
    }
    while (accept(p, T_NEWLINE)) {
    }
    EXPECT(p, T_ENDMARKER);
    return nj_ast_Expression(e, p->arena);
}

static NjMod *
parse_func_type(NjParser *p)
{
    EXPECT(p, T_LPAR);
    int base = p->tmp_len;
    int stars = 0;
    while (at(p) != T_RPAR) {
        /* expression, ..., then optionally `* expression' and `** expression' */
        NjTok k = at(p);
        if (k == T_STAR && stars == 0) {
            stars = 1;
            p->pos++;
        }
        else if (k == T_DOUBLESTAR && stars < 2) {
            stars = 2;
            p->pos++;
        }
        else if (stars) {
            return NULL;
        }
        NjExpr *e = nj_parse_expression(p);
        if (!e) {
            return NULL;
        }
        PUSH(p, e);
        if (stars == 2 || !accept(p, T_COMMA)) {
            break;
        }
        if (at(p) == T_RPAR) {
            return NULL;
        }
    }
    EXPECT(p, T_RPAR);
    EXPECT(p, T_RARROW);
    NjExpr *returns = nj_parse_expression(p);
    if (!returns) {
        return NULL;
    }
    while (accept(p, T_NEWLINE)) {
    }
    EXPECT(p, T_ENDMARKER);
    NjSeq *args = nj_parser_take(p, base);
    return args ? nj_ast_FunctionType(args, returns, p->arena) : NULL;
}

static NjMod *
run_pass(NjParser *p, int *resume)
{
    switch (p->start) {
    case Py_file_input: return parse_file(p, resume);
    case Py_single_input: return parse_single(p);
    case Py_eval_input: return parse_eval(p);
    case Py_func_type_input: return parse_func_type(p);
    default:
        PyErr_SetString(PyExc_ValueError, "invalid start argument");
        p->err = true;
        return NULL;
    }
}

/* Interactive input must be one statement. */
static bool
has_more_statements(NjParser *p)
{
    const char *s = p->lx.cur;
    for (;;) {
        while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\014') {
            s++;
        }
        if (!*s) {
            return false;
        }
        if (*s != '#') {
            return true;
        }
        while (*s && *s != '\n') {
            s++;
        }
    }
}

static bool
at_end_of_source(NjParser *p)
{
    if (p->lx.done == NJ_LEX_EOF || p->lx.done == NJ_LEX_EOFS) {
        return true;
    }
    /* a last token that had to look behind itself has seen the end */
    switch (p->fill ? p->toks[p->fill - 1].kind : T_COUNT) {
    case T_LEFTSHIFTEQUAL:
    case T_RIGHTSHIFTEQUAL:
    case T_DOUBLESTAREQUAL:
    case T_DOUBLESLASHEQUAL:
    case T_ELLIPSIS: return false;
    default: break;
    }
    return p->lx.cur == p->lx.end && p->fill
           && p->toks[p->fill - 1].kind != T_STRING
           && p->toks[p->fill - 1].kind != T_FSTRING_END
           && p->toks[p->fill - 1].kind != T_TSTRING_END
           && p->toks[p->fill - 1].kind != T_NEWLINE
           && p->toks[p->fill - 1].kind != T_ERRORTOKEN;
}

static NjMod *
parse_all(NjParser *p)
{
    int resume = 0;
    NjMod *mod = run_pass(p, &resume);
    if (NJ_LIKELY(mod != NULL)) {
        if (p->start == Py_single_input && has_more_statements(p)) {
            return nj_syntax_error(p, "multiple statements found while compiling a single "
                                      "statement");
        }
        return mod;
    }
    if ((p->flags & PyCF_ALLOW_INCOMPLETE_INPUT) && at_end_of_source(p)) {
        PyErr_Clear();
        nj_raise_incomplete(p);
        return NULL;
    }
    if (PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_SyntaxError) && p->lx.done != NJ_LEX_ERROR
            && p->lx.done != NJ_LEX_EOFS && p->lx.done != NJ_LEX_EOF
            && p->lx.done != NJ_LEX_DEDENT && p->lx.done != NJ_LEX_TABSPACE
            && p->lx.done != NJ_LEX_TOODEEP && p->lx.done != NJ_LEX_LINECONT) {
            nj_parser_check_rest(p);
        }
        return NULL;
    }
    int last = p->fill - 1;
    p->pos = p->start == Py_file_input ? resume : 0;
    p->tmp_len = 0;
    p->depth = 0;
    p->err = false;
    p->diag = p->peg = true;
    p->lx.no_warnings = true;
    (void)run_pass(p, &resume);
    nj_parser_finish_error(p, last);
    return NULL;
}

/* SyntaxError._metadata: line and column before which all is well, and the source unless a
 * file has it: traceback looks there for misspelt keywords. */
static NJ_COLD void
add_metadata(NjParser *p, const char *text, Py_ssize_t size)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (exc && PyObject_TypeCheck(exc, (PyTypeObject *)PyExc_SyntaxError)) {
        NJ_OWN source = p->flags & NJ_CF_FILE ? Py_NewRef(Py_None)
                                              : PyUnicode_DecodeUTF8(text, size, "replace");
        NJ_OWN triple = source ? Py_BuildValue("iiO", 0, 0, source) : NULL;
        if (!triple || PyObject_SetAttr(exc, NJ_ID(_metadata), triple) < 0) {
            PyErr_Clear(); /* the error itself matters more */
        }
    }
    PyErr_SetRaisedException(exc);
}

NjMod *
nj_parse(NjArena *arena, const char *text, Py_ssize_t size, PyObject *filename, int start,
         PyCompilerFlags *flags, PyObject *module)
{
    int cf = flags ? flags->cf_flags : 0;
    Py_ssize_t len;
    char *buf = nj_source_decode(text, size, cf, start == Py_file_input, filename, &len);
    if (!buf) {
        return NULL;
    }
    NjParser p;
    memset(&p, 0, offsetof(NjParser, lx));
    memset((char *)&p + offsetof(NjParser, arena), 0,
           sizeof p - offsetof(NjParser, arena));
    NjMod *mod = NULL;
    p.arena = arena;
    p.start = start;
    p.flags = cf;
    p.filename = filename;
    p.no_final_newline = (cf & NJ_CF_FILE) && size && text[size - 1] != '\n';
    p.feature_version = flags && (cf & PyCF_ONLY_AST) ? flags->cf_feature_version
                                                      : PY_MINOR_VERSION;
    if (nj_lexer_init(&p.lx, buf, len, filename, arena) == 0) {
        p.lx.module = module;
        p.lx.no_warnings = (cf & NJ_CF_TRIAL) != 0;
        p.lx.diamonds = (cf & CO_FUTURE_BARRY_AS_BDFL) != 0;
        p.lx.type_comments = (cf & PyCF_TYPE_COMMENTS) != 0;
        p.cap = (int)(len / 5 < 1 << 20 ? len / 5 : 1 << 20) + 64;
        p.toks = PyMem_Malloc((size_t)p.cap * sizeof(NjToken));
        if (!p.toks) {
            PyErr_NoMemory();
        }
        else {
            mod = parse_all(&p);
            if (!mod) {
                add_metadata(&p, buf, len);
            }
        }
        nj_memo_clear(&p);
        PyMem_Free(p.toks);
        PyMem_Free(p.tmp);
        PyMem_Free(p.ignores);
        nj_lexer_clear(&p.lx);
    }
    PyMem_Free(buf);
    return mod;
}

int
nj_source_open(const char *text, Py_ssize_t size)
{
    NjArena *arena = nj_arena_new();
    if (!arena) {
        return -1;
    }
    NjLexer lx;
    int open = -1;
    if (nj_lexer_init(&lx, text, size, NULL, arena) == 0) {
        lx.no_warnings = true;
        NjToken t;
        do {
            nj_lexer_next(&lx, &t);
        } while (t.kind != T_ENDMARKER && t.kind != T_ERRORTOKEN);
        open = lx.done == NJ_LEX_EOFS ||
               (lx.done == NJ_LEX_EOF &&
                (lx.level > 0 || lx.modes_len > 0 || t.kind == T_ERRORTOKEN));
        PyErr_Clear(); /* compiling says what is wrong */
        nj_lexer_clear(&lx);
    }
    nj_arena_free(arena);
    return open;
}

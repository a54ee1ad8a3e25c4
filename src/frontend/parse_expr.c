/* parse_expr.c - expressions, targets, parameters and arguments.
 *
 * Idea: recursive descent for everything below and above the binary operators, which
 * are one precedence-climbing loop. An assignment's left side is parsed as an expression
 * first and turned into targets when `=' shows up (nj_parse_set_store).
 *
 * Invariants: see parser_int.h for what NULL means. pos_from(p, start) gives the range
 * from a token to the last consumed one, which is how all node positions are made;
 * brackets of a group do not count, those of tuples, lists, calls do.
 *
 * Danger: p->toks may move whenever a token is fetched: hold indices, not pointers.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/parser_int.h"

static NjExpr *parse_expression_inner(NjParser *p);
static NjExpr *parse_factor(NjParser *p);
static NjExpr *parse_atom(NjParser *p);

#define ENTER(p) ENTER_BY(p, 1)
#define ENTER_BY(p, units)                                                             \
    do {                                                                               \
        if (NJ_UNLIKELY(!NJ_PARSE_ENTER(p, units))) {                                  \
            return nj_parser_too_deep(p);                                              \
        }                                                                              \
    } while (0)
#define LEAVE(p) ((p)->depth--)
#define LEAVE_BY(p, units) ((p)->depth -= (units))

bool
nj_parse_starts_expression(NjTok k)
{
    switch (k) {
    case T_NAME:
    case T_NUMBER:
    case T_STRING:
    case T_FSTRING_START:
    case T_TSTRING_START:
    case T_LPAR:
    case T_LSQB:
    case T_LBRACE:
    case T_PLUS:
    case T_MINUS:
    case T_TILDE:
    case T_ELLIPSIS:
    case T_NOT:
    case T_LAMBDA:
    case T_AWAIT:
    case T_TRUE:
    case T_FALSE:
    case T_NONE: return true;
    default: return false;
    }
}

/* ---- contexts ---- */

void
nj_parse_set_context(NjExpr *e, NjExprContext ctx)
{
    switch (e->kind) {
    case NJ_Name: e->v.Name.ctx = ctx; break;
    case NJ_Attribute: e->v.Attribute.ctx = ctx; break;
    case NJ_Subscript: e->v.Subscript.ctx = ctx; break;
    case NJ_Starred:
        e->v.Starred.ctx = ctx;
        nj_parse_set_context(e->v.Starred.value, ctx);
        break;
    case NJ_Tuple:
    case NJ_List: {
        NjSeq *elts = e->kind == NJ_Tuple ? e->v.Tuple.elts : e->v.List.elts;
        if (e->kind == NJ_Tuple) {
            e->v.Tuple.ctx = ctx;
        }
        else {
            e->v.List.ctx = ctx;
        }
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(elts); i++) {
            nj_parse_set_context(elts->at[i], ctx);
        }
        break;
    }
    default: break;
    }
}

static bool
can_be_target(NjExpr *e)
{
    switch (e->kind) {
    case NJ_Name:
    case NJ_Attribute:
    case NJ_Subscript: return true;
    case NJ_Starred:
        return e->v.Starred.value->kind != NJ_Starred && can_be_target(e->v.Starred.value);
    case NJ_Tuple:
    case NJ_List: {
        NjSeq *elts = e->kind == NJ_Tuple ? e->v.Tuple.elts : e->v.List.elts;
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(elts); i++) {
            if (!can_be_target(elts->at[i])) {
                return false;
            }
        }
        return true;
    }
    default: return false;
    }
}

bool
nj_parse_set_store(NjExpr *e)
{
    if (e->kind == NJ_Name) {
        e->v.Name.ctx = NJ_Store;
        return true;
    }
    if (!can_be_target(e)) {
        return false;
    }
    nj_parse_set_context(e, NJ_Store);
    return true;
}

/* ---- expression lists ---- */

/* first (',' item)* [',']: a tuple if there is a comma. */
static NjExpr *
finish_tuple(NjParser *p, NjExpr *first, int start, NjExpr *(*item)(NjParser *),
             bool (*starts)(NjTok))
{
    int base = p->tmp_len;
    PUSH(p, first);
    while (accept(p, T_COMMA)) {
        if (!starts(at(p))) {
            break;
        }
        NjMark m = mark(p);
        NjExpr *e = item(p);
        if (!e) {
            if (give_up(p, m)) {
                break;
            }
            return NULL;
        }
        PUSH(p, e);
    }
    NjSeq *elts = nj_parser_take(p, base);
    return elts ? nj_ast_Tuple(elts, NJ_Load, pos_from(p, start), p->arena) : NULL;
}

static bool
starts_star(NjTok k)
{
    return k == T_STAR || nj_parse_starts_expression(k);
}

NjExpr *
nj_parse_star_expression(NjParser *p)
{
    if (at(p) == T_STAR) {
        int start = p->pos++;
        NjExpr *e = nj_parse_bitwise_or(p);
        return e ? nj_ast_Starred(e, NJ_Load, pos_from(p, start), p->arena) : NULL;
    }
    return nj_parse_expression(p);
}

NjExpr *
nj_parse_star_expressions(NjParser *p)
{
    int start = p->pos;
    NjExpr *e = nj_parse_star_expression(p);
    if (!e || at(p) != T_COMMA) {
        return e;
    }
    return finish_tuple(p, e, start, nj_parse_star_expression, starts_star);
}

NjExpr *
nj_parse_expressions(NjParser *p)
{
    int start = p->pos;
    NjExpr *e = nj_parse_expression(p);
    if (!e || at(p) != T_COMMA) {
        return e;
    }
    return finish_tuple(p, e, start, nj_parse_expression, nj_parse_starts_expression);
}

NjExpr *
nj_parse_star_named_expression(NjParser *p)
{
    if (at(p) == T_STAR) {
        int start = p->pos++;
        NjExpr *e = nj_parse_bitwise_or(p);
        return e ? nj_ast_Starred(e, NJ_Load, pos_from(p, start), p->arena) : NULL;
    }
    return nj_parse_named_expression(p);
}

NjExpr *
nj_parse_yield(NjParser *p)
{
    int start = p->pos;
    EXPECT(p, T_YIELD);
    if (accept(p, T_FROM)) {
        NjExpr *e = nj_parse_expression(p);
        return e ? nj_ast_YieldFrom(e, pos_from(p, start), p->arena) : NULL;
    }
    NjExpr *e = NULL;
    if (starts_star(at(p))) {
        NjMark m = mark(p);
        e = nj_parse_star_expressions(p);
        if (!e && !give_up(p, m)) {
            return NULL;
        }
    }
    return nj_ast_Yield(e, pos_from(p, start), p->arena);
}

NjExpr *
nj_parse_annotated_rhs(NjParser *p)
{
    return at(p) == T_YIELD ? nj_parse_yield(p) : nj_parse_star_expressions(p);
}

NjExpr *
nj_parse_name_node(NjParser *p)
{
    NjToken *t = peek(p);
    if (t->kind != T_NAME) {
        return NULL;
    }
    NjExpr *e = nj_ast_Name(t->name, NJ_Load, tok_pos(t), p->arena);
    p->pos++;
    return e;
}

/* ---- expression ---- */

static NjExpr *
parse_named(NjParser *p, bool argument)
{
    int start = p->pos;
    if (at(p) == T_NAME) {
        p->pos++;
        NjTok next = at(p);
        p->pos--;
        if (next == T_COLONEQUAL) {
            NjExpr *target = nj_parse_name_node(p);
            if (!target) {
                return NULL;
            }
            target->v.Name.ctx = NJ_Store;
            p->pos++;
            NjExpr *value = nj_parse_expression(p);
            if (value
                && nj_parse_check_version(p, 8, "Assignment expressions are") < 0) {
                return NULL;
            }
            return value
                       ? nj_ast_NamedExpr(target, value, pos_from(p, start), p->arena)
                       : NULL;
        }
    }
    if (!argument) {
        DIAG(p, nj_diag_named_expression(p));
    }
    NjExpr *e = nj_parse_expression(p);
    if (e && at(p) == T_COLONEQUAL) {
        return NULL;
    }
    return e;
}

NjExpr *
nj_parse_named_expression(NjParser *p)
{
    return parse_named(p, false);
}

NjExpr *
nj_parse_argument(NjParser *p)
{
    return parse_named(p, true);
}

NjExpr *
nj_parse_starred(NjParser *p)
{
    int start = p->pos;
    DIAG(p, nj_diag_starred(p));
    p->pos++;
    NjExpr *e = nj_parse_expression(p);
    return e ? nj_ast_Starred(e, NJ_Load, pos_from(p, start), p->arena) : NULL;
}

static NjExpr *
parse_lambda(NjParser *p)
{
    int start = p->pos++;
    NjArguments *args;
    if (at(p) == T_COLON) {
        args = nj_parse_no_params(p);
    }
    else {
        args = nj_parse_params(p, true);
    }
    if (!args) {
        return NULL;
    }
    EXPECT(p, T_COLON);
    ENTER(p);
    NjExpr *body = nj_parse_expression(p);
    LEAVE(p);
    return body ? nj_ast_Lambda(args, body, pos_from(p, start), p->arena) : NULL;
}

static NjExpr *
parse_expression_inner(NjParser *p)
{
    if (at(p) == T_LAMBDA) {
        return parse_lambda(p);
    }
    int start = p->pos;
    NjExpr *body = nj_parse_disjunction(p);
    if (!body || at(p) != T_IF) {
        return body;
    }
    NjMark m = mark(p);
    p->pos++;
    NjExpr *test = nj_parse_disjunction(p);
    if (!test) {
        return give_up(p, m) ? body : NULL;
    }
    if (!accept(p, T_ELSE)) {
        if (p->err) {
            return NULL;
        }
        back_to(p, m); /* `x if y' may be the guard of a case, an `if' of a generator */
        return body;
    }
    NjExpr *orelse = nj_parse_expression(p);
    if (!orelse) {
        return give_up(p, m) ? body : NULL;
    }
    return nj_ast_IfExp(test, body, orelse, pos_from(p, start), p->arena);
}

NjExpr *
nj_parse_expression_plain(NjParser *p)
{
    ENTER(p);
    NjExpr *e = parse_expression_inner(p);
    LEAVE(p);
    return e;
}

NjExpr *
nj_parse_expression(NjParser *p)
{
    ENTER(p);
    NjExpr *e;
    if (NJ_UNLIKELY(p->peg)) {
        /* One memo for quiet and loud: what a probe has parsed is not looked at again,
         * in the reference too. */
        if (nj_memo_find(p, R_EXPRESSION, &e)) {
            LEAVE(p);
            return e;
        }
        int start = p->pos;
        if (p->diag) {
            nj_diag_expression(p);
        }
        e = p->err ? NULL : parse_expression_inner(p);
        nj_memo_store(p, R_EXPRESSION, start, e);
    }
    else {
        e = parse_expression_inner(p);
    }
    LEAVE(p);
    return e;
}

/* operand (op operand)*: `and' and `or' */
static NjExpr *
finish_boolop(NjParser *p, NjExpr *first, int start, NjTok op, NjExpr *(*operand)(NjParser *))
{
    int base = p->tmp_len;
    PUSH(p, first);
    while (at(p) == op) {
        NjMark m = mark(p);
        p->pos++;
        NjExpr *e = operand(p);
        if (!e) {
            if (give_up(p, m)) {
                break;
            }
            return NULL;
        }
        PUSH(p, e);
    }
    if (p->tmp_len == base + 1) {
        p->tmp_len = base;
        return first;
    }
    NjSeq *values = nj_parser_take(p, base);
    return values ? nj_ast_BoolOp(op == T_AND ? NJ_And : NJ_Or, values,
                                  pos_from(p, start), p->arena)
                  : NULL;
}

static NjExpr *
parse_comparison(NjParser *p)
{
    int start = p->pos;
    NjExpr *left = nj_parse_bitwise_or(p);
    if (!left) {
        return NULL;
    }
    NjTok k = at(p);
    if (!((k >= T_EQEQUAL && k <= T_GREATEREQUAL) || k == T_LESS || k == T_GREATER
          || k == T_IN || k == T_IS || k == T_NOT)) {
        return left;
    }
    int base = p->tmp_len;
    for (;;) {
        NjCmpop op;
        NjMark m = mark(p);
        switch (at(p)) {
        case T_EQEQUAL: op = NJ_Eq; break;
        case T_NOTEQUAL: {
            NjToken *t = peek(p);
            bool diamond = p->lx.buf[t->start] == '<';
            if (p->lx.diamonds && !diamond) {
                p->pos++;
                return nj_syntax_error(p,
                                       "with Barry as BDFL, use '<>' instead of '!='");
            }
            op = NJ_NotEq;
            break;
        }
        case T_LESS:
            op = NJ_Lt;
            if (NJ_UNLIKELY(p->diag) && at_plus(p, 1) == T_GREATER) {
                NjPos lt = tok_pos(&p->toks[p->pos]), gt = tok_pos(&p->toks[p->pos + 1]);
                if (lt.end_col_offset == gt.col_offset && lt.lineno == gt.lineno) {
                    return nj_parser_error_at(p, pos_between(lt, gt),
                                              "invalid syntax.  Maybe you meant '!=' "
                                              "instead of '<>'?");
                }
            }
            break;
        case T_LESSEQUAL: op = NJ_LtE; break;
        case T_GREATER: op = NJ_Gt; break;
        case T_GREATEREQUAL: op = NJ_GtE; break;
        case T_IN: op = NJ_In; break;
        case T_IS:
            if (at_plus(p, 1) == T_NOT) {
                p->pos++;
                op = NJ_IsNot;
            }
            else {
                op = NJ_Is;
            }
            break;
        case T_NOT:
            if (at_plus(p, 1) != T_IN) {
                goto done;
            }
            p->pos++;
            op = NJ_NotIn;
            break;
        default: goto done;
        }
        p->pos++;
        NjExpr *right = nj_parse_bitwise_or(p);
        if (!right) {
            if (give_up(p, m)) {
                break;
            }
            return NULL;
        }
        PUSH(p, (void *)(intptr_t)op);
        PUSH(p, right);
    }
done:;
    int n = (p->tmp_len - base) / 2;
    if (n == 0) {
        return left;
    }
    NjSeq *ops = nj_seq_new(n, p->arena);
    NjSeq *rights = nj_seq_new(n, p->arena);
    if (!ops || !rights) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        ops->at[i] = p->tmp[base + 2 * i];
        rights->at[i] = p->tmp[base + 2 * i + 1];
    }
    p->tmp_len = base;
    return nj_ast_Compare(left, ops, rights, pos_from(p, start), p->arena);
}

NjExpr *
nj_parse_inversion(NjParser *p)
{
    if (at(p) != T_NOT) {
        return parse_comparison(p);
    }
    ENTER(p);
    int start = p->pos++;
    NjExpr *e = nj_parse_inversion(p);
    LEAVE(p);
    return e ? nj_ast_UnaryOp(NJ_Not, e, pos_from(p, start), p->arena) : NULL;
}

static NjExpr *
parse_conjunction(NjParser *p)
{
    int start = p->pos;
    NjExpr *e = nj_parse_inversion(p);
    if (!e || at(p) != T_AND) {
        return e;
    }
    return finish_boolop(p, e, start, T_AND, nj_parse_inversion);
}

static NjExpr *
parse_disjunction_inner(NjParser *p)
{
    int start = p->pos;
    NjExpr *e = parse_conjunction(p);
    if (!e || at(p) != T_OR) {
        return e;
    }
    return finish_boolop(p, e, start, T_OR, parse_conjunction);
}

NjExpr *
nj_parse_disjunction(NjParser *p)
{
    if (NJ_UNLIKELY(p->peg)) {
        NjExpr *e;
        if (nj_memo_find(p, R_DISJUNCTION, &e)) {
            return e;
        }
        int start = p->pos;
        e = parse_disjunction_inner(p);
        nj_memo_store(p, R_DISJUNCTION, start, e);
        return e;
    }
    return parse_disjunction_inner(p);
}

/* ---- binary operators ---- */

static const struct {
    uint8_t prec, op;
} binary_ops[T_COUNT] = {
    [T_VBAR] = {1, NJ_BitOr},       [T_CIRCUMFLEX] = {2, NJ_BitXor},
    [T_AMPER] = {3, NJ_BitAnd},     [T_LEFTSHIFT] = {4, NJ_LShift},
    [T_RIGHTSHIFT] = {4, NJ_RShift}, [T_PLUS] = {5, NJ_Add},
    [T_MINUS] = {5, NJ_Sub},        [T_STAR] = {6, NJ_Mult},
    [T_SLASH] = {6, NJ_Div},        [T_DOUBLESLASH] = {6, NJ_FloorDiv},
    [T_PERCENT] = {6, NJ_Mod},      [T_AT] = {6, NJ_MatMult},
};

static NjExpr *
parse_binary(NjParser *p, int min_prec)
{
    int start = p->pos;
    NjExpr *left = parse_factor(p);
    if (!left) {
        return NULL;
    }
    for (;;) {
        NjTok k = at(p);
        int prec = binary_ops[k].prec;
        if (prec < min_prec || prec == 0) {
            return left;
        }
        NjMark m = mark(p);
        p->pos++;
        DIAG(p, nj_diag_unary_not(p, k));
        NjExpr *right = parse_binary(p, prec + 1);
        if (!right) {
            return give_up(p, m) ? left : NULL;
        }
        if (NJ_UNLIKELY(k == T_AT)
            && nj_parse_check_version(p, 5, "The '@' operator is") < 0) {
            return NULL;
        }
        left = nj_ast_BinOp(left, binary_ops[k].op, right, pos_from(p, start), p->arena);
        if (!left) {
            return NULL;
        }
    }
}

NjExpr *
nj_parse_bitwise_or(NjParser *p)
{
    if (NJ_UNLIKELY(p->peg)) {
        NjExpr *e;
        if (nj_memo_find(p, R_BITWISE_OR, &e)) {
            return e;
        }
        int start = p->pos;
        e = parse_binary(p, 1);
        nj_memo_store(p, R_BITWISE_OR, start, e);
        return e;
    }
    return parse_binary(p, 1);
}

static NjExpr *
parse_factor_inner(NjParser *p)
{
    int start = p->pos;
    int op;
    NjTok k = at(p);
    switch (k) {
    case T_PLUS: op = NJ_UAdd; break;
    case T_MINUS: op = NJ_USub; break;
    case T_TILDE: op = NJ_Invert; break;
    default: {
        NjExpr *base;
        if (k == T_AWAIT) {
            p->pos++;
            NjExpr *e = nj_parse_primary(p);
            if (e && nj_parse_check_version(p, 5, "Await expressions are") < 0) {
                return NULL;
            }
            base = e ? nj_ast_Await(e, pos_from(p, start), p->arena) : NULL;
        }
        else {
            base = nj_parse_primary(p);
        }
        if (!base || at(p) != T_DOUBLESTAR) {
            return base;
        }
        NjMark m = mark(p);
        p->pos++;
        ENTER_BY(p, 2);
        NjExpr *e = parse_factor(p);
        LEAVE_BY(p, 2);
        if (!e) {
            return give_up(p, m) ? base : NULL;
        }
        return nj_ast_BinOp(base, NJ_Pow, e, pos_from(p, start), p->arena);
    }
    }
    p->pos++;
    DIAG(p, nj_diag_unary_not(p, k));
    ENTER(p);
    NjExpr *e = parse_factor(p);
    LEAVE(p);
    return e ? nj_ast_UnaryOp(op, e, pos_from(p, start), p->arena) : NULL;
}

static NjExpr *
parse_factor(NjParser *p)
{
    if (NJ_LIKELY(!p->peg)) {
        return parse_factor_inner(p);
    }
    NjExpr *e;
    if (!nj_memo_find(p, R_FACTOR, &e)) {
        int start = p->pos;
        e = parse_factor_inner(p);
        nj_memo_store(p, R_FACTOR, start, e);
    }
    return e;
}

/* ---- primary ---- */

static NjExpr *
parse_slice(NjParser *p)
{
    int start = p->pos;
    NjExpr *lower = NULL;
    if (at(p) == T_STAR) {
        return nj_parse_starred(p);
    }
    if (at(p) != T_COLON) {
        lower = nj_parse_named_expression(p);
        if (!lower || at(p) != T_COLON) {
            return lower;
        }
        if (lower->kind == NJ_NamedExpr && p->toks[start].kind != T_LPAR) {
            return NULL; /* x[a:=1:2] */
        }
    }
    p->pos++;
    NjExpr *upper = NULL, *step = NULL;
    NjTok k = at(p);
    if (k != T_COLON && k != T_COMMA && k != T_RSQB) {
        upper = nj_parse_expression(p);
        if (!upper) {
            return NULL;
        }
    }
    if (accept(p, T_COLON)) {
        k = at(p);
        if (k != T_COMMA && k != T_RSQB) {
            step = nj_parse_expression(p);
            if (!step) {
                return NULL;
            }
        }
    }
    return nj_ast_Slice(lower, upper, step, pos_from(p, start), p->arena);
}

static bool
starts_slice(NjTok k)
{
    return k == T_STAR || k == T_COLON || nj_parse_starts_expression(k);
}

static NjExpr *
parse_slices(NjParser *p)
{
    int start = p->pos;
    bool star = at(p) == T_STAR;
    NjExpr *e = parse_slice(p);
    if (!e) {
        return NULL;
    }
    if (at(p) != T_COMMA && !star) {
        return e;
    }
    return finish_tuple(p, e, start, parse_slice, starts_slice);
}

static NjExpr *
parse_genexp_rest(NjParser *p, NjExpr *elt, int start, bool single_arg)
{
    NjSeq *gens = nj_parse_for_if_clauses(p);
    if (!gens || !accept(p, T_RPAR)) {
        return NULL;
    }
    (void)single_arg;
    return nj_ast_GeneratorExp(elt, gens, pos_from(p, start), p->arena);
}

NjExpr *
nj_parse_call(NjParser *p, NjExpr *func, int start)
{
    int lpar = p->pos;
    EXPECT(p, T_LPAR);
    if (accept(p, T_RPAR)) {
        return nj_ast_Call(func, NULL, NULL, pos_from(p, start), p->arena);
    }
    if (NJ_UNLIKELY(p->diag)) {
        if (func) {
            /* perhaps a generator expression gone wrong */
            int here = p->pos;
            p->pos = lpar;
            nj_diag_comprehension(p);
            p->pos = here;
        }
        if (!p->err) {
            nj_diag_arguments(p);
        }
        if (p->err) {
            return NULL;
        }
    }
    int base = p->tmp_len;
    /* Positional arguments are pushed as they come, keywords as tagged pointers. */
    bool keywords = false, unpacked = false;
    int n_keywords = 0;
    for (bool first = true;; first = false) {
        NjTok k = at(p);
        if (k == T_RPAR) {
            break;
        }
        int item = p->pos;
        if (k == T_STAR) {
            if (unpacked) {
                return NULL;
            }
            NjExpr *e = nj_parse_starred(p);
            if (!e) {
                return NULL;
            }
            PUSH(p, e);
        }
        else if (k == T_DOUBLESTAR) {
            p->pos++;
            NjExpr *e = nj_parse_expression(p);
            if (!e) {
                return NULL;
            }
            NjKeyword *kw = nj_ast_keyword(NULL, e, pos_from(p, item), p->arena);
            if (!kw) {
                return NULL;
            }
            PUSH(p, (void *)((uintptr_t)kw | 1));
            n_keywords++;
            keywords = unpacked = true;
        }
        else if (k == T_NAME && at_plus(p, 1) == T_EQUAL) {
            PyObject *name = peek(p)->name;
            p->pos += 2;
            NjExpr *e = nj_parse_expression(p);
            if (!e) {
                return NULL;
            }
            NjKeyword *kw = nj_ast_keyword(name, e, pos_from(p, item), p->arena);
            if (!kw) {
                return NULL;
            }
            PUSH(p, (void *)((uintptr_t)kw | 1));
            n_keywords++;
            keywords = true;
        }
        else {
            if (keywords) {
                return NULL;
            }
            NjExpr *e = nj_parse_argument(p);
            if (!e) {
                return NULL;
            }
            k = at(p);
            if (k == T_FOR || k == T_ASYNC) {
                if (!first || !func) {
                    return NULL;
                }
                e = parse_genexp_rest(p, e, lpar, true);
                if (!e) {
                    return NULL;
                }
                PUSH(p, e);
                NjSeq *args = nj_parser_take(p, base);
                return args ? nj_ast_Call(func, args, NULL, pos_from(p, start), p->arena)
                            : NULL;
            }
            PUSH(p, e);
        }
        if (!accept(p, T_COMMA)) {
            break;
        }
    }
    EXPECT(p, T_RPAR);
    int n = p->tmp_len - base;
    NjSeq *args = NULL, *kws = NULL;
    if (n_keywords == 0) {
        args = nj_parser_take(p, base);
        if (!args) {
            return NULL;
        }
    }
    else {
        args = nj_seq_new(n - n_keywords, p->arena);
        kws = nj_seq_new(n_keywords, p->arena);
        if (!args || !kws) {
            return NULL;
        }
        int a = 0, b = 0;
        for (int i = base; i < p->tmp_len; i++) {
            uintptr_t v = (uintptr_t)p->tmp[i];
            if (v & 1) {
                kws->at[b++] = (void *)(v - 1);
            }
            else {
                args->at[a++] = (void *)v;
            }
        }
        p->tmp_len = base;
    }
    return nj_ast_Call(func, args, kws, pos_from(p, start), p->arena);
}

/* `.name', `(args)' or `[index]' after e. */
static NjExpr *
parse_suffix(NjParser *p, NjExpr *e, NjTok k, int start)
{
    switch (k) {
    case T_DOT: {
        p->pos++;
        NjToken *t = peek(p);
        if (t->kind != T_NAME) {
            return NULL;
        }
        PyObject *name = t->name;
        p->pos++;
        return nj_ast_Attribute(e, name, NJ_Load, pos_from(p, start), p->arena);
    }
    case T_LPAR: return nj_parse_call(p, e, start);
    default: {
        p->pos++;
        NjExpr *index = parse_slices(p);
        if (!index || !accept(p, T_RSQB)) {
            return NULL;
        }
        return nj_ast_Subscript(e, index, NJ_Load, pos_from(p, start), p->arena);
    }
    }
}

NjExpr *
nj_parse_primary(NjParser *p)
{
    int start = p->pos;
    NjExpr *e = parse_atom(p);
    while (e) {
        NjTok k = at(p);
        if (k != T_DOT && k != T_LPAR && k != T_LSQB) {
            if (NJ_UNLIKELY(p->diag) && k == T_LBRACE) {
                nj_diag_brace_after(p);
                if (p->err) {
                    return NULL;
                }
            }
            return e;
        }
        NjMark m = mark(p);
        NjExpr *longer = parse_suffix(p, e, k, start);
        if (!longer && give_up(p, m)) {
            return e;
        }
        e = longer;
    }
    return NULL;
}

void
nj_parse_probe_target(NjParser *p)
{
    NjMark m = mark(p);
    int start = p->pos;
    NjExpr *e = parse_atom(p);
    while (e) {
        NjTok k = at(p);
        if (k != T_DOT && k != T_LPAR && k != T_LSQB) {
            break;
        }
        e = parse_suffix(p, e, k, start);
    }
    if (!p->err) {
        back_to(p, m);
    }
}

/* ---- atoms ---- */

NjSeq *
nj_parse_for_if_clauses(NjParser *p)
{
    int base = p->tmp_len;
    for (;;) {
        NjTok k = at(p);
        if (k != T_FOR && !(k == T_ASYNC && at_plus(p, 1) == T_FOR)) {
            break;
        }
        DIAG(p, nj_diag_for_target(p, true));
        bool is_async = accept(p, T_ASYNC);
        p->pos++;
        NjExpr *target = nj_parse_star_targets(p);
        if (!target || !accept(p, T_IN)) {
            return NULL;
        }
        NjExpr *iter = nj_parse_disjunction(p);
        if (!iter) {
            return NULL;
        }
        int ifs_base = p->tmp_len;
        while (accept(p, T_IF)) {
            NjExpr *cond = nj_parse_disjunction(p);
            if (!cond) {
                return NULL;
            }
            PUSH(p, cond);
        }
        NjSeq *ifs = NULL;
        if (p->tmp_len > ifs_base && !(ifs = nj_parser_take(p, ifs_base))) {
            return NULL;
        }
        if (is_async && nj_parse_check_version(p, 6, "Async comprehensions are") < 0) {
            return NULL;
        }
        NjComprehension *c = nj_ast_comprehension(target, iter, ifs, is_async, p->arena);
        if (!c) {
            return NULL;
        }
        PUSH(p, c);
    }
    if (p->tmp_len == base) {
        return NULL;
    }
    return nj_parser_take(p, base);
}

static NjExpr *
parse_paren_inner(NjParser *p)
{
    int start = p->pos++;
    NjTok k = at(p);
    if (k == T_RPAR) {
        p->pos++;
        return nj_ast_Tuple(NULL, NJ_Load, pos_from(p, start), p->arena);
    }
    if (k == T_YIELD) {
        NjExpr *e = nj_parse_yield(p);
        return e && accept(p, T_RPAR) ? e : NULL;
    }
    NjExpr *e = nj_parse_star_named_expression(p);
    if (!e) {
        return NULL;
    }
    k = at(p);
    if (k == T_RPAR) {
        if (e->kind == NJ_Starred && p->toks[start + 1].kind == T_STAR) {
            return NULL;
        }
        p->pos++;
        return e;
    }
    if (k == T_COMMA) {
        int base = p->tmp_len;
        PUSH(p, e);
        while (accept(p, T_COMMA)) {
            if (at(p) == T_RPAR) {
                break;
            }
            e = nj_parse_star_named_expression(p);
            if (!e) {
                return NULL;
            }
            PUSH(p, e);
        }
        EXPECT(p, T_RPAR);
        NjSeq *elts = nj_parser_take(p, base);
        return elts ? nj_ast_Tuple(elts, NJ_Load, pos_from(p, start), p->arena) : NULL;
    }
    if ((k == T_FOR || k == T_ASYNC) && p->toks[start + 1].kind != T_STAR) {
        return parse_genexp_rest(p, e, start, false);
    }
    return NULL;
}

/* In the second pass: the mistakes known for what a bracket opens, if the inside does not
 * fit. */
static NjExpr *
parse_display(NjParser *p, NjExpr *(*inner)(NjParser *))
{
    NjMark m = mark(p);
    NjExpr *e = inner(p);
    if (e || p->err) {
        return e;
    }
    if (!p->diag) {
        if (p->toks[m.pos].kind == T_LBRACE && !failed_hard(p)) {
            /* Mistakes in dicts are noticed by probes and by the first pass too: that is
             * observable where another mistake is inside. */
            bool first_pass = !p->peg;
            int pos = p->pos;
            back_to(p, m);
            p->peg = true;
            nj_diag_dict(p);
            if (first_pass) {
                p->peg = false;
                nj_memo_clear(p);
            }
            p->pos = pos;
        }
        return NULL;
    }
    NjTok open = (NjTok)p->toks[m.pos].kind;
    back_to(p, m);
    if (open == T_LPAR) {
        nj_diag_group(p);
    }
    else if (open == T_LBRACE) {
        nj_diag_dict(p);
        if (!p->err) {
            nj_diag_dict_comprehension(p);
        }
    }
    if (!p->err) {
        nj_diag_comprehension(p);
    }
    return NULL;
}

static NjExpr *
parse_paren(NjParser *p)
{
    return parse_display(p, parse_paren_inner);
}

static NjExpr *
parse_bracket_inner(NjParser *p)
{
    int start = p->pos++;
    if (accept(p, T_RSQB)) {
        return nj_ast_List(NULL, NJ_Load, pos_from(p, start), p->arena);
    }
    NjExpr *e = nj_parse_star_named_expression(p);
    if (!e) {
        return NULL;
    }
    NjTok k = at(p);
    if ((k == T_FOR || k == T_ASYNC) && p->toks[start + 1].kind != T_STAR) {
        NjSeq *gens = nj_parse_for_if_clauses(p);
        if (!gens || !accept(p, T_RSQB)) {
            return NULL;
        }
        return nj_ast_ListComp(e, gens, pos_from(p, start), p->arena);
    }
    int base = p->tmp_len;
    PUSH(p, e);
    while (accept(p, T_COMMA)) {
        if (at(p) == T_RSQB) {
            break;
        }
        e = nj_parse_star_named_expression(p);
        if (!e) {
            return NULL;
        }
        PUSH(p, e);
    }
    EXPECT(p, T_RSQB);
    NjSeq *elts = nj_parser_take(p, base);
    return elts ? nj_ast_List(elts, NJ_Load, pos_from(p, start), p->arena) : NULL;
}

/* The rest of a dict display after `{' (at a key or `**'). */
static NjExpr *
parse_dict(NjParser *p, NjExpr *key, int start)
{
    int base = p->tmp_len;
    int n = 0;
    for (;;) {
        NjExpr *value;
        if (!key && at(p) == T_DOUBLESTAR) {
            p->pos++;
            value = nj_parse_bitwise_or(p);
        }
        else {
            if (!key && !(key = nj_parse_expression(p))) {
                return NULL;
            }
            EXPECT(p, T_COLON);
            value = nj_parse_expression(p);
        }
        if (!value) {
            return NULL;
        }
        NjTok k = at(p);
        if (n == 0 && key && (k == T_FOR || k == T_ASYNC)) {
            NjSeq *gens = nj_parse_for_if_clauses(p);
            if (!gens || !accept(p, T_RBRACE)) {
                return NULL;
            }
            return nj_ast_DictComp(key, value, gens, pos_from(p, start), p->arena);
        }
        PUSH(p, key);
        PUSH(p, value);
        n++;
        key = NULL;
        if (!accept(p, T_COMMA) || at(p) == T_RBRACE) {
            break;
        }
    }
    EXPECT(p, T_RBRACE);
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
    return nj_ast_Dict(keys, values, pos_from(p, start), p->arena);
}

static NjExpr *
parse_brace_inner(NjParser *p)
{
    int start = p->pos++;
    NjTok k = at(p);
    if (k == T_RBRACE) {
        p->pos++;
        return nj_ast_Dict(NULL, NULL, pos_from(p, start), p->arena);
    }
    if (k == T_DOUBLESTAR) {
        return parse_dict(p, NULL, start);
    }
    if (NJ_UNLIKELY(p->diag)) {
        /* a dict first: its keys are not named expressions */
        NjMark m = mark(p);
        NjExpr *dict = parse_dict(p, NULL, start);
        if (dict || p->err) {
            return dict;
        }
        back_to(p, m);
        p->pos = start;
        nj_diag_dict(p);
        if (p->err) {
            return NULL;
        }
        back_to(p, m);
    }
    NjExpr *e = nj_parse_star_named_expression(p);
    if (!e) {
        return NULL;
    }
    bool star = p->toks[start + 1].kind == T_STAR;
    k = at(p);
    if (k == T_COLON && !star
        && !(e->kind == NJ_NamedExpr && p->toks[start + 1].kind != T_LPAR)) {
        return parse_dict(p, e, start);
    }
    if ((k == T_FOR || k == T_ASYNC) && !star) {
        NjSeq *gens = nj_parse_for_if_clauses(p);
        if (!gens || !accept(p, T_RBRACE)) {
            return NULL;
        }
        return nj_ast_SetComp(e, gens, pos_from(p, start), p->arena);
    }
    int base = p->tmp_len;
    PUSH(p, e);
    while (accept(p, T_COMMA)) {
        if (at(p) == T_RBRACE) {
            break;
        }
        e = nj_parse_star_named_expression(p);
        if (!e) {
            return NULL;
        }
        PUSH(p, e);
    }
    EXPECT(p, T_RBRACE);
    NjSeq *elts = nj_parser_take(p, base);
    return elts ? nj_ast_Set(elts, pos_from(p, start), p->arena) : NULL;
}

static NjExpr *
parse_atom(NjParser *p)
{
    NjToken *t = peek(p);
    PyObject *value;
    switch (t->kind) {
    case T_NAME: {
        NjExpr *e = nj_ast_Name(t->name, NJ_Load, tok_pos(t), p->arena);
        p->pos++;
        return e;
    }
    case T_NUMBER: return nj_parse_number(p);
    case T_STRING:
    case T_FSTRING_START:
    case T_TSTRING_START: return nj_parse_strings(p);
    case T_LPAR: return parse_paren(p);
    case T_LSQB: return parse_display(p, parse_bracket_inner);
    case T_LBRACE: return parse_display(p, parse_brace_inner);
    case T_TRUE: value = Py_True; break;
    case T_FALSE: value = Py_False; break;
    case T_NONE: value = Py_None; break;
    case T_ELLIPSIS: value = Py_Ellipsis; break;
    default: return NULL;
    }
    p->pos++;
    return nj_ast_Constant(value, NULL, tok_pos(t), p->arena);
}

/* ---- numbers ---- */

NjExpr *
nj_parse_number(NjParser *p)
{
    int start = p->pos++;
    NjToken *t = &p->toks[start];
    const char *s = p->lx.buf + t->start;
    size_t len = (size_t)(t->end - t->start);
    PyObject *value = NULL;
    if (len <= 9) {
        long v = 0;
        size_t i = 0;
        for (; i < len && Py_ISDIGIT(s[i]); i++) {
            v = v * 10 + (s[i] - '0');
        }
        if (i == len) {
            value = PyLong_FromLong(v);
            goto done;
        }
    }
    char small[64];
    char *text = len < sizeof small ? small : PyMem_Malloc(len + 1);
    if (!text) {
        PyErr_NoMemory();
        return NULL;
    }
    size_t n = 0;
    bool underscores = false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '_') {
            underscores = true;
        }
        else {
            text[n++] = s[i];
        }
    }
    text[n] = 0;
    bool hex = n > 1 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (underscores
        && nj_parse_check_version(p, 6, "Underscores in numeric literals are") < 0) {
        goto free_text;
    }
    if (text[n - 1] == 'j' || text[n - 1] == 'J') {
        text[n - 1] = 0;
        double d = PyOS_string_to_double(text, NULL, NULL);
        if (d != -1.0 || !PyErr_Occurred()) {
            value = PyComplex_FromDoubles(0.0, d);
        }
    }
    else if (!hex && strpbrk(text, ".eE")) {
        double d = PyOS_string_to_double(text, NULL, NULL);
        if (d != -1.0 || !PyErr_Occurred()) {
            value = PyFloat_FromDouble(d);
        }
    }
    else {
        value = PyLong_FromString(text, NULL, 0);
        if (!value && PyErr_ExceptionMatches(PyExc_ValueError)) {
            /* too many digits: sys.set_int_max_str_digits() */
            NjPos pos = tok_pos(&p->toks[start]);
            PyObject *exc = PyErr_GetRaisedException();
            NJ_OWN msg = PyObject_Str(exc);
            Py_DECREF(exc);
            if (msg) {
                nj_parser_error_at(p, pos,
                                   "%U - Consider hexadecimal for huge integer literals "
                                   "to avoid decimal conversion limits.",
                                   msg);
            }
        }
    }
free_text:
    if (text != small) {
        PyMem_Free(text);
    }
done:
    value = nj_arena_keep(p->arena, value);
    if (!value) {
        p->err = true;
        return NULL;
    }
    return nj_ast_Constant(value, NULL, tok_pos(&p->toks[start]), p->arena);
}

/* ---- targets ---- */

NjExpr *
nj_parse_star_target(NjParser *p)
{
    int start = p->pos;
    if (accept(p, T_STAR)) {
        if (at(p) == T_STAR) {
            return NULL;
        }
        NjExpr *e = nj_parse_star_target(p);
        return e ? nj_ast_Starred(e, NJ_Store, pos_from(p, start), p->arena) : NULL;
    }
    NjExpr *e = nj_parse_primary(p);
    return e && nj_parse_set_store(e) ? e : NULL;
}

NjExpr *
nj_parse_star_targets(NjParser *p)
{
    int start = p->pos;
    NjExpr *e = nj_parse_star_target(p);
    if (!e || at(p) != T_COMMA) {
        return e;
    }
    e = finish_tuple(p, e, start, nj_parse_star_target, starts_star);
    if (e) {
        e->v.Tuple.ctx = NJ_Store;
    }
    return e;
}

/* ---- parameters ---- */

NjArguments *
nj_parse_no_params(NjParser *p)
{
    return nj_ast_arguments(NULL, NULL, NULL, NULL, NULL, NULL, NULL, p->arena);
}

/* NAME [':' annotation]; star_annotation: of *args. */
static NjArg *
parse_param(NjParser *p, bool lambda, bool star)
{
    int start = p->pos;
    NjToken *t = peek(p);
    if (t->kind != T_NAME) {
        return NULL;
    }
    PyObject *name = t->name;
    p->pos++;
    NjExpr *annotation = NULL;
    if (!lambda && accept(p, T_COLON)) {
        annotation = star ? nj_parse_star_expression(p) : nj_parse_expression(p);
        if (!annotation) {
            return NULL;
        }
    }
    return nj_ast_arg(name, annotation, NULL, pos_from(p, start), p->arena);
}

NjArguments *
nj_parse_params(NjParser *p, bool lambda)
{
    NjTok closing = lambda ? T_COLON : T_RPAR;
    DIAG(p, nj_diag_params(p, lambda));
    int base = p->tmp_len;
    NjArg *vararg = NULL, *kwarg = NULL;
    bool star = false;
    int posonly = -1; /* how many before the slash */
    int n_args = 0, n_defaults = 0, n_kwonly = 0;
    /* pairs (arg, default or NULL) */
    while (at(p) != closing) {
        NjArg *arg = NULL;
        NjArg **commented = NULL;
        NjTok k = at(p);
        if (k == T_SLASH) {
            if (posonly >= 0 || star || n_args == 0) {
                return NULL;
            }
            p->pos++;
            posonly = n_args;
            (void)at(p);
            if (nj_parse_check_version(p, 8, "Positional-only parameters are") < 0) {
                return NULL;
            }
        }
        else if (k == T_STAR) {
            if (star) {
                return NULL;
            }
            star = true;
            p->pos++;
            if (at(p) == T_COMMA) {
                NjTok after = at_plus(p, 1);
                if (after != T_NAME) {
                    return NULL;
                }
            }
            else {
                vararg = parse_param(p, lambda, true);
                if (!vararg || at(p) == T_EQUAL) {
                    return NULL;
                }
                commented = &vararg;
            }
        }
        else if (k == T_DOUBLESTAR) {
            p->pos++;
            kwarg = parse_param(p, lambda, false);
            if (!kwarg || at(p) == T_EQUAL) {
                return NULL;
            }
            commented = &kwarg;
        }
        else {
            arg = parse_param(p, lambda, false);
            if (!arg) {
                return NULL;
            }
            NjExpr *dflt = NULL;
            if (accept(p, T_EQUAL)) {
                dflt = nj_parse_expression(p);
                if (!dflt) {
                    return NULL;
                }
            }
            if (star) {
                n_kwonly++;
            }
            else {
                if (dflt) {
                    n_defaults++;
                }
                else if (n_defaults) {
                    return NULL; /* parameter without a default follows one with */
                }
                n_args++;
            }
            PUSH(p, arg);
            PUSH(p, dflt);
            commented = &arg;
        }
        bool comma = accept(p, T_COMMA);
        if (!lambda && at(p) == T_TYPE_COMMENT && commented) {
            PyObject *tc = nj_parse_type_comment(p, peek(p));
            if (!tc) {
                return NULL;
            }
            (*commented)->type_comment = tc;
            p->pos++;
        }
        if (!comma) {
            break;
        }
        if (kwarg) {
            break;
        }
    }
    if (star && !vararg && n_kwonly == 0) {
        return NULL;
    }
    if (at(p) != closing) {
        if (lambda) {
            p->tmp_len = base; /* the caller words it: expected ':' */
        }
        else {
            return NULL;
        }
    }
    if (posonly < 0) {
        posonly = 0;
    }
    NjArena *a = p->arena;
    NjSeq *pos_seq = posonly ? nj_seq_new(posonly, a) : NULL;
    NjSeq *arg_seq = n_args > posonly ? nj_seq_new(n_args - posonly, a) : NULL;
    NjSeq *kw_seq = n_kwonly ? nj_seq_new(n_kwonly, a) : NULL;
    NjSeq *kwd_seq = n_kwonly ? nj_seq_new(n_kwonly, a) : NULL;
    NjSeq *def_seq = n_defaults ? nj_seq_new(n_defaults, a) : NULL;
    if (PyErr_Occurred()) {
        return NULL;
    }
    for (int i = 0; i < n_args + n_kwonly; i++) {
        void *arg = p->tmp[base + 2 * i];
        void *dflt = p->tmp[base + 2 * i + 1];
        if (i < posonly) {
            pos_seq->at[i] = arg;
        }
        else if (i < n_args) {
            arg_seq->at[i - posonly] = arg;
        }
        else {
            kw_seq->at[i - n_args] = arg;
            kwd_seq->at[i - n_args] = dflt;
        }
        if (i < n_args && i >= n_args - n_defaults) {
            def_seq->at[i - (n_args - n_defaults)] = dflt;
        }
    }
    p->tmp_len = base;
    return nj_ast_arguments(pos_seq, arg_seq, vararg, kw_seq, kwd_seq, kwarg, def_seq, a);
}

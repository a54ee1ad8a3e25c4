/* ast_opt.c - rewriting the tree before compilation.
 *
 * One walk over the whole tree. Most constant folding happens later on the flow graph;
 * here is only what must be seen by the symbol table or by ast.parse(optimize=...).
 * The walk also knows whether it is inside a `finally' and warns (PEP 765) about jumps
 * that would swallow an exception.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/ast_opt.h"

#include "frontend/symtable.h"

typedef struct Opt {
    NjArena *arena;
    PyObject *filename;
    PyObject *module;
    int optimize;
    int flags;
    bool check_only;
    /* The innermost finally, as seen by jumps in it. */
    bool in_finally;
    bool in_funcdef;
    bool in_loop;
} Opt;

#define TRY(x)                                                                         \
    do {                                                                               \
        if ((x) < 0) {                                                                 \
            return -1;                                                                 \
        }                                                                              \
    } while (0)

static int walk_expr(Opt *o, NjExpr *e);
static int walk_stmt(Opt *o, NjStmt *s);

/* ---- warnings ------------------------------------------------------------------------ */

static int
warn_finally(Opt *o, const char *kw, NjStmt *s)
{
    NJ_OWN msg = PyUnicode_FromFormat("'%s' in a 'finally' block", kw);
    if (msg == NULL) {
        return -1;
    }
    if (PyErr_WarnExplicitObject(PyExc_SyntaxWarning, msg, o->filename, s->pos.lineno,
                                 o->module, NULL) < 0) {
        if (PyErr_ExceptionMatches(PyExc_SyntaxWarning)) {
            PyErr_Clear();
            nj_syntax_error_at(o->filename, s->pos, "%U", msg);
        }
        return -1;
    }
    return 0;
}

/* ---- '%' formatting ------------------------------------------------------------------ */

/* Builds the parts of an f-string; NULL without exception: not simple enough. */
typedef struct Format {
    Opt *o;
    PyObject *text;
    Py_ssize_t pos;
    Py_ssize_t len;
} Format;

static NjExpr *
parse_literal(Format *f)
{
    bool has_percents = false;
    Py_ssize_t start = f->pos;
    while (f->pos < f->len) {
        if (PyUnicode_READ_CHAR(f->text, f->pos) != '%') {
            f->pos++;
        }
        else if (f->pos + 1 < f->len && PyUnicode_READ_CHAR(f->text, f->pos + 1) == '%') {
            has_percents = true;
            f->pos += 2;
        }
        else {
            break;
        }
    }
    if (f->pos == start) {
        return NULL;
    }
    NJ_OWN s = PyUnicode_Substring(f->text, start, f->pos);
    if (s != NULL && has_percents) {
        NJ_OWN two = PyUnicode_FromString("%%");
        NJ_OWN one = PyUnicode_FromString("%");
        NJ_SET(s, two && one ? PyUnicode_Replace(s, two, one, -1) : NULL);
    }
    PyObject *kept = s == NULL ? NULL : nj_arena_keep(f->o->arena, NJ_TAKE(s));
    return kept == NULL ? NULL
                        : nj_ast_Constant(kept, NULL, (NjPos){-1, -1, -1, -1},
                                          f->o->arena);
}

#define MAXDIGITS 3

/* Digits of a width or precision; -1: none; -2: too many. */
static int
parse_digits(Format *f)
{
    if (f->pos >= f->len || !Py_UNICODE_ISDIGIT(PyUnicode_READ_CHAR(f->text, f->pos))) {
        return -1;
    }
    int v = 0, digits = 0;
    while (f->pos < f->len) {
        Py_UCS4 ch = PyUnicode_READ_CHAR(f->text, f->pos);
        if (ch < '0' || ch > '9') {
            break;
        }
        f->pos++;
        if (++digits >= MAXDIGITS) {
            return -2;
        }
        v = v * 10 + (int)(ch - '0');
    }
    return v;
}

static NjExpr *
parse_format(Format *f, NjExpr *arg)
{
    f->pos++; /* the percent sign */
    bool left = false;
    while (f->pos < f->len) {
        Py_UCS4 ch = PyUnicode_READ_CHAR(f->text, f->pos);
        if (ch == '-') {
            left = true;
        }
        else if (ch == '+' || ch == ' ' || ch == '#' || ch == '0') {
            /* No effect on strings. */
        }
        else {
            break;
        }
        f->pos++;
    }
    int width = parse_digits(f), prec = -1;
    if (width == -2) {
        return NULL;
    }
    if (f->pos < f->len && PyUnicode_READ_CHAR(f->text, f->pos) == '.') {
        f->pos++;
        prec = parse_digits(f);
        if (prec == -2) {
            return NULL;
        }
        prec = prec < 0 ? 0 : prec;
    }
    if (f->pos >= f->len) {
        return NULL;
    }
    Py_UCS4 spec = PyUnicode_READ_CHAR(f->text, f->pos++);
    if (spec != 's' && spec != 'r' && spec != 'a') {
        return NULL;
    }
    NjExpr *format_spec = NULL;
    char buf[32], *p = buf;
    if (!left && width > 0) {
        *p++ = '>';
    }
    if (width >= 0) {
        p += PyOS_snprintf(p, 8, "%d", width);
    }
    if (prec >= 0) {
        p += PyOS_snprintf(p, 8, ".%d", prec);
    }
    if (p > buf) {
        NJ_OWN s = PyUnicode_FromStringAndSize(buf, p - buf);
        PyObject *kept = s == NULL ? NULL : nj_arena_keep(f->o->arena, NJ_TAKE(s));
        NjExpr *lit =
            kept == NULL ? NULL : nj_ast_Constant(kept, NULL, arg->pos, f->o->arena);
        NjSeq *seq = lit == NULL ? NULL : nj_seq_new(1, f->o->arena);
        if (seq == NULL) {
            return NULL;
        }
        seq->at[0] = lit;
        format_spec = nj_ast_JoinedStr(seq, arg->pos, f->o->arena);
        if (format_spec == NULL) {
            return NULL;
        }
    }
    return nj_ast_FormattedValue(arg, (int)spec, format_spec, arg->pos, f->o->arena);
}

static int
optimize_format(Opt *o, NjExpr *e)
{
    NjExpr *left = e->v.BinOp.left, *right = e->v.BinOp.right;
    if (e->v.BinOp.op != NJ_Mod || left->kind != NJ_Constant || right->kind != NJ_Tuple ||
        !PyUnicode_Check(left->v.Constant.value)) {
        return 0;
    }
    NjSeq *elts = right->v.Tuple.elts;
    Py_ssize_t n = NJ_SEQ_LEN(elts);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (((NjExpr *)elts->at[i])->kind == NJ_Starred) {
            return 0;
        }
    }
    Format f = {o, left->v.Constant.value, 0, PyUnicode_GET_LENGTH(left->v.Constant.value)};
    NjSeq *seq = nj_seq_new(n * 2 + 1, o->arena);
    if (seq == NULL) {
        return -1;
    }
    seq->len = 0;
    Py_ssize_t used = 0;
    for (;;) {
        NjExpr *lit = parse_literal(&f);
        if (lit != NULL) {
            seq->at[seq->len++] = lit;
        }
        else if (PyErr_Occurred()) {
            return -1;
        }
        if (f.pos >= f.len) {
            break;
        }
        if (used >= n) {
            return 0;
        }
        NjExpr *v = parse_format(&f, elts->at[used]);
        if (v == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        seq->at[seq->len++] = v;
        used++;
    }
    if (used < n) {
        return 0;
    }
    e->kind = NJ_JoinedStr;
    e->v.JoinedStr.values = seq;
    return 0;
}

/* ---- literal patterns ---------------------------------------------------------------- */

static int
set_constant(Opt *o, NjExpr *e, NJ_STEALS PyObject *v)
{
    if (v == NULL) {
        if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    TRY(nj_arena_own(o->arena, v));
    e->kind = NJ_Constant;
    e->v.Constant.value = v;
    e->v.Constant.kind = NULL;
    return 0;
}

static int
fold_negative(Opt *o, NjExpr *e)
{
    if (e->kind == NJ_UnaryOp && e->v.UnaryOp.op == NJ_USub &&
        e->v.UnaryOp.operand->kind == NJ_Constant) {
        return set_constant(o, e,
                            PyNumber_Negative(e->v.UnaryOp.operand->v.Constant.value));
    }
    return 0;
}

static int
fold_pattern_value(Opt *o, NjExpr *e)
{
    if (e->kind == NJ_UnaryOp) {
        return fold_negative(o, e);
    }
    if (e->kind == NJ_BinOp && (e->v.BinOp.op == NJ_Add || e->v.BinOp.op == NJ_Sub)) {
        NjExpr *l = e->v.BinOp.left, *r = e->v.BinOp.right;
        TRY(fold_negative(o, l));
        if (l->kind == NJ_Constant && r->kind == NJ_Constant) {
            PyObject *a = l->v.Constant.value, *b = r->v.Constant.value;
            return set_constant(o, e,
                                e->v.BinOp.op == NJ_Add ? PyNumber_Add(a, b)
                                                        : PyNumber_Subtract(a, b));
        }
    }
    return 0;
}

/* ---- the walk ------------------------------------------------------------------------ */

static int
walk_exprs(Opt *o, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        if (seq->at[i]) {
            TRY(walk_expr(o, seq->at[i]));
        }
    }
    return 0;
}

static int
walk_opt(Opt *o, NjExpr *e)
{
    return e == NULL ? 0 : walk_expr(o, e);
}

static int
walk_stmts(Opt *o, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        TRY(walk_stmt(o, seq->at[i]));
    }
    return 0;
}

static int
walk_annotation(Opt *o, NjExpr *e)
{
    return e == NULL || (o->flags & CO_FUTURE_ANNOTATIONS) ? 0 : walk_expr(o, e);
}

static int
walk_args(Opt *o, NjSeq *args)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(args); i++) {
        TRY(walk_annotation(o, ((NjArg *)args->at[i])->annotation));
    }
    return 0;
}

static int
walk_arguments(Opt *o, NjArguments *a)
{
    TRY(walk_args(o, a->posonlyargs));
    TRY(walk_args(o, a->args));
    TRY(a->vararg ? walk_annotation(o, a->vararg->annotation) : 0);
    TRY(walk_args(o, a->kwonlyargs));
    TRY(walk_exprs(o, a->kw_defaults));
    TRY(a->kwarg ? walk_annotation(o, a->kwarg->annotation) : 0);
    return walk_exprs(o, a->defaults);
}

static int
walk_generators(Opt *o, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        NjComprehension *g = seq->at[i];
        TRY(walk_expr(o, g->target));
        TRY(walk_expr(o, g->iter));
        TRY(walk_exprs(o, g->ifs));
    }
    return 0;
}

static int
walk_keywords(Opt *o, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        TRY(walk_expr(o, ((NjKeyword *)seq->at[i])->value));
    }
    return 0;
}

static int
walk_expr_inner(Opt *o, NjExpr *e)
{
    switch (e->kind) {
    case NJ_NamedExpr:
        return walk_expr(o, e->v.NamedExpr.value);
    case NJ_BoolOp:
        return walk_exprs(o, e->v.BoolOp.values);
    case NJ_BinOp:
        TRY(walk_expr(o, e->v.BinOp.left));
        TRY(walk_expr(o, e->v.BinOp.right));
        return o->check_only ? 0 : optimize_format(o, e);
    case NJ_UnaryOp:
        return walk_expr(o, e->v.UnaryOp.operand);
    case NJ_Lambda:
        TRY(walk_arguments(o, e->v.Lambda.args));
        return walk_expr(o, e->v.Lambda.body);
    case NJ_IfExp:
        TRY(walk_expr(o, e->v.IfExp.test));
        TRY(walk_expr(o, e->v.IfExp.body));
        return walk_expr(o, e->v.IfExp.orelse);
    case NJ_Dict:
        TRY(walk_exprs(o, e->v.Dict.keys));
        return walk_exprs(o, e->v.Dict.values);
    case NJ_Set:
        return walk_exprs(o, e->v.Set.elts);
    case NJ_ListComp:
        TRY(walk_expr(o, e->v.ListComp.elt));
        return walk_generators(o, e->v.ListComp.generators);
    case NJ_SetComp:
        TRY(walk_expr(o, e->v.SetComp.elt));
        return walk_generators(o, e->v.SetComp.generators);
    case NJ_DictComp:
        TRY(walk_expr(o, e->v.DictComp.key));
        TRY(walk_expr(o, e->v.DictComp.value));
        return walk_generators(o, e->v.DictComp.generators);
    case NJ_GeneratorExp:
        TRY(walk_expr(o, e->v.GeneratorExp.elt));
        return walk_generators(o, e->v.GeneratorExp.generators);
    case NJ_Await:
        return walk_expr(o, e->v.Await.value);
    case NJ_Yield:
        return walk_opt(o, e->v.Yield.value);
    case NJ_YieldFrom:
        return walk_expr(o, e->v.YieldFrom.value);
    case NJ_Compare:
        TRY(walk_expr(o, e->v.Compare.left));
        return walk_exprs(o, e->v.Compare.comparators);
    case NJ_Call:
        TRY(walk_expr(o, e->v.Call.func));
        TRY(walk_exprs(o, e->v.Call.args));
        return walk_keywords(o, e->v.Call.keywords);
    case NJ_FormattedValue:
        TRY(walk_expr(o, e->v.FormattedValue.value));
        return walk_opt(o, e->v.FormattedValue.format_spec);
    case NJ_Interpolation:
        TRY(walk_expr(o, e->v.Interpolation.value));
        return walk_opt(o, e->v.Interpolation.format_spec);
    case NJ_JoinedStr:
        return walk_exprs(o, e->v.JoinedStr.values);
    case NJ_TemplateStr:
        return walk_exprs(o, e->v.TemplateStr.values);
    case NJ_Attribute:
        return walk_expr(o, e->v.Attribute.value);
    case NJ_Subscript:
        TRY(walk_expr(o, e->v.Subscript.value));
        return walk_expr(o, e->v.Subscript.slice);
    case NJ_Starred:
        return walk_expr(o, e->v.Starred.value);
    case NJ_Slice:
        TRY(walk_opt(o, e->v.Slice.lower));
        TRY(walk_opt(o, e->v.Slice.upper));
        return walk_opt(o, e->v.Slice.step);
    case NJ_List:
        return walk_exprs(o, e->v.List.elts);
    case NJ_Tuple:
        return walk_exprs(o, e->v.Tuple.elts);
    case NJ_Name:
        if (!o->check_only && e->v.Name.ctx == NJ_Load &&
            PyUnicode_EqualToUTF8(e->v.Name.id, "__debug__")) {
            return set_constant(o, e, PyBool_FromLong(o->optimize == 0));
        }
        return 0;
    default:
        return 0;
    }
}

static int
walk_expr(Opt *o, NjExpr *e)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = walk_expr_inner(o, e);
    Py_LeaveRecursiveCall();
    return r;
}

static int
walk_pattern(Opt *o, NjPattern *p)
{
    NjSeq *seqs[2] = {NULL, NULL};
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = 0;
    switch (p->kind) {
    case NJ_MatchValue:
        r = o->check_only ? 0 : fold_pattern_value(o, p->v.MatchValue.value);
        break;
    case NJ_MatchSequence:
        seqs[0] = p->v.MatchSequence.patterns;
        break;
    case NJ_MatchMapping:
        for (Py_ssize_t i = 0; r == 0 && i < NJ_SEQ_LEN(p->v.MatchMapping.keys); i++) {
            if (p->v.MatchMapping.keys->at[i] && !o->check_only) {
                r = fold_pattern_value(o, p->v.MatchMapping.keys->at[i]);
            }
        }
        seqs[0] = p->v.MatchMapping.patterns;
        break;
    case NJ_MatchClass:
        r = walk_expr(o, p->v.MatchClass.cls);
        seqs[0] = p->v.MatchClass.patterns;
        seqs[1] = p->v.MatchClass.kwd_patterns;
        break;
    case NJ_MatchAs:
        r = p->v.MatchAs.pattern ? walk_pattern(o, p->v.MatchAs.pattern) : 0;
        break;
    case NJ_MatchOr:
        seqs[0] = p->v.MatchOr.patterns;
        break;
    }
    for (int k = 0; k < 2; k++) {
        for (Py_ssize_t i = 0; r == 0 && i < NJ_SEQ_LEN(seqs[k]); i++) {
            r = walk_pattern(o, seqs[k]->at[i]);
        }
    }
    Py_LeaveRecursiveCall();
    return r;
}

/* A body that may start with a docstring. */
static int
walk_body(Opt *o, NjSeq **body)
{
    NjSeq *seq = *body;
    bool had_doc = nj_ast_docstring(seq) != NULL;
    if (had_doc && o->optimize >= 2 && !o->check_only) {
        NjStmt *doc = seq->at[0];
        NjSeq *rest = nj_seq_new(Py_MAX(seq->len - 1, 1), o->arena);
        if (rest == NULL) {
            return -1;
        }
        if (seq->len == 1) {
            NjPos pos = doc->pos;
            pos.end_lineno = pos.lineno;
            pos.end_col_offset = pos.col_offset + 4;
            rest->at[0] = nj_ast_Pass(pos, o->arena);
            if (rest->at[0] == NULL) {
                return -1;
            }
        }
        else {
            memcpy(rest->at, seq->at + 1, (seq->len - 1) * sizeof(void *));
        }
        *body = seq = rest;
        had_doc = false;
    }
    TRY(walk_stmts(o, seq));
    if (!had_doc && nj_ast_docstring(seq) != NULL) {
        /* What was folded to a string is no docstring: hide it in an f-string. */
        NjStmt *s = seq->at[0];
        NjSeq *values = nj_seq_new(1, o->arena);
        if (values == NULL) {
            return -1;
        }
        values->at[0] = s->v.Expr.value;
        s->v.Expr.value = nj_ast_JoinedStr(values, s->v.Expr.value->pos, o->arena);
        if (s->v.Expr.value == NULL) {
            return -1;
        }
    }
    return 0;
}

static int
walk_type_params(Opt *o, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        NjTypeParam *tp = seq->at[i];
        switch (tp->kind) {
        case NJ_TypeVar:
            TRY(walk_opt(o, tp->v.TypeVar.bound));
            TRY(walk_opt(o, tp->v.TypeVar.default_value));
            break;
        case NJ_ParamSpec:
            TRY(walk_opt(o, tp->v.ParamSpec.default_value));
            break;
        default:
            TRY(walk_opt(o, tp->v.TypeVarTuple.default_value));
        }
    }
    return 0;
}

static int
walk_function(Opt *o, NjSeq *type_params, NjArguments *args, NjSeq **body, NjSeq *decorators,
              NjExpr *returns)
{
    TRY(walk_type_params(o, type_params));
    TRY(walk_arguments(o, args));
    bool f = o->in_finally, d = o->in_funcdef, l = o->in_loop;
    o->in_funcdef = true;
    o->in_finally = o->in_loop = false;
    TRY(walk_body(o, body));
    o->in_finally = f;
    o->in_funcdef = d;
    o->in_loop = l;
    TRY(walk_exprs(o, decorators));
    return walk_annotation(o, returns);
}

static int
walk_loop_body(Opt *o, NjSeq *body)
{
    bool l = o->in_loop;
    o->in_loop = true;
    TRY(walk_stmts(o, body));
    o->in_loop = l;
    return 0;
}

static int
walk_try(Opt *o, NjSeq *body, NjSeq *handlers, NjSeq *orelse, NjSeq *finalbody)
{
    TRY(walk_stmts(o, body));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(handlers); i++) {
        NjExceptHandler *h = handlers->at[i];
        TRY(walk_opt(o, h->v.ExceptHandler.type));
        TRY(walk_stmts(o, h->v.ExceptHandler.body));
    }
    TRY(walk_stmts(o, orelse));
    bool f = o->in_finally, d = o->in_funcdef, l = o->in_loop;
    o->in_finally = true;
    o->in_funcdef = o->in_loop = false;
    TRY(walk_stmts(o, finalbody));
    o->in_finally = f;
    o->in_funcdef = d;
    o->in_loop = l;
    return 0;
}

static int
walk_items(Opt *o, NjSeq *items)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(items); i++) {
        NjWithItem *w = items->at[i];
        TRY(walk_expr(o, w->context_expr));
        TRY(walk_opt(o, w->optional_vars));
    }
    return 0;
}

static int
walk_stmt_inner(Opt *o, NjStmt *s)
{
    switch (s->kind) {
    case NJ_FunctionDef:
        return walk_function(o, s->v.FunctionDef.type_params, s->v.FunctionDef.args,
                             &s->v.FunctionDef.body, s->v.FunctionDef.decorator_list,
                             s->v.FunctionDef.returns);
    case NJ_AsyncFunctionDef:
        return walk_function(o, s->v.AsyncFunctionDef.type_params, s->v.AsyncFunctionDef.args,
                             &s->v.AsyncFunctionDef.body,
                             s->v.AsyncFunctionDef.decorator_list,
                             s->v.AsyncFunctionDef.returns);
    case NJ_ClassDef:
        TRY(walk_type_params(o, s->v.ClassDef.type_params));
        TRY(walk_exprs(o, s->v.ClassDef.bases));
        TRY(walk_keywords(o, s->v.ClassDef.keywords));
        TRY(walk_body(o, &s->v.ClassDef.body));
        return walk_exprs(o, s->v.ClassDef.decorator_list);
    case NJ_Return:
        if (o->in_finally && !o->in_funcdef) {
            TRY(warn_finally(o, "return", s));
        }
        return walk_opt(o, s->v.Return.value);
    case NJ_Delete:
        return walk_exprs(o, s->v.Delete.targets);
    case NJ_Assign:
        TRY(walk_exprs(o, s->v.Assign.targets));
        return walk_expr(o, s->v.Assign.value);
    case NJ_AugAssign:
        TRY(walk_expr(o, s->v.AugAssign.target));
        return walk_expr(o, s->v.AugAssign.value);
    case NJ_AnnAssign:
        TRY(walk_expr(o, s->v.AnnAssign.target));
        TRY(walk_annotation(o, s->v.AnnAssign.annotation));
        return walk_opt(o, s->v.AnnAssign.value);
    case NJ_TypeAlias:
        TRY(walk_expr(o, s->v.TypeAlias.name));
        TRY(walk_type_params(o, s->v.TypeAlias.type_params));
        return walk_expr(o, s->v.TypeAlias.value);
    case NJ_For:
        TRY(walk_expr(o, s->v.For.target));
        TRY(walk_expr(o, s->v.For.iter));
        TRY(walk_loop_body(o, s->v.For.body));
        return walk_stmts(o, s->v.For.orelse);
    case NJ_AsyncFor:
        TRY(walk_expr(o, s->v.AsyncFor.target));
        TRY(walk_expr(o, s->v.AsyncFor.iter));
        TRY(walk_loop_body(o, s->v.AsyncFor.body));
        return walk_stmts(o, s->v.AsyncFor.orelse);
    case NJ_While:
        TRY(walk_expr(o, s->v.While.test));
        TRY(walk_loop_body(o, s->v.While.body));
        return walk_stmts(o, s->v.While.orelse);
    case NJ_If:
        TRY(walk_expr(o, s->v.If.test));
        TRY(walk_stmts(o, s->v.If.body));
        return walk_stmts(o, s->v.If.orelse);
    case NJ_With:
        TRY(walk_items(o, s->v.With.items));
        return walk_stmts(o, s->v.With.body);
    case NJ_AsyncWith:
        TRY(walk_items(o, s->v.AsyncWith.items));
        return walk_stmts(o, s->v.AsyncWith.body);
    case NJ_Raise:
        TRY(walk_opt(o, s->v.Raise.exc));
        return walk_opt(o, s->v.Raise.cause);
    case NJ_Try:
        return walk_try(o, s->v.Try.body, s->v.Try.handlers, s->v.Try.orelse,
                        s->v.Try.finalbody);
    case NJ_TryStar:
        return walk_try(o, s->v.TryStar.body, s->v.TryStar.handlers, s->v.TryStar.orelse,
                        s->v.TryStar.finalbody);
    case NJ_Assert:
        TRY(walk_expr(o, s->v.Assert.test));
        return walk_opt(o, s->v.Assert.msg);
    case NJ_Expr:
        return walk_expr(o, s->v.Expr.value);
    case NJ_Match:
        TRY(walk_expr(o, s->v.Match.subject));
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.Match.cases); i++) {
            NjMatchCase *m = s->v.Match.cases->at[i];
            TRY(walk_pattern(o, m->pattern));
            TRY(walk_opt(o, m->guard));
            TRY(walk_stmts(o, m->body));
        }
        return 0;
    case NJ_Break:
        return o->in_finally && !o->in_loop && !o->in_funcdef ? warn_finally(o, "break", s)
                                                              : 0;
    case NJ_Continue:
        return o->in_finally && !o->in_loop && !o->in_funcdef
                   ? warn_finally(o, "continue", s)
                   : 0;
    default:
        return 0;
    }
}

static int
walk_stmt(Opt *o, NjStmt *s)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = walk_stmt_inner(o, s);
    Py_LeaveRecursiveCall();
    return r;
}

int
nj_ast_preprocess(NjMod *mod, NjArena *arena, PyObject *filename, PyObject *module,
                  int optimize, int flags, bool syntax_check_only)
{
    Opt o = {.arena = arena,
             .filename = filename,
             .module = module,
             .optimize = optimize,
             .flags = flags,
             .check_only = syntax_check_only};
    switch (mod->kind) {
    case NJ_Module:
        return walk_body(&o, &mod->v.Module.body);
    case NJ_Interactive:
        return walk_stmts(&o, mod->v.Interactive.body);
    case NJ_Expression:
        return walk_expr(&o, mod->v.Expression.body);
    default:
        return 0;
    }
}

/* ast_validate.c - checks a tree that came from Python objects for what the parser would
 * have guaranteed: contexts, non-empty lists, matching lengths, legal constants, positions.
 * The code generator relies on all of it.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/ast.h"

#define TRY(x)                                                                         \
    do {                                                                               \
        if ((x) < 0) {                                                                 \
            return -1;                                                                 \
        }                                                                              \
    } while (0)

static int check_stmt(NjStmt *s);
static int check_expr(NjExpr *e, int ctx);
static int check_pattern(NjPattern *p, bool star_ok);

static int
fail(const char *msg)
{
    PyErr_SetString(PyExc_ValueError, msg);
    return -1;
}

static int
check_pos(NjPos p)
{
    if (p.lineno > p.end_lineno) {
        PyErr_Format(PyExc_ValueError, "AST node line range (%d, %d) is not valid", p.lineno,
                     p.end_lineno);
        return -1;
    }
    if ((p.lineno < 0 && p.end_lineno != p.lineno) ||
        (p.col_offset < 0 && p.col_offset != p.end_col_offset)) {
        PyErr_Format(PyExc_ValueError,
                     "AST node column range (%d, %d) for line range (%d, %d) is not valid",
                     p.col_offset, p.end_col_offset, p.lineno, p.end_lineno);
        return -1;
    }
    if (p.lineno == p.end_lineno && p.col_offset > p.end_col_offset) {
        PyErr_Format(PyExc_ValueError, "line %d, column %d-%d is not a valid range", p.lineno,
                     p.col_offset, p.end_col_offset);
        return -1;
    }
    return 0;
}

static int
check_identifier(PyObject *name)
{
    static const char *const RESERVED[] = {"None", "True", "False"};
    for (int i = 0; i < 3; i++) {
        if (PyUnicode_EqualToUTF8(name, RESERVED[i])) {
            PyErr_Format(PyExc_ValueError, "identifier field can't represent '%s' constant",
                         RESERVED[i]);
            return -1;
        }
    }
    return 0;
}

static int
check_identifiers(NjSeq *names)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(names); i++) {
        if (names->at[i] == NULL) {
            return fail("None disallowed in identifier list");
        }
    }
    return 0;
}

static int
check_nonempty(NjSeq *seq, const char *what, const char *owner)
{
    if (NJ_SEQ_LEN(seq) > 0) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError, "empty %s on %s", what, owner);
    return -1;
}

static int
check_exprs(NjSeq *seq, int ctx, bool null_ok)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        if (seq->at[i] != NULL) {
            TRY(check_expr(seq->at[i], ctx));
        }
        else if (!null_ok) {
            return fail("None disallowed in expression list");
        }
    }
    return 0;
}

static int
check_stmts(NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        if (seq->at[i] == NULL) {
            return fail("None disallowed in statement list");
        }
        TRY(check_stmt(seq->at[i]));
    }
    return 0;
}

static int
check_body(NjSeq *body, const char *owner)
{
    TRY(check_nonempty(body, "body", owner));
    return check_stmts(body);
}

static int
check_assign_list(NjSeq *targets, int ctx)
{
    TRY(check_nonempty(targets, "targets", ctx == NJ_Del ? "Delete" : "Assign"));
    return check_exprs(targets, ctx, false);
}

static int
check_args(NjSeq *args)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(args); i++) {
        NjArg *a = args->at[i];
        TRY(check_pos(a->pos));
        if (a->annotation) {
            TRY(check_expr(a->annotation, NJ_Load));
        }
    }
    return 0;
}

static int
check_arguments(NjArguments *a)
{
    TRY(check_args(a->posonlyargs));
    TRY(check_args(a->args));
    if (a->vararg && a->vararg->annotation) {
        TRY(check_expr(a->vararg->annotation, NJ_Load));
    }
    TRY(check_args(a->kwonlyargs));
    if (a->kwarg && a->kwarg->annotation) {
        TRY(check_expr(a->kwarg->annotation, NJ_Load));
    }
    if (NJ_SEQ_LEN(a->defaults) > NJ_SEQ_LEN(a->posonlyargs) + NJ_SEQ_LEN(a->args)) {
        return fail("more positional defaults than args on arguments");
    }
    if (NJ_SEQ_LEN(a->kw_defaults) != NJ_SEQ_LEN(a->kwonlyargs)) {
        return fail("length of kwonlyargs is not the same as kw_defaults on arguments");
    }
    TRY(check_exprs(a->defaults, NJ_Load, false));
    return check_exprs(a->kw_defaults, NJ_Load, true);
}

static int
check_keywords(NjSeq *kws)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(kws); i++) {
        TRY(check_expr(((NjKeyword *)kws->at[i])->value, NJ_Load));
    }
    return 0;
}

static int
check_generators(NjSeq *gens)
{
    if (NJ_SEQ_LEN(gens) == 0) {
        return fail("comprehension with no generators");
    }
    for (Py_ssize_t i = 0; i < gens->len; i++) {
        NjComprehension *g = gens->at[i];
        TRY(check_expr(g->target, NJ_Store));
        TRY(check_expr(g->iter, NJ_Load));
        TRY(check_exprs(g->ifs, NJ_Load, false));
    }
    return 0;
}

static int
check_constant(PyObject *v)
{
    if (v == Py_None || v == Py_Ellipsis || PyLong_CheckExact(v) || PyFloat_CheckExact(v) ||
        PyComplex_CheckExact(v) || PyBool_Check(v) || PyUnicode_CheckExact(v) ||
        PyBytes_CheckExact(v)) {
        return 0;
    }
    if (PyTuple_CheckExact(v) || PyFrozenSet_CheckExact(v)) {
        if (Py_EnterRecursiveCall(" during compilation")) {
            return -1;
        }
        NJ_OWN items = PySequence_Tuple(v);
        int r = items == NULL ? -1 : 0;
        for (Py_ssize_t i = 0; r == 0 && i < PyTuple_GET_SIZE(items); i++) {
            r = check_constant(PyTuple_GET_ITEM(items, i));
        }
        Py_LeaveRecursiveCall();
        return r;
    }
    PyErr_Format(PyExc_TypeError, "got an invalid type in Constant: %s",
                 Py_TYPE(v)->tp_name);
    return -1;
}

static const char *
ctx_name(int ctx)
{
    return ctx == NJ_Load ? "Load" : ctx == NJ_Store ? "Store" : "Del";
}

static int
check_expr_inner(NjExpr *e, int ctx)
{
    int actual;
    switch (e->kind) {
    case NJ_Attribute:
        actual = e->v.Attribute.ctx;
        break;
    case NJ_Subscript:
        actual = e->v.Subscript.ctx;
        break;
    case NJ_Starred:
        actual = e->v.Starred.ctx;
        break;
    case NJ_Name:
        TRY(check_identifier(e->v.Name.id));
        actual = e->v.Name.ctx;
        break;
    case NJ_List:
        actual = e->v.List.ctx;
        break;
    case NJ_Tuple:
        actual = e->v.Tuple.ctx;
        break;
    default:
        if (ctx != NJ_Load) {
            PyErr_Format(PyExc_ValueError,
                         "expression which can't be assigned to in %s context", ctx_name(ctx));
            return -1;
        }
        actual = 0;
    }
    if (actual != 0 && actual != ctx) {
        PyErr_Format(PyExc_ValueError,
                     "expression must have %s context but has %s instead", ctx_name(ctx),
                     ctx_name(actual));
        return -1;
    }
    switch (e->kind) {
    case NJ_BoolOp:
        if (NJ_SEQ_LEN(e->v.BoolOp.values) < 2) {
            return fail("BoolOp with less than 2 values");
        }
        return check_exprs(e->v.BoolOp.values, NJ_Load, false);
    case NJ_BinOp:
        TRY(check_expr(e->v.BinOp.left, NJ_Load));
        return check_expr(e->v.BinOp.right, NJ_Load);
    case NJ_UnaryOp:
        return check_expr(e->v.UnaryOp.operand, NJ_Load);
    case NJ_Lambda:
        TRY(check_arguments(e->v.Lambda.args));
        return check_expr(e->v.Lambda.body, NJ_Load);
    case NJ_IfExp:
        TRY(check_expr(e->v.IfExp.test, NJ_Load));
        TRY(check_expr(e->v.IfExp.body, NJ_Load));
        return check_expr(e->v.IfExp.orelse, NJ_Load);
    case NJ_Dict:
        if (NJ_SEQ_LEN(e->v.Dict.keys) != NJ_SEQ_LEN(e->v.Dict.values)) {
            return fail("Dict doesn't have the same number of keys as values");
        }
        TRY(check_exprs(e->v.Dict.keys, NJ_Load, true));
        return check_exprs(e->v.Dict.values, NJ_Load, false);
    case NJ_Set:
        return check_exprs(e->v.Set.elts, NJ_Load, false);
    case NJ_ListComp:
        TRY(check_generators(e->v.ListComp.generators));
        return check_expr(e->v.ListComp.elt, NJ_Load);
    case NJ_SetComp:
        TRY(check_generators(e->v.SetComp.generators));
        return check_expr(e->v.SetComp.elt, NJ_Load);
    case NJ_GeneratorExp:
        TRY(check_generators(e->v.GeneratorExp.generators));
        return check_expr(e->v.GeneratorExp.elt, NJ_Load);
    case NJ_DictComp:
        TRY(check_generators(e->v.DictComp.generators));
        TRY(check_expr(e->v.DictComp.key, NJ_Load));
        return check_expr(e->v.DictComp.value, NJ_Load);
    case NJ_Yield:
        return e->v.Yield.value ? check_expr(e->v.Yield.value, NJ_Load) : 0;
    case NJ_YieldFrom:
        return check_expr(e->v.YieldFrom.value, NJ_Load);
    case NJ_Await:
        return check_expr(e->v.Await.value, NJ_Load);
    case NJ_Compare:
        if (NJ_SEQ_LEN(e->v.Compare.comparators) == 0) {
            return fail("Compare with no comparators");
        }
        if (NJ_SEQ_LEN(e->v.Compare.comparators) != NJ_SEQ_LEN(e->v.Compare.ops)) {
            return fail("Compare has a different number of comparators and operands");
        }
        TRY(check_exprs(e->v.Compare.comparators, NJ_Load, false));
        return check_expr(e->v.Compare.left, NJ_Load);
    case NJ_Call:
        TRY(check_expr(e->v.Call.func, NJ_Load));
        TRY(check_exprs(e->v.Call.args, NJ_Load, false));
        return check_keywords(e->v.Call.keywords);
    case NJ_Constant:
        return check_constant(e->v.Constant.value);
    case NJ_JoinedStr:
        return check_exprs(e->v.JoinedStr.values, NJ_Load, false);
    case NJ_TemplateStr:
        return check_exprs(e->v.TemplateStr.values, NJ_Load, false);
    case NJ_FormattedValue:
        TRY(check_expr(e->v.FormattedValue.value, NJ_Load));
        return e->v.FormattedValue.format_spec
                   ? check_expr(e->v.FormattedValue.format_spec, NJ_Load)
                   : 0;
    case NJ_Interpolation:
        TRY(check_constant(e->v.Interpolation.str));
        TRY(check_expr(e->v.Interpolation.value, NJ_Load));
        return e->v.Interpolation.format_spec
                   ? check_expr(e->v.Interpolation.format_spec, NJ_Load)
                   : 0;
    case NJ_Attribute:
        return check_expr(e->v.Attribute.value, NJ_Load);
    case NJ_Subscript:
        TRY(check_expr(e->v.Subscript.slice, NJ_Load));
        return check_expr(e->v.Subscript.value, NJ_Load);
    case NJ_Starred:
        return check_expr(e->v.Starred.value, ctx);
    case NJ_Slice:
        TRY(e->v.Slice.lower ? check_expr(e->v.Slice.lower, NJ_Load) : 0);
        TRY(e->v.Slice.upper ? check_expr(e->v.Slice.upper, NJ_Load) : 0);
        return e->v.Slice.step ? check_expr(e->v.Slice.step, NJ_Load) : 0;
    case NJ_List:
        return check_exprs(e->v.List.elts, ctx, false);
    case NJ_Tuple:
        return check_exprs(e->v.Tuple.elts, ctx, false);
    case NJ_NamedExpr:
        if (e->v.NamedExpr.target->kind != NJ_Name) {
            PyErr_SetString(PyExc_TypeError, "NamedExpr target must be a Name");
            return -1;
        }
        return check_expr(e->v.NamedExpr.value, NJ_Load);
    default:
        return 0;
    }
}

static int
check_expr(NjExpr *e, int ctx)
{
    TRY(check_pos(e->pos));
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = check_expr_inner(e, ctx);
    Py_LeaveRecursiveCall();
    return r;
}

/* ---- patterns ------------------------------------------------------------------------ */

/* -1, 1+2j and the like. */
static bool
is_number(NjExpr *e, bool real, bool imaginary)
{
    if (e->kind != NJ_Constant) {
        return false;
    }
    PyObject *v = e->v.Constant.value;
    return (real && (PyLong_CheckExact(v) || PyFloat_CheckExact(v))) ||
           (imaginary && PyComplex_CheckExact(v));
}

static bool
is_signed_number(NjExpr *e, bool real, bool imaginary)
{
    if (e->kind == NJ_UnaryOp) {
        return e->v.UnaryOp.op == NJ_USub && is_number(e->v.UnaryOp.operand, real, imaginary);
    }
    return is_number(e, real, imaginary);
}

static int
check_match_value(NjExpr *e)
{
    TRY(check_expr(e, NJ_Load));
    switch (e->kind) {
    case NJ_Constant: {
        PyObject *v = e->v.Constant.value;
        if (v == Py_Ellipsis) {
            return fail("unexpected constant inside of a literal pattern");
        }
        if (PyLong_CheckExact(v) || PyFloat_CheckExact(v) || PyBytes_CheckExact(v) ||
            PyComplex_CheckExact(v) || PyUnicode_CheckExact(v)) {
            return 0;
        }
        return fail("unexpected constant inside of a literal pattern");
    }
    case NJ_Attribute:
        return 0;
    case NJ_UnaryOp:
        if (is_signed_number(e, true, true)) {
            return 0;
        }
        break;
    case NJ_BinOp:
        if ((e->v.BinOp.op == NJ_Add || e->v.BinOp.op == NJ_Sub) &&
            is_signed_number(e->v.BinOp.left, true, false) &&
            is_number(e->v.BinOp.right, false, true)) {
            return 0;
        }
        break;
    case NJ_JoinedStr:
    case NJ_TemplateStr:
        return 0; /* checked by check_expr */
    }
    return fail("patterns may only match literals and attribute lookups");
}

static int
check_capture(PyObject *name)
{
    if (PyUnicode_EqualToUTF8(name, "_")) {
        return fail("can't capture name '_' in patterns");
    }
    return check_identifier(name);
}

static int
check_patterns(NjSeq *seq, bool star_ok)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        TRY(check_pattern(seq->at[i], star_ok));
    }
    return 0;
}

static int
check_class_pattern(NjPattern *p)
{
    if (NJ_SEQ_LEN(p->v.MatchClass.kwd_attrs) != NJ_SEQ_LEN(p->v.MatchClass.kwd_patterns)) {
        return fail("MatchClass doesn't have the same number of keyword attributes as "
                    "patterns");
    }
    TRY(check_expr(p->v.MatchClass.cls, NJ_Load));
    for (NjExpr *cls = p->v.MatchClass.cls; cls->kind != NJ_Name;
         cls = cls->v.Attribute.value) {
        if (cls->kind != NJ_Attribute) {
            return fail("MatchClass cls field can only contain Name or Attribute nodes.");
        }
    }
    TRY(check_identifiers(p->v.MatchClass.kwd_attrs));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(p->v.MatchClass.kwd_attrs); i++) {
        TRY(check_identifier(p->v.MatchClass.kwd_attrs->at[i]));
    }
    TRY(check_patterns(p->v.MatchClass.patterns, false));
    return check_patterns(p->v.MatchClass.kwd_patterns, false);
}

static int
check_pattern_inner(NjPattern *p, bool star_ok)
{
    switch (p->kind) {
    case NJ_MatchValue:
        return check_match_value(p->v.MatchValue.value);
    case NJ_MatchSingleton: {
        PyObject *v = p->v.MatchSingleton.value;
        return v == Py_None || PyBool_Check(v)
                   ? 0
                   : fail("MatchSingleton can only contain True, False and None");
    }
    case NJ_MatchSequence:
        return check_patterns(p->v.MatchSequence.patterns, true);
    case NJ_MatchMapping:
        if (NJ_SEQ_LEN(p->v.MatchMapping.keys) != NJ_SEQ_LEN(p->v.MatchMapping.patterns)) {
            return fail("MatchMapping doesn't have the same number of keys as patterns");
        }
        if (p->v.MatchMapping.rest) {
            TRY(check_capture(p->v.MatchMapping.rest));
        }
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(p->v.MatchMapping.keys); i++) {
            NjExpr *key = p->v.MatchMapping.keys->at[i];
            if (key->kind == NJ_Constant) {
                PyObject *v = key->v.Constant.value;
                if (v == Py_None || PyBool_Check(v)) {
                    continue;
                }
            }
            TRY(check_match_value(key));
        }
        return check_patterns(p->v.MatchMapping.patterns, false);
    case NJ_MatchClass:
        return check_class_pattern(p);
    case NJ_MatchStar:
        if (!star_ok) {
            return fail("can't use MatchStar here");
        }
        return p->v.MatchStar.name ? check_capture(p->v.MatchStar.name) : 0;
    case NJ_MatchAs:
        if (p->v.MatchAs.name) {
            TRY(check_capture(p->v.MatchAs.name));
        }
        if (p->v.MatchAs.pattern == NULL) {
            return 0;
        }
        if (p->v.MatchAs.name == NULL) {
            return fail("MatchAs must specify a target name if a pattern is given");
        }
        return check_pattern(p->v.MatchAs.pattern, false);
    default:
        if (NJ_SEQ_LEN(p->v.MatchOr.patterns) < 2) {
            return fail("MatchOr requires at least 2 patterns");
        }
        return check_patterns(p->v.MatchOr.patterns, false);
    }
}

static int
check_pattern(NjPattern *p, bool star_ok)
{
    if (p == NULL) {
        return fail("None disallowed in pattern list");
    }
    TRY(check_pos(p->pos));
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = check_pattern_inner(p, star_ok);
    Py_LeaveRecursiveCall();
    return r;
}

/* ---- statements ---------------------------------------------------------------------- */

static int
check_type_params(NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        NjTypeParam *tp = seq->at[i];
        if (tp == NULL) {
            return fail("None disallowed in type_param list");
        }
        TRY(check_pos(tp->pos));
        switch (tp->kind) {
        case NJ_TypeVar:
            TRY(check_identifier(tp->v.TypeVar.name));
            TRY(tp->v.TypeVar.bound ? check_expr(tp->v.TypeVar.bound, NJ_Load) : 0);
            TRY(tp->v.TypeVar.default_value
                    ? check_expr(tp->v.TypeVar.default_value, NJ_Load)
                    : 0);
            break;
        case NJ_ParamSpec:
            TRY(check_identifier(tp->v.ParamSpec.name));
            TRY(tp->v.ParamSpec.default_value
                    ? check_expr(tp->v.ParamSpec.default_value, NJ_Load)
                    : 0);
            break;
        default:
            TRY(check_identifier(tp->v.TypeVarTuple.name));
            TRY(tp->v.TypeVarTuple.default_value
                    ? check_expr(tp->v.TypeVarTuple.default_value, NJ_Load)
                    : 0);
        }
    }
    return 0;
}

static int
check_function(const char *owner, NjSeq *body, NjSeq *type_params, NjArguments *args,
               NjSeq *decorators, NjExpr *returns)
{
    TRY(check_body(body, owner));
    TRY(check_type_params(type_params));
    TRY(check_arguments(args));
    TRY(check_exprs(decorators, NJ_Load, false));
    return returns ? check_expr(returns, NJ_Load) : 0;
}

static int
check_for(const char *owner, NjExpr *target, NjExpr *iter, NjSeq *body, NjSeq *orelse)
{
    TRY(check_expr(target, NJ_Store));
    TRY(check_expr(iter, NJ_Load));
    TRY(check_body(body, owner));
    return check_stmts(orelse);
}

static int
check_with(const char *owner, NjSeq *items, NjSeq *body)
{
    TRY(check_nonempty(items, "items", owner));
    for (Py_ssize_t i = 0; i < items->len; i++) {
        NjWithItem *w = items->at[i];
        TRY(check_expr(w->context_expr, NJ_Load));
        TRY(w->optional_vars ? check_expr(w->optional_vars, NJ_Store) : 0);
    }
    return check_body(body, owner);
}

static int
check_try(const char *owner, NjSeq *body, NjSeq *handlers, NjSeq *orelse, NjSeq *finalbody)
{
    TRY(check_body(body, owner));
    if (NJ_SEQ_LEN(handlers) == 0 && NJ_SEQ_LEN(finalbody) == 0) {
        PyErr_Format(PyExc_ValueError, "%s has neither except handlers nor finalbody", owner);
        return -1;
    }
    if (NJ_SEQ_LEN(handlers) == 0 && NJ_SEQ_LEN(orelse) > 0) {
        PyErr_Format(PyExc_ValueError, "%s has orelse but no except handlers", owner);
        return -1;
    }
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(handlers); i++) {
        NjExceptHandler *h = handlers->at[i];
        if (h == NULL) {
            return fail("None disallowed in excepthandler list");
        }
        TRY(check_pos(h->pos));
        TRY(h->v.ExceptHandler.type ? check_expr(h->v.ExceptHandler.type, NJ_Load) : 0);
        TRY(h->v.ExceptHandler.name ? check_identifier(h->v.ExceptHandler.name) : 0);
        TRY(check_body(h->v.ExceptHandler.body, "ExceptHandler"));
    }
    TRY(check_stmts(finalbody));
    return check_stmts(orelse);
}

static int
check_aliases(NjSeq *names)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(names); i++) {
        NjAlias *a = names->at[i];
        TRY(check_identifier(a->name));
        TRY(a->asname ? check_identifier(a->asname) : 0);
    }
    return 0;
}

static int
check_stmt_inner(NjStmt *s)
{
    switch (s->kind) {
    case NJ_FunctionDef:
        TRY(check_identifier(s->v.FunctionDef.name));
        return check_function("FunctionDef", s->v.FunctionDef.body,
                              s->v.FunctionDef.type_params, s->v.FunctionDef.args,
                              s->v.FunctionDef.decorator_list, s->v.FunctionDef.returns);
    case NJ_AsyncFunctionDef:
        TRY(check_identifier(s->v.AsyncFunctionDef.name));
        return check_function(
            "AsyncFunctionDef", s->v.AsyncFunctionDef.body, s->v.AsyncFunctionDef.type_params,
            s->v.AsyncFunctionDef.args, s->v.AsyncFunctionDef.decorator_list,
            s->v.AsyncFunctionDef.returns);
    case NJ_ClassDef:
        TRY(check_identifier(s->v.ClassDef.name));
        TRY(check_body(s->v.ClassDef.body, "ClassDef"));
        TRY(check_type_params(s->v.ClassDef.type_params));
        TRY(check_exprs(s->v.ClassDef.bases, NJ_Load, false));
        TRY(check_keywords(s->v.ClassDef.keywords));
        return check_exprs(s->v.ClassDef.decorator_list, NJ_Load, false);
    case NJ_Return:
        return s->v.Return.value ? check_expr(s->v.Return.value, NJ_Load) : 0;
    case NJ_Delete:
        return check_assign_list(s->v.Delete.targets, NJ_Del);
    case NJ_Assign:
        TRY(check_assign_list(s->v.Assign.targets, NJ_Store));
        return check_expr(s->v.Assign.value, NJ_Load);
    case NJ_AugAssign:
        TRY(check_expr(s->v.AugAssign.target, NJ_Store));
        return check_expr(s->v.AugAssign.value, NJ_Load);
    case NJ_AnnAssign:
        if (s->v.AnnAssign.target->kind != NJ_Name && s->v.AnnAssign.simple) {
            PyErr_SetString(PyExc_TypeError, "AnnAssign with simple non-Name target");
            return -1;
        }
        TRY(check_expr(s->v.AnnAssign.target, NJ_Store));
        TRY(s->v.AnnAssign.value ? check_expr(s->v.AnnAssign.value, NJ_Load) : 0);
        return check_expr(s->v.AnnAssign.annotation, NJ_Load);
    case NJ_TypeAlias:
        if (s->v.TypeAlias.name->kind != NJ_Name) {
            PyErr_SetString(PyExc_TypeError, "TypeAlias with non-Name name");
            return -1;
        }
        TRY(check_expr(s->v.TypeAlias.name, NJ_Store));
        TRY(check_type_params(s->v.TypeAlias.type_params));
        return check_expr(s->v.TypeAlias.value, NJ_Load);
    case NJ_For:
        return check_for("For", s->v.For.target, s->v.For.iter, s->v.For.body,
                         s->v.For.orelse);
    case NJ_AsyncFor:
        return check_for("AsyncFor", s->v.AsyncFor.target, s->v.AsyncFor.iter,
                         s->v.AsyncFor.body, s->v.AsyncFor.orelse);
    case NJ_While:
        TRY(check_expr(s->v.While.test, NJ_Load));
        TRY(check_body(s->v.While.body, "While"));
        return check_stmts(s->v.While.orelse);
    case NJ_If:
        TRY(check_expr(s->v.If.test, NJ_Load));
        TRY(check_body(s->v.If.body, "If"));
        return check_stmts(s->v.If.orelse);
    case NJ_With:
        return check_with("With", s->v.With.items, s->v.With.body);
    case NJ_AsyncWith:
        return check_with("AsyncWith", s->v.AsyncWith.items, s->v.AsyncWith.body);
    case NJ_Match:
        TRY(check_expr(s->v.Match.subject, NJ_Load));
        TRY(check_nonempty(s->v.Match.cases, "cases", "Match"));
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.Match.cases); i++) {
            NjMatchCase *m = s->v.Match.cases->at[i];
            TRY(check_pattern(m->pattern, false));
            TRY(m->guard ? check_expr(m->guard, NJ_Load) : 0);
            TRY(check_body(m->body, "match_case"));
        }
        return 0;
    case NJ_Raise:
        if (s->v.Raise.exc) {
            TRY(check_expr(s->v.Raise.exc, NJ_Load));
            return s->v.Raise.cause ? check_expr(s->v.Raise.cause, NJ_Load) : 0;
        }
        return s->v.Raise.cause ? fail("Raise with cause but no exception") : 0;
    case NJ_Try:
        return check_try("Try", s->v.Try.body, s->v.Try.handlers, s->v.Try.orelse,
                         s->v.Try.finalbody);
    case NJ_TryStar:
        return check_try("TryStar", s->v.TryStar.body, s->v.TryStar.handlers,
                         s->v.TryStar.orelse, s->v.TryStar.finalbody);
    case NJ_Assert:
        TRY(check_expr(s->v.Assert.test, NJ_Load));
        return s->v.Assert.msg ? check_expr(s->v.Assert.msg, NJ_Load) : 0;
    case NJ_Import:
        TRY(check_nonempty(s->v.Import.names, "names", "Import"));
        return check_aliases(s->v.Import.names);
    case NJ_ImportFrom:
        if (s->v.ImportFrom.level < 0) {
            return fail("Negative ImportFrom level");
        }
        TRY(check_nonempty(s->v.ImportFrom.names, "names", "ImportFrom"));
        return check_aliases(s->v.ImportFrom.names);
    case NJ_Global:
        TRY(check_nonempty(s->v.Global.names, "names", "Global"));
        return check_identifiers(s->v.Global.names);
    case NJ_Nonlocal:
        TRY(check_nonempty(s->v.Nonlocal.names, "names", "Nonlocal"));
        return check_identifiers(s->v.Nonlocal.names);
    case NJ_Expr:
        return check_expr(s->v.Expr.value, NJ_Load);
    default:
        return 0;
    }
}

static int
check_stmt(NjStmt *s)
{
    TRY(check_pos(s->pos));
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = check_stmt_inner(s);
    Py_LeaveRecursiveCall();
    return r;
}

int
nj_ast_validate(NjMod *mod)
{
    switch (mod->kind) {
    case NJ_Module:
        return check_stmts(mod->v.Module.body);
    case NJ_Interactive:
        return check_stmts(mod->v.Interactive.body);
    case NJ_Expression:
        return check_expr(mod->v.Expression.body, NJ_Load);
    default:
        TRY(check_exprs(mod->v.FunctionType.argtypes, NJ_Load, false));
        return check_expr(mod->v.FunctionType.returns, NJ_Load);
    }
}

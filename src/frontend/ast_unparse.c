/* ast_unparse.c - expressions back to text, for `from __future__ import annotations'.
 *
 * Parentheses are put by precedence levels; strings and f-strings get the quotes that
 * repr() would choose. Builds one str with a PyUnicodeWriter.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/ast.h"

#define TRY(x)                                                                         \
    do {                                                                               \
        if ((x) < 0) {                                                                 \
            return -1;                                                                 \
        }                                                                              \
    } while (0)

/* Weakest first. */
enum {
    PR_TUPLE,
    PR_TEST,
    PR_OR,
    PR_AND,
    PR_NOT,
    PR_CMP,
    PR_EXPR,
    PR_BOR = PR_EXPR,
    PR_BXOR,
    PR_BAND,
    PR_SHIFT,
    PR_ARITH,
    PR_TERM,
    PR_FACTOR,
    PR_POWER,
    PR_AWAIT,
    PR_ATOM
};

typedef PyUnicodeWriter W;

static int put_expr(W *w, NjExpr *e, int level);

static int
put(W *w, const char *s)
{
    return PyUnicodeWriter_WriteASCII(w, s, (Py_ssize_t)strlen(s));
}

static int
put_str(W *w, PyObject *s)
{
    return PyUnicodeWriter_WriteStr(w, s);
}

static int
put_if(W *w, bool cond, const char *s)
{
    return cond ? put(w, s) : 0;
}

/* repr() of a constant; infinities as an overflowing literal. */
static int
put_repr(W *w, PyObject *o)
{
    if (PyFloat_CheckExact(o) || PyComplex_CheckExact(o)) {
        NJ_OWN r = PyObject_Repr(o);
        NJ_OWN inf = r ? PyUnicode_FromString("inf") : NULL;
        NJ_OWN big = inf ? PyUnicode_FromString("1e309") : NULL;
        NJ_OWN out = big ? PyUnicode_Replace(r, inf, big, -1) : NULL;
        return out == NULL ? -1 : put_str(w, out);
    }
    NJ_OWN r = PyObject_Repr(o);
    return r == NULL ? -1 : put_str(w, r);
}

static int
put_exprs(W *w, NjSeq *seq, const char *sep, int level)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        TRY(put_if(w, i > 0, sep));
        TRY(put_expr(w, seq->at[i], level));
    }
    return 0;
}

static int
put_boolop(W *w, NjExpr *e, int level)
{
    int pr = e->v.BoolOp.op == NJ_And ? PR_AND : PR_OR;
    TRY(put_if(w, level > pr, "("));
    TRY(put_exprs(w, e->v.BoolOp.values, e->v.BoolOp.op == NJ_And ? " and " : " or ", pr + 1));
    return put_if(w, level > pr, ")");
}

static int
put_binop(W *w, NjExpr *e, int level)
{
    static const struct {
        const char *text;
        uint8_t pr;
        bool right;
    } OPS[] = {{NULL, 0, false},         {" + ", PR_ARITH, false}, {" - ", PR_ARITH, false},
               {" * ", PR_TERM, false},  {" @ ", PR_TERM, false},  {" / ", PR_TERM, false},
               {" % ", PR_TERM, false},  {" ** ", PR_POWER, true}, {" << ", PR_SHIFT, false},
               {" >> ", PR_SHIFT, false}, {" | ", PR_BOR, false},  {" ^ ", PR_BXOR, false},
               {" & ", PR_BAND, false},  {" // ", PR_TERM, false}};
    int op = e->v.BinOp.op, pr = OPS[op].pr;
    bool right = OPS[op].right;
    TRY(put_if(w, level > pr, "("));
    TRY(put_expr(w, e->v.BinOp.left, pr + right));
    TRY(put(w, OPS[op].text));
    TRY(put_expr(w, e->v.BinOp.right, pr + !right));
    return put_if(w, level > pr, ")");
}

static int
put_unaryop(W *w, NjExpr *e, int level)
{
    static const char *const TEXT[] = {NULL, "~", "not ", "+", "-"};
    int pr = e->v.UnaryOp.op == NJ_Not ? PR_NOT : PR_FACTOR;
    TRY(put_if(w, level > pr, "("));
    TRY(put(w, TEXT[e->v.UnaryOp.op]));
    TRY(put_expr(w, e->v.UnaryOp.operand, pr));
    return put_if(w, level > pr, ")");
}

static int
put_arg(W *w, NjArg *a)
{
    TRY(put_str(w, a->arg));
    if (a->annotation) {
        TRY(put(w, ": "));
        TRY(put_expr(w, a->annotation, PR_TEST));
    }
    return 0;
}

static int
put_args(W *w, NjArguments *a)
{
    bool first = true;
    Py_ssize_t npos = NJ_SEQ_LEN(a->posonlyargs), nargs = NJ_SEQ_LEN(a->args),
               ndef = NJ_SEQ_LEN(a->defaults);
    for (Py_ssize_t i = 0; i < npos + nargs; i++) {
        TRY(put_if(w, !first, ", "));
        first = false;
        TRY(put_arg(w, i < npos ? a->posonlyargs->at[i] : a->args->at[i - npos]));
        Py_ssize_t di = i - (npos + nargs - ndef);
        if (di >= 0) {
            TRY(put(w, "="));
            TRY(put_expr(w, a->defaults->at[di], PR_TEST));
        }
        TRY(put_if(w, npos && i + 1 == npos, ", /"));
    }
    if (a->vararg || NJ_SEQ_LEN(a->kwonlyargs) > 0) {
        TRY(put_if(w, !first, ", "));
        first = false;
        TRY(put(w, "*"));
        if (a->vararg) {
            TRY(put_arg(w, a->vararg));
        }
    }
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(a->kwonlyargs); i++) {
        TRY(put_if(w, !first, ", "));
        first = false;
        TRY(put_arg(w, a->kwonlyargs->at[i]));
        NjExpr *d = i < NJ_SEQ_LEN(a->kw_defaults) ? a->kw_defaults->at[i] : NULL;
        if (d) {
            TRY(put(w, "="));
            TRY(put_expr(w, d, PR_TEST));
        }
    }
    if (a->kwarg) {
        TRY(put_if(w, !first, ", "));
        first = false;
        TRY(put(w, "**"));
        TRY(put_arg(w, a->kwarg));
    }
    return 0;
}

static int
put_lambda(W *w, NjExpr *e, int level)
{
    NjArguments *a = e->v.Lambda.args;
    TRY(put_if(w, level > PR_TEST, "("));
    bool any = NJ_SEQ_LEN(a->args) + NJ_SEQ_LEN(a->posonlyargs) > 0;
    TRY(put(w, any ? "lambda " : "lambda"));
    TRY(put_if(w, !any && (a->vararg || a->kwarg || NJ_SEQ_LEN(a->kwonlyargs)), " "));
    TRY(put_args(w, a));
    TRY(put(w, ": "));
    TRY(put_expr(w, e->v.Lambda.body, PR_TEST));
    return put_if(w, level > PR_TEST, ")");
}

static int
put_ifexp(W *w, NjExpr *e, int level)
{
    TRY(put_if(w, level > PR_TEST, "("));
    TRY(put_expr(w, e->v.IfExp.body, PR_TEST + 1));
    TRY(put(w, " if "));
    TRY(put_expr(w, e->v.IfExp.test, PR_TEST + 1));
    TRY(put(w, " else "));
    TRY(put_expr(w, e->v.IfExp.orelse, PR_TEST));
    return put_if(w, level > PR_TEST, ")");
}

static int
put_dict(W *w, NjExpr *e)
{
    TRY(put(w, "{"));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(e->v.Dict.values); i++) {
        TRY(put_if(w, i > 0, ", "));
        NjExpr *key = e->v.Dict.keys->at[i];
        if (key != NULL) {
            TRY(put_expr(w, key, PR_TEST));
            TRY(put(w, ": "));
            TRY(put_expr(w, e->v.Dict.values->at[i], PR_TEST));
        }
        else {
            TRY(put(w, "**"));
            TRY(put_expr(w, e->v.Dict.values->at[i], PR_EXPR));
        }
    }
    return put(w, "}");
}

static int
put_generators(W *w, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        NjComprehension *g = seq->at[i];
        TRY(put(w, g->is_async ? " async for " : " for "));
        TRY(put_expr(w, g->target, PR_TUPLE));
        TRY(put(w, " in "));
        TRY(put_expr(w, g->iter, PR_TEST + 1));
        for (Py_ssize_t k = 0; k < NJ_SEQ_LEN(g->ifs); k++) {
            TRY(put(w, " if "));
            TRY(put_expr(w, g->ifs->at[k], PR_TEST + 1));
        }
    }
    return 0;
}

static int
put_comp(W *w, const char *open, NjExpr *elt, NjExpr *value, NjSeq *generators,
         const char *close)
{
    TRY(put(w, open));
    TRY(put_expr(w, elt, PR_TEST));
    if (value) {
        TRY(put(w, ": "));
        TRY(put_expr(w, value, PR_TEST));
    }
    TRY(put_generators(w, generators));
    return put(w, close);
}

static int
put_compare(W *w, NjExpr *e, int level)
{
    static const char *const TEXT[] = {NULL,   " == ", " != ",     " < ",  " <= ",    " > ",
                                       " >= ", " is ", " is not ", " in ", " not in "};
    TRY(put_if(w, level > PR_CMP, "("));
    TRY(put_expr(w, e->v.Compare.left, PR_CMP + 1));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(e->v.Compare.ops); i++) {
        TRY(put(w, TEXT[NJ_SEQ_INT(e->v.Compare.ops, i)]));
        TRY(put_expr(w, e->v.Compare.comparators->at[i], PR_CMP + 1));
    }
    return put_if(w, level > PR_CMP, ")");
}

static int
put_call(W *w, NjExpr *e)
{
    TRY(put_expr(w, e->v.Call.func, PR_ATOM));
    NjSeq *args = e->v.Call.args, *kws = e->v.Call.keywords;
    if (NJ_SEQ_LEN(args) == 1 && NJ_SEQ_LEN(kws) == 0 &&
        ((NjExpr *)args->at[0])->kind == NJ_GeneratorExp) {
        return put_expr(w, args->at[0], PR_TEST); /* brings its own parentheses */
    }
    TRY(put(w, "("));
    TRY(put_exprs(w, args, ", ", PR_TEST));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(kws); i++) {
        NjKeyword *kw = kws->at[i];
        TRY(put_if(w, i > 0 || NJ_SEQ_LEN(args) > 0, ", "));
        if (kw->arg == NULL) {
            TRY(put(w, "**"));
        }
        else {
            TRY(put_str(w, kw->arg));
            TRY(put(w, "="));
        }
        TRY(put_expr(w, kw->value, PR_TEST));
    }
    return put(w, ")");
}

/* ---- f-strings ----------------------------------------------------------------------- */

static int put_fstring_element(W *w, NjExpr *e, bool is_spec);

static PyObject *
escape_braces(PyObject *s)
{
    NJ_OWN o = PyUnicode_FromString("{");
    NJ_OWN oo = PyUnicode_FromString("{{");
    NJ_OWN c = PyUnicode_FromString("}");
    NJ_OWN cc = PyUnicode_FromString("}}");
    if (!o || !oo || !c || !cc) {
        return NULL;
    }
    NJ_OWN t = PyUnicode_Replace(s, o, oo, -1);
    return t == NULL ? NULL : PyUnicode_Replace(t, c, cc, -1);
}

static PyObject *
build_fstring_body(NjSeq *values, bool is_spec)
{
    W *w = PyUnicodeWriter_Create(0);
    if (w == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(values); i++) {
        if (put_fstring_element(w, values->at[i], is_spec) < 0) {
            PyUnicodeWriter_Discard(w);
            return NULL;
        }
    }
    return PyUnicodeWriter_Finish(w);
}

static int
put_joined(W *w, NjSeq *values, const char *prefix, bool is_spec)
{
    NJ_OWN body = build_fstring_body(values, is_spec);
    if (body == NULL) {
        return -1;
    }
    if (is_spec) {
        return put_str(w, body);
    }
    NJ_OWN r = PyObject_Repr(body);
    if (r == NULL) {
        return -1;
    }
    TRY(put(w, prefix));
    return put_str(w, r);
}

static int
put_formatted(W *w, NjExpr *value, PyObject *text, int conversion, NjExpr *spec)
{
    NJ_OWN inner = NULL;
    if (text != NULL) {
        inner = Py_NewRef(text);
    }
    else {
        W *t = PyUnicodeWriter_Create(0);
        if (t == NULL) {
            return -1;
        }
        /* A nested expression cannot start with a brace, and lambda needs parentheses. */
        if (put_expr(t, value, PR_TEST + 1) < 0) {
            PyUnicodeWriter_Discard(t);
            return -1;
        }
        inner = PyUnicodeWriter_Finish(t);
        if (inner == NULL) {
            return -1;
        }
    }
    bool brace = PyUnicode_GET_LENGTH(inner) > 0 && PyUnicode_READ_CHAR(inner, 0) == '{';
    TRY(put(w, brace ? "{ " : "{"));
    TRY(put_str(w, inner));
    if (conversion > 0) {
        char conv[3] = {'!', (char)conversion, 0};
        TRY(put(w, conv));
    }
    if (spec) {
        TRY(put(w, ":"));
        TRY(put_fstring_element(w, spec, true));
    }
    return put(w, "}");
}

static int
put_fstring_element(W *w, NjExpr *e, bool is_spec)
{
    switch (e->kind) {
    case NJ_Constant: {
        NJ_OWN s = escape_braces(e->v.Constant.value);
        return s == NULL ? -1 : put_str(w, s);
    }
    case NJ_JoinedStr:
        return put_joined(w, e->v.JoinedStr.values, "f", is_spec);
    case NJ_TemplateStr:
        return put_joined(w, e->v.TemplateStr.values, "t", is_spec);
    case NJ_FormattedValue:
        return put_formatted(w, e->v.FormattedValue.value, NULL,
                             e->v.FormattedValue.conversion, e->v.FormattedValue.format_spec);
    case NJ_Interpolation:
        return put_formatted(w, e->v.Interpolation.value, e->v.Interpolation.str,
                             e->v.Interpolation.conversion, e->v.Interpolation.format_spec);
    default:
        PyErr_SetString(PyExc_SystemError, "unknown expression kind inside f-string or t-string");
        return -1;
    }
}

/* ---- the rest ------------------------------------------------------------------------ */

static int
put_constant(W *w, NjExpr *e)
{
    PyObject *v = e->v.Constant.value;
    if (v == Py_Ellipsis) {
        return put(w, "...");
    }
    if (e->v.Constant.kind != NULL) {
        TRY(put_str(w, e->v.Constant.kind));
    }
    if (PyTuple_CheckExact(v)) {
        TRY(put(w, "("));
        Py_ssize_t n = PyTuple_GET_SIZE(v);
        for (Py_ssize_t i = 0; i < n; i++) {
            TRY(put_if(w, i > 0, ", "));
            TRY(put_repr(w, PyTuple_GET_ITEM(v, i)));
        }
        return put(w, n == 1 ? ",)" : ")");
    }
    return put_repr(w, v);
}

static int
put_attribute(W *w, NjExpr *e)
{
    NjExpr *v = e->v.Attribute.value;
    TRY(put_expr(w, v, PR_ATOM));
    /* 3 .real needs the space. */
    bool number = v->kind == NJ_Constant && PyLong_CheckExact(v->v.Constant.value);
    TRY(put(w, number ? " ." : "."));
    return put_str(w, e->v.Attribute.attr);
}

static int
put_slice(W *w, NjExpr *e)
{
    if (e->v.Slice.lower) {
        TRY(put_expr(w, e->v.Slice.lower, PR_TEST));
    }
    TRY(put(w, ":"));
    if (e->v.Slice.upper) {
        TRY(put_expr(w, e->v.Slice.upper, PR_TEST));
    }
    if (e->v.Slice.step) {
        TRY(put(w, ":"));
        TRY(put_expr(w, e->v.Slice.step, PR_TEST));
    }
    return 0;
}

static int
put_tuple(W *w, NjExpr *e, int level)
{
    Py_ssize_t n = NJ_SEQ_LEN(e->v.Tuple.elts);
    if (n == 0) {
        return put(w, "()");
    }
    TRY(put_if(w, level > PR_TUPLE, "("));
    TRY(put_exprs(w, e->v.Tuple.elts, ", ", PR_TEST));
    TRY(put_if(w, n == 1, ","));
    return put_if(w, level > PR_TUPLE, ")");
}

static int
put_prefixed(W *w, const char *prefix, NjExpr *value, int own, int inner, int level)
{
    TRY(put_if(w, level > own, "("));
    TRY(put(w, prefix));
    if (value) {
        TRY(put_expr(w, value, inner));
    }
    return put_if(w, level > own, ")");
}

static int
put_expr_inner(W *w, NjExpr *e, int level)
{
    switch (e->kind) {
    case NJ_BoolOp:
        return put_boolop(w, e, level);
    case NJ_BinOp:
        return put_binop(w, e, level);
    case NJ_UnaryOp:
        return put_unaryop(w, e, level);
    case NJ_Lambda:
        return put_lambda(w, e, level);
    case NJ_IfExp:
        return put_ifexp(w, e, level);
    case NJ_Dict:
        return put_dict(w, e);
    case NJ_Set:
        TRY(put(w, "{"));
        TRY(put_exprs(w, e->v.Set.elts, ", ", PR_TEST));
        return put(w, "}");
    case NJ_GeneratorExp:
        return put_comp(w, "(", e->v.GeneratorExp.elt, NULL, e->v.GeneratorExp.generators,
                        ")");
    case NJ_ListComp:
        return put_comp(w, "[", e->v.ListComp.elt, NULL, e->v.ListComp.generators, "]");
    case NJ_SetComp:
        return put_comp(w, "{", e->v.SetComp.elt, NULL, e->v.SetComp.generators, "}");
    case NJ_DictComp:
        return put_comp(w, "{", e->v.DictComp.key, e->v.DictComp.value,
                        e->v.DictComp.generators, "}");
    case NJ_Yield:
        TRY(put(w, e->v.Yield.value ? "(yield " : "(yield"));
        if (e->v.Yield.value) {
            TRY(put_expr(w, e->v.Yield.value, PR_TUPLE));
        }
        return put(w, ")");
    case NJ_YieldFrom:
        TRY(put(w, "(yield from "));
        TRY(put_expr(w, e->v.YieldFrom.value, PR_TEST));
        return put(w, ")");
    case NJ_Await:
        return put_prefixed(w, "await ", e->v.Await.value, PR_AWAIT, PR_ATOM, level);
    case NJ_Compare:
        return put_compare(w, e, level);
    case NJ_Call:
        return put_call(w, e);
    case NJ_Constant:
        return put_constant(w, e);
    case NJ_JoinedStr:
        return put_joined(w, e->v.JoinedStr.values, "f", false);
    case NJ_TemplateStr:
        return put_joined(w, e->v.TemplateStr.values, "t", false);
    case NJ_FormattedValue:
    case NJ_Interpolation: {
        NjSeq *one = PyMem_Malloc(sizeof(NjSeq) + sizeof(void *));
        if (one == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        one->len = 1;
        one->at[0] = e;
        int r = put_joined(w, one, e->kind == NJ_FormattedValue ? "f" : "t", false);
        PyMem_Free(one);
        return r;
    }
    case NJ_Attribute:
        return put_attribute(w, e);
    case NJ_Starred:
        TRY(put(w, "*"));
        return put_expr(w, e->v.Starred.value, PR_EXPR);
    case NJ_Name:
        return put_str(w, e->v.Name.id);
    case NJ_List:
        TRY(put(w, "["));
        TRY(put_exprs(w, e->v.List.elts, ", ", PR_TEST));
        return put(w, "]");
    case NJ_Tuple:
        return put_tuple(w, e, level);
    case NJ_Subscript:
        TRY(put_expr(w, e->v.Subscript.value, PR_ATOM));
        TRY(put(w, "["));
        TRY(put_expr(w, e->v.Subscript.slice, PR_TUPLE));
        return put(w, "]");
    case NJ_Slice:
        return put_slice(w, e);
    case NJ_NamedExpr:
        TRY(put_if(w, level > PR_TUPLE, "("));
        TRY(put_expr(w, e->v.NamedExpr.target, PR_ATOM));
        TRY(put(w, " := "));
        TRY(put_expr(w, e->v.NamedExpr.value, PR_ATOM));
        return put_if(w, level > PR_TUPLE, ")");
    default:
        PyErr_SetString(PyExc_SystemError, "unknown expression kind");
        return -1;
    }
}

static int
put_expr(W *w, NjExpr *e, int level)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = put_expr_inner(w, e, level);
    Py_LeaveRecursiveCall();
    return r;
}

PyObject *
nj_ast_unparse(NjExpr *e)
{
    W *w = PyUnicodeWriter_Create(0);
    if (w == NULL) {
        return NULL;
    }
    if (put_expr(w, e, PR_TEST) < 0) {
        PyUnicodeWriter_Discard(w);
        return NULL;
    }
    return PyUnicodeWriter_Finish(w);
}

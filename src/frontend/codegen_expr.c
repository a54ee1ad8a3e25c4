/* codegen_expr.c - code for expressions: names, calls, comprehensions, conditions.
 *
 * Inlined comprehensions (PEP 709) run in the frame of the function around: their
 * variables are saved on the stack with LOAD_FAST_AND_CLEAR before and restored after,
 * also when an exception passes; in a class or module they become hidden fast locals.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/compile_int.h"
#include "objects/type_int.h"

#define STACK_GUIDELINE 30 /* more values than this are gathered in a list instead */

/* ---- names --------------------------------------------------------------------------- */

int
nj_gen_scope_of(NjCompiler *c, PyObject *mangled)
{
    for (NjTempScope *t = c->u->temp_scopes; t != NULL; t = t->next) {
        if (t->name == mangled || PyUnicode_Compare(t->name, mangled) == 0) {
            return t->scope;
        }
    }
    return nj_scope_of(c->u->scope, mangled);
}

int
nj_gen_nameop(NjCompiler *c, NjPos loc, PyObject *name, int ctx)
{
    enum { FAST, GLOBAL, DEREF, NAME } kind = NAME;
    NjUnit *u = c->u;
    NJ_OWN mangled = nj_maybe_mangle(u->private_name, u->scope, name);
    int scope = mangled == NULL ? -1 : nj_gen_scope_of(c, mangled);
    TRY(scope);
    bool function = nj_scope_is_function_like(u->scope);
    PyObject *dict = u->names;
    switch (scope) {
    case NJ_SC_FREE:
        dict = u->freevars;
        kind = DEREF;
        break;
    case NJ_SC_CELL:
        dict = u->cellvars;
        kind = DEREF;
        break;
    case NJ_SC_LOCAL: {
        int hidden = function ? 1 : PySet_Contains(u->fast_hidden, mangled);
        TRY(hidden);
        if (hidden) {
            kind = FAST;
            dict = u->varnames;
        }
        break;
    }
    case NJ_SC_GLOBAL_IMPLICIT:
        kind = function ? GLOBAL : NAME;
        break;
    case NJ_SC_GLOBAL_EXPLICIT:
        kind = GLOBAL;
        break;
    }
    int arg = nj_gen_dict_index(dict, mangled);
    TRY(arg);
    if (dict == u->freevars) {
        arg += (int)PyDict_GET_SIZE(u->cellvars);
    }
    static const int OPS[4][4] = {{0, LOAD_FAST, STORE_FAST, DELETE_FAST},
                                  {0, LOAD_GLOBAL, STORE_GLOBAL, DELETE_GLOBAL},
                                  {0, LOAD_DEREF, STORE_DEREF, DELETE_DEREF},
                                  {0, LOAD_NAME, STORE_NAME, DELETE_NAME}};
    int op = OPS[kind][ctx];
    if (ctx == NJ_Load) {
        bool see_class = u->scope->can_see_class_scope;
        if (kind == DEREF) {
            if (u->scope->type == NJ_BLOCK_CLASS && u->inlined_depth == 0) {
                op = LOAD_FROM_DICT_OR_DEREF;
                OP(loc, LOAD_LOCALS, 0);
            }
            else if (see_class) {
                op = LOAD_FROM_DICT_OR_DEREF;
                if (PyUnicode_EqualToUTF8(name, "__classdict__") ||
                    PyUnicode_EqualToUTF8(name, "__conditional_annotations__")) {
                    op = LOAD_DEREF;
                }
                else {
                    TRY(nj_gen_nameop(c, loc, NJ_ID(__classdict__), NJ_Load));
                }
            }
        }
        else if (kind == GLOBAL && see_class && scope == NJ_SC_GLOBAL_IMPLICIT &&
                 !PyUnicode_EqualToUTF8(name, "__classdict__")) {
            op = LOAD_FROM_DICT_OR_GLOBALS;
            TRY(nj_gen_nameop(c, loc, NJ_ID(__classdict__), NJ_Load));
        }
        else if (kind == NAME && u->scope->type == NJ_BLOCK_CLASS && u->inlined_depth > 0) {
            op = LOAD_GLOBAL;
        }
    }
    if (op == LOAD_GLOBAL) {
        arg <<= 1;
    }
    return nj_gen_op(c, loc, op, arg);
}

/* ---- small helpers ------------------------------------------------------------------- */

static int
visit_all(NjCompiler *c, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        VISIT(seq->at[i]);
    }
    return 0;
}

/* For an attribute on a line of its own the instruction starts where its name does. */
NjPos
nj_gen_attr_loc(NjPos loc, NjExpr *attr)
{
    if (loc.lineno != attr->pos.end_lineno) {
        loc.lineno = attr->pos.end_lineno;
        int len = (int)PyUnicode_GET_LENGTH(attr->v.Attribute.attr);
        if (len <= attr->pos.end_col_offset) {
            loc.col_offset = attr->pos.end_col_offset - len;
        }
        else {
            /* GH-94694: the name's width in bytes is unknown here. */
            loc.col_offset = -1;
            loc.end_col_offset = -1;
        }
        loc.end_lineno = Py_MAX(loc.lineno, loc.end_lineno);
        if (loc.lineno == loc.end_lineno) {
            loc.end_col_offset = Py_MAX(loc.col_offset, loc.end_col_offset);
        }
    }
    return loc;
}

int
nj_gen_compare_op(NjCompiler *c, NjPos loc, int cmp)
{
    /* Which outcomes of a three-way comparison satisfy the operator. */
    enum { UNORDERED = 1, LESS = 2, GREATER = 4, EQUAL = 8 };
    static const int ARG[] = {0,
                              (Py_EQ << 5) | EQUAL,
                              (Py_NE << 5) | UNORDERED | LESS | GREATER,
                              (Py_LT << 5) | LESS,
                              (Py_LE << 5) | LESS | EQUAL,
                              (Py_GT << 5) | GREATER,
                              (Py_GE << 5) | GREATER | EQUAL};
    switch (cmp) {
    case NJ_Is:
    case NJ_IsNot:
        return nj_gen_op(c, loc, IS_OP, cmp == NJ_IsNot);
    case NJ_In:
    case NJ_NotIn:
        return nj_gen_op(c, loc, CONTAINS_OP, cmp == NJ_NotIn);
    default:
        return nj_gen_op(c, loc, COMPARE_OP, ARG[cmp]);
    }
}

static PyTypeObject *
infer_type(NjExpr *e)
{
    switch (e->kind) {
    case NJ_Tuple:
        return &PyTuple_Type;
    case NJ_List:
    case NJ_ListComp:
        return &PyList_Type;
    case NJ_Dict:
    case NJ_DictComp:
        return &PyDict_Type;
    case NJ_Set:
    case NJ_SetComp:
        return &PySet_Type;
    case NJ_GeneratorExp:
        return &PyGen_Type;
    case NJ_Lambda:
        return &PyFunction_Type;
    case NJ_TemplateStr:
        return &NjTemplate_Type;
    case NJ_Interpolation:
        return &NjInterpolation_Type;
    case NJ_JoinedStr:
    case NJ_FormattedValue:
        return &PyUnicode_Type;
    case NJ_Constant:
        return Py_TYPE(e->v.Constant.value);
    default:
        return NULL;
    }
}

static int
check_caller(NjCompiler *c, NjExpr *e)
{
    switch (e->kind) {
    case NJ_Constant:
    case NJ_Tuple:
    case NJ_List:
    case NJ_ListComp:
    case NJ_Dict:
    case NJ_DictComp:
    case NJ_Set:
    case NJ_SetComp:
    case NJ_GeneratorExp:
    case NJ_JoinedStr:
    case NJ_FormattedValue:
    case NJ_TemplateStr:
    case NJ_Interpolation:
        return nj_gen_warn(c, e->pos,
                           "'%.200s' object is not callable; perhaps you missed a comma?",
                           infer_type(e)->tp_name);
    default:
        return 0;
    }
}

static int
check_subscripter(NjCompiler *c, NjExpr *e)
{
    switch (e->kind) {
    case NJ_Constant: {
        PyObject *v = e->v.Constant.value;
        if (!(v == Py_None || v == Py_Ellipsis || PyLong_Check(v) || PyFloat_Check(v) ||
              PyComplex_Check(v) || PyAnySet_Check(v))) {
            return 0;
        }
    }
        /* fall through */
    case NJ_Set:
    case NJ_SetComp:
    case NJ_GeneratorExp:
    case NJ_Lambda:
    case NJ_TemplateStr:
    case NJ_Interpolation:
        return nj_gen_warn(c, e->pos,
                           "'%.200s' object is not subscriptable; perhaps you missed a comma?",
                           infer_type(e)->tp_name);
    default:
        return 0;
    }
}

static int
check_index(NjCompiler *c, NjExpr *e, NjExpr *s)
{
    if (s->kind != NJ_Slice && s->kind != NJ_Name && s->kind != NJ_Attribute &&
        s->kind != NJ_Call) {
        PyTypeObject *it = infer_type(s);
        if (it == NULL || PyType_FastSubclass(it, Py_TPFLAGS_LONG_SUBCLASS) ||
            it == &PySlice_Type) {
            return 0;
        }
        switch (e->kind) {
        case NJ_Constant: {
            PyObject *v = e->v.Constant.value;
            if (!(PyUnicode_Check(v) || PyBytes_Check(v) || PyTuple_Check(v))) {
                return 0;
            }
        }
            /* fall through */
        case NJ_Tuple:
        case NJ_List:
        case NJ_ListComp:
        case NJ_JoinedStr:
        case NJ_FormattedValue:
            return nj_gen_warn(c, e->pos,
                               "%.200s indices must be integers or slices, not %.200s; "
                               "perhaps you missed a comma?",
                               infer_type(e)->tp_name, it->tp_name);
        default:
            return 0;
        }
    }
    return 0;
}

/* `is' with a literal is nearly always a mistake. */
static int
check_compare(NjCompiler *c, NjExpr *e)
{
    NjExpr *left_e = e->v.Compare.left;
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(e->v.Compare.ops); i++) {
        int op = NJ_SEQ_INT(e->v.Compare.ops, i);
        NjExpr *right_e = e->v.Compare.comparators->at[i];
        if (op == NJ_Is || op == NJ_IsNot) {
            NjExpr *pair[2] = {left_e, right_e};
            for (int k = 0; k < 2; k++) {
                NjExpr *x = pair[k];
                if (x->kind == NJ_Constant) {
                    PyObject *v = x->v.Constant.value;
                    if (v == Py_None || v == Py_True || v == Py_False || v == Py_Ellipsis) {
                        continue;
                    }
                }
                PyTypeObject *tp =
                    x->kind == NJ_Constant || x->kind == NJ_Tuple ? infer_type(x) : NULL;
                if (tp != NULL) {
                    /* Both sides are looked at, one warning is enough. */
                    return nj_gen_warn(c, e->pos,
                                       op == NJ_Is
                                           ? "\"is\" with '%.200s' literal. Did you mean "
                                             "\"==\"?"
                                           : "\"is not\" with '%.200s' literal. Did you mean "
                                             "\"!=\"?",
                                       tp->tp_name);
                }
            }
        }
        left_e = right_e;
    }
    return 0;
}

/* ---- conditions ---------------------------------------------------------------------- */

int
nj_gen_jump_if(NjCompiler *c, NjPos loc, NjExpr *e, NjLabel next, bool cond)
{
    switch (e->kind) {
    case NJ_UnaryOp:
        if (e->v.UnaryOp.op == NJ_Not) {
            return nj_gen_jump_if(c, loc, e->v.UnaryOp.operand, next, !cond);
        }
        break;
    case NJ_BoolOp: {
        NjSeq *s = e->v.BoolOp.values;
        bool cond2 = e->v.BoolOp.op == NJ_Or;
        NjLabel next2 = next;
        if (cond2 != cond) {
            next2 = nj_gen_label(c);
            TRY(next2);
        }
        for (Py_ssize_t i = 0; i < s->len - 1; i++) {
            TRY(nj_gen_jump_if(c, loc, s->at[i], next2, cond2));
        }
        TRY(nj_gen_jump_if(c, loc, s->at[s->len - 1], next, cond));
        if (next2 != next) {
            USE(next2);
        }
        return 0;
    }
    case NJ_IfExp: {
        LABEL(end);
        LABEL(next2);
        TRY(nj_gen_jump_if(c, loc, e->v.IfExp.test, next2, false));
        TRY(nj_gen_jump_if(c, loc, e->v.IfExp.body, next, cond));
        OP(NJ_NO_LOC, JUMP, end);
        USE(next2);
        TRY(nj_gen_jump_if(c, loc, e->v.IfExp.orelse, next, cond));
        USE(end);
        return 0;
    }
    case NJ_Compare: {
        Py_ssize_t n = NJ_SEQ_LEN(e->v.Compare.ops) - 1;
        if (n > 0) {
            NjPos at = e->pos;
            TRY(check_compare(c, e));
            LABEL(cleanup);
            VISIT(e->v.Compare.left);
            for (Py_ssize_t i = 0; i < n; i++) {
                VISIT(e->v.Compare.comparators->at[i]);
                OP(at, SWAP, 2);
                OP(at, COPY, 2);
                TRY(nj_gen_compare_op(c, at, NJ_SEQ_INT(e->v.Compare.ops, i)));
                OP(at, TO_BOOL, 0);
                OP(at, POP_JUMP_IF_FALSE, cleanup);
            }
            VISIT(e->v.Compare.comparators->at[n]);
            TRY(nj_gen_compare_op(c, at, NJ_SEQ_INT(e->v.Compare.ops, n)));
            OP(at, TO_BOOL, 0);
            OP(at, cond ? POP_JUMP_IF_TRUE : POP_JUMP_IF_FALSE, next);
            LABEL(end);
            OP(NJ_NO_LOC, JUMP, end);
            USE(cleanup);
            OP(at, POP_TOP, 0);
            if (!cond) {
                OP(NJ_NO_LOC, JUMP, next);
            }
            USE(end);
            return 0;
        }
        break;
    }
    default:
        break;
    }
    VISIT(e);
    OP(e->pos, TO_BOOL, 0);
    OP(e->pos, cond ? POP_JUMP_IF_TRUE : POP_JUMP_IF_FALSE, next);
    return 0;
}

static int
gen_boolop(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    NjSeq *s = e->v.BoolOp.values;
    LABEL(end);
    for (Py_ssize_t i = 0; i < s->len - 1; i++) {
        VISIT(s->at[i]);
        OP(loc, e->v.BoolOp.op == NJ_And ? JUMP_IF_FALSE : JUMP_IF_TRUE, end);
        OP(loc, POP_TOP, 0);
    }
    VISIT(s->at[s->len - 1]);
    USE(end);
    return 0;
}

static int
gen_compare(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    TRY(check_compare(c, e));
    VISIT(e->v.Compare.left);
    Py_ssize_t n = NJ_SEQ_LEN(e->v.Compare.ops) - 1;
    if (n == 0) {
        VISIT(e->v.Compare.comparators->at[0]);
        return nj_gen_compare_op(c, loc, NJ_SEQ_INT(e->v.Compare.ops, 0));
    }
    LABEL(cleanup);
    for (Py_ssize_t i = 0; i < n; i++) {
        VISIT(e->v.Compare.comparators->at[i]);
        OP(loc, SWAP, 2);
        OP(loc, COPY, 2);
        TRY(nj_gen_compare_op(c, loc, NJ_SEQ_INT(e->v.Compare.ops, i)));
        OP(loc, COPY, 1);
        OP(loc, TO_BOOL, 0);
        OP(loc, POP_JUMP_IF_FALSE, cleanup);
        OP(loc, POP_TOP, 0);
    }
    VISIT(e->v.Compare.comparators->at[n]);
    TRY(nj_gen_compare_op(c, loc, NJ_SEQ_INT(e->v.Compare.ops, n)));
    LABEL(end);
    OP(NJ_NO_LOC, JUMP, end);
    USE(cleanup);
    OP(loc, SWAP, 2);
    OP(loc, POP_TOP, 0);
    USE(end);
    return 0;
}

/* ---- displays ------------------------------------------------------------------------ */

/* Builds a sequence of elts on top of `pushed' values already there, perhaps with one
 * injected name at the end. */
static int
gen_elements(NjCompiler *c, NjPos loc, NjSeq *elts, PyObject *injected, int pushed, int build,
             int add, int extend, bool tuple)
{
    int n = (int)NJ_SEQ_LEN(elts);
    bool star = false;
    for (int i = 0; i < n; i++) {
        star = star || ((NjExpr *)elts->at[i])->kind == NJ_Starred;
    }
    bool big = n + pushed + (injected != NULL) > STACK_GUIDELINE;
    if (!star && !big) {
        TRY(visit_all(c, elts));
        if (injected) {
            TRY(nj_gen_nameop(c, loc, injected, NJ_Load));
            n++;
        }
        OP(loc, tuple ? BUILD_TUPLE : build, n + pushed);
        return 0;
    }
    bool built = false;
    if (big) {
        OP(loc, build, pushed);
        built = true;
    }
    for (int i = 0; i < n; i++) {
        NjExpr *e = elts->at[i];
        if (e->kind == NJ_Starred) {
            if (!built) {
                OP(loc, build, i + pushed);
                built = true;
            }
            VISIT(e->v.Starred.value);
            OP(loc, extend, 1);
        }
        else {
            VISIT(e);
            if (built) {
                OP(loc, add, 1);
            }
        }
    }
    if (injected) {
        TRY(nj_gen_nameop(c, loc, injected, NJ_Load));
        OP(loc, add, 1);
    }
    if (tuple) {
        OP(loc, CALL_INTRINSIC_1, 6);
    }
    return 0;
}

int
nj_gen_unpack(NjCompiler *c, NjPos loc, NjSeq *elts)
{
    Py_ssize_t n = NJ_SEQ_LEN(elts);
    bool star = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (((NjExpr *)elts->at[i])->kind != NJ_Starred) {
            continue;
        }
        if (star) {
            return nj_gen_error(c, loc, "multiple starred expressions in assignment");
        }
        if (i >= (1 << 8) || n - i - 1 >= (INT_MAX >> 8)) {
            return nj_gen_error(c, loc, "too many expressions in star-unpacking assignment");
        }
        OP(loc, UNPACK_EX, (int)(i + ((n - i - 1) << 8)));
        star = true;
    }
    if (!star) {
        OP(loc, UNPACK_SEQUENCE, (int)n);
    }
    return 0;
}

static int
gen_assign_elts(NjCompiler *c, NjPos loc, NjSeq *elts)
{
    TRY(nj_gen_unpack(c, loc, elts));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(elts); i++) {
        NjExpr *e = elts->at[i];
        VISIT(e->kind == NJ_Starred ? e->v.Starred.value : e);
    }
    return 0;
}

static int
gen_list_or_tuple(NjCompiler *c, NjExpr *e)
{
    bool tuple = e->kind == NJ_Tuple;
    NjSeq *elts = tuple ? e->v.Tuple.elts : e->v.List.elts;
    int ctx = tuple ? e->v.Tuple.ctx : e->v.List.ctx;
    if (ctx == NJ_Store) {
        return gen_assign_elts(c, e->pos, elts);
    }
    if (ctx == NJ_Load) {
        return gen_elements(c, e->pos, elts, NULL, 0, BUILD_LIST, LIST_APPEND, LIST_EXTEND,
                            tuple);
    }
    return visit_all(c, elts);
}

static int
gen_subdict(NjCompiler *c, NjExpr *e, Py_ssize_t begin, Py_ssize_t end)
{
    NjPos loc = e->pos;
    Py_ssize_t n = end - begin;
    bool big = n * 2 > STACK_GUIDELINE;
    if (big) {
        OP(loc, BUILD_MAP, 0);
    }
    for (Py_ssize_t i = begin; i < end; i++) {
        VISIT(e->v.Dict.keys->at[i]);
        VISIT(e->v.Dict.values->at[i]);
        if (big) {
            OP(loc, MAP_ADD, 1);
        }
    }
    if (!big) {
        OP(loc, BUILD_MAP, (int)n);
    }
    return 0;
}

static int
gen_dict(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    Py_ssize_t n = NJ_SEQ_LEN(e->v.Dict.values);
    bool have = false;
    Py_ssize_t pending = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (e->v.Dict.keys->at[i] == NULL) {
            if (pending) {
                TRY(gen_subdict(c, e, i - pending, i));
                if (have) {
                    OP(loc, DICT_UPDATE, 1);
                }
                have = true;
                pending = 0;
            }
            if (!have) {
                OP(loc, BUILD_MAP, 0);
                have = true;
            }
            VISIT(e->v.Dict.values->at[i]);
            OP(loc, DICT_UPDATE, 1);
        }
        else if (pending * 2 > STACK_GUIDELINE) {
            TRY(gen_subdict(c, e, i - pending, i + 1));
            if (have) {
                OP(loc, DICT_UPDATE, 1);
            }
            have = true;
            pending = 0;
        }
        else {
            pending++;
        }
    }
    if (pending) {
        TRY(gen_subdict(c, e, n - pending, n));
        if (have) {
            OP(loc, DICT_UPDATE, 1);
        }
        have = true;
    }
    if (!have) {
        OP(loc, BUILD_MAP, 0);
    }
    return 0;
}

/* ---- calls --------------------------------------------------------------------------- */

static int
check_keywords(NjCompiler *c, NjSeq *keywords)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(keywords); i++) {
        NjKeyword *key = keywords->at[i];
        if (key->arg == NULL) {
            continue;
        }
        for (Py_ssize_t k = i + 1; k < keywords->len; k++) {
            NjKeyword *other = keywords->at[k];
            if (other->arg && PyUnicode_Compare(key->arg, other->arg) == 0) {
                return nj_gen_error(c, other->pos, "keyword argument repeated: %U", key->arg);
            }
        }
    }
    return 0;
}

static int
gen_kw_names(NjCompiler *c, NjPos loc, NjSeq *keywords)
{
    Py_ssize_t n = NJ_SEQ_LEN(keywords);
    PyObject *names = PyTuple_New(n);
    for (Py_ssize_t i = 0; names != NULL && i < n; i++) {
        PyTuple_SET_ITEM(names, i, Py_NewRef(((NjKeyword *)keywords->at[i])->arg));
    }
    return nj_gen_const_new(c, loc, names);
}

static int
gen_kw_values(NjCompiler *c, NjSeq *keywords)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(keywords); i++) {
        VISIT(((NjKeyword *)keywords->at[i])->value);
    }
    return 0;
}

static int
gen_sub_kwargs(NjCompiler *c, NjPos loc, NjSeq *keywords, Py_ssize_t begin, Py_ssize_t end)
{
    Py_ssize_t n = end - begin;
    bool big = n * 2 > STACK_GUIDELINE;
    if (big) {
        OP(NJ_NO_LOC, BUILD_MAP, 0);
    }
    for (Py_ssize_t i = begin; i < end; i++) {
        NjKeyword *kw = keywords->at[i];
        TRY(nj_gen_const(c, loc, kw->arg));
        VISIT(kw->value);
        if (big) {
            OP(NJ_NO_LOC, MAP_ADD, 1);
        }
    }
    if (!big) {
        OP(loc, BUILD_MAP, (int)n);
    }
    return 0;
}

/* The callable and n values are on the stack already. */
int
nj_gen_call_helper(NjCompiler *c, NjPos loc, int n, NjSeq *args, PyObject *injected,
                   NjSeq *keywords)
{
    TRY(check_keywords(c, keywords));
    int nargs = (int)NJ_SEQ_LEN(args), nkw = (int)NJ_SEQ_LEN(keywords);
    bool ex = nargs + nkw * 2 > STACK_GUIDELINE;
    for (int i = 0; i < nargs; i++) {
        ex = ex || ((NjExpr *)args->at[i])->kind == NJ_Starred;
    }
    for (int i = 0; i < nkw; i++) {
        ex = ex || ((NjKeyword *)keywords->at[i])->arg == NULL;
    }
    if (!ex) {
        TRY(visit_all(c, args));
        if (injected) {
            TRY(nj_gen_nameop(c, loc, injected, NJ_Load));
            nargs++;
        }
        if (nkw) {
            TRY(gen_kw_values(c, keywords));
            TRY(gen_kw_names(c, loc, keywords));
            OP(loc, CALL_KW, n + nargs + nkw);
        }
        else {
            OP(loc, CALL, n + nargs);
        }
        return 0;
    }
    if (n == 0 && nargs == 1 && injected == NULL &&
        ((NjExpr *)args->at[0])->kind == NJ_Starred) {
        VISIT(((NjExpr *)args->at[0])->v.Starred.value);
    }
    else {
        TRY(gen_elements(c, loc, args, injected, n, BUILD_LIST, LIST_APPEND, LIST_EXTEND,
                         true));
    }
    if (nkw) {
        int pending = 0;
        bool have = false;
        for (int i = 0; i < nkw; i++) {
            NjKeyword *kw = keywords->at[i];
            if (kw->arg != NULL) {
                pending++;
                continue;
            }
            if (pending) {
                TRY(gen_sub_kwargs(c, loc, keywords, i - pending, i));
                if (have) {
                    OP(loc, DICT_MERGE, 1);
                }
                have = true;
                pending = 0;
            }
            if (!have) {
                OP(loc, BUILD_MAP, 0);
                have = true;
            }
            VISIT(kw->value);
            OP(loc, DICT_MERGE, 1);
        }
        if (pending) {
            TRY(gen_sub_kwargs(c, loc, keywords, nkw - pending, nkw));
            if (have) {
                OP(loc, DICT_MERGE, 1);
            }
        }
    }
    else {
        OP(loc, PUSH_NULL, 0);
    }
    OP(loc, CALL_FUNCTION_EX, 0);
    return 0;
}

/* super().attr and super(a, b).attr when nothing visible rebinds super. 1, 0 or -1. */
static int
is_plain_super(NjCompiler *c, NjExpr *attr)
{
    NjExpr *call = attr->v.Attribute.value;
    if (call->kind != NJ_Call ||
        PyUnicode_EqualToUTF8(attr->v.Attribute.attr, "__class__")) {
        return 0;
    }
    NjExpr *func = call->v.Call.func;
    if (func->kind != NJ_Name || !PyUnicode_EqualToUTF8(func->v.Name.id, "super") ||
        NJ_SEQ_LEN(call->v.Call.keywords) != 0) {
        return 0;
    }
    int scope = nj_gen_scope_of(c, func->v.Name.id);
    if (scope != NJ_SC_GLOBAL_IMPLICIT) {
        return scope < 0 ? -1 : 0;
    }
    scope = nj_scope_of(nj_symtable_top(c->st), func->v.Name.id);
    if (scope != 0) {
        return scope < 0 ? -1 : 0;
    }
    NjSeq *args = call->v.Call.args;
    if (NJ_SEQ_LEN(args) == 2) {
        return ((NjExpr *)args->at[0])->kind != NJ_Starred &&
               ((NjExpr *)args->at[1])->kind != NJ_Starred;
    }
    if (NJ_SEQ_LEN(args) != 0) {
        return 0;
    }
    if (c->u->argcount == 0) {
        return 0;
    }
    scope = nj_gen_scope_of(c, NJ_ID(__class__));
    return scope < 0 ? -1 : scope == NJ_SC_FREE;
}

static int
gen_super_args(NjCompiler *c, NjExpr *attr)
{
    NjExpr *call = attr->v.Attribute.value;
    NjPos loc = call->pos;
    NjExpr *func = call->v.Call.func;
    TRY(nj_gen_nameop(c, func->pos, func->v.Name.id, NJ_Load));
    if (NJ_SEQ_LEN(call->v.Call.args) > 0) {
        return visit_all(c, call->v.Call.args);
    }
    TRY(nj_gen_nameop(c, loc, NJ_ID(__class__), NJ_Load));
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(c->u->varnames, &at, &name, &value)) {
        if (PyLong_AsInt(value) == 0) {
            NJ_OWN first = Py_NewRef(name);
            return nj_gen_nameop(c, loc, first, NJ_Load);
        }
    }
    return 0;
}

/* Names of imported modules: their attributes are functions, not methods. Inside an inlined comprehension of
 * a module the reference does not ask. */
static int
is_imported(NjCompiler *c, NjExpr *e)
{
    if (e->kind != NJ_Name || (c->u->scope->type == NJ_BLOCK_MODULE && c->u->inlined_depth > 0)) {
        return 0;
    }
    int flags = nj_scope_flags(nj_symtable_top(c->st), e->v.Name.id);
    return flags < 0 ? -1 : (flags & NJ_DEF_IMPORT) != 0;
}

/* x.m(...) as a method call. 1 when emitted, 0 when not applicable. */
static int
gen_method_call(NjCompiler *c, NjExpr *e)
{
    NjExpr *meth = e->v.Call.func;
    NjSeq *args = e->v.Call.args, *kws = e->v.Call.keywords;
    if (meth->kind != NJ_Attribute || meth->v.Attribute.ctx != NJ_Load) {
        return 0;
    }
    int imported = is_imported(c, meth->v.Attribute.value);
    if (imported != 0) {
        return imported < 0 ? -1 : 0;
    }
    int nargs = (int)NJ_SEQ_LEN(args), nkw = (int)NJ_SEQ_LEN(kws);
    if (nargs + nkw + (nkw != 0) >= STACK_GUIDELINE) {
        return 0;
    }
    for (int i = 0; i < nargs; i++) {
        if (((NjExpr *)args->at[i])->kind == NJ_Starred) {
            return 0;
        }
    }
    for (int i = 0; i < nkw; i++) {
        if (((NjKeyword *)kws->at[i])->arg == NULL) {
            return 0;
        }
    }
    NjPos loc = meth->pos;
    int super = is_plain_super(c, meth);
    TRY(super);
    if (super) {
        TRY(gen_super_args(c, meth));
        TRY(nj_gen_attr_op(c, loc,
                           NJ_SEQ_LEN(meth->v.Attribute.value->v.Call.args)
                               ? NJ_OP_LOAD_SUPER_METHOD
                               : NJ_OP_LOAD_ZERO_SUPER_METHOD,
                           meth->v.Attribute.attr));
        loc = nj_gen_attr_loc(loc, meth);
        OP(loc, NOP, 0);
    }
    else {
        VISIT(meth->v.Attribute.value);
        loc = nj_gen_attr_loc(loc, meth);
        TRY(nj_gen_attr_op(c, loc, NJ_OP_LOAD_METHOD, meth->v.Attribute.attr));
    }
    TRY(visit_all(c, args));
    TRY(check_keywords(c, kws));
    NjPos call_loc = nj_gen_attr_loc(e->pos, meth);
    if (nkw) {
        TRY(gen_kw_values(c, kws));
        TRY(gen_kw_names(c, loc, kws));
        OP(call_loc, CALL_KW, nargs + nkw);
    }
    else {
        OP(call_loc, CALL, nargs);
    }
    return 1;
}

/* all(), any() and tuple() of a generator expression: a loop right here, guarded by a
 * check that the name means the built-in. */
static int
gen_builtin_genexpr(NjCompiler *c, NjExpr *e, NjLabel end)
{
    NjExpr *func = e->v.Call.func;
    NjSeq *args = e->v.Call.args;
    if (func->kind != NJ_Name || NJ_SEQ_LEN(args) != 1 ||
        NJ_SEQ_LEN(e->v.Call.keywords) != 0 ||
        ((NjExpr *)args->at[0])->kind != NJ_GeneratorExp) {
        return 0;
    }
    NjExpr *gen = args->at[0];
    NjScope *s = nj_symtable_find(c->st, gen);
    if (s == NULL || s->coroutine) {
        return 0;
    }
    NjPos loc = func->pos;
    int constant;
    bool tuple = false;
    int jump = 0;
    PyObject *initial = NULL;
    if (PyUnicode_EqualToUTF8(func->v.Name.id, "all")) {
        constant = 3;
        initial = Py_True;
        jump = POP_JUMP_IF_TRUE;
    }
    else if (PyUnicode_EqualToUTF8(func->v.Name.id, "any")) {
        constant = 4;
        initial = Py_False;
        jump = POP_JUMP_IF_FALSE;
    }
    else if (PyUnicode_EqualToUTF8(func->v.Name.id, "tuple")) {
        constant = 2;
        tuple = true;
    }
    else {
        return 0;
    }
    LABEL(skip);
    OP(loc, COPY, 1);
    OP(loc, LOAD_COMMON_CONSTANT, constant);
    OP(loc, IS_OP, 0);
    OP(loc, POP_JUMP_IF_FALSE, skip);
    OP(loc, POP_TOP, 0);
    if (tuple) {
        OP(loc, BUILD_LIST, 0);
    }
    VISIT(gen);
    LABEL(loop);
    LABEL(cleanup);
    USE(loop);
    OP(loc, FOR_ITER, cleanup);
    if (tuple) {
        OP(loc, LIST_APPEND, 2);
        OP(loc, JUMP, loop);
    }
    else {
        OP(loc, TO_BOOL, 0);
        OP(loc, jump, loop);
    }
    OP(NJ_NO_LOC, POP_ITER, 0);
    if (!tuple) {
        TRY(nj_gen_const(c, loc, initial == Py_True ? Py_False : Py_True));
    }
    OP(loc, JUMP, end);
    USE(cleanup);
    OP(NJ_NO_LOC, END_FOR, 0);
    OP(NJ_NO_LOC, POP_ITER, 0);
    if (tuple) {
        OP(loc, CALL_INTRINSIC_1, 6);
    }
    else {
        TRY(nj_gen_const(c, loc, initial));
    }
    OP(loc, JUMP, end);
    USE(skip);
    return 1;
}

static int
gen_call(NjCompiler *c, NjExpr *e)
{
    int r = gen_method_call(c, e);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    TRY(check_keywords(c, e->v.Call.keywords));
    NjExpr *func = e->v.Call.func;
    TRY(check_caller(c, func));
    LABEL(end);
    VISIT(func);
    TRY(gen_builtin_genexpr(c, e, end));
    OP(func->pos, PUSH_NULL, 0);
    TRY(nj_gen_call_helper(c, e->pos, 0, e->v.Call.args, NULL, e->v.Call.keywords));
    USE(end);
    return 0;
}

/* ---- strings ------------------------------------------------------------------------- */

static int
gen_joined(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    NjSeq *values = e->v.JoinedStr.values;
    Py_ssize_t n = NJ_SEQ_LEN(values);
    if (n > STACK_GUIDELINE) {
        TRY(nj_gen_const_new(c, loc, PyUnicode_FromStringAndSize(NULL, 0)));
        TRY(nj_gen_attr_op(c, loc, NJ_OP_LOAD_METHOD, NJ_ID(join)));
        OP(loc, BUILD_LIST, 0);
        for (Py_ssize_t i = 0; i < n; i++) {
            VISIT(values->at[i]);
            OP(loc, LIST_APPEND, 1);
        }
        OP(loc, CALL, 1);
        return 0;
    }
    TRY(visit_all(c, values));
    if (n > 1) {
        OP(loc, BUILD_STRING, (int)n);
    }
    else if (n == 0) {
        return nj_gen_const_new(c, loc, PyUnicode_FromStringAndSize(NULL, 0));
    }
    return 0;
}

static int
conversion_arg(NjCompiler *c, NjPos loc, int conversion)
{
    switch (conversion) {
    case 's':
        return 1;
    case 'r':
        return 2;
    case 'a':
        return 3;
    }
    PyErr_Format(PyExc_SystemError, "Unrecognized conversion character %d", conversion);
    return -1;
}

static int
gen_formatted(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    VISIT(e->v.FormattedValue.value);
    if (e->v.FormattedValue.conversion != -1) {
        int arg = conversion_arg(c, loc, e->v.FormattedValue.conversion);
        TRY(arg);
        OP(loc, CONVERT_VALUE, arg);
    }
    if (e->v.FormattedValue.format_spec) {
        VISIT(e->v.FormattedValue.format_spec);
        OP(loc, FORMAT_WITH_SPEC, 0);
    }
    else {
        OP(loc, FORMAT_SIMPLE, 0);
    }
    return 0;
}

static int
gen_interpolation(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    VISIT(e->v.Interpolation.value);
    TRY(nj_gen_const(c, loc, e->v.Interpolation.str));
    int arg = 2;
    if (e->v.Interpolation.conversion != -1) {
        int conv = conversion_arg(c, loc, e->v.Interpolation.conversion);
        TRY(conv);
        arg |= conv << 2;
    }
    if (e->v.Interpolation.format_spec) {
        arg++;
        VISIT(e->v.Interpolation.format_spec);
    }
    OP(loc, BUILD_INTERPOLATION, arg);
    return 0;
}

/* A template is (strings, interpolations): between two interpolations, before the first
 * and after the last there is always a string. */
static int
gen_template(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    NjSeq *values = e->v.TemplateStr.values;
    Py_ssize_t n = NJ_SEQ_LEN(values);
    bool last_interp = true;
    Py_ssize_t nstrings = 0;
    NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
    for (Py_ssize_t i = 0; i < n; i++) {
        NjExpr *v = values->at[i];
        if (v->kind == NJ_Interpolation) {
            if (last_interp) {
                TRY(nj_gen_const(c, loc, empty));
                nstrings++;
            }
            last_interp = true;
        }
        else {
            VISIT(v);
            nstrings++;
            last_interp = false;
        }
    }
    if (last_interp) {
        TRY(nj_gen_const(c, loc, empty));
        nstrings++;
    }
    OP(loc, BUILD_TUPLE, (int)nstrings);
    int ninterp = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        NjExpr *v = values->at[i];
        if (v->kind == NJ_Interpolation) {
            VISIT(v);
            ninterp++;
        }
    }
    OP(loc, BUILD_TUPLE, ninterp);
    OP(loc, BUILD_TEMPLATE, 0);
    return 0;
}

/* ---- comprehensions ------------------------------------------------------------------ */

typedef struct Inlined {
    PyObject *pushed;       /* list of saved names, or NULL */
    PyObject *hidden;       /* list of names made fast in a class or module, or NULL */
    NjTempScope *scopes;    /* overrides before */
    NjLabel cleanup;
    NjLabel end;
} Inlined;

static int
push_inlined(NjCompiler *c, NjPos loc, NjScope *entry, Inlined *in)
{
    NjUnit *u = c->u;
    bool in_class = u->scope->type == NJ_BLOCK_CLASS && u->inlined_depth == 0;
    bool function = nj_scope_is_function_like(u->scope);
    u->inlined_depth++;
    in->scopes = u->temp_scopes;
    in->cleanup = NJ_NO_LABEL;
    in->end = NJ_NO_LABEL;
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(entry->symbols, &at, &name, &value)) {
        int flags = PyLong_AsInt(value);
        bool bound = (flags & NJ_DEF_LOCAL) && !(flags & NJ_DEF_NONLOCAL);
        if (flags & NJ_DEF_PARAM) {
            continue; /* .0 */
        }
        if (!function && bound) {
            int r = PySet_Contains(u->fast_hidden, name);
            TRY(r);
            if (r == 0) {
                TRY(PySet_Add(u->fast_hidden, name));
                TRY(PySet_Add(u->ever_hidden, name));
                if (in->hidden == NULL && (in->hidden = PyList_New(0)) == NULL) {
                    return -1;
                }
                TRY(PyList_Append(in->hidden, name));
            }
        }
        int scope = (flags >> NJ_SCOPE_OFFSET) & NJ_SCOPE_MASK;
        int outer = nj_gen_scope_of(c, name);
        TRY(outer);
        if ((scope != outer && scope != NJ_SC_FREE &&
             !(scope == NJ_SC_CELL && outer == NJ_SC_FREE)) ||
            in_class) {
            NjTempScope *t = nj_arena_alloc(c->arena, sizeof(*t));
            if (t == NULL) {
                return -1;
            }
            *t = (NjTempScope){u->temp_scopes, name, scope};
            u->temp_scopes = t;
        }
        if (bound) {
            /* A name that the block outside does not have as a fast local still gets a
             * slot here. */
            int index = nj_gen_dict_index(u->varnames, name);
            TRY(index);
            OP(loc, LOAD_FAST_AND_CLEAR, index);
            if (scope == NJ_SC_CELL && outer == NJ_SC_FREE && !in_class) {
                int index_free = nj_gen_dict_index(u->freevars, name);
                TRY(index_free);
                OP(loc, MAKE_CELL, index_free + (int)PyDict_GET_SIZE(u->cellvars));
            }
            else if (scope == NJ_SC_CELL) {
                TRY(nj_gen_name_op(c, loc, MAKE_CELL, u->cellvars, name));
            }
            if (in->pushed == NULL && (in->pushed = PyList_New(0)) == NULL) {
                return -1;
            }
            TRY(PyList_Append(in->pushed, name));
        }
    }
    if (in->pushed != NULL) {
        OP(loc, SWAP, (int)PyList_GET_SIZE(in->pushed) + 1);
        in->cleanup = nj_gen_label(c);
        TRY(in->cleanup);
        in->end = nj_gen_label(c);
        TRY(in->end);
        OP(loc, SETUP_FINALLY, in->cleanup);
        /* Nothing to unwind, but it counts as a nested block. */
        TRY(nj_gen_push_fblock(c, loc, NJ_F_STOP_ITERATION, NJ_NO_LABEL, NJ_NO_LABEL, NULL));
    }
    return 0;
}

static int
restore_inlined(NjCompiler *c, NjPos loc, Inlined *in)
{
    Py_ssize_t n = PyList_GET_SIZE(in->pushed);
    OP(loc, SWAP, (int)n + 1);
    for (Py_ssize_t i = n - 1; i >= 0; i--) {
        TRY(nj_gen_name_op(c, loc, STORE_FAST_MAYBE_NULL, c->u->varnames,
                           PyList_GET_ITEM(in->pushed, i)));
    }
    return 0;
}

static int
pop_inlined(NjCompiler *c, NjPos loc, Inlined *in)
{
    NjUnit *u = c->u;
    u->inlined_depth--;
    if (in->pushed != NULL) {
        nj_gen_pop_fblock(c);
        OP(NJ_NO_LOC, POP_BLOCK, 0);
        OP(NJ_NO_LOC, JUMP, in->end);
        USE(in->cleanup);
        OP(NJ_NO_LOC, SWAP, 2);
        OP(NJ_NO_LOC, POP_TOP, 0);
        TRY(restore_inlined(c, loc, in));
        OP(NJ_NO_LOC, RERAISE, 0);
        USE(in->end);
        TRY(restore_inlined(c, loc, in));
    }
    u->temp_scopes = in->scopes;
    for (Py_ssize_t i = 0; in->hidden != NULL && i < PyList_GET_SIZE(in->hidden); i++) {
        TRY(PySet_Discard(u->fast_hidden, PyList_GET_ITEM(in->hidden, i)));
    }
    return 0;
}

typedef struct Comp {
    NjCompType type;
    NjSeq *generators;
    NjExpr *elt;
    NjExpr *value;
    bool inlined;
} Comp;

static int gen_comp_loop(NjCompiler *c, Comp *k, Py_ssize_t index, int depth, NjPos loc);

static int
gen_comp_element(NjCompiler *c, Comp *k, int depth, NjPos *elt_loc)
{
    *elt_loc = k->elt->pos;
    switch (k->type) {
    case NJ_COMP_GENERATOR:
        VISIT(k->elt);
        if (c->u->scope->generator && c->u->scope->coroutine) {
            OP(*elt_loc, CALL_INTRINSIC_1, 4);
        }
        OP(*elt_loc, YIELD_VALUE, 0);
        OP(*elt_loc, RESUME, NJ_RESUME_YIELD);
        OP(*elt_loc, POP_TOP, 0);
        return 0;
    case NJ_COMP_LIST:
        VISIT(k->elt);
        OP(*elt_loc, LIST_APPEND, depth + 1);
        return 0;
    case NJ_COMP_SET:
        VISIT(k->elt);
        OP(*elt_loc, SET_ADD, depth + 1);
        return 0;
    default:
        VISIT(k->elt);
        VISIT(k->value);
        elt_loc->end_lineno = k->value->pos.end_lineno;
        elt_loc->end_col_offset = k->value->pos.end_col_offset;
        OP(*elt_loc, MAP_ADD, depth + 1);
        return 0;
    }
}

static int
gen_comp_async(NjCompiler *c, Comp *k, Py_ssize_t index, int depth, NjPos loc)
{
    NjComprehension *gen = k->generators->at[index];
    LABEL(start);
    LABEL(send);
    LABEL(except);
    LABEL(if_cleanup);
    if (index == 0) {
        if (!k->inlined) {
            OP(loc, LOAD_FAST, 0);
        }
    }
    else {
        VISIT(gen->iter);
        OP(gen->iter->pos, GET_AITER, 0);
    }
    USE(start);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_COMP_GENERATOR, start, NJ_NO_LABEL, NULL));
    OP(loc, SETUP_FINALLY, except);
    OP(loc, GET_ANEXT, 0);
    TRY(nj_gen_const(c, loc, Py_None));
    USE(send);
    TRY(nj_gen_yield_from(c, loc, true));
    OP(loc, POP_BLOCK, 0);
    VISIT(gen->target);
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(gen->ifs); i++) {
        TRY(nj_gen_jump_if(c, loc, gen->ifs->at[i], if_cleanup, false));
    }
    depth++;
    NjPos elt_loc = k->elt->pos;
    if (index + 1 < NJ_SEQ_LEN(k->generators)) {
        TRY(gen_comp_loop(c, k, index + 1, depth, loc));
    }
    else {
        TRY(gen_comp_element(c, k, depth, &elt_loc));
    }
    USE(if_cleanup);
    OP(elt_loc, JUMP, start);
    nj_gen_pop_fblock(c);
    USE(except);
    OP(loc, END_ASYNC_FOR, send);
    return 0;
}

static int
gen_comp_sync(NjCompiler *c, Comp *k, Py_ssize_t index, int depth, NjPos loc)
{
    NjComprehension *gen = k->generators->at[index];
    LABEL(start);
    LABEL(if_cleanup);
    LABEL(anchor);
    bool loop = true;
    if (index == 0) {
        if (!k->inlined) {
            OP(loc, LOAD_FAST, 0);
        }
    }
    else {
        /* `for y in [x]' is an assignment. */
        NjSeq *elts = gen->iter->kind == NJ_List    ? gen->iter->v.List.elts
                      : gen->iter->kind == NJ_Tuple ? gen->iter->v.Tuple.elts
                                                    : NULL;
        if (NJ_SEQ_LEN(elts) == 1 && ((NjExpr *)elts->at[0])->kind != NJ_Starred) {
            VISIT(elts->at[0]);
            loop = false;
        }
        else {
            VISIT(gen->iter);
            OP(gen->iter->pos, GET_ITER, 0);
        }
    }
    if (loop) {
        depth++;
        USE(start);
        OP(gen->iter->pos, FOR_ITER, anchor);
    }
    VISIT(gen->target);
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(gen->ifs); i++) {
        TRY(nj_gen_jump_if(c, loc, gen->ifs->at[i], if_cleanup, false));
    }
    NjPos elt_loc = k->elt->pos;
    if (index + 1 < NJ_SEQ_LEN(k->generators)) {
        TRY(gen_comp_loop(c, k, index + 1, depth, loc));
    }
    else {
        TRY(gen_comp_element(c, k, depth, &elt_loc));
    }
    USE(if_cleanup);
    if (loop) {
        OP(elt_loc, JUMP, start);
        USE(anchor);
        OP(NJ_NO_LOC, END_FOR, 0);
        OP(NJ_NO_LOC, POP_ITER, 0);
    }
    return 0;
}

static int
gen_comp_loop(NjCompiler *c, Comp *k, Py_ssize_t index, int depth, NjPos loc)
{
    NjComprehension *gen = k->generators->at[index];
    return gen->is_async ? gen_comp_async(c, k, index, depth, loc)
                         : gen_comp_sync(c, k, index, depth, loc);
}

static int
gen_comp_iter(NjCompiler *c, NjComprehension *outermost)
{
    VISIT(outermost->iter);
    OP(outermost->iter->pos, outermost->is_async ? GET_AITER : GET_ITER, 0);
    return 0;
}

static int
gen_comprehension(NjCompiler *c, NjExpr *e, NjCompType type, const char *text,
                  NjSeq *generators, NjExpr *elt, NjExpr *value)
{
    static const int BUILD[] = {0, BUILD_LIST, BUILD_MAP, BUILD_SET, 0};
    NjPos loc = e->pos;
    NjScope *entry = nj_symtable_lookup(c->st, e);
    if (entry == NULL) {
        return -1;
    }
    Comp k = {type, generators, elt, value, entry->comp_inlined};
    NjComprehension *outermost = generators->at[0];
    bool async = entry->coroutine;
    Inlined in = {0};
    if (k.inlined) {
        TRY(gen_comp_iter(c, outermost));
        int r = push_inlined(c, loc, entry, &in);
        if (r == 0) {
            r = nj_gen_op(c, loc, BUILD[type], 0);
        }
        if (r == 0) {
            r = nj_gen_op(c, loc, SWAP, 2);
        }
        if (r == 0) {
            r = gen_comp_loop(c, &k, 0, 0, loc);
        }
        if (r == 0) {
            r = pop_inlined(c, loc, &in);
        }
        Py_XDECREF(in.pushed);
        Py_XDECREF(in.hidden);
        return r;
    }
    NJ_OWN name = PyUnicode_InternFromString(text);
    if (name == NULL) {
        return -1;
    }
    TRY(nj_gen_enter(c, name, NJ_UNIT_COMPREHENSION, e, loc.lineno, NULL, 1, 0, 0));
    if (type != NJ_COMP_GENERATOR) {
        OP(loc, BUILD[type], 0);
    }
    TRY(gen_comp_loop(c, &k, 0, 0, loc));
    if (type != NJ_COMP_GENERATOR) {
        OP(elt->pos, RETURN_VALUE, 0);
    }
    else {
        TRY(nj_gen_wrap_stop_iteration(c));
    }
    NJ_OWN co = nj_gen_assemble(c, true);
    nj_gen_exit(c);
    if (co == NULL) {
        return -1;
    }
    TRY(nj_gen_closure(c, loc, co, 0));
    TRY(gen_comp_iter(c, outermost));
    OP(loc, CALL, 0);
    if (async && type != NJ_COMP_GENERATOR) {
        OP(loc, GET_AWAITABLE, 0);
        TRY(nj_gen_const(c, loc, Py_None));
        TRY(nj_gen_yield_from(c, loc, true));
    }
    return 0;
}

/* ---- the rest ------------------------------------------------------------------------ */

int
nj_gen_yield_from(NjCompiler *c, NjPos loc, bool await)
{
    LABEL(send);
    LABEL(fail);
    LABEL(exit);
    USE(send);
    OP(loc, SEND, exit);
    /* While suspended, throw() goes to the subiterator through CLEANUP_THROW. */
    OP(loc, SETUP_FINALLY, fail);
    OP(loc, YIELD_VALUE, 1);
    OP(NJ_NO_LOC, POP_BLOCK, 0);
    OP(loc, RESUME, await ? NJ_RESUME_AWAIT : NJ_RESUME_YIELD_FROM);
    OP(loc, JUMP_NO_INTERRUPT, send);
    USE(fail);
    OP(loc, CLEANUP_THROW, 0);
    USE(exit);
    OP(loc, END_SEND, 0);
    return 0;
}

static int
gen_lambda(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    NjArguments *a = e->v.Lambda.args;
    int flags = nj_gen_defaults(c, loc, a);
    TRY(flags);
    NJ_OWN name = PyUnicode_InternFromString("<lambda>");
    if (name == NULL) {
        return -1;
    }
    TRY(nj_gen_enter(c, name, NJ_UNIT_LAMBDA, e, loc.lineno, NULL,
                     (int)(NJ_SEQ_LEN(a->args) + NJ_SEQ_LEN(a->posonlyargs)),
                     (int)NJ_SEQ_LEN(a->posonlyargs), (int)NJ_SEQ_LEN(a->kwonlyargs)));
    VISIT(e->v.Lambda.body);
    NJ_OWN co = NULL;
    if (c->u->scope->generator) {
        NJ_SET(co, nj_gen_assemble(c, false));
    }
    else {
        OP(e->v.Lambda.body->pos, RETURN_VALUE, 0);
        NJ_SET(co, nj_gen_assemble(c, true));
    }
    nj_gen_exit(c);
    return co == NULL ? -1 : nj_gen_closure(c, loc, co, flags);
}

static bool
is_constant_slice(NjExpr *e)
{
    return e->kind == NJ_Slice &&
           (e->v.Slice.lower == NULL || e->v.Slice.lower->kind == NJ_Constant) &&
           (e->v.Slice.upper == NULL || e->v.Slice.upper->kind == NJ_Constant) &&
           (e->v.Slice.step == NULL || e->v.Slice.step->kind == NJ_Constant);
}

bool
nj_gen_two_element_slice(NjExpr *e)
{
    return e->kind == NJ_Slice && !is_constant_slice(e) && e->v.Slice.step == NULL;
}

/* Pushes the bounds; how many. */
int
nj_gen_slice(NjCompiler *c, NjExpr *e)
{
    int n = 2;
    NjExpr *bounds[2] = {e->v.Slice.lower, e->v.Slice.upper};
    for (int i = 0; i < 2; i++) {
        if (bounds[i]) {
            VISIT(bounds[i]);
        }
        else {
            TRY(nj_gen_const(c, e->pos, Py_None));
        }
    }
    if (e->v.Slice.step) {
        n++;
        VISIT(e->v.Slice.step);
    }
    return n;
}

static PyObject *
bound_value(NjExpr *e)
{
    return e == NULL ? Py_None : e->v.Constant.value;
}

static int
gen_subscript(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    int ctx = e->v.Subscript.ctx;
    NjExpr *s = e->v.Subscript.slice;
    if (ctx == NJ_Load) {
        TRY(check_subscripter(c, e->v.Subscript.value));
        TRY(check_index(c, e->v.Subscript.value, s));
    }
    VISIT(e->v.Subscript.value);
    if (nj_gen_two_element_slice(s) && ctx != NJ_Del) {
        TRY(nj_gen_slice(c, s));
        OP(loc, ctx == NJ_Load ? BINARY_SLICE : STORE_SLICE, 0);
        return 0;
    }
    VISIT(s);
    switch (ctx) {
    case NJ_Load:
        OP(loc, BINARY_OP, NB_SUBSCR);
        break;
    case NJ_Store:
        OP(loc, STORE_SUBSCR, 0);
        break;
    default:
        OP(loc, DELETE_SUBSCR, 0);
    }
    return 0;
}

/* self.x = ... in a method: remembered for the class's __static_attributes__. */
static int
note_static_attribute(NjCompiler *c, NjExpr *e)
{
    NjExpr *v = e->v.Attribute.value;
    if (v->kind != NJ_Name || e->v.Attribute.ctx != NJ_Store ||
        !PyUnicode_EqualToUTF8(v->v.Name.id, "self")) {
        return 0;
    }
    for (NjUnit *u = c->u; u != NULL; u = u->parent) {
        if (u->kind == NJ_UNIT_CLASS) {
            return PySet_Add(u->static_attributes, e->v.Attribute.attr);
        }
    }
    return 0;
}

static int
gen_attribute(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    PyObject *attr = e->v.Attribute.attr;
    if (e->v.Attribute.ctx == NJ_Load) {
        int super = is_plain_super(c, e);
        TRY(super);
        if (super) {
            TRY(gen_super_args(c, e));
            TRY(nj_gen_attr_op(c, loc,
                               NJ_SEQ_LEN(e->v.Attribute.value->v.Call.args)
                                   ? LOAD_SUPER_ATTR
                                   : NJ_OP_LOAD_ZERO_SUPER_ATTR,
                               attr));
            loc = nj_gen_attr_loc(loc, e);
            OP(loc, NOP, 0);
            return 0;
        }
    }
    TRY(note_static_attribute(c, e));
    VISIT(e->v.Attribute.value);
    loc = nj_gen_attr_loc(loc, e);
    switch (e->v.Attribute.ctx) {
    case NJ_Load:
        return nj_gen_attr_op(c, loc, LOAD_ATTR, attr);
    case NJ_Store:
        return nj_gen_attr_op(c, loc, STORE_ATTR, attr);
    default:
        return nj_gen_attr_op(c, loc, DELETE_ATTR, attr);
    }
}

static int
gen_unary(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    VISIT(e->v.UnaryOp.operand);
    switch (e->v.UnaryOp.op) {
    case NJ_Not:
        OP(loc, TO_BOOL, 0);
        OP(loc, UNARY_NOT, 0);
        return 0;
    case NJ_Invert:
        OP(loc, UNARY_INVERT, 0);
        return 0;
    case NJ_USub:
        OP(loc, UNARY_NEGATIVE, 0);
        return 0;
    default:
        OP(loc, CALL_INTRINSIC_1, 5);
        return 0;
    }
}

static int
gen_binop(NjCompiler *c, NjExpr *e)
{
    static const int ARG[] = {0,           NB_ADD,      NB_SUBTRACT, NB_MULTIPLY,
                              NB_MATRIX_MULTIPLY,       NB_TRUE_DIVIDE, NB_REMAINDER,
                              NB_POWER,    NB_LSHIFT,   NB_RSHIFT,   NB_OR,
                              NB_XOR,      NB_AND,      NB_FLOOR_DIVIDE};
    VISIT(e->v.BinOp.left);
    VISIT(e->v.BinOp.right);
    OP(e->pos, BINARY_OP, ARG[e->v.BinOp.op]);
    return 0;
}

static int
gen_yield(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    if (!nj_scope_is_function_like(c->u->scope)) {
        return nj_gen_error(c, loc, "'yield' outside function");
    }
    if (e->v.Yield.value) {
        VISIT(e->v.Yield.value);
    }
    else {
        TRY(nj_gen_const(c, loc, Py_None));
    }
    if (c->u->scope->generator && c->u->scope->coroutine) {
        OP(loc, CALL_INTRINSIC_1, 4);
    }
    OP(loc, YIELD_VALUE, 0);
    OP(loc, RESUME, NJ_RESUME_YIELD);
    return 0;
}

static int
gen_expr_inner(NjCompiler *c, NjExpr *e)
{
    NjPos loc = e->pos;
    switch (e->kind) {
    case NJ_NamedExpr:
        VISIT(e->v.NamedExpr.value);
        OP(loc, COPY, 1);
        return nj_gen_expr(c, e->v.NamedExpr.target);
    case NJ_BoolOp:
        return gen_boolop(c, e);
    case NJ_BinOp:
        return gen_binop(c, e);
    case NJ_UnaryOp:
        return gen_unary(c, e);
    case NJ_Lambda:
        return gen_lambda(c, e);
    case NJ_IfExp: {
        LABEL(end);
        LABEL(next);
        TRY(nj_gen_jump_if(c, loc, e->v.IfExp.test, next, false));
        VISIT(e->v.IfExp.body);
        OP(NJ_NO_LOC, JUMP, end);
        USE(next);
        VISIT(e->v.IfExp.orelse);
        USE(end);
        return 0;
    }
    case NJ_Dict:
        return gen_dict(c, e);
    case NJ_Set:
        return gen_elements(c, loc, e->v.Set.elts, NULL, 0, BUILD_SET, SET_ADD, SET_UPDATE,
                            false);
    case NJ_GeneratorExp:
        return gen_comprehension(c, e, NJ_COMP_GENERATOR, "<genexpr>",
                                 e->v.GeneratorExp.generators, e->v.GeneratorExp.elt, NULL);
    case NJ_ListComp:
        return gen_comprehension(c, e, NJ_COMP_LIST, "<listcomp>", e->v.ListComp.generators,
                                 e->v.ListComp.elt, NULL);
    case NJ_SetComp:
        return gen_comprehension(c, e, NJ_COMP_SET, "<setcomp>", e->v.SetComp.generators,
                                 e->v.SetComp.elt, NULL);
    case NJ_DictComp:
        return gen_comprehension(c, e, NJ_COMP_DICT, "<dictcomp>", e->v.DictComp.generators,
                                 e->v.DictComp.key, e->v.DictComp.value);
    case NJ_Yield:
        return gen_yield(c, e);
    case NJ_YieldFrom:
        if (!nj_scope_is_function_like(c->u->scope)) {
            return nj_gen_error(c, loc, "'yield from' outside function");
        }
        if (c->u->kind == NJ_UNIT_ASYNC_FUNCTION) {
            return nj_gen_error(c, loc, "'yield from' inside async function");
        }
        VISIT(e->v.YieldFrom.value);
        OP(loc, GET_YIELD_FROM_ITER, 0);
        TRY(nj_gen_const(c, loc, Py_None));
        return nj_gen_yield_from(c, loc, false);
    case NJ_Await:
        VISIT(e->v.Await.value);
        OP(loc, GET_AWAITABLE, 0);
        TRY(nj_gen_const(c, loc, Py_None));
        return nj_gen_yield_from(c, loc, true);
    case NJ_Compare:
        return gen_compare(c, e);
    case NJ_Call:
        return gen_call(c, e);
    case NJ_JoinedStr:
        return gen_joined(c, e);
    case NJ_FormattedValue:
        return gen_formatted(c, e);
    case NJ_TemplateStr:
        return gen_template(c, e);
    case NJ_Interpolation:
        return gen_interpolation(c, e);
    case NJ_Constant:
        return nj_gen_const(c, loc, e->v.Constant.value);
    case NJ_Attribute:
        return gen_attribute(c, e);
    case NJ_Subscript:
        return gen_subscript(c, e);
    case NJ_Starred:
        return nj_gen_error(c, loc,
                            e->v.Starred.ctx == NJ_Store
                                ? "starred assignment target must be in a list or tuple"
                                : "can't use starred expression here");
    case NJ_Slice: {
        if (is_constant_slice(e)) {
            return nj_gen_const_new(c, loc,
                                    PySlice_New(bound_value(e->v.Slice.lower),
                                                bound_value(e->v.Slice.upper),
                                                bound_value(e->v.Slice.step)));
        }
        int n = nj_gen_slice(c, e);
        TRY(n);
        OP(loc, BUILD_SLICE, n);
        return 0;
    }
    case NJ_Name:
        return nj_gen_nameop(c, loc, e->v.Name.id, e->v.Name.ctx);
    default:
        return gen_list_or_tuple(c, e);
    }
}

int
nj_gen_expr(NjCompiler *c, NjExpr *e)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = gen_expr_inner(c, e);
    Py_LeaveRecursiveCall();
    return r;
}

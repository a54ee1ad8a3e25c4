/* codegen_match.c - the match statement.
 *
 * Patterns keep captured names as values on the stack until the whole pattern has
 * matched, then they are stored all at once. Below them lie `on_top' temporaries and the
 * subject. A failing test at a point where k values are to be dropped jumps to label
 * fail[k]; the labels are emitted one after the other with a POP_TOP between.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/compile_int.h"

typedef struct PatternCtx {
    PyObject *stores; /* list of captured names */
    bool allow_irrefutable;
    NjLabel *fail;
    int nfail;
    int on_top;
} PatternCtx;

static int gen_pattern(NjCompiler *c, NjPattern *p, PatternCtx *pc);

static bool
is_wildcard(NjPattern *p)
{
    return p->kind == NJ_MatchAs && p->v.MatchAs.name == NULL;
}

static bool
is_wildcard_star(NjPattern *p)
{
    return p->kind == NJ_MatchStar && p->v.MatchStar.name == NULL;
}

static int
ensure_fail(NjCompiler *c, PatternCtx *pc, int n)
{
    if (n < pc->nfail) {
        return 0;
    }
    NjLabel *fresh = nj_arena_grow(c->arena, pc->fail, pc->nfail * sizeof(NjLabel),
                                   (n + 1) * sizeof(NjLabel));
    if (fresh == NULL) {
        return -1;
    }
    pc->fail = fresh;
    while (pc->nfail <= n) {
        NjLabel l = nj_gen_label(c);
        TRY(l);
        pc->fail[pc->nfail++] = l;
    }
    return 0;
}

static int
jump_to_fail(NjCompiler *c, NjPos loc, PatternCtx *pc, int op)
{
    int pops = pc->on_top + (int)PyList_GET_SIZE(pc->stores);
    TRY(ensure_fail(c, pc, pops));
    OP(loc, op, pc->fail[pops]);
    return 0;
}

static int
emit_fail(NjCompiler *c, NjPos loc, PatternCtx *pc)
{
    if (pc->nfail == 0) {
        return 0;
    }
    while (--pc->nfail) {
        USE(pc->fail[pc->nfail]);
        OP(loc, POP_TOP, 0);
    }
    USE(pc->fail[0]);
    pc->fail = NULL;
    return 0;
}

/* Moves the top to the count-th place. */
static int
rotate(NjCompiler *c, NjPos loc, int count)
{
    while (count > 1) {
        OP(loc, SWAP, count--);
    }
    return 0;
}

static int
error_duplicate(NjCompiler *c, NjPos loc, PyObject *name)
{
    return nj_gen_error(c, loc, "multiple assignments to name %R in pattern", name);
}

static int
store_name(NjCompiler *c, NjPos loc, PyObject *name, PatternCtx *pc)
{
    if (name == NULL) {
        OP(loc, POP_TOP, 0);
        return 0;
    }
    int dup = PySequence_Contains(pc->stores, name);
    TRY(dup);
    if (dup) {
        return error_duplicate(c, loc, name);
    }
    TRY(rotate(c, loc, pc->on_top + (int)PyList_GET_SIZE(pc->stores) + 1));
    return PyList_Append(pc->stores, name);
}

/* A pattern inside another: may be irrefutable. */
static int
gen_subpattern(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    bool old = pc->allow_irrefutable;
    pc->allow_irrefutable = true;
    TRY(gen_pattern(c, p, pc));
    pc->allow_irrefutable = old;
    return 0;
}

static int
unpack_sequence(NjCompiler *c, NjPos loc, NjSeq *patterns, PatternCtx *pc)
{
    Py_ssize_t n = NJ_SEQ_LEN(patterns);
    bool star = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        NjPattern *p = patterns->at[i];
        if (p->kind != NJ_MatchStar) {
            continue;
        }
        if (star) {
            return nj_gen_error(c, loc, "multiple starred expressions in sequence pattern");
        }
        if (i >= (1 << 8) || n - i - 1 >= (INT_MAX >> 8)) {
            return nj_gen_error(c, loc,
                                "too many expressions in star-unpacking sequence pattern");
        }
        OP(loc, UNPACK_EX, (int)(i + ((n - i - 1) << 8)));
        star = true;
    }
    if (!star) {
        OP(loc, UNPACK_SEQUENCE, (int)n);
    }
    pc->on_top += (int)n;
    for (Py_ssize_t i = 0; i < n; i++) {
        pc->on_top--;
        TRY(gen_subpattern(c, patterns->at[i], pc));
    }
    return 0;
}

/* [a, *_, b]: only the interesting items are fetched. */
static int
subscript_sequence(NjCompiler *c, NjPos loc, NjSeq *patterns, Py_ssize_t star, PatternCtx *pc)
{
    pc->on_top++;
    Py_ssize_t n = NJ_SEQ_LEN(patterns);
    for (Py_ssize_t i = 0; i < n; i++) {
        NjPattern *p = patterns->at[i];
        if (is_wildcard(p) || i == star) {
            continue;
        }
        OP(loc, COPY, 1);
        if (i < star) {
            TRY(nj_gen_const_new(c, loc, PyLong_FromSsize_t(i)));
        }
        else {
            OP(loc, GET_LEN, 0);
            TRY(nj_gen_const_new(c, loc, PyLong_FromSsize_t(n - i)));
            OP(loc, BINARY_OP, NB_SUBTRACT);
        }
        OP(loc, BINARY_OP, NB_SUBSCR);
        TRY(gen_subpattern(c, p, pc));
    }
    pc->on_top--;
    OP(loc, POP_TOP, 0);
    return 0;
}

static int
check_len(NjCompiler *c, NjPos loc, PatternCtx *pc, Py_ssize_t n, int cmp)
{
    OP(loc, GET_LEN, 0);
    TRY(nj_gen_const_new(c, loc, PyLong_FromSsize_t(n)));
    TRY(nj_gen_compare_op(c, loc, cmp)); /* of ints: a bool already */
    return jump_to_fail(c, loc, pc, POP_JUMP_IF_FALSE);
}

static int
gen_sequence(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    NjPos loc = p->pos;
    NjSeq *patterns = p->v.MatchSequence.patterns;
    Py_ssize_t n = NJ_SEQ_LEN(patterns), star = -1;
    bool only_wildcard = true, star_wildcard = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        NjPattern *q = patterns->at[i];
        if (q->kind == NJ_MatchStar) {
            if (star >= 0) {
                return nj_gen_error(c, loc,
                                    "multiple starred expressions in sequence pattern");
            }
            star_wildcard = is_wildcard_star(q);
            only_wildcard = only_wildcard && star_wildcard;
            star = i;
            continue;
        }
        only_wildcard = only_wildcard && is_wildcard(q);
    }
    pc->on_top++;
    OP(loc, MATCH_SEQUENCE, 0);
    TRY(jump_to_fail(c, loc, pc, POP_JUMP_IF_FALSE));
    if (star < 0) {
        TRY(check_len(c, loc, pc, n, NJ_Eq));
    }
    else if (n > 1) {
        TRY(check_len(c, loc, pc, n - 1, NJ_GtE));
    }
    pc->on_top--;
    if (only_wildcard) {
        OP(loc, POP_TOP, 0);
        return 0;
    }
    return star_wildcard ? subscript_sequence(c, loc, patterns, star, pc)
                         : unpack_sequence(c, loc, patterns, pc);
}

static int
gen_mapping(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    NjPos loc = p->pos;
    NjSeq *keys = p->v.MatchMapping.keys, *patterns = p->v.MatchMapping.patterns;
    Py_ssize_t n = NJ_SEQ_LEN(keys);
    PyObject *rest = p->v.MatchMapping.rest;
    if (n != NJ_SEQ_LEN(patterns)) {
        return nj_gen_error(c, loc,
                            "keys (%zd) / patterns (%zd) length mismatch in mapping pattern",
                            n, NJ_SEQ_LEN(patterns));
    }
    pc->on_top++;
    OP(loc, MATCH_MAPPING, 0);
    TRY(jump_to_fail(c, loc, pc, POP_JUMP_IF_FALSE));
    if (n == 0 && rest == NULL) {
        pc->on_top--;
        OP(loc, POP_TOP, 0);
        return 0;
    }
    if (n > 0) {
        TRY(check_len(c, loc, pc, n, NJ_GtE));
    }
    if (n > INT_MAX - 1) {
        return nj_gen_error(c, loc, "too many sub-patterns in mapping pattern");
    }
    NJ_OWN seen = PySet_New(NULL);
    if (seen == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NjExpr *key = keys->at[i];
        if (key == NULL) {
            return nj_gen_error(c, ((NjPattern *)patterns->at[i])->pos,
                                "can't use NULL keys in MatchMapping (set 'rest' parameter "
                                "instead)");
        }
        if (key->kind == NJ_Constant) {
            int dup = PySet_Contains(seen, key->v.Constant.value);
            TRY(dup);
            if (dup) {
                return nj_gen_error(c, loc, "mapping pattern checks duplicate key (%R)",
                                    key->v.Constant.value);
            }
            TRY(PySet_Add(seen, key->v.Constant.value));
        }
        else if (key->kind != NJ_Attribute) {
            return nj_gen_error(
                c, loc,
                "mapping pattern keys may only match literals and attribute lookups");
        }
        VISIT(key);
    }
    OP(loc, BUILD_TUPLE, (int)n);
    OP(loc, MATCH_KEYS, 0);
    /* Now: subject, keys, values or None. */
    pc->on_top += 2;
    OP(loc, COPY, 1);
    TRY(nj_gen_const(c, loc, Py_None));
    OP(loc, IS_OP, 1);
    TRY(jump_to_fail(c, loc, pc, POP_JUMP_IF_FALSE));
    OP(loc, UNPACK_SEQUENCE, (int)n);
    pc->on_top += (int)n - 1;
    for (Py_ssize_t i = 0; i < n; i++) {
        pc->on_top--;
        TRY(gen_subpattern(c, patterns->at[i], pc));
    }
    pc->on_top -= 2;
    if (rest) {
        OP(loc, BUILD_MAP, 0);
        OP(loc, SWAP, 3);
        OP(loc, DICT_UPDATE, 2);
        OP(loc, UNPACK_SEQUENCE, (int)n);
        for (Py_ssize_t k = n; k > 0; k--) {
            OP(loc, COPY, (int)k + 1);
            OP(loc, SWAP, 2);
            OP(loc, DELETE_SUBSCR, 0);
        }
        return store_name(c, loc, rest, pc);
    }
    OP(loc, POP_TOP, 0);
    OP(loc, POP_TOP, 0);
    return 0;
}

static int
gen_class_pattern(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    NjPos loc = p->pos;
    NjSeq *patterns = p->v.MatchClass.patterns, *attrs = p->v.MatchClass.kwd_attrs,
          *kwd = p->v.MatchClass.kwd_patterns;
    Py_ssize_t n = NJ_SEQ_LEN(patterns), nattrs = NJ_SEQ_LEN(attrs);
    if (nattrs != NJ_SEQ_LEN(kwd)) {
        return nj_gen_error(
            c, loc, "kwd_attrs (%zd) / kwd_patterns (%zd) length mismatch in class pattern",
            nattrs, NJ_SEQ_LEN(kwd));
    }
    if (INT_MAX < n || INT_MAX < n + nattrs - 1) {
        return nj_gen_error(c, loc, "too many sub-patterns in class pattern %R",
                            p->v.MatchClass.cls);
    }
    for (Py_ssize_t i = 0; i < nattrs; i++) {
        for (Py_ssize_t k = i + 1; k < nattrs; k++) {
            if (PyUnicode_Compare(attrs->at[i], attrs->at[k]) == 0) {
                return nj_gen_error(c, ((NjPattern *)kwd->at[k])->pos,
                                    "attribute name repeated in class pattern: %U",
                                    attrs->at[k]);
            }
        }
    }
    VISIT(p->v.MatchClass.cls);
    PyObject *names = PyTuple_New(nattrs);
    for (Py_ssize_t i = 0; names != NULL && i < nattrs; i++) {
        PyTuple_SET_ITEM(names, i, Py_NewRef((PyObject *)attrs->at[i]));
    }
    TRY(nj_gen_const_new(c, loc, names));
    OP(loc, MATCH_CLASS, (int)n);
    OP(loc, COPY, 1);
    TRY(nj_gen_const(c, loc, Py_None));
    OP(loc, IS_OP, 1);
    pc->on_top++;
    TRY(jump_to_fail(c, loc, pc, POP_JUMP_IF_FALSE));
    OP(loc, UNPACK_SEQUENCE, (int)(n + nattrs));
    pc->on_top += (int)(n + nattrs) - 1;
    for (Py_ssize_t i = 0; i < n + nattrs; i++) {
        pc->on_top--;
        NjPattern *q = i < n ? patterns->at[i] : kwd->at[i - n];
        if (is_wildcard(q)) {
            OP(loc, POP_TOP, 0);
            continue;
        }
        TRY(gen_subpattern(c, q, pc));
    }
    return 0;
}

static int
gen_as(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    NjPos loc = p->pos;
    PyObject *name = p->v.MatchAs.name;
    if (p->v.MatchAs.pattern == NULL) {
        if (!pc->allow_irrefutable) {
            if (name) {
                return nj_gen_error(
                    c, loc, "name capture %R makes remaining patterns unreachable", name);
            }
            return nj_gen_error(c, loc, "wildcard makes remaining patterns unreachable");
        }
        return store_name(c, loc, name, pc);
    }
    pc->on_top++;
    OP(loc, COPY, 1);
    TRY(gen_pattern(c, p->v.MatchAs.pattern, pc));
    pc->on_top--;
    return store_name(c, loc, name, pc);
}

/* Brings the captures of one alternative into the order of the first. */
static int
reorder_captures(NjCompiler *c, NjPos loc, PyObject *control, PyObject *stores, bool *differ)
{
    for (Py_ssize_t ic = PyList_GET_SIZE(control) - 1; ic >= 0; ic--) {
        PyObject *name = PyList_GET_ITEM(control, ic);
        Py_ssize_t is = PySequence_Index(stores, name);
        if (is < 0) {
            PyErr_Clear();
            *differ = true;
            return 0;
        }
        if (ic == is) {
            continue;
        }
        /* Rotate the is+1 names on top below the others, both here and in the list. */
        NJ_OWN moved = PyList_GetSlice(stores, 0, is + 1);
        if (moved == NULL || PyList_SetSlice(stores, 0, is + 1, NULL) < 0 ||
            PyList_SetSlice(stores, ic - is, ic - is, moved) < 0) {
            return -1;
        }
        for (Py_ssize_t k = 0; k <= is; k++) {
            TRY(rotate(c, loc, (int)ic + 1));
        }
    }
    return 0;
}

static int
gen_or(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    NjPos loc = p->pos;
    NjSeq *alts = p->v.MatchOr.patterns;
    Py_ssize_t n = NJ_SEQ_LEN(alts);
    LABEL(end);
    NJ_OWN control = NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        NjPattern *alt = alts->at[i];
        NJ_OWN stores = PyList_New(0);
        if (stores == NULL) {
            return -1;
        }
        PatternCtx sub = {.stores = stores,
                          .allow_irrefutable = i == n - 1 && pc->allow_irrefutable};
        OP(alt->pos, COPY, 1);
        TRY(gen_pattern(c, alt, &sub));
        if (i == 0) {
            control = Py_NewRef(stores);
        }
        else {
            bool differ = PyList_GET_SIZE(stores) != PyList_GET_SIZE(control);
            if (!differ) {
                TRY(reorder_captures(c, alt->pos, control, stores, &differ));
            }
            if (differ) {
                return nj_gen_error(c, loc, "alternative patterns bind different names");
            }
        }
        OP(alt->pos, JUMP, end);
        TRY(emit_fail(c, alt->pos, &sub));
    }
    OP(loc, POP_TOP, 0);
    TRY(jump_to_fail(c, loc, pc, JUMP));
    USE(end);
    Py_ssize_t nstores = PyList_GET_SIZE(control);
    /* The captures go below the temporaries and the earlier captures. */
    Py_ssize_t nrots = nstores + 1 + pc->on_top + PyList_GET_SIZE(pc->stores);
    for (Py_ssize_t i = 0; i < nstores; i++) {
        TRY(rotate(c, loc, (int)nrots));
        PyObject *name = PyList_GET_ITEM(control, i);
        int dup = PySequence_Contains(pc->stores, name);
        TRY(dup);
        if (dup) {
            return error_duplicate(c, loc, name);
        }
        TRY(PyList_Append(pc->stores, name));
    }
    OP(loc, POP_TOP, 0);
    return 0;
}

static int
gen_value_pattern(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    NjPos loc = p->pos;
    NjExpr *v = p->v.MatchValue.value;
    bool literal = v->kind == NJ_Constant || v->kind == NJ_Attribute;
    if (!literal) {
        return nj_gen_error(c, loc,
                            "patterns may only match literals and attribute lookups");
    }
    VISIT(v);
    TRY(nj_gen_compare_op(c, loc, NJ_Eq));
    OP(loc, TO_BOOL, 0);
    return jump_to_fail(c, loc, pc, POP_JUMP_IF_FALSE);
}

static int
gen_pattern(NjCompiler *c, NjPattern *p, PatternCtx *pc)
{
    switch (p->kind) {
    case NJ_MatchValue:
        return gen_value_pattern(c, p, pc);
    case NJ_MatchSingleton:
        TRY(nj_gen_const(c, p->pos, p->v.MatchSingleton.value));
        OP(p->pos, IS_OP, 0);
        return jump_to_fail(c, p->pos, pc, POP_JUMP_IF_FALSE);
    case NJ_MatchSequence:
        return gen_sequence(c, p, pc);
    case NJ_MatchMapping:
        return gen_mapping(c, p, pc);
    case NJ_MatchClass:
        return gen_class_pattern(c, p, pc);
    case NJ_MatchStar:
        return store_name(c, p->pos, p->v.MatchStar.name, pc);
    case NJ_MatchAs:
        return gen_as(c, p, pc);
    default:
        return gen_or(c, p, pc);
    }
}

static int
gen_case(NjCompiler *c, NjMatchCase *m, bool last, bool copy, NjLabel end)
{
    NjPos loc = m->pattern->pos;
    NJ_OWN stores = PyList_New(0);
    if (stores == NULL) {
        return -1;
    }
    PatternCtx pc = {.stores = stores, .allow_irrefutable = m->guard != NULL || last};
    if (copy) {
        OP(loc, COPY, 1);
    }
    TRY(gen_pattern(c, m->pattern, &pc));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(stores); i++) {
        TRY(nj_gen_nameop(c, loc, PyList_GET_ITEM(stores, i), NJ_Store));
    }
    if (m->guard) {
        PyObject *saved = pc.stores;
        TRY(ensure_fail(c, &pc, 0));
        pc.stores = saved;
        TRY(nj_gen_jump_if(c, loc, m->guard, pc.fail[0], false));
    }
    if (copy) {
        OP(NJ_NEXT_LOC, POP_TOP, 0);
    }
    TRY(nj_gen_body(c, m->body));
    OP(NJ_NO_LOC, NJ_OP_LOOP_JUMP, end);
    return emit_fail(c, loc, &pc);
}

int
nj_gen_match(NjCompiler *c, NjStmt *s)
{
    NjSeq *cases = s->v.Match.cases;
    Py_ssize_t n = NJ_SEQ_LEN(cases);
    VISIT(s->v.Match.subject);
    LABEL(end);
    NjMatchCase *final = cases->at[n - 1];
    bool has_default = n > 1 && is_wildcard(final->pattern);
    for (Py_ssize_t i = 0; i < n - has_default; i++) {
        TRY(gen_case(c, cases->at[i], i == n - 1, i != n - has_default - 1, end));
    }
    if (has_default) {
        NjPos loc = final->pattern->pos;
        /* The subject was dropped by the case before. */
        OP(loc, NOP, 0);
        if (final->guard) {
            TRY(nj_gen_jump_if(c, loc, final->guard, end, false));
        }
        TRY(nj_gen_body(c, final->body));
    }
    USE(end);
    return 0;
}

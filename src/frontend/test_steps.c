/* test_steps.c - the compiler's steps one by one, for the library's regression tests.
 *
 * What goes in and out are lists of tuples (see compile.h), so that a test can write the
 * input of one step by hand and look at what it makes. Units and compilers here are
 * stack-made and hold only what the step in question reads.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/compile_int.h"

bool
nj_steps_has_arg(int op)
{
    return (nj_op_flags(op) & NJ_OPF_ARG) != 0;
}

bool
nj_steps_has_target(int op)
{
    return nj_is_jump(op) || nj_is_block_push(op);
}

static PyObject *
instr_tuple(int op, int arg, NjPos p)
{
    return Py_BuildValue("iiiiii", op, arg, p.lineno, p.end_lineno, p.col_offset, p.end_col_offset);
}

/* ---- out ------------------------------------------------------------------------------- */

static PyObject *
linear_list(NjCode *code)
{
    NJ_OWN list = PyList_New(code->len);
    for (int i = 0; list && i < code->len; i++) {
        NjInstr *x = &code->at[i];
        int op = x->op, arg = x->arg;
        if (op == NJ_OP_LOOP_JUMP) {
            arg = code->labels[arg];
            op = JUMP;
        } else if (nj_steps_has_target(op)) {
            arg = code->labels[arg];
            /* as nj_cfg_build does */
            op = op == JUMP && arg > i ? JUMP_NO_INTERRUPT : op;
        }
        PyObject *t = instr_tuple(op, arg, x->loc);
        if (!t) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, t);
    }
    return NJ_TAKE(list);
}

int
nj_steps_keep(NjCompiler *c)
{
    NjUnit *u = c->u;
    NJ_OWN code = linear_list(u->code);
    NJ_OWN nested = u->kept ? Py_NewRef(u->kept) : PyList_New(0);
    NJ_OWN consts = PyList_GetSlice(u->const_list, 0, PY_SSIZE_T_MAX);
    if (!code || !nested || !consts) {
        return -1;
    }
    NJ_OWN kept = Py_BuildValue("OO{sisisisO}", code, nested, "argcount", u->argcount,
                                "posonlyargcount", u->posonlyargcount, "kwonlyargcount",
                                u->kwonlyargcount, "consts", consts);
    if (!kept) {
        return -1;
    }
    if (!u->parent) {
        *c->keep = NJ_TAKE(kept);
        return 0;
    }
    if (!u->parent->kept && !(u->parent->kept = PyList_New(0))) {
        return -1;
    }
    return PyList_Append(u->parent->kept, kept);
}

static PyObject *
graph_list(NjCfg *g)
{
    int n = 0;
    for (NjBlock *b = g->entry; b; b = b->next) {
        b->index = n;
        n += b->len;
    }
    NJ_OWN list = PyList_New(0);
    for (NjBlock *b = g->entry; list && b; b = b->next) {
        for (int i = 0; i < b->len; i++) {
            NjCfgInstr *x = &b->at[i];
            NJ_OWN t = instr_tuple(x->op, x->target ? x->target->index : x->arg, x->loc);
            if (!t || PyList_Append(list, t) < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(list);
}

/* ---- in -------------------------------------------------------------------------------- */

static NjCode *
linear_code(PyObject *instrs, NjArena *arena)
{
    Py_ssize_t n = PyList_GET_SIZE(instrs);
    if (n > 100000) {
        PyErr_SetString(PyExc_ValueError, "too many instructions");
        return NULL;
    }
    NjCode *code = nj_arena_zalloc(arena, sizeof(NjCode));
    NjInstr *at = nj_arena_zalloc(arena, (size_t)(n + 1) * sizeof(NjInstr));
    int *labels = nj_arena_zalloc(arena, (size_t)(n + 1) * sizeof(int));
    if (!code || !at || !labels) {
        return NULL;
    }
    *code = (NjCode){.at = at, .labels = labels, .len = (int)n, .cap = (int)n};
    for (int i = 0; i < n; i++) {
        NjInstr *x = &at[i];
        PyObject *t = PyList_GET_ITEM(instrs, i);
        if (!PyTuple_Check(t) ||
            !PyArg_ParseTuple(t, "iiiiii:instruction", &x->op, &x->arg, &x->loc.lineno,
                              &x->loc.end_lineno, &x->loc.col_offset,
                              &x->loc.end_col_offset)) {
            return NULL;
        }
        if (!nj_op_flags(x->op)) {
            PyErr_Format(PyExc_ValueError, "invalid opcode %d", x->op);
            return NULL;
        }
        if (nj_steps_has_target(x->op)) {
            if (x->arg < 0 || x->arg >= n) {
                PyErr_Format(PyExc_ValueError, "jump target %d is out of range", x->arg);
                return NULL;
            }
            labels[i] = x->arg; /* one label per jump */
            x->arg = i;
            x->op = x->op == JUMP ? NJ_OP_LOOP_JUMP : x->op; /* stays a JUMP */
        }
    }
    code->nlabels = code->labels_cap = (int)n;
    return code;
}

/* Opargs that the steps take as indices without a check. */
static int
check_indices(NjCode *code, Py_ssize_t nconsts, int nlocals)
{
    for (int i = 0; i < code->len; i++) {
        NjInstr *x = &code->at[i];
        int flags = nj_op_flags(x->op);
        if ((flags & NJ_OPF_CONST) && (x->arg < 0 || x->arg >= nconsts)) {
            PyErr_Format(PyExc_ValueError,
                         "LOAD_CONST index %d is out of range for consts (len=%zd)", x->arg,
                         nconsts);
            return -1;
        }
        if ((flags & NJ_OPF_LOCAL) && x->op != LOAD_CLOSURE && x->op != LOAD_DEREF &&
            nlocals >= 0 && (x->arg < 0 || x->arg >= nlocals)) {
            PyErr_Format(PyExc_ValueError, "local %d is out of range", x->arg);
            return -1;
        }
    }
    return 0;
}

typedef struct Bench {
    NjCompiler c;
    NjUnit u;
    NjScope scope;
    NjAsmInput in;
} Bench;

static int
bench_init(Bench *b, PyObject *instrs, PyObject *consts)
{
    *b = (Bench){0};
    b->c.arena = nj_arena_new();
    b->c.const_cache = PyDict_New();
    b->scope.varnames = PyList_New(0);
    b->scope.type = NJ_BLOCK_FUNCTION;
    b->u.scope = &b->scope;
    b->u.firstlineno = 1;
    b->u.ever_hidden = PySet_New(NULL);
    if (!b->c.arena || !b->c.const_cache || !b->scope.varnames || !b->u.ever_hidden) {
        return -1;
    }
    b->u.code = linear_code(instrs, b->c.arena);
    b->c.u = &b->u;
    b->in = (NjAsmInput){.c = &b->c, .u = &b->u, .consts = consts};
    return b->u.code ? 0 : -1;
}

static void
bench_drop(Bench *b)
{
    Py_XDECREF(b->c.const_cache);
    Py_XDECREF(b->scope.varnames);
    Py_XDECREF(b->u.ever_hidden);
    if (b->c.arena) {
        nj_arena_free(b->c.arena);
    }
}

PyObject *
nj_steps_optimize(PyObject *instrs, PyObject *consts, int nlocals)
{
    Bench b;
    PyObject *result = NULL;
    NJ_OWN varnames = PyDict_New();
    for (int i = 0; varnames && i < nlocals; i++) {
        NJ_OWN key = PyLong_FromLong(i);
        if (!key || PyDict_SetItem(varnames, key, key) < 0) {
            return NULL;
        }
    }
    if (!varnames) {
        return NULL;
    }
    if (bench_init(&b, instrs, consts) == 0) {
        b.u.varnames = varnames;
        if (check_indices(b.u.code, PyList_GET_SIZE(consts), -1) == 0 &&
            nj_cfg_build(&b.in) == 0 && nj_cfg_optimize(&b.in) == 0 &&
            nj_cfg_borrow_locals(&b.in) == 0) {
            result = graph_list(b.in.g);
        }
    }
    bench_drop(&b);
    return result;
}

/* An entry of the metadata, borrowed; NULL with an exception. */
static PyObject *
meta(PyObject *metadata, const char *name, PyTypeObject *type)
{
    PyObject *v = PyDict_GetItemString(metadata, name);
    if (!v || !PyObject_TypeCheck(v, type)) {
        PyErr_Format(PyExc_TypeError, "metadata: '%s' must be %s", name, type->tp_name);
        return NULL;
    }
    return v;
}

static int
meta_int(PyObject *metadata, const char *name, int *out)
{
    PyObject *v = meta(metadata, name, &PyLong_Type);
    *out = v ? PyLong_AsInt(v) : -1;
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
fill_unit(NjUnit *u, PyObject *m, PyObject **consts)
{
    if (!(u->name = meta(m, "name", &PyUnicode_Type)) ||
        !(u->qualname = meta(m, "qualname", &PyUnicode_Type)) ||
        !(u->names = meta(m, "names", &PyDict_Type)) ||
        !(u->varnames = meta(m, "varnames", &PyDict_Type)) ||
        !(u->cellvars = meta(m, "cellvars", &PyDict_Type)) ||
        !(u->freevars = meta(m, "freevars", &PyDict_Type)) ||
        meta_int(m, "argcount", &u->argcount) < 0 ||
        meta_int(m, "posonlyargcount", &u->posonlyargcount) < 0 ||
        meta_int(m, "kwonlyargcount", &u->kwonlyargcount) < 0 ||
        meta_int(m, "firstlineno", &u->firstlineno) < 0) {
        return -1;
    }
    /* constants: a list, or a dict from value to index */
    PyObject *c = PyDict_GetItemString(m, "consts");
    *consts = c ? PySequence_List(c) : NULL;
    if (!c) {
        PyErr_SetString(PyExc_TypeError, "metadata: 'consts' is missing");
    }
    return *consts ? 0 : -1;
}

PyObject *
nj_steps_assemble(PyObject *filename, PyObject *instrs, PyObject *metadata)
{
    Bench b;
    PyObject *result = NULL;
    NJ_OWN consts = NULL;
    if (bench_init(&b, instrs, NULL) == 0 && fill_unit(&b.u, metadata, &consts) == 0) {
        b.c.filename = filename;
        b.in.consts = consts;
        b.in.flags = CO_OPTIMIZED | CO_NEWLOCALS;
        Py_ssize_t nlocals = PyDict_GET_SIZE(b.u.varnames);
        if (check_indices(b.u.code, PyList_GET_SIZE(consts), (int)nlocals) == 0 &&
            nj_cfg_build(&b.in) == 0 && nj_cfg_label_ranges(b.in.g) == 0 &&
            nj_cfg_finish(&b.in) == 0) {
            result = nj_assemble(&b.in);
        }
    }
    bench_drop(&b);
    return result;
}

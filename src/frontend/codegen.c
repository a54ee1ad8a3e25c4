/* codegen.c - tree to linear code: units, emission, statements.
 *
 * Walks the tree once, in evaluation order, and appends instructions to the current
 * unit's NjCode; labels stand for places not yet known. Expressions are in
 * codegen_expr.c, patterns in codegen_match.c. Everything clever (folding, jumps to
 * jumps, superinstructions) happens later on the flow graph, so this file emits the
 * plain form. Positions matter: they end up in tracebacks and in the line table, and
 * artificial instructions (NJ_NO_LOC) take theirs from their surroundings later.
 *
 * The frame-block stack (NjFBlock) says what break, continue and return must unwind.
 * SPDX-License-Identifier: MIT
 */
#include <stdarg.h>

#include "frontend/compile_int.h"

/* ---- emission ------------------------------------------------------------------------ */

NjLabel
nj_gen_label(NjCompiler *c)
{
    NjCode *code = c->u->code;
    if (code->nlabels == code->labels_cap) {
        int cap = code->labels_cap ? code->labels_cap * 2 : 32;
        int *fresh = nj_arena_grow(c->arena, code->labels, code->nlabels * sizeof(int), cap * sizeof(int));
        if (fresh == NULL) {
            return -1;
        }
        code->labels = fresh;
        code->labels_cap = cap;
    }
    code->labels[code->nlabels] = -1;
    return code->nlabels++;
}

int
nj_gen_use(NjCompiler *c, NjLabel l)
{
    c->u->code->labels[l] = c->u->code->len;
    return 0;
}

static int
insert_instr(NjCompiler *c, int pos, NjInstr i)
{
    NjCode *code = c->u->code;
    if (code->len == code->cap) {
        int cap = code->cap ? code->cap * 2 : 64;
        NjInstr *fresh = nj_arena_grow(c->arena, code->at, code->len * sizeof(NjInstr), cap * sizeof(NjInstr));
        if (fresh == NULL) {
            return -1;
        }
        code->at = fresh;
        code->cap = cap;
    }
    memmove(&code->at[pos + 1], &code->at[pos], (code->len - pos) * sizeof(NjInstr));
    code->at[pos] = i;
    code->len++;
    return 0;
}

int
nj_gen_op(NjCompiler *c, NjPos loc, int op, int arg)
{
    return insert_instr(c, c->u->code->len, (NjInstr){op, arg, loc});
}

int
nj_gen_dict_index(PyObject *dict, PyObject *o)
{
    PyObject *v = PyDict_GetItemWithError(dict, o);
    if (v != NULL) {
        return PyLong_AsInt(v);
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    int n = (int)PyDict_GET_SIZE(dict);
    NJ_OWN index = PyLong_FromLong(n);
    if (index == NULL || PyDict_SetItem(dict, o, index) < 0) {
        return -1;
    }
    return n;
}

/* Equal constants of one compilation become one object; tuples and frozensets are
 * rebuilt from canonical items. Steals o. */
PyObject *
nj_gen_merge_const(NjCompiler *c, NJ_STEALS PyObject *o)
{
    NJ_OWN owned = o;
    if (o == NULL || o == Py_None || o == Py_Ellipsis || PyBool_Check(o)) {
        return NJ_TAKE(owned);
    }
    NJ_OWN key = nj_code_const_key(o);
    if (key == NULL) {
        return NULL;
    }
    PyObject *known = PyDict_GetItemWithError(c->const_cache, key);
    if (known != NULL) {
        return Py_NewRef(known);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (PyTuple_CheckExact(o)) {
        Py_ssize_t n = PyTuple_GET_SIZE(o);
        NJ_OWN fresh = NULL;
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *item = PyTuple_GET_ITEM(o, i);
            NJ_OWN merged = nj_gen_merge_const(c, Py_NewRef(item));
            if (merged == NULL) {
                return NULL;
            }
            if (merged != item && fresh == NULL) {
                fresh = PyTuple_New(n);
                if (fresh == NULL) {
                    return NULL;
                }
                for (Py_ssize_t k = 0; k < n; k++) {
                    PyTuple_SET_ITEM(fresh, k, Py_NewRef(PyTuple_GET_ITEM(o, k)));
                }
            }
            if (merged != item) {
                Py_DECREF(PyTuple_GET_ITEM(fresh, i));
                PyTuple_SET_ITEM(fresh, i, NJ_TAKE(merged));
            }
        }
        if (fresh != NULL) {
            NJ_SET(owned, NJ_TAKE(fresh));
        }
    }
    else if (PyUnicode_CheckExact(o)) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(o);
        bool name = PyUnicode_IS_ASCII(o);
        const char *s = name ? PyUnicode_DATA(o) : NULL;
        for (Py_ssize_t i = 0; name && i < n; i++) {
            name = Py_ISALNUM(s[i]) || s[i] == '_';
        }
        if (name) {
            PyObject *t = NJ_TAKE(owned);
            PyUnicode_InternInPlace(&t);
            owned = t;
        }
    }
    if (PyDict_SetItem(c->const_cache, key, owned) < 0) {
        return NULL;
    }
    return NJ_TAKE(owned);
}

int
nj_gen_add_const(NjCompiler *c, NjUnit *u, PyObject *o)
{
    NJ_OWN merged = nj_gen_merge_const(c, Py_NewRef(o));
    if (merged == NULL) {
        return -1;
    }
    NJ_OWN key = nj_code_const_key(merged);
    if (key == NULL) {
        return -1;
    }
    Py_ssize_t before = PyDict_GET_SIZE(u->consts);
    int index = nj_gen_dict_index(u->consts, key);
    if (index == before && PyList_Append(u->const_list, merged) < 0) {
        return -1;
    }
    return index;
}

int
nj_gen_const(NjCompiler *c, NjPos loc, PyObject *o)
{
    int index = nj_gen_add_const(c, c->u, o);
    TRY(index);
    return nj_gen_op(c, loc, LOAD_CONST, index);
}

int
nj_gen_const_new(NjCompiler *c, NjPos loc, NJ_STEALS PyObject *o)
{
    NJ_OWN owned = o;
    return owned == NULL ? -1 : nj_gen_const(c, loc, owned);
}

int
nj_gen_name_op(NjCompiler *c, NjPos loc, int op, PyObject *dict, PyObject *name)
{
    NJ_OWN mangled = nj_maybe_mangle(c->u->private_name, c->u->scope, name);
    int index = mangled == NULL ? -1 : nj_gen_dict_index(dict, mangled);
    TRY(index);
    return nj_gen_op(c, loc, op, index);
}

/* Instructions with an attribute name: the low bits carry flags. */
int
nj_gen_attr_op(NjCompiler *c, NjPos loc, int op, PyObject *name)
{
    NJ_OWN mangled = nj_maybe_mangle(c->u->private_name, c->u->scope, name);
    int index = mangled == NULL ? -1 : nj_gen_dict_index(c->u->names, mangled);
    TRY(index);
    switch (op) {
    case LOAD_ATTR:
        index = index << 1;
        break;
    case NJ_OP_LOAD_METHOD:
        op = LOAD_ATTR;
        index = (index << 1) | 1;
        break;
    case LOAD_SUPER_ATTR:
        index = (index << 2) | 2;
        break;
    case NJ_OP_LOAD_SUPER_METHOD:
        op = LOAD_SUPER_ATTR;
        index = (index << 2) | 3;
        break;
    case NJ_OP_LOAD_ZERO_SUPER_ATTR:
        op = LOAD_SUPER_ATTR;
        index = index << 2;
        break;
    case NJ_OP_LOAD_ZERO_SUPER_METHOD:
        op = LOAD_SUPER_ATTR;
        index = (index << 2) | 1;
        break;
    }
    return nj_gen_op(c, loc, op, index);
}

/* ---- errors and warnings ------------------------------------------------------------- */

static PyObject *
line_text(NjCompiler *c, int lineno)
{
    PyObject *line = PyErr_ProgramTextObject(c->filename, lineno);
    if (line == NULL && !PyErr_Occurred()) {
        line = Py_NewRef(Py_None);
    }
    return line;
}

int
nj_gen_error(NjCompiler *c, NjPos loc, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    NJ_OWN msg = PyUnicode_FromFormatV(fmt, va);
    va_end(va);
    NJ_OWN text = msg == NULL ? NULL : line_text(c, loc.lineno);
    if (text == NULL) {
        return -1;
    }
    NJ_OWN args = Py_BuildValue("O(OiiOii)", msg, c->filename, loc.lineno,
                                loc.col_offset + 1, text, loc.end_lineno,
                                loc.end_col_offset + 1);
    if (args != NULL) {
        PyErr_SetObject(PyExc_SyntaxError, args);
    }
    return -1;
}

int
nj_gen_warn(NjCompiler *c, NjPos loc, const char *fmt, ...)
{
    if (c->finally_copies > 0 || c->no_warnings) {
        return 0;
    }
    va_list va;
    va_start(va, fmt);
    NJ_OWN msg = PyUnicode_FromFormatV(fmt, va);
    va_end(va);
    if (msg == NULL) {
        return -1;
    }
    if (PyErr_WarnExplicitObject(PyExc_SyntaxWarning, msg, c->filename, loc.lineno, c->module,
                                 NULL) < 0) {
        if (PyErr_ExceptionMatches(PyExc_SyntaxWarning)) {
            /* The filter says error: say it as a SyntaxError, with a position. */
            PyErr_Clear();
            return nj_gen_error(c, loc, "%U", msg);
        }
        return -1;
    }
    return 0;
}

/* ---- units --------------------------------------------------------------------------- */

static int
add_sorted_names(PyObject *dict, PyObject *list)
{
    TRY(PyList_Sort(list));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
        TRY(nj_gen_dict_index(dict, PyList_GET_ITEM(list, i)));
    }
    return 0;
}

/* Names of the scope that live in `scope' or have `flag', in sorted order. */
static int
names_by_scope(NjScope *s, int scope, int flag, PyObject *dict)
{
    NJ_OWN list = PyList_New(0);
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (list != NULL && PyDict_Next(s->symbols, &at, &name, &value)) {
        int flags = PyLong_AsInt(value);
        if (((flags >> NJ_SCOPE_OFFSET) & NJ_SCOPE_MASK) == scope || (flags & flag)) {
            TRY(PyList_Append(list, name));
        }
    }
    return list == NULL ? -1 : add_sorted_names(dict, list);
}

static int
set_qualname(NjCompiler *c)
{
    NjUnit *u = c->u, *parent = u->parent;
    u->qualname = Py_NewRef(u->name);
    if (c->nunits <= 2) {
        return 0;
    }
    if (parent->kind == NJ_UNIT_TYPE_PARAMS || parent->kind == NJ_UNIT_ANNOTATIONS) {
        /* These are invisible; directly inside the module there is nothing more. */
        if (c->nunits == 3) {
            return 0;
        }
        parent = parent->parent;
    }
    if (u->kind == NJ_UNIT_FUNCTION || u->kind == NJ_UNIT_ASYNC_FUNCTION ||
        u->kind == NJ_UNIT_CLASS) {
        NJ_OWN mangled = nj_mangle(parent->private_name, u->name);
        int scope = mangled == NULL ? -1 : nj_scope_of(parent->scope, mangled);
        TRY(scope);
        if (scope == NJ_SC_GLOBAL_EXPLICIT) {
            return 0;
        }
    }
    bool function = parent->kind == NJ_UNIT_FUNCTION ||
                    parent->kind == NJ_UNIT_ASYNC_FUNCTION || parent->kind == NJ_UNIT_LAMBDA;
    NJ_SET(u->qualname, PyUnicode_FromFormat(function ? "%U.<locals>.%U" : "%U.%U",
                                             parent->qualname, u->name));
    return u->qualname == NULL ? -1 : 0;
}

static void
free_unit(NjUnit *u)
{
    Py_XDECREF(u->name);
    Py_XDECREF(u->qualname);
    Py_XDECREF(u->private_name);
    Py_XDECREF(u->consts);
    Py_XDECREF(u->const_list);
    Py_XDECREF(u->names);
    Py_XDECREF(u->varnames);
    Py_XDECREF(u->cellvars);
    Py_XDECREF(u->freevars);
    Py_XDECREF(u->fast_hidden);
    Py_XDECREF(u->ever_hidden);
    Py_XDECREF(u->static_attributes);
    Py_XDECREF(u->deferred);
    Py_XDECREF(u->cond_indices);
    Py_XDECREF(u->kept);
    PyMem_Free(u);
}

void
nj_gen_exit(NjCompiler *c)
{
    NjUnit *u = c->u;
    c->u = u->parent;
    c->nunits--;
    free_unit(u);
}

int
nj_gen_enter(NjCompiler *c, PyObject *name, NjUnitKind kind, const void *key, int lineno,
             PyObject *private_name, int argcount, int posonly, int kwonly)
{
    NjScope *s = nj_symtable_lookup(c->st, key);
    if (s == NULL) {
        return -1;
    }
    NjUnit *u = PyMem_Calloc(1, sizeof(NjUnit));
    if (u == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    u->parent = c->u;
    u->kind = kind;
    u->scope = s;
    u->name = Py_NewRef(name);
    u->firstlineno = lineno;
    u->argcount = argcount;
    u->posonlyargcount = posonly;
    u->kwonlyargcount = kwonly;
    if (private_name == NULL && c->u != NULL) {
        private_name = c->u->private_name;
    }
    u->private_name = Py_XNewRef(private_name);
    u->consts = PyDict_New();
    u->const_list = PyList_New(0);
    u->names = PyDict_New();
    u->varnames = PyDict_New();
    u->cellvars = PyDict_New();
    u->freevars = PyDict_New();
    u->fast_hidden = PySet_New(NULL);
    u->ever_hidden = PySet_New(NULL);
    u->code = nj_arena_zalloc(c->arena, sizeof(NjCode));
    bool ok = u->consts && u->const_list && u->names && u->varnames && u->cellvars &&
              u->freevars && u->fast_hidden && u->ever_hidden && u->code;
    if (ok && kind == NJ_UNIT_CLASS) {
        u->static_attributes = PySet_New(NULL);
        ok = u->static_attributes != NULL;
    }
    for (Py_ssize_t i = 0; ok && i < PyList_GET_SIZE(s->varnames); i++) {
        ok = nj_gen_dict_index(u->varnames, PyList_GET_ITEM(s->varnames, i)) >= 0;
    }
    ok = ok && names_by_scope(s, NJ_SC_CELL, NJ_DEF_COMP_CELL, u->cellvars) == 0 &&
         (!s->needs_class_closure ||
          nj_gen_dict_index(u->cellvars, NJ_ID(__class__)) >= 0) &&
         (!s->needs_classdict ||
          nj_gen_dict_index(u->cellvars, NJ_ID(__classdict__)) >= 0) &&
         (!s->has_conditional_annotations ||
          nj_gen_dict_index(u->cellvars, NJ_ID(__conditional_annotations__)) >= 0) &&
         names_by_scope(s, NJ_SC_FREE, NJ_DEF_FREE_CLASS, u->freevars) == 0;
    if (!ok) {
        free_unit(u);
        return -1;
    }
    c->u = u;
    c->nunits++;
    NjPos loc = {lineno, 0, lineno, 0};
    if (kind == NJ_UNIT_MODULE) {
        loc.lineno = 0;
    }
    else {
        TRY(set_qualname(c));
    }
    if (u->qualname == NULL) {
        u->qualname = Py_NewRef(u->name);
    }
    OP(loc, RESUME, NJ_RESUME_START);
    if (kind == NJ_UNIT_MODULE) {
        OP(loc, ANNOTATIONS_PLACEHOLDER, 0);
    }
    return 0;
}

/* CO_* flags that follow from the scope. */
static int
code_flags(NjCompiler *c)
{
    NjScope *s = c->u->scope;
    int flags = 0;
    if (nj_scope_is_function_like(s)) {
        flags |= CO_NEWLOCALS | CO_OPTIMIZED;
        flags |= s->nested ? CO_NESTED : 0;
        flags |= s->generator && !s->coroutine ? CO_GENERATOR : 0;
        flags |= !s->generator && s->coroutine ? CO_COROUTINE : 0;
        flags |= s->generator && s->coroutine ? CO_ASYNC_GENERATOR : 0;
        flags |= s->varargs ? CO_VARARGS : 0;
        flags |= s->varkeywords ? CO_VARKEYWORDS : 0;
    }
    if (s->has_docstring && c->u->kind != NJ_UNIT_CLASS && c->u->kind != NJ_UNIT_MODULE &&
        c->optimize < 2) {
        flags |= CO_HAS_DOCSTRING;
    }
    flags |= s->method ? CO_METHOD : 0;
    flags |= c->flags & PyCF_MASK;
    if ((c->flags & PyCF_ALLOW_TOP_LEVEL_AWAIT) && c->u->kind == NJ_UNIT_MODULE &&
        s->coroutine && !s->generator) {
        flags |= CO_COROUTINE;
    }
    return flags;
}

PyObject *
nj_gen_assemble(NjCompiler *c, bool add_none)
{
    if (add_none && nj_gen_const(c, NJ_NO_LOC, Py_None) < 0) {
        return NULL;
    }
    if (nj_gen_op(c, NJ_NO_LOC, RETURN_VALUE, 0) < 0) {
        return NULL;
    }
    if (c->keep != NULL && nj_steps_keep(c) < 0) {
        return NULL;
    }
    NjAsmInput in = {.c = c, .u = c->u, .flags = code_flags(c)};
    in.consts = Py_NewRef(c->u->const_list);
    NJ_OWN consts = in.consts;
    if (nj_cfg_build(&in) < 0 || nj_cfg_optimize(&in) < 0 || nj_cfg_finish(&in) < 0) {
        return NULL;
    }
    (void)consts;
    return nj_assemble(&in);
}

/* Body of a generator or coroutine: StopIteration that escapes becomes RuntimeError. */
int
nj_gen_wrap_stop_iteration(NjCompiler *c)
{
    LABEL(handler);
    /* Labels already placed move along with their instructions. */
    NjCode *code = c->u->code;
    TRY(insert_instr(c, 0, (NjInstr){SETUP_CLEANUP, handler, NJ_NO_LOC}));
    for (int i = 0; i < code->nlabels; i++) {
        if (code->labels[i] >= 0) {
            code->labels[i]++;
        }
    }
    TRY(nj_gen_const(c, NJ_NO_LOC, Py_None));
    OP(NJ_NO_LOC, RETURN_VALUE, 0);
    USE(handler);
    OP(NJ_NO_LOC, CALL_INTRINSIC_1, 3); /* INTRINSIC_STOPITERATION_ERROR */
    OP(NJ_NO_LOC, RERAISE, 1);
    return 0;
}

int
nj_gen_closure(NjCompiler *c, NjPos loc, PyObject *code, int flags)
{
    PyCodeObject *co = (PyCodeObject *)code;
    if (co->co_nfreevars > 0) {
        int first = co->co_nlocalsplus - co->co_nfreevars;
        for (int i = first; i < co->co_nlocalsplus; i++) {
            PyObject *name = PyTuple_GET_ITEM(co->co_localsplusnames, i);
            /* A class's own cells do not show up as its symbols. */
            int scope;
            if (c->u->kind == NJ_UNIT_CLASS &&
                (PyUnicode_EqualToUTF8(name, "__class__") ||
                 PyUnicode_EqualToUTF8(name, "__classdict__") ||
                 PyUnicode_EqualToUTF8(name, "__conditional_annotations__"))) {
                scope = NJ_SC_CELL;
            }
            else {
                scope = nj_gen_scope_of(c, name);
            }
            TRY(scope);
            PyObject *dict = scope == NJ_SC_CELL ? c->u->cellvars : c->u->freevars;
            PyObject *v = PyDict_GetItemWithError(dict, name);
            if (v == NULL) {
                if (!PyErr_Occurred()) {
                    PyErr_Format(PyExc_SystemError, "no cell for free variable %R of %R in %R",
                                 name, co->co_name, c->u->name);
                }
                return -1;
            }
            int arg = PyLong_AsInt(v);
            if (scope != NJ_SC_CELL) {
                arg += (int)PyDict_GET_SIZE(c->u->cellvars);
            }
            OP(loc, LOAD_CLOSURE, arg);
        }
        OP(loc, BUILD_TUPLE, co->co_nfreevars);
        flags |= 8;
    }
    TRY(nj_gen_const(c, loc, code));
    OP(loc, MAKE_FUNCTION, 0);
    static const int ORDER[] = {8, 4, 16, 2, 1};
    for (int i = 0; i < 5; i++) {
        if (flags & ORDER[i]) {
            OP(loc, SET_FUNCTION_ATTRIBUTE, ORDER[i]);
        }
    }
    return 0;
}

/* ---- frame blocks -------------------------------------------------------------------- */

int
nj_gen_push_fblock(NjCompiler *c, NjPos loc, NjFKind kind, NjLabel block, NjLabel exit,
                   void *datum)
{
    NjUnit *u = c->u;
    if (u->nfblocks >= NJ_MAX_FBLOCKS) {
        return nj_gen_error(c, loc, "too many statically nested blocks");
    }
    u->fblocks[u->nfblocks++] = (NjFBlock){kind, block, loc, exit, datum};
    return 0;
}

void
nj_gen_pop_fblock(NjCompiler *c)
{
    c->u->nfblocks--;
}

static int
call_exit_with_nones(NjCompiler *c, NjPos loc)
{
    for (int i = 0; i < 3; i++) {
        TRY(nj_gen_const(c, loc, Py_None));
    }
    OP(loc, CALL, 3);
    return 0;
}

static int
await_top(NjCompiler *c, NjPos loc, int where)
{
    OP(loc, GET_AWAITABLE, where);
    TRY(nj_gen_const(c, loc, Py_None));
    return nj_gen_yield_from(c, loc, true);
}

/* Code that leaves one block; *loc becomes artificial where the language says so. */
static int
unwind_block(NjCompiler *c, NjPos *loc, NjFBlock *f, bool keep)
{
    switch (f->kind) {
    case NJ_F_WHILE:
    case NJ_F_HANDLER:
    case NJ_F_GROUP_HANDLER:
    case NJ_F_COMP_GENERATOR:
    case NJ_F_STOP_ITERATION:
        return 0;
    case NJ_F_FOR:
    case NJ_F_ASYNC_FOR:
        if (keep) {
            OP(*loc, SWAP, 2);
        }
        OP(*loc, f->kind == NJ_F_FOR ? POP_TOP : POP_TOP, 0);
        return 0;
    case NJ_F_TRY:
        OP(*loc, POP_BLOCK, 0);
        return 0;
    case NJ_F_FINALLY_TRY:
        OP(*loc, POP_BLOCK, 0);
        if (keep) {
            TRY(nj_gen_push_fblock(c, *loc, NJ_F_POP_VALUE, NJ_NO_LABEL, NJ_NO_LABEL, NULL));
        }
        c->finally_copies++;
        TRY(nj_gen_body(c, f->datum));
        c->finally_copies--;
        if (keep) {
            nj_gen_pop_fblock(c);
        }
        *loc = NJ_NO_LOC;
        return 0;
    case NJ_F_FINALLY_END:
        if (keep) {
            OP(*loc, SWAP, 2);
        }
        OP(*loc, POP_TOP, 0);
        if (keep) {
            OP(*loc, SWAP, 2);
        }
        OP(*loc, POP_BLOCK, 0);
        OP(*loc, POP_EXCEPT, 0);
        return 0;
    case NJ_F_WITH:
    case NJ_F_ASYNC_WITH:
        *loc = f->loc;
        OP(*loc, POP_BLOCK, 0);
        if (keep) {
            OP(*loc, SWAP, 3);
            OP(*loc, SWAP, 2);
        }
        TRY(call_exit_with_nones(c, *loc));
        if (f->kind == NJ_F_ASYNC_WITH) {
            TRY(await_top(c, *loc, 2));
        }
        OP(*loc, POP_TOP, 0);
        *loc = NJ_NO_LOC;
        return 0;
    case NJ_F_HANDLER_CLEANUP:
        if (f->datum) {
            OP(*loc, POP_BLOCK, 0);
        }
        if (keep) {
            OP(*loc, SWAP, 2);
        }
        OP(*loc, POP_BLOCK, 0);
        OP(*loc, POP_EXCEPT, 0);
        if (f->datum) {
            TRY(nj_gen_const(c, *loc, Py_None));
            TRY(nj_gen_nameop(c, *loc, f->datum, NJ_Store));
            TRY(nj_gen_nameop(c, *loc, f->datum, NJ_Del));
        }
        return 0;
    default: /* NJ_F_POP_VALUE */
        if (keep) {
            OP(*loc, SWAP, 2);
        }
        OP(*loc, POP_TOP, 0);
        return 0;
    }
}

/* Unwinds to the innermost loop (stored in *loop when not NULL) or completely. */
static int
unwind(NjCompiler *c, NjPos *loc, bool keep, NjFBlock *loop, bool *found)
{
    NjUnit *u = c->u;
    if (u->nfblocks == 0) {
        return 0;
    }
    NjFBlock top = u->fblocks[u->nfblocks - 1];
    if (top.kind == NJ_F_GROUP_HANDLER) {
        return nj_gen_error(
            c, *loc, "'break', 'continue' and 'return' cannot appear in an except* block");
    }
    if (loop != NULL &&
        (top.kind == NJ_F_WHILE || top.kind == NJ_F_FOR || top.kind == NJ_F_ASYNC_FOR)) {
        *loop = top;
        *found = true;
        return 0;
    }
    u->nfblocks--;
    TRY(unwind_block(c, loc, &top, keep));
    TRY(unwind(c, loc, keep, loop, found));
    u->fblocks[u->nfblocks++] = top;
    return 0;
}

/* ---- functions ----------------------------------------------------------------------- */

int
nj_gen_defaults(NjCompiler *c, NjPos loc, NjArguments *a)
{
    int flags = 0;
    if (NJ_SEQ_LEN(a->defaults) > 0) {
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(a->defaults); i++) {
            VISIT(a->defaults->at[i]);
        }
        OP(loc, BUILD_TUPLE, (int)NJ_SEQ_LEN(a->defaults));
        flags |= 1;
    }
    int n = 0;
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(a->kwonlyargs); i++) {
        NjArg *arg = a->kwonlyargs->at[i];
        NjExpr *e = a->kw_defaults->at[i];
        if (e != NULL) {
            TRY(nj_gen_const_new(
                c, loc, nj_maybe_mangle(c->u->private_name, c->u->scope, arg->arg)));
            VISIT(e);
            n++;
        }
    }
    if (n > 0) {
        OP(loc, BUILD_MAP, n);
        flags |= 2;
    }
    return flags;
}

/* Enters the function that computes annotations, with the check of its argument. */
static int
enter_annotations(NjCompiler *c, NjPos loc, const void *key, PyObject *name)
{
    TRY(nj_gen_enter(c, name, NJ_UNIT_ANNOTATIONS, key, loc.lineno, NULL, 1, 1, 0));
    LABEL(body);
    OP(loc, LOAD_FAST, 0);
    TRY(nj_gen_const_new(c, loc, PyLong_FromLong(2))); /* VALUE_WITH_FAKE_GLOBALS */
    OP(loc, COMPARE_OP, (Py_GT << 5) | 4);
    OP(loc, POP_JUMP_IF_FALSE, body);
    OP(loc, LOAD_COMMON_CONSTANT, 1); /* NotImplementedError */
    OP(loc, RAISE_VARARGS, 1);
    USE(body);
    return 0;
}

static int
leave_annotations(NjCompiler *c, NjPos loc, int flags)
{
    NJ_OWN co = nj_gen_assemble(c, true);
    nj_gen_exit(c);
    return co == NULL ? -1 : nj_gen_closure(c, loc, co, flags);
}

/* The annotation as the __annotate__ function gives it. */
static int
gen_annotation_expr(NjCompiler *c, NjExpr *e)
{
    if (c->flags & CO_FUTURE_ANNOTATIONS) {
        return nj_gen_const_new(c, e->pos, nj_ast_unparse(e));
    }
    return nj_gen_expr(c, e);
}

static int
gen_arg_annotation(NjCompiler *c, PyObject *name, NjExpr *e, NjPos loc, int *n)
{
    if (e == NULL) {
        return 0;
    }
    TRY(nj_gen_const_new(c, loc, nj_mangle(c->u->private_name, name)));
    if (!(c->flags & CO_FUTURE_ANNOTATIONS) && e->kind == NJ_Starred) {
        /* *args: *Ts */
        VISIT(e->v.Starred.value);
        OP(loc, UNPACK_SEQUENCE, 1);
    }
    else {
        TRY(gen_annotation_expr(c, e));
    }
    ++*n;
    return 0;
}

static int
gen_args_annotations(NjCompiler *c, NjSeq *args, NjPos loc, int *n)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(args); i++) {
        NjArg *a = args->at[i];
        TRY(gen_arg_annotation(c, a->arg, a->annotation, loc, n));
    }
    return 0;
}

/* Pushes the __annotate__ function; returns the MAKE_FUNCTION flag, 0 when there are no
 * annotations. */
static int
gen_function_annotations(NjCompiler *c, NjPos loc, NjArguments *a, NjExpr *returns)
{
    NjScope *s = nj_symtable_lookup(c->st, NJ_KEY_ANNOTATIONS(a));
    if (s == NULL) {
        return -1;
    }
    if (!s->annotations_used) {
        return 0;
    }
    TRY(enter_annotations(c, loc, NJ_KEY_ANNOTATIONS(a), NJ_ID(__annotate__)));
    int n = 0;
    TRY(gen_args_annotations(c, a->args, loc, &n));
    TRY(gen_args_annotations(c, a->posonlyargs, loc, &n));
    if (a->vararg) {
        TRY(gen_arg_annotation(c, a->vararg->arg, a->vararg->annotation, loc, &n));
    }
    TRY(gen_args_annotations(c, a->kwonlyargs, loc, &n));
    if (a->kwarg) {
        TRY(gen_arg_annotation(c, a->kwarg->arg, a->kwarg->annotation, loc, &n));
    }
    NJ_OWN ret = PyUnicode_InternFromString("return");
    if (ret == NULL) {
        return -1;
    }
    TRY(gen_arg_annotation(c, ret, returns, loc, &n));
    OP(loc, BUILD_MAP, n);
    OP(loc, RETURN_VALUE, 0);
    TRY(leave_annotations(c, loc, 0));
    return 16;
}

/* Bounds and defaults of type parameters, values of type aliases: a lazy function. */
static int
gen_lazy_expr(NjCompiler *c, NjExpr *e, NjPos loc, PyObject *name, const void *key,
              bool allow_starred)
{
    TRY(nj_gen_const_new(c, loc, Py_BuildValue("(i)", 1)));
    TRY(enter_annotations(c, loc, key, name));
    if (allow_starred && e->kind == NJ_Starred) {
        VISIT(e->v.Starred.value);
        OP(loc, UNPACK_SEQUENCE, 1);
    }
    else {
        VISIT(e);
    }
    OP(loc, RETURN_VALUE, 0);
    return leave_annotations(c, loc, 1);
}

static int
gen_type_params(NjCompiler *c, NjSeq *params)
{
    if (NJ_SEQ_LEN(params) == 0) {
        return 0;
    }
    bool seen_default = false;
    for (Py_ssize_t i = 0; i < params->len; i++) {
        NjTypeParam *tp = params->at[i];
        NjPos loc = tp->pos;
        PyObject *name;
        NjExpr *fallback;
        int plain;
        bool starred = false;
        switch (tp->kind) {
        case NJ_TypeVar: {
            name = tp->v.TypeVar.name;
            fallback = tp->v.TypeVar.default_value;
            TRY(nj_gen_const(c, loc, name));
            NjExpr *bound = tp->v.TypeVar.bound;
            if (bound) {
                TRY(gen_lazy_expr(c, bound, bound->pos, name, tp, false));
                OP(loc, CALL_INTRINSIC_2, bound->kind == NJ_Tuple ? 3 : 2);
            }
            else {
                OP(loc, CALL_INTRINSIC_1, 7);
            }
            plain = 0;
            break;
        }
        case NJ_TypeVarTuple:
            name = tp->v.TypeVarTuple.name;
            fallback = tp->v.TypeVarTuple.default_value;
            plain = 9;
            starred = true;
            break;
        default:
            name = tp->v.ParamSpec.name;
            fallback = tp->v.ParamSpec.default_value;
            plain = 8;
        }
        if (plain) {
            TRY(nj_gen_const(c, loc, name));
            OP(loc, CALL_INTRINSIC_1, plain);
        }
        if (fallback) {
            seen_default = true;
            TRY(gen_lazy_expr(c, fallback, fallback->pos, name, NJ_KEY_DEFAULT(tp), starred));
            OP(loc, CALL_INTRINSIC_2, 5);
        }
        else if (seen_default) {
            return nj_gen_error(
                c, loc, "non-default type parameter '%U' follows default type parameter",
                name);
        }
        OP(loc, COPY, 1);
        TRY(nj_gen_nameop(c, loc, name, NJ_Store));
    }
    OP(((NjTypeParam *)params->at[0])->pos, BUILD_TUPLE, (int)params->len);
    return 0;
}

static int
gen_decorators(NjCompiler *c, NjSeq *decorators)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(decorators); i++) {
        VISIT(decorators->at[i]);
    }
    return 0;
}

static int
apply_decorators(NjCompiler *c, NjSeq *decorators)
{
    for (Py_ssize_t i = NJ_SEQ_LEN(decorators) - 1; i >= 0; i--) {
        OP(((NjExpr *)decorators->at[i])->pos, CALL, 0);
    }
    return 0;
}

static int
gen_type_params_enter(NjCompiler *c, PyObject *name, NjSeq *params, int lineno,
                      PyObject *private_name, int argcount)
{
    NJ_OWN text = PyUnicode_FromFormat("<generic parameters of %U>", name);
    if (text == NULL) {
        return -1;
    }
    return nj_gen_enter(c, text, NJ_UNIT_TYPE_PARAMS, params, lineno, private_name, argcount,
                        0, 0);
}

static int
gen_function_body(NjCompiler *c, NjStmt *s, PyObject *name, NjArguments *args, NjSeq *body,
                  bool async, int flags, int firstlineno)
{
    TRY(nj_gen_enter(c, name, async ? NJ_UNIT_ASYNC_FUNCTION : NJ_UNIT_FUNCTION, s,
                     firstlineno, NULL,
                     (int)(NJ_SEQ_LEN(args->args) + NJ_SEQ_LEN(args->posonlyargs)),
                     (int)NJ_SEQ_LEN(args->posonlyargs), (int)NJ_SEQ_LEN(args->kwonlyargs)));
    Py_ssize_t first = 0;
    if (c->u->scope->has_docstring) {
        first = 1;
        if (c->optimize < 2) {
            PyObject *doc = nj_ast_docstring(body);
            NJ_OWN clean = nj_clean_docstring(doc);
            if (clean == NULL) {
                return -1;
            }
            TRY(nj_gen_add_const(c, c->u, clean));
        }
    }
    if (c->optimize >= 2 && first == 1) {
        OP(((NjStmt *)body->at[0])->v.Expr.value->pos, NOP, 0);
    }
    bool wrap = c->u->scope->coroutine || c->u->scope->generator;
    if (wrap) {
        TRY(nj_gen_push_fblock(c, NJ_NO_LOC, NJ_F_STOP_ITERATION, NJ_NO_LABEL, NJ_NO_LABEL,
                               NULL));
    }
    for (Py_ssize_t i = first; i < NJ_SEQ_LEN(body); i++) {
        TRY(nj_gen_stmt(c, body->at[i]));
    }
    if (wrap) {
        TRY(nj_gen_wrap_stop_iteration(c));
        nj_gen_pop_fblock(c);
    }
    NJ_OWN co = nj_gen_assemble(c, true);
    nj_gen_exit(c);
    return co == NULL ? -1 : nj_gen_closure(c, s->pos, co, flags);
}

static int
gen_function(NjCompiler *c, NjStmt *s, PyObject *name, NjArguments *args, NjSeq *body,
             NjSeq *decorators, NjExpr *returns, NjSeq *type_params, bool async)
{
    NjPos loc = s->pos;
    TRY(gen_decorators(c, decorators));
    int firstlineno = loc.lineno;
    if (NJ_SEQ_LEN(decorators) > 0) {
        firstlineno = ((NjExpr *)decorators->at[0])->pos.lineno;
    }
    bool generic = NJ_SEQ_LEN(type_params) > 0;
    int flags = nj_gen_defaults(c, loc, args);
    TRY(flags);
    int nargs = (flags & 1) + ((flags & 2) >> 1);
    if (generic) {
        if (nargs == 2) {
            OP(loc, SWAP, 2);
        }
        TRY(gen_type_params_enter(c, name, type_params, firstlineno, NULL, nargs));
        TRY(gen_type_params(c, type_params));
        for (int i = 0; i < nargs; i++) {
            OP(loc, LOAD_FAST, i);
        }
    }
    int ann = gen_function_annotations(c, loc, args, returns);
    TRY(ann);
    TRY(gen_function_body(c, s, name, args, body, async, flags | ann, firstlineno));
    if (generic) {
        OP(loc, SWAP, 2);
        OP(loc, CALL_INTRINSIC_2, 4);
        OP(loc, RETURN_VALUE, 0);
        NJ_OWN co = nj_gen_assemble(c, false);
        nj_gen_exit(c);
        if (co == NULL) {
            return -1;
        }
        TRY(nj_gen_closure(c, loc, co, 0));
        if (nargs > 0) {
            OP(loc, SWAP, nargs + 1);
            OP(loc, CALL, nargs - 1);
        }
        else {
            OP(loc, PUSH_NULL, 0);
            OP(loc, CALL, 0);
        }
    }
    TRY(apply_decorators(c, decorators));
    return nj_gen_nameop(c, loc, name, NJ_Store);
}

/* ---- modules and classes ------------------------------------------------------------- */

/* The __annotate__ function of a module or class, from what was put aside. */
static int
gen_deferred_annotations(NjCompiler *c, NjPos loc)
{
    NjUnit *u = c->u;
    if (u->deferred == NULL) {
        return 0;
    }
    bool cls = u->kind == NJ_UNIT_CLASS;
    NjScope *block = u->scope->annotation_block;
    PyObject *deferred = u->deferred, *indices = u->cond_indices;
    TRY(enter_annotations(c, loc, block->key, NJ_ID(__annotate__)));
    OP(loc, BUILD_MAP, 0);
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(deferred); i++) {
        NjStmt *s = PyLong_AsVoidPtr(PyList_GET_ITEM(deferred, i));
        PyObject *index = PyList_GET_ITEM(indices, i);
        LABEL(skip);
        NjPos at = s->pos;
        if (PyLong_AsLong(index) >= 0) {
            TRY(nj_gen_const(c, at, index));
            TRY(nj_gen_nameop(c, at, NJ_ID(__conditional_annotations__), NJ_Load));
            OP(at, CONTAINS_OP, 0);
            OP(at, POP_JUMP_IF_FALSE, skip);
        }
        VISIT(s->v.AnnAssign.annotation);
        OP(at, COPY, 2);
        TRY(nj_gen_const_new(
            c, at, nj_mangle(c->u->private_name, s->v.AnnAssign.target->v.Name.id)));
        OP(loc, STORE_SUBSCR, 0);
        USE(skip);
    }
    OP(loc, RETURN_VALUE, 0);
    TRY(leave_annotations(c, loc, 0));
    return nj_gen_nameop(c, loc, cls ? NJ_ID(__annotate_func__) : NJ_ID(__annotate__),
                         NJ_Store);
}

static int
gen_deferred_in_module(NjCompiler *c, NjPos loc)
{
    /* Generated last, executed first: a list of instructions of its own. */
    NjCode *main = c->u->code;
    NjCode *side = nj_arena_zalloc(c->arena, sizeof(NjCode));
    if (side == NULL) {
        return -1;
    }
    c->u->code = side;
    int r = gen_deferred_annotations(c, loc);
    c->u->code = main;
    main->annotations = side;
    return r;
}

static NjPos
start_pos(NjSeq *stmts)
{
    return NJ_SEQ_LEN(stmts) > 0 ? ((NjStmt *)stmts->at[0])->pos : NJ_NO_LOC;
}

static int
gen_block(NjCompiler *c, NjPos loc, NjSeq *stmts)
{
    bool future = c->flags & CO_FUTURE_ANNOTATIONS;
    if (future && c->u->scope->annotations_used) {
        OP(loc, SETUP_ANNOTATIONS, 0);
    }
    if (NJ_SEQ_LEN(stmts) == 0) {
        return 0;
    }
    Py_ssize_t first = 0;
    if (!c->interactive || c->u->kind == NJ_UNIT_CLASS) {
        PyObject *doc = nj_ast_docstring(stmts);
        if (doc != NULL) {
            first = 1;
            NjStmt *s = stmts->at[0];
            if (c->optimize < 2) {
                TRY(nj_gen_const_new(c, s->v.Expr.value->pos, nj_clean_docstring(doc)));
                TRY(nj_gen_nameop(c, NJ_NO_LOC, NJ_ID(__doc__), NJ_Store));
            }
            else {
                /* Stripped, but the line still executes. */
                first = 1;
            }
        }
    }
    for (Py_ssize_t i = first; i < stmts->len; i++) {
        TRY(nj_gen_stmt(c, stmts->at[i]));
    }
    if (!future && c->u->deferred != NULL) {
        TRY(c->u->kind == NJ_UNIT_MODULE ? gen_deferred_in_module(c, loc)
                                         : gen_deferred_annotations(c, loc));
    }
    return 0;
}

static int
gen_conditional_set(NjCompiler *c, NjPos loc)
{
    if (c->u->scope->has_conditional_annotations) {
        OP(loc, BUILD_SET, 0);
        if (c->u->kind == NJ_UNIT_CLASS) {
            return nj_gen_name_op(c, loc, STORE_DEREF, c->u->cellvars,
                                  NJ_ID(__conditional_annotations__));
        }
        return nj_gen_nameop(c, loc, NJ_ID(__conditional_annotations__), NJ_Store);
    }
    return 0;
}

PyObject *
nj_codegen_module(NjCompiler *c, NjMod *mod)
{
    NJ_OWN name = PyUnicode_InternFromString("<module>");
    if (name == NULL || nj_gen_enter(c, name, NJ_UNIT_MODULE, mod, 1, NULL, 0, 0, 0) < 0) {
        return NULL;
    }
    int r;
    bool add_none = true;
    switch (mod->kind) {
    case NJ_Module: {
        NjPos loc = start_pos(mod->v.Module.body);
        r = gen_conditional_set(c, loc);
        r = r < 0 ? r : gen_block(c, loc, mod->v.Module.body);
        break;
    }
    case NJ_Interactive: {
        c->interactive = true;
        NjPos loc = start_pos(mod->v.Interactive.body);
        r = gen_conditional_set(c, loc);
        r = r < 0 ? r : gen_block(c, loc, mod->v.Interactive.body);
        break;
    }
    default:
        r = nj_gen_expr(c, mod->v.Expression.body);
        add_none = false;
    }
    PyObject *co = r < 0 ? NULL : nj_gen_assemble(c, add_none);
    while (c->u != NULL) {
        nj_gen_exit(c); /* more than one only after an error */
    }
    return co;
}

static int
gen_class_body(NjCompiler *c, NjStmt *s, int firstlineno)
{
    PyObject *name = s->v.ClassDef.name;
    bool generic = NJ_SEQ_LEN(s->v.ClassDef.type_params) > 0;
    TRY(nj_gen_enter(c, name, NJ_UNIT_CLASS, s, firstlineno, name, 0, 0, 0));
    NjPos loc = {firstlineno, 0, firstlineno, 0};
    TRY(nj_gen_nameop(c, loc, NJ_ID(__name__), NJ_Load));
    TRY(nj_gen_nameop(c, loc, NJ_ID(__module__), NJ_Store));
    TRY(nj_gen_const(c, loc, c->u->qualname));
    TRY(nj_gen_nameop(c, loc, NJ_ID(__qualname__), NJ_Store));
    TRY(nj_gen_const_new(c, loc, PyLong_FromLong(firstlineno)));
    TRY(nj_gen_nameop(c, loc, NJ_ID(__firstlineno__), NJ_Store));
    if (generic) {
        NJ_OWN dot = PyUnicode_InternFromString(".type_params");
        if (dot == NULL) {
            return -1;
        }
        TRY(nj_gen_nameop(c, loc, dot, NJ_Load));
        TRY(nj_gen_nameop(c, loc, NJ_ID(__type_params__), NJ_Store));
    }
    if (c->u->scope->needs_classdict) {
        OP(loc, LOAD_LOCALS, 0);
        TRY(nj_gen_name_op(c, loc, STORE_DEREF, c->u->cellvars, NJ_ID(__classdict__)));
    }
    TRY(gen_conditional_set(c, loc));
    TRY(gen_block(c, loc, s->v.ClassDef.body));
    NJ_OWN attrs = PySequence_List(c->u->static_attributes);
    if (attrs == NULL || PyList_Sort(attrs) < 0) {
        return -1;
    }
    TRY(nj_gen_const_new(c, NJ_NO_LOC, PyList_AsTuple(attrs)));
    TRY(nj_gen_nameop(c, NJ_NO_LOC, NJ_ID(__static_attributes__), NJ_Store));
    if (c->u->scope->needs_classdict) {
        int i = nj_gen_dict_index(c->u->cellvars, NJ_ID(__classdict__));
        TRY(i);
        OP(NJ_NO_LOC, LOAD_CLOSURE, i);
        TRY(nj_gen_nameop(c, NJ_NO_LOC, NJ_ID(__classdictcell__), NJ_Store));
    }
    if (c->u->scope->needs_class_closure) {
        int i = nj_gen_dict_index(c->u->cellvars, NJ_ID(__class__));
        TRY(i);
        OP(NJ_NO_LOC, LOAD_CLOSURE, i);
        OP(NJ_NO_LOC, COPY, 1);
        TRY(nj_gen_nameop(c, NJ_NO_LOC, NJ_ID(__classcell__), NJ_Store));
    }
    else {
        TRY(nj_gen_const(c, NJ_NO_LOC, Py_None));
    }
    OP(NJ_NO_LOC, RETURN_VALUE, 0);
    NJ_OWN co = nj_gen_assemble(c, true);
    nj_gen_exit(c);
    if (co == NULL) {
        return -1;
    }
    NjPos at = s->pos;
    OP(at, LOAD_BUILD_CLASS, 0);
    OP(at, PUSH_NULL, 0);
    TRY(nj_gen_closure(c, at, co, 0));
    return nj_gen_const(c, at, name);
}

static int
gen_class(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->pos;
    PyObject *name = s->v.ClassDef.name;
    NjSeq *decorators = s->v.ClassDef.decorator_list;
    NjSeq *type_params = s->v.ClassDef.type_params;
    TRY(gen_decorators(c, decorators));
    int firstlineno = loc.lineno;
    if (NJ_SEQ_LEN(decorators) > 0) {
        firstlineno = ((NjExpr *)decorators->at[0])->pos.lineno;
    }
    bool generic = NJ_SEQ_LEN(type_params) > 0;
    NJ_OWN dot_params = PyUnicode_InternFromString(".type_params");
    NJ_OWN dot_base = PyUnicode_InternFromString(".generic_base");
    if (dot_params == NULL || dot_base == NULL) {
        return -1;
    }
    if (generic) {
        TRY(gen_type_params_enter(c, name, type_params, firstlineno, name, 0));
        TRY(gen_type_params(c, type_params));
        TRY(nj_gen_nameop(c, loc, dot_params, NJ_Store));
    }
    TRY(gen_class_body(c, s, firstlineno));
    if (generic) {
        TRY(nj_gen_nameop(c, loc, dot_params, NJ_Load));
        OP(loc, CALL_INTRINSIC_1, 10);
        TRY(nj_gen_nameop(c, loc, dot_base, NJ_Store));
        TRY(nj_gen_call_helper(c, loc, 2, s->v.ClassDef.bases, dot_base,
                               s->v.ClassDef.keywords));
        OP(loc, RETURN_VALUE, 0);
        NJ_OWN co = nj_gen_assemble(c, false);
        nj_gen_exit(c);
        if (co == NULL) {
            return -1;
        }
        TRY(nj_gen_closure(c, loc, co, 0));
        OP(loc, PUSH_NULL, 0);
        OP(loc, CALL, 0);
    }
    else {
        TRY(nj_gen_call_helper(c, loc, 2, s->v.ClassDef.bases, NULL,
                               s->v.ClassDef.keywords));
    }
    TRY(apply_decorators(c, decorators));
    return nj_gen_nameop(c, loc, name, NJ_Store);
}

static int
gen_type_alias(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->pos;
    NjSeq *type_params = s->v.TypeAlias.type_params;
    bool generic = NJ_SEQ_LEN(type_params) > 0;
    PyObject *name = s->v.TypeAlias.name->v.Name.id;
    if (generic) {
        TRY(gen_type_params_enter(c, name, type_params, loc.lineno, NULL, 0));
        TRY(nj_gen_const(c, loc, name));
        TRY(gen_type_params(c, type_params));
    }
    else {
        TRY(nj_gen_const(c, loc, name));
        TRY(nj_gen_const(c, loc, Py_None));
    }
    TRY(gen_lazy_expr(c, s->v.TypeAlias.value, loc, name, s, false));
    OP(loc, BUILD_TUPLE, 3);
    OP(loc, CALL_INTRINSIC_1, 11);
    if (generic) {
        OP(loc, RETURN_VALUE, 0);
        NJ_OWN co = nj_gen_assemble(c, false);
        nj_gen_exit(c);
        if (co == NULL) {
            return -1;
        }
        TRY(nj_gen_closure(c, loc, co, 0));
        OP(loc, PUSH_NULL, 0);
        OP(loc, CALL, 0);
    }
    return nj_gen_nameop(c, loc, name, NJ_Store);
}

/* ---- control flow -------------------------------------------------------------------- */

int
nj_gen_body(NjCompiler *c, NjSeq *stmts)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(stmts); i++) {
        TRY(nj_gen_stmt(c, stmts->at[i]));
    }
    return 0;
}

static int
gen_if(NjCompiler *c, NjStmt *s)
{
    LABEL(end);
    NjLabel next = end;
    if (NJ_SEQ_LEN(s->v.If.orelse) > 0) {
        next = nj_gen_label(c);
        TRY(next);
    }
    TRY(nj_gen_jump_if(c, s->pos, s->v.If.test, next, false));
    TRY(nj_gen_body(c, s->v.If.body));
    if (next != end) {
        OP(NJ_NO_LOC, JUMP, end);
        USE(next);
        TRY(nj_gen_body(c, s->v.If.orelse));
    }
    USE(end);
    return 0;
}

static int
gen_while(NjCompiler *c, NjStmt *s)
{
    LABEL(loop);
    LABEL(end);
    LABEL(anchor);
    USE(loop);
    TRY(nj_gen_push_fblock(c, s->pos, NJ_F_WHILE, loop, end, NULL));
    TRY(nj_gen_jump_if(c, s->pos, s->v.While.test, anchor, false));
    TRY(nj_gen_body(c, s->v.While.body));
    OP(NJ_NO_LOC, JUMP, loop);
    nj_gen_pop_fblock(c);
    USE(anchor);
    TRY(nj_gen_body(c, s->v.While.orelse));
    USE(end);
    return 0;
}

static int
gen_for(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->v.For.iter->pos;
    LABEL(start);
    LABEL(body);
    LABEL(cleanup);
    LABEL(end);
    TRY(nj_gen_push_fblock(c, s->pos, NJ_F_FOR, start, end, NULL));
    VISIT(s->v.For.iter);
    OP(loc, GET_ITER, 0);
    USE(start);
    OP(loc, FOR_ITER, cleanup);
    /* So that a target on another line is traced; dropped later when redundant. */
    OP(s->v.For.target->pos, NOP, 0);
    USE(body);
    VISIT(s->v.For.target);
    TRY(nj_gen_body(c, s->v.For.body));
    OP(NJ_NO_LOC, JUMP, start);
    USE(cleanup);
    OP(NJ_NO_LOC, END_FOR, 0);
    OP(NJ_NO_LOC, POP_ITER, 0);
    nj_gen_pop_fblock(c);
    TRY(nj_gen_body(c, s->v.For.orelse));
    USE(end);
    return 0;
}

static int
gen_async_for(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->v.AsyncFor.iter->pos;
    LABEL(start);
    LABEL(send);
    LABEL(except);
    LABEL(end);
    VISIT(s->v.AsyncFor.iter);
    OP(loc, GET_AITER, 0);
    USE(start);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_ASYNC_FOR, start, end, NULL));
    OP(s->pos, SETUP_FINALLY, except);
    OP(s->pos, GET_ANEXT, 0);
    TRY(nj_gen_const(c, s->pos, Py_None));
    USE(send);
    TRY(nj_gen_yield_from(c, s->pos, true));
    OP(s->pos, POP_BLOCK, 0);
    OP(s->pos, NOT_TAKEN, 0);
    VISIT(s->v.AsyncFor.target);
    TRY(nj_gen_body(c, s->v.AsyncFor.body));
    OP(NJ_NO_LOC, JUMP, start);
    nj_gen_pop_fblock(c);
    USE(except);
    OP(loc, END_ASYNC_FOR, send);
    TRY(nj_gen_body(c, s->v.AsyncFor.orelse));
    USE(end);
    return 0;
}

static int
gen_return(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->pos;
    NjExpr *value = s->v.Return.value;
    NjScope *scope = c->u->scope;
    bool keep = value != NULL && value->kind != NJ_Constant;
    if (!nj_scope_is_function_like(scope)) {
        return nj_gen_error(c, loc, "'return' outside function");
    }
    if (value != NULL && scope->coroutine && scope->generator) {
        return nj_gen_error(c, loc, "'return' with value in async generator");
    }
    if (keep) {
        VISIT(value);
    }
    else if (value) {
        loc = value->pos;
        OP(loc, NOP, 0);
    }
    if (value == NULL || value->pos.lineno != s->pos.lineno) {
        loc = s->pos;
        OP(loc, NOP, 0);
    }
    TRY(unwind(c, &loc, keep, NULL, NULL));
    if (value == NULL) {
        TRY(nj_gen_const(c, loc, Py_None));
    }
    else if (!keep) {
        TRY(nj_gen_const(c, loc, value->v.Constant.value));
    }
    OP(loc, RETURN_VALUE, 0);
    return 0;
}

static int
gen_break_continue(NjCompiler *c, NjPos pos, bool is_break)
{
    NjPos loc = pos;
    NjFBlock loop = {0};
    bool found = false;
    OP(loc, NOP, 0);
    TRY(unwind(c, &loc, false, &loop, &found));
    if (!found) {
        return nj_gen_error(c, pos,
                            is_break ? "'break' outside loop"
                                     : "'continue' not properly in loop");
    }
    if (is_break) {
        TRY(unwind_block(c, &loc, &loop, false));
    }
    OP(loc, NJ_OP_LOOP_JUMP, is_break ? loop.exit : loop.block);
    return 0;
}

static int
pop_except_and_reraise(NjCompiler *c, NjPos loc)
{
    OP(loc, COPY, 3);
    OP(loc, POP_EXCEPT, 0);
    OP(loc, RERAISE, 1);
    return 0;
}

static int
gen_handler_unbind(NjCompiler *c, PyObject *name)
{
    if (name == NULL) {
        return 0;
    }
    TRY(nj_gen_const(c, NJ_NO_LOC, Py_None));
    TRY(nj_gen_nameop(c, NJ_NO_LOC, name, NJ_Store));
    return nj_gen_nameop(c, NJ_NO_LOC, name, NJ_Del);
}

static int
gen_try_except(NjCompiler *c, NjPos loc, NjSeq *body_stmts, NjSeq *handlers, NjSeq *orelse)
{
    LABEL(body);
    LABEL(except);
    LABEL(end);
    LABEL(cleanup);
    OP(loc, SETUP_FINALLY, except);
    USE(body);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_TRY, body, NJ_NO_LABEL, NULL));
    TRY(nj_gen_body(c, body_stmts));
    nj_gen_pop_fblock(c);
    OP(NJ_NO_LOC, POP_BLOCK, 0);
    TRY(nj_gen_body(c, orelse));
    OP(NJ_NO_LOC, JUMP, end);
    Py_ssize_t n = NJ_SEQ_LEN(handlers);
    USE(except);
    OP(NJ_NO_LOC, SETUP_CLEANUP, cleanup);
    OP(NJ_NO_LOC, PUSH_EXC_INFO, 0);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_HANDLER, NJ_NO_LABEL, NJ_NO_LABEL, NULL));
    for (Py_ssize_t i = 0; i < n; i++) {
        NjExceptHandler *h = handlers->at[i];
        NjPos at = h->pos;
        NjExpr *type = h->v.ExceptHandler.type;
        PyObject *name = h->v.ExceptHandler.name;
        if (type == NULL && i < n - 1) {
            return nj_gen_error(c, at, "default 'except:' must be last");
        }
        LABEL(next);
        if (type) {
            VISIT(type);
            OP(at, CHECK_EXC_MATCH, 0);
            OP(at, POP_JUMP_IF_FALSE, next);
        }
        LABEL(cleanup_body);
        if (name) {
            LABEL(cleanup_end);
            TRY(nj_gen_nameop(c, at, name, NJ_Store));
            OP(at, SETUP_CLEANUP, cleanup_end);
            USE(cleanup_body);
            TRY(nj_gen_push_fblock(c, at, NJ_F_HANDLER_CLEANUP, cleanup_body, NJ_NO_LABEL,
                                   name));
            TRY(nj_gen_body(c, h->v.ExceptHandler.body));
            nj_gen_pop_fblock(c);
            OP(NJ_NO_LOC, POP_BLOCK, 0);
            OP(NJ_NO_LOC, POP_BLOCK, 0);
            OP(NJ_NO_LOC, POP_EXCEPT, 0);
            TRY(gen_handler_unbind(c, name));
            OP(NJ_NO_LOC, JUMP, end);
            USE(cleanup_end);
            TRY(gen_handler_unbind(c, name));
            OP(NJ_NO_LOC, RERAISE, 1);
        }
        else {
            OP(at, POP_TOP, 0);
            USE(cleanup_body);
            TRY(nj_gen_push_fblock(c, at, NJ_F_HANDLER_CLEANUP, cleanup_body, NJ_NO_LABEL,
                                   NULL));
            TRY(nj_gen_body(c, h->v.ExceptHandler.body));
            nj_gen_pop_fblock(c);
            OP(NJ_NO_LOC, POP_BLOCK, 0);
            OP(NJ_NO_LOC, POP_EXCEPT, 0);
            OP(NJ_NO_LOC, JUMP, end);
        }
        USE(next);
    }
    OP(NJ_NO_LOC, RERAISE, 0);
    nj_gen_pop_fblock(c);
    USE(cleanup);
    TRY(pop_except_and_reraise(c, NJ_NO_LOC));
    USE(end);
    return 0;
}

/* Stack in the handlers: [previous exception, original group, list of results, rest]. */
static int
gen_try_star(NjCompiler *c, NjPos loc, NjSeq *body_stmts, NjSeq *handlers, NjSeq *orelse_stmts)
{
    LABEL(body);
    LABEL(except);
    LABEL(orelse);
    LABEL(end);
    LABEL(cleanup);
    LABEL(reraise_star);
    OP(loc, SETUP_FINALLY, except);
    USE(body);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_TRY, body, NJ_NO_LABEL, NULL));
    TRY(nj_gen_body(c, body_stmts));
    nj_gen_pop_fblock(c);
    OP(NJ_NO_LOC, POP_BLOCK, 0);
    OP(NJ_NO_LOC, JUMP, orelse);
    Py_ssize_t n = NJ_SEQ_LEN(handlers);
    USE(except);
    OP(NJ_NO_LOC, SETUP_CLEANUP, cleanup);
    OP(NJ_NO_LOC, PUSH_EXC_INFO, 0);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_GROUP_HANDLER, NJ_NO_LABEL, NJ_NO_LABEL, NULL));
    for (Py_ssize_t i = 0; i < n; i++) {
        NjExceptHandler *h = handlers->at[i];
        NjPos at = h->pos;
        NjExpr *type = h->v.ExceptHandler.type;
        PyObject *name = h->v.ExceptHandler.name;
        LABEL(next);
        LABEL(no_match);
        if (i == 0) {
            OP(at, BUILD_LIST, 0);
            OP(at, COPY, 2);
        }
        if (type) {
            VISIT(type);
            OP(at, CHECK_EG_MATCH, 0);
            OP(at, COPY, 1);
            OP(at, POP_JUMP_IF_NONE, no_match);
        }
        LABEL(cleanup_end);
        LABEL(cleanup_body);
        if (name) {
            TRY(nj_gen_nameop(c, at, name, NJ_Store));
        }
        else {
            OP(at, POP_TOP, 0);
        }
        OP(at, SETUP_CLEANUP, cleanup_end);
        USE(cleanup_body);
        TRY(nj_gen_push_fblock(c, at, NJ_F_HANDLER_CLEANUP, cleanup_body, NJ_NO_LABEL, name));
        TRY(nj_gen_body(c, h->v.ExceptHandler.body));
        nj_gen_pop_fblock(c);
        OP(NJ_NO_LOC, POP_BLOCK, 0);
        TRY(gen_handler_unbind(c, name));
        OP(NJ_NO_LOC, JUMP, next);
        USE(cleanup_end);
        TRY(gen_handler_unbind(c, name));
        OP(NJ_NO_LOC, LIST_APPEND, 3);
        OP(NJ_NO_LOC, POP_TOP, 0);
        OP(NJ_NO_LOC, JUMP, next);
        USE(no_match);
        OP(at, POP_TOP, 0);
        OP(NJ_NO_LOC, JUMP, next);
        USE(next);
        if (i == n - 1) {
            OP(NJ_NO_LOC, LIST_APPEND, 1);
            OP(NJ_NO_LOC, JUMP, reraise_star);
        }
    }
    nj_gen_pop_fblock(c);
    LABEL(reraise);
    USE(reraise_star);
    OP(NJ_NO_LOC, CALL_INTRINSIC_2, 1);
    OP(NJ_NO_LOC, COPY, 1);
    OP(NJ_NO_LOC, POP_JUMP_IF_NOT_NONE, reraise);
    OP(NJ_NO_LOC, POP_TOP, 0);
    OP(NJ_NO_LOC, POP_BLOCK, 0);
    OP(NJ_NO_LOC, POP_EXCEPT, 0);
    OP(NJ_NO_LOC, JUMP, end);
    USE(reraise);
    OP(NJ_NO_LOC, POP_BLOCK, 0);
    OP(NJ_NO_LOC, SWAP, 2);
    OP(NJ_NO_LOC, POP_EXCEPT, 0);
    OP(NJ_NO_LOC, RERAISE, 0);
    USE(cleanup);
    TRY(pop_except_and_reraise(c, NJ_NO_LOC));
    USE(orelse);
    TRY(nj_gen_body(c, orelse_stmts));
    USE(end);
    return 0;
}

static int
gen_try(NjCompiler *c, NjPos loc, NjSeq *body_stmts, NjSeq *handlers, NjSeq *orelse,
        NjSeq *finalbody, bool star)
{
    if (NJ_SEQ_LEN(finalbody) == 0) {
        return star ? gen_try_star(c, loc, body_stmts, handlers, orelse)
                    : gen_try_except(c, loc, body_stmts, handlers, orelse);
    }
    LABEL(body);
    LABEL(end);
    LABEL(exit);
    LABEL(cleanup);
    OP(loc, SETUP_FINALLY, end);
    USE(body);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_FINALLY_TRY, body, end, finalbody));
    if (NJ_SEQ_LEN(handlers) > 0) {
        TRY(star ? gen_try_star(c, loc, body_stmts, handlers, orelse)
                 : gen_try_except(c, loc, body_stmts, handlers, orelse));
    }
    else {
        TRY(nj_gen_body(c, body_stmts));
    }
    OP(NJ_NO_LOC, POP_BLOCK, 0);
    nj_gen_pop_fblock(c);
    c->finally_copies++;
    TRY(nj_gen_body(c, finalbody));
    c->finally_copies--;
    OP(NJ_NO_LOC, JUMP, exit);
    USE(end);
    TRY(nj_gen_push_fblock(c, loc, NJ_F_FINALLY_END, end, NJ_NO_LABEL, NULL));
    OP(NJ_NO_LOC, SETUP_CLEANUP, cleanup);
    OP(NJ_NO_LOC, PUSH_EXC_INFO, 0);
    TRY(nj_gen_body(c, finalbody));
    OP(NJ_NO_LOC, RERAISE, 0);
    nj_gen_pop_fblock(c);
    USE(cleanup);
    TRY(pop_except_and_reraise(c, NJ_NO_LOC));
    USE(exit);
    return 0;
}

static int
gen_with(NjCompiler *c, NjPos loc, NjSeq *items, NjSeq *body_stmts, Py_ssize_t pos, bool async)
{
    NjWithItem *item = items->at[pos];
    LABEL(block);
    LABEL(final);
    LABEL(exit);
    LABEL(cleanup);
    VISIT(item->context_expr);
    NjPos at = item->context_expr->pos;
    OP(at, COPY, 1);
    OP(at, LOAD_SPECIAL, async ? 3 : 1);
    OP(at, SWAP, 2);
    OP(at, SWAP, 3);
    OP(at, LOAD_SPECIAL, async ? 2 : 0);
    OP(at, CALL, 0);
    if (async) {
        TRY(await_top(c, at, 1));
    }
    OP(at, SETUP_WITH, final);
    USE(block);
    TRY(nj_gen_push_fblock(c, at, async ? NJ_F_ASYNC_WITH : NJ_F_WITH, block, final, NULL));
    if (item->optional_vars) {
        VISIT(item->optional_vars);
    }
    else {
        OP(at, POP_TOP, 0);
    }
    if (pos + 1 == items->len) {
        TRY(nj_gen_body(c, body_stmts));
    }
    else {
        TRY(gen_with(c, loc, items, body_stmts, pos + 1, async));
    }
    nj_gen_pop_fblock(c);
    OP(async ? at : NJ_NO_LOC, POP_BLOCK, 0);
    TRY(call_exit_with_nones(c, at));
    if (async) {
        TRY(await_top(c, at, 2));
    }
    OP(at, POP_TOP, 0);
    OP(at, NJ_OP_LOOP_JUMP, exit);
    USE(final);
    OP(at, SETUP_CLEANUP, cleanup);
    OP(at, PUSH_EXC_INFO, 0);
    OP(at, WITH_EXCEPT_START, 0);
    if (async) {
        TRY(await_top(c, at, 2));
    }
    LABEL(suppress);
    OP(at, TO_BOOL, 0);
    OP(at, POP_JUMP_IF_TRUE, suppress);
    OP(at, RERAISE, 2);
    USE(suppress);
    OP(at, POP_TOP, 0);
    OP(at, POP_BLOCK, 0);
    OP(at, POP_EXCEPT, 0);
    OP(at, POP_TOP, 0);
    OP(at, POP_TOP, 0);
    OP(at, POP_TOP, 0);
    OP(at, JUMP, exit);
    USE(cleanup);
    TRY(pop_except_and_reraise(c, NJ_NO_LOC));
    USE(exit);
    return 0;
}

/* ---- simple statements --------------------------------------------------------------- */

static int
gen_assert(NjCompiler *c, NjStmt *s)
{
    NjExpr *test = s->v.Assert.test;
    if ((test->kind == NJ_Tuple && NJ_SEQ_LEN(test->v.Tuple.elts) > 0) ||
        (test->kind == NJ_Constant && PyTuple_Check(test->v.Constant.value) &&
         PyTuple_GET_SIZE(test->v.Constant.value) > 0)) {
        TRY(nj_gen_warn(c, s->pos, "assertion is always true, perhaps remove parentheses?"));
    }
    if (c->optimize) {
        return 0;
    }
    LABEL(end);
    TRY(nj_gen_jump_if(c, s->pos, test, end, true));
    OP(s->pos, LOAD_COMMON_CONSTANT, 0);
    if (s->v.Assert.msg) {
        VISIT(s->v.Assert.msg);
        OP(s->pos, CALL, 0);
    }
    OP(test->pos, RAISE_VARARGS, 1);
    USE(end);
    return 0;
}

static int
gen_import_as(NjCompiler *c, NjPos loc, PyObject *name, PyObject *asname)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, n, 1);
    if (dot == -2) {
        return -1;
    }
    if (dot < 0) {
        return nj_gen_nameop(c, loc, asname, NJ_Store);
    }
    for (;;) {
        Py_ssize_t pos = dot + 1;
        dot = PyUnicode_FindChar(name, '.', pos, n, 1);
        if (dot == -2) {
            return -1;
        }
        NJ_OWN attr = PyUnicode_Substring(name, pos, dot != -1 ? dot : n);
        if (attr == NULL) {
            return -1;
        }
        int index = nj_gen_dict_index(c->u->names, attr);
        TRY(index);
        OP(loc, IMPORT_FROM, index);
        if (dot == -1) {
            break;
        }
        OP(loc, SWAP, 2);
        OP(loc, POP_TOP, 0);
    }
    TRY(nj_gen_nameop(c, loc, asname, NJ_Store));
    OP(loc, POP_TOP, 0);
    return 0;
}

static int
gen_import(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->pos;
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.Import.names); i++) {
        NjAlias *a = s->v.Import.names->at[i];
        TRY(nj_gen_const_new(c, loc, PyLong_FromLong(0)));
        TRY(nj_gen_const(c, loc, Py_None));
        TRY(nj_gen_name_op(c, loc, IMPORT_NAME, c->u->names, a->name));
        if (a->asname) {
            TRY(gen_import_as(c, loc, a->name, a->asname));
            continue;
        }
        Py_ssize_t dot =
            PyUnicode_FindChar(a->name, '.', 0, PyUnicode_GET_LENGTH(a->name), 1);
        NJ_OWN first = dot < 0 ? Py_NewRef(a->name) : PyUnicode_Substring(a->name, 0, dot);
        if (first == NULL) {
            return -1;
        }
        TRY(nj_gen_nameop(c, loc, first, NJ_Store));
    }
    return 0;
}

static int
gen_import_from(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->pos;
    NjSeq *names = s->v.ImportFrom.names;
    PyObject *module = s->v.ImportFrom.module;
    TRY(nj_gen_const_new(c, loc, PyLong_FromLong(s->v.ImportFrom.level)));
    NJ_OWN tuple = PyTuple_New(NJ_SEQ_LEN(names));
    if (tuple == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(names); i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(((NjAlias *)names->at[i])->name));
    }
    if (nj_ast_is_future(s) &&
        (loc.lineno > c->future_pos.lineno || (loc.lineno == c->future_pos.lineno &&
                                               loc.col_offset > c->future_pos.col_offset))) {
        return nj_gen_error(
            c, loc, "from __future__ imports must occur at the beginning of the file");
    }
    TRY(nj_gen_const(c, loc, tuple));
    NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
    if (empty == NULL) {
        return -1;
    }
    TRY(nj_gen_name_op(c, loc, IMPORT_NAME, c->u->names, module ? module : empty));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(names); i++) {
        NjAlias *a = names->at[i];
        if (i == 0 && PyUnicode_READ_CHAR(a->name, 0) == '*') {
            OP(loc, CALL_INTRINSIC_1, 2);
            OP(NJ_NO_LOC, POP_TOP, 0);
            return 0;
        }
        TRY(nj_gen_name_op(c, loc, IMPORT_FROM, c->u->names, a->name));
        TRY(nj_gen_nameop(c, loc, a->asname ? a->asname : a->name, NJ_Store));
    }
    OP(loc, POP_TOP, 0);
    return 0;
}

static int
gen_expr_stmt(NjCompiler *c, NjPos loc, NjExpr *value)
{
    if (c->interactive && c->nunits <= 1) {
        VISIT(value);
        OP(loc, CALL_INTRINSIC_1, 1);
        OP(NJ_NO_LOC, POP_TOP, 0);
        return 0;
    }
    if (value->kind == NJ_Constant) {
        OP(loc, NOP, 0);
        return 0;
    }
    VISIT(value);
    OP(NJ_NO_LOC, POP_TOP, 0);
    return 0;
}

static int
inplace_arg(int op)
{
    static const int ARG[] = {0,
                              NB_INPLACE_ADD,
                              NB_INPLACE_SUBTRACT,
                              NB_INPLACE_MULTIPLY,
                              NB_INPLACE_MATRIX_MULTIPLY,
                              NB_INPLACE_TRUE_DIVIDE,
                              NB_INPLACE_REMAINDER,
                              NB_INPLACE_POWER,
                              NB_INPLACE_LSHIFT,
                              NB_INPLACE_RSHIFT,
                              NB_INPLACE_OR,
                              NB_INPLACE_XOR,
                              NB_INPLACE_AND,
                              NB_INPLACE_FLOOR_DIVIDE};
    return ARG[op];
}

static int
gen_augassign(NjCompiler *c, NjStmt *s)
{
    NjExpr *e = s->v.AugAssign.target;
    NjPos loc = e->pos;
    bool slice = false;
    switch (e->kind) {
    case NJ_Attribute:
        VISIT(e->v.Attribute.value);
        OP(loc, COPY, 1);
        loc = nj_gen_attr_loc(loc, e);
        TRY(nj_gen_attr_op(c, loc, LOAD_ATTR, e->v.Attribute.attr));
        break;
    case NJ_Subscript:
        VISIT(e->v.Subscript.value);
        slice = nj_gen_two_element_slice(e->v.Subscript.slice);
        if (slice) {
            TRY(nj_gen_slice(c, e->v.Subscript.slice));
            OP(loc, COPY, 3);
            OP(loc, COPY, 3);
            OP(loc, COPY, 3);
            OP(loc, BINARY_SLICE, 0);
        }
        else {
            VISIT(e->v.Subscript.slice);
            OP(loc, COPY, 2);
            OP(loc, COPY, 2);
            OP(loc, BINARY_OP, NB_SUBSCR);
        }
        break;
    case NJ_Name:
        TRY(nj_gen_nameop(c, loc, e->v.Name.id, NJ_Load));
        break;
    default:
        PyErr_Format(PyExc_SystemError, "invalid node type (%d) for augmented assignment",
                     e->kind);
        return -1;
    }
    loc = s->pos;
    VISIT(s->v.AugAssign.value);
    OP(loc, BINARY_OP, inplace_arg(s->v.AugAssign.op));
    loc = e->pos;
    switch (e->kind) {
    case NJ_Attribute:
        loc = nj_gen_attr_loc(loc, e);
        OP(loc, SWAP, 2);
        return nj_gen_attr_op(c, loc, STORE_ATTR, e->v.Attribute.attr);
    case NJ_Subscript:
        if (slice) {
            OP(loc, SWAP, 4);
            OP(loc, SWAP, 3);
            OP(loc, SWAP, 2);
            OP(loc, STORE_SLICE, 0);
        }
        else {
            OP(loc, SWAP, 3);
            OP(loc, SWAP, 2);
            OP(loc, STORE_SUBSCR, 0);
        }
        return 0;
    default:
        return nj_gen_nameop(c, loc, e->v.Name.id, NJ_Store);
    }
}

static int
check_ann_expr(NjCompiler *c, NjExpr *e)
{
    VISIT(e);
    OP(e->pos, POP_TOP, 0);
    return 0;
}

static int
check_ann_subscript(NjCompiler *c, NjExpr *e)
{
    switch (e->kind) {
    case NJ_Slice:
        if (e->v.Slice.lower) {
            TRY(check_ann_expr(c, e->v.Slice.lower));
        }
        if (e->v.Slice.upper) {
            TRY(check_ann_expr(c, e->v.Slice.upper));
        }
        return e->v.Slice.step ? check_ann_expr(c, e->v.Slice.step) : 0;
    case NJ_Tuple:
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(e->v.Tuple.elts); i++) {
            TRY(check_ann_subscript(c, e->v.Tuple.elts->at[i]));
        }
        return 0;
    default:
        return check_ann_expr(c, e);
    }
}

/* Puts the annotation aside for __annotate__; the index of the condition, -1 for none,
 * -2 on error. */
static int
defer_annotation(NjCompiler *c, NjStmt *s)
{
    NjUnit *u = c->u;
    if (u->deferred == NULL) {
        u->deferred = PyList_New(0);
        u->cond_indices = PyList_New(0);
        if (u->deferred == NULL || u->cond_indices == NULL) {
            return -2;
        }
    }
    int index = -1;
    if (u->scope->has_conditional_annotations &&
        (u->kind == NJ_UNIT_MODULE || u->in_conditional)) {
        index = u->next_cond_index++;
    }
    NJ_OWN ptr = PyLong_FromVoidPtr(s);
    NJ_OWN i = PyLong_FromLong(index);
    if (ptr == NULL || i == NULL || PyList_Append(u->deferred, ptr) < 0 ||
        PyList_Append(u->cond_indices, i) < 0) {
        return -2;
    }
    return index;
}

static int
gen_annassign(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->pos;
    NjExpr *target = s->v.AnnAssign.target;
    NjExpr *annotation = s->v.AnnAssign.annotation;
    bool future = c->flags & CO_FUTURE_ANNOTATIONS;
    bool evaluated = c->u->kind == NJ_UNIT_MODULE || c->u->kind == NJ_UNIT_CLASS;
    if (s->v.AnnAssign.value) {
        VISIT(s->v.AnnAssign.value);
        VISIT(target);
    }
    switch (target->kind) {
    case NJ_Name:
        if (s->v.AnnAssign.simple && evaluated) {
            if (future) {
                TRY(gen_annotation_expr(c, annotation));
                TRY(nj_gen_nameop(c, loc, NJ_ID(__annotations__), NJ_Load));
                TRY(nj_gen_const_new(c, loc,
                                     nj_mangle(c->u->private_name, target->v.Name.id)));
                OP(loc, STORE_SUBSCR, 0);
            }
            else {
                int index = defer_annotation(c, s);
                if (index == -2) {
                    return -1;
                }
                if (index >= 0) {
                    if (c->u->kind == NJ_UNIT_CLASS) {
                        TRY(nj_gen_name_op(c, loc, LOAD_DEREF, c->u->cellvars,
                                           NJ_ID(__conditional_annotations__)));
                    }
                    else {
                        TRY(nj_gen_nameop(c, loc, NJ_ID(__conditional_annotations__),
                                          NJ_Load));
                    }
                    TRY(nj_gen_const_new(c, loc, PyLong_FromLong(index)));
                    OP(loc, SET_ADD, 1);
                    OP(loc, POP_TOP, 0);
                }
            }
        }
        break;
    case NJ_Attribute:
        if (!s->v.AnnAssign.value) {
            TRY(check_ann_expr(c, target->v.Attribute.value));
        }
        break;
    case NJ_Subscript:
        if (!s->v.AnnAssign.value) {
            TRY(check_ann_expr(c, target->v.Subscript.value));
            TRY(check_ann_subscript(c, target->v.Subscript.slice));
        }
        break;
    default:
        PyErr_Format(PyExc_SystemError, "invalid node type (%d) for annotated assignment",
                     target->kind);
        return -1;
    }
    return 0;
}

static int
gen_stmt_inner(NjCompiler *c, NjStmt *s)
{
    NjPos loc = s->pos;
    switch (s->kind) {
    case NJ_FunctionDef:
        return gen_function(c, s, s->v.FunctionDef.name, s->v.FunctionDef.args,
                            s->v.FunctionDef.body, s->v.FunctionDef.decorator_list,
                            s->v.FunctionDef.returns, s->v.FunctionDef.type_params, false);
    case NJ_AsyncFunctionDef:
        return gen_function(c, s, s->v.AsyncFunctionDef.name, s->v.AsyncFunctionDef.args,
                            s->v.AsyncFunctionDef.body, s->v.AsyncFunctionDef.decorator_list,
                            s->v.AsyncFunctionDef.returns,
                            s->v.AsyncFunctionDef.type_params, true);
    case NJ_ClassDef:
        return gen_class(c, s);
    case NJ_TypeAlias:
        return gen_type_alias(c, s);
    case NJ_Return:
        return gen_return(c, s);
    case NJ_Delete:
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.Delete.targets); i++) {
            VISIT(s->v.Delete.targets->at[i]);
        }
        return 0;
    case NJ_Assign: {
        NjSeq *targets = s->v.Assign.targets;
        VISIT(s->v.Assign.value);
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(targets); i++) {
            if (i + 1 < targets->len) {
                OP(loc, COPY, 1);
            }
            VISIT(targets->at[i]);
        }
        return 0;
    }
    case NJ_AugAssign:
        return gen_augassign(c, s);
    case NJ_AnnAssign:
        return gen_annassign(c, s);
    case NJ_Raise: {
        int n = 0;
        if (s->v.Raise.exc) {
            VISIT(s->v.Raise.exc);
            n++;
            if (s->v.Raise.cause) {
                VISIT(s->v.Raise.cause);
                n++;
            }
        }
        OP(loc, RAISE_VARARGS, n);
        return 0;
    }
    case NJ_Assert:
        return gen_assert(c, s);
    case NJ_Import:
        return gen_import(c, s);
    case NJ_ImportFrom:
        return gen_import_from(c, s);
    case NJ_Global:
    case NJ_Nonlocal:
        return 0;
    case NJ_Expr:
        return gen_expr_stmt(c, loc, s->v.Expr.value);
    case NJ_Pass:
        OP(loc, NOP, 0);
        return 0;
    case NJ_Break:
        return gen_break_continue(c, loc, true);
    case NJ_Continue:
        return gen_break_continue(c, loc, false);
    default:
        break;
    }
    /* Compound statements whose bodies may not run: matters to annotations. */
    bool saved = c->u->in_conditional;
    c->u->in_conditional = true;
    int r;
    switch (s->kind) {
    case NJ_For:
        r = gen_for(c, s);
        break;
    case NJ_AsyncFor:
        r = gen_async_for(c, s);
        break;
    case NJ_While:
        r = gen_while(c, s);
        break;
    case NJ_If:
        r = gen_if(c, s);
        break;
    case NJ_Match:
        r = nj_gen_match(c, s);
        break;
    case NJ_Try:
        r = gen_try(c, loc, s->v.Try.body, s->v.Try.handlers, s->v.Try.orelse,
                    s->v.Try.finalbody, false);
        break;
    case NJ_TryStar:
        r = gen_try(c, loc, s->v.TryStar.body, s->v.TryStar.handlers, s->v.TryStar.orelse,
                    s->v.TryStar.finalbody, true);
        break;
    case NJ_With:
        r = gen_with(c, loc, s->v.With.items, s->v.With.body, 0, false);
        break;
    default:
        r = gen_with(c, loc, s->v.AsyncWith.items, s->v.AsyncWith.body, 0, true);
        break;
    }
    c->u->in_conditional = saved;
    return r;
}

int
nj_gen_stmt(NjCompiler *c, NjStmt *s)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = gen_stmt_inner(c, s);
    Py_LeaveRecursiveCall();
    return r;
}

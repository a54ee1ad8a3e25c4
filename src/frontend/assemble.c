/* assemble.c - from the finished flow graph to a code object: jump distances, EXTENDED_ARG,
 * inline cache entries, the line table, the exception table, kinds of locals.
 *
 * Jump distances depend on instruction sizes and sizes on distances: sizes are computed
 * again until nothing grows. Formats: PEP 626/657 location entries, and the exception
 * table of big-endian 6-bit groups with a start marker.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/compile_int.h"

#include "objects/code_int.h"

typedef struct Flat {
    int op;
    int arg;
    int target;  /* index of instruction, -1 */
    NjBlock *except;
    NjPos loc;
    int size;    /* code units */
    int offset;
} Flat;

typedef struct Bytes {
    NjArena *arena;
    uint8_t *at;
    Py_ssize_t len;
    Py_ssize_t cap;
} Bytes;

static int
put(Bytes *b, int x)
{
    if (b->len == b->cap) {
        Py_ssize_t cap = b->cap * 2 + 64;
        uint8_t *fresh = nj_arena_grow(b->arena, b->at, b->len, cap);
        if (fresh == NULL) {
            return -1;
        }
        b->at = fresh;
        b->cap = cap;
    }
    b->at[b->len++] = (uint8_t)x;
    return 0;
}

static int
put_varint(Bytes *b, unsigned v)
{
    while (v >= 64) {
        TRY(put(b, 0x40 | (v & 0x3f)));
        v >>= 6;
    }
    return put(b, v);
}

static int
put_svarint(Bytes *b, int v)
{
    unsigned u = v < 0 ? ((0u - (unsigned)v) << 1) | 1 : (unsigned)v << 1;
    return put_varint(b, u);
}

static int
instr_size(int op, int arg)
{
    int extended = (arg > 0xFFFFFF) + (arg > 0xFFFF) + (arg > 0xFF);
    return extended + 1 + nj_op_caches(op);
}

static bool
same_loc(NjPos a, NjPos b)
{
    return a.lineno == b.lineno && a.end_lineno == b.end_lineno &&
           a.col_offset == b.col_offset && a.end_col_offset == b.end_col_offset;
}

/* ---- tables -------------------------------------------------------------------------- */

static int
put_location_entry(Bytes *b, NjPos loc, int size, int *line)
{
    int first = 0x80 | (size - 1);
    if (loc.lineno < 0) {
        return put(b, first | (15 << 3));
    }
    int delta = loc.lineno - *line, col = loc.col_offset, end = loc.end_col_offset;
    if (col < 0 || end < 0) {
        if (loc.end_lineno == loc.lineno || loc.end_lineno == -1) {
            TRY(put(b, first | (13 << 3)));
            TRY(put_svarint(b, delta));
            *line = loc.lineno;
            return 0;
        }
    }
    else if (loc.end_lineno == loc.lineno) {
        if (delta == 0 && col < 80 && end - col < 16 && end >= col) {
            TRY(put(b, first | ((col >> 3) << 3)));
            return put(b, ((col & 7) << 4) | (end - col));
        }
        if (delta >= 0 && delta < 3 && col < 128 && end < 128) {
            TRY(put(b, first | ((10 + delta) << 3)));
            TRY(put(b, col));
            TRY(put(b, end));
            *line = loc.lineno;
            return 0;
        }
    }
    TRY(put(b, first | (14 << 3)));
    TRY(put_svarint(b, delta));
    TRY(put_varint(b, loc.end_lineno - loc.lineno));
    TRY(put_varint(b, col + 1));
    TRY(put_varint(b, end + 1));
    *line = loc.lineno;
    return 0;
}

static int
put_location(Bytes *b, NjPos loc, int size, int *line)
{
    while (size > 8) {
        TRY(put_location_entry(b, loc, 8, line));
        size -= 8;
    }
    return size > 0 ? put_location_entry(b, loc, size, line) : 0;
}

static int
make_linetable(Bytes *b, Flat *f, int n, int firstlineno)
{
    int line = firstlineno, size = 0;
    for (int i = n - 1; i >= 0; i--) {
        if (f[i].loc.lineno == -2) {
            f[i].loc = nj_is_jump(f[i].op) || nj_is_scope_exit(f[i].op) || i + 1 == n
                           ? NJ_NO_LOC
                           : f[i + 1].loc;
        }
    }
    NjPos loc = NJ_NO_LOC;
    for (int i = 0; i < n; i++) {
        if (!same_loc(loc, f[i].loc)) {
            TRY(put_location(b, loc, size, &line));
            loc = f[i].loc;
            size = 0;
        }
        size += f[i].size;
    }
    return put_location(b, loc, size, &line);
}

static int
put_exception_item(Bytes *b, int v, int msb)
{
    for (int shift = 24; shift > 0; shift -= 6) {
        if (v >= 1 << shift) {
            TRY(put(b, ((v >> shift) & 0x3f) | 0x40 | msb));
            msb = 0;
        }
    }
    return put(b, (v & 0x3f) | msb);
}

static int
make_exceptiontable(Bytes *b, Flat *f, int n, int end)
{
    NjBlock *handler = NULL;
    int start = -1;
    for (int i = 0; i <= n; i++) {
        NjBlock *h = i < n ? f[i].except : NULL;
        int offset = i < n ? f[i].offset : end;
        if (h == handler) {
            continue;
        }
        if (handler != NULL) {
            int depth = handler->startdepth - 1 - handler->preserve_lasti;
            TRY(put_exception_item(b, start, 1 << 7));
            TRY(put_exception_item(b, offset - start, 0));
            TRY(put_exception_item(b, f[handler->index].offset, 0));
            TRY(put_exception_item(b, (depth << 1) | handler->preserve_lasti, 0));
        }
        start = offset;
        handler = h;
    }
    return 0;
}

/* ---- locals -------------------------------------------------------------------------- */

static int
fill_localsplus(NjAsmInput *in, PyObject *names, char *kinds)
{
    NjUnit *u = in->u;
    PyObject *name, *index;
    Py_ssize_t at = 0;
    int npos = u->posonlyargcount, nargs = u->argcount, nkw = u->kwonlyargcount;
    int nparams = nargs + nkw + !!(in->flags & CO_VARARGS) + !!(in->flags & CO_VARKEYWORDS);
    NJ_OWN format = NULL;
    while (PyDict_Next(u->varnames, &at, &name, &index)) {
        int i = PyLong_AsInt(index);
        int kind = CO_FAST_LOCAL;
        int hidden = PySet_Contains(u->ever_hidden, name);
        TRY(hidden);
        kind |= hidden ? CO_FAST_HIDDEN : 0;
        if (i < nparams) {
            kind |= i < npos                        ? CO_FAST_ARG_POS
                    : i < nargs                     ? CO_FAST_ARG_POS | CO_FAST_ARG_KW
                    : i < nargs + nkw               ? CO_FAST_ARG_KW
                    : i == nargs + nkw && (in->flags & CO_VARARGS)
                        ? CO_FAST_ARG_VAR | CO_FAST_ARG_POS
                        : CO_FAST_ARG_VAR | CO_FAST_ARG_KW;
        }
        kinds[i] = (char)kind;
        if (i == 0 && u->scope->type == NJ_BLOCK_ANNOTATION &&
            PyUnicode_EqualToUTF8(name, ".format")) {
            name = format = PyUnicode_InternFromString("format");
            if (name == NULL) {
                return -1;
            }
        }
        PyTuple_SET_ITEM(names, i, Py_NewRef(name));
    }
    int nlocals = (int)PyDict_GET_SIZE(u->varnames), dropped = 0;
    at = 0;
    while (PyDict_Next(u->cellvars, &at, &name, &index)) {
        PyObject *v = PyDict_GetItemWithError(u->varnames, name);
        if (v != NULL) {
            kinds[PyLong_AsInt(v)] |= CO_FAST_CELL;
            dropped++;
            continue;
        }
        int i = PyLong_AsInt(index) - dropped + nlocals;
        PyTuple_SET_ITEM(names, i, Py_NewRef(name));
        kinds[i] = (char)CO_FAST_CELL;
    }
    at = 0;
    int ncells = (int)PyDict_GET_SIZE(u->cellvars);
    while (PyDict_Next(u->freevars, &at, &name, &index)) {
        int i = PyLong_AsInt(index) + ncells - dropped + nlocals;
        PyTuple_SET_ITEM(names, i, Py_NewRef(name));
        kinds[i] = (char)CO_FAST_FREE;
    }
    return 0;
}

static PyObject *
names_tuple(PyObject *dict)
{
    NJ_OWN tuple = PyTuple_New(PyDict_GET_SIZE(dict));
    PyObject *name, *index;
    Py_ssize_t at = 0;
    while (tuple != NULL && PyDict_Next(dict, &at, &name, &index)) {
        PyTuple_SET_ITEM(tuple, PyLong_AsInt(index), Py_NewRef(name));
    }
    return NJ_TAKE(tuple);
}

/* ---- code ---------------------------------------------------------------------------- */

static Flat *
flatten(NjCfg *g, int *count)
{
    int n = 0;
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        b->index = n;
        n += b->len;
    }
    Flat *f = nj_arena_alloc(g->arena, (n + 1) * sizeof(Flat));
    if (f == NULL) {
        return NULL;
    }
    int i = 0;
    for (NjBlock *b = g->entry; b != NULL; b = b->next) {
        for (int k = 0; k < b->len; k++, i++) {
            NjCfgInstr *x = &b->at[k];
            int target = -1;
            if (nj_is_jump(x->op) && x->target != NULL) {
                target = x->target->index;
            }
            f[i] = (Flat){x->op, x->arg, target, x->except, x->loc, 0, 0};
            if (x->op == JUMP) {
                f[i].op = target <= i ? JUMP_BACKWARD : JUMP_FORWARD;
            }
            else if (x->op == JUMP_NO_INTERRUPT) {
                f[i].op = target <= i ? JUMP_BACKWARD_NO_INTERRUPT : JUMP_FORWARD;
            }
        }
    }
    *count = n;
    return f;
}

/* The label of END_ASYNC_FOR is its SEND, but monitoring wants the END_SEND behind: SEND
 * with its cache entry, YIELD_VALUE, RESUME, JUMP_BACKWARD_NO_INTERRUPT lie between. */
#define END_SEND_OFFSET 5

static bool
jumps_backward(int op)
{
    return op == JUMP_BACKWARD || op == JUMP_BACKWARD_NO_INTERRUPT || op == END_ASYNC_FOR;
}

/* Fills in offsets, sizes and jump arguments; the total size. */
static int
resolve_jumps(Flat *f, int n)
{
    /* The first guess for a jump is the number of the target instruction: where several
     * fixed points exist, this finds the one of the reference. */
    for (int i = 0; i < n; i++) {
        f[i].size = instr_size(f[i].op, f[i].target >= 0 ? f[i].target : f[i].arg);
    }
    for (;;) {
        int total = 0;
        for (int i = 0; i < n; i++) {
            f[i].offset = total;
            total += f[i].size;
        }
        bool grown = false;
        for (int i = 0; i < n; i++) {
            if (f[i].target < 0) {
                continue;
            }
            int after = f[i].offset + f[i].size, to = f[f[i].target].offset;
            f[i].arg = jumps_backward(f[i].op) ? after - to : to - after;
            if (f[i].op == END_ASYNC_FOR) {
                f[i].arg -= END_SEND_OFFSET;
            }
            int size = instr_size(f[i].op, f[i].arg);
            if (size != f[i].size) {
                f[i].size = size;
                grown = true;
            }
        }
        if (!grown) {
            return total;
        }
    }
}

PyObject *
nj_assemble(NjAsmInput *in)
{
    NjUnit *u = in->u;
    int n;
    Flat *f = flatten(in->g, &n);
    if (f == NULL) {
        return NULL;
    }
    int total = resolve_jumps(f, n);
    NJ_OWN code = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)total * 2);
    if (code == NULL) {
        return NULL;
    }
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(code);
    for (int i = 0; i < n; i++) {
        int caches = nj_op_caches(f[i].op), arg = f[i].arg;
        for (int k = f[i].size - caches - 1; k > 0; k--) {
            *out++ = EXTENDED_ARG;
            *out++ = (uint8_t)(arg >> (8 * k));
        }
        *out++ = (uint8_t)f[i].op;
        *out++ = (uint8_t)arg;
        memset(out, 0, 2 * caches);
        out += 2 * caches;
    }
    Bytes lines = {.arena = in->g->arena}, excs = {.arena = in->g->arena};
    if (make_linetable(&lines, f, n, u->firstlineno) < 0 ||
        make_exceptiontable(&excs, f, n, total) < 0) {
        return NULL;
    }
    NJ_OWN linetable = PyBytes_FromStringAndSize((char *)lines.at, lines.len);
    NJ_OWN exctable = PyBytes_FromStringAndSize((char *)excs.at, excs.len);
    NJ_OWN merged_line = nj_gen_merge_const(in->c, NJ_TAKE(linetable));
    NJ_OWN merged_exc = nj_gen_merge_const(in->c, NJ_TAKE(exctable));
    NJ_OWN localsplus = PyTuple_New(in->nlocalsplus);
    NJ_OWN kinds = PyBytes_FromStringAndSize(NULL, in->nlocalsplus);
    NJ_OWN names = names_tuple(u->names);
    NJ_OWN consts = PyList_AsTuple(in->consts);
    if (merged_line == NULL || merged_exc == NULL || localsplus == NULL || kinds == NULL ||
        names == NULL || consts == NULL ||
        fill_localsplus(in, localsplus, PyBytes_AS_STRING(kinds)) < 0) {
        return NULL;
    }
    NJ_OWN merged_consts = nj_gen_merge_const(in->c, NJ_TAKE(consts));
    NJ_OWN merged_names = nj_gen_merge_const(in->c, NJ_TAKE(names));
    if (merged_consts == NULL || merged_names == NULL) {
        return NULL;
    }
    NjCodeSpec spec = {
        .filename = in->c->filename,
        .name = u->name,
        .qualname = u->qualname,
        .flags = in->flags,
        .code = code,
        .firstlineno = u->firstlineno,
        .linetable = merged_line,
        .consts = merged_consts,
        .names = merged_names,
        .localsplusnames = localsplus,
        .localspluskinds = kinds,
        .argcount = u->argcount,
        .posonlyargcount = u->posonlyargcount,
        .kwonlyargcount = u->kwonlyargcount,
        .stacksize = in->stackdepth > 0 ? in->stackdepth : 1,
        .exceptiontable = merged_exc,
    };
    return (PyObject *)nj_code_new(&spec);
}

/* symtable.c - first walk over the tree: builds the scopes and decides for each name
 * whether it is local, cell, free, or global.
 *
 * Walk: every block (module, class, function, lambda, comprehension, annotation scope of
 * PEP 649, type-parameter scopes of PEP 695/696) gets an NjScope, found again later by
 * the address of its node. add_def() collects what each block does with a name.
 *
 * Analysis (analyze_block), top-down and bottom-up in one recursion: going down, the set
 * of names bound by enclosing functions; coming up, the names that inner blocks need
 * free. List, set and dict comprehensions are merged into the block around them on the
 * way up (PEP 709), generator expressions are not.
 *
 * The order in which blocks are entered is visible through the symtable module, and the
 * order of symbols decides the order of local variables; do not rearrange visits.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/symtable.h"

#include <stdarg.h>
#include <structmember.h>

struct NjSymtable {
    PyObject *filename;
    PyObject *private_name; /* borrowed: the class whose body we are in, or NULL */
    NjScope *cur;           /* borrowed from the stack */
    NjScope *top;           /* owned */
    PyObject *stack;        /* list of NjScope, innermost last */
    NjScope **table;        /* owned scopes by key, open addressing */
    size_t table_mask;
    size_t table_used;
    int future;
    int flags;
    Py_ssize_t next_id;
};

#define TRY(x)                                                                         \
    do {                                                                               \
        if ((x) < 0) {                                                                 \
            return -1;                                                                 \
        }                                                                              \
    } while (0)

/* ---- the scope object ---------------------------------------------------------------- */

static void
scope_dealloc(PyObject *self)
{
    NjScope *s = (NjScope *)self;
    Py_XDECREF(s->id);
    Py_XDECREF(s->name);
    Py_XDECREF(s->symbols);
    Py_XDECREF(s->varnames);
    Py_XDECREF(s->children);
    Py_XDECREF(s->directives);
    Py_XDECREF(s->mangled_names);
    Py_XDECREF(s->annotation_block);
    PyObject_Free(self);
}

static PyObject *
scope_repr(PyObject *self)
{
    NjScope *s = (NjScope *)self;
    return PyUnicode_FromFormat("<symtable entry %U(%R), line %d>", s->name, s->id,
                                s->loc.lineno);
}

static PyObject *
scope_get_nested(PyObject *self, void *unused)
{
    return PyLong_FromLong(((NjScope *)self)->nested);
}

static PyObject *
scope_get_type(PyObject *self, void *unused)
{
    return PyLong_FromLong(((NjScope *)self)->type);
}

static PyMemberDef scope_members[] = {
    {"id", _Py_T_OBJECT, offsetof(NjScope, id), Py_READONLY, NULL},
    {"name", _Py_T_OBJECT, offsetof(NjScope, name), Py_READONLY, NULL},
    {"symbols", _Py_T_OBJECT, offsetof(NjScope, symbols), Py_READONLY, NULL},
    {"varnames", _Py_T_OBJECT, offsetof(NjScope, varnames), Py_READONLY, NULL},
    {"children", _Py_T_OBJECT, offsetof(NjScope, children), Py_READONLY, NULL},
    {"lineno", Py_T_INT, offsetof(NjScope, loc.lineno), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyGetSetDef scope_getset[] = {{"nested", scope_get_nested, NULL, NULL, NULL},
                                     {"type", scope_get_type, NULL, NULL, NULL},
                                     {NULL, NULL, NULL, NULL, NULL}};

PyTypeObject NjScope_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "symtable entry",
    .tp_basicsize = sizeof(NjScope),
    .tp_dealloc = scope_dealloc,
    .tp_repr = scope_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_members = scope_members,
    .tp_getset = scope_getset,
};

/* ---- table of scopes ----------------------------------------------------------------- */

static size_t
hash_key(const void *key)
{
    uint64_t h = (uintptr_t)key * 0x9E3779B97F4A7C15ull;
    return (size_t)(h >> 20);
}

NjScope *
nj_symtable_find(NjSymtable *st, const void *key)
{
    if (st->table == NULL) {
        return NULL;
    }
    for (size_t i = hash_key(key) & st->table_mask;; i = (i + 1) & st->table_mask) {
        if (st->table[i] == NULL || st->table[i]->key == key) {
            return st->table[i];
        }
    }
}

NjScope *
nj_symtable_lookup(NjSymtable *st, const void *key)
{
    NjScope *s = nj_symtable_find(st, key);
    if (s == NULL) {
        PyErr_SetString(PyExc_KeyError, "unknown symbol table entry");
    }
    return s;
}

NjScope *
nj_symtable_top(NjSymtable *st)
{
    return st->top;
}

static void
table_put(NjScope **table, size_t mask, NjScope *s)
{
    size_t i = hash_key(s->key) & mask;
    while (table[i] != NULL) {
        i = (i + 1) & mask;
    }
    table[i] = s;
}

/* Steals s. */
static int
table_add(NjSymtable *st, NjScope *s)
{
    if (st->table == NULL || (st->table_used + 1) * 2 > st->table_mask) {
        size_t size = st->table == NULL ? 64 : (st->table_mask + 1) * 2;
        NjScope **fresh = PyMem_Calloc(size, sizeof(NjScope *));
        if (fresh == NULL) {
            Py_DECREF(s);
            PyErr_NoMemory();
            return -1;
        }
        for (size_t i = 0; st->table != NULL && i <= st->table_mask; i++) {
            if (st->table[i] != NULL) {
                table_put(fresh, size - 1, st->table[i]);
            }
        }
        PyMem_Free(st->table);
        st->table = fresh;
        st->table_mask = size - 1;
    }
    table_put(st->table, st->table_mask, s);
    st->table_used++;
    return 0;
}

/* ---- errors and names ---------------------------------------------------------------- */

void
nj_syntax_error_at(PyObject *filename, NjPos pos, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    PyErr_FormatV(PyExc_SyntaxError, fmt, va);
    va_end(va);
    PyErr_RangedSyntaxLocationObject(filename, pos.lineno, pos.col_offset + 1,
                                     pos.end_lineno, pos.end_col_offset + 1);
}

PyObject *
nj_mangle(PyObject *private_name, PyObject *name)
{
    if (private_name == NULL || PyUnicode_GET_LENGTH(name) < 2 ||
        PyUnicode_READ_CHAR(name, 0) != '_' || PyUnicode_READ_CHAR(name, 1) != '_') {
        return Py_NewRef(name);
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(name), p = PyUnicode_GET_LENGTH(private_name);
    if ((PyUnicode_READ_CHAR(name, n - 1) == '_' && PyUnicode_READ_CHAR(name, n - 2) == '_') ||
        PyUnicode_FindChar(name, '.', 0, n, 1) != -1) {
        return Py_NewRef(name);
    }
    Py_ssize_t skip = 0;
    while (skip < p && PyUnicode_READ_CHAR(private_name, skip) == '_') {
        skip++;
    }
    if (skip == p) {
        return Py_NewRef(name);
    }
    if (n + p - skip >= PY_SSIZE_T_MAX - 1) {
        PyErr_SetString(PyExc_OverflowError, "private identifier too large to be mangled");
        return NULL;
    }
    NJ_OWN stem = PyUnicode_Substring(private_name, skip, p);
    PyObject *s = stem == NULL ? NULL : PyUnicode_FromFormat("_%U%U", stem, name);
    if (s != NULL) {
        PyUnicode_InternInPlace(&s);
    }
    return s;
}

PyObject *
nj_maybe_mangle(PyObject *private_name, NjScope *s, PyObject *name)
{
    if (private_name != NULL && s->mangled_names != NULL) {
        int r = PySet_Contains(s->mangled_names, name);
        if (r < 0) {
            return NULL;
        }
        if (r == 0) {
            return Py_NewRef(name);
        }
    }
    return nj_mangle(private_name, name);
}

int
nj_scope_flags(NjScope *s, PyObject *name)
{
    PyObject *v = PyDict_GetItemWithError(s->symbols, name);
    if (v == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    return PyLong_AsInt(v);
}

int
nj_scope_of(NjScope *s, PyObject *name)
{
    int flags = nj_scope_flags(s, name);
    return flags < 0 ? -1 : (flags >> NJ_SCOPE_OFFSET) & NJ_SCOPE_MASK;
}

static int
put_flags(PyObject *dict, PyObject *name, int flags)
{
    NJ_OWN v = PyLong_FromLong(flags);
    return v == NULL ? -1 : PyDict_SetItem(dict, name, v);
}

/* ---- entering and leaving blocks ----------------------------------------------------- */

/* A new scope, registered under key and owned by the table; borrowed. */
static NjScope *
new_scope(NjSymtable *st, PyObject *name, NjBlockType type, const void *key, NjPos loc)
{
    NjScope *s = PyObject_New(NjScope, &NjScope_Type);
    if (s == NULL) {
        return NULL;
    }
    memset((char *)s + sizeof(PyObject), 0, sizeof(NjScope) - sizeof(PyObject));
    s->id = PyLong_FromVoidPtr((void *)key);
    s->name = Py_NewRef(name);
    s->symbols = PyDict_New();
    s->varnames = PyList_New(0);
    s->children = PyList_New(0);
    s->type = type;
    s->key = key;
    s->loc = loc;
    if (s->id == NULL || s->symbols == NULL || s->varnames == NULL || s->children == NULL) {
        Py_DECREF(s);
        return NULL;
    }
    if (st->cur != NULL &&
        (st->cur->nested || nj_scope_is_function_like(st->cur))) {
        s->nested = true;
    }
    s->method = type == NJ_BLOCK_FUNCTION && st->cur != NULL &&
                st->cur->type == NJ_BLOCK_CLASS;
    return table_add(st, s) < 0 ? NULL : s;
}

static int add_def(NjSymtable *st, PyObject *name, int flag, NjPos loc);
static int visit_expr(NjSymtable *st, NjExpr *e);
static int visit_stmt(NjSymtable *st, NjStmt *s);

static int
push_scope(NjSymtable *st, NjScope *s)
{
    if (PyList_Append(st->stack, (PyObject *)s) < 0) {
        return -1;
    }
    st->cur = s;
    return 0;
}

/* Makes s the current block; it becomes a child of the one before unless it is so
 * already (the annotation block of a class is entered once per annotation). */
static int
enter_existing(NjSymtable *st, NjScope *s, bool add_child)
{
    NjScope *prev = st->cur;
    if (add_child && prev != NULL && PyList_Append(prev->children, (PyObject *)s) < 0) {
        return -1;
    }
    if (prev != NULL && prev->mangled_names != NULL && s->type != NJ_BLOCK_CLASS) {
        NJ_SET(s->mangled_names, Py_NewRef(prev->mangled_names));
    }
    TRY(push_scope(st, s));
    return 0;
}

/* Annotation scopes take one argument, the format. */
static int
add_format_param(NjSymtable *st)
{
    NJ_OWN name = PyUnicode_InternFromString(".format");
    if (name == NULL) {
        return -1;
    }
    NjPos loc = st->cur->loc;
    TRY(add_def(st, name, NJ_DEF_PARAM, loc));
    return add_def(st, name, NJ_USE, loc);
}

static int
enter_block(NjSymtable *st, PyObject *name, NjBlockType type, const void *key, NjPos loc)
{
    NjScope *s = new_scope(st, name, type, key, loc);
    if (s == NULL) {
        return -1;
    }
    /* no walrus in the iterable of a comprehension, lambdas and comprehensions in it */
    s->comp_iter_expr = st->cur ? st->cur->comp_iter_expr : 0;
    TRY(enter_existing(st, s, true));
    if (type == NJ_BLOCK_ANNOTATION || type == NJ_BLOCK_TYPE_VARIABLE ||
        type == NJ_BLOCK_TYPE_ALIAS) {
        TRY(add_format_param(st));
    }
    return 0;
}

static int
exit_block(NjSymtable *st)
{
    Py_ssize_t n = PyList_GET_SIZE(st->stack);
    TRY(PyList_SetSlice(st->stack, n - 1, n, NULL));
    st->cur = n > 1 ? (NjScope *)PyList_GET_ITEM(st->stack, n - 2) : NULL;
    return 0;
}

/* ---- definitions --------------------------------------------------------------------- */

static int
check_name(NjSymtable *st, PyObject *name, NjPos loc, int ctx)
{
    if (!PyUnicode_EqualToUTF8(name, "__debug__") || ctx == NJ_Load) {
        return 0;
    }
    nj_syntax_error_at(st->filename, loc, "cannot %s __debug__",
                       ctx == NJ_Store ? "assign to" : "delete");
    return -1;
}

/* `name' is mangled here. */
static int
add_def_to(NjSymtable *st, PyObject *name, int flag, NjScope *s, NjPos loc)
{
    NJ_OWN mangled = nj_maybe_mangle(st->private_name, st->cur, name);
    if (mangled == NULL) {
        return -1;
    }
    int flags = nj_scope_flags(s, mangled);
    if (flags < 0) {
        return -1;
    }
    if ((flag & NJ_DEF_PARAM) && (flags & NJ_DEF_PARAM)) {
        nj_syntax_error_at(st->filename, loc,
                           "duplicate argument '%U' in function definition", name);
        return -1;
    }
    if ((flag & NJ_DEF_TYPE_PARAM) && (flags & NJ_DEF_TYPE_PARAM)) {
        nj_syntax_error_at(st->filename, loc, "duplicate type parameter '%U'", name);
        return -1;
    }
    flags |= flag;
    if (s->comp_iter_target) {
        if (flags & (NJ_DEF_GLOBAL | NJ_DEF_NONLOCAL)) {
            nj_syntax_error_at(
                st->filename, loc,
                "comprehension inner loop cannot rebind assignment expression target '%U'",
                name);
            return -1;
        }
        flags |= NJ_DEF_COMP_ITER;
    }
    TRY(put_flags(s->symbols, mangled, flags));
    if (flag & NJ_DEF_PARAM) {
        TRY(PyList_Append(s->varnames, mangled));
    }
    else if (flag & NJ_DEF_GLOBAL) {
        int top = nj_scope_flags(st->top, mangled);
        if (top < 0) {
            return -1;
        }
        TRY(put_flags(st->top->symbols, mangled, top | flag));
    }
    return 0;
}

static int
add_def_ctx(NjSymtable *st, PyObject *name, int flag, NjPos loc, int ctx)
{
    if (flag & (NJ_DEF_PARAM | NJ_DEF_LOCAL | NJ_DEF_IMPORT)) {
        TRY(check_name(st, name, loc, ctx));
    }
    if ((flag & NJ_DEF_TYPE_PARAM) && st->cur->mangled_names != NULL) {
        TRY(PySet_Add(st->cur->mangled_names, name));
    }
    return add_def_to(st, name, flag, st->cur, loc);
}

static int
add_def(NjSymtable *st, PyObject *name, int flag, NjPos loc)
{
    return add_def_ctx(st, name, flag, loc, flag == NJ_USE ? NJ_Load : NJ_Store);
}

static int
add_def_str(NjSymtable *st, const char *text, int flag, NjPos loc)
{
    NJ_OWN name = PyUnicode_InternFromString(text);
    return name == NULL ? -1 : add_def(st, name, flag, loc);
}

static int
record_directive(NjSymtable *st, PyObject *name, NjPos loc)
{
    if (st->cur->directives == NULL) {
        st->cur->directives = PyList_New(0);
        if (st->cur->directives == NULL) {
            return -1;
        }
    }
    NJ_OWN mangled = nj_maybe_mangle(st->private_name, st->cur, name);
    if (mangled == NULL) {
        return -1;
    }
    NJ_OWN data = Py_BuildValue("(Oiiii)", mangled, loc.lineno, loc.col_offset,
                                loc.end_lineno, loc.end_col_offset);
    return data == NULL ? -1 : PyList_Append(st->cur->directives, data);
}

/* Raises at the global or nonlocal statement that named `name'. */
static int
directive_error(NjSymtable *st, NjScope *s, PyObject *name, const char *fmt)
{
    Py_ssize_t n = s->directives == NULL ? 0 : PyList_GET_SIZE(s->directives);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *d = PyList_GET_ITEM(s->directives, i);
        int same = PyObject_RichCompareBool(PyTuple_GET_ITEM(d, 0), name, Py_EQ);
        if (same < 0) {
            return -1;
        }
        if (same) {
            NjPos pos = {PyLong_AsInt(PyTuple_GET_ITEM(d, 1)),
                         PyLong_AsInt(PyTuple_GET_ITEM(d, 2)),
                         PyLong_AsInt(PyTuple_GET_ITEM(d, 3)),
                         PyLong_AsInt(PyTuple_GET_ITEM(d, 4))};
            nj_syntax_error_at(st->filename, pos, fmt, name);
            return -1;
        }
    }
    PyErr_Format(PyExc_SystemError, "BUG: directive for '%U' not recorded", name);
    return -1;
}

/* ---- analysis ------------------------------------------------------------------------ */

static int
is_reserved_class_name(PyObject *name)
{
    return PyUnicode_EqualToUTF8(name, "__class__") ||
           PyUnicode_EqualToUTF8(name, "__classdict__") ||
           PyUnicode_EqualToUTF8(name, "__conditional_annotations__");
}

typedef struct Sets {
    PyObject *bound;       /* names bound by enclosing functions; NULL at the top */
    PyObject *free;        /* out: names that this block needs from outside */
    PyObject *global;      /* names declared global around */
    PyObject *type_params; /* names that are type parameters around */
} Sets;

static int
set_scope(PyObject *scopes, PyObject *name, int scope)
{
    return put_flags(scopes, name, scope);
}

static int
analyze_name(NjSymtable *st, NjScope *s, PyObject *scopes, PyObject *name, int flags,
             Sets *sets, PyObject *local, NjScope *class_entry)
{
    int r;
    if (flags & NJ_DEF_GLOBAL) {
        if (flags & NJ_DEF_NONLOCAL) {
            return directive_error(st, s, name, "name '%U' is nonlocal and global");
        }
        TRY(set_scope(scopes, name, NJ_SC_GLOBAL_EXPLICIT));
        TRY(PySet_Add(sets->global, name));
        return sets->bound != NULL && PySet_Discard(sets->bound, name) < 0 ? -1 : 0;
    }
    if (flags & NJ_DEF_NONLOCAL) {
        if (sets->bound == NULL) {
            return directive_error(st, s, name,
                                   "nonlocal declaration not allowed at module level");
        }
        if ((r = PySet_Contains(sets->bound, name)) <= 0) {
            return r < 0 ? -1
                         : directive_error(st, s, name,
                                           "no binding for nonlocal '%U' found");
        }
        if ((r = PySet_Contains(sets->type_params, name)) != 0) {
            return r < 0 ? -1
                         : directive_error(
                               st, s, name,
                               "nonlocal binding not allowed for type parameter '%U'");
        }
        TRY(set_scope(scopes, name, NJ_SC_FREE));
        return PySet_Add(sets->free, name);
    }
    if (flags & NJ_DEF_BOUND) {
        TRY(set_scope(scopes, name, NJ_SC_LOCAL));
        TRY(PySet_Add(local, name));
        TRY(PySet_Discard(sets->global, name));
        if (flags & NJ_DEF_TYPE_PARAM) {
            return PySet_Add(sets->type_params, name);
        }
        return PySet_Discard(sets->type_params, name) < 0 ? -1 : 0;
    }
    /* What a class body does to its own __classdict__ does not matter: the real one is
     * meant. */
    if (class_entry != NULL && !PyUnicode_EqualToUTF8(name, "__classdict__")) {
        int cf = nj_scope_flags(class_entry, name);
        if (cf < 0) {
            return -1;
        }
        if (cf & NJ_DEF_GLOBAL) {
            return set_scope(scopes, name, NJ_SC_GLOBAL_EXPLICIT);
        }
        if ((cf & NJ_DEF_BOUND) && !(cf & NJ_DEF_NONLOCAL)) {
            return set_scope(scopes, name, NJ_SC_GLOBAL_IMPLICIT);
        }
    }
    if (sets->bound != NULL) {
        if ((r = PySet_Contains(sets->bound, name)) < 0) {
            return -1;
        }
        if (r) {
            TRY(set_scope(scopes, name, NJ_SC_FREE));
            return PySet_Add(sets->free, name);
        }
    }
    return set_scope(scopes, name, NJ_SC_GLOBAL_IMPLICIT);
}

static int
set_update(PyObject *dst, PyObject *src)
{
    if (src == NULL || PySet_GET_SIZE(src) == 0) {
        return 0;
    }
    NJ_OWN it = PyObject_GetIter(src);
    if (it == NULL) {
        return -1;
    }
    for (;;) {
        NJ_OWN item = PyIter_Next(it);
        if (item == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        TRY(PySet_Add(dst, item));
    }
}

static int
is_free_in_child(NjScope *s, PyObject *name)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(s->children); i++) {
        int sc = nj_scope_of((NjScope *)PyList_GET_ITEM(s->children, i), name);
        if (sc < 0) {
            return -1;
        }
        if (sc == NJ_SC_FREE) {
            return 1;
        }
    }
    return 0;
}

/* Merges the names of an inlined comprehension into the block around it. */
static int
merge_comprehension(NjScope *s, NjScope *comp, PyObject *scopes, PyObject *comp_free,
                    PyObject *inlined_cells)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    NJ_OWN removed = PyList_New(0);
    if (removed == NULL) {
        return -1;
    }
    while (PyDict_Next(comp->symbols, &at, &name, &value)) {
        int cf = PyLong_AsInt(value);
        if (cf & NJ_DEF_PARAM) {
            continue; /* .0 */
        }
        int scope = (cf >> NJ_SCOPE_OFFSET) & NJ_SCOPE_MASK;
        int only = cf & ((1 << NJ_SCOPE_OFFSET) - 1);
        if (scope == NJ_SC_FREE && s->type == NJ_BLOCK_CLASS &&
            is_reserved_class_name(name)) {
            scope = NJ_SC_GLOBAL_IMPLICIT;
            int needed = is_free_in_child(comp, name);
            if (needed < 0 || (needed == 0 && PySet_Discard(comp_free, name) < 0)) {
                return -1;
            }
            TRY(PyList_Append(removed, name));
        }
        if (scope == NJ_SC_CELL || (cf & NJ_DEF_COMP_CELL)) {
            TRY(PySet_Add(inlined_cells, name));
        }
        int mine = nj_scope_flags(s, name);
        if (mine < 0) {
            return -1;
        }
        PyObject *existing = PyDict_GetItemWithError(s->symbols, name);
        if (existing == NULL) {
            TRY(put_flags(s->symbols, name, only));
            TRY(set_scope(scopes, name, scope));
        }
        else if ((mine & NJ_DEF_BOUND) && s->type != NJ_BLOCK_CLASS) {
            /* Free in the comprehension and local here: now simply a local, unless a
             * function inside the comprehension needs it. */
            int r = is_free_in_child(comp, name);
            if (r < 0 || (r == 0 && PySet_Discard(comp_free, name) < 0)) {
                return -1;
            }
        }
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(removed); i++) {
        TRY(PyDict_DelItem(comp->symbols, PyList_GET_ITEM(removed, i)));
    }
    return 0;
}

/* Locals that inner blocks use become cells, and need no cell from outside. */
static int
make_cells(PyObject *scopes, PyObject *free, PyObject *inlined_cells)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(scopes, &at, &name, &value)) {
        if (PyLong_AsInt(value) != NJ_SC_LOCAL) {
            continue;
        }
        int r = PySet_Contains(free, name);
        int q = r != 0 ? r : PySet_Contains(inlined_cells, name);
        if (r < 0 || q < 0) {
            return -1;
        }
        if (q) {
            TRY(set_scope(scopes, name, NJ_SC_CELL));
            TRY(PySet_Discard(free, name));
        }
    }
    return 0;
}

static int
drop_class_free(NjScope *s, PyObject *free)
{
    int r = PySet_Discard(free, NJ_ID(__class__));
    TRY(r);
    s->needs_class_closure = s->needs_class_closure || r == 1;
    r = PySet_Discard(free, NJ_ID(__classdict__));
    TRY(r);
    s->needs_classdict = s->needs_classdict || r == 1;
    r = PySet_Discard(free, NJ_ID(__conditional_annotations__));
    TRY(r);
    s->has_conditional_annotations = s->has_conditional_annotations || r == 1;
    return 0;
}

static int
update_symbols(NjScope *s, PyObject *scopes, PyObject *bound, PyObject *free,
               PyObject *inlined_cells)
{
    PyObject *name, *value;
    Py_ssize_t at = 0;
    bool classlike = s->type == NJ_BLOCK_CLASS || s->can_see_class_scope;
    while (PyDict_Next(s->symbols, &at, &name, &value)) {
        int flags = PyLong_AsInt(value);
        int r = PySet_Contains(inlined_cells, name);
        PyObject *scope = PyDict_GetItemWithError(scopes, name);
        if (r < 0 || scope == NULL) {
            return -1;
        }
        flags |= r ? NJ_DEF_COMP_CELL : 0;
        flags |= PyLong_AsInt(scope) << NJ_SCOPE_OFFSET;
        TRY(put_flags(s->symbols, name, flags));
    }
    NJ_OWN it = PyObject_GetIter(free);
    if (it == NULL) {
        return -1;
    }
    /* The set's order is arbitrary, and new symbols are only looked up by name, except
     * that free variables are sorted later: so order does not matter. */
    for (;;) {
        NJ_OWN item = PyIter_Next(it);
        if (item == NULL) {
            return PyErr_Occurred() ? -1 : 0;
        }
        PyObject *v = PyDict_GetItemWithError(s->symbols, item);
        if (v != NULL) {
            if (classlike) {
                TRY(put_flags(s->symbols, item, PyLong_AsInt(v) | NJ_DEF_FREE_CLASS));
            }
            continue;
        }
        if (bound != NULL) {
            int r = PySet_Contains(bound, item);
            if (r < 0) {
                return -1;
            }
            if (r == 0) {
                continue;
            }
        }
        TRY(put_flags(s->symbols, item, NJ_SC_FREE << NJ_SCOPE_OFFSET));
    }
}

static int analyze_block(NjSymtable *st, NjScope *s, Sets *sets, NjScope *class_entry);

static int
analyze_child(NjSymtable *st, NjScope *child, PyObject *bound, PyObject *free,
              PyObject *global, PyObject *type_params, NjScope *class_entry,
              NJ_STEALS PyObject **child_free)
{
    NJ_OWN b = PySet_New(bound);
    NJ_OWN f = PySet_New(NULL);
    NJ_OWN g = PySet_New(global);
    NJ_OWN t = PySet_New(type_params);
    if (b == NULL || f == NULL || g == NULL || t == NULL) {
        return -1;
    }
    Sets sets = {b, f, g, t};
    TRY(analyze_block(st, child, &sets, class_entry));
    *child_free = NJ_TAKE(f);
    return 0;
}

static int
analyze_block(NjSymtable *st, NjScope *s, Sets *sets, NjScope *class_entry)
{
    NJ_OWN local = PySet_New(NULL);
    NJ_OWN scopes = PyDict_New();
    NJ_OWN newglobal = PySet_New(NULL);
    NJ_OWN newfree = PySet_New(NULL);
    NJ_OWN newbound = PySet_New(NULL);
    NJ_OWN inlined_cells = PySet_New(NULL);
    if (local == NULL || scopes == NULL || newglobal == NULL || newfree == NULL ||
        newbound == NULL || inlined_cells == NULL) {
        return -1;
    }
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    /* Names bound in a class are not visible inside its functions: what functions see
     * is taken before the class's own names are looked at. */
    int ok = 0;
    if (s->type == NJ_BLOCK_CLASS) {
        ok = set_update(newglobal, sets->global) < 0 || set_update(newbound, sets->bound) < 0
                 ? -1
                 : 0;
    }
    PyObject *name, *value;
    Py_ssize_t at = 0;
    while (ok == 0 && PyDict_Next(s->symbols, &at, &name, &value)) {
        ok = analyze_name(st, s, scopes, name, PyLong_AsInt(value), sets, local, class_entry);
    }
    if (ok == 0 && s->type != NJ_BLOCK_CLASS) {
        if (nj_scope_is_function_like(s)) {
            ok = set_update(newbound, local);
        }
        if (ok == 0) {
            ok = set_update(newbound, sets->bound);
        }
        if (ok == 0) {
            ok = set_update(newglobal, sets->global);
        }
    }
    else if (ok == 0) {
        ok = PySet_Add(newbound, NJ_ID(__class__)) < 0 ||
                     PySet_Add(newbound, NJ_ID(__classdict__)) < 0 ||
                     PySet_Add(newbound, NJ_ID(__conditional_annotations__)) < 0
                 ? -1
                 : 0;
    }
    for (Py_ssize_t i = 0; ok == 0 && i < PyList_GET_SIZE(s->children); i++) {
        NjScope *child = (NjScope *)PyList_GET_ITEM(s->children, i);
        NjScope *ce = NULL;
        if (child->can_see_class_scope) {
            ce = s->type == NJ_BLOCK_CLASS ? s : class_entry;
        }
        bool inline_it = child->comp != NJ_COMP_NONE && child->comp != NJ_COMP_GENERATOR &&
                         !s->can_see_class_scope;
        NJ_OWN child_free = NULL;
        ok = analyze_child(st, child, newbound, newfree, newglobal, sets->type_params, ce,
                           &child_free);
        if (ok == 0 && inline_it) {
            ok = merge_comprehension(s, child, scopes, child_free, inlined_cells);
            child->comp_inlined = true;
        }
        if (ok == 0) {
            ok = set_update(newfree, child_free);
        }
    }
    Py_LeaveRecursiveCall();
    TRY(ok);
    /* The blocks inside inlined comprehensions are now ours. */
    for (Py_ssize_t i = PyList_GET_SIZE(s->children) - 1; i >= 0; i--) {
        NjScope *child = (NjScope *)PyList_GET_ITEM(s->children, i);
        if (child->comp_inlined) {
            NJ_OWN inner = Py_NewRef(child->children);
            TRY(PyList_SetSlice(s->children, i, i + 1, inner));
        }
    }
    if (nj_scope_is_function_like(s)) {
        TRY(make_cells(scopes, newfree, inlined_cells));
    }
    else if (s->type == NJ_BLOCK_CLASS) {
        TRY(drop_class_free(s, newfree));
    }
    TRY(update_symbols(s, scopes, sets->bound, newfree, inlined_cells));
    return set_update(sets->free, newfree);
}

static int
analyze(NjSymtable *st)
{
    NJ_OWN free = PySet_New(NULL);
    NJ_OWN global = PySet_New(NULL);
    NJ_OWN type_params = PySet_New(NULL);
    if (free == NULL || global == NULL || type_params == NULL) {
        return -1;
    }
    Sets sets = {NULL, free, global, type_params};
    return analyze_block(st, st->top, &sets, NULL);
}

/* ---- the walk ------------------------------------------------------------------------ */

static int
visit_exprs(NjSymtable *st, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        if (seq->at[i] != NULL) {
            TRY(visit_expr(st, seq->at[i]));
        }
    }
    return 0;
}

static int
visit_stmts(NjSymtable *st, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        TRY(visit_stmt(st, seq->at[i]));
    }
    return 0;
}

static int
visit_opt(NjSymtable *st, NjExpr *e)
{
    return e == NULL ? 0 : visit_expr(st, e);
}

static bool
allows_top_level_await(NjSymtable *st)
{
    return (st->flags & PyCF_ALLOW_TOP_LEVEL_AWAIT) && st->cur->type == NJ_BLOCK_MODULE;
}

static bool
in_async_def(NjSymtable *st)
{
    return st->cur->type == NJ_BLOCK_FUNCTION && st->cur->coroutine;
}

static void
maybe_module_coroutine(NjSymtable *st)
{
    if (allows_top_level_await(st)) {
        st->cur->coroutine = true;
    }
}

/* Blocks that see the class namespace around them need its dict. */
static int
see_class(NjSymtable *st, NjPos loc)
{
    st->cur->can_see_class_scope = true;
    return add_def(st, NJ_ID(__classdict__), NJ_USE, loc);
}

static int
forbid_in_annotation(NjSymtable *st, const char *what, NjPos pos)
{
    const char *where;
    char text[128];
    switch (st->cur->type) {
    case NJ_BLOCK_ANNOTATION:
        where = "an annotation";
        break;
    case NJ_BLOCK_TYPE_VARIABLE:
        where = st->cur->scope_info;
        break;
    case NJ_BLOCK_TYPE_ALIAS:
        where = "a type alias";
        break;
    case NJ_BLOCK_TYPE_PARAMS:
        where = "the definition of a generic";
        break;
    default:
        return 0;
    }
    PyOS_snprintf(text, sizeof(text), "%s cannot be used within %s", what, where);
    nj_syntax_error_at(st->filename, pos, "%s", text);
    return -1;
}

static int
visit_params(NjSymtable *st, NjSeq *args)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(args); i++) {
        NjArg *a = args->at[i];
        TRY(add_def(st, a->arg, NJ_DEF_PARAM, a->pos));
    }
    return 0;
}

static int
visit_arguments(NjSymtable *st, NjArguments *a)
{
    TRY(visit_params(st, a->posonlyargs));
    TRY(visit_params(st, a->args));
    TRY(visit_params(st, a->kwonlyargs));
    if (a->vararg) {
        TRY(add_def(st, a->vararg->arg, NJ_DEF_PARAM, a->vararg->pos));
        st->cur->varargs = true;
    }
    if (a->kwarg) {
        TRY(add_def(st, a->kwarg->arg, NJ_DEF_PARAM, a->kwarg->pos));
        st->cur->varkeywords = true;
    }
    return 0;
}

static int
visit_arg_annotations(NjSymtable *st, NjSeq *args)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(args); i++) {
        NjArg *a = args->at[i];
        if (a->annotation) {
            st->cur->annotations_used = true;
            TRY(visit_expr(st, a->annotation));
        }
    }
    return 0;
}

/* The annotation scope of a function: always there, a child of the scope around. */
static int
visit_function_annotations(NjSymtable *st, NjPos loc, NjArguments *a, NjExpr *returns)
{
    bool in_class = st->cur->can_see_class_scope || st->cur->type == NJ_BLOCK_CLASS;
    bool future = st->future & CO_FUTURE_ANNOTATIONS;
    NjScope *outer = st->cur;
    NjScope *s = new_scope(st, NJ_ID(__annotate__), NJ_BLOCK_ANNOTATION,
                           NJ_KEY_ANNOTATIONS(a), loc);
    if (s == NULL) {
        return -1;
    }
    TRY(enter_existing(st, s, !future));
    TRY(add_format_param(st));
    (void)outer;
    if (in_class) {
        TRY(see_class(st, loc));
    }
    TRY(visit_arg_annotations(st, a->posonlyargs));
    TRY(visit_arg_annotations(st, a->args));
    if (a->vararg && a->vararg->annotation) {
        st->cur->annotations_used = true;
        TRY(visit_expr(st, a->vararg->annotation));
    }
    if (a->kwarg && a->kwarg->annotation) {
        st->cur->annotations_used = true;
        TRY(visit_expr(st, a->kwarg->annotation));
    }
    TRY(visit_arg_annotations(st, a->kwonlyargs));
    if (returns) {
        st->cur->annotations_used = true;
        TRY(visit_expr(st, returns));
    }
    return exit_block(st);
}

/* The annotation of a variable. In modules and classes all share one scope; in functions
 * annotations are checked but never evaluated. */
static int
visit_annotation(NjSymtable *st, NjExpr *annotation)
{
    bool future = st->future & CO_FUTURE_ANNOTATIONS;
    NjScope *parent = st->cur;
    if (parent->type == NJ_BLOCK_CLASS || parent->type == NJ_BLOCK_MODULE) {
        bool fresh = parent->annotation_block == NULL;
        if (fresh) {
            NjScope *s = new_scope(st, NJ_ID(__annotate__), NJ_BLOCK_ANNOTATION,
                                   (const char *)parent->key + 1, annotation->pos);
            if (s == NULL) {
                return -1;
            }
            parent->annotation_block = (NjScope *)Py_NewRef(s);
        }
        TRY(enter_existing(st, parent->annotation_block, fresh && !future));
        if (fresh) {
            TRY(add_format_param(st));
            if (parent->type == NJ_BLOCK_CLASS && !future) {
                TRY(see_class(st, annotation->pos));
            }
        }
        if (parent->has_conditional_annotations && !future) {
            TRY(add_def(st, NJ_ID(__conditional_annotations__), NJ_USE, annotation->pos));
        }
        TRY(visit_expr(st, annotation));
        return exit_block(st);
    }
    NjScope *s = new_scope(st, NJ_ID(__annotate__), NJ_BLOCK_ANNOTATION, annotation,
                           annotation->pos);
    if (s == NULL) {
        return -1;
    }
    TRY(enter_existing(st, s, !future));
    TRY(add_format_param(st));
    s->in_unevaluated_annotation = true;
    TRY(visit_expr(st, annotation));
    s->in_unevaluated_annotation = false;
    return exit_block(st);
}

static int
enter_type_params(NjSymtable *st, PyObject *name, NjSeq *key, bool defaults, bool kwdefaults,
                  int kind, NjPos loc)
{
    NjBlockType outer = st->cur->type;
    TRY(enter_block(st, name, NJ_BLOCK_TYPE_PARAMS, key, loc));
    if (outer == NJ_BLOCK_CLASS) {
        TRY(see_class(st, loc));
    }
    if (kind == NJ_ClassDef) {
        TRY(add_def_str(st, ".type_params", NJ_DEF_LOCAL, loc));
        TRY(add_def_str(st, ".type_params", NJ_USE, loc));
        TRY(add_def_str(st, ".generic_base", NJ_DEF_LOCAL, loc));
        TRY(add_def_str(st, ".generic_base", NJ_USE, loc));
    }
    if (defaults) {
        TRY(add_def_str(st, ".defaults", NJ_DEF_PARAM, loc));
    }
    if (kwdefaults) {
        TRY(add_def_str(st, ".kwdefaults", NJ_DEF_PARAM, loc));
    }
    return 0;
}

static int
visit_bound_or_default(NjSymtable *st, NjExpr *e, PyObject *name, const void *key,
                       const char *info)
{
    bool in_class = st->cur->can_see_class_scope;
    TRY(enter_block(st, name, NJ_BLOCK_TYPE_VARIABLE, key, e->pos));
    if (in_class) {
        TRY(see_class(st, e->pos));
    }
    st->cur->scope_info = info;
    TRY(visit_expr(st, e));
    return exit_block(st);
}

static int
visit_type_param(NjSymtable *st, NjTypeParam *tp)
{
    const int flags = NJ_DEF_TYPE_PARAM | NJ_DEF_LOCAL;
    PyObject *name = tp->kind == NJ_TypeVar        ? tp->v.TypeVar.name
                     : tp->kind == NJ_TypeVarTuple ? tp->v.TypeVarTuple.name
                                                   : tp->v.ParamSpec.name;
    if (PyUnicode_EqualToUTF8(name, "__classdict__")) {
        nj_syntax_error_at(st->filename, tp->pos,
                           "reserved name '%U' cannot be used for type parameter", name);
        return -1;
    }
    switch (tp->kind) {
    case NJ_TypeVar: {
        NjExpr *b = tp->v.TypeVar.bound;
        TRY(add_def(st, tp->v.TypeVar.name, flags, tp->pos));
        if (b) {
            TRY(visit_bound_or_default(st, b, tp->v.TypeVar.name, tp,
                                       b->kind == NJ_Tuple ? "a TypeVar constraint"
                                                           : "a TypeVar bound"));
        }
        if (tp->v.TypeVar.default_value) {
            TRY(visit_bound_or_default(st, tp->v.TypeVar.default_value, tp->v.TypeVar.name,
                                       NJ_KEY_DEFAULT(tp), "a TypeVar default"));
        }
        return 0;
    }
    case NJ_TypeVarTuple:
        TRY(add_def(st, tp->v.TypeVarTuple.name, flags, tp->pos));
        return tp->v.TypeVarTuple.default_value == NULL
                   ? 0
                   : visit_bound_or_default(st, tp->v.TypeVarTuple.default_value,
                                            tp->v.TypeVarTuple.name, NJ_KEY_DEFAULT(tp),
                                            "a TypeVarTuple default");
    default:
        TRY(add_def(st, tp->v.ParamSpec.name, flags, tp->pos));
        return tp->v.ParamSpec.default_value == NULL
                   ? 0
                   : visit_bound_or_default(st, tp->v.ParamSpec.default_value,
                                            tp->v.ParamSpec.name, NJ_KEY_DEFAULT(tp),
                                            "a ParamSpec default");
    }
}

static int
visit_type_params(NjSymtable *st, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        TRY(visit_type_param(st, seq->at[i]));
    }
    return 0;
}

static bool
has_kwdefaults(NjArguments *a)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(a->kw_defaults); i++) {
        if (a->kw_defaults->at[i] != NULL) {
            return true;
        }
    }
    return false;
}

static int
visit_function(NjSymtable *st, NjStmt *s, PyObject *name, NjArguments *args, NjSeq *body,
               NjSeq *decorators, NjExpr *returns, NjSeq *type_params, bool async)
{
    TRY(add_def(st, name, NJ_DEF_LOCAL, s->pos));
    TRY(visit_exprs(st, args->defaults));
    TRY(visit_exprs(st, args->kw_defaults));
    TRY(visit_exprs(st, decorators));
    bool generic = NJ_SEQ_LEN(type_params) > 0;
    if (generic) {
        /* .defaults is there even when there are none, as in the reference. */
        TRY(enter_type_params(st, name, type_params, true, has_kwdefaults(args),
                              NJ_FunctionDef, s->pos));
        TRY(visit_type_params(st, type_params));
    }
    TRY(visit_function_annotations(st, s->pos, args, returns));
    TRY(enter_block(st, name, NJ_BLOCK_FUNCTION, s, s->pos));
    st->cur->has_docstring = nj_ast_docstring(body) != NULL;
    st->cur->coroutine = async;
    TRY(visit_arguments(st, args));
    TRY(visit_stmts(st, body));
    TRY(exit_block(st));
    return generic ? exit_block(st) : 0;
}

static int
visit_class(NjSymtable *st, NjStmt *s)
{
    PyObject *name = s->v.ClassDef.name;
    NjSeq *type_params = s->v.ClassDef.type_params;
    PyObject *outer = st->private_name;
    bool generic = NJ_SEQ_LEN(type_params) > 0;
    TRY(add_def(st, name, NJ_DEF_LOCAL, s->pos));
    TRY(visit_exprs(st, s->v.ClassDef.decorator_list));
    if (generic) {
        TRY(enter_type_params(st, name, type_params, false, false, NJ_ClassDef, s->pos));
        st->private_name = name;
        /* Bases are not mangled, type parameters are. */
        NJ_SET(st->cur->mangled_names, PySet_New(NULL));
        if (st->cur->mangled_names == NULL) {
            return -1;
        }
        TRY(visit_type_params(st, type_params));
    }
    TRY(visit_exprs(st, s->v.ClassDef.bases));
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.ClassDef.keywords); i++) {
        NjKeyword *k = s->v.ClassDef.keywords->at[i];
        if (k->arg) {
            TRY(check_name(st, k->arg, k->pos, NJ_Store));
        }
        TRY(visit_expr(st, k->value));
    }
    TRY(enter_block(st, name, NJ_BLOCK_CLASS, s, s->pos));
    st->private_name = name;
    if (generic) {
        TRY(add_def_str(st, "__type_params__", NJ_DEF_LOCAL, s->pos));
        TRY(add_def_str(st, ".type_params", NJ_USE, s->pos));
    }
    st->cur->has_docstring = nj_ast_docstring(s->v.ClassDef.body) != NULL;
    TRY(visit_stmts(st, s->v.ClassDef.body));
    TRY(exit_block(st));
    if (generic) {
        TRY(exit_block(st));
    }
    st->private_name = outer;
    return 0;
}

static int
visit_type_alias(NjSymtable *st, NjStmt *s)
{
    NjSeq *type_params = s->v.TypeAlias.type_params;
    PyObject *name = s->v.TypeAlias.name->v.Name.id;
    bool in_class = st->cur->type == NJ_BLOCK_CLASS;
    bool generic = NJ_SEQ_LEN(type_params) > 0;
    TRY(visit_expr(st, s->v.TypeAlias.name));
    if (generic) {
        TRY(enter_type_params(st, name, type_params, false, false, NJ_TypeAlias, s->pos));
        TRY(visit_type_params(st, type_params));
    }
    TRY(enter_block(st, name, NJ_BLOCK_TYPE_ALIAS, s, s->pos));
    if (in_class) {
        TRY(see_class(st, s->v.TypeAlias.value->pos));
    }
    TRY(visit_expr(st, s->v.TypeAlias.value));
    TRY(exit_block(st));
    return generic ? exit_block(st) : 0;
}

static int
visit_ann_assign(NjSymtable *st, NjStmt *s)
{
    NjExpr *target = s->v.AnnAssign.target;
    st->cur->annotations_used = true;
    if ((st->cur->type == NJ_BLOCK_MODULE ||
         (st->cur->type == NJ_BLOCK_CLASS && st->cur->in_conditional_block)) &&
        s->v.AnnAssign.simple && target->kind == NJ_Name &&
        !st->cur->has_conditional_annotations) {
        st->cur->has_conditional_annotations = true;
    }
    if (target->kind == NJ_Name) {
        PyObject *id = target->v.Name.id;
        NJ_OWN mangled = nj_maybe_mangle(st->private_name, st->cur, id);
        int cur = mangled == NULL ? -1 : nj_scope_flags(st->cur, mangled);
        if (cur < 0) {
            return -1;
        }
        if ((cur & (NJ_DEF_GLOBAL | NJ_DEF_NONLOCAL)) && st->cur != st->top &&
            s->v.AnnAssign.simple) {
            nj_syntax_error_at(st->filename, s->pos,
                               cur & NJ_DEF_GLOBAL ? "annotated name '%U' can't be global"
                                                   : "annotated name '%U' can't be nonlocal",
                               id);
            return -1;
        }
        if (s->v.AnnAssign.simple) {
            TRY(add_def(st, id, NJ_DEF_ANNOT | NJ_DEF_LOCAL, target->pos));
        }
        else if (s->v.AnnAssign.value) {
            TRY(add_def(st, id, NJ_DEF_LOCAL, target->pos));
        }
    }
    else {
        TRY(visit_expr(st, target));
    }
    TRY(visit_annotation(st, s->v.AnnAssign.annotation));
    if (st->cur->has_conditional_annotations) {
        TRY(add_def(st, NJ_ID(__conditional_annotations__), NJ_USE, s->pos));
    }
    return visit_opt(st, s->v.AnnAssign.value);
}

static int
visit_global(NjSymtable *st, NjStmt *s, NjSeq *names, int flag)
{
    const char *kw = flag == NJ_DEF_GLOBAL ? "global" : "nonlocal";
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(names); i++) {
        PyObject *name = names->at[i];
        NJ_OWN mangled = nj_maybe_mangle(st->private_name, st->cur, name);
        int cur = mangled == NULL ? -1 : nj_scope_flags(st->cur, mangled);
        if (cur < 0) {
            return -1;
        }
        if (cur & (NJ_DEF_PARAM | NJ_DEF_LOCAL | NJ_USE | NJ_DEF_ANNOT)) {
            const char *fmt = cur & NJ_DEF_PARAM ? "name '%U' is parameter and %s"
                              : cur & NJ_USE ? "name '%U' is used prior to %s declaration"
                              : cur & NJ_DEF_ANNOT
                                  ? "annotated name '%U' can't be %s"
                                  : "name '%U' is assigned to before %s declaration";
            nj_syntax_error_at(st->filename, s->pos, fmt, name, kw);
            return -1;
        }
        TRY(add_def(st, name, flag, s->pos));
        TRY(record_directive(st, name, s->pos));
    }
    return 0;
}

static int
visit_alias(NjSymtable *st, NjAlias *a)
{
    PyObject *name = a->asname ? a->asname : a->name;
    if (PyUnicode_EqualToUTF8(name, "*")) {
        if (st->cur->type != NJ_BLOCK_MODULE) {
            nj_syntax_error_at(st->filename, a->pos, "import * only allowed at module level");
            return -1;
        }
        return 0;
    }
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1);
    if (dot < 0) {
        return dot == -1 ? add_def(st, name, NJ_DEF_IMPORT, a->pos) : -1;
    }
    PyObject *first = PyUnicode_Substring(name, 0, dot);
    if (first == NULL) {
        return -1;
    }
    PyUnicode_InternInPlace(&first);
    NJ_OWN owned = first;
    return add_def(st, owned, NJ_DEF_IMPORT, a->pos);
}

static int visit_pattern(NjSymtable *st, NjPattern *p);

static int
visit_patterns(NjSymtable *st, NjSeq *seq)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(seq); i++) {
        TRY(visit_pattern(st, seq->at[i]));
    }
    return 0;
}

static int
visit_pattern_inner(NjSymtable *st, NjPattern *p)
{
    switch (p->kind) {
    case NJ_MatchValue:
        return visit_expr(st, p->v.MatchValue.value);
    case NJ_MatchSingleton:
        return 0;
    case NJ_MatchSequence:
        return visit_patterns(st, p->v.MatchSequence.patterns);
    case NJ_MatchStar:
        return p->v.MatchStar.name == NULL
                   ? 0
                   : add_def(st, p->v.MatchStar.name, NJ_DEF_LOCAL, p->pos);
    case NJ_MatchMapping:
        TRY(visit_exprs(st, p->v.MatchMapping.keys));
        TRY(visit_patterns(st, p->v.MatchMapping.patterns));
        return p->v.MatchMapping.rest == NULL
                   ? 0
                   : add_def(st, p->v.MatchMapping.rest, NJ_DEF_LOCAL, p->pos);
    case NJ_MatchClass: {
        TRY(visit_expr(st, p->v.MatchClass.cls));
        TRY(visit_patterns(st, p->v.MatchClass.patterns));
        NjSeq *attrs = p->v.MatchClass.kwd_attrs;
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(attrs); i++) {
            NjPattern *kw = p->v.MatchClass.kwd_patterns->at[i];
            TRY(check_name(st, attrs->at[i], kw->pos, NJ_Store));
        }
        return visit_patterns(st, p->v.MatchClass.kwd_patterns);
    }
    case NJ_MatchAs:
        if (p->v.MatchAs.pattern) {
            TRY(visit_pattern(st, p->v.MatchAs.pattern));
        }
        return p->v.MatchAs.name == NULL
                   ? 0
                   : add_def(st, p->v.MatchAs.name, NJ_DEF_LOCAL, p->pos);
    default:
        return visit_patterns(st, p->v.MatchOr.patterns);
    }
}

static int
visit_pattern(NjSymtable *st, NjPattern *p)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = visit_pattern_inner(st, p);
    Py_LeaveRecursiveCall();
    return r;
}

static int
visit_handlers(NjSymtable *st, NjSeq *handlers)
{
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(handlers); i++) {
        NjExceptHandler *h = handlers->at[i];
        TRY(visit_opt(st, h->v.ExceptHandler.type));
        if (h->v.ExceptHandler.name) {
            TRY(add_def(st, h->v.ExceptHandler.name, NJ_DEF_LOCAL, h->pos));
        }
        TRY(visit_stmts(st, h->v.ExceptHandler.body));
    }
    return 0;
}

static int
visit_with(NjSymtable *st, NjSeq *items, NjSeq *body)
{
    bool saved = st->cur->in_conditional_block;
    st->cur->in_conditional_block = true;
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(items); i++) {
        NjWithItem *w = items->at[i];
        TRY(visit_expr(st, w->context_expr));
        TRY(visit_opt(st, w->optional_vars));
    }
    TRY(visit_stmts(st, body));
    st->cur->in_conditional_block = saved;
    return 0;
}

static int
visit_try(NjSymtable *st, NjSeq *body, NjSeq *handlers, NjSeq *orelse, NjSeq *finalbody)
{
    bool saved = st->cur->in_conditional_block;
    st->cur->in_conditional_block = true;
    TRY(visit_stmts(st, body));
    TRY(visit_handlers(st, handlers));
    TRY(visit_stmts(st, orelse));
    TRY(visit_stmts(st, finalbody));
    st->cur->in_conditional_block = saved;
    return 0;
}

static int
visit_for(NjSymtable *st, NjExpr *target, NjExpr *iter, NjSeq *body, NjSeq *orelse)
{
    TRY(visit_expr(st, target));
    TRY(visit_expr(st, iter));
    bool saved = st->cur->in_conditional_block;
    st->cur->in_conditional_block = true;
    TRY(visit_stmts(st, body));
    TRY(visit_stmts(st, orelse));
    st->cur->in_conditional_block = saved;
    return 0;
}

static int
visit_if(NjSymtable *st, NjExpr *test, NjSeq *body, NjSeq *orelse)
{
    TRY(visit_expr(st, test));
    bool saved = st->cur->in_conditional_block;
    st->cur->in_conditional_block = true;
    TRY(visit_stmts(st, body));
    TRY(visit_stmts(st, orelse));
    st->cur->in_conditional_block = saved;
    return 0;
}

static int
visit_match(NjSymtable *st, NjStmt *s)
{
    TRY(visit_expr(st, s->v.Match.subject));
    bool saved = st->cur->in_conditional_block;
    st->cur->in_conditional_block = true;
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.Match.cases); i++) {
        NjMatchCase *m = s->v.Match.cases->at[i];
        TRY(visit_pattern(st, m->pattern));
        TRY(visit_opt(st, m->guard));
        TRY(visit_stmts(st, m->body));
    }
    st->cur->in_conditional_block = saved;
    return 0;
}

static int
async_outside(NjSymtable *st, NjStmt *s, const char *what)
{
    if (!allows_top_level_await(st) && !in_async_def(st)) {
        nj_syntax_error_at(st->filename, s->pos, "'%s' outside async function", what);
        return -1;
    }
    return 0;
}

static int
visit_stmt_inner(NjSymtable *st, NjStmt *s)
{
    switch (s->kind) {
    case NJ_FunctionDef:
        return visit_function(st, s, s->v.FunctionDef.name, s->v.FunctionDef.args,
                              s->v.FunctionDef.body, s->v.FunctionDef.decorator_list,
                              s->v.FunctionDef.returns, s->v.FunctionDef.type_params, false);
    case NJ_AsyncFunctionDef:
        return visit_function(st, s, s->v.AsyncFunctionDef.name, s->v.AsyncFunctionDef.args,
                              s->v.AsyncFunctionDef.body,
                              s->v.AsyncFunctionDef.decorator_list,
                              s->v.AsyncFunctionDef.returns,
                              s->v.AsyncFunctionDef.type_params, true);
    case NJ_ClassDef:
        return visit_class(st, s);
    case NJ_TypeAlias:
        return visit_type_alias(st, s);
    case NJ_Return:
        if (s->v.Return.value) {
            TRY(visit_expr(st, s->v.Return.value));
            st->cur->returns_value = true;
        }
        return 0;
    case NJ_Delete:
        return visit_exprs(st, s->v.Delete.targets);
    case NJ_Assign:
        TRY(visit_exprs(st, s->v.Assign.targets));
        return visit_expr(st, s->v.Assign.value);
    case NJ_AnnAssign:
        return visit_ann_assign(st, s);
    case NJ_AugAssign:
        TRY(visit_expr(st, s->v.AugAssign.target));
        return visit_expr(st, s->v.AugAssign.value);
    case NJ_For:
        return visit_for(st, s->v.For.target, s->v.For.iter, s->v.For.body, s->v.For.orelse);
    case NJ_AsyncFor:
        maybe_module_coroutine(st);
        TRY(async_outside(st, s, "async for"));
        return visit_for(st, s->v.AsyncFor.target, s->v.AsyncFor.iter, s->v.AsyncFor.body,
                         s->v.AsyncFor.orelse);
    case NJ_While:
        return visit_if(st, s->v.While.test, s->v.While.body, s->v.While.orelse);
    case NJ_If:
        return visit_if(st, s->v.If.test, s->v.If.body, s->v.If.orelse);
    case NJ_Match:
        return visit_match(st, s);
    case NJ_Raise:
        TRY(visit_opt(st, s->v.Raise.exc));
        return visit_opt(st, s->v.Raise.cause);
    case NJ_Try:
        return visit_try(st, s->v.Try.body, s->v.Try.handlers, s->v.Try.orelse,
                         s->v.Try.finalbody);
    case NJ_TryStar:
        return visit_try(st, s->v.TryStar.body, s->v.TryStar.handlers, s->v.TryStar.orelse,
                         s->v.TryStar.finalbody);
    case NJ_Assert:
        TRY(visit_expr(st, s->v.Assert.test));
        return visit_opt(st, s->v.Assert.msg);
    case NJ_Import:
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.Import.names); i++) {
            TRY(visit_alias(st, s->v.Import.names->at[i]));
        }
        return 0;
    case NJ_ImportFrom:
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.ImportFrom.names); i++) {
            TRY(visit_alias(st, s->v.ImportFrom.names->at[i]));
        }
        return 0;
    case NJ_Global:
        return visit_global(st, s, s->v.Global.names, NJ_DEF_GLOBAL);
    case NJ_Nonlocal:
        return visit_global(st, s, s->v.Nonlocal.names, NJ_DEF_NONLOCAL);
    case NJ_Expr:
        return visit_expr(st, s->v.Expr.value);
    case NJ_With:
        return visit_with(st, s->v.With.items, s->v.With.body);
    case NJ_AsyncWith:
        maybe_module_coroutine(st);
        TRY(async_outside(st, s, "async with"));
        return visit_with(st, s->v.AsyncWith.items, s->v.AsyncWith.body);
    default: /* Pass, Break, Continue */
        return 0;
    }
}

static int
visit_stmt(NjSymtable *st, NjStmt *s)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = visit_stmt_inner(st, s);
    Py_LeaveRecursiveCall();
    return r;
}

/* ---- expressions --------------------------------------------------------------------- */

/* `:=' inside a comprehension binds in the nearest enclosing function or module. */
static int
bind_walrus_outside(NjSymtable *st, NjExpr *target)
{
    PyObject *name = target->v.Name.id;
    for (Py_ssize_t i = PyList_GET_SIZE(st->stack) - 1; i >= 0; i--) {
        NjScope *s = (NjScope *)PyList_GET_ITEM(st->stack, i);
        NJ_OWN mangled = nj_maybe_mangle(st->private_name, s, name);
        int flags = mangled == NULL ? -1 : nj_scope_flags(s, mangled);
        if (flags < 0) {
            return -1;
        }
        const char *bad = NULL;
        if (s->comp != NJ_COMP_NONE) {
            if ((flags & NJ_DEF_COMP_ITER) && (flags & NJ_DEF_LOCAL)) {
                nj_syntax_error_at(st->filename, target->pos,
                                   "assignment expression cannot rebind comprehension "
                                   "iteration variable '%U'",
                                   name);
                return -1;
            }
            continue;
        }
        switch (s->type) {
        case NJ_BLOCK_FUNCTION:
            TRY(add_def(st, name, flags & NJ_DEF_GLOBAL ? NJ_DEF_GLOBAL : NJ_DEF_NONLOCAL,
                        target->pos));
            TRY(record_directive(st, name, target->pos));
            return add_def_to(st, name, NJ_DEF_LOCAL, s, target->pos);
        case NJ_BLOCK_MODULE:
            TRY(add_def(st, name, NJ_DEF_GLOBAL, target->pos));
            TRY(record_directive(st, name, target->pos));
            return add_def_to(st, name, NJ_DEF_GLOBAL, s, target->pos);
        case NJ_BLOCK_CLASS:
            bad = "a class body";
            break;
        case NJ_BLOCK_TYPE_PARAMS:
            bad = "the definition of a generic";
            break;
        case NJ_BLOCK_TYPE_ALIAS:
            bad = "a type alias";
            break;
        case NJ_BLOCK_TYPE_VARIABLE:
            bad = "a TypeVar bound";
            break;
        case NJ_BLOCK_ANNOTATION:
            bad = "an annotation";
            break;
        }
        nj_syntax_error_at(
            st->filename, target->pos,
            "assignment expression within a comprehension cannot be used in %s", bad);
        return -1;
    }
    return 0;
}

static int
visit_walrus(NjSymtable *st, NjExpr *e)
{
    if (st->cur->comp_iter_expr > 0) {
        nj_syntax_error_at(
            st->filename, e->pos,
            "assignment expression cannot be used in a comprehension iterable expression");
        return -1;
    }
    if (st->cur->comp != NJ_COMP_NONE) {
        TRY(bind_walrus_outside(st, e->v.NamedExpr.target));
    }
    TRY(visit_expr(st, e->v.NamedExpr.value));
    return visit_expr(st, e->v.NamedExpr.target);
}

static int
visit_generator(NjSymtable *st, NjComprehension *g)
{
    st->cur->comp_iter_target = true;
    TRY(visit_expr(st, g->target));
    st->cur->comp_iter_target = false;
    st->cur->comp_iter_expr++;
    TRY(visit_expr(st, g->iter));
    st->cur->comp_iter_expr--;
    TRY(visit_exprs(st, g->ifs));
    if (g->is_async) {
        st->cur->coroutine = true;
    }
    return 0;
}

static int
visit_comprehension(NjSymtable *st, NjExpr *e, const char *text, NjCompType type,
                    NjSeq *generators, NjExpr *elt, NjExpr *value)
{
    bool is_generator = type == NJ_COMP_GENERATOR;
    NjComprehension *outermost = generators->at[0];
    st->cur->comp_iter_expr++;
    TRY(visit_expr(st, outermost->iter));
    st->cur->comp_iter_expr--;
    NJ_OWN name = PyUnicode_InternFromString(text);
    if (name == NULL) {
        return -1;
    }
    TRY(enter_block(st, name, NJ_BLOCK_FUNCTION, e, e->pos));
    st->cur->comp = type;
    if (outermost->is_async) {
        st->cur->coroutine = true;
    }
    TRY(add_def_str(st, ".0", NJ_DEF_PARAM, st->cur->loc));
    st->cur->comp_iter_target = true;
    TRY(visit_expr(st, outermost->target));
    st->cur->comp_iter_target = false;
    TRY(visit_exprs(st, outermost->ifs));
    for (Py_ssize_t i = 1; i < NJ_SEQ_LEN(generators); i++) {
        TRY(visit_generator(st, generators->at[i]));
    }
    TRY(visit_opt(st, value));
    TRY(visit_expr(st, elt));
    st->cur->generator = is_generator;
    bool is_async = st->cur->coroutine && !is_generator;
    TRY(exit_block(st));
    if (is_async && !in_async_def(st) && st->cur->comp == NJ_COMP_NONE &&
        !allows_top_level_await(st)) {
        nj_syntax_error_at(st->filename, e->pos,
                           "asynchronous comprehension outside of an asynchronous function");
        return -1;
    }
    if (is_async) {
        st->cur->coroutine = true;
    }
    return 0;
}

static int
check_yield(NjSymtable *st, NjExpr *e)
{
    static const char *const WHERE[] = {NULL, "list comprehension", "dict comprehension",
                                        "set comprehension", "generator expression"};
    st->cur->generator = true;
    if (st->cur->comp != NJ_COMP_NONE) {
        nj_syntax_error_at(st->filename, e->pos, "'yield' inside %s", WHERE[st->cur->comp]);
        return -1;
    }
    return 0;
}

static int
visit_lambda(NjSymtable *st, NjExpr *e)
{
    NjArguments *a = e->v.Lambda.args;
    TRY(visit_exprs(st, a->defaults));
    TRY(visit_exprs(st, a->kw_defaults));
    TRY(enter_block(st, NJ_ID(lambda), NJ_BLOCK_FUNCTION, e, e->pos));
    TRY(visit_arguments(st, a));
    TRY(visit_expr(st, e->v.Lambda.body));
    return exit_block(st);
}

static int
visit_name(NjSymtable *st, NjExpr *e)
{
    PyObject *id = e->v.Name.id;
    bool load = e->v.Name.ctx == NJ_Load;
    if (st->cur->in_unevaluated_annotation) {
        return 0;
    }
    TRY(add_def_ctx(st, id, load ? NJ_USE : NJ_DEF_LOCAL, e->pos, e->v.Name.ctx));
    if (load && nj_scope_is_function_like(st->cur) && PyUnicode_EqualToUTF8(id, "super")) {
        TRY(add_def(st, NJ_ID(__class__), NJ_USE, e->pos));
    }
    return 0;
}

static int
visit_expr_inner(NjSymtable *st, NjExpr *e)
{
    switch (e->kind) {
    case NJ_NamedExpr:
        TRY(forbid_in_annotation(st, "named expression", e->pos));
        return visit_walrus(st, e);
    case NJ_BoolOp:
        return visit_exprs(st, e->v.BoolOp.values);
    case NJ_BinOp:
        TRY(visit_expr(st, e->v.BinOp.left));
        return visit_expr(st, e->v.BinOp.right);
    case NJ_UnaryOp:
        return visit_expr(st, e->v.UnaryOp.operand);
    case NJ_Lambda:
        return visit_lambda(st, e);
    case NJ_IfExp:
        TRY(visit_expr(st, e->v.IfExp.test));
        TRY(visit_expr(st, e->v.IfExp.body));
        return visit_expr(st, e->v.IfExp.orelse);
    case NJ_Dict:
        TRY(visit_exprs(st, e->v.Dict.keys));
        return visit_exprs(st, e->v.Dict.values);
    case NJ_Set:
        return visit_exprs(st, e->v.Set.elts);
    case NJ_GeneratorExp:
        return visit_comprehension(st, e, "genexpr", NJ_COMP_GENERATOR,
                                   e->v.GeneratorExp.generators, e->v.GeneratorExp.elt, NULL);
    case NJ_ListComp:
        return visit_comprehension(st, e, "listcomp", NJ_COMP_LIST, e->v.ListComp.generators,
                                   e->v.ListComp.elt, NULL);
    case NJ_SetComp:
        return visit_comprehension(st, e, "setcomp", NJ_COMP_SET, e->v.SetComp.generators,
                                   e->v.SetComp.elt, NULL);
    case NJ_DictComp:
        return visit_comprehension(st, e, "dictcomp", NJ_COMP_DICT, e->v.DictComp.generators,
                                   e->v.DictComp.key, e->v.DictComp.value);
    case NJ_Yield:
        TRY(forbid_in_annotation(st, "yield expression", e->pos));
        TRY(visit_opt(st, e->v.Yield.value));
        return check_yield(st, e);
    case NJ_YieldFrom:
        TRY(forbid_in_annotation(st, "yield expression", e->pos));
        TRY(visit_expr(st, e->v.YieldFrom.value));
        return check_yield(st, e);
    case NJ_Await:
        TRY(forbid_in_annotation(st, "await expression", e->pos));
        if (!allows_top_level_await(st)) {
            if (!nj_scope_is_function_like(st->cur)) {
                nj_syntax_error_at(st->filename, e->pos, "'await' outside function");
                return -1;
            }
            if (!in_async_def(st) && st->cur->comp == NJ_COMP_NONE) {
                nj_syntax_error_at(st->filename, e->pos, "'await' outside async function");
                return -1;
            }
        }
        TRY(visit_expr(st, e->v.Await.value));
        st->cur->coroutine = true;
        return 0;
    case NJ_Compare:
        TRY(visit_expr(st, e->v.Compare.left));
        return visit_exprs(st, e->v.Compare.comparators);
    case NJ_Call:
        TRY(visit_expr(st, e->v.Call.func));
        TRY(visit_exprs(st, e->v.Call.args));
        for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(e->v.Call.keywords); i++) {
            NjKeyword *k = e->v.Call.keywords->at[i];
            if (k->arg) {
                TRY(check_name(st, k->arg, k->pos, NJ_Store));
            }
            TRY(visit_expr(st, k->value));
        }
        return 0;
    case NJ_FormattedValue:
        TRY(visit_expr(st, e->v.FormattedValue.value));
        return visit_opt(st, e->v.FormattedValue.format_spec);
    case NJ_Interpolation:
        TRY(visit_expr(st, e->v.Interpolation.value));
        return visit_opt(st, e->v.Interpolation.format_spec);
    case NJ_JoinedStr:
        return visit_exprs(st, e->v.JoinedStr.values);
    case NJ_TemplateStr:
        return visit_exprs(st, e->v.TemplateStr.values);
    case NJ_Constant:
        return 0;
    case NJ_Attribute:
        TRY(check_name(st, e->v.Attribute.attr, e->pos, e->v.Attribute.ctx));
        return visit_expr(st, e->v.Attribute.value);
    case NJ_Subscript:
        TRY(visit_expr(st, e->v.Subscript.value));
        return visit_expr(st, e->v.Subscript.slice);
    case NJ_Starred:
        return visit_expr(st, e->v.Starred.value);
    case NJ_Slice:
        TRY(visit_opt(st, e->v.Slice.lower));
        TRY(visit_opt(st, e->v.Slice.upper));
        return visit_opt(st, e->v.Slice.step);
    case NJ_Name:
        return visit_name(st, e);
    case NJ_List:
        return visit_exprs(st, e->v.List.elts);
    default:
        return visit_exprs(st, e->v.Tuple.elts);
    }
}

static int
visit_expr(NjSymtable *st, NjExpr *e)
{
    if (Py_EnterRecursiveCall(" during compilation")) {
        return -1;
    }
    int r = visit_expr_inner(st, e);
    Py_LeaveRecursiveCall();
    return r;
}

/* ---- the door ------------------------------------------------------------------------ */

void
nj_symtable_free(NjSymtable *st)
{
    if (st == NULL) {
        return;
    }
    for (size_t i = 0; st->table != NULL && i <= st->table_mask; i++) {
        Py_XDECREF(st->table[i]);
    }
    PyMem_Free(st->table);
    Py_XDECREF(st->stack);
    Py_XDECREF(st->filename);
    PyMem_Free(st);
}

NjSymtable *
nj_symtable_build(NjMod *mod, PyObject *filename, int future, int flags)
{
    NjSymtable *st = PyMem_Calloc(1, sizeof(NjSymtable));
    if (st == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    st->filename = Py_NewRef(filename);
    st->future = future;
    st->flags = flags;
    st->stack = PyList_New(0);
    NjPos none = {0};
    int r = st->stack == NULL
                ? -1
                : enter_block(st, NJ_ID(top), NJ_BLOCK_MODULE, mod, none);
    if (r == 0) {
        st->top = st->cur;
        switch (mod->kind) {
        case NJ_Module:
            st->cur->has_docstring = nj_ast_docstring(mod->v.Module.body) != NULL;
            r = visit_stmts(st, mod->v.Module.body);
            break;
        case NJ_Expression:
            r = visit_expr(st, mod->v.Expression.body);
            break;
        case NJ_Interactive:
            r = visit_stmts(st, mod->v.Interactive.body);
            break;
        default:
            PyErr_SetString(PyExc_RuntimeError, "this compiler does not handle FunctionTypes");
            r = -1;
        }
    }
    if (r == 0) {
        r = exit_block(st);
    }
    if (r == 0) {
        r = analyze(st);
    }
    if (r < 0) {
        nj_symtable_free(st);
        return NULL;
    }
    return st;
}

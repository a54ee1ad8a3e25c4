/* symtable.h - scopes: which names a block binds and where each name lives.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_SYMTABLE_H
#define NJ_FRONTEND_SYMTABLE_H

#include "frontend/ast.h"

/* Flags of a name (the numbers are those of the _symtable module). */
enum {
    NJ_DEF_GLOBAL = 1,
    NJ_DEF_LOCAL = 2,
    NJ_DEF_PARAM = 4,
    NJ_DEF_NONLOCAL = 8,
    NJ_USE = 16,
    NJ_DEF_FREE_CLASS = 64,
    NJ_DEF_IMPORT = 128,
    NJ_DEF_ANNOT = 256,
    NJ_DEF_COMP_ITER = 512,
    NJ_DEF_TYPE_PARAM = 1024,
    NJ_DEF_COMP_CELL = 2048,
    NJ_DEF_BOUND = NJ_DEF_LOCAL | NJ_DEF_PARAM | NJ_DEF_IMPORT,
    NJ_SCOPE_OFFSET = 12,
    NJ_SCOPE_MASK = 15
};
enum {
    NJ_SC_LOCAL = 1,
    NJ_SC_GLOBAL_EXPLICIT,
    NJ_SC_GLOBAL_IMPLICIT,
    NJ_SC_FREE,
    NJ_SC_CELL
};
typedef enum NjBlockType {
    NJ_BLOCK_FUNCTION,
    NJ_BLOCK_CLASS,
    NJ_BLOCK_MODULE,
    NJ_BLOCK_ANNOTATION,
    NJ_BLOCK_TYPE_ALIAS,
    NJ_BLOCK_TYPE_PARAMS,
    NJ_BLOCK_TYPE_VARIABLE
} NjBlockType;
typedef enum NjCompType {
    NJ_COMP_NONE,
    NJ_COMP_LIST,
    NJ_COMP_DICT,
    NJ_COMP_SET,
    NJ_COMP_GENERATOR
} NjCompType;

/* A block; also the Python object that the _symtable module shows. */
typedef struct NjScope {
    PyObject_HEAD
    PyObject *id;            /* int, unique in the table */
    PyObject *name;
    PyObject *symbols;       /* dict: mangled name -> int flags */
    PyObject *varnames;      /* list of parameters */
    PyObject *children;      /* list of NjScope */
    PyObject *directives;    /* list of (name, 4 positions): global and nonlocal, or NULL */
    PyObject *mangled_names; /* set: only these are mangled; or NULL: all */
    NjBlockType type;
    NjCompType comp;
    const char *scope_info;  /* "a TypeVar bound", for messages */
    const void *key;
    struct NjScope *annotation_block; /* of a class or module; owned */
    NjPos loc;
    bool nested;
    bool generator;
    bool coroutine;
    bool annotations_used;
    bool varargs;
    bool varkeywords;
    bool returns_value;
    bool needs_class_closure;
    bool needs_classdict;
    bool has_conditional_annotations;
    bool in_conditional_block;
    bool in_try_block;
    bool comp_inlined;
    bool comp_iter_target;
    bool can_see_class_scope;
    bool in_unevaluated_annotation;
    bool has_docstring;
    bool method;
    int comp_iter_expr;
} NjScope;

extern PyTypeObject NjScope_Type;

typedef struct NjSymtable NjSymtable;

/* future: CO_FUTURE_* flags of the source; flags: PyCF_*. NULL with an exception. */
NJ_MUST NjSymtable *nj_symtable_build(NjMod *mod, PyObject *filename, int future,
                                      int flags);
void nj_symtable_free(NjSymtable *st);
/* The scope made for a node; borrowed. NULL with KeyError when there is none. */
NjScope *nj_symtable_lookup(NjSymtable *st, const void *key);
/* NULL without an exception when there is none. */
NjScope *nj_symtable_find(NjSymtable *st, const void *key);
NjScope *nj_symtable_top(NjSymtable *st);

/* The keys of scopes that share a node with another one. */
#define NJ_KEY_ANNOTATIONS(args) ((const void *)((const char *)(args) + 1))
#define NJ_KEY_DEFAULT(tp) ((const void *)((const char *)(tp) + 1))

/* Flags of a mangled name in the scope: 0 when absent, -1 on error. */
int nj_scope_flags(NjScope *s, PyObject *name);
/* NJ_SC_*: where the mangled name lives; 0 when absent, -1 on error. */
int nj_scope_of(NjScope *s, PyObject *name);
NJ_INLINE bool
nj_scope_is_function_like(const NjScope *s)
{
    return s->type != NJ_BLOCK_MODULE && s->type != NJ_BLOCK_CLASS;
}

/* __name in class Private becomes _Private__name. New reference. */
NJ_MUST PyObject *nj_mangle(PyObject *private_name, PyObject *name);
NJ_MUST PyObject *nj_maybe_mangle(PyObject *private_name, NjScope *s, PyObject *name);

/* Raises SyntaxError `fmt' at pos, with text of the line when the file can be read. */
void nj_syntax_error_at(PyObject *filename, NjPos pos, const char *fmt, ...);

#endif

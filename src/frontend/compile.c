/* compile.c - the door of the front end: text or tree in, code object out.
 *
 * parse (FE-A) -> future statements -> preprocess (ast_opt.c) -> symbol table ->
 * code generator. One arena holds the tree and everything made from it.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/compile.h"

#include "frontend/compile_int.h"
#include "frontend/parse.h"
#include "frontend/ast_opt.h"

/* ---- docstrings ---------------------------------------------------------------------- */

/* Like inspect.cleandoc(), but blank lines at the ends stay. */
PyObject *
nj_clean_docstring(PyObject *doc)
{
    NJ_OWN text = PyObject_CallMethodNoArgs(doc, NJ_ID(expandtabs));
    if (text == NULL) {
        return NULL;
    }
    Py_ssize_t size;
    const char *s = PyUnicode_AsUTF8AndSize(text, &size);
    if (s == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            /* Lone surrogates: rare enough to be left as they are. */
            PyErr_Clear();
            return NJ_TAKE(text);
        }
        return NULL;
    }
    const char *end = s + size, *p = s;
    while (p < end && *p == ' ') {
        p++;
    }
    Py_ssize_t first = p - s, margin = PY_SSIZE_T_MAX;
    while (p < end) {
        if (*p++ != '\n') {
            continue;
        }
        const char *line = p;
        while (p < end && *p == ' ') {
            p++;
        }
        if (p < end && *p != '\n') {
            margin = Py_MIN(margin, p - line);
        }
    }
    margin = margin == PY_SSIZE_T_MAX ? 0 : margin;
    if (first == 0 && margin == 0) {
        return NJ_TAKE(text);
    }
    NJ_OWN_MEM(char) buf = PyMem_Malloc(size + 1);
    if (buf == NULL) {
        return PyErr_NoMemory();
    }
    char *out = buf;
    p = s + first;
    while (p < end) {
        char ch = *out++ = *p++;
        if (ch == '\n') {
            for (Py_ssize_t i = 0; i < margin && p < end && *p == ' '; i++) {
                p++;
            }
        }
    }
    return PyUnicode_FromStringAndSize(buf, out - buf);
}

/* ---- future statements --------------------------------------------------------------- */

static int
check_future_features(NjStmt *s, PyObject *filename, int *features)
{
    static const struct {
        const char *name;
        int flag;
    } KNOWN[] = {{"nested_scopes", 0},
                 {"generators", 0},
                 {"division", 0},
                 {"absolute_import", 0},
                 {"with_statement", 0},
                 {"print_function", 0},
                 {"unicode_literals", 0},
                 {"barry_as_FLUFL", CO_FUTURE_BARRY_AS_BDFL},
                 {"generator_stop", 0},
                 {"annotations", CO_FUTURE_ANNOTATIONS}};
    for (Py_ssize_t i = 0; i < NJ_SEQ_LEN(s->v.ImportFrom.names); i++) {
        NjAlias *a = s->v.ImportFrom.names->at[i];
        size_t k = 0;
        while (k < NJ_ARRAY_LEN(KNOWN) && !PyUnicode_EqualToUTF8(a->name, KNOWN[k].name)) {
            k++;
        }
        if (k < NJ_ARRAY_LEN(KNOWN)) {
            *features |= KNOWN[k].flag;
        }
        else if (PyUnicode_EqualToUTF8(a->name, "braces")) {
            nj_syntax_error_at(filename, a->pos, "not a chance");
            return -1;
        }
        else {
            const char *name = PyUnicode_AsUTF8(a->name);
            if (name != NULL) {
                nj_syntax_error_at(filename, a->pos, "future feature %.100s is not defined",
                                   name);
            }
            return -1;
        }
    }
    return 0;
}

static int
find_future(NjMod *mod, PyObject *filename, int *features, NjPos *pos)
{
    *features = 0;
    *pos = (NjPos){-1, -1, -1, -1};
    if (mod->kind != NJ_Module && mod->kind != NJ_Interactive) {
        return 0;
    }
    NjSeq *body = mod->kind == NJ_Module ? mod->v.Module.body : mod->v.Interactive.body;
    Py_ssize_t i = nj_ast_docstring(body) != NULL ? 1 : 0;
    for (; i < NJ_SEQ_LEN(body); i++) {
        NjStmt *s = body->at[i];
        if (!nj_ast_is_future(s)) {
            return 0;
        }
        TRY(check_future_features(s, filename, features));
        *pos = s->pos;
    }
    return 0;
}

/* ---- compiling a tree ---------------------------------------------------------------- */

static int
real_optimize(int optimize)
{
    if (optimize >= 0) {
        return optimize;
    }
    int level;
    if (PyConfig_GetInt("optimization_level", &level) < 0) {
        PyErr_Clear();
        return 0;
    }
    return level;
}

static PyObject *
compile_mod(NjMod *mod, PyObject *filename, PyCompilerFlags *flags, int optimize,
            PyObject *module, NjArena *arena, PyObject **keep)
{
    NjCompiler c = {.arena = arena, .filename = filename, .module = module, .keep = keep};
    int features;
    if (find_future(mod, filename, &features, &c.future_pos) < 0) {
        return NULL;
    }
    c.flags = (flags ? flags->cf_flags : 0) | features;
    if (flags) {
        flags->cf_flags = c.flags;
    }
    c.optimize = real_optimize(optimize);
    if (nj_ast_preprocess(mod, arena, filename, module, c.optimize, c.flags, false) < 0) {
        return NULL;
    }
    c.st = nj_symtable_build(mod, filename, c.flags, c.flags);
    if (c.st == NULL) {
        return NULL;
    }
    c.const_cache = PyDict_New();
    PyObject *code = c.const_cache == NULL ? NULL : nj_codegen_module(&c, mod);
    Py_XDECREF(c.const_cache);
    nj_symtable_free(c.st);
    return code;
}

static bool
wants_ast(PyCompilerFlags *flags)
{
    return flags != NULL && (flags->cf_flags & PyCF_ONLY_AST);
}

PyObject *
nj_compile_text(const char *text, Py_ssize_t size, PyObject *filename, int start,
                PyCompilerFlags *flags, int optimize, PyObject *module)
{
    NjArena *arena = nj_arena_new();
    if (arena == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    NjMod *mod = nj_parse(arena, text, size, filename, start, flags, module);
    if (mod != NULL) {
        if (wants_ast(flags)) {
            int ok = 0;
            if ((flags->cf_flags & PyCF_OPTIMIZED_AST) == PyCF_OPTIMIZED_AST) {
                int features;
                NjPos pos;
                ok = find_future(mod, filename, &features, &pos);
                if (ok == 0) {
                    ok = nj_ast_preprocess(mod, arena, filename, module,
                                           real_optimize(optimize),
                                           flags->cf_flags | features, false);
                }
            }
            result = ok < 0 ? NULL : nj_ast_to_object(mod);
        }
        else {
            result = compile_mod(mod, filename, flags, optimize, module, arena, NULL);
        }
    }
    nj_arena_free(arena);
    return result;
}

static int
ast_mode(int start)
{
    return start == Py_eval_input        ? 1
           : start == Py_single_input    ? 2
           : start == Py_func_type_input ? 3
                                         : 0;
}

int
nj_ast_check_mode(PyObject *ast, int start)
{
    return nj_ast_check_root(ast, ast_mode(start));
}

PyObject *
nj_compile_ast(PyObject *ast, PyObject *filename, int mode, PyCompilerFlags *flags,
               int optimize, PyObject *module)
{
    int index = ast_mode(mode);
    NjArena *arena = nj_arena_new();
    if (arena == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    NjMod *mod = nj_ast_from_object(ast, index, arena);
    if (mod != NULL && nj_ast_validate(mod) == 0) {
        if (wants_ast(flags)) {
            int features;
            NjPos pos;
            if (find_future(mod, filename, &features, &pos) == 0 &&
                nj_ast_preprocess(mod, arena, filename, module, real_optimize(optimize),
                                  flags->cf_flags | features,
                                  (flags->cf_flags & PyCF_OPTIMIZED_AST) !=
                                      PyCF_OPTIMIZED_AST) == 0) {
                result = nj_ast_to_object(mod);
            }
        }
        else {
            result = compile_mod(mod, filename, flags, optimize, module, arena, NULL);
        }
    }
    nj_arena_free(arena);
    return result;
}

PyObject *
nj_compile_steps(PyObject *ast, PyObject *filename, int optimize, int mode)
{
    NjArena *arena = nj_arena_new();
    if (arena == NULL) {
        return NULL;
    }
    PyObject *kept = NULL;
    NjMod *mod = nj_ast_from_object(ast, mode, arena);
    if (mod != NULL && nj_ast_validate(mod) == 0) {
        PyCompilerFlags flags = {.cf_flags = PyCF_SOURCE_IS_UTF8,
                                 .cf_feature_version = PY_MINOR_VERSION};
        PyObject *code = compile_mod(mod, filename, &flags, optimize, NULL, arena, &kept);
        Py_XDECREF(code);
        if (code == NULL) {
            Py_CLEAR(kept);
        }
    }
    nj_arena_free(arena);
    return kept;
}

int
nj_is_ast(PyObject *obj)
{
    return nj_ast_check_object(obj);
}

PyObject *
nj_symtable_text(const char *text, Py_ssize_t size, PyObject *filename, int start,
                 PyCompilerFlags *flags)
{
    NjArena *arena = nj_arena_new();
    if (arena == NULL) {
        return NULL;
    }
    PyObject *result = NULL;
    NjMod *mod = nj_parse(arena, text, size, filename, start, flags, NULL);
    int features;
    NjPos pos;
    if (mod != NULL && find_future(mod, filename, &features, &pos) == 0) {
        int all = (flags ? flags->cf_flags : 0) | features;
        NjSymtable *st = nj_symtable_build(mod, filename, all, all);
        if (st != NULL) {
            result = Py_NewRef(nj_symtable_top(st));
            nj_symtable_free(st);
        }
    }
    nj_arena_free(arena);
    return result;
}

/* ---- C API --------------------------------------------------------------------------- */

PyObject *
Py_CompileStringObject(const char *str, PyObject *filename, int start, PyCompilerFlags *flags,
                       int optimize)
{
    return nj_compile_text(str, (Py_ssize_t)strlen(str), filename, start, flags, optimize,
                           NULL);
}

#undef Py_CompileString
#undef Py_CompileStringFlags

PyObject *
Py_CompileStringExFlags(const char *str, const char *filename, int start,
                        PyCompilerFlags *flags, int optimize)
{
    NJ_OWN name = PyUnicode_DecodeFSDefault(filename);
    return name == NULL ? NULL : Py_CompileStringObject(str, name, start, flags, optimize);
}

PyAPI_FUNC(PyObject *) Py_CompileStringFlags(const char *, const char *, int,
                                             PyCompilerFlags *);

PyObject *
Py_CompileStringFlags(const char *str, const char *filename, int start,
                      PyCompilerFlags *flags)
{
    return Py_CompileStringExFlags(str, filename, start, flags, -1);
}

PyAPI_FUNC(PyObject *) Py_CompileString(const char *, const char *, int);

PyObject *
Py_CompileString(const char *str, const char *filename, int start)
{
    return Py_CompileStringExFlags(str, filename, start, NULL, -1);
}

/* compile.h - the front end's only door: source text or AST to code object.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_COMPILE_H
#define NJ_FRONTEND_COMPILE_H

#include "nj.h"

/* In cf_flags: the text is that of the file called filename, so that errors show its lines
 * (not a bit of compile(), see PyCF_* for those). */
#define NJ_CF_FILE 0x8000000
/* In cf_flags: only to see whether the text is complete: no warnings. */
#define NJ_CF_TRIAL 0x10000000

/* Does the text end inside brackets, a string or a continued line? -1: error. */
int nj_source_open(const char *text, Py_ssize_t size);

/* A line of source text as SyntaxError.text shows it, with its newline; NULL, without an
 * exception, if there is no such line. encoding NULL: that of BOM or cookie. */
PyObject *nj_source_line(const char *text, Py_ssize_t size, int lineno,
                         const char *encoding);

/* Compiles text (size bytes; UTF-8 when flags has PyCF_IGNORE_COOKIE, else the coding
 * cookie and BOM decide) to a code object, or to an _ast object with PyCF_ONLY_AST.
 * start: Py_file_input, Py_eval_input, Py_single_input, Py_func_type_input. optimize:
 * -1 (the interpreter's) to 2. filename: str. module: str or NULL, for warnings filters.
 * New reference, or NULL with SyntaxError & co. Warnings may run Python code. */
NJ_MUST PyObject *nj_compile_text(const char *text, Py_ssize_t size, PyObject *filename,
                                  int start, PyCompilerFlags *flags, int optimize,
                                  PyObject *module);

/* Compiles an _ast object (validated first). mode: one of the start symbols. */
NJ_MUST PyObject *nj_compile_ast(PyObject *ast, PyObject *filename, int mode,
                                 PyCompilerFlags *flags, int optimize, PyObject *module);

/* TypeError (-1) unless the _ast object fits the start symbol. */
int nj_ast_check_mode(PyObject *ast, int start);

/* True when obj is an instance of _ast.AST. -1 with an exception set on failure. */
int nj_is_ast(PyObject *obj);

/* The text of an expression as annotations under `from __future__ import annotations'
 * show it; and the symbol table of a source text for the _symtable module. */
NJ_MUST PyObject *nj_symtable_text(const char *text, Py_ssize_t size, PyObject *filename,
                                   int start, PyCompilerFlags *flags);

/* The steps one by one, for regression tests (capi/testhooks.h). Instructions are a list
 * of (op, arg, line, end line, column, end column); the arg of a jump is an index in it. */
/* (instructions, nested, metadata) of the generator, before any optimizing; nested is a
 * list of the same for the code objects inside. mode: 0 exec, 1 eval, 2 single. */
NJ_MUST PyObject *nj_compile_steps(PyObject *ast, PyObject *filename, int optimize, int mode);
/* The optimized instructions; the list consts is changed in place. */
NJ_MUST PyObject *nj_steps_optimize(PyObject *instrs, PyObject *consts, int nlocals);
/* A code object from optimized instructions and a dict that describes the unit. */
NJ_MUST PyObject *nj_steps_assemble(PyObject *filename, PyObject *instrs,
                                    PyObject *metadata);
bool nj_steps_has_arg(int op);
bool nj_steps_has_target(int op); /* its argument is an instruction */
/* The docstring without its common indentation. */
NJ_MUST PyObject *nj_clean_docstring(PyObject *doc);

#endif

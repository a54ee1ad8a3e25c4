/* parse.h - source text to AST, and the token stream for the _tokenize module.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_PARSE_H
#define NJ_FRONTEND_PARSE_H

#include "nj.h"

#include "base/arena.h"
#include "frontend/ast.h"

/* Parses text (size bytes, need not be NUL-terminated) to an AST allocated from arena.
 *
 * start: Py_file_input, Py_eval_input, Py_single_input, Py_func_type_input.
 * flags (may be NULL = no flags): PyCF_IGNORE_COOKIE (text is UTF-8 whatever its cookie
 * says), PyCF_DONT_IMPLY_DEDENT, PyCF_TYPE_COMMENTS, PyCF_ALLOW_INCOMPLETE_INPUT,
 * CO_FUTURE_BARRY_AS_BDFL; and cf_feature_version (minor version, when PyCF_ONLY_AST is
 * set). filename: str, for error messages. module: str or NULL, for warnings filters.
 *
 * NULL with SyntaxError & co. set. Issues SyntaxWarnings, hence may run Python code. */
NJ_MUST NjMod *nj_parse(NjArena *arena, const char *text, Py_ssize_t size,
                        PyObject *filename, int start, PyCompilerFlags *flags,
                        PyObject *module);

#endif

/* ast_opt.h - what happens to a tree before the symbol table sees it.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_AST_OPT_H
#define NJ_FRONTEND_AST_OPT_H

#include "frontend/ast.h"

/* Rewrites mod in place: docstrings away with optimize 2, __debug__, '%' formatting to
 * f-strings, literal patterns; warns about jumps out of finally. syntax_check_only: only
 * the warnings. flags: CO_FUTURE_*. 0, or -1 with an exception. */
NJ_MUST int nj_ast_preprocess(NjMod *mod, NjArena *arena, PyObject *filename,
                              PyObject *module, int optimize, int flags,
                              bool syntax_check_only);

#endif

/* parse_error.c - SyntaxError: where, and in which words.
 *
 * First part: raising at a place, with the line's text and columns in characters.
 * Second part: what to say when the first pass found nothing (nj_parser_finish_error).
 * The second pass's mistake finders are in parse_diag.c.
 *
 * Invariants: an error without a position of its own is placed at the last token fetched;
 * a token without text (INDENT, end of input) means "where the lexer is".
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stdarg.h>

#include "frontend/compile.h"
#include "frontend/parser_int.h"
#include "runtime/runtime.h"

/* ---- raising ---- */

/* Line lineno of the text; whole: with its newline. */
static PyObject *
text_of_line(NjParser *p, int lineno)
{
    if (p->start == Py_file_input && p->filename && !(p->flags & NJ_CF_FILE)) {
        PyObject *line = _PyErr_ProgramDecodedTextObject(
            p->filename, lineno, p->flags & PyCF_IGNORE_COOKIE ? "utf-8" : NULL);
        if (line) {
            return line;
        }
        PyErr_Clear();
    }
    const char *s;
    const char *end;
    if (p->lx.lineno <= lineno && p->lx.cur > p->lx.buf) {
        s = p->lx.line_start;
        end = memchr(s, '\n', (size_t)(p->lx.end - s));
        end = end ? end + 1 : p->lx.end;
    }
    else {
        s = p->lx.buf;
        for (int i = 1; i < lineno; i++) {
            const char *nl = memchr(s, '\n', (size_t)(p->lx.end - s));
            if (!nl) {
                break;
            }
            s = nl + 1;
        }
        end = memchr(s, '\n', (size_t)(p->lx.end - s));
        end = end ? end : p->lx.end;
    }
    if (end == p->lx.end && end > s && end[-1] == '\n' && p->no_final_newline) {
        end--; /* added for the lexer */
    }
    return PyUnicode_DecodeUTF8(s, end - s, "replace");
}

/* 1-based byte column to 1-based character column. */
static int
char_column(PyObject *line, int col)
{
    if (col <= 0) {
        return col;
    }
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(line, &n);
    if (!s) {
        PyErr_Clear();
        return col;
    }
    if (col > n + 1) {
        col = (int)n + 1;
    }
    int chars = 0;
    for (int i = 0; i < col; i++) {
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    }
    return chars;
}

static NJ_COLD void
raise_v(NjParser *p, PyObject *type, int lineno, int col, int end_lineno, int end_col,
        const char *format, va_list va)
{
    p->err = true;
    NJ_OWN msg = PyUnicode_FromFormatV(format, va);
    if (!msg) {
        return;
    }
    PyErr_Clear();
    NJ_OWN line = text_of_line(p, lineno);
    if (!line) {
        return;
    }
    col = char_column(line, col);
    end_col = char_column(line, end_col);
    NJ_OWN args
        = Py_BuildValue("(O(OiiOii))", msg, p->filename ? p->filename : Py_None, lineno,
                        col, line, end_lineno, end_col);
    if (args) {
        PyErr_SetObject(type, args);
    }
}

void *
nj_raise_at(NjParser *p, PyObject *type, int lineno, int col, int end_lineno, int end_col,
            const char *format, ...)
{
    va_list va;
    va_start(va, format);
    raise_v(p, type, lineno, col, end_lineno, end_col, format, va);
    va_end(va);
    return NULL;
}

static NJ_COLD void
raise_unclosed(NjParser *p)
{
    int i = p->lx.level - 1;
    nj_raise_at(p, PyExc_SyntaxError, p->lx.paren_lineno[i], p->lx.paren_col[i] + 1,
                p->lx.paren_lineno[i], 0, "'%c' was never closed", p->lx.parens[i]);
}

/* At the last token fetched. */
static NJ_COLD void
raise_last_v(NjParser *p, PyObject *type, const char *format, va_list va)
{
    if (p->err && PyErr_Occurred()) {
        return;
    }
    if (p->fill == 0) {
        raise_v(p, type, 0, 0, 0, 0, format, va);
        return;
    }
    NjToken *t = &p->toks[p->fill - 1];
    if (t->kind == T_ERRORTOKEN && p->lx.done == NJ_LEX_EOF) {
        if (p->lx.level) {
            raise_unclosed(p);
        }
        else {
            int col = (int)(p->lx.cur - p->lx.line_start);
            const char *c = p->lx.line_start;
            c += strspn(c, " \t\f");
            if ((p->flags & NJ_CF_FILE) && *c == '\\') {
                col = 0; /* still measuring the indentation */
            }
            nj_raise_at(p, PyExc_SyntaxError, t->lineno, col, t->end_lineno, -1,
                        "unexpected EOF while parsing");
        }
        return;
    }
    int col = t->col + 1, end_col = t->end_col + 1;
    if (t->col < 0) {
        col = p->lx.cur == p->lx.buf ? 0 : (int)(p->lx.cur - p->lx.line_start);
    }
    if (t->end_col < 0) {
        end_col = -1;
    }
    raise_v(p, type, t->lineno, col, t->end_lineno, end_col, format, va);
}

void *
nj_syntax_error(NjParser *p, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    raise_last_v(p, PyExc_SyntaxError, format, va);
    va_end(va);
    return NULL;
}

void *
nj_indentation_error(NjParser *p, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    raise_last_v(p, PyExc_IndentationError, format, va);
    va_end(va);
    return NULL;
}

void *
nj_parser_error_at(NjParser *p, NjPos pos, const char *format, ...)
{
    if (p->err && PyErr_Occurred()) {
        return NULL;
    }
    va_list va;
    va_start(va, format);
    raise_v(p, PyExc_SyntaxError, pos.lineno, pos.col_offset + 1, pos.end_lineno,
            pos.end_col_offset + 1, format, va);
    va_end(va);
    return NULL;
}

void *
nj_syntax_error_from(NjParser *p, NjPos pos, const char *format, ...)
{
    if (p->err && PyErr_Occurred()) {
        return NULL;
    }
    va_list va;
    va_start(va, format);
    raise_v(p, PyExc_SyntaxError, pos.lineno, pos.col_offset + 1, p->lx.lineno,
            (int)(p->lx.cur - p->lx.line_start), format, va);
    va_end(va);
    return NULL;
}

void *
nj_forced(NjParser *p, const char *what)
{
    NjToken *t = peek(p);
    if (p->err || !p->diag) {
        return NULL;
    }
    return nj_parser_error_at(p, tok_pos(t), "expected '%s'", what);
}

void
nj_raise_incomplete(NjParser *p)
{
    NJ_OWN builtins = PyImport_ImportModule("builtins");
    NJ_OWN type = builtins ? PyObject_GetAttrString(builtins, "_IncompleteInputError")
                           : NULL;
    if (!type) {
        p->err = true;
        return;
    }
    if (p->fill == 0) {
        nj_raise_at(p, type, 0, 0, 0, 0, "incomplete input");
        return;
    }
    NjToken *t = &p->toks[p->fill - 1];
    int col = t->col + 1, end_col = t->end_col + 1;
    if (t->col < 0) {
        col = p->lx.cur == p->lx.buf ? 0 : (int)(p->lx.cur - p->lx.line_start);
    }
    if (t->end_col < 0) {
        end_col = -1;
    }
    nj_raise_at(p, type, t->lineno, col, t->end_lineno, end_col, "incomplete input");
}

/* The lexer returned an ERRORTOKEN (the last of toks): words what it left to us. */
void
nj_parser_lexer_error(NjParser *p)
{
    NjLexer *lx = &p->lx;
    p->err = true;
    if (PyErr_Occurred()) {
        return;
    }
    switch (lx->done) {
    case NJ_LEX_EOF:
        if (lx->level) {
            raise_unclosed(p);
        }
        else {
            nj_syntax_error(p, "unexpected EOF while parsing");
        }
        break;
    case NJ_LEX_DEDENT:
        nj_indentation_error(p,
                             "unindent does not match any outer indentation level");
        break;
    case NJ_LEX_TABSPACE:
        nj_raise_at(p, PyExc_TabError, lx->lineno, 1, lx->lineno, 0,
                    "inconsistent use of tabs and spaces in indentation");
        break;
    case NJ_LEX_TOODEEP:
        nj_raise_at(p, PyExc_IndentationError, lx->lineno, 1, lx->lineno, 0,
                    "too many levels of indentation");
        break;
    case NJ_LEX_LINECONT:
        nj_raise_at(p, PyExc_SyntaxError, lx->lineno, (int)(lx->cur - lx->chunk_start),
                    lx->lineno, 0, "unexpected character after line continuation "
                                   "character");
        break;
    default: nj_syntax_error(p, "unknown parsing error"); break;
    }
}

/* ---- when nothing special was found ---- */

void
nj_parser_check_rest(NjParser *p)
{
    PyObject *saved = PyErr_GetRaisedException();
    int err_line = p->fill ? p->toks[p->fill - 1].lineno : 0;
    p->lx.no_warnings = true;
    NjToken t;
    do {
        nj_lexer_next(&p->lx, &t);
    } while (t.kind != T_ENDMARKER && t.kind != T_ERRORTOKEN);
    if (p->lx.modes_len) {
        PyErr_Clear(); /* errors within f-strings do not take precedence */
    }
    else if (t.kind == T_ERRORTOKEN && !PyErr_Occurred() && p->lx.level
        && err_line > p->lx.paren_lineno[p->lx.level - 1]) {
        raise_unclosed(p);
    }
    if (PyErr_Occurred()) {
        Py_XDECREF(saved);
    }
    else {
        PyErr_SetRaisedException(saved);
    }
}

static bool
lexer_ok(NjParser *p)
{
    return p->lx.done == NJ_LEX_OK;
}

void
nj_parser_finish_error(NjParser *p, int last)
{
    if (PyErr_Occurred()) {
        if (lexer_ok(p) && PyErr_ExceptionMatches(PyExc_SyntaxError)) {
            nj_parser_check_rest(p);
        }
        return;
    }
    if (p->fill == 0 || last < 0) {
        nj_syntax_error(p, "error at start before reading any input");
        return;
    }
    NjToken *t = &p->toks[last];
    if (t->kind == T_ERRORTOKEN && p->lx.done == NJ_LEX_EOF) {
        if (p->lx.level) {
            raise_unclosed(p);
        }
        else {
            nj_syntax_error(p, "unexpected EOF while parsing");
        }
        return;
    }
    if (t->kind == T_INDENT || t->kind == T_DEDENT) {
        nj_indentation_error(p, t->kind == T_INDENT ? "unexpected indent"
                                                    : "unexpected unindent");
        return;
    }
    nj_parser_error_at(p, tok_pos(t), "invalid syntax");
    nj_parser_check_rest(p);
}

/* ---- memo of the second pass ---- */

struct NjMemo {
    size_t mask, used;
    struct MemoEntry {
        int key; /* 0: free */
        int end;
        NjExpr *result;
    } *at;
};

static int
memo_key(NjParser *p, int rule, int start)
{
    return start * R_COUNT + rule + 1;
}

static struct MemoEntry *
memo_slot(NjMemo *m, int key)
{
    size_t i = (size_t)((uint32_t)key * 2654435761u) & m->mask;
    while (m->at[i].key && m->at[i].key != key) {
        i = (i + 1) & m->mask;
    }
    return &m->at[i];
}

bool
nj_memo_find(NjParser *p, int rule, NjExpr **out)
{
    if (!p->memo) {
        return false;
    }
    struct MemoEntry *e = memo_slot(p->memo, memo_key(p, rule, p->pos));
    if (!e->key) {
        return false;
    }
    *out = p->err ? NULL : e->result;
    p->pos = e->end;
    return true;
}

void
nj_memo_store(NjParser *p, int rule, int start, NjExpr *result)
{
    if (p->err) {
        return;
    }
    if (!p->memo) {
        NjMemo *m = PyMem_Calloc(1, sizeof *m);
        if (m) {
            m->mask = 1023;
            m->at = PyMem_Calloc(m->mask + 1, sizeof *m->at);
        }
        if (!m || !m->at) {
            PyMem_Free(m);
            return; /* only slower */
        }
        p->memo = m;
    }
    NjMemo *m = p->memo;
    if (m->used * 2 > m->mask) {
        NjMemo old = *m;
        size_t mask = old.mask * 2 + 1;
        struct MemoEntry *at = PyMem_Calloc(mask + 1, sizeof *at);
        if (!at) {
            return;
        }
        m->at = at;
        m->mask = mask;
        for (size_t i = 0; i <= old.mask; i++) {
            if (old.at[i].key) {
                *memo_slot(m, old.at[i].key) = old.at[i];
            }
        }
        PyMem_Free(old.at);
    }
    int key = memo_key(p, rule, start);
    struct MemoEntry *e = memo_slot(m, key);
    if (!e->key) {
        m->used++;
    }
    e->key = key;
    e->end = p->pos;
    e->result = result;
}

void
nj_memo_clear(NjParser *p)
{
    if (p->memo) {
        PyMem_Free(p->memo->at);
        PyMem_Free(p->memo);
        p->memo = NULL;
    }
}

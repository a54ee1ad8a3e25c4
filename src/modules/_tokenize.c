/* _tokenize.c - the lexer as an iterator for the tokenize module.
 *
 * The first call of __next__ reads all lines from readline() and makes one text of them;
 * then every call lexes one token. Positions are in characters, lines are shown as they
 * came (with \r\n), while the lexer sees \n only: crlf[] remembers which lines differ.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/lexer.h"

typedef struct TokenState {
    PyTypeObject *iter_type;
} TokenState;

typedef struct LineInfo {
    int start; /* offset in the text */
    bool crlf, ascii;
} LineInfo;

typedef struct TokenIter {
    PyObject_HEAD
    PyObject *readline;
    char *encoding; /* NULL: readline() gives str */
    bool extra_tokens, started, finished, implicit_newline;
    NjLexer lx;
    bool lexer_ready;
    char *text;
    Py_ssize_t size, cap;
    LineInfo *lines;
    int n_lines, cap_lines;
    PyObject *line;          /* text of lines line_from..line_to */
    int line_from, line_to;
    PyObject *filename;
} TokenIter;

/* ---- reading ---- */

static int
add_line(TokenIter *it, const char *s, Py_ssize_t n)
{
    if (it->n_lines == it->cap_lines) {
        int cap = it->cap_lines ? it->cap_lines * 2 : 64;
        LineInfo *grown = PyMem_Realloc(it->lines, (size_t)cap * sizeof(LineInfo));
        if (!grown) {
            PyErr_NoMemory();
            return -1;
        }
        it->lines = grown;
        it->cap_lines = cap;
    }
    if (it->size + n + 2 > it->cap) {
        Py_ssize_t cap = (it->cap + n + 2) * 2;
        char *grown = PyMem_Realloc(it->text, (size_t)cap);
        if (!grown) {
            PyErr_NoMemory();
            return -1;
        }
        it->text = grown;
        it->cap = cap;
    }
    /* one readline() result may hold several lines, or a part of one */
    bool fresh = it->size == 0 || it->text[it->size - 1] == '\n';
    for (Py_ssize_t i = 0; i < n; i++) {
        if (fresh) {
            if (it->n_lines == it->cap_lines) {
                return add_line(it, s + i, n - i);
            }
            it->lines[it->n_lines++] = (LineInfo){(int)it->size, false, true};
            fresh = false;
        }
        char c = s[i];
        LineInfo *line = &it->lines[it->n_lines - 1];
        if (c == '\r' && i + 1 < n && s[i + 1] == '\n') {
            line->crlf = true;
            continue;
        }
        if ((unsigned char)c >= 0x80) {
            line->ascii = false;
        }
        it->text[it->size++] = c;
        fresh = c == '\n';
    }
    return 0;
}

static int
read_lines(TokenIter *it)
{
    for (;;) {
        NJ_OWN line = PyObject_CallNoArgs(it->readline);
        if (!line) {
            if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                return -1;
            }
            PyErr_Clear();
            break;
        }
        if (it->encoding) {
            if (!PyBytes_Check(line)) {
                PyErr_SetString(PyExc_TypeError, "readline() returned a non-bytes object");
                return -1;
            }
            NJ_SET(line, PyUnicode_Decode(PyBytes_AS_STRING(line), PyBytes_GET_SIZE(line),
                                          it->encoding, "replace"));
            if (!line) {
                return -1;
            }
        }
        else if (!PyUnicode_Check(line)) {
            PyErr_SetString(PyExc_TypeError, "readline() returned a non-string object");
            return -1;
        }
        Py_ssize_t n;
        const char *s = PyUnicode_AsUTF8AndSize(line, &n);
        if (!s) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        if (add_line(it, s, n) < 0) {
            return -1;
        }
        if (it->size > INT_MAX / 2) {
            PyErr_SetString(PyExc_OverflowError, "source code is too large");
            return -1;
        }
    }
    if (!it->text && !(it->text = PyMem_Malloc(2))) {
        PyErr_NoMemory();
        return -1;
    }
    if (it->size && it->text[it->size - 1] != '\n') {
        it->text[it->size++] = '\n';
        it->implicit_newline = true;
    }
    it->text[it->size] = 0;
    if (nj_lexer_init(&it->lx, it->text, it->size, it->filename, NULL) < 0) {
        return -1;
    }
    it->lexer_ready = true;
    it->lx.extra_tokens = it->extra_tokens;
    return 0;
}

/* ---- positions ---- */

static int
char_col(TokenIter *it, int lineno, int col)
{
    if (lineno < 1 || lineno > it->n_lines || it->lines[lineno - 1].ascii || col <= 0) {
        return col;
    }
    const char *s = it->text + it->lines[lineno - 1].start;
    int n = 0;
    for (int i = 0; i < col; i++) {
        n += ((unsigned char)s[i] & 0xC0) != 0x80;
    }
    return n;
}

/* The text of lines from..to as it came; new reference. */
static PyObject *
lines_text(TokenIter *it, int from, int to)
{
    if (it->line && it->line_from == from && it->line_to == to) {
        return Py_NewRef(it->line);
    }
    if (from < 1 || from > it->n_lines || to > it->n_lines) {
        return PyUnicode_FromStringAndSize(NULL, 0);
    }
    int start = it->lines[from - 1].start;
    int end = to < it->n_lines ? it->lines[to].start : (int)it->size;
    if (to == it->n_lines && it->implicit_newline) {
        end--;
    }
    bool any_crlf = false;
    for (int i = from - 1; i < to; i++) {
        any_crlf |= it->lines[i].crlf;
    }
    PyObject *r;
    if (!any_crlf) {
        r = PyUnicode_DecodeUTF8(it->text + start, end - start, "replace");
    }
    else {
        NJ_OWN_MEM(char) buf = PyMem_Malloc((size_t)(end - start) * 2 + 1);
        if (!buf) {
            return PyErr_NoMemory();
        }
        char *out = buf;
        int line = from - 1;
        for (int i = start; i < end; i++) {
            if (it->text[i] == '\n') {
                if (it->lines[line].crlf) {
                    *out++ = '\r';
                }
                line++;
            }
            *out++ = it->text[i];
        }
        r = PyUnicode_DecodeUTF8(buf, out - buf, "replace");
    }
    if (r) {
        Py_XSETREF(it->line, Py_NewRef(r));
        it->line_from = from;
        it->line_to = to;
    }
    return r;
}

/* ---- errors the lexer leaves to its caller ---- */

static void
raise_lexer_error(TokenIter *it)
{
    PyObject *type = PyExc_SyntaxError;
    const char *msg;
    switch (it->lx.done) {
    case NJ_LEX_EOF:
        it->lx.done = NJ_LEX_OK;
        PyErr_SetString(PyExc_SyntaxError, "unexpected EOF in multi-line statement");
        return;
    case NJ_LEX_DEDENT:
        type = PyExc_IndentationError;
        msg = "unindent does not match any outer indentation level";
        break;
    case NJ_LEX_TABSPACE:
        type = PyExc_TabError;
        msg = "inconsistent use of tabs and spaces in indentation";
        break;
    case NJ_LEX_TOODEEP:
        type = PyExc_IndentationError;
        msg = "too many levels of indentation";
        break;
    case NJ_LEX_LINECONT:
        msg = "unexpected character after line continuation character";
        break;
    default: msg = "unknown tokenization error"; break;
    }
    const char *s = it->lx.line_start;
    const char *end = strchr(s, '\n');
    NJ_OWN line = PyUnicode_DecodeUTF8(s, end ? end - s : (Py_ssize_t)strlen(s), "replace");
    if (!line) {
        return;
    }
    NJ_OWN args = Py_BuildValue("(s(OinOOO))", msg, it->filename, it->lx.lineno,
                                PyUnicode_GET_LENGTH(line) + 1, line, Py_None, Py_None);
    if (args) {
        PyErr_SetObject(type, args);
    }
}

/* ---- the iterator ---- */

static PyObject *
tokeniter_next(PyObject *self)
{
    TokenIter *it = (TokenIter *)self;
    if (!it->started) {
        if (read_lines(it) < 0) {
            return NULL;
        }
        it->started = true;
    }
    if (it->finished || !it->lexer_ready) {
        PyErr_SetString(PyExc_StopIteration, "EOF");
        return NULL;
    }
    NjToken t;
    nj_lexer_next(&it->lx, &t);
    if (t.kind == T_ERRORTOKEN) {
        if (!PyErr_Occurred()) {
            raise_lexer_error(it);
        }
        it->lx.done = NJ_LEX_OK;
        return NULL;
    }
    int kind = t.kind;
    int number = nj_token_number[kind];
    int first = t.lineno, last = t.end_lineno, col, end_col;
    NJ_OWN text = NULL;
    NJ_OWN line = NULL;
    bool at_end = kind == T_ENDMARKER || (kind == T_DEDENT && it->lx.cur >= it->lx.end);
    if (!it->extra_tokens && t.col < 0) {
        it->finished = kind == T_ENDMARKER;
        col = end_col = -1;
        text = PyUnicode_FromStringAndSize(NULL, 0);
        line = lines_text(it, first, last);
    }
    else if (!it->extra_tokens && kind == T_NEWLINE) {
        bool crlf = it->lines[first - 1].crlf;
        col = char_col(it, first, t.col);
        end_col = char_col(it, last, t.end_col - 1) + crlf;
        NJ_OWN shown = PyUnicode_DecodeUTF8(it->text + t.start, t.end - 1 - t.start,
                                            "replace");
        text = shown ? PyUnicode_FromFormat("%U%s", shown, crlf ? "\r" : "") : NULL;
        line = lines_text(it, first, last);
    }
    else if (at_end) {
        it->finished = kind == T_ENDMARKER;
        first = last = it->lx.lineno + 1;
        col = end_col = 0;
        text = PyUnicode_FromStringAndSize(NULL, 0);
        line = PyUnicode_FromStringAndSize(NULL, 0);
    }
    else if (kind == T_DEDENT || kind == T_INDENT) {
        int here = (int)(it->lx.cur - it->lx.line_start);
        end_col = char_col(it, first, here);
        col = kind == T_INDENT ? 0 : end_col;
        text = PyUnicode_DecodeUTF8(it->lx.line_start, kind == T_INDENT ? here : 0,
                                    "replace");
        line = lines_text(it, first, last);
    }
    else {
        int start = t.start;
        if (kind == T_NEWLINE) {
            start = t.end - 1;
            t.col += start - t.start;
        }
        col = char_col(it, first, t.col);
        end_col = char_col(it, last, t.end_col);
        if (kind == T_NEWLINE || kind == T_NL) {
            bool implicit = it->implicit_newline && t.end == it->size;
            bool crlf = it->lines[first - 1].crlf && !implicit;
            text = PyUnicode_FromString(implicit ? "" : crlf ? "\r\n" : "\n");
            end_col += crlf;
        }
        else {
            if (kind == T_FSTRING_MIDDLE || kind == T_TSTRING_MIDDLE) {
                /* a doubled brace is only half in the token */
                int line_start = it->lines[last - 1].start;
                if (t.end >= line_start) {
                    end_col = char_col(it, last, t.end - line_start);
                }
            }
            text = PyUnicode_DecodeUTF8(it->text + t.start, t.end - t.start, "replace");
        }
        line = lines_text(it, first, last);
    }
    if (!text || !line) {
        return NULL;
    }
    if (it->extra_tokens && number > 6 && number < 55) {
        number = 55; /* OP */
    }
    return Py_BuildValue("(iO(ii)(ii)O)", number, text, first, col, last, end_col, line);
}

static PyObject *
tokeniter_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"", "extra_tokens", "encoding", NULL};
    PyObject *readline, *extra = NULL;
    const char *encoding = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|$Os:tokenizeriter", names, &readline,
                                     &extra, &encoding)) {
        return NULL;
    }
    if (!extra) {
        PyErr_SetString(PyExc_TypeError, "tokenizeriter() missing required argument "
                                         "'extra_tokens' (pos 2)");
        return NULL;
    }
    int extra_tokens = PyObject_IsTrue(extra);
    if (extra_tokens < 0) {
        return NULL;
    }
    TokenIter *it = (TokenIter *)type->tp_alloc(type, 0);
    if (!it) {
        return NULL;
    }
    it->readline = Py_NewRef(readline);
    it->extra_tokens = extra_tokens;
    it->filename = PyUnicode_FromString("<string>");
    if (encoding) {
        it->encoding = PyMem_Malloc(strlen(encoding) + 1);
        if (it->encoding) {
            strcpy(it->encoding, encoding);
        }
        else {
            PyErr_NoMemory();
        }
    }
    if (!it->filename || (encoding && !it->encoding)) {
        Py_DECREF(it);
        return NULL;
    }
    return (PyObject *)it;
}

static void
tokeniter_dealloc(PyObject *self)
{
    TokenIter *it = (TokenIter *)self;
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(it->readline);
    Py_XDECREF(it->line);
    Py_XDECREF(it->filename);
    if (it->lexer_ready) {
        nj_lexer_clear(&it->lx);
    }
    PyMem_Free(it->encoding);
    PyMem_Free(it->text);
    PyMem_Free(it->lines);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot tokeniter_slots[] = {
    {Py_tp_new, tokeniter_new},
    {Py_tp_dealloc, tokeniter_dealloc},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, tokeniter_next},
    {0, NULL},
};

static PyType_Spec tokeniter_spec = {
    .name = "_tokenize.TokenizerIter",
    .basicsize = sizeof(TokenIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = tokeniter_slots,
};

PyMODINIT_FUNC PyInit__tokenize(void);

/* ---- the module ---- */

static int
tokenize_exec(PyObject *mod)
{
    TokenState *st = PyModule_GetState(mod);
    st->iter_type = (PyTypeObject *)PyType_FromModuleAndSpec(mod, &tokeniter_spec, NULL);
    return st->iter_type ? PyModule_AddType(mod, st->iter_type) : -1;
}

static int
tokenize_traverse(PyObject *mod, visitproc visit, void *arg)
{
    TokenState *st = PyModule_GetState(mod);
    Py_VISIT(st->iter_type);
    return 0;
}

static int
tokenize_clear(PyObject *mod)
{
    TokenState *st = PyModule_GetState(mod);
    Py_CLEAR(st->iter_type);
    return 0;
}

static void
tokenize_free(void *mod)
{
    tokenize_clear(mod);
}

static PyModuleDef_Slot tokenize_slots[] = {
    {Py_mod_exec, tokenize_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef tokenize_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_tokenize",
    .m_size = sizeof(TokenState),
    .m_slots = tokenize_slots,
    .m_traverse = tokenize_traverse,
    .m_clear = tokenize_clear,
    .m_free = tokenize_free,
};

PyMODINIT_FUNC
PyInit__tokenize(void)
{
    return PyModuleDef_Init(&tokenize_def);
}

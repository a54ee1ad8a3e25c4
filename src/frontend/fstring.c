/* fstring.c - string literals: escapes, concatenation, f- and t-strings.
 *
 * Idea: one run of adjacent literals becomes one node. Plain strings alone make a
 * Constant; with an f-string among them everything is flattened into the values of one
 * JoinedStr, neighbouring text merged; t-strings make a TemplateStr the same way.
 *
 * Escapes are decoded here in one pass into UTF-8; whatever is rare (\N{...}, lone
 * surrogates, errors) goes to the unicode-escape codec, whose messages name positions
 * within text where every non-ASCII character has been written as \UXXXXXXXX.
 *
 * Danger: text parts of f-strings are decoded when the string ends, and an error there
 * points at the closing quote; this is observable and tests check it.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/parser_int.h"

/* ---- escapes ---- */

static NJ_COLD void *
raise_decode_problem(NjParser *p)
{
    const char *what = NULL;
    if (PyErr_ExceptionMatches(PyExc_UnicodeError)) {
        what = "unicode error";
    }
    else if (PyErr_ExceptionMatches(PyExc_ValueError)) {
        what = "value error";
    }
    if (what) {
        NJ_OWN exc = PyErr_GetRaisedException();
        NJ_OWN text = PyObject_Str(exc);
        if (text) {
            nj_syntax_error(p, "(%s) %U", what, text);
        }
        else {
            PyErr_Clear();
            nj_syntax_error(p, "(%s) unknown error", what);
        }
    }
    p->err = true;
    return NULL;
}

/* at: the backslash of the first bad escape; s: start of the text it is in; tok: index
 * of the STRING token, or of the last token for f-strings. */
static NJ_COLD int
warn_escape(NjParser *p, const char *s, const char *where, int tok, bool octal)
{
    if (p->peg || where <= p->warned_at || (unsigned char)where[1] >= 0x80) {
        return 0; /* told before, or too exotic */
    }
    if ((where[1] == '{' || where[1] == '}') && p->toks[tok].kind != T_STRING) {
        return 0; /* the lexer did, which has to look at braces of f-strings */
    }
    p->warned_at = where;
    char shown[8];
    if (octal) {
        memcpy(shown, where + 1, 3);
        shown[3] = 0;
    }
    else {
        shown[0] = where[1];
        shown[1] = 0;
    }
    NjToken *t = &p->toks[tok];
    int lineno = t->lineno;
    const char *line = s;
    for (const char *q = s; q < where; q++) {
        if (*q == '\n') {
            lineno++;
            line = q + 1;
        }
    }
    if (nj_lexer_warn_escape(&p->lx, lineno, shown, octal) == 0) {
        return 0;
    }
    if (p->lx.done == NJ_LEX_ERROR) {
        p->err = true;
        return -1;
    }
    const char *format = "\"\\%s\" is an invalid %sescape sequence. Did you mean "
                         "\"\\\\%s\"? A raw string is also an option.";
    if (t->kind == T_STRING) {
        const char *tok_text = p->lx.buf + t->start;
        int col = lineno == t->lineno ? t->col + (int)(where - tok_text) : (int)(where - line);
        if (tok_text[0] != '"' && tok_text[0] != '\'') {
            /* with a prefix the reference counts from behind the quote */
            col = lineno == t->lineno ? t->col + (int)(where - s) : (int)(where - line);
        }
        nj_parser_error_at(p, (NjPos){lineno, col, lineno, col + 2}, format,
                           shown, octal ? "octal " : "", shown);
    }
    else {
        (void)at(p);
        nj_syntax_error(p, format, shown, octal ? "octal " : "", shown);
    }
    return -1;
}

static int
hex_value(const char *s, int n, Py_UCS4 *out)
{
    Py_UCS4 v = 0;
    for (int i = 0; i < n; i++) {
        char c = s[i];
        int d;
        if (c >= '0' && c <= '9') {
            d = c - '0';
        }
        else if (c >= 'a' && c <= 'f') {
            d = c - 'a' + 10;
        }
        else if (c >= 'A' && c <= 'F') {
            d = c - 'A' + 10;
        }
        else {
            return -1;
        }
        v = v << 4 | (Py_UCS4)d;
    }
    *out = v;
    return 0;
}

static char *
put_utf8(char *out, Py_UCS4 c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    }
    else if (c < 0x800) {
        *out++ = (char)(0xC0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    else if (c < 0x10000) {
        *out++ = (char)(0xE0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    else {
        *out++ = (char)(0xF0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3F));
        *out++ = (char)(0x80 | (c >> 6 & 0x3F));
        *out++ = (char)(0x80 | (c & 0x3F));
    }
    return out;
}

/* The rare cases: through the codec, non-ASCII written as escapes first. */
static NJ_COLD PyObject *
decode_slowly(const char *s, size_t len)
{
    char *buf = PyMem_Malloc(len * 10 + 16);
    if (!buf) {
        return PyErr_NoMemory();
    }
    char *out = buf;
    const char *end = s + len;
    while (s < end) {
        unsigned char c = (unsigned char)*s;
        if (c == '\\') {
            *out++ = *s++;
            if (s >= end || (unsigned char)*s & 0x80) {
                /* a backslash before what becomes an escape: keep it literal */
                memcpy(out, "u005c", 5);
                out += 5;
                continue;
            }
            *out++ = *s++;
        }
        else if (c & 0x80) {
            Py_UCS4 v;
            int n;
            if (c < 0xE0) {
                v = c & 0x1F, n = 1;
            }
            else if (c < 0xF0) {
                v = c & 0x0F, n = 2;
            }
            else {
                v = c & 0x07, n = 3;
            }
            s++;
            while (n--) {
                v = v << 6 | ((unsigned char)*s++ & 0x3F);
            }
            out += sprintf(out, "\\U%08x", (unsigned)v);
        }
        else {
            *out++ = *s++;
        }
    }
    NJ_OWN bytes = NULL;
    PyObject *r = PyUnicode_DecodeUnicodeEscape(buf, out - buf, NULL);
    PyMem_Free(buf);
    (void)bytes;
    return r;
}

/* Decodes literal text with escapes to a new str; NULL with err set. */
static PyObject *
decode_text(NjParser *p, const char *s, size_t len, bool raw, int tok)
{
    if (raw || !memchr(s, '\\', len)) {
        PyObject *r = PyUnicode_DecodeUTF8(s, (Py_ssize_t)len, NULL);
        if (!r) {
            p->err = true;
        }
        return r;
    }
    char small[512];
    char *buf = len + 1 <= sizeof small ? small : PyMem_Malloc(len + 1);
    if (!buf) {
        PyErr_NoMemory();
        p->err = true;
        return NULL;
    }
    const char *q = s, *end = s + len;
    const char *bad = NULL;
    bool bad_octal = false, slow = false;
    char *out = buf;
    while (q < end) {
        if (*q != '\\') {
            *out++ = *q++;
            continue;
        }
        const char *esc = q++;
        if (q >= end) {
            /* only in f-string parts: a backslash before a brace */
            *out++ = '\\';
            break;
        }
        char c = *q++;
        Py_UCS4 v;
        switch (c) {
        case '\n': break;
        case '\\':
        case '\'':
        case '"': *out++ = c; break;
        case 'a': *out++ = '\a'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'v': *out++ = '\v'; break;
        case '0' ... '7':
            v = (Py_UCS4)(c - '0');
            for (int i = 0; i < 2 && q < end && *q >= '0' && *q <= '7'; i++) {
                v = v * 8 + (Py_UCS4)(*q++ - '0');
            }
            if (v > 0377 && !bad) {
                bad = esc;
                bad_octal = true;
            }
            out = put_utf8(out, v);
            break;
        case 'x':
        case 'u':
        case 'U': {
            int n = c == 'x' ? 2 : c == 'u' ? 4 : 8;
            if (end - q < n || hex_value(q, n, &v) < 0 || v > 0x10FFFF
                || (v >= 0xD800 && v < 0xE000)) {
                slow = true;
            }
            else {
                q += n;
                out = put_utf8(out, v);
            }
            break;
        }
        case 'N': slow = true; break;
        default:
            if (!bad) {
                bad = esc;
            }
            *out++ = '\\';
            *out++ = c;
            break;
        }
    }
    PyObject *r;
    if (slow) {
        r = decode_slowly(s, len);
        if (!r) {
            raise_decode_problem(p);
        }
    }
    else {
        r = PyUnicode_DecodeUTF8(buf, out - buf, NULL);
        if (!r) {
            p->err = true;
        }
    }
    if (buf != small) {
        PyMem_Free(buf);
    }
    if (r && bad && warn_escape(p, s, bad, tok, bad_octal) < 0) {
        Py_CLEAR(r);
    }
    return r;
}

static PyObject *
decode_bytes(NjParser *p, const char *s, size_t len, bool raw, int tok)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)s[i] >= 0x80) {
            return nj_parser_error_at(p, tok_pos(&p->toks[tok]),
                                      "bytes can only contain ASCII literal characters");
        }
    }
    if (raw || !memchr(s, '\\', len)) {
        PyObject *r = PyBytes_FromStringAndSize(s, (Py_ssize_t)len);
        if (!r) {
            p->err = true;
        }
        return r;
    }
    PyObject *r = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)len);
    if (!r) {
        p->err = true;
        return NULL;
    }
    char *buf = PyBytes_AS_STRING(r);
    char *out = buf;
    const char *q = s, *end = s + len;
    const char *bad = NULL;
    bool bad_octal = false;
    while (q < end) {
        if (*q != '\\') {
            *out++ = *q++;
            continue;
        }
        const char *esc = q++;
        char c = *q++;
        Py_UCS4 v;
        switch (c) {
        case '\n': break;
        case '\\':
        case '\'':
        case '"': *out++ = c; break;
        case 'a': *out++ = '\a'; break;
        case 'b': *out++ = '\b'; break;
        case 'f': *out++ = '\f'; break;
        case 'n': *out++ = '\n'; break;
        case 'r': *out++ = '\r'; break;
        case 't': *out++ = '\t'; break;
        case 'v': *out++ = '\v'; break;
        case '0' ... '7':
            v = (Py_UCS4)(c - '0');
            for (int i = 0; i < 2 && q < end && *q >= '0' && *q <= '7'; i++) {
                v = v * 8 + (Py_UCS4)(*q++ - '0');
            }
            if (v > 0377 && !bad) {
                bad = esc;
                bad_octal = true;
            }
            *out++ = (char)v;
            break;
        case 'x':
            if (end - q < 2 || hex_value(q, 2, &v) < 0) {
                Py_DECREF(r);
                PyErr_Format(PyExc_ValueError, "invalid \\x escape at position %zd",
                             (Py_ssize_t)(esc - s));
                return raise_decode_problem(p);
            }
            q += 2;
            *out++ = (char)v;
            break;
        default:
            if (!bad) {
                bad = esc;
            }
            *out++ = '\\';
            *out++ = c;
            break;
        }
    }
    if (_PyBytes_Resize(&r, out - buf) < 0) {
        p->err = true;
        return NULL;
    }
    if (bad && warn_escape(p, s, bad, tok, bad_octal) < 0) {
        Py_CLEAR(r);
    }
    if (r && PyBytes_GET_SIZE(r) == 1) {
        /* the object that all bytes of one byte share */
        NJ_SET(r, PyBytes_FromStringAndSize(PyBytes_AS_STRING(r), 1));
    }
    return r;
}

/* ---- one plain literal ---- */

/* STRING token at index tok -> Constant. */
static NjExpr *
parse_string_token(NjParser *p, int tok, bool *is_bytes)
{
    NjToken *t = &p->toks[tok];
    const char *s = p->lx.buf + t->start;
    const char *end = p->lx.buf + t->end;
    bool raw = false, bytes = false;
    bool u = *s == 'u' || *s == 'U';
    for (; *s != '\'' && *s != '"'; s++) {
        raw |= *s == 'r' || *s == 'R';
        bytes |= *s == 'b' || *s == 'B';
    }
    size_t len = (size_t)(end - s);
    if (len >= 6 && s[0] == s[1] && s[1] == s[2]) {
        s += 3;
        len -= 6;
    }
    else {
        s++;
        len -= 2;
    }
    *is_bytes = bytes;
    PyObject *v = bytes ? decode_bytes(p, s, len, raw, tok) : decode_text(p, s, len, raw, tok);
    PyObject *kind = NULL;
    if (u && !(kind = nj_arena_keep(p->arena, PyUnicode_InternFromString("u")))) {
        Py_XDECREF(v);
        return NULL;
    }
    v = nj_arena_keep(p->arena, v);
    if (!v) {
        p->err = true;
        return NULL;
    }
    return nj_ast_Constant(v, kind, tok_pos(&p->toks[tok]), p->arena);
}

/* ---- f-strings ---- */

static NjExpr *parse_fstring_text(NjParser *p, int tok);
static int parse_field(NjParser *p, bool template, bool in_spec);

/* Source text between two offsets, comments left out: what `=' and t-strings show. */
static PyObject *
field_text(NjParser *p, int from, int to)
{
    const char *s = p->lx.buf + from, *end = p->lx.buf + to;
    if (!memchr(s, '#', (size_t)(end - s))) {
        return nj_arena_keep(p->arena, PyUnicode_DecodeUTF8(s, end - s, NULL));
    }
    char *buf = PyMem_Malloc((size_t)(end - s) + 1);
    if (!buf) {
        PyErr_NoMemory();
        return NULL;
    }
    char *out = buf;
    char quote = 0;
    int quote_size = 0;
    while (s < end) {
        char c = *s;
        if (quote) {
            if (c == '\\' && s + 1 < end) {
                *out++ = *s++;
            }
            else if (c == quote
                     && (quote_size == 1
                         || (end - s >= 3 && s[1] == quote && s[2] == quote))) {
                for (int i = 1; i < quote_size; i++) {
                    *out++ = *s++;
                }
                quote = 0;
            }
            *out++ = *s++;
        }
        else if (c == '"' || c == '\'') {
            quote = c;
            quote_size = end - s >= 3 && s[1] == c && s[2] == c ? 3 : 1;
            for (int i = 0; i < quote_size; i++) {
                *out++ = *s++;
            }
        }
        else if (c == '#') {
            while (s < end && *s != '\n') {
                s++;
            }
        }
        else {
            *out++ = *s++;
        }
    }
    PyObject *r = PyUnicode_DecodeUTF8(buf, out - buf, NULL);
    PyMem_Free(buf);
    return nj_arena_keep(p->arena, r);
}

/* A replacement field, `{' to `}'. Pushes the text of `=' (a Constant), if any, and the
 * field. 0, or -1 for NULL in the sense of all parse functions. */
static int
parse_field_inner(NjParser *p, bool template, bool in_spec)
{
    int start = p->pos++; /* the brace */
    NjExpr *value = nj_parse_annotated_rhs(p);
    if (!value) {
        return -1;
    }
    int after_value = p->pos;
    (void)at(p);
    bool debug = accept(p, T_EQUAL);
    int conversion = -1;
    int text_end = p->toks[after_value].start;
    if (debug) {
        (void)at(p);
        if (p->err) {
            return -1;
        }
    }
    int debug_end_tok = p->pos;
    if (accept(p, T_EXCLAMATION)) {
        NjToken *t = peek(p);
        if (t->kind != T_NAME) {
            return -1;
        }
        NjToken *bang = &p->toks[p->pos - 1];
        char k = t->end - t->start == 1 ? p->lx.buf[t->start] : 0;
        if (bang->end != t->start) {
            nj_parser_error_at(
                p, (NjPos){bang->lineno, bang->col, t->end_lineno, t->end_col},
                "%c-string: conversion type must come right after the exclamation mark",
                template ? 't' : 'f');
            return -1;
        }
        if (k != 's' && k != 'r' && k != 'a') {
            nj_parser_error_at(p, tok_pos(t),
                               "%c-string: invalid conversion character %R: expected "
                               "'s', 'r', or 'a'",
                               template ? 't' : 'f', t->name);
            return -1;
        }
        conversion = k;
        p->pos++;
    }
    NjExpr *spec = NULL;
    if (at(p) == T_COLON) {
        int colon = p->pos++;
        int base = p->tmp_len;
        for (;;) {
            NjTok k = at(p);
            if (k == T_FSTRING_MIDDLE || k == T_TSTRING_MIDDLE) {
                NjExpr *text = parse_fstring_text(p, p->pos++);
                if (!text) {
                    return -1;
                }
                if (PyUnicode_GET_LENGTH(text->v.Constant.value) > 0
                    && nj_parser_push(p, text) < 0) {
                    return -1;
                }
            }
            else if (k == T_LBRACE) {
                if (parse_field(p, template, true) < 0) {
                    return -1;
                }
            }
            else {
                break;
            }
        }
        if (at(p) != T_RBRACE) {
            return -1;
        }
        /* neighbouring texts are merged, as in the string itself */
        int n = base;
        for (int i = base; i < p->tmp_len; i++) {
            NjExpr *e = p->tmp[i], *before = n > base ? p->tmp[n - 1] : NULL;
            if (before && e->kind == NJ_Constant && before->kind == NJ_Constant) {
                PyObject *joined
                    = nj_arena_keep(p->arena, PyUnicode_Concat(before->v.Constant.value,
                                                               e->v.Constant.value));
                if (!joined) {
                    return -1;
                }
                NjExpr *both = nj_ast_Constant(joined, before->v.Constant.kind,
                                               pos_between(before->pos, e->pos), p->arena);
                if (!both) {
                    return -1;
                }
                p->tmp[n - 1] = both;
            }
            else {
                p->tmp[n++] = e;
            }
        }
        p->tmp_len = n;
        NjSeq *values = nj_parser_take(p, base);
        if (!values) {
            return -1;
        }
        spec = nj_ast_JoinedStr(values, pos_from(p, colon), p->arena);
        if (!spec) {
            return -1;
        }
    }
    if (!accept(p, T_RBRACE)) {
        return -1;
    }
    NjPos pos = pos_from(p, start);
    int text_start = p->toks[start].end;
    if (debug) {
        NjToken *stop_tok = &p->toks[debug_end_tok];
        PyObject *text = field_text(p, text_start, stop_tok->start);
        if (!text) {
            return -1;
        }
        NjToken *open = &p->toks[start];
        NjExpr *shown
            = nj_ast_Constant(text, NULL,
                              (NjPos){open->end_lineno, open->end_col, stop_tok->lineno,
                                      stop_tok->col},
                              p->arena);
        if (!shown || nj_parser_push(p, shown) < 0) {
            return -1;
        }
        if (conversion < 0 && !spec) {
            conversion = 'r';
        }
    }
    NjExpr *field;
    if (template && !in_spec) {
        PyObject *text = field_text(p, text_start, text_end);
        if (!text) {
            return -1;
        }
        field = nj_ast_Interpolation(value, text, conversion, spec, pos, p->arena);
    }
    else {
        field = nj_ast_FormattedValue(value, conversion, spec, pos, p->arena);
    }
    return field ? nj_parser_push(p, field) : -1;
}

static int
parse_field(NjParser *p, bool template, bool in_spec)
{
    if (NJ_LIKELY(!p->diag)) {
        return parse_field_inner(p, template, in_spec);
    }
    NjMark m = mark(p);
    int r = parse_field_inner(p, template, in_spec);
    if (r < 0 && !p->err) {
        back_to(p, m);
        p->pos++;
        nj_diag_field(p, template);
    }
    return r;
}

int
nj_parse_skip_spec(NjParser *p, bool template)
{
    for (;;) {
        NjTok k = at(p);
        if (k == T_FSTRING_MIDDLE || k == T_TSTRING_MIDDLE) {
            p->pos++;
        }
        else if (k == T_LBRACE) {
            int base = p->tmp_len;
            if (parse_field(p, template, true) < 0) {
                return -1;
            }
            p->tmp_len = base;
        }
        else {
            return p->err ? -1 : 0;
        }
    }
}

static NjExpr *
parse_fstring_text(NjParser *p, int tok)
{
    NjToken *t = &p->toks[tok];
    const char *s = p->lx.buf + t->start;
    size_t len = (size_t)(t->end - t->start);
    PyObject *v = nj_arena_keep(p->arena, decode_text(p, s, len, t->raw, p->fill - 1));
    if (!v) {
        return NULL;
    }
    return nj_ast_Constant(v, NULL, tok_pos(&p->toks[tok]), p->arena);
}

/* f- or t-string at START: pushes its values. Text is pushed as token index (odd pointer)
 * and decoded at the end of the string. */
static int
parse_fstring(NjParser *p, bool template)
{
    int base = p->tmp_len;
    p->pos++;
    for (;;) {
        NjTok k = at(p);
        if (k == T_FSTRING_MIDDLE || k == T_TSTRING_MIDDLE) {
            if (nj_parser_push(p, (void *)(((uintptr_t)p->pos << 1) | 1)) < 0) {
                return -1;
            }
            p->pos++;
        }
        else if (k == T_LBRACE) {
            if (parse_field(p, template, false) < 0) {
                return -1;
            }
        }
        else {
            break;
        }
    }
    if (!accept(p, template ? T_TSTRING_END : T_FSTRING_END)) {
        return -1;
    }
    if (template && nj_parse_check_version(p, 14, "t-strings are") < 0) {
        return -1;
    }
    for (int i = base; i < p->tmp_len; i++) {
        uintptr_t v = (uintptr_t)p->tmp[i];
        if (v & 1) {
            NjExpr *e = parse_fstring_text(p, (int)(v >> 1));
            if (!e) {
                return -1;
            }
            p->tmp[i] = e;
        }
    }
    return 0;
}

/* Merges neighbouring text among the values above base and drops empty text. */
static NjSeq *
merge_values(NjParser *p, int base)
{
    int n = base;
    for (int i = base; i < p->tmp_len;) {
        NjExpr *e = p->tmp[i];
        if (e->kind != NJ_Constant) {
            p->tmp[n++] = e;
            i++;
            continue;
        }
        int j = i + 1;
        Py_ssize_t total = PyUnicode_GET_LENGTH(e->v.Constant.value);
        while (j < p->tmp_len && ((NjExpr *)p->tmp[j])->kind == NJ_Constant) {
            total += PyUnicode_GET_LENGTH(((NjExpr *)p->tmp[j])->v.Constant.value);
            j++;
        }
        if (total > 0) {
            if (j == i + 1) {
                p->tmp[n++] = e;
            }
            else {
                PyObject *parts = PyList_New(j - i);
                if (!parts) {
                    return NULL;
                }
                for (int k = i; k < j; k++) {
                    PyList_SET_ITEM(parts, k - i,
                                    Py_NewRef(((NjExpr *)p->tmp[k])->v.Constant.value));
                }
                PyObject *empty = PyUnicode_FromStringAndSize(NULL, 0);
                PyObject *joined = empty ? PyUnicode_Join(empty, parts) : NULL;
                Py_XDECREF(empty);
                Py_DECREF(parts);
                joined = nj_arena_keep(p->arena, joined);
                if (!joined) {
                    return NULL;
                }
                NjExpr *last = p->tmp[j - 1];
                NjExpr *both = nj_ast_Constant(joined, e->v.Constant.kind,
                                               pos_between(e->pos, last->pos), p->arena);
                if (!both) {
                    return NULL;
                }
                p->tmp[n++] = both;
            }
        }
        i = j;
    }
    p->tmp_len = n;
    return nj_parser_take(p, base);
}

/* ---- runs of literals ---- */

static NjExpr *
join_plain(NjParser *p, int base, int start, bool bytes)
{
    int n = p->tmp_len - base;
    NjExpr *first = p->tmp[base];
    if (n == 1) {
        p->tmp_len = base;
        return first;
    }
    PyObject *joined;
    if (bytes) {
        Py_ssize_t total = 0;
        for (int i = 0; i < n; i++) {
            total += PyBytes_GET_SIZE(((NjExpr *)p->tmp[base + i])->v.Constant.value);
        }
        joined = PyBytes_FromStringAndSize(NULL, total);
        if (joined) {
            char *out = PyBytes_AS_STRING(joined);
            for (int i = 0; i < n; i++) {
                PyObject *v = ((NjExpr *)p->tmp[base + i])->v.Constant.value;
                memcpy(out, PyBytes_AS_STRING(v), (size_t)PyBytes_GET_SIZE(v));
                out += PyBytes_GET_SIZE(v);
            }
        }
    }
    else {
        NJ_OWN parts = PyList_New(n);
        NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
        if (!parts || !empty) {
            return NULL;
        }
        for (int i = 0; i < n; i++) {
            PyList_SET_ITEM(parts, i,
                            Py_NewRef(((NjExpr *)p->tmp[base + i])->v.Constant.value));
        }
        joined = PyUnicode_Join(empty, parts);
    }
    joined = nj_arena_keep(p->arena, joined);
    if (!joined) {
        return NULL;
    }
    p->tmp_len = base;
    return nj_ast_Constant(joined, first->v.Constant.kind, pos_from(p, start), p->arena);
}

NjExpr *
nj_parse_strings(NjParser *p)
{
    int start = p->pos;
    int base = p->tmp_len;
    bool any_f = false, any_t = false, any_plain = false, any_bytes = false,
         any_str = false, mixed = false, t_second = false;
    for (;;) {
        NjTok k = at(p);
        if (!mixed
            && (any_t ? k == T_STRING || k == T_FSTRING_START
                      : k == T_TSTRING_START && (any_f || any_plain))) {
            if (!p->diag) {
                break; /* does not belong to this run */
            }
            mixed = true;
            t_second = !any_t;
        }
        if (mixed && t_second && k != T_TSTRING_START) {
            break;
        }
        if (mixed && !t_second && k == T_TSTRING_START) {
            break;
        }
        if (k == T_STRING) {
            bool bytes;
            NjExpr *e = parse_string_token(p, p->pos, &bytes);
            if (!e) {
                return NULL;
            }
            p->pos++;
            PUSH(p, e);
            any_plain = true;
            any_bytes |= bytes;
            any_str |= !bytes;
        }
        else if (k == T_FSTRING_START) {
            any_f = true;
            if (parse_fstring(p, false) < 0) {
                return NULL;
            }
        }
        else if (k == T_TSTRING_START) {
            any_t = true;
            if (parse_fstring(p, true) < 0) {
                return NULL;
            }
        }
        else {
            break;
        }
    }
    if (mixed) {
        return nj_parser_error_at(p, pos_from(p, start),
                                  "cannot mix t-string literals with string or bytes "
                                  "literals");
    }
    if (any_bytes && (any_str || any_f)) {
        return nj_syntax_error(p, "cannot mix bytes and nonbytes literals");
    }
    if (any_t) {
        NjSeq *values = merge_values(p, base);
        return values ? nj_ast_TemplateStr(values, pos_from(p, start), p->arena) : NULL;
    }
    if (any_f) {
        NjSeq *values = merge_values(p, base);
        return values ? nj_ast_JoinedStr(values, pos_from(p, start), p->arena) : NULL;
    }
    return join_plain(p, base, start, any_bytes);
}

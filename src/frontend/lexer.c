/* lexer.c - source text to tokens.
 *
 * Idea: one pointer runs over NUL-terminated UTF-8 text in which every newline is \n.
 * The terminating NUL stops all inner loops, so they test no bounds. Identifiers go
 * through a private hash table that yields the keyword kind or the interned name object
 * in one probe; hence a name costs one str object per compilation, not per occurrence.
 *
 * f- and t-strings are delivered as START, MIDDLE..., END tokens with ordinary tokens of
 * the expressions between; modes[] is the stack of open ones. A replacement field knows
 * the bracket depth at which it was opened: a `:', `!', `=' or `}' at that depth is its.
 *
 * Invariants: lineno counts lines whose first character has been looked at (the end of
 * the text begins no line), because error positions depend on it. A NEWLINE token leaves
 * the new line to be begun by the next call (line_pending).
 *
 * Danger: errors of indentation and unexpected ends only set `done': the parser words
 * them, since position and wording depend on its state. All others raise at once.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stdarg.h>

#include "frontend/lexer.h"

const uint8_t nj_token_number[T_COUNT] = {
#define NJ_TOK(kind, text, number) [T_##kind] = number,
#define NJ_KW(kind, text) [T_##kind] = 1,
#include "frontend/tokens.def"
#undef NJ_TOK
#undef NJ_KW
};

const char *const nj_token_text[T_COUNT] = {
#define NJ_TOK(kind, text, number) [T_##kind] = text,
#define NJ_KW(kind, text) [T_##kind] = text,
#include "frontend/tokens.def"
#undef NJ_TOK
#undef NJ_KW
};

/* The names of the token module, by number; the reference's size and last entries. */
PyAPI_DATA(const char *const) _PyParser_TokenNames[70];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init" /* of the last three */
const char *const _PyParser_TokenNames[70] = {
#define NJ_TOK(kind, text, number) [number] = #kind,
#define NJ_KW(kind, text)
#include "frontend/tokens.def"
#undef NJ_TOK
#undef NJ_KW
    [67] = "<ERRORTOKEN>", [68] = "<ENCODING>", [69] = "<N_TOKENS>",
};
#pragma GCC diagnostic pop

/* ---- character classes ---- */

enum { C_IDSTART = 1, C_DIGIT = 2, C_HEX = 4, C_SPACE = 8, C_ID = 16 };

#define X2(v) v, v
#define X4(v) X2(v), X2(v)
#define X8(v) X4(v), X4(v)
#define X16(v) X8(v), X8(v)
static const uint8_t char_class[256] = {
    ['0' ... '9'] = C_DIGIT | C_HEX | C_ID,
    ['a' ... 'f'] = C_IDSTART | C_HEX | C_ID,
    ['g' ... 'z'] = C_IDSTART | C_ID,
    ['A' ... 'F'] = C_IDSTART | C_HEX | C_ID,
    ['G' ... 'Z'] = C_IDSTART | C_ID,
    ['_'] = C_IDSTART | C_ID,
    [128 ... 255] = C_IDSTART | C_ID,
    [' '] = C_SPACE,
    ['\t'] = C_SPACE,
    ['\f'] = C_SPACE,
};
#define IS(c, cls) (char_class[(unsigned char)(c)] & (cls))
#undef X2
#undef X4
#undef X8
#undef X16

static const uint8_t one_char[128] = {
    ['%'] = T_PERCENT, ['&'] = T_AMPER, ['('] = T_LPAR, [')'] = T_RPAR, ['*'] = T_STAR,
    ['+'] = T_PLUS, [','] = T_COMMA, ['-'] = T_MINUS, ['.'] = T_DOT, ['/'] = T_SLASH,
    [':'] = T_COLON, [';'] = T_SEMI, ['<'] = T_LESS, ['='] = T_EQUAL, ['>'] = T_GREATER,
    ['@'] = T_AT, ['['] = T_LSQB, [']'] = T_RSQB, ['^'] = T_CIRCUMFLEX,
    ['{'] = T_LBRACE, ['|'] = T_VBAR, ['}'] = T_RBRACE, ['~'] = T_TILDE,
    ['!'] = T_EXCLAMATION,
};

/* ---- errors ---- */

static int
char_count(const char *s, int bytes)
{
    int n = 0;
    for (int i = 0; i < bytes; i++) {
        n += ((unsigned char)s[i] & 0xC0) != 0x80;
    }
    return n;
}

static NJ_COLD void
raise_range_v(NjLexer *lx, int col, int end_col, const char *format, va_list va)
{
    NJ_OWN msg = PyUnicode_FromFormatV(format, va);
    if (!msg) {
        lx->done = NJ_LEX_ERROR;
        return;
    }
    const char *nl = lx->line_start;
    while (*nl && *nl != '\n') {
        nl++;
    }
    NJ_OWN upto = PyUnicode_DecodeUTF8(lx->line_start, lx->cur - lx->line_start, "replace");
    NJ_OWN line = PyUnicode_DecodeUTF8(lx->line_start, nl - lx->line_start, "replace");
    lx->done = NJ_LEX_ERROR;
    if (!upto || !line) {
        return;
    }
    col = col < 0 ? (int)PyUnicode_GetLength(upto) : char_count(lx->line_start, col);
    end_col = end_col < 0 ? col : char_count(lx->line_start, end_col);
    NJ_OWN args = Py_BuildValue("(O(OiiOii))", msg,
                                lx->filename ? lx->filename : Py_None, lx->lineno, col,
                                line, lx->lineno, end_col);
    if (args) {
        PyErr_SetObject(PyExc_SyntaxError, args);
    }
}

NJ_COLD void
nj_lexer_error_range(NjLexer *lx, int col, int end_col, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    raise_range_v(lx, col, end_col, format, va);
    va_end(va);
}

/* Error at the character before cur. */
static NJ_COLD void
raise_here(NjLexer *lx, const char *format, ...)
{
    va_list va;
    va_start(va, format);
    raise_range_v(lx, -1, -1, format, va);
    va_end(va);
}

NJ_COLD int
nj_lexer_warn(NjLexer *lx, int lineno, const char *format, ...)
{
    if (lx->no_warnings) {
        return 0;
    }
    va_list va;
    va_start(va, format);
    NJ_OWN msg = PyUnicode_FromFormatV(format, va);
    va_end(va);
    if (!msg) {
        return -1;
    }
    if (PyErr_WarnExplicitObject(PyExc_SyntaxWarning, msg,
                                 lx->filename ? lx->filename : Py_None, lineno,
                                 lx->module, NULL) < 0) {
        if (PyErr_ExceptionMatches(PyExc_SyntaxWarning)) {
            PyErr_Clear();
            raise_here(lx, "%U", msg);
        }
        else {
            lx->done = NJ_LEX_ERROR;
        }
        return -1;
    }
    return 0;
}

NJ_COLD int
nj_lexer_warn_escape(NjLexer *lx, int lineno, const char *shown, bool octal)
{
    if (lx->no_warnings) {
        return 0;
    }
    NJ_OWN msg = PyUnicode_FromFormat("\"\\%s\" is an invalid %sescape sequence. Such "
                                      "sequences will not work in the future. Did you "
                                      "mean \"\\\\%s\"? A raw string is also an option.",
                                      shown, octal ? "octal " : "", shown);
    if (!msg) {
        lx->done = NJ_LEX_ERROR;
        return -1;
    }
    if (PyErr_WarnExplicitObject(PyExc_SyntaxWarning, msg,
                                 lx->filename ? lx->filename : Py_None, lineno,
                                 lx->module, NULL) < 0) {
        if (PyErr_ExceptionMatches(PyExc_SyntaxWarning)) {
            PyErr_Clear();
        }
        else {
            lx->done = NJ_LEX_ERROR;
        }
        return -1;
    }
    return 0;
}

/* ---- life cycle ---- */

int
nj_lexer_init(NjLexer *lx, const char *buf, Py_ssize_t size, PyObject *filename,
              NjArena *arena)
{
    memset(lx, 0, offsetof(NjLexer, indents));
    if (size >= INT_MAX - 16) {
        PyErr_SetString(PyExc_OverflowError, "source code is too large");
        return -1;
    }
    lx->buf = lx->cur = lx->line_start = lx->chunk_start = buf;
    lx->end = buf + size;
    lx->filename = filename;
    lx->arena = arena;
    lx->at_line_start = true;
    lx->line_pending = true;
    lx->indents[0] = lx->alt_indents[0] = 0;
    uint32_t cap = 256;
    while (cap < (uint32_t)size / 64 && cap < 1u << 16) {
        cap *= 2;
    }
    if (arena) {
        lx->names = PyMem_Calloc(cap, sizeof(NjNameEntry));
        if (!lx->names) {
            PyErr_NoMemory();
            return -1;
        }
        lx->names_mask = cap - 1;
    }
    return 0;
}

void
nj_lexer_clear(NjLexer *lx)
{
    PyMem_Free(lx->names);
    PyMem_Free(lx->modes);
    Py_CLEAR(lx->normalize);
    lx->names = NULL;
    lx->modes = NULL;
}

/* ---- names ---- */

static NjTok
keyword_kind(const char *s, size_t len)
{
    static const struct {
        char text[9];
        uint8_t len, kind;
    } keywords[] = {
#define NJ_TOK(kind, text, number)
#define NJ_KW(kind, text) {text, sizeof(text) - 1, T_##kind},
#include "frontend/tokens.def"
#undef NJ_TOK
#undef NJ_KW
    };
    if (len < 2 || len > 8) {
        return T_NAME;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(keywords); i++) {
        if (keywords[i].len == len && memcmp(keywords[i].text, s, len) == 0) {
            return keywords[i].kind;
        }
    }
    return T_NAME;
}

static uint8_t
soft_kind(const char *s, size_t len)
{
    if (len == 1 && *s == '_') {
        return NJ_SOFT_UNDERSCORE;
    }
    if (len == 4) {
        if (memcmp(s, "case", 4) == 0) {
            return NJ_SOFT_CASE;
        }
        if (memcmp(s, "type", 4) == 0) {
            return NJ_SOFT_TYPE;
        }
    }
    if (len == 5 && memcmp(s, "match", 5) == 0) {
        return NJ_SOFT_MATCH;
    }
    return NJ_SOFT_NONE;
}

/* Keywords that normalization may produce: `Tru\u1d49'. */
static const char *const CONSTANT_NAMES[] = {"None", "True", "False"};

/* The interned object for valid identifier text, owned by the arena. */
static PyObject *
make_name(NjLexer *lx, const char *s, size_t len)
{
    PyObject *name = PyUnicode_DecodeUTF8(s, (Py_ssize_t)len, NULL);
    if (!name) {
        return NULL;
    }
    if (!PyUnicode_IS_ASCII(name)) {
        if (!lx->normalize) {
            lx->normalize = PyImport_ImportModuleAttrString("unicodedata", "normalize");
            if (!lx->normalize) {
                Py_DECREF(name);
                return NULL;
            }
        }
        PyObject *form = PyObject_CallFunction(lx->normalize, "sN", "NFKC", name);
        if (!form) {
            return NULL;
        }
        if (!PyUnicode_CheckExact(form)) {
            PyErr_Format(PyExc_TypeError,
                         "unicodedata.normalize() must return a string, not %.200s",
                         Py_TYPE(form)->tp_name);
            Py_DECREF(form);
            return NULL;
        }
        name = form;
        for (size_t i = 0; i < NJ_ARRAY_LEN(CONSTANT_NAMES); i++) {
            if (PyUnicode_EqualToUTF8(name, CONSTANT_NAMES[i])) {
                PyErr_Format(PyExc_ValueError,
                             "identifier field can't represent '%s' constant",
                             CONSTANT_NAMES[i]);
                Py_DECREF(name);
                return NULL;
            }
        }
    }
    PyUnicode_InternInPlace(&name);
    return nj_arena_keep(lx->arena, name);
}

static NJ_COLD int
grow_names(NjLexer *lx)
{
    uint32_t mask = lx->names_mask * 2 + 1;
    NjNameEntry *grown = PyMem_Calloc((size_t)mask + 1, sizeof(NjNameEntry));
    if (!grown) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t i = 0; i <= lx->names_mask; i++) {
        NjNameEntry *e = &lx->names[i];
        if (e->text) {
            uint32_t j = e->hash & mask;
            while (grown[j].text) {
                j = (j + 1) & mask;
            }
            grown[j] = *e;
        }
    }
    PyMem_Free(lx->names);
    lx->names = grown;
    lx->names_mask = mask;
    return 0;
}

/* Finds or makes the entry of an identifier; NULL with an exception set. */
static NjNameEntry *
find_name(NjLexer *lx, const char *s, size_t len, uint32_t hash)
{
    uint32_t i = hash & lx->names_mask;
    for (;; i = (i + 1) & lx->names_mask) {
        NjNameEntry *e = &lx->names[i];
        if (!e->text) {
            break;
        }
        if (e->hash == hash && e->len == len && memcmp(e->text, s, len) == 0) {
            return e;
        }
    }
    NjTok kind = keyword_kind(s, len);
    PyObject *name = make_name(lx, s, len);
    if (!name) {
        return NULL;
    }
    if (lx->names_used * 3 > lx->names_mask * 2) {
        if (grow_names(lx) < 0) {
            return NULL;
        }
        i = hash & lx->names_mask;
        while (lx->names[i].text) {
            i = (i + 1) & lx->names_mask;
        }
    }
    lx->names_used++;
    NjNameEntry *e = &lx->names[i];
    e->hash = hash;
    e->len = (uint32_t)len;
    e->text = s;
    e->kind = (uint8_t)kind;
    e->soft = kind == T_NAME ? soft_kind(s, len) : NJ_SOFT_NONE;
    e->name = name;
    return e;
}

NJ_INLINE uint32_t
hash_step(uint32_t h, unsigned char c)
{
    return (h ^ c) * 0x01000193u;
}

NJ_INLINE uint32_t
hash_end(uint32_t h)
{
    return h ^ (h >> 15);
}

PyObject *
nj_lexer_name(NjLexer *lx, const char *text, size_t len)
{
    uint32_t h = 0x811c9dc5u;
    for (size_t i = 0; i < len; i++) {
        h = hash_step(h, (unsigned char)text[i]);
    }
    NjNameEntry *e = find_name(lx, text, len, hash_end(h));
    return e ? e->name : NULL;
}

/* Checks identifier text that has non-ASCII characters (tok_start to cur). On failure
 * sets cur after the bad character and raises. */
static NJ_COLD int
check_identifier(NjLexer *lx)
{
    NJ_OWN s = PyUnicode_DecodeUTF8(lx->tok_start, lx->cur - lx->tok_start, NULL);
    if (!s) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            PyErr_Clear();
            raise_here(lx, "invalid character");
        }
        else {
            lx->done = NJ_LEX_ERROR;
        }
        return -1;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(s);
    /* the longest valid prefix */
    Py_ssize_t good = n;
    if (!PyUnicode_IsIdentifier(s)) {
        good = 0;
        for (Py_ssize_t k = 1; k <= n; k++) {
            NJ_OWN prefix = PyUnicode_Substring(s, 0, k);
            if (!prefix) {
                lx->done = NJ_LEX_ERROR;
                return -1;
            }
            if (!PyUnicode_IsIdentifier(prefix)) {
                break;
            }
            good = k;
        }
    }
    if (good == n) {
        return 0;
    }
    Py_UCS4 ch = PyUnicode_READ_CHAR(s, good);
    const char *p = lx->tok_start;
    for (Py_ssize_t k = 0; k <= good; k++) {
        p++;
        while (((unsigned char)*p & 0xC0) == 0x80) {
            p++;
        }
    }
    lx->cur = p;
    if (Py_UNICODE_ISPRINTABLE(ch)) {
        NJ_OWN c = PyUnicode_FromOrdinal((int)ch);
        if (!c) {
            lx->done = NJ_LEX_ERROR;
            return -1;
        }
        raise_here(lx, "invalid character '%U' (U+%04X)", c, (unsigned)ch);
    }
    else {
        raise_here(lx, "invalid non-printable character U+%04X", (unsigned)ch);
    }
    return -1;
}

/* ---- token building ---- */

NJ_INLINE void
make(NjLexer *lx, NjToken *t, NjTok kind, const char *start, const char *end)
{
    t->kind = (uint8_t)kind;
    t->soft = 0;
    t->raw = 0;
    t->seen = 0;
    t->level = lx->level;
    t->start = (int)(start - lx->buf);
    t->end = (int)(end - lx->buf);
    t->lineno = t->end_lineno = lx->lineno;
    t->col = (int)(start - lx->line_start);
    t->end_col = (int)(end - lx->line_start);
    t->name = NULL;
}

/* A token without text: INDENT, DEDENT, ENDMARKER, ERRORTOKEN. */
static void
make_empty(NjLexer *lx, NjToken *t, NjTok kind)
{
    make(lx, t, kind, lx->cur, lx->cur);
    t->col = t->end_col = -1;
}

static NJ_COLD void
make_error(NjLexer *lx, NjToken *t)
{
    make_empty(lx, t, T_ERRORTOKEN);
}

static NJ_COLD void
stop(NjLexer *lx, NjToken *t, NjLexDone why)
{
    lx->done = why;
    make_error(lx, t);
}

/* cur is just after a \n within a token or a bracket: begins the line, if any. */
NJ_INLINE void
begin_line(NjLexer *lx)
{
    if (lx->cur < lx->end) {
        lx->lineno++;
        lx->line_start = lx->cur;
    }
}

/* ---- numbers ---- */

/* A number must not run into a name; a keyword is let through with a warning. */
static int
check_number_end(NjLexer *lx, const char *kind)
{
    unsigned char c = (unsigned char)*lx->cur;
    if (!IS(c, C_IDSTART) || lx->extra_tokens) {
        return 0;
    }
    const char *p = lx->cur + 1;
    bool kw = false; /* `if', `in', `is' need no separator behind them */
    switch (c) {
    case 'a': kw = strncmp(p, "nd", 2) == 0 && !IS(p[2], C_ID); break;
    case 'e': kw = strncmp(p, "lse", 3) == 0 && !IS(p[3], C_ID); break;
    case 'f': kw = strncmp(p, "or", 2) == 0 && !IS(p[2], C_ID); break;
    case 'i': kw = *p == 'f' || *p == 'n' || *p == 's'; break;
    case 'n': kw = strncmp(p, "ot", 2) == 0 && !IS(p[2], C_ID); break;
    case 'o': kw = *p == 'r' && !IS(p[1], C_ID); break;
    default: break;
    }
    if (kw) {
        return nj_lexer_warn(lx, lx->lineno, "invalid %s literal", kind);
    }
    if (c < 128) {
        raise_here(lx, "invalid %s literal", kind);
        return -1;
    }
    /* a non-ASCII character: an error of its own if it cannot be in a name */
    const char *number = lx->tok_start;
    lx->tok_start = lx->cur;
    while (IS(*lx->cur, C_ID)) {
        lx->cur++;
    }
    const char *name_at = lx->tok_start;
    if (check_identifier(lx) < 0) {
        return -1;
    }
    lx->tok_start = number;
    lx->cur = name_at;
    return 0;
}

/* Decimal digits with single underscores between; cur at the first digit. */
static int
scan_decimal(NjLexer *lx)
{
    for (;;) {
        while (IS(*lx->cur, C_DIGIT)) {
            lx->cur++;
        }
        if (*lx->cur != '_') {
            return 0;
        }
        lx->cur++;
        if (!IS(*lx->cur, C_DIGIT)) {
            raise_here(lx, "invalid decimal literal");
            return -1;
        }
    }
}

static int
scan_based(NjLexer *lx, const char *kind, int base)
{
    lx->cur++; /* the letter */
    for (;;) {
        if (*lx->cur == '_') {
            lx->cur++;
        }
        unsigned char c = (unsigned char)*lx->cur;
        bool ok = base == 16 ? IS(c, C_HEX) : c >= '0' && c < '0' + base;
        if (!ok) {
            if (base != 16 && IS(c, C_DIGIT)) {
                lx->cur++;
                raise_here(lx, "invalid digit '%c' in %s literal", c, kind);
            }
            else {
                raise_here(lx, "invalid %s literal", kind);
            }
            return -1;
        }
        do {
            c = (unsigned char)*++lx->cur;
        } while (base == 16 ? IS(c, C_HEX) : c >= '0' && c < '0' + base);
        if (c != '_') {
            break;
        }
    }
    unsigned char c = (unsigned char)*lx->cur;
    if (base != 16 && IS(c, C_DIGIT)) {
        lx->cur++;
        raise_here(lx, "invalid digit '%c' in %s literal", c, kind);
        return -1;
    }
    return check_number_end(lx, kind);
}

/* The fraction (cur after the point), exponent and `j' of a decimal number. */
static int
scan_tail(NjLexer *lx, bool fraction)
{
    if (fraction && IS(*lx->cur, C_DIGIT) && scan_decimal(lx) < 0) {
        return -1;
    }
    if (*lx->cur == 'e' || *lx->cur == 'E') {
        const char *e = lx->cur;
        const char *p = e + 1;
        if (*p == '+' || *p == '-') {
            p++;
            if (!IS(*p, C_DIGIT)) {
                lx->cur = p;
                raise_here(lx, "invalid decimal literal");
                return -1;
            }
        }
        else if (!IS(*p, C_DIGIT)) {
            /* not an exponent: perhaps `1else' */
            return check_number_end(lx, "decimal");
        }
        lx->cur = p;
        if (scan_decimal(lx) < 0) {
            return -1;
        }
    }
    if (*lx->cur == 'j' || *lx->cur == 'J') {
        lx->cur++;
        return check_number_end(lx, "imaginary");
    }
    return check_number_end(lx, "decimal");
}

static int
scan_number(NjLexer *lx)
{
    const char *s = lx->cur;
    if (*s == '.') {
        lx->cur++;
        return scan_tail(lx, true);
    }
    if (*s != '0') {
        if (scan_decimal(lx) < 0) {
            return -1;
        }
        bool point = *lx->cur == '.';
        lx->cur += point;
        return scan_tail(lx, point);
    }
    lx->cur++;
    switch (*lx->cur) {
    case 'x':
    case 'X': return scan_based(lx, "hexadecimal", 16);
    case 'o':
    case 'O': return scan_based(lx, "octal", 8);
    case 'b':
    case 'B': return scan_based(lx, "binary", 2);
    default: break;
    }
    /* zeros, or a float that begins with zeros */
    for (;;) {
        if (*lx->cur == '_') {
            lx->cur++;
            if (!IS(*lx->cur, C_DIGIT)) {
                raise_here(lx, "invalid decimal literal");
                return -1;
            }
        }
        if (*lx->cur != '0') {
            break;
        }
        lx->cur++;
    }
    const char *zeros_end = lx->cur;
    bool nonzero = false;
    if (IS(*lx->cur, C_DIGIT)) {
        nonzero = true;
        if (scan_decimal(lx) < 0) {
            return -1;
        }
    }
    char c = *lx->cur;
    if (c == '.') {
        lx->cur++;
        return scan_tail(lx, true);
    }
    if (c == 'e' || c == 'E' || c == 'j' || c == 'J') {
        return scan_tail(lx, false);
    }
    if (nonzero && !lx->extra_tokens) {
        nj_lexer_error_range(lx, (int)(lx->tok_start + 1 - lx->line_start),
                             (int)(zeros_end - lx->line_start) + 1,
                             "leading zeros in decimal integer literals are not "
                             "permitted; use an 0o prefix for octal integers");
        return -1;
    }
    return check_number_end(lx, "decimal");
}

/* ---- strings ---- */

/* Ordinary string literal; cur at the first quote, tok_start at the prefix. */
static void
scan_string(NjLexer *lx, NjToken *t)
{
    char quote = *lx->cur;
    int quote_size = 1;
    const char *p = lx->cur + 1;
    const char *first_line = lx->line_start;
    int first_lineno = lx->lineno;
    if (*p == quote) {
        if (p[1] == quote) {
            quote_size = 3;
            p += 2;
        }
        else { /* empty */
            lx->cur = p + 1;
            make(lx, t, T_STRING, lx->tok_start, lx->cur);
            return;
        }
    }
    bool escaped_quote = false;
    for (;;) {
        char c = *p;
        if (c == quote) {
            if (quote_size == 1) {
                p++;
                break;
            }
            if (p[1] == quote && p[2] == quote) {
                p += 3;
                break;
            }
            p++;
        }
        else if (c == '\n') {
            if (quote_size == 1) {
                goto unterminated;
            }
            lx->cur = ++p;
            begin_line(lx);
        }
        else if (c == '\\') {
            p++;
            if (*p == quote) {
                escaped_quote = true;
            }
            if (*p == '\n') {
                lx->cur = ++p;
                begin_line(lx);
            }
            else if (p < lx->end) {
                p++;
            }
        }
        else if (c == 0 && p >= lx->end) {
            goto unterminated;
        }
        else {
            p++;
        }
    }
    lx->cur = p;
    make(lx, t, T_STRING, lx->tok_start, p);
    t->lineno = first_lineno;
    t->col = (int)(lx->tok_start - first_line);
    return;

unterminated:;
    int at_line = lx->lineno;
    bool at_end = p >= lx->end;
    lx->cur = lx->tok_start + 1;
    lx->line_start = first_line;
    lx->lineno = first_lineno;
    if (lx->modes_len) {
        NjStringMode *m = &lx->modes[lx->modes_len - 1];
        if (m->quote == quote && m->quote_size == quote_size) {
            raise_here(lx, "%c-string: expecting '}'", m->template ? 't' : 'f');
            make_error(lx, t);
            return;
        }
    }
    if (quote_size == 3) {
        raise_here(lx, "unterminated triple-quoted string literal (detected at line %d)",
                   at_line);
        if (at_end) {
            lx->done = NJ_LEX_EOFS;
        }
    }
    else if (escaped_quote) {
        raise_here(lx,
                   "unterminated string literal (detected at line %d); perhaps you "
                   "escaped the end quote?",
                   at_line);
        if (at_end) {
            lx->done = NJ_LEX_EOFS;
        }
    }
    else {
        raise_here(lx, "unterminated string literal (detected at line %d)", at_line);
        if (at_end) {
            lx->done = NJ_LEX_EOFS;
        }
    }
    make_error(lx, t);
}

/* Opens an f- or t-string; cur at the first quote. */
static void
open_fstring(NjLexer *lx, NjToken *t, bool raw, bool template)
{
    char quote = *lx->cur;
    int size = 1;
    if (lx->cur[1] == quote && lx->cur[2] == quote) {
        size = 3;
    }
    if (lx->modes_len + 1 >= NJ_MAX_FSTRINGS) {
        lx->cur += size;
        raise_here(lx, "too many nested f-strings or t-strings");
        make_error(lx, t);
        return;
    }
    if (lx->modes_len == lx->modes_cap) {
        int cap = lx->modes_cap ? lx->modes_cap * 2 : 4;
        NjStringMode *grown = PyMem_Realloc(lx->modes, (size_t)cap * sizeof *grown);
        if (!grown) {
            PyErr_NoMemory();
            stop(lx, t, NJ_LEX_ERROR);
            return;
        }
        lx->modes = grown;
        lx->modes_cap = cap;
    }
    NjStringMode *m = &lx->modes[lx->modes_len++];
    memset(m, 0, sizeof *m);
    m->quote = quote;
    m->quote_size = (uint8_t)size;
    m->raw = raw;
    m->template = template;
    m->in_text = true;
    m->start = (int)(lx->tok_start - lx->buf);
    m->first_lineno = lx->lineno;
    m->line_start = (int)(lx->line_start - lx->buf);
    m->base_level = lx->level;
    lx->cur += size;
    make(lx, t, template ? T_TSTRING_START : T_FSTRING_START, lx->tok_start, lx->cur);
    t->raw = raw;
}

static void next_regular(NjLexer *lx, NjToken *t);

/* Literal text of an f-string: MIDDLE, END, or the `{' of a field. */
static void
next_in_text(NjLexer *lx, NjToken *t)
{
    NjStringMode *m = &lx->modes[lx->modes_len - 1];
    bool in_spec = m->fields > 0; /* in_text inside a field can only be its spec */
    const char *p = lx->cur;
    const char *start = p;
    lx->tok_start = p;
    if (*p == '{'
        && (p[1] != '{' || (in_spec && m->fields >= NJ_MAX_FIELD_NESTING))) {
        if (m->fields >= NJ_MAX_FIELD_NESTING) {
            raise_here(lx, "%c-string: expressions nested too deeply",
                       m->template ? 't' : 'f');
            make_error(lx, t);
            return;
        }
        m->in_text = false;
        m->field[m->fields].in_spec = false;
        m->field[m->fields++].level = lx->level + 1;
        next_regular(lx, t);
        return;
    }
    if (*p == m->quote
        && (m->quote_size == 1 || (p[1] == m->quote && p[2] == m->quote))) {
        if (!in_spec) {
            lx->cur = p + m->quote_size;
            make(lx, t, m->template ? T_TSTRING_END : T_FSTRING_END, p, lx->cur);
            lx->modes_len--;
            return;
        }
        /* the spec ends with the string: an END token, the parser will complain */
        lx->cur = p + m->quote_size;
        make(lx, t, m->template ? T_TSTRING_END : T_FSTRING_END, p, lx->cur);
        lx->modes_len--;
        return;
    }
    if (*p == '{' && p[1] == '{' && in_spec && m->fields < NJ_MAX_FIELD_NESTING) {
        /* a field opening with a set or dict: the reference has an empty MIDDLE here */
        make(lx, t, m->template ? T_TSTRING_MIDDLE : T_FSTRING_MIDDLE, p, p);
        m->in_text = false;
        m->field[m->fields].in_spec = false;
        m->field[m->fields++].level = lx->level + 1;
        return;
    }
    int first_lineno = lx->lineno;
    const char *first_line = lx->line_start;
    const char *text_end;
    bool named_escape = false;
    for (;;) {
        char c = *p;
        if (c == m->quote
            && (m->quote_size == 1 || (p[1] == m->quote && p[2] == m->quote))) {
            text_end = lx->cur = p;
            break;
        }
        if ((c == 0 && p >= lx->end) || (c == '\n' && m->quote_size == 1)) {
            if (c == '\n' && in_spec) {
                lx->cur = p + 1;
                raise_here(lx,
                           "%c-string: newlines are not allowed in format specifiers "
                           "for single quoted %c-strings",
                           m->template ? 't' : 'f', m->template ? 't' : 'f');
                make_error(lx, t);
                return;
            }
            int at_line = lx->lineno;
            lx->cur = lx->buf + m->start + 1;
            lx->line_start = lx->buf + m->line_start;
            lx->lineno = m->first_lineno;
            if (m->quote_size == 3) {
                raise_here(lx,
                           "unterminated triple-quoted %c-string literal (detected at "
                           "line %d)",
                           m->template ? 't' : 'f', at_line);
                lx->done = NJ_LEX_EOFS;
            }
            else {
                raise_here(lx, "unterminated %c-string literal (detected at line %d)",
                           m->template ? 't' : 'f', at_line);
            }
            make_error(lx, t);
            return;
        }
        p++;
        if (c == '\n') {
            lx->cur = p;
            begin_line(lx);
        }
        else if (c == '{') {
            if (*p == '{' && !in_spec) {
                text_end = p;
                lx->cur = p + 1;
            }
            else {
                text_end = lx->cur = p - 1;
            }
            break;
        }
        else if (c == '}') {
            if (named_escape) {
                text_end = lx->cur = p;
                break;
            }
            if (*p == '}' && !in_spec) {
                text_end = p;
                lx->cur = p + 1;
            }
            else {
                text_end = lx->cur = p - 1;
                m->in_text = false;
            }
            break;
        }
        else if (c == '\\') {
            if (*p == '{' || *p == '}') {
                if (!m->raw) {
                    const char *keep = lx->cur;
                    lx->cur = p + 1;
                    char shown[2] = {*p, 0};
                    if (nj_lexer_warn_escape(lx, lx->lineno, shown, false) < 0) {
                        if (lx->done != NJ_LEX_ERROR) {
                            raise_here(lx,
                                       "\"\\%s\" is an invalid escape sequence. Did you "
                                       "mean \"\\\\%s\"? A raw string is also an option.",
                                       shown, shown);
                        }
                        make_error(lx, t);
                        return;
                    }
                    lx->cur = keep;
                }
                continue;
            }
            if (*p == '\n') {
                lx->cur = ++p;
                begin_line(lx);
            }
            else if (p < lx->end) {
                bool n = *p == 'N' && !m->raw;
                p++;
                if (n && *p == '{') {
                    p++;
                    named_escape = true;
                }
            }
        }
    }
    make(lx, t, m->template ? T_TSTRING_MIDDLE : T_FSTRING_MIDDLE, start, text_end);
    t->end_col = (int)(lx->cur - lx->line_start); /* a doubled brace counts twice */
    t->lineno = first_lineno;
    t->col = (int)(start - first_line);
    t->raw = m->raw;
}

/* ---- comments ---- */

/* cur at `#'. Skips the comment; true when it yields a token. */
static bool
scan_comment(NjLexer *lx, NjToken *t)
{
    const char *s = lx->cur;
    const char *p = s;
    while (*p != '\n' && (*p || p < lx->end)) {
        p++;
    }
    if (lx->extra_tokens) {
        lx->cur = p;
        make(lx, t, T_COMMENT, s, p);
        return true;
    }
    if (lx->type_comments) {
        const char *q = s + 1;
        while (*q == ' ' || *q == '\t') {
            q++;
        }
        if (strncmp(q, "type:", 5) == 0) {
            q += 5;
            while (*q == ' ' || *q == '\t') {
                q++;
            }
            lx->cur = p;
            /* "type: ignore" followed by the end or by something not alphanumeric */
            const char *after = q + 6;
            bool is_ignore = p - q >= 6 && memcmp(q, "ignore", 6) == 0
                             && !(p > after
                                  && ((unsigned char)*after >= 128
                                      || Py_ISALNUM((unsigned char)*after)));
            if (is_ignore) {
                /* on a line of its own the newline belongs to it */
                make(lx, t, T_TYPE_IGNORE, after, p + (lx->blank_line && *p == '\n'));
            }
            else {
                lx->blank_line = false; /* the newline behind it is a token */
                make(lx, t, T_TYPE_COMMENT, q, p);
            }
            return true;
        }
    }
    lx->cur = p;
    return false;
}

/* ---- indentation ---- */

/* At the start of a line: measures indentation. Returns 0, or -1 with t an error token;
 * sets lx->pending and lx->blank_line. */
static int
scan_indentation(NjLexer *lx, NjToken *t)
{
    int col = 0, alt = 0, cont_col = 0;
    lx->at_line_start = false;
    const char *p = lx->cur;
    for (;;) {
        char c = *p;
        if (c == ' ') {
            col++;
            alt++;
        }
        else if (c == '\t') {
            col = (col / 8 + 1) * 8;
            alt++;
        }
        else if (c == '\f') {
            col = alt = 0;
        }
        else if (c == '\\') {
            cont_col = cont_col ? cont_col : col;
            p++;
            lx->cur = p;
            if (*p != '\n') {
                if (p < lx->end) {
                    lx->cur++;
                }
                stop(lx, t, NJ_LEX_LINECONT);
                return -1;
            }
            lx->cur = ++p;
            if (p >= lx->end) {
                stop(lx, t, NJ_LEX_EOF);
                return -1;
            }
            begin_line(lx);
            continue;
        }
        else {
            break;
        }
        p++;
    }
    lx->cur = p;
    if (*p == '#' || *p == '\n') {
        lx->blank_line = true;
        return 0;
    }
    lx->blank_line = false;
    if (lx->level > 0) {
        return 0;
    }
    if (cont_col) {
        col = cont_col;
        alt = cont_col;
    }
    if (col == lx->indents[lx->indent]) {
        if (alt != lx->alt_indents[lx->indent]) {
            goto inconsistent;
        }
    }
    else if (col > lx->indents[lx->indent]) {
        if (lx->indent + 1 >= NJ_MAX_INDENT) {
            lx->cur = lx->end;
            stop(lx, t, NJ_LEX_TOODEEP);
            return -1;
        }
        if (alt <= lx->alt_indents[lx->indent]) {
            goto inconsistent;
        }
        lx->pending++;
        lx->indents[++lx->indent] = col;
        lx->alt_indents[lx->indent] = alt;
    }
    else {
        while (lx->indent > 0 && col < lx->indents[lx->indent]) {
            lx->pending--;
            lx->indent--;
        }
        if (col != lx->indents[lx->indent]) {
            /* to the end of the line: that is where the error points */
            while (*lx->cur && *lx->cur != '\n') {
                lx->cur++;
            }
            if (*lx->cur) {
                lx->cur++;
            }
            stop(lx, t, NJ_LEX_DEDENT);
            return -1;
        }
        if (alt != lx->alt_indents[lx->indent]) {
            goto inconsistent;
        }
    }
    return 0;

inconsistent:
    stop(lx, t, NJ_LEX_TABSPACE);
    return -1;
}

/* ---- identifiers ---- */

static void
raise_prefixes(NjLexer *lx, NjToken *t, char a, char b)
{
    /* range: from the prefix to the quote */
    nj_lexer_error_range(lx, (int)(lx->tok_start + 1 - lx->line_start),
                         (int)(lx->cur - lx->line_start) + 1,
                         "'%c' and '%c' prefixes are incompatible", a, b);
    make_error(lx, t);
}

/* Name, keyword, or prefixed string; cur at the first character. */
static void
scan_name(NjLexer *lx, NjToken *t)
{
    const char *s = lx->cur;
    const char *p = s;
    bool b = false, r = false, u = false, f = false, tt = false;
    /* string prefixes: letters out of b r u f t, each once */
    for (;; p++) {
        char c = *p;
        if ((c == 'b' || c == 'B') && !b) {
            b = true;
        }
        else if ((c == 'r' || c == 'R') && !r) {
            r = true;
        }
        else if ((c == 'u' || c == 'U') && !u) {
            u = true;
        }
        else if ((c == 'f' || c == 'F') && !f) {
            f = true;
        }
        else if ((c == 't' || c == 'T') && !tt) {
            tt = true;
        }
        else {
            break;
        }
    }
    if (p != s && (*p == '"' || *p == '\'')) {
        lx->cur = p;
        if (u && b) {
            raise_prefixes(lx, t, 'u', 'b');
        }
        else if (u && r) {
            raise_prefixes(lx, t, 'u', 'r');
        }
        else if (u && f) {
            raise_prefixes(lx, t, 'u', 'f');
        }
        else if (u && tt) {
            raise_prefixes(lx, t, 'u', 't');
        }
        else if (b && f) {
            raise_prefixes(lx, t, 'b', 'f');
        }
        else if (b && tt) {
            raise_prefixes(lx, t, 'b', 't');
        }
        else if (f && tt) {
            raise_prefixes(lx, t, 'f', 't');
        }
        else if (f || tt) {
            open_fstring(lx, t, r, tt);
        }
        else {
            scan_string(lx, t);
        }
        return;
    }
    unsigned char any = 0;
    uint32_t h = 0x811c9dc5u;
    p = s;
    for (unsigned char c; IS(c = (unsigned char)*p, C_ID); p++) {
        any |= c;
        h = hash_step(h, c);
    }
    lx->cur = p;
    if (NJ_UNLIKELY(any & 0x80) && !lx->extra_tokens && check_identifier(lx) < 0) {
        make_error(lx, t);
        return;
    }
    make(lx, t, T_NAME, s, p);
    if (lx->names) {
        NjNameEntry *e = find_name(lx, s, (size_t)(p - s), hash_end(h));
        if (NJ_UNLIKELY(!e)) {
            stop(lx, t, NJ_LEX_ERROR);
            return;
        }
        t->kind = e->kind;
        t->soft = e->soft;
        t->name = e->name;
    }
}

/* ---- operators ---- */

static void
scan_operator(NjLexer *lx, NjToken *t)
{
    const char *s = lx->cur;
    unsigned char c = (unsigned char)*s;
    NjStringMode *m = lx->modes_len ? &lx->modes[lx->modes_len - 1] : NULL;
    /* In a replacement field, at its own depth: `:' begins the format spec. */
    if (m && m->fields && lx->level == m->field[m->fields - 1].level) {
        if (c == ':') {
            lx->cur++;
            m->in_text = true;
            m->field[m->fields - 1].in_spec = true;
            make(lx, t, T_COLON, s, lx->cur);
            return;
        }
    }
    NjTok kind = c < 128 ? (NjTok)one_char[c] : 0;
    int len = 1;
    unsigned char c2 = (unsigned char)s[1];
    switch (c) {
    case '=':
        if (c2 == '=') {
            kind = T_EQEQUAL, len = 2;
        }
        break;
    case '!':
        if (c2 == '=') {
            kind = T_NOTEQUAL, len = 2;
        }
        break;
    case '<':
        if (c2 == '<') {
            kind = T_LEFTSHIFT, len = 2;
            if (s[2] == '=') {
                kind = T_LEFTSHIFTEQUAL, len = 3;
            }
        }
        else if (c2 == '=') {
            kind = T_LESSEQUAL, len = 2;
        }
        else if (c2 == '>' && lx->diamonds) {
            kind = T_NOTEQUAL, len = 2;
        }
        break;
    case '>':
        if (c2 == '>') {
            kind = T_RIGHTSHIFT, len = 2;
            if (s[2] == '=') {
                kind = T_RIGHTSHIFTEQUAL, len = 3;
            }
        }
        else if (c2 == '=') {
            kind = T_GREATEREQUAL, len = 2;
        }
        break;
    case '*':
        if (c2 == '*') {
            kind = T_DOUBLESTAR, len = 2;
            if (s[2] == '=') {
                kind = T_DOUBLESTAREQUAL, len = 3;
            }
        }
        else if (c2 == '=') {
            kind = T_STAREQUAL, len = 2;
        }
        break;
    case '/':
        if (c2 == '/') {
            kind = T_DOUBLESLASH, len = 2;
            if (s[2] == '=') {
                kind = T_DOUBLESLASHEQUAL, len = 3;
            }
        }
        else if (c2 == '=') {
            kind = T_SLASHEQUAL, len = 2;
        }
        break;
    case '-':
        if (c2 == '>') {
            kind = T_RARROW, len = 2;
        }
        else if (c2 == '=') {
            kind = T_MINEQUAL, len = 2;
        }
        break;
    case ':':
        if (c2 == '=') {
            kind = T_COLONEQUAL, len = 2;
        }
        break;
    case '+':
        if (c2 == '=') {
            kind = T_PLUSEQUAL, len = 2;
        }
        break;
    case '%':
        if (c2 == '=') {
            kind = T_PERCENTEQUAL, len = 2;
        }
        break;
    case '&':
        if (c2 == '=') {
            kind = T_AMPEREQUAL, len = 2;
        }
        break;
    case '|':
        if (c2 == '=') {
            kind = T_VBAREQUAL, len = 2;
        }
        break;
    case '^':
        if (c2 == '=') {
            kind = T_CIRCUMFLEXEQUAL, len = 2;
        }
        break;
    case '@':
        if (c2 == '=') {
            kind = T_ATEQUAL, len = 2;
        }
        break;
    case '.':
        if (c2 == '.' && s[2] == '.') {
            kind = T_ELLIPSIS, len = 3;
        }
        break;
    case '(':
    case '[':
    case '{':
        if (lx->level >= NJ_MAX_LEVEL) {
            lx->cur++;
            raise_here(lx, "too many nested parentheses");
            make_error(lx, t);
            return;
        }
        lx->parens[lx->level] = (char)c;
        lx->paren_lineno[lx->level] = lx->lineno;
        lx->paren_col[lx->level] = (int)(s - lx->line_start);
        lx->level++;
        break;
    case ')':
    case ']':
    case '}': {
        lx->cur = s + 1;
        char pc = m ? (m->template ? 't' : 'f') : 0;
        if (m && c == '}'
            && (m->fields == 0 || lx->level < m->field[m->fields - 1].level)) {
            raise_here(lx, "%c-string: single '}' is not allowed", pc);
            make_error(lx, t);
            return;
        }
        if (m == NULL ? lx->level == 0 : lx->level == m->base_level) {
            if (lx->extra_tokens) {
                break;
            }
            raise_here(lx, "unmatched '%c'", c);
            make_error(lx, t);
            return;
        }
        bool is_field = m && m->fields && lx->level == m->field[m->fields - 1].level;
        char opening = lx->parens[lx->level - 1];
        if (!((opening == '(' && c == ')') || (opening == '[' && c == ']')
              || (opening == '{' && c == '}'))) {
            if (lx->extra_tokens) { /* tokenize takes what comes */
                lx->level--;
                break;
            }
            if (is_field) {
                raise_here(lx, "%c-string: unmatched '%c'", pc, c);
            }
            else if (lx->paren_lineno[lx->level - 1] != lx->lineno) {
                raise_here(lx,
                           "closing parenthesis '%c' does not match opening parenthesis "
                           "'%c' on line %d",
                           c, opening, lx->paren_lineno[lx->level - 1]);
            }
            else {
                raise_here(lx,
                           "closing parenthesis '%c' does not match opening parenthesis "
                           "'%c'",
                           c, opening);
            }
            make_error(lx, t);
            return;
        }
        lx->level--;
        if (is_field) {
            m->fields--;
            m->in_text = true; /* back in the text, or in the spec of the outer field */
        }
        break;
    }
    default:
        if (kind == 0) {
            if (c < 32 || c == 127) {
                lx->cur++;
                raise_here(lx, "invalid non-printable character U+%04X", (unsigned)c);
                make_error(lx, t);
                return;
            }
            kind = T_OP;
        }
        break;
    }
    lx->cur = s + len;
    make(lx, t, kind, s, lx->cur);
}

/* ---- the main function ---- */

static void
next_regular(NjLexer *lx, NjToken *t)
{
nextline:
    if (lx->line_pending) {
        lx->line_pending = false;
        begin_line(lx);
        lx->chunk_start = lx->line_start;
    }
    if (lx->at_line_start) {
        lx->blank_line = false;
        if (scan_indentation(lx, t) < 0) {
            return;
        }
    }
    if (lx->pending) {
        if (lx->pending < 0) {
            lx->pending++;
            make_empty(lx, t, T_DEDENT);
        }
        else {
            lx->pending--;
            make_empty(lx, t, T_INDENT);
        }
        return;
    }
    const char *comment = NULL;
again:;
    const char *p = lx->cur;
    while (*p == ' ' || *p == '\t' || *p == '\f') {
        p++;
    }
    lx->cur = lx->tok_start = p;
    unsigned char c = (unsigned char)*p;
    if (IS(c, C_IDSTART)) {
        scan_name(lx, t);
        return;
    }
    switch (c) {
    case '#':
        if (scan_comment(lx, t)) {
            if (t->kind == T_TYPE_IGNORE && lx->blank_line) {
                /* a line of its own: its newline is not a token */
                if (*lx->cur == '\n') {
                    lx->cur++;
                    lx->line_pending = true;
                }
                lx->at_line_start = true;
            }
            return;
        }
        comment = p;
        goto again;
    case 0:
        if (p >= lx->end) {
            lx->done = NJ_LEX_EOF;
            make_empty(lx, t, lx->level ? T_ERRORTOKEN : T_ENDMARKER);
            return;
        }
        lx->cur++;
        raise_here(lx, "source code cannot contain null bytes");
        make_error(lx, t);
        return;
    case '\n':
        lx->cur = p + 1;
        if (lx->blank_line || lx->level > 0) {
            if (lx->extra_tokens) {
                make(lx, t, T_NL, p, p + 1);
                lx->line_pending = true;
                lx->at_line_start = lx->level == 0;
                return;
            }
            if (lx->level == 0) {
                lx->at_line_start = true;
                lx->line_pending = true;
                goto nextline;
            }
            lx->blank_line = false;
            comment = NULL;
            begin_line(lx);
            lx->chunk_start = lx->line_start;
            goto again;
        }
        lx->at_line_start = true;
        lx->line_pending = true;
        make(lx, t, T_NEWLINE, comment ? comment : p, p + 1);
        return;
    case '\\':
        if (p[1] != '\n') {
            lx->cur = p + 1 + (p + 1 < lx->end);
            stop(lx, t, NJ_LEX_LINECONT);
            return;
        }
        lx->cur = p + 2;
        if (lx->cur >= lx->end) {
            stop(lx, t, NJ_LEX_EOF);
            return;
        }
        begin_line(lx);
        goto again;
    case '"':
    case '\'': scan_string(lx, t); return;
    case '.':
        if (!IS(p[1], C_DIGIT)) {
            scan_operator(lx, t);
            return;
        }
        /* fall through */
    case '0' ... '9':
        if (scan_number(lx) < 0) {
            make_error(lx, t);
            return;
        }
        make(lx, t, T_NUMBER, p, lx->cur);
        return;
    default: scan_operator(lx, t); return;
    }
}

void
nj_lexer_next(NjLexer *lx, NjToken *out)
{
    if (NJ_UNLIKELY(lx->modes_len > 0) && lx->modes[lx->modes_len - 1].in_text) {
        next_in_text(lx, out);
    }
    else {
        next_regular(lx, out);
    }
}

/* lexer.h - the token stream, for the parser and for _tokenize.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_FRONTEND_LEXER_H
#define NJ_FRONTEND_LEXER_H

#include "nj.h"

#include "base/arena.h"

typedef enum NjTok {
#define NJ_TOK(kind, text, number) T_##kind,
#define NJ_KW(kind, text) T_##kind,
#include "frontend/tokens.def"
#undef NJ_TOK
#undef NJ_KW
    T_COUNT,
    T_FIRST_KEYWORD = T_FALSE,
} NjTok;

/* Soft keywords: plain names that the parser looks at closely. */
enum { NJ_SOFT_NONE, NJ_SOFT_MATCH, NJ_SOFT_CASE, NJ_SOFT_TYPE, NJ_SOFT_UNDERSCORE };

typedef struct NjToken {
    uint8_t kind; /* NjTok */
    uint8_t soft; /* NJ_SOFT_*, of a NAME */
    uint8_t raw;  /* FSTRING_START & MIDDLE: of a raw string */
    uint8_t seen; /* parser: TYPE_IGNORE already recorded and the like */
    int level;    /* bracket depth after the token */
    int start, end; /* byte offsets in the text */
    int lineno, col, end_lineno, end_col; /* col -1: a token without text */
    PyObject *name;                       /* NAME: borrowed from the arena, or NULL */
} NjToken;

enum {
    NJ_MAX_INDENT = 100,
    NJ_MAX_LEVEL = 200,
    NJ_MAX_FSTRINGS = 150,
    NJ_MAX_FIELD_NESTING = 3,
};

/* What stopped the lexer. The names follow errcode.h. */
typedef enum NjLexDone {
    NJ_LEX_OK,
    NJ_LEX_EOF,      /* the end has been looked at */
    NJ_LEX_EOFS,     /* end within a triple-quoted string */
    NJ_LEX_ERROR,    /* exception set */
    NJ_LEX_DEDENT,   /* no matching outer indentation */
    NJ_LEX_TABSPACE, /* inconsistent tabs */
    NJ_LEX_TOODEEP,  /* too many indentation levels */
    NJ_LEX_LINECONT, /* junk after a backslash */
} NjLexDone;

typedef struct NjStringMode {
    char quote;
    uint8_t quote_size; /* 1 or 3 */
    bool raw;
    bool template; /* t-string */
    bool in_text;  /* scanning literal text, as opposed to an expression */
    int fields;    /* open replacement fields */
    struct {
        int level; /* bracket depth inside the field */
        bool in_spec;
    } field[NJ_MAX_FIELD_NESTING + 1];
    int start; /* offset of the first quote */
    int first_lineno;
    int line_start; /* of the line it began in */
    int base_level; /* bracket depth outside */
} NjStringMode;

typedef struct NjNameEntry {
    uint32_t hash;
    uint32_t len;
    const char *text;
    uint8_t kind, soft;
    PyObject *name;
} NjNameEntry;

typedef struct NjLexer {
    const char *buf, *end; /* the text, NUL-terminated, newlines are \n */
    const char *cur;
    const char *line_start;
    const char *chunk_start; /* line_start, but not moved within a token or by a \ */
    const char *tok_start;
    int lineno; /* lines begun so far */
    int level;
    int indent; /* index of the top of indents[] */
    int pending; /* INDENTs (positive) or DEDENTs (negative) to deliver */
    NjLexDone done;
    bool at_line_start;
    bool line_pending;    /* a new line has to be begun before the next character */
    bool type_comments;
    bool extra_tokens;    /* for _tokenize: COMMENT and NL are tokens too */
    bool no_warnings;
    bool diamonds;        /* `<>' is an operator (PEP 401) */
    bool blank_line;
    NjArena *arena;       /* for names; NULL: NAME tokens carry no object */
    PyObject *filename;   /* str */
    PyObject *module;     /* str or NULL, for warnings */
    NjNameEntry *names;
    uint32_t names_mask, names_used;
    PyObject *normalize;  /* unicodedata.normalize, lazily, owned */
    int modes_len, modes_cap;
    NjStringMode *modes;
    int indents[NJ_MAX_INDENT];
    int alt_indents[NJ_MAX_INDENT];
    char parens[NJ_MAX_LEVEL];
    int paren_lineno[NJ_MAX_LEVEL];
    int paren_col[NJ_MAX_LEVEL];
} NjLexer;

/* buf must be NUL-terminated at buf[size], UTF-8 with \n newlines, less than 2 GiB. */
NJ_MUST int nj_lexer_init(NjLexer *lx, const char *buf, Py_ssize_t size,
                          PyObject *filename, NjArena *arena);
void nj_lexer_clear(NjLexer *lx);

/* Fills *out with the next token. ERRORTOKEN: see lx->done; an exception is set exactly
 * when done is NJ_LEX_ERROR or NJ_LEX_EOFS. */
void nj_lexer_next(NjLexer *lx, NjToken *out);

/* Sets SyntaxError for columns given as 1-based byte offsets; -1: up to cur. */
NJ_COLD void nj_lexer_error_range(NjLexer *lx, int col, int end_col, const char *format,
                                  ...);

/* Emits a SyntaxWarning at the line; turned into a SyntaxError when the filter says so.
 * 0, or -1 with an exception set. */
NJ_MUST NJ_COLD int nj_lexer_warn(NjLexer *lx, int lineno, const char *format, ...);

/* Warns of an invalid escape sequence, shown without its backslash. -1 with an exception
 * set and done == NJ_LEX_ERROR, or without one when the warning is to be an error: then
 * the caller raises the SyntaxError. */
NJ_MUST NJ_COLD int nj_lexer_warn_escape(NjLexer *lx, int lineno, const char *shown,
                                         bool octal);

/* The name object for identifier text (interned, NFKC, owned by the arena), or NULL. */
NJ_MUST PyObject *nj_lexer_name(NjLexer *lx, const char *text, size_t len);

/* source.c: the text as UTF-8 with \n newlines and a final NUL, in memory from
 * PyMem_Malloc. flags: PyCF_IGNORE_COOKIE, NJ_CF_FILE. add_newline: end the text with one.
 * filename (str) is for messages. */
NJ_MUST char *nj_source_decode(const char *text, Py_ssize_t size, int flags,
                               bool add_newline, PyObject *filename,
                               Py_ssize_t *out_size);

extern const uint8_t nj_token_number[T_COUNT];
extern const char *const nj_token_text[T_COUNT];

#endif

/* sre_int.h - what the files of the _sre module share.
 *
 * The compiler is the library's (Lib/re/_compiler.py); this engine runs the code it emits:
 * 32-bit words, opcodes numbered as in Lib/re/_constants.py. A pattern's code is validated
 * when it is made, so the matcher trusts it.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_SRE_INT_H
#define NJ_MODULES_SRE_INT_H

#include "nj.h"

#define SRE_MAGIC 20230612
#define SRE_MAXREPEAT 0xffffffffu
#define SRE_MAXGROUPS (INT32_MAX / 2)

typedef uint32_t SreCode;

enum {
    OP_FAILURE, OP_SUCCESS, OP_ANY, OP_ANY_ALL, OP_ASSERT, OP_ASSERT_NOT, OP_AT, OP_BRANCH,
    OP_CATEGORY, OP_CHARSET, OP_BIGCHARSET, OP_GROUPREF, OP_GROUPREF_EXISTS, OP_IN, OP_INFO,
    OP_JUMP, OP_LITERAL, OP_MARK, OP_MAX_UNTIL, OP_MIN_UNTIL, OP_NOT_LITERAL, OP_NEGATE,
    OP_RANGE, OP_REPEAT, OP_REPEAT_ONE, OP_SUBPATTERN, OP_MIN_REPEAT_ONE, OP_ATOMIC_GROUP,
    OP_POSSESSIVE_REPEAT, OP_POSSESSIVE_REPEAT_ONE, OP_GROUPREF_IGNORE, OP_IN_IGNORE,
    OP_LITERAL_IGNORE, OP_NOT_LITERAL_IGNORE, OP_GROUPREF_LOC_IGNORE, OP_IN_LOC_IGNORE,
    OP_LITERAL_LOC_IGNORE, OP_NOT_LITERAL_LOC_IGNORE, OP_GROUPREF_UNI_IGNORE,
    OP_IN_UNI_IGNORE, OP_LITERAL_UNI_IGNORE, OP_NOT_LITERAL_UNI_IGNORE,
    OP_RANGE_UNI_IGNORE, OP_COUNT
};

enum {
    AT_BEGINNING, AT_BEGINNING_LINE, AT_BEGINNING_STRING, AT_BOUNDARY, AT_NON_BOUNDARY,
    AT_END, AT_END_LINE, AT_END_STRING, AT_LOC_BOUNDARY, AT_LOC_NON_BOUNDARY,
    AT_UNI_BOUNDARY, AT_UNI_NON_BOUNDARY, AT_COUNT
};

enum {
    CAT_DIGIT, CAT_NOT_DIGIT, CAT_SPACE, CAT_NOT_SPACE, CAT_WORD, CAT_NOT_WORD,
    CAT_LINEBREAK, CAT_NOT_LINEBREAK, CAT_LOC_WORD, CAT_LOC_NOT_WORD, CAT_UNI_DIGIT,
    CAT_UNI_NOT_DIGIT, CAT_UNI_SPACE, CAT_UNI_NOT_SPACE, CAT_UNI_WORD, CAT_UNI_NOT_WORD,
    CAT_UNI_LINEBREAK, CAT_UNI_NOT_LINEBREAK, CAT_COUNT
};

enum {
    FLAG_IGNORECASE = 2, FLAG_LOCALE = 4, FLAG_MULTILINE = 8, FLAG_DOTALL = 16,
    FLAG_UNICODE = 32, FLAG_VERBOSE = 64, FLAG_DEBUG = 128, FLAG_ASCII = 256
};

enum { INFO_PREFIX = 1, INFO_LITERAL = 2, INFO_CHARSET = 4 };

/* 256 bits: which of the first 256 characters a set holds. */
typedef struct SreBitmap {
    uint32_t bits[8];
} SreBitmap;

typedef struct SrePattern {
    PyObject_VAR_HEAD       /* ob_size: words of code */
    Py_ssize_t groups;      /* without group 0 */
    PyObject *groupindex;   /* dict name -> number */
    PyObject *indexgroup;   /* tuple number -> name or None */
    PyObject *pattern;      /* source, or None */
    int flags;
    int isbytes;            /* 1 bytes, 0 str, -1 unknown */
    PyObject *weaklist;
    SreBitmap *bitmaps;     /* of the sets in code */
    uint32_t *bitmap_of;    /* by offset of a set in code: its index in bitmaps + 1, or 0 */
    SreCode code[];
} SrePattern;

/* ---- the matcher (sre_match.c) ---------------------------------------------------------- */

/* A saved state to come back to. */
typedef struct SreChoice {
    uint32_t kind;
    uint32_t frame;     /* index + 1 of the enclosing barrier in the choice stack, 0 none */
    const SreCode *ip;
    Py_ssize_t p;       /* position */
    Py_ssize_t count;   /* kind's own: repetitions, ... */
    Py_ssize_t trail;   /* height of the trail to restore */
    int32_t repeat;     /* current repeat context, -1 none */
    int32_t repeats;    /* number of contexts alive */
} SreChoice;

typedef struct SreRepeat {
    const SreCode *code; /* behind the REPEAT opcode: skip min max body */
    Py_ssize_t count;    /* iterations done, -1 before the first UNTIL */
    Py_ssize_t last;     /* where the last iteration began, -1 none */
    int32_t outer;       /* enclosing context */
} SreRepeat;

typedef struct SreUndo {
    int32_t what; /* >= 0: mark index; UNDO_*: see sre_match.c */
    int32_t which;
    Py_ssize_t old;
} SreUndo;

typedef struct SreState {
    const SrePattern *pattern;
    const void *text; /* the characters, from index 0 */
    int kind;         /* bytes per character */
    Py_ssize_t length;      /* of text up to endpos */
    Py_ssize_t beginning;   /* where ^ matches: 0 */
    Py_ssize_t pos;         /* where the search began */
    Py_ssize_t start;       /* where matching starts or the match began */
    Py_ssize_t end;         /* where the match ended */
    bool match_all, must_advance;
    Py_ssize_t advance_from; /* the empty match that must_advance forbids */
    Py_ssize_t *marks;      /* -1 unset */
    Py_ssize_t nmarks;
    Py_ssize_t lastindex;
    SreChoice *choices;
    Py_ssize_t nchoices, choice_room;
    SreUndo *trail;
    Py_ssize_t ntrail, trail_room;
    SreRepeat *repeats;
    Py_ssize_t nrepeats, repeat_room;
    Py_ssize_t marks_fixed[20];
    unsigned ticks;
    /* owner of text */
    PyObject *string;
    Py_buffer buffer;
    int isbytes;
} SreState;

/* Matches at state->start. 1 (start, end, marks set), 0, or -1 with an exception. Runs signal
 * handlers now and then. */
NJ_MUST int sre_match(SreState *state);
/* Finds the first match at or after state->start. */
NJ_MUST int sre_search(SreState *state);
/* Forgets marks and saved states before another match. */
void sre_state_reset(SreState *state);

/* Whether a set (its code behind IN skip) holds ch. */
bool sre_charset_has(const SreCode *set, Py_UCS4 ch);
Py_UCS4 sre_lower_ascii(Py_UCS4 ch);
Py_UCS4 sre_lower_unicode(Py_UCS4 ch);
/* Checks the code words and fills the bitmaps. 0, or -1 with RuntimeError. */
NJ_MUST int sre_prepare(SrePattern *p);

#endif

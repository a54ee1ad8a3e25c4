/* sre_match.c - the backtracking matcher of _sre.
 *
 * One loop interprets the code words. Where it has a choice it pushes what it needs to
 * come back on an explicit stack (SreChoice), so nested patterns cost heap, not C stack.
 * Changes to marks and to repeat counters are noted on a trail and undone when a choice is
 * taken back, so every alternative sees the state that held when it was passed over.
 *
 * Atomic groups, assertions and possessive repeats push a barrier: a choice to which
 * `frame' points while their body runs. SUCCESS inside cuts the stack back to the barrier;
 * failing back to it means that the body has no match.
 * SPDX-License-Identifier: MIT
 */
#include "modules/sre/sre_int.h"

#include <ctype.h>

enum {
    CHOICE_BRANCH, CHOICE_REPEAT_ONE, CHOICE_MIN_REPEAT_ONE, CHOICE_MAX_UNTIL,
    CHOICE_MIN_UNTIL, CHOICE_ASSERT, CHOICE_ASSERT_NOT, CHOICE_ATOMIC, CHOICE_POSSESSIVE
};

enum { UNDO_LASTINDEX = -1, UNDO_COUNT = -2, UNDO_LAST = -3 };

/* ---- characters ------------------------------------------------------------------------- */

Py_UCS4
sre_lower_ascii(Py_UCS4 ch)
{
    return ch < 128 ? (Py_UCS4)Py_TOLOWER(ch) : ch;
}

Py_UCS4
sre_lower_unicode(Py_UCS4 ch)
{
    return ch < 128 ? (Py_UCS4)Py_TOLOWER(ch) : Py_UNICODE_TOLOWER(ch);
}

static Py_UCS4
lower_locale(Py_UCS4 ch)
{
    return ch < 256 ? (Py_UCS4)tolower((int)ch) : ch;
}

static Py_UCS4
upper_locale(Py_UCS4 ch)
{
    return ch < 256 ? (Py_UCS4)toupper((int)ch) : ch;
}

static bool
is_word_ascii(Py_UCS4 ch)
{
    return ch < 128 && (Py_ISALNUM(ch) || ch == '_');
}

static bool
is_word_locale(Py_UCS4 ch)
{
    return ch < 256 && (isalnum((int)ch) || ch == '_');
}

static bool
is_word_unicode(Py_UCS4 ch)
{
    return Py_UNICODE_ISALNUM(ch) || ch == '_';
}

static bool
in_category(SreCode category, Py_UCS4 ch)
{
    switch (category) {
    case CAT_DIGIT:
        return ch < 128 && Py_ISDIGIT(ch);
    case CAT_NOT_DIGIT:
        return !(ch < 128 && Py_ISDIGIT(ch));
    case CAT_SPACE:
        return ch < 128 && Py_ISSPACE(ch);
    case CAT_NOT_SPACE:
        return !(ch < 128 && Py_ISSPACE(ch));
    case CAT_WORD:
        return is_word_ascii(ch);
    case CAT_NOT_WORD:
        return !is_word_ascii(ch);
    case CAT_LINEBREAK:
        return ch == '\n';
    case CAT_NOT_LINEBREAK:
        return ch != '\n';
    case CAT_LOC_WORD:
        return is_word_locale(ch);
    case CAT_LOC_NOT_WORD:
        return !is_word_locale(ch);
    case CAT_UNI_DIGIT:
        return Py_UNICODE_ISDECIMAL(ch);
    case CAT_UNI_NOT_DIGIT:
        return !Py_UNICODE_ISDECIMAL(ch);
    case CAT_UNI_SPACE:
        return Py_UNICODE_ISSPACE(ch);
    case CAT_UNI_NOT_SPACE:
        return !Py_UNICODE_ISSPACE(ch);
    case CAT_UNI_WORD:
        return is_word_unicode(ch);
    case CAT_UNI_NOT_WORD:
        return !is_word_unicode(ch);
    case CAT_UNI_LINEBREAK:
        return Py_UNICODE_ISLINEBREAK(ch);
    case CAT_UNI_NOT_LINEBREAK:
        return !Py_UNICODE_ISLINEBREAK(ch);
    }
    return false;
}

bool
sre_charset_has(const SreCode *set, Py_UCS4 ch)
{
    bool found = true;
    for (;;) {
        switch (*set++) {
        case OP_FAILURE:
            return !found;
        case OP_LITERAL:
            if (ch == set[0]) {
                return found;
            }
            set++;
            break;
        case OP_CATEGORY:
            if (in_category(set[0], ch)) {
                return found;
            }
            set++;
            break;
        case OP_CHARSET:
            if (ch < 256 && (set[ch >> 5] >> (ch & 31) & 1)) {
                return found;
            }
            set += 8;
            break;
        case OP_RANGE:
            if (set[0] <= ch && ch <= set[1]) {
                return found;
            }
            set += 2;
            break;
        case OP_RANGE_UNI_IGNORE: {
            if (set[0] <= ch && ch <= set[1]) {
                return found;
            }
            Py_UCS4 up = Py_UNICODE_TOUPPER(ch);
            if (set[0] <= up && up <= set[1]) {
                return found;
            }
            set += 2;
            break;
        }
        case OP_NEGATE:
            found = !found;
            break;
        case OP_BIGCHARSET: {
            SreCode blocks = *set++;
            const unsigned char *index = (const unsigned char *)set;
            set += 64;
            if (ch < 0x10000) {
                SreCode block = index[ch >> 8];
                if (set[(block * 256 + (ch & 255)) / 32] >> (ch & 31) & 1) {
                    return found;
                }
            }
            set += blocks * 8;
            break;
        }
        default:
            return false;
        }
    }
}

static inline const SreBitmap *
bitmap_at(const SrePattern *p, const SreCode *set)
{
    uint32_t i = p->bitmap_of ? p->bitmap_of[set - p->code] : 0;
    return i ? &p->bitmaps[i - 1] : NULL;
}

static inline bool
in_set(const SrePattern *p, const SreCode *set, Py_UCS4 ch)
{
    if (ch < 256) {
        const SreBitmap *b = bitmap_at(p, set);
        if (b) {
            return b->bits[ch >> 5] >> (ch & 31) & 1;
        }
    }
    return sre_charset_has(set, ch);
}

/* Whether ch matches the single-character item at ip. */
static bool
match_one(const SrePattern *p, const SreCode *ip, Py_UCS4 ch)
{
    switch (ip[0]) {
    case OP_ANY:
        return ch != '\n';
    case OP_ANY_ALL:
        return true;
    case OP_LITERAL:
        return ch == ip[1];
    case OP_NOT_LITERAL:
        return ch != ip[1];
    case OP_IN:
        return in_set(p, ip + 2, ch);
    case OP_CATEGORY:
        return in_category(ip[1], ch);
    case OP_LITERAL_IGNORE:
        return sre_lower_ascii(ch) == ip[1];
    case OP_NOT_LITERAL_IGNORE:
        return sre_lower_ascii(ch) != ip[1];
    case OP_IN_IGNORE:
        return in_set(p, ip + 2, sre_lower_ascii(ch));
    case OP_LITERAL_UNI_IGNORE:
        return sre_lower_unicode(ch) == ip[1];
    case OP_NOT_LITERAL_UNI_IGNORE:
        return sre_lower_unicode(ch) != ip[1];
    case OP_IN_UNI_IGNORE:
        return in_set(p, ip + 2, sre_lower_unicode(ch));
    case OP_LITERAL_LOC_IGNORE:
        return ch == ip[1] || lower_locale(ch) == ip[1] || upper_locale(ch) == ip[1];
    case OP_NOT_LITERAL_LOC_IGNORE:
        return !(ch == ip[1] || lower_locale(ch) == ip[1] || upper_locale(ch) == ip[1]);
    case OP_IN_LOC_IGNORE:
        /* in the set when either case is, so outside a negated one when either is not */
        return ip[2] == OP_NEGATE ? sre_charset_has(ip + 2, lower_locale(ch)) &&
                                        sre_charset_has(ip + 2, upper_locale(ch))
                                  : sre_charset_has(ip + 2, lower_locale(ch)) ||
                                        sre_charset_has(ip + 2, upper_locale(ch));
    }
    return false;
}

/* ---- stacks ------------------------------------------------------------------------------- */

static int
grow(void *vec, Py_ssize_t *room, size_t size)
{
    Py_ssize_t more = *room ? *room * 2 : 64;
    if ((size_t)more > PY_SSIZE_T_MAX / size) {
        PyErr_NoMemory();
        return -1;
    }
    void *p = PyMem_Realloc(*(void **)vec, (size_t)more * size);
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    *(void **)vec = p;
    *room = more;
    return 0;
}

static inline int
push_choice(SreState *s, uint32_t kind, uint32_t frame, const SreCode *ip, Py_ssize_t p,
            Py_ssize_t count, int32_t repeat)
{
    if (s->nchoices == s->choice_room &&
        grow(&s->choices, &s->choice_room, sizeof(*s->choices)) < 0) {
        return -1;
    }
    s->choices[s->nchoices++] = (SreChoice){kind,      frame, ip, p, count, s->ntrail, repeat,
                                            (int32_t)s->nrepeats};
    return 0;
}

static inline int
log_undo(SreState *s, int32_t what, int32_t which, Py_ssize_t old)
{
    if (s->nchoices == 0) {
        return 0; /* nothing to come back to */
    }
    if (s->ntrail == s->trail_room &&
        grow(&s->trail, &s->trail_room, sizeof(*s->trail)) < 0) {
        return -1;
    }
    s->trail[s->ntrail++] = (SreUndo){what, which, old};
    return 0;
}

static inline void
undo_to(SreState *s, Py_ssize_t height)
{
    while (s->ntrail > height) {
        SreUndo *u = &s->trail[--s->ntrail];
        if (u->what >= 0) {
            s->marks[u->what] = u->old;
        } else if (u->what == UNDO_LASTINDEX) {
            s->lastindex = u->old;
        } else if (u->what == UNDO_COUNT) {
            s->repeats[u->which].count = u->old;
        } else {
            s->repeats[u->which].last = u->old;
        }
    }
}

static int32_t
push_repeat(SreState *s, const SreCode *code, int32_t outer)
{
    if (s->nrepeats == s->repeat_room &&
        grow(&s->repeats, &s->repeat_room, sizeof(*s->repeats)) < 0) {
        return -1;
    }
    if (s->nrepeats >= INT32_MAX) {
        PyErr_NoMemory();
        return -1;
    }
    s->repeats[s->nrepeats] = (SreRepeat){code, -1, -1, outer};
    return (int32_t)s->nrepeats++;
}

void
sre_state_reset(SreState *s)
{
    s->nchoices = s->ntrail = s->nrepeats = 0;
    s->lastindex = -1;
    for (Py_ssize_t i = 0; i < s->nmarks; i++) {
        s->marks[i] = -1;
    }
}

/* Long matches let signal handlers run. */
static NJ_COLD int
check_signals(SreState *s)
{
    s->ticks = 0;
    return PyErr_CheckSignals();
}
#define TICK(s) (NJ_UNLIKELY(++(s)->ticks >= 4096) && check_signals(s) < 0)

#define CHAR Py_UCS1
#define NAME(x) x##_ucs1
#include "modules/sre/sre_match.inc"
#undef CHAR
#undef NAME
#define CHAR Py_UCS2
#define NAME(x) x##_ucs2
#include "modules/sre/sre_match.inc"
#undef CHAR
#undef NAME
#define CHAR Py_UCS4
#define NAME(x) x##_ucs4
#include "modules/sre/sre_match.inc"
#undef CHAR
#undef NAME

int
sre_match(SreState *s)
{
    const SreCode *code = s->pattern->code;
    sre_state_reset(s);
    if (s->start > s->length) {
        return 0;
    }
    if (code[0] == OP_INFO) {
        if ((Py_ssize_t)code[3] > s->length - s->start) {
            return 0;
        }
        code += 1 + code[1];
    }
    return s->kind == 1   ? match_ucs1(s, code, s->start)
           : s->kind == 2 ? match_ucs2(s, code, s->start)
                          : match_ucs4(s, code, s->start);
}

int
sre_search(SreState *s)
{
    sre_state_reset(s);
    return s->kind == 1 ? search_ucs1(s) : s->kind == 2 ? search_ucs2(s) : search_ucs4(s);
}

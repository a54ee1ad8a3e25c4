/* sre_prepare.c - checks the code words of a pattern and draws the bitmaps of its sets.
 *
 * _sre.compile can be called with any list of integers: whatever passes here cannot make
 * the matcher read or jump outside the code, use a missing group, or meet an UNTIL
 * without its REPEAT.
 * SPDX-License-Identifier: MIT
 */
#include "modules/sre/sre_int.h"

#include "runtime/state.h"

typedef struct Checker {
    SrePattern *p;
    Py_ssize_t nbitmaps, room;
    int depth;
} Checker;

#define MAX_DEPTH 5000

/* Notes the set at `set' and its bitmap, unless it depends on the locale. */
static int
add_bitmap(Checker *c, const SreCode *set, bool locale)
{
    SrePattern *p = c->p;
    if (locale) {
        return 0;
    }
    if (!p->bitmap_of) {
        p->bitmap_of = PyMem_Calloc((size_t)Py_SIZE(p) + 1, sizeof(uint32_t));
        if (!p->bitmap_of) {
            PyErr_NoMemory();
            return -1;
        }
    }
    if (p->bitmap_of[set - p->code]) {
        return 0;
    }
    if (c->nbitmaps == c->room) {
        Py_ssize_t room = c->room ? c->room * 2 : 4;
        SreBitmap *b = PyMem_Realloc(p->bitmaps, (size_t)room * sizeof(*b));
        if (!b) {
            PyErr_NoMemory();
            return -1;
        }
        p->bitmaps = b;
        c->room = room;
    }
    SreBitmap *b = &p->bitmaps[c->nbitmaps++];
    memset(b, 0, sizeof(*b));
    for (Py_UCS4 ch = 0; ch < 256; ch++) {
        if (sre_charset_has(set, ch)) {
            b->bits[ch >> 5] |= 1u << (ch & 31);
        }
    }
    p->bitmap_of[set - p->code] = (uint32_t)c->nbitmaps;
    return 0;
}

/* A set that ends with FAILURE exactly before end. */
static bool
check_charset(const SreCode *code, const SreCode *end, bool *locale)
{
    if (code >= end || end[-1] != OP_FAILURE) {
        return false;
    }
    end--;
    while (code < end) {
        switch (*code++) {
        case OP_NEGATE:
            break;
        case OP_LITERAL:
            code++;
            break;
        case OP_RANGE:
        case OP_RANGE_UNI_IGNORE:
            code += 2;
            break;
        case OP_CHARSET:
            code += 8;
            break;
        case OP_BIGCHARSET: {
            if (end - code < 1 + 64) {
                return false;
            }
            SreCode blocks = *code++;
            if (blocks > 256) {
                return false;
            }
            const unsigned char *index = (const unsigned char *)code;
            for (int i = 0; i < 256; i++) {
                if (index[i] >= blocks) {
                    return false;
                }
            }
            code += 64 + blocks * 8;
            break;
        }
        case OP_CATEGORY:
            if (code >= end || code[0] >= CAT_COUNT) {
                return false;
            }
            if (code[0] == CAT_LOC_WORD || code[0] == CAT_LOC_NOT_WORD) {
                *locale = true;
            }
            code++;
            break;
        default:
            return false;
        }
        if (code > end) {
            return false;
        }
    }
    return true;
}

/* 1 valid, 0 not, -1 error. */
static int check_code(Checker *c, const SreCode *code, const SreCode *end);

/* The skip word at *code, or NULL when it leads out of [code, end]. adjust: words between
 * the opcode's own count and the word itself. */
static const SreCode *
skip_target(const SreCode *word, const SreCode *end, Py_ssize_t adjust)
{
    if (word >= end) {
        return NULL;
    }
    Py_ssize_t skip = *word;
    return skip - adjust > end - word || skip < adjust ? NULL : word + skip - adjust;
}

static bool
is_unit(SreCode op)
{
    switch (op) {
    case OP_ANY:
    case OP_ANY_ALL:
    case OP_CATEGORY:
    case OP_LITERAL:
    case OP_NOT_LITERAL:
    case OP_LITERAL_IGNORE:
    case OP_NOT_LITERAL_IGNORE:
    case OP_LITERAL_UNI_IGNORE:
    case OP_NOT_LITERAL_UNI_IGNORE:
    case OP_LITERAL_LOC_IGNORE:
    case OP_NOT_LITERAL_LOC_IGNORE:
    case OP_IN:
    case OP_IN_IGNORE:
    case OP_IN_UNI_IGNORE:
    case OP_IN_LOC_IGNORE:
        return true;
    }
    return false;
}

static int
check_branch(Checker *c, const SreCode *code, const SreCode *end, const SreCode **after)
{
    const SreCode *target = NULL;
    for (;;) {
        const SreCode *next = skip_target(code, end, 0);
        if (!next) {
            return 0;
        }
        if (*code == 0) {
            break;
        }
        if (*code < 3 || next > end || next[-2] != OP_JUMP) {
            return 0;
        }
        int r = check_code(c, code + 1, next - 2);
        if (r <= 0) {
            return r;
        }
        const SreCode *to = skip_target(next - 1, end, 0);
        if (!to || (target && to != target)) {
            return 0;
        }
        target = to;
        code = next;
    }
    code++;
    if (target && target != code) {
        return 0;
    }
    *after = code;
    return 1;
}

static int
check_code(Checker *c, const SreCode *code, const SreCode *end)
{
    Py_ssize_t groups = c->p->groups;
    if (code > end) {
        return 0;
    }
    if (++c->depth > MAX_DEPTH || nj_c_stack_low()) {
        PyErr_SetString(PyExc_RecursionError, "regular expression nested too deeply");
        return -1;
    }
    int r = 1;
    while (code < end && r > 0) {
        const SreCode *after;
        SreCode op = *code++;
        switch (op) {
        case OP_MARK:
            r = code < end && code[0] < 2 * (size_t)groups;
            code++;
            break;
        case OP_LITERAL:
        case OP_NOT_LITERAL:
        case OP_LITERAL_IGNORE:
        case OP_NOT_LITERAL_IGNORE:
        case OP_LITERAL_UNI_IGNORE:
        case OP_NOT_LITERAL_UNI_IGNORE:
        case OP_LITERAL_LOC_IGNORE:
        case OP_NOT_LITERAL_LOC_IGNORE:
            r = code < end;
            code++;
            break;
        case OP_SUCCESS:
        case OP_FAILURE:
        case OP_ANY:
        case OP_ANY_ALL:
            break;
        case OP_AT:
            r = code < end && code[0] < AT_COUNT;
            code++;
            break;
        case OP_CATEGORY:
            r = code < end && code[0] < CAT_COUNT;
            code++;
            break;
        case OP_IN:
        case OP_IN_IGNORE:
        case OP_IN_UNI_IGNORE:
        case OP_IN_LOC_IGNORE: {
            after = skip_target(code, end, 0);
            bool locale = op == OP_IN_LOC_IGNORE;
            if (!after || after <= code + 1 || !check_charset(code + 1, after, &locale)) {
                r = 0;
                break;
            }
            if (add_bitmap(c, code + 1, locale) < 0) {
                r = -1;
            }
            code = after;
            break;
        }
        case OP_INFO: {
            after = skip_target(code, end, 0);
            if (!after || after - code < 4) {
                r = 0;
                break;
            }
            SreCode flags = code[1];
            const SreCode *body = code + 4;
            if (flags & ~(SreCode)7 ||
                ((flags & INFO_CHARSET) && (flags & INFO_PREFIX)) ||
                ((flags & INFO_LITERAL) && !(flags & INFO_PREFIX))) {
                r = 0;
                break;
            }
            if (flags & INFO_PREFIX) {
                if (after - body < 2 || body[0] == 0 || body[1] > body[0] ||
                    (size_t)(after - body) != 2 + 2 * (size_t)body[0]) {
                    r = 0;
                    break;
                }
            } else if (flags & INFO_CHARSET) {
                bool locale = false;
                if (!check_charset(body, after, &locale)) {
                    r = 0;
                    break;
                }
                if (add_bitmap(c, body, locale) < 0) {
                    r = -1;
                }
            } else if (body != after) {
                r = 0;
            }
            code = after;
            break;
        }
        case OP_BRANCH:
            r = check_branch(c, code, end, &after);
            if (r > 0) {
                code = after;
            }
            break;
        case OP_REPEAT_ONE:
        case OP_MIN_REPEAT_ONE:
        case OP_POSSESSIVE_REPEAT_ONE:
            after = skip_target(code, end, 0);
            if (!after || after - code < 5 || code[1] > code[2] || !is_unit(code[3]) ||
                after[-1] != OP_SUCCESS) {
                r = 0;
                break;
            }
            r = check_code(c, code + 3, after - 1);
            code = after;
            break;
        case OP_REPEAT:
        case OP_POSSESSIVE_REPEAT:
            after = skip_target(code, end, 0);
            if (!after || after >= end || after - code < 3 || code[1] > code[2]) {
                r = 0;
                break;
            }
            r = check_code(c, code + 3, after);
            if (op == OP_POSSESSIVE_REPEAT ? *after != OP_SUCCESS
                                           : *after != OP_MAX_UNTIL && *after != OP_MIN_UNTIL) {
                r = r < 0 ? r : 0;
            }
            code = after + 1;
            break;
        case OP_ATOMIC_GROUP:
            after = skip_target(code, end, 0);
            if (!after || after - code < 2 || after[-1] != OP_SUCCESS) {
                r = 0;
                break;
            }
            r = check_code(c, code + 1, after - 1);
            code = after;
            break;
        case OP_GROUPREF:
        case OP_GROUPREF_IGNORE:
        case OP_GROUPREF_UNI_IGNORE:
        case OP_GROUPREF_LOC_IGNORE:
            r = code < end && code[0] < (size_t)groups;
            code++;
            break;
        case OP_GROUPREF_EXISTS: {
            if (end - code < 2 || code[0] >= (size_t)groups) {
                r = 0;
                break;
            }
            const SreCode *skip = code + 1;
            Py_ssize_t n = skip[0];
            if (n < 2 || n - 1 > end - skip) {
                r = 0;
                break;
            }
            const SreCode *no = skip + n - 1; /* where the other branch begins */
            const SreCode *yes = skip + 1;
            if (n >= 4 && no - yes >= 2 && no[-2] == OP_JUMP && no[-1] > 0 &&
                (size_t)no[-1] <= (size_t)(end - no) + 1) {
                r = check_code(c, yes, no - 2);
                if (r > 0) {
                    const SreCode *done = no - 1 + no[-1];
                    r = check_code(c, no, done);
                    code = done;
                    break;
                }
                if (r < 0) {
                    break;
                }
            }
            r = check_code(c, yes, no);
            code = no;
            break;
        }
        case OP_ASSERT:
        case OP_ASSERT_NOT:
            after = skip_target(code, end, 0);
            if (!after || after - code < 3 || (code[1] & 0x80000000u) ||
                after[-1] != OP_SUCCESS) {
                r = 0;
                break;
            }
            r = check_code(c, code + 2, after - 1);
            code = after;
            break;
        default: /* JUMP too: the alternatives' own jumps are cut off before they come here */
            r = 0;
        }
        if (code > end) {
            r = r < 0 ? r : 0;
        }
    }
    c->depth--;
    return r;
}

int
sre_prepare(SrePattern *p)
{
    Checker c = {p, 0, 0, 0};
    Py_ssize_t n = Py_SIZE(p);
    int r = p->groups >= 0 && p->groups <= SRE_MAXGROUPS && n > 0 &&
            p->code[n - 1] == OP_SUCCESS;
    if (r) {
        r = check_code(&c, p->code, p->code + n - 1);
    }
    if (r == 0) {
        PyErr_SetString(PyExc_RuntimeError, "invalid SRE code");
    }
    return r > 0 ? 0 : -1;
}

/* stateful.c - HZ and the ISO-2022 family: codecs that shift between charsets.
 *
 * ISO-2022's state: c[0] to c[2] are the marks of the charsets designated to G0 to G2,
 * c[4] tells whether G1 is shifted in, c[5] whether an ESC that starts nothing was seen:
 * all up to the end of the line is taken as it is then. HZ's state: c[0] is 1 within ~{ ~}.
 * SPDX-License-Identifier: MIT
 */
#include "mbc.h"

enum { G_ASCII = 'B', TWO_BYTES = 0x80, SHIFTED = 4, THROUGH = 5 };

void
mbc_start(const Tables *t, ShiftState *s)
{
    memset(s, 0, sizeof *s);
    if (t->table->rule == CJK_ISO2022) {
        s->c[0] = G_ASCII;
        s->c[1] = G_ASCII;
    }
}

static int
put_string(Bytes *out, const char *s)
{
    for (; *s; s++) {
        if (put_byte(out, (uint8_t)*s) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- HZ */

static int
hz_decode(const Tables *t, ShiftState *s, const uint8_t **pp, const uint8_t *end, Text *out)
{
    const uint8_t *p = *pp;
    int status = 0;
    while (p < end && status == 0) {
        unsigned b = *p;
        if (b == '~') {
            if (end - p < 2) {
                status = NEED_MORE;
            }
            else if (p[1] == '~' && !s->c[0]) {
                status = put_char(out, '~') < 0 ? FAILED : 0;
                p += status ? 0 : 2;
            }
            else if (p[1] == '{' && !s->c[0]) {
                s->c[0] = 1;
                p += 2;
            }
            else if (p[1] == '}' && s->c[0]) {
                s->c[0] = 0;
                p += 2;
            }
            else if (p[1] == '\n' && !s->c[0]) {
                p += 2; /* a broken line */
            }
            else {
                status = 1;
            }
        }
        else if (b & 0x80) {
            status = 1;
        }
        else if (!s->c[0]) {
            status = put_char(out, b) < 0 ? FAILED : 0;
            p += status ? 0 : 1;
        }
        else if (end - p < 2) {
            status = NEED_MORE;
        }
        else {
            const uint16_t *row = t->base->rows[b | 0x80];
            unsigned word = row && !(p[1] & 0x80) ? row[p[1] | 0x80] : 0;
            status = !word ? 1 : put_word(t->base, out, word) < 0 ? FAILED : 0;
            p += status ? 0 : 2;
        }
    }
    *pp = p;
    return status;
}

static int
hz_encode(const Tables *t, ShiftState *s, Chars *in, Bytes *out)
{
    for (; in->pos < in->len; in->pos++) {
        Py_UCS4 c = peek(in, in->pos);
        if (c < 0x80) {
            if (s->c[0]) {
                if (put_string(out, "~}") < 0) {
                    return FAILED;
                }
                s->c[0] = 0;
            }
            if ((c == '~' && put_byte(out, '~') < 0) || put_byte(out, c) < 0) {
                return FAILED;
            }
            continue;
        }
        unsigned code = code_of(t->base, c);
        if (!code) {
            return 1;
        }
        if (!s->c[0]) {
            if (put_string(out, "~{") < 0) {
                return FAILED;
            }
            s->c[0] = 1;
        }
        if (put_byte(out, (code >> 8) & 0x7F) < 0 || put_byte(out, code & 0x7F) < 0) {
            return FAILED;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- ISO-2022, decoding */

static const CjkCharset *
designated(const Tables *t, unsigned mark, int *at)
{
    for (int i = 0; t->table->charsets[i].escape; i++) {
        if (t->table->charsets[i].mark == mark) {
            *at = i;
            return &t->table->charsets[i];
        }
    }
    return NULL;
}

static bool
has_g(const Tables *t, int g)
{
    for (int i = 0; t->table->charsets[i].escape; i++) {
        if (t->table->charsets[i].g == g) {
            return true;
        }
    }
    return false;
}

/* ISO 8859-7 of 1987, the upper half: what differs from U+0370 + (b - 0xA0). */
static Py_UCS4
greek_char(unsigned b)
{
    switch (b) {
    case 0xA0: case 0xA3: case 0xA6: case 0xA7: case 0xA8: case 0xA9: case 0xAB: case 0xAC:
    case 0xAD: case 0xB0: case 0xB1: case 0xB2: case 0xB3: case 0xB7: case 0xBB: case 0xBD:
        return b;
    case 0xA1:
        return 0x2018;
    case 0xA2:
        return 0x2019;
    case 0xAF:
        return 0x2015;
    case 0xA4: case 0xA5: case 0xAA: case 0xAE: case 0xD2: case 0xFF:
        return 0;
    default:
        return b < 0xA0 ? b : 0x0370 + (b - 0xA0);
    }
}

/* The length of an escape sequence at p; 0 if ESC stands for itself; NEED_MORE. */
static int
escape_length(const Tables *t, const uint8_t *p, const uint8_t *end)
{
    int at;
    if (end - p < 2) {
        return NEED_MORE;
    }
    if (!strchr("($).&", p[1]) || !p[1]) {
        return 0;
    }
    enum { LONGEST = 16 };
    for (int i = 1; i < LONGEST; i++) {
        if (p + i >= end) {
            return NEED_MORE;
        }
        if ((p[i] >= 'A' && p[i] <= 'Z') || p[i] == '@') {
            if (p[1] == '&' && i == 2 && p[2] == '@' && designated(t, 'B' | TWO_BYTES, &at)) {
                continue; /* the announcement goes on with the designation */
            }
            return i + 1;
        }
    }
    return 1;
}

/* Takes a designation of n bytes. false if the codec does not know it. */
static bool
designate(const Tables *t, ShiftState *s, const uint8_t *p, int n)
{
    const uint8_t *text = p + 1;
    int len = n - 1, g = 0, at;
    if (len > 3 && memcmp(text, "&@\x1b", 3) == 0) { /* announced JIS X 0208:1990 */
        text += 3;
        len -= 3;
    }
    unsigned mark = text[len - 1];
    bool two = text[0] == '$';
    if (two) {
        mark |= TWO_BYTES;
        text++;
        len--;
    }
    if (len == 2) {
        g = text[0] == '(' ? 0 : text[0] == ')' ? 1 : text[0] == '.' && !two && has_g(t, 2) ? 2 : -1;
    }
    if (g < 0 || len > 2 || (len == 1 && !two) || !designated(t, mark, &at)) {
        return false;
    }
    s->c[g] = (uint8_t)mark;
    return true;
}

static int
iso_decode_g2(ShiftState *s, const uint8_t *p, const uint8_t *end, Text *out)
{
    if (end - p < 3) {
        return NEED_MORE;
    }
    if (p[2] & 0x80) {
        return 3;
    }
    unsigned b = p[2] | 0x80;
    Py_UCS4 c = p[2]; /* nothing designated: the character itself */
    if (s->c[2] == 'A') {
        c = b;
    }
    else if (s->c[2] == 'F') {
        c = greek_char(b);
        if (!c) {
            return 3;
        }
    }
    return put_char(out, c) < 0 ? FAILED : 0;
}

/* EUC's three-byte codes hold JIS X 0212 and plane 2 of JIS X 0213 in rows of their own. */
static bool
plane2_row(unsigned row)
{
    return row == 0xA1 || (row >= 0xA3 && row <= 0xA5) || row == 0xA8
           || (row >= 0xAC && row <= 0xAF) || row >= 0xEE;
}

enum { MARK_KSX1001 = 'C' | TWO_BYTES };

/* Plane 1 of JIS X 0213, whose wave 22 32 is not the EUC codecs' fullwidth one here. */
static bool
is_jisx0213_1(unsigned mark)
{
    return mark == ('O' | TWO_BYTES) || mark == ('Q' | TWO_BYTES);
}

/* One character of the charset with this mark. Returns as the decoders do; *n tells how
 * many bytes it takes. */
static int
iso_decode_char(const Tables *t, unsigned mark, const uint8_t *p, const uint8_t *end, Text *out,
                int *n)
{
    int at;
    const CjkCharset *charset = designated(t, mark, &at);
    *n = 1;
    if (!charset) {
        return 1;
    }
    if (!(mark & TWO_BYTES)) {
        Py_UCS4 c = *p;
        if (mark == 'J') {
            c = c == '\\' ? 0xA5 : c == '~' ? 0x203E : c;
        }
        else if (mark == 'I') {
            if (c < 0x21 || c > 0x5F) {
                return 1;
            }
            c += 0xFF61 - 0x21;
        }
        else if (mark == 'A' || mark == 'F') {
            c |= 0x80;
            c = mark == 'F' ? greek_char(c) : c;
            if (!c) {
                return 1;
            }
        }
        return put_char(out, c) < 0 ? FAILED : 0;
    }
    if (end - p < 2) {
        return NEED_MORE;
    }
    *n = 2;
    const Tables *set = t->charsets[at];
    uint16_t *row = charset->three ? set->rows3[*p | 0x80] : set->rows[*p | 0x80];
    unsigned word = row && !(p[1] & 0x80) ? row[p[1] | 0x80] : 0;
    if (mark == MARK_KSX1001 && *p == 0x24 && p[1] == 0x54) {
        word = 0x3164; /* the filler, which EUC-KR spells syllables with */
    }
    else if (is_jisx0213_1(mark) && *p == 0x22 && p[1] == 0x32) {
        word = '~';
    }
    else if (word == 0x9B1D && strcmp(charset->name, "euc_jisx0213") == 0) {
        word = 0x9B1C; /* as the edition of 2000 had it */
    }
    if (!word || (charset->three == 2 && !plane2_row(*p | 0x80u))) {
        return 2;
    }
    return put_word(set, out, word) < 0 ? FAILED : 0;
}

static int
iso_decode(const Tables *t, ShiftState *s, const uint8_t **pp, const uint8_t *end, Text *out)
{
    const uint8_t *p = *pp;
    bool shifts = has_g(t, 1), singles = has_g(t, 2);
    int status = 0;
    while (p < end && status == 0) {
        unsigned b = *p;
        int n = 1;
        if (s->c[THROUGH]) {
            s->c[THROUGH] = b != '\n';
            status = put_char(out, b) < 0 ? FAILED : 0;
        }
        else if (b == 0x1B) {
            int len = singles && end - p >= 2 && p[1] == 'N' ? 0 : escape_length(t, p, end);
            if (singles && end - p >= 2 && p[1] == 'N') {
                status = iso_decode_g2(s, p, end, out);
                n = 3;
            }
            else if (len == NEED_MORE) {
                status = NEED_MORE;
            }
            else if (len == 0) {
                s->c[THROUGH] = 1;
                status = put_char(out, b) < 0 ? FAILED : 0;
            }
            else {
                status = designate(t, s, p, len) ? 0 : len;
                n = len;
            }
        }
        else if (shifts && (b == 0x0E || b == 0x0F)) {
            s->c[SHIFTED] = b == 0x0E;
        }
        else if (b < 0x20) {
            if (b == '\n') {
                s->c[SHIFTED] = 0;
            }
            status = put_char(out, b) < 0 ? FAILED : 0;
        }
        else if (b & 0x80) {
            status = 1;
        }
        else {
            status = iso_decode_char(t, s->c[SHIFTED] ? s->c[1] : s->c[0], p, end, out, &n);
        }
        if (status == 0) {
            p += n;
        }
    }
    *pp = p;
    return status;
}

/* ---------------------------------------------------------------- ISO-2022, encoding */

/* The code of the next character in charset number i, 0 if it has none; *n tells how many
 * characters it takes. */
static unsigned
iso_code(const Tables *t, int i, Chars *in, Py_UCS4 c, int *n)
{
    const CjkCharset *charset = &t->table->charsets[i];
    *n = 1;
    if (!(charset->mark & TWO_BYTES)) {
        switch (charset->mark) {
        case G_ASCII:
            return c < 0x80 ? c : 0;
        case 'J':
            return c == 0xA5 ? '\\' : c == 0x203E ? '~' : 0;
        case 'I':
            return c >= 0xFF61 && c <= 0xFF9F ? c - 0xFF61 + 0x21 : 0;
        default:
            return 0;
        }
    }
    const Tables *set = t->charsets[i];
    if (set->n_pairs && in->pos + 1 < in->len) {
        unsigned both = mbc_pair_code(set, c, peek(in, in->pos + 1));
        if (both && !charset->three) {
            *n = 2;
            return both & 0x7F7F;
        }
    }
    unsigned code = code_of(set, c);
    if (code < 0x100 || (code >> 8) == 0x8E) {
        return 0;
    }
    if (is_jisx0213_1(charset->mark) && code == 0xA2B2) {
        return 0;
    }
    bool is_three = set->table->cells3 && !(code & 0x80);
    if (is_three != (charset->three != 0) || (charset->three == 2 && !plane2_row(code >> 8))) {
        return 0;
    }
    return code & 0x7F7F;
}

/* Whether some charset has a pair that starts with c. */
static bool
pair_possible(const Tables *t, Py_UCS4 c)
{
    for (int i = 0; t->table->charsets[i].escape; i++) {
        const Tables *set = t->charsets[i];
        if (set && set->n_pairs && !t->table->charsets[i].three && mbc_starts_pair(set, c)) {
            return true;
        }
    }
    return false;
}

static int
switch_to(const CjkCharset *charset, ShiftState *s, Bytes *out)
{
    if (charset->g == 0) {
        if (s->c[SHIFTED]) {
            if (put_byte(out, 0x0F) < 0) {
                return -1;
            }
            s->c[SHIFTED] = 0;
        }
        if (s->c[0] == charset->mark) {
            return 0;
        }
        s->c[0] = charset->mark;
        return put_byte(out, 0x1B) < 0 ? -1 : put_string(out, charset->escape);
    }
    if (s->c[1] != charset->mark) {
        if (put_byte(out, 0x1B) < 0 || put_string(out, charset->escape) < 0) {
            return -1;
        }
        s->c[1] = charset->mark;
    }
    if (!s->c[SHIFTED]) {
        if (put_byte(out, 0x0E) < 0) {
            return -1;
        }
        s->c[SHIFTED] = 1;
    }
    return 0;
}

static int
iso_encode(const Tables *t, ShiftState *s, Chars *in, Bytes *out, bool final)
{
    while (in->pos < in->len) {
        Py_UCS4 c = peek(in, in->pos);
        const CjkCharset *charset = t->table->charsets;
        unsigned code = c;
        int n = 1;
        if (c >= 0x80) {
            bool pair = pair_possible(t, c);
            if (pair && in->pos + 1 == in->len && !final) {
                return NEED_MORE;
            }
            code = 0;
            const CjkCharset *all = t->table->charsets;
            for (int i = 0; all[i].escape && all[i].g < 2 && (!code || pair); i++) {
                int taken;
                unsigned found = iso_code(t, i, in, c, &taken);
                if (found && (!code || taken > n)) {
                    code = found;
                    n = taken;
                    charset = &all[i];
                }
            }
            if (!code) {
                return 1;
            }
        }
        if (switch_to(charset, s, out) < 0
            || ((charset->mark & TWO_BYTES) && put_byte(out, code >> 8) < 0)
            || put_byte(out, code & 0xFF) < 0) {
            return FAILED;
        }
        in->pos += n;
    }
    return 0;
}

/* ---------------------------------------------------------------- both */

int
mbc_decode_stateful(const Tables *t, ShiftState *s, const uint8_t **p, const uint8_t *end,
                    Text *out)
{
    return t->table->rule == CJK_HZ ? hz_decode(t, s, p, end, out)
                                    : iso_decode(t, s, p, end, out);
}

int
mbc_encode_stateful(const Tables *t, ShiftState *s, Chars *in, Bytes *out, bool final)
{
    return t->table->rule == CJK_HZ ? hz_encode(t, s, in, out)
                                    : iso_encode(t, s, in, out, final);
}

int
mbc_finish(const Tables *t, ShiftState *s, Bytes *out)
{
    if (t->table->rule == CJK_HZ && s->c[0]) {
        s->c[0] = 0;
        return put_string(out, "~}");
    }
    return t->table->rule == CJK_ISO2022 ? switch_to(&t->table->charsets[0], s, out) : 0;
}

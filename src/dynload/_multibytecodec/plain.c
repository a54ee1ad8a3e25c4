/* plain.c - the codecs without shift states.
 * SPDX-License-Identifier: MIT
 */
#include "mbc.h"

/* ---------------------------------------------------------------- GB 18030, four bytes */

/* Beyond the two-byte codes of gbk, GB 18030 numbers the rest of the BMP in order and,
 * from 90 30 81 30 on, the supplementary planes. */

enum { LINEAR_BMP = 39420, LINEAR_ASTRAL = 189000 };

static Py_UCS4
gb18030_char(const CjkTable *table, unsigned linear)
{
    if (linear >= LINEAR_ASTRAL) {
        Py_UCS4 c = linear - LINEAR_ASTRAL + 0x10000;
        return c <= 0x10FFFF ? c : 0;
    }
    int low = 0, high = table->n_ranges;
    while (low < high) { /* the last range that starts at or before */
        int mid = (low + high) / 2;
        if (table->ranges[mid].index <= linear) {
            low = mid + 1;
        }
        else {
            high = mid;
        }
    }
    if (linear >= LINEAR_BMP || low == 0 || table->ranges[low - 1].cp == 0xFFFF) {
        return 0;
    }
    return table->ranges[low - 1].cp + (linear - table->ranges[low - 1].index);
}

static int
gb18030_linear(const CjkTable *table, Py_UCS4 c, unsigned *linear)
{
    if (c >= 0x10000) {
        *linear = c - 0x10000 + LINEAR_ASTRAL;
        return 1;
    }
    for (int i = 0; i + 1 < table->n_ranges; i++) {
        const CjkRange *r = &table->ranges[i];
        if (r->cp != 0xFFFF && c >= r->cp && c - r->cp < (unsigned)(r[1].index - r->index)) {
            *linear = r->index + (c - r->cp);
            return 1;
        }
    }
    return 0;
}

/* 0, 1 (illegal), NEED_MORE or FAILED, at a lead byte with a digit behind it. */
static int
gb18030_decode(const Tables *t, const uint8_t *p, const uint8_t *end, Text *out)
{
    if (end - p < 4) {
        return NEED_MORE;
    }
    if (p[0] < 0x81 || p[0] > 0xFE || p[2] < 0x81 || p[2] > 0xFE || p[3] < '0' || p[3] > '9') {
        return 1;
    }
    unsigned linear = ((p[0] - 0x81u) * 10 + (p[1] - '0')) * 1260 + (p[2] - 0x81u) * 10
                      + (p[3] - '0');
    Py_UCS4 c = gb18030_char(t->table, linear);
    if (!c) {
        return 1;
    }
    return put_char(out, c) < 0 ? FAILED : 0;
}

static int
gb18030_encode(const Tables *t, Py_UCS4 c, Bytes *out)
{
    unsigned n;
    if (!gb18030_linear(t->table, c, &n)) {
        return 1;
    }
    uint8_t b[4] = {(uint8_t)(0x81 + n / 12600), (uint8_t)('0' + n / 1260 % 10),
                    (uint8_t)(0x81 + n / 10 % 126), (uint8_t)('0' + n % 10)};
    for (int i = 0; i < 4; i++) {
        if (put_byte(out, b[i]) < 0) {
            return FAILED;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- EUC-KR, eight bytes */

/* KS X 1001 spells syllables without a code as filler, initial, vowel, final, each a
 * compatibility letter of row A4 (U+3131 = A1); a syllable without final has the filler. */

enum { FILLER = 0xD4, LETTER = 0x3131 - 0xA1 };

/* Letters of initials and finals, as bytes of row A4. */
static const uint8_t initials[19] = {0xA1, 0xA2, 0xA4, 0xA7, 0xA8, 0xA9, 0xB1, 0xB2, 0xB3, 0xB5,
                                     0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE};
static const uint8_t finals[28] = {FILLER, 0xA1, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA9, 0xAA,
                                   0xAB,   0xAC, 0xAD, 0xAE, 0xAF, 0xB0, 0xB1, 0xB2, 0xB4, 0xB5,
                                   0xB6,   0xB7, 0xB8, 0xBA, 0xBB, 0xBC, 0xBD, 0xBE};

static int
find_letter(const uint8_t *letters, int n, unsigned b)
{
    for (int i = 0; i < n; i++) {
        if (letters[i] == b) {
            return i;
        }
    }
    return -1;
}

static int
euc_kr_decode(const uint8_t *p, const uint8_t *end, Text *out)
{
    if (end - p < 8) {
        return NEED_MORE;
    }
    if (p[2] != 0xA4 || p[4] != 0xA4 || p[6] != 0xA4) {
        return 1;
    }
    int initial = find_letter(initials, 19, p[3]);
    int vowel = p[5] >= 0xBF && p[5] <= 0xD3 ? p[5] - 0xBF : -1;
    int last = find_letter(finals, 28, p[7]);
    if (initial < 0 || vowel < 0 || last < 0) {
        return 1;
    }
    Py_UCS4 c = 0xAC00 + (Py_UCS4)((initial * 21 + vowel) * 28 + last);
    return put_char(out, c) < 0 ? FAILED : 0;
}

static int
euc_kr_encode(Py_UCS4 c, Bytes *out)
{
    if (c < 0xAC00 || c > 0xD7A3) {
        return 1;
    }
    c -= 0xAC00;
    uint8_t b[4] = {FILLER, initials[c / 588], (uint8_t)(0xBF + c / 28 % 21), finals[c % 28]};
    for (int i = 0; i < 4; i++) {
        if (put_byte(out, 0xA4) < 0 || put_byte(out, b[i]) < 0) {
            return FAILED;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- decoding */

static bool
error_covers_both(const CjkTable *table, unsigned code)
{
    for (int i = 0; i < table->n_span2; i++) {
        if (table->span2[i] == code) {
            return true;
        }
    }
    return false;
}

int
mbc_decode_plain(const Tables *t, const uint8_t **pp, const uint8_t *end, Text *out)
{
    const uint8_t *p = *pp;
    CjkRule rule = t->table->rule;
    int status = 0;
    while (p < end) {
        unsigned b = *p;
        unsigned word = t->single[b];
        if (b == 0 || (word && word != CJK_LEAD)) {
            if (put_char(out, word) < 0) {
                status = FAILED;
                break;
            }
            p++;
            continue;
        }
        if (word != CJK_LEAD) {
            status = 1;
            break;
        }
        if (end - p < 2) {
            status = NEED_MORE;
            break;
        }
        word = t->rows[b] ? t->rows[b][p[1]] : 0;
        if (NJ_LIKELY(word && (rule != CJK_EUC_KR || b != 0xA4 || p[1] != FILLER))) {
            if (put_word(t, out, word) < 0) {
                status = FAILED;
                break;
            }
            p += 2;
            continue;
        }
        if (rule == CJK_GB18030 && p[1] >= '0' && p[1] <= '9') {
            status = gb18030_decode(t, p, end, out);
            if (status != 0) {
                break;
            }
            p += 4;
        }
        else if (rule == CJK_EUC_KR && b == 0xA4 && p[1] == FILLER) {
            status = euc_kr_decode(p, end, out);
            if (status != 0) {
                break;
            }
            p += 8;
        }
        else if (t->table->cells3 && b == 0x8F) {
            if (end - p < 3) {
                status = NEED_MORE;
                break;
            }
            word = t->rows3[p[1]] ? t->rows3[p[1]][p[2]] : 0;
            if (!word) {
                status = 1;
                break;
            }
            if (put_word(t, out, word) < 0) {
                status = FAILED;
                break;
            }
            p += 3;
        }
        else {
            status = error_covers_both(t->table, b << 8 | p[1]) ? 2 : 1;
            break;
        }
    }
    *pp = p;
    return status;
}

/* ---------------------------------------------------------------- encoding */

static int
put_code(const Tables *t, Bytes *out, unsigned code)
{
    if (code < 0x100) {
        return put_byte(out, code);
    }
    if (t->table->cells3 && !(code & 0x80)) {
        return put_byte(out, 0x8F) < 0 || put_byte(out, code >> 8) < 0
                       || put_byte(out, (code & 0xFF) | 0x80) < 0
                   ? -1
                   : 0;
    }
    return put_byte(out, code >> 8) < 0 || put_byte(out, code & 0xFF) < 0 ? -1 : 0;
}

int
mbc_encode_plain(const Tables *t, Chars *in, Bytes *out, bool final)
{
    while (in->pos < in->len) {
        Py_UCS4 c = peek(in, in->pos);
        unsigned code = code_of(t, c);
        if (t->n_pairs && code >= 0x100 && mbc_starts_pair(t, c)) {
            if (in->pos + 1 == in->len && !final) {
                return NEED_MORE;
            }
            unsigned both = in->pos + 1 < in->len
                                ? mbc_pair_code(t, c, peek(in, in->pos + 1))
                                : 0;
            if (both) {
                if (put_code(t, out, both) < 0) {
                    return FAILED;
                }
                in->pos += 2;
                continue;
            }
        }
        int status = 0;
        if (code || c == 0) {
            status = put_code(t, out, code) < 0 ? FAILED : 0;
        }
        else if (t->table->rule == CJK_GB18030) {
            status = gb18030_encode(t, c, out);
        }
        else if (t->table->rule == CJK_EUC_KR) {
            status = euc_kr_encode(c, out);
        }
        else {
            status = 1;
        }
        if (status != 0) {
            return status;
        }
        in->pos++;
    }
    return 0;
}

/* ucd_names.c - names of characters.
 *
 * A name is a run of word numbers (one byte for the most frequent words, two for the
 * rest); finding a name is a binary search over the characters sorted by name, with the
 * names spelled on the way. Hangul syllables and CJK ideographs are computed.
 * SPDX-License-Identifier: MIT
 */
#include "objects/ucd_names.h"

#include "objects/ucd.h"
#include "runtime/state.h"

#include "objects/ucd_names.inc"

static const char *const jamo_l[] = {"G", "GG", "N", "D",  "DD", "R", "M", "B", "BB", "S",
                                     "SS", "",  "J", "JJ", "C",  "K", "T", "P", "H"};
static const char *const jamo_v[] = {"A",  "AE", "YA", "YAE", "EO", "E",  "YEO",
                                     "YE", "O",  "WA", "WAE", "OE", "YO", "U",
                                     "WEO", "WE", "WI", "YU", "EU", "YI", "I"};
static const char *const jamo_t[] = {"",   "G",  "GG", "GS", "N",  "NJ", "NH",
                                     "D",  "L",  "LG", "LM", "LB", "LS", "LT",
                                     "LP", "LH", "M",  "B",  "BS", "S",  "SS",
                                     "NG", "J",  "C",  "K",  "T",  "P",  "H"};

static bool
is_cjk(Py_UCS4 ch)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(cjk_ranges); i++) {
        if (ch >= cjk_ranges[i][0] && ch <= cjk_ranges[i][1]) {
            return true;
        }
    }
    return false;
}

/* Spells the stored name at data offset at; returns its length. */
static size_t
spell(size_t at, char *out, size_t size)
{
    size_t n = 0;
    for (;;) {
        unsigned k = name_data[at++];
        if (k == 255) {
            break;
        }
        if (k >= NAME_SHORT) {
            k = ((k - NAME_SHORT) << 8) + name_data[at++] + NAME_SHORT;
        }
        size_t len = name_word_start[k + 1] - name_word_start[k];
        if (n + len + 2 > size) {
            break;
        }
        if (n) {
            out[n++] = ' ';
        }
        memcpy(out + n, name_words + name_word_start[k], len);
        n += len;
    }
    out[n] = 0;
    return n;
}

bool
nj_ucd_name(Py_UCS4 ch, char *out, size_t size)
{
    if (ch >= 0x110000) {
        return false;
    }
    if (ch >= 0xac00 && ch <= 0xd7a3) {
        unsigned s = ch - 0xac00;
        snprintf(out, size, "HANGUL SYLLABLE %s%s%s", jamo_l[s / 588],
                 jamo_v[s % 588 / 28], jamo_t[s % 28]);
        return true;
    }
    unsigned block = name_index[ch >> 6];
    uint32_t at = block ? name_start[(block - 1) * 64 + (ch & 63)] : 0;
    if (at) {
        spell(at - 1, out, size);
        return true;
    }
    if (is_cjk(ch)) {
        snprintf(out, size, "CJK UNIFIED IDEOGRAPH-%X", (unsigned)ch);
        return true;
    }
    return false;
}

/* Longest entry of the list that p[0..len) begins with; -1 if none. */
static int
match_jamo(const char *const *list, int count, const char *p, size_t len, size_t *used)
{
    int best = -1;
    *used = 0;
    for (int i = 0; i < count; i++) {
        size_t n = strlen(list[i]);
        if (n <= len && (best < 0 || n > *used) && memcmp(list[i], p, n) == 0) {
            best = i;
            *used = n;
        }
    }
    return best;
}

static int32_t
lookup_hangul(const char *p, size_t len)
{
    size_t used;
    int l = match_jamo(jamo_l, 19, p, len, &used);
    p += used;
    len -= used;
    int v = match_jamo(jamo_v, 21, p, len, &used);
    p += used;
    len -= used;
    int t = match_jamo(jamo_t, 28, p, len, &used);
    if (l < 0 || v < 0 || t < 0 || used != len) {
        return -1;
    }
    return 0xac00 + (l * 21 + v) * 28 + t;
}

static const NameExtra *
lookup_extra(const char *upper)
{
    size_t lo = 0, hi = NJ_ARRAY_LEN(name_extras);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strcmp(name_extras[mid].name, upper);
        if (c == 0) {
            return &name_extras[mid];
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return NULL;
}

/* Four or five hexadecimal digits; -1 if p is something else. */
static int32_t
hex_suffix(const char *p, size_t len)
{
    int32_t v = 0;
    if (len != 4 && !(len == 5 && *p != '0')) {
        return -1;
    }
    for (size_t i = 0; i < len; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (d < 0) {
            return -1;
        }
        v = v * 16 + d;
    }
    return v;
}

int
nj_ucd_lookup_all(const char *name, size_t len, bool extras, uint32_t *out)
{
    char upper[160], buf[160];
    if (len == 0 || len >= sizeof(upper)) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        upper[i] = (char)Py_TOUPPER(name[i]);
    }
    upper[len] = 0;
    if (memchr(upper, 0, len) != NULL) {
        return 0;
    }
    if (strncmp(upper, "HANGUL SYLLABLE ", 16) == 0) {
        int32_t c = lookup_hangul(upper + 16, len - 16);
        if (c >= 0) {
            out[0] = (uint32_t)c;
            return 1;
        }
    }
    if (strncmp(upper, "CJK UNIFIED IDEOGRAPH-", 22) == 0) {
        int32_t c = hex_suffix(upper + 22, len - 22);
        if (c < 0 || !is_cjk((Py_UCS4)c)) {
            return 0;
        }
        out[0] = (uint32_t)c;
        return 1;
    }
    /* Tangut ideographs are found by name; unicodedata.name does not know them, as in the
     * reference. */
    if (strncmp(upper, "TANGUT IDEOGRAPH-", 17) == 0) {
        int32_t c = hex_suffix(upper + 17, len - 17);
        if ((c < 0x17000 || c > 0x187f7) && (c < 0x18d00 || c > 0x18d08)) {
            return 0;
        }
        out[0] = (uint32_t)c;
        return 1;
    }
    size_t lo = 0, hi = NJ_ARRAY_LEN(names_sorted);
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        uint32_t ch = names_sorted[mid];
        spell(name_start[(size_t)(name_index[ch >> 6] - 1) * 64 + (ch & 63)] - 1, buf,
              sizeof(buf));
        int c = strcmp(buf, upper);
        if (c == 0) {
            out[0] = ch;
            return 1;
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    const NameExtra *e = extras ? lookup_extra(upper) : NULL;
    if (e == NULL) {
        return 0;
    }
    memcpy(out, e->codes, sizeof(uint32_t) * e->n);
    return e->n;
}

int32_t
nj_ucd_lookup(const char *name, size_t len)
{
    uint32_t codes[NJ_UCD_MAX_SEQUENCE];
    return nj_ucd_lookup_all(name, len, true, codes) == 1 ? (int32_t)codes[0] : -1;
}

const NjUcdCapi nj_ucd_capi = {nj_ucd_name, nj_ucd_lookup_all};

int
nj_ucd_need_module(void)
{
    NjStrState *st = &nj_interp()->strs;
    if (!st->ucd_imported) {
        st->ucd_imported = PyCapsule_Import(NJ_UCD_CAPSULE, 1) != NULL;
    }
    return st->ucd_imported ? 0 : -1;
}

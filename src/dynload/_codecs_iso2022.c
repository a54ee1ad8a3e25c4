/* _codecs_iso2022.c - the codecs of the ISO-2022 family: which charsets each may designate.
 * SPDX-License-Identifier: MIT
 */
#include "cjk.h"

#define ASCII {"(B", 'B', 0, NULL, NULL, 0}
#define JISX0201_R {"(J", 'J', 0, NULL, NULL, 0}
#define JISX0201_K {"(I", 'I', 0, NULL, NULL, 0}
#define JISX0208 {"$B", 'B' | 0x80, 0, "_codecs_jp", "euc_jp", 0}
#define JISX0208_OLD {"$@", '@' | 0x80, 0, "_codecs_jp", "euc_jp", 0}
#define JISX0212 {"$(D", 'D' | 0x80, 0, "_codecs_jp", "euc_jp", 1}
#define GB2312 {"$(A", 'A' | 0x80, 0, "_codecs_cn", "gb2312", 0}
#define KSX1001(escape, g) {escape, 'C' | 0x80, g, "_codecs_kr", "euc_kr", 0}
#define JISX0213_2000_1 {"$(O", 'O' | 0x80, 0, "_codecs_jp", "euc_jisx0213", 0}
#define JISX0213_2000_2 {"$(P", 'P' | 0x80, 0, "_codecs_jp", "euc_jisx0213", 2}
#define JISX0213_2004_1 {"$(Q", 'Q' | 0x80, 0, "_codecs_jp", "euc_jis_2004", 0}
#define JISX0213_2004_2 {"$(P", 'P' | 0x80, 0, "_codecs_jp", "euc_jis_2004", 2}
#define LATIN_1 {".A", 'A', 2, NULL, NULL, 0}
#define GREEK {".F", 'F', 2, NULL, NULL, 0}
#define END {NULL, 0, 0, NULL, NULL, 0}

static const CjkCharset jp[] = {ASCII, JISX0208, JISX0201_R, JISX0208_OLD, END};
static const CjkCharset jp_1[] = {ASCII, JISX0208, JISX0212, JISX0201_R, JISX0208_OLD, END};
static const CjkCharset jp_2[] = {ASCII,  JISX0208,     JISX0212, KSX1001("$(C", 0),
                                  GB2312, JISX0201_R,   JISX0208_OLD, LATIN_1, GREEK, END};
static const CjkCharset jp_3[] = {ASCII, JISX0208, JISX0213_2000_1, JISX0213_2000_2, END};
static const CjkCharset jp_2004[] = {ASCII, JISX0208, JISX0213_2004_1, JISX0213_2004_2, END};
static const CjkCharset jp_ext[] = {ASCII,      JISX0208,   JISX0212,
                                    JISX0201_R, JISX0201_K, JISX0208_OLD, END};
static const CjkCharset kr[] = {ASCII, KSX1001("$)C", 1), END};

static const CjkTable tables[] = {
    {.name = "iso2022_kr", .rule = CJK_ISO2022, .charsets = kr},
    {.name = "iso2022_jp", .rule = CJK_ISO2022, .charsets = jp},
    {.name = "iso2022_jp_1", .rule = CJK_ISO2022, .charsets = jp_1},
    {.name = "iso2022_jp_2", .rule = CJK_ISO2022, .charsets = jp_2},
    {.name = "iso2022_jp_2004", .rule = CJK_ISO2022, .charsets = jp_2004},
    {.name = "iso2022_jp_3", .rule = CJK_ISO2022, .charsets = jp_3},
    {.name = "iso2022_jp_ext", .rule = CJK_ISO2022, .charsets = jp_ext},
};

CJK_MODULE(_codecs_iso2022, tables)

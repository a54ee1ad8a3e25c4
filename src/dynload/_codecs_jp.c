/* _codecs_jp.c - tables of the Japanese codecs.
 * SPDX-License-Identifier: MIT
 */
#include "cjk.h"

#include "_codecs_jp.inc"

static const CjkTable tables[] = {
    CJK_TABLE_shift_jis,
    CJK_TABLE_cp932,
    CJK_TABLE_euc_jp,
    CJK_TABLE_shift_jis_2004,
    CJK_TABLE_euc_jis_2004,
    CJK_TABLE_euc_jisx0213,
    CJK_TABLE_shift_jisx0213,
};

CJK_MODULE(_codecs_jp, tables)

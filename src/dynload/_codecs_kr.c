/* _codecs_kr.c - tables of the Korean codecs: euc_kr, cp949, johab.
 * SPDX-License-Identifier: MIT
 */
#include "cjk.h"

#include "_codecs_kr.inc"

static const CjkTable tables[] = {
    CJK_TABLE_euc_kr,
    CJK_TABLE_cp949,
    CJK_TABLE_johab,
};

CJK_MODULE(_codecs_kr, tables)

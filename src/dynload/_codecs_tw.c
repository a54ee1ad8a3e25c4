/* _codecs_tw.c - tables of the codecs of Taiwan: big5, cp950.
 * SPDX-License-Identifier: MIT
 */
#include "cjk.h"

#include "_codecs_tw.inc"

static const CjkTable tables[] = {
    CJK_TABLE_big5,
    CJK_TABLE_cp950,
};

CJK_MODULE(_codecs_tw, tables)

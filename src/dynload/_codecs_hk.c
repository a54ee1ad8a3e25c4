/* _codecs_hk.c - tables of the codec of Hong Kong: big5hkscs.
 * SPDX-License-Identifier: MIT
 */
#include "cjk.h"

#include "_codecs_hk.inc"

static const CjkTable tables[] = {
    CJK_TABLE_big5hkscs,
};

CJK_MODULE(_codecs_hk, tables)

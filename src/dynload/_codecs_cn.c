/* _codecs_cn.c - tables of the codecs of mainland China: gb2312, gbk, gb18030, hz.
 * SPDX-License-Identifier: MIT
 */
#include "cjk.h"

#include "_codecs_cn.inc"

static const CjkTable tables[] = {
    CJK_TABLE_gb2312,
    CJK_TABLE_gbk,
    CJK_TABLE_gb18030,
    {.name = "hz", .rule = CJK_HZ, .base_module = "_codecs_cn", .base = "gb2312"},
};

CJK_MODULE(_codecs_cn, tables)

/* config_int.h - the table of PyConfig's fields, shared by config.c and initconfig.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_CONFIG_INT_H
#define NJ_RUNTIME_CONFIG_INT_H

#include "nj.h"

enum { CFG_INT, CFG_UINT, CFG_BOOL, CFG_ULONG, CFG_WSTR, CFG_WSTR_OPT, CFG_LIST };
enum { CFG_INNER, CFG_READ_ONLY, CFG_PUBLIC };

typedef struct NjConfigSpec {
    const char *name;
    size_t offset;       /* in PyConfig */
    int kind;
    int visibility;      /* CFG_PUBLIC: PyConfig_Set may change it */
    const char *sysattr; /* PyConfig_Get reads sys.ATTR instead, or NULL */
    int flag;            /* index in sys.flags, or -1 */
} NjConfigSpec;

extern const NjConfigSpec nj_config_specs[];

#endif

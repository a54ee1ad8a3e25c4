/* ids.h - the table of static identifiers that tools/genids.sh generates.
 *
 * str.c walks it once at runtime start: fills in hashes, enters all into the process-wide
 * table of immortal interned strings that PyUnicode_InternInPlace consults first.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_IDS_H
#define NJ_OBJECTS_IDS_H

#include "nj.h"

extern NjIdStr *const nj_id_table[];
extern const size_t nj_id_count;

#endif

/* ucd_names.h - shared by ucd_names.c and unicodedata.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_UCD_NAMES_H
#define NJ_OBJECTS_UCD_NAMES_H

#include "nj.h"

#define NJ_UCD_MAX_SEQUENCE 4

typedef struct {
    const char *name;
    uint8_t n;
    uint32_t codes[NJ_UCD_MAX_SEQUENCE];
} NameExtra;

/* Number of code points (0: unknown) that a name, alias or named sequence stands for. */
int nj_ucd_lookup_all(const char *name, size_t len, uint32_t *out);

#endif

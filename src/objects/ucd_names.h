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

/* Number of code points (0: unknown) that a name stands for, or, if extras, an alias or
 * a named sequence. */
int nj_ucd_lookup_all(const char *name, size_t len, bool extras, uint32_t *out);

/* What unicodedata shows of this in a capsule. \N{...} works without it, but not in a
 * program that has no unicodedata: nj_ucd_need_module() asks. */
#define NJ_UCD_CAPSULE "unicodedata._ucnhash_CAPI"
typedef struct {
    bool (*name)(Py_UCS4 ch, char *out, size_t size);
    int (*lookup)(const char *name, size_t len, bool extras, uint32_t *out);
} NjUcdCapi;
extern const NjUcdCapi nj_ucd_capi;
NJ_MUST int nj_ucd_need_module(void);

#endif

/* ucd.h - properties of characters (Unicode 16.0).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_UCD_H
#define NJ_OBJECTS_UCD_H

#include "nj.h"

/* bits of nj_ucd_flags */
enum {
    NJ_UCD_ALPHA = 1 << 0,
    NJ_UCD_DECIMAL = 1 << 1,
    NJ_UCD_DIGIT = 1 << 2,
    NJ_UCD_NUMERIC = 1 << 3,
    NJ_UCD_LOWER = 1 << 4,
    NJ_UCD_UPPER = 1 << 5,
    NJ_UCD_TITLE = 1 << 6,
    NJ_UCD_SPACE = 1 << 7,
    NJ_UCD_PRINTABLE = 1 << 8,
    NJ_UCD_ID_START = 1 << 9,     /* XID_Start or underscore */
    NJ_UCD_ID_CONTINUE = 1 << 10, /* XID_Continue */
    NJ_UCD_CASED = 1 << 11,
    NJ_UCD_CASE_IGNORABLE = 1 << 12,
    NJ_UCD_ALNUM = NJ_UCD_ALPHA | NJ_UCD_DECIMAL | NJ_UCD_DIGIT | NJ_UCD_NUMERIC,
};

unsigned nj_ucd_flags(Py_UCS4 ch);
/* Full case mappings: 1 to 3 characters into out, their number returned. */
int nj_ucd_lower(Py_UCS4 ch, Py_UCS4 *out);
int nj_ucd_upper(Py_UCS4 ch, Py_UCS4 *out);
int nj_ucd_title(Py_UCS4 ch, Py_UCS4 *out);
int nj_ucd_fold(Py_UCS4 ch, Py_UCS4 *out);
/* Names (unicodedata and \N{...}); false when there is none. out has room for 128. */
bool nj_ucd_name(Py_UCS4 ch, char *out, size_t size);
/* Code point of a name (letters in any case), including aliases; -1 if unknown. */
int32_t nj_ucd_lookup(const char *name, size_t len);

#endif

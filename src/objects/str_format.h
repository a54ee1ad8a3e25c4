/* str_format.h - pieces of % formatting that str and bytes share.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_STR_FORMAT_H
#define NJ_OBJECTS_STR_FORMAT_H

#include "nj.h"

enum {
    NJ_PF_LEFT = 1,
    NJ_PF_SIGN = 2,
    NJ_PF_BLANK = 4,
    NJ_PF_ALT = 8,
    NJ_PF_ZERO = 16,
};

/* v as an integer in the base of conv (one of "diuoxX"), with at least prec digits and,
 * for NJ_PF_ALT, the base's prefix. A new ASCII str "[-][0x]digits". */
PyObject *nj_percent_int(PyObject *v, int conv, int flags, int prec);
/* v as a float by conv (one of "eEfFgG"). */
PyObject *nj_percent_float(PyObject *v, int conv, int flags, int prec);

#endif

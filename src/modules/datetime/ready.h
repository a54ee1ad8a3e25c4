/* ready.h - what start-up calls of the module _datetime, whose types are static.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_MODULES_DATETIME_READY_H
#define NJ_MODULES_DATETIME_READY_H

#include "nj.h"

/* Puts the class attributes of the types into their dicts, once they are ready. */
NJ_MUST int nj_datetime_types_ready(void);

#endif

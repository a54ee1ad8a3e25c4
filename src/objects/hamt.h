/* hamt.h - the types of hamt.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_HAMT_H
#define NJ_OBJECTS_HAMT_H

#include "nj.h"

extern PyTypeObject NjHamt_Type, NjHamtKeys_Type, NjHamtValues_Type, NjHamtItems_Type;

#endif

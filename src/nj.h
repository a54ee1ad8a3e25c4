/* nj.h - the first include of every .c file of Naja.
 *
 * Brings in the given Python.h (the ABI: never edited, never bypassed), the ownership
 * macros, assertions, and static identifiers. Nothing else belongs here.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_H
#define NJ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <Python.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/nj_assert.h"
#include "base/own.h"

#define NJ_LIKELY(x) __builtin_expect(!!(x), 1)
#define NJ_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define NJ_COLD __attribute__((cold, noinline))
#define NJ_INLINE static inline __attribute__((always_inline))
#define NJ_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Static identifiers. NJ_ID(name) is a borrowed, immortal, interned ASCII str with that
 * text. Use it freely: tools/genids.sh scans the sources for NJ_ID(...) and generates
 * the definitions (build/gen/ids.c), so there is no list to keep. Two characters or
 * more, 63 at most, a valid C identifier that is no C macro. (For one-character strings
 * use PyUnicode_FromOrdinal, which returns an immortal singleton.) */
typedef struct NjIdStr {
    PyASCIIObject ascii;
    char text[64];
} NjIdStr;
#define NJ_ID(name)                                                                    \
    (__extension__({                                                                   \
        extern NjIdStr nj_id_##name;                                                   \
        (PyObject *)&nj_id_##name;                                                     \
    }))

#endif

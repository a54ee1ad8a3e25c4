/* nj_assert.h - assertions of the debug build, unreachable code, and what sanitizers change.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_ASSERT_H
#define NJ_BASE_ASSERT_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#ifndef NDEBUG
/* NJ_ASSERT(cond, "format", ...): a message with values, then abort. */
#define NJ_ASSERT(cond, ...)                                                           \
    do {                                                                               \
        if (!(cond)) {                                                                 \
            fprintf(stderr, "%s:%d: %s: assertion `%s' failed: ", __FILE__, __LINE__,  \
                    __func__, #cond);                                                  \
            fprintf(stderr, __VA_ARGS__);                                              \
            fputc('\n', stderr);                                                       \
            abort();                                                                   \
        }                                                                              \
    } while (0)
#define NJ_UNREACHABLE()                                                               \
    do {                                                                               \
        fprintf(stderr, "%s:%d: unreachable\n", __FILE__, __LINE__);                   \
        abort();                                                                       \
    } while (0)
#else
#define NJ_ASSERT(cond, ...) ((void)0)
#define NJ_UNREACHABLE() __builtin_unreachable()
#endif

/* NJ_KEEP(n): how many dead objects a free list keeps; none under the address sanitizer, which
 * could not tell their use otherwise. */
#ifdef __SANITIZE_ADDRESS__
#define NJ_KEEP(n) 0
#else
#define NJ_KEEP(n) (n)
#endif

#endif

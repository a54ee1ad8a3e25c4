/* arena.h - memory that lives and dies together: one compilation.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_ARENA_H
#define NJ_BASE_ARENA_H

#include "nj.h"

typedef struct NjArena NjArena;

/* A new, empty arena, or NULL with MemoryError set. */
NJ_MUST NjArena *nj_arena_new(void);

/* Frees everything allocated from the arena and drops every object it owns. NULL is
 * accepted. May run Python code only as far as dropping str/int/bytes/tuple can. */
void nj_arena_free(NjArena *arena);

/* size bytes aligned to 8, not zeroed; NULL with MemoryError set. size may be 0. */
NJ_MUST void *nj_arena_alloc(NjArena *arena, size_t size);

/* The same, zeroed. */
NJ_MUST void *nj_arena_zalloc(NjArena *arena, size_t size);

/* A larger copy of an array: size bytes, zeroed past the first used ones, which come from
 * old (NULL when used is 0). The old array stays in the arena. NULL with MemoryError set. */
NJ_MUST void *nj_arena_grow(NjArena *arena, const void *old, size_t used, size_t size);

/* Moves the reference to obj into the arena, which drops it when it is freed. On failure
 * the reference is dropped at once. 0, or -1 with an exception set. obj may be NULL:
 * then -1, assuming that whoever failed to make it has set the exception. */
NJ_MUST int nj_arena_own(NjArena *arena, NJ_STEALS PyObject *obj);

/* obj itself after handing it to the arena (a borrowed reference as long as the arena
 * lives), or NULL. */
NJ_MUST PyObject *nj_arena_keep(NjArena *arena, NJ_STEALS PyObject *obj);

#endif

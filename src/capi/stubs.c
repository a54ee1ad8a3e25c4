/* stubs.c - the exported names of stubs.def.
 *
 * Their prototypes stand in headers that are none of ours to read, so every stub has the
 * same C shape and takes its exported name as its assembler name. It returns zero, which
 * is NULL to a caller that expects an object, with a SystemError that names it. Stubs are
 * weak: a definition elsewhere takes their place.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stdio.h>

static NJ_COLD void *
stub_called(const char *name)
{
    if (!PyThreadState_GetUnchecked()) {
        /* No thread state, no exception to set. */
        fprintf(stderr, "Fatal Python error: %s is not implemented\n", name);
        abort();
    }
    PyErr_Format(PyExc_SystemError, "%s is not implemented", name);
    return NULL;
}

#define FUNC(name)                                                                     \
    PyAPI_FUNC(void *) stub_##name(void) __asm__(#name) __attribute__((weak));         \
    void *stub_##name(void) { return stub_called(#name); }
#define DATA(name, size)                                                               \
    PyAPI_DATA(char) stub_##name[] __asm__(#name) __attribute__((weak));               \
    char stub_##name[size] __attribute__((aligned(16)));
#include "capi/stubs.def"

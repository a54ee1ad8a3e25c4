/* main.c - the program.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef __SANITIZE_ADDRESS__
/* For processes that are started without ASAN_OPTIONS: immortal objects are no leaks, running
 * out of memory is an exception, and the signals belong to faulthandler. */
__attribute__((visibility("default"), used)) const char *__asan_default_options(void);
const char *
__asan_default_options(void)
{
    return "detect_leaks=0:allocator_may_return_null=1:handle_segv=0:handle_sigfpe=0:"
           "handle_sigill=0:handle_sigbus=0:handle_abort=0";
}
#endif

int
main(int argc, char **argv)
{
#ifdef __GLIBC__
    /* blocks of some hundred KiB come and go all the time: fresh pages for each of them
     * cost more than what is done with them (measured: mako) */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
    return Py_BytesMain(argc, argv);
}

/* main.c - the program.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#ifdef __GLIBC__
#include <malloc.h>
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

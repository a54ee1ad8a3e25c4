/* main.c - the program.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

int
main(int argc, char **argv)
{
    return Py_BytesMain(argc, argv);
}

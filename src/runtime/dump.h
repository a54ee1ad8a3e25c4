/* dump.h - tracebacks written from a signal handler: no allocation, no locks, no GIL.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_DUMP_H
#define NJ_RUNTIME_DUMP_H

#include "nj.h"

void nj_dump_puts(int fd, const char *s);
/* "Current thread 0x... (most recent call first):" and the frames. */
void nj_dump_thread(int fd, PyThreadState *ts, bool current, bool header);
void nj_dump_all_threads(int fd, PyThreadState *current);
/* The imported modules written in C that are not of the standard library. */
void nj_dump_extension_modules(int fd, PyInterpreterState *interp);
void nj_dump_c_stack(int fd);

#endif

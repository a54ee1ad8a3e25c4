/* curses_int.h - what the parts of _curses share.
 *
 * The curses library has one screen per process, so some state here is the process's; the
 * module loads in the main interpreter only.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_CURSES_INT_H
#define NJ_CURSES_INT_H

#include "nj.h"

#define CURSES_MODULE
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <term.h>
#include <py_curses.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define SIG(s) s "\n--\n\n"
#define WIN(o) (((PyCursesWindowObject *)(o))->win)

typedef struct State {
    PyTypeObject *window;
    PyObject *error;
} State;

extern HIDDEN PyModuleDef curses_module;
HIDDEN extern PyType_Spec cu_window_spec;

/* None, or curses.error "FNAME() returned ERR". */
HIDDEN PyObject *cu_check(State *st, int code, const char *fname);
HIDDEN PyObject *cu_null(State *st);
HIDDEN State *cu_state_of(PyObject *window);
/* A new window object, which owns win; orig, if any, stays alive with it. */
HIDDEN PyObject *cu_window_new(State *st, WINDOW *win, const char *encoding, PyObject *orig);
HIDDEN PyObject *cu_window_file(State *st, PyObject *file);
/* int, bytes or str of length 1 as chtype: 0, or -1. */
HIDDEN int cu_chtype(PyObject *o, const char *encoding, chtype *out);
HIDDEN const char *cu_encoding(void);
HIDDEN int cu_short(PyObject *o, short *out);

#endif

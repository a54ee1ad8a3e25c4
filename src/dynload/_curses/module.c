/* module.c - the module _curses: the screen, the terminal, colours, keys.
 * SPDX-License-Identifier: MIT
 */
#include "curses_int.h"

#include <langinfo.h>
#include <limits.h>
#include <stdio.h>
#include <wchar.h>

/* The library's own state, as far as it does not tell; there is one per process. */
static struct {
    bool setupterm, initscr, start_color;
    char encoding[64];
} the_curses;

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

PyObject *
cu_check(State *st, int code, const char *fname)
{
    if (code != ERR) {
        Py_RETURN_NONE;
    }
    PyErr_Format(st->error, "%s() returned ERR", fname);
    return NULL;
}

PyObject *
cu_null(State *st)
{
    PyErr_SetString(st->error, catchall_NULL);
    return NULL;
}

const char *
cu_encoding(void)
{
    if (the_curses.encoding[0]) {
        return the_curses.encoding;
    }
    const char *codeset = nl_langinfo(CODESET);
    return codeset && codeset[0] ? codeset : "utf-8";
}

static int
require(State *st, bool called, const char *what)
{
    if (!called) {
        PyErr_Format(st->error, "must call %s() first", what);
        return -1;
    }
    return 0;
}

static int
require_screen(PyObject *m)
{
    return require(state_of(m), the_curses.initscr, "initscr");
}

static int
require_color(PyObject *m)
{
    return require_screen(m) < 0
               ? -1
               : require(state_of(m), the_curses.start_color, "start_color");
}

static int
require_terminal(PyObject *m)
{
    return require(state_of(m), the_curses.setupterm, "setupterm");
}

/* ======================================================================================
 * Functions of one shape
 * ====================================================================================== */

#define SIMPLE(name)                                                                   \
    static PyObject *curses_##name(PyObject *m, PyObject *ignored)                     \
    {                                                                                  \
        return require_screen(m) < 0 ? NULL : cu_check(state_of(m), name(), #name);    \
    }
SIMPLE(beep)
SIMPLE(def_prog_mode)
SIMPLE(def_shell_mode)
SIMPLE(endwin)
SIMPLE(flash)
SIMPLE(nocbreak)
SIMPLE(noecho)
SIMPLE(nonl)
SIMPLE(noraw)
SIMPLE(reset_prog_mode)
SIMPLE(reset_shell_mode)
SIMPLE(resetty)
SIMPLE(savetty)

static PyObject *
curses_doupdate(PyObject *m, PyObject *ignored)
{
    if (require_screen(m) < 0) {
        return NULL;
    }
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = doupdate();
    Py_END_ALLOW_THREADS
    return cu_check(state_of(m), rc, "doupdate");
}

/* f(flag=True): the mode on or off */
#define MODE(name, off)                                                                \
    static PyObject *curses_##name(PyObject *m, PyObject *args)                        \
    {                                                                                  \
        PyObject *o = NULL;                                                            \
        if (!PyArg_UnpackTuple(args, #name, 0, 1, &o)) {                               \
            return NULL;                                                               \
        }                                                                              \
        int flag = o ? PyObject_IsTrue(o) : 1;                                         \
        if (flag < 0 || require_screen(m) < 0) {                                       \
            return NULL;                                                               \
        }                                                                              \
        return flag ? cu_check(state_of(m), name(), #name)                             \
                    : cu_check(state_of(m), off(), #off);                              \
    }
MODE(cbreak, nocbreak)
MODE(echo, noecho)
MODE(nl, nonl)
MODE(raw, noraw)

static PyObject *
curses_qiflush(PyObject *m, PyObject *args)
{
    PyObject *o = NULL;
    if (!PyArg_UnpackTuple(args, "qiflush", 0, 1, &o)) {
        return NULL;
    }
    int flag = o ? PyObject_IsTrue(o) : 1;
    if (flag < 0 || require_screen(m) < 0) {
        return NULL;
    }
    if (flag) {
        qiflush();
    }
    else {
        noqiflush();
    }
    Py_RETURN_NONE;
}

static PyObject *
curses_noqiflush(PyObject *m, PyObject *ignored)
{
    if (require_screen(m) < 0) {
        return NULL;
    }
    noqiflush();
    Py_RETURN_NONE;
}

static PyObject *
curses_flushinp(PyObject *m, PyObject *ignored)
{
    if (require_screen(m) < 0) {
        return NULL;
    }
    flushinp();
    Py_RETURN_NONE;
}

static PyObject *
curses_filter(PyObject *m, PyObject *ignored)
{
    filter();
    Py_RETURN_NONE;
}

#define TRUTH(name)                                                                    \
    static PyObject *curses_##name(PyObject *m, PyObject *ignored)                     \
    {                                                                                  \
        return require_screen(m) < 0 ? NULL : PyBool_FromLong(name());                 \
    }
TRUTH(can_change_color)
TRUTH(has_colors)
TRUTH(has_ic)
TRUTH(has_il)
TRUTH(isendwin)

static PyObject *
curses_baudrate(PyObject *m, PyObject *ignored)
{
    return require_screen(m) < 0 ? NULL : PyLong_FromLong(baudrate());
}

static PyObject *
curses_termattrs(PyObject *m, PyObject *ignored)
{
    return require_screen(m) < 0 ? NULL : PyLong_FromUnsignedLong(termattrs());
}

#define TEXT(name)                                                                     \
    static PyObject *curses_##name(PyObject *m, PyObject *ignored)                     \
    {                                                                                  \
        if (require_screen(m) < 0) {                                                   \
            return NULL;                                                               \
        }                                                                              \
        const char *s = name();                                                        \
        return s ? PyBytes_FromString(s) : cu_null(state_of(m));                       \
    }
TEXT(longname)
TEXT(termname)

static PyObject *
curses_erasechar(PyObject *m, PyObject *ignored)
{
    if (require_screen(m) < 0) {
        return NULL;
    }
    char c = erasechar();
    return PyBytes_FromStringAndSize(&c, 1);
}

static PyObject *
curses_killchar(PyObject *m, PyObject *ignored)
{
    char c = killchar();
    return PyBytes_FromStringAndSize(&c, 1);
}

/* f(int) */
static int
int_of(PyObject *o, int *out)
{
    *out = PyLong_AsInt(o);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
curses_curs_set(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    int old = curs_set(v);
    return old == ERR ? cu_check(state_of(m), ERR, "curs_set") : PyLong_FromLong(old);
}

static PyObject *
curses_delay_output(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), delay_output(v), "delay_output");
}

static PyObject *
curses_napms(PyObject *m, PyObject *o)
{
    int v, rc;
    if (int_of(o, &v) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = napms(v);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(rc);
}

static PyObject *
curses_typeahead(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), typeahead(v), "typeahead");
}

static PyObject *
curses_mouseinterval(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), mouseinterval(v), "mouseinterval");
}

static PyObject *
curses_halfdelay(PyObject *m, PyObject *o)
{
    long v = PyLong_AsLong(o);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (v < 0 || v > 255) {
        PyErr_SetString(PyExc_OverflowError,
                        v < 0 ? "unsigned byte integer is less than minimum"
                              : "unsigned byte integer is greater than maximum");
        return NULL;
    }
    return require_screen(m) < 0 ? NULL
                                 : cu_check(state_of(m), halfdelay((int)v), "halfdelay");
}

static PyObject *
curses_intrflush(PyObject *m, PyObject *o)
{
    int flag = PyObject_IsTrue(o);
    if (flag < 0 || require_screen(m) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), intrflush(NULL, flag), "intrflush");
}

static PyObject *
curses_meta(PyObject *m, PyObject *o)
{
    int flag = PyObject_IsTrue(o);
    if (flag < 0 || require_screen(m) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), meta(stdscr, flag), "meta");
}

static PyObject *
curses_use_env(PyObject *m, PyObject *o)
{
    int flag = PyObject_IsTrue(o);
    if (flag < 0) {
        return NULL;
    }
    use_env(flag);
    Py_RETURN_NONE;
}

static PyObject *
curses_get_escdelay(PyObject *m, PyObject *ignored)
{
    return PyLong_FromLong(ESCDELAY);
}

static PyObject *
curses_get_tabsize(PyObject *m, PyObject *ignored)
{
    return PyLong_FromLong(TABSIZE);
}

static PyObject *
curses_set_escdelay(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0) {
        return NULL;
    }
    if (v <= 0) {
        PyErr_SetString(PyExc_ValueError, "ms must be > 0");
        return NULL;
    }
    return cu_check(state_of(m), set_escdelay(v), "set_escdelay");
}

static PyObject *
curses_set_tabsize(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0) {
        return NULL;
    }
    if (v <= 0) {
        PyErr_SetString(PyExc_ValueError, "size must be > 0");
        return NULL;
    }
    return cu_check(state_of(m), set_tabsize(v), "set_tabsize");
}

/* ======================================================================================
 * Keys, mouse, cursor
 * ====================================================================================== */

static PyObject *
curses_has_key(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    return PyBool_FromLong(has_key(v));
}

static PyObject *
curses_keyname(PyObject *m, PyObject *o)
{
    int v;
    if (int_of(o, &v) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    if (v < 0) {
        PyErr_SetString(PyExc_ValueError, "invalid key number");
        return NULL;
    }
    const char *name = keyname(v);
    return PyBytes_FromString(name ? name : "");
}

static PyObject *
curses_unctrl(PyObject *m, PyObject *o)
{
    chtype c;
    if (require_screen(m) < 0 || cu_chtype(o, cu_encoding(), &c) < 0) {
        return NULL;
    }
    const char *s = unctrl(c);
    return s ? PyBytes_FromString(s) : cu_null(state_of(m));
}

static PyObject *
curses_ungetch(PyObject *m, PyObject *o)
{
    chtype c;
    if (require_screen(m) < 0 || cu_chtype(o, cu_encoding(), &c) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), ungetch((int)c), "ungetch");
}

static PyObject *
curses_unget_wch(PyObject *m, PyObject *o)
{
    if (require_screen(m) < 0) {
        return NULL;
    }
    long v;
    if (PyUnicode_Check(o)) {
        if (PyUnicode_GET_LENGTH(o) != 1) {
            PyErr_Format(PyExc_TypeError,
                         "expect int or str of length 1, got a str of length %zd",
                         PyUnicode_GET_LENGTH(o));
            return NULL;
        }
        v = (long)PyUnicode_READ_CHAR(o, 0);
    }
    else if (PyLong_CheckExact(o)) {
        int overflow;
        v = PyLong_AsLongAndOverflow(o, &overflow);
        if (overflow) {
            PyErr_SetString(PyExc_OverflowError, "int doesn't fit in long");
            return NULL;
        }
    }
    else {
        PyErr_Format(PyExc_TypeError, "expect int or str of length 1, got %T", o);
        return NULL;
    }
    if (v != (long)(wchar_t)v) {
        PyErr_SetString(PyExc_OverflowError, "character doesn't fit in wchar_t");
        return NULL;
    }
    return cu_check(state_of(m), unget_wch((wchar_t)v), "unget_wch");
}

static PyObject *
curses_getmouse(PyObject *m, PyObject *ignored)
{
    MEVENT e;
    if (require_screen(m) < 0) {
        return NULL;
    }
    if (getmouse(&e) == ERR) {
        return cu_check(state_of(m), ERR, "getmouse");
    }
    return Py_BuildValue("(hiiik)", (short)e.id, e.x, e.y, e.z, (unsigned long)e.bstate);
}

static PyObject *
curses_ungetmouse(PyObject *m, PyObject *args)
{
    PyObject *o[5];
    MEVENT e = {0};
    if (!PyArg_UnpackTuple(args, "ungetmouse", 5, 5, &o[0], &o[1], &o[2], &o[3], &o[4]) ||
        cu_short(o[0], &e.id) < 0 || int_of(o[1], &e.x) < 0 || int_of(o[2], &e.y) < 0 ||
        int_of(o[3], &e.z) < 0) {
        return NULL;
    }
    if (!PyLong_Check(o[4])) {
        PyErr_Format(PyExc_TypeError, "ungetmouse() argument 5 must be int, not %T", o[4]);
        return NULL;
    }
    e.bstate = (mmask_t)PyLong_AsUnsignedLongMask(o[4]);
    return require_screen(m) < 0 ? NULL
                                 : cu_check(state_of(m), ungetmouse(&e), "ungetmouse");
}

static PyObject *
curses_mousemask(PyObject *m, PyObject *o)
{
    if (!PyLong_Check(o)) {
        PyErr_Format(PyExc_TypeError, "mousemask() argument must be int, not %T", o);
        return NULL;
    }
    mmask_t wanted = (mmask_t)PyLong_AsUnsignedLongMask(o), old = 0;
    if (require_screen(m) < 0) {
        return NULL;
    }
    mmask_t available = mousemask(wanted, &old);
    return Py_BuildValue("(kk)", (unsigned long)available, (unsigned long)old);
}

static PyObject *
curses_getsyx(PyObject *m, PyObject *ignored)
{
    int y = 0, x = 0;
    if (require_screen(m) < 0) {
        return NULL;
    }
    getsyx(y, x);
    return Py_BuildValue("(ii)", y, x);
}

static int
two_ints(PyObject *args, const char *name, int *a, int *b)
{
    PyObject *oa, *ob;
    return PyArg_UnpackTuple(args, name, 2, 2, &oa, &ob) && int_of(oa, a) == 0 &&
                   int_of(ob, b) == 0
               ? 0
               : -1;
}

static PyObject *
curses_setsyx(PyObject *m, PyObject *args)
{
    int y, x;
    if (two_ints(args, "setsyx", &y, &x) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    setsyx(y, x);
    Py_RETURN_NONE;
}

/* ======================================================================================
 * Colours
 * ====================================================================================== */

/* A colour: below 0 means the default where default_ok. */
static int
color_of(PyObject *o, bool default_ok, int *out)
{
    int overflow;
    long v = PyLong_AsLongAndOverflow(o, &overflow);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow > 0 || v > COLORS - 1) {
        PyErr_Format(PyExc_ValueError, "Color number is greater than COLORS-1 (%d).",
                     COLORS - 1);
        return -1;
    }
    if (overflow < 0 || v < 0) {
        if (!default_ok) {
            PyErr_SetString(PyExc_ValueError, "Color number is less than 0.");
            return -1;
        }
        v = -1;
    }
    *out = (int)v;
    return 0;
}

static int
pair_of(PyObject *o, int *out)
{
    int overflow;
    long v = PyLong_AsLongAndOverflow(o, &overflow);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow > 0 || v > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "Color pair is greater than maximum (%d).", INT_MAX);
        return -1;
    }
    if (overflow < 0 || v < 0) {
        PyErr_SetString(PyExc_ValueError, "Color pair is less than 0.");
        return -1;
    }
    *out = (int)v;
    return 0;
}

static int
component_of(PyObject *o, int *out)
{
    int overflow;
    long v = PyLong_AsLongAndOverflow(o, &overflow);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow > 0 || v > 1000) {
        PyErr_SetString(PyExc_ValueError, "Color component is greater than 1000");
        return -1;
    }
    if (overflow < 0 || v < 0) {
        PyErr_SetString(PyExc_ValueError, "Color component is less than 0");
        return -1;
    }
    *out = (int)v;
    return 0;
}

static PyObject *
curses_color_content(PyObject *m, PyObject *o)
{
    int color, r, g, b;
    if (color_of(o, false, &color) < 0 || require_color(m) < 0) {
        return NULL;
    }
    if (extended_color_content(color, &r, &g, &b) == ERR) {
        return cu_check(state_of(m), ERR, "extended_color_content");
    }
    return Py_BuildValue("(iii)", r, g, b);
}

static PyObject *
curses_color_pair(PyObject *m, PyObject *o)
{
    int pair;
    if (int_of(o, &pair) < 0 || require_color(m) < 0) {
        return NULL;
    }
    return PyLong_FromUnsignedLong((chtype)COLOR_PAIR(pair));
}

static PyObject *
curses_pair_number(PyObject *m, PyObject *o)
{
    int attr;
    if (int_of(o, &attr) < 0 || require_color(m) < 0) {
        return NULL;
    }
    return PyLong_FromLong(PAIR_NUMBER(attr));
}

static PyObject *
raise_pair(State *st, int pair, const char *fname)
{
    if (pair >= COLOR_PAIRS) {
        PyErr_Format(PyExc_ValueError, "Color pair is greater than COLOR_PAIRS-1 (%d).",
                     COLOR_PAIRS - 1);
        return NULL;
    }
    return cu_check(st, ERR, fname);
}

static PyObject *
curses_pair_content(PyObject *m, PyObject *o)
{
    int pair, fg, bg;
    if (pair_of(o, &pair) < 0 || require_color(m) < 0) {
        return NULL;
    }
    if (extended_pair_content(pair, &fg, &bg) == ERR) {
        return raise_pair(state_of(m), pair, "extended_pair_content");
    }
    return Py_BuildValue("(ii)", fg, bg);
}

static PyObject *
curses_init_pair(PyObject *m, PyObject *args)
{
    PyObject *opair, *ofg, *obg;
    int pair, fg, bg;
    if (!PyArg_UnpackTuple(args, "init_pair", 3, 3, &opair, &ofg, &obg) ||
        pair_of(opair, &pair) < 0 || color_of(ofg, true, &fg) < 0 ||
        color_of(obg, true, &bg) < 0 || require_color(m) < 0) {
        return NULL;
    }
    if (init_extended_pair(pair, fg, bg) == ERR) {
        return raise_pair(state_of(m), pair, "init_extended_pair");
    }
    Py_RETURN_NONE;
}

static PyObject *
curses_init_color(PyObject *m, PyObject *args)
{
    PyObject *o[4];
    int color, r, g, b;
    if (!PyArg_UnpackTuple(args, "init_color", 4, 4, &o[0], &o[1], &o[2], &o[3]) ||
        color_of(o[0], false, &color) < 0 || component_of(o[1], &r) < 0 ||
        component_of(o[2], &g) < 0 || component_of(o[3], &b) < 0 || require_color(m) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), init_extended_color(color, r, g, b),
                    "init_extended_color");
}

static int
set_int(PyObject *m, const char *name, long v)
{
    NJ_OWN o = PyLong_FromLong(v);
    NJ_OWN key = o ? PyUnicode_FromString(name) : NULL;
    return key ? PyDict_SetItem(PyModule_GetDict(m), key, o) : -1;
}

static PyObject *
curses_start_color(PyObject *m, PyObject *ignored)
{
    if (require_screen(m) < 0) {
        return NULL;
    }
    if (start_color() == ERR) {
        return cu_check(state_of(m), ERR, "start_color");
    }
    the_curses.start_color = true;
    if (set_int(m, "COLORS", COLORS) < 0 || set_int(m, "COLOR_PAIRS", COLOR_PAIRS) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
curses_use_default_colors(PyObject *m, PyObject *ignored)
{
    return require_color(m) < 0
               ? NULL
               : cu_check(state_of(m), use_default_colors(), "use_default_colors");
}

static PyObject *
curses_assume_default_colors(PyObject *m, PyObject *args)
{
    int fg, bg;
    if (two_ints(args, "assume_default_colors", &fg, &bg) < 0 || require_color(m) < 0) {
        return NULL;
    }
    return cu_check(state_of(m), assume_default_colors(fg, bg), "assume_default_colors");
}

static PyObject *
curses_has_extended_color_support(PyObject *m, PyObject *ignored)
{
    Py_RETURN_TRUE;
}

/* ======================================================================================
 * The screen
 * ====================================================================================== */

/* LINES and COLS of this module and of `curses'. */
static int
publish_size(PyObject *m)
{
    NJ_OWN public = PyImport_ImportModule("curses");
    if (!public) {
        return -1;
    }
    NJ_OWN nlines = PyLong_FromLong(LINES);
    NJ_OWN ncols = PyLong_FromLong(COLS);
    return !nlines || !ncols || PyObject_SetAttrString(m, "LINES", nlines) < 0 ||
                   PyObject_SetAttrString(public, "LINES", nlines) < 0 ||
                   PyObject_SetAttrString(m, "COLS", ncols) < 0 ||
                   PyObject_SetAttrString(public, "COLS", ncols) < 0
               ? -1
               : 0;
}

static PyObject *
curses_update_lines_cols(PyObject *m, PyObject *ignored)
{
    if (publish_size(m) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Line-drawing characters are known once there is a screen. */
static int
add_acs(PyObject *m)
{
    const struct {
        const char *name;
        chtype value;
    } all[] = {
#define A(name) {#name, name}
        A(ACS_ULCORNER), A(ACS_LLCORNER), A(ACS_URCORNER), A(ACS_LRCORNER), A(ACS_LTEE),
        A(ACS_RTEE),     A(ACS_BTEE),     A(ACS_TTEE),     A(ACS_HLINE),    A(ACS_VLINE),
        A(ACS_PLUS),     A(ACS_S1),       A(ACS_S9),       A(ACS_DIAMOND),  A(ACS_CKBOARD),
        A(ACS_DEGREE),   A(ACS_PLMINUS),  A(ACS_BULLET),   A(ACS_LARROW),   A(ACS_RARROW),
        A(ACS_DARROW),   A(ACS_UARROW),   A(ACS_BOARD),    A(ACS_LANTERN),  A(ACS_BLOCK),
        A(ACS_S3),       A(ACS_S7),       A(ACS_LEQUAL),   A(ACS_GEQUAL),   A(ACS_PI),
        A(ACS_NEQUAL),   A(ACS_STERLING), A(ACS_BSSB),     A(ACS_SSBB),     A(ACS_BBSS),
        A(ACS_SBBS),     A(ACS_SBSS),     A(ACS_SSSB),     A(ACS_SSBS),     A(ACS_BSSS),
        A(ACS_BSBS),     A(ACS_SBSB),     A(ACS_SSSS),
#undef A
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(all); i++) {
        if (set_int(m, all[i].name, (long)all[i].value) < 0) {
            return -1;
        }
    }
    return set_int(m, "LINES", LINES) < 0 ? -1 : set_int(m, "COLS", COLS);
}

static PyObject *
curses_initscr(PyObject *m, PyObject *ignored)
{
    State *st = state_of(m);
    if (the_curses.initscr) {
        int rc = wrefresh(stdscr);
        return rc == ERR ? cu_check(st, ERR, "wrefresh")
                         : cu_window_new(st, stdscr, NULL, NULL);
    }
    WINDOW *win = initscr();
    if (!win) {
        return cu_null(st);
    }
    the_curses.initscr = the_curses.setupterm = true;
    if (add_acs(m) < 0) {
        return NULL;
    }
    NJ_OWN window = cu_window_new(st, win, NULL, NULL);
    if (window) {
        const char *encoding = ((PyCursesWindowObject *)window)->encoding;
        if (strlen(encoding) < sizeof the_curses.encoding) {
            strcpy(the_curses.encoding, encoding);
        }
    }
    return NJ_TAKE(window);
}

static PyObject *
curses_setupterm(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"term", "fd", NULL};
    State *st = state_of(m);
    PyObject *oterm = Py_None;
    int fd = -1, err;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Oi:setupterm", names, &oterm, &fd)) {
        return NULL;
    }
    const char *term = NULL;
    if (PyUnicode_Check(oterm)) {
        Py_ssize_t n;
        term = PyUnicode_AsUTF8AndSize(oterm, &n);
        if (!term) {
            return NULL;
        }
        if (strlen(term) != (size_t)n) {
            PyErr_SetString(PyExc_ValueError, "embedded null character");
            return NULL;
        }
    }
    else if (oterm != Py_None) {
        PyErr_Format(PyExc_TypeError,
                     "setupterm() argument 'term' must be str or None, not %.50s",
                     Py_TYPE(oterm)->tp_name);
        return NULL;
    }
    if (fd == -1) {
        NJ_OWN out = Py_XNewRef(PySys_GetObject("stdout"));
        if (!out || out == Py_None) {
            PyErr_SetString(st->error, "lost sys.stdout");
            return NULL;
        }
        fd = PyObject_AsFileDescriptor(out);
        if (fd == -1) {
            return NULL;
        }
    }
    if (!the_curses.setupterm) {
        if (setupterm((char *)term, fd, &err) == ERR) {
            PyErr_SetString(st->error,
                            err == 0    ? "setupterm: could not find terminal"
                            : err == -1 ? "setupterm: could not find terminfo database"
                                        : "setupterm: unknown error");
            return NULL;
        }
        the_curses.setupterm = true;
    }
    Py_RETURN_NONE;
}

static PyObject *
curses_newwin(PyObject *m, PyObject *args)
{
    int v[4] = {0, 0, 0, 0};
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n != 2 && n != 4) {
        PyErr_SetString(PyExc_TypeError, "_curses.newwin requires 2 to 4 arguments");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (int_of(PyTuple_GET_ITEM(args, i), &v[i]) < 0) {
            return NULL;
        }
    }
    if (require_screen(m) < 0) {
        return NULL;
    }
    WINDOW *win = newwin(v[0], v[1], v[2], v[3]);
    return win ? cu_window_new(state_of(m), win, NULL, NULL) : cu_null(state_of(m));
}

static PyObject *
curses_newpad(PyObject *m, PyObject *args)
{
    int nlines, ncols;
    if (two_ints(args, "newpad", &nlines, &ncols) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    WINDOW *win = newpad(nlines, ncols);
    return win ? cu_window_new(state_of(m), win, NULL, NULL) : cu_null(state_of(m));
}

static PyObject *
curses_getwin(PyObject *m, PyObject *file)
{
    return require_screen(m) < 0 ? NULL : cu_window_file(state_of(m), file);
}

static PyObject *
curses_is_term_resized(PyObject *m, PyObject *args)
{
    int nlines, ncols;
    if (two_ints(args, "is_term_resized", &nlines, &ncols) < 0 || require_screen(m) < 0) {
        return NULL;
    }
    return PyBool_FromLong(is_term_resized(nlines, ncols));
}

/* short: the library computes with such */
static PyObject *
resize(PyObject *m, PyObject *args, const char *name, int (*call)(int, int))
{
    PyObject *olines, *ocols;
    short nlines, ncols;
    if (!PyArg_UnpackTuple(args, name, 2, 2, &olines, &ocols) ||
        cu_short(olines, &nlines) < 0 || cu_short(ocols, &ncols) < 0 ||
        require_screen(m) < 0) {
        return NULL;
    }
    PyObject *r = cu_check(state_of(m), call(nlines, ncols), name);
    if (r && publish_size(m) < 0) {
        Py_CLEAR(r);
    }
    return r;
}

#define RESIZE(name)                                                                   \
    static PyObject *curses_##name(PyObject *m, PyObject *args)                        \
    {                                                                                  \
        return resize(m, args, #name, name);                                           \
    }
RESIZE(resizeterm)
RESIZE(resize_term)

/* ======================================================================================
 * Terminfo
 * ====================================================================================== */

static const char *
capability(PyObject *m, PyObject *o, const char *fname)
{
    if (!PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s() argument must be str, not %.50s", fname,
                     Py_IsNone(o) ? "None" : Py_TYPE(o)->tp_name);
        return NULL;
    }
    Py_ssize_t n;
    const char *name = PyUnicode_AsUTF8AndSize(o, &n);
    if (name && strlen(name) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return name && require_terminal(m) == 0 ? name : NULL;
}

static PyObject *
curses_tigetflag(PyObject *m, PyObject *o)
{
    const char *name = capability(m, o, "tigetflag");
    return name ? PyLong_FromLong(tigetflag((char *)name)) : NULL;
}

static PyObject *
curses_tigetnum(PyObject *m, PyObject *o)
{
    const char *name = capability(m, o, "tigetnum");
    return name ? PyLong_FromLong(tigetnum((char *)name)) : NULL;
}

static PyObject *
curses_tigetstr(PyObject *m, PyObject *o)
{
    const char *name = capability(m, o, "tigetstr");
    if (!name) {
        return NULL;
    }
    const char *s = tigetstr((char *)name);
    if (!s || s == (const char *)-1) {
        Py_RETURN_NONE;
    }
    return PyBytes_FromString(s);
}

static PyObject *
curses_tparm(PyObject *m, PyObject *args)
{
    Py_buffer view = {0};
    int i[9] = {0};
    if (!PyArg_ParseTuple(args, "y*|iiiiiiiii:tparm", &view, &i[0], &i[1], &i[2], &i[3],
                          &i[4], &i[5], &i[6], &i[7], &i[8])) {
        return NULL;
    }
    PyObject *result = NULL;
    if (require_terminal(m) == 0) {
        NJ_OWN text = PyBytes_FromStringAndSize(view.buf, view.len);
        const char *s = text ? tparm(PyBytes_AS_STRING(text), i[0], i[1], i[2], i[3], i[4],
                                     i[5], i[6], i[7], i[8])
                             : NULL;
        if (s) {
            result = PyBytes_FromString(s);
        }
        else if (text) {
            PyErr_SetString(state_of(m)->error, "tparm() returned NULL");
        }
    }
    PyBuffer_Release(&view);
    return result;
}

static PyObject *
curses_putp(PyObject *m, PyObject *o)
{
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(o, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    NJ_OWN text = PyBytes_FromStringAndSize(view.buf, view.len);
    return text ? cu_check(state_of(m), putp(PyBytes_AS_STRING(text)), "putp") : NULL;
}

int
cu_short(PyObject *o, short *out)
{
    long v = PyLong_AsLong(o);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (v < SHRT_MIN || v > SHRT_MAX) {
        PyErr_SetString(PyExc_OverflowError,
                        v < 0 ? "signed short integer is less than minimum"
                              : "signed short integer is greater than maximum");
        return -1;
    }
    *out = (short)v;
    return 0;
}

/* ======================================================================================
 * The C API for other modules (py_curses.h)
 * ====================================================================================== */

/* The module, for functions that get no argument. */
static PyObject *
own_module(void)
{
    return PyImport_ImportModule("_curses");
}

#define API_CHECK(name, call)                                                          \
    static int api_##name(void)                                                        \
    {                                                                                  \
        NJ_OWN m = own_module();                                                       \
        return m && call(m) == 0;                                                      \
    }
API_CHECK(setupterm_called, require_terminal)
API_CHECK(initialised, require_screen)
API_CHECK(initialised_color, require_color)

static void
free_api(PyObject *capsule)
{
    void **api = PyCapsule_GetPointer(capsule, PyCurses_CAPSULE_NAME);
    if (api) {
        Py_DECREF((PyObject *)api[0]);
        PyMem_Free(api);
    }
}

static int
add_api(PyObject *m)
{
    void **api = PyMem_Calloc(PyCurses_API_pointers, sizeof(void *));
    if (!api) {
        PyErr_NoMemory();
        return -1;
    }
    api[0] = Py_NewRef(state_of(m)->window);
    api[1] = (void *)api_setupterm_called;
    api[2] = (void *)api_initialised;
    api[3] = (void *)api_initialised_color;
    NJ_OWN capsule = PyCapsule_New(api, PyCurses_CAPSULE_NAME, free_api);
    if (!capsule) {
        Py_DECREF((PyObject *)api[0]);
        PyMem_Free(api);
        return -1;
    }
    return PyModule_AddObjectRef(m, "_C_API", capsule);
}

/* ======================================================================================
 * The module
 * ====================================================================================== */

#define F_NO(name, doc)                                                                \
    {#name, curses_##name, METH_NOARGS, PyDoc_STR(SIG(#name "($module, /)") doc)}
#define F_O(name, arg, doc)                                                            \
    {#name, curses_##name, METH_O, PyDoc_STR(SIG(#name "($module, " arg ", /)") doc)}
#define F_VAR(name, sig, doc)                                                          \
    {#name, curses_##name, METH_VARARGS, PyDoc_STR(SIG(#name "($module, " sig ", /)") doc)}

static PyMethodDef methods[] = {
    F_VAR(assume_default_colors, "fg, bg", "Set the colours of pair 0; -1 is the terminal's own."),
    F_NO(baudrate, "The output speed in bits per second."),
    F_NO(beep, "Make a short sound."),
    F_NO(can_change_color, "Can colours be redefined?"),
    F_VAR(cbreak, "flag=True", "Give input character by character, or not."),
    F_O(color_content, "color_number", "(red, green, blue), each 0 to 1000."),
    F_O(color_pair, "pair_number", "The attribute of text in that pair of colours."),
    F_O(curs_set, "visibility", "Set the cursor: 0 invisible, 1 normal, 2 very visible."),
    F_NO(def_prog_mode, "Keep the terminal's mode as that of the program."),
    F_NO(def_shell_mode, "Keep the terminal's mode as that of the shell."),
    F_O(delay_output, "ms", "Pause the output."),
    F_NO(doupdate, "Bring the terminal up to date."),
    F_VAR(echo, "flag=True", "Echo input, or not."),
    F_NO(endwin, "Give the terminal back."),
    F_NO(erasechar, "The user's erase character."),
    F_NO(filter, "Use one line only; call it before initscr()."),
    F_NO(flash, "Flash the screen."),
    F_NO(flushinp, "Throw away input not read yet."),
    F_NO(getmouse, "(id, x, y, z, bstate) of a mouse event, after KEY_MOUSE."),
    F_NO(getsyx, "(y, x) of the virtual screen's cursor."),
    F_O(getwin, "file", "A window as putwin() wrote it."),
    F_NO(has_colors, "Does the terminal have colours?"),
    F_NO(has_extended_color_support, "Are more than 256 pairs of colours possible?"),
    F_NO(has_ic, "Can the terminal insert and delete characters?"),
    F_NO(has_il, "Can the terminal insert and delete lines?"),
    F_O(has_key, "key", "Does the terminal have that key?"),
    F_O(halfdelay, "tenths", "Like cbreak(), but input waits at most that long."),
    F_VAR(init_color, "color_number, r, g, b", "Define a colour; components are 0 to 1000."),
    F_VAR(init_pair, "pair_number, fg, bg", "Define a pair of colours."),
    F_NO(initscr, "Start curses; returns the window that is the whole screen."),
    F_O(intrflush, "flag", "Shall an interrupt key flush the output?"),
    F_NO(isendwin, "Has endwin() been called?"),
    F_VAR(is_term_resized, "nlines, ncols", "Would resize_term() change anything?"),
    F_O(keyname, "key", "The name of a key, as bytes."),
    F_NO(killchar, "The user's line kill character."),
    F_NO(longname, "The terminal's description."),
    F_O(meta, "yes", "Give input as 8 bits, or as 7."),
    F_NO(get_escdelay, "How long an escape waits for a sequence, in milliseconds."),
    F_O(set_escdelay, "ms", "Set how long an escape waits for a sequence."),
    F_NO(get_tabsize, "The width of a tab."),
    F_O(set_tabsize, "size", "Set the width of a tab."),
    F_O(mouseinterval, "interval", "How close press and release make a click, in milliseconds."),
    F_O(mousemask, "newmask", "Choose mouse events; returns (available, old mask)."),
    F_O(napms, "ms", "Sleep."),
    F_VAR(newpad, "nlines, ncols", "A window larger than the screen, perhaps."),
    {"newwin", curses_newwin, METH_VARARGS,
     PyDoc_STR("newwin(nlines, ncols, [begin_y=0, begin_x=0])\nA new window.")},
    F_VAR(nl, "flag=True", "Translate newlines, or not."),
    F_NO(nocbreak, "Leave cbreak mode."),
    F_NO(noecho, "Do not echo input."),
    F_NO(nonl, "Do not translate newlines."),
    F_NO(noqiflush, "Keep input and output when a signal key comes."),
    F_NO(noraw, "Leave raw mode."),
    F_O(pair_content, "pair_number", "(fg, bg) of a pair of colours."),
    F_O(pair_number, "attr", "The pair of colours in an attribute."),
    F_O(putp, "string", "Write a terminfo string to standard output."),
    F_VAR(qiflush, "flag=True", "Flush input and output when a signal key comes, or not."),
    F_VAR(raw, "flag=True", "Give every key to the program, or not."),
    F_NO(reset_prog_mode, "Return to the mode of the program."),
    F_NO(reset_shell_mode, "Return to the mode of the shell."),
    F_NO(resetty, "Return to the mode that savetty() kept."),
    F_VAR(resizeterm, "nlines, ncols", "Resize the screen's windows, and tell the program."),
    F_VAR(resize_term, "nlines, ncols", "Resize the screen's windows."),
    F_NO(savetty, "Keep the terminal's mode."),
    F_VAR(setsyx, "y, x", "Move the virtual screen's cursor."),
    {"setupterm", (PyCFunction)(void (*)(void))curses_setupterm,
     METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR(SIG("setupterm($module, /, term=None, fd=-1)") "Look the terminal up.")},
    F_NO(start_color, "Start using colours; sets COLORS and COLOR_PAIRS."),
    F_NO(termattrs, "All attributes the terminal has."),
    F_NO(termname, "The terminal's name."),
    F_O(tigetflag, "capname", "A Boolean capability; -1 if it is none."),
    F_O(tigetnum, "capname", "A numeric capability; -2 if it is none, -1 if absent."),
    F_O(tigetstr, "capname", "A string capability, or None."),
    F_VAR(tparm, "str, i1=0, i2=0, i3=0, i4=0, i5=0, i6=0, i7=0, i8=0,\n      i9=0",
          "A terminfo string with parameters put in."),
    F_O(typeahead, "fd", "The file watched for typeahead; -1 for none."),
    F_O(unctrl, "ch", "A printable form of a character, as bytes."),
    F_O(ungetch, "ch", "Let getch() return ch next."),
    F_NO(update_lines_cols, "Set LINES and COLS anew."),
    F_O(unget_wch, "ch", "Let get_wch() return ch next."),
    F_VAR(ungetmouse, "id, x, y, z, bstate", "Let getmouse() return that event next."),
    F_NO(use_default_colors, "Let -1 mean the terminal's own colours."),
    F_O(use_env, "flag", "Shall LINES and COLUMNS of the environment count?"),
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    unsigned long value;
} constants[] = {
#define C(name) {#name, name}
    C(A_ATTRIBUTES),   C(A_NORMAL),  C(A_STANDOUT), C(A_UNDERLINE), C(A_REVERSE),
    C(A_BLINK),        C(A_DIM),     C(A_BOLD),     C(A_ALTCHARSET), C(A_INVIS),
    C(A_PROTECT),      C(A_CHARTEXT), C(A_COLOR),   C(A_HORIZONTAL), C(A_LEFT),
    C(A_LOW),          C(A_RIGHT),   C(A_TOP),      C(A_VERTICAL),  C(A_ITALIC),
    C(COLOR_BLACK),    C(COLOR_RED), C(COLOR_GREEN), C(COLOR_YELLOW), C(COLOR_BLUE),
    C(COLOR_MAGENTA),  C(COLOR_CYAN), C(COLOR_WHITE),
#define B(n)                                                                           \
    C(BUTTON##n##_PRESSED), C(BUTTON##n##_RELEASED), C(BUTTON##n##_CLICKED),           \
        C(BUTTON##n##_DOUBLE_CLICKED), C(BUTTON##n##_TRIPLE_CLICKED)
    B(1), B(2), B(3), B(4), B(5),
    C(BUTTON_SHIFT),   C(BUTTON_CTRL), C(BUTTON_ALT), C(ALL_MOUSE_EVENTS),
    C(REPORT_MOUSE_POSITION), C(KEY_MIN), C(KEY_MAX),
#undef B
#undef C
};

/* KEY_UP and so on, by the names that the library has for them. */
static int
add_keys(PyObject *m)
{
    for (int key = KEY_MIN; key < KEY_MAX; key++) {
        const char *name = keyname(key);
        if (!name || strncmp(name, "KEY_", 4)) {
            continue;
        }
        char plain[64];
        size_t n = 0;
        for (const char *p = name; *p && n < sizeof plain - 1; p++) {
            if (*p != '(' && *p != ')') {
                plain[n++] = *p;
            }
        }
        plain[n] = 0;
        if (PyModule_AddIntConstant(m, plain, key) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyStructSequence_Field version_fields[] = {
    {"major", "Major release number"},
    {"minor", "Minor release number"},
    {"patch", "Patch release number"},
    {NULL, NULL},
};

static PyStructSequence_Desc version_desc = {
    "curses.ncurses_version",
    "curses.ncurses_version\n\nNcurses version information as a named tuple.",
    version_fields,
    3,
};

static int
add_version(PyObject *m)
{
    NJ_OWN type = (PyObject *)PyStructSequence_NewType(&version_desc);
    if (!type) {
        return -1;
    }
    NJ_OWN v = PyStructSequence_New((PyTypeObject *)type);
    const int parts[] = {NCURSES_VERSION_MAJOR, NCURSES_VERSION_MINOR, NCURSES_VERSION_PATCH};
    for (int i = 0; v && i < 3; i++) {
        PyObject *o = PyLong_FromLong(parts[i]);
        if (!o) {
            return -1;
        }
        PyStructSequence_SetItem(v, i, o);
    }
    if (!v || PyModule_AddObjectRef(m, "ncurses_version", v) < 0) {
        return -1;
    }
    NJ_OWN text = PyBytes_FromString("2.2");
    return PyModule_AddObjectRef(m, "version", text) < 0
               ? -1
               : PyModule_AddObjectRef(m, "__version__", text);
}

static int
curses_exec(PyObject *m)
{
    State *st = state_of(m);
    st->window = (PyTypeObject *)PyType_FromModuleAndSpec(m, &cu_window_spec, NULL);
    st->error = PyErr_NewException("_curses.error", NULL, NULL);
    if (!st->window || PyModule_AddType(m, st->window) < 0 ||
        PyModule_AddObjectRef(m, "error", st->error) < 0 || add_api(m) < 0 ||
        add_version(m) < 0 || PyModule_AddIntConstant(m, "ERR", ERR) < 0 ||
        PyModule_AddIntConstant(m, "OK", OK) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(m, constants[i].name, (long)constants[i].value) < 0) {
            return -1;
        }
    }
    return add_keys(m);
}

static int
curses_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(state_of(m)->window);
    Py_VISIT(state_of(m)->error);
    return 0;
}

static int
curses_clear(PyObject *m)
{
    Py_CLEAR(state_of(m)->window);
    Py_CLEAR(state_of(m)->error);
    return 0;
}

static void
curses_free(void *m)
{
    curses_clear(m);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, curses_exec},
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

PyModuleDef curses_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_curses",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = curses_traverse,
    .m_clear = curses_clear,
    .m_free = curses_free,
};

PyMODINIT_FUNC
PyInit__curses(void)
{
    return PyModuleDef_Init(&curses_module);
}

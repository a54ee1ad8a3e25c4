/* window.c - curses windows.
 * SPDX-License-Identifier: MIT
 */
#include "curses_int.h"

#include <limits.h>
#include <stdio.h>
#include <wchar.h>

#define MAX_INPUT_BYTES 2047

State *
cu_state_of(PyObject *window)
{
    return PyType_GetModuleState(Py_TYPE(window));
}

static PyObject *
check(PyObject *self, int code, const char *fname)
{
    return cu_check(cu_state_of(self), code, fname);
}

PyObject *
cu_window_new(State *st, WINDOW *win, const char *encoding, PyObject *orig)
{
    if (!encoding) {
        encoding = cu_encoding();
    }
    PyCursesWindowObject *self = (PyCursesWindowObject *)st->window->tp_alloc(st->window, 0);
    if (!self) {
        return NULL;
    }
    self->win = win;
    self->orig = (PyCursesWindowObject *)Py_XNewRef(orig);
    self->encoding = PyMem_Malloc(strlen(encoding) + 1);
    if (!self->encoding) {
        self->win = NULL;
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    strcpy(self->encoding, encoding);
    return (PyObject *)self;
}

static int
window_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((PyCursesWindowObject *)self)->orig);
    return 0;
}

static void
window_dealloc(PyObject *o)
{
    PyCursesWindowObject *self = (PyCursesWindowObject *)o;
    PyTypeObject *tp = Py_TYPE(o);
    PyObject_GC_UnTrack(o);
    if (self->win && self->win != stdscr) {
        delwin(self->win);
    }
    PyMem_Free(self->encoding);
    Py_XDECREF(self->orig);
    tp->tp_free(o);
    Py_DECREF(tp);
}

/* ======================================================================================
 * Arguments
 * ====================================================================================== */

/* May that many arguments be given? allowed has bit n set for n arguments. */
static int
check_count(PyObject *args, const char *name, unsigned allowed)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 16 && allowed & 1u << n) {
        return 0;
    }
    int min = 0, max = 15;
    while (!(allowed & 1u << min)) {
        min++;
    }
    while (!(allowed & 1u << max)) {
        max--;
    }
    PyErr_Format(PyExc_TypeError, "_curses.window.%s requires %d to %d arguments", name, min,
                 max);
    return -1;
}
#define COUNTS2(a, b) (1u << (a) | 1u << (b))

static int
int_at(PyObject *args, Py_ssize_t i, int *out)
{
    *out = PyLong_AsInt(PyTuple_GET_ITEM(args, i));
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
attr_of(PyObject *o, attr_t *out)
{
    long v = PyLong_AsLong(o);
    *out = (attr_t)v;
    return v == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
raise_length(PyObject *o, Py_ssize_t n)
{
    PyErr_Format(PyExc_TypeError,
                 "expect int or bytes or str of length 1, got a %T of length %zd", o, n);
    return -1;
}

/* A str of length 1 as a wide character (1), anything else as chtype (0), or -1. */
static int
character_of(PyObject *self, PyObject *o, chtype *narrow, wchar_t *wide)
{
    if (PyUnicode_Check(o)) {
        if (PyUnicode_GET_LENGTH(o) != 1) {
            return raise_length(o, PyUnicode_GET_LENGTH(o));
        }
        wide[0] = (wchar_t)PyUnicode_READ_CHAR(o, 0);
        wide[1] = 0;
        return 1;
    }
    if (PyLong_CheckExact(o)) {
        int overflow;
        (void)PyLong_AsLongAndOverflow(o, &overflow);
        if (overflow) {
            PyErr_SetString(PyExc_OverflowError, "int doesn't fit in long");
            return -1;
        }
    }
    return cu_chtype(o, ((PyCursesWindowObject *)self)->encoding, narrow);
}

int
cu_chtype(PyObject *o, const char *encoding, chtype *out)
{
    long v;
    if (PyBytes_Check(o)) {
        if (PyBytes_GET_SIZE(o) != 1) {
            return raise_length(o, PyBytes_GET_SIZE(o));
        }
        v = (unsigned char)PyBytes_AS_STRING(o)[0];
    }
    else if (PyUnicode_Check(o)) {
        if (PyUnicode_GET_LENGTH(o) != 1) {
            return raise_length(o, PyUnicode_GET_LENGTH(o));
        }
        v = (long)PyUnicode_READ_CHAR(o, 0);
        if (v > 127) {
            NJ_OWN bytes = PyUnicode_AsEncodedString(o, encoding, NULL);
            if (!bytes) {
                return -1;
            }
            v = PyBytes_GET_SIZE(bytes) == 1 ? (unsigned char)PyBytes_AS_STRING(bytes)[0]
                                             : -1;
        }
    }
    else if (PyLong_CheckExact(o)) {
        int overflow;
        v = PyLong_AsLongAndOverflow(o, &overflow);
        if (overflow) {
            v = -1;
        }
    }
    else {
        PyErr_Format(PyExc_TypeError, "expect int or bytes or str of length 1, got %T", o);
        return -1;
    }
    *out = (chtype)v;
    if (v < 0 || (long)*out != v) {
        PyErr_SetString(PyExc_OverflowError, "byte doesn't fit in chtype");
        return -1;
    }
    return 0;
}

static int
window_chtype(PyObject *self, PyObject *o, chtype *out)
{
    return cu_chtype(o, ((PyCursesWindowObject *)self)->encoding, out);
}

/* Some text, narrow or wide. */
typedef struct Text {
    const char *bytes; /* or NULL */
    wchar_t *wide;     /* PyMem memory, or NULL */
} Text;

static void
drop_text(Text *t)
{
    PyMem_Free(t->wide);
}
#define OWN_TEXT __attribute__((cleanup(drop_text))) Text

static int
text_of(PyObject *o, Text *t)
{
    if (PyUnicode_Check(o)) {
        t->wide = PyUnicode_AsWideCharString(o, NULL);
        return t->wide ? 0 : -1;
    }
    if (PyBytes_Check(o)) {
        char *s;
        if (PyBytes_AsStringAndSize(o, &s, NULL) < 0) {
            return -1;
        }
        t->bytes = s;
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "expect bytes or str, got %s", Py_TYPE(o)->tp_name);
    return -1;
}

/* ======================================================================================
 * Characters and strings
 * ====================================================================================== */

/* The arguments [y, x,] ch[, attr]. */
typedef struct Place {
    bool move, has_attr;
    int y, x;
    PyObject *what;
    attr_t attr;
} Place;

/* [y, x,] WHAT (nwhat arguments) [, attr]; the index of the argument after WHAT's first in
 * *next. */
static int
parse_place(PyObject *args, const char *name, int nwhat, Place *p, Py_ssize_t *next)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    unsigned allowed = 0xfu << nwhat;
    if (check_count(args, name, allowed) < 0) {
        return -1;
    }
    n -= nwhat;
    *p = (Place){.move = n >= 2, .has_attr = n & 1};
    Py_ssize_t at = 0;
    if (p->move) {
        if (int_at(args, 0, &p->y) < 0 || int_at(args, 1, &p->x) < 0) {
            return -1;
        }
        at = 2;
    }
    p->what = PyTuple_GET_ITEM(args, at);
    *next = at + 1;
    return p->has_attr ? attr_of(PyTuple_GET_ITEM(args, at + nwhat), &p->attr) : 0;
}

static PyObject *
window_addch(PyObject *self, PyObject *args)
{
    Place p;
    Py_ssize_t next;
    chtype narrow;
    wchar_t wide[2];
    if (parse_place(args, "addch", 1, &p, &next) < 0) {
        return NULL;
    }
    int kind = character_of(self, p.what, &narrow, wide);
    if (kind < 0) {
        return NULL;
    }
    WINDOW *win = WIN(self);
    int rc;
    if (kind) {
        cchar_t c;
        if (setcchar(&c, wide, p.attr, (short)PAIR_NUMBER(p.attr), NULL) == ERR) {
            return check(self, ERR, "setcchar");
        }
        rc = p.move ? mvwadd_wch(win, p.y, p.x, &c) : wadd_wch(win, &c);
        return check(self, rc, "add_wch");
    }
    rc = p.move ? mvwaddch(win, p.y, p.x, narrow | p.attr) : waddch(win, narrow | p.attr);
    return check(self, rc, "addch");
}

static PyObject *
window_insch(PyObject *self, PyObject *args)
{
    Place p;
    Py_ssize_t next;
    chtype c;
    if (parse_place(args, "insch", 1, &p, &next) < 0 || window_chtype(self, p.what, &c) < 0) {
        return NULL;
    }
    c |= p.attr;
    return p.move ? check(self, mvwinsch(WIN(self), p.y, p.x, c), "mvwinsch")
                  : check(self, winsch(WIN(self), c), "winsch");
}

/* addstr, addnstr, insstr, insnstr */
static PyObject *
put_text(PyObject *self, PyObject *args, const char *name, bool insert, bool counted)
{
    Place p;
    Py_ssize_t next;
    int n = -1;
    OWN_TEXT t = {0};
    if (parse_place(args, name, counted ? 2 : 1, &p, &next) < 0 ||
        (counted && int_at(args, next, &n) < 0) || text_of(p.what, &t) < 0) {
        return NULL;
    }
    WINDOW *win = WIN(self);
    attr_t old_attr = A_NORMAL;
    short old_pair = 0;
    if (p.has_attr) {
        (void)wattr_get(win, &old_attr, &old_pair, NULL);
        (void)wattrset(win, (int)p.attr);
    }
    int rc = p.move ? wmove(win, p.y, p.x) : OK;
    const char *fname;
    if (t.wide) {
        fname = insert ? (counted ? "insn_wstr" : "ins_wstr")
                       : (counted ? "addnwstr" : "addwstr");
        if (rc == OK) {
            rc = insert ? wins_nwstr(win, t.wide, n) : waddnwstr(win, t.wide, n);
        }
    }
    else {
        fname = name;
        if (rc == OK) {
            rc = insert ? winsnstr(win, t.bytes, n) : waddnstr(win, t.bytes, n);
        }
    }
    if (p.has_attr) {
        (void)wattr_set(win, old_attr, old_pair, NULL);
    }
    return check(self, rc, fname);
}

static PyObject *
window_addstr(PyObject *self, PyObject *args)
{
    return put_text(self, args, "addstr", false, false);
}

static PyObject *
window_addnstr(PyObject *self, PyObject *args)
{
    return put_text(self, args, "addnstr", false, true);
}

static PyObject *
window_insstr(PyObject *self, PyObject *args)
{
    return put_text(self, args, "insstr", true, false);
}

static PyObject *
window_insnstr(PyObject *self, PyObject *args)
{
    return put_text(self, args, "insnstr", true, true);
}

static PyObject *
draw_line(PyObject *self, PyObject *args, const char *name,
          int (*draw)(WINDOW *, chtype, int))
{
    Place p;
    Py_ssize_t next;
    chtype c;
    int n;
    if (parse_place(args, name, 2, &p, &next) < 0 || window_chtype(self, p.what, &c) < 0 ||
        int_at(args, next, &n) < 0) {
        return NULL;
    }
    if (p.move && wmove(WIN(self), p.y, p.x) == ERR) {
        return check(self, ERR, "wmove");
    }
    return check(self, draw(WIN(self), c | p.attr, n), name);
}

static PyObject *
window_hline(PyObject *self, PyObject *args)
{
    return draw_line(self, args, "hline", whline);
}

static PyObject *
window_vline(PyObject *self, PyObject *args)
{
    return draw_line(self, args, "vline", wvline);
}

/* ch[, attr] */
static int
character_with_attr(PyObject *self, PyObject *args, const char *name, chtype *out)
{
    PyObject *o, *oattr = NULL;
    attr_t attr = A_NORMAL;
    if (!PyArg_UnpackTuple(args, name, 1, 2, &o, &oattr) || window_chtype(self, o, out) < 0 ||
        (oattr && attr_of(oattr, &attr) < 0)) {
        return -1;
    }
    *out |= attr;
    return 0;
}

static PyObject *
window_bkgd(PyObject *self, PyObject *args)
{
    chtype c;
    return character_with_attr(self, args, "bkgd", &c) < 0
               ? NULL
               : check(self, wbkgd(WIN(self), c), "wbkgd");
}

static PyObject *
window_bkgdset(PyObject *self, PyObject *args)
{
    chtype c;
    if (character_with_attr(self, args, "bkgdset", &c) < 0) {
        return NULL;
    }
    wbkgdset(WIN(self), c);
    Py_RETURN_NONE;
}

static PyObject *
window_echochar(PyObject *self, PyObject *args)
{
    chtype c;
    if (character_with_attr(self, args, "echochar", &c) < 0) {
        return NULL;
    }
    if (is_pad(WIN(self))) {
        return check(self, pechochar(WIN(self), c), "pechochar");
    }
    return check(self, wechochar(WIN(self), c), "wechochar");
}

static PyObject *
window_border(PyObject *self, PyObject *args)
{
    PyObject *o[8] = {NULL};
    chtype c[8] = {0};
    if (!PyArg_UnpackTuple(args, "border", 0, 8, &o[0], &o[1], &o[2], &o[3], &o[4], &o[5],
                           &o[6], &o[7])) {
        return NULL;
    }
    for (int i = 0; i < 8; i++) {
        if (o[i] && window_chtype(self, o[i], &c[i]) < 0) {
            return NULL;
        }
    }
    return check(self, wborder(WIN(self), c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]),
                 "wborder");
}

static PyObject *
window_box(PyObject *self, PyObject *args)
{
    chtype v = 0, h = 0;
    if (check_count(args, "box", COUNTS2(0, 2)) < 0) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) &&
        (window_chtype(self, PyTuple_GET_ITEM(args, 0), &v) < 0 ||
         window_chtype(self, PyTuple_GET_ITEM(args, 1), &h) < 0)) {
        return NULL;
    }
    return check(self, box(WIN(self), v, h), "box");
}

static PyObject *
window_chgat(PyObject *self, PyObject *args)
{
    int y = 0, x = 0, num = -1;
    attr_t attr;
    if (check_count(args, "chgat", 0x1e) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args), at = 0;
    bool move = n >= 3;
    if (move) {
        if (int_at(args, 0, &y) < 0 || int_at(args, 1, &x) < 0) {
            return NULL;
        }
        at = 2;
    }
    if (n - at == 2 && int_at(args, at++, &num) < 0) {
        return NULL;
    }
    if (attr_of(PyTuple_GET_ITEM(args, at), &attr) < 0) {
        return NULL;
    }
    WINDOW *win = WIN(self);
    short pair = (short)PAIR_NUMBER(attr);
    attr &= A_ATTRIBUTES & ~A_COLOR;
    if (move) {
        int rc = mvwchgat(win, y, x, num, attr, pair, NULL);
        touchline(win, y, 1);
        return check(self, rc, "mvwchgat");
    }
    getyx(win, y, x);
    int rc = wchgat(win, num, attr, pair, NULL);
    touchline(win, y, 1);
    return check(self, rc, "wchgat");
}

/* ======================================================================================
 * Attributes and flags
 * ====================================================================================== */

#define ATTR_METHOD(name, call)                                                        \
    static PyObject *window_##name(PyObject *self, PyObject *o)                        \
    {                                                                                  \
        long v = PyLong_AsLong(o);                                                     \
        if (v == -1 && PyErr_Occurred()) {                                             \
            return NULL;                                                               \
        }                                                                              \
        return check(self, call(WIN(self), (int)v), #call);                            \
    }
ATTR_METHOD(attron, wattron)
ATTR_METHOD(attroff, wattroff)
ATTR_METHOD(attrset, wattrset)

#define INT_METHOD(name, call)                                                         \
    static PyObject *window_##name(PyObject *self, PyObject *o)                        \
    {                                                                                  \
        int v = PyLong_AsInt(o);                                                       \
        if (v == -1 && PyErr_Occurred()) {                                             \
            return NULL;                                                               \
        }                                                                              \
        return check(self, call(WIN(self), v), #call);                                 \
    }
#define FLAG_METHOD(name)                                                              \
    static PyObject *window_##name(PyObject *self, PyObject *o)                        \
    {                                                                                  \
        int v = PyLong_AsInt(o);                                                       \
        if (v == -1 && PyErr_Occurred()) {                                             \
            return NULL;                                                               \
        }                                                                              \
        return check(self, name(WIN(self), v != 0), #name);                            \
    }
FLAG_METHOD(clearok)
FLAG_METHOD(idlok)
FLAG_METHOD(keypad)
FLAG_METHOD(leaveok)
FLAG_METHOD(nodelay)
FLAG_METHOD(notimeout)
FLAG_METHOD(scrollok)
FLAG_METHOD(syncok)

#define VOID_FLAG_METHOD(name)                                                         \
    static PyObject *window_##name(PyObject *self, PyObject *o)                        \
    {                                                                                  \
        int v = PyLong_AsInt(o);                                                       \
        if (v == -1 && PyErr_Occurred()) {                                             \
            return NULL;                                                               \
        }                                                                              \
        name(WIN(self), v != 0);                                                       \
        Py_RETURN_NONE;                                                                \
    }
VOID_FLAG_METHOD(immedok)
VOID_FLAG_METHOD(idcok)

static PyObject *
window_timeout(PyObject *self, PyObject *o)
{
    int v = PyLong_AsInt(o);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    wtimeout(WIN(self), v);
    Py_RETURN_NONE;
}

INT_METHOD(insdelln, winsdelln)

#define SIMPLE_METHOD(name, call)                                                      \
    static PyObject *window_##name(PyObject *self, PyObject *ignored)                  \
    {                                                                                  \
        return check(self, call(WIN(self)), #call);                                    \
    }
SIMPLE_METHOD(clear, wclear)
SIMPLE_METHOD(clrtobot, wclrtobot)
SIMPLE_METHOD(clrtoeol, wclrtoeol)
SIMPLE_METHOD(deleteln, wdeleteln)
SIMPLE_METHOD(erase, werase)
SIMPLE_METHOD(insertln, winsertln)
SIMPLE_METHOD(redrawwin, redrawwin)
SIMPLE_METHOD(standend, wstandend)
SIMPLE_METHOD(standout, wstandout)
SIMPLE_METHOD(touchwin, touchwin)
SIMPLE_METHOD(untouchwin, untouchwin)

#define VOID_METHOD(name, call)                                                        \
    static PyObject *window_##name(PyObject *self, PyObject *ignored)                  \
    {                                                                                  \
        call(WIN(self));                                                               \
        Py_RETURN_NONE;                                                                \
    }
VOID_METHOD(cursyncup, wcursyncup)
VOID_METHOD(syncup, wsyncup)
VOID_METHOD(syncdown, wsyncdown)

#define PAIR_METHOD(name, call, fname)                                                 \
    static PyObject *window_##name(PyObject *self, PyObject *args)                     \
    {                                                                                  \
        PyObject *oa, *ob;                                                             \
        int a, b;                                                                      \
        if (!PyArg_UnpackTuple(args, #name, 2, 2, &oa, &ob) ||                         \
            int_at(args, 0, &a) < 0 || int_at(args, 1, &b) < 0) {                      \
            return NULL;                                                               \
        }                                                                              \
        return check(self, call(WIN(self), a, b), fname);                              \
    }
PAIR_METHOD(mvderwin, mvderwin, "mvderwin")
PAIR_METHOD(mvwin, mvwin, "mvwin")
PAIR_METHOD(redrawln, wredrawln, "redrawln")
PAIR_METHOD(resize, wresize, "wresize")
PAIR_METHOD(setscrreg, wsetscrreg, "wsetscrreg")

static PyObject *
window_move(PyObject *self, PyObject *args)
{
    int y, x;
    if (!PyArg_ParseTuple(args, "ii;y,x", &y, &x)) {
        return NULL;
    }
    return check(self, wmove(WIN(self), y, x), "wmove");
}

static PyObject *
window_enclose(PyObject *self, PyObject *args)
{
    PyObject *oy, *ox;
    int y, x;
    if (!PyArg_UnpackTuple(args, "enclose", 2, 2, &oy, &ox) || int_at(args, 0, &y) < 0 ||
        int_at(args, 1, &x) < 0) {
        return NULL;
    }
    return PyBool_FromLong(wenclose(WIN(self), y, x));
}

#define PLACE_METHOD(name)                                                             \
    static PyObject *window_##name(PyObject *self, PyObject *ignored)                  \
    {                                                                                  \
        int y, x;                                                                      \
        name(WIN(self), y, x);                                                         \
        return Py_BuildValue("(ii)", y, x);                                            \
    }
PLACE_METHOD(getyx)
PLACE_METHOD(getbegyx)
PLACE_METHOD(getmaxyx)
PLACE_METHOD(getparyx)

static PyObject *
window_getbkgd(PyObject *self, PyObject *ignored)
{
    return PyLong_FromUnsignedLong(getbkgd(WIN(self)));
}

static PyObject *
window_is_linetouched(PyObject *self, PyObject *o)
{
    int line = PyLong_AsInt(o);
    if (line == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int rc = is_linetouched(WIN(self), line);
    if (rc == ERR) {
        PyErr_SetString(PyExc_TypeError,
                        "is_linetouched: line number outside of boundaries");
        return NULL;
    }
    return PyBool_FromLong(rc);
}

static PyObject *
window_is_wintouched(PyObject *self, PyObject *ignored)
{
    return PyBool_FromLong(is_wintouched(WIN(self)));
}

static PyObject *
window_touchline(PyObject *self, PyObject *args)
{
    int start, count, changed = 1;
    if (check_count(args, "touchline", COUNTS2(2, 3)) < 0 || int_at(args, 0, &start) < 0 ||
        int_at(args, 1, &count) < 0) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) == 3) {
        changed = PyObject_IsTrue(PyTuple_GET_ITEM(args, 2));
        if (changed < 0) {
            return NULL;
        }
        return check(self, wtouchln(WIN(self), start, count, changed), "touchline");
    }
    return check(self, touchline(WIN(self), start, count), "touchline");
}

static PyObject *
window_scroll(PyObject *self, PyObject *args)
{
    int count;
    if (check_count(args, "scroll", COUNTS2(0, 1)) < 0) {
        return NULL;
    }
    if (!PyTuple_GET_SIZE(args)) {
        return check(self, scroll(WIN(self)), "scroll");
    }
    return int_at(args, 0, &count) < 0 ? NULL
                                       : check(self, wscrl(WIN(self), count), "scroll");
}

/* ======================================================================================
 * Reading
 * ====================================================================================== */

/* [y, x] of a method with no other arguments: 1 if they are there, 0, or -1. */
static int
optional_place(PyObject *args, const char *name, int *y, int *x)
{
    if (check_count(args, name, COUNTS2(0, 2)) < 0) {
        return -1;
    }
    if (!PyTuple_GET_SIZE(args)) {
        return 0;
    }
    return int_at(args, 0, y) < 0 || int_at(args, 1, x) < 0 ? -1 : 1;
}

static PyObject *
window_delch(PyObject *self, PyObject *args)
{
    int y, x, at = optional_place(args, "delch", &y, &x);
    if (at < 0) {
        return NULL;
    }
    return at ? check(self, mvwdelch(WIN(self), y, x), "mvwdelch")
              : check(self, wdelch(WIN(self)), "wdelch");
}

static PyObject *
window_inch(PyObject *self, PyObject *args)
{
    int y, x, at = optional_place(args, "inch", &y, &x);
    if (at < 0) {
        return NULL;
    }
    return PyLong_FromUnsignedLong(at ? mvwinch(WIN(self), y, x) : winch(WIN(self)));
}

/* A key as wgetch() gives it; -2 with an exception set. */
static int
read_key(PyObject *self, PyObject *args, const char *name)
{
    int y, x, at = optional_place(args, name, &y, &x), key;
    if (at < 0) {
        return -2;
    }
    WINDOW *win = WIN(self);
    Py_BEGIN_ALLOW_THREADS
    key = at ? mvwgetch(win, y, x) : wgetch(win);
    Py_END_ALLOW_THREADS
    return key;
}

static PyObject *
window_getch(PyObject *self, PyObject *args)
{
    int key = read_key(self, args, "getch");
    if (key == -2 || (key == ERR && PyErr_CheckSignals() < 0)) {
        return NULL;
    }
    return PyLong_FromLong(key);
}

static PyObject *
no_input(PyObject *self)
{
    if (PyErr_CheckSignals() == 0) {
        PyErr_SetString(cu_state_of(self)->error, "no input");
    }
    return NULL;
}

static PyObject *
window_getkey(PyObject *self, PyObject *args)
{
    int key = read_key(self, args, "getkey");
    if (key == -2) {
        return NULL;
    }
    if (key == ERR) {
        return no_input(self);
    }
    if (key <= 255) {
        return PyUnicode_FromOrdinal(key);
    }
    const char *name = keyname(key);
    return PyUnicode_FromString(name ? name : "");
}

static PyObject *
window_get_wch(PyObject *self, PyObject *args)
{
    int y, x, at = optional_place(args, "get_wch", &y, &x), rc;
    if (at < 0) {
        return NULL;
    }
    WINDOW *win = WIN(self);
    wint_t c;
    Py_BEGIN_ALLOW_THREADS
    rc = at ? mvwget_wch(win, y, x, &c) : wget_wch(win, &c);
    Py_END_ALLOW_THREADS
    if (rc == ERR) {
        return no_input(self);
    }
    return rc == KEY_CODE_YES ? PyLong_FromLong((long)c) : PyUnicode_FromOrdinal((int)c);
}

/* [[y, x,] n=2047] */
static int
parse_limit(PyObject *args, bool *move, int *y, int *x, unsigned *n)
{
    if (check_count(args, "instr", 0xf) < 0) {
        return -1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(args);
    *move = count >= 2;
    *n = MAX_INPUT_BYTES;
    if (*move && (int_at(args, 0, y) < 0 || int_at(args, 1, x) < 0)) {
        return -1;
    }
    if (count & 1) {
        NJ_OWN limit = PyNumber_Index(PyTuple_GET_ITEM(args, count - 1));
        if (!limit) {
            return -1;
        }
        if (PyLong_IsNegative(limit) > 0) {
            PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
            return -1;
        }
        unsigned long v = PyLong_AsUnsignedLong(limit);
        if (v == (unsigned long)-1 && PyErr_Occurred()) {
            return -1;
        }
        if (v > UINT_MAX) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large for C unsigned int");
            return -1;
        }
        *n = v < MAX_INPUT_BYTES ? (unsigned)v : MAX_INPUT_BYTES;
    }
    return 0;
}

static PyObject *
window_getstr(PyObject *self, PyObject *args)
{
    bool move;
    int y, x, rc;
    unsigned n;
    if (parse_limit(args, &move, &y, &x, &n) < 0) {
        return NULL;
    }
    NJ_OWN_MEM(char) buf = PyMem_Malloc(MAX_INPUT_BYTES + 1);
    if (!buf) {
        return PyErr_NoMemory();
    }
    WINDOW *win = WIN(self);
    char *to = buf;
    Py_BEGIN_ALLOW_THREADS
    rc = move ? mvwgetnstr(win, y, x, to, (int)n) : wgetnstr(win, to, (int)n);
    Py_END_ALLOW_THREADS
    if (rc == ERR) {
        buf[0] = 0;
    }
    return PyBytes_FromString(buf);
}

static PyObject *
window_instr(PyObject *self, PyObject *args)
{
    bool move;
    int y, x;
    unsigned n;
    if (parse_limit(args, &move, &y, &x, &n) < 0) {
        return NULL;
    }
    char buf[MAX_INPUT_BYTES + 1] = "";
    int rc = move ? mvwinnstr(WIN(self), y, x, buf, (int)n) : winnstr(WIN(self), buf, (int)n);
    if (rc == ERR) {
        buf[0] = 0;
    }
    return PyBytes_FromString(buf);
}

/* ======================================================================================
 * Refreshing, copying, other windows
 * ====================================================================================== */

static PyObject *
show(PyObject *self, PyObject *args, bool now)
{
    const char *name = now ? "refresh" : "noutrefresh";
    int v[6], rc;
    if (check_count(args, name, COUNTS2(0, 6)) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (int_at(args, i, &v[i]) < 0) {
            return NULL;
        }
    }
    WINDOW *win = WIN(self);
    if (is_pad(win)) {
        if (!n) {
            PyErr_Format(cu_state_of(self)->error,
                         now ? "%s() for a pad requires 6 arguments"
                             : "%s() called for a pad requires 6 arguments",
                         name);
            return NULL;
        }
        Py_BEGIN_ALLOW_THREADS
        rc = now ? prefresh(win, v[0], v[1], v[2], v[3], v[4], v[5])
                 : pnoutrefresh(win, v[0], v[1], v[2], v[3], v[4], v[5]);
        Py_END_ALLOW_THREADS
        return check(self, rc, now ? "prefresh" : "pnoutrefresh");
    }
    if (n) {
        PyErr_Format(PyExc_TypeError, "%s() takes no arguments (%zd given)", name, n);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = now ? wrefresh(win) : wnoutrefresh(win);
    Py_END_ALLOW_THREADS
    return check(self, rc, now ? "wrefresh" : "wnoutrefresh");
}

static PyObject *
window_refresh(PyObject *self, PyObject *args)
{
    return show(self, args, true);
}

static PyObject *
window_noutrefresh(PyObject *self, PyObject *args)
{
    return show(self, args, false);
}

static PyObject *
copy_over(PyObject *self, PyObject *args, const char *name, bool transparent)
{
    int v[6];
    if (check_count(args, name, COUNTS2(1, 7)) < 0) {
        return NULL;
    }
    PyObject *dest = PyTuple_GET_ITEM(args, 0);
    if (!Py_IS_TYPE(dest, Py_TYPE(self))) {
        PyErr_Format(PyExc_TypeError, "%s() argument 1 must be _curses.window, not %.50s",
                     name, Py_IsNone(dest) ? "None" : Py_TYPE(dest)->tp_name);
        return NULL;
    }
    if (PyTuple_GET_SIZE(args) == 1) {
        return check(self, transparent ? overlay(WIN(self), WIN(dest))
                                       : overwrite(WIN(self), WIN(dest)),
                     name);
    }
    for (Py_ssize_t i = 0; i < 6; i++) {
        if (int_at(args, i + 1, &v[i]) < 0) {
            return NULL;
        }
    }
    return check(self, copywin(WIN(self), WIN(dest), v[0], v[1], v[2], v[3], v[4], v[5],
                               transparent),
                 "copywin");
}

static PyObject *
window_overlay(PyObject *self, PyObject *args)
{
    return copy_over(self, args, "overlay", true);
}

static PyObject *
window_overwrite(PyObject *self, PyObject *args)
{
    return copy_over(self, args, "overwrite", false);
}

/* [nlines, ncols,] begin_y, begin_x */
static PyObject *
part_of(PyObject *self, PyObject *args, const char *name, bool relative)
{
    int v[4] = {0, 0, 0, 0};
    if (check_count(args, name, COUNTS2(2, 4)) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (int_at(args, i, &v[i + 4 - n]) < 0) {
            return NULL;
        }
    }
    WINDOW *win = WIN(self), *part;
    if (!relative && is_pad(win)) {
        part = subpad(win, v[0], v[1], v[2], v[3]);
    }
    else {
        part = relative ? derwin(win, v[0], v[1], v[2], v[3])
                        : subwin(win, v[0], v[1], v[2], v[3]);
    }
    State *st = cu_state_of(self);
    if (!part) {
        return cu_null(st);
    }
    return cu_window_new(st, part, ((PyCursesWindowObject *)self)->encoding, self);
}

static PyObject *
window_derwin(PyObject *self, PyObject *args)
{
    return part_of(self, args, "derwin", true);
}

static PyObject *
window_subwin(PyObject *self, PyObject *args)
{
    return part_of(self, args, "subwin", false);
}

/* ======================================================================================
 * Files
 * ====================================================================================== */

static void
close_file(FILE **f)
{
    if (*f) {
        fclose(*f);
    }
}
#define OWN_FILE __attribute__((cleanup(close_file))) FILE *

static PyObject *
window_putwin(PyObject *self, PyObject *file)
{
    OWN_FILE f = tmpfile();
    if (!f) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (putwin(WIN(self), f) == ERR) {
        return check(self, ERR, "putwin");
    }
    if (fseek(f, 0, SEEK_SET) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    NJ_OWN result = Py_NewRef(Py_None);
    char buf[BUFSIZ];
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, f)) > 0) {
        NJ_SET(result, PyObject_CallMethod(file, "write", "y#", buf, (Py_ssize_t)n));
        if (!result) {
            return NULL;
        }
    }
    return NJ_TAKE(result);
}

PyObject *
cu_window_file(State *st, PyObject *file)
{
    OWN_FILE f = tmpfile();
    if (!f) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    NJ_OWN data = PyObject_CallMethod(file, "read", NULL);
    if (!data) {
        return NULL;
    }
    if (!PyBytes_Check(data)) {
        PyErr_Format(PyExc_TypeError, "f.read() returned %.100s instead of bytes",
                     Py_TYPE(data)->tp_name);
        return NULL;
    }
    size_t n = (size_t)PyBytes_GET_SIZE(data);
    if (fwrite(PyBytes_AS_STRING(data), 1, n, f) != n || fseek(f, 0, SEEK_SET) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    WINDOW *win = getwin(f);
    return win ? cu_window_new(st, win, NULL, NULL) : cu_null(st);
}

/* ======================================================================================
 * The type
 * ====================================================================================== */

static PyObject *
get_encoding(PyObject *self, void *closure)
{
    return PyUnicode_FromString(((PyCursesWindowObject *)self)->encoding);
}

static int
set_encoding(PyObject *self, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "encoding may not be deleted");
        return -1;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "setting encoding to a non-string");
        return -1;
    }
    NJ_OWN ascii = PyUnicode_AsASCIIString(value);
    if (!ascii) {
        return -1;
    }
    char *copy = PyMem_Malloc((size_t)PyBytes_GET_SIZE(ascii) + 1);
    if (!copy) {
        PyErr_NoMemory();
        return -1;
    }
    strcpy(copy, PyBytes_AS_STRING(ascii));
    PyMem_Free(((PyCursesWindowObject *)self)->encoding);
    ((PyCursesWindowObject *)self)->encoding = copy;
    return 0;
}

#define M_VAR(name, doc) {#name, window_##name, METH_VARARGS, PyDoc_STR(doc)}
#define M_NO(name, doc) {#name, window_##name, METH_NOARGS, PyDoc_STR(SIG(#name "($self, /)") doc)}
#define M_O(name, arg, doc)                                                            \
    {#name, window_##name, METH_O, PyDoc_STR(SIG(#name "($self, " arg ", /)") doc)}
#define M_TWO(name, sig, doc) {#name, window_##name, METH_VARARGS, PyDoc_STR(SIG(#name sig) doc)}

static PyMethodDef window_methods[] = {
    M_VAR(addch, "addch([y, x,] ch, [attr=_curses.A_NORMAL])\nPut a character there and move on."),
    M_VAR(addnstr, "addnstr([y, x,] str, n, [attr])\nPut at most n characters of a string there."),
    M_VAR(addstr, "addstr([y, x,] str, [attr])\nPut a string there."),
    M_O(attroff, "attr", "Take an attribute out of those of new text."),
    M_O(attron, "attr", "Add an attribute to those of new text."),
    M_O(attrset, "attr", "Set the attributes of new text."),
    M_TWO(bkgd, "($self, ch, attr=_curses.A_NORMAL, /)", "Change the background, everywhere."),
    M_TWO(bkgdset, "($self, ch, attr=_curses.A_NORMAL, /)", "Set the background of new text."),
    M_TWO(border,
          "($self, ls=_curses.ACS_VLINE, rs=_curses.ACS_VLINE,\n"
          "       ts=_curses.ACS_HLINE, bs=_curses.ACS_HLINE,\n"
          "       tl=_curses.ACS_ULCORNER, tr=_curses.ACS_URCORNER,\n"
          "       bl=_curses.ACS_LLCORNER, br=_curses.ACS_LRCORNER, /)",
          "Draw a border: left, right, top, bottom, the four corners."),
    M_VAR(box, "box([verch=0, horch=0])\nDraw a border with the usual corners."),
    M_VAR(chgat, "chgat([y, x,] [n=-1,] attr)\nChange the attributes of n characters."),
    M_NO(clear, "Erase everything; the next refresh repaints the screen."),
    M_O(clearok, "flag", "Shall the next refresh() repaint everything?"),
    M_NO(clrtobot, "Erase from the cursor to the end."),
    M_NO(clrtoeol, "Erase from the cursor to the end of the line."),
    M_NO(cursyncup, "Move the cursor of the ancestors to this one's."),
    M_VAR(delch, "delch([y, x])\nDelete a character; what follows moves left."),
    M_NO(deleteln, "Delete the line of the cursor; what follows moves up."),
    M_VAR(derwin, "derwin([nlines=0, ncols=0,] begin_y, begin_x)\n"
                  "A window within this one, its place relative to this one."),
    M_TWO(echochar, "($self, ch, attr=_curses.A_NORMAL, /)", "Add a character and refresh."),
    M_TWO(enclose, "($self, y, x, /)", "Does the place on the screen lie in the window?"),
    M_NO(erase, "Erase everything."),
    M_VAR(get_wch, "get_wch([y, x])\nWait for a key: a str, or an int for a special key."),
    M_NO(getbegyx, "(y, x) of the upper left corner."),
    M_NO(getbkgd, "The background character and its attributes."),
    M_VAR(getch, "getch([y, x])\nWait for a key: an int, -1 for none."),
    M_VAR(getkey, "getkey([y, x])\nWait for a key: a str, the name of a special key."),
    M_NO(getmaxyx, "(height, width)."),
    M_NO(getparyx, "(y, x) within the parent window, (-1, -1) without one."),
    M_VAR(getstr, "getstr([[y, x,] n=2047])\nRead a line from the user, as bytes."),
    M_NO(getyx, "(y, x) of the cursor."),
    M_VAR(hline, "hline([y, x,] ch, n, [attr=_curses.A_NORMAL])\nDraw a horizontal line."),
    M_O(idcok, "flag", "May the terminal insert and delete characters?"),
    M_O(idlok, "flag", "May the terminal insert and delete lines?"),
    M_O(immedok, "flag", "Shall every change refresh the window?"),
    M_VAR(inch, "inch([y, x])\nThe character there, with its attributes."),
    M_VAR(insch, "insch([y, x,] ch, [attr=_curses.A_NORMAL])\n"
                 "Insert a character; what follows moves right."),
    M_O(insdelln, "nlines", "Insert lines at the cursor; delete -nlines if negative."),
    M_NO(insertln, "Insert an empty line at the cursor."),
    M_VAR(insnstr, "insnstr([y, x,] str, n, [attr])\nInsert at most n characters of a string."),
    M_VAR(insstr, "insstr([y, x,] str, [attr])\nInsert a string; what follows moves right."),
    M_VAR(instr, "instr([y, x,] n=2047)\nThe text from there to the end of the line, as bytes."),
    M_O(is_linetouched, "line", "Did the line change since the last refresh?"),
    M_NO(is_wintouched, "Did the window change since the last refresh?"),
    M_O(keypad, "flag", "Shall escape sequences of special keys be understood?"),
    M_O(leaveok, "flag", "May the cursor stay where an update leaves it?"),
    M_TWO(move, "($self, new_y, new_x, /)", "Move the cursor."),
    M_TWO(mvderwin, "($self, y, x, /)", "Move the window within its parent."),
    M_TWO(mvwin, "($self, new_y, new_x, /)", "Move the window."),
    M_O(nodelay, "flag", "Shall getch() not wait?"),
    M_O(notimeout, "flag", "Shall an escape sequence never time out?"),
    M_VAR(noutrefresh,
          "noutrefresh([pminrow, pmincol, sminrow, smincol, smaxrow, smaxcol])\n"
          "Refresh, but leave the terminal to doupdate()."),
    M_VAR(overlay, "overlay(destwin, [sminrow, smincol, dminrow, dmincol, dmaxrow, dmaxcol])\n"
                   "Copy onto destwin; blanks are transparent."),
    M_VAR(overwrite,
          "overwrite(destwin, [sminrow, smincol, dminrow, dmincol, dmaxrow,\n"
          "          dmaxcol])\nCopy onto destwin, blanks too."),
    M_O(putwin, "file", "Write the window to a file, for getwin()."),
    M_TWO(redrawln, "($self, beg, num, /)", "Redraw num lines with the next refresh()."),
    M_NO(redrawwin, "Redraw everything with the next refresh()."),
    M_VAR(refresh, "refresh([pminrow, pmincol, sminrow, smincol, smaxrow, smaxcol])\n"
                   "Update the terminal; the arguments are for pads, which need them."),
    M_TWO(resize, "($self, nlines, ncols, /)", "Change the size of the window."),
    M_VAR(scroll, "scroll([lines=1])\nScroll up, or down if lines is negative."),
    M_O(scrollok, "flag", "Shall the window scroll when the cursor leaves it?"),
    M_TWO(setscrreg, "($self, top, bottom, /)", "Set the lines that scroll."),
    M_NO(standend, "Turn standout off."),
    M_NO(standout, "Turn A_STANDOUT on."),
    {"subpad", window_subwin, METH_VARARGS,
     PyDoc_STR("subwin([nlines=0, ncols=0,] begin_y, begin_x)\n"
               "A pad within this one.")},
    M_VAR(subwin, "subwin([nlines=0, ncols=0,] begin_y, begin_x)\n"
                  "A window within this one, its place relative to the screen."),
    M_NO(syncdown, "Take over changes of the ancestors."),
    M_O(syncok, "flag", "Shall every change call syncup()?"),
    M_NO(syncup, "Pass changes on to the ancestors."),
    M_O(timeout, "delay", "How long input waits: milliseconds, forever if negative."),
    M_VAR(touchline, "touchline(start, count, [changed=True])\n"
                     "Mark lines as changed, or as unchanged."),
    M_NO(touchwin, "Mark everything as changed."),
    M_NO(untouchwin, "Mark everything as unchanged."),
    M_VAR(vline, "vline([y, x,] ch, n, [attr=_curses.A_NORMAL])\nDraw a vertical line."),
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef window_getset[] = {
    {"encoding", get_encoding, set_encoding, "the encoding of characters beyond ASCII", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot window_slots[] = {
    {Py_tp_dealloc, window_dealloc},
    {Py_tp_traverse, window_traverse},
    {Py_tp_methods, window_methods},
    {Py_tp_getset, window_getset},
    {0, NULL},
};

PyType_Spec cu_window_spec = {
    .name = "_curses.window",
    .basicsize = sizeof(PyCursesWindowObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = window_slots,
};

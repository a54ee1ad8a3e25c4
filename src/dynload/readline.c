/* readline.c - line editing and history for input() and the prompt, on GNU readline.
 *
 * The library is one per process: so is what it calls back. `the_state' points to the state
 * of the module imported last, whose hooks are the ones in force; it is NULL once that
 * module is gone, and the callbacks then do nothing.
 *
 * The interpreter calls read_line() through PyOS_ReadlineFunctionPointer without the GIL
 * and one call at a time. Everything readline calls back into Python from there takes the
 * GIL first, and whatever exception comes of it is dropped: there is nobody to give it to.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define SIG(s) s "\n--\n\n"
#define INPUT_HOOK_MS 100 /* how often PyOS_InputHook runs while nothing is typed */

/* The thread that reads a line: it runs signal handlers in the meantime. */
PyAPI_DATA(PyThreadState *) _PyOS_ReadlineTState;

typedef struct {
    PyObject *completer;
    PyObject *display_matches;
    PyObject *startup;
    PyObject *pre_input;
    Py_ssize_t begin;   /* characters before the text to complete */
    Py_ssize_t end;     /* and up to its end */
    int history_length; /* lines to keep in the file, < 0: all */
    bool auto_history;
} State;

static State *the_state;
static char *the_delims; /* malloc: what set_completer_delims() gave readline, or NULL */
static struct sigaction old_winch;
static volatile sig_atomic_t resized;
static char *done_line; /* malloc: what the callback interface handed over, NULL: the end */
static bool is_done;

static PyObject *
decode(const char *s)
{
    return PyUnicode_DecodeLocale(s, "surrogateescape");
}

/* The text of a str in the locale's encoding, as new bytes. */
static PyObject *
encode(PyObject *o)
{
    return PyUnicode_EncodeLocale(o, "surrogateescape");
}

/* LC_CTYPE as the environment wants it, whatever the program has made of it: readline asks
 * it for the width of what is typed. Returns what to give to leave_locale(). */
static char *
enter_locale(void)
{
    const char *now = setlocale(LC_CTYPE, NULL);
    char *saved = now ? strdup(now) : NULL;
    setlocale(LC_CTYPE, "");
    return saved;
}

static void
leave_locale(char *saved)
{
    if (saved) {
        setlocale(LC_CTYPE, saved);
        free(saved);
    }
}

/* --- what readline calls ---------------------------------------------------------------- */

static int
run_hook(PyObject *hook)
{
    int result = 0;
    NJ_OWN keep = Py_NewRef(hook);
    NJ_OWN r = PyObject_CallNoArgs(keep);
    if (r && r != Py_None) {
        result = PyLong_AsInt(r);
    }
    if (PyErr_Occurred()) {
        PyErr_Clear();
        result = 0;
    }
    return result;
}

static int
on_startup(void)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    int r = the_state && the_state->startup ? run_hook(the_state->startup) : 0;
    PyGILState_Release(gil);
    return r;
}

static int
on_pre_input(void)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    int r = the_state && the_state->pre_input ? run_hook(the_state->pre_input) : 0;
    PyGILState_Release(gil);
    return r;
}

/* The completion number i of text as malloc'd memory, or NULL. */
static char *
next_completion(const char *text, int i)
{
    NJ_OWN f = Py_NewRef(the_state->completer);
    NJ_OWN t = decode(text);
    NJ_OWN n = t ? PyLong_FromLong(i) : NULL;
    NJ_OWN r = n ? PyObject_CallFunctionObjArgs(f, t, n, NULL) : NULL;
    NJ_OWN bytes = r && PyUnicode_Check(r) ? encode(r) : NULL;
    if (!bytes) {
        PyErr_Clear();
        return NULL;
    }
    return strdup(PyBytes_AS_STRING(bytes));
}

static char *
on_completion(const char *text, int i)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    char *r = NULL;
    if (the_state && the_state->completer) {
        rl_attempted_completion_over = 1; /* no file names if there is nothing */
        r = next_completion(text, i);
    }
    PyGILState_Release(gil);
    return r;
}

/* Characters in the first n bytes of the line. */
static Py_ssize_t
count_chars(int n)
{
    char *part = strndup(rl_line_buffer, (size_t)n);
    NJ_OWN s = part ? decode(part) : NULL;
    free(part);
    if (!s) {
        PyErr_Clear();
        return n;
    }
    return PyUnicode_GET_LENGTH(s);
}

static char **
on_attempted_completion(const char *text, int start, int end)
{
    rl_completion_append_character = '\0';
    rl_completion_suppress_append = 0;
    PyGILState_STATE gil = PyGILState_Ensure();
    if (the_state) {
        the_state->begin = count_chars(start);
        the_state->end = count_chars(end);
    }
    PyGILState_Release(gil);
    return rl_completion_matches(text, on_completion);
}

static void
show_matches(PyObject *hook, char **matches, int n, int longest)
{
    NJ_OWN keep = Py_NewRef(hook);
    NJ_OWN substitution = decode(matches[0]);
    NJ_OWN list = substitution ? PyList_New(0) : NULL;
    for (int i = 1; list && i <= n; i++) {
        NJ_OWN s = decode(matches[i]);
        if (!s || PyList_Append(list, s) < 0) {
            NJ_SET(list, NULL);
        }
    }
    NJ_OWN r = list ? PyObject_CallFunction(keep, "OOi", substitution, list, longest) : NULL;
    if (!r) {
        PyErr_Clear();
    }
}

static void
on_display_matches(char **matches, int n, int longest)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    if (the_state && the_state->display_matches) {
        show_matches(the_state->display_matches, matches, n, longest);
    }
    PyGILState_Release(gil);
}

static void
on_line(char *line)
{
    done_line = line;
    is_done = true;
    rl_callback_handler_remove();
}

static void
on_winch(int signum, siginfo_t *info, void *context)
{
    resized = 1;
    if (old_winch.sa_flags & SA_SIGINFO) {
        old_winch.sa_sigaction(signum, info, context);
    }
    else if (old_winch.sa_handler != SIG_DFL && old_winch.sa_handler != SIG_IGN) {
        old_winch.sa_handler(signum);
    }
}

/* --- reading ---------------------------------------------------------------------------- */

/* Runs the handlers of signals that came: 0, or -1 with an exception. */
static int
run_signal_handlers(void)
{
    PyEval_RestoreThread(_PyOS_ReadlineTState);
    int r = PyErr_CheckSignals();
    PyEval_SaveThread();
    return r;
}

/* Waits until there is something to read: 0, or -1 with an exception from a handler. */
static int
wait_for_input(void)
{
    struct pollfd in = {.fd = fileno(rl_instream), .events = POLLIN};
    for (;;) {
        int timeout = -1;
        if (PyOS_InputHook) {
            (void)PyOS_InputHook();
            timeout = INPUT_HOOK_MS;
        }
        int n = poll(&in, 1, timeout);
        if (n > 0 || (n < 0 && errno != EINTR)) {
            return 0;
        }
        if (n < 0) {
            if (resized) {
                resized = 0;
                rl_resize_terminal();
            }
            if (run_signal_handlers() < 0) {
                return -1;
            }
        }
    }
}

/* One line as malloc'd memory, NULL at the end of the input. -1 with an exception. */
static int
edit_line(const char *prompt, char **line)
{
    done_line = NULL;
    is_done = false;
    rl_callback_handler_install(prompt, on_line);
    while (!is_done) {
        if (wait_for_input() < 0) {
            rl_free_line_state();
            rl_callback_sigcleanup();
            rl_cleanup_after_signal();
            rl_callback_handler_remove();
            return -1;
        }
        rl_callback_read_char();
    }
    *line = done_line;
    return 0;
}

/* Adds the line to the history unless the one before is the same. */
static void
remember(const char *line)
{
    HISTORY_STATE *hist = history_get_history_state();
    HIST_ENTRY *last =
        hist && hist->length > 0 ? history_get(history_base + hist->length - 1) : NULL;
    free(hist);
    if (!last || strcmp(last->line, line) != 0) {
        add_history(line);
    }
}

/* PyOS_ReadlineFunctionPointer: a line with its newline, "" at the end, NULL if a signal
 * handler raised; PyMem_RawFree. */
static char *
read_line(FILE *in, FILE *out, const char *prompt)
{
    char *locale = enter_locale();
    rl_instream = in;
    rl_outstream = out;
    char *line;
    char *result = NULL;
    if (edit_line(prompt, &line) == 0) {
        size_t n = line ? strlen(line) : 0;
        if (n > 0 && (!the_state || the_state->auto_history)) {
            remember(line);
        }
        result = PyMem_RawMalloc(n + 2);
        if (result) {
            memcpy(result, line ? line : "", n);
            memcpy(result + n, line ? "\n" : "", line ? 2 : 1);
        }
        free(line);
    }
    leave_locale(locale);
    return result;
}

/* --- functions -------------------------------------------------------------------------- */

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

/* An optional file name argument: the path for the library in *path (NULL: none given) and
 * what the audit hooks see. 0 or -1. */
static int
open_path(PyObject *arg, const char *dflt, char mode, PyObject **bytes, const char **path)
{
    *path = NULL;
    if (!arg || arg == Py_None) {
        return PySys_Audit("open", "sCi", dflt, mode, 0);
    }
    if (!PyUnicode_FSConverter(arg, bytes)) {
        return -1;
    }
    *path = PyBytes_AS_STRING(*bytes);
    return PySys_Audit("open", "OCi", arg, mode, 0);
}

static PyObject *
none_or_error(int err)
{
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
readline_parse_and_bind(PyObject *m, PyObject *arg)
{
    NJ_OWN bytes = encode(arg);
    /* the library writes into it */
    char *copy = bytes ? strdup(PyBytes_AS_STRING(bytes)) : NULL;
    if (!copy) {
        return bytes ? PyErr_NoMemory() : NULL;
    }
    rl_parse_and_bind(copy);
    free(copy);
    Py_RETURN_NONE;
}

/* No prompt of ours knows what to do with it, and its sequences are in the way of whoever
 * reads the output. Only parse_and_bind() turns it on. */
static void
disable_bracketed_paste(void)
{
    rl_variable_bind("enable-bracketed-paste", "off");
}

static PyObject *
readline_read_init_file(PyObject *m, PyObject *args)
{
    const char *path;
    NJ_OWN bytes = NULL;
    PyObject *name = NULL;
    if (!PyArg_UnpackTuple(args, "read_init_file", 0, 1, &name) ||
        open_path(name, "<readline_init_file>", 'r', &bytes, &path) < 0) {
        return NULL;
    }
    errno = rl_read_init_file(path);
    int error = errno;
    disable_bracketed_paste();
    return none_or_error(error);
}

static PyObject *
readline_read_history_file(PyObject *m, PyObject *args)
{
    const char *path;
    NJ_OWN bytes = NULL;
    PyObject *name = NULL;
    if (!PyArg_UnpackTuple(args, "read_history_file", 0, 1, &name) ||
        open_path(name, "~/.history", 'r', &bytes, &path) < 0) {
        return NULL;
    }
    return none_or_error(read_history(path));
}

static PyObject *
readline_write_history_file(PyObject *m, PyObject *args)
{
    const char *path;
    NJ_OWN bytes = NULL;
    PyObject *name = NULL;
    if (!PyArg_UnpackTuple(args, "write_history_file", 0, 1, &name) ||
        open_path(name, "~/.history", 'w', &bytes, &path) < 0) {
        return NULL;
    }
    int err = write_history(path);
    if (!err && state_of(m)->history_length >= 0) {
        history_truncate_file(path, state_of(m)->history_length);
    }
    return none_or_error(err);
}

static PyObject *
readline_append_history_file(PyObject *m, PyObject *args)
{
    PyObject *count, *name = NULL;
    if (!PyArg_UnpackTuple(args, "append_history_file", 1, 2, &count, &name)) {
        return NULL;
    }
    int n = PyLong_AsInt(count);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "nelements must be non-negative");
        return NULL;
    }
    const char *path;
    NJ_OWN bytes = NULL;
    if (open_path(name, "~/.history", 'a', &bytes, &path) < 0) {
        return NULL;
    }
    int err = append_history(n, path);
    if (!err && state_of(m)->history_length >= 0) {
        history_truncate_file(path, state_of(m)->history_length);
    }
    return none_or_error(err);
}

static PyObject *
readline_set_history_length(PyObject *m, PyObject *arg)
{
    int n = PyLong_AsInt(arg);
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    state_of(m)->history_length = n;
    Py_RETURN_NONE;
}

static PyObject *
readline_get_history_length(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(state_of(m)->history_length);
}

static PyObject *
readline_get_current_history_length(PyObject *m, PyObject *unused)
{
    HISTORY_STATE *hist = history_get_history_state();
    if (!hist) {
        return PyErr_NoMemory();
    }
    int n = hist->length;
    free(hist);
    return PyLong_FromLong(n);
}

static PyObject *
readline_get_history_item(PyObject *m, PyObject *arg)
{
    int i = PyLong_AsInt(arg);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    HIST_ENTRY *e = history_get(i);
    return e ? decode(e->line) : Py_NewRef(Py_None);
}

/* Can i be a position? Raises if it is negative. */
static bool
check_position(int i)
{
    if (i < 0 && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "History index cannot be negative");
    }
    return i >= 0;
}

/* Drops an entry taken out of the history; without one there was none at the position. */
static PyObject *
drop_entry(HIST_ENTRY *e, int i)
{
    if (!e) {
        return PyErr_Format(PyExc_ValueError, "No history item at position %i", i);
    }
    free_history_entry(e);
    Py_RETURN_NONE;
}

static PyObject *
readline_remove_history_item(PyObject *m, PyObject *arg)
{
    int i = PyLong_AsInt(arg);
    return check_position(i) ? drop_entry(remove_history(i), i) : NULL;
}

static PyObject *
readline_replace_history_item(PyObject *m, PyObject *args)
{
    PyObject *pos, *text;
    if (!PyArg_UnpackTuple(args, "replace_history_item", 2, 2, &pos, &text)) {
        return NULL;
    }
    int i = PyLong_AsInt(pos);
    if (i == -1 && PyErr_Occurred()) {
        return NULL;
    }
    NJ_OWN line = encode(text);
    if (!line || !check_position(i)) {
        return NULL;
    }
    return drop_entry(replace_history_entry(i, PyBytes_AS_STRING(line), NULL), i);
}

static PyObject *
readline_add_history(PyObject *m, PyObject *arg)
{
    NJ_OWN line = encode(arg);
    if (!line) {
        return NULL;
    }
    add_history(PyBytes_AS_STRING(line));
    Py_RETURN_NONE;
}

static PyObject *
readline_set_auto_history(PyObject *m, PyObject *arg)
{
    int on = PyObject_IsTrue(arg);
    if (on < 0) {
        return NULL;
    }
    state_of(m)->auto_history = on;
    Py_RETURN_NONE;
}

static PyObject *
readline_clear_history(PyObject *m, PyObject *unused)
{
    clear_history();
    Py_RETURN_NONE;
}

/* set_NAME([function]): None or nothing removes. */
static PyObject *
set_hook(const char *name, PyObject **where, PyObject *args)
{
    PyObject *f = Py_None;
    if (!PyArg_UnpackTuple(args, name, 0, 1, &f)) {
        return NULL;
    }
    if (f == Py_None) {
        Py_CLEAR(*where);
    }
    else if (PyCallable_Check(f)) {
        NJ_SET(*where, Py_NewRef(f));
    }
    else {
        return PyErr_Format(PyExc_TypeError, "%s(func): argument not callable", name);
    }
    Py_RETURN_NONE;
}

static PyObject *
readline_set_completer(PyObject *m, PyObject *args)
{
    return set_hook("set_completer", &state_of(m)->completer, args);
}

static PyObject *
readline_get_completer(PyObject *m, PyObject *unused)
{
    PyObject *f = state_of(m)->completer;
    return Py_NewRef(f ? f : Py_None);
}

static PyObject *
readline_set_startup_hook(PyObject *m, PyObject *args)
{
    return set_hook("set_startup_hook", &state_of(m)->startup, args);
}

static PyObject *
readline_set_pre_input_hook(PyObject *m, PyObject *args)
{
    return set_hook("set_pre_input_hook", &state_of(m)->pre_input, args);
}

static PyObject *
readline_set_completion_display_matches_hook(PyObject *m, PyObject *args)
{
    State *st = state_of(m);
    PyObject *r = set_hook("set_completion_display_matches_hook", &st->display_matches, args);
    if (st == the_state) {
        rl_completion_display_matches_hook = st->display_matches ? on_display_matches : NULL;
    }
    return r;
}

static PyObject *
readline_get_completion_type(PyObject *m, PyObject *unused)
{
    return PyLong_FromLong(rl_completion_type);
}

static PyObject *
readline_get_begidx(PyObject *m, PyObject *unused)
{
    return PyLong_FromSsize_t(state_of(m)->begin);
}

static PyObject *
readline_get_endidx(PyObject *m, PyObject *unused)
{
    return PyLong_FromSsize_t(state_of(m)->end);
}

static PyObject *
readline_set_completer_delims(PyObject *m, PyObject *arg)
{
    NJ_OWN bytes = encode(arg);
    char *delims = bytes ? strdup(PyBytes_AS_STRING(bytes)) : NULL;
    if (!delims) {
        return bytes ? PyErr_NoMemory() : NULL;
    }
    rl_completer_word_break_characters = delims;
    free(the_delims);
    the_delims = delims;
    Py_RETURN_NONE;
}

static PyObject *
readline_get_completer_delims(PyObject *m, PyObject *unused)
{
    return decode(rl_completer_word_break_characters);
}

static PyObject *
readline_get_line_buffer(PyObject *m, PyObject *unused)
{
    return decode(rl_line_buffer ? rl_line_buffer : "");
}

static PyObject *
readline_insert_text(PyObject *m, PyObject *arg)
{
    NJ_OWN text = encode(arg);
    if (!text) {
        return NULL;
    }
    rl_insert_text(PyBytes_AS_STRING(text));
    Py_RETURN_NONE;
}

static PyObject *
readline_redisplay(PyObject *m, PyObject *unused)
{
    rl_redisplay();
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"parse_and_bind", readline_parse_and_bind, METH_O,
     SIG("parse_and_bind($module, string, /)") "Carry out one line of an init file."},
    {"read_init_file", readline_read_init_file, METH_VARARGS,
     SIG("read_init_file($module, filename=None, /)") "Carry out an init file.\n\n"
     "Without a name it is the one read last."},
    {"read_history_file", readline_read_history_file, METH_VARARGS,
     SIG("read_history_file($module, filename=None, /)") "Add the lines of a history file.\n\n"
     "Without a name it is ~/.history."},
    {"write_history_file", readline_write_history_file, METH_VARARGS,
     SIG("write_history_file($module, filename=None, /)") "Write the history to a file.\n\n"
     "Without a name it is ~/.history."},
    {"append_history_file", readline_append_history_file, METH_VARARGS,
     SIG("append_history_file($module, nelements, filename=None, /)")
     "Write the last so many lines of the history to the end of a file.\n\n"
     "Without a name it is ~/.history."},
    {"get_history_length", readline_get_history_length, METH_NOARGS,
     SIG("get_history_length($module, /)") "How many lines a history file may have; "
     "negative: any number."},
    {"set_history_length", readline_set_history_length, METH_O,
     SIG("set_history_length($module, length, /)") "Limit the lines of a history file.\n\n"
     "A negative length means no limit."},
    {"get_current_history_length", readline_get_current_history_length, METH_NOARGS,
     SIG("get_current_history_length($module, /)") "How many lines the history has now."},
    {"get_history_item", readline_get_history_item, METH_O,
     SIG("get_history_item($module, index, /)") "A line of the history; the first is 1."},
    {"remove_history_item", readline_remove_history_item, METH_O,
     SIG("remove_history_item($module, pos, /)") "Take a line out of the history; the "
     "first is 0."},
    {"replace_history_item", readline_replace_history_item, METH_VARARGS,
     SIG("replace_history_item($module, pos, line, /)") "Put a line in the place of one of "
     "the history.\n\nThe first is 0."},
    {"add_history", readline_add_history, METH_O,
     SIG("add_history($module, string, /)") "Add a line to the history."},
    {"set_auto_history", readline_set_auto_history, METH_O,
     SIG("set_auto_history($module, enabled, /)") "Whether lines that are read go into the "
     "history."},
    {"clear_history", readline_clear_history, METH_NOARGS,
     SIG("clear_history($module, /)") "Empty the history."},
    {"set_completer", readline_set_completer, METH_VARARGS,
     SIG("set_completer($module, function=None, /)") "Set or remove what completes words.\n\n"
     "It is called as function(text, state) with state 0, 1, 2, ... until it returns\n"
     "something other than a string, and gives one completion of text each time."},
    {"get_completer", readline_get_completer, METH_NOARGS,
     SIG("get_completer($module, /)") "What completes words, or None."},
    {"set_startup_hook", readline_set_startup_hook, METH_VARARGS,
     SIG("set_startup_hook($module, function=None, /)") "Set or remove what is called "
     "without arguments before a prompt is shown."},
    {"set_pre_input_hook", readline_set_pre_input_hook, METH_VARARGS,
     SIG("set_pre_input_hook($module, function=None, /)") "Set or remove what is called "
     "without arguments between the prompt and the first key."},
    {"set_completion_display_matches_hook",
     readline_set_completion_display_matches_hook, METH_VARARGS,
     SIG("set_completion_display_matches_hook($module, function=None, /)")
     "Set or remove what shows completions.\n\n"
     "It is called as function(substitution, matches, longest_match_length)."},
    {"get_completion_type", readline_get_completion_type, METH_NOARGS,
     SIG("get_completion_type($module, /)") "The kind of the completion going on."},
    {"get_begidx", readline_get_begidx, METH_NOARGS,
     SIG("get_begidx($module, /)") "Where the text to complete begins in the line."},
    {"get_endidx", readline_get_endidx, METH_NOARGS,
     SIG("get_endidx($module, /)") "Where the text to complete ends in the line."},
    {"set_completer_delims", readline_set_completer_delims, METH_O,
     SIG("set_completer_delims($module, string, /)") "Set the characters that end a word."},
    {"get_completer_delims", readline_get_completer_delims, METH_NOARGS,
     SIG("get_completer_delims($module, /)") "The characters that end a word."},
    {"get_line_buffer", readline_get_line_buffer, METH_NOARGS,
     SIG("get_line_buffer($module, /)") "The line as far as it is typed."},
    {"insert_text", readline_insert_text, METH_O,
     SIG("insert_text($module, string, /)") "Insert text at the cursor."},
    {"redisplay", readline_redisplay, METH_NOARGS,
     SIG("redisplay($module, /)") "Show the line as it is now."},
    {NULL},
};

/* --- the module ------------------------------------------------------------------------- */

/* Makes the library ours, once for the process. */
static void
init_library(void)
{
    static char word_breaks[] = " \t\n`~!@#$%^&*()-=+[{]}\\|;:'\",<>/?";
    char *locale = enter_locale();
    rl_readline_name = "python";
    using_history();
    rl_catch_signals = 0;
    rl_catch_sigwinch = 0;
    struct sigaction winch = {.sa_sigaction = on_winch, .sa_flags = SA_SIGINFO};
    sigemptyset(&winch.sa_mask);
    sigaction(SIGWINCH, &winch, &old_winch);
    rl_bind_key('\t', rl_insert);
    rl_bind_key_in_map('\t', rl_complete, emacs_meta_keymap);
    rl_bind_key_in_map('\033', rl_complete, emacs_meta_keymap);
    rl_startup_hook = on_startup;
    rl_pre_input_hook = on_pre_input;
    rl_attempted_completion_function = on_attempted_completion;
    rl_completer_word_break_characters = word_breaks;
    if (!isatty(STDOUT_FILENO)) {
        /* else the terminal's sequence for it goes to what is no terminal */
        rl_variable_bind("enable-meta-key", "off");
    }
    rl_initialize();
    disable_bracketed_paste();
    PyOS_ReadlineFunctionPointer = read_line;
    leave_locale(locale);
}

static int
readline_exec(PyObject *m)
{
    State *st = state_of(m);
    st->history_length = -1;
    st->auto_history = true;
    if (PyOS_ReadlineFunctionPointer != read_line) {
        init_library();
    }
    the_state = st;
    rl_completion_display_matches_hook = NULL;
    if (PyModule_AddIntConstant(m, "_READLINE_VERSION", RL_READLINE_VERSION) < 0 ||
        PyModule_AddIntConstant(m, "_READLINE_RUNTIME_VERSION", rl_readline_version) < 0 ||
        PyModule_AddStringConstant(m, "_READLINE_LIBRARY_VERSION", rl_library_version) < 0 ||
        PyModule_AddStringConstant(m, "backend", "readline") < 0) {
        return -1;
    }
    return 0;
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = state_of(m);
    Py_VISIT(st->completer);
    Py_VISIT(st->display_matches);
    Py_VISIT(st->startup);
    Py_VISIT(st->pre_input);
    return 0;
}

static int
module_clear(PyObject *m)
{
    State *st = state_of(m);
    Py_CLEAR(st->completer);
    Py_CLEAR(st->display_matches);
    Py_CLEAR(st->startup);
    Py_CLEAR(st->pre_input);
    return 0;
}

static void
module_free(void *m)
{
    State *st = state_of(m);
    module_clear(m);
    if (the_state == st) {
        the_state = NULL;
    }
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, readline_exec},
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "readline",
    .m_doc = "Line editing and history of the GNU readline library.",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit_readline(void)
{
    return PyModuleDef_Init(&module);
}

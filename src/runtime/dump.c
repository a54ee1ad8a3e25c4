/* dump.c - tracebacks written from a signal handler.
 *
 * Everything is read through plain pointers and written with write(2). The data may be
 * half changed: depth and text lengths are bounded, and nothing is believed to be a str
 * or code object without a look at its type.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/type_int.h"
#include "runtime/dump.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <unistd.h>

#define MAX_FRAMES 100
#define MAX_TEXT 500
#define MAX_THREADS 100

static void
put(int fd, const char *s, size_t n)
{
    while (n) {
        ssize_t r = write(fd, s, n);
        if (r <= 0) {
            return;
        }
        s += r;
        n -= (size_t)r;
    }
}

void
nj_dump_puts(int fd, const char *s)
{
    put(fd, s, strlen(s));
}

static void
put_num(int fd, uint64_t v, unsigned base, int width)
{
    char buf[32];
    int k = 32;
    do {
        buf[--k] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v || 32 - k < width);
    put(fd, buf + k, (size_t)(32 - k));
}

static void
put_text(int fd, PyObject *o)
{
    if (!o || !PyUnicode_Check(o)) {
        nj_dump_puts(fd, "???");
        return;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(o);
    bool cut = n > MAX_TEXT;
    if (cut) {
        n = MAX_TEXT;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(o, i);
        if (c >= ' ' && c <= 126) {
            char ch = (char)c;
            put(fd, &ch, 1);
        }
        else if (c <= 0xff) {
            nj_dump_puts(fd, "\\x");
            put_num(fd, c, 16, 2);
        }
        else if (c <= 0xffff) {
            nj_dump_puts(fd, "\\u");
            put_num(fd, c, 16, 4);
        }
        else {
            nj_dump_puts(fd, "\\U");
            put_num(fd, c, 16, 8);
        }
    }
    if (cut) {
        nj_dump_puts(fd, "...");
    }
}

static void
put_frame(int fd, NjFrame *f)
{
    PyCodeObject *co = nj_frame_peek_code(f);
    nj_dump_puts(fd, "  File ");
    if (co && PyCode_Check(co)) {
        nj_dump_puts(fd, "\"");
        put_text(fd, co->co_filename);
        nj_dump_puts(fd, "\", line ");
        int line = nj_frame_line(f);
        if (line >= 0) {
            put_num(fd, (uint64_t)line, 10, 1);
        }
        else {
            nj_dump_puts(fd, "???");
        }
        nj_dump_puts(fd, " in ");
        put_text(fd, co->co_name);
    }
    else {
        nj_dump_puts(fd, "???, line ??? in ???");
    }
    nj_dump_puts(fd, "\n");
}

/* "[name]" of the OS thread, if it can be had. */
static void
put_thread_name(int fd, PyThreadState *ts)
{
    char buf[17] = "";
    if (ts->thread_id &&
        pthread_getname_np((pthread_t)ts->thread_id, buf, sizeof buf) == 0 && buf[0]) {
        nj_dump_puts(fd, " [");
        for (char *p = buf; *p; p++) {
            put(fd, *p >= ' ' && *p < 127 ? p : "?", 1);
        }
        nj_dump_puts(fd, "]");
    }
}

void
nj_dump_thread(int fd, PyThreadState *ts, bool current, bool header)
{
    if (header) {
        nj_dump_puts(fd, current ? "Current thread 0x" : "Thread 0x");
        put_num(fd, ts->thread_id, 16, 16);
        put_thread_name(fd, ts);
        nj_dump_puts(fd, " (most recent call first):\n");
    }
    else {
        nj_dump_puts(fd, "Stack (most recent call first):\n");
    }
    NjFrame *f = ts->current_frame;
    int n = 0;
    for (; f; f = f->previous) {
        if (f->owner >= NJ_FRAME_OWNED_BY_INTERPRETER || nj_frame_is_incomplete(f)) {
            continue;
        }
        if (n++ >= MAX_FRAMES) {
            nj_dump_puts(fd, "  ...\n");
            break;
        }
        put_frame(fd, f);
    }
    if (n == 0) {
        nj_dump_puts(fd, "  <no Python frame>\n");
    }
}

void
nj_dump_all_threads(int fd, PyThreadState *current)
{
    NjInterp *interp = current ? current->interp : nj_runtime.main;
    if (!interp) {
        return;
    }
    int n = 0;
    for (PyThreadState *t = interp->threads; t; t = t->next) {
        if (n) {
            nj_dump_puts(fd, "\n");
        }
        if (n++ >= MAX_THREADS) {
            nj_dump_puts(fd, "...\n");
            break;
        }
        nj_dump_thread(fd, t, t == current, true);
    }
}

/* Whether a and b are the same text; looks at memory only. */
static bool
same_text(PyObject *a, PyObject *b)
{
    return PyUnicode_Check(a) && PyUnicode_Check(b) &&
           PyUnicode_GET_LENGTH(a) == PyUnicode_GET_LENGTH(b) &&
           PyUnicode_KIND(a) == PyUnicode_KIND(b) &&
           memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b),
                  (size_t)PyUnicode_GET_LENGTH(a) * PyUnicode_KIND(a)) == 0;
}

PyAPI_FUNC(int) _PySet_NextEntry(PyObject *set, Py_ssize_t *pos, PyObject **key,
                                 Py_hash_t *hash);

/* sys.stdlib_module_names, borrowed, or NULL. */
static PyObject *
stdlib_names(NjInterp *interp)
{
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (interp->sysdict && PyDict_Next(interp->sysdict, &pos, &key, &value)) {
        if (same_text(key, NJ_ID(stdlib_module_names))) {
            return PyAnySet_Check(value) ? value : NULL;
        }
    }
    return NULL;
}

void
nj_dump_extension_modules(int fd, NjInterp *interp)
{
    PyObject *modules = interp->modules;
    if (!modules || !PyDict_Check(modules)) {
        return;
    }
    PyObject *names = stdlib_names(interp);
    PyObject *name, *mod;
    Py_ssize_t pos = 0;
    unsigned total = 0;
    while (PyDict_Next(modules, &pos, &name, &mod)) {
        if (!PyUnicode_Check(name) || !PyModule_Check(mod) || !((NjModule *)mod)->md_def) {
            continue;
        }
        PyObject *known;
        Py_hash_t hash;
        Py_ssize_t at = 0;
        bool ours = false;
        while (names && !ours && _PySet_NextEntry(names, &at, &known, &hash)) {
            ours = same_text(known, name);
        }
        if (ours) {
            continue;
        }
        nj_dump_puts(fd, total++ ? ", " : "\nExtension modules: ");
        put_text(fd, name);
    }
    if (total) {
        nj_dump_puts(fd, " (total: ");
        put_num(fd, total, 10, 0);
        nj_dump_puts(fd, ")\n");
    }
}

void
nj_dump_c_stack(int fd)
{
    void *addr[32];
    int n = backtrace(addr, 32);
    nj_dump_puts(fd, "Current thread's C stack trace (most recent call first):\n");
    for (int i = 0; i < n; i++) {
        Dl_info info;
        nj_dump_puts(fd, "  Binary file \"");
        if (!dladdr(addr[i], &info) || !info.dli_fname) {
            nj_dump_puts(fd, "<unknown>\"\n");
            continue;
        }
        nj_dump_puts(fd, info.dli_fname);
        nj_dump_puts(fd, "\"");
        if (info.dli_sname) {
            nj_dump_puts(fd, ", at ");
            nj_dump_puts(fd, info.dli_sname);
            nj_dump_puts(fd, "+0x");
            put_num(fd, (uint64_t)((char *)addr[i] - (char *)info.dli_saddr), 16, 1);
        }
        nj_dump_puts(fd, " [0x");
        put_num(fd, (uint64_t)addr[i], 16, 1);
        nj_dump_puts(fd, "]\n");
    }
    if (n == 32) {
        nj_dump_puts(fd, "  <truncated rest of calls>\n");
    }
}

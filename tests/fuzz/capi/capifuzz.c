/* capifuzz.c - random sequences of C API calls; see ../README.md.
 *
 * run(makers, groups, functions, seed, first, count, path) writes one line for each
 * sequence. The same numbers give the same calls in every interpreter: what a sequence does
 * depends on its seed and on the results of its own calls alone. Sequences run in child
 * processes, a new one for every CHUNK of them, so that a crash costs one sequence.
 *
 * Functions are called through one type, whatever they take: integers and pointers travel
 * in one set of registers and doubles in another on the machines that this is for (x86-64
 * and AArch64, System V).
 * SPDX-License-Identifier: MIT
 */
#include <Python.h>
#include <marshal.h>

#include <ctype.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 100, POOL = 8, MAX_FUNCTIONS = 1200, MAX_GROUPS = 64, MAX_ARGS = 6 };

typedef struct Function {
    const char *name, *sig; /* sig: result ':' arguments, see functions.txt */
    void *address;
    int group; /* of objects that its first argument mostly comes from, or -1 */
} Function;

static Function functions[MAX_FUNCTIONS];
static int n_functions;
static PyObject *makers; /* list of callables */
static struct { const char *name; int first, count; } groups[MAX_GROUPS];
static int n_groups;

/* --- numbers -------------------------------------------------------------------------------- */

static uint64_t state;

static uint64_t
next_random(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int
below(int n)
{
    return (int)(next_random() % (unsigned)n);
}

static int
chance(int percent)
{
    return below(100) < percent;
}

/* --- the line that is being written ---------------------------------------------------------- */

static char line[1 << 16];
static size_t used;

static void
put(const char *format, ...)
{
    va_list va;
    va_start(va, format);
    int n = vsnprintf(line + used, sizeof line - used, format, va);
    va_end(va);
    used += n < 0 ? 0 : (size_t)n;
    if (used >= sizeof line - 2) {
        used = sizeof line - 2;
    }
}

/* Text on one line, without addresses and source positions, cut after a while. */
static void
put_text(const char *s, size_t limit)
{
    size_t start = used;
    for (; *s && used - start < limit; s++) {
        if (s[0] == '0' && s[1] == 'x' && isxdigit((unsigned char)s[2])) {
            size_t digits = strspn(s + 2, "0123456789abcdef");
            if (digits >= 6) {
                put("0x?");
                s += 1 + digits;
                continue;
            }
        }
        put(*s < ' ' || *s > '~' ? "\\x%02x" : "%c", (unsigned char)*s);
    }
    if (*s) {
        put("...");
    }
}

/* "Objects/dictobject.c:123: bad argument ..." without the place */
static const char *
skip_place(const char *s)
{
    const char *dot = strstr(s, ".c:");
    if (dot && dot - s < 80 && isdigit((unsigned char)dot[3])) {
        const char *colon = strchr(dot + 3, ':');
        if (colon && colon[1] == ' ') {
            return colon + 2;
        }
    }
    return s;
}

/* --- objects ---------------------------------------------------------------------------------- */

static PyObject *pool[POOL];
static PyObject *sentinel;

static PyObject *
make(int index)
{
    PyObject *o = PyObject_CallNoArgs(PyList_GET_ITEM(makers, index));
    if (!o) {
        PyErr_Print();
        abort();
    }
    return o;
}

static void
keep(PyObject *o) /* steals */
{
    int i = below(POOL);
    PyObject *old = pool[i];
    pool[i] = o;
    Py_XDECREF(old);
}

/* Borrowed: of the pool, or made and put there. */
static PyObject *
any_object(int group)
{
    if (group < 0 || chance(25)) {
        if (sentinel && chance(6)) {
            return sentinel;
        }
        if (chance(60)) {
            return pool[below(POOL)];
        }
        group = below(n_groups);
    }
    PyObject *o = make(groups[group].first + below(groups[group].count));
    keep(o);
    return o;
}

static int
find_group(const char *name)
{
    for (int i = 0; i < n_groups; i++) {
        if (strcmp(groups[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

static void
put_object(PyObject *o, size_t limit)
{
    if (!o) {
        put("NULL");
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *s = PyObject_ASCII(o);
    const char *text = s ? PyUnicode_AsUTF8(s) : NULL;
    if (text) {
        put_text(text, limit);
    }
    else {
        PyErr_Clear();
        put("<%s>", Py_TYPE(o)->tp_name);
    }
    Py_XDECREF(s);
    PyErr_SetRaisedException(exc);
}

/* What is raised, and clears it. */
static void
put_exception(void)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (!exc) {
        return;
    }
    put(" !%s", Py_TYPE(exc)->tp_name);
    PyObject *s = PyObject_Str(exc);
    PyObject *a = s ? PyObject_ASCII(s) : NULL;
    const char *text = a ? PyUnicode_AsUTF8(a) : NULL;
    if (text && strlen(text) > 1) {
        put(": ");
        char *copy = strdup(text + 1);
        copy[strlen(copy) - 1] = 0;
        put_text(skip_place(copy), 160);
        free(copy);
    }
    PyErr_Clear();
    Py_XDECREF(s);
    Py_XDECREF(a);
    PyObject *cause = PyException_GetCause(exc);
    if (cause) {
        put(" from %s", Py_TYPE(cause)->tp_name);
        Py_DECREF(cause);
    }
    Py_DECREF(exc);
}

/* --- arguments --------------------------------------------------------------------------------- */

static const char *const texts[] = {
    "",          "a",        "abc",      "name",    "attr",      "k",        "x y",
    "caf\xc3\xa9", "\xff\xfe", "\xe2\x82",  "utf-8",   "ascii",     "latin-1",  "utf-16",
    "strict",    "ignore",   "replace",  "nosuch",  "surrogateescape", "backslashreplace",
    "__dict__",  "__class__", "__doc__", "append",  "12",        "-7",       "3.25",
    "nan",       "0x1f",     "a.b",      "sys",     "builtins",  "%s",       "\\x41\\n\\N{BULLET}",
    "+AGE-",     "a,b,,c",   "\\u12",    "1_000",   "  9 ",      "rot13",    "hex",
};

static const Py_ssize_t sizes[] = {0, 1, 2, 3, 5, 10, 100, -1, -2, -5, PY_SSIZE_T_MAX, PY_SSIZE_T_MIN};
static const int ints[] = {0, 1, 2, 3, 4, 5, 8, 10, 16, 36, 64, 255, 256, 1000, -1, -5, INT_MAX, INT_MIN};
static const long longs[] = {0, 1, -1, 2, 100, 255, 256, -5, 1L << 30, 1L << 31, 1L << 32, LONG_MAX, LONG_MIN};
static const unsigned points[] = {0, 'a', 'Z', '5', ' ', 0xe9, 0x130, 0x1c5, 0x20ac, 0x663, 0xbd, 0x2167, 0xd800,
                                  0x10ffff, 0x110000, 0x1f600, 0xffffffffu};
static const double doubles[] = {0.0, -0.0, 1.0, -1.5, 0.1, 1e16, 1e300, -1e-320, 65504.0, 1e5, 2147483648.0, 3.4e38};
#define PICK(a) ((a)[below((int)(sizeof(a) / sizeof((a)[0])))])

typedef uint64_t (*Word)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, double, double);
typedef double (*Double)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, double, double);

static void
describe_bits(double d)
{
    if (d != d) {
        put("nan");
    }
    else {
        put("%.17g", d);
    }
}

static void
call(const Function *f)
{
    uint64_t a[MAX_ARGS] = {0};
    double d[2] = {0, 0};
    PyObject *objects[MAX_ARGS] = {0}; /* out arguments */
    Py_ssize_t numbers[MAX_ARGS] = {0};
    PyObject *held[MAX_ARGS] = {0}; /* object arguments, kept alive */
    int n = 0, nd = 0;
    put(" | %s(", f->name);
    for (const char *p = f->sig + 2; *p; p++) {
        put(p > f->sig + 2 ? ", " : "");
        switch (*p) {
        case 'O':
        case 'X': { /* X: takes over the reference */
            PyObject *o = NULL;
            if (!chance(*p == 'X' ? 4 : 1)) {
                o = any_object(n == 0 ? f->group : -1);
            }
            a[n] = (uint64_t)o;
            held[n++] = Py_XNewRef(o);
            if (*p == 'X') {
                Py_XINCREF(o);
            }
            put_object(o, 60);
            break;
        }
        case 'U': /* of this type, because the API does not check */
        case 'C':
        case 'D':
        case 'E':
        case 'G':
        case 'H':
        case 'J':
        case 'x': { /* an exception that is taken over */
            static const char letters[] = "UCDExGHJ";
            static const char *const names[] = {"str", "code", "dict", "exception", "exception",
                                                "bytes", "bytearray", "slice"};
            int g = find_group(names[strchr(letters, *p) - letters]);
            PyObject *o = make(groups[g].first + below(groups[g].count));
            keep(o);
            a[n] = (uint64_t)o;
            held[n++] = Py_NewRef(o);
            if (*p == 'x') {
                Py_INCREF(o);
            }
            put_object(o, 60);
            break;
        }
        case 'T': {
            PyObject *o = any_object(find_group(chance(70) ? "type" : "exctype"));
            if (!PyType_Check(o)) {
                o = (PyObject *)&PyDict_Type;
            }
            a[n] = (uint64_t)o;
            held[n++] = Py_NewRef(o);
            put("%s", ((PyTypeObject *)o)->tp_name);
            break;
        }
        case 's': {
            const char *s = chance(1) ? NULL : PICK(texts);
            a[n++] = (uint64_t)s;
            put_text(s ? s : "NULL", 40);
            break;
        }
        case 'w': /* and a size that may be negative */
        case 'y': { /* and a size that fits it */
            const char *s = PICK(texts);
            Py_ssize_t size = *p == 'w' && chance(10) ? -1 : below((int)strlen(s) + 1);
            a[n++] = (uint64_t)s;
            a[n++] = (uint64_t)size;
            put_text(s, 40);
            put(", %zd", size);
            break;
        }
        case 'n': a[n] = (uint64_t)PICK(sizes); put("%zd", (Py_ssize_t)a[n++]); break;
        case 'z': a[n] = (uint64_t)below(12); put("%zd", (Py_ssize_t)a[n++]); break;
        case 'i': a[n] = (uint64_t)(int64_t)PICK(ints); put("%d", (int)a[n++]); break;
        case 'r': a[n] = (uint64_t)below(6); put("%d", (int)a[n++]); break;
        case 'b': a[n] = (uint64_t)below(7); put("%d", (int)a[n++]); break;
        case 'k':
        case 'l': a[n] = (uint64_t)PICK(longs); put("%ld", (long)a[n++]); break;
        case 'u': a[n] = PICK(points); put("0x%x", (unsigned)a[n++]); break;
        case 'c': a[n] = (uint64_t)"rsaxdfg%0"[below(9)]; put("%c", (char)a[n++]); break;
        case 'd': d[nd] = PICK(doubles); describe_bits(d[nd++]); break;
        case 'P':
        case 'B': a[n] = (uint64_t)&objects[n]; put("&"); n++; break;
        case 'Q': /* in and out: owns what it points to */
            objects[n] = Py_XNewRef(any_object(f->group));
            a[n] = (uint64_t)&objects[n];
            put("&");
            put_object(objects[n++], 60);
            break;
        case 'N':
        case 'I': a[n] = (uint64_t)&numbers[n]; put("&"); n++; break;
        default: abort();
        }
    }
    put(")=");
    char kind = f->sig[0];
    uint64_t r = 0;
    double x = 0;
    if (kind == 'd') {
        x = ((Double)f->address)(a[0], a[1], a[2], a[3], a[4], a[5], d[0], d[1]);
    }
    else {
        r = ((Word)f->address)(a[0], a[1], a[2], a[3], a[4], a[5], d[0], d[1]);
    }
    /* the exception first: showing things may run code */
    PyObject *exc = PyErr_GetRaisedException();
    switch (kind) {
    case 'o': put_object((PyObject *)r, 100); break;
    case 'b': put_object((PyObject *)r, 100); break;
    case 'i': put("%d", (int)r); break;
    case 'n': case 'l': put("%ld", (long)r); break;
    case 'k': put("%lu", (unsigned long)r); break;
    case 'u': put("0x%x", (unsigned)r); break;
    case 'd': describe_bits(x); break;
    case 's': put_text(r ? (const char *)r : "NULL", 80); break;
    case 'v': break;
    default: abort();
    }
    n = 0;
    for (const char *p = f->sig + 2; *p; p++, n++) {
        if (*p == 'd') {
            n--;
        }
        else if (*p == 'y' || *p == 'w') {
            n++;
        }
        else if (*p == 'P' || *p == 'B' || *p == 'Q') {
            put(" >");
            put_object(objects[n], 80);
        }
        else if (*p == 'N') {
            put(" >%zd", numbers[n]);
        }
        else if (*p == 'I') {
            put(" >%d", (int)numbers[n]);
        }
    }
    PyErr_SetRaisedException(exc);
    put_exception();
    if (kind == 'o' && r) {
        keep((PyObject *)r);
    }
    n = 0;
    for (const char *p = f->sig + 2; *p; p++, n++) {
        if (*p == 'd') {
            n--;
        }
        else if (*p == 'y' || *p == 'w') {
            n++;
        }
        else if ((*p == 'P' || *p == 'Q') && objects[n]) {
            keep(objects[n]);
        }
        Py_XDECREF(held[n]);
    }
    PyErr_Clear();
}

#include "wrappers.h"
#include "wrappers_objects.h"
#include "wrappers_runtime.h"

static void *
find_wrapper(const char *name)
{
    static const Wrapper *const all[] = {wrappers, object_wrappers, runtime_wrappers};
    for (int i = 0; i < 3; i++) {
        for (const Wrapper *w = all[i]; w->name; w++) {
            if (strcmp(w->name, name) == 0) {
                return w->address;
            }
        }
    }
    return NULL;
}

/* --- sequences ----------------------------------------------------------------------------------- */

static void
run_sequence(uint64_t seed, long index)
{
    state = seed * 1000003u + (uint64_t)index * 0x2545f4914f6cdd1du;
    used = 0;
    put("%ld", index);
    sentinel = NULL;
    sentinel = make(groups[find_group("instance")].first);
    for (int i = 0; i < POOL; i++) {
        int g = below(n_groups);
        pool[i] = make(groups[g].first + below(groups[g].count));
    }
    int calls = 2 + below(5);
    for (int i = 0; i < calls; i++) {
        call(&functions[below(n_functions)]);
    }
    put(" ||");
    for (int i = 0; i < POOL; i++) {
        put(" ");
        put_object(pool[i], 40);
    }
    for (int i = 0; i < POOL; i++) {
        Py_CLEAR(pool[i]);
    }
    PyErr_Clear();
    put(" refs %zd\n", Py_REFCNT(sentinel));
    Py_CLEAR(sentinel);
}

static int crash_fd;

static void
crashed(int sig)
{
    line[used] = 0;
    const char *last = strrchr(line, '|');
    dprintf(crash_fd, "%s CRASH %d %s", strtok(line, " "), sig, last ? last : "");
    signal(sig, SIG_DFL);
    raise(sig);
}

/* In the child: sequences from first up to last, a line each. */
static void
run_chunk(int fd, uint64_t seed, long first, long last)
{
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGVTALRM, SIGALRM};
    struct itimerval limit = {.it_value = {.tv_sec = 2}}, long_limit = {.it_value = {.tv_sec = 60}};
    crash_fd = fd;
    for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
        signal(fatal[i], crashed);
    }
    for (long i = first; i < last; i++) {
        setitimer(ITIMER_VIRTUAL, &limit, NULL); /* endless loops */
        setitimer(ITIMER_REAL, &long_limit, NULL); /* waits */
        run_sequence(seed, i);
        if (write(fd, line, used) != (ssize_t)used) {
            _exit(3);
        }
    }
    _exit(0);
}

static int
set_up(PyObject *list, PyObject *dict, PyObject *table)
{
    makers = Py_NewRef(list);
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    for (n_groups = 0; PyDict_Next(dict, &pos, &key, &value); n_groups++) {
        groups[n_groups].name = PyUnicode_AsUTF8(key);
        if (n_groups == MAX_GROUPS - 1 ||
            !PyArg_ParseTuple(value, "ii", &groups[n_groups].first, &groups[n_groups].count)) {
            return -1;
        }
    }
    for (n_functions = 0; n_functions < PyList_GET_SIZE(table); n_functions++) {
        Function *f = &functions[n_functions];
        const char *group;
        if (n_functions == MAX_FUNCTIONS ||
            !PyArg_ParseTuple(PyList_GET_ITEM(table, n_functions), "sss", &f->name, &f->sig, &group)) {
            return -1;
        }
        f->group = find_group(group);
        f->address = find_wrapper(f->name);
        if (!f->address && !(f->address = dlsym(RTLD_DEFAULT, f->name))) {
            PyErr_Format(PyExc_LookupError, "no function %s", f->name);
            return -1;
        }
    }
    return 0;
}

static PyObject *
run(PyObject *m, PyObject *args)
{
    PyObject *list, *dict, *table;
    unsigned long long seed;
    long first, count;
    const char *path;
    if (!PyArg_ParseTuple(args, "O!O!O!Klls", &PyList_Type, &list, &PyDict_Type, &dict, &PyList_Type, &table, &seed,
                          &first, &count, &path)) {
        return NULL;
    }
    if (set_up(list, dict, table) < 0) {
        return NULL;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    for (long i = first, end = first + count; i < end;) {
        long last = (i / CHUNK + 1) * CHUNK;
        last = last < end ? last : end;
        int ends[2];
        if (pipe(ends) < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        pid_t pid = fork();
        if (pid < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (pid == 0) {
            close(ends[0]);
            run_chunk(ends[1], seed, i, last);
        }
        close(ends[1]);
        FILE *in = fdopen(ends[0], "r");
        char *text = NULL;
        size_t room = 0;
        ssize_t n;
        int told = 0;
        while ((n = getline(&text, &room, in)) > 0) {
            if (text[n - 1] != '\n') { /* of a crash */
                text[n++] = '\n';
                told = 1;
            }
            if (write(fd, text, (size_t)n) != n) {
                return PyErr_SetFromErrno(PyExc_OSError);
            }
            i++;
        }
        free(text);
        fclose(in);
        int status;
        waitpid(pid, &status, 0);
        if (i < last && !told) {
            dprintf(fd, "%ld CRASH %d\n", i, WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status));
            i++;
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
    }
    close(fd);
    Py_RETURN_NONE;
}

/* One sequence in this process, its line on standard output: for a debugger. */
static PyObject *
one(PyObject *m, PyObject *args)
{
    PyObject *list, *dict, *table;
    unsigned long long seed;
    long index;
    if (!PyArg_ParseTuple(args, "O!O!O!Kl", &PyList_Type, &list, &PyDict_Type, &dict, &PyList_Type, &table, &seed,
                          &index) ||
        set_up(list, dict, table) < 0) {
        return NULL;
    }
    run_sequence(seed, index);
    fwrite(line, 1, used, stdout);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"run", run, METH_VARARGS, NULL}, {"one", one, METH_VARARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "capifuzz", .m_size = -1, .m_methods = methods};

PyMODINIT_FUNC
PyInit_capifuzz(void)
{
    return PyModule_Create(&def);
}

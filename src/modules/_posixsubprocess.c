/* _posixsubprocess.c - fork_exec(), the native half of subprocess.Popen.
 *
 * Everything that may allocate or fail is prepared before fork(); between fork() and
 * execve() the child runs only async-signal-safe calls, because other threads of the
 * parent may have held any lock. The exception is preexec_fn, which runs Python code in
 * the child (between PyOS_BeforeFork and PyOS_AfterFork_Child) as documented.
 *
 * A child that fails says so on errpipe_write as "Exception:errno in hex:note"; the note
 * "noexec" means that exec was not reached, "noexec:chdir" that the directory was at
 * fault. subprocess.py turns that into an exception.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

typedef struct Spawn {
    char **exec_array, **argv, **envp; /* envp: NULL = inherit */
    const char *cwd;                   /* or NULL */
    int p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite;
    int errpipe_read, errpipe_write;
    bool close_fds, restore_signals, setsid;
    pid_t pgid;      /* -1: leave */
    bool set_gid, set_uid, set_groups;
    gid_t gid;
    uid_t uid;
    gid_t *groups;
    Py_ssize_t ngroups;
    int umask;       /* -1: leave */
    int *keep;       /* sorted descriptors that survive close_fds */
    Py_ssize_t nkeep;
    PyObject *preexec; /* borrowed, or NULL */
    PyObject *preexec_args;
} Spawn;

/* ---- preparing ---------------------------------------------------------------------------- */

static void
free_strings(char ***array)
{
    PyMem_Free(*array);
}

/* A NULL-terminated array of pointers into the bytes objects of a tuple. */
static char **
strings_of(PyObject *tuple)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    char **array = PyMem_New(char *, n + 1);
    if (!array) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        if (!PyBytes_Check(item)) {
            PyErr_Format(PyExc_TypeError, "expected bytes, %.200s found",
                         Py_TYPE(item)->tp_name);
            PyMem_Free(array);
            return NULL;
        }
        if (PyBytes_AsStringAndSize(item, &array[i], NULL) < 0) {
            PyMem_Free(array);
            return NULL;
        }
    }
    array[n] = NULL;
    return array;
}

/* Items of a sequence as a tuple of bytes; fspath: convert as file names. New. */
static PyObject *
tuple_of(PyObject *seq, bool fspath)
{
    Py_ssize_t n = PySequence_Length(seq);
    if (n < 0) {
        return NULL;
    }
    NJ_OWN out = PyTuple_New(n);
    if (!out) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PySequence_GetItem(seq, i);
        if (!item) {
            return NULL;
        }
        if (fspath) {
            PyObject *converted;
            int ok = PyUnicode_FSConverter(item, &converted);
            Py_DECREF(item);
            if (!ok) {
                return NULL;
            }
            item = converted;
        }
        PyTuple_SET_ITEM(out, i, item);
    }
    return NJ_TAKE(out);
}

/* pass_fds: ascending, in range. 0/-1. */
static int
read_keep(PyObject *tuple, int **out, Py_ssize_t *count)
{
    Py_ssize_t n = PyTuple_GET_SIZE(tuple);
    int *fds = PyMem_New(int, n ? n : 1);
    if (!fds) {
        PyErr_NoMemory();
        return -1;
    }
    long previous = -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(tuple, i);
        long fd = PyLong_Check(item) ? PyLong_AsLong(item) : -1;
        if (fd < 0 || fd <= previous || fd > INT_MAX) {
            PyMem_Free(fds);
            PyErr_Clear();
            PyErr_SetString(PyExc_ValueError, "bad value(s) in fds_to_keep");
            return -1;
        }
        fds[i] = (int)fd;
        previous = fd;
    }
    *out = fds;
    *count = n;
    return 0;
}

/* An int that fits the unsigned 32 bits of an id (-1 allowed). 1/0 with an exception. */
static int
read_id(PyObject *o, const char *what, uint32_t *out)
{
    if (!PyIndex_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s should be integer, not %.200s", what,
                     Py_TYPE(o)->tp_name);
        return 0;
    }
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return 0;
    }
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (v == -1 && PyErr_Occurred()) {
        return 0;
    }
    if (overflow < 0 || v < -1) {
        PyErr_Format(PyExc_OverflowError, "%s is less than minimum", what);
        return 0;
    }
    if (overflow > 0 || v > (long long)UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%s is greater than maximum", what);
        return 0;
    }
    *out = (uint32_t)v;
    return 1;
}

/* ---- the child ---------------------------------------------------------------------------- */

static void
close_between(unsigned first, unsigned last)
{
    if (first > last) {
        return;
    }
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, last, 0) == 0) {
        return;
    }
#endif
    long limit = sysconf(_SC_OPEN_MAX);
    unsigned end = limit > 0 && (unsigned)limit <= last ? (unsigned)limit : last;
    for (unsigned fd = first; fd <= end && fd < 1u << 20; fd++) {
        close((int)fd);
    }
}

static int
set_inheritable(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0) {
        return -1;
    }
    return flags & FD_CLOEXEC ? fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC) : 0;
}

/* Puts fd at number target. 0/-1 */
static int
place(int fd, int target)
{
    if (fd == target) {
        return set_inheritable(fd);
    }
    return fd == -1 || dup2(fd, target) >= 0 ? 0 : -1;
}

/* Returns only on failure: a note for the parent, errno set. *raised: preexec_fn raised. */
static const char *
child_steps(const Spawn *s, bool *raised)
{
    int p2cread = s->p2cread, c2pwrite = s->c2pwrite, errwrite = s->errwrite;
    for (Py_ssize_t i = 0; i < s->nkeep; i++) {
        if (s->keep[i] != s->errpipe_write && set_inheritable(s->keep[i]) < 0) {
            return "noexec";
        }
    }
    if ((s->p2cwrite != -1 && close(s->p2cwrite) < 0)
        || (s->c2pread != -1 && close(s->c2pread) < 0)
        || (s->errread != -1 && close(s->errread) < 0) || close(s->errpipe_read) < 0) {
        return "noexec";
    }
    /* what is to become 1 or 2 must not be overwritten on the way */
    if (c2pwrite == 0 && (c2pwrite = dup(c2pwrite)) < 0) {
        return "noexec";
    }
    while (errwrite == 0 || errwrite == 1) {
        if ((errwrite = dup(errwrite)) < 0) {
            return "noexec";
        }
    }
    if (place(p2cread, 0) < 0 || place(c2pwrite, 1) < 0 || place(errwrite, 2) < 0) {
        return "noexec";
    }
    if (s->cwd && chdir(s->cwd) < 0) {
        return "noexec:chdir";
    }
    if (s->umask >= 0) {
        umask((mode_t)s->umask);
    }
    if (s->restore_signals) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
    }
    if (s->setsid && setsid() < 0) {
        return "noexec";
    }
    if (s->pgid >= 0 && setpgid(0, s->pgid) < 0) {
        return "noexec";
    }
    if (s->set_groups && setgroups((size_t)s->ngroups, s->groups) < 0) {
        return "noexec";
    }
    if (s->set_gid && setregid(s->gid, s->gid) < 0) {
        return "noexec";
    }
    if (s->set_uid && setreuid(s->uid, s->uid) < 0) {
        return "noexec";
    }
    if (s->preexec) {
        PyObject *r = PyObject_Call(s->preexec, s->preexec_args, NULL);
        if (!r) {
            /* the message cannot be carried over safely */
            PyErr_Clear();
            *raised = true;
            return "Exception occurred in preexec_fn.";
        }
        Py_DECREF(r);
    }
    if (s->close_fds) {
        unsigned start = 3;
        for (Py_ssize_t i = 0; i < s->nkeep; i++) {
            if ((unsigned)s->keep[i] < start) {
                continue;
            }
            if (s->keep[i] > 0) {
                close_between(start, (unsigned)s->keep[i] - 1);
            }
            start = (unsigned)s->keep[i] + 1;
        }
        close_between(start, ~0u);
    }
    int saved = 0;
    for (char **path = s->exec_array; *path; path++) {
        if (s->envp) {
            execve(*path, s->argv, s->envp);
        } else {
            execv(*path, s->argv);
        }
        if (errno != ENOENT && errno != ENOTDIR && saved == 0) {
            saved = errno;
        }
    }
    if (saved) {
        errno = saved;
    }
    return "";
}

static void
write_all(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t w = write(fd, text, n);
        if (w < 0) {
            if (errno == EINTR) {
                continue;
            }
            return;
        }
        text += w;
        n -= (size_t)w;
    }
}

static _Noreturn void
child(const Spawn *s)
{
    bool raised = false;
    const char *note = child_steps(s, &raised);
    int err = errno;
    if (raised) {
        write_all(s->errpipe_write, "SubprocessError:0:", 18);
    } else {
        char hex[2 * sizeof(int) + 1];
        char *p = hex + sizeof(hex);
        for (unsigned v = (unsigned)err; v || p == hex + sizeof(hex); v >>= 4) {
            *--p = "0123456789ABCDEF"[v & 15];
        }
        write_all(s->errpipe_write, "OSError:", 8);
        write_all(s->errpipe_write, p, (size_t)(hex + sizeof(hex) - p));
        write_all(s->errpipe_write, ":", 1);
    }
    write_all(s->errpipe_write, note, strlen(note));
    _exit(255);
}

/* ---- fork_exec ---------------------------------------------------------------------------- */

static PyObject *
fork_exec(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("fork_exec", nargs, 22, 22)) {
        return NULL;
    }
    Spawn s = {.umask = -1, .pgid = -1};
    int fds[8];
    int close_fds = PyObject_IsTrue(args[2]);
    if (close_fds < 0) {
        return NULL;
    }
    if (!PyTuple_Check(args[3])) {
        _PyArg_BadArgument("fork_exec", "argument 4", "tuple", args[3]);
        return NULL;
    }
    for (int i = 0; i < 8; i++) {
        fds[i] = PyLong_AsInt(args[6 + i]);
        if (fds[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    int restore_signals = PyObject_IsTrue(args[14]);
    int setsid_ = restore_signals < 0 ? -1 : PyObject_IsTrue(args[15]);
    if (setsid_ < 0) {
        return NULL;
    }
    long pgid = PyLong_AsLong(args[16]);
    if (pgid == -1 && PyErr_Occurred()) {
        return NULL;
    }
    s.umask = PyLong_AsInt(args[20]);
    if (s.umask == -1 && PyErr_Occurred()) {
        return NULL;
    }
    s.pgid = (pid_t)pgid;
    s.p2cread = fds[0];
    s.p2cwrite = fds[1];
    s.c2pread = fds[2];
    s.c2pwrite = fds[3];
    s.errread = fds[4];
    s.errwrite = fds[5];
    s.errpipe_read = fds[6];
    s.errpipe_write = fds[7];
    s.close_fds = close_fds;
    s.restore_signals = restore_signals;
    s.setsid = setsid_;

    bool python_child = args[21] != Py_None;
    if (python_child && PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_RuntimeError,
                        "preexec_fn not supported within subinterpreters");
        return NULL;
    }
    if (python_child && Py_IsFinalizing()) {
        PyErr_SetString(PyExc_PythonFinalizationError,
                        "preexec_fn not supported at interpreter shutdown");
        return NULL;
    }
    if (s.close_fds && s.errpipe_write < 3) {
        PyErr_SetString(PyExc_ValueError, "errpipe_write must be >= 3");
        return NULL;
    }
    NJ_OWN_MEM(int) keep = NULL;
    if (read_keep(args[3], &s.keep, &s.nkeep) < 0) {
        return NULL;
    }
    keep = s.keep;

    NJ_OWN paths = tuple_of(args[1], false);
    if (!paths) {
        return NULL;
    }
    __attribute__((cleanup(free_strings))) char **exec_array = strings_of(paths);
    if (!exec_array) {
        return NULL;
    }
    s.exec_array = exec_array;

    __attribute__((cleanup(free_strings))) char **argv = NULL;
    NJ_OWN argv_tuple = NULL;
    char *no_argv[] = {NULL};
    s.argv = no_argv;
    if (args[0] != Py_None) {
        NJ_OWN seq = PySequence_Fast(args[0], "argv must be a tuple");
        if (!seq) {
            return NULL;
        }
        argv_tuple = tuple_of(seq, true);
        if (!argv_tuple || !(argv = strings_of(argv_tuple))) {
            return NULL;
        }
        s.argv = argv;
    }

    __attribute__((cleanup(free_strings))) char **envp = NULL;
    NJ_OWN env_tuple = NULL;
    if (args[5] != Py_None) {
        env_tuple = tuple_of(args[5], false);
        if (!env_tuple || !(envp = strings_of(env_tuple))) {
            return NULL;
        }
        s.envp = envp;
    }

    NJ_OWN cwd = NULL;
    if (args[4] != Py_None) {
        if (!PyUnicode_FSConverter(args[4], &cwd)) {
            return NULL;
        }
        s.cwd = PyBytes_AS_STRING(cwd);
    }

    NJ_OWN_MEM(gid_t) groups = NULL;
    if (args[18] != Py_None) {
        if (!PyList_Check(args[18])) {
            PyErr_SetString(PyExc_TypeError, "setgroups argument must be a list");
            return NULL;
        }
        Py_ssize_t n = PyList_GET_SIZE(args[18]);
        if (n > sysconf(_SC_NGROUPS_MAX)) {
            PyErr_SetString(PyExc_ValueError, "too many extra_groups");
            return NULL;
        }
        groups = PyMem_New(gid_t, n ? n : 1);
        if (!groups) {
            return PyErr_NoMemory();
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            NJ_OWN item = PySequence_GetItem(args[18], i);
            if (!item) {
                return NULL;
            }
            if (!PyLong_Check(item)) {
                PyErr_SetString(PyExc_TypeError, "extra_groups must be integers");
                return NULL;
            }
            if (!read_id(item, "gid", &groups[i])) {
                PyErr_SetString(PyExc_ValueError, "invalid group id");
                return NULL;
            }
        }
        s.set_groups = true;
        s.groups = groups;
        s.ngroups = n;
    }
    if (args[17] != Py_None) {
        if (!read_id(args[17], "gid", &s.gid)) {
            return NULL;
        }
        s.set_gid = true;
    }
    if (args[19] != Py_None) {
        if (!read_id(args[19], "uid", &s.uid)) {
            return NULL;
        }
        s.set_uid = true;
    }
    NJ_OWN preexec_args = NULL;
    int collecting = 0;
    if (python_child) {
        preexec_args = PyTuple_New(0);
        if (!preexec_args) {
            return NULL;
        }
        s.preexec = args[21];
        s.preexec_args = preexec_args;
        /* no collection may run the parent's finalizers in the child */
        collecting = PyGC_Disable();
        PyOS_BeforeFork();
    }
    pid_t pid = fork();
    if (pid == 0) {
        if (python_child) {
            PyOS_AfterFork_Child();
        }
        child(&s);
    }
    int err = errno;
    if (python_child) {
        PyOS_AfterFork_Parent();
        if (collecting) {
            PyGC_Enable();
        }
    }
    if (pid < 0) {
        errno = err;
        PyErr_SetFromErrno(PyExc_OSError);
        return NULL;
    }
    return PyLong_FromLong(pid);
}

static PyMethodDef methods[] = {
    {"fork_exec", (PyCFunction)(void (*)(void))fork_exec, METH_FASTCALL,
     "fork_exec($module, args, executable_list, close_fds, pass_fds, cwd,\n"
     "          env, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite,\n"
     "          errpipe_read, errpipe_write, restore_signals, call_setsid,\n"
     "          pgid_to_set, gid, extra_groups, uid, child_umask, preexec_fn,\n"
     "          /)\n--\n\nStart a child process that runs the first executable found."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_posixsubprocess",
    .m_doc = "A POSIX helper for the subprocess module.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__posixsubprocess(void);

PyMODINIT_FUNC
PyInit__posixsubprocess(void)
{
    return PyModuleDef_Init(&module_def);
}

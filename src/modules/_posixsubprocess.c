/* _posixsubprocess.c - fork_exec: the child's half of subprocess.Popen.
 *
 * Between fork (vfork when nothing in the child runs Python or changes credentials) and
 * exec only async-signal-safe calls are made, on arrays prepared before. A failure in the
 * child is written to errpipe_write as "ExceptionName:hexerrno:text".
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "runtime/runtime.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct NjSpawn {
    char *const *exec_array;
    char *const *argv;
    char *const *envp; /* NULL: inherit */
    const char *cwd;
    int p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite, errpipe_read,
        errpipe_write;
    int close_fds, restore_signals, call_setsid;
    pid_t pgid;
    gid_t gid;
    uid_t uid;
    Py_ssize_t n_groups; /* -1: leave */
    gid_t *groups;
    int umask;
    const int *fds_to_keep;
    Py_ssize_t n_keep;
    PyObject *preexec_fn, *preexec_args;
    bool use_vfork;
    sigset_t *old_mask;
} NjSpawn;

/* NULL-terminated array of C strings: paths of a list or tuple, bytes of any sequence. */
static char **
to_cstrings(PyObject *seq, bool fs)
{
    Py_ssize_t n = PySequence_Size(seq);
    if (n < 0) {
        return NULL;
    }
    char **a = (size_t)n < PY_SSIZE_T_MAX / sizeof *a ? calloc((size_t)n + 1, sizeof *a) : NULL;
    if (!a) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN b = NULL;
        NJ_OWN item = PySequence_GetItem(seq, i);
        if (!item) {
            goto fail;
        }
        if (fs) {
            if (!PyUnicode_FSConverter(item, &b)) {
                goto fail;
            }
        }
        else {
            if (!PyBytes_Check(item)) {
                PyErr_Format(PyExc_TypeError, "expected bytes, %.200s found",
                             Py_TYPE(item)->tp_name);
                goto fail;
            }
            b = Py_NewRef(item);
        }
        char *s;
        if (PyBytes_AsStringAndSize(b, &s, NULL) < 0 || !(a[i] = strdup(s))) {
            goto fail;
        }
    }
    return a;
fail:
    for (Py_ssize_t i = 0; a[i]; i++) {
        free(a[i]);
    }
    free(a);
    return NULL;
}

static void
free_cstrings(char **a)
{
    for (Py_ssize_t i = 0; a && a[i]; i++) {
        free(a[i]);
    }
    free(a);
}

static void
close_range_brute(int from, int to)
{
    if (from > to) {
        return;
    }
    if (syscall(SYS_close_range, (unsigned)from, (unsigned)to, 0) == 0) {
        return;
    }
    int max = (int)sysconf(_SC_OPEN_MAX);
    if (max < 0) {
        max = 256;
    }
    for (int fd = from; fd <= to && fd < max; fd++) {
        close(fd);
    }
}

/* Everything above 2 that is not in fds_to_keep (sorted). */
static void
close_others(const NjSpawn *s)
{
    int from = 3;
    for (Py_ssize_t i = 0; i < s->n_keep; i++) {
        int keep = s->fds_to_keep[i];
        if (keep < from) {
            continue;
        }
        close_range_brute(from, keep - 1);
        from = keep + 1;
    }
    close_range_brute(from, INT_MAX);
}

static int
make_inheritable(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    return flags < 0 ? -1 : fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
}

static void
report(int fd, const char *s)
{
    if (write(fd, s, strlen(s)) < 0) {
        return;
    }
}

static _Noreturn void
run_child(NjSpawn *s)
{
    const char *where = "";
    int saved;
    for (Py_ssize_t i = 0; i < s->n_keep; i++) {
        if (s->fds_to_keep[i] != s->errpipe_write &&
            make_inheritable(s->fds_to_keep[i]) < 0) {
            goto error;
        }
    }
    if (s->p2cwrite >= 0) {
        close(s->p2cwrite);
    }
    if (s->c2pread >= 0) {
        close(s->c2pread);
    }
    if (s->errread >= 0) {
        close(s->errread);
    }
    close(s->errpipe_read);
    int out = s->c2pwrite, err = s->errwrite;
    if (out == 0 && (out = dup(out)) < 0) {
        goto error;
    }
    while (err == 0 || err == 1) {
        if ((err = dup(err)) < 0) {
            goto error;
        }
    }
    struct {
        int from, to;
    } dups[3] = {{s->p2cread, 0}, {out, 1}, {err, 2}};
    for (int i = 0; i < 3; i++) {
        if (dups[i].from == dups[i].to) {
            if (make_inheritable(dups[i].to) < 0) {
                goto error;
            }
        }
        else if (dups[i].from >= 0 && dup2(dups[i].from, dups[i].to) < 0) {
            goto error;
        }
    }
    if (s->cwd && chdir(s->cwd) < 0) {
        where = "noexec:chdir";
        goto error;
    }
    if (s->umask >= 0) {
        umask((mode_t)s->umask);
    }
    if (s->restore_signals) {
        _Py_RestoreSignals();
    }
    if (s->old_mask) {
        sigprocmask(SIG_SETMASK, s->old_mask, NULL);
    }
    if (s->call_setsid) {
        setsid();
    }
    if (s->pgid >= 0 && setpgid(0, s->pgid) < 0) {
        goto error;
    }
    if (s->n_groups >= 0 && setgroups((size_t)s->n_groups, s->groups) < 0) {
        goto error;
    }
    if (s->gid != (gid_t)-1 && setregid(s->gid, s->gid) < 0) {
        goto error;
    }
    if (s->uid != (uid_t)-1 && setreuid(s->uid, s->uid) < 0) {
        goto error;
    }
    if (s->preexec_fn != Py_None && s->preexec_args) {
        PyObject *r = PyObject_Call(s->preexec_fn, s->preexec_args, NULL);
        if (!r) {
            report(s->errpipe_write, "SubprocessError:0:Exception occurred in preexec_fn.");
            _exit(255);
        }
        Py_DECREF(r);
    }
    if (s->close_fds) {
        close_others(s);
    }
    saved = 0;
    for (int i = 0; s->exec_array[i]; i++) {
        if (s->envp) {
            execve(s->exec_array[i], s->argv, s->envp);
        }
        else {
            execv(s->exec_array[i], s->argv);
        }
        if (errno != ENOENT && errno != ENOTDIR && saved == 0) {
            saved = errno;
        }
    }
    if (saved) {
        errno = saved;
    }
    goto report_errno;
error:
    if (!*where) {
        where = "noexec";
    }
report_errno: {
    char buf[64] = "OSError:";
    int e = errno, k = 8, d = 0;
    char hex[16];
    do {
        hex[d++] = "0123456789ABCDEF"[e & 15];
        e >>= 4;
    } while (e);
    while (d) {
        buf[k++] = hex[--d];
    }
    buf[k++] = ':';
    buf[k] = 0;
    report(s->errpipe_write, buf);
    report(s->errpipe_write, where);
    _exit(255);
}
}

/* vfork needs a frame of its own: the child runs on it. */
static pid_t __attribute__((noinline))
do_fork(NjSpawn *s)
{
    pid_t pid = s->use_vfork ? vfork() : fork();
    if (pid != 0) {
        return pid;
    }
    if (!s->use_vfork && s->preexec_fn != Py_None) {
        PyOS_AfterFork_Child();
    }
    run_child(s);
}

static bool
is_fd_tuple(PyObject *t)
{
    long prev = -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(t); i++) {
        PyObject *o = PyTuple_GET_ITEM(t, i);
        if (!PyLong_Check(o)) {
            return false;
        }
        long v = PyLong_AsLong(o);
        if ((v == -1 && PyErr_Occurred()) || v < 0 || v <= prev || v > INT_MAX) {
            PyErr_Clear();
            return false;
        }
        prev = v;
    }
    return true;
}

static int
id_arg(PyObject *o, unsigned *out, const char *what)
{
    if (o == Py_None) {
        *out = (unsigned)-1;
        return 0;
    }
    NJ_OWN i = PyNumber_Index(o);
    if (!i) {
        return -1;
    }
    long v = PyLong_AsLong(i);
    if (v == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        PyErr_Format(PyExc_OverflowError, "%s is greater than maximum", what);
        return -1;
    }
    if (v < -1) {
        PyErr_Format(PyExc_OverflowError, "%s is less than minimum", what);
        return -1;
    }
    *out = (unsigned)v;
    return 0;
}

static PyObject *
fork_exec(PyObject *m, PyObject *const *a, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("fork_exec", nargs, 22, 22)) {
        return NULL;
    }
    NjSpawn s = {.uid = (uid_t)-1, .gid = (gid_t)-1, .n_groups = -1};
    if ((s.close_fds = PyObject_IsTrue(a[2])) < 0) {
        return NULL;
    }
    if (!PyTuple_Check(a[3])) {
        _PyArg_BadArgument("fork_exec", "argument 4", "tuple", a[3]);
        return NULL;
    }
    int *ints[] = {&s.p2cread, &s.p2cwrite, &s.c2pread,      &s.c2pwrite,
                   &s.errread, &s.errwrite, &s.errpipe_read, &s.errpipe_write};
    for (int i = 0; i < 8; i++) {
        *ints[i] = PyLong_AsInt(a[6 + i]);
        if (*ints[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if ((s.restore_signals = PyObject_IsTrue(a[14])) < 0 ||
        (s.call_setsid = PyObject_IsTrue(a[15])) < 0) {
        return NULL;
    }
    s.pgid = PyLong_AsInt(a[16]);
    if (s.pgid == -1 && PyErr_Occurred()) {
        return NULL;
    }
    unsigned id;
    if (id_arg(a[17], &id, "gid") < 0) {
        return NULL;
    }
    s.gid = id;
    if (id_arg(a[19], &id, "uid") < 0) {
        return NULL;
    }
    s.uid = id;
    s.umask = PyLong_AsInt(a[20]);
    if (s.umask == -1 && PyErr_Occurred()) {
        return NULL;
    }
    s.preexec_fn = a[21];
    NjInterp *interp = nj_interp();
    if (s.preexec_fn != Py_None && !nj_is_main_interp(interp)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "preexec_fn not supported within subinterpreters");
        return NULL;
    }
    if (s.preexec_fn != Py_None && Py_IsFinalizing()) {
        PyErr_SetString(PyExc_PythonFinalizationError,
                        "preexec_fn not supported at interpreter shutdown");
        return NULL;
    }
    if (s.close_fds && s.errpipe_write < 3) {
        PyErr_SetString(PyExc_ValueError, "errpipe_write must be >= 3");
        return NULL;
    }
    if (!is_fd_tuple(a[3])) {
        PyErr_SetString(PyExc_ValueError, "bad value(s) in fds_to_keep");
        return NULL;
    }
    PyObject *result = NULL;
    char **exec_array = NULL, **argv = NULL, **envp = NULL;
    int *keep = NULL;
    NJ_OWN cwd = NULL;
    bool gc_was = false, forked_hooks = false;
    sigset_t old;
    pid_t pid = -1;
    int saved = 0;
    exec_array = to_cstrings(a[1], false);
    if (!exec_array) {
        goto done;
    }
    if (a[0] != Py_None) {
        if (!PyList_Check(a[0]) && !PyTuple_Check(a[0])) {
            PyErr_SetString(PyExc_TypeError, "argv must be a tuple");
            goto done;
        }
        argv = to_cstrings(a[0], true);
        if (!argv) {
            goto done;
        }
    }
    if (PySys_Audit("_posixsubprocess.fork_exec", "OOO", a[1], a[0], a[5]) < 0) {
        goto done;
    }
    if (a[5] != Py_None && !(envp = to_cstrings(a[5], false))) {
        goto done;
    }
    if (a[4] != Py_None) {
        if (!PyUnicode_FSConverter(a[4], &cwd)) {
            goto done;
        }
        s.cwd = PyBytes_AS_STRING(cwd);
    }
    if (a[18] != Py_None) {
        NJ_OWN groups = PySequence_Fast(a[18], "setgroups argument must be a sequence");
        if (!groups) {
            goto done;
        }
        s.n_groups = PySequence_Fast_GET_SIZE(groups);
        if (s.n_groups > 65536) {
            PyErr_SetString(PyExc_ValueError, "too many extra_groups");
            goto done;
        }
        s.groups = calloc((size_t)s.n_groups + 1, sizeof *s.groups);
        for (Py_ssize_t i = 0; i < s.n_groups; i++) {
            PyObject *g = PySequence_Fast_GET_ITEM(groups, i);
            if (!PyLong_Check(g)) {
                PyErr_SetString(PyExc_TypeError, "groups must be integers");
                goto done;
            }
            if (id_arg(g, &id, "gid") < 0) {
                PyErr_Clear();
                PyErr_SetString(PyExc_ValueError, "invalid group id");
                goto done;
            }
            s.groups[i] = id;
        }
    }
    s.n_keep = PyTuple_GET_SIZE(a[3]);
    keep = calloc((size_t)s.n_keep + 1, sizeof *keep);
    for (Py_ssize_t i = 0; i < s.n_keep; i++) {
        keep[i] = (int)PyLong_AsLong(PyTuple_GET_ITEM(a[3], i));
    }
    s.fds_to_keep = keep;
    s.exec_array = exec_array;
    s.argv = argv;
    s.envp = envp;
    if (s.preexec_fn != Py_None) {
        s.preexec_args = PyTuple_New(0);
        gc_was = PyGC_Disable();
        PyOS_BeforeFork();
        forked_hooks = true;
    }
    s.use_vfork = s.preexec_fn == Py_None && s.uid == (uid_t)-1 && s.gid == (gid_t)-1 &&
                  s.n_groups < 0;
    if (s.use_vfork) {
        sigset_t all;
        sigfillset(&all);
        if (pthread_sigmask(SIG_BLOCK, &all, &old) == 0) {
            s.old_mask = &old;
        }
        else {
            s.use_vfork = false;
        }
    }
    pid = do_fork(&s);
    saved = errno;
    if (s.old_mask) {
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (forked_hooks) {
        PyOS_AfterFork_Parent();
    }
    if (pid < 0) {
        errno = saved;
        PyErr_SetFromErrno(PyExc_OSError);
        goto done;
    }
    result = PyLong_FromPid(pid);
done:
    if (gc_was) {
        PyGC_Enable();
    }
    Py_XDECREF(s.preexec_args);
    free(s.groups);
    free(keep);
    free_cstrings(exec_array);
    free_cstrings(argv);
    free_cstrings(envp);
    return result;
}

static PyMethodDef methods[] = {
    {"fork_exec", (PyCFunction)(void (*)(void))fork_exec, METH_FASTCALL,
     "fork_exec($module, args, executable_list, close_fds, pass_fds, cwd,\n"
     "          env, p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite,\n"
     "          errpipe_read, errpipe_write, restore_signals, call_setsid,\n"
     "          pgid_to_set, gid, extra_groups, uid, child_umask, preexec_fn,\n"
     "          /)\n--\n\nSpawn a fresh new child process."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef def = {
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
    return PyModuleDef_Init(&def);
}

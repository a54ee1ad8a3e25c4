/* posix_process.c - processes, ids, scheduling, the environment.
 *
 * What happens around fork is runtime/signals.c's (PyOS_BeforeFork and kin).
 * SPDX-License-Identifier: MIT
 */
#include "modules/posix/posix_int.h"

#include "runtime/runtime.h"

#include <grp.h>
#include <linux/limits.h>
#include <math.h>
#include <pty.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define KWLIST(...) static char *const names[] = {__VA_ARGS__, NULL}
#define PARSE(format, ...)                                                             \
    PyArg_ParseTupleAndKeywords(args, kw, format, names, __VA_ARGS__)

extern char **environ;

static PyObject *
done(int r)
{
    return r < 0 ? posix_error() : Py_NewRef(Py_None);
}

static int
int_arg(PyObject *o, int *out)
{
    *out = PyLong_AsInt(o);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

/* ---- ids ------------------------------------------------------------------------------------- */

#define GET_PID(cname, call)                                                           \
    static PyObject *cname(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))             \
    {                                                                                  \
        return PyLong_FromLong(call);                                                  \
    }
GET_PID(posix_getpid, getpid())
GET_PID(posix_getppid, getppid())
GET_PID(posix_getpgrp, getpgrp())

#define GET_ID(cname, kind, call)                                                      \
    static PyObject *cname(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))             \
    {                                                                                  \
        return posix_from_##kind(call);                                                \
    }
GET_ID(posix_getuid, uid, getuid())
GET_ID(posix_geteuid, uid, geteuid())
GET_ID(posix_getgid, gid, getgid())
GET_ID(posix_getegid, gid, getegid())

#define SET_ID(cname, kind, call)                                                      \
    static PyObject *cname(PyObject *Py_UNUSED(m), PyObject *arg)                      \
    {                                                                                  \
        kind##_t id;                                                                   \
        return posix_##kind##_converter(arg, &id) ? done(call(id)) : NULL;             \
    }
SET_ID(posix_setuid, uid, setuid)
SET_ID(posix_seteuid, uid, seteuid)
SET_ID(posix_setgid, gid, setgid)
SET_ID(posix_setegid, gid, setegid)

#define SET_IDS(cname, kind, n, call)                                                  \
    static PyObject *cname(PyObject *Py_UNUSED(m), PyObject *const *a, Py_ssize_t nargs) \
    {                                                                                  \
        kind##_t id[3];                                                                \
        if (!_PyArg_CheckPositional(#call, nargs, n, n)) {                             \
            return NULL;                                                               \
        }                                                                              \
        for (int i = 0; i < n; i++) {                                                  \
            if (!posix_##kind##_converter(a[i], &id[i])) {                             \
                return NULL;                                                           \
            }                                                                          \
        }                                                                              \
        return done(n == 2 ? SET2_##call(id[0], id[1]) : SET3_##call(id[0], id[1], id[2])); \
    }
#define SET2_setreuid setreuid
#define SET3_setreuid(a, b, c) -1
#define SET2_setregid setregid
#define SET3_setregid(a, b, c) -1
#define SET2_setresuid(a, b) -1
#define SET3_setresuid setresuid
#define SET2_setresgid(a, b) -1
#define SET3_setresgid setresgid
SET_IDS(posix_setreuid, uid, 2, setreuid)
SET_IDS(posix_setregid, gid, 2, setregid)
SET_IDS(posix_setresuid, uid, 3, setresuid)
SET_IDS(posix_setresgid, gid, 3, setresgid)

static PyObject *
posix_getresuid(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    uid_t r, e, s;
    if (getresuid(&r, &e, &s) < 0) {
        return posix_error();
    }
    return Py_BuildValue("(NNN)", posix_from_uid(r), posix_from_uid(e), posix_from_uid(s));
}

static PyObject *
posix_getresgid(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    gid_t r, e, s;
    if (getresgid(&r, &e, &s) < 0) {
        return posix_error();
    }
    return Py_BuildValue("(NNN)", posix_from_gid(r), posix_from_gid(e), posix_from_gid(s));
}

static PyObject *
gid_list(const gid_t *groups, int n)
{
    NJ_OWN list = PyList_New(n);
    for (int i = 0; list && i < n; i++) {
        PyObject *g = posix_from_gid(groups[i]);
        if (!g) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, g);
    }
    return NJ_TAKE(list);
}

static PyObject *
posix_getgroups(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    int n = getgroups(0, NULL);
    if (n < 0) {
        return posix_error();
    }
    NJ_OWN_MEM(gid_t) groups = PyMem_Malloc(((size_t)n + 1) * sizeof(gid_t));
    if (!groups) {
        return PyErr_NoMemory();
    }
    n = getgroups(n, groups);
    return n < 0 ? posix_error() : gid_list(groups, n);
}

static PyObject *
posix_setgroups(PyObject *Py_UNUSED(m), PyObject *seq)
{
    if (!PySequence_Check(seq)) {
        PyErr_SetString(PyExc_TypeError, "setgroups argument must be a sequence");
        return NULL;
    }
    Py_ssize_t n = PySequence_Size(seq);
    if (n < 0) {
        return NULL;
    }
    if (n > NGROUPS_MAX) {
        PyErr_SetString(PyExc_ValueError, "too many groups");
        return NULL;
    }
    NJ_OWN_MEM(gid_t) groups = PyMem_Malloc(((size_t)n + 1) * sizeof(gid_t));
    if (!groups) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN item = PySequence_GetItem(seq, i);
        if (!item) {
            return NULL;
        }
        if (!PyLong_Check(item)) {
            PyErr_SetString(PyExc_TypeError, "groups must be integers");
            return NULL;
        }
        if (!posix_gid_converter(item, &groups[i])) {
            return NULL;
        }
    }
    return done(setgroups((size_t)n, groups));
}

static PyObject *
posix_initgroups(PyObject *Py_UNUSED(m), PyObject *args)
{
    PyObject *name;
    gid_t gid;
    if (!PyArg_ParseTuple(args, "O&O&:initgroups", PyUnicode_FSConverter, &name,
                          posix_gid_converter, &gid)) {
        return NULL;
    }
    int r = initgroups(PyBytes_AS_STRING(name), gid);
    Py_DECREF(name);
    return done(r);
}

static PyObject *
posix_getgrouplist(PyObject *Py_UNUSED(m), PyObject *args)
{
    const char *user;
    gid_t gid;
    if (!PyArg_ParseTuple(args, "sO&:getgrouplist", &user, posix_gid_converter, &gid)) {
        return NULL;
    }
    for (int room = 64;; room *= 2) {
        NJ_OWN_MEM(gid_t) groups = PyMem_Malloc((size_t)room * sizeof(gid_t));
        if (!groups) {
            return PyErr_NoMemory();
        }
        int n = room;
        if (getgrouplist(user, gid, groups, &n) >= 0) {
            return gid_list(groups, n);
        }
    }
}

static PyObject *
posix_getlogin(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    errno = 0;
    char *name = getlogin();
    if (!name) {
        if (errno) {
            return posix_error();
        }
        PyErr_SetString(PyExc_OSError, "unable to determine login name");
        return NULL;
    }
    return PyUnicode_DecodeFSDefault(name);
}

static PyObject *
posix_getpgid(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("pid");
    int pid;
    if (!PARSE("i:getpgid", &pid)) {
        return NULL;
    }
    pid_t r = getpgid(pid);
    return r < 0 ? posix_error() : PyLong_FromLong(r);
}

static PyObject *
posix_getsid(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int pid;
    if (int_arg(arg, &pid) < 0) {
        return NULL;
    }
    pid_t r = getsid(pid);
    return r < 0 ? posix_error() : PyLong_FromLong(r);
}

static PyObject *
posix_setsid(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return done(setsid());
}

static PyObject *
posix_setpgrp(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return done(setpgrp());
}

static PyObject *
posix_setpgid(PyObject *Py_UNUSED(m), PyObject *args)
{
    int pid, pgrp;
    return PyArg_ParseTuple(args, "ii:setpgid", &pid, &pgrp) ? done(setpgid(pid, pgrp))
                                                             : NULL;
}

static PyObject *
posix_tcgetpgrp(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int fd;
    if (int_arg(arg, &fd) < 0) {
        return NULL;
    }
    pid_t r = tcgetpgrp(fd);
    return r < 0 ? posix_error() : PyLong_FromLong(r);
}

static PyObject *
posix_tcsetpgrp(PyObject *Py_UNUSED(m), PyObject *args)
{
    int fd, pgid;
    return PyArg_ParseTuple(args, "ii:tcsetpgrp", &fd, &pgid) ? done(tcsetpgrp(fd, pgid))
                                                              : NULL;
}

static PyObject *
posix_ctermid(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    char buf[L_ctermid];
    char *s = ctermid(buf);
    return s ? PyUnicode_DecodeFSDefault(s) : posix_error();
}

static PyObject *
posix_umask(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int mask;
    return int_arg(arg, &mask) < 0 ? NULL : PyLong_FromLong((long)umask((mode_t)mask));
}

/* ---- signals and waiting ---------------------------------------------------------------------- */

static PyObject *
posix_kill(PyObject *Py_UNUSED(m), PyObject *args)
{
    int pid, sig;
    if (!PyArg_ParseTuple(args, "ii:kill", &pid, &sig) ||
        PySys_Audit("os.kill", "ii", pid, sig) < 0) {
        return NULL;
    }
    if (kill(pid, sig) < 0) {
        return posix_error();
    }
    /* a signal to ourselves is handled before we return */
    return PyErr_CheckSignals() < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
posix_killpg(PyObject *Py_UNUSED(m), PyObject *args)
{
    int pgid, sig;
    if (!PyArg_ParseTuple(args, "ii:killpg", &pgid, &sig) ||
        PySys_Audit("os.killpg", "ii", pgid, sig) < 0) {
        return NULL;
    }
    if (killpg(pgid, sig) < 0) {
        return posix_error();
    }
    return PyErr_CheckSignals() < 0 ? NULL : Py_NewRef(Py_None);
}

#define WAIT_TEST(cname, text, expr, result)                                           \
    static PyObject *cname(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)       \
    {                                                                                  \
        KWLIST("status");                                                              \
        int status;                                                                    \
        if (!PARSE("i:" text, &status)) {                                              \
            return NULL;                                                               \
        }                                                                              \
        return result(expr(status));                                                   \
    }
WAIT_TEST(posix_wifcontinued, "WIFCONTINUED", WIFCONTINUED, PyBool_FromLong)
WAIT_TEST(posix_wifstopped, "WIFSTOPPED", WIFSTOPPED, PyBool_FromLong)
WAIT_TEST(posix_wifsignaled, "WIFSIGNALED", WIFSIGNALED, PyBool_FromLong)
WAIT_TEST(posix_wifexited, "WIFEXITED", WIFEXITED, PyBool_FromLong)
WAIT_TEST(posix_wexitstatus, "WEXITSTATUS", WEXITSTATUS, PyLong_FromLong)
WAIT_TEST(posix_wtermsig, "WTERMSIG", WTERMSIG, PyLong_FromLong)
WAIT_TEST(posix_wstopsig, "WSTOPSIG", WSTOPSIG, PyLong_FromLong)

static PyObject *
posix_wcoredump(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int status;
    return int_arg(arg, &status) < 0 ? NULL : PyBool_FromLong(WCOREDUMP(status));
}

static PyObject *
posix_waitstatus_to_exitcode(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("status");
    PyObject *obj;
    int status;
    if (!PARSE("O:waitstatus_to_exitcode", &obj) || int_arg(obj, &status) < 0) {
        return NULL;
    }
    if (WIFEXITED(status)) {
        return PyLong_FromLong(WEXITSTATUS(status));
    }
    if (WIFSIGNALED(status)) {
        return PyLong_FromLong(-WTERMSIG(status));
    }
    if (WIFSTOPPED(status)) {
        PyErr_Format(PyExc_ValueError, "process stopped by delivery of signal %i",
                     WSTOPSIG(status));
    } else {
        PyErr_Format(PyExc_ValueError, "invalid wait status: %i", status);
    }
    return NULL;
}

static PyObject *
posix_waitpid(PyObject *Py_UNUSED(m), PyObject *args)
{
    int pid, options, status = 0;
    if (!PyArg_ParseTuple(args, "ii:waitpid", &pid, &options)) {
        return NULL;
    }
    pid_t r;
    POSIX_CALL(r, waitpid(pid, &status, options));
    return r < 0 ? posix_error() : Py_BuildValue("(ii)", (int)r, status);
}

static PyObject *
posix_wait(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    int status = 0;
    pid_t r;
    POSIX_CALL(r, wait(&status));
    return r < 0 ? posix_error() : Py_BuildValue("(ii)", (int)r, status);
}

static PyObject *
rusage_result(pid_t pid, int status, const struct rusage *ru)
{
    NJ_OWN module = PyImport_ImportModule("resource");
    NJ_OWN type = module ? PyObject_GetAttrString(module, "struct_rusage") : NULL;
    if (!type) {
        return NULL;
    }
#define SECONDS(t) ((double)(t).tv_sec + (double)(t).tv_usec * 1e-6)
    NJ_OWN fields = Py_BuildValue(
        "(ddllllllllllllll)", SECONDS(ru->ru_utime), SECONDS(ru->ru_stime), ru->ru_maxrss,
        ru->ru_ixrss, ru->ru_idrss, ru->ru_isrss, ru->ru_minflt, ru->ru_majflt, ru->ru_nswap,
        ru->ru_inblock, ru->ru_oublock, ru->ru_msgsnd, ru->ru_msgrcv, ru->ru_nsignals,
        ru->ru_nvcsw, ru->ru_nivcsw);
#undef SECONDS
    NJ_OWN usage = fields ? PyObject_CallOneArg(type, fields) : NULL;
    return usage ? Py_BuildValue("(iiO)", (int)pid, status, usage) : NULL;
}

static PyObject *
posix_wait3(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("options");
    int options, status = 0;
    struct rusage ru = {0};
    if (!PARSE("i:wait3", &options)) {
        return NULL;
    }
    pid_t r;
    POSIX_CALL(r, wait3(&status, options, &ru));
    return r < 0 ? posix_error() : rusage_result(r, status, &ru);
}

static PyObject *
posix_wait4(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("pid", "options");
    int pid, options, status = 0;
    struct rusage ru = {0};
    if (!PARSE("ii:wait4", &pid, &options)) {
        return NULL;
    }
    pid_t r;
    POSIX_CALL(r, wait4(pid, &status, options, &ru));
    return r < 0 ? posix_error() : rusage_result(r, status, &ru);
}

static PyObject *
posix_waitid(PyObject *module, PyObject *args)
{
    int idtype, id, options, r;
    siginfo_t si = {0};
    if (!PyArg_ParseTuple(args, "iii:waitid", &idtype, &id, &options)) {
        return NULL;
    }
    POSIX_CALL(r, waitid((idtype_t)idtype, (id_t)id, &si, options));
    if (r < 0) {
        return posix_error();
    }
    if (si.si_pid == 0) {
        Py_RETURN_NONE;
    }
    NJ_OWN v = PyStructSequence_New(posix_state(module)->waitid_result);
    if (!v) {
        return NULL;
    }
    PyStructSequence_SetItem(v, 0, PyLong_FromLong(si.si_pid));
    PyStructSequence_SetItem(v, 1, posix_from_uid(si.si_uid));
    PyStructSequence_SetItem(v, 2, PyLong_FromLong(si.si_signo));
    PyStructSequence_SetItem(v, 3, PyLong_FromLong(si.si_status));
    PyStructSequence_SetItem(v, 4, PyLong_FromLong(si.si_code));
    return PyErr_Occurred() ? NULL : NJ_TAKE(v);
}

static PyObject *
posix_pidfd_open(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("pid", "flags");
    int pid;
    unsigned flags = 0;
    if (!PARSE("i|I:pidfd_open", &pid, &flags)) {
        return NULL;
    }
    int fd = pidfd_open(pid, flags);
    return fd < 0 ? posix_error() : PyLong_FromLong(fd);
}

/* ---- exec, spawn, fork --------------------------------------------------------------------------- */

/* A NULL-terminated array of strings, each owned by bytes in keep. */
typedef struct StringArray {
    char **items;
    PyObject *keep; /* list of bytes */
} StringArray;

static void
strings_clear(StringArray *a)
{
    PyMem_Free(a->items);
    Py_CLEAR(a->keep);
}

#define NJ_STRINGS(name) __attribute__((cleanup(strings_clear))) StringArray name = {0}

static int
strings_append(StringArray *a, PyObject *bytes)
{
    return PyList_Append(a->keep, bytes);
}

static int
strings_finish(StringArray *a)
{
    Py_ssize_t n = PyList_GET_SIZE(a->keep);
    a->items = PyMem_Calloc((size_t)n + 1, sizeof(char *));
    if (!a->items) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        a->items[i] = PyBytes_AS_STRING(PyList_GET_ITEM(a->keep, i));
    }
    return 0;
}

static int
get_argv(StringArray *a, PyObject *argv, const char *fname)
{
    if (!PyList_Check(argv) && !PyTuple_Check(argv)) {
        PyErr_Format(PyExc_TypeError,
                     strncmp(fname, "posix", 5) == 0 ? "%s: argv must be a tuple or list"
                                                     : "%s() arg 2 must be a tuple or list",
                     fname);
        return -1;
    }
    Py_ssize_t n = PySequence_Size(argv);
    if (n < 1) {
        PyErr_Format(PyExc_ValueError,
                     strncmp(fname, "posix", 5) == 0 ? "%s: argv must not be empty"
                                                     : "%s() arg 2 must not be empty",
                     fname);
        return -1;
    }
    a->keep = PyList_New(0);
    for (Py_ssize_t i = 0; a->keep && i < n; i++) {
        NJ_OWN item = PySequence_GetItem(argv, i);
        PyObject *b = NULL;
        if (!item || !PyUnicode_FSConverter(item, &b)) {
            return -1;
        }
        NJ_OWN bytes = b;
        if (i == 0 && PyBytes_GET_SIZE(bytes) == 0) {
            PyErr_Format(PyExc_ValueError,
                         strncmp(fname, "posix", 5) == 0
                             ? "%s: argv first element cannot be empty"
                             : "%s() arg 2 first element cannot be empty",
                         fname);
            return -1;
        }
        if (strings_append(a, bytes) < 0) {
            return -1;
        }
    }
    return a->keep ? strings_finish(a) : -1;
}

static int
get_env(StringArray *a, PyObject *env)
{
    NJ_OWN keys = PyMapping_Keys(env);
    NJ_OWN values = keys ? PyMapping_Values(env) : NULL;
    if (!values) {
        return -1;
    }
    if (!PyList_Check(keys) || !PyList_Check(values)) {
        PyErr_SetString(PyExc_TypeError, "env.keys() or env.values() is not a list");
        return -1;
    }
    a->keep = PyList_New(0);
    for (Py_ssize_t i = 0; a->keep && i < PyList_GET_SIZE(keys); i++) {
        PyObject *k = NULL, *v = NULL;
        if (i >= PyList_GET_SIZE(values) ||
            !PyUnicode_FSConverter(PyList_GET_ITEM(keys, i), &k)) {
            return -1;
        }
        NJ_OWN key = k;
        if (!PyUnicode_FSConverter(PyList_GET_ITEM(values, i), &v)) {
            return -1;
        }
        NJ_OWN value = v;
        if (PyBytes_GET_SIZE(key) == 0 || strchr(PyBytes_AS_STRING(key) + 1, '=')) {
            PyErr_SetString(PyExc_ValueError, "illegal environment variable name");
            return -1;
        }
        NJ_OWN pair = PyBytes_FromFormat("%s=%s", PyBytes_AS_STRING(key),
                                         PyBytes_AS_STRING(value));
        if (!pair || strings_append(a, pair) < 0) {
            return -1;
        }
    }
    return a->keep ? strings_finish(a) : -1;
}

/* -1 with RuntimeError in an interpreter that may not do it. */
static int
check_allowed(int feature, const char *what)
{
    if (nj_interp()->rt.feature_flags & feature) {
        return 0;
    }
    PyErr_Format(PyExc_RuntimeError, "%s not supported for isolated subinterpreters", what);
    return -1;
}

static int
check_may_fork(void)
{
    if (nj_interp()->rt.finalizing) {
        PyErr_SetString(PyExc_PythonFinalizationError, "can't fork at interpreter shutdown");
        return -1;
    }
    return check_allowed(NJ_FEATURE_FORK, "fork");
}

static PyObject *
posix_execv(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    NJ_PATH(path, "execv", "path", false, false);
    NJ_STRINGS(argv);
    if (!_PyArg_CheckPositional("execv", nargs, 2, 2) ||
        check_allowed(NJ_FEATURE_EXEC, "exec") < 0 ||
        !posix_path_converter(args[0], &path) || get_argv(&argv, args[1], "execv") < 0 ||
        PySys_Audit("os.exec", "OOO", path.object, args[1], Py_None) < 0) {
        return NULL;
    }
    execv(path.narrow, argv.items);
    return posix_error();
}

static PyObject *
posix_execve(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("path", "argv", "env");
    NJ_PATH(path, "execve", "path", false, true);
    NJ_STRINGS(argv);
    NJ_STRINGS(env);
    PyObject *oargv, *oenv;
    if (!PARSE("O&OO:execve", posix_path_converter, &path, &oargv, &oenv) ||
        check_allowed(NJ_FEATURE_EXEC, "exec") < 0) {
        return NULL;
    }
    if (!PyList_Check(oargv) && !PyTuple_Check(oargv)) {
        PyErr_SetString(PyExc_TypeError, "execve: argv must be a tuple or list");
        return NULL;
    }
    if (PySequence_Size(oargv) < 1) {
        PyErr_SetString(PyExc_ValueError, "execve: argv must not be empty");
        return NULL;
    }
    if (!PyMapping_Check(oenv)) {
        PyErr_SetString(PyExc_TypeError, "execve: environment must be a mapping object");
        return NULL;
    }
    if (get_argv(&argv, oargv, "execve") < 0 || get_env(&env, oenv) < 0 ||
        PySys_Audit("os.exec", "OOO", path.object, oargv, oenv) < 0) {
        return NULL;
    }
    if (path.is_fd) {
        fexecve(path.fd, argv.items, env.items);
    } else {
        execve(path.narrow, argv.items, env.items);
    }
    return posix_path_error(&path);
}

static int
add_file_actions(PyObject *list, posix_spawn_file_actions_t *fa, PyObject *keep)
{
    NJ_OWN seq = PySequence_Fast(list, "file_actions must be a sequence or None");
    if (!seq) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++) {
        PyObject *action = PySequence_Fast_GET_ITEM(seq, i);
        if (!PyTuple_Check(action) || !PyTuple_GET_SIZE(action)) {
            PyErr_SetString(PyExc_TypeError,
                            "Each file_actions element must be a non-empty tuple");
            return -1;
        }
        int tag, fd, fd2, flags, err;
        unsigned long mode;
        if (int_arg(PyTuple_GET_ITEM(action, 0), &tag) < 0) {
            return -1;
        }
        PyObject *ignored, *path;
        switch (tag) {
        case 0: /* POSIX_SPAWN_OPEN */
            if (!PyArg_ParseTuple(action,
                                  "OiO&ik;A open file_action tuple must have 5 elements",
                                  &ignored, &fd, PyUnicode_FSConverter, &path, &flags,
                                  &mode)) {
                return -1;
            }
            err = PyList_Append(keep, path);
            Py_DECREF(path);
            if (err < 0) {
                return -1;
            }
            err = posix_spawn_file_actions_addopen(fa, fd, PyBytes_AS_STRING(path), flags,
                                                   (mode_t)mode);
            break;
        case 1: /* POSIX_SPAWN_CLOSE */
            if (!PyArg_ParseTuple(action,
                                  "Oi;A close file_action tuple must have 2 elements",
                                  &ignored, &fd)) {
                return -1;
            }
            err = posix_spawn_file_actions_addclose(fa, fd);
            break;
        case 2: /* POSIX_SPAWN_DUP2 */
            if (!PyArg_ParseTuple(action,
                                  "Oii;A dup2 file_action tuple must have 3 elements",
                                  &ignored, &fd, &fd2)) {
                return -1;
            }
            err = posix_spawn_file_actions_adddup2(fa, fd, fd2);
            break;
        case 3: /* POSIX_SPAWN_CLOSEFROM */
            if (!PyArg_ParseTuple(action,
                                  "Oi;A closefrom file_action tuple must have 2 elements",
                                  &ignored, &fd)) {
                return -1;
            }
            err = posix_spawn_file_actions_addclosefrom_np(fa, fd);
            break;
        default:
            PyErr_SetString(PyExc_TypeError, "Unknown file_actions identifier");
            return -1;
        }
        if (err) {
            posix_errno(err);
            return -1;
        }
    }
    return 0;
}

static int
set_spawn_attributes(PyObject *module, posix_spawnattr_t *attr, const char *fname,
                     PyObject *setpgroup, int resetids, int setsid_flag, PyObject *mask,
                     PyObject *def, PyObject *scheduler)
{
    short flags = 0;
    sigset_t set;
    if (setpgroup && setpgroup != Py_None) {
        int pgid;
        if (int_arg(setpgroup, &pgid) < 0) {
            return -1;
        }
        posix_spawnattr_setpgroup(attr, pgid);
        flags |= POSIX_SPAWN_SETPGROUP;
    }
    if (resetids) {
        flags |= POSIX_SPAWN_RESETIDS;
    }
    if (setsid_flag) {
        flags |= POSIX_SPAWN_SETSID;
    }
    if (mask) {
        if (nj_to_sigset(mask, &set) < 0) {
            return -1;
        }
        posix_spawnattr_setsigmask(attr, &set);
        flags |= POSIX_SPAWN_SETSIGMASK;
    }
    if (def) {
        if (nj_to_sigset(def, &set) < 0) {
            return -1;
        }
        posix_spawnattr_setsigdefault(attr, &set);
        flags |= POSIX_SPAWN_SETSIGDEF;
    }
    if (scheduler && scheduler != Py_None) {
        PyObject *policy, *param;
        if (!PyTuple_Check(scheduler)) {
            PyErr_Format(PyExc_TypeError, "%s: scheduler must be a tuple or None", fname);
            return -1;
        }
        if (!PyArg_ParseTuple(scheduler, "OO;A scheduler tuple must have two elements",
                              &policy, &param)) {
            return -1;
        }
        if (!Py_IS_TYPE(param, posix_state(module)->sched_param)) {
            PyErr_SetString(PyExc_TypeError, "must have a sched_param object");
            return -1;
        }
        struct sched_param sp = {0};
        if (int_arg(PyStructSequence_GetItem(param, 0), &sp.sched_priority) < 0) {
            return -1;
        }
        if (policy != Py_None) {
            int p;
            if (int_arg(policy, &p) < 0) {
                return -1;
            }
            posix_spawnattr_setschedpolicy(attr, p);
            flags |= POSIX_SPAWN_SETSCHEDULER;
        }
        posix_spawnattr_setschedparam(attr, &sp);
        flags |= POSIX_SPAWN_SETSCHEDPARAM;
    }
    int err = posix_spawnattr_setflags(attr, flags);
    if (err) {
        posix_errno(err);
        return -1;
    }
    return 0;
}

static PyObject *
do_spawn(PyObject *module, PyObject *args, PyObject *kw, const char *fname, bool search)
{
    static char *const names[] = {"",         "",       "",           "file_actions",
                                  "setpgroup", "resetids", "setsid",  "setsigmask",
                                  "setsigdef", "scheduler", NULL};
    NJ_PATH(path, fname, "path", false, false);
    PyObject *oargv, *oenv, *actions = NULL, *setpgroup = NULL, *mask = NULL, *def = NULL,
                            *scheduler = NULL;
    int resetids = 0, setsid_flag = 0;
    char format[60];
    snprintf(format, sizeof(format), "O&OO|$OOppOOO:%s", fname);
    if (!PARSE(format, posix_path_converter, &path, &oargv, &oenv, &actions, &setpgroup,
               &resetids, &setsid_flag, &mask, &def, &scheduler)) {
        return NULL;
    }
    NJ_STRINGS(argv);
    NJ_STRINGS(env);
    if (get_argv(&argv, oargv, fname) < 0) {
        return NULL;
    }
    char **envp = environ;
    if (oenv != Py_None) {
        if (!PyMapping_Check(oenv)) {
            PyErr_Format(PyExc_TypeError,
                         "%s: environment must be a mapping object or None", fname);
            return NULL;
        }
        if (get_env(&env, oenv) < 0) {
            return NULL;
        }
        envp = env.items;
    }
    NJ_OWN keep = PyList_New(0);
    if (!keep || PySys_Audit("os.posix_spawn", "OOO", path.object, oargv, oenv) < 0) {
        return NULL;
    }
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    PyObject *result = NULL;
    if ((!actions || actions == Py_None || add_file_actions(actions, &fa, keep) == 0) &&
        set_spawn_attributes(module, &attr, fname, setpgroup, resetids, setsid_flag, mask,
                             def, scheduler) == 0) {
        pid_t pid;
        int err = search ? posix_spawnp(&pid, path.narrow, &fa, &attr, argv.items, envp)
                         : posix_spawn(&pid, path.narrow, &fa, &attr, argv.items, envp);
        if (err) {
            errno = err;
            posix_path_error(&path);
        } else {
            result = PyLong_FromLong(pid);
        }
    }
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    return result;
}

static PyObject *
posix_posix_spawn(PyObject *module, PyObject *args, PyObject *kw)
{
    return do_spawn(module, args, kw, "posix_spawn", false);
}

static PyObject *
posix_posix_spawnp(PyObject *module, PyObject *args, PyObject *kw)
{
    return do_spawn(module, args, kw, "posix_spawnp", true);
}

static int
register_hook(PyObject **list, PyObject *f)
{
    if (!f) {
        return 0;
    }
    if (!*list) {
        *list = PyList_New(0);
        if (!*list) {
            return -1;
        }
    }
    return PyList_Append(*list, f);
}

static PyObject *
posix_register_at_fork(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("before", "after_in_child", "after_in_parent");
    PyObject *f[3] = {NULL, NULL, NULL};
    if (!PARSE("|$OOO:register_at_fork", &f[0], &f[1], &f[2])) {
        return NULL;
    }
    if (!f[0] && !f[1] && !f[2]) {
        PyErr_SetString(PyExc_TypeError, "At least one argument is required.");
        return NULL;
    }
    for (int i = 0; i < 3; i++) {
        if (f[i] && !PyCallable_Check(f[i])) {
            PyErr_Format(PyExc_TypeError, "'%.200s' must be callable, not %.200s", names[i],
                         Py_TYPE(f[i])->tp_name);
            return NULL;
        }
    }
    NjInterpRuntime *rt = &nj_interp()->rt;
    if (register_hook(&rt->before_fork, f[0]) < 0 ||
        register_hook(&rt->after_fork_child, f[1]) < 0 ||
        register_hook(&rt->after_fork_parent, f[2]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* DeprecationWarning when other threads run: the child gets none of them. */
static int
warn_threads(const char *name)
{
    Py_ssize_t threads = 0;
    PyThreadState *t = PyInterpreterState_ThreadHead(nj_interp());
    for (; t; t = PyThreadState_Next(t)) {
        threads++;
    }
    if (threads > 1) {
        return PyErr_WarnFormat(
            PyExc_DeprecationWarning, 1,
            "This process (pid=%d) is multi-threaded, use of %s() may lead to deadlocks in "
            "the child.",
            (int)getpid(), name);
    }
    return 0;
}

static PyObject *
posix_fork(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    if (check_may_fork() < 0 || PySys_Audit("os.fork", NULL) < 0) {
        return NULL;
    }
    PyOS_BeforeFork();
    pid_t pid = fork();
    int err = errno;
    if (pid == 0) {
        PyOS_AfterFork_Child();
        return PyLong_FromLong(0);
    }
    PyOS_AfterFork_Parent();
    if (pid < 0) {
        return posix_errno(err);
    }
    if (warn_threads("fork") < 0) {
        PyErr_FormatUnraisable("Exception ignored in os.fork()");
    }
    return PyLong_FromLong(pid);
}

static PyObject *
posix_forkpty(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    int master = -1;
    if (check_may_fork() < 0 || PySys_Audit("os.forkpty", NULL) < 0) {
        return NULL;
    }
    PyOS_BeforeFork();
    pid_t pid = forkpty(&master, NULL, NULL, NULL);
    int err = errno;
    if (pid == 0) {
        PyOS_AfterFork_Child();
    } else {
        PyOS_AfterFork_Parent();
        if (pid < 0) {
            return posix_errno(err);
        }
        if (warn_threads("forkpty") < 0) {
            PyErr_FormatUnraisable("Exception ignored in os.forkpty()");
        }
    }
    return Py_BuildValue("(ii)", (int)pid, master);
}

static PyObject *
posix__exit(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("status");
    int status;
    if (!PARSE("i:_exit", &status)) {
        return NULL;
    }
    _exit(status);
}

static PyObject *
posix_abort(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    abort();
}

static PyObject *
posix_system(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("command");
    PyObject *b = NULL;
    if (!PARSE("O&:system", PyUnicode_FSConverter, &b)) {
        return NULL;
    }
    NJ_OWN command = b;
    if (PySys_Audit("os.system", "(O)", command) < 0) {
        return NULL;
    }
    long r;
    Py_BEGIN_ALLOW_THREADS
    r = system(PyBytes_AS_STRING(command));
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(r);
}

/* ---- the environment ------------------------------------------------------------------------------- */

static PyObject *
make_environ(void)
{
    NJ_OWN dict = PyDict_New();
    for (char **e = environ; dict && e && *e; e++) {
        const char *eq = strchr(*e, '=');
        if (!eq) {
            continue;
        }
        NJ_OWN k = PyBytes_FromStringAndSize(*e, eq - *e);
        NJ_OWN v = PyBytes_FromString(eq + 1);
        if (!k || !v || PyDict_SetDefaultRef(dict, k, v, NULL) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(dict);
}

static PyObject *
posix_create_environ(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return make_environ();
}

static PyObject *
posix_putenv(PyObject *Py_UNUSED(m), PyObject *args)
{
    PyObject *n = NULL, *v = NULL;
    if (!PyArg_ParseTuple(args, "O&O&:putenv", PyUnicode_FSConverter, &n,
                          PyUnicode_FSConverter, &v)) {
        return NULL;
    }
    NJ_OWN name = n;
    NJ_OWN value = v;
    if (PySys_Audit("os.putenv", "OO", name, value) < 0) {
        return NULL;
    }
    if (strchr(PyBytes_AS_STRING(name), '=')) {
        PyErr_SetString(PyExc_ValueError, "illegal environment variable name");
        return NULL;
    }
    return done(setenv(PyBytes_AS_STRING(name), PyBytes_AS_STRING(value), 1));
}

static PyObject *
posix_unsetenv(PyObject *Py_UNUSED(m), PyObject *arg)
{
    PyObject *n = NULL;
    if (!PyUnicode_FSConverter(arg, &n)) {
        return NULL;
    }
    NJ_OWN name = n;
    return PySys_Audit("os.unsetenv", "(O)", name) < 0
               ? NULL
               : done(unsetenv(PyBytes_AS_STRING(name)));
}

/* ---- system facts ---------------------------------------------------------------------------------- */

static PyObject *
posix_uname(PyObject *module, PyObject *Py_UNUSED(i))
{
    struct utsname u;
    if (uname(&u) < 0) {
        return posix_error();
    }
    NJ_OWN v = PyStructSequence_New(posix_state(module)->uname_result);
    if (!v) {
        return NULL;
    }
    const char *f[] = {u.sysname, u.nodename, u.release, u.version, u.machine};
    for (int i = 0; i < 5; i++) {
        PyObject *s = PyUnicode_DecodeFSDefault(f[i]);
        if (!s) {
            return NULL;
        }
        PyStructSequence_SetItem(v, i, s);
    }
    return NJ_TAKE(v);
}

static PyObject *
posix_times(PyObject *module, PyObject *Py_UNUSED(i))
{
    struct tms t;
    errno = 0;
    clock_t now = times(&t);
    if (now == (clock_t)-1) {
        return posix_error();
    }
    double tick = (double)sysconf(_SC_CLK_TCK);
    NJ_OWN v = PyStructSequence_New(posix_state(module)->times_result);
    if (!v) {
        return NULL;
    }
    clock_t f[] = {t.tms_utime, t.tms_stime, t.tms_cutime, t.tms_cstime, now};
    for (int i = 0; i < 5; i++) {
        PyObject *d = PyFloat_FromDouble((double)f[i] / tick);
        if (!d) {
            return NULL;
        }
        PyStructSequence_SetItem(v, i, d);
    }
    return NJ_TAKE(v);
}

static PyObject *
posix_cpu_count(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    int override = nj_interp()->rt.config.cpu_count;
    if (override > 0) {
        return PyLong_FromLong(override);
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? Py_NewRef(Py_None) : PyLong_FromLong(n);
}

static PyObject *
posix_getloadavg(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    double l[3];
    if (getloadavg(l, 3) != 3) {
        PyErr_SetString(PyExc_OSError, "Load averages are unobtainable");
        return NULL;
    }
    return Py_BuildValue("ddd", l[0], l[1], l[2]);
}

/* A configuration name: int, or a key of module.TABLE. */
static int
conf_name(PyObject *module, PyObject *name, const char *table, int *out)
{
    if (PyIndex_Check(name)) {
        return int_arg(name, out);
    }
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "configuration names must be strings or integers");
        return -1;
    }
    NJ_OWN dict = PyObject_GetAttrString(module, table);
    NJ_OWN num = NULL;
    if (!dict || PyDict_GetItemRef(dict, name, &num) < 0) {
        return -1;
    }
    if (!num) {
        PyErr_SetString(PyExc_ValueError, "unrecognized configuration name");
        return -1;
    }
    return int_arg(num, out);
}

static PyObject *
posix_sysconf(PyObject *module, PyObject *arg)
{
    int name;
    if (conf_name(module, arg, "sysconf_names", &name) < 0) {
        return NULL;
    }
    errno = 0;
    long v = sysconf(name);
    return v == -1 && errno ? posix_error() : PyLong_FromLong(v);
}

static PyObject *
posix_confstr(PyObject *module, PyObject *arg)
{
    int name;
    if (conf_name(module, arg, "confstr_names", &name) < 0) {
        return NULL;
    }
    errno = 0;
    size_t n = confstr(name, NULL, 0);
    if (n == 0) {
        return errno ? posix_error() : Py_NewRef(Py_None);
    }
    NJ_OWN_MEM(char) buf = PyMem_Malloc(n);
    if (!buf) {
        return PyErr_NoMemory();
    }
    confstr(name, buf, n);
    return PyUnicode_DecodeFSDefaultAndSize(buf, (Py_ssize_t)n - 1);
}

static PyObject *
posix_strerror(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int code;
    return int_arg(arg, &code) < 0 ? NULL : PyUnicode_DecodeLocale(strerror(code), "surrogateescape");
}

static PyObject *
posix_sync(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    Py_BEGIN_ALLOW_THREADS
    sync();
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *
posix_major(PyObject *Py_UNUSED(m), PyObject *arg)
{
    dev_t d;
    if (!posix_dev_converter(arg, &d)) {
        return NULL;
    }
    return d == (dev_t)-1 ? PyLong_FromLong(-1) : PyLong_FromUnsignedLong(major(d));
}

static PyObject *
posix_minor(PyObject *Py_UNUSED(m), PyObject *arg)
{
    dev_t d;
    if (!posix_dev_converter(arg, &d)) {
        return NULL;
    }
    return d == (dev_t)-1 ? PyLong_FromLong(-1) : PyLong_FromUnsignedLong(minor(d));
}

static int
dev_half(PyObject *o, void *out)
{
    dev_t d;
    if (!posix_dev_converter(o, &d)) {
        return 0;
    }
    if (d != (dev_t)-1 && d > UINT_MAX) {
        PyErr_SetString(PyExc_OverflowError,
                        "Python int too large to convert to C unsigned int");
        return 0;
    }
    *(unsigned *)out = (unsigned)d;
    return 1;
}

static PyObject *
posix_makedev(PyObject *Py_UNUSED(m), PyObject *args)
{
    unsigned a, b;
    if (!PyArg_ParseTuple(args, "O&O&:makedev", dev_half, &a, dev_half, &b)) {
        return NULL;
    }
    dev_t d = makedev(a, b);
    return d == (dev_t)-1 ? PyLong_FromLong(-1) : PyLong_FromUnsignedLongLong(d);
}

/* ---- scheduling ------------------------------------------------------------------------------------ */

static PyObject *
posix_nice(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int inc;
    if (int_arg(arg, &inc) < 0) {
        return NULL;
    }
    errno = 0;
    int v = nice(inc);
    return v == -1 && errno ? posix_error() : PyLong_FromLong(v);
}

static PyObject *
posix_getpriority(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("which", "who");
    int which, who;
    if (!PARSE("ii:getpriority", &which, &who)) {
        return NULL;
    }
    errno = 0;
    int v = getpriority((__priority_which_t)which, (id_t)who);
    return v == -1 && errno ? posix_error() : PyLong_FromLong(v);
}

static PyObject *
posix_setpriority(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("which", "who", "priority");
    int which, who, priority;
    return PARSE("iii:setpriority", &which, &who, &priority)
               ? done(setpriority((__priority_which_t)which, (id_t)who, priority))
               : NULL;
}

static PyObject *
posix_sched_yield(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = sched_yield();
    Py_END_ALLOW_THREADS
    return done(r);
}

#define SCHED_LIMIT(cname, text, call)                                                 \
    static PyObject *cname(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)       \
    {                                                                                  \
        KWLIST("policy");                                                              \
        int policy;                                                                    \
        if (!PARSE("i:" text, &policy)) {                                              \
            return NULL;                                                               \
        }                                                                              \
        int v = call(policy);                                                          \
        return v < 0 ? posix_error() : PyLong_FromLong(v);                             \
    }
SCHED_LIMIT(posix_sched_priority_max, "sched_get_priority_max", sched_get_priority_max)
SCHED_LIMIT(posix_sched_priority_min, "sched_get_priority_min", sched_get_priority_min)

static PyObject *
posix_sched_getscheduler(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int pid;
    if (int_arg(arg, &pid) < 0) {
        return NULL;
    }
    int v = sched_getscheduler(pid);
    return v < 0 ? posix_error() : PyLong_FromLong(v);
}

static int
param_arg(PyObject *module, PyObject *o, struct sched_param *sp)
{
    if (!Py_IS_TYPE(o, posix_state(module)->sched_param)) {
        PyErr_SetString(PyExc_TypeError, "must have a sched_param object");
        return -1;
    }
    return int_arg(PyStructSequence_GetItem(o, 0), &sp->sched_priority);
}

static PyObject *
posix_sched_setscheduler(PyObject *module, PyObject *args)
{
    int pid, policy;
    PyObject *param;
    struct sched_param sp = {0};
    if (!PyArg_ParseTuple(args, "iiO:sched_setscheduler", &pid, &policy, &param) ||
        param_arg(module, param, &sp) < 0) {
        return NULL;
    }
    return done(sched_setscheduler(pid, policy, &sp));
}

static PyObject *
posix_sched_getparam(PyObject *module, PyObject *arg)
{
    int pid;
    struct sched_param sp;
    if (int_arg(arg, &pid) < 0) {
        return NULL;
    }
    if (sched_getparam(pid, &sp) < 0) {
        return posix_error();
    }
    NJ_OWN v = PyStructSequence_New(posix_state(module)->sched_param);
    NJ_OWN n = PyLong_FromLong(sp.sched_priority);
    if (!v || !n) {
        return NULL;
    }
    PyStructSequence_SetItem(v, 0, NJ_TAKE(n));
    return NJ_TAKE(v);
}

static PyObject *
posix_sched_setparam(PyObject *module, PyObject *args)
{
    int pid;
    PyObject *param;
    struct sched_param sp = {0};
    if (!PyArg_ParseTuple(args, "iO:sched_setparam", &pid, &param) ||
        param_arg(module, param, &sp) < 0) {
        return NULL;
    }
    return done(sched_setparam(pid, &sp));
}

static PyObject *
posix_sched_rr_get_interval(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int pid;
    struct timespec t;
    if (int_arg(arg, &pid) < 0) {
        return NULL;
    }
    if (sched_rr_get_interval(pid, &t) < 0) {
        return posix_error();
    }
    return PyFloat_FromDouble((double)t.tv_sec + 1e-9 * (double)t.tv_nsec);
}

#define MAX_CPUS 8192

static PyObject *
posix_sched_getaffinity(PyObject *Py_UNUSED(m), PyObject *arg)
{
    int pid;
    if (int_arg(arg, &pid) < 0) {
        return NULL;
    }
    cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
    if (!set) {
        return PyErr_NoMemory();
    }
    size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
    PyObject *result = NULL;
    if (sched_getaffinity(pid, size, set) < 0) {
        posix_error();
    } else {
        result = PySet_New(NULL);
        for (int cpu = 0; result && cpu < MAX_CPUS; cpu++) {
            if (CPU_ISSET_S((size_t)cpu, size, set)) {
                PyObject *n = PyLong_FromLong(cpu);
                if (!n || PySet_Add(result, n) < 0) {
                    Py_CLEAR(result);
                }
                Py_XDECREF(n);
            }
        }
    }
    CPU_FREE(set);
    return result;
}

static PyObject *
posix_sched_setaffinity(PyObject *Py_UNUSED(m), PyObject *args)
{
    int pid;
    PyObject *mask;
    if (!PyArg_ParseTuple(args, "iO:sched_setaffinity", &pid, &mask)) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(mask);
    if (!it) {
        return NULL;
    }
    cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
    if (!set) {
        return PyErr_NoMemory();
    }
    size_t size = CPU_ALLOC_SIZE(MAX_CPUS);
    CPU_ZERO_S(size, set);
    bool ok = true;
    PyObject *item;
    while (ok && (item = PyIter_Next(it))) {
        if (!PyLong_Check(item)) {
            PyErr_Format(PyExc_TypeError, "expected an iterator of ints, but iterator yielded %R",
                         Py_TYPE(item));
            ok = false;
        } else {
            long cpu = PyLong_AsLong(item);
            if (cpu == -1 && PyErr_Occurred()) {
                ok = false;
            } else if (cpu < 0) {
                PyErr_SetString(PyExc_ValueError, "negative CPU number");
                ok = false;
            } else if (cpu >= MAX_CPUS) {
                PyErr_SetString(PyExc_OverflowError, "CPU number too large");
                ok = false;
            } else {
                CPU_SET_S((size_t)cpu, size, set);
            }
        }
        Py_DECREF(item);
    }
    PyObject *result = NULL;
    if (ok && !PyErr_Occurred()) {
        result = done(sched_setaffinity(pid, size, set));
    }
    CPU_FREE(set);
    return result;
}

static PyObject *
posix_unshare(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("flags");
    int flags;
    return PARSE("i:unshare", &flags) ? done(unshare(flags)) : NULL;
}

static PyObject *
posix_setns(PyObject *Py_UNUSED(m), PyObject *args, PyObject *kw)
{
    KWLIST("fd", "nstype");
    int fd, nstype = 0;
    return PARSE("O&|i:setns", posix_fd_converter, &fd, &nstype) ? done(setns(fd, nstype))
                                                                 : NULL;
}

static PyObject *
posix_inputhook(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return PyLong_FromLong(PyOS_InputHook ? PyOS_InputHook() : 0);
}

static PyObject *
posix_is_inputhook_installed(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return PyBool_FromLong(PyOS_InputHook != NULL);
}

#define KW (METH_VARARGS | METH_KEYWORDS)
#define FUNC(f) (PyCFunction)(void (*)(void))(f)
#define NOARGS(name) {#name, posix_##name, METH_NOARGS, #name "($module, /)\n--\n\n"}
#define ONE(name, arg) {#name, posix_##name, METH_O, #name "($module, " arg ", /)\n--\n\n"}
#define VAR(name, arg) {#name, posix_##name, METH_VARARGS, #name "($module, " arg ", /)\n--\n\n"}
#define FAST(name, arg)                                                                \
    {#name, FUNC(posix_##name), METH_FASTCALL, #name "($module, " arg ", /)\n--\n\n"}
#define KEYS(name, arg) {#name, FUNC(posix_##name), KW, #name "($module, /, " arg ")\n--\n\n"}

PyMethodDef posix_process_methods[] = {
    NOARGS(getpid),
    NOARGS(getppid),
    NOARGS(getpgrp),
    NOARGS(getuid),
    NOARGS(geteuid),
    NOARGS(getgid),
    NOARGS(getegid),
    NOARGS(getresuid),
    NOARGS(getresgid),
    NOARGS(getgroups),
    NOARGS(getlogin),
    NOARGS(setsid),
    NOARGS(setpgrp),
    NOARGS(ctermid),
    NOARGS(fork),
    NOARGS(forkpty),
    NOARGS(abort),
    NOARGS(uname),
    NOARGS(times),
    NOARGS(cpu_count),
    NOARGS(getloadavg),
    NOARGS(sync),
    NOARGS(wait),
    NOARGS(sched_yield),
    {"_create_environ", posix_create_environ, METH_NOARGS,
     "_create_environ($module, /)\n--\n\n"},
    {"_inputhook", posix_inputhook, METH_NOARGS, "_inputhook($module, /)\n--\n\n"},
    {"_is_inputhook_installed", posix_is_inputhook_installed, METH_NOARGS,
     "_is_inputhook_installed($module, /)\n--\n\n"},
    ONE(setuid, "uid"),
    ONE(seteuid, "euid"),
    ONE(setgid, "gid"),
    ONE(setegid, "egid"),
    ONE(setgroups, "groups"),
    ONE(getsid, "pid"),
    ONE(tcgetpgrp, "fd"),
    ONE(umask, "mask"),
    ONE(unsetenv, "name"),
    ONE(sysconf, "name"),
    ONE(confstr, "name"),
    ONE(strerror, "code"),
    ONE(major, "device"),
    ONE(minor, "device"),
    ONE(nice, "increment"),
    ONE(sched_getscheduler, "pid"),
    ONE(sched_getparam, "pid"),
    ONE(sched_rr_get_interval, "pid"),
    ONE(sched_getaffinity, "pid"),
    {"WCOREDUMP", posix_wcoredump, METH_O, "WCOREDUMP($module, status, /)\n--\n\n"},
    FAST(setreuid, "ruid, euid"),
    FAST(setregid, "rgid, egid"),
    FAST(setresuid, "ruid, euid, suid"),
    FAST(setresgid, "rgid, egid, sgid"),
    FAST(execv, "path, argv"),
    VAR(initgroups, "username, gid"),
    VAR(getgrouplist, "user, group"),
    VAR(setpgid, "pid, pgrp"),
    VAR(tcsetpgrp, "fd, pgid"),
    VAR(kill, "pid, signal"),
    VAR(killpg, "pgid, signal"),
    VAR(waitpid, "pid, options"),
    VAR(waitid, "idtype, id, options"),
    VAR(putenv, "name, value"),
    VAR(makedev, "major, minor"),
    VAR(sched_setscheduler, "pid, policy, param"),
    VAR(sched_setparam, "pid, param"),
    VAR(sched_setaffinity, "pid, mask"),
    KEYS(getpgid, "pid"),
    KEYS(wait3, "options"),
    KEYS(wait4, "pid, options"),
    KEYS(waitstatus_to_exitcode, "status"),
    KEYS(pidfd_open, "pid, flags=0"),
    KEYS(execve, "path, argv, env"),
    KEYS(_exit, "status"),
    KEYS(system, "command"),
    KEYS(getpriority, "which, who"),
    KEYS(setpriority, "which, who, priority"),
    KEYS(unshare, "flags"),
    KEYS(setns, "fd, nstype=0"),
    {"WIFCONTINUED", FUNC(posix_wifcontinued), KW, "WIFCONTINUED($module, /, status)\n--\n\n"},
    {"WIFSTOPPED", FUNC(posix_wifstopped), KW, "WIFSTOPPED($module, /, status)\n--\n\n"},
    {"WIFSIGNALED", FUNC(posix_wifsignaled), KW, "WIFSIGNALED($module, /, status)\n--\n\n"},
    {"WIFEXITED", FUNC(posix_wifexited), KW, "WIFEXITED($module, /, status)\n--\n\n"},
    {"WEXITSTATUS", FUNC(posix_wexitstatus), KW, "WEXITSTATUS($module, /, status)\n--\n\n"},
    {"WTERMSIG", FUNC(posix_wtermsig), KW, "WTERMSIG($module, /, status)\n--\n\n"},
    {"WSTOPSIG", FUNC(posix_wstopsig), KW, "WSTOPSIG($module, /, status)\n--\n\n"},
    {"sched_get_priority_max", FUNC(posix_sched_priority_max), KW,
     "sched_get_priority_max($module, /, policy)\n--\n\n"},
    {"sched_get_priority_min", FUNC(posix_sched_priority_min), KW,
     "sched_get_priority_min($module, /, policy)\n--\n\n"},
    {"register_at_fork", FUNC(posix_register_at_fork), KW,
     "register_at_fork($module, /, *, before=<unrepresentable>,\n                 "
     "after_in_child=<unrepresentable>,\n                 "
     "after_in_parent=<unrepresentable>)\n--\n\nRegister callables around fork()."},
    {"posix_spawn", FUNC(posix_posix_spawn), KW,
     "posix_spawn($module, path, argv, env, /, *, file_actions=(),\n            "
     "setpgroup=None, resetids=False, setsid=False,\n            setsigmask=(), "
     "setsigdef=(), scheduler=None)\n--\n\nStart the program path in a new process."},
    {"posix_spawnp", FUNC(posix_posix_spawnp), KW,
     "posix_spawnp($module, path, argv, env, /, *, file_actions=(),\n             "
     "setpgroup=None, resetids=False, setsid=False,\n             setsigmask=(), "
     "setsigdef=(), scheduler=None)\n--\n\nStart a program found in PATH."},
    {0},
};

/* ---- types ------------------------------------------------------------------------------------------ */

static PyStructSequence_Field terminal_fields[] = {
    {"columns", "width of the terminal window in characters"},
    {"lines", "height of the terminal window in characters"},
    {0}};
static PyStructSequence_Desc terminal_desc = {
    "os.terminal_size", "The size of a terminal window.", terminal_fields, 2};

static PyStructSequence_Field times_fields[] = {
    {"user", "user time"}, {"system", "system time"},
    {"children_user", "user time of children"},
    {"children_system", "system time of children"},
    {"elapsed", "elapsed time since an arbitrary point in the past"}, {0}};
static PyStructSequence_Desc times_desc = {"posix.times_result", "What os.times() returns.",
                                           times_fields, 5};

static PyStructSequence_Field uname_fields[] = {
    {"sysname", "operating system name"},
    {"nodename", "name of machine on network (implementation-defined)"},
    {"release", "operating system release"},
    {"version", "operating system version"},
    {"machine", "hardware identifier"},
    {0}};
static PyStructSequence_Desc uname_desc = {"posix.uname_result", "What os.uname() returns.",
                                           uname_fields, 5};

static PyStructSequence_Field waitid_fields[] = {
    {"si_pid", NULL}, {"si_uid", NULL}, {"si_signo", NULL}, {"si_status", NULL},
    {"si_code", NULL}, {0}};
static PyStructSequence_Desc waitid_desc = {"posix.waitid_result",
                                            "What os.waitid() returns.", waitid_fields, 5};

static PyStructSequence_Field sched_fields[] = {{"sched_priority", "the scheduling priority"},
                                                {0}};
static PyStructSequence_Desc sched_desc = {
    "posix.sched_param",
    "sched_param(sched_priority)\n--\n\nThe parameters of a scheduling policy.",
    sched_fields, 1};

static PyObject *
sched_param_new(PyTypeObject *type, PyObject *args, PyObject *kw)
{
    KWLIST("sched_priority");
    PyObject *priority;
    if (!PARSE("O:sched_param", &priority)) {
        return NULL;
    }
    PyObject *v = PyStructSequence_New(type);
    if (v) {
        PyStructSequence_SetItem(v, 0, Py_NewRef(priority));
    }
    return v;
}

static PyObject *
sched_param_reduce(PyObject *self, PyObject *Py_UNUSED(i))
{
    return Py_BuildValue("(O(O))", Py_TYPE(self), PyStructSequence_GetItem(self, 0));
}

static PyMethodDef sched_param_reduce_def = {"__reduce__", sched_param_reduce, METH_NOARGS,
                                             NULL};

int
posix_add_process_types(PyObject *module)
{
    PosixState *st = posix_state(module);
    struct {
        PyTypeObject **slot;
        PyStructSequence_Desc *desc;
        const char *name;
    } types[] = {{&st->terminal_size, &terminal_desc, "terminal_size"},
                 {&st->times_result, &times_desc, "times_result"},
                 {&st->uname_result, &uname_desc, "uname_result"},
                 {&st->waitid_result, &waitid_desc, "waitid_result"},
                 {&st->sched_param, &sched_desc, "sched_param"}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(types); i++) {
        *types[i].slot = PyStructSequence_NewType(types[i].desc);
        if (!*types[i].slot || PyModule_AddObjectRef(module, types[i].name,
                                                     (PyObject *)*types[i].slot) < 0) {
            return -1;
        }
    }
    st->sched_param->tp_new = sched_param_new;
    NJ_OWN reduce = PyDescr_NewMethod(st->sched_param, &sched_param_reduce_def);
    NJ_OWN dict = PyType_GetDict(st->sched_param);
    if (!reduce || !dict || PyDict_SetItemString(dict, "__reduce__", reduce) < 0) {
        return -1;
    }
    PyType_Modified(st->sched_param);
    return PyModule_Add(module, "environ", make_environ());
}

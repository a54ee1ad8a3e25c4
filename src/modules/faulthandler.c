/* faulthandler.c - tracebacks when the process is about to die: the faulthandler module.
 *
 * Signal handlers belong to the process, so this state does too (static, admitted). The
 * watchdog of dump_traceback_later is a thread of its own that knows nothing of Python.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "runtime/dump.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SIG(s) s "\n--\n\n"
#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

static struct {
    int signum;
    const char *name;
    bool enabled;
    struct sigaction old;
} faults[] = {{SIGBUS, "Bus error", false, {}},
              {SIGILL, "Illegal instruction", false, {}},
              {SIGFPE, "Floating-point exception", false, {}},
              {SIGABRT, "Aborted", false, {}},
              {SIGSEGV, "Segmentation fault", false, {}}};

static struct {
    bool enabled, all_threads, c_stack;
    int fd;
    PyObject *file; /* kept open */
} fatal;

static struct {
    bool enabled, all_threads, chain;
    int fd;
    PyObject *file;
    struct sigaction old;
} users[NJ_NSIG];

static struct {
    pthread_t thread;
    bool running, repeat, exit_;
    int fd;
    PyObject *file;
    PyTime_t ns;
    char header[80];
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool cancel;
} later = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static char alt_stack[65536];

/* --- files -------------------------------------------------------------------------------- */

/* The descriptor of file (None or NULL: sys.stderr). *hold: new reference or NULL. */
static int
get_fd(PyObject *file, PyObject **hold)
{
    *hold = NULL;
    if (!file || file == Py_None) {
        file = nj_sys_peek(NJ_ID(stderr));
        if (!file) {
            PyErr_SetString(PyExc_RuntimeError, "unable to get sys.stderr");
            return -1;
        }
        if (file == Py_None) {
            PyErr_SetString(PyExc_RuntimeError, "sys.stderr is None");
            return -1;
        }
    }
    else if (PyLong_Check(file)) {
        if (PyBool_Check(file) &&
            PyErr_WarnEx(PyExc_RuntimeWarning, "bool is used as a file descriptor", 1)) {
            return -1;
        }
        int fd = PyLong_AsInt(file);
        if (fd == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (fd < 0) {
            PyErr_SetString(PyExc_ValueError, "file is not a valid file descripter");
            return -1;
        }
        return fd;
    }
    NJ_OWN f = Py_NewRef(file);
    NJ_OWN r = PyObject_CallMethodNoArgs(f, NJ_ID(fileno));
    if (!r) {
        return -1;
    }
    int fd = -1;
    if (PyLong_Check(r)) {
        fd = PyLong_AsInt(r);
        if (fd == -1 && PyErr_Occurred()) {
            PyErr_Clear();
        }
    }
    if (fd < 0) {
        PyErr_SetString(PyExc_RuntimeError, "file.fileno() is not a valid file descriptor");
        return -1;
    }
    NJ_OWN fl = PyObject_CallMethodNoArgs(f, NJ_ID(flush));
    if (!fl) {
        PyErr_Clear();
    }
    *hold = NJ_TAKE(f);
    return fd;
}

/* --- handlers ------------------------------------------------------------------------------- */

static void
dump(int fd, bool all, PyThreadState *ts)
{
    if (all) {
        nj_dump_all_threads(fd, ts);
    }
    else if (ts) {
        nj_dump_thread(fd, ts, true, false);
    }
}

static void
fatal_handler(int sig)
{
    int err = errno;
    size_t i = 0;
    while (i < NJ_ARRAY_LEN(faults) - 1 && faults[i].signum != sig) {
        i++;
    }
    if (faults[i].enabled) {
        sigaction(sig, &faults[i].old, NULL);
        faults[i].enabled = false;
    }
    nj_dump_puts(fatal.fd, "Fatal Python error: ");
    nj_dump_puts(fatal.fd, faults[i].name);
    nj_dump_puts(fatal.fd, "\n\n");
    PyThreadState *ts = nj_tstate() ? nj_tstate() : PyGILState_GetThisThreadState();
    dump(fatal.fd, fatal.all_threads, ts);
    if (fatal.c_stack) {
        nj_dump_puts(fatal.fd, "\n");
        nj_dump_c_stack(fatal.fd);
    }
    if (ts) {
        nj_dump_extension_modules(fatal.fd, ts->interp);
    }
    errno = err;
    raise(sig);
}

static void
user_handler(int sig)
{
    int err = errno;
    if (!users[sig].enabled) {
        return;
    }
    PyThreadState *ts = nj_tstate() ? nj_tstate() : PyGILState_GetThisThreadState();
    dump(users[sig].fd, users[sig].all_threads, ts);
    if (users[sig].chain) {
        sigaction(sig, &users[sig].old, NULL);
        errno = err;
        raise(sig);
        struct sigaction sa;
        memset(&sa, 0, sizeof sa);
        sa.sa_handler = user_handler;
        sigemptyset(&sa.sa_mask);
        sa.sa_flags = SA_ONSTACK | SA_NODEFER;
        sigaction(sig, &sa, NULL);
    }
    errno = err;
}

/* --- functions --------------------------------------------------------------------------------- */

static int
truth(PyObject *o, bool dflt, bool *out)
{
    int t = o ? PyObject_IsTrue(o) : dflt;
    *out = t > 0;
    return t < 0 ? -1 : 0;
}

static PyObject *
fh_dump_traceback(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"file", "all_threads", NULL};
    static const NjParams params = {"dump_traceback", names, 2, 0, 0};
    PyObject *a[2], *hold;
    bool all;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 || truth(a[1], true, &all) < 0) {
        return NULL;
    }
    int fd = get_fd(a[0], &hold);
    if (fd < 0) {
        return NULL;
    }
    NJ_OWN h = hold;
    if (all) {
        nj_dump_all_threads(fd, nj_tstate());
    }
    else {
        nj_dump_thread(fd, nj_tstate(), true, false);
    }
    if (PyErr_CheckSignals()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
fh_dump_c_stack(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"file", NULL};
    static const NjParams params = {"dump_c_stack", names, 1, 0, 0};
    PyObject *a[1], *hold;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int fd = get_fd(a[0], &hold);
    if (fd < 0) {
        return NULL;
    }
    NJ_OWN h = hold;
    nj_dump_c_stack(fd);
    Py_RETURN_NONE;
}

static PyObject *
fh_enable(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"file", "all_threads", "c_stack", NULL};
    static const NjParams params = {"enable", names, 3, 0, 0};
    PyObject *a[3], *hold;
    bool all, c_stack;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        truth(a[1], true, &all) < 0 || truth(a[2], true, &c_stack) < 0) {
        return NULL;
    }
    int fd = get_fd(a[0], &hold);
    if (fd < 0) {
        return NULL;
    }
    Py_XSETREF(fatal.file, hold);
    fatal.fd = fd;
    fatal.all_threads = all;
    fatal.c_stack = c_stack;
    if (!fatal.enabled) {
        fatal.enabled = true;
        stack_t st = {.ss_sp = alt_stack, .ss_size = sizeof alt_stack};
        sigaltstack(&st, NULL);
        for (size_t i = 0; i < NJ_ARRAY_LEN(faults); i++) {
            struct sigaction sa;
            memset(&sa, 0, sizeof sa);
            sa.sa_handler = fatal_handler;
            sigemptyset(&sa.sa_mask);
            sa.sa_flags = SA_NODEFER | SA_ONSTACK;
            if (sigaction(faults[i].signum, &sa, &faults[i].old) != 0) {
                return PyErr_SetFromErrno(PyExc_RuntimeError);
            }
            faults[i].enabled = true;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
fh_disable(PyObject *m, PyObject *unused)
{
    bool was = fatal.enabled;
    fatal.enabled = false;
    for (size_t i = 0; i < NJ_ARRAY_LEN(faults); i++) {
        if (faults[i].enabled) {
            faults[i].enabled = false;
            sigaction(faults[i].signum, &faults[i].old, NULL);
        }
    }
    Py_CLEAR(fatal.file);
    return PyBool_FromLong(was);
}

static PyObject *
fh_is_enabled(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(fatal.enabled);
}

static void *
watchdog(void *unused)
{
    sigset_t set;
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    pthread_mutex_lock(&later.mutex);
    do {
        struct timespec ts;
        clock_gettime(CLOCK_MONOTONIC, &ts);
        ts.tv_sec += (time_t)(later.ns / 1000000000);
        ts.tv_nsec += (long)(later.ns % 1000000000);
        if (ts.tv_nsec >= 1000000000) {
            ts.tv_nsec -= 1000000000;
            ts.tv_sec++;
        }
        int rc = 0;
        while (!later.cancel && rc != ETIMEDOUT) {
            rc = pthread_cond_timedwait(&later.cond, &later.mutex, &ts);
        }
        if (later.cancel) {
            break;
        }
        nj_dump_puts(later.fd, later.header);
        nj_dump_all_threads(later.fd, NULL);
        if (later.exit_) {
            _exit(1);
        }
    } while (later.repeat);
    pthread_mutex_unlock(&later.mutex);
    return NULL;
}

static void
cancel_later(void)
{
    if (later.running) {
        pthread_mutex_lock(&later.mutex);
        later.cancel = true;
        pthread_cond_broadcast(&later.cond);
        pthread_mutex_unlock(&later.mutex);
        Py_BEGIN_ALLOW_THREADS
        pthread_join(later.thread, NULL);
        Py_END_ALLOW_THREADS
        later.running = false;
    }
    Py_CLEAR(later.file);
}

static PyObject *
fh_dump_traceback_later(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                        PyObject *kwnames)
{
    static const char *const names[] = {"timeout", "repeat", "file", "exit", NULL};
    static const NjParams params = {"dump_traceback_later", names, 4, 1, 0};
    PyObject *a[4], *hold;
    bool repeat, exit_;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        truth(a[1], false, &repeat) < 0 || truth(a[3], false, &exit_) < 0) {
        return NULL;
    }
    double t = PyFloat_AsDouble(a[0]);
    if (t == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (isnan(t)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return NULL;
    }
    if (t <= 0) {
        PyErr_SetString(PyExc_ValueError, "timeout must be greater than 0");
        return NULL;
    }
    if (t > 9e9) {
        PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
        return NULL;
    }
    int fd = get_fd(a[2], &hold);
    if (fd < 0) {
        return NULL;
    }
    cancel_later();
    Py_XSETREF(later.file, hold);
    later.fd = fd;
    later.repeat = repeat;
    later.exit_ = exit_;
    later.ns = (PyTime_t)ceil(t * 1e9);
    long long us = (long long)ceil(t * 1e6);
    long sec = (long)(us / 1000000);
    int n = snprintf(later.header, sizeof later.header, "Timeout (%ld:%02ld:%02ld",
                     sec / 3600, sec / 60 % 60, sec % 60);
    if (us % 1000000) {
        n += snprintf(later.header + n, sizeof later.header - (size_t)n, ".%06lld",
                      us % 1000000);
    }
    snprintf(later.header + n, sizeof later.header - (size_t)n, ")!\n");
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&later.cond, &attr);
    pthread_condattr_destroy(&attr);
    later.cancel = false;
    if (pthread_create(&later.thread, NULL, watchdog, NULL) != 0) {
        Py_CLEAR(later.file);
        PyErr_SetString(PyExc_RuntimeError, "unable to start watchdog thread");
        return NULL;
    }
    later.running = true;
    Py_RETURN_NONE;
}

static PyObject *
fh_cancel_later(PyObject *m, PyObject *unused)
{
    cancel_later();
    Py_RETURN_NONE;
}

static int
check_signum(PyObject *o, int *out)
{
    *out = PyLong_AsInt(o);
    if (*out == -1 && PyErr_Occurred()) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(faults); i++) {
        if (faults[i].signum == *out) {
            PyErr_Format(PyExc_RuntimeError,
                         "signal %i cannot be registered, use enable() instead", *out);
            return -1;
        }
    }
    if (*out < 1 || *out >= NJ_NSIG) {
        PyErr_SetString(PyExc_ValueError, "signal number out of range");
        return -1;
    }
    return 0;
}

static PyObject *
fh_register(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"signum", "file", "all_threads", "chain", NULL};
    static const NjParams params = {"register", names, 4, 1, 0};
    PyObject *a[4], *hold;
    bool all, chain;
    int sig;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        check_signum(a[0], &sig) < 0 || truth(a[2], true, &all) < 0 ||
        truth(a[3], false, &chain) < 0) {
        return NULL;
    }
    int fd = get_fd(a[1], &hold);
    if (fd < 0) {
        return NULL;
    }
    Py_XSETREF(users[sig].file, hold);
    users[sig].fd = fd;
    users[sig].all_threads = all;
    users[sig].chain = chain;
    struct sigaction sa, old;
    memset(&sa, 0, sizeof sa);
    sa.sa_handler = user_handler;
    sigemptyset(&sa.sa_mask);
    sa.sa_flags = SA_ONSTACK | (chain ? SA_NODEFER : SA_RESTART);
    if (sigaction(sig, &sa, &old) != 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (!users[sig].enabled) {
        users[sig].old = old;
        users[sig].enabled = true;
    }
    Py_RETURN_NONE;
}

static PyObject *
fh_unregister(PyObject *m, PyObject *arg)
{
    int sig;
    if (check_signum(arg, &sig) < 0) {
        return NULL;
    }
    if (!users[sig].enabled) {
        Py_RETURN_FALSE;
    }
    users[sig].enabled = false;
    sigaction(sig, &users[sig].old, NULL);
    Py_CLEAR(users[sig].file);
    Py_RETURN_TRUE;
}

/* --- ways to die, for tests ------------------------------------------------------------------------ */

static void
no_core(void)
{
    struct rlimit lim;
    if (getrlimit(RLIMIT_CORE, &lim) == 0) {
        lim.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &lim);
    }
}

static PyObject *
fh_read_null(PyObject *m, PyObject *unused)
{
    no_core();
    int *volatile p = NULL;
    return PyLong_FromLong(*(volatile int *)p);
}

static PyObject *
fh_sigsegv(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    int release = 0;
    if (!_PyArg_CheckPositional("_sigsegv", nargs, 0, 1) ||
        (nargs && (release = PyObject_IsTrue(args[0])) < 0)) {
        return NULL;
    }
    no_core();
    if (release) {
        Py_BEGIN_ALLOW_THREADS
        raise(SIGSEGV);
        Py_END_ALLOW_THREADS
    }
    else {
        raise(SIGSEGV);
    }
    Py_RETURN_NONE;
}

static PyObject *
fh_sigfpe(PyObject *m, PyObject *unused)
{
    no_core();
    raise(SIGFPE);
    Py_RETURN_NONE;
}

static PyObject *
fh_sigabrt(PyObject *m, PyObject *unused)
{
    no_core();
    abort();
}

static void *
die_in_thread(void *lock)
{
    Py_FatalError("in new thread");
    return NULL;
}

static PyObject *
fh_fatal_error_c_thread(PyObject *m, PyObject *unused)
{
    no_core();
    pthread_t t;
    if (pthread_create(&t, NULL, die_in_thread, NULL) == 0) {
        pthread_join(t, NULL);
    }
    Py_RETURN_NONE;
}

static uintptr_t __attribute__((noinline, noclone))
burn_stack(uintptr_t min, uintptr_t max, size_t *depth)
{
    volatile unsigned char buf[65536];
    uintptr_t here = (uintptr_t)&buf;
    (*depth)++;
    if (here < min || max < here) {
        return here;
    }
    buf[0] = 1;
    buf[sizeof buf - 1] = 0;
    uintptr_t r = burn_stack(min, max, depth);
    return buf[0] ? r : 0;
}

static PyObject *
fh_stack_overflow(PyObject *m, PyObject *unused)
{
    no_core();
    size_t depth = 0;
    uintptr_t sp = (uintptr_t)&depth;
    uintptr_t size = (uintptr_t)100 << 20;
    uintptr_t stop = burn_stack(sp > size ? sp - size : 0, sp + size, &depth);
    size_t used = sp < stop ? stop - sp : sp - stop;
    PyErr_Format(PyExc_RuntimeError,
                 "unable to raise a stack overflow (allocated %zu bytes on the stack, %zu "
                 "recursive calls)",
                 used, depth);
    return NULL;
}

static PyMethodDef fh_methods[] = {
    {"enable", FN(fh_enable), FK,
     SIG("enable($module, /, file=sys.stderr, all_threads=True, c_stack=True)")
     "Enable the fault handler."},
    {"disable", fh_disable, METH_NOARGS,
     SIG("disable($module, /)") "Disable the fault handler."},
    {"is_enabled", fh_is_enabled, METH_NOARGS,
     SIG("is_enabled($module, /)") "Check if the handler is enabled."},
    {"dump_traceback", FN(fh_dump_traceback), FK,
     SIG("dump_traceback($module, /, file=sys.stderr, all_threads=True)")
     "Dump the traceback of the current thread, or of all threads."},
    {"dump_c_stack", FN(fh_dump_c_stack), FK,
     SIG("dump_c_stack($module, /, file=sys.stderr)")
     "Dump the C stack of the current thread."},
    {"dump_traceback_later", FN(fh_dump_traceback_later), FK,
     SIG("dump_traceback_later($module, /, timeout, repeat=False,\n"
         "                     file=sys.stderr, exit=False)")
     "Dump the traceback of all threads in timeout seconds."},
    {"cancel_dump_traceback_later", fh_cancel_later, METH_NOARGS,
     SIG("cancel_dump_traceback_later($module, /)")
     "Cancel the previous call to dump_traceback_later()."},
    {"register", FN(fh_register), FK,
     SIG("register($module, /, signum, file=sys.stderr, all_threads=True,\n"
         "         chain=False)") "Dump the traceback on a signal."},
    {"unregister", fh_unregister, METH_O,
     SIG("unregister($module, signum, /)") "Undo register()."},
    {"_read_null", fh_read_null, METH_NOARGS,
     SIG("_read_null($module, /)") "Read from NULL."},
    {"_sigsegv", FN(fh_sigsegv), METH_FASTCALL,
     SIG("_sigsegv($module, release_gil=False, /)") "Raise a SIGSEGV signal."},
    {"_fatal_error_c_thread", fh_fatal_error_c_thread, METH_NOARGS,
     SIG("_fatal_error_c_thread($module, /)") "Call Py_FatalError() in a new C thread."},
    {"_sigabrt", fh_sigabrt, METH_NOARGS,
     SIG("_sigabrt($module, /)") "Raise a SIGABRT signal."},
    {"_sigfpe", fh_sigfpe, METH_NOARGS,
     SIG("_sigfpe($module, /)") "Raise a SIGFPE signal."},
    {"_stack_overflow", fh_stack_overflow, METH_NOARGS,
     SIG("_stack_overflow($module, /)") "Recursive call to raise a stack overflow."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot fh_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef fh_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "faulthandler",
    .m_doc = "faulthandler module.",
    .m_methods = fh_methods,
    .m_slots = fh_slots,
};

PyMODINIT_FUNC PyInit_faulthandler(void);
PyMODINIT_FUNC
PyInit_faulthandler(void)
{
    return PyModuleDef_Init(&fh_def);
}

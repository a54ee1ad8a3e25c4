/* signals.c - from a C signal handler to a Python one: the _signal module.
 *
 * The C handler only sets flags, a break bit on the main thread and a byte in the wakeup
 * descriptor. nj_signals_run, in the main thread of the main interpreter, calls the Python
 * handlers at the next safe point or from PyErr_CheckSignals.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "runtime/runtime.h"
#include "vm/perf_map.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SIG(s) s "\n--\n\n"
#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

static int
report_wakeup_error(void *data)
{
    errno = (int)(intptr_t)data;
    PyObject *exc = PyErr_GetRaisedException();
    PyErr_SetFromErrno(PyExc_OSError);
    PyErr_FormatUnraisable(
        "Exception ignored while trying to write to the signal wakeup fd");
    PyErr_SetRaisedException(exc);
    return 0;
}

static void
trip(int sig)
{
    __atomic_store_n(&nj_runtime.signals[sig].tripped, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&nj_runtime.any_signal, 1, __ATOMIC_RELEASE);
    NjInterp *interp = nj_runtime.main;
    PyThreadState *ts = interp ? interp->rt.main_tstate : NULL;
    if (ts) {
        nj_break_set(ts, NJ_BREAK_SIGNAL);
    }
    int fd = nj_runtime.wakeup_fd;
    if (fd != -1) {
        unsigned char b = (unsigned char)sig;
        if (write(fd, &b, 1) < 0 &&
            (nj_runtime.wakeup_warn || (errno != EWOULDBLOCK && errno != EAGAIN))) {
            Py_AddPendingCall(report_wakeup_error, (void *)(intptr_t)errno);
        }
    }
}

static void
signal_handler(int sig)
{
    int err = errno;
    trip(sig);
    errno = err;
}

PyOS_sighandler_t
PyOS_getsig(int sig)
{
    struct sigaction sa;
    return sigaction(sig, NULL, &sa) == -1 ? SIG_ERR : sa.sa_handler;
}

PyOS_sighandler_t
PyOS_setsig(int sig, PyOS_sighandler_t handler)
{
    struct sigaction sa, old;
    sa.sa_handler = handler;
    sigemptyset(&sa.sa_mask);
    sa.sa_flags = SA_ONSTACK;
    return sigaction(sig, &sa, &old) == -1 ? SIG_ERR : old.sa_handler;
}

static PyObject *
handler_value(PyOS_sighandler_t h)
{
    return PyLong_FromVoidPtr((void *)h);
}

static bool
is_value(PyObject *o, PyOS_sighandler_t h)
{
    if (!o || !PyLong_CheckExact(o)) {
        return false;
    }
    long v = PyLong_AsLong(o);
    if (v == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return v == (long)(intptr_t)h;
}

/* Calls the handlers of signals that came in. 0, or -1 with an exception. */
int
nj_signals_run(void)
{
    if (NJ_LIKELY(!__atomic_load_n(&nj_runtime.any_signal, __ATOMIC_ACQUIRE))) {
        return 0;
    }
    PyThreadState *ts = nj_tstate();
    if (!ts || !nj_is_main_thread() || !nj_is_main_interp(ts->interp)) {
        return 0;
    }
    __atomic_store_n(&nj_runtime.any_signal, 0, __ATOMIC_RELEASE);
    for (int i = 1; i < NJ_NSIG; i++) {
        if (!__atomic_exchange_n(&nj_runtime.signals[i].tripped, 0, __ATOMIC_ACQ_REL)) {
            continue;
        }
        PyObject *func = nj_runtime.signals[i].handler;
        /* set to SIG_IGN or SIG_DFL after it was tripped */
        if (!func || func == Py_None || is_value(func, SIG_IGN) || is_value(func, SIG_DFL)) {
            PyErr_Format(PyExc_OSError, "Signal %i ignored due to race condition", i);
            PyErr_WriteUnraisable(Py_None);
            continue;
        }
        NJ_OWN f = Py_NewRef(func);
        NJ_OWN frame = (PyObject *)PyThreadState_GetFrame(ts);
        NJ_OWN num = PyLong_FromLong(i);
        PyObject *r = NULL;
        if (num) {
            PyObject *args[2] = {num, frame ? frame : Py_None};
            r = PyObject_Vectorcall(f, args, 2, NULL);
        }
        if (!r) {
            __atomic_store_n(&nj_runtime.any_signal, 1, __ATOMIC_RELEASE);
            nj_break_set(ts, NJ_BREAK_SIGNAL);
            return -1;
        }
        Py_DECREF(r);
    }
    return 0;
}

int
PyErr_CheckSignals(void)
{
    PyThreadState *ts = nj_tstate();
    if (__atomic_load_n(&ts->eval_breaker, __ATOMIC_RELAXED) & NJ_BREAK_GC) {
        nj_gc_run_due(ts);
    }
    return nj_signals_run();
}

int
PyErr_SetInterruptEx(int sig)
{
    if (sig < 1 || sig >= NJ_NSIG) {
        return -1;
    }
    PyObject *func = nj_runtime.signals[sig].handler;
    /* without a handler it is reported as soon as handlers are run */
    if (!func || (!is_value(func, SIG_IGN) && !is_value(func, SIG_DFL))) {
        trip(sig);
    }
    return 0;
}

void
PyErr_SetInterrupt(void)
{
    PyErr_SetInterruptEx(SIGINT);
}

int
PyOS_InterruptOccurred(void)
{
    PyThreadState *ts = nj_tstate();
    if (!nj_is_main_thread() || !nj_is_main_interp(ts->interp)) {
        return 0;
    }
    return __atomic_exchange_n(&nj_runtime.signals[SIGINT].tripped, 0, __ATOMIC_ACQ_REL);
}

int
PySignal_SetWakeupFd(int fd)
{
    int old = nj_runtime.wakeup_fd;
    nj_runtime.wakeup_fd = fd < 0 ? -1 : fd;
    nj_runtime.wakeup_warn = true;
    return old;
}

/* --- the module ---------------------------------------------------------------------------- */

typedef struct NjSignalState {
    PyObject *itimer_error;
    PyTypeObject *siginfo_type;
} NjSignalState;

static int
check_signum(long n)
{
    if (n < 1 || n >= NJ_NSIG) {
        PyErr_SetString(PyExc_ValueError, "signal number out of range");
        return -1;
    }
    return 0;
}

static int
int_arg(PyObject *o, int *out)
{
    *out = PyLong_AsInt(o);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
signal_default_int_handler(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("default_int_handler", nargs, 2, 2)) {
        return NULL;
    }
    PyErr_SetNone(PyExc_KeyboardInterrupt);
    return NULL;
}

static PyObject *
signal_alarm(PyObject *m, PyObject *arg)
{
    int n;
    return int_arg(arg, &n) < 0 ? NULL : PyLong_FromLong((long)alarm((unsigned)n));
}

static PyObject *
signal_pause(PyObject *m, PyObject *unused)
{
    Py_BEGIN_ALLOW_THREADS
    (void)pause();
    Py_END_ALLOW_THREADS
    if (PyErr_CheckSignals()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
signal_raise_signal(PyObject *m, PyObject *arg)
{
    int n;
    if (int_arg(arg, &n) < 0) {
        return NULL;
    }
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = raise(n);
    Py_END_ALLOW_THREADS
    if (rc) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (PyErr_CheckSignals()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
signal_signal(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    int n;
    if (!_PyArg_CheckPositional("signal", nargs, 2, 2) || int_arg(args[0], &n) < 0) {
        return NULL;
    }
    if (!nj_is_main_thread() || !nj_is_main_interp(nj_interp())) {
        PyErr_SetString(PyExc_ValueError,
                        "signal only works in main thread of the main interpreter");
        return NULL;
    }
    if (check_signum(n) < 0) {
        return NULL;
    }
    PyOS_sighandler_t func;
    if (PyCallable_Check(args[1])) {
        func = signal_handler;
    }
    else {
        NJ_OWN ign = handler_value(SIG_IGN);
        NJ_OWN dfl = handler_value(SIG_DFL);
        int eq = ign && dfl ? PyObject_RichCompareBool(args[1], ign, Py_EQ) : -1;
        if (eq > 0) {
            func = SIG_IGN;
        }
        else {
            eq = eq < 0 ? -1 : PyObject_RichCompareBool(args[1], dfl, Py_EQ);
            if (eq < 0) {
                return NULL;
            }
            if (!eq) {
                PyErr_SetString(PyExc_TypeError,
                                "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or "
                                "a callable object");
                return NULL;
            }
            func = SIG_DFL;
        }
    }
    if (nj_signals_run() < 0) {
        return NULL;
    }
    if (PyOS_setsig(n, func) == SIG_ERR) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    PyObject *old = nj_runtime.signals[n].handler;
    nj_runtime.signals[n].handler = Py_NewRef(args[1]);
    return old ? old : Py_NewRef(Py_None);
}

static PyObject *
signal_getsignal(PyObject *m, PyObject *arg)
{
    int n;
    if (int_arg(arg, &n) < 0 || check_signum(n) < 0) {
        return NULL;
    }
    PyObject *h = nj_runtime.signals[n].handler;
    return Py_NewRef(h ? h : Py_None);
}

static PyObject *
signal_strsignal(PyObject *m, PyObject *arg)
{
    int n;
    if (int_arg(arg, &n) < 0 || check_signum(n) < 0) {
        return NULL;
    }
    errno = 0;
    const char *s = strsignal(n);
    if (errno || !s || strstr(s, "Unknown signal")) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(s);
}

static PyObject *
signal_siginterrupt(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    int n, flag;
    if (!_PyArg_CheckPositional("siginterrupt", nargs, 2, 2) ||
        int_arg(args[0], &n) < 0 || int_arg(args[1], &flag) < 0 || check_signum(n) < 0) {
        return NULL;
    }
    struct sigaction sa;
    (void)sigaction(n, NULL, &sa);
    if (flag) {
        sa.sa_flags &= ~SA_RESTART;
    }
    else {
        sa.sa_flags |= SA_RESTART;
    }
    if (sigaction(n, &sa, NULL) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
signal_set_wakeup_fd(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    static const char *const names[] = {"", "warn_on_full_buffer", NULL};
    static const NjParams params = {"set_wakeup_fd", names, 1, 1, 0};
    PyObject *a[2];
    int fd, warn = 1;
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 || int_arg(a[0], &fd) < 0 ||
        (a[1] && (warn = PyObject_IsTrue(a[1])) < 0)) {
        return NULL;
    }
    if (!nj_is_main_thread() || !nj_is_main_interp(nj_interp())) {
        PyErr_Format(PyExc_ValueError, "set_wakeup_fd only works in main thread of the main "
                                       "interpreter");
        return NULL;
    }
    if (fd != -1) {
        struct stat st;
        if (fstat(fd, &st) < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        int fl = fcntl(fd, F_GETFL);
        if (fl < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (!(fl & O_NONBLOCK)) {
            PyErr_Format(PyExc_ValueError, "the fd %i must be in non-blocking mode", fd);
            return NULL;
        }
    }
    int old = nj_runtime.wakeup_fd;
    nj_runtime.wakeup_fd = fd;
    nj_runtime.wakeup_warn = warn != 0;
    return PyLong_FromLong(old);
}

static int
to_timeval(PyObject *o, struct timeval *tv)
{
    double d = o ? PyFloat_AsDouble(o) : 0.0;
    if (d == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (isnan(d)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return -1;
    }
    if (fabs(d) > 9e15) {
        PyErr_SetString(PyExc_OverflowError, "timestamp out of range for platform time_t");
        return -1;
    }
    double us = ceil(d * 1e6 - 1e-4);
    tv->tv_sec = (time_t)floor(us / 1e6);
    tv->tv_usec = (suseconds_t)(us - (double)tv->tv_sec * 1e6);
    return 0;
}

static PyObject *
itimer_tuple(const struct itimerval *v)
{
    return Py_BuildValue("(dd)",
                         (double)v->it_value.tv_sec + (double)v->it_value.tv_usec * 1e-6,
                         (double)v->it_interval.tv_sec +
                             (double)v->it_interval.tv_usec * 1e-6);
}

static PyObject *
signal_setitimer(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    int which;
    struct itimerval now, old;
    NjSignalState *st = PyModule_GetState(m);
    if (!_PyArg_CheckPositional("setitimer", nargs, 2, 3) || int_arg(args[0], &which) < 0 ||
        to_timeval(args[1], &now.it_value) < 0 ||
        to_timeval(nargs > 2 ? args[2] : NULL, &now.it_interval) < 0) {
        return NULL;
    }
    if (setitimer((__itimer_which_t)which, &now, &old) != 0) {
        return PyErr_SetFromErrno(st->itimer_error);
    }
    return itimer_tuple(&old);
}

static PyObject *
signal_getitimer(PyObject *m, PyObject *arg)
{
    int which;
    struct itimerval v;
    NjSignalState *st = PyModule_GetState(m);
    if (int_arg(arg, &which) < 0) {
        return NULL;
    }
    if (getitimer((__itimer_which_t)which, &v) != 0) {
        return PyErr_SetFromErrno(st->itimer_error);
    }
    return itimer_tuple(&v);
}

/* --- sets ------------------------------------------------------------------------------------- */

/* An iterable of signal numbers. */
int
nj_to_sigset(PyObject *o, sigset_t *set)
{
    if (sigemptyset(set) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    NJ_OWN it = PyObject_GetIter(o);
    if (!it) {
        return -1;
    }
    for (;;) {
        NJ_OWN x = PyIter_Next(it);
        if (!x) {
            return PyErr_Occurred() ? -1 : 0;
        }
        int overflow;
        long n = PyLong_AsLongAndOverflow(x, &overflow);
        if (n == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (overflow || n <= 0 || n >= NJ_NSIG) {
            PyErr_Format(PyExc_ValueError, "signal number %ld out of range [1; %i]", n,
                         NJ_NSIG - 1);
            return -1;
        }
        if (sigaddset(set, (int)n)) {
            if (errno != EINVAL) {
                PyErr_SetFromErrno(PyExc_OSError);
                return -1;
            }
            if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                                 "invalid signal number %ld, please use valid_signals()",
                                 n)) {
                return -1;
            }
        }
    }
}

static PyObject *
from_sigset(const sigset_t *set)
{
    NJ_OWN s = PySet_New(NULL);
    for (int i = 1; s && i < NJ_NSIG; i++) {
        if (sigismember(set, i) != 1) {
            continue;
        }
        NJ_OWN n = PyLong_FromLong(i);
        if (!n || PySet_Add(s, n) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(s);
}

static PyObject *
signal_pthread_sigmask(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    int how;
    sigset_t set, old;
    if (!_PyArg_CheckPositional("pthread_sigmask", nargs, 2, 2) ||
        int_arg(args[0], &how) < 0 || nj_to_sigset(args[1], &set) < 0) {
        return NULL;
    }
    int err = pthread_sigmask(how, &set, &old);
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (PyErr_CheckSignals()) {
        return NULL;
    }
    return from_sigset(&old);
}

static PyObject *
signal_sigpending(PyObject *m, PyObject *unused)
{
    sigset_t set;
    if (sigpending(&set)) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return from_sigset(&set);
}

static PyObject *
signal_sigwait(PyObject *m, PyObject *arg)
{
    sigset_t set;
    int sig, err;
    if (nj_to_sigset(arg, &set) < 0) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    err = sigwait(&set, &sig);
    Py_END_ALLOW_THREADS
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(sig);
}

static PyObject *
signal_valid_signals(PyObject *m, PyObject *unused)
{
    sigset_t set;
    if (sigfillset(&set)) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return from_sigset(&set);
}

static PyStructSequence_Field siginfo_fields[] = {
    {"si_signo", "signal number"},       {"si_code", "signal code"},
    {"si_errno", "errno associated with this signal"},
    {"si_pid", "sending process ID"},    {"si_uid", "real user ID of sending process"},
    {"si_status", "exit value or signal"}, {"si_band", "band event for SIGPOLL"},
    {NULL, NULL},
};
static PyStructSequence_Desc siginfo_desc = {
    "signal.struct_siginfo",
    "struct_siginfo: Result from sigwaitinfo or sigtimedwait.\n\nThis object may be accessed "
    "either as a tuple of\n(si_signo, si_code, si_errno, si_pid, si_uid, si_status, "
    "si_band),\nor via the attributes si_signo, si_code, and so on.",
    siginfo_fields, 7};

static PyObject *
make_siginfo(PyObject *m, const siginfo_t *si)
{
    NjSignalState *st = PyModule_GetState(m);
    NJ_OWN r = PyStructSequence_New(st->siginfo_type);
    if (!r) {
        return NULL;
    }
    long v[7] = {si->si_signo, si->si_code,   si->si_errno, si->si_pid,
                 si->si_uid,   si->si_status, si->si_band};
    for (int i = 0; i < 7; i++) {
        PyObject *n = PyLong_FromLong(v[i]);
        if (!n) {
            return NULL;
        }
        PyStructSequence_SetItem(r, i, n);
    }
    return NJ_TAKE(r);
}

static PyObject *
signal_sigwaitinfo(PyObject *m, PyObject *arg)
{
    sigset_t set;
    siginfo_t si;
    int rc;
    if (nj_to_sigset(arg, &set) < 0) {
        return NULL;
    }
    do {
        Py_BEGIN_ALLOW_THREADS
        rc = sigwaitinfo(&set, &si);
        Py_END_ALLOW_THREADS
    } while (rc == -1 && errno == EINTR && PyErr_CheckSignals() == 0);
    if (rc == -1) {
        return PyErr_Occurred() ? NULL : PyErr_SetFromErrno(PyExc_OSError);
    }
    return make_siginfo(m, &si);
}

static PyObject *
signal_sigtimedwait(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    sigset_t set;
    if (!_PyArg_CheckPositional("sigtimedwait", nargs, 2, 2)) {
        return NULL;
    }
    double d = PyFloat_AsDouble(args[1]);
    if (d == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    if (nj_to_sigset(args[0], &set) < 0) {
        return NULL;
    }
    if (d < 0) {
        PyErr_SetString(PyExc_ValueError, "timeout must be non-negative");
        return NULL;
    }
    if (d > 9e9) {
        PyErr_SetString(PyExc_OverflowError, "timestamp too large to convert to C PyTime_t");
        return NULL;
    }
    PyTime_t end, now;
    PyTime_MonotonicRaw(&now);
    PyTime_t left = (PyTime_t)ceil(d * 1e9);
    end = now + left;
    siginfo_t si;
    for (;;) {
        struct timespec ts = {left / 1000000000, left % 1000000000};
        int rc;
        Py_BEGIN_ALLOW_THREADS
        rc = sigtimedwait(&set, &si, &ts);
        Py_END_ALLOW_THREADS
        if (rc != -1) {
            break;
        }
        if (errno == EAGAIN) {
            Py_RETURN_NONE;
        }
        if (errno != EINTR) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals()) {
            return NULL;
        }
        PyTime_MonotonicRaw(&now);
        left = end - now;
        if (left < 0) {
            Py_RETURN_NONE;
        }
    }
    return make_siginfo(m, &si);
}

static PyObject *
signal_pthread_kill(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("pthread_kill", nargs, 2, 2)) {
        return NULL;
    }
    if (!PyIndex_Check(args[0])) {
        _PyArg_BadArgument("pthread_kill", "argument 1", "int", args[0]);
        return NULL;
    }
    unsigned long id = PyLong_AsUnsignedLongMask(args[0]);
    int n;
    if ((id == (unsigned long)-1 && PyErr_Occurred()) || int_arg(args[1], &n) < 0) {
        return NULL;
    }
    if (PySys_Audit("signal.pthread_kill", "ki", id, n) < 0) {
        return NULL;
    }
    int err = pthread_kill((pthread_t)id, n);
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (PyErr_CheckSignals()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
signal_pidfd_send_signal(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    int fd, n, flags = 0;
    if (!_PyArg_CheckPositional("pidfd_send_signal", nargs, 2, 4) ||
        int_arg(args[0], &fd) < 0 || int_arg(args[1], &n) < 0 ||
        (nargs > 3 && int_arg(args[3], &flags) < 0)) {
        return NULL;
    }
    if (nargs > 2 && args[2] != Py_None) {
        PyErr_SetString(PyExc_TypeError, "siginfo must be None");
        return NULL;
    }
    if (syscall(SYS_pidfd_send_signal, fd, n, NULL, flags) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef signal_methods[] = {
    {"default_int_handler", FN(signal_default_int_handler), METH_FASTCALL,
     SIG("default_int_handler($module, signalnum, frame, /)") "Raise KeyboardInterrupt."},
    {"alarm", signal_alarm, METH_O,
     SIG("alarm($module, seconds, /)") "Arrange for SIGALRM after some seconds."},
    {"setitimer", FN(signal_setitimer), METH_FASTCALL,
     SIG("setitimer($module, which, seconds, interval=0.0, /)") "Set an interval timer."},
    {"getitimer", signal_getitimer, METH_O,
     SIG("getitimer($module, which, /)") "The value of an interval timer."},
    {"signal", FN(signal_signal), METH_FASTCALL,
     SIG("signal($module, signalnum, handler, /)") "Set the handler of a signal."},
    {"raise_signal", signal_raise_signal, METH_O,
     SIG("raise_signal($module, signalnum, /)") "Send a signal to this process."},
    {"strsignal", signal_strsignal, METH_O,
     SIG("strsignal($module, signalnum, /)") "What the system calls a signal."},
    {"getsignal", signal_getsignal, METH_O,
     SIG("getsignal($module, signalnum, /)") "The handler of a signal."},
    {"set_wakeup_fd", FN(signal_set_wakeup_fd), FK,
     SIG("set_wakeup_fd($module, fd, /, *, warn_on_full_buffer=True)")
     "Set the descriptor that signals are written to."},
    {"siginterrupt", FN(signal_siginterrupt), METH_FASTCALL,
     SIG("siginterrupt($module, signalnum, flag, /)") "Should system calls be interrupted?"},
    {"pause", signal_pause, METH_NOARGS,
     SIG("pause($module, /)") "Wait for a signal."},
    {"pidfd_send_signal", FN(signal_pidfd_send_signal), METH_FASTCALL,
     SIG("pidfd_send_signal($module, pidfd, signalnum, siginfo=None, flags=0, /)")
     "Send a signal to the process of a pidfd."},
    {"pthread_kill", FN(signal_pthread_kill), METH_FASTCALL,
     SIG("pthread_kill($module, thread_id, signalnum, /)") "Send a signal to a thread."},
    {"pthread_sigmask", FN(signal_pthread_sigmask), METH_FASTCALL,
     SIG("pthread_sigmask($module, how, mask, /)") "Get and set the signal mask."},
    {"sigpending", signal_sigpending, METH_NOARGS,
     SIG("sigpending($module, /)") "The pending signals."},
    {"sigwait", signal_sigwait, METH_O,
     SIG("sigwait($module, sigset, /)") "Wait for one of some signals."},
    {"sigwaitinfo", signal_sigwaitinfo, METH_O,
     SIG("sigwaitinfo($module, sigset, /)") "Wait for a signal, with details."},
    {"sigtimedwait", FN(signal_sigtimedwait), METH_FASTCALL,
     SIG("sigtimedwait($module, sigset, timeout, /)") "The same with a time limit."},
    {"valid_signals", signal_valid_signals, METH_NOARGS,
     SIG("valid_signals($module, /)") "All signals of this platform."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    int value;
} constants[] = {
#define C(n) {#n, n}
    C(SIG_BLOCK), C(SIG_UNBLOCK), C(SIG_SETMASK), C(SIGHUP), C(SIGINT), C(SIGQUIT),
    C(SIGILL), C(SIGTRAP), C(SIGIOT), C(SIGABRT), C(SIGFPE), C(SIGKILL), C(SIGBUS),
    C(SIGSEGV), C(SIGSYS), C(SIGPIPE), C(SIGALRM), C(SIGTERM), C(SIGUSR1), C(SIGUSR2),
    C(SIGCHLD), C(SIGCLD), C(SIGPWR), C(SIGIO), C(SIGURG), C(SIGWINCH), C(SIGPOLL),
    C(SIGSTOP), C(SIGTSTP), C(SIGCONT), C(SIGTTIN), C(SIGTTOU), C(SIGVTALRM), C(SIGPROF),
    C(SIGXCPU), C(SIGXFSZ), C(SIGSTKFLT), C(ITIMER_REAL), C(ITIMER_VIRTUAL),
    C(ITIMER_PROF),
#undef C
};

static int
signal_exec(PyObject *m)
{
    NjSignalState *st = PyModule_GetState(m);
    NJ_OWN dfl = handler_value(SIG_DFL);
    NJ_OWN ign = handler_value(SIG_IGN);
    if (!dfl || !ign || PyModule_AddObjectRef(m, "SIG_DFL", dfl) < 0 ||
        PyModule_AddObjectRef(m, "SIG_IGN", ign) < 0 ||
        PyModule_AddIntConstant(m, "NSIG", NJ_NSIG) < 0 ||
        PyModule_AddIntConstant(m, "SIGRTMIN", SIGRTMIN) < 0 ||
        PyModule_AddIntConstant(m, "SIGRTMAX", SIGRTMAX) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(m, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    st->itimer_error = PyErr_NewException("signal.ItimerError", PyExc_OSError, NULL);
    if (!st->itimer_error || PyModule_AddObjectRef(m, "ItimerError", st->itimer_error) < 0) {
        return -1;
    }
    st->siginfo_type = PyStructSequence_NewType(&siginfo_desc);
    if (!st->siginfo_type ||
        PyModule_AddObjectRef(m, "struct_siginfo", (PyObject *)st->siginfo_type) < 0) {
        return -1;
    }
    if (nj_is_main_interp(nj_interp()) && !nj_runtime.signals[SIGINT].handler) {
        for (int i = 1; i < NJ_NSIG; i++) {
            PyOS_sighandler_t h = PyOS_getsig(i);
            PyObject *v = h == SIG_DFL ? dfl : h == SIG_IGN ? ign : Py_None;
            Py_XSETREF(nj_runtime.signals[i].handler, Py_NewRef(v));
        }
    }
    if (nj_is_main_interp(nj_interp()) && nj_config()->install_signal_handlers &&
        is_value(nj_runtime.signals[SIGINT].handler, SIG_DFL)) {
        PyObject *f = PyObject_GetAttrString(m, "default_int_handler");
        if (!f) {
            return -1;
        }
        Py_XSETREF(nj_runtime.signals[SIGINT].handler, f);
        PyOS_setsig(SIGINT, signal_handler);
    }
    return 0;
}

static int
signal_traverse(PyObject *m, visitproc visit, void *arg)
{
    NjSignalState *st = PyModule_GetState(m);
    Py_VISIT(st->itimer_error);
    Py_VISIT(st->siginfo_type);
    return 0;
}

static int
signal_clear(PyObject *m)
{
    NjSignalState *st = PyModule_GetState(m);
    Py_CLEAR(st->itimer_error);
    Py_CLEAR(st->siginfo_type);
    return 0;
}

static PyModuleDef_Slot signal_slots[] = {
    {Py_mod_exec, signal_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef signal_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_signal",
    .m_doc = "This module provides mechanisms to use signal handlers in Python.",
    .m_size = sizeof(NjSignalState),
    .m_methods = signal_methods,
    .m_slots = signal_slots,
    .m_traverse = signal_traverse,
    .m_clear = signal_clear,
};

PyMODINIT_FUNC PyInit__signal(void);
PyMODINIT_FUNC
PyInit__signal(void)
{
    return PyModuleDef_Init(&signal_def);
}

PyAPI_FUNC(int) _PyOS_IsMainThread(void);
int
_PyOS_IsMainThread(void)
{
    return nj_is_main_thread() && nj_is_main_interp(nj_interp());
}

/* For a child process about to exec: what nj_signals_init ignores is not ignored there. */
void
_Py_RestoreSignals(void)
{
    PyOS_setsig(SIGPIPE, SIG_DFL);
    PyOS_setsig(SIGXFSZ, SIG_DFL);
}

int
nj_signals_init(bool install)
{
    if (install) {
        PyOS_setsig(SIGPIPE, SIG_IGN);
        PyOS_setsig(SIGXFSZ, SIG_IGN);
    }
    NJ_OWN m = PyImport_ImportModule("_signal");
    return m ? 0 : -1;
}

void
nj_signals_fini(void)
{
    for (int i = 1; i < NJ_NSIG; i++) {
        PyObject *h = nj_runtime.signals[i].handler;
        nj_runtime.signals[i].tripped = 0;
        nj_runtime.signals[i].handler = NULL;
        if (h && h != Py_None && !is_value(h, SIG_DFL) && !is_value(h, SIG_IGN)) {
            PyOS_setsig(i, SIG_DFL);
        }
        Py_XDECREF(h);
    }
    nj_runtime.wakeup_fd = -1;
}

/* --- fork ----------------------------------------------------------------------------------------- */

void nj_import_lock(void);
void nj_import_unlock(void);

/* Calls of os.register_at_fork. */
static void
run_fork_hooks(PyObject *list, bool reverse)
{
    if (!list) {
        return;
    }
    NJ_OWN copy = PyList_GetSlice(list, 0, PyList_GET_SIZE(list));
    if (!copy) {
        PyErr_FormatUnraisable("Exception ignored before fork");
        return;
    }
    Py_ssize_t n = PyList_GET_SIZE(copy);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *f = PyList_GET_ITEM(copy, reverse ? n - 1 - i : i);
        PyObject *r = PyObject_CallNoArgs(f);
        if (!r) {
            PyErr_FormatUnraisable("Exception ignored in fork handler %R", f);
        }
        Py_XDECREF(r);
    }
}

void
PyOS_BeforeFork(void)
{
    run_fork_hooks(nj_interp()->rt.before_fork, true);
    nj_import_lock();
}

void
PyOS_AfterFork_Parent(void)
{
    nj_import_unlock();
    run_fork_hooks(nj_interp()->rt.after_fork_parent, false);
}

void
PyOS_AfterFork_Child(void)
{
    nj_mem_after_fork();
    nj_tstate_after_fork();
    nj_import_after_fork_child();
    nj_threads_after_fork_child();
    for (int i = 1; i < NJ_NSIG; i++) {
        nj_runtime.signals[i].tripped = 0;
    }
    nj_runtime.any_signal = 0;
    nj_perf_after_fork_child();
    nj_pyrun_after_fork_child();
    Py_CLEAR(nj_thread()->running_task); /* it runs on in the parent */
    run_fork_hooks(nj_interp()->rt.after_fork_child, false);
}

#undef PyOS_AfterFork
void
PyOS_AfterFork(void)
{
    PyOS_AfterFork_Child();
}

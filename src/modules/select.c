/* select.c - the module select: select, poll, epoll.
 *
 * All three wait without the GIL, begin again after EINTR with what is left of the
 * timeout (unless a signal handler raises), and round timeouts up, so that they never
 * return too early. A poll object keeps a dict fd -> event mask; the array for the system
 * call is rebuilt only after changes.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

typedef struct State {
    PyTypeObject *poll_type;
    PyTypeObject *epoll_type;
} State;

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

/* ---- time --------------------------------------------------------------------------- */

static int64_t
now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* A number of units (of unit ns each) to nanoseconds, rounded away from zero. */
static int
timeout_ns(PyObject *o, int64_t unit, const char *type_message, int64_t *out)
{
    if (PyFloat_Check(o)) {
        double x = PyFloat_AS_DOUBLE(o);
        if (isnan(x)) {
            PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
            return -1;
        }
        x *= (double)unit; /* away from zero: below 0 means "forever" */
        x = x < 0 ? floor(x) : ceil(x);
        if (!(x >= -0x1p63 && x < 0x1p63)) {
            PyErr_SetString(PyExc_OverflowError, "timestamp out of range for C PyTime_t");
            return -1;
        }
        *out = (int64_t)x;
        return 0;
    }
    NJ_OWN n = PyNumber_Index(o);
    if (n == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError, type_message);
        }
        return -1;
    }
    int overflow;
    long long x = PyLong_AsLongLongAndOverflow(n, &overflow);
    int64_t ns;
    if (overflow || __builtin_mul_overflow((int64_t)x, unit, &ns)) {
        PyErr_SetString(PyExc_OverflowError, "timestamp out of range for C PyTime_t");
        return -1;
    }
    *out = ns;
    return 0;
}

/* Nanoseconds as milliseconds for poll: rounded up, -1 for "forever". -2: too large. */
static int
poll_ms(int64_t ns)
{
    if (ns < 0) {
        return -1;
    }
    int64_t ms = ns / 1000000 + (ns % 1000000 != 0);
    return ms > INT_MAX ? -2 : (int)ms;
}

/* ---- select ------------------------------------------------------------------------- */

typedef struct Fds {
    PyObject *seq; /* owned list or tuple */
    int fd[FD_SETSIZE];
    Py_ssize_t n;
    fd_set set;
} Fds;

static int
read_fds(PyObject *arg, Fds *f, int *max)
{
    FD_ZERO(&f->set);
    f->n = 0;
    f->seq = PySequence_Fast(arg, "arguments 1-3 must be sequences");
    if (f->seq == NULL) {
        return -1;
    }
    /* fileno() may change a list that is iterated: sizes are asked again each time. */
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(f->seq); i++) {
        NJ_OWN o = Py_NewRef(PySequence_Fast_GET_ITEM(f->seq, i));
        int fd = PyObject_AsFileDescriptor(o);
        if (fd == -1) {
            return -1;
        }
        if (fd >= FD_SETSIZE) {
            PyErr_SetString(PyExc_ValueError, "filedescriptor out of range in select()");
            return -1;
        }
        if (i >= FD_SETSIZE) {
            PyErr_SetString(PyExc_ValueError, "too many file descriptors in select()");
            return -1;
        }
        FD_SET(fd, &f->set);
        f->fd[i] = fd;
        f->n = i + 1;
        if (fd > *max) {
            *max = fd;
        }
    }
    return 0;
}

static PyObject *
ready_list(Fds *f)
{
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < f->n && i < PySequence_Fast_GET_SIZE(f->seq); i++) {
        if (FD_ISSET(f->fd[i], &f->set) &&
            PyList_Append(list, PySequence_Fast_GET_ITEM(f->seq, i)) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
do_select(Fds *f, PyObject *const *args, Py_ssize_t nargs)
{
    int64_t timeout = -1;
    bool forever = nargs < 4 || args[3] == Py_None;
    if (!forever) {
        if (timeout_ns(args[3], 1000000000, "timeout must be a float or None", &timeout) <
            0) {
            return NULL;
        }
        if (timeout < 0) {
            PyErr_SetString(PyExc_ValueError, "timeout must be non-negative");
            return NULL;
        }
    }
    int max = -1;
    for (int i = 0; i < 3; i++) {
        if (read_fds(args[i], &f[i], &max) < 0) {
            return NULL;
        }
    }
    int64_t deadline = forever ? 0 : now_ns() + timeout;
    int n;
    while (true) {
        fd_set r = f[0].set, w = f[1].set, x = f[2].set;
        struct timeval tv = {.tv_sec = timeout / 1000000000,
                             .tv_usec = (timeout % 1000000000 + 999) / 1000};
        if (tv.tv_usec >= 1000000) {
            tv.tv_sec++;
            tv.tv_usec -= 1000000;
        }
        int err;
        Py_BEGIN_ALLOW_THREADS
        n = select(max + 1, &r, &w, &x, forever ? NULL : &tv);
        err = errno;
        Py_END_ALLOW_THREADS
        if (n >= 0) {
            f[0].set = r;
            f[1].set = w;
            f[2].set = x;
            break;
        }
        if (err != EINTR) {
            errno = err;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
        if (!forever) {
            timeout = deadline - now_ns();
            if (timeout < 0) {
                n = 0;
                for (int i = 0; i < 3; i++) {
                    FD_ZERO(&f[i].set);
                }
                break;
            }
        }
    }
    NJ_OWN r = ready_list(&f[0]);
    NJ_OWN w = r ? ready_list(&f[1]) : NULL;
    NJ_OWN x = w ? ready_list(&f[2]) : NULL;
    return x ? PyTuple_Pack(3, r, w, x) : NULL;
}

static PyObject *
select_select(PyObject *Py_UNUSED(m), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 3 || nargs > 4) {
        PyErr_Format(PyExc_TypeError, "select expected at %s %d arguments, got %zd",
                     nargs < 3 ? "least" : "most", nargs < 3 ? 3 : 4, nargs);
        return NULL;
    }
    Fds *f = PyMem_Calloc(3, sizeof *f);
    if (f == NULL) {
        return PyErr_NoMemory();
    }
    PyObject *r = do_select(f, args, nargs);
    for (int i = 0; i < 3; i++) {
        Py_XDECREF(f[i].seq);
    }
    PyMem_Free(f);
    return r;
}

/* ---- poll --------------------------------------------------------------------------- */

typedef struct Poll {
    PyObject_HEAD
    PyObject *dict; /* fd -> events */
    struct pollfd *fds;
    Py_ssize_t n;
    bool current; /* fds matches dict */
    bool running;
} Poll;

static int
event_mask(PyObject *o, unsigned short *out)
{
    NJ_OWN n = PyNumber_Index(o);
    if (n == NULL) {
        return -1;
    }
    uint64_t x;
    if (PyLong_AsUInt64(n, &x) < 0) {
        if (PyErr_ExceptionMatches(PyExc_ValueError)) {
            return -1;
        }
        x = UINT64_MAX;
        PyErr_Clear();
    }
    if (x > USHRT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large for C unsigned short");
        return -1;
    }
    *out = (unsigned short)x;
    return 0;
}

static PyObject *
set_mask(Poll *self, int fd, unsigned short mask)
{
    NJ_OWN key = PyLong_FromLong(fd);
    NJ_OWN value = PyLong_FromLong(mask);
    if (key == NULL || value == NULL || PyDict_SetItem(self->dict, key, value) < 0) {
        return NULL;
    }
    self->current = false;
    Py_RETURN_NONE;
}

static PyObject *
poll_register(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "register expected at %s %d argument%s, got %zd",
                     nargs < 1 ? "least" : "most", nargs < 1 ? 1 : 2, nargs < 1 ? "" : "s",
                     nargs);
        return NULL;
    }
    unsigned short mask = POLLIN | POLLPRI | POLLOUT;
    int fd = PyObject_AsFileDescriptor(args[0]);
    if (fd == -1 || (nargs > 1 && event_mask(args[1], &mask) < 0)) {
        return NULL;
    }
    return set_mask((Poll *)op, fd, mask);
}

static PyObject *
poll_modify(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2) {
        PyErr_Format(PyExc_TypeError, "modify expected 2 arguments, got %zd", nargs);
        return NULL;
    }
    unsigned short mask;
    int fd = PyObject_AsFileDescriptor(args[0]);
    if (fd == -1 || event_mask(args[1], &mask) < 0) {
        return NULL;
    }
    NJ_OWN key = PyLong_FromLong(fd);
    int known = key ? PyDict_Contains(((Poll *)op)->dict, key) : -1;
    if (known < 0) {
        return NULL;
    }
    if (!known) {
        errno = ENOENT;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return set_mask((Poll *)op, fd, mask);
}

static PyObject *
poll_unregister(PyObject *op, PyObject *arg)
{
    int fd = PyObject_AsFileDescriptor(arg);
    NJ_OWN key = fd == -1 ? NULL : PyLong_FromLong(fd);
    if (key == NULL || PyDict_DelItem(((Poll *)op)->dict, key) < 0) {
        return NULL;
    }
    ((Poll *)op)->current = false;
    Py_RETURN_NONE;
}

static int
refresh(Poll *self)
{
    Py_ssize_t n = PyDict_GET_SIZE(self->dict), pos = 0, i = 0;
    struct pollfd *p = PyMem_Realloc(self->fds, (size_t)(n ? n : 1) * sizeof *p);
    if (p == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->fds = p;
    PyObject *key, *value;
    while (i < n && PyDict_Next(self->dict, &pos, &key, &value)) {
        p[i].fd = PyLong_AsInt(key);
        p[i].events = (short)PyLong_AsLong(value);
        p[i].revents = 0;
        i++;
    }
    self->n = i;
    self->current = true;
    return 0;
}

static PyObject *
poll_poll(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Poll *self = (Poll *)op;
    int64_t timeout = -1, deadline = 0;
    int ms = -1;
    if (nargs > 1) {
        PyErr_Format(PyExc_TypeError, "poll expected at most 1 argument, got %zd", nargs);
        return NULL;
    }
    if (nargs == 1 && args[0] != Py_None) {
        if (timeout_ns(args[0], 1000000, "timeout must be an integer or None", &timeout) < 0) {
            return NULL;
        }
        ms = poll_ms(timeout);
        if (ms == -2) {
            PyErr_SetString(PyExc_OverflowError, "timeout is too large");
            return NULL;
        }
        if (timeout >= 0) {
            deadline = now_ns() + timeout;
        }
    }
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "concurrent poll() invocation");
        return NULL;
    }
    if (!self->current && refresh(self) < 0) {
        return NULL;
    }
    self->running = true;
    int n;
    while (true) {
        int err;
        Py_BEGIN_ALLOW_THREADS
        n = poll(self->fds, (nfds_t)self->n, ms);
        err = errno;
        Py_END_ALLOW_THREADS
        if (n >= 0) {
            break;
        }
        if (err != EINTR) {
            self->running = false;
            errno = err;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals() < 0) {
            self->running = false;
            return NULL;
        }
        if (timeout >= 0) {
            int64_t left = deadline - now_ns();
            if (left < 0) {
                n = 0;
                break;
            }
            ms = poll_ms(left);
        }
    }
    self->running = false;
    NJ_OWN list = PyList_New(0);
    for (Py_ssize_t i = 0; list != NULL && n > 0 && i < self->n; i++) {
        if (self->fds[i].revents == 0) {
            continue;
        }
        n--;
        NJ_OWN t = Py_BuildValue("ii", self->fds[i].fd,
                                 (int)(unsigned short)self->fds[i].revents);
        if (t == NULL || PyList_Append(list, t) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static void
poll_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    PyMem_Free(((Poll *)op)->fds);
    Py_XDECREF(((Poll *)op)->dict);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyObject *
select_poll(PyObject *m, PyObject *Py_UNUSED(ignored))
{
    PyTypeObject *tp = state_of(m)->poll_type;
    Poll *self = (Poll *)tp->tp_alloc(tp, 0);
    if (self == NULL) {
        return NULL;
    }
    self->dict = PyDict_New();
    if (self->dict == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

#define FAST(f) (PyCFunction)(void *)(f), METH_FASTCALL
#define KW(f) (PyCFunction)(void *)(f), METH_VARARGS | METH_KEYWORDS

static PyMethodDef poll_methods[] = {
    {"register", FAST(poll_register),
     "register($self, fd,\n         eventmask=select.POLLIN | select.POLLPRI | "
     "select.POLLOUT, /)\n--\n\nWatches a file descriptor."},
    {"modify", FAST(poll_modify),
     "modify($self, fd, eventmask, /)\n--\n\nChanges what is watched for."},
    {"unregister", poll_unregister, METH_O,
     "unregister($self, fd, /)\n--\n\nStops watching a file descriptor."},
    {"poll", FAST(poll_poll),
     "poll($self, timeout=None, /)\n--\n\n"
     "Waits (milliseconds) and returns pairs (fd, events) of what is ready."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot poll_slots[] = {
    {Py_tp_dealloc, poll_dealloc},
    {Py_tp_methods, poll_methods},
    {0, NULL},
};

static PyType_Spec poll_spec = {
    .name = "select.poll",
    .basicsize = sizeof(Poll),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = poll_slots,
};

/* ---- epoll -------------------------------------------------------------------------- */

typedef struct Epoll {
    PyObject_HEAD
    int fd; /* -1: closed */
} Epoll;

static PyObject *
closed_error(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed epoll object");
    return NULL;
}

static PyObject *
make_epoll(PyTypeObject *type, int fd)
{
    Epoll *self = (Epoll *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->fd = fd;
    if (fd == -1) {
        Py_BEGIN_ALLOW_THREADS
        self->fd = epoll_create1(EPOLL_CLOEXEC);
        Py_END_ALLOW_THREADS
        if (self->fd < 0) {
            PyErr_SetFromErrno(PyExc_OSError);
            Py_DECREF(self);
            return NULL;
        }
    }
    return (PyObject *)self;
}

static PyObject *
epoll_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sizehint", "flags", NULL};
    int hint = -1, flags = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|ii:epoll", names, &hint, &flags)) {
        return NULL;
    }
    if (hint != -1 && hint <= 0) {
        PyErr_SetString(PyExc_ValueError, "negative sizehint");
        return NULL;
    }
    if (flags & ~EPOLL_CLOEXEC) {
        PyErr_SetString(PyExc_OSError, "invalid flags");
        return NULL;
    }
    return make_epoll(type, -1);
}

static int
close_epoll(Epoll *self)
{
    int err = 0;
    if (self->fd >= 0) {
        int fd = self->fd;
        self->fd = -1;
        Py_BEGIN_ALLOW_THREADS
        if (close(fd) < 0) {
            err = errno;
        }
        Py_END_ALLOW_THREADS
    }
    return err;
}

static void
epoll_dealloc(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    (void)close_epoll((Epoll *)op);
    tp->tp_free(op);
    Py_DECREF(tp);
}

static PyObject *
epoll_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    errno = close_epoll((Epoll *)op);
    if (errno) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
epoll_fileno(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return ((Epoll *)op)->fd < 0 ? closed_error() : PyLong_FromLong(((Epoll *)op)->fd);
}

static PyObject *
epoll_fromfd(PyObject *type, PyObject *arg)
{
    int fd = PyLong_AsInt(arg);
    if (fd == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return make_epoll((PyTypeObject *)type, fd);
}

static PyObject *
control(Epoll *self, int what, PyObject *file, unsigned events)
{
    int fd = PyObject_AsFileDescriptor(file);
    if (fd == -1) {
        return NULL;
    }
    if (self->fd < 0) {
        return closed_error();
    }
    struct epoll_event ev = {.events = events, .data.fd = fd};
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = epoll_ctl(self->fd, what, fd, what == EPOLL_CTL_DEL ? NULL : &ev);
    Py_END_ALLOW_THREADS
    if (rc < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyObject *
epoll_register(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", "eventmask", NULL};
    PyObject *fd;
    unsigned events = EPOLLIN | EPOLLPRI | EPOLLOUT;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|I:register", names, &fd, &events)) {
        return NULL;
    }
    return control((Epoll *)op, EPOLL_CTL_ADD, fd, events);
}

static PyObject *
epoll_modify(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", "eventmask", NULL};
    PyObject *fd;
    unsigned events;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OI:modify", names, &fd, &events)) {
        return NULL;
    }
    return control((Epoll *)op, EPOLL_CTL_MOD, fd, events);
}

static PyObject *
epoll_unregister(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"fd", NULL};
    PyObject *fd;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:unregister", names, &fd)) {
        return NULL;
    }
    return control((Epoll *)op, EPOLL_CTL_DEL, fd, 0);
}

static PyObject *
epoll_poll(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"timeout", "maxevents", NULL};
    PyObject *arg = Py_None;
    int max = -1;
    Epoll *self = (Epoll *)op;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Oi:poll", names, &arg, &max)) {
        return NULL;
    }
    if (self->fd < 0) {
        return closed_error();
    }
    int64_t timeout = -1, deadline = 0;
    int ms = -1;
    if (arg != Py_None) {
        if (timeout_ns(arg, 1000000000, "timeout must be an integer or None", &timeout) < 0) {
            return NULL;
        }
        ms = poll_ms(timeout);
        if (ms == -2) {
            PyErr_SetString(PyExc_OverflowError, "timeout is too large");
            return NULL;
        }
        if (timeout >= 0) {
            deadline = now_ns() + timeout;
        }
    }
    if (max == -1) {
        max = FD_SETSIZE - 1;
    }
    else if (max < 1) {
        PyErr_Format(PyExc_ValueError, "maxevents must be greater than 0, got %d", max);
        return NULL;
    }
    NJ_OWN_MEM(struct epoll_event) ev = PyMem_Malloc((size_t)max * sizeof *ev);
    if (ev == NULL) {
        return PyErr_NoMemory();
    }
    int n;
    while (true) {
        int err;
        Py_BEGIN_ALLOW_THREADS
        n = epoll_wait(self->fd, ev, max, ms);
        err = errno;
        Py_END_ALLOW_THREADS
        if (n >= 0) {
            break;
        }
        if (err != EINTR) {
            errno = err;
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
        if (timeout >= 0) {
            int64_t left = deadline - now_ns();
            if (left < 0) {
                n = 0;
                break;
            }
            ms = poll_ms(left);
        }
    }
    NJ_OWN list = PyList_New(n);
    for (int i = 0; list != NULL && i < n; i++) {
        PyObject *t = Py_BuildValue("iI", ev[i].data.fd, ev[i].events);
        if (t == NULL) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, t);
    }
    return NJ_TAKE(list);
}

static PyObject *
epoll_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return ((Epoll *)op)->fd < 0 ? closed_error() : Py_NewRef(op);
}

static PyObject *
epoll_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    return PyObject_CallMethod(op, "close", NULL);
}

static PyObject *
get_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Epoll *)op)->fd < 0);
}

static PyMethodDef epoll_methods[] = {
    {"fromfd", epoll_fromfd, METH_O | METH_CLASS,
     "fromfd($type, fd, /)\n--\n\nAn epoll object of a given control fd."},
    {"close", epoll_close, METH_NOARGS,
     "close($self, /)\n--\n\nCloses the control file descriptor."},
    {"fileno", epoll_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\nThe control file descriptor."},
    {"modify", KW(epoll_modify),
     "modify($self, /, fd, eventmask)\n--\n\nChanges what is watched for."},
    {"register", KW(epoll_register),
     "register($self, /, fd,\n         eventmask=select.EPOLLIN | select.EPOLLPRI | "
     "select.EPOLLOUT)\n--\n\nWatches a file descriptor."},
    {"unregister", KW(epoll_unregister),
     "unregister($self, /, fd)\n--\n\nStops watching a file descriptor."},
    {"poll", KW(epoll_poll),
     "poll($self, /, timeout=None, maxevents=-1)\n--\n\n"
     "Waits (seconds) and returns pairs (fd, events) of what is ready."},
    {"__enter__", epoll_enter, METH_NOARGS, "__enter__($self, /)\n--\n\n"},
    {"__exit__", FAST(epoll_exit),
     "__exit__($self, exc_type=None, exc_value=None, exc_tb=None, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef epoll_getset[] = {
    {"closed", get_closed, NULL, "True if the epoll handler is closed", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot epoll_slots[] = {
    {Py_tp_dealloc, epoll_dealloc},
    {Py_tp_doc, "select.epoll(sizehint=-1, flags=0)\n\n"
                "Returns an epolling object. Both arguments are there for compatibility: a\n"
                "size hint (not negative) and 0 or EPOLL_CLOEXEC."},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_getset, epoll_getset},
    {Py_tp_methods, epoll_methods},
    {Py_tp_new, epoll_new},
    {0, NULL},
};

static PyType_Spec epoll_spec = {
    .name = "select.epoll",
    .basicsize = sizeof(Epoll),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = epoll_slots,
};

/* ---- the module --------------------------------------------------------------------- */

static int
select_exec(PyObject *m)
{
    State *st = state_of(m);
    if (PyModule_AddObjectRef(m, "error", PyExc_OSError) < 0) {
        return -1;
    }
#define CONSTANT(name)                                                                   \
    if (PyModule_Add(m, #name, PyLong_FromUnsignedLong((unsigned)(name))) < 0) {         \
        return -1;                                                                       \
    }
    CONSTANT(PIPE_BUF)
    st->poll_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &poll_spec, NULL);
    if (st->poll_type == NULL) {
        return -1;
    }
    CONSTANT(POLLIN)
    CONSTANT(POLLPRI)
    CONSTANT(POLLOUT)
    CONSTANT(POLLERR)
    CONSTANT(POLLHUP)
    CONSTANT(POLLNVAL)
    CONSTANT(POLLRDNORM)
    CONSTANT(POLLRDBAND)
    CONSTANT(POLLWRNORM)
    CONSTANT(POLLWRBAND)
    CONSTANT(POLLMSG)
    CONSTANT(POLLRDHUP)
    st->epoll_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &epoll_spec, NULL);
    if (st->epoll_type == NULL || PyModule_AddType(m, st->epoll_type) < 0) {
        return -1;
    }
    CONSTANT(EPOLLIN)
    CONSTANT(EPOLLOUT)
    CONSTANT(EPOLLPRI)
    CONSTANT(EPOLLERR)
    CONSTANT(EPOLLHUP)
    CONSTANT(EPOLLRDHUP)
    CONSTANT(EPOLLET)
    CONSTANT(EPOLLONESHOT)
    CONSTANT(EPOLLEXCLUSIVE)
    CONSTANT(EPOLLRDNORM)
    CONSTANT(EPOLLRDBAND)
    CONSTANT(EPOLLWRNORM)
    CONSTANT(EPOLLWRBAND)
    CONSTANT(EPOLLMSG)
    CONSTANT(EPOLLWAKEUP)
    CONSTANT(EPOLL_CLOEXEC)
#undef CONSTANT
    return 0;
}

static int
select_traverse(PyObject *m, visitproc visit, void *arg)
{
    Py_VISIT(state_of(m)->poll_type);
    Py_VISIT(state_of(m)->epoll_type);
    return 0;
}

static int
select_clear(PyObject *m)
{
    Py_CLEAR(state_of(m)->poll_type);
    Py_CLEAR(state_of(m)->epoll_type);
    return 0;
}

static void
select_free(void *m)
{
    select_clear(m);
}

static PyMethodDef select_methods[] = {
    {"select", FAST(select_select),
     "select($module, rlist, wlist, xlist, timeout=None, /)\n--\n\n"
     "Waits until file descriptors are ready for reading, writing, or have exceptional\n"
     "conditions; returns the three lists of what is ready."},
    {"poll", select_poll, METH_NOARGS, "poll($module, /)\n--\n\nA new polling object."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot select_slots[] = {
    {Py_mod_exec, select_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef select_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "select",
    .m_doc = "Waiting for file descriptors: select(), poll() and epoll.",
    .m_size = sizeof(State),
    .m_methods = select_methods,
    .m_slots = select_slots,
    .m_traverse = select_traverse,
    .m_clear = select_clear,
    .m_free = select_free,
};

PyMODINIT_FUNC PyInit_select(void);
PyMODINIT_FUNC
PyInit_select(void)
{
    return PyModuleDef_Init(&select_module);
}

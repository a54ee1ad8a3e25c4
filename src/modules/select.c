/* select.c - the select module: select(), poll objects, epoll objects.
 *
 * Waits run without the GIL and go on after EINTR with what is left of the timeout, once
 * signal handlers have run. A poll object may not wait in two threads at once.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "modules/timeout.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

typedef struct SelectState {
    PyTypeObject *poll_type, *epoll_type;
} SelectState;

typedef struct Poll {
    PyObject_HEAD
    PyObject *dict;     /* fd -> events, in order of registration */
    struct pollfd *fds; /* made from dict when stale */
    int nfds;
    bool fresh, running;
} Poll;

typedef struct Epoll {
    PyObject_HEAD
    int fd; /* -1: closed */
} Epoll;

static SelectState *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* ---- select() ----------------------------------------------------------------------------- */

typedef struct FdEntry {
    PyObject *object; /* owned */
    int fd;
} FdEntry;

typedef struct FdList {
    FdEntry entries[FD_SETSIZE];
    int n;
    fd_set set;
} FdList;

static void
free_lists(FdList **lists)
{
    if (*lists) {
        for (int k = 0; k < 3; k++) {
            for (int i = 0; i < (*lists)[k].n; i++) {
                Py_DECREF((*lists)[k].entries[i].object);
            }
        }
        PyMem_Free(*lists);
    }
}

/* Fills list from a sequence; returns the greatest descriptor or -1, -2 on error. */
static int
read_fds(PyObject *seq, FdList *list)
{
    int max = -1;
    FD_ZERO(&list->set);
    NJ_OWN fast = PySequence_Fast(seq, "arguments 1-3 must be sequences");
    if (!fast) {
        return -2;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(fast); i++) {
        NJ_OWN o = Py_NewRef(PySequence_Fast_GET_ITEM(fast, i));
        int fd = PyObject_AsFileDescriptor(o);
        if (fd == -1) {
            return -2;
        }
        if (fd >= FD_SETSIZE) {
            PyErr_SetString(PyExc_ValueError,
                            "filedescriptor out of range in select()");
            return -2;
        }
        if (list->n >= FD_SETSIZE) {
            PyErr_SetString(PyExc_ValueError,
                            "too many file descriptors in select()");
            return -2;
        }
        FD_SET(fd, &list->set);
        max = fd > max ? fd : max;
        list->entries[list->n++] = (FdEntry){NJ_TAKE(o), fd};
    }
    return max;
}

static PyObject *
ready_list(FdList *list)
{
    NJ_OWN out = PyList_New(0);
    for (int i = 0; out && i < list->n; i++) {
        if (FD_ISSET(list->entries[i].fd, &list->set)
            && PyList_Append(out, list->entries[i].object) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(out);
}

static PyObject *
select_select(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("select", nargs, 3, 4)) {
        return NULL;
    }
    PyTime_t timeout = -1, deadline = 0;
    if (nargs > 3 && args[3] != Py_None) {
        if (nj_timeout_read(args[3], 1000000000, &timeout) < 0) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_SetString(PyExc_TypeError, "timeout must be a float or None");
            }
            return NULL;
        }
        if (timeout < 0) {
            PyErr_SetString(PyExc_ValueError, "timeout must be non-negative");
            return NULL;
        }
        deadline = nj_timeout_deadline(timeout);
    }
    __attribute__((cleanup(free_lists))) FdList *lists =
        PyMem_Malloc(3 * sizeof(FdList));
    if (!lists) {
        return PyErr_NoMemory();
    }
    lists[0].n = lists[1].n = lists[2].n = 0;
    int max = -1;
    for (int k = 0; k < 3; k++) {
        int m = read_fds(args[k], &lists[k]);
        if (m == -2) {
            return NULL;
        }
        max = m > max ? m : max;
    }
    fd_set asked[3] = {lists[0].set, lists[1].set, lists[2].set};
    int n;
    for (;;) {
        struct timeval tv, *tvp = NULL;
        if (timeout >= 0) {
            PyTime_t us = timeout / 1000 + (timeout % 1000 != 0);
            tv.tv_sec = us / 1000000;
            tv.tv_usec = us % 1000000;
            tvp = &tv;
        }
        Py_BEGIN_ALLOW_THREADS
        errno = 0;
        n = select(max + 1, &lists[0].set, &lists[1].set, &lists[2].set, tvp);
        Py_END_ALLOW_THREADS
        if (n >= 0 || errno != EINTR) {
            break;
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
        if (timeout >= 0) {
            timeout = deadline - nj_timeout_now();
            if (timeout < 0) {
                n = 0;
                break;
            }
        }
        for (int k = 0; k < 3; k++) {
            lists[k].set = asked[k];
        }
    }
    if (n < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (n == 0) {
        for (int k = 0; k < 3; k++) {
            FD_ZERO(&lists[k].set);
        }
    }
    NJ_OWN r = ready_list(&lists[0]);
    NJ_OWN w = r ? ready_list(&lists[1]) : NULL;
    NJ_OWN x = w ? ready_list(&lists[2]) : NULL;
    return x ? PyTuple_Pack(3, r, w, x) : NULL;
}

/* ---- poll --------------------------------------------------------------------------------- */

/* The timeout argument of poll() in ms, -1 for ever. 0/-1. */
static int
read_ms(PyObject *o, PyTime_t *timeout, PyTime_t *ms)
{
    *timeout = -1;
    *ms = -1;
    if (!o || o == Py_None) {
        return 0;
    }
    if (nj_timeout_read(o, 1000000, timeout) < 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError, "timeout must be an integer or None");
        }
        return -1;
    }
    *ms = nj_timeout_ms(*timeout);
    if (*ms < INT_MIN || *ms > INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "timeout is too large");
        return -1;
    }
    if (*timeout < 0) {
        *timeout = *ms = -1;
    }
    return 0;
}

static int
read_events(PyObject *o, unsigned short *out)
{
    long v = PyLong_AsLong(o);
    if (v == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (v < 0) {
        PyErr_SetString(PyExc_ValueError, "value must be positive");
        return -1;
    }
    if (v > USHRT_MAX) {
        PyErr_SetString(PyExc_OverflowError,
                        "Python int too large for C unsigned short");
        return -1;
    }
    *out = (unsigned short)v;
    return 0;
}

static int
store_events(Poll *self, int fd, unsigned short events)
{
    NJ_OWN key = PyLong_FromLong(fd);
    NJ_OWN value = key ? PyLong_FromLong(events) : NULL;
    if (!value || PyDict_SetItem(self->dict, key, value) < 0) {
        return -1;
    }
    self->fresh = false;
    return 0;
}

static PyObject *
poll_register(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("register", nargs, 1, 2)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(args[0]);
    unsigned short events = POLLIN | POLLPRI | POLLOUT;
    if (fd == -1 || (nargs > 1 && read_events(args[1], &events) < 0)
        || store_events((Poll *)op, fd, events) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
poll_modify(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Poll *self = (Poll *)op;
    if (!_PyArg_CheckPositional("modify", nargs, 2, 2)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(args[0]);
    unsigned short events;
    if (fd == -1 || read_events(args[1], &events) < 0) {
        return NULL;
    }
    NJ_OWN key = PyLong_FromLong(fd);
    int known = key ? PyDict_Contains(self->dict, key) : -1;
    if (known < 0) {
        return NULL;
    }
    if (!known) {
        errno = ENOENT;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (store_events(self, fd, events) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
poll_unregister(PyObject *op, PyObject *arg)
{
    Poll *self = (Poll *)op;
    int fd = PyObject_AsFileDescriptor(arg);
    NJ_OWN key = fd == -1 ? NULL : PyLong_FromLong(fd);
    if (!key || PyDict_DelItem(self->dict, key) < 0) {
        return NULL;
    }
    self->fresh = false;
    Py_RETURN_NONE;
}

static int
refresh(Poll *self)
{
    Py_ssize_t n = PyDict_GET_SIZE(self->dict), pos = 0;
    struct pollfd *fds = PyMem_Realloc(self->fds, (size_t)(n ? n : 1) * sizeof(*fds));
    if (!fds) {
        PyErr_NoMemory();
        return -1;
    }
    self->fds = fds;
    self->nfds = 0;
    PyObject *key, *value;
    while (PyDict_Next(self->dict, &pos, &key, &value)) {
        fds[self->nfds].fd = (int)PyLong_AsLong(key);
        fds[self->nfds].events = (short)PyLong_AsLong(value);
        fds[self->nfds++].revents = 0;
    }
    self->fresh = true;
    return 0;
}

static PyObject *
poll_poll(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    Poll *self = (Poll *)op;
    if (!_PyArg_CheckPositional("poll", nargs, 0, 1)) {
        return NULL;
    }
    PyTime_t timeout, ms, deadline = 0;
    if (read_ms(nargs ? args[0] : NULL, &timeout, &ms) < 0) {
        return NULL;
    }
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError, "concurrent poll() invocation");
        return NULL;
    }
    if (!self->fresh && refresh(self) < 0) {
        return NULL;
    }
    if (timeout >= 0) {
        deadline = nj_timeout_deadline(timeout);
    }
    self->running = true;
    int n, raised = 0;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        errno = 0;
        n = poll(self->fds, (nfds_t)self->nfds, (int)ms);
        Py_END_ALLOW_THREADS
        if (n >= 0 || errno != EINTR) {
            break;
        }
        if (PyErr_CheckSignals() < 0) {
            raised = 1;
            break;
        }
        if (timeout >= 0) {
            timeout = deadline - nj_timeout_now();
            if (timeout < 0) {
                n = 0;
                break;
            }
            ms = nj_timeout_ms(timeout);
        }
    }
    self->running = false;
    if (raised) {
        return NULL;
    }
    if (n < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    NJ_OWN out = PyList_New(0);
    for (int i = 0; out && n > 0 && i < self->nfds; i++) {
        if (self->fds[i].revents) {
            n--;
            NJ_OWN pair = Py_BuildValue("ii", self->fds[i].fd,
                                        self->fds[i].revents & 0xffff);
            if (!pair || PyList_Append(out, pair) < 0) {
                return NULL;
            }
        }
    }
    return NJ_TAKE(out);
}

static void
poll_dealloc(PyObject *op)
{
    Poll *self = (Poll *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyMem_Free(self->fds);
    Py_XDECREF(self->dict);
    PyObject_Free(op);
    Py_DECREF(type);
}

static PyObject *
select_poll(PyObject *module, PyObject *Py_UNUSED(ignored))
{
    Poll *self = PyObject_New(Poll, state_of(module)->poll_type);
    if (!self) {
        return NULL;
    }
    self->fds = NULL;
    self->nfds = 0;
    self->fresh = self->running = false;
    self->dict = PyDict_New();
    if (!self->dict) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef poll_methods[] = {
    {"register", FAST(poll_register), METH_FASTCALL,
     "register($self, fd,\n"
     "         eventmask=select.POLLIN | select.POLLPRI | select.POLLOUT, /)\n--\n\n"
     "Register a file descriptor with the polling object."},
    {"modify", FAST(poll_modify), METH_FASTCALL,
     "modify($self, fd, eventmask, /)\n--\n\nModify an already registered descriptor."},
    {"unregister", poll_unregister, METH_O,
     "unregister($self, fd, /)\n--\n\nRemove a file descriptor."},
    {"poll", FAST(poll_poll), METH_FASTCALL,
     "poll($self, timeout=None, /)\n--\n\nWait for events; a list of (fd, event)."},
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

/* ---- epoll -------------------------------------------------------------------------------- */

static PyObject *
closed_error(void)
{
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed epoll object");
    return NULL;
}

static PyObject *
epoll_make(PyTypeObject *type, int fd)
{
    if (fd == -1) {
        Py_BEGIN_ALLOW_THREADS
        fd = epoll_create1(EPOLL_CLOEXEC);
        Py_END_ALLOW_THREADS
        if (fd < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
    }
    Epoll *self = (Epoll *)type->tp_alloc(type, 0);
    if (!self) {
        close(fd);
        return NULL;
    }
    self->fd = fd;
    return (PyObject *)self;
}

static PyObject *
epoll_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sizehint", "flags", NULL};
    int sizehint = -1, flags = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|ii:epoll", names, &sizehint,
                                     &flags)) {
        return NULL;
    }
    if (sizehint != -1 && sizehint <= 0) {
        PyErr_SetString(PyExc_ValueError, "negative sizehint");
        return NULL;
    }
    if (flags && flags != EPOLL_CLOEXEC) {
        PyErr_SetString(PyExc_OSError, "invalid flags");
        return NULL;
    }
    return epoll_make(type, -1);
}

static PyObject *
epoll_fromfd(PyObject *type, PyObject *arg)
{
    int fd = PyLong_AsInt(arg);
    if (fd == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return epoll_make((PyTypeObject *)type, fd);
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

static PyObject *
epoll_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    int err = close_epoll((Epoll *)op);
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static void
epoll_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    close_epoll((Epoll *)op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
epoll_closed(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Epoll *)op)->fd < 0);
}

static PyObject *
epoll_fileno(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Epoll *self = (Epoll *)op;
    return self->fd < 0 ? closed_error() : PyLong_FromLong(self->fd);
}

static PyObject *
control(Epoll *self, int what, PyObject *target, unsigned events)
{
    int fd = PyObject_AsFileDescriptor(target);
    if (fd == -1) {
        return NULL;
    }
    if (self->fd < 0) {
        return closed_error();
    }
    struct epoll_event ev = {.events = events, .data.fd = fd};
    int r;
    Py_BEGIN_ALLOW_THREADS
    r = epoll_ctl(self->fd, what, fd, &ev);
    Py_END_ALLOW_THREADS
    if (r < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static int
read_mask(PyObject *o, unsigned *out)
{
    unsigned long v = PyLong_AsUnsignedLongMask(o);
    if (v == (unsigned long)-1 && PyErr_Occurred()) {
        return -1;
    }
    *out = (unsigned)v;
    return 0;
}

static PyObject *
epoll_register(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"fd", "eventmask", NULL};
    static const NjParams params = {"register", names, 2, 1, 0};
    PyObject *v[2];
    unsigned events = EPOLLIN | EPOLLPRI | EPOLLOUT;
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0
        || (v[1] && read_mask(v[1], &events) < 0)) {
        return NULL;
    }
    return control((Epoll *)op, EPOLL_CTL_ADD, v[0], events);
}

static PyObject *
epoll_modify(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"fd", "eventmask", NULL};
    static const NjParams params = {"modify", names, 2, 2, 0};
    PyObject *v[2];
    unsigned events;
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0
        || read_mask(v[1], &events) < 0) {
        return NULL;
    }
    return control((Epoll *)op, EPOLL_CTL_MOD, v[0], events);
}

static PyObject *
epoll_unregister(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const char *const names[] = {"fd", NULL};
    static const NjParams params = {"unregister", names, 1, 1, 0};
    PyObject *v[1];
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    return control((Epoll *)op, EPOLL_CTL_DEL, v[0], 0);
}

static PyObject *
epoll_poll(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"timeout", "maxevents", NULL};
    static const NjParams params = {"poll", names, 2, 0, 0};
    Epoll *self = (Epoll *)op;
    PyObject *v[2];
    if (nj_args_bind(&params, args, nargs, kwnames, v) < 0) {
        return NULL;
    }
    int max = -1;
    if (v[1]) {
        max = PyLong_AsInt(v[1]);
        if (max == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    if (self->fd < 0) {
        return closed_error();
    }
    PyTime_t timeout = -1, deadline = 0, ms = -1;
    if (v[0] && v[0] != Py_None) {
        /* here the unit is the second */
        if (nj_timeout_read(v[0], 1000000000, &timeout) < 0) {
            if (PyErr_ExceptionMatches(PyExc_TypeError)) {
                PyErr_SetString(PyExc_TypeError,
                                "timeout must be an integer or None");
            }
            return NULL;
        }
        ms = nj_timeout_ms(timeout);
        if (ms < INT_MIN || ms > INT_MAX) {
            PyErr_SetString(PyExc_OverflowError, "timeout is too large");
            return NULL;
        }
        if (timeout < 0) {
            timeout = ms = -1;
        } else {
            deadline = nj_timeout_deadline(timeout);
        }
    }
    if (max == -1) {
        max = FD_SETSIZE - 1;
    } else if (max < 1) {
        PyErr_Format(PyExc_ValueError, "maxevents must be greater than 0, got %d", max);
        return NULL;
    }
    NJ_OWN_MEM(struct epoll_event) events = PyMem_New(struct epoll_event, max);
    if (!events) {
        return PyErr_NoMemory();
    }
    int n;
    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        errno = 0;
        n = epoll_wait(self->fd, events, max, (int)ms);
        Py_END_ALLOW_THREADS
        if (n >= 0 || errno != EINTR) {
            break;
        }
        if (PyErr_CheckSignals() < 0) {
            return NULL;
        }
        if (timeout >= 0) {
            timeout = deadline - nj_timeout_now();
            if (timeout < 0) {
                n = 0;
                break;
            }
            ms = nj_timeout_ms(timeout);
        }
    }
    if (n < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    NJ_OWN out = PyList_New(n);
    for (int i = 0; out && i < n; i++) {
        PyObject *pair = Py_BuildValue("iI", events[i].data.fd, events[i].events);
        if (!pair) {
            return NULL;
        }
        PyList_SET_ITEM(out, i, pair);
    }
    return NJ_TAKE(out);
}

static PyObject *
epoll_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return ((Epoll *)op)->fd < 0 ? closed_error() : Py_NewRef(op);
}

static PyObject *
epoll_exit(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("__exit__", nargs, 0, 3)) {
        return NULL;
    }
    return PyObject_CallMethodNoArgs(op, NJ_ID(close));
}

static PyMethodDef epoll_methods[] = {
    {"fromfd", epoll_fromfd, METH_O | METH_CLASS,
     "fromfd($type, fd, /)\n--\n\nCreate an epoll object from a control descriptor."},
    {"close", epoll_close, METH_NOARGS,
     "close($self, /)\n--\n\nClose the epoll control file descriptor."},
    {"fileno", epoll_fileno, METH_NOARGS,
     "fileno($self, /)\n--\n\nReturn the epoll control file descriptor."},
    {"modify", FAST(epoll_modify), METH_FASTCALL | METH_KEYWORDS,
     "modify($self, /, fd, eventmask)\n--\n\nModify the events of a descriptor."},
    {"register", FAST(epoll_register), METH_FASTCALL | METH_KEYWORDS,
     "register($self, /, fd,\n"
     "         eventmask=select.EPOLLIN | select.EPOLLPRI | select.EPOLLOUT)\n--\n\n"
     "Register a new descriptor."},
    {"unregister", FAST(epoll_unregister), METH_FASTCALL | METH_KEYWORDS,
     "unregister($self, /, fd)\n--\n\nRemove a registered descriptor."},
    {"poll", FAST(epoll_poll), METH_FASTCALL | METH_KEYWORDS,
     "poll($self, /, timeout=None, maxevents=-1)\n--\n\nWait for events."},
    {"__enter__", epoll_enter, METH_NOARGS, "__enter__($self, /)\n--\n\n"},
    {"__exit__", FAST(epoll_exit), METH_FASTCALL,
     "__exit__($self, exc_type=None, exc_value=None, exc_tb=None, /)\n--\n\n"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef epoll_getset[] = {
    {"closed", epoll_closed, NULL, "True if the epoll handler is closed", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot epoll_slots[] = {
    {Py_tp_dealloc, epoll_dealloc},
    {Py_tp_doc, "select.epoll(sizehint=-1, flags=0)\n\nReturns an epolling object."},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_methods, epoll_methods},
    {Py_tp_getset, epoll_getset},
    {Py_tp_new, epoll_new},
    {0, NULL},
};

static PyType_Spec epoll_spec = {
    .name = "select.epoll",
    .basicsize = sizeof(Epoll),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = epoll_slots,
};

/* ---- the module --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned value;
} constants[] = {
#define C(n) {#n, (unsigned)n},
    C(POLLIN) C(POLLPRI) C(POLLOUT) C(POLLERR) C(POLLHUP) C(POLLNVAL) C(POLLRDNORM)
    C(POLLRDBAND) C(POLLWRNORM) C(POLLWRBAND) C(POLLMSG) C(POLLRDHUP) C(PIPE_BUF)
    C(EPOLLIN) C(EPOLLOUT) C(EPOLLPRI) C(EPOLLERR) C(EPOLLHUP) C(EPOLLRDHUP)
    C(EPOLLET) C(EPOLLONESHOT) C(EPOLLEXCLUSIVE) C(EPOLLRDNORM) C(EPOLLRDBAND)
    C(EPOLLWRNORM) C(EPOLLWRBAND) C(EPOLLMSG) C(EPOLL_CLOEXEC) C(EPOLLWAKEUP)
#undef C
};

static int
select_exec(PyObject *module)
{
    SelectState *st = state_of(module);
    st->poll_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &poll_spec, NULL);
    st->epoll_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &epoll_spec, NULL);
    if (!st->poll_type || !st->epoll_type || PyModule_AddType(module, st->epoll_type) < 0
        || PyModule_AddObjectRef(module, "error", PyExc_OSError) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_Add(module, constants[i].name,
                         PyLong_FromUnsignedLong(constants[i].value)) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
select_traverse(PyObject *module, visitproc visit, void *arg)
{
    SelectState *st = state_of(module);
    Py_VISIT(st->poll_type);
    Py_VISIT(st->epoll_type);
    return 0;
}

static int
select_clear(PyObject *module)
{
    SelectState *st = state_of(module);
    Py_CLEAR(st->poll_type);
    Py_CLEAR(st->epoll_type);
    return 0;
}

static void
select_free(void *module)
{
    select_clear(module);
}

static PyMethodDef select_methods[] = {
    {"select", FAST(select_select), METH_FASTCALL,
     "select($module, rlist, wlist, xlist, timeout=None, /)\n--\n\n"
     "Wait until one or more file descriptors are ready for some kind of I/O."},
    {"poll", select_poll, METH_NOARGS,
     "poll($module, /)\n--\n\nReturns a polling object."},
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
    .m_doc = "Waiting for I/O on several file descriptors.",
    .m_size = sizeof(SelectState),
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

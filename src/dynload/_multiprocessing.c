/* _multiprocessing.c - named POSIX semaphores as locks between processes: SemLock.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <sys/stat.h>
#include <time.h>

enum { RECURSIVE_MUTEX, SEMAPHORE };

typedef struct {
    PyObject_HEAD
    sem_t *handle;
    unsigned long owner; /* the thread that acquired last */
    int count;           /* acquired minus released, in this process */
    int maxvalue;
    int kind;
    char *name; /* NULL if the name is gone already */
} SemLock;

#define LOCK(o) ((SemLock *)(o))

static bool
is_mine(SemLock *self)
{
    return self->count > 0 && PyThread_get_thread_ident() == self->owner;
}

static PyObject *
new_lock(PyTypeObject *type, sem_t *handle, int kind, int maxvalue, const char *name)
{
    NJ_OWN_MEM(char) copy = NULL;
    if (name) {
        copy = PyMem_Malloc(strlen(name) + 1);
        if (!copy) {
            return PyErr_NoMemory();
        }
        strcpy(copy, name);
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self) {
        SemLock *lock = LOCK(self);
        lock->handle = handle;
        lock->kind = kind;
        lock->maxvalue = maxvalue;
        lock->name = copy;
        copy = NULL;
    }
    return self;
}

/* A str argument without null characters as UTF-8, borrowed. */
static const char *
text_of(PyObject *o, const char *where)
{
    if (!PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.50s", where,
                     Py_IsNone(o) ? "None" : Py_TYPE(o)->tp_name);
        return NULL;
    }
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(o, &n);
    if (s && strlen(s) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return s;
}

static PyObject *
semlock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"kind", "value", "maxvalue", "name", "unlink", NULL};
    int kind, value, maxvalue, unlink;
    PyObject *oname;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "iiiOp:SemLock", names, &kind, &value,
                                     &maxvalue, &oname, &unlink)) {
        return NULL;
    }
    const char *name = text_of(oname, "SemLock() argument 'name'");
    if (!name) {
        return NULL;
    }
    if (kind != RECURSIVE_MUTEX && kind != SEMAPHORE) {
        PyErr_SetString(PyExc_ValueError, "unrecognized kind");
        return NULL;
    }
    sem_t *handle = sem_open(name, O_CREAT | O_EXCL, 0600, (unsigned)value);
    if (handle == SEM_FAILED) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    if (unlink && sem_unlink(name) < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        sem_close(handle);
        return NULL;
    }
    PyObject *self = new_lock(type, handle, kind, maxvalue, unlink ? NULL : name);
    if (!self) {
        sem_close(handle);
        if (!unlink) {
            sem_unlink(name);
        }
    }
    return self;
}

static PyObject *
semlock_rebuild(PyObject *type, PyObject *args)
{
    unsigned long number;
    int kind, maxvalue;
    const char *name;
    if (!PyArg_ParseTuple(args, "kiiz:_rebuild", &number, &kind, &maxvalue, &name)) {
        return NULL;
    }
    sem_t *handle = (sem_t *)number;
    if (name) {
        handle = sem_open(name, 0);
        if (handle == SEM_FAILED) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
    }
    PyObject *self = new_lock((PyTypeObject *)type, handle, kind, maxvalue, name);
    if (!self && name) {
        sem_close(handle);
    }
    return self;
}

static int
semlock_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static void
semlock_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (LOCK(self)->handle) {
        sem_close(LOCK(self)->handle);
    }
    PyMem_Free(LOCK(self)->name);
    tp->tp_free(self);
    Py_DECREF(tp);
}

/* timeout in seconds from now as a point of the real-time clock: 0, or -1. */
static int
deadline_of(PyObject *timeout, struct timespec *when)
{
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (!(seconds > 0)) {
        seconds = 0;
    }
    clock_gettime(CLOCK_REALTIME, when);
    if (seconds > 1e12) {
        seconds = 1e12;
    }
    time_t whole = (time_t)seconds;
    when->tv_sec += whole;
    when->tv_nsec += (long)((seconds - (double)whole) * 1e9 + 0.5);
    if (when->tv_nsec >= 1000000000) {
        when->tv_sec++;
        when->tv_nsec -= 1000000000;
    }
    return 0;
}

static PyObject *
acquire(PyObject *self, bool blocking, PyObject *timeout)
{
    SemLock *lock = LOCK(self);
    struct timespec when;
    if (timeout != Py_None && deadline_of(timeout, &when) < 0) {
        return NULL;
    }
    if (lock->kind == RECURSIVE_MUTEX && is_mine(lock)) {
        lock->count++;
        Py_RETURN_TRUE;
    }
    int rc, err = 0;
    do { /* without a wait first: no need to let other threads run */
        rc = sem_trywait(lock->handle);
        err = errno;
    } while (rc < 0 && err == EINTR && !PyErr_CheckSignals());
    while (rc < 0 && (err == EAGAIN || err == EINTR) && blocking && !PyErr_Occurred()) {
        Py_BEGIN_ALLOW_THREADS
        rc = timeout == Py_None ? sem_wait(lock->handle)
                                : sem_timedwait(lock->handle, &when);
        err = errno;
        Py_END_ALLOW_THREADS
        if (rc < 0 && err == EINTR) {
            (void)PyErr_CheckSignals();
        }
    }
    if (rc < 0) {
        if (PyErr_Occurred()) {
            return NULL;
        }
        if (err == EAGAIN || err == ETIMEDOUT) {
            Py_RETURN_FALSE;
        }
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    lock->count++;
    lock->owner = PyThread_get_thread_ident();
    Py_RETURN_TRUE;
}

static PyObject *
semlock_acquire(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"block", "timeout", NULL};
    int block = 1;
    PyObject *timeout = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|pO:acquire", names, &block,
                                     &timeout)) {
        return NULL;
    }
    return acquire(self, block, timeout);
}

static PyObject *
semlock_release(PyObject *self, PyObject *ignored)
{
    SemLock *lock = LOCK(self);
    if (lock->kind == RECURSIVE_MUTEX) {
        if (!is_mine(lock)) {
            PyErr_SetString(PyExc_AssertionError,
                            "attempt to release recursive lock not owned by thread");
            return NULL;
        }
        if (lock->count > 1) {
            lock->count--;
            Py_RETURN_NONE;
        }
    }
    else {
        int value;
        if (sem_getvalue(lock->handle, &value) < 0) {
            return PyErr_SetFromErrno(PyExc_OSError);
        }
        if (value >= lock->maxvalue) {
            PyErr_SetString(PyExc_ValueError,
                            "semaphore or lock released too many times");
            return NULL;
        }
    }
    if (sem_post(lock->handle) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    lock->count--;
    Py_RETURN_NONE;
}

static PyObject *
semlock_enter(PyObject *self, PyObject *ignored)
{
    return acquire(self, true, Py_None);
}

static PyObject *
semlock_exit(PyObject *self, PyObject *args)
{
    PyObject *type, *value, *tb;
    if (!PyArg_UnpackTuple(args, "__exit__", 0, 3, &type, &value, &tb)) {
        return NULL;
    }
    return semlock_release(self, NULL);
}

static PyObject *
semlock_count(PyObject *self, PyObject *ignored)
{
    return PyLong_FromLong(LOCK(self)->count);
}

static PyObject *
semlock_is_mine(PyObject *self, PyObject *ignored)
{
    return PyBool_FromLong(is_mine(LOCK(self)));
}

static PyObject *
semlock_get_value(PyObject *self, PyObject *ignored)
{
    int value;
    if (sem_getvalue(LOCK(self)->handle, &value) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    /* POSIX lets it be negative while processes wait. */
    return PyLong_FromLong(value < 0 ? 0 : value);
}

static PyObject *
semlock_is_zero(PyObject *self, PyObject *ignored)
{
    int value;
    if (sem_getvalue(LOCK(self)->handle, &value) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyBool_FromLong(value == 0);
}

static PyObject *
semlock_after_fork(PyObject *self, PyObject *ignored)
{
    LOCK(self)->count = 0;
    Py_RETURN_NONE;
}

static PyMethodDef semlock_methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))semlock_acquire, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("acquire($self, /, block=True, timeout=None)\n--\n\n"
               "Take the lock; False if it stayed taken.")},
    {"release", semlock_release, METH_NOARGS,
     PyDoc_STR("release($self, /)\n--\n\nGive the lock back.")},
    {"_count", semlock_count, METH_NOARGS,
     PyDoc_STR("_count($self, /)\n--\n\n"
               "How often this process acquired more than it released.")},
    {"_is_mine", semlock_is_mine, METH_NOARGS,
     PyDoc_STR("_is_mine($self, /)\n--\n\nDoes this thread hold the lock?")},
    {"_get_value", semlock_get_value, METH_NOARGS,
     PyDoc_STR("_get_value($self, /)\n--\n\nThe semaphore's value.")},
    {"_is_zero", semlock_is_zero, METH_NOARGS,
     PyDoc_STR("_is_zero($self, /)\n--\n\nIs the semaphore's value 0?")},
    {"_rebuild", semlock_rebuild, METH_VARARGS | METH_CLASS,
     PyDoc_STR("_rebuild($type, handle, kind, maxvalue, name, /)\n--\n\n")},
    {"_after_fork", semlock_after_fork, METH_NOARGS,
     PyDoc_STR("_after_fork($self, /)\n--\n\nForget what the parent had acquired.")},
    {"__enter__", semlock_enter, METH_NOARGS,
     PyDoc_STR("__enter__($self, /)\n--\n\nTake the lock.")},
    {"__exit__", semlock_exit, METH_VARARGS,
     PyDoc_STR("__exit__($self, exc_type=None, exc_value=None, exc_tb=None, /)\n--\n\n"
               "Give the lock back.")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef semlock_members[] = {
    {"handle", Py_T_ULONG, offsetof(SemLock, handle), Py_READONLY, NULL},
    {"kind", Py_T_INT, offsetof(SemLock, kind), Py_READONLY, NULL},
    {"maxvalue", Py_T_INT, offsetof(SemLock, maxvalue), Py_READONLY, NULL},
    {"name", Py_T_STRING, offsetof(SemLock, name), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot semlock_slots[] = {
    {Py_tp_new, semlock_new},
    {Py_tp_dealloc, semlock_dealloc},
    {Py_tp_traverse, semlock_traverse},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_setattro, PyObject_GenericSetAttr},
    {Py_tp_doc, "A semaphore or recursive mutex that processes share."},
    {Py_tp_methods, semlock_methods},
    {Py_tp_members, semlock_members},
    {0, NULL},
};

static PyType_Spec semlock_spec = {
    .name = "_multiprocessing.SemLock",
    .basicsize = sizeof(SemLock),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = semlock_slots,
};

static PyObject *
unlink_semaphore(PyObject *m, PyObject *o)
{
    const char *name = text_of(o, "sem_unlink() argument");
    if (!name) {
        return NULL;
    }
    if (sem_unlink(name) < 0) {
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"sem_unlink", unlink_semaphore, METH_O,
     PyDoc_STR("sem_unlink($module, name, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static int
multiprocessing_exec(PyObject *m)
{
    NJ_OWN type = PyType_FromModuleAndSpec(m, &semlock_spec, NULL);
    if (!type) {
        return -1;
    }
    /* The type is immutable for everyone else. */
    NJ_OWN limit = PyLong_FromLong(SEM_VALUE_MAX);
    NJ_OWN dict = PyType_GetDict((PyTypeObject *)type);
    if (!limit || !dict || PyDict_SetItemString(dict, "SEM_VALUE_MAX", limit) < 0) {
        return -1;
    }
    PyType_Modified((PyTypeObject *)type);
    if (PyModule_AddType(m, (PyTypeObject *)type) < 0) {
        return -1;
    }
    NJ_OWN flags =
        Py_BuildValue("{s:i,s:i}", "HAVE_SEM_OPEN", 1, "HAVE_SEM_TIMEDWAIT", 1);
    return PyModule_AddObjectRef(m, "flags", flags);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, multiprocessing_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_multiprocessing",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__multiprocessing(void)
{
    return PyModuleDef_Init(&module);
}

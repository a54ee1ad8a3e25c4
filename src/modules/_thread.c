/* _thread.c - threads and locks for Python: the _thread module.
 *
 * lock and RLock sit on PyMutex-like futex locks of their own (a semaphore of lock.c); a
 * waiting thread lets go of the GIL and wakes for signals. A ThreadHandle is shared by its
 * Python object and the running thread; joining waits on an event that the thread sets as
 * its last act with the GIL held. _local keeps each thread's dict in the thread state.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "modules/timeout.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sys/prctl.h>

#define SIG(s) s "\n--\n\n"
#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

int nj_lock_start_thread(void (*func)(void *), void *arg, bool joinable, pthread_t *out);

typedef struct NjThreadModule {
    PyTypeObject *lock_type, *rlock_type, *local_type, *localdummy_type, *handle_type,
        *excargs_type;
} NjThreadModule;

static struct PyModuleDef thread_def;

static NjThreadModule *
state_of(PyObject *mod)
{
    return PyModule_GetState(mod);
}

static NjThreadModule *
state_by_type(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &thread_def);
    return m ? PyModule_GetState(m) : NULL;
}

/* --- waiting ------------------------------------------------------------------------------ */

/* acquire(blocking=True, timeout=-1): microseconds in *us (-1 for ever). 0 / -1 */
static int
parse_acquire(const char *fname, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
              PY_TIMEOUT_T *ns)
{
    static const char *const names[] = {"blocking", "timeout", NULL};
    NjParams params = {fname, names, 2, 0, 0};
    PyObject *a[2];
    *ns = -1;
    if (nargs == 0 && !kwnames) {
        return 0;
    }
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return -1;
    }
    int blocking = 1;
    if (a[0] && (blocking = PyObject_IsTrue(a[0])) < 0) {
        return -1;
    }
    double t = -1;
    bool given = false;
    if (a[1]) {
        t = PyFloat_AsDouble(a[1]);
        if (t == -1.0 && PyErr_Occurred()) {
            return -1;
        }
        given = t != -1.0;
    }
    if (isnan(t)) {
        PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
        return -1;
    }
    if (given && (t > 9.3e9 || t < -9.3e9)) {
        PyErr_SetString(PyExc_OverflowError, t > 9223372036.854775 && t < 1e15
                                                 ? "timeout value is too large"
                                                 : "timestamp out of range for C PyTime_t");
        return -1;
    }
    if (!blocking && given) {
        PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
        return -1;
    }
    if (given && t < 0) {
        PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
        return -1;
    }
    if (!blocking) {
        *ns = 0;
    }
    else if (given) {
        if (t > 9223372036.0) {
            PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
            return -1;
        }
        *ns = (PY_TIMEOUT_T)ceil(t * 1e9);
    }
    return 0;
}

/* --- lock --------------------------------------------------------------------------------------- */

typedef struct NjLock {
    PyObject_HEAD
    PyThread_type_lock lock;
    bool locked;
} NjLock;

static void
lock_dealloc(PyObject *self)
{
    NjLock *l = (NjLock *)self;
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    PyThread_free_lock(l->lock);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static int
heap_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

static PyObject *
new_lock(PyTypeObject *tp)
{
    NjLock *l = (NjLock *)tp->tp_alloc(tp, 0);
    if (!l) {
        return NULL;
    }
    l->lock = PyThread_allocate_lock();
    l->locked = false;
    if (!l->lock) {
        Py_DECREF(l);
        PyErr_SetString(PyExc_RuntimeError, "can't allocate lock");
        return NULL;
    }
    return (PyObject *)l;
}

static PyObject *
lock_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    if (!_PyArg_NoKeywords("lock", kwargs) ||
        !_PyArg_CheckPositional("lock", PyTuple_GET_SIZE(args), 0, 0)) {
        return NULL;
    }
    return new_lock(tp);
}

static PyObject *
lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    NjLock *l = (NjLock *)self;
    PY_TIMEOUT_T ns;
    if (parse_acquire("acquire", args, nargs, kwnames, &ns) < 0) {
        return NULL;
    }
    int r = nj_timeout_wait(l->lock, ns);
    if (r > 0) {
        l->locked = true;
    }
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
lock_enter(PyObject *self, PyObject *unused)
{
    return lock_acquire(self, NULL, 0, NULL);
}

static PyObject *
lock_release(PyObject *self, PyObject *unused)
{
    NjLock *l = (NjLock *)self;
    if (!l->locked) {
        PyErr_SetString(PyExc_RuntimeError, "release unlocked lock");
        return NULL;
    }
    l->locked = false;
    PyThread_release_lock(l->lock);
    Py_RETURN_NONE;
}

static PyObject *
lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return lock_release(self, NULL);
}

static PyObject *
lock_locked(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(((NjLock *)self)->locked);
}

static PyObject *
lock_at_fork_reinit(PyObject *self, PyObject *unused)
{
    NjLock *l = (NjLock *)self;
    PyThread_type_lock fresh = PyThread_allocate_lock();
    if (!fresh) {
        PyErr_SetString(PyExc_RuntimeError, "failed to reinitialize lock at fork");
        return NULL;
    }
    l->lock = fresh; /* the old one may be in any state: left alone */
    l->locked = false;
    Py_RETURN_NONE;
}

static PyObject *
lock_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s %s object at %p>",
                                ((NjLock *)self)->locked ? "locked" : "unlocked",
                                Py_TYPE(self)->tp_name, self);
}

#define ACQ "acquire($self, /, blocking=True, timeout=-1)"

static PyMethodDef lock_methods[] = {
    {"acquire_lock", FN(lock_acquire), FK,
     SIG("acquire_lock($self, /, blocking=True, timeout=-1)") "An obsolete synonym of "
                                                              "acquire()."},
    {"acquire", FN(lock_acquire), FK, SIG(ACQ) "Lock the lock."},
    {"release_lock", lock_release, METH_NOARGS,
     SIG("release_lock($self, /)") "An obsolete synonym of release()."},
    {"release", lock_release, METH_NOARGS, SIG("release($self, /)") "Release the lock."},
    {"locked_lock", lock_locked, METH_NOARGS,
     SIG("locked_lock($self, /)") "An obsolete synonym of locked()."},
    {"locked", lock_locked, METH_NOARGS,
     SIG("locked($self, /)") "Return whether the lock is in the locked state."},
    {"__enter__", lock_enter, METH_NOARGS, SIG("__enter__($self, /)") "Lock the lock."},
    {"__exit__", FN(lock_exit), METH_FASTCALL,
     SIG("__exit__($self, /, *exc_info)") "Release the lock."},
    {"_at_fork_reinit", lock_at_fork_reinit, METH_NOARGS,
     SIG("_at_fork_reinit($self, /)") "Make the lock usable in a forked child."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_dealloc, lock_dealloc},
    {Py_tp_repr, lock_repr},
    {Py_tp_doc, SIG("lock()") "A lock object is a synchronization primitive."},
    {Py_tp_methods, lock_methods},
    {Py_tp_traverse, heap_traverse},
    {Py_tp_new, lock_new},
    {0, NULL},
};

static PyType_Spec lock_spec = {
    "_thread.lock", sizeof(NjLock), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
        Py_TPFLAGS_MANAGED_WEAKREF,
    lock_slots};

/* --- RLock ----------------------------------------------------------------------------------------- */

typedef struct NjRLock {
    PyObject_HEAD
    PyThread_type_lock lock;
    unsigned long owner; /* thread id, 0: free */
    unsigned long count;
} NjRLock;

static PyObject *
rlock_new(PyTypeObject *tp, PyObject *args, PyObject *kwargs)
{
    /* a subtype with an __init__ of its own may take what it likes */
    if ((PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs))) &&
        tp->tp_init == PyBaseObject_Type.tp_init) {
        if (PyErr_WarnEx(PyExc_DeprecationWarning,
                         "Passing arguments to RLock is deprecated and will be removed in "
                         "3.15",
                         1) < 0) {
            return NULL;
        }
    }
    NjRLock *l = (NjRLock *)tp->tp_alloc(tp, 0);
    if (!l) {
        return NULL;
    }
    l->owner = l->count = 0;
    l->lock = PyThread_allocate_lock();
    if (!l->lock) {
        Py_DECREF(l);
        PyErr_SetString(PyExc_RuntimeError, "can't allocate lock");
        return NULL;
    }
    return (PyObject *)l;
}

static PyObject *
rlock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    NjRLock *l = (NjRLock *)self;
    PY_TIMEOUT_T ns;
    if (parse_acquire("acquire", args, nargs, kwnames, &ns) < 0) {
        return NULL;
    }
    unsigned long me = PyThread_get_thread_ident();
    if (l->owner == me) {
        if (l->count == ULONG_MAX) {
            PyErr_SetString(PyExc_OverflowError, "Internal lock count overflowed");
            return NULL;
        }
        l->count++;
        Py_RETURN_TRUE;
    }
    int r = nj_timeout_wait(l->lock, ns);
    if (r > 0) {
        l->owner = me;
        l->count = 1;
    }
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
rlock_enter(PyObject *self, PyObject *unused)
{
    return rlock_acquire(self, NULL, 0, NULL);
}

static PyObject *
rlock_release(PyObject *self, PyObject *unused)
{
    NjRLock *l = (NjRLock *)self;
    if (l->count == 0 || l->owner != PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
        return NULL;
    }
    if (--l->count == 0) {
        l->owner = 0;
        PyThread_release_lock(l->lock);
    }
    Py_RETURN_NONE;
}

static PyObject *
rlock_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return rlock_release(self, NULL);
}

static PyObject *
rlock_locked(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(((NjRLock *)self)->count != 0);
}

static PyObject *
rlock_is_owned(PyObject *self, PyObject *unused)
{
    NjRLock *l = (NjRLock *)self;
    return PyBool_FromLong(l->count && l->owner == PyThread_get_thread_ident());
}

static PyObject *
rlock_recursion_count(PyObject *self, PyObject *unused)
{
    NjRLock *l = (NjRLock *)self;
    return PyLong_FromUnsignedLong(l->owner == PyThread_get_thread_ident() ? l->count : 0);
}

static PyObject *
rlock_release_save(PyObject *self, PyObject *unused)
{
    NjRLock *l = (NjRLock *)self;
    if (l->count == 0) {
        PyErr_SetString(PyExc_RuntimeError, "cannot release un-acquired lock");
        return NULL;
    }
    PyObject *r = Py_BuildValue("kk", l->count, l->owner);
    if (r) {
        l->count = l->owner = 0;
        PyThread_release_lock(l->lock);
    }
    return r;
}

static PyObject *
rlock_acquire_restore(PyObject *self, PyObject *args)
{
    NjRLock *l = (NjRLock *)self;
    unsigned long count, owner;
    if (!PyArg_Parse(args, "(kk):_acquire_restore", &count, &owner)) {
        return NULL;
    }
    int r;
    do {
        r = nj_timeout_wait(l->lock, -1);
        if (r < 0) {
            /* the lock must be had whatever happens: the exception comes later */
            PyErr_FormatUnraisable("Exception ignored while restoring a lock");
        }
    } while (r <= 0);
    l->owner = owner;
    l->count = count;
    Py_RETURN_NONE;
}

static PyObject *
rlock_at_fork_reinit(PyObject *self, PyObject *unused)
{
    NjRLock *l = (NjRLock *)self;
    PyThread_type_lock fresh = PyThread_allocate_lock();
    if (!fresh) {
        PyErr_SetString(PyExc_RuntimeError, "failed to reinitialize lock at fork");
        return NULL;
    }
    l->lock = fresh;
    l->owner = l->count = 0;
    Py_RETURN_NONE;
}

static PyObject *
rlock_repr(PyObject *self)
{
    NjRLock *l = (NjRLock *)self;
    return PyUnicode_FromFormat("<%s %s object owner=%lu count=%lu at %p>",
                                l->count ? "locked" : "unlocked", Py_TYPE(self)->tp_name,
                                l->owner, l->count, self);
}

static PyMethodDef rlock_methods[] = {
    {"acquire", FN(rlock_acquire), FK, SIG(ACQ) "Lock the lock."},
    {"release", rlock_release, METH_NOARGS, SIG("release($self, /)") "Release the lock."},
    {"locked", rlock_locked, METH_NOARGS,
     SIG("locked($self, /)") "True if the lock is held by some thread."},
    {"_is_owned", rlock_is_owned, METH_NOARGS,
     SIG("_is_owned($self, /)") "True if this thread holds the lock."},
    {"_recursion_count", rlock_recursion_count, METH_NOARGS,
     SIG("_recursion_count($self, /)") "How often this thread holds the lock."},
    {"_release_save", rlock_release_save, METH_NOARGS,
     SIG("_release_save($self, /)") "For Condition."},
    {"_acquire_restore", rlock_acquire_restore, METH_O,
     SIG("_acquire_restore($self, state, /)") "For Condition."},
    {"__enter__", rlock_enter, METH_NOARGS, SIG("__enter__($self, /)") "Lock the lock."},
    {"__exit__", FN(rlock_exit), METH_FASTCALL,
     SIG("__exit__($self, /, *exc_info)") "Release the lock."},
    {"_at_fork_reinit", rlock_at_fork_reinit, METH_NOARGS,
     SIG("_at_fork_reinit($self, /)") "Make the lock usable in a forked child."},
    {NULL, NULL, 0, NULL},
};

static void
rlock_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    PyThread_free_lock(((NjRLock *)self)->lock);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyType_Slot rlock_slots[] = {
    {Py_tp_dealloc, rlock_dealloc},
    {Py_tp_repr, rlock_repr},
    {Py_tp_methods, rlock_methods},
    {Py_tp_traverse, heap_traverse},
    {Py_tp_new, rlock_new},
    {0, NULL},
};

static PyType_Spec rlock_spec = {
    "_thread.RLock", sizeof(NjRLock), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
        Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MANAGED_WEAKREF,
    rlock_slots};

/* --- _local -------------------------------------------------------------------------------------------- */

/* Each thread's dict of local objects: tstate->dict[key of the local] -> dict. The key is
 * a string unique to the local; the dict goes when the thread or the local goes. */
typedef struct NjLocal {
    PyObject_HEAD
    PyObject *key;
    PyObject *args, *kw;
    PyObject *weak;
    PyObject *dicts; /* WeakKey-less list of the threads' dicts: thread id -> dict */
} NjLocal;

/* One per thread and local object: lives in the thread's dict, and takes the local's entry
 * with it when the thread ends. */
typedef struct NjLocalDummy {
    PyObject_HEAD
    PyObject *local_ref; /* weak reference to the local */
    unsigned long id;
} NjLocalDummy;

static void
dummy_dealloc(PyObject *self)
{
    NjLocalDummy *d = (NjLocalDummy *)self;
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *local = NULL;
    if (d->local_ref && PyWeakref_GetRef(d->local_ref, &local) > 0) {
        PyObject *dicts = ((NjLocal *)local)->dicts;
        PyObject *id = dicts ? PyLong_FromUnsignedLong(d->id) : NULL;
        if (!id || PyDict_Pop(dicts, id, NULL) < 0) {
            PyErr_Clear();
        }
        Py_XDECREF(id);
        Py_DECREF(local);
    }
    Py_XDECREF(d->local_ref);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyType_Slot dummy_slots[] = {
    {Py_tp_dealloc, dummy_dealloc},
    {Py_tp_doc, "Thread-local dummy"},
    {0, NULL},
};

static PyType_Spec dummy_spec = {
    "_thread._localdummy", sizeof(NjLocalDummy), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    dummy_slots};

/* The calling thread's dict of a local, made (and __init__ run) on first use. Borrowed. */
static PyObject *
local_dict(NjLocal *self)
{
    PyObject *tdict = PyThreadState_GetDict();
    if (!tdict) {
        PyErr_SetString(PyExc_SystemError, "Couldn't get thread-state dictionary");
        return NULL;
    }
    unsigned long me = PyThread_get_thread_ident();
    NJ_OWN id = PyLong_FromUnsignedLong(me);
    if (!id) {
        return NULL;
    }
    PyObject *dummy = PyDict_GetItemWithError(tdict, self->key);
    if (dummy) {
        PyObject *d = PyDict_GetItemWithError(self->dicts, id);
        if (d || PyErr_Occurred()) {
            return d;
        }
    }
    else if (PyErr_Occurred()) {
        return NULL;
    }
    NjThreadModule *st = state_by_type(Py_TYPE(self));
    if (!st) {
        return NULL;
    }
    NJ_OWN d = PyDict_New();
    NJ_OWN fresh = d ? st->localdummy_type->tp_alloc(st->localdummy_type, 0) : NULL;
    if (!fresh) {
        return NULL;
    }
    NjLocalDummy *ld = (NjLocalDummy *)fresh;
    ld->id = me;
    ld->local_ref = PyWeakref_NewRef((PyObject *)self, NULL);
    if (!ld->local_ref || PyDict_SetItem(self->dicts, id, d) < 0 ||
        PyDict_SetItem(tdict, self->key, fresh) < 0) {
        return NULL;
    }
    if (Py_TYPE(self)->tp_init != PyBaseObject_Type.tp_init &&
        Py_TYPE(self)->tp_init((PyObject *)self, self->args, self->kw) < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        PyDict_Pop(tdict, self->key, NULL);
        PyErr_SetRaisedException(exc);
        return NULL;
    }
    return PyDict_GetItemWithError(self->dicts, id);
}

static PyObject *
local_new(PyTypeObject *tp, PyObject *args, PyObject *kw)
{
    if (tp->tp_init == PyBaseObject_Type.tp_init &&
        (PyTuple_GET_SIZE(args) || (kw && PyDict_GET_SIZE(kw)))) {
        PyErr_SetString(PyExc_TypeError, "Initialization arguments are not supported");
        return NULL;
    }
    NjThreadModule *st = state_by_type(tp);
    if (!st) {
        return NULL;
    }
    NjLocal *self = (NjLocal *)tp->tp_alloc(tp, 0);
    if (!self) {
        return NULL;
    }
    NJ_OWN hold = (PyObject *)self;
    self->args = Py_NewRef(args);
    self->kw = Py_XNewRef(kw);
    self->dicts = PyDict_New();
    self->key = PyUnicode_FromFormat("thread.local.%p", self);
    if (!self->dicts || !self->key) {
        return NULL;
    }
    /* this thread's dict: __init__ is run by type.__call__ */
    PyObject *tdict = PyThreadState_GetDict();
    NJ_OWN id = PyLong_FromUnsignedLong(PyThread_get_thread_ident());
    NJ_OWN d = PyDict_New();
    NJ_OWN fresh = d && id ? st->localdummy_type->tp_alloc(st->localdummy_type, 0) : NULL;
    if (!fresh || !tdict) {
        return NULL;
    }
    ((NjLocalDummy *)fresh)->id = PyThread_get_thread_ident();
    ((NjLocalDummy *)fresh)->local_ref = PyWeakref_NewRef((PyObject *)self, NULL);
    if (!((NjLocalDummy *)fresh)->local_ref || PyDict_SetItem(self->dicts, id, d) < 0 ||
        PyDict_SetItem(tdict, self->key, fresh) < 0) {
        return NULL;
    }
    return NJ_TAKE(hold);
}

static int
local_traverse(PyObject *self, visitproc visit, void *arg)
{
    NjLocal *l = (NjLocal *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(l->args);
    Py_VISIT(l->kw);
    Py_VISIT(l->dicts);
    return 0;
}

static int
local_clear(PyObject *self)
{
    NjLocal *l = (NjLocal *)self;
    Py_CLEAR(l->args);
    Py_CLEAR(l->kw);
    Py_CLEAR(l->dicts);
    /* the threads' dicts hold our dummies */
    if (l->key) {
        for (PyThreadState *t = nj_interp()->threads; t; t = t->next) {
            if (t->dict && PyDict_Pop(t->dict, l->key, NULL) < 0) {
                PyErr_Clear();
            }
        }
    }
    return 0;
}

static void
local_dealloc(PyObject *self)
{
    NjLocal *l = (NjLocal *)self;
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (l->weak) {
        PyObject_ClearWeakRefs(self);
    }
    local_clear(self);
    Py_XDECREF(l->key);
    tp->tp_free(self);
    Py_DECREF(tp);
}

/* Whether name is "__dict__", which may be any object that says so. 1 / 0 / -1 */
static int
names_dict(PyObject *name)
{
    return name == NJ_ID(__dict__) ? 1
           : PyUnicode_CheckExact(name)
               ? PyUnicode_EqualToUTF8(name, "__dict__")
               : PyObject_RichCompareBool(name, NJ_ID(__dict__), Py_EQ);
}

static PyObject *
local_getattro(PyObject *self, PyObject *name)
{
    NJ_OWN d = Py_XNewRef(local_dict((NjLocal *)self));
    if (!d) {
        return NULL;
    }
    int is_dict = names_dict(name);
    if (is_dict) {
        return is_dict < 0 ? NULL : NJ_TAKE(d);
    }
    return _PyObject_GenericGetAttrWithDict(self, name, d, 0);
}

static int
local_setattro(PyObject *self, PyObject *name, PyObject *v)
{
    NJ_OWN d = Py_XNewRef(local_dict((NjLocal *)self));
    if (!d) {
        return -1;
    }
    int is_dict = names_dict(name);
    if (is_dict) {
        if (is_dict > 0) {
            PyErr_Format(PyExc_AttributeError, "'%.100s' object attribute %R is read-only",
                         Py_TYPE(self)->tp_name, name);
        }
        return -1;
    }
    return _PyObject_GenericSetAttrWithDict(self, name, v, d);
}

static PyMemberDef local_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(NjLocal, weak), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot local_slots[] = {
    {Py_tp_dealloc, local_dealloc},
    {Py_tp_getattro, local_getattro},
    {Py_tp_setattro, local_setattro},
    {Py_tp_doc, SIG("_local()") "Thread-local data"},
    {Py_tp_traverse, local_traverse},
    {Py_tp_clear, local_clear},
    {Py_tp_new, local_new},
    {Py_tp_members, local_members},
    {0, NULL},
};

static PyType_Spec local_spec = {
    "_thread._local", sizeof(NjLocal), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
        Py_TPFLAGS_IMMUTABLETYPE,
    local_slots};

/* --- handles ---------------------------------------------------------------------------------------------- */

enum { H_NEW, H_STARTING, H_RUNNING, H_DONE };

typedef struct NjHandle {
    int refs; /* guarded by the GIL */
    int state;
    unsigned long ident;
    pthread_t os;
    bool has_os, joined, joining;
    bool daemon;
    bool foreign; /* of a thread not started here, such as the main one: not waited for */
    PyThread_type_lock done; /* held until the thread is done */
    struct NjHandle *next, *prev; /* list of an interpreter's running threads */
} NjHandle;

typedef struct NjHandleObj {
    PyObject_HEAD
    NjHandle *h;
} NjHandleObj;

static NjHandle *
handle_alloc(void)
{
    NjHandle *h = PyMem_RawCalloc(1, sizeof *h);
    if (h) {
        h->done = PyThread_allocate_lock();
        if (!h->done) {
            PyMem_RawFree(h);
            h = NULL;
        }
    }
    if (!h) {
        PyErr_NoMemory();
        return NULL;
    }
    PyThread_acquire_lock(h->done, 1);
    h->refs = 1;
    return h;
}

static void
handle_unref(NjHandle *h)
{
    if (--h->refs > 0) {
        return;
    }
    if (h->has_os && !h->joined) {
        pthread_detach(h->os);
    }
    PyThread_free_lock(h->done);
    PyMem_RawFree(h);
}

static void
handle_link(NjHandle *h)
{
    NjHandle *head = nj_interp()->rt.thread_handles;
    h->next = head;
    h->prev = NULL;
    if (head) {
        head->prev = h;
    }
    nj_interp()->rt.thread_handles = h;
    h->refs++;
}

static void
handle_unlink(NjHandle *h)
{
    if (h->prev) {
        h->prev->next = h->next;
    }
    else if (nj_interp()->rt.thread_handles == h) {
        nj_interp()->rt.thread_handles = h->next;
    }
    else {
        return;
    }
    if (h->next) {
        h->next->prev = h->prev;
    }
    h->next = h->prev = NULL;
    handle_unref(h);
}

static void
handle_set_done(NjHandle *h)
{
    if (h->state != H_DONE) {
        h->state = H_DONE;
        PyThread_release_lock(h->done);
    }
}

static PyObject *
handle_new_object(PyTypeObject *tp)
{
    NjHandle *h = handle_alloc();
    if (!h) {
        return NULL;
    }
    NjHandleObj *o = (NjHandleObj *)tp->tp_alloc(tp, 0);
    if (!o) {
        handle_unref(h);
        return NULL;
    }
    o->h = h;
    return (PyObject *)o;
}

static PyObject *
handle_new(PyTypeObject *tp, PyObject *args, PyObject *kw)
{
    return handle_new_object(tp);
}

static void
handle_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    NjHandle *h = ((NjHandleObj *)self)->h;
    if (h) {
        if (h->foreign) {
            handle_unlink(h); /* nothing else will */
        }
        handle_unref(h);
    }
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
handle_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<%s object: ident=%lu>", Py_TYPE(self)->tp_name,
                                ((NjHandleObj *)self)->h->ident);
}

static PyObject *
handle_get_ident(PyObject *self, void *c)
{
    return PyLong_FromUnsignedLong(((NjHandleObj *)self)->h->ident);
}

/* 0, or -1 with an exception */
static int
handle_join(NjHandle *h, PY_TIMEOUT_T ns)
{
    if (h->state == H_NEW || h->state == H_STARTING) {
        PyErr_SetString(PyExc_RuntimeError, "thread not started");
        return -1;
    }
    if (h->state == H_RUNNING && h->ident == PyThread_get_thread_ident()) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot join current thread");
        return -1;
    }
    if (h->state == H_RUNNING) {
        if (Py_IsFinalizing() && h->daemon) {
            PyErr_SetString(PyExc_PythonFinalizationError,
                            "cannot join daemon thread at shutdown");
            return -1;
        }
        h->refs++;
        int r = nj_timeout_wait(h->done, ns);
        if (r > 0) {
            PyThread_release_lock(h->done); /* others wait too */
        }
        handle_unref(h);
        if (r < 0) {
            return -1;
        }
        if (r == 0) {
            return 0;
        }
    }
    if (h->has_os && !h->joined && !h->joining) {
        /* it has left Python: this does not take long */
        h->joining = true;
        h->joined = true;
        pthread_t os = h->os;
        Py_BEGIN_ALLOW_THREADS
        pthread_join(os, NULL);
        Py_END_ALLOW_THREADS
        h->joining = false;
    }
    return 0;
}

static PyObject *
handle_join_method(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                   PyObject *kwnames)
{
    static const char *const names[] = {"timeout", NULL};
    static const NjParams params = {"join", names, 1, 0, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    PY_TIMEOUT_T ns = -1;
    if (a[0] && a[0] != Py_None) {
        double t = PyFloat_AsDouble(a[0]);
        if (t == -1.0 && PyErr_Occurred()) {
            return NULL;
        }
        if (t > 9223372036.0) {
            PyErr_SetString(PyExc_OverflowError, "timeout value is too large");
            return NULL;
        }
        ns = t < 0 ? -1 : (PY_TIMEOUT_T)ceil(t * 1e9);
    }
    if (handle_join(((NjHandleObj *)self)->h, ns) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
handle_is_done(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(((NjHandleObj *)self)->h->state == H_DONE);
}

static PyObject *
handle_set_done_method(PyObject *self, PyObject *unused)
{
    NjHandle *h = ((NjHandleObj *)self)->h;
    if (h->state == H_NEW || h->state == H_STARTING) {
        PyErr_SetString(PyExc_RuntimeError, "thread not started");
        return NULL;
    }
    handle_set_done(h);
    Py_RETURN_NONE;
}

static PyMethodDef handle_methods[] = {
    {"join", FN(handle_join_method), FK, NULL},
    {"_set_done", handle_set_done_method, METH_NOARGS, SIG("_set_done($self, /)")},
    {"is_done", handle_is_done, METH_NOARGS, SIG("is_done($self, /)")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef handle_getset[] = {
    {"ident", handle_get_ident, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_repr, handle_repr},
    {Py_tp_methods, handle_methods},
    {Py_tp_getset, handle_getset},
    {Py_tp_traverse, heap_traverse},
    {Py_tp_new, handle_new},
    {0, NULL},
};

static PyType_Spec handle_spec = {
    "_thread._ThreadHandle", sizeof(NjHandleObj), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC, handle_slots};

/* --- starting threads ---------------------------------------------------------------------------------------- */

typedef struct NjBootState {
    PyThreadState *ts;
    PyObject *func, *args, *kwargs;
    NjHandle *handle; /* one reference */
    PyThread_type_lock ready; /* released once handle->ident may be read */
} NjBootState;

static void
thread_main(void *p)
{
    NjBootState *b = p;
    PyThreadState *ts = b->ts;
    nj_tstate_bind(ts);
    PyEval_AcquireThread(ts);
    NjHandle *h = b->handle;
    if (h->state == H_STARTING) {
        h->state = H_RUNNING;
        h->ident = PyThread_get_thread_ident();
    }
    nj_interp()->rt.n_threads++;
    PyThread_release_lock(b->ready);
    PyObject *r = PyObject_Call(b->func, b->args, b->kwargs);
    if (!r) {
        if (PyErr_ExceptionMatches(PyExc_SystemExit)) {
            PyErr_Clear();
        }
        else {
            PyErr_FormatUnraisable("Exception ignored in thread started by %R", b->func);
        }
    }
    Py_XDECREF(r);
    Py_DECREF(b->func);
    Py_DECREF(b->args);
    Py_XDECREF(b->kwargs);
    PyMem_RawFree(b);
    nj_interp()->rt.n_threads--;
    PyThreadState_Clear(ts);
    handle_unlink(h);
    handle_set_done(h);
    handle_unref(h);
    PyThreadState_DeleteCurrent();
}

/* 0, or -1 with an exception. h: borrowed. */
static int
start_thread(PyObject *func, PyObject *args, PyObject *kwargs, NjHandle *h, bool daemon)
{
    NjInterp *interp = nj_interp();
    if (h->state != H_NEW) {
        PyErr_SetString(PyExc_RuntimeError, "thread already started");
        return -1;
    }
    if (Py_IsFinalizing() || interp->rt.finalizing) {
        PyErr_SetString(PyExc_PythonFinalizationError,
                        "can't create new thread at interpreter shutdown");
        return -1;
    }
    NjBootState *b = PyMem_RawCalloc(1, sizeof *b);
    PyThread_type_lock ready = PyThread_allocate_lock();
    PyThreadState *ts = b && ready ? nj_tstate_new(interp, 3) : NULL;
    if (!ts) {
        PyMem_RawFree(b);
        PyThread_free_lock(ready);
        PyErr_NoMemory();
        return -1;
    }
    PyThread_acquire_lock(ready, 1);
    b->ts = ts;
    b->func = Py_NewRef(func);
    b->args = Py_NewRef(args);
    b->kwargs = Py_XNewRef(kwargs);
    b->handle = h;
    b->ready = ready;
    h->refs++;
    h->state = H_STARTING;
    h->daemon = daemon;
    if (!daemon) {
        handle_link(h);
    }
    if (nj_lock_start_thread(thread_main, b, true, &h->os) < 0) {
        if (!daemon) {
            handle_unlink(h);
        }
        h->refs--;
        h->state = H_NEW;
        Py_DECREF(b->func);
        Py_DECREF(b->args);
        Py_XDECREF(b->kwargs);
        PyMem_RawFree(b);
        PyThread_free_lock(ready);
        PyThreadState_Clear(ts);
        PyThreadState_Delete(ts);
        PyErr_SetString(PyExc_RuntimeError, "can't start new thread");
        return -1;
    }
    h->has_os = true;
    h->ident = (unsigned long)h->os;
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(ready, 1);
    Py_END_ALLOW_THREADS
    PyThread_release_lock(ready);
    PyThread_free_lock(ready);
    return 0;
}

static int
check_may_start(bool daemon)
{
    NjInterp *interp = nj_interp();
    if (!(interp->rt.feature_flags & NJ_FEATURE_THREADS)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "thread is not supported for isolated subinterpreters");
        return -1;
    }
    if (daemon && !(interp->rt.feature_flags & NJ_FEATURE_DAEMON_THREADS)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "daemon threads are disabled in this (sub)interpreter");
        return -1;
    }
    return 0;
}

static PyObject *
thread_start_new_thread(PyObject *m, PyObject *args)
{
    PyObject *func, *fargs, *kw = NULL;
    if (!PyArg_UnpackTuple(args, "start_new_thread", 2, 3, &func, &fargs, &kw)) {
        return NULL;
    }
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "first arg must be callable");
        return NULL;
    }
    if (!PyTuple_Check(fargs)) {
        PyErr_SetString(PyExc_TypeError, "2nd arg must be a tuple");
        return NULL;
    }
    if (kw && !PyDict_Check(kw)) {
        PyErr_SetString(PyExc_TypeError, "optional 3rd arg must be a dictionary");
        return NULL;
    }
    if (PySys_Audit("_thread.start_new_thread", "OOO", func, fargs, kw ? kw : Py_None) < 0 ||
        check_may_start(true) < 0) {
        return NULL;
    }
    NjHandle *h = handle_alloc();
    if (!h) {
        return NULL;
    }
    int rc = start_thread(func, fargs, kw, h, true);
    PyObject *id = rc == 0 ? PyLong_FromUnsignedLong(h->ident) : NULL;
    handle_unref(h);
    return id;
}

static PyObject *
thread_start_joinable_thread(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                             PyObject *kwnames)
{
    static const char *const names[] = {"function", "handle", "daemon", NULL};
    static const NjParams params = {"start_joinable_thread", names, 3, 1, 0};
    PyObject *a[3];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    NjThreadModule *st = state_of(m);
    int daemon = 1;
    if (a[2] && (daemon = PyObject_IsTrue(a[2])) < 0) {
        return NULL;
    }
    if (!PyCallable_Check(a[0])) {
        PyErr_SetString(PyExc_TypeError, "thread function must be callable");
        return NULL;
    }
    PyObject *given = a[1] ? a[1] : Py_None;
    if (given != Py_None && !Py_IS_TYPE(given, st->handle_type)) {
        PyErr_SetString(PyExc_TypeError, "'handle' must be a _ThreadHandle");
        return NULL;
    }
    if (PySys_Audit("_thread.start_joinable_thread", "OiO", a[0], daemon, given) < 0 ||
        check_may_start(daemon != 0) < 0) {
        return NULL;
    }
    NJ_OWN handle =
        given == Py_None ? handle_new_object(st->handle_type) : Py_NewRef(given);
    if (!handle) {
        return NULL;
    }
    NJ_OWN none = PyTuple_New(0);
    if (!none ||
        start_thread(a[0], none, NULL, ((NjHandleObj *)handle)->h, daemon != 0) < 0) {
        return NULL;
    }
    return NJ_TAKE(handle);
}

/* Waits for every non-daemon thread. */
static PyObject *
thread_shutdown(PyObject *m, PyObject *unused)
{
    unsigned long me = PyThread_get_thread_ident();
    for (;;) {
        NjHandle *h = nj_interp()->rt.thread_handles;
        while (h && (h->ident == me || h->foreign || h->state == H_DONE)) {
            h = h->next;
        }
        if (!h) {
            break;
        }
        h->refs++;
        int rc = h->state == H_STARTING ? 0 : handle_join(h, -1);
        if (h->state == H_STARTING) {
            Py_BEGIN_ALLOW_THREADS
            sched_yield();
            Py_END_ALLOW_THREADS
        }
        handle_unref(h);
        if (rc < 0) {
            PyErr_FormatUnraisable("Exception ignored while joining a thread in "
                                   "_thread._shutdown()");
            break;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
thread_make_handle(PyObject *m, PyObject *arg)
{
    if (!PyLong_Check(arg)) {
        PyErr_SetString(PyExc_TypeError, "ident must be an integer");
        return NULL;
    }
    unsigned long id = PyLong_AsUnsignedLong(arg);
    if (id == (unsigned long)-1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *o = handle_new_object(state_of(m)->handle_type);
    if (o) {
        NjHandle *h = ((NjHandleObj *)o)->h;
        h->ident = id;
        h->state = H_RUNNING;
        h->foreign = true;
        handle_link(h); /* for the child of a fork, where it is done */
    }
    return o;
}

void
nj_threads_after_fork_child(void)
{
    /* every other thread is gone: whoever waits for one is to see it done */
    unsigned long me = PyThread_get_thread_ident();
    NjHandle *h = nj_interp()->rt.thread_handles;
    while (h) {
        NjHandle *next = h->next;
        if (h->ident != me) {
            h->has_os = false;
            h->refs++;
            handle_unlink(h);
            PyThread_type_lock fresh = PyThread_allocate_lock();
            if (fresh) {
                h->done = fresh;
            }
            h->state = H_DONE;
            handle_unref(h);
        }
        else {
            h->has_os = false;
        }
        h = next;
    }
    nj_interp()->rt.n_threads = 0;
}

/* --- functions ---------------------------------------------------------------------------------------------------- */

static PyObject *
thread_allocate_lock(PyObject *m, PyObject *unused)
{
    return new_lock(state_of(m)->lock_type);
}

static PyObject *
thread_exit(PyObject *m, PyObject *unused)
{
    PyErr_SetNone(PyExc_SystemExit);
    return NULL;
}

static PyObject *
thread_interrupt_main(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    int n = 2;
    if (!_PyArg_CheckPositional("interrupt_main", nargs, 0, 1)) {
        return NULL;
    }
    if (nargs && (n = PyLong_AsInt(args[0])) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (PyErr_SetInterruptEx(n)) {
        PyErr_SetString(PyExc_ValueError, "signal number out of range");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
thread_get_ident(PyObject *m, PyObject *unused)
{
    return PyLong_FromUnsignedLong(PyThread_get_thread_ident());
}

static PyObject *
thread_get_native_id(PyObject *m, PyObject *unused)
{
    return PyLong_FromUnsignedLong(PyThread_get_thread_native_id());
}

static PyObject *
thread_count(PyObject *m, PyObject *unused)
{
    return PyLong_FromSsize_t(nj_interp()->rt.n_threads);
}

static PyObject *
thread_stack_size(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("stack_size", nargs, 0, 1)) {
        return NULL;
    }
    Py_ssize_t n = nargs ? PyLong_AsSsize_t(args[0]) : 0;
    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (n != 0 && n < 53248) {
        PyErr_Format(PyExc_ValueError, "size must be at least %zi bytes", (Py_ssize_t)53248);
        return NULL;
    }
    size_t old = PyThread_get_stacksize();
    if (nargs && PyThread_set_stacksize((size_t)n) < 0) {
        PyErr_Format(PyExc_ValueError, "size not valid: %zd bytes", n);
        return NULL;
    }
    return PyLong_FromSsize_t((Py_ssize_t)old);
}

static PyObject *
thread_excepthook(PyObject *m, PyObject *args)
{
    NjThreadModule *st = state_of(m);
    if (!Py_IS_TYPE(args, st->excargs_type)) {
        PyErr_SetString(PyExc_TypeError,
                        "_thread.excepthook argument type must be ExceptHookArgs");
        return NULL;
    }
    PyObject *type = PyStructSequence_GetItem(args, 0);
    if (type == PyExc_SystemExit) {
        Py_RETURN_NONE;
    }
    PyObject *exc = PyStructSequence_GetItem(args, 1);
    PyObject *tb = PyStructSequence_GetItem(args, 2);
    PyObject *thread = PyStructSequence_GetItem(args, 3);
    NJ_OWN file = Py_XNewRef(nj_sys_peek(NJ_ID(stderr)));
    if (!file || file == Py_None) {
        if (thread == Py_None) {
            Py_RETURN_NONE;
        }
        NJ_SET(file, PyObject_GetAttrString(thread, "_stderr"));
        if (!file) {
            return NULL;
        }
        if (file == Py_None) {
            Py_RETURN_NONE;
        }
    }
    NJ_OWN name = NULL;
    if (thread != Py_None) {
        NJ_SET(name, PyObject_GetAttr(thread, NJ_ID(name)));
        if (!name) {
            PyErr_Clear();
        }
    }
    if (PyFile_WriteString("Exception in thread ", file) < 0) {
        return NULL;
    }
    if (name) {
        if (PyFile_WriteObject(name, file, Py_PRINT_RAW) < 0) {
            return NULL;
        }
    }
    else {
        char buf[40];
        snprintf(buf, sizeof buf, "%lu", PyThread_get_thread_ident());
        if (PyFile_WriteString(buf, file) < 0) {
            return NULL;
        }
    }
    if (PyFile_WriteString(":\n", file) < 0) {
        return NULL;
    }
    PyErr_Display(file, exc, tb);
    NJ_OWN r = PyObject_CallMethodNoArgs(file, NJ_ID(flush));
    return r ? Py_NewRef(Py_None) : NULL;
}

static PyObject *
thread_is_main_interpreter(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(nj_is_main_interp(nj_interp()));
}

static PyObject *
thread_main_ident(PyObject *m, PyObject *unused)
{
    return PyLong_FromUnsignedLong(nj_runtime.main_thread);
}

static PyObject *
thread_daemon_allowed(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(nj_interp()->rt.feature_flags & NJ_FEATURE_DAEMON_THREADS);
}

static PyObject *
thread_get_name(PyObject *m, PyObject *unused)
{
    char buf[17] = "";
    int err = pthread_getname_np(pthread_self(), buf, sizeof buf);
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyUnicode_DecodeFSDefault(buf);
}

static PyObject *
thread_set_name(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"name", NULL};
    static const NjParams params = {"set_name", names, 1, 1, 0};
    PyObject *a[1];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(a[0])) {
        _PyArg_BadArgument("set_name", "argument 'name'", "str", a[0]);
        return NULL;
    }
    NJ_OWN b = PyUnicode_AsEncodedString(a[0], "utf-8", "replace");
    if (!b) {
        return NULL;
    }
    char buf[16];
    Py_ssize_t n = PyBytes_GET_SIZE(b);
    if (n > 15) {
        n = 15;
    }
    memcpy(buf, PyBytes_AS_STRING(b), (size_t)n);
    buf[n] = 0;
    int err = pthread_setname_np(pthread_self(), buf);
    if (err) {
        errno = err;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    Py_RETURN_NONE;
}

static PyMethodDef thread_methods[] = {
    {"start_new_thread", thread_start_new_thread, METH_VARARGS,
     SIG("start_new_thread($module, function, args, kwargs={}, /)") "Start a new thread."},
    {"start_new", thread_start_new_thread, METH_VARARGS,
     SIG("start_new($module, function, args, kwargs={}, /)")
     "An obsolete synonym of start_new_thread()."},
    {"start_joinable_thread", FN(thread_start_joinable_thread), FK,
     SIG("start_joinable_thread($module, /, function, handle=None, daemon=True)")
     "Start a thread that can be joined."},
    {"daemon_threads_allowed", thread_daemon_allowed, METH_NOARGS,
     SIG("daemon_threads_allowed($module, /)") "True if daemon threads may be started."},
    {"allocate_lock", thread_allocate_lock, METH_NOARGS,
     SIG("allocate_lock($module, /)") "A new lock."},
    {"allocate", thread_allocate_lock, METH_NOARGS,
     SIG("allocate($module, /)") "An obsolete synonym of allocate_lock()."},
    {"exit_thread", thread_exit, METH_NOARGS,
     SIG("exit_thread($module, /)") "An obsolete synonym of exit()."},
    {"exit", thread_exit, METH_NOARGS, SIG("exit($module, /)") "Raise SystemExit."},
    {"interrupt_main", FN(thread_interrupt_main), METH_FASTCALL,
     SIG("interrupt_main($module, signum=signal.SIGINT, /)")
     "Simulate a signal in the main thread."},
    {"get_ident", thread_get_ident, METH_NOARGS,
     SIG("get_ident($module, /)") "The identifier of this thread."},
    {"get_native_id", thread_get_native_id, METH_NOARGS,
     SIG("get_native_id($module, /)") "The system's number of this thread."},
    {"_count", thread_count, METH_NOARGS,
     SIG("_count($module, /)") "The number of running threads, the main one aside."},
    {"stack_size", FN(thread_stack_size), METH_FASTCALL,
     SIG("stack_size($module, size=0, /)") "The stack size of new threads."},
    {"_excepthook", thread_excepthook, METH_O,
     SIG("_excepthook($module, args, /)") "Show an exception of Thread.run()."},
    {"_is_main_interpreter", thread_is_main_interpreter, METH_NOARGS,
     SIG("_is_main_interpreter($module, /)") "True in the main interpreter."},
    {"_shutdown", thread_shutdown, METH_NOARGS,
     SIG("_shutdown($module, /)") "Wait for all non-daemon threads."},
    {"_make_thread_handle", thread_make_handle, METH_O,
     SIG("_make_thread_handle($module, ident, /)") "A handle of an existing thread."},
    {"_get_main_thread_ident", thread_main_ident, METH_NOARGS,
     SIG("_get_main_thread_ident($module, /)") "The identifier of the main thread."},
    {"_get_name", thread_get_name, METH_NOARGS,
     SIG("_get_name($module, /)") "The system's name of this thread."},
    {"set_name", FN(thread_set_name), FK,
     SIG("set_name($module, /, name)") "Set the system's name of this thread."},
    {NULL, NULL, 0, NULL},
};

static PyStructSequence_Field excargs_fields[] = {
    {"exc_type", "Exception type"},
    {"exc_value", "Exception value"},
    {"exc_traceback", "Exception traceback"},
    {"thread", "Thread"},
    {NULL, NULL},
};
static PyStructSequence_Desc excargs_desc = {
    "_thread._ExceptHookArgs",
    "ExceptHookArgs\n\nType used to pass arguments to threading.excepthook.", excargs_fields,
    4};

static int
thread_exec(PyObject *m)
{
    NjThreadModule *st = state_of(m);
    const struct {
        PyType_Spec *spec;
        PyTypeObject **out;
        const char *name;
    } types[] = {{&lock_spec, &st->lock_type, "lock"},
                 {&rlock_spec, &st->rlock_type, "RLock"},
                 {&local_spec, &st->local_type, "_local"},
                 {&dummy_spec, &st->localdummy_type, NULL},
                 {&handle_spec, &st->handle_type, "_ThreadHandle"}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(types); i++) {
        *types[i].out =
            (PyTypeObject *)PyType_FromModuleAndSpec(m, types[i].spec, NULL);
        if (!*types[i].out ||
            (types[i].name &&
             PyModule_AddObjectRef(m, types[i].name, (PyObject *)*types[i].out) < 0)) {
            return -1;
        }
    }
    st->excargs_type = PyStructSequence_NewType(&excargs_desc);
    NJ_OWN max = PyFloat_FromDouble(9223372036.0);
    if (!st->excargs_type || !max ||
        PyModule_AddObjectRef(m, "_ExceptHookArgs", (PyObject *)st->excargs_type) < 0 ||
        PyModule_AddObjectRef(m, "LockType", (PyObject *)st->lock_type) < 0 ||
        PyModule_AddObjectRef(m, "error", PyExc_RuntimeError) < 0 ||
        PyModule_AddObjectRef(m, "TIMEOUT_MAX", max) < 0 ||
        PyModule_AddIntConstant(m, "_NAME_MAXLEN", 15) < 0) {
        return -1;
    }
    return 0;
}

static int
thread_traverse(PyObject *m, visitproc visit, void *arg)
{
    NjThreadModule *st = state_of(m);
    Py_VISIT(st->lock_type);
    Py_VISIT(st->rlock_type);
    Py_VISIT(st->local_type);
    Py_VISIT(st->localdummy_type);
    Py_VISIT(st->handle_type);
    Py_VISIT(st->excargs_type);
    return 0;
}

static int
thread_clear(PyObject *m)
{
    NjThreadModule *st = state_of(m);
    Py_CLEAR(st->lock_type);
    Py_CLEAR(st->rlock_type);
    Py_CLEAR(st->local_type);
    Py_CLEAR(st->localdummy_type);
    Py_CLEAR(st->handle_type);
    Py_CLEAR(st->excargs_type);
    return 0;
}

static PyModuleDef_Slot thread_slots[] = {
    {Py_mod_exec, thread_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef thread_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_thread",
    .m_doc = "This module provides primitive operations to write multi-threaded programs.\n"
             "The 'threading' module provides a more convenient interface.",
    .m_size = sizeof(NjThreadModule),
    .m_methods = thread_methods,
    .m_slots = thread_slots,
    .m_traverse = thread_traverse,
    .m_clear = thread_clear,
};

PyMODINIT_FUNC PyInit__thread(void);
PyMODINIT_FUNC
PyInit__thread(void)
{
    return PyModuleDef_Init(&thread_def);
}

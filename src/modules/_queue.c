/* _queue.c - the module _queue: SimpleQueue, an unbounded FIFO that never loses an item
 * to a signal handler, a destructor or another thread.
 *
 * The items stand in a ring whose size is a power of two. Getters that find it empty
 * wait on a gate: a lock that is closed (held) while somebody may be waiting and that
 * every put opens. The one who gets through the gate takes an item and opens the gate
 * again if there are more; nothing refers to a particular waiting thread, so a forked
 * child simply goes on with the queue. All state changes happen without releasing the
 * GIL and without running Python code.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "timeout.h"

typedef struct Queue {
    PyObject_HEAD
    PyObject *weakrefs;
    PyThread_type_lock gate;
    bool closed; /* the gate is held */
    PyObject **ring;
    Py_ssize_t mask, first, count;
} Queue;

typedef struct State {
    PyTypeObject *queue_type;
    PyObject *empty;
} State;

enum { RING_MIN = 8 };

static struct PyModuleDef queue_module;

#define QUEUE(op) ((Queue *)(op))

static PyObject *
queue_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    State *st = PyModule_GetState(PyType_GetModuleByDef(type, &queue_module));
    bool exact = type == st->queue_type || type->tp_init == st->queue_type->tp_init;
    if (exact && PyTuple_GET_SIZE(args)) {
        PyErr_Format(PyExc_TypeError, "%s() takes no positional arguments", "SimpleQueue");
        return NULL;
    }
    if (exact && kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", "SimpleQueue");
        return NULL;
    }
    Queue *q = QUEUE(type->tp_alloc(type, 0));
    if (q == NULL) {
        return NULL;
    }
    q->mask = RING_MIN - 1;
    q->ring = PyMem_New(PyObject *, RING_MIN);
    q->gate = PyThread_allocate_lock();
    if (q->ring == NULL || q->gate == NULL) {
        if (q->ring == NULL) {
            PyErr_NoMemory();
        }
        else {
            PyErr_SetString(PyExc_MemoryError, "can't allocate lock");
        }
        Py_DECREF(q);
        return NULL;
    }
    return (PyObject *)q;
}

static int
queue_traverse(PyObject *op, visitproc visit, void *arg)
{
    Queue *q = QUEUE(op);
    for (Py_ssize_t i = 0; i < q->count; i++) {
        Py_VISIT(q->ring[(q->first + i) & q->mask]);
    }
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static PyObject *
pop_first(Queue *q)
{
    PyObject *item = q->ring[q->first];
    q->first = (q->first + 1) & q->mask;
    q->count--;
    return item;
}

static int
queue_clear(PyObject *op)
{
    while (QUEUE(op)->count) {
        Py_DECREF(pop_first(QUEUE(op)));
    }
    return 0;
}

static void
open_gate(Queue *q)
{
    if (q->closed) {
        q->closed = false;
        PyThread_release_lock(q->gate);
    }
}

static void
queue_dealloc(PyObject *op)
{
    Queue *q = QUEUE(op);
    PyTypeObject *tp = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (q->weakrefs) {
        PyObject_ClearWeakRefs(op);
    }
    (void)queue_clear(op);
    if (q->gate) {
        open_gate(q);
        PyThread_free_lock(q->gate);
    }
    PyMem_Free(q->ring);
    tp->tp_free(op);
    Py_DECREF(tp);
}

/* Moves the items into a ring of n places. */
static int
resize(Queue *q, Py_ssize_t n)
{
    PyObject **ring = PyMem_New(PyObject *, n);
    if (ring == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < q->count; i++) {
        ring[i] = q->ring[(q->first + i) & q->mask];
    }
    PyMem_Free(q->ring);
    q->ring = ring;
    q->first = 0;
    q->mask = n - 1;
    return 0;
}

static int
append(Queue *q, PyObject *item)
{
    if (q->count > q->mask && resize(q, 2 * (q->mask + 1)) < 0) {
        return -1;
    }
    q->ring[(q->first + q->count) & q->mask] = Py_NewRef(item);
    q->count++;
    open_gate(q);
    return 0;
}

/* The first item of a queue that has one. */
static PyObject *
take(Queue *q)
{
    PyObject *item = pop_first(q);
    if (q->count) {
        open_gate(q);
        if (q->mask >= 4 * RING_MIN && q->count < (q->mask + 1) / 8 &&
            resize(q, (q->mask + 1) / 2) < 0) {
            PyErr_Clear(); /* the large ring is as good */
        }
    }
    return item;
}

static NJ_COLD PyObject *
raise_empty(PyTypeObject *cls)
{
    State *st = PyType_GetModuleState(cls);
    PyErr_SetNone(st->empty);
    return NULL;
}

/* Waits at the gate until deadline (-1: forever). 1: through, 0: too late, -1: a
 * signal handler raised. */
static int
wait_at_gate(Queue *q, PyTime_t deadline)
{
    for (;;) {
        PyLockStatus r = PyThread_acquire_lock_timed(q->gate, 0, 0);
        if (r != PY_LOCK_ACQUIRED) {
            PY_TIMEOUT_T us = -1;
            if (deadline >= 0) {
                PyTime_t left = deadline - nj_timeout_now();
                if (left <= 0) {
                    return 0;
                }
                us = left / 1000 + (left % 1000 != 0);
            }
            Py_BEGIN_ALLOW_THREADS
            r = PyThread_acquire_lock_timed(q->gate, us, 1);
            Py_END_ALLOW_THREADS
        }
        if (r == PY_LOCK_ACQUIRED) {
            q->closed = true;
            return 1;
        }
        if (r == PY_LOCK_FAILURE) {
            return 0;
        }
        if (Py_MakePendingCalls() < 0) {
            return -1;
        }
    }
}

static PyObject *
get_item(Queue *q, PyTypeObject *cls, int block, PyObject *timeout)
{
    PyTime_t deadline = -1;
    if (block && timeout != Py_None) {
        PyTime_t t;
        if (nj_timeout_read(timeout, 1000000000, &t) < 0) {
            return NULL;
        }
        if (t < 0) {
            PyErr_SetString(PyExc_ValueError, "'timeout' must be a non-negative number");
            return NULL;
        }
        if (q->count == 0) {
            deadline = nj_timeout_deadline(t);
        }
    }
    while (q->count == 0) {
        int r = block ? wait_at_gate(q, deadline) : 0;
        if (r < 0) {
            return NULL;
        }
        if (r == 0 && q->count == 0) {
            return raise_empty(cls);
        }
    }
    return take(q);
}

static PyObject *
queue_get(PyObject *op, PyTypeObject *cls, PyObject *const *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    static const char *const names[] = {"block", "timeout", NULL};
    static const NjParams params = {"get", names, 2, 0, 0};
    PyObject *a[2] = {NULL, NULL};
    if ((nargs || kwnames) && nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int block = a[0] ? PyObject_IsTrue(a[0]) : 1;
    return block < 0 ? NULL : get_item(QUEUE(op), cls, block, a[1] ? a[1] : Py_None);
}

static PyObject *
queue_get_nowait(PyObject *op, PyTypeObject *cls, PyObject *const *args,
                 Py_ssize_t nargs, PyObject *kwnames)
{
    if (nargs || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_SetString(PyExc_TypeError, "get_nowait() takes no arguments");
        return NULL;
    }
    return get_item(QUEUE(op), cls, 0, Py_None);
}

static PyObject *
queue_put(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"item", "block", "timeout", NULL};
    static const NjParams params = {"put", names, 3, 1, 0};
    PyObject *a[3] = {nargs ? args[0] : NULL, NULL, NULL};
    if ((nargs != 1 || kwnames) && nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if ((a[1] && PyObject_IsTrue(a[1]) < 0) || append(QUEUE(op), a[0]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
queue_put_nowait(PyObject *op, PyObject *const *args, Py_ssize_t nargs,
                 PyObject *kwnames)
{
    static const char *const names[] = {"item", NULL};
    static const NjParams params = {"put_nowait", names, 1, 1, 0};
    PyObject *item;
    if (nj_args_bind(&params, args, nargs, kwnames, &item) < 0 ||
        append(QUEUE(op), item) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
queue_empty(PyObject *op, PyObject *unused)
{
    return PyBool_FromLong(QUEUE(op)->count == 0);
}

static PyObject *
queue_qsize(PyObject *op, PyObject *unused)
{
    return PyLong_FromSsize_t(QUEUE(op)->count);
}

static PyMethodDef queue_methods[] = {
    {"empty", queue_empty, METH_NOARGS,
     "empty($self, /)\n--\n\n"
     "Whether the queue has no item at this moment."},
    {"get", _PyCFunction_CAST(queue_get), METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "get($self, /, block=True, timeout=None)\n--\n\n"
     "Remove and return the oldest item.\n\n"
     "An empty queue makes the caller wait, at most timeout seconds if that is a\n"
     "non-negative number; then Empty is raised. With block false Empty comes at\n"
     "once, and timeout does not matter."},
    {"get_nowait", _PyCFunction_CAST(queue_get_nowait),
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "get_nowait($self, /)\n--\n\n"
     "Remove and return the oldest item; raise Empty if there is none."},
    {"put", _PyCFunction_CAST(queue_put), METH_FASTCALL | METH_KEYWORDS,
     "put($self, /, item, block=True, timeout=None)\n--\n\n"
     "Add an item at the end.\n\n"
     "This never waits: block and timeout exist for likeness with Queue."},
    {"put_nowait", _PyCFunction_CAST(queue_put_nowait), METH_FASTCALL | METH_KEYWORDS,
     "put_nowait($self, /, item)\n--\n\n"
     "Add an item at the end, the same as put(item)."},
    {"qsize", queue_qsize, METH_NOARGS,
     "qsize($self, /)\n--\n\n"
     "The number of items at this moment."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "SimpleQueues are generic over the type of their contents"},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef queue_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Queue, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot queue_type_slots[] = {
    {Py_tp_new, queue_new},
    {Py_tp_dealloc, queue_dealloc},
    {Py_tp_traverse, queue_traverse},
    {Py_tp_clear, queue_clear},
    {Py_tp_methods, queue_methods},
    {Py_tp_members, queue_members},
    {Py_tp_doc, "SimpleQueue()\n--\n\nSimple, unbounded, reentrant FIFO queue."},
    {0, NULL},
};

static PyType_Spec queue_spec = {
    .name = "_queue.SimpleQueue",
    .basicsize = sizeof(Queue),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = queue_type_slots,
};

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    Py_VISIT(st->queue_type);
    Py_VISIT(st->empty);
    return 0;
}

static int
module_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    Py_CLEAR(st->queue_type);
    Py_CLEAR(st->empty);
    return 0;
}

static void
module_free(void *m)
{
    (void)module_clear(m);
}

static int
module_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    st->empty = PyErr_NewExceptionWithDoc(
        "_queue.Empty", "Raised by get_nowait() and get(block=0) of an empty queue.",
        NULL, NULL);
    if (st->empty == NULL || PyModule_AddObjectRef(m, "Empty", st->empty) < 0) {
        return -1;
    }
    st->queue_type = (PyTypeObject *)PyType_FromModuleAndSpec(m, &queue_spec, NULL);
    return st->queue_type ? PyModule_AddType(m, st->queue_type) : -1;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef queue_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_queue",
    .m_doc = "The part of the module queue that is written in C: SimpleQueue.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__queue(void);

PyMODINIT_FUNC
PyInit__queue(void)
{
    return PyModuleDef_Init(&queue_module);
}

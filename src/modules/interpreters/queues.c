/* queues.c - the module _interpqueues: queues that belong to no interpreter.
 *
 * A queue lives in the process, known by its id, as long as somebody holds a reference to
 * it (bind, release; not counted before the first bind). The Python classes that show it, and the errors, are made by
 * concurrent.interpreters._queues in every interpreter and registered here.
 * SPDX-License-Identifier: MIT
 */
#include "shared.h"

typedef struct NjXQueue {
    struct NjXQueue *next;
    int64_t id;
    Py_ssize_t refs, maxsize;
    int unbound, fallback;
    ItemList items;
} Queue;

typedef struct State {
    PyObject *error, *not_found; /* QueueError, QueueNotFoundError */
    PyObject *queue_type;        /* of concurrent.interpreters._queues, or NULL */
    PyObject *empty, *full;      /* QueueEmpty, QueueFull, from there */
} State;

static struct PyModuleDef module_def;

static State *
state_of(PyObject *m)
{
    return PyModule_GetState(m);
}

static int
id_converter(PyObject *o, void *out)
{
    return shared_id(o, "queue", out);
}

/* --- the list of queues (under the lock) ------------------------------------------------- */

static Queue **
find_link(int64_t id)
{
    Queue **q = &nj_runtime.shared.queues;
    while (*q && (*q)->id != id) {
        q = &(*q)->next;
    }
    return q;
}

static Queue *
find(int64_t id)
{
    return *find_link(id);
}

/* Takes it out of the list. */
static Queue *
unlink_queue(int64_t id)
{
    Queue **link = find_link(id), *q = *link;
    if (q) {
        *link = q->next;
    }
    return q;
}

static void
free_queue(Queue *q) /* without the lock */
{
    if (q) {
        items_free(&q->items);
        PyMem_RawFree(q);
    }
}

static bool
queue_incref(int64_t id)
{
    shared_lock();
    Queue *q = find(id);
    if (q) {
        q->refs++;
    }
    shared_unlock();
    return q != NULL;
}

enum { RELEASED, NO_QUEUE, NEVER_BOUND };

static int
queue_decref(int64_t id)
{
    int r = RELEASED;
    shared_lock();
    Queue *q = find(id), *dead = NULL;
    if (!q) {
        r = NO_QUEUE;
    }
    else if (q->refs == 0) {
        r = NEVER_BOUND;
    }
    else if (--q->refs == 0) {
        dead = unlink_queue(id);
    }
    shared_unlock();
    free_queue(dead);
    return r;
}

/* --- errors ---------------------------------------------------------------------------------- */

static PyObject *
no_queue(State *st, int64_t id)
{
    PyErr_Format(st->not_found, "queue %lld not found", (long long)id);
    return NULL;
}

/* The classes are registered when the Python module is imported. */
static int
need_classes(State *st)
{
    if (!st->queue_type || !st->empty || !st->full) {
        NJ_OWN mod = PyImport_ImportModule("concurrent.interpreters._queues");
        if (!mod) {
            return -1;
        }
    }
    if (!st->queue_type || !st->empty || !st->full) {
        PyErr_SetString(PyExc_RuntimeError, "the classes of queues are not registered");
        return -1;
    }
    return 0;
}

/* --- queues as values ------------------------------------------------------------------------- */

static PyObject *
make_queue(NjXData *x)
{
    NJ_OWN mod = PyImport_ImportModule("_interpqueues");
    if (!mod || PyModule_GetDef(mod) != &module_def) {
        return NULL;
    }
    State *st = state_of(mod);
    NJ_OWN id = need_classes(st) < 0 ? NULL : PyLong_FromSsize_t((Py_ssize_t)x->data);
    return id ? PyObject_CallOneArg(st->queue_type, id) : NULL;
}

static void
drop_queue(void *data)
{
    queue_decref((int64_t)(intptr_t)data);
}

static int
get_queue(PyObject *o, NjXData *x, bool fallback)
{
    NJ_OWN id_ = PyObject_GetAttrString(o, "_id");
    int64_t id;
    if (!id_ || !shared_id(id_, "queue", &id)) {
        return -1;
    }
    /* it lives on while it travels */
    if (!queue_incref(id)) {
        NJ_OWN mod = PyImport_ImportModule("_interpqueues");
        if (mod && PyModule_GetDef(mod) == &module_def) {
            no_queue(state_of(mod), id);
        }
        return -1;
    }
    x->data = (void *)(intptr_t)id;
    x->drop = drop_queue;
    x->make = make_queue;
    return 0;
}

static PyObject *
queues_register_heap_types(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"queuetype", "emptyerror", "fullerror", NULL};
    PyObject *type, *empty, *full;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "OOO:_register_heap_types", names, &type,
                                     &empty, &full)) {
        return NULL;
    }
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "expected a type for 'queuetype'");
        return NULL;
    }
    if (!PyExceptionClass_Check(empty)) {
        PyErr_SetString(PyExc_TypeError, "expected an exception type for 'emptyerror'");
        return NULL;
    }
    if (!PyExceptionClass_Check(full)) {
        PyErr_SetString(PyExc_TypeError, "expected an exception type for 'fullerror'");
        return NULL;
    }
    State *st = state_of(m);
    if (type != st->queue_type && nj_xdata_register((PyTypeObject *)type, get_queue) < 0) {
        return NULL;
    }
    NJ_SET(st->queue_type, Py_NewRef(type));
    NJ_SET(st->empty, Py_NewRef(empty));
    NJ_SET(st->full, Py_NewRef(full));
    Py_RETURN_NONE;
}

/* --- functions ----------------------------------------------------------------------------------- */

static PyObject *
queues_create(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"maxsize", "unboundop", "fallback", NULL};
    Py_ssize_t maxsize;
    int unbound = -1, fallback = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "n|ii:create", names, &maxsize, &unbound,
                                     &fallback) ||
        check_unbound(&unbound, UNBOUND_REPLACE) < 0 || check_fallback(&fallback, 1) < 0) {
        return NULL;
    }
    Queue *q = PyMem_RawCalloc(1, sizeof *q);
    if (!q) {
        return PyErr_NoMemory();
    }
    q->maxsize = maxsize;
    q->unbound = unbound;
    q->fallback = fallback;
    shared_lock();
    int64_t id = q->id = ++nj_runtime.shared.next_queue;
    q->next = nj_runtime.shared.queues;
    nj_runtime.shared.queues = q;
    shared_unlock();
    return PyLong_FromLongLong(id);
}

static PyObject *
queues_destroy(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"qid", NULL};
    int64_t id;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:destroy", names, id_converter, &id)) {
        return NULL;
    }
    shared_lock();
    Queue *q = unlink_queue(id);
    shared_unlock();
    if (!q) {
        return no_queue(state_of(m), id);
    }
    free_queue(q);
    Py_RETURN_NONE;
}

static PyObject *
queues_list_all(PyObject *m, PyObject *unused)
{
    struct {
        int64_t id;
        int unbound, fallback;
    } *all = NULL;
    Py_ssize_t n = 0, room = 0;
    shared_lock();
    for (Queue *q = nj_runtime.shared.queues; q; q = q->next) {
        room++;
    }
    all = PyMem_RawMalloc((size_t)(room + 1) * sizeof *all);
    for (Queue *q = nj_runtime.shared.queues; all && q; q = q->next, n++) {
        all[n].id = q->id;
        all[n].unbound = q->unbound;
        all[n].fallback = q->fallback;
    }
    shared_unlock();
    if (!all) {
        return PyErr_NoMemory();
    }
    NJ_OWN list = PyList_New(n);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *item = Py_BuildValue("Lii", (long long)all[i].id, all[i].unbound,
                                       all[i].fallback);
        if (!item) {
            NJ_SET(list, NULL);
            break;
        }
        PyList_SET_ITEM(list, i, item);
    }
    PyMem_RawFree(all);
    return NJ_TAKE(list);
}

static PyObject *
queues_put(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"qid", "obj", "unboundop", "fallback", NULL};
    State *st = state_of(m);
    int64_t id;
    PyObject *o;
    int unbound = -1, fallback = -1;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&O|ii:put", names, id_converter, &id, &o,
                                     &unbound, &fallback)) {
        return NULL;
    }
    shared_lock();
    Queue *q = find(id);
    int unbound_dflt = q ? q->unbound : 0, fallback_dflt = q ? q->fallback : 0;
    shared_unlock();
    if (!q) {
        return no_queue(st, id);
    }
    if (check_unbound(&unbound, unbound_dflt) < 0 ||
        check_fallback(&fallback, fallback_dflt) < 0) {
        return NULL;
    }
    Item *item = PyMem_RawCalloc(1, sizeof *item);
    if (!item || !(item->data = nj_xdata_new())) {
        PyMem_RawFree(item);
        return PyErr_NoMemory();
    }
    item->interp = nj_interp()->id;
    item->unbound = unbound;
    ItemList rest = {0};
    items_push(&rest, item);
    if (nj_xdata_get(o, item->data, fallback != 0) < 0) {
        items_free(&rest);
        return NULL;
    }
    shared_lock();
    bool full = false;
    if ((q = find(id))) {
        full = q->maxsize > 0 && q->items.count >= q->maxsize;
        if (!full) {
            items_push(&q->items, items_pop(&rest));
        }
    }
    shared_unlock();
    items_free(&rest);
    if (!q) {
        return no_queue(st, id);
    }
    if (full) {
        if (need_classes(st) == 0) {
            PyErr_Format(st->full, "queue %lld is full", (long long)id);
        }
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
queues_get(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"qid", NULL};
    State *st = state_of(m);
    int64_t id;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:get", names, id_converter, &id)) {
        return NULL;
    }
    shared_lock();
    Queue *q = find(id);
    Item *item = q ? items_pop(&q->items) : NULL;
    shared_unlock();
    if (!q) {
        return no_queue(st, id);
    }
    if (!item) {
        if (need_classes(st) == 0) {
            PyErr_Format(st->empty, "queue %lld is empty", (long long)id);
        }
        return NULL;
    }
    PyObject *r;
    if (item->data) {
        NJ_OWN o = nj_xdata_make(item->data);
        r = o ? PyTuple_Pack(2, o, Py_None) : NULL;
    }
    else {
        r = Py_BuildValue("Oi", Py_None, item->unbound);
    }
    ItemList done = {0};
    items_push(&done, item);
    items_free(&done);
    return r;
}

static PyObject *
queues_bind(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"qid", NULL};
    int64_t id;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:bind", names, id_converter, &id)) {
        return NULL;
    }
    if (!queue_incref(id)) {
        return no_queue(state_of(m), id);
    }
    Py_RETURN_NONE;
}

static PyObject *
queues_release(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"qid", NULL};
    int64_t id;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O&:release", names, id_converter, &id)) {
        return NULL;
    }
    switch (queue_decref(id)) {
    case NO_QUEUE:
        return no_queue(state_of(m), id);
    case NEVER_BOUND:
        PyErr_Format(state_of(m)->error, "queue %lld never bound", (long long)id);
        return NULL;
    default:
        Py_RETURN_NONE;
    }
}

/* A copy of the queue's figures, for a function that only looks. */
static int
look(PyObject *m, PyObject *args, PyObject *kwds, const char *format, Queue *out)
{
    static char *names[] = {"qid", NULL};
    int64_t id;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, format, names, id_converter, &id)) {
        return -1;
    }
    shared_lock();
    Queue *q = find(id);
    if (q) {
        *out = *q;
    }
    shared_unlock();
    if (!q) {
        no_queue(state_of(m), id);
        return -1;
    }
    return 0;
}

static PyObject *
queues_get_maxsize(PyObject *m, PyObject *args, PyObject *kwds)
{
    Queue q;
    return look(m, args, kwds, "O&:get_maxsize", &q) < 0 ? NULL
                                                         : PyLong_FromSsize_t(q.maxsize);
}

static PyObject *
queues_get_queue_defaults(PyObject *m, PyObject *args, PyObject *kwds)
{
    Queue q;
    return look(m, args, kwds, "O&:get_queue_defaults", &q) < 0
               ? NULL
               : Py_BuildValue("ii", q.unbound, q.fallback);
}

static PyObject *
queues_is_full(PyObject *m, PyObject *args, PyObject *kwds)
{
    Queue q;
    return look(m, args, kwds, "O&:is_full", &q) < 0
               ? NULL
               : PyBool_FromLong(q.maxsize > 0 && q.items.count >= q.maxsize);
}

static PyObject *
queues_get_count(PyObject *m, PyObject *args, PyObject *kwds)
{
    Queue q;
    return look(m, args, kwds, "O&:get_count", &q) < 0 ? NULL
                                                       : PyLong_FromSsize_t(q.items.count);
}

/* --- the module ---------------------------------------------------------------------------------- */

#define KW(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS

static PyMethodDef module_methods[] = {
    {"create", KW(queues_create),
     "create(maxsize, unboundop, fallback) -> qid\n\n"
     "Make a queue and return its ID. It is there until destroy(), or until the references\n"
     "that bind() took are released."},
    {"destroy", KW(queues_destroy),
     "destroy(qid)\n\nThe queue and what is in it exist no longer."},
    {"list_all", queues_list_all, METH_NOARGS,
     "list_all($self, /)\n--\n\nlist_all() -> [(qid, unboundop, fallback)]\n\nAll queues, with their defaults."},
    {"put", KW(queues_put), "put(qid, obj)\n\nAdd the value of the object to the queue."},
    {"get", KW(queues_get),
     "get(qid) -> (obj, unboundop)\n\n"
     "Take the value at the front out, as a new object. For one whose interpreter has ended\n"
     "the object is None and unboundop tells what to do. An empty queue: QueueEmpty."},
    {"bind", KW(queues_bind), "bind(qid)\n\nHold a reference to the queue."},
    {"release", KW(queues_release),
     "release(qid)\n\nDrop a reference to the queue; with the last one it goes."},
    {"get_maxsize", KW(queues_get_maxsize), "get_maxsize(qid)\n\nHow much the queue holds."},
    {"get_queue_defaults", KW(queues_get_queue_defaults),
     "get_queue_defaults(qid)\n\nWhat create() was told about unbound items and fallback."},
    {"is_full", KW(queues_is_full), "is_full(qid)\n\nWhether the queue holds maxsize items."},
    {"get_count", KW(queues_get_count), "get_count(qid)\n\nHow many items are in the queue."},
    {"_register_heap_types", KW(queues_register_heap_types), NULL},
    {NULL, NULL, 0, NULL},
};

/* The interpreter ends: what it put into queues is unbound. */
static void
interp_ends(void *data)
{
    int64_t id = ((NjInterp *)data)->id;
    ItemList garbage = {0};
    shared_lock();
    for (Queue *q = nj_runtime.shared.queues; q; q = q->next) {
        items_unbind(&q->items, id, &garbage);
    }
    shared_unlock();
    items_free(&garbage);
}

static PyObject *
new_error(const char *name, const char *doc, PyObject *base)
{
    return PyErr_NewExceptionWithDoc(name, doc, base, NULL);
}

static int
module_exec(PyObject *m)
{
    State *st = state_of(m);
    st->error = new_error("concurrent.interpreters.QueueError",
                          "Something went wrong with a queue between interpreters.",
                          PyExc_RuntimeError);
    st->not_found = st->error ? new_error("concurrent.interpreters.QueueNotFoundError", NULL,
                                          st->error)
                              : NULL;
    if (!st->not_found || PyModule_AddObjectRef(m, "QueueError", st->error) < 0 ||
        PyModule_AddObjectRef(m, "QueueNotFoundError", st->not_found) < 0) {
        return -1;
    }
    return PyUnstable_AtExit(nj_interp(), interp_ends, nj_interp());
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = state_of(m);
    Py_VISIT(st->error);
    Py_VISIT(st->not_found);
    Py_VISIT(st->queue_type);
    Py_VISIT(st->empty);
    Py_VISIT(st->full);
    return 0;
}

static int
module_clear(PyObject *m)
{
    State *st = state_of(m);
    Py_CLEAR(st->error);
    Py_CLEAR(st->not_found);
    Py_CLEAR(st->queue_type);
    Py_CLEAR(st->empty);
    Py_CLEAR(st->full);
    return 0;
}

static void
module_free(void *m)
{
    (void)module_clear(m);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef module_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_interpqueues",
    .m_doc = "Queues between interpreters: the primitives below concurrent.interpreters.",
    .m_size = sizeof(State),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__interpqueues(void);
PyMODINIT_FUNC
PyInit__interpqueues(void)
{
    return PyModuleDef_Init(&module_def);
}

/* module.c - _asyncio: the running loop, the current task, all tasks.
 *
 * The running loop and its current task live in the thread (NjThread), so that
 * get_running_loop() is two loads.
 * SPDX-License-Identifier: MIT
 */
#include "asyncio_int.h"

#include "runtime/state.h"

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

AsyncState *
nj_async_state(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &nj_asyncio_module);
    return m ? PyModule_GetState(m) : NULL;
}

PyObject *
nj_async_lazy(PyObject **slot, const char *module, const char *name)
{
    if (!*slot) {
        NJ_OWN m = PyImport_ImportModule(module);
        PyObject *v = m ? PyObject_GetAttrString(m, name) : NULL;
        if (v) {
            NJ_SET(*slot, v);
        }
        return v;
    }
    return *slot;
}

/* ---------------------------------------------------------------- running loop */

static PyObject *
get_running_loop(PyObject *module, PyObject *ignored)
{
    PyObject *loop = nj_thread()->running_loop;
    if (!loop) {
        PyErr_SetString(PyExc_RuntimeError, "no running event loop");
        return NULL;
    }
    return Py_NewRef(loop);
}

static PyObject *
get_running_loop_or_none(PyObject *module, PyObject *ignored)
{
    PyObject *loop = nj_thread()->running_loop;
    return Py_NewRef(loop ? loop : Py_None);
}

static PyObject *
set_running_loop(PyObject *module, PyObject *loop)
{
    NJ_SET(nj_thread()->running_loop, loop == Py_None ? NULL : Py_NewRef(loop));
    Py_RETURN_NONE;
}

PyObject *
nj_async_get_event_loop(AsyncState *st)
{
    PyObject *loop = nj_thread()->running_loop;
    if (loop) {
        return Py_NewRef(loop);
    }
    PyObject *get = nj_async_lazy(&st->get_policy, "asyncio.events", "_get_event_loop_policy");
    NJ_OWN policy = get ? PyObject_CallNoArgs(get) : NULL;
    return policy ? PyObject_CallMethodNoArgs(policy, NJ_ID(get_event_loop)) : NULL;
}

static PyObject *
get_event_loop(PyObject *module, PyObject *ignored)
{
    return nj_async_get_event_loop(PyModule_GetState(module));
}

/* ---------------------------------------------------------------- current task */

static int
check_running(PyObject *loop)
{
    if (nj_thread()->running_loop == loop) {
        return 0;
    }
    PyErr_Format(PyExc_RuntimeError, "loop %R is not the running loop", loop);
    return -1;
}

int
nj_async_enter(PyObject *loop, PyObject *task)
{
    NjThread *thread = nj_thread();
    if (check_running(loop) < 0) {
        return -1;
    }
    if (thread->running_task) {
        PyErr_Format(PyExc_RuntimeError,
                     "Cannot enter into task %R while another task %R is being executed.", task,
                     thread->running_task);
        return -1;
    }
    thread->running_task = Py_NewRef(task);
    return 0;
}

int
nj_async_leave(PyObject *loop, PyObject *task)
{
    NjThread *thread = nj_thread();
    if (check_running(loop) < 0) {
        return -1;
    }
    if (thread->running_task != task) {
        PyErr_Format(PyExc_RuntimeError,
                     "Invalid attempt to leave task %R while task %R is entered.", task,
                     thread->running_task ? thread->running_task : Py_None);
        return -1;
    }
    Py_CLEAR(thread->running_task);
    return 0;
}

PyObject *
nj_async_swap(PyObject *loop, PyObject *task)
{
    NjThread *thread = nj_thread();
    if (check_running(loop) < 0) {
        return NULL;
    }
    PyObject *old = thread->running_task;
    thread->running_task = task == Py_None ? NULL : Py_XNewRef(task);
    return old;
}

static PyObject *
current_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    static const char *const names[] = {"loop", NULL};
    static const NjParams params = {"current_task", names, 1, 0, 0};
    NjThread *thread = nj_thread();
    PyObject *loop;
    if (nj_args_bind(&params, args, n, kwnames, &loop) < 0) {
        return NULL;
    }
    if (!loop || loop == Py_None) {
        loop = thread->running_loop;
        if (!loop) {
            PyErr_SetString(PyExc_RuntimeError, "no running event loop");
            return NULL;
        }
    }
    PyObject *task = NULL;
    if (loop == thread->running_loop) {
        task = thread->running_task;
    }
    else {
        /* a loop that runs in another thread of this interpreter; the GIL keeps it still */
        for (PyThreadState *t = PyInterpreterState_ThreadHead(nj_interp()); t;
             t = PyThreadState_Next(t)) {
            if (((NjThread *)t)->running_loop == loop) {
                task = ((NjThread *)t)->running_task;
                break;
            }
        }
    }
    return Py_NewRef(task ? task : Py_None);
}

static const char *const loop_task_names[] = {"loop", "task", NULL};

#define LOOP_TASK(fname)                                                               \
    static const NjParams params = {fname, loop_task_names, 2, 2, 0};                  \
    PyObject *v[2];                                                                    \
    if (nj_args_bind(&params, args, n, kwnames, v) < 0) {                              \
        return NULL;                                                                   \
    }

static PyObject *
enter_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    LOOP_TASK("_enter_task")
    return nj_async_enter(v[0], v[1]) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
leave_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    LOOP_TASK("_leave_task")
    return nj_async_leave(v[0], v[1]) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
swap_current_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    LOOP_TASK("_swap_current_task")
    PyObject *old = nj_async_swap(v[0], v[1]);
    return old || PyErr_Occurred() ? old : Py_NewRef(Py_None);
}

/* ---------------------------------------------------------------- all tasks */

static const char *const task_names[] = {"task", NULL};

#define ONE_TASK(fname)                                                                \
    static const NjParams params = {fname, task_names, 1, 1, 0};                       \
    AsyncState *st = PyModule_GetState(module);                                        \
    PyObject *task;                                                                    \
    if (nj_args_bind(&params, args, n, kwnames, &task) < 0) {                          \
        return NULL;                                                                   \
    }

/* The WeakSet of tasks that are not ours. Borrowed. */
static PyObject *
scheduled_tasks(AsyncState *st)
{
    if (!st->scheduled) {
        NJ_OWN weakref = PyImport_ImportModule("weakref");
        NJ_OWN type = weakref ? PyObject_GetAttrString(weakref, "WeakSet") : NULL;
        PyObject *set = type ? PyObject_CallNoArgs(type) : NULL;
        if (set) {
            NJ_SET(st->scheduled, set);
        }
        return set;
    }
    return st->scheduled;
}

static PyObject *
register_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    ONE_TASK("_register_task")
    if (PyObject_TypeCheck(task, st->task_type)) {
        nj_task_link(TASK(task));
        Py_RETURN_NONE;
    }
    PyObject *set = scheduled_tasks(st);
    return set ? PyObject_CallMethodOneArg(set, NJ_ID(add), task) : NULL;
}

static PyObject *
unregister_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    ONE_TASK("_unregister_task")
    if (PyObject_TypeCheck(task, st->task_type)) {
        nj_task_unlink(TASK(task));
        Py_RETURN_NONE;
    }
    PyObject *set = scheduled_tasks(st);
    return set ? PyObject_CallMethodOneArg(set, NJ_ID(discard), task) : NULL;
}

static PyObject *
register_eager_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    ONE_TASK("_register_eager_task")
    return PySet_Add(st->eager, task) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
unregister_eager_task(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    ONE_TASK("_unregister_eager_task")
    return PySet_Discard(st->eager, task) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Adds those of `tasks', objects of any class, that belong to loop and are not done. */
static int
add_foreign(PyObject *into, PyObject *tasks, PyObject *loop)
{
    NJ_OWN list = tasks ? PySequence_List(tasks) : NULL;
    if (tasks && !list) {
        return -1;
    }
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyObject *task = PyList_GET_ITEM(list, i);
        NJ_OWN done = PyObject_CallMethodNoArgs(task, NJ_ID(done));
        int is_done = done ? PyObject_IsTrue(done) : -1;
        if (is_done != 0) {
            if (is_done < 0) {
                return -1;
            }
            continue;
        }
        NJ_OWN get_loop = NULL;
        if (PyObject_GetOptionalAttr(task, NJ_ID(get_loop), &get_loop) < 0) {
            return -1;
        }
        NJ_OWN its = get_loop ? PyObject_CallNoArgs(get_loop)
                              : PyObject_GetAttr(task, NJ_ID(_loop));
        if (!its || (its == loop && PySet_Add(into, task) < 0)) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
all_tasks(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    static const char *const names[] = {"loop", NULL};
    static const NjParams params = {"all_tasks", names, 1, 0, 0};
    AsyncState *st = PyModule_GetState(module);
    PyObject *arg;
    if (nj_args_bind(&params, args, n, kwnames, &arg) < 0) {
        return NULL;
    }
    NJ_OWN loop = arg && arg != Py_None ? Py_NewRef(arg) : get_running_loop(module, NULL);
    NJ_OWN set = loop ? PySet_New(NULL) : NULL;
    NJ_OWN ours = set ? PyList_New(0) : NULL;
    if (!ours) {
        return NULL;
    }
    /* first references to all: hashing and comparing may change the ring */
    for (TaskNode *node = st->tasks.next; node != &st->tasks; node = node->next) {
        Task *t = TASK_OF_NODE(node);
        if (t->fut.loop == loop && t->fut.state == PENDING && Py_REFCNT(t) > 0
            && PyList_Append(ours, (PyObject *)t) < 0) {
            return NULL;
        }
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(ours); i++) {
        if (PySet_Add(set, PyList_GET_ITEM(ours, i)) < 0) {
            return NULL;
        }
    }
    if (add_foreign(set, st->eager, loop) < 0 || add_foreign(set, st->scheduled, loop) < 0) {
        return NULL;
    }
    return NJ_TAKE(set);
}

/* ---------------------------------------------------------------- call graph */

int
nj_async_awaited_add(AsyncState *st, PyObject *fut, PyObject *waiter)
{
    if (!PyObject_TypeCheck(fut, st->future_type)
        || !PyObject_TypeCheck(waiter, st->future_type)) {
        return 0;
    }
    Future *f = FUTURE(fut);
    if (!f->awaited_by) {
        f->awaited_by = Py_NewRef(waiter);
        return 0;
    }
    if (!f->awaited_by_set) {
        NJ_OWN set = PySet_New(NULL);
        if (!set || PySet_Add(set, f->awaited_by) < 0) {
            return -1;
        }
        NJ_SET(f->awaited_by, NJ_TAKE(set));
        f->awaited_by_set = true;
    }
    return PySet_Add(f->awaited_by, waiter);
}

int
nj_async_awaited_discard(AsyncState *st, PyObject *fut, PyObject *waiter)
{
    if (!PyObject_TypeCheck(fut, st->future_type)
        || !PyObject_TypeCheck(waiter, st->future_type)) {
        return 0;
    }
    Future *f = FUTURE(fut);
    if (f->awaited_by_set) {
        return PySet_Discard(f->awaited_by, waiter) < 0 ? -1 : 0;
    }
    if (f->awaited_by == waiter) {
        Py_CLEAR(f->awaited_by);
    }
    return 0;
}

static PyObject *
add_to_awaited_by(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    if (!_PyArg_CheckPositional("future_add_to_awaited_by", n, 2, 2)
        || nj_async_awaited_add(PyModule_GetState(module), args[0], args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
discard_from_awaited_by(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    if (!_PyArg_CheckPositional("future_discard_from_awaited_by", n, 2, 2)
        || nj_async_awaited_discard(PyModule_GetState(module), args[0], args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- module */

#define KW (METH_FASTCALL | METH_KEYWORDS)
static PyMethodDef asyncio_methods[] = {
    {"current_task", FAST(current_task), KW,
     PyDoc_STR("current_task($module, /, loop=None)\n--\n\n"
               "Return a currently executed task.")},
    {"get_event_loop", get_event_loop, METH_NOARGS,
     PyDoc_STR("get_event_loop($module, /)\n--\n\n"
               "Return an asyncio event loop: the running one, else the policy's.")},
    {"get_running_loop", get_running_loop, METH_NOARGS,
     PyDoc_STR("get_running_loop($module, /)\n--\n\n"
               "The event loop running in this thread; RuntimeError if there is none.")},
    {"_get_running_loop", get_running_loop_or_none, METH_NOARGS,
     PyDoc_STR("_get_running_loop($module, /)\n--\n\n"
               "The event loop running in this thread, or None.")},
    {"_set_running_loop", set_running_loop, METH_O,
     PyDoc_STR("_set_running_loop($module, loop, /)\n--\n\n"
               "Sets the event loop running in this thread. For event loops.")},
    {"_register_task", FAST(register_task), KW,
     PyDoc_STR("_register_task($module, /, task)\n--\n\n"
               "Register a new task in asyncio as executed by loop.\n\nReturns None.")},
    {"_register_eager_task", FAST(register_eager_task), KW,
     PyDoc_STR("_register_eager_task($module, /, task)\n--\n\n"
               "Register a new task in asyncio as executed by loop.\n\nReturns None.")},
    {"_unregister_task", FAST(unregister_task), KW,
     PyDoc_STR("_unregister_task($module, /, task)\n--\n\nUnregister a task.\n\nReturns None.")},
    {"_unregister_eager_task", FAST(unregister_eager_task), KW,
     PyDoc_STR("_unregister_eager_task($module, /, task)\n--\n\n"
               "Unregister a task.\n\nReturns None.")},
    {"_enter_task", FAST(enter_task), KW,
     PyDoc_STR("_enter_task($module, /, loop, task)\n--\n\n"
               "Begin or resume task, which belongs to loop.\n\nReturns None.")},
    {"_leave_task", FAST(leave_task), KW,
     PyDoc_STR("_leave_task($module, /, loop, task)\n--\n\n"
               "End or suspend task, which belongs to loop.\n\nReturns None.")},
    {"_swap_current_task", FAST(swap_current_task), KW,
     PyDoc_STR("_swap_current_task($module, /, loop, task)\n--\n\n"
               "Puts task in the place of the current one, which is returned (or None).\n"
               "For the eager start of coroutines.")},
    {"all_tasks", FAST(all_tasks), KW,
     PyDoc_STR("all_tasks($module, /, loop=None)\n--\n\n"
               "Return a set of all tasks for the loop.")},
    {"future_add_to_awaited_by", FAST(add_to_awaited_by), METH_FASTCALL,
     PyDoc_STR("future_add_to_awaited_by($module, fut, waiter, /)\n--\n\n"
               "Record that `fut` is awaited on by `waiter`.")},
    {"future_discard_from_awaited_by", FAST(discard_from_awaited_by), METH_FASTCALL,
     PyDoc_STR("future_discard_from_awaited_by($module, fut, waiter, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static int
asyncio_exec(PyObject *module)
{
    AsyncState *st = PyModule_GetState(module);
    st->tasks.next = st->tasks.prev = &st->tasks;
    st->remote = (NjRemoteAsyncio){
        .tasks = &st->tasks,
        .node = offsetof(Task, node),
        .coro = offsetof(Task, coro),
        .name = offsetof(Task, name),
        .loop = offsetof(Future, loop),
        .awaited_by = offsetof(Future, awaited_by),
        .awaited_by_set = offsetof(Future, awaited_by_set),
        .is_task = offsetof(Future, is_task),
    };
    nj_interp()->rt.remote_asyncio = &st->remote;
    st->eager = PySet_New(NULL);
    st->kw_context = PyTuple_Pack(1, NJ_ID(context));
    st->kw_msg = PyTuple_Pack(1, NJ_ID(msg));
    if (!st->eager || !st->kw_context || !st->kw_msg) {
        return -1;
    }
    st->iter_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &nj_future_iter_spec, NULL);
    st->step_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &nj_task_step_spec, NULL);
    st->future_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &nj_future_spec, NULL);
    if (!st->iter_type || !st->step_type || !st->future_type) {
        return -1;
    }
    st->task_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &nj_task_spec,
                                                             (PyObject *)st->future_type);
    if (!st->task_type || PyModule_AddType(module, st->future_type) < 0) {
        return -1;
    }
    return PyModule_AddType(module, st->task_type);
}

#define STATE_FIELDS(F)                                                                \
    F(future_type) F(task_type) F(iter_type) F(step_type) F(scheduled) F(eager)        \
    F(kw_context) F(kw_msg) F(cancelled_error) F(invalid_state) F(future_repr)         \
    F(task_repr) F(task_get_stack) F(task_print_stack) F(iscoroutine) F(get_policy)    \
    F(extract_stack)

static int
asyncio_traverse(PyObject *module, visitproc visit, void *arg)
{
    AsyncState *st = PyModule_GetState(module);
#define VISIT(f) Py_VISIT(st->f);
    STATE_FIELDS(VISIT)
#undef VISIT
    return 0;
}

static int
asyncio_clear(PyObject *module)
{
    AsyncState *st = PyModule_GetState(module);
#define CLEAR(f) Py_CLEAR(st->f);
    STATE_FIELDS(CLEAR)
#undef CLEAR
    return 0;
}

static void
asyncio_free(void *module)
{
    AsyncState *st = PyModule_GetState(module);
    (void)asyncio_clear(module);
    if (nj_interp()->rt.remote_asyncio == &st->remote) {
        nj_interp()->rt.remote_asyncio = NULL;
    }
    /* tasks that die after us must not touch the head of the ring */
    while (st->tasks.next && st->tasks.next != &st->tasks) {
        nj_task_unlink(TASK_OF_NODE(st->tasks.next));
    }
}

static PyModuleDef_Slot asyncio_slots[] = {
    {Py_mod_exec, asyncio_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

struct PyModuleDef nj_asyncio_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_asyncio",
    .m_doc = PyDoc_STR("Accelerator module for asyncio"),
    .m_size = sizeof(AsyncState),
    .m_methods = asyncio_methods,
    .m_slots = asyncio_slots,
    .m_traverse = asyncio_traverse,
    .m_clear = asyncio_clear,
    .m_free = asyncio_free,
};

PyMODINIT_FUNC
PyInit__asyncio(void)
{
    return PyModuleDef_Init(&nj_asyncio_module);
}

/* task.c - _asyncio.Task: a coroutine that an event loop drives.
 *
 * step() resumes the coroutine. What it yields decides when the next step comes: a future
 * (when that is done), None (soon), anything else (soon, with an error).
 * SPDX-License-Identifier: MIT
 */
#include "asyncio_int.h"

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

static PyObject *step(Task *t, PyObject *exc);
static PyObject *task_wakeup(PyObject *self, PyObject *fut);

static PyMethodDef wakeup_def = {"task_wakeup", task_wakeup, METH_O, NULL};

/* ---------------------------------------------------------------- list of tasks */

void
nj_task_link(Task *t)
{
    if (t->node.next) {
        return;
    }
    TaskNode *head = &t->fut.st->tasks;
    t->node.prev = head->prev;
    t->node.next = head;
    head->prev->next = &t->node;
    head->prev = &t->node;
}

void
nj_task_unlink(Task *t)
{
    if (t->node.next) {
        t->node.prev->next = t->node.next;
        t->node.next->prev = t->node.prev;
        t->node.next = t->node.prev = NULL;
    }
}

/* ---------------------------------------------------------------- scheduling steps */

/* The callable that the loop runs for a step, with the exception to throw in, if any. */
typedef struct {
    PyObject_HEAD
    Task *task;
    PyObject *exc;
} Step;

static PyObject *
step_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Step *s = (Step *)self;
    if (kwargs && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "function takes no keyword arguments");
        return NULL;
    }
    if (args && PyTuple_GET_SIZE(args) > 0) {
        PyErr_SetString(PyExc_TypeError, "function takes no positional arguments");
        return NULL;
    }
    NJ_OWN task = Py_XNewRef((PyObject *)s->task);
    return task ? step(TASK(task), s->exc) : Py_NewRef(Py_None);
}

static PyObject *
step_get_self(PyObject *self, void *closure)
{
    PyObject *task = (PyObject *)((Step *)self)->task;
    return Py_NewRef(task ? task : Py_None);
}

static int
step_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Step *)self)->task);
    Py_VISIT(((Step *)self)->exc);
    return 0;
}

static int
step_clear(PyObject *self)
{
    Py_CLEAR(((Step *)self)->task);
    Py_CLEAR(((Step *)self)->exc);
    return 0;
}

static void
step_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    step_clear(self);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyGetSetDef step_getset[] = {
    {"__self__", step_get_self, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot step_slots[] = {
    {Py_tp_dealloc, step_dealloc}, {Py_tp_traverse, step_traverse},
    {Py_tp_clear, step_clear},     {Py_tp_call, step_call},
    {Py_tp_getset, step_getset},   {0, NULL},
};

PyType_Spec nj_task_step_spec = {
    .name = "_asyncio.TaskStepMethWrapper",
    .basicsize = sizeof(Step),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = step_slots,
};

/* Has the loop run a step soon. */
static int
step_soon(Task *t, PyObject *exc)
{
    AsyncState *st = t->fut.st;
    Step *s = PyObject_GC_New(Step, st->step_type);
    if (!s) {
        return -1;
    }
    s->task = TASK(Py_NewRef((PyObject *)t));
    s->exc = Py_XNewRef(exc);
    PyObject_GC_Track(s);
    int failed = nj_async_call_soon(st, t->fut.loop, (PyObject *)s, NULL, t->context);
    Py_DECREF(s);
    return failed;
}

/* The next step throws a RuntimeError with this text (consumed). */
static int
step_error(Task *t, NJ_STEALS PyObject *text)
{
    NJ_OWN message = text;
    NJ_OWN e = message ? PyObject_CallOneArg(PyExc_RuntimeError, message) : NULL;
    return e ? step_soon(t, e) : -1;
}

/* ---------------------------------------------------------------- what was yielded */

int
nj_task_cancel_waiter(AsyncState *st, PyObject *waiter, PyObject *msg)
{
    if (Py_IS_TYPE(waiter, st->future_type)) {
        return nj_future_cancel(FUTURE(waiter), msg);
    }
    if (Py_IS_TYPE(waiter, st->task_type)) {
        return nj_task_cancel(TASK(waiter), msg);
    }
    PyObject *args[2] = {waiter, msg ? msg : Py_None};
    NJ_OWN r = PyObject_VectorcallMethod(NJ_ID(cancel), args,
                                         1 | PY_VECTORCALL_ARGUMENTS_OFFSET, st->kw_msg);
    return r ? PyObject_IsTrue(r) : -1;
}

/* The task waits for `fut' from now on, whose done callback is set. */
static int
wait_for(Task *t, PyObject *fut)
{
    NJ_SET(t->fut_waiter, Py_NewRef(fut));
    if (t->must_cancel) {
        int cancelled = nj_task_cancel_waiter(t->fut.st, fut, t->fut.cancel_msg);
        if (cancelled < 0) {
            return -1;
        }
        if (cancelled) {
            t->must_cancel = false;
        }
    }
    return 0;
}

static int
wrong_loop(Task *t, PyObject *fut)
{
    return step_error(
        t, PyUnicode_FromFormat("Task %R got Future %R attached to a different loop", t, fut));
}

static int
not_awaited(Task *t, PyObject *fut)
{
    return step_error(
        t, PyUnicode_FromFormat("yield was used instead of yield from in task %R with %R", t,
                                fut));
}

static int
await_itself(Task *t)
{
    return step_error(t, PyUnicode_FromFormat("Task cannot await on itself: %R", t));
}

/* A future of ours was yielded. */
static int
yielded_native(Task *t, Future *f)
{
    AsyncState *st = t->fut.st;
    if (f->loop != t->fut.loop) {
        return wrong_loop(t, (PyObject *)f);
    }
    if (!f->blocking) {
        return not_awaited(t, (PyObject *)f);
    }
    if ((PyObject *)f == (PyObject *)t) {
        return await_itself(t);
    }
    f->blocking = false;
    NJ_OWN wakeup = PyCFunction_New(&wakeup_def, (PyObject *)t);
    if (!wakeup || nj_async_awaited_add(st, (PyObject *)f, (PyObject *)t) < 0
        || nj_future_add_callback(f, wakeup, t->context) < 0) {
        return -1;
    }
    return wait_for(t, (PyObject *)f);
}

static PyObject *
loop_of(PyObject *fut)
{
    NJ_OWN get_loop = NULL;
    if (PyObject_GetOptionalAttr(fut, NJ_ID(get_loop), &get_loop) < 0) {
        return NULL;
    }
    return get_loop ? PyObject_CallNoArgs(get_loop) : PyObject_GetAttr(fut, NJ_ID(_loop));
}

/* Something with an _asyncio_future_blocking that is not None was yielded. */
static int
yielded_foreign(Task *t, PyObject *fut, PyObject *blocking)
{
    AsyncState *st = t->fut.st;
    NJ_OWN loop = loop_of(fut);
    if (!loop) {
        return -1;
    }
    if (loop != t->fut.loop) {
        return wrong_loop(t, fut);
    }
    int on = PyObject_IsTrue(blocking);
    if (on <= 0) {
        return on < 0 ? -1 : not_awaited(t, fut);
    }
    if (fut == (PyObject *)t) {
        return await_itself(t);
    }
    if (nj_async_awaited_add(st, fut, (PyObject *)t) < 0
        || PyObject_SetAttr(fut, NJ_ID(_asyncio_future_blocking), Py_False) < 0) {
        return -1;
    }
    NJ_OWN wakeup = PyCFunction_New(&wakeup_def, (PyObject *)t);
    PyObject *args[3] = {fut, wakeup, t->context};
    NJ_OWN r = wakeup ? PyObject_VectorcallMethod(NJ_ID(add_done_callback), args,
                                                  2 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                                  st->kw_context)
                      : NULL;
    return r ? wait_for(t, fut) : -1;
}

static int
yielded(Task *t, PyObject *result)
{
    AsyncState *st = t->fut.st;
    if (Py_IS_TYPE(result, st->future_type) || Py_IS_TYPE(result, st->task_type)) {
        return yielded_native(t, FUTURE(result));
    }
    if (result == Py_None) {
        return step_soon(t, NULL);
    }
    NJ_OWN blocking = NULL;
    if (PyObject_GetOptionalAttr(result, NJ_ID(_asyncio_future_blocking), &blocking) < 0) {
        return -1;
    }
    if (blocking && blocking != Py_None) {
        return yielded_foreign(t, result, blocking);
    }
    if (PyGen_CheckExact(result)) {
        return step_error(
            t, PyUnicode_FromFormat("yield was used instead of yield from for generator in "
                                    "task %R with %R",
                                    t, result));
    }
    return step_error(t, PyUnicode_FromFormat("Task got bad yield: %R", result));
}

/* ---------------------------------------------------------------- steps */

/* The coroutine returned `value'. */
static int
finished(Task *t, PyObject *value)
{
    if (t->must_cancel) {
        t->must_cancel = false;
        return nj_future_cancel(&t->fut, t->fut.cancel_msg) < 0 ? -1 : 0;
    }
    return nj_future_set_result(&t->fut, value);
}

/* The coroutine raised (the exception is set). */
static int
failed(Task *t)
{
    AsyncState *st = t->fut.st;
    NJ_OWN e = PyErr_GetRaisedException();
    PyObject *cancelled = nj_async_lazy(&st->cancelled_error, "asyncio.exceptions",
                                        "CancelledError");
    if (!cancelled) {
        return -1;
    }
    if (PyErr_GivenExceptionMatches(e, cancelled)) {
        NJ_SET(t->fut.cancelled_exc, NJ_TAKE(e));
        return nj_future_cancel(&t->fut, NULL) < 0 ? -1 : 0;
    }
    if (nj_future_set_exception(&t->fut, e) < 0) {
        return -1;
    }
    if (PyErr_GivenExceptionMatches(e, PyExc_KeyboardInterrupt)
        || PyErr_GivenExceptionMatches(e, PyExc_SystemExit)) {
        PyErr_SetRaisedException(NJ_TAKE(e)); /* the loop is to stop, too */
        return -1;
    }
    return 0;
}

/* Resumes the coroutine. As PyIter_Send. */
static PySendResult
resume(Task *t, PyObject *exc, PyObject **out)
{
    NJ_OWN coro = Py_XNewRef(t->coro);
    *out = NULL;
    if (!coro) {
        PyErr_SetString(PyExc_RuntimeError, "uninitialized Task object");
        return PYGEN_ERROR;
    }
    if (!exc) {
        return PyIter_Send(coro, Py_None, out);
    }
    *out = PyObject_CallMethodOneArg(coro, NJ_ID(throw), exc);
    if (*out) {
        return PYGEN_NEXT;
    }
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
    NJ_OWN stop = PyErr_GetRaisedException();
    *out = PyObject_GetAttr(stop, NJ_ID(value));
    return *out ? PYGEN_RETURN : PYGEN_ERROR;
}

static int
run_step(Task *t, PyObject *exc_arg)
{
    Future *f = &t->fut;
    if (f->state != PENDING) {
        PyObject *type = nj_async_lazy(&f->st->invalid_state, "asyncio.exceptions",
                                       "InvalidStateError");
        if (type) {
            PyErr_Format(type, "__step(): already done: %R %R", t,
                         exc_arg ? exc_arg : Py_None);
        }
        return -1;
    }
    NJ_OWN exc = Py_XNewRef(exc_arg);
    if (t->must_cancel) {
        PyObject *cancelled = nj_async_lazy(&f->st->cancelled_error, "asyncio.exceptions",
                                            "CancelledError");
        if (!cancelled) {
            return -1;
        }
        if (!exc || !PyErr_GivenExceptionMatches(exc, cancelled)) {
            NJ_SET(exc, nj_future_cancelled_error(f));
            if (!exc) {
                return -1;
            }
        }
        t->must_cancel = false;
    }
    Py_CLEAR(t->fut_waiter);
    PyObject *value;
    PySendResult r = resume(t, exc, &value);
    Py_CLEAR(exc); /* a frame of its traceback may hold the task */
    int status = r == PYGEN_NEXT     ? yielded(t, value)
                 : r == PYGEN_RETURN ? finished(t, value)
                                     : failed(t);
    Py_XDECREF(value);
    if (f->state != PENDING) {
        nj_task_unlink(t);
    }
    return status;
}

static PyObject *
step(Task *t, PyObject *exc)
{
    NJ_OWN keep = Py_NewRef((PyObject *)t);
    NJ_OWN loop = Py_XNewRef(t->fut.loop);
    if (!nj_future_alive(&t->fut) || nj_async_enter(loop, keep) < 0) {
        return NULL;
    }
    int status = run_step(t, exc);
    PyObject *raised = status < 0 ? PyErr_GetRaisedException() : NULL;
    int left = nj_async_leave(loop, keep);
    if (raised) {
        if (left < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(raised);
        return NULL;
    }
    return left < 0 ? NULL : Py_NewRef(Py_None);
}

/* The future that the task waits for is done. */
static PyObject *
task_wakeup(PyObject *self, PyObject *fut)
{
    Task *t = TASK(self);
    AsyncState *st = t->fut.st;
    NJ_OWN keep = Py_NewRef(self);
    if (nj_async_awaited_discard(st, fut, self) < 0) {
        return NULL;
    }
    NJ_OWN result = Py_IS_TYPE(fut, st->future_type) || Py_IS_TYPE(fut, st->task_type)
                        ? nj_future_result(FUTURE(fut))
                        : PyObject_CallMethodNoArgs(fut, NJ_ID(result));
    if (result) {
        return step(t, NULL);
    }
    NJ_OWN exc = PyErr_GetRaisedException();
    return step(t, exc);
}

/* The first step, at once, inside the caller's step. */
static int
start_eagerly(Task *t)
{
    PyObject *self = (PyObject *)t;
    NJ_OWN loop = Py_NewRef(t->fut.loop);
    NJ_OWN outer = nj_async_swap(loop, self);
    if (!outer && PyErr_Occurred()) {
        return -1;
    }
    nj_task_link(t);
    int status = PyContext_Enter(t->context);
    if (status == 0) {
        status = run_step(t, NULL);
        NJ_OWN raised = PyErr_GetRaisedException();
        if (PyContext_Exit(t->context) < 0) {
            status = -1;
        }
        if (raised) {
            PyErr_SetRaisedException(NJ_TAKE(raised));
        }
    }
    NJ_OWN raised = PyErr_GetRaisedException();
    NJ_OWN me = nj_async_swap(loop, outer);
    if (!me && PyErr_Occurred()) {
        status = -1;
    }
    if (raised) {
        PyErr_SetRaisedException(NJ_TAKE(raised));
    }
    if (t->fut.state != PENDING) {
        nj_task_unlink(t);
        Py_CLEAR(t->coro);
    }
    return status;
}

/* ---------------------------------------------------------------- life */

static const char *const init_names[] = {"coro", "loop", "name", "context", "eager_start",
                                         NULL};
static const NjParams init_params = {"Task", init_names, 1, 1, 0};

static int
is_coroutine(AsyncState *st, PyObject *coro)
{
    if (PyCoro_CheckExact(coro)) {
        return 1;
    }
    PyObject *check = nj_async_lazy(&st->iscoroutine, "asyncio.coroutines", "iscoroutine");
    NJ_OWN r = check ? PyObject_CallOneArg(check, coro) : NULL;
    return r ? PyObject_IsTrue(r) : -1;
}

static int
set_name(Task *t, PyObject *name)
{
    PyObject *s = !name || name == Py_None ? PyLong_FromUnsignedLongLong(++t->fut.st->task_count)
                                           : PyObject_Str(name);
    if (!s) {
        return -1;
    }
    NJ_SET(t->name, s);
    return 0;
}

/* loop.is_running() */
static int
is_running(PyObject *loop)
{
    NJ_OWN r = PyObject_CallMethodNoArgs(loop, NJ_ID(is_running));
    return r ? PyObject_IsTrue(r) : -1;
}

/* v: coro, loop, name, context, eager_start */
static int
init_task(Task *t, PyObject *const *v)
{
    AsyncState *st = t->fut.st;
    nj_task_unlink(t);
    if (nj_future_init(&t->fut, v[1]) < 0) {
        return -1;
    }
    t->fut.is_task = true;
    int ok = is_coroutine(st, v[0]);
    if (ok <= 0) {
        t->log_destroy = false;
        if (ok == 0) {
            PyErr_Format(PyExc_TypeError, "a coroutine was expected, got %R", v[0]);
        }
        return -1;
    }
    NJ_SET(t->context, v[3] && v[3] != Py_None ? Py_NewRef(v[3]) : PyContext_CopyCurrent());
    if (!t->context) {
        return -1;
    }
    Py_CLEAR(t->fut_waiter);
    t->must_cancel = false;
    t->log_destroy = true;
    t->cancels = 0;
    NJ_SET(t->coro, Py_NewRef(v[0]));
    if (set_name(t, v[2]) < 0) {
        return -1;
    }
    int eager = v[4] ? PyObject_IsTrue(v[4]) : 0;
    if (eager > 0) {
        eager = is_running(t->fut.loop);
    }
    if (eager != 0) {
        return eager < 0 ? -1 : start_eagerly(t);
    }
    if (step_soon(t, NULL) < 0) {
        return -1;
    }
    nj_task_link(t);
    return 0;
}

static int
task_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *v[5];
    if (nj_args_bind_tuple(&init_params, args, kwargs, v) < 0) {
        return -1;
    }
    return init_task(TASK(self), v);
}

static PyObject *
task_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    AsyncState *st = nj_async_state(type);
    Task *t = st ? (Task *)type->tp_alloc(type, 0) : NULL;
    if (t) {
        t->fut.st = st;
        t->fut.is_task = true;
    }
    return (PyObject *)t;
}

static PyObject *
task_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *v[5];
    if (nj_args_bind(&init_params, args, PyVectorcall_NARGS(nargsf), kwnames, v) < 0) {
        return NULL;
    }
    PyObject *self = task_new((PyTypeObject *)type, NULL, NULL);
    if (self && init_task(TASK(self), v) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

static int
task_traverse(PyObject *self, visitproc visit, void *arg)
{
    Task *t = TASK(self);
    Py_VISIT(t->coro);
    Py_VISIT(t->context);
    Py_VISIT(t->fut_waiter);
    Py_VISIT(t->name);
    return nj_future_traverse(self, visit, arg);
}

static int
task_gc_clear(PyObject *self)
{
    Task *t = TASK(self);
    nj_future_gc_clear(self);
    Py_CLEAR(t->coro);
    Py_CLEAR(t->context);
    Py_CLEAR(t->fut_waiter);
    Py_CLEAR(t->name);
    return 0;
}

static void
task_finalize(PyObject *self)
{
    Task *t = TASK(self);
    PyObject *pending = PyErr_GetRaisedException();
    if (t->fut.state == PENDING && t->log_destroy && t->fut.loop) {
        NJ_OWN message = PyUnicode_FromString("Task was destroyed but it is pending!");
        if (message) {
            nj_future_report(&t->fut, "task", message, false);
        }
        else {
            PyErr_Clear();
        }
    }
    nj_future_finalize_log(self);
    PyErr_SetRaisedException(pending);
}

static void
task_dealloc(PyObject *self)
{
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyTypeObject *type = Py_TYPE(self);
    nj_task_unlink(TASK(self));
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    task_gc_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------- methods */

int
nj_task_cancel(Task *t, PyObject *msg)
{
    t->fut.log_tb = false;
    if (t->fut.state != PENDING) {
        return 0;
    }
    t->cancels++;
    if (t->fut_waiter) {
        NJ_OWN waiter = Py_NewRef(t->fut_waiter);
        int done = nj_task_cancel_waiter(t->fut.st, waiter, msg);
        if (done != 0) {
            return done;
        }
    }
    t->must_cancel = true;
    NJ_SET(t->fut.cancel_msg, Py_XNewRef(msg));
    return 1;
}

static PyObject *
task_cancel(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    static const char *const names[] = {"msg", NULL};
    static const NjParams params = {"cancel", names, 1, 0, 0};
    PyObject *msg;
    if (nj_args_bind(&params, args, n, kwnames, &msg) < 0) {
        return NULL;
    }
    int done = nj_task_cancel(TASK(self), msg);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
task_cancelling(PyObject *self, PyObject *ignored)
{
    return PyLong_FromLong(TASK(self)->cancels);
}

static PyObject *
task_uncancel(PyObject *self, PyObject *ignored)
{
    Task *t = TASK(self);
    if (t->cancels > 0 && --t->cancels == 0) {
        t->must_cancel = false;
    }
    return PyLong_FromLong(t->cancels);
}

static PyObject *
task_set_result(PyObject *self, PyObject *ignored)
{
    PyErr_SetString(PyExc_RuntimeError, "Task does not support set_result operation");
    return NULL;
}

static PyObject *
task_set_exception(PyObject *self, PyObject *ignored)
{
    PyErr_SetString(PyExc_RuntimeError, "Task does not support set_exception operation");
    return NULL;
}

static PyObject *
task_get_stack(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    static const char *const names[] = {"limit", NULL};
    static const NjParams params = {"get_stack", names, 0, 0, 0};
    AsyncState *st = TASK(self)->fut.st;
    PyObject *limit;
    if (nj_args_bind(&params, args, n, kwnames, &limit) < 0) {
        return NULL;
    }
    PyObject *f = nj_async_lazy(&st->task_get_stack, "asyncio.base_tasks", "_task_get_stack");
    return f ? PyObject_CallFunctionObjArgs(f, self, limit ? limit : Py_None, NULL) : NULL;
}

static PyObject *
task_print_stack(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    static const char *const names[] = {"limit", "file", NULL};
    static const NjParams params = {"print_stack", names, 0, 0, 0};
    AsyncState *st = TASK(self)->fut.st;
    PyObject *v[2];
    if (nj_args_bind(&params, args, n, kwnames, v) < 0) {
        return NULL;
    }
    PyObject *f = nj_async_lazy(&st->task_print_stack, "asyncio.base_tasks",
                                "_task_print_stack");
    return f ? PyObject_CallFunctionObjArgs(f, self, v[0] ? v[0] : Py_None,
                                            v[1] ? v[1] : Py_None, NULL)
             : NULL;
}

static PyObject *
task_get_name(PyObject *self, PyObject *ignored)
{
    Task *t = TASK(self);
    if (t->name && PyLong_CheckExact(t->name)) {
        PyObject *s = PyUnicode_FromFormat("Task-%S", t->name);
        if (!s) {
            return NULL;
        }
        NJ_SET(t->name, s);
    }
    return Py_NewRef(t->name ? t->name : Py_None);
}

static PyObject *
task_set_name(PyObject *self, PyObject *name)
{
    PyObject *s = PyObject_Str(name);
    if (!s) {
        return NULL;
    }
    NJ_SET(TASK(self)->name, s);
    Py_RETURN_NONE;
}

static PyObject *
or_none(PyObject *o)
{
    return Py_NewRef(o ? o : Py_None);
}

static PyObject *
task_get_coro(PyObject *self, PyObject *ignored)
{
    return or_none(TASK(self)->coro);
}

static PyObject *
task_get_context(PyObject *self, PyObject *ignored)
{
    return or_none(TASK(self)->context);
}

static PyObject *
task_coro_attr(PyObject *self, void *closure)
{
    return or_none(TASK(self)->coro);
}

static PyObject *
task_fut_waiter_attr(PyObject *self, void *closure)
{
    return or_none(TASK(self)->fut_waiter);
}

static PyObject *
task_must_cancel_attr(PyObject *self, void *closure)
{
    return PyBool_FromLong(TASK(self)->must_cancel);
}

static PyObject *
task_log_destroy_attr(PyObject *self, void *closure)
{
    return PyBool_FromLong(TASK(self)->log_destroy);
}

static int
task_set_log_destroy(PyObject *self, PyObject *v, void *closure)
{
    if (!v) {
        PyErr_SetString(PyExc_AttributeError,
                        "attribute '_log_destroy_pending' of '_asyncio.Task' objects "
                        "cannot be deleted");
        return -1;
    }
    int on = PyObject_IsTrue(v);
    if (on >= 0) {
        TASK(self)->log_destroy = on;
    }
    return on < 0 ? -1 : 0;
}

static PyMethodDef task_methods[] = {
    {"set_result", task_set_result, METH_O,
     PyDoc_STR("set_result($self, result, /)\n--\n\n")},
    {"set_exception", task_set_exception, METH_O,
     PyDoc_STR("set_exception($self, exception, /)\n--\n\n")},
    {"cancel", FAST(task_cancel), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("cancel($self, /, msg=None)\n--\n\n"
               "Asks the task to cancel itself: CancelledError is thrown into the coroutine\n"
               "at the next turn of the loop, which may clean up or even go on. False if\n"
               "the task is done.")},
    {"cancelling", task_cancelling, METH_NOARGS,
     PyDoc_STR("cancelling($self, /)\n--\n\n"
               "How many cancellation requests are open: cancel() adds one, uncancel() takes\n"
               "one back.")},
    {"uncancel", task_uncancel, METH_NOARGS,
     PyDoc_STR("uncancel($self, /)\n--\n\n"
               "Takes one cancellation request back and returns how many remain.")},
    {"get_stack", FAST(task_get_stack), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get_stack($self, /, *, limit=None)\n--\n\n"
               "The frames of the task's coroutine, oldest first: where it is suspended, or\n"
               "those of the traceback if it raised; empty if it returned.")},
    {"print_stack", FAST(task_print_stack), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("print_stack($self, /, *, limit=None, file=None)\n--\n\n"
               "Prints what get_stack() gives, like the traceback module, to file or\n"
               "sys.stderr.")},
    {"get_name", task_get_name, METH_NOARGS, PyDoc_STR("get_name($self, /)\n--\n\n")},
    {"set_name", task_set_name, METH_O, PyDoc_STR("set_name($self, value, /)\n--\n\n")},
    {"get_coro", task_get_coro, METH_NOARGS, PyDoc_STR("get_coro($self, /)\n--\n\n")},
    {"get_context", task_get_context, METH_NOARGS,
     PyDoc_STR("get_context($self, /)\n--\n\n")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, object, /)\n--\n\n"
               "Tasks are generic over the return type of their wrapped coroutines")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef task_getset[] = {
    {"_log_destroy_pending", task_log_destroy_attr, task_set_log_destroy, NULL, NULL},
    {"_must_cancel", task_must_cancel_attr, NULL, NULL, NULL},
    {"_coro", task_coro_attr, NULL, NULL, NULL},
    {"_fut_waiter", task_fut_waiter_attr, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot task_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Task(coro, *, loop=None, name=None, context=None, eager_start=False)\n"
                       "--\n\nA coroutine wrapped in a Future.")},
    {Py_tp_new, task_new},
    {Py_tp_init, task_init},
    {Py_tp_vectorcall, task_vectorcall},
    {Py_tp_dealloc, task_dealloc},
    {Py_tp_finalize, task_finalize},
    {Py_tp_traverse, task_traverse},
    {Py_tp_clear, task_gc_clear},
    {Py_tp_methods, task_methods},
    {Py_tp_getset, task_getset},
    {0, NULL},
};

PyType_Spec nj_task_spec = {
    .name = "_asyncio.Task",
    .basicsize = sizeof(Task),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MANAGED_DICT
             | Py_TPFLAGS_MANAGED_WEAKREF,
    .slots = task_slots,
};

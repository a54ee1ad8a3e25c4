/* future.c - _asyncio.Future.
 *
 * Nearly every future has one callback, the wake-up of the task that awaits it, so the
 * first is kept outside the list.
 * SPDX-License-Identifier: MIT
 */
#include "asyncio_int.h"

#include <structmember.h>

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

static const char not_ready[] = "Future object is not initialized.";

bool
nj_future_alive(Future *f)
{
    if (!f->loop) {
        PyErr_SetString(PyExc_RuntimeError, not_ready);
    }
    return f->loop != NULL;
}

static void
raise_invalid_state(AsyncState *st, const char *text)
{
    PyObject *type = nj_async_lazy(&st->invalid_state, "asyncio.exceptions",
                                   "InvalidStateError");
    if (type) {
        PyErr_SetString(type, text);
    }
}

/* ---------------------------------------------------------------- callbacks */

int
nj_async_call_soon(AsyncState *st, PyObject *loop, PyObject *callback, PyObject *arg,
                   PyObject *context)
{
    PyObject *args[4] = {loop, callback};
    size_t n = 2;
    if (arg) {
        args[n++] = arg;
    }
    args[n] = context;
    NJ_OWN r = PyObject_VectorcallMethod(NJ_ID(call_soon), args,
                                         n | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                         context ? st->kw_context : NULL);
    return r ? 0 : -1;
}

/* The future is done: hands all callbacks to the loop. */
static int
schedule_callbacks(Future *f)
{
    NJ_OWN loop = Py_NewRef(f->loop);
    if (f->callback0) {
        NJ_OWN callback = NJ_TAKE(f->callback0);
        NJ_OWN context = NJ_TAKE(f->context0);
        if (nj_async_call_soon(f->st, loop, callback, (PyObject *)f, context) < 0) {
            return -1;
        }
    }
    NJ_OWN list = NJ_TAKE(f->callbacks);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        NJ_OWN pair = Py_NewRef(PyList_GET_ITEM(list, i));
        if (nj_async_call_soon(f->st, loop, PyTuple_GET_ITEM(pair, 0), (PyObject *)f,
                               PyTuple_GET_ITEM(pair, 1))
            < 0) {
            return -1;
        }
    }
    return 0;
}

int
nj_future_add_callback(Future *f, PyObject *callback, PyObject *context)
{
    if (f->state != PENDING) {
        return nj_async_call_soon(f->st, f->loop, callback, (PyObject *)f, context);
    }
    if (!f->callback0 && !f->callbacks) {
        f->callback0 = Py_NewRef(callback);
        f->context0 = Py_NewRef(context);
        return 0;
    }
    NJ_OWN pair = PyTuple_Pack(2, callback, context);
    if (!pair) {
        return -1;
    }
    if (!f->callbacks && !(f->callbacks = PyList_New(0))) {
        return -1;
    }
    return PyList_Append(f->callbacks, pair);
}

static PyObject *
future_add_done_callback(PyObject *self, PyObject *const *args, Py_ssize_t n,
                         PyObject *kwnames)
{
    static const char *const names[] = {"", "context", NULL};
    static const NjParams params = {"add_done_callback", names, 1, 1, 0};
    Future *f = FUTURE(self);
    PyObject *v[2];
    if (nj_args_bind(&params, args, n, kwnames, v) < 0) {
        return NULL;
    }
    if (!f->loop) {
        PyErr_SetString(PyExc_RuntimeError, "uninitialized Future object");
        return NULL;
    }
    NJ_OWN context = v[1] ? Py_NewRef(v[1]) : PyContext_CopyCurrent();
    if (!context || nj_future_add_callback(f, v[0], context) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
future_remove_done_callback(PyObject *self, PyObject *fn)
{
    Future *f = FUTURE(self);
    Py_ssize_t removed = 0;
    if (!nj_future_alive(f)) {
        return NULL;
    }
    if (f->callback0) {
        NJ_OWN callback = Py_NewRef(f->callback0);
        int same = PyObject_RichCompareBool(callback, fn, Py_EQ);
        if (same < 0) {
            return NULL;
        }
        if (same && f->callback0 == callback) {
            Py_CLEAR(f->callback0);
            Py_CLEAR(f->context0);
            removed++;
        }
    }
    NJ_OWN list = Py_XNewRef(f->callbacks);
    NJ_OWN kept = list ? PyList_New(0) : NULL;
    if (list && !kept) {
        return NULL;
    }
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        NJ_OWN pair = Py_NewRef(PyList_GET_ITEM(list, i));
        int same = PyObject_RichCompareBool(PyTuple_GET_ITEM(pair, 0), fn, Py_EQ);
        if (same < 0 || (!same && PyList_Append(kept, pair) < 0)) {
            return NULL;
        }
        removed += same;
    }
    /* a comparison may have finished the future */
    if (list && f->callbacks == list) {
        NJ_SET(f->callbacks, PyList_GET_SIZE(kept) ? NJ_TAKE(kept) : NULL);
    }
    return PyLong_FromSsize_t(removed);
}

/* ---------------------------------------------------------------- outcome */

int
nj_future_set_result(Future *f, PyObject *result)
{
    if (!nj_future_alive(f)) {
        return -1;
    }
    if (f->state != PENDING) {
        raise_invalid_state(f->st, "invalid state");
        return -1;
    }
    f->result = Py_NewRef(result);
    f->state = FINISHED;
    return schedule_callbacks(f);
}

/* StopIteration would end the awaiting coroutine; wrapped it is an error like any other. */
static PyObject *
wrap_stop_iteration(PyObject *exception)
{
    NJ_OWN text = PyUnicode_FromString("StopIteration interacts badly with generators and "
                                       "cannot be raised into a Future");
    PyObject *wrapped = text ? PyObject_CallOneArg(PyExc_RuntimeError, text) : NULL;
    if (wrapped) {
        PyException_SetCause(wrapped, Py_NewRef(exception));
        PyException_SetContext(wrapped, Py_NewRef(exception));
    }
    return wrapped;
}

int
nj_future_set_exception(Future *f, PyObject *exception)
{
    if (!nj_future_alive(f)) {
        return -1;
    }
    if (f->state != PENDING) {
        raise_invalid_state(f->st, "invalid state");
        return -1;
    }
    NJ_OWN e = PyExceptionClass_Check(exception) ? PyObject_CallNoArgs(exception)
                                                 : Py_NewRef(exception);
    if (!e) {
        return -1;
    }
    if (!PyExceptionInstance_Check(e)) {
        PyErr_SetString(PyExc_TypeError, "invalid exception object");
        return -1;
    }
    if (PyErr_GivenExceptionMatches(e, PyExc_StopIteration)) {
        NJ_SET(e, wrap_stop_iteration(e));
        if (!e) {
            return -1;
        }
    }
    if (f->state != PENDING) { /* making the exception may have run anything */
        raise_invalid_state(f->st, "invalid state");
        return -1;
    }
    f->exception_tb = PyException_GetTraceback(e);
    f->exception = NJ_TAKE(e);
    f->state = FINISHED;
    if (schedule_callbacks(f) < 0) {
        return -1;
    }
    f->log_tb = true;
    return 0;
}

int
nj_future_cancel(Future *f, PyObject *msg)
{
    f->log_tb = false;
    if (f->state != PENDING) {
        return 0;
    }
    f->state = CANCELLED;
    NJ_SET(f->cancel_msg, Py_XNewRef(msg));
    return schedule_callbacks(f) < 0 ? -1 : 1;
}

PyObject *
nj_future_cancelled_error(Future *f)
{
    if (f->cancelled_exc) {
        return NJ_TAKE(f->cancelled_exc);
    }
    PyObject *type = nj_async_lazy(&f->st->cancelled_error, "asyncio.exceptions",
                                   "CancelledError");
    if (!type) {
        return NULL;
    }
    return f->cancel_msg && f->cancel_msg != Py_None
               ? PyObject_CallOneArg(type, f->cancel_msg)
               : PyObject_CallNoArgs(type);
}

static void
raise_cancelled(Future *f)
{
    NJ_OWN e = nj_future_cancelled_error(f);
    if (e) {
        PyErr_SetObject((PyObject *)Py_TYPE(e), e);
    }
}

PyObject *
nj_future_result(Future *f)
{
    if (f->state == CANCELLED) {
        raise_cancelled(f);
        return NULL;
    }
    if (f->state == PENDING) {
        raise_invalid_state(f->st, f->loop ? "Result is not set." : not_ready);
        return NULL;
    }
    f->log_tb = false;
    if (!f->exception) {
        return Py_NewRef(f->result);
    }
    NJ_OWN e = Py_NewRef(f->exception);
    NJ_OWN tb = NJ_TAKE(f->exception_tb);
    if (PyException_SetTraceback(e, tb ? tb : Py_None) == 0) {
        PyErr_SetObject((PyObject *)Py_TYPE(e), e);
    }
    return NULL;
}

static PyObject *
future_result(PyObject *self, PyObject *ignored)
{
    return nj_future_result(FUTURE(self));
}

static PyObject *
future_exception(PyObject *self, PyObject *ignored)
{
    Future *f = FUTURE(self);
    if (f->state == CANCELLED) {
        raise_cancelled(f);
        return NULL;
    }
    if (f->state == PENDING) {
        raise_invalid_state(f->st, f->loop ? "Exception is not set." : not_ready);
        return NULL;
    }
    f->log_tb = false;
    return Py_NewRef(f->exception ? f->exception : Py_None);
}

static PyObject *
future_set_result(PyObject *self, PyObject *result)
{
    return nj_future_set_result(FUTURE(self), result) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
future_set_exception(PyObject *self, PyObject *exception)
{
    return nj_future_set_exception(FUTURE(self), exception) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
future_cancel(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    static const char *const names[] = {"msg", NULL};
    static const NjParams params = {"cancel", names, 1, 0, 0};
    PyObject *msg;
    if (nj_args_bind(&params, args, n, kwnames, &msg) < 0 || !nj_future_alive(FUTURE(self))) {
        return NULL;
    }
    int done = nj_future_cancel(FUTURE(self), msg);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
future_cancelled(PyObject *self, PyObject *ignored)
{
    return PyBool_FromLong(FUTURE(self)->loop && FUTURE(self)->state == CANCELLED);
}

static PyObject *
future_done(PyObject *self, PyObject *ignored)
{
    return PyBool_FromLong(FUTURE(self)->loop && FUTURE(self)->state != PENDING);
}

static PyObject *
future_get_loop(PyObject *self, PyObject *ignored)
{
    return nj_future_alive(FUTURE(self)) ? Py_NewRef(FUTURE(self)->loop) : NULL;
}

static PyObject *
future_make_cancelled_error(PyObject *self, PyObject *ignored)
{
    return nj_future_cancelled_error(FUTURE(self));
}

/* ---------------------------------------------------------------- attributes */

static PyObject *
future_get_state(PyObject *self, void *closure)
{
    static const char *const names[] = {"PENDING", "CANCELLED", "FINISHED"};
    return nj_future_alive(FUTURE(self))
               ? PyUnicode_InternFromString(names[FUTURE(self)->state])
               : NULL;
}

static PyObject *
future_get_blocking(PyObject *self, void *closure)
{
    return PyBool_FromLong(FUTURE(self)->loop && FUTURE(self)->blocking);
}

static int
cannot_delete(PyObject *v, const char *name)
{
    if (v) {
        return 0;
    }
    PyErr_Format(PyExc_AttributeError,
                 "attribute '%s' of '_asyncio.Future' objects cannot be deleted", name);
    return -1;
}

static int
future_set_blocking(PyObject *self, PyObject *v, void *closure)
{
    if (cannot_delete(v, "_asyncio_future_blocking") < 0 || !nj_future_alive(FUTURE(self))) {
        return -1;
    }
    int on = PyObject_IsTrue(v);
    if (on >= 0) {
        FUTURE(self)->blocking = on;
    }
    return on < 0 ? -1 : 0;
}

static PyObject *
or_none(PyObject *o)
{
    return Py_NewRef(o ? o : Py_None);
}

static PyObject *
future_get_loop_attr(PyObject *self, void *closure)
{
    return or_none(FUTURE(self)->loop);
}

static PyObject *
future_get_callbacks(PyObject *self, void *closure)
{
    Future *f = FUTURE(self);
    if (!nj_future_alive(f)) {
        return NULL;
    }
    if (!f->callback0 && !f->callbacks) {
        Py_RETURN_NONE;
    }
    NJ_OWN list = PyList_New(0);
    if (list && f->callback0) {
        NJ_OWN pair = PyTuple_Pack(2, f->callback0, f->context0);
        if (!pair || PyList_Append(list, pair) < 0) {
            return NULL;
        }
    }
    if (list && f->callbacks && PyList_Extend(list, f->callbacks) < 0) {
        return NULL;
    }
    return NJ_TAKE(list);
}

static PyObject *
future_get_result(PyObject *self, void *closure)
{
    return nj_future_alive(FUTURE(self)) ? or_none(FUTURE(self)->result) : NULL;
}

static PyObject *
future_get_exception(PyObject *self, void *closure)
{
    return nj_future_alive(FUTURE(self)) ? or_none(FUTURE(self)->exception) : NULL;
}

static PyObject *
future_get_log_tb(PyObject *self, void *closure)
{
    return nj_future_alive(FUTURE(self)) ? PyBool_FromLong(FUTURE(self)->log_tb) : NULL;
}

static int
future_set_log_tb(PyObject *self, PyObject *v, void *closure)
{
    int on = cannot_delete(v, "_log_traceback") < 0 ? -1 : PyObject_IsTrue(v);
    if (on > 0) {
        PyErr_SetString(PyExc_ValueError, "_log_traceback can only be set to False");
    }
    if (on != 0) {
        return -1;
    }
    FUTURE(self)->log_tb = false;
    return 0;
}

static PyObject *
future_get_source_tb(PyObject *self, void *closure)
{
    return or_none(FUTURE(self)->loop ? FUTURE(self)->source_tb : NULL);
}

static PyObject *
future_get_cancel_msg(PyObject *self, void *closure)
{
    return or_none(FUTURE(self)->cancel_msg);
}

static int
future_set_cancel_msg(PyObject *self, PyObject *v, void *closure)
{
    if (cannot_delete(v, "_cancel_message") < 0) {
        return -1;
    }
    NJ_SET(FUTURE(self)->cancel_msg, Py_NewRef(v));
    return 0;
}

static PyObject *
future_get_awaited_by(PyObject *self, void *closure)
{
    Future *f = FUTURE(self);
    if (!f->awaited_by) {
        Py_RETURN_NONE;
    }
    if (f->awaited_by_set) {
        return PyFrozenSet_New(f->awaited_by);
    }
    NJ_OWN one = PyTuple_Pack(1, f->awaited_by);
    return one ? PyFrozenSet_New(one) : NULL;
}

static PyObject *
future_repr(PyObject *self)
{
    Future *f = FUTURE(self);
    if (!nj_future_alive(f)) {
        return NULL;
    }
    PyObject *repr = f->is_task
                         ? nj_async_lazy(&f->st->task_repr, "asyncio.base_tasks", "_task_repr")
                         : nj_async_lazy(&f->st->future_repr, "asyncio.base_futures",
                                         "_future_repr");
    return repr ? PyObject_CallOneArg(repr, self) : NULL;
}

/* ---------------------------------------------------------------- life */

int
nj_future_init(Future *f, PyObject *loop)
{
    NJ_OWN given = Py_XNewRef(loop);
    if (!loop || loop == Py_None) {
        NJ_SET(given, nj_async_get_event_loop(f->st));
        if (!given) {
            return -1;
        }
    }
    if (f->loop) { /* __init__ once more */
        nj_future_gc_clear((PyObject *)f);
    }
    f->state = PENDING;
    f->log_tb = f->blocking = f->awaited_by_set = false;
    f->loop = NJ_TAKE(given);
    NJ_OWN debug = PyObject_CallMethodNoArgs(f->loop, NJ_ID(get_debug));
    int on = debug ? PyObject_IsTrue(debug) : -1;
    if (on > 0 && !Py_IsFinalizing()) {
        PyObject *extract = nj_async_lazy(&f->st->extract_stack, "traceback", "extract_stack");
        NJ_SET(f->source_tb, extract ? PyObject_CallNoArgs(extract) : NULL);
        return f->source_tb ? 0 : -1;
    }
    return on < 0 ? -1 : 0;
}

static PyObject *
future_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    AsyncState *st = nj_async_state(type);
    Future *f = st ? (Future *)type->tp_alloc(type, 0) : NULL;
    if (f) {
        f->st = st;
    }
    return (PyObject *)f;
}

static const char *const init_names[] = {"loop", NULL};
static const NjParams init_params = {"Future", init_names, 0, 0, 0};

static int
future_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *loop;
    if (nj_args_bind_tuple(&init_params, args, kwargs, &loop) < 0) {
        return -1;
    }
    return nj_future_init(FUTURE(self), loop);
}

/* Future(loop=...) without tuple and dict; subclasses do not inherit it. */
static PyObject *
future_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *loop;
    if (nj_args_bind(&init_params, args, PyVectorcall_NARGS(nargsf), kwnames, &loop) < 0) {
        return NULL;
    }
    PyObject *self = future_new((PyTypeObject *)type, NULL, NULL);
    if (self && nj_future_init(FUTURE(self), loop) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

#define FUTURE_FIELDS(F)                                                               \
    F(loop) F(callback0) F(context0) F(callbacks) F(result) F(exception)               \
    F(exception_tb) F(source_tb) F(cancel_msg) F(cancelled_exc) F(awaited_by)

int
nj_future_traverse(PyObject *self, visitproc visit, void *arg)
{
    Future *f = FUTURE(self);
    Py_VISIT(Py_TYPE(self));
#define VISIT(x) Py_VISIT(f->x);
    FUTURE_FIELDS(VISIT)
#undef VISIT
    return PyObject_VisitManagedDict(self, visit, arg);
}

int
nj_future_gc_clear(PyObject *self)
{
    Future *f = FUTURE(self);
#define CLEAR(x) Py_CLEAR(f->x);
    FUTURE_FIELDS(CLEAR)
#undef CLEAR
    f->awaited_by_set = false;
    PyObject_ClearManagedDict(self);
    return 0;
}

/* Tells the loop's exception handler {message, key: self, ...}. */
void
nj_future_report(Future *f, const char *key, PyObject *message, bool with_exception)
{
    PyObject *self = (PyObject *)f;
    NJ_OWN context = PyDict_New();
    if (!context || PyDict_SetItemString(context, "message", message) < 0
        || (with_exception && PyDict_SetItemString(context, "exception", f->exception) < 0)
        || PyDict_SetItemString(context, key, self) < 0
        || (f->source_tb
            && PyDict_SetItemString(context, "source_traceback", f->source_tb) < 0)) {
        PyErr_Clear();
        return;
    }
    NJ_OWN handler = PyObject_GetAttr(f->loop, NJ_ID(call_exception_handler));
    if (!handler) {
        PyErr_Clear(); /* a loop without one: the reference says nothing either */
        return;
    }
    NJ_OWN r = PyObject_CallOneArg(handler, context);
    if (!r) {
        PyErr_FormatUnraisable("Exception ignored while calling asyncio function %R",
                               handler);
    }
}

void
nj_future_finalize_log(PyObject *self)
{
    Future *f = FUTURE(self);
    if (!f->log_tb || !f->loop) {
        return;
    }
    f->log_tb = false;
    NJ_OWN name = PyType_GetName(Py_TYPE(self));
    NJ_OWN message = name ? PyUnicode_FromFormat("%U exception was never retrieved", name)
                          : NULL;
    if (!message) {
        PyErr_Clear();
        return;
    }
    nj_future_report(f, "future", message, true);
}

static void
future_finalize(PyObject *self)
{
    PyObject *pending = PyErr_GetRaisedException();
    nj_future_finalize_log(self);
    PyErr_SetRaisedException(pending);
}

static void
future_dealloc(PyObject *self)
{
    if (PyObject_CallFinalizerFromDealloc(self) < 0) {
        return;
    }
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    nj_future_gc_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------- iterator */

/* What `await future' drives: yields the future once, then returns its result. */
typedef struct {
    PyObject_HEAD
    PyObject *future; /* NULL when closed */
} FutureIter;

static PyObject *
future_iter(PyObject *self)
{
    Future *f = FUTURE(self);
    if (!nj_future_alive(f)) {
        return NULL;
    }
    FutureIter *it = PyObject_GC_New(FutureIter, f->st->iter_type);
    if (it) {
        it->future = Py_NewRef(self);
        PyObject_GC_Track(it);
    }
    return (PyObject *)it;
}

static PySendResult
iter_am_send(PyObject *self, PyObject *arg, PyObject **out)
{
    FutureIter *it = (FutureIter *)self;
    Future *f = FUTURE(it->future);
    *out = NULL;
    if (!f) {
        return PYGEN_ERROR;
    }
    if (f->state == PENDING) {
        if (!f->blocking) {
            f->blocking = true;
            *out = Py_NewRef(f);
            return PYGEN_NEXT;
        }
        PyErr_SetString(PyExc_RuntimeError, "await wasn't used with future");
        return PYGEN_ERROR;
    }
    /* the future stays: driven once more, it gives its result once more */
    *out = nj_future_result(f);
    return *out ? PYGEN_RETURN : PYGEN_ERROR;
}

/* StopIteration carrying a value, which may be a tuple or an exception. */
static void
raise_stop_iteration(PyObject *value)
{
    NJ_OWN e = PyObject_CallOneArg(PyExc_StopIteration, value);
    if (e) {
        PyErr_SetObject(PyExc_StopIteration, e);
    }
}

static PyObject *
iter_next(PyObject *self)
{
    PyObject *out;
    PySendResult r = iter_am_send(self, Py_None, &out);
    if (r == PYGEN_RETURN) {
        if (out != Py_None) {
            raise_stop_iteration(out);
        }
        Py_CLEAR(out);
    }
    return out;
}

static PyObject *
iter_send(PyObject *self, PyObject *arg)
{
    PyObject *out;
    PySendResult r = iter_am_send(self, arg, &out);
    if (r == PYGEN_RETURN) {
        raise_stop_iteration(out);
        Py_CLEAR(out);
    }
    else if (r == PYGEN_ERROR && !PyErr_Occurred()) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return out;
}

static PyObject *
iter_throw(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    FutureIter *it = (FutureIter *)self;
    if (!_PyArg_CheckPositional("throw", n, 1, 3)) {
        return NULL;
    }
    if (n > 1
        && PyErr_WarnEx(PyExc_DeprecationWarning,
                        "the (type, exc, tb) signature of throw() is deprecated, "
                        "use the single-arg signature instead.",
                        1)
               < 0) {
        return NULL;
    }
    PyObject *type = args[0], *value = n > 1 ? args[1] : NULL, *tb = n > 2 ? args[2] : NULL;
    if (tb == Py_None) {
        tb = NULL;
    }
    if (tb && !PyTraceBack_Check(tb)) {
        PyErr_SetString(PyExc_TypeError, "throw() third argument must be a traceback");
        return NULL;
    }
    NJ_OWN e = NULL;
    if (PyExceptionInstance_Check(type)) {
        if (value && value != Py_None) {
            PyErr_SetString(PyExc_TypeError,
                            "instance exception may not have a separate value");
            return NULL;
        }
        e = Py_NewRef(type);
    }
    else if (PyExceptionClass_Check(type)) {
        if (value && PyExceptionInstance_Check(value)
            && PyErr_GivenExceptionMatches(value, type)) {
            e = Py_NewRef(value);
        }
        else if (!value || value == Py_None) {
            e = PyObject_CallNoArgs(type);
        }
        else {
            e = PyTuple_Check(value) ? PyObject_CallObject(type, value)
                                     : PyObject_CallOneArg(type, value);
        }
        if (e && !PyExceptionInstance_Check(e)) {
            PyErr_SetString(PyExc_TypeError, "calling the class did not give an exception");
            return NULL;
        }
    }
    else {
        PyErr_SetString(PyExc_TypeError, "exceptions must be classes deriving BaseException "
                                         "or instances of such a class");
    }
    if (!e || (tb && PyException_SetTraceback(e, tb) < 0)) {
        return NULL;
    }
    Py_CLEAR(it->future);
    PyErr_SetObject((PyObject *)Py_TYPE(e), e);
    return NULL;
}

static PyObject *
iter_close(PyObject *self, PyObject *ignored)
{
    Py_CLEAR(((FutureIter *)self)->future);
    Py_RETURN_NONE;
}

static int
iter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((FutureIter *)self)->future);
    return 0;
}

static int
iter_clear(PyObject *self)
{
    Py_CLEAR(((FutureIter *)self)->future);
    return 0;
}

static void
iter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((FutureIter *)self)->future);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef iter_methods[] = {
    {"send", iter_send, METH_O, NULL},
    {"throw", FAST(iter_throw), METH_FASTCALL, NULL},
    {"close", iter_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot iter_slots[] = {
    {Py_tp_dealloc, iter_dealloc},
    {Py_tp_traverse, iter_traverse},
    {Py_tp_clear, iter_clear},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iter_next},
    {Py_tp_methods, iter_methods},
    {Py_am_send, iter_am_send},
    {0, NULL},
};

PyType_Spec nj_future_iter_spec = {
    .name = "_asyncio.FutureIter",
    .basicsize = sizeof(FutureIter),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = iter_slots,
};

/* ---------------------------------------------------------------- type */

static PyMethodDef future_methods[] = {
    {"result", future_result, METH_NOARGS,
     PyDoc_STR("result($self, /)\n--\n\n"
               "The result; raises the exception, CancelledError, or InvalidStateError\n"
               "while there is neither.")},
    {"exception", future_exception, METH_NOARGS,
     PyDoc_STR("exception($self, /)\n--\n\n"
               "The exception that was set, or None; raises CancelledError, or\n"
               "InvalidStateError while the future is pending.")},
    {"set_result", future_set_result, METH_O,
     PyDoc_STR("set_result($self, result, /)\n--\n\n"
               "Finishes the future with a result. InvalidStateError if it is done.")},
    {"set_exception", future_set_exception, METH_O,
     PyDoc_STR("set_exception($self, exception, /)\n--\n\n"
               "Finishes the future with an exception. InvalidStateError if it is done.")},
    {"add_done_callback", FAST(future_add_done_callback), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("add_done_callback($self, fn, /, *, context=<unrepresentable>)\n--\n\n"
               "Has fn called with the future when it is done, soon if it is already.")},
    {"remove_done_callback", future_remove_done_callback, METH_O,
     PyDoc_STR("remove_done_callback($self, fn, /)\n--\n\n"
               "Takes all callbacks equal to fn back and returns how many.")},
    {"cancel", FAST(future_cancel), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("cancel($self, /, msg=None)\n--\n\n"
               "Cancels a pending future and schedules its callbacks. False if it was done.")},
    {"cancelled", future_cancelled, METH_NOARGS,
     PyDoc_STR("cancelled($self, /)\n--\n\nWhether the future was cancelled.")},
    {"done", future_done, METH_NOARGS,
     PyDoc_STR("done($self, /)\n--\n\nWhether there is a result, an exception or a "
               "cancellation.")},
    {"get_loop", future_get_loop, METH_NOARGS,
     PyDoc_STR("get_loop($self, /)\n--\n\nThe event loop of the future.")},
    {"_make_cancelled_error", future_make_cancelled_error, METH_NOARGS,
     PyDoc_STR("_make_cancelled_error($self, /)\n--\n\n"
               "The CancelledError to raise; forgets a saved one.")},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     PyDoc_STR("__class_getitem__($type, object, /)\n--\n\n"
               "Futures are generic over the type of their results")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef future_getset[] = {
    {"_state", future_get_state, NULL, NULL, NULL},
    {"_asyncio_future_blocking", future_get_blocking, future_set_blocking, NULL, NULL},
    {"_loop", future_get_loop_attr, NULL, NULL, NULL},
    {"_callbacks", future_get_callbacks, NULL, NULL, NULL},
    {"_result", future_get_result, NULL, NULL, NULL},
    {"_exception", future_get_exception, NULL, NULL, NULL},
    {"_log_traceback", future_get_log_tb, future_set_log_tb, NULL, NULL},
    {"_source_traceback", future_get_source_tb, NULL, NULL, NULL},
    {"_cancel_message", future_get_cancel_msg, future_set_cancel_msg, NULL, NULL},
    {"_asyncio_awaited_by", future_get_awaited_by, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot future_slots[] = {
    {Py_tp_doc,
     (void *)PyDoc_STR("Future(*, loop=None)\n--\n\n"
                       "The outcome of an operation that an event loop runs.\n\n"
                       "Almost concurrent.futures.Future, except that:\n\n"
                       "- result() and exception() do not wait,\n"
                       "- callbacks run through the loop's call_soon(),\n"
                       "- wait() and as_completed() of concurrent.futures do not take it.")},
    {Py_tp_new, future_new},
    {Py_tp_init, future_init},
    {Py_tp_vectorcall, future_vectorcall},
    {Py_tp_dealloc, future_dealloc},
    {Py_tp_finalize, future_finalize},
    {Py_tp_traverse, nj_future_traverse},
    {Py_tp_clear, nj_future_gc_clear},
    {Py_tp_repr, future_repr},
    {Py_tp_iter, future_iter},
    {Py_am_await, future_iter},
    {Py_tp_methods, future_methods},
    {Py_tp_getset, future_getset},
    {0, NULL},
};

PyType_Spec nj_future_spec = {
    .name = "_asyncio.Future",
    .basicsize = sizeof(Future),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_MANAGED_DICT
             | Py_TPFLAGS_MANAGED_WEAKREF,
    .slots = future_slots,
};

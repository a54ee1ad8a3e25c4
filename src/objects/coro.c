/* coro.c - coroutines' awaitables and asynchronous generators.
 *
 * An asynchronous generator is a generator whose `yield' hands out its value in a wrapper
 * (INTRINSIC_ASYNC_GEN_WRAP), so that the object driving it - the awaitables made by
 * __anext__, asend, athrow and aclose - can tell a yielded value (the awaitable is done:
 * StopIteration(value)) from something awaited inside (passed on to the event loop).
 * gi_running_async guards against two such awaitables at once.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/gen_int.h"
#include "runtime/gc.h"
#include "runtime/runtime.h"
#include "vm/vm_int.h"

typedef struct _PyGenObject Gen;

static Gen *
as_gen(PyObject *o)
{
    return (Gen *)o;
}

/* ---- await ---- */

static bool
is_gen_coroutine(PyObject *o)
{
    return PyCoro_CheckExact(o) ||
           (PyGen_CheckExact(o) &&
            (nj_frame_peek_code(&as_gen(o)->gi_iframe)->co_flags & CO_ITERABLE_COROUTINE));
}

PyObject *
nj_coro_awaitable_iter(PyObject *o)
{
    if (is_gen_coroutine(o)) {
        return Py_NewRef(o);
    }
    PyTypeObject *tp = Py_TYPE(o);
    if (tp->tp_as_async == NULL || tp->tp_as_async->am_await == NULL) {
        PyErr_Format(PyExc_TypeError, "'%.100s' object can't be awaited", tp->tp_name);
        return NULL;
    }
    PyObject *r = tp->tp_as_async->am_await(o);
    if (r == NULL) {
        return NULL;
    }
    if (is_gen_coroutine(r)) {
        PyErr_SetString(PyExc_TypeError, "__await__() returned a coroutine");
        Py_CLEAR(r);
    }
    else if (!PyIter_Check(r)) {
        PyErr_Format(PyExc_TypeError, "__await__() returned non-iterator of type '%.100s'",
                     Py_TYPE(r)->tp_name);
        Py_CLEAR(r);
    }
    return r;
}

PyAPI_FUNC(PyObject *) _PyCoro_GetAwaitableIter(PyObject *o);
PyObject *
_PyCoro_GetAwaitableIter(PyObject *o)
{
    return nj_coro_awaitable_iter(o);
}

/* ---- coroutine ---- */

typedef struct CoroWrapper {
    PyObject_HEAD
    PyObject *coro; /* owned */
} CoroWrapper;

static PyObject *
coro_await(PyObject *coro)
{
    CoroWrapper *w = PyObject_GC_New(CoroWrapper, &NjCoroWrapper_Type);
    if (w == NULL) {
        return NULL;
    }
    w->coro = Py_NewRef(coro);
    nj_gc_track((PyObject *)w);
    return (PyObject *)w;
}

static PyObject *
coro_repr(PyObject *o)
{
    return PyUnicode_FromFormat("<coroutine object %S at %p>", as_gen(o)->gi_qualname, o);
}

static PyGetSetDef coro_getset[] = {
    {"__name__", nj_gen_get_name, nj_gen_set_name, "name of the coroutine", NULL},
    {"__qualname__", nj_gen_get_qualname, nj_gen_set_qualname,
     "qualified name of the coroutine", NULL},
    {"cr_await", nj_gen_get_yf, NULL, "object being awaited on, or None", NULL},
    {"cr_running", nj_gen_get_running, NULL, NULL, NULL},
    {"cr_frame", nj_gen_get_frame, NULL, NULL, "cr_frame"},
    {"cr_code", nj_gen_get_code, NULL, NULL, "cr_code"},
    {"cr_suspended", nj_gen_get_suspended, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef coro_members[] = {
    {"cr_origin", _Py_T_OBJECT, offsetof(Gen, gi_origin_or_finalizer), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef coro_methods[] = {
    {"send", nj_gen_send_method, METH_O,
     "send($self, object, /)\n--\n\n"
     "Send a value into coroutine; the next iterated value or StopIteration."},
    {"throw", (PyCFunction)(void (*)(void))nj_gen_throw, METH_FASTCALL,
     "throw(value)\nthrow(type[,value[,traceback]])\n\n"
     "Raise exception in coroutine where it is suspended."},
    {"close", nj_gen_close, METH_NOARGS,
     "close($self, /)\n--\n\nRaise GeneratorExit inside coroutine."},
    {"__sizeof__", nj_gen_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nSize in bytes."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods coro_as_async = {
    .am_await = coro_await,
    .am_send = nj_gen_am_send,
};

PyTypeObject PyCoro_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "coroutine",
    .tp_basicsize = offsetof(Gen, gi_iframe.localsplus),
    .tp_itemsize = sizeof(PyObject *),
    .tp_dealloc = nj_gen_dealloc,
    .tp_as_async = &coro_as_async,
    .tp_repr = coro_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = nj_gen_traverse,
    .tp_weaklistoffset = offsetof(Gen, gi_weakreflist),
    .tp_methods = coro_methods,
    .tp_members = coro_members,
    .tp_getset = coro_getset,
    .tp_finalize = nj_gen_finalize,
};

/* ---- coroutine_wrapper: what coroutine.__await__() returns ---- */

static void
coro_wrapper_dealloc(PyObject *o)
{
    nj_gc_untrack(o);
    Py_CLEAR(((CoroWrapper *)o)->coro);
    PyObject_GC_Del(o);
}

static int
coro_wrapper_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((CoroWrapper *)o)->coro);
    return 0;
}

static PyObject *
coro_wrapper_iternext(PyObject *o)
{
    return nj_gen_iternext(((CoroWrapper *)o)->coro);
}

static PyObject *
coro_wrapper_send(PyObject *o, PyObject *arg)
{
    return nj_gen_send_method(((CoroWrapper *)o)->coro, arg);
}

static PyObject *
coro_wrapper_throw(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    return nj_gen_throw(((CoroWrapper *)o)->coro, args, nargs);
}

static PyObject *
coro_wrapper_close(PyObject *o, PyObject *unused)
{
    return nj_gen_close(((CoroWrapper *)o)->coro, NULL);
}

static PyMethodDef coro_wrapper_methods[] = {
    {"send", coro_wrapper_send, METH_O,
     "send($self, object, /)\n--\n\n"
     "Send a value into coroutine; the next iterated value or StopIteration."},
    {"throw", (PyCFunction)(void (*)(void))coro_wrapper_throw, METH_FASTCALL,
     "throw(value)\nthrow(type[,value[,traceback]])\n\n"
     "Raise exception in coroutine where it is suspended."},
    {"close", coro_wrapper_close, METH_NOARGS,
     "close($self, /)\n--\n\nRaise GeneratorExit inside coroutine."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject NjCoroWrapper_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "coroutine_wrapper",
    .tp_basicsize = sizeof(CoroWrapper),
    .tp_dealloc = coro_wrapper_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "A wrapper object implementing __await__ for coroutines.",
    .tp_traverse = coro_wrapper_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = coro_wrapper_iternext,
    .tp_methods = coro_wrapper_methods,
};

/* ---- the wrapper of yielded values ---- */

typedef struct Wrapped {
    PyObject_HEAD
    PyObject *value; /* owned */
} Wrapped;

/* Every item that passes an `async for' takes one of these and one asend(): dead ones are
 * kept, chained by their first field. */
#define MAX_FREE 32

static PyObject *
take_free(NjFreeObjects *list, PyTypeObject *type, size_t next)
{
    PyObject *o = list->first;
    if (o == NULL) {
        return _PyObject_GC_New(type);
    }
    list->first = *(PyObject **)((char *)o + next);
    list->n--;
    o->ob_refcnt_full = 1;
    nj_trace_new(o);
    return o;
}

static void
give_free(NjFreeObjects *list, PyObject *o, size_t next)
{
    if (list->n >= MAX_FREE) {
        PyObject_GC_Del(o);
        return;
    }
    nj_gc_head(o)->prev = 0; /* not finalized in its next life */
    *(PyObject **)((char *)o + next) = list->first;
    list->first = o;
    list->n++;
}

static void
drop_free(NjFreeObjects *list, size_t next)
{
    while (list->first != NULL) {
        PyObject *o = list->first;
        list->first = *(PyObject **)((char *)o + next);
        PyObject_GC_Del(o);
    }
    list->n = MAX_FREE; /* take no more */
}

PyObject *
nj_async_gen_wrap_value(PyObject *value)
{
    Wrapped *w = (Wrapped *)take_free(&nj_interp()->vm.free_wrapped, &NjAsyncGenWrapped_Type,
                                      offsetof(Wrapped, value));
    if (w == NULL) {
        return NULL;
    }
    w->value = Py_NewRef(value);
    nj_gc_track((PyObject *)w);
    return (PyObject *)w;
}

static void
wrapped_dealloc(PyObject *o)
{
    nj_gc_untrack(o);
    Py_CLEAR(((Wrapped *)o)->value);
    give_free(&nj_interp()->vm.free_wrapped, o, offsetof(Wrapped, value));
}

static int
wrapped_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((Wrapped *)o)->value);
    return 0;
}

PyTypeObject NjAsyncGenWrapped_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "async_generator_wrapped_value",
    .tp_basicsize = sizeof(Wrapped),
    .tp_dealloc = wrapped_dealloc,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = wrapped_traverse,
};

static bool
is_wrapped(PyObject *o)
{
    return Py_IS_TYPE(o, &NjAsyncGenWrapped_Type);
}

/* ---- asynchronous generator ---- */

enum { AW_INIT, AW_ITER, AW_CLOSED };

typedef struct Asend {
    PyObject_HEAD
    Gen *gen;          /* owned */
    PyObject *sendval; /* owned or NULL (None) */
    int state;
} Asend;

typedef struct Athrow {
    PyObject_HEAD
    Gen *gen;            /* owned */
    PyObject *typ;       /* owned; NULL: this is aclose() */
    PyObject *val, *tb;  /* owned or NULL */
    int state;
} Athrow;

int
nj_async_gen_init_hooks(Gen *g)
{
    if (g->gi_hooks_inited) {
        return 0;
    }
    g->gi_hooks_inited = 1;
    PyThreadState *tstate = nj_tstate();
    if (tstate->async_gen_finalizer) {
        g->gi_origin_or_finalizer = Py_NewRef(tstate->async_gen_finalizer);
    }
    PyObject *first = tstate->async_gen_firstiter;
    if (first) {
        Py_INCREF(first);
        PyObject *r = PyObject_CallOneArg(first, (PyObject *)g);
        Py_DECREF(first);
        if (r == NULL) {
            return -1;
        }
        Py_DECREF(r);
    }
    return 0;
}

PyObject *
nj_async_gen_asend(PyObject *agen, PyObject *value)
{
    if (nj_async_gen_init_hooks(as_gen(agen)) < 0) {
        return NULL;
    }
    Asend *a = (Asend *)take_free(&nj_interp()->vm.free_asend, &_PyAsyncGenASend_Type,
                                  offsetof(Asend, gen));
    if (a == NULL) {
        return NULL;
    }
    a->gen = (Gen *)Py_NewRef(agen);
    a->sendval = Py_XNewRef(value);
    a->state = AW_INIT;
    nj_gc_track((PyObject *)a);
    return (PyObject *)a;
}

PyObject *
nj_async_gen_anext(PyObject *agen)
{
    return nj_async_gen_asend(agen, NULL);
}

static PyObject *
athrow_new(PyObject *agen, PyObject *typ, PyObject *val, PyObject *tb)
{
    if (nj_async_gen_init_hooks(as_gen(agen)) < 0) {
        return NULL;
    }
    Athrow *a = PyObject_GC_New(Athrow, &NjAsyncGenAThrow_Type);
    if (a == NULL) {
        return NULL;
    }
    a->gen = (Gen *)Py_NewRef(agen);
    a->typ = Py_XNewRef(typ);
    a->val = Py_XNewRef(val);
    a->tb = Py_XNewRef(tb);
    a->state = AW_INIT;
    nj_gc_track((PyObject *)a);
    return (PyObject *)a;
}

static PyObject *
agen_aclose(PyObject *o, PyObject *unused)
{
    return athrow_new(o, NULL, NULL, NULL);
}

static PyObject *
agen_athrow(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("athrow", nargs, 1, 3)) {
        return NULL;
    }
    if (nargs > 1 &&
        PyErr_WarnEx(PyExc_DeprecationWarning,
                     "the (type, exc, tb) signature of athrow() is deprecated, use the "
                     "single-arg signature instead.",
                     1) < 0) {
        return NULL;
    }
    return athrow_new(o, args[0], nargs > 1 ? args[1] : NULL, nargs > 2 ? args[2] : NULL);
}

static PyObject *
agen_repr(PyObject *o)
{
    return PyUnicode_FromFormat("<async_generator object %S at %p>", as_gen(o)->gi_qualname,
                                o);
}

static PyGetSetDef agen_getset[] = {
    {"__name__", nj_gen_get_name, nj_gen_set_name, "name of the async generator", NULL},
    {"__qualname__", nj_gen_get_qualname, nj_gen_set_qualname,
     "qualified name of the async generator", NULL},
    {"ag_await", nj_gen_get_yf, NULL, "object being awaited on, or None", NULL},
    {"ag_frame", nj_gen_get_frame, NULL, NULL, "ag_frame"},
    {"ag_code", nj_gen_get_code, NULL, NULL, "ag_code"},
    {"ag_suspended", nj_gen_get_suspended, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef agen_members[] = {
    {"ag_running", Py_T_BOOL, offsetof(Gen, gi_running_async), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef agen_methods[] = {
    {"asend", nj_async_gen_asend, METH_O,
     "asend($self, object, /)\n--\n\nAn awaitable that sends a value."},
    {"athrow", (PyCFunction)(void (*)(void))agen_athrow, METH_FASTCALL,
     "athrow(value)\nathrow(type[,value[,tb]])\n\nAn awaitable that raises inside."},
    {"aclose", agen_aclose, METH_NOARGS,
     "aclose($self, /)\n--\n\nAn awaitable that raises GeneratorExit inside."},
    {"__sizeof__", nj_gen_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nSize in bytes."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods agen_as_async = {
    .am_aiter = PyObject_SelfIter,
    .am_anext = nj_async_gen_anext,
    .am_send = nj_gen_am_send,
};

PyTypeObject PyAsyncGen_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "async_generator",
    .tp_basicsize = offsetof(Gen, gi_iframe.localsplus),
    .tp_itemsize = sizeof(PyObject *),
    .tp_dealloc = nj_gen_dealloc,
    .tp_as_async = &agen_as_async,
    .tp_repr = agen_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = nj_gen_traverse,
    .tp_weaklistoffset = offsetof(Gen, gi_weakreflist),
    .tp_methods = agen_methods,
    .tp_members = agen_members,
    .tp_getset = agen_getset,
    .tp_finalize = nj_gen_finalize,
};

/* ---- driving ---- */

/* One step of the generator inside. New reference or NULL (possibly without an exception:
 * it returned). */
static PyObject *
step(Gen *g, PyObject *arg)
{
    PyObject *r;
    if (nj_gen_send(g, arg, &r, 0, 0) == PYGEN_RETURN) {
        Py_CLEAR(r);
    }
    return r;
}

/* What a step means for asend() and athrow(): a yielded value ends the awaitable. Takes r. */
static int
settle(Gen *g, PyObject *r, PyObject **out)
{
    *out = r;
    if (r == NULL) {
        bool ended = !PyErr_Occurred();
        if (ended || PyErr_ExceptionMatches(PyExc_StopAsyncIteration) ||
            PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
            g->gi_closed = 1;
        }
        g->gi_running_async = 0;
        return ended ? NJ_ASEND_ENDED : PYGEN_ERROR;
    }
    if (is_wrapped(r)) {
        *out = Py_NewRef(((Wrapped *)r)->value);
        Py_DECREF(r);
        g->gi_running_async = 0;
        return PYGEN_RETURN;
    }
    return PYGEN_NEXT;
}

/* Tells in exceptions how a step went. */
static PyObject *
told(int how, PyObject *r)
{
    if (how == PYGEN_RETURN) {
        _PyGen_SetStopIterationValue(r);
        Py_CLEAR(r);
    }
    else if (how == NJ_ASEND_ENDED) {
        PyErr_SetNone(PyExc_StopAsyncIteration);
    }
    return r;
}

static PyObject *
unwrap(Gen *g, PyObject *r)
{
    int how = settle(g, r, &r);
    return told(how, r);
}

static PyObject *
asend_reuse(void)
{
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited __anext__()/asend()");
    return NULL;
}

int
nj_asend_step(PyObject *o, PyObject *arg, PyObject **out)
{
    Asend *a = (Asend *)o;
    *out = NULL;
    if (a->state == AW_CLOSED) {
        asend_reuse();
        return PYGEN_ERROR;
    }
    if (a->state == AW_INIT) {
        if (a->gen->gi_running_async) {
            a->state = AW_CLOSED;
            PyErr_SetString(PyExc_RuntimeError,
                            "anext(): asynchronous generator is already running");
            return PYGEN_ERROR;
        }
        if (arg == NULL || arg == Py_None) {
            arg = a->sendval ? a->sendval : Py_None;
        }
        a->state = AW_ITER;
    }
    a->gen->gi_running_async = 1;
    int how = settle(a->gen, step(a->gen, arg), out);
    if (how != PYGEN_NEXT) {
        a->state = AW_CLOSED;
    }
    return how;
}

static PyObject *
asend_send(PyObject *o, PyObject *arg)
{
    PyObject *r;
    int how = nj_asend_step(o, arg, &r);
    return told(how, r);
}

static PyObject *
asend_iternext(PyObject *o)
{
    return asend_send(o, Py_None);
}

static PyObject *
asend_throw(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    Asend *a = (Asend *)o;
    if (a->state == AW_CLOSED) {
        return asend_reuse();
    }
    if (a->state == AW_INIT) {
        if (a->gen->gi_running_async) {
            a->state = AW_CLOSED;
            PyErr_SetString(PyExc_RuntimeError,
                            "anext(): asynchronous generator is already running");
            return NULL;
        }
        a->state = AW_ITER;
        a->gen->gi_running_async = 1;
    }
    PyObject *r = unwrap(a->gen, nj_gen_throw((PyObject *)a->gen, args, nargs));
    if (r == NULL) {
        a->state = AW_CLOSED;
    }
    return r;
}

static PyObject *
close_result(PyObject *r)
{
    if (r != NULL) {
        Py_DECREF(r);
        PyErr_SetString(PyExc_RuntimeError, "coroutine ignored GeneratorExit");
        return NULL;
    }
    if (PyErr_ExceptionMatches(PyExc_StopIteration) ||
        PyErr_ExceptionMatches(PyExc_StopAsyncIteration) ||
        PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return NULL;
}

static PyObject *
asend_close(PyObject *o, PyObject *unused)
{
    if (((Asend *)o)->state == AW_CLOSED) {
        Py_RETURN_NONE;
    }
    return close_result(asend_throw(o, &PyExc_GeneratorExit, 1));
}

static void
warn_unawaited_method(Gen *g, PyObject *method, PyObject *o)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                         "coroutine method %R of %R was never awaited", method,
                         g->gi_qualname) < 0) {
        PyErr_FormatUnraisable("Exception ignored while finalizing async generator %R", o);
    }
    PyErr_SetRaisedException(exc);
}

static void
asend_finalize(PyObject *o)
{
    if (((Asend *)o)->state == AW_INIT) {
        warn_unawaited_method(((Asend *)o)->gen, NJ_ID(asend), (PyObject *)((Asend *)o)->gen);
    }
}

static void
asend_dealloc(PyObject *o)
{
    if (PyObject_CallFinalizerFromDealloc(o)) {
        return;
    }
    nj_gc_untrack(o);
    Py_CLEAR(((Asend *)o)->gen);
    Py_CLEAR(((Asend *)o)->sendval);
    give_free(&nj_interp()->vm.free_asend, o, offsetof(Asend, gen));
}

void
nj_async_gen_free_lists_clear(NjInterp *interp)
{
    drop_free(&interp->vm.free_wrapped, offsetof(Wrapped, value));
    drop_free(&interp->vm.free_asend, offsetof(Asend, gen));
}

static int
asend_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((Asend *)o)->gen);
    Py_VISIT(((Asend *)o)->sendval);
    return 0;
}

static PyMethodDef asend_methods[] = {
    {"send", asend_send, METH_O,
     "send($self, object, /)\n--\n\nResume with a value; the next awaited thing."},
    {"throw", (PyCFunction)(void (*)(void))asend_throw, METH_FASTCALL,
     "throw(value)\nthrow(type[,value[,tb]])\n\nRaise an exception inside."},
    {"close", asend_close, METH_NOARGS,
     "close($self, /)\n--\n\nRaise GeneratorExit inside."},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods asend_as_async = {
    .am_await = PyObject_SelfIter,
};

PyTypeObject _PyAsyncGenASend_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "async_generator_asend",
    .tp_basicsize = sizeof(Asend),
    .tp_dealloc = asend_dealloc,
    .tp_as_async = &asend_as_async,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = asend_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = asend_iternext,
    .tp_methods = asend_methods,
    .tp_finalize = asend_finalize,
};

/* ---- athrow() and aclose() ---- */

static PyObject *
athrow_reuse(void)
{
    PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited aclose()/athrow()");
    return NULL;
}

static PyObject *
ignored_exit(Athrow *a)
{
    a->gen->gi_running_async = 0;
    a->state = AW_CLOSED;
    PyErr_SetString(PyExc_RuntimeError, "async generator ignored GeneratorExit");
    return NULL;
}

static PyObject *
athrow_failed(Athrow *a)
{
    a->gen->gi_running_async = 0;
    a->state = AW_CLOSED;
    if (!PyErr_Occurred()) {
        PyErr_SetNone(PyExc_StopAsyncIteration);
    }
    if (PyErr_ExceptionMatches(PyExc_StopAsyncIteration) ||
        PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        if (a->typ == NULL) {
            /* aclose(): that is the normal end */
            PyErr_Clear();
            PyErr_SetNone(PyExc_StopIteration);
        }
    }
    return NULL;
}

static int
athrow_begin(Athrow *a)
{
    if (a->gen->gi_running_async) {
        a->state = AW_CLOSED;
        PyErr_SetString(PyExc_RuntimeError,
                        a->typ == NULL
                            ? "aclose(): asynchronous generator is already running"
                            : "athrow(): asynchronous generator is already running");
        return -1;
    }
    return 0;
}

static PyObject *
athrow_send(PyObject *o, PyObject *arg)
{
    Athrow *a = (Athrow *)o;
    Gen *g = a->gen;
    if (a->state == AW_CLOSED) {
        return athrow_reuse();
    }
    if (g->gi_frame_state >= NJ_GEN_COMPLETED) {
        a->state = AW_CLOSED;
        PyErr_SetNone(PyExc_StopIteration);
        return NULL;
    }
    PyObject *r;
    if (a->state == AW_INIT) {
        if (athrow_begin(a) < 0) {
            return NULL;
        }
        if (g->gi_closed) {
            a->state = AW_CLOSED;
            PyErr_SetNone(PyExc_StopAsyncIteration);
            return NULL;
        }
        if (arg != Py_None) {
            PyErr_SetString(PyExc_RuntimeError,
                            "can't send non-None value to a just-started coroutine");
            return NULL;
        }
        a->state = AW_ITER;
        g->gi_running_async = 1;
        if (a->typ == NULL) {
            g->gi_closed = 1;
            r = nj_gen_throw_full((PyObject *)g, 0, PyExc_GeneratorExit, NULL, NULL);
            if (r != NULL && is_wrapped(r)) {
                Py_DECREF(r);
                return ignored_exit(a);
            }
        }
        else {
            r = unwrap(g, nj_gen_throw_full((PyObject *)g, 0, a->typ, a->val, a->tb));
        }
        return r ? r : athrow_failed(a);
    }
    r = step(g, arg);
    if (a->typ != NULL) {
        r = unwrap(g, r);
        if (r == NULL) {
            a->state = AW_CLOSED;
        }
        return r;
    }
    if (r != NULL) {
        if (is_wrapped(r)) {
            Py_DECREF(r);
            return ignored_exit(a);
        }
        return r;
    }
    return athrow_failed(a);
}

static PyObject *
athrow_iternext(PyObject *o)
{
    return athrow_send(o, Py_None);
}

static PyObject *
athrow_throw(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    Athrow *a = (Athrow *)o;
    if (a->state == AW_CLOSED) {
        return athrow_reuse();
    }
    if (a->state == AW_INIT) {
        if (athrow_begin(a) < 0) {
            return NULL;
        }
        a->state = AW_ITER;
        a->gen->gi_running_async = 1;
    }
    PyObject *r = nj_gen_throw((PyObject *)a->gen, args, nargs);
    if (a->typ != NULL) {
        r = unwrap(a->gen, r);
        if (r == NULL) {
            a->state = AW_CLOSED;
        }
        return r;
    }
    if (r != NULL) {
        if (is_wrapped(r)) {
            Py_DECREF(r);
            return ignored_exit(a);
        }
        return r;
    }
    a->gen->gi_running_async = 0;
    a->state = AW_CLOSED;
    if (PyErr_ExceptionMatches(PyExc_StopAsyncIteration) ||
        PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        PyErr_Clear();
        PyErr_SetNone(PyExc_StopIteration);
    }
    return NULL;
}

static PyObject *
athrow_close(PyObject *o, PyObject *unused)
{
    if (((Athrow *)o)->state == AW_CLOSED) {
        Py_RETURN_NONE;
    }
    return close_result(athrow_throw(o, &PyExc_GeneratorExit, 1));
}

static void
athrow_finalize(PyObject *o)
{
    Athrow *a = (Athrow *)o;
    if (a->state == AW_INIT) {
        warn_unawaited_method(a->gen, a->typ ? NJ_ID(athrow) : NJ_ID(aclose),
                              (PyObject *)a->gen);
    }
}

static void
athrow_dealloc(PyObject *o)
{
    if (PyObject_CallFinalizerFromDealloc(o)) {
        return;
    }
    nj_gc_untrack(o);
    Athrow *a = (Athrow *)o;
    Py_CLEAR(a->gen);
    Py_CLEAR(a->typ);
    Py_CLEAR(a->val);
    Py_CLEAR(a->tb);
    PyObject_GC_Del(o);
}

static int
athrow_traverse(PyObject *o, visitproc visit, void *arg)
{
    Athrow *a = (Athrow *)o;
    Py_VISIT(a->gen);
    Py_VISIT(a->typ);
    Py_VISIT(a->val);
    Py_VISIT(a->tb);
    return 0;
}

static PyMethodDef athrow_methods[] = {
    {"send", athrow_send, METH_O,
     "send($self, object, /)\n--\n\nResume with a value; the next awaited thing."},
    {"throw", (PyCFunction)(void (*)(void))athrow_throw, METH_FASTCALL,
     "throw(value)\nthrow(type[,value[,tb]])\n\nRaise an exception inside."},
    {"close", athrow_close, METH_NOARGS,
     "close($self, /)\n--\n\nRaise GeneratorExit inside."},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods athrow_as_async = {
    .am_await = PyObject_SelfIter,
};

PyTypeObject NjAsyncGenAThrow_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "async_generator_athrow",
    .tp_basicsize = sizeof(Athrow),
    .tp_dealloc = athrow_dealloc,
    .tp_as_async = &athrow_as_async,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = athrow_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = athrow_iternext,
    .tp_methods = athrow_methods,
    .tp_finalize = athrow_finalize,
};

/* ---- anext(iterator, default) ---- */

typedef struct AnextAwaitable {
    PyObject_HEAD
    PyObject *wrapped; /* owned */
    PyObject *dflt;    /* owned */
} AnextAwaitable;

PyObject *
nj_anext_awaitable_new(PyObject *awaitable, PyObject *dflt)
{
    AnextAwaitable *a = PyObject_GC_New(AnextAwaitable, &NjAnextAwaitable_Type);
    if (a == NULL) {
        return NULL;
    }
    a->wrapped = Py_NewRef(awaitable);
    a->dflt = Py_NewRef(dflt);
    nj_gc_track((PyObject *)a);
    return (PyObject *)a;
}

static void
anext_dealloc(PyObject *o)
{
    nj_gc_untrack(o);
    Py_CLEAR(((AnextAwaitable *)o)->wrapped);
    Py_CLEAR(((AnextAwaitable *)o)->dflt);
    PyObject_GC_Del(o);
}

static int
anext_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((AnextAwaitable *)o)->wrapped);
    Py_VISIT(((AnextAwaitable *)o)->dflt);
    return 0;
}

/* The iterator of the wrapped awaitable: new reference. */
static PyObject *
anext_iter(AnextAwaitable *a)
{
    PyObject *it = nj_coro_awaitable_iter(a->wrapped);
    if (it == NULL) {
        return NULL;
    }
    if (Py_TYPE(it)->tp_iternext == NULL) {
        /* a coroutine: its __await__ object is an iterator */
        unaryfunc await = Py_TYPE(it)->tp_as_async->am_await;
        Py_SETREF(it, await(it));
        if (it != NULL && !PyIter_Check(it)) {
            PyErr_Format(PyExc_TypeError, "%T.__await__() must return an iterable, not %T",
                         a->wrapped, it);
            Py_CLEAR(it);
        }
    }
    return it;
}

static PyObject *
anext_result(AnextAwaitable *a, PyObject *r)
{
    if (r == NULL && PyErr_ExceptionMatches(PyExc_StopAsyncIteration)) {
        PyErr_Clear();
        _PyGen_SetStopIterationValue(a->dflt);
    }
    return r;
}

static PyObject *
anext_iternext(PyObject *o)
{
    AnextAwaitable *a = (AnextAwaitable *)o;
    NJ_OWN it = anext_iter(a);
    if (it == NULL) {
        return NULL;
    }
    return anext_result(a, Py_TYPE(it)->tp_iternext(it));
}

static PyObject *
anext_forward(PyObject *o, PyObject *name, PyObject *args)
{
    AnextAwaitable *a = (AnextAwaitable *)o;
    NJ_OWN it = anext_iter(a);
    if (it == NULL) {
        return NULL;
    }
    NJ_OWN method = PyObject_GetAttr(it, name);
    if (method == NULL) {
        return NULL;
    }
    return anext_result(a, PyObject_CallObject(method, args));
}

static PyObject *
anext_send(PyObject *o, PyObject *arg)
{
    NJ_OWN args = PyTuple_Pack(1, arg);
    return args ? anext_forward(o, NJ_ID(send), args) : NULL;
}

static PyObject *
anext_throw(PyObject *o, PyObject *args)
{
    return anext_forward(o, NJ_ID(throw), args);
}

static PyObject *
anext_close(PyObject *o, PyObject *unused)
{
    return anext_forward(o, NJ_ID(close), NULL);
}

static PyMethodDef anext_methods[] = {
    {"send", anext_send, METH_O,
     "send($self, object, /)\n--\n\nResume with a value; the next awaited thing."},
    {"throw", anext_throw, METH_VARARGS,
     "throw(value)\nthrow(type[,value[,tb]])\n\nRaise an exception inside."},
    {"close", anext_close, METH_NOARGS,
     "close($self, /)\n--\n\nRaise GeneratorExit inside."},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods anext_as_async = {
    .am_await = PyObject_SelfIter,
};

PyTypeObject NjAnextAwaitable_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "anext_awaitable",
    .tp_basicsize = sizeof(AnextAwaitable),
    .tp_dealloc = anext_dealloc,
    .tp_as_async = &anext_as_async,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = anext_traverse,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = anext_iternext,
    .tp_methods = anext_methods,
};

/* gen.c - generators and coroutines: suspended frames as objects.
 *
 * All three kinds (generator, coroutine, async generator) are one struct with the frame
 * inside. gi_frame_state says where it stands: created, suspended (in a plain yield or
 * delegating), executing, cleared. Running one means linking its frame and its exception
 * state on top of the thread's and entering the interpreter; from Python code the
 * interpreter does that itself without C recursion (SEND, FOR_ITER).
 *
 * The frame's words are all owned (RETURN_GENERATOR sees to it), except borrowed words on
 * its own stack that its own locals keep alive. While it executes the collector does not
 * look into it: what it holds then counts as referenced from outside, which is true.
 * coro.c has the rest: coroutine wrappers and asynchronous generators.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <opcode_ids.h>

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/gen_int.h"
#include "vm/vm_int.h"

typedef struct _PyGenObject Gen;

static Gen *
as_gen(PyObject *o)
{
    return (Gen *)o;
}

static PyCodeObject *
gen_code(Gen *g)
{
    return nj_frame_peek_code(&g->gi_iframe);
}

static const char *
kind_name(Gen *g)
{
    return PyCoro_CheckExact(g)       ? "coroutine"
           : PyAsyncGen_CheckExact(g) ? "async generator"
                                      : "generator";
}

/* ---- making ---- */

static Gen *
alloc_gen(PyTypeObject *type, PyCodeObject *co)
{
    Gen *g = PyObject_GC_NewVar(Gen, type, co->co_nlocalsplus + co->co_stacksize);
    if (g == NULL) {
        return NULL;
    }
    g->gi_weakreflist = NULL;
    g->gi_exc_state.exc_value = NULL;
    g->gi_exc_state.previous_item = NULL;
    g->gi_origin_or_finalizer = NULL;
    g->gi_hooks_inited = 0;
    g->gi_closed = 0;
    g->gi_running_async = 0;
    g->gi_frame_state = NJ_GEN_CREATED;
    return g;
}

/* Where the coroutine was made: ((file, line, name), ...), depth entries at most. */
static PyObject *
compute_origin(int depth, NjFrame *f)
{
    int n = 0;
    for (NjFrame *p = f; p != NULL && n < depth; p = nj_frame_first_complete(p->previous)) {
        n++;
    }
    NJ_OWN origin = PyTuple_New(n);
    if (origin == NULL) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        PyCodeObject *co = nj_frame_peek_code(f);
        PyObject *item = Py_BuildValue("OiO", co->co_filename, nj_frame_line(f),
                                       co->co_name);
        if (item == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(origin, i, item);
        f = nj_frame_first_complete(f->previous);
    }
    return NJ_TAKE(origin);
}

static void
move_frame(Gen *g, NjFrame *f)
{
    NjFrame *to = &g->gi_iframe;
    size_t n = (size_t)((char *)f->stackpointer - (char *)f);
    memcpy(to, f, n);
    to->stackpointer = (Value *)((char *)to + n);
    for (Value *p = to->localsplus; p < to->stackpointer; p++) {
        *p = nj_value_own(*p);
    }
    to->previous = NULL;
    to->owner = NJ_FRAME_OWNED_BY_GENERATOR;
    to->visited = 0;
    if (to->frame_obj != NULL) {
        to->frame_obj->f_frame = to;
    }
}

PyObject *
nj_gen_from_frame(PyThreadState *tstate, NjFrame *frame)
{
    PyCodeObject *co = nj_frame_peek_code(frame);
    PyFunctionObject *func = nj_frame_peek_func(frame);
    PyTypeObject *type = co->co_flags & CO_COROUTINE          ? &PyCoro_Type
                         : co->co_flags & CO_ASYNC_GENERATOR ? &PyAsyncGen_Type
                                                              : &PyGen_Type;
    Gen *g = alloc_gen(type, co);
    if (g == NULL) {
        return NULL;
    }
    g->gi_name = Py_NewRef(func->func_name);
    g->gi_qualname = Py_NewRef(func->func_qualname);
    frame->return_offset = 1;
    move_frame(g, frame);
    nj_gc_track((PyObject *)g);
    if (type == &PyCoro_Type && tstate->coroutine_origin_tracking_depth > 0) {
        NjFrame *caller = nj_frame_first_complete(frame->previous);
        g->gi_origin_or_finalizer =
            compute_origin(tstate->coroutine_origin_tracking_depth, caller);
        if (g->gi_origin_or_finalizer == NULL) {
            PyErr_Clear();
        }
    }
    return (PyObject *)g;
}

static PyObject *
gen_from_object(PyTypeObject *type, PyFrameObject *fo, PyObject *name, PyObject *qualname)
{
    PyCodeObject *co = nj_frame_peek_code(fo->f_frame);
    Gen *g = alloc_gen(type, co);
    if (g == NULL) {
        Py_DECREF(fo);
        return NULL;
    }
    g->gi_name = Py_NewRef(name ? name : co->co_name);
    g->gi_qualname = Py_NewRef(qualname ? qualname : co->co_qualname);
    NjFrame *from = fo->f_frame;
    move_frame(g, from);
    g->gi_iframe.frame_obj = fo; /* takes over the caller's reference */
    fo->f_frame = &g->gi_iframe;
    nj_gc_track((PyObject *)g);
    return (PyObject *)g;
}

PyObject *
PyGen_NewWithQualName(PyFrameObject *f, PyObject *name, PyObject *qualname)
{
    return gen_from_object(&PyGen_Type, f, name, qualname);
}

PyObject *
PyGen_New(PyFrameObject *f)
{
    return gen_from_object(&PyGen_Type, f, NULL, NULL);
}

PyObject *
PyCoro_New(PyFrameObject *f, PyObject *name, PyObject *qualname)
{
    return gen_from_object(&PyCoro_Type, f, name, qualname);
}

PyObject *
PyAsyncGen_New(PyFrameObject *f, PyObject *name, PyObject *qualname)
{
    return gen_from_object(&PyAsyncGen_Type, f, name, qualname);
}

PyCodeObject *
PyGen_GetCode(PyGenObject *gen)
{
    return (PyCodeObject *)Py_NewRef(gen_code((Gen *)gen));
}

/* ---- running ---- */

void
nj_gen_frame_done(PyThreadState *tstate, NjFrame *f)
{
    Gen *g = nj_frame_peek_gen(f);
    g->gi_frame_state = NJ_GEN_CLEARED;
    tstate->exc_info = g->gi_exc_state.previous_item;
    g->gi_exc_state.previous_item = NULL;
    f->previous = NULL; /* a frame object that lives on has no f_back */
    nj_frame_clear_except_code(f);
    Py_CLEAR(g->gi_exc_state.exc_value);
}

PySendResult
nj_gen_send(Gen *g, PyObject *arg, PyObject **out, int exc, int closing)
{
    PyThreadState *tstate = nj_tstate();
    NjFrame *frame = &g->gi_iframe;
    *out = NULL;
    if (g->gi_frame_state == NJ_GEN_CREATED && arg != NULL && arg != Py_None) {
        PyErr_Format(PyExc_TypeError, "can't send non-None value to a just-started %s",
                     kind_name(g));
        return PYGEN_ERROR;
    }
    if (g->gi_frame_state == NJ_GEN_EXECUTING) {
        PyErr_Format(PyExc_ValueError, "%s already executing", kind_name(g));
        return PYGEN_ERROR;
    }
    if (g->gi_frame_state >= NJ_GEN_COMPLETED) {
        if (PyCoro_CheckExact(g) && !closing) {
            PyErr_SetString(PyExc_RuntimeError, "cannot reuse already awaited coroutine");
        }
        else if (arg != NULL && !exc) {
            *out = Py_NewRef(Py_None);
            return PYGEN_RETURN;
        }
        return PYGEN_ERROR;
    }
    *frame->stackpointer++ = arg ? nj_value_new(arg) : nj_value_borrow(Py_None);
    frame->previous = tstate->current_frame;
    g->gi_exc_state.previous_item = tstate->exc_info;
    tstate->exc_info = &g->gi_exc_state;
    if (exc) {
        PyObject *handled = g->gi_exc_state.exc_value;
        if (handled != NULL && handled != Py_None) {
            /* link what the generator itself is handling as the context of what comes in */
            PyObject *e = PyErr_GetRaisedException();
            PyErr_SetObject((PyObject *)Py_TYPE(e), e);
            Py_DECREF(e);
        }
    }
    g->gi_frame_state = NJ_GEN_EXECUTING;
    PyObject *r = nj_eval_frame(tstate, frame, exc);
    frame->visited = 0; /* Python may go on with it */
    if (r != NULL) {
        *out = r;
        return g->gi_frame_state < NJ_GEN_EXECUTING ? PYGEN_NEXT : PYGEN_RETURN;
    }
    return PYGEN_ERROR;
}

PySendResult
nj_gen_am_send(PyObject *o, PyObject *arg, PyObject **out)
{
    return nj_gen_send(as_gen(o), arg, out, 0, 0);
}

int
_PyGen_SetStopIterationValue(PyObject *value)
{
    NJ_OWN e = nj_exc_stop_iteration(value);
    if (e == NULL) {
        return -1;
    }
    PyErr_SetObject(PyExc_StopIteration, e);
    return 0;
}

int
_PyGen_FetchStopIterationValue(PyObject **out)
{
    PyObject *value = NULL;
    if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyObject *exc = PyErr_GetRaisedException();
        value = Py_NewRef(((PyStopIterationObject *)exc)->value);
        Py_DECREF(exc);
    }
    else if (PyErr_Occurred()) {
        *out = NULL;
        return -1;
    }
    *out = value ? value : Py_NewRef(Py_None);
    return 0;
}

/* result of a run as a method call reports it */
static PyObject *
finish(Gen *g, PySendResult how, PyObject *r)
{
    if (how == PYGEN_RETURN) {
        if (PyAsyncGen_CheckExact(g)) {
            assert(r == Py_None);
            PyErr_SetNone(PyExc_StopAsyncIteration);
        }
        else if (r == Py_None) {
            PyErr_SetNone(PyExc_StopIteration);
        }
        else {
            _PyGen_SetStopIterationValue(r);
        }
        Py_CLEAR(r);
    }
    return r;
}

PyObject *
nj_gen_send_method(PyObject *o, PyObject *arg)
{
    PyObject *r;
    PySendResult how = nj_gen_send(as_gen(o), arg, &r, 0, 0);
    return finish(as_gen(o), how, r);
}

PyObject *
nj_gen_iternext(PyObject *o)
{
    PyObject *r;
    PySendResult how = nj_gen_send(as_gen(o), Py_None, &r, 0, 0);
    if (how == PYGEN_RETURN) {
        if (r != Py_None) {
            _PyGen_SetStopIterationValue(r);
        }
        Py_CLEAR(r);
    }
    return r;
}

/* The exception that is set goes in at the suspension point. */
static PyObject *
send_exception(Gen *g, int closing, PySendResult *how)
{
    PyObject *r;
    *how = nj_gen_send(g, Py_None, &r, 1, closing);
    return r;
}

PyObject *
nj_gen_delegate(Gen *g)
{
    if (g->gi_frame_state == NJ_GEN_SUSPENDED_YIELD_FROM) {
        return nj_value_object(g->gi_iframe.stackpointer[-1]);
    }
    return NULL;
}

PyAPI_FUNC(PyObject *) _PyGen_yf(PyGenObject *gen);
PyObject *
_PyGen_yf(PyGenObject *gen)
{
    return nj_gen_delegate((Gen *)gen);
}

static int
close_iter(PyObject *yf)
{
    NJ_OWN r = NULL;
    if (PyGen_CheckExact(yf) || PyCoro_CheckExact(yf)) {
        r = nj_gen_close(yf, NULL);
    }
    else {
        PyObject *meth;
        if (PyObject_GetOptionalAttr(yf, NJ_ID(close), &meth) < 0) {
            PyErr_FormatUnraisable("Exception ignored while closing generator %R", yf);
        }
        if (meth == NULL) {
            return 0;
        }
        r = PyObject_CallNoArgs(meth);
        Py_DECREF(meth);
    }
    return r == NULL ? -1 : 0;
}

#define RESUME_OUTSIDE_TRY 4 /* in the argument of RESUME */

PyObject *
nj_gen_close(PyObject *o, PyObject *unused)
{
    Gen *g = as_gen(o);
    if (g->gi_frame_state == NJ_GEN_CREATED) {
        g->gi_frame_state = NJ_GEN_CLEARED;
        nj_frame_clear_except_code(&g->gi_iframe);
        Py_RETURN_NONE;
    }
    if (g->gi_frame_state >= NJ_GEN_COMPLETED) {
        Py_RETURN_NONE;
    }
    int err = 0;
    PyObject *yf = nj_gen_delegate(g);
    if (yf != NULL) {
        int8_t state = g->gi_frame_state;
        g->gi_frame_state = NJ_GEN_EXECUTING;
        err = close_iter(yf);
        g->gi_frame_state = state;
        Py_DECREF(yf);
    }
    if (err == 0) {
        NjCodeUnit *next = g->gi_iframe.instr_ptr + g->gi_iframe.return_offset;
        PyThreadState *tstate = nj_tstate();
        if ((next->op.code == RESUME || next->op.code == RESUME_CHECK) && (next->op.arg & RESUME_OUTSIDE_TRY) &&
            !nj_monitor_wants(tstate, PY_MONITORING_EVENT_PY_THROW) &&
            !nj_monitor_wants(tstate, PY_MONITORING_EVENT_RAISE) &&
            !nj_monitor_wants(tstate, PY_MONITORING_EVENT_PY_UNWIND)) {
            /* nobody could see a GeneratorExit */
            g->gi_frame_state = NJ_GEN_CLEARED;
            nj_frame_clear_except_code(&g->gi_iframe);
            Py_RETURN_NONE;
        }
        PyErr_SetNone(PyExc_GeneratorExit);
    }
    PySendResult how;
    PyObject *r = send_exception(g, 1, &how);
    if (how == PYGEN_NEXT) {
        Py_DECREF(r);
        PyErr_Format(PyExc_RuntimeError, "%s ignored GeneratorExit", kind_name(g));
        return NULL;
    }
    if (how == PYGEN_RETURN) {
        return r;
    }
    if (PyErr_ExceptionMatches(PyExc_StopIteration) ||
        PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return NULL;
}

PyObject *
nj_gen_throw_full(PyObject *o, int close_on_exit, PyObject *typ, PyObject *val, PyObject *tb)
{
    Gen *g = as_gen(o);
    PySendResult how;
    PyObject *yf = nj_gen_delegate(g);
    if (yf != NULL) {
        int8_t state = g->gi_frame_state;
        PyObject *r;
        if (close_on_exit && PyErr_GivenExceptionMatches(typ, PyExc_GeneratorExit)) {
            g->gi_frame_state = NJ_GEN_EXECUTING;
            int err = close_iter(yf);
            g->gi_frame_state = state;
            Py_DECREF(yf);
            if (err < 0) {
                r = send_exception(g, 0, &how);
                return finish(g, how, r);
            }
            goto throw_here;
        }
        if (PyGen_CheckExact(yf) || PyCoro_CheckExact(yf)) {
            PyThreadState *tstate = nj_tstate();
            NjFrame *previous = tstate->current_frame;
            g->gi_iframe.previous = previous;
            tstate->current_frame = &g->gi_iframe;
            g->gi_frame_state = NJ_GEN_EXECUTING;
            if (Py_EnterRecursiveCall(" in throw")) {
                r = NULL;
            }
            else {
                r = nj_gen_throw_full(yf, close_on_exit, typ, val, tb);
                Py_LeaveRecursiveCall();
            }
            tstate->current_frame = previous;
            g->gi_iframe.previous = NULL;
            g->gi_frame_state = state;
        }
        else {
            PyObject *meth;
            if (PyObject_GetOptionalAttr(yf, NJ_ID(throw), &meth) < 0) {
                Py_DECREF(yf);
                return NULL;
            }
            if (meth == NULL) {
                Py_DECREF(yf);
                goto throw_here;
            }
            PyThreadState *tstate = nj_tstate();
            NjFrame *previous = tstate->current_frame;
            g->gi_iframe.previous = previous;
            tstate->current_frame = &g->gi_iframe;
            g->gi_frame_state = NJ_GEN_EXECUTING;
            PyObject *args[] = {typ, val ? val : Py_None, tb ? tb : Py_None};
            r = PyObject_Vectorcall(meth, args, tb ? 3 : val ? 2 : 1, NULL);
            tstate->current_frame = previous;
            g->gi_iframe.previous = NULL;
            g->gi_frame_state = state;
            Py_DECREF(meth);
        }
        Py_DECREF(yf);
        if (r == NULL) {
            r = send_exception(g, 0, &how);
            return finish(g, how, r);
        }
        return r;
    }

throw_here:
    if (tb == Py_None) {
        tb = NULL;
    }
    else if (tb != NULL && !PyTraceBack_Check(tb)) {
        PyErr_SetString(PyExc_TypeError,
                        "throw() third argument must be a traceback object");
        return NULL;
    }
    PyObject *exc;
    if (PyExceptionClass_Check(typ)) {
        if (val == NULL || val == Py_None) {
            exc = PyObject_CallNoArgs(typ);
        }
        else if (PyObject_TypeCheck(val, (PyTypeObject *)typ)) {
            exc = Py_NewRef(val);
        }
        else if (PyTuple_Check(val)) {
            exc = PyObject_Call(typ, val, NULL);
        }
        else {
            exc = PyObject_CallOneArg(typ, val);
        }
        if (exc != NULL && !PyExceptionInstance_Check(exc)) {
            PyErr_Format(PyExc_TypeError,
                         "calling %R should have returned an instance of BaseException, "
                         "not %R",
                         typ, Py_TYPE(exc));
            Py_CLEAR(exc);
        }
    }
    else if (PyExceptionInstance_Check(typ)) {
        if (val != NULL && val != Py_None) {
            PyErr_SetString(PyExc_TypeError,
                            "instance exception may not have a separate value");
            return NULL;
        }
        exc = Py_NewRef(typ);
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "exceptions must be classes or instances deriving from BaseException, "
                     "not %s",
                     Py_TYPE(typ)->tp_name);
        return NULL;
    }
    if (exc != NULL) {
        if (tb != NULL) {
            PyException_SetTraceback(exc, tb);
        }
        PyErr_SetRaisedException(exc);
    }
    PyObject *r = send_exception(g, 0, &how);
    return finish(g, how, r);
}

PyObject *
nj_gen_throw(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("throw", nargs, 1, 3)) {
        return NULL;
    }
    if (nargs > 1 &&
        PyErr_WarnEx(PyExc_DeprecationWarning,
                     "the (type, exc, tb) signature of throw() is deprecated, use the "
                     "single-arg signature instead.",
                     1) < 0) {
        return NULL;
    }
    return nj_gen_throw_full(o, 1, args[0], nargs > 1 ? args[1] : NULL,
                             nargs > 2 ? args[2] : NULL);
}

/* ---- the end ---- */

static void
warn_never_awaited(PyObject *coro)
{
    /* at the interpreter's end only a module that is still there */
    NJ_OWN module = Py_IsFinalizing()
                        ? PyImport_GetModule(NJ_ID(warnings))
                        : PyImport_ImportModule("warnings");
    NJ_OWN r = NULL;
    if (module != NULL) {
        NJ_OWN func = PyObject_GetAttr(module, NJ_ID(_warn_unawaited_coroutine));
        if (func != NULL) {
            r = PyObject_CallOneArg(func, coro);
            if (r != NULL) {
                return;
            }
        }
    }
    /* warnings is broken or half gone: say it the plain way */
    if (PyErr_Occurred()) {
        PyErr_FormatUnraisable("Exception ignored while finalizing coroutine %R", coro);
    }
    if (PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                                  "coroutine '%S' was never awaited",
                                  as_gen(coro)->gi_qualname) < 0) {
        PyErr_FormatUnraisable("Exception ignored while finalizing coroutine %R", coro);
    }
}

void
nj_gen_finalize(PyObject *o)
{
    Gen *g = as_gen(o);
    if (g->gi_frame_state >= NJ_GEN_COMPLETED) {
        return;
    }
    if (PyAsyncGen_CheckExact(o)) {
        PyObject *finalizer = g->gi_origin_or_finalizer;
        if (finalizer != NULL && !g->gi_closed) {
            PyObject *exc = PyErr_GetRaisedException();
            NJ_OWN r = PyObject_CallOneArg(finalizer, o);
            if (r == NULL) {
                PyErr_FormatUnraisable("Exception ignored while finalizing generator %R", o);
            }
            PyErr_SetRaisedException(exc);
            return;
        }
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (PyCoro_CheckExact(o) && g->gi_frame_state == NJ_GEN_CREATED) {
        warn_never_awaited(o);
    }
    else {
        PyObject *r = nj_gen_close(o, NULL);
        if (r == NULL) {
            if (PyErr_Occurred()) {
                PyErr_FormatUnraisable("Exception ignored while closing generator %R", o);
            }
        }
        else {
            Py_DECREF(r);
        }
    }
    PyErr_SetRaisedException(exc);
}

void
nj_gen_dealloc(PyObject *o)
{
    Gen *g = as_gen(o);
    nj_gc_untrack(o);
    if (g->gi_weakreflist != NULL) {
        PyObject_ClearWeakRefs(o);
    }
    if (g->gi_frame_state < NJ_GEN_COMPLETED) {
        nj_gc_track(o);
        if (PyObject_CallFinalizerFromDealloc(o)) {
            return; /* revived */
        }
        nj_gc_untrack(o);
    }
    if (g->gi_frame_state != NJ_GEN_CLEARED) {
        g->gi_frame_state = NJ_GEN_CLEARED;
        g->gi_iframe.previous = NULL;
        nj_frame_clear_except_code(&g->gi_iframe);
    }
    Py_CLEAR(g->gi_origin_or_finalizer);
    Py_CLEAR(g->gi_exc_state.exc_value);
    nj_value_xclose(g->gi_iframe.f_executable);
    Py_CLEAR(g->gi_name);
    Py_CLEAR(g->gi_qualname);
    PyObject_GC_Del(o);
}

int
nj_gen_traverse(PyObject *o, visitproc visit, void *arg)
{
    Gen *g = as_gen(o);
    Py_VISIT(g->gi_name);
    Py_VISIT(g->gi_qualname);
    Py_VISIT(g->gi_origin_or_finalizer);
    if (g->gi_frame_state < NJ_GEN_EXECUTING) {
        Py_VISIT(g->gi_iframe.frame_obj);
        int t = nj_frame_traverse(&g->gi_iframe, visit, arg);
        if (t) {
            return t;
        }
    }
    else if (g->gi_frame_state == NJ_GEN_EXECUTING) {
        int t = nj_frame_traverse_locals(&g->gi_iframe, visit, arg);
        if (t) {
            return t;
        }
    }
    else if (g->gi_frame_state == NJ_GEN_CLEARED) {
        Py_VISIT((PyObject *)gen_code(g));
    }
    Py_VISIT(g->gi_exc_state.exc_value);
    return 0;
}

/* ---- attributes ---- */

PyObject *
nj_gen_get_name(PyObject *o, void *closure)
{
    return Py_NewRef(as_gen(o)->gi_name);
}

int
nj_gen_set_name(PyObject *o, PyObject *v, void *closure)
{
    if (v == NULL || !PyUnicode_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__name__ must be set to a string object");
        return -1;
    }
    Py_XSETREF(as_gen(o)->gi_name, Py_NewRef(v));
    return 0;
}

PyObject *
nj_gen_get_qualname(PyObject *o, void *closure)
{
    return Py_NewRef(as_gen(o)->gi_qualname);
}

int
nj_gen_set_qualname(PyObject *o, PyObject *v, void *closure)
{
    if (v == NULL || !PyUnicode_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "__qualname__ must be set to a string object");
        return -1;
    }
    Py_XSETREF(as_gen(o)->gi_qualname, Py_NewRef(v));
    return 0;
}

PyObject *
nj_gen_get_yf(PyObject *o, void *closure)
{
    PyObject *yf = nj_gen_delegate(as_gen(o));
    return yf ? yf : Py_NewRef(Py_None);
}

PyObject *
nj_gen_get_running(PyObject *o, void *closure)
{
    return PyBool_FromLong(as_gen(o)->gi_frame_state == NJ_GEN_EXECUTING);
}

PyObject *
nj_gen_get_suspended(PyObject *o, void *closure)
{
    int8_t s = as_gen(o)->gi_frame_state;
    return PyBool_FromLong(s == NJ_GEN_SUSPENDED || s == NJ_GEN_SUSPENDED_YIELD_FROM);
}

PyObject *
nj_gen_get_frame(PyObject *o, void *closure)
{
    const char *name = closure;
    if (PySys_Audit("object.__getattr__", "Os", o, name) < 0) {
        return NULL;
    }
    if (as_gen(o)->gi_frame_state >= NJ_GEN_COMPLETED) {
        Py_RETURN_NONE;
    }
    return Py_XNewRef(nj_frame_peek_object(&as_gen(o)->gi_iframe));
}

PyObject *
nj_gen_get_code(PyObject *o, void *closure)
{
    const char *name = closure;
    if (PySys_Audit("object.__getattr__", "Os", o, name) < 0) {
        return NULL;
    }
    return Py_NewRef(gen_code(as_gen(o)));
}

PyObject *
nj_gen_sizeof(PyObject *o, PyObject *unused)
{
    return PyLong_FromSsize_t((Py_ssize_t)offsetof(Gen, gi_iframe) +
                              nj_code_frame_words(gen_code(as_gen(o))) *
                                  (Py_ssize_t)sizeof(Value));
}

static PyObject *
gen_repr(PyObject *o)
{
    return PyUnicode_FromFormat("<generator object %S at %p>", as_gen(o)->gi_qualname, o);
}

static PyGetSetDef gen_getset[] = {
    {"__name__", nj_gen_get_name, nj_gen_set_name, "name of the generator", NULL},
    {"__qualname__", nj_gen_get_qualname, nj_gen_set_qualname,
     "qualified name of the generator", NULL},
    {"gi_yieldfrom", nj_gen_get_yf, NULL,
     "object being iterated by yield from, or None", NULL},
    {"gi_running", nj_gen_get_running, NULL, NULL, NULL},
    {"gi_frame", nj_gen_get_frame, NULL, NULL, "gi_frame"},
    {"gi_suspended", nj_gen_get_suspended, NULL, NULL, NULL},
    {"gi_code", nj_gen_get_code, NULL, NULL, "gi_code"},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef gen_methods[] = {
    {"send", nj_gen_send_method, METH_O,
     "send($self, object, /)\n--\n\n"
     "Send a value into generator; the next iterated value or StopIteration."},
    {"throw", (PyCFunction)(void (*)(void))nj_gen_throw, METH_FASTCALL,
     "throw(value)\nthrow(type[,value[,tb]])\n\nRaise an exception at the suspension point."},
    {"close", nj_gen_close, METH_NOARGS,
     "close($self, /)\n--\n\nRaise GeneratorExit inside the generator."},
    {"__sizeof__", nj_gen_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nSize in bytes."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {NULL, NULL, 0, NULL},
};

static PyAsyncMethods gen_as_async = {
    .am_send = nj_gen_am_send,
};

PyTypeObject PyGen_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "generator",
    .tp_basicsize = offsetof(Gen, gi_iframe.localsplus),
    .tp_itemsize = sizeof(PyObject *),
    .tp_dealloc = nj_gen_dealloc,
    .tp_as_async = &gen_as_async,
    .tp_repr = gen_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = nj_gen_traverse,
    .tp_weaklistoffset = offsetof(Gen, gi_weakreflist),
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = nj_gen_iternext,
    .tp_methods = gen_methods,
    .tp_getset = gen_getset,
    .tp_finalize = nj_gen_finalize,
};

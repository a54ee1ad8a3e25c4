/* event.c - threads, the event loop, timers and file handlers.
 * SPDX-License-Identifier: MIT
 */
#include "tkinter_int.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

/* ======================================================================================
 * The GIL
 * ====================================================================================== */

/* The state of this thread while Tcl runs in it without the GIL. Not an app's: the loop of
 * one app runs the events of every app of the thread. */
static _Thread_local PyThreadState *waiting;

void
tk_enter_tcl(void)
{
    waiting = PyEval_SaveThread();
}

void
tk_leave_tcl(void)
{
    PyThreadState *ts = waiting;
    waiting = NULL;
    PyEval_RestoreThread(ts);
}

/* Tcl may also call back from within a call that kept the GIL: nothing to do then. */
bool
tk_enter_python(void)
{
    if (!waiting) {
        return false;
    }
    tk_leave_tcl();
    return true;
}

void
tk_leave_python(bool entered)
{
    if (entered) {
        tk_enter_tcl();
    }
}

/* ======================================================================================
 * Errors
 * ====================================================================================== */

/* TclError with the interpreter's result. */
PyObject *
tk_raise(App *app)
{
    NJ_OWN text = tk_str_of(Tcl_GetObjResult(app->interp));
    if (text) {
        PyErr_SetObject(app->st->error, text);
    }
    return NULL;
}

/* Keeps the exception of a callback for the main loop. */
void
tk_callback_failed(State *st)
{
    st->failed = true;
    NJ_SET(st->exception, PyErr_GetRaisedException());
}

int
tk_check_thread(App *app)
{
    if (app->threaded && app->thread != Tcl_GetCurrentThread()) {
        PyErr_SetString(PyExc_RuntimeError, "Calling Tcl from different apartment");
        return -1;
    }
    return 0;
}

int
tk_trace(App *app, PyObject *stolen)
{
    NJ_OWN args = stolen;
    if (!args) {
        return -1;
    }
    NJ_OWN r = PyObject_CallFunctionObjArgs(app->trace, args, NULL);
    return r ? 0 : -1;
}

/* ======================================================================================
 * Requests of other threads
 * ====================================================================================== */

typedef struct Request {
    App *app;
    Work work;
    PyObject *args;
    int flags;
    PyObject *result, *exception;
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    bool done;
} Request;

typedef struct RequestEvent {
    Tcl_Event event;
    Request *request; /* on the stack of the thread that waits */
} RequestEvent;

static int
run_request(Tcl_Event *event, int flags)
{
    Request *r = ((RequestEvent *)event)->request;
    bool entered = tk_enter_python();
    r->result = r->work(r->app, r->args, r->flags);
    r->exception = r->result ? NULL : PyErr_GetRaisedException();
    tk_leave_python(entered);
    pthread_mutex_lock(&r->lock);
    r->done = true;
    pthread_cond_signal(&r->done_cond);
    pthread_mutex_unlock(&r->lock);
    return 1;
}

static int
wait_for_mainloop(App *app)
{
    for (int i = 0; i < 10 && !app->dispatching; i++) {
        Py_BEGIN_ALLOW_THREADS
        usleep(100000);
        Py_END_ALLOW_THREADS
    }
    if (!app->dispatching) {
        PyErr_SetString(PyExc_RuntimeError, "main thread is not in main loop");
        return -1;
    }
    return 0;
}

/* work(app, args, flags), in the interpreter's thread. */
PyObject *
tk_in_thread(App *app, Work work, PyObject *args, int flags)
{
    if (!app->threaded || app->thread == Tcl_GetCurrentThread()) {
        return work(app, args, flags);
    }
    if (wait_for_mainloop(app) < 0) {
        return NULL;
    }
    RequestEvent *event = (RequestEvent *)attemptckalloc(sizeof *event);
    if (!event) {
        return PyErr_NoMemory();
    }
    Request r = {.app = app, .work = work, .args = args, .flags = flags};
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.done_cond, NULL);
    event->event.proc = run_request;
    event->request = &r;
    Py_BEGIN_ALLOW_THREADS
    Tcl_ThreadQueueEvent(app->thread, &event->event, TCL_QUEUE_TAIL);
    Tcl_ThreadAlert(app->thread);
    pthread_mutex_lock(&r.lock);
    while (!r.done) {
        pthread_cond_wait(&r.done_cond, &r.lock);
    }
    pthread_mutex_unlock(&r.lock);
    Py_END_ALLOW_THREADS
    pthread_cond_destroy(&r.done_cond);
    pthread_mutex_destroy(&r.lock);
    if (r.exception) {
        PyErr_SetRaisedException(r.exception);
    }
    return r.result;
}

/* ======================================================================================
 * The loop
 * ====================================================================================== */

static PyObject *
take_failure(State *st)
{
    st->failed = false;
    PyErr_SetRaisedException(st->exception);
    st->exception = NULL;
    return NULL;
}

PyObject *
app_mainloop(PyObject *self, PyObject *args)
{
    App *app = APP(self);
    State *st = app->st;
    PyObject *o = NULL;
    if (!PyArg_UnpackTuple(args, "mainloop", 0, 1, &o)) {
        return NULL;
    }
    int threshold = o ? PyLong_AsInt(o) : 0;
    if ((threshold == -1 && PyErr_Occurred()) || tk_check_thread(app) < 0) {
        return NULL;
    }
    app->dispatching = 1;
    st->quit = 0;
    while (Tk_GetNumMainWindows() > threshold && !st->quit && !st->failed) {
        int rc;
        if (app->threaded) {
            /* other threads wake the loop: it may sleep */
            tk_enter_tcl();
            rc = Tcl_DoOneEvent(0);
            tk_leave_tcl();
        }
        else {
            tk_enter_tcl();
            rc = Tcl_DoOneEvent(TCL_DONT_WAIT);
            if (rc == 0) {
                Tcl_Sleep(st->busywait);
            }
            tk_leave_tcl();
        }
        if (PyErr_CheckSignals() != 0) {
            app->dispatching = 0;
            return NULL;
        }
        if (rc < 0) {
            break;
        }
    }
    app->dispatching = 0;
    st->quit = 0;
    if (st->failed) {
        return take_failure(st);
    }
    Py_RETURN_NONE;
}

PyObject *
app_dooneevent(PyObject *self, PyObject *args)
{
    PyObject *o = NULL;
    if (!PyArg_UnpackTuple(args, "dooneevent", 0, 1, &o)) {
        return NULL;
    }
    int flags = o ? PyLong_AsInt(o) : 0, rc;
    if (flags == -1 && PyErr_Occurred()) {
        return NULL;
    }
    tk_enter_tcl();
    rc = Tcl_DoOneEvent(flags);
    tk_leave_tcl();
    return PyLong_FromLong(rc);
}

PyObject *
app_quit(PyObject *self, PyObject *ignored)
{
    APP(self)->st->quit = 1;
    Py_RETURN_NONE;
}

PyObject *
app_willdispatch(PyObject *self, PyObject *ignored)
{
    APP(self)->dispatching = 1;
    Py_RETURN_NONE;
}

/* ======================================================================================
 * Timers
 * ====================================================================================== */

typedef struct Timer {
    PyObject_HEAD
    State *st;
    Tcl_TimerToken token; /* NULL: fired or deleted */
    PyObject *func;
} Timer;

static void
token_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    Py_XDECREF(((Timer *)self)->func);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
token_repr(PyObject *self)
{
    return PyUnicode_FromFormat("<tktimertoken at %p%s>", self,
                                ((Timer *)self)->func ? "" : ", handler deleted");
}

static PyObject *
token_delete(PyObject *self, PyObject *ignored)
{
    Timer *t = (Timer *)self;
    if (t->token) {
        Tcl_DeleteTimerHandler(t->token);
        t->token = NULL;
        Py_CLEAR(t->func);
        Py_DECREF(self); /* Tcl's reference; the caller has its own */
    }
    Py_RETURN_NONE;
}

static void
token_fire(ClientData data)
{
    Timer *t = data;
    bool entered = tk_enter_python();
    PyObject *func = t->func;
    t->func = NULL;
    t->token = NULL;
    if (func) {
        NJ_OWN r = PyObject_CallNoArgs(func);
        if (!r) {
            tk_callback_failed(t->st);
        }
        Py_DECREF(func);
    }
    Py_DECREF(t);
    tk_leave_python(entered);
}

PyObject *
app_createtimerhandler(PyObject *self, PyObject *args)
{
    App *app = APP(self);
    PyObject *omilliseconds, *func;
    if (!PyArg_UnpackTuple(args, "createtimerhandler", 2, 2, &omilliseconds, &func)) {
        return NULL;
    }
    int ms = PyLong_AsInt(omilliseconds);
    if (ms == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "bad argument list");
        return NULL;
    }
    if (tk_check_thread(app) < 0 ||
        (app->trace && tk_trace(app, Py_BuildValue("(siO)", "after", ms, func)) < 0)) {
        return NULL;
    }
    Timer *t = (Timer *)app->st->timer->tp_alloc(app->st->timer, 0);
    if (!t) {
        return NULL;
    }
    t->st = app->st;
    t->func = Py_NewRef(func);
    t->token = Tcl_CreateTimerHandler(ms, token_fire, Py_NewRef(t));
    return (PyObject *)t;
}

static PyMethodDef token_methods[] = {
    {"deletetimerhandler", token_delete, METH_NOARGS,
     PyDoc_STR(SIG("deletetimerhandler($self, /)"))},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot token_slots[] = {
    {Py_tp_dealloc, token_dealloc},
    {Py_tp_repr, token_repr},
    {Py_tp_methods, token_methods},
    {0, NULL},
};

PyType_Spec tk_timer_spec = {
    .name = "_tkinter.tktimertoken",
    .basicsize = sizeof(Timer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = token_slots,
};

/* ======================================================================================
 * File handlers
 * ====================================================================================== */

struct FileHandler {
    FileHandler *next;
    State *st;
    int fd;
    PyObject *func, *file;
};

static void
file_ready(ClientData data, int mask)
{
    FileHandler *h = data;
    bool entered = tk_enter_python();
    State *st = h->st;
    /* the handler may be deleted by its own function */
    NJ_OWN func = Py_NewRef(h->func);
    NJ_OWN file = Py_NewRef(h->file);
    NJ_OWN r = PyObject_CallFunction(func, "Oi", file, mask);
    if (!r) {
        tk_callback_failed(st);
    }
    NJ_SET(r, NULL);
    NJ_SET(file, NULL);
    NJ_SET(func, NULL);
    tk_leave_python(entered);
}

static void
drop_handler(FileHandler *h)
{
    Py_DECREF(h->func);
    Py_DECREF(h->file);
    PyMem_Free(h);
}

static void
remove_handler(App *app, int fd)
{
    Tcl_DeleteFileHandler(fd);
    for (FileHandler **link = &app->handlers; *link; link = &(*link)->next) {
        if ((*link)->fd == fd) {
            FileHandler *h = *link;
            *link = h->next;
            drop_handler(h);
            return;
        }
    }
}

void
tk_drop_handlers(App *app)
{
    while (app->handlers) {
        remove_handler(app, app->handlers->fd);
    }
}

PyObject *
app_createfilehandler(PyObject *self, PyObject *args)
{
    App *app = APP(self);
    PyObject *file, *omask, *func;
    if (!PyArg_UnpackTuple(args, "createfilehandler", 3, 3, &file, &omask, &func)) {
        return NULL;
    }
    int mask = PyLong_AsInt(omask);
    if ((mask == -1 && PyErr_Occurred()) || tk_check_thread(app) < 0) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(file);
    if (fd < 0) {
        return NULL;
    }
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "bad argument list");
        return NULL;
    }
    if (app->trace && tk_trace(app, Py_BuildValue("(ssOiO)", "#", "createfilehandler", file,
                                                  mask, func)) < 0) {
        return NULL;
    }
    FileHandler *h = PyMem_Calloc(1, sizeof *h);
    if (!h) {
        return PyErr_NoMemory();
    }
    *h = (FileHandler){.st = app->st, .fd = fd, .func = Py_NewRef(func),
                       .file = Py_NewRef(file)};
    remove_handler(app, fd);
    h->next = app->handlers;
    app->handlers = h;
    Tcl_CreateFileHandler(fd, mask, file_ready, h);
    Py_RETURN_NONE;
}

PyObject *
app_deletefilehandler(PyObject *self, PyObject *file)
{
    App *app = APP(self);
    if (tk_check_thread(app) < 0 ||
        (app->trace &&
         tk_trace(app, Py_BuildValue("(ssO)", "#", "deletefilehandler", file)) < 0)) {
        return NULL;
    }
    int fd = PyObject_AsFileDescriptor(file);
    if (fd < 0) {
        return NULL;
    }
    remove_handler(app, fd);
    Py_RETURN_NONE;
}

/* ======================================================================================
 * Events while the prompt waits for input
 * ====================================================================================== */

static struct { /* the hook is one per process, and gets no argument */
    PyThreadState *thread;
    State *st;
    bool ready;
} the_hook;

static void
input_ready(ClientData data, int mask)
{
    the_hook.ready = true;
}

static int
run_events(void)
{
    State *st = the_hook.st;
    int input = fileno(stdin);
    PyEval_RestoreThread(the_hook.thread);
    the_hook.ready = false;
    st->failed = false;
    Tcl_CreateFileHandler(input, TCL_READABLE, input_ready, NULL);
    while (!st->failed && !the_hook.ready) {
        tk_enter_tcl();
        int rc = Tcl_DoOneEvent(0);
        tk_leave_tcl();
        if (rc < 0) {
            break;
        }
    }
    Tcl_DeleteFileHandler(input);
    if (st->failed) {
        take_failure(st);
        PyErr_Print();
    }
    PyEval_SaveThread();
    return 0;
}

void
tk_enable_input_hook(State *st)
{
    if (PyOS_InputHook == NULL) {
        the_hook.thread = PyThreadState_Get();
        the_hook.st = st;
        PyOS_InputHook = run_events;
    }
}

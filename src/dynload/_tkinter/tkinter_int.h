/* tkinter_int.h - what the parts of _tkinter share.
 *
 * A Tcl interpreter belongs to the thread that made it. While Tcl runs, the GIL is free
 * (tk_enter_tcl, tk_leave_tcl) and whatever Tcl calls back takes it again
 * (tk_enter_python, tk_leave_python). Other threads hand their requests to the event loop
 * of the interpreter's thread (tk_in_thread).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_TKINTER_INT_H
#define NJ_TKINTER_INT_H

#include "nj.h"

#include <tcl.h>
#include <tk.h>

#define HIDDEN __attribute__((visibility("hidden")))
#define SIG(s) s "\n--\n\n"

typedef struct State {
    PyTypeObject *app, *object, *timer;
    PyObject *error;
    int busywait;        /* milliseconds */
    int quit;            /* leave the main loop */
    PyObject *exception; /* what a callback raised, for the main loop; owned */
    bool failed;         /* a callback raised */
} State;

typedef struct FileHandler FileHandler;

typedef struct App {
    PyObject_HEAD
    State *st;
    Tcl_Interp *interp;
    Tcl_ThreadId thread;
    bool threaded;    /* Tcl is */
    int wantobjects;
    int dispatching;  /* in mainloop() */
    PyObject *trace;
    FileHandler *handlers;
} App;

#define APP(o) ((App *)(o))

typedef struct TclObj {
    PyObject_HEAD
    Tcl_Obj *value;
    PyObject *string; /* made on demand */
} TclObj;

extern HIDDEN PyModuleDef tkinter_module;

/* convert.c */
HIDDEN extern PyType_Spec tk_object_spec;
HIDDEN Tcl_Obj *tk_as_obj(State *st, PyObject *value); /* reference count 0 */
HIDDEN PyObject *tk_from_obj(App *app, Tcl_Obj *value);
HIDDEN PyObject *tk_str(const char *s, Py_ssize_t n);
HIDDEN PyObject *tk_str_of(Tcl_Obj *value);
HIDDEN PyObject *tk_result(App *app, bool always_str);
HIDDEN PyObject *tk_int_of(App *app, Tcl_Obj *value, const char *s);
/* A str argument as UTF-8, borrowed. */
HIDDEN const char *tk_text(PyObject *o, const char *where);

/* app.c */
HIDDEN extern PyType_Spec tk_app_spec;
HIDDEN PyObject *tk_create(PyObject *m, PyObject *args);

/* event.c */
HIDDEN extern PyType_Spec tk_timer_spec;
HIDDEN extern PyMethodDef tk_event_methods[];
HIDDEN void tk_enter_tcl(void);
HIDDEN void tk_leave_tcl(void);
HIDDEN bool tk_enter_python(void);
HIDDEN void tk_leave_python(bool entered);
HIDDEN int tk_check_thread(App *app);
typedef PyObject *(*Work)(App *app, PyObject *args, int flags);
HIDDEN PyObject *tk_in_thread(App *app, Work work, PyObject *args, int flags);
HIDDEN void tk_callback_failed(State *st);
HIDDEN PyObject *tk_raise(App *app);
HIDDEN int tk_trace(App *app, PyObject *args NJ_STEALS);
HIDDEN void tk_drop_handlers(App *app);
HIDDEN void tk_enable_input_hook(State *st);
HIDDEN PyObject *app_createfilehandler(PyObject *self, PyObject *args);
HIDDEN PyObject *app_deletefilehandler(PyObject *self, PyObject *file);
HIDDEN PyObject *app_createtimerhandler(PyObject *self, PyObject *args);
HIDDEN PyObject *app_mainloop(PyObject *self, PyObject *args);
HIDDEN PyObject *app_dooneevent(PyObject *self, PyObject *args);
HIDDEN PyObject *app_quit(PyObject *self, PyObject *ignored);
HIDDEN PyObject *app_willdispatch(PyObject *self, PyObject *ignored);

#endif

/* crossinterp.h - what goes from one interpreter to another.
 *
 * No object is ever seen by two interpreters. An NjXData carries a value across: plain
 * memory from the C allocator with a recipe for an equal object. Where the value stays
 * tied to an object (a memoryview's buffer, a queue's reference), that object belongs to
 * the owner interpreter and is let go there. Exceptions travel as NjXExc, a description
 * in text. NjXSession is a visit of a thread to another interpreter's __main__.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_RUNTIME_CROSSINTERP_H
#define NJ_RUNTIME_CROSSINTERP_H

#include "nj.h"

#include "runtime/state.h"

/* Where an interpreter comes from: PyInterpreterState's `whence'. */
enum {
    NJ_WHENCE_UNKNOWN, /* made, not initialized */
    NJ_WHENCE_RUNTIME,
    NJ_WHENCE_LEGACY_CAPI, /* Py_NewInterpreter */
    NJ_WHENCE_CAPI,        /* Py_NewInterpreterFromConfig */
    NJ_WHENCE_XI,
    NJ_WHENCE_STDLIB, /* _interpreters.create() */
    NJ_WHENCE_LAST = NJ_WHENCE_STDLIB,
};

/* A copy from the C allocator, or NULL without an exception. */
NJ_MUST char *nj_raw_strdup(const char *s);

/* --- values --------------------------------------------------------------------------- */

typedef struct NjXData NjXData;
struct NjXData {
    PyObject *(*make)(NjXData *x); /* the object anew, in the calling interpreter */
    void (*drop)(void *data);      /* releases data; NULL: nothing to release */
    void *data;
    int64_t owner;      /* id of the interpreter that filled it */
    bool drop_in_owner; /* drop touches objects: only the owner may call it */
};

/* Fills an empty x from an object of one type. 0/-1 with an exception. */
typedef int (*NjXGet)(PyObject *o, NjXData *x, bool fallback);

NJ_MUST NjXData *nj_xdata_new(void);
/* Releases what x carries, in the owner if need be (left to the owner's next safe point
 * when it runs elsewhere; forgotten when it has ended). x may be empty or NULL. */
void nj_xdata_clear(NjXData *x);
void nj_xdata_free(NjXData *x);
/* fallback: what is not shareable itself may go as a stateless function or a pickle. */
NJ_MUST int nj_xdata_get(PyObject *o, NjXData *x, bool fallback);
NJ_MUST PyObject *nj_xdata_make(NjXData *x);
/* Whether values of o's type may be shared without fallback. */
bool nj_xdata_shareable(PyObject *o);
/* Instances of a heap type of the current interpreter. */
NJ_MUST int nj_xdata_register(PyTypeObject *type, NjXGet get);

NJ_MUST int nj_xdata_pickle(PyObject *o, NjXData *x);
NJ_MUST int nj_xdata_marshal(PyObject *o, NjXData *x);
NJ_MUST int nj_xdata_code(PyObject *o, NjXData *x);
NJ_MUST int nj_xdata_func(PyObject *o, NjXData *x);
/* Source text or code without arguments, closure and result; pure: without globals. */
NJ_MUST int nj_xdata_script(PyObject *o, bool pure, NjXData *x);
/* A copy of the bytes, restored by make, which reads x->data as NjXBytes. */
typedef struct NjXBytes {
    Py_ssize_t size;
    char text[];
} NjXBytes;
NJ_MUST int nj_xdata_bytes(NjXData *x, const void *text, Py_ssize_t size,
                           PyObject *(*make)(NjXData *));
/* The object that shows another interpreter's buffer. (_interpreters exports its type.) */
NJ_MUST PyObject *nj_xbuffer_type(void);

PyObject *nj_not_shareable_type(void); /* borrowed, or NULL with an exception */
/* Raises NotShareableError; the exception that is set becomes its cause. */
void nj_not_shareable(const char *format, ...);

/* --- exceptions ------------------------------------------------------------------------ */

typedef struct NjXExc {
    char *type_name, *type_qualname, *type_module; /* any may be NULL */
    char *msg;
    char *display; /* as traceback would print it */
} NjXExc;

NJ_MUST int nj_xexc_init(NjXExc *e, PyObject *exc);
void nj_xexc_clear(NjXExc *e);
/* A SimpleNamespace: type, msg, formatted, errdisplay. */
NJ_MUST PyObject *nj_xexc_as_object(const NjXExc *e);

/* --- interpreters ----------------------------------------------------------------------- */

NJ_MUST int64_t nj_interp_id_of(PyObject *o); /* -1 with an exception */
NjInterp *nj_interp_find(int64_t id);         /* NULL without one */
NJ_MUST NjInterp *nj_interp_lookup(PyObject *id);
/* The config of that name; unknown: ValueError. */
NJ_MUST int nj_interp_config_named(const char *name, PyInterpreterConfig *c);
NJ_MUST int nj_interp_config_update(PyObject *dict, PyInterpreterConfig *c); /* some fields */
NJ_MUST int nj_interp_config_from(PyObject *ns, PyInterpreterConfig *c);     /* all of them */
NJ_MUST PyObject *nj_interp_config_as_object(const PyInterpreterConfig *c);
void nj_interp_config_of(NjInterp *interp, PyInterpreterConfig *c);
/* A new interpreter that no thread is in. NULL with InterpreterError. */
NJ_MUST NjInterp *nj_interp_create(const PyInterpreterConfig *c, int whence);
/* Ends another interpreter than the current one. */
void nj_interp_end(NjInterp *interp);
/* Counted references of Python objects: the last one ends it (if so required). */
void nj_interp_incref(NjInterp *interp);
void nj_interp_decref(NjInterp *interp);

/* Whether some thread runs interp's __main__. */
bool nj_interp_running_main(NjInterp *interp);
/* The calling thread runs its interpreter's __main__ from now on; another one does:
 * -1 with InterpreterError. */
NJ_MUST int nj_interp_set_running_main(PyThreadState *ts);
void nj_interp_clear_running_main(PyThreadState *ts);

/* --- visits ------------------------------------------------------------------------------ */

/* A namespace to be bound in another interpreter's __main__. */
typedef struct NjXNamespace {
    Py_ssize_t size;
    struct NjXItem {
        char *name;
        NjXData value;
    } items[];
} NjXNamespace;

/* From a dict with str keys. */
NJ_MUST NjXNamespace *nj_xns_new(PyObject *dict);
void nj_xns_free(NjXNamespace *ns);

typedef struct NjXSession {
    PyThreadState *home; /* NULL: not open */
    PyThreadState *guest; /* == home when the interpreter is the current one */
    PyObject *main;      /* the __dict__ of __main__ there, owned there */
    bool failed;
    NjXExc exc;          /* what was raised there */
    const char *what;    /* why it is NotShareableError here, or NULL: uncaught exception */
} NjXSession;

/* Steps into interp and binds ns (NULL: nothing) in __main__; the session is to be left
 * also after -1 (then an exception is set, here). */
NJ_MUST int nj_xsession_enter(NjXSession *s, NjInterp *interp, NjXNamespace *ns);
/* There: takes the exception that is set along. */
void nj_xsession_fail(NjXSession *s, const char *not_shareable);
/* Back again. 0; 1: an exception was uncaught, *excinfo (may be NULL) describes it; -1
 * with an exception. */
NJ_MUST int nj_xsession_leave(NjXSession *s, PyObject **excinfo);

#endif

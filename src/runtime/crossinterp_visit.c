/* crossinterp_visit.c - interpreters by id, their configurations, descriptions of
 * exceptions, visits of a thread to another interpreter: see crossinterp.h.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/crossinterp.h"
#include "runtime/runtime.h"

/* --- interpreters by id ------------------------------------------------------------------ */

int64_t
nj_interp_id_of(PyObject *o)
{
    if (!PyIndex_Check(o)) {
        PyErr_Format(PyExc_TypeError, "interpreter ID must be an int, got %.100s",
                     Py_TYPE(o)->tp_name);
        return -1;
    }
    NJ_OWN n = PyNumber_Index(o);
    if (!n) {
        return -1;
    }
    long long id = PyLong_AsLongLong(n);
    if (id == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError, "int too big to convert");
        }
        return -1;
    }
    if (id < 0) {
        PyErr_Format(PyExc_ValueError, "interpreter ID must be a non-negative int, got %R",
                     n);
        return -1;
    }
    return id;
}

NjInterp *
nj_interp_find(int64_t id)
{
    pthread_mutex_lock(&nj_runtime.lock);
    NjInterp *i = _PyRuntime.interps;
    while (i && i->id != id) {
        i = i->next;
    }
    pthread_mutex_unlock(&nj_runtime.lock);
    return i;
}

NjInterp *
nj_interp_lookup(PyObject *o)
{
    int64_t id = nj_interp_id_of(o);
    if (id < 0) {
        return NULL;
    }
    NjInterp *interp = nj_interp_find(id);
    if (!interp) {
        PyErr_Format(PyExc_InterpreterNotFoundError, "unrecognized interpreter ID %lld",
                     (long long)id);
    }
    return interp;
}

/* --- configurations ------------------------------------------------------------------------ */

int
nj_interp_config_named(const char *name, PyInterpreterConfig *c)
{
    if (!name[0] || !strcmp(name, "default") || !strcmp(name, "isolated")) {
        *c = (PyInterpreterConfig)_PyInterpreterConfig_INIT;
    }
    else if (!strcmp(name, "legacy")) {
        *c = (PyInterpreterConfig)_PyInterpreterConfig_LEGACY_INIT;
    }
    else if (!strcmp(name, "empty")) {
        *c = (PyInterpreterConfig){0};
    }
    else {
        PyErr_Format(PyExc_ValueError, "unsupported config name '%s'", name);
        return -1;
    }
    return 0;
}

typedef struct Flag {
    const char *name;
    size_t offset;
} Flag;

#define FLAG(name) {#name, offsetof(PyInterpreterConfig, name)}
static const Flag flags[] = {
    FLAG(use_main_obmalloc),    FLAG(allow_fork),
    FLAG(allow_exec),           FLAG(allow_threads),
    FLAG(allow_daemon_threads), FLAG(check_multi_interp_extensions),
};
#undef FLAG
static const char *const gil_names[] = {
    [PyInterpreterConfig_DEFAULT_GIL] = "default",
    [PyInterpreterConfig_SHARED_GIL] = "shared",
    [PyInterpreterConfig_OWN_GIL] = "own",
};

NJ_INLINE int *
flag_of(PyInterpreterConfig *c, const Flag *f)
{
    return (int *)((char *)c + f->offset);
}

static int
take_gil(PyObject *v, int *out)
{
    if (!PyUnicode_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "invalid config type: gil");
        return -1;
    }
    for (int i = 0; i < (int)NJ_ARRAY_LEN(gil_names); i++) {
        if (PyUnicode_EqualToUTF8(v, gil_names[i])) {
            *out = i;
            return 0;
        }
    }
    PyErr_Format(PyExc_ValueError, "unsupported interpreter config .gil value '%U'", v);
    return -1;
}

/* Takes the field out of dict: its value, or NULL. */
static int
take(PyObject *dict, const char *name, bool required, PyObject **out)
{
    int rc = PyDict_PopString(dict, name, out);
    if (rc == 0 && required) {
        PyErr_Format(PyExc_ValueError, "missing config key: %s", name);
        rc = -1;
    }
    return rc < 0 ? -1 : 0;
}

static int
config_take(PyObject *dict, bool required, PyInterpreterConfig *c)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(flags); i++) {
        PyObject *v_;
        if (take(dict, flags[i].name, required, &v_) < 0) {
            return -1;
        }
        NJ_OWN v = v_;
        if (v && !PyBool_Check(v)) {
            PyErr_Format(PyExc_TypeError, "invalid config type: %s", flags[i].name);
            return -1;
        }
        if (v) {
            *flag_of(c, &flags[i]) = v == Py_True;
        }
    }
    PyObject *gil_;
    if (take(dict, "gil", required, &gil_) < 0) {
        return -1;
    }
    NJ_OWN gil = gil_;
    if (gil && take_gil(gil, &c->gil) < 0) {
        return -1;
    }
    Py_ssize_t rest = PyDict_GET_SIZE(dict);
    if (rest > 0) {
        PyErr_Format(PyExc_ValueError, "config dict has %zd extra item%s (%R)", rest,
                     rest == 1 ? "" : "s", dict);
        return -1;
    }
    return 0;
}

int
nj_interp_config_update(PyObject *dict, PyInterpreterConfig *c)
{
    NJ_OWN copy = PyDict_Copy(dict);
    return copy ? config_take(copy, false, c) : -1;
}

int
nj_interp_config_from(PyObject *ns, PyInterpreterConfig *c)
{
    *c = (PyInterpreterConfig){0};
    NJ_OWN dict = PyObject_GetAttr(ns, NJ_ID(__dict__));
    NJ_OWN copy = dict && PyDict_Check(dict) ? PyDict_Copy(dict) : NULL;
    if (!copy) {
        PyErr_Format(PyExc_TypeError, "bad config %R", ns);
        return -1;
    }
    return config_take(copy, true, c);
}

PyObject *
nj_interp_config_as_object(const PyInterpreterConfig *c)
{
    PyInterpreterConfig copy = *c;
    NJ_OWN d = PyDict_New();
    for (size_t i = 0; d && i < NJ_ARRAY_LEN(flags); i++) {
        PyObject *v = *flag_of(&copy, &flags[i]) ? Py_True : Py_False;
        if (PyDict_SetItemString(d, flags[i].name, v) < 0) {
            return NULL;
        }
    }
    NJ_OWN gil = d ? PyUnicode_FromString(gil_names[c->gil]) : NULL;
    if (!gil || PyDict_SetItemString(d, "gil", gil) < 0) {
        return NULL;
    }
    return _PyNamespace_New(d);
}

void
nj_interp_config_of(NjInterp *interp, PyInterpreterConfig *c)
{
    long f = interp->rt.feature_flags;
    *c = (PyInterpreterConfig){
        .use_main_obmalloc = (f & NJ_FEATURE_MAIN_OBMALLOC) != 0,
        .allow_fork = (f & NJ_FEATURE_FORK) != 0,
        .allow_exec = (f & NJ_FEATURE_EXEC) != 0,
        .allow_threads = (f & NJ_FEATURE_THREADS) != 0,
        .allow_daemon_threads = (f & NJ_FEATURE_DAEMON_THREADS) != 0,
        .check_multi_interp_extensions = (f & NJ_FEATURE_MULTI_INTERP_EXTENSIONS) != 0,
        .gil = interp->rt.own_gil_used ? PyInterpreterConfig_OWN_GIL
                                       : PyInterpreterConfig_SHARED_GIL,
    };
}

/* --- exceptions as text ---------------------------------------------------------------------- */

/* As UTF-8 from the C allocator. */
static char *
copy_text(PyObject *s)
{
    NJ_OWN b = PyUnicode_AsEncodedString(s, "utf-8", "backslashreplace");
    char *copy = b ? nj_raw_strdup(PyBytes_AS_STRING(b)) : NULL;
    if (b && !copy) {
        PyErr_NoMemory();
    }
    return copy;
}

static char *
copy_attr(PyObject *o, PyObject *name)
{
    NJ_OWN v = PyObject_GetAttr(o, name);
    char *copy = v && PyUnicode_Check(v) ? copy_text(v) : NULL;
    if (!copy) {
        PyErr_Clear();
    }
    return copy;
}

static PyObject *
format_exception(PyObject *exc)
{
    NJ_OWN mod = PyImport_ImportModule("traceback");
    NJ_OWN type = mod ? PyObject_GetAttrString(mod, "TracebackException") : NULL;
    NJ_OWN tbexc = type ? PyObject_CallMethod(type, "from_exception", "O", exc) : NULL;
    NJ_OWN lines = tbexc ? PyObject_CallMethod(tbexc, "format", NULL) : NULL;
    NJ_OWN empty = lines ? PyUnicode_FromString("") : NULL;
    NJ_OWN text = empty ? PyUnicode_Join(empty, lines) : NULL;
    if (!text) {
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(text);
    if (n && PyUnicode_READ_CHAR(text, n - 1) == '\n') {
        n--;
    }
    return PyUnicode_Substring(text, 0, n);
}

int
nj_xexc_init(NjXExc *e, PyObject *exc)
{
    PyObject *type = (PyObject *)Py_TYPE(exc);
    *e = (NjXExc){
        .type_name = copy_attr(type, NJ_ID(__name__)),
        .type_qualname = copy_attr(type, NJ_ID(__qualname__)),
        .type_module = copy_attr(type, NJ_ID(__module__)),
    };
    NJ_OWN display = format_exception(exc);
    e->display = display ? copy_text(display) : NULL;
    PyErr_Clear(); /* the display may be missing */
    NJ_OWN msg = PyObject_Str(exc);
    e->msg = msg ? copy_text(msg) : NULL;
    return e->msg ? 0 : -1;
}

void
nj_xexc_clear(NjXExc *e)
{
    PyMem_RawFree(e->type_name);
    PyMem_RawFree(e->type_qualname);
    PyMem_RawFree(e->type_module);
    PyMem_RawFree(e->msg);
    PyMem_RawFree(e->display);
    *e = (NjXExc){0};
}

/* Module and name as tracebacks show them, then the message. */
static PyObject *
format_summary(const NjXExc *e)
{
    const char *name = e->type_qualname ? e->type_qualname : e->type_name;
    const char *mod = e->type_module;
    if (mod && (!strcmp(mod, "builtins") || !strcmp(mod, "__main__"))) {
        mod = NULL;
    }
    if (!name) {
        return e->msg ? PyUnicode_FromString(e->msg) : Py_NewRef(Py_None);
    }
    return PyUnicode_FromFormat("%s%s%s%s%s", mod ? mod : "", mod ? "." : "", name,
                                e->msg ? ": " : "", e->msg ? e->msg : "");
}

static int
put_text(PyObject *d, const char *key, const char *text)
{
    NJ_OWN v = text ? PyUnicode_FromString(text) : Py_NewRef(Py_None);
    return v ? PyDict_SetItemString(d, key, v) : -1;
}

PyObject *
nj_xexc_as_object(const NjXExc *e)
{
    NJ_OWN t = PyDict_New();
    if (!t || put_text(t, "__name__", e->type_name) < 0 ||
        put_text(t, "__qualname__", e->type_qualname) < 0 ||
        put_text(t, "__module__", e->type_module) < 0) {
        return NULL;
    }
    NJ_OWN type = _PyNamespace_New(t);
    NJ_OWN summary = type ? format_summary(e) : NULL;
    NJ_OWN d = summary ? PyDict_New() : NULL;
    if (!d || PyDict_SetItemString(d, "type", type) < 0 || put_text(d, "msg", e->msg) < 0 ||
        PyDict_SetItemString(d, "formatted", summary) < 0 ||
        put_text(d, "errdisplay", e->display) < 0) {
        return NULL;
    }
    return _PyNamespace_New(d);
}

/* --- namespaces ---------------------------------------------------------------------------------- */

NjXNamespace *
nj_xns_new(PyObject *dict)
{
    Py_ssize_t n = PyDict_GET_SIZE(dict), pos = 0;
    NjXNamespace *ns = PyMem_RawCalloc(1, sizeof *ns + (size_t)n * sizeof *ns->items);
    if (!ns) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *key, *value;
    NJ_OWN copy = PyDict_Copy(dict); /* sharing may run Python code */
    while (copy && PyDict_Next(copy, &pos, &key, &value)) {
        struct NjXItem *item = &ns->items[ns->size];
        if (!PyUnicode_Check(key)) {
            PyErr_BadArgument();
            break;
        }
        Py_ssize_t size;
        const char *name = PyUnicode_AsUTF8AndSize(key, &size);
        if (!name) {
            break;
        }
        if (strlen(name) != (size_t)size) {
            PyErr_SetString(PyExc_ValueError, "found embedded NULL character");
            break;
        }
        if (!(item->name = nj_raw_strdup(name))) {
            PyErr_NoMemory();
            break;
        }
        ns->size++;
        if (nj_xdata_get(value, &item->value, false) < 0) {
            break;
        }
    }
    if (PyErr_Occurred()) {
        nj_xns_free(ns);
        return NULL;
    }
    return ns;
}

void
nj_xns_free(NjXNamespace *ns)
{
    if (!ns) {
        return;
    }
    for (Py_ssize_t i = 0; i < ns->size; i++) {
        PyMem_RawFree(ns->items[i].name);
        nj_xdata_clear(&ns->items[i].value);
    }
    PyMem_RawFree(ns);
}

static int
apply_namespace(NjXNamespace *ns, PyObject *dict)
{
    for (Py_ssize_t i = 0; ns && i < ns->size; i++) {
        NJ_OWN v = nj_xdata_make(&ns->items[i].value);
        if (!v || PyDict_SetItemString(dict, ns->items[i].name, v) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- visits ---------------------------------------------------------------------------------------- */

bool
nj_interp_running_main(NjInterp *interp)
{
    return __atomic_load_n(&interp->rt.xi.running, __ATOMIC_ACQUIRE) != NULL;
}

int
nj_interp_set_running_main(PyThreadState *ts)
{
    PyThreadState *none = NULL;
    if (!__atomic_compare_exchange_n(&ts->interp->rt.xi.running, &none, ts, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        PyErr_SetString(PyExc_InterpreterError, "interpreter already running");
        return -1;
    }
    return 0;
}

void
nj_interp_clear_running_main(PyThreadState *ts)
{
    PyThreadState *me = ts;
    __atomic_compare_exchange_n(&ts->interp->rt.xi.running, &me, NULL, false,
                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

int
nj_xsession_enter(NjXSession *s, NjInterp *interp, NjXNamespace *ns)
{
    *s = (NjXSession){0};
    PyThreadState *home = nj_tstate(), *guest = home;
    if (interp != home->interp && !(guest = nj_tstate_new(interp, 5))) {
        PyErr_NoMemory();
        return -1;
    }
    if (nj_interp_set_running_main(guest) < 0) {
        if (guest != home) {
            PyThreadState_Delete(guest);
        }
        return -1;
    }
    s->home = home;
    s->guest = guest;
    PyThreadState_Swap(guest);
    NJ_OWN main = PyImport_AddModuleRef("__main__");
    s->main = main ? Py_NewRef(PyModule_GetDict(main)) : NULL;
    if (!main || apply_namespace(ns, s->main) < 0) {
        nj_xsession_fail(s, "failed to apply namespace to __main__");
    }
    return 0;
}

void
nj_xsession_fail(NjXSession *s, const char *not_shareable)
{
    NJ_OWN exc = PyErr_GetRaisedException();
    if (exc && !s->failed && nj_xexc_init(&s->exc, exc) < 0) {
        PyErr_Clear();
    }
    s->failed = true;
    s->what = not_shareable;
}

static int
raise_not_shareable(NjXSession *s)
{
    NJ_OWN text = s->exc.display ? PyUnicode_FromString(s->exc.display) : NULL;
    NJ_OWN cause = text ? PyObject_CallOneArg(PyExc_Exception, text) : NULL;
    if (cause) {
        PyErr_SetRaisedException(NJ_TAKE(cause));
    }
    else {
        PyErr_Clear();
    }
    nj_not_shareable("%s", s->what);
    return -1;
}

int
nj_xsession_leave(NjXSession *s, PyObject **excinfo)
{
    *excinfo = NULL;
    if (!s->home) {
        return -1;
    }
    Py_CLEAR(s->main);
    nj_interp_clear_running_main(s->guest);
    if (s->guest != s->home) {
        PyThreadState_Clear(s->guest);
        PyThreadState_DeleteCurrent();
        PyThreadState_Swap(s->home);
    }
    int rc = 0;
    if (s->failed && s->what) {
        rc = raise_not_shareable(s);
    }
    else if (s->failed) {
        *excinfo = nj_xexc_as_object(&s->exc);
        rc = *excinfo ? 1 : -1;
    }
    nj_xexc_clear(&s->exc);
    return rc;
}

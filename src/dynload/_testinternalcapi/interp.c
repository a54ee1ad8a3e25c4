/* interp.c - interpreters by id, their settings and reference counts; pending calls.
 * SPDX-License-Identifier: MIT
 */
#include "module.h"

/* --- ids --------------------------------------------------------------------------------- */

/* The id in an object; -1 with an exception. */
static int64_t
id_of(PyObject *o)
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

static PyInterpreterState *
interp_of(PyObject *o)
{
    int64_t id = id_of(o);
    if (id < 0) {
        return NULL;
    }
    PyInterpreterState *interp = HOOKS->interp_find(id);
    if (!interp) {
        PyErr_Format(PyExc_InterpreterNotFoundError, "unrecognized interpreter ID %lld",
                     (long long)id);
    }
    return interp;
}

static PyObject *
normalize_interp_id(PyObject *m, PyObject *o)
{
    int64_t id = id_of(o);
    return id < 0 ? NULL : PyLong_FromLongLong(id);
}

static PyObject *
next_interpreter_id(PyObject *m, PyObject *unused)
{
    return PyLong_FromLongLong(HOOKS->interp_next_id());
}

static PyObject *
unused_interpreter_id(PyObject *m, PyObject *unused)
{
    return PyLong_FromLongLong(INT64_MAX);
}

static PyObject *
interpreter_exists(PyObject *m, PyObject *o)
{
    int64_t id = id_of(o);
    return id < 0 ? NULL : PyBool_FromLong(HOOKS->interp_find(id) != NULL);
}

static PyObject *
get_interpreter_refcount(PyObject *m, PyObject *o)
{
    PyInterpreterState *interp = interp_of(o);
    return interp ? PyLong_FromLongLong(*HOOKS->interp_idref(interp)) : NULL;
}

static PyObject *
link_interpreter_refcount(PyObject *m, PyObject *o)
{
    PyInterpreterState *interp = interp_of(o);
    if (!interp) {
        return NULL;
    }
    _PyInterpreterState_RequireIDRef(interp, 1);
    Py_RETURN_NONE;
}

static PyObject *
unlink_interpreter_refcount(PyObject *m, PyObject *o)
{
    PyInterpreterState *interp = interp_of(o);
    if (!interp) {
        return NULL;
    }
    _PyInterpreterState_RequireIDRef(interp, 0);
    Py_RETURN_NONE;
}

static PyObject *
interpreter_refcount_linked(PyObject *m, PyObject *o)
{
    PyInterpreterState *interp = interp_of(o);
    return interp ? PyBool_FromLong(_PyInterpreterState_RequiresIDRef(interp)) : NULL;
}

/* --- settings ---------------------------------------------------------------------------- */

static PyObject *
get_interp_settings(PyObject *m, PyObject *args)
{
    int id = -1;
    if (!PyArg_ParseTuple(args, "|i:get_interp_settings", &id)) {
        return NULL;
    }
    PyInterpreterState *interp = id < 0 ? PyInterpreterState_Get()
                                 : id == 0 ? PyInterpreterState_Main()
                                           : NULL;
    if (!interp) {
        PyErr_Format(PyExc_NotImplementedError, "%zd", (Py_ssize_t)id);
        return NULL;
    }
    return Py_BuildValue("{sksO}", "feature_flags", HOOKS->interp_features(interp), "own_gil",
                         HOOKS->interp_own_gil(interp) ? Py_True : Py_False);
}

static PyObject *
run_in_subinterp_with_config(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"code", "config", "xi", NULL};
    const char *code;
    PyObject *settings;
    int xi = 0;
    PyInterpreterConfig config;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "sO|$p:run_in_subinterp_with_config", names,
                                     &code, &settings, &xi) ||
        HOOKS->interp_config(settings, &config) < 0) {
        return NULL;
    }
    PyThreadState *mine = PyThreadState_Get(), *other = NULL;
    PyStatus st = Py_NewInterpreterFromConfig(&other, &config);
    if (PyStatus_Exception(st) || !other) {
        PyThreadState_Swap(mine);
        PyErr_SetString(PyExc_InterpreterError, "sub-interpreter creation failed");
        return NULL;
    }
    PyCompilerFlags flags = {.cf_flags = 0, .cf_feature_version = PY_MINOR_VERSION};
    int rc = PyRun_SimpleStringFlags(code, &flags);
    Py_EndInterpreter(other);
    PyThreadState_Swap(mine);
    return PyLong_FromLong(rc);
}

static PyObject *
create_interpreter(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"config", "whence", NULL};
    PyObject *config = Py_None;
    long whence = 4; /* WHENCE_XI */
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|O$l:create_interpreter", names, &config,
                                     &whence)) {
        return NULL;
    }
    return HOOKS->interp_create(config, (int)whence);
}

static PyObject *
destroy_interpreter(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "basic", NULL};
    PyObject *id;
    int basic = 0; /* either way ends it */
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|$p:destroy_interpreter", names, &id,
                                     &basic)) {
        return NULL;
    }
    PyInterpreterState *interp = interp_of(id);
    if (!interp || HOOKS->interp_end(interp) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
exec_interpreter(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"id", "code", "main", NULL};
    PyObject *id;
    const char *code;
    int main = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "Os|$p:exec_interpreter", names, &id, &code,
                                     &main)) {
        return NULL;
    }
    PyInterpreterState *interp = interp_of(id);
    int rc = interp ? HOOKS->interp_run(interp, code, main != 0) : -2;
    return rc == -2 ? NULL : PyLong_FromLong(rc);
}

/* --- values between interpreters -------------------------------------------------------------- */

static PyObject *
get_crossinterp_data(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"obj", "mode", NULL};
    PyObject *o;
    const char *mode = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|z:get_crossinterp_data", names, &o,
                                     &mode)) {
        return NULL;
    }
    return HOOKS->xdata_get(o, mode ? mode : "xidata");
}

static PyObject *
restore_crossinterp_data(PyObject *m, PyObject *o)
{
    return HOOKS->xdata_make(o);
}

/* --- pending calls -------------------------------------------------------------------------- */

static int
call_pending(void *callable)
{
    NJ_OWN f = callable;
    NJ_OWN r = PyObject_CallNoArgs(f);
    return r ? 0 : -1;
}

/* Queues callable num times in the current interpreter; how many found room. */
static PyObject *
pending_threadfunc(PyObject *m, PyObject *args, PyObject *kwds)
{
    static char *names[] = {"callback", "num", "blocking", "ensure_added", NULL};
    PyObject *callable;
    unsigned int num = 1;
    int blocking = 0, ensure = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "O|I$pp:pending_threadfunc", names, &callable,
                                     &num, &blocking, &ensure)) {
        return NULL;
    }
    PyInterpreterState *interp = PyInterpreterState_Get();
    for (unsigned int i = 0; i < num; i++) {
        Py_INCREF(callable);
    }
    PyThreadState *save = blocking ? NULL : PyEval_SaveThread();
    unsigned int added = 0;
    while (added < num) {
        if (HOOKS->pending_add(interp, call_pending, callable) == 0) {
            added++;
        } else if (!ensure) {
            break;
        }
    }
    if (save) {
        PyEval_RestoreThread(save);
    }
    for (unsigned int i = added; i < num; i++) {
        Py_DECREF(callable);
    }
    return PyLong_FromUnsignedLong(added);
}

typedef struct Identified {
    int64_t id;
    PyThread_type_lock done;
} Identified;

static int
note_interpreter(void *arg)
{
    Identified *i = arg;
    i->id = PyInterpreterState_GetID(PyInterpreterState_Get());
    PyThread_release_lock(i->done);
    return 0;
}

/* The id of the interpreter that runs a pending call queued for the given one. */
static PyObject *
pending_identify(PyObject *m, PyObject *o)
{
    PyInterpreterState *interp = interp_of(o);
    if (!interp) {
        return NULL;
    }
    Identified found = {-1, PyThread_allocate_lock()};
    if (!found.done) {
        return PyErr_NoMemory();
    }
    PyThread_acquire_lock(found.done, 1);
    int rc;
    do {
        Py_BEGIN_ALLOW_THREADS
        rc = HOOKS->pending_add(interp, note_interpreter, &found);
        Py_END_ALLOW_THREADS
    } while (rc < 0);
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(found.done, 1);
    Py_END_ALLOW_THREADS
    PyThread_release_lock(found.done);
    PyThread_free_lock(found.done);
    return PyLong_FromLongLong(found.id);
}

#define KW(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS
PyMethodDef interp_methods[] = {
    {"normalize_interp_id", normalize_interp_id, METH_O},
    {"next_interpreter_id", next_interpreter_id, METH_NOARGS},
    {"unused_interpreter_id", unused_interpreter_id, METH_NOARGS},
    {"interpreter_exists", interpreter_exists, METH_O},
    {"get_interpreter_refcount", get_interpreter_refcount, METH_O},
    {"link_interpreter_refcount", link_interpreter_refcount, METH_O},
    {"unlink_interpreter_refcount", unlink_interpreter_refcount, METH_O},
    {"interpreter_refcount_linked", interpreter_refcount_linked, METH_O},
    {"get_interp_settings", get_interp_settings, METH_VARARGS},
    {"run_in_subinterp_with_config", KW(run_in_subinterp_with_config)},
    {"create_interpreter", KW(create_interpreter)},
    {"destroy_interpreter", KW(destroy_interpreter)},
    {"exec_interpreter", KW(exec_interpreter)},
    {"get_crossinterp_data", KW(get_crossinterp_data)},
    {"restore_crossinterp_data", restore_crossinterp_data, METH_O},
    {"pending_threadfunc", KW(pending_threadfunc)},
    {"pending_identify", pending_identify, METH_O},
    {0},
};

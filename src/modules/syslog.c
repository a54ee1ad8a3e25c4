/* syslog.c - the system log: the syslog module.
 *
 * The C library keeps one connection and one ident per process, so the state here is the
 * process's too: only the main interpreter opens and closes, others may log once it did.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"

#include <stdlib.h>
#include <syslog.h>

#define SIG(s) s "\n--\n\n"

static struct {
    PyMutex lock;
    char *ident; /* the C library keeps a pointer to it */
    bool opened;
} the_log;

static int
require_main(const char *what)
{
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_Format(PyExc_RuntimeError, "subinterpreter can't use syslog.%s()", what);
        return -1;
    }
    return 0;
}

/* The program's name: the last part of sys.argv[0], or NULL without an exception. */
static PyObject *
default_ident(void)
{
    NJ_OWN argv = Py_XNewRef(PySys_GetObject("argv"));
    if (!argv || !PyList_Check(argv) || !PyList_Size(argv)) {
        return NULL;
    }
    NJ_OWN script = PyList_GetItemRef(argv, 0);
    if (!script || !PyUnicode_Check(script)) {
        PyErr_Clear();
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(script);
    Py_ssize_t slash = PyUnicode_FindChar(script, '/', 0, n, -1);
    if (slash == -2) {
        PyErr_Clear();
        return NULL;
    }
    PyObject *name = n ? PyUnicode_Substring(script, slash + 1, n) : NULL;
    if (!name) {
        PyErr_Clear();
    }
    return name;
}

static int
open_log(PyObject *ident, long option, long facility)
{
    if (require_main("openlog") < 0) {
        return -1;
    }
    NJ_OWN name = ident ? Py_NewRef(ident) : default_ident();
    char *copy = NULL;
    if (name) {
        const char *s = PyUnicode_AsUTF8(name);
        if (!s) {
            return -1;
        }
        copy = strdup(s);
        if (!copy) {
            PyErr_NoMemory();
            return -1;
        }
    }
    if (PySys_Audit("syslog.openlog", "Oll", name ? name : Py_None, option, facility) < 0) {
        free(copy);
        return -1;
    }
    PyMutex_Lock(&the_log.lock);
    char *old = the_log.ident;
    openlog(copy, (int)option, (int)facility);
    the_log.ident = copy;
    the_log.opened = true;
    PyMutex_Unlock(&the_log.lock);
    free(old);
    return 0;
}

static PyObject *
syslog_openlog(PyObject *m, PyObject *args, PyObject *kwargs)
{
    static const char *const names[] = {"ident", "logoption", "facility", NULL};
    static const NjParams params = {"openlog", names, 3, 0, 0};
    PyObject *out[3];
    if (nj_args_bind_tuple(&params, args, kwargs, out) < 0) {
        return NULL;
    }
    if (out[0] && !PyUnicode_Check(out[0])) {
        _PyArg_BadArgument("openlog", "argument 'ident'", "str", out[0]);
        return NULL;
    }
    long option = out[1] ? PyLong_AsLong(out[1]) : 0;
    if (option == -1 && PyErr_Occurred()) {
        return NULL;
    }
    long facility = out[2] ? PyLong_AsLong(out[2]) : LOG_USER;
    if (facility == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (open_log(out[0], option, facility) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
syslog_syslog(PyObject *m, PyObject *args)
{
    int priority = LOG_INFO;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 1 || n > 2) {
        PyErr_SetString(PyExc_TypeError, "syslog.syslog requires 1 to 2 arguments");
        return NULL;
    }
    if (n == 2) {
        priority = PyLong_AsInt(PyTuple_GET_ITEM(args, 0));
        if (priority == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    PyObject *o = PyTuple_GET_ITEM(args, n - 1);
    if (!PyUnicode_Check(o)) {
        _PyArg_BadArgument("syslog", n == 2 ? "argument 2" : "argument 1", "str", o);
        return NULL;
    }
    Py_ssize_t len;
    const char *text = PyUnicode_AsUTF8AndSize(o, &len);
    if (!text) {
        return NULL;
    }
    if (strlen(text) != (size_t)len) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    if (PySys_Audit("syslog.syslog", "is", priority, text) < 0) {
        return NULL;
    }
    PyMutex_Lock(&the_log.lock);
    bool opened = the_log.opened;
    PyMutex_Unlock(&the_log.lock);
    if (!opened) {
        if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
            PyErr_SetString(PyExc_RuntimeError,
                            "subinterpreter can't use syslog.syslog() until the syslog "
                            "is opened by the main interpreter");
            return NULL;
        }
        if (open_log(NULL, 0, LOG_USER) < 0) {
            return NULL;
        }
    }
    Py_BEGIN_ALLOW_THREADS
    syslog(priority, "%s", text);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *
syslog_closelog(PyObject *m, PyObject *ignored)
{
    if (require_main("closelog") < 0 || PySys_Audit("syslog.closelog", NULL) < 0) {
        return NULL;
    }
    PyMutex_Lock(&the_log.lock);
    char *old = the_log.ident;
    if (the_log.opened) {
        closelog();
        the_log.opened = false;
        the_log.ident = NULL;
    }
    else {
        old = NULL;
    }
    PyMutex_Unlock(&the_log.lock);
    free(old);
    Py_RETURN_NONE;
}

static PyObject *
syslog_setlogmask(PyObject *m, PyObject *o)
{
    long mask = PyLong_AsLong(o);
    if ((mask == -1 && PyErr_Occurred()) ||
        PySys_Audit("syslog.setlogmask", "l", mask) < 0) {
        return NULL;
    }
    return PyLong_FromLong(setlogmask((int)mask));
}

static PyObject *
syslog_mask(PyObject *m, PyObject *o)
{
    long pri = PyLong_AsLong(o);
    if (pri == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromLong((int)(1u << (pri & 31)));
}

static PyObject *
syslog_upto(PyObject *m, PyObject *o)
{
    long pri = PyLong_AsLong(o);
    if (pri == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromLong((int)((1u << ((pri + 1) & 31)) - 1u));
}

static PyMethodDef methods[] = {
    {"openlog", (PyCFunction)(void (*)(void))syslog_openlog, METH_VARARGS | METH_KEYWORDS,
     SIG("openlog($module, /, ident=<unrepresentable>, logoption=0,\n"
         "        facility=LOG_USER)") "Options for the syslog() calls that follow."},
    {"syslog", syslog_syslog, METH_VARARGS,
     "syslog([priority=LOG_INFO,] message)\nHand a message to the system log."},
    {"closelog", syslog_closelog, METH_NOARGS,
     SIG("closelog($module, /)") "Forget the options and close the connection."},
    {"setlogmask", syslog_setlogmask, METH_O,
     SIG("setlogmask($module, maskpri, /)") "Set the priority mask; returns the old one."},
    {"LOG_MASK", syslog_mask, METH_O,
     SIG("LOG_MASK($module, pri, /)") "The mask of one priority."},
    {"LOG_UPTO", syslog_upto, METH_O,
     SIG("LOG_UPTO($module, pri, /)") "The mask of all priorities up to pri."},
    {NULL, NULL, 0, NULL},
};

static const struct {
    const char *name;
    int value;
} constants[] = {
#define C(name) {#name, name}
    C(LOG_EMERG),  C(LOG_ALERT),  C(LOG_CRIT),   C(LOG_ERR),      C(LOG_WARNING),
    C(LOG_NOTICE), C(LOG_INFO),   C(LOG_DEBUG),  C(LOG_PID),      C(LOG_CONS),
    C(LOG_NDELAY), C(LOG_ODELAY), C(LOG_NOWAIT), C(LOG_PERROR),   C(LOG_KERN),
    C(LOG_USER),   C(LOG_MAIL),   C(LOG_DAEMON), C(LOG_AUTH),     C(LOG_LPR),
    C(LOG_LOCAL0), C(LOG_LOCAL1), C(LOG_LOCAL2), C(LOG_LOCAL3),   C(LOG_LOCAL4),
    C(LOG_LOCAL5), C(LOG_LOCAL6), C(LOG_LOCAL7), C(LOG_SYSLOG),   C(LOG_CRON),
    C(LOG_UUCP),   C(LOG_NEWS),   C(LOG_FTP),    C(LOG_AUTHPRIV),
#undef C
};

static int
syslog_exec(PyObject *m)
{
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(m, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, syslog_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "syslog",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit_syslog(void)
{
    return PyModuleDef_Init(&module);
}

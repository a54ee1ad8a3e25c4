/* callbacks.c - Python functions that SQLite calls: SQL functions, aggregates, window
 * functions, collations, and the authorizer, progress and trace hooks.
 *
 * SQLite runs without the GIL, so each entry takes it. An exception in a callback becomes
 * an error of the SQL statement; what was raised is dropped or, if so wished, reported as
 * unraisable. Only that of a collation stays set, because SQLite has no way to hear of it.
 * SPDX-License-Identifier: MIT
 */
#include "sqlite_int.h"

static Callback *
callback_new(Connection *c, PyObject *callable)
{
    Callback *cb = PyMem_Malloc(sizeof *cb);
    if (!cb) {
        PyErr_NoMemory();
        return NULL;
    }
    PyObject *module = PyType_GetModule(c->state->connection_type);
    *cb = (Callback){Py_NewRef(callable), Py_NewRef(module), c->state, 1};
    return cb;
}

/* Gives up one reference; NULL is fine. Needs the GIL. */
void
nj_sqlite_callback_drop(Callback *cb)
{
    if (cb && --cb->refs == 0) {
        Py_DECREF(cb->callable);
        Py_DECREF(cb->module);
        PyMem_Free(cb);
    }
}

/* SQLite's destructor of a function or collation. */
static void
destroy(void *p)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *exc = PyErr_GetRaisedException();
    nj_sqlite_callback_drop(p);
    PyErr_SetRaisedException(exc);
    PyGILState_Release(gil);
}

/* A callback in use: it may be replaced or removed by what it runs. */
static Callback *
hold(Callback *cb)
{
    cb->refs++;
    return cb;
}

static void
report(Callback *cb)
{
    if (cb->state->callback_tracebacks) {
        PyErr_FormatUnraisable("Exception ignored on sqlite3 callback %R", cb->callable);
    } else {
        PyErr_Clear();
    }
}

/* ---- values ------------------------------------------------------------------------- */

static PyObject *
value_of(sqlite3_value *v)
{
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        return PyLong_FromLongLong(sqlite3_value_int64(v));
    case SQLITE_FLOAT:
        return PyFloat_FromDouble(sqlite3_value_double(v));
    case SQLITE_TEXT: {
        const char *text = (const char *)sqlite3_value_text(v);
        return text ? PyUnicode_FromStringAndSize(text, sqlite3_value_bytes(v))
                    : PyErr_NoMemory();
    }
    case SQLITE_BLOB: {
        const void *blob = sqlite3_value_blob(v);
        return PyBytes_FromStringAndSize(blob, sqlite3_value_bytes(v));
    }
    default:
        Py_RETURN_NONE;
    }
}

static PyObject *
arguments(int n, sqlite3_value **values)
{
    NJ_OWN args = PyTuple_New(n);
    if (!args) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        PyObject *v = value_of(values[i]);
        if (!v) {
            return NULL;
        }
        PyTuple_SET_ITEM(args, i, v);
    }
    return NJ_TAKE(args);
}

/* The result of a function; -1 with an exception. */
static int
set_result(SqlState *st, sqlite3_context *ctx, PyObject *v)
{
    if (v == Py_None) {
        sqlite3_result_null(ctx);
    } else if (PyLong_Check(v)) {
        int overflow;
        long long i = PyLong_AsLongLongAndOverflow(v, &overflow);
        if (overflow) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large to convert to SQLite INTEGER");
            return -1;
        }
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        sqlite3_result_int64(ctx, i);
    } else if (PyFloat_Check(v)) {
        sqlite3_result_double(ctx, PyFloat_AS_DOUBLE(v));
    } else if (PyUnicode_Check(v)) {
        Py_ssize_t n;
        const char *text = PyUnicode_AsUTF8AndSize(v, &n);
        if (!text) {
            return -1;
        }
        if (n > INT_MAX) {
            PyErr_SetString(PyExc_OverflowError, "string is longer than INT_MAX bytes");
            return -1;
        }
        sqlite3_result_text(ctx, text, (int)n, SQLITE_TRANSIENT);
    } else if (PyObject_CheckBuffer(v)) {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(v, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        if (view.len > INT_MAX) {
            PyErr_SetString(PyExc_OverflowError, "BLOB longer than INT_MAX bytes");
            return -1;
        }
        sqlite3_result_blob(ctx, view.len ? view.buf : "", (int)view.len,
                            SQLITE_TRANSIENT);
    } else {
        PyErr_Format(st->errors[SQL_PROGRAMMING_ERROR],
                     "User-defined functions cannot return '%s' values to SQLite",
                     Py_TYPE(v)->tp_name);
        return -1;
    }
    return 0;
}

/* Makes the current exception the error of the statement. */
static void
set_error(Callback *cb, sqlite3_context *ctx, const char *message)
{
    if (PyErr_ExceptionMatches(PyExc_MemoryError)) {
        sqlite3_result_error_nomem(ctx);
    } else if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
        sqlite3_result_error_toobig(ctx);
    } else {
        sqlite3_result_error(ctx, message, -1);
    }
    report(cb);
}

/* ---- functions ---------------------------------------------------------------------- */

static void
call_function(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(sqlite3_user_data(ctx));
    {
        NJ_OWN args = arguments(n, values);
        NJ_OWN v = args ? PyObject_Call(cb->callable, args, NULL) : NULL;
        if (!v || set_result(cb->state, ctx, v) < 0) {
            set_error(cb, ctx, "user-defined function raised exception");
        }
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
}

/* The object behind an aggregate, made on first use; a borrowed reference. */
static PyObject *
aggregate(Callback *cb, sqlite3_context *ctx)
{
    PyObject **slot = sqlite3_aggregate_context(ctx, sizeof *slot);
    if (!slot) {
        PyErr_NoMemory();
        sqlite3_result_error_nomem(ctx);
        report(cb);
        return NULL;
    }
    if (!*slot) {
        PyObject *made = PyObject_CallNoArgs(cb->callable);
        if (!made) {
            set_error(cb, ctx, "user-defined aggregate's '__init__' method raised error");
        }
        *slot = made;
    }
    return *slot;
}

/* Calls a method of an aggregate; its result or NULL after telling SQLite. */
static PyObject *
call_method(Callback *cb, sqlite3_context *ctx, PyObject *o, const char *name,
            PyObject *args)
{
    char message[64];
    NJ_OWN method = PyObject_GetAttrString(o, name);
    if (!method) {
        bool missing = PyErr_ExceptionMatches(PyExc_AttributeError);
        PyOS_snprintf(message, sizeof message, "user-defined aggregate's '%s' method %s",
                      name, missing ? "not defined" : "raised error");
        set_error(cb, ctx, message);
        return NULL;
    }
    PyObject *v = args ? PyObject_Call(method, args, NULL) : PyObject_CallNoArgs(method);
    if (!v) {
        PyOS_snprintf(message, sizeof message,
                      "user-defined aggregate's '%s' method raised error", name);
        set_error(cb, ctx, message);
    }
    return v;
}

static void
step_or_inverse(sqlite3_context *ctx, int n, sqlite3_value **values, const char *name)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(sqlite3_user_data(ctx));
    {
        NJ_OWN o = Py_XNewRef(aggregate(cb, ctx));
        if (o) {
            NJ_OWN args = arguments(n, values);
            if (!args) {
                set_error(cb, ctx, "user-defined aggregate raised error");
            } else {
                NJ_OWN ignored = call_method(cb, ctx, o, name, args);
                (void)ignored;
            }
        }
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
}

static void
call_step(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    step_or_inverse(ctx, n, values, "step");
}

static void
call_inverse(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    step_or_inverse(ctx, n, values, "inverse");
}

static void
value_or_finalize(Callback *cb, sqlite3_context *ctx, PyObject *o, const char *name)
{
    NJ_OWN v = call_method(cb, ctx, o, name, NULL);
    if (v && set_result(cb->state, ctx, v) < 0) {
        char message[64];
        PyOS_snprintf(message, sizeof message,
                      "user-defined aggregate's '%s' method raised error", name);
        set_error(cb, ctx, message);
    }
}

static void
call_value(sqlite3_context *ctx)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(sqlite3_user_data(ctx));
    {
        NJ_OWN o = Py_XNewRef(aggregate(cb, ctx));
        if (o) {
            value_or_finalize(cb, ctx, o, "value");
        }
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
}

static void
call_finalize(sqlite3_context *ctx)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(sqlite3_user_data(ctx));
    /* size 0: do not make a context where no row was */
    PyObject **slot = sqlite3_aggregate_context(ctx, 0);
    if (slot && *slot) {
        /* an error of another callback may be on its way */
        PyObject *exc = PyErr_GetRaisedException();
        PyObject *o = *slot;
        *slot = NULL;
        value_or_finalize(cb, ctx, o, "finalize");
        Py_DECREF(o);
        PyErr_SetRaisedException(exc);
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
}

static int
call_collation(void *p, int n1, const void *text1, int n2, const void *text2)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(p);
    int result = 0;
    if (!PyErr_Occurred()) { /* else the statement is lost already */
        NJ_OWN a = PyUnicode_FromStringAndSize(text1, n1);
        NJ_OWN b = a ? PyUnicode_FromStringAndSize(text2, n2) : NULL;
        NJ_OWN v = b ? PyObject_CallFunctionObjArgs(cb->callable, a, b, NULL) : NULL;
        if (v) {
            int overflow;
            long i = PyLong_AsLongAndOverflow(v, &overflow);
            if (i == -1 && PyErr_Occurred()) {
                PyErr_Clear();
                i = 0;
            }
            result = overflow ? overflow : (i > 0) - (i < 0);
        }
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
    return result;
}

/* ---- hooks -------------------------------------------------------------------------- */

static int
call_authorizer(void *p, int action, const char *arg1, const char *arg2,
                const char *database, const char *source)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(p);
    int rc = SQLITE_DENY;
    {
        NJ_OWN v = PyObject_CallFunction(cb->callable, "issss", action, arg1, arg2, database,
                                         source);
        if (!v) {
            report(cb);
        } else if (PyLong_Check(v)) {
            rc = PyLong_AsInt(v);
            if (rc == -1 && PyErr_Occurred()) {
                report(cb);
                rc = SQLITE_DENY;
            }
        }
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
    return rc;
}

static int
call_progress(void *p)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(p);
    int stop;
    {
        NJ_OWN v = PyObject_CallNoArgs(cb->callable);
        stop = v ? PyObject_IsTrue(v) : -1;
        if (stop < 0) {
            report(cb);
        }
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
    return stop;
}

static int
call_trace(unsigned type, void *p, void *statement, void *sql)
{
    if (type != SQLITE_TRACE_STMT) {
        return 0;
    }
    PyGILState_STATE gil = PyGILState_Ensure();
    Callback *cb = hold(p);
    /* a trigger announces itself with a comment: not a statement */
    if (strncmp(sql, "--", 2) != 0) {
        char *expanded = sqlite3_expanded_sql(statement);
        if (!expanded) {
            PyErr_SetString(cb->state->errors[SQL_DATA_ERROR],
                            "Expanded SQL string exceeds the maximum string length");
            report(cb);
        }
        NJ_OWN text = PyUnicode_FromString(expanded ? expanded : sql);
        sqlite3_free(expanded);
        NJ_OWN v = text ? PyObject_CallOneArg(cb->callable, text) : NULL;
        if (!v) {
            report(cb);
        }
    }
    nj_sqlite_callback_drop(cb);
    PyGILState_Release(gil);
    return 0;
}

/* ---- methods of Connection ---------------------------------------------------------- */

static int
check_usable(Connection *c)
{
    return nj_sqlite_check_thread(c) < 0 ? -1 : nj_sqlite_check_open(c);
}

static int
check_narg(Connection *c, const char *name, int n)
{
    int limit = sqlite3_limit(c->db, SQLITE_LIMIT_FUNCTION_ARG, -1);
    if (n < -1 || n > limit) {
        PyErr_Format(c->state->errors[SQL_PROGRAMMING_ERROR],
                     "'%s' must be between -1 and %d, not %d", name, limit, n);
        return -1;
    }
    return 0;
}

PyObject *
nj_sqlite_create_function(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "narg", "func", "deterministic", NULL};
    Connection *c = (Connection *)op;
    PyObject *name_object, *func;
    int narg, deterministic = 0;
    if (nj_sqlite_check_positional(args, 3, "create_function") < 0
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "OO&O|$p:create_function", names,
                                     &name_object, nj_sqlite_convert_int, &narg, &func,
                                     &deterministic)) {
        return NULL;
    }
    const char *name = nj_sqlite_text(name_object, "create_function", "'name'");
    if (!name
        || (PyTuple_GET_SIZE(args) < 3
            && nj_sqlite_warn_keywords("create_function", "'name', 'narg' and 'func'", false)
                   < 0)
        || check_usable(c) < 0 || check_narg(c, "narg", narg) < 0) {
        return NULL;
    }
    int flags = SQLITE_UTF8 | (deterministic ? SQLITE_DETERMINISTIC : 0), rc;
    if (func == Py_None) {
        rc = sqlite3_create_function_v2(c->db, name, narg, flags, NULL, NULL, NULL, NULL,
                                        NULL);
    } else {
        Callback *cb = callback_new(c, func);
        if (!cb) {
            return NULL;
        }
        /* on failure, too, SQLite drops the callback */
        rc = sqlite3_create_function_v2(c->db, name, narg, flags, cb, call_function, NULL,
                                        NULL, destroy);
    }
    if (rc != SQLITE_OK) {
        PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR],
                        "Error creating function");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
nj_sqlite_create_aggregate(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", "n_arg", "aggregate_class", NULL};
    Connection *c = (Connection *)op;
    PyObject *name_object, *cls;
    int narg;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO&O:create_aggregate", names,
                                     &name_object, nj_sqlite_convert_int, &narg, &cls)) {
        return NULL;
    }
    const char *name = nj_sqlite_text(name_object, "create_aggregate", "'name'");
    if (!name
        || (PyTuple_GET_SIZE(args) < 3
            && nj_sqlite_warn_keywords("create_aggregate",
                                       "'name', 'n_arg' and 'aggregate_class'", false)
                   < 0)
        || check_usable(c) < 0 || check_narg(c, "n_arg", narg) < 0) {
        return NULL;
    }
    Callback *cb = callback_new(c, cls);
    if (!cb) {
        return NULL;
    }
    int rc = sqlite3_create_function_v2(c->db, name, narg, SQLITE_UTF8, cb, NULL, call_step,
                                        call_finalize, destroy);
    if (rc != SQLITE_OK) {
        PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR],
                        "Error creating aggregate");
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
nj_sqlite_create_window_function(PyObject *op, PyObject *args)
{
    Connection *c = (Connection *)op;
    PyObject *name_object, *narg_object, *cls;
    int narg;
    if (!PyArg_UnpackTuple(args, "create_window_function", 3, 3, &name_object, &narg_object,
                           &cls)) {
        return NULL;
    }
    const char *name = nj_sqlite_text(name_object, "create_window_function", "1");
    if (!name || !nj_sqlite_convert_int(narg_object, &narg) || check_usable(c) < 0
        || check_narg(c, "num_params", narg) < 0) {
        return NULL;
    }
    Callback *cb = cls == Py_None ? NULL : callback_new(c, cls);
    if (!cb && cls != Py_None) {
        return NULL;
    }
    int rc = sqlite3_create_window_function(
        c->db, name, narg, SQLITE_UTF8, cb, cb ? call_step : NULL, cb ? call_finalize : NULL,
        cb ? call_value : NULL, cb ? call_inverse : NULL, cb ? destroy : NULL);
    if (rc != SQLITE_OK) {
        nj_sqlite_error(c->state, c->db);
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *
nj_sqlite_create_collation(PyObject *op, PyObject *args)
{
    Connection *c = (Connection *)op;
    PyObject *name_object, *callable;
    if (!PyArg_UnpackTuple(args, "create_collation", 2, 2, &name_object, &callable)) {
        return NULL;
    }
    const char *name = nj_sqlite_text(name_object, "create_collation", "1");
    if (!name || check_usable(c) < 0) {
        return NULL;
    }
    Callback *cb = NULL;
    if (callable != Py_None) {
        if (!PyCallable_Check(callable)) {
            PyErr_SetString(PyExc_TypeError, "parameter must be callable");
            return NULL;
        }
        cb = callback_new(c, callable);
        if (!cb) {
            return NULL;
        }
    }
    int rc = sqlite3_create_collation_v2(c->db, name, SQLITE_UTF8, cb,
                                         cb ? call_collation : NULL, cb ? destroy : NULL);
    if (rc != SQLITE_OK) {
        nj_sqlite_callback_drop(cb); /* unlike functions, SQLite leaves it to us */
        nj_sqlite_error(c->state, c->db);
        return NULL;
    }
    Py_RETURN_NONE;
}

/* One positional or deprecated keyword argument. */
static PyObject *
hook_argument(PyObject *args, PyObject *kwargs, char **names, const char *format,
              const char *function, const char *quoted)
{
    PyObject *callable;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &callable)
        || (PyTuple_GET_SIZE(args) < 1
            && nj_sqlite_warn_keywords(function, quoted, true) < 0)) {
        return NULL;
    }
    return callable;
}

/* The new callback for a hook: false with an exception. None is no callback. */
static bool
hook_callback(Connection *c, PyObject *callable, Callback **cb)
{
    *cb = NULL;
    return callable == Py_None || (*cb = callback_new(c, callable)) != NULL;
}

static void
replace_hook(Callback **slot, Callback *cb)
{
    Callback *old = *slot;
    *slot = cb;
    nj_sqlite_callback_drop(old);
}

PyObject *
nj_sqlite_set_authorizer(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"authorizer_callback", NULL};
    Connection *c = (Connection *)op;
    PyObject *callable = hook_argument(args, kwargs, names, "O:set_authorizer",
                                       "set_authorizer", "'authorizer_callback'");
    Callback *cb;
    if (!callable || check_usable(c) < 0 || !hook_callback(c, callable, &cb)) {
        return NULL;
    }
    int rc = sqlite3_set_authorizer(c->db, cb ? call_authorizer : NULL, cb);
    if (rc != SQLITE_OK) {
        nj_sqlite_callback_drop(cb);
        PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR],
                        "Error setting authorizer callback");
        return NULL;
    }
    replace_hook(&c->authorizer, cb);
    Py_RETURN_NONE;
}

PyObject *
nj_sqlite_set_progress_handler(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"progress_handler", "n", NULL};
    Connection *c = (Connection *)op;
    PyObject *callable;
    int n;
    Callback *cb;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO&:set_progress_handler", names,
                                     &callable, nj_sqlite_convert_int, &n)
        || (PyTuple_GET_SIZE(args) < 1
            && nj_sqlite_warn_keywords("set_progress_handler", "'progress_handler'", true)
                   < 0)
        || check_usable(c) < 0 || !hook_callback(c, callable, &cb)) {
        return NULL;
    }
    sqlite3_progress_handler(c->db, cb ? n : 0, cb ? call_progress : NULL, cb);
    replace_hook(&c->progress, cb);
    Py_RETURN_NONE;
}

PyObject *
nj_sqlite_set_trace_callback(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"trace_callback", NULL};
    Connection *c = (Connection *)op;
    PyObject *callable = hook_argument(args, kwargs, names, "O:set_trace_callback",
                                       "set_trace_callback", "'trace_callback'");
    Callback *cb;
    if (!callable || check_usable(c) < 0 || !hook_callback(c, callable, &cb)) {
        return NULL;
    }
    sqlite3_trace_v2(c->db, cb ? SQLITE_TRACE_STMT : 0, cb ? call_trace : NULL, cb);
    replace_hook(&c->trace, cb);
    Py_RETURN_NONE;
}

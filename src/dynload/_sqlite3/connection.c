/* connection.c - Connection: opening and closing, transactions, whole-database work.
 * SPDX-License-Identifier: MIT
 */
#include "sqlite_int.h"

static const char *const isolation_levels[] = {"", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"};

int
nj_sqlite_check_thread(Connection *c)
{
    if (c->initialized && c->check_same_thread
        && PyThread_get_thread_ident() != c->thread_ident) {
        PyErr_Format(c->state->errors[SQL_PROGRAMMING_ERROR],
                     "SQLite objects created in a thread can only be used in that same "
                     "thread. The object was created in thread id %lu and this is thread "
                     "id %lu.",
                     c->thread_ident, PyThread_get_thread_ident());
        return -1;
    }
    return 0;
}

static int
check_initialized(Connection *c)
{
    if (!c->initialized) {
        nj_sqlite_programming_error(nj_sqlite_state(Py_TYPE(c)),
                                    "Base Connection.__init__ not called.");
        return -1;
    }
    return 0;
}

int
nj_sqlite_check_open(Connection *c)
{
    if (check_initialized(c) < 0) {
        return -1;
    }
    if (!c->db) {
        nj_sqlite_programming_error(c->state, "Cannot operate on a closed database.");
        return -1;
    }
    return 0;
}

static int
check_usable(Connection *c)
{
    return nj_sqlite_check_thread(c) < 0 ? -1 : nj_sqlite_check_open(c);
}

/* ---- opening and closing ------------------------------------------------------------ */

static int
exec_db(SqlState *st, sqlite3 *db, const char *sql)
{
    int rc;
    Py_BEGIN_ALLOW_THREADS
    sqlite3_stmt *stmt;
    rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_step(stmt);
        rc = sqlite3_finalize(stmt);
    }
    Py_END_ALLOW_THREADS
    return rc == SQLITE_OK ? 0 : nj_sqlite_error(st, db);
}

int
nj_sqlite_exec(Connection *c, const char *sql)
{
    return exec_db(c->state, c->db, sql);
}

int
nj_sqlite_begin(Connection *c)
{
    char sql[32];
    PyOS_snprintf(sql, sizeof sql, "BEGIN %s", c->isolation_level);
    return nj_sqlite_exec(c, sql);
}

static void
remove_hooks(Connection *c)
{
    if (c->db) {
        sqlite3_trace_v2(c->db, 0, NULL, NULL);
        sqlite3_progress_handler(c->db, 0, NULL, NULL);
        sqlite3_set_authorizer(c->db, NULL, NULL);
    }
    nj_sqlite_callback_drop(c->trace);
    nj_sqlite_callback_drop(c->progress);
    nj_sqlite_callback_drop(c->authorizer);
    c->trace = c->progress = c->authorizer = NULL;
}

/* Closes the database if it is open. 0; -1 with an exception if rolling back failed. */
static int
close_db(Connection *c)
{
    int r = 0;
    if (!c->db) {
        return 0;
    }
    nj_sqlite_blobs_close(c);
    nj_sqlite_cache_clear(c);
    if (c->autocommit == AUTOCOMMIT_DISABLED && !sqlite3_get_autocommit(c->db)) {
        r = nj_sqlite_exec(c, "ROLLBACK");
    }
    remove_hooks(c);
    sqlite3 *db = c->db;
    c->db = NULL;
    /* statements of cursors may be alive: SQLite waits for them */
    Py_BEGIN_ALLOW_THREADS
    sqlite3_close_v2(db);
    Py_END_ALLOW_THREADS
    return r;
}

/* for PyArg_Parse */
static int
convert_isolation_level(PyObject *o, void *p)
{
    const char **level = p;
    if (o == Py_None) {
        *level = NULL;
        return 1;
    }
    if (!PyUnicode_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "isolation_level must be str or None");
        return 0;
    }
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(o, &n);
    if (!text) {
        return 0;
    }
    if (strlen(text) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return 0;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(isolation_levels); i++) {
        if (PyOS_stricmp(text, isolation_levels[i]) == 0) {
            *level = isolation_levels[i];
            return 1;
        }
    }
    PyErr_SetString(PyExc_ValueError, "isolation_level string must be '', 'DEFERRED', "
                                      "'IMMEDIATE', or 'EXCLUSIVE'");
    return 0;
}

static int
convert_autocommit(PyObject *o, void *p)
{
    Autocommit *mode = p;
    if (o == Py_True || o == Py_False) {
        *mode = o == Py_True ? AUTOCOMMIT_ENABLED : AUTOCOMMIT_DISABLED;
        return 1;
    }
    if (PyLong_Check(o)) {
        int overflow;
        if (PyLong_AsLongAndOverflow(o, &overflow) == AUTOCOMMIT_LEGACY && !overflow) {
            *mode = AUTOCOMMIT_LEGACY;
            return 1;
        }
    }
    PyErr_SetString(PyExc_ValueError, "autocommit must be True, False, or "
                                      "sqlite3.LEGACY_TRANSACTION_CONTROL");
    return 0;
}

static sqlite3 *
open_db(SqlState *st, const char *path, bool uri, double timeout)
{
    sqlite3 *db;
    int rc;
    double ms = timeout * 1000;
    int busy = ms >= INT_MAX ? INT_MAX : ms > 0 ? (int)ms : 0;
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_open_v2(path, &db,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
                             (uri ? SQLITE_OPEN_URI : 0),
                         NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db, busy);
    }
    Py_END_ALLOW_THREADS
    if (!db) {
        PyErr_NoMemory();
        return NULL;
    }
    if (rc != SQLITE_OK) {
        nj_sqlite_error(st, db);
        Py_BEGIN_ALLOW_THREADS
        sqlite3_close_v2(db);
        Py_END_ALLOW_THREADS
        return NULL;
    }
    return db;
}

static int
connection_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"database", "timeout", "detect_types", "isolation_level",
                            "check_same_thread", "factory", "cached_statements", "uri",
                            "autocommit", NULL};
    Connection *c = (Connection *)op;
    SqlState *st = nj_sqlite_state(Py_TYPE(op));
    PyObject *database, *factory;
    double timeout = 5.0;
    int detect_types = 0, same_thread = 1, cached = 128, uri = 0;
    const char *isolation_level = isolation_levels[0];
    Autocommit autocommit = AUTOCOMMIT_LEGACY;
    if (!st) {
        return -1;
    }
    if (PyTuple_GET_SIZE(args) > 1 && PyTuple_GET_SIZE(args) <= 8
        && PyErr_WarnEx(PyExc_DeprecationWarning,
                        "Passing more than 1 positional argument to _sqlite3.Connection() "
                        "is deprecated. Parameters 'timeout', 'detect_types', "
                        "'isolation_level', 'check_same_thread', 'factory', "
                        "'cached_statements' and 'uri' will become keyword-only "
                        "parameters in Python 3.15.",
                        1)
               < 0) {
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "O|dO&O&pOO&p$O&:Connection", names, &database, &timeout,
            nj_sqlite_convert_int, &detect_types, convert_isolation_level, &isolation_level,
            &same_thread, &factory, nj_sqlite_convert_int, &cached, &uri,
            convert_autocommit, &autocommit)
        || PySys_Audit("sqlite3.connect", "O", database) < 0) {
        return -1;
    }
    NJ_OWN path = NULL;
    PyObject *converted;
    if (!PyUnicode_FSConverter(database, &converted)) {
        return -1;
    }
    path = converted;
    if (c->initialized) {
        /* a second __init__: what was open goes first */
        c->initialized = false;
        if (close_db(c) < 0) {
            return -1;
        }
    }
    sqlite3 *db = open_db(st, PyBytes_AS_STRING(path), uri, timeout);
    if (!db) {
        return -1;
    }
    NJ_OWN cache = PyDict_New();
    if (!cache) {
        sqlite3_close_v2(db);
        return -1;
    }
    c->db = db;
    c->state = st;
    c->detect_types = detect_types;
    c->isolation_level = isolation_level;
    c->autocommit = autocommit;
    c->check_same_thread = same_thread;
    c->thread_ident = PyThread_get_thread_ident();
    c->cache_size = cached;
    NJ_SET(c->cache, NJ_TAKE(cache));
    NJ_SET(c->row_factory, Py_NewRef(Py_None));
    NJ_SET(c->text_factory, Py_NewRef((PyObject *)&PyUnicode_Type));
    for (int i = 0; i < SQL_NERRORS; i++) {
        NJ_SET(c->errors[i], Py_NewRef(st->errors[i]));
    }
    c->initialized = true;
    if (autocommit == AUTOCOMMIT_DISABLED && nj_sqlite_exec(c, "BEGIN") < 0) {
        return -1;
    }
    return PySys_Audit("sqlite3.connect/handle", "O", op);
}

static PyObject *
connection_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Connection *c = (Connection *)op;
    if (nj_sqlite_check_thread(c) < 0 || check_initialized(c) < 0 || close_db(c) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
connection_traverse(PyObject *op, visitproc visit, void *arg)
{
    Connection *c = (Connection *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(c->row_factory);
    Py_VISIT(c->text_factory);
    Py_VISIT(c->cache);
    Callback *const hooks[] = {c->trace, c->progress, c->authorizer};
    for (size_t i = 0; i < NJ_ARRAY_LEN(hooks); i++) {
        if (hooks[i]) {
            Py_VISIT(hooks[i]->callable);
            Py_VISIT(hooks[i]->module);
        }
    }
    for (int i = 0; i < SQL_NERRORS; i++) {
        Py_VISIT(c->errors[i]);
    }
    return 0;
}

static int
connection_clear(PyObject *op)
{
    Connection *c = (Connection *)op;
    nj_sqlite_cache_clear(c);
    Py_CLEAR(c->cache);
    Py_CLEAR(c->row_factory);
    Py_CLEAR(c->text_factory);
    remove_hooks(c);
    for (int i = 0; i < SQL_NERRORS; i++) {
        Py_CLEAR(c->errors[i]);
    }
    return 0;
}

static void
connection_finalize(PyObject *op)
{
    Connection *c = (Connection *)op;
    PyObject *exc = PyErr_GetRaisedException();
    if (c->db) {
        if (PyErr_ResourceWarning(op, 1, "unclosed database in %R", op) < 0
            && PyErr_ExceptionMatches(PyExc_Warning)) {
            PyErr_FormatUnraisable("Exception ignored while finalizing database "
                                   "connection %R",
                                   op);
        }
        /* the rollback must not call back */
        remove_hooks(c);
        if (close_db(c) < 0) {
            PyErr_FormatUnraisable("Exception ignored while closing database %R", op);
        }
    }
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
}

static void
connection_dealloc(PyObject *op)
{
    if (PyObject_CallFinalizerFromDealloc(op) < 0) {
        return;
    }
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    connection_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- cursors ------------------------------------------------------------------------ */

static PyObject *
make_cursor(Connection *c, PyObject *factory)
{
    if (check_usable(c) < 0) {
        return NULL;
    }
    NJ_OWN cursor = PyObject_CallOneArg(factory, (PyObject *)c);
    if (!cursor) {
        return NULL;
    }
    if (!PyObject_TypeCheck(cursor, c->state->cursor_type)) {
        PyErr_Format(PyExc_TypeError, "factory must return a cursor, not %.100s",
                     Py_TYPE(cursor)->tp_name);
        return NULL;
    }
    if (c->row_factory && c->row_factory != Py_None) {
        NJ_SET(((Cursor *)cursor)->row_factory, Py_NewRef(c->row_factory));
    }
    return NJ_TAKE(cursor);
}

static PyObject *
connection_cursor(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"factory", NULL};
    Connection *c = (Connection *)op;
    PyObject *factory = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O:cursor", names, &factory)
        || check_usable(c) < 0) {
        return NULL;
    }
    return make_cursor(c, factory ? factory : (PyObject *)c->state->cursor_type);
}

/* execute and the like: a new cursor's method of the same name */
static PyObject *
through_cursor(PyObject *op, int method, PyObject *const *args, Py_ssize_t n)
{
    SqlState *st = nj_sqlite_state(Py_TYPE(op));
    NJ_OWN cursor =
        st ? PyObject_CallMethodNoArgs(op, st->strings[STR_CURSOR]) : NULL;
    if (!cursor) {
        return NULL;
    }
    PyObject *stack[3] = {cursor};
    for (Py_ssize_t i = 0; i < n; i++) {
        stack[i + 1] = args[i];
    }
    return PyObject_VectorcallMethod(st->strings[method], stack, (size_t)n + 1, NULL);
}

static PyObject *
connection_execute(PyObject *op, PyObject *const *args, Py_ssize_t n)
{
    if (n < 1 || n > 2) {
        PyErr_Format(PyExc_TypeError, "execute expected at %s %d argument%s, got %zd",
                     n < 1 ? "least" : "most", n < 1 ? 1 : 2, n < 1 ? "" : "s", n);
        return NULL;
    }
    if (!PyUnicode_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "execute() argument 1 must be str, not %T", args[0]);
        return NULL;
    }
    return through_cursor(op, STR_EXECUTE, args, n);
}

static PyObject *
connection_executemany(PyObject *op, PyObject *const *args, Py_ssize_t n)
{
    if (n != 2) {
        PyErr_Format(PyExc_TypeError, "executemany expected 2 arguments, got %zd", n);
        return NULL;
    }
    if (!PyUnicode_Check(args[0])) {
        PyErr_Format(PyExc_TypeError, "executemany() argument 1 must be str, not %T",
                     args[0]);
        return NULL;
    }
    return through_cursor(op, STR_EXECUTEMANY, args, n);
}

static PyObject *
connection_executescript(PyObject *op, PyObject *script)
{
    return through_cursor(op, STR_EXECUTESCRIPT, &script, 1);
}

static PyObject *
connection_call(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Connection *c = (Connection *)op;
    PyObject *sql;
    if (check_usable(c) < 0) {
        return NULL;
    }
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "sqlite3.Connection() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "U", &sql)) {
        return NULL;
    }
    return (PyObject *)nj_sqlite_statement_new(c, sql);
}

/* ---- transactions ------------------------------------------------------------------- */

static int
end_transaction(Connection *c, const char *how)
{
    if (check_usable(c) < 0) {
        return -1;
    }
    if (c->autocommit == AUTOCOMMIT_LEGACY) {
        return sqlite3_get_autocommit(c->db) ? 0 : nj_sqlite_exec(c, how);
    }
    if (c->autocommit == AUTOCOMMIT_DISABLED) {
        return nj_sqlite_exec(c, how) < 0 ? -1 : nj_sqlite_exec(c, "BEGIN");
    }
    return 0;
}

static PyObject *
connection_commit(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (end_transaction((Connection *)op, "COMMIT") < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
connection_rollback(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (end_transaction((Connection *)op, "ROLLBACK") < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
connection_enter(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return nj_sqlite_check_open((Connection *)op) < 0 ? NULL : Py_NewRef(op);
}

static PyObject *
connection_exit(PyObject *op, PyObject *args)
{
    Connection *c = (Connection *)op;
    PyObject *type, *value, *tb;
    if (!PyArg_UnpackTuple(args, "__exit__", 3, 3, &type, &value, &tb)) {
        return NULL;
    }
    if (c->autocommit == AUTOCOMMIT_ENABLED) {
        Py_RETURN_FALSE;
    }
    bool commit = type == Py_None && value == Py_None && tb == Py_None;
    NJ_OWN ended = PyObject_CallMethod(op, commit ? "commit" : "rollback", NULL);
    if (ended) {
        Py_RETURN_FALSE;
    }
    if (commit) {
        /* a transaction that cannot be committed must not stay open */
        PyObject *exc = PyErr_GetRaisedException();
        NJ_OWN undone = PyObject_CallMethod(op, "rollback", NULL);
        if (undone) {
            PyErr_SetRaisedException(exc);
        } else {
            PyObject *second = PyErr_GetRaisedException();
            PyException_SetContext(second, exc);
            PyErr_SetRaisedException(second);
        }
    }
    return NULL;
}

static PyObject *
get_isolation_level(PyObject *op, void *Py_UNUSED(closure))
{
    Connection *c = (Connection *)op;
    if (nj_sqlite_check_open(c) < 0) {
        return NULL;
    }
    if (!c->isolation_level) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(c->isolation_level);
}

static int
set_isolation_level(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Connection *c = (Connection *)op;
    const char *level;
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete attribute");
        return -1;
    }
    if (value == Py_None) {
        /* the documented way to leave implicit transactions */
        if (check_usable(c) < 0
            || (!sqlite3_get_autocommit(c->db) && nj_sqlite_exec(c, "COMMIT") < 0)) {
            return -1;
        }
    }
    if (!convert_isolation_level(value, &level)) {
        return -1;
    }
    c->isolation_level = level;
    return 0;
}

static PyObject *
get_autocommit(PyObject *op, void *Py_UNUSED(closure))
{
    Connection *c = (Connection *)op;
    if (check_usable(c) < 0) {
        return NULL;
    }
    if (c->autocommit == AUTOCOMMIT_LEGACY) {
        return PyLong_FromLong(AUTOCOMMIT_LEGACY);
    }
    return PyBool_FromLong(c->autocommit == AUTOCOMMIT_ENABLED);
}

static int
set_autocommit(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Connection *c = (Connection *)op;
    Autocommit mode;
    if (check_usable(c) < 0) {
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete autocommit attribute");
        return -1;
    }
    if (!convert_autocommit(value, &mode)) {
        return -1;
    }
    bool open = !sqlite3_get_autocommit(c->db);
    if ((mode == AUTOCOMMIT_ENABLED && open && nj_sqlite_exec(c, "COMMIT") < 0)
        || (mode == AUTOCOMMIT_DISABLED && !open && nj_sqlite_exec(c, "BEGIN") < 0)) {
        return -1;
    }
    c->autocommit = mode;
    return 0;
}

static PyObject *
get_in_transaction(PyObject *op, void *Py_UNUSED(closure))
{
    Connection *c = (Connection *)op;
    return nj_sqlite_check_open(c) < 0 ? NULL
                                       : PyBool_FromLong(!sqlite3_get_autocommit(c->db));
}

static PyObject *
get_total_changes(PyObject *op, void *Py_UNUSED(closure))
{
    Connection *c = (Connection *)op;
    return nj_sqlite_check_open(c) < 0 ? NULL
                                       : PyLong_FromLong(sqlite3_total_changes(c->db));
}

static PyObject *
get_factory(PyObject *op, void *closure)
{
    Connection *c = (Connection *)op;
    PyObject *f = closure ? c->text_factory : c->row_factory;
    return Py_NewRef(f ? f : Py_None);
}

static int
set_factory(PyObject *op, PyObject *value, void *closure)
{
    Connection *c = (Connection *)op;
    if (!value) {
        PyErr_Format(PyExc_AttributeError, "cannot delete %s attribute",
                     closure ? "text_factory" : "row_factory");
        return -1;
    }
    NJ_SET(*(closure ? &c->text_factory : &c->row_factory), Py_NewRef(value));
    return 0;
}

/* ---- whole databases ---------------------------------------------------------------- */

static PyObject *
connection_backup(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"target", "pages", "progress", "name", "sleep", NULL};
    Connection *c = (Connection *)op, *target;
    PyObject *target_object, *progress = Py_None, *name_object = NULL;
    int pages = -1;
    double seconds = 0.250;
    if (nj_sqlite_check_positional(args, 1, "backup") < 0
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O&OOd:backup", names, &target_object,
                                     nj_sqlite_convert_int, &pages, &progress, &name_object,
                                     &seconds)) {
        return NULL;
    }
    SqlState *st = nj_sqlite_state(Py_TYPE(op));
    if (!st) {
        return NULL;
    }
    if (!PyObject_TypeCheck(target_object, st->connection_type)) {
        PyErr_Format(PyExc_TypeError,
                     "backup() argument 'target' must be sqlite3.Connection, not %T",
                     target_object);
        return NULL;
    }
    const char *name =
        name_object ? nj_sqlite_text(name_object, "backup", "'name'") : "main";
    if (!name || check_usable(c) < 0) {
        return NULL;
    }
    target = (Connection *)target_object;
    if (target == c) {
        PyErr_SetString(PyExc_ValueError, "target cannot be the same connection instance");
        return NULL;
    }
    if (nj_sqlite_check_open(target) < 0) {
        return NULL;
    }
    if (progress != Py_None && !PyCallable_Check(progress)) {
        PyErr_SetString(PyExc_TypeError, "progress argument must be a callable");
        return NULL;
    }
    if (pages == 0) {
        pages = -1;
    }
    double ms = seconds * 1000;
    int pause = ms >= INT_MAX ? INT_MAX : ms > 0 ? (int)ms : 0;
    sqlite3 *to = target->db;
    sqlite3_backup *backup;
    Py_BEGIN_ALLOW_THREADS
    backup = sqlite3_backup_init(to, "main", c->db, name);
    Py_END_ALLOW_THREADS
    if (!backup) {
        nj_sqlite_error(st, to);
        return NULL;
    }
    int rc;
    do {
        Py_BEGIN_ALLOW_THREADS
        rc = sqlite3_backup_step(backup, pages);
        Py_END_ALLOW_THREADS
        if (progress != Py_None) {
            NJ_OWN ignored =
                PyObject_CallFunction(progress, "iii", rc, sqlite3_backup_remaining(backup),
                                      sqlite3_backup_pagecount(backup));
            if (!ignored) {
                break;
            }
        }
        if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) {
            Py_BEGIN_ALLOW_THREADS
            sqlite3_sleep(pause);
            Py_END_ALLOW_THREADS
            if (PyErr_CheckSignals() < 0) {
                break;
            }
        }
    } while (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED);
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_backup_finish(backup);
    Py_END_ALLOW_THREADS
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (rc != SQLITE_OK) {
        nj_sqlite_error(st, to);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
connection_serialize(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", NULL};
    Connection *c = (Connection *)op;
    PyObject *name_object = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:serialize", names, &name_object)) {
        return NULL;
    }
    const char *name =
        name_object ? nj_sqlite_text(name_object, "serialize", "'name'") : "main";
    if (!name || check_usable(c) < 0) {
        return NULL;
    }
    /* an in-memory database can be read where it is */
    sqlite3_int64 n;
    sqlite3 *db = c->db;
    unsigned char *data = sqlite3_serialize(db, name, &n, SQLITE_SERIALIZE_NOCOPY);
    if (data) {
        return PyBytes_FromStringAndSize((char *)data, (Py_ssize_t)n);
    }
    Py_BEGIN_ALLOW_THREADS
    data = sqlite3_serialize(db, name, &n, 0);
    Py_END_ALLOW_THREADS
    if (!data) {
        PyErr_Format(c->state->errors[SQL_OPERATIONAL_ERROR], "unable to serialize '%s'",
                     name);
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize((char *)data, (Py_ssize_t)n);
    sqlite3_free(data);
    return bytes;
}

static PyObject *
connection_deserialize(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "name", NULL};
    Connection *c = (Connection *)op;
    NJ_OWN_BUF view = {0};
    PyObject *name_object = NULL;
    if (nj_sqlite_check_positional(args, 1, "deserialize") < 0
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "s*|$O:deserialize", names, &view,
                                     &name_object)) {
        return NULL;
    }
    const char *name =
        name_object ? nj_sqlite_text(name_object, "deserialize", "'name'") : "main";
    if (!name || check_usable(c) < 0) {
        return NULL;
    }
    unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)view.len);
    if (!copy) {
        return PyErr_NoMemory();
    }
    memcpy(copy, view.buf, (size_t)view.len);
    int rc;
    sqlite3 *db = c->db;
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_deserialize(db, name, copy, view.len, view.len,
                             SQLITE_DESERIALIZE_FREEONCLOSE |
                                 SQLITE_DESERIALIZE_RESIZEABLE);
    Py_END_ALLOW_THREADS
    if (rc != SQLITE_OK) {
        nj_sqlite_error(c->state, db);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
connection_iterdump(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"filter", NULL};
    Connection *c = (Connection *)op;
    PyObject *filter = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O:iterdump", names, &filter)
        || nj_sqlite_check_open(c) < 0) {
        return NULL;
    }
    NJ_OWN dump = PyImport_ImportModule("sqlite3.dump");
    NJ_OWN function = NULL;
    if (!dump || PyObject_GetOptionalAttrString(dump, "_iterdump", &function) < 0) {
        return NULL;
    }
    if (!function) {
        PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR],
                        "Failed to obtain _iterdump() reference");
        return NULL;
    }
    NJ_OWN keywords = PyTuple_Pack(1, c->state->strings[STR_FILTER]);
    PyObject *const stack[] = {op, filter};
    return keywords ? PyObject_Vectorcall(function, stack, 1, keywords) : NULL;
}

static PyObject *
connection_interrupt(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Connection *c = (Connection *)op;
    if (nj_sqlite_check_open(c) < 0) {
        return NULL;
    }
    sqlite3_interrupt(c->db);
    Py_RETURN_NONE;
}

/* ---- settings ----------------------------------------------------------------------- */

static PyObject *
limit_result(Connection *c, int category, int limit)
{
    int old = sqlite3_limit(c->db, category, limit);
    if (old < 0) {
        nj_sqlite_programming_error(c->state, "'category' is out of bounds");
        return NULL;
    }
    return PyLong_FromLong(old);
}

static PyObject *
connection_setlimit(PyObject *op, PyObject *args)
{
    PyObject *a, *b;
    int category, limit;
    if (!PyArg_UnpackTuple(args, "setlimit", 2, 2, &a, &b)
        || !nj_sqlite_convert_int(a, &category) || !nj_sqlite_convert_int(b, &limit)
        || check_usable((Connection *)op) < 0) {
        return NULL;
    }
    return limit_result((Connection *)op, category, limit);
}

static PyObject *
connection_getlimit(PyObject *op, PyObject *arg)
{
    int category;
    if (!nj_sqlite_convert_int(arg, &category) || check_usable((Connection *)op) < 0) {
        return NULL;
    }
    return limit_result((Connection *)op, category, -1);
}

/* The configuration verbs that take and give a boolean. */
static int
check_config(int op)
{
    switch (op) {
    case SQLITE_DBCONFIG_ENABLE_FKEY:
    case SQLITE_DBCONFIG_ENABLE_TRIGGER:
    case SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER:
    case SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION:
    case SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE:
    case SQLITE_DBCONFIG_ENABLE_QPSG:
    case SQLITE_DBCONFIG_TRIGGER_EQP:
    case SQLITE_DBCONFIG_RESET_DATABASE:
    case SQLITE_DBCONFIG_DEFENSIVE:
    case SQLITE_DBCONFIG_WRITABLE_SCHEMA:
    case SQLITE_DBCONFIG_LEGACY_ALTER_TABLE:
    case SQLITE_DBCONFIG_DQS_DML:
    case SQLITE_DBCONFIG_DQS_DDL:
    case SQLITE_DBCONFIG_ENABLE_VIEW:
    case SQLITE_DBCONFIG_LEGACY_FILE_FORMAT:
    case SQLITE_DBCONFIG_TRUSTED_SCHEMA:
        return 0;
    default:
        PyErr_Format(PyExc_ValueError, "unknown config 'op': %d", op);
        return -1;
    }
}

static PyObject *
connection_setconfig(PyObject *self, PyObject *args)
{
    Connection *c = (Connection *)self;
    PyObject *a, *b = Py_True;
    int op, actual;
    if (!PyArg_UnpackTuple(args, "setconfig", 1, 2, &a, &b)
        || !nj_sqlite_convert_int(a, &op)) {
        return NULL;
    }
    int enable = PyObject_IsTrue(b);
    if (enable < 0 || check_usable(c) < 0 || check_config(op) < 0) {
        return NULL;
    }
    if (sqlite3_db_config(c->db, op, enable, &actual) != SQLITE_OK) {
        nj_sqlite_error(c->state, c->db);
        return NULL;
    }
    if (enable != actual) {
        PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR], "Unable to set config");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
connection_getconfig(PyObject *self, PyObject *arg)
{
    Connection *c = (Connection *)self;
    int op, actual;
    if (!nj_sqlite_convert_int(arg, &op) || check_usable(c) < 0 || check_config(op) < 0) {
        return NULL;
    }
    if (sqlite3_db_config(c->db, op, -1, &actual) != SQLITE_OK) {
        nj_sqlite_error(c->state, c->db);
        return NULL;
    }
    return PyBool_FromLong(actual);
}

static PyObject *
connection_enable_load_extension(PyObject *op, PyObject *arg)
{
    Connection *c = (Connection *)op;
    int enable = PyObject_IsTrue(arg);
    if (enable < 0
        || PySys_Audit("sqlite3.enable_load_extension", "OO", op,
                       enable ? Py_True : Py_False)
               < 0
        || check_usable(c) < 0) {
        return NULL;
    }
    if (sqlite3_enable_load_extension(c->db, enable) != SQLITE_OK) {
        PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR],
                        "Error enabling load extension");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
connection_load_extension(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"", "entrypoint", NULL};
    Connection *c = (Connection *)op;
    PyObject *name_object, *entry_object = Py_None;
    if (nj_sqlite_check_positional(args, 1, "load_extension") < 0
        || !PyArg_ParseTupleAndKeywords(args, kwargs, "O|$O:load_extension", names,
                                     &name_object, &entry_object)) {
        return NULL;
    }
    const char *name = nj_sqlite_text(name_object, "load_extension", "1"), *entry = NULL;
    if (!name) {
        return NULL;
    }
    if (entry_object != Py_None) {
        if (!PyUnicode_Check(entry_object)) {
            PyErr_Format(PyExc_TypeError,
                         "load_extension() argument 'entrypoint' must be str or None, not "
                         "%T",
                         entry_object);
            return NULL;
        }
        entry = nj_sqlite_text(entry_object, "load_extension", "'entrypoint'");
        if (!entry) {
            return NULL;
        }
    }
    if (PySys_Audit("sqlite3.load_extension", "Os", op, name) < 0 || check_usable(c) < 0) {
        return NULL;
    }
    int rc;
    char *message = NULL;
    sqlite3 *db = c->db;
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_load_extension(db, name, entry, &message);
    Py_END_ALLOW_THREADS
    if (rc != SQLITE_OK) {
        if (message) {
            PyErr_SetString(c->state->errors[SQL_OPERATIONAL_ERROR], message);
            sqlite3_free(message);
        } else {
            nj_sqlite_error(c->state, db);
        }
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- type --------------------------------------------------------------------------- */

static PyMethodDef connection_methods[] = {
    {"create_function", KW(nj_sqlite_create_function), METH_VARARGS | METH_KEYWORDS,
     "create_function($self, /, name, narg, func, *, deterministic=False)\n--\n\n"
     "Creates a new function.\n\n"
     "Note: Passing keyword arguments 'name', 'narg' and 'func' to\n"
     "_sqlite3.Connection.create_function() is deprecated. Parameters\n"
     "'name', 'narg' and 'func' will become positional-only in Python 3.15.\n"},
    {"create_aggregate", KW(nj_sqlite_create_aggregate), METH_VARARGS | METH_KEYWORDS,
     "create_aggregate($self, /, name, n_arg, aggregate_class)\n--\n\n"
     "Creates a new aggregate.\n\n"
     "Note: Passing keyword arguments 'name', 'n_arg' and 'aggregate_class'\n"
     "to _sqlite3.Connection.create_aggregate() is deprecated. Parameters\n"
     "'name', 'n_arg' and 'aggregate_class' will become positional-only in\n"
     "Python 3.15.\n"},
    {"create_window_function", nj_sqlite_create_window_function, METH_VARARGS,
     "create_window_function($self, name, num_params, aggregate_class, /)\n--\n\n"
     "Creates or redefines an aggregate window function. Non-standard.\n\n"
     "  name\n"
     "    The name of the function.\n"
     "  num_params\n"
     "    The number of arguments of its step and inverse methods.\n"
     "  aggregate_class\n"
     "    A class with step(), finalize(), value(), and inverse() methods,\n"
     "    or None to clear the window function."},
    {"create_collation", nj_sqlite_create_collation, METH_VARARGS,
     "create_collation($self, name, callback, /)\n--\n\nCreates a collation function."},
    {"set_authorizer", KW(nj_sqlite_set_authorizer), METH_VARARGS | METH_KEYWORDS,
     "set_authorizer($self, /, authorizer_callback)\n--\n\n"
     "Set authorizer callback.\n\n"
     "Note: Passing keyword argument 'authorizer_callback' to\n"
     "_sqlite3.Connection.set_authorizer() is deprecated. Parameter\n"
     "'authorizer_callback' will become positional-only in Python 3.15.\n"},
    {"set_progress_handler", KW(nj_sqlite_set_progress_handler), METH_VARARGS | METH_KEYWORDS,
     "set_progress_handler($self, /, progress_handler, n)\n--\n\n"
     "Set progress handler callback.\n\n"
     "  progress_handler\n"
     "    A callable without arguments. If it returns a true value, the current\n"
     "    query ends with an exception.\n"
     "  n\n"
     "    How many instructions of the SQLite virtual machine lie between calls.\n\n"
     "If 'progress_handler' is None or 'n' is 0, the progress handler is\n"
     "disabled.\n\n"
     "Note: Passing keyword argument 'progress_handler' to\n"
     "_sqlite3.Connection.set_progress_handler() is deprecated. Parameter\n"
     "'progress_handler' will become positional-only in Python 3.15.\n"},
    {"set_trace_callback", KW(nj_sqlite_set_trace_callback), METH_VARARGS | METH_KEYWORDS,
     "set_trace_callback($self, /, trace_callback)\n--\n\n"
     "Set a trace callback called for each SQL statement (passed as unicode).\n\n"
     "Note: Passing keyword argument 'trace_callback' to\n"
     "_sqlite3.Connection.set_trace_callback() is deprecated. Parameter\n"
     "'trace_callback' will become positional-only in Python 3.15.\n"},
    {"backup", KW(connection_backup), METH_VARARGS | METH_KEYWORDS,
     "backup($self, /, target, *, pages=-1, progress=None, name='main',\n"
     "       sleep=0.25)\n--\n\nMakes a backup of the database."},
    {"blobopen", KW(nj_sqlite_blobopen), METH_VARARGS | METH_KEYWORDS,
     "blobopen($self, table, column, rowid, /, *, readonly=False, name='main')\n--\n\n"
     "Open and return a BLOB object.\n\n"
     "  table\n"
     "    Table name.\n"
     "  column\n"
     "    Column name.\n"
     "  rowid\n"
     "    Row id.\n"
     "  readonly\n"
     "    Open the BLOB without write permissions.\n"
     "  name\n"
     "    Database name."},
    {"close", connection_close, METH_NOARGS,
     "close($self, /)\n--\n\n"
     "Close the database connection.\n\n"
     "Any pending transaction is not committed implicitly."},
    {"commit", connection_commit, METH_NOARGS,
     "commit($self, /)\n--\n\n"
     "Commit any pending transaction to the database.\n\n"
     "If there is no open transaction, this method is a no-op."},
    {"cursor", KW(connection_cursor), METH_VARARGS | METH_KEYWORDS,
     "cursor($self, /, factory=<unrepresentable>)\n--\n\n"
     "Return a cursor for the connection."},
    {"deserialize", KW(connection_deserialize), METH_VARARGS | METH_KEYWORDS,
     "deserialize($self, data, /, *, name='main')\n--\n\n"
     "Load a serialized database.\n\n"
     "  data\n"
     "    The serialized database content.\n"
     "  name\n"
     "    Which database to reopen with the deserialization.\n\n"
     "The connection leaves the database and opens it again as an in-memory\n"
     "database with that content. This fails with SQLITE_BUSY while the database\n"
     "is in a read transaction or a backup operation."},
    {"enable_load_extension", connection_enable_load_extension, METH_O,
     "enable_load_extension($self, enable, /)\n--\n\n"
     "Enable dynamic loading of SQLite extension modules."},
    {"execute", KW(connection_execute), METH_FASTCALL,
     "execute($self, sql, parameters=(), /)\n--\n\nExecutes an SQL statement."},
    {"executemany", KW(connection_executemany), METH_FASTCALL,
     "executemany($self, sql, parameters, /)\n--\n\n"
     "Repeatedly executes an SQL statement."},
    {"executescript", connection_executescript, METH_O,
     "executescript($self, sql_script, /)\n--\n\n"
     "Executes multiple SQL statements at once."},
    {"getconfig", connection_getconfig, METH_O,
     "getconfig($self, op, /)\n--\n\n"
     "Query a boolean connection configuration option.\n\n"
     "  op\n"
     "    The configuration verb; one of the sqlite3.SQLITE_DBCONFIG codes."},
    {"getlimit", connection_getlimit, METH_O,
     "getlimit($self, category, /)\n--\n\n"
     "Get connection run-time limits.\n\n"
     "  category\n"
     "    The limit category to be queried."},
    {"interrupt", connection_interrupt, METH_NOARGS,
     "interrupt($self, /)\n--\n\nAbort any pending database operation."},
    {"iterdump", KW(connection_iterdump), METH_VARARGS | METH_KEYWORDS,
     "iterdump($self, /, *, filter=None)\n--\n\n"
     "Returns iterator to the dump of the database in an SQL text format.\n\n"
     "  filter\n"
     "    An optional LIKE pattern for database objects to dump"},
    {"load_extension", KW(connection_load_extension), METH_VARARGS | METH_KEYWORDS,
     "load_extension($self, name, /, *, entrypoint=None)\n--\n\n"
     "Load SQLite extension module."},
    {"rollback", connection_rollback, METH_NOARGS,
     "rollback($self, /)\n--\n\n"
     "Roll back to the start of any pending transaction.\n\n"
     "If there is no open transaction, this method is a no-op."},
    {"serialize", KW(connection_serialize), METH_VARARGS | METH_KEYWORDS,
     "serialize($self, /, *, name='main')\n--\n\n"
     "Serialize a database into a byte string.\n\n"
     "  name\n"
     "    Which database to serialize.\n\n"
     "The result is what the file on disk holds, or would hold if an in-memory or\n"
     "\"temp\" database were backed up to one."},
    {"setconfig", connection_setconfig, METH_VARARGS,
     "setconfig($self, op, enable=True, /)\n--\n\n"
     "Set a boolean connection configuration option.\n\n"
     "  op\n"
     "    The configuration verb; one of the sqlite3.SQLITE_DBCONFIG codes."},
    {"setlimit", connection_setlimit, METH_VARARGS,
     "setlimit($self, category, limit, /)\n--\n\n"
     "Set connection run-time limits.\n\n"
     "  category\n"
     "    The limit category to be set.\n"
     "  limit\n"
     "    The new limit. A negative number leaves it unchanged.\n\n"
     "A limit above the hard upper bound is cut to it. The result is the limit\n"
     "before the call."},
    {"__enter__", connection_enter, METH_NOARGS,
     "__enter__($self, /)\n--\n\n"
     "Called when the connection is used as a context manager.\n\n"
     "Returns itself as a convenience to the caller."},
    {"__exit__", connection_exit, METH_VARARGS,
     "__exit__($self, type, value, traceback, /)\n--\n\n"
     "Called when the connection is used as a context manager.\n\n"
     "If there was any exception, a rollback takes place; otherwise we\n"
     "commit."},
    {NULL, NULL, 0, NULL},
};

/* how an instance is called, for inspect */
static PyObject *
get_text_signature(PyObject *op, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString("(sql, /)");
}

static PyGetSetDef connection_getset[] = {
    {"__text_signature__", get_text_signature, NULL, NULL, NULL},
    {"isolation_level", get_isolation_level, set_isolation_level, NULL, NULL},
    {"total_changes", get_total_changes, NULL, NULL, NULL},
    {"in_transaction", get_in_transaction, NULL, NULL, NULL},
    {"autocommit", get_autocommit, set_autocommit, NULL, NULL},
    {"row_factory", get_factory, set_factory, NULL, NULL},
    {"text_factory", get_factory, set_factory, NULL, "text"},
    {NULL, NULL, NULL, NULL, NULL},
};

#define ERROR_MEMBER(name, index)                                                        \
    {name, _Py_T_OBJECT, offsetof(Connection, errors) + (index) * sizeof(PyObject *),    \
     Py_READONLY, NULL}

static PyMemberDef connection_members[] = {
    ERROR_MEMBER("Warning", SQL_WARNING),
    ERROR_MEMBER("Error", SQL_ERROR),
    ERROR_MEMBER("InterfaceError", SQL_INTERFACE_ERROR),
    ERROR_MEMBER("DatabaseError", SQL_DATABASE_ERROR),
    ERROR_MEMBER("DataError", SQL_DATA_ERROR),
    ERROR_MEMBER("OperationalError", SQL_OPERATIONAL_ERROR),
    ERROR_MEMBER("IntegrityError", SQL_INTEGRITY_ERROR),
    ERROR_MEMBER("InternalError", SQL_INTERNAL_ERROR),
    ERROR_MEMBER("ProgrammingError", SQL_PROGRAMMING_ERROR),
    ERROR_MEMBER("NotSupportedError", SQL_NOT_SUPPORTED_ERROR),
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot connection_slots[] = {
    {Py_tp_dealloc, connection_dealloc},
    {Py_tp_finalize, connection_finalize},
    {Py_tp_traverse, connection_traverse},
    {Py_tp_clear, connection_clear},
    {Py_tp_init, connection_init},
    {Py_tp_call, connection_call},
    {Py_tp_methods, connection_methods},
    {Py_tp_members, connection_members},
    {Py_tp_getset, connection_getset},
    {Py_tp_doc, "SQLite database connection object."},
    {0, NULL},
};

PyType_Spec nj_sqlite_connection_spec = {
    .name = "sqlite3.Connection",
    .basicsize = sizeof(Connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = connection_slots,
};

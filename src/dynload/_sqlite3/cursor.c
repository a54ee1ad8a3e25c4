/* cursor.c - Cursor: executing statements and fetching rows.
 *
 * A cursor with a statement stands on a row that has been stepped to but not fetched:
 * fetching reads that row and steps to the next. `locked' marks that a method is running,
 * because converters, adapters and factories may call back into the cursor.
 * SPDX-License-Identifier: MIT
 */
#include "sqlite_int.h"

static int
check_locked(Cursor *u)
{
    if (u->locked) {
        nj_sqlite_programming_error(nj_sqlite_state(Py_TYPE(u)),
                                    "Recursive use of cursors not allowed.");
        return -1;
    }
    return 0;
}

static int
check_cursor(Cursor *u)
{
    if (!u->initialized) {
        nj_sqlite_programming_error(nj_sqlite_state(Py_TYPE(u)),
                                    "Base Cursor.__init__ not called.");
        return -1;
    }
    if (u->closed) {
        nj_sqlite_programming_error(u->connection->state,
                                    "Cannot operate on a closed cursor.");
        return -1;
    }
    return nj_sqlite_check_thread(u->connection) < 0
                   || nj_sqlite_check_open(u->connection) < 0 || check_locked(u) < 0
               ? -1
               : 0;
}

/* Gives the statement back, to be used again by anybody. */
static void
drop_statement(Cursor *u)
{
    if (u->statement) {
        Statement *s = u->statement;
        u->statement = NULL;
        nj_sqlite_reset(s);
        Py_DECREF(s);
    }
}

static int
cursor_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    Cursor *u = (Cursor *)op;
    SqlState *st = nj_sqlite_state(Py_TYPE(op));
    PyObject *connection;
    if (kwargs && PyDict_GET_SIZE(kwargs)) {
        PyErr_SetString(PyExc_TypeError, "Cursor() takes no keyword arguments");
        return -1;
    }
    if (!st || !PyArg_UnpackTuple(args, "Cursor", 1, 1, &connection)) {
        return -1;
    }
    if (!PyObject_TypeCheck(connection, st->connection_type)) {
        PyErr_Format(PyExc_TypeError, "Cursor() argument 1 must be sqlite3.Connection, not %T",
                     connection);
        return -1;
    }
    if (check_locked(u) < 0) {
        return -1;
    }
    drop_statement(u);
    NJ_SET(u->connection, Py_NewRef(connection));
    NJ_SET(u->description, Py_NewRef(Py_None));
    NJ_SET(u->lastrowid, Py_NewRef(Py_None));
    NJ_SET(u->row_factory, Py_NewRef(Py_None));
    Py_CLEAR(u->row_cast_map);
    u->arraysize = 1;
    u->closed = false;
    u->rowcount = -1;
    if (nj_sqlite_check_thread(u->connection) < 0) {
        return -1;
    }
    u->initialized = true;
    return 0;
}

static int
cursor_traverse(PyObject *op, visitproc visit, void *arg)
{
    Cursor *u = (Cursor *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(u->connection);
    Py_VISIT(u->description);
    Py_VISIT(u->row_cast_map);
    Py_VISIT(u->lastrowid);
    Py_VISIT(u->row_factory);
    Py_VISIT(u->statement);
    return 0;
}

static int
cursor_clear(PyObject *op)
{
    Cursor *u = (Cursor *)op;
    drop_statement(u);
    Py_CLEAR(u->connection);
    Py_CLEAR(u->description);
    Py_CLEAR(u->row_cast_map);
    Py_CLEAR(u->lastrowid);
    Py_CLEAR(u->row_factory);
    return 0;
}

static void
cursor_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((Cursor *)op)->weakrefs) {
        PyObject_ClearWeakRefs(op);
    }
    cursor_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- columns ------------------------------------------------------------------------ */

/* The converter registered for a type name: 1 with a new reference, 0 none, -1. */
static int
find_converter(SqlState *st, const char *name, Py_ssize_t n, PyObject **converter)
{
    NJ_OWN key = PyUnicode_FromStringAndSize(name, n);
    NJ_OWN upper = key ? PyObject_CallMethod(key, "upper", NULL) : NULL;
    return upper ? PyDict_GetItemRef(st->converters, upper, converter) : -1;
}

/* The converter of a column, or None. */
static PyObject *
column_converter(SqlState *st, int detect_types, sqlite3_stmt *stmt, int i)
{
    PyObject *converter = NULL;
    if (detect_types & PARSE_COLNAMES) {
        const char *name = sqlite3_column_name(stmt, i);
        const char *open = name ? strchr(name, '[') : NULL;
        const char *close = open ? strchr(open, ']') : NULL;
        if (close && find_converter(st, open + 1, close - open - 1, &converter) < 0) {
            return NULL;
        }
    }
    if (!converter && detect_types & PARSE_DECLTYPES) {
        const char *type = sqlite3_column_decltype(stmt, i);
        if (type
            && find_converter(st, type, (Py_ssize_t)strcspn(type, " ("), &converter) < 0) {
            return NULL;
        }
    }
    return converter ? converter : Py_NewRef(Py_None);
}

static int
build_row_cast_map(Cursor *u)
{
    Py_CLEAR(u->row_cast_map);
    int detect_types = u->connection->detect_types;
    if (!detect_types) {
        return 0;
    }
    int n = sqlite3_column_count(u->statement->st);
    NJ_OWN map = PyList_New(n);
    if (!map) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        PyObject *converter =
            column_converter(u->connection->state, detect_types, u->statement->st, i);
        if (!converter) {
            return -1;
        }
        PyList_SET_ITEM(map, i, converter);
    }
    u->row_cast_map = NJ_TAKE(map);
    return 0;
}

/* A column's name as the description shows it: without " [type]" where that is parsed. */
static PyObject *
column_name(Cursor *u, int i)
{
    const char *name = sqlite3_column_name(u->statement->st, i);
    if (!name) {
        return PyErr_NoMemory();
    }
    size_t n = strlen(name);
    if (u->connection->detect_types & PARSE_COLNAMES) {
        const char *open = strchr(name, '[');
        if (open) {
            n = (size_t)(open - name);
            if (n > 0 && name[n - 1] == ' ') {
                n--;
            }
        }
    }
    return PyUnicode_FromStringAndSize(name, (Py_ssize_t)n);
}

static int
describe(Cursor *u)
{
    int n = u->statement->st ? sqlite3_column_count(u->statement->st) : 0;
    if (n == 0) {
        return 0;
    }
    NJ_OWN description = PyTuple_New(n);
    if (!description) {
        return -1;
    }
    for (int i = 0; i < n; i++) {
        NJ_OWN name = column_name(u, i);
        PyObject *column = name ? PyTuple_Pack(7, name, Py_None, Py_None, Py_None, Py_None,
                                               Py_None, Py_None)
                                : NULL;
        if (!column) {
            return -1;
        }
        PyTuple_SET_ITEM(description, i, column);
    }
    NJ_SET(u->description, NJ_TAKE(description));
    return 0;
}

/* ---- fetching ----------------------------------------------------------------------- */

static PyObject *
undecodable(Cursor *u, int i, const char *text)
{
    SqlState *st = u->connection->state;
    char message[200];
    PyOS_snprintf(message, sizeof message,
                  "Could not decode to UTF-8 column '%s' with text '%s'",
                  sqlite3_column_name(u->statement->st, i), text);
    NJ_OWN readable = PyUnicode_Decode(message, (Py_ssize_t)strlen(message), "ascii",
                                       "replace");
    PyErr_Clear();
    if (readable) {
        PyErr_SetObject(st->errors[SQL_OPERATIONAL_ERROR], readable);
    } else {
        PyErr_SetString(st->errors[SQL_OPERATIONAL_ERROR], "Could not decode to UTF-8");
    }
    return NULL;
}

static PyObject *
fetch_text(Cursor *u, int i)
{
    sqlite3_stmt *st = u->statement->st;
    const char *text = (const char *)sqlite3_column_text(st, i);
    if (!text) {
        return PyErr_NoMemory();
    }
    int n = sqlite3_column_bytes(st, i);
    PyObject *factory = u->connection->text_factory;
    if (factory == (PyObject *)&PyUnicode_Type) {
        PyObject *s = PyUnicode_FromStringAndSize(text, n);
        if (!s && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            return undecodable(u, i, text);
        }
        return s;
    }
    if (factory == (PyObject *)&PyBytes_Type) {
        return PyBytes_FromStringAndSize(text, n);
    }
    if (factory == (PyObject *)&PyByteArray_Type) {
        return PyByteArray_FromStringAndSize(text, n);
    }
    NJ_OWN held = Py_NewRef(factory);
    NJ_OWN bytes = PyBytes_FromStringAndSize(text, n);
    return bytes ? PyObject_CallOneArg(held, bytes) : NULL;
}

static PyObject *
fetch_column(Cursor *u, int i)
{
    sqlite3_stmt *st = u->statement->st;
    PyObject *converter = u->row_cast_map && i < PyList_GET_SIZE(u->row_cast_map)
                              ? PyList_GET_ITEM(u->row_cast_map, i)
                              : Py_None;
    if (converter != Py_None) {
        const void *blob = sqlite3_column_blob(st, i);
        if (!blob) {
            if (sqlite3_errcode(sqlite3_db_handle(st)) == SQLITE_NOMEM) {
                return PyErr_NoMemory();
            }
            Py_RETURN_NONE;
        }
        NJ_OWN bytes = PyBytes_FromStringAndSize(blob, sqlite3_column_bytes(st, i));
        NJ_OWN held = Py_NewRef(converter);
        return bytes ? PyObject_CallOneArg(held, bytes) : NULL;
    }
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_NULL:
        Py_RETURN_NONE;
    case SQLITE_INTEGER:
        return PyLong_FromLongLong(sqlite3_column_int64(st, i));
    case SQLITE_FLOAT:
        return PyFloat_FromDouble(sqlite3_column_double(st, i));
    case SQLITE_TEXT:
        return fetch_text(u, i);
    default: {
        const void *blob = sqlite3_column_blob(st, i);
        if (!blob && sqlite3_errcode(sqlite3_db_handle(st)) == SQLITE_NOMEM) {
            return PyErr_NoMemory();
        }
        return PyBytes_FromStringAndSize(blob, sqlite3_column_bytes(st, i));
    }
    }
}

static PyObject *
fetch_row(Cursor *u)
{
    int n = sqlite3_data_count(u->statement->st);
    NJ_OWN row = PyTuple_New(n);
    if (!row) {
        return NULL;
    }
    for (int i = 0; i < n; i++) {
        PyObject *v = fetch_column(u, i);
        if (!v) {
            return NULL;
        }
        PyTuple_SET_ITEM(row, i, v);
    }
    return NJ_TAKE(row);
}

/* A row as the row factory makes it. */
static PyObject *
make_row(Cursor *u, PyObject *NJ_STEALS tuple)
{
    if (u->row_factory == Py_None) {
        return tuple;
    }
    NJ_OWN data = tuple;
    NJ_OWN factory = Py_NewRef(u->row_factory);
    PyObject *const args[] = {(PyObject *)u, data};
    return PyObject_Vectorcall(factory, args, 2, NULL);
}

/* The next row; NULL without an exception at the end. */
static PyObject *
cursor_next(PyObject *op)
{
    Cursor *u = (Cursor *)op;
    if (check_cursor(u) < 0) {
        return NULL;
    }
    if (!u->statement) {
        return NULL;
    }
    u->locked = true;
    NJ_OWN row = fetch_row(u);
    u->locked = false;
    if (!row) {
        return NULL;
    }
    /* a converter may have closed the connection */
    if (!u->connection->db) {
        drop_statement(u);
        (void)nj_sqlite_check_open(u->connection);
        return NULL;
    }
    u->locked = true;
    int rc = nj_sqlite_step(u->statement->st);
    u->locked = false;
    if (!u->connection->db) { /* or a function called by SQL */
        drop_statement(u);
        (void)nj_sqlite_check_open(u->connection);
        return NULL;
    }
    if (rc == SQLITE_DONE) {
        if (u->statement->is_dml) {
            u->rowcount = sqlite3_changes(u->connection->db);
        }
        drop_statement(u);
    } else if (rc != SQLITE_ROW) {
        nj_sqlite_error(u->connection->state, u->connection->db);
        drop_statement(u);
        return NULL;
    }
    if (PyErr_Occurred()) { /* from a collation */
        drop_statement(u);
        return NULL;
    }
    return make_row(u, NJ_TAKE(row));
}

static PyObject *
cursor_fetchone(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *row = cursor_next(op);
    if (!row && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return row;
}

static PyObject *
fetch_up_to(PyObject *op, uint64_t max)
{
    NJ_OWN rows = PyList_New(0);
    if (!rows) {
        return NULL;
    }
    for (uint64_t i = 0; i < max; i++) {
        NJ_OWN row = cursor_next(op);
        if (!row) {
            break;
        }
        if (PyList_Append(rows, row) < 0) {
            return NULL;
        }
    }
    return PyErr_Occurred() ? NULL : NJ_TAKE(rows);
}

/* for PyArg_Parse */
static int
convert_u32(PyObject *o, void *p)
{
    NJ_OWN index = PyNumber_Index(o);
    if (!index) {
        return 0;
    }
    if (PyLong_IsNegative(index)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return 0;
    }
    unsigned long v = PyLong_AsUnsignedLong(index);
    if (v == (unsigned long)-1 && PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) {
            return 0;
        }
        PyErr_Clear();
    }
    if (v > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "Python int too large for C uint32_t");
        return 0;
    }
    *(uint32_t *)p = (uint32_t)v;
    return 1;
}

static PyObject *
cursor_fetchmany(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"size", NULL};
    uint32_t size = ((Cursor *)op)->arraysize;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O&:fetchmany", names, convert_u32,
                                     &size)) {
        return NULL;
    }
    if (size == 0 && check_cursor((Cursor *)op) < 0) {
        return NULL;
    }
    return fetch_up_to(op, size);
}

static PyObject *
cursor_fetchall(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return fetch_up_to(op, UINT64_MAX);
}

/* ---- executing ---------------------------------------------------------------------- */

/* Runs the statement once with the parameters. After it, the cursor stands on the first
 * row or has no statement (many: the statement stays, to be run again). */
static int
run_once(Cursor *u, PyObject *parameters, bool many)
{
    Connection *c = u->connection;
    Statement *s = u->statement;
    if (nj_sqlite_bind(c->state, s, parameters) < 0 || nj_sqlite_check_open(c) < 0) {
        return -1;
    }
    int rc = nj_sqlite_step(s->st);
    if (nj_sqlite_check_open(c) < 0) { /* closed by a function called by SQL */
        return -1;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) {
        if (PyErr_Occurred()) {
            /* a callback's error that SQLite could not carry: ours has no more to say */
            return -1;
        }
        return nj_sqlite_error(c->state, c->db);
    }
    if (PyErr_Occurred() || (s->st && build_row_cast_map(u) < 0)
        || (u->description == Py_None && describe(u) < 0)) {
        return -1;
    }
    if (rc == SQLITE_DONE && s->is_dml) {
        u->rowcount += sqlite3_changes(c->db);
    }
    if (many) {
        nj_sqlite_reset(s);
    } else if (rc == SQLITE_DONE) {
        drop_statement(u);
    }
    return 0;
}

static int
run(Cursor *u, PyObject *sql, PyObject *parameters, bool many)
{
    Connection *c = u->connection;
    NJ_OWN iterator = NULL;
    if (many) {
        iterator = PyObject_GetIter(parameters);
        if (!iterator) {
            return -1;
        }
    }
    drop_statement(u);
    NJ_SET(u->description, Py_NewRef(Py_None));
    u->statement = nj_sqlite_statement_get(c, sql);
    if (!u->statement) {
        return -1;
    }
    Statement *s = u->statement;
    if (many && s->st && sqlite3_stmt_readonly(s->st)) {
        nj_sqlite_programming_error(c->state,
                                    "executemany() can only execute DML statements.");
        return -1;
    }
    u->rowcount = s->is_dml ? 0 : -1;
    if (c->autocommit == AUTOCOMMIT_LEGACY && c->isolation_level && s->is_dml
        && sqlite3_get_autocommit(c->db) && nj_sqlite_begin(c) < 0) {
        return -1;
    }
    if (!many) {
        if (run_once(u, parameters, false) < 0) {
            return -1;
        }
        NJ_OWN id = PyLong_FromLongLong(sqlite3_last_insert_rowid(c->db));
        if (!id) {
            return -1;
        }
        NJ_SET(u->lastrowid, NJ_TAKE(id));
        return 0;
    }
    for (;;) {
        NJ_OWN each = PyIter_Next(iterator);
        if (!each) {
            break;
        }
        /* the iterator may have closed the connection */
        if (nj_sqlite_check_open(c) < 0 || run_once(u, each, true) < 0) {
            return -1;
        }
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    drop_statement(u);
    return 0;
}

static PyObject *
execute(Cursor *u, PyObject *sql, PyObject *parameters, bool many)
{
    if (check_cursor(u) < 0) {
        return NULL;
    }
    u->locked = true;
    int r = run(u, sql, parameters, many);
    u->locked = false;
    if (r < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        drop_statement(u);
        PyErr_SetRaisedException(exc);
        u->rowcount = -1;
        return NULL;
    }
    return Py_NewRef(u);
}

static int
check_sql(PyObject *sql, const char *function)
{
    if (!PyUnicode_Check(sql)) {
        PyErr_Format(PyExc_TypeError, "%s() argument 1 must be str, not %T", function, sql);
        return -1;
    }
    return 0;
}

static PyObject *
cursor_execute(PyObject *op, PyObject *const *args, Py_ssize_t n)
{
    if (n < 1 || n > 2) {
        PyErr_Format(PyExc_TypeError, "execute expected at %s %d argument%s, got %zd",
                     n < 1 ? "least" : "most", n < 1 ? 1 : 2, n < 1 ? "" : "s", n);
        return NULL;
    }
    if (check_sql(args[0], "execute") < 0) {
        return NULL;
    }
    if (n == 2) {
        return execute((Cursor *)op, args[0], args[1], false);
    }
    NJ_OWN none = PyTuple_New(0);
    return none ? execute((Cursor *)op, args[0], none, false) : NULL;
}

static PyObject *
cursor_executemany(PyObject *op, PyObject *const *args, Py_ssize_t n)
{
    if (n != 2) {
        PyErr_Format(PyExc_TypeError, "executemany expected 2 arguments, got %zd", n);
        return NULL;
    }
    return check_sql(args[0], "executemany") < 0
               ? NULL
               : execute((Cursor *)op, args[0], args[1], true);
}

static PyObject *
cursor_executescript(PyObject *op, PyObject *script)
{
    Cursor *u = (Cursor *)op;
    if (!PyUnicode_Check(script)) {
        PyErr_Format(PyExc_TypeError, "executescript() argument must be str, not %T", script);
        return NULL;
    }
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(script, &n);
    if (!text) {
        return NULL;
    }
    if (strlen(text) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    if (check_cursor(u) < 0) {
        return NULL;
    }
    Connection *c = u->connection;
    sqlite3 *db = c->db;
    if (n > sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, -1)) {
        PyErr_SetString(c->state->errors[SQL_DATA_ERROR], "query string is too large");
        return NULL;
    }
    if (c->autocommit == AUTOCOMMIT_LEGACY && !sqlite3_get_autocommit(db)
        && nj_sqlite_exec(c, "COMMIT") < 0) {
        return NULL;
    }
    NJ_OWN held = Py_NewRef(script);
    const char *end = text + n;
    while (text < end) {
        int rc;
        sqlite3_stmt *st = NULL;
        const char *tail = end;
        Py_BEGIN_ALLOW_THREADS
        rc = sqlite3_prepare_v2(db, text, (int)(end - text) + 1, &st, &tail);
        if (rc == SQLITE_OK && st) {
            do {
                rc = sqlite3_step(st);
            } while (rc == SQLITE_ROW);
            rc = sqlite3_finalize(st);
        }
        Py_END_ALLOW_THREADS
        if (rc != SQLITE_OK) {
            nj_sqlite_error(c->state, db);
            return NULL;
        }
        if (PyErr_Occurred()) {
            return NULL;
        }
        /* a function called from the script may have closed the connection */
        if (tail < end && nj_sqlite_check_open(c) < 0) {
            return NULL;
        }
        text = tail;
    }
    return Py_NewRef(op);
}

/* ---- the rest ----------------------------------------------------------------------- */

static PyObject *
cursor_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    Cursor *u = (Cursor *)op;
    if (check_locked(u) < 0) {
        return NULL;
    }
    if (!u->connection) {
        nj_sqlite_programming_error(nj_sqlite_state(Py_TYPE(op)),
                                    "Base Cursor.__init__ not called.");
        return NULL;
    }
    if (nj_sqlite_check_thread(u->connection) < 0
        || nj_sqlite_check_open(u->connection) < 0) {
        return NULL;
    }
    drop_statement(u);
    u->closed = true;
    Py_RETURN_NONE;
}

static PyObject *
cursor_setinputsizes(PyObject *op, PyObject *Py_UNUSED(sizes))
{
    Py_RETURN_NONE;
}

static PyObject *
cursor_setoutputsize(PyObject *op, PyObject *args)
{
    PyObject *size, *column = NULL;
    if (!PyArg_UnpackTuple(args, "setoutputsize", 1, 2, &size, &column)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
get_arraysize(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLong(((Cursor *)op)->arraysize);
}

static int
set_arraysize(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (!value) {
        PyErr_SetString(PyExc_AttributeError,
                        "attribute 'arraysize' of 'sqlite3.Cursor' objects cannot be "
                        "deleted");
        return -1;
    }
    uint32_t n;
    if (!convert_u32(value, &n)) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large to convert to C uint32_t");
        }
        return -1;
    }
    ((Cursor *)op)->arraysize = n;
    return 0;
}

static PyObject *
get_row_factory(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *f = ((Cursor *)op)->row_factory;
    return Py_NewRef(f ? f : Py_None);
}

static int
set_row_factory(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    if (!value) {
        PyErr_SetString(PyExc_AttributeError, "cannot delete row_factory attribute");
        return -1;
    }
    NJ_SET(((Cursor *)op)->row_factory, Py_NewRef(value));
    return 0;
}

static PyMethodDef cursor_methods[] = {
    {"execute", KW(cursor_execute), METH_FASTCALL,
     "execute($self, sql, parameters=(), /)\n--\n\nExecutes an SQL statement."},
    {"executemany", KW(cursor_executemany), METH_FASTCALL,
     "executemany($self, sql, seq_of_parameters, /)\n--\n\n"
     "Repeatedly executes an SQL statement."},
    {"executescript", cursor_executescript, METH_O,
     "executescript($self, sql_script, /)\n--\n\n"
     "Executes multiple SQL statements at once."},
    {"fetchone", cursor_fetchone, METH_NOARGS,
     "fetchone($self, /)\n--\n\nFetches one row from the resultset."},
    {"fetchmany", KW(cursor_fetchmany), METH_VARARGS | METH_KEYWORDS,
     "fetchmany($self, /, size=1)\n--\n\n"
     "Fetches several rows from the resultset.\n\n"
     "  size\n"
     "    The default value is set by the Cursor.arraysize attribute."},
    {"fetchall", cursor_fetchall, METH_NOARGS,
     "fetchall($self, /)\n--\n\nFetches all rows from the resultset."},
    {"close", cursor_close, METH_NOARGS, "close($self, /)\n--\n\nCloses the cursor."},
    {"setinputsizes", cursor_setinputsizes, METH_O,
     "setinputsizes($self, sizes, /)\n--\n\n"
     "Required by DB-API. Does nothing in sqlite3."},
    {"setoutputsize", cursor_setoutputsize, METH_VARARGS,
     "setoutputsize($self, size, column=None, /)\n--\n\n"
     "Required by DB-API. Does nothing in sqlite3."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef cursor_members[] = {
    {"connection", _Py_T_OBJECT, offsetof(Cursor, connection), Py_READONLY, NULL},
    {"description", _Py_T_OBJECT, offsetof(Cursor, description), Py_READONLY, NULL},
    {"lastrowid", _Py_T_OBJECT, offsetof(Cursor, lastrowid), Py_READONLY, NULL},
    {"rowcount", Py_T_LONGLONG, offsetof(Cursor, rowcount), Py_READONLY, NULL},
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Cursor, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef cursor_getset[] = {
    {"arraysize", get_arraysize, set_arraysize, NULL, NULL},
    {"row_factory", get_row_factory, set_row_factory, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot cursor_slots[] = {
    {Py_tp_dealloc, cursor_dealloc},
    {Py_tp_traverse, cursor_traverse},
    {Py_tp_clear, cursor_clear},
    {Py_tp_init, cursor_init},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, cursor_next},
    {Py_tp_methods, cursor_methods},
    {Py_tp_members, cursor_members},
    {Py_tp_getset, cursor_getset},
    {Py_tp_doc, "SQLite database cursor class."},
    {0, NULL},
};

PyType_Spec nj_sqlite_cursor_spec = {
    .name = "sqlite3.Cursor",
    .basicsize = sizeof(Cursor),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = cursor_slots,
};

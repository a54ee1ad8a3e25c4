/* statement.c - prepared statements: their cache, binding and stepping.
 * SPDX-License-Identifier: MIT
 */
#include "sqlite_int.h"

/* The rest of sql behind spaces and comments. */
static const char *
skip_comments(const char *p, const char *end)
{
    for (;;) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == '\f')) {
            p++;
        }
        if (end - p >= 2 && p[0] == '-' && p[1] == '-') {
            const char *nl = memchr(p, '\n', (size_t)(end - p));
            p = nl ? nl + 1 : end;
        } else if (end - p >= 2 && p[0] == '/' && p[1] == '*') {
            /* SQLite takes an unclosed comment for a closed one */
            const char *close = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);
            p = close ? close + 2 : end;
        } else {
            return p;
        }
    }
}

bool
nj_sqlite_only_comments(const char *sql, size_t n)
{
    return skip_comments(sql, sql + n) == sql + n;
}

static bool
starts_with(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(end - p) >= n && PyOS_strnicmp(p, word, (Py_ssize_t)n) == 0;
}

Statement *
nj_sqlite_statement_new(Connection *c, PyObject *sql)
{
    SqlState *st = c->state;
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(sql, &n);
    if (!text) {
        return NULL;
    }
    if (n > sqlite3_limit(c->db, SQLITE_LIMIT_SQL_LENGTH, -1)) {
        PyErr_SetString(st->errors[SQL_DATA_ERROR], "query string is too large");
        return NULL;
    }
    if (strlen(text) != (size_t)n) {
        nj_sqlite_programming_error(st, "the query contains a null character");
        return NULL;
    }
    sqlite3 *db = c->db;
    sqlite3_stmt *prepared = NULL;
    const char *tail;
    int rc;
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_prepare_v2(db, text, (int)n + 1, &prepared, &tail);
    Py_END_ALLOW_THREADS
    if (rc != SQLITE_OK) {
        nj_sqlite_error(st, db);
        return NULL;
    }
    if (PyErr_Occurred()) {
        goto error;
    }
    if (!nj_sqlite_only_comments(tail, (size_t)(text + n - tail))) {
        nj_sqlite_programming_error(st, "You can only execute one statement at a time.");
        goto error;
    }
    Statement *s = (Statement *)st->statement_type->tp_alloc(st->statement_type, 0);
    if (!s) {
        goto error;
    }
    const char *end = text + n, *p = skip_comments(text, end);
    s->st = prepared;
    s->is_dml = starts_with(p, end, "insert") || starts_with(p, end, "update")
                || starts_with(p, end, "delete") || starts_with(p, end, "replace");
    return s;
error:
    sqlite3_finalize(prepared);
    return NULL;
}

static int
statement_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
statement_dealloc(PyObject *op)
{
    Statement *s = (Statement *)op;
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (s->st) {
        PyObject *exc = PyErr_GetRaisedException();
        Py_BEGIN_ALLOW_THREADS
        sqlite3_finalize(s->st);
        Py_END_ALLOW_THREADS
        PyErr_SetRaisedException(exc);
    }
    Py_XDECREF(s->sql);
    type->tp_free(op);
    Py_DECREF(type);
}

/* ---- cache -------------------------------------------------------------------------- */

static void
ring_remove(Connection *c, Statement *s)
{
    *(s->prev ? &s->prev->next : &c->oldest) = s->next;
    *(s->next ? &s->next->prev : &c->newest) = s->prev;
    s->prev = s->next = NULL;
}

static void
ring_append(Connection *c, Statement *s)
{
    s->prev = c->newest;
    *(c->newest ? &c->newest->next : &c->oldest) = s;
    c->newest = s;
}

static int
forget_oldest(Connection *c)
{
    Statement *s = c->oldest;
    ring_remove(c, s);
    NJ_OWN sql = s->sql;
    s->sql = NULL;
    return PyDict_DelItem(c->cache, sql);
}

void
nj_sqlite_cache_clear(Connection *c)
{
    for (Statement *s = c->oldest, *next; s; s = next) {
        next = s->next;
        s->prev = s->next = NULL;
        Py_CLEAR(s->sql);
    }
    c->oldest = c->newest = NULL;
    if (c->cache) {
        PyDict_Clear(c->cache);
    }
}

/* A statement for sql that nobody is stepping through: a new reference. */
Statement *
nj_sqlite_statement_get(Connection *c, PyObject *sql)
{
    PyObject *found = NULL;
    if (c->cache_size > 0 && PyDict_GetItemRef(c->cache, sql, &found) < 0) {
        return NULL;
    }
    if (found) {
        Statement *s = (Statement *)found;
        if (s != c->newest) {
            ring_remove(c, s);
            ring_append(c, s);
        }
        if (!s->st || !sqlite3_stmt_busy(s->st)) {
            return s;
        }
        Py_DECREF(found);
        return nj_sqlite_statement_new(c, sql);
    }
    Statement *s = nj_sqlite_statement_new(c, sql);
    if (!s || c->cache_size <= 0 || !PyUnicode_CheckExact(sql)) {
        return s;
    }
    /* preparing may have run an authorizer that filled the cache */
    int have = PyDict_Contains(c->cache, sql);
    if (have == 0
        && ((PyDict_GET_SIZE(c->cache) >= c->cache_size && forget_oldest(c) < 0)
            || PyDict_SetItem(c->cache, sql, (PyObject *)s) < 0)) {
        have = -1;
    }
    if (have < 0) {
        Py_DECREF(s);
        return NULL;
    }
    if (have == 0) {
        s->sql = Py_NewRef(sql);
        ring_append(c, s);
    }
    return s;
}

/* ---- running ------------------------------------------------------------------------ */

void
nj_sqlite_reset(Statement *s)
{
    if (s->st && sqlite3_stmt_busy(s->st)) {
        Py_BEGIN_ALLOW_THREADS
        sqlite3_reset(s->st);
        Py_END_ALLOW_THREADS
    } else if (s->st) {
        sqlite3_reset(s->st); /* has run to its end, or never */
    }
}

int
nj_sqlite_step(sqlite3_stmt *st)
{
    int rc;
    if (!st) {
        return SQLITE_DONE;
    }
    Py_BEGIN_ALLOW_THREADS
    rc = sqlite3_step(st);
    Py_END_ALLOW_THREADS
    return rc;
}

/* Binds one adapted value. 0; -1 with an exception; -2 if SQLite refused; -3 if the type
 * cannot be bound. */
static int
bind_one(sqlite3_stmt *st, int pos, PyObject *v)
{
    int rc;
    if (v == Py_None) {
        rc = sqlite3_bind_null(st, pos);
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
        rc = sqlite3_bind_int64(st, pos, i);
    } else if (PyFloat_Check(v)) {
        rc = sqlite3_bind_double(st, pos, PyFloat_AS_DOUBLE(v));
    } else if (PyUnicode_Check(v)) {
        Py_ssize_t n;
        const char *text = PyUnicode_AsUTF8AndSize(v, &n);
        if (!text) {
            return -1;
        }
        rc = sqlite3_bind_text64(st, pos, text, (sqlite3_uint64)n, SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
    } else if (PyObject_CheckBuffer(v)) {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(v, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        /* not NULL, which would be no blob but null */
        rc = sqlite3_bind_blob64(st, pos, view.len ? view.buf : "",
                                 (sqlite3_uint64)view.len, SQLITE_TRANSIENT);
    } else {
        return -3;
    }
    return rc == SQLITE_OK ? 0 : -2;
}

static bool
needs_adapting(SqlState *st, PyObject *v)
{
    if (st->base_types_adapted) {
        return true;
    }
    return !(PyLong_CheckExact(v) || PyFloat_CheckExact(v) || PyUnicode_CheckExact(v)
             || PyByteArray_CheckExact(v));
}

static int
bind_value(SqlState *st, Statement *s, int pos, PyObject *value)
{
    NJ_OWN adapted = NULL;
    if (needs_adapting(st, value)) {
        adapted = nj_sqlite_adapt(st, value, (PyObject *)st->prepare_protocol_type, value);
        if (!adapted) {
            return -1;
        }
    } else {
        adapted = Py_NewRef(value);
    }
    int r = bind_one(s->st, pos, adapted);
    if (r == -2) {
        return nj_sqlite_error(st, sqlite3_db_handle(s->st));
    }
    if (r == -3) {
        PyErr_Format(st->errors[SQL_PROGRAMMING_ERROR],
                     "Error binding parameter %d: type '%s' is not supported", pos,
                     Py_TYPE(adapted)->tp_name);
        return -1;
    }
    return r;
}

static int
bind_sequence(SqlState *st, Statement *s, PyObject *parameters, int needed)
{
    Py_ssize_t n = PySequence_Size(parameters);
    if (n < 0) {
        return -1;
    }
    if (n != needed) {
        PyErr_Format(st->errors[SQL_PROGRAMMING_ERROR],
                     "Incorrect number of bindings supplied. The current statement uses "
                     "%d, and there are %zd supplied.",
                     needed, n);
        return -1;
    }
    for (int i = 0; i < needed; i++) {
        const char *name = sqlite3_bind_parameter_name(s->st, i + 1);
        if (name && name[0] != '?') {
            PyErr_Format(st->errors[SQL_PROGRAMMING_ERROR],
                         "Binding %d ('%s') is a named parameter, but you supplied a "
                         "sequence which requires nameless (qmark) placeholders.",
                         i + 1, name);
            return -1;
        }
        NJ_OWN value = NULL;
        if (PyTuple_CheckExact(parameters)) {
            value = Py_NewRef(PyTuple_GET_ITEM(parameters, i));
        } else if (PyList_CheckExact(parameters)) {
            value = PyList_GetItemRef(parameters, i); /* the list may shrink meanwhile */
        } else {
            value = PySequence_GetItem(parameters, i);
        }
        if (!value || bind_value(st, s, i + 1, value) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
bind_mapping(SqlState *st, Statement *s, PyObject *parameters, int needed)
{
    for (int i = 0; i < needed; i++) {
        const char *name = sqlite3_bind_parameter_name(s->st, i + 1);
        if (!name) {
            PyErr_Format(st->errors[SQL_PROGRAMMING_ERROR],
                         "Binding %d has no name, but you supplied a dictionary (which has "
                         "only names).",
                         i + 1);
            return -1;
        }
        NJ_OWN key = PyUnicode_FromString(name + 1); /* without : @ or $ */
        NJ_OWN value = key ? PyObject_GetItem(parameters, key) : NULL;
        if (!value) {
            if (key && PyErr_ExceptionMatches(PyExc_LookupError)) {
                PyErr_Format(st->errors[SQL_PROGRAMMING_ERROR],
                             "You did not supply a value for binding parameter :%U.", key);
            }
            return -1;
        }
        if (bind_value(st, s, i + 1, value) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Binds a sequence or mapping to a statement that is not running. 0/-1. */
int
nj_sqlite_bind(SqlState *st, Statement *s, PyObject *parameters)
{
    int needed = s->st ? sqlite3_bind_parameter_count(s->st) : 0;
    if (PyTuple_CheckExact(parameters) || PyList_CheckExact(parameters)
        || (!PyDict_Check(parameters) && PySequence_Check(parameters))) {
        return bind_sequence(st, s, parameters, needed);
    }
    if (PyDict_Check(parameters) || PyMapping_Check(parameters)) {
        return bind_mapping(st, s, parameters, needed);
    }
    nj_sqlite_programming_error(st, "parameters are of unsupported type");
    return -1;
}

static PyType_Slot statement_slots[] = {
    {Py_tp_dealloc, statement_dealloc},
    {Py_tp_traverse, statement_traverse},
    {0, NULL},
};

PyType_Spec nj_sqlite_statement_spec = {
    .name = "sqlite3.Statement",
    .basicsize = sizeof(Statement),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = statement_slots,
};

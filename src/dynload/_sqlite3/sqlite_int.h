/* sqlite_int.h - the objects of _sqlite3 and what its files share.
 *
 * Every call that may run long or call back (prepare, step, finalize, backup, ...) is made
 * without the GIL; callbacks.c takes it again. A connection counts as usable when
 * nj_sqlite_check_thread and nj_sqlite_check_open pass.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_SQLITE_INT_H
#define NJ_SQLITE_INT_H

#include "nj.h"

#include <sqlite3.h>

#include <limits.h>

/* exceptions, in the order of the table in module.c */
enum {
    SQL_WARNING,
    SQL_ERROR,
    SQL_INTERFACE_ERROR,
    SQL_DATABASE_ERROR,
    SQL_INTERNAL_ERROR,
    SQL_OPERATIONAL_ERROR,
    SQL_PROGRAMMING_ERROR,
    SQL_INTEGRITY_ERROR,
    SQL_DATA_ERROR,
    SQL_NOT_SUPPORTED_ERROR,
    SQL_NERRORS
};

enum { PARSE_DECLTYPES = 1, PARSE_COLNAMES = 2 };

typedef enum Autocommit {
    AUTOCOMMIT_LEGACY = -1,
    AUTOCOMMIT_DISABLED = 0,
    AUTOCOMMIT_ENABLED = 1,
} Autocommit;

/* method and argument names */
enum { STR_CURSOR, STR_EXECUTE, STR_EXECUTEMANY, STR_EXECUTESCRIPT, STR_FILTER, NSTRINGS };

typedef struct SqlState {
    PyTypeObject *connection_type, *cursor_type, *row_type, *blob_type, *statement_type,
        *prepare_protocol_type;
    PyObject *errors[SQL_NERRORS];
    PyObject *strings[NSTRINGS];
    PyObject *converters, *adapters; /* dicts */
    bool base_types_adapted;         /* somebody adapts int, float, str or bytearray */
    bool callback_tracebacks;
} SqlState;

/* A prepared statement. Those in a connection's cache are in its ring, too. */
typedef struct Statement {
    PyObject_HEAD
    sqlite3_stmt *st; /* NULL for a text without a statement */
    bool is_dml;      /* insert, update, delete, replace */
    struct Statement *prev, *next; /* towards less, more recently used */
    PyObject *sql;                 /* key in the cache, while cached */
} Statement;

struct Blob;

/* A Python callable that SQLite calls; it counts references of its own. */
typedef struct Callback {
    PyObject *callable, *module;
    SqlState *state;
    int refs; /* under the GIL */
} Callback;

typedef struct Connection {
    PyObject_HEAD
    sqlite3 *db; /* NULL: closed or not yet open */
    SqlState *state;
    int detect_types;
    const char *isolation_level; /* canonical text or NULL */
    Autocommit autocommit;
    bool check_same_thread, initialized;
    unsigned long thread_ident;
    PyObject *row_factory, *text_factory;
    PyObject *cache; /* dict str -> Statement */
    Py_ssize_t cache_size;
    Statement *oldest, *newest; /* ring of the cache, owned by the dict */
    struct Blob *blobs;         /* open ones, not owned */
    Callback *trace, *progress, *authorizer;
    PyObject *errors[SQL_NERRORS];
} Connection;

typedef struct Cursor {
    PyObject_HEAD
    Connection *connection;
    PyObject *description;  /* tuple or None */
    PyObject *row_cast_map; /* list of converters or NULL */
    PyObject *lastrowid;
    PyObject *row_factory;
    Statement *statement; /* with a row to fetch, or NULL */
    PyObject *weakrefs;
    uint32_t arraysize;
    int64_t rowcount;
    bool closed, locked, initialized;
} Cursor;

typedef struct Row {
    PyObject_HEAD
    PyObject *data, *description; /* tuples; description may be None */
} Row;

typedef struct Blob {
    PyObject_HEAD
    Connection *connection;
    sqlite3_blob *blob;
    struct Blob *prev, *next; /* of the connection */
    int offset;
} Blob;

extern PyModuleDef nj_sqlite_module;

/* module.c */
SqlState *nj_sqlite_state(PyTypeObject *type);
PyObject *nj_sqlite_adapt(SqlState *st, PyObject *obj, PyObject *proto, PyObject *alt);
/* Raises what SQLite says last of db; always -1. Keeps an exception already set. */
int nj_sqlite_error(SqlState *st, sqlite3 *db);
void nj_sqlite_programming_error(SqlState *st, const char *text);
/* the UTF-8 text of a str argument without null characters, or NULL with TypeError */
const char *nj_sqlite_text(PyObject *o, const char *function, const char *argument);
int nj_sqlite_warn_keywords(const char *function, const char *parameters, bool one);
/* PyArg_Parse says "at most" where keyword-only arguments follow needed ones */
int nj_sqlite_check_positional(PyObject *args, Py_ssize_t n, const char *function);
int nj_sqlite_convert_int(PyObject *o, void *p);

/* statement.c */
Statement *nj_sqlite_statement_new(Connection *c, PyObject *sql);
Statement *nj_sqlite_statement_get(Connection *c, PyObject *sql);
void nj_sqlite_cache_clear(Connection *c);
void nj_sqlite_reset(Statement *s);
int nj_sqlite_step(sqlite3_stmt *st);
int nj_sqlite_bind(SqlState *st, Statement *s, PyObject *parameters);
bool nj_sqlite_only_comments(const char *sql, size_t n);

/* connection.c */
int nj_sqlite_check_thread(Connection *c);
int nj_sqlite_check_open(Connection *c);
int nj_sqlite_exec(Connection *c, const char *sql);
int nj_sqlite_begin(Connection *c);

/* callbacks.c */
void nj_sqlite_callback_drop(Callback *cb);
PyObject *nj_sqlite_create_function(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *nj_sqlite_create_aggregate(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *nj_sqlite_create_window_function(PyObject *op, PyObject *args);
PyObject *nj_sqlite_create_collation(PyObject *op, PyObject *args);
PyObject *nj_sqlite_set_authorizer(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *nj_sqlite_set_progress_handler(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *nj_sqlite_set_trace_callback(PyObject *op, PyObject *args, PyObject *kwargs);

/* blob.c */
PyObject *nj_sqlite_blobopen(PyObject *self, PyObject *args, PyObject *kwargs);
void nj_sqlite_blobs_close(Connection *c);

extern PyType_Spec nj_sqlite_connection_spec, nj_sqlite_cursor_spec, nj_sqlite_row_spec,
    nj_sqlite_blob_spec, nj_sqlite_statement_spec;

#define KW(f) ((PyCFunction)(void (*)(void))(f))

#endif

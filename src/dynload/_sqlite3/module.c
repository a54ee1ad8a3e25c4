/* module.c - the module _sqlite3: errors, adapters and converters, functions, constants.
 * SPDX-License-Identifier: MIT
 */
#include "sqlite_int.h"

#include "sqlite_names.inc"

SqlState *
nj_sqlite_state(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &nj_sqlite_module);
    return module ? PyModule_GetState(module) : NULL;
}

int
nj_sqlite_convert_int(PyObject *o, void *p)
{
    int v = PyLong_AsInt(o);
    *(int *)p = v;
    return v != -1 || !PyErr_Occurred();
}

int
nj_sqlite_check_positional(PyObject *args, Py_ssize_t n, const char *function)
{
    if (PyTuple_GET_SIZE(args) > n) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes exactly %zd positional argument%s (%zd given)", function, n,
                     n == 1 ? "" : "s", PyTuple_GET_SIZE(args));
        return -1;
    }
    return 0;
}

const char *
nj_sqlite_text(PyObject *o, const char *function, const char *argument)
{
    if (!PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s() argument %s must be str, not %T", function,
                     argument, o);
        return NULL;
    }
    Py_ssize_t n;
    const char *text = PyUnicode_AsUTF8AndSize(o, &n);
    if (text && strlen(text) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return text;
}

int
nj_sqlite_warn_keywords(const char *function, const char *parameters, bool one)
{
    return PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                            "Passing keyword argument%s %s to _sqlite3.Connection.%s() is "
                            "deprecated. Parameter%s %s will become positional-only in "
                            "Python 3.15.",
                            one ? "" : "s", parameters, function, one ? "" : "s",
                            parameters);
}

/* ---- errors ------------------------------------------------------------------------- */

void
nj_sqlite_programming_error(SqlState *st, const char *text)
{
    if (st) {
        PyErr_SetString(st->errors[SQL_PROGRAMMING_ERROR], text);
    }
}

/* The exception for a primary result code. */
static PyObject *
error_class(SqlState *st, int code)
{
    switch (code) {
    case SQLITE_INTERNAL:
    case SQLITE_NOTFOUND:
        return st->errors[SQL_INTERNAL_ERROR];
    case SQLITE_NOMEM:
        return PyExc_MemoryError;
    case SQLITE_ERROR:
    case SQLITE_PERM:
    case SQLITE_ABORT:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_READONLY:
    case SQLITE_INTERRUPT:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_CANTOPEN:
    case SQLITE_PROTOCOL:
    case SQLITE_EMPTY:
    case SQLITE_SCHEMA:
        return st->errors[SQL_OPERATIONAL_ERROR];
    case SQLITE_TOOBIG:
        return st->errors[SQL_DATA_ERROR];
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return st->errors[SQL_INTEGRITY_ERROR];
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
        return st->errors[SQL_INTERFACE_ERROR];
    default: /* SQLITE_CORRUPT and all others */
        return st->errors[SQL_DATABASE_ERROR];
    }
}

static const char *
code_name(int code)
{
    static const struct {
        const char *name;
        int code;
    } names[] = {
#define X(n) {#n, n},
        SQLITE_RESULT_CODES(X)
#undef X
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(names); i++) {
        if (names[i].code == code) {
            return names[i].name;
        }
    }
    return "SQLITE_UNKNOWN";
}

static int
set_attribute(PyObject *o, const char *name, PyObject *NJ_STEALS value)
{
    NJ_OWN v = value;
    return v ? PyObject_SetAttrString(o, name, v) : -1;
}

int
nj_sqlite_error(SqlState *st, sqlite3 *db)
{
    int code = sqlite3_errcode(db), extended = sqlite3_extended_errcode(db);
    if (PyErr_Occurred()) {
        return -1; /* a callback knows better */
    }
    PyObject *cls = error_class(st, code & 0xff);
    if (cls == PyExc_MemoryError) {
        PyErr_NoMemory();
        return -1;
    }
    NJ_OWN message = PyUnicode_DecodeUTF8(sqlite3_errmsg(db),
                                          (Py_ssize_t)strlen(sqlite3_errmsg(db)),
                                          "replace");
    NJ_OWN exc = message ? PyObject_CallOneArg(cls, message) : NULL;
    if (exc
        && set_attribute(exc, "sqlite_errorcode", PyLong_FromLong(extended)) == 0
        && set_attribute(exc, "sqlite_errorname",
                         PyUnicode_FromString(code_name(extended)))
               == 0) {
        PyErr_SetObject(cls, exc);
    }
    return -1;
}

/* ---- adapters and converters -------------------------------------------------------- */

/* Calls a method that may be missing, not be made for the arguments (TypeError) or decline
 * with None: 1 with its result, 0, -1. */
static int
try_method(PyObject *o, const char *name, PyObject *arg, PyObject **result)
{
    NJ_OWN method = NULL;
    int have = PyObject_GetOptionalAttrString(o, name, &method);
    if (have <= 0) {
        return have;
    }
    NJ_OWN r = PyObject_CallOneArg(method, arg);
    if (!r) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
            return -1;
        }
        PyErr_Clear();
        return 0;
    }
    if (r == Py_None) {
        return 0;
    }
    *result = NJ_TAKE(r);
    return 1;
}

/* obj as proto wants it (PEP 246); alt, if given, where nobody can adapt it. */
PyObject *
nj_sqlite_adapt(SqlState *st, PyObject *obj, PyObject *proto, PyObject *alt)
{
    NJ_OWN key = PyTuple_Pack(2, Py_TYPE(obj), proto);
    NJ_OWN adapter = NULL;
    if (!key || PyDict_GetItemRef(st->adapters, key, &adapter) < 0) {
        return NULL;
    }
    if (adapter) {
        return PyObject_CallOneArg(adapter, obj);
    }
    PyObject *result;
    int r = try_method(proto, "__adapt__", obj, &result);
    if (r == 0) {
        r = try_method(obj, "__conform__", proto, &result);
    }
    if (r != 0) {
        return r > 0 ? result : NULL;
    }
    if (alt) {
        return Py_NewRef(alt);
    }
    nj_sqlite_programming_error(st, "can't adapt");
    return NULL;
}

static PyObject *
sqlite_adapt(PyObject *module, PyObject *args)
{
    SqlState *st = PyModule_GetState(module);
    PyObject *obj, *proto = (PyObject *)st->prepare_protocol_type, *alt = NULL;
    return PyArg_UnpackTuple(args, "adapt", 1, 3, &obj, &proto, &alt)
               ? nj_sqlite_adapt(st, obj, proto, alt)
               : NULL;
}

static PyObject *
sqlite_register_adapter(PyObject *module, PyObject *args)
{
    SqlState *st = PyModule_GetState(module);
    PyObject *type, *adapter;
    if (!PyArg_UnpackTuple(args, "register_adapter", 2, 2, &type, &adapter)) {
        return NULL;
    }
    if (type == (PyObject *)&PyLong_Type || type == (PyObject *)&PyFloat_Type
        || type == (PyObject *)&PyUnicode_Type || type == (PyObject *)&PyByteArray_Type) {
        st->base_types_adapted = true;
    }
    NJ_OWN key = PyTuple_Pack(2, type, st->prepare_protocol_type);
    if (!key || PyDict_SetItem(st->adapters, key, adapter) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
sqlite_register_converter(PyObject *module, PyObject *args)
{
    SqlState *st = PyModule_GetState(module);
    PyObject *name, *converter;
    if (!PyArg_UnpackTuple(args, "register_converter", 2, 2, &name, &converter)) {
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError,
                     "register_converter() argument 1 must be str, not %T", name);
        return NULL;
    }
    /* names of types are compared without case */
    NJ_OWN upper = PyObject_CallMethod(name, "upper", NULL);
    if (!upper || PyDict_SetItem(st->converters, upper, converter) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* ---- functions ---------------------------------------------------------------------- */

static PyObject *
sqlite_connect(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    SqlState *st = PyModule_GetState(module);
    PyObject *factory = nargs > 5 ? args[5] : (PyObject *)st->connection_type;
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = 0; i < nkw && nargs <= 5; i++) {
        if (PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(kwnames, i), "factory")) {
            factory = args[nargs + i];
        }
    }
    if (nargs > 1 && nargs <= 8
        && PyErr_WarnEx(PyExc_DeprecationWarning,
                        "Passing more than 1 positional argument to sqlite3.connect() is "
                        "deprecated. Parameters 'timeout', 'detect_types', "
                        "'isolation_level', 'check_same_thread', 'factory', "
                        "'cached_statements' and 'uri' will become keyword-only "
                        "parameters in Python 3.15.",
                        1)
               < 0) {
        return NULL;
    }
    return PyObject_Vectorcall(factory, args, (size_t)nargs, kwnames);
}

static PyObject *
sqlite_complete_statement(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"statement", NULL};
    PyObject *statement;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:complete_statement", names,
                                     &statement)) {
        return NULL;
    }
    const char *text = nj_sqlite_text(statement, "complete_statement", "'statement'");
    return text ? PyBool_FromLong(sqlite3_complete(text)) : NULL;
}

static PyObject *
sqlite_enable_callback_tracebacks(PyObject *module, PyObject *arg)
{
    int enable = PyLong_AsInt(arg);
    if (enable == -1 && PyErr_Occurred()) {
        return NULL;
    }
    ((SqlState *)PyModule_GetState(module))->callback_tracebacks = enable;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"adapt", sqlite_adapt, METH_VARARGS,
     "adapt($module, obj, proto=PrepareProtocolType, alt=<unrepresentable>, /)\n--\n\n"
     "Adapt given object to given protocol."},
    {"complete_statement", KW(sqlite_complete_statement), METH_VARARGS | METH_KEYWORDS,
     "complete_statement($module, /, statement)\n--\n\n"
     "Checks if a string contains a complete SQL statement."},
    {"connect", KW(sqlite_connect), METH_FASTCALL | METH_KEYWORDS,
     "connect($module, /, database, timeout=5.0, detect_types=0,\n"
     "        isolation_level='', check_same_thread=True,\n"
     "        factory=ConnectionType, cached_statements=128, uri=False, *,\n"
     "        autocommit=sqlite3.LEGACY_TRANSACTION_CONTROL)\n--\n\n"
     "Open a connection to the SQLite database file 'database'.\n\n"
     "The name \":memory:\" stands for a database in RAM instead of on disk.\n\n"
     "Note: Passing more than 1 positional argument to _sqlite3.connect() is\n"
     "deprecated. Parameters 'timeout', 'detect_types', 'isolation_level',\n"
     "'check_same_thread', 'factory', 'cached_statements' and 'uri' will\n"
     "become keyword-only parameters in Python 3.15.\n"},
    {"enable_callback_tracebacks", sqlite_enable_callback_tracebacks, METH_O,
     "enable_callback_tracebacks($module, enable, /)\n--\n\n"
     "Enable or disable callback functions throwing errors to stderr."},
    {"register_adapter", sqlite_register_adapter, METH_VARARGS,
     "register_adapter($module, type, adapter, /)\n--\n\n"
     "Register a function to adapt Python objects to SQLite values."},
    {"register_converter", sqlite_register_converter, METH_VARARGS,
     "register_converter($module, typename, converter, /)\n--\n\n"
     "Register a function to convert SQLite values to Python objects."},
    {NULL, NULL, 0, NULL},
};

/* ---- PrepareProtocol ---------------------------------------------------------------- */

static int
protocol_init(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
    return 0; /* anything goes: only the type matters */
}

static int
protocol_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return 0;
}

static void
protocol_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyType_Slot protocol_slots[] = {
    {Py_tp_dealloc, protocol_dealloc},
    {Py_tp_init, protocol_init},
    {Py_tp_traverse, protocol_traverse},
    {Py_tp_doc, "PEP 246 style object adaption protocol type."},
    {0, NULL},
};

static PyType_Spec protocol_spec = {
    .name = "sqlite3.PrepareProtocol",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = protocol_slots,
};

/* ---- the module --------------------------------------------------------------------- */

static int
add_errors(PyObject *m, SqlState *st)
{
    static const struct {
        const char *name;
        int base; /* -1: Exception */
    } table[SQL_NERRORS] = {
        [SQL_WARNING] = {"Warning", -1},
        [SQL_ERROR] = {"Error", -1},
        [SQL_INTERFACE_ERROR] = {"InterfaceError", SQL_ERROR},
        [SQL_DATABASE_ERROR] = {"DatabaseError", SQL_ERROR},
        [SQL_INTERNAL_ERROR] = {"InternalError", SQL_DATABASE_ERROR},
        [SQL_OPERATIONAL_ERROR] = {"OperationalError", SQL_DATABASE_ERROR},
        [SQL_PROGRAMMING_ERROR] = {"ProgrammingError", SQL_DATABASE_ERROR},
        [SQL_INTEGRITY_ERROR] = {"IntegrityError", SQL_DATABASE_ERROR},
        [SQL_DATA_ERROR] = {"DataError", SQL_DATABASE_ERROR},
        [SQL_NOT_SUPPORTED_ERROR] = {"NotSupportedError", SQL_DATABASE_ERROR},
    };
    for (int i = 0; i < SQL_NERRORS; i++) {
        char name[40];
        PyOS_snprintf(name, sizeof name, "sqlite3.%s", table[i].name);
        PyObject *base = table[i].base < 0 ? PyExc_Exception : st->errors[table[i].base];
        st->errors[i] = PyErr_NewException(name, base, NULL);
        if (!st->errors[i] || PyModule_AddType(m, (PyTypeObject *)st->errors[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
add_constants(PyObject *m)
{
    static const struct {
        const char *name;
        int value;
    } constants[] = {
        {"PARSE_DECLTYPES", PARSE_DECLTYPES},
        {"PARSE_COLNAMES", PARSE_COLNAMES},
        {"LEGACY_TRANSACTION_CONTROL", AUTOCOMMIT_LEGACY},
#define X(n) {#n, n},
        SQLITE_RESULT_CODES(X) SQLITE_OTHER_CONSTANTS(X)
#undef X
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(constants); i++) {
        if (PyModule_AddIntConstant(m, constants[i].name, constants[i].value) < 0) {
            return -1;
        }
    }
    /* DB-API: may threads share the module (1), connections (2), cursors (3)? */
    int mode = sqlite3_threadsafe();
    return PyModule_AddIntConstant(m, "threadsafety", mode == 0 ? 0 : mode == 1 ? 3 : 1);
}

static int
add_type(PyObject *m, PyType_Spec *spec, PyTypeObject **where, bool visible)
{
    *where = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
    return !*where ? -1 : visible ? PyModule_AddType(m, *where) : 0;
}

static int
sqlite_exec(PyObject *m)
{
    static const char *const strings[NSTRINGS] = {
        [STR_CURSOR] = "cursor",           [STR_EXECUTE] = "execute",
        [STR_EXECUTEMANY] = "executemany", [STR_EXECUTESCRIPT] = "executescript",
        [STR_FILTER] = "filter",
    };
    SqlState *st = PyModule_GetState(m);
    if (sqlite3_initialize() != SQLITE_OK) {
        PyErr_SetString(PyExc_ImportError, sqlite3_errstr(sqlite3_initialize()));
        return -1;
    }
    for (int i = 0; i < NSTRINGS; i++) {
        st->strings[i] = PyUnicode_InternFromString(strings[i]);
        if (!st->strings[i]) {
            return -1;
        }
    }
    st->converters = PyDict_New();
    st->adapters = PyDict_New();
    if (!st->converters || !st->adapters
        || PyModule_AddObjectRef(m, "converters", st->converters) < 0
        || PyModule_AddObjectRef(m, "adapters", st->adapters) < 0
        || add_type(m, &nj_sqlite_blob_spec, &st->blob_type, true) < 0
        || add_type(m, &nj_sqlite_connection_spec, &st->connection_type, true) < 0
        || add_type(m, &nj_sqlite_cursor_spec, &st->cursor_type, true) < 0
        || add_type(m, &protocol_spec, &st->prepare_protocol_type, true) < 0
        || add_type(m, &nj_sqlite_row_spec, &st->row_type, true) < 0
        || add_type(m, &nj_sqlite_statement_spec, &st->statement_type, false) < 0
        || add_errors(m, st) < 0 || add_constants(m) < 0) {
        return -1;
    }
    return PyModule_AddStringConstant(m, "sqlite_version", sqlite3_libversion());
}

static int
sqlite_traverse(PyObject *m, visitproc visit, void *arg)
{
    SqlState *st = PyModule_GetState(m);
    Py_VISIT(st->connection_type);
    Py_VISIT(st->cursor_type);
    Py_VISIT(st->row_type);
    Py_VISIT(st->blob_type);
    Py_VISIT(st->statement_type);
    Py_VISIT(st->prepare_protocol_type);
    for (int i = 0; i < SQL_NERRORS; i++) {
        Py_VISIT(st->errors[i]);
    }
    Py_VISIT(st->converters);
    Py_VISIT(st->adapters);
    return 0;
}

static int
sqlite_clear(PyObject *m)
{
    SqlState *st = PyModule_GetState(m);
    Py_CLEAR(st->connection_type);
    Py_CLEAR(st->cursor_type);
    Py_CLEAR(st->row_type);
    Py_CLEAR(st->blob_type);
    Py_CLEAR(st->statement_type);
    Py_CLEAR(st->prepare_protocol_type);
    for (int i = 0; i < SQL_NERRORS; i++) {
        Py_CLEAR(st->errors[i]);
    }
    for (int i = 0; i < NSTRINGS; i++) {
        Py_CLEAR(st->strings[i]);
    }
    Py_CLEAR(st->converters);
    Py_CLEAR(st->adapters);
    return 0;
}

static void
sqlite_free(void *m)
{
    sqlite_clear(m);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, sqlite_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

PyModuleDef nj_sqlite_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sqlite3",
    .m_size = sizeof(SqlState),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = sqlite_traverse,
    .m_clear = sqlite_clear,
    .m_free = sqlite_free,
};

PyMODINIT_FUNC PyInit__sqlite3(void);

PyMODINIT_FUNC
PyInit__sqlite3(void)
{
    return PyModuleDef_Init(&nj_sqlite_module);
}

/* _lsprof.c - the profiler behind cProfile: times calls by events of sys.monitoring.
 *
 * Python calls are known by their code object, C calls by their PyMethodDef, so that a
 * method counts as one whatever it is bound to. Code of others runs in three places: in
 * the timer, when the text for a C function is made, and when references are dropped.
 * Around each the tables are whole: while the timer runs, events are ignored, clear()
 * and disable() refused; texts are made before a table is touched; tables are detached
 * before they are freed, and copied before objects are made of them.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <math.h>

#define SIG(s) s "\n--\n\n"
#define TOOL_NAME "cProfile"

typedef struct {
    PyTypeObject *profiler;
    PyTypeObject *entry;
    PyTypeObject *subentry;
} State;

typedef struct Entry Entry;

/* Entries by key: open addressing, at most two thirds full. */
typedef struct {
    Entry **slots;
    size_t size; /* 0 or a power of two */
    size_t used;
} Table;

/* What is known of one function, or (in a table `calls') of its calls from there. */
struct Entry {
    const void *key;  /* of a call: the Entry called */
    PyObject *object; /* code object or text */
    PyTime_t total;
    PyTime_t inline_time;
    long callcount;
    long reccallcount;
    long level; /* calls not yet ended */
    Table calls;
};

/* A call not yet ended. */
typedef struct {
    Entry *entry;
    Entry *call; /* in the caller's table; NULL without subcalls */
    PyTime_t start;
    PyTime_t inner; /* time of the calls made from here */
} Frame;

typedef struct {
    PyObject_HEAD
    Table entries;
    Frame *stack;
    size_t depth;
    size_t capacity;
    PyObject *timer; /* NULL: the built-in clock */
    double timeunit;
    bool subcalls;
    bool builtins;
    bool enabled;
    bool in_timer;
} Profiler;

#define PROFILER(o) ((Profiler *)(o))

/* ---- tables ---- */

static size_t
find_slot(const Table *t, const void *key)
{
    size_t h = (size_t)(uintptr_t)key;
    size_t i = (h >> 4) ^ (h >> 13);
    for (;; i++) {
        Entry *e = t->slots[i & (t->size - 1)];
        if (!e || e->key == key) {
            return i & (t->size - 1);
        }
    }
}

static Entry *
find_entry(const Table *t, const void *key)
{
    return t->size ? t->slots[find_slot(t, key)] : NULL;
}

static int
grow_table(Table *t)
{
    Table larger = {.size = t->size ? t->size * 2 : 8, .used = t->used};
    larger.slots = PyMem_Calloc(larger.size, sizeof *larger.slots);
    if (!larger.slots) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < t->size; i++) {
        if (t->slots[i]) {
            larger.slots[find_slot(&larger, t->slots[i]->key)] = t->slots[i];
        }
    }
    PyMem_Free(t->slots);
    *t = larger;
    return 0;
}

/* A new entry for a key not in the table. Runs no code of others. */
static Entry *
add_entry(Table *t, const void *key, PyObject *object)
{
    if (3 * (t->used + 1) > 2 * t->size && grow_table(t) < 0) {
        return NULL;
    }
    Entry *e = PyMem_Calloc(1, sizeof *e);
    if (!e) {
        PyErr_NoMemory();
        return NULL;
    }
    e->key = key;
    e->object = Py_NewRef(object);
    t->slots[find_slot(t, key)] = e;
    t->used++;
    return e;
}

/* Frees a table that nothing refers to any more. */
static void
free_table(Table *t)
{
    for (size_t i = 0; i < t->size; i++) {
        Entry *e = t->slots[i];
        if (e) {
            free_table(&e->calls);
            Py_DECREF(e->object);
            PyMem_Free(e);
        }
    }
    PyMem_Free(t->slots);
}

static void
drop_entries(Profiler *p)
{
    Table old = p->entries;
    Frame *stack = p->stack;
    p->entries = (Table){0};
    p->stack = NULL;
    p->depth = p->capacity = 0;
    PyMem_Free(stack);
    free_table(&old);
}

/* ---- time ---- */

/* Timers may answer anything: differences and sums wrap around. */
static PyTime_t
add_times(PyTime_t a, PyTime_t b)
{
    return (PyTime_t)((uint64_t)a + (uint64_t)b);
}

static PyTime_t
subtract_times(PyTime_t a, PyTime_t b)
{
    return (PyTime_t)((uint64_t)a - (uint64_t)b);
}

static int
refuse_range(void)
{
    PyErr_SetString(PyExc_OverflowError, "timestamp out of range for C PyTime_t");
    return -1;
}

static int
read_integer(PyObject *o, PyTime_t *out)
{
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
        return refuse_range();
    }
    *out = v;
    return v == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Seconds, integer or float, as nanoseconds. */
static int
read_seconds(PyObject *o, PyTime_t *out)
{
    if (PyFloat_Check(o)) {
        double d = PyFloat_AS_DOUBLE(o);
        if (isnan(d)) {
            PyErr_SetString(PyExc_ValueError, "Invalid value NaN (not a number)");
            return -1;
        }
        d = floor(d * 1e9);
        if (!(d >= -0x1p63 && d < 0x1p63)) {
            return refuse_range();
        }
        *out = (PyTime_t)d;
        return 0;
    }
    if (!PyLong_Check(o)) {
        PyErr_Format(PyExc_TypeError,
                     "'%T' object cannot be interpreted as an integer or float", o);
        return -1;
    }
    PyTime_t seconds;
    if (read_integer(o, &seconds) < 0) {
        return -1;
    }
    if (__builtin_mul_overflow(seconds, (PyTime_t)1000000000, out)) {
        return refuse_range();
    }
    return 0;
}

/* With a unit the timer counts in integers, without one in seconds. */
static int
read_answer(Profiler *p, PyObject *o, PyTime_t *out)
{
    if (!(p->timeunit > 0.0)) {
        return read_seconds(o, out);
    }
    if (!PyLong_Check(o)) {
        PyErr_Format(PyExc_TypeError, "expect int, got %T", o);
        return -1;
    }
    return read_integer(o, out);
}

/* Asks the timer of the user. Its errors are reported and count as 0. */
static NJ_COLD PyTime_t
ask_timer(Profiler *p)
{
    PyObject *pending = PyErr_GetRaisedException();
    PyObject *timer = Py_NewRef(p->timer);
    PyTime_t t = 0;
    p->in_timer = true;
    PyObject *answer = PyObject_CallNoArgs(timer);
    if (!answer || read_answer(p, answer, &t) < 0) {
        t = 0;
        PyErr_FormatUnraisable("Exception ignored while calling _lsprof timer %R",
                               timer);
    }
    Py_XDECREF(answer);
    Py_DECREF(timer);
    p->in_timer = false;
    PyErr_SetRaisedException(pending);
    return t;
}

static PyTime_t
read_clock(Profiler *p)
{
    if (p->timer) {
        return ask_timer(p);
    }
    PyTime_t t = 0;
    (void)PyTime_PerfCounterRaw(&t);
    return t;
}

/* ---- calls ---- */

/* Begins a call. Reads the clock last, so that our own time is the caller's. */
static int
begin_call(Profiler *p, Entry *entry)
{
    if (p->depth == p->capacity) {
        size_t n = p->capacity ? 2 * p->capacity : 32;
        Frame *stack = PyMem_Realloc(p->stack, n * sizeof *stack);
        if (!stack) {
            PyErr_NoMemory();
            return -1;
        }
        p->stack = stack;
        p->capacity = n;
    }
    Entry *call = NULL;
    if (p->subcalls && p->depth) {
        Table *calls = &p->stack[p->depth - 1].entry->calls;
        call = find_entry(calls, entry);
        if (!call) {
            call = add_entry(calls, entry, entry->object);
            if (!call) {
                return -1;
            }
        }
        call->level++;
    }
    entry->level++;
    Frame *frame = &p->stack[p->depth++];
    *frame = (Frame){.entry = entry, .call = call};
    frame->start = read_clock(p);
    return 0;
}

/* Time of recursive calls is contained in that of the outermost. */
static void
count_call(Entry *e, PyTime_t total, PyTime_t inline_time)
{
    if (--e->level == 0) {
        e->total = add_times(e->total, total);
    }
    else {
        e->reccallcount++;
    }
    e->inline_time = add_times(e->inline_time, inline_time);
    e->callcount++;
}

/* Ends the innermost call, which is one of `entry'; a function never seen to begin has
 * none, and what is innermost is left out. */
static void
end_call(Profiler *p, Entry *entry)
{
    if (!entry) {
        p->depth--;
        return;
    }
    PyTime_t now = read_clock(p);
    Frame frame = p->stack[--p->depth];
    PyTime_t total = subtract_times(now, frame.start);
    PyTime_t inline_time = subtract_times(total, frame.inner);
    Entry *call = frame.call;
    if (p->depth) {
        Frame *caller = &p->stack[p->depth - 1];
        caller->inner = add_times(caller->inner, total);
        /* Events of threads or of calls begun before us may come out of order. */
        if (entry != frame.entry && call) {
            call = find_entry(&caller->entry->calls, entry);
        }
    }
    count_call(entry, total, inline_time);
    if (call) {
        count_call(call, total, inline_time);
    }
}

static int
begin_function(Profiler *p, const void *key, PyObject *object)
{
    Entry *e = find_entry(&p->entries, key);
    if (!e) {
        e = add_entry(&p->entries, key, object);
    }
    return e ? begin_call(p, e) : -1;
}

static void
end_function(Profiler *p, const void *key)
{
    if (p->depth) {
        end_call(p, find_entry(&p->entries, key));
    }
}

/* ---- C functions ---- */

/* The definition of a C function or method about to be called, or NULL for callables
 * that are not counted. */
static PyMethodDef *
find_def(PyObject *callable, PyObject *self_arg)
{
    if (PyCFunction_Check(callable)) {
        return ((PyCFunctionObject *)callable)->m_ml;
    }
    if (Py_IS_TYPE(callable, &PyMethodDescr_Type)
        && PyObject_TypeCheck(self_arg, PyDescr_TYPE(callable))) {
        return ((PyMethodDescrObject *)callable)->d_method;
    }
    return NULL;
}

/* The attribute in the classes of a type: a new reference; NULL, maybe an error. */
static PyObject *
find_in_mro(PyTypeObject *type, PyObject *name)
{
    NJ_OWN mro = Py_XNewRef(type->tp_mro);
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++) {
        NJ_OWN dict = PyType_GetDict((PyTypeObject *)PyTuple_GET_ITEM(mro, i));
        PyObject *found = NULL;
        if (dict && PyDict_GetItemRef(dict, name, &found) != 0) {
            return found;
        }
    }
    return NULL;
}

/* The text for a C function. One of a module: its full name. A method: what its class
 * has under that name, since the bound one would show the object. */
static PyObject *
describe_function(PyObject *callable)
{
    if (!PyCFunction_Check(callable)) {
        return PyObject_Repr(callable);
    }
    PyCFunctionObject *f = (PyCFunctionObject *)callable;
    if (f->m_self && !PyModule_Check(f->m_self)) {
        NJ_OWN name = PyUnicode_FromString(f->m_ml->ml_name);
        NJ_OWN found = name ? find_in_mro(Py_TYPE(f->m_self), name) : NULL;
        NJ_OWN text = found ? PyObject_Repr(found) : NULL;
        if (text) {
            return NJ_TAKE(text);
        }
        PyErr_Clear();
        return PyUnicode_FromFormat("<built-in method %s>", f->m_ml->ml_name);
    }
    NJ_OWN owner = Py_XNewRef(f->m_module);
    if (owner && PyModule_Check(owner)) {
        NJ_SET(owner, PyModule_GetNameObject(owner));
        if (!owner) {
            PyErr_Clear();
        }
    }
    if (owner && PyUnicode_Check(owner)) {
        return PyUnicode_FromFormat("<built-in method %U.%s>", owner, f->m_ml->ml_name);
    }
    return PyUnicode_FromFormat("<built-in method %s>", f->m_ml->ml_name);
}

/* ---- callbacks ---- */

static int
check_count(const char *name, Py_ssize_t expected, Py_ssize_t n)
{
    if (n == expected) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s expected %zd arguments, got %zd", name, expected,
                 n);
    return -1;
}

static PyObject *
begin_python(PyObject *self, PyObject *const *args)
{
    Profiler *p = PROFILER(self);
    if (!p->in_timer && begin_function(p, args[0], args[0]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
profiler_pystart(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return check_count("_pystart_callback", 2, n) < 0 ? NULL : begin_python(self, args);
}

static PyObject *
profiler_pythrow(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    return check_count("_pythrow_callback", 3, n) < 0 ? NULL : begin_python(self, args);
}

static PyObject *
profiler_pyreturn(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (check_count("_pyreturn_callback", 3, n) < 0) {
        return NULL;
    }
    if (!PROFILER(self)->in_timer) {
        end_function(PROFILER(self), args[0]);
    }
    Py_RETURN_NONE;
}

static PyObject *
profiler_ccall(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Profiler *p = PROFILER(self);
    if (check_count("_ccall_callback", 4, n) < 0) {
        return NULL;
    }
    PyMethodDef *def = p->builtins && !p->in_timer ? find_def(args[2], args[3]) : NULL;
    if (!def) {
        Py_RETURN_NONE;
    }
    NJ_OWN text = NULL;
    Entry *known = find_entry(&p->entries, def);
    if (!known) {
        text = describe_function(args[2]);
        if (!text) {
            return NULL;
        }
    }
    if (begin_function(p, def, known ? known->object : text) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
profiler_creturn(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Profiler *p = PROFILER(self);
    if (check_count("_creturn_callback", 4, n) < 0) {
        return NULL;
    }
    PyMethodDef *def = p->builtins && !p->in_timer ? find_def(args[2], args[3]) : NULL;
    if (def) {
        end_function(p, def);
    }
    Py_RETURN_NONE;
}

/* ---- enable and disable ---- */

static const struct {
    const char *event;
    const char *callback; /* name of our method */
} callbacks[] = {
    {"PY_START", "_pystart_callback"},    {"PY_RESUME", "_pystart_callback"},
    {"PY_THROW", "_pythrow_callback"},    {"PY_RETURN", "_pyreturn_callback"},
    {"PY_YIELD", "_pyreturn_callback"},   {"PY_UNWIND", "_pyreturn_callback"},
    {"CALL", "_ccall_callback"},          {"C_RETURN", "_creturn_callback"},
    {"C_RAISE", "_creturn_callback"},
};

static PyObject *
get_monitoring(void)
{
    PyObject *m = PySys_GetObject("monitoring");
    if (!m) {
        PyErr_SetString(PyExc_RuntimeError, "lost sys.monitoring");
    }
    return Py_XNewRef(m);
}

static int
get_tool(PyObject *monitoring)
{
    NJ_OWN id = PyObject_GetAttrString(monitoring, "PROFILER_ID");
    return id ? PyLong_AsInt(id) : -1;
}

/* Sets our callbacks, or none, and the events that they are for. */
static int
set_events(PyObject *self, PyObject *monitoring, int tool, bool on)
{
    NJ_OWN events = PyObject_GetAttrString(monitoring, "events");
    if (!events) {
        return -1;
    }
    long all = 0;
    for (size_t i = 0; i < NJ_ARRAY_LEN(callbacks); i++) {
        NJ_OWN event = PyObject_GetAttrString(events, callbacks[i].event);
        long bit = event ? PyLong_AsLong(event) : -1;
        if (bit == -1 && PyErr_Occurred()) {
            return -1;
        }
        all |= bit;
        NJ_OWN callback =
            on ? PyObject_GetAttrString(self, callbacks[i].callback)
               : Py_NewRef(Py_None);
        if (!callback) {
            return -1;
        }
        NJ_OWN old = PyObject_CallMethod(monitoring, "register_callback", "iOO", tool,
                                         event, callback);
        if (!old) {
            return -1;
        }
    }
    NJ_OWN done =
        PyObject_CallMethod(monitoring, "set_events", "il", tool, on ? all : 0L);
    return done ? 0 : -1;
}

static int
free_tool(PyObject *monitoring, int tool)
{
    NJ_OWN done = PyObject_CallMethod(monitoring, "free_tool_id", "i", tool);
    return done ? 0 : -1;
}

static PyObject *
profiler_enable(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"subcalls", "builtins", NULL};
    Profiler *p = PROFILER(self);
    int subcalls = 1, builtins = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|pp:enable", names, &subcalls,
                                     &builtins)) {
        return NULL;
    }
    NJ_OWN monitoring = get_monitoring();
    int tool = monitoring ? get_tool(monitoring) : -1;
    if (tool < 0) {
        return NULL;
    }
    NJ_OWN used =
        PyObject_CallMethod(monitoring, "use_tool_id", "is", tool, TOOL_NAME);
    if (!used) {
        return NULL;
    }
    p->subcalls = subcalls;
    p->builtins = builtins;
    p->enabled = true;
    if (set_events(self, monitoring, tool, true) < 0) {
        PyObject *error = PyErr_GetRaisedException();
        p->enabled = false;
        if (free_tool(monitoring, tool) < 0) {
            PyErr_Clear();
        }
        PyErr_SetRaisedException(error);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
profiler_disable(PyObject *self, PyObject *ignored)
{
    Profiler *p = PROFILER(self);
    if (p->in_timer) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot disable profiler in external timer");
        return NULL;
    }
    if (!p->enabled) {
        Py_RETURN_NONE;
    }
    NJ_OWN monitoring = get_monitoring();
    int tool = monitoring ? get_tool(monitoring) : -1;
    if (tool < 0 || set_events(self, monitoring, tool, false) < 0
        || free_tool(monitoring, tool) < 0) {
        return NULL;
    }
    /* From here on the timer may enable us again. */
    p->enabled = false;
    while (p->depth) {
        end_call(p, p->stack[p->depth - 1].entry);
    }
    Py_RETURN_NONE;
}

static PyObject *
profiler_clear(PyObject *self, PyObject *ignored)
{
    if (PROFILER(self)->in_timer) {
        PyErr_SetString(PyExc_RuntimeError, "cannot clear profiler in external timer");
        return NULL;
    }
    drop_entries(PROFILER(self));
    Py_RETURN_NONE;
}

/* ---- statistics ---- */

/* A copy of one entry; those of its calls follow it. */
typedef struct {
    PyObject *object; /* owned */
    PyTime_t total;
    PyTime_t inline_time;
    long callcount;
    long reccallcount;
    size_t calls;
} Row;

static void
copy_entry(Row *row, const Entry *e)
{
    *row = (Row){Py_NewRef(e->object), e->total,        e->inline_time,
                 e->callcount,         e->reccallcount, e->calls.used};
}

/* Copies all, running no code of others. Returns the number of rows, -1 on error. */
static Py_ssize_t
copy_rows(const Table *entries, Row **out)
{
    size_t n = 0;
    for (size_t i = 0; i < entries->size; i++) {
        if (entries->slots[i] && entries->slots[i]->callcount) {
            n += 1 + entries->slots[i]->calls.used;
        }
    }
    *out = PyMem_New(Row, n ? n : 1);
    if (!*out) {
        PyErr_NoMemory();
        return -1;
    }
    Row *row = *out;
    for (size_t i = 0; i < entries->size; i++) {
        const Entry *e = entries->slots[i];
        if (!e || !e->callcount) {
            continue;
        }
        copy_entry(row++, e);
        for (size_t k = 0; k < e->calls.size; k++) {
            if (e->calls.slots[k]) {
                copy_entry(row++, e->calls.slots[k]);
            }
        }
    }
    return row - *out;
}

/* A structure from a row; `calls' is stolen, NULL for a subentry. */
static PyObject *
make_entry(PyTypeObject *type, const Row *row, double unit, PyObject *calls)
{
    NJ_OWN owned = calls;
    NJ_OWN entry = PyStructSequence_New(type);
    if (!entry) {
        return NULL;
    }
    PyObject *items[] = {
        Py_NewRef(row->object),
        PyLong_FromLong(row->callcount),
        PyLong_FromLong(row->reccallcount),
        PyFloat_FromDouble(unit * (double)row->total),
        PyFloat_FromDouble(unit * (double)row->inline_time),
        NJ_TAKE(owned),
    };
    size_t n = items[5] ? 6 : 5;
    bool whole = true;
    for (size_t i = 0; i < n; i++) {
        whole = whole && items[i];
        PyStructSequence_SetItem(entry, (Py_ssize_t)i, items[i]);
    }
    return whole ? NJ_TAKE(entry) : NULL;
}

/* The entry of the row, with the list of its calls from the rows after it. */
static PyObject *
make_entry_with_calls(const State *st, const Row *row, double unit)
{
    NJ_OWN calls = row->calls ? PyList_New(0) : Py_NewRef(Py_None);
    for (size_t i = 1; calls && i <= row->calls; i++) {
        NJ_OWN call = make_entry(st->subentry, &row[i], unit, NULL);
        if (!call || PyList_Append(calls, call) < 0) {
            return NULL;
        }
    }
    return calls ? make_entry(st->entry, row, unit, NJ_TAKE(calls)) : NULL;
}

static PyObject *
profiler_getstats(PyObject *self, PyTypeObject *cls, PyObject *const *args,
                  Py_ssize_t n, PyObject *kwnames)
{
    if (n || (kwnames && PyTuple_GET_SIZE(kwnames))) {
        PyErr_SetString(PyExc_TypeError, "getstats() takes no arguments");
        return NULL;
    }
    const State *st = PyType_GetModuleState(cls);
    Profiler *p = PROFILER(self);
    double unit = p->timer && p->timeunit != 0.0 ? p->timeunit : 1e-9;
    Row *rows;
    Py_ssize_t count = st ? copy_rows(&p->entries, &rows) : -1;
    if (count < 0) {
        return NULL;
    }
    PyObject *result = PyList_New(0);
    for (Py_ssize_t i = 0; result && i < count; i += 1 + (Py_ssize_t)rows[i].calls) {
        NJ_OWN entry = make_entry_with_calls(st, &rows[i], unit);
        if (!entry || PyList_Append(result, entry) < 0) {
            Py_CLEAR(result);
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_DECREF(rows[i].object);
    }
    PyMem_Free(rows);
    return result;
}

/* ---- the type ---- */

static int
profiler_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"timer", "timeunit", "subcalls", "builtins", NULL};
    Profiler *p = PROFILER(self);
    PyObject *timer = Py_None;
    double timeunit = 0.0;
    int subcalls = 1, builtins = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Odpp:Profiler", names, &timer,
                                     &timeunit, &subcalls, &builtins)) {
        return -1;
    }
    p->timeunit = timeunit;
    p->subcalls = subcalls;
    p->builtins = builtins;
    NJ_SET(p->timer, timer == Py_None ? NULL : Py_NewRef(timer));
    return 0;
}

static int
profiler_traverse(PyObject *self, visitproc visit, void *arg)
{
    Profiler *p = PROFILER(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(p->timer);
    /* Calls are visited, too: each owns a reference of its own. */
    for (size_t i = 0; i < p->entries.size; i++) {
        Entry *e = p->entries.slots[i];
        if (!e) {
            continue;
        }
        Py_VISIT(e->object);
        for (size_t k = 0; k < e->calls.size; k++) {
            if (e->calls.slots[k]) {
                Py_VISIT(e->calls.slots[k]->object);
            }
        }
    }
    return 0;
}

static int
profiler_gc_clear(PyObject *self)
{
    Py_CLEAR(PROFILER(self)->timer);
    drop_entries(PROFILER(self));
    return 0;
}

static void
profiler_dealloc(PyObject *self)
{
    /* An enabled profiler is kept alive by its callbacks: they are gone by now. */
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    (void)profiler_gc_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

#define CALLBACK(f) (PyCFunction)(void (*)(void))f

static PyMethodDef profiler_methods[] = {
    {"getstats", CALLBACK(profiler_getstats),
     METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     SIG("getstats($self, /)")
     "All that was collected, as a list of profiler_entry objects.\n\n"
     "Attributes of a profiler_entry, which is also a tuple:\n\n"
     "    code          code object, or text for a built-in function\n"
     "    callcount     number of calls\n"
     "    reccallcount  number of recursive calls among them\n"
     "    totaltime     time spent in it, with what it called\n"
     "    inlinetime    time spent in it alone\n"
     "    calls         None, or a list of profiler_subentry objects\n\n"
     "A profiler_subentry tells of the calls of one function from there; it has the\n"
     "same attributes but for calls."},
    {"enable", CALLBACK(profiler_enable), METH_VARARGS | METH_KEYWORDS,
     SIG("enable($self, /, subcalls=True, builtins=True)")
     "Begin to collect.\n\n"
     "  subcalls\n    Whether to keep, for each function, figures by caller as well.\n"
     "  builtins\n    Whether built-in functions are counted apart from their caller."},
    {"disable", profiler_disable, METH_NOARGS,
     SIG("disable($self, /)") "Collect no more."},
    {"clear", profiler_clear, METH_NOARGS,
     SIG("clear($self, /)") "Forget all that was collected so far."},
    {"_pystart_callback", CALLBACK(profiler_pystart), METH_FASTCALL,
     SIG("_pystart_callback($self, code, instruction_offset, /)")},
    {"_pythrow_callback", CALLBACK(profiler_pythrow), METH_FASTCALL,
     SIG("_pythrow_callback($self, code, instruction_offset, exception, /)")},
    {"_pyreturn_callback", CALLBACK(profiler_pyreturn), METH_FASTCALL,
     SIG("_pyreturn_callback($self, code, instruction_offset, retval, /)")},
    {"_ccall_callback", CALLBACK(profiler_ccall), METH_FASTCALL,
     SIG("_ccall_callback($self, code, instruction_offset, callable, self_arg, /)")},
    {"_creturn_callback", CALLBACK(profiler_creturn), METH_FASTCALL,
     SIG("_creturn_callback($self, code, instruction_offset, callable, self_arg,\n"
         "                  /)")},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(profiler_doc,
             SIG("Profiler(timer=None, timeunit=0.0, subcalls=True, builtins=True)")
             "A profiler that asks the given function for the time.\n\n"
             "Without one it uses a fast clock of its own, of real time. If the timer\n"
             "returns integers, 'timeunit' says how many seconds one unit is.");

static PyType_Slot profiler_slots[] = {
    {Py_tp_doc, (void *)profiler_doc},
    {Py_tp_methods, profiler_methods},
    {Py_tp_init, profiler_init},
    {Py_tp_traverse, profiler_traverse},
    {Py_tp_clear, profiler_gc_clear},
    {Py_tp_dealloc, profiler_dealloc},
    {0, NULL},
};

static PyType_Spec profiler_spec = {
    .name = "_lsprof.Profiler",
    .basicsize = sizeof(Profiler),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = profiler_slots,
};

static PyStructSequence_Field entry_fields[] = {
    {"code", "code object or built-in function name"},
    {"callcount", "how many times this was called"},
    {"reccallcount", "how many times called recursively"},
    {"totaltime", "total time in this entry"},
    {"inlinetime", "inline time in this entry (not in subcalls)"},
    {"calls", "details of the calls"},
    {NULL, NULL},
};

static PyStructSequence_Desc entry_desc = {
    .name = "_lsprof.profiler_entry",
    .fields = entry_fields,
    .n_in_sequence = 6,
};

static PyStructSequence_Field subentry_fields[] = {
    {"code", "called code object or built-in function name"},
    {"callcount", "how many times this is called"},
    {"reccallcount", "how many times this is called recursively"},
    {"totaltime", "total time spent in this call"},
    {"inlinetime", "inline time (not in further subcalls)"},
    {NULL, NULL},
};

static PyStructSequence_Desc subentry_desc = {
    .name = "_lsprof.profiler_subentry",
    .fields = subentry_fields,
    .n_in_sequence = 5,
};

/* ---- the module ---- */

static int
lsprof_exec(PyObject *m)
{
    State *st = PyModule_GetState(m);
    st->profiler = (PyTypeObject *)PyType_FromModuleAndSpec(m, &profiler_spec, NULL);
    if (!st->profiler || PyModule_AddType(m, st->profiler) < 0) {
        return -1;
    }
    st->entry = PyStructSequence_NewType(&entry_desc);
    if (!st->entry || PyModule_AddType(m, st->entry) < 0) {
        return -1;
    }
    st->subentry = PyStructSequence_NewType(&subentry_desc);
    return st->subentry ? PyModule_AddType(m, st->subentry) : -1;
}

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    State *st = PyModule_GetState(m);
    Py_VISIT(st->profiler);
    Py_VISIT(st->entry);
    Py_VISIT(st->subentry);
    return 0;
}

static int
module_clear(PyObject *m)
{
    State *st = PyModule_GetState(m);
    Py_CLEAR(st->profiler);
    Py_CLEAR(st->entry);
    Py_CLEAR(st->subentry);
    return 0;
}

static void
module_free(void *m)
{
    (void)module_clear(m);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, lsprof_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_lsprof",
    .m_doc = PyDoc_STR("Fast profiler"),
    .m_size = sizeof(State),
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC
PyInit__lsprof(void)
{
    return PyModuleDef_Init(&module);
}

/* _csv.c - reading and writing CSV; the engine of Lib/csv.py.
 *
 * The reader is a state machine fed with characters and, after each line, with END. A field
 * grows in a UCS4 buffer; `unquoted' says whether it had no quote (then some quoting modes
 * make it a number or None). The writer collects a record in a PyUnicodeWriter; a field's
 * need for quotes is known only after it has been looked at, so that is done first.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/list_int.h"

#include <stddef.h>

typedef struct {
    PyObject *error;
    PyObject *dialects; /* dict: name -> Dialect */
    PyTypeObject *dialect_type, *reader_type, *writer_type;
    Py_ssize_t field_limit;
} ModuleState;

static struct PyModuleDef csv_module;

enum { QUOTE_MINIMAL, QUOTE_ALL, QUOTE_NONNUMERIC, QUOTE_NONE, QUOTE_STRINGS, QUOTE_NOTNULL };

#define NOT_SET ((Py_UCS4)-1)
#define END ((Py_UCS4)-2)

typedef struct {
    PyObject_HEAD
    char doublequote, skipinitialspace, strict;
    int quoting;
    Py_UCS4 delimiter, quotechar, escapechar;
    PyObject *lineterminator;
} Dialect;

typedef enum {
    START_RECORD, START_FIELD, ESCAPED_CHAR, IN_FIELD, IN_QUOTED_FIELD,
    ESCAPE_IN_QUOTED_FIELD, QUOTE_IN_QUOTED_FIELD, EAT_CRNL, AFTER_ESCAPED_CRNL,
} State;

typedef struct {
    PyObject_HEAD
    PyObject *input;
    Dialect *dialect;
    PyObject *fields;
    State state;
    Py_UCS4 *field;
    Py_ssize_t size, len;
    bool unquoted;
    bool plain_fields; /* what is in a field does not matter, nor whether it was quoted */
    unsigned long line_num;
    ModuleState *st;
    uint64_t ends[4]; /* Latin-1 characters that end an unquoted run: a set of bits */
} Reader;

typedef struct {
    PyObject_HEAD
    PyObject *write;
    Dialect *dialect;
    ModuleState *st;
    uint64_t special[4]; /* is_special() of Latin-1 characters: a set of bits */
} Writer;

NJ_INLINE bool
in_set(const uint64_t set[4], unsigned c)
{
    return set[c >> 6] >> (c & 63) & 1;
}

NJ_INLINE void
add_to_set(uint64_t set[4], unsigned c)
{
    set[c >> 6] |= (uint64_t)1 << (c & 63);
}

static ModuleState *
state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &csv_module);
    return m ? PyModule_GetState(m) : NULL;
}

/* ---------------------------------------------------------------- Dialect */

static int
set_char(const char *name, Py_UCS4 *out, PyObject *v, Py_UCS4 otherwise, bool none_ok)
{
    if (!v) {
        *out = otherwise;
        return 0;
    }
    *out = NOT_SET;
    if (v == Py_None && none_ok) {
        return 0;
    }
    const char *what = none_ok ? "a unicode character or None" : "a unicode character";
    if (!PyUnicode_Check(v)) {
        PyErr_Format(PyExc_TypeError, "\"%s\" must be %s, not %T", name, what, v);
        return -1;
    }
    if (PyUnicode_GET_LENGTH(v) != 1) {
        PyErr_Format(PyExc_TypeError, "\"%s\" must be %s, not a string of length %zd", name,
                     what, PyUnicode_GET_LENGTH(v));
        return -1;
    }
    *out = PyUnicode_READ_CHAR(v, 0);
    return 0;
}

static int
set_bool(char *out, PyObject *v, bool otherwise)
{
    int r = v ? PyObject_IsTrue(v) : otherwise;
    *out = (char)r;
    return r < 0 ? -1 : 0;
}

static int
check_char(const char *name, Py_UCS4 c, Dialect *d, bool space_ok)
{
    if (c == '\r' || c == '\n' || (c == ' ' && !space_ok)) {
        PyErr_Format(PyExc_ValueError, "bad %s value", name);
        return -1;
    }
    if (c != NOT_SET && PyUnicode_FindChar(d->lineterminator, c, 0,
                                           PyUnicode_GET_LENGTH(d->lineterminator), 1) >= 0) {
        PyErr_Format(PyExc_ValueError, "bad %s or lineterminator value", name);
        return -1;
    }
    return 0;
}

static int
check_differ(const char *a, const char *b, Py_UCS4 x, Py_UCS4 y)
{
    if (x == y && x != NOT_SET) {
        PyErr_Format(PyExc_ValueError, "bad %s or %s value", a, b);
        return -1;
    }
    return 0;
}

static PyObject *
get_registered(ModuleState *st, PyObject *name)
{
    PyObject *d;
    if (PyDict_GetItemRef(st->dialects, name, &d) == 0) {
        PyErr_SetString(st->error, "unknown dialect");
    }
    return d;
}

enum { A_DELIMITER, A_DOUBLEQUOTE, A_ESCAPECHAR, A_LINETERMINATOR, A_QUOTECHAR, A_QUOTING,
       A_SKIPINITIALSPACE, A_STRICT, NATTRS };

static char *dialect_names[] = {
    "dialect",   "delimiter", "doublequote",      "escapechar", "lineterminator",
    "quotechar", "quoting",   "skipinitialspace", "strict",     NULL};

static void
drop_attrs(PyObject **a)
{
    for (int i = 0; i < NATTRS; i++) {
        Py_XDECREF(a[i]);
    }
}

static int
fill_dialect(Dialect *d, PyObject **a)
{
    PyObject *q = a[A_QUOTING];
    if (set_char("delimiter", &d->delimiter, a[A_DELIMITER], ',', false) < 0 ||
        set_bool(&d->doublequote, a[A_DOUBLEQUOTE], true) < 0 ||
        set_char("escapechar", &d->escapechar, a[A_ESCAPECHAR], NOT_SET, true) < 0) {
        return -1;
    }
    PyObject *lt = a[A_LINETERMINATOR];
    if (lt && !PyUnicode_Check(lt)) {
        PyErr_Format(PyExc_TypeError, "\"lineterminator\" must be a string, not %T", lt);
        return -1;
    }
    d->lineterminator = lt ? Py_NewRef(lt) : PyUnicode_FromString("\r\n");
    if (!d->lineterminator ||
        set_char("quotechar", &d->quotechar, a[A_QUOTECHAR], '"', true) < 0) {
        return -1;
    }
    long quoting = QUOTE_MINIMAL;
    if (q) {
        if (!PyLong_CheckExact(q)) {
            PyErr_Format(PyExc_TypeError, "\"quoting\" must be an integer, not %T", q);
            return -1;
        }
        quoting = PyLong_AsLong(q);
        if (quoting == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    else if (a[A_QUOTECHAR] == Py_None) {
        quoting = QUOTE_NONE;
    }
    if (quoting < QUOTE_MINIMAL || quoting > QUOTE_NOTNULL) {
        PyErr_SetString(PyExc_TypeError, "bad \"quoting\" value");
        return -1;
    }
    d->quoting = (int)quoting;
    if (set_bool(&d->skipinitialspace, a[A_SKIPINITIALSPACE], false) < 0 ||
        set_bool(&d->strict, a[A_STRICT], false) < 0) {
        return -1;
    }
    if (quoting != QUOTE_NONE && d->quotechar == NOT_SET) {
        PyErr_SetString(PyExc_TypeError, "quotechar must be set if quoting enabled");
        return -1;
    }
    bool space_ok = !d->skipinitialspace;
    return check_char("delimiter", d->delimiter, d, true) < 0 ||
                   check_char("escapechar", d->escapechar, d, space_ok) < 0 ||
                   check_char("quotechar", d->quotechar, d, space_ok) < 0 ||
                   check_differ("delimiter", "escapechar", d->delimiter, d->escapechar) < 0 ||
                   check_differ("delimiter", "quotechar", d->delimiter, d->quotechar) < 0 ||
                   check_differ("escapechar", "quotechar", d->escapechar, d->quotechar) < 0
               ? -1
               : 0;
}

static PyObject *
dialect_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    PyObject *base = NULL, *a[NATTRS] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwds, "|OOOOOOOOO", dialect_names, &base, &a[0],
                                     &a[1], &a[2], &a[3], &a[4], &a[5], &a[6], &a[7])) {
        return NULL;
    }
    ModuleState *st = state_of(type);
    if (!st) {
        return NULL;
    }
    NJ_OWN from = NULL;
    bool given = false;
    for (int i = 0; i < NATTRS; i++) {
        given |= a[i] != NULL;
    }
    if (base && base != Py_None) {
        NJ_SET(from, PyUnicode_Check(base) ? get_registered(st, base) : Py_NewRef(base));
        if (!from) {
            return NULL;
        }
        if (!given && PyObject_TypeCheck(from, st->dialect_type)) {
            return NJ_TAKE(from); /* immutable: shared */
        }
    }
    for (int i = 0; i < NATTRS; i++) {
        Py_XINCREF(a[i]);
        if (!a[i] && from &&
            PyObject_GetOptionalAttrString(from, dialect_names[i + 1], &a[i]) < 0) {
            PyErr_Clear();
        }
    }
    PyObject *self = type->tp_alloc(type, 0);
    if (self && fill_dialect((Dialect *)self, a) < 0) {
        Py_CLEAR(self);
    }
    drop_attrs(a);
    return self;
}

static PyObject *
char_object(Py_UCS4 c)
{
    return c == NOT_SET ? Py_NewRef(Py_None) : PyUnicode_FromOrdinal((int)c);
}

static PyObject *
dialect_get(PyObject *op, void *which)
{
    Dialect *d = (Dialect *)op;
    switch ((intptr_t)which) {
    case A_DELIMITER:
        return char_object(d->delimiter);
    case A_ESCAPECHAR:
        return char_object(d->escapechar);
    case A_LINETERMINATOR:
        return Py_XNewRef(d->lineterminator);
    case A_QUOTECHAR:
        return char_object(d->quotechar);
    default:
        return PyLong_FromLong(d->quoting);
    }
}

static PyObject *
dialect_reduce(PyObject *op, PyObject *args)
{
    PyErr_Format(PyExc_TypeError, "cannot pickle '%.100s' instances", "Dialect");
    return NULL;
}

static int
dialect_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((Dialect *)op)->lineterminator);
    return 0;
}

static int
dialect_clear(PyObject *op)
{
    Py_CLEAR(((Dialect *)op)->lineterminator);
    return 0;
}

static void
dialect_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    dialect_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef dialect_methods[] = {
    {"__reduce__", dialect_reduce, METH_VARARGS, "raises an exception to avoid pickling"},
    {"__reduce_ex__", dialect_reduce, METH_VARARGS, "raises an exception to avoid pickling"},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef dialect_members[] = {
    {"skipinitialspace", Py_T_BOOL, offsetof(Dialect, skipinitialspace), Py_READONLY, NULL},
    {"doublequote", Py_T_BOOL, offsetof(Dialect, doublequote), Py_READONLY, NULL},
    {"strict", Py_T_BOOL, offsetof(Dialect, strict), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyGetSetDef dialect_getset[] = {
    {"delimiter", dialect_get, NULL, NULL, (void *)A_DELIMITER},
    {"escapechar", dialect_get, NULL, NULL, (void *)A_ESCAPECHAR},
    {"lineterminator", dialect_get, NULL, NULL, (void *)A_LINETERMINATOR},
    {"quotechar", dialect_get, NULL, NULL, (void *)A_QUOTECHAR},
    {"quoting", dialect_get, NULL, NULL, (void *)A_QUOTING},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot dialect_slots[] = {
    {Py_tp_doc, "CSV dialect\n\n"
                "The Dialect type records CSV parsing and generation options.\n"},
    {Py_tp_members, dialect_members},
    {Py_tp_getset, dialect_getset},
    {Py_tp_methods, dialect_methods},
    {Py_tp_new, dialect_new},
    {Py_tp_dealloc, dialect_dealloc},
    {Py_tp_traverse, dialect_traverse},
    {Py_tp_clear, dialect_clear},
    {0, NULL},
};
static PyType_Spec dialect_spec = {
    .name = "_csv.Dialect",
    .basicsize = sizeof(Dialect),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = dialect_slots,
};

static Dialect *
make_dialect(ModuleState *st, PyObject *base, PyObject *kwds)
{
    NJ_OWN args = base ? PyTuple_Pack(1, base) : PyTuple_New(0);
    return args ? (Dialect *)PyObject_Call((PyObject *)st->dialect_type, args, kwds) : NULL;
}

/* ---------------------------------------------------------------- reader */

static int
save_field(Reader *r)
{
    int quoting = r->dialect->quoting;
    NJ_OWN v = NULL;
    if (r->unquoted && r->len == 0 && (quoting == QUOTE_NOTNULL || quoting == QUOTE_STRINGS)) {
        NJ_SET(v, Py_NewRef(Py_None));
    }
    else {
        NJ_SET(v, PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, r->field, r->len));
        if (v && r->unquoted && r->len != 0 &&
            (quoting == QUOTE_NONNUMERIC || quoting == QUOTE_STRINGS)) {
            NJ_SET(v, PyNumber_Float(v));
        }
    }
    r->len = 0;
    return v ? PyList_Append(r->fields, v) : -1;
}

static NJ_COLD int
grow_field(Reader *r)
{
    Py_ssize_t size = r->size ? r->size * 2 : 256;
    Py_UCS4 *p = (size_t)size > (size_t)PY_SSIZE_T_MAX / sizeof(Py_UCS4)
                     ? NULL
                     : PyMem_Realloc(r->field, (size_t)size * sizeof(Py_UCS4));
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    r->field = p;
    r->size = size;
    return 0;
}

NJ_INLINE int
add_char(Reader *r, Py_UCS4 c)
{
    if (NJ_UNLIKELY(r->len >= r->st->field_limit)) {
        PyErr_Format(r->st->error, "field larger than field limit (%zd)", r->st->field_limit);
        return -1;
    }
    if (NJ_UNLIKELY(r->len == r->size) && grow_field(r) < 0) {
        return -1;
    }
    r->field[r->len++] = c;
    return 0;
}

static int
feed(Reader *r, Py_UCS4 c)
{
    Dialect *d = r->dialect;
    bool eol = c == '\n' || c == '\r' || c == END;
    switch (r->state) {
    case START_RECORD:
        if (c == END) {
            return 0;
        }
        if (eol) {
            r->state = EAT_CRNL;
            return 0;
        }
        r->state = START_FIELD;
        /* fall through */
    case START_FIELD:
        r->unquoted = true;
        if (eol) {
            if (save_field(r) < 0) {
                return -1;
            }
            r->state = c == END ? START_RECORD : EAT_CRNL;
        }
        else if (c == d->quotechar && d->quoting != QUOTE_NONE) {
            r->unquoted = false;
            r->state = IN_QUOTED_FIELD;
        }
        else if (c == d->escapechar) {
            r->state = ESCAPED_CHAR;
        }
        else if (c == ' ' && d->skipinitialspace) {
            ;
        }
        else if (c == d->delimiter) {
            return save_field(r);
        }
        else {
            r->state = IN_FIELD;
            return add_char(r, c);
        }
        return 0;
    case ESCAPED_CHAR:
        if (c == '\n' || c == '\r') {
            r->state = AFTER_ESCAPED_CRNL;
            return add_char(r, c);
        }
        r->state = IN_FIELD;
        return add_char(r, c == END ? '\n' : c);
    case AFTER_ESCAPED_CRNL:
        if (c == END) {
            return 0;
        }
        /* fall through */
    case IN_FIELD:
        if (eol) {
            if (save_field(r) < 0) {
                return -1;
            }
            r->state = c == END ? START_RECORD : EAT_CRNL;
        }
        else if (c == d->escapechar) {
            r->state = ESCAPED_CHAR;
        }
        else if (c == d->delimiter) {
            r->state = START_FIELD;
            return save_field(r);
        }
        else {
            return add_char(r, c);
        }
        return 0;
    case IN_QUOTED_FIELD:
        if (c == END) {
            ;
        }
        else if (c == d->escapechar) {
            r->state = ESCAPE_IN_QUOTED_FIELD;
        }
        else if (c == d->quotechar && d->quoting != QUOTE_NONE) {
            r->state = d->doublequote ? QUOTE_IN_QUOTED_FIELD : IN_FIELD;
        }
        else {
            return add_char(r, c);
        }
        return 0;
    case ESCAPE_IN_QUOTED_FIELD:
        r->state = IN_QUOTED_FIELD;
        return add_char(r, c == END ? '\n' : c);
    case QUOTE_IN_QUOTED_FIELD:
        if (d->quoting != QUOTE_NONE && c == d->quotechar) {
            r->state = IN_QUOTED_FIELD;
            return add_char(r, c);
        }
        if (c == d->delimiter) {
            r->state = START_FIELD;
            return save_field(r);
        }
        if (eol) {
            if (save_field(r) < 0) {
                return -1;
            }
            r->state = c == END ? START_RECORD : EAT_CRNL;
            return 0;
        }
        if (!d->strict) {
            r->state = IN_FIELD;
            return add_char(r, c);
        }
        PyErr_Format(r->st->error, "'%c' expected after '%c'", (int)d->delimiter,
                     (int)d->quotechar);
        return -1;
    case EAT_CRNL:
        if (c == END) {
            r->state = START_RECORD;
        }
        else if (!eol) {
            PyErr_SetString(r->st->error,
                            "new-line character seen in unquoted field - do you need to "
                            "open the file with newline=''?");
            return -1;
        }
        return 0;
    }
    return 0;
}

/* A whole field at i that needs no unquoting, with the delimiter or the line end behind it:
 * cut out of the line. The index behind it; i when the field is not so simple; -1 error. */
static Py_ssize_t
cut_field(Reader *r, PyObject *line, Py_ssize_t i)
{
    const unsigned char *data = PyUnicode_1BYTE_DATA(line);
    Dialect *d = r->dialect;
    Py_ssize_t n = PyUnicode_GET_LENGTH(line), from = i, to = i;
    bool quoted = data[i] == d->quotechar && d->quoting != QUOTE_NONE;
    if (quoted) {
        const unsigned char *q = memchr(data + i + 1, (int)d->quotechar, (size_t)(n - i - 1));
        if (q == NULL || d->escapechar != NOT_SET || q + 1 == data + n) {
            return i;
        }
        from = i + 1;
        to = q - data;
    }
    else {
        if (data[i] == ' ' && d->skipinitialspace) {
            return i;
        }
        while (to < n && !in_set(r->ends, data[to])) {
            to++;
        }
        if (to == n) {
            return i;
        }
    }
    Py_ssize_t end = to + quoted;
    unsigned c = data[end];
    bool eol = c == '\n' || c == '\r';
    if ((!eol && c != d->delimiter) || (!quoted && c == d->escapechar) ||
        to - from > r->st->field_limit ||
        (eol && end == i && r->state == START_RECORD)) {
        return i;
    }
    PyObject *field = PyUnicode_Substring(line, from, to);
    if (field == NULL || nj_list_append_steal((PyListObject *)r->fields, field) < 0) {
        return -1;
    }
    r->unquoted = !quoted;
    r->state = eol ? EAT_CRNL : START_FIELD;
    return end + 1;
}

static PyObject *
reader_next(PyObject *op)
{
    Reader *r = (Reader *)op;
    NJ_SET(r->fields, PyList_New(0));
    if (!r->fields) {
        return NULL;
    }
    r->len = 0;
    r->state = START_RECORD;
    r->unquoted = false;
    do {
        NJ_OWN line = PyIter_Next(r->input);
        if (!r->fields) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(r->st->error, "iterator has already advanced the reader");
            }
            return NULL;
        }
        if (!line) {
            if (!PyErr_Occurred() && (r->len != 0 || r->state == IN_QUOTED_FIELD)) {
                if (r->dialect->strict) {
                    PyErr_SetString(r->st->error, "unexpected end of data");
                }
                else if (save_field(r) == 0) {
                    break;
                }
            }
            return NULL;
        }
        if (!PyUnicode_Check(line)) {
            PyErr_Format(r->st->error,
                         "iterator should return strings, not %.200s (the file should be "
                         "opened in text mode)",
                         Py_TYPE(line)->tp_name);
            return NULL;
        }
        r->line_num++;
        int kind = PyUnicode_KIND(line);
        const void *data = PyUnicode_DATA(line);
        for (Py_ssize_t i = 0, n = PyUnicode_GET_LENGTH(line); i < n; i++) {
            if (r->state <= START_FIELD && r->plain_fields && kind == PyUnicode_1BYTE_KIND) {
                Py_ssize_t next = cut_field(r, line, i);
                if (next < 0) {
                    return NULL;
                }
                if (next > i) {
                    i = next - 1;
                    continue;
                }
            }
            if (feed(r, PyUnicode_READ(kind, data, i)) < 0) {
                return NULL;
            }
        }
        if (feed(r, END) < 0) {
            return NULL;
        }
    } while (r->state != START_RECORD);
    PyObject *fields = r->fields;
    r->fields = NULL;
    return fields;
}

static int
reader_traverse(PyObject *op, visitproc visit, void *arg)
{
    Reader *r = (Reader *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)r->dialect);
    Py_VISIT(r->input);
    Py_VISIT(r->fields);
    return 0;
}

static int
reader_clear(PyObject *op)
{
    Reader *r = (Reader *)op;
    Py_CLEAR(r->dialect);
    Py_CLEAR(r->input);
    Py_CLEAR(r->fields);
    return 0;
}

static void
reader_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    reader_clear(op);
    PyMem_Free(((Reader *)op)->field);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyMemberDef reader_members[] = {
    {"dialect", _Py_T_OBJECT, offsetof(Reader, dialect), Py_READONLY, NULL},
    {"line_num", Py_T_ULONG, offsetof(Reader, line_num), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "CSV reader\n\n"
                "Reader objects are responsible for reading and parsing tabular data\n"
                "in CSV format.\n"},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_clear, reader_clear},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, reader_next},
    {Py_tp_members, reader_members},
    {0, NULL},
};
#define FINAL_FLAGS                                                                    \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |                   \
     Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION)
static PyType_Spec reader_spec = {
    .name = "_csv.reader",
    .basicsize = sizeof(Reader),
    .flags = FINAL_FLAGS,
    .slots = reader_slots,
};

static PyObject *
csv_reader(PyObject *module, PyObject *args, PyObject *kwds)
{
    ModuleState *st = PyModule_GetState(module);
    PyObject *source, *base = NULL;
    if (!PyArg_UnpackTuple(args, "reader", 1, 2, &source, &base)) {
        return NULL;
    }
    NJ_OWN input = PyObject_GetIter(source);
    if (!input) {
        return NULL;
    }
    NJ_OWN dialect = (PyObject *)make_dialect(st, base, kwds);
    Reader *r = dialect ? PyObject_GC_New(Reader, st->reader_type) : NULL;
    if (!r) {
        return NULL;
    }
    r->input = NJ_TAKE(input);
    r->dialect = (Dialect *)NJ_TAKE(dialect);
    r->fields = NULL;
    r->state = START_RECORD;
    r->field = NULL;
    r->size = r->len = 0;
    r->unquoted = false;
    r->line_num = 0;
    r->st = st;
    int quoting = r->dialect->quoting;
    r->plain_fields = quoting == QUOTE_MINIMAL || quoting == QUOTE_ALL || quoting == QUOTE_NONE;
    memset(r->ends, 0, sizeof(r->ends));
    for (unsigned c = 0; c < 256; c++) {
        if (c == '\n' || c == '\r' || c == r->dialect->delimiter ||
            c == r->dialect->escapechar) {
            add_to_set(r->ends, c);
        }
    }
    PyObject_GC_Track(r);
    return (PyObject *)r;
}

/* ---------------------------------------------------------------- writer */

NJ_INLINE bool
is_special(Dialect *d, Py_UCS4 c)
{
    return c == d->delimiter || c == d->escapechar || c == d->quotechar || c == '\n' ||
           c == '\r' ||
           PyUnicode_FindChar(d->lineterminator, c, 0,
                              PyUnicode_GET_LENGTH(d->lineterminator), 1) >= 0;
}

/* The character to put in front of special c, 0 for none; *quoted set when c needs quotes;
 * -1 when it cannot be written. */
static int64_t
prefix_of(Writer *w, Py_UCS4 c, bool *quoted)
{
    Dialect *d = w->dialect;
    bool escape = false;
    int64_t prefix = 0;
    if (d->quoting == QUOTE_NONE) {
        escape = true;
    }
    else {
        if (c == d->quotechar) {
            if (d->doublequote) {
                prefix = d->quotechar;
            }
            else {
                escape = true;
            }
        }
        else if (c == d->escapechar) {
            escape = true;
        }
        if (!escape) {
            *quoted = true;
        }
    }
    if (escape) {
        if (d->escapechar == NOT_SET) {
            PyErr_SetString(w->st->error, "need to escape, but no escapechar set");
            return -1;
        }
        prefix = d->escapechar;
    }
    return prefix;
}

/* field: str, or NULL for None */
static int
write_field(Writer *w, PyUnicodeWriter *out, PyObject *field, bool quoted, Py_ssize_t *len)
{
    Dialect *d = w->dialect;
    Py_ssize_t n = field ? PyUnicode_GET_LENGTH(field) : 0;
    if (n == 0 && d->delimiter == ' ' && d->skipinitialspace) {
        if (d->quoting == QUOTE_NONE ||
            (!field && (d->quoting == QUOTE_STRINGS || d->quoting == QUOTE_NOTNULL))) {
            PyErr_SetString(w->st->error, "empty field must be quoted if delimiter is a space "
                                          "and skipinitialspace is true");
            return -1;
        }
        quoted = true;
    }
    bool special = false;
    int kind = field ? PyUnicode_KIND(field) : 0;
    const void *data = field ? PyUnicode_DATA(field) : NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c < 256 ? in_set(w->special, c) : is_special(d, c)) {
            special = true;
            if (prefix_of(w, c, &quoted) < 0) {
                return -1;
            }
        }
    }
    if (quoted && PyUnicodeWriter_WriteChar(out, d->quotechar) < 0) {
        return -1;
    }
    if (!special) {
        if (n && PyUnicodeWriter_WriteStr(out, field) < 0) {
            return -1;
        }
    }
    else {
        for (Py_ssize_t i = 0; i < n; i++) {
            Py_UCS4 c = PyUnicode_READ(kind, data, i);
            bool ignored;
            int64_t prefix = is_special(d, c) ? prefix_of(w, c, &ignored) : 0;
            if ((prefix && PyUnicodeWriter_WriteChar(out, (Py_UCS4)prefix) < 0) ||
                PyUnicodeWriter_WriteChar(out, c) < 0) {
                return -1;
            }
        }
    }
    if (quoted && PyUnicodeWriter_WriteChar(out, d->quotechar) < 0) {
        return -1;
    }
    *len += n + quoted;
    return 0;
}

static PyObject *
build_record(Writer *w, PyObject *row)
{
    Dialect *d = w->dialect;
    bool list = PyList_CheckExact(row);
    NJ_OWN it = list ? NULL : PyObject_GetIter(row);
    if (!it && !list) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(w->st->error, "iterable expected, not %.200s",
                         Py_TYPE(row)->tp_name);
        }
        return NULL;
    }
    PyUnicodeWriter *out = PyUnicodeWriter_Create(0);
    if (!out) {
        return NULL;
    }
    Py_ssize_t count = 0, len = 0;
    bool null_field = false;
    for (;;) {
        NJ_OWN field = !list                          ? PyIter_Next(it)
                       : count < PyList_GET_SIZE(row) ? Py_NewRef(PyList_GET_ITEM(row, count))
                                                      : NULL;
        if (!field) {
            break;
        }
        bool quoted;
        switch (d->quoting) {
        case QUOTE_NONNUMERIC:
            quoted = !PyNumber_Check(field);
            break;
        case QUOTE_ALL:
            quoted = true;
            break;
        case QUOTE_STRINGS:
            quoted = PyUnicode_Check(field);
            break;
        case QUOTE_NOTNULL:
            quoted = field != Py_None;
            break;
        default:
            quoted = false;
            break;
        }
        null_field = field == Py_None;
        if (count++ && PyUnicodeWriter_WriteChar(out, d->delimiter) < 0) {
            goto fail;
        }
        if (count > 1) {
            len++;
        }
        NJ_OWN text = null_field               ? NULL
                      : PyUnicode_Check(field) ? Py_NewRef(field)
                                               : PyObject_Str(field);
        if ((!text && !null_field) || write_field(w, out, text, quoted, &len) < 0) {
            goto fail;
        }
    }
    if (PyErr_Occurred()) {
        goto fail;
    }
    if (count > 0 && len == 0) {
        /* a lone empty field: without quotes it would read back as no field */
        if (d->quoting == QUOTE_NONE ||
            (null_field && (d->quoting == QUOTE_STRINGS || d->quoting == QUOTE_NOTNULL))) {
            PyErr_SetString(w->st->error, "single empty field record must be quoted");
            goto fail;
        }
        if (write_field(w, out, NULL, true, &len) < 0) {
            goto fail;
        }
    }
    if (PyUnicodeWriter_WriteStr(out, d->lineterminator) < 0) {
        goto fail;
    }
    return PyUnicodeWriter_Finish(out);
fail:
    PyUnicodeWriter_Discard(out);
    return NULL;
}

static PyObject *
writer_writerow(PyObject *op, PyObject *row)
{
    Writer *w = (Writer *)op;
    NJ_OWN line = build_record(w, row);
    return line ? PyObject_CallOneArg(w->write, line) : NULL;
}

static PyObject *
writer_writerows(PyObject *op, PyObject *rows)
{
    NJ_OWN it = PyObject_GetIter(rows);
    if (!it) {
        return NULL;
    }
    for (;;) {
        NJ_OWN row = PyIter_Next(it);
        if (!row) {
            break;
        }
        NJ_OWN r = writer_writerow(op, row);
        if (!r) {
            return NULL;
        }
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
writer_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT((PyObject *)((Writer *)op)->dialect);
    Py_VISIT(((Writer *)op)->write);
    return 0;
}

static int
writer_clear(PyObject *op)
{
    Py_CLEAR(((Writer *)op)->dialect);
    Py_CLEAR(((Writer *)op)->write);
    return 0;
}

static void
writer_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    writer_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

static PyMethodDef writer_methods[] = {
    {"writerow", writer_writerow, METH_O,
     "writerow($self, row, /)\n--\n\n"
     "Construct and write a CSV record from an iterable of fields."},
    {"writerows", writer_writerows, METH_O,
     "writerows($self, rows, /)\n--\n\n"
     "Construct and write a series of iterables to a csv file."},
    {NULL, NULL, 0, NULL},
};
static PyMemberDef writer_members[] = {
    {"dialect", _Py_T_OBJECT, offsetof(Writer, dialect), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot writer_slots[] = {
    {Py_tp_doc, "CSV writer\n\n"
                "Writer objects are responsible for generating tabular data\n"
                "in CSV format from sequence input.\n"},
    {Py_tp_traverse, writer_traverse},
    {Py_tp_clear, writer_clear},
    {Py_tp_dealloc, writer_dealloc},
    {Py_tp_methods, writer_methods},
    {Py_tp_members, writer_members},
    {0, NULL},
};
static PyType_Spec writer_spec = {
    .name = "_csv.writer",
    .basicsize = sizeof(Writer),
    .flags = FINAL_FLAGS,
    .slots = writer_slots,
};

static PyObject *
csv_writer(PyObject *module, PyObject *args, PyObject *kwds)
{
    ModuleState *st = PyModule_GetState(module);
    PyObject *file, *base = NULL, *f;
    if (!PyArg_UnpackTuple(args, "writer", 1, 2, &file, &base) ||
        PyObject_GetOptionalAttrString(file, "write", &f) < 0) {
        return NULL;
    }
    NJ_OWN write = f;
    if (!write || !PyCallable_Check(write)) {
        PyErr_SetString(PyExc_TypeError, "argument 1 must have a \"write\" method");
        return NULL;
    }
    NJ_OWN dialect = (PyObject *)make_dialect(st, base, kwds);
    Writer *w = dialect ? PyObject_GC_New(Writer, st->writer_type) : NULL;
    if (!w) {
        return NULL;
    }
    w->write = NJ_TAKE(write);
    w->dialect = (Dialect *)NJ_TAKE(dialect);
    w->st = st;
    memset(w->special, 0, sizeof(w->special));
    for (unsigned c = 0; c < 256; c++) {
        if (is_special(w->dialect, c)) {
            add_to_set(w->special, c);
        }
    }
    PyObject_GC_Track(w);
    return (PyObject *)w;
}

/* ---------------------------------------------------------------- registry */

static PyObject *
csv_list_dialects(PyObject *module, PyObject *unused)
{
    return PyDict_Keys(((ModuleState *)PyModule_GetState(module))->dialects);
}

static PyObject *
csv_register_dialect(PyObject *module, PyObject *args, PyObject *kwds)
{
    ModuleState *st = PyModule_GetState(module);
    PyObject *name, *base = NULL;
    if (!PyArg_UnpackTuple(args, "register_dialect", 1, 2, &name, &base)) {
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "dialect name must be a string");
        return NULL;
    }
    NJ_OWN d = (PyObject *)make_dialect(st, base, kwds);
    if (!d || PyDict_SetItem(st->dialects, name, d) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
csv_unregister_dialect(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    static char *names[] = {"name", NULL};
    ModuleState *st = PyModule_GetState(module);
    PyObject *name;
    if (!nj_args_parse(args, nargs, kwnames, "O:unregister_dialect", names, &name)) {
        return NULL;
    }
    int r = PyDict_Pop(st->dialects, name, NULL);
    if (r == 0) {
        PyErr_SetString(st->error, "unknown dialect");
    }
    return r > 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *
csv_get_dialect(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                PyObject *kwnames)
{
    static char *names[] = {"name", NULL};
    PyObject *name;
    if (!nj_args_parse(args, nargs, kwnames, "O:get_dialect", names, &name)) {
        return NULL;
    }
    return get_registered(PyModule_GetState(module), name);
}

static PyObject *
csv_field_size_limit(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *kwnames)
{
    static char *names[] = {"new_limit", NULL};
    ModuleState *st = PyModule_GetState(module);
    PyObject *limit = NULL;
    if (!nj_args_parse(args, nargs, kwnames, "|O:field_size_limit", names, &limit)) {
        return NULL;
    }
    Py_ssize_t old = st->field_limit;
    if (limit) {
        if (!PyLong_CheckExact(limit)) {
            PyErr_SetString(PyExc_TypeError, "limit must be an integer");
            return NULL;
        }
        Py_ssize_t n = PyLong_AsSsize_t(limit);
        if (n == -1 && PyErr_Occurred()) {
            return NULL;
        }
        st->field_limit = n;
    }
    return PyLong_FromSsize_t(old);
}

/* ---------------------------------------------------------------- module */

static PyMethodDef csv_methods[] = {
    {"reader", _PyCFunction_CAST(csv_reader), METH_VARARGS | METH_KEYWORDS,
     "reader($module, iterable, /, dialect='excel', **fmtparams)\n--\n\n"
     "Return a reader object that will process lines from the given iterable."},
    {"writer", _PyCFunction_CAST(csv_writer), METH_VARARGS | METH_KEYWORDS,
     "writer($module, fileobj, /, dialect='excel', **fmtparams)\n--\n\n"
     "Return a writer object that will write user data on the given file object."},
    {"register_dialect", _PyCFunction_CAST(csv_register_dialect),
     METH_VARARGS | METH_KEYWORDS,
     "register_dialect($module, name, /, dialect='excel', **fmtparams)\n--\n\n"
     "Create a mapping from a string name to a CVS dialect."},
    {"list_dialects", csv_list_dialects, METH_NOARGS,
     "list_dialects($module, /)\n--\n\nReturn a list of all known dialect names."},
    {"unregister_dialect", (PyCFunction)(void *)csv_unregister_dialect,
     METH_FASTCALL | METH_KEYWORDS,
     "unregister_dialect($module, /, name)\n--\n\n"
     "Delete the name/dialect mapping associated with a string name."},
    {"get_dialect", (PyCFunction)(void *)csv_get_dialect, METH_FASTCALL | METH_KEYWORDS,
     "get_dialect($module, /, name)\n--\n\n"
     "Return the dialect instance associated with name."},
    {"field_size_limit", (PyCFunction)(void *)csv_field_size_limit,
     METH_FASTCALL | METH_KEYWORDS,
     "field_size_limit($module, /, new_limit=<unrepresentable>)\n--\n\n"
     "Sets an upper limit on parsed fields."},
    {NULL, NULL, 0, NULL},
};

static int
csv_traverse(PyObject *m, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(m);
    Py_VISIT(st->error);
    Py_VISIT(st->dialects);
    Py_VISIT(st->dialect_type);
    Py_VISIT(st->reader_type);
    Py_VISIT(st->writer_type);
    return 0;
}

static int
csv_clear(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    Py_CLEAR(st->error);
    Py_CLEAR(st->dialects);
    Py_CLEAR(st->dialect_type);
    Py_CLEAR(st->reader_type);
    Py_CLEAR(st->writer_type);
    return 0;
}

static void
csv_free(void *m)
{
    (void)csv_clear(m);
}

static int
add_type(PyObject *m, PyTypeObject **slot, PyType_Spec *spec, const char *name)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
    return *slot ? PyModule_AddObjectRef(m, name, (PyObject *)*slot) : -1;
}

static int
csv_exec(PyObject *m)
{
    static const char *const quotings[] = {"QUOTE_MINIMAL", "QUOTE_ALL",     "QUOTE_NONNUMERIC",
                                           "QUOTE_NONE",    "QUOTE_STRINGS", "QUOTE_NOTNULL"};
    ModuleState *st = PyModule_GetState(m);
    st->field_limit = 128 * 1024;
    if (add_type(m, &st->dialect_type, &dialect_spec, "Dialect") < 0 ||
        add_type(m, &st->reader_type, &reader_spec, "Reader") < 0 ||
        add_type(m, &st->writer_type, &writer_spec, "Writer") < 0 ||
        !(st->dialects = PyDict_New()) ||
        PyModule_AddObjectRef(m, "_dialects", st->dialects) < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(quotings); i++) {
        if (PyModule_AddIntConstant(m, quotings[i], (long)i) < 0) {
            return -1;
        }
    }
    st->error = PyErr_NewException("_csv.Error", NULL, NULL);
    return st->error ? PyModule_AddObjectRef(m, "Error", st->error) : -1;
}

static PyModuleDef_Slot csv_slots[] = {
    {Py_mod_exec, csv_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef csv_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_csv",
    .m_doc = "CSV parsing and writing.\n",
    .m_size = sizeof(ModuleState),
    .m_methods = csv_methods,
    .m_slots = csv_slots,
    .m_traverse = csv_traverse,
    .m_clear = csv_clear,
    .m_free = csv_free,
};

PyMODINIT_FUNC PyInit__csv(void);

PyMODINIT_FUNC
PyInit__csv(void)
{
    return PyModuleDef_Init(&csv_module);
}

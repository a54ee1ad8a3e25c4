/* pyexpat.c - xml.parsers.expat on libexpat.
 *
 * A parser object owns an XML_Parser and one Python callable per kind of event. Each event
 * has a C callback below that builds the arguments and calls deliver(). An exception in a
 * handler stops the parse at once: the handlers are taken out and the library is told to
 * abort. Parsers of external entities keep their parent alive, because the library shares
 * tables between them.
 *
 * The library is not re-entrant: Parse() of a parser that is inside Parse() raises.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#define XML_DTD 1 /* the library has its DTD parts; the header hides some without this */
#include <expat.h>
#include <limits.h>
#include <math.h>
#include <pyexpat.h>

#define EXPAT_AT_LEAST(a, b, c)                                                        \
    (XML_MAJOR_VERSION * 10000 + XML_MINOR_VERSION * 100 + XML_MICRO_VERSION           \
     >= (a) * 10000 + (b) * 100 + (c))

/* Adds an entry to the traceback; exported by the interpreter, declared in no header. */
PyAPI_FUNC(void) _PyTraceback_Add(const char *funcname, const char *filename, int lineno);

enum {
    DEFAULT_BUFFER = 8192,
    READ_SIZE = 2048,
    CHUNK = 1 << 20,
};

/* Every handler: its name without "Handler", in the order of the type's attributes. */
#define HANDLERS(H)                                                                    \
    H(StartElement) H(EndElement) H(ProcessingInstruction) H(CharacterData)            \
    H(UnparsedEntityDecl) H(NotationDecl) H(StartNamespaceDecl) H(EndNamespaceDecl)    \
    H(Comment) H(StartCdataSection) H(EndCdataSection) H(Default) H(DefaultExpand)     \
    H(NotStandalone) H(ExternalEntityRef) H(StartDoctypeDecl) H(EndDoctypeDecl)        \
    H(EntityDecl) H(XmlDecl) H(ElementDecl) H(AttlistDecl) H(SkippedEntity)
#define ENUM(name) H_##name,
enum { HANDLERS(ENUM) N_HANDLERS };
#undef ENUM

typedef struct {
    PyTypeObject *parser_type;
    PyObject *error;
    PyObject *str_read;
} ModuleState;

typedef struct Parser {
    PyObject_HEAD
    XML_Parser xml;
    ModuleState *st;
    struct Parser *parent; /* of an external entity parser, else NULL */
    PyObject *intern;      /* dict str -> str, or NULL */
    XML_Char *buffer;      /* pending character data, or NULL if not buffered */
    int buffer_size, buffer_used;
    bool ordered_attributes, specified_attributes, namespace_prefixes;
    bool reparse_deferral;
    bool parsing;
    bool in_callback;
    PyObject *handlers[N_HANDLERS];
} Parser;

static struct PyModuleDef pyexpat_module;
static void install_handler(Parser *p, int h, bool on);

/* ------------------------------------------------------------- errors, strings */

static int
set_error_attr(PyObject *err, const char *name, long value)
{
    NJ_OWN v = PyLong_FromLong(value);
    return v ? PyObject_SetAttrString(err, name, v) : -1;
}

/* Raises ExpatError; message without position if `plain'. */
static void
raise_error(Parser *p, enum XML_Error code, const char *plain)
{
    unsigned long line = XML_GetErrorLineNumber(p->xml);
    unsigned long column = XML_GetErrorColumnNumber(p->xml);
    NJ_OWN text = plain ? PyUnicode_FromString(plain)
                        : PyUnicode_FromFormat("%s: line %lu, column %lu",
                                               XML_ErrorString(code), line, column);
    if (!text) {
        return;
    }
    NJ_OWN err = PyObject_CallOneArg(p->st->error, text);
    if (err && set_error_attr(err, "code", code) == 0
        && set_error_attr(err, "lineno", (long)line) == 0
        && set_error_attr(err, "offset", (long)column) == 0) {
        PyErr_SetObject(p->st->error, err);
    }
}

static PyObject *
str_len(const XML_Char *s, Py_ssize_t n)
{
    return PyUnicode_DecodeUTF8(s, n, "strict");
}

static PyObject *
str_or_none(const XML_Char *s)
{
    return s ? str_len(s, (Py_ssize_t)strlen(s)) : Py_NewRef(Py_None);
}

/* The string through the parser's intern dict, if it has one. */
static PyObject *
interned(Parser *p, const XML_Char *s)
{
    PyObject *v = str_or_none(s);
    if (!v || !p->intern) {
        return v;
    }
    PyObject *known;
    int found = PyDict_SetDefaultRef(p->intern, v, v, &known);
    Py_DECREF(v);
    return found < 0 ? NULL : known;
}

/* ---------------------------------------------------------------- delivery */

static void
clear_handlers(Parser *p)
{
    for (int h = 0; h < N_HANDLERS; h++) {
        if (p->handlers[h]) {
            install_handler(p, h, false);
            Py_CLEAR(p->handlers[h]);
        }
    }
}

/* An exception is set: no further event may reach a handler. */
static void
stop(Parser *p)
{
    clear_handlers(p);
    XML_StopParser(p->xml, XML_FALSE);
}

/* Calls handler h with n arguments, whose references it consumes; a NULL among them means
 * that building them failed. A new reference, or NULL after stop(). */
static PyObject *
call_handler(Parser *p, int h, const char *name, int line, PyObject **args, int n)
{
    PyObject *result = NULL;
    bool complete = true;
    for (int i = 0; i < n; i++) {
        complete = complete && args[i];
    }
    PyObject *handler = complete ? Py_XNewRef(p->handlers[h]) : NULL;
    if (handler) {
        bool outer = p->in_callback;
        p->in_callback = true;
        result = PyObject_Vectorcall(handler, args, (size_t)n, NULL);
        p->in_callback = outer;
        Py_DECREF(handler);
        if (!result) {
            _PyTraceback_Add(name, __FILE__, line);
        }
    }
    else if (complete) {
        result = Py_NewRef(Py_None); /* building the arguments took the handler out */
    }
    for (int i = 0; i < n; i++) {
        Py_XDECREF(args[i]);
    }
    if (!result) {
        stop(p);
    }
    return result;
}

/* deliver(p, event, arguments...) */
#define deliver_args(p, event, args, n)                                                \
    call_handler(p, H_##event, #event, __LINE__, args, n)
#define deliver(p, event, ...)                                                         \
    Py_XDECREF(deliver_args(p, event, ((PyObject *[]){NULL, __VA_ARGS__}) + 1,         \
                            (int)NJ_ARRAY_LEN(((PyObject *[]){NULL, __VA_ARGS__})) - 1))

static int
flush_text(Parser *p)
{
    if (!p->buffer || p->buffer_used == 0) {
        return 0;
    }
    int n = p->buffer_used;
    p->buffer_used = 0;
    if (!p->handlers[H_CharacterData]) {
        return 0;
    }
    PyObject *args[2] = {NULL, str_len(p->buffer, n)};
    PyObject *r = deliver_args(p, CharacterData, args + 1, 1);
    Py_XDECREF(r);
    return r ? 0 : -1;
}

/* True when handler h is to be called; pending text goes first. */
static bool
ready(Parser *p, int h)
{
    return p->handlers[h] && !PyErr_Occurred() && flush_text(p) == 0 && p->handlers[h];
}

/* ---------------------------------------------------------------- events */

static PyObject *
attributes(Parser *p, const XML_Char **atts)
{
    Py_ssize_t n = 0;
    if (p->specified_attributes) {
        n = XML_GetSpecifiedAttributeCount(p->xml);
    }
    else {
        while (atts[n]) {
            n += 2;
        }
    }
    NJ_OWN all = p->ordered_attributes ? PyList_New(n) : PyDict_New();
    if (!all) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i += 2) {
        PyObject *name = interned(p, atts[i]);
        PyObject *value = name ? str_or_none(atts[i + 1]) : NULL;
        if (!value) {
            Py_XDECREF(name);
            return NULL;
        }
        if (p->ordered_attributes) {
            PyList_SET_ITEM(all, i, name);
            PyList_SET_ITEM(all, i + 1, value);
            continue;
        }
        int failed = PyDict_SetItem(all, name, value);
        Py_DECREF(name);
        Py_DECREF(value);
        if (failed) {
            return NULL;
        }
    }
    return NJ_TAKE(all);
}

static void
on_StartElement(void *data, const XML_Char *name, const XML_Char **atts)
{
    Parser *p = data;
    if (ready(p, H_StartElement)) {
        PyObject *all = attributes(p, atts);
        deliver(p, StartElement, all ? interned(p, name) : NULL, all);
    }
}

static void
on_EndElement(void *data, const XML_Char *name)
{
    Parser *p = data;
    if (ready(p, H_EndElement)) {
        deliver(p, EndElement, interned(p, name));
    }
}

static void
on_ProcessingInstruction(void *data, const XML_Char *target, const XML_Char *text)
{
    Parser *p = data;
    if (ready(p, H_ProcessingInstruction)) {
        PyObject *t = interned(p, target);
        deliver(p, ProcessingInstruction, t, t ? str_or_none(text) : NULL);
    }
}

static void
on_CharacterData(void *data, const XML_Char *s, int n)
{
    Parser *p = data;
    if (!p->handlers[H_CharacterData] || PyErr_Occurred()) {
        return;
    }
    if (!p->buffer) {
        deliver(p, CharacterData, str_len(s, n));
        return;
    }
    if (n > p->buffer_size - p->buffer_used) {
        if (flush_text(p) < 0 || !p->handlers[H_CharacterData]) {
            return;
        }
        /* the handler may have changed the buffer */
        if (!p->buffer || n > p->buffer_size) {
            deliver(p, CharacterData, str_len(s, n));
            return;
        }
    }
    memcpy(p->buffer + p->buffer_used, s, (size_t)n);
    p->buffer_used += n;
}

/* Stands in for a handler that was removed inside a callback: the library may still hold
 * on to having had one. */
static void
on_no_text(void *data, const XML_Char *s, int n)
{
}

static void
on_UnparsedEntityDecl(void *data, const XML_Char *name, const XML_Char *base,
                      const XML_Char *system, const XML_Char *public,
                      const XML_Char *notation)
{
    Parser *p = data;
    if (ready(p, H_UnparsedEntityDecl)) {
        PyObject *n = interned(p, name);
        PyObject *b = n ? interned(p, base) : NULL;
        PyObject *s = b ? interned(p, system) : NULL;
        PyObject *u = s ? interned(p, public) : NULL;
        deliver(p, UnparsedEntityDecl, n, b, s, u, u ? interned(p, notation) : NULL);
    }
}

static void
on_NotationDecl(void *data, const XML_Char *name, const XML_Char *base,
                const XML_Char *system, const XML_Char *public)
{
    Parser *p = data;
    if (ready(p, H_NotationDecl)) {
        PyObject *n = interned(p, name);
        PyObject *b = n ? interned(p, base) : NULL;
        PyObject *s = b ? interned(p, system) : NULL;
        deliver(p, NotationDecl, n, b, s, s ? interned(p, public) : NULL);
    }
}

static void
on_StartNamespaceDecl(void *data, const XML_Char *prefix, const XML_Char *uri)
{
    Parser *p = data;
    if (ready(p, H_StartNamespaceDecl)) {
        PyObject *n = interned(p, prefix);
        deliver(p, StartNamespaceDecl, n, n ? interned(p, uri) : NULL);
    }
}

static void
on_EndNamespaceDecl(void *data, const XML_Char *prefix)
{
    Parser *p = data;
    if (ready(p, H_EndNamespaceDecl)) {
        deliver(p, EndNamespaceDecl, interned(p, prefix));
    }
}

static void
on_Comment(void *data, const XML_Char *text)
{
    Parser *p = data;
    if (ready(p, H_Comment)) {
        deliver(p, Comment, str_or_none(text));
    }
}

static void
on_StartCdataSection(void *data)
{
    Parser *p = data;
    if (ready(p, H_StartCdataSection)) {
        deliver(p, StartCdataSection);
    }
}

static void
on_EndCdataSection(void *data)
{
    Parser *p = data;
    if (ready(p, H_EndCdataSection)) {
        deliver(p, EndCdataSection);
    }
}

static void
on_Default(void *data, const XML_Char *s, int n)
{
    Parser *p = data;
    if (ready(p, H_Default)) {
        deliver(p, Default, str_len(s, n));
    }
}

static void
on_DefaultExpand(void *data, const XML_Char *s, int n)
{
    Parser *p = data;
    if (ready(p, H_DefaultExpand)) {
        deliver(p, DefaultExpand, str_len(s, n));
    }
}

/* The handler's answer as a C int: 0 also on error. Consumes r. */
static int
answer(Parser *p, PyObject *r)
{
    if (!r) {
        return 0;
    }
    long v = PyLong_AsLong(r);
    Py_DECREF(r);
    if (v == -1 && PyErr_Occurred()) {
        stop(p);
        return 0;
    }
    return v != 0;
}

static int
on_NotStandalone(void *data)
{
    Parser *p = data;
    if (!ready(p, H_NotStandalone)) {
        return 0;
    }
    PyObject *args[1] = {NULL};
    return answer(p, deliver_args(p, NotStandalone, args, 0));
}

static int
on_ExternalEntityRef(XML_Parser xml, const XML_Char *context, const XML_Char *base,
                     const XML_Char *system, const XML_Char *public)
{
    Parser *p = XML_GetUserData(xml);
    if (!ready(p, H_ExternalEntityRef)) {
        return 0;
    }
    PyObject *c = str_or_none(context);
    PyObject *b = c ? interned(p, base) : NULL;
    PyObject *s = b ? interned(p, system) : NULL;
    PyObject *args[5] = {NULL, c, b, s, s ? interned(p, public) : NULL};
    return answer(p, deliver_args(p, ExternalEntityRef, args + 1, 4));
}

static void
on_StartDoctypeDecl(void *data, const XML_Char *name, const XML_Char *system,
                    const XML_Char *public, int internal)
{
    Parser *p = data;
    if (ready(p, H_StartDoctypeDecl)) {
        PyObject *n = interned(p, name);
        PyObject *s = n ? interned(p, system) : NULL;
        PyObject *u = s ? interned(p, public) : NULL;
        deliver(p, StartDoctypeDecl, n, s, u, u ? PyLong_FromLong(internal) : NULL);
    }
}

static void
on_EndDoctypeDecl(void *data)
{
    Parser *p = data;
    if (ready(p, H_EndDoctypeDecl)) {
        deliver(p, EndDoctypeDecl);
    }
}

static void
on_EntityDecl(void *data, const XML_Char *name, int parameter, const XML_Char *value,
              int n_value, const XML_Char *base, const XML_Char *system,
              const XML_Char *public, const XML_Char *notation)
{
    Parser *p = data;
    if (ready(p, H_EntityDecl)) {
        PyObject *n = interned(p, name);
        PyObject *i = n ? PyLong_FromLong(parameter) : NULL;
        PyObject *v = !i ? NULL : value ? str_len(value, n_value) : Py_NewRef(Py_None);
        PyObject *b = v ? interned(p, base) : NULL;
        PyObject *s = b ? interned(p, system) : NULL;
        PyObject *u = s ? interned(p, public) : NULL;
        deliver(p, EntityDecl, n, i, v, b, s, u, u ? interned(p, notation) : NULL);
    }
}

static void
on_XmlDecl(void *data, const XML_Char *version, const XML_Char *encoding, int standalone)
{
    Parser *p = data;
    if (ready(p, H_XmlDecl)) {
        PyObject *v = str_or_none(version);
        PyObject *e = v ? str_or_none(encoding) : NULL;
        deliver(p, XmlDecl, v, e, e ? PyLong_FromLong(standalone) : NULL);
    }
}

/* (type, quantifier, name, children) */
static PyObject *
model_tuple(const XML_Content *m)
{
    if (Py_EnterRecursiveCall(" in conv_content_model")) {
        return NULL;
    }
    PyObject *result = NULL;
    PyObject *children = PyTuple_New(m->numchildren);
    if (children) {
        unsigned int i = 0;
        for (; i < m->numchildren; i++) {
            PyObject *c = model_tuple(&m->children[i]);
            if (!c) {
                break;
            }
            PyTuple_SET_ITEM(children, i, c);
        }
        if (i < m->numchildren) {
            Py_DECREF(children);
        }
        else {
            result = Py_BuildValue("(iisN)", (int)m->type, (int)m->quant, m->name, children);
        }
    }
    Py_LeaveRecursiveCall();
    return result;
}

static void
on_ElementDecl(void *data, const XML_Char *name, XML_Content *model)
{
    Parser *p = data;
    if (ready(p, H_ElementDecl)) {
        PyObject *n = interned(p, name);
        deliver(p, ElementDecl, n, n ? model_tuple(model) : NULL);
    }
    XML_FreeContentModel(p->xml, model);
}

static void
on_AttlistDecl(void *data, const XML_Char *element, const XML_Char *attribute,
               const XML_Char *type, const XML_Char *otherwise, int required)
{
    Parser *p = data;
    if (ready(p, H_AttlistDecl)) {
        PyObject *e = interned(p, element);
        PyObject *a = e ? interned(p, attribute) : NULL;
        PyObject *t = a ? str_or_none(type) : NULL;
        PyObject *o = t ? str_or_none(otherwise) : NULL;
        deliver(p, AttlistDecl, e, a, t, o, o ? PyLong_FromLong(required) : NULL);
    }
}

static void
on_SkippedEntity(void *data, const XML_Char *name, int parameter)
{
    Parser *p = data;
    if (ready(p, H_SkippedEntity)) {
        PyObject *n = interned(p, name);
        deliver(p, SkippedEntity, n, n ? PyLong_FromLong(parameter) : NULL);
    }
}

static void
install_handler(Parser *p, int h, bool on)
{
    XML_Parser x = p->xml;
    switch (h) {
#define PLAIN(name)                                                                    \
    case H_##name:                                                                     \
        XML_Set##name##Handler(x, on ? on_##name : NULL);                              \
        break;
        PLAIN(StartElement) PLAIN(EndElement) PLAIN(ProcessingInstruction)
        PLAIN(UnparsedEntityDecl) PLAIN(NotationDecl) PLAIN(StartNamespaceDecl)
        PLAIN(EndNamespaceDecl) PLAIN(Comment) PLAIN(StartCdataSection)
        PLAIN(EndCdataSection) PLAIN(NotStandalone) PLAIN(ExternalEntityRef)
        PLAIN(StartDoctypeDecl) PLAIN(EndDoctypeDecl) PLAIN(EntityDecl) PLAIN(XmlDecl)
        PLAIN(ElementDecl) PLAIN(AttlistDecl) PLAIN(SkippedEntity) PLAIN(Default)
#undef PLAIN
    case H_DefaultExpand:
        XML_SetDefaultHandlerExpand(x, on ? on_DefaultExpand : NULL);
        break;
    case H_CharacterData:
        XML_SetCharacterDataHandler(x, on                ? on_CharacterData
                                       : p->in_callback ? on_no_text
                                                        : NULL);
        break;
    }
}

/* ---------------------------------------------------------------- encodings */

/* Any single-byte codec of Python: decode all 256 bytes and hand over the table. */
static int
on_unknown_encoding(void *data, const XML_Char *name, XML_Encoding *info)
{
    char all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (char)i;
    }
    if (PyErr_Occurred()) {
        return XML_STATUS_ERROR;
    }
    NJ_OWN table = PyUnicode_Decode(all, 256, name, "replace");
    if (!table) {
        return XML_STATUS_ERROR;
    }
    if (PyUnicode_GET_LENGTH(table) != 256) {
        PyErr_SetString(PyExc_ValueError, "multi-byte encodings are not supported");
        return XML_STATUS_ERROR;
    }
    for (int i = 0; i < 256; i++) {
        Py_UCS4 c = PyUnicode_READ_CHAR(table, i);
        info->map[i] = c == Py_UNICODE_REPLACEMENT_CHARACTER ? -1 : (int)c;
    }
    info->data = NULL;
    info->convert = NULL;
    info->release = NULL;
    return XML_STATUS_OK;
}

/* ---------------------------------------------------------------- parsing */

static bool
may_parse(Parser *p)
{
    if (p->parsing) {
        PyErr_SetString(PyExc_RuntimeError, "the parser is already parsing");
        return false;
    }
    return true;
}

static PyObject *
parse_result(Parser *p, enum XML_Status status)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (status == XML_STATUS_ERROR) {
        raise_error(p, XML_GetErrorCode(p->xml), NULL);
        return NULL;
    }
    return flush_text(p) < 0 ? NULL : PyLong_FromLong(status);
}

/* "NAME() takes at least/at most ..."; names no keywords. */
static bool
check_args(const char *name, Py_ssize_t n, Py_ssize_t min, Py_ssize_t max)
{
    if (n >= min && n <= max) {
        return true;
    }
    if (n < min) {
        PyErr_Format(PyExc_TypeError, "%s() takes at least %zd positional argument%s (%zd given)",
                     name, min, min == 1 ? "" : "s", n);
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd argument%s (%zd given)", name,
                     max, max == 1 ? "" : "s", n);
    }
    return false;
}

static enum XML_Status
feed(Parser *p, const char *s, Py_ssize_t n, bool final)
{
    enum XML_Status status;
    p->parsing = true;
    while (n > CHUNK) {
        status = XML_Parse(p->xml, s, CHUNK, 0);
        if (status == XML_STATUS_ERROR || PyErr_Occurred()) {
            p->parsing = false;
            return status;
        }
        s += CHUNK;
        n -= CHUNK;
    }
    status = XML_Parse(p->xml, s, (int)n, final);
    p->parsing = false;
    return status;
}

static PyObject *
parser_parse(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Parser *p = (Parser *)self;
    if (!check_args("Parse", n, 1, 2)) {
        return NULL;
    }
    int final = n > 1 ? PyObject_IsTrue(args[1]) : 0;
    if (final < 0 || !may_parse(p)) {
        return NULL;
    }
    if (PyUnicode_Check(args[0])) {
        Py_ssize_t size;
        const char *s = PyUnicode_AsUTF8AndSize(args[0], &size);
        if (!s) {
            return NULL;
        }
        (void)XML_SetEncoding(p->xml, "utf-8");
        NJ_OWN keep = Py_NewRef(args[0]);
        return parse_result(p, feed(p, s, size, final));
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(args[0], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    return parse_result(p, feed(p, view.buf, view.len, final));
}

/* Reads up to READ_SIZE bytes into dst. Bytes read, or -1. */
static int
read_into(PyObject *read, char *dst)
{
    NJ_OWN data = PyObject_CallFunction(read, "i", READ_SIZE);
    if (!data) {
        return -1;
    }
    const char *s;
    Py_ssize_t n;
    if (PyBytes_Check(data)) {
        s = PyBytes_AS_STRING(data);
        n = PyBytes_GET_SIZE(data);
    }
    else if (PyByteArray_Check(data)) {
        s = PyByteArray_AS_STRING(data);
        n = PyByteArray_GET_SIZE(data);
    }
    else {
        PyErr_Format(PyExc_TypeError, "read() did not return a bytes object (type=%.400s)",
                     Py_TYPE(data)->tp_name);
        return -1;
    }
    if (n > READ_SIZE) {
        PyErr_Format(PyExc_ValueError,
                     "read() returned too much data: %i bytes requested, %zd returned",
                     READ_SIZE, n);
        return -1;
    }
    memcpy(dst, s, (size_t)n);
    return (int)n;
}

static PyObject *
parser_parse_file(PyObject *self, PyObject *file)
{
    Parser *p = (Parser *)self;
    NJ_OWN read = NULL;
    if (PyObject_GetOptionalAttr(file, p->st->str_read, &read) < 0) {
        return NULL;
    }
    if (!read) {
        PyErr_SetString(PyExc_TypeError, "argument must have 'read' attribute");
        return NULL;
    }
    enum XML_Status status;
    for (;;) {
        if (!may_parse(p)) {
            return NULL;
        }
        /* read() may run anything, so the library's buffer is asked for afterwards */
        char data[READ_SIZE];
        int n = read_into(read, data);
        if (n < 0 || !may_parse(p)) {
            return NULL;
        }
        status = feed(p, data, n, n == 0);
        if (status == XML_STATUS_ERROR || n == 0 || PyErr_Occurred()) {
            break;
        }
    }
    return parse_result(p, status);
}

static PyObject *
parser_set_base(PyObject *self, PyObject *arg)
{
    if (!PyUnicode_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "SetBase() argument must be str, not %T", arg);
        return NULL;
    }
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(arg, &n);
    if (!s) {
        return NULL;
    }
    if ((size_t)n != strlen(s)) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    return XML_SetBase(((Parser *)self)->xml, s) ? Py_NewRef(Py_None) : PyErr_NoMemory();
}

static PyObject *
parser_get_base(PyObject *self, PyObject *ignored)
{
    return str_or_none(XML_GetBase(((Parser *)self)->xml));
}

static PyObject *
parser_get_input_context(PyObject *self, PyObject *ignored)
{
    Parser *p = (Parser *)self;
    if (!p->in_callback) {
        Py_RETURN_NONE;
    }
    int offset, size;
    const char *s = XML_GetInputContext(p->xml, &offset, &size);
    return s ? PyBytes_FromStringAndSize(s + offset, size - offset) : Py_NewRef(Py_None);
}

static Parser *
new_parser(ModuleState *st)
{
    Parser *p = PyObject_GC_New(Parser, st->parser_type);
    if (p) {
        memset((char *)p + sizeof(PyObject), 0, sizeof *p - sizeof(PyObject));
        p->st = st;
        p->buffer_size = DEFAULT_BUFFER;
        p->reparse_deferral = EXPAT_AT_LEAST(2, 6, 0);
    }
    return p;
}

/* The UTF-8 of an optional str argument into *out (NULL for None). */
static int
text_arg(PyObject *arg, const char *display, bool none_ok, const char **out)
{
    *out = NULL;
    if (none_ok && arg == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "%s must be %s, not %s", display,
                     none_ok ? "str or None" : "str",
                     arg == Py_None ? "None" : Py_TYPE(arg)->tp_name);
        return -1;
    }
    Py_ssize_t n;
    *out = PyUnicode_AsUTF8AndSize(arg, &n);
    if (*out && strlen(*out) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        *out = NULL;
    }
    return *out ? 0 : -1;
}

static PyObject *
parser_external(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Parser *p = (Parser *)self;
    const char *context, *encoding = NULL;
    if (!check_args("ExternalEntityParserCreate", n, 1, 2)
        || text_arg(args[0], "ExternalEntityParserCreate() argument 1", true, &context) < 0
        || (n > 1
            && text_arg(args[1], "ExternalEntityParserCreate() argument 2", false, &encoding)
                   < 0)) {
        return NULL;
    }
    Parser *sub = new_parser(p->st);
    if (!sub) {
        return NULL;
    }
    sub->parent = (Parser *)Py_NewRef(self);
    sub->buffer_size = p->buffer_size;
    sub->ordered_attributes = p->ordered_attributes;
    sub->specified_attributes = p->specified_attributes;
    sub->namespace_prefixes = p->namespace_prefixes;
    sub->reparse_deferral = p->reparse_deferral;
    sub->intern = Py_XNewRef(p->intern);
    sub->xml = XML_ExternalEntityParserCreate(p->xml, context, encoding);
    if (p->buffer) {
        sub->buffer = PyMem_Malloc((size_t)sub->buffer_size);
    }
    if (!sub->xml || (p->buffer && !sub->buffer)) {
        Py_DECREF(sub);
        return PyErr_NoMemory();
    }
    XML_SetUserData(sub->xml, sub);
    for (int h = 0; h < N_HANDLERS; h++) {
        if (p->handlers[h]) {
            sub->handlers[h] = Py_NewRef(p->handlers[h]);
            install_handler(sub, h, true);
        }
    }
    PyObject_GC_Track(sub);
    return (PyObject *)sub;
}

static PyObject *
parser_set_param_entity_parsing(PyObject *self, PyObject *arg)
{
    int flag = PyLong_AsInt(arg);
    if (flag == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyLong_FromLong(
        XML_SetParamEntityParsing(((Parser *)self)->xml, (enum XML_ParamEntityParsing)flag));
}

static PyObject *
parser_use_foreign_dtd(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Parser *p = (Parser *)self;
    if (!check_args("UseForeignDTD", n, 0, 1)) {
        return NULL;
    }
    int flag = n ? PyObject_IsTrue(args[0]) : 1;
    if (flag < 0) {
        return NULL;
    }
    enum XML_Error code = XML_UseForeignDTD(p->xml, flag ? XML_TRUE : XML_FALSE);
    if (code != XML_ERROR_NONE) {
        raise_error(p, code, NULL);
        return NULL;
    }
    Py_RETURN_NONE;
}

#if EXPAT_AT_LEAST(2, 4, 0)
/* The four setters below share this: the library refuses a parser that is not a root, and
 * then a factor that is too small. */
static PyObject *
protection_result(Parser *p, XML_Bool ok, bool bad_factor)
{
    if (ok) {
        Py_RETURN_NONE;
    }
    raise_error(p, XML_ERROR_INVALID_ARGUMENT,
                p->parent    ? "parser must be a root parser"
                : bad_factor ? "'max_factor' must be at least 1.0"
                             : "parser must be a root parser");
    return NULL;
}

static int
threshold_arg(PyObject *arg, unsigned long long *out)
{
    if (!PyIndex_Check(arg)) {
        PyErr_Format(PyExc_TypeError, "'%T' object cannot be interpreted as an integer", arg);
        return -1;
    }
    NJ_OWN v = PyNumber_Index(arg);
    if (!v) {
        return -1;
    }
    if (PyLong_IsNegative(v)) {
        PyErr_SetString(PyExc_ValueError, "Cannot convert negative int");
        return -1;
    }
    *out = PyLong_AsUnsignedLongLong(v);
    if (*out == (unsigned long long)-1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError,
                            "Python int too large for C unsigned long long");
        }
        return -1;
    }
    return 0;
}

static int
factor_arg(PyObject *arg, float *out)
{
    double v = PyFloat_AsDouble(arg);
    *out = (float)v;
    return v == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *
parser_set_blap_threshold(PyObject *self, PyObject *arg)
{
    Parser *p = (Parser *)self;
    unsigned long long v;
    if (threshold_arg(arg, &v) < 0) {
        return NULL;
    }
    return protection_result(
        p, XML_SetBillionLaughsAttackProtectionActivationThreshold(p->xml, v), false);
}

static PyObject *
parser_set_blap_factor(PyObject *self, PyObject *arg)
{
    Parser *p = (Parser *)self;
    float v;
    if (factor_arg(arg, &v) < 0) {
        return NULL;
    }
    return protection_result(
        p, XML_SetBillionLaughsAttackProtectionMaximumAmplification(p->xml, v), true);
}
#endif

#if EXPAT_AT_LEAST(2, 7, 2)
static PyObject *
parser_set_tracker_threshold(PyObject *self, PyObject *arg)
{
    Parser *p = (Parser *)self;
    unsigned long long v;
    if (threshold_arg(arg, &v) < 0) {
        return NULL;
    }
    return protection_result(p, XML_SetAllocTrackerActivationThreshold(p->xml, v), false);
}

static PyObject *
parser_set_tracker_factor(PyObject *self, PyObject *arg)
{
    Parser *p = (Parser *)self;
    float v;
    if (factor_arg(arg, &v) < 0) {
        return NULL;
    }
    return protection_result(p, XML_SetAllocTrackerMaximumAmplification(p->xml, v), true);
}
#endif

static PyObject *
parser_set_reparse_deferral(PyObject *self, PyObject *arg)
{
    int on = PyObject_IsTrue(arg);
    if (on < 0) {
        return NULL;
    }
#if EXPAT_AT_LEAST(2, 6, 0)
    Parser *p = (Parser *)self;
    if (XML_SetReparseDeferralEnabled(p->xml, on ? XML_TRUE : XML_FALSE)) {
        p->reparse_deferral = on;
    }
#endif
    Py_RETURN_NONE;
}

static PyObject *
parser_get_reparse_deferral(PyObject *self, PyObject *ignored)
{
    return PyBool_FromLong(((Parser *)self)->reparse_deferral);
}

/* ---------------------------------------------------------------- attributes */

static PyObject *
parser_get_handler(PyObject *self, void *closure)
{
    PyObject *h = ((Parser *)self)->handlers[(intptr_t)closure];
    return Py_NewRef(h ? h : Py_None);
}

static int
cannot_delete(PyObject *v)
{
    if (!v) {
        PyErr_SetString(PyExc_RuntimeError, "Cannot delete attribute");
        return -1;
    }
    return 0;
}

static int
parser_set_handler(PyObject *self, PyObject *v, void *closure)
{
    Parser *p = (Parser *)self;
    int h = (int)(intptr_t)closure;
    if (cannot_delete(v) < 0) {
        return -1;
    }
    /* text that arrived under the old handler belongs to it */
    if (h == H_CharacterData && flush_text(p) < 0) {
        return -1;
    }
    NJ_OWN old = p->handlers[h];
    p->handlers[h] = v == Py_None ? NULL : Py_NewRef(v);
    install_handler(p, h, v != Py_None);
    return 0;
}

#define POSITION(name, call)                                                           \
    static PyObject *parser_get_##name(PyObject *self, void *closure)                  \
    {                                                                                  \
        return PyLong_FromLong((long)call(((Parser *)self)->xml));                     \
    }
POSITION(error_code, XML_GetErrorCode)
POSITION(line, XML_GetCurrentLineNumber)
POSITION(column, XML_GetCurrentColumnNumber)
POSITION(byte_index, XML_GetCurrentByteIndex)
#undef POSITION

#define FLAG(name)                                                                     \
    static PyObject *parser_get_##name(PyObject *self, void *closure)                  \
    {                                                                                  \
        return PyBool_FromLong(((Parser *)self)->name);                                \
    }                                                                                  \
    static int parser_set_##name(PyObject *self, PyObject *v, void *closure)           \
    {                                                                                  \
        int on = cannot_delete(v) < 0 ? -1 : PyObject_IsTrue(v);                       \
        if (on >= 0) {                                                                 \
            ((Parser *)self)->name = on;                                               \
        }                                                                              \
        return on < 0 ? -1 : 0;                                                        \
    }
FLAG(ordered_attributes)
FLAG(specified_attributes)
#undef FLAG

static PyObject *
parser_get_namespace_prefixes(PyObject *self, void *closure)
{
    return PyBool_FromLong(((Parser *)self)->namespace_prefixes);
}

static int
parser_set_namespace_prefixes(PyObject *self, PyObject *v, void *closure)
{
    Parser *p = (Parser *)self;
    int on = cannot_delete(v) < 0 ? -1 : PyObject_IsTrue(v);
    if (on < 0) {
        return -1;
    }
    p->namespace_prefixes = on;
    XML_SetReturnNSTriplet(p->xml, on);
    return 0;
}

static PyObject *
parser_get_buffer_text(PyObject *self, void *closure)
{
    return PyBool_FromLong(((Parser *)self)->buffer != NULL);
}

static int
parser_set_buffer_text(PyObject *self, PyObject *v, void *closure)
{
    Parser *p = (Parser *)self;
    int on = cannot_delete(v) < 0 ? -1 : PyObject_IsTrue(v);
    if (on < 0) {
        return -1;
    }
    if (!on) {
        if (flush_text(p) < 0) {
            return -1;
        }
        PyMem_Free(p->buffer);
        p->buffer = NULL;
    }
    else if (!p->buffer) {
        p->buffer = PyMem_Malloc((size_t)p->buffer_size);
        if (!p->buffer) {
            PyErr_NoMemory();
            return -1;
        }
        p->buffer_used = 0;
    }
    return 0;
}

static PyObject *
parser_get_buffer_size(PyObject *self, void *closure)
{
    return PyLong_FromLong(((Parser *)self)->buffer_size);
}

static int
parser_set_buffer_size(PyObject *self, PyObject *v, void *closure)
{
    Parser *p = (Parser *)self;
    if (cannot_delete(v) < 0) {
        return -1;
    }
    if (!PyLong_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "buffer_size must be an integer");
        return -1;
    }
    long size = PyLong_AsLong(v);
    if (size <= 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "buffer_size must be greater than zero");
        }
        return -1;
    }
    if (size > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "buffer_size must not be greater than %i", INT_MAX);
        return -1;
    }
    if (size == p->buffer_size) {
        return 0;
    }
    if (p->buffer) {
        if (flush_text(p) < 0) {
            return -1;
        }
        XML_Char *buffer = PyMem_Malloc((size_t)size);
        if (!buffer) {
            PyErr_NoMemory();
            return -1;
        }
        PyMem_Free(p->buffer);
        p->buffer = buffer;
        p->buffer_used = 0;
    }
    p->buffer_size = (int)size;
    return 0;
}

static PyObject *
parser_get_buffer_used(PyObject *self, void *closure)
{
    return PyLong_FromLong(((Parser *)self)->buffer_used);
}

static PyMemberDef parser_members[] = {
    {"intern", _Py_T_OBJECT, offsetof(Parser, intern), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef parser_getset[] = {
#define HANDLER(name)                                                                  \
    {#name "Handler", parser_get_handler, parser_set_handler, NULL,                    \
     (void *)(intptr_t)H_##name},
    HANDLER(StartElement) HANDLER(EndElement) HANDLER(ProcessingInstruction)
    HANDLER(CharacterData) HANDLER(UnparsedEntityDecl) HANDLER(NotationDecl)
    HANDLER(StartNamespaceDecl) HANDLER(EndNamespaceDecl) HANDLER(Comment)
    HANDLER(StartCdataSection) HANDLER(EndCdataSection) HANDLER(Default)
    {"DefaultHandlerExpand", parser_get_handler, parser_set_handler, NULL,
     (void *)(intptr_t)H_DefaultExpand},
    HANDLER(NotStandalone) HANDLER(ExternalEntityRef) HANDLER(StartDoctypeDecl)
    HANDLER(EndDoctypeDecl) HANDLER(EntityDecl) HANDLER(XmlDecl) HANDLER(ElementDecl)
    HANDLER(AttlistDecl) HANDLER(SkippedEntity)
#undef HANDLER
    {"ErrorCode", parser_get_error_code, NULL, NULL, NULL},
    {"ErrorLineNumber", parser_get_line, NULL, NULL, NULL},
    {"ErrorColumnNumber", parser_get_column, NULL, NULL, NULL},
    {"ErrorByteIndex", parser_get_byte_index, NULL, NULL, NULL},
    {"CurrentLineNumber", parser_get_line, NULL, NULL, NULL},
    {"CurrentColumnNumber", parser_get_column, NULL, NULL, NULL},
    {"CurrentByteIndex", parser_get_byte_index, NULL, NULL, NULL},
    {"buffer_size", parser_get_buffer_size, parser_set_buffer_size, NULL, NULL},
    {"buffer_text", parser_get_buffer_text, parser_set_buffer_text, NULL, NULL},
    {"buffer_used", parser_get_buffer_used, NULL, NULL, NULL},
    {"namespace_prefixes", parser_get_namespace_prefixes, parser_set_namespace_prefixes,
     NULL, NULL},
    {"ordered_attributes", parser_get_ordered_attributes, parser_set_ordered_attributes,
     NULL, NULL},
    {"specified_attributes", parser_get_specified_attributes,
     parser_set_specified_attributes, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define FAST(f) ((PyCFunction)(void (*)(void))(f))
static PyMethodDef parser_methods[] = {
    {"Parse", FAST(parser_parse), METH_FASTCALL,
     PyDoc_STR("Parse($self, data, isfinal=False, /)\n--\n\n"
               "Parses data: bytes-like, or str (then the XML declaration's encoding does\n"
               "not count). Pass a true isfinal with the last piece.")},
    {"ParseFile", parser_parse_file, METH_O,
     PyDoc_STR("ParseFile($self, file, /)\n--\n\n"
               "Parses all that the binary file's read() gives.")},
    {"SetBase", parser_set_base, METH_O,
     PyDoc_STR("SetBase($self, base, /)\n--\n\nSets the base URL.")},
    {"GetBase", parser_get_base, METH_NOARGS,
     PyDoc_STR("GetBase($self, /)\n--\n\nThe base URL as str, or None.")},
    {"GetInputContext", parser_get_input_context, METH_NOARGS,
     PyDoc_STR("GetInputContext($self, /)\n--\n\n"
               "The input from the start of the current event on, as bytes in the\n"
               "document's encoding: whatever is buffered, so later events may be in it,\n"
               "and a long text may be cut. None outside a handler.")},
    {"ExternalEntityParserCreate", FAST(parser_external), METH_FASTCALL,
     PyDoc_STR("ExternalEntityParserCreate($self, context, encoding=<unrepresentable>, /)\n"
               "--\n\nA parser for the external entity that ExternalEntityRefHandler was "
               "told of.")},
    {"SetParamEntityParsing", parser_set_param_entity_parsing, METH_O,
     PyDoc_STR("SetParamEntityParsing($self, flag, /)\n--\n\n"
               "Whether parameter entities, the external DTD subset among them, are\n"
               "parsed: one of the XML_PARAM_ENTITY_PARSING_* values. True if it was set.")},
    {"UseForeignDTD", FAST(parser_use_foreign_dtd), METH_FASTCALL,
     PyDoc_STR("UseForeignDTD($self, flag=True, /)\n--\n\n"
               "Lets the application supply an external DTD subset for documents that\n"
               "name none.")},
#if EXPAT_AT_LEAST(2, 4, 0)
    {"SetBillionLaughsAttackProtectionActivationThreshold", parser_set_blap_threshold,
     METH_O,
     PyDoc_STR("SetBillionLaughsAttackProtectionActivationThreshold($self, threshold, /)\n"
               "--\n\nOutput bytes after which amplification by entities is limited\n"
               "(8 MiB unless the library was built otherwise).")},
    {"SetBillionLaughsAttackProtectionMaximumAmplification", parser_set_blap_factor, METH_O,
     PyDoc_STR("SetBillionLaughsAttackProtectionMaximumAmplification($self, max_factor,\n"
               "                                                     /)\n--\n\n"
               "The greatest tolerated ratio of bytes after expansion to bytes read, at\n"
               "least 1.0 (100 unless the library was built otherwise).")},
#endif
#if EXPAT_AT_LEAST(2, 7, 2)
    {"SetAllocTrackerActivationThreshold", parser_set_tracker_threshold, METH_O,
     PyDoc_STR("SetAllocTrackerActivationThreshold($self, threshold, /)\n--\n\n"
               "Bytes of memory after which the allocation limit counts.")},
    {"SetAllocTrackerMaximumAmplification", parser_set_tracker_factor, METH_O,
     PyDoc_STR("SetAllocTrackerMaximumAmplification($self, max_factor, /)\n--\n\n"
               "The greatest tolerated ratio of memory to bytes read, at least 1.0.")},
#endif
    {"SetReparseDeferralEnabled", parser_set_reparse_deferral, METH_O,
     PyDoc_STR("SetReparseDeferralEnabled($self, enabled, /)\n--\n\n"
               "Turns reparse deferral on or off; libraries before 2.6 have none.")},
    {"GetReparseDeferralEnabled", parser_get_reparse_deferral, METH_NOARGS,
     PyDoc_STR("GetReparseDeferralEnabled($self, /)\n--\n\n"
               "Whether reparse deferral is on; false with libraries before 2.6.")},
    {NULL, NULL, 0, NULL},
};

static int
parser_traverse(PyObject *self, visitproc visit, void *arg)
{
    Parser *p = (Parser *)self;
    for (int h = 0; h < N_HANDLERS; h++) {
        Py_VISIT(p->handlers[h]);
    }
    Py_VISIT(p->intern);
    Py_VISIT(p->parent);
    Py_VISIT(Py_TYPE(self));
    return 0;
}

/* Leaves the parent alone: the library needs it until XML_ParserFree. */
static int
parser_clear(PyObject *self)
{
    Parser *p = (Parser *)self;
    if (p->xml) {
        clear_handlers(p);
    }
    Py_CLEAR(p->intern);
    return 0;
}

static void
parser_dealloc(PyObject *self)
{
    Parser *p = (Parser *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    parser_clear(self);
    if (p->xml) {
        XML_ParserFree(p->xml);
    }
    PyMem_Free(p->buffer);
    Py_CLEAR(p->parent);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyType_Slot parser_slots[] = {
    {Py_tp_doc, (void *)PyDoc_STR("XML parser")},
    {Py_tp_methods, parser_methods},
    {Py_tp_members, parser_members},
    {Py_tp_getset, parser_getset},
    {Py_tp_traverse, parser_traverse},
    {Py_tp_clear, parser_clear},
    {Py_tp_dealloc, parser_dealloc},
    {0, NULL},
};

static PyType_Spec parser_spec = {
    .name = "pyexpat.xmlparser",
    .basicsize = sizeof(Parser),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = parser_slots,
};

/* ---------------------------------------------------------------- module */

/* A seed that hash flooding cannot guess: derived from the interpreter's own string hash. */
static unsigned long
hash_salt(void)
{
    NJ_OWN s = PyUnicode_FromString("pyexpat hash salt");
    Py_hash_t h = s ? PyObject_Hash(s) : -1;
    PyErr_Clear();
    return (unsigned long)h;
}

static PyObject *
parser_create(PyObject *module, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"encoding", "namespace_separator", "intern", NULL};
    static const XML_Memory_Handling_Suite memory = {PyMem_Malloc, PyMem_Realloc,
                                                     PyMem_Free};
    ModuleState *st = PyModule_GetState(module);
    PyObject *encoding_arg = Py_None, *separator_arg = Py_None, *intern = NULL;
    const char *encoding, *separator;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:ParserCreate", names, &encoding_arg,
                                     &separator_arg, &intern)
        || text_arg(encoding_arg, "ParserCreate() argument 'encoding'", true, &encoding) < 0
        || text_arg(separator_arg, "ParserCreate() argument 'namespace_separator'", true,
                    &separator) < 0) {
        return NULL;
    }
    if (separator && strlen(separator) > 1) {
        PyErr_SetString(PyExc_ValueError, "namespace_separator must be at most one character, "
                                          "omitted, or None");
        return NULL;
    }
    if (intern && intern != Py_None && !PyDict_Check(intern)) {
        PyErr_SetString(PyExc_TypeError, "intern must be a dictionary");
        return NULL;
    }
    NJ_OWN names_dict = !intern            ? PyDict_New()
                        : intern == Py_None ? NULL
                                            : Py_NewRef(intern);
    if (!names_dict && intern != Py_None) {
        return NULL;
    }
    Parser *p = new_parser(st);
    if (!p) {
        return NULL;
    }
    p->intern = NJ_TAKE(names_dict);
    p->xml = XML_ParserCreate_MM(encoding, &memory, separator);
    if (!p->xml) {
        Py_DECREF(p);
        return PyErr_NoMemory();
    }
    XML_SetHashSalt(p->xml, hash_salt());
    XML_SetUserData(p->xml, p);
    XML_SetUnknownEncodingHandler(p->xml, on_unknown_encoding, NULL);
    PyObject_GC_Track(p);
    return (PyObject *)p;
}

static PyObject *
error_string(PyObject *module, PyObject *arg)
{
    long code = PyLong_AsLong(arg);
    if (code == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return str_or_none(XML_ErrorString((enum XML_Error)code));
}

static PyMethodDef pyexpat_methods[] = {
    {"ParserCreate", FAST(parser_create), METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("ParserCreate($module, /, encoding=None, namespace_separator=None,\n"
               "             intern=<unrepresentable>)\n--\n\nReturn a new XML parser object.")},
    {"ErrorString", error_string, METH_O,
     PyDoc_STR("ErrorString($module, code, /)\n--\n\nReturns string error for given number.")},
    {NULL, NULL, 0, NULL},
};

/* Name, code and the text for libraries that do not know the code. */
static const struct {
    const char *name;
    int code;
    const char *text;
} error_table[] = {
    {"XML_ERROR_NO_MEMORY", 1, "out of memory"},
    {"XML_ERROR_SYNTAX", 2, "syntax error"},
    {"XML_ERROR_NO_ELEMENTS", 3, "no element found"},
    {"XML_ERROR_INVALID_TOKEN", 4, "not well-formed (invalid token)"},
    {"XML_ERROR_UNCLOSED_TOKEN", 5, "unclosed token"},
    {"XML_ERROR_PARTIAL_CHAR", 6, "partial character"},
    {"XML_ERROR_TAG_MISMATCH", 7, "mismatched tag"},
    {"XML_ERROR_DUPLICATE_ATTRIBUTE", 8, "duplicate attribute"},
    {"XML_ERROR_JUNK_AFTER_DOC_ELEMENT", 9, "junk after document element"},
    {"XML_ERROR_PARAM_ENTITY_REF", 10, "illegal parameter entity reference"},
    {"XML_ERROR_UNDEFINED_ENTITY", 11, "undefined entity"},
    {"XML_ERROR_RECURSIVE_ENTITY_REF", 12, "recursive entity reference"},
    {"XML_ERROR_ASYNC_ENTITY", 13, "asynchronous entity"},
    {"XML_ERROR_BAD_CHAR_REF", 14, "reference to invalid character number"},
    {"XML_ERROR_BINARY_ENTITY_REF", 15, "reference to binary entity"},
    {"XML_ERROR_ATTRIBUTE_EXTERNAL_ENTITY_REF", 16,
     "reference to external entity in attribute"},
    {"XML_ERROR_MISPLACED_XML_PI", 17, "XML or text declaration not at start of entity"},
    {"XML_ERROR_UNKNOWN_ENCODING", 18, "unknown encoding"},
    {"XML_ERROR_INCORRECT_ENCODING", 19,
     "encoding specified in XML declaration is incorrect"},
    {"XML_ERROR_UNCLOSED_CDATA_SECTION", 20, "unclosed CDATA section"},
    {"XML_ERROR_EXTERNAL_ENTITY_HANDLING", 21,
     "error in processing external entity reference"},
    {"XML_ERROR_NOT_STANDALONE", 22, "document is not standalone"},
    {"XML_ERROR_UNEXPECTED_STATE", 23, "unexpected parser state - please send a bug report"},
    {"XML_ERROR_ENTITY_DECLARED_IN_PE", 24, "entity declared in parameter entity"},
    {"XML_ERROR_FEATURE_REQUIRES_XML_DTD", 25,
     "requested feature requires XML_DTD support in Expat"},
    {"XML_ERROR_CANT_CHANGE_FEATURE_ONCE_PARSING", 26,
     "cannot change setting once parsing has begun"},
    {"XML_ERROR_UNBOUND_PREFIX", 27, "unbound prefix"},
    {"XML_ERROR_UNDECLARING_PREFIX", 28, "must not undeclare prefix"},
    {"XML_ERROR_INCOMPLETE_PE", 29, "incomplete markup in parameter entity"},
    {"XML_ERROR_XML_DECL", 30, "XML declaration not well-formed"},
    {"XML_ERROR_TEXT_DECL", 31, "text declaration not well-formed"},
    {"XML_ERROR_PUBLICID", 32, "illegal character(s) in public id"},
    {"XML_ERROR_SUSPENDED", 33, "parser suspended"},
    {"XML_ERROR_NOT_SUSPENDED", 34, "parser not suspended"},
    {"XML_ERROR_ABORTED", 35, "parsing aborted"},
    {"XML_ERROR_FINISHED", 36, "parsing finished"},
    {"XML_ERROR_SUSPEND_PE", 37, "cannot suspend in external parameter entity"},
    {"XML_ERROR_RESERVED_PREFIX_XML", 38,
     "reserved prefix (xml) must not be undeclared or bound to another namespace name"},
    {"XML_ERROR_RESERVED_PREFIX_XMLNS", 39,
     "reserved prefix (xmlns) must not be declared or undeclared"},
    {"XML_ERROR_RESERVED_NAMESPACE_URI", 40,
     "prefix must not be bound to one of the reserved namespace names"},
    {"XML_ERROR_INVALID_ARGUMENT", 41, "invalid argument"},
    {"XML_ERROR_NO_BUFFER", 42,
     "a successful prior call to function XML_GetBuffer is required"},
    {"XML_ERROR_AMPLIFICATION_LIMIT_BREACH", 43,
     "limit on input amplification factor (from DTD and entities) breached"},
    {"XML_ERROR_NOT_STARTED", 44, "parser not started"},
};

static PyObject *
new_submodule(PyObject *module, const char *name, const char *full, const char *doc)
{
    NJ_OWN sub = PyModule_New(full);
    if (!sub || PyModule_SetDocString(sub, doc) < 0
        || PyModule_AddObjectRef(module, name, sub) < 0) {
        return NULL;
    }
    return NJ_TAKE(sub);
}

static int
add_errors(PyObject *module)
{
    NJ_OWN sub = new_submodule(module, "errors", "pyexpat.errors",
                               "Constants used to describe error conditions.");
    NJ_OWN codes = PyDict_New();
    NJ_OWN messages = PyDict_New();
    if (!sub || !codes || !messages) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(error_table); i++) {
        const char *s = XML_ErrorString((enum XML_Error)error_table[i].code);
        NJ_OWN text = PyUnicode_FromString(s ? s : error_table[i].text);
        NJ_OWN code = PyLong_FromLong(error_table[i].code);
        if (!text || !code || PyModule_AddObjectRef(sub, error_table[i].name, text) < 0
            || PyDict_SetItem(codes, text, code) < 0
            || PyDict_SetItem(messages, code, text) < 0) {
            return -1;
        }
    }
    return PyModule_AddObjectRef(sub, "codes", codes) < 0
                   || PyModule_AddObjectRef(sub, "messages", messages) < 0
               ? -1
               : 0;
}

static int
add_model(PyObject *module)
{
    static const struct {
        const char *name;
        int value;
    } table[] = {
        {"XML_CTYPE_EMPTY", XML_CTYPE_EMPTY},   {"XML_CTYPE_ANY", XML_CTYPE_ANY},
        {"XML_CTYPE_MIXED", XML_CTYPE_MIXED},   {"XML_CTYPE_NAME", XML_CTYPE_NAME},
        {"XML_CTYPE_CHOICE", XML_CTYPE_CHOICE}, {"XML_CTYPE_SEQ", XML_CTYPE_SEQ},
        {"XML_CQUANT_NONE", XML_CQUANT_NONE},   {"XML_CQUANT_OPT", XML_CQUANT_OPT},
        {"XML_CQUANT_REP", XML_CQUANT_REP},     {"XML_CQUANT_PLUS", XML_CQUANT_PLUS},
    };
    NJ_OWN sub = new_submodule(module, "model", "pyexpat.model",
                               "Constants used to interpret content model information.");
    for (size_t i = 0; sub && i < NJ_ARRAY_LEN(table); i++) {
        if (PyModule_AddIntConstant(sub, table[i].name, table[i].value) < 0) {
            return -1;
        }
    }
    return sub ? 0 : -1;
}

static int
add_features(PyObject *module)
{
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return -1;
    }
    const XML_Feature *f = XML_GetFeatureList();
    for (; f && f->feature != XML_FEATURE_END; f++) {
        NJ_OWN item = Py_BuildValue("si", f->name, (int)f->value);
        if (!item || PyList_Append(list, item) < 0) {
            return -1;
        }
    }
    return PyModule_AddObjectRef(module, "features", list);
}

/* Static, not in the module's state: users keep the pointer beyond the module's life. */
static const struct PyExpat_CAPI capi = {
    .magic = PyExpat_CAPI_MAGIC,
    .size = sizeof(struct PyExpat_CAPI),
    .MAJOR_VERSION = XML_MAJOR_VERSION,
    .MINOR_VERSION = XML_MINOR_VERSION,
    .MICRO_VERSION = XML_MICRO_VERSION,
    .ErrorString = XML_ErrorString,
    .GetErrorCode = XML_GetErrorCode,
    .GetErrorColumnNumber = XML_GetErrorColumnNumber,
    .GetErrorLineNumber = XML_GetErrorLineNumber,
    .Parse = XML_Parse,
    .ParserCreate_MM = XML_ParserCreate_MM,
    .ParserFree = XML_ParserFree,
    .SetCharacterDataHandler = XML_SetCharacterDataHandler,
    .SetCommentHandler = XML_SetCommentHandler,
    .SetDefaultHandlerExpand = XML_SetDefaultHandlerExpand,
    .SetElementHandler = XML_SetElementHandler,
    .SetNamespaceDeclHandler = XML_SetNamespaceDeclHandler,
    .SetProcessingInstructionHandler = XML_SetProcessingInstructionHandler,
    .SetUnknownEncodingHandler = XML_SetUnknownEncodingHandler,
    .SetUserData = XML_SetUserData,
    .SetStartDoctypeDeclHandler = XML_SetStartDoctypeDeclHandler,
    .SetEncoding = XML_SetEncoding,
    .DefaultUnknownEncodingHandler = on_unknown_encoding,
    .SetHashSalt = XML_SetHashSalt,
#if EXPAT_AT_LEAST(2, 6, 0)
    .SetReparseDeferralEnabled = XML_SetReparseDeferralEnabled,
#endif
#if EXPAT_AT_LEAST(2, 7, 2)
    .SetAllocTrackerActivationThreshold = XML_SetAllocTrackerActivationThreshold,
    .SetAllocTrackerMaximumAmplification = XML_SetAllocTrackerMaximumAmplification,
#endif
#if EXPAT_AT_LEAST(2, 4, 0)
    .SetBillionLaughsAttackProtectionActivationThreshold =
        XML_SetBillionLaughsAttackProtectionActivationThreshold,
    .SetBillionLaughsAttackProtectionMaximumAmplification =
        XML_SetBillionLaughsAttackProtectionMaximumAmplification,
#endif
#if EXPAT_AT_LEAST(2, 8, 0)
    .SetHashSalt16Bytes = XML_SetHashSalt16Bytes,
#endif
};

static int
add_capi(PyObject *module)
{
    NJ_OWN capsule = PyCapsule_New((void *)&capi, PyExpat_CAPSULE_NAME, NULL);
    return capsule ? PyModule_AddObjectRef(module, "expat_CAPI", capsule) : -1;
}

static int
pyexpat_exec(PyObject *module)
{
    ModuleState *st = PyModule_GetState(module);
    st->str_read = PyUnicode_InternFromString("read");
    st->parser_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &parser_spec, NULL);
    st->error = PyErr_NewException("xml.parsers.expat.ExpatError", NULL, NULL);
    if (!st->str_read || !st->parser_type || !st->error
        || PyModule_AddObjectRef(module, "error", st->error) < 0
        || PyModule_AddObjectRef(module, "ExpatError", st->error) < 0
        || PyModule_AddObjectRef(module, "XMLParserType", (PyObject *)st->parser_type) < 0
        || PyModule_AddStringConstant(module, "EXPAT_VERSION", XML_ExpatVersion()) < 0) {
        return -1;
    }
    XML_Expat_Version v = XML_ExpatVersionInfo();
    NJ_OWN info = Py_BuildValue("(iii)", v.major, v.minor, v.micro);
    if (!info || PyModule_AddObjectRef(module, "version_info", info) < 0
        || PyModule_AddStringConstant(module, "native_encoding", "UTF-8") < 0
        || add_errors(module) < 0 || add_model(module) < 0 || add_features(module) < 0
        || PyModule_AddIntMacro(module, XML_PARAM_ENTITY_PARSING_NEVER) < 0
        || PyModule_AddIntMacro(module, XML_PARAM_ENTITY_PARSING_UNLESS_STANDALONE) < 0
        || PyModule_AddIntMacro(module, XML_PARAM_ENTITY_PARSING_ALWAYS) < 0) {
        return -1;
    }
    return add_capi(module);
}

static int
pyexpat_traverse(PyObject *module, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(module);
    Py_VISIT(st->parser_type);
    Py_VISIT(st->error);
    Py_VISIT(st->str_read);
    return 0;
}

static int
pyexpat_clear(PyObject *module)
{
    ModuleState *st = PyModule_GetState(module);
    Py_CLEAR(st->parser_type);
    Py_CLEAR(st->error);
    Py_CLEAR(st->str_read);
    return 0;
}

static void
pyexpat_free(void *module)
{
    (void)pyexpat_clear(module);
}

static PyModuleDef_Slot pyexpat_slots[] = {
    {Py_mod_exec, pyexpat_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef pyexpat_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pyexpat",
    .m_doc = "Python wrapper for Expat parser.",
    .m_size = sizeof(ModuleState),
    .m_methods = pyexpat_methods,
    .m_slots = pyexpat_slots,
    .m_traverse = pyexpat_traverse,
    .m_clear = pyexpat_clear,
    .m_free = pyexpat_free,
};

PyMODINIT_FUNC
PyInit_pyexpat(void)
{
    return PyModuleDef_Init(&pyexpat_module);
}

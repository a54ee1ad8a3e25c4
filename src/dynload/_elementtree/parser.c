/* parser.c - XMLParser: expat's events to a target.
 *
 * A target that is exactly a TreeBuilder is driven in C; for any other the methods it has
 * are looked up once. After an exception in a callback the library goes on to the end of
 * the piece, and every callback returns at once.
 * SPDX-License-Identifier: MIT
 */
#include "elementtree.h"

#include <limits.h>

#define FAST(f) ((PyCFunction)(void (*)(void))(f))
#define EXPAT(f) p->expat->f

/* Names already seen: what expat calls them -> str. Open addressing, power of two. */
typedef struct {
    char *key;
    size_t len;
    PyObject *name;
    uint32_t hash;
} NameEntry;

typedef struct {
    PyObject_HEAD
    EtState *st;
    const struct PyExpat_CAPI *expat; /* not through st: dealloc may come after its end */
    XML_Parser xml;
    PyObject *target;
    Builder *builder; /* target, if it is exactly a TreeBuilder; borrowed */
    PyObject *entity; /* dict: entity name -> text */
    NameEntry *names;
    size_t n_names, names_size;
    bool parsing;
    PyObject *handle_start, *handle_data, *handle_end, *handle_comment, *handle_pi,
        *handle_start_ns, *handle_end_ns, *handle_doctype, *handle_close;
} Parser;

#define PARSER_FIELDS(F)                                                               \
    F(target) F(entity) F(handle_start) F(handle_data) F(handle_end) F(handle_comment) \
    F(handle_pi) F(handle_start_ns) F(handle_end_ns) F(handle_doctype) F(handle_close)

/* ---------------------------------------------------------------- names */

static uint32_t
hash_name(const char *s, size_t *len)
{
    uint32_t h = 2166136261u;
    const char *p = s;
    for (; *p; p++) {
        h = (h ^ (unsigned char)*p) * 16777619u;
    }
    *len = (size_t)(p - s);
    return h ^ (h >> 15);
}

static int
grow_names(Parser *p)
{
    size_t size = p->names_size ? p->names_size * 2 : 64;
    NameEntry *fresh = PyMem_Calloc(size, sizeof *fresh);
    if (!fresh) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < p->names_size; i++) {
        if (p->names[i].name) {
            size_t j = p->names[i].hash & (size - 1);
            while (fresh[j].name) {
                j = (j + 1) & (size - 1);
            }
            fresh[j] = p->names[i];
        }
    }
    PyMem_Free(p->names);
    p->names = fresh;
    p->names_size = size;
    return 0;
}

/* "uri}local" as "{uri}local", "local" as it is. */
static PyObject *
universal_name(const char *s, size_t len)
{
    if (!memchr(s, '}', len)) {
        return PyUnicode_DecodeUTF8(s, (Py_ssize_t)len, "strict");
    }
    char *braced = PyMem_Malloc(len + 1);
    if (!braced) {
        return PyErr_NoMemory();
    }
    braced[0] = '{';
    memcpy(braced + 1, s, len);
    PyObject *name = PyUnicode_DecodeUTF8(braced, (Py_ssize_t)len + 1, "strict");
    PyMem_Free(braced);
    return name;
}

/* How many names are remembered: a document of endless different names must not pile up. */
enum { MAX_NAMES = 1 << 16 };

static PyObject *
name_of(Parser *p, const char *s)
{
    size_t len;
    uint32_t hash = hash_name(s, &len);
    if (p->names_size) {
        size_t mask = p->names_size - 1;
        for (size_t i = hash & mask, tries = 0; p->names[i].name && tries < 32;
             i = (i + 1) & mask, tries++) {
            NameEntry *e = &p->names[i];
            if (e->hash == hash && e->len == len && memcmp(e->key, s, len) == 0) {
                return Py_NewRef(e->name);
            }
        }
    }
    PyObject *name = universal_name(s, len);
    if (!name || p->n_names >= MAX_NAMES) {
        return name;
    }
    if ((p->n_names + 1) * 2 > p->names_size && grow_names(p) < 0) {
        Py_DECREF(name);
        return NULL;
    }
    size_t mask = p->names_size - 1, i = hash & mask, tries = 0;
    while (p->names[i].name && tries < 32) {
        i = (i + 1) & mask;
        tries++;
    }
    if (tries < 32) { /* else a crowd of colliding names: not worth remembering */
        char *key = PyMem_Malloc(len ? len : 1);
        if (!key) {
            Py_DECREF(name);
            return PyErr_NoMemory();
        }
        memcpy(key, s, len);
        p->names[i] = (NameEntry){key, len, Py_NewRef(name), hash};
        p->n_names++;
    }
    return name;
}

static void
free_names(Parser *p)
{
    for (size_t i = 0; i < p->names_size; i++) {
        if (p->names[i].name) {
            Py_DECREF(p->names[i].name);
            PyMem_Free(p->names[i].key);
        }
    }
    PyMem_Free(p->names);
    p->names = NULL;
    p->names_size = p->n_names = 0;
}

static PyObject *
text_of(const char *s)
{
    return PyUnicode_DecodeUTF8(s ? s : "", s ? (Py_ssize_t)strlen(s) : 0, "strict");
}

/* ---------------------------------------------------------------- errors */

static void
set_parse_error(Parser *p, enum XML_Error code, const char *message)
{
    long line = (long)EXPAT(GetErrorLineNumber)(p->xml);
    long column = (long)EXPAT(GetErrorColumnNumber)(p->xml);
    NJ_OWN text = PyUnicode_FromFormat("%s: line %zd, column %zd",
                                       message ? message : EXPAT(ErrorString)(code),
                                       (Py_ssize_t)line, (Py_ssize_t)column);
    NJ_OWN err = text ? PyObject_CallOneArg(p->st->parse_error, text) : NULL;
    NJ_OWN number = PyLong_FromLong((long)code);
    NJ_OWN position = Py_BuildValue("(ll)", line, column);
    if (err && number && position && PyObject_SetAttrString(err, "code", number) == 0
        && PyObject_SetAttrString(err, "position", position) == 0) {
        PyErr_SetObject(p->st->parse_error, err);
    }
}

/* ---------------------------------------------------------------- expat's events */

/* Calls a target method with up to three arguments, consuming their references; a NULL
 * among them means that making them failed. */
static void
call_target(PyObject *method, PyObject *a, PyObject *b, PyObject *c, int n)
{
    PyObject *args[3] = {a, b, c};
    bool complete = true;
    for (int i = 0; i < n; i++) {
        complete = complete && args[i];
    }
    if (complete) {
        Py_INCREF(method);
        Py_XDECREF(PyObject_Vectorcall(method, args, (size_t)n, NULL));
        Py_DECREF(method);
    }
    for (int i = 0; i < n; i++) {
        Py_XDECREF(args[i]);
    }
}

static PyObject *
attributes(Parser *p, const XML_Char **atts)
{
    NJ_OWN d = PyDict_New();
    for (; d && atts[0]; atts += 2) {
        NJ_OWN name = name_of(p, atts[0]);
        NJ_OWN value = name ? text_of(atts[1]) : NULL;
        if (!value || PyDict_SetItem(d, name, value) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(d);
}

static void
on_start(void *data, const XML_Char *raw_name, const XML_Char **atts)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    NJ_OWN name = name_of(p, raw_name);
    if (!name) {
        return;
    }
    NJ_OWN attrib = atts[0] || !p->builder ? attributes(p, atts) : NULL;
    if (!attrib && PyErr_Occurred()) {
        return;
    }
    if (p->builder) {
        Py_XDECREF(et_builder_start(p->builder, name, attrib));
    }
    else if (p->handle_start) {
        call_target(p->handle_start, NJ_TAKE(name), NJ_TAKE(attrib), NULL, 2);
    }
}

static void
on_end(void *data, const XML_Char *raw_name)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    if (p->builder) {
        Py_XDECREF(et_builder_end(p->builder));
    }
    else if (p->handle_end) {
        call_target(p->handle_end, name_of(p, raw_name), NULL, NULL, 1);
    }
}

static void
on_data(void *data, const XML_Char *s, int n)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    if (p->builder) {
        (void)et_builder_raw_text(p->builder, s, (size_t)n);
    }
    else if (p->handle_data) {
        call_target(p->handle_data, PyUnicode_DecodeUTF8(s, n, "strict"), NULL, NULL, 1);
    }
}

/* What no other handler takes; of interest are references to entities that the document
 * does not define. */
static void
on_default(void *data, const XML_Char *s, int n)
{
    Parser *p = data;
    if (n < 2 || s[0] != '&' || PyErr_Occurred()) {
        return;
    }
    NJ_OWN key = PyUnicode_DecodeUTF8(s + 1, n - 2, "strict");
    NJ_OWN value = NULL;
    if (!key) {
        return;
    }
    if (p->entity && PyDict_Check(p->entity)
        && PyDict_GetItemRef(p->entity, key, &value) < 0) {
        return;
    }
    if (!value) {
        char message[128] = "undefined entity ";
        size_t used = strlen(message), room = sizeof message - used - 1;
        memcpy(message + used, s, (size_t)n < room ? (size_t)n : room);
        set_parse_error(p, XML_ERROR_UNDEFINED_ENTITY, message);
    }
    else if (p->builder) {
        (void)et_builder_text(p->builder, value);
    }
    else if (p->handle_data) {
        call_target(p->handle_data, NJ_TAKE(value), NULL, NULL, 1);
    }
}

static void
on_start_ns(void *data, const XML_Char *prefix, const XML_Char *uri)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    PyObject *a = text_of(prefix);
    PyObject *b = a ? text_of(uri) : NULL;
    if (!p->builder) {
        if (p->handle_start_ns) {
            call_target(p->handle_start_ns, a, b, NULL, 2);
            return;
        }
    }
    else if (b && p->builder->ev_start_ns && p->builder->append_event) {
        NJ_OWN pair = PyTuple_Pack(2, a, b);
        if (pair) {
            (void)et_builder_event(p->builder, p->builder->ev_start_ns, pair);
        }
    }
    Py_XDECREF(a);
    Py_XDECREF(b);
}

static void
on_end_ns(void *data, const XML_Char *prefix)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    if (!p->builder) {
        if (p->handle_end_ns) {
            call_target(p->handle_end_ns, text_of(prefix), NULL, NULL, 1);
        }
    }
    else if (p->builder->ev_end_ns && p->builder->append_event) {
        (void)et_builder_event(p->builder, p->builder->ev_end_ns, Py_None);
    }
}

static void
on_comment(void *data, const XML_Char *s)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    PyObject *text = text_of(s);
    if (p->builder) {
        Py_XDECREF(text ? et_builder_comment(p->builder, text) : NULL);
        Py_XDECREF(text);
    }
    else {
        call_target(p->handle_comment, text, NULL, NULL, 1);
    }
}

static void
on_pi(void *data, const XML_Char *target_name, const XML_Char *s)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    PyObject *target = text_of(target_name);
    PyObject *text = target ? text_of(s) : NULL;
    if (p->builder) {
        Py_XDECREF(text ? et_builder_pi(p->builder, target, text) : NULL);
        Py_XDECREF(target);
        Py_XDECREF(text);
    }
    else {
        call_target(p->handle_pi, target, text, NULL, 2);
    }
}

static PyObject *
text_or_none(const char *s)
{
    return s ? text_of(s) : Py_NewRef(Py_None);
}

static void
on_doctype(void *data, const XML_Char *name, const XML_Char *system, const XML_Char *public,
           int internal)
{
    Parser *p = data;
    if (PyErr_Occurred()) {
        return;
    }
    if (p->handle_doctype) {
        PyObject *n = text_or_none(name);
        PyObject *u = n ? text_or_none(public) : NULL;
        call_target(p->handle_doctype, n, u, u ? text_or_none(system) : NULL, 3);
        return;
    }
    if (PyObject_HasAttrStringWithError((PyObject *)p, "doctype") > 0) {
        (void)PyErr_WarnEx(PyExc_RuntimeWarning,
                           "The doctype() method of XMLParser is ignored.  "
                           "Define doctype() method on the TreeBuilder target.",
                           1);
    }
}

/* ---------------------------------------------------------------- life */

static PyObject *
parser_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    EtState *st = et_state_of(type);
    Parser *p = st ? (Parser *)type->tp_alloc(type, 0) : NULL;
    if (p) {
        p->st = st;
        p->expat = st->expat;
    }
    return (PyObject *)p;
}

static int
find_methods(Parser *p)
{
    const struct {
        const char *name;
        PyObject **slot;
    } methods[] = {
        {"start", &p->handle_start},       {"data", &p->handle_data},
        {"end", &p->handle_end},           {"comment", &p->handle_comment},
        {"pi", &p->handle_pi},             {"start_ns", &p->handle_start_ns},
        {"end_ns", &p->handle_end_ns},     {"doctype", &p->handle_doctype},
        {"close", &p->handle_close},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(methods); i++) {
        PyObject *m;
        if (PyObject_GetOptionalAttrString(p->target, methods[i].name, &m) < 0) {
            return -1;
        }
        NJ_SET(*methods[i].slot, m);
    }
    return 0;
}

static void
install(Parser *p)
{
    EXPAT(SetUserData)(p->xml, p);
    EXPAT(SetElementHandler)(p->xml, on_start, on_end);
    EXPAT(SetCharacterDataHandler)(p->xml, on_data);
    EXPAT(SetDefaultHandlerExpand)(p->xml, on_default);
    if (p->handle_start_ns || p->handle_end_ns) {
        EXPAT(SetNamespaceDeclHandler)(p->xml, on_start_ns, on_end_ns);
    }
    if (p->handle_comment) {
        EXPAT(SetCommentHandler)(p->xml, on_comment);
    }
    if (p->handle_pi) {
        EXPAT(SetProcessingInstructionHandler)(p->xml, on_pi);
    }
    EXPAT(SetStartDoctypeDeclHandler)(p->xml, on_doctype);
    EXPAT(SetUnknownEncodingHandler)(p->xml, EXPAT(DefaultUnknownEncodingHandler), NULL);
}

static unsigned long
hash_salt(void)
{
    NJ_OWN s = PyUnicode_FromString("_elementtree hash salt");
    Py_hash_t h = s ? PyObject_Hash(s) : -1;
    PyErr_Clear();
    return (unsigned long)h;
}

static int
parser_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"target", "encoding", NULL};
    static const XML_Memory_Handling_Suite memory = {PyObject_Malloc, PyObject_Realloc,
                                                     PyObject_Free};
    Parser *p = (Parser *)self;
    PyObject *target = Py_None, *encoding_arg = Py_None;
    const char *encoding = NULL;
    if (PyTuple_GET_SIZE(args) > 0) {
        PyErr_SetString(PyExc_TypeError, "XMLParser() takes no positional arguments");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OO:XMLParser", names, &target,
                                     &encoding_arg)) {
        return -1;
    }
    if (encoding_arg != Py_None) {
        Py_ssize_t n;
        if (!PyUnicode_Check(encoding_arg)) {
            PyErr_Format(PyExc_TypeError,
                         "XMLParser() argument 'encoding' must be str or None, not %s",
                         Py_TYPE(encoding_arg)->tp_name);
            return -1;
        }
        encoding = PyUnicode_AsUTF8AndSize(encoding_arg, &n);
        if (!encoding) {
            return -1;
        }
        if (strlen(encoding) != (size_t)n) {
            PyErr_SetString(PyExc_ValueError, "embedded null character");
            return -1;
        }
    }
    if (p->parsing) {
        PyErr_SetString(PyExc_RuntimeError, "the parser is already parsing");
        return -1;
    }
    NJ_OWN new_target = target != Py_None
                            ? Py_NewRef(target)
                            : PyObject_CallNoArgs((PyObject *)p->st->builder_type);
    NJ_OWN entity = new_target ? PyDict_New() : NULL;
    if (!entity) {
        return -1;
    }
    XML_Parser xml = EXPAT(ParserCreate_MM)(encoding, &memory, "}");
    if (!xml) {
        PyErr_NoMemory();
        return -1;
    }
    if (EXPAT(SetHashSalt)) {
        EXPAT(SetHashSalt)(xml, hash_salt());
    }
    if (p->xml) {
        EXPAT(ParserFree)(p->xml);
    }
    p->xml = xml;
    p->builder = Py_IS_TYPE(new_target, p->st->builder_type) ? (Builder *)new_target : NULL;
    NJ_SET(p->target, NJ_TAKE(new_target));
    NJ_SET(p->entity, NJ_TAKE(entity));
    if (find_methods(p) < 0) {
        return -1;
    }
    install(p);
    return 0;
}

static int
parser_traverse(PyObject *self, visitproc visit, void *arg)
{
    Parser *p = (Parser *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(f) Py_VISIT(p->f);
    PARSER_FIELDS(VISIT)
#undef VISIT
    return 0;
}

static int
parser_gc_clear(PyObject *self)
{
    Parser *p = (Parser *)self;
    if (p->xml) {
        XML_Parser xml = p->xml;
        p->xml = NULL;
        EXPAT(ParserFree)(xml);
    }
    p->builder = NULL;
#define CLEAR(f) Py_CLEAR(p->f);
    PARSER_FIELDS(CLEAR)
#undef CLEAR
    free_names(p);
    return 0;
}

static void
parser_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    parser_gc_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------- methods */

static int
check_ready(Parser *p)
{
    if (!p->xml) {
        PyErr_SetString(PyExc_ValueError, "XMLParser.__init__() wasn't called");
        return -1;
    }
    if (p->parsing) {
        PyErr_SetString(PyExc_RuntimeError, "the parser is already parsing");
        return -1;
    }
    return 0;
}

/* Feeds the library. 0, or -1 with an exception set. */
static int
feed(Parser *p, const char *s, Py_ssize_t n, bool final)
{
    enum { CHUNK = 1 << 24 };
    enum XML_Status status = XML_STATUS_OK;
    if (check_ready(p) < 0) {
        return -1;
    }
    p->parsing = true;
    while (n > CHUNK && status == XML_STATUS_OK && !PyErr_Occurred()) {
        status = EXPAT(Parse)(p->xml, s, CHUNK, 0);
        s += CHUNK;
        n -= CHUNK;
    }
    if (status == XML_STATUS_OK && !PyErr_Occurred()) {
        status = EXPAT(Parse)(p->xml, s, (int)n, final);
    }
    p->parsing = false;
    if (PyErr_Occurred()) {
        return -1;
    }
    if (status != XML_STATUS_OK) {
        set_parse_error(p, EXPAT(GetErrorCode)(p->xml), NULL);
        return -1;
    }
    return 0;
}

static PyObject *
parser_feed(PyObject *self, PyObject *data)
{
    Parser *p = (Parser *)self;
    if (check_ready(p) < 0) {
        return NULL;
    }
    int failed;
    if (PyUnicode_Check(data)) {
        Py_ssize_t n;
        const char *s = PyUnicode_AsUTF8AndSize(data, &n);
        if (!s) {
            return NULL;
        }
        NJ_OWN keep = Py_NewRef(data);
        /* refused once parsing has begun, which is as well */
        (void)EXPAT(SetEncoding)(p->xml, "utf-8");
        failed = feed(p, s, n, false);
    }
    else {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        failed = feed(p, view.buf, view.len, false);
    }
    return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *
parser_close(PyObject *self, PyObject *ignored)
{
    Parser *p = (Parser *)self;
    if (feed(p, "", 0, true) < 0) {
        return NULL;
    }
    if (p->builder) {
        return et_builder_root(p->builder);
    }
    if (p->handle_close) {
        NJ_OWN close = Py_NewRef(p->handle_close);
        return PyObject_CallNoArgs(close);
    }
    Py_RETURN_NONE;
}

static PyObject *
parser_flush(PyObject *self, PyObject *ignored)
{
    Parser *p = (Parser *)self;
    if (check_ready(p) < 0) {
        return NULL;
    }
    if (!EXPAT(SetReparseDeferralEnabled)) {
        Py_RETURN_NONE; /* a library that defers nothing */
    }
    EXPAT(SetReparseDeferralEnabled)(p->xml, XML_FALSE);
    int failed = feed(p, "", 0, false);
    if (p->xml) {
        EXPAT(SetReparseDeferralEnabled)(p->xml, XML_TRUE);
    }
    return failed ? NULL : Py_NewRef(Py_None);
}

static PyObject *
parser_parse_whole(PyObject *self, PyObject *file)
{
    Parser *p = (Parser *)self;
    if (check_ready(p) < 0) {
        return NULL;
    }
    NJ_OWN read = PyObject_GetAttr(file, p->st->str_read);
    if (!read) {
        return NULL;
    }
    bool first = true;
    for (;;) {
        NJ_OWN piece = PyObject_CallFunction(read, "i", 64 * 1024);
        if (!piece) {
            return NULL;
        }
        if (PyUnicode_CheckExact(piece)) {
            if (PyUnicode_GET_LENGTH(piece) == 0) {
                break;
            }
            PyObject *bytes = PyUnicode_AsEncodedString(piece, "utf-8", "surrogatepass");
            if (!bytes) {
                return NULL;
            }
            NJ_SET(piece, bytes);
            if (first && check_ready(p) == 0) {
                (void)EXPAT(SetEncoding)(p->xml, "utf-8");
            }
        }
        else if (!PyBytes_CheckExact(piece) || PyBytes_GET_SIZE(piece) == 0) {
            break;
        }
        first = false;
        if (PyBytes_GET_SIZE(piece) > INT_MAX) {
            PyErr_SetString(PyExc_OverflowError, "size does not fit in an int");
            return NULL;
        }
        if (feed(p, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece), false) < 0) {
            return NULL;
        }
    }
    if (feed(p, "", 0, true) < 0) {
        return NULL;
    }
    return p->builder ? et_builder_root(p->builder) : Py_NewRef(Py_None);
}

/* Has the builder report event `name'. */
static int
want_event(Parser *p, const char *name, PyObject *event)
{
    Builder *b = p->builder;
    if (strcmp(name, "start") == 0) {
        NJ_SET(b->ev_start, Py_NewRef(event));
    }
    else if (strcmp(name, "end") == 0) {
        NJ_SET(b->ev_end, Py_NewRef(event));
    }
    else if (strcmp(name, "start-ns") == 0) {
        NJ_SET(b->ev_start_ns, Py_NewRef(event));
        EXPAT(SetNamespaceDeclHandler)(p->xml, on_start_ns, on_end_ns);
    }
    else if (strcmp(name, "end-ns") == 0) {
        NJ_SET(b->ev_end_ns, Py_NewRef(event));
        EXPAT(SetNamespaceDeclHandler)(p->xml, on_start_ns, on_end_ns);
    }
    else if (strcmp(name, "comment") == 0) {
        NJ_SET(b->ev_comment, Py_NewRef(event));
        EXPAT(SetCommentHandler)(p->xml, on_comment);
    }
    else if (strcmp(name, "pi") == 0) {
        NJ_SET(b->ev_pi, Py_NewRef(event));
        EXPAT(SetProcessingInstructionHandler)(p->xml, on_pi);
    }
    else {
        PyErr_Format(PyExc_ValueError, "unknown event '%s'", name);
        return -1;
    }
    return 0;
}

static PyObject *
parser_setevents(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Parser *p = (Parser *)self;
    if (n < 1 || n > 2) {
        PyErr_Format(PyExc_TypeError, "_setevents expected at %s argument%s, got %zd",
                     n < 1 ? "least 1" : "most 2", n < 1 ? "" : "s", n);
        return NULL;
    }
    if (check_ready(p) < 0) {
        return NULL;
    }
    if (!p->builder) {
        PyErr_SetString(PyExc_TypeError,
                        "event handling only supported for ElementTree.TreeBuilder targets");
        return NULL;
    }
    Builder *b = p->builder;
    NJ_OWN append = PyObject_GetAttr(args[0], p->st->str_append);
    if (!append) {
        return NULL;
    }
    NJ_SET(b->append_event, NJ_TAKE(append));
    Py_CLEAR(b->ev_start);
    Py_CLEAR(b->ev_end);
    Py_CLEAR(b->ev_start_ns);
    Py_CLEAR(b->ev_end_ns);
    Py_CLEAR(b->ev_comment);
    Py_CLEAR(b->ev_pi);
    if (n < 2 || args[1] == Py_None) {
        NJ_SET(b->ev_end, PyUnicode_FromString("end"));
        return b->ev_end ? Py_NewRef(Py_None) : NULL;
    }
    NJ_OWN events = PySequence_Fast(args[1], "events must be a sequence");
    if (!events) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(events); i++) {
        NJ_OWN event = Py_NewRef(PySequence_Fast_GET_ITEM(events, i));
        const char *name = NULL;
        if (PyUnicode_Check(event)) {
            name = PyUnicode_AsUTF8(event);
        }
        else if (PyBytes_Check(event)) {
            name = PyBytes_AS_STRING(event);
        }
        if (!name) {
            PyErr_SetString(PyExc_ValueError, "invalid events sequence");
            return NULL;
        }
        if (want_event(p, name, event) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
parser_get_version(PyObject *self, void *closure)
{
    Parser *p = (Parser *)self;
    return PyUnicode_FromFormat("Expat %d.%d.%d", EXPAT(MAJOR_VERSION), EXPAT(MINOR_VERSION),
                                EXPAT(MICRO_VERSION));
}

static PyMethodDef parser_methods[] = {
    {"feed", parser_feed, METH_O, PyDoc_STR("feed($self, data, /)\n--\n\n")},
    {"close", parser_close, METH_NOARGS, PyDoc_STR("close($self, /)\n--\n\n")},
    {"flush", parser_flush, METH_NOARGS, PyDoc_STR("flush($self, /)\n--\n\n")},
    {"_parse_whole", parser_parse_whole, METH_O,
     PyDoc_STR("_parse_whole($self, file, /)\n--\n\n")},
    {"_setevents", FAST(parser_setevents), METH_FASTCALL,
     PyDoc_STR("_setevents($self, events_queue, events_to_report=None, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef parser_members[] = {
    {"entity", _Py_T_OBJECT, offsetof(Parser, entity), Py_READONLY, NULL},
    {"target", _Py_T_OBJECT, offsetof(Parser, target), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef parser_getset[] = {
    {"version", parser_get_version, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot parser_slots[] = {
    {Py_tp_new, parser_new},
    {Py_tp_init, parser_init},
    {Py_tp_dealloc, parser_dealloc},
    {Py_tp_traverse, parser_traverse},
    {Py_tp_clear, parser_gc_clear},
    {Py_tp_methods, parser_methods},
    {Py_tp_members, parser_members},
    {Py_tp_getset, parser_getset},
    {0, NULL},
};

PyType_Spec et_parser_spec = {
    .name = "xml.etree.ElementTree.XMLParser",
    .basicsize = sizeof(Parser),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = parser_slots,
};

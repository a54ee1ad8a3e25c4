/* builder.c - TreeBuilder: a sequence of start(), data(), end() ... becomes a tree.
 *
 * Pending text waits until it is known whose text or tail it is. It comes either through
 * data(), as objects, or from the parser as UTF-8, which is decoded only once.
 * SPDX-License-Identifier: MIT
 */
#include "elementtree.h"

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

/* ---------------------------------------------------------------- pending text */

int
et_builder_text(Builder *b, PyObject *data)
{
    if (b->raw_len > 0) {
        PyObject *before = PyUnicode_DecodeUTF8(b->raw, (Py_ssize_t)b->raw_len, "strict");
        b->raw_len = 0;
        int failed = before ? et_builder_text(b, before) : -1;
        Py_XDECREF(before);
        if (failed) {
            return -1;
        }
    }
    if (!b->data) {
        b->data = Py_NewRef(data);
        b->data_is_list = false;
        return 0;
    }
    if (!b->data_is_list) {
        PyObject *list = PyList_New(1);
        if (!list) {
            return -1;
        }
        PyList_SET_ITEM(list, 0, b->data);
        b->data = list;
        b->data_is_list = true;
    }
    return PyList_Append(b->data, data);
}

int
et_builder_raw_text(Builder *b, const char *s, size_t n)
{
    if (n > b->raw_size - b->raw_len) {
        size_t size = (b->raw_len + n) * 2 + 64;
        char *p = PyMem_Realloc(b->raw, size);
        if (!p) {
            PyErr_NoMemory();
            return -1;
        }
        b->raw = p;
        b->raw_size = size;
    }
    memcpy(b->raw + b->raw_len, s, n);
    b->raw_len += n;
    return 0;
}

/* Takes the pending text out: a new reference, NULL if there is none (or on error). */
static PyObject *
take_text(Builder *b)
{
    if (b->raw_len > 0) {
        if (!b->data) {
            size_t n = b->raw_len;
            b->raw_len = 0;
            return PyUnicode_DecodeUTF8(b->raw, (Py_ssize_t)n, "strict");
        }
        NJ_OWN rest = PyUnicode_DecodeUTF8(b->raw, (Py_ssize_t)b->raw_len, "strict");
        b->raw_len = 0;
        if (!rest || et_builder_text(b, rest) < 0) {
            return NULL;
        }
    }
    NJ_OWN data = NJ_TAKE(b->data);
    if (!data || !b->data_is_list) {
        return NJ_TAKE(data);
    }
    NJ_OWN empty = Py_GetConstant(Py_CONSTANT_EMPTY_STR);
    return PyUnicode_Join(empty, data);
}

/* Attribute `name' of an element of any kind gets text appended. */
static int
append_text(PyObject *element, PyObject *name, PyObject *text)
{
    NJ_OWN before = PyObject_GetAttr(element, name);
    if (!before) {
        return -1;
    }
    if (before == Py_None) {
        return PyObject_SetAttr(element, name, text);
    }
    NJ_OWN both = PyNumber_Add(before, text);
    return both ? PyObject_SetAttr(element, name, both) : -1;
}

static int
flush(Builder *b)
{
    if (!b->data && b->raw_len == 0) {
        return 0;
    }
    NJ_OWN text = take_text(b);
    if (!text) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (!b->last) {
        return 0;
    }
    NJ_OWN last = Py_NewRef(b->last);
    if (Py_IS_TYPE(last, b->st->element_type)) {
        Element *e = (Element *)last;
        PyObject **slot = b->tail ? &e->tail : &e->text;
        if (!*slot || *slot == Py_None) {
            NJ_SET(*slot, NJ_TAKE(text));
            return 0;
        }
    }
    return append_text(last, b->tail ? b->st->str_tail : b->st->str_text, text);
}

/* ---------------------------------------------------------------- events */

int
et_builder_event(Builder *b, PyObject *event, PyObject *value)
{
    NJ_OWN pair = PyTuple_Pack(2, event, value);
    NJ_OWN append = Py_XNewRef(b->append_event);
    if (!pair || !append) {
        return pair ? 0 : -1;
    }
    NJ_OWN r = PyObject_CallOneArg(append, pair);
    return r ? 0 : -1;
}

static int
report(Builder *b, PyObject *event, PyObject *value)
{
    return event && b->append_event ? et_builder_event(b, event, value) : 0;
}

static int
append_child(Builder *b, PyObject *parent, PyObject *child)
{
    if (Py_IS_TYPE(parent, b->st->element_type)) {
        if (!PyObject_TypeCheck(child, b->st->element_type)) {
            PyErr_Format(PyExc_TypeError, "expected an Element, not \"%.200s\"",
                         Py_TYPE(child)->tp_name);
            return -1;
        }
        return et_element_append(parent, child);
    }
    NJ_OWN r = PyObject_CallMethodOneArg(parent, b->st->str_append, child);
    return r ? 0 : -1;
}

PyObject *
et_builder_start(Builder *b, PyObject *tag, PyObject *attrib)
{
    if (flush(b) < 0) {
        return NULL;
    }
    NJ_OWN node = NULL;
    if (!b->element_factory) {
        node = et_element_new(b->st, tag, attrib);
    }
    else {
        NJ_OWN none = attrib ? Py_NewRef(attrib) : PyDict_New();
        if (none) {
            node = PyObject_CallFunctionObjArgs(b->element_factory, tag, none, NULL);
        }
    }
    if (!node) {
        return NULL;
    }
    if (b->current) {
        NJ_OWN parent = Py_NewRef(b->current);
        if (append_child(b, parent, node) < 0) {
            return NULL;
        }
    }
    else if (b->root) {
        PyErr_SetString(b->st->parse_error, "multiple elements on top level");
        return NULL;
    }
    else {
        b->root = Py_NewRef(node);
    }
    if (PyList_Append(b->stack, b->current ? b->current : Py_None) < 0) {
        return NULL;
    }
    NJ_SET(b->current, Py_NewRef(node));
    NJ_SET(b->last, Py_NewRef(node));
    b->tail = false;
    return report(b, b->ev_start, node) < 0 ? NULL : NJ_TAKE(node);
}

PyObject *
et_builder_end(Builder *b)
{
    if (flush(b) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyList_GET_SIZE(b->stack);
    if (n == 0 || !b->current) {
        PyErr_SetString(PyExc_IndexError, "pop from empty stack");
        return NULL;
    }
    NJ_OWN parent = Py_NewRef(PyList_GET_ITEM(b->stack, n - 1));
    if (PyList_SetSlice(b->stack, n - 1, n, NULL) < 0) {
        return NULL;
    }
    NJ_OWN node = NJ_TAKE(b->current);
    b->current = parent == Py_None ? NULL : NJ_TAKE(parent);
    NJ_SET(b->last, Py_NewRef(node));
    b->tail = true;
    return report(b, b->ev_end, node) < 0 ? NULL : NJ_TAKE(node);
}

/* A comment or processing instruction has been made: put it where it belongs. */
static int
single(Builder *b, PyObject *node, bool insert, PyObject *event)
{
    if (insert) {
        if (flush(b) < 0) {
            return -1;
        }
        if (b->current) {
            NJ_OWN parent = Py_NewRef(b->current);
            if (append_child(b, parent, node) < 0) {
                return -1;
            }
            NJ_SET(b->last, Py_NewRef(node));
            b->tail = true;
        }
    }
    return report(b, event, node);
}

PyObject *
et_builder_comment(Builder *b, PyObject *text)
{
    NJ_OWN factory = Py_XNewRef(b->comment_factory ? b->comment_factory
                                                   : b->st->comment_factory);
    NJ_OWN node = factory ? PyObject_CallOneArg(factory, text) : Py_NewRef(text);
    if (!node || single(b, node, factory && b->insert_comments, b->ev_comment) < 0) {
        return NULL;
    }
    return NJ_TAKE(node);
}

PyObject *
et_builder_pi(Builder *b, PyObject *target, PyObject *text)
{
    NJ_OWN factory = Py_XNewRef(b->pi_factory ? b->pi_factory : b->st->pi_factory);
    NJ_OWN node = factory ? PyObject_CallFunctionObjArgs(factory, target, text, NULL)
                          : PyTuple_Pack(2, target, text);
    if (!node || single(b, node, factory && b->insert_pis, b->ev_pi) < 0) {
        return NULL;
    }
    return NJ_TAKE(node);
}

PyObject *
et_builder_root(Builder *b)
{
    return Py_NewRef(b->root ? b->root : Py_None);
}

/* ---------------------------------------------------------------- methods */

static PyObject *
builder_data(PyObject *self, PyObject *data)
{
    if (et_builder_text((Builder *)self, data) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
count_between(const char *name, Py_ssize_t n, Py_ssize_t min, Py_ssize_t max)
{
    if (n >= min && n <= max) {
        return 0;
    }
    Py_ssize_t bound = n < min ? min : max;
    PyErr_Format(PyExc_TypeError, "%s expected %s%zd argument%s, got %zd", name,
                 min == max ? "" : n < min ? "at least " : "at most ", bound,
                 bound == 1 ? "" : "s", n);
    return -1;
}

static PyObject *
builder_start(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (count_between("start", n, 2, 2) < 0) {
        return NULL;
    }
    if (!PyDict_Check(args[1])) {
        PyErr_Format(PyExc_TypeError, "start() argument 2 must be dict, not %s",
                     args[1] == Py_None ? "None" : Py_TYPE(args[1])->tp_name);
        return NULL;
    }
    return et_builder_start((Builder *)self, args[0], args[1]);
}

static PyObject *
builder_end(PyObject *self, PyObject *tag)
{
    return et_builder_end((Builder *)self);
}

static PyObject *
builder_comment(PyObject *self, PyObject *text)
{
    return et_builder_comment((Builder *)self, text);
}

static PyObject *
builder_pi(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (count_between("pi", n, 1, 2) < 0) {
        return NULL;
    }
    return et_builder_pi((Builder *)self, args[0], n > 1 ? args[1] : Py_None);
}

static PyObject *
builder_close(PyObject *self, PyObject *ignored)
{
    return et_builder_root((Builder *)self);
}

/* ---------------------------------------------------------------- type */

static PyObject *
builder_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    EtState *st = et_state_of(type);
    Builder *b = st ? (Builder *)type->tp_alloc(type, 0) : NULL;
    if (!b) {
        return NULL;
    }
    b->st = st;
    b->stack = PyList_New(0);
    if (!b->stack) {
        Py_DECREF(b);
        return NULL;
    }
    return (PyObject *)b;
}

static PyObject *
none_is_null(PyObject *o)
{
    return o == Py_None ? NULL : Py_NewRef(o);
}

static int
builder_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"element_factory", "comment_factory", "pi_factory",
                            "insert_comments", "insert_pis", NULL};
    Builder *b = (Builder *)self;
    PyObject *element = Py_None, *comment = Py_None, *pi = Py_None;
    int comments = 0, pis = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|O$OOpp:TreeBuilder", names, &element,
                                     &comment, &pi, &comments, &pis)) {
        return -1;
    }
    NJ_SET(b->element_factory, none_is_null(element));
    NJ_SET(b->comment_factory, none_is_null(comment));
    NJ_SET(b->pi_factory, none_is_null(pi));
    b->insert_comments = comments;
    b->insert_pis = pis;
    return 0;
}

#define BUILDER_FIELDS(F)                                                              \
    F(root) F(current) F(last) F(data) F(stack) F(element_factory) F(comment_factory)  \
    F(pi_factory) F(append_event) F(ev_start) F(ev_end) F(ev_start_ns) F(ev_end_ns)    \
    F(ev_comment) F(ev_pi)

static int
builder_traverse(PyObject *self, visitproc visit, void *arg)
{
    Builder *b = (Builder *)self;
    Py_VISIT(Py_TYPE(self));
#define VISIT(f) Py_VISIT(b->f);
    BUILDER_FIELDS(VISIT)
#undef VISIT
    return 0;
}

static int
builder_gc_clear(PyObject *self)
{
    Builder *b = (Builder *)self;
    PyObject *stack = b->stack;
    b->stack = NULL;
#define CLEAR(f) Py_CLEAR(b->f);
    BUILDER_FIELDS(CLEAR)
#undef CLEAR
    /* methods may still be called: an empty list needs no collection */
    if (stack) {
        PyList_SetSlice(stack, 0, PyList_GET_SIZE(stack), NULL);
        b->stack = stack;
    }
    return 0;
}

static void
builder_dealloc(PyObject *self)
{
    Builder *b = (Builder *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    builder_gc_clear(self);
    Py_CLEAR(b->stack);
    PyMem_Free(b->raw);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef builder_methods[] = {
    {"data", builder_data, METH_O, PyDoc_STR("data($self, data, /)\n--\n\n")},
    {"start", FAST(builder_start), METH_FASTCALL,
     PyDoc_STR("start($self, tag, attrs, /)\n--\n\n")},
    {"end", builder_end, METH_O, PyDoc_STR("end($self, tag, /)\n--\n\n")},
    {"comment", builder_comment, METH_O, PyDoc_STR("comment($self, text, /)\n--\n\n")},
    {"pi", FAST(builder_pi), METH_FASTCALL,
     PyDoc_STR("pi($self, target, text=None, /)\n--\n\n")},
    {"close", builder_close, METH_NOARGS, PyDoc_STR("close($self, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot builder_slots[] = {
    {Py_tp_new, builder_new},
    {Py_tp_init, builder_init},
    {Py_tp_dealloc, builder_dealloc},
    {Py_tp_traverse, builder_traverse},
    {Py_tp_clear, builder_gc_clear},
    {Py_tp_methods, builder_methods},
    {0, NULL},
};

PyType_Spec et_builder_spec = {
    .name = "xml.etree.ElementTree.TreeBuilder",
    .basicsize = sizeof(Builder),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = builder_slots,
};

/* elementtree.h - what the files of _elementtree share.
 *
 * element.c   Element, its iterator, SubElement
 * builder.c   TreeBuilder: start, end, data ... -> tree
 * parser.c    XMLParser: expat events -> TreeBuilder or any other target
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_ELEMENTTREE_H
#define NJ_ELEMENTTREE_H

#include "nj.h"

#include <expat.h>
#include <pyexpat.h>

typedef struct {
    PyTypeObject *element_type, *iterator_type, *builder_type, *parser_type;
    PyObject *parse_error;
    PyObject *deepcopy;     /* copy.deepcopy */
    PyObject *element_path; /* xml.etree.ElementPath */
    PyObject *comment_factory, *pi_factory; /* set by ElementTree.py, or NULL */
    const struct PyExpat_CAPI *expat;
    PyObject *str_text, *str_tail, *str_append, *str_find, *str_findtext, *str_findall,
        *str_iterfind, *str_close, *str_read;
} EtState;

/* Attributes and children of an element that has some. The first children live inside. */
typedef struct {
    PyObject *attrib; /* dict, or NULL for an empty one */
    Py_ssize_t length, allocated;
    PyObject **children;
    PyObject *few[4];
} Extra;

typedef struct {
    PyObject_HEAD
    PyObject *tag, *text, *tail;
    Extra *extra; /* NULL while there are neither attributes nor children */
    PyObject *weakrefs;
} Element;

typedef struct {
    PyObject_HEAD
    EtState *st;
    PyObject *root;     /* NULL before the first start() */
    PyObject *current;  /* the open element, NULL outside the root */
    PyObject *last;     /* pending text goes to it ... */
    bool tail;          /* ... as its tail rather than its text */
    PyObject *data;     /* pending text: NULL, one object, or a list (data_is_list) */
    bool data_is_list;
    char *raw;          /* pending text straight from the parser, after `data' */
    size_t raw_len, raw_size;
    PyObject *stack;    /* list of the open elements' parents (None for the root's) */
    PyObject *element_factory, *comment_factory, *pi_factory; /* or NULL */
    bool insert_comments, insert_pis;
    /* event reporting, set up by XMLParser._setevents; NULL where not wanted */
    PyObject *append_event;
    PyObject *ev_start, *ev_end, *ev_start_ns, *ev_end_ns, *ev_comment, *ev_pi;
} Builder;

extern PyType_Spec et_element_spec, et_iterator_spec, et_builder_spec, et_parser_spec;
extern struct PyModuleDef et_module;

EtState *et_state_of(PyTypeObject *type);

/* Binds fastcall arguments by a PyArg_ParseTupleAndKeywords format. */
int et_parse(PyObject *const *args, Py_ssize_t n, PyObject *kwnames, const char *format,
             char **names, ...);

/* A new element; attrib may be NULL and is not copied. */
PyObject *et_element_new(EtState *st, PyObject *tag, PyObject *attrib);
/* Appends a child that is an Element. 0, or -1 with an exception set. */
int et_element_append(PyObject *self, PyObject *child);
PyObject *et_sub_element(PyObject *module, PyObject *const *args, Py_ssize_t n,
                         PyObject *kwnames);

/* TreeBuilder's methods for the parser; each returns a new reference or NULL. */
PyObject *et_builder_start(Builder *b, PyObject *tag, PyObject *attrib);
PyObject *et_builder_end(Builder *b);
PyObject *et_builder_comment(Builder *b, PyObject *text);
PyObject *et_builder_pi(Builder *b, PyObject *target, PyObject *text);
PyObject *et_builder_root(Builder *b);
int et_builder_text(Builder *b, PyObject *data);
int et_builder_raw_text(Builder *b, const char *s, size_t n);
int et_builder_event(Builder *b, PyObject *event, PyObject *value);

#endif

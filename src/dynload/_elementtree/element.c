/* element.c - Element: a tag, text, tail, attributes and children.
 *
 * Children may be changed from Python code that runs in the middle of any operation here
 * (destructors, __eq__, iteration), so loops check the length anew at every step and take
 * a reference before they call anything.
 * SPDX-License-Identifier: MIT
 */
#include "elementtree.h"

#include <structmember.h>

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

EtState *
et_state_of(PyTypeObject *type)
{
    PyObject *m = PyType_GetModuleByDef(type, &et_module);
    return m ? PyModule_GetState(m) : NULL;
}

int
et_parse(PyObject *const *args, Py_ssize_t n, PyObject *kwnames, const char *format,
         char **names, ...)
{
    NJ_OWN tuple = PyTuple_New(n);
    NJ_OWN dict = kwnames ? PyDict_New() : NULL;
    if (!tuple || (kwnames && !dict)) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    for (Py_ssize_t i = 0; kwnames && i < PyTuple_GET_SIZE(kwnames); i++) {
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(kwnames, i), args[n + i]) < 0) {
            return -1;
        }
    }
    va_list va;
    va_start(va, names);
    /* what comes out is borrowed from the caller's arguments, not from our copies */
    int ok = PyArg_VaParseTupleAndKeywords(tuple, dict, format, names, va);
    va_end(va);
    return ok ? 0 : -1;
}

/* ---------------------------------------------------------------- children */

static Extra *
need_extra(Element *e)
{
    if (!e->extra) {
        Extra *x = PyObject_Malloc(sizeof *x);
        if (!x) {
            PyErr_NoMemory();
            return NULL;
        }
        x->attrib = NULL;
        x->length = 0;
        x->allocated = (Py_ssize_t)NJ_ARRAY_LEN(x->few);
        x->children = x->few;
        e->extra = x;
    }
    return e->extra;
}

static void
free_extra(Extra *x)
{
    if (!x) {
        return;
    }
    Py_XDECREF(x->attrib);
    for (Py_ssize_t i = 0; i < x->length; i++) {
        Py_DECREF(x->children[i]);
    }
    if (x->children != x->few) {
        PyObject_Free(x->children);
    }
    PyObject_Free(x);
}

static void
drop_extra(Element *e)
{
    Extra *x = e->extra;
    e->extra = NULL;
    free_extra(x);
}

static Py_ssize_t
child_count(PyObject *self)
{
    Extra *x = ((Element *)self)->extra;
    return x ? x->length : 0;
}

/* Makes room for `more' further children. */
static int
reserve(Element *e, Py_ssize_t more)
{
    Extra *x = need_extra(e);
    if (!x) {
        return -1;
    }
    if (more <= x->allocated - x->length) {
        return 0;
    }
    if (more > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof(PyObject *) / 2 - x->length) {
        PyErr_NoMemory();
        return -1;
    }
    /* a growth pattern of an eighth, and even numbers */
    Py_ssize_t size = x->length + more;
    size = (size + (size >> 3) + (size < 9 ? 3 : 6)) & ~(Py_ssize_t)1;
    bool inside = x->children == x->few;
    PyObject **p = PyObject_Realloc(inside ? NULL : x->children,
                                    (size_t)size * sizeof(PyObject *));
    if (!p) {
        PyErr_NoMemory();
        return -1;
    }
    if (inside) {
        memcpy(p, x->few, (size_t)x->length * sizeof(PyObject *));
    }
    x->children = p;
    x->allocated = size;
    return 0;
}

int
et_element_append(PyObject *self, PyObject *child)
{
    Element *e = (Element *)self;
    if (reserve(e, 1) < 0) {
        return -1;
    }
    e->extra->children[e->extra->length++] = Py_NewRef(child);
    return 0;
}

static int
not_element(PyObject *o)
{
    PyErr_Format(PyExc_TypeError, "expected an Element, not \"%.200s\"", Py_TYPE(o)->tp_name);
    return -1;
}

static int
check_element(EtState *st, PyObject *o, const char *where)
{
    if (PyObject_TypeCheck(o, st->element_type)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s must be %s, not %s", where, st->element_type->tp_name,
                 o == Py_None ? "None" : Py_TYPE(o)->tp_name);
    return -1;
}

static int
check_dict(PyObject *o, const char *where)
{
    if (PyDict_Check(o)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s must be dict, not %s", where,
                 o == Py_None ? "None" : Py_TYPE(o)->tp_name);
    return -1;
}

/* ---------------------------------------------------------------- life */

static Element *
alloc_element(PyTypeObject *type)
{
    Element *e = (Element *)type->tp_alloc(type, 0);
    if (e) {
        e->tag = Py_NewRef(Py_None);
        e->text = Py_NewRef(Py_None);
        e->tail = Py_NewRef(Py_None);
        e->extra = NULL;
        e->weakrefs = NULL;
    }
    return e;
}

PyObject *
et_element_new(EtState *st, PyObject *tag, PyObject *attrib)
{
    Element *e = PyObject_GC_New(Element, st->element_type);
    if (!e) {
        return NULL;
    }
    e->tag = Py_NewRef(tag);
    e->text = Py_NewRef(Py_None);
    e->tail = Py_NewRef(Py_None);
    e->extra = NULL;
    e->weakrefs = NULL;
    if (attrib && PyDict_GET_SIZE(attrib) > 0) {
        if (!need_extra(e)) {
            Py_DECREF(e);
            return NULL;
        }
        e->extra->attrib = Py_NewRef(attrib);
    }
    PyObject_GC_Track(e);
    return (PyObject *)e;
}

static PyObject *
element_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    return (PyObject *)alloc_element(type);
}

/* The attributes given to Element() and SubElement(): those of `positional' or of the
 * keyword attrib, then the other keywords. A new dict, or NULL on error. */
static PyObject *
merge_attributes(PyObject *positional, PyObject *kwargs)
{
    if (positional) {
        NJ_OWN d = PyDict_Copy(positional);
        if (!d || (kwargs && PyDict_Update(d, kwargs) < 0)) {
            return NULL;
        }
        return NJ_TAKE(d);
    }
    if (!kwargs) {
        return PyDict_New();
    }
    NJ_OWN rest = PyDict_Copy(kwargs);
    if (!rest) {
        return NULL;
    }
    PyObject *given;
    int found = PyDict_PopString(rest, "attrib", &given);
    if (found < 0) {
        return NULL;
    }
    if (!found) {
        return NJ_TAKE(rest);
    }
    NJ_OWN attrib = given;
    if (!PyDict_Check(attrib)) {
        PyErr_Format(PyExc_TypeError, "attrib must be dict, not %.100s",
                     Py_TYPE(attrib)->tp_name);
        return NULL;
    }
    NJ_OWN d = PyDict_Copy(attrib);
    if (!d || PyDict_Update(d, rest) < 0) {
        return NULL;
    }
    return NJ_TAKE(d);
}

static int
set_attributes(Element *e, PyObject *attrib)
{
    if (PyDict_GET_SIZE(attrib) == 0 && !e->extra) {
        return 0;
    }
    Extra *x = need_extra(e);
    if (!x) {
        return -1;
    }
    NJ_SET(x->attrib, Py_NewRef(attrib));
    return 0;
}

static int
element_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Element *e = (Element *)self;
    PyObject *tag, *positional = NULL;
    if (!PyArg_ParseTuple(args, "O|O!:Element", &tag, &PyDict_Type, &positional)) {
        return -1;
    }
    if (positional || kwargs) {
        NJ_OWN attrib = merge_attributes(positional, kwargs);
        if (!attrib || set_attributes(e, attrib) < 0) {
            return -1;
        }
    }
    else if (e->extra) {
        Py_CLEAR(e->extra->attrib);
    }
    NJ_SET(e->tag, Py_NewRef(tag));
    NJ_SET(e->text, Py_NewRef(Py_None));
    NJ_SET(e->tail, Py_NewRef(Py_None));
    return 0;
}

/* Element() and SubElement() as vectorcalls: the attributes of positional argument `at' and
 * the keywords into *out, NULL for none. */
static int
fast_attributes(const char *fname, PyObject *const *args, Py_ssize_t n, PyObject *kwnames,
                Py_ssize_t at, PyObject **out)
{
    *out = NULL;
    PyObject *positional = n > at ? args[at] : NULL;
    if (n < at || n > at + 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at %s %zd argument%s (%zd given)", fname,
                     n < at ? "least" : "most", n < at ? at : at + 1,
                     n < at && at == 1 ? "" : "s", n);
        return -1;
    }
    if (positional && !PyDict_Check(positional)) {
        PyErr_Format(PyExc_TypeError, "%s() argument %zd must be dict, not %s", fname, at + 1,
                     positional == Py_None ? "None" : Py_TYPE(positional)->tp_name);
        return -1;
    }
    if (!positional && !kwnames) {
        return 0;
    }
    Py_ssize_t n_keywords = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    Py_ssize_t attrib_at = -1;
    for (Py_ssize_t i = 0; !positional && i < n_keywords; i++) {
        if (PyUnicode_EqualToUTF8(PyTuple_GET_ITEM(kwnames, i), "attrib")) {
            attrib_at = i;
            positional = args[n + i];
            if (!PyDict_Check(positional)) {
                PyErr_Format(PyExc_TypeError, "attrib must be dict, not %.100s",
                             Py_TYPE(positional)->tp_name);
                return -1;
            }
        }
    }
    NJ_OWN d = positional ? PyDict_Copy(positional) : PyDict_New();
    if (!d) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n_keywords; i++) {
        if (i != attrib_at
            && PyDict_SetItem(d, PyTuple_GET_ITEM(kwnames, i), args[n + i]) < 0) {
            return -1;
        }
    }
    *out = NJ_TAKE(d);
    return 0;
}

PyObject *
et_sub_element(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    EtState *st = PyModule_GetState(module);
    PyObject *attributes;
    if ((n >= 2 && n <= 3 && check_element(st, args[0], "SubElement() argument 1") < 0)
        || fast_attributes("SubElement", args, n, kwnames, 2, &attributes) < 0) {
        return NULL;
    }
    NJ_OWN attrib = attributes;
    NJ_OWN e = et_element_new(st, args[1], attrib);
    if (!e || et_element_append(args[0], e) < 0) {
        return NULL;
    }
    return NJ_TAKE(e);
}

/* Element(...) itself; subclasses go through __new__ and __init__. */
static PyObject *
element_vectorcall(PyObject *type, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    EtState *st = et_state_of((PyTypeObject *)type);
    PyObject *attributes;
    if (!st || fast_attributes("Element", args, n, kwnames, 1, &attributes) < 0) {
        return NULL;
    }
    NJ_OWN attrib = attributes;
    return et_element_new(st, args[0], attrib);
}

static int
element_traverse(PyObject *self, visitproc visit, void *arg)
{
    Element *e = (Element *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(e->tag);
    Py_VISIT(e->text);
    Py_VISIT(e->tail);
    if (e->extra) {
        Py_VISIT(e->extra->attrib);
        for (Py_ssize_t i = 0; i < e->extra->length; i++) {
            Py_VISIT(e->extra->children[i]);
        }
    }
    return 0;
}

static int
element_gc_clear(PyObject *self)
{
    Element *e = (Element *)self;
    Py_CLEAR(e->tag);
    Py_CLEAR(e->text);
    Py_CLEAR(e->tail);
    drop_extra(e);
    return 0;
}

static void
element_dealloc(PyObject *self)
{
    Element *e = (Element *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, element_dealloc)
    if (e->weakrefs) {
        PyObject_ClearWeakRefs(self);
    }
    element_gc_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

static PyObject *
element_repr(PyObject *self)
{
    Element *e = (Element *)self;
    if (!e->tag) {
        return PyUnicode_FromFormat("<Element at %p>", self);
    }
    int entered = Py_ReprEnter(self);
    if (entered != 0) {
        if (entered > 0) {
            PyErr_Format(PyExc_RuntimeError, "reentrant call inside %s.__repr__",
                         Py_TYPE(self)->tp_name);
        }
        return NULL;
    }
    NJ_OWN tag = Py_NewRef(e->tag);
    PyObject *s = PyUnicode_FromFormat("<Element %R at %p>", tag, self);
    Py_ReprLeave(self);
    return s;
}

/* ---------------------------------------------------------------- attributes of the object */

#define FIELD(name)                                                                    \
    static PyObject *element_get_##name(PyObject *self, void *closure)                 \
    {                                                                                  \
        PyObject *v = ((Element *)self)->name;                                         \
        return Py_NewRef(v ? v : Py_None);                                             \
    }                                                                                  \
    static int element_set_##name(PyObject *self, PyObject *v, void *closure)          \
    {                                                                                  \
        if (cannot_delete(v) < 0) {                                                    \
            return -1;                                                                 \
        }                                                                              \
        NJ_SET(((Element *)self)->name, Py_NewRef(v));                                 \
        return 0;                                                                      \
    }

static int
cannot_delete(PyObject *v)
{
    if (!v) {
        PyErr_SetString(PyExc_AttributeError, "can't delete element attribute");
        return -1;
    }
    return 0;
}

FIELD(tag)
FIELD(text)
FIELD(tail)
#undef FIELD

/* The attribute dict, made on first demand. Borrowed, or NULL. */
static PyObject *
need_attrib(Element *e)
{
    Extra *x = need_extra(e);
    if (x && !x->attrib) {
        PyObject *d = PyDict_New();
        /* the allocation may have run a collection, and that anything */
        x = d ? need_extra(e) : NULL;
        if (!x) {
            Py_XDECREF(d);
            return NULL;
        }
        NJ_SET(x->attrib, d);
    }
    return x ? x->attrib : NULL;
}

static PyObject *
element_get_attrib(PyObject *self, void *closure)
{
    return Py_XNewRef(need_attrib((Element *)self));
}

static int
element_set_attrib(PyObject *self, PyObject *v, void *closure)
{
    if (cannot_delete(v) < 0) {
        return -1;
    }
    if (!PyDict_Check(v)) {
        PyErr_Format(PyExc_TypeError, "attrib must be dict, not %.200s", Py_TYPE(v)->tp_name);
        return -1;
    }
    Extra *x = need_extra((Element *)self);
    if (!x) {
        return -1;
    }
    NJ_SET(x->attrib, Py_NewRef(v));
    return 0;
}

/* ---------------------------------------------------------------- methods on attributes */

static PyObject *
element_get(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    static char *names[] = {"key", "default", NULL};
    PyObject *key, *otherwise = Py_None;
    if (!kwnames && (n == 1 || n == 2)) {
        key = args[0];
        otherwise = n == 2 ? args[1] : Py_None;
    }
    else if (et_parse(args, n, kwnames, "O|O:get", names, &key, &otherwise) < 0) {
        return NULL;
    }
    Extra *x = ((Element *)self)->extra;
    if (!x || !x->attrib) {
        return Py_NewRef(otherwise);
    }
    NJ_OWN attrib = Py_NewRef(x->attrib);
    PyObject *v;
    if (PyDict_GetItemRef(attrib, key, &v) < 0) {
        return NULL;
    }
    return v ? v : Py_NewRef(otherwise);
}

static int
check_count(const char *name, Py_ssize_t n, Py_ssize_t want)
{
    if (n == want) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s expected %zd argument%s, got %zd", name, want,
                 want == 1 ? "" : "s", n);
    return -1;
}

static PyObject *
element_set(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    if (check_count("set", n, 2) < 0) {
        return NULL;
    }
    NJ_OWN attrib = Py_XNewRef(need_attrib((Element *)self));
    if (!attrib || PyDict_SetItem(attrib, args[0], args[1]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
element_items(PyObject *self, PyObject *ignored)
{
    Extra *x = ((Element *)self)->extra;
    return x && x->attrib ? PyDict_Items(x->attrib) : PyList_New(0);
}

static PyObject *
element_keys(PyObject *self, PyObject *ignored)
{
    Extra *x = ((Element *)self)->extra;
    return x && x->attrib ? PyDict_Keys(x->attrib) : PyList_New(0);
}

/* ---------------------------------------------------------------- methods on children */

static PyObject *
element_append(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
               PyObject *kwnames)
{
    static char *names[] = {"", NULL};
    PyObject *child;
    if (!kwnames && n == 1) {
        child = args[0];
    }
    else if (et_parse(args, n, kwnames, "O:append", names, &child) < 0) {
        return NULL;
    }
    if (check_element(PyType_GetModuleState(cls), child, "append() argument 1") < 0
        || et_element_append(self, child) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
element_extend(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
               PyObject *kwnames)
{
    static char *names[] = {"", NULL};
    PyObject *elements;
    EtState *st = PyType_GetModuleState(cls);
    if (et_parse(args, n, kwnames, "O:extend", names, &elements) < 0) {
        return NULL;
    }
    NJ_OWN list = PySequence_Fast(elements, "'elements' must be an iterable");
    if (!list) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
        NJ_OWN child = Py_NewRef(PySequence_Fast_GET_ITEM(list, i));
        if (!PyObject_TypeCheck(child, st->element_type)) {
            not_element(child);
            return NULL;
        }
        if (et_element_append(self, child) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
element_insert(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    Element *e = (Element *)self;
    EtState *st = et_state_of(Py_TYPE(self));
    if (!st || check_count("insert", n, 2) < 0) {
        return NULL;
    }
    Py_ssize_t at = PyNumber_AsSsize_t(args[0], PyExc_OverflowError);
    if ((at == -1 && PyErr_Occurred())
        || check_element(st, args[1], "insert() argument 2") < 0 || reserve(e, 1) < 0) {
        return NULL;
    }
    Extra *x = e->extra;
    if (at < 0) {
        at += x->length;
        at = at < 0 ? 0 : at;
    }
    if (at > x->length) {
        at = x->length;
    }
    memmove(x->children + at + 1, x->children + at,
            (size_t)(x->length - at) * sizeof(PyObject *));
    x->children[at] = Py_NewRef(args[1]);
    x->length++;
    Py_RETURN_NONE;
}

/* Takes child i out and returns its reference. */
static PyObject *
take_child(Extra *x, Py_ssize_t i)
{
    PyObject *child = x->children[i];
    x->length--;
    memmove(x->children + i, x->children + i + 1,
            (size_t)(x->length - i) * sizeof(PyObject *));
    return child;
}

static PyObject *
element_remove(PyObject *self, PyObject *child)
{
    Element *e = (Element *)self;
    EtState *st = et_state_of(Py_TYPE(self));
    if (!st || check_element(st, child, "remove() argument") < 0) {
        return NULL;
    }
    Py_ssize_t at = 0;
    bool found = false;
    for (; at < child_count(self); at++) {
        if (e->extra->children[at] == child) {
            found = true;
            break;
        }
        NJ_OWN other = Py_NewRef(e->extra->children[at]);
        int same = PyObject_RichCompareBool(other, child, Py_EQ);
        if (same < 0) {
            return NULL;
        }
        if (same) {
            found = true;
            break;
        }
    }
    if (!found) {
        PyErr_SetString(PyExc_ValueError, "Element.remove(x): element not found");
        return NULL;
    }
    /* the comparison may have emptied us */
    if (at < child_count(self)) {
        Py_DECREF(take_child(e->extra, at));
    }
    Py_RETURN_NONE;
}

static PyObject *
element_clear(PyObject *self, PyObject *ignored)
{
    Element *e = (Element *)self;
    drop_extra(e);
    NJ_SET(e->text, Py_NewRef(Py_None));
    NJ_SET(e->tail, Py_NewRef(Py_None));
    Py_RETURN_NONE;
}

static PyObject *
element_makeelement(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
                    PyObject *kwnames)
{
    static char *names[] = {"", "", NULL};
    PyObject *tag, *attrib;
    if (et_parse(args, n, kwnames, "OO:makeelement", names, &tag, &attrib) < 0
        || check_dict(attrib, "makeelement() argument 2") < 0) {
        return NULL;
    }
    NJ_OWN copy = PyDict_Copy(attrib);
    return copy ? et_element_new(PyType_GetModuleState(cls), tag, copy) : NULL;
}

/* ---------------------------------------------------------------- sequence behaviour */

static PyObject *
element_item(PyObject *self, Py_ssize_t i)
{
    if (i < 0 || i >= child_count(self)) {
        PyErr_SetString(PyExc_IndexError, "child index out of range");
        return NULL;
    }
    return Py_NewRef(((Element *)self)->extra->children[i]);
}

static int
element_ass_item(PyObject *self, Py_ssize_t i, PyObject *v)
{
    Element *e = (Element *)self;
    if (i < 0 || i >= child_count(self)) {
        PyErr_SetString(PyExc_IndexError, "child assignment index out of range");
        return -1;
    }
    if (!v) {
        Py_DECREF(take_child(e->extra, i));
        return 0;
    }
    EtState *st = et_state_of(Py_TYPE(self));
    if (!st) {
        return -1;
    }
    if (!PyObject_TypeCheck(v, st->element_type)) {
        return not_element(v);
    }
    NJ_SET(e->extra->children[i], Py_NewRef(v));
    return 0;
}

static PyObject *
element_subscript(PyObject *self, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return element_item(self, i < 0 ? i + child_count(self) : i);
    }
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "element indices must be integers");
        return NULL;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(child_count(self), &start, &stop, step);
    PyObject *list = PyList_New(n);
    for (Py_ssize_t i = 0; list && i < n; i++) {
        /* making the list may have run anything: a lost child leaves a short list */
        Py_ssize_t at = start + i * step;
        if (at >= child_count(self)) {
            if (PyList_SetSlice(list, i, n, NULL) < 0) {
                Py_CLEAR(list);
            }
            break;
        }
        PyList_SET_ITEM(list, i, Py_NewRef(((Element *)self)->extra->children[at]));
    }
    return list;
}

/* Replaces the children of a slice of step 1 by the n given; references to old ones go to
 * `gone', a list. */
static int
splice(Element *e, Py_ssize_t start, Py_ssize_t count, PyObject *values, Py_ssize_t n,
       PyObject *gone)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyList_Append(gone, e->extra->children[start + i]) < 0) {
            return -1;
        }
    }
    if (n > count && reserve(e, n - count) < 0) {
        return -1;
    }
    Extra *x = e->extra;
    if (!x) {
        return 0;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        Py_DECREF(x->children[start + i]); /* `gone' holds on to it */
    }
    memmove(x->children + start + n, x->children + start + count,
            (size_t)(x->length - start - count) * sizeof(PyObject *));
    for (Py_ssize_t i = 0; i < n; i++) {
        x->children[start + i] = Py_NewRef(PySequence_Fast_GET_ITEM(values, i));
    }
    x->length += n - count;
    return 0;
}

static int
assign_slice(Element *e, PyObject *slice, PyObject *value)
{
    PyObject *self = (PyObject *)e;
    EtState *st = et_state_of(Py_TYPE(self));
    Py_ssize_t start, stop, step, n = 0;
    if (!st || PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return -1;
    }
    NJ_OWN values = NULL;
    if (value) {
        /* our own copy: checked items must stay as they are, and value may be self */
        NJ_OWN fast = PySequence_Fast(value, "assignment expects an iterable");
        values = fast ? PySequence_List(fast) : NULL;
        if (!values) {
            return -1;
        }
        n = PyList_GET_SIZE(values);
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *o = PyList_GET_ITEM(values, i);
            if (!PyObject_TypeCheck(o, st->element_type)) {
                return not_element(o);
            }
        }
    }
    NJ_OWN gone = PyList_New(0);
    if (!gone) {
        return -1;
    }
    Py_ssize_t count = PySlice_AdjustIndices(child_count(self), &start, &stop, step);
    if (step == 1) {
        return splice(e, start, count, values, n, gone);
    }
    if (value && n != count) {
        PyErr_Format(PyExc_ValueError,
                     "attempt to assign sequence of size %zd to extended slice of size %zd", n,
                     count);
        return -1;
    }
    if (value) {
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject **slot = &e->extra->children[start + i * step];
            PyObject *old = *slot;
            *slot = Py_NewRef(PyList_GET_ITEM(values, i));
            PyList_SetItem(values, i, old); /* dropped with the list */
        }
        return 0;
    }
    if (step < 0) {
        start += (count - 1) * step;
        step = -step;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyList_Append(gone, e->extra->children[start + i * step]) < 0) {
            return -1;
        }
    }
    for (Py_ssize_t i = count - 1; i >= 0; i--) {
        Py_DECREF(take_child(e->extra, start + i * step));
    }
    return 0;
}

static int
element_ass_subscript(PyObject *self, PyObject *key, PyObject *v)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        return element_ass_item(self, i < 0 ? i + child_count(self) : i, v);
    }
    if (PySlice_Check(key)) {
        return assign_slice((Element *)self, key, v);
    }
    PyErr_SetString(PyExc_TypeError, "element indices must be integers");
    return -1;
}

static int
element_bool(PyObject *self)
{
    if (PyErr_WarnEx(PyExc_DeprecationWarning,
                     "Testing an element's truth value will always return True in future "
                     "versions.  Use specific 'len(elem)' or 'elem is not None' test instead.",
                     1)
        < 0) {
        return -1;
    }
    return child_count(self) > 0;
}

/* ---------------------------------------------------------------- find */

/* Whether path is a plain tag, possibly with a {namespace}, so that comparing tags does. */
static bool
plain_tag(PyObject *path)
{
    if (!PyUnicode_Check(path)) {
        return false;
    }
    int kind = PyUnicode_KIND(path);
    const void *data = PyUnicode_DATA(path);
    Py_ssize_t n = PyUnicode_GET_LENGTH(path);
    bool inside = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_UCS4 c = PyUnicode_READ(kind, data, i);
        if (c == '{') {
            /* {*}tag and {}tag have meanings of their own */
            Py_UCS4 next = i + 1 < n ? PyUnicode_READ(kind, data, i + 1) : 0;
            if (next == '*' || next == '}') {
                return false;
            }
            inside = true;
        }
        else if (c == '}') {
            if (i + 1 < n && PyUnicode_READ(kind, data, i + 1) == '*') {
                return false;
            }
            inside = false;
        }
        else if (!inside && (c == '/' || c == '*' || c == '[' || c == '@' || c == '.')) {
            return false;
        }
    }
    return true;
}

/* Whether two tags are equal: 1, 0, -1 with an exception. Both are held meanwhile. */
static int
same_tag(PyObject *a, PyObject *b)
{
    if (a == b) {
        return 1;
    }
    if (PyUnicode_CheckExact(a) && PyUnicode_CheckExact(b)) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(a);
        return n == PyUnicode_GET_LENGTH(b) && PyUnicode_KIND(a) == PyUnicode_KIND(b) &&
               memcmp(PyUnicode_DATA(a), PyUnicode_DATA(b),
                      (size_t)n * PyUnicode_KIND(a)) == 0;
    }
    NJ_OWN held_a = Py_NewRef(a);
    NJ_OWN held_b = Py_NewRef(b);
    return PyObject_RichCompareBool(held_a, held_b, Py_EQ);
}

/* The next child from *at on whose tag equals `tag'. New reference; NULL at the end (or
 * with an exception set). */
static PyObject *
next_with_tag(EtState *st, PyObject *self, PyObject *tag, Py_ssize_t *at)
{
    while (*at < child_count(self)) {
        PyObject *child = ((Element *)self)->extra->children[(*at)++];
        PyObject *other = ((Element *)child)->tag;
        if (other == tag) {
            return Py_NewRef(child);
        }
        if (!other) {
            continue;
        }
        Py_INCREF(child);
        int same = same_tag(other, tag);
        if (same > 0) {
            return child;
        }
        Py_DECREF(child);
        if (same < 0) {
            return NULL;
        }
    }
    return NULL;
}

typedef struct {
    EtState *st;
    PyObject *path, *namespaces, *otherwise;
} FindArgs;

static int
find_args(FindArgs *a, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
          PyObject *kwnames, bool has_default, const char *format)
{
    static char *names[] = {"path", "namespaces", NULL};
    static char *names3[] = {"path", "default", "namespaces", NULL};
    a->st = PyType_GetModuleState(cls);
    a->namespaces = a->otherwise = Py_None;
    if (!kwnames && n == 1) {
        a->path = args[0];
        return 0;
    }
    return has_default ? et_parse(args, n, kwnames, format, names3, &a->path, &a->otherwise,
                                  &a->namespaces)
                       : et_parse(args, n, kwnames, format, names, &a->path, &a->namespaces);
}

static PyObject *
element_find(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
             PyObject *kwnames)
{
    FindArgs a;
    if (find_args(&a, cls, args, n, kwnames, false, "O|O:find") < 0) {
        return NULL;
    }
    if (!plain_tag(a.path) || a.namespaces != Py_None) {
        return PyObject_CallMethodObjArgs(a.st->element_path, a.st->str_find, self, a.path,
                                          a.namespaces, NULL);
    }
    Py_ssize_t at = 0;
    PyObject *child = next_with_tag(a.st, self, a.path, &at);
    return child || PyErr_Occurred() ? child : Py_NewRef(Py_None);
}

static PyObject *
element_findtext(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
                 PyObject *kwnames)
{
    FindArgs a;
    if (find_args(&a, cls, args, n, kwnames, true, "O|OO:findtext") < 0) {
        return NULL;
    }
    if (!plain_tag(a.path) || a.namespaces != Py_None) {
        return PyObject_CallMethodObjArgs(a.st->element_path, a.st->str_findtext, self,
                                          a.path, a.otherwise, a.namespaces, NULL);
    }
    Py_ssize_t at = 0;
    NJ_OWN child = next_with_tag(a.st, self, a.path, &at);
    if (!child) {
        return PyErr_Occurred() ? NULL : Py_NewRef(a.otherwise);
    }
    PyObject *text = ((Element *)child)->text;
    return text && text != Py_None ? Py_NewRef(text) : Py_GetConstant(Py_CONSTANT_EMPTY_STR);
}

static PyObject *
element_findall(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
                PyObject *kwnames)
{
    FindArgs a;
    if (find_args(&a, cls, args, n, kwnames, false, "O|O:findall") < 0) {
        return NULL;
    }
    if (!plain_tag(a.path) || a.namespaces != Py_None) {
        return PyObject_CallMethodObjArgs(a.st->element_path, a.st->str_findall, self, a.path,
                                          a.namespaces, NULL);
    }
    NJ_OWN list = PyList_New(0);
    Py_ssize_t at = 0;
    PyObject *child;
    while (list && (child = next_with_tag(a.st, self, a.path, &at))) {
        int failed = PyList_Append(list, child);
        Py_DECREF(child);
        if (failed) {
            return NULL;
        }
    }
    return PyErr_Occurred() ? NULL : NJ_TAKE(list);
}

static PyObject *
element_iterfind(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
                 PyObject *kwnames)
{
    FindArgs a;
    if (find_args(&a, cls, args, n, kwnames, false, "O|O:iterfind") < 0) {
        return NULL;
    }
    return PyObject_CallMethodObjArgs(a.st->element_path, a.st->str_iterfind, self, a.path,
                                      a.namespaces, NULL);
}

/* ---------------------------------------------------------------- copying, state */

static PyObject *
element_copy(PyObject *self, PyObject *ignored)
{
    Element *e = (Element *)self;
    EtState *st = et_state_of(Py_TYPE(self));
    if (!st) {
        return NULL;
    }
    NJ_OWN copy = et_element_new(st, e->tag ? e->tag : Py_None,
                                 e->extra ? e->extra->attrib : NULL);
    if (!copy) {
        return NULL;
    }
    Element *c = (Element *)copy;
    NJ_SET(c->text, Py_XNewRef(e->text));
    NJ_SET(c->tail, Py_XNewRef(e->tail));
    for (Py_ssize_t i = 0; i < child_count(self); i++) {
        NJ_OWN child = Py_NewRef(e->extra->children[i]);
        if (et_element_append(copy, child) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(copy);
}

static PyObject *deep_copy_element(EtState *st, Element *e, PyObject *memo);

/* copy.deepcopy() with short cuts for what trees are made of. */
static PyObject *
deep_copy(EtState *st, PyObject *o, PyObject *memo)
{
    if (o == Py_None || PyUnicode_CheckExact(o)) {
        return Py_NewRef(o);
    }
    if (Py_REFCNT(o) == 1 && PyDict_CheckExact(o)) {
        bool simple = true;
        Py_ssize_t pos = 0;
        PyObject *k, *v;
        while (simple && PyDict_Next(o, &pos, &k, &v)) {
            simple = PyUnicode_CheckExact(k) && PyUnicode_CheckExact(v);
        }
        if (simple) {
            return PyDict_Copy(o); /* ours alone, so memo has no use for it */
        }
    }
    if (Py_REFCNT(o) == 1 && Py_IS_TYPE(o, st->element_type)) {
        return deep_copy_element(st, (Element *)o, memo);
    }
    NJ_OWN keep = Py_NewRef(o);
    PyObject *args[2] = {keep, memo};
    return PyObject_Vectorcall(st->deepcopy, args, 2, NULL);
}

/* *slot gets the deep copy of o. */
static int
deep_copy_into(EtState *st, PyObject **slot, PyObject *o, PyObject *memo)
{
    if (!o || o == Py_None) {
        return 0;
    }
    NJ_OWN keep = Py_NewRef(o);
    PyObject *copy = deep_copy(st, keep, memo);
    if (!copy) {
        return -1;
    }
    NJ_SET(*slot, copy);
    return 0;
}

static PyObject *
deep_copy_fields(EtState *st, Element *e, PyObject *memo)
{
    NJ_OWN copy = et_element_new(st, Py_None, NULL);
    if (!copy) {
        return NULL;
    }
    Element *c = (Element *)copy;
    if (deep_copy_into(st, &c->tag, e->tag, memo) < 0
        || deep_copy_into(st, &c->text, e->text, memo) < 0
        || deep_copy_into(st, &c->tail, e->tail, memo) < 0) {
        return NULL;
    }
    if (e->extra && e->extra->attrib) {
        /* without a reference of ours, so that deep_copy sees an unshared dict */
        PyObject *attrib = deep_copy(st, e->extra->attrib, memo);
        if (!attrib || !need_extra(c)) {
            Py_XDECREF(attrib);
            return NULL;
        }
        NJ_SET(c->extra->attrib, attrib);
    }
    for (Py_ssize_t i = 0; i < child_count((PyObject *)e); i++) {
        PyObject *child = deep_copy(st, e->extra->children[i], memo);
        if (!child) {
            return NULL;
        }
        int failed = PyObject_TypeCheck(child, st->element_type)
                         ? et_element_append(copy, child)
                         : not_element(child);
        Py_DECREF(child);
        if (failed) {
            return NULL;
        }
    }
    NJ_OWN id = PyLong_FromVoidPtr(e);
    if (!id || PyDict_SetItem(memo, id, copy) < 0) {
        return NULL;
    }
    return NJ_TAKE(copy);
}

static PyObject *
deep_copy_element(EtState *st, Element *e, PyObject *memo)
{
    if (Py_EnterRecursiveCall(" in Element.__deepcopy__")) {
        return NULL;
    }
    Py_INCREF(e);
    PyObject *copy = deep_copy_fields(st, e, memo);
    Py_DECREF(e);
    Py_LeaveRecursiveCall();
    return copy;
}

static PyObject *
element_deepcopy(PyObject *self, PyObject *memo)
{
    EtState *st = et_state_of(Py_TYPE(self));
    if (!st || check_dict(memo, "__deepcopy__() argument") < 0) {
        return NULL;
    }
    return deep_copy_element(st, (Element *)self, memo);
}

static PyObject *
element_sizeof(PyObject *self, PyObject *ignored)
{
    Element *e = (Element *)self;
    size_t n = (size_t)Py_TYPE(self)->tp_basicsize;
    if (e->extra) {
        n += sizeof(Extra);
        if (e->extra->children != e->extra->few) {
            n += (size_t)e->extra->allocated * sizeof(PyObject *);
        }
    }
    return PyLong_FromSize_t(n);
}

static PyObject *
element_getstate(PyObject *self, PyObject *ignored)
{
    Element *e = (Element *)self;
    NJ_OWN children = PyList_New(0);
    for (Py_ssize_t i = 0; children && i < child_count(self); i++) {
        if (PyList_Append(children, e->extra->children[i]) < 0) {
            return NULL;
        }
    }
    NJ_OWN attrib = e->extra && e->extra->attrib ? Py_NewRef(e->extra->attrib) : PyDict_New();
    if (!children || !attrib) {
        return NULL;
    }
    return Py_BuildValue("{sOsOsOsOsO}", "tag", e->tag ? e->tag : Py_None, "_children",
                         children, "attrib", attrib, "text", e->text ? e->text : Py_None,
                         "tail", e->tail ? e->tail : Py_None);
}

static PyObject *
element_setstate(PyObject *self, PyObject *state)
{
    static char *names[] = {"tag", "attrib", "text", "tail", "_children", NULL};
    Element *e = (Element *)self;
    EtState *st = et_state_of(Py_TYPE(self));
    PyObject *tag = NULL, *attrib = NULL, *text = Py_None, *tail = Py_None, *children = NULL;
    if (!st) {
        return NULL;
    }
    if (!PyDict_CheckExact(state)) {
        PyErr_Format(PyExc_TypeError, "Don't know how to unpickle \"%.200R\" as an Element",
                     state);
        return NULL;
    }
    NJ_OWN none = PyTuple_New(0);
    if (!none
        || !PyArg_ParseTupleAndKeywords(none, state, "|$OOOOO", names, &tag, &attrib, &text,
                                        &tail, &children)) {
        return NULL;
    }
    if (!tag) {
        PyErr_SetString(PyExc_TypeError, "tag may not be NULL");
        return NULL;
    }
    if (children && !PyList_Check(children)) {
        PyErr_SetString(PyExc_TypeError, "'_children' is not a list");
        return NULL;
    }
    if (attrib && !PyDict_Check(attrib)) {
        PyErr_Format(PyExc_TypeError, "attrib must be dict, not %.200s",
                     Py_TYPE(attrib)->tp_name);
        return NULL;
    }
    /* gather the new parts first, drop old ones last */
    Element fresh = {.extra = NULL};
    for (Py_ssize_t i = 0; children && i < PyList_GET_SIZE(children); i++) {
        PyObject *child = PyList_GET_ITEM(children, i);
        int failed = PyObject_TypeCheck(child, st->element_type)
                         ? et_element_append((PyObject *)&fresh, child)
                         : not_element(child);
        if (failed) {
            free_extra(fresh.extra);
            return NULL;
        }
    }
    if (attrib && PyDict_GET_SIZE(attrib) > 0) {
        if (!need_extra(&fresh)) {
            return NULL;
        }
        fresh.extra->attrib = Py_NewRef(attrib);
    }
    Extra *old = e->extra;
    e->extra = fresh.extra;
    NJ_SET(e->tag, Py_NewRef(tag));
    NJ_SET(e->text, Py_NewRef(text));
    NJ_SET(e->tail, Py_NewRef(tail));
    free_extra(old);
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- iterator */

/* Walks a tree in document order. With `texts' it yields texts and tails instead of
 * elements. Children are found by position, so a tree may change under the walk. */
typedef struct {
    PyObject *element;
    Py_ssize_t next_child;
} Level;

typedef struct {
    PyObject_HEAD
    PyObject *root; /* before the first step, then NULL */
    PyObject *tag;  /* None: any */
    Level *levels;
    Py_ssize_t depth, allocated;
    bool texts;
} Walker;

static PyObject *
make_walker(EtState *st, PyObject *self, PyObject *tag, bool texts)
{
    Walker *w = PyObject_GC_New(Walker, st->iterator_type);
    if (!w) {
        return NULL;
    }
    w->root = Py_NewRef(self);
    w->tag = Py_NewRef(tag);
    w->levels = NULL;
    w->depth = w->allocated = 0;
    w->texts = texts;
    PyObject_GC_Track(w);
    return (PyObject *)w;
}

/* Enters an element, consuming the reference. */
static int
push_level(Walker *w, PyObject *element)
{
    if (w->depth == w->allocated) {
        Py_ssize_t size = w->allocated ? w->allocated * 2 : 8;
        Level *p = PyMem_Realloc(w->levels, (size_t)size * sizeof *p);
        if (!p) {
            Py_DECREF(element);
            PyErr_NoMemory();
            return -1;
        }
        w->levels = p;
        w->allocated = size;
    }
    w->levels[w->depth++] = (Level){element, 0};
    return 0;
}

/* The text if it is true. */
static PyObject *
worth_yielding(PyObject *text)
{
    if (!text || text == Py_None) {
        return NULL;
    }
    NJ_OWN keep = Py_NewRef(text);
    int yes = PyObject_IsTrue(keep);
    return yes > 0 ? NJ_TAKE(keep) : NULL;
}

/* What itertext() yields on entering: its text; no text within comments and the like. */
static PyObject *
enter_for_text(Walker *w, PyObject *element)
{
    Element *e = (Element *)element;
    if (e->tag && e->tag != Py_None && !PyUnicode_Check(e->tag)) {
        w->levels[w->depth - 1].next_child = PY_SSIZE_T_MAX;
        return NULL;
    }
    return worth_yielding(e->text);
}

static PyObject *
walker_next(PyObject *self)
{
    Walker *w = (Walker *)self;
    for (;;) {
        PyObject *element;
        if (w->root) {
            element = w->root;
            w->root = NULL;
        }
        else if (w->depth == 0) {
            return NULL;
        }
        else {
            Level *top = &w->levels[w->depth - 1];
            if (top->next_child >= child_count(top->element)) {
                PyObject *left = top->element;
                w->depth--;
                PyObject *tail = w->texts && w->depth > 0
                                     ? worth_yielding(((Element *)left)->tail)
                                     : NULL;
                Py_DECREF(left);
                if (tail || (w->texts && PyErr_Occurred())) {
                    return tail;
                }
                continue;
            }
            element = ((Element *)top->element)->extra->children[top->next_child++];
            PyObject *tag = ((Element *)element)->tag;
            if (!w->texts && child_count(element) == 0 && tag && PyUnicode_CheckExact(tag) &&
                PyUnicode_CheckExact(w->tag) && !same_tag(tag, w->tag)) {
                continue; /* a leaf of another name: nobody can notice that it was entered */
            }
            Py_INCREF(element);
        }
        if (push_level(w, element) < 0) {
            return NULL;
        }
        if (w->texts) {
            PyObject *text = enter_for_text(w, element);
            if (text || PyErr_Occurred()) {
                return text;
            }
            continue;
        }
        Element *e = (Element *)element;
        if (w->tag == Py_None || e->tag == w->tag) {
            return Py_NewRef(element);
        }
        Py_INCREF(element);
        int same = e->tag ? same_tag(e->tag, w->tag) : 0;
        if (same > 0) {
            return element;
        }
        Py_DECREF(element);
        if (same < 0) {
            return NULL;
        }
    }
}

static int
walker_traverse(PyObject *self, visitproc visit, void *arg)
{
    Walker *w = (Walker *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(w->root);
    Py_VISIT(w->tag);
    for (Py_ssize_t i = 0; i < w->depth; i++) {
        Py_VISIT(w->levels[i].element);
    }
    return 0;
}

static void
walker_dealloc(PyObject *self)
{
    Walker *w = (Walker *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    while (w->depth > 0) {
        Py_DECREF(w->levels[--w->depth].element);
    }
    PyMem_Free(w->levels);
    Py_XDECREF(w->root);
    Py_XDECREF(w->tag);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, walker_dealloc},
    {Py_tp_traverse, walker_traverse},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, walker_next},
    {0, NULL},
};

PyType_Spec et_iterator_spec = {
    .name = "_elementtree._element_iterator",
    .basicsize = sizeof(Walker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = iterator_slots,
};

static PyObject *
element_iter(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
             PyObject *kwnames)
{
    static char *names[] = {"tag", NULL};
    PyObject *tag = Py_None;
    if ((n || kwnames) && et_parse(args, n, kwnames, "|O:iter", names, &tag) < 0) {
        return NULL;
    }
    if (PyUnicode_Check(tag) && PyUnicode_EqualToUTF8(tag, "*")) {
        tag = Py_None;
    }
    return make_walker(PyType_GetModuleState(cls), self, tag, false);
}

static PyObject *
element_itertext(PyObject *self, PyTypeObject *cls, PyObject *const *args, Py_ssize_t n,
                 PyObject *kwnames)
{
    static char *names[] = {NULL};
    if ((n || kwnames) && et_parse(args, n, kwnames, ":itertext", names) < 0) {
        return NULL;
    }
    return make_walker(PyType_GetModuleState(cls), self, Py_None, true);
}

/* ---------------------------------------------------------------- type */

#define CLS (METH_METHOD | METH_FASTCALL | METH_KEYWORDS)
static PyMethodDef element_methods[] = {
    {"clear", element_clear, METH_NOARGS, PyDoc_STR("clear($self, /)\n--\n\n")},
    {"get", FAST(element_get), METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("get($self, /, key, default=None)\n--\n\n")},
    {"set", FAST(element_set), METH_FASTCALL, PyDoc_STR("set($self, key, value, /)\n--\n\n")},
    {"find", FAST(element_find), CLS,
     PyDoc_STR("find($self, /, path, namespaces=None)\n--\n\n")},
    {"findtext", FAST(element_findtext), CLS,
     PyDoc_STR("findtext($self, /, path, default=None, namespaces=None)\n--\n\n")},
    {"findall", FAST(element_findall), CLS,
     PyDoc_STR("findall($self, /, path, namespaces=None)\n--\n\n")},
    {"append", FAST(element_append), CLS,
     PyDoc_STR("append($self, subelement, /)\n--\n\n")},
    {"extend", FAST(element_extend), CLS, PyDoc_STR("extend($self, elements, /)\n--\n\n")},
    {"insert", FAST(element_insert), METH_FASTCALL,
     PyDoc_STR("insert($self, index, subelement, /)\n--\n\n")},
    {"remove", element_remove, METH_O, PyDoc_STR("remove($self, subelement, /)\n--\n\n")},
    {"iter", FAST(element_iter), CLS, PyDoc_STR("iter($self, /, tag=None)\n--\n\n")},
    {"itertext", FAST(element_itertext), CLS, PyDoc_STR("itertext($self, /)\n--\n\n")},
    {"iterfind", FAST(element_iterfind), CLS,
     PyDoc_STR("iterfind($self, /, path, namespaces=None)\n--\n\n")},
    {"items", element_items, METH_NOARGS, PyDoc_STR("items($self, /)\n--\n\n")},
    {"keys", element_keys, METH_NOARGS, PyDoc_STR("keys($self, /)\n--\n\n")},
    {"makeelement", FAST(element_makeelement), CLS,
     PyDoc_STR("makeelement($self, tag, attrib, /)\n--\n\n")},
    {"__copy__", element_copy, METH_NOARGS, PyDoc_STR("__copy__($self, /)\n--\n\n")},
    {"__deepcopy__", element_deepcopy, METH_O,
     PyDoc_STR("__deepcopy__($self, memo, /)\n--\n\n")},
    {"__sizeof__", element_sizeof, METH_NOARGS, PyDoc_STR("__sizeof__($self, /)\n--\n\n")},
    {"__getstate__", element_getstate, METH_NOARGS,
     PyDoc_STR("__getstate__($self, /)\n--\n\n")},
    {"__setstate__", element_setstate, METH_O,
     PyDoc_STR("__setstate__($self, state, /)\n--\n\n")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef element_getset[] = {
    {"tag", element_get_tag, element_set_tag,
     PyDoc_STR("A string identifying what kind of data this element represents"), NULL},
    {"text", element_get_text, element_set_text,
     PyDoc_STR("A string of text directly after the start tag, or None"), NULL},
    {"tail", element_get_tail, element_set_tail,
     PyDoc_STR("A string of text directly after the end tag, or None"), NULL},
    {"attrib", element_get_attrib, element_set_attrib,
     PyDoc_STR("A dictionary containing the element's attributes"), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef element_members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(Element, weakrefs), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot element_slots[] = {
    {Py_tp_new, element_new},
    {Py_tp_vectorcall, element_vectorcall},
    {Py_tp_init, element_init},
    {Py_tp_dealloc, element_dealloc},
    {Py_tp_traverse, element_traverse},
    {Py_tp_clear, element_gc_clear},
    {Py_tp_repr, element_repr},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_methods, element_methods},
    {Py_tp_getset, element_getset},
    {Py_tp_members, element_members},
    {Py_nb_bool, element_bool},
    {Py_sq_length, child_count},
    {Py_sq_item, element_item},
    {Py_sq_ass_item, element_ass_item},
    {Py_mp_length, child_count},
    {Py_mp_subscript, element_subscript},
    {Py_mp_ass_subscript, element_ass_subscript},
    {0, NULL},
};

PyType_Spec et_element_spec = {
    .name = "xml.etree.ElementTree.Element",
    .basicsize = sizeof(Element),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = element_slots,
};

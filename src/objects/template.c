/* template.c - template strings (PEP 750): Template, Interpolation, and the iterator
 *
 * A Template has one string more than interpolations: s0 i0 s1 i1 ... sn. Iterating leaves
 * the empty strings out.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

/* ======================================================================================
 * Interpolation
 * ====================================================================================== */

typedef struct NjInterpolation {
    PyObject_HEAD
    PyObject *value;
    PyObject *expression;  /* str */
    PyObject *conversion;  /* 's', 'r', 'a' or None */
    PyObject *format_spec; /* str */
} NjInterpolation;
#define I(o) ((NjInterpolation *)(o))

static PyObject *
interpolation_alloc(PyTypeObject *type, PyObject *value, PyObject *expression,
                    PyObject *conversion, PyObject *spec)
{
    NjInterpolation *self = PyObject_GC_New(NjInterpolation, type);
    if (self == NULL) {
        return NULL;
    }
    self->value = Py_NewRef(value);
    self->expression = Py_NewRef(expression);
    self->conversion = Py_NewRef(conversion);
    self->format_spec = Py_NewRef(spec);
    nj_gc_track((PyObject *)self);
    return (PyObject *)self;
}

PyObject *
nj_interpolation_make(PyObject *value, PyObject *expression, int conversion,
                      PyObject *format_spec)
{
    static const char letters[] = {0, 's', 'r', 'a'};
    NJ_OWN conv = conversion == 0 ? Py_NewRef(Py_None)
                                  : PyUnicode_FromOrdinal(letters[conversion & 3]);
    NJ_OWN spec = format_spec ? Py_NewRef(format_spec)
                              : PyUnicode_FromStringAndSize(NULL, 0);
    if (conv == NULL || spec == NULL) {
        return NULL;
    }
    return interpolation_alloc(&NjInterpolation_Type, value, expression, conv, spec);
}

static PyObject *
interpolation_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"value", "expression", "conversion",
                                        "format_spec", NULL};
    static const NjParams params = {"Interpolation", names, 4, 1, 0};
    PyObject *v[4] = {NULL};
    if (nj_args_bind_tuple(&params, args, kwds, v) < 0) {
        return NULL;
    }
    NJ_OWN empty = PyUnicode_FromStringAndSize(NULL, 0);
    PyObject *expression = v[1] ? v[1] : empty;
    PyObject *conversion = v[2] ? v[2] : Py_None;
    PyObject *spec = v[3] ? v[3] : empty;
    if (!PyUnicode_Check(expression)) {
        _PyArg_BadArgument("Interpolation", "argument 'expression'", "str", expression);
        return NULL;
    }
    if (conversion != Py_None) {
        if (!PyUnicode_Check(conversion)) {
            _PyArg_BadArgument("Interpolation", "argument 'conversion'", "str",
                               conversion);
            return NULL;
        }
        Py_UCS4 c = PyUnicode_GET_LENGTH(conversion) == 1
                        ? PyUnicode_READ_CHAR(conversion, 0)
                        : 0;
        if (c != 's' && c != 'a' && c != 'r') {
            PyErr_SetString(PyExc_ValueError, "Interpolation() argument 'conversion' must "
                                              "be one of 's', 'a' or 'r'");
            return NULL;
        }
    }
    if (!PyUnicode_Check(spec)) {
        _PyArg_BadArgument("Interpolation", "argument 'format_spec'", "str", spec);
        return NULL;
    }
    return interpolation_alloc(type, v[0], expression, conversion, spec);
}

static int
interpolation_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(I(self)->value);
    Py_VISIT(I(self)->expression);
    Py_VISIT(I(self)->conversion);
    Py_VISIT(I(self)->format_spec);
    return 0;
}

static int
interpolation_clear(PyObject *self)
{
    Py_CLEAR(I(self)->value);
    Py_CLEAR(I(self)->expression);
    Py_CLEAR(I(self)->conversion);
    Py_CLEAR(I(self)->format_spec);
    return 0;
}

static void
interpolation_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    (void)interpolation_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
interpolation_repr(PyObject *self)
{
    return PyUnicode_FromFormat("%s(%R, %R, %R, %R)", _PyType_Name(Py_TYPE(self)),
                                I(self)->value, I(self)->expression, I(self)->conversion,
                                I(self)->format_spec);
}

static PyObject *
interpolation_reduce(PyObject *self, PyObject *unused)
{
    return Py_BuildValue("(O(OOOO))", Py_TYPE(self), I(self)->value, I(self)->expression,
                         I(self)->conversion, I(self)->format_spec);
}

static PyMethodDef interpolation_methods[] = {
    {"__reduce__", interpolation_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {0},
};
static PyMemberDef interpolation_members[] = {
    {"value", _Py_T_OBJECT, offsetof(NjInterpolation, value), Py_READONLY, "Value"},
    {"expression", _Py_T_OBJECT, offsetof(NjInterpolation, expression), Py_READONLY,
     "Expression"},
    {"conversion", _Py_T_OBJECT, offsetof(NjInterpolation, conversion), Py_READONLY,
     "Conversion"},
    {"format_spec", _Py_T_OBJECT, offsetof(NjInterpolation, format_spec), Py_READONLY,
     "Format specifier"},
    {0},
};

PyTypeObject NjInterpolation_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name =
        "string.templatelib.Interpolation",
    .tp_basicsize = sizeof(NjInterpolation),
    .tp_dealloc = interpolation_dealloc,
    .tp_repr = interpolation_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Interpolation object",
    .tp_traverse = interpolation_traverse,
    .tp_clear = interpolation_clear,
    .tp_methods = interpolation_methods,
    .tp_members = interpolation_members,
    .tp_new = interpolation_new,
    .tp_alloc = PyType_GenericAlloc,
    .tp_free = PyObject_GC_Del,
};

/* ======================================================================================
 * Template
 * ====================================================================================== */

typedef struct NjTemplate {
    PyObject_HEAD
    PyObject *strings;        /* tuple of n + 1 str */
    PyObject *interpolations; /* tuple of n */
} NjTemplate;
#define T(o) ((NjTemplate *)(o))

typedef struct NjTemplateIter {
    PyObject_HEAD
    PyObject *strings_iter;
    PyObject *interpolations_iter;
    bool from_strings;
} NjTemplateIter;
#define TI(o) ((NjTemplateIter *)(o))

static PyObject *
template_alloc(PyTypeObject *type, PyObject *strings, PyObject *interpolations)
{
    NjTemplate *self = PyObject_GC_New(NjTemplate, type);
    if (self == NULL) {
        return NULL;
    }
    self->strings = Py_NewRef(strings);
    self->interpolations = Py_NewRef(interpolations);
    nj_gc_track((PyObject *)self);
    return (PyObject *)self;
}

PyObject *
nj_template_make(PyObject *strings, PyObject *interpolations)
{
    return template_alloc(&NjTemplate_Type, strings, interpolations);
}

/* Both arguments are tuples, the strings one longer than the interpolations. */
PyAPI_FUNC(PyObject *) _PyTemplate_Build(PyObject *strings, PyObject *interpolations);
PyObject *
_PyTemplate_Build(PyObject *strings, PyObject *interpolations)
{
    return nj_template_make(strings, interpolations);
}

static PyObject *
template_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (kwds && PyDict_GET_SIZE(kwds) != 0) {
        PyErr_SetString(PyExc_TypeError, "Template.__new__ only accepts *args arguments");
        return NULL;
    }
    /* neighbouring strings are joined; between interpolations stands "" */
    NJ_OWN strings = PyList_New(0);
    NJ_OWN inter = PyList_New(0);
    NJ_OWN pending = PyUnicode_FromStringAndSize(NULL, 0);
    if (strings == NULL || inter == NULL || pending == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
        PyObject *item = PyTuple_GET_ITEM(args, i);
        if (PyUnicode_Check(item)) {
            NJ_SET(pending, PyUnicode_Concat(pending, item));
            if (pending == NULL) {
                return NULL;
            }
        }
        else if (Py_IS_TYPE(item, &NjInterpolation_Type)) {
            if (PyList_Append(strings, pending) < 0 || PyList_Append(inter, item) < 0) {
                return NULL;
            }
            NJ_SET(pending, PyUnicode_FromStringAndSize(NULL, 0));
            if (pending == NULL) {
                return NULL;
            }
        }
        else {
            PyErr_Format(PyExc_TypeError,
                         "Template.__new__ *args need to be of type 'str' or "
                         "'Interpolation', got %T",
                         item);
            return NULL;
        }
    }
    if (PyList_Append(strings, pending) < 0) {
        return NULL;
    }
    NJ_OWN st = PyList_AsTuple(strings);
    NJ_OWN it = st ? PyList_AsTuple(inter) : NULL;
    return it ? template_alloc(type, st, it) : NULL;
}

static int
template_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(T(self)->strings);
    Py_VISIT(T(self)->interpolations);
    return 0;
}

static int
template_clear(PyObject *self)
{
    Py_CLEAR(T(self)->strings);
    Py_CLEAR(T(self)->interpolations);
    return 0;
}

static void
template_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    (void)template_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
template_repr(PyObject *self)
{
    return PyUnicode_FromFormat("%s(strings=%R, interpolations=%R)",
                                _PyType_Name(Py_TYPE(self)), T(self)->strings,
                                T(self)->interpolations);
}

static PyObject *
template_iter(PyObject *self)
{
    NJ_OWN s = PyObject_GetIter(T(self)->strings);
    NJ_OWN i = s ? PyObject_GetIter(T(self)->interpolations) : NULL;
    if (i == NULL) {
        return NULL;
    }
    NjTemplateIter *it = PyObject_GC_New(NjTemplateIter, &NjTemplateIter_Type);
    if (it == NULL) {
        return NULL;
    }
    it->strings_iter = NJ_TAKE(s);
    it->interpolations_iter = NJ_TAKE(i);
    it->from_strings = true;
    nj_gc_track((PyObject *)it);
    return (PyObject *)it;
}

static PyObject *
template_concat(PyObject *a, PyObject *b)
{
    if (!Py_IS_TYPE(a, &NjTemplate_Type) || !Py_IS_TYPE(b, &NjTemplate_Type)) {
        if (Py_IS_TYPE(a, &NjTemplate_Type)) {
            PyErr_Format(PyExc_TypeError,
                         "can only concatenate string.templatelib.Template (not \"%T\") "
                         "to string.templatelib.Template",
                         b);
        }
        else {
            PyErr_Format(PyExc_TypeError,
                         "can only concatenate string.templatelib.Template (not \"%T\") "
                         "to string.templatelib.Template",
                         a);
        }
        return NULL;
    }
    PyObject *s1 = T(a)->strings, *s2 = T(b)->strings;
    Py_ssize_t n1 = PyTuple_GET_SIZE(s1), n2 = PyTuple_GET_SIZE(s2);
    NJ_OWN strings = PyTuple_New(n1 + n2 - 1);
    NJ_OWN middle =
        PyUnicode_Concat(PyTuple_GET_ITEM(s1, n1 - 1), PyTuple_GET_ITEM(s2, 0));
    NJ_OWN inter = PySequence_Concat(T(a)->interpolations, T(b)->interpolations);
    if (strings == NULL || middle == NULL || inter == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n1 - 1; i++) {
        PyTuple_SET_ITEM(strings, i, Py_NewRef(PyTuple_GET_ITEM(s1, i)));
    }
    PyTuple_SET_ITEM(strings, n1 - 1, NJ_TAKE(middle));
    for (Py_ssize_t i = 1; i < n2; i++) {
        PyTuple_SET_ITEM(strings, n1 - 1 + i, Py_NewRef(PyTuple_GET_ITEM(s2, i)));
    }
    return template_alloc(&NjTemplate_Type, strings, inter);
}

static PyObject *
template_get_values(PyObject *self, void *closure)
{
    Py_ssize_t n = PyTuple_GET_SIZE(T(self)->interpolations);
    PyObject *values = PyTuple_New(n);
    for (Py_ssize_t i = 0; values && i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(T(self)->interpolations, i);
        PyTuple_SET_ITEM(values, i, Py_NewRef(I(item)->value));
    }
    return values;
}

static PyObject *
template_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN mod = PyImport_ImportModule("string.templatelib");
    NJ_OWN func = mod ? PyObject_GetAttrString(mod, "_template_unpickle") : NULL;
    return func ? Py_BuildValue("O(OO)", func, T(self)->strings, T(self)->interpolations)
                : NULL;
}

static PyMethodDef template_methods[] = {
    {"__reduce__", template_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {0},
};
static PyMemberDef template_members[] = {
    {"strings", _Py_T_OBJECT, offsetof(NjTemplate, strings), Py_READONLY, "Strings"},
    {"interpolations", _Py_T_OBJECT, offsetof(NjTemplate, interpolations), Py_READONLY,
     "Interpolations"},
    {0},
};
static PyGetSetDef template_getset[] = {
    {"values", template_get_values, NULL, "Values of interpolations"},
    {0},
};
static PySequenceMethods template_as_sequence = {.sq_concat = template_concat};

PyTypeObject NjTemplate_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "string.templatelib.Template",
    .tp_basicsize = sizeof(NjTemplate),
    .tp_dealloc = template_dealloc,
    .tp_repr = template_repr,
    .tp_as_sequence = &template_as_sequence,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Template object",
    .tp_traverse = template_traverse,
    .tp_clear = template_clear,
    .tp_iter = template_iter,
    .tp_methods = template_methods,
    .tp_members = template_members,
    .tp_getset = template_getset,
    .tp_new = template_new,
    .tp_alloc = PyType_GenericAlloc,
    .tp_free = PyObject_GC_Del,
};

/* ---- iterator ---- */

static PyObject *
iter_next(PyObject *self)
{
    NjTemplateIter *it = TI(self);
    if (it->from_strings) {
        PyObject *s = PyIter_Next(it->strings_iter);
        it->from_strings = false;
        if (s == NULL || PyUnicode_GET_LENGTH(s) > 0) {
            return s;
        }
        Py_DECREF(s); /* empty: on to the interpolation behind it */
    }
    it->from_strings = true;
    return PyIter_Next(it->interpolations_iter);
}

static int
iter_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(TI(self)->strings_iter);
    Py_VISIT(TI(self)->interpolations_iter);
    return 0;
}

static int
iter_clear(PyObject *self)
{
    Py_CLEAR(TI(self)->strings_iter);
    Py_CLEAR(TI(self)->interpolations_iter);
    return 0;
}

static void
iter_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    (void)iter_clear(self);
    PyObject_GC_Del(self);
}

PyTypeObject NjTemplateIter_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "string.templatelib.TemplateIter",
    .tp_basicsize = sizeof(NjTemplateIter),
    .tp_dealloc = iter_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "Template iterator object",
    .tp_traverse = iter_traverse,
    .tp_clear = iter_clear,
    .tp_iter = PyObject_SelfIter,
    .tp_iternext = iter_next,
};

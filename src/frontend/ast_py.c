/* ast_py.c - the _ast module: Python classes for the nodes, and conversion both ways.
 *
 * Everything is driven by descriptors generated from ast.def: TYPES[t] names a type, its
 * base, its fields with offset, type and quantity. One generic routine converts a C node
 * to an object, one converts back, one makes the classes with their docstrings and
 * _field_types. The classes of an interpreter are a tuple indexed like TYPES, followed by
 * the shared instances of the operator and context classes; it hangs off
 * NjFrontendState.ast_state and is made on first use.
 *
 * Dangers: trees from Python are hostile. Reading an attribute runs Python code, so lists
 * may shrink while we walk them and every step rechecks. Depth is bounded by
 * Py_EnterRecursiveCall. What is stored in the arena is owned by the arena.
 * SPDX-License-Identifier: MIT
 */
#include "frontend/ast.h"
#include "runtime/state.h"

/* ---- descriptors ------------------------------------------------------------------ */

#define NJ_AST_SUM(type, attrs) T_##type,
#define NJ_AST_NODE(type, Name, fields) T_##Name,
#define NJ_AST_PRODUCT(type, attrs, fields) T_##type,
#define NJ_AST_ENUM(type) T_##type,
#define NJ_AST_MEMBER(type, Name) T_##Name,
enum {
    T_AST,
#include "frontend/ast.def"
    T_COUNT,
    T_identifier,
    T_string,
    T_constant,
    T_int
};

enum { Q_ONE, Q_OPT, Q_SEQ, Q_SEQOPT };
enum { ATTR_NONE, ATTR_POS, ATTR_REQ, ATTR_INHERIT };
enum { C_ROOT, C_SUM, C_NODE, C_PRODUCT, C_ENUM, C_MEMBER };

typedef struct FieldDesc {
    const char *name;
    uint8_t type;
    uint8_t quantity;
    uint16_t offset; /* within the union member (nodes) or the struct (products) */
} FieldDesc;

typedef struct TypeDesc {
    const char *name;
    const char *sum; /* name of the sum a node belongs to, or NULL */
    uint8_t base;
    uint8_t cls;
    uint8_t attrs;
    uint8_t kind;         /* value of ->kind, or the enumerator */
    uint16_t size;        /* of the C struct */
    uint16_t body;        /* offset of the fields in it */
    const FieldDesc *fields;
} TypeDesc;

#define NJ_AST_SUM(type, attrs)
#define NJ_AST_ENUM(type)
#define NJ_AST_MEMBER(type, Name)
#define STRUCT_OF(type) __typeof__(*(NJ_AST_CT_##type)0)
#define NJ_AST_NODE(type, Name, fields)                                                \
    typedef __typeof__(((NJ_AST_CT_##type)0)->v.Name) Body_##Name;
#define NJ_AST_PRODUCT(type, attrs, fields) typedef STRUCT_OF(type) Body_##type;
#include "frontend/ast.def"

/* Each list of fields needs the type it belongs to under one fixed name, hence a scope
 * of its own: a function that returns its static table. */
#define NJ_AST_SUM(type, attrs)
#define NJ_AST_ENUM(type)
#define NJ_AST_MEMBER(type, Name)
#define NJ_AST_NODE(type, Name, list)                                                  \
    static const FieldDesc *fields_##Name(void)                                        \
    {                                                                                  \
        typedef Body_##Name B_ __attribute__((unused));                                \
        static const FieldDesc f[] = {list{NULL, 0, 0, 0}};                            \
        return f;                                                                      \
    }
#define NJ_AST_PRODUCT(type, attrs, list)                                              \
    static const FieldDesc *fields_##type(void)                                        \
    {                                                                                  \
        typedef Body_##type B_;                                                        \
        static const FieldDesc f[] = {list{NULL, 0, 0, 0}};                            \
        return f;                                                                      \
    }
#define NJ_AST_ONE(type, name) {#name, T_##type, Q_ONE, offsetof(B_, name)},
#define NJ_AST_OPT(type, name) {#name, T_##type, Q_OPT, offsetof(B_, name)},
#define NJ_AST_SEQ(type, name) {#name, T_##type, Q_SEQ, offsetof(B_, name)},
#define NJ_AST_SEQOPT(type, name) {#name, T_##type, Q_SEQOPT, offsetof(B_, name)},
#include "frontend/ast.def"

#define NJ_AST_NOPOS ATTR_NONE
#define NJ_AST_POS ATTR_POS
#define NJ_AST_POSREQ ATTR_REQ
#define NJ_AST_SUM(type, attrs) {#type, NULL, T_AST, C_SUM, attrs, 0, 0, 0, NULL},
#define NJ_AST_NODE(type, Name, fields)                                                \
    {#Name,     #type,                                                                 \
     T_##type,  C_NODE,                                                                \
     ATTR_INHERIT, NJ_##Name,                                                          \
     sizeof(STRUCT_OF(type)), offsetof(STRUCT_OF(type), v), NULL},
#define NJ_AST_PRODUCT(type, attrs, fields)                                            \
    {#type, NULL, T_AST, C_PRODUCT, attrs, 1, sizeof(STRUCT_OF(type)), 0, NULL},
#define NJ_AST_ENUM(type) {#type, NULL, T_AST, C_ENUM, ATTR_NONE, 0, 0, 0, NULL},
#define NJ_AST_MEMBER(type, Name)                                                      \
    {#Name, #type, T_##type, C_MEMBER, ATTR_INHERIT, NJ_##Name, 0, 0, NULL},
static const TypeDesc TYPES[T_COUNT] = {
    {"AST", NULL, T_AST, C_ROOT, ATTR_NONE, 0, 0, 0, NULL},
#include "frontend/ast.def"
};

typedef const FieldDesc *(*FieldsFunc)(void);
#define NJ_AST_SUM(type, attrs) NULL,
#define NJ_AST_NODE(type, Name, fields) fields_##Name,
#define NJ_AST_PRODUCT(type, attrs, fields) fields_##type,
#define NJ_AST_ENUM(type) NULL,
#define NJ_AST_MEMBER(type, Name) NULL,
static const FieldsFunc FIELDS[T_COUNT] = {
    NULL,
#include "frontend/ast.def"
};

static const FieldDesc NO_FIELDS[1];

static const FieldDesc *
fields_of(int t)
{
    return FIELDS[t] == NULL ? NO_FIELDS : FIELDS[t]();
}

static const char *const PRIM_NAMES[] = {"identifier", "string", "constant", "int"};

static const char *
type_text(int t)
{
    return t < T_COUNT ? TYPES[t].name : PRIM_NAMES[t - T_identifier];
}

static const char *const POS_NAMES[4] = {"lineno", "col_offset", "end_lineno",
                                         "end_col_offset"};

/* ---- the AST class ------------------------------------------------------------------ */

typedef struct AstObject {
    PyObject_HEAD
    PyObject *dict;
} AstObject;

static int
ast_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((AstObject *)self)->dict);
    return 0;
}

static int
ast_clear(PyObject *self)
{
    Py_CLEAR(((AstObject *)self)->dict);
    return 0;
}

static void
ast_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((AstObject *)self)->dict);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *class_at(int t);

/* What to put into a field that the constructor was not given. 0 done or nothing to do,
 * -1 error. */
static int
fill_missing(PyObject *self, PyObject *name, PyObject *types)
{
    NJ_OWN type = NULL;
    if (PyDict_GetItemRef(types, name, &type) < 0) {
        return -1;
    }
    if (type == NULL) {
        return PyErr_WarnFormat(
            PyExc_DeprecationWarning, 1,
            "Field %R is missing from %.400s._field_types. This will become an error "
            "in Python 3.15.",
            name, Py_TYPE(self)->tp_name);
    }
    if (strcmp(Py_TYPE(type)->tp_name, "typing.Union") == 0) {
        return 0;
    }
    if (Py_IS_TYPE(type, &Py_GenericAliasType)) {
        NJ_OWN empty = PyList_New(0);
        return empty == NULL ? -1 : PyObject_SetAttr(self, name, empty);
    }
    PyObject *context = class_at(T_expr_context);
    if (context == NULL) {
        return -1;
    }
    if (type == context) {
        PyObject *load = class_at(T_COUNT + T_Load);
        return load == NULL ? -1 : PyObject_SetAttr(self, name, load);
    }
    return PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                            "%.400s.__init__ missing 1 required positional argument: "
                            "%R. This will become an error in Python 3.15.",
                            Py_TYPE(self)->tp_name, name);
}

static int
ast_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    NJ_OWN fields = PyObject_GetAttr((PyObject *)Py_TYPE(self), NJ_ID(_fields));
    Py_ssize_t nfields = fields == NULL ? -1 : PySequence_Size(fields);
    if (nfields == -1) {
        return -1;
    }
    NJ_OWN remaining = PySet_New(fields);
    if (remaining == NULL) {
        return -1;
    }
    Py_ssize_t nargs = PyTuple_GET_SIZE(args);
    if (nfields < nargs) {
        PyErr_Format(PyExc_TypeError,
                     "%.400s constructor takes at most %zd positional argument%s",
                     Py_TYPE(self)->tp_name, nfields, nfields == 1 ? "" : "s");
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        NJ_OWN name = PySequence_GetItem(fields, i);
        if (name == NULL || PyObject_SetAttr(self, name, PyTuple_GET_ITEM(args, i)) < 0 ||
            PySet_Discard(remaining, name) < 0) {
            return -1;
        }
    }
    if (kwargs != NULL) {
        Py_ssize_t at = 0;
        PyObject *key, *value;
        NJ_OWN attributes = NULL;
        while (PyDict_Next(kwargs, &at, &key, &value)) {
            int known = fields == NULL ? 0 : PySequence_Contains(fields, key);
            if (known < 0) {
                return -1;
            }
            if (known) {
                int r = PySet_Discard(remaining, key);
                if (r < 0) {
                    return -1;
                }
                if (r == 0) {
                    PyErr_Format(PyExc_TypeError,
                                 "%.400s got multiple values for argument %R",
                                 Py_TYPE(self)->tp_name, key);
                    return -1;
                }
            }
            else {
                if (attributes == NULL) {
                    attributes = PyObject_GetAttr((PyObject *)Py_TYPE(self),
                                                  NJ_ID(_attributes));
                    if (attributes == NULL) {
                        return -1;
                    }
                }
                int has = PySequence_Contains(attributes, key);
                if (has < 0) {
                    return -1;
                }
                if (!has &&
                    PyErr_WarnFormat(
                        PyExc_DeprecationWarning, 1,
                        "%.400s.__init__ got an unexpected keyword argument %R. Support "
                        "for arbitrary keyword arguments is deprecated and will be "
                        "removed in Python 3.15.",
                        Py_TYPE(self)->tp_name, key) < 0) {
                    return -1;
                }
            }
            if (PyObject_SetAttr(self, key, value) < 0) {
                return -1;
            }
        }
    }
    if (PySet_GET_SIZE(remaining) == 0) {
        return 0;
    }
    NJ_OWN types = NULL;
    if (PyObject_GetOptionalAttr((PyObject *)Py_TYPE(self), NJ_ID(_field_types), &types) <
        0) {
        return -1;
    }
    if (types == NULL) {
        return 0;
    }
    if (!PyDict_Check(types)) {
        PyErr_BadInternalCall();
        return -1;
    }
    /* In the order of _fields, so that the warnings come in a fixed order. */
    for (Py_ssize_t i = 0; i < nfields; i++) {
        NJ_OWN name = PySequence_GetItem(fields, i);
        if (name == NULL) {
            return -1;
        }
        int r = PySet_Discard(remaining, name);
        if (r < 0 || (r == 1 && fill_missing(self, name, types) < 0)) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
ast_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN dict = NULL;
    if (PyObject_GetOptionalAttr(self, NJ_ID(__dict__), &dict) < 0) {
        return NULL;
    }
    if (dict == NULL) {
        return Py_BuildValue("O()", Py_TYPE(self));
    }
    NJ_OWN fields = NULL;
    if (PyObject_GetOptionalAttr((PyObject *)Py_TYPE(self), NJ_ID(_fields), &fields) < 0) {
        return NULL;
    }
    if (fields == NULL) {
        return Py_BuildValue("O()N", Py_TYPE(self), NJ_TAKE(dict));
    }
    /* The required fields are passed as None so that the constructor does not warn; the
     * state then overwrites them. */
    Py_ssize_t n = PySequence_Size(fields), given = 0;
    if (n < 0) {
        return NULL;
    }
    for (; given < n; given++) {
        NJ_OWN name = PySequence_GetItem(fields, given);
        if (name == NULL) {
            return NULL;
        }
        int r = PyDict_Check(dict) ? PyDict_Contains(dict, name) : 0;
        if (r < 0) {
            return NULL;
        }
        if (r == 0) {
            break;
        }
    }
    NJ_OWN args = PyTuple_New(given);
    if (args == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < given; i++) {
        PyTuple_SET_ITEM(args, i, Py_NewRef(Py_None));
    }
    return Py_BuildValue("OOO", Py_TYPE(self), args, dict);
}

/* Adds the instance's own values of `names' to payload; drops them from expected. */
static int
collect_values(PyObject *self, PyObject *dict, PyObject *names, PyObject *payload)
{
    Py_ssize_t n = names == NULL ? 0 : PySequence_Size(names);
    if (n < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN name = PySequence_GetItem(names, i);
        NJ_OWN value = NULL;
        if (name == NULL || (dict != NULL && PyDict_GetItemRef(dict, name, &value) < 0)) {
            return -1;
        }
        if (value != NULL && PyDict_SetItem(payload, name, value) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
ast_replace(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) > 0) {
        PyErr_SetString(PyExc_TypeError, "__replace__() takes no positional arguments");
        return NULL;
    }
    PyObject *type = (PyObject *)Py_TYPE(self);
    NJ_OWN fields = NULL;
    NJ_OWN attributes = NULL;
    NJ_OWN dict = NULL;
    if (PyObject_GetOptionalAttr(type, NJ_ID(_fields), &fields) < 0 ||
        PyObject_GetOptionalAttr(type, NJ_ID(_attributes), &attributes) < 0 ||
        PyObject_GetOptionalAttr(self, NJ_ID(__dict__), &dict) < 0) {
        return NULL;
    }
    NJ_OWN allowed = PySet_New(fields);
    if (allowed == NULL) {
        return NULL;
    }
    if (attributes != NULL) {
        NJ_OWN more = PySequence_Tuple(attributes);
        if (more == NULL) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(more); i++) {
            if (PySet_Add(allowed, PyTuple_GET_ITEM(more, i)) < 0) {
                return NULL;
            }
        }
    }
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (kwargs != NULL && PyDict_Next(kwargs, &at, &key, &value)) {
        int r = PySet_Contains(allowed, key);
        if (r < 0) {
            return NULL;
        }
        if (r == 0) {
            PyErr_Format(PyExc_TypeError,
                         "%.400s.__replace__ got an unexpected keyword argument %R.",
                         Py_TYPE(self)->tp_name, key);
            return NULL;
        }
    }
    NJ_OWN payload = PyDict_New();
    if (payload == NULL || collect_values(self, dict, fields, payload) < 0 ||
        collect_values(self, dict, attributes, payload) < 0 ||
        (kwargs != NULL && PyDict_Update(payload, kwargs) < 0)) {
        return NULL;
    }
    /* Every field that has no default must be there. */
    Py_ssize_t n = fields == NULL ? 0 : PySequence_Size(fields);
    if (n < 0) {
        return NULL;
    }
    NJ_OWN missing = PyList_New(0);
    if (missing == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN name = PySequence_GetItem(fields, i);
        if (name == NULL) {
            return NULL;
        }
        int r = PyDict_Contains(payload, name);
        if (r < 0) {
            return NULL;
        }
        if (r == 0) {
            NJ_OWN fallback = NULL; /* optional fields are None on the class */
            if (PyObject_GetOptionalAttr(type, name, &fallback) < 0) {
                return NULL;
            }
            if (fallback != NULL) {
                continue;
            }
            NJ_OWN quoted = PyObject_Repr(name);
            if (quoted == NULL || PyList_Append(missing, quoted) < 0) {
                return NULL;
            }
        }
    }
    Py_ssize_t nmissing = PyList_GET_SIZE(missing);
    if (nmissing > 0) {
        NJ_OWN comma = PyUnicode_FromString(", ");
        if (comma == NULL || PyList_Sort(missing) < 0) {
            return NULL;
        }
        NJ_OWN text = PyUnicode_Join(comma, missing);
        if (text != NULL) {
            PyErr_Format(PyExc_TypeError,
                         "%.400s.__replace__ missing %zd keyword argument%s: %U.",
                         Py_TYPE(self)->tp_name, nmissing, nmissing == 1 ? "" : "s", text);
        }
        return NULL;
    }
    NJ_OWN empty = PyTuple_New(0);
    return empty == NULL ? NULL : PyObject_Call(type, empty, payload);
}

#define REPR_DEPTH 3

static PyObject *repr_node(PyObject *self, PyTypeObject *root, int depth);

static PyObject *
repr_value(PyObject *value, PyTypeObject *root, int depth)
{
    if (PyObject_TypeCheck(value, root)) {
        return repr_node(value, root, depth - 1);
    }
    return PyObject_Repr(value);
}

/* A list or tuple: the first and the last item, dots between. */
static PyObject *
repr_items(PyObject *items, PyTypeObject *root, int depth)
{
    bool list = PyList_Check(items);
    NJ_OWN seq = PySequence_Tuple(items);
    if (seq == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(seq);
    if (n == 0) {
        return PyUnicode_FromString(list ? "[]" : "()");
    }
    NJ_OWN first = repr_value(PyTuple_GET_ITEM(seq, 0), root, depth);
    if (first == NULL) {
        return NULL;
    }
    if (n == 1) {
        return PyUnicode_FromFormat(list ? "[%U]" : "(%U)", first);
    }
    NJ_OWN last = repr_value(PyTuple_GET_ITEM(seq, n - 1), root, depth);
    if (last == NULL) {
        return NULL;
    }
    const char *dots = n > 2 ? "..., " : "";
    return PyUnicode_FromFormat(list ? "[%U, %s%U]" : "(%U, %s%U)", first, dots, last);
}

static PyObject *
repr_node(PyObject *self, PyTypeObject *root, int depth)
{
    if (depth <= 0) {
        return PyUnicode_FromFormat("%s(...)", Py_TYPE(self)->tp_name);
    }
    int entered = Py_ReprEnter(self);
    if (entered != 0) {
        return entered < 0 ? NULL
                           : PyUnicode_FromFormat("%s(...)", Py_TYPE(self)->tp_name);
    }
    NJ_OWN result = NULL;
    NJ_OWN fields = PyObject_GetAttr((PyObject *)Py_TYPE(self), NJ_ID(_fields));
    Py_ssize_t n = fields == NULL ? -1 : PySequence_Size(fields);
    if (n == 0) {
        result = PyUnicode_FromFormat("%s()", Py_TYPE(self)->tp_name);
    }
    else if (n > 0) {
        result = PyUnicode_FromFormat("%s(", Py_TYPE(self)->tp_name);
        for (Py_ssize_t i = 0; i < n && result != NULL; i++) {
            NJ_OWN text = NULL;
            NJ_OWN value = NULL;
            NJ_OWN name = PySequence_GetItem(fields, i);
            if (name != NULL) {
                value = PyObject_GetAttr(self, name);
            }
            if (value != NULL) {
                text = PyList_Check(value) || PyTuple_Check(value)
                           ? repr_items(value, root, depth)
                           : repr_value(value, root, depth);
            }
            if (text == NULL) {
                NJ_SET(result, NULL);
                break;
            }
            NJ_SET(result, PyUnicode_FromFormat("%U%s%U=%U", result, i > 0 ? ", " : "",
                                                name, text));
        }
        if (result != NULL) {
            NJ_SET(result, PyUnicode_FromFormat("%U)", result));
        }
    }
    Py_ReprLeave(self);
    return NJ_TAKE(result);
}

static PyObject *
ast_repr(PyObject *self)
{
    PyObject *root = class_at(T_AST);
    return root == NULL ? NULL : repr_node(self, (PyTypeObject *)root, REPR_DEPTH);
}

static PyMethodDef ast_methods[] = {
    {"__reduce__", ast_reduce, METH_NOARGS, NULL},
    {"__replace__", (PyCFunction)(void (*)(void))ast_replace, METH_VARARGS | METH_KEYWORDS,
     PyDoc_STR("__replace__($self, /, **fields)\n--\n\nReturn a copy of the AST node with "
               "new values for the specified fields.")},
    {NULL, NULL, 0, NULL}};

static PyGetSetDef ast_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL}};

static PyMemberDef ast_members[] = {
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(AstObject, dict), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

static PyType_Slot ast_slots[] = {{Py_tp_dealloc, ast_dealloc},
                                  {Py_tp_repr, ast_repr},
                                  {Py_tp_getattro, PyObject_GenericGetAttr},
                                  {Py_tp_setattro, PyObject_GenericSetAttr},
                                  {Py_tp_traverse, ast_traverse},
                                  {Py_tp_clear, ast_clear},
                                  {Py_tp_members, ast_members},
                                  {Py_tp_methods, ast_methods},
                                  {Py_tp_getset, ast_getset},
                                  {Py_tp_init, ast_init},
                                  {Py_tp_alloc, PyType_GenericAlloc},
                                  {Py_tp_new, PyType_GenericNew},
                                  {Py_tp_free, PyObject_GC_Del},
                                  {0, NULL}};

static PyType_Spec ast_spec = {"ast.AST", sizeof(AstObject), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE |
                                   Py_TPFLAGS_HAVE_GC,
                               ast_slots};

/* ---- making the classes ------------------------------------------------------------- */

static PyObject *
doc_of_fields(int t)
{
    const FieldDesc *f = fields_of(t);
    NJ_OWN s = PyUnicode_FromString(TYPES[t].name);
    if (f->name == NULL) {
        return NJ_TAKE(s);
    }
    static const char *const MARKS[] = {"", "?", "*", "?*"};
    for (int i = 0; s != NULL && f[i].name != NULL; i++) {
        NJ_SET(s, PyUnicode_FromFormat("%U%s%s%s %s%s", s, i == 0 ? "(" : ", ",
                                       type_text(f[i].type), MARKS[f[i].quantity],
                                       f[i].name, f[i + 1].name == NULL ? ")" : ""));
    }
    return NJ_TAKE(s);
}

static PyObject *
doc_of(int t)
{
    const TypeDesc *d = &TYPES[t];
    if (d->cls == C_NODE || d->cls == C_MEMBER || d->cls == C_PRODUCT) {
        return doc_of_fields(t);
    }
    NJ_OWN s = PyUnicode_FromFormat("%s = ", d->name);
    bool first = true;
    for (int k = t + 1; s != NULL && k < T_COUNT && TYPES[k].base == t; k++) {
        NJ_OWN part = doc_of_fields(k);
        if (part == NULL) {
            return NULL;
        }
        if (first) {
            NJ_SET(s, PyUnicode_FromFormat("%U%U", s, part));
        }
        else if (d->cls == C_ENUM) {
            NJ_SET(s, PyUnicode_FromFormat("%U | %U", s, part));
        }
        else {
            NJ_SET(s, PyUnicode_FromFormat("%U\n%*s| %U", s, (int)strlen(d->name) + 1, "",
                                           part));
        }
        first = false;
    }
    return NJ_TAKE(s);
}

static PyObject *
names_tuple(const FieldDesc *f)
{
    Py_ssize_t n = 0;
    while (f[n].name != NULL) {
        n++;
    }
    NJ_OWN tuple = PyTuple_New(n);
    for (Py_ssize_t i = 0; tuple != NULL && i < n; i++) {
        PyObject *s = PyUnicode_InternFromString(f[i].name);
        if (s == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(tuple, i, s);
    }
    return NJ_TAKE(tuple);
}

static PyObject *
make_class(int t, PyObject *classes)
{
    const TypeDesc *d = &TYPES[t];
    NJ_OWN doc = doc_of(t);
    NJ_OWN fields = names_tuple(fields_of(t));
    if (doc == NULL || fields == NULL) {
        return NULL;
    }
    NJ_OWN type = PyObject_CallFunction(
        (PyObject *)&PyType_Type, "s(O){OOOOOssO}", d->name,
        PyTuple_GET_ITEM(classes, d->base), NJ_ID(_fields), fields, NJ_ID(__match_args__),
        fields, NJ_ID(__module__), "ast", "__doc__", doc);
    if (type == NULL) {
        return NULL;
    }
    if (d->attrs != ATTR_INHERIT) {
        NJ_OWN attrs = d->attrs == ATTR_NONE
                           ? PyTuple_New(0)
                           : Py_BuildValue("(ssss)", POS_NAMES[0], POS_NAMES[1],
                                           POS_NAMES[2], POS_NAMES[3]);
        if (attrs == NULL || PyObject_SetAttr(type, NJ_ID(_attributes), attrs) < 0) {
            return NULL;
        }
        if (d->attrs == ATTR_POS &&
            (PyObject_SetAttr(type, NJ_ID(end_lineno), Py_None) < 0 ||
             PyObject_SetAttr(type, NJ_ID(end_col_offset), Py_None) < 0)) {
            return NULL;
        }
    }
    for (const FieldDesc *f = fields_of(t); f->name != NULL; f++) {
        if (f->quantity == Q_OPT && PyObject_SetAttrString(type, f->name, Py_None) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(type);
}

static PyObject *
python_type_of(int t, PyObject *classes)
{
    switch (t) {
    case T_identifier:
    case T_string:
        return (PyObject *)&PyUnicode_Type;
    case T_constant:
        return (PyObject *)&PyBaseObject_Type;
    case T_int:
        return (PyObject *)&PyLong_Type;
    default:
        return PyTuple_GET_ITEM(classes, t);
    }
}

static int
add_field_types(int t, PyObject *classes)
{
    int cls = TYPES[t].cls;
    if (cls != C_NODE && cls != C_PRODUCT && cls != C_MEMBER) {
        return 0;
    }
    NJ_OWN types = PyDict_New();
    if (types == NULL) {
        return -1;
    }
    for (const FieldDesc *f = fields_of(t); f->name != NULL; f++) {
        NJ_OWN type = Py_NewRef(python_type_of(f->type, classes));
        if (f->quantity == Q_OPT) {
            NJ_SET(type, PyNumber_Or(type, Py_None));
        }
        else if (f->quantity != Q_ONE) {
            NJ_SET(type, Py_GenericAlias((PyObject *)&PyList_Type, type));
        }
        if (type == NULL || PyDict_SetItemString(types, f->name, type) < 0) {
            return -1;
        }
    }
    PyObject *cl = PyTuple_GET_ITEM(classes, t);
    if (PyObject_SetAttr(cl, NJ_ID(_field_types), types) < 0 ||
        PyObject_SetAttr(cl, NJ_ID(__annotations__), types) < 0) {
        return -1;
    }
    return 0;
}

/* The tuple of classes (borrowed), made on first use. */
static PyObject *
get_classes(void)
{
    NjFrontendState *state = &nj_interp()->frontend;
    if (state->ast_state != NULL) {
        return state->ast_state;
    }
    NJ_OWN classes = PyTuple_New(2 * T_COUNT);
    if (classes == NULL) {
        return NULL;
    }
    NJ_OWN root = PyType_FromSpec(&ast_spec);
    NJ_OWN empty = PyTuple_New(0);
    if (root == NULL || empty == NULL || PyObject_SetAttr(root, NJ_ID(_fields), empty) < 0 ||
        PyObject_SetAttr(root, NJ_ID(__match_args__), empty) < 0 ||
        PyObject_SetAttr(root, NJ_ID(_attributes), empty) < 0) {
        return NULL;
    }
    PyTuple_SET_ITEM(classes, T_AST, NJ_TAKE(root));
    for (int t = 1; t < T_COUNT; t++) {
        PyObject *cl = make_class(t, classes);
        if (cl == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(classes, t, cl);
        PyObject *single = Py_None;
        if (TYPES[t].cls == C_MEMBER) {
            single = ((PyTypeObject *)cl)->tp_alloc((PyTypeObject *)cl, 0);
            if (single == NULL) {
                return NULL;
            }
        }
        PyTuple_SET_ITEM(classes, T_COUNT + t, Py_NewRef(single));
        if (single != Py_None) {
            Py_DECREF(single);
        }
    }
    for (int t = 1; t < T_COUNT; t++) {
        if (add_field_types(t, classes) < 0) {
            return NULL;
        }
    }
    if (state->ast_state == NULL) {
        state->ast_state = NJ_TAKE(classes);
    }
    return state->ast_state;
}

static PyObject *
class_at(int t)
{
    PyObject *classes = get_classes();
    return classes == NULL ? NULL : PyTuple_GET_ITEM(classes, t);
}

/* ---- C tree to objects -------------------------------------------------------------- */

typedef struct ToObject {
    PyObject *classes;
    PyObject *pos_names[4];
} ToObject;

/* The descriptor of the node at p whose static type is t. */
static int
dynamic_type(int t, const void *p)
{
    return TYPES[t].cls == C_SUM ? t + *(const int *)p : t;
}

static PyObject *node_to_object(ToObject *to, int t, const void *p);

static PyObject *
value_to_object(ToObject *to, int t, void *const *slot)
{
    switch (t) {
    case T_int:
        return PyLong_FromLong(*(const int *)slot);
    case T_identifier:
    case T_string:
    case T_constant:
        return Py_NewRef(*slot == NULL ? Py_None : (PyObject *)*slot);
    default:
        if (TYPES[t].cls == C_ENUM) {
            return Py_NewRef(PyTuple_GET_ITEM(to->classes, T_COUNT + t + *(const int *)slot));
        }
        return node_to_object(to, t, *slot);
    }
}

static PyObject *
seq_to_object(ToObject *to, int t, NjSeq *seq)
{
    Py_ssize_t n = NJ_SEQ_LEN(seq);
    NJ_OWN list = PyList_New(n);
    if (list == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = value_to_object(to, t, &seq->at[i]);
        if (item == NULL) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return NJ_TAKE(list);
}

static PyObject *
node_to_object(ToObject *to, int t, const void *p)
{
    if (p == NULL) {
        return Py_NewRef(Py_None);
    }
    int dt = dynamic_type(t, p);
    const TypeDesc *d = &TYPES[dt];
    if (Py_EnterRecursiveCall(" during  ast construction")) {
        return NULL;
    }
    PyTypeObject *tp = (PyTypeObject *)PyTuple_GET_ITEM(to->classes, dt);
    NJ_OWN obj = tp->tp_alloc(tp, 0);
    NJ_OWN dict = PyDict_New();
    bool ok = obj != NULL && dict != NULL;
    const char *body = (const char *)p + d->body;
    for (const FieldDesc *f = fields_of(dt); ok && f->name != NULL; f++) {
        void *const *slot = (void *const *)(body + f->offset);
        NJ_OWN value = f->quantity >= Q_SEQ ? seq_to_object(to, f->type, *(NjSeq *const *)slot)
                                            : value_to_object(to, f->type, slot);
        NJ_OWN name = value == NULL ? NULL : PyUnicode_InternFromString(f->name);
        ok = name != NULL && PyDict_SetItem(dict, name, value) == 0;
    }
    int attrs = d->attrs == ATTR_INHERIT ? TYPES[d->base].attrs : d->attrs;
    if (ok && attrs != ATTR_NONE) {
        const int *pos = (const int *)((const char *)p + offsetof(NjExpr, pos));
        for (int i = 0; i < 4 && ok; i++) {
            NJ_OWN v = PyLong_FromLong(pos[i]);
            ok = v != NULL && PyDict_SetItem(dict, to->pos_names[i], v) == 0;
        }
    }
    Py_LeaveRecursiveCall();
    if (!ok) {
        return NULL;
    }
    NJ_SET(((AstObject *)obj)->dict, NJ_TAKE(dict));
    return NJ_TAKE(obj);
}

PyObject *
nj_ast_to_object(NjMod *mod)
{
    ToObject to = {.classes = get_classes()};
    if (to.classes == NULL) {
        return NULL;
    }
    to.pos_names[0] = NJ_ID(lineno);
    to.pos_names[1] = NJ_ID(col_offset);
    to.pos_names[2] = NJ_ID(end_lineno);
    to.pos_names[3] = NJ_ID(end_col_offset);
    return node_to_object(&to, T_mod, mod);
}

/* ---- objects to C tree -------------------------------------------------------------- */

typedef struct FromObject {
    PyObject *classes;
    NjArena *arena;
} FromObject;

static int node_from_object(FromObject *from, int t, PyObject *obj, void **out);

static int
int_from_object(PyObject *obj, int *out)
{
    if (!PyLong_Check(obj)) {
        PyErr_Format(PyExc_ValueError, "invalid integer value: %R", obj);
        return -1;
    }
    int i = PyLong_AsInt(obj);
    if (i == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = i;
    return 0;
}

/* Which subclass of sum t is obj an instance of? The class index, or -1. */
static int
find_subclass(FromObject *from, int t, PyObject *obj)
{
    for (int k = t + 1; k < T_COUNT && TYPES[k].base == t; k++) {
        if ((PyObject *)Py_TYPE(obj) == PyTuple_GET_ITEM(from->classes, k)) {
            return k;
        }
    }
    for (int k = t + 1; k < T_COUNT && TYPES[k].base == t; k++) {
        int r = PyObject_IsInstance(obj, PyTuple_GET_ITEM(from->classes, k));
        if (r < 0) {
            return -1;
        }
        if (r) {
            return k;
        }
    }
    PyErr_Format(PyExc_TypeError, "expected some sort of %s, but got %R", TYPES[t].name,
                 obj);
    return -1;
}

/* One value of type t into *slot (pointer-sized except for int and enum, which are int). */
static int
value_from_object(FromObject *from, int t, PyObject *obj, void **slot)
{
    switch (t) {
    case T_int:
        return int_from_object(obj, (int *)slot);
    case T_identifier:
    case T_string:
        if (obj == Py_None) {
            *slot = NULL;
            return 0;
        }
        if (t == T_identifier ? !PyUnicode_CheckExact(obj)
                              : !PyUnicode_CheckExact(obj) && !PyBytes_CheckExact(obj)) {
            PyErr_Format(PyExc_TypeError, "AST %s must be of type str", type_text(t));
            return -1;
        }
        *slot = obj;
        return nj_arena_own(from->arena, Py_NewRef(obj));
    case T_constant:
        *slot = obj;
        return nj_arena_own(from->arena, Py_NewRef(obj));
    default:
        if (TYPES[t].cls == C_ENUM) {
            int k = find_subclass(from, t, obj);
            if (k < 0) {
                return -1;
            }
            *(int *)slot = TYPES[k].kind;
            return 0;
        }
        return node_from_object(from, t, obj, slot);
    }
}

static int
seq_from_object(FromObject *from, const char *owner, const FieldDesc *f, PyObject *list,
                NjSeq **out)
{
    if (!PyList_Check(list)) {
        PyErr_Format(PyExc_TypeError, "%s field \"%s\" must be a list, not a %.200s", owner,
                     f->name, Py_TYPE(list)->tp_name);
        return -1;
    }
    Py_ssize_t n = PyList_GET_SIZE(list);
    NjSeq *seq = nj_seq_new(n, from->arena);
    if (seq == NULL) {
        return -1;
    }
    bool is_enum = f->type < T_COUNT && TYPES[f->type].cls == C_ENUM;
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN item = PyList_GetItemRef(list, i);
        if (item == NULL) {
            PyErr_Clear();
            PyErr_Format(PyExc_RuntimeError, "%s field \"%s\" changed size during iteration",
                         owner, f->name);
            return -1;
        }
        void *value = NULL;
        if (value_from_object(from, f->type, item, &value) < 0) {
            return -1;
        }
        if (is_enum) {
            NJ_SEQ_SET_INT(seq, i, *(int *)&value);
        }
        else {
            seq->at[i] = value;
        }
        if (PyList_GET_SIZE(list) != n) {
            PyErr_Format(PyExc_RuntimeError, "%s field \"%s\" changed size during iteration",
                         owner, f->name);
            return -1;
        }
    }
    *out = seq;
    return 0;
}

static int
read_positions(const TypeDesc *d, PyObject *obj, NjPos *pos)
{
    int *out[4] = {&pos->lineno, &pos->col_offset, &pos->end_lineno, &pos->end_col_offset};
    for (int i = 0; i < 4; i++) {
        NJ_OWN v = NULL;
        if (PyObject_GetOptionalAttr(obj,
                                     i == 0   ? NJ_ID(lineno)
                                     : i == 1 ? NJ_ID(col_offset)
                                     : i == 2 ? NJ_ID(end_lineno)
                                              : NJ_ID(end_col_offset),
                                     &v) < 0) {
            return -1;
        }
        if (i >= 2 && d->attrs == ATTR_POS && (v == NULL || v == Py_None)) {
            *out[i] = *out[i - 2];
            continue;
        }
        if (v == NULL) {
            PyErr_Format(PyExc_TypeError, "required field \"%s\" missing from %s",
                         POS_NAMES[i], d->name);
            return -1;
        }
        if (int_from_object(v, out[i]) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
fields_from_object(FromObject *from, int dt, PyObject *obj, char *body)
{
    const TypeDesc *d = &TYPES[dt];
    for (const FieldDesc *f = fields_of(dt); f->name != NULL; f++) {
        NJ_OWN name = PyUnicode_InternFromString(f->name);
        NJ_OWN value = NULL;
        if (name == NULL || PyObject_GetOptionalAttr(obj, name, &value) < 0) {
            return -1;
        }
        void **slot = (void **)(body + f->offset);
        if (f->quantity >= Q_SEQ) {
            if (value != NULL &&
                seq_from_object(from, d->name, f, value, (NjSeq **)slot) < 0) {
                return -1;
            }
            continue;
        }
        if (value == NULL || (value == Py_None && f->quantity == Q_OPT)) {
            if (f->quantity == Q_OPT) {
                continue; /* NULL or 0 already */
            }
            if (f->type < T_COUNT && f->type == T_expr_context) {
                *(int *)slot = NJ_Load;
                continue;
            }
            PyErr_Format(PyExc_TypeError, "required field \"%s\" missing from %s", f->name,
                         d->name);
            return -1;
        }
        if (value_from_object(from, f->type, value, slot) < 0) {
            return -1;
        }
    }
    /* None slips through for required fields of node and string type. */
    for (const FieldDesc *f = fields_of(dt); f->name != NULL; f++) {
        if (f->quantity == Q_ONE && f->type != T_int &&
            (f->type >= T_COUNT || TYPES[f->type].cls != C_ENUM) &&
            *(void **)(body + f->offset) == NULL) {
            PyErr_Format(PyExc_ValueError, "field '%s' is required for %s", f->name, d->name);
            return -1;
        }
    }
    return 0;
}

static int
node_from_object(FromObject *from, int t, PyObject *obj, void **out)
{
    const TypeDesc *d = &TYPES[t];
    if (obj == Py_None && d->cls == C_SUM) {
        *out = NULL;
        return 0;
    }
    NjPos pos = {0};
    if (d->attrs != ATTR_NONE && read_positions(d, obj, &pos) < 0) {
        return -1;
    }
    int dt = t;
    if (d->cls == C_SUM) {
        dt = find_subclass(from, t, obj);
        if (dt < 0) {
            return -1;
        }
    }
    char where[64];
    PyOS_snprintf(where, sizeof(where), " while traversing '%s' node", TYPES[dt].name);
    char *node = nj_arena_zalloc(from->arena, TYPES[dt].size);
    if (node == NULL || Py_EnterRecursiveCall(where)) {
        return -1;
    }
    *(int *)node = TYPES[dt].kind;
    *(NjPos *)(node + offsetof(NjExpr, pos)) = pos;
    int r = fields_from_object(from, dt, obj, node + TYPES[dt].body);
    Py_LeaveRecursiveCall();
    *out = node;
    return r;
}

int
nj_ast_check_root(PyObject *obj, int mode)
{
    static const uint8_t WANTED[] = {T_Module, T_Expression, T_Interactive, T_FunctionType};
    PyObject *want = class_at(WANTED[mode]);
    int r = want == NULL ? -1 : PyObject_IsInstance(obj, want);
    if (r == 0) {
        PyErr_Format(PyExc_TypeError, "expected %s node, got %.400s",
                     TYPES[WANTED[mode]].name, Py_TYPE(obj)->tp_name);
    }
    return r > 0 ? 0 : -1;
}

NjMod *
nj_ast_from_object(PyObject *obj, int mode, NjArena *arena)
{
    FromObject from = {.classes = get_classes(), .arena = arena};
    if (from.classes == NULL || PySys_Audit("compile", "OO", obj, Py_None) < 0 ||
        nj_ast_check_root(obj, mode) < 0) {
        return NULL;
    }
    void *out = NULL;
    if (node_from_object(&from, T_mod, obj, &out) < 0) {
        return NULL;
    }
    return out;
}

int
nj_ast_check_object(PyObject *obj)
{
    PyObject *root = class_at(T_AST);
    return root == NULL ? -1 : PyObject_IsInstance(obj, root);
}

/* ---- the module --------------------------------------------------------------------- */

static int
module_exec(PyObject *m)
{
    PyObject *classes = get_classes();
    if (classes == NULL || PyModule_AddObjectRef(m, "AST", PyTuple_GET_ITEM(classes, 0)) < 0 ||
        PyModule_AddIntConstant(m, "PyCF_ALLOW_TOP_LEVEL_AWAIT",
                                PyCF_ALLOW_TOP_LEVEL_AWAIT) < 0 ||
        PyModule_AddIntConstant(m, "PyCF_ONLY_AST", PyCF_ONLY_AST) < 0 ||
        PyModule_AddIntConstant(m, "PyCF_TYPE_COMMENTS", PyCF_TYPE_COMMENTS) < 0 ||
        PyModule_AddIntConstant(m, "PyCF_OPTIMIZED_AST", PyCF_OPTIMIZED_AST) < 0) {
        return -1;
    }
    for (int t = 1; t < T_COUNT; t++) {
        if (PyModule_AddObjectRef(m, TYPES[t].name, PyTuple_GET_ITEM(classes, t)) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL}};

static PyModuleDef ast_module = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_ast", .m_slots = module_slots};

PyMODINIT_FUNC PyInit__ast(void);

PyMODINIT_FUNC
PyInit__ast(void)
{
    return PyModuleDef_Init(&ast_module);
}

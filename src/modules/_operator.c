/* _operator.c - the operators as functions; itemgetter, attrgetter, methodcaller.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stddef.h>

typedef struct {
    PyTypeObject *itemgetter;
    PyTypeObject *attrgetter;
    PyTypeObject *methodcaller;
} ModuleState;

static struct PyModuleDef operator_module;

/* ---------------------------------------------------------------- plain operators */

static int
check_nargs(const char *name, Py_ssize_t nargs, Py_ssize_t want)
{
    if (nargs == want) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "%s expected %zd argument%s, got %zd", name, want,
                 want == 1 ? "" : "s", nargs);
    return -1;
}

#define UNARY(name, doc, expr)                                                         \
    static PyObject *op_##name(PyObject *module, PyObject *a)                          \
    {                                                                                  \
        return expr;                                                                   \
    }
#define BINARY(name, doc, expr)                                                        \
    static PyObject *op_##name(PyObject *module, PyObject *const *args, Py_ssize_t n)  \
    {                                                                                  \
        if (check_nargs(#name, n, 2) < 0) {                                            \
            return NULL;                                                               \
        }                                                                              \
        PyObject *a = args[0], *b = args[1];                                           \
        return expr;                                                                   \
    }

static PyObject *
bool_or_error(int r)
{
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
size_or_error(Py_ssize_t r)
{
    return r < 0 ? NULL : PyLong_FromSsize_t(r);
}

#define UNARY_LIST(V)                                                                  \
    V(truth, "Return True if a is true, False otherwise.", bool_or_error(PyObject_IsTrue(a))) \
    V(is_none, "Same as a is None.", PyBool_FromLong(Py_IsNone(a)))                    \
    V(is_not_none, "Same as a is not None.", PyBool_FromLong(!Py_IsNone(a)))           \
    V(index, "Same as a.__index__()", PyNumber_Index(a))                               \
    V(neg, "Same as -a.", PyNumber_Negative(a))                                        \
    V(pos, "Same as +a.", PyNumber_Positive(a))                                        \
    V(abs, "Same as abs(a).", PyNumber_Absolute(a))                                    \
    V(inv, "Same as ~a.", PyNumber_Invert(a))                                          \
    V(invert, "Same as ~a.", PyNumber_Invert(a))                                       \
    V(not_, "Same as not a.", bool_or_error(PyObject_Not(a)))

#define BINARY_LIST(V)                                                                 \
    V(contains, "Same as b in a (note reversed operands).",                            \
      bool_or_error(PySequence_Contains(a, b)))                                        \
    V(indexOf, "Return the first index of b in a.", size_or_error(PySequence_Index(a, b))) \
    V(countOf, "Return the number of items in a which are, or which equal, b.",        \
      size_or_error(PySequence_Count(a, b)))                                           \
    V(is_, "Same as a is b.", PyBool_FromLong(a == b))                                 \
    V(is_not, "Same as a is not b.", PyBool_FromLong(a != b))                          \
    V(add, "Same as a + b.", PyNumber_Add(a, b))                                       \
    V(sub, "Same as a - b.", PyNumber_Subtract(a, b))                                  \
    V(mul, "Same as a * b.", PyNumber_Multiply(a, b))                                  \
    V(matmul, "Same as a @ b.", PyNumber_MatrixMultiply(a, b))                         \
    V(floordiv, "Same as a // b.", PyNumber_FloorDivide(a, b))                         \
    V(truediv, "Same as a / b.", PyNumber_TrueDivide(a, b))                            \
    V(mod, "Same as a % b.", PyNumber_Remainder(a, b))                                 \
    V(lshift, "Same as a << b.", PyNumber_Lshift(a, b))                                \
    V(rshift, "Same as a >> b.", PyNumber_Rshift(a, b))                                \
    V(and_, "Same as a & b.", PyNumber_And(a, b))                                      \
    V(xor, "Same as a ^ b.", PyNumber_Xor(a, b))                                       \
    V(or_, "Same as a | b.", PyNumber_Or(a, b))                                        \
    V(iadd, "Same as a += b.", PyNumber_InPlaceAdd(a, b))                              \
    V(isub, "Same as a -= b.", PyNumber_InPlaceSubtract(a, b))                         \
    V(imul, "Same as a *= b.", PyNumber_InPlaceMultiply(a, b))                         \
    V(imatmul, "Same as a @= b.", PyNumber_InPlaceMatrixMultiply(a, b))                \
    V(ifloordiv, "Same as a //= b.", PyNumber_InPlaceFloorDivide(a, b))                \
    V(itruediv, "Same as a /= b.", PyNumber_InPlaceTrueDivide(a, b))                   \
    V(imod, "Same as a %= b.", PyNumber_InPlaceRemainder(a, b))                        \
    V(ilshift, "Same as a <<= b.", PyNumber_InPlaceLshift(a, b))                       \
    V(irshift, "Same as a >>= b.", PyNumber_InPlaceRshift(a, b))                       \
    V(iand, "Same as a &= b.", PyNumber_InPlaceAnd(a, b))                              \
    V(ixor, "Same as a ^= b.", PyNumber_InPlaceXor(a, b))                              \
    V(ior, "Same as a |= b.", PyNumber_InPlaceOr(a, b))                                \
    V(concat, "Same as a + b, for a and b sequences.", PySequence_Concat(a, b))        \
    V(iconcat, "Same as a += b, for a and b sequences.", PySequence_InPlaceConcat(a, b)) \
    V(getitem, "Same as a[b].", PyObject_GetItem(a, b))                                \
    V(delitem, "Same as del a[b].",                                                    \
      PyObject_DelItem(a, b) < 0 ? NULL : Py_NewRef(Py_None))                          \
    V(pow, "Same as a ** b.", PyNumber_Power(a, b, Py_None))                           \
    V(ipow, "Same as a **= b.", PyNumber_InPlacePower(a, b, Py_None))                  \
    V(eq, "Same as a == b.", PyObject_RichCompare(a, b, Py_EQ))                        \
    V(ne, "Same as a != b.", PyObject_RichCompare(a, b, Py_NE))                        \
    V(lt, "Same as a < b.", PyObject_RichCompare(a, b, Py_LT))                         \
    V(le, "Same as a <= b.", PyObject_RichCompare(a, b, Py_LE))                        \
    V(gt, "Same as a > b.", PyObject_RichCompare(a, b, Py_GT))                         \
    V(ge, "Same as a >= b.", PyObject_RichCompare(a, b, Py_GE))

UNARY_LIST(UNARY)
BINARY_LIST(BINARY)

static PyObject *
op_setitem(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    if (check_nargs("setitem", n, 3) < 0 || PyObject_SetItem(args[0], args[1], args[2]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
op_length_hint(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    if (n < 1 || n > 2) {
        PyErr_Format(PyExc_TypeError, "length_hint expected at %s %d argument%s, got %zd",
                     n < 1 ? "least" : "most", n < 1 ? 1 : 2, n < 1 ? "" : "s", n);
        return NULL;
    }
    Py_ssize_t otherwise = 0;
    if (n == 2) {
        otherwise = PyNumber_AsSsize_t(args[1], PyExc_OverflowError);
        if (otherwise == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    Py_ssize_t hint = PyObject_LengthHint(args[0], otherwise);
    return hint == -1 && PyErr_Occurred() ? NULL : PyLong_FromSsize_t(hint);
}

static PyObject *
op_call(PyObject *module, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    if (n < 1) {
        PyErr_Format(PyExc_TypeError, "call expected at least 1 argument, got %zd", n);
        return NULL;
    }
    return PyObject_Vectorcall(args[0], args + 1,
                               (size_t)(n - 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
}

/* Equality of two byte strings in time that depends on the length of b only. */
static int
equal_constant_time(const unsigned char *a, Py_ssize_t na, const unsigned char *b,
                    Py_ssize_t nb)
{
    volatile unsigned char diff = na != nb;
    const volatile unsigned char *left = na == nb ? a : b, *right = b;
    for (Py_ssize_t i = 0; i < nb; i++) {
        diff |= left[i] ^ right[i];
    }
    return diff == 0;
}

static PyObject *
op_compare_digest(PyObject *module, PyObject *const *args, Py_ssize_t n)
{
    if (check_nargs("_compare_digest", n, 2) < 0) {
        return NULL;
    }
    PyObject *a = args[0], *b = args[1];
    if (PyUnicode_Check(a) && PyUnicode_Check(b)) {
        if (!PyUnicode_IS_ASCII(a) || !PyUnicode_IS_ASCII(b)) {
            PyErr_SetString(PyExc_TypeError,
                            "comparing strings with non-ASCII characters is not supported");
            return NULL;
        }
        return PyBool_FromLong(
            equal_constant_time(PyUnicode_DATA(a), PyUnicode_GET_LENGTH(a),
                                PyUnicode_DATA(b), PyUnicode_GET_LENGTH(b)));
    }
    if (!PyObject_CheckBuffer(a) && !PyObject_CheckBuffer(b)) {
        PyErr_Format(PyExc_TypeError,
                     "unsupported operand types(s) or combination of types: '%.100s' and "
                     "'%.100s'",
                     Py_TYPE(a)->tp_name, Py_TYPE(b)->tp_name);
        return NULL;
    }
    NJ_OWN_BUF x = {0};
    NJ_OWN_BUF y = {0};
    if (PyObject_GetBuffer(a, &x, PyBUF_SIMPLE) < 0 ||
        PyObject_GetBuffer(b, &y, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    if (x.ndim > 1 || y.ndim > 1) {
        PyErr_SetString(PyExc_BufferError, "Buffer must be single dimension");
        return NULL;
    }
    return PyBool_FromLong(equal_constant_time(x.buf, x.len, y.buf, y.len));
}

/* ---------------------------------------------------------------- common to getters */

static int
no_keywords(const char *name, PyObject *kwds)
{
    if (kwds && PyDict_GET_SIZE(kwds)) {
        PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", name);
        return -1;
    }
    return 0;
}

static int
one_argument(const char *name, Py_ssize_t nargs, PyObject *kwnames)
{
    if (kwnames && PyTuple_GET_SIZE(kwnames)) {
        PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", name);
        return -1;
    }
    return check_nargs(name, nargs, 1);
}

static PyObject *
short_name(PyObject *op)
{
    NJ_OWN name = PyType_GetQualName(Py_TYPE(op));
    NJ_OWN module = name ? PyType_GetModuleName(Py_TYPE(op)) : NULL;
    return module ? PyUnicode_FromFormat("%U.%U", module, name) : NULL;
}

static PyObject *
getter_text_signature(PyObject *op, void *unused)
{
    return PyUnicode_FromString("(obj, /)");
}

static PyGetSetDef getter_getset[] = {
    {"__text_signature__", getter_text_signature, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

#define GETTER_LIFE(prefix, Struct, FIELDS)                                            \
    static int prefix##_clear(PyObject *op)                                            \
    {                                                                                  \
        Struct *self = (Struct *)op;                                                   \
        FIELDS(Py_CLEAR)                                                               \
        return 0;                                                                      \
    }                                                                                  \
    static int prefix##_traverse(PyObject *op, visitproc visit, void *arg)             \
    {                                                                                  \
        Struct *self = (Struct *)op;                                                   \
        Py_VISIT(Py_TYPE(op));                                                         \
        FIELDS(VISIT_FIELD)                                                            \
        return 0;                                                                      \
    }                                                                                  \
    static void prefix##_dealloc(PyObject *op)                                         \
    {                                                                                  \
        PyTypeObject *type = Py_TYPE(op);                                              \
        PyObject_GC_UnTrack(op);                                                       \
        prefix##_clear(op);                                                            \
        type->tp_free(op);                                                             \
        Py_DECREF(type);                                                               \
    }
#define VISIT_FIELD(f) Py_VISIT(f)

#define GETTER_FLAGS                                                                   \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |              \
     Py_TPFLAGS_HAVE_VECTORCALL)

/* ---------------------------------------------------------------- itemgetter */

typedef struct {
    PyObject_HEAD
    Py_ssize_t nitems;
    PyObject *item;   /* the item, or a tuple of several */
    Py_ssize_t index; /* >= 0: the item is this small int */
    vectorcallfunc vectorcall;
} ItemGetter;
#define FIELDS(F) F(self->item);
GETTER_LIFE(itemgetter, ItemGetter, FIELDS)
#undef FIELDS

static PyObject *
itemgetter_get(ItemGetter *self, PyObject *obj)
{
    if (self->nitems == 1) {
        if (self->index >= 0 && PyTuple_CheckExact(obj) &&
            self->index < PyTuple_GET_SIZE(obj)) {
            return Py_NewRef(PyTuple_GET_ITEM(obj, self->index));
        }
        return PyObject_GetItem(obj, self->item);
    }
    NJ_OWN r = PyTuple_New(self->nitems);
    for (Py_ssize_t i = 0; r && i < self->nitems; i++) {
        PyObject *v = PyObject_GetItem(obj, PyTuple_GET_ITEM(self->item, i));
        if (!v) {
            return NULL;
        }
        PyTuple_SET_ITEM(r, i, v);
    }
    return NJ_TAKE(r);
}

static PyObject *
itemgetter_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (one_argument("itemgetter", PyVectorcall_NARGS(nargsf), kwnames) < 0) {
        return NULL;
    }
    return itemgetter_get((ItemGetter *)op, args[0]);
}

static PyObject *
itemgetter_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (no_keywords("itemgetter", kwds) < 0) {
        return NULL;
    }
    if (n < 1) {
        PyErr_Format(PyExc_TypeError, "itemgetter expected 1 argument, got %zd", n);
        return NULL;
    }
    ItemGetter *self = (ItemGetter *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    PyObject *item = n == 1 ? PyTuple_GET_ITEM(args, 0) : args;
    self->nitems = n;
    self->item = Py_NewRef(item);
    self->index = -1;
    if (n == 1 && PyLong_CheckExact(item) &&
        PyUnstable_Long_IsCompact((PyLongObject *)item)) {
        self->index = PyUnstable_Long_CompactValue((PyLongObject *)item);
    }
    self->vectorcall = itemgetter_vectorcall;
    return (PyObject *)self;
}

static PyObject *
itemgetter_repr(PyObject *op)
{
    ItemGetter *self = (ItemGetter *)op;
    int rc = Py_ReprEnter(op);
    if (rc != 0) {
        if (rc < 0) {
            return NULL;
        }
        NJ_OWN name = short_name(op);
        return name ? PyUnicode_FromFormat("%U(...)", name) : NULL;
    }
    PyObject *name = short_name(op), *r = NULL;
    if (name) {
        r = self->nitems == 1 ? PyUnicode_FromFormat("%U(%R)", name, self->item)
                              : PyUnicode_FromFormat("%U%R", name, self->item);
        Py_DECREF(name);
    }
    Py_ReprLeave(op);
    return r;
}

static PyObject *
itemgetter_reduce(PyObject *op, PyObject *unused)
{
    ItemGetter *self = (ItemGetter *)op;
    return self->nitems == 1 ? Py_BuildValue("O(O)", Py_TYPE(op), self->item)
                             : PyTuple_Pack(2, Py_TYPE(op), self->item);
}

#define REDUCE_METHOD(f)                                                               \
    {"__reduce__", f, METH_NOARGS, "Return state information for pickling"},           \
    {                                                                                  \
        NULL, NULL, 0, NULL                                                            \
    }
static PyMethodDef itemgetter_methods[] = {REDUCE_METHOD(itemgetter_reduce)};
static PyMemberDef itemgetter_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(ItemGetter, vectorcall), Py_READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot itemgetter_slots[] = {
    {Py_tp_doc, "itemgetter(item, /, *items)\n--\n\n"
                "Return a callable object that fetches the given item(s) from its operand.\n"
                "After f = itemgetter(2), the call f(r) returns r[2].\n"
                "After g = itemgetter(2, 5, 3), the call g(r) returns (r[2], r[5], r[3])"},
    {Py_tp_dealloc, itemgetter_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, itemgetter_traverse},
    {Py_tp_clear, itemgetter_clear},
    {Py_tp_methods, itemgetter_methods},
    {Py_tp_members, itemgetter_members},
    {Py_tp_getset, getter_getset},
    {Py_tp_new, itemgetter_new},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_repr, itemgetter_repr},
    {0, NULL},
};
static PyType_Spec itemgetter_spec = {
    .name = "operator.itemgetter",
    .basicsize = sizeof(ItemGetter),
    .flags = GETTER_FLAGS,
    .slots = itemgetter_slots,
};

/* ---------------------------------------------------------------- attrgetter */

typedef struct {
    PyObject_HEAD
    Py_ssize_t nattrs;
    PyObject *attr; /* tuple; each item a str, or a tuple of str for a dotted name */
    vectorcallfunc vectorcall;
} AttrGetter;
#define FIELDS(F) F(self->attr);
GETTER_LIFE(attrgetter, AttrGetter, FIELDS)
#undef FIELDS

static PyObject *
get_dotted(PyObject *obj, PyObject *attr)
{
    if (!PyTuple_CheckExact(attr)) {
        return PyObject_GetAttr(obj, attr);
    }
    PyObject *v = Py_NewRef(obj);
    for (Py_ssize_t i = 0; v && i < PyTuple_GET_SIZE(attr); i++) {
        Py_SETREF(v, PyObject_GetAttr(v, PyTuple_GET_ITEM(attr, i)));
    }
    return v;
}

static PyObject *
attrgetter_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    AttrGetter *self = (AttrGetter *)op;
    if (one_argument("attrgetter", PyVectorcall_NARGS(nargsf), kwnames) < 0) {
        return NULL;
    }
    if (self->nattrs == 1) {
        return get_dotted(args[0], PyTuple_GET_ITEM(self->attr, 0));
    }
    NJ_OWN r = PyTuple_New(self->nattrs);
    for (Py_ssize_t i = 0; r && i < self->nattrs; i++) {
        PyObject *v = get_dotted(args[0], PyTuple_GET_ITEM(self->attr, i));
        if (!v) {
            return NULL;
        }
        PyTuple_SET_ITEM(r, i, v);
    }
    return NJ_TAKE(r);
}

/* "a.b" -> ("a", "b"); "a" -> "a", interned. */
static PyObject *
split_name(PyObject *name)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(name);
    if (PyUnicode_FindChar(name, '.', 0, n, 1) < 0) {
        PyObject *s = PyUnicode_CheckExact(name) ? Py_NewRef(name) : PyUnicode_FromObject(name);
        if (s) {
            PyUnicode_InternInPlace(&s);
        }
        return s;
    }
    NJ_OWN dot = PyUnicode_FromString(".");
    NJ_OWN parts = dot ? PyUnicode_Split(name, dot, -1) : NULL;
    NJ_OWN r = parts ? PyTuple_New(PyList_GET_SIZE(parts)) : NULL;
    for (Py_ssize_t i = 0; r && i < PyList_GET_SIZE(parts); i++) {
        PyObject *s = Py_NewRef(PyList_GET_ITEM(parts, i));
        PyUnicode_InternInPlace(&s);
        PyTuple_SET_ITEM(r, i, s);
    }
    return NJ_TAKE(r);
}

static PyObject *
attrgetter_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (no_keywords("attrgetter", kwds) < 0) {
        return NULL;
    }
    if (n < 1) {
        PyErr_Format(PyExc_TypeError, "attrgetter expected 1 argument, got %zd", n);
        return NULL;
    }
    NJ_OWN attr = PyTuple_New(n);
    if (!attr) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *name = PyTuple_GET_ITEM(args, i);
        if (!PyUnicode_Check(name)) {
            PyErr_SetString(PyExc_TypeError, "attribute name must be a string");
            return NULL;
        }
        PyObject *v = split_name(name);
        if (!v) {
            return NULL;
        }
        PyTuple_SET_ITEM(attr, i, v);
    }
    AttrGetter *self = (AttrGetter *)type->tp_alloc(type, 0);
    if (self) {
        self->nattrs = n;
        self->attr = NJ_TAKE(attr);
        self->vectorcall = attrgetter_vectorcall;
    }
    return (PyObject *)self;
}

/* The names as they were given. */
static PyObject *
attrgetter_names(AttrGetter *self)
{
    NJ_OWN r = PyTuple_New(self->nattrs);
    NJ_OWN dot = PyUnicode_FromString(".");
    if (!r || !dot) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < self->nattrs; i++) {
        PyObject *a = PyTuple_GET_ITEM(self->attr, i);
        PyObject *s = PyTuple_CheckExact(a) ? PyUnicode_Join(dot, a) : Py_NewRef(a);
        if (!s) {
            return NULL;
        }
        PyTuple_SET_ITEM(r, i, s);
    }
    return NJ_TAKE(r);
}

static PyObject *
attrgetter_repr(PyObject *op)
{
    AttrGetter *self = (AttrGetter *)op;
    NJ_OWN names = attrgetter_names(self);
    NJ_OWN name = names ? short_name(op) : NULL;
    if (!name) {
        return NULL;
    }
    return self->nattrs == 1 ? PyUnicode_FromFormat("%U(%R)", name, PyTuple_GET_ITEM(names, 0))
                             : PyUnicode_FromFormat("%U%R", name, names);
}

static PyObject *
attrgetter_reduce(PyObject *op, PyObject *unused)
{
    NJ_OWN names = attrgetter_names((AttrGetter *)op);
    return names ? PyTuple_Pack(2, Py_TYPE(op), names) : NULL;
}

static PyMethodDef attrgetter_methods[] = {REDUCE_METHOD(attrgetter_reduce)};
static PyMemberDef attrgetter_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(AttrGetter, vectorcall), Py_READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot attrgetter_slots[] = {
    {Py_tp_doc, "attrgetter(attr, /, *attrs)\n--\n\n"
                "Return a callable object that fetches the given attribute(s) from its "
                "operand.\n"
                "After f = attrgetter('name'), the call f(r) returns r.name.\n"
                "After g = attrgetter('name', 'date'), the call g(r) returns (r.name, "
                "r.date).\n"
                "After h = attrgetter('name.first', 'name.last'), the call h(r) returns\n"
                "(r.name.first, r.name.last)."},
    {Py_tp_dealloc, attrgetter_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, attrgetter_traverse},
    {Py_tp_clear, attrgetter_clear},
    {Py_tp_methods, attrgetter_methods},
    {Py_tp_members, attrgetter_members},
    {Py_tp_getset, getter_getset},
    {Py_tp_new, attrgetter_new},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_repr, attrgetter_repr},
    {0, NULL},
};
static PyType_Spec attrgetter_spec = {
    .name = "operator.attrgetter",
    .basicsize = sizeof(AttrGetter),
    .flags = GETTER_FLAGS,
    .slots = attrgetter_slots,
};

/* ---------------------------------------------------------------- methodcaller */

typedef struct {
    PyObject_HEAD
    PyObject *name;
    PyObject *args;    /* tuple of positional arguments */
    PyObject *kwds;    /* dict or NULL */
    PyObject *kwnames; /* tuple of its keys or NULL */
    PyObject *all;     /* tuple: args, then the values of kwds */
    vectorcallfunc vectorcall;
} MethodCaller;
#define FIELDS(F)                                                                      \
    F(self->name);                                                                     \
    F(self->args);                                                                     \
    F(self->kwds);                                                                     \
    F(self->kwnames);                                                                  \
    F(self->all);
GETTER_LIFE(methodcaller, MethodCaller, FIELDS)
#undef FIELDS

#define MAX_STACK 16

static PyObject *
methodcaller_vectorcall(PyObject *op, PyObject *const *args, size_t nargsf,
                        PyObject *kwnames)
{
    MethodCaller *self = (MethodCaller *)op;
    if (one_argument("methodcaller", PyVectorcall_NARGS(nargsf), kwnames) < 0) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(self->all);
    PyObject *small[MAX_STACK], **stack = small;
    NJ_OWN_MEM(PyObject *) big = NULL;
    if (n + 2 > MAX_STACK) {
        big = PyMem_Malloc((size_t)(n + 2) * sizeof(PyObject *));
        if (!big) {
            return PyErr_NoMemory();
        }
        stack = big;
    }
    stack[0] = NULL; /* the word a callee may use */
    stack[1] = args[0];
    for (Py_ssize_t i = 0; i < n; i++) {
        stack[2 + i] = PyTuple_GET_ITEM(self->all, i);
    }
    return PyObject_VectorcallMethod(
        self->name, stack + 1,
        (size_t)(1 + PyTuple_GET_SIZE(self->args)) | PY_VECTORCALL_ARGUMENTS_OFFSET,
        self->kwnames);
}

static PyObject *
methodcaller_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n < 1) {
        PyErr_SetString(PyExc_TypeError,
                        "methodcaller needs at least one argument, the method name");
        return NULL;
    }
    PyObject *given = PyTuple_GET_ITEM(args, 0);
    if (!PyUnicode_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "method name must be a string");
        return NULL;
    }
    Py_ssize_t nkw = kwds ? PyDict_GET_SIZE(kwds) : 0;
    NJ_OWN positional = PyTuple_GetSlice(args, 1, n);
    NJ_OWN all = positional ? PyTuple_New(n - 1 + nkw) : NULL;
    NJ_OWN kwnames = NULL;
    NJ_OWN kwcopy = NULL;
    if (!all) {
        return NULL;
    }
    for (Py_ssize_t i = 1; i < n; i++) {
        PyTuple_SET_ITEM(all, i - 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    }
    if (nkw) {
        NJ_SET(kwcopy, PyDict_Copy(kwds));
        NJ_SET(kwnames, PyTuple_New(nkw));
        if (!kwcopy || !kwnames) {
            return NULL;
        }
        Py_ssize_t pos = 0, i = 0;
        PyObject *k, *v;
        while (PyDict_Next(kwcopy, &pos, &k, &v)) {
            PyTuple_SET_ITEM(kwnames, i, Py_NewRef(k));
            PyTuple_SET_ITEM(all, n - 1 + i, Py_NewRef(v));
            i++;
        }
    }
    MethodCaller *self = (MethodCaller *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->name = Py_NewRef(given);
    if (PyUnicode_CheckExact(given)) {
        PyUnicode_InternInPlace(&self->name);
    }
    self->args = NJ_TAKE(positional);
    self->kwds = NJ_TAKE(kwcopy);
    self->kwnames = NJ_TAKE(kwnames);
    self->all = NJ_TAKE(all);
    self->vectorcall = methodcaller_vectorcall;
    return (PyObject *)self;
}

static PyObject *
methodcaller_repr(PyObject *op)
{
    MethodCaller *self = (MethodCaller *)op;
    int rc = Py_ReprEnter(op);
    if (rc != 0) {
        if (rc < 0) {
            return NULL;
        }
        NJ_OWN name = short_name(op);
        return name ? PyUnicode_FromFormat("%U(...)", name) : NULL;
    }
    PyObject *r = NULL, *name = short_name(op);
    PyUnicodeWriter *w = name ? PyUnicodeWriter_Create(0) : NULL;
    if (w) {
        bool ok = PyUnicodeWriter_WriteStr(w, name) == 0 &&
                  PyUnicodeWriter_WriteChar(w, '(') == 0 &&
                  PyUnicodeWriter_WriteRepr(w, self->name) == 0;
        for (Py_ssize_t i = 0; ok && i < PyTuple_GET_SIZE(self->args); i++) {
            ok = PyUnicodeWriter_WriteUTF8(w, ", ", 2) == 0 &&
                 PyUnicodeWriter_WriteRepr(w, PyTuple_GET_ITEM(self->args, i)) == 0;
        }
        Py_ssize_t pos = 0;
        PyObject *k, *v;
        while (ok && self->kwds && PyDict_Next(self->kwds, &pos, &k, &v)) {
            Py_INCREF(v);
            ok = PyUnicodeWriter_WriteUTF8(w, ", ", 2) == 0 &&
                 PyUnicodeWriter_WriteStr(w, k) == 0 &&
                 PyUnicodeWriter_WriteChar(w, '=') == 0 &&
                 PyUnicodeWriter_WriteRepr(w, v) == 0;
            Py_DECREF(v);
        }
        if (ok && PyUnicodeWriter_WriteChar(w, ')') == 0) {
            r = PyUnicodeWriter_Finish(w);
        }
        else {
            PyUnicodeWriter_Discard(w);
        }
    }
    Py_XDECREF(name);
    Py_ReprLeave(op);
    return r;
}

static PyObject *
methodcaller_reduce(PyObject *op, PyObject *unused)
{
    MethodCaller *self = (MethodCaller *)op;
    Py_ssize_t n = PyTuple_GET_SIZE(self->args);
    if (!self->kwds) {
        NJ_OWN args = PyTuple_New(n + 1);
        if (!args) {
            return NULL;
        }
        PyTuple_SET_ITEM(args, 0, Py_NewRef(self->name));
        for (Py_ssize_t i = 0; i < n; i++) {
            PyTuple_SET_ITEM(args, i + 1, Py_NewRef(PyTuple_GET_ITEM(self->args, i)));
        }
        return PyTuple_Pack(2, Py_TYPE(op), args);
    }
    /* keywords cannot go through the pickle protocol: a partial carries them */
    NJ_OWN functools = PyImport_ImportModule("functools");
    NJ_OWN partial = functools ? PyObject_GetAttrString(functools, "partial") : NULL;
    NJ_OWN args = partial ? PyTuple_Pack(2, Py_TYPE(op), self->name) : NULL;
    NJ_OWN p = args ? PyObject_Call(partial, args, self->kwds) : NULL;
    return p ? PyTuple_Pack(2, p, self->args) : NULL;
}

static PyMethodDef methodcaller_methods[] = {REDUCE_METHOD(methodcaller_reduce)};
static PyMemberDef methodcaller_members[] = {
    {"__vectorcalloffset__", Py_T_PYSSIZET, offsetof(MethodCaller, vectorcall), Py_READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};
static PyType_Slot methodcaller_slots[] = {
    {Py_tp_doc, "methodcaller(name, /, *args, **kwargs)\n--\n\n"
                "Return a callable object that calls the given method on its operand.\n"
                "After f = methodcaller('name'), the call f(r) returns r.name().\n"
                "After g = methodcaller('name', 'date', foo=1), the call g(r) returns\n"
                "r.name('date', foo=1)."},
    {Py_tp_dealloc, methodcaller_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_traverse, methodcaller_traverse},
    {Py_tp_clear, methodcaller_clear},
    {Py_tp_methods, methodcaller_methods},
    {Py_tp_members, methodcaller_members},
    {Py_tp_getset, getter_getset},
    {Py_tp_new, methodcaller_new},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_repr, methodcaller_repr},
    {0, NULL},
};
static PyType_Spec methodcaller_spec = {
    .name = "operator.methodcaller",
    .basicsize = sizeof(MethodCaller),
    .flags = GETTER_FLAGS,
    .slots = methodcaller_slots,
};

/* ---------------------------------------------------------------- module */

#define UNARY_DEF(name, doc, expr)                                                     \
    {#name, op_##name, METH_O, #name "($module, a, /)\n--\n\n" doc},
#define BINARY_DEF(name, doc, expr)                                                    \
    {#name, _PyCFunction_CAST(op_##name), METH_FASTCALL,                               \
     #name "($module, a, b, /)\n--\n\n" doc},

static PyMethodDef operator_methods[] = {
    UNARY_LIST(UNARY_DEF)
    BINARY_LIST(BINARY_DEF)
    {"setitem", _PyCFunction_CAST(op_setitem), METH_FASTCALL,
     "setitem($module, a, b, c, /)\n--\n\nSame as a[b] = c."},
    {"_compare_digest", _PyCFunction_CAST(op_compare_digest), METH_FASTCALL,
     "_compare_digest($module, a, b, /)\n--\n\nReturn 'a == b'.\n\n"
     "The time taken does not depend on the contents. a and b are both str (ASCII\n"
     "only) or both bytes-like."},
    {"length_hint", _PyCFunction_CAST(op_length_hint), METH_FASTCALL,
     "length_hint($module, obj, default=0, /)\n--\n\n"
     "Return an estimate of the number of items in obj."},
    {"call", _PyCFunction_CAST(op_call), METH_FASTCALL | METH_KEYWORDS,
     "call($module, obj, /, *args, **kwargs)\n--\n\nSame as obj(*args, **kwargs)."},
    {NULL, NULL, 0, NULL},
};

static int
operator_traverse(PyObject *m, visitproc visit, void *arg)
{
    ModuleState *st = PyModule_GetState(m);
    Py_VISIT(st->itemgetter);
    Py_VISIT(st->attrgetter);
    Py_VISIT(st->methodcaller);
    return 0;
}

static int
operator_clear(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    Py_CLEAR(st->itemgetter);
    Py_CLEAR(st->attrgetter);
    Py_CLEAR(st->methodcaller);
    return 0;
}

static void
operator_free(void *m)
{
    (void)operator_clear(m);
}

static int
add_type(PyObject *m, PyTypeObject **slot, PyType_Spec *spec)
{
    *slot = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
    return *slot ? PyModule_AddType(m, *slot) : -1;
}

static int
operator_exec(PyObject *m)
{
    ModuleState *st = PyModule_GetState(m);
    return add_type(m, &st->attrgetter, &attrgetter_spec) < 0 ||
                   add_type(m, &st->itemgetter, &itemgetter_spec) < 0 ||
                   add_type(m, &st->methodcaller, &methodcaller_spec) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot operator_slots[] = {
    {Py_mod_exec, operator_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef operator_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_operator",
    .m_doc = "Operator interface.\n\n"
             "This module exports a set of functions implemented in C corresponding\n"
             "to the intrinsic operators of Python.",
    .m_size = sizeof(ModuleState),
    .m_methods = operator_methods,
    .m_slots = operator_slots,
    .m_traverse = operator_traverse,
    .m_clear = operator_clear,
    .m_free = operator_free,
};

PyMODINIT_FUNC PyInit__operator(void);

PyMODINIT_FUNC
PyInit__operator(void)
{
    return PyModuleDef_Init(&operator_module);
}

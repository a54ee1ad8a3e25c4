/* convert.c - Python objects to Tcl's and back; the type Tcl_Obj.
 * SPDX-License-Identifier: MIT
 */
#include "tkinter_int.h"

#include <limits.h>
#include <tclTomMath.h>

/* ======================================================================================
 * Text
 * ====================================================================================== */

/* Tcl writes null as two bytes, and a character beyond the BMP may be two surrogates of
 * three bytes each. */
static bool
is_surrogate(PyObject *str, Py_ssize_t i, Py_UCS4 low, Py_UCS4 high)
{
    Py_UCS4 b = PyUnicode_READ_CHAR(str, i + 1), c = PyUnicode_READ_CHAR(str, i + 2);
    return PyUnicode_READ_CHAR(str, i) == 0xdced && b >= low && b <= high && c >= 0xdc80 &&
           c <= 0xdcbf;
}

/* Joins the pairs in a str whose undecodable bytes are escaped. */
static PyObject *
join_surrogates(PyObject *str)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(str), to = 0;
    NJ_OWN_MEM(Py_UCS4) out = PyMem_New(Py_UCS4, n ? n : 1);
    if (!out) {
        return PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; i < n;) {
        if (i + 6 <= n && is_surrogate(str, i, 0xdca0, 0xdcaf) &&
            is_surrogate(str, i + 3, 0xdcb0, 0xdcbf)) {
            Py_UCS4 high = (PyUnicode_READ_CHAR(str, i + 1) & 0x0f) << 6 |
                           (PyUnicode_READ_CHAR(str, i + 2) & 0x3f);
            Py_UCS4 low = (PyUnicode_READ_CHAR(str, i + 4) & 0x0f) << 6 |
                          (PyUnicode_READ_CHAR(str, i + 5) & 0x3f);
            out[to++] = 0x10000 + (high << 10) + low;
            i += 6;
        }
        else {
            out[to++] = PyUnicode_READ_CHAR(str, i++);
        }
    }
    return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, out, to);
}

PyObject *
tk_str(const char *s, Py_ssize_t n)
{
    PyObject *r = PyUnicode_DecodeUTF8(s, n, NULL);
    if (r || !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        return r;
    }
    PyErr_Clear();
    NJ_OWN_MEM(char) copy = PyMem_Malloc((size_t)n);
    if (!copy) {
        return PyErr_NoMemory();
    }
    Py_ssize_t m = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (s[i] == '\xc0' && i + 1 < n && s[i + 1] == '\x80') {
            copy[m++] = 0;
            i++;
        }
        else {
            copy[m++] = s[i];
        }
    }
    NJ_OWN str = PyUnicode_DecodeUTF8(copy, m, "surrogateescape");
    return str ? join_surrogates(str) : NULL;
}

PyObject *
tk_str_of(Tcl_Obj *value)
{
    int n;
    const char *s = Tcl_GetStringFromObj(value, &n);
    if (value->typePtr && !strcmp(value->typePtr->name, "bytearray")) {
        /* the string of bytes: one character each */
        s = (const char *)Tcl_GetByteArrayFromObj(value, &n);
        return PyUnicode_DecodeLatin1(s, n, NULL);
    }
    return tk_str(s, n);
}

const char *
tk_text(PyObject *o, const char *where)
{
    if (!PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.50s", where,
                     Py_IsNone(o) ? "None" : Py_TYPE(o)->tp_name);
        return NULL;
    }
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(o, &n);
    if (!s) {
        return NULL;
    }
    if (strlen(s) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    if (n >= INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "string is too long");
        return NULL;
    }
    return s;
}

static Tcl_Obj *
str_as_obj(PyObject *str)
{
    Py_ssize_t n;
    NJ_OWN escaped = NULL;
    const char *s = PyUnicode_AsUTF8AndSize(str, &n);
    if (!s) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            return NULL;
        }
        PyErr_Clear();
        escaped = PyUnicode_AsEncodedString(str, "utf-8", "surrogateescape");
        if (!escaped) {
            PyErr_Clear();
            escaped = PyUnicode_AsEncodedString(str, "utf-8", "surrogatepass");
        }
        if (!escaped) {
            return NULL;
        }
        s = PyBytes_AS_STRING(escaped);
        n = PyBytes_GET_SIZE(escaped);
    }
    if (n >= INT_MAX) {
        PyErr_SetString(PyExc_OverflowError, "string is too long");
        return NULL;
    }
    if (!memchr(s, 0, (size_t)n)) {
        return Tcl_NewStringObj(s, (int)n);
    }
    Tcl_Obj *obj = Tcl_NewStringObj("", 0);
    for (const char *end = s + n; s < end;) {
        const char *null = memchr(s, 0, (size_t)(end - s));
        Tcl_AppendToObj(obj, s, (int)((null ? null : end) - s));
        if (!null) {
            break;
        }
        Tcl_AppendToObj(obj, "\xc0\x80", 2);
        s = null + 1;
    }
    return obj;
}

/* ======================================================================================
 * Numbers
 * ====================================================================================== */

static Tcl_Obj *
int_as_obj(PyObject *o)
{
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (!overflow) {
        if (v == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return v >= INT_MIN && v <= INT_MAX ? Tcl_NewIntObj((int)v)
                                            : Tcl_NewWideIntObj((Tcl_WideInt)v);
    }
    NJ_OWN positive = PyNumber_Absolute(o);
    NJ_OWN hex = positive ? PyNumber_ToBase(positive, 16) : NULL; /* "0x..." */
    const char *digits = hex ? PyUnicode_AsUTF8(hex) : NULL;
    mp_int big;
    if (!digits) {
        return NULL;
    }
    if (mp_init(&big) != MP_OKAY) {
        PyErr_NoMemory();
        return NULL;
    }
    if (mp_read_radix(&big, digits + 2, 16) != MP_OKAY ||
        (overflow < 0 && mp_neg(&big, &big) != MP_OKAY)) {
        mp_clear(&big);
        PyErr_NoMemory();
        return NULL;
    }
    return Tcl_NewBignumObj(&big); /* takes over what big holds */
}

static PyObject *
big_of(Tcl_Obj *value)
{
    return PyLong_FromString(Tcl_GetString(value), NULL, 10);
}

/* The integer that value is; NULL without an exception if it is none. */
static PyObject *
int_from(Tcl_Obj *value)
{
    Tcl_WideInt wide;
    if (Tcl_GetWideIntFromObj(NULL, value, &wide) == TCL_OK) {
        /* unsigned values of 64 bits pass as wide, too */
        const char *name = value->typePtr ? value->typePtr->name : "";
        if (strcmp(name, "bignum")) {
            return PyLong_FromLongLong(wide);
        }
    }
    mp_int big;
    if (Tcl_GetBignumFromObj(NULL, value, &big) != TCL_OK) {
        return NULL;
    }
    Tcl_Obj *copy = Tcl_NewBignumObj(&big);
    Tcl_IncrRefCount(copy);
    PyObject *r = big_of(copy);
    Tcl_DecrRefCount(copy);
    return r;
}

/* value as int, else TclError. */
PyObject *
tk_int_of(App *app, Tcl_Obj *value, const char *s)
{
    PyObject *r = int_from(value);
    if (r || PyErr_Occurred()) {
        return r;
    }
    mp_int big;
    (void)s;
    if (Tcl_GetBignumFromObj(app->interp, value, &big) == TCL_OK) {
        mp_clear(&big);
    }
    return tk_raise(app);
}

/* ======================================================================================
 * Objects
 * ====================================================================================== */

static Tcl_Obj *
sequence_as_obj(State *st, PyObject *seq)
{
    /* a list may change while its items are converted */
    NJ_OWN items = PySequence_Tuple(seq);
    if (!items) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(items);
    if (n >= INT_MAX / (Py_ssize_t)sizeof(Tcl_Obj *)) {
        PyErr_SetString(PyExc_OverflowError, PyTuple_Check(seq) ? "tuple is too long"
                                                                : "list is too long");
        return NULL;
    }
    Tcl_Obj *list = Tcl_NewListObj(0, NULL);
    Tcl_IncrRefCount(list);
    for (Py_ssize_t i = 0; i < n; i++) {
        Tcl_Obj *item = tk_as_obj(st, PyTuple_GET_ITEM(items, i));
        if (!item) {
            Tcl_DecrRefCount(list);
            return NULL;
        }
        Tcl_ListObjAppendElement(NULL, list, item);
    }
    list->refCount--; /* handed on without a reference, as all new objects are */
    return list;
}

Tcl_Obj *
tk_as_obj(State *st, PyObject *value)
{
    if (PyBytes_Check(value)) {
        if (PyBytes_GET_SIZE(value) >= INT_MAX) {
            PyErr_SetString(PyExc_OverflowError, "bytes object is too long");
            return NULL;
        }
        return Tcl_NewByteArrayObj((unsigned char *)PyBytes_AS_STRING(value),
                                   (int)PyBytes_GET_SIZE(value));
    }
    if (PyBool_Check(value)) {
        return Tcl_NewBooleanObj(value == Py_True);
    }
    if (PyLong_CheckExact(value)) {
        return int_as_obj(value);
    }
    if (PyFloat_Check(value)) {
        return Tcl_NewDoubleObj(PyFloat_AS_DOUBLE(value));
    }
    if (PyTuple_Check(value) || PyList_Check(value)) {
        if (Py_EnterRecursiveCall(" while converting to a Tcl list")) {
            return NULL;
        }
        Tcl_Obj *list = sequence_as_obj(st, value);
        Py_LeaveRecursiveCall();
        return list;
    }
    if (PyUnicode_Check(value)) {
        return str_as_obj(value);
    }
    if (Py_IS_TYPE(value, st->object)) {
        return ((TclObj *)value)->value;
    }
    NJ_OWN text = PyObject_Str(value);
    return text ? str_as_obj(text) : NULL;
}

static PyObject *
wrap(State *st, Tcl_Obj *value)
{
    TclObj *self = (TclObj *)st->object->tp_alloc(st->object, 0);
    if (self) {
        Tcl_IncrRefCount(value);
        self->value = value;
    }
    return (PyObject *)self;
}

PyObject *
tk_from_obj(App *app, Tcl_Obj *value)
{
    if (!value->typePtr) {
        return tk_str_of(value);
    }
    const char *name = value->typePtr->name;
    if (!strcmp(name, "boolean") || !strcmp(name, "booleanString")) {
        int truth;
        if (Tcl_GetBooleanFromObj(app->interp, value, &truth) == TCL_ERROR) {
            return tk_raise(app);
        }
        return PyBool_FromLong(truth);
    }
    if (!strcmp(name, "bytearray")) {
        int n;
        const char *bytes = (const char *)Tcl_GetByteArrayFromObj(value, &n);
        return PyBytes_FromStringAndSize(bytes, n);
    }
    if (!strcmp(name, "double")) {
        return PyFloat_FromDouble(value->internalRep.doubleValue); /* may be a NaN */
    }
    if (!strcmp(name, "int") || !strcmp(name, "wideInt") || !strcmp(name, "bignum")) {
        return tk_int_of(app, value, NULL);
    }
    if (!strcmp(name, "list")) {
        int n;
        Tcl_Obj **items;
        if (Tcl_ListObjGetElements(app->interp, value, &n, &items) == TCL_ERROR) {
            return tk_raise(app);
        }
        if (Py_EnterRecursiveCall(" while converting a Tcl list")) {
            return NULL;
        }
        NJ_OWN tuple = PyTuple_New(n);
        for (int i = 0; tuple && i < n; i++) {
            PyObject *o = tk_from_obj(app, items[i]);
            if (!o) {
                NJ_SET(tuple, NULL);
                break;
            }
            PyTuple_SET_ITEM(tuple, i, o);
        }
        Py_LeaveRecursiveCall();
        return NJ_TAKE(tuple);
    }
    if (!strcmp(name, "string") || !strcmp(name, "procbody")) {
        return tk_str_of(value);
    }
    return wrap(app->st, value);
}

/* The interpreter's result. */
PyObject *
tk_result(App *app, bool always_str)
{
    Tcl_Obj *value = Tcl_GetObjResult(app->interp);
    Tcl_IncrRefCount(value);
    PyObject *r =
        app->wantobjects && !always_str ? tk_from_obj(app, value) : tk_str_of(value);
    Tcl_DecrRefCount(value);
    return r;
}

/* ======================================================================================
 * The type Tcl_Obj
 * ====================================================================================== */

#define OBJ(o) ((TclObj *)(o))

static void
object_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    Tcl_DecrRefCount(OBJ(self)->value);
    Py_XDECREF(OBJ(self)->string);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
object_str(PyObject *self)
{
    if (OBJ(self)->string && PyUnicode_Check(OBJ(self)->string)) {
        return Py_NewRef(OBJ(self)->string);
    }
    return tk_str_of(OBJ(self)->value);
}

static PyObject *
get_string(PyObject *self, void *closure)
{
    if (!OBJ(self)->string) {
        OBJ(self)->string = tk_str_of(OBJ(self)->value);
    }
    return Py_XNewRef(OBJ(self)->string);
}

static PyObject *
get_typename(PyObject *self, void *closure)
{
    const Tcl_ObjType *type = OBJ(self)->value->typePtr;
    return PyUnicode_FromString(type ? type->name : "string");
}

static PyObject *
object_repr(PyObject *self)
{
    NJ_OWN text = tk_str_of(OBJ(self)->value);
    const Tcl_ObjType *type = OBJ(self)->value->typePtr;
    return text ? PyUnicode_FromFormat("<%s object: %R>", type ? type->name : "string", text)
                : NULL;
}

static PyObject *
object_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!Py_IS_TYPE(b, Py_TYPE(a))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    int c = a == b ? 0
                   : strcmp(Tcl_GetString(OBJ(a)->value), Tcl_GetString(OBJ(b)->value));
    Py_RETURN_RICHCOMPARE(c, 0, op);
}

static PyGetSetDef object_getset[] = {
    {"typename", get_typename, NULL, "name of the Tcl type", NULL},
    {"string", get_string, NULL,
     "the string representation of this object, either as str or bytes", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot object_slots[] = {
    {Py_tp_dealloc, object_dealloc},
    {Py_tp_repr, object_repr},
    {Py_tp_str, object_str},
    {Py_tp_getattro, PyObject_GenericGetAttr},
    {Py_tp_richcompare, object_richcompare},
    {Py_tp_getset, object_getset},
    {0, NULL},
};

PyType_Spec tk_object_spec = {
    .name = "_tkinter.Tcl_Obj",
    .basicsize = sizeof(TclObj),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = object_slots,
};

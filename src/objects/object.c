/* object.c - what every object can do, and the type `object'
 *
 * First the protocol: attributes, repr, comparison, hash, truth, dir; each function of
 * Python.h here dispatches to a slot of the type and checks what comes back. Then the type
 * object itself with the methods all classes inherit, copying and pickling among them.
 *
 * Attribute lookup on an instance: data descriptors of the type, then the instance's own
 * attributes, then what else the type has. The exact wording of the errors is part of the
 * interface.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <stdarg.h>

#include "capi/abstract.h"
#include "capi/args.h"
#include "objects/dict_int.h"
#include "objects/exc_int.h"
#include "objects/str.h"
#include "objects/type_priv.h"
#include "runtime/runtime.h"

int nj_inst_set_dict(PyObject *obj, PyObject *dict);

/* ======================================================================================
 * Creation
 * ====================================================================================== */

PyObject *
PyObject_Init(PyObject *op, PyTypeObject *tp)
{
    op->ob_refcnt_full = 1;
    op->ob_type = tp;
    if (tp->tp_flags & Py_TPFLAGS_HEAPTYPE) {
        Py_INCREF(tp);
    }
    nj_trace_new(op);
    return op;
}

PyVarObject *
PyObject_InitVar(PyVarObject *op, PyTypeObject *tp, Py_ssize_t size)
{
    (void)PyObject_Init((PyObject *)op, tp);
    op->ob_size = size;
    return op;
}

/* ======================================================================================
 * Errors
 * ====================================================================================== */

void
nj_attribute_add_context(PyObject *obj, PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    if (exc == NULL) {
        return;
    }
    if (PyErr_GivenExceptionMatches(exc, PyExc_AttributeError)) {
        PyAttributeErrorObject *e = (PyAttributeErrorObject *)exc;
        if (e->name == NULL && e->obj == NULL) {
            e->name = Py_XNewRef(name);
            e->obj = Py_XNewRef(obj);
        }
    }
    PyErr_SetRaisedException(exc);
}

void
nj_raise_attribute(PyObject *obj, PyObject *name, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    PyErr_FormatV(PyExc_AttributeError, fmt, va);
    va_end(va);
    nj_attribute_add_context(obj, name);
}

void
nj_raise_name(PyObject *exc_type, const char *fmt, PyObject *name)
{
    PyErr_Format(exc_type, fmt, name);
    PyObject *exc = PyErr_GetRaisedException();
    if (exc && PyErr_GivenExceptionMatches(exc, PyExc_NameError)) {
        Py_XSETREF(((PyNameErrorObject *)exc)->name, Py_NewRef(name));
    }
    PyErr_SetRaisedException(exc);
}

PyObject *
nj_attr_name_not_str(PyObject *name)
{
    PyErr_Format(PyExc_TypeError, "attribute name must be string, not '%.200s'",
                 Py_TYPE(name)->tp_name);
    return NULL;
}

/* ======================================================================================
 * Attributes
 * ====================================================================================== */

PyObject *
PyObject_SelfIter(PyObject *obj)
{
    return Py_NewRef(obj);
}

PyAPI_FUNC(PyObject *) _PyObject_NextNotImplemented(PyObject *self);
PyObject *
_PyObject_NextNotImplemented(PyObject *self)
{
    PyErr_Format(PyExc_TypeError, "'%.200s' object is not iterable",
                 Py_TYPE(self)->tp_name);
    return NULL;
}

/* The instance's own attribute: 1, 0, -1. dict: NULL, or given by the caller. */
NJ_INLINE int
own_attribute(PyObject *obj, PyTypeObject *tp, PyObject *dict, PyObject *name,
              PyObject **out)
{
    if (dict == NULL) {
        if (tp->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
            return nj_inst_get(obj, name, out);
        }
        PyObject **slot = nj_obj_dict_slot(obj);
        if (slot == NULL || *slot == NULL) {
            *out = NULL;
            return 0;
        }
        dict = *slot;
    }
    Py_INCREF(dict);
    int r = nj_dict_find(dict, name, out);
    Py_DECREF(dict);
    return r;
}

PyObject *
_PyObject_GenericGetAttrWithDict(PyObject *obj, PyObject *name, PyObject *dict,
                                 int suppress)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (NJ_UNLIKELY(!PyUnicode_Check(name))) {
        return nj_attr_name_not_str(name);
    }
    if (NJ_UNLIKELY(!(tp->tp_flags & Py_TPFLAGS_READY)) && PyType_Ready(tp) < 0) {
        return NULL;
    }
    PyObject *res = NULL;
    PyObject *descr = nj_type_find(tp, name);
    descrgetfunc get = NULL;
    if (descr) {
        Py_INCREF(descr);
        get = Py_TYPE(descr)->tp_descr_get;
        if (get && Py_TYPE(descr)->tp_descr_set) {
            res = get(descr, obj, (PyObject *)tp);
            goto done;
        }
    }
    int r = own_attribute(obj, tp, dict, name, &res);
    if (r != 0) {
        goto done;
    }
    if (get) {
        res = get(descr, obj, (PyObject *)tp);
        goto done;
    }
    if (descr) {
        return descr;
    }
    if (suppress) {
        return NULL;
    }
    nj_raise_attribute(obj, name, "'%.100s' object has no attribute '%U'", tp->tp_name,
                       name);
    return NULL;
done:
    Py_XDECREF(descr);
    if (res == NULL && suppress && PyErr_Occurred() &&
        PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
    }
    return res;
}

PyObject *
PyObject_GenericGetAttr(PyObject *obj, PyObject *name)
{
    return _PyObject_GenericGetAttrWithDict(obj, name, NULL, 0);
}

NJ_COLD static int
raise_cannot_set(PyObject *obj, PyObject *name, PyObject *descr, bool has_dict)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (descr) {
        nj_raise_attribute(obj, name, "'%.100s' object attribute '%U' is read-only",
                           tp->tp_name, name);
    }
    else if (tp->tp_setattro == PyObject_GenericSetAttr && !has_dict) {
        nj_raise_attribute(obj, name,
                           "'%.100s' object has no attribute '%U' and no __dict__ for "
                           "setting new attributes",
                           tp->tp_name, name);
    }
    else {
        nj_raise_attribute(obj, name, "'%.100s' object has no attribute '%U'",
                           tp->tp_name, name);
    }
    return -1;
}

int
_PyObject_GenericSetAttrWithDict(PyObject *obj, PyObject *name, PyObject *value,
                                 PyObject *dict)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (!PyUnicode_Check(name)) {
        nj_attr_name_not_str(name);
        return -1;
    }
    if (!(tp->tp_flags & Py_TPFLAGS_READY) && PyType_Ready(tp) < 0) {
        return -1;
    }
    NJ_OWN descr = Py_XNewRef(nj_type_find(tp, name));
    if (descr) {
        descrsetfunc set = Py_TYPE(descr)->tp_descr_set;
        if (set) {
            return set(descr, obj, value);
        }
    }
    int r;
    if (dict == NULL && (tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        NJ_OWN alive = Py_NewRef(obj); /* a dropped old value may drop obj */
        r = nj_inst_set(obj, name, value);
        if (r == 1) {
            nj_raise_attribute(obj, name, "'%.100s' object has no attribute '%U'",
                               tp->tp_name, name);
            return -1;
        }
        return r;
    }
    NJ_OWN d = NULL;
    if (dict == NULL) {
        PyObject **slot = nj_obj_dict_slot(obj);
        if (slot == NULL) {
            return raise_cannot_set(obj, name, descr, false);
        }
        if (*slot == NULL) {
            if (value == NULL) {
                nj_raise_attribute(obj, name, "'%.100s' object has no attribute '%U'",
                                   tp->tp_name, name);
                return -1;
            }
            *slot = PyDict_New();
            if (*slot == NULL) {
                return -1;
            }
        }
        NJ_SET(d, Py_NewRef(*slot));
    }
    else {
        NJ_SET(d, Py_NewRef(dict));
    }
    r = value ? PyDict_SetItem(d, name, value) : PyDict_DelItem(d, name);
    if (r < 0 && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        nj_raise_attribute(obj, name, "'%.100s' object has no attribute '%U'",
                           tp->tp_name, name);
    }
    return r;
}

int
PyObject_GenericSetAttr(PyObject *obj, PyObject *name, PyObject *value)
{
    if (NJ_UNLIKELY(!PyUnicode_Check(name))) {
        nj_attr_name_not_str(name);
        return -1;
    }
    return _PyObject_GenericSetAttrWithDict(obj, name, value, NULL);
}

int
nj_object_set_dict(PyObject *self, PyObject *value)
{
    if (Py_TYPE(self)->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        return nj_inst_set_dict(self, value);
    }
    PyObject **slot = nj_obj_dict_slot(self);
    if (slot == NULL) {
        PyErr_SetString(PyExc_AttributeError, "This object has no __dict__");
        return -1;
    }
    Py_XSETREF(*slot, Py_XNewRef(value));
    return 0;
}

PyObject *
PyObject_GetAttr(PyObject *obj, PyObject *name)
{
    if (NJ_UNLIKELY(!PyUnicode_Check(name))) {
        return nj_attr_name_not_str(name);
    }
    PyTypeObject *tp = Py_TYPE(obj);
    PyObject *res;
    if (NJ_LIKELY(tp->tp_getattro != NULL)) {
        res = tp->tp_getattro(obj, name);
    }
    else if (tp->tp_getattr) {
        const char *s = PyUnicode_AsUTF8(name);
        res = s ? tp->tp_getattr(obj, (char *)s) : NULL;
    }
    else {
        PyErr_Format(PyExc_AttributeError, "'%.100s' object has no attribute '%U'",
                     tp->tp_name, name);
        res = NULL;
    }
    if (res == NULL) {
        nj_attribute_add_context(obj, name);
    }
    return res;
}

int
nj_object_get_optional(PyObject *obj, PyObject *name, PyObject **out)
{
    if (!PyUnicode_Check(name)) {
        *out = nj_attr_name_not_str(name);
        return -1;
    }
    PyTypeObject *tp = Py_TYPE(obj);
    if (tp->tp_getattro == PyObject_GenericGetAttr) {
        *out = _PyObject_GenericGetAttrWithDict(obj, name, NULL, 1);
        if (*out) {
            return 1;
        }
        return PyErr_Occurred() ? -1 : 0;
    }
    if (tp->tp_getattro == nj_type_getattro &&
        (((PyTypeObject *)obj)->tp_flags & Py_TPFLAGS_READY) &&
        nj_type_find(tp, name) == NULL &&
        nj_type_find((PyTypeObject *)obj, name) == NULL) {
        *out = NULL;
        return 0; /* absent, without making an exception */
    }
    if (PyModule_CheckExact(obj)) {
        return nj_module_get_optional(obj, name, out);
    }
    *out = tp->tp_getattro ? tp->tp_getattro(obj, name) : PyObject_GetAttr(obj, name);
    if (*out) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

int
PyObject_GetOptionalAttr(PyObject *obj, PyObject *name, PyObject **out)
{
    return nj_object_get_optional(obj, name, out);
}

int
PyObject_SetAttr(PyObject *obj, PyObject *name, PyObject *value)
{
    if (NJ_UNLIKELY(!PyUnicode_Check(name))) {
        nj_attr_name_not_str(name);
        return -1;
    }
    PyTypeObject *tp = Py_TYPE(obj);
    NJ_OWN key = Py_NewRef(name);
    if (PyUnicode_CheckExact(name) && !PyUnicode_CHECK_INTERNED(name)) {
        PyObject *k = NJ_TAKE(key);
        PyUnicode_InternInPlace(&k);
        NJ_SET(key, k);
    }
    if (NJ_LIKELY(tp->tp_setattro != NULL)) {
        return tp->tp_setattro(obj, key, value);
    }
    if (tp->tp_setattr) {
        const char *s = PyUnicode_AsUTF8(key);
        return s ? tp->tp_setattr(obj, (char *)s, value) : -1;
    }
    bool readable = tp->tp_getattr || tp->tp_getattro;
    PyErr_Format(PyExc_TypeError,
                 readable ? "'%.100s' object has only read-only attributes (%s .%U)"
                          : "'%.100s' object has no attributes (%s .%U)",
                 tp->tp_name, value == NULL ? "del" : "assign to", key);
    return -1;
}

int
(PyObject_DelAttr)(PyObject *obj, PyObject *name)
{
    return PyObject_SetAttr(obj, name, NULL);
}

PyObject *
PyObject_GetAttrString(PyObject *obj, const char *name)
{
    NJ_OWN key = PyUnicode_InternFromString(name);
    return key ? PyObject_GetAttr(obj, key) : NULL;
}

int
PyObject_GetOptionalAttrString(PyObject *obj, const char *name, PyObject **out)
{
    NJ_OWN key = PyUnicode_InternFromString(name);
    if (key == NULL) {
        *out = NULL;
        return -1;
    }
    return nj_object_get_optional(obj, key, out);
}

int
PyObject_SetAttrString(PyObject *obj, const char *name, PyObject *value)
{
    NJ_OWN key = PyUnicode_InternFromString(name);
    return key ? PyObject_SetAttr(obj, key, value) : -1;
}

int
(PyObject_DelAttrString)(PyObject *obj, const char *name)
{
    return PyObject_SetAttrString(obj, name, NULL);
}

int
PyObject_HasAttrWithError(PyObject *obj, PyObject *name)
{
    PyObject *v;
    int r = nj_object_get_optional(obj, name, &v);
    Py_XDECREF(v);
    return r;
}

int
PyObject_HasAttrStringWithError(PyObject *obj, const char *name)
{
    PyObject *v;
    int r = PyObject_GetOptionalAttrString(obj, name, &v);
    Py_XDECREF(v);
    return r;
}

int
PyObject_HasAttr(PyObject *obj, PyObject *name)
{
    int r = PyObject_HasAttrWithError(obj, name);
    if (r < 0) {
        PyErr_FormatUnraisable("Exception ignored in PyObject_HasAttr(); consider using "
                               "PyObject_HasAttrWithError(), "
                               "PyObject_GetOptionalAttr() or PyObject_GetAttr()");
        return 0;
    }
    return r;
}

int
PyObject_HasAttrString(PyObject *obj, const char *name)
{
    int r = PyObject_HasAttrStringWithError(obj, name);
    if (r < 0) {
        PyErr_FormatUnraisable("Exception ignored in PyObject_HasAttrString(); consider "
                               "using PyObject_HasAttrStringWithError(), "
                               "PyObject_GetOptionalAttrString() or "
                               "PyObject_GetAttrString()");
        return 0;
    }
    return r;
}

int
nj_object_get_method(PyObject *obj, PyObject *name, PyObject **out)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (tp->tp_getattro != PyObject_GenericGetAttr || !PyUnicode_CheckExact(name)) {
        *out = PyObject_GetAttr(obj, name);
        return 0;
    }
    PyObject *descr = nj_type_find(tp, name);
    bool method = false;
    descrgetfunc get = NULL;
    if (descr) {
        Py_INCREF(descr);
        if (Py_TYPE(descr)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR) {
            method = true;
        }
        else {
            get = Py_TYPE(descr)->tp_descr_get;
            if (get && Py_TYPE(descr)->tp_descr_set) {
                *out = get(descr, obj, (PyObject *)tp);
                Py_DECREF(descr);
                if (*out == NULL) {
                    nj_attribute_add_context(obj, name);
                }
                return 0;
            }
        }
    }
    int r = own_attribute(obj, tp, NULL, name, out);
    if (r != 0) {
        Py_XDECREF(descr);
        return 0;
    }
    if (method) {
        *out = descr;
        return 1;
    }
    if (get) {
        *out = get(descr, obj, (PyObject *)tp);
        Py_DECREF(descr);
        if (*out == NULL) {
            nj_attribute_add_context(obj, name);
        }
        return 0;
    }
    *out = descr;
    if (descr == NULL) {
        nj_raise_attribute(obj, name, "'%.100s' object has no attribute '%U'",
                           tp->tp_name, name);
    }
    return 0;
}

PyObject *
_PyObject_GetAttrId(PyObject *obj, _Py_Identifier *id)
{
    return PyObject_GetAttrString(obj, id->string);
}

/* ======================================================================================
 * Text
 * ====================================================================================== */

PyObject *
PyObject_Repr(PyObject *obj)
{
    if (PyErr_CheckSignals() < 0) {
        return NULL;
    }
    if (obj == NULL) {
        return PyUnicode_FromString("<NULL>");
    }
    reprfunc repr = Py_TYPE(obj)->tp_repr;
    if (repr == NULL) {
        return PyUnicode_FromFormat("<%s object at %p>", Py_TYPE(obj)->tp_name, obj);
    }
    if (Py_EnterRecursiveCall(" while getting the repr of an object")) {
        return NULL;
    }
    PyObject *res = repr(obj);
    Py_LeaveRecursiveCall();
    if (res && !PyUnicode_Check(res)) {
        PyErr_Format(PyExc_TypeError, "__repr__ returned non-string (type %.200s)",
                     Py_TYPE(res)->tp_name);
        Py_CLEAR(res);
    }
    return res;
}

PyObject *
PyObject_Str(PyObject *obj)
{
    if (obj == NULL) {
        return PyUnicode_FromString("<NULL>");
    }
    if (PyUnicode_CheckExact(obj)) {
        return Py_NewRef(obj);
    }
    reprfunc str = Py_TYPE(obj)->tp_str;
    if (str == NULL) {
        return PyObject_Repr(obj);
    }
    if (PyErr_CheckSignals() < 0 ||
        Py_EnterRecursiveCall(" while getting the str of an object")) {
        return NULL;
    }
    PyObject *res = str(obj);
    Py_LeaveRecursiveCall();
    if (res && !PyUnicode_Check(res)) {
        PyErr_Format(PyExc_TypeError, "__str__ returned non-string (type %.200s)",
                     Py_TYPE(res)->tp_name);
        Py_CLEAR(res);
    }
    return res;
}

PyObject *
PyObject_ASCII(PyObject *obj)
{
    PyObject *repr = PyObject_Repr(obj);
    if (repr == NULL || PyUnicode_IS_ASCII(repr)) {
        return repr;
    }
    NJ_OWN r = repr;
    NJ_OWN bytes = PyUnicode_AsEncodedString(r, "ascii", "backslashreplace");
    if (bytes == NULL) {
        return NULL;
    }
    return PyUnicode_DecodeASCII(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes),
                                 "strict");
}

PyObject *
PyObject_Bytes(PyObject *obj)
{
    if (obj == NULL) {
        return PyBytes_FromString("<NULL>");
    }
    if (PyBytes_CheckExact(obj)) {
        return Py_NewRef(obj);
    }
    NJ_OWN func = nj_type_special(obj, NJ_ID(__bytes__));
    if (func) {
        NJ_OWN res = PyObject_CallNoArgs(func);
        if (res && !PyBytes_Check(res)) {
            PyErr_Format(PyExc_TypeError, "__bytes__ returned non-bytes (type %.200s)",
                         Py_TYPE(res)->tp_name);
            return NULL;
        }
        return NJ_TAKE(res);
    }
    if (PyErr_Occurred()) {
        return NULL;
    }
    return PyBytes_FromObject(obj);
}

int
PyObject_Print(PyObject *op, FILE *fp, int flags)
{
    clearerr(fp);
    if (op == NULL) {
        fprintf(fp, "<nil>");
    }
    else if (Py_REFCNT(op) <= 0) {
        fprintf(fp, "<refcnt %zd at %p>", (Py_ssize_t)Py_REFCNT(op), (void *)op);
    }
    else {
        NJ_OWN s = flags & Py_PRINT_RAW ? PyObject_Str(op) : PyObject_Repr(op);
        Py_ssize_t n;
        const char *text = s ? PyUnicode_AsUTF8AndSize(s, &n) : NULL;
        if (text == NULL) {
            return -1;
        }
        fwrite(text, 1, (size_t)n, fp);
    }
    if (ferror(fp)) {
        PyErr_SetFromErrno(PyExc_OSError);
        clearerr(fp);
        return -1;
    }
    return 0;
}

/* "module.qualname()" for messages about calls; str(x) for anything else. */
PyObject *
_PyObject_FunctionStr(PyObject *x)
{
    PyObject *found;
    if (nj_object_get_optional(x, NJ_ID(__qualname__), &found) < 0) {
        return NULL;
    }
    NJ_OWN qualname = found;
    if (qualname == NULL) {
        return PyObject_Str(x);
    }
    if (nj_object_get_optional(x, NJ_ID(__module__), &found) < 0) {
        return NULL;
    }
    NJ_OWN module = found;
    if (module && module != Py_None) {
        int same = PyObject_RichCompareBool(module, NJ_ID(builtins), Py_EQ);
        if (same < 0) {
            return NULL;
        }
        if (!same) {
            return PyUnicode_FromFormat("%S.%S()", module, qualname);
        }
    }
    return PyUnicode_FromFormat("%S()", qualname);
}

/* ======================================================================================
 * Comparison, hash, truth
 * ====================================================================================== */

static const int swapped_op[] = {Py_GT, Py_GE, Py_EQ, Py_NE, Py_LT, Py_LE};
PyAPI_DATA(int) _Py_SwappedOp[];
int _Py_SwappedOp[] = {Py_GT, Py_GE, Py_EQ, Py_NE, Py_LT, Py_LE};

static PyObject *
rich_compare(PyObject *v, PyObject *w, int op)
{
    static const char *const symbol[] = {"<", "<=", "==", "!=", ">", ">="};
    PyTypeObject *tv = Py_TYPE(v), *tw = Py_TYPE(w);
    richcmpfunc f;
    bool tried = false;
    if (tv != tw && PyType_IsSubtype(tw, tv) && (f = tw->tp_richcompare) != NULL) {
        tried = true;
        PyObject *res = f(w, v, swapped_op[op]);
        if (res != Py_NotImplemented) {
            return res;
        }
        Py_DECREF(res);
    }
    if ((f = tv->tp_richcompare) != NULL) {
        PyObject *res = f(v, w, op);
        if (res != Py_NotImplemented) {
            return res;
        }
        Py_DECREF(res);
    }
    if (!tried && (f = tw->tp_richcompare) != NULL) {
        PyObject *res = f(w, v, swapped_op[op]);
        if (res != Py_NotImplemented) {
            return res;
        }
        Py_DECREF(res);
    }
    if (op == Py_EQ) {
        return Py_NewRef(v == w ? Py_True : Py_False);
    }
    if (op == Py_NE) {
        return Py_NewRef(v != w ? Py_True : Py_False);
    }
    PyErr_Format(PyExc_TypeError,
                 "'%s' not supported between instances of '%.100s' and '%.100s'",
                 symbol[op], tv->tp_name, tw->tp_name);
    return NULL;
}

PyObject *
PyObject_RichCompare(PyObject *v, PyObject *w, int op)
{
    if (v == NULL || w == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_BadInternalCall();
        }
        return NULL;
    }
    if (Py_EnterRecursiveCall(" in comparison")) {
        return NULL;
    }
    PyObject *res = rich_compare(v, w, op);
    Py_LeaveRecursiveCall();
    return res;
}

int
PyObject_RichCompareBool(PyObject *v, PyObject *w, int op)
{
    if (v == w) { /* identity implies equality here */
        if (op == Py_EQ) {
            return 1;
        }
        if (op == Py_NE) {
            return 0;
        }
    }
    if ((op == Py_EQ || op == Py_NE) && v && w && PyUnicode_CheckExact(v) &&
        PyUnicode_CheckExact(w)) {
        return nj_str_eq(v, w) == (op == Py_EQ);
    }
    PyObject *res = PyObject_RichCompare(v, w, op);
    if (res == NULL) {
        return -1;
    }
    int ok = PyBool_Check(res) ? res == Py_True : PyObject_IsTrue(res);
    Py_DECREF(res);
    return ok;
}

Py_hash_t
PyObject_HashNotImplemented(PyObject *v)
{
    PyErr_Format(PyExc_TypeError, "unhashable type: '%.200s'", Py_TYPE(v)->tp_name);
    return -1;
}

Py_hash_t
Py_HashPointer(const void *p)
{
    /* the low bits are always zero: rotate them to the top */
    size_t y = (size_t)(uintptr_t)p;
    y = (y >> 4) | (y << (8 * sizeof(y) - 4));
    Py_hash_t h = (Py_hash_t)y;
    return h == -1 ? -2 : h;
}

Py_hash_t
PyObject_GenericHash(PyObject *obj)
{
    return Py_HashPointer(obj);
}

Py_hash_t
PyObject_Hash(PyObject *v)
{
    PyTypeObject *tp = Py_TYPE(v);
    if (NJ_LIKELY(tp->tp_hash != NULL)) {
        return tp->tp_hash(v);
    }
    if (!(tp->tp_flags & Py_TPFLAGS_READY)) {
        if (PyType_Ready(tp) < 0) {
            return -1;
        }
        if (tp->tp_hash) {
            return tp->tp_hash(v);
        }
    }
    return PyObject_HashNotImplemented(v);
}

int
PyObject_IsTrue(PyObject *v)
{
    if (v == Py_True) {
        return 1;
    }
    if (v == Py_False || v == Py_None) {
        return 0;
    }
    PyTypeObject *tp = Py_TYPE(v);
    Py_ssize_t r;
    if (tp->tp_as_number && tp->tp_as_number->nb_bool) {
        r = tp->tp_as_number->nb_bool(v);
    }
    else if (tp->tp_as_mapping && tp->tp_as_mapping->mp_length) {
        r = tp->tp_as_mapping->mp_length(v);
    }
    else if (tp->tp_as_sequence && tp->tp_as_sequence->sq_length) {
        r = tp->tp_as_sequence->sq_length(v);
    }
    else {
        return 1;
    }
    return r > 0 ? 1 : (int)r;
}

int
PyObject_Not(PyObject *v)
{
    int r = PyObject_IsTrue(v);
    return r < 0 ? r : r == 0;
}

int
PyCallable_Check(PyObject *x)
{
    return x != NULL && Py_TYPE(x)->tp_call != NULL;
}

/* ======================================================================================
 * dir
 * ====================================================================================== */

PyObject *
PyObject_Dir(PyObject *obj)
{
    NJ_OWN names = NULL;
    if (obj == NULL) {
        NJ_OWN locals = PyEval_GetFrameLocals();
        if (locals == NULL) {
            return NULL;
        }
        NJ_SET(names, PyMapping_Keys(locals));
        if (names == NULL) {
            return NULL;
        }
        if (!PyList_Check(names)) {
            PyErr_Format(PyExc_TypeError,
                         "dir(): expected keys() of locals to be a list, not '%.200s'",
                         Py_TYPE(names)->tp_name);
            return NULL;
        }
    }
    else {
        NJ_OWN func = nj_type_special(obj, NJ_ID(__dir__));
        if (func == NULL) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_TypeError, "object does not provide __dir__");
            }
            return NULL;
        }
        NJ_OWN res = PyObject_CallNoArgs(func);
        if (res == NULL) {
            return NULL;
        }
        NJ_SET(names, PySequence_List(res));
    }
    if (names == NULL || PyList_Sort(names) < 0) {
        return NULL;
    }
    return NJ_TAKE(names);
}

/* ======================================================================================
 * The type object
 * ====================================================================================== */

static bool
excess_args(PyObject *args, PyObject *kwds)
{
    return PyTuple_GET_SIZE(args) || (kwds && PyDict_GET_SIZE(kwds));
}

static int object_init(PyObject *self, PyObject *args, PyObject *kwds);

NJ_COLD static PyObject *
raise_abstract(PyTypeObject *type)
{
    NJ_OWN abstract =
        PyObject_GetAttr((PyObject *)type, NJ_ID(__abstractmethods__));
    NJ_OWN sorted = abstract ? PySequence_List(abstract) : NULL;
    if (sorted == NULL || PyList_Sort(sorted) < 0) {
        return NULL;
    }
    NJ_OWN sep = PyUnicode_FromString("', '");
    NJ_OWN joined = sep ? PyUnicode_Join(sep, sorted) : NULL;
    if (joined == NULL) {
        return NULL;
    }
    PyErr_Format(PyExc_TypeError,
                 "Can't instantiate abstract class %s without an implementation for "
                 "abstract method%s '%U'",
                 type->tp_name, PyList_GET_SIZE(sorted) > 1 ? "s" : "", joined);
    return NULL;
}

PyObject *
nj_object_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (excess_args(args, kwds)) {
        if (type->tp_new != nj_object_new) {
            PyErr_SetString(PyExc_TypeError, "object.__new__() takes exactly one "
                                             "argument (the type to instantiate)");
            return NULL;
        }
        if (type->tp_init == object_init) {
            PyErr_Format(PyExc_TypeError, "%.200s() takes no arguments", type->tp_name);
            return NULL;
        }
    }
    if (type->tp_flags & Py_TPFLAGS_IS_ABSTRACT) {
        return raise_abstract(type);
    }
    return type->tp_alloc(type, 0);
}

static int
object_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyTypeObject *type = Py_TYPE(self);
    if (excess_args(args, kwds)) {
        if (type->tp_init != object_init) {
            PyErr_SetString(PyExc_TypeError, "object.__init__() takes exactly one "
                                             "argument (the instance to initialize)");
            return -1;
        }
        if (type->tp_new == nj_object_new) {
            PyErr_Format(PyExc_TypeError, "%.200s.__init__() takes exactly one argument "
                                          "(the instance to initialize)",
                         type->tp_name);
            return -1;
        }
    }
    return 0;
}

static void
object_dealloc(PyObject *self)
{
    Py_TYPE(self)->tp_free(self);
}

static PyObject *
object_repr(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    NJ_OWN mod = PyType_GetModuleName(type);
    if (mod == NULL) {
        PyErr_Clear();
    }
    NJ_OWN name = PyType_GetQualName(type);
    if (name == NULL) {
        return NULL;
    }
    if (mod && PyUnicode_Check(mod) && !PyUnicode_EqualToUTF8(mod, "builtins")) {
        return PyUnicode_FromFormat("<%U.%U object at %p>", mod, name, self);
    }
    return PyUnicode_FromFormat("<%s object at %p>", type->tp_name, self);
}

static PyObject *
object_str(PyObject *self)
{
    reprfunc f = Py_TYPE(self)->tp_repr;
    return f ? f(self) : object_repr(self);
}

static PyObject *
object_richcompare(PyObject *self, PyObject *other, int op)
{
    switch (op) {
    case Py_EQ:
        /* False only from a comparison that was asked: leave that to the other side */
        if (self == other) {
            Py_RETURN_TRUE;
        }
        Py_RETURN_NOTIMPLEMENTED;
    case Py_NE: {
        richcmpfunc f = Py_TYPE(self)->tp_richcompare;
        if (f == NULL) {
            Py_RETURN_NOTIMPLEMENTED;
        }
        PyObject *res = f(self, other, Py_EQ);
        if (res && res != Py_NotImplemented) {
            int ok = PyObject_IsTrue(res);
            Py_DECREF(res);
            res = ok < 0 ? NULL : Py_NewRef(ok ? Py_False : Py_True);
        }
        return res;
    }
    default:
        Py_RETURN_NOTIMPLEMENTED;
    }
}

static PyObject *
object_get_class(PyObject *self, void *closure)
{
    return Py_NewRef(Py_TYPE(self));
}

static int
object_set_class(PyObject *self, PyObject *value, void *closure)
{
    return nj_type_assign_class(self, value);
}

/* ---- copying and pickling ---------------------------------------------------------- */

static PyObject *
import_copyreg(void)
{
    /* on its way out an interpreter may have no sys.modules any more */
    PyObject *m = PyImport_GetModule(NJ_ID(copyreg));
    return m || PyErr_Occurred() ? m : PyImport_ImportModule("copyreg");
}

/* Names of the slots of cls and its bases, as copyreg knows them: list or None. */
static PyObject *
slot_names(PyObject *cls)
{
    PyTypeObject *tp = (PyTypeObject *)cls;
    PyObject *names;
    if (PyDict_GetItemRef(tp->tp_dict, NJ_ID(__slotnames__), &names) < 0) {
        return NULL;
    }
    if (names == NULL) {
        NJ_OWN copyreg = import_copyreg();
        if (copyreg == NULL) {
            return NULL;
        }
        names = PyObject_CallMethodOneArg(copyreg, NJ_ID(_slotnames), cls);
        if (names && names != Py_None && !PyList_Check(names)) {
            PyErr_SetString(PyExc_TypeError,
                            "copyreg._slotnames didn't return a list or None");
            Py_CLEAR(names);
        }
    }
    else if (names != Py_None && !PyList_Check(names)) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__slotnames__ should be a list or None, not %.200s",
                     tp->tp_name, Py_TYPE(names)->tp_name);
        Py_CLEAR(names);
    }
    return names;
}

static PyObject *
getstate_default(PyObject *obj, bool required)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (required && tp->tp_itemsize) {
        PyErr_Format(PyExc_TypeError, "cannot pickle %.200s objects", tp->tp_name);
        return NULL;
    }
    NJ_OWN state = NULL;
    if (nj_inst_dict_is_empty(obj)) {
        NJ_SET(state, Py_NewRef(Py_None));
    }
    else {
        PyObject *dict;
        int r = nj_object_get_optional(obj, NJ_ID(__dict__), &dict);
        if (r < 0) {
            return NULL;
        }
        NJ_SET(state, dict ? dict : Py_NewRef(Py_None));
    }
    NJ_OWN names = slot_names((PyObject *)tp);
    if (names == NULL) {
        return NULL;
    }
    if (required) {
        Py_ssize_t size = PyBaseObject_Type.tp_basicsize;
        if (tp->tp_dictoffset != 0 && !(tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
            size += (Py_ssize_t)sizeof(PyObject *);
        }
        if (tp->tp_weaklistoffset > 0) {
            size += (Py_ssize_t)sizeof(PyObject *);
        }
        if (names != Py_None) {
            size += (Py_ssize_t)sizeof(PyObject *) * PyList_GET_SIZE(names);
        }
        if (tp->tp_basicsize > size) {
            PyErr_Format(PyExc_TypeError, "cannot pickle '%.200s' object", tp->tp_name);
            return NULL;
        }
    }
    if (names != Py_None && PyList_GET_SIZE(names) > 0) {
        NJ_OWN slots = PyDict_New();
        if (slots == NULL) {
            return NULL;
        }
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(names); i++) {
            NJ_OWN name = Py_NewRef(PyList_GET_ITEM(names, i));
            PyObject *value;
            if (nj_object_get_optional(obj, name, &value) < 0) {
                return NULL;
            }
            NJ_OWN v = value;
            if (v && PyDict_SetItem(slots, name, v) < 0) {
                return NULL;
            }
        }
        if (PyDict_GET_SIZE(slots) > 0) {
            return PyTuple_Pack(2, state, slots);
        }
    }
    return NJ_TAKE(state);
}

static PyObject *object_getstate(PyObject *self, PyObject *unused);

static PyObject *
getstate(PyObject *obj, bool required)
{
    NJ_OWN func = PyObject_GetAttr(obj, NJ_ID(__getstate__));
    if (func == NULL) {
        return NULL;
    }
    if (PyCFunction_Check(func) && PyCFunction_GET_SELF(func) == obj &&
        PyCFunction_GET_FUNCTION(func) == object_getstate) {
        /* the default knows about `required' */
        return getstate_default(obj, required);
    }
    return PyObject_CallNoArgs(func);
}

static PyObject *
object_getstate(PyObject *self, PyObject *unused)
{
    return getstate_default(self, false);
}

/* Arguments for __new__: 1 = given, 0 = none, -1 = error. Both out: new or NULL. */
static int
newargs(PyObject *obj, PyObject **args, PyObject **kwargs)
{
    *args = *kwargs = NULL;
    NJ_OWN ex = nj_type_special(obj, NJ_ID(__getnewargs_ex__));
    if (ex) {
        NJ_OWN res = PyObject_CallNoArgs(ex);
        if (res == NULL) {
            return -1;
        }
        if (!PyTuple_Check(res)) {
            PyErr_Format(PyExc_TypeError,
                         "__getnewargs_ex__ should return a tuple, not '%.200s'",
                         Py_TYPE(res)->tp_name);
            return -1;
        }
        if (PyTuple_GET_SIZE(res) != 2) {
            PyErr_Format(PyExc_ValueError,
                         "__getnewargs_ex__ should return a tuple of length 2, not %zd",
                         PyTuple_GET_SIZE(res));
            return -1;
        }
        PyObject *a = PyTuple_GET_ITEM(res, 0), *k = PyTuple_GET_ITEM(res, 1);
        if (!PyTuple_Check(a)) {
            PyErr_Format(PyExc_TypeError,
                         "first item of the tuple returned by __getnewargs_ex__ must be "
                         "a tuple, not '%.200s'",
                         Py_TYPE(a)->tp_name);
            return -1;
        }
        if (!PyDict_Check(k)) {
            PyErr_Format(PyExc_TypeError,
                         "second item of the tuple returned by __getnewargs_ex__ must "
                         "be a dict, not '%.200s'",
                         Py_TYPE(k)->tp_name);
            return -1;
        }
        *args = Py_NewRef(a);
        *kwargs = Py_NewRef(k);
        return 1;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    NJ_OWN plain = nj_type_special(obj, NJ_ID(__getnewargs__));
    if (plain) {
        NJ_OWN res = PyObject_CallNoArgs(plain);
        if (res == NULL) {
            return -1;
        }
        if (!PyTuple_Check(res)) {
            PyErr_Format(PyExc_TypeError,
                         "__getnewargs__ should return a tuple, not '%.200s'",
                         Py_TYPE(res)->tp_name);
            return -1;
        }
        *args = NJ_TAKE(res);
        return 1;
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *
reduce_newobj(PyObject *obj)
{
    PyTypeObject *tp = Py_TYPE(obj);
    if (tp->tp_new == NULL) {
        PyErr_Format(PyExc_TypeError, "cannot pickle '%.200s' object", tp->tp_name);
        return NULL;
    }
    PyObject *a, *k;
    if (newargs(obj, &a, &k) < 0) {
        return NULL;
    }
    NJ_OWN args = a;
    NJ_OWN kwargs = k;
    NJ_OWN copyreg = import_copyreg();
    if (copyreg == NULL) {
        return NULL;
    }
    bool hasargs = args != NULL;
    NJ_OWN newobj = NULL;
    NJ_OWN nargs = NULL;
    if (kwargs == NULL || PyDict_GET_SIZE(kwargs) == 0) {
        NJ_SET(newobj, PyObject_GetAttr(copyreg, NJ_ID(__newobj__)));
        Py_ssize_t n = args ? PyTuple_GET_SIZE(args) : 0;
        NJ_SET(nargs, PyTuple_New(n + 1));
        if (newobj == NULL || nargs == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(nargs, 0, Py_NewRef(tp));
        for (Py_ssize_t i = 0; i < n; i++) {
            PyTuple_SET_ITEM(nargs, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
        }
    }
    else {
        NJ_SET(newobj, PyObject_GetAttr(copyreg, NJ_ID(__newobj_ex__)));
        if (newobj == NULL) {
            return NULL;
        }
        NJ_SET(nargs, PyTuple_Pack(3, tp, args, kwargs));
        if (nargs == NULL) {
            return NULL;
        }
    }
    NJ_OWN state =
        getstate(obj, !(hasargs || PyList_Check(obj) || PyDict_Check(obj)));
    if (state == NULL) {
        return NULL;
    }
    NJ_OWN items = Py_NewRef(Py_None);
    if (PyList_Check(obj)) {
        NJ_SET(items, PyObject_GetIter(obj));
    }
    NJ_OWN pairs = Py_NewRef(Py_None);
    if (PyDict_Check(obj)) {
        NJ_OWN view = PyObject_CallMethodNoArgs(obj, NJ_ID(items));
        if (view == NULL) {
            return NULL;
        }
        NJ_SET(pairs, PyObject_GetIter(view));
    }
    if (items == NULL || pairs == NULL) {
        return NULL;
    }
    return PyTuple_Pack(5, newobj, nargs, state, items, pairs);
}

static PyObject *
common_reduce(PyObject *self, int proto)
{
    if (proto >= 2) {
        return reduce_newobj(self);
    }
    NJ_OWN copyreg = import_copyreg();
    NJ_OWN p = copyreg ? PyLong_FromLong(proto) : NULL;
    NJ_OWN func = p ? PyObject_GetAttr(copyreg, NJ_ID(_reduce_ex)) : NULL;
    return func ? PyObject_CallFunctionObjArgs(func, self, p, NULL) : NULL;
}

static PyObject *
object_reduce(PyObject *self, PyObject *unused)
{
    return common_reduce(self, 0);
}

static PyObject *
object_reduce_ex(PyObject *self, PyObject *arg)
{
    int proto = PyLong_AsInt(arg);
    if (proto == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *found;
    if (nj_object_get_optional(self, NJ_ID(__reduce__), &found) < 0) {
        return NULL;
    }
    NJ_OWN reduce = found;
    if (reduce) {
        NJ_OWN clsreduce =
            PyObject_GetAttr((PyObject *)Py_TYPE(self), NJ_ID(__reduce__));
        if (clsreduce == NULL) {
            return NULL;
        }
        PyObject *plain = nj_type_find(&PyBaseObject_Type, NJ_ID(__reduce__));
        if (clsreduce != plain) {
            return PyObject_CallNoArgs(reduce);
        }
    }
    return common_reduce(self, proto);
}

/* ---- the rest ------------------------------------------------------------------------ */

static PyObject *
object_subclasshook(PyObject *cls, PyObject *unused)
{
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *
object_init_subclass(PyObject *cls, PyObject *unused)
{
    Py_RETURN_NONE;
}

static PyObject *
object_format(PyObject *self, PyObject *spec)
{
    if (!PyUnicode_Check(spec)) {
        _PyArg_BadArgument("__format__", "argument", "str", spec);
        return NULL;
    }
    if (PyUnicode_GET_LENGTH(spec) > 0) {
        PyErr_Format(PyExc_TypeError,
                     "unsupported format string passed to %.200s.__format__",
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    return PyObject_Str(self);
}

static PyObject *
object_sizeof(PyObject *self, PyObject *unused)
{
    PyTypeObject *tp = Py_TYPE(self);
    size_t size = (size_t)tp->tp_basicsize;
    if (tp->tp_itemsize > 0) {
        Py_ssize_t n = PyLong_Check(self)
                           ? (Py_ssize_t)(((PyLongObject *)self)->long_value.lv_tag >> 3)
                           : Py_SIZE(self);
        size += (size_t)(n < 0 ? -n : n) * (size_t)tp->tp_itemsize;
    }
    return PyLong_FromSize_t(size);
}

static PyObject *
object_dir(PyObject *self, PyObject *unused)
{
    PyObject *found;
    if (nj_object_get_optional(self, NJ_ID(__dict__), &found) < 0) {
        return NULL;
    }
    NJ_OWN own = found;
    NJ_OWN dict = own && PyDict_Check(own) ? PyDict_Copy(own) : PyDict_New();
    if (dict == NULL) {
        return NULL;
    }
    if (nj_object_get_optional(self, NJ_ID(__class__), &found) < 0) {
        return NULL;
    }
    NJ_OWN cls = found;
    if (cls && nj_type_merge_dir(dict, cls) < 0) {
        return NULL;
    }
    return PyDict_Keys(dict);
}

static PyMethodDef object_methods[] = {
    {"__reduce_ex__", object_reduce_ex, METH_O,
     "__reduce_ex__($self, protocol, /)\n--\n\nHelper for pickle."},
    {"__reduce__", object_reduce, METH_NOARGS,
     "__reduce__($self, /)\n--\n\nHelper for pickle."},
    {"__getstate__", object_getstate, METH_NOARGS,
     "__getstate__($self, /)\n--\n\nHelper for pickle."},
    {"__subclasshook__", object_subclasshook, METH_CLASS | METH_O,
     "__subclasshook__($type, object, /)\n--\n\n"
     "Lets a class decide what issubclass() says; the default has no opinion."},
    {"__init_subclass__", object_init_subclass, METH_CLASS | METH_NOARGS,
     "__init_subclass__($type, /)\n--\n\n"
     "Called for each new subclass; the default does nothing."},
    {"__format__", object_format, METH_O,
     "__format__($self, format_spec, /)\n--\n\nDefault object formatter."},
    {"__sizeof__", object_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nSize of object in memory, in bytes."},
    {"__dir__", object_dir, METH_NOARGS,
     "__dir__($self, /)\n--\n\nDefault dir() implementation."},
    {0},
};

static PyGetSetDef object_getset[] = {
    {"__class__", object_get_class, object_set_class, "the object's class"},
    {0},
};

PyTypeObject PyBaseObject_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "object",
    .tp_basicsize = sizeof(PyObject),
    .tp_dealloc = object_dealloc,
    .tp_repr = object_repr,
    .tp_hash = PyObject_GenericHash,
    .tp_str = object_str,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_setattro = PyObject_GenericSetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "object()\n--\n\n"
              "The base class of the class hierarchy.\n\n"
              "When called, it accepts no arguments and returns a new featureless\n"
              "instance that has no instance attributes and cannot be given any.\n",
    .tp_richcompare = object_richcompare,
    .tp_methods = object_methods,
    .tp_getset = object_getset,
    .tp_init = object_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = nj_object_new,
    .tp_free = PyObject_Free,
};

/* ======================================================================================
 * Functions behind macros
 * ====================================================================================== */

int
(Py_Is)(PyObject *x, PyObject *y)
{
    return x == y;
}

int
(Py_IsNone)(PyObject *x)
{
    return x == Py_None;
}

int
(Py_IsTrue)(PyObject *x)
{
    return x == Py_True;
}

int
(Py_IsFalse)(PyObject *x)
{
    return x == Py_False;
}

/* ---- reprs that contain themselves: a list of the objects at work, per thread ---- */

int
Py_ReprEnter(PyObject *obj)
{
    PyObject *dict = PyThreadState_GetDict();
    if (dict == NULL) {
        return 0; /* no thread state: unprotected */
    }
    PyObject *list;
    if (PyDict_GetItemRef(dict, NJ_ID(Py_Repr), &list) < 0) {
        return -1;
    }
    if (list == NULL) {
        list = PyList_New(0);
        if (list == NULL || PyDict_SetItem(dict, NJ_ID(Py_Repr), list) < 0) {
            Py_XDECREF(list);
            return -1;
        }
    }
    NJ_OWN l = list;
    for (Py_ssize_t i = PyList_GET_SIZE(l) - 1; i >= 0; i--) {
        if (PyList_GET_ITEM(l, i) == obj) {
            return 1;
        }
    }
    return PyList_Append(l, obj) < 0 ? -1 : 0;
}

void
Py_ReprLeave(PyObject *obj)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *dict = PyThreadState_GetDict();
    PyObject *list = dict ? PyDict_GetItemWithError(dict, NJ_ID(Py_Repr)) : NULL;
    if (list && PyList_Check(list)) {
        for (Py_ssize_t i = PyList_GET_SIZE(list) - 1; i >= 0; i--) {
            if (PyList_GET_ITEM(list, i) == obj) {
                if (PyList_SetSlice(list, i, i + 1, NULL) < 0) {
                    PyErr_Clear();
                }
                break;
            }
        }
    }
    PyErr_SetRaisedException(exc);
}

/* array.c - arrays: type * length.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <wchar.h>

#define DATA(o) ((Data *)(o))

/* An array of c_char ('c') or c_wchar ('u')? */
bool
ct_is_char_array(const Info *info, char code)
{
    if (info->kind != KIND_ARRAY) {
        return false;
    }
    Info *item = INFO(info->proto);
    return item->kind == KIND_SIMPLE && item->simple->code == code;
}

/* ======================================================================================
 * value and raw of character arrays
 * ====================================================================================== */

static PyObject *
get_raw(PyObject *self, void *closure)
{
    return PyBytes_FromStringAndSize(DATA(self)->ptr, DATA(self)->size);
}

static int
set_raw(PyObject *self, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_Format(PyExc_AttributeError,
                     "attribute 'raw' of '%.100s' objects cannot be deleted",
                     Py_TYPE(self)->tp_name);
        return -1;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(value, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    if (view.len > DATA(self)->size) {
        PyErr_SetString(PyExc_ValueError, "byte string too long");
        return -1;
    }
    memmove(DATA(self)->ptr, view.buf, (size_t)view.len);
    return 0;
}

static PyObject *
get_chars_value(PyObject *self, void *closure)
{
    return ct_get_chars(DATA(self)->ptr, DATA(self)->size);
}

static int
set_chars_value(PyObject *self, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "can't delete attribute");
        return -1;
    }
    if (!PyBytes_Check(value)) {
        PyErr_Format(PyExc_TypeError, "bytes expected instead of %s instance",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t n = PyBytes_GET_SIZE(value);
    if (n > DATA(self)->size) {
        PyErr_SetString(PyExc_ValueError, "byte string too long");
        return -1;
    }
    memcpy(DATA(self)->ptr, PyBytes_AS_STRING(value), (size_t)n);
    if (n < DATA(self)->size) {
        DATA(self)->ptr[n] = 0;
    }
    return 0;
}

static PyObject *
get_wchars_value(PyObject *self, void *closure)
{
    return ct_get_wchars(DATA(self)->ptr, DATA(self)->size);
}

static int
set_wchars_value(PyObject *self, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "can't delete attribute");
        return -1;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "unicode string expected instead of %s instance",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t room = DATA(self)->size / (Py_ssize_t)sizeof(wchar_t);
    if (PyUnicode_GET_LENGTH(value) > room) {
        PyErr_SetString(PyExc_ValueError, "string too long");
        return -1;
    }
    return PyUnicode_AsWideChar(value, (wchar_t *)DATA(self)->ptr, room) < 0 ? -1 : 0;
}

static PyGetSetDef chars_getset[] = {
    {"raw", get_raw, set_raw, "value", NULL},
    {"value", get_chars_value, set_chars_value, "string value", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyGetSetDef wchars_getset[] = {
    {"value", get_wchars_value, set_wchars_value, "string value", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static int
add_getset(PyObject *type, PyGetSetDef *defs)
{
    for (; defs->name; defs++) {
        NJ_OWN descr = PyDescr_NewGetSet((PyTypeObject *)type, defs);
        if (!descr || PyObject_SetAttrString(type, defs->name, descr) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ======================================================================================
 * The metaclass
 * ====================================================================================== */

static Py_ssize_t
length_of(PyObject *type)
{
    NJ_OWN o = NULL;
    if (PyObject_GetOptionalAttrString(type, "_length_", &o) < 0) {
        return -1;
    }
    if (!o) {
        PyErr_SetString(PyExc_AttributeError, "class must define a '_length_' attribute");
        return -1;
    }
    if (!PyLong_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "The '_length_' attribute must be an integer");
        return -1;
    }
    int overflow;
    long long n = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow < 0 || (!overflow && n < 0)) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError,
                            "The '_length_' attribute must not be negative");
        }
        return -1;
    }
    if (overflow) {
        PyErr_SetString(PyExc_OverflowError, "The '_length_' attribute is too large");
        return -1;
    }
    return (Py_ssize_t)n;
}

static int
array_meta_init(PyObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyType_Type.tp_init(type, args, kwargs) < 0) {
        return -1;
    }
    State *st = ct_state_of(type);
    Py_ssize_t length = st ? length_of(type) : -1;
    if (length < 0) {
        return -1;
    }
    NJ_OWN proto = NULL;
    if (PyObject_GetOptionalAttrString(type, "_type_", &proto) < 0) {
        return -1;
    }
    if (!proto) {
        PyErr_SetString(PyExc_AttributeError, "class must define a '_type_' attribute");
        return -1;
    }
    Info *item = ct_info(st, proto);
    if (!item) {
        PyErr_SetString(PyExc_TypeError, "_type_ must have storage info");
        return -1;
    }
    if (item->size && length > PY_SSIZE_T_MAX / item->size) {
        PyErr_SetString(PyExc_OverflowError, "array too large");
        return -1;
    }
    Info *info = ct_info_init(type, KIND_ARRAY);
    if (!info) {
        return -1;
    }
    info->length = length;
    info->size = length * item->size;
    info->align = item->align;
    info->has_pointer = item->has_pointer;
    info->proto = Py_NewRef(proto);
    info->format = ct_text("%s", item->format ? item->format : "B");
    info->shape = PyMem_New(Py_ssize_t, item->ndim + 1);
    if (!info->format || !info->shape) {
        if (!PyErr_Occurred()) {
            PyErr_NoMemory();
        }
        return -1;
    }
    info->ndim = item->ndim + 1;
    info->shape[0] = length;
    if (item->ndim) {
        memcpy(info->shape + 1, item->shape, (size_t)item->ndim * sizeof(Py_ssize_t));
    }
    info->ffi = &ffi_type_pointer; /* as an argument */
    if (info->size && info->size <= SMALL) {
        for (Py_ssize_t i = 0; i < length; i++) {
            ct_set_class(info, i * item->size, item);
        }
    }
    if (item->kind == KIND_SIMPLE && item->simple->code == 'c') {
        return add_getset(type, chars_getset);
    }
    if (item->kind == KIND_SIMPLE && item->simple->code == 'u') {
        return add_getset(type, wchars_getset);
    }
    return 0;
}

static PyType_Slot array_meta_slots[] = {
    {Py_tp_init, array_meta_init},
    {Py_tp_methods, ct_type_methods},
    {Py_tp_doc, "metatype for the Array Objects"},
    {0, NULL},
};

PyType_Spec ct_array_meta_spec = {
    .name = "_ctypes.PyCArrayType",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = array_meta_slots,
};

/* ======================================================================================
 * The class
 * ====================================================================================== */

static int
array_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    for (Py_ssize_t i = 0; i < n; i++) {
        if (PySequence_SetItem(self, i, PyTuple_GET_ITEM(args, i)) < 0) {
            return -1;
        }
    }
    return 0;
}

static Py_ssize_t
array_length(PyObject *self)
{
    return DATA(self)->length;
}

static int
check_index(PyObject *self, Py_ssize_t i)
{
    if (i < 0 || i >= DATA(self)->length) {
        PyErr_SetString(PyExc_IndexError, "invalid index");
        return -1;
    }
    return 0;
}

static PyObject *
array_item(PyObject *self, Py_ssize_t i)
{
    if (check_index(self, i) < 0) {
        return NULL;
    }
    Info *info = INFO(Py_TYPE(self));
    Py_ssize_t size = INFO(info->proto)->size;
    return ct_get(info->proto, self, i, DATA(self)->ptr + i * size);
}

static int
array_ass_item(PyObject *self, Py_ssize_t i, PyObject *value)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Array does not support item deletion");
        return -1;
    }
    if (check_index(self, i) < 0) {
        return -1;
    }
    Info *info = INFO(Py_TYPE(self));
    Py_ssize_t size = INFO(info->proto)->size;
    return ct_set(self, info->proto, value, i, DATA(self)->ptr + i * size);
}

static PyObject *
slice_of(PyObject *self, PyObject *slice)
{
    Info *info = INFO(Py_TYPE(self));
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(slice, &start, &stop, &step) < 0) {
        return NULL;
    }
    Py_ssize_t n = PySlice_AdjustIndices(DATA(self)->length, &start, &stop, step);
    const char *from = DATA(self)->ptr;
    if (ct_is_char_array(info, 'c')) {
        PyObject *out = PyBytes_FromStringAndSize(NULL, n);
        if (out) {
            char *to = PyBytes_AS_STRING(out);
            for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
                to[i] = from[at];
            }
        }
        return out;
    }
    if (ct_is_char_array(info, 'u')) {
        NJ_OWN_MEM(wchar_t) copy = PyMem_New(wchar_t, n ? n : 1);
        if (!copy) {
            return PyErr_NoMemory();
        }
        for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
            memcpy(&copy[i], from + at * (Py_ssize_t)sizeof(wchar_t), sizeof(wchar_t));
        }
        return PyUnicode_FromWideChar(copy, n);
    }
    NJ_OWN list = PyList_New(n);
    for (Py_ssize_t i = 0, at = start; list && i < n; i++, at += step) {
        PyObject *item = array_item(self, at);
        if (!item) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, item);
    }
    return NJ_TAKE(list);
}

static PyObject *
array_subscript(PyObject *self, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return array_item(self, i < 0 ? i + DATA(self)->length : i);
    }
    if (PySlice_Check(key)) {
        return slice_of(self, key);
    }
    PyErr_SetString(PyExc_TypeError, "indices must be integers");
    return NULL;
}

static int
array_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Array does not support item deletion");
        return -1;
    }
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (i == -1 && PyErr_Occurred()) {
            return -1;
        }
        return array_ass_item(self, i < 0 ? i + DATA(self)->length : i, value);
    }
    if (!PySlice_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "indices must be integer");
        return -1;
    }
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(key, &start, &stop, &step) < 0) {
        return -1;
    }
    Py_ssize_t n = PySlice_AdjustIndices(DATA(self)->length, &start, &stop, step);
    Py_ssize_t given = PyObject_Size(value);
    if (given < 0 && !PyErr_ExceptionMatches(PyExc_TypeError)) {
        return -1;
    }
    if (given != n) {
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError, "Can only assign sequence of same size");
        return -1;
    }
    for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
        NJ_OWN item = PySequence_GetItem(value, i);
        if (!item || array_ass_item(self, at, item) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyMethodDef array_methods[] = {
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     SIG("__class_getitem__($type, object, /)") "Arrays are generic over the type of "
                                                "their elements"},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(array_doc,
             "Abstract base class of arrays.\n\n"
             "Multiply a C type by a length to get an array type; or derive from this\n"
             "class and define _length_ and _type_. Items are read and written by index\n"
             "and slice; a slice that is read is no Array itself.");

static PyType_Slot array_slots[] = {
    {Py_tp_doc, (void *)array_doc},
    {Py_tp_new, ct_new},
    {Py_tp_init, array_init},
    {Py_tp_methods, array_methods},
    {Py_sq_length, array_length},
    {Py_sq_item, array_item},
    {Py_sq_ass_item, array_ass_item},
    {Py_mp_length, array_length},
    {Py_mp_subscript, array_subscript},
    {Py_mp_ass_subscript, array_ass_subscript},
    {Py_bf_getbuffer, ct_getbuffer},
    {0, NULL},
};

PyType_Spec ct_array_spec = {
    .name = "_ctypes.Array",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = array_slots,
};

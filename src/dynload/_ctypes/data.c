/* data.c - instances: where their memory is, what they keep alive, pickling, buffers.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

/* ======================================================================================
 * Making instances
 * ====================================================================================== */

static Info *
concrete(PyTypeObject *type)
{
    State *st = ct_state_of((PyObject *)type);
    Info *info = st ? ct_info(st, (PyObject *)type) : NULL;
    if (st && !info) {
        PyErr_SetString(PyExc_TypeError, "abstract class");
    }
    return info;
}

/* An instance without memory. */
static Data *
new_bare(PyTypeObject *type, Info *info)
{
    Data *self = (Data *)type->tp_alloc(type, 0);
    if (self) {
        info->final = true;
        self->length = info->length;
        self->size = info->size;
    }
    return self;
}

/* tp_new: a zeroed instance. */
PyObject *
ct_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    Info *info = concrete(type);
    Data *self = info ? new_bare(type, info) : NULL;
    if (!self) {
        return NULL;
    }
    self->needs_free = 1;
    self->ptr = self->value.bytes;
    if ((size_t)self->size > sizeof(Value)) {
        self->ptr = PyMem_Calloc(1, (size_t)self->size);
        if (!self->ptr) {
            self->needs_free = 0;
            Py_DECREF(self);
            return PyErr_NoMemory();
        }
    }
    return (PyObject *)self;
}

PyObject *
ct_at_address(PyObject *type, void *p)
{
    if (PySys_Audit("ctypes.cdata", "n", (Py_ssize_t)p) < 0) {
        return NULL;
    }
    Info *info = concrete((PyTypeObject *)type);
    Data *self = info ? new_bare((PyTypeObject *)type, info) : NULL;
    if (self) {
        self->ptr = p;
    }
    return (PyObject *)self;
}

/* An instance over p, which is memory of base, the item of that index; without a base a
 * copy of what is at p. */
PyObject *
ct_view(PyObject *type, PyObject *base, Py_ssize_t index, char *p)
{
    Info *info = concrete((PyTypeObject *)type);
    if (!info) {
        return NULL;
    }
    if (!base) {
        PyObject *self = ct_new((PyTypeObject *)type, NULL, NULL);
        if (self) {
            memcpy(((Data *)self)->ptr, p, (size_t)info->size);
        }
        return self;
    }
    Data *self = new_bare((PyTypeObject *)type, info);
    if (self) {
        self->ptr = p;
        self->base = (Data *)Py_NewRef(base);
        self->index = index;
    }
    return (PyObject *)self;
}

/* ======================================================================================
 * Keeping objects alive
 * ====================================================================================== */

Data *
ct_container(Data *self)
{
    while (self->base) {
        self = self->base;
    }
    if (!self->objects && self->length) {
        self->objects = PyDict_New();
        if (!self->objects) {
            return NULL;
        }
    }
    return self;
}

/* "2:0:1": the index in each instance on the way out */
static PyObject *
key_of(Data *self, Py_ssize_t index)
{
    NJ_OWN key = PyUnicode_FromFormat("%x", (int)index);
    while (key && self->base) {
        NJ_SET(key, PyUnicode_FromFormat("%U:%x", key, (int)self->index));
        self = self->base;
    }
    return NJ_TAKE(key);
}

int
ct_keep(Data *self, Py_ssize_t index, PyObject *keep_stolen)
{
    NJ_OWN keep = keep_stolen;
    if (keep == Py_None) {
        return 0;
    }
    Data *top = ct_container(self);
    if (!top) {
        return -1;
    }
    if (!top->objects || !PyDict_CheckExact(top->objects)) {
        NJ_SET(top->objects, NJ_TAKE(keep));
        return 0;
    }
    NJ_OWN key = key_of(self, index);
    return key ? PyDict_SetItem(top->objects, key, keep) : -1;
}

/* What self keeps alive, as one object to be kept by another; None if nothing. */
static PyObject *
kept_by(Data *self)
{
    Data *top = ct_container(self);
    if (!top) {
        return NULL;
    }
    return Py_NewRef(top->objects ? top->objects : Py_None);
}

/* ======================================================================================
 * Items: reading and writing through a type
 * ====================================================================================== */

/* The item of that type at p, which is memory of self. */
PyObject *
ct_get(PyObject *type, PyObject *self, Py_ssize_t index, char *p)
{
    Info *info = concrete((PyTypeObject *)type);
    if (!info) {
        return NULL;
    }
    if (info->get && !ct_is_simple_subclass(info->st, type)) {
        return info->get(p, info->size);
    }
    return ct_view(type, self, index, p);
}

static PyObject *
set_from_pointer_target(Info *info, PyObject *type, PyObject *value, char *p)
{
    State *st = info->st;
    /* an array where a pointer to its items is wanted */
    if (info->kind == KIND_POINTER && PyObject_TypeCheck(value, st->array) && info->proto) {
        Info *from = INFO(Py_TYPE(value));
        if (from->proto && PyType_Check(from->proto) &&
            PyType_IsSubtype((PyTypeObject *)from->proto, (PyTypeObject *)info->proto)) {
            memcpy(p, &((Data *)value)->ptr, sizeof(void *));
            NJ_OWN kept = kept_by((Data *)value);
            return kept ? PyTuple_Pack(2, kept, value) : NULL;
        }
    }
    PyErr_Format(PyExc_TypeError, "incompatible types, %s instance instead of %s instance",
                 Py_TYPE(value)->tp_name, ((PyTypeObject *)type)->tp_name);
    return NULL;
}

/* Writes value: a new reference to what must be kept alive for it. */
static PyObject *
set_item(PyObject *type, PyObject *value, char *p)
{
    Info *info = concrete((PyTypeObject *)type);
    if (!info) {
        return NULL;
    }
    State *st = info->st;
    if (info->set && !ct_is_data(st, value)) {
        return info->set(p, value, info->size);
    }
    if (!ct_is_data(st, value)) {
        if (PyTuple_Check(value)) {
            NJ_OWN made = PyObject_CallObject(type, value);
            if (!made) {
                NJ_OWN exc = PyErr_GetRaisedException();
                if (exc && PyErr_GivenExceptionMatches(exc, PyExc_Exception)) {
                    NJ_OWN text = PyObject_Str(exc);
                    if (text) {
                        PyErr_Format(PyExc_RuntimeError, "(%s) %s: %S",
                                     ((PyTypeObject *)type)->tp_name,
                                     Py_TYPE(exc)->tp_name, text);
                    }
                }
                else {
                    PyErr_SetRaisedException(NJ_TAKE(exc));
                }
                return NULL;
            }
            return set_item(type, made, p);
        }
        if (info->kind == KIND_POINTER && value == Py_None) {
            memset(p, 0, sizeof(void *));
            Py_RETURN_NONE;
        }
        PyErr_Format(PyExc_TypeError, "expected %s instance, got %s",
                     ((PyTypeObject *)type)->tp_name, Py_TYPE(value)->tp_name);
        return NULL;
    }
    int rc = PyObject_IsInstance(value, type);
    if (rc < 0) {
        return NULL;
    }
    if (!rc) {
        return set_from_pointer_target(info, type, value, p);
    }
    Data *from = (Data *)value;
    memmove(p, from->ptr, (size_t)info->size);
    return kept_by(from);
}

int
ct_set(PyObject *self, PyObject *type, PyObject *value, Py_ssize_t index, char *p)
{
    PyObject *keep = set_item(type, value, p);
    return keep ? ct_keep((Data *)self, index, keep) : -1;
}

/* ======================================================================================
 * The base class
 * ====================================================================================== */

int
ct_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Data *)self)->objects);
    Py_VISIT(((Data *)self)->base);
    return 0;
}

int
ct_clear(PyObject *self)
{
    /* Neither the memory nor the base that owns it: others may still look there, and any
     * cycle leads through `objects' or a __dict__. */
    Py_CLEAR(((Data *)self)->objects);
    return 0;
}

void
ct_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Data *data = (Data *)self;
    Py_CLEAR(data->objects);
    if (data->needs_free && data->ptr != data->value.bytes) {
        PyMem_Free(data->ptr);
    }
    Py_CLEAR(data->base);
    type->tp_free(self);
    Py_DECREF(type);
}

static Py_hash_t
data_hash(PyObject *self)
{
    PyErr_SetString(PyExc_TypeError, "unhashable type");
    return -1;
}

int
ct_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    Data *data = (Data *)self;
    if (!view) {
        return 0;
    }
    Info *item = INFO(Py_TYPE(self));
    Info *outer = item;
    while (item->kind == KIND_ARRAY) {
        item = INFO(item->proto);
    }
    view->buf = data->ptr;
    view->obj = Py_NewRef(self);
    view->len = data->size;
    view->readonly = 0;
    view->format = outer->format ? outer->format : "B";
    view->ndim = outer->ndim;
    view->shape = outer->shape;
    view->itemsize = item->size;
    view->strides = NULL;
    view->suboffsets = NULL;
    view->internal = NULL;
    return 0;
}

static PyObject *
data_from_outparam(PyObject *self, PyObject *ignored)
{
    return Py_NewRef(self);
}

static PyObject *
data_reduce(PyObject *self, PyObject *ignored)
{
    Data *data = (Data *)self;
    Info *info = INFO(Py_TYPE(self));
    if (info->has_pointer) {
        PyErr_SetString(PyExc_ValueError,
                        "ctypes objects containing pointers cannot be pickled");
        return NULL;
    }
    NJ_OWN dict = PyObject_GetAttrString(self, "__dict__");
    if (!dict) {
        return NULL;
    }
    return Py_BuildValue("O(O(Oy#))", info->st->unpickle, Py_TYPE(self), dict, data->ptr,
                         data->size);
}

static PyObject *
data_setstate(PyObject *self, PyObject *args)
{
    Data *data = (Data *)self;
    PyObject *dict;
    const char *bytes;
    Py_ssize_t n;
    if (!PyArg_ParseTuple(args, "O!s#:__setstate__", &PyDict_Type, &dict, &bytes, &n)) {
        return NULL;
    }
    memmove(data->ptr, bytes, (size_t)(n < data->size ? n : data->size));
    NJ_OWN own = PyObject_GetAttrString(self, "__dict__");
    if (!own) {
        return NULL;
    }
    if (!PyDict_Check(own)) {
        PyErr_Format(PyExc_TypeError, "%.200s.__dict__ must be a dictionary, not %.200s",
                     Py_TYPE(self)->tp_name, Py_TYPE(own)->tp_name);
        return NULL;
    }
    if (PyDict_Update(own, dict) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef data_methods[] = {
    {"__ctypes_from_outparam__", data_from_outparam, METH_NOARGS,
     SIG("__ctypes_from_outparam__($self, /)") "The instance itself, by default."},
    {"__reduce__", data_reduce, METH_NOARGS, SIG("__reduce__($self, /)")},
    {"__setstate__", data_setstate, METH_VARARGS,
     SIG("__setstate__($self, dict, data, /)")},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef data_members[] = {
    {"_b_base_", _Py_T_OBJECT, offsetof(Data, base), Py_READONLY, "the base object"},
    {"_b_needsfree_", Py_T_INT, offsetof(Data, needs_free), Py_READONLY,
     "whether the object owns the memory or not"},
    {"_objects", _Py_T_OBJECT, offsetof(Data, objects), Py_READONLY,
     "internal objects tree (NEVER CHANGE THIS OBJECT!)"},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot data_slots[] = {
    {Py_tp_doc, "Base of all C data."},
    {Py_tp_dealloc, ct_dealloc},
    {Py_tp_traverse, ct_traverse},
    {Py_tp_clear, ct_clear},
    {Py_tp_hash, data_hash},
    {Py_tp_methods, data_methods},
    {Py_tp_members, data_members},
    {Py_bf_getbuffer, ct_getbuffer},
    {0, NULL},
};

PyType_Spec ct_data_spec = {
    .name = "_ctypes._CData",
    .basicsize = sizeof(Data),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = data_slots,
};

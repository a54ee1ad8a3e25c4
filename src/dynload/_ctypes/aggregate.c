/* aggregate.c - structures and unions. ctypes._layout works out where the fields are.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

/* ======================================================================================
 * Assignment of _fields_
 * ====================================================================================== */

/* The members of the anonymous field f become members of type, too. */
static int
lift_members(State *st, PyObject *type, Field *f)
{
    NJ_OWN fields = PyObject_GetAttrString(f->type, "_fields_");
    NJ_OWN seq = fields ? PySequence_Fast(fields, "_fields_ must be a sequence") : NULL;
    if (!seq) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++) {
        NJ_OWN pair = PySequence_Tuple(PySequence_Fast_GET_ITEM(seq, i));
        if (!pair) {
            return -1;
        }
        if (PyTuple_GET_SIZE(pair) < 2 || !PyUnicode_Check(PyTuple_GET_ITEM(pair, 0))) {
            PyErr_SetString(PyExc_TypeError, "_fields_ must be a sequence of pairs");
            return -1;
        }
        PyObject *name = PyTuple_GET_ITEM(pair, 0);
        NJ_OWN inner = PyObject_GetAttr(f->type, name);
        if (!inner) {
            return -1;
        }
        if (!Py_IS_TYPE(inner, st->field)) {
            PyErr_SetString(PyExc_TypeError, "unexpected type");
            return -1;
        }
        if (((Field *)inner)->anonymous) {
            Field outer = *f;
            outer.type = ((Field *)inner)->type;
            outer.byte_offset += ((Field *)inner)->byte_offset;
            outer.index += ((Field *)inner)->index;
            if (lift_members(st, type, &outer) < 0) {
                return -1;
            }
            continue;
        }
        NJ_OWN lifted = ct_field_clone((Field *)inner, f->index, f->byte_offset);
        if (!lifted || PyObject_SetAttr(type, name, lifted) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
lift_anonymous(State *st, PyObject *type)
{
    NJ_OWN names = NULL;
    if (PyObject_GetOptionalAttrString(type, "_anonymous_", &names) < 0) {
        return -1;
    }
    if (!names) {
        return 0;
    }
    NJ_OWN seq = PySequence_Fast(names, "_anonymous_ must be a sequence");
    if (!seq) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++) {
        PyObject *name = PySequence_Fast_GET_ITEM(seq, i);
        NJ_OWN f = PyObject_GetAttr(type, name);
        if (!f) {
            return -1;
        }
        if (!Py_IS_TYPE(f, st->field)) {
            PyErr_Format(PyExc_AttributeError,
                         "'%U' is specified in _anonymous_ but not in _fields_", name);
            return -1;
        }
        ((Field *)f)->anonymous = true;
        if (lift_members(st, type, (Field *)f) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
lay_out(State *st, PyObject *type, PyObject *fields, bool is_struct, PyObject *base)
{
    if (!st->get_layout) {
        NJ_OWN module = PyImport_ImportModule("ctypes._layout");
        st->get_layout = module ? PyObject_GetAttrString(module, "get_layout") : NULL;
        if (!st->get_layout) {
            return NULL;
        }
    }
    return PyObject_CallFunctionObjArgs(st->get_layout, type, fields,
                                        is_struct ? Py_True : Py_False, base, NULL);
}

static int
ssize_attr(PyObject *o, const char *name, Py_ssize_t *out)
{
    NJ_OWN v = PyObject_GetAttrString(o, name);
    if (!v) {
        return -1;
    }
    if (!PyLong_Check(v)) {
        PyErr_Format(PyExc_TypeError, "%s must be an int", name);
        return -1;
    }
    *out = PyLong_AsSsize_t(v);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
take_fields(State *st, PyObject *type, Info *info, PyObject *fields)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(fields); i++) {
        PyObject *o = PyTuple_GET_ITEM(fields, i);
        if (!Py_IS_TYPE(o, st->field)) {
            PyErr_Format(PyExc_TypeError, "fields must be of type CField, got %R", o);
            return -1;
        }
        Field *f = (Field *)o;
        Info *part = INFO(f->type);
        part->final = true;
        info->has_pointer |= part->has_pointer;
        Info whole = *part;
        if (f->bit_size) { /* only the bytes its bits lie in */
            whole.size = (f->bit_offset + f->bit_size + 7) / 8;
            whole.kind = KIND_STRUCT;
            for (int b = 0; b < f->bit_offset / 8; b++) {
                whole.classes[b] = CLASS_NONE;
            }
        }
        ct_set_class(info, f->byte_offset, &whole);
        if (PyObject_SetAttr(type, f->name, o) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
update_fields(PyObject *type, PyObject *fields, bool is_struct)
{
    Info *info = INFO(type);
    if (!info->st) {
        PyErr_SetString(PyExc_TypeError, "ctypes state is not initialized");
        return -1;
    }
    State *st = info->st;
    if (info->final) {
        PyErr_SetString(PyExc_AttributeError, "_fields_ is final");
        return -1;
    }
    PyObject *base = (PyObject *)((PyTypeObject *)type)->tp_base;
    Info *base_info = ct_info(st, base);
    NJ_OWN layout = lay_out(st, type, fields, is_struct, base_info ? base : Py_None);
    Py_ssize_t size, align;
    if (!layout || ssize_attr(layout, "align", &align) < 0 ||
        ssize_attr(layout, "size", &size) < 0) {
        return -1;
    }
    NJ_OWN format = PyObject_GetAttrString(layout, "format_spec");
    NJ_OWN made = format ? PyObject_GetAttrString(layout, "fields") : NULL;
    NJ_OWN all = made ? PySequence_Tuple(made) : NULL;
    if (!all) {
        return -1;
    }
    if (size < 0 || align < 1 || !PyUnicode_Check(format)) {
        PyErr_SetString(PyExc_ValueError, "bad layout");
        return -1;
    }
    const char *text = PyUnicode_AsUTF8(format);
    char *copy = text ? ct_text("%s", text) : NULL;
    if (!copy) {
        return -1;
    }
    PyMem_Free(info->format);
    info->format = copy;
    if (take_fields(st, type, info, all) < 0) {
        return -1;
    }
    if (info->final) {
        PyErr_SetString(PyExc_AttributeError,
                        "Structure or union cannot contain itself");
        return -1;
    }
    info->final = true;
    info->size = size;
    info->align = align;
    info->length = PyTuple_GET_SIZE(all) + (base_info ? base_info->length : 0);
    ct_finish_ffi(info);
    return lift_anonymous(st, type);
}

/* ======================================================================================
 * The metaclasses
 * ====================================================================================== */

static int
meta_init(PyObject *type, PyObject *args, PyObject *kwargs, bool is_struct)
{
    if (PyType_Type.tp_init(type, args, kwargs) < 0) {
        return -1;
    }
    NJ_OWN dict = PyType_GetDict((PyTypeObject *)type);
    int abstract = dict ? PyDict_ContainsString(dict, "_abstract_") : -1;
    if (abstract) {
        return abstract < 0 ? -1 : 0;
    }
    NJ_OWN fields = NULL;
    if (PyDict_GetItemStringRef(dict, "_fields_", &fields) < 0) {
        return -1;
    }
    Info *info = ct_info_init(type, is_struct ? KIND_STRUCT : KIND_UNION);
    if (!info) {
        return -1;
    }
    info->align = 1;
    Info *base = ct_info(info->st, (PyObject *)((PyTypeObject *)type)->tp_base);
    if (base) {
        base->final = true;
        info->size = base->size;
        info->align = base->align;
        info->length = base->length;
        info->has_pointer = base->has_pointer;
        memcpy(info->classes, base->classes, sizeof info->classes);
        if (base->format) {
            info->format = ct_text("%s", base->format);
            if (!info->format) {
                return -1;
            }
        }
    }
    else {
        info->format = ct_text("B");
        if (!info->format) {
            return -1;
        }
    }
    ct_finish_ffi(info);
    return fields ? PyObject_SetAttrString(type, "_fields_", fields) : 0;
}

static int
struct_meta_init(PyObject *type, PyObject *args, PyObject *kwargs)
{
    return meta_init(type, args, kwargs, true);
}

static int
union_meta_init(PyObject *type, PyObject *args, PyObject *kwargs)
{
    return meta_init(type, args, kwargs, false);
}

static int
meta_setattro(PyObject *type, PyObject *name, PyObject *value, bool is_struct)
{
    if (value && PyUnicode_Check(name) && PyUnicode_EqualToUTF8(name, "_fields_") &&
        update_fields(type, value, is_struct) < 0) {
        return -1;
    }
    return PyType_Type.tp_setattro(type, name, value);
}

static int
struct_meta_setattro(PyObject *type, PyObject *name, PyObject *value)
{
    return meta_setattro(type, name, value, true);
}

static int
union_meta_setattro(PyObject *type, PyObject *name, PyObject *value)
{
    return meta_setattro(type, name, value, false);
}

static PyType_Slot struct_meta_slots[] = {
    {Py_tp_setattro, struct_meta_setattro},
    {Py_tp_init, struct_meta_init},
    {Py_tp_methods, ct_type_methods},
    {Py_tp_doc, "metatype for the CData Objects"},
    {0, NULL},
};

PyType_Spec ct_struct_meta_spec = {
    .name = "_ctypes.PyCStructType",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = struct_meta_slots,
};

static PyType_Slot union_meta_slots[] = {
    {Py_tp_setattro, union_meta_setattro},
    {Py_tp_init, union_meta_init},
    {Py_tp_methods, ct_type_methods},
    {Py_tp_doc, "metatype for the Union Objects"},
    {0, NULL},
};

PyType_Spec ct_union_meta_spec = {
    .name = "_ctypes.UnionType",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = union_meta_slots,
};

/* ======================================================================================
 * The classes
 * ====================================================================================== */

/* Sets the fields of type (those of its bases first) from positional arguments from at on:
 * the index of the first one left, or -1. */
static Py_ssize_t
set_positional(PyObject *self, PyTypeObject *type, PyObject *args, PyObject *kwargs,
               Py_ssize_t at)
{
    State *st = INFO(Py_TYPE(self))->st;
    if (ct_info(st, (PyObject *)type->tp_base)) {
        at = set_positional(self, type->tp_base, args, kwargs, at);
        if (at < 0) {
            return -1;
        }
    }
    NJ_OWN dict = PyType_GetDict(type);
    NJ_OWN fields = NULL;
    if (!dict || PyDict_GetItemStringRef(dict, "_fields_", &fields) < 0) {
        return -1;
    }
    Py_ssize_t n = fields ? PySequence_Size(fields) : 0;
    if (n < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n && at < PyTuple_GET_SIZE(args); i++, at++) {
        NJ_OWN pair = PySequence_GetItem(fields, i);
        NJ_OWN name = pair ? PySequence_GetItem(pair, 0) : NULL;
        if (!name) {
            return -1;
        }
        int twice = kwargs ? PyDict_Contains(kwargs, name) : 0;
        if (twice > 0) {
            PyErr_Format(PyExc_TypeError, "duplicate values for field %R", name);
        }
        if (twice || PyObject_SetAttr(self, name, PyTuple_GET_ITEM(args, at)) < 0) {
            return -1;
        }
    }
    return at;
}

static int
aggregate_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args)) {
        Py_ssize_t used = set_positional(self, Py_TYPE(self), args, kwargs, 0);
        if (used < 0) {
            return -1;
        }
        if (used < PyTuple_GET_SIZE(args)) {
            PyErr_SetString(PyExc_TypeError, "too many initializers");
            return -1;
        }
    }
    if (kwargs) {
        PyObject *key, *value;
        Py_ssize_t pos = 0;
        while (PyDict_Next(kwargs, &pos, &key, &value)) {
            if (PyObject_SetAttr(self, key, value) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

static PyType_Slot struct_slots[] = {
    {Py_tp_doc, "Structure base class"},
    {Py_tp_new, ct_new},
    {Py_tp_init, aggregate_init},
    {Py_bf_getbuffer, ct_getbuffer},
    {0, NULL},
};

PyType_Spec ct_struct_spec = {
    .name = "_ctypes.Structure",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = struct_slots,
};

static PyType_Slot union_slots[] = {
    {Py_tp_doc, "Union base class"},
    {Py_tp_new, ct_new},
    {Py_tp_init, aggregate_init},
    {Py_bf_getbuffer, ct_getbuffer},
    {0, NULL},
};

PyType_Spec ct_union_spec = {
    .name = "_ctypes.Union",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = union_slots,
};

/* field.c - CField: the descriptor of one member of a structure or union.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <byteswap.h>

#define FIELD(o) ((Field *)(o))

static int
check_bits(Field *f, Info *info, PyObject *bit_size, PyObject *bit_offset)
{
    if (bit_size == Py_None) {
        if (bit_offset && bit_offset != Py_None) {
            PyErr_Format(PyExc_ValueError,
                         "field %R: bit_offset must be specified if bit_size is", f->name);
            return -1;
        }
        return 0;
    }
    if (!bit_offset || !PyLong_Check(bit_size) || !PyLong_Check(bit_offset)) {
        PyErr_SetString(PyExc_TypeError, "an integer is required");
        return -1;
    }
    Py_ssize_t size = PyLong_AsSsize_t(bit_size);
    Py_ssize_t offset = size == -1 && PyErr_Occurred() ? -1 : PyLong_AsSsize_t(bit_offset);
    if (PyErr_Occurred()) {
        return -1;
    }
    if (size <= 0 || size > 255) {
        PyErr_Format(PyExc_ValueError, "bit size of field %R out of range, got %zd",
                     f->name, size);
        return -1;
    }
    if (offset < 0 || offset > 255) {
        PyErr_Format(PyExc_ValueError, "bit offset of field %R out of range, got %zd",
                     f->name, offset);
        return -1;
    }
    if (offset + size > info->size * 8) {
        PyErr_Format(PyExc_ValueError, "bit field %R overflows its type (%zd + %zd > %zd)",
                     f->name, offset, size, info->size * 8);
        return -1;
    }
    if (info->kind != KIND_SIMPLE || !info->simple->bits) {
        PyErr_Format(PyExc_TypeError, "bit fields not allowed for type %s",
                     ((PyTypeObject *)f->type)->tp_name);
        return -1;
    }
    f->bit_size = (uint16_t)size;
    f->bit_offset = (uint16_t)offset;
    return 0;
}

static PyObject *
field_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name",  "type",          "byte_size", "byte_offset",
                            "index", "_internal_use", "bit_size",  "bit_offset",
                            NULL};
    PyObject *o[8] = {NULL}; /* in the order of names */
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOOOOOO:CField", names, &o[0], &o[1],
                                     &o[2], &o[3], &o[4], &o[5], &o[6], &o[7])) {
        return NULL;
    }
    for (int i = 0; i < 6; i++) {
        if (!o[i]) {
            PyErr_Format(PyExc_TypeError,
                         "CField() missing required argument '%s' (pos %d)", names[i],
                         i + 1);
            return NULL;
        }
    }
    PyObject *name = o[0], *proto = o[1];
    PyObject *bit_size = o[6] ? o[6] : Py_None, *bit_offset = o[7];
    Py_ssize_t sizes[3];
    for (int i = 0; i < 3; i++) {
        NJ_OWN index = PyNumber_Index(o[2 + i]);
        sizes[i] = index ? PyLong_AsSsize_t(index) : -1;
        if (sizes[i] == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    Py_ssize_t byte_size = sizes[0], byte_offset = sizes[1], index = sizes[2];
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "CField() argument 'name' must be str, not %.50s",
                     Py_IsNone(name) ? "None" : Py_TYPE(name)->tp_name);
        return NULL;
    }
    State *st = PyType_GetModuleState(type);
    if (!st) {
        return NULL;
    }
    Info *info = ct_info(st, proto);
    if (!info) {
        PyErr_Format(PyExc_TypeError, "type of field %R must be a C type", name);
        return NULL;
    }
    if (byte_size < 0) {
        PyErr_Format(PyExc_ValueError, "byte size of field %R must not be negative, got %zd",
                     name, byte_size);
        return NULL;
    }
    if (byte_size != info->size) {
        PyErr_Format(PyExc_ValueError,
                     "byte size of field %R (%zd) does not match type size (%zd)", name,
                     byte_size, info->size);
        return NULL;
    }
    NJ_OWN self = type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    Field *f = FIELD(self);
    f->name = PyUnicode_FromObject(name);
    if (!f->name) {
        return NULL;
    }
    PyUnicode_InternInPlace(&f->name);
    f->type = Py_NewRef(proto);
    f->byte_size = byte_size;
    f->byte_offset = byte_offset;
    f->index = index;
    return check_bits(f, info, bit_size, bit_offset) < 0 ? NULL : NJ_TAKE(self);
}

/* The same member seen from an outer structure. */
PyObject *
ct_field_clone(Field *f, Py_ssize_t index, Py_ssize_t offset)
{
    PyTypeObject *type = Py_TYPE(f);
    PyObject *self = type->tp_alloc(type, 0);
    if (self) {
        Field *to = FIELD(self);
        to->name = Py_NewRef(f->name);
        to->type = Py_NewRef(f->type);
        to->byte_size = f->byte_size;
        to->byte_offset = f->byte_offset + offset;
        to->index = f->index + index;
        to->bit_size = f->bit_size;
        to->bit_offset = f->bit_offset;
    }
    return self;
}

static int
field_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(FIELD(self)->type);
    return 0;
}

static int
field_clear(PyObject *self)
{
    Py_CLEAR(FIELD(self)->type);
    return 0;
}

static void
field_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(FIELD(self)->type);
    Py_CLEAR(FIELD(self)->name);
    tp->tp_free(self);
    Py_DECREF(tp);
}

/* ======================================================================================
 * Reading and writing
 * ====================================================================================== */

static uint64_t
load_bits(const char *p, Py_ssize_t size, bool swapped)
{
    uint64_t v = 0;
    memcpy(&v, p, (size_t)size);
    if (!swapped) {
        return v;
    }
    return size == 2   ? bswap_16((uint16_t)v)
           : size == 4 ? bswap_32((uint32_t)v)
           : size == 8 ? bswap_64(v)
                       : v;
}

static PyObject *
get_bits(Field *f, Info *info, const char *p)
{
    uint64_t v = load_bits(p, f->byte_size, info->swapped) >> f->bit_offset;
    int unused = 64 - f->bit_size;
    v <<= unused;
    if (info->simple->code == '?') {
        return PyBool_FromLong(v != 0);
    }
    if (info->simple->is_signed) {
        return PyLong_FromLongLong((int64_t)v >> unused);
    }
    return PyLong_FromUnsignedLongLong(v >> unused);
}

static int
set_bits(Field *f, Info *info, char *p, PyObject *value)
{
    uint64_t given = 0;
    NJ_OWN keep = info->simple->set(&given, value, f->byte_size);
    if (!keep) {
        return -1;
    }
    uint64_t mask = f->bit_size == 64 ? ~0ull : (1ull << f->bit_size) - 1;
    uint64_t v = load_bits(p, f->byte_size, info->swapped);
    v = (v & ~(mask << f->bit_offset)) | (given & mask) << f->bit_offset;
    v = load_bits((char *)&v, f->byte_size, info->swapped);
    memcpy(p, &v, (size_t)f->byte_size);
    return 0;
}

static State *
state_for(PyObject *self, PyObject *inst)
{
    State *st = PyType_GetModuleState(Py_TYPE(self));
    if (st && !ct_is_data(st, inst)) {
        PyErr_SetString(PyExc_TypeError, "not a ctype instance");
        return NULL;
    }
    return st;
}

static PyObject *
field_get(PyObject *self, PyObject *inst, PyObject *type)
{
    if (!inst) {
        return Py_NewRef(self);
    }
    State *st = state_for(self, inst);
    if (!st) {
        return NULL;
    }
    Field *f = FIELD(self);
    char *p = ((Data *)inst)->ptr + f->byte_offset;
    Info *info = INFO(f->type);
    if (f->bit_size) {
        return get_bits(f, info, p);
    }
    if (info->kind == KIND_ARRAY) {
        if (ct_is_char_array(info, 'c')) {
            return ct_get_chars(p, f->byte_size);
        }
        if (ct_is_char_array(info, 'u')) {
            return ct_get_wchars(p, f->byte_size);
        }
    }
    return ct_get(f->type, inst, f->index, p);
}

static int
field_set(PyObject *self, PyObject *inst, PyObject *value)
{
    State *st = state_for(self, inst);
    if (!st) {
        return -1;
    }
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "can't delete attribute");
        return -1;
    }
    Field *f = FIELD(self);
    char *p = ((Data *)inst)->ptr + f->byte_offset;
    Info *info = INFO(f->type);
    if (f->bit_size) {
        return set_bits(f, info, p, value);
    }
    if (info->kind == KIND_ARRAY) {
        bool narrow = ct_is_char_array(info, 'c');
        if (narrow || ct_is_char_array(info, 'u')) {
            NJ_OWN keep = (narrow ? ct_set_chars : ct_set_wchars)(p, value, f->byte_size);
            return keep ? 0 : -1;
        }
    }
    return ct_set(inst, f->type, value, f->index, p);
}

static PyObject *
field_repr(PyObject *self)
{
    Field *f = FIELD(self);
    const char *name = f->type ? ((PyTypeObject *)f->type)->tp_name : "?";
    if (f->bit_size) {
        return PyUnicode_FromFormat(
            "<%s %R type=%s, ofs=%zd, bit_size=%d, bit_offset=%d>", Py_TYPE(self)->tp_name,
            f->name, name, f->byte_offset, (int)f->bit_size, (int)f->bit_offset);
    }
    return PyUnicode_FromFormat("<%s %R type=%s, ofs=%zd, size=%zd>",
                                Py_TYPE(self)->tp_name, f->name, name, f->byte_offset,
                                f->byte_size);
}

static PyObject *
get_size(PyObject *self, void *closure)
{
    Field *f = FIELD(self);
    return PyLong_FromSsize_t(f->bit_size ? ((Py_ssize_t)f->bit_size << 16) | f->bit_offset
                                          : f->byte_size);
}

static PyObject *
get_bit_size(PyObject *self, void *closure)
{
    Field *f = FIELD(self);
    if (f->bit_size) {
        return PyLong_FromLong(f->bit_size);
    }
    NJ_OWN bytes = PyLong_FromSsize_t(f->byte_size);
    NJ_OWN shift = bytes ? PyLong_FromLong(3) : NULL;
    return shift ? PyNumber_Lshift(bytes, shift) : NULL;
}

static PyObject *
is_bitfield(PyObject *self, void *closure)
{
    return PyBool_FromLong(FIELD(self)->bit_size);
}

static PyObject *
is_anonymous(PyObject *self, void *closure)
{
    return PyBool_FromLong(FIELD(self)->anonymous);
}

static PyMemberDef field_members[] = {
    {"name", Py_T_OBJECT_EX, offsetof(Field, name), Py_READONLY, "name of this field"},
    {"type", Py_T_OBJECT_EX, offsetof(Field, type), Py_READONLY, "type of this field"},
    {"offset", Py_T_PYSSIZET, offsetof(Field, byte_offset), Py_READONLY,
     "offset in bytes of this field (same as byte_offset)"},
    {"byte_size", Py_T_PYSSIZET, offsetof(Field, byte_size), Py_READONLY,
     "size of this field in bytes"},
    {"byte_offset", Py_T_PYSSIZET, offsetof(Field, byte_offset), Py_READONLY,
     "offset in bytes of this field. For bitfields: excludes bit_offset."},
    {"bit_offset", Py_T_USHORT, offsetof(Field, bit_offset), Py_READONLY,
     "additional offset in bits (relative to byte_offset); zero for non-bitfields"},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef field_getset[] = {
    {"size", get_size, NULL,
     "size in bytes of this field. For bitfields, this is a legacy packed value; use "
     "byte_size instead",
     NULL},
    {"bit_size", get_bit_size, NULL, "size of this field in bits", NULL},
    {"is_bitfield", is_bitfield, NULL, "true if this is a bitfield", NULL},
    {"is_anonymous", is_anonymous, NULL, "true if this field is anonymous", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot field_slots[] = {
    {Py_tp_new, field_new},
    {Py_tp_dealloc, field_dealloc},
    {Py_tp_traverse, field_traverse},
    {Py_tp_clear, field_clear},
    {Py_tp_repr, field_repr},
    {Py_tp_doc, "Structure/Union member"},
    {Py_tp_members, field_members},
    {Py_tp_getset, field_getset},
    {Py_tp_descr_get, field_get},
    {Py_tp_descr_set, field_set},
    {0, NULL},
};

PyType_Spec ct_field_spec = {
    .name = "ctypes.CField",
    .basicsize = sizeof(Field),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = field_slots,
};

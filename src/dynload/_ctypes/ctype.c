/* ctype.c - CType, the metaclass of all C types, and what every C type knows of itself.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

Info *
ct_info(State *st, PyObject *type)
{
    if (!PyObject_TypeCheck(type, st->ctype)) {
        return NULL;
    }
    Info *info = INFO(type);
    return info->st ? info : NULL;
}

Info *
ct_info_init(PyObject *type, int kind)
{
    State *st = ct_state_of_meta(Py_TYPE(type));
    if (!st) {
        return NULL;
    }
    Info *info = INFO(type);
    if (info->st) {
        PyErr_Format(PyExc_SystemError, "StgInfo of '%s' is already initialized.",
                     ((PyTypeObject *)type)->tp_name);
        return NULL;
    }
    info->st = st;
    info->kind = kind;
    return info;
}

/* printf into PyMem memory. */
char *
ct_text(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *raw = NULL;
    int n = vasprintf(&raw, format, ap);
    va_end(ap);
    char *text = n < 0 ? NULL : PyMem_Malloc((size_t)n + 1);
    if (text) {
        memcpy(text, raw, (size_t)n + 1);
    }
    else {
        PyErr_NoMemory();
    }
    if (n >= 0) {
        free(raw);
    }
    return text;
}

/* ======================================================================================
 * By-value classes
 * ====================================================================================== */

/* A part of an aggregate at an offset: merges the classes of its bytes. */
void
ct_set_class(Info *info, Py_ssize_t offset, const Info *part)
{
    if (part->size > SMALL || offset < 0 || offset > SMALL - part->size) {
        return;
    }
    /* a member off its alignment sends the whole to memory */
    bool unaligned = part->kind != KIND_STRUCT && part->kind != KIND_UNION &&
                     part->align && offset % part->align;
    for (Py_ssize_t i = 0; i < part->size; i++) {
        info->classes[offset + i] |= unaligned ? CLASS_MEMORY : part->classes[i];
    }
}

/* libffi sends whatever contains it to memory, whatever its own size. */
static ffi_type *no_elements[] = {NULL};
static ffi_type in_memory = {64, 1, FFI_TYPE_STRUCT, no_elements};

/* The ffi_type of an aggregate whose size and classes are known. libffi works the classes
 * out of the elements; these make it come to the same result whatever the real fields
 * are (unions, bit-fields, packed structures). */
void
ct_finish_ffi(Info *info)
{
    ffi_type *t = &info->own_ffi;
    t->size = (size_t)info->size;
    t->alignment = (unsigned short)(info->align > 0 && info->align < 4096 ? info->align : 1);
    t->type = FFI_TYPE_STRUCT;
    t->elements = info->elements;
    info->ffi = t;
    int n = 0;
    uint8_t words[2] = {CLASS_NONE, CLASS_NONE};
    for (Py_ssize_t i = 0; i < info->size && i < SMALL; i++) {
        words[i / 8] |= info->classes[i];
    }
    bool memory = info->size > SMALL;
    int x87 = 0;
    for (int i = 0; i < 2; i++) {
        if (words[i] & CLASS_INTEGER) {
            words[i] &= CLASS_INTEGER | CLASS_MEMORY;
        }
        memory |= words[i] & CLASS_MEMORY || words[i] == (CLASS_X87 | CLASS_SSE);
        x87 += (words[i] & CLASS_X87) != 0;
    }
    if (memory || x87 == 1) {
        info->elements[n++] = &in_memory;
    }
    else if (x87) {
        info->ffi = &ffi_type_longdouble; /* libffi returns such a structure wrongly */
    }
    else {
        for (Py_ssize_t start = 0; start < info->size; start += 8) {
            Py_ssize_t left = info->size - start < 8 ? info->size - start : 8;
            if (words[start / 8] == CLASS_SSE && left >= 4) {
                info->elements[n++] = left == 8 ? &ffi_type_double : &ffi_type_float;
            }
            else if (left == 8) {
                info->elements[n++] = &ffi_type_uint64;
            }
            else {
                while (left-- > 0) {
                    info->elements[n++] = &ffi_type_uint8;
                }
            }
        }
    }
    info->elements[n] = NULL;
}

/* ======================================================================================
 * The metaclass
 * ====================================================================================== */

static int
ctype_traverse(PyObject *self, visitproc visit, void *arg)
{
    Info *info = INFO(self);
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(info->proto);
    Py_VISIT(info->pointer_type);
    Py_VISIT(info->arrays);
    Py_VISIT(info->argtypes);
    Py_VISIT(info->converters);
    Py_VISIT(info->restype);
    Py_VISIT(info->checker);
    return PyType_Type.tp_traverse(self, visit, arg);
}

static int
ctype_clear(PyObject *self)
{
    Info *info = INFO(self);
    Py_CLEAR(info->proto);
    Py_CLEAR(info->pointer_type);
    Py_CLEAR(info->arrays);
    Py_CLEAR(info->argtypes);
    Py_CLEAR(info->converters);
    Py_CLEAR(info->restype);
    Py_CLEAR(info->checker);
    return PyType_Type.tp_clear(self);
}

static void
ctype_dealloc(PyObject *self)
{
    PyTypeObject *meta = Py_TYPE(self);
    Info *info = INFO(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(info->proto);
    Py_CLEAR(info->pointer_type);
    Py_CLEAR(info->arrays);
    Py_CLEAR(info->argtypes);
    Py_CLEAR(info->converters);
    Py_CLEAR(info->restype);
    Py_CLEAR(info->checker);
    PyMem_Free(info->format);
    PyMem_Free(info->shape);
    PyType_Type.tp_dealloc(self);
    Py_DECREF(meta);
}

static PyObject *
ctype_sizeof(PyObject *self, PyObject *ignored)
{
    Info *info = INFO(self);
    Py_ssize_t n = Py_TYPE(self)->tp_basicsize;
    n += Py_SIZE(self) * (Py_ssize_t)sizeof(PyMemberDef);
    if (info->format) {
        n += (Py_ssize_t)strlen(info->format) + 1;
    }
    n += info->ndim * (Py_ssize_t)sizeof(Py_ssize_t);
    return PyLong_FromSsize_t(n);
}

/* type * n, the same type each time while it lives. */
PyObject *
ct_array_of(PyObject *item, Py_ssize_t n)
{
    State *st = ct_state_of(item);
    if (!st) {
        return NULL;
    }
    Info *info = INFO(item);
    NJ_OWN key = PyLong_FromSsize_t(n);
    if (!key) {
        return NULL;
    }
    if (info->arrays) {
        NJ_OWN ref = NULL;
        if (PyDict_GetItemRef(info->arrays, key, &ref) < 0) {
            return NULL;
        }
        PyObject *found = NULL;
        if (ref && PyWeakref_GetRef(ref, &found) < 0) {
            return NULL;
        }
        if (found) {
            return found;
        }
    }
    NJ_OWN name = PyUnicode_FromFormat("%s_Array_%zd", ((PyTypeObject *)item)->tp_name, n);
    NJ_OWN type = name ? PyObject_CallFunction((PyObject *)st->array_meta, "O(O){s:n,s:O}",
                                               name, st->array, "_length_", n, "_type_",
                                               item)
                       : NULL;
    NJ_OWN ref = type ? PyWeakref_NewRef(type, NULL) : NULL;
    if (!ref || (!info->arrays && !(info->arrays = PyDict_New())) ||
        PyDict_SetItem(info->arrays, key, ref) < 0) {
        return NULL;
    }
    return NJ_TAKE(type);
}

static PyObject *
ctype_repeat(PyObject *self, Py_ssize_t n)
{
    if (n < 0) {
        PyErr_Format(PyExc_ValueError, "Array length must be >= 0, not %zd", n);
        return NULL;
    }
    return ct_array_of(self, n);
}

static PyObject *
get_pointer_type(PyObject *self, void *closure)
{
    Info *info = INFO(self);
    if (!info->st) {
        State *st = ct_state_of(self);
        if (st) {
            PyErr_Format(PyExc_TypeError, "%R must have storage info", self);
        }
        return NULL;
    }
    if (!info->pointer_type) {
        PyErr_Format(PyExc_AttributeError, "%R has no attribute '__pointer_type__'", self);
        return NULL;
    }
    return Py_NewRef(info->pointer_type);
}

static int
set_pointer_type(PyObject *self, PyObject *value, void *closure)
{
    Info *info = INFO(self);
    if (!info->st) {
        State *st = ct_state_of(self);
        if (st) {
            PyErr_Format(PyExc_TypeError, "%R must have storage info", self);
        }
        return -1;
    }
    Py_XINCREF(value);
    Py_XSETREF(info->pointer_type, value);
    return 0;
}

/* ======================================================================================
 * Methods of types
 * ====================================================================================== */

static Info *
concrete(PyObject *type)
{
    State *st = ct_state_of(type);
    Info *info = st ? ct_info(st, type) : NULL;
    if (st && !info) {
        PyErr_SetString(PyExc_TypeError, "abstract class");
    }
    return info;
}

PyObject *
ct_from_address(PyObject *type, PyObject *const *a, Py_ssize_t n)
{
    if (!ct_check_args("from_address", n, 1, 1)) {
        return NULL;
    }
    if (!PyLong_Check(a[0])) {
        PyErr_SetString(PyExc_TypeError, "integer expected");
        return NULL;
    }
    void *p = PyLong_AsVoidPtr(a[0]);
    if (!p && PyErr_Occurred()) {
        return NULL;
    }
    return ct_at_address(type, p);
}

static int
offset_of(PyObject *const *a, Py_ssize_t n, Py_ssize_t *offset)
{
    *offset = 0;
    if (n > 1) {
        NJ_OWN index = PyNumber_Index(a[1]);
        *offset = index ? PyLong_AsSsize_t(index) : -1;
        if (*offset == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

static int
check_room(Info *info, Py_ssize_t len, Py_ssize_t offset)
{
    if (offset < 0) {
        PyErr_SetString(PyExc_ValueError, "offset cannot be negative");
        return -1;
    }
    if (info->size > len - offset) {
        PyErr_Format(PyExc_ValueError,
                     "Buffer size too small (%zd instead of at least %zd bytes)", len,
                     info->size + offset);
        return -1;
    }
    return 0;
}

PyObject *
ct_from_buffer(PyObject *type, PyObject *const *a, Py_ssize_t n)
{
    Py_ssize_t offset;
    if (!ct_check_args("from_buffer", n, 1, 2) || offset_of(a, n, &offset) < 0) {
        return NULL;
    }
    Info *info = concrete(type);
    NJ_OWN view = info ? PyMemoryView_FromObject(a[0]) : NULL;
    if (!view) {
        return NULL;
    }
    Py_buffer *b = PyMemoryView_GET_BUFFER(view);
    if (b->readonly) {
        PyErr_SetString(PyExc_TypeError, "underlying buffer is not writable");
        return NULL;
    }
    if (!PyBuffer_IsContiguous(b, 'C')) {
        PyErr_SetString(PyExc_TypeError, "underlying buffer is not C contiguous");
        return NULL;
    }
    if (check_room(info, b->len, offset) < 0 ||
        PySys_Audit("ctypes.cdata/buffer", "nnn", (Py_ssize_t)b->buf, b->len, offset) < 0) {
        return NULL;
    }
    NJ_OWN self = ct_at_address(type, (char *)b->buf + offset);
    if (!self || ct_keep((Data *)self, -1, Py_NewRef(view)) < 0) {
        return NULL;
    }
    return NJ_TAKE(self);
}

PyObject *
ct_from_buffer_copy(PyObject *type, PyObject *const *a, Py_ssize_t n)
{
    Py_ssize_t offset;
    NJ_OWN_BUF view = {0};
    if (!ct_check_args("from_buffer_copy", n, 1, 2) ||
        PyObject_GetBuffer(a[0], &view, PyBUF_SIMPLE) < 0 || offset_of(a, n, &offset) < 0) {
        return NULL;
    }
    Info *info = concrete(type);
    if (!info || check_room(info, view.len, offset) < 0 ||
        PySys_Audit("ctypes.cdata/buffer", "nnn", (Py_ssize_t)view.buf, view.len, offset) <
            0) {
        return NULL;
    }
    PyObject *self = ct_new((PyTypeObject *)type, NULL, NULL);
    if (self) {
        memcpy(((Data *)self)->ptr, (char *)view.buf + offset, (size_t)info->size);
    }
    return self;
}

PyObject *
ct_in_dll(PyObject *type, PyObject *const *a, Py_ssize_t n)
{
    if (!ct_check_args("in_dll", n, 2, 2)) {
        return NULL;
    }
    if (!PyUnicode_Check(a[1])) {
        PyErr_Format(PyExc_TypeError, "in_dll() argument 2 must be str, not %.50s",
                     Py_IsNone(a[1]) ? "None" : Py_TYPE(a[1])->tp_name);
        return NULL;
    }
    Py_ssize_t len;
    const char *name = PyUnicode_AsUTF8AndSize(a[1], &len);
    if (!name) {
        return NULL;
    }
    if (strlen(name) != (size_t)len) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return NULL;
    }
    if (PySys_Audit("ctypes.dlsym", "OO", a[0], a[1]) < 0) {
        return NULL;
    }
    NJ_OWN handle = PyObject_GetAttrString(a[0], "_handle");
    if (!handle) {
        return NULL;
    }
    if (!PyLong_Check(handle)) {
        PyErr_SetString(PyExc_TypeError,
                        "the _handle attribute of the second argument must be an integer");
        return NULL;
    }
    void *lib = PyLong_AsVoidPtr(handle);
    if (PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "could not convert the _handle attribute to a "
                                          "pointer");
        return NULL;
    }
    (void)dlerror();
    void *p = dlsym(lib, name);
    const char *message = p ? NULL : dlerror();
    if (message) {
        NJ_OWN text = PyUnicode_DecodeLocale(message, "surrogateescape");
        if (text) {
            PyErr_SetObject(PyExc_ValueError, text);
        }
        return NULL;
    }
    if (!p) {
        PyErr_Format(PyExc_ValueError, "symbol '%s' not found", name);
        return NULL;
    }
    return ct_at_address(type, p);
}

static PyObject *
from_param(PyObject *type, PyObject *const *a, Py_ssize_t n)
{
    return ct_check_args("from_param", n, 1, 1) ? ct_from_param(type, a[0]) : NULL;
}

static PyMethodDef ctype_methods[] = {
    {"__sizeof__", ctype_sizeof, METH_NOARGS,
     SIG("__sizeof__($self, /)") "Memory that the type object takes."},
    {NULL, NULL, 0, NULL},
};

PyMethodDef ct_type_methods[] = {
    CT_TYPE_METHODS,
    {"from_param", FN(from_param), METH_FASTCALL,
     SIG("from_param($self, value, /)") "Make a function argument of a Python object."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef ctype_getset[] = {
    {"__pointer_type__", get_pointer_type, set_pointer_type, "pointer type", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot ctype_slots[] = {
    {Py_tp_traverse, ctype_traverse},
    {Py_tp_clear, ctype_clear},
    {Py_tp_dealloc, ctype_dealloc},
    {Py_tp_methods, ctype_methods},
    {Py_tp_getset, ctype_getset},
    {Py_sq_repeat, ctype_repeat},
    {0, NULL},
};

PyType_Spec ct_ctype_spec = {
    .name = "_ctypes.CType_Type",
    .basicsize = sizeof(CTypeObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ctype_slots,
};

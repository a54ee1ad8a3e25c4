/* pointer.c - pointers to C data.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <wchar.h>

#define DATA(o) ((Data *)(o))
#define TARGET(o) (*(char **)DATA(o)->ptr)

/* ======================================================================================
 * The metaclass
 * ====================================================================================== */

static int
set_proto(Info *info, PyObject *type, PyObject *proto)
{
    if (!PyType_Check(proto)) {
        PyErr_SetString(PyExc_TypeError, "_type_ must be a type");
        return -1;
    }
    Info *target = ct_info(info->st, proto);
    if (!target) {
        PyErr_Format(PyExc_TypeError, "%R must have storage info", proto);
        return -1;
    }
    Py_INCREF(proto);
    Py_XSETREF(info->proto, proto);
    if (!target->pointer_type) {
        target->pointer_type = Py_NewRef(type);
    }
    return 0;
}

/* "&(2,3)<i": the format of a pointer to that type */
static char *
pointer_format(Info *target)
{
    const char *format = target->format ? target->format : "B";
    if (!target->ndim) {
        return ct_text("&%s", format);
    }
    char *dims = ct_text("%zd", target->shape[0]);
    for (int i = 1; dims && i < target->ndim; i++) {
        char *more = ct_text("%s,%zd", dims, target->shape[i]);
        PyMem_Free(dims);
        dims = more;
    }
    char *text = dims ? ct_text("&(%s)%s", dims, format) : NULL;
    PyMem_Free(dims);
    return text;
}

static int
pointer_meta_init(PyObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyType_Type.tp_init(type, args, kwargs) < 0) {
        return -1;
    }
    NJ_OWN dict = PyType_GetDict((PyTypeObject *)type);
    NJ_OWN proto = NULL;
    if (!dict || PyDict_GetItemStringRef(dict, "_type_", &proto) < 0) {
        return -1;
    }
    Info *info = ct_info_init(type, KIND_POINTER);
    if (!info) {
        return -1;
    }
    info->size = sizeof(void *);
    info->align = _Alignof(void *);
    info->length = 1;
    info->ffi = &ffi_type_pointer;
    info->has_pointer = true;
    memset(info->classes, CLASS_INTEGER, sizeof(void *));
    if (proto) {
        if (set_proto(info, type, proto) < 0) {
            return -1;
        }
        info->format = pointer_format(INFO(proto));
        return info->format ? 0 : -1;
    }
    return 0;
}

static PyObject *
pointer_set_type(PyObject *type, PyObject *proto)
{
    State *st = ct_state_of(type);
    Info *info = st ? ct_info(st, type) : NULL;
    if (!info) {
        if (st) {
            PyErr_SetString(PyExc_TypeError, "abstract class");
        }
        return NULL;
    }
    if (set_proto(info, type, proto) < 0 ||
        PyObject_SetAttrString(type, "_type_", proto) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* A pointer argument: None, an instance of the target (passed by reference), a pointer, an
 * array of targets. */
static PyObject *
pointer_from_param(PyObject *type, PyObject *const *a, Py_ssize_t n)
{
    if (!ct_check_args("from_param", n, 1, 1)) {
        return NULL;
    }
    PyObject *value = a[0];
    if (value == Py_None) {
        Py_RETURN_NONE;
    }
    State *st = ct_state_of(type);
    Info *info = st ? ct_info(st, type) : NULL;
    if (!info) {
        if (st) {
            PyErr_SetString(PyExc_TypeError, "abstract class");
        }
        return NULL;
    }
    if (info->proto) {
        int rc = PyObject_IsInstance(value, info->proto);
        if (rc < 0) {
            return NULL;
        }
        if (rc) {
            return ct_byref(st, value, 0);
        }
        if (PyObject_TypeCheck(value, st->pointer) || PyObject_TypeCheck(value, st->array)) {
            PyObject *item = INFO(Py_TYPE(value))->proto;
            rc = item ? PyObject_IsSubclass(item, info->proto) : 0;
            if (rc) {
                return rc < 0 ? NULL : Py_NewRef(value);
            }
        }
    }
    return ct_from_param(type, value);
}

static PyMethodDef pointer_meta_methods[] = {
    CT_TYPE_METHODS,
    {"from_param", FN(pointer_from_param), METH_FASTCALL,
     SIG("from_param($self, value, /)") "Make a function argument of a Python object."},
    {"set_type", pointer_set_type, METH_O, SIG("set_type($self, type, /)")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot pointer_meta_slots[] = {
    {Py_tp_init, pointer_meta_init},
    {Py_tp_methods, pointer_meta_methods},
    {Py_tp_doc, "metatype for the Pointer objects"},
    {0, NULL},
};

PyType_Spec ct_pointer_meta_spec = {
    .name = "_ctypes.PyCPointerType",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pointer_meta_slots,
};

/* ======================================================================================
 * The class
 * ====================================================================================== */

static PyObject *
pointer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    State *st = ct_state_of((PyObject *)type);
    Info *info = st ? ct_info(st, (PyObject *)type) : NULL;
    if (st && (!info || !info->proto)) {
        PyErr_SetString(PyExc_TypeError, "Cannot create instance: has no _type_");
        return NULL;
    }
    return st ? ct_new(type, args, kwargs) : NULL;
}

static int
point_at(PyObject *self, PyObject *value)
{
    Info *info = INFO(Py_TYPE(self));
    if (!info->proto) {
        PyErr_SetString(PyExc_TypeError, "Cannot create instance: has no _type_");
        return -1;
    }
    if (!ct_is_data(info->st, value)) { /* of any type: this is C */
        PyErr_Format(PyExc_TypeError, "expected %s instead of %s",
                     ((PyTypeObject *)info->proto)->tp_name, Py_TYPE(value)->tp_name);
        return -1;
    }
    TARGET(self) = DATA(value)->ptr;
    if (ct_keep(DATA(self), 1, Py_NewRef(value)) < 0) {
        return -1;
    }
    Data *top = ct_container(DATA(value));
    if (!top) {
        return -1;
    }
    return ct_keep(DATA(self), 0, Py_NewRef(top->objects ? top->objects : Py_None));
}

static PyObject *
get_contents(PyObject *self, void *closure)
{
    Info *info = INFO(Py_TYPE(self));
    if (!TARGET(self)) {
        PyErr_SetString(PyExc_ValueError, "NULL pointer access");
        return NULL;
    }
    if (!info->proto) {
        PyErr_SetString(PyExc_TypeError, "Cannot create instance: has no _type_");
        return NULL;
    }
    return ct_view(info->proto, self, 0, TARGET(self));
}

static int
set_contents(PyObject *self, PyObject *value, void *closure)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Pointer does not support item deletion");
        return -1;
    }
    return point_at(self, value);
}

static int
pointer_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *value = NULL;
    if (!PyArg_UnpackTuple(args, "POINTER", 0, 1, &value)) {
        return -1;
    }
    return value ? point_at(self, value) : 0;
}

static int
pointer_bool(PyObject *self)
{
    return TARGET(self) != NULL;
}

static int
check_target(PyObject *self)
{
    if (!TARGET(self)) {
        PyErr_SetString(PyExc_ValueError, "NULL pointer access");
        return -1;
    }
    return 0;
}

static PyObject *
pointer_item(PyObject *self, Py_ssize_t i)
{
    if (check_target(self) < 0) {
        return NULL;
    }
    PyObject *proto = INFO(Py_TYPE(self))->proto;
    return ct_get(proto, self, i, TARGET(self) + i * INFO(proto)->size);
}

static int
pointer_ass_item(PyObject *self, Py_ssize_t i, PyObject *value)
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "Pointer does not support item deletion");
        return -1;
    }
    if (check_target(self) < 0) {
        return -1;
    }
    PyObject *proto = INFO(Py_TYPE(self))->proto;
    return ct_set(self, proto, value, i, TARGET(self) + i * INFO(proto)->size);
}

static int
bound_of(PyObject *o, Py_ssize_t *out)
{
    *out = PyNumber_AsSsize_t(o, PyExc_ValueError);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

/* A pointer has no length: a slice must say where it starts and stops. */
static PyObject *
slice_of(PyObject *self, PySliceObject *slice)
{
    Py_ssize_t start = 0, stop, step = 1;
    if (slice->step != Py_None) {
        if (bound_of(slice->step, &step) < 0) {
            return NULL;
        }
        if (!step) {
            PyErr_SetString(PyExc_ValueError, "slice step cannot be zero");
            return NULL;
        }
    }
    if (slice->start == Py_None) {
        if (step < 0) {
            PyErr_SetString(PyExc_ValueError, "slice start is required for step < 0");
            return NULL;
        }
    }
    else if (bound_of(slice->start, &start) < 0) {
        return NULL;
    }
    if (slice->stop == Py_None) {
        PyErr_SetString(PyExc_ValueError, "slice stop is required");
        return NULL;
    }
    if (bound_of(slice->stop, &stop) < 0) {
        return NULL;
    }
    Py_ssize_t n = 0;
    if (step > 0 && stop > start) {
        n = (stop - start - 1) / step + 1;
    }
    else if (step < 0 && stop < start) {
        n = (stop - start + 1) / step + 1;
    }
    PyObject *proto = INFO(Py_TYPE(self))->proto;
    Info *item = INFO(proto);
    char code = item->kind == KIND_SIMPLE ? item->simple->code : 0;
    const char *from = TARGET(self);
    if ((code == 'c' || code == 'u') && n && check_target(self) < 0) {
        return NULL;
    }
    if (code == 'c') {
        PyObject *out = PyBytes_FromStringAndSize(NULL, n);
        if (out) {
            char *to = PyBytes_AS_STRING(out);
            for (Py_ssize_t i = 0, at = start; i < n; i++, at += step) {
                to[i] = from[at];
            }
        }
        return out;
    }
    if (code == 'u') {
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
        PyObject *o = pointer_item(self, at);
        if (!o) {
            return NULL;
        }
        PyList_SET_ITEM(list, i, o);
    }
    return NJ_TAKE(list);
}

static PyObject *
pointer_subscript(PyObject *self, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
        return i == -1 && PyErr_Occurred() ? NULL : pointer_item(self, i);
    }
    if (PySlice_Check(key)) {
        return slice_of(self, (PySliceObject *)key);
    }
    PyErr_SetString(PyExc_TypeError, "Pointer indices must be integer");
    return NULL;
}

static PyGetSetDef pointer_getset[] = {
    {"contents", get_contents, set_contents,
     "the object this pointer points to (read-write)", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pointer_slots[] = {
    {Py_tp_doc, "A pointer to C data."},
    {Py_tp_new, pointer_new},
    {Py_tp_init, pointer_init},
    {Py_tp_getset, pointer_getset},
    {Py_nb_bool, pointer_bool},
    {Py_sq_item, pointer_item},
    {Py_sq_ass_item, pointer_ass_item},
    {Py_mp_subscript, pointer_subscript},
    {Py_bf_getbuffer, ct_getbuffer},
    {0, NULL},
};

PyType_Spec ct_pointer_spec = {
    .name = "_ctypes._Pointer",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pointer_slots,
};

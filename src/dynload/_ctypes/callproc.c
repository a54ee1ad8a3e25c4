/* callproc.c - calling C functions: arguments, the call, the result.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <errno.h>

/* ======================================================================================
 * The argument object
 * ====================================================================================== */

Arg *
ct_arg_new(State *st)
{
    return (Arg *)st->arg->tp_alloc(st->arg, 0);
}

static int
arg_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Arg *)self)->obj);
    return 0;
}

static int
arg_clear(PyObject *self)
{
    Py_CLEAR(((Arg *)self)->obj);
    return 0;
}

static void
arg_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(((Arg *)self)->obj);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyObject *
arg_repr(PyObject *self)
{
    Arg *a = (Arg *)self;
    long long v;
    switch (a->tag) {
    case 'b':
    case 'B':
        v = a->value.b;
        break;
    case 'h':
    case 'H':
        v = a->value.h;
        break;
    case 'i':
    case 'I':
        v = a->value.i;
        break;
    case 'l':
    case 'L':
    case 'q':
    case 'Q':
        v = a->value.q;
        break;
    case 'd':
    case 'f': {
        NJ_OWN f = PyFloat_FromDouble(a->tag == 'f' ? (double)a->value.f : a->value.d);
        return f ? PyUnicode_FromFormat("<cparam '%c' (%R)>", a->tag, f) : NULL;
    }
    case 'c': {
        unsigned char c = (unsigned char)a->value.c;
        if (c >= 32 && c < 127 && c != '\'' && c != '\\') {
            return PyUnicode_FromFormat("<cparam 'c' ('%c')>", c);
        }
        return PyUnicode_FromFormat("<cparam 'c' ('\\x%02x')>", c);
    }
    case 'z':
    case 'Z':
    case 'P':
        return PyUnicode_FromFormat("<cparam '%c' (%p)>", a->tag, a->value.p);
    default:
        return PyUnicode_FromFormat("<cparam '%c' at %p>", a->tag, a);
    }
    return PyUnicode_FromFormat("<cparam '%c' (%lld)>", a->tag, v);
}

static PyMemberDef arg_members[] = {
    {"_obj", _Py_T_OBJECT, offsetof(Arg, obj), Py_READONLY, "the wrapped object"},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot arg_slots[] = {
    {Py_tp_dealloc, arg_dealloc},
    {Py_tp_traverse, arg_traverse},
    {Py_tp_clear, arg_clear},
    {Py_tp_repr, arg_repr},
    {Py_tp_members, arg_members},
    {0, NULL},
};

PyType_Spec ct_arg_spec = {
    .name = "_ctypes.CArgObject",
    .basicsize = sizeof(Arg),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = arg_slots,
};

PyObject *
ct_byref(State *st, PyObject *data, Py_ssize_t offset)
{
    Arg *arg = ct_arg_new(st);
    if (arg) {
        arg->ffi = &ffi_type_pointer;
        arg->tag = 'P';
        arg->obj = Py_NewRef(data);
        arg->value.p = ((Data *)data)->ptr + offset;
    }
    return (PyObject *)arg;
}

/* Fills in arg for an instance passed as it is. */
static void
pass_data(Arg *arg, PyObject *o)
{
    Data *data = (Data *)o;
    Info *info = INFO(Py_TYPE(o));
    arg->ffi = info->ffi;
    switch (info->kind) {
    case KIND_SIMPLE:
        arg->tag = info->simple->code;
        memcpy(&arg->value, data->ptr, (size_t)info->size);
        break;
    case KIND_ARRAY:
        arg->tag = 'P';
        arg->value.p = data->ptr;
        break;
    case KIND_POINTER:
    case KIND_FUNC:
        arg->tag = 'P';
        memcpy(&arg->value.p, data->ptr, sizeof(void *));
        break;
    default:
        arg->tag = 'V';
        arg->value.p = data->ptr;
        break;
    }
    arg->obj = Py_NewRef(o);
}

PyObject *
ct_as_param(State *st, PyObject *data)
{
    Arg *arg = ct_arg_new(st);
    if (arg) {
        pass_data(arg, data);
    }
    return (PyObject *)arg;
}

/* from_param() of structures, arrays, functions: an instance, or _as_parameter_. */
PyObject *
ct_from_param(PyObject *type, PyObject *value)
{
    State *st = ct_state_of(type);
    int rc = st ? PyObject_IsInstance(value, type) : -1;
    if (rc) {
        return rc < 0 ? NULL : Py_NewRef(value);
    }
    const char *name = ((PyTypeObject *)type)->tp_name;
    if (Py_IS_TYPE(value, st->arg)) {
        PyObject *obj = ((Arg *)value)->obj;
        Info *info = ct_info(st, type);
        /* byref() of an item where a pointer or an array is wanted */
        if (obj && info && (info->kind == KIND_POINTER || info->kind == KIND_ARRAY) &&
            info->proto) {
            rc = PyObject_IsInstance(obj, info->proto);
            if (rc) {
                return rc < 0 ? NULL : Py_NewRef(value);
            }
        }
        PyErr_Format(PyExc_TypeError, "expected %s instance instead of pointer to %s", name,
                     obj ? Py_TYPE(obj)->tp_name : "NULL");
        return NULL;
    }
    NJ_OWN inner = NULL;
    if (PyObject_GetOptionalAttrString(value, "_as_parameter_", &inner) < 0) {
        return NULL;
    }
    if (inner) {
        if (Py_EnterRecursiveCall(" while processing _as_parameter_")) {
            return NULL;
        }
        PyObject *r = PyObject_CallMethod(type, "from_param", "O", inner);
        Py_LeaveRecursiveCall();
        return r;
    }
    PyErr_Format(PyExc_TypeError, "expected %s instance instead of %s", name,
                 Py_TYPE(value)->tp_name);
    return NULL;
}

/* ======================================================================================
 * Arguments of a call
 * ====================================================================================== */

/* One argument, whatever it is: 0, or -1. a->obj keeps what the value points to. */
static int
convert(State *st, PyObject *o, Py_ssize_t index, Arg *a)
{
    if (ct_is_data(st, o)) {
        pass_data(a, o);
        return 0;
    }
    if (Py_IS_TYPE(o, st->arg)) {
        Arg *from = (Arg *)o;
        a->ffi = from->ffi;
        a->tag = from->tag;
        a->value = from->value;
        a->obj = Py_NewRef(o);
        return 0;
    }
    a->ffi = &ffi_type_pointer;
    a->tag = 'P';
    if (o == Py_None) {
        a->value.p = NULL;
        return 0;
    }
    if (PyLong_Check(o)) {
        a->ffi = &ffi_type_sint;
        a->value.i = (int)PyLong_AsUnsignedLong(o);
        if (a->value.i == -1 && PyErr_Occurred()) {
            PyErr_Clear();
            a->value.i = (int)PyLong_AsLong(o);
            if (a->value.i == -1 && PyErr_Occurred()) {
                PyErr_SetString(PyExc_OverflowError, "int too long to convert");
                return -1;
            }
        }
        return 0;
    }
    if (PyBytes_Check(o)) {
        a->value.p = PyBytes_AS_STRING(o);
        a->obj = Py_NewRef(o);
        return 0;
    }
    if (PyUnicode_Check(o)) {
        wchar_t *s;
        a->obj = ct_wide_keep(o, &s);
        if (!a->obj) {
            return -1;
        }
        a->value.p = s;
        return 0;
    }
    NJ_OWN inner = NULL;
    if (PyObject_GetOptionalAttrString(o, "_as_parameter_", &inner) < 0) {
        return -1;
    }
    if (inner) {
        if (Py_EnterRecursiveCall(" while processing _as_parameter_")) {
            return -1;
        }
        int rc = convert(st, inner, index, a);
        Py_LeaveRecursiveCall();
        return rc;
    }
    PyErr_Format(PyExc_TypeError, "Don't know how to convert parameter %d", (int)index);
    return -1;
}

/* Makes the exception that is set an ArgumentError about that argument. */
static void
blame_argument(State *st, Py_ssize_t index)
{
    NJ_OWN exc = PyErr_GetRaisedException();
    NJ_OWN name = PyType_GetName(Py_TYPE(exc));
    NJ_OWN text = name ? PyObject_Str(exc) : NULL;
    if (text) {
        PyErr_Format(st->arg_error, "argument %zd: %U: %U", index, name, text);
    }
}

/* ======================================================================================
 * errno
 * ====================================================================================== */

#define ERRNO_NAME "_ctypes errno copy"

static void
free_errno(PyObject *capsule)
{
    PyMem_Free(PyCapsule_GetPointer(capsule, ERRNO_NAME));
}

/* This thread's copy of errno, borrowed from its state; NULL with an exception set. */
int *
ct_errno_copy(void)
{
    PyObject *dict = PyThreadState_GetDict();
    if (!dict) {
        PyErr_SetString(PyExc_RuntimeError, "cannot get thread state");
        return NULL;
    }
    NJ_OWN capsule = NULL;
    if (PyDict_GetItemStringRef(dict, "ctypes.error_object", &capsule) < 0) {
        return NULL;
    }
    if (!capsule) {
        int *copy = PyMem_Calloc(1, sizeof *copy);
        if (!copy) {
            PyErr_NoMemory();
            return NULL;
        }
        capsule = PyCapsule_New(copy, ERRNO_NAME, free_errno);
        if (!capsule) {
            PyMem_Free(copy);
            return NULL;
        }
        if (PyDict_SetItemString(dict, "ctypes.error_object", capsule) < 0) {
            return NULL;
        }
    }
    return PyCapsule_GetPointer(capsule, ERRNO_NAME);
}

int
ct_swap_errno(void)
{
    int *copy = ct_errno_copy();
    if (!copy) {
        return -1;
    }
    int v = errno;
    errno = *copy;
    *copy = v;
    return 0;
}

/* ======================================================================================
 * The call
 * ====================================================================================== */

static int
perform(void *func, ffi_cif *cif, void **values, void *result, int flags)
{
    int *copy = NULL;
    if (flags & FUNCFLAG_USE_ERRNO) {
        copy = ct_errno_copy();
        if (!copy) {
            return -1;
        }
    }
    PyThreadState *released = flags & FUNCFLAG_PYTHONAPI ? NULL : PyEval_SaveThread();
    if (copy) {
        int v = errno;
        errno = *copy;
        *copy = v;
    }
    ffi_call(cif, FFI_FN(func), result, values);
    if (copy) {
        int v = errno;
        errno = *copy;
        *copy = v;
    }
    if (released) {
        PyEval_RestoreThread(released);
    }
    return flags & FUNCFLAG_PYTHONAPI && PyErr_Occurred() ? -1 : 0;
}

static ffi_type *
result_type(State *st, PyObject *restype, Py_ssize_t *size)
{
    *size = sizeof(ffi_arg);
    if (!restype) {
        return &ffi_type_sint;
    }
    if (restype == Py_None) {
        return &ffi_type_void;
    }
    Info *info = ct_info(st, restype);
    if (!info) {
        return &ffi_type_sint; /* a callable gets an int */
    }
    if (info->size > *size && info->kind != KIND_ARRAY) {
        *size = info->size;
    }
    return info->ffi;
}

static PyObject *
make_result(State *st, PyObject *restype, PyObject *checker, void *result)
{
    if (!restype) {
        return PyLong_FromLong(*(int *)result);
    }
    if (restype == Py_None) {
        Py_RETURN_NONE;
    }
    Info *info = ct_info(st, restype);
    if (!info) {
        return PyObject_CallFunction(restype, "i", *(int *)result);
    }
    NJ_OWN value = NULL;
    if (info->get && !ct_is_simple_subclass(st, restype)) {
        value = info->get(result, info->size);
        if (value && info->simple->code == 'O') {
            Py_DECREF(value); /* the function returned a reference of its own */
        }
    }
    else {
        value = ct_view(restype, NULL, 0, result);
    }
    if (!value || !checker) {
        return NJ_TAKE(value);
    }
    return PyObject_CallOneArg(checker, value);
}

/* The memory of one call. */
typedef struct Frame {
    Py_ssize_t n;
    Arg *args;
    ffi_type **types;
    void **values;
    void *result;
    void *memory;
    struct { /* enough for most calls */
        Arg args[6];
        ffi_type *types[6];
        void *values[6];
        long double result[4];
    } small;
} Frame;

static int
open_frame(Frame *f, Py_ssize_t n, Py_ssize_t result_size)
{
    f->n = 0;
    f->memory = NULL;
    if (n <= 6 && result_size <= (Py_ssize_t)sizeof f->small.result) {
        f->args = f->small.args;
        f->types = f->small.types;
        f->values = f->small.values;
        f->result = f->small.result;
        memset(f->small.args, 0, (size_t)n * sizeof(Arg));
        memset(f->result, 0, sizeof f->small.result);
        return 0;
    }
    size_t args = (size_t)n * sizeof(Arg), ptrs = (size_t)n * sizeof(void *);
    size_t head = (args + 2 * ptrs + 15) & ~(size_t)15;
    f->memory = PyMem_Calloc(1, head + (size_t)result_size);
    if (!f->memory) {
        PyErr_NoMemory();
        return -1;
    }
    f->args = f->memory;
    f->types = (ffi_type **)((char *)f->memory + args);
    f->values = (void **)((char *)f->memory + args + ptrs);
    f->result = (char *)f->memory + head;
    return 0;
}

static void
close_frame(Frame *f)
{
    for (Py_ssize_t i = 0; i < f->n; i++) {
        Py_XDECREF(f->args[i].obj);
    }
    PyMem_Free(f->memory);
}

static int
fill_frame(State *st, Frame *f, PyObject *args, PyObject *converters)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    Py_ssize_t ntypes = converters ? PyTuple_GET_SIZE(converters) : 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        Arg *a = &f->args[i];
        f->n = i + 1;
        NJ_OWN converted = NULL;
        if (i < ntypes) {
            converted = PyObject_CallOneArg(PyTuple_GET_ITEM(converters, i), o);
            if (!converted) {
                blame_argument(st, i + 1);
                return -1;
            }
            o = converted;
        }
        if (convert(st, o, i + 1, a) < 0) {
            blame_argument(st, i + 1);
            return -1;
        }
        if (converted && !a->obj) {
            a->obj = Py_NewRef(converted);
        }
        f->types[i] = a->ffi;
        f->values[i] = a->tag == 'V' ? a->value.p : (void *)&a->value;
    }
    return 0;
}

PyObject *
ct_call(State *st, void *func, PyObject *args, int flags, PyObject *converters,
        PyObject *restype, PyObject *checker)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n > MAX_ARGS) {
        PyErr_Format(st->arg_error, "too many arguments (%zi), maximum is %i", n, MAX_ARGS);
        return NULL;
    }
    /* the arguments as the caller gave them, before any conversion */
    if (PySys_Audit("ctypes.call_function", "nO", (Py_ssize_t)func, args) < 0) {
        return NULL;
    }
    Py_ssize_t size;
    ffi_type *rtype = result_type(st, restype, &size);
    Frame f;
    if (open_frame(&f, n, size) < 0) {
        return NULL;
    }
    PyObject *value = NULL;
    if (fill_frame(st, &f, args, converters) == 0) {
        ffi_cif cif;
        Py_ssize_t fixed = converters ? PyTuple_GET_SIZE(converters) : 0;
        ffi_status status;
        if (fixed && fixed < n) {
            status = ffi_prep_cif_var(&cif, FFI_DEFAULT_ABI, (unsigned)fixed, (unsigned)n,
                                      rtype, f.types);
        }
        else {
            status = ffi_prep_cif(&cif, FFI_DEFAULT_ABI, (unsigned)n, rtype, f.types);
        }
        if (status != FFI_OK) {
            PyErr_SetString(PyExc_RuntimeError, fixed && fixed < n
                                                    ? "ffi_prep_cif_var failed"
                                                    : "ffi_prep_cif failed");
        }
        else if (perform(func, &cif, f.values, f.result, flags) == 0) {
            value = make_result(st, restype, checker, f.result);
        }
    }
    close_frame(&f);
    return value;
}

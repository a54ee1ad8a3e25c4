/* callback.c - Python callables as C function pointers, from any thread.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

static PyObject *
argument_of(State *st, PyObject *type, void *p)
{
    Info *info = ct_info(st, type);
    if (!info) {
        PyErr_SetString(PyExc_TypeError, "cannot build parameter");
        return NULL;
    }
    if (info->get && !ct_is_simple_subclass(st, type)) {
        return info->get(p, info->size);
    }
    PyObject *o = PyObject_CallNoArgs(type);
    if (!o) {
        return NULL;
    }
    if (!ct_is_data(st, o)) {
        Py_DECREF(o);
        PyErr_Format(PyExc_TypeError, "%R did not return an instance", type);
        return NULL;
    }
    if (info->kind == KIND_ARRAY) {
        memcpy(&p, p, sizeof p); /* what comes is a pointer to the first item */
    }
    memcpy(((Data *)o)->ptr, p, (size_t)info->size);
    return o;
}

/* Small integers fill a whole register. */
static void
widen(const SimpleDesc *d, void *result)
{
    if (d->ffi == &ffi_type_float || d->ffi == &ffi_type_double || d->size >= 8) {
        return;
    }
    uint64_t v = 0;
    memcpy(&v, result, d->size);
    int unused = 64 - 8 * d->size;
    v <<= unused;
    *(ffi_arg *)result = d->is_signed || d->code == 'v' || d->code == 'u'
                             ? (ffi_arg)((int64_t)v >> unused)
                             : (ffi_arg)(v >> unused);
}

static void
give_result(State *st, Thunk *t, PyObject *value, void *result)
{
    Info *info = ct_info(st, t->restype);
    if (!info) {
        return;
    }
    /* through a buffer: a pointer to native byte order, aligned */
    long double wide[2] = {0};
    PyObject *keep = info->set(wide, value, info->size);
    if (!keep) {
        PyErr_FormatUnraisable("Exception ignored while converting result "
                               "of ctypes callback function %R",
                               t->callable);
        return;
    }
    memcpy(result, wide, (size_t)info->size);
    widen(info->simple, result);
    if (keep == Py_None) {
        Py_DECREF(keep);
    }
    else if (info->simple->code != 'O') {
        /* Nobody will ever release what the pointer needs: it leaks. For an object the
         * reference belongs to the caller. */
        if (PyErr_WarnEx(PyExc_RuntimeWarning, "memory leak in callback function.", 1) < 0) {
            PyErr_FormatUnraisable("Exception ignored while converting result "
                                   "of ctypes callback function %R",
                                   t->callable);
        }
    }
}

static void
call_python(Thunk *t, void *result, void **args)
{
    State *st = PyType_GetModuleState(Py_TYPE(t));
    Py_ssize_t n = PyTuple_GET_SIZE(t->converters), made = 0;
    PyObject *small[8], **argv = small;
    if (n > 8) {
        argv = PyMem_New(PyObject *, n);
        if (!argv) {
            PyErr_NoMemory();
            PyErr_FormatUnraisable("Exception ignored while calling ctypes callback "
                                   "function %R",
                                   t->callable);
            return;
        }
    }
    for (; made < n; made++) {
        argv[made] = argument_of(st, PyTuple_GET_ITEM(t->converters, made), args[made]);
        if (!argv[made]) {
            PyErr_FormatUnraisable("Exception ignored while creating argument %zd for "
                                   "ctypes callback function %R",
                                   made, t->callable);
            break;
        }
    }
    bool swap = t->flags & FUNCFLAG_USE_ERRNO;
    if (made == n && (!swap || ct_swap_errno() == 0)) {
        PyObject *value = PyObject_Vectorcall(t->callable, argv, (size_t)n, NULL);
        if (!value) {
            PyErr_FormatUnraisable("Exception ignored while calling ctypes callback "
                                   "function %R",
                                   t->callable);
        }
        if (swap && ct_swap_errno() < 0) {
            PyErr_FormatUnraisable("Exception ignored while calling ctypes callback "
                                   "function %R",
                                   t->callable);
        }
        if (value) {
            give_result(st, t, value, result);
            Py_DECREF(value);
        }
    }
    else if (made == n) {
        PyErr_FormatUnraisable("Exception ignored while calling ctypes callback "
                               "function %R",
                               t->callable);
    }
    while (made > 0) {
        Py_DECREF(argv[--made]);
    }
    if (argv != small) {
        PyMem_Free(argv);
    }
}

static void
enter(ffi_cif *cif, void *result, void **args, void *data)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    /* the callable may drop the last reference to its own thunk */
    Thunk *t = (Thunk *)Py_NewRef((PyObject *)data);
    call_python(t, result, args);
    Py_DECREF(t);
    PyGILState_Release(gil);
}

PyObject *
ct_thunk_new(State *st, PyObject *callable, PyObject *converters, PyObject *restype,
             int flags)
{
    Py_ssize_t n = PyTuple_GET_SIZE(converters);
    ffi_type *rtype = &ffi_type_void;
    if (restype && restype != Py_None) {
        Info *info = ct_info(st, restype);
        if (!info || !info->set) {
            PyErr_SetString(PyExc_TypeError, "invalid result type for callback function");
            return NULL;
        }
        rtype = info->ffi;
    }
    Thunk *t = (Thunk *)st->thunk->tp_alloc(st->thunk, n);
    if (!t) {
        return NULL;
    }
    NJ_OWN self = (PyObject *)t;
    t->flags = flags;
    t->callable = Py_NewRef(callable);
    t->converters = Py_NewRef(converters);
    t->restype = Py_XNewRef(restype);
    for (Py_ssize_t i = 0; i < n; i++) {
        Info *info = ct_info(st, PyTuple_GET_ITEM(converters, i));
        t->types[i] = info ? info->ffi : &ffi_type_sint;
    }
    t->closure = ffi_closure_alloc(sizeof(ffi_closure), &t->code);
    if (!t->closure) {
        return PyErr_NoMemory();
    }
    if (ffi_prep_cif(&t->cif, FFI_DEFAULT_ABI, (unsigned)n, rtype, t->types) != FFI_OK ||
        ffi_prep_closure_loc(t->closure, &t->cif, enter, t, t->code) != FFI_OK) {
        PyErr_SetString(PyExc_RuntimeError, "ffi_prep_closure failed");
        return NULL;
    }
    return NJ_TAKE(self);
}

static int
thunk_traverse(PyObject *self, visitproc visit, void *arg)
{
    Thunk *t = (Thunk *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(t->converters);
    Py_VISIT(t->callable);
    Py_VISIT(t->restype);
    return 0;
}

static int
thunk_clear(PyObject *self)
{
    Thunk *t = (Thunk *)self;
    Py_CLEAR(t->converters);
    Py_CLEAR(t->callable);
    Py_CLEAR(t->restype);
    return 0;
}

static void
thunk_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (((Thunk *)self)->closure) {
        ffi_closure_free(((Thunk *)self)->closure);
    }
    thunk_clear(self);
    tp->tp_free(self);
    Py_DECREF(tp);
}

static PyType_Slot thunk_slots[] = {
    {Py_tp_doc, "A C function that calls a Python object."},
    {Py_tp_dealloc, thunk_dealloc},
    {Py_tp_traverse, thunk_traverse},
    {Py_tp_clear, thunk_clear},
    {0, NULL},
};

PyType_Spec ct_thunk_spec = {
    .name = "_ctypes.CThunkObject",
    .basicsize = offsetof(Thunk, types),
    .itemsize = sizeof(ffi_type *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = thunk_slots,
};

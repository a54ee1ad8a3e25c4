/* module.c - the module _ctypes: its types and functions.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <dlfcn.h>
#include <link.h>
#include <time.h>
#include <wchar.h>

State *
ct_state_of_meta(PyTypeObject *meta)
{
    PyObject *module = PyType_GetModuleByDef(meta, &ctypes_module);
    return module ? PyModule_GetState(module) : NULL;
}

/* Of any instance of CType; NULL with an exception set if it has gone. */
State *
ct_state_of(PyObject *type)
{
    Info *info = INFO(type);
    return info->st ? info->st : ct_state_of_meta(Py_TYPE(type));
}

int
ct_check_args(const char *name, Py_ssize_t n, Py_ssize_t min, Py_ssize_t max)
{
    if (n < min) {
        PyErr_Format(PyExc_TypeError, "%s() takes %s %zd positional argument%s (%zd given)",
                     name, min == max ? "exactly" : "at least", min, min == 1 ? "" : "s", n);
        return 0;
    }
    if (n > max) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd argument%s (%zd given)", name,
                     max, max == 1 ? "" : "s", n);
        return 0;
    }
    return 1;
}

static State *
state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

/* ======================================================================================
 * Sizes and addresses
 * ====================================================================================== */

static PyObject *
ctypes_sizeof(PyObject *m, PyObject *o)
{
    State *st = state_of(m);
    Info *info = ct_info(st, o);
    if (info) {
        return PyLong_FromSsize_t(info->size);
    }
    if (ct_is_data(st, o)) {
        return PyLong_FromSsize_t(((Data *)o)->size);
    }
    PyErr_SetString(PyExc_TypeError, "this type has no size");
    return NULL;
}

static PyObject *
ctypes_alignment(PyObject *m, PyObject *o)
{
    State *st = state_of(m);
    Info *info = ct_info(st, o);
    if (!info && ct_is_data(st, o)) {
        info = INFO(Py_TYPE(o));
    }
    if (info) {
        return PyLong_FromSsize_t(info->align);
    }
    PyErr_SetString(PyExc_TypeError, "no alignment info");
    return NULL;
}

static int
check_data(State *st, PyObject *o, const char *where)
{
    if (!ct_is_data(st, o)) {
        PyErr_Format(PyExc_TypeError, "%s must be _ctypes._CData, not %.50s", where,
                     Py_IsNone(o) ? "None" : Py_TYPE(o)->tp_name);
        return -1;
    }
    return 0;
}

static PyObject *
ctypes_byref(PyObject *m, PyObject *args)
{
    PyObject *o, *ooffset = NULL;
    Py_ssize_t offset = 0;
    if (!PyArg_UnpackTuple(args, "byref", 1, 2, &o, &ooffset) ||
        check_data(state_of(m), o, "byref() argument 1") < 0) {
        return NULL;
    }
    if (ooffset) {
        offset = PyNumber_AsSsize_t(ooffset, PyExc_OverflowError);
        if (offset == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    return ct_byref(state_of(m), o, offset);
}

static PyObject *
ctypes_addressof(PyObject *m, PyObject *o)
{
    if (check_data(state_of(m), o, "addressof() argument") < 0 ||
        PySys_Audit("ctypes.addressof", "(O)", o) < 0) {
        return NULL;
    }
    return PyLong_FromVoidPtr(((Data *)o)->ptr);
}

static PyObject *
ctypes_resize(PyObject *m, PyObject *args)
{
    PyObject *o, *osize;
    if (!PyArg_UnpackTuple(args, "resize", 2, 2, &o, &osize) ||
        check_data(state_of(m), o, "resize() argument 1") < 0) {
        return NULL;
    }
    NJ_OWN index = PyNumber_Index(osize);
    Py_ssize_t size = index ? PyLong_AsSsize_t(index) : -1;
    if (size == -1 && PyErr_Occurred()) {
        return NULL;
    }
    Data *data = (Data *)o;
    Info *info = INFO(Py_TYPE(o));
    if (size < info->size) {
        PyErr_Format(PyExc_ValueError, "minimum size is %zd", info->size);
        return NULL;
    }
    if (!data->needs_free) {
        PyErr_SetString(PyExc_ValueError, "Memory cannot be resized because this object "
                                          "doesn't own it");
        return NULL;
    }
    if (data->ptr == data->value.bytes) {
        if ((size_t)size > sizeof(Value)) {
            char *p = PyMem_Calloc(1, (size_t)size);
            if (!p) {
                return PyErr_NoMemory();
            }
            memcpy(p, data->ptr, (size_t)data->size);
            data->ptr = p;
        }
    }
    else {
        char *p = PyMem_Realloc(data->ptr, (size_t)size);
        if (!p) {
            return PyErr_NoMemory();
        }
        data->ptr = p;
    }
    data->size = size;
    Py_RETURN_NONE;
}

static PyObject *
ctypes_buffer_info(PyObject *m, PyObject *o)
{
    State *st = state_of(m);
    Info *info = ct_info(st, o);
    if (!info) {
        info = ct_info(st, (PyObject *)Py_TYPE(o));
    }
    if (!info) {
        PyErr_SetString(PyExc_TypeError, "not a ctypes type or object");
        return NULL;
    }
    NJ_OWN shape = PyTuple_New(info->ndim);
    for (int i = 0; shape && i < info->ndim; i++) {
        PyObject *n = PyLong_FromSsize_t(info->shape[i]);
        if (!n) {
            return NULL;
        }
        PyTuple_SET_ITEM(shape, i, n);
    }
    return shape ? Py_BuildValue("siO", info->format, info->ndim, shape) : NULL;
}

static PyObject *
ctypes_unpickle(PyObject *m, PyObject *args)
{
    PyObject *type, *state;
    if (!PyArg_ParseTuple(args, "OO!", &type, &PyTuple_Type, &state)) {
        return NULL;
    }
    NJ_OWN o = PyObject_CallMethod(type, "__new__", "O", type);
    NJ_OWN set = o ? PyObject_GetAttrString(o, "__setstate__") : NULL;
    NJ_OWN r = set ? PyObject_Call(set, state, NULL) : NULL;
    return r ? NJ_TAKE(o) : NULL;
}

/* ======================================================================================
 * errno
 * ====================================================================================== */

static PyObject *
ctypes_get_errno(PyObject *m, PyObject *ignored)
{
    if (PySys_Audit("ctypes.get_errno", NULL) < 0) {
        return NULL;
    }
    int *copy = ct_errno_copy();
    return copy ? PyLong_FromLong(*copy) : NULL;
}

static PyObject *
ctypes_set_errno(PyObject *m, PyObject *args)
{
    int value;
    if (PySys_Audit("ctypes.set_errno", "O", args) < 0 ||
        !PyArg_ParseTuple(args, "i", &value)) {
        return NULL;
    }
    int *copy = ct_errno_copy();
    if (!copy) {
        return NULL;
    }
    int old = *copy;
    *copy = value;
    return PyLong_FromLong(old);
}

/* ======================================================================================
 * Libraries and bare calls
 * ====================================================================================== */

static int
address_converter(PyObject *o, void *out)
{
    if (!PyLong_Check(o)) {
        PyErr_SetString(PyExc_TypeError, "an integer is required");
        return 0;
    }
    *(void **)out = PyLong_AsVoidPtr(o);
    return !PyErr_Occurred();
}

static PyObject *
raise_dlerror(void)
{
    const char *message = dlerror();
    if (!message) {
        PyErr_SetString(PyExc_OSError, "dlopen() error");
        return NULL;
    }
    NJ_OWN text = PyUnicode_DecodeLocale(message, "surrogateescape");
    if (text) {
        PyErr_SetObject(PyExc_OSError, text);
    }
    return NULL;
}

static PyObject *
ctypes_dlopen(PyObject *m, PyObject *args)
{
    PyObject *name;
    int mode = RTLD_NOW;
    if (!PyArg_ParseTuple(args, "O|i:dlopen", &name, &mode)) {
        return NULL;
    }
    NJ_OWN path = NULL;
    if (name != Py_None && !PyUnicode_FSConverter(name, &path)) {
        return NULL;
    }
    if (PySys_Audit("ctypes.dlopen", "O", name) < 0) {
        return NULL;
    }
    void *handle;
    Py_BEGIN_ALLOW_THREADS
    handle = dlopen(path ? PyBytes_AS_STRING(path) : NULL, mode | RTLD_NOW);
    Py_END_ALLOW_THREADS
    return handle ? PyLong_FromVoidPtr(handle) : raise_dlerror();
}

static PyObject *
ctypes_dlclose(PyObject *m, PyObject *args)
{
    void *handle;
    if (!PyArg_ParseTuple(args, "O&:dlclose", address_converter, &handle)) {
        return NULL;
    }
    if (dlclose(handle)) {
        return raise_dlerror();
    }
    Py_RETURN_NONE;
}

static PyObject *
ctypes_dlsym(PyObject *m, PyObject *args)
{
    void *handle;
    const char *name;
    if (!PyArg_ParseTuple(args, "O&s:dlsym", address_converter, &handle, &name) ||
        PySys_Audit("ctypes.dlsym/handle", "O", args) < 0) {
        return NULL;
    }
    (void)dlerror();
    void *p = dlsym(handle, name);
    if (p) {
        return PyLong_FromVoidPtr(p);
    }
    const char *message = dlerror();
    if (!message) {
        return PyErr_Format(PyExc_OSError, "symbol '%s' not found", name);
    }
    NJ_OWN text = PyUnicode_DecodeLocale(message, "surrogateescape");
    if (text) {
        PyErr_SetObject(PyExc_OSError, text);
    }
    return NULL;
}

static int
add_library(struct dl_phdr_info *info, size_t size, void *list)
{
    NJ_OWN name = PyUnicode_DecodeFSDefault(info->dlpi_name);
    return !name || PyList_Append(list, name) < 0;
}

static PyObject *
ctypes_dllist(PyObject *m, PyObject *ignored)
{
    NJ_OWN list = PyList_New(0);
    if (list) {
        dl_iterate_phdr(add_library, list);
    }
    return PyErr_Occurred() ? NULL : NJ_TAKE(list);
}

static PyObject *
call_bare(PyObject *m, PyObject *args, int flags)
{
    void *func;
    PyObject *arguments;
    if (!PyArg_ParseTuple(args, "O&O!", address_converter, &func, &PyTuple_Type,
                          &arguments)) {
        return NULL;
    }
    return ct_call(state_of(m), func, arguments, flags, NULL, NULL, NULL);
}

static PyObject *
ctypes_call_function(PyObject *m, PyObject *args)
{
    return call_bare(m, args, 0);
}

static PyObject *
ctypes_call_cdeclfunction(PyObject *m, PyObject *args)
{
    return call_bare(m, args, FUNCFLAG_CDECL);
}

static PyObject *
ctypes_from_ptr(PyObject *m, PyObject *args)
{
    PyObject *o;
    if (!PyArg_ParseTuple(args, "O&:PyObj_FromPtr", address_converter, &o) ||
        PySys_Audit("ctypes.PyObj_FromPtr", "(O)", o) < 0) {
        return NULL;
    }
    return Py_NewRef(o);
}

static PyObject *
ctypes_incref(PyObject *m, PyObject *o)
{
    Py_INCREF(o); /* what the caller asked for */
    return Py_NewRef(o);
}

static PyObject *
ctypes_decref(PyObject *m, PyObject *o)
{
    Py_DECREF(o);
    return Py_NewRef(o);
}

/* ======================================================================================
 * C functions that ctypes calls through its own function pointers
 * ====================================================================================== */

static int
check_cast(State *st, PyObject *type)
{
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "cast() argument 2 must be a pointer type");
        return -1;
    }
    Info *info = ct_info(st, type);
    if (info && (info->kind == KIND_POINTER || info->kind == KIND_FUNC ||
                 (info->kind == KIND_SIMPLE && strchr("PzZO", info->simple->code)))) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "cast() argument 2 must be a pointer type, not %s",
                 ((PyTypeObject *)type)->tp_name);
    return -1;
}

/* The state of the interpreter whose function this call came through. */
static State *
own_state(void)
{
    NJ_OWN name = PyUnicode_InternFromString("_ctypes");
    NJ_OWN module = name ? PyImport_GetModule(name) : NULL;
    if (!module) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "lost _ctypes");
        }
        return NULL;
    }
    return PyModule_GetDef(module) == &ctypes_module ? PyModule_GetState(module) : NULL;
}

static PyObject *
cast(void *p, PyObject *src, PyObject *type)
{
    State *st = PyType_Check(type) && Py_TYPE(type) != &PyType_Type
                    ? ct_state_of_meta(Py_TYPE(type))
                    : NULL;
    if (!st) {
        PyErr_Clear();
        st = own_state();
    }
    if (!st || check_cast(st, type) < 0) {
        return NULL;
    }
    NJ_OWN result = PyObject_CallNoArgs(type);
    if (!result) {
        return NULL;
    }
    Data *to = (Data *)result;
    /* The result must keep alive what src points to: they share the dict of kept
     * objects, and src itself goes into it. */
    if (ct_is_data(st, src)) {
        Data *top = ct_container((Data *)src);
        if (!top) {
            return NULL;
        }
        if (top->objects && PyDict_CheckExact(top->objects)) {
            NJ_OWN key = PyLong_FromVoidPtr(src);
            if (!key || PyDict_SetItem(top->objects, key, src) < 0) {
                return NULL;
            }
        }
        NJ_SET(to->objects, Py_XNewRef(top->objects));
    }
    memcpy(to->ptr, &p, sizeof p);
    return NJ_TAKE(result);
}

static PyObject *
string_at(const char *p, int size)
{
    if (PySys_Audit("ctypes.string_at", "ni", (Py_ssize_t)p, size) < 0) {
        return NULL;
    }
    return PyBytes_FromStringAndSize(p, size == -1 ? (Py_ssize_t)strlen(p) : size);
}

static PyObject *
wstring_at(const wchar_t *p, int size)
{
    if (PySys_Audit("ctypes.wstring_at", "ni", (Py_ssize_t)p, size) < 0) {
        return NULL;
    }
    return PyUnicode_FromWideChar(p, size == -1 ? (Py_ssize_t)wcslen(p) : size);
}

static PyObject *
memoryview_at(void *p, Py_ssize_t size, int readonly)
{
    if (PySys_Audit("ctypes.memoryview_at", "nni", (Py_ssize_t)p, size, readonly) < 0) {
        return NULL;
    }
    if (size < 0) {
        PyErr_Format(PyExc_ValueError,
                     "memoryview_at: size is negative (or overflowed): %zd", size);
        return NULL;
    }
    return PyMemoryView_FromMemory(p, size, readonly ? PyBUF_READ : PyBUF_WRITE);
}

/* ======================================================================================
 * The module
 * ====================================================================================== */

static PyMethodDef methods[] = {
    {"get_errno", ctypes_get_errno, METH_NOARGS, SIG("get_errno($self, /)")},
    {"set_errno", ctypes_set_errno, METH_VARARGS, NULL},
    {"_unpickle", ctypes_unpickle, METH_VARARGS, NULL},
    {"buffer_info", ctypes_buffer_info, METH_O,
     SIG("buffer_info($self, object, /)") "Return buffer interface information"},
    {"resize", ctypes_resize, METH_VARARGS, SIG("resize($module, obj, size, /)")},
    {"dlopen", ctypes_dlopen, METH_VARARGS,
     "dlopen(name, flag={RTLD_GLOBAL|RTLD_LOCAL}) open a shared library"},
    {"dlclose", ctypes_dlclose, METH_VARARGS, "close a shared library"},
    {"dlsym", ctypes_dlsym, METH_VARARGS, "find symbol in shared library"},
    {"dllist", ctypes_dllist, METH_NOARGS,
     SIG("dllist($self, /)") "The names of the loaded shared libraries."},
    {"alignment", ctypes_alignment, METH_O,
     SIG("alignment($self, object, /)") "alignment(C type) -> integer\n"
                                        "alignment(C instance) -> integer\n"
                                        "What its address must be a multiple of."},
    {"sizeof", ctypes_sizeof, METH_O,
     SIG("sizeof($module, obj, /)") "The size in bytes of a C type or instance."},
    {"byref", ctypes_byref, METH_VARARGS,
     SIG("byref($module, obj, offset=0, /)") "A light pointer to a C instance, good as a "
                                             "function argument only."},
    {"addressof", ctypes_addressof, METH_O,
     SIG("addressof($module, obj, /)") "The address of the memory of a C instance."},
    {"call_function", ctypes_call_function, METH_VARARGS, NULL},
    {"call_cdeclfunction", ctypes_call_cdeclfunction, METH_VARARGS, NULL},
    {"PyObj_FromPtr", ctypes_from_ptr, METH_VARARGS, NULL},
    {"Py_INCREF", ctypes_incref, METH_O, SIG("Py_INCREF($self, object, /)")},
    {"Py_DECREF", ctypes_decref, METH_O, SIG("Py_DECREF($self, object, /)")},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *
make_type(PyObject *m, PyTypeObject *meta, PyType_Spec *spec, PyTypeObject *base)
{
    return (PyTypeObject *)PyType_FromMetaclass(meta, m, spec, (PyObject *)base);
}

static int
make_types(PyObject *m, State *st)
{
    static const struct {
        size_t type, meta, base; /* offsets into State; 0 for none */
        PyType_Spec *spec;
        const char *public_name;
    } all[] = {
#define AT(f) (offsetof(State, f) + 1)
        {AT(arg), 0, 0, &ct_arg_spec, NULL},
        {AT(thunk), 0, 0, &ct_thunk_spec, NULL},
        {AT(field), 0, 0, &ct_field_spec, "CField"},
        {AT(data), 0, 0, &ct_data_spec, NULL},
        {AT(struct_meta), 0, AT(ctype), &ct_struct_meta_spec, NULL},
        {AT(union_meta), 0, AT(ctype), &ct_union_meta_spec, NULL},
        {AT(pointer_meta), 0, AT(ctype), &ct_pointer_meta_spec, NULL},
        {AT(array_meta), 0, AT(ctype), &ct_array_meta_spec, NULL},
        {AT(simple_meta), 0, AT(ctype), &ct_simple_meta_spec, NULL},
        {AT(func_meta), 0, AT(ctype), &ct_func_meta_spec, NULL},
        {AT(structure), AT(struct_meta), AT(data), &ct_struct_spec, "Structure"},
        {AT(union_), AT(union_meta), AT(data), &ct_union_spec, "Union"},
        {AT(pointer), AT(pointer_meta), AT(data), &ct_pointer_spec, "_Pointer"},
        {AT(array), AT(array_meta), AT(data), &ct_array_spec, "Array"},
        {AT(simple), AT(simple_meta), AT(data), &ct_simple_spec, "_SimpleCData"},
        {AT(func), AT(func_meta), AT(data), &ct_func_spec, "CFuncPtr"},
#undef AT
    };
#define TYPE_AT(offset) (*(PyTypeObject **)((char *)st + (offset)-1))
    st->ctype = make_type(m, NULL, &ct_ctype_spec, &PyType_Type);
    if (!st->ctype) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(all); i++) {
        PyTypeObject *meta = all[i].meta ? TYPE_AT(all[i].meta) : NULL;
        PyTypeObject *base = all[i].base ? TYPE_AT(all[i].base) : NULL;
        PyTypeObject *type = make_type(m, meta, all[i].spec, base);
        if (!type) {
            return -1;
        }
        TYPE_AT(all[i].type) = type;
        if (all[i].public_name &&
            PyModule_AddObjectRef(m, all[i].public_name, (PyObject *)type) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
add_address(PyObject *m, const char *name, void *p)
{
    NJ_OWN o = PyLong_FromVoidPtr(p);
    return PyModule_AddObjectRef(m, name, o);
}

static int
ctypes_exec(PyObject *m)
{
    State *st = state_of(m);
    if (make_types(m, st) < 0) {
        return -1;
    }
    st->unpickle = PyObject_GetAttrString(m, "_unpickle");
    st->arg_error = PyErr_NewException("ctypes.ArgumentError", NULL, NULL);
    if (!st->unpickle || PyModule_AddObjectRef(m, "ArgumentError", st->arg_error) < 0) {
        return -1;
    }
    if (PyModule_AddStringConstant(m, "__version__", "1.1.0") < 0 ||
        PyModule_AddIntConstant(m, "FUNCFLAG_CDECL", FUNCFLAG_CDECL) < 0 ||
        PyModule_AddIntConstant(m, "FUNCFLAG_PYTHONAPI", FUNCFLAG_PYTHONAPI) < 0 ||
        PyModule_AddIntConstant(m, "FUNCFLAG_USE_ERRNO", FUNCFLAG_USE_ERRNO) < 0 ||
        PyModule_AddIntConstant(m, "FUNCFLAG_USE_LASTERROR", FUNCFLAG_USE_LASTERROR) < 0 ||
        PyModule_AddIntConstant(m, "RTLD_LOCAL", RTLD_LOCAL) < 0 ||
        PyModule_AddIntConstant(m, "RTLD_GLOBAL", RTLD_GLOBAL) < 0 ||
        PyModule_AddIntConstant(m, "CTYPES_MAX_ARGCOUNT", MAX_ARGS) < 0 ||
        PyModule_AddIntConstant(m, "SIZEOF_TIME_T", sizeof(time_t)) < 0) {
        return -1;
    }
    return add_address(m, "_memmove_addr", memmove) < 0 ||
                   add_address(m, "_memset_addr", memset) < 0 ||
                   add_address(m, "_string_at_addr", string_at) < 0 ||
                   add_address(m, "_wstring_at_addr", wstring_at) < 0 ||
                   add_address(m, "_memoryview_at_addr", memoryview_at) < 0 ||
                   add_address(m, "_cast_addr", cast) < 0
               ? -1
               : 0;
}

static int
visit_state(State *st, visitproc visit, void *arg)
{
    Py_VISIT(st->ctype);
    Py_VISIT(st->struct_meta);
    Py_VISIT(st->union_meta);
    Py_VISIT(st->pointer_meta);
    Py_VISIT(st->array_meta);
    Py_VISIT(st->simple_meta);
    Py_VISIT(st->func_meta);
    Py_VISIT(st->data);
    Py_VISIT(st->structure);
    Py_VISIT(st->union_);
    Py_VISIT(st->pointer);
    Py_VISIT(st->array);
    Py_VISIT(st->simple);
    Py_VISIT(st->func);
    Py_VISIT(st->field);
    Py_VISIT(st->arg);
    Py_VISIT(st->thunk);
    Py_VISIT(st->arg_error);
    Py_VISIT(st->unpickle);
    Py_VISIT(st->get_layout);
    return 0;
}

static int
ctypes_traverse(PyObject *m, visitproc visit, void *arg)
{
    return visit_state(state_of(m), visit, arg);
}

static int
ctypes_clear(PyObject *m)
{
    State *st = state_of(m);
    Py_CLEAR(st->ctype);
    Py_CLEAR(st->struct_meta);
    Py_CLEAR(st->union_meta);
    Py_CLEAR(st->pointer_meta);
    Py_CLEAR(st->array_meta);
    Py_CLEAR(st->simple_meta);
    Py_CLEAR(st->func_meta);
    Py_CLEAR(st->data);
    Py_CLEAR(st->structure);
    Py_CLEAR(st->union_);
    Py_CLEAR(st->pointer);
    Py_CLEAR(st->array);
    Py_CLEAR(st->simple);
    Py_CLEAR(st->func);
    Py_CLEAR(st->field);
    Py_CLEAR(st->arg);
    Py_CLEAR(st->thunk);
    Py_CLEAR(st->arg_error);
    Py_CLEAR(st->unpickle);
    Py_CLEAR(st->get_layout);
    return 0;
}

static void
ctypes_free(void *m)
{
    ctypes_clear(m);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, ctypes_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

PyModuleDef ctypes_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_ctypes",
    .m_doc = "Create and manipulate C compatible data types in Python.",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = ctypes_traverse,
    .m_clear = ctypes_clear,
    .m_free = ctypes_free,
};

PyMODINIT_FUNC
PyInit__ctypes(void)
{
    return PyModuleDef_Init(&ctypes_module);
}

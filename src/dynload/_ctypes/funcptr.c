/* funcptr.c - function prototypes and function pointers.
 * SPDX-License-Identifier: MIT
 */
#include "ctypes_int.h"

#include <dlfcn.h>

#define FUNC(o) ((FuncPtr *)(o))

enum { PARAM_IN = 1, PARAM_OUT = 2, PARAM_LCID = 4 };

/* ======================================================================================
 * Argument and result types
 * ====================================================================================== */

/* The from_param of each type of a tuple, as a tuple. */
static PyObject *
converters_of(State *st, PyObject *argtypes)
{
    Py_ssize_t n = PyTuple_GET_SIZE(argtypes);
    if (n > MAX_ARGS) {
        PyErr_Format(st->arg_error, "_argtypes_ has too many arguments (%zi), maximum is %i",
                     n, MAX_ARGS);
        return NULL;
    }
    NJ_OWN out = PyTuple_New(n);
    for (Py_ssize_t i = 0; out && i < n; i++) {
        PyObject *f = NULL;
        if (PyObject_GetOptionalAttrString(PyTuple_GET_ITEM(argtypes, i), "from_param",
                                           &f) < 0) {
            return NULL;
        }
        if (!f) {
            PyErr_Format(PyExc_TypeError, "item %zd in _argtypes_ has no from_param method",
                         i + 1);
            return NULL;
        }
        PyTuple_SET_ITEM(out, i, f);
    }
    return NJ_TAKE(out);
}

static bool
is_result_type(State *st, PyObject *o)
{
    return o == Py_None || ct_info(st, o) || PyCallable_Check(o);
}

static int
optional(PyObject *dict, const char *name, PyObject **out)
{
    return PyDict_GetItemStringRef(dict, name, out);
}

static int
func_meta_init(PyObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyType_Type.tp_init(type, args, kwargs) < 0) {
        return -1;
    }
    Info *info = ct_info_init(type, KIND_FUNC);
    if (!info) {
        return -1;
    }
    State *st = info->st;
    info->size = sizeof(void *);
    info->align = _Alignof(void *);
    info->length = 1;
    info->ffi = &ffi_type_pointer;
    info->has_pointer = true;
    memset(info->classes, CLASS_INTEGER, sizeof(void *));
    info->format = ct_text("X{}");
    NJ_OWN flags = NULL;
    if (!info->format || PyObject_GetOptionalAttrString(type, "_flags_", &flags) < 0) {
        return -1;
    }
    if (!flags || !PyLong_Check(flags)) {
        PyErr_SetString(PyExc_TypeError,
                        "class must define _flags_ which must be an integer");
        return -1;
    }
    info->func_flags =
        (int)PyLong_AsUnsignedLongMask(flags) | FUNCFLAG_CDECL;
    NJ_OWN dict = PyType_GetDict((PyTypeObject *)type);
    NJ_OWN argtypes = NULL;
    NJ_OWN restype = NULL;
    if (!dict || optional(dict, "_argtypes_", &argtypes) < 0 ||
        optional(dict, "_restype_", &restype) < 0) {
        return -1;
    }
    if (argtypes) {
        if (!PyTuple_Check(argtypes)) {
            PyErr_SetString(PyExc_TypeError, "_argtypes_ must be a sequence of types");
            return -1;
        }
        info->converters = converters_of(st, argtypes);
        if (!info->converters) {
            return -1;
        }
        info->argtypes = Py_NewRef(argtypes);
    }
    if (restype) {
        if (!is_result_type(st, restype)) {
            PyErr_SetString(PyExc_TypeError,
                            "_restype_ must be a type, a callable, or None");
            return -1;
        }
        info->restype = Py_NewRef(restype);
        return PyObject_GetOptionalAttrString(restype, "_check_retval_", &info->checker) < 0
                   ? -1
                   : 0;
    }
    return 0;
}

static PyType_Slot func_meta_slots[] = {
    {Py_tp_init, func_meta_init},
    {Py_tp_methods, ct_type_methods},
    {Py_tp_doc, "metatype for C function pointers"},
    {0, NULL},
};

PyType_Spec ct_func_meta_spec = {
    .name = "_ctypes.PyCFuncPtrType",
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = func_meta_slots,
};

/* ======================================================================================
 * Parameter flags
 * ====================================================================================== */

static bool
is_out_type(State *st, PyObject *type)
{
    Info *info = ct_info(st, type);
    return info && (info->kind == KIND_POINTER || info->kind == KIND_ARRAY ||
                    (info->kind == KIND_SIMPLE && strchr("PzZ", info->simple->code)));
}

/* One item of paramflags: (flags[, name[, default]]). */
static int
parse_flag(PyObject *item, int *flag, PyObject **name, PyObject **defval)
{
    *flag = 0;
    *name = NULL;
    *defval = NULL;
    if (!PyTuple_Check(item) || !PyArg_ParseTuple(item, "i|OO", flag, name, defval)) {
        PyErr_Clear();
        PyErr_SetString(PyExc_TypeError, "paramflags must be a sequence of (int [,string "
                                         "[,value]]) tuples");
        return -1;
    }
    if (*name == Py_None) {
        *name = NULL;
    }
    return 0;
}

static int
check_flags(State *st, PyObject *argtypes, PyObject *paramflags)
{
    if (!paramflags || paramflags == Py_None || !argtypes) {
        return 0;
    }
    if (!PyTuple_Check(paramflags)) {
        PyErr_SetString(PyExc_TypeError, "paramflags must be a tuple or None");
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(paramflags);
    if (n != PyTuple_GET_SIZE(argtypes)) {
        PyErr_SetString(PyExc_ValueError, "paramflags must have the same length as argtypes");
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        int flag;
        PyObject *name, *defval, *type = PyTuple_GET_ITEM(argtypes, i);
        if (parse_flag(PyTuple_GET_ITEM(paramflags, i), &flag, &name, &defval) < 0) {
            return -1;
        }
        if (name && !PyUnicode_Check(name)) {
            PyErr_SetString(PyExc_TypeError, "paramflags must be a sequence of (int "
                                             "[,string [,value]]) tuples");
            return -1;
        }
        switch (flag & 7) {
        case 0:
        case PARAM_IN:
        case PARAM_IN | PARAM_LCID:
        case PARAM_IN | PARAM_OUT:
            break;
        case PARAM_OUT:
            if (!is_out_type(st, type)) {
                PyErr_Format(PyExc_TypeError,
                             "'out' parameter %zd must be a pointer type, not %s", i + 1,
                             PyType_Check(type) ? ((PyTypeObject *)type)->tp_name
                                                : Py_TYPE(type)->tp_name);
                return -1;
            }
            break;
        default:
            PyErr_Format(PyExc_TypeError, "paramflag value %d not supported", flag);
            return -1;
        }
    }
    return 0;
}

/* ======================================================================================
 * Construction
 * ====================================================================================== */

static PyObject *
from_address(PyTypeObject *type, void *p)
{
    PyObject *self = ct_new(type, NULL, NULL);
    if (self) {
        memcpy(FUNC(self)->ptr, &p, sizeof p);
    }
    return self;
}

/* The address that (name or ordinal, dll) means; the dll in *dll, borrowed. */
static int
look_up(PyObject *spec, PyObject **dll, void **out)
{
    if (PyTuple_GET_SIZE(spec) != 2) {
        PyErr_SetString(PyExc_TypeError, "illegal func_spec argument");
        return -1;
    }
    PyObject *oname = PyTuple_GET_ITEM(spec, 0);
    *dll = PyTuple_GET_ITEM(spec, 1);
    const char *name;
    Py_ssize_t len;
    if (PyBytes_Check(oname)) {
        name = PyBytes_AS_STRING(oname);
        len = PyBytes_GET_SIZE(oname);
    }
    else if (PyUnicode_Check(oname)) {
        name = PyUnicode_AsUTF8AndSize(oname, &len);
        if (!name) {
            return -1;
        }
    }
    else {
        PyErr_SetString(PyExc_TypeError,
                        "function name must be string, bytes object or integer");
        return -1;
    }
    if (strlen(name) != (size_t)len) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    NJ_OWN handle = PyObject_GetAttrString(*dll, "_handle");
    if (!handle) {
        return -1;
    }
    if (!PyLong_Check(handle)) {
        PyErr_SetString(PyExc_TypeError,
                        "the _handle attribute of the second argument must be an integer");
        return -1;
    }
    void *lib = PyLong_AsVoidPtr(handle);
    if (PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "could not convert the _handle attribute to a "
                                          "pointer");
        return -1;
    }
    if (PySys_Audit("ctypes.dlsym", "OO", *dll, oname) < 0) {
        return -1;
    }
    (void)dlerror();
    *out = dlsym(lib, name);
    if (*out) {
        return 0;
    }
    const char *message = dlerror();
    if (message) {
        NJ_OWN text = PyUnicode_DecodeLocale(message, "surrogateescape");
        if (text) {
            PyErr_SetObject(PyExc_AttributeError, text);
        }
    }
    else {
        PyErr_Format(PyExc_AttributeError, "function '%s' not found", name);
    }
    return -1;
}

static PyObject *
from_dll(State *st, PyTypeObject *type, PyObject *args)
{
    PyObject *spec, *paramflags = NULL, *dll;
    void *p;
    if (!PyArg_ParseTuple(args, "O|O", &spec, &paramflags)) {
        return NULL;
    }
    if (paramflags == Py_None) {
        paramflags = NULL;
    }
    if (look_up(spec, &dll, &p) < 0 ||
        check_flags(st, INFO(type)->argtypes, paramflags) < 0) {
        return NULL;
    }
    NJ_OWN self = from_address(type, p);
    if (!self) {
        return NULL;
    }
    FUNC(self)->paramflags = Py_XNewRef(paramflags);
    return ct_keep((Data *)self, 0, Py_NewRef(dll)) < 0 ? NULL : NJ_TAKE(self);
}

static PyObject *
func_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    State *st = ct_state_of((PyObject *)type);
    if (!st) {
        return NULL;
    }
    Info *info = ct_info(st, (PyObject *)type);
    if (!info) {
        PyErr_SetString(PyExc_TypeError, "abstract class");
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (!n) {
        return ct_new(type, args, kwargs);
    }
    PyObject *first = PyTuple_GET_ITEM(args, 0);
    if (n <= 2 && PyTuple_Check(first)) {
        return from_dll(st, type, args);
    }
    if (n == 1 && PyLong_Check(first)) {
        void *p = PyLong_AsVoidPtr(first);
        return !p && PyErr_Occurred() ? NULL : from_address(type, p);
    }
    PyObject *callable;
    if (!PyArg_ParseTuple(args, "O", &callable)) {
        return NULL;
    }
    if (!PyCallable_Check(callable)) {
        PyErr_SetString(PyExc_TypeError,
                        "argument must be callable or integer function address");
        return NULL;
    }
    if (!info->argtypes) {
        PyErr_SetString(PyExc_TypeError,
                        "cannot construct instance of this class: no argtypes");
        return NULL;
    }
    NJ_OWN thunk =
        ct_thunk_new(st, callable, info->argtypes, info->restype, info->func_flags);
    NJ_OWN self = thunk ? from_address(type, ((Thunk *)thunk)->code) : NULL;
    if (!self) {
        return NULL;
    }
    FUNC(self)->callable = Py_NewRef(callable);
    FUNC(self)->thunk = Py_NewRef(thunk);
    return ct_keep((Data *)self, 0, Py_NewRef(thunk)) < 0 ? NULL : NJ_TAKE(self);
}

static int
func_traverse(PyObject *self, visitproc visit, void *arg)
{
    FuncPtr *f = FUNC(self);
    Py_VISIT(f->thunk);
    Py_VISIT(f->callable);
    Py_VISIT(f->converters);
    Py_VISIT(f->argtypes);
    Py_VISIT(f->restype);
    Py_VISIT(f->checker);
    Py_VISIT(f->errcheck);
    Py_VISIT(f->paramflags);
    return ct_traverse(self, visit, arg);
}

static int
func_clear(PyObject *self)
{
    FuncPtr *f = FUNC(self);
    Py_CLEAR(f->thunk);
    Py_CLEAR(f->callable);
    Py_CLEAR(f->converters);
    Py_CLEAR(f->argtypes);
    Py_CLEAR(f->restype);
    Py_CLEAR(f->checker);
    Py_CLEAR(f->errcheck);
    Py_CLEAR(f->paramflags);
    return ct_clear(self);
}

static void
func_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    func_clear(self);
    PyObject_GC_Track(self); /* what the base's dealloc undoes */
    ct_dealloc(self);
}

/* ======================================================================================
 * Calls
 * ====================================================================================== */

static PyObject *
next_argument(Py_ssize_t *at, PyObject *name, PyObject *defval, PyObject *args,
              PyObject *kwargs)
{
    if (*at < PyTuple_GET_SIZE(args)) {
        return Py_NewRef(PyTuple_GET_ITEM(args, (*at)++));
    }
    if (kwargs && name) {
        PyObject *v;
        int rc = PyDict_GetItemRef(kwargs, name, &v);
        if (rc) {
            *at += rc > 0;
            return v;
        }
    }
    if (defval) {
        return Py_NewRef(defval);
    }
    if (name) {
        PyErr_Format(PyExc_TypeError, "required argument '%S' missing", name);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "not enough arguments");
    }
    return NULL;
}

/* The arguments of the C function, of those that Python gave and paramflags; marks in out
 * and inout which of them are results. */
static PyObject *
arguments_by_flags(FuncPtr *self, PyObject *argtypes, PyObject *args, PyObject *kwargs,
                   bool *out, bool *inout, Py_ssize_t *nresults)
{
    Py_ssize_t n = PyTuple_GET_SIZE(argtypes), at = 0;
    NJ_OWN built = PyTuple_New(n);
    for (Py_ssize_t i = 0; built && i < n; i++) {
        int flag;
        PyObject *name, *defval, *v = NULL;
        if (parse_flag(PyTuple_GET_ITEM(self->paramflags, i), &flag, &name, &defval) < 0) {
            return NULL;
        }
        switch (flag & 7) {
        case PARAM_IN | PARAM_LCID:
            v = defval ? Py_NewRef(defval) : PyLong_FromLong(0);
            break;
        case PARAM_IN | PARAM_OUT:
            inout[i] = true;
            *nresults += 1;
            v = next_argument(&at, name, defval, args, kwargs);
            break;
        case 0:
        case PARAM_IN:
            v = next_argument(&at, name, defval, args, kwargs);
            break;
        case PARAM_OUT:
            out[i] = true;
            *nresults += 1;
            if (defval) {
                v = Py_NewRef(defval);
                break;
            }
            PyObject *type = PyTuple_GET_ITEM(argtypes, i);
            Info *info = ct_info(INFO(Py_TYPE(self))->st, type);
            if (!info || (info->kind != KIND_ARRAY && !PyType_Check(info->proto))) {
                PyErr_Format(PyExc_TypeError, "%s 'out' parameter must be passed as default "
                                              "value",
                             ((PyTypeObject *)type)->tp_name);
                return NULL;
            }
            v = PyObject_CallNoArgs(info->kind == KIND_ARRAY ? type : info->proto);
            break;
        default:
            PyErr_Format(PyExc_ValueError, "paramflag %u not yet implemented", flag);
            return NULL;
        }
        if (!v) {
            return NULL;
        }
        PyTuple_SET_ITEM(built, i, v);
    }
    Py_ssize_t given = PyTuple_GET_SIZE(args) + (kwargs ? PyDict_GET_SIZE(kwargs) : 0);
    if (built && given != at) {
        PyErr_Format(PyExc_TypeError, "call takes exactly %d arguments (%zd given)", (int)at,
                     given);
        return NULL;
    }
    return NJ_TAKE(built);
}

/* What a call with out parameters returns: the one, or a tuple. */
static PyObject *
results_of(PyObject *callargs, const bool *out, const bool *inout, Py_ssize_t nresults)
{
    NJ_OWN all = nresults > 1 ? PyTuple_New(nresults) : NULL;
    if (nresults > 1 && !all) {
        return NULL;
    }
    for (Py_ssize_t i = 0, k = 0; i < PyTuple_GET_SIZE(callargs); i++) {
        PyObject *v = PyTuple_GET_ITEM(callargs, i);
        if (inout[i]) {
            Py_INCREF(v);
        }
        else if (out[i]) {
            v = PyObject_CallMethod(v, "__ctypes_from_outparam__", NULL);
            if (!v) {
                return NULL;
            }
        }
        else {
            continue;
        }
        if (!all) {
            return v;
        }
        PyTuple_SET_ITEM(all, k++, v);
    }
    return NJ_TAKE(all);
}

static int
check_count(Py_ssize_t required, Py_ssize_t given)
{
    if (given < required) {
        PyErr_Format(PyExc_TypeError, "this function takes at least %zd argument%s (%zd given)",
                     required, required == 1 ? "" : "s", given);
        return -1;
    }
    return 0;
}

static PyObject *
func_call(PyObject *o, PyObject *args, PyObject *kwargs)
{
    FuncPtr *self = FUNC(o);
    Info *info = INFO(Py_TYPE(o));
    State *st = info->st;
    void *func;
    memcpy(&func, self->ptr, sizeof func);
    NJ_OWN restype = Py_XNewRef(self->restype ? self->restype : info->restype);
    NJ_OWN converters = Py_XNewRef(self->converters ? self->converters : info->converters);
    NJ_OWN checker = Py_XNewRef(self->restype ? self->checker : info->checker);
    NJ_OWN argtypes = Py_XNewRef(self->argtypes ? self->argtypes : info->argtypes);
    NJ_OWN errcheck = Py_XNewRef(self->errcheck);
    if (argtypes == Py_None) {
        NJ_SET(argtypes, NULL);
    }
    bool *out = NULL, *inout;
    Py_ssize_t nresults = 0;
    NJ_OWN_MEM(bool) marks = NULL;
    NJ_OWN built = NULL;
    if (self->paramflags && argtypes && PyTuple_GET_SIZE(argtypes)) {
        Py_ssize_t n = PyTuple_GET_SIZE(argtypes);
        marks = PyMem_Calloc((size_t)n * 2, sizeof(bool));
        if (!marks) {
            return PyErr_NoMemory();
        }
        out = marks;
        inout = marks + n;
        if (n != PyTuple_GET_SIZE(self->paramflags)) {
            PyErr_SetString(PyExc_ValueError,
                            "paramflags must have the same length as argtypes");
            return NULL;
        }
        built = arguments_by_flags(self, argtypes, args, kwargs, out, inout, &nresults);
    }
    else {
        built = Py_NewRef(args);
    }
    if (!built) {
        return NULL;
    }
    if (converters && check_count(PyTuple_GET_SIZE(converters), PyTuple_GET_SIZE(built)) < 0) {
        return NULL;
    }
    if (!func) {
        PyErr_SetString(PyExc_ValueError, "attempt to call a NULL function pointer");
        return NULL;
    }
    NJ_OWN result = ct_call(st, func, built, info->func_flags, converters, restype, checker);
    if (result && errcheck) {
        NJ_OWN v = PyObject_CallFunctionObjArgs(errcheck, result, o, built, NULL);
        /* the arguments themselves mean: go on as if it had not been there */
        if (!v || v != built) {
            return NJ_TAKE(v);
        }
    }
    if (!result || !nresults) {
        return NJ_TAKE(result);
    }
    return results_of(built, out, inout, nresults);
}

/* ======================================================================================
 * Attributes
 * ====================================================================================== */

static PyObject *
get_restype(PyObject *o, void *closure)
{
    FuncPtr *self = FUNC(o);
    PyObject *v = self->restype ? self->restype : INFO(Py_TYPE(o))->restype;
    return Py_NewRef(v ? v : Py_None);
}

static int
set_restype(PyObject *o, PyObject *value, void *closure)
{
    FuncPtr *self = FUNC(o);
    if (!value) {
        Py_CLEAR(self->checker);
        Py_CLEAR(self->restype);
        return 0;
    }
    State *st = INFO(Py_TYPE(o))->st;
    if (!is_result_type(st, value)) {
        PyErr_SetString(PyExc_TypeError, "restype must be a type, a callable, or None");
        return -1;
    }
    PyObject *checker = NULL;
    if (PyObject_GetOptionalAttrString(value, "_check_retval_", &checker) < 0) {
        return -1;
    }
    NJ_SET(self->checker, checker);
    NJ_SET(self->restype, Py_NewRef(value));
    return 0;
}

static PyObject *
get_argtypes(PyObject *o, void *closure)
{
    FuncPtr *self = FUNC(o);
    PyObject *v = self->argtypes ? self->argtypes : INFO(Py_TYPE(o))->argtypes;
    return Py_NewRef(v ? v : Py_None);
}

static int
set_argtypes(PyObject *o, PyObject *value, void *closure)
{
    FuncPtr *self = FUNC(o);
    if (!value || value == Py_None) {
        Py_CLEAR(self->converters);
        Py_CLEAR(self->argtypes);
        return 0;
    }
    State *st = INFO(Py_TYPE(o))->st;
    NJ_OWN tuple = NULL;
    if (PyTuple_Check(value) || PyList_Check(value)) {
        tuple = PySequence_Tuple(value);
    }
    else if (PySequence_Check(value)) {
        tuple = PySequence_Tuple(value);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "_argtypes_ must be a sequence of types");
    }
    NJ_OWN converters = tuple ? converters_of(st, tuple) : NULL;
    if (!converters || check_flags(st, tuple, self->paramflags) < 0) {
        return -1;
    }
    NJ_SET(self->converters, NJ_TAKE(converters));
    NJ_SET(self->argtypes, Py_NewRef(value));
    return 0;
}

static PyObject *
get_errcheck(PyObject *o, void *closure)
{
    PyObject *v = FUNC(o)->errcheck;
    return Py_NewRef(v ? v : Py_None);
}

static int
set_errcheck(PyObject *o, PyObject *value, void *closure)
{
    if (value && !PyCallable_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "the errcheck attribute must be callable");
        return -1;
    }
    NJ_SET(FUNC(o)->errcheck, Py_XNewRef(value));
    return 0;
}

static PyGetSetDef func_getset[] = {
    {"errcheck", get_errcheck, set_errcheck, "a function to check for errors", NULL},
    {"restype", get_restype, set_restype, "specify the result type", NULL},
    {"argtypes", get_argtypes, set_argtypes, "specify the argument types", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static int
func_bool(PyObject *o)
{
    void *p;
    memcpy(&p, FUNC(o)->ptr, sizeof p);
    return p != NULL;
}

static PyObject *
func_repr(PyObject *o)
{
    return PyUnicode_FromFormat("<%s object at %p>", Py_TYPE(o)->tp_name, o);
}

static PyType_Slot func_slots[] = {
    {Py_tp_doc, "Function Pointer"},
    {Py_tp_new, func_new},
    {Py_tp_dealloc, func_dealloc},
    {Py_tp_traverse, func_traverse},
    {Py_tp_clear, func_clear},
    {Py_tp_repr, func_repr},
    {Py_tp_call, func_call},
    {Py_tp_getset, func_getset},
    {Py_nb_bool, func_bool},
    {Py_bf_getbuffer, ct_getbuffer},
    {0, NULL},
};

PyType_Spec ct_func_spec = {
    .name = "_ctypes.CFuncPtr",
    .basicsize = sizeof(FuncPtr),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = func_slots,
};

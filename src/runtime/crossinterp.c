/* crossinterp.c - values that go from one interpreter to another: see crossinterp.h.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "frontend/compile.h"
#include "objects/code_vars.h"
#include "runtime/crossinterp.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#include <marshal.h>

/* --- containers for values ---------------------------------------------------------------- */

NjXData *
nj_xdata_new(void)
{
    NjXData *x = PyMem_RawCalloc(1, sizeof *x);
    if (!x) {
        PyErr_NoMemory();
    }
    return x;
}

typedef struct Drop {
    void (*drop)(void *);
    void *data;
} Drop;

static int
drop_pending(void *arg)
{
    Drop d = *(Drop *)arg;
    PyMem_RawFree(arg);
    d.drop(d.data);
    return 0;
}

/* Calls drop(data) in the interpreter of that id, sooner or later. */
static void
drop_in(int64_t id, void (*drop)(void *), void *data)
{
    if (id == nj_interp()->id) {
        drop(data);
        return;
    }
    Drop *d = PyMem_RawMalloc(sizeof *d);
    if (!d) {
        return; /* leaked: there is nobody to tell */
    }
    *d = (Drop){drop, data};
    if (nj_pending_add_by_id(id, drop_pending, d) < 0) {
        PyMem_RawFree(d);
    }
}

void
nj_xdata_clear(NjXData *x)
{
    if (!x || !x->drop) {
        return;
    }
    void (*drop)(void *) = x->drop;
    x->drop = NULL;
    if (x->drop_in_owner) {
        drop_in(x->owner, drop, x->data);
    }
    else {
        drop(x->data);
    }
    x->data = NULL;
}

void
nj_xdata_free(NjXData *x)
{
    nj_xdata_clear(x);
    PyMem_RawFree(x);
}

PyObject *
nj_xdata_make(NjXData *x)
{
    return x->make(x);
}

char *
nj_raw_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = PyMem_RawMalloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

/* --- errors ---------------------------------------------------------------------------------- */

PyObject *
nj_not_shareable_type(void)
{
    NjInterp *interp = nj_interp();
    if (!interp->rt.xi.not_shareable) {
        interp->rt.xi.not_shareable = PyErr_NewException(
            "concurrent.interpreters.NotShareableError", PyExc_TypeError, NULL);
    }
    return interp->rt.xi.not_shareable;
}

void
nj_not_shareable(const char *format, ...)
{
    NJ_OWN cause = PyErr_GetRaisedException();
    PyObject *type = nj_not_shareable_type();
    if (!type) {
        return;
    }
    va_list va;
    va_start(va, format);
    PyErr_FormatV(type, format, va);
    va_end(va);
    if (cause) {
        PyObject *exc = PyErr_GetRaisedException();
        PyException_SetCause(exc, NJ_TAKE(cause));
        PyErr_SetRaisedException(exc);
    }
}

/* --- immutable values -------------------------------------------------------------------------- */

int
nj_xdata_bytes(NjXData *x, const void *text, Py_ssize_t size, PyObject *(*make)(NjXData *))
{
    NjXBytes *b = PyMem_RawMalloc(sizeof *b + (size_t)size + 1);
    if (!b) {
        PyErr_NoMemory();
        return -1;
    }
    b->size = size;
    memcpy(b->text, text, (size_t)size);
    b->text[size] = 0;
    x->data = b;
    x->drop = PyMem_RawFree;
    x->drop_in_owner = false;
    x->make = make;
    return 0;
}

static PyObject *
make_none(NjXData *x)
{
    Py_RETURN_NONE;
}

static int
get_none(PyObject *o, NjXData *x, bool fallback)
{
    x->make = make_none;
    return 0;
}

static PyObject *
make_bool(NjXData *x)
{
    return PyBool_FromLong(x->data != NULL);
}

static int
get_bool(PyObject *o, NjXData *x, bool fallback)
{
    x->data = o == Py_True ? x : NULL;
    x->make = make_bool;
    return 0;
}

static PyObject *
make_int(NjXData *x)
{
    return PyLong_FromSsize_t((Py_ssize_t)x->data);
}

static int
get_int(PyObject *o, NjXData *x, bool fallback)
{
    Py_ssize_t n = PyLong_AsSsize_t(o);
    if (n == -1 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_SetString(PyExc_OverflowError, "try sending as bytes");
        }
        return -1;
    }
    x->data = (void *)n;
    x->make = make_int;
    return 0;
}

static PyObject *
make_float(NjXData *x)
{
    double d;
    memcpy(&d, ((NjXBytes *)x->data)->text, sizeof d);
    return PyFloat_FromDouble(d);
}

static int
get_float(PyObject *o, NjXData *x, bool fallback)
{
    double d = PyFloat_AS_DOUBLE(o);
    return nj_xdata_bytes(x, &d, sizeof d, make_float);
}

static PyObject *
make_bytes(NjXData *x)
{
    NjXBytes *b = x->data;
    return PyBytes_FromStringAndSize(b->text, b->size);
}

static int
get_bytes(PyObject *o, NjXData *x, bool fallback)
{
    return nj_xdata_bytes(x, PyBytes_AS_STRING(o), PyBytes_GET_SIZE(o), make_bytes);
}

static PyObject *
make_str1(NjXData *x)
{
    NjXBytes *b = x->data;
    return PyUnicode_FromKindAndData(PyUnicode_1BYTE_KIND, b->text, b->size);
}

static PyObject *
make_str2(NjXData *x)
{
    NjXBytes *b = x->data;
    return PyUnicode_FromKindAndData(PyUnicode_2BYTE_KIND, b->text, b->size / 2);
}

static PyObject *
make_str4(NjXData *x)
{
    NjXBytes *b = x->data;
    return PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, b->text, b->size / 4);
}

static int
get_str(PyObject *o, NjXData *x, bool fallback)
{
    int kind = PyUnicode_KIND(o);
    return nj_xdata_bytes(x, PyUnicode_DATA(o), PyUnicode_GET_LENGTH(o) * kind,
                          kind == 1   ? make_str1
                          : kind == 2 ? make_str2
                                      : make_str4);
}

/* --- tuples ------------------------------------------------------------------------------------- */

typedef struct XTuple {
    Py_ssize_t size;
    NjXData items[];
} XTuple;

static void
drop_tuple(void *data)
{
    XTuple *t = data;
    for (Py_ssize_t i = 0; i < t->size; i++) {
        nj_xdata_clear(&t->items[i]);
    }
    PyMem_RawFree(t);
}

static PyObject *
make_tuple(NjXData *x)
{
    XTuple *t = x->data;
    NJ_OWN r = PyTuple_New(t->size);
    for (Py_ssize_t i = 0; r && i < t->size; i++) {
        PyObject *o = nj_xdata_make(&t->items[i]);
        if (!o) {
            return NULL;
        }
        PyTuple_SET_ITEM(r, i, o);
    }
    return NJ_TAKE(r);
}

static int
get_tuple(PyObject *o, NjXData *x, bool fallback)
{
    if (Py_EnterRecursiveCall(" while sharing a tuple")) {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(o);
    XTuple *t = PyMem_RawCalloc(1, sizeof *t + (size_t)n * sizeof *t->items);
    int rc = t ? 0 : -1;
    if (!t) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) {
        rc = nj_xdata_get(PyTuple_GET_ITEM(o, i), &t->items[i], fallback);
        t->size = i + 1;
    }
    Py_LeaveRecursiveCall();
    if (rc < 0) {
        if (t) {
            drop_tuple(t);
        }
        return -1;
    }
    x->data = t;
    x->drop = drop_tuple;
    x->make = make_tuple;
    return 0;
}

/* --- buffers --------------------------------------------------------------------------------------
 *
 * A shared memoryview is exported once, in its own interpreter. The value and every view
 * made of it elsewhere count as users; the last one gives the export back. */

typedef struct XBuffer {
    Py_buffer view;
    int64_t owner;
    int users; /* atomic */
} XBuffer;

typedef struct XBufferObject {
    PyObject_HEAD
    XBuffer *b;
} XBufferObject;

static void
release_buffer(void *data)
{
    XBuffer *b = data;
    PyBuffer_Release(&b->view);
    PyMem_RawFree(b);
}

static void
leave_buffer(void *data)
{
    XBuffer *b = data;
    if (__atomic_sub_fetch(&b->users, 1, __ATOMIC_ACQ_REL) == 0) {
        drop_in(b->owner, release_buffer, b);
    }
}

static void
xbuffer_dealloc(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    XBuffer *b = ((XBufferObject *)self)->b;
    if (b) {
        leave_buffer(b);
    }
    tp->tp_free(self);
    Py_DECREF(tp);
}

static int
xbuffer_get(PyObject *self, Py_buffer *view, int flags)
{
    XBuffer *b = ((XBufferObject *)self)->b;
    if ((flags & PyBUF_WRITABLE) == PyBUF_WRITABLE && b->view.readonly) {
        PyErr_SetString(PyExc_BufferError, "underlying buffer is not writable");
        return -1;
    }
    bool strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES;
    if ((!strides && !PyBuffer_IsContiguous(&b->view, 'C')) ||
        (b->view.suboffsets && (flags & PyBUF_INDIRECT) != PyBUF_INDIRECT)) {
        PyErr_SetString(PyExc_BufferError, "underlying buffer is not C-contiguous");
        return -1;
    }
    *view = b->view;
    if (!strides) {
        view->strides = NULL;
    }
    if ((flags & PyBUF_ND) != PyBUF_ND) {
        view->ndim = 1;
        view->shape = NULL;
    }
    if ((flags & PyBUF_FORMAT) != PyBUF_FORMAT) {
        view->format = NULL;
    }
    view->obj = Py_NewRef(self);
    return 0;
}

static PyType_Slot xbuffer_slots[] = {
    {Py_tp_dealloc, xbuffer_dealloc},
    {Py_bf_getbuffer, xbuffer_get},
    {0, NULL},
};

static PyType_Spec xbuffer_spec = {
    .name = "_interpreters.CrossInterpreterBufferView",
    .basicsize = sizeof(XBufferObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = xbuffer_slots,
};

PyObject *
nj_xbuffer_type(void)
{
    NjInterp *interp = nj_interp();
    if (!interp->rt.xi.buffer_type) {
        interp->rt.xi.buffer_type = PyType_FromSpec(&xbuffer_spec);
    }
    return Py_XNewRef(interp->rt.xi.buffer_type);
}

static PyObject *
make_buffer(NjXData *x)
{
    NJ_OWN type = nj_xbuffer_type();
    XBufferObject *o = type ? PyObject_New(XBufferObject, (PyTypeObject *)type) : NULL;
    if (!o) {
        return NULL;
    }
    o->b = x->data;
    __atomic_add_fetch(&o->b->users, 1, __ATOMIC_ACQ_REL);
    NJ_OWN hold = (PyObject *)o;
    return PyMemoryView_FromObject(hold);
}

static int
get_memoryview(PyObject *o, NjXData *x, bool fallback)
{
    XBuffer *b = PyMem_RawCalloc(1, sizeof *b);
    if (!b) {
        PyErr_NoMemory();
        return -1;
    }
    if (PyObject_GetBuffer(o, &b->view, PyBUF_FULL_RO) < 0) {
        PyMem_RawFree(b);
        return -1;
    }
    b->owner = nj_interp()->id;
    b->users = 1;
    x->data = b;
    x->drop = leave_buffer;
    x->make = make_buffer;
    return 0;
}

/* --- which types may be shared ---------------------------------------------------------------------- */

struct NjXType {
    NjXType *next;
    PyObject *type; /* weak reference */
    NjXGet get;
};

/* The recipe for objects of exactly that type. NULL without an exception. */
static NjXGet
find_get(PyTypeObject *tp)
{
    static const struct {
        PyTypeObject *type;
        NjXGet get;
    } builtin[] = {
        {&PyUnicode_Type, get_str},   {&PyLong_Type, get_int},
        {&PyBytes_Type, get_bytes},   {&PyBool_Type, get_bool},
        {&PyFloat_Type, get_float},   {&PyTuple_Type, get_tuple},
        {&PyMemoryView_Type, get_memoryview},
    };
    if (tp == Py_TYPE(Py_None)) {
        return get_none;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(builtin); i++) {
        if (builtin[i].type == tp) {
            return builtin[i].get;
        }
    }
    for (NjXType *t = nj_interp()->rt.xi.types; t; t = t->next) {
        PyObject *o = NULL;
        if (PyWeakref_GetRef(t->type, &o) > 0) {
            Py_DECREF(o);
            if (o == (PyObject *)tp) {
                return t->get;
            }
        }
    }
    return NULL;
}

int
nj_xdata_register(PyTypeObject *type, NjXGet get)
{
    NjXType *t = PyMem_RawMalloc(sizeof *t);
    if (!t) {
        PyErr_NoMemory();
        return -1;
    }
    t->type = PyWeakref_NewRef((PyObject *)type, NULL);
    if (!t->type) {
        PyMem_RawFree(t);
        return -1;
    }
    t->get = get;
    NjInterp *interp = nj_interp();
    t->next = interp->rt.xi.types;
    interp->rt.xi.types = t;
    return 0;
}

void
nj_xi_fini(NjInterp *interp)
{
    while (interp->rt.xi.types) {
        NjXType *t = interp->rt.xi.types;
        interp->rt.xi.types = t->next;
        Py_DECREF(t->type);
        PyMem_RawFree(t);
    }
    Py_CLEAR(interp->rt.xi.fake_mains);
    Py_CLEAR(interp->rt.xi.not_shareable);
    Py_CLEAR(interp->rt.xi.buffer_type);
}

bool
nj_xdata_shareable(PyObject *o)
{
    return find_get(Py_TYPE(o)) != NULL;
}

int
nj_xdata_get(PyObject *o, NjXData *x, bool fallback)
{
    *x = (NjXData){.owner = nj_interp()->id};
    NjXGet get = find_get(Py_TYPE(o));
    if (get && get(o, x, fallback) == 0) {
        return 0;
    }
    NJ_OWN cause = PyErr_GetRaisedException();
    if (fallback) {
        if (PyFunction_Check(o)) {
            if (nj_xdata_func(o, x) == 0) {
                return 0;
            }
            PyErr_Clear();
        }
        if (nj_xdata_pickle(o, x) == 0) {
            return 0;
        }
        PyErr_Clear();
    }
    PyErr_SetRaisedException(NJ_TAKE(cause));
    nj_not_shareable("%R does not support cross-interpreter data", o);
    return -1;
}

/* --- pickles ---------------------------------------------------------------------------------------
 *
 * A pickle that refers to __main__ is unpickled elsewhere with the help of the script that
 * is __main__ here: it is run there once, under the name "<fake __main__>". */

typedef struct XPickle {
    char *main_file; /* path of the script, or NULL */
    Py_ssize_t size;
    char text[];
} XPickle;

static void
drop_pickle(void *data)
{
    XPickle *p = data;
    PyMem_RawFree(p->main_file);
    PyMem_RawFree(p);
}

static PyObject *
call_pickle(const char *name, PyObject *arg)
{
    NJ_OWN mod = PyImport_ImportModule("pickle");
    NJ_OWN f = mod ? PyObject_GetAttrString(mod, name) : NULL;
    return f ? PyObject_CallOneArg(f, arg) : NULL;
}

/* A new module: the script run under another name than __main__. */
static PyObject *
run_fake_main(PyObject *path)
{
    NJ_OWN runpy = PyImport_ImportModule("runpy");
    NJ_OWN f = runpy ? PyObject_GetAttrString(runpy, "_get_code_from_file") : NULL;
    NJ_OWN code = f ? PyObject_CallOneArg(f, path) : NULL;
    NJ_OWN mod = code ? PyModule_New("<fake __main__>") : NULL;
    if (!mod) {
        return NULL;
    }
    PyObject *d = PyModule_GetDict(mod);
    if (PyDict_SetItemString(d, "__file__", path) < 0 ||
        PyDict_SetItem(d, NJ_ID(__builtins__), nj_interp()->rt.builtinsmod) < 0) {
        return NULL;
    }
    NJ_OWN r = PyEval_EvalCode(code, d, d);
    return r ? NJ_TAKE(mod) : NULL;
}

static PyObject *
get_fake_main(const char *file)
{
    NjInterp *interp = nj_interp();
    if (!interp->rt.xi.fake_mains && !(interp->rt.xi.fake_mains = PyDict_New())) {
        return NULL;
    }
    NJ_OWN path = PyUnicode_DecodeFSDefault(file);
    PyObject *mod = NULL;
    if (!path || PyDict_GetItemRef(interp->rt.xi.fake_mains, path, &mod) != 0) {
        return mod;
    }
    mod = run_fake_main(path);
    if (mod && PyDict_SetItem(interp->rt.xi.fake_mains, path, mod) < 0) {
        Py_CLEAR(mod);
    }
    return mod;
}

/* pickle.loads() with another module for __main__ */
static PyObject *
load_with_main(PyObject *text, PyObject *mod)
{
    PyObject *modules = nj_interp()->modules;
    NJ_OWN real = PyMapping_GetItemString(modules, "__main__");
    if (!real || PyObject_SetItem(modules, NJ_ID(__main__), mod) < 0) {
        return NULL;
    }
    NJ_OWN r = call_pickle("loads", text);
    NJ_OWN exc = PyErr_GetRaisedException();
    if (PyObject_SetItem(modules, NJ_ID(__main__), real) < 0) {
        return NULL;
    }
    if (exc) {
        PyErr_SetRaisedException(NJ_TAKE(exc));
    }
    return NJ_TAKE(r);
}

static PyObject *
make_pickle(NjXData *x)
{
    XPickle *p = x->data;
    NJ_OWN text = PyBytes_FromStringAndSize(p->text, p->size);
    NJ_OWN r = text ? call_pickle("loads", text) : NULL;
    if (!r && text && p->main_file && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        /* __main__ here may not be what it is there */
        PyErr_Clear();
        NJ_OWN mod = get_fake_main(p->main_file);
        NJ_SET(r, mod ? load_with_main(text, mod) : NULL);
    }
    if (!r) {
        nj_not_shareable("object could not be unpickled");
    }
    return NJ_TAKE(r);
}

/* __main__.__file__ as a path, or None */
static PyObject *
main_file(void)
{
    NJ_OWN main = PyImport_GetModule(NJ_ID(__main__));
    NJ_OWN file = main ? PyObject_GetAttrString(main, "__file__") : NULL;
    NJ_OWN path = file && PyUnicode_Check(file) ? PyUnicode_EncodeFSDefault(file) : NULL;
    if (!path) {
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return NJ_TAKE(path);
}

int
nj_xdata_pickle(PyObject *o, NjXData *x)
{
    NJ_OWN text = call_pickle("dumps", o);
    if (text && !PyBytes_Check(text)) {
        PyErr_Format(PyExc_TypeError, "pickle.dumps() returned %.100s",
                     Py_TYPE(text)->tp_name);
        NJ_SET(text, NULL);
    }
    if (!text) {
        nj_not_shareable("object could not be pickled");
        return -1;
    }
    NJ_OWN file = main_file();
    Py_ssize_t size = PyBytes_GET_SIZE(text);
    XPickle *p = PyMem_RawMalloc(sizeof *p + (size_t)size);
    char *path = file != Py_None ? nj_raw_strdup(PyBytes_AS_STRING(file)) : NULL;
    if (!p || (file != Py_None && !path)) {
        PyMem_RawFree(p);
        PyMem_RawFree(path);
        PyErr_NoMemory();
        return -1;
    }
    memcpy(p->text, PyBytes_AS_STRING(text), (size_t)size);
    p->size = size;
    p->main_file = path;
    *x = (NjXData){make_pickle, drop_pickle, p, nj_interp()->id, false};
    return 0;
}

/* --- marshalled values, code, functions ------------------------------------------------------------ */

static PyObject *
make_marshal(NjXData *x)
{
    NjXBytes *b = x->data;
    PyObject *o = PyMarshal_ReadObjectFromString(b->text, b->size);
    if (!o) {
        nj_not_shareable("object could not be unmarshalled");
    }
    return o;
}

static int
marshal_as(PyObject *o, NjXData *x, PyObject *(*make)(NjXData *))
{
    *x = (NjXData){.owner = nj_interp()->id};
    NJ_OWN text = PyMarshal_WriteObjectToString(o, Py_MARSHAL_VERSION);
    if (!text) {
        nj_not_shareable("object could not be marshalled");
        return -1;
    }
    return nj_xdata_bytes(x, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), make);
}

int
nj_xdata_marshal(PyObject *o, NjXData *x)
{
    return marshal_as(o, x, make_marshal);
}

int
nj_xdata_code(PyObject *o, NjXData *x)
{
    if (!PyCode_Check(o)) {
        nj_not_shareable("expected code, got %R", o);
        return -1;
    }
    return marshal_as(o, x, make_marshal);
}

/* A stateless function: its globals are those of whoever receives it. */
static PyObject *
make_func(NjXData *x)
{
    NJ_OWN code = make_marshal(x);
    if (!code) {
        return NULL;
    }
    PyObject *globals = PyEval_GetGlobals();
    NJ_OWN main = globals ? NULL : PyImport_AddModuleRef("__main__");
    if (!globals && !main) {
        return NULL;
    }
    return PyFunction_New(code, globals ? globals : PyModule_GetDict(main));
}

int
nj_xdata_func(PyObject *o, NjXData *x)
{
    if (!PyFunction_Check(o)) {
        nj_not_shareable("expected a function, got %R", o);
        return -1;
    }
    if (nj_func_check_stateless((PyFunctionObject *)o) < 0) {
        nj_not_shareable("only stateless functions are shareable");
        return -1;
    }
    return marshal_as(PyFunction_GET_CODE(o), x, make_func);
}

/* The code of a script in one of its forms. */
static PyObject *
script_code(PyObject *o, bool pure)
{
    if (PyFunction_Check(o)) {
        if (pure && nj_func_check_stateless((PyFunctionObject *)o) < 0) {
            return NULL;
        }
        return Py_NewRef(PyFunction_GET_CODE(o));
    }
    if (PyCode_Check(o)) {
        return Py_NewRef(o);
    }
    if (!PyUnicode_Check(o) && !PyObject_CheckBuffer(o)) {
        PyErr_Format(PyExc_TypeError, "unsupported script %R", o);
        return NULL;
    }
    PyCompilerFlags cf = {.cf_flags = PyCF_SOURCE_IS_UTF8,
                          .cf_feature_version = PY_MINOR_VERSION};
    Py_ssize_t size;
    PyObject *hold_;
    const char *text = nj_source_text(o, "script", "string, bytes or code", &cf, &size, &hold_);
    NJ_OWN hold = hold_;
    NJ_OWN name = text ? PyUnicode_FromString("<script>") : NULL;
    return name ? nj_compile_text(text, size, name, Py_file_input, &cf, -1, NULL) : NULL;
}

int
nj_xdata_script(PyObject *o, bool pure, NjXData *x)
{
    NJ_OWN code = script_code(o, pure);
    if (!code) {
        return -1;
    }
    PyCodeObject *co = (PyCodeObject *)code;
    const char *why = NULL;
    if (pure && !PyUnicode_Check(o) && !PyObject_CheckBuffer(o) &&
        nj_code_check_stateless(co, NULL, NULL, nj_interp()->builtins) < 0) {
        return -1;
    }
    int none = nj_code_returns_only_none(co);
    if (none < 0) {
        return -1;
    }
    if (PyCode_GetNumFree(co) > 0) {
        why = "closures not supported";
    }
    else if (co->co_argcount || co->co_kwonlyargcount ||
             (co->co_flags & (CO_VARARGS | CO_VARKEYWORDS))) {
        why = "code with args not supported";
    }
    else if (!none) {
        why = "code that returns a value is not a script";
    }
    if (why) {
        PyErr_SetString(PyExc_ValueError, why);
        return -1;
    }
    return marshal_as(code, x, make_marshal);
}

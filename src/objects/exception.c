/* exception.c - BaseException and all built-in exception classes
 *
 * exc_types.def lists the classes. Those without fields or behaviour of their own are one
 * line each of the table in the middle; those with (OSError, SyntaxError, ImportError,
 * UnicodeError, groups ...) come with their functions before it. Layouts are those of
 * cpython/pyerrors.h. At the foot: the accessors of Python.h and what other areas use.
 *
 * ExceptionGroup derives from BaseExceptionGroup and Exception and is therefore made as a
 * class, one in each interpreter.
 *
 * Danger: fields like traceback and context are set by the machinery while an exception is
 * in flight; everything here must cope with any of them being NULL.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "runtime/runtime.h"

#include <errno.h>

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

#define E(o) ((PyBaseExceptionObject *)(o))

#define NJ_EXC_TYPE(name) extern PyTypeObject NjExc_##name;
#include "objects/exc_types.def"
#undef NJ_EXC_TYPE

/* ======================================================================================
 * BaseException
 * ====================================================================================== */

static PyObject *
alloc_exception(PyTypeObject *type, NJ_STEALS PyObject *args)
{
    PyBaseExceptionObject *self = E(type->tp_alloc(type, 0)); /* zero-filled */
    if (self == NULL) {
        Py_DECREF(args);
        return NULL;
    }
    self->args = args;
    return (PyObject *)self;
}

static PyObject *
baseexception_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return alloc_exception(type, args ? Py_NewRef(args) : PyTuple_New(0));
}

static int
baseexception_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords(Py_TYPE(self)->tp_name, kwds)) {
        return -1;
    }
    Py_XSETREF(E(self)->args, Py_NewRef(args));
    return 0;
}

/* ValueError("text") and the like: no tuple of arguments to build but the one kept. */
static PyObject *
exception_vectorcall(PyObject *cls, PyObject *const *args, size_t nargsf,
                     PyObject *kwnames)
{
    PyTypeObject *type = (PyTypeObject *)cls;
    if (!_PyArg_NoKwnames(type->tp_name, kwnames)) {
        return NULL;
    }
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    PyObject *tuple = PyTuple_New(n);
    if (tuple == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    }
    return alloc_exception(type, tuple);
}

static int
baseexception_clear(PyObject *self)
{
    Py_CLEAR(E(self)->dict);
    Py_CLEAR(E(self)->args);
    Py_CLEAR(E(self)->notes);
    Py_CLEAR(E(self)->traceback);
    Py_CLEAR(E(self)->cause);
    Py_CLEAR(E(self)->context);
    return 0;
}

static void
baseexception_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    (void)baseexception_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static int
baseexception_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(E(self)->dict);
    Py_VISIT(E(self)->args);
    Py_VISIT(E(self)->notes);
    Py_VISIT(E(self)->traceback);
    Py_VISIT(E(self)->cause);
    Py_VISIT(E(self)->context);
    return 0;
}

static PyObject *
baseexception_str(PyObject *self)
{
    PyObject *args = E(self)->args;
    switch (args ? PyTuple_GET_SIZE(args) : 0) {
    case 0:
        return PyUnicode_FromStringAndSize(NULL, 0);
    case 1:
        return PyObject_Str(PyTuple_GET_ITEM(args, 0));
    default:
        return PyObject_Str(args);
    }
}

static PyObject *
baseexception_repr(PyObject *self)
{
    const char *name = _PyType_Name(Py_TYPE(self));
    PyObject *args = E(self)->args;
    if (args && PyTuple_GET_SIZE(args) == 1) {
        return PyUnicode_FromFormat("%s(%R)", name, PyTuple_GET_ITEM(args, 0));
    }
    if (args == NULL) {
        return PyUnicode_FromFormat("%s()", name);
    }
    return PyUnicode_FromFormat("%s%R", name, args);
}

static PyObject *
baseexception_reduce(PyObject *self, PyObject *unused)
{
    PyObject *args = E(self)->args, *dict = E(self)->dict;
    if (args && dict) {
        return PyTuple_Pack(3, Py_TYPE(self), args, dict);
    }
    if (args == NULL) {
        return Py_BuildValue("O()", Py_TYPE(self));
    }
    return PyTuple_Pack(2, Py_TYPE(self), args);
}

static PyObject *
baseexception_setstate(PyObject *self, PyObject *state)
{
    if (state != Py_None) {
        if (!PyDict_Check(state)) {
            PyErr_SetString(PyExc_TypeError, "state is not a dictionary");
            return NULL;
        }
        PyObject *k, *v;
        Py_ssize_t pos = 0;
        while (PyDict_Next(state, &pos, &k, &v)) {
            NJ_OWN key = Py_NewRef(k);
            NJ_OWN value = Py_NewRef(v);
            if (PyObject_SetAttr(self, key, value) < 0) {
                return NULL;
            }
        }
    }
    Py_RETURN_NONE;
}

static int
set_traceback(PyObject *self, PyObject *tb, void *closure)
{
    if (tb == NULL) {
        PyErr_SetString(PyExc_TypeError, "__traceback__ may not be deleted");
        return -1;
    }
    if (PyTraceBack_Check(tb)) {
        Py_XSETREF(E(self)->traceback, Py_NewRef(tb));
    }
    else if (tb == Py_None) {
        Py_CLEAR(E(self)->traceback);
    }
    else {
        PyErr_SetString(PyExc_TypeError, "__traceback__ must be a traceback or None");
        return -1;
    }
    return 0;
}

static PyObject *
baseexception_with_traceback(PyObject *self, PyObject *tb)
{
    return set_traceback(self, tb, NULL) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *
baseexception_add_note(PyObject *self, PyObject *note)
{
    if (!PyUnicode_Check(note)) {
        _PyArg_BadArgument("add_note", "argument", "str", note);
        return NULL;
    }
    PyObject *found;
    if (PyObject_GetOptionalAttr(self, NJ_ID(__notes__), &found) < 0) {
        return NULL;
    }
    NJ_OWN notes = found;
    if (notes == NULL) {
        NJ_SET(notes, PyList_New(0));
        if (notes == NULL || PyObject_SetAttr(self, NJ_ID(__notes__), notes) < 0) {
            return NULL;
        }
    }
    else if (!PyList_Check(notes)) {
        PyErr_SetString(PyExc_TypeError, "Cannot add note: __notes__ is not a list");
        return NULL;
    }
    if (PyList_Append(notes, note) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
get_args(PyObject *self, void *closure)
{
    PyObject *args = E(self)->args;
    return Py_NewRef(args ? args : Py_None);
}

static int
set_args(PyObject *self, PyObject *value, void *closure)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "args may not be deleted");
        return -1;
    }
    PyObject *seq = PySequence_Tuple(value);
    if (seq == NULL) {
        return -1;
    }
    Py_XSETREF(E(self)->args, seq);
    return 0;
}

static PyObject *
get_traceback(PyObject *self, void *closure)
{
    PyObject *tb = E(self)->traceback;
    return Py_NewRef(tb ? tb : Py_None);
}

static PyObject *
get_context(PyObject *self, void *closure)
{
    PyObject *c = E(self)->context;
    return Py_NewRef(c ? c : Py_None);
}

static int
set_context(PyObject *self, PyObject *value, void *closure)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "__context__ may not be deleted");
        return -1;
    }
    if (value != Py_None && !PyExceptionInstance_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "exception context must be None or derive from "
                                         "BaseException");
        return -1;
    }
    PyException_SetContext(self, value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

static PyObject *
get_cause(PyObject *self, void *closure)
{
    PyObject *c = E(self)->cause;
    return Py_NewRef(c ? c : Py_None);
}

static int
set_cause(PyObject *self, PyObject *value, void *closure)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "__cause__ may not be deleted");
        return -1;
    }
    if (value != Py_None && !PyExceptionInstance_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "exception cause must be None or derive from "
                                         "BaseException");
        return -1;
    }
    PyException_SetCause(self, value == Py_None ? NULL : Py_NewRef(value));
    return 0;
}

static PyMethodDef baseexception_methods[] = {
    {"__reduce__", baseexception_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__setstate__", baseexception_setstate, METH_O,
     "__setstate__($self, state, /)\n--\n\n"},
    {"with_traceback", baseexception_with_traceback, METH_O,
     "with_traceback($self, tb, /)\n--\n\nSet self.__traceback__ to tb and return "
     "self."},
    {"add_note", baseexception_add_note, METH_O,
     "add_note($self, note, /)\n--\n\nAdd a note to the exception"},
    {0},
};

static PyMemberDef baseexception_members[] = {
    {"__suppress_context__", Py_T_BOOL,
     offsetof(PyBaseExceptionObject, suppress_context)},
    {0},
};

static PyGetSetDef baseexception_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict},
    {"args", get_args, set_args},
    {"__traceback__", get_traceback, set_traceback},
    {"__context__", get_context, set_context},
    {"__cause__", get_cause, set_cause},
    {0},
};

PyTypeObject NjExc_BaseException = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "BaseException",
    .tp_basicsize = sizeof(PyBaseExceptionObject),
    .tp_dealloc = baseexception_dealloc,
    .tp_repr = baseexception_repr,
    .tp_str = baseexception_str,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
                Py_TPFLAGS_BASE_EXC_SUBCLASS,
    .tp_doc = "Common base class for all exceptions",
    .tp_traverse = baseexception_traverse,
    .tp_clear = baseexception_clear,
    .tp_methods = baseexception_methods,
    .tp_members = baseexception_members,
    .tp_getset = baseexception_getset,
    .tp_dictoffset = offsetof(PyBaseExceptionObject, dict),
    .tp_init = baseexception_init,
    .tp_new = baseexception_new,
    .tp_vectorcall = exception_vectorcall,
};

/* The fields that every class below repeats (the reference's types have them filled). */
#define EXC_COMMON(layout, dealloc, traverse, clear)                                   \
    .tp_basicsize = sizeof(layout), .tp_dealloc = dealloc,                             \
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,         \
    .tp_traverse = traverse, .tp_clear = clear,                                        \
    .tp_dictoffset = offsetof(PyBaseExceptionObject, dict)

#define PLAIN(name, tpname, base, vcall, doc)                                          \
    PyTypeObject NjExc_##name = {                                                      \
        PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = tpname,                       \
        EXC_COMMON(PyBaseExceptionObject, baseexception_dealloc,                       \
                   baseexception_traverse, baseexception_clear),                       \
        .tp_doc = doc,                                                                 \
        .tp_base = &NjExc_##base,                                                      \
        .tp_init = baseexception_init,                                                 \
        .tp_new = baseexception_new,                                                   \
        .tp_vectorcall = vcall,                                                        \
    };

#define DERIVED(name, tpname, base, layout, kind, doc)                                 \
    PyTypeObject NjExc_##name = {                                                      \
        PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = tpname,                       \
        EXC_COMMON(layout, kind##_dealloc, kind##_traverse, kind##_clear),             \
        .tp_doc = doc,                                                                 \
        .tp_base = &NjExc_##base,                                                      \
    };

/* traverse, clear and dealloc of a layout with object fields */
#define FIELD_VISIT(T, f) Py_VISIT(((T *)self)->f);
#define FIELD_CLEAR(T, f) Py_CLEAR(((T *)self)->f);
#define LIFE(kind, T, FIELDS)                                                          \
    static int kind##_clear(PyObject *self)                                            \
    {                                                                                  \
        FIELDS(T, FIELD_CLEAR)                                                         \
        return baseexception_clear(self);                                              \
    }                                                                                  \
    static int kind##_traverse(PyObject *self, visitproc visit, void *arg)             \
    {                                                                                  \
        FIELDS(T, FIELD_VISIT)                                                         \
        return baseexception_traverse(self, visit, arg);                               \
    }                                                                                  \
    static void kind##_dealloc(PyObject *self)                                         \
    {                                                                                  \
        nj_gc_untrack(self);                                                           \
        (void)kind##_clear(self);                                                      \
        Py_TYPE(self)->tp_free(self);                                                  \
    }

/* ======================================================================================
 * StopIteration, SystemExit
 * ====================================================================================== */

#define STOP(o) ((PyStopIterationObject *)(o))
#define STOP_FIELDS(T, X) X(T, value)
LIFE(stopiteration, PyStopIterationObject, STOP_FIELDS)

static int
stopiteration_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (baseexception_init(self, args, kwds) < 0) {
        return -1;
    }
    PyObject *v = PyTuple_GET_SIZE(args) > 0 ? PyTuple_GET_ITEM(args, 0) : Py_None;
    Py_XSETREF(STOP(self)->value, Py_NewRef(v));
    return 0;
}

PyObject *
nj_exc_stop_iteration(PyObject *value)
{
    PyObject *args = PyTuple_Pack(1, value);
    PyObject *e = args ? alloc_exception(&NjExc_StopIteration, args) : NULL;
    if (e != NULL) {
        STOP(e)->value = Py_NewRef(value);
    }
    return e;
}

static PyMemberDef stopiteration_members[] = {
    {"value", _Py_T_OBJECT, offsetof(PyStopIterationObject, value), 0,
     "generator return value"},
    {0},
};

PyTypeObject NjExc_Exception;
PyTypeObject NjExc_StopIteration = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "StopIteration",
    EXC_COMMON(PyStopIterationObject, stopiteration_dealloc, stopiteration_traverse,
               stopiteration_clear),
    .tp_doc = "Signal the end from iterator.__next__().",
    .tp_members = stopiteration_members,
    .tp_base = &NjExc_Exception,
    .tp_init = stopiteration_init,
};

#define EXIT_FIELDS(T, X) X(T, code)
LIFE(systemexit, PySystemExitObject, EXIT_FIELDS)

static int
systemexit_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (baseexception_init(self, args, kwds) < 0) {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n > 0) {
        PyObject *code = n == 1 ? PyTuple_GET_ITEM(args, 0) : args;
        Py_XSETREF(((PySystemExitObject *)self)->code, Py_NewRef(code));
    }
    return 0;
}

static PyMemberDef systemexit_members[] = {
    {"code", _Py_T_OBJECT, offsetof(PySystemExitObject, code), 0, "exception code"},
    {0},
};

PyTypeObject NjExc_SystemExit = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "SystemExit",
    EXC_COMMON(PySystemExitObject, systemexit_dealloc, systemexit_traverse,
               systemexit_clear),
    .tp_doc = "Request to exit from the interpreter.",
    .tp_members = systemexit_members,
    .tp_base = &NjExc_BaseException,
    .tp_init = systemexit_init,
};

/* ======================================================================================
 * ImportError
 * ====================================================================================== */

#define IMP(o) ((PyImportErrorObject *)(o))
#define IMPORT_FIELDS(T, X) X(T, msg) X(T, name) X(T, path) X(T, name_from)
LIFE(importerror, PyImportErrorObject, IMPORT_FIELDS)

/* Keyword-only fields of an exception: the positional arguments belong to args. */
static int
bind_keywords(const char *fname, const char *const *names, PyObject *kwds,
              PyObject **out)
{
    NjParams p = {fname, names, 0, 0, 0};
    NJ_OWN empty = PyTuple_New(0);
    return empty ? nj_args_bind_tuple(&p, empty, kwds, out) : -1;
}

static int
importerror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"name", "path", "name_from", NULL};
    PyObject *v[3] = {NULL, NULL, NULL};
    if (baseexception_init(self, args, NULL) < 0 ||
        bind_keywords("ImportError", names, kwds, v) < 0) {
        return -1;
    }
    Py_XSETREF(IMP(self)->name, Py_XNewRef(v[0]));
    Py_XSETREF(IMP(self)->path, Py_XNewRef(v[1]));
    Py_XSETREF(IMP(self)->name_from, Py_XNewRef(v[2]));
    PyObject *msg = PyTuple_GET_SIZE(args) == 1 ? PyTuple_GET_ITEM(args, 0) : NULL;
    Py_XSETREF(IMP(self)->msg, Py_XNewRef(msg));
    return 0;
}

static PyObject *
importerror_str(PyObject *self)
{
    PyObject *msg = IMP(self)->msg;
    if (msg && PyUnicode_CheckExact(msg)) {
        return Py_NewRef(msg);
    }
    return baseexception_str(self);
}

static int
put(PyObject *dict, PyObject *key, PyObject *value)
{
    return value ? PyDict_SetItem(dict, key, value) : 0;
}

static PyObject *
importerror_reduce(PyObject *self, PyObject *unused)
{
    PyImportErrorObject *e = IMP(self);
    NJ_OWN state = NULL;
    if (e->name || e->path || e->name_from) {
        NJ_SET(state, e->dict ? PyDict_Copy(e->dict) : PyDict_New());
        if (state == NULL || put(state, NJ_ID(name), e->name) < 0 ||
            put(state, NJ_ID(path), e->path) < 0 ||
            put(state, NJ_ID(name_from), e->name_from) < 0) {
            return NULL;
        }
    }
    else if (e->dict) {
        NJ_SET(state, Py_NewRef(e->dict));
    }
    return state ? PyTuple_Pack(3, Py_TYPE(self), e->args, state)
                 : PyTuple_Pack(2, Py_TYPE(self), e->args);
}

static PyMemberDef importerror_members[] = {
    {"msg", _Py_T_OBJECT, offsetof(PyImportErrorObject, msg), 0, "exception message"},
    {"name", _Py_T_OBJECT, offsetof(PyImportErrorObject, name), 0, "module name"},
    {"path", _Py_T_OBJECT, offsetof(PyImportErrorObject, path), 0, "module path"},
    {"name_from", _Py_T_OBJECT, offsetof(PyImportErrorObject, name_from), 0,
     "name imported from module"},
    {0},
};
static PyMethodDef importerror_methods[] = {
    {"__reduce__", importerror_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

PyTypeObject NjExc_ImportError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "ImportError",
    EXC_COMMON(PyImportErrorObject, importerror_dealloc, importerror_traverse,
               importerror_clear),
    .tp_str = importerror_str,
    .tp_doc = "Import can't find module, or can't find name in module.",
    .tp_methods = importerror_methods,
    .tp_members = importerror_members,
    .tp_base = &NjExc_Exception,
    .tp_init = importerror_init,
};

/* ======================================================================================
 * NameError, AttributeError, KeyError
 * ====================================================================================== */

#define NAME_FIELDS(T, X) X(T, name)
LIFE(nameerror, PyNameErrorObject, NAME_FIELDS)

static int
nameerror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"name", NULL};
    PyObject *v[1] = {NULL};
    if (baseexception_init(self, args, NULL) < 0 ||
        bind_keywords("NameError", names, kwds, v) < 0) {
        return -1;
    }
    Py_XSETREF(((PyNameErrorObject *)self)->name, Py_XNewRef(v[0]));
    return 0;
}

static PyMemberDef nameerror_members[] = {
    {"name", _Py_T_OBJECT, offsetof(PyNameErrorObject, name), 0, "name"},
    {0},
};

PyTypeObject NjExc_NameError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "NameError",
    EXC_COMMON(PyNameErrorObject, nameerror_dealloc, nameerror_traverse,
               nameerror_clear),
    .tp_doc = "Name not found globally.",
    .tp_members = nameerror_members,
    .tp_base = &NjExc_Exception,
    .tp_init = nameerror_init,
};

#define ATTR(o) ((PyAttributeErrorObject *)(o))
#define ATTR_FIELDS(T, X) X(T, obj) X(T, name)
LIFE(attributeerror, PyAttributeErrorObject, ATTR_FIELDS)

static int
attributeerror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"name", "obj", NULL};
    PyObject *v[2] = {NULL, NULL};
    if (baseexception_init(self, args, NULL) < 0 ||
        bind_keywords("AttributeError", names, kwds, v) < 0) {
        return -1;
    }
    Py_XSETREF(ATTR(self)->name, Py_XNewRef(v[0]));
    Py_XSETREF(ATTR(self)->obj, Py_XNewRef(v[1]));
    return 0;
}

/* obj stays out of pickles: it may not be picklable, and is only there for suggestions */
static PyObject *
attributeerror_getstate(PyObject *self, PyObject *unused)
{
    PyObject *dict = E(self)->dict, *name = ATTR(self)->name, *args = E(self)->args;
    if (name == NULL && args == NULL) {
        return dict ? Py_NewRef(dict) : Py_NewRef(Py_None);
    }
    NJ_OWN state = dict ? PyDict_Copy(dict) : PyDict_New();
    if (state == NULL || put(state, NJ_ID(name), name) < 0 ||
        put(state, NJ_ID(args), args) < 0) {
        return NULL;
    }
    return NJ_TAKE(state);
}

static PyObject *
attributeerror_reduce(PyObject *self, PyObject *unused)
{
    NJ_OWN state = attributeerror_getstate(self, NULL);
    return state ? PyTuple_Pack(3, Py_TYPE(self), E(self)->args, state) : NULL;
}

static PyMemberDef attributeerror_members[] = {
    {"name", _Py_T_OBJECT, offsetof(PyAttributeErrorObject, name), 0, "attribute name"},
    {"obj", _Py_T_OBJECT, offsetof(PyAttributeErrorObject, obj), 0, "object"},
    {0},
};
static PyMethodDef attributeerror_methods[] = {
    {"__getstate__", attributeerror_getstate, METH_NOARGS,
     "__getstate__($self, /)\n--\n\n"},
    {"__reduce__", attributeerror_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};

PyTypeObject NjExc_AttributeError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "AttributeError",
    EXC_COMMON(PyAttributeErrorObject, attributeerror_dealloc, attributeerror_traverse,
               attributeerror_clear),
    .tp_doc = "Attribute not found.",
    .tp_methods = attributeerror_methods,
    .tp_members = attributeerror_members,
    .tp_base = &NjExc_Exception,
    .tp_init = attributeerror_init,
};

static PyObject *
keyerror_str(PyObject *self)
{
    /* the key's repr: a missing '' would otherwise print as nothing */
    PyObject *args = E(self)->args;
    if (args && PyTuple_GET_SIZE(args) == 1) {
        return PyObject_Repr(PyTuple_GET_ITEM(args, 0));
    }
    return baseexception_str(self);
}

PyTypeObject NjExc_LookupError;
PyTypeObject NjExc_KeyError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "KeyError",
    EXC_COMMON(PyBaseExceptionObject, baseexception_dealloc, baseexception_traverse,
               baseexception_clear),
    .tp_str = keyerror_str,
    .tp_doc = "Mapping key not found.",
    .tp_base = &NjExc_LookupError,
    .tp_init = baseexception_init,
    .tp_vectorcall = exception_vectorcall,
};

/* ======================================================================================
 * OSError
 * ====================================================================================== */

#define OS(o) ((PyOSErrorObject *)(o))
#define OS_FIELDS(T, X) X(T, myerrno) X(T, strerror) X(T, filename) X(T, filename2)
LIFE(oserror, PyOSErrorObject, OS_FIELDS)

typedef struct NjOSErrorArgs { /* borrowed, NULL = absent */
    PyObject *myerrno, *strerror, *filename, *filename2;
} NjOSErrorArgs;

static void
split_oserror_args(PyObject *args, NjOSErrorArgs *a)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    *a = (NjOSErrorArgs){0};
    if (n >= 2 && n <= 5) {
        a->myerrno = PyTuple_GET_ITEM(args, 0);
        a->strerror = PyTuple_GET_ITEM(args, 1);
        a->filename = n > 2 ? PyTuple_GET_ITEM(args, 2) : NULL;
        /* 3 is the Windows error code: not used here */
        a->filename2 = n > 4 ? PyTuple_GET_ITEM(args, 4) : NULL;
    }
}

static int oserror_init(PyObject *self, PyObject *args, PyObject *kwds);
static PyObject *oserror_new(PyTypeObject *type, PyObject *args, PyObject *kwds);

/* A subclass that overrides __init__ but not __new__ passes other arguments to __new__
 * than to OSError.__init__: then __init__ does the work, else __new__ does. */
static bool
init_does_it(PyTypeObject *type)
{
    return type->tp_init != oserror_init && type->tp_new == oserror_new;
}

static int
fill_oserror(PyOSErrorObject *self, PyObject *args, NjOSErrorArgs *a)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    NJ_OWN shown = Py_NewRef(args);
    self->written = -1;
    if (a->filename && a->filename != Py_None) {
        if (Py_IS_TYPE(self, &NjExc_BlockingIOError) && PyNumber_Check(a->filename)) {
            /* BlockingIOError's third argument is the number of characters written */
            self->written = PyNumber_AsSsize_t(a->filename, PyExc_ValueError);
            if (self->written == -1 && PyErr_Occurred()) {
                return -1;
            }
        }
        else {
            Py_XSETREF(self->filename, Py_NewRef(a->filename));
            if (a->filename2 && a->filename2 != Py_None) {
                Py_XSETREF(self->filename2, Py_NewRef(a->filename2));
            }
            if (n >= 2 && n <= 5) {
                /* args keeps its traditional length of two */
                NJ_SET(shown, PyTuple_GetSlice(args, 0, 2));
                if (shown == NULL) {
                    return -1;
                }
            }
        }
    }
    Py_XSETREF(self->myerrno, Py_XNewRef(a->myerrno));
    Py_XSETREF(self->strerror, Py_XNewRef(a->strerror));
    Py_XSETREF(self->args, NJ_TAKE(shown));
    return 0;
}

static PyObject *
oserror_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    NjOSErrorArgs a = {0};
    if (!init_does_it(type)) {
        if (!_PyArg_NoKeywords(type->tp_name, kwds)) {
            return NULL;
        }
        split_oserror_args(args, &a);
        PyObject *map = nj_interp()->types.errnomap;
        if (a.myerrno && PyLong_Check(a.myerrno) && map &&
            type == &NjExc_OSError) {
            PyObject *sub = PyDict_GetItemWithError(map, a.myerrno);
            if (sub) {
                type = (PyTypeObject *)sub;
            }
            else if (PyErr_Occurred()) {
                return NULL;
            }
        }
    }
    NJ_OWN self = type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    OS(self)->written = -1;
    if (!init_does_it(type)) {
        if (fill_oserror(OS(self), args, &a) < 0) {
            return NULL;
        }
    }
    else {
        OS(self)->args = PyTuple_New(0);
        if (OS(self)->args == NULL) {
            return NULL;
        }
    }
    return NJ_TAKE(self);
}

static int
oserror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyTypeObject *type = Py_TYPE(self);
    if (!init_does_it(type)) {
        return 0; /* __new__ did it all */
    }
    if (!_PyArg_NoKeywords(type->tp_name, kwds)) {
        return -1;
    }
    NjOSErrorArgs a;
    split_oserror_args(args, &a);
    return fill_oserror(OS(self), args, &a);
}

static PyObject *
oserror_str(PyObject *self)
{
    PyOSErrorObject *e = OS(self);
    PyObject *none = Py_None;
    PyObject *num = e->myerrno ? e->myerrno : none;
    PyObject *text = e->strerror ? e->strerror : none;
    if (e->filename) {
        if (e->filename2) {
            return PyUnicode_FromFormat("[Errno %S] %S: %R -> %R", num, text,
                                        e->filename, e->filename2);
        }
        return PyUnicode_FromFormat("[Errno %S] %S: %R", num, text, e->filename);
    }
    if (e->myerrno && e->strerror) {
        return PyUnicode_FromFormat("[Errno %S] %S", num, text);
    }
    return baseexception_str(self);
}

static PyObject *
oserror_reduce(PyObject *self, PyObject *unused)
{
    PyOSErrorObject *e = OS(self);
    NJ_OWN args = Py_NewRef(e->args);
    if (PyTuple_GET_SIZE(args) == 2 && e->filename) {
        PyObject *a0 = PyTuple_GET_ITEM(e->args, 0), *a1 = PyTuple_GET_ITEM(e->args, 1);
        NJ_SET(args, e->filename2
                         ? PyTuple_Pack(5, a0, a1, e->filename, Py_None, e->filename2)
                         : PyTuple_Pack(3, a0, a1, e->filename));
        if (args == NULL) {
            return NULL;
        }
    }
    return e->dict ? PyTuple_Pack(3, Py_TYPE(self), args, e->dict)
                   : PyTuple_Pack(2, Py_TYPE(self), args);
}

static PyObject *
oserror_get_written(PyObject *self, void *closure)
{
    if (OS(self)->written == -1) {
        PyErr_SetString(PyExc_AttributeError, "characters_written");
        return NULL;
    }
    return PyLong_FromSsize_t(OS(self)->written);
}

static int
oserror_set_written(PyObject *self, PyObject *value, void *closure)
{
    if (value == NULL) {
        if (OS(self)->written == -1) {
            PyErr_SetString(PyExc_AttributeError, "characters_written");
            return -1;
        }
        OS(self)->written = -1;
        return 0;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(value, PyExc_ValueError);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    OS(self)->written = n;
    return 0;
}

static PyMemberDef oserror_members[] = {
    {"errno", _Py_T_OBJECT, offsetof(PyOSErrorObject, myerrno), 0,
     "POSIX exception code"},
    {"strerror", _Py_T_OBJECT, offsetof(PyOSErrorObject, strerror), 0,
     "exception strerror"},
    {"filename", _Py_T_OBJECT, offsetof(PyOSErrorObject, filename), 0,
     "exception filename"},
    {"filename2", _Py_T_OBJECT, offsetof(PyOSErrorObject, filename2), 0,
     "second exception filename"},
    {0},
};
static PyMethodDef oserror_methods[] = {
    {"__reduce__", oserror_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {0},
};
static PyGetSetDef oserror_getset[] = {
    {"characters_written", oserror_get_written, oserror_set_written},
    {0},
};

PyTypeObject NjExc_OSError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "OSError",
    EXC_COMMON(PyOSErrorObject, oserror_dealloc, oserror_traverse, oserror_clear),
    .tp_str = oserror_str,
    .tp_doc = "Base class for I/O related errors.",
    .tp_methods = oserror_methods,
    .tp_members = oserror_members,
    .tp_getset = oserror_getset,
    .tp_base = &NjExc_Exception,
    .tp_init = oserror_init,
    .tp_new = oserror_new,
};

/* ======================================================================================
 * SyntaxError
 * ====================================================================================== */

#define SYN(o) ((PySyntaxErrorObject *)(o))
#define SYN_FIELDS(T, X)                                                               \
    X(T, msg) X(T, filename) X(T, lineno) X(T, offset) X(T, end_lineno)                \
    X(T, end_offset) X(T, text) X(T, print_file_and_line) X(T, metadata)
LIFE(syntaxerror, PySyntaxErrorObject, SYN_FIELDS)

static int
syntaxerror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (baseexception_init(self, args, kwds) < 0) {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n >= 1) {
        Py_XSETREF(SYN(self)->msg, Py_NewRef(PyTuple_GET_ITEM(args, 0)));
    }
    if (n != 2) {
        return 0;
    }
    NJ_OWN info = PySequence_Tuple(PyTuple_GET_ITEM(args, 1));
    if (info == NULL) {
        return -1;
    }
    PyObject *f[7] = {NULL};
    if (!PyArg_ParseTuple(info, "OOOO|OOO", &f[0], &f[1], &f[2], &f[3], &f[4], &f[5],
                          &f[6])) {
        return -1;
    }
    if (PyTuple_GET_SIZE(info) == 5) {
        PyErr_SetString(PyExc_TypeError,
                        "end_offset must be provided when end_lineno is provided");
        return -1;
    }
    Py_XSETREF(SYN(self)->filename, Py_NewRef(f[0]));
    Py_XSETREF(SYN(self)->lineno, Py_NewRef(f[1]));
    Py_XSETREF(SYN(self)->offset, Py_NewRef(f[2]));
    Py_XSETREF(SYN(self)->text, Py_NewRef(f[3]));
    Py_XSETREF(SYN(self)->end_lineno, Py_XNewRef(f[4]));
    Py_XSETREF(SYN(self)->end_offset, Py_XNewRef(f[5]));
    Py_XSETREF(SYN(self)->metadata, Py_XNewRef(f[6]));
    return 0;
}

static PyObject *
syntaxerror_str(PyObject *self)
{
    PySyntaxErrorObject *e = SYN(self);
    PyObject *msg = e->msg ? e->msg : Py_None;
    NJ_OWN file = NULL;
    if (e->filename && PyUnicode_Check(e->filename)) {
        Py_ssize_t n = PyUnicode_GET_LENGTH(e->filename);
        Py_ssize_t slash = PyUnicode_FindChar(e->filename, '/', 0, n, -1);
        NJ_SET(file, PyUnicode_Substring(e->filename, slash + 1, n));
        if (file == NULL) {
            return NULL;
        }
    }
    bool has_line = e->lineno && PyLong_CheckExact(e->lineno);
    if (file == NULL && !has_line) {
        return PyObject_Str(msg);
    }
    int overflow = 0;
    long line = has_line ? PyLong_AsLongAndOverflow(e->lineno, &overflow) : 0;
    if (file && has_line) {
        return PyUnicode_FromFormat("%S (%U, line %ld)", msg, file, line);
    }
    if (file) {
        return PyUnicode_FromFormat("%S (%U)", msg, file);
    }
    return PyUnicode_FromFormat("%S (line %ld)", msg, line);
}

#define SYN_MEMBER(n, f, d)                                                            \
    {n, _Py_T_OBJECT, offsetof(PySyntaxErrorObject, f), 0, d}
static PyMemberDef syntaxerror_members[] = {
    SYN_MEMBER("msg", msg, "exception msg"),
    SYN_MEMBER("filename", filename, "exception filename"),
    SYN_MEMBER("lineno", lineno, "exception lineno"),
    SYN_MEMBER("offset", offset, "exception offset"),
    SYN_MEMBER("text", text, "exception text"),
    SYN_MEMBER("end_lineno", end_lineno, "exception end lineno"),
    SYN_MEMBER("end_offset", end_offset, "exception end offset"),
    SYN_MEMBER("print_file_and_line", print_file_and_line,
               "exception print_file_and_line"),
    SYN_MEMBER("_metadata", metadata, "exception private metadata"),
    {0},
};

PyTypeObject NjExc_SyntaxError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "SyntaxError",
    EXC_COMMON(PySyntaxErrorObject, syntaxerror_dealloc, syntaxerror_traverse,
               syntaxerror_clear),
    .tp_str = syntaxerror_str,
    .tp_doc = "Invalid syntax.",
    .tp_members = syntaxerror_members,
    .tp_base = &NjExc_Exception,
    .tp_init = syntaxerror_init,
};

/* ======================================================================================
 * UnicodeEncodeError, UnicodeDecodeError, UnicodeTranslateError
 * ====================================================================================== */

#define UNI(o) ((PyUnicodeErrorObject *)(o))
#define UNI_FIELDS(T, X) X(T, encoding) X(T, object) X(T, reason)
LIFE(unicodeerror, PyUnicodeErrorObject, UNI_FIELDS)

static PyObject *
check_bytes(PyObject *o, const char *name)
{
    if (o == NULL) {
        PyErr_Format(PyExc_TypeError, "UnicodeError '%s' attribute is not set", name);
        return NULL;
    }
    if (!PyBytes_Check(o)) {
        PyErr_Format(PyExc_TypeError, "UnicodeError '%s' attribute must be a bytes", name);
        return NULL;
    }
    return o;
}

static PyObject *
check_str(PyObject *o, const char *name)
{
    if (o == NULL) {
        PyErr_Format(PyExc_TypeError, "UnicodeError '%s' attribute is not set", name);
        return NULL;
    }
    if (!PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "UnicodeError '%s' attribute must be a string",
                     name);
        return NULL;
    }
    return o;
}

static Py_ssize_t
clip_start(Py_ssize_t start, Py_ssize_t n)
{
    if (start < 0) {
        start = 0;
    }
    if (start >= n) {
        start = n == 0 ? 0 : n - 1;
    }
    return start;
}

static Py_ssize_t
clip_end(Py_ssize_t end, Py_ssize_t n)
{
    if (end < 1) {
        end = n == 0 ? 0 : 1;
    }
    return end > n ? n : end;
}

/* The object of the error, checked, and its length. Borrowed or NULL. */
static PyObject *
object_and_size(PyObject *self, bool as_bytes, Py_ssize_t *size)
{
    PyObject *o = as_bytes ? check_bytes(UNI(self)->object, "object")
                           : check_str(UNI(self)->object, "object");
    if (o) {
        *size = as_bytes ? PyBytes_GET_SIZE(o) : PyUnicode_GET_LENGTH(o);
    }
    return o;
}

static int
get_start(PyObject *self, bool as_bytes, Py_ssize_t *start)
{
    Py_ssize_t n;
    if (object_and_size(self, as_bytes, &n) == NULL) {
        return -1;
    }
    *start = clip_start(UNI(self)->start, n);
    return 0;
}

static int
get_end(PyObject *self, bool as_bytes, Py_ssize_t *end)
{
    Py_ssize_t n;
    if (object_and_size(self, as_bytes, &n) == NULL) {
        return -1;
    }
    *end = clip_end(UNI(self)->end, n);
    return 0;
}

static int
check_kind(PyObject *self, PyTypeObject *type)
{
    /* the three look alike, and each function takes the others */
    if (PyObject_TypeCheck(self, &NjExc_UnicodeEncodeError) ||
        PyObject_TypeCheck(self, &NjExc_UnicodeDecodeError) ||
        PyObject_TypeCheck(self, &NjExc_UnicodeTranslateError)) {
        return 0;
    }
    PyErr_Format(PyExc_TypeError, "expecting a %s object, got %T", type->tp_name, self);
    return -1;
}

static int
set_reason(PyObject *self, const char *reason)
{
    PyObject *s = PyUnicode_FromString(reason);
    if (s == NULL) {
        return -1;
    }
    Py_XSETREF(UNI(self)->reason, s);
    return 0;
}

#define UNICODE_API(Kind, as_bytes, TYPE)                                              \
    PyObject *Py##Kind##_GetObject(PyObject *self)                                     \
    {                                                                                  \
        Py_ssize_t n;                                                                  \
        return check_kind(self, TYPE) < 0                                              \
                   ? NULL                                                              \
                   : Py_XNewRef(object_and_size(self, as_bytes, &n));                  \
    }                                                                                  \
    int Py##Kind##_GetStart(PyObject *self, Py_ssize_t *start)                         \
    {                                                                                  \
        return check_kind(self, TYPE) < 0 ? -1 : get_start(self, as_bytes, start);     \
    }                                                                                  \
    int Py##Kind##_SetStart(PyObject *self, Py_ssize_t start)                          \
    {                                                                                  \
        if (check_kind(self, TYPE) < 0) {                                              \
            return -1;                                                                 \
        }                                                                              \
        UNI(self)->start = start;                                                      \
        return 0;                                                                      \
    }                                                                                  \
    int Py##Kind##_GetEnd(PyObject *self, Py_ssize_t *end)                             \
    {                                                                                  \
        return check_kind(self, TYPE) < 0 ? -1 : get_end(self, as_bytes, end);         \
    }                                                                                  \
    int Py##Kind##_SetEnd(PyObject *self, Py_ssize_t end)                              \
    {                                                                                  \
        if (check_kind(self, TYPE) < 0) {                                              \
            return -1;                                                                 \
        }                                                                              \
        UNI(self)->end = end;                                                          \
        return 0;                                                                      \
    }                                                                                  \
    PyObject *Py##Kind##_GetReason(PyObject *self)                                     \
    {                                                                                  \
        return check_kind(self, TYPE) < 0                                              \
                   ? NULL                                                              \
                   : Py_XNewRef(check_str(UNI(self)->reason, "reason"));               \
    }                                                                                  \
    int Py##Kind##_SetReason(PyObject *self, const char *reason)                       \
    {                                                                                  \
        return check_kind(self, TYPE) < 0 ? -1 : set_reason(self, reason);             \
    }

UNICODE_API(UnicodeEncodeError, false, &NjExc_UnicodeEncodeError)
UNICODE_API(UnicodeDecodeError, true, &NjExc_UnicodeDecodeError)
UNICODE_API(UnicodeTranslateError, false, &NjExc_UnicodeTranslateError)

PyObject *
PyUnicodeEncodeError_GetEncoding(PyObject *self)
{
    return check_kind(self, &NjExc_UnicodeEncodeError) < 0
               ? NULL
               : Py_XNewRef(check_str(UNI(self)->encoding, "encoding"));
}

PyObject *
PyUnicodeDecodeError_GetEncoding(PyObject *self)
{
    return check_kind(self, &NjExc_UnicodeDecodeError) < 0
               ? NULL
               : Py_XNewRef(check_str(UNI(self)->encoding, "encoding"));
}

PyObject *
PyUnicodeDecodeError_Create(const char *encoding, const char *object, Py_ssize_t length,
                            Py_ssize_t start, Py_ssize_t end, const char *reason)
{
    return PyObject_CallFunction((PyObject *)&NjExc_UnicodeDecodeError, "sy#nns",
                                 encoding, object, length, start, end, reason);
}

static int
unicodeencodeerror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyObject *encoding, *object, *reason;
    Py_ssize_t start, end;
    if (baseexception_init(self, args, kwds) < 0 ||
        !PyArg_ParseTuple(args, "UUnnU", &encoding, &object, &start, &end, &reason)) {
        return -1;
    }
    Py_XSETREF(UNI(self)->encoding, Py_NewRef(encoding));
    Py_XSETREF(UNI(self)->object, Py_NewRef(object));
    UNI(self)->start = start;
    UNI(self)->end = end;
    Py_XSETREF(UNI(self)->reason, Py_NewRef(reason));
    return 0;
}

static int
unicodedecodeerror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyObject *encoding, *object, *reason;
    Py_ssize_t start, end;
    if (baseexception_init(self, args, kwds) < 0 ||
        !PyArg_ParseTuple(args, "UOnnU", &encoding, &object, &start, &end, &reason)) {
        return -1;
    }
    NJ_OWN bytes = NULL;
    if (PyBytes_Check(object)) {
        NJ_SET(bytes, Py_NewRef(object));
    }
    else {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) {
            return -1;
        }
        NJ_SET(bytes, PyBytes_FromStringAndSize(view.buf, view.len));
    }
    if (bytes == NULL) {
        return -1;
    }
    Py_XSETREF(UNI(self)->encoding, Py_NewRef(encoding));
    Py_XSETREF(UNI(self)->object, NJ_TAKE(bytes));
    UNI(self)->start = start;
    UNI(self)->end = end;
    Py_XSETREF(UNI(self)->reason, Py_NewRef(reason));
    return 0;
}

static int
unicodetranslateerror_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyObject *object, *reason;
    Py_ssize_t start, end;
    if (baseexception_init(self, args, kwds) < 0 ||
        !PyArg_ParseTuple(args, "UnnU", &object, &start, &end, &reason)) {
        return -1;
    }
    Py_XSETREF(UNI(self)->object, Py_NewRef(object));
    UNI(self)->start = start;
    UNI(self)->end = end;
    Py_XSETREF(UNI(self)->reason, Py_NewRef(reason));
    return 0;
}

static const char *
char_format(Py_UCS4 c)
{
    return c <= 0xff ? "\\x%02x" : c <= 0xffff ? "\\u%04x" : "\\U%08x";
}

/* "character '\u1234' in position 2" or "characters in position 1-2" */
static PyObject *
describe_chars(PyObject *object, Py_ssize_t start, Py_ssize_t end)
{
    if (start >= 0 && start < PyUnicode_GET_LENGTH(object) && end == start + 1) {
        Py_UCS4 c = PyUnicode_READ_CHAR(object, start);
        char text[16];
        PyOS_snprintf(text, sizeof(text), char_format(c), (unsigned)c);
        return PyUnicode_FromFormat("character '%s' in position %zd", text, start);
    }
    return PyUnicode_FromFormat("characters in position %zd-%zd", start, end - 1);
}

static PyObject *
unicodeencodeerror_str(PyObject *self)
{
    PyUnicodeErrorObject *e = UNI(self);
    if (e->object == NULL) {
        return PyUnicode_FromStringAndSize(NULL, 0); /* __init__ never ran */
    }
    NJ_OWN reason = PyObject_Str(e->reason ? e->reason : Py_None);
    NJ_OWN encoding = reason ? PyObject_Str(e->encoding ? e->encoding : Py_None) : NULL;
    Py_ssize_t n;
    if (encoding == NULL || object_and_size(self, false, &n) == NULL) {
        return NULL;
    }
    NJ_OWN what =
        describe_chars(e->object, e->start, e->end);
    return what ? PyUnicode_FromFormat("'%U' codec can't encode %U: %U", encoding, what,
                                       reason)
                : NULL;
}

static PyObject *
unicodedecodeerror_str(PyObject *self)
{
    PyUnicodeErrorObject *e = UNI(self);
    if (e->object == NULL) {
        return PyUnicode_FromStringAndSize(NULL, 0);
    }
    NJ_OWN reason = PyObject_Str(e->reason ? e->reason : Py_None);
    NJ_OWN encoding = reason ? PyObject_Str(e->encoding ? e->encoding : Py_None) : NULL;
    Py_ssize_t n;
    if (encoding == NULL || object_and_size(self, true, &n) == NULL) {
        return NULL;
    }
    Py_ssize_t start = e->start, end = e->end;
    if (start >= 0 && start < n && end == start + 1) {
        unsigned byte = (unsigned char)PyBytes_AS_STRING(e->object)[start];
        return PyUnicode_FromFormat(
            "'%U' codec can't decode byte 0x%02x in position %zd: %U", encoding, byte,
            start, reason);
    }
    return PyUnicode_FromFormat("'%U' codec can't decode bytes in position %zd-%zd: %U",
                                encoding, start, end - 1, reason);
}

static PyObject *
unicodetranslateerror_str(PyObject *self)
{
    PyUnicodeErrorObject *e = UNI(self);
    if (e->object == NULL) {
        return PyUnicode_FromStringAndSize(NULL, 0);
    }
    NJ_OWN reason = PyObject_Str(e->reason ? e->reason : Py_None);
    Py_ssize_t n;
    if (reason == NULL || object_and_size(self, false, &n) == NULL) {
        return NULL;
    }
    NJ_OWN what =
        describe_chars(e->object, e->start, e->end);
    return what ? PyUnicode_FromFormat("can't translate %U: %U", what, reason) : NULL;
}

static PyMemberDef unicodeerror_members[] = {
    {"encoding", _Py_T_OBJECT, offsetof(PyUnicodeErrorObject, encoding), 0,
     "exception encoding"},
    {"object", _Py_T_OBJECT, offsetof(PyUnicodeErrorObject, object), 0,
     "exception object"},
    {"start", Py_T_PYSSIZET, offsetof(PyUnicodeErrorObject, start), 0,
     "exception start"},
    {"end", Py_T_PYSSIZET, offsetof(PyUnicodeErrorObject, end), 0, "exception end"},
    {"reason", _Py_T_OBJECT, offsetof(PyUnicodeErrorObject, reason), 0,
     "exception reason"},
    {0},
};

#define UNICODE_TYPE(name, kind, doc)                                                  \
    PyTypeObject NjExc_##name = {                                                      \
        PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = #name,                        \
        EXC_COMMON(PyUnicodeErrorObject, unicodeerror_dealloc, unicodeerror_traverse,  \
                   unicodeerror_clear),                                                \
        .tp_str = kind##_str,                                                          \
        .tp_doc = doc,                                                                 \
        .tp_members = unicodeerror_members,                                            \
        .tp_base = &NjExc_UnicodeError,                                                \
        .tp_init = kind##_init,                                                        \
        .tp_new = baseexception_new,                                                   \
    };
UNICODE_TYPE(UnicodeEncodeError, unicodeencodeerror, "Unicode encoding error.")
UNICODE_TYPE(UnicodeDecodeError, unicodedecodeerror, "Unicode decoding error.")
UNICODE_TYPE(UnicodeTranslateError, unicodetranslateerror, "Unicode translation error.")

/* ======================================================================================
 * MemoryError: instances wait on a list, so that there is one when nothing is left
 * ====================================================================================== */

enum { SPARE_MEMORY_ERRORS = 16 };

static PyObject *
take_spare(void)
{
    NjTypeState *st = &nj_interp()->types;
    PyObject *self = st->memerrors;
    if (self == NULL) {
        return NULL;
    }
    st->memerrors = E(self)->dict;
    st->nmemerrors--;
    E(self)->dict = NULL;
    self->ob_refcnt_full = 1;
    nj_trace_new(self);
    nj_gc_track(self);
    return self;
}

static PyObject *
memoryerror_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (type == &NjExc_MemoryError) {
        PyObject *args_new = args ? Py_NewRef(args) : PyTuple_New(0);
        PyObject *self = args_new ? take_spare() : NULL;
        if (self) {
            E(self)->args = args_new;
            return self;
        }
        Py_XDECREF(args_new);
    }
    return baseexception_new(type, args, kwds);
}

static void
memoryerror_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    (void)baseexception_clear(self);
    NjTypeState *st = &nj_interp()->types;
    if (!Py_IS_TYPE(self, &NjExc_MemoryError) || st->nmemerrors >= SPARE_MEMORY_ERRORS ||
        st->statics == NULL) {
        Py_TYPE(self)->tp_free(self);
        return;
    }
    nj_gc_head(self)->prev = 0;
    E(self)->suppress_context = 0;
    E(self)->dict = st->memerrors;
    st->memerrors = self;
    st->nmemerrors++;
}

PyObject *
nj_exc_memory_error(void)
{
    PyObject *self = take_spare();
    if (self == NULL) {
        return NULL;
    }
    E(self)->args = PyTuple_New(0); /* a singleton */
    return self;
}

PyTypeObject NjExc_MemoryError = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "MemoryError",
    EXC_COMMON(PyBaseExceptionObject, memoryerror_dealloc, baseexception_traverse,
               baseexception_clear),
    .tp_doc = "Out of memory.",
    .tp_base = &NjExc_Exception,
    .tp_init = baseexception_init,
    .tp_new = memoryerror_new,
};

/* ======================================================================================
 * Exception groups
 * ====================================================================================== */

#define G(o) ((PyBaseExceptionGroupObject *)(o))
#define GROUP_FIELDS(T, X) X(T, msg) X(T, excs) X(T, excs_str)
LIFE(group, PyBaseExceptionGroupObject, GROUP_FIELDS)

#define IS_GROUP(o) PyObject_TypeCheck(o, &NjExc_BaseExceptionGroup)

PyObject *
nj_exc_group_type(void)
{
    return nj_interp()->types.exception_group;
}

static PyObject *
group_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (PyTuple_GET_SIZE(args) != 2) {
        PyErr_Format(PyExc_TypeError,
                     "BaseExceptionGroup.__new__() takes exactly 2 arguments (%zd given)",
                     PyTuple_GET_SIZE(args));
        return NULL;
    }
    PyObject *msg = PyTuple_GET_ITEM(args, 0), *given = PyTuple_GET_ITEM(args, 1);
    if (!PyUnicode_Check(msg)) {
        _PyArg_BadArgument("BaseExceptionGroup.__new__", "argument 1", "str", msg);
        return NULL;
    }
    if (!PySequence_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "second argument (exceptions) must be a "
                                         "sequence");
        return NULL;
    }
    NJ_OWN shown = NULL; /* how an unusual sequence looked when it was given */
    if (!PyList_Check(given) && !PyTuple_Check(given)) {
        NJ_SET(shown, PyObject_Repr(given));
        if (shown == NULL) {
            return NULL;
        }
    }
    NJ_OWN excs = PySequence_Tuple(given);
    if (excs == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(excs);
    if (n == 0) {
        PyErr_SetString(PyExc_ValueError, "second argument (exceptions) must be a "
                                          "non-empty sequence");
        return NULL;
    }
    bool nested_base = false;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *exc = PyTuple_GET_ITEM(excs, i);
        if (!PyExceptionInstance_Check(exc)) {
            PyErr_Format(PyExc_ValueError,
                         "Item %zd of second argument (exceptions) is not an exception",
                         i);
            return NULL;
        }
        nested_base |= !PyObject_TypeCheck(exc, &NjExc_Exception);
    }
    PyTypeObject *eg = (PyTypeObject *)nj_exc_group_type();
    if (type == &NjExc_BaseExceptionGroup) {
        if (!nested_base && eg) {
            type = eg; /* all ordinary: the narrower class */
        }
    }
    else if (nested_base && type == eg) {
        PyErr_SetString(PyExc_TypeError,
                        "Cannot nest BaseExceptions in an ExceptionGroup");
        return NULL;
    }
    else if (nested_base && PyType_IsSubtype(type, &NjExc_Exception)) {
        PyErr_Format(PyExc_TypeError, "Cannot nest BaseExceptions in '%.200s'",
                     type->tp_name);
        return NULL;
    }
    NJ_OWN self = type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    G(self)->args = Py_NewRef(args);
    G(self)->msg = Py_NewRef(msg);
    G(self)->excs = NJ_TAKE(excs);
    G(self)->excs_str = NJ_TAKE(shown);
    return NJ_TAKE(self);
}

PyObject *
nj_exc_group_new(const char *message, PyObject *excs)
{
    return PyObject_CallFunction((PyObject *)&NjExc_BaseExceptionGroup, "sO", message,
                                 excs);
}

static int
group_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords(Py_TYPE(self)->tp_name, kwds)) {
        return -1;
    }
    return baseexception_init(self, args, kwds);
}

static PyObject *
group_str(PyObject *self)
{
    Py_ssize_t n = PyTuple_GET_SIZE(G(self)->excs);
    return PyUnicode_FromFormat("%S (%zd sub-exception%s)", G(self)->msg, n,
                                n == 1 ? "" : "s");
}

static PyObject *
group_repr(PyObject *self)
{
    NJ_OWN text = NULL;
    PyObject *args = E(self)->args;
    if (G(self)->excs_str) {
        NJ_SET(text, Py_NewRef(G(self)->excs_str));
    }
    else if (args && PyTuple_GET_SIZE(args) == 2 &&
             PyList_Check(PyTuple_GET_ITEM(args, 1))) {
        NJ_OWN list = PySequence_List(G(self)->excs);
        NJ_SET(text, list ? PyObject_Repr(list) : NULL);
    }
    else {
        NJ_SET(text, PyObject_Repr(G(self)->excs));
    }
    if (text == NULL) {
        return NULL;
    }
    return PyUnicode_FromFormat("%s(%R, %U)", _PyType_Name(Py_TYPE(self)), G(self)->msg,
                                text);
}

static PyObject *
group_derive(PyObject *self, PyObject *excs)
{
    return PyObject_CallFunctionObjArgs((PyObject *)&NjExc_BaseExceptionGroup,
                                        G(self)->msg, excs, NULL);
}

/* self.derive(excs) with traceback, context, cause and notes copied. */
static PyObject *
derive_with_metadata(PyObject *self, PyObject *excs)
{
    NJ_OWN eg = PyObject_CallMethodOneArg(self, NJ_ID(derive), excs);
    if (eg == NULL) {
        return NULL;
    }
    if (!IS_GROUP(eg)) {
        PyErr_SetString(PyExc_TypeError,
                        "derive must return an instance of BaseExceptionGroup");
        return NULL;
    }
    PyObject *tb = E(self)->traceback;
    if (tb && PyException_SetTraceback(eg, tb) < 0) {
        return NULL;
    }
    PyException_SetContext(eg, PyException_GetContext(self));
    PyException_SetCause(eg, PyException_GetCause(self));
    PyObject *found;
    if (PyObject_GetOptionalAttr(self, NJ_ID(__notes__), &found) < 0) {
        return NULL;
    }
    NJ_OWN notes = found;
    if (notes && PySequence_Check(notes)) {
        NJ_OWN copy = PySequence_List(notes);
        if (copy == NULL || PyObject_SetAttr(eg, NJ_ID(__notes__), copy) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(eg);
}

enum { MATCH_TYPE, MATCH_CALL, MATCH_SET };

static int
matcher_kind(PyObject *m)
{
    if (PyExceptionClass_Check(m)) {
        return MATCH_TYPE;
    }
    if (PyCallable_Check(m) && !PyType_Check(m)) {
        return MATCH_CALL;
    }
    if (PyTuple_CheckExact(m)) {
        Py_ssize_t n = PyTuple_GET_SIZE(m);
        Py_ssize_t i = 0;
        while (i < n && PyExceptionClass_Check(PyTuple_GET_ITEM(m, i))) {
            i++;
        }
        if (i == n) {
            return MATCH_TYPE;
        }
    }
    PyErr_SetString(PyExc_TypeError, "expected an exception type, a tuple of exception "
                                     "types, or a callable (other than a class)");
    return -1;
}

static int
exception_matches(PyObject *exc, int kind, PyObject *matcher)
{
    switch (kind) {
    case MATCH_TYPE:
        return PyErr_GivenExceptionMatches(exc, matcher);
    case MATCH_CALL: {
        NJ_OWN r = PyObject_CallOneArg(matcher, exc);
        return r ? PyObject_IsTrue(r) : -1;
    }
    default: {
        if (IS_GROUP(exc)) {
            return 0; /* only leaves are in the set */
        }
        NJ_OWN id = PyLong_FromVoidPtr(exc);
        return id ? PySet_Contains(matcher, id) : -1;
    }
    }
}

/* *match and *rest receive new references or NULL (nothing). want_rest: fill *rest. */
static int
split_group(PyObject *exc, int kind, PyObject *matcher, bool want_rest,
            PyObject **match, PyObject **rest)
{
    *match = *rest = NULL;
    int r = exception_matches(exc, kind, matcher);
    if (r < 0) {
        return -1;
    }
    if (r) {
        *match = Py_NewRef(exc);
        return 0;
    }
    if (!IS_GROUP(exc)) {
        if (want_rest) {
            *rest = Py_NewRef(exc);
        }
        return 0;
    }
    NJ_OWN yes = PyList_New(0);
    NJ_OWN no = want_rest ? PyList_New(0) : NULL;
    if (yes == NULL || (want_rest && no == NULL)) {
        return -1;
    }
    PyObject *excs = G(exc)->excs;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(excs); i++) {
        PyObject *m, *n;
        if (Py_EnterRecursiveCall(" in exceptiongroup_split_recursive")) {
            return -1;
        }
        r = split_group(PyTuple_GET_ITEM(excs, i), kind, matcher, want_rest, &m, &n);
        Py_LeaveRecursiveCall();
        if (r < 0) {
            return -1;
        }
        NJ_OWN om = m;
        NJ_OWN on = n;
        if ((om && PyList_Append(yes, om) < 0) || (on && PyList_Append(no, on) < 0)) {
            return -1;
        }
    }
    NJ_OWN mg = NULL;
    if (PyList_GET_SIZE(yes) > 0) {
        NJ_SET(mg, derive_with_metadata(exc, yes));
        if (mg == NULL) {
            return -1;
        }
    }
    if (want_rest && PyList_GET_SIZE(no) > 0) {
        *rest = derive_with_metadata(exc, no);
        if (*rest == NULL) {
            return -1;
        }
    }
    *match = NJ_TAKE(mg);
    return 0;
}

static PyObject *
group_split(PyObject *self, PyObject *matcher)
{
    int kind = matcher_kind(matcher);
    PyObject *m, *r;
    if (kind < 0 || split_group(self, kind, matcher, true, &m, &r) < 0) {
        return NULL;
    }
    NJ_OWN match = m ? m : Py_NewRef(Py_None);
    NJ_OWN rest = r ? r : Py_NewRef(Py_None);
    return PyTuple_Pack(2, match, rest);
}

static PyObject *
group_subgroup(PyObject *self, PyObject *matcher)
{
    int kind = matcher_kind(matcher);
    PyObject *m, *r;
    if (kind < 0 || split_group(self, kind, matcher, false, &m, &r) < 0) {
        return NULL;
    }
    return m ? m : Py_NewRef(Py_None);
}

/* The addresses of all leaves of a group. 0 or -1. */
static int
collect_leaves(PyObject *exc, PyObject *set)
{
    if (exc == Py_None) {
        return 0;
    }
    if (!IS_GROUP(exc)) {
        NJ_OWN id = PyLong_FromVoidPtr(exc);
        return id ? PySet_Add(set, id) : -1;
    }
    if (Py_EnterRecursiveCall(" in collect_exception_group_leaf_ids")) {
        return -1;
    }
    int r = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(G(exc)->excs) && r == 0; i++) {
        r = collect_leaves(PyTuple_GET_ITEM(G(exc)->excs, i), set);
    }
    Py_LeaveRecursiveCall();
    return r;
}

/* The part of orig whose leaves occur in the groups of `keep': new, None, or NULL. */
static PyObject *
projection(PyObject *orig, PyObject *keep)
{
    NJ_OWN leaves = PySet_New(NULL);
    if (leaves == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keep); i++) {
        if (collect_leaves(PyList_GET_ITEM(keep, i), leaves) < 0) {
            return NULL;
        }
    }
    PyObject *m, *r;
    if (split_group(orig, MATCH_SET, leaves, false, &m, &r) < 0) {
        return NULL;
    }
    return m ? m : Py_NewRef(Py_None);
}

/* True if exc was re-raised from orig: same traceback, context, cause and notes. */
static int
same_metadata(PyObject *exc, PyObject *orig)
{
    PyObject *n1, *n2;
    if (PyObject_GetOptionalAttr(exc, NJ_ID(__notes__), &n1) < 0) {
        return -1;
    }
    NJ_OWN notes1 = n1;
    if (PyObject_GetOptionalAttr(orig, NJ_ID(__notes__), &n2) < 0) {
        return -1;
    }
    NJ_OWN notes2 = n2;
    int eq = 1;
    if (notes1 != notes2) {
        eq = notes1 && notes2 ? PyObject_RichCompareBool(notes1, notes2, Py_EQ) : 0;
    }
    if (eq <= 0) {
        return eq;
    }
    return E(exc)->traceback == E(orig)->traceback &&
           E(exc)->cause == E(orig)->cause && E(exc)->context == E(orig)->context;
}

PyObject *
nj_exc_prep_reraise_star(PyObject *orig, PyObject *excs)
{
    Py_ssize_t n = PyList_GET_SIZE(excs);
    if (n == 0) {
        Py_RETURN_NONE;
    }
    if (!IS_GROUP(orig)) {
        /* a bare exception was caught and wrapped: at most one came out */
        return Py_NewRef(PyList_GET_ITEM(excs, 0));
    }
    NJ_OWN raised = PyList_New(0);
    NJ_OWN reraised = PyList_New(0);
    if (raised == NULL || reraised == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *e = PyList_GET_ITEM(excs, i);
        if (e == Py_None) {
            continue;
        }
        int same = IS_GROUP(e) ? same_metadata(e, orig) : 0;
        if (same < 0 || PyList_Append(same ? reraised : raised, e) < 0) {
            return NULL;
        }
    }
    NJ_OWN back = projection(orig, reraised);
    if (back == NULL) {
        return NULL;
    }
    if (PyList_GET_SIZE(raised) == 0) {
        return NJ_TAKE(back);
    }
    if (back != Py_None && PyList_Append(raised, back) < 0) {
        return NULL;
    }
    if (PyList_GET_SIZE(raised) == 1) {
        return Py_NewRef(PyList_GET_ITEM(raised, 0));
    }
    return nj_exc_group_new("", raised);
}

int
nj_exc_group_split_match(PyObject *exc, PyObject *match_type, PyObject **match,
                         PyObject **rest)
{
    *match = *rest = NULL;
    if (PyErr_GivenExceptionMatches(exc, match_type)) {
        if (IS_GROUP(exc)) {
            *match = Py_NewRef(exc);
        }
        else {
            NJ_OWN list = PyTuple_Pack(1, exc);
            *match = list ? nj_exc_group_new("", list) : NULL;
            if (*match == NULL) {
                return -1;
            }
            if (E(exc)->traceback &&
                PyException_SetTraceback(*match, E(exc)->traceback) < 0) {
                Py_CLEAR(*match);
                return -1;
            }
        }
        *rest = Py_NewRef(Py_None);
        return 0;
    }
    if (IS_GROUP(exc)) {
        NJ_OWN pair = PyObject_CallMethodOneArg(exc, NJ_ID(split), match_type);
        if (pair == NULL) {
            return -1;
        }
        if (!PyTuple_CheckExact(pair)) {
            PyErr_Format(PyExc_TypeError, "%.200s.split must return a tuple, not %.200s",
                         Py_TYPE(exc)->tp_name, Py_TYPE(pair)->tp_name);
            return -1;
        }
        if (PyTuple_GET_SIZE(pair) < 2) {
            PyErr_Format(PyExc_TypeError,
                         "%.200s.split must return a 2-tuple, got tuple of size %zd",
                         Py_TYPE(exc)->tp_name, PyTuple_GET_SIZE(pair));
            return -1;
        }
        *match = Py_NewRef(PyTuple_GET_ITEM(pair, 0));
        *rest = Py_NewRef(PyTuple_GET_ITEM(pair, 1));
        return 0;
    }
    *match = Py_NewRef(Py_None);
    *rest = Py_NewRef(exc);
    return 0;
}

PyObject *
PyUnstable_Exc_PrepReraiseStar(PyObject *orig, PyObject *excs)
{
    if (orig == NULL || !PyExceptionInstance_Check(orig)) {
        PyErr_SetString(PyExc_TypeError, "orig must be an exception instance");
        return NULL;
    }
    if (excs == NULL || !PyList_Check(excs)) {
        PyErr_SetString(PyExc_TypeError, "excs must be a list of exception instances");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(excs); i++) {
        PyObject *e = PyList_GET_ITEM(excs, i);
        if (e == NULL || !(PyExceptionInstance_Check(e) || Py_IsNone(e))) {
            PyErr_Format(PyExc_TypeError, "item %zd of excs is not an exception", i);
            return NULL;
        }
    }
    NJ_OWN tb = PyException_GetTraceback(orig);
    if (tb == NULL) {
        PyErr_SetString(PyExc_ValueError, "orig must be a raised exception");
        return NULL;
    }
    return nj_exc_prep_reraise_star(orig, excs);
}

static PyMemberDef group_members[] = {
    {"message", _Py_T_OBJECT, offsetof(PyBaseExceptionGroupObject, msg), Py_READONLY,
     "exception message"},
    {"exceptions", _Py_T_OBJECT, offsetof(PyBaseExceptionGroupObject, excs),
     Py_READONLY, "nested exceptions"},
    {0},
};
static PyMethodDef group_methods[] = {
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"
     "Exception groups are generic over the type of their contained exceptions."},
    {"derive", group_derive, METH_O, "derive($self, excs, /)\n--\n\n"},
    {"split", group_split, METH_O, "split($self, matcher_value, /)\n--\n\n"},
    {"subgroup", group_subgroup, METH_O, "subgroup($self, matcher_value, /)\n--\n\n"},
    {0},
};

PyTypeObject NjExc_BaseExceptionGroup = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "BaseExceptionGroup",
    EXC_COMMON(PyBaseExceptionGroupObject, group_dealloc, group_traverse, group_clear),
    .tp_repr = group_repr,
    .tp_str = group_str,
    .tp_doc = "A combination of multiple unrelated exceptions.",
    .tp_methods = group_methods,
    .tp_members = group_members,
    .tp_base = &NjExc_BaseException,
    .tp_init = group_init,
    .tp_new = group_new,
};

/* ======================================================================================
 * Classes without anything of their own
 * ====================================================================================== */

PLAIN(GeneratorExit, "GeneratorExit", BaseException, exception_vectorcall,
      "Request that a generator exit.")
PLAIN(KeyboardInterrupt, "KeyboardInterrupt", BaseException, exception_vectorcall,
      "Program interrupted by user.")
PLAIN(Exception, "Exception", BaseException, exception_vectorcall,
      "Common base class for all non-exit exceptions.")
PLAIN(ArithmeticError, "ArithmeticError", Exception, exception_vectorcall,
      "Base class for arithmetic errors.")
PLAIN(FloatingPointError, "FloatingPointError", ArithmeticError, exception_vectorcall,
      "Floating-point operation failed.")
PLAIN(OverflowError, "OverflowError", ArithmeticError, exception_vectorcall,
      "Result too large to be represented.")
PLAIN(ZeroDivisionError, "ZeroDivisionError", ArithmeticError, exception_vectorcall,
      "Second argument to a division or modulo operation was zero.")
PLAIN(AssertionError, "AssertionError", Exception, exception_vectorcall,
      "Assertion failed.")
PLAIN(BufferError, "BufferError", Exception, exception_vectorcall,
      "Buffer error.")
PLAIN(EOFError, "EOFError", Exception, exception_vectorcall,
      "Read beyond end of file.")
DERIVED(ModuleNotFoundError, "ModuleNotFoundError", ImportError, PyImportErrorObject, importerror,
        "Module not found.")
PLAIN(LookupError, "LookupError", Exception, exception_vectorcall,
      "Base class for lookup errors.")
PLAIN(IndexError, "IndexError", LookupError, exception_vectorcall,
      "Sequence index out of range.")
DERIVED(UnboundLocalError, "UnboundLocalError", NameError, PyNameErrorObject, nameerror,
        "Local name referenced but not bound to a value.")
DERIVED(BlockingIOError, "BlockingIOError", OSError, PyOSErrorObject, oserror,
        "I/O operation would block.")
DERIVED(ChildProcessError, "ChildProcessError", OSError, PyOSErrorObject, oserror,
        "Child process error.")
DERIVED(ConnectionError, "ConnectionError", OSError, PyOSErrorObject, oserror,
        "Connection error.")
DERIVED(BrokenPipeError, "BrokenPipeError", ConnectionError, PyOSErrorObject, oserror,
        "Broken pipe.")
DERIVED(ConnectionAbortedError, "ConnectionAbortedError", ConnectionError, PyOSErrorObject, oserror,
        "Connection aborted.")
DERIVED(ConnectionRefusedError, "ConnectionRefusedError", ConnectionError, PyOSErrorObject, oserror,
        "Connection refused.")
DERIVED(ConnectionResetError, "ConnectionResetError", ConnectionError, PyOSErrorObject, oserror,
        "Connection reset.")
DERIVED(FileExistsError, "FileExistsError", OSError, PyOSErrorObject, oserror,
        "File already exists.")
DERIVED(FileNotFoundError, "FileNotFoundError", OSError, PyOSErrorObject, oserror,
        "File not found.")
DERIVED(InterruptedError, "InterruptedError", OSError, PyOSErrorObject, oserror,
        "Interrupted by signal.")
DERIVED(IsADirectoryError, "IsADirectoryError", OSError, PyOSErrorObject, oserror,
        "Operation doesn't work on directories.")
DERIVED(NotADirectoryError, "NotADirectoryError", OSError, PyOSErrorObject, oserror,
        "Operation only works on directories.")
DERIVED(PermissionError, "PermissionError", OSError, PyOSErrorObject, oserror,
        "Not enough permissions.")
DERIVED(ProcessLookupError, "ProcessLookupError", OSError, PyOSErrorObject, oserror,
        "Process not found.")
DERIVED(TimeoutError, "TimeoutError", OSError, PyOSErrorObject, oserror,
        "Timeout expired.")
PLAIN(ReferenceError, "ReferenceError", Exception, exception_vectorcall,
      "Weak ref proxy used after referent went away.")
PLAIN(RuntimeError, "RuntimeError", Exception, exception_vectorcall,
      "Unspecified run-time error.")
PLAIN(NotImplementedError, "NotImplementedError", RuntimeError, exception_vectorcall,
      "Method or function hasn't been implemented yet.")
PLAIN(PythonFinalizationError, "PythonFinalizationError", RuntimeError, exception_vectorcall,
      "Operation blocked during Python finalization.")
PLAIN(RecursionError, "RecursionError", RuntimeError, exception_vectorcall,
      "Recursion limit exceeded.")
PLAIN(StopAsyncIteration, "StopAsyncIteration", Exception, exception_vectorcall,
      "Signal the end from iterator.__anext__().")
DERIVED(IncompleteInputError, "_IncompleteInputError", SyntaxError, PySyntaxErrorObject, syntaxerror,
        "incomplete input.")
/* the name under which the reference exports the type itself */
PyAPI_DATA(PyTypeObject) _PyExc_IncompleteInputError __attribute__((alias("NjExc_IncompleteInputError")));
DERIVED(IndentationError, "IndentationError", SyntaxError, PySyntaxErrorObject, syntaxerror,
        "Improper indentation.")
DERIVED(TabError, "TabError", IndentationError, PySyntaxErrorObject, syntaxerror,
        "Improper mixture of spaces and tabs.")
PLAIN(SystemError, "SystemError", Exception, exception_vectorcall,
      "Internal error in the Python interpreter.\n\nPlease report "
      "this to the Python maintainer, along with the traceback,\nthe Python version, and the hardware/OS platform and version.")
PLAIN(TypeError, "TypeError", Exception, exception_vectorcall,
      "Inappropriate argument type.")
PLAIN(ValueError, "ValueError", Exception, exception_vectorcall,
      "Inappropriate argument value (of correct type).")
PLAIN(UnicodeError, "UnicodeError", ValueError, exception_vectorcall,
      "Unicode related error.")
PLAIN(Warning, "Warning", Exception, exception_vectorcall,
      "Base class for warning categories.")
PLAIN(BytesWarning, "BytesWarning", Warning, exception_vectorcall,
      "Base class for warnings about bytes and buffer related "
      "problems, mostly\nrelated to conversion from str or comparing to str.")
PLAIN(DeprecationWarning, "DeprecationWarning", Warning, exception_vectorcall,
      "Base class for warnings about deprecated features.")
PLAIN(EncodingWarning, "EncodingWarning", Warning, exception_vectorcall,
      "Base class for warnings about encodings.")
PLAIN(FutureWarning, "FutureWarning", Warning, exception_vectorcall,
      "Base class for warnings about constructs that will change "
      "semantically\nin the future.")
PLAIN(ImportWarning, "ImportWarning", Warning, exception_vectorcall,
      "Base class for warnings about probable mistakes in module "
      "imports")
PLAIN(PendingDeprecationWarning, "PendingDeprecationWarning", Warning, exception_vectorcall,
      "Base class for warnings about features which will be "
      "deprecated\nin the future.")
PLAIN(ResourceWarning, "ResourceWarning", Warning, exception_vectorcall,
      "Base class for warnings about resource usage.")
PLAIN(RuntimeWarning, "RuntimeWarning", Warning, exception_vectorcall,
      "Base class for warnings about dubious runtime behavior.")
PLAIN(SyntaxWarning, "SyntaxWarning", Warning, exception_vectorcall,
      "Base class for warnings about dubious syntax.")
PLAIN(UnicodeWarning, "UnicodeWarning", Warning, exception_vectorcall,
      "Base class for warnings about Unicode related problems, "
      "mostly\nrelated to conversion problems.")
PLAIN(UserWarning, "UserWarning", Warning, exception_vectorcall,
      "Base class for warnings generated by user code.")
DERIVED(InterpreterError, "concurrent.interpreters.InterpreterError", Exception,
        PyBaseExceptionObject, baseexception,
        "A cross-interpreter operation failed")
DERIVED(InterpreterNotFoundError, "concurrent.interpreters.InterpreterNotFoundError",
        InterpreterError, PyBaseExceptionObject, baseexception,
        "An interpreter was not found")

#undef PLAIN
#undef DERIVED

/* ---- the pointers of Python.h ---- */

#define NJ_EXC_TYPE(name) PyObject *PyExc_##name = (PyObject *)&NjExc_##name;
#include "objects/exc_types.def"
#undef NJ_EXC_TYPE
PyObject *PyExc_EnvironmentError = (PyObject *)&NjExc_OSError;
PyObject *PyExc_IOError = (PyObject *)&NjExc_OSError;

/* ======================================================================================
 * Life cycle
 * ====================================================================================== */

static int
map_errno(PyObject *map, int code, PyTypeObject *type)
{
    NJ_OWN key = PyLong_FromLong(code);
    return key ? PyDict_SetItem(map, key, (PyObject *)type) : -1;
}

int
nj_exc_interp_init(NjInterp *interp)
{
    static const struct {
        int code;
        PyTypeObject *type;
    } table[] = {
        {EAGAIN, &NjExc_BlockingIOError},
        {EALREADY, &NjExc_BlockingIOError},
        {EINPROGRESS, &NjExc_BlockingIOError},
        {EWOULDBLOCK, &NjExc_BlockingIOError},
        {EPIPE, &NjExc_BrokenPipeError},
        {ESHUTDOWN, &NjExc_BrokenPipeError},
        {ECHILD, &NjExc_ChildProcessError},
        {ECONNABORTED, &NjExc_ConnectionAbortedError},
        {ECONNREFUSED, &NjExc_ConnectionRefusedError},
        {ECONNRESET, &NjExc_ConnectionResetError},
        {EEXIST, &NjExc_FileExistsError},
        {ENOENT, &NjExc_FileNotFoundError},
        {EISDIR, &NjExc_IsADirectoryError},
        {ENOTDIR, &NjExc_NotADirectoryError},
        {EINTR, &NjExc_InterruptedError},
        {EACCES, &NjExc_PermissionError},
        {EPERM, &NjExc_PermissionError},
        {ESRCH, &NjExc_ProcessLookupError},
        {ETIMEDOUT, &NjExc_TimeoutError},
    };
    NjTypeState *st = &interp->types;
    if (st->exception_group != NULL) {
        return 0; /* the interpreter has them already */
    }
    st->errnomap = PyDict_New();
    if (st->errnomap == NULL) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(table); i++) {
        if (map_errno(st->errnomap, table[i].code, table[i].type) < 0) {
            return -1;
        }
    }
    /* class ExceptionGroup(BaseExceptionGroup, Exception) */
    NJ_OWN bases = PyTuple_Pack(2, &NjExc_BaseExceptionGroup, &NjExc_Exception);
    NJ_OWN dict = PyDict_New();
    NJ_OWN name = PyUnicode_InternFromString("ExceptionGroup");
    if (bases == NULL || dict == NULL || name == NULL ||
        PyDict_SetItem(dict, NJ_ID(__module__), NJ_ID(builtins)) < 0) {
        return -1;
    }
    NJ_OWN args = PyTuple_Pack(3, name, bases, dict);
    NJ_OWN eg = args ? PyType_Type.tp_new(&PyType_Type, args, NULL) : NULL;
    if (eg == NULL) {
        return -1;
    }
    st->exception_group = NJ_TAKE(eg);
    /* spare MemoryErrors: allocate some, let them go to the list */
    PyObject *spare[SPARE_MEMORY_ERRORS];
    NJ_OWN none = PyTuple_New(0);
    for (int i = 0; i < SPARE_MEMORY_ERRORS; i++) {
        spare[i] = none ? baseexception_new(&NjExc_MemoryError, none, NULL) : NULL;
    }
    bool ok = true;
    for (int i = 0; i < SPARE_MEMORY_ERRORS; i++) {
        ok &= spare[i] != NULL;
        Py_XDECREF(spare[i]);
    }
    return ok ? 0 : -1;
}

void
nj_exc_interp_fini(NjInterp *interp)
{
    NjTypeState *st = &interp->types;
    Py_CLEAR(st->errnomap);
    Py_CLEAR(st->exception_group);
    while (st->memerrors) {
        PyObject *e = st->memerrors;
        st->memerrors = E(e)->dict;
        E(e)->dict = NULL;
        PyObject_GC_Del(e);
    }
    st->nmemerrors = SPARE_MEMORY_ERRORS; /* take no more */
}

int
nj_exc_add_builtins(PyObject *dict)
{
    static PyTypeObject *const types[] = {
#define NJ_EXC_TYPE(name) &NjExc_##name,
#include "objects/exc_types.def"
#undef NJ_EXC_TYPE
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(types); i++) {
        if (strchr(types[i]->tp_name, '.')) {
            continue; /* those of concurrent.interpreters */
        }
        if (PyDict_SetItemString(dict, types[i]->tp_name, (PyObject *)types[i]) < 0) {
            return -1;
        }
    }
    if (PyDict_SetItemString(dict, "EnvironmentError", PyExc_OSError) < 0 ||
        PyDict_SetItemString(dict, "IOError", PyExc_OSError) < 0) {
        return -1;
    }
    return PyDict_SetItemString(dict, "ExceptionGroup", nj_exc_group_type());
}

/* ======================================================================================
 * Public API
 * ====================================================================================== */

PyObject *
PyException_GetTraceback(PyObject *self)
{
    return Py_XNewRef(E(self)->traceback);
}

int
PyException_SetTraceback(PyObject *self, PyObject *tb)
{
    return set_traceback(self, tb, NULL);
}

PyObject *
PyException_GetCause(PyObject *self)
{
    return Py_XNewRef(E(self)->cause);
}

void
PyException_SetCause(PyObject *self, NJ_STEALS PyObject *cause)
{
    E(self)->suppress_context = 1;
    Py_XSETREF(E(self)->cause, cause);
}

PyObject *
PyException_GetContext(PyObject *self)
{
    return Py_XNewRef(E(self)->context);
}

void
PyException_SetContext(PyObject *self, NJ_STEALS PyObject *context)
{
    Py_XSETREF(E(self)->context, context);
}

PyObject *
PyException_GetArgs(PyObject *self)
{
    return Py_XNewRef(E(self)->args);
}

void
PyException_SetArgs(PyObject *self, PyObject *args)
{
    Py_INCREF(args);
    Py_XSETREF(E(self)->args, args);
}

const char *
(PyExceptionClass_Name)(PyObject *ob)
{
    return ((PyTypeObject *)ob)->tp_name;
}

PyObject *
nj_exc_key_error(PyObject *key)
{
    NJ_OWN args = PyTuple_Pack(1, key);
    return args ? baseexception_new(&NjExc_KeyError, args, NULL) : NULL;
}

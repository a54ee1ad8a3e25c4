/* capsule.c - PyCapsule: a C pointer that travels through Python
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/gc.h"

typedef struct NjCapsule {
    PyObject_HEAD
    void *pointer;
    const char *name;
    void *context;
    PyCapsule_Destructor destructor;
    traverseproc traverse;
    inquiry clear;
} NjCapsule;
#define C(o) ((NjCapsule *)(o))

static bool
same_name(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_legal(PyObject *op, const char *message)
{
    if (op == NULL || !PyCapsule_CheckExact(op) || C(op)->pointer == NULL) {
        PyErr_SetString(PyExc_ValueError, message);
        return false;
    }
    return true;
}
#define LEGAL(op, fn) is_legal(op, fn " called with invalid PyCapsule object")

PyObject *
PyCapsule_New(void *pointer, const char *name, PyCapsule_Destructor destructor)
{
    if (pointer == NULL) {
        PyErr_SetString(PyExc_ValueError, "PyCapsule_New called with null pointer");
        return NULL;
    }
    NjCapsule *c = PyObject_GC_New(NjCapsule, &PyCapsule_Type);
    if (c == NULL) {
        return NULL;
    }
    c->pointer = pointer;
    c->name = name;
    c->context = NULL;
    c->destructor = destructor;
    c->traverse = NULL;
    c->clear = NULL;
    return (PyObject *)c; /* untracked until it has something to traverse */
}

int
PyCapsule_IsValid(PyObject *op, const char *name)
{
    return op != NULL && PyCapsule_CheckExact(op) && C(op)->pointer != NULL &&
           same_name(C(op)->name, name);
}

void *
PyCapsule_GetPointer(PyObject *op, const char *name)
{
    if (!LEGAL(op, "PyCapsule_GetPointer")) {
        return NULL;
    }
    if (!same_name(name, C(op)->name)) {
        PyErr_SetString(PyExc_ValueError,
                        "PyCapsule_GetPointer called with incorrect name");
        return NULL;
    }
    return C(op)->pointer;
}

const char *
PyCapsule_GetName(PyObject *op)
{
    return LEGAL(op, "PyCapsule_GetName") ? C(op)->name : NULL;
}

PyCapsule_Destructor
PyCapsule_GetDestructor(PyObject *op)
{
    return LEGAL(op, "PyCapsule_GetDestructor") ? C(op)->destructor : NULL;
}

void *
PyCapsule_GetContext(PyObject *op)
{
    return LEGAL(op, "PyCapsule_GetContext") ? C(op)->context : NULL;
}

int
PyCapsule_SetPointer(PyObject *op, void *pointer)
{
    if (!LEGAL(op, "PyCapsule_SetPointer")) {
        return -1;
    }
    if (pointer == NULL) {
        PyErr_SetString(PyExc_ValueError, "PyCapsule_SetPointer called with null pointer");
        return -1;
    }
    C(op)->pointer = pointer;
    return 0;
}

int
PyCapsule_SetName(PyObject *op, const char *name)
{
    if (!LEGAL(op, "PyCapsule_SetName")) {
        return -1;
    }
    C(op)->name = name;
    return 0;
}

int
PyCapsule_SetDestructor(PyObject *op, PyCapsule_Destructor destructor)
{
    if (!LEGAL(op, "PyCapsule_SetDestructor")) {
        return -1;
    }
    C(op)->destructor = destructor;
    return 0;
}

int
PyCapsule_SetContext(PyObject *op, void *context)
{
    if (!LEGAL(op, "PyCapsule_SetContext")) {
        return -1;
    }
    C(op)->context = context;
    return 0;
}

/* exported by the reference; lets a capsule take part in garbage collection */
PyAPI_FUNC(int) _PyCapsule_SetTraverse(PyObject *op, traverseproc traverse, inquiry clear);
int
_PyCapsule_SetTraverse(PyObject *op, traverseproc traverse, inquiry clear)
{
    if (!LEGAL(op, "_PyCapsule_SetTraverse")) {
        return -1;
    }
    if (traverse == NULL || clear == NULL) {
        PyErr_SetString(PyExc_ValueError,
                        "_PyCapsule_SetTraverse() called with NULL callback");
        return -1;
    }
    C(op)->traverse = traverse;
    C(op)->clear = clear;
    if (!nj_gc_is_tracked(op)) {
        nj_gc_track(op);
    }
    return 0;
}

void *
PyCapsule_Import(const char *name, int no_block)
{
    /* "package.module.attr": the first part is imported, the rest are attributes, each
     * imported as a submodule if it is not there */
    size_t n = strlen(name) + 1;
    NJ_OWN_MEM(char) text = PyMem_Malloc(n);
    if (text == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    memcpy(text, name, n);
    NJ_OWN object = NULL;
    char *rest = text;
    while (rest) {
        char *dot = strchr(rest, '.');
        if (dot) {
            *dot++ = '\0';
        }
        if (object == NULL) {
            NJ_SET(object, PyImport_ImportModule(rest));
            if (object == NULL) {
                PyErr_Format(PyExc_ImportError,
                             "PyCapsule_Import could not import module \"%s\"", rest);
                return NULL;
            }
        }
        else {
            NJ_SET(object, PyObject_GetAttrString(object, rest));
            if (object == NULL) {
                return NULL;
            }
        }
        rest = dot;
    }
    if (PyCapsule_IsValid(object, name)) {
        return C(object)->pointer;
    }
    PyErr_Format(PyExc_AttributeError, "PyCapsule_Import \"%s\" is not valid", name);
    return NULL;
}

static void
capsule_dealloc(PyObject *op)
{
    nj_gc_untrack(op);
    if (C(op)->destructor) {
        C(op)->destructor(op);
    }
    PyObject_GC_Del(op);
}

static PyObject *
capsule_repr(PyObject *op)
{
    const char *name = C(op)->name, *quote = "\"";
    if (name == NULL) {
        name = "NULL";
        quote = "";
    }
    return PyUnicode_FromFormat("<capsule object %s%s%s at %p>", quote, name, quote, op);
}

static int
capsule_traverse(PyObject *op, visitproc visit, void *arg)
{
    return C(op)->traverse ? C(op)->traverse(op, visit, arg) : 0;
}

static int
capsule_clear(PyObject *op)
{
    return C(op)->clear ? C(op)->clear(op) : 0;
}

PyTypeObject PyCapsule_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "PyCapsule",
    .tp_basicsize = sizeof(NjCapsule),
    .tp_dealloc = capsule_dealloc,
    .tp_repr = capsule_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "An opaque C pointer (and a few things to go with it), wrapped so that one\n"
              "extension module can hand it to another through Python code.",
    .tp_traverse = capsule_traverse,
    .tp_clear = capsule_clear,
};

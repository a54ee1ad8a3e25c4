/* probe.c - an extension that tells what static types and immortal objects look like in
 * memory, built from the given headers alone. See run.py.
 * SPDX-License-Identifier: MIT
 */
#define PY_SSIZE_T_CLEAN
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} slots[] = {
#define S(name) {#name, offsetof(PyTypeObject, tp_##name)}
    S(dealloc), S(getattr), S(setattr), S(as_async), S(repr), S(as_number), S(as_sequence),
    S(as_mapping), S(hash), S(call), S(str), S(getattro), S(setattro), S(as_buffer), S(doc),
    S(traverse), S(clear), S(richcompare), S(iter), S(iternext), S(methods), S(members),
    S(getset), S(base), S(descr_get), S(descr_set), S(init), S(alloc), S(new), S(free), S(is_gc),
    S(bases), S(mro), S(cache), S(subclasses), S(weaklist), S(del), S(finalize), S(vectorcall),
};

/* symbol -> (name, refcount word, basicsize, itemsize, vectorcall, weaklist and dict offsets,
 * flags, [filled slots]), or None if nothing has that name. */
static PyObject *
probe_type(PyObject *m, PyObject *arg)
{
    const char *symbol = PyUnicode_AsUTF8(arg);
    if (!symbol) {
        return NULL;
    }
    PyTypeObject *t = dlsym(RTLD_DEFAULT, symbol);
    if (!t) {
        Py_RETURN_NONE;
    }
    if (strncmp(symbol, "PyExc_", 6) == 0) {
        t = *(PyTypeObject **)t; /* these are pointers */
    }
    PyObject *filled = PyList_New(0);
    for (size_t i = 0; filled && i < sizeof(slots) / sizeof(slots[0]); i++) {
        if (*(void **)((char *)t + slots[i].offset)) {
            PyObject *s = PyUnicode_FromString(slots[i].name);
            if (!s || PyList_Append(filled, s) < 0) {
                Py_CLEAR(filled);
            }
            Py_XDECREF(s);
        }
    }
    if (!filled) {
        return NULL;
    }
    return Py_BuildValue("sLnnnnnkN", t->tp_name,
                         (long long)((PyObject *)t)->ob_refcnt_full, t->tp_basicsize,
                         t->tp_itemsize, t->tp_vectorcall_offset, t->tp_weaklistoffset,
                         t->tp_dictoffset, t->tp_flags, filled);
}

/* The refcount word and flags of an object. */
static PyObject *
probe_word(PyObject *m, PyObject *o)
{
    return PyLong_FromLongLong((long long)o->ob_refcnt_full);
}

static PyObject *
probe_tag(PyObject *m, PyObject *o)
{
    return Py_BuildValue("Ki", (unsigned long long)((PyLongObject *)o)->long_value.lv_tag,
                         (int)((PyLongObject *)o)->long_value.ob_digit[0]);
}

static PyMethodDef methods[] = {
    {"type", probe_type, METH_O}, {"word", probe_word, METH_O}, {"tag", probe_tag, METH_O}, {0}};
static PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "probe", .m_methods = methods};

PyMODINIT_FUNC
PyInit_probe(void)
{
    return PyModuleDef_Init(&def);
}

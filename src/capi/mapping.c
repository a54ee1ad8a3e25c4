/* mapping.c - PyMapping_*
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

static PyObject *
null_argument(void)
{
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
    }
    return NULL;
}

int
PyMapping_Check(PyObject *o)
{
    return o && Py_TYPE(o)->tp_as_mapping && Py_TYPE(o)->tp_as_mapping->mp_subscript;
}

Py_ssize_t
PyMapping_Size(PyObject *o)
{
    if (o == NULL) {
        null_argument();
        return -1;
    }
    PyTypeObject *tp = Py_TYPE(o);
    if (tp->tp_as_mapping && tp->tp_as_mapping->mp_length) {
        return tp->tp_as_mapping->mp_length(o);
    }
    if (tp->tp_as_sequence && tp->tp_as_sequence->sq_length) {
        PyErr_Format(PyExc_TypeError, "%.200s is not a mapping", tp->tp_name);
    }
    else {
        PyErr_Format(PyExc_TypeError, "object of type '%.200s' has no len()", tp->tp_name);
    }
    return -1;
}

#undef PyMapping_Length
PyAPI_FUNC(Py_ssize_t) PyMapping_Length(PyObject *o);
Py_ssize_t
PyMapping_Length(PyObject *o)
{
    return PyMapping_Size(o);
}

PyObject *
PyMapping_GetItemString(PyObject *o, const char *key)
{
    if (key == NULL) {
        return null_argument();
    }
    NJ_OWN k = PyUnicode_FromString(key);
    return k ? PyObject_GetItem(o, k) : NULL;
}

int
PyMapping_GetOptionalItem(PyObject *o, PyObject *key, PyObject **result)
{
    if (PyDict_CheckExact(o)) {
        return PyDict_GetItemRef(o, key, result);
    }
    *result = PyObject_GetItem(o, key);
    if (*result != NULL) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_KeyError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

int
PyMapping_GetOptionalItemString(PyObject *o, const char *key, PyObject **result)
{
    if (key == NULL) {
        *result = NULL;
        null_argument();
        return -1;
    }
    NJ_OWN k = PyUnicode_FromString(key);
    if (k == NULL) {
        *result = NULL;
        return -1;
    }
    return PyMapping_GetOptionalItem(o, k, result);
}

int
PyMapping_SetItemString(PyObject *o, const char *key, PyObject *value)
{
    if (key == NULL) {
        null_argument();
        return -1;
    }
    NJ_OWN k = PyUnicode_FromString(key);
    return k ? PyObject_SetItem(o, k, value) : -1;
}

int
PyMapping_HasKeyStringWithError(PyObject *o, const char *key)
{
    NJ_OWN v = NULL;
    return PyMapping_GetOptionalItemString(o, key, &v);
}

int
PyMapping_HasKeyWithError(PyObject *o, PyObject *key)
{
    NJ_OWN v = NULL;
    return PyMapping_GetOptionalItem(o, key, &v);
}

/* The two functions without an error result report what happened and answer "no". */
int
PyMapping_HasKeyString(PyObject *o, const char *key)
{
    NJ_OWN v = NULL;
    int r;
    if (o == NULL) {
        null_argument();
        r = -1;
    }
    else {
        r = PyMapping_GetOptionalItemString(o, key, &v);
    }
    if (r < 0) {
        PyErr_FormatUnraisable("Exception ignored in PyMapping_HasKeyString(); consider "
                               "using PyMapping_HasKeyStringWithError(), "
                               "PyMapping_GetOptionalItemString() or "
                               "PyMapping_GetItemString()");
        return 0;
    }
    return r;
}

int
PyMapping_HasKey(PyObject *o, PyObject *key)
{
    NJ_OWN v = NULL;
    int r;
    if (o == NULL || key == NULL) {
        null_argument();
        r = -1;
    }
    else {
        r = PyMapping_GetOptionalItem(o, key, &v);
    }
    if (r < 0) {
        PyErr_FormatUnraisable("Exception ignored in PyMapping_HasKey(); consider using "
                               "PyMapping_HasKeyWithError(), PyMapping_GetOptionalItem() "
                               "or PyObject_GetItem()");
        return 0;
    }
    return r;
}

static PyObject *
list_from_method(PyObject *o, PyObject *name)
{
    if (o == NULL) {
        return null_argument();
    }
    NJ_OWN view = PyObject_CallMethodNoArgs(o, name);
    if (view == NULL) {
        return NULL;
    }
    NJ_OWN it = PyObject_GetIter(view);
    if (it == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "%.200s.%U() returned a non-iterable (type %.200s)",
                         Py_TYPE(o)->tp_name, name, Py_TYPE(view)->tp_name);
        }
        return NULL;
    }
    return PySequence_List(it);
}

PyObject *
PyMapping_Keys(PyObject *o)
{
    if (o != NULL && PyDict_CheckExact(o)) {
        return PyDict_Keys(o);
    }
    return list_from_method(o, NJ_ID(keys));
}

PyObject *
PyMapping_Items(PyObject *o)
{
    if (o != NULL && PyDict_CheckExact(o)) {
        return PyDict_Items(o);
    }
    return list_from_method(o, NJ_ID(items));
}

PyObject *
PyMapping_Values(PyObject *o)
{
    if (o != NULL && PyDict_CheckExact(o)) {
        return PyDict_Values(o);
    }
    return list_from_method(o, NJ_ID(values));
}

/* abstract.c - the object protocol that dispatches on slots: items, size, iteration,
 * isinstance, format.
 *
 * Each function looks at the slots of the type in the documented order and raises the
 * reference's message where none fits. Exact built-in types take short cuts only where
 * the result cannot differ. PyObject_IsInstance asks __instancecheck__ of the class's
 * type except for plain `type', whose answer is computed here.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "capi/abstract.h"
#include "objects/number.h"
#include "objects/type_int.h"
#include "runtime/state.h"

#include <limits.h>

PyAPI_DATA(PyTypeObject) _PyUnion_Type;
/* tp_iternext of a class whose __next__ is None (exported by the reference; object.c). */
PyAPI_FUNC(PyObject *) _PyObject_NextNotImplemented(PyObject *self);

static PyObject *
null_argument(void)
{
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
    }
    return NULL;
}

PyObject *
PyObject_Type(PyObject *o)
{
    if (o == NULL) {
        return null_argument();
    }
    return Py_NewRef((PyObject *)Py_TYPE(o));
}

/* ---- size --------------------------------------------------------------------------- */

Py_ssize_t
PyObject_Size(PyObject *o)
{
    if (o == NULL) {
        null_argument();
        return -1;
    }
    PySequenceMethods *m = Py_TYPE(o)->tp_as_sequence;
    if (m && m->sq_length) {
        return m->sq_length(o);
    }
    return PyMapping_Size(o);
}

#undef PyObject_Length
PyAPI_FUNC(Py_ssize_t) PyObject_Length(PyObject *o);
Py_ssize_t
PyObject_Length(PyObject *o)
{
    return PyObject_Size(o);
}

Py_ssize_t
PyObject_LengthHint(PyObject *o, Py_ssize_t defaultvalue)
{
    PyTypeObject *tp = Py_TYPE(o);
    if ((tp->tp_as_sequence && tp->tp_as_sequence->sq_length) ||
        (tp->tp_as_mapping && tp->tp_as_mapping->mp_length)) {
        Py_ssize_t n = PyObject_Size(o);
        if (n >= 0) {
            return n;
        }
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) {
            return -1;
        }
        PyErr_Clear();
    }
    NJ_OWN hint = nj_type_special(o, NJ_ID(__length_hint__));
    if (hint == NULL) {
        return PyErr_Occurred() ? -1 : defaultvalue;
    }
    NJ_OWN r = PyObject_CallNoArgs(hint);
    if (r == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Clear();
            return defaultvalue;
        }
        return -1;
    }
    if (r == Py_NotImplemented) {
        return defaultvalue;
    }
    if (!PyLong_Check(r)) {
        PyErr_Format(PyExc_TypeError, "__length_hint__ must be an integer, not %.100s",
                     Py_TYPE(r)->tp_name);
        return -1;
    }
    Py_ssize_t n = PyLong_AsSsize_t(r);
    if (n < 0 && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "__length_hint__() should return >= 0");
    }
    return n < 0 ? -1 : n;
}

/* ---- items -------------------------------------------------------------------------- */

static NJ_COLD PyObject *
subscript_type(PyObject *o, PyObject *key)
{
    if (o == (PyObject *)&PyType_Type) {
        return Py_GenericAlias(o, key);
    }
    NJ_OWN meth = NULL;
    if (PyObject_GetOptionalAttr(o, NJ_ID(__class_getitem__), &meth) < 0) {
        return NULL;
    }
    if (meth != NULL && meth != Py_None) {
        return PyObject_CallOneArg(meth, key);
    }
    PyErr_Format(PyExc_TypeError, "type '%.200s' is not subscriptable",
                 ((PyTypeObject *)o)->tp_name);
    return NULL;
}

PyObject *
PyObject_GetItem(PyObject *o, PyObject *key)
{
    if (o == NULL || key == NULL) {
        return null_argument();
    }
    PyTypeObject *tp = Py_TYPE(o);
    PyMappingMethods *m = tp->tp_as_mapping;
    if (NJ_LIKELY(m && m->mp_subscript)) {
        return m->mp_subscript(o, key);
    }
    PySequenceMethods *ms = tp->tp_as_sequence;
    if (ms && ms->sq_item) {
        if (PyIndex_Check(key)) {
            Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
            if (i == -1 && PyErr_Occurred()) {
                return NULL;
            }
            return PySequence_GetItem(o, i);
        }
        PyErr_Format(PyExc_TypeError, "sequence index must be integer, not '%.200s'",
                     Py_TYPE(key)->tp_name);
        return NULL;
    }
    if (PyType_Check(o)) {
        return subscript_type(o, key);
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object is not subscriptable", tp->tp_name);
    return NULL;
}

/* value NULL: deletion */
static int
assign_item(PyObject *o, PyObject *key, PyObject *value)
{
    PyTypeObject *tp = Py_TYPE(o);
    PyMappingMethods *m = tp->tp_as_mapping;
    if (NJ_LIKELY(m && m->mp_ass_subscript)) {
        return m->mp_ass_subscript(o, key, value);
    }
    PySequenceMethods *ms = tp->tp_as_sequence;
    if (ms) {
        if (PyIndex_Check(key)) {
            Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
            if (i == -1 && PyErr_Occurred()) {
                return -1;
            }
            return value ? PySequence_SetItem(o, i, value) : PySequence_DelItem(o, i);
        }
        if (ms->sq_ass_item) {
            PyErr_Format(PyExc_TypeError, "sequence index must be integer, not '%.200s'",
                         Py_TYPE(key)->tp_name);
            return -1;
        }
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object does not support item %s", tp->tp_name,
                 value ? "assignment" : "deletion");
    return -1;
}

int
PyObject_SetItem(PyObject *o, PyObject *key, PyObject *value)
{
    if (o == NULL || key == NULL || value == NULL) {
        null_argument();
        return -1;
    }
    return assign_item(o, key, value);
}

int
PyObject_DelItem(PyObject *o, PyObject *key)
{
    if (o == NULL || key == NULL) {
        null_argument();
        return -1;
    }
    return assign_item(o, key, NULL);
}

int
PyObject_DelItemString(PyObject *o, const char *key)
{
    if (o == NULL || key == NULL) {
        null_argument();
        return -1;
    }
    NJ_OWN k = PyUnicode_FromString(key);
    return k ? PyObject_DelItem(o, k) : -1;
}

/* ---- format ------------------------------------------------------------------------- */

PyObject *
PyObject_Format(PyObject *o, PyObject *spec)
{
    if (spec != NULL && !PyUnicode_Check(spec)) {
        PyErr_Format(PyExc_SystemError, "Format specifier must be a string, not %.200s",
                     Py_TYPE(spec)->tp_name);
        return NULL;
    }
    if (spec == NULL || PyUnicode_GET_LENGTH(spec) == 0) {
        if (PyUnicode_CheckExact(o)) {
            return Py_NewRef(o);
        }
        if (PyLong_CheckExact(o)) {
            return PyObject_Str(o);
        }
    }
    NJ_OWN empty = NULL;
    if (spec == NULL) {
        empty = PyUnicode_New(0, 0);
        if (empty == NULL) {
            return NULL;
        }
        spec = empty;
    }
    if (PyLong_CheckExact(o)) {
        return nj_format_int(o, spec);
    }
    if (PyFloat_CheckExact(o)) {
        return nj_format_float(o, spec);
    }
    NJ_OWN meth = nj_type_special(o, NJ_ID(__format__));
    if (meth == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError, "Type %.100s doesn't define __format__",
                         Py_TYPE(o)->tp_name);
        }
        return NULL;
    }
    NJ_OWN r = PyObject_CallOneArg(meth, spec);
    if (r != NULL && !PyUnicode_Check(r)) {
        PyErr_Format(PyExc_TypeError, "__format__ must return a str, not %.200s",
                     Py_TYPE(r)->tp_name);
        return NULL;
    }
    return NJ_TAKE(r);
}

/* ---- iteration ---------------------------------------------------------------------- */

PyObject *
PyObject_GetIter(PyObject *o)
{
    PyTypeObject *tp = Py_TYPE(o);
    getiterfunc f = tp->tp_iter;
    if (NJ_LIKELY(f != NULL)) {
        PyObject *it = f(o);
        if (NJ_LIKELY(it != NULL && PyIter_Check(it))) {
            return it;
        }
        if (it != NULL) {
            PyErr_Format(PyExc_TypeError, "iter() returned non-iterator of type '%.100s'",
                         Py_TYPE(it)->tp_name);
            Py_DECREF(it);
        }
        return NULL;
    }
    if (PySequence_Check(o)) {
        return PySeqIter_New(o);
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object is not iterable", tp->tp_name);
    return NULL;
}

PyObject *
PyObject_GetAIter(PyObject *o)
{
    PyTypeObject *tp = Py_TYPE(o);
    if (tp->tp_as_async == NULL || tp->tp_as_async->am_aiter == NULL) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not an async iterable",
                     tp->tp_name);
        return NULL;
    }
    PyObject *it = tp->tp_as_async->am_aiter(o);
    if (it != NULL && !PyAIter_Check(it)) {
        PyErr_Format(PyExc_TypeError,
                     "aiter() returned not an async iterator of type '%.100s'",
                     Py_TYPE(it)->tp_name);
        Py_DECREF(it);
        return NULL;
    }
    return it;
}

int
PyIter_Check(PyObject *o)
{
    iternextfunc f = Py_TYPE(o)->tp_iternext;
    return f != NULL && f != &_PyObject_NextNotImplemented;
}

int
PyAIter_Check(PyObject *o)
{
    PyTypeObject *tp = Py_TYPE(o);
    return tp->tp_as_async != NULL && tp->tp_as_async->am_anext != NULL &&
           tp->tp_as_async->am_anext != (unaryfunc)&_PyObject_NextNotImplemented;
}

static NJ_COLD PyObject *
not_iterator(PyObject *o)
{
    bool heap = PyType_HasFeature(Py_TYPE(o), Py_TPFLAGS_HEAPTYPE);
    PyErr_Format(PyExc_TypeError,
                 heap ? "'%.200s' object is not iterable" : "expected an iterator, got '%.200s'",
                 Py_TYPE(o)->tp_name);
    return NULL;
}

int
PyIter_NextItem(PyObject *iter, PyObject **item)
{
    iternextfunc f = Py_TYPE(iter)->tp_iternext;
    if (f == NULL) {
        *item = NULL;
        not_iterator(iter);
        return -1;
    }
    if ((*item = f(iter)) != NULL) {
        return 1;
    }
    PyThreadState *ts = nj_tstate();
    if (ts->current_exception == NULL) {
        return 0;
    }
    if (PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
        return 0;
    }
    return -1;
}

PyObject *
PyIter_Next(PyObject *iter)
{
    iternextfunc f = Py_TYPE(iter)->tp_iternext;
    if (NJ_UNLIKELY(f == NULL)) {
        return not_iterator(iter);
    }
    PyObject *item = f(iter);
    if (NJ_LIKELY(item != NULL)) {
        return item;
    }
    if (nj_tstate()->current_exception != NULL &&
        PyErr_ExceptionMatches(PyExc_StopIteration)) {
        PyErr_Clear();
    }
    return NULL;
}

/* The value of the StopIteration that is set (or of none): new reference; clears it. */
static int
fetch_stop_value(PyObject **out)
{
    NJ_OWN exc = PyErr_GetRaisedException();
    if (exc == NULL) {
        *out = Py_NewRef(Py_None);
        return 0;
    }
    if (!PyErr_GivenExceptionMatches(exc, PyExc_StopIteration)) {
        PyErr_SetRaisedException(NJ_TAKE(exc));
        return -1;
    }
    PyObject *v = ((PyStopIterationObject *)exc)->value;
    *out = Py_NewRef(v ? v : Py_None);
    return 0;
}

PySendResult
PyIter_Send(PyObject *iter, PyObject *arg, PyObject **result)
{
    PyTypeObject *tp = Py_TYPE(iter);
    if (tp->tp_as_async != NULL && tp->tp_as_async->am_send != NULL) {
        return tp->tp_as_async->am_send(iter, arg, result);
    }
    if (arg == Py_None && PyIter_Check(iter)) {
        *result = tp->tp_iternext(iter);
    }
    else {
        *result = PyObject_CallMethodOneArg(iter, NJ_ID(send), arg);
    }
    if (*result != NULL) {
        return PYGEN_NEXT;
    }
    return fetch_stop_value(result) == 0 ? PYGEN_RETURN : PYGEN_ERROR;
}

/* ---- isinstance, issubclass ---------------------------------------------------------- */

/* cls.__bases__ as a tuple: 1 (new reference), 0 not a class, -1 error. */
static int
get_bases(PyObject *cls, PyObject **out)
{
    int r = PyObject_GetOptionalAttr(cls, NJ_ID(__bases__), out);
    if (r > 0 && !PyTuple_Check(*out)) {
        Py_CLEAR(*out);
        return 0;
    }
    return r;
}

/* Whether derived reaches cls over __bases__ (not the MRO): 1, 0, -1. */
static int
reaches(PyObject *derived, PyObject *cls)
{
    NJ_OWN d = Py_NewRef(derived);
    while (true) {
        if (d == cls) {
            return 1;
        }
        NJ_OWN bases = NULL;
        int r = get_bases(d, &bases);
        if (r <= 0) {
            return r;
        }
        Py_ssize_t n = PyTuple_GET_SIZE(bases);
        if (n == 0) {
            return 0;
        }
        if (n == 1) {
            NJ_SET(d, Py_NewRef(PyTuple_GET_ITEM(bases, 0)));
            continue;
        }
        if (Py_EnterRecursiveCall(" in __issubclass__")) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            r = reaches(PyTuple_GET_ITEM(bases, i), cls);
            if (r != 0) {
                break;
            }
        }
        Py_LeaveRecursiveCall();
        return r;
    }
}

static bool
check_class(PyObject *cls, const char *message)
{
    NJ_OWN bases = NULL;
    int r = get_bases(cls, &bases);
    if (r == 0) {
        PyErr_SetString(PyExc_TypeError, message);
    }
    return r > 0;
}

static const char isinstance_message[] =
    "isinstance() arg 2 must be a type, a tuple of types, or a union";
static const char issubclass_message[] =
    "issubclass() arg 2 must be a class, a tuple of classes, or a union";

int
nj_abstract_real_isinstance(PyObject *inst, PyObject *cls)
{
    NJ_OWN icls = NULL;
    if (PyType_Check(cls)) {
        if (PyObject_TypeCheck(inst, (PyTypeObject *)cls)) {
            return 1;
        }
        if (PyObject_GetOptionalAttr(inst, NJ_ID(__class__), &icls) < 0) {
            return -1;
        }
        if (icls != NULL && icls != (PyObject *)Py_TYPE(inst) && PyType_Check(icls)) {
            return PyType_IsSubtype((PyTypeObject *)icls, (PyTypeObject *)cls);
        }
        return 0;
    }
    if (!check_class(cls, isinstance_message) ||
        PyObject_GetOptionalAttr(inst, NJ_ID(__class__), &icls) < 0) {
        return -1;
    }
    return icls ? reaches(icls, cls) : 0;
}

int
nj_abstract_real_issubclass(PyObject *derived, PyObject *cls)
{
    if (PyType_Check(cls) && PyType_Check(derived)) {
        return PyType_IsSubtype((PyTypeObject *)derived, (PyTypeObject *)cls);
    }
    if (!check_class(derived, "issubclass() arg 1 must be a class")) {
        return -1;
    }
    if (!Py_IS_TYPE(cls, &_PyUnion_Type) && !check_class(cls, issubclass_message)) {
        return -1;
    }
    return reaches(derived, cls);
}

/* Asks every member of a tuple; a union is its members. */
static int
any_of(PyObject *x, PyObject *tuple, int (*ask)(PyObject *, PyObject *), const char *where)
{
    if (Py_EnterRecursiveCall(where)) {
        return -1;
    }
    int r = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(tuple) && r == 0; i++) {
        r = ask(x, PyTuple_GET_ITEM(tuple, i));
    }
    Py_LeaveRecursiveCall();
    return r;
}

static int
ask_special(PyObject *x, PyObject *cls, PyObject *name, const char *where, bool *absent)
{
    NJ_OWN check = nj_type_special(cls, name);
    *absent = check == NULL && !PyErr_Occurred();
    if (check == NULL) {
        return *absent ? 0 : -1;
    }
    if (Py_EnterRecursiveCall(where)) {
        return -1;
    }
    NJ_OWN res = PyObject_CallOneArg(check, x);
    Py_LeaveRecursiveCall();
    return res ? PyObject_IsTrue(res) : -1;
}

int
PyObject_IsInstance(PyObject *inst, PyObject *cls)
{
    if (Py_IS_TYPE(inst, (PyTypeObject *)cls)) {
        return 1;
    }
    if (PyType_CheckExact(cls)) {
        return nj_abstract_real_isinstance(inst, cls);
    }
    if (PyTuple_Check(cls)) {
        return any_of(inst, cls, PyObject_IsInstance, " in __instancecheck__");
    }
    if (Py_IS_TYPE(cls, &_PyUnion_Type)) {
        NJ_OWN args = PyObject_GetAttr(cls, NJ_ID(__args__));
        if (args == NULL) {
            return -1;
        }
        return any_of(inst, args, PyObject_IsInstance, " in __instancecheck__");
    }
    bool absent;
    int r = ask_special(inst, cls, NJ_ID(__instancecheck__), " in __instancecheck__",
                        &absent);
    return absent ? nj_abstract_real_isinstance(inst, cls) : r;
}

int
PyObject_IsSubclass(PyObject *derived, PyObject *cls)
{
    if (PyType_CheckExact(cls)) {
        return derived == cls ? 1 : nj_abstract_real_issubclass(derived, cls);
    }
    if (PyTuple_Check(cls)) {
        return any_of(derived, cls, PyObject_IsSubclass, " in __subclasscheck__");
    }
    if (Py_IS_TYPE(cls, &_PyUnion_Type)) {
        NJ_OWN args = PyObject_GetAttr(cls, NJ_ID(__args__));
        if (args == NULL) {
            return -1;
        }
        return any_of(derived, args, PyObject_IsSubclass, " in __subclasscheck__");
    }
    bool absent;
    int r = ask_special(derived, cls, NJ_ID(__subclasscheck__), " in __subclasscheck__",
                        &absent);
    return absent ? nj_abstract_real_issubclass(derived, cls) : r;
}

int
nj_abstract_opt_index(PyObject *o, Py_ssize_t *out)
{
    if (o == NULL || o == Py_None) {
        return 0;
    }
    if (!PyIndex_Check(o)) {
        PyErr_Format(PyExc_TypeError, "argument should be integer or None, not %.200s",
                     Py_TYPE(o)->tp_name);
        return -1;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(o, NULL);
    if (n == -1 && PyErr_Occurred()) {
        return -1;
    }
    *out = n;
    return 0;
}

/* sequence.c - PySequence_*: dispatch to sequence slots
 *
 * Indices below zero count from the end when the type has a length; slots therefore
 * only ever see what is left after adding it.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"
#include "objects/int.h"

static PyObject *
null_argument(void)
{
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_SystemError, "null argument to internal routine");
    }
    return NULL;
}

int
PySequence_Check(PyObject *o)
{
    if (PyDict_Check(o)) {
        return 0;
    }
    PySequenceMethods *m = Py_TYPE(o)->tp_as_sequence;
    return m != NULL && m->sq_item != NULL;
}

Py_ssize_t
PySequence_Size(PyObject *o)
{
    if (o == NULL) {
        null_argument();
        return -1;
    }
    PyTypeObject *tp = Py_TYPE(o);
    if (tp->tp_as_sequence && tp->tp_as_sequence->sq_length) {
        return tp->tp_as_sequence->sq_length(o);
    }
    if (tp->tp_as_mapping && tp->tp_as_mapping->mp_length) {
        PyErr_Format(PyExc_TypeError, "%.200s is not a sequence", tp->tp_name);
    }
    else {
        PyErr_Format(PyExc_TypeError, "object of type '%.200s' has no len()", tp->tp_name);
    }
    return -1;
}

#undef PySequence_Length
PyAPI_FUNC(Py_ssize_t) PySequence_Length(PyObject *o);
Py_ssize_t
PySequence_Length(PyObject *o)
{
    return PySequence_Size(o);
}

PyObject *
PySequence_Concat(PyObject *s, PyObject *o)
{
    if (s == NULL || o == NULL) {
        return null_argument();
    }
    PySequenceMethods *m = Py_TYPE(s)->tp_as_sequence;
    if (m && m->sq_concat) {
        return m->sq_concat(s, o);
    }
    /* A class with __getitem__ and __add__ only fills nb_add. */
    PyNumberMethods *n = Py_TYPE(s)->tp_as_number;
    if (PySequence_Check(s) && PySequence_Check(o) && n && n->nb_add) {
        PyObject *x = n->nb_add(s, o);
        if (x != Py_NotImplemented) {
            return x;
        }
        n = Py_TYPE(o)->tp_as_number;
        x = n && n->nb_add && Py_TYPE(o) != Py_TYPE(s) ? n->nb_add(s, o)
                                                       : Py_NotImplemented;
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object can't be concatenated",
                 Py_TYPE(s)->tp_name);
    return NULL;
}

static PyObject *
repeat_by_number(PyObject *o, Py_ssize_t count, bool inplace)
{
    PyNumberMethods *n = Py_TYPE(o)->tp_as_number;
    if (PySequence_Check(o) && n && (n->nb_multiply || (inplace && n->nb_inplace_multiply))) {
        NJ_OWN c = nj_int_from_i64(count);
        if (c == NULL) {
            return NULL;
        }
        PyObject *x = Py_NotImplemented;
        if (inplace && n->nb_inplace_multiply) {
            x = n->nb_inplace_multiply(o, c);
        }
        if (x == Py_NotImplemented && n->nb_multiply) {
            x = n->nb_multiply(o, c);
        }
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object can't be repeated", Py_TYPE(o)->tp_name);
    return NULL;
}

PyObject *
PySequence_Repeat(PyObject *o, Py_ssize_t count)
{
    if (o == NULL) {
        return null_argument();
    }
    PySequenceMethods *m = Py_TYPE(o)->tp_as_sequence;
    if (m && m->sq_repeat) {
        return m->sq_repeat(o, count);
    }
    return repeat_by_number(o, count, false);
}

PyObject *
PySequence_InPlaceConcat(PyObject *s, PyObject *o)
{
    if (s == NULL || o == NULL) {
        return null_argument();
    }
    PySequenceMethods *m = Py_TYPE(s)->tp_as_sequence;
    if (m && m->sq_inplace_concat) {
        return m->sq_inplace_concat(s, o);
    }
    if (m && m->sq_concat) {
        return m->sq_concat(s, o);
    }
    PyNumberMethods *n = Py_TYPE(s)->tp_as_number;
    if (PySequence_Check(s) && PySequence_Check(o) && n) {
        PyObject *x = Py_NotImplemented;
        if (n->nb_inplace_add) {
            x = n->nb_inplace_add(s, o);
        }
        if (x == Py_NotImplemented && n->nb_add) {
            x = n->nb_add(s, o);
        }
        if (x != Py_NotImplemented) {
            return x;
        }
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object can't be concatenated",
                 Py_TYPE(s)->tp_name);
    return NULL;
}

PyObject *
PySequence_InPlaceRepeat(PyObject *o, Py_ssize_t count)
{
    if (o == NULL) {
        return null_argument();
    }
    PySequenceMethods *m = Py_TYPE(o)->tp_as_sequence;
    if (m && m->sq_inplace_repeat) {
        return m->sq_inplace_repeat(o, count);
    }
    if (m && m->sq_repeat) {
        return m->sq_repeat(o, count);
    }
    return repeat_by_number(o, count, true);
}

/* Adds the length to a negative index. 0 or -1. */
static int
wrap_index(PyObject *s, PySequenceMethods *m, Py_ssize_t *i)
{
    if (*i < 0 && m->sq_length) {
        Py_ssize_t n = m->sq_length(s);
        if (n < 0) {
            return -1;
        }
        *i += n;
    }
    return 0;
}

PyObject *
PySequence_GetItem(PyObject *s, Py_ssize_t i)
{
    if (s == NULL) {
        return null_argument();
    }
    PySequenceMethods *m = Py_TYPE(s)->tp_as_sequence;
    if (m && m->sq_item) {
        if (wrap_index(s, m, &i) < 0) {
            return NULL;
        }
        return m->sq_item(s, i);
    }
    if (Py_TYPE(s)->tp_as_mapping && Py_TYPE(s)->tp_as_mapping->mp_subscript) {
        PyErr_Format(PyExc_TypeError, "%.200s is not a sequence", Py_TYPE(s)->tp_name);
    }
    else {
        PyErr_Format(PyExc_TypeError, "'%.200s' object does not support indexing",
                     Py_TYPE(s)->tp_name);
    }
    return NULL;
}

static int
assign_index(PyObject *s, Py_ssize_t i, PyObject *value, const char *refusal)
{
    PySequenceMethods *m = Py_TYPE(s)->tp_as_sequence;
    if (m && m->sq_ass_item) {
        if (wrap_index(s, m, &i) < 0) {
            return -1;
        }
        return m->sq_ass_item(s, i, value);
    }
    if (Py_TYPE(s)->tp_as_mapping && Py_TYPE(s)->tp_as_mapping->mp_ass_subscript) {
        PyErr_Format(PyExc_TypeError, "%.200s is not a sequence", Py_TYPE(s)->tp_name);
    }
    else {
        PyErr_Format(PyExc_TypeError, "'%.200s' object %s", Py_TYPE(s)->tp_name, refusal);
    }
    return -1;
}

int
PySequence_SetItem(PyObject *s, Py_ssize_t i, PyObject *value)
{
    if (s == NULL) {
        null_argument();
        return -1;
    }
    return assign_index(s, i, value, "does not support item assignment");
}

int
PySequence_DelItem(PyObject *s, Py_ssize_t i)
{
    if (s == NULL) {
        null_argument();
        return -1;
    }
    return assign_index(s, i, NULL, "doesn't support item deletion");
}

PyObject *
PySequence_GetSlice(PyObject *s, Py_ssize_t i1, Py_ssize_t i2)
{
    if (s == NULL) {
        return null_argument();
    }
    PyMappingMethods *m = Py_TYPE(s)->tp_as_mapping;
    if (m && m->mp_subscript) {
        NJ_OWN slice = _PySlice_FromIndices(i1, i2);
        return slice ? m->mp_subscript(s, slice) : NULL;
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object is unsliceable", Py_TYPE(s)->tp_name);
    return NULL;
}

static int
assign_slice(PyObject *s, Py_ssize_t i1, Py_ssize_t i2, PyObject *value, const char *what)
{
    PyMappingMethods *m = Py_TYPE(s)->tp_as_mapping;
    if (m && m->mp_ass_subscript) {
        NJ_OWN slice = _PySlice_FromIndices(i1, i2);
        return slice ? m->mp_ass_subscript(s, slice, value) : -1;
    }
    PyErr_Format(PyExc_TypeError, "'%.200s' object doesn't support slice %s",
                 Py_TYPE(s)->tp_name, what);
    return -1;
}

int
PySequence_SetSlice(PyObject *s, Py_ssize_t i1, Py_ssize_t i2, PyObject *value)
{
    if (s == NULL) {
        null_argument();
        return -1;
    }
    return assign_slice(s, i1, i2, value, "assignment");
}

int
PySequence_DelSlice(PyObject *s, Py_ssize_t i1, Py_ssize_t i2)
{
    if (s == NULL) {
        null_argument();
        return -1;
    }
    return assign_slice(s, i1, i2, NULL, "deletion");
}

PyObject *
PySequence_Tuple(PyObject *o)
{
    if (o == NULL) {
        return null_argument();
    }
    if (PyTuple_CheckExact(o)) {
        return Py_NewRef(o);
    }
    if (PyList_CheckExact(o)) {
        return PyList_AsTuple(o);
    }
    NJ_OWN it = PyObject_GetIter(o);
    if (it == NULL) {
        return NULL;
    }
    /* Collected on the stack first: the tuple is made once its size is known and no
     * half-filled tuple is ever visible. */
    PyObject *stack[32];
    PyObject **items = stack;
    Py_ssize_t n = 0, room = NJ_ARRAY_LEN(stack);
    PyObject *result = NULL;
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    while (true) {
        PyObject *item = next(it);
        if (item == NULL) {
            if (PyErr_Occurred()) {
                if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                    break;
                }
                PyErr_Clear();
            }
            result = PyTuple_New(n);
            if (result != NULL) {
                for (Py_ssize_t i = 0; i < n; i++) {
                    PyTuple_SET_ITEM(result, i, items[i]);
                }
                n = 0;
            }
            break;
        }
        if (n == room) {
            Py_ssize_t bigger = room * 2;
            PyObject **p = items == stack ? PyMem_Malloc((size_t)bigger * sizeof *p)
                                          : PyMem_Realloc(items, (size_t)bigger * sizeof *p);
            if (p == NULL) {
                Py_DECREF(item);
                PyErr_NoMemory();
                break;
            }
            if (items == stack) {
                memcpy(p, stack, sizeof stack);
            }
            items = p;
            room = bigger;
        }
        items[n++] = item;
    }
    while (n > 0) {
        Py_DECREF(items[--n]);
    }
    if (items != stack) {
        PyMem_Free(items);
    }
    return result;
}

PyObject *
PySequence_List(PyObject *o)
{
    if (o == NULL) {
        return null_argument();
    }
    NJ_OWN list = PyList_New(0);
    if (list == NULL || PyList_Extend(list, o) < 0) {
        return NULL;
    }
    return NJ_TAKE(list);
}

PyObject *
PySequence_Fast(PyObject *o, const char *message)
{
    if (o == NULL) {
        return null_argument();
    }
    if (PyList_CheckExact(o) || PyTuple_CheckExact(o)) {
        return Py_NewRef(o);
    }
    NJ_OWN it = PyObject_GetIter(o);
    if (it == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_SetString(PyExc_TypeError, message);
        }
        return NULL;
    }
    return PySequence_List(it);
}

enum { SEARCH_COUNT, SEARCH_INDEX, SEARCH_CONTAINS };

static Py_ssize_t
search(PyObject *seq, PyObject *obj, int what)
{
    if (seq == NULL || obj == NULL) {
        null_argument();
        return -1;
    }
    NJ_OWN it = PyObject_GetIter(seq);
    if (it == NULL) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError,
                         what == SEARCH_CONTAINS
                             ? "argument of type '%.200s' is not a container or iterable"
                             : "argument of type '%.200s' is not iterable",
                         Py_TYPE(seq)->tp_name);
        }
        return -1;
    }
    Py_ssize_t n = 0;
    bool wrapped = false;
    while (true) {
        NJ_OWN item = PyIter_Next(it);
        if (item == NULL) {
            if (PyErr_Occurred()) {
                return -1;
            }
            break;
        }
        int eq = PyObject_RichCompareBool(item, obj, Py_EQ);
        if (eq < 0) {
            return -1;
        }
        if (eq && what == SEARCH_CONTAINS) {
            return 1;
        }
        if (eq && what == SEARCH_INDEX) {
            if (wrapped) {
                PyErr_SetString(PyExc_OverflowError, "index exceeds C integer size");
                return -1;
            }
            return n;
        }
        if (what == SEARCH_INDEX || eq) {
            if (n == PY_SSIZE_T_MAX) {
                if (what == SEARCH_COUNT) {
                    PyErr_SetString(PyExc_OverflowError, "count exceeds C integer size");
                    return -1;
                }
                wrapped = true;
            }
            else {
                n++;
            }
        }
    }
    if (what == SEARCH_INDEX) {
        PyErr_SetString(PyExc_ValueError, "sequence.index(x): x not in sequence");
        return -1;
    }
    return what == SEARCH_COUNT ? n : 0;
}

Py_ssize_t
PySequence_Count(PyObject *s, PyObject *o)
{
    return search(s, o, SEARCH_COUNT);
}

Py_ssize_t
PySequence_Index(PyObject *s, PyObject *o)
{
    return search(s, o, SEARCH_INDEX);
}

int
PySequence_Contains(PyObject *seq, PyObject *ob)
{
    if (NJ_UNLIKELY(seq == NULL || ob == NULL)) {
        if (seq != NULL && PyObject_LengthHint(seq, 1) == 0) {
            return 0; /* nothing to compare NULL with */
        }
        null_argument();
        return -1;
    }
    PySequenceMethods *m = Py_TYPE(seq)->tp_as_sequence;
    if (NJ_LIKELY(m && m->sq_contains)) {
        return m->sq_contains(seq, ob);
    }
    return (int)search(seq, ob, SEARCH_CONTAINS);
}

#undef PySequence_In
PyAPI_FUNC(int) PySequence_In(PyObject *o, PyObject *value);
int
PySequence_In(PyObject *o, PyObject *value)
{
    return PySequence_Contains(o, value);
}

/* structseq.c - tuples with named fields, for C (time.struct_time, os.stat_result, ...)
 *
 * An instance is a tuple that may have more items in memory than it shows: the visible
 * ones count for len and iteration, all have names. The numbers are in the type's dict.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

const char *const PyStructSequence_UnnamedField = "unnamed field";

#define ITEM(o, i) (((PyTupleObject *)(o))->ob_item[i])

static Py_ssize_t
type_number(PyTypeObject *tp, PyObject *name)
{
    PyObject *v = nj_type_find(tp, name); /* subclasses inherit the numbers */
    if (v == NULL) {
        PyErr_Format(PyExc_TypeError, "Missed attribute '%U' of type %s", name,
                     tp->tp_name);
        return -1;
    }
    return PyLong_AsSsize_t(v);
}
#define VISIBLE(tp) type_number(tp, NJ_ID(n_sequence_fields))
#define ALL_FIELDS(tp) type_number(tp, NJ_ID(n_fields))
#define UNNAMED(tp) type_number(tp, NJ_ID(n_unnamed_fields))

PyObject *
PyStructSequence_New(PyTypeObject *type)
{
    Py_ssize_t size = ALL_FIELDS(type);
    Py_ssize_t visible = size < 0 ? -1 : VISIBLE(type);
    if (visible < 0) {
        return NULL;
    }
    /* tp_basicsize has the places of the hidden fields */
    PyTupleObject *obj = PyObject_GC_NewVar(PyTupleObject, type, visible);
    if (obj == NULL) {
        return NULL;
    }
    obj->ob_hash = -1;
    for (Py_ssize_t i = 0; i < size; i++) {
        obj->ob_item[i] = NULL;
    }
    return (PyObject *)obj;
}

void
PyStructSequence_SetItem(PyObject *op, Py_ssize_t i, NJ_STEALS PyObject *value)
{
    ITEM(op, i) = value;
}

PyObject *
PyStructSequence_GetItem(PyObject *op, Py_ssize_t i)
{
    return ITEM(op, i);
}

static int
structseq_traverse(PyObject *self, visitproc visit, void *arg)
{
    if (nj_type_is_heap(Py_TYPE(self))) {
        Py_VISIT(Py_TYPE(self));
    }
    Py_ssize_t n = ALL_FIELDS(Py_TYPE(self));
    if (n < 0) {
        PyErr_Clear();
        n = Py_SIZE(self);
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_VISIT(ITEM(self, i));
    }
    return 0;
}

static void
structseq_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *exc = PyErr_GetRaisedException();
    Py_ssize_t n = ALL_FIELDS(tp);
    if (n < 0) {
        PyErr_Clear();
        n = Py_SIZE(self);
    }
    PyErr_SetRaisedException(exc);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_XDECREF(ITEM(self, i));
    }
    PyObject_GC_Del(self);
    if (nj_type_is_heap(tp)) {
        Py_DECREF(tp);
    }
}

static PyObject *
make(PyTypeObject *type, PyObject *sequence, PyObject *dict)
{
    NJ_OWN arg = PySequence_Fast(sequence, "constructor requires a sequence");
    if (arg == NULL) {
        return NULL;
    }
    if (dict && !PyDict_Check(dict)) {
        PyErr_Format(PyExc_TypeError, "%.500s() takes a dict as second arg, if any",
                     type->tp_name);
        return NULL;
    }
    Py_ssize_t min = VISIBLE(type), max = ALL_FIELDS(type), unnamed = UNNAMED(type);
    if (min < 0 || max < 0 || unnamed < 0) {
        return NULL;
    }
    Py_ssize_t n = PySequence_Fast_GET_SIZE(arg);
    if (min != max) {
        if (n < min) {
            PyErr_Format(PyExc_TypeError,
                         "%.500s() takes an at least %zd-sequence (%zd-sequence given)",
                         type->tp_name, min, n);
            return NULL;
        }
        if (n > max) {
            PyErr_Format(PyExc_TypeError,
                         "%.500s() takes an at most %zd-sequence (%zd-sequence given)",
                         type->tp_name, max, n);
            return NULL;
        }
    }
    else if (n != min) {
        PyErr_Format(PyExc_TypeError, "%.500s() takes a %zd-sequence (%zd-sequence given)",
                     type->tp_name, min, n);
        return NULL;
    }
    NJ_OWN res = PyStructSequence_New(type);
    if (res == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        ITEM(res, i) = Py_NewRef(PySequence_Fast_GET_ITEM(arg, i));
    }
    Py_ssize_t used = 0;
    for (Py_ssize_t i = n; i < max; i++) {
        PyObject *value = NULL;
        if (dict) {
            const char *name = type->tp_members[i - unnamed].name;
            if (PyDict_GetItemStringRef(dict, name, &value) < 0) {
                return NULL;
            }
            used += value != NULL;
        }
        ITEM(res, i) = value ? value : Py_NewRef(Py_None);
    }
    if (dict && PyDict_GET_SIZE(dict) > used) {
        PyErr_Format(PyExc_TypeError, "%.500s() got duplicate or unexpected field name(s)",
                     type->tp_name);
        return NULL;
    }
    nj_gc_track(res);
    return NJ_TAKE(res);
}

static PyObject *
structseq_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"sequence", "dict", NULL};
    static const NjParams params = {"structseq", names, 2, 1, 0};
    PyObject *v[2] = {NULL};
    if (nj_args_bind_tuple(&params, args, kwds, v) < 0) {
        return NULL;
    }
    return make(type, v[0], v[1]);
}

static PyObject *
structseq_repr(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    NJ_OWN parts = PyList_New(0);
    for (Py_ssize_t i = 0; parts && i < Py_SIZE(self); i++) {
        const char *name = tp->tp_members[i].name;
        if (name == NULL) {
            PyErr_Format(PyExc_SystemError,
                         "In structseq_repr(), member %zd name is NULL for type %.500s",
                         i, tp->tp_name);
            return NULL;
        }
        NJ_OWN part = PyUnicode_FromFormat("%s=%R", name, ITEM(self, i));
        if (part == NULL || PyList_Append(parts, part) < 0) {
            return NULL;
        }
    }
    NJ_OWN sep = PyUnicode_FromString(", ");
    NJ_OWN text = sep && parts ? PyUnicode_Join(sep, parts) : NULL;
    return text ? PyUnicode_FromFormat("%s(%U)", tp->tp_name, text) : NULL;
}

static PyObject *
visible_tuple(PyObject *self)
{
    Py_ssize_t n = Py_SIZE(self);
    PyObject *t = PyTuple_New(n);
    for (Py_ssize_t i = 0; t && i < n; i++) {
        PyTuple_SET_ITEM(t, i, Py_NewRef(ITEM(self, i)));
    }
    return t;
}

static PyObject *
structseq_reduce(PyObject *self, PyObject *unused)
{
    PyTypeObject *tp = Py_TYPE(self);
    Py_ssize_t n = ALL_FIELDS(tp), visible = Py_SIZE(self), unnamed = UNNAMED(tp);
    if (n < 0 || unnamed < 0) {
        return NULL;
    }
    NJ_OWN tuple = visible_tuple(self);
    NJ_OWN dict = PyDict_New();
    if (tuple == NULL || dict == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = visible; i < n; i++) {
        const char *name = tp->tp_members[i - unnamed].name;
        if (PyDict_SetItemString(dict, name, ITEM(self, i)) < 0) {
            return NULL;
        }
    }
    return Py_BuildValue("(O(OO))", tp, tuple, dict);
}

static PyObject *
structseq_replace(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (!_PyArg_NoPositional("__replace__", args)) {
        return NULL;
    }
    PyTypeObject *tp = Py_TYPE(self);
    Py_ssize_t n = ALL_FIELDS(tp), unnamed = UNNAMED(tp);
    if (n < 0 || unnamed < 0) {
        return NULL;
    }
    if (unnamed > 0) {
        PyErr_Format(PyExc_TypeError,
                     "__replace__() is not supported for %.500s because it has unnamed "
                     "field(s)",
                     tp->tp_name);
        return NULL;
    }
    NJ_OWN res = PyStructSequence_New(tp);
    NJ_OWN left = kwargs ? PyDict_Copy(kwargs) : PyDict_New();
    if (res == NULL || left == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *value = NULL;
        if (PyDict_PopString(left, tp->tp_members[i].name, &value) < 0) {
            return NULL;
        }
        ITEM(res, i) = value ? value : Py_NewRef(ITEM(self, i));
    }
    nj_gc_track(res);
    if (PyDict_GET_SIZE(left) > 0) {
        NJ_OWN names = PyDict_Keys(left);
        if (names) {
            PyErr_Format(PyExc_TypeError, "Got unexpected field name(s): %R", names);
        }
        return NULL;
    }
    return NJ_TAKE(res);
}

static PyMethodDef structseq_methods[] = {
    {"__reduce__", structseq_reduce, METH_NOARGS, "__reduce__($self, /)\n--\n\n"},
    {"__replace__", (PyCFunction)(void (*)(void))structseq_replace,
     METH_VARARGS | METH_KEYWORDS,
     "__replace__($self, /, **changes)\n--\n\n"
     "Return a copy of the structure with new values for the specified fields."},
    {0},
};

/* ======================================================================================
 * Types
 * ====================================================================================== */

static Py_ssize_t
count_members(PyStructSequence_Desc *desc, Py_ssize_t *unnamed)
{
    Py_ssize_t n = 0;
    *unnamed = 0;
    for (; desc->fields[n].name; n++) {
        *unnamed += desc->fields[n].name == PyStructSequence_UnnamedField;
    }
    return n;
}

static int
set_numbers(PyStructSequence_Desc *desc, PyObject *dict, Py_ssize_t n,
            Py_ssize_t unnamed)
{
    const struct {
        PyObject *name;
        Py_ssize_t value;
    } numbers[] = {
        {NJ_ID(n_sequence_fields), desc->n_in_sequence},
        {NJ_ID(n_fields), n},
        {NJ_ID(n_unnamed_fields), unnamed},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(numbers); i++) {
        NJ_OWN v = PyLong_FromSsize_t(numbers[i].value);
        if (v == NULL || PyDict_SetItem(dict, numbers[i].name, v) < 0) {
            return -1;
        }
    }
    NJ_OWN keys = PyTuple_New(desc->n_in_sequence - 0);
    if (keys == NULL) {
        return -1;
    }
    Py_ssize_t k = 0;
    for (Py_ssize_t i = 0; i < desc->n_in_sequence; i++) {
        if (desc->fields[i].name == PyStructSequence_UnnamedField) {
            continue;
        }
        PyObject *s = PyUnicode_FromString(desc->fields[i].name);
        if (s == NULL) {
            return -1;
        }
        PyTuple_SET_ITEM(keys, k++, s);
    }
    if (k < desc->n_in_sequence) {
        NJ_OWN cut = PyTuple_GetSlice(keys, 0, k);
        return cut ? PyDict_SetItem(dict, NJ_ID(__match_args__), cut) : -1;
    }
    return PyDict_SetItem(dict, NJ_ID(__match_args__), keys);
}

static PyMemberDef *
make_members(PyStructSequence_Desc *desc, Py_ssize_t n, Py_ssize_t unnamed)
{
    PyMemberDef *members = PyMem_Calloc((size_t)(n - unnamed + 1), sizeof(PyMemberDef));
    if (members == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    Py_ssize_t k = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        if (desc->fields[i].name == PyStructSequence_UnnamedField) {
            continue;
        }
        members[k].name = desc->fields[i].name;
        members[k].type = _Py_T_OBJECT;
        members[k].offset = (Py_ssize_t)offsetof(PyTupleObject, ob_item) +
                            i * (Py_ssize_t)sizeof(PyObject *);
        members[k].flags = Py_READONLY;
        members[k].doc = desc->fields[i].doc;
        k++;
    }
    return members;
}

/* Size of an instance without the visible items. */
static Py_ssize_t
basic_size(const PyStructSequence_Desc *desc, Py_ssize_t n)
{
    return (Py_ssize_t)offsetof(PyTupleObject, ob_item) +
           (n - desc->n_in_sequence) * (Py_ssize_t)sizeof(PyObject *);
}

int
PyStructSequence_InitType2(PyTypeObject *type, PyStructSequence_Desc *desc)
{
    if (type->tp_flags & Py_TPFLAGS_READY) {
        return 0;
    }
    Py_ssize_t unnamed;
    Py_ssize_t n = count_members(desc, &unnamed);
    PyMemberDef *members = make_members(desc, n, unnamed); /* kept by the type */
    if (members == NULL) {
        return -1;
    }
    type->tp_name = desc->name;
    type->tp_basicsize = basic_size(desc, n);
    type->tp_itemsize = sizeof(PyObject *);
    type->tp_dealloc = structseq_dealloc;
    type->tp_repr = structseq_repr;
    type->tp_doc = desc->doc;
    type->tp_base = &PyTuple_Type;
    type->tp_methods = structseq_methods;
    type->tp_new = structseq_new;
    type->tp_flags |= Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC;
    type->tp_traverse = structseq_traverse;
    type->tp_members = members;
    if (PyType_Ready(type) < 0) {
        return -1;
    }
    return set_numbers(desc, type->tp_dict, n, unnamed);
}

void
PyStructSequence_InitType(PyTypeObject *type, PyStructSequence_Desc *desc)
{
    (void)PyStructSequence_InitType2(type, desc);
}

PyTypeObject *
PyStructSequence_NewType(PyStructSequence_Desc *desc)
{
    Py_ssize_t unnamed;
    Py_ssize_t n = count_members(desc, &unnamed);
    NJ_OWN_MEM(PyMemberDef) members = make_members(desc, n, unnamed);
    if (members == NULL) {
        return NULL;
    }
    PyType_Slot slots[] = {
        {Py_tp_dealloc, structseq_dealloc},
        {Py_tp_repr, structseq_repr},
        {Py_tp_doc, (void *)desc->doc},
        {Py_tp_methods, structseq_methods},
        {Py_tp_new, structseq_new},
        {Py_tp_members, members},
        {Py_tp_traverse, structseq_traverse},
        {0, NULL},
    };
    if (desc->doc == NULL) {
        slots[2].slot = Py_tp_methods;
        slots[2].pfunc = structseq_methods;
    }
    PyType_Spec spec = {
        .name = desc->name,
        .basicsize = (int)basic_size(desc, n),
        .itemsize = sizeof(PyObject *),
        .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
        .slots = slots,
    };
    PyObject *type = PyType_FromSpecWithBases(&spec, (PyObject *)&PyTuple_Type);
    if (type == NULL) {
        return NULL;
    }
    if (set_numbers(desc, ((PyTypeObject *)type)->tp_dict, n, unnamed) < 0) {
        Py_DECREF(type);
        return NULL;
    }
    PyType_Modified((PyTypeObject *)type);
    return (PyTypeObject *)type;
}

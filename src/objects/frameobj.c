/* frameobj.c - frames as Python sees them, and the write-through view of their locals.
 *
 * A frame object looks at a record (vm/frame.h) that lives on the data stack, in a
 * generator, or, after the frame has ended, inside the frame object itself. Attributes
 * are read through f_frame. f_locals of a function is a FrameLocalsProxy (PEP 667): reads
 * and writes go to the fast locals at once; names that are no locals of the function live
 * in f_extra_locals. A value that a write replaces may still be borrowed by the frame's
 * evaluation stack, or by a callee's: it is kept in f_overwritten_fast_locals until the
 * frame object goes.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <frameobject.h>

#include "capi/args.h"
#include "objects/gen_int.h"
#include "vm/vm_int.h"

#define KIND_HIDDEN 0x10
#define KIND_LOCAL 0x20
#define KIND_CELL 0x40
#define KIND_FREE 0x80

static PyFrameObject *
as_frame(PyObject *o)
{
    return (PyFrameObject *)o;
}

static int
local_kind(PyCodeObject *co, int i)
{
    return (uint8_t)PyBytes_AS_STRING(co->co_localspluskinds)[i];
}

static bool
is_function_frame(NjFrame *f)
{
    return (nj_frame_peek_code(f)->co_flags & CO_OPTIMIZED) != 0;
}

/* The frame's cells are in place once its prologue has run. */
static bool
cells_made(NjFrame *f)
{
    PyCodeObject *co = nj_frame_peek_code(f);
    return f->owner == NJ_FRAME_OWNED_BY_GENERATOR ||
           f->instr_ptr >= nj_code_units(co) + co->_co_firsttraceable;
}

/* The cell of slot i, or NULL if the slot holds a plain value. Borrowed. */
static PyCellObject *
slot_cell(NjFrame *f, int i)
{
    PyCodeObject *co = nj_frame_peek_code(f);
    int kind = local_kind(co, i);
    Value v = f->localsplus[i];
    if (kind & KIND_FREE) {
        if (!nj_value_is_null(v)) {
            return (PyCellObject *)nj_value_ptr(v);
        }
        PyObject *func = nj_value_is_null(f->f_funcobj) ? NULL : nj_value_ptr(f->f_funcobj);
        if (cells_made(f) || func == NULL || ((PyFunctionObject *)func)->func_closure == NULL) {
            return NULL;
        }
        return (PyCellObject *)PyTuple_GET_ITEM(((PyFunctionObject *)func)->func_closure,
                                                i - (co->co_nlocalsplus - co->co_nfreevars));
    }
    if ((kind & KIND_CELL) && !nj_value_is_null(v) && !nj_value_is_int(v) &&
        PyCell_Check(nj_value_ptr(v)) && cells_made(f)) {
        return (PyCellObject *)nj_value_ptr(v);
    }
    return NULL;
}

int
nj_frame_get_local(NjFrame *f, int i, PyObject **out)
{
    *out = NULL;
    PyCellObject *cell = slot_cell(f, i);
    if (cell != NULL) {
        *out = Py_XNewRef(cell->ob_ref);
        return *out != NULL;
    }
    Value v = f->localsplus[i];
    if (nj_value_is_null(v) || (local_kind(nj_frame_peek_code(f), i) & KIND_FREE)) {
        return 0;
    }
    if (nj_value_is_int(v)) {
        PyObject *o = PyLong_FromSsize_t(nj_value_int(v));
        if (o == NULL) {
            return -1;
        }
        f->localsplus[i] = nj_value_steal(o);
        *out = Py_NewRef(o);
        return 1;
    }
    *out = Py_NewRef(nj_value_ptr(v));
    return 1;
}

/* Are f_locals the fast locals? In a function; and in a module or class while an inlined
 * comprehension runs, whose variables are hidden fast locals: then nothing else shows. */
static bool
shows_fast_locals(NjFrame *f)
{
    if (is_function_frame(f)) {
        return true;
    }
    PyCodeObject *co = nj_frame_peek_code(f);
    for (int i = 0; i < co->co_nlocalsplus; i++) {
        if ((local_kind(co, i) & KIND_HIDDEN) && !nj_value_is_null(f->localsplus[i])) {
            return true;
        }
    }
    return false;
}

/* ---- FrameLocalsProxy ---- */

static NjFrame *
proxy_record(PyObject *o)
{
    return ((PyFrameLocalsProxyObject *)o)->frame->f_frame;
}

/* Slot of a name: index, -1 not a local (or, with bound, an unbound one), -2 error. */
static int
proxy_slot(PyObject *o, PyObject *key, bool bound)
{
    NjFrame *f = proxy_record(o);
    PyCodeObject *co = nj_frame_peek_code(f);
    bool exact = PyUnicode_CheckExact(key);
    Py_hash_t hash = PyObject_Hash(key);
    if (hash == -1) {
        return -2;
    }
    /* a comprehension's variable may have the name of a free one: the bound slot counts */
    int unbound = -1;
    for (int pass = exact ? 0 : 1; pass < 2; pass++) {
        for (int i = 0; i < co->co_nlocalsplus; i++) {
            PyObject *name = PyTuple_GET_ITEM(co->co_localsplusnames, i);
            if (pass == 0) {
                if (name != key) {
                    continue;
                }
            }
            else {
                /* anything that hashes and compares like the name will do */
                if (PyObject_Hash(name) != hash) {
                    continue;
                }
                int eq = exact ? PyUnicode_Equal(name, key)
                               : PyObject_RichCompareBool(name, key, Py_EQ);
                if (eq < 0) {
                    return -2;
                }
                if (eq == 0) {
                    continue;
                }
            }
            PyCellObject *cell = slot_cell(f, i);
            if (cell ? cell->ob_ref == NULL : nj_value_is_null(f->localsplus[i])) {
                unbound = unbound < 0 ? i : unbound;
                continue;
            }
            return i;
        }
    }
    return bound ? -1 : unbound;
}

PyObject *
nj_frame_locals_proxy(PyFrameObject *fo)
{
    PyFrameLocalsProxyObject *p =
        PyObject_GC_New(PyFrameLocalsProxyObject, &PyFrameLocalsProxy_Type);
    if (p == NULL) {
        return NULL;
    }
    p->frame = (PyFrameObject *)Py_NewRef(fo);
    nj_gc_track((PyObject *)p);
    return (PyObject *)p;
}

/* Keeps a replaced value alive as long as the frame object. 0 / -1. */
static int
keep_overwritten(PyFrameObject *fo, PyObject *old)
{
    PyObject *kept = fo->f_overwritten_fast_locals;
    Py_ssize_t n = kept ? PyTuple_GET_SIZE(kept) : 0;
    PyObject *t = PyTuple_New(n + 1);
    if (t == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(t, i, Py_NewRef(PyTuple_GET_ITEM(kept, i)));
    }
    PyTuple_SET_ITEM(t, n, old);
    Py_XSETREF(fo->f_overwritten_fast_locals, t);
    return 0;
}

static int
proxy_setitem(PyObject *o, PyObject *key, PyObject *value)
{
    PyFrameObject *fo = ((PyFrameLocalsProxyObject *)o)->frame;
    NjFrame *f = fo->f_frame;
    int i = proxy_slot(o, key, false);
    if (i == -2) {
        return -1;
    }
    if (i >= 0) {
        if (value == NULL) {
            PyErr_SetString(PyExc_ValueError,
                            "cannot remove local variables from FrameLocalsProxy");
            return -1;
        }
        PyCellObject *cell = slot_cell(f, i);
        if (cell != NULL) {
            Py_XSETREF(cell->ob_ref, Py_NewRef(value));
            return 0;
        }
        Value old = f->localsplus[i];
        if (!nj_value_is_int(old) && !nj_value_is_null(old) &&
            nj_value_ptr(old) == value) {
            return 0;
        }
        f->localsplus[i] = nj_value_new(value);
        if (nj_value_is_owned(old) && old.bits != 0) {
            return keep_overwritten(fo, nj_value_ptr(old));
        }
        return 0;
    }
    if (fo->f_extra_locals == NULL) {
        if (value == NULL) {
            PyErr_SetObject(PyExc_KeyError, key);
            return -1;
        }
        fo->f_extra_locals = PyDict_New();
        if (fo->f_extra_locals == NULL) {
            return -1;
        }
    }
    return value == NULL ? PyDict_DelItem(fo->f_extra_locals, key)
                         : PyDict_SetItem(fo->f_extra_locals, key, value);
}

/* 1, 0, -1 */
static int
proxy_find(PyObject *o, PyObject *key, PyObject **out)
{
    PyFrameObject *fo = ((PyFrameLocalsProxyObject *)o)->frame;
    *out = NULL;
    int i = proxy_slot(o, key, true);
    if (i == -2) {
        return -1;
    }
    if (i >= 0) {
        return nj_frame_get_local(fo->f_frame, i, out);
    }
    if (fo->f_extra_locals != NULL) {
        return PyDict_GetItemRef(fo->f_extra_locals, key, out);
    }
    return 0;
}

static PyObject *
proxy_getitem(PyObject *o, PyObject *key)
{
    PyObject *v;
    int t = proxy_find(o, key, &v);
    if (t == 0) {
        PyErr_Format(PyExc_KeyError, "local variable '%R' is not defined", key);
    }
    return v;
}

/* what: 0 keys, 1 values, 2 items */
static PyObject *
proxy_list(PyObject *o, int what)
{
    PyFrameObject *fo = ((PyFrameLocalsProxyObject *)o)->frame;
    NjFrame *f = fo->f_frame;
    PyCodeObject *co = nj_frame_peek_code(f);
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return NULL;
    }
    for (int i = 0; i < co->co_nlocalsplus; i++) {
        PyObject *found;
        int t = nj_frame_get_local(f, i, &found);
        if (t < 0) {
            return NULL;
        }
        if (t == 0) {
            continue;
        }
        NJ_OWN value = found;
        PyObject *name = PyTuple_GET_ITEM(co->co_localsplusnames, i);
        NJ_OWN item = what == 0   ? Py_NewRef(name)
                      : what == 1 ? Py_NewRef(value)
                                  : PyTuple_Pack(2, name, value);
        if (item == NULL || PyList_Append(list, item) < 0) {
            return NULL;
        }
    }
    if (fo->f_extra_locals != NULL) {
        NJ_OWN more = what == 0   ? PyDict_Keys(fo->f_extra_locals)
                      : what == 1 ? PyDict_Values(fo->f_extra_locals)
                                  : PyDict_Items(fo->f_extra_locals);
        if (more == NULL || PyList_Extend(list, more) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
proxy_keys(PyObject *o, PyObject *unused)
{
    return proxy_list(o, 0);
}

static PyObject *
proxy_values(PyObject *o, PyObject *unused)
{
    return proxy_list(o, 1);
}

static PyObject *
proxy_items(PyObject *o, PyObject *unused)
{
    return proxy_list(o, 2);
}

static Py_ssize_t
proxy_length(PyObject *o)
{
    NJ_OWN keys = proxy_list(o, 0);
    return keys ? PyList_GET_SIZE(keys) : -1;
}

static PyObject *
proxy_iter(PyObject *o)
{
    NJ_OWN keys = proxy_list(o, 0);
    return keys ? PyObject_GetIter(keys) : NULL;
}

static PyObject *
proxy_reversed(PyObject *o, PyObject *unused)
{
    NJ_OWN keys = proxy_list(o, 0);
    if (keys == NULL || PyList_Reverse(keys) < 0) {
        return NULL;
    }
    return NJ_TAKE(keys);
}

static PyObject *
proxy_to_dict(PyObject *o)
{
    NJ_OWN items = proxy_list(o, 2);
    NJ_OWN d = PyDict_New();
    if (items == NULL || d == NULL || PyDict_MergeFromSeq2(d, items, 1) < 0) {
        return NULL;
    }
    return NJ_TAKE(d);
}

static PyObject *
proxy_copy(PyObject *o, PyObject *unused)
{
    return proxy_to_dict(o);
}

static int
proxy_contains(PyObject *o, PyObject *key)
{
    PyObject *v;
    int t = proxy_find(o, key, &v);
    Py_XDECREF(v);
    return t;
}

static PyObject *
proxy_contains_method(PyObject *o, PyObject *key)
{
    int t = proxy_contains(o, key);
    return t < 0 ? NULL : PyBool_FromLong(t);
}

static PyObject *
proxy_repr(PyObject *o)
{
    int t = Py_ReprEnter(o);
    if (t != 0) {
        return t > 0 ? PyUnicode_FromString("{...}") : NULL;
    }
    NJ_OWN d = proxy_to_dict(o);
    PyObject *r = d ? PyObject_Repr(d) : NULL;
    Py_ReprLeave(o);
    return r;
}

static PyObject *
proxy_richcompare(PyObject *o, PyObject *other, int op)
{
    bool same;
    if (PyFrameLocalsProxy_Check(other)) {
        same = ((PyFrameLocalsProxyObject *)o)->frame ==
               ((PyFrameLocalsProxyObject *)other)->frame;
        if (op == Py_EQ || op == Py_NE) {
            return PyBool_FromLong(same == (op == Py_EQ));
        }
    }
    else if (PyDict_Check(other)) {
        NJ_OWN d = proxy_to_dict(o);
        return d ? PyObject_RichCompare(d, other, op) : NULL;
    }
    Py_RETURN_NOTIMPLEMENTED;
}

/* 0 merged, -1 error, 1 other is of the wrong kind */
static int
proxy_merge(PyObject *o, PyObject *other)
{
    if (!PyDict_Check(other) && !PyFrameLocalsProxy_Check(other)) {
        return 1;
    }
    NJ_OWN keys = PyMapping_Keys(other);
    if (keys == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys); i++) {
        PyObject *key = PyList_GET_ITEM(keys, i);
        NJ_OWN v = PyObject_GetItem(other, key);
        if (v == NULL || proxy_setitem(o, key, v) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
proxy_update(PyObject *o, PyObject *other)
{
    int t = proxy_merge(o, other);
    if (t > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "update() argument must be dict or another FrameLocalsProxy");
    }
    return t == 0 ? Py_NewRef(Py_None) : NULL;
}

static PyObject *
proxy_get_args(PyObject *o, PyObject *const *args, Py_ssize_t nargs, const char *name,
               PyObject **key, PyObject **dflt)
{
    if (nargs < 1 || nargs > 2) {
        PyErr_Format(PyExc_TypeError, "%s expected 1 or 2 arguments", name);
        return NULL;
    }
    *key = args[0];
    *dflt = nargs > 1 ? args[1] : Py_None;
    return *key;
}

static PyObject *
proxy_get(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *key, *dflt, *v;
    if (!proxy_get_args(o, args, nargs, "get", &key, &dflt)) {
        return NULL;
    }
    int t = proxy_find(o, key, &v);
    return t < 0 ? NULL : t ? v : Py_NewRef(dflt);
}

static PyObject *
proxy_setdefault(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *key, *dflt, *v;
    if (!proxy_get_args(o, args, nargs, "setdefault", &key, &dflt)) {
        return NULL;
    }
    int t = proxy_find(o, key, &v);
    if (t != 0) {
        return v;
    }
    return proxy_setitem(o, key, dflt) < 0 ? NULL : Py_NewRef(dflt);
}

static PyObject *
proxy_pop(PyObject *o, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("pop", nargs, 1, 2)) {
        return NULL;
    }
    PyObject *key = args[0];
    int i = proxy_slot(o, key, false);
    if (i == -2) {
        return NULL;
    }
    if (i >= 0) {
        PyErr_SetString(PyExc_ValueError,
                        "cannot remove local variables from FrameLocalsProxy");
        return NULL;
    }
    PyFrameObject *fo = ((PyFrameLocalsProxyObject *)o)->frame;
    PyObject *v = NULL;
    if (fo->f_extra_locals != NULL && PyDict_Pop(fo->f_extra_locals, key, &v) < 0) {
        return NULL;
    }
    if (v == NULL) {
        if (nargs > 1) {
            return Py_NewRef(args[1]);
        }
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return v;
}

static PyObject *
proxy_or(PyObject *a, PyObject *b)
{
    if ((!PyDict_Check(a) && !PyFrameLocalsProxy_Check(a)) ||
        (!PyDict_Check(b) && !PyFrameLocalsProxy_Check(b))) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN d = PyDict_New();
    if (d == NULL || PyDict_Update(d, a) < 0 || PyDict_Update(d, b) < 0) {
        return NULL;
    }
    return NJ_TAKE(d);
}

static PyObject *
proxy_inplace_or(PyObject *o, PyObject *other)
{
    int t = proxy_merge(o, other);
    if (t > 0) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    return t < 0 ? NULL : Py_NewRef(o);
}

static PyObject *
proxy_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) != 1) {
        PyErr_Format(PyExc_TypeError, "FrameLocalsProxy expected 1 argument, got %zd",
                     PyTuple_GET_SIZE(args));
        return NULL;
    }
    PyObject *frame = PyTuple_GET_ITEM(args, 0);
    if (!PyFrame_Check(frame)) {
        PyErr_Format(PyExc_TypeError, "expect frame, not %T", frame);
        return NULL;
    }
    if (kwargs != NULL && PyDict_Size(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "FrameLocalsProxy takes no keyword arguments");
        return NULL;
    }
    return nj_frame_locals_proxy(as_frame(frame));
}

static void
proxy_dealloc(PyObject *o)
{
    nj_gc_untrack(o);
    Py_CLEAR(((PyFrameLocalsProxyObject *)o)->frame);
    PyObject_GC_Del(o);
}

static int
proxy_traverse(PyObject *o, visitproc visit, void *arg)
{
    Py_VISIT(((PyFrameLocalsProxyObject *)o)->frame);
    return 0;
}

static int
proxy_clear(PyObject *o)
{
    Py_CLEAR(((PyFrameLocalsProxyObject *)o)->frame);
    return 0;
}

static PyNumberMethods proxy_as_number = {
    .nb_or = proxy_or,
    .nb_inplace_or = proxy_inplace_or,
};
static PySequenceMethods proxy_as_sequence = {
    .sq_contains = proxy_contains,
};
static PyMappingMethods proxy_as_mapping = {
    .mp_length = proxy_length,
    .mp_subscript = proxy_getitem,
    .mp_ass_subscript = proxy_setitem,
};
static PyMethodDef proxy_methods[] = {
    {"__contains__", proxy_contains_method, METH_O | METH_COEXIST,
     "__contains__($self, object, /)\n--\n\nIs the name bound?"},
    {"__getitem__", proxy_getitem, METH_O | METH_COEXIST,
     "__getitem__($self, object, /)\n--\n\nValue of a name."},
    {"update", proxy_update, METH_O,
     "update($self, object, /)\n--\n\nStore all items of a mapping."},
    {"__reversed__", proxy_reversed, METH_NOARGS,
     "__reversed__($self, /)\n--\n\nNames in reverse order."},
    {"copy", proxy_copy, METH_NOARGS, "copy($self, /)\n--\n\nA dict with the same items."},
    {"keys", proxy_keys, METH_NOARGS, "keys($self, /)\n--\n\nThe names."},
    {"values", proxy_values, METH_NOARGS, "values($self, /)\n--\n\nThe values."},
    {"items", proxy_items, METH_NOARGS, "items($self, /)\n--\n\nPairs of name and value."},
    {"get", (PyCFunction)(void (*)(void))proxy_get, METH_FASTCALL, NULL},
    {"pop", (PyCFunction)(void (*)(void))proxy_pop, METH_FASTCALL, NULL},
    {"setdefault", (PyCFunction)(void (*)(void))proxy_setdefault, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyFrameLocalsProxy_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "FrameLocalsProxy",
    .tp_basicsize = sizeof(PyFrameLocalsProxyObject),
    .tp_dealloc = proxy_dealloc,
    .tp_repr = proxy_repr,
    .tp_as_number = &proxy_as_number,
    .tp_as_sequence = &proxy_as_sequence,
    .tp_as_mapping = &proxy_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_setattro = PyObject_GenericSetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MAPPING,
    .tp_traverse = proxy_traverse,
    .tp_clear = proxy_clear,
    .tp_richcompare = proxy_richcompare,
    .tp_iter = proxy_iter,
    .tp_methods = proxy_methods,
    .tp_new = proxy_new,
};

/* The mapping of local names of a frame that has no fast ones to show. New reference. */
static PyObject *
dict_of_locals(NjFrame *f)
{
    if (f->f_locals == NULL) {
        f->f_locals = PyDict_New();
    }
    return Py_XNewRef(f->f_locals);
}

PyObject *
nj_frame_locals(NjFrame *f)
{
    if (!shows_fast_locals(f)) {
        return dict_of_locals(f);
    }
    PyFrameObject *fo = nj_frame_peek_object(f);
    return fo ? nj_frame_locals_proxy(fo) : NULL;
}

/* ---- frame ---- */

static PyObject *
frame_get_locals(PyObject *o, void *closure)
{
    /* a frame that has ended does not know its object */
    NjFrame *f = as_frame(o)->f_frame;
    return shows_fast_locals(f) ? nj_frame_locals_proxy(as_frame(o)) : dict_of_locals(f);
}

int
PyFrame_GetLineNumber(PyFrameObject *fo)
{
    if (fo->f_lineno == -1) {
        return -1;
    }
    return fo->f_lineno ? fo->f_lineno : nj_frame_line(fo->f_frame);
}

static PyObject *
frame_get_lineno(PyObject *o, void *closure)
{
    int line = PyFrame_GetLineNumber(as_frame(o));
    return line < 0 ? Py_NewRef(Py_None) : PyLong_FromLong(line);
}

static PyObject *
frame_get_lasti(PyObject *o, void *closure)
{
    int lasti = nj_frame_lasti(as_frame(o)->f_frame);
    return PyLong_FromLong(lasti < 0 ? -1 : lasti);
}

static PyObject *
frame_get_globals(PyObject *o, void *closure)
{
    PyObject *v = as_frame(o)->f_frame->f_globals;
    return Py_NewRef(v ? v : Py_None);
}

static PyObject *
frame_get_builtins(PyObject *o, void *closure)
{
    PyObject *v = as_frame(o)->f_frame->f_builtins;
    return Py_NewRef(v ? v : Py_None);
}

static PyObject *
frame_get_code(PyObject *o, void *closure)
{
    if (PySys_Audit("object.__getattr__", "Os", o, "f_code") < 0) {
        return NULL;
    }
    return (PyObject *)PyFrame_GetCode(as_frame(o));
}

static PyObject *
frame_get_back(PyObject *o, void *closure)
{
    PyFrameObject *back = PyFrame_GetBack(as_frame(o));
    if (back == NULL) {
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
    }
    return (PyObject *)back;
}

static PyObject *
frame_get_trace(PyObject *o, void *closure)
{
    PyObject *v = as_frame(o)->f_trace;
    return Py_NewRef(v ? v : Py_None);
}

static int
frame_set_trace(PyObject *o, PyObject *v, void *closure)
{
    PyFrameObject *fo = as_frame(o);
    if (v == Py_None) {
        v = NULL;
    }
    Py_XSETREF(fo->f_trace, Py_XNewRef(v));
    return fo->f_trace_opcodes ? nj_trace_opcodes(nj_tstate()) : 0;
}

static PyObject *
frame_get_trace_opcodes(PyObject *o, void *closure)
{
    return PyBool_FromLong(as_frame(o)->f_trace_opcodes);
}

static int
frame_set_trace_opcodes(PyObject *o, PyObject *v, void *closure)
{
    PyFrameObject *fo = as_frame(o);
    if (v == NULL) {
        PyErr_SetString(PyExc_AttributeError,
                        "attribute 'f_trace_opcodes' of 'frame' objects cannot be deleted");
        return -1;
    }
    if (!PyBool_Check(v)) {
        PyErr_SetString(PyExc_TypeError, "attribute value type must be bool");
        return -1;
    }
    fo->f_trace_opcodes = v == Py_True;
    return fo->f_trace_opcodes ? nj_trace_opcodes(nj_tstate()) : 0;
}

static PyObject *
frame_get_generator(PyObject *o, void *closure)
{
    NjFrame *f = as_frame(o)->f_frame;
    if (f->owner == NJ_FRAME_OWNED_BY_GENERATOR) {
        return Py_NewRef((PyObject *)nj_frame_peek_gen(f));
    }
    Py_RETURN_NONE;
}

static int
frame_set_lineno(PyObject *o, PyObject *v, void *closure)
{
    return nj_frame_jump(as_frame(o), v);
}

static PyObject *
frame_clear(PyObject *o, PyObject *unused)
{
    PyFrameObject *fo = as_frame(o);
    NjFrame *f = fo->f_frame;
    if (f->owner == NJ_FRAME_OWNED_BY_GENERATOR) {
        struct _PyGenObject *g = nj_frame_peek_gen(f);
        if (g->gi_frame_state == NJ_GEN_EXECUTING) {
            goto running;
        }
        if (g->gi_frame_state < NJ_GEN_EXECUTING && g->gi_frame_state != NJ_GEN_CREATED) {
            PyErr_SetString(PyExc_RuntimeError, "cannot clear a suspended frame");
            return NULL;
        }
        PyObject *keep = Py_NewRef((PyObject *)g);
        nj_gen_finalize(keep); /* warns about a coroutine that was never awaited */
        Py_DECREF(keep);
        Py_RETURN_NONE;
    }
    if (f->owner == NJ_FRAME_OWNED_BY_THREAD) {
        goto running;
    }
    Py_TYPE(o)->tp_clear(o);
    Py_RETURN_NONE;
running:
    PyErr_SetString(PyExc_RuntimeError, "cannot clear an executing frame");
    return NULL;
}

static PyObject *
frame_sizeof(PyObject *o, PyObject *unused)
{
    Py_ssize_t n = offsetof(PyFrameObject, _f_frame_data) +
                   NJ_FRAME_WORDS * (Py_ssize_t)sizeof(Value);
    PyCodeObject *co = nj_frame_peek_code(as_frame(o)->f_frame);
    n += (co->co_nlocalsplus + co->co_stacksize) * (Py_ssize_t)sizeof(Value);
    return PyLong_FromSsize_t(n);
}

static PyObject *
frame_repr(PyObject *o)
{
    PyFrameObject *fo = as_frame(o);
    int line = PyFrame_GetLineNumber(fo);
    PyCodeObject *co = nj_frame_peek_code(fo->f_frame);
    return PyUnicode_FromFormat("<frame at %p, file %R, line %d, code %S>", o,
                                co->co_filename, line, co->co_name);
}

static int
frame_tp_clear(PyObject *o)
{
    PyFrameObject *fo = as_frame(o);
    Py_CLEAR(fo->f_trace);
    Py_CLEAR(fo->f_extra_locals);
    Py_CLEAR(fo->f_locals_cache);
    Py_CLEAR(fo->f_overwritten_fast_locals);
    NjFrame *f = fo->f_frame;
    if (f == (NjFrame *)fo->_f_frame_data &&
        f->owner == NJ_FRAME_OWNED_BY_FRAME_OBJECT) {
        Value *p = f->localsplus, *end = f->stackpointer;
        f->stackpointer = nj_frame_stack_base(f);
        for (; p < end; p++) {
            Value v = *p;
            *p = NJ_VALUE_NULL;
            nj_value_xclose(v);
        }
        Py_CLEAR(f->f_locals);
    }
    return 0;
}

static void
frame_dealloc(PyObject *o)
{
    PyFrameObject *fo = as_frame(o);
    NjFrame *f = fo->f_frame;
    if (nj_gc_is_tracked(o)) {
        nj_gc_untrack(o);
    }
    if (f == (NjFrame *)fo->_f_frame_data &&
        f->owner == NJ_FRAME_OWNED_BY_FRAME_OBJECT) {
        Value code = f->f_executable, func = f->f_funcobj;
        Value *p = f->localsplus, *end = f->stackpointer;
        f->stackpointer = f->localsplus;
        for (; p < end; p++) {
            Value v = *p;
            *p = NJ_VALUE_NULL;
            nj_value_xclose(v);
        }
        Py_CLEAR(f->f_locals);
        nj_value_xclose(func);
        nj_value_xclose(code);
    }
    Py_CLEAR(fo->f_back);
    Py_CLEAR(fo->f_trace);
    Py_CLEAR(fo->f_extra_locals);
    Py_CLEAR(fo->f_locals_cache);
    Py_CLEAR(fo->f_overwritten_fast_locals);
    PyObject_GC_Del(o);
}

static int
frame_traverse(PyObject *o, visitproc visit, void *arg)
{
    PyFrameObject *fo = as_frame(o);
    Py_VISIT(fo->f_back);
    Py_VISIT(fo->f_trace);
    Py_VISIT(fo->f_extra_locals);
    Py_VISIT(fo->f_locals_cache);
    Py_VISIT(fo->f_overwritten_fast_locals);
    if (fo->f_frame->owner != NJ_FRAME_OWNED_BY_FRAME_OBJECT) {
        return 0;
    }
    return nj_frame_traverse(fo->f_frame, visit, arg);
}

static PyMemberDef frame_members[] = {
    {"f_trace_lines", Py_T_BOOL, offsetof(PyFrameObject, f_trace_lines), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef frame_getset[] = {
    {"f_back", frame_get_back, NULL, "The calling frame, or None.", NULL},
    {"f_locals", frame_get_locals, NULL, "The mapping of local names.", NULL},
    {"f_lineno", frame_get_lineno, frame_set_lineno, "The current line.", NULL},
    {"f_trace", frame_get_trace, frame_set_trace, "The local trace function, or None.", NULL},
    {"f_lasti", frame_get_lasti, NULL, "Offset of the current instruction.", NULL},
    {"f_globals", frame_get_globals, NULL, "The global namespace.", NULL},
    {"f_builtins", frame_get_builtins, NULL, "The namespace of built-ins.", NULL},
    {"f_code", frame_get_code, NULL, "The code object being executed.", NULL},
    {"f_trace_opcodes", frame_get_trace_opcodes, frame_set_trace_opcodes,
     "Send opcode events to the trace function?", NULL},
    {"f_generator", frame_get_generator, NULL,
     "The generator or coroutine that owns the frame, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef frame_methods[] = {
    {"clear", frame_clear, METH_NOARGS,
     "clear($self, /)\n--\n\nDrop all references held by the frame."},
    {"__sizeof__", frame_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nSize in bytes."},
    {NULL, NULL, 0, NULL},
};

PyTypeObject PyFrame_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "frame",
    .tp_basicsize = offsetof(PyFrameObject, _f_frame_data) +
                    offsetof(NjFrame, localsplus),
    .tp_itemsize = sizeof(PyObject *),
    .tp_dealloc = frame_dealloc,
    .tp_repr = frame_repr,
    .tp_getattro = PyObject_GenericGetAttr,
    .tp_setattro = PyObject_GenericSetAttr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_traverse = frame_traverse,
    .tp_clear = frame_tp_clear,
    .tp_methods = frame_methods,
    .tp_members = frame_members,
    .tp_getset = frame_getset,
};

/* ---- C API ---- */

PyCodeObject *
PyFrame_GetCode(PyFrameObject *fo)
{
    return (PyCodeObject *)Py_NewRef((PyObject *)nj_frame_peek_code(fo->f_frame));
}

PyFrameObject *
PyFrame_GetBack(PyFrameObject *fo)
{
    PyFrameObject *back = fo->f_back;
    if (back == NULL) {
        NjFrame *p = nj_frame_first_complete(fo->f_frame->previous);
        if (p != NULL) {
            back = nj_frame_peek_object(p);
        }
    }
    return (PyFrameObject *)Py_XNewRef((PyObject *)back);
}

PyObject *
PyFrame_GetLocals(PyFrameObject *fo)
{
    return frame_get_locals((PyObject *)fo, NULL);
}

PyObject *
PyFrame_GetGlobals(PyFrameObject *fo)
{
    return frame_get_globals((PyObject *)fo, NULL);
}

PyObject *
PyFrame_GetBuiltins(PyFrameObject *fo)
{
    return frame_get_builtins((PyObject *)fo, NULL);
}

PyObject *
PyFrame_GetGenerator(PyFrameObject *fo)
{
    NjFrame *f = fo->f_frame;
    if (f->owner != NJ_FRAME_OWNED_BY_GENERATOR) {
        return NULL;
    }
    return Py_NewRef((PyObject *)nj_frame_peek_gen(f));
}

int
PyFrame_GetLasti(PyFrameObject *fo)
{
    int lasti = nj_frame_lasti(fo->f_frame);
    return lasti < 0 ? -1 : lasti;
}

PyObject *
PyFrame_GetVar(PyFrameObject *fo, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be str, not %s", Py_TYPE(name)->tp_name);
        return NULL;
    }
    NjFrame *f = fo->f_frame;
    PyCodeObject *co = nj_frame_peek_code(f);
    for (int i = 0; i < co->co_nlocalsplus; i++) {
        if (!PyUnicode_Equal(PyTuple_GET_ITEM(co->co_localsplusnames, i), name)) {
            continue;
        }
        PyObject *v;
        int t = nj_frame_get_local(f, i, &v);
        if (t != 0) {
            return v;
        }
        break;
    }
    PyErr_Format(PyExc_NameError, "variable %R does not exist", name);
    return NULL;
}

PyObject *
PyFrame_GetVarString(PyFrameObject *fo, const char *name)
{
    NJ_OWN text = PyUnicode_FromString(name);
    return text ? PyFrame_GetVar(fo, text) : NULL;
}

PyFrameObject *
PyFrame_New(PyThreadState *tstate, PyCodeObject *code, PyObject *globals, PyObject *locals)
{
    NJ_OWN func = PyFunction_New((PyObject *)code, globals);
    if (func == NULL) {
        return NULL;
    }
    PyFrameObject *fo = PyObject_GC_NewVar(PyFrameObject, &PyFrame_Type,
                                           code->co_nlocalsplus + code->co_stacksize);
    if (fo == NULL) {
        return NULL;
    }
    memset((char *)fo + sizeof(PyObject), 0,
           offsetof(PyFrameObject, _f_frame_data) - sizeof(PyObject));
    NjFrame *f = (NjFrame *)fo->_f_frame_data;
    nj_frame_init(f, NULL, nj_value_new(func), Py_XNewRef(locals), code);
    for (int i = 0; i < code->co_nlocalsplus; i++) {
        f->localsplus[i] = NJ_VALUE_NULL;
    }
    f->owner = NJ_FRAME_OWNED_BY_FRAME_OBJECT;
    /* such a frame never runs: it stands for C code in tracebacks, at the first line */
    f->instr_ptr = nj_code_units(code) + code->_co_firsttraceable + 1;
    fo->f_frame = f;
    fo->f_trace_lines = 1;
    nj_gc_track((PyObject *)fo);
    return fo;
}

int
_PyFrame_IsEntryFrame(PyFrameObject *fo)
{
    NjFrame *f = fo->f_frame;
    return f->previous == NULL;
}

int
PyFrame_FastToLocalsWithError(PyFrameObject *fo)
{
    return 0;
}

void
PyFrame_FastToLocals(PyFrameObject *fo)
{
}

void
PyFrame_LocalsToFast(PyFrameObject *fo, int clear)
{
}

PyObject *
PyUnstable_InterpreterFrame_GetCode(struct _PyInterpreterFrame *f)
{
    return Py_NewRef((PyObject *)nj_frame_peek_code(f));
}

int
PyUnstable_InterpreterFrame_GetLasti(struct _PyInterpreterFrame *f)
{
    return nj_frame_lasti(f);
}

int
PyUnstable_InterpreterFrame_GetLine(struct _PyInterpreterFrame *f)
{
    return nj_frame_line(f);
}

const PyTypeObject *const PyUnstable_ExecutableKinds[PyUnstable_EXECUTABLE_KINDS + 1] = {
    [PyUnstable_EXECUTABLE_KIND_SKIP] = &_PyNone_Type,
    [PyUnstable_EXECUTABLE_KIND_PY_FUNCTION] = &PyCode_Type,
    [PyUnstable_EXECUTABLE_KIND_BUILTIN_FUNCTION] = &PyMethod_Type,
    [PyUnstable_EXECUTABLE_KIND_METHOD_DESCRIPTOR] = &PyMethodDescr_Type,
    [PyUnstable_EXECUTABLE_KINDS] = NULL,
};

PyFrameObject *
PyThreadState_GetFrame(PyThreadState *tstate)
{
    NjFrame *f = nj_frame_first_complete(tstate->current_frame);
    if (f == NULL) {
        return NULL;
    }
    PyFrameObject *fo = nj_frame_peek_object(f);
    if (fo == NULL) {
        PyErr_Clear();
    }
    return (PyFrameObject *)Py_XNewRef((PyObject *)fo);
}

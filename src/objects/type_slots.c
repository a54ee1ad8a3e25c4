/* type_slots.c - C slots of types and special methods of Python, in both directions
 *
 * One table, slotdefs, says for each special name which slot it belongs to, how a wrapper
 * descriptor calls the slot (wrapper), and which C function fills the slot when a Python
 * class defines the name (function). Names that share a slot stand next to each other;
 * the order of the table is the order in which the names appear in a type's __dict__.
 *
 * C -> Python: nj_type_slots_add_operators puts a wrapper descriptor into the dict of a
 * type for every filled slot.
 * Python -> C: choose_slot looks every name of a slot up along the MRO. If what it finds
 * is the C implementation itself (a wrapper descriptor, or a method that stands for the
 * slot with METH_COEXIST) the class gets that C function directly, else the slot_ function
 * that looks the method up again at each call. So a slot never goes stale through
 * monkey-patching of the method's value, only through presence: assigning to a class
 * calls nj_type_slots_update.
 *
 * Danger: slot functions must not assume that the method still exists when they run.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/type_priv.h"

/* Names that the table below needs as static identifiers (tools/genids.sh scans for these):
 * NJ_ID(__repr__) NJ_ID(__hash__) NJ_ID(__call__) NJ_ID(__str__) NJ_ID(__getattribute__)
 * NJ_ID(__getattr__) NJ_ID(__setattr__) NJ_ID(__delattr__) NJ_ID(__lt__) NJ_ID(__le__)
 * NJ_ID(__eq__) NJ_ID(__ne__) NJ_ID(__gt__) NJ_ID(__ge__) NJ_ID(__iter__) NJ_ID(__next__)
 * NJ_ID(__get__) NJ_ID(__set__) NJ_ID(__delete__) NJ_ID(__init__) NJ_ID(__new__)
 * NJ_ID(__del__) NJ_ID(__buffer__) NJ_ID(__release_buffer__) NJ_ID(__await__)
 * NJ_ID(__aiter__) NJ_ID(__anext__) NJ_ID(__add__) NJ_ID(__radd__) NJ_ID(__sub__)
 * NJ_ID(__rsub__) NJ_ID(__mul__) NJ_ID(__rmul__) NJ_ID(__mod__) NJ_ID(__rmod__)
 * NJ_ID(__divmod__) NJ_ID(__rdivmod__) NJ_ID(__pow__) NJ_ID(__rpow__) NJ_ID(__neg__)
 * NJ_ID(__pos__) NJ_ID(__abs__) NJ_ID(__bool__) NJ_ID(__invert__) NJ_ID(__lshift__)
 * NJ_ID(__rlshift__) NJ_ID(__rshift__) NJ_ID(__rrshift__) NJ_ID(__and__) NJ_ID(__rand__)
 * NJ_ID(__xor__) NJ_ID(__rxor__) NJ_ID(__or__) NJ_ID(__ror__) NJ_ID(__int__)
 * NJ_ID(__float__) NJ_ID(__iadd__) NJ_ID(__isub__) NJ_ID(__imul__) NJ_ID(__imod__)
 * NJ_ID(__ipow__) NJ_ID(__ilshift__) NJ_ID(__irshift__) NJ_ID(__iand__) NJ_ID(__ixor__)
 * NJ_ID(__ior__) NJ_ID(__floordiv__) NJ_ID(__rfloordiv__) NJ_ID(__truediv__)
 * NJ_ID(__rtruediv__) NJ_ID(__ifloordiv__) NJ_ID(__itruediv__) NJ_ID(__index__)
 * NJ_ID(__matmul__) NJ_ID(__rmatmul__) NJ_ID(__imatmul__) NJ_ID(__len__)
 * NJ_ID(__getitem__) NJ_ID(__setitem__) NJ_ID(__delitem__) NJ_ID(__contains__) */

/* ======================================================================================
 * Wrappers: Python calls a C slot
 * ====================================================================================== */

static bool
take_args(PyObject *args, Py_ssize_t n)
{
    if (!PyTuple_CheckExact(args)) {
        PyErr_SetString(PyExc_SystemError,
                        "PyArg_UnpackTuple() argument list is not a tuple");
        return false;
    }
    if (PyTuple_GET_SIZE(args) == n) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "expected %zd argument%s, got %zd", n,
                 n == 1 ? "" : "s", PyTuple_GET_SIZE(args));
    return false;
}

static bool
take_args_range(PyObject *args, Py_ssize_t min, Py_ssize_t max)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n >= min && n <= max) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "expected at %s %zd argument%s, got %zd",
                 n < min ? "least" : "most", n < min ? min : max,
                 (n < min ? min : max) == 1 ? "" : "s", n);
    return false;
}

#define ARG(i) PyTuple_GET_ITEM(args, i)

static PyObject *
none_or_null(int r)
{
    return r < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
wrap_lenfunc(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 0)) {
        return NULL;
    }
    Py_ssize_t n = ((lenfunc)f)(self);
    return n == -1 && PyErr_Occurred() ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *
wrap_inquiry(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 0)) {
        return NULL;
    }
    int r = ((inquiry)f)(self);
    return r == -1 && PyErr_Occurred() ? NULL : PyBool_FromLong(r);
}

static PyObject *
wrap_unary(PyObject *self, PyObject *args, void *f)
{
    return take_args(args, 0) ? ((unaryfunc)f)(self) : NULL;
}

static PyObject *
wrap_binary(PyObject *self, PyObject *args, void *f)
{
    return take_args(args, 1) ? ((binaryfunc)f)(self, ARG(0)) : NULL;
}

static PyObject *
wrap_binary_r(PyObject *self, PyObject *args, void *f)
{
    return take_args(args, 1) ? ((binaryfunc)f)(ARG(0), self) : NULL;
}

/* One or two arguments, for pow. */
static bool
take_1_or_2(PyObject *args)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (n == 1 || n == 2) {
        return true;
    }
    PyErr_Format(PyExc_TypeError, "expected 1 or 2 arguments, got %zd", n);
    return false;
}

static PyObject *
wrap_power(PyObject *self, PyObject *args, void *f)
{
    if (!take_1_or_2(args)) {
        return NULL;
    }
    return ((ternaryfunc)f)(self, ARG(0),
                            PyTuple_GET_SIZE(args) > 1 ? ARG(1) : Py_None);
}

static PyObject *
wrap_power_r(PyObject *self, PyObject *args, void *f)
{
    if (!take_1_or_2(args)) {
        return NULL;
    }
    return ((ternaryfunc)f)(ARG(0), self,
                            PyTuple_GET_SIZE(args) > 1 ? ARG(1) : Py_None);
}

static PyObject *
wrap_index_arg(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 1)) {
        return NULL;
    }
    Py_ssize_t i = PyNumber_AsSsize_t(ARG(0), PyExc_OverflowError);
    return i == -1 && PyErr_Occurred() ? NULL : ((ssizeargfunc)f)(self, i);
}

/* An index as sq_item wants it: negative ones made positive if there is a length. */
static int
sequence_index(PyObject *self, PyObject *arg, Py_ssize_t *out)
{
    Py_ssize_t i = PyNumber_AsSsize_t(arg, PyExc_OverflowError);
    if (i == -1 && PyErr_Occurred()) {
        return -1;
    }
    PySequenceMethods *sq = Py_TYPE(self)->tp_as_sequence;
    if (i < 0 && sq && sq->sq_length) {
        Py_ssize_t n = sq->sq_length(self);
        if (n < 0) {
            return -1;
        }
        i += n;
    }
    *out = i;
    return 0;
}

static PyObject *
wrap_sq_item(PyObject *self, PyObject *args, void *f)
{
    Py_ssize_t i;
    if (!take_args(args, 1) || sequence_index(self, ARG(0), &i) < 0) {
        return NULL;
    }
    return ((ssizeargfunc)f)(self, i);
}

static PyObject *
wrap_sq_setitem(PyObject *self, PyObject *args, void *f)
{
    Py_ssize_t i;
    if (!take_args(args, 2) || sequence_index(self, ARG(0), &i) < 0) {
        return NULL;
    }
    return none_or_null(((ssizeobjargproc)f)(self, i, ARG(1)));
}

static PyObject *
wrap_sq_delitem(PyObject *self, PyObject *args, void *f)
{
    Py_ssize_t i;
    if (!take_args(args, 1) || sequence_index(self, ARG(0), &i) < 0) {
        return NULL;
    }
    return none_or_null(((ssizeobjargproc)f)(self, i, NULL));
}

static PyObject *
wrap_contains(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 1)) {
        return NULL;
    }
    int r = ((objobjproc)f)(self, ARG(0));
    return r == -1 && PyErr_Occurred() ? NULL : PyBool_FromLong(r);
}

static PyObject *
wrap_setitem(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 2)) {
        return NULL;
    }
    return none_or_null(((objobjargproc)f)(self, ARG(0), ARG(1)));
}

static PyObject *
wrap_delitem(PyObject *self, PyObject *args, void *f)
{
    return take_args(args, 1) ? none_or_null(((objobjargproc)f)(self, ARG(0), NULL))
                              : NULL;
}

/* object.__setattr__(int, ...) must not get around type.__setattr__: the C function that
 * is called must be the one that the most derived C base of the object has. */
static bool
setattr_allowed(PyObject *self, setattrofunc func, const char *what)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *mro = type->tp_mro;
    if (mro == NULL) {
        return true;
    }
    PyTypeObject *definer = type;
    for (Py_ssize_t i = PyTuple_GET_SIZE(mro) - 1; i >= 0; i--) {
        PyTypeObject *b = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        if (nj_type_is_heap(b) && b->tp_setattro == nj_slot_setattro) {
            continue; /* a Python __setattr__ */
        }
        if (b->tp_setattro == func) {
            definer = b;
            break;
        }
    }
    for (PyTypeObject *b = definer; b; b = b->tp_base) {
        if (b->tp_setattro == func) {
            break;
        }
        if (b->tp_setattro != nj_slot_setattro) {
            PyErr_Format(PyExc_TypeError, "can't apply this %s to %s object", what,
                         type->tp_name);
            return false;
        }
    }
    /* the nearest C implementation must not be a different one */
    for (PyTypeObject *b = type; b; b = b->tp_base) {
        if (b->tp_setattro == nj_slot_setattro) {
            continue;
        }
        if (b->tp_setattro != func) {
            PyErr_Format(PyExc_TypeError, "can't apply this %s to %s object", what,
                         type->tp_name);
            return false;
        }
        break;
    }
    return true;
}

static PyObject *
wrap_setattr(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 2) || !setattr_allowed(self, (setattrofunc)f, "__setattr__")) {
        return NULL;
    }
    return none_or_null(((setattrofunc)f)(self, ARG(0), ARG(1)));
}

static PyObject *
wrap_delattr(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 1) || !setattr_allowed(self, (setattrofunc)f, "__delattr__")) {
        return NULL;
    }
    return none_or_null(((setattrofunc)f)(self, ARG(0), NULL));
}

static PyObject *
wrap_hash(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 0)) {
        return NULL;
    }
    Py_hash_t h = ((hashfunc)f)(self);
    return h == -1 && PyErr_Occurred() ? NULL : PyLong_FromSsize_t(h);
}

static PyObject *
wrap_call(PyObject *self, PyObject *args, void *f, PyObject *kwds)
{
    return ((ternaryfunc)f)(self, args, kwds);
}

static PyObject *
wrap_init(PyObject *self, PyObject *args, void *f, PyObject *kwds)
{
    return none_or_null(((initproc)f)(self, args, kwds));
}

static PyObject *
wrap_del(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 0)) {
        return NULL;
    }
    ((destructor)f)(self);
    Py_RETURN_NONE;
}

#define WRAP_COMPARE(name, op)                                                         \
    static PyObject *wrap_##name(PyObject *self, PyObject *args, void *f)              \
    {                                                                                  \
        return take_args(args, 1) ? ((richcmpfunc)f)(self, ARG(0), op) : NULL;         \
    }
WRAP_COMPARE(lt, Py_LT)
WRAP_COMPARE(le, Py_LE)
WRAP_COMPARE(eq, Py_EQ)
WRAP_COMPARE(ne, Py_NE)
WRAP_COMPARE(gt, Py_GT)
WRAP_COMPARE(ge, Py_GE)

static PyObject *
wrap_next(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 0)) {
        return NULL;
    }
    PyObject *r = ((unaryfunc)f)(self);
    if (r == NULL && !PyErr_Occurred()) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return r;
}

static PyObject *
wrap_descr_get(PyObject *self, PyObject *args, void *f)
{
    if (!take_args_range(args, 1, 2)) {
        return NULL;
    }
    PyObject *obj = ARG(0) == Py_None ? NULL : ARG(0);
    PyObject *type = PyTuple_GET_SIZE(args) > 1 && ARG(1) != Py_None ? ARG(1) : NULL;
    if (obj == NULL && type == NULL) {
        PyErr_SetString(PyExc_TypeError, "__get__(None, None) is invalid");
        return NULL;
    }
    return ((descrgetfunc)f)(self, obj, type);
}

static PyObject *
wrap_descr_set(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 2)) {
        return NULL;
    }
    return none_or_null(((descrsetfunc)f)(self, ARG(0), ARG(1)));
}

static PyObject *
wrap_descr_delete(PyObject *self, PyObject *args, void *f)
{
    return take_args(args, 1) ? none_or_null(((descrsetfunc)f)(self, ARG(0), NULL))
                              : NULL;
}

/* memoryview.c */
PyObject *nj_memoryview_from_proc(PyObject *obj, int flags, getbufferproc get);

static PyObject *
wrap_buffer(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 1)) {
        return NULL;
    }
    Py_ssize_t flags = PyNumber_AsSsize_t(ARG(0), PyExc_OverflowError);
    if (flags == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (flags > INT_MAX || flags < INT_MIN) {
        PyErr_SetString(PyExc_OverflowError, "buffer flags out of range");
        return NULL;
    }
    /* f itself, not the slot of self's type: super().__buffer__() comes here, too */
    return nj_memoryview_from_proc(self, (int)flags, (getbufferproc)f);
}

static PyObject *
wrap_release_buffer(PyObject *self, PyObject *args, void *f)
{
    if (!take_args(args, 1)) {
        return NULL;
    }
    if (!PyMemoryView_Check(ARG(0))) {
        PyErr_SetString(PyExc_TypeError, "expected a memoryview object");
        return NULL;
    }
    PyMemoryViewObject *mv = (PyMemoryViewObject *)ARG(0);
    if (mv->view.obj != self) {
        PyErr_SetString(PyExc_ValueError, "memoryview's buffer is not this object");
        return NULL;
    }
    if (mv->flags & _Py_MEMORYVIEW_RELEASED) {
        PyErr_SetString(PyExc_ValueError,
                        "memoryview's buffer has already been released");
        return NULL;
    }
    return PyObject_CallMethodNoArgs(ARG(0), NJ_ID(release));
}

/* ======================================================================================
 * Slot functions: C calls a Python method
 * ====================================================================================== */

NJ_COLD static PyObject *
missing(PyObject *name)
{
    if (!PyErr_Occurred()) {
        PyErr_SetObject(PyExc_AttributeError, name);
    }
    return NULL;
}

/* Calls type(self).name(self, a...) . stack[0] is scratch, stack[1] self, then arguments;
 * n counts self. *absent (may be NULL) is set instead of raising if there is no method. */
static PyObject *
call_special(PyObject *name, PyObject **stack, Py_ssize_t n, bool *absent)
{
    PyObject *self = stack[1];
    PyObject *func = nj_type_find(Py_TYPE(self), name);
    if (func == NULL) {
        if (absent) {
            *absent = true;
            return NULL;
        }
        return missing(name);
    }
    PyTypeObject *ft = Py_TYPE(func);
    PyObject *res;
    Py_INCREF(func);
    if (NJ_LIKELY(ft->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR)) {
        res = PyObject_Vectorcall(func, stack + 1,
                                  (size_t)n | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    else {
        if (ft->tp_descr_get) {
            PyObject *bound = ft->tp_descr_get(func, self, (PyObject *)Py_TYPE(self));
            Py_SETREF(func, bound);
            if (func == NULL) {
                return NULL;
            }
        }
        res = PyObject_Vectorcall(
            func, stack + 2, (size_t)(n - 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    Py_DECREF(func);
    return res;
}

#define CALL0(self, id) call_special(NJ_ID(id), (PyObject *[]){NULL, self}, 1, NULL)
#define CALL1(self, id, a)                                                             \
    call_special(NJ_ID(id), (PyObject *[]){NULL, self, a}, 2, NULL)
#define CALL2(self, id, a, b)                                                          \
    call_special(NJ_ID(id), (PyObject *[]){NULL, self, a, b}, 3, NULL)

#define SLOT0(fname, id)                                                               \
    static PyObject *slot_##fname(PyObject *self)                                      \
    {                                                                                  \
        return CALL0(self, id);                                                        \
    }
#define SLOT1(fname, id)                                                               \
    static PyObject *slot_##fname(PyObject *self, PyObject *a)                         \
    {                                                                                  \
        return CALL1(self, id, a);                                                     \
    }

/* True if other's type overrides the reflected method that self's type has. */
static int
overrides(PyObject *self, PyObject *other, PyObject *name)
{
    NJ_OWN b = NULL;
    int r = PyObject_GetOptionalAttr((PyObject *)Py_TYPE(other), name, &b);
    if (r <= 0) {
        return r;
    }
    NJ_OWN a = NULL;
    r = PyObject_GetOptionalAttr((PyObject *)Py_TYPE(self), name, &a);
    if (r < 0) {
        return -1;
    }
    return r == 0 ? 1 : PyObject_RichCompareBool(a, b, Py_NE);
}

static PyObject *
try_special(PyObject *name, PyObject *self, PyObject *arg)
{
    bool absent = false;
    PyObject *r =
        call_special(name, (PyObject *[]){NULL, self, arg}, 2, &absent);
    if (absent) {
        if (PyErr_Occurred()) {
            return NULL;
        }
        return Py_NewRef(Py_NotImplemented);
    }
    return r;
}

/* self OP other where at least one of the types has this very slot function. */
static PyObject *
call_binary(PyObject *self, PyObject *other, bool self_has, bool other_has,
            PyObject *name, PyObject *rname)
{
    bool try_other = !Py_IS_TYPE(self, Py_TYPE(other)) && other_has;
    if (self_has) {
        if (try_other && PyType_IsSubtype(Py_TYPE(other), Py_TYPE(self))) {
            int ok = overrides(self, other, rname);
            if (ok < 0) {
                return NULL;
            }
            if (ok) {
                PyObject *r = try_special(rname, other, self);
                if (r != Py_NotImplemented) {
                    return r;
                }
                Py_DECREF(r);
                try_other = false;
            }
        }
        PyObject *r = try_special(name, self, other);
        if (r != Py_NotImplemented || Py_IS_TYPE(other, Py_TYPE(self))) {
            return r;
        }
        Py_DECREF(r);
    }
    if (try_other) {
        return try_special(rname, other, self);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

#define HAS_NB(o, field, f)                                                            \
    (Py_TYPE(o)->tp_as_number != NULL && Py_TYPE(o)->tp_as_number->field == f)
#define SLOT_BINARY(field, id, rid)                                                    \
    static PyObject *slot_##field(PyObject *self, PyObject *other)                     \
    {                                                                                  \
        return call_binary(self, other, HAS_NB(self, field, slot_##field),             \
                           HAS_NB(other, field, slot_##field), NJ_ID(id), NJ_ID(rid)); \
    }

SLOT_BINARY(nb_add, __add__, __radd__)
SLOT_BINARY(nb_subtract, __sub__, __rsub__)
SLOT_BINARY(nb_multiply, __mul__, __rmul__)
SLOT_BINARY(nb_remainder, __mod__, __rmod__)
SLOT_BINARY(nb_divmod, __divmod__, __rdivmod__)
SLOT_BINARY(nb_lshift, __lshift__, __rlshift__)
SLOT_BINARY(nb_rshift, __rshift__, __rrshift__)
SLOT_BINARY(nb_and, __and__, __rand__)
SLOT_BINARY(nb_xor, __xor__, __rxor__)
SLOT_BINARY(nb_or, __or__, __ror__)
SLOT_BINARY(nb_floor_divide, __floordiv__, __rfloordiv__)
SLOT_BINARY(nb_true_divide, __truediv__, __rtruediv__)
SLOT_BINARY(nb_matrix_multiply, __matmul__, __rmatmul__)

static PyObject *slot_nb_power(PyObject *self, PyObject *other, PyObject *mod);

static PyObject *
slot_nb_power(PyObject *self, PyObject *other, PyObject *mod)
{
    bool self_has = HAS_NB(self, nb_power, slot_nb_power);
    bool other_has = HAS_NB(other, nb_power, slot_nb_power);
    if (mod == Py_None) {
        return call_binary(self, other, self_has, other_has, NJ_ID(__pow__),
                           NJ_ID(__rpow__));
    }
    bool absent = false;
    if (self_has) {
        PyObject *r = call_special(
            NJ_ID(__pow__), (PyObject *[]){NULL, self, other, mod}, 3, &absent);
        if (r != Py_NotImplemented && !absent) {
            return r;
        }
        Py_XDECREF(r);
    }
    absent = false;
    if (other_has && !Py_IS_TYPE(self, Py_TYPE(other))) {
        PyObject *r = call_special(
            NJ_ID(__rpow__), (PyObject *[]){NULL, other, self, mod}, 3, &absent);
        if (r != Py_NotImplemented && !absent) {
            return r;
        }
        Py_XDECREF(r);
    }
    Py_RETURN_NOTIMPLEMENTED;
}

static PyObject *
slot_nb_inplace_power(PyObject *self, PyObject *other, PyObject *mod)
{
    return CALL1(self, __ipow__, other);
}

SLOT0(nb_negative, __neg__)
SLOT0(nb_positive, __pos__)
SLOT0(nb_absolute, __abs__)
SLOT0(nb_invert, __invert__)
SLOT0(nb_int, __int__)
SLOT0(nb_float, __float__)
SLOT0(nb_index, __index__)
SLOT1(nb_inplace_add, __iadd__)
SLOT1(nb_inplace_subtract, __isub__)
SLOT1(nb_inplace_multiply, __imul__)
SLOT1(nb_inplace_remainder, __imod__)
SLOT1(nb_inplace_lshift, __ilshift__)
SLOT1(nb_inplace_rshift, __irshift__)
SLOT1(nb_inplace_and, __iand__)
SLOT1(nb_inplace_xor, __ixor__)
SLOT1(nb_inplace_or, __ior__)
SLOT1(nb_inplace_floor_divide, __ifloordiv__)
SLOT1(nb_inplace_true_divide, __itruediv__)
SLOT1(nb_inplace_matrix_multiply, __imatmul__)
SLOT1(mp_subscript, __getitem__)

static Py_ssize_t
slot_sq_length(PyObject *self)
{
    PyObject *r = CALL0(self, __len__);
    if (r == NULL) {
        return -1;
    }
    Py_SETREF(r, PyNumber_Index(r));
    if (r == NULL) {
        return -1;
    }
    if (PyLong_IsNegative(r) > 0) {
        Py_DECREF(r);
        PyErr_SetString(PyExc_ValueError, "__len__() should return >= 0");
        return -1;
    }
    Py_ssize_t n = PyNumber_AsSsize_t(r, PyExc_OverflowError);
    Py_DECREF(r);
    return n;
}

static int
slot_nb_bool(PyObject *self)
{
    bool absent = false;
    bool by_len = false;
    PyObject *r =
        call_special(NJ_ID(__bool__), (PyObject *[]){NULL, self}, 1, &absent);
    if (absent) {
        absent = false;
        by_len = true;
        r = call_special(NJ_ID(__len__), (PyObject *[]){NULL, self}, 1, &absent);
        if (absent) {
            return 1;
        }
    }
    if (r == NULL) {
        return -1;
    }
    int res;
    if (by_len) {
        res = PyObject_IsTrue(r);
    }
    else if (PyBool_Check(r)) {
        res = r == Py_True;
    }
    else {
        PyErr_Format(PyExc_TypeError, "__bool__ should return bool, returned %s",
                     Py_TYPE(r)->tp_name);
        res = -1;
    }
    Py_DECREF(r);
    return res;
}

static PyObject *
slot_sq_item(PyObject *self, Py_ssize_t i)
{
    PyObject *index = PyLong_FromSsize_t(i);
    if (index == NULL) {
        return NULL;
    }
    PyObject *r = CALL1(self, __getitem__, index);
    Py_DECREF(index);
    return r;
}

static int
drop_result(PyObject *r)
{
    if (r == NULL) {
        return -1;
    }
    Py_DECREF(r);
    return 0;
}

static int
slot_mp_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    return drop_result(value ? CALL2(self, __setitem__, key, value)
                             : CALL1(self, __delitem__, key));
}

static int
slot_sq_ass_item(PyObject *self, Py_ssize_t i, PyObject *value)
{
    NJ_OWN index = PyLong_FromSsize_t(i);
    return index ? slot_mp_ass_subscript(self, index, value) : -1;
}

static int
slot_sq_contains(PyObject *self, PyObject *value)
{
    PyObject *func = nj_type_find(Py_TYPE(self), NJ_ID(__contains__));
    if (func == Py_None) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not a container",
                     Py_TYPE(self)->tp_name);
        return -1;
    }
    if (func == NULL) {
        NJ_OWN it = PyObject_GetIter(self);
        if (it == NULL) {
            return -1;
        }
        for (;;) {
            NJ_OWN item = PyIter_Next(it);
            if (item == NULL) {
                return PyErr_Occurred() ? -1 : 0;
            }
            int eq = PyObject_RichCompareBool(item, value, Py_EQ);
            if (eq != 0) {
                return eq;
            }
        }
    }
    NJ_OWN r = CALL1(self, __contains__, value);
    return r ? PyObject_IsTrue(r) : -1;
}

static PyObject *
slot_tp_repr(PyObject *self)
{
    bool absent = false;
    PyObject *r =
        call_special(NJ_ID(__repr__), (PyObject *[]){NULL, self}, 1, &absent);
    if (absent) {
        return PyUnicode_FromFormat("<%s object at %p>", Py_TYPE(self)->tp_name, self);
    }
    return r;
}

SLOT0(tp_str, __str__)

static Py_hash_t
slot_tp_hash(PyObject *self)
{
    PyObject *func = nj_type_find(Py_TYPE(self), NJ_ID(__hash__));
    if (func == NULL || func == Py_None) {
        return PyObject_HashNotImplemented(self);
    }
    NJ_OWN r = CALL0(self, __hash__);
    if (r == NULL) {
        return -1;
    }
    if (!PyLong_Check(r)) {
        PyErr_SetString(PyExc_TypeError, "__hash__ method should return an integer");
        return -1;
    }
    /* a value that fits is used as it is; a larger one is reduced like any int */
    Py_hash_t h;
    int overflow;
    long v = PyLong_AsLongAndOverflow(r, &overflow);
    h = overflow ? PyLong_Type.tp_hash(r) : (Py_hash_t)v;
    return h == -1 ? -2 : h;
}

PyObject *
nj_slot_tp_call(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyObject *func = nj_type_find(Py_TYPE(self), NJ_ID(__call__));
    if (func == NULL) {
        return missing(NJ_ID(__call__));
    }
    NJ_OWN f = Py_NewRef(func);
    if (Py_TYPE(f)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR) {
        NJ_OWN full = PyTuple_New(PyTuple_GET_SIZE(args) + 1);
        if (full == NULL) {
            return NULL;
        }
        PyTuple_SET_ITEM(full, 0, Py_NewRef(self));
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); i++) {
            PyTuple_SET_ITEM(full, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
        }
        return PyObject_Call(f, full, kwds);
    }
    if (Py_TYPE(f)->tp_descr_get) {
        NJ_SET(f, Py_TYPE(f)->tp_descr_get(f, self, (PyObject *)Py_TYPE(self)));
        if (f == NULL) {
            return NULL;
        }
    }
    return PyObject_Call(f, args, kwds);
}

/* tp_getattro of a class with __getattribute__ but no __getattr__ */
PyObject *
nj_slot_getattro(PyObject *self, PyObject *name)
{
    return CALL1(self, __getattribute__, name);
}

/* tp_getattro of a class with __getattr__ */
PyObject *
nj_slot_getattr_hook(PyObject *self, PyObject *name)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *getattr = nj_type_find(tp, NJ_ID(__getattr__));
    if (getattr == NULL) {
        /* removed meanwhile */
        return nj_slot_getattro(self, name);
    }
    Py_INCREF(getattr);
    PyObject *getattribute = nj_type_find(tp, NJ_ID(__getattribute__));
    PyObject *r;
    if (getattribute == NULL ||
        (Py_IS_TYPE(getattribute, &PyWrapperDescr_Type) &&
         ((PyWrapperDescrObject *)getattribute)->d_wrapped ==
             (void *)PyObject_GenericGetAttr)) {
        r = _PyObject_GenericGetAttrWithDict(self, name, NULL, 1);
    }
    else {
        r = CALL1(self, __getattribute__, name);
        if (r == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
        }
    }
    if (r == NULL && !PyErr_Occurred()) {
        if (Py_TYPE(getattr)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR) {
            PyObject *stack[3] = {NULL, self, name};
            r = PyObject_Vectorcall(getattr, stack + 1,
                                    2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        }
        else {
            r = CALL1(self, __getattr__, name);
        }
    }
    Py_DECREF(getattr);
    return r;
}

int
nj_slot_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    return drop_result(value ? CALL2(self, __setattr__, name, value)
                             : CALL1(self, __delattr__, name));
}

static PyObject *
slot_tp_richcompare(PyObject *self, PyObject *other, int op)
{
    PyObject *name;
    switch (op) {
    case Py_LT:
        name = NJ_ID(__lt__);
        break;
    case Py_LE:
        name = NJ_ID(__le__);
        break;
    case Py_EQ:
        name = NJ_ID(__eq__);
        break;
    case Py_NE:
        name = NJ_ID(__ne__);
        break;
    case Py_GT:
        name = NJ_ID(__gt__);
        break;
    default:
        name = NJ_ID(__ge__);
        break;
    }
    PyObject *f;
    bool unbound;
    int r = nj_type_special_unbound(self, name, &f, &unbound);
    if (r <= 0) { /* a method that cannot even be fetched counts as none */
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    PyObject *stack[3] = {NULL, self, other};
    PyObject *res =
        unbound ? PyObject_Vectorcall(f, stack + 1, 2 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                      NULL)
                : PyObject_Vectorcall(f, stack + 2, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET,
                                      NULL);
    Py_DECREF(f);
    return res;
}

static PyObject *
slot_tp_iter(PyObject *self)
{
    PyObject *func = nj_type_find(Py_TYPE(self), NJ_ID(__iter__));
    if (func == Py_None) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not iterable",
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    if (func != NULL) {
        return CALL0(self, __iter__);
    }
    if (nj_type_find(Py_TYPE(self), NJ_ID(__getitem__)) == NULL) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not iterable",
                     Py_TYPE(self)->tp_name);
        return NULL;
    }
    return PySeqIter_New(self);
}

SLOT0(tp_iternext, __next__)

static PyObject *
slot_tp_descr_get(PyObject *self, PyObject *obj, PyObject *type)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *get = nj_type_find(tp, NJ_ID(__get__));
    if (get == NULL) {
        /* removed meanwhile: as if the slot were empty */
        return Py_NewRef(self);
    }
    /* __get__ itself is called as it lies in the class, bound to nothing */
    NJ_OWN f = Py_NewRef(get);
    PyObject *args[] = {self, obj ? obj : Py_None, type ? type : Py_None};
    return PyObject_Vectorcall(f, args, 3, NULL);
}

static int
slot_tp_descr_set(PyObject *self, PyObject *obj, PyObject *value)
{
    return drop_result(value ? CALL2(self, __set__, obj, value)
                             : CALL1(self, __delete__, obj));
}

int
nj_slot_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyObject *func = nj_type_find(Py_TYPE(self), NJ_ID(__init__));
    if (func == NULL) {
        (void)missing(NJ_ID(__init__));
        return -1;
    }
    NJ_OWN f = Py_NewRef(func);
    NJ_OWN r = NULL;
    if (Py_TYPE(f)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR) {
        Py_ssize_t n = PyTuple_GET_SIZE(args);
        if (kwds == NULL && n <= 6) {
            PyObject *stack[8];
            stack[1] = self;
            for (Py_ssize_t i = 0; i < n; i++) {
                stack[i + 2] = PyTuple_GET_ITEM(args, i);
            }
            NJ_SET(r, PyObject_Vectorcall(
                          f, stack + 1,
                          (size_t)(n + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL));
        }
        else {
            NJ_OWN full = PyTuple_New(n + 1);
            if (full == NULL) {
                return -1;
            }
            PyTuple_SET_ITEM(full, 0, Py_NewRef(self));
            for (Py_ssize_t i = 0; i < n; i++) {
                PyTuple_SET_ITEM(full, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
            }
            NJ_SET(r, PyObject_Call(f, full, kwds));
        }
    }
    else {
        if (Py_TYPE(f)->tp_descr_get) {
            NJ_SET(f, Py_TYPE(f)->tp_descr_get(f, self, (PyObject *)Py_TYPE(self)));
            if (f == NULL) {
                return -1;
            }
        }
        NJ_SET(r, PyObject_Call(f, args, kwds));
    }
    if (r == NULL) {
        return -1;
    }
    if (r != Py_None) {
        PyErr_Format(PyExc_TypeError, "__init__() should return None, not '%.200s'",
                     Py_TYPE(r)->tp_name);
        return -1;
    }
    return 0;
}

PyObject *
nj_type_get_new(PyTypeObject *type)
{
    if (Py_IS_TYPE(type, &PyType_Type)) {
        PyObject *f = nj_type_find(type, NJ_ID(__new__));
        if (f && Py_IS_TYPE(f, &PyStaticMethod_Type)) {
            return PyStaticMethod_Type.tp_descr_get(f, NULL, (PyObject *)type);
        }
    }
    return PyObject_GetAttr((PyObject *)type, NJ_ID(__new__));
}

PyObject *
nj_slot_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    NJ_OWN func = nj_type_get_new(type);
    if (func == NULL) {
        return NULL;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (kwds == NULL && n <= 6) {
        PyObject *stack[8];
        stack[1] = (PyObject *)type;
        for (Py_ssize_t i = 0; i < n; i++) {
            stack[i + 2] = PyTuple_GET_ITEM(args, i);
        }
        return PyObject_Vectorcall(
            func, stack + 1, (size_t)(n + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    NJ_OWN full = PyTuple_New(n + 1);
    if (full == NULL) {
        return NULL;
    }
    PyTuple_SET_ITEM(full, 0, Py_NewRef(type));
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(full, i + 1, Py_NewRef(PyTuple_GET_ITEM(args, i)));
    }
    return PyObject_Call(func, full, kwds);
}

static void
slot_tp_finalize(PyObject *self)
{
    PyObject *exc = PyErr_GetRaisedException();
    bool absent = false;
    PyObject *r =
        call_special(NJ_ID(__del__), (PyObject *[]){NULL, self}, 1, &absent);
    if (r == NULL) {
        if (!absent) {
            PyObject *del = nj_type_find(Py_TYPE(self), NJ_ID(__del__));
            PyErr_FormatUnraisable("Exception ignored while calling deallocator %R",
                                   del ? del : self);
        }
    }
    else {
        Py_DECREF(r);
    }
    PyErr_SetRaisedException(exc);
}

/* ---- async ---- */

static PyObject *
call_async(PyObject *self, PyObject *name, const char *what)
{
    bool absent = false;
    PyObject *r = call_special(name, (PyObject *[]){NULL, self}, 1, &absent);
    if (absent) {
        PyErr_Format(PyExc_AttributeError, "object %.50s does not have %s method",
                     Py_TYPE(self)->tp_name, what);
    }
    return r;
}

static PyObject *
slot_am_await(PyObject *self)
{
    return call_async(self, NJ_ID(__await__), "__await__");
}

static PyObject *
slot_am_aiter(PyObject *self)
{
    return call_async(self, NJ_ID(__aiter__), "__aiter__");
}

static PyObject *
slot_am_anext(PyObject *self)
{
    return call_async(self, NJ_ID(__anext__), "__anext__");
}

/* ---- buffers: __buffer__ returns a memoryview; the view we hand out keeps it alive ---- */

typedef struct NjBufferWrapper {
    PyObject_HEAD
    PyObject *mv;  /* what __buffer__ returned */
    PyObject *obj; /* the object that was asked */
} NjBufferWrapper;

static int
buffer_wrapper_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((NjBufferWrapper *)op)->mv);
    Py_VISIT(((NjBufferWrapper *)op)->obj);
    return 0;
}

static void
buffer_wrapper_dealloc(PyObject *op)
{
    nj_gc_untrack(op);
    Py_XDECREF(((NjBufferWrapper *)op)->mv);
    Py_XDECREF(((NjBufferWrapper *)op)->obj);
    PyObject_GC_Del(op);
}

static void slot_bf_releasebuffer(PyObject *self, Py_buffer *view);

/* The bf_releasebuffer of the nearest base written in C, or NULL. */
static releasebufferproc
native_releaser(PyTypeObject *type)
{
    for (PyTypeObject *b = type->tp_base; b; b = b->tp_base) {
        if (b->tp_as_buffer && b->tp_as_buffer->bf_releasebuffer &&
            b->tp_as_buffer->bf_releasebuffer != slot_bf_releasebuffer) {
            return b->tp_as_buffer->bf_releasebuffer;
        }
    }
    return NULL;
}

static void
buffer_wrapper_release(PyObject *op, Py_buffer *view)
{
    NjBufferWrapper *w = (NjBufferWrapper *)op;
    if (w->mv == NULL || w->obj == NULL) {
        return;
    }
    /* A __release_buffer__ in Python gets the memoryview back, unless its memory is the
     * object's own (a native base): slot_bf_releasebuffer calls it when that export ends. */
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *name = NJ_ID(__release_buffer__);
    bool own = PyMemoryView_GET_BUFFER(w->mv)->obj == w->obj;
    PyObject *func = own ? NULL : nj_type_find(Py_TYPE(w->obj), name);
    if (func && !Py_IS_TYPE(func, &PyWrapperDescr_Type)) {
        NJ_OWN r =
            call_special(name, (PyObject *[]){NULL, w->obj, w->mv}, 2, NULL);
        if (r == NULL) {
            PyErr_FormatUnraisable("Exception ignored in bf_releasebuffer of %s",
                                   Py_TYPE(w->obj)->tp_name);
        }
    }
    /* the memoryview may have been kept: it lives as long as somebody has it */
    PyErr_SetRaisedException(exc);
    Py_CLEAR(w->mv);
    Py_CLEAR(w->obj);
}

static PyBufferProcs buffer_wrapper_as_buffer = {
    .bf_releasebuffer = buffer_wrapper_release,
};

PyTypeObject NjBufferWrapper_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "_buffer_wrapper",
    .tp_basicsize = sizeof(NjBufferWrapper),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_dealloc = buffer_wrapper_dealloc,
    .tp_traverse = buffer_wrapper_traverse,
    .tp_as_buffer = &buffer_wrapper_as_buffer,
};

static int
slot_bf_getbuffer(PyObject *self, Py_buffer *view, int flags)
{
    NJ_OWN fl = PyLong_FromLong(flags);
    NJ_OWN ret = fl ? CALL1(self, __buffer__, fl) : NULL;
    if (ret == NULL) {
        return -1;
    }
    if (!PyMemoryView_Check(ret)) {
        PyErr_Format(PyExc_TypeError,
                     "__buffer__ returned non-memoryview object of type '%.200s'",
                     Py_TYPE(ret)->tp_name);
        return -1;
    }
    if (PyObject_GetBuffer(ret, view, flags) < 0) {
        return -1;
    }
    NjBufferWrapper *w = PyObject_GC_New(NjBufferWrapper, &NjBufferWrapper_Type);
    if (w == NULL) {
        PyBuffer_Release(view);
        return -1;
    }
    w->mv = Py_NewRef(ret);
    w->obj = Py_NewRef(self);
    nj_gc_track((PyObject *)w);
    Py_SETREF(view->obj, (PyObject *)w);
    /* ret itself counts one export: undone by releasing the memoryview in the end */
    ((PyMemoryViewObject *)ret)->exports--;
    return 0;
}

static void
slot_bf_releasebuffer(PyObject *self, Py_buffer *view)
{
    /* A native buffer of a base class: hand it to a Python __release_buffer__, then to the
     * base. */
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *func = nj_type_find(Py_TYPE(self), NJ_ID(__release_buffer__));
    if (func && !Py_IS_TYPE(func, &PyWrapperDescr_Type)) {
        Py_buffer copy = *view;
        copy.obj = NULL;
        NJ_OWN mv = PyMemoryView_FromBuffer(&copy);
        if (mv) {
            ((PyMemoryViewObject *)mv)->flags |= _Py_MEMORYVIEW_RESTRICTED;
        }
        NJ_OWN r = mv ? CALL1(self, __release_buffer__, mv) : NULL;
        if (r == NULL) {
            PyErr_FormatUnraisable(
                "Exception ignored in __release_buffer__ of %s", Py_TYPE(self)->tp_name);
        }
        if (mv) {
            NJ_OWN r2 = PyObject_CallMethodNoArgs(mv, NJ_ID(release));
            if (r2 == NULL) {
                PyErr_Clear();
            }
        }
    }
    releasebufferproc base = native_releaser(Py_TYPE(self));
    if (base) {
        base(self, view);
    }
    PyErr_SetRaisedException(exc);
}

/* ======================================================================================
 * The table
 * ====================================================================================== */

#define SLOTDEF(name_, field_, func_, wrap_, doc_)                                     \
    {.name = #name_,                                                                   \
     .offset = (int)offsetof(PyHeapTypeObject, field_),                                \
     .function = (void *)(func_),                                                      \
     .wrapper = (wrapperfunc)(void (*)(void))(wrap_),                                  \
     .doc = doc_}
#define KWSLOTDEF(name_, field_, func_, wrap_, doc_)                                   \
    {.name = #name_,                                                                   \
     .offset = (int)offsetof(PyHeapTypeObject, field_),                                \
     .function = (void *)(func_),                                                      \
     .wrapper = (wrapperfunc)(void (*)(void))(wrap_),                                  \
     .doc = doc_,                                                                      \
     .flags = PyWrapperFlag_KEYWORDS}
#define TP(name, field, func, wrap, doc) SLOTDEF(name, ht_type.field, func, wrap, doc)
#define NB(name, field, func, wrap, doc)                                               \
    SLOTDEF(name, as_number.field, func, wrap, #name doc)
#define BIN(name, field, text)                                                         \
    SLOTDEF(name, as_number.field, slot_##field, wrap_binary,                          \
            #name "($self, value, /)\n--\n\nReturn self" text "value.")
#define RBIN(name, field, text)                                                        \
    SLOTDEF(name, as_number.field, slot_##field, wrap_binary_r,                        \
            #name "($self, value, /)\n--\n\nReturn value" text "self.")
#define IBIN(name, field, text)                                                        \
    SLOTDEF(name, as_number.field, slot_##field, wrap_binary,                          \
            #name "($self, value, /)\n--\n\nReturn self" text "value.")

static struct wrapperbase slotdefs[] = {
    TP(__repr__, tp_repr, slot_tp_repr, wrap_unary,
       "__repr__($self, /)\n--\n\nReturn repr(self)."),
    TP(__hash__, tp_hash, slot_tp_hash, wrap_hash,
       "__hash__($self, /)\n--\n\nReturn hash(self)."),
    KWSLOTDEF(__call__, ht_type.tp_call, nj_slot_tp_call, wrap_call,
              "__call__($self, /, *args, **kwargs)\n--\n\nCall self as a function."),
    TP(__str__, tp_str, slot_tp_str, wrap_unary,
       "__str__($self, /)\n--\n\nReturn str(self)."),
    TP(__getattribute__, tp_getattro, nj_slot_getattr_hook, wrap_binary,
       "__getattribute__($self, name, /)\n--\n\nReturn getattr(self, name)."),
    TP(__getattr__, tp_getattro, nj_slot_getattr_hook, NULL, ""),
    TP(__setattr__, tp_setattro, nj_slot_setattro, wrap_setattr,
       "__setattr__($self, name, value, /)\n--\n\nImplement setattr(self, name, value)."),
    TP(__delattr__, tp_setattro, nj_slot_setattro, wrap_delattr,
       "__delattr__($self, name, /)\n--\n\nImplement delattr(self, name)."),
    TP(__lt__, tp_richcompare, slot_tp_richcompare, wrap_lt,
       "__lt__($self, value, /)\n--\n\nReturn self<value."),
    TP(__le__, tp_richcompare, slot_tp_richcompare, wrap_le,
       "__le__($self, value, /)\n--\n\nReturn self<=value."),
    TP(__eq__, tp_richcompare, slot_tp_richcompare, wrap_eq,
       "__eq__($self, value, /)\n--\n\nReturn self==value."),
    TP(__ne__, tp_richcompare, slot_tp_richcompare, wrap_ne,
       "__ne__($self, value, /)\n--\n\nReturn self!=value."),
    TP(__gt__, tp_richcompare, slot_tp_richcompare, wrap_gt,
       "__gt__($self, value, /)\n--\n\nReturn self>value."),
    TP(__ge__, tp_richcompare, slot_tp_richcompare, wrap_ge,
       "__ge__($self, value, /)\n--\n\nReturn self>=value."),
    TP(__iter__, tp_iter, slot_tp_iter, wrap_unary,
       "__iter__($self, /)\n--\n\nImplement iter(self)."),
    TP(__next__, tp_iternext, slot_tp_iternext, wrap_next,
       "__next__($self, /)\n--\n\nImplement next(self)."),
    TP(__get__, tp_descr_get, slot_tp_descr_get, wrap_descr_get,
       "__get__($self, instance, owner=None, /)\n--\n\n"
       "Return an attribute of instance, which is of type owner."),
    TP(__set__, tp_descr_set, slot_tp_descr_set, wrap_descr_set,
       "__set__($self, instance, value, /)\n--\n\n"
       "Set an attribute of instance to value."),
    TP(__delete__, tp_descr_set, slot_tp_descr_set, wrap_descr_delete,
       "__delete__($self, instance, /)\n--\n\nDelete an attribute of instance."),
    KWSLOTDEF(__init__, ht_type.tp_init, nj_slot_init, wrap_init,
              "__init__($self, /, *args, **kwargs)\n--\n\n"
              "Initialize self.  See help(type(self)) for accurate signature."),
    TP(__new__, tp_new, nj_slot_new, NULL,
       "__new__(type, /, *args, **kwargs)\n--\n\n"
       "Create and return a new object.  See help(type) for accurate signature."),
    TP(__del__, tp_finalize, slot_tp_finalize, wrap_del,
       "__del__($self, /)\n--\n\nCalled when the instance is about to be destroyed."),
    SLOTDEF(__await__, as_async.am_await, slot_am_await, wrap_unary,
            "__await__($self, /)\n--\n\nReturn an iterator to be used in await "
            "expression."),
    SLOTDEF(__aiter__, as_async.am_aiter, slot_am_aiter, wrap_unary,
            "__aiter__($self, /)\n--\n\n"
            "Return an awaitable, that resolves in asynchronous iterator."),
    SLOTDEF(__anext__, as_async.am_anext, slot_am_anext, wrap_unary,
            "__anext__($self, /)\n--\n\nReturn a value or raise StopAsyncIteration."),
    BIN(__add__, nb_add, "+"),
    RBIN(__radd__, nb_add, "+"),
    BIN(__sub__, nb_subtract, "-"),
    RBIN(__rsub__, nb_subtract, "-"),
    BIN(__mul__, nb_multiply, "*"),
    RBIN(__rmul__, nb_multiply, "*"),
    BIN(__mod__, nb_remainder, "%"),
    RBIN(__rmod__, nb_remainder, "%"),
    SLOTDEF(__divmod__, as_number.nb_divmod, slot_nb_divmod, wrap_binary,
            "__divmod__($self, value, /)\n--\n\nReturn divmod(self, value)."),
    SLOTDEF(__rdivmod__, as_number.nb_divmod, slot_nb_divmod, wrap_binary_r,
            "__rdivmod__($self, value, /)\n--\n\nReturn divmod(value, self)."),
    SLOTDEF(__pow__, as_number.nb_power, slot_nb_power, wrap_power,
            "__pow__($self, value, mod=None, /)\n--\n\nReturn pow(self, value, mod)."),
    SLOTDEF(__rpow__, as_number.nb_power, slot_nb_power, wrap_power_r,
            "__rpow__($self, value, mod=None, /)\n--\n\nReturn pow(value, self, mod)."),
    SLOTDEF(__neg__, as_number.nb_negative, slot_nb_negative, wrap_unary,
            "__neg__($self, /)\n--\n\n-self"),
    SLOTDEF(__pos__, as_number.nb_positive, slot_nb_positive, wrap_unary,
            "__pos__($self, /)\n--\n\n+self"),
    SLOTDEF(__abs__, as_number.nb_absolute, slot_nb_absolute, wrap_unary,
            "__abs__($self, /)\n--\n\nabs(self)"),
    SLOTDEF(__bool__, as_number.nb_bool, slot_nb_bool, wrap_inquiry,
            "__bool__($self, /)\n--\n\nTrue if self else False"),
    SLOTDEF(__invert__, as_number.nb_invert, slot_nb_invert, wrap_unary,
            "__invert__($self, /)\n--\n\n~self"),
    BIN(__lshift__, nb_lshift, "<<"),
    RBIN(__rlshift__, nb_lshift, "<<"),
    BIN(__rshift__, nb_rshift, ">>"),
    RBIN(__rrshift__, nb_rshift, ">>"),
    BIN(__and__, nb_and, "&"),
    RBIN(__rand__, nb_and, "&"),
    BIN(__xor__, nb_xor, "^"),
    RBIN(__rxor__, nb_xor, "^"),
    BIN(__or__, nb_or, "|"),
    RBIN(__ror__, nb_or, "|"),
    SLOTDEF(__int__, as_number.nb_int, slot_nb_int, wrap_unary,
            "__int__($self, /)\n--\n\nint(self)"),
    SLOTDEF(__float__, as_number.nb_float, slot_nb_float, wrap_unary,
            "__float__($self, /)\n--\n\nfloat(self)"),
    IBIN(__iadd__, nb_inplace_add, "+="),
    IBIN(__isub__, nb_inplace_subtract, "-="),
    IBIN(__imul__, nb_inplace_multiply, "*="),
    IBIN(__imod__, nb_inplace_remainder, "%="),
    SLOTDEF(__ipow__, as_number.nb_inplace_power, slot_nb_inplace_power, wrap_power,
            "__ipow__($self, value, /)\n--\n\nReturn self**=value."),
    IBIN(__ilshift__, nb_inplace_lshift, "<<="),
    IBIN(__irshift__, nb_inplace_rshift, ">>="),
    IBIN(__iand__, nb_inplace_and, "&="),
    IBIN(__ixor__, nb_inplace_xor, "^="),
    IBIN(__ior__, nb_inplace_or, "|="),
    BIN(__floordiv__, nb_floor_divide, "//"),
    RBIN(__rfloordiv__, nb_floor_divide, "//"),
    BIN(__truediv__, nb_true_divide, "/"),
    RBIN(__rtruediv__, nb_true_divide, "/"),
    IBIN(__ifloordiv__, nb_inplace_floor_divide, "//="),
    IBIN(__itruediv__, nb_inplace_true_divide, "/="),
    SLOTDEF(__index__, as_number.nb_index, slot_nb_index, wrap_unary,
            "__index__($self, /)\n--\n\n"
            "Return self converted to an integer, if self is suitable for use as an "
            "index into a list."),
    BIN(__matmul__, nb_matrix_multiply, "@"),
    RBIN(__rmatmul__, nb_matrix_multiply, "@"),
    IBIN(__imatmul__, nb_inplace_matrix_multiply, "@="),
    SLOTDEF(__len__, as_mapping.mp_length, slot_sq_length, wrap_lenfunc,
            "__len__($self, /)\n--\n\nReturn len(self)."),
    SLOTDEF(__getitem__, as_mapping.mp_subscript, slot_mp_subscript, wrap_binary,
            "__getitem__($self, key, /)\n--\n\nReturn self[key]."),
    SLOTDEF(__setitem__, as_mapping.mp_ass_subscript, slot_mp_ass_subscript,
            wrap_setitem,
            "__setitem__($self, key, value, /)\n--\n\nSet self[key] to value."),
    SLOTDEF(__delitem__, as_mapping.mp_ass_subscript, slot_mp_ass_subscript,
            wrap_delitem, "__delitem__($self, key, /)\n--\n\nDelete self[key]."),
    SLOTDEF(__len__, as_sequence.sq_length, slot_sq_length, wrap_lenfunc,
            "__len__($self, /)\n--\n\nReturn len(self)."),
    /* in Python sq_concat is only a second way to say __add__: never filled from it */
    SLOTDEF(__add__, as_sequence.sq_concat, NULL, wrap_binary,
            "__add__($self, value, /)\n--\n\nReturn self+value."),
    SLOTDEF(__mul__, as_sequence.sq_repeat, NULL, wrap_index_arg,
            "__mul__($self, value, /)\n--\n\nReturn self*value."),
    SLOTDEF(__rmul__, as_sequence.sq_repeat, NULL, wrap_index_arg,
            "__rmul__($self, value, /)\n--\n\nReturn value*self."),
    SLOTDEF(__getitem__, as_sequence.sq_item, slot_sq_item, wrap_sq_item,
            "__getitem__($self, key, /)\n--\n\nReturn self[key]."),
    SLOTDEF(__setitem__, as_sequence.sq_ass_item, slot_sq_ass_item, wrap_sq_setitem,
            "__setitem__($self, key, value, /)\n--\n\nSet self[key] to value."),
    SLOTDEF(__delitem__, as_sequence.sq_ass_item, slot_sq_ass_item, wrap_sq_delitem,
            "__delitem__($self, key, /)\n--\n\nDelete self[key]."),
    SLOTDEF(__contains__, as_sequence.sq_contains, slot_sq_contains, wrap_contains,
            "__contains__($self, key, /)\n--\n\nReturn bool(key in self)."),
    SLOTDEF(__iadd__, as_sequence.sq_inplace_concat, NULL, wrap_binary,
            "__iadd__($self, value, /)\n--\n\nImplement self+=value."),
    SLOTDEF(__imul__, as_sequence.sq_inplace_repeat, NULL, wrap_index_arg,
            "__imul__($self, value, /)\n--\n\nImplement self*=value."),
    SLOTDEF(__buffer__, as_buffer.bf_getbuffer, slot_bf_getbuffer, wrap_buffer,
            "__buffer__($self, flags, /)\n--\n\n"
            "Return a buffer object that exposes the underlying memory of the object."),
    SLOTDEF(__release_buffer__, as_buffer.bf_releasebuffer, slot_bf_releasebuffer,
            wrap_release_buffer,
            "__release_buffer__($self, buffer, /)\n--\n\n"
            "Release the buffer object that exposes the underlying memory of the "
            "object."),
};

enum { NSLOTDEFS = NJ_ARRAY_LEN(slotdefs) };

PyObject *
nj_type_slot_names(void)
{
    NJ_OWN list = PyList_New(NSLOTDEFS);
    for (int i = 0; list && i < NSLOTDEFS; i++) {
        PyList_SET_ITEM(list, i, Py_NewRef(slotdefs[i].name_strobj));
    }
    return NJ_TAKE(list);
}

/* Name -> indices of its entries in slotdefs: open addressing by the (interned) name's
 * address. Filled once at start-up, read-only afterwards. */
enum { NAME_TABLE = 256, PER_NAME = 2 };
static struct {
    PyObject *name;
    int8_t n;
    int16_t at[PER_NAME];
} name_table[NAME_TABLE];

static size_t
name_cell(PyObject *name)
{
    size_t i = ((uintptr_t)name >> 4) * 0x9E3779B1u >> 3;
    for (i %= NAME_TABLE; name_table[i].name != NULL && name_table[i].name != name;
         i = (i + 1) % NAME_TABLE) {
    }
    return i;
}

/* The cell of a special name, or -1. */
static int
find_name(PyObject *name)
{
    if (!nj_is_dunder(name)) {
        return -1;
    }
    size_t i = name_cell(name);
    if (name_table[i].name == name) {
        return (int)i;
    }
    if (PyUnicode_CHECK_INTERNED(name) >= SSTATE_INTERNED_IMMORTAL_STATIC) {
        return -1;
    }
    /* not the static identifier: compare texts (another interpreter's or not interned) */
    for (i = 0; i < NAME_TABLE; i++) {
        PyObject *n = name_table[i].name;
        if (n && PyUnicode_GET_LENGTH(n) == PyUnicode_GET_LENGTH(name) &&
            memcmp(PyUnicode_DATA(n), PyUnicode_DATA(name),
                   (size_t)PyUnicode_GET_LENGTH(n)) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool
nj_type_slots_is_slot_name(PyObject *name)
{
    return find_name(name) >= 0;
}

int
nj_type_slots_init(void)
{
    for (int i = 0; i < NSLOTDEFS; i++) {
        PyObject *name = PyUnicode_InternFromString(slotdefs[i].name);
        if (name == NULL) {
            return -1;
        }
        nj_make_immortal(name);
        slotdefs[i].name_strobj = name;
        size_t c = name_cell(name);
        name_table[c].name = name;
        assert(name_table[c].n < PER_NAME);
        name_table[c].at[name_table[c].n++] = (int16_t)i;
    }
    return 0;
}

/* The address of a slot in a type, or NULL if the type lacks that sub-structure. */
NJ_INLINE void **
slot_ptr(PyTypeObject *type, int offset)
{
    char *base;
    size_t off = (size_t)offset;
    if (off >= offsetof(PyHeapTypeObject, as_buffer)) {
        base = (char *)type->tp_as_buffer;
        off -= offsetof(PyHeapTypeObject, as_buffer);
    }
    else if (off >= offsetof(PyHeapTypeObject, as_sequence)) {
        base = (char *)type->tp_as_sequence;
        off -= offsetof(PyHeapTypeObject, as_sequence);
    }
    else if (off >= offsetof(PyHeapTypeObject, as_mapping)) {
        base = (char *)type->tp_as_mapping;
        off -= offsetof(PyHeapTypeObject, as_mapping);
    }
    else if (off >= offsetof(PyHeapTypeObject, as_number)) {
        base = (char *)type->tp_as_number;
        off -= offsetof(PyHeapTypeObject, as_number);
    }
    else if (off >= offsetof(PyHeapTypeObject, as_async)) {
        base = (char *)type->tp_as_async;
        off -= offsetof(PyHeapTypeObject, as_async);
    }
    else {
        base = (char *)type;
    }
    return base ? (void **)(base + off) : NULL;
}

int
nj_type_slots_add_operators(PyTypeObject *type)
{
    PyObject *dict = type->tp_dict;
    PyTypeObject *base = type->tp_base;
    bool builtin = nj_type_is_static_builtin(type);
    for (int i = 0; i < NSLOTDEFS; i++) {
        struct wrapperbase *p = &slotdefs[i];
        if (p->wrapper == NULL) {
            continue;
        }
        void **ptr = slot_ptr(type, p->offset);
        if (ptr == NULL || *ptr == NULL) {
            continue;
        }
        /* of what our own static types take from the base, the base's wrapper is found */
        void **inherited = builtin && base ? slot_ptr(base, p->offset) : NULL;
        if (inherited && *inherited == *ptr) {
            continue;
        }
        int r = PyDict_Contains(dict, p->name_strobj);
        if (r < 0) {
            return -1;
        }
        if (r) {
            continue;
        }
        if (*ptr == (void *)PyObject_HashNotImplemented) {
            /* hash(x) fails, and Python sees None */
            if (PyDict_SetItem(dict, p->name_strobj, Py_None) < 0) {
                return -1;
            }
            continue;
        }
        NJ_OWN descr = PyDescr_NewWrapper(type, p, *ptr);
        if (descr == NULL || PyDict_SetItem(dict, p->name_strobj, descr) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ======================================================================================
 * Filling slots of Python classes
 * ====================================================================================== */

/* A method in C that stands for a slot of the type that defines it (METH_COEXIST). */
static bool
is_coexisting(PyObject *descr)
{
    return Py_IS_TYPE(descr, &PyMethodDescr_Type) &&
           (((PyMethodDescrObject *)descr)->d_method->ml_flags & METH_COEXIST);
}

/* The sequence side of a subscript whose native function is the mapping side's: there, and
 * for a method in C, an index goes through the method, negative ones included. */
static bool
subscripts_by_method(int offset, PyObject *descr)
{
    if (offset != (int)offsetof(PyHeapTypeObject, as_sequence.sq_item) &&
        offset != (int)offsetof(PyHeapTypeObject, as_sequence.sq_ass_item)) {
        return false;
    }
    if (is_coexisting(descr)) {
        return true;
    }
    if (!Py_IS_TYPE(descr, &PyWrapperDescr_Type) ||
        ((PyWrapperDescrObject *)descr)->d_base->offset == offset) {
        return false;
    }
    void **q = slot_ptr(PyDescr_TYPE(descr), offset);
    return q && *q;
}

/* Chooses the function for the slot at slotdefs[first..last) and stores it. */
static void
choose_slot(PyTypeObject *type, int first, int last)
{
    int offset = slotdefs[first].offset;
    void **ptr = slot_ptr(type, offset);
    if (ptr == NULL) {
        return;
    }
    void *generic = NULL, *specific = NULL;
    bool use_generic = false;
    for (int i = first; i < last; i++) {
        struct wrapperbase *p = &slotdefs[i];
        PyObject *descr = nj_type_find(type, p->name_strobj);
        if (descr == NULL) {
            continue;
        }
        void *native = NULL;
        bool is_native = false;
        if (subscripts_by_method(offset, descr)) {
            ; /* as a method in Python */
        }
        else if (Py_IS_TYPE(descr, &PyWrapperDescr_Type) &&
            ((PyWrapperDescrObject *)descr)->d_base->name_strobj == p->name_strobj) {
            PyWrapperDescrObject *d = (PyWrapperDescrObject *)descr;
            if (d->d_base->offset == p->offset) {
                if (PyType_IsSubtype(type, PyDescr_TYPE(d))) {
                    native = d->d_wrapped;
                    is_native = true;
                }
            }
            else if (PyType_IsSubtype(type, PyDescr_TYPE(d))) {
                /* __len__ found on the mapping side while asking for the sequence side (or
                 * the reverse): take what the defining type has here, if anything, or what it
                 * has there if that is the same function */
                void **q = slot_ptr(PyDescr_TYPE(d), offset);
                native = q ? *q : NULL;
                if (native == NULL && p->function && p->function == d->d_base->function) {
                    native = d->d_wrapped;
                }
                if (native == NULL) {
                    continue;
                }
                is_native = true;
            }
        }
        else if (is_coexisting(descr) && PyType_IsSubtype(type, PyDescr_TYPE(descr))) {
            void **q = slot_ptr(PyDescr_TYPE(descr), offset);
            native = q ? *q : NULL;
            if (native == NULL) {
                continue;
            }
            is_native = true;
        }
        else if (offset == (int)offsetof(PyTypeObject, tp_new) &&
                 nj_is_new_wrapper(descr)) {
            /* __new__ of a C type reached through the MRO: what was inherited at creation
             * stays. `__new__ = object.__new__' below a __new__ in Python, and a deleted
             * __new__, thereby keep the generic slot, as in the reference. */
            PyObject *owner = PyCFunction_GET_SELF(descr);
            specific = type->tp_new ? (void *)type->tp_new
                                    : (void *)((PyTypeObject *)owner)->tp_new;
            continue;
        }
        else if (descr == Py_None && offset == (int)offsetof(PyTypeObject, tp_hash)) {
            specific = (void *)PyObject_HashNotImplemented;
            continue;
        }
        if (is_native) {
            if (specific == NULL || specific == native) {
                specific = native;
            }
            else {
                use_generic = true;
            }
            if (generic == NULL) {
                generic = p->function;
            }
            continue;
        }
        if (p->function == NULL) {
            continue; /* sq_concat and the like are not filled from Python */
        }
        use_generic = true;
        generic = p->function;
    }
    if (use_generic && generic == NULL) {
        for (int i = first; i < last; i++) {
            if (slotdefs[i].function) {
                generic = slotdefs[i].function;
                break;
            }
        }
    }
    if (offset == (int)offsetof(PyTypeObject, tp_getattro) && use_generic &&
        nj_type_find(type, NJ_ID(__getattr__)) == NULL) {
        generic = (void *)nj_slot_getattro;
    }
    *ptr = specific && !use_generic ? specific : generic;
    if (*ptr == generic && !use_generic && specific == NULL) {
        *ptr = NULL;
    }
    if (offset == (int)offsetof(PyTypeObject, tp_call) && *ptr == (void *)nj_slot_tp_call) {
        type->tp_flags &= ~Py_TPFLAGS_HAVE_VECTORCALL; /* belongs to another __call__ */
    }
}

static int
group_start(int i)
{
    while (i > 0 && slotdefs[i - 1].offset == slotdefs[i].offset) {
        i--;
    }
    return i;
}

static int
group_end(int i)
{
    do {
        i++;
    } while (i < NSLOTDEFS && slotdefs[i].offset == slotdefs[i - 1].offset);
    return i;
}

static void
update_slots_of(PyTypeObject *type, PyObject *name)
{
    int c = find_name(name);
    for (int k = 0; c >= 0 && k < name_table[c].n; k++) {
        int i = group_start(name_table[c].at[k]);
        choose_slot(type, i, group_end(i));
    }
}

/* The base is an extension's type and has, say, __add__ among its methods but nothing in
 * nb_add: its subclasses have the operator. */
static void
update_slots_of_methods(PyTypeObject *type, PyTypeObject *base)
{
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (PyDict_Next(base->tp_dict, &pos, &key, &value)) {
        if (Py_IS_TYPE(value, &PyMethodDescr_Type)) {
            update_slots_of(type, key);
        }
    }
}

void
nj_type_slots_fixup(PyTypeObject *type)
{
    PyTypeObject *base = type->tp_base;
    PyObject *mro = type->tp_mro, *bmro = base->tp_mro;
    bool simple = PyTuple_GET_SIZE(type->tp_bases) == 1 &&
                  PyTuple_GET_SIZE(mro) == PyTuple_GET_SIZE(bmro) + 1 &&
                  PyTuple_GET_ITEM(mro, 1) == (PyObject *)base;
    if (!simple) {
        for (int i = 0; i < NSLOTDEFS; i = group_end(i)) {
            choose_slot(type, i, group_end(i));
        }
        return;
    }
    /* One base: every slot is as there, except those named in the class body. */
    for (int i = 0; i < NSLOTDEFS; i = group_end(i)) {
        void **from = slot_ptr(base, slotdefs[i].offset);
        void **to = slot_ptr(type, slotdefs[i].offset);
        if (to) {
            *to = from ? *from : NULL;
        }
    }
    /* __len__ of a base with one of the two slots fills both */
    PySequenceMethods *sq = base->tp_as_sequence;
    PyMappingMethods *mp = base->tp_as_mapping;
    if ((sq && sq->sq_length) != (mp && mp->mp_length)) {
        update_slots_of(type, NJ_ID(__len__));
    }
    /* see subscripts_by_method() */
    if (mp && mp->mp_subscript && (!sq || sq->sq_item != slot_sq_item)) {
        update_slots_of(type, NJ_ID(__getitem__));
    }
    if (mp && mp->mp_ass_subscript && sq && sq->sq_ass_item &&
        sq->sq_ass_item != slot_sq_ass_item) {
        update_slots_of(type, NJ_ID(__setitem__));
    }
    for (Py_ssize_t i = PyTuple_GET_SIZE(mro) - 1; i > 0; i--) {
        PyTypeObject *b = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        if (b->tp_methods && !nj_type_is_static_builtin(b)) {
            update_slots_of_methods(type, b);
        }
    }
    PyObject *key, *value;
    Py_ssize_t pos = 0;
    while (PyDict_Next(type->tp_dict, &pos, &key, &value)) {
        if (PyUnicode_Check(key)) {
            update_slots_of(type, key);
        }
    }
}

/* Applies the choice for one name to a type and to the subclasses that inherit it. */
static int
update_groups(PyTypeObject *type, const int *groups, int ngroups, PyObject *name)
{
    for (int i = 0; i < ngroups; i++) {
        choose_slot(type, groups[i], group_end(groups[i]));
    }
    NJ_OWN subs = nj_type_lookup_subclasses(type);
    if (subs == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(subs); i++) {
        PyTypeObject *sub = (PyTypeObject *)PyList_GET_ITEM(subs, i);
        if (name) {
            int r = sub->tp_dict ? PyDict_Contains(sub->tp_dict, name) : 0;
            if (r < 0) {
                return -1;
            }
            if (r) {
                continue; /* has its own */
            }
        }
        if (update_groups(sub, groups, ngroups, name) < 0) {
            return -1;
        }
    }
    return 0;
}

int
nj_type_slots_update(PyTypeObject *type, PyObject *name)
{
    int c = find_name(name);
    if (c < 0) {
        return 0;
    }
    int groups[PER_NAME];
    for (int k = 0; k < name_table[c].n; k++) {
        groups[k] = group_start(name_table[c].at[k]);
    }
    return update_groups(type, groups, name_table[c].n, name_table[c].name);
}

int
nj_type_slots_update_all(PyTypeObject *type)
{
    for (int i = 0; i < NSLOTDEFS; i = group_end(i)) {
        int g = i;
        if (update_groups(type, &g, 1, NULL) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ======================================================================================
 * Inheriting slots in PyType_Ready
 * ====================================================================================== */

/* Copies to an empty slot what `base' itself introduces (not what it merely inherited from
 * its own base: that comes later along the MRO). */
#define COPY(field)                                                                    \
    do {                                                                               \
        if (type->field == NULL && base->field != NULL &&                              \
            (bb == NULL || base->field != bb->field)) {                                \
            type->field = base->field;                                                 \
        }                                                                              \
    } while (0)
#define COPY_SUB(sub, field)                                                           \
    do {                                                                               \
        if (type->sub->field == NULL && base->sub->field != NULL &&                    \
            (bb == NULL || bb->sub == NULL || base->sub->field != bb->sub->field)) {   \
            type->sub->field = base->sub->field;                                       \
        }                                                                              \
    } while (0)

static bool
defines_eq_or_hash(PyTypeObject *type)
{
    PyObject *d = type->tp_dict;
    return PyDict_Contains(d, NJ_ID(__eq__)) > 0 ||
           PyDict_Contains(d, NJ_ID(__hash__)) > 0;
}

void
nj_type_slots_inherit(PyTypeObject *type, PyTypeObject *base)
{
    PyTypeObject *bb = base->tp_base;

    if (type->tp_as_number && base->tp_as_number) {
        COPY_SUB(tp_as_number, nb_add);
        COPY_SUB(tp_as_number, nb_subtract);
        COPY_SUB(tp_as_number, nb_multiply);
        COPY_SUB(tp_as_number, nb_remainder);
        COPY_SUB(tp_as_number, nb_divmod);
        COPY_SUB(tp_as_number, nb_power);
        COPY_SUB(tp_as_number, nb_negative);
        COPY_SUB(tp_as_number, nb_positive);
        COPY_SUB(tp_as_number, nb_absolute);
        COPY_SUB(tp_as_number, nb_bool);
        COPY_SUB(tp_as_number, nb_invert);
        COPY_SUB(tp_as_number, nb_lshift);
        COPY_SUB(tp_as_number, nb_rshift);
        COPY_SUB(tp_as_number, nb_and);
        COPY_SUB(tp_as_number, nb_xor);
        COPY_SUB(tp_as_number, nb_or);
        COPY_SUB(tp_as_number, nb_int);
        COPY_SUB(tp_as_number, nb_float);
        COPY_SUB(tp_as_number, nb_inplace_add);
        COPY_SUB(tp_as_number, nb_inplace_subtract);
        COPY_SUB(tp_as_number, nb_inplace_multiply);
        COPY_SUB(tp_as_number, nb_inplace_remainder);
        COPY_SUB(tp_as_number, nb_inplace_power);
        COPY_SUB(tp_as_number, nb_inplace_lshift);
        COPY_SUB(tp_as_number, nb_inplace_rshift);
        COPY_SUB(tp_as_number, nb_inplace_and);
        COPY_SUB(tp_as_number, nb_inplace_xor);
        COPY_SUB(tp_as_number, nb_inplace_or);
        COPY_SUB(tp_as_number, nb_true_divide);
        COPY_SUB(tp_as_number, nb_floor_divide);
        COPY_SUB(tp_as_number, nb_inplace_true_divide);
        COPY_SUB(tp_as_number, nb_inplace_floor_divide);
        COPY_SUB(tp_as_number, nb_index);
        COPY_SUB(tp_as_number, nb_matrix_multiply);
        COPY_SUB(tp_as_number, nb_inplace_matrix_multiply);
    }
    if (type->tp_as_async && base->tp_as_async) {
        COPY_SUB(tp_as_async, am_await);
        COPY_SUB(tp_as_async, am_aiter);
        COPY_SUB(tp_as_async, am_anext);
        COPY_SUB(tp_as_async, am_send);
    }
    if (type->tp_as_sequence && base->tp_as_sequence) {
        COPY_SUB(tp_as_sequence, sq_length);
        COPY_SUB(tp_as_sequence, sq_concat);
        COPY_SUB(tp_as_sequence, sq_repeat);
        COPY_SUB(tp_as_sequence, sq_item);
        COPY_SUB(tp_as_sequence, sq_ass_item);
        COPY_SUB(tp_as_sequence, sq_contains);
        COPY_SUB(tp_as_sequence, sq_inplace_concat);
        COPY_SUB(tp_as_sequence, sq_inplace_repeat);
    }
    if (type->tp_as_mapping && base->tp_as_mapping) {
        COPY_SUB(tp_as_mapping, mp_length);
        COPY_SUB(tp_as_mapping, mp_subscript);
        COPY_SUB(tp_as_mapping, mp_ass_subscript);
    }
    if (type->tp_as_buffer && base->tp_as_buffer) {
        COPY_SUB(tp_as_buffer, bf_getbuffer);
        COPY_SUB(tp_as_buffer, bf_releasebuffer);
    }

    COPY(tp_dealloc);
    if (type->tp_getattr == NULL && type->tp_getattro == NULL) {
        type->tp_getattr = base->tp_getattr;
        type->tp_getattro = base->tp_getattro;
    }
    if (type->tp_setattr == NULL && type->tp_setattro == NULL) {
        type->tp_setattr = base->tp_setattr;
        type->tp_setattro = base->tp_setattro;
    }
    COPY(tp_repr);
    if (type->tp_call == NULL && base->tp_call != NULL) {
        /* a vectorcall goes with the tp_call it implements */
        if (type->tp_vectorcall_offset == 0 &&
            (base->tp_flags & Py_TPFLAGS_HAVE_VECTORCALL) &&
            (bb == NULL || base->tp_call != bb->tp_call)) {
            type->tp_vectorcall_offset = base->tp_vectorcall_offset;
        }
    }
    if (type->tp_vectorcall_offset == 0) {
        type->tp_vectorcall_offset = base->tp_vectorcall_offset;
    }
    if ((base->tp_flags & Py_TPFLAGS_HAVE_VECTORCALL) && type->tp_call == NULL &&
        base->tp_vectorcall_offset == type->tp_vectorcall_offset) {
        type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
    }
    COPY(tp_call);
    COPY(tp_str);
    if (type->tp_richcompare == NULL && type->tp_hash == NULL &&
        !defines_eq_or_hash(type)) {
        type->tp_richcompare = base->tp_richcompare;
        type->tp_hash = base->tp_hash;
    }
    COPY(tp_iter);
    COPY(tp_iternext);
    COPY(tp_descr_get);
    if (type->tp_descr_get && type->tp_descr_get == base->tp_descr_get &&
        (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) &&
        (base->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR)) {
        type->tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR;
    }
    COPY(tp_descr_set);
    COPY(tp_init);
    COPY(tp_alloc);
    COPY(tp_is_gc);
    COPY(tp_finalize);
    COPY(tp_del);
    if ((type->tp_flags & Py_TPFLAGS_HAVE_GC) == (base->tp_flags & Py_TPFLAGS_HAVE_GC)) {
        COPY(tp_free);
    }
    else if (nj_type_is_gc(type) && type->tp_free == NULL &&
             base->tp_free == PyObject_Free) {
        /* a GC type under a plain one gets the matching free */
        type->tp_free = PyObject_GC_Del;
    }
}

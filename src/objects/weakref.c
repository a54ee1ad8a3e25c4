/* weakref.c - weak references and proxies, and the module _weakref
 *
 * All references to an object form a doubly linked list whose head is in the object (see
 * nj_obj_weaklist_slot). A plain reference and a plain proxy without callback are shared:
 * if they exist they are first and second in the list, so that finding them is quick.
 *
 * A dead reference has wr_object == Py_None and is in no list. Death (PyObject_ClearWeakRefs)
 * first marks all dead, then runs the callbacks, the youngest first. The object has reference
 * count zero then: nothing may hand it out.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

#define R(o) ((PyWeakReference *)(o))

PyObject **
nj_obj_weaklist_slot(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    if (tp->tp_weaklistoffset == 0) {
        return NULL;
    }
    if (PyType_Check(op) && nj_type_is_static_builtin((PyTypeObject *)op)) {
        size_t i = (size_t)(uintptr_t)((PyTypeObject *)op)->tp_subclasses;
        NjTypeState *st = &nj_interp()->types;
        return i && st->statics ? &st->statics[i - 1].weaklist : NULL;
    }
    return (PyObject **)((char *)op + tp->tp_weaklistoffset);
}

/* ======================================================================================
 * The list
 * ====================================================================================== */

static bool
is_basic_ref(PyWeakReference *r)
{
    return r && r->wr_callback == NULL && Py_IS_TYPE(r, &_PyWeakref_RefType);
}

static bool
is_basic_proxy(PyWeakReference *r)
{
    return r && r->wr_callback == NULL && PyWeakref_CheckProxy(r);
}

static void
find_basic(PyWeakReference *head, PyWeakReference **ref, PyWeakReference **proxy)
{
    *ref = *proxy = NULL;
    if (is_basic_ref(head)) {
        *ref = head;
        head = head->wr_next;
    }
    if (is_basic_proxy(head)) {
        *proxy = head;
    }
}

static void
insert_head(PyWeakReference *self, PyWeakReference **list)
{
    self->wr_prev = NULL;
    self->wr_next = *list;
    if (*list) {
        (*list)->wr_prev = self;
    }
    *list = self;
}

static void
insert_after(PyWeakReference *self, PyWeakReference *prev)
{
    self->wr_prev = prev;
    self->wr_next = prev->wr_next;
    if (prev->wr_next) {
        prev->wr_next->wr_prev = self;
    }
    prev->wr_next = self;
}

/* Takes self out of its object's list and marks it dead; the callback stays. */
void
nj_weakref_clear_ref(PyWeakReference *self)
{
    if (self->wr_object == Py_None) {
        return;
    }
    PyWeakReference **list =
        (PyWeakReference **)nj_obj_weaklist_slot(self->wr_object);
    if (*list == self) {
        *list = self->wr_next;
    }
    self->wr_object = Py_None;
    if (self->wr_prev) {
        self->wr_prev->wr_next = self->wr_next;
    }
    if (self->wr_next) {
        self->wr_next->wr_prev = self->wr_prev;
    }
    self->wr_prev = self->wr_next = NULL;
}

void
_PyWeakref_ClearRef(PyWeakReference *self)
{
    nj_weakref_clear_ref(self);
}

void
nj_weakref_run_callback(PyWeakReference *ref, PyObject *callback)
{
    PyObject *r = PyObject_CallOneArg(callback, (PyObject *)ref);
    if (r == NULL) {
        PyErr_FormatUnraisable("Exception ignored while calling weakref callback %R",
                               callback);
    }
    Py_XDECREF(r);
}

Py_ssize_t
nj_weakref_count(PyObject *op)
{
    PyObject **slot = nj_obj_weaklist_slot(op);
    Py_ssize_t n = 0;
    for (PyWeakReference *r = slot ? R(*slot) : NULL; r; r = r->wr_next) {
        n++;
    }
    return n;
}

void
PyObject_ClearWeakRefs(PyObject *object)
{
    if (object == NULL || !PyType_SUPPORTS_WEAKREFS(Py_TYPE(object)) ||
        Py_REFCNT(object) != 0) {
        PyErr_BadInternalCall();
        return;
    }
    PyWeakReference **list = (PyWeakReference **)nj_obj_weaklist_slot(object);
    if (list == NULL || *list == NULL) {
        return;
    }
    /* those without a callback just die */
    for (PyWeakReference *r = *list, *next; r; r = next) {
        next = r->wr_next;
        if (r->wr_callback == NULL) {
            nj_weakref_clear_ref(r);
        }
    }
    if (*list == NULL) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    NJ_OWN pending = PyList_New(0);
    if (pending == NULL) {
        /* no memory for the list: clear without calling */
        PyErr_Clear();
        while (*list) {
            PyWeakReference *r = *list;
            nj_weakref_clear_ref(r);
        }
        PyErr_SetRaisedException(exc);
        return;
    }
    while (*list) {
        PyWeakReference *r = *list;
        bool alive = Py_REFCNT(r) > 0;
        nj_weakref_clear_ref(r);
        PyObject *callback = r->wr_callback;
        r->wr_callback = NULL;
        if (alive) {
            NJ_OWN pair = PyTuple_Pack(2, r, callback);
            if (pair == NULL || PyList_Append(pending, pair) < 0) {
                PyErr_Clear();
            }
        }
        Py_DECREF(callback);
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pending); i++) {
        PyObject *pair = PyList_GET_ITEM(pending, i);
        nj_weakref_run_callback(R(PyTuple_GET_ITEM(pair, 0)), PyTuple_GET_ITEM(pair, 1));
    }
    PyErr_SetRaisedException(exc);
}

void
PyUnstable_Object_ClearWeakRefsNoCallbacks(PyObject *obj)
{
    PyObject **slot = nj_obj_weaklist_slot(obj);
    while (slot && *slot) {
        nj_weakref_clear_ref(R(*slot));
    }
}

/* The living object of a reference: new reference or NULL. */
NJ_INLINE PyObject *
referent(PyWeakReference *r)
{
    PyObject *o = r->wr_object;
    if (o == Py_None || Py_REFCNT(o) == 0) {
        return NULL; /* dead, or being deallocated right now */
    }
    return Py_NewRef(o);
}

/* ======================================================================================
 * weakref.ref
 * ====================================================================================== */

static PyObject *
ref_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (NJ_UNLIKELY(kwnames && PyTuple_GET_SIZE(kwnames))) {
        (void)_PyArg_NoKwnames("weakref", kwnames);
        return NULL;
    }
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (NJ_UNLIKELY(n != 0) && !_PyArg_CheckPositional("weakref", n, 0, 0)) {
        return NULL;
    }
    PyObject *o = referent(R(self));
    return o ? o : Py_NewRef(Py_None);
}

static void
init_ref(PyWeakReference *self, PyObject *ob, PyObject *callback)
{
    self->hash = -1;
    self->wr_object = ob;
    self->wr_prev = self->wr_next = NULL;
    self->wr_callback = Py_XNewRef(callback);
    self->vectorcall = ref_vectorcall;
}

/* Links a new reference behind the shared ones. */
static void
link_ref(PyWeakReference *self, PyWeakReference **list)
{
    PyWeakReference *ref, *proxy;
    find_basic(*list, &ref, &proxy);
    PyWeakReference *prev = proxy ? proxy : ref;
    if (prev) {
        insert_after(self, prev);
    }
    else {
        insert_head(self, list);
    }
}

NJ_COLD static void
raise_unsupported(PyObject *ob)
{
    PyErr_Format(PyExc_TypeError, "cannot create weak reference to '%s' object",
                 Py_TYPE(ob)->tp_name);
}

/* A reference of the given type; shares where possible. */
static PyObject *
make_ref(PyTypeObject *type, PyObject *ob, PyObject *callback)
{
    PyWeakReference **list = (PyWeakReference **)nj_obj_weaklist_slot(ob);
    if (list == NULL) {
        raise_unsupported(ob);
        return NULL;
    }
    if (callback == Py_None) {
        callback = NULL;
    }
    PyWeakReference *ref, *proxy;
    bool is_ref = type == &_PyWeakref_RefType;
    bool is_proxy =
        type == &_PyWeakref_ProxyType || type == &_PyWeakref_CallableProxyType;
    if (callback == NULL && (is_ref || is_proxy)) {
        find_basic(*list, &ref, &proxy);
        PyWeakReference *found = is_ref ? ref : proxy;
        if (found && Py_REFCNT(found) > 0) {
            return Py_NewRef(found);
        }
    }
    PyWeakReference *self;
    if (is_ref || is_proxy) {
        self = PyObject_GC_New(PyWeakReference, type);
    }
    else {
        self = R(nj_type_alloc_untracked(type, 0));
    }
    if (self == NULL) {
        return NULL;
    }
    init_ref(self, ob, callback);
    nj_gc_track((PyObject *)self);
    /* the allocation may have run a collection, hence other code: look again */
    if (callback == NULL && is_ref) {
        insert_head(self, list);
    }
    else if (callback == NULL && is_proxy) {
        find_basic(*list, &ref, &proxy);
        if (ref) {
            insert_after(self, ref);
        }
        else {
            insert_head(self, list);
        }
    }
    else {
        link_ref(self, list);
    }
    return (PyObject *)self;
}

static PyObject *
ref_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_CheckPositional("__new__", PyTuple_GET_SIZE(args), 1, 2)) {
        return NULL;
    }
    PyObject *callback = PyTuple_GET_SIZE(args) > 1 ? PyTuple_GET_ITEM(args, 1) : NULL;
    return make_ref(type, PyTuple_GET_ITEM(args, 0), callback);
}

static int
ref_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    if (!_PyArg_NoKeywords("ref", kwds)) {
        return -1;
    }
    return _PyArg_CheckPositional("__init__", PyTuple_GET_SIZE(args), 1, 2) ? 0 : -1;
}

static void
ref_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    nj_weakref_clear_ref(R(self));
    Py_CLEAR(R(self)->wr_callback);
    Py_TYPE(self)->tp_free(self);
}

static int
ref_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(R(self)->wr_callback);
    return 0;
}

static int
ref_clear(PyObject *self)
{
    nj_weakref_clear_ref(R(self));
    Py_CLEAR(R(self)->wr_callback);
    return 0;
}

static Py_hash_t
ref_hash(PyObject *self)
{
    if (R(self)->hash != -1) {
        return R(self)->hash;
    }
    NJ_OWN o = referent(R(self));
    if (o == NULL) {
        PyErr_SetString(PyExc_TypeError, "weak object has gone away");
        return -1;
    }
    R(self)->hash = PyObject_Hash(o);
    return R(self)->hash;
}

static PyObject *
ref_repr(PyObject *self)
{
    NJ_OWN o = referent(R(self));
    if (o == NULL) {
        return PyUnicode_FromFormat("<weakref at %p; dead>", self);
    }
    NJ_OWN name = nj_type_special(o, NJ_ID(__name__));
    if (name == NULL) {
        PyErr_Clear();
    }
    if (name == NULL || !PyUnicode_Check(name)) {
        return PyUnicode_FromFormat("<weakref at %p; to '%T' at %p>", self, o, o);
    }
    return PyUnicode_FromFormat("<weakref at %p; to '%T' at %p (%U)>", self, o, o, name);
}

static PyObject *
ref_richcompare(PyObject *a, PyObject *b, int op)
{
    if ((op != Py_EQ && op != Py_NE) || !PyWeakref_CheckRef(a) ||
        !PyWeakref_CheckRef(b)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN x = referent(R(a));
    NJ_OWN y = referent(R(b));
    if (x == NULL || y == NULL) {
        return PyBool_FromLong((a == b) == (op == Py_EQ));
    }
    return PyObject_RichCompare(x, y, op);
}

static PyMemberDef ref_members[] = {
    {"__callback__", _Py_T_OBJECT, offsetof(PyWeakReference, wr_callback), Py_READONLY},
    {0},
};
static PyMethodDef ref_methods[] = {
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\nSee PEP 585"},
    {0},
};

PyTypeObject _PyWeakref_RefType = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "weakref.ReferenceType",
    .tp_basicsize = sizeof(PyWeakReference),
    .tp_dealloc = ref_dealloc,
    .tp_vectorcall_offset = offsetof(PyWeakReference, vectorcall),
    .tp_repr = ref_repr,
    .tp_hash = ref_hash,
    .tp_call = PyVectorcall_Call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_BASETYPE,
    .tp_traverse = ref_traverse,
    .tp_clear = ref_clear,
    .tp_richcompare = ref_richcompare,
    .tp_methods = ref_methods,
    .tp_members = ref_members,
    .tp_init = ref_init,
    .tp_alloc = PyType_GenericAlloc,
    .tp_new = ref_new,
};

/* ======================================================================================
 * Proxies
 * ====================================================================================== */

/* o, or what it stands for if it is a proxy: new reference, or NULL with ReferenceError. */
static PyObject *
unproxy(PyObject *o)
{
    if (!PyWeakref_CheckProxy(o)) {
        return Py_NewRef(o);
    }
    PyObject *r = referent(R(o));
    if (r == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "weakly-referenced object no longer exists");
    }
    return r;
}

#define PROXY_UNARY(name, generic)                                                     \
    static PyObject *proxy_##name(PyObject *self)                                      \
    {                                                                                  \
        NJ_OWN o = unproxy(self);                                                      \
        return o ? generic(o) : NULL;                                                  \
    }
#define PROXY_BINARY(name, generic)                                                    \
    static PyObject *proxy_##name(PyObject *x, PyObject *y)                            \
    {                                                                                  \
        NJ_OWN a = unproxy(x);                                                         \
        NJ_OWN b = a ? unproxy(y) : NULL;                                              \
        return b ? generic(a, b) : NULL;                                               \
    }
#define PROXY_TERNARY(name, generic)                                                   \
    static PyObject *proxy_##name(PyObject *x, PyObject *y, PyObject *z)               \
    {                                                                                  \
        NJ_OWN a = unproxy(x);                                                         \
        NJ_OWN b = a ? unproxy(y) : NULL;                                              \
        NJ_OWN c = b && z ? unproxy(z) : NULL;                                         \
        if (b == NULL || (z && c == NULL)) {                                           \
            return NULL;                                                               \
        }                                                                              \
        return generic(a, b, c);                                                       \
    }

PROXY_BINARY(getattro, PyObject_GetAttr)
PROXY_UNARY(str, PyObject_Str)
PROXY_TERNARY(call, PyObject_Call)
PROXY_BINARY(add, PyNumber_Add)
PROXY_BINARY(sub, PyNumber_Subtract)
PROXY_BINARY(mul, PyNumber_Multiply)
PROXY_BINARY(floor_div, PyNumber_FloorDivide)
PROXY_BINARY(true_div, PyNumber_TrueDivide)
PROXY_BINARY(mod, PyNumber_Remainder)
PROXY_BINARY(divmod, PyNumber_Divmod)
PROXY_TERNARY(pow, PyNumber_Power)
PROXY_UNARY(neg, PyNumber_Negative)
PROXY_UNARY(pos, PyNumber_Positive)
PROXY_UNARY(abs, PyNumber_Absolute)
PROXY_UNARY(invert, PyNumber_Invert)
PROXY_BINARY(lshift, PyNumber_Lshift)
PROXY_BINARY(rshift, PyNumber_Rshift)
PROXY_BINARY(and, PyNumber_And)
PROXY_BINARY(xor, PyNumber_Xor)
PROXY_BINARY(or, PyNumber_Or)
PROXY_UNARY(int, PyNumber_Long)
PROXY_UNARY(float, PyNumber_Float)
PROXY_BINARY(iadd, PyNumber_InPlaceAdd)
PROXY_BINARY(isub, PyNumber_InPlaceSubtract)
PROXY_BINARY(imul, PyNumber_InPlaceMultiply)
PROXY_BINARY(ifloor_div, PyNumber_InPlaceFloorDivide)
PROXY_BINARY(itrue_div, PyNumber_InPlaceTrueDivide)
PROXY_BINARY(imod, PyNumber_InPlaceRemainder)
PROXY_TERNARY(ipow, PyNumber_InPlacePower)
PROXY_BINARY(ilshift, PyNumber_InPlaceLshift)
PROXY_BINARY(irshift, PyNumber_InPlaceRshift)
PROXY_BINARY(iand, PyNumber_InPlaceAnd)
PROXY_BINARY(ixor, PyNumber_InPlaceXor)
PROXY_BINARY(ior, PyNumber_InPlaceOr)
PROXY_UNARY(index, PyNumber_Index)
PROXY_BINARY(matmul, PyNumber_MatrixMultiply)
PROXY_BINARY(imatmul, PyNumber_InPlaceMatrixMultiply)
PROXY_BINARY(getitem, PyObject_GetItem)

static PyObject *
proxy_repr(PyObject *self)
{
    NJ_OWN o = referent(R(self));
    if (o == NULL) {
        return PyUnicode_FromFormat("<weakproxy at %p; dead>", self);
    }
    return PyUnicode_FromFormat("<weakproxy at %p; to '%T' at %p>", self, o, o);
}

static int
proxy_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    NJ_OWN o = unproxy(self);
    return o ? PyObject_SetAttr(o, name, value) : -1;
}

static PyObject *
proxy_richcompare(PyObject *x, PyObject *y, int op)
{
    NJ_OWN a = unproxy(x);
    NJ_OWN b = a ? unproxy(y) : NULL;
    return b ? PyObject_RichCompare(a, b, op) : NULL;
}

static int
proxy_bool(PyObject *self)
{
    NJ_OWN o = unproxy(self);
    return o ? PyObject_IsTrue(o) : -1;
}

static int
proxy_contains(PyObject *self, PyObject *value)
{
    NJ_OWN o = unproxy(self);
    return o ? PySequence_Contains(o, value) : -1;
}

static Py_ssize_t
proxy_length(PyObject *self)
{
    NJ_OWN o = unproxy(self);
    return o ? PyObject_Length(o) : -1;
}

static int
proxy_setitem(PyObject *self, PyObject *key, PyObject *value)
{
    NJ_OWN o = unproxy(self);
    if (o == NULL) {
        return -1;
    }
    return value ? PyObject_SetItem(o, key, value) : PyObject_DelItem(o, key);
}

static PyObject *
proxy_iter(PyObject *self)
{
    NJ_OWN o = unproxy(self);
    return o ? PyObject_GetIter(o) : NULL;
}

static PyObject *
proxy_iternext(PyObject *self)
{
    NJ_OWN o = unproxy(self);
    if (o == NULL) {
        return NULL;
    }
    if (!PyIter_Check(o)) {
        PyErr_Format(PyExc_TypeError,
                     "Weakref proxy referenced a non-iterator '%.200s' object",
                     Py_TYPE(o)->tp_name);
        return NULL;
    }
    return PyIter_Next(o);
}

static PyObject *
proxy_bytes(PyObject *self, PyObject *unused)
{
    NJ_OWN o = unproxy(self);
    return o ? PyObject_CallMethodNoArgs(o, NJ_ID(__bytes__)) : NULL;
}

static PyObject *
proxy_reversed(PyObject *self, PyObject *unused)
{
    NJ_OWN o = unproxy(self);
    return o ? PyObject_CallMethodNoArgs(o, NJ_ID(__reversed__)) : NULL;
}

static void
proxy_dealloc(PyObject *self)
{
    nj_gc_untrack(self);
    nj_weakref_clear_ref(R(self));
    Py_CLEAR(R(self)->wr_callback);
    PyObject_GC_Del(self);
}

static PyMethodDef proxy_methods[] = {
    {"__bytes__", proxy_bytes, METH_NOARGS, "__bytes__($self, /)\n--\n\n"},
    {"__reversed__", proxy_reversed, METH_NOARGS, "__reversed__($self, /)\n--\n\n"},
    {0},
};

static PyNumberMethods proxy_as_number = {
    .nb_add = proxy_add,
    .nb_subtract = proxy_sub,
    .nb_multiply = proxy_mul,
    .nb_remainder = proxy_mod,
    .nb_divmod = proxy_divmod,
    .nb_power = proxy_pow,
    .nb_negative = proxy_neg,
    .nb_positive = proxy_pos,
    .nb_absolute = proxy_abs,
    .nb_bool = proxy_bool,
    .nb_invert = proxy_invert,
    .nb_lshift = proxy_lshift,
    .nb_rshift = proxy_rshift,
    .nb_and = proxy_and,
    .nb_xor = proxy_xor,
    .nb_or = proxy_or,
    .nb_int = proxy_int,
    .nb_float = proxy_float,
    .nb_inplace_add = proxy_iadd,
    .nb_inplace_subtract = proxy_isub,
    .nb_inplace_multiply = proxy_imul,
    .nb_inplace_remainder = proxy_imod,
    .nb_inplace_power = proxy_ipow,
    .nb_inplace_lshift = proxy_ilshift,
    .nb_inplace_rshift = proxy_irshift,
    .nb_inplace_and = proxy_iand,
    .nb_inplace_xor = proxy_ixor,
    .nb_inplace_or = proxy_ior,
    .nb_floor_divide = proxy_floor_div,
    .nb_true_divide = proxy_true_div,
    .nb_inplace_floor_divide = proxy_ifloor_div,
    .nb_inplace_true_divide = proxy_itrue_div,
    .nb_index = proxy_index,
    .nb_matrix_multiply = proxy_matmul,
    .nb_inplace_matrix_multiply = proxy_imatmul,
};
static PySequenceMethods proxy_as_sequence = {
    .sq_length = proxy_length,
    .sq_contains = proxy_contains,
};
static PyMappingMethods proxy_as_mapping = {
    .mp_length = proxy_length,
    .mp_subscript = proxy_getitem,
    .mp_ass_subscript = proxy_setitem,
};

PyTypeObject _PyWeakref_ProxyType = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "weakref.ProxyType",
    .tp_basicsize = sizeof(PyWeakReference),
    .tp_dealloc = proxy_dealloc,
    .tp_repr = proxy_repr,
    .tp_as_number = &proxy_as_number,
    .tp_as_sequence = &proxy_as_sequence,
    .tp_as_mapping = &proxy_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_str = proxy_str,
    .tp_getattro = proxy_getattro,
    .tp_setattro = proxy_setattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = ref_traverse,
    .tp_clear = ref_clear,
    .tp_richcompare = proxy_richcompare,
    .tp_iter = proxy_iter,
    .tp_iternext = proxy_iternext,
    .tp_methods = proxy_methods,
};

PyTypeObject _PyWeakref_CallableProxyType = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "weakref.CallableProxyType",
    .tp_basicsize = sizeof(PyWeakReference),
    .tp_dealloc = proxy_dealloc,
    .tp_repr = proxy_repr,
    .tp_as_number = &proxy_as_number,
    .tp_as_sequence = &proxy_as_sequence,
    .tp_as_mapping = &proxy_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_call = proxy_call,
    .tp_str = proxy_str,
    .tp_getattro = proxy_getattro,
    .tp_setattro = proxy_setattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = ref_traverse,
    .tp_clear = ref_clear,
    .tp_richcompare = proxy_richcompare,
    .tp_iter = proxy_iter,
    .tp_iternext = proxy_iternext,
};

/* ======================================================================================
 * Public API
 * ====================================================================================== */

PyObject **
PyObject_GET_WEAKREFS_LISTPTR(PyObject *op)
{
    return nj_obj_weaklist_slot(op);
}

PyObject *
PyWeakref_NewRef(PyObject *ob, PyObject *callback)
{
    return make_ref(&_PyWeakref_RefType, ob, callback);
}

PyObject *
PyWeakref_NewProxy(PyObject *ob, PyObject *callback)
{
    return make_ref(PyCallable_Check(ob) ? &_PyWeakref_CallableProxyType
                                         : &_PyWeakref_ProxyType,
                    ob, callback);
}

int
PyWeakref_IsDead(PyObject *ref)
{
    if (ref == NULL) {
        PyErr_BadInternalCall();
        return -1;
    }
    if (!PyWeakref_Check(ref)) {
        PyErr_Format(PyExc_TypeError, "expected a weakref, got %T", ref);
        return -1;
    }
    PyObject *o = R(ref)->wr_object;
    return o == Py_None || Py_REFCNT(o) == 0;
}

int
PyWeakref_GetRef(PyObject *ref, PyObject **pobj)
{
    *pobj = NULL;
    if (ref == NULL) {
        PyErr_BadInternalCall();
        return -1;
    }
    if (!PyWeakref_Check(ref)) {
        PyErr_SetString(PyExc_TypeError, "expected a weakref");
        return -1;
    }
    *pobj = referent(R(ref));
    return *pobj != NULL;
}

PyObject *
PyWeakref_GetObject(PyObject *ref)
{
    if (ref == NULL || !PyWeakref_Check(ref)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    PyObject *o = referent(R(ref));
    if (o == NULL) {
        return Py_None;
    }
    Py_DECREF(o);
    return o; /* borrowed, as documented */
}

/* ======================================================================================
 * The module _weakref
 * ====================================================================================== */

static PyObject *
weakref_getweakrefcount(PyObject *module, PyObject *object)
{
    return PyLong_FromSsize_t(nj_weakref_count(object));
}

static PyObject *
weakref_getweakrefs(PyObject *module, PyObject *object)
{
    NJ_OWN list = PyList_New(0);
    PyObject **slot = nj_obj_weaklist_slot(object);
    for (PyWeakReference *r = slot ? R(*slot) : NULL; list && r; r = r->wr_next) {
        if (Py_REFCNT(r) > 0 && PyList_Append(list, (PyObject *)r) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static PyObject *
weakref_remove_dead(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("_remove_dead_weakref", nargs, 2, 2)) {
        return NULL;
    }
    if (!PyDict_Check(args[0])) {
        _PyArg_BadArgument("_remove_dead_weakref", "argument 1", "dict", args[0]);
        return NULL;
    }
    PyObject *found;
    int r = PyDict_GetItemRef(args[0], args[1], &found);
    if (r < 0) {
        return NULL;
    }
    NJ_OWN ref = found;
    if (ref) {
        if (!PyWeakref_Check(ref)) {
            PyErr_SetString(PyExc_TypeError, "not a weakref");
            return NULL;
        }
        if (PyWeakref_IsDead(ref) && PyDict_DelItem(args[0], args[1]) < 0) {
            if (!PyErr_ExceptionMatches(PyExc_KeyError)) {
                return NULL;
            }
            PyErr_Clear();
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
weakref_proxy(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("proxy", nargs, 1, 2)) {
        return NULL;
    }
    return PyWeakref_NewProxy(args[0], nargs > 1 ? args[1] : NULL);
}

static PyMethodDef weakref_functions[] = {
    {"getweakrefcount", weakref_getweakrefcount, METH_O,
     "getweakrefcount($module, object, /)\n--\n\n"
     "Return the number of weak references to 'object'."},
    {"_remove_dead_weakref", (PyCFunction)(void (*)(void))weakref_remove_dead,
     METH_FASTCALL,
     "_remove_dead_weakref($module, dct, key, /)\n--\n\n"
     "Atomically remove key from dict if it points to a dead weakref."},
    {"getweakrefs", weakref_getweakrefs, METH_O,
     "getweakrefs($module, object, /)\n--\n\n"
     "Return a list of all weak reference objects pointing to 'object'."},
    {"proxy", (PyCFunction)(void (*)(void))weakref_proxy, METH_FASTCALL,
     "proxy($module, object, callback=None, /)\n--\n\n"
     "Create a proxy object that weakly references 'object'."},
    {0},
};

static int
weakref_exec(PyObject *m)
{
    if (PyModule_AddObjectRef(m, "ref", (PyObject *)&_PyWeakref_RefType) < 0 ||
        PyModule_AddObjectRef(m, "ReferenceType", (PyObject *)&_PyWeakref_RefType) < 0 ||
        PyModule_AddObjectRef(m, "ProxyType", (PyObject *)&_PyWeakref_ProxyType) < 0 ||
        PyModule_AddObjectRef(m, "CallableProxyType",
                              (PyObject *)&_PyWeakref_CallableProxyType) < 0) {
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot weakref_slots[] = {
    {Py_mod_exec, weakref_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static PyModuleDef weakref_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_weakref",
    .m_doc = "Weak-reference support module.",
    .m_methods = weakref_functions,
    .m_slots = weakref_slots,
};

PyMODINIT_FUNC PyInit__weakref(void);

PyMODINIT_FUNC
PyInit__weakref(void)
{
    return PyModuleDef_Init(&weakref_module);
}

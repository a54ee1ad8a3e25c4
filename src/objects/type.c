/* type.c - the type `type': making classes, their attributes, and their instances' lives
 *
 * Three ways to a type, one end: a static PyTypeObject, a PyType_Spec, or a class
 * statement (type.__new__) all fill a PyTypeObject and go through PyType_Ready, which
 * completes bases, dict, MRO and inherited slots.
 *
 * Static built-in types are shared by all interpreters: after nj_types_init they and all
 * that hangs from them is immortal and never written again. What differs per interpreter
 * (subclasses, weak references) lives in NjTypeState under the index in tp_subclasses.
 *
 * Classes made by Python code are always GC types. Instances have a managed dict and weak
 * reference list in front of the object unless __slots__ or a base says otherwise.
 *
 * Dangers: PyType_Modified before any change of a type's dict or MRO becomes visible.
 * subtype_dealloc runs arbitrary code (finalizers, weak reference callbacks): the object
 * must look alive to it.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/abstract.h"
#include "capi/args.h"
#include "modules/datetime/ready.h"
#include "objects/exc_int.h"
#include "objects/tuple_int.h"
#include "objects/type_priv.h"
#include "objects/typing_int.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

static PyObject *type_new(PyTypeObject *metatype, PyObject *args, PyObject *kwds);

/* ======================================================================================
 * Allocation
 * ====================================================================================== */

void
nj_make_immortal(PyObject *op)
{
    if (_Py_IsImmortal(op)) {
        return;
    }
    if (PyObject_IS_GC(op) && nj_gc_is_tracked(op)) {
        nj_gc_untrack(op);
    }
    op->ob_refcnt_full = (int64_t)_Py_IMMORTAL_INITIAL_REFCNT;
}

size_t
nj_type_instance_size(PyTypeObject *tp, Py_ssize_t nitems)
{
    size_t size = (size_t)tp->tp_basicsize;
    if (tp->tp_itemsize) {
        size = _PyObject_VAR_SIZE(tp, nitems);
    }
    else if (tp->tp_flags & Py_TPFLAGS_INLINE_VALUES) {
        size += nj_inst_extra_size(tp);
    }
    return size;
}

PyObject *
nj_type_alloc_untracked(PyTypeObject *tp, Py_ssize_t nitems)
{
    /* one item more: a sentinel for types like str and tuple that like one */
    size_t size = nj_type_instance_size(tp, tp->tp_itemsize ? nitems + 1 : 0);
    size_t pre = nj_type_preheader(tp);
    char *mem = PyObject_Malloc(pre + size);
    if (NJ_UNLIKELY(mem == NULL)) {
        return PyErr_NoMemory();
    }
    memset(mem, 0, pre + size);
    PyObject *op = (PyObject *)(mem + pre);
    if (nj_type_is_gc(tp)) {
        nj_gc_count_alloc(nj_interp());
    }
    if (tp->tp_itemsize == 0) {
        (void)PyObject_Init(op, tp);
        if (tp->tp_flags & Py_TPFLAGS_INLINE_VALUES) {
            nj_inst_init(op, tp);
        }
    }
    else {
        (void)PyObject_InitVar((PyVarObject *)op, tp, nitems);
    }
    return op;
}

PyObject *
PyType_GenericAlloc(PyTypeObject *tp, Py_ssize_t nitems)
{
    PyObject *op = nj_type_alloc_untracked(tp, nitems);
    if (op && nj_type_is_gc(tp)) {
        nj_gc_track(op);
    }
    return op;
}

PyObject *
PyType_GenericNew(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return type->tp_alloc(type, 0);
}

bool
nj_type_plain_new(PyTypeObject *tp)
{
    return tp->tp_new == nj_object_new && tp->tp_alloc == PyType_GenericAlloc &&
           !(tp->tp_flags & Py_TPFLAGS_IS_ABSTRACT);
}

/* ======================================================================================
 * Instances of Python classes
 * ====================================================================================== */

static PyMemberDef *
heap_members(PyTypeObject *type)
{
    return (PyMemberDef *)((char *)type + Py_TYPE(type)->tp_basicsize);
}

static int
subtype_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyTypeObject *type = Py_TYPE(self);
    PyTypeObject *base = type;
    traverseproc basetraverse;
    while ((basetraverse = base->tp_traverse) == subtype_traverse) {
        Py_ssize_t n = Py_SIZE(base);
        PyMemberDef *m = heap_members(base);
        for (Py_ssize_t i = 0; i < n; i++, m++) {
            if (m->type == Py_T_OBJECT_EX) {
                Py_VISIT(*(PyObject **)((char *)self + m->offset));
            }
        }
        base = base->tp_base;
    }
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        /* a C type that has the flag itself visits the dictionary in its own function, and a
         * second visit would count its contents twice */
        bool visited = basetraverse && (base->tp_flags & Py_TPFLAGS_MANAGED_DICT);
        int r = visited ? 0 : PyObject_VisitManagedDict(self, visit, arg);
        if (r) {
            return r;
        }
    }
    else if (type->tp_dictoffset != base->tp_dictoffset) {
        PyObject **slot = nj_obj_dict_slot(self);
        if (slot) {
            Py_VISIT(*slot);
        }
    }
    if (nj_type_is_heap(type) && (!basetraverse || !nj_type_is_heap(base))) {
        Py_VISIT(type);
    }
    return basetraverse ? basetraverse(self, visit, arg) : 0;
}

static void
clear_slots(PyTypeObject *type, PyObject *self)
{
    Py_ssize_t n = Py_SIZE(type);
    PyMemberDef *m = heap_members(type);
    for (Py_ssize_t i = 0; i < n; i++, m++) {
        if (m->type == Py_T_OBJECT_EX && !(m->flags & Py_READONLY)) {
            PyObject **p = (PyObject **)((char *)self + m->offset);
            Py_CLEAR(*p);
        }
    }
}

static int
subtype_clear(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyTypeObject *base = type;
    inquiry baseclear;
    while ((baseclear = base->tp_clear) == subtype_clear) {
        if (Py_SIZE(base)) {
            clear_slots(base, self);
        }
        base = base->tp_base;
    }
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        PyObject_ClearManagedDict(self);
    }
    else if (type->tp_dictoffset != base->tp_dictoffset) {
        PyObject **slot = nj_obj_dict_slot(self);
        if (slot) {
            Py_CLEAR(*slot);
        }
    }
    return baseclear ? baseclear(self) : 0;
}

/* Weak references to an object that dies, where its own type added the list. self is not
 * tracked: a collection during a callback must not see a reference count of 0. */
static void
clear_own_weakrefs(PyObject *self, PyTypeObject *type, PyTypeObject *base)
{
    if (type->tp_weaklistoffset && !base->tp_weaklistoffset &&
        *nj_obj_weaklist_slot(self)) {
        PyObject_ClearWeakRefs(self);
    }
}

void
nj_subtype_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyTypeObject *base = type;
    destructor basedealloc;
    bool has_slots = false;

    if (nj_type_is_gc(type)) {
        nj_gc_untrack(self);
    }
    while ((basedealloc = base->tp_dealloc) == nj_subtype_dealloc) {
        has_slots |= Py_SIZE(base) != 0;
        base = base->tp_base;
    }
    if (NJ_UNLIKELY(type->tp_finalize || type->tp_del)) {
        if (nj_type_is_gc(type)) {
            nj_gc_track(self);
        }
        if (type->tp_finalize && PyObject_CallFinalizerFromDealloc(self) < 0) {
            return; /* resurrected */
        }
        if (type->tp_del) {
            bool gc = nj_type_is_gc(type);
            if (gc) {
                nj_gc_untrack(self);
            }
            clear_own_weakrefs(self, type, base);
            if (gc) {
                nj_gc_track(self);
            }
            type->tp_del(self);
            if (Py_REFCNT(self) > 0) {
                return;
            }
        }
        if (nj_type_is_gc(type)) {
            nj_gc_untrack(self);
        }
    }
    clear_own_weakrefs(self, type, base);
    if (has_slots) {
        for (PyTypeObject *b = type; b->tp_dealloc == nj_subtype_dealloc;
             b = b->tp_base) {
            if (Py_SIZE(b)) {
                clear_slots(b, self);
            }
        }
    }
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        PyObject_ClearManagedDict(self);
    }
    else if (type->tp_dictoffset && !base->tp_dictoffset) {
        PyObject **slot = nj_obj_dict_slot(self);
        if (slot) {
            Py_CLEAR(*slot);
        }
    }
    /* a finalizer may have assigned __class__ */
    type = Py_TYPE(self);
    bool drop_type = nj_type_is_heap(type) && !nj_type_is_heap(base);
    if (base == &PyBaseObject_Type) {
        type->tp_free(self);
    }
    else {
        if (nj_type_is_gc(type) && nj_type_is_gc(base)) {
            nj_gc_track(self); /* what the base's dealloc expects */
        }
        basedealloc(self);
    }
    if (drop_type) {
        Py_DECREF(type);
    }
}

void
PyObject_CallFinalizer(PyObject *self)
{
    PyTypeObject *tp = Py_TYPE(self);
    if (tp->tp_finalize == NULL) {
        return;
    }
    if (nj_type_is_gc(tp) && (nj_gc_head(self)->prev & NJ_GC_FINALIZED)) {
        return;
    }
    tp->tp_finalize(self);
    if (nj_type_is_gc(tp)) {
        nj_gc_head(self)->prev |= NJ_GC_FINALIZED;
    }
}

int
PyObject_CallFinalizerFromDealloc(PyObject *self)
{
    /* alive again for as long as the finalizer runs */
    self->ob_refcnt_full = 1;
    PyObject_CallFinalizer(self);
    if (Py_REFCNT(self) == 1) {
        self->ob_refcnt_full = 0;
        return 0;
    }
    self->ob_refcnt_full -= 1;
    return -1;
}

/* ======================================================================================
 * Names
 * ====================================================================================== */

const char *
_PyType_Name(PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.');
    return dot ? dot + 1 : type->tp_name;
}

static PyObject *
type_get_name(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (nj_type_is_heap(type)) {
        return Py_NewRef(((PyHeapTypeObject *)type)->ht_name);
    }
    return PyUnicode_FromString(_PyType_Name(type));
}

static PyObject *
type_get_qualname(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (nj_type_is_heap(type)) {
        return Py_NewRef(((PyHeapTypeObject *)type)->ht_qualname);
    }
    return PyUnicode_FromString(_PyType_Name(type));
}

NJ_COLD static int
raise_immutable(PyTypeObject *type, const char *name)
{
    PyErr_Format(PyExc_TypeError,
                 "cannot set '%s' attribute of immutable type '%s'", name,
                 type->tp_name);
    return -1;
}

/* Common checks of the setters of special attributes: mutable type, not a deletion. */
static int
check_set(PyTypeObject *type, PyObject *value, const char *name)
{
    if (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) {
        return raise_immutable(type, name);
    }
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "cannot delete '%s' attribute of immutable type '%s'",
                     name, type->tp_name);
        return -1;
    }
    return PySys_Audit("object.__setattr__", "OsO", type, name, value);
}

static int
type_set_name(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (check_set(type, value, "__name__") < 0) {
        return -1;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError, "can only assign string to %s.__name__, not '%s'",
                     type->tp_name, Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    const char *s = PyUnicode_AsUTF8AndSize(value, &size);
    if (s == NULL) {
        return -1;
    }
    if (strlen(s) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "type name must not contain null characters");
        return -1;
    }
    PyType_Modified(type);
    type->tp_name = s;
    Py_SETREF(((PyHeapTypeObject *)type)->ht_name, Py_NewRef(value));
    return 0;
}

static int
type_set_qualname(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (check_set(type, value, "__qualname__") < 0) {
        return -1;
    }
    if (!PyUnicode_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "can only assign string to %s.__qualname__, not '%s'",
                     type->tp_name, Py_TYPE(value)->tp_name);
        return -1;
    }
    Py_SETREF(((PyHeapTypeObject *)type)->ht_qualname, Py_NewRef(value));
    return 0;
}

/* The module's name: new reference (not always a str) or NULL. */
static PyObject *
type_get_module(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (nj_type_is_heap(type)) {
        PyObject *mod;
        int r = PyDict_GetItemRef(type->tp_dict, NJ_ID(__module__), &mod);
        if (r == 0) {
            PyErr_SetObject(PyExc_AttributeError, NJ_ID(__module__));
        }
        return mod;
    }
    const char *dot = strrchr(type->tp_name, '.');
    if (dot == NULL) {
        return Py_NewRef(NJ_ID(builtins));
    }
    PyObject *mod = PyUnicode_FromStringAndSize(type->tp_name, dot - type->tp_name);
    if (mod) {
        PyUnicode_InternInPlace(&mod);
    }
    return mod;
}

static int
type_set_module(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (check_set(type, value, "__module__") < 0) {
        return -1;
    }
    PyType_Modified(type);
    if (PyDict_SetItem(type->tp_dict, NJ_ID(__module__), value) < 0) {
        return -1;
    }
    /* the first line belongs to the old module */
    return PyDict_Pop(type->tp_dict, NJ_ID(__firstlineno__), NULL) < 0 ? -1 : 0;
}

PyObject *
PyType_GetName(PyTypeObject *type)
{
    return type_get_name((PyObject *)type, NULL);
}

PyObject *
PyType_GetQualName(PyTypeObject *type)
{
    return type_get_qualname((PyObject *)type, NULL);
}

PyObject *
PyType_GetModuleName(PyTypeObject *type)
{
    return type_get_module((PyObject *)type, NULL);
}

static PyObject *
full_name(PyTypeObject *type, char sep)
{
    if (!nj_type_is_heap(type)) {
        return PyUnicode_FromString(type->tp_name);
    }
    NJ_OWN qualname = type_get_qualname((PyObject *)type, NULL);
    NJ_OWN module = qualname ? type_get_module((PyObject *)type, NULL) : NULL;
    if (module == NULL) {
        return NULL;
    }
    if (PyUnicode_Check(module) &&
        !PyUnicode_EqualToUTF8(module, "builtins") &&
        !PyUnicode_EqualToUTF8(module, "__main__")) {
        return PyUnicode_FromFormat("%U%c%U", module, sep, qualname);
    }
    return NJ_TAKE(qualname);
}

PyObject *
PyType_GetFullyQualifiedName(PyTypeObject *type)
{
    return full_name(type, '.');
}

PyObject *
nj_type_full_name(PyTypeObject *type, bool colon)
{
    return full_name(type, colon ? ':' : '.');
}

static PyObject *
type_repr(PyObject *self)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (type->tp_name == NULL) {
        return PyUnicode_FromFormat("<class at %p>", type);
    }
    NJ_OWN mod = type_get_module(self, NULL);
    if (mod == NULL) {
        PyErr_Clear();
    }
    else if (!PyUnicode_Check(mod)) {
        NJ_SET(mod, NULL);
    }
    NJ_OWN name = type_get_qualname(self, NULL);
    if (name == NULL) {
        return NULL;
    }
    if (mod && !PyUnicode_EqualToUTF8(mod, "builtins")) {
        return PyUnicode_FromFormat("<class '%U.%U'>", mod, name);
    }
    return PyUnicode_FromFormat("<class '%s'>", type->tp_name);
}

/* ======================================================================================
 * Other attributes of classes
 * ====================================================================================== */

static PyObject *
type_get_bases(PyObject *self, void *closure)
{
    PyObject *bases = ((PyTypeObject *)self)->tp_bases;
    return bases ? Py_NewRef(bases) : Py_NewRef(Py_None);
}

static PyObject *
type_get_mro(PyObject *self, void *closure)
{
    PyObject *mro = ((PyTypeObject *)self)->tp_mro;
    return mro ? Py_NewRef(mro) : Py_NewRef(Py_None);
}

static PyObject *
type_get_dict(PyObject *self, void *closure)
{
    PyObject *dict = ((PyTypeObject *)self)->tp_dict;
    return dict ? PyDictProxy_New(dict) : Py_NewRef(Py_None);
}

PyObject *
PyType_GetDict(PyTypeObject *type)
{
    return Py_XNewRef(type->tp_dict);
}

static PyObject *
type_get_doc(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (!nj_type_is_heap(type) && type->tp_doc != NULL) {
        return nj_doc_text(type->tp_name, type->tp_doc);
    }
    PyObject *doc;
    int r = PyDict_GetItemRef(type->tp_dict, NJ_ID(__doc__), &doc);
    if (r < 0) {
        return NULL;
    }
    if (r == 0) {
        return Py_NewRef(Py_None);
    }
    descrgetfunc get = Py_TYPE(doc)->tp_descr_get;
    if (get) {
        Py_SETREF(doc, get(doc, NULL, self));
    }
    return doc;
}

static int
type_set_doc(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (check_set(type, value, "__doc__") < 0) {
        return -1;
    }
    PyType_Modified(type);
    return PyDict_SetItem(type->tp_dict, NJ_ID(__doc__), value);
}

static PyObject *
type_get_text_signature(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    return nj_doc_signature(type->tp_name, type->tp_doc);
}

static PyObject *
type_get_abstractmethods(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    PyObject *res = NULL;
    /* type itself has the getset: do not find that */
    if (type != &PyType_Type &&
        PyDict_GetItemRef(type->tp_dict, NJ_ID(__abstractmethods__), &res) < 0) {
        return NULL;
    }
    if (res == NULL) {
        PyErr_SetObject(PyExc_AttributeError, NJ_ID(__abstractmethods__));
    }
    return res;
}

static int
type_set_abstractmethods(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    int abstract;
    if (value) {
        abstract = PyObject_IsTrue(value);
        if (abstract < 0) {
            return -1;
        }
        if (PyDict_SetItem(type->tp_dict, NJ_ID(__abstractmethods__), value) < 0) {
            return -1;
        }
    }
    else {
        abstract = 0;
        int r = PyDict_Pop(type->tp_dict, NJ_ID(__abstractmethods__), NULL);
        if (r < 0) {
            return -1;
        }
        if (r == 0) {
            PyErr_SetObject(PyExc_AttributeError, NJ_ID(__abstractmethods__));
            return -1;
        }
    }
    PyType_Modified(type);
    if (abstract) {
        type->tp_flags |= Py_TPFLAGS_IS_ABSTRACT;
    }
    else {
        type->tp_flags &= ~Py_TPFLAGS_IS_ABSTRACT;
    }
    return 0;
}

static PyObject *
type_get_annotate(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (!nj_type_is_heap(type)) {
        PyErr_Format(PyExc_AttributeError,
                     "type object '%s' has no attribute '__annotate__'", type->tp_name);
        return NULL;
    }
    PyObject *annotate;
    /* one that the body defined comes before the compiler's */
    if (PyDict_GetItemRef(type->tp_dict, NJ_ID(__annotate__), &annotate) < 0 ||
        (annotate == NULL &&
         PyDict_GetItemRef(type->tp_dict, NJ_ID(__annotate_func__), &annotate) < 0)) {
        return NULL;
    }
    if (annotate) {
        descrgetfunc get = Py_TYPE(annotate)->tp_descr_get;
        if (get) {
            Py_SETREF(annotate, get(annotate, NULL, self));
        }
        return annotate;
    }
    if (PyDict_SetItem(type->tp_dict, NJ_ID(__annotate_func__), Py_None) < 0) {
        return NULL;
    }
    return Py_NewRef(Py_None);
}

static int
type_set_annotate(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "cannot delete __annotate__ attribute");
        return -1;
    }
    if (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) {
        return raise_immutable(type, "__annotate__");
    }
    if (!Py_IsNone(value) && !PyCallable_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "__annotate__ must be callable or None");
        return -1;
    }
    PyType_Modified(type);
    if (PyDict_SetItem(type->tp_dict, NJ_ID(__annotate_func__), value) < 0) {
        return -1;
    }
    if (!Py_IsNone(value) &&
        PyDict_Pop(type->tp_dict, NJ_ID(__annotations_cache__), NULL) < 0) {
        return -1;
    }
    return 0;
}

static PyObject *
type_get_annotations(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (!nj_type_is_heap(type)) {
        PyErr_Format(PyExc_AttributeError,
                     "type object '%s' has no attribute '__annotations__'",
                     type->tp_name);
        return NULL;
    }
    PyObject *ann;
    if (PyDict_GetItemRef(type->tp_dict, NJ_ID(__annotations__), &ann) < 0) {
        return NULL;
    }
    if (ann == NULL &&
        PyDict_GetItemRef(type->tp_dict, NJ_ID(__annotations_cache__), &ann) < 0) {
        return NULL;
    }
    if (ann) {
        descrgetfunc get = Py_TYPE(ann)->tp_descr_get;
        if (get) {
            Py_SETREF(ann, get(ann, NULL, self));
        }
        return ann;
    }
    NJ_OWN annotate = PyObject_GetAttr(self, NJ_ID(__annotate__));
    if (annotate == NULL) {
        return NULL;
    }
    NJ_OWN res = NULL;
    if (PyCallable_Check(annotate)) {
        NJ_OWN one = PyLong_FromLong(1);
        NJ_SET(res, PyObject_CallOneArg(annotate, one));
        if (res == NULL) {
            return NULL;
        }
        if (!PyDict_Check(res)) {
            PyErr_Format(PyExc_TypeError,
                         "__annotate__ returned non-dict of type '%.100s'",
                         Py_TYPE(res)->tp_name);
            return NULL;
        }
    }
    else {
        NJ_SET(res, PyDict_New());
    }
    if (res == NULL ||
        PyDict_SetItem(type->tp_dict, NJ_ID(__annotations_cache__), res) < 0) {
        return NULL;
    }
    return NJ_TAKE(res);
}

static int
type_set_annotations(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) {
        return raise_immutable(type, "__annotations__");
    }
    PyObject *dict = type->tp_dict;
    PyType_Modified(type);
    if (value != NULL) {
        /* where a class body with "from __future__ import annotations" put it */
        int has = PyDict_Contains(dict, NJ_ID(__annotations__));
        if (has < 0 ||
            PyDict_SetItem(dict,
                           has ? NJ_ID(__annotations__) : NJ_ID(__annotations_cache__),
                           value) < 0) {
            return -1;
        }
    }
    else {
        int r = PyDict_Pop(dict, NJ_ID(__annotations__), NULL);
        if (r == 0) {
            r = PyDict_Pop(dict, NJ_ID(__annotations_cache__), NULL);
        }
        if (r < 0) {
            return -1;
        }
        if (r == 0) {
            PyErr_SetString(PyExc_AttributeError, "__annotations__");
            return -1;
        }
    }
    if (PyDict_Pop(dict, NJ_ID(__annotate_func__), NULL) < 0 ||
        PyDict_Pop(dict, NJ_ID(__annotate__), NULL) < 0) {
        return -1;
    }
    return 0;
}

static PyObject *
type_get_type_params(PyObject *self, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (type == &PyType_Type) {
        return PyTuple_New(0);
    }
    PyObject *params;
    int r = PyDict_GetItemRef(type->tp_dict, NJ_ID(__type_params__), &params);
    return r == 0 ? PyTuple_New(0) : params;
}

static int
type_set_type_params(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (check_set(type, value, "__type_params__") < 0) {
        return -1;
    }
    PyType_Modified(type);
    return PyDict_SetItem(type->tp_dict, NJ_ID(__type_params__), value);
}

/* ---- layouts ----------------------------------------------------------------------- */

/* True if `type' adds to the C layout of `base': managed dicts and weakrefs do not. */
static bool
adds_fields(PyTypeObject *type, PyTypeObject *base)
{
    size_t t = (size_t)type->tp_basicsize, b = (size_t)base->tp_basicsize;
    return t != b || type->tp_itemsize != base->tp_itemsize;
}

static PyTypeObject *
solid_base(PyTypeObject *type)
{
    PyTypeObject *base = type->tp_base ? solid_base(type->tp_base) : &PyBaseObject_Type;
    return adds_fields(type, base) ? type : base;
}

PyTypeObject *
nj_type_best_base(PyObject *bases)
{
    PyTypeObject *winner = NULL, *base = NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
        PyObject *b = PyTuple_GET_ITEM(bases, i);
        if (!PyType_Check(b)) {
            PyErr_SetString(PyExc_TypeError, "bases must be types");
            return NULL;
        }
        PyTypeObject *t = (PyTypeObject *)b;
        if (!(t->tp_flags & Py_TPFLAGS_READY) && PyType_Ready(t) < 0) {
            return NULL;
        }
        if (!(t->tp_flags & Py_TPFLAGS_BASETYPE)) {
            PyErr_Format(PyExc_TypeError,
                         "type '%.100s' is not an acceptable base type", t->tp_name);
            return NULL;
        }
        PyTypeObject *cand = solid_base(t);
        if (winner == NULL) {
            winner = cand;
            base = t;
        }
        else if (PyType_IsSubtype(winner, cand)) {
        }
        else if (PyType_IsSubtype(cand, winner)) {
            winner = cand;
            base = t;
        }
        else {
            PyErr_SetString(PyExc_TypeError,
                            "multiple bases have instance lay-out conflict");
            return NULL;
        }
    }
    return base;
}

/* True if the two types add the same slots (names and order) to the same base. */
static bool
same_slots_added(PyTypeObject *a, PyTypeObject *b)
{
    PyTypeObject *base = a->tp_base;
    if (base != b->tp_base || !nj_type_is_heap(a) || !nj_type_is_heap(b)) {
        return false;
    }
    Py_ssize_t size = base->tp_basicsize;
    if (a->tp_dictoffset == size && b->tp_dictoffset == size) {
        size += (Py_ssize_t)sizeof(PyObject *);
    }
    if (a->tp_weaklistoffset == size && b->tp_weaklistoffset == size) {
        size += (Py_ssize_t)sizeof(PyObject *);
    }
    PyObject *sa = ((PyHeapTypeObject *)a)->ht_slots;
    PyObject *sb = ((PyHeapTypeObject *)b)->ht_slots;
    if (sa && sb) {
        if (PyObject_RichCompareBool(sa, sb, Py_EQ) != 1) {
            PyErr_Clear();
            return false;
        }
        size += (Py_ssize_t)sizeof(PyObject *) * PyTuple_GET_SIZE(sa);
    }
    return size == a->tp_basicsize && size == b->tp_basicsize;
}

static bool
same_shape(PyTypeObject *a, PyTypeObject *b)
{
    return a->tp_basicsize == b->tp_basicsize && a->tp_itemsize == b->tp_itemsize &&
           a->tp_dictoffset == b->tp_dictoffset &&
           a->tp_weaklistoffset == b->tp_weaklistoffset &&
           (a->tp_flags & Py_TPFLAGS_HAVE_GC) == (b->tp_flags & Py_TPFLAGS_HAVE_GC) &&
           (a->tp_flags & Py_TPFLAGS_INLINE_VALUES) ==
               (b->tp_flags & Py_TPFLAGS_INLINE_VALUES);
}

static bool
compatible_with_base(PyTypeObject *type)
{
    PyTypeObject *base = type->tp_base;
    return base && same_shape(type, base) && type->tp_free == base->tp_free;
}

static bool
check_compatible(PyTypeObject *oldto, PyTypeObject *newto, const char *attr)
{
    if (newto->tp_free != oldto->tp_free) {
        PyErr_Format(PyExc_TypeError, "%s assignment: '%s' deallocator differs from '%s'",
                     attr, newto->tp_name, oldto->tp_name);
        return false;
    }
    const unsigned long layout = Py_TPFLAGS_PREHEADER | Py_TPFLAGS_INLINE_VALUES |
                                 Py_TPFLAGS_HAVE_GC;
    if ((newto->tp_flags & layout) != (oldto->tp_flags & layout)) {
        PyErr_Format(PyExc_TypeError,
                     "%s assignment: '%s' object layout differs from '%s'", attr,
                     newto->tp_name, oldto->tp_name);
        return false;
    }
    PyTypeObject *nb = newto, *ob = oldto;
    while (compatible_with_base(nb)) {
        nb = nb->tp_base;
    }
    while (compatible_with_base(ob)) {
        ob = ob->tp_base;
    }
    if (nb != ob && (nb->tp_base != ob->tp_base || !same_slots_added(nb, ob))) {
        PyErr_Format(PyExc_TypeError,
                     "%s assignment: '%s' object layout differs from '%s'", attr,
                     newto->tp_name, oldto->tp_name);
        return false;
    }
    return true;
}

/* ---- __bases__ assignment ---- */

static int recompute_mro(PyTypeObject *type, PyObject *undo);

static int
recompute_subclass_mros(PyTypeObject *type, PyObject *undo)
{
    NJ_OWN subs = nj_type_lookup_subclasses(type);
    if (subs == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(subs); i++) {
        if (recompute_mro((PyTypeObject *)PyList_GET_ITEM(subs, i), undo) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Recomputes the MRO of a type and all below; undo collects (type, new mro, old mro). */
static int
recompute_mro(PyTypeObject *type, PyObject *undo)
{
    /* no MRO yet: its own metaclass's mro() is at work right now */
    NJ_OWN old = Py_NewRef(type->tp_mro ? type->tp_mro : Py_None);
    if (nj_type_lookup_set_mro(type) < 0) {
        return -1;
    }
    NJ_OWN entry = PyTuple_Pack(3, type, type->tp_mro, old);
    if (entry == NULL || PyList_Append(undo, entry) < 0) {
        return -1;
    }
    return recompute_subclass_mros(type, undo);
}

/* An MRO in the making may not show yet what the chain of bases already does. */
static bool
in_base_chain(PyTypeObject *from, PyTypeObject *type)
{
    for (PyTypeObject *t = from; t; t = t->tp_base) {
        if (t == type) {
            return true;
        }
    }
    return false;
}

static int
type_set_bases(PyObject *self, PyObject *bases, void *closure)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (check_set(type, bases, "__bases__") < 0) {
        return -1;
    }
    if (!PyTuple_Check(bases)) {
        PyErr_Format(PyExc_TypeError,
                     "can only assign tuple to %s.__bases__, not %s", type->tp_name,
                     Py_TYPE(bases)->tp_name);
        return -1;
    }
    if (PyTuple_GET_SIZE(bases) == 0) {
        PyErr_Format(PyExc_TypeError,
                     "can only assign non-empty tuple to %s.__bases__, not ()",
                     type->tp_name);
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
        PyObject *b = PyTuple_GET_ITEM(bases, i);
        if (!PyType_Check(b)) {
            PyErr_Format(PyExc_TypeError,
                         "%s.__bases__ must be tuple of classes, not '%s'",
                         type->tp_name, Py_TYPE(b)->tp_name);
            return -1;
        }
        if (PyType_IsSubtype((PyTypeObject *)b, type) ||
            in_base_chain((PyTypeObject *)b, type)) {
            PyErr_SetString(PyExc_TypeError,
                            "a __bases__ item causes an inheritance cycle");
            return -1;
        }
    }
    PyTypeObject *new_base = nj_type_best_base(bases);
    if (new_base == NULL || !check_compatible(type->tp_base, new_base, "__bases__")) {
        return -1;
    }
    NJ_OWN old_bases = type->tp_bases;
    PyTypeObject *old_base = type->tp_base;
    NJ_OWN undo = PyList_New(0);
    if (undo == NULL) {
        old_bases = NULL; /* still the type's */
        return -1;
    }
    type->tp_bases = Py_NewRef(bases);
    type->tp_base = (PyTypeObject *)Py_NewRef(new_base);
    if (recompute_mro(type, undo) < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        for (Py_ssize_t i = PyList_GET_SIZE(undo) - 1; i >= 0; i--) {
            PyObject *pair = PyList_GET_ITEM(undo, i);
            PyTypeObject *t = (PyTypeObject *)PyTuple_GET_ITEM(pair, 0);
            if (t->tp_mro != PyTuple_GET_ITEM(pair, 1)) {
                continue; /* has a newer one */
            }
            PyType_Modified(t);
            PyObject *mro = PyTuple_GET_ITEM(pair, 2);
            Py_XSETREF(t->tp_mro, mro == Py_None ? NULL : Py_NewRef(mro));
        }
        if (type->tp_bases == bases) {
            Py_SETREF(type->tp_bases, NJ_TAKE(old_bases));
            Py_SETREF(type->tp_base, old_base);
        }
        else {
            Py_XDECREF(old_base); /* an mro() assigned other bases: those stay */
        }
        PyErr_SetRaisedException(exc);
        return -1;
    }
    Py_XDECREF(old_base);
    if (type->tp_bases != bases) {
        return 0; /* the inner assignment has done all the rest */
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(old_bases); i++) {
        nj_type_lookup_remove_subclass(
            (PyTypeObject *)PyTuple_GET_ITEM(old_bases, i), type);
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
        if (nj_type_lookup_add_subclass((PyTypeObject *)PyTuple_GET_ITEM(bases, i),
                                        type) < 0) {
            return -1;
        }
    }
    PyType_Modified(type);
    return nj_type_slots_update_all(type);
}

/* ======================================================================================
 * type.__getattribute__, __setattr__
 * ====================================================================================== */

PyObject *
nj_type_getattro(PyObject *self, PyObject *name)
{
    PyTypeObject *type = (PyTypeObject *)self;
    PyTypeObject *metatype = Py_TYPE(type);
    if (!PyUnicode_Check(name)) {
        return nj_attr_name_not_str(name);
    }
    if (!(type->tp_flags & Py_TPFLAGS_READY) && PyType_Ready(type) < 0) {
        return NULL;
    }
    descrgetfunc meta_get = NULL;
    PyObject *meta_attr = Py_XNewRef(nj_type_find(metatype, name));
    if (meta_attr) {
        meta_get = Py_TYPE(meta_attr)->tp_descr_get;
        if (meta_get && Py_TYPE(meta_attr)->tp_descr_set) {
            PyObject *r = meta_get(meta_attr, self, (PyObject *)metatype);
            Py_DECREF(meta_attr);
            return r;
        }
    }
    PyObject *attr = Py_XNewRef(nj_type_find(type, name));
    if (attr) {
        Py_XDECREF(meta_attr);
        descrgetfunc get = Py_TYPE(attr)->tp_descr_get;
        if (get) {
            Py_SETREF(attr, get(attr, NULL, self));
        }
        return attr;
    }
    if (meta_get) {
        PyObject *r = meta_get(meta_attr, self, (PyObject *)metatype);
        Py_DECREF(meta_attr);
        return r;
    }
    if (meta_attr) {
        return meta_attr;
    }
    nj_raise_attribute(self, name, "type object '%.100s' has no attribute '%U'",
                       type->tp_name, name);
    return NULL;
}

static int
type_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (type->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) {
        PyErr_Format(PyExc_TypeError,
                     "cannot set %R attribute of immutable type '%s'", name,
                     type->tp_name);
        return -1;
    }
    if (!PyUnicode_Check(name)) {
        nj_attr_name_not_str(name);
        return -1;
    }
    NJ_OWN key = PyUnicode_CheckExact(name) ? Py_NewRef(name)
                                            : PyUnicode_FromObject(name);
    if (key == NULL) {
        return -1;
    }
    PyObject *k = NJ_TAKE(key);
    PyUnicode_InternInPlace(&k);
    NJ_SET(key, k);

    /* data descriptors of the metaclass first, as for every object */
    PyObject *meta = nj_type_find(Py_TYPE(type), key);
    if (meta) {
        descrsetfunc set = Py_TYPE(meta)->tp_descr_set;
        if (set) {
            NJ_OWN m = Py_NewRef(meta);
            int r = set(m, self, value);
            if (r == 0) {
                PyType_Modified(type);
                if (nj_is_dunder(key)) {
                    r = nj_type_slots_update(type, key);
                }
            }
            return r;
        }
    }
    NJ_OWN old = NULL; /* dropped after the version is gone: its __del__ may look */
    PyObject *found;
    if (NJ_UNLIKELY(type->tp_dict == NULL)) {
        /* mypyc sets __module__ before PyType_Ready */
        type->tp_dict = PyDict_New();
        if (type->tp_dict == NULL) {
            return -1;
        }
    }
    if (PyDict_GetItemRef(type->tp_dict, key, &found) < 0) {
        return -1;
    }
    NJ_SET(old, found);
    if (value == NULL && found == NULL) {
        nj_raise_attribute(self, name, "type object '%.100s' has no attribute '%U'",
                           type->tp_name, name);
        return -1;
    }
    PyType_Modified(type);
    int r = value ? PyDict_SetItem(type->tp_dict, key, value)
                  : PyDict_DelItem(type->tp_dict, key);
    if (r < 0) {
        return -1;
    }
    PyType_Modified(type);
    return nj_is_dunder(key) && (type->tp_flags & Py_TPFLAGS_READY)
               ? nj_type_slots_update(type, key)
               : 0;
}

/* ======================================================================================
 * Calling a class
 * ====================================================================================== */

PyObject *
nj_type_call(PyObject *self, PyObject *args, PyObject *kwds)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (type == &PyType_Type) { /* type(x) is a question, not a construction */
        Py_ssize_t n = PyTuple_GET_SIZE(args);
        if (n == 1 && (kwds == NULL || PyDict_GET_SIZE(kwds) == 0)) {
            return Py_NewRef(Py_TYPE(PyTuple_GET_ITEM(args, 0)));
        }
        if (n != 3) {
            PyErr_SetString(PyExc_TypeError, "type() takes 1 or 3 arguments");
            return NULL;
        }
    }
    if (type->tp_new == NULL) {
        PyErr_Format(PyExc_TypeError, "cannot create '%s' instances", type->tp_name);
        return NULL;
    }
    PyObject *obj = type->tp_new(type, args, kwds);
    obj = _Py_CheckFunctionResult(nj_tstate(), self, obj, NULL);
    if (obj == NULL || !PyObject_TypeCheck(obj, type)) {
        return obj;
    }
    PyTypeObject *t = Py_TYPE(obj);
    if (t->tp_init && t->tp_init(obj, args, kwds) < 0) {
        Py_DECREF(obj);
        return NULL;
    }
    return obj;
}

/* cls(...) where __new__ is written in Python: no tuple and no dict on the way to it. */
PyObject *
nj_type_call_python_new(PyObject *cls, PyObject *const *args, size_t nargsf,
                        PyObject *kwnames)
{
    enum { STACK = 8 };
    PyTypeObject *type = (PyTypeObject *)cls;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    Py_ssize_t all = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    PyObject *stack[STACK];
    PyObject **to = (PyObject **)args - 1;
    if (!(nargsf & PY_VECTORCALL_ARGUMENTS_OFFSET)) {
        if (all >= STACK) {
            return _PyObject_MakeTpCall(nj_tstate(), cls, args, n, kwnames);
        }
        to = stack;
        for (Py_ssize_t i = 0; i < all; i++) {
            to[i + 1] = args[i];
        }
    }
    NJ_OWN func = nj_type_get_new(type);
    if (func == NULL || Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *scratch = to == stack ? NULL : to[0];
    to[0] = cls;
    NJ_OWN obj = PyObject_Vectorcall(func, to, (size_t)(n + 1), kwnames);
    to[0] = scratch;
    Py_LeaveRecursiveCall();
    if (obj == NULL || !PyObject_TypeCheck(obj, type)) {
        return NJ_TAKE(obj);
    }
    PyTypeObject *t = Py_TYPE(obj);
    if (t->tp_init == NULL ||
        (t->tp_init == PyBaseObject_Type.tp_init && t->tp_new == nj_slot_new)) {
        return NJ_TAKE(obj); /* object.__init__ has nothing to say about the arguments then */
    }
    NJ_OWN tuple = nj_tuple_from_array(args, n);
    NJ_OWN kwds = kwnames && tuple ? _PyStack_AsDict(args + n, kwnames) : NULL;
    if (tuple == NULL || (kwnames && kwds == NULL) || t->tp_init(obj, tuple, kwds) < 0) {
        return NULL;
    }
    return NJ_TAKE(obj);
}

static PyObject *
type_vectorcall(PyObject *metatype, PyObject *const *args, size_t nargsf,
                PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (n == 1 && metatype == (PyObject *)&PyType_Type) {
        if (!_PyArg_NoKwnames("type", kwnames)) {
            return NULL;
        }
        return Py_NewRef(Py_TYPE(args[0]));
    }
    return _PyObject_MakeTpCall(nj_tstate(), metatype, args, n, kwnames);
}

/* May self.__new__() make instances of arg0? The type to make, or NULL with an exception. */
static PyTypeObject *
check_new(PyObject *self, PyObject *arg0)
{
    if (!PyType_Check(self)) {
        PyErr_Format(PyExc_SystemError, "__new__() called with non-type 'self'");
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)self;
    if (arg0 == NULL) {
        PyErr_Format(PyExc_TypeError, "%s.__new__(): not enough arguments",
                     type->tp_name);
        return NULL;
    }
    if (!PyType_Check(arg0)) {
        PyErr_Format(PyExc_TypeError, "%s.__new__(X): X is not a type object (%s)",
                     type->tp_name, Py_TYPE(arg0)->tp_name);
        return NULL;
    }
    PyTypeObject *subtype = (PyTypeObject *)arg0;
    if (!PyType_IsSubtype(subtype, type)) {
        PyErr_Format(PyExc_TypeError, "%s.__new__(%s): %s is not a subtype of %s",
                     type->tp_name, subtype->tp_name, subtype->tp_name, type->tp_name);
        return NULL;
    }
    if (subtype->tp_flags & Py_TPFLAGS_DISALLOW_INSTANTIATION) {
        PyErr_Format(PyExc_TypeError, "cannot create '%s' instances", subtype->tp_name);
        return NULL;
    }
    /* object.__new__(dict) would build a broken dict */
    PyTypeObject *base = subtype;
    while (base && base->tp_new == nj_slot_new) {
        base = base->tp_base;
    }
    if (base && base->tp_new != type->tp_new) {
        PyErr_Format(PyExc_TypeError, "%s.__new__(%s) is not safe, use %s.__new__()",
                     type->tp_name, subtype->tp_name, base->tp_name);
        return NULL;
    }
    return subtype;
}

/* __new__ of C types: a built-in function whose self is the type. */
static PyObject *
new_wrapper(PyObject *self, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyTypeObject *subtype = check_new(self, n ? PyTuple_GET_ITEM(args, 0) : NULL);
    NJ_OWN rest = subtype ? PyTuple_GetSlice(args, 1, n) : NULL;
    return rest ? ((PyTypeObject *)self)->tp_new(subtype, rest, kwds) : NULL;
}

static PyObject *
new_wrapper_vectorcall(PyObject *func, PyObject *const *args, size_t nargsf,
                       PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    PyObject *self = PyCFunction_GET_SELF(func);
    PyTypeObject *subtype = check_new(self, n ? args[0] : NULL);
    if (subtype == NULL) {
        return NULL;
    }
    if (n == 2 && kwnames == NULL && self == (PyObject *)&PyTuple_Type) {
        return nj_tuple_of_type(subtype, args[1]);
    }
    NJ_OWN rest = nj_tuple_from_array(args + 1, n - 1);
    NJ_OWN kwds = kwnames && rest ? _PyStack_AsDict(args + n, kwnames) : NULL;
    if (rest == NULL || (kwnames && kwds == NULL) ||
        Py_EnterRecursiveCall(" while calling a Python object")) {
        return NULL;
    }
    PyObject *r = ((PyTypeObject *)self)->tp_new(subtype, rest, kwds);
    Py_LeaveRecursiveCall();
    return r;
}

static PyMethodDef new_wrapper_def = {
    "__new__", (PyCFunction)(void (*)(void))new_wrapper,
    METH_VARARGS | METH_KEYWORDS,
    "__new__($type, *args, **kwargs)\n--\n\n"
    "Create and return a new object.  See help(type) for accurate signature."};

bool
nj_is_new_wrapper(PyObject *func)
{
    return Py_IS_TYPE(func, &PyCFunction_Type) &&
           ((PyCFunctionObject *)func)->m_ml == &new_wrapper_def;
}

/* ======================================================================================
 * PyType_Ready
 * ====================================================================================== */

static int
add_new_wrapper(PyTypeObject *type)
{
    int r = PyDict_Contains(type->tp_dict, NJ_ID(__new__));
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    NJ_OWN func = PyCFunction_NewEx(&new_wrapper_def, (PyObject *)type, NULL);
    if (func == NULL) {
        return -1;
    }
    ((PyCFunctionObject *)func)->vectorcall = new_wrapper_vectorcall;
    return PyDict_SetItem(type->tp_dict, NJ_ID(__new__), func);
}

static int
add_descr(PyTypeObject *type, PyObject *descr, bool replace)
{
    if (descr == NULL) {
        return -1;
    }
    NJ_OWN d = descr;
    PyObject *name = PyDescr_NAME(d);
    if (replace) {
        return PyDict_SetItem(type->tp_dict, name, d);
    }
    return PyDict_SetDefaultRef(type->tp_dict, name, d, NULL) < 0 ? -1 : 0;
}

static int
add_methods(PyTypeObject *type)
{
    for (PyMethodDef *m = type->tp_methods; m && m->ml_name; m++) {
        bool replace = (m->ml_flags & METH_COEXIST) != 0;
        if (m->ml_flags & METH_STATIC) {
            NJ_OWN func = PyCFunction_NewEx(m, (PyObject *)type, NULL);
            NJ_OWN sm = func ? PyStaticMethod_New(func) : NULL;
            NJ_OWN name = PyUnicode_InternFromString(m->ml_name);
            if (sm == NULL || name == NULL) {
                return -1;
            }
            int r = replace ? PyDict_SetItem(type->tp_dict, name, sm)
                            : PyDict_SetDefaultRef(type->tp_dict, name, sm, NULL);
            if (r < 0) {
                return -1;
            }
            continue;
        }
        if (m->ml_flags & METH_CLASS) {
            if (add_descr(type, PyDescr_NewClassMethod(type, m), replace) < 0) {
                return -1;
            }
            continue;
        }
        if (add_descr(type, PyDescr_NewMethod(type, m), replace) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
fill_dict(PyTypeObject *type)
{
    /* slot wrappers come after __new__, methods after those, as in the reference */
    if (type->tp_new && !(type->tp_flags & Py_TPFLAGS_DISALLOW_INSTANTIATION) &&
        !(nj_type_is_heap(type) && type->tp_new == nj_slot_new) &&
        add_new_wrapper(type) < 0) {
        return -1;
    }
    if (nj_type_slots_add_operators(type) < 0 || add_methods(type) < 0) {
        return -1;
    }
    for (PyMemberDef *m = type->tp_members; m && m->name; m++) {
        if (add_descr(type, PyDescr_NewMember(type, m), false) < 0) {
            return -1;
        }
    }
    for (PyGetSetDef *g = type->tp_getset; g && g->name; g++) {
        if (add_descr(type, PyDescr_NewGetSet(type, g), false) < 0) {
            return -1;
        }
    }
    int r = PyDict_Contains(type->tp_dict, NJ_ID(__doc__));
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    NJ_OWN doc = type->tp_doc ? nj_doc_text(type->tp_name, type->tp_doc)
                              : Py_NewRef(Py_None);
    return doc ? PyDict_SetItem(type->tp_dict, NJ_ID(__doc__), doc) : -1;
}

enum {
    SUBCLASS_FLAGS = 0,
};
#define INHERITED_KIND                                                                 \
    (Py_TPFLAGS_LONG_SUBCLASS | Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS | \
     Py_TPFLAGS_BYTES_SUBCLASS | Py_TPFLAGS_UNICODE_SUBCLASS |                         \
     Py_TPFLAGS_DICT_SUBCLASS | Py_TPFLAGS_BASE_EXC_SUBCLASS |                         \
     Py_TPFLAGS_TYPE_SUBCLASS)

static void
inherit_special(PyTypeObject *type, PyTypeObject *base)
{
    if (!nj_type_is_gc(type) && nj_type_is_gc(base) && !type->tp_traverse &&
        !type->tp_clear) {
        type->tp_flags |= Py_TPFLAGS_HAVE_GC;
        type->tp_traverse = base->tp_traverse;
        type->tp_clear = base->tp_clear;
    }
    type->tp_flags |= base->tp_flags & Py_TPFLAGS_PREHEADER;
    type->tp_flags |= base->tp_flags & Py_TPFLAGS_INLINE_VALUES &
                      (nj_type_is_heap(type) ? Py_TPFLAGS_INLINE_VALUES : 0);
    if (type->tp_basicsize == 0) {
        type->tp_basicsize = base->tp_basicsize;
    }
    if (type->tp_itemsize == 0) {
        type->tp_itemsize = base->tp_itemsize;
    }
    if (type->tp_weaklistoffset == 0) {
        type->tp_weaklistoffset = base->tp_weaklistoffset;
    }
    if (type->tp_dictoffset == 0) {
        type->tp_dictoffset = base->tp_dictoffset;
    }
    type->tp_flags |= base->tp_flags & INHERITED_KIND;
    if (base->tp_flags & _Py_TPFLAGS_MATCH_SELF) {
        type->tp_flags |= _Py_TPFLAGS_MATCH_SELF;
    }
    if (base->tp_flags & Py_TPFLAGS_ITEMS_AT_END) {
        type->tp_flags |= Py_TPFLAGS_ITEMS_AT_END;
    }
}

/* SEQUENCE and MAPPING come from the first class in the MRO that says either. */
static void
inherit_patma(PyTypeObject *type, PyTypeObject *base)
{
    const unsigned long both = Py_TPFLAGS_SEQUENCE | Py_TPFLAGS_MAPPING;
    if ((type->tp_flags & both) == 0) {
        type->tp_flags |= base->tp_flags & both;
    }
}

static int
ready_new(PyTypeObject *type)
{
    PyTypeObject *base = type->tp_base;
    if (type->tp_new == NULL && base == &PyBaseObject_Type && !nj_type_is_heap(type)) {
        /* a C type that offers no way to make instances */
        type->tp_flags |= Py_TPFLAGS_DISALLOW_INSTANTIATION;
    }
    if (type->tp_flags & Py_TPFLAGS_DISALLOW_INSTANTIATION) {
        type->tp_new = NULL;
    }
    return 0;
}

static int
ready_type(PyTypeObject *type)
{
    if (!nj_type_is_heap(type)) {
        type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    }
    if (type->tp_name == NULL) {
        PyErr_Format(PyExc_SystemError, "Type does not define the tp_name field.");
        return -1;
    }
    if (type->tp_base == NULL && type != &PyBaseObject_Type) {
        type->tp_base = &PyBaseObject_Type;
        if (nj_type_is_heap(type)) {
            Py_INCREF(type->tp_base);
        }
    }
    PyTypeObject *base = type->tp_base;
    if (base && !(base->tp_flags & Py_TPFLAGS_READY) && PyType_Ready(base) < 0) {
        return -1;
    }
    if (Py_TYPE(type) == NULL && base) {
        Py_SET_TYPE(type, Py_TYPE(base));
    }
    if (type->tp_bases == NULL) {
        type->tp_bases = base ? PyTuple_Pack(1, base) : PyTuple_New(0);
        if (type->tp_bases == NULL) {
            return -1;
        }
    }
    if (type->tp_dict == NULL) {
        type->tp_dict = PyDict_New();
        if (type->tp_dict == NULL) {
            return -1;
        }
    }
    if (ready_new(type) < 0 || fill_dict(type) < 0) {
        return -1;
    }
    if (nj_type_is_static_builtin(type)) {
        /* static types never have a custom mro() */
        type->tp_mro = nj_type_lookup_c3(type);
        if (type->tp_mro == NULL) {
            return -1;
        }
    }
    else if (nj_type_lookup_set_mro(type) < 0) {
        return -1;
    }
    if (base) {
        inherit_special(type, base);
        inherit_patma(type, type);
        for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(type->tp_mro); i++) {
            PyTypeObject *b = (PyTypeObject *)PyTuple_GET_ITEM(type->tp_mro, i);
            nj_type_slots_inherit(type, b);
            inherit_patma(type, b);
        }
        /* Only now: slots of further bases must not be copied into a suite that is
         * shared with tp_base. */
        if (type->tp_as_async == NULL) {
            type->tp_as_async = base->tp_as_async;
        }
        if (type->tp_as_number == NULL) {
            type->tp_as_number = base->tp_as_number;
        }
        if (type->tp_as_sequence == NULL) {
            type->tp_as_sequence = base->tp_as_sequence;
        }
        if (type->tp_as_mapping == NULL) {
            type->tp_as_mapping = base->tp_as_mapping;
        }
        if (type->tp_as_buffer == NULL) {
            type->tp_as_buffer = base->tp_as_buffer;
        }
        if (type->tp_new == NULL &&
            !(type->tp_flags & Py_TPFLAGS_DISALLOW_INSTANTIATION)) {
            type->tp_new = base->tp_new;
        }
    }
    if (type->tp_free == NULL && base == NULL) {
        type->tp_free = PyObject_Free;
    }
    if (nj_type_is_gc(type) && type->tp_free == NULL) {
        type->tp_free = PyObject_GC_Del;
    }
    if (nj_type_is_gc(type) && type->tp_traverse == NULL) {
        PyErr_Format(PyExc_SystemError,
                     "type %s has the Py_TPFLAGS_HAVE_GC flag but has no traverse "
                     "function",
                     type->tp_name);
        return -1;
    }
    if (type->tp_hash == NULL) {
        int r = PyDict_Contains(type->tp_dict, NJ_ID(__hash__));
        if (r < 0) {
            return -1;
        }
        if (r == 0 && PyDict_SetItem(type->tp_dict, NJ_ID(__hash__), Py_None) < 0) {
            return -1;
        }
        type->tp_hash = PyObject_HashNotImplemented;
    }
    if (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) {
        type->tp_dictoffset = -1;
        if (nj_type_is_heap(type)) {
            PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
            if (ht->ht_cached_keys == NULL) {
                ht->ht_cached_keys = nj_shared_keys_new(type);
            }
            if (ht->ht_cached_keys == NULL) {
                return -1;
            }
        }
    }
    if (type->tp_flags & Py_TPFLAGS_MANAGED_WEAKREF) {
        type->tp_weaklistoffset = NJ_MANAGED_WEAKREF_OFFSET;
    }
    /* static built-in types are linked in nj_types_interp_init */
    if (!nj_type_is_static_builtin(type)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type->tp_bases); i++) {
            if (nj_type_lookup_add_subclass(
                    (PyTypeObject *)PyTuple_GET_ITEM(type->tp_bases, i), type) < 0) {
                return -1;
            }
        }
    }
    return 0;
}

int
PyType_Ready(PyTypeObject *type)
{
    if (type->tp_flags & (Py_TPFLAGS_READY | Py_TPFLAGS_READYING)) {
        return 0; /* or under way: a metaclass's mro() looks at the class */
    }
    type->tp_flags |= Py_TPFLAGS_READYING;
    if (ready_type(type) < 0) {
        type->tp_flags &= ~Py_TPFLAGS_READYING;
        return -1;
    }
    type->tp_flags = (type->tp_flags & ~Py_TPFLAGS_READYING) | Py_TPFLAGS_READY;
    return 0;
}

/* ---- start-up ------------------------------------------------------------------------ */

#define NJ_TYPE(symbol) extern PyTypeObject symbol;
#include "objects/builtin_types.def"
#undef NJ_TYPE
extern PyTypeObject NjBufferWrapper_Type;

static PyTypeObject *const static_types[] = {
#define NJ_TYPE(symbol) &symbol,
#include "objects/builtin_types.def"
#undef NJ_TYPE
    &NjBufferWrapper_Type,
};

/* Of two types with one name, line_iterator, the tests want to see one. */
PyObject *
nj_types_static(void)
{
    NJ_OWN list = PyList_New(0);
    for (size_t i = 0; list && i < NJ_ARRAY_LEN(static_types); i++) {
        if (static_types[i] != &NjCodeBranches_Type &&
            PyList_Append(list, (PyObject *)static_types[i]) < 0) {
            return NULL;
        }
    }
    return NJ_TAKE(list);
}

static void
immortalize_deep(PyObject *op)
{
    if (op == NULL || _Py_IsImmortal(op)) {
        return;
    }
    nj_make_immortal(op);
    if (PyTuple_Check(op)) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(op); i++) {
            immortalize_deep(PyTuple_GET_ITEM(op, i));
        }
    }
    else if (PyDict_Check(op)) {
        PyObject *k, *v;
        Py_ssize_t pos = 0;
        while (PyDict_Next(op, &pos, &k, &v)) {
            immortalize_deep(k);
            immortalize_deep(v);
        }
    }
    else if (Py_IS_TYPE(op, &PyStaticMethod_Type) || Py_IS_TYPE(op, &PyClassMethod_Type)) {
        NJ_OWN f = PyObject_GetAttrString(op, "__func__");
        immortalize_deep(f);
    }
    else if (PyUnicode_Check(op)) {
        (void)PyObject_Hash(op); /* no write later on */
    }
}

/* Interns by hand what other interpreters will read; fills hashes. */
static void
seal_static_type(PyTypeObject *type)
{
    immortalize_deep(type->tp_dict);
    immortalize_deep(type->tp_bases);
    immortalize_deep(type->tp_mro);
    PyObject *k, *v;
    Py_ssize_t pos = 0;
    while (PyDict_Next(type->tp_dict, &pos, &k, &v)) {
        if (PyObject_TypeCheck(v, &PyMethodDescr_Type) ||
            Py_IS_TYPE(v, &PyClassMethodDescr_Type) ||
            Py_IS_TYPE(v, &PyMemberDescr_Type) || Py_IS_TYPE(v, &PyGetSetDescr_Type) ||
            Py_IS_TYPE(v, &PyWrapperDescr_Type)) {
            immortalize_deep(((PyDescrObject *)v)->d_name);
        }
    }
}

int
nj_types_init(NjInterp *interp)
{
    if (interp->types.next_version == 0) {
        interp->types.next_version = 1;
    }
    if (nj_type_slots_init() < 0) {
        return -1;
    }
    /* dicts and tuples are made while object and type are not ready: fine, C code only */
    for (size_t i = 0; i < NJ_ARRAY_LEN(static_types); i++) {
        PyTypeObject *t = static_types[i];
        t->tp_flags |= _Py_TPFLAGS_STATIC_BUILTIN | Py_TPFLAGS_IMMUTABLETYPE;
        t->tp_subclasses = (void *)(uintptr_t)(i + 1);
        ((PyObject *)t)->ob_refcnt_full =
            (int64_t)(((uint64_t)(_Py_IMMORTAL_FLAGS | _Py_STATICALLY_ALLOCATED_FLAG)
                       << 48) |
                      (uint64_t)_Py_IMMORTAL_INITIAL_REFCNT);
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(static_types); i++) {
        if (PyType_Ready(static_types[i]) < 0) {
            return -1;
        }
    }
    if (nj_typing_types_ready() < 0 || nj_datetime_types_ready() < 0) {
        return -1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(static_types); i++) {
        seal_static_type(static_types[i]);
        if (nj_type_version(static_types[i]) == 0) {
            PyErr_Format(PyExc_SystemError, "no version for %s",
                         static_types[i]->tp_name);
            return -1;
        }
    }
    return nj_types_interp_init(interp);
}

int
nj_types_interp_init(NjInterp *interp)
{
    NjTypeState *st = &interp->types;
    st->nstatics = NJ_ARRAY_LEN(static_types);
    st->statics = PyMem_RawCalloc(NJ_ARRAY_LEN(static_types), sizeof(NjStaticType));
    if (st->statics == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    uint32_t top = 0;
    for (size_t i = 0; i < NJ_ARRAY_LEN(static_types); i++) {
        if (static_types[i]->tp_version_tag > top) {
            top = static_types[i]->tp_version_tag;
        }
    }
    if (st->next_version <= top) {
        st->next_version = top + 1;
    }
    for (size_t i = 0; i < NJ_ARRAY_LEN(static_types); i++) {
        PyObject *bases = static_types[i]->tp_bases;
        for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(bases); k++) {
            if (nj_type_lookup_add_subclass((PyTypeObject *)PyTuple_GET_ITEM(bases, k),
                                            static_types[i]) < 0) {
                return -1;
            }
        }
    }
    return nj_exc_interp_init(interp);
}

void
nj_types_interp_fini(NjInterp *interp)
{
    NjTypeState *st = &interp->types;
    nj_exc_interp_fini(interp);
    for (size_t i = 0; i < NJ_ARRAY_LEN(st->typing_cache); i++) {
        Py_CLEAR(st->typing_cache[i]);
    }
    Py_CLEAR(st->copyreg_dispatch);
    nj_gc_collect(interp, 2, true); /* heap types that only states held, while bases know them */
    nj_method_free_list_clear(interp);
    nj_types_clear_cache(interp);
    for (Py_ssize_t i = 0; st->statics && i < st->nstatics; i++) {
        Py_CLEAR(st->statics[i].subclasses);
    }
    PyMem_RawFree(st->statics);
    st->statics = NULL;
}

/* ======================================================================================
 * type.__new__
 * ====================================================================================== */

PyTypeObject *
nj_type_metaclass(PyTypeObject *metatype, PyObject *bases)
{
    PyTypeObject *winner = metatype;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
        PyTypeObject *t = Py_TYPE(PyTuple_GET_ITEM(bases, i));
        if (PyType_IsSubtype(winner, t)) {
            continue;
        }
        if (PyType_IsSubtype(t, winner)) {
            winner = t;
            continue;
        }
        PyErr_SetString(PyExc_TypeError,
                        "metaclass conflict: the metaclass of a derived class must be a "
                        "(non-strict) subclass of the metaclasses of all its bases");
        return NULL;
    }
    return winner;
}

/* Everything type.__new__ carries from step to step. */
typedef struct NjClassMaker {
    PyTypeObject *metatype;
    PyObject *args, *kwds; /* borrowed */
    PyObject *name;        /* borrowed */
    PyObject *bases;       /* owned */
    PyObject *dict;        /* owned: becomes tp_dict */
    PyTypeObject *base;    /* borrowed from bases */
    PyObject *slots;       /* owned tuple of mangled, sorted slot names, or NULL */
    Py_ssize_t nslots;
    bool has_slots_attr; /* the body defines __slots__ */
    bool may_add_dict, may_add_weak;
    bool add_dict, add_weak;
} NjClassMaker;

/* __x in class C becomes _C__x. New reference. */
static PyObject *
mangle(PyObject *klass, PyObject *ident)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(ident);
    if (n < 2 || PyUnicode_READ_CHAR(ident, 0) != '_' ||
        PyUnicode_READ_CHAR(ident, 1) != '_' ||
        (PyUnicode_READ_CHAR(ident, n - 1) == '_' &&
         PyUnicode_READ_CHAR(ident, n - 2) == '_') ||
        PyUnicode_FindChar(ident, '.', 0, n, 1) >= 0) {
        return Py_NewRef(ident);
    }
    Py_ssize_t i = 0, k = PyUnicode_GET_LENGTH(klass);
    while (i < k && PyUnicode_READ_CHAR(klass, i) == '_') {
        i++;
    }
    if (i == k) {
        return Py_NewRef(ident);
    }
    NJ_OWN stripped = PyUnicode_Substring(klass, i, k);
    return stripped ? PyUnicode_FromFormat("_%U%U", stripped, ident) : NULL;
}

static int
collect_slots(NjClassMaker *m, PyObject *slots)
{
    NJ_OWN seq = PyUnicode_Check(slots) ? PyTuple_Pack(1, slots)
                                        : PySequence_Tuple(slots);
    if (seq == NULL) {
        return -1;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(seq);
    if (n > 0 && m->base->tp_itemsize != 0) {
        /* __dict__ alone is fine; anything else has no place behind variable data */
        bool only_special = true;
        for (Py_ssize_t i = 0; i < n; i++) {
            PyObject *s = PyTuple_GET_ITEM(seq, i);
            only_special &= PyUnicode_Check(s) && PyUnicode_EqualToUTF8(s, "__dict__");
        }
        if (!only_special) {
            PyErr_Format(PyExc_TypeError,
                         "nonempty __slots__ not supported for subtype of '%s'",
                         m->base->tp_name);
            return -1;
        }
    }
    NJ_OWN out = PyList_New(0);
    if (out == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *s = PyTuple_GET_ITEM(seq, i);
        if (!PyUnicode_Check(s)) {
            PyErr_Format(PyExc_TypeError, "__slots__ items must be strings, not '%.200s'",
                         Py_TYPE(s)->tp_name);
            return -1;
        }
        if (!PyUnicode_IsIdentifier(s)) {
            PyErr_SetString(PyExc_TypeError, "__slots__ must be identifiers");
            return -1;
        }
        if (PyUnicode_EqualToUTF8(s, "__dict__")) {
            if (!m->may_add_dict || m->add_dict) {
                PyErr_SetString(PyExc_TypeError,
                                "__dict__ slot disallowed: we already got one");
                return -1;
            }
            m->add_dict = true;
            continue;
        }
        if (PyUnicode_EqualToUTF8(s, "__weakref__")) {
            if (!m->may_add_weak || m->add_weak) {
                PyErr_SetString(PyExc_TypeError,
                                "__weakref__ slot disallowed: we already got one");
                return -1;
            }
            m->add_weak = true;
            continue;
        }
        NJ_OWN mangled = mangle(m->name, s);
        if (mangled == NULL || PyList_Append(out, mangled) < 0) {
            return -1;
        }
        /* a class variable of that name would hide the slot; these three are put there by
         * the compiler or become attributes of the class itself */
        int r = PyDict_Contains(m->dict, mangled);
        if (r < 0) {
            return -1;
        }
        if (r && !PyUnicode_EqualToUTF8(s, "__qualname__") &&
            !PyUnicode_EqualToUTF8(s, "__classcell__") &&
            !PyUnicode_EqualToUTF8(s, "__classdictcell__")) {
            PyErr_Format(PyExc_ValueError, "%R in __slots__ conflicts with class variable",
                         s);
            return -1;
        }
    }
    if (PyList_Sort(out) < 0) {
        return -1;
    }
    m->slots = PyList_AsTuple(out);
    if (m->slots == NULL) {
        return -1;
    }
    m->nslots = PyTuple_GET_SIZE(m->slots);
    return 0;
}

/* With several bases, a second one may bring a dict or weak references along. */
static void
look_at_other_bases(NjClassMaker *m)
{
    if (PyTuple_GET_SIZE(m->bases) <= 1 ||
        !((m->may_add_dict && !m->add_dict) || (m->may_add_weak && !m->add_weak))) {
        return;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(m->bases); i++) {
        PyTypeObject *b = (PyTypeObject *)PyTuple_GET_ITEM(m->bases, i);
        if (b == m->base) {
            continue;
        }
        if (m->may_add_dict && b->tp_dictoffset != 0) {
            m->add_dict = true;
        }
        if (m->may_add_weak && b->tp_weaklistoffset != 0) {
            m->add_weak = true;
        }
    }
}

static PyObject *
subtype_get_dict(PyObject *self, void *closure)
{
    /* a base in C with its own __dict__ descriptor goes first */
    PyTypeObject *tp = Py_TYPE(self);
    while (tp->tp_base) {
        PyTypeObject *b = tp->tp_base;
        if (!nj_type_is_heap(b) && b->tp_dictoffset != 0) {
            PyObject *d = nj_type_find(b, NJ_ID(__dict__));
            if (d && Py_TYPE(d)->tp_descr_get && Py_TYPE(d)->tp_descr_set) {
                return Py_TYPE(d)->tp_descr_get(d, self, (PyObject *)b);
            }
            break;
        }
        tp = b;
    }
    return PyObject_GenericGetDict(self, closure);
}

static int
subtype_set_dict(PyObject *self, PyObject *value, void *closure)
{
    PyTypeObject *tp = Py_TYPE(self);
    while (tp->tp_base) {
        PyTypeObject *b = tp->tp_base;
        if (!nj_type_is_heap(b) && b->tp_dictoffset != 0) {
            PyObject *d = nj_type_find(b, NJ_ID(__dict__));
            if (d && Py_TYPE(d)->tp_descr_set) {
                return Py_TYPE(d)->tp_descr_set(d, self, value);
            }
            break;
        }
        tp = b;
    }
    if (value != NULL && !PyDict_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "__dict__ must be set to a dictionary, not a '%.200s'",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    return nj_object_set_dict(self, value);
}

static PyObject *
subtype_get_weakref(PyObject *self, void *closure)
{
    PyObject **slot = nj_obj_weaklist_slot(self);
    if (slot == NULL) {
        PyErr_SetString(PyExc_AttributeError, "This object has no __weakref__");
        return NULL;
    }
    return Py_NewRef(*slot ? *slot : Py_None);
}

static PyGetSetDef getset_full[] = {
    {"__dict__", subtype_get_dict, subtype_set_dict, "dictionary for instance variables",
     NULL},
    {"__weakref__", subtype_get_weakref, NULL,
     "list of weak references to the object", NULL},
    {0},
};
static PyGetSetDef getset_dict_only[] = {
    {"__dict__", subtype_get_dict, subtype_set_dict, "dictionary for instance variables",
     NULL},
    {0},
};
static PyGetSetDef getset_weak_only[] = {
    {"__weakref__", subtype_get_weakref, NULL,
     "list of weak references to the object", NULL},
    {0},
};

static int
set_doc(PyTypeObject *type, PyObject *dict)
{
    PyObject *doc = PyDict_GetItemWithError(dict, NJ_ID(__doc__));
    if (doc == NULL || !PyUnicode_Check(doc)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_ssize_t size;
    const char *s = PyUnicode_AsUTF8AndSize(doc, &size);
    if (s == NULL) {
        return -1;
    }
    char *copy = PyMem_Malloc((size_t)size + 1);
    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, s, (size_t)size + 1);
    type->tp_doc = copy;
    return 0;
}

/* Wraps dict[name] with make() if it is a plain function. */
static int
wrap_function(PyObject *dict, PyObject *name, PyObject *(*make)(PyObject *))
{
    PyObject *f = PyDict_GetItemWithError(dict, name);
    if (f == NULL || !PyFunction_Check(f)) {
        return PyErr_Occurred() ? -1 : 0;
    }
    NJ_OWN w = make(f);
    return w ? PyDict_SetItem(dict, name, w) : -1;
}

static int
set_class_attributes(NjClassMaker *m, PyTypeObject *type)
{
    PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
    PyObject *dict = m->dict;

    PyObject *qualname = PyDict_GetItemWithError(dict, NJ_ID(__qualname__));
    if (qualname) {
        if (!PyUnicode_Check(qualname)) {
            PyErr_Format(PyExc_TypeError, "type __qualname__ must be a str, not %s",
                         Py_TYPE(qualname)->tp_name);
            return -1;
        }
        ht->ht_qualname = Py_NewRef(qualname);
        if (PyDict_DelItem(dict, NJ_ID(__qualname__)) < 0) {
            return -1;
        }
    }
    else if (PyErr_Occurred()) {
        return -1;
    }
    else {
        ht->ht_qualname = Py_NewRef(ht->ht_name);
    }
    int r = PyDict_Contains(dict, NJ_ID(__module__));
    if (r < 0) {
        return -1;
    }
    if (r == 0) {
        PyObject *globals = PyEval_GetGlobals();
        if (globals) {
            NJ_OWN mod = NULL;
            PyObject *found;
            if (PyDict_GetItemRef(globals, NJ_ID(__name__), &found) < 0) {
                return -1;
            }
            NJ_SET(mod, found);
            if (mod && PyDict_SetItem(dict, NJ_ID(__module__), mod) < 0) {
                return -1;
            }
        }
    }
    if (set_doc(type, dict) < 0 ||
        wrap_function(dict, NJ_ID(__new__), PyStaticMethod_New) < 0 ||
        wrap_function(dict, NJ_ID(__init_subclass__), PyClassMethod_New) < 0 ||
        wrap_function(dict, NJ_ID(__class_getitem__), PyClassMethod_New) < 0) {
        return -1;
    }
    /* slots */
    PyMemberDef *mp = heap_members(type);
    Py_ssize_t offset = m->base->tp_basicsize;
    for (Py_ssize_t i = 0; i < m->nslots; i++, mp++) {
        mp->name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(m->slots, i));
        if (mp->name == NULL) {
            return -1;
        }
        mp->type = Py_T_OBJECT_EX;
        mp->offset = offset;
        offset += (Py_ssize_t)sizeof(PyObject *);
    }
    type->tp_basicsize = offset;
    type->tp_itemsize = m->base->tp_itemsize;
    type->tp_members = heap_members(type);
    if (m->add_dict) {
        type->tp_flags |= Py_TPFLAGS_MANAGED_DICT;
        type->tp_dictoffset = -1;
        if (type->tp_itemsize == 0) {
            type->tp_flags |= Py_TPFLAGS_INLINE_VALUES;
        }
    }
    if (m->add_weak) {
        type->tp_flags |= Py_TPFLAGS_MANAGED_WEAKREF;
        type->tp_weaklistoffset = NJ_MANAGED_WEAKREF_OFFSET;
    }
    if (type->tp_weaklistoffset && !m->base->tp_weaklistoffset) {
        type->tp_getset = type->tp_dictoffset && !m->base->tp_dictoffset
                              ? getset_full
                              : getset_weak_only;
    }
    else if (type->tp_dictoffset && !m->base->tp_dictoffset) {
        type->tp_getset = getset_dict_only;
    }
    return 0;
}

/* Takes the class cells out of the namespace: they are filled in once the class stands. */
static int
fill_class_cells(PyTypeObject *type, PyObject *dict)
{
    PyObject *cell = PyDict_GetItemWithError(dict, NJ_ID(__classcell__));
    if (cell) {
        if (!PyCell_Check(cell)) {
            PyErr_Format(PyExc_TypeError,
                         "__classcell__ must be a nonlocal cell, not <class '%.200s'>",
                         Py_TYPE(cell)->tp_name);
            return -1;
        }
        if (PyCell_Set(cell, (PyObject *)type) < 0 ||
            PyDict_DelItem(dict, NJ_ID(__classcell__)) < 0) {
            return -1;
        }
    }
    else if (PyErr_Occurred()) {
        return -1;
    }
    cell = PyDict_GetItemWithError(dict, NJ_ID(__classdictcell__));
    if (cell) {
        if (!PyCell_Check(cell)) {
            PyErr_Format(PyExc_TypeError,
                         "__classdictcell__ must be a nonlocal cell, not <class '%.200s'>",
                         Py_TYPE(cell)->tp_name);
            return -1;
        }
        if (PyCell_Set(cell, dict) < 0 ||
            PyDict_DelItem(dict, NJ_ID(__classdictcell__)) < 0) {
            return -1;
        }
    }
    else if (PyErr_Occurred()) {
        return -1;
    }
    return 0;
}

/* Keys that are not strings can never be found as attributes. 0 or -1. */
static int
warn_odd_keys(PyTypeObject *type)
{
    PyObject *k, *v;
    Py_ssize_t pos = 0;
    while (PyDict_Next(type->tp_dict, &pos, &k, &v)) {
        if (!PyUnicode_Check(k)) {
            return PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                                    "non-string key in the __dict__ of class %.200s",
                                    type->tp_name);
        }
    }
    return 0;
}

static int
call_set_names(PyTypeObject *type)
{
    bool any = false;
    PyObject *k, *v;
    Py_ssize_t pos = 0;
    while (PyDict_Next(type->tp_dict, &pos, &k, &v)) {
        /* functions are most of what is there */
        if (!PyFunction_Check(v) && nj_type_find(Py_TYPE(v), NJ_ID(__set_name__))) {
            any = true;
            break;
        }
    }
    if (!any) {
        return 0;
    }
    NJ_OWN names = PyDict_Copy(type->tp_dict); /* __set_name__ may change the dict */
    if (names == NULL) {
        return -1;
    }
    pos = 0;
    while (PyDict_Next(names, &pos, &k, &v)) {
        NJ_OWN func = nj_type_special(v, NJ_ID(__set_name__));
        if (func == NULL) {
            if (PyErr_Occurred()) {
                return -1;
            }
            continue;
        }
        NJ_OWN r = PyObject_CallFunctionObjArgs(func, (PyObject *)type, k, NULL);
        if (r == NULL) {
            PyObject *exc = PyErr_GetRaisedException();
            NJ_OWN note = PyUnicode_FromFormat(
                "Error calling __set_name__ on '%.100s' instance %R in '%.100s'",
                Py_TYPE(v)->tp_name, k, type->tp_name);
            if (note) {
                NJ_OWN res = PyObject_CallMethodOneArg(exc, NJ_ID(add_note), note);
                if (res == NULL) {
                    PyErr_Clear();
                }
            }
            else {
                PyErr_Clear();
            }
            PyErr_SetRaisedException(exc);
            return -1;
        }
    }
    return 0;
}

static int
call_init_subclass(PyTypeObject *type, PyObject *kwds)
{
    /* super(type, type).__init_subclass__(): mro() may have left type out */
    bool in_mro = PyType_IsSubtype(type, type);
    /* found on the classes after type; object's own does nothing */
    if (in_mro && (kwds == NULL || PyDict_GET_SIZE(kwds) == 0)) {
        PyObject *mro = type->tp_mro;
        bool custom = false;
        for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(mro) && !custom; i++) {
            PyTypeObject *b = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
            if (b == &PyBaseObject_Type) {
                break;
            }
            if (b->tp_version_tag && nj_type_find(b, NJ_ID(__init_subclass__)) ==
                                         nj_type_find(&PyBaseObject_Type,
                                                      NJ_ID(__init_subclass__))) {
                continue;
            }
            custom = PyDict_Contains(b->tp_dict, NJ_ID(__init_subclass__)) != 0;
        }
        if (!custom) {
            return 0;
        }
    }
    NJ_OWN func = nj_super_lookup(type, (PyObject *)type, NJ_ID(__init_subclass__), NULL);
    if (func == NULL) {
        return -1;
    }
    NJ_OWN r = PyObject_VectorcallDict(func, NULL, 0, kwds);
    return r ? 0 : -1;
}

static void
maker_free(NjClassMaker *m)
{
    Py_XDECREF(m->bases);
    Py_XDECREF(m->dict);
    Py_XDECREF(m->slots);
}
#define OWN_MAKER __attribute__((cleanup(maker_free))) NjClassMaker

static PyTypeObject *
alloc_class(NjClassMaker *m)
{
    PyTypeObject *type =
        (PyTypeObject *)m->metatype->tp_alloc(m->metatype, m->nslots);
    if (type == NULL) {
        return NULL;
    }
    PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
    ht->ht_name = Py_NewRef(m->name);
    ht->ht_slots = NULL;
    if (m->slots && m->nslots >= 0 && m->has_slots_attr) {
        ht->ht_slots = Py_NewRef(m->slots);
    }
    type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HEAPTYPE | Py_TPFLAGS_BASETYPE |
                     Py_TPFLAGS_HAVE_GC;
    type->tp_as_async = &ht->as_async;
    type->tp_as_sequence = &ht->as_sequence;
    type->tp_as_mapping = &ht->as_mapping;
    type->tp_as_number = &ht->as_number;
    type->tp_as_buffer = &ht->as_buffer;
    type->tp_bases = Py_NewRef(m->bases);
    type->tp_base = (PyTypeObject *)Py_NewRef(m->base);
    type->tp_dict = Py_NewRef(m->dict);
    type->tp_dealloc = nj_subtype_dealloc;
    type->tp_traverse = subtype_traverse;
    type->tp_clear = subtype_clear;
    type->tp_alloc = PyType_GenericAlloc;
    type->tp_free = PyObject_GC_Del;
    Py_ssize_t size;
    type->tp_name = PyUnicode_AsUTF8AndSize(m->name, &size);
    if (type->tp_name == NULL) {
        Py_DECREF(type);
        return NULL;
    }
    if (strlen(type->tp_name) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "type name must not contain null characters");
        Py_DECREF(type);
        return NULL;
    }
    return type;
}

static PyObject *
make_class(NjClassMaker *m)
{
    m->base = nj_type_best_base(m->bases);
    if (m->base == NULL) {
        return NULL;
    }
    PyObject *slots;
    if (PyDict_GetItemRef(m->dict, NJ_ID(__slots__), &slots) < 0) {
        return NULL;
    }
    m->may_add_dict = m->base->tp_dictoffset == 0;
    m->may_add_weak = m->base->tp_weaklistoffset == 0 && m->base->tp_itemsize == 0;
    if (slots == NULL) {
        m->add_dict = m->may_add_dict;
        m->add_weak = m->may_add_weak;
    }
    else {
        m->has_slots_attr = true;
        int r = collect_slots(m, slots);
        Py_DECREF(slots);
        if (r < 0) {
            return NULL;
        }
        look_at_other_bases(m);
    }
    NJ_OWN t = (PyObject *)alloc_class(m);
    if (t == NULL) {
        return NULL;
    }
    PyTypeObject *type = (PyTypeObject *)t;
    if (set_class_attributes(m, type) < 0 || fill_class_cells(type, type->tp_dict) < 0 ||
        PyType_Ready(type) < 0) {
        return NULL;
    }
    nj_type_slots_fixup(type);
    type->tp_alloc = PyType_GenericAlloc;
    PyType_Modified(type);
    if (warn_odd_keys(type) < 0 || call_set_names(type) < 0 || call_init_subclass(type, m->kwds) < 0) {
        return NULL;
    }
    return NJ_TAKE(t);
}

static PyObject *
type_new(PyTypeObject *metatype, PyObject *args, PyObject *kwds)
{
    OWN_MAKER m = {.metatype = metatype, .args = args, .kwds = kwds};
    PyObject *name, *bases, *dict;
    if (PyTuple_GET_SIZE(args) != 3) {
        PyErr_Format(PyExc_TypeError,
                     "type.__new__() takes exactly 3 arguments (%zd given)",
                     PyTuple_GET_SIZE(args));
        return NULL;
    }
    name = PyTuple_GET_ITEM(args, 0);
    bases = PyTuple_GET_ITEM(args, 1);
    dict = PyTuple_GET_ITEM(args, 2);
    if (!PyUnicode_Check(name)) {
        _PyArg_BadArgument("type.__new__", "argument 1", "str", name);
        return NULL;
    }
    if (!PyTuple_Check(bases)) {
        _PyArg_BadArgument("type.__new__", "argument 2", "tuple", bases);
        return NULL;
    }
    if (!PyDict_Check(dict)) {
        _PyArg_BadArgument("type.__new__", "argument 3", "dict", dict);
        return NULL;
    }
    m.name = name;
    if (PyTuple_GET_SIZE(bases) == 0) {
        m.bases = PyTuple_Pack(1, &PyBaseObject_Type);
        if (m.bases == NULL) {
            return NULL;
        }
    }
    else {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
            PyObject *b = PyTuple_GET_ITEM(bases, i);
            if (PyType_Check(b)) {
                continue;
            }
            int r = PyObject_HasAttrWithError(b, NJ_ID(__mro_entries__));
            if (r == 0) {
                continue; /* its type will be no metaclass */
            }
            if (r > 0) {
                PyErr_SetString(PyExc_TypeError,
                                "type() doesn't support MRO entry resolution; "
                                "use types.new_class()");
            }
            return NULL;
        }
        PyTypeObject *winner = nj_type_metaclass(metatype, bases);
        if (winner == NULL) {
            return NULL;
        }
        if (winner != metatype) {
            if (winner->tp_new == NULL) {
                PyErr_Format(PyExc_TypeError, "cannot create '%s' instances",
                             winner->tp_name);
                return NULL;
            }
            if (winner->tp_new != type_new) {
                if (winner->tp_new == NULL) {
                    PyErr_Format(PyExc_TypeError, "cannot create '%s' instances",
                                 winner->tp_name);
                    return NULL;
                }
                return winner->tp_new(winner, args, kwds);
            }
            m.metatype = winner;
        }
        m.bases = Py_NewRef(bases);
    }
    m.dict = PyDict_Copy(dict);
    return m.dict ? make_class(&m) : NULL;
}

static int
type_init(PyObject *cls, PyObject *args, PyObject *kwds)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    if (kwds && n == 1 && PyDict_GET_SIZE(kwds) != 0) {
        PyErr_SetString(PyExc_TypeError, "type.__init__() takes no keyword arguments");
        return -1;
    }
    if (n != 1 && n != 3) {
        PyErr_SetString(PyExc_TypeError, "type.__init__() takes 1 or 3 arguments");
        return -1;
    }
    return 0;
}

/* ======================================================================================
 * Life of a type object
 * ====================================================================================== */

static int
type_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (!nj_type_is_heap(type)) {
        return 0;
    }
    Py_VISIT(type->tp_dict);
    Py_VISIT(type->tp_cache);
    Py_VISIT(type->tp_mro);
    Py_VISIT(type->tp_bases);
    Py_VISIT(type->tp_base);
    Py_VISIT(((PyHeapTypeObject *)type)->ht_module);
    return 0;
}

static int
type_clear(PyObject *self)
{
    PyTypeObject *type = (PyTypeObject *)self;
    PyType_Modified(type);
    if (nj_type_is_heap(type)) {
        PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
        if (ht->ht_cached_keys) {
            /* living instances keep their own reference through inline values: the keys
             * stay until dealloc */
        }
        if (type->tp_dict) {
            PyDict_Clear(type->tp_dict);
        }
        Py_CLEAR(ht->ht_module);
        Py_CLEAR(type->tp_mro);
    }
    return 0;
}

static int
type_is_gc(PyObject *self)
{
    return nj_type_is_heap((PyTypeObject *)self);
}

static void
type_dealloc(PyObject *self)
{
    PyTypeObject *type = (PyTypeObject *)self;
    if (!nj_type_is_heap(type)) {
        return; /* static: immortal */
    }
    PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
    nj_gc_untrack(self);
    PyObject *exc = PyErr_GetRaisedException();
    if (type->tp_bases) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(type->tp_bases); i++) {
            PyObject *b = PyTuple_GET_ITEM(type->tp_bases, i);
            if (PyType_Check(b)) {
                nj_type_lookup_remove_subclass((PyTypeObject *)b, type);
            }
        }
    }
    PyErr_SetRaisedException(exc);
    PyObject_ClearWeakRefs(self);
    Py_XDECREF(type->tp_base);
    Py_XDECREF(type->tp_dict);
    Py_XDECREF(type->tp_bases);
    Py_XDECREF(type->tp_mro);
    Py_XDECREF(type->tp_cache);
    Py_XDECREF((PyObject *)type->tp_subclasses);
    PyMem_Free((char *)type->tp_doc);
    Py_XDECREF(ht->ht_name);
    Py_XDECREF(ht->ht_qualname);
    Py_XDECREF(ht->ht_slots);
    Py_XDECREF(ht->ht_module);
    if (ht->ht_cached_keys) {
        nj_keys_decref(ht->ht_cached_keys);
    }
    PyMem_Free(ht->_ht_tpname);
    PyTypeObject *meta = Py_TYPE(self);
    meta->tp_free(self);
    if (nj_type_is_heap(meta) && meta->tp_dealloc == type_dealloc) {
        Py_DECREF(meta);
    }
}

/* ======================================================================================
 * Methods of type
 * ====================================================================================== */

static PyObject *
type_mro(PyObject *self, PyObject *unused)
{
    NJ_OWN mro = nj_type_lookup_c3((PyTypeObject *)self);
    return mro ? PySequence_List(mro) : NULL;
}

static PyObject *
type_subclasses(PyObject *self, PyObject *unused)
{
    return nj_type_lookup_subclasses((PyTypeObject *)self);
}

static PyObject *
type_prepare(PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return PyDict_New();
}

int
nj_type_merge_dir(PyObject *dict, PyObject *cls)
{
    NJ_OWN d = NULL;
    PyObject *found;
    if (PyObject_GetOptionalAttr(cls, NJ_ID(__dict__), &found) < 0) {
        return -1;
    }
    NJ_SET(d, found);
    if (d && PyDict_Update(dict, d) < 0) {
        return -1;
    }
    if (PyObject_GetOptionalAttr(cls, NJ_ID(__bases__), &found) < 0) {
        return -1;
    }
    NJ_OWN bases = found;
    if (bases == NULL) {
        return 0;
    }
    Py_ssize_t n = PySequence_Size(bases);
    if (n < 0) {
        PyErr_Clear();
        return 0;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        NJ_OWN b = PySequence_GetItem(bases, i);
        if (b == NULL || nj_type_merge_dir(dict, b) < 0) {
            return -1;
        }
    }
    return 0;
}

static PyObject *
type_dir(PyObject *self, PyObject *unused)
{
    NJ_OWN dict = PyDict_New();
    if (dict == NULL || nj_type_merge_dir(dict, self) < 0) {
        return NULL;
    }
    return PyDict_Keys(dict);
}

static PyObject *
type_sizeof(PyObject *self, PyObject *unused)
{
    PyTypeObject *type = (PyTypeObject *)self;
    size_t size;
    if (nj_type_is_heap(type)) {
        PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
        size = sizeof(PyHeapTypeObject);
        if (ht->ht_cached_keys) {
            NjDictKeys *k = ht->ht_cached_keys;
            size += sizeof(*k) + ((size_t)1 << k->dk_log2_index_bytes) +
                    (size_t)(k->dk_usable + k->dk_nentries) * sizeof(NjStrEntry);
        }
    }
    else {
        size = sizeof(PyTypeObject);
    }
    return PyLong_FromSize_t(size);
}

static PyObject *
type_instancecheck(PyObject *self, PyObject *instance)
{
    int r = nj_abstract_real_isinstance(instance, self);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
type_subclasscheck(PyObject *self, PyObject *sub)
{
    int r = nj_abstract_real_issubclass(sub, self);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
type_or(PyObject *a, PyObject *b)
{
    return nj_union_or(a, b);
}

static PyMethodDef type_methods[] = {
    {"mro", type_mro, METH_NOARGS,
     "mro($self, /)\n--\n\nReturn a type's method resolution order."},
    {"__subclasses__", type_subclasses, METH_NOARGS,
     "__subclasses__($self, /)\n--\n\nReturn a list of immediate subclasses."},
    {"__prepare__", (PyCFunction)(void (*)(void))type_prepare,
     METH_FASTCALL | METH_KEYWORDS | METH_CLASS,
     "__prepare__($cls, name, bases, /, **kwds)\n--\n\n"
     "Create the namespace for the class statement"},
    {"__instancecheck__", type_instancecheck, METH_O,
     "__instancecheck__($self, instance, /)\n--\n\nCheck if an object is an instance."},
    {"__subclasscheck__", type_subclasscheck, METH_O,
     "__subclasscheck__($self, subclass, /)\n--\n\nCheck if a class is a subclass."},
    {"__dir__", type_dir, METH_NOARGS,
     "__dir__($self, /)\n--\n\nSpecialized __dir__ implementation for types."},
    {"__sizeof__", type_sizeof, METH_NOARGS,
     "__sizeof__($self, /)\n--\n\nReturn memory consumption of the type object."},
    {0},
};

static PyMemberDef type_members[] = {
    {"__basicsize__", Py_T_PYSSIZET, offsetof(PyTypeObject, tp_basicsize), Py_READONLY},
    {"__itemsize__", Py_T_PYSSIZET, offsetof(PyTypeObject, tp_itemsize), Py_READONLY},
    {"__flags__", Py_T_ULONG, offsetof(PyTypeObject, tp_flags), Py_READONLY},
    {"__weakrefoffset__", Py_T_PYSSIZET, offsetof(PyTypeObject, tp_weaklistoffset),
     Py_READONLY},
    {"__base__", _Py_T_OBJECT, offsetof(PyTypeObject, tp_base), Py_READONLY},
    {"__dictoffset__", Py_T_PYSSIZET, offsetof(PyTypeObject, tp_dictoffset),
     Py_READONLY},
    {0},
};

static PyGetSetDef type_getset[] = {
    {"__name__", type_get_name, type_set_name},
    {"__qualname__", type_get_qualname, type_set_qualname},
    {"__bases__", type_get_bases, type_set_bases},
    {"__mro__", type_get_mro, NULL},
    {"__module__", type_get_module, type_set_module},
    {"__abstractmethods__", type_get_abstractmethods, type_set_abstractmethods},
    {"__dict__", type_get_dict, NULL},
    {"__doc__", type_get_doc, type_set_doc},
    {"__text_signature__", type_get_text_signature, NULL},
    {"__annotations__", type_get_annotations, type_set_annotations},
    {"__annotate__", type_get_annotate, type_set_annotate},
    {"__type_params__", type_get_type_params, type_set_type_params},
    {0},
};

static PyNumberMethods type_as_number = {.nb_or = type_or};

PyTypeObject PyType_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "type",
    .tp_basicsize = sizeof(PyHeapTypeObject),
    .tp_itemsize = sizeof(PyMemberDef),
    .tp_dealloc = type_dealloc,
    .tp_vectorcall_offset = offsetof(PyTypeObject, tp_vectorcall),
    .tp_repr = type_repr,
    .tp_as_number = &type_as_number,
    .tp_call = nj_type_call,
    .tp_getattro = nj_type_getattro,
    .tp_setattro = type_setattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE |
                Py_TPFLAGS_TYPE_SUBCLASS | Py_TPFLAGS_HAVE_VECTORCALL |
                Py_TPFLAGS_ITEMS_AT_END,
    .tp_doc = "type(object) -> the object's type\n"
              "type(name, bases, dict, **kwds) -> a new type",
    .tp_traverse = type_traverse,
    .tp_clear = type_clear,
    .tp_weaklistoffset = offsetof(PyTypeObject, tp_weaklist),
    .tp_methods = type_methods,
    .tp_members = type_members,
    .tp_getset = type_getset,
    .tp_dictoffset = offsetof(PyTypeObject, tp_dict),
    .tp_init = type_init,
    .tp_new = type_new,
    .tp_free = PyObject_GC_Del,
    .tp_is_gc = type_is_gc,
    .tp_vectorcall = type_vectorcall,
};

/* ======================================================================================
 * __class__ assignment (object.__class__ setter calls this)
 * ====================================================================================== */

int
nj_type_assign_class(PyObject *self, PyObject *value)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "can't delete __class__ attribute");
        return -1;
    }
    if (!PyType_Check(value)) {
        PyErr_Format(PyExc_TypeError,
                     "__class__ must be set to a class, not '%s' object",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    PyTypeObject *oldto = Py_TYPE(self);
    PyTypeObject *newto = (PyTypeObject *)value;
    if (PySys_Audit("object.__setattr__", "OsO", self, "__class__", value) < 0) {
        return -1;
    }
    bool modules = PyType_IsSubtype(newto, &PyModule_Type) &&
                   PyType_IsSubtype(oldto, &PyModule_Type);
    if (!modules && ((newto->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) ||
                     (oldto->tp_flags & Py_TPFLAGS_IMMUTABLETYPE))) {
        PyErr_Format(PyExc_TypeError,
                     "__class__ assignment only supported for mutable types or "
                     "ModuleType subclasses");
        return -1;
    }
    if (!check_compatible(oldto, newto, "__class__")) {
        return -1;
    }
    if (oldto->tp_flags & Py_TPFLAGS_INLINE_VALUES) {
        /* inline values are laid out by the old class's keys */
        if (nj_inst_dict(self) == NULL || nj_inst_detach(self) < 0) {
            return -1;
        }
    }
    if (nj_type_is_heap(newto)) {
        Py_INCREF(newto);
    }
    Py_SET_TYPE(self, newto);
    if (nj_type_is_heap(oldto)) {
        Py_DECREF(oldto);
    }
    return 0;
}

/* ======================================================================================
 * __build_class__
 * ====================================================================================== */

PyObject *
nj_type_resolve_bases(PyObject *bases)
{
    Py_ssize_t n = PyTuple_GET_SIZE(bases);
    NJ_OWN out = NULL;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *b = PyTuple_GET_ITEM(bases, i);
        NJ_OWN meth = NULL;
        if (!PyType_Check(b)) {
            PyObject *found;
            if (PyObject_GetOptionalAttr(b, NJ_ID(__mro_entries__), &found) < 0) {
                return NULL;
            }
            NJ_SET(meth, found);
        }
        if (meth == NULL) {
            if (out && PyList_Append(out, b) < 0) {
                return NULL;
            }
            continue;
        }
        NJ_OWN entries = PyObject_CallOneArg(meth, bases);
        if (entries == NULL) {
            return NULL;
        }
        if (!PyTuple_Check(entries)) {
            PyErr_SetString(PyExc_TypeError, "__mro_entries__ must return a tuple");
            return NULL;
        }
        if (out == NULL) {
            NJ_SET(out, PyList_New(0));
            if (out == NULL) {
                return NULL;
            }
            for (Py_ssize_t j = 0; j < i; j++) {
                if (PyList_Append(out, PyTuple_GET_ITEM(bases, j)) < 0) {
                    return NULL;
                }
            }
        }
        for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(entries); j++) {
            if (PyList_Append(out, PyTuple_GET_ITEM(entries, j)) < 0) {
                return NULL;
            }
        }
    }
    return out ? PyList_AsTuple(out) : Py_NewRef(bases);
}

PyObject *
nj_type_build_class(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                    PyObject *kwnames)
{
    if (nargs < 2) {
        PyErr_SetString(PyExc_TypeError, "__build_class__: not enough arguments");
        return NULL;
    }
    PyObject *func = args[0], *name = args[1];
    if (!PyFunction_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "__build_class__: func must be a function");
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "__build_class__: name is not a string");
        return NULL;
    }
    NJ_OWN orig = PyTuple_New(nargs - 2);
    if (orig == NULL) {
        return NULL;
    }
    for (Py_ssize_t i = 2; i < nargs; i++) {
        PyTuple_SET_ITEM(orig, i - 2, Py_NewRef(args[i]));
    }
    NJ_OWN bases = nj_type_resolve_bases(orig);
    if (bases == NULL) {
        return NULL;
    }
    NJ_OWN kwds = NULL;
    NJ_OWN meta = NULL;
    bool is_class = false;
    if (kwnames) {
        NJ_SET(kwds, PyDict_New());
        for (Py_ssize_t i = 0; kwds && i < PyTuple_GET_SIZE(kwnames); i++) {
            PyObject *k = PyTuple_GET_ITEM(kwnames, i);
            if (PyUnicode_EqualToUTF8(k, "metaclass")) {
                NJ_SET(meta, Py_NewRef(args[nargs + i]));
                is_class = PyType_Check(meta);
            }
            else if (PyDict_SetItem(kwds, k, args[nargs + i]) < 0) {
                return NULL;
            }
        }
        if (kwds == NULL) {
            return NULL;
        }
    }
    if (meta == NULL) {
        NJ_SET(meta, PyTuple_GET_SIZE(bases) == 0
                         ? Py_NewRef(&PyType_Type)
                         : Py_NewRef(Py_TYPE(PyTuple_GET_ITEM(bases, 0))));
        is_class = true;
    }
    if (is_class) {
        PyTypeObject *winner = nj_type_metaclass((PyTypeObject *)meta, bases);
        if (winner == NULL) {
            return NULL;
        }
        if ((PyObject *)winner != meta) {
            NJ_SET(meta, Py_NewRef(winner));
        }
    }
    NJ_OWN ns = NULL;
    if (meta == (PyObject *)&PyType_Type) {
        NJ_SET(ns, PyDict_New());
    }
    else {
        PyObject *prep;
        if (PyObject_GetOptionalAttr(meta, NJ_ID(__prepare__), &prep) < 0) {
            return NULL;
        }
        NJ_OWN p = prep;
        if (p == NULL) {
            NJ_SET(ns, PyDict_New());
        }
        else {
            PyObject *pargs[2] = {name, bases};
            NJ_SET(ns, PyObject_VectorcallDict(p, pargs, 2, kwds));
        }
    }
    if (ns == NULL) {
        return NULL;
    }
    if (!PyMapping_Check(ns)) {
        PyErr_Format(PyExc_TypeError,
                     "%.200s.__prepare__() must return a mapping, not %.200s",
                     is_class ? ((PyTypeObject *)meta)->tp_name : "<metaclass>",
                     Py_TYPE(ns)->tp_name);
        return NULL;
    }
    NJ_OWN cell = nj_func_run_with_locals(func, ns);
    if (cell == NULL) {
        return NULL;
    }
    if (bases != orig && PyMapping_SetItemString(ns, "__orig_bases__", orig) < 0) {
        return NULL;
    }
    PyObject *margs[3] = {name, bases, ns};
    NJ_OWN cls = PyObject_VectorcallDict(meta, margs, 3, kwds);
    if (cls == NULL) {
        return NULL;
    }
    if (PyType_Check(cls) && PyCell_Check(cell)) {
        PyObject *in_cell = PyCell_GET(cell);
        if (in_cell != cls) {
            if (in_cell == NULL) {
                PyErr_Format(PyExc_RuntimeError,
                             "__class__ not set defining %.200R as %.200R. "
                             "Was __classcell__ propagated to type.__new__?",
                             name, cls);
            }
            else {
                PyErr_Format(PyExc_TypeError,
                             "__class__ set to %.200R defining %.200R as %.200R", in_cell,
                             name, cls);
            }
            return NULL;
        }
    }
    return NJ_TAKE(cls);
}

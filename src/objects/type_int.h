/* type_int.h - what the rest of the engine may know about types and the object protocol.
 *
 * Versions: tp_version_tag names one state of a type and of everything it inherits;
 * 0 means "no version". PyType_Modified sets it to 0 for the type and its subclasses, so
 * whoever caches a lookup keeps the version beside it and compares. Static built-in types
 * get their version at start-up, the same in every interpreter; heap types get one on
 * demand from their interpreter's counter, a limited number of times per type.
 *
 * Memory in front of an object: [weakref list][dict or inline values flag][gc, gc]obj.
 * The first two words exist if the type has MANAGED_DICT or MANAGED_WEAKREF, the last
 * two if it is a GC type (managed types always are).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_TYPE_INT_H
#define NJ_OBJECTS_TYPE_INT_H

#include "nj.h"
#include "runtime/state.h"

/* Exported by the reference without a public declaration (call.c). */
PyAPI_FUNC(PyObject *)
    _Py_CheckFunctionResult(PyThreadState *tstate, PyObject *callable, PyObject *result,
                            const char *where);
PyAPI_FUNC(PyObject *)
    _PyObject_MakeTpCall(PyThreadState *tstate, PyObject *callable,
                         PyObject *const *args, Py_ssize_t nargs, PyObject *keywords);

/* ---- life cycle ------------------------------------------------------------------- */

/* New lists: the types of builtin_types.def; the names of slotdefs, some twice. */
NJ_MUST PyObject *nj_types_static(void);
NJ_MUST PyObject *nj_type_slot_names(void);
/* Readies every type of builtin_types.def, once per process, in the main interpreter,
 * after str and the id table stand. Then calls nj_types_interp_init. 0 or -1. */
NJ_MUST int nj_types_init(NjInterp *interp);
/* State of types in an interpreter (every one but the first). 0 or -1. */
NJ_MUST int nj_types_interp_init(NjInterp *interp);
void nj_types_interp_fini(NjInterp *interp);
/* Forgets every cached lookup (PyType_ClearCache; also called by the collector's full
 * runs if it wants names freed). */
void nj_types_clear_cache(NjInterp *interp);
/* Makes op immortal and takes it out of the collector's lists. */
void nj_make_immortal(PyObject *op);

/* ---- layout ------------------------------------------------------------------------ */

NJ_INLINE bool
nj_type_is_gc(const PyTypeObject *tp)
{
    return (tp->tp_flags & Py_TPFLAGS_HAVE_GC) != 0;
}

NJ_INLINE bool
nj_type_is_static_builtin(const PyTypeObject *tp)
{
    return (tp->tp_flags & _Py_TPFLAGS_STATIC_BUILTIN) != 0;
}

NJ_INLINE bool
nj_type_is_heap(const PyTypeObject *tp)
{
    return (tp->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
}

/* Bytes in front of an object of this type: what PyObject_GC_New, PyType_GenericAlloc and
 * PyObject_GC_Del add to and take from the address. */
NJ_INLINE size_t
nj_type_preheader(const PyTypeObject *tp)
{
    size_t n = nj_type_is_gc(tp) ? 2 * sizeof(void *) : 0;
    if (tp->tp_flags & Py_TPFLAGS_PREHEADER) {
        n += 2 * sizeof(void *);
    }
    return n;
}

#define NJ_MANAGED_WEAKREF_OFFSET (-4 * (Py_ssize_t)sizeof(PyObject *))

/* The slot of a dict that the object itself stores (tp_dictoffset > 0 or, for variable
 * size, < -1), or NULL: no dict, or a managed one. */
NJ_INLINE PyObject **
nj_obj_dict_slot(PyObject *op)
{
    PyTypeObject *tp = Py_TYPE(op);
    Py_ssize_t off = tp->tp_dictoffset;
    if (off == 0 || (tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return NULL;
    }
    if (NJ_UNLIKELY(off < 0)) {
        Py_ssize_t n = PyType_FastSubclass(tp, Py_TPFLAGS_LONG_SUBCLASS)
                           ? (Py_ssize_t)(((PyLongObject *)op)->long_value.lv_tag >> 3)
                           : ((PyVarObject *)op)->ob_size;
        off += (Py_ssize_t)_PyObject_VAR_SIZE(tp, n < 0 ? -n : n);
    }
    return (PyObject **)((char *)op + off);
}

/* The head of the list of weak references to op, or NULL if its type has none. */
PyObject **nj_obj_weaklist_slot(PyObject *op);

/* Total bytes (without pre-header) of an instance, inline values included. */
size_t nj_type_instance_size(PyTypeObject *tp, Py_ssize_t nitems);

/* ---- lookup ------------------------------------------------------------------------ */

/* Out-of-line half of nj_type_find. */
PyObject *nj_type_find_slow(PyTypeObject *tp, PyObject *name);

/* The attribute `name' of the type's MRO without binding: borrowed, or NULL without an
 * exception. Runs no Python code for str names. */
NJ_INLINE PyObject *
nj_type_find(PyTypeObject *tp, PyObject *name)
{
    uint32_t v = tp->tp_version_tag;
    uintptr_t h = ((uintptr_t)name >> 3) ^ v;
    NjTypeCacheEntry *e = &nj_interp()->types.cache[h & (NJ_TYPE_CACHE_SIZE - 1)];
    if (NJ_LIKELY(e->version == v && e->name == name)) {
        return e->value;
    }
    return nj_type_find_slow(tp, name);
}

/* The type's version, assigned on demand (its bases first); 0 if it cannot have one. */
uint32_t nj_type_version(PyTypeObject *tp);

/* Special method lookup (type only, never the instance). nj_type_special: a new reference
 * bound to self, or NULL with or without an exception (absent).
 * nj_type_special_unbound: 1 found, *out new reference and *unbound says whether self must
 * be passed as first argument; 0 absent; -1 error. */
PyObject *nj_type_special(PyObject *self, PyObject *name);
int nj_type_special_unbound(PyObject *self, PyObject *name, PyObject **out,
                            bool *unbound);

/* Attribute for a method call: 1 = *out is an unbound method (new reference) to be called
 * with obj first; 0 = *out is the attribute's value (new reference), or NULL with an
 * exception set. */
int nj_object_get_method(PyObject *obj, PyObject *name, PyObject **out);

/* Like PyObject_GetAttr but with AttributeError suppressed cheaply (never created where
 * the type uses the generic lookup): 1, 0 (*out NULL), -1. = PyObject_GetOptionalAttr. */
int nj_object_get_optional(PyObject *obj, PyObject *name, PyObject **out);

/* super(type, obj).name for LOAD_SUPER_ATTR. method is NULL or receives true if the result
 * is an unbound function to be called with obj first. New reference or NULL. */
PyObject *nj_super_lookup(PyTypeObject *type, PyObject *obj, PyObject *name,
                          bool *method);

/* ---- class creation ------------------------------------------------------------------ */

/* The most derived metaclass of `metatype' and the types of the bases. Borrowed, or NULL
 * with "metaclass conflict". */
PyTypeObject *nj_type_metaclass(PyTypeObject *metatype, PyObject *bases);
/* __build_class__ (vectorcall convention, METH_FASTCALL|METH_KEYWORDS). type.c; the
 * builtins module lists it in its table. */
PyObject *nj_type_build_class(PyObject *module, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *kwnames);
/* Resolves __mro_entries__ of a tuple of bases: new reference (bases itself if nothing
 * changed), or NULL. */
PyObject *nj_type_resolve_bases(PyObject *bases);

/* True if tp_new/tp_alloc... of a heap type are the plain ones, so that the VM may build an
 * instance itself: object.__new__, PyType_GenericAlloc, no abstract methods. */
bool nj_type_plain_new(PyTypeObject *tp);

/* PyType_GenericAlloc without the final nj_gc_track. */
PyObject *nj_type_alloc_untracked(PyTypeObject *tp, Py_ssize_t nitems);

/* Slot functions that other areas compare against. */
PyObject *nj_slot_getattr_hook(PyObject *self, PyObject *name);
/* tp_call of a class whose __call__ is not a slot of C's. */
PyObject *nj_slot_tp_call(PyObject *self, PyObject *args, PyObject *kwds);
PyObject *nj_slot_getattro(PyObject *self, PyObject *name);
int nj_slot_setattro(PyObject *self, PyObject *name, PyObject *value);
PyObject *nj_slot_new(PyTypeObject *type, PyObject *args, PyObject *kwds);
/* type.__new__ as attribute lookup finds it: new reference. */
PyObject *nj_type_get_new(PyTypeObject *type);
/* tp_call of type, and what a vectorcall does instead when that is the tp_call and
 * cls->tp_new is nj_slot_new. */
PyObject *nj_type_call(PyObject *cls, PyObject *args, PyObject *kwds);
PyObject *nj_type_call_python_new(PyObject *cls, PyObject *const *args, size_t nargsf,
                                  PyObject *kwnames);
int nj_slot_init(PyObject *self, PyObject *args, PyObject *kwds);
PyObject *nj_type_getattro(PyObject *type, PyObject *name);
PyObject *nj_object_new(PyTypeObject *type, PyObject *args, PyObject *kwds);

/* ---- intrinsics of the VM (typevar.c, template.c, union.c) --------------------------- */

PyObject *nj_typevar_make(PyObject *name, PyObject *evaluate_bound,
                          PyObject *evaluate_constraints); /* either may be NULL */
PyObject *nj_paramspec_make(PyObject *name);
PyObject *nj_typevartuple_make(PyObject *name);
PyObject *nj_typealias_make(PyObject *args); /* (name, type_params or None, evaluate) */
PyObject *nj_typevar_set_default(PyObject *typevar, PyObject *evaluate_default);
PyObject *nj_subscript_generic(PyObject *params);
/* INTRINSIC_SET_FUNCTION_TYPE_PARAMS stays with func.c. */
PyObject *nj_template_make(PyObject *strings, PyObject *interpolations);
PyObject *nj_interpolation_make(PyObject *value, PyObject *expression, int conversion,
                                PyObject *format_spec); /* conversion 0..3: none s r a */
extern PyTypeObject NjTemplate_Type;
extern PyTypeObject NjTemplateIter_Type;
extern PyTypeObject NjInterpolation_Type;
extern PyTypeObject NjTypeVar_Type;
extern PyTypeObject NjTypeVarTuple_Type;
extern PyTypeObject NjParamSpec_Type;
extern PyTypeObject NjParamSpecArgs_Type;
extern PyTypeObject NjParamSpecKwargs_Type;
extern PyTypeObject NjTypeAlias_Type;
extern PyTypeObject NjNoDefault_Type;
extern PyTypeObject NjConstEvaluator_Type;
extern PyTypeObject NjMethodWrapper_Type;
extern PyTypeObject NjNamespace_Type;
extern PyTypeObject NjGenericAliasIter_Type;
PyAPI_DATA(PyTypeObject) _PyNone_Type;
PyAPI_DATA(PyTypeObject) _PyNotImplemented_Type;
PyAPI_DATA(PyTypeObject) _PyUnion_Type;
extern PyObject nj_no_default; /* typing.NoDefault */

/* a | b of types: new reference (may be NotImplemented) or NULL. (union.c) */
PyObject *nj_union_or(PyObject *a, PyObject *b);
bool nj_is_unionable(PyObject *op);
PyObject *nj_union_from_args(PyObject *args_tuple);

/* ---- weak references (weakref.c) ----------------------------------------------------- */

/* For the collector: clears the reference `ref' (removes it from its object's list) but
 * leaves the callback in place. */
void nj_weakref_clear_ref(PyWeakReference *ref);
/* Calls the callback of a cleared reference; errors are unraisable. */
void nj_weakref_run_callback(PyWeakReference *ref, PyObject *callback);
Py_ssize_t nj_weakref_count(PyObject *op);

/* ---- modules (module.c) -------------------------------------------------------------- */

typedef struct NjModule {
    PyObject_HEAD
    PyObject *md_dict;
    PyModuleDef *md_def;
    void *md_state;
    PyObject *md_weaklist;
    PyObject *md_name; /* for the dealloc message of verbose mode */
} NjModule;

/* PyType_GetFullyQualifiedName, and with a colon before the qualified name. */
PyObject *nj_type_full_name(PyTypeObject *type, bool colon);

/* The value of a missing attribute: module __getattr__, else the AttributeError with the
 * hints about circular imports and shadowing files. New reference or NULL. */
PyObject *nj_module_getattr_missing(PyObject *module, PyObject *name);
/* Whether the module from the file origin (or NULL) lies beside the script and hides a
 * library module, or may do so while it is being initialized. 1 with a new reference to
 * what an error message should advise, 0, -1. */
NJ_MUST int nj_module_shadows(PyObject *name, PyObject *origin, bool initializing,
                              PyObject **advice);
/* PyObject_GetOptionalAttr of an exact module: no exception is made on the way to 0. */
int nj_module_get_optional(PyObject *module, PyObject *name, PyObject **out);
void nj_module_clear(PyObject *module);      /* used by lifecycle at exit */
void nj_module_clear_dict(PyObject *dict);

/* SimpleNamespace(**kwargs); kwargs may be NULL. */
PyAPI_FUNC(PyObject *) _PyNamespace_New(PyObject *kwds);

/* ---- functions in C (builtin_func.c, descr.c, method.c) ------------------------------ */

/* Vectorcalls by calling convention, for the VM's specializations. */
vectorcallfunc nj_cfunction_vectorcall_for(int flags);
vectorcallfunc nj_method_descr_vectorcall_for(int flags);

PyObject *nj_wrapper_new(PyObject *descr, PyObject *self); /* method-wrapper */
/* __text_signature__ and __doc__ out of an ml_doc: new references. */
PyObject *nj_doc_signature(const char *name, const char *internal_doc);
PyObject *nj_doc_text(const char *name, const char *internal_doc);
/* The same for a method, whose kind tells a signature where the text has none. */
PyObject *nj_method_signature(const PyMethodDef *ml);

#endif

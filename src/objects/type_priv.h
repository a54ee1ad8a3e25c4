/* type_priv.h - shared by the three files of `type': type.c, type_slots.c, type_lookup.c
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_TYPE_PRIV_H
#define NJ_OBJECTS_TYPE_PRIV_H

#include "objects/dict_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"

/* type_lookup.c */
/* Computes tp_mro (through the metaclass's mro() if it has its own). 0 or -1. */
NJ_MUST int nj_type_lookup_set_mro(PyTypeObject *type);
/* The C3 linearisation: new tuple or NULL. */
PyObject *nj_type_lookup_c3(PyTypeObject *type);
NJ_MUST int nj_type_lookup_add_subclass(PyTypeObject *base, PyTypeObject *type);
void nj_type_lookup_remove_subclass(PyTypeObject *base, PyTypeObject *type);
/* New list of the living direct subclasses, or NULL. */
PyObject *nj_type_lookup_subclasses(PyTypeObject *type);
bool nj_type_lookup_has_subclasses(PyTypeObject *type);
/* Drops the state of a static type that is not shared (extension types). */
PyObject **nj_type_lookup_subclass_slot(PyTypeObject *type);

/* type_slots.c */
NJ_MUST int nj_type_slots_init(void);
/* Adds a wrapper descriptor to tp_dict for each filled slot. 0 or -1. */
NJ_MUST int nj_type_slots_add_operators(PyTypeObject *type);
/* Sets the slots of a new Python class from its MRO. */
void nj_type_slots_fixup(PyTypeObject *type);
/* Sets every slot of the type and its subclasses (bases changed). 0 or -1. */
NJ_MUST int nj_type_slots_update_all(PyTypeObject *type);
/* `name' of the type changed: updates slots here and in subclasses. 0 or -1. */
NJ_MUST int nj_type_slots_update(PyTypeObject *type, PyObject *name);
bool nj_type_slots_is_slot_name(PyObject *name);
void nj_type_slots_inherit(PyTypeObject *type, PyTypeObject *base);

/* method.c */
void nj_method_free_list_clear(NjInterp *interp);

/* type.c */
/* The base that determines the layout; checks that all are acceptable. Borrowed/NULL. */
PyTypeObject *nj_type_best_base(PyObject *bases);
void nj_subtype_dealloc(PyObject *self);
bool nj_is_new_wrapper(PyObject *func);
NJ_INLINE bool
nj_is_dunder(PyObject *name)
{
    if (!PyUnicode_IS_ASCII(name)) {
        return false;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(name);
    const char *s = (const char *)PyUnicode_DATA(name);
    return n > 4 && s[0] == '_' && s[1] == '_' && s[n - 1] == '_' && s[n - 2] == '_';
}

#endif

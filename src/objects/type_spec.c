/* type_spec.c - heap types made by C code: PyType_FromSpec and relatives
 *
 * A spec is a table of (slot number, pointer). Everything needed from it is copied, so that
 * the spec itself may be temporary: name, doc, members. Also here: what C code asks about
 * a heap type (slot, module, state, token, type data).
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/exc_int.h"
#include "objects/type_priv.h"

/* Where in a heap type the slot with a number lives. */
static const uint16_t slot_offset[] = {
    [Py_bf_getbuffer] = offsetof(PyHeapTypeObject, as_buffer.bf_getbuffer),
    [Py_bf_releasebuffer] = offsetof(PyHeapTypeObject, as_buffer.bf_releasebuffer),
    [Py_mp_ass_subscript] = offsetof(PyHeapTypeObject, as_mapping.mp_ass_subscript),
    [Py_mp_length] = offsetof(PyHeapTypeObject, as_mapping.mp_length),
    [Py_mp_subscript] = offsetof(PyHeapTypeObject, as_mapping.mp_subscript),
    [Py_nb_absolute] = offsetof(PyHeapTypeObject, as_number.nb_absolute),
    [Py_nb_add] = offsetof(PyHeapTypeObject, as_number.nb_add),
    [Py_nb_and] = offsetof(PyHeapTypeObject, as_number.nb_and),
    [Py_nb_bool] = offsetof(PyHeapTypeObject, as_number.nb_bool),
    [Py_nb_divmod] = offsetof(PyHeapTypeObject, as_number.nb_divmod),
    [Py_nb_float] = offsetof(PyHeapTypeObject, as_number.nb_float),
    [Py_nb_floor_divide] = offsetof(PyHeapTypeObject, as_number.nb_floor_divide),
    [Py_nb_index] = offsetof(PyHeapTypeObject, as_number.nb_index),
    [Py_nb_inplace_add] = offsetof(PyHeapTypeObject, as_number.nb_inplace_add),
    [Py_nb_inplace_and] = offsetof(PyHeapTypeObject, as_number.nb_inplace_and),
    [Py_nb_inplace_floor_divide] = offsetof(PyHeapTypeObject, as_number.nb_inplace_floor_divide),
    [Py_nb_inplace_lshift] = offsetof(PyHeapTypeObject, as_number.nb_inplace_lshift),
    [Py_nb_inplace_multiply] = offsetof(PyHeapTypeObject, as_number.nb_inplace_multiply),
    [Py_nb_inplace_or] = offsetof(PyHeapTypeObject, as_number.nb_inplace_or),
    [Py_nb_inplace_power] = offsetof(PyHeapTypeObject, as_number.nb_inplace_power),
    [Py_nb_inplace_remainder] = offsetof(PyHeapTypeObject, as_number.nb_inplace_remainder),
    [Py_nb_inplace_rshift] = offsetof(PyHeapTypeObject, as_number.nb_inplace_rshift),
    [Py_nb_inplace_subtract] = offsetof(PyHeapTypeObject, as_number.nb_inplace_subtract),
    [Py_nb_inplace_true_divide] = offsetof(PyHeapTypeObject, as_number.nb_inplace_true_divide),
    [Py_nb_inplace_xor] = offsetof(PyHeapTypeObject, as_number.nb_inplace_xor),
    [Py_nb_int] = offsetof(PyHeapTypeObject, as_number.nb_int),
    [Py_nb_invert] = offsetof(PyHeapTypeObject, as_number.nb_invert),
    [Py_nb_lshift] = offsetof(PyHeapTypeObject, as_number.nb_lshift),
    [Py_nb_multiply] = offsetof(PyHeapTypeObject, as_number.nb_multiply),
    [Py_nb_negative] = offsetof(PyHeapTypeObject, as_number.nb_negative),
    [Py_nb_or] = offsetof(PyHeapTypeObject, as_number.nb_or),
    [Py_nb_positive] = offsetof(PyHeapTypeObject, as_number.nb_positive),
    [Py_nb_power] = offsetof(PyHeapTypeObject, as_number.nb_power),
    [Py_nb_remainder] = offsetof(PyHeapTypeObject, as_number.nb_remainder),
    [Py_nb_rshift] = offsetof(PyHeapTypeObject, as_number.nb_rshift),
    [Py_nb_subtract] = offsetof(PyHeapTypeObject, as_number.nb_subtract),
    [Py_nb_true_divide] = offsetof(PyHeapTypeObject, as_number.nb_true_divide),
    [Py_nb_xor] = offsetof(PyHeapTypeObject, as_number.nb_xor),
    [Py_sq_ass_item] = offsetof(PyHeapTypeObject, as_sequence.sq_ass_item),
    [Py_sq_concat] = offsetof(PyHeapTypeObject, as_sequence.sq_concat),
    [Py_sq_contains] = offsetof(PyHeapTypeObject, as_sequence.sq_contains),
    [Py_sq_inplace_concat] = offsetof(PyHeapTypeObject, as_sequence.sq_inplace_concat),
    [Py_sq_inplace_repeat] = offsetof(PyHeapTypeObject, as_sequence.sq_inplace_repeat),
    [Py_sq_item] = offsetof(PyHeapTypeObject, as_sequence.sq_item),
    [Py_sq_length] = offsetof(PyHeapTypeObject, as_sequence.sq_length),
    [Py_sq_repeat] = offsetof(PyHeapTypeObject, as_sequence.sq_repeat),
    [Py_tp_alloc] = offsetof(PyHeapTypeObject, ht_type.tp_alloc),
    [Py_tp_base] = offsetof(PyHeapTypeObject, ht_type.tp_base),
    [Py_tp_bases] = offsetof(PyHeapTypeObject, ht_type.tp_bases),
    [Py_tp_call] = offsetof(PyHeapTypeObject, ht_type.tp_call),
    [Py_tp_clear] = offsetof(PyHeapTypeObject, ht_type.tp_clear),
    [Py_tp_dealloc] = offsetof(PyHeapTypeObject, ht_type.tp_dealloc),
    [Py_tp_del] = offsetof(PyHeapTypeObject, ht_type.tp_del),
    [Py_tp_descr_get] = offsetof(PyHeapTypeObject, ht_type.tp_descr_get),
    [Py_tp_descr_set] = offsetof(PyHeapTypeObject, ht_type.tp_descr_set),
    [Py_tp_doc] = offsetof(PyHeapTypeObject, ht_type.tp_doc),
    [Py_tp_getattr] = offsetof(PyHeapTypeObject, ht_type.tp_getattr),
    [Py_tp_getattro] = offsetof(PyHeapTypeObject, ht_type.tp_getattro),
    [Py_tp_hash] = offsetof(PyHeapTypeObject, ht_type.tp_hash),
    [Py_tp_init] = offsetof(PyHeapTypeObject, ht_type.tp_init),
    [Py_tp_is_gc] = offsetof(PyHeapTypeObject, ht_type.tp_is_gc),
    [Py_tp_iter] = offsetof(PyHeapTypeObject, ht_type.tp_iter),
    [Py_tp_iternext] = offsetof(PyHeapTypeObject, ht_type.tp_iternext),
    [Py_tp_methods] = offsetof(PyHeapTypeObject, ht_type.tp_methods),
    [Py_tp_new] = offsetof(PyHeapTypeObject, ht_type.tp_new),
    [Py_tp_repr] = offsetof(PyHeapTypeObject, ht_type.tp_repr),
    [Py_tp_richcompare] = offsetof(PyHeapTypeObject, ht_type.tp_richcompare),
    [Py_tp_setattr] = offsetof(PyHeapTypeObject, ht_type.tp_setattr),
    [Py_tp_setattro] = offsetof(PyHeapTypeObject, ht_type.tp_setattro),
    [Py_tp_str] = offsetof(PyHeapTypeObject, ht_type.tp_str),
    [Py_tp_traverse] = offsetof(PyHeapTypeObject, ht_type.tp_traverse),
    [Py_tp_members] = offsetof(PyHeapTypeObject, ht_type.tp_members),
    [Py_tp_getset] = offsetof(PyHeapTypeObject, ht_type.tp_getset),
    [Py_tp_free] = offsetof(PyHeapTypeObject, ht_type.tp_free),
    [Py_nb_matrix_multiply] = offsetof(PyHeapTypeObject, as_number.nb_matrix_multiply),
    [Py_nb_inplace_matrix_multiply] = offsetof(PyHeapTypeObject, as_number.nb_inplace_matrix_multiply),
    [Py_am_await] = offsetof(PyHeapTypeObject, as_async.am_await),
    [Py_am_aiter] = offsetof(PyHeapTypeObject, as_async.am_aiter),
    [Py_am_anext] = offsetof(PyHeapTypeObject, as_async.am_anext),
    [Py_tp_finalize] = offsetof(PyHeapTypeObject, ht_type.tp_finalize),
    [Py_am_send] = offsetof(PyHeapTypeObject, as_async.am_send),
    [Py_tp_vectorcall] = offsetof(PyHeapTypeObject, ht_type.tp_vectorcall),
};

/* What one pass over a spec's slots finds out. */
typedef struct NjSpecInfo {
    PyMemberDef *members;
    Py_ssize_t nmembers; /* without the special offset members */
    Py_ssize_t weaklistoffset, dictoffset, vectorcalloffset;
    const char *doc;
    PyObject *bases_arg; /* borrowed: from Py_tp_bases or Py_tp_base */
    void *token;
    bool has_token;
} NjSpecInfo;

static int
scan_slots(PyType_Spec *spec, NjSpecInfo *info, PyTypeObject **one_base)
{
    *one_base = NULL;
    for (PyType_Slot *s = spec->slots; s->slot; s++) {
        if (s->slot < 0 ||
            (size_t)s->slot >= NJ_ARRAY_LEN(slot_offset) + 1) {
            PyErr_SetString(PyExc_RuntimeError, "invalid slot offset");
            return -1;
        }
        switch (s->slot) {
        case Py_tp_members:
            if (info->members) {
                PyErr_SetString(PyExc_SystemError,
                                "Multiple Py_tp_members slots are not supported.");
                return -1;
            }
            info->members = s->pfunc;
            for (PyMemberDef *m = s->pfunc; m->name; m++) {
                info->nmembers++;
                if (m->flags & Py_RELATIVE_OFFSET) {
                    if (spec->basicsize > 0) {
                        PyErr_SetString(PyExc_SystemError,
                                        "With Py_RELATIVE_OFFSET, basicsize must be "
                                        "negative.");
                        return -1;
                    }
                    if (m->offset < 0 || m->offset >= -spec->basicsize) {
                        PyErr_SetString(PyExc_SystemError,
                                        "Member offset out of range (0..-basicsize)");
                        return -1;
                    }
                }
                Py_ssize_t *special = NULL;
                if (strcmp(m->name, "__weaklistoffset__") == 0) {
                    special = &info->weaklistoffset;
                }
                else if (strcmp(m->name, "__dictoffset__") == 0) {
                    special = &info->dictoffset;
                }
                else if (strcmp(m->name, "__vectorcalloffset__") == 0) {
                    special = &info->vectorcalloffset;
                }
                if (special) {
                    if (m->type != Py_T_PYSSIZET) {
                        PyErr_Format(PyExc_SystemError, "type of %s must be Py_T_PYSSIZET",
                                     m->name);
                        return -1;
                    }
                    if ((m->flags & ~Py_RELATIVE_OFFSET) != Py_READONLY) {
                        PyErr_Format(PyExc_SystemError,
                                     "flags for %s must be Py_READONLY or "
                                     "(Py_READONLY | Py_RELATIVE_OFFSET)",
                                     m->name);
                        return -1;
                    }
                    *special = m->offset;
                }
            }
            break;
        case Py_tp_doc:
            if (info->doc) {
                PyErr_SetString(PyExc_SystemError,
                                "Multiple Py_tp_doc slots are not supported.");
                return -1;
            }
            info->doc = s->pfunc;
            break;
        case Py_tp_bases:
            info->bases_arg = s->pfunc;
            break;
        case Py_tp_base:
            *one_base = s->pfunc;
            break;
        case Py_tp_token:
            info->token = s->pfunc;
            info->has_token = true;
            break;
        default:
            break;
        }
    }
    return 0;
}

/* The tuple of bases: argument, then Py_tp_bases, then Py_tp_base, then object. */
static PyObject *
spec_bases(PyObject *bases_in, NjSpecInfo *info, PyTypeObject *one_base)
{
    if (bases_in) {
        return PyTuple_Check(bases_in) ? Py_NewRef(bases_in) : PyTuple_Pack(1, bases_in);
    }
    if (info->bases_arg) {
        if (!PyTuple_Check(info->bases_arg)) {
            PyErr_SetString(PyExc_SystemError, "Py_tp_bases is not a tuple");
            return NULL;
        }
        return Py_NewRef(info->bases_arg);
    }
    return PyTuple_Pack(1, one_base ? one_base : &PyBaseObject_Type);
}

static char *
copy_text(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = PyMem_Malloc(n);
    if (p == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    return memcpy(p, s, n);
}

static int
spec_names(PyHeapTypeObject *ht, const char *name)
{
    const char *dot = strrchr(name, '.');
    const char *base = dot ? dot + 1 : name;
    ht->ht_name = PyUnicode_FromString(base);
    if (ht->ht_name == NULL) {
        return -1;
    }
    ht->ht_qualname = Py_NewRef(ht->ht_name);
    ht->_ht_tpname = copy_text(name);
    if (ht->_ht_tpname == NULL) {
        return -1;
    }
    ht->ht_type.tp_name = ht->_ht_tpname;
    return 0;
}

static int
spec_sizes(PyType_Spec *spec, PyTypeObject *base, Py_ssize_t *basicsize,
           Py_ssize_t *data_offset)
{
    Py_ssize_t size = spec->basicsize;
    *data_offset = size;
    if (size == 0) {
        size = base->tp_basicsize; /* inherit */
    }
    else if (size < 0) {
        /* extends the base: aligned space behind it */
        Py_ssize_t align = (Py_ssize_t) _Alignof(max_align_t);
        *data_offset = (base->tp_basicsize + align - 1) & ~(align - 1);
        size = *data_offset + ((-size + align - 1) & ~(align - 1));
        if (base->tp_itemsize && !((base->tp_flags | spec->flags) &
                                   Py_TPFLAGS_ITEMS_AT_END)) {
            PyErr_SetString(PyExc_SystemError,
                            "Cannot extend variable-size class without "
                            "Py_TPFLAGS_ITEMS_AT_END.");
            return -1;
        }
    }
    *basicsize = size;
    return 0;
}

static int
copy_slots(PyTypeObject *type, PyType_Spec *spec)
{
    for (PyType_Slot *s = spec->slots; s->slot; s++) {
        switch (s->slot) {
        case Py_tp_base:
        case Py_tp_bases:
        case Py_tp_doc:
        case Py_tp_members:
        case Py_tp_token:
            break;
        default:
            *(void **)((char *)type + slot_offset[s->slot]) = s->pfunc;
        }
    }
    return 0;
}

static PyTypeObject *
pick_base(PyObject *bases)
{
    /* the same choice as for a class statement, through type.__new__'s helper */
    return nj_type_best_base(bases);
}

PyObject *
PyType_FromMetaclass(PyTypeObject *metaclass, PyObject *module, PyType_Spec *spec,
                     PyObject *bases_in)
{
    NjSpecInfo info = {0};
    PyTypeObject *one_base;
    if (scan_slots(spec, &info, &one_base) < 0) {
        return NULL;
    }
    if (spec->name == NULL) {
        PyErr_SetString(PyExc_SystemError, "Type spec does not define the name field.");
        return NULL;
    }
    const char *short_name = strrchr(spec->name, '.');
    NJ_OWN name = PyUnicode_FromString(short_name ? short_name + 1 : spec->name);
    NJ_OWN bases = name ? spec_bases(bases_in, &info, one_base) : NULL;
    if (bases == NULL) {
        return NULL;
    }
    if (spec->flags & Py_TPFLAGS_IMMUTABLETYPE) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(bases); i++) {
            PyObject *b = PyTuple_GET_ITEM(bases, i);
            if (PyType_Check(b) &&
                !(((PyTypeObject *)b)->tp_flags & Py_TPFLAGS_IMMUTABLETYPE)) {
                PyErr_Format(PyExc_TypeError,
                             "Creating immutable type %s from mutable base %N",
                             spec->name, b);
                return NULL;
            }
        }
    }
    PyTypeObject *meta = nj_type_metaclass(metaclass ? metaclass : &PyType_Type, bases);
    if (meta == NULL) {
        return NULL;
    }
    if (!PyType_Check(meta)) {
        PyErr_Format(PyExc_TypeError, "Metaclass '%R' is not a subclass of 'type'.",
                     meta);
        return NULL;
    }
    if (meta->tp_new && meta->tp_new != PyType_Type.tp_new) {
        PyErr_SetString(PyExc_TypeError,
                        "Metaclasses with custom tp_new are not supported.");
        return NULL;
    }
    PyTypeObject *base = pick_base(bases);
    if (base == NULL) {
        return NULL;
    }
    Py_ssize_t basicsize, data_offset;
    if (spec_sizes(spec, base, &basicsize, &data_offset) < 0) {
        return NULL;
    }
    NJ_OWN res = meta->tp_alloc(meta, info.nmembers);
    if (res == NULL) {
        return NULL;
    }
    PyHeapTypeObject *ht = (PyHeapTypeObject *)res;
    PyTypeObject *type = &ht->ht_type;
    type->tp_flags = spec->flags | Py_TPFLAGS_HEAPTYPE;
    if (spec_names(ht, spec->name) < 0) {
        return NULL;
    }
    ht->ht_module = Py_XNewRef(module);
    type->tp_as_async = &ht->as_async;
    type->tp_as_number = &ht->as_number;
    type->tp_as_sequence = &ht->as_sequence;
    type->tp_as_mapping = &ht->as_mapping;
    type->tp_as_buffer = &ht->as_buffer;
    type->tp_base = (PyTypeObject *)Py_NewRef(base);
    type->tp_bases = Py_NewRef(bases);
    type->tp_basicsize = basicsize;
    type->tp_itemsize = spec->itemsize;
    if (info.has_token) {
        ht->ht_token = info.token == Py_TP_USE_SPEC ? (void *)spec : info.token;
    }
    (void)copy_slots(type, spec);
    if (info.doc) {
        char *doc = copy_text(info.doc);
        if (doc == NULL) {
            return NULL;
        }
        type->tp_doc = doc;
    }
    if (info.members) {
        PyMemberDef *to = (PyMemberDef *)((char *)type + meta->tp_basicsize);
        memcpy(to, info.members, (size_t)info.nmembers * sizeof(PyMemberDef));
        for (Py_ssize_t i = 0; i < info.nmembers; i++) {
            if (to[i].flags & Py_RELATIVE_OFFSET) {
                to[i].flags &= ~Py_RELATIVE_OFFSET;
                to[i].offset += data_offset;
                if (strcmp(to[i].name, "__weaklistoffset__") == 0) {
                    info.weaklistoffset = to[i].offset;
                }
                else if (strcmp(to[i].name, "__dictoffset__") == 0) {
                    info.dictoffset = to[i].offset;
                }
                else if (strcmp(to[i].name, "__vectorcalloffset__") == 0) {
                    info.vectorcalloffset = to[i].offset;
                }
            }
        }
        type->tp_members = to;
    }
    if (type->tp_dealloc == NULL) {
        /* inherited from a C base it would not drop the type; this one does */
        type->tp_dealloc = nj_subtype_dealloc;
    }
    if (info.vectorcalloffset) {
        type->tp_vectorcall_offset = info.vectorcalloffset;
    }
    if (info.dictoffset) {
        type->tp_dictoffset = info.dictoffset;
    }
    if (info.weaklistoffset) {
        type->tp_weaklistoffset = info.weaklistoffset;
    }
    if ((type->tp_flags & Py_TPFLAGS_MANAGED_DICT) && type->tp_dictoffset == 0) {
        type->tp_dictoffset = -1;
    }
    if ((type->tp_flags & Py_TPFLAGS_MANAGED_WEAKREF) && type->tp_weaklistoffset == 0) {
        type->tp_weaklistoffset = NJ_MANAGED_WEAKREF_OFFSET;
    }
    if (PyType_Ready(type) < 0) {
        return NULL;
    }
    if (type->tp_doc) {
        NJ_OWN doc = nj_doc_text(type->tp_name, type->tp_doc);
        if (doc == NULL || PyDict_SetItem(type->tp_dict, NJ_ID(__doc__), doc) < 0) {
            return NULL;
        }
    }
    if (info.weaklistoffset &&
        PyDict_Pop(type->tp_dict, NJ_ID(__weaklistoffset__), NULL) < 0) {
        return NULL;
    }
    if (info.dictoffset && PyDict_Pop(type->tp_dict, NJ_ID(__dictoffset__), NULL) < 0) {
        return NULL;
    }
    /* __module__ is what stands before the last dot of the name */
    int r = PyDict_Contains(type->tp_dict, NJ_ID(__module__));
    if (r < 0) {
        return NULL;
    }
    if (r == 0) {
        const char *dot = strrchr(spec->name, '.');
        if (dot) {
            NJ_OWN mod = PyUnicode_FromStringAndSize(spec->name, dot - spec->name);
            if (mod == NULL ||
                PyDict_SetItem(type->tp_dict, NJ_ID(__module__), mod) < 0) {
                return NULL;
            }
        }
        else if (PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                                  "builtin type %.200s has no __module__ attribute",
                                  spec->name) < 0) {
            return NULL;
        }
    }
    PyType_Modified(type);
    return NJ_TAKE(res);
}

PyObject *
PyType_FromModuleAndSpec(PyObject *module, PyType_Spec *spec, PyObject *bases)
{
    return PyType_FromMetaclass(NULL, module, spec, bases);
}

PyObject *
PyType_FromSpecWithBases(PyType_Spec *spec, PyObject *bases)
{
    return PyType_FromMetaclass(NULL, NULL, spec, bases);
}

PyObject *
PyType_FromSpec(PyType_Spec *spec)
{
    return PyType_FromMetaclass(NULL, NULL, spec, NULL);
}

/* ======================================================================================
 * Questions about types
 * ====================================================================================== */

unsigned long
PyType_GetFlags(PyTypeObject *type)
{
    return type->tp_flags;
}

void *
PyType_GetSlot(PyTypeObject *type, int slot)
{
    if (slot <= 0 || (slot != Py_tp_token && (size_t)slot >= NJ_ARRAY_LEN(slot_offset))) {
        PyErr_BadInternalCall();
        return NULL;
    }
    if (slot == Py_tp_token) {
        return nj_type_is_heap(type) ? ((PyHeapTypeObject *)type)->ht_token : NULL;
    }
    size_t off = slot_offset[slot];
    const char *base = (const char *)type;
    if (off >= sizeof(PyTypeObject)) { /* in one of the sub-structures */
        size_t start;
        const void *sub;
        if (off >= offsetof(PyHeapTypeObject, as_buffer)) {
            sub = type->tp_as_buffer;
            start = offsetof(PyHeapTypeObject, as_buffer);
        }
        else if (off >= offsetof(PyHeapTypeObject, as_sequence)) {
            sub = type->tp_as_sequence;
            start = offsetof(PyHeapTypeObject, as_sequence);
        }
        else if (off >= offsetof(PyHeapTypeObject, as_mapping)) {
            sub = type->tp_as_mapping;
            start = offsetof(PyHeapTypeObject, as_mapping);
        }
        else if (off >= offsetof(PyHeapTypeObject, as_number)) {
            sub = type->tp_as_number;
            start = offsetof(PyHeapTypeObject, as_number);
        }
        else {
            sub = type->tp_as_async;
            start = offsetof(PyHeapTypeObject, as_async);
        }
        if (sub == NULL) {
            return NULL;
        }
        base = sub;
        off -= start;
    }
    return *(void **)(base + off);
}

PyObject *
PyType_GetModule(PyTypeObject *type)
{
    if (!nj_type_is_heap(type)) {
        PyErr_Format(PyExc_TypeError,
                     "PyType_GetModule: Type '%s' is not a heap type", type->tp_name);
        return NULL;
    }
    PyHeapTypeObject *ht = (PyHeapTypeObject *)type;
    if (ht->ht_module == NULL) {
        PyErr_Format(PyExc_TypeError,
                     "PyType_GetModule: Type '%s' has no associated module",
                     type->tp_name);
        return NULL;
    }
    return ht->ht_module;
}

void *
PyType_GetModuleState(PyTypeObject *type)
{
    PyObject *m = PyType_GetModule(type);
    return m ? PyModule_GetState(m) : NULL;
}

PyObject *
PyType_GetModuleByDef(PyTypeObject *type, PyModuleDef *def)
{
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 0; mro && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *t = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        if (!nj_type_is_heap(t)) {
            continue;
        }
        PyObject *m = ((PyHeapTypeObject *)t)->ht_module;
        if (m && PyModule_Check(m) && ((NjModule *)m)->md_def == def) {
            return m;
        }
    }
    PyErr_Format(PyExc_TypeError,
                 "PyType_GetModuleByDef: No superclass of '%s' has the given module",
                 type->tp_name);
    return NULL;
}

/* The first type with this token, borrowed. A type being made has no MRO: its bases then. */
static PyTypeObject *
find_token(PyTypeObject *type, void *token)
{
    if (!nj_type_is_heap(type)) {
        return NULL;
    }
    if (((PyHeapTypeObject *)type)->ht_token == token) {
        return type;
    }
    PyObject *mro = type->tp_mro, *types = mro ? mro : type->tp_bases;
    for (Py_ssize_t i = 0; types && i < PyTuple_GET_SIZE(types); i++) {
        PyTypeObject *t = (PyTypeObject *)PyTuple_GET_ITEM(types, i);
        if (!mro) {
            t = find_token(t, token);
        } else if (!nj_type_is_heap(t) || ((PyHeapTypeObject *)t)->ht_token != token) {
            t = NULL;
        }
        if (t) {
            return t;
        }
    }
    return NULL;
}

int
PyType_GetBaseByToken(PyTypeObject *type, void *token, PyTypeObject **result)
{
    if (result) {
        *result = NULL;
    }
    if (token == NULL) {
        PyErr_Format(PyExc_SystemError, "PyType_GetBaseByToken called with token=NULL");
        return -1;
    }
    if (!PyType_Check(type)) {
        PyErr_Format(PyExc_TypeError, "expected a type, got a '%T' object", type);
        return -1;
    }
    PyTypeObject *found = find_token(type, token);
    if (found && result) {
        *result = (PyTypeObject *)Py_NewRef(found);
    }
    return found != NULL;
}

static Py_ssize_t
data_offset(PyTypeObject *cls)
{
    Py_ssize_t align = (Py_ssize_t) _Alignof(max_align_t);
    return (cls->tp_base->tp_basicsize + align - 1) & ~(align - 1);
}

void *
PyObject_GetTypeData(PyObject *obj, PyTypeObject *cls)
{
    return (char *)obj + data_offset(cls);
}

Py_ssize_t
PyType_GetTypeDataSize(PyTypeObject *cls)
{
    Py_ssize_t n = cls->tp_basicsize - data_offset(cls);
    return n < 0 ? 0 : n;
}

void *
PyObject_GetItemData(PyObject *obj)
{
    if (!PyType_HasFeature(Py_TYPE(obj), Py_TPFLAGS_ITEMS_AT_END)) {
        PyErr_Format(PyExc_TypeError,
                     "type '%s' does not have Py_TPFLAGS_ITEMS_AT_END",
                     Py_TYPE(obj)->tp_name);
        return NULL;
    }
    return (char *)obj + Py_TYPE(obj)->tp_basicsize;
}

int
PyType_Freeze(PyTypeObject *type)
{
    /* attributes are found through the bases too: those must not change either */
    PyObject *mro = type->tp_mro;
    for (Py_ssize_t i = 1; mro && i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *t = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        if (!(t->tp_flags & Py_TPFLAGS_IMMUTABLETYPE)) {
            PyErr_Format(PyExc_TypeError,
                         "Creating immutable type %s from mutable base %N",
                         type->tp_name, t);
            return -1;
        }
    }
    type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Modified(type);
    return 0;
}

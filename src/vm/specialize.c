/* specialize.c - warm-up: which specialized form an instruction takes on.
 *
 * Called by an adaptive instruction whose counter ran out, with its operands still on the
 * stack. A specializer looks at them, fills the inline cache, and rewrites the opcode; or
 * it backs off, and the instruction tries again after twice as many executions. A
 * specialized form that misses falls into the general one, whose counter (the cool-down)
 * then runs towards another look.
 *
 * Versions make the caches safe: a type's tp_version_tag, a keys block's dk_version, a
 * function's func_version. A borrowed pointer in a cache is valid while the version beside
 * it holds, because whoever drops the object changes the version.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include <math.h>
#include <opcode_ids.h>

#include "vm/vm_int.h"

/* ---- counters and cache words ---- */

static void
back_off(NjCodeUnit *instr)
{
    unsigned b = (instr[1].counter & 15) + 1;
    if (b > 12) {
        b = 12;
    }
    instr->op.code = nj_opcode_deopt[instr->op.code];
    instr[1].counter = (uint16_t)((((1u << b) - 1) & 0xfff) << 4 | b);
}

/* The fused form of `first' in front of `second', or 0. */
static int
fused_form(int first, int second)
{
    switch (first) {
    case LOAD_FAST_BORROW:
        switch (second) {
        case LOAD_ATTR_INSTANCE_VALUE: return NJ_OP_FUSED_ATTR;
        case LOAD_ATTR_METHOD_WITH_VALUES: return NJ_OP_FUSED_METHOD_VALUES;
        case LOAD_ATTR_METHOD_NO_DICT: return NJ_OP_FUSED_METHOD_NO_DICT;
        case LOAD_ATTR_SLOT: return NJ_OP_FUSED_SLOT;
        case BINARY_OP_SUBSCR_LIST_INT: return NJ_OP_FUSED_SUBSCR;
        case COMPARE_OP_INT: return NJ_OP_FUSED_COMPARE;
        case BINARY_OP_MULTIPLY_FLOAT: return NJ_OP_FUSED_MULTIPLY_FLOAT;
        case BINARY_OP_ADD_FLOAT: return NJ_OP_FUSED_ADD_FLOAT;
        case RETURN_VALUE: return NJ_OP_FUSED_RETURN;
        case POP_JUMP_IF_NONE: return NJ_OP_FUSED_IF_NONE;
        case POP_JUMP_IF_NOT_NONE: return NJ_OP_FUSED_IF_NOT_NONE;
        }
        return 0;
    case LOAD_SMALL_INT:
        switch (second) {
        case BINARY_OP_ADD_INT: return NJ_OP_FUSED_SMALL_ADD;
        case BINARY_OP_SUBTRACT_INT: return NJ_OP_FUSED_SMALL_SUBTRACT;
        case COMPARE_OP_INT: return NJ_OP_FUSED_SMALL_COMPARE;
        }
        return 0;
    case LOAD_FAST_BORROW_LOAD_FAST_BORROW:
        switch (second) {
        case BINARY_OP_SUBSCR_LIST_INT: return NJ_OP_FUSED_PAIR_SUBSCR;
        case COMPARE_OP_INT: return NJ_OP_FUSED_PAIR_COMPARE;
        case STORE_ATTR_INSTANCE_VALUE: return NJ_OP_FUSED_PAIR_STORE_ATTR;
        case BINARY_OP_MULTIPLY_FLOAT: return NJ_OP_FUSED_PAIR_MULTIPLY_FLOAT;
        }
        return 0;
    }
    return 0;
}

#define FUSE_SCAN_MAX 4096 /* code units looked through for a neighbour */

/* An instruction of the running frame has become `opcode': its neighbour in front may take
 * it along. Which unit that is only a walk from the start tells. */
static void
fuse(NjCodeUnit *instr, int opcode)
{
    NjCodeUnit *prev = instr - 1;
    int first = nj_opcode_deopt[prev->op.code];
    int form = fused_form(first, opcode);
    if (form == 0) {
        return;
    }
    PyCodeObject *co = nj_frame_peek_code(nj_tstate()->current_frame);
    NjCodeUnit *p = nj_code_units(co);
    if (co->_co_monitoring != NULL || instr - p > FUSE_SCAN_MAX) {
        return;
    }
    while (p < prev) {
        p += 1 + nj_opcode_caches[p->op.code];
    }
    if (p == prev) {
        prev->op.code = (uint8_t)form;
    }
}

static void
become(NjCodeUnit *instr, int opcode)
{
    instr->op.code = (uint8_t)opcode;
    instr[1].counter = NJ_COUNTER_COOLDOWN;
    fuse(instr, opcode);
}

static void
write_u32(NjCodeUnit *p, uint32_t v)
{
    memcpy(p, &v, sizeof(v));
}

static void
write_ptr(NjCodeUnit *p, PyObject *v)
{
    memcpy(p, &v, sizeof(v));
}

void
nj_specialize_init_code(PyCodeObject *co)
{
    NjCodeUnit *p = nj_code_units(co);
    NjCodeUnit *end = p + Py_SIZE(co);
    NjCodeUnit *prev = NULL;
    while (p < end) {
        int caches = nj_opcode_caches[p->op.code];
        if (caches && p + 1 < end) {
            p[1].counter = NJ_COUNTER_WARMUP;
        }
        if (prev != NULL && prev->op.code == LOAD_FAST_BORROW) {
            int form = fused_form(LOAD_FAST_BORROW, p->op.code);
            if (form != 0) {
                prev->op.code = (uint8_t)form;
            }
        }
        prev = p;
        p += 1 + caches;
    }
}

static bool
is_int(Value v)
{
    return nj_value_type(v) == &PyLong_Type;
}

/* ---- operators ---- */

void
nj_specialize_to_bool(Value v, NjCodeUnit *instr)
{
    PyTypeObject *tp = nj_value_type(v);
    if (tp == &PyBool_Type) {
        become(instr, TO_BOOL_BOOL);
    }
    else if (tp == &PyLong_Type) {
        become(instr, TO_BOOL_INT);
    }
    else if (tp == &PyList_Type) {
        become(instr, TO_BOOL_LIST);
    }
    else if (tp == &PyUnicode_Type) {
        become(instr, TO_BOOL_STR);
    }
    else if (tp == &_PyNone_Type) {
        become(instr, TO_BOOL_NONE);
    }
    else if ((tp->tp_flags & Py_TPFLAGS_HEAPTYPE) &&
             (tp->tp_as_number == NULL || tp->tp_as_number->nb_bool == NULL) &&
             (tp->tp_as_mapping == NULL || tp->tp_as_mapping->mp_length == NULL) &&
             (tp->tp_as_sequence == NULL || tp->tp_as_sequence->sq_length == NULL) &&
             nj_type_version(tp) != 0) {
        write_u32(&instr[2], nj_type_version(tp));
        become(instr, TO_BOOL_ALWAYS_TRUE);
    }
    else {
        back_off(instr);
    }
}

/* The Python function behind a special method of a heap type, or NULL. Borrowed. */
static PyObject *
simple_method(PyTypeObject *tp, PyObject *name, int argcount)
{
    PyObject *f = nj_type_find(tp, name);
    if (f == NULL || !PyFunction_Check(f)) {
        return NULL;
    }
    PyFunctionObject *fn = (PyFunctionObject *)f;
    PyCodeObject *co = (PyCodeObject *)fn->func_code;
    if (fn->vectorcall != nj_func_vectorcall || co->co_argcount != argcount ||
        co->co_kwonlyargcount ||
        (co->co_flags & (CO_VARARGS | CO_VARKEYWORDS | CO_OPTIMIZED)) != CO_OPTIMIZED) {
        return NULL;
    }
    return f;
}

/* A float or an int of one word as a double; NaN for larger ones. */
static double
plain_number(Value v)
{
    intptr_t i;
    if (nj_value_as_int(v, &i)) {
        return (double)i;
    }
    return nj_value_type(v) == &PyFloat_Type ? PyFloat_AS_DOUBLE(nj_value_ptr(v)) : NAN;
}

void
nj_specialize_binary_op(NjFrame *f, Value a, Value b, NjCodeUnit *instr, int op)
{
    PyTypeObject *ta = nj_value_type(a), *tb = nj_value_type(b);
    bool add = op == 0 || op == 13, sub = op == 10 || op == 23, mul = op == 5 || op == 18,
         div = op == 11 || op == 24;
    if (op == 26) { /* subscript */
        if (ta == &PyList_Type && is_int(b)) {
            become(instr, BINARY_OP_SUBSCR_LIST_INT);
            return;
        }
        if (ta == &PyTuple_Type && is_int(b)) {
            become(instr, BINARY_OP_SUBSCR_TUPLE_INT);
            return;
        }
        if (ta == &PyUnicode_Type && is_int(b)) {
            become(instr, BINARY_OP_SUBSCR_STR_INT);
            return;
        }
        if (ta == &PyDict_Type) {
            become(instr, BINARY_OP_SUBSCR_DICT);
            return;
        }
        if (ta->tp_flags & Py_TPFLAGS_HEAPTYPE) {
            PyObject *getitem = simple_method(ta, NJ_ID(__getitem__), 2);
            uint32_t version = getitem ? nj_type_version(ta) : 0;
            if (version) {
                ((PyHeapTypeObject *)ta)->_spec_cache.getitem = getitem;
                write_u32(&instr[2], version);
                become(instr, BINARY_OP_SUBSCR_GETITEM);
                return;
            }
        }
        back_off(instr);
        return;
    }
    if (ta == &PyLong_Type && tb == &PyLong_Type && op != 8 && op != 21 && !div) {
        become(instr, add   ? BINARY_OP_ADD_INT
                      : sub ? BINARY_OP_SUBTRACT_INT
                      : mul ? BINARY_OP_MULTIPLY_INT
                            : BINARY_OP_EXTEND);
        return;
    }
    if (ta == &PyFloat_Type && tb == &PyFloat_Type && (add || sub || mul)) {
        become(instr, add   ? BINARY_OP_ADD_FLOAT
                      : sub ? BINARY_OP_SUBTRACT_FLOAT
                            : BINARY_OP_MULTIPLY_FLOAT);
        return;
    }
    if ((ta == &PyFloat_Type || ta == &PyLong_Type) &&
        (tb == &PyFloat_Type || tb == &PyLong_Type) &&
        (ta == &PyFloat_Type || tb == &PyFloat_Type || div) && (add || sub || mul || div)) {
        /* what went wrong once goes wrong again: zero divisors, NaN */
        double x = plain_number(a), y = plain_number(b);
        if (x != x || y != y || (div && y == 0.0)) {
            back_off(instr);
            return;
        }
        become(instr, NJ_OP_FLOAT_MIXED);
        return;
    }
    if (ta == &PyUnicode_Type && tb == &PyUnicode_Type && add) {
        NjCodeUnit *next = instr + 6;
        if (next->op.code == STORE_FAST &&
            ((a.bits ^ f->localsplus[next->op.arg].bits) & ~(uintptr_t)1) == 0) {
            become(instr, BINARY_OP_INPLACE_ADD_UNICODE);
        }
        else {
            become(instr, BINARY_OP_ADD_UNICODE);
        }
        return;
    }
    back_off(instr);
}

void
nj_specialize_compare_op(Value a, Value b, NjCodeUnit *instr, int oparg)
{
    PyTypeObject *ta = nj_value_type(a), *tb = nj_value_type(b);
    int op = oparg >> 5;
    if (is_int(a) && is_int(b)) {
        become(instr, COMPARE_OP_INT);
    }
    else if (ta == &PyFloat_Type && tb == &PyFloat_Type) {
        become(instr, COMPARE_OP_FLOAT);
    }
    else if (ta == &PyUnicode_Type && tb == &PyUnicode_Type &&
             (op == Py_EQ || op == Py_NE)) {
        become(instr, COMPARE_OP_STR);
    }
    else {
        back_off(instr);
    }
}

void
nj_specialize_contains_op(Value container, NjCodeUnit *instr)
{
    PyTypeObject *tp = nj_value_type(container);
    if (tp == &PyDict_Type) {
        become(instr, CONTAINS_OP_DICT);
    }
    else if (tp == &PySet_Type || tp == &PyFrozenSet_Type) {
        become(instr, CONTAINS_OP_SET);
    }
    else {
        back_off(instr);
    }
}

void
nj_specialize_store_subscr(Value container, Value sub, NjCodeUnit *instr)
{
    PyTypeObject *tp = nj_value_type(container);
    if (tp == &PyList_Type && nj_value_is_int(sub)) {
        become(instr, STORE_SUBSCR_LIST_INT);
    }
    else if (tp == &PyDict_Type) {
        become(instr, STORE_SUBSCR_DICT);
    }
    else {
        back_off(instr);
    }
}

void
nj_specialize_unpack_sequence(Value seq, NjCodeUnit *instr, int oparg)
{
    PyTypeObject *tp = nj_value_type(seq);
    if (tp == &PyTuple_Type && PyTuple_GET_SIZE(nj_value_ptr(seq)) == oparg) {
        become(instr, oparg == 2 ? UNPACK_SEQUENCE_TWO_TUPLE : UNPACK_SEQUENCE_TUPLE);
    }
    else if (tp == &PyList_Type && PyList_GET_SIZE(nj_value_ptr(seq)) == oparg) {
        become(instr, UNPACK_SEQUENCE_LIST);
    }
    else {
        back_off(instr);
    }
}

void
nj_specialize_for_iter(Value iter, NjCodeUnit *instr, int oparg)
{
    PyTypeObject *tp = nj_value_type(iter);
    if (tp == &PyRangeIter_Type) {
        become(instr, FOR_ITER_RANGE);
    }
    else if (tp == &PyListIter_Type) {
        become(instr, FOR_ITER_LIST);
    }
    else if (tp == &PyTupleIter_Type) {
        become(instr, FOR_ITER_TUPLE);
    }
    else if (tp == &PyGen_Type && oparg <= 60000) {
        become(instr, FOR_ITER_GEN);
    }
    else {
        back_off(instr);
    }
}

void
nj_specialize_send(PyObject *receiver, NjCodeUnit *instr, int oparg)
{
    if ((Py_IS_TYPE(receiver, &PyGen_Type) || Py_IS_TYPE(receiver, &PyCoro_Type)) &&
        oparg <= 60000) {
        become(instr, SEND_GEN);
    }
    else {
        back_off(instr);
    }
}

/* ---- names ---- */

void
nj_specialize_load_global(NjFrame *f, NjCodeUnit *instr, PyObject *name)
{
    NjInterp *interp = nj_interp();
    if (!PyDict_CheckExact(f->f_globals) || !PyDict_CheckExact(f->f_builtins)) {
        back_off(instr);
        return;
    }
    PyDictObject *g = (PyDictObject *)f->f_globals, *b = (PyDictObject *)f->f_builtins;
    Py_ssize_t i = nj_dict_index_of(g, name);
    if (i == -2 || i > UINT16_MAX) {
        back_off(instr);
        return;
    }
    uint32_t gv = nj_dict_keys_version(interp, g);
    if (gv == 0) {
        back_off(instr);
        return;
    }
    if (i >= 0) {
        instr[2].cache = (uint16_t)i;
        write_u32(&instr[3], gv);
        become(instr, LOAD_GLOBAL_MODULE);
        return;
    }
    i = nj_dict_index_of(b, name);
    uint32_t bv = i >= 0 ? nj_dict_keys_version(interp, b) : 0;
    if (i < 0 || i > UINT16_MAX || bv == 0 || bv > UINT16_MAX || gv > UINT16_MAX) {
        back_off(instr);
        return;
    }
    instr[2].cache = (uint16_t)i;
    instr[3].cache = (uint16_t)gv;
    instr[4].cache = (uint16_t)bv;
    become(instr, LOAD_GLOBAL_BUILTIN);
}

/* ---- attributes ---- */

/* Does plain attribute lookup (object.__getattribute__) decide for this type, as long as
 * it finds something? */
static bool
has_generic_getattr(PyTypeObject *tp)
{
    if (tp->tp_getattro == PyObject_GenericGetAttr) {
        return true;
    }
    if (tp->tp_getattro != nj_slot_getattr_hook) {
        return false;
    }
    PyObject *mine = nj_type_find(tp, NJ_ID(__getattribute__));
    return mine != NULL &&
           mine == nj_type_find(&PyBaseObject_Type, NJ_ID(__getattribute__));
}

/* Could the class attribute d become a descriptor, or another kind of one, later? Its type
 * is a class that may gain a __get__, and then no version that a cache looks at changes. */
static bool
is_changeable(PyObject *d)
{
    return d != NULL && !(Py_TYPE(d)->tp_flags & Py_TPFLAGS_IMMUTABLETYPE) &&
           !(Py_TYPE(d)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR) && !PyType_Check(d);
}

static bool
is_data_descr(PyObject *d)
{
    return d != NULL && Py_TYPE(d)->tp_descr_set != NULL;
}

typedef struct PropertyHead {
    PyObject_HEAD
    PyObject *fget;
} PropertyHead;

static bool
specialize_module_attr(PyObject *module, NjCodeUnit *instr, PyObject *name)
{
    PyObject *d = ((NjModule *)module)->md_dict;
    if (d == NULL || !PyDict_CheckExact(d)) {
        return false;
    }
    Py_ssize_t i = nj_dict_index_of((PyDictObject *)d, name);
    if (i < 0 || i > UINT16_MAX) {
        return false;
    }
    uint32_t v = nj_dict_keys_version(nj_interp(), (PyDictObject *)d);
    if (v == 0) {
        return false;
    }
    write_u32(&instr[2], v);
    instr[4].cache = (uint16_t)i;
    become(instr, LOAD_ATTR_MODULE);
    return true;
}

static bool
specialize_class_attr(PyTypeObject *cls, NjCodeUnit *instr, PyObject *name)
{
    PyTypeObject *meta = Py_TYPE(cls);
    if (meta->tp_getattro != nj_type_getattro || nj_type_version(cls) == 0) {
        return false;
    }
    PyObject *in_meta = nj_type_find(meta, name);
    if (in_meta != NULL) {
        return false;
    }
    PyObject *d = nj_type_find(cls, name);
    if (d == NULL || is_changeable(d)) {
        return false;
    }
    if (Py_TYPE(d)->tp_descr_get != NULL && !PyFunction_Check(d)) {
        return false;
    }
    write_u32(&instr[2], nj_type_version(cls));
    write_ptr(&instr[6], d);
    if (meta == &PyType_Type) {
        become(instr, LOAD_ATTR_CLASS);
        return true;
    }
    uint32_t mv = nj_type_version(meta);
    if (mv == 0) {
        return false;
    }
    write_u32(&instr[4], mv);
    become(instr, LOAD_ATTR_CLASS_WITH_METACLASS_CHECK);
    return true;
}

/* An attribute that lives in the instance. */
static bool
specialize_instance_attr(PyObject *o, NjCodeUnit *instr, PyObject *name, int by_value,
                         int by_hint)
{
    PyTypeObject *tp = Py_TYPE(o);
    if (!(tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return false;
    }
    if ((tp->tp_flags & Py_TPFLAGS_INLINE_VALUES) && nj_inst_values(o)->valid) {
        Py_ssize_t i = nj_keys_index_of(nj_type_shared_keys(tp), name);
        if (i < 0 || i >= nj_inst_values(o)->capacity) {
            return false;
        }
        instr[4].cache = (uint16_t)i;
        become(instr, by_value);
        return true;
    }
    PyObject *d = *nj_managed_dict_slot(o);
    if (d == NULL || !PyDict_CheckExact(d)) {
        return false;
    }
    Py_ssize_t i = nj_dict_index_of((PyDictObject *)d, name);
    if (i < 0 || i > UINT16_MAX) {
        return false;
    }
    /* the hint compares the key by identity: it must be the interned name itself */
    if (nj_keys_str_entries(((PyDictObject *)d)->ma_keys)[i].key != name) {
        return false;
    }
    instr[4].cache = (uint16_t)i;
    become(instr, by_hint);
    return true;
}

/* Can an attribute of the instance's own hide what the class says? Fills the cache words
 * that rule it out. -1 no way; else the form to use. */
static int
no_shadowing(PyObject *o, NjCodeUnit *instr, PyObject *name, int with_values, int no_dict,
             int lazy)
{
    PyTypeObject *tp = Py_TYPE(o);
    if (tp->tp_flags & Py_TPFLAGS_INLINE_VALUES) {
        NjDictKeys *k = nj_type_shared_keys(tp);
        if (!nj_inst_values(o)->valid || nj_keys_index_of(k, name) >= 0) {
            return -1;
        }
        uint32_t v = nj_keys_version(nj_interp(), k);
        if (v == 0) {
            return -1;
        }
        write_u32(&instr[4], v);
        return with_values;
    }
    if (tp->tp_dictoffset == 0 && !(tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) {
        return no_dict;
    }
    Py_ssize_t offset = (tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)
                            ? NJ_MANAGED_DICT_SLOT * (Py_ssize_t)sizeof(PyObject *)
                            : tp->tp_dictoffset;
    if (lazy < 0 || offset > INT16_MAX || offset < INT16_MIN ||
        (offset < 0 && !(tp->tp_flags & Py_TPFLAGS_MANAGED_DICT)) ||
        *(PyObject **)((char *)o + offset) != NULL) {
        return -1;
    }
    instr[4].cache = (uint16_t)(int16_t)offset;
    return lazy;
}

static bool
specialize_load_attr(NjFrame *f, PyObject *o, NjCodeUnit *instr, PyObject *name, int method)
{
    PyTypeObject *tp = Py_TYPE(o);
    if (tp == &PyModule_Type) {
        return specialize_module_attr(o, instr, name);
    }
    if (PyType_Check(o)) {
        return specialize_class_attr((PyTypeObject *)o, instr, name);
    }
    if (!has_generic_getattr(tp)) {
        return false;
    }
    uint32_t version = nj_type_version(tp);
    if (version == 0) {
        return false;
    }
    PyObject *d = nj_type_find(tp, name);
    if (is_changeable(d)) {
        return false;
    }
    write_u32(&instr[2], version);
    if (is_data_descr(d)) {
        if (Py_IS_TYPE(d, &PyMemberDescr_Type)) {
            PyMemberDef *m = ((PyMemberDescrObject *)d)->d_member;
            if ((m->type == Py_T_OBJECT_EX || m->type == _Py_T_OBJECT) &&
                !(m->flags & Py_AUDIT_READ) && m->offset >= 0 && m->offset <= UINT16_MAX &&
                PyObject_TypeCheck(o, ((PyMemberDescrObject *)d)->d_common.d_type)) {
                instr[4].cache = (uint16_t)m->offset;
                become(instr, LOAD_ATTR_SLOT);
                return true;
            }
            return false;
        }
        if (Py_IS_TYPE(d, &PyProperty_Type) && !method) {
            PyObject *get = ((PropertyHead *)d)->fget;
            if (get == NULL || !PyFunction_Check(get)) {
                return false;
            }
            PyFunctionObject *fn = (PyFunctionObject *)get;
            PyCodeObject *co = (PyCodeObject *)fn->func_code;
            if (fn->vectorcall != nj_func_vectorcall || co->co_argcount != 1 ||
                co->co_kwonlyargcount ||
                (co->co_flags & (CO_VARARGS | CO_VARKEYWORDS | CO_OPTIMIZED)) !=
                    CO_OPTIMIZED ||
                nj_func_version(fn) == 0) {
                return false;
            }
            write_u32(&instr[4], fn->func_version);
            write_ptr(&instr[6], get);
            become(instr, LOAD_ATTR_PROPERTY);
            return true;
        }
        if (name == NJ_ID(__class__) && d == nj_type_find(&PyBaseObject_Type, name)) {
            instr[4].cache = (uint16_t)offsetof(PyObject, ob_type);
            become(instr, LOAD_ATTR_SLOT);
            return true;
        }
        return false;
    }
    if (d != NULL && (Py_TYPE(d)->tp_flags & Py_TPFLAGS_METHOD_DESCRIPTOR)) {
        if (method) {
            int form = no_shadowing(o, instr, name, LOAD_ATTR_METHOD_WITH_VALUES,
                                    LOAD_ATTR_METHOD_NO_DICT, LOAD_ATTR_METHOD_LAZY_DICT);
            if (form >= 0) {
                write_ptr(&instr[6], d);
                become(instr, form);
                return true;
            }
        }
    }
    else if (d != NULL && Py_TYPE(d)->tp_descr_get == NULL && !method) {
        int form = no_shadowing(o, instr, name, LOAD_ATTR_NONDESCRIPTOR_WITH_VALUES,
                                LOAD_ATTR_NONDESCRIPTOR_NO_DICT, -1);
        if (form >= 0) {
            write_ptr(&instr[6], d);
            become(instr, form);
            return true;
        }
    }
    return specialize_instance_attr(o, instr, name, LOAD_ATTR_INSTANCE_VALUE,
                                    LOAD_ATTR_WITH_HINT);
}

void
nj_specialize_load_attr(NjFrame *f, Value owner, NjCodeUnit *instr, PyObject *name,
                        int method)
{
    if (nj_value_is_int(owner) ||
        !specialize_load_attr(f, nj_value_ptr(owner), instr, name, method)) {
        back_off(instr);
    }
}

void
nj_specialize_load_super(Value super, Value cls, NjCodeUnit *instr, int method)
{
    if (nj_value_ptr(super) == (PyObject *)&PySuper_Type && PyType_Check(nj_value_ptr(cls))) {
        become(instr, method ? LOAD_SUPER_ATTR_METHOD : LOAD_SUPER_ATTR_ATTR);
    }
    else {
        back_off(instr);
    }
}

static bool
specialize_store_attr(PyObject *o, NjCodeUnit *instr, PyObject *name)
{
    PyTypeObject *tp = Py_TYPE(o);
    if (tp->tp_setattro != PyObject_GenericSetAttr) {
        return false;
    }
    uint32_t version = nj_type_version(tp);
    if (version == 0) {
        return false;
    }
    PyObject *d = nj_type_find(tp, name);
    if (is_changeable(d)) {
        return false;
    }
    write_u32(&instr[2], version);
    if (is_data_descr(d)) {
        if (Py_IS_TYPE(d, &PyMemberDescr_Type)) {
            PyMemberDef *m = ((PyMemberDescrObject *)d)->d_member;
            if (m->type == Py_T_OBJECT_EX && !(m->flags & Py_READONLY) && m->offset >= 0 &&
                m->offset <= UINT16_MAX &&
                PyObject_TypeCheck(o, ((PyMemberDescrObject *)d)->d_common.d_type)) {
                instr[4].cache = (uint16_t)m->offset;
                become(instr, STORE_ATTR_SLOT);
                return true;
            }
        }
        return false;
    }
    return specialize_instance_attr(o, instr, name, STORE_ATTR_INSTANCE_VALUE,
                                    STORE_ATTR_WITH_HINT);
}

void
nj_specialize_store_attr(Value owner, NjCodeUnit *instr, PyObject *name)
{
    if (nj_value_is_int(owner) ||
        !specialize_store_attr(nj_value_ptr(owner), instr, name)) {
        back_off(instr);
    }
}

/* ---- calls ---- */

static bool
specialize_py_call(PyObject *func, NjCodeUnit *instr, int nargs, int form)
{
    PyFunctionObject *f = (PyFunctionObject *)func;
    PyCodeObject *co = (PyCodeObject *)f->func_code;
    if (f->vectorcall != nj_func_vectorcall || co->co_argcount != nargs ||
        co->co_kwonlyargcount ||
        (co->co_flags & (CO_VARARGS | CO_VARKEYWORDS | CO_OPTIMIZED)) != CO_OPTIMIZED) {
        return false;
    }
    uint32_t v = nj_func_version(f);
    if (v == 0) {
        return false;
    }
    write_u32(&instr[2], v);
    become(instr, form);
    return true;
}

static void
find_builtins(NjInterp *interp)
{
    NjVmState *vm = &interp->vm;
    if (vm->builtin_len != NULL) {
        return;
    }
    nj_dict_find(interp->builtins, NJ_ID(len), &vm->builtin_len);
    nj_dict_find(interp->builtins, NJ_ID(isinstance), &vm->builtin_isinstance);
    vm->list_append = Py_XNewRef(nj_type_find(&PyList_Type, NJ_ID(append)));
    PyErr_Clear();
}

static bool
specialize_c_function(PyObject *callable, NjCodeUnit *instr, int nargs)
{
    NjInterp *interp = nj_interp();
    find_builtins(interp);
    if (callable == interp->vm.builtin_len && nargs == 1) {
        become(instr, CALL_LEN);
        return true;
    }
    if (callable == interp->vm.builtin_isinstance && nargs == 2) {
        become(instr, CALL_ISINSTANCE);
        return true;
    }
    switch (PyCFunction_GET_FLAGS(callable)) {
    case METH_O:
        if (nargs != 1) {
            return false;
        }
        become(instr, CALL_BUILTIN_O);
        return true;
    case METH_FASTCALL:
        become(instr, CALL_BUILTIN_FAST);
        return true;
    case METH_FASTCALL | METH_KEYWORDS:
        become(instr, CALL_BUILTIN_FAST_WITH_KEYWORDS);
        return true;
    default:
        return false;
    }
}

static bool
specialize_method_descr(PyObject *callable, Value self, NjCodeUnit *instr, int nargs)
{
    PyMethodDescrObject *m = (PyMethodDescrObject *)callable;
    NjInterp *interp = nj_interp();
    find_builtins(interp);
    if (callable == interp->vm.list_append && nargs == 1 &&
        nj_value_type(self) == &PyList_Type) {
        become(instr, CALL_LIST_APPEND);
        return true;
    }
    switch (m->d_method->ml_flags) {
    case METH_NOARGS:
        if (nargs != 0) {
            return false;
        }
        become(instr, CALL_METHOD_DESCRIPTOR_NOARGS);
        return true;
    case METH_O:
        if (nargs != 1) {
            return false;
        }
        become(instr, CALL_METHOD_DESCRIPTOR_O);
        return true;
    case METH_FASTCALL:
        become(instr, CALL_METHOD_DESCRIPTOR_FAST);
        return true;
    case METH_FASTCALL | METH_KEYWORDS:
        become(instr, CALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS);
        return true;
    default:
        return false;
    }
}

static bool
specialize_class_call(PyTypeObject *tp, NjCodeUnit *instr, int nargs)
{
    if (tp == &PyType_Type || tp == &PyUnicode_Type || tp == &PyTuple_Type) {
        if (nargs == 1) {
            become(instr, tp == &PyType_Type      ? CALL_TYPE_1
                          : tp == &PyUnicode_Type ? CALL_STR_1
                                                  : CALL_TUPLE_1);
            return true;
        }
    }
    if (tp->tp_vectorcall != NULL) {
        become(instr, CALL_BUILTIN_CLASS);
        return true;
    }
    if (!(tp->tp_flags & Py_TPFLAGS_HEAPTYPE) || !Py_IS_TYPE(tp, &PyType_Type) ||
        !nj_type_plain_new(tp)) {
        return false;
    }
    PyObject *init = nj_type_find(tp, NJ_ID(__init__));
    if (init == NULL || !PyFunction_Check(init) ||
        ((PyFunctionObject *)init)->vectorcall != nj_func_vectorcall) {
        return false;
    }
    PyCodeObject *co = (PyCodeObject *)((PyFunctionObject *)init)->func_code;
    if ((co->co_flags & (CO_OPTIMIZED | CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) !=
        CO_OPTIMIZED) {
        return false;
    }
    uint32_t v = nj_type_version(tp);
    if (v == 0) {
        return false;
    }
    ((PyHeapTypeObject *)tp)->_spec_cache.init = init;
    write_u32(&instr[2], v);
    become(instr, CALL_ALLOC_AND_ENTER_INIT);
    return true;
}

void
nj_specialize_call(NjFrame *f, Value callable, Value self, NjCodeUnit *instr, int nargs)
{
    bool done = false;
    if (!nj_value_is_int(callable)) {
        PyObject *c = nj_value_ptr(callable);
        bool has_self = !nj_value_is_null(self);
        if (PyFunction_Check(c)) {
            done = specialize_py_call(c, instr, nargs + has_self, CALL_PY_EXACT_ARGS);
            if (!done && ((PyFunctionObject *)c)->vectorcall == nj_func_vectorcall) {
                become(instr, CALL_PY_GENERAL);
                done = true;
            }
        }
        else if (PyMethod_Check(c) && !has_self) {
            PyObject *func = PyMethod_GET_FUNCTION(c);
            done = PyFunction_Check(func) &&
                   specialize_py_call(func, instr, nargs + 1, CALL_BOUND_METHOD_EXACT_ARGS);
        }
        else if (PyCFunction_CheckExact(c) && !has_self) {
            done = specialize_c_function(c, instr, nargs);
        }
        else if (Py_IS_TYPE(c, &PyMethodDescr_Type) && has_self) {
            done = specialize_method_descr(c, self, instr, nargs);
        }
        else if (PyType_Check(c) && !has_self) {
            done = specialize_class_call((PyTypeObject *)c, instr, nargs);
        }
    }
    if (!done) {
        back_off(instr);
    }
}

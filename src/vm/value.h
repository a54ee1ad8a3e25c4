/* value.h - the one-word values of the evaluation stack and of fast locals.
 *
 * Low two bits:  00 owned pointer    this word holds one reference
 *                01 borrowed pointer somebody else keeps the object alive (or it is immortal)
 *                11 integer          62 bits, no object
 * The word 1 (a borrowed NULL) is "nothing": unbound local, absent self. These are the bit
 * patterns of 3.14's own _PyStackRef, so tools that read frames understand them.
 *
 * `bits | 1` turns a word into a borrowed one and leaves integers alone, which makes a
 * borrowing load one instruction. Never touch a reference count through a Value without
 * looking at bit 0. Everything outside the interpreter sees PyObject *: nj_value_box* turns
 * a word into an object at that border. Integers -5..256 always box to the singletons; an
 * integer on the heap is not canonical: the same number may be a word in one slot and an
 * object in another, so compare with nj_value_is, and unbox with nj_value_as_int.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_VM_VALUE_H
#define NJ_VM_VALUE_H

#include "nj.h"

typedef struct Value {
    uintptr_t bits;
} Value;

#define NJ_VALUE_NULL ((Value){1})
#define NJ_INT_TAG 3u
#define NJ_TAGGED_MAX ((intptr_t)(((uintptr_t)1 << 61) - 1))
#define NJ_TAGGED_MIN (-NJ_TAGGED_MAX - 1)

NJ_INLINE bool
nj_value_is_null(Value v)
{
    return v.bits <= 1;
}

NJ_INLINE bool
nj_value_is_int(Value v)
{
    return (v.bits & 3) == NJ_INT_TAG;
}

/* True for a word that holds a reference (false for NULL, borrowed words, integers). */
NJ_INLINE bool
nj_value_is_owned(Value v)
{
    return (v.bits & 1) == 0;
}

/* v is not an integer. */
NJ_INLINE PyObject *
nj_value_ptr(Value v)
{
    assert(!nj_value_is_int(v));
    return (PyObject *)(v.bits & ~(uintptr_t)1);
}

NJ_INLINE intptr_t
nj_value_int(Value v)
{
    return (intptr_t)v.bits >> 2;
}

NJ_INLINE Value
nj_value_from_int(intptr_t i)
{
    return (Value){((uintptr_t)i << 2) | NJ_INT_TAG};
}

NJ_INLINE bool
nj_int_fits(intptr_t i)
{
    return i >= NJ_TAGGED_MIN && i <= NJ_TAGGED_MAX;
}

/* Takes over the caller's reference. o may be NULL only through nj_value_xsteal. */
NJ_INLINE Value
nj_value_steal(PyObject *o)
{
    assert(o != NULL);
    return (Value){(uintptr_t)o};
}

NJ_INLINE Value
nj_value_xsteal(PyObject *o)
{
    return o ? (Value){(uintptr_t)o} : NJ_VALUE_NULL;
}

NJ_INLINE Value
nj_value_new(PyObject *o)
{
    assert(o != NULL);
    Py_INCREF(o);
    return (Value){(uintptr_t)o};
}

NJ_INLINE Value
nj_value_borrow(PyObject *o)
{
    return (Value){(uintptr_t)o | 1};
}

NJ_INLINE Value
nj_value_borrowed(Value v)
{
    return (Value){v.bits | 1};
}

/* A second word that owns its own reference. A borrowed word becomes owned, because the
 * copy may outlive the lender. */
NJ_INLINE Value
nj_value_dup(Value v)
{
    if (nj_value_is_int(v) || v.bits <= 1) {
        return v;
    }
    PyObject *o = nj_value_ptr(v);
    Py_INCREF(o);
    return (Value){(uintptr_t)o};
}

/* A second word on the evaluation stack of the same frame: an owned word gets its own
 * reference, a borrowed one stays borrowed (its lender outlives the frame). */
NJ_INLINE Value
nj_value_copy(Value v)
{
    if ((v.bits & 1) == 0) {
        Py_INCREF((PyObject *)v.bits);
    }
    return v;
}

/* Makes a word safe to keep: borrowed becomes owned. Consumes v. */
NJ_INLINE Value
nj_value_own(Value v)
{
    if ((v.bits & 3) != 1 || v.bits == 1) {
        return v;
    }
    PyObject *o = nj_value_ptr(v);
    Py_INCREF(o);
    return (Value){(uintptr_t)o};
}

/* May run Python code (a destructor). */
NJ_INLINE void
nj_value_close(Value v)
{
    if ((v.bits & 1) == 0) {
        Py_DECREF((PyObject *)v.bits);
    }
}

/* Local storage that may still be zero-filled. */
NJ_INLINE void
nj_value_xclose(Value v)
{
    if ((v.bits & 1) == 0 && v.bits != 0) {
        Py_DECREF((PyObject *)v.bits);
    }
}

NJ_INLINE PyTypeObject *
nj_value_type(Value v)
{
    return nj_value_is_int(v) ? &PyLong_Type : Py_TYPE(nj_value_ptr(v));
}

/* An exact int object of at most two digits (60 bits)? */
NJ_INLINE bool
nj_is_short_int(PyObject *o)
{
    return Py_IS_TYPE(o, &PyLong_Type) &&
           ((PyLongObject *)o)->long_value.lv_tag < (uintptr_t)(3 << 3);
}

/* o passed nj_is_short_int. */
NJ_INLINE intptr_t
nj_short_int_value(PyObject *o)
{
    const PyLongObject *l = (PyLongObject *)o;
    uintptr_t tag = l->long_value.lv_tag;
    uintptr_t n = tag >> 3;
    intptr_t x = 0;
    if (n == 1) {
        x = (intptr_t)l->long_value.ob_digit[0];
    }
    else if (n == 2) {
        x = (intptr_t)l->long_value.ob_digit[0] |
            (intptr_t)l->long_value.ob_digit[1] << PyLong_SHIFT;
    }
    return (tag & 3) == 2 ? -x : x;
}

/* True with *out when v is an integer word or a short exact int object. */
NJ_INLINE bool
nj_value_as_int(Value v, intptr_t *out)
{
    if (NJ_LIKELY(nj_value_is_int(v))) {
        *out = nj_value_int(v);
        return true;
    }
    PyObject *o = nj_value_ptr(v);
    if (nj_is_short_int(o)) {
        *out = nj_short_int_value(o);
        return true;
    }
    return false;
}

/* A new reference to v as an object; v stays as it is. NULL with MemoryError. v not NULL. */
NJ_INLINE PyObject *
nj_value_object(Value v)
{
    if (nj_value_is_int(v)) {
        return PyLong_FromSsize_t(nj_value_int(v));
    }
    return Py_NewRef(nj_value_ptr(v));
}

/* Turns v into an object and consumes v: the result is a new reference. NULL with
 * MemoryError (an integer word needs no closing). v not NULL. */
NJ_INLINE PyObject *
nj_value_to_object_steal(Value v)
{
    if (nj_value_is_owned(v)) {
        return (PyObject *)v.bits;
    }
    if (nj_value_is_int(v)) {
        return PyLong_FromSsize_t(nj_value_int(v));
    }
    return Py_NewRef(nj_value_ptr(v));
}

/* Identity as Python sees it: integers by value when one of them is a word. */
NJ_INLINE bool
nj_value_is(Value a, Value b)
{
    if (((a.bits ^ b.bits) & ~(uintptr_t)1) == 0) {
        return true;
    }
    if (NJ_LIKELY(!nj_value_is_int(a) && !nj_value_is_int(b))) {
        return false;
    }
    intptr_t x, y;
    return nj_value_as_int(a, &x) && nj_value_as_int(b, &y) && x == y;
}

#endif

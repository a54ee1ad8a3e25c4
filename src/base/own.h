/* own.h - owned locals: references that the compiler drops at the end of the scope.
 *
 * Declare and initialise in one statement; hand a reference on with NJ_TAKE; replace
 * with NJ_SET, never with `='. A function uses owned locals or goto cleanup, never both,
 * and never stands in a function with computed goto (see HACKING.md).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_BASE_OWN_H
#define NJ_BASE_OWN_H

#define NJ_MUST __attribute__((warn_unused_result))
#define NJ_STEALS /* marks a parameter whose reference the callee consumes */

static inline void
nj_drop_ref_(PyObject **p)
{
    Py_XDECREF(*p);
}

static inline NJ_MUST PyObject *
nj_take_(PyObject **p)
{
    PyObject *o = *p;
    *p = NULL;
    return o;
}

static inline void
nj_drop_mem_(void *p)
{
    PyMem_Free(*(void **)p);
}

static inline void
nj_drop_buf_(Py_buffer *b)
{
    if (b->obj) {
        PyBuffer_Release(b);
    }
}

/* NJ_OWN x = PyList_New(0);      dropped when the scope ends */
#define NJ_OWN __attribute__((cleanup(nj_drop_ref_))) PyObject *
/* NJ_TAKE(x): moves the reference out; x is NULL afterwards */
#define NJ_TAKE(v) nj_take_(&(v))
/* NJ_SET(x, expr): stores a new reference, then drops the old one */
#define NJ_SET(v, expr)                                                                \
    do {                                                                               \
        /* the value first: it may take v itself */                                    \
        PyObject *nj_new_ = (PyObject *)(expr);                                        \
        PyObject *nj_old_ = (PyObject *)(v);                                           \
        (v) = (void *)nj_new_;                                                         \
        Py_XDECREF(nj_old_);                                                           \
    } while (0)
/* NJ_OWN_MEM(char) buf = PyMem_Malloc(n);   freed with PyMem_Free */
#define NJ_OWN_MEM(T) __attribute__((cleanup(nj_drop_mem_))) T *
/* NJ_OWN_BUF view = {0};   released if it was filled */
#define NJ_OWN_BUF __attribute__((cleanup(nj_drop_buf_))) Py_buffer

#endif

/* gen_int.h - shared by gen.c and coro.c.
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_GEN_INT_H
#define NJ_OBJECTS_GEN_INT_H

#include "nj.h"

PySendResult nj_gen_am_send(PyObject *o, PyObject *arg, PyObject **out);
PyObject *nj_gen_send_method(PyObject *o, PyObject *arg);
PyObject *nj_gen_iternext(PyObject *o);
PyObject *nj_gen_close(PyObject *o, PyObject *unused);
PyObject *nj_gen_throw(PyObject *o, PyObject *const *args, Py_ssize_t nargs);
/* typ, val, tb as of the three-argument throw(); val and tb may be NULL. */
PyObject *nj_gen_throw_full(PyObject *o, int close_on_exit, PyObject *typ, PyObject *val,
                            PyObject *tb);
void nj_gen_finalize(PyObject *o);
void nj_gen_dealloc(PyObject *o);
int nj_gen_traverse(PyObject *o, visitproc visit, void *arg);
PyObject *nj_gen_get_name(PyObject *o, void *closure);
int nj_gen_set_name(PyObject *o, PyObject *v, void *closure);
PyObject *nj_gen_get_qualname(PyObject *o, void *closure);
int nj_gen_set_qualname(PyObject *o, PyObject *v, void *closure);
PyObject *nj_gen_get_yf(PyObject *o, void *closure);
PyObject *nj_gen_get_running(PyObject *o, void *closure);
PyObject *nj_gen_get_suspended(PyObject *o, void *closure);
PyObject *nj_gen_get_frame(PyObject *o, void *closure);
PyObject *nj_gen_get_code(PyObject *o, void *closure);
PyObject *nj_gen_sizeof(PyObject *o, PyObject *unused);

#endif

/* str_case.h - case methods and character tests of str (METH_NOARGS functions).
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_STR_CASE_H
#define NJ_OBJECTS_STR_CASE_H

#include "nj.h"

PyObject *nj_str_lower(PyObject *self, PyObject *unused);
PyObject *nj_str_upper(PyObject *self, PyObject *unused);
PyObject *nj_str_title(PyObject *self, PyObject *unused);
PyObject *nj_str_capitalize(PyObject *self, PyObject *unused);
PyObject *nj_str_casefold(PyObject *self, PyObject *unused);
PyObject *nj_str_swapcase(PyObject *self, PyObject *unused);
PyObject *nj_str_isascii(PyObject *self, PyObject *unused);
PyObject *nj_str_islower(PyObject *self, PyObject *unused);
PyObject *nj_str_isupper(PyObject *self, PyObject *unused);
PyObject *nj_str_istitle(PyObject *self, PyObject *unused);
PyObject *nj_str_isspace(PyObject *self, PyObject *unused);
PyObject *nj_str_isdecimal(PyObject *self, PyObject *unused);
PyObject *nj_str_isdigit(PyObject *self, PyObject *unused);
PyObject *nj_str_isnumeric(PyObject *self, PyObject *unused);
PyObject *nj_str_isalpha(PyObject *self, PyObject *unused);
PyObject *nj_str_isalnum(PyObject *self, PyObject *unused);
PyObject *nj_str_isidentifier(PyObject *self, PyObject *unused);
PyObject *nj_str_isprintable(PyObject *self, PyObject *unused);

#endif

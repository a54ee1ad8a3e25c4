/* dict_view.h - views and iterators of dict, and what dict.c, dict_view.c, inst_values.c
 * and odict.c share beyond dict_int.h
 * SPDX-License-Identifier: MIT
 */
#ifndef NJ_OBJECTS_DICT_VIEW_H
#define NJ_OBJECTS_DICT_VIEW_H

#include "nj.h"
#include "objects/dict_int.h"

/* The three views have one layout. */
typedef struct NjDictView {
    PyObject_HEAD
    PyDictObject *dict; /* owned */
} NjDictView;

PyObject *nj_dict_iter_new(PyObject *dict, PyTypeObject *type);
PyObject *nj_dict_view_new(PyObject *dict, PyTypeObject *type);
/* nb_or and friends of key and item views, for OrderedDict's views too (their types
 * inherit). */

/* Cursor over (key, value, hash), all borrowed; *pos starts at 0. */
bool nj_dict_next(PyDictObject *mp, Py_ssize_t *pos, PyObject **key, PyObject **value,
                  Py_hash_t *hash);
/* Backwards: *pos starts at nj_dict_end() - 1. */
bool nj_dict_prev(PyDictObject *mp, Py_ssize_t *pos, PyObject **key, PyObject **value);
Py_ssize_t nj_dict_end(PyDictObject *mp);

Py_ssize_t nj_dict_first(PyDictObject *mp, Py_ssize_t from);
int nj_dict_move(PyDictObject *mp, PyObject *key, Py_hash_t hash, bool last,
                 Py_ssize_t *first);

NjDictKeys *nj_keys_new(uint8_t log2, int kind, Py_ssize_t room);
/* Takes over one reference to keys. */
PyDictObject *nj_dict_wrap(NJ_STEALS NjDictKeys *keys, NjInstValues *values,
                           Py_ssize_t used);
int nj_dict_make_combined(PyDictObject *mp);
void nj_dict_abandon(PyDictObject *mp);
/* builtins.NAME, new reference. */
PyObject *nj_get_builtin(PyObject *name);
Py_ssize_t nj_keys_shared_index(NjDictKeys *k, PyObject *name);
void nj_dict_tell_watchers(PyDict_WatchEvent event, PyDictObject *mp, PyObject *key,
                           PyObject *value);

/* KeyError(key), key wrapped so that a tuple stays one argument. */
void nj_raise_key_error(PyObject *key);
/* Turns the TypeError of a failed hash into "cannot use 'T' as a dict key (...)". */
void nj_dict_explain_unhashable(PyObject *key);
void nj_set_explain_unhashable(PyObject *key);

#endif

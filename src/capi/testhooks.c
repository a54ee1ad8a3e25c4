/* testhooks.c - see testhooks.h.
 * SPDX-License-Identifier: MIT
 */
#include "capi/testhooks.h"

#include "frontend/compile.h"
#include "objects/dict_int.h"
#include "runtime/runtime.h"
#include "runtime/suggest.h"
#include "vm/vm_int.h"

static PyInterpreterState *
interp_find(int64_t id)
{
    pthread_mutex_lock(&nj_runtime.lock);
    NjInterp *i = nj_runtime.interps;
    while (i && i->id != id) {
        i = i->next;
    }
    pthread_mutex_unlock(&nj_runtime.lock);
    return i;
}

static int64_t
interp_next_id(void)
{
    return nj_runtime.next_interp_id;
}

static unsigned long
interp_features(PyInterpreterState *interp)
{
    return (unsigned long)interp->rt.feature_flags;
}

static bool
interp_own_gil(PyInterpreterState *interp)
{
    return interp->rt.own_gil_used;
}

static int64_t *
interp_idref(PyInterpreterState *interp)
{
    return &interp->rt.idref;
}

static uintptr_t
stack_soft_limit(void)
{
    return nj_thread()->c_stack_soft;
}

static bool
inline_values(PyObject *obj)
{
    return (Py_TYPE(obj)->tp_flags & Py_TPFLAGS_INLINE_VALUES) && nj_inst_values(obj)->valid;
}

static bool
split_dict(PyObject *dict)
{
    return ((PyDictObject *)dict)->ma_values != NULL;
}

static PyObject *
dict_values(PyObject *obj)
{
    if (!inline_values(obj)) {
        Py_RETURN_NONE;
    }
    NjInstValues *v = nj_inst_values(obj);
    Py_ssize_t n = nj_type_shared_keys(Py_TYPE(obj))->dk_nentries;
    NJ_OWN values = PyTuple_New(n);
    for (Py_ssize_t i = 0; values && i < n; i++) {
        PyObject *o = i < v->capacity ? Py_XNewRef(v->values[i]) : NULL;
        if (!o && !(o = PyUnicode_FromString("<NULL>"))) {
            return NULL;
        }
        PyTuple_SET_ITEM(values, i, o);
    }
    return NJ_TAKE(values);
}

static uint32_t
next_keys_version(void)
{
    return nj_interp()->containers.next_keys_version + 1;
}

static Py_ssize_t
gc_long_lived(void)
{
    return nj_interp()->gc.long_lived_total;
}

static Py_ssize_t
count_list(NjGCHead *head)
{
    Py_ssize_t n = 0;
    for (NjGCHead *g = (NjGCHead *)head->next; g != head; g = (NjGCHead *)g->next) {
        n++;
    }
    return n;
}

static Py_ssize_t
gc_tracked(void)
{
    NjGCState *gc = &nj_interp()->gc;
    return count_list(&gc->young) + count_list(&gc->middle) + count_list(&gc->old) +
           count_list(&gc->permanent);
}

const NjTestHooks nj_test_hooks = {
    .interp_find = interp_find,
    .interp_next_id = interp_next_id,
    .interp_features = interp_features,
    .interp_own_gil = interp_own_gil,
    .interp_idref = interp_idref,
    .pending_add = nj_pending_add,
    .stack_soft_limit = stack_soft_limit,
    .inline_values = inline_values,
    .split_dict = split_dict,
    .dict_values = dict_values,
    .next_keys_version = next_keys_version,
    .static_types = nj_types_static,
    .slot_names = nj_type_slot_names,
    .trie_find = nj_trie_find,
    .trie_with = nj_trie_with,
    .trie_without = nj_trie_without,
    .trie_next = nj_trie_next,
    .trie_size = nj_trie_size,
    .shared_keys_max = NJ_SHARED_KEYS_MAX + 1,
    .specialize_after = (NJ_COUNTER_WARMUP >> 4) + 1,
    .respecialize_after = (NJ_COUNTER_COOLDOWN >> 4) + 1,
    .gc_long_lived = gc_long_lived,
    .gc_tracked = gc_tracked,
    .import_forget = nj_import_forget,
    .edit_cost = nj_suggest_cost,
    .clean_docstring = nj_clean_docstring,
    .codegen = nj_compile_steps,
    .optimize = nj_steps_optimize,
    .assemble = nj_steps_assemble,
    .op_has_arg = nj_steps_has_arg,
    .op_has_target = nj_steps_has_target,
};

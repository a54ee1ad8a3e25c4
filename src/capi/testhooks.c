/* testhooks.c - see testhooks.h.
 * SPDX-License-Identifier: MIT
 */
#include "capi/testhooks.h"

#include "frontend/compile.h"
#include "objects/dict_int.h"
#include "objects/code_vars.h"
#include "objects/exc_int.h"
#include "runtime/crossinterp.h"
#include "runtime/runtime.h"
#include "runtime/suggest.h"
#include "vm/vm_int.h"

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

/* A new interpreter as the module that is tested would make it. */
static PyObject *
interp_create(PyObject *config, int whence)
{
    PyInterpreterConfig c;
    if (whence < 0 || whence > NJ_WHENCE_LAST) {
        PyErr_Format(PyExc_ValueError, "unsupported whence %d", whence);
        return NULL;
    }
    if (config == Py_None ? nj_interp_config_named("isolated", &c) < 0
                          : nj_interp_config_from(config, &c) < 0) {
        return NULL;
    }
    if (whence == NJ_WHENCE_UNKNOWN) {
        NjInterp *interp = PyInterpreterState_New();
        return interp ? PyLong_FromLongLong(interp->id) : NULL;
    }
    NjInterp *interp = nj_interp_create(&c, whence);
    return interp ? PyLong_FromLongLong(interp->id) : NULL;
}

static int
interp_end(PyInterpreterState *interp)
{
    if (interp == nj_interp()) {
        PyErr_SetString(PyExc_InterpreterError, "cannot destroy the current interpreter");
        return -1;
    }
    nj_interp_end(interp);
    return 0;
}

/* PyRun_SimpleString there, as its __main__ or beside it. */
static int
interp_run(PyInterpreterState *interp, const char *code, bool main)
{
    PyThreadState *home = nj_tstate(), *guest = nj_tstate_new(interp, 4);
    if (!guest) {
        PyErr_NoMemory();
        return -2;
    }
    if (main && nj_interp_set_running_main(guest) < 0) {
        PyThreadState_Delete(guest);
        return -2;
    }
    PyThreadState_Swap(guest);
    int rc = PyRun_SimpleString(code);
    if (main) {
        nj_interp_clear_running_main(guest);
    }
    PyThreadState_Clear(guest);
    PyThreadState_DeleteCurrent();
    PyThreadState_Swap(home);
    return rc;
}

static int
xdata_fill(PyObject *o, const char *mode, NjXData *x)
{
    static const struct {
        const char *mode;
        int (*get)(PyObject *o, NjXData *x);
    } simple[] = {{"pickle", nj_xdata_pickle},
                  {"marshal", nj_xdata_marshal},
                  {"code", nj_xdata_code},
                  {"func", nj_xdata_func}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(simple); i++) {
        if (!strcmp(mode, simple[i].mode)) {
            return simple[i].get(o, x);
        }
    }
    if (!strcmp(mode, "xidata") || !strcmp(mode, "fallback")) {
        return nj_xdata_get(o, x, mode[0] == 'f');
    }
    if (!strcmp(mode, "script") || !strcmp(mode, "script-pure")) {
        int rc = nj_xdata_script(o, mode[6] == '-', x);
        if (rc < 0) {
            nj_not_shareable("object not a valid script");
        }
        return rc;
    }
    PyErr_Format(PyExc_ValueError, "unsupported mode '%s'", mode);
    return -1;
}

static void
xdata_free_capsule(PyObject *capsule)
{
    nj_xdata_free(PyCapsule_GetPointer(capsule, NULL));
}

static PyObject *
xdata_get(PyObject *o, const char *mode)
{
    NjXData *x = nj_xdata_new();
    if (!x) {
        return NULL;
    }
    PyObject *capsule = NULL;
    if (xdata_fill(o, mode, x) < 0 ||
        !(capsule = PyCapsule_New(x, NULL, xdata_free_capsule))) {
        nj_xdata_free(x);
    }
    return capsule;
}

static PyObject *
xdata_make(PyObject *capsule)
{
    NjXData *x = PyCapsule_GetPointer(capsule, NULL);
    return x ? nj_xdata_make(x) : NULL;
}

static PyObject *
code_var_counts(PyCodeObject *co, PyObject *globalnames, PyObject *attrnames,
                PyObject *globals, PyObject *builtins)
{
    NjVarCounts c;
    if (nj_code_count_vars(co, globalnames, attrnames, globals, builtins, &c) < 0) {
        return NULL;
    }
    return Py_BuildValue(
        "{sis{sis{sisisisisisi}sis{sisisi}s{sisisi}}sis{sisisis{sisisisi}}}", "total",
        c.total, "locals", "total", c.locals.total, "args", "total", c.locals.args.total,
        "numposonly", c.locals.args.posonly, "numposorkw", c.locals.args.posorkw,
        "numkwonly", c.locals.args.kwonly, "varargs", c.locals.args.varargs, "varkwargs",
        c.locals.args.varkwargs, "numpure", c.locals.pure, "cells", "total",
        c.locals.cells.total, "numargs", c.locals.cells.args, "numothers",
        c.locals.cells.others, "hidden", "total", c.locals.hidden.total, "numpure",
        c.locals.hidden.pure, "numcells", c.locals.hidden.cells, "numfree", c.free,
        "unbound", "total", c.unbound.total, "numattrs", c.unbound.attrs, "numunknown",
        c.unbound.unknown, "globals", "total", c.unbound.globals.total, "numglobal",
        c.unbound.globals.global, "numbuiltin", c.unbound.globals.builtin, "numunknown",
        c.unbound.globals.unknown);
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
    .interp_find = nj_interp_find,
    .interp_create = interp_create,
    .interp_end = interp_end,
    .interp_config = nj_interp_config_from,
    .interp_run = interp_run,
    .xdata_get = xdata_get,
    .xdata_make = xdata_make,
    .code_var_counts = code_var_counts,
    .code_check_stateless = nj_code_check_stateless,
    .code_returns_only_none = nj_code_returns_only_none,
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
    .shared_keys_max = NJ_SHARED_KEYS_MAX,
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

/* context.c - contexts and context variables (PEP 567), and the _contextvars module.
 *
 * A Context holds a persistent map from variables to values (trie.h). The current one is
 * tstate->context; every change of it or of its content raises tstate->context_ver, which
 * with the thread's id validates the value that each ContextVar caches.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/hamt.h"
#include "objects/trie.h"
#include "runtime/gc.h"

#include <stddef.h>

struct _pycontextobject {
    PyObject_HEAD
    PyContext *prev; /* the context that was current when this one was entered, owned */
    PyObject *vars;  /* map, NULL when empty */
    PyObject *weaklist;
    int entered;
};

struct _pycontextvarobject {
    PyObject_HEAD
    PyObject *name;
    PyObject *fallback;    /* the default, or NULL */
    PyObject *cached;      /* borrowed: last value found */
    uint64_t cached_thread; /* thread id and context version for which it holds */
    uint64_t cached_version;
    Py_hash_t hash;
};

struct _pycontexttokenobject {
    PyObject_HEAD
    PyContext *context;
    PyContextVar *var;
    PyObject *old; /* the value before, or NULL */
    int used;
};

extern PyTypeObject NjTokenMissing_Type, NjContextKeys_Type, NjContextValues_Type,
    NjContextItems_Type;

/* ---- contexts ------------------------------------------------------------------------------ */

static PyContext *
make_context(PyObject *vars)
{
    PyContext *c = PyObject_GC_New(PyContext, &PyContext_Type);
    if (c) {
        c->prev = NULL;
        c->vars = Py_XNewRef(vars);
        c->weaklist = NULL;
        c->entered = 0;
        nj_gc_track((PyObject *)c);
    }
    return c;
}

static PyContext *
current_context(PyThreadState *ts)
{
    if (!ts->context) {
        PyContext *c = make_context(NULL);
        if (!c) {
            return NULL;
        }
        ts->context = (PyObject *)c;
        ts->context_ver++;
    }
    return (PyContext *)ts->context;
}

static void
notify_switch(PyThreadState *ts)
{
    NjContextState *st = &ts->interp->contexts;
    for (int i = 0; st->active >> i; i++) {
        if (!(st->active & (1 << i)) || !st->watchers[i]) {
            continue;
        }
        PyObject *ctx = ts->context ? ts->context : Py_None;
        if (st->watchers[i](Py_CONTEXT_SWITCHED, ctx) < 0) {
            PyErr_FormatUnraisable("Exception ignored in Py_CONTEXT_SWITCHED watcher "
                                   "callback for %R",
                                   ctx);
        }
    }
}

static void
switch_to(PyThreadState *ts, PyContext *c) /* steals c */
{
    PyObject *old = ts->context;
    ts->context = (PyObject *)c;
    ts->context_ver++;
    Py_XDECREF(old);
    if (ts->interp->contexts.active) {
        notify_switch(ts);
    }
}

static int
enter_context(PyThreadState *ts, PyObject *op)
{
    PyContext *c = (PyContext *)op;
    if (c->entered) {
        PyErr_Format(PyExc_RuntimeError, "cannot enter context: %R is already entered", op);
        return -1;
    }
    c->prev = (PyContext *)Py_XNewRef(ts->context);
    c->entered = 1;
    switch_to(ts, (PyContext *)Py_NewRef(op));
    return 0;
}

static int
exit_context(PyThreadState *ts, PyObject *op)
{
    PyContext *c = (PyContext *)op;
    if (!c->entered) {
        PyErr_Format(PyExc_RuntimeError, "cannot exit context: %R has not been entered", op);
        return -1;
    }
    if (ts->context != op) {
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot exit context: thread state references a different context "
                        "object");
        return -1;
    }
    PyContext *prev = c->prev;
    c->prev = NULL;
    c->entered = 0;
    switch_to(ts, prev);
    return 0;
}

PyObject *
PyContext_New(void)
{
    return (PyObject *)make_context(NULL);
}

PyObject *
PyContext_Copy(PyObject *op)
{
    if (!PyContext_CheckExact(op)) {
        PyErr_SetString(PyExc_TypeError, "an instance of Context was expected");
        return NULL;
    }
    return (PyObject *)make_context(((PyContext *)op)->vars);
}

PyObject *
PyContext_CopyCurrent(void)
{
    PyContext *c = current_context(nj_tstate());
    return c ? (PyObject *)make_context(c->vars) : NULL;
}

int
PyContext_Enter(PyObject *op)
{
    if (!PyContext_CheckExact(op)) {
        PyErr_SetString(PyExc_TypeError, "an instance of Context was expected");
        return -1;
    }
    return enter_context(nj_tstate(), op);
}

int
PyContext_Exit(PyObject *op)
{
    if (!PyContext_CheckExact(op)) {
        PyErr_SetString(PyExc_TypeError, "an instance of Context was expected");
        return -1;
    }
    return exit_context(nj_tstate(), op);
}

int
PyContext_AddWatcher(PyContext_WatchCallback callback)
{
    NjContextState *st = &nj_interp()->contexts;
    for (int i = 0; i < NJ_CONTEXT_WATCHERS; i++) {
        if (!st->watchers[i]) {
            st->watchers[i] = callback;
            st->active |= (uint8_t)(1 << i);
            return i;
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "no more context watcher IDs available");
    return -1;
}

int
PyContext_ClearWatcher(int id)
{
    NjContextState *st = &nj_interp()->contexts;
    if (id < 0 || id >= NJ_CONTEXT_WATCHERS) {
        PyErr_Format(PyExc_ValueError, "Invalid context watcher ID %d", id);
        return -1;
    }
    if (!st->watchers[id]) {
        PyErr_Format(PyExc_ValueError, "No context watcher set for ID %d", id);
        return -1;
    }
    st->watchers[id] = NULL;
    st->active &= (uint8_t)~(1 << id);
    return 0;
}

static PyObject *
context_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kw)
{
    if (PyTuple_GET_SIZE(args) || (kw && PyDict_GET_SIZE(kw))) {
        PyErr_SetString(PyExc_TypeError, "Context() does not accept any arguments");
        return NULL;
    }
    return PyContext_New();
}

static int
context_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((PyContext *)op)->prev);
    Py_VISIT(((PyContext *)op)->vars);
    return 0;
}

static int
context_clear(PyObject *op)
{
    Py_CLEAR(((PyContext *)op)->prev);
    Py_CLEAR(((PyContext *)op)->vars);
    return 0;
}

static void
context_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    if (((PyContext *)op)->weaklist) {
        PyObject_ClearWeakRefs(op);
    }
    context_clear(op);
    PyObject_GC_Del(op);
}

static int
check_var(PyObject *key)
{
    if (!PyContextVar_CheckExact(key)) {
        PyErr_Format(PyExc_TypeError, "a ContextVar key was expected, got %R", key);
        return -1;
    }
    return 0;
}

static PyObject *
peek_var(PyContext *c, PyObject *var)
{
    PyObject *value;
    nj_trie_find(c->vars, var, ((PyContextVar *)var)->hash, &value);
    return value;
}

static PyObject *
context_richcompare(PyObject *a, PyObject *b, int op)
{
    if (!PyContext_CheckExact(a) || !PyContext_CheckExact(b) || (op != Py_EQ && op != Py_NE)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    NJ_OWN ma = Py_XNewRef(((PyContext *)a)->vars);
    NJ_OWN mb = Py_XNewRef(((PyContext *)b)->vars);
    int equal = nj_trie_size(ma) == nj_trie_size(mb);
    if (equal && ma != mb) {
        NjTriePos pos = {0};
        PyObject *key, *value;
        while (equal > 0 && nj_trie_next(ma, &pos, &key, &value)) {
            PyObject *other;
            nj_trie_find(mb, key, ((PyContextVar *)key)->hash, &other);
            equal = other ? PyObject_RichCompareBool(value, other, Py_EQ) : 0;
        }
    }
    return equal < 0 ? NULL : PyBool_FromLong((op == Py_EQ) == equal);
}

static Py_ssize_t
context_len(PyObject *op)
{
    return nj_trie_size(((PyContext *)op)->vars);
}

static PyObject *
context_subscript(PyObject *op, PyObject *key)
{
    if (check_var(key) < 0) {
        return NULL;
    }
    PyObject *v = peek_var((PyContext *)op, key);
    if (!v) {
        PyErr_SetObject(PyExc_KeyError, key);
    }
    return Py_XNewRef(v);
}

static int
context_contains(PyObject *op, PyObject *key)
{
    return check_var(key) < 0 ? -1 : peek_var((PyContext *)op, key) != NULL;
}

static PyObject *
context_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("get", nargs, 1, 2) || check_var(args[0]) < 0) {
        return NULL;
    }
    PyObject *v = peek_var((PyContext *)op, args[0]);
    return Py_NewRef(v ? v : nargs > 1 ? args[1] : Py_None);
}

static PyObject *
context_copy(PyObject *op, PyObject *Py_UNUSED(i))
{
    return (PyObject *)make_context(((PyContext *)op)->vars);
}

static PyObject *
context_run(PyObject *op, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyThreadState *ts = nj_tstate();
    if (nargs < 1) {
        PyErr_SetString(PyExc_TypeError, "run() missing 1 required positional argument");
        return NULL;
    }
    if (enter_context(ts, op) < 0) {
        return NULL;
    }
    PyObject *r = PyObject_Vectorcall(args[0], args + 1, (size_t)(nargs - 1), kwnames);
    if (exit_context(ts, op) < 0) {
        Py_CLEAR(r);
    }
    return r;
}

/* ---- iteration ------------------------------------------------------------------------------ */

static PyObject *
context_iter(PyObject *op)
{
    return nj_hamt_iter(&NjHamtKeys_Type, ((PyContext *)op)->vars);
}

static PyObject *
context_keys(PyObject *op, PyObject *Py_UNUSED(i))
{
    return nj_hamt_iter(&NjHamtKeys_Type, ((PyContext *)op)->vars);
}

static PyObject *
context_values(PyObject *op, PyObject *Py_UNUSED(i))
{
    return nj_hamt_iter(&NjHamtValues_Type, ((PyContext *)op)->vars);
}

static PyObject *
context_items(PyObject *op, PyObject *Py_UNUSED(i))
{
    return nj_hamt_iter(&NjHamtItems_Type, ((PyContext *)op)->vars);
}

#define FUNC(f) (PyCFunction)(void (*)(void))(f)

static PyMethodDef context_methods[] = {
    {"get", FUNC(context_get), METH_FASTCALL,
     "get($self, key, default=None, /)\n--\n\nThe value of the variable key, or default."},
    {"items", context_items, METH_NOARGS,
     "items($self, /)\n--\n\nAll variables with their values."},
    {"keys", context_keys, METH_NOARGS, "keys($self, /)\n--\n\nAll variables."},
    {"values", context_values, METH_NOARGS, "values($self, /)\n--\n\nAll values."},
    {"copy", context_copy, METH_NOARGS, "copy($self, /)\n--\n\nA copy of the context."},
    {"run", FUNC(context_run), METH_FASTCALL | METH_KEYWORDS, NULL},
    {0},
};

static PySequenceMethods context_as_sequence = {.sq_contains = context_contains};
static PyMappingMethods context_as_mapping = {.mp_length = context_len,
                                              .mp_subscript = context_subscript};

PyTypeObject PyContext_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "_contextvars.Context",
    .tp_basicsize = sizeof(PyContext),
    .tp_dealloc = context_dealloc,
    .tp_as_sequence = &context_as_sequence,
    .tp_as_mapping = &context_as_mapping,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = context_traverse,
    .tp_clear = context_clear,
    .tp_richcompare = context_richcompare,
    .tp_weaklistoffset = offsetof(PyContext, weaklist),
    .tp_iter = context_iter,
    .tp_methods = context_methods,
    .tp_new = context_new,
};

/* ---- variables -------------------------------------------------------------------------------- */

static PyContextVar *
make_var(PyObject *name, PyObject *fallback)
{
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "context variable name must be a str");
        return NULL;
    }
    Py_hash_t name_hash = PyObject_Hash(name);
    PyContextVar *v = name_hash == -1 ? NULL : PyObject_GC_New(PyContextVar, &PyContextVar_Type);
    if (!v) {
        return NULL;
    }
    v->hash = Py_HashPointer(v) ^ name_hash;
    if (v->hash == -1) {
        v->hash = -2;
    }
    v->name = Py_NewRef(name);
    v->fallback = Py_XNewRef(fallback);
    v->cached = NULL;
    v->cached_thread = 0;
    v->cached_version = 0;
    nj_gc_track((PyObject *)v);
    return v;
}

PyObject *
PyContextVar_New(const char *name, PyObject *fallback)
{
    NJ_OWN s = PyUnicode_FromString(name);
    return s ? (PyObject *)make_var(s, fallback) : NULL;
}

static int
check_is_var(PyObject *op)
{
    if (!PyContextVar_CheckExact(op)) {
        PyErr_SetString(PyExc_TypeError, "an instance of ContextVar was expected");
        return -1;
    }
    return 0;
}

int
PyContextVar_Get(PyObject *op, PyObject *fallback, PyObject **out)
{
    if (check_is_var(op) < 0) {
        *out = NULL;
        return -1;
    }
    PyContextVar *var = (PyContextVar *)op;
    PyThreadState *ts = nj_tstate();
    if (ts->context) {
        if (var->cached && var->cached_thread == ts->id &&
            var->cached_version == ts->context_ver) {
            *out = Py_NewRef(var->cached);
            return 0;
        }
        PyObject *v = peek_var((PyContext *)ts->context, op);
        if (v) {
            var->cached = v;
            var->cached_thread = ts->id;
            var->cached_version = ts->context_ver;
            *out = Py_NewRef(v);
            return 0;
        }
    }
    *out = Py_XNewRef(fallback ? fallback : var->fallback);
    return 0;
}

/* Stores value in the current context, or removes var when value is NULL. */
static int
store(PyThreadState *ts, PyContextVar *var, PyObject *value)
{
    PyContext *c = current_context(ts);
    if (!c) {
        return -1;
    }
    var->cached = NULL;
    var->cached_thread = 0;
    PyObject *map;
    if (value) {
        map = nj_trie_with(c->vars, (PyObject *)var, var->hash, value);
        if (!map) {
            return -1;
        }
    } else {
        int rc = nj_trie_without(c->vars, (PyObject *)var, var->hash, &map);
        if (rc <= 0) {
            if (rc == 0) {
                PyErr_SetObject(PyExc_LookupError, (PyObject *)var);
            }
            return -1;
        }
    }
    Py_XSETREF(c->vars, map);
    ts->context_ver++;
    if (value) {
        var->cached = value;
        var->cached_thread = ts->id;
        var->cached_version = ts->context_ver;
    }
    return 0;
}

PyObject *
PyContextVar_Set(PyObject *op, PyObject *value)
{
    if (check_is_var(op) < 0) {
        return NULL;
    }
    PyThreadState *ts = nj_tstate();
    PyContext *c = current_context(ts);
    if (!c) {
        return NULL;
    }
    PyContextToken *t = PyObject_GC_New(PyContextToken, &PyContextToken_Type);
    if (!t) {
        return NULL;
    }
    t->context = (PyContext *)Py_NewRef((PyObject *)c);
    t->var = (PyContextVar *)Py_NewRef(op);
    t->old = Py_XNewRef(peek_var(c, op));
    t->used = 0;
    nj_gc_track((PyObject *)t);
    if (store(ts, (PyContextVar *)op, value) < 0) {
        Py_DECREF(t);
        return NULL;
    }
    return (PyObject *)t;
}

int
PyContextVar_Reset(PyObject *op, PyObject *token)
{
    PyContextVar *var = (PyContextVar *)op;
    PyContextToken *t = (PyContextToken *)token;
    if (check_is_var(op) < 0) {
        return -1;
    }
    if (!PyContextToken_CheckExact(token)) {
        PyErr_Format(PyExc_TypeError, "expected an instance of Token, got %R", token);
        return -1;
    }
    if (t->used) {
        PyErr_Format(PyExc_RuntimeError, "%R has already been used once", token);
        return -1;
    }
    if (t->var != var) {
        PyErr_Format(PyExc_ValueError, "%R was created by a different ContextVar", token);
        return -1;
    }
    PyThreadState *ts = nj_tstate();
    if ((PyObject *)t->context != ts->context) {
        PyErr_Format(PyExc_ValueError, "%R was created in a different Context", token);
        return -1;
    }
    t->used = 1;
    return store(ts, var, t->old);
}

static PyObject *
contextvar_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kw)
{
    static char *const names[] = {"", "default", NULL};
    PyObject *name, *fallback = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|$O:ContextVar", names, &name, &fallback)) {
        return NULL;
    }
    return (PyObject *)make_var(name, fallback);
}

static int
contextvar_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(((PyContextVar *)op)->name);
    Py_VISIT(((PyContextVar *)op)->fallback);
    return 0;
}

static int
contextvar_clear(PyObject *op)
{
    PyContextVar *v = (PyContextVar *)op;
    Py_CLEAR(v->name);
    Py_CLEAR(v->fallback);
    v->cached = NULL;
    v->cached_thread = 0;
    return 0;
}

static void
contextvar_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    contextvar_clear(op);
    PyObject_GC_Del(op);
}

static Py_hash_t
contextvar_hash(PyObject *op)
{
    return ((PyContextVar *)op)->hash;
}

static PyObject *
contextvar_repr(PyObject *op)
{
    PyContextVar *v = (PyContextVar *)op;
    return v->fallback
               ? PyUnicode_FromFormat("<ContextVar name=%R default=%R at %p>", v->name,
                                      v->fallback, op)
               : PyUnicode_FromFormat("<ContextVar name=%R at %p>", v->name, op);
}

static PyObject *
contextvar_get(PyObject *op, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *v;
    if (!_PyArg_CheckPositional("get", nargs, 0, 1) ||
        PyContextVar_Get(op, nargs ? args[0] : NULL, &v) < 0) {
        return NULL;
    }
    if (!v) {
        PyErr_SetObject(PyExc_LookupError, op);
    }
    return v;
}

static PyObject *
contextvar_reset(PyObject *op, PyObject *token)
{
    return PyContextVar_Reset(op, token) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef contextvar_methods[] = {
    {"get", FUNC(contextvar_get), METH_FASTCALL,
     "get($self, default=<unrepresentable>, /)\n--\n\nThe value in the current context."},
    {"set", PyContextVar_Set, METH_O,
     "set($self, value, /)\n--\n\nSet the value; returns a Token to undo it."},
    {"reset", contextvar_reset, METH_O,
     "reset($self, token, /)\n--\n\nRestore the value from before the set() of token."},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"},
    {0},
};

static PyMemberDef contextvar_members[] = {
    {"name", Py_T_OBJECT_EX, offsetof(PyContextVar, name), Py_READONLY, NULL},
    {0},
};

PyTypeObject PyContextVar_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "_contextvars.ContextVar",
    .tp_basicsize = sizeof(PyContextVar),
    .tp_dealloc = contextvar_dealloc,
    .tp_repr = contextvar_repr,
    .tp_hash = contextvar_hash,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = contextvar_traverse,
    .tp_clear = contextvar_clear,
    .tp_methods = contextvar_methods,
    .tp_members = contextvar_members,
    .tp_new = contextvar_new,
};

/* ---- tokens --------------------------------------------------------------------------------------- */

static PyObject *
missing_repr(PyObject *Py_UNUSED(op))
{
    return PyUnicode_FromString("<Token.MISSING>");
}

PyTypeObject NjTokenMissing_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "Token.MISSING",
    .tp_basicsize = sizeof(PyObject),
    .tp_repr = missing_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
};

/* Immortal and never written. */
static struct {
    PyObject_HEAD
} token_missing = {PyObject_HEAD_INIT(&NjTokenMissing_Type)};

static PyObject *
token_new(PyTypeObject *Py_UNUSED(type), PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kw))
{
    PyErr_SetString(PyExc_RuntimeError, "Tokens can only be created by ContextVars");
    return NULL;
}

static int
token_traverse(PyObject *op, visitproc visit, void *arg)
{
    PyContextToken *t = (PyContextToken *)op;
    Py_VISIT(t->context);
    Py_VISIT(t->var);
    Py_VISIT(t->old);
    return 0;
}

static int
token_clear(PyObject *op)
{
    PyContextToken *t = (PyContextToken *)op;
    Py_CLEAR(t->context);
    Py_CLEAR(t->var);
    Py_CLEAR(t->old);
    return 0;
}

static void
token_dealloc(PyObject *op)
{
    PyObject_GC_UnTrack(op);
    token_clear(op);
    PyObject_GC_Del(op);
}

static PyObject *
token_repr(PyObject *op)
{
    PyContextToken *t = (PyContextToken *)op;
    return PyUnicode_FromFormat("<Token%s var=%R at %p>", t->used ? " used" : "", t->var, op);
}

static PyObject *
token_var_get(PyObject *op, void *Py_UNUSED(c))
{
    return Py_NewRef((PyObject *)((PyContextToken *)op)->var);
}

static PyObject *
token_old_value_get(PyObject *op, void *Py_UNUSED(c))
{
    PyObject *old = ((PyContextToken *)op)->old;
    return Py_NewRef(old ? old : (PyObject *)&token_missing);
}

static PyObject *
token_enter(PyObject *op, PyObject *Py_UNUSED(i))
{
    return Py_NewRef(op);
}

static PyObject *
token_exit(PyObject *op, PyObject *const *Py_UNUSED(args), Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("__exit__", nargs, 3, 3)) {
        return NULL;
    }
    PyContextToken *t = (PyContextToken *)op;
    return PyContextVar_Reset((PyObject *)t->var, op) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyMethodDef token_methods[] = {
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS,
     "__class_getitem__($type, object, /)\n--\n\n"},
    {"__enter__", token_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturns the token."},
    {"__exit__", FUNC(token_exit), METH_FASTCALL,
     "__exit__($self, type, val, tb, /)\n--\n\nRestores the variable."},
    {0},
};

static PyGetSetDef token_getset[] = {
    {"var", token_var_get, NULL, NULL, NULL},
    {"old_value", token_old_value_get, NULL, NULL, NULL},
    {0},
};

PyTypeObject PyContextToken_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "_contextvars.Token",
    .tp_basicsize = sizeof(PyContextToken),
    .tp_dealloc = token_dealloc,
    .tp_repr = token_repr,
    .tp_hash = PyObject_HashNotImplemented,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = token_traverse,
    .tp_clear = token_clear,
    .tp_methods = token_methods,
    .tp_getset = token_getset,
    .tp_new = token_new,
};

/* ---- the module ------------------------------------------------------------------------------------ */

static PyObject *
contextvars_copy_context(PyObject *Py_UNUSED(m), PyObject *Py_UNUSED(i))
{
    return PyContext_CopyCurrent();
}

static PyMethodDef contextvars_methods[] = {
    {"copy_context", contextvars_copy_context, METH_NOARGS,
     "copy_context($module, /)\n--\n\nA copy of the current context."},
    {0},
};

/* Token.MISSING is put into the static type's dict once, before anybody can look. */
static int
add_missing(void)
{
    NJ_OWN dict = PyType_GetDict(&PyContextToken_Type);
    if (!dict) {
        return -1;
    }
    int r = PyDict_ContainsString(dict, "MISSING");
    if (r == 0) {
        r = PyDict_SetItemString(dict, "MISSING", (PyObject *)&token_missing);
        PyType_Modified(&PyContextToken_Type);
    }
    return r < 0 ? -1 : 0;
}

static int
contextvars_exec(PyObject *m)
{
    if (add_missing() < 0) {
        return -1;
    }
    return PyModule_AddType(m, &PyContext_Type) < 0 ||
                   PyModule_AddType(m, &PyContextVar_Type) < 0 ||
                   PyModule_AddType(m, &PyContextToken_Type) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot contextvars_slots[] = {
    {Py_mod_exec, contextvars_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef contextvars_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_contextvars",
    .m_doc = "Context variables.",
    .m_methods = contextvars_methods,
    .m_slots = contextvars_slots,
};

PyMODINIT_FUNC PyInit__contextvars(void);

PyMODINIT_FUNC
PyInit__contextvars(void)
{
    return PyModuleDef_Init(&contextvars_module);
}

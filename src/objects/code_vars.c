/* code_vars.c - see code_vars.h.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/code_int.h"
#include "objects/code_vars.h"

#include <opcode.h>

static void
count_locals(PyCodeObject *co, NjVarCounts *c)
{
    c->locals.args.posonly = co->co_posonlyargcount;
    c->locals.args.posorkw = co->co_argcount - co->co_posonlyargcount;
    c->locals.args.kwonly = co->co_kwonlyargcount;
    c->locals.args.varargs = (co->co_flags & CO_VARARGS) != 0;
    c->locals.args.varkwargs = (co->co_flags & CO_VARKEYWORDS) != 0;
    c->locals.args.total = co->co_argcount + co->co_kwonlyargcount +
                           c->locals.args.varargs + c->locals.args.varkwargs;
    const char *kinds = PyBytes_AS_STRING(co->co_localspluskinds);
    for (int i = 0; i < co->co_nlocalsplus; i++) {
        int kind = (unsigned char)kinds[i];
        if (kind & CO_FAST_FREE) {
            c->free++;
            continue;
        }
        bool arg = i < c->locals.args.total, hidden = kind & CO_FAST_HIDDEN;
        if (kind & CO_FAST_CELL) {
            if (arg) {
                c->locals.cells.args++;
            }
            else {
                c->locals.cells.others++;
            }
            c->locals.hidden.cells += hidden;
        }
        else if (!arg) {
            c->locals.pure++;
            c->locals.hidden.pure += hidden;
        }
    }
    c->locals.cells.total = c->locals.cells.args + c->locals.cells.others;
    c->locals.hidden.total = c->locals.hidden.pure + c->locals.hidden.cells;
    c->locals.total = c->locals.args.total + c->locals.pure + c->locals.cells.others;
}

static int
count_global(PyObject *name, PyObject *globals, PyObject *builtins, NjVarCounts *c)
{
    int found = globals ? PyDict_Contains(globals, name) : 0;
    if (found) {
        c->unbound.globals.global += found > 0;
    }
    else {
        found = builtins ? PyDict_Contains(builtins, name) : 0;
        c->unbound.globals.builtin += found > 0;
        c->unbound.globals.unknown += found == 0;
    }
    return found < 0 ? -1 : 0;
}

/* 1: name was not in the set */
static int
add_new(PyObject *set, PyObject *name)
{
    int in = PySet_Contains(set, name);
    if (in) {
        return in < 0 ? -1 : 0;
    }
    return PySet_Add(set, name) < 0 ? -1 : 1;
}

static int
count_names(PyCodeObject *co, PyObject *globalnames, PyObject *attrnames, PyObject *globals,
            PyObject *builtins, NjVarCounts *c)
{
    NJ_OWN bytes = nj_code_bytes(co);
    if (!bytes) {
        return -1;
    }
    const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(bytes);
    Py_ssize_t n = PyBytes_GET_SIZE(bytes);
    unsigned arg = 0;
    for (Py_ssize_t i = 0; i + 1 < n; i += 2) {
        arg = arg << 8 | p[i + 1];
        if (p[i] == EXTENDED_ARG) {
            continue;
        }
        int fresh = 0;
        if (p[i] == LOAD_GLOBAL || p[i] == LOAD_ATTR) {
            PyObject *name = PyTuple_GET_ITEM(co->co_names, arg >> 1);
            bool global = p[i] == LOAD_GLOBAL;
            fresh = add_new(global ? globalnames : attrnames, name);
            if (fresh > 0 && !global) {
                c->unbound.attrs++;
            }
            if (fresh > 0 && global) {
                c->unbound.globals.total++;
                fresh = count_global(name, globals, builtins, c);
            }
        }
        if (fresh < 0) {
            return -1;
        }
        arg = 0;
    }
    Py_ssize_t names = PyTuple_GET_SIZE(co->co_names);
    for (Py_ssize_t i = PyTuple_GET_SIZE(co->co_names) - 1; i >= 0; i--) {
        PyObject *name = PyTuple_GET_ITEM(co->co_names, i);
        int both = PySet_Contains(globalnames, name);
        if (both > 0) {
            both = PySet_Contains(attrnames, name);
        }
        if (both < 0) {
            return -1;
        }
        names += both; /* stands for two variables */
    }
    c->unbound.total = (int)names;
    c->unbound.unknown = (int)names - c->unbound.attrs - c->unbound.globals.total;
    return 0;
}

static PyObject *
set_of(PyObject *given, const char *what)
{
    if (!given) {
        return PySet_New(NULL);
    }
    if (!PySet_Check(given)) {
        PyErr_Format(PyExc_TypeError, "expected a set for \"%s\", got %R", what, given);
        return NULL;
    }
    return Py_NewRef(given);
}

int
nj_code_count_vars(PyCodeObject *co, PyObject *globalnames, PyObject *attrnames,
                   PyObject *globals, PyObject *builtins, NjVarCounts *out)
{
    *out = (NjVarCounts){0};
    count_locals(co, out);
    NJ_OWN g = set_of(globalnames, "globalnames");
    NJ_OWN a = g ? set_of(attrnames, "attrnames") : NULL;
    if (!a || count_names(co, g, a, globals, builtins, out) < 0) {
        return -1;
    }
    out->total = out->locals.total + out->free + out->unbound.total;
    return 0;
}

int
nj_code_check_stateless(PyCodeObject *co, PyObject *globalnames, PyObject *globals,
                        PyObject *builtins)
{
    NjVarCounts c;
    if (nj_code_count_vars(co, globalnames, NULL, globals, builtins, &c) < 0) {
        return -1;
    }
    if (c.free) {
        PyErr_SetString(PyExc_ValueError, "closures not supported");
        return -1;
    }
    /* what is no builtin must be global */
    if (c.unbound.globals.global || (builtins && c.unbound.globals.unknown)) {
        PyErr_SetString(PyExc_ValueError, "globals not supported");
        return -1;
    }
    return 0;
}

int
nj_func_check_stateless(PyFunctionObject *func)
{
    const char *why = NULL;
    if (func->func_defaults && func->func_defaults != Py_None &&
        PyTuple_GET_SIZE(func->func_defaults) > 0) {
        why = "defaults not supported";
    }
    else if (func->func_kwdefaults && func->func_kwdefaults != Py_None &&
             PyDict_GET_SIZE(func->func_kwdefaults) > 0) {
        why = "keyword defaults not supported";
    }
    else if (func->func_closure && PyTuple_GET_SIZE(func->func_closure) > 0) {
        why = "closures not supported";
    }
    if (why) {
        PyErr_SetString(PyExc_ValueError, why);
        return -1;
    }
    return nj_code_check_stateless((PyCodeObject *)func->func_code, NULL,
                                   func->func_globals, func->func_builtins);
}

int
nj_code_returns_only_none(PyCodeObject *co)
{
    if (co->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) {
        return 0;
    }
    NJ_OWN bytes = nj_code_bytes(co);
    if (!bytes) {
        return -1;
    }
    const unsigned char *p = (const unsigned char *)PyBytes_AS_STRING(bytes);
    Py_ssize_t n = PyBytes_GET_SIZE(bytes);
    int arg = 0, loaded = -1; /* constant that the instruction before loads */
    for (Py_ssize_t i = 0; i + 1 < n; i += 2) {
        int op = p[i];
        arg = arg << 8 | p[i + 1];
        if (op == EXTENDED_ARG) {
            continue;
        }
        if (op == RETURN_VALUE &&
            (loaded < 0 || PyTuple_GET_ITEM(co->co_consts, loaded) != Py_None)) {
            return 0;
        }
        loaded = op == LOAD_CONST ? arg : -1;
        arg = 0;
    }
    return 1;
}

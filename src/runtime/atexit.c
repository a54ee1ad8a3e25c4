/* atexit.c - functions to run when an interpreter ends: the atexit module and
 * PyUnstable_AtExit.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "runtime/runtime.h"

#define SIG(s) s "\n--\n\n"

int
PyUnstable_AtExit(PyInterpreterState *interp, atexit_datacallbackfunc func, void *data)
{
    struct NjAtExitC *c = PyMem_RawMalloc(sizeof *c);
    if (!c) {
        PyErr_NoMemory();
        return -1;
    }
    c->func = (void (*)(void *))func;
    c->data = data;
    c->next = interp->rt.atexit.c_callbacks;
    interp->rt.atexit.c_callbacks = c;
    return 0;
}

/* Last registered, first called. What goes wrong is reported and does not stop it. */
static void
run_callbacks(NjInterp *interp)
{
    PyObject *list = interp->rt.atexit.callbacks;
    while (list && PyList_GET_SIZE(list) > 0) {
        Py_ssize_t last = PyList_GET_SIZE(list) - 1;
        NJ_OWN item = Py_NewRef(PyList_GET_ITEM(list, last));
        if (PyList_SetSlice(list, last, last + 1, NULL) < 0) {
            PyErr_Clear();
            break;
        }
        if (item == Py_None) {
            continue;
        }
        PyObject *func = PyTuple_GET_ITEM(item, 0);
        PyObject *kw = PyTuple_GET_ITEM(item, 2);
        NJ_OWN r = PyObject_Call(func, PyTuple_GET_ITEM(item, 1), kw == Py_None ? NULL : kw);
        if (!r) {
            PyErr_FormatUnraisable("Exception ignored in atexit callback %R", func);
        }
        list = interp->rt.atexit.callbacks;
    }
}

void
nj_atexit_run(NjInterp *interp)
{
    run_callbacks(interp);
    Py_CLEAR(interp->rt.atexit.callbacks);
    while (interp->rt.atexit.c_callbacks) {
        struct NjAtExitC *c = interp->rt.atexit.c_callbacks;
        interp->rt.atexit.c_callbacks = c->next;
        c->func(c->data);
        PyMem_RawFree(c);
    }
}

void
nj_atexit_fini(NjInterp *interp)
{
    Py_CLEAR(interp->rt.atexit.callbacks);
}

static PyObject *
atexit_register(PyObject *m, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) == 0) {
        PyErr_SetString(PyExc_TypeError, "register() takes at least 1 argument (0 given)");
        return NULL;
    }
    PyObject *func = PyTuple_GET_ITEM(args, 0);
    if (!PyCallable_Check(func)) {
        PyErr_SetString(PyExc_TypeError, "the first argument must be callable");
        return NULL;
    }
    NjInterp *interp = nj_interp();
    if (!interp->rt.atexit.callbacks && !(interp->rt.atexit.callbacks = PyList_New(0))) {
        return NULL;
    }
    NJ_OWN rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    NJ_OWN item = rest ? PyTuple_Pack(3, func, rest, kwargs ? kwargs : Py_None) : NULL;
    if (!item || PyList_Append(interp->rt.atexit.callbacks, item) < 0) {
        return NULL;
    }
    return Py_NewRef(func);
}

static PyObject *
atexit_unregister(PyObject *m, PyObject *func)
{
    NjInterp *interp = nj_interp();
    PyObject *list = interp->rt.atexit.callbacks;
    for (Py_ssize_t i = list ? PyList_GET_SIZE(list) - 1 : -1; i >= 0; i--) {
        if (i >= PyList_GET_SIZE(list)) {
            continue; /* the comparison below ran user code */
        }
        NJ_OWN item = Py_NewRef(PyList_GET_ITEM(list, i));
        int eq = PyObject_RichCompareBool(PyTuple_GET_ITEM(item, 0), func, Py_EQ);
        if (eq < 0) {
            return NULL;
        }
        if (eq && i < PyList_GET_SIZE(list) && PyList_GET_ITEM(list, i) == item &&
            PyList_SetSlice(list, i, i + 1, NULL) < 0) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyObject *
atexit_run_exitfuncs(PyObject *m, PyObject *unused)
{
    run_callbacks(nj_interp());
    Py_RETURN_NONE;
}

static PyObject *
atexit_clear(PyObject *m, PyObject *unused)
{
    PyObject *old = nj_interp()->rt.atexit.callbacks;
    nj_interp()->rt.atexit.callbacks = NULL;
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

static PyObject *
atexit_ncallbacks(PyObject *m, PyObject *unused)
{
    PyObject *list = nj_interp()->rt.atexit.callbacks;
    return PyLong_FromSsize_t(list ? PyList_GET_SIZE(list) : 0);
}

static PyMethodDef atexit_methods[] = {
    {"register", (PyCFunction)(void (*)(void))atexit_register, METH_VARARGS | METH_KEYWORDS,
     SIG("register($module, func, /, *args, **kwargs)")
     "Register a function to be run at exit."},
    {"_clear", atexit_clear, METH_NOARGS, SIG("_clear($module, /)") "Forget all functions."},
    {"unregister", atexit_unregister, METH_O,
     SIG("unregister($module, func, /)") "Forget a function."},
    {"_run_exitfuncs", atexit_run_exitfuncs, METH_NOARGS,
     SIG("_run_exitfuncs($module, /)") "Run all functions now."},
    {"_ncallbacks", atexit_ncallbacks, METH_NOARGS,
     SIG("_ncallbacks($module, /)") "The number of functions."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot atexit_slots[] = {
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef atexit_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "atexit",
    .m_doc = "allow programmer to define multiple exit functions to be executed\nupon normal "
             "program termination.\n\nTwo public functions, register and unregister, are "
             "defined.\n",
    .m_methods = atexit_methods,
    .m_slots = atexit_slots,
};

PyMODINIT_FUNC PyInit_atexit(void);
PyMODINIT_FUNC
PyInit_atexit(void)
{
    return PyModuleDef_Init(&atexit_def);
}

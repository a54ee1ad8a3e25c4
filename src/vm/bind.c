/* bind.c - from the words of a call to the locals of a new frame.
 *
 * The fast case (as many positional arguments as parameters, nothing else) moves words.
 * Everything else follows the language's order of checks, so that the TypeErrors come out
 * as users know them: too many positionals are reported before missing ones, unknown
 * keywords before both. Integer words stay words, except inside *args and **kwargs.
 * SPDX-License-Identifier: MIT
 */
#ifndef __clang__
#pragma GCC optimize("O2")
#endif
#include "nj.h"

#include "runtime/suggest.h"
#include "vm/vm_int.h"

static PyObject *
param_name(PyCodeObject *co, Py_ssize_t i)
{
    return PyTuple_GET_ITEM(co->co_localsplusnames, i);
}

/* "'a', 'b', and 'c'" */
static PyObject *
join_names(PyObject *names)
{
    Py_ssize_t n = PyList_GET_SIZE(names);
    if (n == 1) {
        return Py_NewRef(PyList_GET_ITEM(names, 0));
    }
    if (n == 2) {
        return PyUnicode_FromFormat("%U and %U", PyList_GET_ITEM(names, 0),
                                    PyList_GET_ITEM(names, 1));
    }
    NJ_OWN tail = PyUnicode_FromFormat(", %U, and %U", PyList_GET_ITEM(names, n - 2),
                                       PyList_GET_ITEM(names, n - 1));
    NJ_OWN head = PyList_GetSlice(names, 0, n - 2);
    NJ_OWN comma = PyUnicode_FromString(", ");
    if (tail == NULL || head == NULL || comma == NULL) {
        return NULL;
    }
    NJ_OWN joined = PyUnicode_Join(comma, head);
    if (joined == NULL) {
        return NULL;
    }
    return PyUnicode_Concat(joined, tail);
}

static void
raise_missing(PyFunctionObject *func, Py_ssize_t first, Py_ssize_t end, Value *locals,
              const char *kind, Py_ssize_t ndefaults_end)
{
    PyCodeObject *co = (PyCodeObject *)func->func_code;
    NJ_OWN names = PyList_New(0);
    if (names == NULL) {
        return;
    }
    for (Py_ssize_t i = first; i < end; i++) {
        if (nj_value_is_null(locals[i])) {
            NJ_OWN r = PyObject_Repr(param_name(co, i));
            if (r == NULL || PyList_Append(names, r) < 0) {
                return;
            }
        }
    }
    NJ_OWN text = join_names(names);
    if (text != NULL) {
        PyErr_Format(PyExc_TypeError, "%U() missing %zd required %s argument%s: %U",
                     func->func_qualname, PyList_GET_SIZE(names), kind,
                     PyList_GET_SIZE(names) == 1 ? "" : "s", text);
    }
}

static void
raise_too_many(PyFunctionObject *func, Py_ssize_t given, Py_ssize_t ndefaults,
               Value *locals)
{
    PyCodeObject *co = (PyCodeObject *)func->func_code;
    int argcount = co->co_argcount;
    Py_ssize_t kwonly_given = 0;
    for (int i = argcount; i < argcount + co->co_kwonlyargcount; i++) {
        kwonly_given += !nj_value_is_null(locals[i]);
    }
    bool plural = ndefaults ? true : argcount != 1;
    NJ_OWN takes = ndefaults ? PyUnicode_FromFormat("from %zd to %d",
                                                    (Py_ssize_t)argcount - ndefaults,
                                                    argcount)
                             : PyUnicode_FromFormat("%d", argcount);
    if (takes == NULL) {
        return;
    }
    if (kwonly_given > 0) {
        PyErr_Format(PyExc_TypeError,
                     "%U() takes %U positional argument%s but %zd positional argument%s "
                     "(and %zd keyword-only argument%s) were given",
                     func->func_qualname, takes, plural ? "s" : "", given,
                     given != 1 ? "s" : "", kwonly_given, kwonly_given != 1 ? "s" : "");
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "%U() takes %U positional argument%s but %zd %s given",
                     func->func_qualname, takes, plural ? "s" : "", given,
                     given == 1 ? "was" : "were");
    }
}

/* True (with the error set) if some of the keywords name positional-only parameters. */
static bool
raise_posonly_as_keyword(PyFunctionObject *func, PyObject *kwnames)
{
    PyCodeObject *co = (PyCodeObject *)func->func_code;
    NJ_OWN list = PyList_New(0);
    if (list == NULL) {
        return true;
    }
    for (int k = 0; k < co->co_posonlyargcount; k++) {
        PyObject *name = param_name(co, k);
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
            PyObject *kw = PyTuple_GET_ITEM(kwnames, i);
            int eq = kw == name ? 1 : PyObject_RichCompareBool(kw, name, Py_EQ);
            if (eq < 0 || (eq > 0 && PyList_Append(list, kw) < 0)) {
                return true;
            }
        }
    }
    if (PyList_GET_SIZE(list) == 0) {
        return false;
    }
    NJ_OWN comma = PyUnicode_FromString(", ");
    NJ_OWN joined = comma ? PyUnicode_Join(comma, list) : NULL;
    if (joined != NULL) {
        PyErr_Format(PyExc_TypeError,
                     "%U() got some positional-only arguments passed as keyword "
                     "arguments: '%U'",
                     func->func_qualname, joined);
    }
    return true;
}

static void
raise_unexpected(PyFunctionObject *func, PyObject *keyword)
{
    PyCodeObject *co = (PyCodeObject *)func->func_code;
    NJ_OWN candidates = PyList_New(0);
    if (candidates == NULL) {
        return;
    }
    int total = co->co_argcount + co->co_kwonlyargcount;
    for (int i = co->co_posonlyargcount; i < total; i++) {
        if (PyList_Append(candidates, param_name(co, i)) < 0) {
            return;
        }
    }
    NJ_OWN near = nj_suggest_name(candidates, keyword);
    if (near != NULL) {
        PyErr_Format(PyExc_TypeError,
                     "%U() got an unexpected keyword argument '%S'. Did you mean '%S'?",
                     func->func_qualname, keyword, near);
    }
    else if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "%U() got an unexpected keyword argument '%S'",
                     func->func_qualname, keyword);
    }
}

/* Closes what of the arguments has not been moved yet. */
static void
close_words(Value *p, Value *end)
{
    for (; p < end; p++) {
        nj_value_xclose(*p);
    }
}

static int
bind_args(PyFunctionObject *func, Value *locals, Value *args, Py_ssize_t nargs,
          PyObject *kwnames)
{
    PyCodeObject *co = (PyCodeObject *)func->func_code;
    const int argcount = co->co_argcount;
    const int total = argcount + co->co_kwonlyargcount;
    const Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    Value *args_end = args + nargs + nkw;
    PyObject *kwdict = NULL;
    int at = total;

    for (int i = 0; i < co->co_nlocalsplus; i++) {
        locals[i] = NJ_VALUE_NULL;
    }
    int star = co->co_flags & CO_VARARGS ? at++ : -1;
    if (co->co_flags & CO_VARKEYWORDS) {
        kwdict = PyDict_New();
        if (kwdict == NULL) {
            close_words(args, args_end);
            return -1;
        }
        locals[at] = nj_value_steal(kwdict);
    }
    Py_ssize_t n = nargs < argcount ? nargs : argcount;
    for (Py_ssize_t i = 0; i < n; i++) {
        locals[i] = args[i];
    }
    if (star >= 0) {
        PyObject *t = PyTuple_New(nargs - n);
        if (t == NULL) {
            close_words(args + n, args_end);
            return -1;
        }
        locals[star] = nj_value_steal(t);
        for (Py_ssize_t i = n; i < nargs; i++) {
            PyObject *o = nj_value_to_object_steal(args[i]);
            if (o == NULL) {
                close_words(args + i + 1, args_end);
                return -1;
            }
            PyTuple_SET_ITEM(t, i - n, o);
        }
    }
    else {
        close_words(args + n, args + nargs);
    }
    /* keywords */
    for (Py_ssize_t k = 0; k < nkw; k++) {
        PyObject *kw = PyTuple_GET_ITEM(kwnames, k);
        Value v = args[nargs + k];
        int j;
        if (NJ_UNLIKELY(!PyUnicode_Check(kw))) {
            PyErr_Format(PyExc_TypeError, "%U() keywords must be strings",
                         func->func_qualname);
            goto kwfail;
        }
        for (j = co->co_posonlyargcount; j < total; j++) {
            if (param_name(co, j) == kw) {
                goto found;
            }
        }
        for (j = co->co_posonlyargcount; j < total; j++) {
            int eq = PyObject_RichCompareBool(kw, param_name(co, j), Py_EQ);
            if (eq > 0) {
                goto found;
            }
            if (eq < 0) {
                goto kwfail;
            }
        }
        if (kwdict == NULL) {
            if (co->co_posonlyargcount == 0 || !raise_posonly_as_keyword(func, kwnames)) {
                if (!PyErr_Occurred()) {
                    raise_unexpected(func, kw);
                }
            }
            goto kwfail;
        }
        PyObject *o = nj_value_to_object_steal(v);
        v = NJ_VALUE_NULL;
        if (o == NULL) {
            goto kwfail;
        }
        int t = PyDict_SetItem(kwdict, kw, o);
        Py_DECREF(o);
        if (t < 0) {
            goto kwfail;
        }
        continue;
    found:
        if (!nj_value_is_null(locals[j])) {
            PyErr_Format(PyExc_TypeError, "%U() got multiple values for argument '%S'",
                         func->func_qualname, kw);
            goto kwfail;
        }
        locals[j] = v;
        continue;
    kwfail:
        nj_value_xclose(v);
        close_words(args + nargs + k + 1, args_end);
        return -1;
    }
    PyObject *defaults = func->func_defaults;
    Py_ssize_t ndefaults = defaults ? PyTuple_GET_SIZE(defaults) : 0;
    if (nargs > argcount && star < 0) {
        raise_too_many(func, nargs, ndefaults, locals);
        return -1;
    }
    if (nargs < argcount) {
        Py_ssize_t required = argcount - ndefaults;
        for (Py_ssize_t i = nargs; i < required; i++) {
            if (nj_value_is_null(locals[i])) {
                raise_missing(func, nargs, required, locals, "positional", 0);
                return -1;
            }
        }
        Py_ssize_t i = nargs > required ? nargs : required;
        for (; i < argcount; i++) {
            if (nj_value_is_null(locals[i])) {
                locals[i] = nj_value_new(PyTuple_GET_ITEM(defaults, i - required));
            }
        }
    }
    if (co->co_kwonlyargcount > 0) {
        bool missing = false;
        for (int i = argcount; i < total; i++) {
            if (!nj_value_is_null(locals[i])) {
                continue;
            }
            PyObject *v = NULL;
            if (func->func_kwdefaults != NULL &&
                PyDict_GetItemRef(func->func_kwdefaults, param_name(co, i), &v) < 0) {
                return -1;
            }
            if (v != NULL) {
                locals[i] = nj_value_steal(v);
            }
            else {
                missing = true;
            }
        }
        if (missing) {
            raise_missing(func, argcount, total, locals, "keyword-only", 0);
            return -1;
        }
    }
    return 0;
}

NjFrame *
nj_frame_push_bind(PyThreadState *tstate, Value func, PyObject *locals, Value *args,
                   Py_ssize_t nargs, PyObject *kwnames)
{
    PyFunctionObject *f = (PyFunctionObject *)nj_value_ptr(func);
    PyCodeObject *co = (PyCodeObject *)f->func_code;
    NjFrame *frame = (NjFrame *)nj_stack_push(tstate, nj_code_frame_words(co));
    if (NJ_UNLIKELY(frame == NULL)) {
        close_words(args, args + nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0));
        nj_value_close(func);
        Py_XDECREF(locals);
        return NULL;
    }
    nj_frame_init(frame, tstate->current_frame, func, locals, co);
    if (NJ_LIKELY(kwnames == NULL && nargs <= co->co_argcount &&
                  co->co_kwonlyargcount == 0 &&
                  !(co->co_flags & (CO_VARARGS | CO_VARKEYWORDS)))) {
        Py_ssize_t missing = co->co_argcount - nargs;
        PyObject *defaults = f->func_defaults;
        if (missing == 0 || (defaults != NULL && PyTuple_GET_SIZE(defaults) >= missing)) {
            Value *to = frame->localsplus;
            Value *end = to + co->co_nlocalsplus;
            for (Value *stop = to + nargs; to < stop;) {
                *to++ = *args++;
            }
            if (missing > 0) {
                PyObject **from =
                    &PyTuple_GET_ITEM(defaults, PyTuple_GET_SIZE(defaults) - missing);
                for (Py_ssize_t i = 0; i < missing; i++) {
                    *to++ = nj_value_new(from[i]);
                }
            }
            while (to < end) {
                *to++ = NJ_VALUE_NULL;
            }
            return frame;
        }
    }
    if (bind_args(f, frame->localsplus, args, nargs, kwnames) < 0) {
        PyObject *exc = PyErr_GetRaisedException();
        nj_frame_clear_locals(frame);
        nj_value_close(frame->f_executable);
        nj_value_close(frame->f_funcobj);
        nj_stack_pop(tstate, frame);
        PyErr_SetRaisedException(exc);
        return NULL;
    }
    return frame;
}

NjFrame *
nj_frame_push_ex(PyThreadState *tstate, PyObject *func, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t nargs = PyTuple_GET_SIZE(args);
    Py_ssize_t nkw = kwargs ? PyDict_GET_SIZE(kwargs) : 0;
    Value small[16];
    Value *words = small;
    if (nargs + nkw > 16) {
        words = PyMem_Malloc((size_t)(nargs + nkw) * sizeof(Value));
        if (words == NULL) {
            PyErr_NoMemory();
            return NULL;
        }
    }
    NjFrame *frame = NULL;
    PyObject *kwnames = NULL;
    if (nkw > 0) {
        kwnames = PyTuple_New(nkw);
        if (kwnames == NULL) {
            goto done;
        }
        Py_ssize_t pos = 0, i = 0;
        PyObject *key, *value;
        while (PyDict_Next(kwargs, &pos, &key, &value)) {
            if (!PyUnicode_Check(key)) {
                while (i > 0) {
                    nj_value_close(words[nargs + --i]);
                }
                PyErr_SetString(PyExc_TypeError, "keywords must be strings");
                goto done;
            }
            PyTuple_SET_ITEM(kwnames, i, Py_NewRef(key));
            words[nargs + i++] = nj_value_new(value);
        }
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        words[i] = nj_value_new(PyTuple_GET_ITEM(args, i));
    }
    Value f = nj_value_new(func);
    frame = nj_frame_push_bind(tstate, f, nj_func_locals(f), words, nargs, kwnames);
done:
    Py_XDECREF(kwnames);
    if (words != small) {
        PyMem_Free(words);
    }
    return frame;
}

PyObject *
nj_func_vectorcall(PyObject *func, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyThreadState *tstate = nj_tstate();
    Py_ssize_t nargs = PyVectorcall_NARGS(nargsf);
    Py_ssize_t n = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    Value small[16];
    Value *words = small;
    if (n > 16) {
        words = PyMem_Malloc((size_t)n * sizeof(Value));
        if (words == NULL) {
            return PyErr_NoMemory();
        }
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        words[i] = nj_value_new(args[i]);
    }
    Value f = nj_value_new(func);
    NjFrame *frame = nj_frame_push_bind(tstate, f, nj_func_locals(f), words, nargs, kwnames);
    if (words != small) {
        PyMem_Free(words);
    }
    if (frame == NULL) {
        return NULL;
    }
    frame->previous = tstate->current_frame;
    return nj_eval_frame(tstate, frame, 0);
}

PyObject *
nj_func_run_with_locals(PyObject *func, PyObject *locals)
{
    PyThreadState *tstate = nj_tstate();
    NjFrame *frame = nj_frame_push_bind(tstate, nj_value_new(func), Py_XNewRef(locals), NULL,
                                        0, NULL);
    if (frame == NULL) {
        return NULL;
    }
    return nj_eval_frame(tstate, frame, 0);
}

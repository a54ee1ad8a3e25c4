/* frames.c - what extensions do with frames: tracebacks through frames that never ran, as
 * Cython makes them; C functions that profile and trace; calls back into Python from C while
 * an exception or a generator is under way.
 * SPDX-License-Identifier: MIT
 */
#include <Python.h>

#include <frameobject.h>

/* fail(path, names, globals): ValueError with one made-up frame for each (name, line). */
static PyObject *
fail(PyObject *m, PyObject *args)
{
    const char *path;
    PyObject *names, *globals;
    if (!PyArg_ParseTuple(args, "sO!O!", &path, &PyList_Type, &names, &PyDict_Type, &globals)) {
        return NULL;
    }
    PyErr_SetString(PyExc_ValueError, "from C");
    for (Py_ssize_t i = PyList_GET_SIZE(names); i-- > 0;) {
        const char *name;
        int line;
        PyObject *exc = PyErr_GetRaisedException();
        if (!PyArg_ParseTuple(PyList_GET_ITEM(names, i), "si", &name, &line)) {
            Py_DECREF(exc);
            return NULL;
        }
        PyCodeObject *code = PyCode_NewEmpty(path, name, line);
        PyFrameObject *f = code ? PyFrame_New(PyThreadState_Get(), code, globals, NULL) : NULL;
        PyErr_SetRaisedException(exc);
        if (f) {
            PyTraceBack_Here(f);
        }
        Py_XDECREF(f);
        Py_XDECREF(code);
    }
    return NULL;
}

/* call(f, *args): with a made-up frame added to the traceback if that raises. */
static PyObject *
call(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *r = PyObject_Vectorcall(args[0], args + 1, (size_t)nargs - 1, NULL);
    if (!r) {
        PyObject *exc = PyErr_GetRaisedException();
        PyCodeObject *code = PyCode_NewEmpty("<frames.c>", "call", 42);
        PyFrameObject *f = PyFrame_New(PyThreadState_Get(), code, PyModule_GetDict(m), NULL);
        PyErr_SetRaisedException(exc);
        PyTraceBack_Here(f);
        Py_DECREF(f);
        Py_DECREF(code);
    }
    return r;
}

static const char *const events[] = {"call", "exception", "line", "return", "c_call", "c_exception", "c_return",
                                     "opcode"};

/* Appends (event, function, line, what the argument is) to the list that is the object. */
static int
note(PyObject *list, PyFrameObject *f, int what, PyObject *arg)
{
    PyCodeObject *code = PyFrame_GetCode(f);
    PyObject *shown = arg && what == PyTrace_EXCEPTION ? PyTuple_GetItem(arg, 0) : arg;
    if (shown && (what == PyTrace_C_CALL || what == PyTrace_C_RETURN || what == PyTrace_C_EXCEPTION)) {
        shown = PyObject_GetAttrString(shown, "__name__");
    }
    else {
        shown = Py_NewRef(shown ? shown : Py_None);
    }
    PyObject *item = shown ? Py_BuildValue("(sOiO)", events[what], code->co_name, PyFrame_GetLineNumber(f), shown) : NULL;
    int rc = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    Py_XDECREF(shown);
    Py_DECREF(code);
    return rc;
}

static int
refuse(PyObject *list, PyFrameObject *f, int what, PyObject *arg)
{
    if (what == PyTrace_RETURN) {
        PyErr_SetString(PyExc_RuntimeError, "tracer gives up");
        return -1;
    }
    return note(list, f, what, arg);
}

/* watch(kind, list): "profile", "trace", "refuse", or None for neither. */
static PyObject *
watch(PyObject *m, PyObject *args)
{
    const char *kind;
    PyObject *list = NULL;
    if (!PyArg_ParseTuple(args, "z|O!", &kind, &PyList_Type, &list)) {
        return NULL;
    }
    if (!kind) {
        PyEval_SetProfile(NULL, NULL);
        PyEval_SetTrace(NULL, NULL);
    }
    else if (strcmp(kind, "profile") == 0) {
        PyEval_SetProfile(note, list);
    }
    else if (strcmp(kind, "profile all") == 0) {
        PyEval_SetProfileAllThreads(note, list);
    }
    else {
        PyEval_SetTrace(kind[0] == 't' ? note : refuse, list);
    }
    Py_RETURN_NONE;
}

/* drive(gen, values): sends the values into a generator, one call of C each. */
static PyObject *
drive(PyObject *m, PyObject *args)
{
    PyObject *gen, *values;
    if (!PyArg_ParseTuple(args, "OO!", &gen, &PyList_Type, &values)) {
        return NULL;
    }
    PyObject *out = PyList_New(0);
    for (Py_ssize_t i = 0; out && i < PyList_GET_SIZE(values); i++) {
        PyObject *v = NULL;
        PySendResult how = PyIter_Send(gen, PyList_GET_ITEM(values, i), &v);
        PyObject *item = how == PYGEN_ERROR ? NULL : Py_BuildValue("(iN)", (int)how, v);
        if (!item || PyList_Append(out, item) < 0) {
            Py_CLEAR(out);
        }
        Py_XDECREF(item);
        if (how == PYGEN_RETURN) {
            break;
        }
    }
    return out;
}

/* handling(f): calls f while an exception is being handled in C. */
static PyObject *
handling(PyObject *m, PyObject *f)
{
    PyObject *old = PyErr_GetHandledException();
    PyObject *exc = PyObject_CallFunction(PyExc_KeyError, "s", "handled in C");
    PyErr_SetHandledException(exc);
    PyObject *r = PyObject_CallNoArgs(f);
    PyErr_SetHandledException(old);
    Py_XDECREF(exc);
    Py_XDECREF(old);
    return r;
}

/* caller(n): function name and line of the n-th frame up, seen from C. */
static PyObject *
caller(PyObject *m, PyObject *arg)
{
    long n = PyLong_AsLong(arg);
    PyFrameObject *f = (PyFrameObject *)Py_XNewRef((PyObject *)PyEval_GetFrame());
    for (; f && n > 0; n--) {
        PyFrameObject *back = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
    }
    if (!f) {
        Py_RETURN_NONE;
    }
    PyCodeObject *code = PyFrame_GetCode(f);
    PyObject *locals = PyFrame_GetLocals(f), *names = locals ? PyMapping_Keys(locals) : NULL;
    PyObject *r = names ? Py_BuildValue("(OiN)", code->co_name, PyFrame_GetLineNumber(f), names) : NULL;
    Py_XDECREF(locals);
    Py_DECREF(code);
    Py_DECREF(f);
    return r;
}

static PyMethodDef methods[] = {
    {"fail", fail, METH_VARARGS, NULL},
    {"call", (PyCFunction)(void (*)(void))call, METH_FASTCALL, NULL},
    {"watch", watch, METH_VARARGS, NULL},
    {"drive", drive, METH_VARARGS, NULL},
    {"handling", handling, METH_O, NULL},
    {"caller", caller, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, .m_name = "frames", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC
PyInit_frames(void)
{
    return PyModule_Create(&def);
}

/* traceback.c - the traceback type, and printing without the traceback module.
 *
 * A traceback entry keeps its frame and the offset of the instruction; the line number is
 * worked out only when somebody asks (tb_lineno -1 means not yet), because most exceptions
 * are caught and never shown.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "runtime/gc.h"

#include <frameobject.h>
#include <stddef.h>

static PyTracebackObject *
as_tb(PyObject *op)
{
    return (PyTracebackObject *)op;
}

/* A new entry in front of next (borrowed, may be NULL). */
static PyObject *
make_entry(PyTracebackObject *next, PyFrameObject *frame, int lasti, int lineno)
{
    PyTracebackObject *tb = PyObject_GC_New(PyTracebackObject, &PyTraceBack_Type);
    if (!tb) {
        return NULL;
    }
    tb->tb_next = (PyTracebackObject *)Py_XNewRef((PyObject *)next);
    tb->tb_frame = (PyFrameObject *)Py_NewRef((PyObject *)frame);
    tb->tb_lasti = lasti;
    tb->tb_lineno = lineno;
    nj_gc_track((PyObject *)tb);
    return (PyObject *)tb;
}

static PyObject *
tb_new(PyTypeObject *Py_UNUSED(type), PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"tb_next", "tb_frame", "tb_lasti", "tb_lineno", NULL};
    static const NjParams params = {"traceback", names, 4, 4, 0};
    PyObject *a[4];
    if (nj_args_bind_tuple(&params, args, kwds, a) < 0) {
        return NULL;
    }
    if (!PyFrame_Check(a[1])) {
        _PyArg_BadArgument("traceback", "argument 'tb_frame'", "frame", a[1]);
        return NULL;
    }
    int lasti = PyLong_AsInt(a[2]);
    if (lasti == -1 && PyErr_Occurred()) {
        return NULL;
    }
    int lineno = PyLong_AsInt(a[3]);
    if (lineno == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (a[0] != Py_None && !PyTraceBack_Check(a[0])) {
        PyErr_Format(PyExc_TypeError, "expected traceback object or None, got '%s'",
                     Py_TYPE(a[0])->tp_name);
        return NULL;
    }
    return make_entry(a[0] == Py_None ? NULL : as_tb(a[0]), (PyFrameObject *)a[1], lasti,
                      lineno);
}

static PyObject *
tb_dir(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(i))
{
    return Py_BuildValue("[ssss]", "tb_frame", "tb_next", "tb_lasti", "tb_lineno");
}

static PyObject *
tb_next_get(PyObject *self, void *Py_UNUSED(c))
{
    PyObject *next = (PyObject *)as_tb(self)->tb_next;
    return Py_NewRef(next ? next : Py_None);
}

static int
tb_next_set(PyObject *self, PyObject *value, void *Py_UNUSED(c))
{
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "can't delete tb_next attribute");
        return -1;
    }
    if (value == Py_None) {
        value = NULL;
    } else if (!PyTraceBack_Check(value)) {
        PyErr_Format(PyExc_TypeError, "expected traceback object, got '%s'",
                     Py_TYPE(value)->tp_name);
        return -1;
    }
    for (PyTracebackObject *t = as_tb(value); t; t = t->tb_next) {
        if (t == as_tb(self)) {
            PyErr_SetString(PyExc_ValueError, "traceback loop detected");
            return -1;
        }
    }
    Py_XSETREF(as_tb(self)->tb_next, (PyTracebackObject *)Py_XNewRef(value));
    return 0;
}

static int
entry_line(PyTracebackObject *tb)
{
    if (tb->tb_lineno != -1) {
        return tb->tb_lineno;
    }
    PyCodeObject *code = PyFrame_GetCode(tb->tb_frame);
    int line = PyCode_Addr2Line(code, tb->tb_lasti);
    Py_DECREF(code);
    return line;
}

static PyObject *
tb_lineno_get(PyObject *self, void *Py_UNUSED(c))
{
    int line = entry_line(as_tb(self));
    return line == -1 ? Py_NewRef(Py_None) : PyLong_FromLong(line);
}

static void
tb_dealloc(PyObject *self)
{
    PyTracebackObject *tb = as_tb(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(tb->tb_next);
    Py_XDECREF(tb->tb_frame);
    PyObject_GC_Del(tb);
}

static int
tb_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(as_tb(self)->tb_next);
    Py_VISIT(as_tb(self)->tb_frame);
    return 0;
}

static int
tb_clear(PyObject *self)
{
    Py_CLEAR(as_tb(self)->tb_next);
    Py_CLEAR(as_tb(self)->tb_frame);
    return 0;
}

static PyMethodDef tb_methods[] = {
    {"__dir__", tb_dir, METH_NOARGS, NULL},
    {0},
};

static PyMemberDef tb_members[] = {
    {"tb_frame", Py_T_OBJECT_EX, offsetof(PyTracebackObject, tb_frame),
     Py_READONLY | Py_AUDIT_READ, NULL},
    {"tb_lasti", Py_T_INT, offsetof(PyTracebackObject, tb_lasti), Py_READONLY, NULL},
    {0},
};

static PyGetSetDef tb_getset[] = {
    {"tb_next", tb_next_get, tb_next_set, NULL, NULL},
    {"tb_lineno", tb_lineno_get, NULL, NULL, NULL},
    {0},
};

PyTypeObject PyTraceBack_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0)
    .tp_name = "traceback",
    .tp_basicsize = sizeof(PyTracebackObject),
    .tp_dealloc = tb_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "traceback(tb_next, tb_frame, tb_lasti, tb_lineno)\n--\n\n"
              "One entry of a traceback.",
    .tp_traverse = tb_traverse,
    .tp_clear = tb_clear,
    .tp_methods = tb_methods,
    .tp_members = tb_members,
    .tp_getset = tb_getset,
    .tp_new = tb_new,
};

int
PyTraceBack_Here(PyFrameObject *frame)
{
    assert(nj_tstate()->current_exception != NULL);
    /* held: running out of memory for the entry replaces the current exception */
    NJ_OWN exc = Py_NewRef(nj_tstate()->current_exception);
    PyBaseExceptionObject *e = (PyBaseExceptionObject *)exc;
    PyObject *old = e->traceback == Py_None ? NULL : e->traceback;
    PyObject *tb = make_entry((PyTracebackObject *)old, frame, PyFrame_GetLasti(frame),
                              frame && PyFrame_GetLasti(frame) < 0
                                  ? PyFrame_GetLineNumber(frame)
                                  : -1);
    if (!tb) {
        /* the entry is lost, the exception it was for is not */
        PyErr_SetRaisedException(NJ_TAKE(exc));
        return -1;
    }
    Py_XSETREF(e->traceback, tb);
    return 0;
}

/* Exported by the reference; Cython and friends add entries for code of their own. */
PyAPI_FUNC(void) _PyTraceback_Add(const char *funcname, const char *filename, int lineno);

void
_PyTraceback_Add(const char *funcname, const char *filename, int lineno)
{
    PyObject *exc = PyErr_GetRaisedException();
    NJ_OWN globals = PyDict_New();
    PyCodeObject *code = globals ? PyCode_NewEmpty(filename, funcname, lineno) : NULL;
    PyFrameObject *frame =
        code ? PyFrame_New(PyThreadState_Get(), code, globals, NULL) : NULL;
    Py_XDECREF(code);
    if (!frame) {
        PyErr_Clear();
        PyErr_SetRaisedException(exc);
        return;
    }
    PyErr_SetRaisedException(exc);
    PyTraceBack_Here(frame);
    Py_DECREF(frame);
}

/* ---- printing ---------------------------------------------------------------------------- */

#define DEFAULT_LIMIT 1000
#define REPEAT_SHOWN 3

/* Writes "    SOURCE LINE\n" when linecache can find it. 0/-1. */
static int
print_source(PyObject *file, PyObject *filename, int line)
{
    PyObject *exc = PyErr_GetRaisedException();
    NJ_OWN linecache = PyImport_ImportModule("linecache");
    NJ_OWN text = linecache ? PyObject_CallMethod(linecache, "getline", "Oi", filename, line)
                            : NULL;
    NJ_OWN unindented = text ? PyObject_CallMethod(text, "lstrip", NULL) : NULL;
    NJ_OWN stripped = unindented ? PyObject_CallMethod(unindented, "rstrip", "s", "\r\n") : NULL;
    if (!stripped || !PyUnicode_Check(stripped) || PyUnicode_GET_LENGTH(stripped) == 0) {
        PyErr_Clear();
        PyErr_SetRaisedException(exc);
        return 0;
    }
    PyErr_SetRaisedException(exc);
    NJ_OWN out = PyUnicode_FromFormat("    %U\n", stripped);
    return out ? PyFile_WriteObject(out, file, Py_PRINT_RAW) : -1;
}

static int
print_repeats(PyObject *file, long count)
{
    count -= REPEAT_SHOWN;
    NJ_OWN s = PyUnicode_FromFormat("  [Previous line repeated %ld more time%s]\n", count,
                                    count == 1 ? "" : "s");
    return s ? PyFile_WriteObject(s, file, Py_PRINT_RAW) : -1;
}

static int
print_entries(PyTracebackObject *tb, PyObject *file, long limit)
{
    Py_ssize_t depth = 0;
    for (PyTracebackObject *t = tb; t; t = t->tb_next) {
        depth++;
    }
    while (tb && depth > limit) {
        depth--;
        tb = tb->tb_next;
    }
    NJ_OWN last_file = NULL;
    NJ_OWN last_name = NULL;
    int last_line = -1;
    long same = 0;
    for (; tb; tb = tb->tb_next) {
        NJ_OWN code = (PyObject *)PyFrame_GetCode(tb->tb_frame);
        PyCodeObject *co = (PyCodeObject *)code;
        int line = entry_line(tb);
        if (!last_file || co->co_filename != last_file || line != last_line ||
            co->co_name != last_name) {
            if (same > REPEAT_SHOWN && print_repeats(file, same) < 0) {
                return -1;
            }
            NJ_SET(last_file, Py_NewRef(co->co_filename));
            NJ_SET(last_name, Py_NewRef(co->co_name));
            last_line = line;
            same = 0;
        }
        same++;
        if (same <= REPEAT_SHOWN) {
            NJ_OWN s = PyUnicode_FromFormat("  File \"%U\", line %d, in %U\n",
                                            co->co_filename, line, co->co_name);
            if (!s || PyFile_WriteObject(s, file, Py_PRINT_RAW) < 0 ||
                print_source(file, co->co_filename, line) < 0) {
                return -1;
            }
            if (PyErr_CheckSignals() < 0) {
                return -1;
            }
        }
    }
    return same > REPEAT_SHOWN ? print_repeats(file, same) : 0;
}

int
PyTraceBack_Print(PyObject *v, PyObject *file)
{
    if (!v) {
        return 0;
    }
    if (!PyTraceBack_Check(v)) {
        PyErr_BadInternalCall();
        return -1;
    }
    long limit = DEFAULT_LIMIT;
    PyObject *limitobj = PySys_GetObject("tracebacklimit");
    if (limitobj && PyLong_Check(limitobj)) {
        int overflow;
        limit = PyLong_AsLongAndOverflow(limitobj, &overflow);
        if (overflow > 0) {
            limit = LONG_MAX;
        } else if (limit <= 0) {
            return 0;
        }
    }
    if (PyFile_WriteString("Traceback (most recent call last):\n", file) < 0) {
        return -1;
    }
    return print_entries(as_tb(v), file, limit);
}

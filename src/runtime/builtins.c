/* builtins.c - the builtins module: functions, and the names of types and exceptions.
 *
 * The module's dict is the interpreter's builtins dict; LOAD_GLOBAL caches look into it.
 * __build_class__ stands in type.c. open() is put in by the start of the io module.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "frontend/compile.h"
#include "objects/int.h"
#include "objects/number.h"
#include "objects/type_int.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#define SIG(s) s "\n--\n\n"

/* --- compile, eval, exec ---------------------------------------------------------------- */

/* The text of a source argument. *hold keeps it alive (new reference). str sets
 * PyCF_IGNORE_COOKIE. */
const char *
nj_source_text(PyObject *src, const char *func, const char *what, PyCompilerFlags *cf,
            Py_ssize_t *size, PyObject **hold)
{
    const char *s;
    *hold = NULL;
    if (PyUnicode_Check(src)) {
        cf->cf_flags |= PyCF_IGNORE_COOKIE;
        s = PyUnicode_AsUTF8AndSize(src, size);
        if (!s) {
            return NULL;
        }
        *hold = Py_NewRef(src);
    }
    else if (PyBytes_CheckExact(src)) {
        s = PyBytes_AS_STRING(src);
        *size = PyBytes_GET_SIZE(src);
        *hold = Py_NewRef(src);
    }
    else if (PyObject_CheckBuffer(src)) {
        Py_buffer view;
        if (PyObject_GetBuffer(src, &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        *hold = PyBytes_FromStringAndSize(view.buf, view.len);
        PyBuffer_Release(&view);
        if (!*hold) {
            return NULL;
        }
        s = PyBytes_AS_STRING(*hold);
        *size = PyBytes_GET_SIZE(*hold);
    }
    else {
        PyErr_Format(PyExc_TypeError, "%s() arg 1 must be a %s object", func, what);
        return NULL;
    }
    if (strlen(s) != (size_t)*size) {
        PyErr_SetString(PyExc_SyntaxError, "source code string cannot contain null bytes");
        Py_CLEAR(*hold);
        return NULL;
    }
    return s;
}

static PyObject *
builtin_compile(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"source",       "filename", "mode",
                                        "flags",        "dont_inherit", "optimize",
                                        "_feature_version", NULL};
    static const NjParams params = {"compile", names, 6, 3, 0};
    PyObject *a[7];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    NJ_OWN filename = NULL;
    if (!PyUnicode_FSDecoder(a[1], &filename)) {
        return NULL;
    }
    if (!PyUnicode_Check(a[2])) {
        _PyArg_BadArgument("compile", "argument 'mode'", "str", a[2]);
        return NULL;
    }
    const char *mode = PyUnicode_AsUTF8(a[2]);
    if (!mode) {
        return NULL;
    }
    int flags = 0, dont_inherit = 0, optimize = -1, feature = -1;
    if (a[3] && (flags = PyLong_AsInt(a[3])) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (a[4] && (dont_inherit = PyObject_IsTrue(a[4])) < 0) {
        return NULL;
    }
    if (a[5] && (optimize = PyLong_AsInt(a[5])) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (a[6] && (feature = PyLong_AsInt(a[6])) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyCompilerFlags cf = {.cf_flags = flags | PyCF_SOURCE_IS_UTF8,
                          .cf_feature_version = PY_MINOR_VERSION};
    if (feature >= 0 && (flags & PyCF_ONLY_AST)) {
        cf.cf_feature_version = feature;
    }
    if (flags & ~(PyCF_MASK | PyCF_MASK_OBSOLETE | PyCF_COMPILE_MASK)) {
        PyErr_SetString(PyExc_ValueError, "compile(): unrecognised flags");
        return NULL;
    }
    if (optimize < -1 || optimize > 2) {
        PyErr_SetString(PyExc_ValueError, "compile(): invalid optimize value");
        return NULL;
    }
    if (!dont_inherit) {
        PyEval_MergeCompilerFlags(&cf);
    }
    int start;
    if (strcmp(mode, "exec") == 0) {
        start = Py_file_input;
    }
    else if (strcmp(mode, "eval") == 0) {
        start = Py_eval_input;
    }
    else if (strcmp(mode, "single") == 0) {
        start = Py_single_input;
    }
    else if (strcmp(mode, "func_type") == 0) {
        if (!(flags & PyCF_ONLY_AST)) {
            PyErr_SetString(PyExc_ValueError,
                            "compile() mode 'func_type' requires flag PyCF_ONLY_AST");
            return NULL;
        }
        start = Py_func_type_input;
    }
    else {
        PyErr_SetString(PyExc_ValueError,
                        flags & PyCF_ONLY_AST
                            ? "compile() mode must be 'exec', 'eval', 'single' or 'func_type'"
                            : "compile() mode must be 'exec', 'eval' or 'single'");
        return NULL;
    }
    int is_ast = nj_is_ast(a[0]);
    if (is_ast < 0) {
        return NULL;
    }
    if (is_ast) {
        if (PySys_Audit("compile", "OO", a[0], filename) < 0) {
            return NULL;
        }
        if ((flags & PyCF_OPTIMIZED_AST) == PyCF_ONLY_AST) {
            return nj_ast_check_mode(a[0], start) < 0 ? NULL : Py_NewRef(a[0]);
        }
        return nj_compile_ast(a[0], filename, start, &cf, optimize, NULL);
    }
    Py_ssize_t size;
    PyObject *hold;
    const char *text =
        nj_source_text(a[0], "compile", "string, bytes or AST", &cf, &size, &hold);
    if (!text) {
        return NULL;
    }
    PyObject *res = NULL;
    NJ_OWN shown = PyUnicode_Check(a[0]) ? Py_NewRef(a[0]) : Py_NewRef(hold);
    if (PySys_Audit("compile", "OO", shown, filename) == 0) {
        res = nj_compile_text(text, size, filename, start, &cf, optimize, NULL);
    }
    Py_DECREF(hold);
    return res;
}

/* Puts __builtins__ into a globals dict that lacks it. */
static int
ensure_builtins(PyObject *globals)
{
    int has = PyDict_Contains(globals, NJ_ID(__builtins__));
    if (has == 0) {
        PyObject *b = PyEval_GetBuiltins();
        has = b ? PyDict_SetItem(globals, NJ_ID(__builtins__), b) : -1;
    }
    return has < 0 ? -1 : 0;
}

static PyObject *
builtin_eval(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "globals", "locals", NULL};
    static const NjParams params = {"eval", names, 3, 1, 0};
    PyObject *a[3];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    NJ_OWN globals = NULL;
    NJ_OWN locals = NULL;
    if (a[2] && a[2] != Py_None) {
        if (!PyMapping_Check(a[2])) {
            PyErr_SetString(PyExc_TypeError, "locals must be a mapping");
            return NULL;
        }
        NJ_SET(locals, Py_NewRef(a[2]));
    }
    if (a[1] && a[1] != Py_None) {
        if (!PyDict_Check(a[1])) {
            PyErr_SetString(PyExc_TypeError,
                            PyMapping_Check(a[1])
                                ? "globals must be a real dict; try eval(code, {}, mapping)"
                                : "globals must be a dict");
            return NULL;
        }
        NJ_SET(globals, Py_NewRef(a[1]));
        if (!locals) {
            NJ_SET(locals, Py_NewRef(a[1]));
        }
    }
    else {
        NJ_SET(globals, PyEval_GetFrameGlobals());
        if (!globals) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_TypeError,
                                "eval must be given globals and locals when called without "
                                "a frame");
            }
            return NULL;
        }
        if (!locals) {
            NJ_SET(locals, PyEval_GetFrameLocals());
            if (!locals) {
                return NULL;
            }
        }
    }
    if (ensure_builtins(globals) < 0) {
        return NULL;
    }
    if (PyCode_Check(a[0])) {
        if (PySys_Audit("exec", "O", a[0]) < 0) {
            return NULL;
        }
        if (PyCode_GetNumFree((PyCodeObject *)a[0]) > 0) {
            PyErr_SetString(PyExc_TypeError,
                            "code object passed to eval() may not contain free variables");
            return NULL;
        }
        return PyEval_EvalCode(a[0], globals, locals);
    }
    PyCompilerFlags cf = {.cf_flags = PyCF_SOURCE_IS_UTF8,
                          .cf_feature_version = PY_MINOR_VERSION};
    Py_ssize_t size;
    PyObject *hold_;
    const char *text =
        nj_source_text(a[0], "eval", "string, bytes or code", &cf, &size, &hold_);
    if (!text) {
        return NULL;
    }
    NJ_OWN hold = hold_;
    while (*text == ' ' || *text == '\t') {
        text++;
        size--;
    }
    PyEval_MergeCompilerFlags(&cf);
    NJ_OWN filename = PyUnicode_FromString("<string>");
    if (!filename || PySys_Audit("compile", "OO", hold, Py_None) < 0) {
        return NULL;
    }
    NJ_OWN code = nj_compile_text(text, size, filename, Py_eval_input, &cf, -1, NULL);
    return code && PySys_Audit("exec", "O", code) == 0
               ? PyEval_EvalCode(code, globals, locals)
               : NULL;
}

static PyObject *
builtin_exec(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "globals", "locals", "closure", NULL};
    static const NjParams params = {"exec", names, 3, 1, 0};
    PyObject *a[4];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    NJ_OWN globals = NULL;
    NJ_OWN locals = NULL;
    if (a[1] && a[1] != Py_None) {
        NJ_SET(globals, Py_NewRef(a[1]));
        NJ_SET(locals, Py_NewRef(a[2] && a[2] != Py_None ? a[2] : a[1]));
    }
    else {
        NJ_SET(globals, PyEval_GetFrameGlobals());
        if (!globals) {
            if (!PyErr_Occurred()) {
                PyErr_SetString(PyExc_SystemError, "globals and locals cannot be NULL");
            }
            return NULL;
        }
        if (a[2] && a[2] != Py_None) {
            NJ_SET(locals, Py_NewRef(a[2]));
        }
        else {
            NJ_SET(locals, PyEval_GetFrameLocals());
            if (!locals) {
                return NULL;
            }
        }
    }
    if (!PyDict_Check(globals)) {
        PyErr_Format(PyExc_TypeError, "exec() globals must be a dict, not %.100s",
                     Py_TYPE(globals)->tp_name);
        return NULL;
    }
    if (!PyMapping_Check(locals)) {
        PyErr_Format(PyExc_TypeError, "locals must be a mapping or None, not %.100s",
                     Py_TYPE(locals)->tp_name);
        return NULL;
    }
    if (ensure_builtins(globals) < 0) {
        return NULL;
    }
    PyObject *closure = a[3] == Py_None ? NULL : a[3];
    NJ_OWN res = NULL;
    if (PyCode_Check(a[0])) {
        Py_ssize_t nfree = PyCode_GetNumFree((PyCodeObject *)a[0]);
        if (nfree == 0) {
            if (closure) {
                PyErr_SetString(PyExc_TypeError,
                                "cannot use a closure with this code object");
                return NULL;
            }
        }
        else {
            bool ok = closure && PyTuple_CheckExact(closure) &&
                      PyTuple_GET_SIZE(closure) == nfree;
            for (Py_ssize_t i = 0; ok && i < nfree; i++) {
                ok = PyCell_Check(PyTuple_GET_ITEM(closure, i));
            }
            if (!ok) {
                PyErr_Format(PyExc_TypeError,
                             "code object requires a closure of exactly length %zd", nfree);
                return NULL;
            }
        }
        if (PySys_Audit("exec", "O", a[0]) < 0) {
            return NULL;
        }
        NJ_SET(res, closure ? PyEval_EvalCodeEx(a[0], globals, locals, NULL, 0, NULL, 0,
                                                NULL, 0, NULL, closure)
                            : PyEval_EvalCode(a[0], globals, locals));
    }
    else {
        if (closure) {
            PyErr_SetString(PyExc_TypeError,
                            "closure can only be used when source is a code object");
            return NULL;
        }
        PyCompilerFlags cf = {.cf_flags = PyCF_SOURCE_IS_UTF8,
                              .cf_feature_version = PY_MINOR_VERSION};
        Py_ssize_t size;
        PyObject *hold_;
        const char *text =
            nj_source_text(a[0], "exec", "string, bytes or code", &cf, &size, &hold_);
        if (!text) {
            return NULL;
        }
        NJ_OWN hold = hold_;
        PyEval_MergeCompilerFlags(&cf);
        NJ_OWN filename = PyUnicode_FromString("<string>");
        if (!filename || PySys_Audit("compile", "OO", hold, Py_None) < 0) {
            return NULL;
        }
        NJ_OWN code = nj_compile_text(text, size, filename, Py_file_input, &cf, -1, NULL);
        if (!code || PySys_Audit("exec", "O", code) < 0) {
            return NULL;
        }
        NJ_SET(res, PyEval_EvalCode(code, globals, locals));
    }
    if (!res) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- small ones ------------------------------------------------------------------------------ */

static PyObject *
builtin___import__(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"name", "globals", "locals", "fromlist", "level",
                                        NULL};
    static const NjParams params = {"__import__", names, 5, 1, 0};
    PyObject *a[5];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    int level = 0;
    if (a[4] && (level = PyLong_AsInt(a[4])) == -1 && PyErr_Occurred()) {
        return NULL;
    }
    return PyImport_ImportModuleLevelObject(a[0], a[1], a[2], a[3], level);
}

static PyObject *
builtin_abs(PyObject *m, PyObject *x)
{
    return PyNumber_Absolute(x);
}

static PyObject *
any_all(PyObject *iterable, int stop_at)
{
    NJ_OWN it = PyObject_GetIter(iterable);
    if (!it) {
        return NULL;
    }
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    for (;;) {
        PyObject *x = next(it);
        if (!x) {
            break;
        }
        int t = x == Py_True ? 1 : x == Py_False ? 0 : PyObject_IsTrue(x);
        Py_DECREF(x);
        if (t < 0) {
            return NULL;
        }
        if (t == stop_at) {
            return PyBool_FromLong(stop_at);
        }
    }
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
            return NULL;
        }
        PyErr_Clear();
    }
    return PyBool_FromLong(!stop_at);
}

static PyObject *
builtin_all(PyObject *m, PyObject *x)
{
    return any_all(x, 0);
}

static PyObject *
builtin_any(PyObject *m, PyObject *x)
{
    return any_all(x, 1);
}

static PyObject *
builtin_ascii(PyObject *m, PyObject *x)
{
    return PyObject_ASCII(x);
}

static PyObject *
builtin_bin(PyObject *m, PyObject *x)
{
    return PyNumber_ToBase(x, 2);
}

static PyObject *
builtin_oct(PyObject *m, PyObject *x)
{
    return PyNumber_ToBase(x, 8);
}

static PyObject *
builtin_hex(PyObject *m, PyObject *x)
{
    return PyNumber_ToBase(x, 16);
}

static PyObject *
builtin_callable(PyObject *m, PyObject *x)
{
    return PyBool_FromLong(PyCallable_Check(x));
}

static PyObject *
builtin_breakpoint(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    NJ_OWN hook = NULL;
    PyObject *h;
    int rc = nj_sys_get(NJ_ID(breakpointhook), &h);
    if (rc <= 0) {
        if (rc == 0) {
            PyErr_SetString(PyExc_RuntimeError, "lost sys.breakpointhook");
        }
        return NULL;
    }
    NJ_SET(hook, h);
    if (PySys_Audit("builtins.breakpoint", "O", hook) < 0) {
        return NULL;
    }
    return PyObject_Vectorcall(hook, args, (size_t)nargs, kwnames);
}

static PyObject *
builtin_chr(PyObject *m, PyObject *x)
{
    int overflow;
    NJ_OWN i = PyNumber_Index(x);
    if (!i) {
        return NULL;
    }
    long v = PyLong_AsLongAndOverflow(i, &overflow);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (overflow || v < 0 || v > 0x10ffff) {
        PyErr_SetString(PyExc_ValueError, "chr() arg not in range(0x110000)");
        return NULL;
    }
    return PyUnicode_FromOrdinal((int)v);
}

static PyObject *
builtin_ord(PyObject *m, PyObject *c)
{
    Py_ssize_t n;
    if (PyUnicode_Check(c)) {
        n = PyUnicode_GET_LENGTH(c);
        if (n == 1) {
            return PyLong_FromLong((long)PyUnicode_READ_CHAR(c, 0));
        }
    }
    else if (PyBytes_Check(c)) {
        n = PyBytes_GET_SIZE(c);
        if (n == 1) {
            return PyLong_FromLong((unsigned char)PyBytes_AS_STRING(c)[0]);
        }
    }
    else if (PyByteArray_Check(c)) {
        n = PyByteArray_GET_SIZE(c);
        if (n == 1) {
            return PyLong_FromLong((unsigned char)PyByteArray_AS_STRING(c)[0]);
        }
    }
    else {
        PyErr_Format(PyExc_TypeError,
                     "ord() expected string of length 1, but %.200s found",
                     Py_TYPE(c)->tp_name);
        return NULL;
    }
    PyErr_Format(PyExc_TypeError,
                 "ord() expected a character, but string of length %zd found", n);
    return NULL;
}

static PyObject *
builtin_delattr(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("delattr", nargs, 2, 2) ||
        PyObject_SetAttr(args[0], args[1], NULL) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
builtin_setattr(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("setattr", nargs, 3, 3) ||
        PyObject_SetAttr(args[0], args[1], args[2]) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
builtin_hasattr(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("hasattr", nargs, 2, 2)) {
        return NULL;
    }
    PyObject *v;
    if (PyObject_GetOptionalAttr(args[0], args[1], &v) < 0) {
        return NULL;
    }
    if (!v) {
        Py_RETURN_FALSE;
    }
    Py_DECREF(v);
    Py_RETURN_TRUE;
}

static PyObject *
builtin_getattr(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("getattr", nargs, 2, 3)) {
        return NULL;
    }
    if (nargs == 2) {
        return PyObject_GetAttr(args[0], args[1]);
    }
    PyObject *v;
    if (PyObject_GetOptionalAttr(args[0], args[1], &v) < 0) {
        return NULL;
    }
    return v ? v : Py_NewRef(args[2]);
}

static PyObject *
builtin_dir(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("dir", nargs, 0, 1)) {
        return NULL;
    }
    return PyObject_Dir(nargs ? args[0] : NULL);
}

static PyObject *
builtin_divmod(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("divmod", nargs, 2, 2)) {
        return NULL;
    }
    return PyNumber_Divmod(args[0], args[1]);
}

static PyObject *
builtin_format(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("format", nargs, 1, 2)) {
        return NULL;
    }
    if (nargs == 2 && !PyUnicode_Check(args[1])) {
        _PyArg_BadArgument("format", "argument 2", "str", args[1]);
        return NULL;
    }
    return PyObject_Format(args[0], nargs == 2 ? args[1] : NULL);
}

static PyObject *
builtin_globals(PyObject *m, PyObject *unused)
{
    PyObject *g = PyEval_GetGlobals();
    if (!g && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return Py_XNewRef(g);
}

static PyObject *
builtin_locals(PyObject *m, PyObject *unused)
{
    return PyEval_GetFrameLocals();
}

static PyObject *
builtin_vars(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("vars", nargs, 0, 1)) {
        return NULL;
    }
    if (!nargs) {
        return PyEval_GetFrameLocals();
    }
    PyObject *v;
    if (PyObject_GetOptionalAttr(args[0], NJ_ID(__dict__), &v) == 0) {
        PyErr_SetString(PyExc_TypeError, "vars() argument must have __dict__ attribute");
    }
    return v;
}

static PyObject *
builtin_hash(PyObject *m, PyObject *x)
{
    Py_hash_t h = PyObject_Hash(x);
    return h == -1 && PyErr_Occurred() ? NULL : PyLong_FromSsize_t(h);
}

static PyObject *
builtin_id(PyObject *m, PyObject *x)
{
    PyObject *id = PyLong_FromVoidPtr(x);
    if (id && nj_audited(nj_interp()) && PySys_Audit("builtins.id", "O", id) < 0) {
        Py_CLEAR(id);
    }
    return id;
}

static PyObject *
builtin_isinstance(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("isinstance", nargs, 2, 2)) {
        return NULL;
    }
    int r = PyObject_IsInstance(args[0], args[1]);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
builtin_issubclass(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("issubclass", nargs, 2, 2)) {
        return NULL;
    }
    int r = PyObject_IsSubclass(args[0], args[1]);
    return r < 0 ? NULL : PyBool_FromLong(r);
}

static PyObject *
builtin_iter(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("iter", nargs, 1, 2)) {
        return NULL;
    }
    if (nargs == 1) {
        return PyObject_GetIter(args[0]);
    }
    if (!PyCallable_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "iter(v, w): v must be callable");
        return NULL;
    }
    return PyCallIter_New(args[0], args[1]);
}

static PyObject *
builtin_aiter(PyObject *m, PyObject *x)
{
    return PyObject_GetAIter(x);
}

static PyObject *
builtin_anext(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("anext", nargs, 1, 2)) {
        return NULL;
    }
    PyTypeObject *t = Py_TYPE(args[0]);
    if (!t->tp_as_async || !t->tp_as_async->am_anext) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not an async iterator",
                     t->tp_name);
        return NULL;
    }
    NJ_OWN aw = t->tp_as_async->am_anext(args[0]);
    if (!aw || nargs == 1) {
        return NJ_TAKE(aw);
    }
    return nj_anext_awaitable_new(aw, args[1]);
}

static PyObject *
builtin_next(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("next", nargs, 1, 2)) {
        return NULL;
    }
    PyObject *it = args[0];
    if (!PyIter_Check(it)) {
        PyErr_Format(PyExc_TypeError, "'%.200s' object is not an iterator",
                     Py_TYPE(it)->tp_name);
        return NULL;
    }
    PyObject *x = Py_TYPE(it)->tp_iternext(it);
    if (x) {
        return x;
    }
    if (nargs > 1) {
        if (PyErr_Occurred()) {
            if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                return NULL;
            }
            PyErr_Clear();
        }
        return Py_NewRef(args[1]);
    }
    if (!PyErr_Occurred()) {
        PyErr_SetNone(PyExc_StopIteration);
    }
    return NULL;
}

static PyObject *
builtin_len(PyObject *m, PyObject *x)
{
    Py_ssize_t n = PyObject_Size(x);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

static PyObject *
builtin_repr(PyObject *m, PyObject *x)
{
    return PyObject_Repr(x);
}

static PyObject *
builtin_pow(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (NJ_LIKELY(nargs == 2 && !kwnames)) {
        return PyNumber_Power(args[0], args[1], Py_None);
    }
    static const char *const names[] = {"base", "exp", "mod", NULL};
    static const NjParams params = {"pow", names, 3, 2, 0};
    PyObject *a[3];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    return PyNumber_Power(a[0], a[1], a[2] ? a[2] : Py_None);
}

static PyObject *
builtin_round(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"number", "ndigits", NULL};
    static const NjParams params = {"round", names, 2, 1, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    NJ_OWN round = nj_type_special(a[0], NJ_ID(__round__));
    if (!round) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_TypeError, "type %.100s doesn't define __round__ method",
                         Py_TYPE(a[0])->tp_name);
        }
        return NULL;
    }
    if (!a[1] || a[1] == Py_None) {
        return PyObject_CallNoArgs(round);
    }
    return PyObject_CallOneArg(round, a[1]);
}

/* --- min, max, sum, sorted ---------------------------------------------------------------------- */

static PyObject *
min_max(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, int op)
{
    const char *name = op == Py_LT ? "min" : "max";
    static const char *const names[] = {"key", "default", NULL};
    const NjParams params = {name, names, 0, 0, 0};
    PyObject *a[2] = {NULL, NULL};
    if (nargs == 0) {
        PyErr_Format(PyExc_TypeError, "%s expected at least 1 argument, got 0", name);
        return NULL;
    }
    if (kwnames && nj_args_bind(&params, args + nargs, 0, kwnames, a) < 0) {
        return NULL;
    }
    PyObject *key = a[0] == Py_None ? NULL : a[0], *dflt = a[1];
    bool positional = nargs > 1;
    if (positional && dflt) {
        PyErr_Format(PyExc_TypeError,
                     "Cannot specify a default for %s() with multiple positional arguments",
                     name);
        return NULL;
    }
    PyObject *it = NULL, *best = NULL, *best_key = NULL;
    iternextfunc next = NULL;
    if (!positional) {
        it = PyObject_GetIter(args[0]);
        if (!it) {
            return NULL;
        }
        next = Py_TYPE(it)->tp_iternext;
    }
    for (Py_ssize_t i = 0;; i++) {
        PyObject *x;
        if (positional) {
            if (i == nargs) {
                break;
            }
            x = Py_NewRef(args[i]);
        }
        else if (!(x = next(it))) {
            if (PyErr_Occurred()) {
                if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
                    goto fail;
                }
                PyErr_Clear();
            }
            break;
        }
        PyObject *k = key ? PyObject_CallOneArg(key, x) : Py_NewRef(x);
        if (!k) {
            Py_DECREF(x);
            goto fail;
        }
        if (!best) {
            best = x;
            best_key = k;
            continue;
        }
        int less;
        if (PyLong_CheckExact(k) && PyLong_CheckExact(best_key) &&
            PyUnstable_Long_IsCompact((PyLongObject *)k) &&
            PyUnstable_Long_IsCompact((PyLongObject *)best_key)) {
            Py_ssize_t p = PyUnstable_Long_CompactValue((PyLongObject *)k);
            Py_ssize_t q = PyUnstable_Long_CompactValue((PyLongObject *)best_key);
            less = op == Py_LT ? p < q : p > q;
        }
        else if (PyFloat_CheckExact(k) && PyFloat_CheckExact(best_key)) {
            double p = PyFloat_AS_DOUBLE(k), q = PyFloat_AS_DOUBLE(best_key);
            less = op == Py_LT ? p < q : p > q;
        }
        else {
            less = PyObject_RichCompareBool(k, best_key, op);
            if (less < 0) {
                Py_DECREF(x);
                Py_DECREF(k);
                goto fail;
            }
        }
        if (less) {
            Py_SETREF(best, x);
            Py_SETREF(best_key, k);
        }
        else {
            Py_DECREF(x);
            Py_DECREF(k);
        }
    }
    Py_XDECREF(it);
    Py_XDECREF(best_key);
    if (!best) {
        if (dflt) {
            return Py_NewRef(dflt);
        }
        PyErr_Format(PyExc_ValueError, "%s() iterable argument is empty", name);
    }
    return best;
fail:
    Py_XDECREF(it);
    Py_XDECREF(best);
    Py_XDECREF(best_key);
    return NULL;
}

static PyObject *
builtin_min(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return min_max(args, nargs, kwnames, Py_LT);
}

static PyObject *
builtin_max(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return min_max(args, nargs, kwnames, Py_GT);
}

/* Compensated (Neumaier) summation. */
typedef struct NjSum {
    double hi, lo;
} NjSum;

NJ_INLINE void
sum_add(NjSum *s, double x)
{
    double t = s->hi + x;
    if (fabs(s->hi) >= fabs(x)) {
        s->lo += (s->hi - t) + x;
    }
    else {
        s->lo += (x - t) + s->hi;
    }
    s->hi = t;
}

NJ_INLINE double
sum_value(const NjSum *s)
{
    /* an infinite or NaN compensation means the plain sum is the answer */
    return s->lo && isfinite(s->lo) ? s->hi + s->lo : s->hi;
}

static PyObject *
builtin_sum(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "start", NULL};
    static const NjParams params = {"sum", names, 2, 1, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    PyObject *start = a[1];
    if (start) {
        const char *bad = PyUnicode_Check(start)     ? "strings [use ''.join(seq) instead]"
                          : PyBytes_Check(start)     ? "bytes [use b''.join(seq) instead]"
                          : PyByteArray_Check(start) ? "bytearray [use b''.join(seq) instead]"
                                                     : NULL;
        if (bad) {
            PyErr_Format(PyExc_TypeError, "sum() can't sum %s", bad);
            return NULL;
        }
    }
    PyObject *it = PyObject_GetIter(a[0]);
    if (!it) {
        return NULL;
    }
    iternextfunc next = Py_TYPE(it)->tp_iternext;
    PyObject *acc = start ? Py_NewRef(start) : PyLong_FromLong(0);
    PyObject *x = NULL;
    if (!acc) {
        Py_DECREF(it);
        return NULL;
    }
    if (PyLong_CheckExact(acc)) {
        int overflow;
        long total = PyLong_AsLongAndOverflow(acc, &overflow);
        if (!overflow) {
            for (;;) {
                x = next(it);
                if (!x) {
                    break;
                }
                if (PyLong_CheckExact(x) || PyBool_Check(x)) {
                    long v = PyUnstable_Long_IsCompact((PyLongObject *)x)
                                 ? PyUnstable_Long_CompactValue((PyLongObject *)x)
                                 : PyLong_AsLongAndOverflow(x, &overflow);
                    long sum;
                    if (!overflow && !__builtin_add_overflow(total, v, &sum)) {
                        total = sum;
                        if (NJ_LIKELY(Py_REFCNT(x) == 1 && PyLong_CheckExact(x) &&
                                      !nj_runtime.reftracer)) {
                            nj_int_free_exact(x);
                        }
                        else {
                            Py_DECREF(x);
                        }
                        continue;
                    }
                }
                break;
            }
            Py_SETREF(acc, PyLong_FromLong(total));
            if (!acc) {
                Py_XDECREF(x);
                Py_DECREF(it);
                return NULL;
            }
            if (!x) {
                goto done;
            }
            /* x is the first item that did not fit */
            PyObject *sum = PyNumber_Add(acc, x);
            Py_DECREF(x);
            Py_SETREF(acc, sum);
            if (!acc) {
                Py_DECREF(it);
                return NULL;
            }
        }
    }
    if (PyFloat_CheckExact(acc)) {
        NjSum s = {PyFloat_AS_DOUBLE(acc), 0.0};
        for (;;) {
            x = next(it);
            if (!x) {
                break;
            }
            if (PyFloat_CheckExact(x)) {
                sum_add(&s, PyFloat_AS_DOUBLE(x));
                if (NJ_LIKELY(Py_REFCNT(x) == 1 && !nj_runtime.reftracer)) {
                    nj_float_free_exact(x);
                }
                else {
                    Py_DECREF(x);
                }
                continue;
            }
            if (PyLong_Check(x)) {
                double v = PyLong_AsDouble(x);
                Py_DECREF(x);
                if (v == -1.0 && PyErr_Occurred()) {
                    Py_DECREF(acc);
                    Py_DECREF(it);
                    return NULL;
                }
                sum_add(&s, v);
                continue;
            }
            break;
        }
        Py_SETREF(acc, PyFloat_FromDouble(sum_value(&s)));
        if (!acc) {
            Py_XDECREF(x);
            Py_DECREF(it);
            return NULL;
        }
        if (!x) {
            goto done;
        }
        PyObject *sum = PyNumber_Add(acc, x);
        Py_DECREF(x);
        Py_SETREF(acc, sum);
        if (!acc) {
            Py_DECREF(it);
            return NULL;
        }
    }
    if (PyComplex_CheckExact(acc)) {
        Py_complex c = PyComplex_AsCComplex(acc);
        NjSum re = {c.real, 0.0}, im = {c.imag, 0.0};
        for (;;) {
            x = next(it);
            if (!x) {
                break;
            }
            if (PyComplex_CheckExact(x)) {
                c = PyComplex_AsCComplex(x);
                sum_add(&re, c.real);
                sum_add(&im, c.imag);
                Py_DECREF(x);
                continue;
            }
            if (PyLong_Check(x)) {
                double v = PyLong_AsDouble(x);
                Py_DECREF(x);
                if (v == -1.0 && PyErr_Occurred()) {
                    Py_DECREF(acc);
                    Py_DECREF(it);
                    return NULL;
                }
                sum_add(&re, v);
                continue;
            }
            else if (PyFloat_Check(x)) {
                sum_add(&re, PyFloat_AS_DOUBLE(x));
                Py_DECREF(x);
                continue;
            }
            break;
        }
        Py_SETREF(acc, PyComplex_FromDoubles(sum_value(&re), sum_value(&im)));
        if (!acc) {
            Py_XDECREF(x);
            Py_DECREF(it);
            return NULL;
        }
        if (!x) {
            goto done;
        }
        PyObject *sum = PyNumber_Add(acc, x);
        Py_DECREF(x);
        Py_SETREF(acc, sum);
        if (!acc) {
            Py_DECREF(it);
            return NULL;
        }
    }
    while ((x = next(it))) {
        /* not in-place: start must not change under the caller */
        PyObject *sum = PyNumber_Add(acc, x);
        Py_DECREF(x);
        Py_SETREF(acc, sum);
        if (!acc) {
            Py_DECREF(it);
            return NULL;
        }
    }
done:
    Py_DECREF(it);
    if (PyErr_Occurred()) {
        if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
            Py_DECREF(acc);
            return NULL;
        }
        PyErr_Clear();
    }
    return acc;
}

static PyObject *
builtin_sorted(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    if (!_PyArg_CheckPositional("sorted", nargs, 1, 1)) {
        return NULL;
    }
    NJ_OWN list = PySequence_List(args[0]);
    if (!list) {
        return NULL;
    }
    if (!kwnames || PyTuple_GET_SIZE(kwnames) == 0) {
        return PyList_Sort(list) < 0 ? NULL : NJ_TAKE(list);
    }
    NJ_OWN sort = PyObject_GetAttr(list, NJ_ID(sort));
    if (!sort) {
        return NULL;
    }
    NJ_OWN res = PyObject_Vectorcall(sort, args + 1, 0, kwnames);
    return res ? NJ_TAKE(list) : NULL;
}

/* --- print, input ---------------------------------------------------------------------------------- */

static PyObject *
builtin_print(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"sep", "end", "file", "flush", NULL};
    static const NjParams params = {"print", names, .varpos = true};
    PyObject *a[4] = {NULL};
    if (kwnames && nj_args_bind(&params, args + nargs, 0, kwnames, a) < 0) {
        return NULL;
    }
    PyObject *sep = a[0], *end = a[1], *file = a[2], *flush = a[3];
    int do_flush = 0;
    if (flush && (do_flush = PyObject_IsTrue(flush)) < 0) {
        return NULL;
    }
    NJ_OWN out = NULL;
    if (!file || file == Py_None) {
        PyObject *f;
        int rc = nj_sys_get(NJ_ID(stdout), &f);
        if (rc <= 0) {
            if (rc == 0) {
                PyErr_SetString(PyExc_RuntimeError, "lost sys.stdout");
            }
            return NULL;
        }
        NJ_SET(out, f);
        if (out == Py_None) {
            Py_RETURN_NONE;
        }
    }
    else {
        NJ_SET(out, Py_NewRef(file));
    }
    if (sep == Py_None) {
        sep = NULL;
    }
    else if (sep && !PyUnicode_Check(sep)) {
        PyErr_Format(PyExc_TypeError, "sep must be None or a string, not %.200s",
                     Py_TYPE(sep)->tp_name);
        return NULL;
    }
    if (end == Py_None) {
        end = NULL;
    }
    else if (end && !PyUnicode_Check(end)) {
        PyErr_Format(PyExc_TypeError, "end must be None or a string, not %.200s",
                     Py_TYPE(end)->tp_name);
        return NULL;
    }
    NJ_OWN write = PyObject_GetAttr(out, NJ_ID(write));
    if (!write) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (i > 0) {
            NJ_OWN space = sep ? Py_NewRef(sep) : PyUnicode_FromOrdinal(' ');
            NJ_OWN r = space ? PyObject_CallOneArg(write, space) : NULL;
            if (!r) {
                return NULL;
            }
        }
        NJ_OWN text = PyUnicode_CheckExact(args[i]) ? Py_NewRef(args[i])
                                                    : PyObject_Str(args[i]);
        NJ_OWN r = text ? PyObject_CallOneArg(write, text) : NULL;
        if (!r) {
            return NULL;
        }
    }
    NJ_OWN last = end ? Py_NewRef(end) : PyUnicode_FromOrdinal('\n');
    NJ_OWN r = last ? PyObject_CallOneArg(write, last) : NULL;
    if (!r) {
        return NULL;
    }
    if (do_flush) {
        NJ_OWN f = PyObject_CallMethodNoArgs(out, NJ_ID(flush));
        if (!f) {
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* 1 if file is the C stream's terminal, 0 if not. Errors count as no. */
static bool
is_terminal(PyObject *file, FILE *stream)
{
    NJ_OWN fd = PyObject_CallMethodNoArgs(file, NJ_ID(fileno));
    if (!fd) {
        PyErr_Clear();
        return false;
    }
    long n = PyLong_AsLong(fd);
    if (n == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
    }
    return n == fileno(stream) && isatty((int)n);
}

static int
flush_quietly(PyObject *file)
{
    NJ_OWN r = PyObject_CallMethodNoArgs(file, NJ_ID(flush));
    if (!r) {
        PyErr_Clear();
    }
    return 0;
}

static PyObject *
builtin_input(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("input", nargs, 0, 1)) {
        return NULL;
    }
    PyObject *prompt = nargs ? args[0] : NULL;
    PyObject *f[3];
    static const char *const names[] = {"stdin", "stdout", "stderr"};
    PyObject *ids[3] = {NJ_ID(stdin), NJ_ID(stdout), NJ_ID(stderr)};
    for (int i = 0; i < 3; i++) {
        f[i] = nj_sys_peek(ids[i]);
        if (!f[i] || f[i] == Py_None) {
            PyErr_Format(PyExc_RuntimeError, "input(): lost sys.%s", names[i]);
            return NULL;
        }
    }
    NJ_OWN fin = Py_NewRef(f[0]);
    NJ_OWN fout = Py_NewRef(f[1]);
    NJ_OWN ferr = Py_NewRef(f[2]);
    if (PySys_Audit("builtins.input", "O", prompt ? prompt : Py_None) < 0) {
        return NULL;
    }
    flush_quietly(ferr);
    if (is_terminal(fin, stdin) && is_terminal(fout, stdout)) {
        NJ_OWN in_enc = PyObject_GetAttr(fin, NJ_ID(encoding));
        NJ_OWN in_err = in_enc ? PyObject_GetAttr(fin, NJ_ID(errors)) : NULL;
        NJ_OWN out_enc = in_err ? PyObject_GetAttr(fout, NJ_ID(encoding)) : NULL;
        NJ_OWN out_err = out_enc ? PyObject_GetAttr(fout, NJ_ID(errors)) : NULL;
        if (out_err && PyUnicode_Check(in_enc) && PyUnicode_Check(in_err) &&
            PyUnicode_Check(out_enc) && PyUnicode_Check(out_err)) {
            flush_quietly(fout);
            NJ_OWN raw = NULL;
            if (prompt) {
                NJ_OWN text = PyObject_Str(prompt);
                if (!text) {
                    return NULL;
                }
                NJ_SET(raw, PyUnicode_AsEncodedString(text, PyUnicode_AsUTF8(out_enc),
                                                      PyUnicode_AsUTF8(out_err)));
                if (!raw) {
                    return NULL;
                }
                if (strlen(PyBytes_AS_STRING(raw)) != (size_t)PyBytes_GET_SIZE(raw)) {
                    PyErr_SetString(PyExc_ValueError,
                                    "input: prompt string cannot contain null characters");
                    return NULL;
                }
            }
            char *line = PyOS_Readline(stdin, stdout, raw ? PyBytes_AS_STRING(raw) : "");
            if (!line) {
                PyErr_CheckSignals();
                if (!PyErr_Occurred()) {
                    PyErr_SetNone(PyExc_KeyboardInterrupt);
                }
                return NULL;
            }
            flush_quietly(ferr);
            size_t n = strlen(line);
            PyObject *res = NULL;
            if (n == 0) {
                PyErr_SetNone(PyExc_EOFError);
            }
            else if (n > PY_SSIZE_T_MAX) {
                PyErr_SetString(PyExc_OverflowError, "input: input too long");
            }
            else {
                if (line[n - 1] == '\n') {
                    n--;
                }
                res = PyUnicode_Decode(line, (Py_ssize_t)n, PyUnicode_AsUTF8(in_enc),
                                       PyUnicode_AsUTF8(in_err));
            }
            PyMem_Free(line);
            return res;
        }
        PyErr_Clear();
    }
    if (prompt && PyFile_WriteObject(prompt, fout, Py_PRINT_RAW) != 0) {
        return NULL;
    }
    flush_quietly(fout);
    return PyFile_GetLine(fin, -1);
}

/* --- the module ---------------------------------------------------------------------------------------- */

#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

static PyMethodDef builtins_methods[] = {
    {"__build_class__", FN(nj_type_build_class), FK,
     "__build_class__(func, name, /, *bases, [metaclass], **kwds) -> class\n\nInternal "
     "helper function used by the class statement."},
    {"__import__", FN(builtin___import__), FK,
     SIG("__import__($module, /, name, globals=None, locals=None, fromlist=(),\n"
         "           level=0)") "Import a module."},
    {"abs", builtin_abs, METH_O, SIG("abs($module, x, /)") "Absolute value of a number."},
    {"all", builtin_all, METH_O,
     SIG("all($module, iterable, /)") "True if every item is true."},
    {"any", builtin_any, METH_O,
     SIG("any($module, iterable, /)") "True if some item is true."},
    {"ascii", builtin_ascii, METH_O,
     SIG("ascii($module, obj, /)") "The repr() with everything beyond ASCII escaped."},
    {"bin", builtin_bin, METH_O,
     SIG("bin($module, number, /)") "Binary digits of an integer.\n\n"
     ">>> bin(10)\n"
     "'0b1010'"},
    {"breakpoint", FN(builtin_breakpoint), FK,
     SIG("breakpoint($module, /, *args, **kws)") "Call sys.breakpointhook()."},
    {"callable", builtin_callable, METH_O,
     SIG("callable($module, obj, /)") "True if the object can be called."},
    {"chr", builtin_chr, METH_O,
     SIG("chr($module, i, /)") "The one-character string of a code point."},
    {"compile", FN(builtin_compile), FK,
     SIG("compile($module, /, source, filename, mode, flags=0,\n"
         "        dont_inherit=False, optimize=-1, *, _feature_version=-1)")
     "Compile source into a code object."},
    {"delattr", FN(builtin_delattr), METH_FASTCALL,
     SIG("delattr($module, obj, name, /)") "Delete an attribute."},
    {"dir", FN(builtin_dir), METH_FASTCALL, "dir([object]) -> list of strings\n\nNames of "
                                            "the attributes of an object or scope."},
    {"divmod", FN(builtin_divmod), METH_FASTCALL,
     SIG("divmod($module, x, y, /)") "The pair (x//y, x%y)."},
    {"eval", FN(builtin_eval), FK,
     SIG("eval($module, source, /, globals=None, locals=None)") "Evaluate an expression."},
    {"exec", FN(builtin_exec), FK,
     SIG("exec($module, source, /, globals=None, locals=None, *, closure=None)")
     "Execute statements."},
    {"format", FN(builtin_format), METH_FASTCALL,
     SIG("format($module, value, format_spec='', /)") "type(value).__format__(value, spec)."},
    {"getattr", FN(builtin_getattr), METH_FASTCALL,
     "getattr(object, name[, default]) -> value\n\nAn attribute by name."},
    {"globals", builtin_globals, METH_NOARGS,
     SIG("globals($module, /)") "The dict of the current module."},
    {"hasattr", FN(builtin_hasattr), METH_FASTCALL,
     SIG("hasattr($module, obj, name, /)") "True if the object has the attribute."},
    {"hash", builtin_hash, METH_O, SIG("hash($module, obj, /)") "The hash of an object."},
    {"hex", builtin_hex, METH_O,
     SIG("hex($module, number, /)") "Hexadecimal digits of an integer.\n\n"
     ">>> hex(255)\n"
     "'0xff'"},
    {"id", builtin_id, METH_O, SIG("id($module, obj, /)") "The identity of an object."},
    {"input", FN(builtin_input), METH_FASTCALL,
     SIG("input($module, prompt='', /)") "Read a line from standard input."},
    {"isinstance", FN(builtin_isinstance), METH_FASTCALL,
     SIG("isinstance($module, obj, class_or_tuple, /)") "True for instances of the class."},
    {"issubclass", FN(builtin_issubclass), METH_FASTCALL,
     SIG("issubclass($module, cls, class_or_tuple, /)") "True for derived classes."},
    {"iter", FN(builtin_iter), METH_FASTCALL,
     "iter(iterable) -> iterator\niter(callable, sentinel) -> iterator\n\nAn iterator."},
    {"aiter", builtin_aiter, METH_O,
     SIG("aiter($module, async_iterable, /)") "An asynchronous iterator."},
    {"len", builtin_len, METH_O, SIG("len($module, obj, /)") "The number of items."},
    {"locals", builtin_locals, METH_NOARGS,
     SIG("locals($module, /)") "The names of the current scope."},
    {"max", FN(builtin_max), FK,
     "max(iterable, *[, default=obj, key=func]) -> value\nmax(arg1, arg2, *args, *[, "
     "key=func]) -> value\n\nThe largest item."},
    {"min", FN(builtin_min), FK,
     "min(iterable, *[, default=obj, key=func]) -> value\nmin(arg1, arg2, *args, *[, "
     "key=func]) -> value\n\nThe smallest item."},
    {"next", FN(builtin_next), METH_FASTCALL,
     "next(iterator[, default])\n\nThe next item of an iterator."},
    {"anext", FN(builtin_anext), METH_FASTCALL,
     SIG("anext($module, aiterator, default=<unrepresentable>, /)")
     "The next item of an asynchronous iterator."},
    {"oct", builtin_oct, METH_O,
     SIG("oct($module, number, /)") "Octal digits of an integer.\n\n"
     ">>> oct(64)\n"
     "'0o100'"},
    {"ord", builtin_ord, METH_O,
     SIG("ord($module, character, /)") "The code point of a character."},
    {"pow", FN(builtin_pow), FK,
     SIG("pow($module, /, base, exp, mod=None)") "base**exp, or base**exp % mod."},
    {"print", FN(builtin_print), FK,
     SIG("print($module, /, *args, sep=' ', end='\\n', file=None, flush=False)")
     "Write values to a text stream."},
    {"repr", builtin_repr, METH_O, SIG("repr($module, obj, /)") "A canonical string."},
    {"round", FN(builtin_round), FK,
     SIG("round($module, /, number, ndigits=None)") "Round to a number of digits."},
    {"setattr", FN(builtin_setattr), METH_FASTCALL,
     SIG("setattr($module, obj, name, value, /)") "Set an attribute."},
    {"sorted", FN(builtin_sorted), FK,
     SIG("sorted($module, iterable, /, *, key=None, reverse=False)") "A new sorted list."},
    {"sum", FN(builtin_sum), FK,
     SIG("sum($module, iterable, /, start=0)") "The sum of start and the items."},
    {"vars", FN(builtin_vars), METH_FASTCALL,
     "vars([object]) -> dictionary\n\nThe __dict__ of an object, or locals()."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef builtins_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "builtins",
    .m_doc = "Built-in functions, types, exceptions, and other objects.\n\nThis module "
             "provides direct access to all 'built-in' identifiers of Python.",
    .m_size = -1,
    .m_methods = builtins_methods,
};

extern PyTypeObject PyEnum_Type, PyReversed_Type;
extern PyObject *PyExc_IncompleteInputError __attribute__((weak));

PyObject *
nj_builtins_create(PyThreadState *tstate)
{
    NJ_OWN mod = PyModule_Create2(&builtins_def, PYTHON_API_VERSION);
    if (!mod) {
        return NULL;
    }
    PyObject *d = PyModule_GetDict(mod);
    const struct {
        const char *name;
        void *obj;
    } names[] = {
        {"None", Py_None},
        {"Ellipsis", Py_Ellipsis},
        {"NotImplemented", Py_NotImplemented},
        {"False", Py_False},
        {"True", Py_True},
        {"bool", &PyBool_Type},
        {"memoryview", &PyMemoryView_Type},
        {"bytearray", &PyByteArray_Type},
        {"bytes", &PyBytes_Type},
        {"classmethod", &PyClassMethod_Type},
        {"complex", &PyComplex_Type},
        {"dict", &PyDict_Type},
        {"enumerate", &PyEnum_Type},
        {"filter", &PyFilter_Type},
        {"float", &PyFloat_Type},
        {"frozenset", &PyFrozenSet_Type},
        {"property", &PyProperty_Type},
        {"int", &PyLong_Type},
        {"list", &PyList_Type},
        {"map", &PyMap_Type},
        {"object", &PyBaseObject_Type},
        {"range", &PyRange_Type},
        {"reversed", &PyReversed_Type},
        {"set", &PySet_Type},
        {"slice", &PySlice_Type},
        {"staticmethod", &PyStaticMethod_Type},
        {"str", &PyUnicode_Type},
        {"super", &PySuper_Type},
        {"tuple", &PyTuple_Type},
        {"type", &PyType_Type},
        {"zip", &PyZip_Type},
        {"__debug__", tstate->interp->rt.config.optimization_level == 0 ? Py_True
                                                                        : Py_False},
#define E(n) {#n, PyExc_##n}
        E(BaseException), E(BaseExceptionGroup), E(Exception), E(GeneratorExit),
        E(KeyboardInterrupt), E(SystemExit), E(ArithmeticError), E(AssertionError),
        E(AttributeError), E(BufferError), E(EOFError), E(ImportError), E(LookupError),
        E(MemoryError), E(NameError), E(OSError), E(ReferenceError), E(RuntimeError),
        E(StopAsyncIteration), E(StopIteration), E(SyntaxError), E(SystemError),
        E(TypeError), E(ValueError), E(Warning), E(FloatingPointError), E(OverflowError),
        E(ZeroDivisionError), E(BytesWarning), E(DeprecationWarning), E(EncodingWarning),
        E(FutureWarning), E(ImportWarning), E(PendingDeprecationWarning),
        E(ResourceWarning), E(RuntimeWarning), E(SyntaxWarning), E(UnicodeWarning),
        E(UserWarning), E(BlockingIOError), E(ChildProcessError), E(ConnectionError),
        E(FileExistsError), E(FileNotFoundError), E(InterruptedError),
        E(IsADirectoryError), E(NotADirectoryError), E(PermissionError),
        E(ProcessLookupError), E(TimeoutError), E(IndentationError), E(IndexError),
        E(KeyError), E(ModuleNotFoundError), E(NotImplementedError), E(RecursionError),
        E(UnboundLocalError), E(UnicodeError), E(BrokenPipeError),
        E(ConnectionAbortedError), E(ConnectionRefusedError), E(ConnectionResetError),
        E(TabError), E(UnicodeDecodeError), E(UnicodeEncodeError),
        E(UnicodeTranslateError), E(PythonFinalizationError),
#undef E
        {"EnvironmentError", PyExc_OSError},
        {"IOError", PyExc_OSError},
        {"_IncompleteInputError",
         &PyExc_IncompleteInputError ? PyExc_IncompleteInputError : NULL},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(names); i++) {
        if (names[i].obj && PyDict_SetItemString(d, names[i].name, names[i].obj) < 0) {
            return NULL;
        }
    }
    if (PyDict_SetItemString(d, "ExceptionGroup", nj_interp()->types.exception_group) < 0) {
        return NULL;
    }
    return NJ_TAKE(mod);
}

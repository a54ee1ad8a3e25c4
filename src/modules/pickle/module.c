/* module.c - the module _pickle: its functions, exceptions and state.
 * SPDX-License-Identifier: MIT
 */
#include "pickle_int.h"

#include "capi/args.h"

PyObject *
nj_pickle_get_path(PyObject *obj, PyObject *dotted_path)
{
    PyObject *o = Py_NewRef(obj);
    for (Py_ssize_t i = 0; o && i < PyList_GET_SIZE(dotted_path); i++) {
        NJ_SET(o, PyObject_GetAttr(o, PyList_GET_ITEM(dotted_path, i)));
    }
    return o;
}

int
nj_pickle_text_arg(const char *fname, const char *argname, PyObject *o, const char *dflt,
                   const char **out)
{
    *out = dflt;
    if (o == NULL) {
        return 0;
    }
    if (!PyUnicode_Check(o)) {
        char display[40];
        PyOS_snprintf(display, sizeof(display), "argument '%s'", argname);
        _PyArg_BadArgument(fname, display, "str", o);
        return -1;
    }
    Py_ssize_t n;
    *out = PyUnicode_AsUTF8AndSize(o, &n);
    if (*out && strlen(*out) != (size_t)n) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    return *out ? 0 : -1;
}

/* ---- dump, dumps --------------------------------------------------------------------- */

static PyObject *
dump_with(PyObject *m, PyObject *obj, PyObject *file, PyObject **rest)
{
    int fix_imports = rest[1] ? PyObject_IsTrue(rest[1]) : 1;
    if (fix_imports < 0) {
        return NULL;
    }
    return nj_pickle_dump(PyModule_GetState(m), obj, file, rest[0] ? rest[0] : Py_None,
                          fix_imports, rest[2] ? rest[2] : Py_None);
}

static PyObject *
pickle_dump(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"obj",         "file",            "protocol",
                                        "fix_imports", "buffer_callback", NULL};
    static const NjParams params = {"dump", names, 3, 2, 0};
    PyObject *a[5];
    return nj_args_bind(&params, args, nargs, kwnames, a) < 0
               ? NULL
               : dump_with(m, a[0], a[1], a + 2);
}

static PyObject *
pickle_dumps(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"obj", "protocol", "fix_imports",
                                        "buffer_callback", NULL};
    static const NjParams params = {"dumps", names, 2, 1, 0};
    PyObject *a[4];
    return nj_args_bind(&params, args, nargs, kwnames, a) < 0
               ? NULL
               : dump_with(m, a[0], NULL, a + 1);
}

/* ---- load, loads --------------------------------------------------------------------- */

static PyObject *
load_with(PyObject *m, const char *fname, PyObject *file, PyObject *data, PyObject **rest)
{
    const char *encoding, *errors;
    int fix_imports = rest[0] ? PyObject_IsTrue(rest[0]) : 1;
    if (fix_imports < 0 ||
        nj_pickle_text_arg(fname, "encoding", rest[1], "ASCII", &encoding) < 0 ||
        nj_pickle_text_arg(fname, "errors", rest[2], "strict", &errors) < 0) {
        return NULL;
    }
    return nj_pickle_load(PyModule_GetState(m), file, data, fix_imports, encoding, errors,
                          rest[3]);
}

static PyObject *
pickle_load(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"file",   "fix_imports", "encoding",
                                        "errors", "buffers",     NULL};
    static const NjParams params = {"load", names, 1, 1, 0};
    PyObject *a[5];
    return nj_args_bind(&params, args, nargs, kwnames, a) < 0
               ? NULL
               : load_with(m, "load", a[0], NULL, a + 1);
}

static PyObject *
pickle_loads(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "fix_imports", "encoding", "errors",
                                        "buffers", NULL};
    static const NjParams params = {"loads", names, 1, 1, 0};
    PyObject *a[5];
    return nj_args_bind(&params, args, nargs, kwnames, a) < 0
               ? NULL
               : load_with(m, "loads", NULL, a[0], a + 1);
}

#define FK (METH_FASTCALL | METH_KEYWORDS)
#define DUMP_TEXT                                                                      \
    "\n\nThe protocol is one of 0 to 5, by default 5; a negative one stands for the\n"   \
    "highest. With fix_imports true and a protocol below 3, names that Python 2\n"     \
    "knew differently are written as it knew them. Each PickleBuffer is given to\n"    \
    "buffer_callback, if there is one (protocol 5 only): a false result keeps its\n"   \
    "data out of the pickle."
#define LOAD_TEXT                                                                      \
    "\n\nThe protocol is found in the data; what follows the pickle is ignored. For\n"   \
    "pickles of Python 2, fix_imports maps old names to new ones, and encoding and\n"  \
    "errors tell how to decode its str objects ('bytes' leaves them bytes).\n"         \
    "Buffers gives the out-of-band data in the order of the buffer_callback calls."

static PyMethodDef pickle_methods[] = {
    {"dump", _PyCFunction_CAST(pickle_dump), FK,
     "dump($module, /, obj, file, protocol=None, *, fix_imports=True,\n"
     "     buffer_callback=None)\n--\n\n"
     "Write a pickle of obj to a file that has a write() method." DUMP_TEXT},
    {"dumps", _PyCFunction_CAST(pickle_dumps), FK,
     "dumps($module, /, obj, protocol=None, *, fix_imports=True,\n"
     "      buffer_callback=None)\n--\n\n"
     "Return a pickle of obj as bytes." DUMP_TEXT},
    {"load", _PyCFunction_CAST(pickle_load), FK,
     "load($module, /, file, *, fix_imports=True, encoding='ASCII',\n"
     "     errors='strict', buffers=())\n--\n\n"
     "Read a pickle from a file that has read() and readline() methods." LOAD_TEXT},
    {"loads", _PyCFunction_CAST(pickle_loads), FK,
     "loads($module, data, /, *, fix_imports=True, encoding='ASCII',\n"
     "      errors='strict', buffers=())\n--\n\n"
     "Read a pickle from a bytes-like object." LOAD_TEXT},
    {NULL, NULL, 0, NULL},
};

/* ---- state --------------------------------------------------------------------------- */

#define EACH_REFERENCE(X)                                                              \
    X(pickle_error)                                                                    \
    X(pickling_error)                                                                  \
    X(unpickling_error)                                                                \
    X(pickler_type)                                                                    \
    X(unpickler_type)                                                                  \
    X(pickler_memo_type)                                                               \
    X(unpickler_memo_type)                                                             \
    X(dispatch_table)                                                                  \
    X(extension_registry)                                                              \
    X(inverted_registry)                                                               \
    X(extension_cache)                                                                 \
    X(name_mapping)                                                                    \
    X(import_mapping)                                                                  \
    X(reverse_name_mapping)                                                            \
    X(reverse_import_mapping)                                                          \
    X(codecs_encode)                                                                   \
    X(getattr)                                                                         \
    X(partial)

static int
module_traverse(PyObject *m, visitproc visit, void *arg)
{
    PickleState *st = PyModule_GetState(m);
#define VISIT(name) Py_VISIT(st->name);
    EACH_REFERENCE(VISIT)
    return 0;
}

static int
module_clear(PyObject *m)
{
    PickleState *st = PyModule_GetState(m);
#define CLEAR(name) Py_CLEAR(st->name);
    EACH_REFERENCE(CLEAR)
    return 0;
}

static void
module_free(void *m)
{
    (void)module_clear(m);
}

static int
import_state(PickleState *st)
{
    const struct {
        PyObject **slot;
        const char *module, *attr;
        bool dict;
    } wanted[] = {
        {&st->dispatch_table, "copyreg", "dispatch_table", true},
        {&st->extension_registry, "copyreg", "_extension_registry", true},
        {&st->inverted_registry, "copyreg", "_inverted_registry", true},
        {&st->extension_cache, "copyreg", "_extension_cache", true},
        {&st->name_mapping, "_compat_pickle", "NAME_MAPPING", true},
        {&st->import_mapping, "_compat_pickle", "IMPORT_MAPPING", true},
        {&st->reverse_name_mapping, "_compat_pickle", "REVERSE_NAME_MAPPING", true},
        {&st->reverse_import_mapping, "_compat_pickle", "REVERSE_IMPORT_MAPPING", true},
        {&st->codecs_encode, "codecs", "encode", false},
        {&st->getattr, "builtins", "getattr", false},
        {&st->partial, "functools", "partial", false},
    };
    for (size_t i = 0; i < NJ_ARRAY_LEN(wanted); i++) {
        *wanted[i].slot = PyImport_ImportModuleAttrString(wanted[i].module, wanted[i].attr);
        if (*wanted[i].slot == NULL) {
            return -1;
        }
        if (wanted[i].dict && !PyDict_CheckExact(*wanted[i].slot)) {
            PyErr_Format(PyExc_RuntimeError, "%s.%s should be a dict, not %T",
                         wanted[i].module, wanted[i].attr, *wanted[i].slot);
            return -1;
        }
    }
    return 0;
}

static PyObject *
add_error(PyObject *m, const char *name, PyObject *base)
{
    char full[40];
    PyOS_snprintf(full, sizeof(full), "_pickle.%s", name);
    PyObject *e = PyErr_NewException(full, base, NULL);
    if (e && PyModule_AddObjectRef(m, name, e) < 0) {
        Py_CLEAR(e);
    }
    return e;
}

static PyTypeObject *
add_type(PyObject *m, PyType_Spec *spec, bool public)
{
    PyTypeObject *tp = (PyTypeObject *)PyType_FromModuleAndSpec(m, spec, NULL);
    if (tp && public && PyModule_AddType(m, tp) < 0) {
        Py_CLEAR(tp);
    }
    return tp;
}

static int
module_exec(PyObject *m)
{
    PickleState *st = PyModule_GetState(m);
    if (!(st->pickle_error = add_error(m, "PickleError", NULL)) ||
        !(st->pickling_error = add_error(m, "PicklingError", st->pickle_error)) ||
        !(st->unpickling_error = add_error(m, "UnpicklingError", st->pickle_error)) ||
        !(st->pickler_type = add_type(m, &nj_pickler_spec, true)) ||
        !(st->unpickler_type = add_type(m, &nj_unpickler_spec, true)) ||
        !(st->pickler_memo_type = add_type(m, &nj_pickler_memo_spec, false)) ||
        !(st->unpickler_memo_type = add_type(m, &nj_unpickler_memo_spec, false)) ||
        PyModule_AddType(m, &PyPickleBuffer_Type) < 0) {
        return -1;
    }
    return import_state(st);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

struct PyModuleDef nj_pickle_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_pickle",
    .m_doc = "The module pickle, written in C.",
    .m_size = sizeof(PickleState),
    .m_methods = pickle_methods,
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__pickle(void);

PyMODINIT_FUNC
PyInit__pickle(void)
{
    return PyModuleDef_Init(&nj_pickle_module);
}

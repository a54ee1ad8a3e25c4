/* module.c - module objects and their definitions
 *
 * A module is a dict with attribute access, plus the C state of an extension. Creation has
 * two forms: single-phase (PyModule_Create2, everything at once) and multi-phase, where
 * the importer calls PyModule_FromDefAndSpec2 (create) and PyModule_ExecDef (execute).
 *
 * A missing attribute asks the module's own __getattr__; the error message explains the
 * usual causes: circular imports, and a file that hides a library module.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/exc_int.h"
#include "objects/type_int.h"
#include "runtime/gc.h"
#include "runtime/runtime.h"

#define MOD(o) ((NjModule *)(o))

/* ======================================================================================
 * Definitions
 * ====================================================================================== */

PyTypeObject PyModuleDef_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "moduledef",
    .tp_basicsize = sizeof(PyModuleDef),
};

PyObject *
PyModuleDef_Init(PyModuleDef *def)
{
    if (def->m_base.m_index == 0) {
        Py_SET_REFCNT((PyObject *)def, 1);
        Py_SET_TYPE((PyObject *)def, &PyModuleDef_Type);
        /* numbers for PyState_FindModule; atomic: interpreters run side by side */
        static Py_ssize_t last_index;
        def->m_base.m_index = __atomic_add_fetch(&last_index, 1, __ATOMIC_RELAXED);
    }
    return (PyObject *)def;
}

/* ======================================================================================
 * Creation
 * ====================================================================================== */

static int
init_dict(NjModule *m, PyObject *name, PyObject *doc)
{
    PyObject *d = m->md_dict;
    if (PyDict_SetItem(d, NJ_ID(__name__), name) < 0 ||
        PyDict_SetItem(d, NJ_ID(__doc__), doc ? doc : Py_None) < 0 ||
        PyDict_SetItem(d, NJ_ID(__package__), Py_None) < 0 ||
        PyDict_SetItem(d, NJ_ID(__loader__), Py_None) < 0 ||
        PyDict_SetItem(d, NJ_ID(__spec__), Py_None) < 0) {
        return -1;
    }
    if (PyUnicode_CheckExact(name)) {
        Py_XSETREF(m->md_name, Py_NewRef(name));
    }
    return 0;
}

static NjModule *
alloc_module(PyTypeObject *type)
{
    NjModule *m = (NjModule *)nj_type_alloc_untracked(type, 0); /* zero-filled */
    if (m == NULL) {
        return NULL;
    }
    m->md_dict = PyDict_New();
    if (m->md_dict == NULL) {
        Py_DECREF(m);
        return NULL;
    }
    nj_gc_track((PyObject *)m);
    return m;
}

static PyObject *
module_new(PyTypeObject *type, PyObject *args, PyObject *kwds)
{
    return (PyObject *)alloc_module(type);
}

PyObject *
PyModule_NewObject(PyObject *name)
{
    NjModule *m = alloc_module(&PyModule_Type);
    if (m && init_dict(m, name, NULL) < 0) {
        Py_CLEAR(m);
    }
    return (PyObject *)m;
}

PyObject *
PyModule_New(const char *name)
{
    NJ_OWN n = PyUnicode_FromString(name);
    return n ? PyModule_NewObject(n) : NULL;
}

static int
add_functions(PyObject *m, PyObject *name, PyMethodDef *f)
{
    for (; f->ml_name; f++) {
        if (f->ml_flags & (METH_CLASS | METH_STATIC)) {
            PyErr_SetString(PyExc_ValueError,
                            "module functions cannot set METH_CLASS or METH_STATIC");
            return -1;
        }
        NJ_OWN func = PyCFunction_NewEx(f, m, name);
        if (func == NULL || PyObject_SetAttrString(m, f->ml_name, func) < 0) {
            return -1;
        }
    }
    return 0;
}

int
PyModule_AddFunctions(PyObject *m, PyMethodDef *functions)
{
    NJ_OWN name = PyModule_GetNameObject(m);
    return name ? add_functions(m, name, functions) : -1;
}

int
PyModule_SetDocString(PyObject *m, const char *doc)
{
    NJ_OWN v = PyUnicode_FromString(doc);
    return v ? PyObject_SetAttr(m, NJ_ID(__doc__), v) : -1;
}

PyObject *
PyModule_Create2(PyModuleDef *def, int apiver)
{
    if (PyModuleDef_Init(def) == NULL) {
        return NULL;
    }
    if (def->m_slots) {
        PyErr_Format(PyExc_SystemError,
                     "module %s: PyModule_Create is incompatible with m_slots",
                     def->m_name);
        return NULL;
    }
    if (apiver != PYTHON_API_VERSION && apiver != PYTHON_ABI_VERSION &&
        PyErr_WarnFormat(PyExc_RuntimeWarning, 1,
                         "Python C API version mismatch for module %.100s: This Python "
                         "has API version %d, module %.100s has version %d.",
                         def->m_name, PYTHON_API_VERSION, def->m_name, apiver)) {
        return NULL;
    }
    NJ_OWN m = PyModule_New(nj_import_full_name(def->m_name));
    if (m == NULL) {
        return NULL;
    }
    if (def->m_size > 0) {
        MOD(m)->md_state = PyMem_Calloc(1, (size_t)def->m_size);
        if (MOD(m)->md_state == NULL) {
            return PyErr_NoMemory();
        }
    }
    MOD(m)->md_def = def;
    if ((def->m_methods && PyModule_AddFunctions(m, def->m_methods) < 0) ||
        (def->m_doc && PyModule_SetDocString(m, def->m_doc) < 0)) {
        return NULL;
    }
    return NJ_TAKE(m);
}

PyObject *
PyModule_FromDefAndSpec2(PyModuleDef *def, PyObject *spec, int apiver)
{
    if (PyModuleDef_Init(def) == NULL) {
        return NULL;
    }
    NJ_OWN name = PyObject_GetAttr(spec, NJ_ID(name));
    if (name == NULL) {
        return NULL;
    }
    const char *text = PyUnicode_AsUTF8(name);
    if (text == NULL) {
        return NULL;
    }
    if (def->m_size < 0) {
        PyErr_Format(PyExc_SystemError,
                     "module %s: m_size may not be negative for multi-phase "
                     "initialization",
                     text);
        return NULL;
    }
    PyObject *(*create)(PyObject *, PyModuleDef *) = NULL;
    bool has_exec = false;
    bool has_multi = false, has_gil = false;
    void *multi = Py_MOD_MULTIPLE_INTERPRETERS_SUPPORTED;
    for (PyModuleDef_Slot *s = def->m_slots; s && s->slot; s++) {
        switch (s->slot) {
        case Py_mod_create:
            if (create) {
                PyErr_Format(PyExc_SystemError,
                             "module %s has multiple create slots", text);
                return NULL;
            }
            create = (PyObject * (*)(PyObject *, PyModuleDef *)) s->value;
            break;
        case Py_mod_exec:
            has_exec = true;
            break;
        case Py_mod_multiple_interpreters:
            if (has_multi) {
                PyErr_Format(PyExc_SystemError,
                             "module %s has more than one 'multiple interpreters' slots",
                             text);
                return NULL;
            }
            has_multi = true;
            multi = s->value;
            break;
        case Py_mod_gil:
            if (has_gil) {
                PyErr_Format(PyExc_SystemError, "module %s has more than one 'gil' slot",
                             text);
                return NULL;
            }
            has_gil = true;
            break;
        default:
            PyErr_Format(PyExc_SystemError, "module %s uses unknown slot ID %i", text,
                         s->slot);
            return NULL;
        }
    }
    if (multi == Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED ||
        (multi != Py_MOD_PER_INTERPRETER_GIL_SUPPORTED && nj_interp()->rt.own_gil_used)) {
        if (nj_import_check_interp(text) < 0) {
            return NULL;
        }
    }
    NJ_OWN m = NULL;
    if (create) {
        NJ_SET(m, create(spec, def));
        if (m == NULL) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_SystemError,
                             "creation of module %s failed without setting an exception",
                             text);
            }
            return NULL;
        }
        if (PyErr_Occurred()) {
            _PyErr_FormatFromCause(PyExc_SystemError,
                                   "creation of module %s raised unreported exception",
                                   text);
            return NULL;
        }
    }
    else {
        NJ_SET(m, PyModule_NewObject(name));
        if (m == NULL) {
            return NULL;
        }
    }
    if (PyModule_Check(m)) {
        MOD(m)->md_state = NULL;
        MOD(m)->md_def = def;
    }
    else if (def->m_size > 0 || def->m_traverse || def->m_clear || def->m_free) {
        PyErr_Format(PyExc_SystemError,
                     "module %s is not a module object, but requests module state", text);
        return NULL;
    }
    else if (has_exec) {
        PyErr_Format(PyExc_SystemError,
                     "module %s specifies execution slots, but did not create a "
                     "ModuleType instance",
                     text);
        return NULL;
    }
    if ((def->m_methods && add_functions(m, name, def->m_methods) < 0) ||
        (def->m_doc && PyModule_SetDocString(m, def->m_doc) < 0)) {
        return NULL;
    }
    return NJ_TAKE(m);
}

int
PyModule_ExecDef(PyObject *m, PyModuleDef *def)
{
    const char *name = PyModule_GetName(m);
    if (name == NULL) {
        return -1;
    }
    if (def->m_size >= 0 && MOD(m)->md_state == NULL) {
        /* one byte at least: "has state" is told by the pointer */
        MOD(m)->md_state = PyMem_Calloc(1, def->m_size > 0 ? (size_t)def->m_size : 1);
        if (MOD(m)->md_state == NULL) {
            PyErr_NoMemory();
            return -1;
        }
    }
    for (PyModuleDef_Slot *s = def->m_slots; s && s->slot; s++) {
        if (s->slot != Py_mod_exec) {
            continue;
        }
        int r = ((int (*)(PyObject *))s->value)(m);
        if (r != 0) {
            if (!PyErr_Occurred()) {
                PyErr_Format(PyExc_SystemError,
                             "execution of module %s failed without setting an exception",
                             name);
            }
            return -1;
        }
        if (PyErr_Occurred()) {
            _PyErr_FormatFromCause(PyExc_SystemError,
                                   "execution of module %s raised unreported exception",
                                   name);
            return -1;
        }
    }
    return 0;
}

/* ---- filling a module ---- */

int
PyModule_AddObjectRef(PyObject *mod, const char *name, PyObject *value)
{
    if (!PyModule_Check(mod)) {
        PyErr_SetString(PyExc_TypeError,
                        "PyModule_AddObjectRef() first argument must be a module");
        return -1;
    }
    if (value == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_SystemError,
                            "PyModule_AddObjectRef() must be called with an exception "
                            "raised if value is NULL");
        }
        return -1;
    }
    PyObject *dict = PyModule_GetDict(mod);
    return dict ? PyDict_SetItemString(dict, name, value) : -1;
}

int
PyModule_Add(PyObject *mod, const char *name, NJ_STEALS PyObject *value)
{
    int r = PyModule_AddObjectRef(mod, name, value);
    Py_XDECREF(value);
    return r;
}

int
PyModule_AddObject(PyObject *mod, const char *name, PyObject *value)
{
    int r = PyModule_AddObjectRef(mod, name, value);
    if (r == 0) {
        Py_DECREF(value); /* steals only on success */
    }
    return r;
}

int
PyModule_AddIntConstant(PyObject *m, const char *name, long value)
{
    return PyModule_Add(m, name, PyLong_FromLong(value));
}

int
PyModule_AddStringConstant(PyObject *m, const char *name, const char *value)
{
    return PyModule_Add(m, name, PyUnicode_FromString(value));
}

int
PyModule_AddType(PyObject *m, PyTypeObject *type)
{
    if (!(type->tp_flags & Py_TPFLAGS_READY) && PyType_Ready(type) < 0) {
        return -1;
    }
    return PyModule_AddObjectRef(m, _PyType_Name(type), (PyObject *)type);
}

/* ---- asking a module ---- */

PyObject *
PyModule_GetDict(PyObject *m)
{
    if (!PyModule_Check(m)) {
        PyErr_BadInternalCall();
        return NULL;
    }
    return MOD(m)->md_dict;
}

PyObject *
PyModule_GetNameObject(PyObject *m)
{
    if (!PyModule_Check(m)) {
        PyErr_BadArgument();
        return NULL;
    }
    PyObject *name = NULL;
    if (MOD(m)->md_dict && PyDict_Check(MOD(m)->md_dict) &&
        PyDict_GetItemRef(MOD(m)->md_dict, NJ_ID(__name__), &name) < 0) {
        return NULL;
    }
    if (name == NULL || !PyUnicode_Check(name)) {
        Py_XDECREF(name);
        PyErr_SetString(PyExc_SystemError, "nameless module");
        return NULL;
    }
    return name;
}

const char *
PyModule_GetName(PyObject *m)
{
    PyObject *name = PyModule_GetNameObject(m);
    if (name == NULL) {
        return NULL;
    }
    Py_DECREF(name); /* the module's dict keeps it */
    return PyUnicode_AsUTF8(name);
}

PyObject *
PyModule_GetFilenameObject(PyObject *m)
{
    if (!PyModule_Check(m)) {
        PyErr_BadArgument();
        return NULL;
    }
    PyObject *file = NULL;
    if (MOD(m)->md_dict &&
        PyDict_GetItemRef(MOD(m)->md_dict, NJ_ID(__file__), &file) < 0) {
        return NULL;
    }
    if (file == NULL || !PyUnicode_Check(file)) {
        Py_XDECREF(file);
        PyErr_SetString(PyExc_SystemError, "module filename missing");
        return NULL;
    }
    return file;
}

const char *
PyModule_GetFilename(PyObject *m)
{
    PyObject *file = PyModule_GetFilenameObject(m);
    if (file == NULL) {
        return NULL;
    }
    Py_DECREF(file);
    return PyUnicode_AsUTF8(file);
}

PyModuleDef *
PyModule_GetDef(PyObject *m)
{
    if (!PyModule_Check(m)) {
        PyErr_BadArgument();
        return NULL;
    }
    return MOD(m)->md_def;
}

void *
PyModule_GetState(PyObject *m)
{
    if (!PyModule_Check(m)) {
        PyErr_BadArgument();
        return NULL;
    }
    return MOD(m)->md_state;
}

/* ======================================================================================
 * At exit
 * ====================================================================================== */

void
nj_module_clear_dict(PyObject *dict)
{
    /* names with one underscore first, then the rest but __builtins__: destructors of
     * objects in the module can still use the functions there */
    for (int pass = 0; pass < 2; pass++) {
        PyObject *k, *v;
        Py_ssize_t pos = 0;
        while (PyDict_Next(dict, &pos, &k, &v)) {
            if (v == Py_None || !PyUnicode_Check(k)) {
                continue;
            }
            Py_ssize_t n = PyUnicode_GET_LENGTH(k);
            bool under = n > 0 && PyUnicode_READ_CHAR(k, 0) == '_';
            bool second = n > 1 && PyUnicode_READ_CHAR(k, 1) == '_';
            bool take = pass == 0 ? under && !second
                                  : !under || !PyUnicode_EqualToUTF8(k, "__builtins__");
            if (take && PyDict_SetItem(dict, k, Py_None) < 0) {
                PyErr_FormatUnraisable("Exception ignored while clearing module dict");
            }
        }
    }
}

void
nj_module_clear(PyObject *m)
{
    if (MOD(m)->md_dict) {
        nj_module_clear_dict(MOD(m)->md_dict);
    }
}

/* ======================================================================================
 * Missing attributes
 * ====================================================================================== */

/* spec._initializing: 1, 0, -1. spec may be NULL. */
static int
spec_flag(PyObject *spec, PyObject *name)
{
    if (spec == NULL || spec == Py_None) {
        return 0;
    }
    PyObject *v;
    int r = PyObject_GetOptionalAttr(spec, name, &v);
    if (r > 0) {
        r = PyObject_IsTrue(v);
        Py_DECREF(v);
    }
    return r;
}

/* The file a spec was loaded from, if it has a location: new str or NULL (no error). */
static PyObject *
spec_origin(PyObject *spec)
{
    int r = spec_flag(spec, NJ_ID(has_location));
    PyObject *origin = NULL;
    if (r > 0) {
        r = PyObject_GetOptionalAttr(spec, NJ_ID(origin), &origin);
    }
    if (r < 0) {
        PyErr_Clear();
    }
    if (origin && !PyUnicode_Check(origin)) {
        Py_CLEAR(origin);
    }
    return origin;
}

/* Was this file found through the script's own directory, which start-up put first on
 * sys.path? */
static bool
in_script_dir(PyObject *origin)
{
    const PyConfig *c = &nj_interp()->rt.config;
    if (origin == NULL || c->safe_path || c->sys_path_0 == NULL) {
        return false;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(origin);
    Py_ssize_t slash = PyUnicode_FindChar(origin, '/', 0, n, -1);
    if (slash < 0) {
        return false;
    }
    /* a package's __init__.py counts as the package's directory */
    NJ_OWN base = PyUnicode_Substring(origin, slash + 1, n);
    if (base && PyUnicode_EqualToUTF8(base, "__init__.py")) {
        slash = PyUnicode_FindChar(origin, '/', 0, slash, -1);
    }
    NJ_OWN dir = slash >= 0 ? PyUnicode_Substring(origin, 0, slash) : NULL;
    NJ_OWN first = NULL;
    char cwd[4096];
    if (c->sys_path_0[0]) {
        NJ_SET(first, PyUnicode_FromWideChar(c->sys_path_0, -1));
    }
    else if (getcwd(cwd, sizeof cwd)) {
        NJ_SET(first, PyUnicode_DecodeFSDefault(cwd));
    }
    bool same = dir && first && PyUnicode_Compare(dir, first) == 0;
    PyErr_Clear();
    return same;
}

/* 1, 0, or -1 with what the hash of a subclass of str raised. */
static int
is_stdlib_name(PyObject *name)
{
    PyObject *names = PySys_GetObject("stdlib_module_names");
    return names && PyAnySet_Check(names) ? PySet_Contains(names, name) : 0;
}

int
nj_module_shadows(PyObject *name, PyObject *origin, bool initializing, PyObject **advice)
{
    *advice = NULL;
    if (!in_script_dir(origin)) {
        return 0;
    }
    int stdlib = is_stdlib_name(name);
    if (stdlib < 0) {
        return -1;
    }
    if (stdlib) {
        *advice = PyUnicode_FromFormat(
            "consider renaming '%U' since it has the same name as the standard library "
            "module named '%U' and prevents importing that standard library module",
            origin, name);
    }
    else if (initializing) {
        *advice = PyUnicode_FromFormat("consider renaming '%U' if it has the same name as "
                                       "a library you intended to import",
                                       origin);
    }
    else {
        return 0;
    }
    return *advice ? 1 : -1;
}

PyObject *
nj_module_getattr_missing(PyObject *self, PyObject *name)
{
    PyObject *dict = MOD(self)->md_dict;
    PyObject *found;
    if (dict == NULL) {
        PyErr_Format(PyExc_AttributeError, "module has no attribute '%U'", name);
        return NULL;
    }
    if (PyDict_GetItemRef(dict, NJ_ID(__getattr__), &found) < 0) {
        return NULL;
    }
    NJ_OWN getattr = found;
    if (getattr) {
        return PyObject_CallOneArg(getattr, name);
    }
    if (PyDict_GetItemRef(dict, NJ_ID(__name__), &found) < 0) {
        return NULL;
    }
    NJ_OWN mod_name = found;
    if (mod_name == NULL || !PyUnicode_Check(mod_name)) {
        nj_raise_attribute(self, name, "module has no attribute '%U'", name);
        return NULL;
    }
    if (PyDict_GetItemRef(dict, NJ_ID(__spec__), &found) < 0) {
        return NULL;
    }
    NJ_OWN spec = found;
    NJ_OWN origin = spec ? spec_origin(spec) : NULL;
    int initializing = spec_flag(spec, NJ_ID(_initializing));
    if (initializing < 0) {
        return NULL;
    }
    PyObject *advice;
    int shadows = nj_module_shadows(mod_name, origin, initializing, &advice);
    if (shadows < 0) {
        return NULL;
    }
    if (shadows) {
        nj_raise_attribute(self, name, "module '%U' has no attribute '%U' (%U)", mod_name,
                           name, advice);
        Py_DECREF(advice);
        return NULL;
    }
    if (initializing) {
        if (origin) {
            nj_raise_attribute(self, name,
                               "partially initialized module '%U' from '%U' has no "
                               "attribute '%U' (most likely due to a circular import)",
                               mod_name, origin, name);
        }
        else {
            nj_raise_attribute(self, name,
                               "partially initialized module '%U' has no attribute '%U' "
                               "(most likely due to a circular import)",
                               mod_name, name);
        }
        return NULL;
    }
    /* a submodule that is still being imported is not yet an attribute of its package */
    NJ_OWN full = PyUnicode_FromFormat("%U.%U", mod_name, name);
    if (full == NULL) {
        return NULL;
    }
    PyObject *modules = nj_interp()->modules;
    PyObject *sub = NULL;
    if (modules && PyDict_Check(modules) && PyDict_GetItemRef(modules, full, &sub) < 0) {
        return NULL;
    }
    NJ_OWN submodule = sub;
    if (submodule) {
        if (PyObject_GetOptionalAttr(submodule, NJ_ID(__spec__), &found) < 0) {
            return NULL;
        }
        NJ_OWN subspec = found;
        int r = spec_flag(subspec, NJ_ID(_initializing));
        if (r < 0) {
            return NULL;
        }
        if (r) {
            nj_raise_attribute(self, name,
                               "cannot access submodule '%U' of module '%U' (most likely "
                               "due to a circular import)",
                               name, mod_name);
            return NULL;
        }
    }
    nj_raise_attribute(self, name, "module '%U' has no attribute '%U'", mod_name, name);
    return NULL;
}

static PyObject *
module_getattro(PyObject *self, PyObject *name)
{
    PyObject *r = _PyObject_GenericGetAttrWithDict(self, name, NULL, 1);
    if (r || PyErr_Occurred()) {
        return r;
    }
    return nj_module_getattr_missing(self, name);
}

int
nj_module_get_optional(PyObject *self, PyObject *name, PyObject **out)
{
    *out = _PyObject_GenericGetAttrWithDict(self, name, NULL, 1);
    if (*out || PyErr_Occurred()) {
        return *out ? 1 : -1;
    }
    PyObject *dict = MOD(self)->md_dict;
    int hooked = dict ? PyDict_Contains(dict, NJ_ID(__getattr__)) : 0;
    if (hooked <= 0) {
        return hooked;
    }
    *out = nj_module_getattr_missing(self, name);
    if (*out) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

/* ======================================================================================
 * The type
 * ====================================================================================== */

static int
module_init(PyObject *self, PyObject *args, PyObject *kwds)
{
    static const char *const names[] = {"name", "doc", NULL};
    static const NjParams params = {"module", names, 2, 1, 0};
    PyObject *v[2] = {NULL};
    if (nj_args_bind_tuple(&params, args, kwds, v) < 0) {
        return -1;
    }
    if (!PyUnicode_Check(v[0])) {
        _PyArg_BadArgument("module", "argument 'name'", "str", v[0]);
        return -1;
    }
    if (MOD(self)->md_dict == NULL) {
        MOD(self)->md_dict = PyDict_New();
        if (MOD(self)->md_dict == NULL) {
            return -1;
        }
    }
    return init_dict(MOD(self), v[0], v[1]);
}

static void
module_dealloc(PyObject *self)
{
    NjModule *m = MOD(self);
    nj_gc_untrack(self);
    if (m->md_weaklist) {
        PyObject_ClearWeakRefs(self);
    }
    if (m->md_def && m->md_def->m_free &&
        (m->md_def->m_size <= 0 || m->md_state != NULL)) {
        m->md_def->m_free(m);
    }
    Py_XDECREF(m->md_dict);
    Py_XDECREF(m->md_name);
    PyMem_Free(m->md_state);
    Py_TYPE(self)->tp_free(self);
}

static int
module_traverse(PyObject *self, visitproc visit, void *arg)
{
    NjModule *m = MOD(self);
    if (m->md_def && m->md_def->m_traverse &&
        (m->md_def->m_size <= 0 || m->md_state != NULL)) {
        int r = m->md_def->m_traverse(self, visit, arg);
        if (r) {
            return r;
        }
    }
    Py_VISIT(m->md_dict);
    return 0;
}

static int
module_clear(PyObject *self)
{
    NjModule *m = MOD(self);
    if (m->md_def && m->md_def->m_clear &&
        (m->md_def->m_size <= 0 || m->md_state != NULL)) {
        int r = m->md_def->m_clear(self);
        if (PyErr_Occurred()) {
            PyErr_FormatUnraisable("Exception ignored in m_clear of module%s%V",
                                   m->md_name ? " " : "", m->md_name, "");
        }
        if (r) {
            return r;
        }
    }
    Py_CLEAR(m->md_dict);
    return 0;
}

static PyObject *
module_repr(PyObject *self)
{
    PyObject *importlib = nj_interp()->importlib;
    if (importlib == NULL) {
        NJ_OWN name = PyModule_GetNameObject(self);
        if (name == NULL) {
            PyErr_Clear();
        }
        return PyUnicode_FromFormat("<module %R>", name ? name : Py_None);
    }
    return PyObject_CallMethodOneArg(importlib, NJ_ID(_module_repr), self);
}

static PyObject *
module_dir(PyObject *self, PyObject *unused)
{
    NJ_OWN dict = PyObject_GetAttr(self, NJ_ID(__dict__));
    if (dict == NULL) {
        return NULL;
    }
    if (!PyDict_Check(dict)) {
        PyErr_Format(PyExc_TypeError, "%R is not a dictionary", dict);
        return NULL;
    }
    PyObject *func;
    if (PyDict_GetItemRef(dict, NJ_ID(__dir__), &func) < 0) {
        return NULL;
    }
    NJ_OWN f = func;
    return f ? PyObject_CallNoArgs(f) : PyDict_Keys(dict);
}

/* The module's dict as the __dict__ attribute shows it, checked. New reference. */
static PyObject *
dict_of(PyObject *self)
{
    NJ_OWN dict = PyObject_GetAttr(self, NJ_ID(__dict__));
    if (dict && !PyDict_Check(dict)) {
        PyErr_SetString(PyExc_TypeError, "<module>.__dict__ is not a dictionary");
        return NULL;
    }
    return NJ_TAKE(dict);
}

static PyObject *
module_get_annotate(PyObject *self, void *closure)
{
    NJ_OWN dict = dict_of(self);
    if (dict == NULL) {
        return NULL;
    }
    PyObject *annotate;
    int r = PyDict_GetItemRef(dict, NJ_ID(__annotate__), &annotate);
    if (r == 0) {
        annotate = Py_NewRef(Py_None);
        if (PyDict_SetItem(dict, NJ_ID(__annotate__), annotate) < 0) {
            return NULL;
        }
    }
    return annotate;
}

static int
module_set_annotate(PyObject *self, PyObject *value, void *closure)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_TypeError, "cannot delete __annotate__ attribute");
        return -1;
    }
    NJ_OWN dict = dict_of(self);
    if (dict == NULL) {
        return -1;
    }
    if (!Py_IsNone(value) && !PyCallable_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "__annotate__ must be callable or None");
        return -1;
    }
    if (PyDict_SetItem(dict, NJ_ID(__annotate__), value) < 0) {
        return -1;
    }
    return !Py_IsNone(value) && PyDict_Pop(dict, NJ_ID(__annotations__), NULL) < 0 ? -1
                                                                                  : 0;
}

static PyObject *
module_get_annotations(PyObject *self, void *closure)
{
    NJ_OWN dict = dict_of(self);
    if (dict == NULL) {
        return NULL;
    }
    PyObject *ann;
    int r = PyDict_GetItemRef(dict, NJ_ID(__annotations__), &ann);
    if (r != 0) {
        return ann;
    }
    /* half-executed modules do not keep what they have so far */
    PyObject *spec;
    if (PyDict_GetItemRef(dict, NJ_ID(__spec__), &spec) < 0) {
        return NULL;
    }
    NJ_OWN s = spec;
    int initializing = spec_flag(s, NJ_ID(_initializing));
    if (initializing < 0) {
        return NULL;
    }
    PyObject *found;
    if (PyDict_GetItemRef(dict, NJ_ID(__annotate__), &found) < 0) {
        return NULL;
    }
    NJ_OWN annotate = found;
    NJ_OWN res = NULL;
    if (annotate && PyCallable_Check(annotate)) {
        NJ_OWN one = PyLong_FromLong(1);
        NJ_SET(res, PyObject_CallOneArg(annotate, one));
        if (res == NULL) {
            return NULL;
        }
        if (!PyDict_Check(res)) {
            PyErr_Format(PyExc_TypeError,
                         "__annotate__ returned non-dict of type '%.100s'",
                         Py_TYPE(res)->tp_name);
            return NULL;
        }
    }
    else {
        NJ_SET(res, PyDict_New());
    }
    if (res == NULL ||
        (!initializing && PyDict_SetItem(dict, NJ_ID(__annotations__), res) < 0)) {
        return NULL;
    }
    return NJ_TAKE(res);
}

static int
module_set_annotations(PyObject *self, PyObject *value, void *closure)
{
    NJ_OWN dict = dict_of(self);
    if (dict == NULL) {
        return -1;
    }
    if (value) {
        if (PyDict_SetItem(dict, NJ_ID(__annotations__), value) < 0) {
            return -1;
        }
    }
    else {
        int r = PyDict_Pop(dict, NJ_ID(__annotations__), NULL);
        if (r < 0) {
            return -1;
        }
        if (r == 0) {
            PyErr_SetObject(PyExc_AttributeError, NJ_ID(__annotations__));
            return -1;
        }
    }
    return PyDict_Pop(dict, NJ_ID(__annotate__), NULL) < 0 ? -1 : 0;
}

static PyMethodDef module_methods[] = {
    {"__dir__", module_dir, METH_NOARGS,
     "__dir__($self, /)\n--\n\n__dir__() -> list\nspecialized dir() implementation"},
    {0},
};
static PyMemberDef module_members[] = {
    {"__dict__", _Py_T_OBJECT, offsetof(NjModule, md_dict), Py_READONLY},
    {0},
};
static PyGetSetDef module_getset[] = {
    {"__annotations__", module_get_annotations, module_set_annotations},
    {"__annotate__", module_get_annotate, module_set_annotate},
    {0},
};

PyTypeObject PyModule_Type = {
    PyVarObject_HEAD_INIT(&PyType_Type, 0).tp_name = "module",
    .tp_basicsize = sizeof(NjModule),
    .tp_dealloc = module_dealloc,
    .tp_repr = module_repr,
    .tp_getattro = module_getattro,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .tp_doc = "module(name, doc=None)\n--\n\n"
              "Create a module object.\n\n"
              "The name must be a string; the optional doc argument can have any type.",
    .tp_traverse = module_traverse,
    .tp_clear = module_clear,
    .tp_weaklistoffset = offsetof(NjModule, md_weaklist),
    .tp_methods = module_methods,
    .tp_members = module_members,
    .tp_getset = module_getset,
    .tp_dictoffset = offsetof(NjModule, md_dict),
    .tp_init = module_init,
    .tp_new = module_new,
    .tp_free = PyObject_GC_Del,
};

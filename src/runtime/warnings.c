/* warnings.c - PyErr_Warn* and the _warnings module.
 *
 * The filters are the list that warnings.py shares with us (warnings.filters); whoever
 * changes it calls _filters_mutated_lock_held, which bumps the version that registries
 * remember. Showing a warning goes to warnings._showwarnmsg when that module is loaded.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "runtime/runtime.h"

#include <stdarg.h>

#define SIG(s) s "\n--\n\n"
#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

static PyObject *
default_filter(PyObject *category, const char *action, const char *module)
{
    NJ_OWN m = module ? PyUnicode_InternFromString(module) : Py_NewRef(Py_None);
    NJ_OWN a = PyUnicode_InternFromString(action);
    NJ_OWN zero = PyLong_FromLong(0);
    return m && a && zero ? PyTuple_Pack(5, a, Py_None, category, m, zero) : NULL;
}

int
nj_warnings_init(NjInterp *interp)
{
    NjWarnState *w = &interp->rt.warn;
    w->filters = PyList_New(0);
    w->once_registry = PyDict_New();
    w->default_action = PyUnicode_InternFromString("default");
    if (!w->filters || !w->once_registry || !w->default_action) {
        return -1;
    }
    const struct {
        PyObject *category;
        const char *action, *module;
    } filters[] = {{PyExc_DeprecationWarning, "default", "__main__"},
                   {PyExc_DeprecationWarning, "ignore", NULL},
                   {PyExc_PendingDeprecationWarning, "ignore", NULL},
                   {PyExc_ImportWarning, "ignore", NULL},
                   {PyExc_ResourceWarning, "ignore", NULL}};
    for (size_t i = 0; i < NJ_ARRAY_LEN(filters); i++) {
        NJ_OWN f = default_filter(filters[i].category, filters[i].action, filters[i].module);
        if (!f || PyList_Append(w->filters, f) < 0) {
            return -1;
        }
    }
    return 0;
}

void
nj_warnings_fini(NjInterp *interp)
{
    NjWarnState *w = &interp->rt.warn;
    Py_CLEAR(w->filters);
    Py_CLEAR(w->once_registry);
    Py_CLEAR(w->default_action);
    Py_CLEAR(w->context);
    Py_CLEAR(w->lock);
}

/* An attribute of the warnings module, if that is loaded (or, with try_import, can be).
 * New reference, or NULL with or without an exception. */
static PyObject *
warnings_attr(PyObject *name, bool try_import)
{
    NJ_OWN mod = NULL;
    if (try_import) {
        NJ_SET(mod, PyImport_ImportModule("warnings"));
        if (!mod) {
            if (PyErr_ExceptionMatches(PyExc_ImportError)) {
                PyErr_Clear();
            }
            return NULL;
        }
    }
    else {
        if (Py_IsFinalizing() || !nj_interp()->modules) {
            return NULL;
        }
        NJ_SET(mod, PyImport_GetModule(NJ_ID(warnings)));
        if (!mod) {
            return NULL;
        }
    }
    PyObject *v;
    (void)PyObject_GetOptionalAttr(mod, name, &v);
    return v;
}

static bool
matches(PyObject *pattern, PyObject *text, bool *error)
{
    *error = false;
    if (pattern == Py_None) {
        return true;
    }
    if (PyUnicode_CheckExact(pattern)) {
        int r = PyUnicode_Compare(pattern, text);
        *error = r == -1 && PyErr_Occurred();
        return r == 0;
    }
    NJ_OWN r = PyObject_CallMethod(pattern, "match", "O", text);
    int t = r ? PyObject_IsTrue(r) : -1;
    *error = t < 0;
    return t > 0;
}

/* 1: the action (new reference in *out) of a matching filter. 0 none, -1. */
static int
search_filters(PyObject *filters, PyObject *category, PyObject *text, Py_ssize_t lineno,
               PyObject *module, PyObject **item, PyObject **out)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(filters); i++) {
        NJ_OWN f = Py_NewRef(PyList_GET_ITEM(filters, i));
        if (!PyTuple_Check(f) || PyTuple_GET_SIZE(f) != 5) {
            PyErr_Format(PyExc_ValueError, "warnings.filters item %zd isn't a 5-tuple", i);
            return -1;
        }
        PyObject *action = PyTuple_GET_ITEM(f, 0);
        if (!PyUnicode_Check(action)) {
            PyErr_Format(PyExc_TypeError, "action must be a string, not '%.200s'",
                         Py_TYPE(action)->tp_name);
            return -1;
        }
        bool error;
        bool good_msg = matches(PyTuple_GET_ITEM(f, 1), text, &error);
        if (error) {
            return -1;
        }
        bool good_mod = matches(PyTuple_GET_ITEM(f, 3), module, &error);
        if (error) {
            return -1;
        }
        int sub = PyObject_IsSubclass(category, PyTuple_GET_ITEM(f, 2));
        if (sub < 0) {
            return -1;
        }
        Py_ssize_t ln = PyLong_AsSsize_t(PyTuple_GET_ITEM(f, 4));
        if (ln == -1 && PyErr_Occurred()) {
            return -1;
        }
        if (good_msg && good_mod && sub && (ln == 0 || ln == lineno)) {
            *out = Py_NewRef(action);
            *item = Py_NewRef(f);
            return 1;
        }
    }
    return 0;
}

/* Filters of the current catch_warnings context, when warnings are context-aware. New
 * reference or NULL (none, or error). */
static PyObject *
context_object(void)
{
    if (!nj_config()->context_aware_warnings) {
        return NULL;
    }
    PyObject *var = nj_interp()->rt.warn.context;
    PyObject *ctx = NULL;
    if (!var || PyContextVar_Get(var, NULL, &ctx) < 0) {
        return NULL;
    }
    if (ctx == Py_None) {
        Py_CLEAR(ctx);
    }
    return ctx;
}

/* The action for a warning: new reference to a str, or NULL. *item: the filter or None. */
static PyObject *
find_action(PyObject *category, PyObject *text, Py_ssize_t lineno, PyObject *module,
            PyObject **item)
{
    NjWarnState *w = &nj_interp()->rt.warn;
    *item = NULL;
    PyObject *action;
    NJ_OWN ctx = context_object();
    if (!ctx && PyErr_Occurred()) {
        return NULL;
    }
    if (ctx) {
        NJ_OWN list = PyObject_GetAttrString(ctx, "_filters");
        if (!list) {
            return NULL;
        }
        if (!PyList_Check(list)) {
            PyErr_SetString(PyExc_ValueError,
                            "_filters of warnings._warnings_context must be a list");
            return NULL;
        }
        int rc = search_filters(list, category, text, lineno, module, item, &action);
        if (rc) {
            return rc < 0 ? NULL : action;
        }
    }
    NJ_OWN filters = warnings_attr(NJ_ID(filters), false);
    if (!filters) {
        if (PyErr_Occurred()) {
            return NULL;
        }
        NJ_SET(filters, Py_XNewRef(w->filters));
    }
    else {
        Py_XSETREF(w->filters, Py_NewRef(filters)); /* still there if the name is deleted */
    }
    if (!filters || !PyList_Check(filters)) {
        PyErr_SetString(PyExc_ValueError, "_warnings.filters must be a list");
        return NULL;
    }
    int rc = search_filters(filters, category, text, lineno, module, item, &action);
    if (rc) {
        return rc < 0 ? NULL : action;
    }
    *item = Py_NewRef(Py_None);
    NJ_OWN dflt = warnings_attr(NJ_ID(defaultaction), false);
    if (!dflt) {
        if (PyErr_Occurred()) {
            return NULL;
        }
        return Py_XNewRef(w->default_action);
    }
    if (!PyUnicode_Check(dflt)) {
        PyErr_Format(PyExc_TypeError,
                     "_warnings.defaultaction must be a string, not '%.200s'",
                     Py_TYPE(dflt)->tp_name);
        return NULL;
    }
    return NJ_TAKE(dflt);
}

/* 1 if the registry has the key already; with set, it is put in. -1 on error. */
static int
already_warned(PyObject *registry, PyObject *key, bool set)
{
    NjWarnState *w = &nj_interp()->rt.warn;
    if (!key) {
        return -1;
    }
    PyObject *v;
    if (PyDict_GetItemRef(registry, NJ_ID(version), &v) < 0) {
        return -1;
    }
    long version = v && PyLong_CheckExact(v) ? PyLong_AsLong(v) : -1;
    Py_XDECREF(v);
    if (version != w->filters_version) {
        PyDict_Clear(registry);
        NJ_OWN now = PyLong_FromLong(w->filters_version);
        if (!now || PyDict_SetItem(registry, NJ_ID(version), now) < 0) {
            return -1;
        }
    }
    else {
        if (PyDict_GetItemRef(registry, key, &v) < 0) {
            return -1;
        }
        if (v) {
            int t = PyObject_IsTrue(v);
            Py_DECREF(v);
            if (t) {
                return t;
            }
        }
    }
    return set ? PyDict_SetItem(registry, key, Py_True) : 0;
}

static int
update_registry(PyObject *registry, PyObject *text, PyObject *category, bool add_zero)
{
    NJ_OWN key = NULL;
    if (add_zero) {
        NJ_OWN zero = PyLong_FromLong(0);
        NJ_SET(key, zero ? PyTuple_Pack(3, text, category, zero) : NULL);
    }
    else {
        NJ_SET(key, PyTuple_Pack(2, text, category));
    }
    return already_warned(registry, key, true);
}

/* "file:line: Category: text" and the source line, on sys.stderr. */
static void
show_plain(PyObject *filename, int lineno, PyObject *text, PyObject *category,
           PyObject *source_line)
{
    PyObject *f = nj_sys_peek(NJ_ID(stderr));
    if (!f || f == Py_None) {
        return;
    }
    NJ_OWN file = Py_NewRef(f);
    NJ_OWN name = PyObject_GetAttr(category, NJ_ID(__name__));
    if (!name) {
        PyErr_Clear();
        return;
    }
    NJ_OWN head = PyUnicode_FromFormat("%U:%d: %U: %S\n", filename, lineno, name, text);
    if (!head || PyFile_WriteObject(head, file, Py_PRINT_RAW) < 0) {
        PyErr_Clear();
        return;
    }
    NJ_OWN line = source_line ? Py_NewRef(source_line)
                              : PyErr_ProgramTextObject(filename, lineno);
    if (line) {
        NJ_OWN stripped = PyObject_CallMethod(line, "strip", NULL);
        if (stripped && PyUnicode_Check(stripped) && PyUnicode_GET_LENGTH(stripped)) {
            PyFile_WriteString("  ", file);
            PyFile_WriteObject(stripped, file, Py_PRINT_RAW);
            PyFile_WriteString("\n", file);
        }
    }
    PyErr_Clear();
}

static int
show_warning(PyObject *category, PyObject *text, PyObject *message, PyObject *filename,
             int lineno, PyObject *source_line, PyObject *source)
{
    /* a source object is worth importing the module for: it can tell where it was made */
    NJ_OWN show = warnings_attr(NJ_ID(_showwarnmsg), source != NULL && source != Py_None);
    if (!show) {
        if (PyErr_Occurred()) {
            return -1;
        }
        show_plain(filename, lineno, text, category, source_line);
        return 0;
    }
    if (!PyCallable_Check(show)) {
        PyErr_SetString(PyExc_TypeError,
                        "warnings._showwarnmsg() must be set to a callable");
        return -1;
    }
    NJ_OWN cls = warnings_attr(NJ_ID(WarningMessage), false);
    if (!cls) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_RuntimeError, "unable to get warnings.WarningMessage");
        }
        return -1;
    }
    NJ_OWN ln = PyLong_FromLong(lineno);
    NJ_OWN msg = ln ? PyObject_CallFunctionObjArgs(cls, message, category, filename, ln,
                                                   Py_None, Py_None,
                                                   source ? source : Py_None, NULL)
                    : NULL;
    NJ_OWN r = msg ? PyObject_CallOneArg(show, msg) : NULL;
    return r ? 0 : -1;
}

static PyObject *
module_from_filename(PyObject *filename)
{
    if (!PyUnicode_Check(filename)) {
        PyErr_BadArgument();
        return NULL;
    }
    Py_ssize_t n = PyUnicode_GET_LENGTH(filename);
    if (n == 0) {
        return PyUnicode_FromString("<unknown>");
    }
    if (n >= 3 && PyUnicode_READ_CHAR(filename, n - 3) == '.' &&
        PyUnicode_READ_CHAR(filename, n - 2) == 'p' &&
        PyUnicode_READ_CHAR(filename, n - 1) == 'y') {
        return PyUnicode_Substring(filename, 0, n - 3);
    }
    return Py_NewRef(filename);
}

static PyObject *
warn_explicit(PyObject *category, PyObject *message, PyObject *filename, int lineno,
              PyObject *module_, PyObject *registry, PyObject *source_line, PyObject *source)
{
    /* a module of None: nothing is shown */
    if (module_ == Py_None) {
        Py_RETURN_NONE;
    }
    if (registry && !PyDict_Check(registry) && registry != Py_None) {
        PyErr_SetString(PyExc_TypeError, "'registry' must be a dict or None");
        return NULL;
    }
    if (registry == Py_None) {
        registry = NULL;
    }
    NJ_OWN module = module_ ? Py_NewRef(module_) : module_from_filename(filename);
    if (!module) {
        return NULL;
    }
    NJ_OWN text = NULL;
    NJ_OWN msg = NULL;
    int is_warning = PyObject_IsInstance(message, PyExc_Warning);
    if (is_warning < 0) {
        return NULL;
    }
    if (is_warning) {
        NJ_SET(text, PyObject_Str(message));
        category = (PyObject *)Py_TYPE(message);
        NJ_SET(msg, Py_NewRef(message));
    }
    else {
        NJ_SET(text, Py_NewRef(message));
        NJ_SET(msg, PyObject_CallOneArg(category, message));
    }
    if (!text || !msg) {
        return NULL;
    }
    NJ_OWN ln = PyLong_FromLong(lineno);
    NJ_OWN key = ln ? PyTuple_Pack(3, text, category, ln) : NULL;
    if (!key) {
        return NULL;
    }
    if (registry) {
        int rc = already_warned(registry, key, false);
        if (rc < 0) {
            return NULL;
        }
        if (rc == 1) {
            Py_RETURN_NONE;
        }
    }
    PyObject *item_;
    NJ_OWN action = find_action(category, text, lineno, module, &item_);
    NJ_OWN item = item_;
    if (!action) {
        return NULL;
    }
    if (PyUnicode_EqualToUTF8(action, "error")) {
        PyErr_SetObject(category, msg);
        return NULL;
    }
    if (PyUnicode_EqualToUTF8(action, "ignore")) {
        Py_RETURN_NONE;
    }
    int already = 0;
    if (!PyUnicode_EqualToUTF8(action, "always") && !PyUnicode_EqualToUTF8(action, "all")) {
        if (registry && PyDict_SetItem(registry, key, Py_True) < 0) {
            return NULL;
        }
        if (PyUnicode_EqualToUTF8(action, "once")) {
            /* the shared registry: once, regardless of location */
            NJ_OWN once = warnings_attr(NJ_ID(onceregistry), false);
            if (!once) {
                if (PyErr_Occurred()) {
                    return NULL;
                }
                NJ_SET(once, Py_NewRef(nj_interp()->rt.warn.once_registry));
            }
            if (!PyDict_Check(once)) {
                PyErr_Format(PyExc_TypeError,
                             "_warnings.onceregistry must be a dict, not '%.200s'",
                             Py_TYPE(once)->tp_name);
                return NULL;
            }
            already = update_registry(once, text, category, false);
        }
        else if (PyUnicode_EqualToUTF8(action, "module")) {
            if (registry) {
                already = update_registry(registry, text, category, true);
            }
        }
        else if (!PyUnicode_EqualToUTF8(action, "default")) {
            PyErr_Format(PyExc_RuntimeError,
                         "Unrecognized action (%R) in warnings.filters:\n %R", action, item);
            return NULL;
        }
    }
    if (already < 0) {
        return NULL;
    }
    if (already == 0 && show_warning(category, text, msg, filename, lineno, source_line,
                                     source) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- the place a warning is about ------------------------------------------------------------ */

static bool
is_internal_filename(PyObject *filename)
{
    Py_ssize_t n = PyUnicode_GET_LENGTH(filename);
    NJ_OWN a = PyUnicode_FromString("importlib");
    NJ_OWN b = PyUnicode_FromString("_bootstrap");
    if (!a || !b) {
        PyErr_Clear();
        return false;
    }
    return PyUnicode_Find(filename, a, 0, n, 1) >= 0 &&
           PyUnicode_Find(filename, b, 0, n, 1) >= 0;
}

static bool
skip_frame(PyFrameObject *f, PyObject *prefixes)
{
    NJ_OWN code = (PyObject *)PyFrame_GetCode(f);
    PyObject *name = ((PyCodeObject *)code)->co_filename;
    if (prefixes) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(prefixes); i++) {
            if (PyUnicode_Tailmatch(name, PyTuple_GET_ITEM(prefixes, i), 0, PY_SSIZE_T_MAX,
                                    -1) == 1) {
                return true;
            }
        }
    }
    return is_internal_filename(name);
}

static PyFrameObject *
next_external(PyFrameObject *f, PyObject *prefixes)
{
    do {
        PyFrameObject *back = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
    } while (f && skip_frame(f, prefixes));
    return f;
}

/* All outputs are new references. 0 / -1 */
static int
locate(Py_ssize_t stack_level, PyObject *prefixes, PyObject **filename, int *lineno,
       PyObject **module, PyObject **registry)
{
    PyFrameObject *f = PyThreadState_GetFrame(nj_tstate());
    PyObject *globals = NULL;
    *filename = *module = *registry = NULL;
    if (f) {
        NJ_OWN code = (PyObject *)PyFrame_GetCode(f);
        if (stack_level <= 0 || is_internal_filename(((PyCodeObject *)code)->co_filename)) {
            while (--stack_level > 0 && f) {
                PyFrameObject *back = PyFrame_GetBack(f);
                Py_DECREF(f);
                f = back;
            }
        }
        else {
            while (--stack_level > 0 && f) {
                f = next_external(f, prefixes);
            }
        }
    }
    if (!f) {
        globals = Py_XNewRef(nj_interp()->sysdict);
        *filename = PyUnicode_FromString("<sys>");
        *lineno = 0;
    }
    else {
        globals = PyFrame_GetGlobals(f);
        NJ_OWN code = (PyObject *)PyFrame_GetCode(f);
        *filename = Py_NewRef(((PyCodeObject *)code)->co_filename);
        *lineno = PyFrame_GetLineNumber(f);
        Py_DECREF(f);
    }
    NJ_OWN g = globals;
    if (!g || !*filename) {
        return -1;
    }
    PyObject *reg;
    if (PyDict_GetItemRef(g, NJ_ID(__warningregistry__), &reg) < 0) {
        return -1;
    }
    if (!reg) {
        reg = PyDict_New();
        if (!reg || PyDict_SetItem(g, NJ_ID(__warningregistry__), reg) < 0) {
            Py_XDECREF(reg);
            return -1;
        }
    }
    *registry = reg;
    PyObject *name;
    if (PyDict_GetItemRef(g, NJ_ID(__name__), &name) < 0) {
        return -1;
    }
    if (name && name != Py_None && PyUnicode_Check(name)) {
        *module = name;
    }
    else {
        Py_XDECREF(name);
        *module = PyUnicode_FromString("<string>");
    }
    return *module ? 0 : -1;
}

static PyObject *
do_warn(PyObject *message, PyObject *category, Py_ssize_t stack_level, PyObject *source,
        PyObject *prefixes)
{
    PyObject *filename_, *module_, *registry_;
    int lineno;
    int rc = locate(stack_level, prefixes, &filename_, &lineno, &module_, &registry_);
    NJ_OWN filename = filename_;
    NJ_OWN module = module_;
    NJ_OWN registry = registry_;
    return rc < 0 ? NULL
                  : warn_explicit(category, message, filename, lineno, module, registry,
                                  NULL, source);
}

/* The class of the warning: borrowed, or NULL with TypeError. */
static PyObject *
get_category(PyObject *message, PyObject *category)
{
    int rc = PyObject_IsInstance(message, PyExc_Warning);
    if (rc < 0) {
        return NULL;
    }
    if (rc) {
        return (PyObject *)Py_TYPE(message);
    }
    if (!category || category == Py_None) {
        return PyExc_UserWarning;
    }
    rc = PyType_Check(category) ? PyObject_IsSubclass(category, PyExc_Warning) : 0;
    if (rc < 0) {
        return NULL;
    }
    if (rc == 0) {
        PyErr_Format(PyExc_TypeError, "category must be a Warning subclass, not '%s'",
                     Py_TYPE(category)->tp_name);
        return NULL;
    }
    return category;
}

/* --- C API ------------------------------------------------------------------------------------------ */

static int
warn_text(PyObject *category, PyObject *text, Py_ssize_t level, PyObject *source)
{
    NJ_OWN r = do_warn(text, category ? category : PyExc_RuntimeWarning, level, source, NULL);
    return r ? 0 : -1;
}

static int
warn_v(PyObject *source, PyObject *category, Py_ssize_t level, const char *fmt, va_list va)
{
    NJ_OWN text = PyUnicode_FromFormatV(fmt, va);
    return text ? warn_text(category, text, level, source) : -1;
}

int
PyErr_WarnFormat(PyObject *category, Py_ssize_t level, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    int rc = warn_v(NULL, category, level, fmt, va);
    va_end(va);
    return rc;
}

int
PyErr_ResourceWarning(PyObject *source, Py_ssize_t level, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    int rc = warn_v(source, PyExc_ResourceWarning, level, fmt, va);
    va_end(va);
    return rc;
}

int
PyErr_WarnEx(PyObject *category, const char *text, Py_ssize_t level)
{
    NJ_OWN t = PyUnicode_FromString(text);
    return t ? warn_text(category, t, level, NULL) : -1;
}

#undef PyErr_Warn
PyAPI_FUNC(int) PyErr_Warn(PyObject *category, const char *text);
int
PyErr_Warn(PyObject *category, const char *text)
{
    return PyErr_WarnEx(category, text, 1);
}

int
PyErr_WarnExplicitObject(PyObject *category, PyObject *message, PyObject *filename,
                         int lineno, PyObject *module, PyObject *registry)
{
    if (!category) {
        category = PyExc_RuntimeWarning;
    }
    NJ_OWN r = warn_explicit(category, message, filename, lineno, module, registry, NULL,
                             NULL);
    return r ? 0 : -1;
}

int
PyErr_WarnExplicit(PyObject *category, const char *text, const char *filename, int lineno,
                   const char *module, PyObject *registry)
{
    NJ_OWN t = PyUnicode_FromString(text);
    NJ_OWN f = t ? PyUnicode_DecodeFSDefault(filename) : NULL;
    NJ_OWN m = f && module ? PyUnicode_FromString(module) : NULL;
    if (!f || (module && !m)) {
        return -1;
    }
    return PyErr_WarnExplicitObject(category, t, f, lineno, m, registry);
}

int
PyErr_WarnExplicitFormat(PyObject *category, const char *filename, int lineno,
                         const char *module, PyObject *registry, const char *fmt, ...)
{
    va_list va;
    va_start(va, fmt);
    NJ_OWN t = PyUnicode_FromFormatV(fmt, va);
    va_end(va);
    NJ_OWN f = t ? PyUnicode_DecodeFSDefault(filename) : NULL;
    NJ_OWN m = f && module ? PyUnicode_FromString(module) : NULL;
    if (!f || (module && !m)) {
        return -1;
    }
    return PyErr_WarnExplicitObject(category, t, f, lineno, m, registry);
}

/* --- _warnings ---------------------------------------------------------------------------------------- */

static PyObject *
warnings_warn(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"message", "category", "stacklevel", "source",
                                        "skip_file_prefixes", NULL};
    static const NjParams params = {"warn", names, 4, 1, 0};
    PyObject *a[5];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    Py_ssize_t level = 1;
    if (a[2]) {
        NJ_OWN i = PyNumber_Index(a[2]);
        if (!i) {
            return NULL;
        }
        level = PyLong_AsSsize_t(i);
        if (level == -1 && PyErr_Occurred()) {
            return NULL;
        }
    }
    PyObject *prefixes = a[4];
    if (prefixes) {
        if (!PyTuple_Check(prefixes)) {
            _PyArg_BadArgument("warn", "argument 'skip_file_prefixes'", "tuple", prefixes);
            return NULL;
        }
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(prefixes); i++) {
            PyObject *p = PyTuple_GET_ITEM(prefixes, i);
            if (!PyUnicode_Check(p)) {
                PyErr_Format(PyExc_TypeError,
                             "Found non-str '%s' in skip_file_prefixes.",
                             Py_TYPE(p)->tp_name);
                return NULL;
            }
        }
        if (PyTuple_GET_SIZE(prefixes) == 0) {
            prefixes = NULL;
        }
        else if (level < 2) {
            level = 2;
        }
    }
    PyObject *category = get_category(a[0], a[1]);
    return category ? do_warn(a[0], category, level, a[3], prefixes) : NULL;
}

/* The line of source that linecache finds through the module's loader (and then keeps for
 * whoever formats the warning), or NULL: with an exception if the module's loader and spec
 * disagree in a way that importlib refuses. */
static PyObject *
line_from_loader(PyObject *filename, PyObject *globals, int lineno)
{
    NJ_OWN ext = nj_interp()->importlib
                     ? PyObject_GetAttrString(nj_interp()->importlib, "_bootstrap_external")
                     : NULL;
    if (!ext) {
        PyErr_Clear();
        return NULL;
    }
    NJ_OWN bless = PyObject_GetAttrString(ext, "_bless_my_loader");
    NJ_OWN loader = bless ? PyObject_CallOneArg(bless, globals) : NULL;
    if (!loader) {
        return NULL;
    }
    NJ_OWN f = PyImport_ImportModuleAttrString("linecache", "getlines");
    NJ_OWN lines = f ? PyObject_CallFunctionObjArgs(f, filename, globals, NULL) : NULL;
    if (!lines || !PyList_Check(lines)) {
        PyErr_Clear();
        return NULL;
    }
    if (lineno < 1 || lineno > PyList_GET_SIZE(lines)) {
        return NULL;
    }
    PyObject *line = PyList_GET_ITEM(lines, lineno - 1);
    return PyUnicode_Check(line) ? Py_NewRef(line) : NULL;
}

static PyObject *
warnings_warn_explicit(PyObject *m, PyObject *const *args, Py_ssize_t nargs,
                       PyObject *kwnames)
{
    static const char *const names[] = {"message",  "category", "filename",
                                        "lineno",   "module",   "registry",
                                        "module_globals", "source", NULL};
    static const NjParams params = {"warn_explicit", names, 8, 4, 0};
    PyObject *a[8];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    if (!PyUnicode_Check(a[2])) {
        _PyArg_BadArgument("warn_explicit", "argument 'filename'", "str", a[2]);
        return NULL;
    }
    int lineno = PyLong_AsInt(a[3]);
    if (lineno == -1 && PyErr_Occurred()) {
        return NULL;
    }
    PyObject *category = get_category(a[0], a[1]);
    if (!category) {
        return NULL;
    }
    NJ_OWN line = NULL;
    if (a[6] && a[6] != Py_None) {
        if (!PyDict_Check(a[6])) {
            PyErr_Format(PyExc_TypeError, "module_globals must be a dict, not '%.200s'",
                         Py_TYPE(a[6])->tp_name);
            return NULL;
        }
        NJ_SET(line, line_from_loader(a[2], a[6], lineno));
        if (!line && PyErr_Occurred()) {
            return NULL;
        }
    }
    return warn_explicit(category, a[0], a[2], lineno, a[4], a[5], line, a[7]);
}

static PyObject *
warnings_filters_mutated(PyObject *m, PyObject *unused)
{
    nj_interp()->rt.warn.filters_version++;
    Py_RETURN_NONE;
}

static PyObject *
warnings_acquire(PyObject *m, PyObject *unused)
{
    PyObject *lock = nj_interp()->rt.warn.lock;
    if (!lock) {
        Py_RETURN_NONE;
    }
    NJ_OWN r = PyObject_CallMethod(lock, "acquire", NULL);
    return r ? Py_NewRef(Py_None) : NULL;
}

static PyObject *
warnings_release(PyObject *m, PyObject *unused)
{
    PyObject *lock = nj_interp()->rt.warn.lock;
    if (!lock) {
        Py_RETURN_NONE;
    }
    NJ_OWN r = PyObject_CallMethod(lock, "release", NULL);
    return r ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef warnings_methods[] = {
    {"warn", FN(warnings_warn), FK,
     SIG("warn($module, /, message, category=None, stacklevel=1, source=None, *,\n"
         "     skip_file_prefixes=())") "Issue a warning, or ignore it, or raise."},
    {"warn_explicit", FN(warnings_warn_explicit), FK,
     SIG("warn_explicit($module, /, message, category, filename, lineno,\n"
         "              module=<unrepresentable>, registry=None,\n"
         "              module_globals=None, source=None)")
     "Issue a warning about a given place."},
    {"_filters_mutated_lock_held", warnings_filters_mutated, METH_NOARGS,
     SIG("_filters_mutated_lock_held($module, /)") "The filters have changed."},
    {"_acquire_lock", warnings_acquire, METH_NOARGS,
     SIG("_acquire_lock($module, /)") "Take the lock of the filters."},
    {"_release_lock", warnings_release, METH_NOARGS,
     SIG("_release_lock($module, /)") "Give the lock of the filters back."},
    {NULL, NULL, 0, NULL},
};

static int
warnings_exec(PyObject *mod)
{
    NjWarnState *w = &nj_interp()->rt.warn;
    if (!w->context) {
        w->context = PyContextVar_New("_warnings_context", NULL);
        if (!w->context) {
            return -1;
        }
    }
    if (!w->lock) {
        w->lock = PyImport_ImportModuleAttrString("_thread", "RLock");
        if (w->lock) {
            Py_SETREF(w->lock, PyObject_CallNoArgs(w->lock));
        }
        if (!w->lock) {
            PyErr_Clear();
        }
    }
    if (PyModule_AddObjectRef(mod, "filters", w->filters) < 0 ||
        PyModule_AddObjectRef(mod, "_onceregistry", w->once_registry) < 0 ||
        PyModule_AddObjectRef(mod, "_defaultaction", w->default_action) < 0 ||
        PyModule_AddObjectRef(mod, "_warnings_context", w->context) < 0) {
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot warnings_slots[] = {
    {Py_mod_exec, warnings_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef warnings_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_warnings",
    .m_doc = "_warnings provides basic warning filtering support.\nIt is a helper module to "
             "speed up interpreter start-up.",
    .m_methods = warnings_methods,
    .m_slots = warnings_slots,
};

PyMODINIT_FUNC PyInit__warnings(void);
PyMODINIT_FUNC
PyInit__warnings(void)
{
    return PyModuleDef_Init(&warnings_def);
}

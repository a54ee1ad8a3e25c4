/* import.c - the C half of the import system: PyImport_*, the _imp module, built-in and
 * extension modules.
 *
 * The search itself is importlib's. It is started from its source as the frozen modules
 * _frozen_importlib and _frozen_importlib_external (frozen.c has their code). What is
 * here is the fast path of the import statement (a hit in sys.modules), the making of
 * modules from C, and the cutting of importlib's own frames out of tracebacks.
 *
 * sys.modules may be anything the user put there; a dict is only assumed when it is one.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "capi/args.h"
#include "objects/type_int.h"
#include "runtime/frozen.h"
#include "runtime/runtime.h"
#include "vm/vm.h"

#include <marshal.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC_NUMBER 3627
#define CACHE_TAG "cpython-314"

#define SIG(s) s "\n--\n\n"
#define FK (METH_FASTCALL | METH_KEYWORDS)
#define FN(f) (PyCFunction)(void (*)(void))f

/* --- built-in modules ------------------------------------------------------------------- */

#define NJ_MODULE(name, init) extern PyObject *init(void);
#include "modules/builtin_modules.def"
#undef NJ_MODULE

static struct _inittab builtin_table[] = {
    {"builtins", NULL},
    {"sys", NULL},
#define NJ_MODULE(name, init) {#name, init},
#include "modules/builtin_modules.def"
#undef NJ_MODULE
    {NULL, NULL},
};

struct _inittab *PyImport_Inittab = builtin_table;

int
PyImport_ExtendInittab(struct _inittab *newtab)
{
    if (nj_runtime.initialized) {
        Py_FatalError("PyImport_ExtendInittab() may not be called after Py_Initialize()");
    }
    size_t n = 0, k = 0;
    while (newtab[n].name) {
        n++;
    }
    if (n == 0) {
        return 0;
    }
    while (PyImport_Inittab[k].name) {
        k++;
    }
    struct _inittab *t = malloc((n + k + 1) * sizeof *t);
    if (!t) {
        return -1;
    }
    memcpy(t, PyImport_Inittab, k * sizeof *t);
    memcpy(t + k, newtab, (n + 1) * sizeof *t);
    if (PyImport_Inittab != builtin_table) {
        free(PyImport_Inittab);
    }
    PyImport_Inittab = t;
    return 0;
}

int
PyImport_AppendInittab(const char *name, PyObject *(*init)(void))
{
    struct _inittab t[2] = {{name, init}, {NULL, NULL}};
    return PyImport_ExtendInittab(t);
}

static const struct _inittab *
find_builtin(PyObject *name)
{
    for (const struct _inittab *t = PyImport_Inittab; t->name; t++) {
        if (PyUnicode_EqualToUTF8(name, t->name)) {
            return t;
        }
    }
    return NULL;
}

PyObject *
nj_builtin_module_names(void)
{
    NJ_OWN list = PyList_New(0);
    if (!list) {
        return NULL;
    }
    for (const struct _inittab *t = PyImport_Inittab; t->name; t++) {
        NJ_OWN s = PyUnicode_InternFromString(t->name);
        if (!s || PyList_Append(list, s) < 0) {
            return NULL;
        }
    }
    return PyList_Sort(list) < 0 ? NULL : PyList_AsTuple(list);
}

/* --- sys.modules ------------------------------------------------------------------------- */

static PyObject *
modules_peek(void)
{
    PyObject *m = nj_interp()->modules;
    if (!m) {
        PyErr_SetString(PyExc_RuntimeError, "unable to get sys.modules");
    }
    return m;
}

PyObject *
PyImport_GetModuleDict(void)
{
    PyObject *m = nj_interp()->modules;
    if (!m) {
        Py_FatalError("interpreter has no modules dictionary");
    }
    return m;
}

/* 1 / 0 / -1 */
static int
find_loaded(PyObject *name, PyObject **out)
{
    PyObject *modules = modules_peek();
    *out = NULL;
    if (!modules) {
        return -1;
    }
    return PyDict_CheckExact(modules) ? PyDict_GetItemRef(modules, name, out)
                                      : PyMapping_GetOptionalItem(modules, name, out);
}

PyObject *
PyImport_GetModule(PyObject *name)
{
    PyObject *m;
    if (find_loaded(name, &m) <= 0) {
        return NULL;
    }
    return m;
}

static PyObject *
add_module(PyObject *name)
{
    PyObject *m;
    if (find_loaded(name, &m) < 0) {
        return NULL;
    }
    if (m && PyModule_Check(m)) {
        return m;
    }
    Py_XDECREF(m);
    m = PyModule_NewObject(name);
    if (m && PyObject_SetItem(modules_peek(), name, m) < 0) {
        Py_CLEAR(m);
    }
    return m;
}

PyObject *
PyImport_AddModuleRef(const char *name)
{
    NJ_OWN s = PyUnicode_FromString(name);
    return s ? add_module(s) : NULL;
}

PyObject *
PyImport_AddModuleObject(PyObject *name)
{
    PyObject *m = add_module(name);
    Py_XDECREF(m); /* sys.modules holds it: the documented weakness of this function */
    return m;
}

PyObject *
PyImport_AddModule(const char *name)
{
    PyObject *m = PyImport_AddModuleRef(name);
    Py_XDECREF(m);
    return m;
}

static void
remove_module(PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *modules = nj_interp()->modules;
    if (PyDict_CheckExact(modules)) {
        (void)PyDict_Pop(modules, name, NULL);
    }
    else if (PyMapping_HasKeyWithError(modules, name) > 0) {
        (void)PyObject_DelItem(modules, name);
    }
    if (PyErr_Occurred()) {
        PyErr_Clear();
    }
    PyErr_SetRaisedException(exc);
}

/* --- modules from code ---------------------------------------------------------------------- */

/* Runs code in sys.modules[name], made if missing: new reference to what stands there. */
static PyObject *
exec_in_module(PyObject *name, PyObject *mod, PyObject *code)
{
    PyObject *d = PyModule_GetDict(mod);
    int has = PyDict_Contains(d, NJ_ID(__builtins__));
    if (has < 0 ||
        (!has && PyDict_SetItem(d, NJ_ID(__builtins__), PyEval_GetBuiltins()) < 0)) {
        remove_module(name);
        return NULL;
    }
    NJ_OWN v = PyEval_EvalCode(code, d, d);
    if (!v) {
        remove_module(name);
        return NULL;
    }
    PyObject *m;
    if (find_loaded(name, &m) == 0) {
        PyErr_Format(PyExc_ImportError, "Loaded module %R not found in sys.modules", name);
    }
    return m;
}

PyObject *
PyImport_ExecCodeModuleObject(PyObject *name, PyObject *co, PyObject *path,
                              PyObject *cpath)
{
    NJ_OWN mod = add_module(name);
    if (!mod) {
        return NULL;
    }
    PyObject *d = PyModule_GetDict(mod);
    if (!PyCode_Check(co)) {
        remove_module(name);
        PyErr_Format(PyExc_TypeError, "expected code object, got %.200s", Py_TYPE(co)->tp_name);
        return NULL;
    }
    if (!path) {
        path = ((PyCodeObject *)co)->co_filename;
    }
    PyObject *external = NULL;
    if (nj_interp()->importlib) {
        external = PyObject_GetAttrString(nj_interp()->importlib, "_bootstrap_external");
    }
    if (external) {
        NJ_OWN ext = external;
        NJ_OWN fix = PyObject_GetAttrString(ext, "_fix_up_module");
        NJ_OWN r = fix ? PyObject_CallFunctionObjArgs(fix, d, name, path,
                                                      cpath ? cpath : Py_None, NULL)
                       : NULL;
        if (!r) {
            remove_module(name);
            return NULL;
        }
    }
    else {
        PyErr_Clear();
    }
    return exec_in_module(name, mod, co);
}

PyObject *
PyImport_ExecCodeModuleWithPathnames(const char *name, PyObject *co, const char *path,
                                     const char *cpath)
{
    NJ_OWN n = PyUnicode_FromString(name);
    NJ_OWN cp = cpath ? PyUnicode_DecodeFSDefault(cpath) : NULL;
    NJ_OWN p = path ? PyUnicode_DecodeFSDefault(path) : NULL;
    if (!n || (cpath && !cp) || (path && !p)) {
        return NULL;
    }
    if (!p && cp && nj_interp()->importlib) {
        NJ_OWN ext = PyObject_GetAttrString(nj_interp()->importlib, "_bootstrap_external");
        if (!ext) {
            return NULL;
        }
        NJ_SET(p, PyObject_CallMethod(ext, "_get_sourcefile", "O", cp));
        if (!p) {
            PyErr_Clear();
        }
    }
    return PyImport_ExecCodeModuleObject(n, co, p, cp);
}

PyObject *
PyImport_ExecCodeModuleEx(const char *name, PyObject *co, const char *path)
{
    return PyImport_ExecCodeModuleWithPathnames(name, co, path, NULL);
}

PyObject *
PyImport_ExecCodeModule(const char *name, PyObject *co)
{
    return PyImport_ExecCodeModuleWithPathnames(name, co, NULL, NULL);
}

/* --- frozen modules ---------------------------------------------------------------------------- */

int
PyImport_ImportFrozenModuleObject(PyObject *name)
{
    NjFrozen f;
    int rc = nj_frozen_find(name, &f);
    if (rc <= 0) {
        return rc;
    }
    NJ_OWN code = nj_frozen_code(name, &f);
    if (!code) {
        return -1;
    }
    NJ_OWN mod = add_module(name);
    if (!mod) {
        return -1;
    }
    PyObject *d = PyModule_GetDict(mod);
    if (f.is_package) {
        NJ_OWN path = PyList_New(0);
        if (!path || PyDict_SetItem(d, NJ_ID(__path__), path) < 0) {
            remove_module(name);
            return -1;
        }
    }
    NJ_OWN m = exec_in_module(name, mod, code);
    if (!m) {
        return -1;
    }
    NJ_OWN orig = f.origname ? PyUnicode_FromString(f.origname) : Py_NewRef(Py_None);
    return orig && PyObject_SetAttr(m, NJ_ID(__origname__), orig) == 0 ? 1 : -1;
}

int
PyImport_ImportFrozenModule(const char *name)
{
    NJ_OWN s = PyUnicode_InternFromString(name);
    return s ? PyImport_ImportFrozenModuleObject(s) : -1;
}

/* --- extension modules --------------------------------------------------------------------------- */

const char *
nj_import_full_name(const char *name)
{
    const char *ctx = nj_interp()->rt.package_context;
    if (ctx) {
        const char *dot = strrchr(ctx, '.');
        if (dot && strcmp(dot + 1, name) == 0) {
            nj_interp()->rt.package_context = NULL;
            return ctx;
        }
    }
    return name;
}

int
nj_import_check_interp(const char *name)
{
    NjInterp *interp = nj_interp();
    int o = interp->rt.multi_interp_override;
    bool check = o ? o > 0 : interp->rt.isolated_exts;
    if (check && !nj_is_main_interp(interp)) {
        PyErr_Format(PyExc_ImportError,
                     "module %s does not support loading in subinterpreters", name);
        return -1;
    }
    return 0;
}

/* What an init function returned becomes a module. path NULL: built in. Steals res. */
static PyObject *
finish_init(PyObject *(*init)(void), PyObject *res, PyObject *name, PyObject *path,
            PyObject *spec, const char *label)
{
    if (!res) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_SystemError,
                         "initialization of %s failed without raising an exception", label);
        }
        return NULL;
    }
    if (PyErr_Occurred()) {
        Py_DECREF(res);
        return _PyErr_FormatFromCause(
            PyExc_SystemError, "initialization of %s raised unreported exception", label);
    }
    if (!Py_TYPE(res)) {
        PyErr_Format(PyExc_SystemError, "init function of %s returned uninitialized object",
                     label);
        return NULL;
    }
    if (Py_IS_TYPE(res, &PyModuleDef_Type)) {
        return PyModule_FromDefAndSpec((PyModuleDef *)res, spec);
    }
    NJ_OWN mod = res;
    if (!PyModule_Check(mod)) {
        PyErr_Format(PyExc_SystemError,
                     "initialization of %s did not return an extension module", label);
        return NULL;
    }
    PyModuleDef *def = PyModule_GetDef(mod);
    if (!def) {
        PyErr_Format(PyExc_SystemError,
                     "initialization of %s did not return a valid extension module", label);
        return NULL;
    }
    if (nj_import_check_interp(label) < 0) {
        return NULL;
    }
    def->m_base.m_init = init;
    if (path && PyModule_AddObjectRef(mod, "__file__", path) < 0) {
        PyErr_Clear();
    }
    if (def->m_size == -1) {
        NJ_OWN copy = PyDict_Copy(PyModule_GetDict(mod));
        if (!copy) {
            return NULL;
        }
        Py_XSETREF(def->m_base.m_copy, NJ_TAKE(copy));
    }
    if (PyState_FindModule(def) != mod && PyState_AddModule(mod, def) < 0) {
        return NULL;
    }
    /* a second import in this interpreter gets a copy of the same dict */
    NjInterp *interp = nj_interp();
    if (!interp->rt.import_cache && !(interp->rt.import_cache = PyDict_New())) {
        return NULL;
    }
    NJ_OWN key = PyTuple_Pack(2, path ? path : name, name);
    NJ_OWN cap = PyCapsule_New(def, NULL, NULL);
    if (!key || !cap || PyDict_SetItem(interp->rt.import_cache, key, cap) < 0) {
        return NULL;
    }
    return NJ_TAKE(mod);
}

int
nj_import_forget(PyObject *path, PyObject *name)
{
    NjInterp *interp = nj_interp();
    NJ_OWN key = PyTuple_Pack(2, path, name);
    NJ_OWN cap = NULL;
    PyObject *c = NULL;
    if (!key || (interp->rt.import_cache && PyDict_Pop(interp->rt.import_cache, key, &c) < 0)) {
        return -1;
    }
    NJ_SET(cap, c);
    PyModuleDef *def = c ? PyCapsule_GetPointer(c, NULL) : NULL;
    if (!def) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_CLEAR(def->m_base.m_copy);
    if (PyState_FindModule(def)) {
        return PyState_RemoveModule(def);
    }
    return 0;
}

/* A module imported before in this interpreter, made anew from its definition. 1/0/-1 */
static int
reload_single_phase(PyObject *name, PyObject *path, PyObject **out)
{
    *out = NULL;
    NjInterp *interp = nj_interp();
    if (!interp->rt.import_cache) {
        return 0;
    }
    NJ_OWN key = PyTuple_Pack(2, path ? path : name, name);
    NJ_OWN cap = NULL;
    PyObject *c;
    int rc = key ? PyDict_GetItemRef(interp->rt.import_cache, key, &c) : -1;
    if (rc <= 0) {
        return rc;
    }
    NJ_SET(cap, c);
    const char *label = PyUnicode_AsUTF8(name);
    if (!label || nj_import_check_interp(label) < 0) {
        return -1;
    }
    PyModuleDef *def = PyCapsule_GetPointer(cap, NULL);
    NJ_OWN mod = NULL;
    if (def->m_size == -1) {
        if (!def->m_base.m_copy) {
            return 0;
        }
        NJ_SET(mod, add_module(name));
        if (!mod || PyDict_Update(PyModule_GetDict(mod), def->m_base.m_copy) < 0) {
            return -1;
        }
    }
    else {
        if (!def->m_base.m_init) {
            return 0;
        }
        NJ_SET(mod, def->m_base.m_init());
        if (!mod || PyObject_SetItem(modules_peek(), name, mod) < 0) {
            return -1;
        }
    }
    if (PyState_FindModule(def) != mod && PyState_AddModule(mod, def) < 0) {
        return -1;
    }
    *out = NJ_TAKE(mod);
    return 1;
}

PyObject *
nj_import_builtin(PyObject *name, PyObject *spec)
{
    NjInterp *interp = nj_interp();
    if (PyUnicode_EqualToUTF8(name, "sys")) {
        return Py_NewRef(interp->rt.sysmod);
    }
    if (PyUnicode_EqualToUTF8(name, "builtins")) {
        return Py_NewRef(interp->rt.builtinsmod);
    }
    PyObject *m;
    int rc = reload_single_phase(name, NULL, &m);
    if (rc) {
        return rc < 0 ? NULL : m;
    }
    const struct _inittab *t = find_builtin(name);
    if (!t || !t->initfunc) {
        Py_RETURN_NONE;
    }
    return finish_init(t->initfunc, t->initfunc(), name, NULL, spec, t->name);
}

/* PyInit_NAME, or PyInitU_PUNYCODE for a name beyond ASCII; RawMalloc'd... */
static int
init_symbol(PyObject *name, char *out, size_t n)
{
    Py_ssize_t len = PyUnicode_GET_LENGTH(name);
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, len, -1);
    if (dot == -2) {
        return -1;
    }
    NJ_OWN last = dot >= 0 ? PyUnicode_Substring(name, dot + 1, len) : Py_NewRef(name);
    if (!last) {
        return -1;
    }
    bool ascii = PyUnicode_IS_ASCII(last);
    NJ_OWN bytes = PyUnicode_AsEncodedString(last, ascii ? "ascii" : "punycode", NULL);
    if (!bytes) {
        return -1;
    }
    snprintf(out, n, "%s%s", ascii ? "PyInit_" : "PyInitU_", PyBytes_AS_STRING(bytes));
    for (char *p = out; *p; p++) {
        if (*p == '-') {
            *p = '_';
        }
    }
    return 0;
}

static int
check_text(PyObject *o, const char *complaint)
{
    if (!PyUnicode_Check(o)) {
        PyErr_SetString(PyExc_TypeError, complaint);
        return -1;
    }
    if (PyUnicode_FindChar(o, 0, 0, PyUnicode_GET_LENGTH(o), 1) >= 0) {
        PyErr_SetString(PyExc_ValueError, "embedded null character");
        return -1;
    }
    return 0;
}

static PyObject *
load_dynamic(PyObject *spec)
{
    NJ_OWN name = PyObject_GetAttr(spec, NJ_ID(name));
    NJ_OWN path = name ? PyObject_GetAttr(spec, NJ_ID(origin)) : NULL;
    if (!path) {
        return NULL;
    }
    if (check_text(name, "module name must be a string") < 0) {
        return NULL;
    }
    const char *label = PyUnicode_AsUTF8(name);
    if (!label || check_text(path, "module filename must be a string") < 0) {
        return NULL;
    }
    NJ_OWN file = PyUnicode_EncodeFSDefault(path);
    if (!file) {
        return NULL;
    }
    PyObject *m;
    int rc = reload_single_phase(name, path, &m);
    if (rc) {
        return rc < 0 ? NULL : m;
    }
    if (PySys_Audit("import", "OOOOO", name, path, Py_None, Py_None, Py_None) < 0) {
        return NULL;
    }
    char symbol[300];
    if (init_symbol(name, symbol, sizeof symbol) < 0) {
        return NULL;
    }
    char local[4096];
    const char *cpath = PyBytes_AS_STRING(file);
    if (!strchr(cpath, '/')) {
        snprintf(local, sizeof local, "./%s", cpath);
        cpath = local;
    }
    void *lib = dlopen(cpath, nj_interp()->rt.dlopen_flags);
    if (!lib) {
        const char *err = dlerror();
        NJ_OWN msg = PyUnicode_DecodeLocale(err ? err : "unknown dlopen() error",
                                            "surrogateescape");
        if (msg) {
            PyErr_SetImportError(msg, name, path);
        }
        return NULL;
    }
    PyObject *(*init)(void) = (PyObject *(*)(void))dlsym(lib, symbol);
    if (!init) {
        NJ_OWN msg = PyUnicode_FromFormat(
            "dynamic module does not define module export function (%s)", symbol);
        if (msg) {
            PyErr_SetImportError(msg, name, path);
        }
        return NULL;
    }
    const char *old = nj_interp()->rt.package_context;
    nj_interp()->rt.package_context = label;
    PyObject *res = init();
    nj_interp()->rt.package_context = old;
    NJ_OWN made = finish_init(init, res, name, path, spec, label);
    return NJ_TAKE(made);
}

/* --- the import statement ---------------------------------------------------------------------------- */

/* Cuts runs of importlib's frames out of the traceback of the exception that is set. */
static void
hide_importlib_frames(void)
{
    if (nj_interp()->rt.config.verbose) {
        return;
    }
    PyObject *exc = PyErr_GetRaisedException();
    if (!exc) {
        return;
    }
    bool always = PyType_IsSubtype(Py_TYPE(exc), (PyTypeObject *)PyExc_ImportError);
    PyObject *base = PyException_GetTraceback(exc);
    PyObject *head = base;
    PyObject **prev = &head, **outer = NULL;
    bool inside = false;
    /* links are changed in place; `owned' by their predecessors throughout */
    PyObject *tb = head;
    while (tb) {
        PyTracebackObject *t = (PyTracebackObject *)tb;
        PyCodeObject *code = PyFrame_GetCode(t->tb_frame);
        bool now = PyUnicode_EqualToUTF8(code->co_filename, "<frozen importlib._bootstrap>") ||
                   PyUnicode_EqualToUTF8(code->co_filename,
                                         "<frozen importlib._bootstrap_external>");
        if (now && !inside) {
            outer = prev;
        }
        inside = now;
        PyObject *next = (PyObject *)t->tb_next;
        if (inside && (always || PyUnicode_EqualToUTF8(code->co_name,
                                                       "_call_with_frames_removed"))) {
            Py_XINCREF(next);
            Py_XSETREF(*outer, next);
            prev = outer;
        }
        else {
            prev = (PyObject **)&t->tb_next;
        }
        Py_DECREF(code);
        tb = next;
    }
    if (!head) {
        head = Py_NewRef(Py_None);
    }
    PyException_SetTraceback(exc, head);
    Py_DECREF(head);
    PyErr_SetRaisedException(exc);
}

NJ_PROBE_DEFINE(import__find__load__start);
NJ_PROBE_DEFINE(import__find__load__done);

/* The name as it can be printed: bytes, NULL if memory is short. Keeps an exception. */
static NJ_COLD PyObject *
encoded_name(PyObject *name)
{
    PyObject *exc = PyErr_GetRaisedException();
    PyObject *text = PyUnicode_AsEncodedString(name, "utf-8", "backslashreplace");
    PyErr_Clear();
    PyErr_SetRaisedException(exc);
    return text;
}

static NJ_COLD void
probe_start(PyObject *name)
{
    NJ_OWN text = encoded_name(name);
    NJ_PROBE(import__find__load__start, "8@%0", "r"(text ? PyBytes_AS_STRING(text) : NULL));
}

static NJ_COLD void
probe_done(PyObject *name, bool found)
{
    NJ_OWN text = encoded_name(name);
    NJ_PROBE(import__find__load__done, "8@%0 -4@%1",
             "r"(text ? PyBytes_AS_STRING(text) : NULL), "r"((int)found));
}

/* The same for a line of -X importtime, after the line that heads them. */
static PyObject *
printable_name(NjInterp *interp, PyObject *name)
{
    if (!interp->rt.import_clock.header) {
        interp->rt.import_clock.header = true;
        fputs("import time: self [us] | cumulative | imported package\n", stderr);
    }
    return encoded_name(name);
}

/* -X importtime=2: imports that find the module loaded. */
static NJ_COLD void
tell_cached(NjInterp *interp, PyObject *name)
{
    NJ_OWN text = printable_name(interp, name);
    fprintf(stderr, "import time: cached    | cached     | %*s\n",
            interp->rt.import_clock.level * 2, text ? PyBytes_AS_STRING(text) : "?");
}

/* -X importtime: a line for each module, the innermost first. */
static PyObject *
timed_find_and_load(NjInterp *interp, PyObject **args)
{
    NJ_OWN text = printable_name(interp, args[0]);
    PyTime_t outer = interp->rt.import_clock.inner, t0, t1;
    interp->rt.import_clock.inner = 0;
    interp->rt.import_clock.level++;
    (void)PyTime_PerfCounterRaw(&t0);
    PyObject *m = PyObject_Vectorcall(interp->rt.import_find, args, 2, NULL);
    (void)PyTime_PerfCounterRaw(&t1);
    interp->rt.import_clock.level--;
    PyTime_t total = t1 - t0;
    PyTime_t self = total - interp->rt.import_clock.inner;
    fprintf(stderr, "import time: %9ld | %10ld | %*s%s\n", (long)((self + 999) / 1000),
            (long)((total + 999) / 1000), interp->rt.import_clock.level * 2, "",
            text ? PyBytes_AS_STRING(text) : "?");
    interp->rt.import_clock.inner = outer + total;
    return m;
}

static PyObject *
find_and_load(PyObject *name)
{
    NjInterp *interp = nj_interp();
    if (nj_audited(interp)) {
        PyObject *path = nj_sys_peek(NJ_ID(path));
        PyObject *meta = nj_sys_peek(NJ_ID(meta_path));
        PyObject *hooks = nj_sys_peek(NJ_ID(path_hooks));
        if (PySys_Audit("import", "OOOOO", name, Py_None, path ? path : Py_None,
                        meta ? meta : Py_None, hooks ? hooks : Py_None) < 0) {
            return NULL;
        }
    }
    if (!interp->rt.import_find) {
        if (!interp->importlib) {
            PyErr_Format(PyExc_ImportError, "no importlib to import %R with", name);
            return NULL;
        }
        interp->rt.import_find = PyObject_GetAttrString(interp->importlib, "_find_and_load");
        if (!interp->rt.import_find) {
            return NULL;
        }
    }
    PyObject *args[2] = {name, interp->import_func ? interp->import_func : Py_None};
    if (NJ_PROBE_ON(import__find__load__start)) {
        probe_start(name);
    }
    PyObject *m = NJ_UNLIKELY(interp->rt.config.import_time > 0)
                      ? timed_find_and_load(interp, args)
                      : PyObject_Vectorcall(interp->rt.import_find, args, 2, NULL);
    if (NJ_PROBE_ON(import__find__load__done)) {
        probe_done(name, m != NULL);
    }
    return m;
}

/* Waits for another thread that is still executing the module; 1 if it had to. */
static int
ensure_initialized(PyObject *mod, PyObject *name)
{
    PyObject *spec;
    int rc = PyObject_GetOptionalAttr(mod, NJ_ID(__spec__), &spec);
    if (rc <= 0) {
        return rc;
    }
    PyObject *flag = NULL;
    if (spec != Py_None) {
        rc = PyObject_GetOptionalAttr(spec, NJ_ID(_initializing), &flag);
    }
    Py_DECREF(spec);
    if (!flag) {
        return rc < 0 ? -1 : 0;
    }
    int busy = PyObject_IsTrue(flag);
    Py_DECREF(flag);
    if (busy <= 0) {
        return busy;
    }
    NJ_OWN f = PyObject_GetAttrString(nj_interp()->importlib, "_lock_unlock_module");
    NJ_OWN r = f ? PyObject_CallOneArg(f, name) : NULL;
    return r ? 1 : -1;
}

static PyObject *
resolve_relative(PyObject *name, PyObject *globals, int level)
{
    if (!globals) {
        PyErr_SetString(PyExc_KeyError, "'__name__' not in globals");
        return NULL;
    }
    if (!PyDict_Check(globals)) {
        PyErr_SetString(PyExc_TypeError, "globals must be a dict");
        return NULL;
    }
    NJ_OWN package = NULL;
    NJ_OWN spec = NULL;
    PyObject *v;
    if (PyDict_GetItemRef(globals, NJ_ID(__package__), &v) < 0) {
        return NULL;
    }
    NJ_SET(package, v == Py_None ? NULL : Py_XNewRef(v));
    Py_XDECREF(v);
    if (PyDict_GetItemRef(globals, NJ_ID(__spec__), &v) < 0) {
        return NULL;
    }
    NJ_SET(spec, v);
    bool has_spec = spec && spec != Py_None;
    if (package) {
        if (!PyUnicode_Check(package)) {
            PyErr_SetString(PyExc_TypeError, "package must be a string");
            return NULL;
        }
        if (has_spec) {
            NJ_OWN parent = PyObject_GetAttr(spec, NJ_ID(parent));
            int eq = parent ? PyObject_RichCompareBool(package, parent, Py_EQ) : -1;
            if (eq < 0 ||
                (!eq && PyErr_WarnFormat(PyExc_DeprecationWarning, 1,
                                         "__package__ != __spec__.parent (%R != %R)",
                                         package, parent) < 0)) {
                return NULL;
            }
        }
    }
    else if (has_spec) {
        NJ_SET(package, PyObject_GetAttr(spec, NJ_ID(parent)));
        if (!package) {
            return NULL;
        }
        if (!PyUnicode_Check(package)) {
            PyErr_SetString(PyExc_TypeError, "__spec__.parent must be a string");
            return NULL;
        }
    }
    else {
        if (PyErr_WarnEx(PyExc_ImportWarning,
                         "can't resolve package from __spec__ or __package__, falling back "
                         "on __name__ and __path__",
                         1) < 0) {
            return NULL;
        }
        int rc = PyDict_GetItemRef(globals, NJ_ID(__name__), &v);
        if (rc <= 0) {
            if (rc == 0) {
                PyErr_SetString(PyExc_KeyError, "'__name__' not in globals");
            }
            return NULL;
        }
        NJ_SET(package, v);
        if (!PyUnicode_Check(package)) {
            PyErr_SetString(PyExc_TypeError, "__name__ must be a string");
            return NULL;
        }
        int has_path = PyDict_Contains(globals, NJ_ID(__path__));
        if (has_path < 0) {
            return NULL;
        }
        if (!has_path) {
            Py_ssize_t n = PyUnicode_GET_LENGTH(package);
            Py_ssize_t dot = PyUnicode_FindChar(package, '.', 0, n, -1);
            if (dot == -2) {
                return NULL;
            }
            if (dot == -1) {
                goto no_parent;
            }
            NJ_SET(package, PyUnicode_Substring(package, 0, dot));
            if (!package) {
                return NULL;
            }
        }
    }
    Py_ssize_t last = PyUnicode_GET_LENGTH(package);
    if (last == 0) {
    no_parent:
        PyErr_SetString(PyExc_ImportError,
                        "attempted relative import with no known parent package");
        return NULL;
    }
    for (int up = 1; up < level; up++) {
        last = PyUnicode_FindChar(package, '.', 0, last, -1);
        if (last == -2) {
            return NULL;
        }
        if (last == -1) {
            PyErr_SetString(PyExc_ImportError,
                            "attempted relative import beyond top-level package");
            return NULL;
        }
    }
    NJ_OWN base = PyUnicode_Substring(package, 0, last);
    if (!base || PyUnicode_GET_LENGTH(name) == 0) {
        return NJ_TAKE(base);
    }
    return PyUnicode_FromFormat("%U.%U", base, name);
}

PyObject *
PyImport_ImportModuleLevelObject(PyObject *name, PyObject *globals, PyObject *locals,
                                 PyObject *fromlist, int level)
{
    if (!name) {
        PyErr_SetString(PyExc_ValueError, "Empty module name");
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "module name must be a string");
        return NULL;
    }
    if (level < 0) {
        PyErr_SetString(PyExc_ValueError, "level must be >= 0");
        return NULL;
    }
    PyObject *abs;
    if (level > 0) {
        abs = resolve_relative(name, globals, level);
        if (!abs) {
            return NULL;
        }
    }
    else {
        if (PyUnicode_GET_LENGTH(name) == 0) {
            PyErr_SetString(PyExc_ValueError, "Empty module name");
            return NULL;
        }
        abs = Py_NewRef(name);
    }
    PyObject *result = NULL, *mod;
    if (find_loaded(abs, &mod) < 0) {
        goto done;
    }
    if (mod && mod != Py_None) {
        int waited = ensure_initialized(mod, abs);
        if (waited < 0) {
            goto done;
        }
        if (waited) {
            /* the import in the other thread may have failed */
            PyObject *now;
            if (find_loaded(abs, &now) < 0) {
                goto done;
            }
            Py_XSETREF(mod, now ? now : find_and_load(abs));
            if (!mod) {
                goto done;
            }
        }
        if (NJ_UNLIKELY(nj_config()->import_time == 2)) {
            tell_cached(nj_interp(), abs);
        }
    }
    else {
        Py_XSETREF(mod, find_and_load(abs));
        if (!mod) {
            goto done;
        }
    }
    int has_from = 0;
    if (fromlist && fromlist != Py_None) {
        has_from = PyObject_IsTrue(fromlist);
        if (has_from < 0) {
            goto done;
        }
    }
    if (has_from) {
        PyObject *path;
        if (PyObject_GetOptionalAttr(mod, NJ_ID(__path__), &path) < 0) {
            goto done;
        }
        if (path) {
            Py_DECREF(path);
            NjInterp *interp = nj_interp();
            if (!interp->rt.fromlist_handler) {
                interp->rt.fromlist_handler =
                    PyObject_GetAttrString(interp->importlib, "_handle_fromlist");
                if (!interp->rt.fromlist_handler) {
                    goto done;
                }
            }
            PyObject *args[3] = {mod, fromlist, interp->import_func};
            result = PyObject_Vectorcall(interp->rt.fromlist_handler, args, 3, NULL);
        }
        else {
            result = Py_NewRef(mod);
        }
        goto done;
    }
    Py_ssize_t len = PyUnicode_GET_LENGTH(name);
    if (level > 0 && len == 0) {
        result = Py_NewRef(mod);
        goto done;
    }
    Py_ssize_t dot = PyUnicode_FindChar(name, '.', 0, len, 1);
    if (dot == -1) {
        result = Py_NewRef(mod);
    }
    else if (dot >= 0 && level == 0) {
        PyObject *front = PyUnicode_Substring(name, 0, dot);
        if (front) {
            result = PyImport_ImportModuleLevelObject(front, NULL, NULL, NULL, 0);
            Py_DECREF(front);
        }
    }
    else if (dot >= 0) {
        PyObject *to = PyUnicode_Substring(
            abs, 0, PyUnicode_GET_LENGTH(abs) - (len - dot));
        if (to) {
            if (find_loaded(to, &result) == 0) {
                PyErr_Format(PyExc_KeyError, "%R not in sys.modules as expected", to);
            }
            Py_DECREF(to);
        }
    }
done:
    Py_DECREF(abs);
    Py_XDECREF(mod);
    if (!result) {
        hide_importlib_frames();
    }
    return result;
}

PyObject *
PyImport_ImportModuleLevel(const char *name, PyObject *globals, PyObject *locals,
                           PyObject *fromlist, int level)
{
    NJ_OWN s = PyUnicode_FromString(name);
    return s ? PyImport_ImportModuleLevelObject(s, globals, locals, fromlist, level) : NULL;
}

/* Through __import__ of the current globals' builtins, as an import statement would. */
PyObject *
PyImport_Import(PyObject *name)
{
    NJ_OWN globals = Py_XNewRef(PyEval_GetGlobals());
    NJ_OWN builtins = NULL;
    NJ_OWN from = PyList_New(1);
    if (!from) {
        return NULL;
    }
    PyList_SET_ITEM(from, 0, Py_NewRef(NJ_ID(__doc__)));
    if (globals) {
        NJ_SET(builtins, PyObject_GetItem(globals, NJ_ID(__builtins__)));
        if (!builtins) {
            return NULL;
        }
    }
    else {
        PyErr_Clear();
        NJ_SET(builtins, Py_NewRef(nj_interp()->rt.builtinsmod));
        NJ_SET(globals, Py_BuildValue("{OO}", NJ_ID(__builtins__), builtins));
        if (!globals) {
            return NULL;
        }
    }
    NJ_OWN import = NULL;
    if (PyDict_Check(builtins)) {
        NJ_SET(import, PyObject_GetItem(builtins, NJ_ID(__import__)));
        if (!import) {
            PyErr_SetObject(PyExc_KeyError, NJ_ID(__import__));
        }
    }
    else {
        NJ_SET(import, PyObject_GetAttr(builtins, NJ_ID(__import__)));
    }
    if (!import) {
        return NULL;
    }
    NJ_OWN r = PyObject_CallFunction(import, "OOOOi", name, globals, globals, from, 0);
    if (!r) {
        return NULL;
    }
    PyObject *m;
    if (find_loaded(name, &m) == 0) {
        PyErr_SetObject(PyExc_KeyError, name);
    }
    return m;
}

PyObject *
PyImport_ImportModule(const char *name)
{
    NJ_OWN s = PyUnicode_FromString(name);
    return s ? PyImport_Import(s) : NULL;
}

PyObject *
PyImport_ImportModuleNoBlock(const char *name)
{
    if (PyErr_WarnEx(PyExc_DeprecationWarning,
                     "PyImport_ImportModuleNoBlock() is deprecated and scheduled for "
                     "removal in Python 3.15. Use PyImport_ImportModule() instead.",
                     1) < 0) {
        return NULL;
    }
    return PyImport_ImportModule(name);
}

PyObject *
PyImport_ImportModuleAttr(PyObject *modname, PyObject *attr)
{
    NJ_OWN m = PyImport_Import(modname);
    return m ? PyObject_GetAttr(m, attr) : NULL;
}

PyObject *
PyImport_ImportModuleAttrString(const char *modname, const char *attr)
{
    NJ_OWN a = PyUnicode_FromString(modname);
    NJ_OWN b = a ? PyUnicode_FromString(attr) : NULL;
    return b ? PyImport_ImportModuleAttr(a, b) : NULL;
}

PyObject *
PyImport_ReloadModule(PyObject *m)
{
    NJ_OWN lib = PyImport_ImportModule("importlib");
    NJ_OWN reload = lib ? PyObject_GetAttrString(lib, "reload") : NULL;
    return reload ? PyObject_CallOneArg(reload, m) : NULL;
}

PyObject *
PyImport_GetImporter(PyObject *path)
{
    NJ_OWN cache = nj_sys_require(NJ_ID(path_importer_cache));
    NJ_OWN hooks = cache ? nj_sys_require(NJ_ID(path_hooks)) : NULL;
    if (!hooks) {
        return NULL;
    }
    if (!PyDict_Check(cache) || !PyList_Check(hooks)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "sys.path_hooks or sys.path_importer_cache has a wrong type");
        return NULL;
    }
    PyObject *found;
    if (PyDict_GetItemRef(cache, path, &found) != 0) {
        return found;
    }
    if (PyDict_SetItem(cache, path, Py_None) < 0) {
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks); i++) {
        NJ_OWN hook = PyList_GetItemRef(hooks, i);
        NJ_OWN imp = hook ? PyObject_CallOneArg(hook, path) : NULL;
        if (imp) {
            return PyDict_SetItem(cache, path, imp) < 0 ? NULL : NJ_TAKE(imp);
        }
        if (!PyErr_ExceptionMatches(PyExc_ImportError)) {
            return NULL;
        }
        PyErr_Clear();
    }
    Py_RETURN_NONE;
}

long
PyImport_GetMagicNumber(void)
{
    return MAGIC_NUMBER | (long)'\r' << 16 | (long)'\n' << 24;
}

const char *
PyImport_GetMagicTag(void)
{
    return CACHE_TAG;
}

/* --- the import lock ------------------------------------------------------------------------------------ */

static void
acquire_import_lock(void)
{
    NjInterp *interp = nj_interp();
    unsigned long me = PyThread_get_thread_ident();
    if (__atomic_load_n(&interp->rt.import_lock.owner, __ATOMIC_RELAXED) == me) {
        interp->rt.import_lock.level++;
        return;
    }
    PyThreadState *ts = NULL;
    if (pthread_mutex_trylock(&interp->rt.import_lock.mutex) != 0) {
        ts = PyEval_SaveThread();
        pthread_mutex_lock(&interp->rt.import_lock.mutex);
        PyEval_RestoreThread(ts);
    }
    interp->rt.import_lock.owner = me;
    interp->rt.import_lock.level = 1;
}

static int
release_import_lock(void)
{
    NjInterp *interp = nj_interp();
    if (interp->rt.import_lock.owner != PyThread_get_thread_ident()) {
        return -1;
    }
    if (--interp->rt.import_lock.level == 0) {
        interp->rt.import_lock.owner = 0;
        pthread_mutex_unlock(&interp->rt.import_lock.mutex);
    }
    return 0;
}

void
nj_import_lock(void)
{
    acquire_import_lock();
}

void
nj_import_unlock(void)
{
    release_import_lock();
}

void
nj_import_after_fork_child(void)
{
    NjInterp *interp = nj_interp();
    /* one level was the fork's own; what the program had taken before it still has */
    int level = interp->rt.import_lock.level - 1;
    interp->rt.import_lock.owner = 0;
    interp->rt.import_lock.level = 0;
    pthread_mutex_init(&interp->rt.import_lock.mutex, NULL);
    if (level > 0) {
        acquire_import_lock();
        interp->rt.import_lock.level = level;
    }
}

/* --- _imp ---------------------------------------------------------------------------------------------------- */

static PyObject *
imp_lock_held(PyObject *m, PyObject *unused)
{
    return PyBool_FromLong(nj_interp()->rt.import_lock.owner != 0);
}

static PyObject *
imp_acquire_lock(PyObject *m, PyObject *unused)
{
    acquire_import_lock();
    Py_RETURN_NONE;
}

static PyObject *
imp_release_lock(PyObject *m, PyObject *unused)
{
    if (release_import_lock() < 0) {
        PyErr_SetString(PyExc_RuntimeError, "not holding the import lock");
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
fix_filenames(PyCodeObject *co, PyObject *old, PyObject *path)
{
    if (PyUnicode_Compare(co->co_filename, old) != 0) {
        return 0;
    }
    Py_SETREF(co->co_filename, Py_NewRef(path));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(co->co_consts); i++) {
        PyObject *c = PyTuple_GET_ITEM(co->co_consts, i);
        if (PyCode_Check(c)) {
            fix_filenames((PyCodeObject *)c, old, path);
        }
    }
    return 0;
}

static PyObject *
imp__fix_co_filename(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("_fix_co_filename", nargs, 2, 2)) {
        return NULL;
    }
    if (!PyCode_Check(args[0])) {
        _PyArg_BadArgument("_fix_co_filename", "argument 1", "code", args[0]);
        return NULL;
    }
    if (!PyUnicode_Check(args[1])) {
        _PyArg_BadArgument("_fix_co_filename", "argument 2", "str", args[1]);
        return NULL;
    }
    PyCodeObject *co = (PyCodeObject *)args[0];
    NJ_OWN old = Py_NewRef(co->co_filename);
    if (PyUnicode_Compare(old, args[1]) != 0) {
        fix_filenames(co, old, args[1]);
    }
    Py_RETURN_NONE;
}

static PyObject *
imp_create_builtin(PyObject *m, PyObject *spec)
{
    NJ_OWN name = PyObject_GetAttr(spec, NJ_ID(name));
    if (!name) {
        return NULL;
    }
    if (!PyUnicode_Check(name)) {
        PyErr_Format(PyExc_TypeError, "name must be string, not %.200s",
                     Py_TYPE(name)->tp_name);
        return NULL;
    }
    if (PyUnicode_GET_LENGTH(name) == 0) {
        PyErr_Format(PyExc_ValueError, "name must not be empty");
        return NULL;
    }
    return nj_import_builtin(name, spec);
}

static PyObject *
imp_exec_any(PyObject *m, PyObject *mod)
{
    int rc = 0;
    if (PyModule_Check(mod)) {
        PyModuleDef *def = PyModule_GetDef(mod);
        if (def && !PyModule_GetState(mod)) {
            rc = PyModule_ExecDef(mod, def);
        }
        else if (!def && PyErr_Occurred()) {
            return NULL;
        }
    }
    return rc < 0 ? NULL : PyLong_FromLong(rc);
}

static PyObject *
imp_create_dynamic(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("create_dynamic", nargs, 1, 2)) {
        return NULL;
    }
    return load_dynamic(args[0]);
}

static PyObject *
imp_extension_suffixes(PyObject *m, PyObject *unused)
{
    return Py_BuildValue("[ssss]", ".cpython-314-x86_64-linux-gnu.so", ".abi3.so",
                         ".abi3-x86_64-linux-gnu.so", ".so");
}

static PyObject *
imp_is_builtin(PyObject *m, PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        _PyArg_BadArgument("is_builtin", "argument", "str", name);
        return NULL;
    }
    const struct _inittab *t = find_builtin(name);
    return PyLong_FromLong(!t ? 0 : t->initfunc ? 1 : -1);
}

static bool
need_name(PyObject *name, const char *func, const char *which)
{
    if (!PyUnicode_Check(name)) {
        _PyArg_BadArgument(func, which, "str", name);
        return false;
    }
    return true;
}

static PyObject *
imp_is_frozen(PyObject *m, PyObject *name)
{
    NjFrozen f;
    if (!need_name(name, "is_frozen", "argument")) {
        return NULL;
    }
    int rc = nj_frozen_find(name, &f);
    return rc < 0 ? NULL : PyBool_FromLong(rc);
}

static void
no_frozen(PyObject *name)
{
    NJ_OWN msg = PyUnicode_FromFormat("No such frozen object named %R", name);
    if (msg) {
        PyErr_SetImportError(msg, name, NULL);
    }
}

static PyObject *
imp_is_frozen_package(PyObject *m, PyObject *name)
{
    NjFrozen f;
    if (!need_name(name, "is_frozen_package", "argument")) {
        return NULL;
    }
    int rc = nj_frozen_find(name, &f);
    if (rc == 0) {
        no_frozen(name);
    }
    return rc <= 0 ? NULL : PyBool_FromLong(f.is_package);
}

static PyObject *
imp_find_frozen(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"", "withdata", NULL};
    static const NjParams params = {"find_frozen", names, 1, 1, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0 ||
        !need_name(a[0], "find_frozen", "argument 1")) {
        return NULL;
    }
    int withdata = a[1] ? PyObject_IsTrue(a[1]) : 0;
    NjFrozen f;
    int rc = withdata < 0 ? -1 : nj_frozen_find(a[0], &f);
    if (rc < 0) {
        return NULL;
    }
    if (rc == 0) {
        Py_RETURN_NONE;
    }
    NJ_OWN data = NULL;
    if (withdata && f.data) {
        NJ_SET(data, PyMemoryView_FromMemory((char *)f.data, f.size, PyBUF_READ));
        if (!data) {
            return NULL;
        }
    }
    NJ_OWN orig = f.origname ? PyUnicode_FromString(f.origname) : Py_NewRef(Py_None);
    if (!orig) {
        return NULL;
    }
    return PyTuple_Pack(3, data ? data : Py_None, f.is_package ? Py_True : Py_False, orig);
}

static PyObject *
imp_get_frozen_object(PyObject *m, PyObject *const *args, Py_ssize_t nargs)
{
    if (!_PyArg_CheckPositional("get_frozen_object", nargs, 1, 2) ||
        !need_name(args[0], "get_frozen_object", "argument 1")) {
        return NULL;
    }
    if (nargs == 2 && args[1] != Py_None) {
        NJ_OWN_BUF view = {0};
        if (PyObject_GetBuffer(args[1], &view, PyBUF_SIMPLE) < 0) {
            return NULL;
        }
        PyObject *code = PyMarshal_ReadObjectFromString(view.buf, view.len);
        if (!code) {
            PyErr_Clear();
            NJ_OWN msg = PyUnicode_FromFormat("Frozen object named %R is invalid", args[0]);
            if (msg) {
                PyErr_SetImportError(msg, args[0], NULL);
            }
            return NULL;
        }
        if (!PyCode_Check(code)) {
            PyErr_Format(PyExc_TypeError, "frozen object %R is not a code object", args[0]);
            Py_CLEAR(code);
        }
        return code;
    }
    NjFrozen f;
    int rc = nj_frozen_find(args[0], &f);
    if (rc == 0) {
        no_frozen(args[0]);
    }
    return rc <= 0 ? NULL : nj_frozen_code(args[0], &f);
}

static PyObject *
imp_init_frozen(PyObject *m, PyObject *name)
{
    if (!need_name(name, "init_frozen", "argument")) {
        return NULL;
    }
    int rc = PyImport_ImportFrozenModuleObject(name);
    if (rc < 0) {
        return NULL;
    }
    if (rc == 0) {
        Py_RETURN_NONE;
    }
    return add_module(name);
}

static PyObject *
imp__frozen_module_names(PyObject *m, PyObject *unused)
{
    return nj_frozen_names();
}

static PyObject *
imp__override_frozen(PyObject *m, PyObject *arg)
{
    int v = PyLong_AsInt(arg);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    nj_interp()->rt.frozen_override = v;
    Py_RETURN_NONE;
}

static PyObject *
imp__override_multi(PyObject *m, PyObject *arg)
{
    int v = PyLong_AsInt(arg);
    if (v == -1 && PyErr_Occurred()) {
        return NULL;
    }
    NjInterp *interp = nj_interp();
    if (nj_is_main_interp(interp)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "_imp._override_multi_interp_extensions_check() cannot be used in "
                        "the main interpreter");
        return NULL;
    }
    int old = interp->rt.multi_interp_override;
    interp->rt.multi_interp_override = v;
    return PyLong_FromLong(old);
}

/* SipHash-1-3 with a chosen key: the hash of hash-based .pyc files. */
static uint64_t
siphash13(uint64_t k0, const unsigned char *p, size_t n)
{
    uint64_t v0 = k0 ^ 0x736f6d6570736575ULL, v1 = 0x646f72616e646f6dULL,
             v2 = k0 ^ 0x6c7967656e657261ULL, v3 = 0x7465646279746573ULL;
    uint64_t b = (uint64_t)n << 56;
#define ROT(x, r) ((x) << (r) | (x) >> (64 - (r)))
#define ROUND()                                                                        \
    do {                                                                               \
        v0 += v1, v1 = ROT(v1, 13), v1 ^= v0, v0 = ROT(v0, 32);                        \
        v2 += v3, v3 = ROT(v3, 16), v3 ^= v2;                                          \
        v0 += v3, v3 = ROT(v3, 21), v3 ^= v0;                                          \
        v2 += v1, v1 = ROT(v1, 17), v1 ^= v2, v2 = ROT(v2, 32);                        \
    } while (0)
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        v3 ^= w;
        ROUND();
        v0 ^= w;
    }
    for (size_t i = 0; i < n; i++) {
        b |= (uint64_t)p[i] << (8 * i);
    }
    v3 ^= b;
    ROUND();
    v0 ^= b;
    v2 ^= 0xff;
    ROUND();
    ROUND();
    ROUND();
    return v0 ^ v1 ^ v2 ^ v3;
#undef ROUND
#undef ROT
}

static PyObject *
imp_source_hash(PyObject *m, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    static const char *const names[] = {"key", "source", NULL};
    static const NjParams params = {"source_hash", names, 2, 2, 0};
    PyObject *a[2];
    if (nj_args_bind(&params, args, nargs, kwnames, a) < 0) {
        return NULL;
    }
    long key = PyLong_AsLong(a[0]);
    if (key == -1 && PyErr_Occurred()) {
        return NULL;
    }
    NJ_OWN_BUF view = {0};
    if (PyObject_GetBuffer(a[1], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    uint64_t h = siphash13((uint64_t)key, view.buf, (size_t)view.len);
    return PyBytes_FromStringAndSize((const char *)&h, 8);
}

static PyMethodDef imp_methods[] = {
    {"extension_suffixes", imp_extension_suffixes, METH_NOARGS,
     SIG("extension_suffixes($module, /)") "File endings of extension modules."},
    {"lock_held", imp_lock_held, METH_NOARGS,
     SIG("lock_held($module, /)") "True if some thread holds the import lock."},
    {"acquire_lock", imp_acquire_lock, METH_NOARGS,
     SIG("acquire_lock($module, /)") "Take the import lock."},
    {"release_lock", imp_release_lock, METH_NOARGS,
     SIG("release_lock($module, /)") "Give the import lock back."},
    {"find_frozen", FN(imp_find_frozen), FK,
     SIG("find_frozen($module, name, /, *, withdata=False)")
     "Information about a frozen module, or None."},
    {"get_frozen_object", FN(imp_get_frozen_object), METH_FASTCALL,
     SIG("get_frozen_object($module, name, data=None, /)")
     "The code object of a frozen module."},
    {"is_frozen_package", imp_is_frozen_package, METH_O,
     SIG("is_frozen_package($module, name, /)") "True for a frozen package."},
    {"create_builtin", imp_create_builtin, METH_O,
     SIG("create_builtin($module, spec, /)") "Make a built-in module."},
    {"init_frozen", imp_init_frozen, METH_O,
     SIG("init_frozen($module, name, /)") "Import a frozen module."},
    {"is_builtin", imp_is_builtin, METH_O,
     SIG("is_builtin($module, name, /)") "1 for a built-in module, -1 if it cannot be made."},
    {"is_frozen", imp_is_frozen, METH_O,
     SIG("is_frozen($module, name, /)") "True for a frozen module."},
    {"_frozen_module_names", imp__frozen_module_names, METH_NOARGS,
     SIG("_frozen_module_names($module, /)") "Names of all frozen modules."},
    {"_override_frozen_modules_for_tests", imp__override_frozen, METH_O,
     SIG("_override_frozen_modules_for_tests($module, override, /)")
     "Turn frozen modules on or off."},
    {"_override_multi_interp_extensions_check", imp__override_multi, METH_O,
     SIG("_override_multi_interp_extensions_check($module, override, /)")
     "Override the check of extensions in subinterpreters."},
    {"create_dynamic", FN(imp_create_dynamic), METH_FASTCALL,
     SIG("create_dynamic($module, spec, file=<unrepresentable>, /)")
     "Load an extension module."},
    {"exec_dynamic", imp_exec_any, METH_O,
     SIG("exec_dynamic($module, mod, /)") "Execute an extension module."},
    {"exec_builtin", imp_exec_any, METH_O,
     SIG("exec_builtin($module, mod, /)") "Execute a built-in module."},
    {"_fix_co_filename", FN(imp__fix_co_filename), METH_FASTCALL,
     SIG("_fix_co_filename($module, code, path, /)") "Change the file name of code."},
    {"source_hash", FN(imp_source_hash), FK,
     SIG("source_hash($module, /, key, source)") "The hash for hash-based .pyc files."},
    {NULL, NULL, 0, NULL},
};

static int
imp_exec(PyObject *mod)
{
    const wchar_t *mode = nj_config()->check_hash_pycs_mode;
    NJ_OWN s = PyUnicode_FromWideChar(mode ? mode : L"default", -1);
    if (!s || PyModule_AddObjectRef(mod, "check_hash_based_pycs", s) < 0 ||
        PyModule_AddIntConstant(mod, "pyc_magic_number_token",
                                PyImport_GetMagicNumber()) < 0) {
        return -1;
    }
    return 0;
}

static PyModuleDef_Slot imp_slots[] = {
    {Py_mod_exec, imp_exec},
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
    {0, NULL},
};

static struct PyModuleDef imp_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_imp",
    .m_doc = "(Extremely) low-level import machinery bits as used by importlib.",
    .m_methods = imp_methods,
    .m_slots = imp_slots,
};

PyMODINIT_FUNC PyInit__imp(void);
PyMODINIT_FUNC
PyInit__imp(void)
{
    return PyModuleDef_Init(&imp_def);
}

/* --- start ------------------------------------------------------------------------------------------------------ */

int
nj_import_init_core(PyThreadState *tstate)
{
    NjInterp *interp = tstate->interp;
    pthread_mutex_init(&interp->rt.import_lock.mutex, NULL);
    interp->modules = PyDict_New();
    return interp->modules ? 0 : -1;
}

/* A stand-in for a ModuleSpec, before there is importlib. */
static PyObject *
bootstrap_module(const char *name)
{
    NJ_OWN kw = Py_BuildValue("{ss}", "name", name);
    NJ_OWN spec = kw ? _PyNamespace_New(kw) : NULL;
    NJ_OWN s = PyUnicode_InternFromString(name);
    NJ_OWN m = spec && s ? nj_import_builtin(s, spec) : NULL;
    NJ_OWN r = m ? imp_exec_any(NULL, m) : NULL;
    return r ? NJ_TAKE(m) : NULL;
}

int
nj_import_init_importlib(PyThreadState *tstate)
{
    NjInterp *interp = tstate->interp;
    if (PyImport_ImportFrozenModule("_frozen_importlib") <= 0) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ImportError, "importlib not found");
        }
        return -1;
    }
    interp->importlib = PyImport_AddModuleRef("_frozen_importlib");
    if (!interp->importlib) {
        return -1;
    }
    interp->import_func = PyDict_GetItemString(interp->builtins, "__import__");
    Py_XINCREF(interp->import_func);
    NJ_OWN imp = bootstrap_module("_imp");
    if (!imp || PyObject_SetItem(interp->modules, NJ_ID(_imp), imp) < 0) {
        return -1;
    }
    NJ_OWN r = PyObject_CallMethod(interp->importlib, "_install", "OO", interp->rt.sysmod,
                                   imp);
    return r ? 0 : -1;
}

int
nj_import_init_external(PyThreadState *tstate)
{
    NjInterp *interp = tstate->interp;
    NJ_OWN r = PyObject_CallMethod(interp->importlib, "_install_external_importers", NULL);
    if (!r) {
        return -1;
    }
    /* zipimport goes first among the path hooks, if it can be had */
    NJ_OWN hooks = nj_sys_require(NJ_ID(path_hooks));
    if (!hooks) {
        return -1;
    }
    NJ_OWN zip = PyImport_ImportModuleAttrString("zipimport", "zipimporter");
    if (!zip) {
        PyErr_Clear();
        return 0;
    }
    return PyList_Check(hooks) ? PyList_Insert(hooks, 0, zip) : 0;
}

void
nj_import_fini(NjInterp *interp)
{
    Py_CLEAR(interp->rt.import_find);
    Py_CLEAR(interp->rt.fromlist_handler);
    Py_CLEAR(interp->rt.import_cache);
    Py_CLEAR(interp->rt.frozen_cache);
}

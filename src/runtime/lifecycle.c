/* lifecycle.c - start and end of the runtime and of interpreters.
 *
 * Start: process-wide state, main interpreter and thread, str and identifiers, types,
 * builtins and sys, importlib, file system encoding, standard streams, site. End: the
 * reverse, with user code (atexit, threading._shutdown, __del__, weakref callbacks) run
 * as early as the rest of the interpreter is still whole.
 *
 * nj_runtime survives Py_FinalizeEx; static types and identifiers stay initialised, so a
 * second Py_Initialize skips them.
 * SPDX-License-Identifier: MIT
 */
#include "nj.h"

#include "objects/dict_int.h"
#include "objects/exc_int.h"
#include "objects/str.h"
#include "objects/type_int.h"
#include "runtime/crossinterp.h"
#include "runtime/dump.h"
#include "runtime/runtime.h"
#include "vm/perf_map.h"
#include "vm/vm.h"

#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

NjRuntime nj_runtime;

#define ERR(msg) PyStatus_Error(msg)

void
nj_runtime_init(void)
{
    if (NJ_LIKELY(nj_runtime.core_ready)) {
        return;
    }
    nj_runtime.core_ready = true;
    pthread_mutex_init(&nj_runtime.lock, NULL);
    pthread_mutex_init(&nj_runtime.region_lock, NULL);
    pthread_mutex_init(&nj_runtime.shared.lock, NULL);
    nj_pending_init(&nj_runtime.pending_main, NJ_PENDING_MAX_MAIN);
    nj_runtime.wakeup_fd = -1;
    nj_runtime.wakeup_warn = true;
    nj_runtime.main_thread = PyThread_get_thread_ident();
    nj_mem_configure_preset(PYMEM_ALLOCATOR_DEFAULT);
    nj_runtime.mem_configured = true;
}

int
Py_IsInitialized(void)
{
    return nj_runtime.initialized;
}

int
Py_IsFinalizing(void)
{
    return __atomic_load_n(&_PyRuntime.finalizing, __ATOMIC_ACQUIRE) != NULL;
}

/* --- start ------------------------------------------------------------------------------ */

/* sys, builtins, importlib for an interpreter whose thread state is attached. */
static PyStatus
init_interp(PyThreadState *ts)
{
    NjInterp *interp = ts->interp;
    const PyConfig *c = &interp->rt.config;
    if (nj_warnings_init(interp) < 0) {
        return ERR("can't initialize warnings");
    }
    if (nj_import_init_core(ts) < 0) {
        return ERR("can't make sys.modules");
    }
    NJ_OWN sysmod = nj_sys_create(ts);
    if (!sysmod) {
        return ERR("can't create sys");
    }
    NJ_OWN bi = nj_builtins_create(ts);
    if (!bi) {
        return ERR("can't create builtins");
    }
    interp->rt.builtinsmod = Py_NewRef(bi);
    interp->builtins = Py_NewRef(PyModule_GetDict(bi));
    if (PyDict_SetItem(interp->modules, NJ_ID(sys), sysmod) < 0 ||
        PyDict_SetItem(interp->modules, NJ_ID(builtins), bi) < 0) {
        return ERR("can't fill sys.modules");
    }
    if (nj_sys_set_stderr_early() < 0) {
        return ERR("can't set preliminary stderr");
    }
    if (nj_sys_set_config(ts) < 0) {
        return ERR("can't set sys attributes");
    }
    if (c->_install_importlib) {
        if (nj_import_init_importlib(ts) < 0) {
            return ERR("failed to initialize importlib");
        }
    }
    return PyStatus_Ok();
}

static PyStatus
init_main_module(NjInterp *interp)
{
    NJ_OWN m = PyImport_AddModuleRef("__main__");
    if (!m) {
        return ERR("can't create __main__ module");
    }
    PyObject *d = PyModule_GetDict(m);
    if (PyDict_SetItem(d, NJ_ID(__builtins__), interp->rt.builtinsmod) < 0) {
        return ERR("Failed to initialize __main__.__builtins__");
    }
    PyObject *loader = PyDict_GetItemWithError(d, NJ_ID(__loader__));
    if (!loader || loader == Py_None) {
        NJ_OWN l = interp->importlib
                       ? PyObject_GetAttrString(interp->importlib, "BuiltinImporter")
                       : Py_NewRef(Py_None);
        if (!l || PyDict_SetItem(d, NJ_ID(__loader__), l) < 0) {
            return ERR("Failed to initialize __main__.__loader__");
        }
    }
    return PyStatus_Ok();
}

static PyStatus
with_python_error(PyStatus st)
{
    if (PyStatus_IsError(st) && nj_tstate() && PyErr_Occurred()) {
        PyErr_Print();
    }
    return st;
}

/* PYTHONCOERCECLOCALE=warn: says that the C locale stayed, as PEP 538 wants it. */
static void
warn_c_locale(void)
{
    const char *locale = setlocale(LC_CTYPE, NULL);
    if (nj_runtime.preconfig.coerce_c_locale_warn && locale && strcmp(locale, "C") == 0) {
        PySys_WriteStderr("Python runtime initialized with LC_CTYPE=C (a locale with default "
                          "ASCII encoding), which may cause Unicode compatibility problems. "
                          "Using C.UTF-8, C.utf8, or UTF-8 (if available) as alternative "
                          "Unicode-compatible locales is recommended.\n");
    }
}

/* Everything that needs Python code from the library. */
static PyStatus
init_library(PyThreadState *ts)
{
    NjInterp *interp = ts->interp;
    const PyConfig *c = &interp->rt.config;
    if (!c->_install_importlib) {
        interp->rt.initialized = true;
        return PyStatus_Ok();
    }
    if (nj_import_init_external(ts) < 0) {
        return ERR("external importer setup failed");
    }
    /* the codecs package registers the search function of every other encoding */
    NJ_OWN enc = PyImport_ImportModule("encodings");
    if (!enc) {
        nj_config_dump_path(c);
        return with_python_error(ERR("Failed to import encodings module"));
    }
    PyStatus enc_status = nj_encoding_init(interp);
    if (PyStatus_Exception(enc_status)) {
        return with_python_error(enc_status);
    }
    if (nj_is_main_interp(interp) && c->install_signal_handlers) {
        if (nj_signals_init(true) < 0) {
            return ERR("can't initialize signals");
        }
    }
    if (c->tracemalloc && nj_is_main_interp(interp) &&
        nj_tracemalloc_start(c->tracemalloc) < 0) {
        return with_python_error(ERR("can't start tracemalloc"));
    }
    if (c->perf_profiling && nj_is_main_interp(interp) &&
        nj_perf_activate((NjPerfBackend)c->perf_profiling) < 0) {
        return ERR("can't initialize the perf trampoline");
    }
    if (nj_sys_init_stdio(ts) < 0) {
        if (getenv("NAJA_DEBUG_START")) {
            PyErr_Print();
        }
        PyErr_Clear();
        NJ_OWN out = PyFile_NewStdPrinter(1);
        if (!out || nj_sys_set("stdout", out) < 0 || nj_sys_set("__stdout__", out) < 0 ||
            nj_sys_set("stdin", Py_None) < 0 || nj_sys_set("__stdin__", Py_None) < 0) {
            return ERR("can't initialize sys standard streams");
        }
    }
    PyStatus st = init_main_module(interp);
    if (PyStatus_Exception(st)) {
        return st;
    }
    PyObject *wo = nj_sys_peek(NJ_ID(warnoptions));
    if (wo && PyList_Check(wo) && PyList_GET_SIZE(wo) > 0) {
        NJ_OWN w = PyImport_ImportModule("warnings");
        if (!w) {
            PySys_WriteStderr("'import warnings' failed; traceback:\n");
            PyErr_Print();
        }
    }
    interp->rt.initialized = true;
    if (nj_is_main_interp(interp)) {
        nj_runtime.initialized = true;
        warn_c_locale();
    }
    if (c->site_import) {
        NJ_OWN site = PyImport_ImportModule("site");
        if (!site) {
            return ERR("Failed to import the site module");
        }
    }
    interp->rt.site_done = true;
    if (c->faulthandler && nj_is_main_interp(interp)) {
        NJ_OWN fh = PyImport_ImportModule("faulthandler");
        NJ_OWN r = fh ? PyObject_CallMethod(fh, "enable", NULL) : NULL;
        if (!r) {
            PyErr_Clear();
        }
    }
    return PyStatus_Ok();
}

PyStatus
nj_init_from_config(const PyConfig *src)
{
    nj_runtime_init();
    if (nj_runtime.initialized) {
        return PyStatus_Ok();
    }
    PyStatus st = nj_preinit_from_config(src);
    if (PyStatus_Exception(st)) {
        return st;
    }
    static PyConfig config; /* about 500 bytes; only while starting */
    memset(&config, 0, sizeof config);
    st = nj_config_copy(&config, src);
    if (PyStatus_Exception(st)) {
        return st;
    }
    st = nj_config_read(&config, true);
    if (PyStatus_Exception(st)) {
        PyConfig_Clear(&config);
        return st;
    }
    nj_config_write_globals(&config);
    if (config.configure_c_stdio && !config.buffered_stdio) {
        setvbuf(stdin, NULL, _IONBF, BUFSIZ);
        setvbuf(stdout, NULL, _IONBF, BUFSIZ);
        setvbuf(stderr, NULL, _IONBF, BUFSIZ);
    }
    _PyRuntime.finalizing = NULL;
    nj_runtime.main_thread = PyThread_get_thread_ident();
    NjInterp *interp = nj_interp_new();
    PyThreadState *ts = interp ? nj_tstate_new(interp, 1) : NULL;
    if (!ts) {
        return PyStatus_NoMemory();
    }
    interp->rt.whence = NJ_WHENCE_RUNTIME;
    interp->rt.config = config;
    memset(&config, 0, sizeof config);
    interp->rt.has_config = true;
    interp->rt.main_tstate = ts;
    interp->rt.own_gil_used = true;
    interp->numbers.max_str_digits = interp->rt.config.int_max_str_digits;
    nj_tstate_bind(ts);
    nj_tstate_attach(ts);
    if (!nj_runtime.types_ready) {
        nj_hash_set_seed(!interp->rt.config.use_hash_seed, interp->rt.config.hash_seed);
        nj_str_init();
    }
    nj_number_state_init(interp);
    if (nj_str_interp_init(interp) < 0) {
        return with_python_error(ERR("can't initialize strings"));
    }
    if (!nj_runtime.types_ready) {
        if (nj_types_init(interp) < 0) {
            return with_python_error(ERR("can't initialize types"));
        }
        nj_runtime.types_ready = true;
    }
    else if (nj_types_interp_init(interp) < 0) {
        return with_python_error(ERR("can't initialize types"));
    }
    st = init_interp(ts);
    if (PyStatus_Exception(st)) {
        return with_python_error(st);
    }
    nj_runtime.initialized = true;
    if (interp->rt.config._init_main) {
        st = init_library(ts);
    }
    return with_python_error(st);
}

PyStatus
Py_InitializeFromConfig(const PyConfig *config)
{
    if (!config) {
        return ERR("initialization config is NULL");
    }
    return nj_init_from_config(config);
}

void
Py_InitializeEx(int install_sigs)
{
    nj_runtime_init();
    if (nj_runtime.initialized) {
        return;
    }
    PyConfig config;
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    config.install_signal_handlers = install_sigs;
    nj_config_apply_legacy(&config);
    PyStatus st = nj_init_from_config(&config);
    PyConfig_Clear(&config);
    if (PyStatus_Exception(st)) {
        Py_ExitStatusException(st);
    }
}

void
Py_Initialize(void)
{
    Py_InitializeEx(1);
}

/* --- end ------------------------------------------------------------------------------------ */

int
Py_AtExit(void (*func)(void))
{
    if (nj_runtime.n_exit_funcs >= (int)NJ_ARRAY_LEN(nj_runtime.exit_funcs)) {
        return -1;
    }
    nj_runtime.exit_funcs[nj_runtime.n_exit_funcs++] = func;
    return 0;
}

/* threading._shutdown(): joins the non-daemon threads. */
static void
wait_for_threads(void)
{
    NJ_OWN threading = PyImport_GetModule(NJ_ID(threading));
    if (!threading) {
        PyErr_Clear();
        return;
    }
    NJ_OWN r = PyObject_CallMethodNoArgs(threading, NJ_ID(_shutdown));
    if (!r) {
        PyErr_FormatUnraisable("Exception ignored on threading shutdown");
    }
}

/* Takes the modules apart. What only modules held dies here, in the order it was
 * imported, with __builtins__ and sys still standing. */
static void
finalize_modules(PyThreadState *ts)
{
    NjInterp *interp = ts->interp;
    PyObject *modules = interp->modules;
    if (!modules) {
        return;
    }
    static const char *const sys_none[] = {"path",      "argv",         "ps1",
                                           "ps2",       "last_exc",     "last_type",
                                           "last_value", "last_traceback", "path_hooks",
                                           "path_importer_cache", "meta_path", NULL};
    PyDict_SetItemString(interp->builtins, "_", Py_None);
    for (int i = 0; sys_none[i]; i++) {
        PyDict_SetItemString(interp->sysdict, sys_none[i], Py_None);
    }
    static const char *const restore[][2] = {{"stdin", "__stdin__"},
                                             {"stdout", "__stdout__"},
                                             {"stderr", "__stderr__"}};
    for (int i = 0; i < 3; i++) {
        PyObject *v = PyDict_GetItemString(interp->sysdict, restore[i][1]);
        PyDict_SetItemString(interp->sysdict, restore[i][0], v ? v : Py_None);
    }
    /* weak references tell which modules survive being dropped from sys.modules */
    NJ_OWN weak = PyList_New(0);
    NJ_OWN items = PyMapping_Items(modules);
    for (Py_ssize_t i = 0; items && weak && i < PyList_GET_SIZE(items); i++) {
        PyObject *pair = PyList_GET_ITEM(items, i);
        PyObject *name = PyTuple_GET_ITEM(pair, 0), *mod = PyTuple_GET_ITEM(pair, 1);
        if (PyModule_Check(mod)) {
            NJ_OWN ref = PyWeakref_NewRef(mod, NULL);
            NJ_OWN entry = ref ? PyTuple_Pack(2, name, ref) : NULL;
            if (!entry || PyList_Append(weak, entry) < 0) {
                PyErr_Clear();
            }
        }
        if (PyObject_SetItem(modules, name, Py_None) < 0) {
            PyErr_Clear();
        }
    }
    NJ_SET(items, NULL);
    if (PyDict_CheckExact(modules)) {
        PyDict_Clear(modules);
    }
    else {
        NJ_OWN r = PyObject_CallMethod(modules, "clear", NULL);
        if (!r) {
            PyErr_Clear();
        }
    }
    nj_gc_collect(interp, 2, true);
    nj_gc_dump_shutdown(interp); /* a warning, which takes sys.stderr */
    /* now the survivors, last imported first */
    for (Py_ssize_t i = weak ? PyList_GET_SIZE(weak) - 1 : -1; i >= 0; i--) {
        PyObject *entry = PyList_GET_ITEM(weak, i);
        PyObject *mod;
        if (PyWeakref_GetRef(PyTuple_GET_ITEM(entry, 1), &mod) <= 0) {
            PyErr_Clear();
            continue;
        }
        PyObject *d = PyModule_GetDict(mod);
        if (d != interp->sysdict && d != interp->builtins) {
            nj_module_clear_dict(d);
        }
        Py_DECREF(mod);
    }
    NJ_SET(weak, NULL);
    /* cycles that only the survivors held go after sys and builtins: a finalizer that
     * needs what is gone fails without a word */
    nj_module_clear_dict(interp->sysdict);
    nj_module_clear_dict(interp->builtins);
    nj_gc_collect(interp, 2, true);
}

static void
end_interp(PyThreadState *ts)
{
    NjInterp *interp = ts->interp;
    /* frames of other threads will never run on */
    for (PyThreadState *t = interp->threads, *next; t; t = next) {
        next = t->next;
        if (t != ts) {
            PyThreadState_Clear(t);
        }
    }
    nj_gc_collect(interp, 2, true);
    interp->rt.shutting_down = true;
    finalize_modules(ts);
    nj_flush_std_files();
    if (interp->rt.config.malloc_stats) {
        nj_mem_dump_stats(stderr);
    }
}

static void
free_interp(NjInterp *interp)
{
    PyInterpreterState_Clear(interp);
    nj_vm_interp_fini(interp);
    nj_number_state_fini(interp);
    nj_types_interp_fini(interp);
    nj_str_interp_fini(interp);
    nj_gc_fini(interp);
    /* what died above went to the free lists */
    nj_number_clear_free(interp);
    nj_containers_fini(interp);
    nj_perf_fini(interp);
    PyInterpreterState_Delete(interp);
}

/* Threads that come for the interpreter from now on never return. */
static void
mark_finalizing(NjInterp *interp, PyThreadState *ts)
{
    interp->rt.finalizing_thread = ts->thread_id;
    __atomic_store_n(&interp->rt.finalizing, ts, __ATOMIC_RELEASE);
}

static void end_other_interps(NjInterp *me);

static int
finalize(bool whole)
{
    PyThreadState *ts = nj_tstate();
    if (!nj_runtime.initialized || !ts) {
        return 0;
    }
    NjInterp *interp = ts->interp;
    int status = 0;
    wait_for_threads();
    nj_pending_run(interp);
    PyErr_Clear();
    nj_atexit_run(interp);
    if (nj_is_main_interp(interp)) {
        end_other_interps(interp);
    }
    if (PySys_Audit("cpython._PySys_ClearAuditHooks", NULL) < 0) {
        PyErr_Clear();
    }
    __atomic_store_n(&_PyRuntime.finalizing, ts, __ATOMIC_RELEASE);
    mark_finalizing(interp, ts);
    nj_runtime.initialized = false;
    if (nj_flush_std_files() < 0) { /* may run Python code, which other threads do not */
        status = -1;
    }
    if (nj_is_main_interp(interp)) {
        nj_signals_fini();
    }
    end_interp(ts);
    if (nj_flush_std_files() < 0) {
        status = -1;
    }
    nj_audit_clear();
    for (int i = nj_runtime.n_exit_funcs; i > 0; i--) {
        nj_runtime.exit_funcs[i - 1]();
    }
    nj_runtime.n_exit_funcs = 0;
    nj_tracemalloc_stop();
    fflush(stdout);
    fflush(stderr);
    if (!whole) {
        return status; /* the process ends: its memory with it */
    }
    free_interp(interp);
    __atomic_store_n(&_PyRuntime.finalizing, NULL, __ATOMIC_RELEASE);
    return status;
}

int
Py_FinalizeEx(void)
{
    return finalize(true);
}

void
Py_Finalize(void)
{
    Py_FinalizeEx();
}

void
Py_Exit(int status)
{
    PyThreadState *ts = nj_tstate();
    if (ts && nj_is_main_interp(ts->interp)) {
        if (finalize(false) < 0) {
            status = 120;
        }
    }
    exit(status);
}

int
Py_RunMain(void)
{
    PyThreadState *ts = nj_tstate();
    if (nj_interp_set_running_main(ts) < 0) {
        PyErr_Clear(); /* an embedder runs it already */
    }
    int code = nj_run_main(ts);
    nj_interp_clear_running_main(ts);
    if (finalize(false) < 0) {
        code = 120;
    }
    if (nj_runtime.preconfig._config_init) {
        fflush(stdout);
    }
    if (code == -SIGINT - 1000) {
        /* killed by Ctrl-C: die the way the shell expects */
        signal(SIGINT, SIG_DFL);
        kill(getpid(), SIGINT);
        code = 130;
    }
    return code;
}

/* --- errors that end the process ---------------------------------------------------------------- */

void _Py_NO_RETURN
Py_ExitStatusException(PyStatus st)
{
    if (PyStatus_IsExit(st)) {
        exit(st.exitcode);
    }
    if (PyStatus_IsError(st)) {
        fprintf(stderr, "Fatal Python error: %s: %s\n", st.func ? st.func : "init",
                st.err_msg);
        fprintf(stderr, "Python runtime state: %s\n\n",
                nj_runtime.initialized   ? "initialized"
                : nj_runtime.core_ready && nj_tstate() ? "core initialized"
                : nj_runtime.preinitialized            ? "preinitialized"
                                                       : "preinitializing");
        fflush(stderr);
        exit(1);
    }
    _Py_FatalErrorFunc(__func__, "Py_ExitStatusException() must not be called on success");
}

void _Py_NO_RETURN
_Py_FatalErrorFunc(const char *func, const char *msg)
{
    static int again;
    fflush(stdout);
    fprintf(stderr, "Fatal Python error: ");
    if (func) {
        fprintf(stderr, "%s: ", func);
    }
    fprintf(stderr, "%s\n", msg ? msg : "<message not set>");
    fprintf(stderr, "Python runtime state: %s\n",
            _PyRuntime.finalizing    ? "finalizing (tstate=0x0000000000000000)"
            : nj_runtime.initialized ? "initialized"
                                     : "preinitialized");
    PyThreadState *attached = nj_tstate();
    PyThreadState *ts = attached ? attached : PyGILState_GetThisThreadState();
    fputc('\n', stderr);
    fflush(stderr);
    if (!again++ && ts) {
        if (attached && PyErr_Occurred()) {
            PyErr_Print();
        }
        else {
            nj_dump_all_threads(2, ts);
            nj_dump_extension_modules(2, ts->interp);
        }
    }
    fflush(stderr);
    abort();
}

#undef Py_FatalError
void _Py_NO_RETURN
Py_FatalError(const char *msg)
{
    _Py_FatalErrorFunc(NULL, msg);
}

/* --- other interpreters --------------------------------------------------------------------------- */

/* After site, which would make the entry absolute. */
static int
insert_sys_path_0(const PyConfig *c)
{
    PyObject *path = nj_sys_peek(NJ_ID(path));
    if (!c->sys_path_0 || !path) {
        return 0;
    }
    NJ_OWN entry = PyUnicode_FromWideChar(c->sys_path_0, -1);
    return entry ? PyList_Insert(path, 0, entry) : -1;
}

static PyStatus
new_interpreter(PyThreadState **out, const PyInterpreterConfig *c, int whence)
{
    *out = NULL;
    if (!nj_runtime.initialized) {
        return ERR("Py_Initialize must be called first");
    }
    if (c->gil < PyInterpreterConfig_DEFAULT_GIL || c->gil > PyInterpreterConfig_OWN_GIL) {
        return ERR("invalid interpreter config 'gil' value");
    }
    if (!c->use_main_obmalloc && !c->check_multi_interp_extensions) {
        return ERR("per-interpreter obmalloc does not support single-phase init extension "
                   "modules");
    }
    PyThreadState *old = nj_tstate();
    NjInterp *interp = PyInterpreterState_New();
    if (!interp) {
        return PyStatus_NoMemory();
    }
    const PyConfig *src = old ? &old->interp->rt.config : &nj_runtime.main->rt.config;
    PyStatus st = nj_config_copy(&interp->rt.config, src);
    if (PyStatus_Exception(st)) {
        return st;
    }
    interp->rt.has_config = true;
    interp->rt.whence = whence;
    interp->rt.own_gil_used = c->gil == PyInterpreterConfig_OWN_GIL;
    if (!interp->rt.own_gil_used) {
        interp->rt.gil = nj_runtime.main->rt.gil;
    }
    interp->rt.isolated_exts = c->check_multi_interp_extensions != 0;
    interp->rt.feature_flags =
        (c->use_main_obmalloc ? NJ_FEATURE_MAIN_OBMALLOC : 0) |
        (c->check_multi_interp_extensions ? NJ_FEATURE_MULTI_INTERP_EXTENSIONS : 0) |
        (c->allow_fork ? NJ_FEATURE_FORK : 0) | (c->allow_exec ? NJ_FEATURE_EXEC : 0) |
        (c->allow_threads ? NJ_FEATURE_THREADS : 0) |
        (c->allow_daemon_threads ? NJ_FEATURE_DAEMON_THREADS : 0);
    PyThreadState *ts = nj_tstate_new(interp, 1);
    if (!ts) {
        return PyStatus_NoMemory();
    }
    interp->rt.main_tstate = ts;
    nj_tstate_bind(ts);
    PyThreadState_Swap(ts);
    interp->numbers.max_str_digits = interp->rt.config.int_max_str_digits;
    nj_number_state_init(interp);
    bool ok = nj_str_interp_init(interp) == 0 && nj_types_interp_init(interp) == 0;
    st = ok ? init_interp(ts) : ERR("can't initialize interpreter");
    if (!PyStatus_Exception(st)) {
        st = init_library(ts);
    }
    if (!PyStatus_Exception(st) && insert_sys_path_0(&interp->rt.config) < 0) {
        st = ERR("can't initialize sys.path");
    }
    if (PyStatus_Exception(st)) {
        PyErr_Clear();
        PyThreadState_Swap(old);
        return st;
    }
    *out = ts;
    return st;
}

PyStatus
Py_NewInterpreterFromConfig(PyThreadState **out, const PyInterpreterConfig *c)
{
    return new_interpreter(out, c, NJ_WHENCE_CAPI);
}

PyThreadState *
Py_NewInterpreter(void)
{
    PyThreadState *ts = NULL;
    const PyInterpreterConfig c = _PyInterpreterConfig_LEGACY_INIT;
    PyStatus st = new_interpreter(&ts, &c, NJ_WHENCE_LEGACY_CAPI);
    if (PyStatus_Exception(st)) {
        Py_ExitStatusException(st);
    }
    return ts;
}

void
Py_EndInterpreter(PyThreadState *ts)
{
    NjInterp *interp = ts->interp;
    if (ts != nj_tstate()) {
        _Py_FatalErrorFunc(__func__, "thread is not current");
    }
    if (ts->current_frame) {
        _Py_FatalErrorFunc(__func__, "thread still has a frame");
    }
    wait_for_threads();
    nj_pending_run(interp);
    PyErr_Clear();
    nj_atexit_run(interp);
    mark_finalizing(interp, ts);
    end_interp(ts);
    free_interp(interp);
}

NjInterp *
nj_interp_create(const PyInterpreterConfig *c, int whence)
{
    PyThreadState *home = nj_tstate(), *ts;
    PyStatus st = new_interpreter(&ts, c, whence);
    if (PyStatus_Exception(st)) {
        PyThreadState_Swap(home);
        PyErr_SetString(PyExc_InterpreterError, "sub-interpreter creation failed");
        return NULL;
    }
    NjInterp *interp = ts->interp;
    PyThreadState_Clear(ts);
    PyThreadState_DeleteCurrent();
    PyThreadState_Swap(home);
    return interp;
}

void
nj_interp_end(NjInterp *interp)
{
    PyThreadState *home = nj_tstate();
    if (!interp->rt.initialized) {
        /* nothing ran in it yet */
        PyInterpreterState_Delete(interp);
        return;
    }
    PyThreadState *ts = nj_tstate_new(interp, 2);
    if (!ts) {
        return; /* it stays */
    }
    PyThreadState_Swap(ts);
    Py_EndInterpreter(ts);
    PyThreadState_Swap(home);
}

void
nj_interp_incref(NjInterp *interp)
{
    __atomic_add_fetch(&interp->rt.idref, 1, __ATOMIC_ACQ_REL);
}

void
nj_interp_decref(NjInterp *interp)
{
    if (__atomic_sub_fetch(&interp->rt.idref, 1, __ATOMIC_ACQ_REL) == 0 &&
        interp->rt.requires_idref && interp != nj_interp()) {
        nj_interp_end(interp);
    }
}

/* What the program left of other interpreters. */
static void
end_other_interps(NjInterp *me)
{
    bool told = false;
    for (;;) {
        pthread_mutex_lock(&nj_runtime.lock);
        NjInterp *other = _PyRuntime.interps;
        while (other && other == me) {
            other = other->next;
        }
        pthread_mutex_unlock(&nj_runtime.lock);
        if (!other) {
            return;
        }
        if (!told && PyErr_WarnEx(PyExc_RuntimeWarning,
                                  "remaining subinterpreters; "
                                  "close them with Interpreter.close()",
                                  0) < 0) {
            PyErr_FormatUnraisable("Exception ignored while finalizing subinterpreters");
        }
        told = true;
        nj_interp_end(other);
    }
}
